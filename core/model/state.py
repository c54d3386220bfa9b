"""What the ledger stores about a guard: its state, scan passes, shards and snapshots."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.outbox import ChannelFault, OutboxRow
from core.model.requests import OperatorRequest
from core.model.tally import Tally
from core.tenant.known_traits import KnownTraits
from core.tenant.probing import ProbeAnswer
from core.tenant.readings import ReadFailure

# A stored time that lies further ahead of the service's clock than this is not believed.
MAX_TIME_AHEAD = timedelta(hours=1)
# No run takes a lease for longer than a minute: whoever wrote one that ends later than this holds
# nobody up.
MAX_LEASE_AHEAD = timedelta(minutes=5)


def join_unique[T](known: tuple[T, ...], more: tuple[T, ...]) -> tuple[T, ...]:
    """Both, each element once; nearly always there are no more."""
    return tuple(dict.fromkeys(known + more)) if more else known


@dataclass(frozen=True, slots=True)
class ScanTotals:
    """The result of reading a part of the tenant, as far as later batches need it."""

    population: int = 0
    """The number of objects in it."""
    unread_count: int = 0
    """The number of objects that could not be read in full."""
    sources: frozenset[str] = frozenset()
    source_failures: tuple[ReadFailure, ...] = ()
    """The failures to read a whole data source."""
    doubtful_sources: frozenset[str] = frozenset()
    """The sources of which some objects may not have been read that no failure names."""
    complete: bool = True
    ready_case_keys: tuple[str, ...] = ()
    """The keys of cases with changes to make."""
    unfinished_case_keys: tuple[str, ...] = ()
    """The keys of cases that are gone but whose changes an earlier run may have applied in part."""
    abandoned_shards: tuple[str, ...] = ()
    """The shards that were abandoned, with the reason."""
    untracked_count: int = 0
    """The number of findings without a case."""
    listed_counts: Mapping[str, int] = field(default_factory=dict)
    """How many objects each listing contained that is believed."""
    shrunk_counts: Mapping[str, int] = field(default_factory=dict)
    """How many objects each listing contained that waits for a second look."""

    @property
    def read_count(self) -> int:
        """The number of objects that were read in full."""
        return max(self.population - self.unread_count, 0)

    def add_totals(self, other: "ScanTotals") -> "ScanTotals":
        """The totals of both parts."""
        return ScanTotals(
            population=self.population + other.population,
            unread_count=self.unread_count + other.unread_count,
            sources=self.sources | other.sources,
            source_failures=join_unique(self.source_failures, other.source_failures),
            doubtful_sources=self.doubtful_sources | other.doubtful_sources,
            complete=self.complete and other.complete,
            ready_case_keys=join_unique(self.ready_case_keys, other.ready_case_keys),
            unfinished_case_keys=join_unique(self.unfinished_case_keys, other.unfinished_case_keys),
            abandoned_shards=join_unique(self.abandoned_shards, other.abandoned_shards),
            untracked_count=self.untracked_count + other.untracked_count,
            listed_counts={**self.listed_counts, **other.listed_counts},
            shrunk_counts={**self.shrunk_counts, **other.shrunk_counts},
        )


@dataclass(frozen=True, slots=True)
class ScanPass:
    """A scan of the whole tenant that takes several runs, and how far it has come."""

    id: str
    started_at: datetime
    totals: ScanTotals
    population: int = 0
    """The number of listed objects, where it is known."""
    continuation: str = ""
    """Where to continue: a hash prefix, or the next link of a listing."""
    shard_count: int = 0
    """The number of shards in the queue; 0 for a pass without shards."""
    notified_at: datetime | None = None
    """When a card last reported its progress."""
    stalled_count: int = 0
    """How many passes before it stalled."""
    plan: str = ""
    """The plan that an operator asked to release: the brake decides at the end of the pass."""
    requested_at: datetime | None = None
    """When the operator asked for it."""
    secret: str = ""
    """The key that seals the messages of the pass."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The result of one key range of a pass in shards."""

    pass_id: str
    low: str
    """The first hash prefix of the range."""
    high: str
    """The hash prefix after the range."""
    mailbox_count: int
    at: datetime
    """When the row was written."""
    done: bool = False
    totals: ScanTotals = field(default_factory=ScanTotals)
    periodic_checks: tuple[str, ...] = ()
    """The periodic checks it was part of."""
    baselined: bool = False
    error: str = ""
    """Why it was abandoned."""


