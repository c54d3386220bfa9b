"""The directory in Graph: users, domains, the organization and its licences."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.graph.odata import Filter, InvalidFilter, parse_filter
from sandbox.http_types import (
    HttpRequest,
    HttpResponse,
    Row,
    build_next_link,
    is_true,
    split_words,
    strip_private_keys,
)
from sandbox.state.tenant import Owner, SimulatedTenant

COLLECTION_COUNT = "graph-collection-count"
DEFAULT_PROPERTIES = split_words(
    "businessPhones displayName givenName id jobTitle mail mobilePhone officeLocation"
    " preferredLanguage surname userPrincipalName"
)
USER_PROPERTIES = frozenset(
    split_words("""
    aboutMe accountEnabled ageGroup assignedLicenses assignedPlans authorizationInfo birthday
    businessPhones city companyName consentProvidedForMinor country createdDateTime creationType
    customSecurityAttributes deletedDateTime department deviceEnrollmentLimit displayName
    employeeHireDate employeeId employeeLeaveDateTime employeeOrgData employeeType
    externalUserState externalUserStateChangeDateTime faxNumber givenName hireDate id identities
    identityParentId imAddresses interests isManagementRestricted isResourceAccount jobTitle
    lastPasswordChangeDateTime legalAgeGroupClassification licenseAssignmentStates mail
    mailNickname mailboxSettings mobilePhone mySite officeLocation onPremisesDistinguishedName
    onPremisesDomainName onPremisesExtensionAttributes onPremisesImmutableId
    onPremisesLastSyncDateTime onPremisesProvisioningErrors onPremisesSamAccountName
    onPremisesSecurityIdentifier onPremisesSyncEnabled onPremisesUserPrincipalName otherMails
    passwordPolicies passwordProfile pastProjects postalCode preferredDataLocation
    preferredLanguage preferredName print provisionedPlans proxyAddresses responsibilities schools
    securityIdentifier serviceProvisioningErrors showInAddressList signInActivity
    signInSessionsValidFromDateTime skills state streetAddress surname usageLocation
    userPrincipalName userType
    """)
)
# Lists and objects: a scene leaves one out to say nothing of it. Graph leaves out signInActivity
# alone, of a user who never signed in (graph2otel, 2026-07).
COMPOSITE_PROPERTIES = frozenset(
    split_words("""
    assignedLicenses assignedPlans authorizationInfo businessPhones customSecurityAttributes
    employeeOrgData identities imAddresses interests licenseAssignmentStates mailboxSettings
    onPremisesExtensionAttributes onPremisesProvisioningErrors otherMails passwordProfile
    pastProjects print provisionedPlans proxyAddresses responsibilities schools
    serviceProvisioningErrors signInActivity skills
    """)
)
ADVANCED_OPERATORS = frozenset({"ne", "not", "endswith", "$count"})
MAX_CHILD_CLAUSES = 15
SIGN_IN_PAGE_SIZE = 500
SIGN_IN_ROLE = "AuditLog.Read.All"
WIDE_WRITE_ROLES = frozenset({"User.ReadWrite.All", "Directory.ReadWrite.All"})
DENIED_MESSAGE = "Insufficient privileges to complete the operation."
SYNCED_MESSAGE = (
    "Unable to update the specified properties for on-premises mastered Directory Sync objects "
    "or objects currently undergoing migration."
)
NEEDS_HEADER_MESSAGE = (
    "Request with $search query parameter only works through MSGraph with a special request "
    "header: 'ConsistencyLevel: eventual'"
)


class GraphError(Exception):
    """An error response in Graph's format."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def build_denied_error() -> GraphError:
    return GraphError(403, "Authorization_RequestDenied", DENIED_MESSAGE)


def build_bad_request(message: str) -> GraphError:
    return GraphError(400, "Request_BadRequest", message)


# Query options ----------------------------------------------------------------------------------


def parse_select(request: HttpRequest) -> tuple[str, ...]:
    """Parses `$select`, empty if absent."""
    return tuple(
        name.strip() for name in request.query.get("$select", "").split(",") if name.strip()
    )


