"""Entra's report on registered sign-in methods, as Graph serves it.

Where a scene has no `userRegistrationDetails`, everybody enabled has a strong second factor. The
report leaves out disabled accounts, and a tenant without Entra ID P1 (its organization carries
`"@sandbox.premium": false`) is refused it.
"""

from sandbox.graph.odata import BadFilter, parse_filter
from sandbox.graph.users import GraphError, bad_request, context, projected
from sandbox.http_types import Answer, Call, Row, next_link, shown, truth, words
from sandbox.state.tenant import Tenant, rows_in

PAGE = 1_000
KEPT = ("$filter", "$orderby", "$skiptoken")
NOT_PREMIUM = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
NAMES = words(
    "id userPrincipalName userDisplayName userType isAdmin isSsprRegistered isSsprEnabled"
    " isSsprCapable isMfaRegistered isMfaCapable isPasswordlessCapable methodsRegistered"
    " isSystemPreferredAuthenticationMethodEnabled systemPreferredAuthenticationMethods"
    " userPreferredMethodForSecondaryAuthentication lastUpdatedDateTime"
)


def report_row(user: Row) -> Row:
    """A well-kept account's row of the report."""
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


def report(tenant: Tenant) -> list[Row]:
    """The rows of the report: the scene's, or one for every account that is enabled."""
    if "userRegistrationDetails" in tenant.graph:
        return [shown(row) for row in rows_in(tenant.graph["userRegistrationDetails"])]
    users = tenant.graph["users"]
    return [report_row(user) for user in users if truth(user.get("accountEnabled", True))]


def premium(tenant: Tenant) -> bool:
    """True for a tenant with Entra ID P1, as every scene is that does not deny it."""
    return all(row.get("@sandbox.premium", True) for row in tenant.graph["organization"])


def list_registrations(tenant: Tenant, call: Call) -> Answer:
    """`GET /reports/authenticationMethods/userRegistrationDetails`, a thousand rows a page."""
    if not premium(tenant):
        text = "Neither tenant is B2C or tenant doesn't have premium license"
        raise GraphError(403, NOT_PREMIUM, text)
    if unknown := [name for name in call.query if name.startswith("$") and name not in KEPT]:
        raise bad_request(f"Query option '{unknown[0][:32]}' is not allowed.")
    try:
        wanted = parse_filter(call.query.get("$filter", ""))
    except BadFilter as trouble:
        raise bad_request(str(trouble)) from trouble
    rows = [row for row in report(tenant) if wanted.test(row)]
    mark = f"registrations {call.query.get('$filter', '')}"
    token = call.query.get("$skiptoken")
    if token is None:
        part, rest = tenant.snapshots.page(rows, PAGE, mark)
    else:
        try:
            part, rest = tenant.snapshots.resume(token, PAGE, mark)
        except KeyError as error:
            raise bad_request("The page token is invalid or has expired.") from error
    body: Row = {"@odata.context": context(tenant, "userRegistrationDetails")}
    if rest:
        body["@odata.nextLink"] = next_link(tenant.base, call, rest)
    return Answer(200, body | {"value": [projected(row, NAMES) for row in part]})
