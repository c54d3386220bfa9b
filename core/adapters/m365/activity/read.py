"""Reads the audit logs: Graph's directoryAudits, the Management Activity API, changed accounts."""

import contextlib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import batched
from urllib.parse import quote

from core.adapters.graph.client import GraphClient
from core.adapters.m365.account_activity import format_moment
from core.adapters.m365.accounts import READ_USERS
from core.adapters.m365.activity.directory import parse_directory_audit, parse_entra_record
from core.adapters.m365.activity.exchange import parse_exchange_record
from core.adapters.m365.activity.fields import parse_name, parse_record_time
from core.adapters.management.client import (
    LOG_OFF,
    NO_SUBSCRIPTION,
    ManagementClient,
    parse_rows,
)
from core.adapters.parsing import ResponseRow, parse_each_row, parse_object_id, parse_text
from core.adapters.read_errors import build_read_failure
from core.errors import NotFound, Rejected, TenantError, Unavailable
from core.keys import hash_parts
from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.assumptions.activity import AUDIT_FILTER, DELTA_TOKEN, FEED_START
from core.tenant.activity import (
    BROKEN_PREFIX,
    ActivityContent,
    ActivityLog,
    ActivityRecord,
    ChangedAccounts,
)
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    ACTIVITY_FEED,
    CHANGED_ACCOUNTS,
    DIRECTORY_AUDITS,
    UNIFIED_AUDIT_LOG,
)

RELIES_ON = (AUDIT_FILTER, DELTA_TOKEN, FEED_START)

READ_LOG = "AuditLog.Read.All"
MAX_ROWS = 20_000
MAX_NAMES = 40
"""Names of activities that one filter takes, as far as is known."""
SECOND = timedelta(seconds=1)
MAX_ACCOUNTS = 5_000
MAX_LINK = 8_000
CONTENT_TYPES: Mapping[ActivityLog, str] = {
    ActivityLog.EXCHANGE: "Audit.Exchange",
    ActivityLog.ENTRA_FEED: "Audit.AzureActiveDirectory",
}
PARSERS: Mapping[ActivityLog, Callable[[ResponseRow, frozenset[str]], ActivityRecord | None]] = {
    ActivityLog.EXCHANGE: parse_exchange_record,
    ActivityLog.ENTRA_FEED: parse_entra_record,
}
# The service names it so in its answer to a request without a token (Microsoft Learn: delta query).
FIRST_LINK = "/users/delta?$select=accountEnabled&$deltatoken=latest"
# Its quotation marks and blanks are those of any writer of JSON.
OPERATION_NAME = re.compile(r'(?i)"operation"\s*:\s*"((?:[^"\\]|\\.)*)"')
LINK_PREFIX = "/users/delta?"


