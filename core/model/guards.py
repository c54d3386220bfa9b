"""core.model.guards."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from core.model.baseline import Baseline
from core.model.findings import CorrelationRule, Finding
from core.tenant.mailbox_index import MailboxPage
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Tenant
from core.tenant.readings import Reading


class Mode(StrEnum):
    """How far a guard may go: not run at all, look and tell, or also put right."""

    OFF = "off"
    ALERT = "alert"
    ENFORCE = "enforce"

    def restrict_to(self, other: "Mode | None") -> "Mode":
        """The lesser of two modes: a request may restrain a guard, never embolden it."""
        order = list(Mode)
        return self if other is None else min(self, other, key=order.index)


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
    reason: str
    writes: bool = False
    optional: bool = False
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GuardPolicy:
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
    licensed_accounts: str = "alert"
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
class ObserveContext:
    """What one observation is asked to do: by which terms, and which slow sweeps are due.

    `after` is where an earlier look had to stop (a reading's `further`). `watched` are the objects
    that have an open case: of them it has to be known whether they are still there. `enforcing`:
    each finding may lead to a write, so each object that needs one has to be a finding by itself.
    `last` is when the guard last looked at everything: what happened since was seen by nobody.
    """

    policy: GuardPolicy
    due_checks: frozenset[str] = frozenset()
    continuation: str = ""
    open_case_ids: frozenset[str] = frozenset()
    is_enforcing: bool = False
    last_full_scan: datetime | None = None


@dataclass(frozen=True, slots=True)
class PeriodicCheck:
    """A slow part of an observation, due at once on the first run and then at an interval."""

    name: str
    interval: timedelta


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
    rationale: str
    permissions: tuple[Permission, ...]
    observe: Callable[[Tenant, ObserveContext], AsyncIterator[Reading[T] | MailboxPage]]
    judge: Callable[[T, GuardPolicy], Iterable[Finding]]
    inspect: Callable[[Tenant, ObserveContext, Sequence[Mailbox]], Awaitable[Reading[T]]] | None = (
        None
    )
    noun: str = "mailboxes"
    correlation: CorrelationRule | None = None
    periodic_checks: tuple[PeriodicCheck, ...] = ()
    settling_time: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class ChangeLimit:
    """The brake: the most changes one run may make, as a count and as a percentage of all objects.

    More than the larger of the two, or more than `ceiling` in any case, and nothing is changed.
    """

    count: int = 20
    percent: float = 5.0
    ceiling: int = 500


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
