"""Many acts within a short time, and the gravest of more acts than are told."""

from datetime import UTC, datetime, timedelta

from core.guards.privileged_change.bursts import find_burst, select_gravest
from core.model.findings import Severity
from core.tenant.activity import ActivityActor, ActivityLog, ActivityRecord, ActorKind

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
EVE = ActivityActor(ActorKind.PERSON, "eve@contoso.com", "e7e")


def record(target: str, minutes: float) -> ActivityRecord:
    """An act on something, so many minutes after noon."""
    at, names = NOW + minutes * MINUTE, (target, "another name") if target else ()
    return ActivityRecord(f"{target} {minutes}", ActivityLog.DIRECTORY, "add", at, EVE, names)


def tell(*records: ActivityRecord, least: int = 3) -> list[str]:
    """The ids of the records of a burst within an hour."""
    return [one.id for one in find_burst(records, HOUR, least)]


def test_a_burst_counts_each_object_once_by_its_latest_record() -> None:
    again = [record("a", minute) for minute in range(9)]
    assert tell(*again) == []
    assert tell(*again, record("B", 9), record("b", 10), record("c", 11)) == ["a 8", "b 10", "c 11"]
    assert tell() == []
    assert len(tell(record("", 0), record("a", 1), record("b", 2))) == 3


def test_a_burst_is_what_lies_within_its_time_the_end_included() -> None:
    early, first, second, third = (
        record(*one) for one in (("x", 0), ("a", 30), ("b", 60), ("c", 90))
    )
    assert tell(early, first, second, third) == ["x 0", "a 30", "b 60"]
    assert tell(early, record("a", 30.1), record("b", 61), third) == ["a 30.1", "b 61", "c 90"]
    assert tell(early, first, record("c", 91)) == []


def test_of_several_bursts_the_first_of_the_largest_is_told() -> None:
    small = [record(name, minute) for minute, name in enumerate("abc")]
    large = [record(name, 200 + minute) for minute, name in enumerate("defg")]
    later = [record(name, 400 + minute) for minute, name in enumerate("hijk")]
    assert tell(*small, *large, *later) == [one.id for one in large]


def test_records_leave_a_burst_as_time_goes_on() -> None:
    many = [record(f"t{number}", number) for number in range(500)]
    assert tell(*many) == [one.id for one in many[:61]]
    # What left may come back, and counts again.
    back = [record("t0", 500), *(record(f"u{number}", 501 + number) for number in range(60))]
    assert len(tell(*many, *back)) == 61
    assert tell(record("a", 0), record("b", 1), record("a", 59), record("c", 61.5)) == []


type Act = tuple[Severity, int, str]


def select(*acts: Act, most: int = 2) -> tuple[Act, ...]:
    """The gravest of some acts: how grave, when, and of which event."""
    return select_gravest(
        acts, most, lambda one: (one[0], NOW + one[1] * MINUTE), lambda one: one[2]
    )


def test_as_many_acts_as_are_told_stay_as_they_are() -> None:
    same = ((Severity.LOW, 1, "a"), (Severity.LOW, 2, "a"))
    assert select(*same) == same


def test_of_more_the_latest_of_each_event_is_told_and_the_gravest_first() -> None:
    low, high = Severity.LOW, Severity.HIGH
    acts = ((low, 5, "a"), (low, 9, "a"), (low, 7, "b"), (high, 1, "c"))
    assert select(*acts) == ((high, 1, "c"), (low, 9, "a"))
    assert select(*acts, most=3) == ((high, 1, "c"), (low, 9, "a"), (low, 7, "b"))
