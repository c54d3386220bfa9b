"""What a guard is, what it is given to judge by, and how it is scheduled and limited."""

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from core.model.findings import CorrelationRule, Finding
from core.model.options import Setting, SettingReader
from core.tenant.changes import Change
from core.tenant.known_traits import KnownTraits
from core.tenant.mailbox_index import MailboxPage
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Tenant
from core.tenant.readings import Reading

NO_OPTIONS: Any = None
"""The options of a guard that has none."""


MAX_SINGLE_LOOKS = 100
"""Objects that a listing no longer shows and that one run looks at alone: each takes commands."""


class Mode(StrEnum):
    """How far a guard may go: not run, only report, or also remediate."""

    OFF = "off"
    ALERT = "alert"
    ENFORCE = "enforce"

    def restrict_to(self, other: "Mode | None") -> "Mode":
        """The lesser of two modes: a request may restrict a guard, never extend what it may do."""
        order = list(Mode)
        return self if other is None else min(self, other, key=order.index)


class Service(StrEnum):
    """The API a permission belongs to."""

    GRAPH = "graph"
    EXCHANGE = "exchange"
    MANAGEMENT = "management"
    """The Office 365 Management APIs."""


@dataclass(frozen=True, slots=True)
class Permission:
    """A Graph app role or an Exchange cmdlet a guard needs, and why."""

    service: Service
    name: str
    reason: str
    """What the guard does with it, as a phrase."""
    writes: bool = False
    """Whether only a guard that enforces needs it."""
    optional: bool = False
    """Whether it only adds detail: without it the guard still covers everything."""
    parameters: tuple[str, ...] = ()
    """Of a writing cmdlet, the only parameters that the guard uses."""


@dataclass(frozen=True, slots=True)
class GuardPolicy[O = Any]:
    """What a guard judges by at one moment. O is the guard's own options."""

    now: datetime
    """The moment of the run."""
    options: O = NO_OPTIONS
    """The guard's options as the settings have them; None for a guard that has none."""


@dataclass(frozen=True, slots=True)
class ObserveContext[O = Any]:
    """What one call of `observe` or `inspect` reads, and for which policy."""

    policy: GuardPolicy[O]
    due_checks: frozenset[str] = frozenset()
    """The periodic checks that are due."""
    continuation: str = ""
    """Where an earlier scan stopped, as a reading gave it; empty to begin at the first object."""
    is_first_range: bool = True
    """Whether no mailboxes of the tenant come before those to inspect: what one of them is enough
    for is done with these.
    """
    open_case_ids: frozenset[str] = frozenset()
    """The objects with an open case: the guard has to find out whether they still exist."""
    weighty_case_ids: frozenset[str] = frozenset()
    """Those of them with a case that was of medium severity at least when it was last seen."""
    knows_every_case: bool = True
    """Whether those are all of them; False: only those among the mailboxes to inspect."""
    is_enforcing: bool = False
    """Whether findings may lead to changes: each object that needs one has to be a finding."""
    last_full_scan: datetime | None = None
    """When the guard last read everything: no run has seen what happened since."""
    last_scan: datetime | None = None
    """When the last scan began that came to its end, whatever it could not read."""
    seed: str = ""
    """What nobody knows who cannot read the state: whatever has its own time takes it from this, so
    that nobody can put something back in time.
    """
    least_trusted_count: int = 0
    """A listing of fewer objects lacks some, as far as is known: what is counted over it says
    nothing of the tenant.
    """
    applied_changes: tuple[tuple[Change, datetime], ...] = ()
    """The changes that the guard made and no operator undid, each with its time, latest first."""
    known_traits: Mapping[str, KnownTraits] = field(default_factory=dict)
    """What the guard remembers of its objects, by the key of the row: see `note_traits`."""


@dataclass(frozen=True, slots=True)
class PeriodicCheck:
    """A slow part of a scan, due on the first run and then once per interval."""

    name: str
    interval: timedelta


@dataclass(frozen=True, slots=True)
class SingleLook[T, O = Any]:
    """How a guard looks at single objects whose finding a listing no longer shows.

    A page that is left out looks like objects that are gone. So no case of these ends by a listing,
    only by this.
    """

    listing: str
    """The data source of the listing."""
    sources: frozenset[str]
    """The cases: those that depend on one of these data sources."""
    read: Callable[[Tenant, ObserveContext[O], Sequence[str]], Awaitable[Reading[T]]]
    """Reads objects by the ids of their cases. Its scope are those that are gone, or are judged
    anew by the items. One that is neither in the scope nor a failure is there, and stays as it was.
    """


@dataclass(frozen=True, slots=True)
class ComparedSetting:
    """A setting of the tenant that a guard compares, as the evidence lists it for auditors."""

    id: str
    reference: str
    """The public source of the value the setting should have."""


