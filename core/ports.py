"""What the engine needs besides the tenant: a ledger, a notification channel and the time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from core.keys import RANGE_END, RANGE_START
from core.model.activity import Act, ActivityCursor, PendingLook
from core.model.audit_queries import AuditSearch, CauseWish
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.containment import (
    AccountBundle,
    Containment,
    StoredBundles,
    StoredContainments,
)
from core.model.findings import Severity
from core.model.outbox import ChannelFault, ChannelHealth, OutboxRow
from core.model.requests import OperatorRequest
from core.model.runs import RunReport
from core.model.state import (
    GuardSnapshot,
    GuardState,
    InboxGroup,
    ProbeReport,
    Shard,
    StateMark,
    Way,
)
from core.model.tally import Tally
from core.tenant.known_traits import KnownTraits
from core.tenant.mailbox_index import RANGE_SIZE
from core.tenant.port import Tenant

# How long finished rows are kept, and how many of a guard at most.
KEEP_RUNS = timedelta(days=30)
KEEP_CASES = KEEP_TRAITS = timedelta(days=90)
KEEP_CHANGES = KEEP_REQUESTS = timedelta(days=400)
MAX_PAST_CASES, MAX_PAST_CHANGES, MAX_PAST_REQUESTS = 20_000, 50_000, 20_000
KEEP_ACTS = timedelta(days=8)
MAX_ACTS = 5_000
"""The most acts that are loaded at a time, the newest."""

TENANT_PARTITION = "tenant"
# The partition of the weekly digest, and of the settings as last told.
DIGEST_PARTITION = "digest"
"""The partition of what is true of the tenant whichever guard runs."""

ACTIVITY_PARTITION = "activity"
"""The partition of what is kept of audit records."""

CONTAINMENT_PARTITION = "containment"
"""The partition of accounts that are contained: plans, what became of them, and evidence."""

KEEP_CONTAINMENTS = timedelta(days=400)

CHANNEL_PARTITION = "channels"
"""The partition of tests of the channels, and their results."""

type ContainmentRow = Containment | AccountBundle
type ActivityRow = Act | ActivityCursor | PendingLook | CauseWish
type GuardRow = (
    Case | ChangeRecord | Exemption | OperatorRequest | KnownTraits | OutboxRow | RunReport | Tally
)
type LedgerRow = GuardRow | ActivityRow | ContainmentRow | AuditSearch
type ArchivedRecord = Case | ChangeRecord | OperatorRequest


class PastKind(StrEnum):
    """The kinds of archived rows."""

    CASE = "case"
    CHANGE = "change"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class PastRow:
    """An archived row."""

    key: str
    """The key of the case, or the id of the change or the request."""
    ended_at: str
    """When its retention period began, as ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True)
