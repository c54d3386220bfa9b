"""What was deleted from the directory: the audit log, the recycle bin, and how much there was."""

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

from core.adapters.graph.client import COUNTING, Graph
from core.adapters.m365.directory.parse import ACTIVITIES, deleted_object, deletion
from core.adapters.m365.graph_queries import READ_USERS
from core.adapters.m365.parsing import Row, each, object_id
from core.adapters.read_errors import broken_rows, unread
from core.errors import TenantError, Unavailable
from core.tenant.directory import DeletedObject, Deletion
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import DELETED_GROUPS, DELETED_USERS, DELETIONS, USER_COUNT

READ_LOG = "AuditLog.Read.All"
READ_GROUPS = "Group.Read.All"
BINS = (
    ("user", DELETED_USERS, READ_USERS, "id,displayName,userPrincipalName,deletedDateTime"),
    ("group", DELETED_GROUPS, READ_GROUPS, "id,displayName,deletedDateTime"),
)
# The log is read newest first; whoever deletes more than this is known long before its end.
MOST = 50_000
NAMES = tuple(name[0].upper() + name[1:] for name in ACTIVITIES)


def log_path(since: datetime) -> str:
    """The audit log's deletions. Failed ones are left out here, since `result` is no filter."""
    wanted = " or ".join(f"activityDisplayName eq '{name}'" for name in NAMES)
    moment = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    query = quote(f"activityDateTime ge {moment} and ({wanted})", safe="")
    return f"/auditLogs/directoryAudits?$filter={query}&$orderby=activityDateTime%20desc&$top=999"


async def deletions(graph: Graph, since: datetime, most: int = MOST) -> Reading[Deletion]:
    """Deletions that succeeded. What came before the log broke off is still told."""
    items: list[Deletion] = []
    misses: list[Unread] = []
    try:
        async for rows in graph.pages(log_path(since), READ_LOG):
            found, broken = each(rows, deletion)
            items += (one for one in found if one and one.at >= since)
            misses += broken_rows(DELETIONS, broken, [""] * len(broken), len(misses))
            if len(items) > most:
                raise Unavailable(f"more than {most:,} deletions; the older ones were not read")
    except TenantError as error:
        misses.append(unread(DELETIONS, error))
    return Reading(tuple(items), tuple(misses), frozenset({DELETIONS}), population=len(items))


async def deleted_objects(graph: Graph, since: datetime) -> Reading[DeletedObject]:
    """Users and groups in the recycle bin, those deleted since a moment."""
    items: list[DeletedObject] = []
    misses: list[Unread] = []
    for kind, surface, permission, properties in BINS:
        path = f"/directory/deletedItems/microsoft.graph.{kind}?$select={properties}&$top=999"
        optional = surface == DELETED_GROUPS
        broken: list[tuple[Row, str]] = []
        try:
            async for rows in graph.pages(path, permission):
                found, unclear = each(rows, partial(deleted_object, kind))
                items += (one for one in found if one.at >= since)
                broken += unclear
        except TenantError as error:
            misses.append(unread(surface, error, optional=optional))
        misses += unclear_rows(surface, broken)
    return Reading(
        items=tuple(items),
        unread=tuple(misses),
        surfaces=frozenset({DELETED_USERS, DELETED_GROUPS}),
        population=len(items),
    )


def unclear_rows(surface: str, broken: Iterable[tuple[Row, str]]) -> tuple[Unread, ...]:
    """Rows of the recycle bin that say too little."""
    rows = list(broken)
    return broken_rows(surface, rows, [object_id(row.get("id")) for row, _ in rows])


async def user_count(graph: Graph) -> Reading[int]:
    """How many users there are now."""
    surfaces = frozenset({USER_COUNT})
    try:
        answer = await graph.get(f"/users?$select=id&$top=1&{COUNTING}", READ_USERS)
        count = answer.get("@odata.count")
        if isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise Unavailable("Graph did not count the users")
    except TenantError as error:
        return Reading(unread=(unread(USER_COUNT, error, optional=True),), surfaces=surfaces)
    return Reading((count,), surfaces=surfaces, population=1)
