"""Cases and exemptions: what the guards remember about the objects of a tenant."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import SettingsError
from core.keys import PREFIX_LENGTH
from core.model.activity import Cause, build_actor_key, build_session_key
from core.model.findings import Correlation, Fact, Severity, Step
from core.model.reach import Reach
from core.tenant.changes import Change, parse_change

UNDONE = "undone"
"""The resolution of a case that Exoguard remediated, and an operator took that back."""


class Notification(StrEnum):
    """What the channel has still to be notified of about a case."""

    NONE = ""
    OPENED = "opened"
    CHANGED = "changed"
    REMINDER = "reminder"
    DONE = "done"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class HeldPlan:
    """A plan that the brake held, as an operator can release it."""

    hash: str
    at: datetime
    """When it was first held: it covers the changes that the brake held by then."""
    change_count: int = 0
    population: int | None = None
    """The number of listed objects, if the brake held because the listing shrank."""


@dataclass(frozen=True, slots=True)
class Case:
    """A finding across runs.

    One row holds a case and its pending notification, so both are saved together.
    """

    key: str
    """The identity of the finding: see `Finding.compute_key`."""
    kind: str
    object_id: str
    """The id of the object it is about."""
    subject: str
    """The name of the object, which may change."""
    severity: Severity
    guard_verdict: str
    """The guard's own verdict."""
    verdict: str
    """The verdict in force: the engine overrides it when a change was refused, kept failing or is
    contested.
    """
    summary: str
    opened_at: datetime
    facts: tuple[Fact, ...] = ()
    """The evidence."""
    advice: str = ""
    """What an operator can do."""
    steps: tuple[Step, ...] = ()
    """The same step by step, with commands."""
    held_account: str = ""
    """The id of the account that an intruder may hold."""
    sources: tuple[str, ...] = ()
    """The data sources that must be read before the finding counts as gone."""
    notification: Notification = Notification.NONE
    """What is pending: the channel has not accepted a message about it."""
    notified_at: datetime | None = None
    """When the channel last accepted a message about the case."""
    card_times: tuple[datetime, ...] = ()
    """When it accepted the last messages about it and about earlier cases of its key."""
    card_severity: Severity = Severity.INFO
    """How severe these messages said it was, at most."""
    closed_at: datetime | None = None
    resolution: str = ""
    """How a closed case ended: done, gone, noted (still there, and harmless now) or exempt; undone
    if an operator took back what was done; folded if it stands for older ones.
    """
    seen_count: int = 1
    """How many runs saw the finding before the first notification."""
    baselined: bool = False
    """Whether the case existed when the guard first read its sources."""
    unread_since_first_look: bool = False
    """Whether its object could not be read when the guard first read the source, nor since; only in
    cases about that.
    """
    failure_count: int = 0
    """How many attempts of its changes failed in a row."""
    deferred_at: datetime | None = None
    """When the engine left the case to an operator."""
    note: str = ""
    """The result of the last attempt to change it."""
    planned_changes: tuple[str, ...] = ()
    """The changes that remediate it, as JSON."""
    correlations: tuple[Correlation, ...] = ()
    """What the case may share with cases of other objects, such as an outside address."""
    escalated: bool = False
    """Whether its severity was raised because of what it shares."""
    is_one_off: bool = False
    """Whether it is an event: its end is not reported."""
    acknowledged_at: datetime | None = None
    """When an operator acknowledged it: no reminder is sent until it changes."""
    acknowledged_by: str = ""
    turn_count: int = 0
    """How often the finding, or others of its kind and object before it, came and went lately."""
    flapping_since: datetime | None = None
    """When the first of these appeared."""
    flap_told_at: datetime | None = None
    """When a card last told that this case, or an earlier one of its key, comes and goes."""
    untold_change_at: datetime | None = None
    """When the tenant was last changed for this case, or an earlier one of its key, if no card has
    told of the case since."""
    untold_count: int = 0
    """How many forms it took that ended before a card told of them; this case tells of them."""
    untold_texts: tuple[str, ...] = ()
    """What some of these were."""
    absent_since: datetime | None = None
    """Since when a case that comes and goes has not been there; it ends after a day."""
    held_since: datetime | None = None
    """Since when the brake holds its changes as they are planned now."""
    plan_hash: str = ""
    """The plan that the brake holds, if the case is about one."""
    told_reaches: tuple[Reach, ...] = ()
    """How far it went at most, of all that was told of it."""
    accepted_reaches: tuple[Reach, ...] | None = None
    """How far it went when an operator exempted it; None if nobody did."""
    widened_at: datetime | None = None
    """When it last began to go further than was told."""
    held_plans: tuple[HeldPlan, ...] = ()
    """The plans that the brake held lately, oldest first, if the case is about them."""
    folded_count: int = 0
    """How many older cases of its object were folded into it; 0 for a case of its own."""
    members: str = ""
    """The open ones among these, or those that were exempted with it: see `core.model.folded`."""
    clean_at: datetime | None = None
    """When the last look began that read its object and did not find what it says now; None if no
    such look is known.
    """
    found_at: datetime | None = None
    """By when the look that found what it says now had read its object."""
    cause: Cause | None = None
    """The act that it is put down to, if one is on record."""
    earlier_change: Cause | None = None
    """Without a cause: the last act on record that fits and came before `clean_at`, which did not
    lead to it.
    """
    cause_sought_at: datetime | None = None
    """When the records were last searched for it; None if no log that would tell was read."""
    cause_asked_at: datetime | None = None
    """When the audit log was last asked for it; None if it never was."""
    cause_note: str = ""
    """What became of that search, where there is no answer or not all of it."""
    new_methods: tuple[str, ...] = ()
    """The sign-in methods that its person, or who acted, was given within a day of it: each as a
    phrase with who did it and when. Untrusted.
    """

    @property
    def seen_since(self) -> datetime:
        """When what it says now was first seen."""
        return self.found_at or max(self.opened_at, self.widened_at or self.opened_at)

    @property
    def short_key(self) -> str:
        """The last characters of the key, by which people refer to the case.

        Keys of one object share their first characters.
        """
        return self.key[-8:]

    def is_about(self, name: str) -> bool:
        """Whether it belongs to an object, by the first characters of its key, to what cases
        share, or to what one session or one actor did.
        """
        if self.cause and name in (build_session_key(self.cause), build_actor_key(self.cause)):
            return True
        return self.key[:PREFIX_LENGTH] == name or any(
            shared.key == name for shared in self.correlations
        )