@dataclass(frozen=True, slots=True)
class GuardState:
    """A guard's state between runs, besides its rows."""

    baselined_sources: frozenset[str] = frozenset()
    """The data sources whose first reading was taken as the starting point."""
    population: int | None = None
    """The population of the last complete reading, to which unread objects add nothing; None before
    the first.
    """
    checks_finished_at: Mapping[str, datetime] = field(default_factory=dict)
    """When each periodic check last finished."""
    check_progress: Mapping[str, str] = field(default_factory=dict)
    """The hash prefix up to which an unfinished periodic check has come."""
    checks_begun_at: Mapping[str, datetime] = field(default_factory=dict)
    """When each of them began."""
    read_from: Mapping[str, datetime] = field(default_factory=dict)
    """By data source: when the last reading of all of it began. Of the objects that it lacked, each
    has a case.
    """
    looked_alone: Mapping[str, datetime] = field(default_factory=dict)
    """By id, when objects that audit records named were last looked at by themselves."""
    alone_sources: frozenset[str] = frozenset()
    """What these looks read of them."""
    scan_pass: ScanPass | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    """The app's settings as operators were last told of them; only in the state of the digest's
    partition, as are the next four.
    """
    settings_seen: str = ""
    """The hash of other settings that were seen since, and are not told unless they last."""
    settings_seen_since: datetime | None = None
    settings_logged: str = ""
    """The hash of the change that was logged last and that the channel has not accepted yet."""
    settings_told: Mapping[str, datetime] = field(default_factory=dict)
    """When each change of settings was told or seen again last, by its hash; a day of them."""
    granted_permissions: frozenset[str] = frozenset()
    """The permissions of the guard that the app has held at some look: one of them that is missing
    was withdrawn.
    """
    shrunk_population: int | None = None
    """The population of a complete reading that was a tenth smaller and waits for a second one."""
    listed_counts: Mapping[str, int] = field(default_factory=dict)
    """How many objects each listing of a part of the tenant contained when it was last believed."""
    shrunk_counts: Mapping[str, int] = field(default_factory=dict)
    """How many objects each of them contained that was shorter and waits for a second look."""
    single_look_places: Mapping[str, str] = field(default_factory=dict)
    """By the listing: after which hash prefix the next run looks at single objects that it lacks,
    where more of them wait than one run looks at.
    """
    accepted_calls: Mapping[str, int] = field(default_factory=dict)
    """How many calls at once each service accepted when the last run ended, by its name."""
    check_seed: str = ""
    """A random text that decides when periodic checks are due; empty before the first full run."""
    revision: int = 0
    """How many runs have saved the state: the mark beside the table must not be ahead of it."""
    distrust_reason: str = ""
    """Why the guard's memory cannot be right, in words; empty if nothing is known against it."""
    distrusted_since: datetime | None = None
    """Since when: nothing is enforced until an operator acknowledges the case about it."""


@dataclass(frozen=True, slots=True)
class GuardSnapshot:
    """What the ledger stores about a guard: for a run, without what is archived."""

    cases: Mapping[str, Case] = field(default_factory=dict)
    """By key: open ones, and closed ones that a run or the status page still needs."""
    changes: tuple[ChangeRecord, ...] = ()
    """Newest first."""
    past_changes: tuple[ChangeRecord, ...] = ()
    """Archived ones that requests name: they have no row among the others, and no say in a run."""
    exemptions: Mapping[str, Exemption] = field(default_factory=dict)
    """By subject."""
    state: GuardState = field(default_factory=GuardState)
    unreadable_rows: int = 0
    """The number of rows that this version cannot decode; they are left as they are."""
    operator_requests: tuple[OperatorRequest, ...] = ()
    """Newest first."""
    unreadable_keys: frozenset[str] = frozenset()
    """The keys of the cases in those rows."""
    probe_answers: tuple[ProbeAnswer, ...] = ()
    """What the tenant last answered about the assumptions; a run fills it in."""
    known_traits: Mapping[str, KnownTraits] = field(default_factory=dict)
    """What the guard remembers of its objects, by key."""
    late_digest: str = ""
    """Why the weekly digest is late; a run of the guard that reports it fills it in."""
    lost_places: tuple[str, ...] = ()
    """The audit logs of which nobody knew lately how far they were read; filled in likewise."""
    channel_faults: tuple[ChannelFault, ...] = ()
    """The channels that are out of use; filled in likewise."""
    has_channel: bool = True
    """Whether any channel is in use; filled in likewise."""
    lease_disbelieved: bool = False
    """Whether the lease that this claim took over had a time or a form that cannot be."""
    tally: Tally = field(default_factory=Tally)
    """The numbers of what is archived."""
    outbox: Mapping[str, OutboxRow] = field(default_factory=dict)
    """What further channels were told or have to be told, by key."""
    rows_differ: str = ""
    """How the rows differ from those that the last claim left, in words; empty if they do not."""


@dataclass(frozen=True, slots=True)
class StateMark:
    """What is known of a guard's state beside its table: how far it had come, and when."""

    revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Way:
    """How a cmdlet's objects are listed in this tenant, since another way failed or a probe chose.

    The row of a cmdlet wins over the row of every cmdlet. It is tried again after a week, since
    Exchange changes.
    """

    cmdlet: str
    """The cmdlet, or EVERY_CMDLET for what the probe found."""
    way: str
    """The name of the way, as the register of assumptions lists them."""
    since: datetime
    """When it was chosen."""
    reason: str = ""
    """What was wrong with the way before it; never a name, an address or an id."""
    page_size: int = 0
    """How many rows its pages have, where the last of the usual ones was full; 0 for as usual."""


EVERY_CMDLET = "every"


class KnownInbox(NamedTuple):
    """Which folder of a mailbox is its Inbox: a list in a row, since there is one a mailbox."""

    folder_id: str
    path: str
    """Its own name in the language of the mailbox, behind a backslash."""
    day: int
    """The day on which Exchange said so, as a proleptic Gregorian ordinal."""


@dataclass(frozen=True, slots=True)
class InboxGroup:
    """The Inboxes of the mailboxes whose marks begin alike."""

    name: str
    """The hex digits with which the marks begin."""
    inboxes: Mapping[str, KnownInbox]
    """By the mark of the mailbox, a hash."""


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """The last probe of the tenant: one answer per assumption that can be probed."""

    probed_at: datetime
    answers: tuple[ProbeAnswer, ...] = ()
    request_count: int = 0
    seconds: float = 0.0
    register: str = ""
    """A hash of the probes it made: a deployment with others probes again."""

    def find_answer(self, assumption: str) -> ProbeAnswer | None:
        """The answer about an assumption, or None."""
        return next((one for one in self.answers if one.assumption == assumption), None)