class ActivityState:
    """How far each log has been read, and what waits to be looked at."""

    cursors: Mapping[str, ActivityCursor]
    looks: Mapping[str, PendingLook]
    unreadable: frozenset[str] = frozenset()
    """The keys of rows that cannot be decoded, `cursor|<log>` or `look|<guard>`: another version
    wrote them, or somebody did.
    """
    searches: Mapping[str, AuditSearch] = field(default_factory=dict)
    """The searches of the audit log for causes, by key; those that ended too, for eight days."""
    wishes: Mapping[str, CauseWish] = field(default_factory=dict)
    """The cases that wait for a search, by guard."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """A shard as the ledger has it, and whether a worker holds it now."""

    shard: Shard
    is_claimed: bool


class Claim(Protocol):
    """The exclusive right to run one guard or shard, held for a minute at a time and renewed.

    Every write carries its epoch, so that an owner who was paused while another run took over can
    no longer write.
    """

    epoch: int

    async def ensure_held(self) -> None:
        """Raise ClaimLost unless the claim is still held, with time to spare for one write."""
        ...

    def protect_writes(self) -> AbstractAsyncContextManager[None]:
        """Guard a write to the tenant: checks the claim first, and cancels with ClaimLost if it
        expires.
        """
        ...

    async def load(self, low: str = RANGE_START, high: str = RANGE_END) -> GuardSnapshot:
        """What the guard has stored without the archive, or what of it concerns a key range.

        What it remembers of objects is loaded as a whole: what is true of the organization, such as
        which domains are new, has its place in one range only.
        """
        ...

    async def save(
        self,
        *rows: LedgerRow,
        state: GuardState | Shard | None = None,
        forget: tuple[Case | KnownTraits | OutboxRow, ...] = (),
    ) -> None:
        """Save whole rows, in transactions that carry the fence; the state is in the last one.

        Everything the state says was passed is durable before it says so. `state` is that of the
        guard, or of the shard that this is a claim on. `forget` are records to delete. Raises
        ClaimLost if another run holds the claim, LedgerError if the storage fails.
        """
        ...

    async def archive(self, rows: Sequence[ArchivedRecord], tally: Tally) -> None:
        """Move records out of what `load` returns, with the tally that counts them, at once."""
        ...

    async def find_past_change(self, change_id: str) -> ChangeRecord | None:
        """An archived change by its id."""
        ...

    async def list_past_rows(self, kind: PastKind) -> list[PastRow]:
        """The archived rows of a kind, in order of their keys."""
        ...

    async def load_past_cases(self, prefix: str) -> tuple[Case, ...]:
        """The archived cases of the objects with a hash prefix."""
        ...

    async def delete_past_rows(self, kind: PastKind, keys: Sequence[str], *rows: LedgerRow) -> None:
        """Delete archived rows, and then save rows."""
        ...


class Ledger(Protocol):
    """Stores the state of all guards."""

    def claim(
        self, guard: str, run: str, shard: int | None = None
    ) -> AbstractAsyncContextManager[Claim | None]:
        """Claim a guard, or one shard of it; None if another run holds it. Released at the end."""
        ...

    async def load_state(self, guard: str) -> GuardState:
        """A guard's state row. Raises LedgerError if it cannot be read."""
        ...

    async def load_shards(self, guard: str) -> Mapping[int, ShardStatus]:
        """The shards of the guard's last passes, by number."""
        ...

    async def load_shard(self, guard: str, number: int) -> ShardStatus | None:
        """One of them; None if there is none."""
        ...

    async def list_claimed_shards(self, guard: str) -> frozenset[int]:
        """The numbers of the shards that a worker holds now."""
        ...

    async def count_done_shards(self, guard: str, pass_id: str) -> int:
        """How many shards of a pass are done."""
        ...

    async def save_run_status(self, guard: str, run: str, document: Mapping[str, object]) -> None:
        """Record the status of a run without a claim: queued, busy, off or failed."""
        ...

    async def get_run(self, guard: str, run: str) -> Mapping[str, object] | None:
        """The document of a run, {"status": ...}; None if there is none."""
        ...

    async def list_recent_runs(self, guard: str, count: int) -> list[Mapping[str, object]]:
        """The last runs of a guard as documents, newest first."""
        ...

    def iter_runs(
        self, guard: str, since: datetime, until: datetime
    ) -> AsyncIterator[Mapping[str, object]]:
        """The runs of a guard that started from `since` up to `until`, newest first."""
        ...

    async def load(self, guard: str) -> GuardSnapshot:
        """What a claim of the guard would load, for readers: nothing may be written by it."""
        ...

    async def load_history(self, guard: str) -> GuardSnapshot:
        """The same with the archive."""
        ...

    async def load_object(self, guard: str, prefix: str) -> GuardSnapshot:
        """What the pages of one object tell: its cases and changes, with all exemptions and
        requests of the guard, and those of the archive. The keys of its records begin with
        `prefix`.
        """
        ...

    async def add_request(self, guard: str, operator_request: OperatorRequest) -> None:
        """Store an operator's request, which the next run of the guard processes, and log it."""
        ...

    async def list_requests(self, guard: str, since: datetime) -> tuple[OperatorRequest, ...]:
        """The requests of operators since a time, newest first."""
        ...

    async def get_request(self, guard: str, request_id: str) -> OperatorRequest | None:
        """One request by its id."""
        ...

    async def load_ways(self) -> Mapping[str, Way]:
        """How this tenant's objects are listed, by cmdlet, without rows that cannot be decoded."""
        ...

    async def save_way(self, way: Way) -> None:
        """Record how a cmdlet's objects are listed from now on. Needs no claim."""
        ...

    async def load_inboxes(self, first: str, last: str) -> Sequence[InboxGroup]:
        """The groups of known Inboxes from one name to another, without undecodable rows."""
        ...

    async def save_inboxes(self, groups: Sequence[InboxGroup]) -> None:
        """Record known Inboxes, group by group. Needs no claim."""
        ...

    async def load_probe(self) -> ProbeReport | None:
        """The last probe of the assumptions; None before the first."""
        ...

    async def save_probe(self, report: ProbeReport) -> None:
        """Record a probe in place of the one before it. Needs no claim."""
        ...

    async def load_channel_healths(self) -> Mapping[str, ChannelHealth]:
        """How each further channel answered lately, without rows that cannot be decoded."""
        ...

    async def save_channel_health(self, health: ChannelHealth) -> None:
        """Record how a channel answered. Needs no claim."""
        ...

    async def load_activity(self) -> ActivityState:
        """How far the logs have been read, and which rows of that cannot be decoded."""
        ...

    async def load_acts(self, since: datetime, until: datetime) -> tuple[Act, ...]:
        """The acts from the hour of a time to that of another, oldest first.

        At most MAX_ACTS, the newest; without rows that cannot be decoded.
        """
        ...

    async def purge_acts(self, now: datetime) -> None:
        """Delete acts, and searches that ended, of more than eight days."""
        ...

    async def save_wish(self, wish: CauseWish) -> None:
        """Record which cases of a guard wait for a search of the audit log. Needs no claim."""
        ...

    async def load_account_searches(self) -> Mapping[str, AuditSearch]:
        """The searches of the audit log for accounts, by the id of what was kept of them.

        Without rows that cannot be decoded.
        """
        ...

    async def load_containments(self) -> StoredContainments:
        """Every containment, and the ids of those that cannot be decoded."""
        ...

    async def load_bundle(self, bundle_id: str, edition: int = 0) -> AccountBundle | None:
        """What was kept of an account, by its id; 0: the latest edition.

        Raises LedgerError if it cannot be decoded.
        """
        ...

    async def load_bundles(self, since: datetime, until: datetime) -> StoredBundles:
        """Every edition of what was kept in a period."""
        ...

    async def purge_containments(self, now: datetime) -> None:
        """Delete what ended more than 400 days ago."""
        ...

    async def purge_channel_tests(self, now: datetime) -> None:
        """Delete tests of channels of more than 400 days, and results of more than 30."""
        ...

    async def load_mark(self, guard: str) -> StateMark | None:
        """How far the guard's state had come, as the journal beside the table knows it."""
        ...

    async def save_mark(self, guard: str, mark: StateMark) -> None:
        """Record in the journal how far the guard's state has come."""
        ...

    async def log_requests(self, guard: str, requests: Sequence[OperatorRequest]) -> None:
        """Record requests of operators, as they are now, in the journal too."""
        ...

    async def load_request_log(self, guard: str) -> tuple[OperatorRequest, ...]:
        """The requests of operators that the journal knows, newest first."""
        ...

    async def purge_runs(self, guard: str, now: datetime) -> None:
        """Delete the reports of runs that ended more than 30 days ago."""
        ...


