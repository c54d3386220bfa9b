"""Every number that a page, a card, a command or a document shows: counted here and nowhere else.

    state of a guard ─► count_guard() ─► StatusCounts ─► page, digest, status.json, command line

A number has one definition. `open cases` are all open cases of any severity. `changes made` are
those that took effect and still are in effect: neither refused nor failed ones, no undos, and none
that an operator undid. `decisions` are those an operator has not acknowledged. "Recent" means
today and the six days before, in UTC, as the history shows them by day. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity
from core.model.requests import OperatorRequest, RequestState
from core.model.state import GuardSnapshot
from core.model.tally import SeverityCounts, get_utc_date, list_counted

RECENT_DAYS = 7
AGE_LIMITS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
EFFECTIVE_STATES = frozenset({ChangeState.APPLIED, ChangeState.INFERRED})


@dataclass(frozen=True, slots=True)
class PendingNotifications:
    """What was not sent to the channel yet."""

    case_count: int = 0
    """Cases with a notification to send."""
    request_count: int = 0
    """Operator requests with a result to send."""
    oldest_at: datetime | None = None
    """Since when the oldest has waited."""

    @property
    def total(self) -> int:
        """Notifications of both kinds."""
        return self.case_count + self.request_count

    def plus(self, other: "PendingNotifications") -> "PendingNotifications":
        """The notifications of two guards."""
        times = [at for at in (self.oldest_at, other.oldest_at) if at]
        return PendingNotifications(
            self.case_count + other.case_count,
            self.request_count + other.request_count,
            min(times, default=None),
        )


@dataclass(frozen=True, slots=True)
class StatusCounts:
    """The numbers of one guard, or of all guards together."""

    open_by_severity: Mapping[Severity, int] = field(default_factory=dict)
    """Open cases of each severity, the most severe first; without severities that have none."""
    open_by_age: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Open cases opened within a day, within a week, within 30 days, and before."""
    opened: int = 0
    """Cases opened in the last seven days, closed and archived ones included."""
    closed: int = 0
    """Cases closed in the last seven days."""
    changes_made: int = 0
    """Changes made in the last seven days that still are in effect."""
    decisions: int = 0
    """Decisions that wait for an operator, without acknowledged ones."""
    exemptions: int = 0
    """Exemptions in force."""
    pending: PendingNotifications = field(default_factory=PendingNotifications)
    """Notifications that were not sent yet."""

    @property
    def open_cases(self) -> int:
        """Open cases of any severity."""
        return sum(self.open_by_severity.values())

    def plus(self, other: "StatusCounts") -> "StatusCounts":
        """The numbers of two guards together."""
        day, week, month, older = (
            mine + others for mine, others in zip(self.open_by_age, other.open_by_age, strict=True)
        )
        return StatusCounts(
            open_by_severity={
                severity: number
                for severity in reversed(Severity)
                if (
                    number := self.open_by_severity.get(severity, 0)
                    + other.open_by_severity.get(severity, 0)
                )
            },
            open_by_age=(day, week, month, older),
            opened=self.opened + other.opened,
            closed=self.closed + other.closed,
            changes_made=self.changes_made + other.changes_made,
            decisions=self.decisions + other.decisions,
            exemptions=self.exemptions + other.exemptions,
            pending=self.pending.plus(other.pending),
        )


def count_guard(snapshot: GuardSnapshot, decisions: int, now: datetime) -> StatusCounts:
    """The numbers of one guard. `decisions` is how many wait for an operator."""
    cases = tuple(snapshot.cases.values())
    counted = [(pair, case.closed_at) for case in cases for pair in list_counted(case)]
    open_cases = select_open_cases(cases)
    tally = snapshot.tally
    return StatusCounts(
        open_by_severity=count_by_severity(open_cases),
        open_by_age=count_by_age(open_cases, now),
        opened=sum(is_recent(opened_at, now) for (_, opened_at), _ in counted)
        + count_recent_days(tally.opened, now),
        closed=sum(ended is not None and is_recent(ended, now) for _, ended in counted)
        + count_recent_days(tally.closed, now),
        changes_made=sum(is_recent(record.at, now) for record in select_changes_made(snapshot)),
        decisions=decisions,
        exemptions=sum(one.until > now for one in snapshot.exemptions.values()),
        pending=count_pending_notifications(snapshot),
    )


def is_recent(at: datetime, now: datetime) -> bool:
    """Whether a time lies in the last seven days, of which today is the last."""
    return (get_utc_date(now) - get_utc_date(at)).days < RECENT_DAYS


def count_recent_days(days: Mapping[str, SeverityCounts], now: datetime) -> int:
    """The sum of the numbers of the last seven days."""
    first = (get_utc_date(now) - timedelta(days=RECENT_DAYS - 1)).isoformat()
    return sum(sum(counts.values()) for day, counts in days.items() if day >= first)


def select_open_cases(cases: Iterable[Case]) -> tuple[Case, ...]:
    """The cases that are open."""
    return tuple(case for case in cases if case.closed_at is None)


def count_by_severity(cases: Iterable[Case]) -> dict[Severity, int]:
    """How many cases there are of each severity, the most severe first."""
    counted = Counter(severity for case in cases for severity, _ in list_counted(case))
    return {severity: counted[severity] for severity in reversed(Severity) if counted[severity]}


def count_by_age(cases: Iterable[Case], now: datetime) -> tuple[int, int, int, int]:
    """How many cases were opened within a day, within a week, within 30 days, and before."""
    counted = [0] * (len(AGE_LIMITS) + 1)
    for _, opened_at in (pair for case in cases for pair in list_counted(case)):
        counted[sum(now - opened_at > age for age in AGE_LIMITS)] += 1
    day, week, month, older = counted
    return day, week, month, older


def is_change_made(record: ChangeRecord) -> bool:
    """Whether a change took effect and was not undone. An undo is not counted as a change."""
    return record.state in EFFECTIVE_STATES and not record.undo_of and record.undone_at is None


def select_changes_made(snapshot: GuardSnapshot) -> tuple[ChangeRecord, ...]:
    """The changes of a guard that are in effect."""
    return tuple(filter(is_change_made, snapshot.changes))


def get_pending_since(case: Case) -> datetime | None:
    """Since when the notification of a case has waited, as far as its times show."""
    match case.notification:
        case Notification.NONE:
            return None
        case Notification.OPENED:
            return case.opened_at
        case Notification.DONE | Notification.CLOSED:
            return case.closed_at
        case _:
            return case.deferred_at or case.notified_at


def count_pending_notifications(snapshot: GuardSnapshot) -> PendingNotifications:
    """How many notifications of a guard were not sent yet."""
    cases = [case for case in snapshot.cases.values() if case.notification]
    requests = list(filter(is_result_pending, snapshot.operator_requests))
    times = [*map(get_pending_since, cases), *(request.ended_at for request in requests)]
    return PendingNotifications(
        len(cases), len(requests), min((one for one in times if one), default=None)
    )


def is_result_pending(request: OperatorRequest) -> bool:
    """Whether a request has a result that was not sent to the channel."""
    return request.state is not RequestState.REQUESTED and not request.notified