def parse_user_select(request: HttpRequest) -> tuple[str, ...]:
    """Parses the selected properties of users. Raises GraphError for an unknown one."""
    names = parse_select(request)
    for name in names:
        if name not in USER_PROPERTIES:
            raise GraphError(
                400,
                "BadRequest",
                f"Parsing OData Select and Expand failed: Could not find a property named "
                f"'{name[:64]}' on type 'microsoft.graph.user'.",
            )
    if "signInActivity" in names and SIGN_IN_ROLE not in request.roles:
        raise build_denied_error()
    return names or DEFAULT_PROPERTIES


def project_row(row: Row, names: Iterable[str]) -> Row:
    return {name: row[name] for name in names if name in row}


def project_user(row: Row, names: Iterable[str]) -> Row:
    """The properties of a user that were asked for: Graph prints null for a value without any."""
    return {
        name: row.get(name) for name in names if name in row or name not in COMPOSITE_PROPERTIES
    }


def parse_page_size(request: HttpRequest, default: int, maximum: int) -> int:
    """Parses `$top`, or the default. Raises GraphError if out of range."""
    text = request.query.get("$top", str(default))
    if not text.isdigit() or not 1 <= int(text) <= maximum:
        raise build_bad_request(
            f"Invalid page size specified: '{text[:20]}'. Must be between 1 and {maximum}."
        )
    return int(text)


def is_advanced(request: HttpRequest) -> bool:
    """True if a request has the header that advanced directory queries need."""
    return request.headers.get("ConsistencyLevel", "").casefold() == "eventual"


def add_count(
    tenant: SimulatedTenant, request: HttpRequest, body: dict[str, Any], count: int
) -> None:
    """Adds the number of all rows that an advanced query asks for. Raises GraphError."""
    if request.query.get("$count", "").casefold() != "true" or "$skiptoken" in request.query:
        return
    if tenant.reality.plays(COLLECTION_COUNT, "refused"):
        raise build_bad_request("$count is not currently supported.")
    if is_advanced(request):
        body["@odata.count"] = count + tenant.reality.plays(COLLECTION_COUNT, "high")


def choose_next_token(tenant: SimulatedTenant, rest: str, size: int, mark: str) -> str:
    """The token that the first page of a counted listing leads to; `rest` is that of the next."""
    if not rest or tenant.reality.plays(COLLECTION_COUNT, "ended"):
        return ""
    if tenant.reality.plays(COLLECTION_COUNT, "skipped"):
        return tenant.snapshots.resume_listing(rest, size, mark)[1] or ""
    return rest


def parse_user_filter(request: HttpRequest) -> Filter:
    """Parses a filter of users. Raises GraphError if Graph would refuse the query."""
    try:
        wanted = parse_filter(request.query.get("$filter", ""))
    except InvalidFilter as trouble:
        raise GraphError(400, "BadRequest", str(trouble)) from trouble
    counted = (
        request.query.get("$count", "").casefold() == "true" or request.segments[-1] == "$count"
    )
    advanced = is_advanced(request) and counted
    ordered = "$orderby" in request.query and wanted.clause_count > 0
    if (wanted.operators & ADVANCED_OPERATORS or ordered) and not advanced:
        raise GraphError(400, "Request_UnsupportedQuery", "Unsupported Query.")
    if wanted.clause_count > MAX_CHILD_CLAUSES:
        raise GraphError(
            400,
            "Request_UnsupportedQuery",
            "Too many child clauses specified in search filter expression containing 'OR' "
            f"operators: {wanted.clause_count}. Max allowed: {MAX_CHILD_CLAUSES}.",
        )
    if "$search" in request.query:
        text = (
            NEEDS_HEADER_MESSAGE
            if not is_advanced(request)
            else "$search is not part of this tenant."
        )
        raise GraphError(400, "Request_UnsupportedQuery", text)
    return wanted


