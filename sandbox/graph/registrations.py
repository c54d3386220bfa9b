"""Entra's report on registered authentication methods.

Without `userRegistrationDetails` in the scene, every enabled account has a strong second factor.
The report omits disabled accounts, and a tenant without Entra ID P1 (`"@sandbox.premium": false` on
its organization) is refused.
"""

from sandbox.graph.odata import InvalidFilter, parse_filter
from sandbox.graph.users import (
    GraphError,
    build_bad_request,
    build_context_url,
    parse_page_size,
    project_row,
)
from sandbox.http_types import (
    HttpRequest,
    HttpResponse,
    Row,
    build_next_link,
    is_true,
    split_words,
    strip_private_keys,
)
from sandbox.state.tenant import SimulatedTenant, to_rows

# Where $top is left out, the size of a page is not documented.
REGISTRATIONS_PAGE_SIZE = 100
MAX_PAGE_SIZE = 999
ALLOWED_OPTIONS = ("$filter", "$orderby", "$skiptoken", "$top", "$select")
NOT_PREMIUM = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
REGISTRATION_PROPERTIES = split_words(
    "id userPrincipalName userDisplayName userType isAdmin isSsprRegistered isSsprEnabled"
    " isSsprCapable isMfaRegistered isMfaCapable isPasswordlessCapable methodsRegistered"
    " isSystemPreferredAuthenticationMethodEnabled systemPreferredAuthenticationMethods"
    " userPreferredMethodForSecondaryAuthentication lastUpdatedDateTime"
)


def build_report_row(user: Row) -> Row:
    """The report's row of a well-kept account."""
    guest = str(user.get("userType") or "Member").casefold() == "guest"
    return {
        "id": user.get("id"),
        "userPrincipalName": user.get("userPrincipalName"),
        "userDisplayName": user.get("displayName", ""),
        "userType": "guest" if guest else "member",
        "isAdmin": False,
        "isSsprRegistered": True,
        "isSsprEnabled": True,
        "isSsprCapable": True,
        "isMfaRegistered": True,
        "isMfaCapable": True,
        "isPasswordlessCapable": False,
        "methodsRegistered": ["microsoftAuthenticatorPush", "softwareOneTimePasscode"],
        "isSystemPreferredAuthenticationMethodEnabled": True,
        "systemPreferredAuthenticationMethods": ["push"],
        "userPreferredMethodForSecondaryAuthentication": "push",
        "lastUpdatedDateTime": "2026-11-01T03:00:00Z",
    }


def list_report_rows(tenant: SimulatedTenant) -> list[Row]:
    """The report's rows: the scene's, or one per enabled account."""
    if "userRegistrationDetails" in tenant.graph:
        return [strip_private_keys(row) for row in to_rows(tenant.graph["userRegistrationDetails"])]
    users = tenant.graph["users"]
    return [build_report_row(user) for user in users if is_true(user.get("accountEnabled", True))]


def is_premium(tenant: SimulatedTenant) -> bool:
    """True for a tenant with Entra ID P1, the default."""
    return all(row.get("@sandbox.premium", True) for row in tenant.graph["organization"])


def require_premium(tenant: SimulatedTenant, has_licence: bool) -> None:
    """Raises GraphError without Entra ID P1, and now and then with it."""
    is_doubted = tenant.reality.plays("graph-premium-refusal", "passing") and (
        tenant.count_request("graph-premium-refusal")
        <= tenant.reality.get_option("graph-premium-refusal", "times", 1)
    )
    if not has_licence or is_doubted:
        text = "Neither tenant is B2C or tenant doesn't have premium license"
        raise GraphError(403, NOT_PREMIUM, text)


def list_registrations(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /reports/authenticationMethods/userRegistrationDetails`. It takes `$top`."""
    require_premium(tenant, is_premium(tenant))
    if "$top" in request.query and tenant.reality.plays("graph-registration-page", "refused"):
        raise build_bad_request("Query option '$top' is not allowed.")
    size = parse_page_size(request, default=REGISTRATIONS_PAGE_SIZE, maximum=MAX_PAGE_SIZE)
    if unknown := [
        name for name in request.query if name.startswith("$") and name not in ALLOWED_OPTIONS
    ]:
        raise build_bad_request(f"Query option '{unknown[0][:32]}' is not allowed.")
    try:
        wanted = parse_filter(request.query.get("$filter", ""))
    except InvalidFilter as trouble:
        raise build_bad_request(str(trouble)) from trouble
    rows = [row for row in list_report_rows(tenant) if wanted.matches(row)]
    mark = f"registrations {request.query.get('$filter', '')}"
    token = request.query.get("$skiptoken")
    if token is None:
        part, rest = tenant.snapshots.cut_page(rows, size, mark)
    else:
        try:
            part, rest = tenant.snapshots.resume_listing(token, size, mark)
        except KeyError as error:
            raise build_bad_request("The page token is invalid or has expired.") from error
    body: Row = {"@odata.context": build_context_url(tenant, "userRegistrationDetails")}
    if rest:
        body["@odata.nextLink"] = build_next_link(tenant.base, request, rest)
    return HttpResponse(
        200, body | {"value": [project_row(row, REGISTRATION_PROPERTIES) for row in part]}
    )