@dataclass(frozen=True, slots=True)
class M365ActivityReader:
    """Implements ActivityReader on Graph and the Management Activity API."""

    graph: GraphClient
    management: ManagementClient | None
    """None: this cloud serves no feed that is known."""
    max_rows: int = MAX_ROWS
    """How many rows of the directory's log one reading holds."""

    async def read_directory_audits(
        self, since: datetime, operations: Collection[str], until: datetime | None = None
    ) -> Reading[ActivityRecord]:
        """The directory's records since a time, the newest first, as many as a reading holds."""
        sources, items = frozenset({DIRECTORY_AUDITS}), list[ActivityRecord]()
        failures: list[ReadFailure] = []
        left: datetime | None = None
        try:
            for names in batched(sorted(operations), MAX_NAMES, strict=False):
                path = build_audit_path(since, names, until)
                found, unclear, oldest = await self.read_audit_rows(path)
                items += found
                failures += unclear
                left = max(left or oldest, oldest) if oldest else left
        except TenantError as error:
            failures.append(build_read_failure(DIRECTORY_AUDITS, error, optional=True))
        return Reading(
            tuple(items),
            tuple(failures),
            sources,
            population=len(items),
            complete=left is None,
            continuation=left.isoformat() if left else "",
        )

    async def read_audit_rows(
        self, path: str
    ) -> tuple[list[ActivityRecord], list[ReadFailure], datetime | None]:
        """The records of a listing, those not understood, and, if it was too long, the time of the
        oldest that was read. Raises TenantError.
        """
        own_ids = await self.graph.read_own_ids()
        parse = partial(parse_directory_audit, own_ids=own_ids)
        items, failures, count = list[ActivityRecord](), list[ReadFailure](), 0
        async for rows in self.graph.read_pages(path, READ_LOG):
            found, broken = parse_each_row(rows, parse)
            items += (one for one in found if one)
            count += len(rows)
            failures += build_record_failures(DIRECTORY_AUDITS, broken)
            if count >= self.max_rows and (oldest := find_oldest_time(rows)):
                return items, failures, oldest
        return items, failures, None

    async def list_content(
        self, log: ActivityLog, since: datetime, until: datetime
    ) -> Reading[ActivityContent]:
        """The content of a window. A log without a subscription is subscribed to; then the reading
        is not complete.
        """
        sources, kind = frozenset({ACTIVITY_FEED}), CONTENT_TYPES[log]
        try:
            management = self.require_management()
            try:
                rows = await management.list_content(
                    kind, format_feed_time(since), format_feed_time(until)
                )
            except Rejected as error:
                if error.verdict != NO_SUBSCRIPTION:
                    raise
                await management.start_subscription(kind)
                return Reading(sources=sources, complete=False)
        except TenantError as error:
            return Reading(failures=(build_feed_failure(error),), sources=sources, complete=False)
        found, broken = parse_each_row(rows, parse_content)
        failures = build_record_failures(ACTIVITY_FEED, broken)
        return Reading(tuple(found), failures, sources, population=len(rows))

    async def read_content(
        self, log: ActivityLog, content: ActivityContent, operations: Collection[str]
    ) -> Reading[ActivityRecord]:
        """The records of one content. One without any such operation is not even parsed.

        A content that is gone, refused or garbled is a failure of its own. Throttling or an outage
        says nothing of it: the feed as a whole was not read.
        """
        sources = frozenset({ACTIVITY_FEED})
        try:
            own_ids = await self.graph.read_own_ids()
            body = await self.require_management().read_content(content.id)
        except TenantError as error:
            refused_id = "" if isinstance(error, Unavailable) else content.id
            failure = build_feed_failure(error, refused_id)
            complete = isinstance(error, NotFound)
            return Reading(failures=(failure,), sources=sources, complete=complete)
        wanted = WantedOperations.of(operations)
        try:
            is_idle = is_bracketed(body) and not mentions_any(body, wanted)
            rows = [] if is_idle else parse_rows(body)
        except TenantError as error:
            failure = build_feed_failure(error, content.id)
            return Reading(failures=(failure,), sources=sources, complete=False)
        kept = [row for row in rows if wanted.includes(get_operation(row))]
        found, broken = parse_each_row(kept, lambda row: PARSERS[log](row, own_ids))
        failures = build_record_failures(ACTIVITY_FEED, broken)
        return Reading(tuple(one for one in found if one), failures, sources, population=len(rows))

    async def is_feed_granted(self) -> bool | None:
        """Whether the token has the role."""
        return await self.management.is_granted() if self.management else False

    def require_management(self) -> ManagementClient:
        """The connection to the feed. Raises Rejected where this cloud has none."""
        if self.management is None:
            raise Rejected("no activity feed is known in this cloud; MANAGEMENT_ENDPOINT names one")
        return self.management

    async def read_changed_accounts(self, link: str) -> Reading[ChangedAccounts]:
        """Which accounts changed; a link that died is replaced."""
        sources = frozenset({CHANGED_ACCOUNTS})
        is_usable = link.startswith(LINK_PREFIX) and len(link) <= MAX_LINK
        try:
            try:
                found = await self.follow_changes(link if is_usable else FIRST_LINK)
            except (NotFound, Rejected):
                # A token that expired is answered with 410; one that is not understood, with 400.
                found = await self.follow_changes(FIRST_LINK)
                is_usable = False
        except TenantError as error:
            failure = build_read_failure(CHANGED_ACCOUNTS, error, optional=True)
            return Reading(failures=(failure,), sources=sources)
        changed = found if is_usable else ChangedAccounts(found.link, (), bool(link))
        return Reading((changed,), sources=sources, population=len(changed.ids))

    async def follow_changes(self, link: str) -> ChangedAccounts:
        """All pages from a link on. Raises TenantError: NotFound or Rejected for a dead link.

        With a row of nobody knows whom, any account may have changed.
        """
        ids: dict[str, None] = {}
        path: str = link
        for _ in range(self.graph.max_pages):
            answer = await self.graph.get(path, READ_USERS)
            rows = answer.get("value")
            if not isinstance(rows, list):
                raise Unavailable("Graph did not list which accounts changed")
            for row in rows:
                ids[parse_object_id(row.get("id")) if isinstance(row, Mapping) else ""] = None
            next_path = self.graph.get_next_path(answer)
            if not next_path:
                known = [one for one in ids if one][:MAX_ACCOUNTS]
                is_unclear = "" in ids or len(ids) > MAX_ACCOUNTS
                return ChangedAccounts(self.parse_link(answer), tuple(known), is_unclear)
            path = next_path
        raise Unavailable("the pages of changed accounts do not end")

    def parse_link(self, answer: ResponseRow) -> str:
        """The path from which to go on. Raises Unavailable for one that leads elsewhere."""
        link = parse_text(answer.get("@odata.deltaLink"), MAX_LINK + 1)
        path = self.graph.get_next_path({"@odata.nextLink": link or None})
        if not path.startswith(LINK_PREFIX) or len(path) > MAX_LINK:
            raise Unavailable("Graph did not say from where to go on")
        return path


