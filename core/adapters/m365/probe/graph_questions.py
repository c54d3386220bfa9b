"""What Graph is asked: one question for each probe of the register."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from core.adapters.graph.collections import build_count_path
from core.adapters.graph.reports import BETA
from core.adapters.m365.accounts import REPORT_PATH
from core.adapters.m365.activity.queries import PATH as QUERIES_PATH
from core.adapters.m365.probe.session import (
    ProbeSession,
    count_rows,
    describe_error,
    fails,
    holds,
    judge,
    prints,
    unknown,
)
from core.adapters.m365.protocols import CLIENT_NAMES
from core.adapters.m365.roles.parse import ELIGIBLE_PATH
from core.adapters.m365.roles.read import MODULE_APP_ID
from core.adapters.m365.sign_ins import quote_filter
from core.adapters.parsing import (
    ResponseRow,
    parse_object_id,
    parse_response_rows,
    parse_text,
    parse_timestamp,
    parse_total_count,
    parse_value_list,
)
from core.errors import Forbidden, NoLicence, NotFound, Rejected, Unavailable
from core.microsoft365.assumptions.graph_directory import (
    DELETED_SELECT,
    REGISTRATION_PAGE,
    USERS_ID_FILTER,
)
from core.microsoft365.permissions import GRAPH_APP_ID
from core.tenant.probing import ProbeAnswer

GRANTS_PAGE = 999
MAX_GRANT_PAGES = 5
# A password that was set when the account was made has a time this close to it.
AT_CREATION = timedelta(minutes=5)
LISTED = "listed"
PLAIN = "plain"
UNIFIED = "Unified"
NON_INTERACTIVE = "signInEventTypes/any(t:t eq 'nonInteractiveUser')"

type Answers = tuple[ProbeAnswer, ...]


def take_rows(answer: ResponseRow) -> list[ResponseRow]:
    """The rows of an answer. Raises Unavailable."""
    try:
        return list(parse_response_rows(answer))
    except ValueError as error:
        raise Unavailable(f"Graph: {error}") from error


async def ask_grants(session: ProbeSession) -> Answers:
    """Whether the rows of the consent grants are as many as Graph counts."""
    path = f"/oauth2PermissionGrants?$top={GRANTS_PAGE}&$count=true"
    try:
        answer = await session.ask_graph(path)
    except Rejected as error:
        rows = take_rows(await session.ask_graph(f"/oauth2PermissionGrants?$top={GRANTS_PAGE}"))
        saw = f"grants asked for with a count: {describe_error(error)}; without: {count_rows(rows)}"
        return (
            fails("graph-grants-count", saw, "per-client"),
            holds("graph-grant-role", "consent grants are listed"),
        )
    allowed = holds("graph-grant-role", "consent grants are listed")
    count = answer.get("@odata.count")
    found, pages = len(take_rows(answer)), 1
    while (path := session.graph.get_next_path(answer)) and pages < MAX_GRANT_PAGES:
        answer = await session.ask_graph(path)
        found, pages = found + len(take_rows(answer)), pages + 1
    total = count if isinstance(count, int) else "not given"
    listed = f"{count_rows(range(found), 'grant')} listed on {count_rows(range(pages), 'page')}"
    saw = f"{listed}; the count is {total}"
    if not isinstance(count, int) or isinstance(count, bool):
        return (unknown("graph-grants-count", saw), allowed)
    if path:
        return (unknown("graph-grants-count", f"{saw}; more pages were not asked for"), allowed)
    if found < count:
        return (fails("graph-grants-count", saw, "per-client"), allowed)
    return (holds("graph-grants-count", saw, "counted"), allowed)


async def ask_collection_count(session: ProbeSession) -> Answers:
    """Whether Graph counts the users."""
    try:
        answer = await session.ask_graph(build_count_path("/users?"))
    except Rejected as error:
        return (fails("graph-collection-count", describe_error(error)),)
    count = parse_total_count(answer)
    saw = f"{count_rows(range(count), 'user')} counted"
    return (judge("graph-collection-count", count > 0, saw),)


async def ask_app_roles(session: ProbeSession) -> Answers:
    """Whether those who hold an app role of Graph fit on one page."""
    found = take_rows(
        await session.ask_graph(
            f"/servicePrincipals?$filter={quote(f"appId eq '{GRAPH_APP_ID}'", safe="'")}&$select=id"
        )
    )
    graph_id = parse_object_id(found[0].get("id")) if found else ""
    if not graph_id:
        return (unknown("graph-app-roles-page", "Graph's own app was not found"),)
    answer = await session.ask_graph(
        f"/servicePrincipals/{quote(graph_id, safe='')}/appRoleAssignedTo?$top=999"
    )
    saw = f"{count_rows(take_rows(answer), 'holder')} of Graph's app roles on the first page"
    if session.graph.get_next_path(answer):
        return (unknown("graph-app-roles-page", f"{saw}, and a next page"),)
    if not take_rows(answer):
        return (unknown("graph-app-roles-page", f"{saw}, though this app itself holds such roles"),)
    return (holds("graph-app-roles-page", f"{saw}, no next page"),)


async def ask_registrations(session: ProbeSession) -> Answers:
    """Whether the registration report takes a page size."""
    try:
        rows = take_rows(await session.ask_graph(f"{REPORT_PATH}?$top=999"))
    except Rejected as error:
        return (fails("graph-registration-page", f"with $top: {describe_error(error)}", PLAIN),)
    saw = f"$top is taken: {count_rows(rows, 'user')} reported"
    return (holds("graph-registration-page", saw, REGISTRATION_PAGE.default_way),)


async def ask_role_eligibility(session: ProbeSession) -> Answers:
    """Whether the app may read who may take a role."""
    try:
        rows = take_rows(await session.ask_graph(ELIGIBLE_PATH))
    except NoLicence:
        return (unknown("graph-eligibility-role", "the tenant has no licence for it"),)
    except (Forbidden, Rejected) as error:
        return (fails("graph-eligibility-role", describe_error(error)),)
    saw = f"the app may read them: {count_rows(rows, 'eligible principal')}"
    return (holds("graph-eligibility-role", saw),)


async def ask_deleted_items(session: ProbeSession) -> Answers:
    """Whether the recycle bin takes a page size and tells when something was deleted."""
    path = "/directory/deletedItems/microsoft.graph.user?$select=id,deletedDateTime&$top=999"
    try:
        rows = take_rows(await session.ask_graph(path))
    except Rejected as error:
        return (fails("graph-deleted-select", f"with $top: {describe_error(error)}", PLAIN),)
    if not rows:
        return (
            unknown(
                "graph-deleted-select", "$top is taken; there is no deleted user to show a date"
            ),
        )
    dated = sum(parse_time(row, "deletedDateTime") is not None for row in rows)
    saw = f"$top is taken; {dated} of {count_rows(rows, 'deleted user')} with a date"
    if dated < len(rows):
        return (fails("graph-deleted-select", saw),)
    return (holds("graph-deleted-select", saw, DELETED_SELECT.default_way),)


def parse_time(row: ResponseRow, name: str) -> datetime | None:
    """A time of a row; None for none, or one that cannot be read."""
    try:
        return parse_timestamp(row.get(name))
    except ValueError:
        return None


async def ask_deleted_groups(session: ProbeSession) -> Answers:
    """Whether security groups stay in the recycle bin, as Microsoft 365 groups do."""
    path = "/directory/deletedItems/microsoft.graph.group?$select=id,groupTypes"
    rows = take_rows(await session.ask_graph(path))
    unified = sum(UNIFIED in parse_value_list(row.get("groupTypes")) for row in rows)
    saw = f"{count_rows(rows, 'deleted group')}, {unified} of them of Microsoft 365"
    if len(rows) == unified:
        return (unknown("graph-group-restore", f"{saw}: there is no security group to show it"),)
    return (holds("graph-group-restore", f"{saw}: security groups can be restored too"),)


async def ask_mail_folders(session: ProbeSession) -> Answers:
    """Whether the app may read the folders of a mailbox."""
    for row in await session.fetch_sample():
        account = parse_object_id(row.get("ExternalDirectoryObjectId"))
        if account:
            break
    else:
        return (unknown("graph-mail-folders", "no mailbox with an account"),)
    try:
        rows = take_rows(
            await session.ask_graph(f"/users/{quote(account, safe='')}/mailFolders?$top=50")
        )
    except Forbidden as error:
        return (fails("graph-mail-folders", describe_error(error)),)
    return (holds("graph-mail-folders", f"{count_rows(rows, 'folder')} of one mailbox"),)


async def ask_sign_in_log(session: ProbeSession) -> Answers:
    """Whether v1.0 holds interactive sign-ins alone, and none by SMTP AUTH among them."""
    path = f"/auditLogs/signIns?$top=1&$filter={quote(NON_INTERACTIVE, safe="/'():")}"
    try:
        rows = take_rows(await session.ask_graph(path))
    except Rejected as error:
        refused = f"v1.0 asked for non-interactive sign-ins is {describe_error(error)}"
    else:
        saw = f"v1.0 takes a filter for non-interactive sign-ins: {count_rows(rows)}"
        return (fails("graph-sign-in-log", saw),)
    smtp = quote(f"clientAppUsed eq '{CLIENT_NAMES['smtp']}'", safe="/'():")
    rows = take_rows(await session.ask_graph(f"/auditLogs/signIns?$top=1&$filter={smtp}"))
    if rows:
        return (fails("graph-sign-in-log", f"{refused}, and lists sign-ins by SMTP AUTH"),)
    return (holds("graph-sign-in-log", f"{refused}, and lists none by SMTP AUTH"),)


async def ask_sign_in_pages(session: ProbeSession) -> Answers:
    """Whether a narrow query of beta's log answers in time, and leads to another page."""
    since = datetime.now(UTC) - timedelta(days=1)
    wanted = quote(
        f"createdDateTime ge {since:%Y-%m-%dT%H:%M:%SZ} and {NON_INTERACTIVE}", safe="/'():"
    )
    try:
        answer = await session.ask_graph(f"{BETA}/auditLogs/signIns?$top=1&$filter={wanted}")
        path = session.graph.get_next_path(answer, is_beta=True)
        if not path:
            saw = f"{count_rows(take_rows(answer))} within a day, and no next page to ask for"
            return (unknown("graph-sign-in-pages", saw),)
        further = take_rows(await session.ask_graph(path))
    except (Rejected, Unavailable) as error:
        return (fails("graph-sign-in-pages", f"beta: {describe_error(error)}"),)
    return (holds("graph-sign-in-pages", f"the second page has {count_rows(further)}"),)


