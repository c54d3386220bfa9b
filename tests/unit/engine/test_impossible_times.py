"""Times in the state that cannot be are told, and nothing waits for them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.engine.attention import select_due_notifications
from core.engine.impossible_times import (
    IMPOSSIBLE_TIME,
    MAX_ROWS_LISTED,
    build_time_finding,
    list_impossible_times,
)
from core.engine.self_remedies import build_self_remedy
from core.engine.shards import STALL_TIMEOUT, is_progressing
from core.model.cases import Notification
from core.model.changes import ChangeState
from core.model.findings import Fact, Severity, Verdict
from core.model.requests import OperatorRequest, RequestKind
from core.model.state import GuardSnapshot, GuardState, ScanPass, ScanTotals, Shard
from core.ports import ShardStatus
from core.tenant.known_traits import KnownTraits
from tests.support.decisions import CONFIG, KEY, build_change_record, build_known_snapshot
from tests.support.fakes.clock import START

HOUR = timedelta(hours=1)
AHEAD = START + 2 * HOUR


def test_a_state_whose_times_have_passed_tells_nothing() -> None:
    snapshot = build_known_snapshot()
    assert build_time_finding(CONFIG, snapshot, START + timedelta(days=1)) is None


@pytest.mark.parametrize(
    "field",
    ["opened_at", "notified_at", "closed_at", "deferred_at", "held_since", "absent_since"],
)
def test_each_time_of_a_case_is_looked_at(field: str) -> None:
    known = build_known_snapshot()
    case = next(iter(known.cases.values()))
    for at, count in ((START + HOUR, 0), (START + HOUR + timedelta(seconds=1), 1)):
        changes: dict[str, Any] = {field: at}
        odd = replace(known, cases={KEY: replace(case, **changes)})
        assert len(list(list_impossible_times(odd, START))) == count


def test_times_of_changes_checks_and_passes_are_looked_at() -> None:
    ahead = build_change_record(ChangeState.APPLIED, AHEAD)
    scan_pass = ScanPass("r", AHEAD, ScanTotals(), notified_at=AHEAD)
    state = GuardState(checks_finished_at={"deep": AHEAD}, scan_pass=scan_pass)
    snapshot = GuardSnapshot(changes=(ahead,), state=state, lease_disbelieved=True)
    assert len(list(list_impossible_times(snapshot, START))) == 5
    finding = build_time_finding(CONFIG, snapshot, START)
    assert finding is not None
    assert finding.summary.startswith("5 times in the state of")


def test_many_odd_times_are_counted_and_few_are_listed() -> None:
    changes = tuple(build_change_record(ChangeState.APPLIED, AHEAD, n) for n in range(500))
    finding = build_time_finding(CONFIG, GuardSnapshot(changes=changes), START)
    assert finding is not None
    assert finding.summary.startswith("500 times")
    assert len(finding.facts) == 11


def test_a_pass_dated_in_the_future_counts_as_stalled() -> None:
    def shards(at: timedelta) -> dict[int, ShardStatus]:
        return {0: ShardStatus(Shard("r", "", "", 0, START + at), False)}

    old, new = ScanPass("r", START - HOUR, ScanTotals()), ScanPass("r", START, ScanTotals())
    odd = ScanPass("r", START + 100 * HOUR, ScanTotals())
    assert is_progressing(new, {}, START)
    assert is_progressing(old, shards(-STALL_TIMEOUT / 2), START)
    assert not is_progressing(old, shards(-STALL_TIMEOUT), START)
    assert not is_progressing(odd, {}, START)
    assert not is_progressing(old, shards(100 * HOUR), START)


def test_cards_dated_in_the_future_hold_no_other_card_back() -> None:
    case = next(iter(build_known_snapshot().cases.values()))
    told = [
        replace(
            case,
            key=f"{n}",
            notified_at=AHEAD + n * timedelta(minutes=1),
            card_times=(AHEAD + n * timedelta(minutes=1),),
            card_severity=Severity.CRITICAL,
            notification=Notification.NONE,
        )
        for n in range(40)
    ]
    due = replace(case, key="due", notified_at=None, notification=Notification.OPENED)
    assert select_due_notifications((*told, due), START) == (due,)
    spread = [
        replace(one, card_times=(START - n * timedelta(seconds=9),)) for n, one in enumerate(told)
    ]
    assert select_due_notifications((*spread, due), START) == ()


def test_each_odd_time_is_named_by_what_it_is_a_time_of() -> None:
    known = build_known_snapshot()
    case = replace(next(iter(known.cases.values())), opened_at=START, widened_at=AHEAD)
    request = OperatorRequest("r", RequestKind.RUN, "", "ann", "why", AHEAD, until=AHEAD)
    traits = KnownTraits("k", "o", "method", AHEAD, START, {})
    scan_pass = ScanPass("r", AHEAD, ScanTotals(), requested_at=START)
    snapshot = GuardSnapshot(
        cases={KEY: case},
        changes=(build_change_record(ChangeState.APPLIED, AHEAD),),
        operator_requests=(request,),
        known_traits={"k": traits},
        state=GuardState(
            checks_finished_at={"deep": AHEAD},
            read_from={"rules": AHEAD, "deep": START},
            looked_alone={"a": AHEAD},
            scan_pass=scan_pass,
        ),
        lease_disbelieved=True,
    )
    when = f"{AHEAD:%Y-%m-%d %H:%M} UTC"
    assert list(list_impossible_times(snapshot, START)) == [
        "the lease of the guard",
        f"end of a periodic check: {when}",
        f"start of a reading: {when}",
        f"start of a reading: {when}",
        f"scan: started at {when}",
        f"case: widened at {when}",
        f"change: at {when}",
        # What ends in the future is meant to.
        f"request: at {when}",
        f"known traits: first looked at {when}",
    ]


def test_an_hour_ahead_is_a_clock_and_more_is_no_time() -> None:
    for at, count in ((START + HOUR, 0), (START + HOUR + timedelta(seconds=1), 4)):
        state = GuardState(
            checks_finished_at={"deep": at},
            scan_pass=ScanPass("r", at, ScanTotals()),
            read_from={"rules": at},
            looked_alone={"boxes": at},
        )
        assert len(list(list_impossible_times(GuardSnapshot(state=state), START))) == count


def test_one_odd_time_is_told_as_one_and_what_to_do_about_it() -> None:
    finding = build_time_finding(CONFIG, GuardSnapshot(lease_disbelieved=True), START)
    assert finding is not None
    assert finding.summary == "A time in the state of Toy cannot be right."
    assert finding.facts == (Fact("", "the lease of the guard"),)
    assert (finding.kind, finding.object_id, finding.subject) == (IMPOSSIBLE_TIME, "state", "toy")
    assert (finding.severity, finding.verdict) == (Severity.HIGH, Verdict.COULD_NOT_TELL)
    assert finding.advice.startswith("The guard went on without waiting for them.")
    assert finding.steps == build_self_remedy("time-impossible", "toy")
    state = GuardState(checks_finished_at={"deep": AHEAD})
    both = build_time_finding(CONFIG, GuardSnapshot(state=state, lease_disbelieved=True), START)
    assert both is not None
    assert both.summary == "2 times in the state of Toy cannot be right."


@pytest.mark.parametrize(
    ("count", "last"),
    [(MAX_ROWS_LISTED, "change: at"), (MAX_ROWS_LISTED + 1, "and 1 more")],
)
def test_ten_odd_times_are_all_named(count: int, last: str) -> None:
    changes = tuple(build_change_record(ChangeState.APPLIED, AHEAD, n) for n in range(count))
    finding = build_time_finding(CONFIG, GuardSnapshot(changes=changes), START)
    assert finding is not None
    assert str(finding.facts[-1]).startswith(last)
    assert len(finding.facts) == count
