"""core.model.state."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.requests import Action
from core.tenant.readings import Unread


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of looking at a part of the tenant, as far as later parts need to know it.

    Of `population` objects `unread` were not read in full; `blind` are the misses of whole
    surfaces. `ready` are the keys of cases with changes to make, `unfinished` those of cases that
    are gone but whose changes an earlier run only began. `lost` says which shards were given up,
    and why.
    """

    population: int = 0
    unread: int = 0
    surfaces: frozenset[str] = frozenset()
    blind: tuple[Unread, ...] = ()
    complete: bool = True
    ready: tuple[str, ...] = ()
    unfinished: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    notes: int = 0

    @property
    def seen(self) -> int:
        """How many objects were read in full."""
        return max(self.population - self.unread, 0)

    def plus(self, other: "Tally") -> "Tally":
        """Two parts together."""
        return Tally(
            population=self.population + other.population,
            unread=self.unread + other.unread,
            surfaces=self.surfaces | other.surfaces,
            blind=tuple(dict.fromkeys(self.blind + other.blind)),
            complete=self.complete and other.complete,
            ready=tuple(dict.fromkeys(self.ready + other.ready)),
            unfinished=tuple(dict.fromkeys(self.unfinished + other.unfinished)),
            lost=tuple(dict.fromkeys(self.lost + other.lost)),
            notes=self.notes + other.notes,
        )


@dataclass(frozen=True, slots=True)
class Round:
    """A look at the whole tenant that one run did not finish: what it came to so far.

    `population` is how many objects were listed, where that is known beforehand; `after` is where
    to go on: a place, or a page's `further`. With `shards` the rest is in a queue
    instead, cut in so many pieces; `told` is when a card last said how far it had come, `stalled`
    how many rounds before it were given up because nobody worked on them. `plan` is the plan that a
    person asked to release, `asked` when: the brake is only met at the end of the round.
    """

    id: str
    began: datetime
    tally: Tally
    population: int = 0
    after: str = ""
    shards: int = 0
    told: datetime | None = None
    stalled: int = 0
    plan: str = ""
    asked: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shard:
    """What became of one piece of a round in the queue: places from `low` up to `high`.

    `swept` are the sweeps it was part of. `error` says why it was given up.
    """

    round: str
    low: str
    high: str
    mailboxes: int
    at: datetime
    done: bool = False
    tally: Tally = field(default_factory=Tally)
    swept: tuple[str, ...] = ()
    adopted: bool = False
    error: str = ""


@dataclass(frozen=True, slots=True)
class GuardState:
    """What a guard remembers between runs besides its cases.

    `adopted` are the surfaces whose first reading has been taken as the starting point.
    `population` is that of the last complete reading, None before the first. `sweeps` tells when
    each sweep was last finished, `sweeping` up to which place a sweep under way has come. The
    app's `settings` as they were last compared are in the state of the digest's partition alone.
    """

    adopted: frozenset[str] = frozenset()
    population: int | None = None
    sweeps: Mapping[str, datetime] = field(default_factory=dict)
    sweeping: Mapping[str, str] = field(default_factory=dict)
    round: Round | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Memory:
    """All a guard remembers, as one partition scan brings it.

    `cases` by key, closed ones included; `changes` newest first; `exemptions` by subject;
    `actions` are what people asked for, newest first. `poisoned` counts rows that could not be
    understood: they are left alone. `strange` are the keys of their cases.
    """

    cases: Mapping[str, Case] = field(default_factory=dict)
    changes: tuple[ChangeRecord, ...] = ()
    exemptions: Mapping[str, Exemption] = field(default_factory=dict)
    state: GuardState = field(default_factory=GuardState)
    poisoned: int = 0
    actions: tuple[Action, ...] = ()
    strange: frozenset[str] = frozenset()
