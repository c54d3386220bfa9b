"""By what accounts prove who they are: Entra's registration report, and the accounts themselves."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from urllib.parse import quote

from core.adapters.api_errors import NO_LICENCE
from core.adapters.graph.client import GraphClient
from core.adapters.m365.directory.parse import parse_registration
from core.adapters.m365.graph_queries import READ_USERS, fetch_objects
from core.adapters.m365.parsing import parse_account, parse_each_row, parse_object_id
from core.adapters.read_errors import build_object_failures, build_read_failure, build_row_failures
from core.errors import Forbidden, TenantError
from core.tenant.directory import Account, MfaRegistration
from core.tenant.readings import ReadFailure, Reading
from core.tenant.surfaces import ACCOUNTS, SIGN_IN_METHODS

READ_REPORT = "AuditLog.Read.All"
PREMIUM_LICENCE = "a licence of Microsoft Entra ID P1"

# The report takes no $select and no $top (Microsoft Learn: List userRegistrationDetails).
REPORT_PATH = "/reports/authenticationMethods/userRegistrationDetails"
ACCOUNT_STATE_PROPERTIES = "id,userPrincipalName,accountEnabled"


async def fetch_registrations(graph: GraphClient) -> AsyncIterator[Reading[MfaRegistration]]:
    """The report page by page. Of a report that breaks off, the last part says why."""
    surfaces = frozenset({SIGN_IN_METHODS})
    nameless = 0
    try:
        async for rows in graph.read_pages(REPORT_PATH, READ_REPORT):
            found, broken = parse_each_row(rows, parse_registration)
            ids = [parse_object_id(row.get("id")) for row, _ in broken]
            misses = build_row_failures(SIGN_IN_METHODS, broken, ids, nameless)
            nameless += len(broken)
            yield Reading(
                items=tuple(found),
                failures=misses,
                sources=surfaces,
                population=len(rows),
                scope=frozenset(one.id for one in found) | {miss.object_id for miss in misses},
            )
    except TenantError as error:
        miss = build_report_failure(error)
        yield Reading(failures=(miss,), sources=surfaces, complete=False, scope=frozenset())


def build_report_failure(error: TenantError) -> ReadFailure:
    """Why the report was not read: for want of a right, of a licence, or for now."""
    miss = build_read_failure(SIGN_IN_METHODS, error)
    if isinstance(error, Forbidden) and NO_LICENCE in str(error):
        return replace(miss, permission=PREMIUM_LICENCE)
    return miss


async def fetch_users_by_key(graph: GraphClient, keys: Sequence[str]) -> Reading[Account]:
    """Users by id or principal name; those Entra does not know are absent."""
    if not keys:
        return Reading(sources=frozenset({ACCOUNTS}))
    paths = {
        key: f"/users/{quote(key, safe='')}?$select={ACCOUNT_STATE_PROPERTIES}" for key in keys
    }
    items, failures = await fetch_objects(graph, paths, READ_USERS, parse_account)
    return Reading(
        items=tuple(items),
        failures=build_object_failures(ACCOUNTS, failures, len(paths), {}),
        sources=frozenset({ACCOUNTS}),
        population=len(paths),
    )