def build_audit_path(
    since: datetime, operations: Collection[str], until: datetime | None = None
) -> str:
    """The records of some activities since a time, oldest last; up to another time, if given.

    A name that ends with a blank in the log is asked for by its beginning.
    """
    wanted = " or ".join(
        f"startswith(activityDisplayName,'{name.rstrip('*')}')"
        if name.endswith("*")
        else f"activityDisplayName eq '{name}'"
        for name in sorted(operations)
    )
    period = f"activityDateTime ge {format_moment(since)}"
    if until:
        period += f" and activityDateTime le {format_moment(until + SECOND)}"
    query = quote(f"{period} and ({wanted})", safe="")
    return f"/auditLogs/directoryAudits?$filter={query}&$orderby=activityDateTime%20desc&$top=999"


def find_oldest_time(rows: Iterable[ResponseRow]) -> datetime | None:
    """The time of the oldest row that tells one."""
    times = []
    for row in rows:
        with contextlib.suppress(ValueError):
            times.append(parse_record_time(row.get("activityDateTime")))
    return min(times, default=None)


def format_feed_time(at: datetime) -> str:
    """A time as the feed takes it: UTC, without a zone."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}"


def parse_content(row: ResponseRow) -> ActivityContent:
    """A row of a listing of content. Raises ValueError for one without a usable id."""
    found = parse_name(row.get("contentId"), 512)
    if not found:
        raise ValueError("content without an id")
    return ActivityContent(
        found,
        parse_record_time(row.get("contentCreated")),
        parse_record_time(row.get("contentExpiration")),
    )


def is_bracketed(body: bytes) -> bool:
    """Whether a body begins and ends like the array of records that it should be."""
    text = body.strip()
    return text.startswith(b"[") and text.endswith(b"]")


def mentions_any(body: bytes, operations: "WantedOperations") -> bool:
    """Whether a content may hold a record of some operations, by its bytes.

    A name with an escaped character in it may be any, and so may one that is not told plainly.
    """
    text = body.decode("utf-8", "replace")
    names = set(OPERATION_NAME.findall(text))
    return any("\\" in name or operations.includes(normalize_operation(name)) for name in names)


@dataclass(frozen=True, slots=True)
class WantedOperations:
    """Operations to look for, in normal form."""

    exact: frozenset[str]
    beginnings: tuple[str, ...]

    @classmethod
    def of(cls, names: Collection[str]) -> "WantedOperations":
        """Those of some names; one with a star is a beginning."""
        return cls(
            frozenset(normalize_operation(one) for one in names if not one.endswith("*")),
            tuple(normalize_operation(one.rstrip("*")) for one in names if one.endswith("*")),
        )

    def includes(self, operation: str) -> bool:
        """Whether an operation in normal form is one of them."""
        return operation in self.exact or operation.startswith(self.beginnings or ("\0",))


def get_operation(row: ResponseRow) -> str:
    """The operation of a record, in its normal form."""
    value = row.get("Operation", row.get("operation"))
    return normalize_operation(parse_text(value, 256))


def build_feed_failure(error: TenantError, content_id: str = "") -> ReadFailure:
    """Why the feed was not read. A log that is off stands in the place of a permission."""
    failure = build_read_failure(ACTIVITY_FEED, error, content_id, optional=True)
    if isinstance(error, Rejected) and error.verdict == LOG_OFF:
        return ReadFailure(
            ACTIVITY_FEED, failure.reason, permission=UNIFIED_AUDIT_LOG, optional=True
        )
    return failure


def build_record_failures(
    source: str, broken: Iterable[tuple[ResponseRow, str]]
) -> tuple[ReadFailure, ...]:
    """Records that could not be understood, each by a hash of what it holds: an id that could be
    relied on they do not have.
    """
    return tuple(
        ReadFailure(source, reason, f"{BROKEN_PREFIX}{hash_parts(row)[:12]}", optional=True)
        for row, reason in broken
    )