class RenderedMessage(Protocol):
    """A message for the notification channel, with the rows that it reports.

    Exactly these rows are marked as notified once the channel has accepted it.
    """

    @property
    def payload(self) -> Mapping[str, object]:
        """The message as the channel takes it."""
        ...

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases it reports."""
        ...

    @property
    def operator_requests(self) -> tuple[OperatorRequest, ...]:
        """The requests of operators whose results it reports."""
        ...

    @property
    def fault(self) -> str:
        """The mistake of the app that left it without details; empty if none did."""
        ...

    def build_plain_payload(self, report: RunReport) -> Mapping[str, object]:
        """The same report for a channel that rejected the card: small, without untrusted text."""
        ...


# Makes the messages of a run's report, in sending order, with links to the app at an address.
type ReportRenderer = Callable[[RunReport, str], Sequence[RenderedMessage]]


class NotificationChannel(Protocol):
    """Sends notifications to the Teams channel."""

    async def send(self, payload: Mapping[str, object]) -> None:
        """Post one message. Raises NotificationError if the channel did not accept it."""
        ...


class MessageChannel(Protocol):
    """A channel besides Teams: mail, a webhook, another product."""

    @property
    def name(self) -> str:
        """Its name, as settings, pages and rows have it."""
        ...

    @property
    def setup(self) -> str:
        """A hash of where it sends to: another one is another channel."""
        ...

    @property
    def least_severity(self) -> Severity:
        """What is less severe is not sent to it."""
        ...

    @property
    def guards(self) -> frozenset[str]:
        """The guards it tells of; empty for all."""
        ...

    @property
    def batch_size(self) -> int:
        """How many cases a message may tell of."""
        ...

    @property
    def patience(self) -> float:
        """How many seconds a message may take, its repetitions included."""
        ...

    async def send(self, rows: Sequence[OutboxRow], *, is_plain: bool = False) -> None:
        """Send one message; a plain one holds no text from the tenant.

        Raises CardRejected if the channel does not take this one, and NotificationError if it takes
        none now.
        """
        ...


@dataclass(frozen=True, slots=True)
class World:
    """The dependencies of a run outside the process."""

    tenant: Tenant
    ledger: Ledger
    notification_channel: NotificationChannel
    now: Callable[[], datetime]
    """The time, the same for all instances: that of the state's service."""
    render: ReportRenderer
    """Makes the messages of a report."""
    call_counts: Callable[[], Mapping[str, int]] = dict
    """The number of calls so far, by service."""
    budget_used: Callable[[], float] = lambda: 0.0
    """The fraction of the run's time used; from 1 on, nothing more is started."""
    shard_above: int | None = None
    """A tenant with more mailboxes is split into shards; None to read it in this process."""
    shards_at_once: int = 4
    """How many shards are in progress at a time."""
    range_size: int = RANGE_SIZE
    """How many mailboxes are inspected at a time."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Waits a number of seconds."""
    channels: tuple[MessageChannel, ...] = ()
    """The channels besides Teams."""
    channel_faults: tuple[ChannelFault, ...] = ()
    """The channels that are wanted and out of use, Teams among them."""
    searches_audit_log: bool = False
    """Whether cases without a cause are noted for a search of the audit log."""
    public_url: str = ""
    """The address of the app for links on cards; empty if it is not set."""
    digest_guard: str = ""
    """The guard that reports a late weekly digest: the first that is on."""
    digest_schedule: str = ""
    """When the weekly digest is sent, as a six-field expression; empty if nobody watches that."""
    create_seed: Callable[[], str] = str
    """Makes the random text that decides when the periodic checks of a guard are due; an empty one
    leaves them to their intervals.
    """
    sweep_pause: float = 0.0
    """The most seconds that a run waits before a periodic check begins, so that the schedule of the
    guard does not tell its moment.
    """
    get_accepted_calls: Callable[[], Mapping[str, int]] = dict
    """How many calls at once each service accepts, as far as this run found out."""
    resume_calls: Callable[[Mapping[str, int]], None] = lambda accepted: None
    """Begins with so many calls at once as the services accepted before."""
