"""Looking at a tenant too large for a slice, or for a run: nothing lost, skipped or told twice."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from core.adapters.table_storage.codec import read
from core.model.findings import Severity
from core.model.guards import Duty
from core.model.state import GuardState
from tests.support.synthetic_guard import ALERT, ENFORCE, PAGED, Stage, Toy

SIZE = 360  # Four slices.
SPREAD = {f"m{n}": f"t{n}" for n in range(0, SIZE, 20)}


async def adopted(stage: Stage) -> Stage:
    """A stage that has taken a clean tenant as its starting point."""
    await stage.tick()
    return stage


async def spreading(duty: Duty = ALERT) -> Stage:
    """A stage whose starting point is a clean tenant, and which has something to find now."""
    stage = await adopted(Stage(Toy(SIZE), duty))
    stage.tenant.bad = dict(SPREAD)
    stage.tenant.inspected.clear()
    return stage


def budget(slices: int) -> Iterator[float]:
    """A clock of the run that says the time is up after so many questions."""
    yield from [0.0] * slices
    while True:
        yield 1.0


async def test_every_mailbox_is_looked_into_once_and_nothing_is_kept_of_clean_ones() -> None:
    stage = await spreading()
    report = await stage.tick()
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.ids)
    assert (report.status, report.seen, report.population, report.left) == ("done", SIZE, SIZE, 0)
    assert len(stage.ledger.partition("toy").rows) == len(SPREAD)
    assert all(stage.told(name) == 1 for name in SPREAD)


async def test_a_run_that_finds_nothing_new_saves_once() -> None:
    stage = await spreading()
    await stage.tick()
    before = stage.ledger.saves
    await stage.tick()
    assert stage.ledger.saves - before == 1


@pytest.mark.parametrize("questions", range(1, 14))
async def test_a_run_whose_time_is_up_is_gone_on_with_by_the_next(questions: int) -> None:
    stage = await spreading()
    reports = []
    for _ in range(12):
        stage.spent = budget(questions).__next__
        reports.append(await stage.tick())
        if reports[-1].status == "done":
            break
    assert reports[-1].status == "done"
    looks = Counter(stage.tenant.inspected)
    assert set(looks) == set(stage.tenant.ids)
    # What the first run took as it was listed is looked at again; after that there is a cursor.
    assert max(looks.values()) <= 2
    assert stage.open() == {f"{name}@x" for name in SPREAD}
    assert all(stage.told(name) == 1 for name in SPREAD)
    seen = [report.seen for report in reports[1:]]
    assert seen == sorted(seen)
    assert all(report.seen + report.left == SIZE for report in reports)


async def test_what_was_not_covered_is_not_closed_and_nothing_is_changed_before_the_end() -> None:
    stage = await spreading(ENFORCE)
    stage.spent = budget(3).__next__
    first = await stage.tick()
    assert first.status == "going on"
    assert stage.tenant.writes == []
    assert not first.held
    found = stage.open()
    assert 0 < len(found) < len(SPREAD)
    stage.spent = lambda: 0.0
    last = await stage.tick()
    assert last.status == "done"
    assert sorted(stage.tenant.writes) == sorted(SPREAD)
    assert "still to come" in str(stage.alerts.sent[0])


async def test_cases_of_the_part_that_was_not_reached_stay_open() -> None:
    stage = await spreading()
    await stage.tick()
    stage.tenant.bad = {}
    stage.spent = budget(3).__next__
    await stage.tick()
    left = stage.open()
    assert 0 < len(left) < len(SPREAD)
    stage.spent = lambda: 0.0
    await stage.tick()
    assert stage.open() == set()


async def test_mailboxes_are_looked_into_while_others_are_still_being_listed() -> None:
    stage = await adopted(Stage(Toy(SIZE, page=100)))
    stage.tenant.inspected.clear()
    stage.tenant.listed_at.clear()
    stage.tenant.bad = {"m1": "t"}
    await stage.tick()
    assert stage.tenant.inspected == stage.tenant.ids
    assert stage.tenant.listed_at.index("page 3") > stage.tenant.listed_at.index("look")


async def test_a_large_tenant_is_told_of_while_the_look_goes_on() -> None:
    stage = await spreading()

    def slow() -> float:
        stage.clock.advance(seconds=4)
        return 0.0

    stage.spent = slow
    await stage.tick()
    assert len(stage.alerts.sent) >= 2
    assert all(stage.told(name) == 1 for name in SPREAD)


async def test_the_first_look_is_one_summary_however_long_it_takes() -> None:
    stage = Stage(Toy(SIZE, dict(SPREAD)))

    def slow() -> float:
        stage.clock.advance(seconds=9)
        return 0.0

    stage.spent = slow
    report = await stage.tick()
    assert report.adopted
    assert len(stage.alerts.sent) == 1


async def test_mailboxes_that_vanish_end_their_cases_and_a_fallen_listing_ends_none() -> None:
    stage = await spreading()
    await stage.tick()
    stage.tenant.gone = {"m0", "m20"}
    await stage.tick()
    assert len(stage.open()) == len(SPREAD) - 2
    stage.tenant.gone = {f"m{n}" for n in range(0, SIZE, 2)}
    report = await stage.tick()
    assert "fell" in report.held
    assert len(stage.open()) == len(SPREAD) - 2 + 1  # and the brake


async def test_what_cannot_be_read_is_neither_clean_nor_gone() -> None:
    stage = await spreading()
    await stage.tick()
    stage.tenant.bad = {}
    stage.tenant.unread = {"m0"}
    report = await stage.tick()
    assert (report.seen, report.unread) == (SIZE - 1, 1)
    assert "m0@x" in stage.open()


async def test_what_several_share_is_worse_and_told_once_wherever_they_stand() -> None:
    stage = await adopted(Stage(Toy(SIZE)))
    stage.tenant.bad = {"m1": "one", "m180": "one"}
    await stage.tick()
    stage.tenant.bad["m340"] = "one"
    report = await stage.tick()
    assert {row.finding.severity for row in report.findings} == {Severity.CRITICAL}
    assert [stage.told(name) for name in ("m1", "m180", "m340")] == [2, 2, 1]
    quiet = await stage.tick()
    assert quiet.news == ()
    del stage.tenant.bad["m180"]
    await stage.tick()
    await stage.tick()
    severities = {case.severity for case in stage.ledger.cases("toy").values() if not case.closed}
    assert severities == {Severity.HIGH}


async def test_a_sweep_goes_on_where_it_stopped_and_then_rests_for_its_interval() -> None:
    stage = Stage(Toy(SIZE, deep={"m7": "x"}))
    stage.spent = iter([0.0, 0.0] + [n / 10 for n in range(1, 9)] + [0.95] * 100).__next__
    await stage.tick()
    part = len(stage.tenant.swept)
    assert 0 < part < SIZE
    stage.spent = lambda: 0.0
    await stage.tick()
    assert sorted(stage.tenant.swept) == sorted(stage.tenant.ids)
    assert "m7@x" in stage.open()
    await stage.tick()
    assert len(stage.tenant.swept) == SIZE
    assert "m7@x" in stage.open()
    stage.clock.moment += timedelta(days=1)
    stage.tenant.deep = {}
    await stage.tick()
    assert len(stage.tenant.swept) == 2 * SIZE
    assert stage.open() == set()


async def test_the_cursor_is_in_the_state_and_leaves_it_at_the_end() -> None:
    stage = await spreading()
    for _ in range(2):
        stage.spent = budget(3).__next__
        await stage.tick()
    state = read(GuardState, stage.ledger.partition("toy").state)
    assert state.round
    assert 0 < int(state.round.after, 16) < 2**32
    stage.spent = lambda: 0.0
    await stage.tick()
    assert read(GuardState, stage.ledger.partition("toy").state).round is None


# -- listings that tell all ----------------------------------------------------------------------


async def paged() -> Stage:
    stage = await adopted(Stage(Toy(SIZE, page=50), PAGED))
    stage.tenant.bad = dict(SPREAD)
    stage.tenant.inspected.clear()
    return stage


@pytest.mark.parametrize("questions", range(1, 9))
async def test_a_listing_is_gone_on_with_where_the_time_was_up(questions: int) -> None:
    stage = await paged()
    reports = []
    for _ in range(12):
        stage.spent = budget(questions).__next__
        reports.append(await stage.tick())
        if reports[-1].status == "done":
            break
    assert reports[-1].status == "done"
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.ids)
    assert (reports[-1].seen, reports[-1].population) == (SIZE, SIZE)
    assert all(stage.told(name) == 1 for name in SPREAD)
    stage.spent = lambda: 0.0
    assert (await stage.tick()).held == ""


async def test_a_listing_that_has_to_begin_anew_counts_nobody_twice() -> None:
    stage = await paged()
    stage.spent = budget(3).__next__
    first = await stage.tick()
    assert first.status == "going on"
    stage.tenant.links.clear()
    stage.spent = lambda: 0.0
    second = await stage.tick()
    assert (second.status, second.seen, second.population) == ("done", SIZE, SIZE)
    assert all(stage.told(name) == 1 for name in SPREAD)
    assert (await stage.tick()).held == ""


async def test_what_a_whole_listing_no_longer_names_is_gone() -> None:
    stage = await paged()
    await stage.tick()
    stage.tenant.gone = {"m0"}
    await stage.tick()
    assert len(stage.open()) == len(SPREAD) - 1
