"""core.model.state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.requests import OperatorRequest
from core.tenant.readings import ReadFailure


@dataclass(frozen=True, slots=True)
class ScanTotals:
    """What came of looking at a part of the tenant, as far as later parts need to know it.

    Of `population` objects `unread` were not read in full; `blind` are the misses of whole
    surfaces. `ready` are the keys of cases with changes to make, `unfinished` those of cases that
    are gone but whose changes an earlier run only began. `lost` says which shards were given up,
    and why.
    """

    population: int = 0
    unread_count: int = 0
    sources: frozenset[str] = frozenset()
    source_failures: tuple[ReadFailure, ...] = ()
    complete: bool = True
    ready_case_keys: tuple[str, ...] = ()
    unfinished_case_keys: tuple[str, ...] = ()
    abandoned_shards: tuple[str, ...] = ()
    untracked_count: int = 0

    @property
    def read_count(self) -> int:
        """How many objects were read in full."""
        return max(self.population - self.unread_count, 0)

    def add_totals(self, other: "ScanTotals") -> "ScanTotals":
        """Two parts together."""
        return ScanTotals(
            population=self.population + other.population,
            unread_count=self.unread_count + other.unread_count,
            sources=self.sources | other.sources,
            source_failures=tuple(dict.fromkeys(self.source_failures + other.source_failures)),
            complete=self.complete and other.complete,
            ready_case_keys=tuple(dict.fromkeys(self.ready_case_keys + other.ready_case_keys)),
            unfinished_case_keys=tuple(
                dict.fromkeys(self.unfinished_case_keys + other.unfinished_case_keys)
            ),
            abandoned_shards=tuple(dict.fromkeys(self.abandoned_shards + other.abandoned_shards)),
            untracked_count=self.untracked_count + other.untracked_count,
        )


@dataclass(frozen=True, slots=True)
class ScanPass:
    """A look at the whole tenant that one run did not finish: what it came to so far.

    `population` is how many objects were listed, where that is known beforehand; `after` is where
    to go on: a place, or a page's `further`. With `shards` the rest is in a queue
    instead, cut in so many pieces; `told` is when a card last said how far it had come, `stalled`
    how many rounds before it were given up because nobody worked on them. `plan` is the plan that a
    person asked to release, `asked` when: the brake is only met at the end of the round.
    """

    id: str
    started_at: datetime
    totals: ScanTotals
    population: int = 0
    continuation: str = ""
    shard_count: int = 0
    notified_at: datetime | None = None
    stalled_count: int = 0
    plan: str = ""
    requested_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """What became of one piece of a round in the queue: places from `low` up to `high`.

    `swept` are the sweeps it was part of. `error` says why it was given up.
    """

    pass_id: str
    low: str
    high: str
    mailbox_count: int
    at: datetime
    done: bool = False
    totals: ScanTotals = field(default_factory=ScanTotals)
    periodic_checks: tuple[str, ...] = ()
    baselined: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class GuardState:
    """What a guard remembers between runs besides its cases.

    `adopted` are the surfaces whose first reading has been taken as the starting point.
    `population` is that of the last complete reading, None before the first. `sweeps` tells when
    each sweep was last finished, `sweeping` up to which place a sweep under way has come. The
    app's `settings` as they were last compared are in the state of the digest's partition alone.
    """

    baselined_sources: frozenset[str] = frozenset()
    population: int | None = None
    checks_finished_at: Mapping[str, datetime] = field(default_factory=dict)
    check_progress: Mapping[str, str] = field(default_factory=dict)
    scan_pass: ScanPass | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GuardSnapshot:
    """All a guard remembers, as one partition scan brings it.

    `cases` by key, closed ones included; `changes` newest first; `exemptions` by subject;
    `actions` are what people asked for, newest first. `poisoned` counts rows that could not be
    understood: they are left alone. `strange` are the keys of their cases.
    """

    cases: Mapping[str, Case] = field(default_factory=dict)
    changes: tuple[ChangeRecord, ...] = ()
    exemptions: Mapping[str, Exemption] = field(default_factory=dict)
    state: GuardState = field(default_factory=GuardState)
    unreadable_rows: int = 0
    operator_requests: tuple[OperatorRequest, ...] = ()
    unreadable_keys: frozenset[str] = frozenset()