async def ask_sign_in_activity(session: ProbeSession) -> Answers:
    """Whether the dates of sign-ins come with a listing of users."""
    selected = "$select=id,signInActivity"
    try:
        rows = take_rows(await session.ask_graph(f"/users?{selected}&$top=50"))
    except (Forbidden, Rejected) as error:
        return (fails("graph-sign-in-activity", describe_error(error)),)
    dated = sum(isinstance(row.get("signInActivity"), dict) for row in rows)
    saw = f"{count_rows(rows, 'user')} listed, {dated} of them with dates of sign-ins"
    listed = (holds if dated else unknown)("graph-sign-in-activity", saw)
    ids = [found for row in rows[:2] if (found := parse_object_id(row.get("id")))]
    if not ids:
        return (listed, unknown("graph-users-id-filter", "no user was listed"))
    wanted = quote_filter(f"id in ({','.join(f"'{one}'" for one in ids)})")
    try:
        matching = take_rows(await session.ask_graph(f"/users?$filter={wanted}&{selected}"))
    except Rejected as error:
        return (listed, fails("graph-users-id-filter", describe_error(error), LISTED))
    saw = f"{count_rows(matching, 'user')} for a filter of {count_rows(ids, 'id')}"
    if len(matching) != len(ids):
        return (listed, fails("graph-users-id-filter", saw, LISTED))
    return (listed, holds("graph-users-id-filter", saw, USERS_ID_FILTER.default_way))


