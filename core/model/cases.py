"""core.model.cases."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import SettingsError
from core.model.findings import Fact, Severity


class Notification(StrEnum):
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
    changes. `plan_hash` names the plan that the brake holds, where the case is about one.
    """

    key: str
    kind: str
    object_id: str
    subject: str
    severity: Severity
    guard_verdict: str
    verdict: str
    summary: str
    opened_at: datetime
    facts: tuple[Fact, ...] = ()
    advice: str = ""
    sources: tuple[str, ...] = ()
    notification: Notification = Notification.NONE
    notified_at: datetime | None = None
    closed_at: datetime | None = None
    resolution: str = ""
    seen_count: int = 1
    baselined: bool = False
    failure_count: int = 0
    deferred_at: datetime | None = None
    note: str = ""
    planned_changes: tuple[str, ...] = ()
    correlation_keys: tuple[str, ...] = ()
    escalated: bool = False
    is_one_off: bool = False
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    plan_hash: str = ""

    @property
    def short_key(self) -> str:
        """What people call it: the end of its key, since those of one object begin alike."""
        return self.key[-8:]


@dataclass(frozen=True, slots=True)
class Exemption:
    """Somebody's decision that one thing is right as it is, for a time.

    `subject` is an object id or a case key: never a pattern.
    """

    subject: str
    granted_by: str
    reason: str
    until: datetime

    @classmethod
    def grant(
        cls, subject: str, granted_by: str, reason: str, until: datetime, now: datetime
    ) -> "Exemption":
        """A checked exemption. Raises SettingsError for a pattern, no reason, or no end."""
        if not subject.strip() or any(sign in subject for sign in "*?%"):
            raise SettingsError("an exemption names one object id or case key, never a pattern")
        if not granted_by.strip() or not reason.strip():
            raise SettingsError("an exemption says who decided it and why")
        if not now < until <= now + timedelta(days=366):
            raise SettingsError("an exemption ends in the future, within a year")
        return cls(subject.strip(), granted_by.strip()[:200], reason.strip()[:500], until)
