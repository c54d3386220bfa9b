"""By what accounts prove who they are: Entra's registration report, and the accounts themselves."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from urllib.parse import quote

from core.adapters.api_errors import NO_LICENCE
from core.adapters.graph.client import Graph
from core.adapters.m365.directory.parse import registration
from core.adapters.m365.graph_queries import READ_USERS, objects
from core.adapters.m365.parsing import account, each, object_id
from core.adapters.read_errors import broken_rows, by_object, unread
from core.errors import Forbidden, TenantError
from core.tenant.directory import Account, Registration
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import ACCOUNTS, REGISTRATIONS

READ_REPORT = "AuditLog.Read.All"
PREMIUM = "a licence of Microsoft Entra ID P1"

# The report takes no $select and no $top (Microsoft Learn: List userRegistrationDetails).
REPORT = "/reports/authenticationMethods/userRegistrationDetails"
ACCOUNT_STATE = "id,userPrincipalName,accountEnabled"


async def registrations(graph: Graph) -> AsyncIterator[Reading[Registration]]:
    """The report page by page. Of a report that breaks off, the last part says why."""
    surfaces = frozenset({REGISTRATIONS})
    nameless = 0
    try:
        async for rows in graph.pages(REPORT, READ_REPORT):
            found, broken = each(rows, registration)
            ids = [object_id(row.get("id")) for row, _ in broken]
            misses = broken_rows(REGISTRATIONS, broken, ids, nameless)
            nameless += len(broken)
            yield Reading(
                items=tuple(found),
                unread=misses,
                surfaces=surfaces,
                population=len(rows),
                scope=frozenset(one.id for one in found) | {miss.object_id for miss in misses},
            )
    except TenantError as error:
        miss = report_unread(error)
        yield Reading(unread=(miss,), surfaces=surfaces, complete=False, scope=frozenset())


def report_unread(error: TenantError) -> Unread:
    """Why the report was not read: for want of a right, of a licence, or for now."""
    miss = unread(REGISTRATIONS, error)
    if isinstance(error, Forbidden) and NO_LICENCE in str(error):
        return replace(miss, permission=PREMIUM)
    return miss


async def users_named(graph: Graph, keys: Sequence[str]) -> Reading[Account]:
    """Users by id or principal name; those Entra does not know are absent."""
    if not keys:
        return Reading(surfaces=frozenset({ACCOUNTS}))
    paths = {key: f"/users/{quote(key, safe='')}?$select={ACCOUNT_STATE}" for key in keys}
    items, failures = await objects(graph, paths, READ_USERS, account)
    return Reading(
        items=tuple(items),
        unread=by_object(ACCOUNTS, failures, len(paths), {}),
        surfaces=frozenset({ACCOUNTS}),
        population=len(paths),
    )