async def ask_powershell_app(session: ProbeSession) -> Answers:
    """Whether the app id of Exchange PowerShell is an app of that name in this tenant."""
    wanted = quote_filter(f"appId eq '{MODULE_APP_ID}'")
    rows = take_rows(
        await session.ask_graph(f"/servicePrincipals?$filter={wanted}&$select=id,displayName")
    )
    if not rows:
        return (unknown("exchange-powershell-app-id", "nobody used it in this tenant yet"),)
    name = parse_text(rows[0].get("displayName"), 256).casefold()
    fits = "exchange" in name and "powershell" in name
    saw = f"an app {'of this name' if fits else 'of another name'}"
    return (judge("exchange-powershell-app-id", fits, saw),)


async def ask_users(session: ProbeSession) -> Answers:
    """Whether passwords have a date, and restricted units show."""
    selected = "id,createdDateTime,lastPasswordChangeDateTime,isManagementRestricted"
    rows = take_rows(await session.ask_graph(f"/users?$select={selected}&$top=100"))
    pairs = [
        (created, changed)
        for row in rows
        if (created := parse_time(row, "createdDateTime"))
        and (changed := parse_time(row, "lastPasswordChangeDateTime"))
    ]
    untouched = sum(abs(changed - created) <= AT_CREATION for created, changed in pairs)
    restricted = sum(row.get("isManagementRestricted") is True for row in rows)
    dates = (
        f"{count_rows(rows, 'user')}, {len(pairs)} with the dates of creation and password, "
        f"{untouched} of them within five minutes"
    )
    is_printed = prints(rows, "isManagementRestricted")
    return (
        judge("graph-password-date", bool(rows) and len(pairs) == len(rows), dates),
        judge(
            "graph-restricted-units",
            is_printed,
            f"isManagementRestricted is printed, true for {restricted}"
            if is_printed
            else "isManagementRestricted is not printed",
        ),
    )