def find_users(tenant: SimulatedTenant, request: HttpRequest) -> Sequence[Row]:
    wanted = parse_user_filter(request)
    users: list[Row] = tenant.graph["users"]
    order = request.query.get("$orderby", "").split()
    if wanted.clause_count:
        users = [
            user for user in users if wanted.matches(tenant.read_row(user, counts_as_read=False))
        ]
    if order:
        backwards = order[-1].casefold() == "desc"
        users = sorted(users, key=lambda user: str(user.get(order[0]) or ""), reverse=backwards)
    return users


# Users ------------------------------------------------------------------------------------------


def list_users(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /users`, in pages. A skip token belongs to the query it came from."""
    names = parse_user_select(request)
    size = parse_page_size(request, default=100, maximum=999)
    if "signInActivity" in names:
        size = min(size, SIGN_IN_PAGE_SIZE)
        if "id in" in request.query.get("$filter", "") and tenant.reality.plays(
            "graph-users-id-filter", "refused"
        ):
            raise GraphError(400, "Request_UnsupportedQuery", "Unsupported Query.")
    mark = "&".join((*names, request.query.get("$filter", ""), request.query.get("$orderby", "")))
    token = request.query.get("$skiptoken")
    if token is None:
        users = find_users(tenant, request)
        part, rest = tenant.snapshots.cut_page(users, size, mark)
    else:
        parse_user_filter(request)
        try:
            part, rest = tenant.snapshots.resume_listing(token, size, mark)
        except KeyError as error:
            raise GraphError(
                400, "Directory_ExpiredPageToken", "The page token is invalid or has expired."
            ) from error
    shape = ",".join(names) if "$select" in request.query else ""
    body: dict[str, Any] = {
        "@odata.context": build_context_url(tenant, f"users({shape})" if shape else "users")
    }
    if token is None:
        add_count(tenant, request, body, len(users))
        rest = choose_next_token(tenant, rest, size, mark)
    if rest:
        body["@odata.nextLink"] = build_next_link(tenant.base, request, rest)
    body["value"] = [project_user(tenant.read_row(user), names) for user in part]
    return HttpResponse(200, body)


def count_users(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /users/$count`, which is an advanced query."""
    if not is_advanced(request):
        raise build_bad_request("$count is not currently supported.")
    count = str(len(find_users(tenant, request)))
    return HttpResponse(200, raw=count.encode(), headers={"Content-Type": "text/plain"})


def find_user(tenant: SimulatedTenant, key: str) -> tuple[Owner, Row]:
    """Finds the account of a path. Raises GraphError if there is none."""
    owner = tenant.find_account(key)
    if owner is None or owner.user is None:
        raise build_missing_resource_error(key)
    return owner, owner.user


def build_missing_resource_error(key: str) -> GraphError:
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{key[:128]}' does not exist or one of its queried reference-property objects "
        "are not present.",
    )


def get_user(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    names = parse_user_select(request)
    _, user = find_user(tenant, key)
    body = {"@odata.context": build_context_url(tenant, "users/$entity")}
    return HttpResponse(200, body | project_user(tenant.read_row(user), names))


def change_user(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`PATCH /users/{id}`: accountEnabled needs a narrow permission, other properties a wide
    one.
    """
    body = request.json()
    changes = (
        {}
        if not isinstance(body, Mapping)
        else {name: value for name, value in body.items() if not name.startswith("@odata.")}
    )
    if not changes:
        raise build_bad_request("Empty Payload. JSON content expected.")
    if changes.keys() - {"accountEnabled"} and not request.roles & WIDE_WRITE_ROLES:
        raise build_denied_error()
    if unknown := changes.keys() - USER_PROPERTIES:
        raise build_bad_request(f"Property '{min(unknown)[:64]}' does not exist.")
    if not isinstance(changes.get("accountEnabled", True), bool):
        raise build_bad_request(
            "Invalid value specified for property 'accountEnabled' of resource 'User'."
        )
    owner, user = find_user(tenant, key)
    require_writable(tenant, user, changes)
    hidden = tenant.find_stale_fault("graph", [request.line])
    tenant.update_row(user, changes, hidden)
    if (
        owner.mailbox is not None
        and "accountEnabled" in changes
        and "AccountDisabled" in owner.mailbox
    ):
        tenant.update_row(owner.mailbox, {"AccountDisabled": not changes["accountEnabled"]}, hidden)
    tenant.record_write("graph", "PATCH", f"/users/{user.get('id', key)}", dict(body))
    return HttpResponse(204)


def require_writable(tenant: SimulatedTenant, user: Row, changes: Mapping[str, object]) -> None:
    """Raises GraphError for accounts this app may not change: administrators, members of restricted
    management administrative units, and synced accounts but for accountEnabled.
    """
    if is_true(user.get("@sandbox.protected")) or is_true(user.get("isManagementRestricted")):
        raise build_denied_error()
    is_block = changes.keys() == {"accountEnabled"} and tenant.reality.plays(
        "write-synced-block-taken", "taken"
    )
    if is_true(user.get("onPremisesSyncEnabled")) and not is_block:
        raise build_bad_request(SYNCED_MESSAGE)


def revoke_sessions(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`POST /users/{id}/revokeSignInSessions`: allowed for synced accounts, not for
    administrators.
    """
    _, user = find_user(tenant, key)
    if is_true(user.get("@sandbox.protected")):
        raise build_denied_error()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    hidden = tenant.find_stale_fault("graph", [request.line])
    tenant.update_row(user, {"signInSessionsValidFromDateTime": now}, hidden)
    target = f"/users/{user.get('id', key)}/revokeSignInSessions"
    tenant.record_write("graph", "POST", target, {})
    return HttpResponse(
        200, {"@odata.context": build_context_url(tenant, "Edm.Boolean"), "value": True}
    )


def send_mail(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`POST /users/{id}/sendMail`: 202 where the app may send as the mailbox, a bare 403
    elsewhere.
    """
    user = find_user(tenant, key)[1]
    if not {key, str(user.get("id"))} & tenant.mail_senders:
        raise GraphError(403, "ErrorAccessDenied", "Access is denied. Check credentials.")
    body = request.json()
    message = body.get("message") if isinstance(body, Mapping) else None
    recipients = message.get("toRecipients") if isinstance(message, Mapping) else None
    if not isinstance(message, Mapping) or not recipients:
        raise build_bad_request("At least one recipient isn't valid.")
    names = [header.get("name", "") for header in message.get("internetMessageHeaders", ())]
    if not all(name.lower().startswith("x-") for name in names):
        raise build_bad_request("The internet message header name should start with 'x-'.")
    tenant.sent_mail.append({"from": key, **message})
    return HttpResponse(202)


def list_licence_details(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /users/{id}/licenseDetails`: the scene's, or derived from the organization's SKUs."""
    owner, user = find_user(tenant, key)
    rows = owner.licences
    if rows is None:
        held = {one.get("skuId") for one in user.get("assignedLicenses") or ()}
        skus = [sku for sku in tenant.graph["subscribedSkus"] if sku.get("skuId") in held]
        names = ("skuId", "skuPartNumber", "servicePlans")
        rows = [{"id": sku.get("id", ""), **project_row(sku, names)} for sku in skus]
    where = build_context_url(tenant, f"users('{key}')/licenseDetails")
    return HttpResponse(
        200, {"@odata.context": where, "value": [strip_private_keys(row) for row in rows]}
    )


# The organization -------------------------------------------------------------------------------


def list_collection(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /domains`, `/organization` or `/subscribedSkus`: small collections without paging."""
    name = {"subscribedskus": "subscribedSkus"}.get(
        request.segments[1].casefold(), request.segments[1].casefold()
    )
    names = parse_select(request)
    rows = [
        {
            key: value
            for key, value in strip_private_keys(tenant.read_row(row)).items()
            if key != "federationConfiguration"
        }
        for row in tenant.graph[name]
    ]
    value = [project_row(row, names) for row in rows] if names else rows
    return HttpResponse(200, {"@odata.context": build_context_url(tenant, name), "value": value})


def build_context_url(tenant: SimulatedTenant, what: str) -> str:
    return f"{tenant.base}/v1.0/$metadata#{what}"
