"""What was deleted from the directory: the audit log, the recycle bin, and how much there was."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

from core.adapters.graph.client import COUNTING, GraphClient
from core.adapters.m365.directory.parse import (
    DELETION_ACTIVITIES,
    parse_deleted_object,
    parse_deletion,
)
from core.adapters.m365.graph_queries import READ_USERS
from core.adapters.m365.parsing import ResponseRow, parse_each_row, parse_object_id
from core.adapters.read_errors import build_read_failure, build_row_failures
from core.errors import TenantError, Unavailable
from core.tenant.directory import DeletedObject, Deletion
from core.tenant.readings import ReadFailure, Reading
from core.tenant.surfaces import DELETED_GROUPS, DELETED_USERS, DELETIONS, USER_COUNT

READ_LOG = "AuditLog.Read.All"
READ_GROUPS = "Group.Read.All"
RECYCLE_BINS = (
    ("user", DELETED_USERS, READ_USERS, "id,displayName,userPrincipalName,deletedDateTime"),
    ("group", DELETED_GROUPS, READ_GROUPS, "id,displayName,deletedDateTime"),
)
# The log is read newest first; whoever deletes more than this is known long before its end.
MAX_DELETIONS = 50_000
ACTIVITY_NAMES = tuple(name[0].upper() + name[1:] for name in DELETION_ACTIVITIES)


def build_audit_log_path(since: datetime) -> str:
    """The audit log's deletions. Failed ones are left out here, since `result` is no filter."""
    wanted = " or ".join(f"activityDisplayName eq '{name}'" for name in ACTIVITY_NAMES)
    moment = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    query = quote(f"activityDateTime ge {moment} and ({wanted})", safe="")
    return f"/auditLogs/directoryAudits?$filter={query}&$orderby=activityDateTime%20desc&$top=999"


async def fetch_deletions(
    graph: GraphClient, since: datetime, max_count: int = MAX_DELETIONS
) -> Reading[Deletion]:
    """Deletions that succeeded. What came before the log broke off is still told."""
    items: list[Deletion] = []
    misses: list[ReadFailure] = []
    try:
        async for rows in graph.read_pages(build_audit_log_path(since), READ_LOG):
            found, broken = parse_each_row(rows, parse_deletion)
            items += (one for one in found if one and one.at >= since)
            misses += build_row_failures(DELETIONS, broken, [""] * len(broken), len(misses))
            if len(items) > max_count:
                raise Unavailable(
                    f"more than {max_count:,} deletions; the older ones were not read"
                )
    except TenantError as error:
        misses.append(build_read_failure(DELETIONS, error))
    return Reading(tuple(items), tuple(misses), frozenset({DELETIONS}), population=len(items))


async def fetch_deleted_objects(graph: GraphClient, since: datetime) -> Reading[DeletedObject]:
    """Users and groups in the recycle bin, those deleted since a moment."""
    items: list[DeletedObject] = []
    misses: list[ReadFailure] = []
    for kind, surface, permission, properties in RECYCLE_BINS:
        path = f"/directory/deletedItems/microsoft.graph.{kind}?$select={properties}&$top=999"
        optional = surface == DELETED_GROUPS
        broken: list[tuple[ResponseRow, str]] = []
        try:
            async for rows in graph.read_pages(path, permission):
                found, unclear = parse_each_row(rows, partial(parse_deleted_object, kind))
                items += (one for one in found if one.at >= since)
                broken += unclear
        except TenantError as error:
            misses.append(build_read_failure(surface, error, optional=optional))
        misses += build_recycle_bin_failures(surface, broken)
    return Reading(
        items=tuple(items),
        failures=tuple(misses),
        sources=frozenset({DELETED_USERS, DELETED_GROUPS}),
        population=len(items),
    )


def build_recycle_bin_failures(
    source: str, broken: Iterable[tuple[ResponseRow, str]]
) -> tuple[ReadFailure, ...]:
    """Rows of the recycle bin that say too little."""
    rows = list(broken)
    return build_row_failures(source, rows, [parse_object_id(row.get("id")) for row, _ in rows])


async def fetch_user_count(graph: GraphClient) -> Reading[int]:
    """How many users there are now."""
    surfaces = frozenset({USER_COUNT})
    try:
        answer = await graph.get(f"/users?$select=id&$top=1&{COUNTING}", READ_USERS)
        count = answer.get("@odata.count")
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise Unavailable("Graph did not count the users")
    except TenantError as error:
        return Reading(
            failures=(build_read_failure(USER_COUNT, error, optional=True),), sources=surfaces
        )
    return Reading((count,), sources=surfaces, population=1)
