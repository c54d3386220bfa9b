"""What was deleted from the directory: the audit log and the recycle bin."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

from core.adapters.graph.client import GraphClient
from core.adapters.graph.objects import fetch_objects, read_large_pages
from core.adapters.m365.accounts import READ_USERS
from core.adapters.m365.actors import parse_actor
from core.adapters.parsing import (
    LIST_LIMIT,
    ResponseRow,
    parse_each_row,
    parse_object_id,
    parse_text,
    parse_timestamp,
)
from core.adapters.read_errors import build_object_failures, build_read_failure, build_row_failures
from core.errors import TenantError, Unavailable
from core.microsoft365.assumptions.graph_directory import (
    DELETED_DAYS,
    DELETED_SELECT,
    GROUP_RESTORE,
)
from core.microsoft365.assumptions.graph_logs import (
    AUDIT_APP_ID,
    AUDIT_DAYS,
    AUDIT_VALUES,
    DELETION_NAMES,
)
from core.tenant.directory import DeletedObject, Deletion
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DELETED_GROUPS, DELETED_USERS, DELETIONS

RELIES_ON = (
    AUDIT_APP_ID,
    AUDIT_DAYS,
    AUDIT_VALUES,
    DELETED_DAYS,
    DELETED_SELECT,
    DELETION_NAMES,
    GROUP_RESTORE,
)
NAME_LIMIT = 256
SHORT_LIMIT = 64
# What the audit log calls deletions, in lower case: the kind of object, and whether nothing of it
# is kept (Microsoft Learn: Microsoft Entra audit log categories and activities).
# Devices and contacts have no recycle bin. Beside them: what locks people out.
DELETION_ACTIVITIES: Mapping[str, tuple[str, bool]] = {
    "delete user": ("user", False),
    "hard delete user": ("user", True),
    "delete group": ("group", False),
    "hard delete group": ("group", True),
    "delete device": ("device", True),
    "delete contact": ("contact", True),
    "delete application": ("application", False),
    "hard delete application": ("application", True),
    "delete service principal": ("service-principal", False),
    "remove service principal": ("service-principal", False),
    "hard delete service principal": ("service-principal", True),
    "delete conditional access policy": ("policy", False),
    "disable account": ("disabled", False),
    "reset user password": ("reset", False),
    "reset password (by admin)": ("reset", False),
    "admin deleted security info": ("method", False),
}
READ_LOG = "AuditLog.Read.All"
READ_GROUPS = "Group.Read.All"
RECYCLE_BINS = (
    ("user", DELETED_USERS, READ_USERS, "id,displayName,userPrincipalName,deletedDateTime"),
    ("group", DELETED_GROUPS, READ_GROUPS, "id,displayName,deletedDateTime"),
)
BIN_PAGE_SIZE = 999
LARGE_PAGES = DELETED_SELECT.default_way
# The log is read newest first; an actor who deletes more than this is known long before its end.
MAX_DELETIONS = 50_000
ACTIVITY_NAMES = tuple(name[0].upper() + name[1:] for name in DELETION_ACTIVITIES)


def parse_deletion(row: ResponseRow) -> Deletion | None:
    """A row of directoryAudits; None for one that deleted nothing, by its kind or its result."""
    activity = DELETION_ACTIVITIES.get(
        parse_text(row.get("activityDisplayName"), NAME_LIMIT).strip().lower()
    )
    if activity is None or parse_text(row.get("result"), SHORT_LIMIT).lower() != "success":
        return None
    kind, final = activity
    at = parse_deletion_time(row.get("activityDateTime"))
    targets = row.get("targetResources")
    for target in targets[:LIST_LIMIT] if isinstance(targets, list) else ():
        found = parse_object_id(target.get("id")) if isinstance(target, Mapping) else ""
        if found:
            shown = parse_text(target.get("userPrincipalName"), NAME_LIMIT)
            name = shown or parse_text(target.get("displayName"), NAME_LIMIT)
            return Deletion(
                found, kind, at, strip_deletion_prefix(found, name), final, parse_actor(row)
            )
    raise ValueError("the audit log does not say what was deleted")


def mark_own_act(deletion: Deletion, own_ids: frozenset[str]) -> Deletion:
    """The act, marked where the app that reads did it itself."""
    if not deletion.actor.is_app or deletion.actor.id.lower() not in own_ids:
        return deletion
    return replace(deletion, actor=replace(deletion.actor, is_this_app=True))


def strip_deletion_prefix(found: str, name: str) -> str:
    """A principal name without the id that deletion puts before it."""
    mark = found.replace("-", "")
    return name[len(mark) :] if len(name) > len(mark) and name.lower().startswith(mark) else name


def parse_deleted_object(kind: str, row: ResponseRow) -> DeletedObject:
    """A row of the recycle bin."""
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("a deleted object without a usable id")
    name = parse_text(row.get("userPrincipalName"), NAME_LIMIT) or parse_text(
        row.get("displayName"), NAME_LIMIT
    )
    return DeletedObject(
        found,
        kind,
        parse_deletion_time(row.get("deletedDateTime")),
        strip_deletion_prefix(found, name),
    )


def parse_deletion_time(value: object) -> datetime:
    """A time that must be present."""
    try:
        found = parse_timestamp(value)
    except ValueError:
        found = None
    if found is None:
        raise ValueError("the time of a deletion makes no sense")
    return found


@dataclass(frozen=True, slots=True)
class M365DeletionReader:
    """Implements DeletionReader on Graph. `max_deletions` ends a log that is too long."""

    graph: GraphClient
    max_deletions: int = MAX_DELETIONS

    async def read_deletions(self, since: datetime) -> Reading[Deletion]:
        """Deletions that succeeded. If the log breaks off, what was read so far is returned."""
        items: list[Deletion] = []
        failures: list[ReadFailure] = []
        try:
            own_ids = await self.graph.read_own_ids()
            async for rows in self.graph.read_pages(build_audit_log_path(since), READ_LOG):
                found, broken = parse_each_row(rows, parse_deletion)
                items += (mark_own_act(one, own_ids) for one in found if one and one.at >= since)
                failures += build_row_failures(DELETIONS, broken, [""] * len(broken), len(failures))
                if len(items) > self.max_deletions:
                    raise Unavailable(
                        f"more than {self.max_deletions:,} deletions; the older ones were not read"
                    )
        except TenantError as error:
            failures.append(build_read_failure(DELETIONS, error))
        return Reading(tuple(items), tuple(failures), frozenset({DELETIONS}), population=len(items))

    async def read_deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        """Users and groups in the recycle bin that were deleted since a time."""
        items: list[DeletedObject] = []
        failures: list[ReadFailure] = []
        way = await self.graph.chosen_ways.find(DELETED_SELECT)
        page_size = BIN_PAGE_SIZE if way == LARGE_PAGES else 0
        for kind, source, permission, properties in RECYCLE_BINS:
            path = f"/directory/deletedItems/microsoft.graph.{kind}?$select={properties}"
            optional = source == DELETED_GROUPS
            broken: list[tuple[ResponseRow, str]] = []
            try:
                async for rows in read_large_pages(self.graph, path, page_size, permission):
                    found, unclear = parse_each_row(rows, partial(parse_deleted_object, kind))
                    items += (one for one in found if one.at >= since)
                    broken += unclear
            except TenantError as error:
                failures.append(build_read_failure(source, error, optional=optional))
            failures += build_recycle_bin_failures(source, broken)
        return Reading(
            items=tuple(items),
            failures=tuple(failures),
            sources=frozenset({DELETED_USERS, DELETED_GROUPS}),
            population=len(items),
        )

    async def read_deleted_users(self, ids: Sequence[str]) -> Reading[DeletedObject]:
        """Users in the recycle bin by id, whatever its listing shows."""
        paths = {one: f"/directory/deletedItems/{quote(one, safe='')}" for one in ids}
        items, failures = await fetch_objects(
            self.graph, paths, READ_USERS, partial(parse_deleted_object, "user")
        )
        return Reading(
            items=tuple(items),
            failures=build_object_failures(DELETED_USERS, failures, len(paths), {}),
            sources=frozenset({DELETED_USERS}),
            population=len(paths),
        )


def build_audit_log_path(since: datetime) -> str:
    """The audit log's deletions. Failed ones are left out here, since `result` is no filter."""
    wanted = " or ".join(f"activityDisplayName eq '{name}'" for name in ACTIVITY_NAMES)
    moment = f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    query = quote(f"activityDateTime ge {moment} and ({wanted})", safe="")
    return f"/auditLogs/directoryAudits?$filter={query}&$orderby=activityDateTime%20desc&$top=999"


def build_recycle_bin_failures(
    source: str, broken: Iterable[tuple[ResponseRow, str]]
) -> tuple[ReadFailure, ...]:
    """Rows of the recycle bin that could not be parsed."""
    rows = list(broken)
    return build_row_failures(source, rows, [parse_object_id(row.get("id")) for row, _ in rows])
