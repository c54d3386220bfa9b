"""When a slow part of a scan is due, and how far it has come."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.engine.periodic_checks import (
    EARLIEST_SHARE,
    draw_interval_share,
    find_due_checks,
    is_check_complete,
    is_check_due,
    is_check_due_at,
)
from core.model.guards import PeriodicCheck
from core.model.state import MAX_TIME_AHEAD, GuardState
from core.tenant.mailbox_index import MailboxRange
from core.tenant.readings import ReadFailure, Reading
from tests.support.decisions import CONFIG, GUARD
from tests.support.fakes.clock import START

DAY = timedelta(days=1)


def finished(at: timedelta, seed: str = "") -> GuardState:
    """A state in which the check ended so long after the start."""
    return GuardState(checks_finished_at={"deep": START + at}, check_seed=seed)


@pytest.mark.parametrize(
    ("last", "is_due"),
    [
        (-DAY, True),
        (-DAY + timedelta(seconds=1), False),
        (timedelta(), False),
        (MAX_TIME_AHEAD, False),
        (MAX_TIME_AHEAD + timedelta(seconds=1), True),
    ],
)
def test_a_check_is_due_after_its_interval_and_whoever_dates_it_ahead_puts_nothing_off(
    last: timedelta, is_due: bool
) -> None:
    assert is_check_due("deep", DAY, finished(last), START) is is_due


def test_a_check_that_never_ended_is_due() -> None:
    assert is_check_due("deep", DAY, GuardState(), START)


def test_when_a_check_is_due_again_only_who_knows_the_seed_can_tell() -> None:
    shares = {
        draw_interval_share(seed, name, START + at)
        for seed in ("a", "b")
        for name in ("deep", "wide")
        for at in (timedelta(), DAY)
    }
    assert len(shares) == 8
    assert all(EARLIEST_SHARE <= one < 1 for one in shares)
    assert draw_interval_share("a", "deep", START) == draw_interval_share("a", "deep", START)
    assert draw_interval_share("", "deep", START) == 1.0
    spread = [draw_interval_share(str(number), "deep", START) for number in range(200)]
    assert min(spread) < EARLIEST_SHARE + 0.05
    assert max(spread) > 0.95


def test_a_seed_brings_a_check_forward_by_its_share() -> None:
    share = draw_interval_share("a", "deep", START)
    for ago, is_due in ((share * DAY, True), (share * DAY - timedelta(seconds=1), False)):
        assert is_check_due("deep", DAY, finished(timedelta(), "a"), START + ago) is is_due


@pytest.mark.parametrize(
    ("position", "is_due"), [("1f", False), ("20", True), ("2f", True), ("30", False)]
)
def test_a_check_goes_on_in_the_range_it_has_come_to(position: str, is_due: bool) -> None:
    assert is_check_due_at(position, MailboxRange("20", "30", ())) is is_due


def test_a_check_is_complete_if_all_of_its_source_was_read() -> None:
    whole = Reading[str](sources=frozenset({"deep"}))
    assert is_check_complete(whole, "deep")
    assert not is_check_complete(whole, "other")
    partial = Reading[str](sources=frozenset({"deep"}), partial_scopes={"deep": ()})
    assert not is_check_complete(partial, "deep")
    for object_id, is_complete in (("", False), ("m1", True)):
        failure = ReadFailure("deep", "HTTP 503", object_id)
        failed = Reading[str](failures=(failure,), sources=frozenset({"deep"}))
        assert is_check_complete(failed, "deep") is is_complete


def test_of_several_checks_those_are_due_whose_own_interval_has_passed() -> None:
    checks = (PeriodicCheck("deep", DAY), PeriodicCheck("wide", 2 * DAY), PeriodicCheck("new", DAY))
    config = replace(CONFIG, guard=replace(GUARD, periodic_checks=checks))
    ended = dict.fromkeys(("deep", "wide"), START - DAY)
    state = GuardState(checks_finished_at=ended)
    assert find_due_checks(config, state, START) == {"deep", "new"}


def test_when_a_check_is_due_is_the_same_in_every_process() -> None:
    """The share is a part of the interval: the same seed, name and end give the same."""
    assert draw_interval_share("a", "deep", START) == pytest.approx(0.969873, abs=1e-6)