async def ask_audit_queries(session: ProbeSession) -> Answers:
    """Under which version searches of the audit log are listed, and whether the app may search."""
    version, scope = "graph-audit-query-version", "graph-audit-query-scope"
    for way, path in (("beta", f"{BETA}{QUERIES_PATH}"), ("v1.0", QUERIES_PATH)):
        try:
            await session.ask_graph(f"{path}?$top=1")
        except NotFound:
            continue
        except Forbidden as error:
            return (
                unknown(version, f"{way}: {describe_error(error)}"),
                unknown(scope, describe_error(error)),
            )
        saw = f"{way} lists searches"
        answer = holds(version, saw, way) if way == "beta" else fails(version, saw, way)
        return (answer, holds(scope, "searches are listed"))
    saw = "neither version lists searches"
    return (fails(version, saw), unknown(scope, saw))


async def ask_directory_audits(session: ProbeSession) -> Answers:
    """Whether rows that an app caused name it by its service principal alone."""
    rows = take_rows(await session.ask_graph("/auditLogs/directoryAudits?$top=100"))
    apps = [
        app
        for row in rows
        if isinstance(by := row.get("initiatedBy"), dict) and isinstance(app := by.get("app"), dict)
    ]
    named = sum(bool(app.get("appId")) for app in apps)
    saw = f"{count_rows(rows, 'audit row')}, {len(apps)} by apps, {named} of these with an appId"
    if not apps:
        return (unknown("graph-audit-app-id", saw),)
    return (judge("graph-audit-app-id", not named, saw),)
