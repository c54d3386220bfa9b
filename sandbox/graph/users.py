"""The directory side of Graph: users, domains, the organization and its licences."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sandbox.graph.odata import BadFilter, Filter, parse_filter
from sandbox.http_types import Answer, Call, Row, next_link, shown, truth, words
from sandbox.state.tenant import Owner, Tenant

DEFAULT_PROPERTIES = words(
    "businessPhones displayName givenName id jobTitle mail mobilePhone officeLocation"
    " preferredLanguage surname userPrincipalName"
)
USER_PROPERTIES = frozenset(
    words("""
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
ADVANCED = frozenset({"ne", "not", "endswith", "$count"})
CHILD_CLAUSES = 15
SIGN_IN_ROLE = "AuditLog.Read.All"
WIDE_WRITE_ROLES = frozenset({"User.ReadWrite.All", "Directory.ReadWrite.All"})
DENIED = "Insufficient privileges to complete the operation."
SYNCED = (
    "Unable to update the specified properties for on-premises mastered Directory Sync objects "
    "or objects currently undergoing migration."
)
NEEDS_HEADER = (
    "Request with $search query parameter only works through MSGraph with a special request "
    "header: 'ConsistencyLevel: eventual'"
)


class GraphError(Exception):
    """An answer that is an error, in Graph's shape."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


def denied() -> GraphError:
    return GraphError(403, "Authorization_RequestDenied", DENIED)


def bad_request(message: str) -> GraphError:
    return GraphError(400, "Request_BadRequest", message)


# Query options ----------------------------------------------------------------------------------


def selection(call: Call) -> tuple[str, ...]:
    """The properties of `$select`, none when it is absent."""
    return tuple(name.strip() for name in call.query.get("$select", "").split(",") if name.strip())


def user_view(call: Call) -> tuple[str, ...]:
    """The properties of a user an answer holds. Raises GraphError for one that does not exist."""
    names = selection(call)
    for name in names:
        if name not in USER_PROPERTIES:
            raise GraphError(
                400,
                "BadRequest",
                f"Parsing OData Select and Expand failed: Could not find a property named "
                f"'{name[:64]}' on type 'microsoft.graph.user'.",
            )
    if "signInActivity" in names and SIGN_IN_ROLE not in call.roles:
        raise denied()
    return names or DEFAULT_PROPERTIES


def projected(row: Row, names: Iterable[str]) -> Row:
    return {name: row[name] for name in names if name in row}


def page_size(call: Call, usual: int, most: int) -> int:
    """`$top`, or the usual page. Raises GraphError outside 1 to the most allowed."""
    text = call.query.get("$top", str(usual))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise bad_request(
            f"Invalid page size specified: '{text[:20]}'. Must be between 1 and {most}."
        )
    return int(text)


def is_advanced(call: Call) -> bool:
    """True when a request carries the header that advanced directory queries need."""
    return call.headers.get("ConsistencyLevel", "").casefold() == "eventual"


def user_filter(call: Call) -> Filter:
    """The filter of a listing of users. Raises GraphError where Graph would refuse the query."""
    try:
        wanted = parse_filter(call.query.get("$filter", ""))
    except BadFilter as trouble:
        raise GraphError(400, "BadRequest", str(trouble)) from trouble
    counted = call.query.get("$count", "").casefold() == "true" or call.segments[-1] == "$count"
    advanced = is_advanced(call) and counted
    ordered = "$orderby" in call.query and wanted.clauses > 0
    if (wanted.operators & ADVANCED or ordered) and not advanced:
        raise GraphError(400, "Request_UnsupportedQuery", "Unsupported Query.")
    if wanted.clauses > CHILD_CLAUSES:
        raise GraphError(
            400,
            "Request_UnsupportedQuery",
            "Too many child clauses specified in search filter expression containing 'OR' "
            f"operators: {wanted.clauses}. Max allowed: {CHILD_CLAUSES}.",
        )
    if "$search" in call.query:
        text = NEEDS_HEADER if not is_advanced(call) else "$search is not part of this tenant."
        raise GraphError(400, "Request_UnsupportedQuery", text)
    return wanted


def matching_users(tenant: Tenant, call: Call) -> Sequence[Row]:
    wanted = user_filter(call)
    users: list[Row] = tenant.graph["users"]
    order = call.query.get("$orderby", "").split()
    if wanted.clauses:
        users = [user for user in users if wanted.test(tenant.current(user, counted=False))]
    if order:
        backwards = order[-1].casefold() == "desc"
        users = sorted(users, key=lambda user: str(user.get(order[0]) or ""), reverse=backwards)
    return users


# Users ------------------------------------------------------------------------------------------


def list_users(tenant: Tenant, call: Call) -> Answer:
    """`GET /users`, in pages. The mark ties a skip token to the query it came from."""
    names = user_view(call)
    size = page_size(call, usual=100, most=999)
    mark = "&".join((*names, call.query.get("$filter", ""), call.query.get("$orderby", "")))
    token = call.query.get("$skiptoken")
    if token is None:
        users = matching_users(tenant, call)
        part, rest = tenant.snapshots.page(users, size, mark)
    else:
        user_filter(call)
        try:
            part, rest = tenant.snapshots.resume(token, size, mark)
        except KeyError as error:
            raise GraphError(
                400, "Directory_ExpiredPageToken", "The page token is invalid or has expired."
            ) from error
    shape = ",".join(names) if "$select" in call.query else ""
    body: dict[str, Any] = {
        "@odata.context": context(tenant, f"users({shape})" if shape else "users")
    }
    if token is None and is_advanced(call) and call.query.get("$count", "").casefold() == "true":
        body["@odata.count"] = len(users)
    if rest:
        body["@odata.nextLink"] = next_link(tenant.base, call, rest)
    body["value"] = [projected(tenant.current(user), names) for user in part]
    return Answer(200, body)


def count_users(tenant: Tenant, call: Call) -> Answer:
    """`GET /users/$count`, an advanced query of its own."""
    if not is_advanced(call):
        raise bad_request("$count is not currently supported.")
    count = str(len(matching_users(tenant, call)))
    return Answer(200, raw=count.encode(), headers={"Content-Type": "text/plain"})


def user_of(tenant: Tenant, key: str) -> tuple[Owner, Row]:
    """The account a path names. Raises GraphError when nobody has it."""
    owner = tenant.account(key)
    if owner is None or owner.user is None:
        raise not_found(key)
    return owner, owner.user


def not_found(key: str) -> GraphError:
    return GraphError(
        404,
        "Request_ResourceNotFound",
        f"Resource '{key[:128]}' does not exist or one of its queried reference-property objects "
        "are not present.",
    )


def get_user(tenant: Tenant, call: Call, key: str) -> Answer:
    names = user_view(call)
    _, user = user_of(tenant, key)
    body = {"@odata.context": context(tenant, "users/$entity")}
    return Answer(200, body | projected(tenant.current(user), names))


def change_user(tenant: Tenant, call: Call, key: str) -> Answer:
    """`PATCH /users/{id}`: accountEnabled with the narrow permission, the rest with a wide one."""
    body = call.json()
    changes = (
        {}
        if not isinstance(body, Mapping)
        else {name: value for name, value in body.items() if not name.startswith("@odata.")}
    )
    if not changes:
        raise bad_request("Empty Payload. JSON content expected.")
    if changes.keys() - {"accountEnabled"} and not call.roles & WIDE_WRITE_ROLES:
        raise denied()
    if unknown := changes.keys() - USER_PROPERTIES:
        raise bad_request(f"Property '{min(unknown)[:64]}' does not exist.")
    if not isinstance(changes.get("accountEnabled", True), bool):
        raise bad_request(
            "Invalid value specified for property 'accountEnabled' of resource 'User'."
        )
    owner, user = user_of(tenant, key)
    writable(user)
    hidden = tenant.faults.stale("graph", [call.line])
    tenant.change(user, changes, hidden)
    if (
        owner.mailbox is not None
        and "accountEnabled" in changes
        and "AccountDisabled" in owner.mailbox
    ):
        tenant.change(owner.mailbox, {"AccountDisabled": not changes["accountEnabled"]}, hidden)
    tenant.record("graph", "PATCH", f"/users/{user.get('id', key)}", dict(body))
    return Answer(204)


def writable(user: Row) -> None:
    """Raise GraphError for the accounts this app may not change: admins, and those synced."""
    if truth(user.get("@sandbox.protected")):
        raise denied()
    if truth(user.get("onPremisesSyncEnabled")):
        raise bad_request(SYNCED)


def revoke_sessions(tenant: Tenant, call: Call, key: str) -> Answer:
    """`POST /users/{id}/revokeSignInSessions`: allowed on synced accounts, not on admins."""
    _, user = user_of(tenant, key)
    if truth(user.get("@sandbox.protected")):
        raise denied()
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    hidden = tenant.faults.stale("graph", [call.line])
    tenant.change(user, {"signInSessionsValidFromDateTime": now}, hidden)
    target = f"/users/{user.get('id', key)}/revokeSignInSessions"
    tenant.record("graph", "POST", target, {})
    return Answer(200, {"@odata.context": context(tenant, "Edm.Boolean"), "value": True})


def licence_details(tenant: Tenant, call: Call, key: str) -> Answer:
    """`GET /users/{id}/licenseDetails`: the scene's, or what the organization's SKUs say."""
    owner, user = user_of(tenant, key)
    rows = owner.licences
    if rows is None:
        held = {one.get("skuId") for one in user.get("assignedLicenses") or ()}
        skus = [sku for sku in tenant.graph["subscribedSkus"] if sku.get("skuId") in held]
        names = ("skuId", "skuPartNumber", "servicePlans")
        rows = [{"id": sku.get("id", ""), **projected(sku, names)} for sku in skus]
    where = context(tenant, f"users('{key}')/licenseDetails")
    return Answer(200, {"@odata.context": where, "value": [shown(row) for row in rows]})


# The organization -------------------------------------------------------------------------------


def collection(tenant: Tenant, call: Call) -> Answer:
    """`GET /domains`, `/organization` or `/subscribedSkus`: small, and never paged."""
    name = {"subscribedskus": "subscribedSkus"}.get(
        call.segments[1].casefold(), call.segments[1].casefold()
    )
    names = selection(call)
    rows = [shown(tenant.current(row)) for row in tenant.graph[name]]
    value = [projected(row, names) for row in rows] if names else rows
    return Answer(200, {"@odata.context": context(tenant, name), "value": value})


def context(tenant: Tenant, what: str) -> str:
    return f"{tenant.base}/v1.0/$metadata#{what}"
