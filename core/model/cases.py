"""core.model.cases."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import SettingsError
from core.model.findings import Severity, Verdict


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