def describe_gap(left_out_count: int, waiting_count: int) -> str:
    """Why a listing counts as unread that leaves out what is there; empty where it does not.

    Some objects may wait for a later run.
    """
    reasons: list[str] = []
    if left_out_count:
        reasons.append(f"it leaves out objects that are there: {left_out_count:,}")
    if waiting_count:
        reasons.append(f"objects with a case that it leaves out wait their turn: {waiting_count:,}")
    return "; ".join(reasons)


@dataclass(frozen=True, slots=True)
class Guard[T, O = Any]:
    """One control: what it reads of the tenant, and how it judges one item of it.

    T is an item; O are the options that only this guard knows.
    """

    name: str
    """The name people use, such as mailbox-audit; the module has it with underscores."""
    title: str
    looks_for: str
    """What it finds, as the README's list of guards says it."""
    rationale: str
    """Why the control exists, in one sentence."""
    noun: str
    """What the guard counts, in the plural."""
    permissions: tuple[Permission, ...]
    """What the guard needs; with every setting that could need more."""
    observe: Callable[[Tenant, ObserveContext[O]], AsyncIterator[Reading[T] | MailboxPage]]
    """Reads what can be listed, in batches; a MailboxPage among them names mailboxes for `inspect`.

    No two batches may speak of the same source of the same object.
    """
    judge: Callable[[T, GuardPolicy[O]], Iterable[Finding]]
    """Yields what is wrong with one item, which may be several things. Pure."""
    inspect: (
        Callable[[Tenant, ObserveContext[O], Sequence[Mailbox]], Awaitable[Reading[T]]] | None
    ) = None
    """Reads some mailboxes one by one. `observe` and `inspect` are the only I/O of a guard."""
    look_at: (
        Callable[[Tenant, ObserveContext[O], Sequence[Mailbox]], AsyncIterator[Reading[T]]] | None
    ) = None
    """Reads only some mailboxes, with every periodic check; None: records lead to a full run.

    Each reading has these as its scope, or has read a source as a whole.
    """
    single_looks: tuple[SingleLook[T, O], ...] = ()
    """The first of them that fits a case is the one."""
    correlation: CorrelationRule | None = None
    periodic_checks: tuple[PeriodicCheck, ...] = ()
    followed_changes: frozenset[str] = frozenset()
    """The names of changes that `observe` looks up for as long as they are on record."""
    settling_time: timedelta = timedelta(minutes=10)
    """How long a change may take to show: until then the same finding is not a new one."""
    verdicts: Mapping[str, str] = field(default_factory=dict)
    """The guard's own verdicts, each with a sentence that explains it to an operator."""
    settings: tuple[Setting[Any], ...] = ()
    """The settings that the options are read from."""
    read_options: Callable[[SettingReader], O] | None = None
    """Reads the options from `settings`, and reports mistakes that concern several of them."""
    options: O = NO_OPTIONS
    """The options in force; in the catalog, those of the settings' defaults."""
    standalone_changes: frozenset[str] = frozenset()
    """Kinds of changes that concern no object the guard counts: the brake limits them apart."""
    permissions_for: Callable[[O], tuple[Permission, ...]] | None = None
    """The permissions that some options leave necessary, where they depend on them."""
    compared_settings_for: Callable[[O], tuple[ComparedSetting, ...]] | None = None
    """The settings of the tenant that are compared under some options."""

    def with_options(self, options: O) -> "Guard[T, O]":
        """The guard under these options, with the permissions it then needs."""
        needed = self.permissions_for(options) if self.permissions_for else self.permissions
        return replace(self, options=options, permissions=needed)

    def find_single_look(self, sources: Collection[str]) -> SingleLook[T, O] | None:
        """How to look at the object of a case that depends on some data sources; None: not at all,
        its listing is believed.
        """
        looks = (one for one in self.single_looks if not one.sources.isdisjoint(sources))
        return next(looks, None)

    def list_compared_settings(self) -> tuple[ComparedSetting, ...]:
        """The settings of the tenant that are compared under the options in force."""
        return self.compared_settings_for(self.options) if self.compared_settings_for else ()


@dataclass(frozen=True, slots=True)
class ChangeLimit:
    """The brake: the most objects one run may change, as a count and as a percentage of all.

    A run that would change more than the larger of the two, or more than `ceiling`, changes no
    object.
    """

    count: int = 20
    percent: float = 5.0
    ceiling: int = 500
    per_object: int = 5
    """The most changes of one object within a day; the brake holds those beyond."""
    runs_per_day: int = 3
    """How many runs may use up their limit within a day: small plans add up to a large one."""


@dataclass(frozen=True, slots=True)
class GuardConfig:
    """One row of the catalog: a guard, when it runs and how far it may go.

    The schedule is NCRONTAB (six fields, seconds first, UTC).
    """

    guard: Guard[Any]
    schedule: str
    mode: Mode
    limit: ChangeLimit = ChangeLimit()
    reminder_interval: timedelta = timedelta(days=7)
