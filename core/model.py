"""The engine's nouns: what a guard is, what it finds, and what becomes of a finding over time.

A `Finding` lives for one run: the tenant is wrong in this place, now. A `Case` is the memory of a
finding across runs: since when, what was told, how it ended. The two meet only in `core.plan`.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any

from core.baseline import Baseline
from core.errors import SettingsError
from core.keys import digest, key_of
from core.roll import Page
from core.tenant import Change, Mailbox, Reading, Tenant, Unread, change_to_wire


class Mode(StrEnum):
    """How far a guard may go: not run at all, look and tell, or also put right."""

    OFF = "off"
    ALERT = "alert"
    ENFORCE = "enforce"

    def lowered(self, other: "Mode | None") -> "Mode":
        """The lesser of two modes: a request may restrain a guard, never embolden it."""
        order = list(Mode)
        return self if other is None else min(self, other, key=order.index)


class Severity(IntEnum):
    """How bad a finding is. INFO is shown in reports and never told."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """The name as people and documents write it."""
        return self.name.lower()


class Verdict(StrEnum):
    """What a guard concludes about one thing. The first group is the same for every guard."""

    COULD_NOT_TELL = "could-not-tell"
    FAILED = "failed"
    CONTESTED = "contested"
    REFUSED = "refused"
    # shared-mailbox-sign-in
    BLOCK = "block"
    ON_PREMISES = "on-premises"
    ASK = "ask"
    NEVER = "never"
    PROTECTED = "protected"
    # mailbox-forwarding
    EXTERNAL = "external"
    UNRESOLVED = "unresolved"
    HIDES_MAIL = "hides-mail"
    DORMANT = "dormant"
    # mailbox-audit
    REPAIR = "repair"
    KEEP = "keep"
    # mailbox-delegation
    DELEGATED = "delegated"
    EVERYONE = "everyone"
    # tenant-baseline
    DRIFT = "drift"
    # app-consent
    GRANTED = "granted"
    IMPOSTOR = "impostor"
    # mfa-registration
    NO_SECOND_FACTOR = "no-second-factor"
    WEAK_FACTOR = "weak-factor"
    # mass-deletion
    MASS_DELETION = "mass-deletion"


class Service(StrEnum):
    """The API a permission belongs to."""

    GRAPH = "graph"
    EXCHANGE = "exchange"


@dataclass(frozen=True, slots=True)
class Permission:
    """A Graph app role or an Exchange cmdlet a guard needs, and why.

    `writes` marks what only enforcing needs; `optional` what only adds detail. `parameters` are
    the only ones of a writing cmdlet that are used.
    """

    service: Service
    name: str
    why: str
    writes: bool = False
    optional: bool = False
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Terms:
    """What a guard judges by: the settings that concern it, and the moment.

    `resource_kinds` are the RecipientTypeDetails whose accounts nobody should sign in with.
    `licensed` says what to do about licensed ones: "alert" (ask), "block" or "ignore".
    `mail_items_accessed` is "licensed" (expected where the licence is there), "required" or
    "ignore". `allowed_domains` are outside domains mail may be forwarded to. `baseline` is
    what settings of the organization should be. More deletions than `mass_deletion_count`, or that
    percentage of all users, in so many hours are a mass deletion.
    `without_sign_ins`: "ask" or "enforce" where nobody can say who uses a mail protocol.
    """

    now: datetime
    resource_kinds: tuple[str, ...] = (
        "SharedMailbox",
        "RoomMailbox",
        "EquipmentMailbox",
        "SchedulingMailbox",
    )
    licensed: str = "alert"
    recent_days: int = 30
    audit_age_days: int = 180
    mail_items_accessed: str = "licensed"
    allowed_domains: frozenset[str] = frozenset()
    baseline: Baseline = field(default_factory=Baseline)
    mass_deletion_count: int = 10
    mass_deletion_percent: float = 5.0
    mass_deletion_hours: int = 24
    without_sign_ins: str = "ask"


@dataclass(frozen=True, slots=True)
class Look:
    """What one observation is asked to do: by which terms, and which slow sweeps are due.

    `after` is where an earlier look had to stop (a reading's `further`). `watched` are the objects
    that have an open case: of them it has to be known whether they are still there. `enforcing`:
    each finding may lead to a write, so each object that needs one has to be a finding by itself.
    `last` is when the guard last looked at everything: what happened since was seen by nobody.
    """

    terms: Terms
    due: frozenset[str] = frozenset()
    after: str = ""
    watched: frozenset[str] = frozenset()
    enforcing: bool = False
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something is wrong with one object, now.

    Its identity is (guard, object, kind, dangerous part), never a name: a renamed rule with the
    same target is the same finding, a new target is a new one. `surfaces` are what must be read
    before its absence may be believed. `facts` are stable from run to run as long as the thing is.
    `changes` put it right, where that is possible from here; `advice` says what a person can do.
    `patience` is how many further sightings it takes before it is worth telling. `shared` is what
    the findings of several objects may have in common (an outside address): see `Several`. An
    `event` is something that happened: that it is over is no news.
    """

    kind: str
    object_id: str
    subject: str
    severity: Severity
    verdict: Verdict
    summary: str
    facts: tuple[str, ...] = ()
    surfaces: tuple[str, ...] = ()
    dangerous: str = ""
    changes: tuple[Change, ...] = ()
    advice: str = ""
    patience: int = 0
    shared: tuple[str, ...] = ()
    event: bool = False

    def key(self, guard: str) -> str:
        """The identity of the finding, the same in every run."""
        return key_of(self.object_id, guard, self.kind, self.dangerous)


@dataclass(frozen=True, slots=True)
class Sweep:
    """A slow part of an observation, due at once on the first run and then at an interval."""

    name: str
    every: timedelta


@dataclass(frozen=True, slots=True)
class Several:
    """When the findings of so many objects share something, each of them is worse: by this much."""

    count: int
    severity: Severity
    fact: str


@dataclass(frozen=True, slots=True)
class Guard[T]:
    """One control: how it looks at the tenant and how it judges one thing it saw.

    `observe` and `inspect` are its only I/O. `observe` brings what can be listed, in parts; a
    `Page` among them names mailboxes that `inspect` is to look into, a slice at a time. No two
    parts may speak of the same surface of the same object. `judge` is pure and yields what is wrong
    with one thing; a thing may be wrong in several ways. `settles` is how long a change may take to
    show: within that time the same finding again is not a new one.
    """

    name: str
    title: str
    why: str
    permissions: tuple[Permission, ...]
    observe: Callable[[Tenant, Look], AsyncIterator[Reading[T] | Page]]
    judge: Callable[[T, Terms], Iterable[Finding]]
    inspect: Callable[[Tenant, Look, Sequence[Mailbox]], Awaitable[Reading[T]]] | None = None
    noun: str = "mailboxes"
    several: Several | None = None
    sweeps: tuple[Sweep, ...] = ()
    settles: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Limit:
    """The brake: the most changes one run may make, as a count and as a percentage of all objects.

    More than the larger of the two, or more than `ceiling` in any case, and nothing is changed.
    """

    count: int = 20
    percent: float = 5.0
    ceiling: int = 500


@dataclass(frozen=True, slots=True)
class Duty:
    """One row of the catalog: a guard, when it runs and how far it may go.

    The schedule is NCRONTAB (six fields, seconds first, UTC).
    """

    guard: Guard[Any]
    schedule: str
    mode: Mode
    limit: Limit = Limit()
    remind: timedelta = timedelta(days=7)


class Deed(StrEnum):
    """What a person can ask of a guard."""

    RUN = "run"
    RELEASE = "release"
    EXEMPT = "exempt"
    END_EXEMPTION = "end-exemption"
    UNDO = "undo"
    ACKNOWLEDGE = "acknowledge"


class ActionState(StrEnum):
    """What became of what a person asked for."""

    ASKED = "asked"
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Action:
    """Something a person asked for: what, of which thing, who, why, and what came of it.

    `id` is made as a run's id is, so that the newest sorts first. `subject` is the key of a case,
    the id of an object or of a change, the hash of a plan, or nothing for a run. `signed_in` says
    how the request was let in ("function key", or the account as the platform's sign-in names it):
    `who` is what it says of itself. `ended` is when it was done or refused, `note` what came of it,
    `tries` how often it was begun without an answer; `told` whether the channel was told.
    """

    id: str
    deed: Deed
    subject: str
    who: str
    why: str
    at: datetime
    signed_in: str = ""
    until: datetime | None = None
    state: ActionState = ActionState.ASKED
    ended: datetime | None = None
    note: str = ""
    tries: int = 0
    told: bool = False


class News(StrEnum):
    """What about a case has not been told yet."""

    NONE = ""
    OPENED = "opened"
    CHANGED = "changed"
    REMINDER = "reminder"
    DONE = "done"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Case:
    """A finding's life across runs: one row, so that a case and its news are written together.

    `judged` is the guard's verdict, `verdict` the one in force: the engine overrides it when a
    change was refused, failed too often or is contested, at `set_aside`. `sightings` counts runs
    until the case is first told. `closing` says how it ended: done, gone, exempt. `wanted` are the
    changes that put it right, as JSON; `raised`: it is worse for what it shares with others.
    `acknowledged` is when a person said they know of it: it is not brought up again until it
    changes.
    """

    key: str
    kind: str
    object_id: str
    subject: str
    severity: Severity
    judged: Verdict
    verdict: Verdict
    summary: str
    opened: datetime
    facts: tuple[str, ...] = ()
    advice: str = ""
    surfaces: tuple[str, ...] = ()
    news: News = News.NONE
    told: datetime | None = None
    closed: datetime | None = None
    closing: str = ""
    sightings: int = 1
    adopted: bool = False
    failures: int = 0
    set_aside: datetime | None = None
    note: str = ""
    wanted: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    raised: bool = False
    event: bool = False
    acknowledged: datetime | None = None
    acknowledged_by: str = ""

    @property
    def short(self) -> str:
        """What people call it: the end of its key, since those of one object begin alike."""
        return self.key[-8:]


class ChangeState(StrEnum):
    """What became of a change: written down, in effect, in effect by inference, or why not."""

    INTENDED = "intended"
    APPLIED = "applied"
    INFERRED = "inferred"
    FAILED = "failed"
    REFUSED = "refused"
    MOOT = "moot"


@dataclass(frozen=True, slots=True)
class ChangeRecord:
    """A change of the tenant, from its intention to its outcome, with what was there before.

    With `restores` it takes back the change of that id. `undone` is when it was taken back itself.
    """

    id: str
    case: str
    subject: str
    kind: str
    arguments: Mapping[str, object]
    state: ChangeState
    at: datetime
    run: str
    before: Mapping[str, object] = field(default_factory=dict)
    note: str = ""
    restores: str = ""
    undone: datetime | None = None


@dataclass(frozen=True, slots=True)
class Exemption:
    """Somebody's decision that one thing is right as it is, for a time.

    `subject` is an object id or a case key: never a pattern.
    """

    subject: str
    who: str
    why: str
    until: datetime

    @classmethod
    def granted(
        cls, subject: str, who: str, why: str, until: datetime, now: datetime
    ) -> "Exemption":
        """A checked exemption. Raises SettingsError for a pattern, no reason, or no end."""
        if not subject.strip() or any(sign in subject for sign in "*?%"):
            raise SettingsError("an exemption names one object id or case key, never a pattern")
        if not who.strip() or not why.strip():
            raise SettingsError("an exemption says who decided it and why")
        if not now < until <= now + timedelta(days=366):
            raise SettingsError("an exemption ends in the future, within a year")
        return cls(subject.strip(), who.strip()[:200], why.strip()[:500], until)


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


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked for when running a guard by hand: restraint, or the release of a plan."""

    run: str = ""
    mode: Mode | None = None
    plan: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Reported:
    """A finding as a run reports it: its key, what the engine made of it, its verdict in force."""

    key: str
    finding: Finding
    state: str
    verdict: Verdict
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one change in this run; `kind` names it as `core.tenant.Change` does.

    `verdict` is set where the tenant refused it for good; `blocked` where a permission is missing,
    so that it is told at once and tried again every run. `before` is what was there before it.
    """

    case: str
    subject: str
    kind: str
    state: ChangeState
    note: str = ""
    verdict: Verdict | None = None
    blocked: bool = False
    before: Mapping[str, object] = field(default_factory=dict)

    @property
    def half_made(self) -> bool:
        """True when it failed after its first step was sent."""
        return self.state is ChangeState.FAILED and bool(self.before)


# The status of a report that only tells what people asked for.
ATTENDED = "attended"


@dataclass(frozen=True, slots=True)
class RunReport:
    """What one run saw, decided, did and said.

    `status` is done, busy, off or failed, or "going on" when the rest is left to the next run or to
    the queue. `seen` of `population` objects were read in full, `left` are still to be looked at.
    `adopted`: this run took what exists as its starting point. `preview` are changes the next run
    will make. `held` says why the brake holds, `plan` is the hash that releases it. `news` are
    the cases this run has to tell; `told` whether the webhook took them (None: nothing to tell).
    `open` and `critical` count the cases open after it, `waiting` is the age of the oldest news
    that are still untold, `requests` counts the calls of each service. `actions` are what people
    asked for and this run has to tell. `granted` is what the app may do in each service, None where
    that is not known. `why` is the guard's, `cards` how many messages of this run were taken.
    `names` are what people call the subjects of `actions`, as far as that is remembered.
    """

    guard: str
    title: str
    noun: str
    run: str
    mode: Mode
    started: datetime
    status: str = "done"
    finished: datetime | None = None
    seen: int = 0
    population: int = 0
    unread: int = 0
    left: int = 0
    blind: tuple[str, ...] = ()
    adopted: bool = False
    findings: tuple[Reported, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    preview: tuple[Outcome, ...] = ()
    held: str = ""
    plan: str = ""
    news: tuple[Case, ...] = ()
    told: bool | None = None
    exemptions: int = 0
    error: str = ""
    open: int = 0
    critical: int = 0
    waiting: timedelta = timedelta()
    requests: Mapping[str, int] = field(default_factory=dict)
    orders: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    granted: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    why: str = ""
    cards: int = 0
    names: Mapping[str, str] = field(default_factory=dict)


def plan_hash(guard: str, wanted: Iterable[tuple[str, Change]], population: int) -> str:
    """The name of exactly one plan: which cases, which changes, out of how many objects."""
    rows = sorted(
        json.dumps([case, type(change).__name__, change_to_wire(change)], sort_keys=True)
        for case, change in wanted
    )
    return digest(guard, rows, population)