def list_open_ids(cases: Iterable[Case], weight: Severity = Severity.INFO) -> frozenset[str]:
    """The objects with an open case of a severity, or a higher one."""
    return frozenset(
        case.object_id for case in cases if case.closed_at is None and case.severity >= weight
    )


def parse_planned_changes(case: Case) -> tuple[Change, ...]:
    """The changes that a case plans; none if another version wrote them."""
    try:
        return tuple(map(parse_change, case.planned_changes))
    except ValueError:
        return ()


@dataclass(frozen=True, slots=True)
class Exemption:
    """An operator's decision to accept a case or an object as it is until a date."""

    subject: str
    """The id of an object or the key of a case, never a pattern."""
    granted_by: str
    reason: str
    until: datetime

    @classmethod
    def grant(
        cls, subject: str, granted_by: str, reason: str, until: datetime, now: datetime
    ) -> "Exemption":
        """Build a valid exemption. Raises SettingsError for a pattern, a missing reason or no
        end.
        """
        if not subject.strip() or any(sign in subject for sign in "*?%"):
            raise SettingsError("an exemption names one object id or case key, never a pattern")
        if not granted_by.strip() or not reason.strip():
            raise SettingsError("an exemption says who decided it and why")
        if not now < until <= now + timedelta(days=366):
            raise SettingsError("an exemption ends in the future, within a year")
        return cls(subject.strip(), granted_by.strip()[:200], reason.strip()[:500], until)
