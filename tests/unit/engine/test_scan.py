"""Looking at a tenant too large for a slice, or for a run: nothing lost, skipped or told twice."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from core.adapters.table_storage.codec import decode_stored_record
from core.engine.run import run
from core.model.findings import Finding, Severity
from core.model.guards import GuardConfig, GuardPolicy, ObserveContext
from core.model.requests import RunOptions
from core.model.state import GuardState
from core.tenant.mailbox_index import MailboxPage
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Tenant
from core.tenant.readings import ReadFailure, Reading
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    DEEP_CHECK,
    ENFORCE_CONFIG,
    LISTED_SOURCES,
    PAGED_CONFIG,
    EngineHarness,
    ForwardItem,
    SyntheticTenant,
    judge,
)

SIZE = 360  # Four slices.
SPREAD = {f"m{n}": f"t{n}" for n in range(0, SIZE, 20)}


async def adopted(stage: EngineHarness) -> EngineHarness:
    """A stage that has taken a clean tenant as its starting point."""
    await stage.run_timer()
    return stage


async def spreading(duty: GuardConfig = ALERT_CONFIG) -> EngineHarness:
    """A stage whose starting point is a clean tenant, and which has something to find now."""
    stage = await adopted(EngineHarness(SyntheticTenant(SIZE), duty))
    stage.tenant.forwards = dict(SPREAD)
    stage.tenant.inspected.clear()
    return stage


def budget(slices: int) -> Iterator[float]:
    """A clock of the run that says the time is up after so many questions."""
    yield from [0.0] * slices
    while True:
        yield 1.0


async def test_every_mailbox_is_looked_into_once_and_nothing_is_kept_of_clean_ones() -> None:
    stage = await spreading()
    report = await stage.run_timer()
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.mailbox_ids)
    assert (report.status, report.read_count, report.population, report.remaining_count) == (
        "done",
        SIZE,
        SIZE,
        0,
    )
    assert len(stage.ledger.get_partition("toy").rows) == len(SPREAD)
    assert all(stage.count_notifications(name) == 1 for name in SPREAD)


async def test_a_run_that_finds_nothing_new_saves_once() -> None:
    stage = await spreading()
    await stage.run_timer()
    before = stage.ledger.save_count
    await stage.run_timer()
    assert stage.ledger.save_count - before == 1


@pytest.mark.parametrize("questions", range(1, 14))
async def test_a_run_whose_time_is_up_is_gone_on_with_by_the_next(questions: int) -> None:
    stage = await spreading()
    reports = []
    for _ in range(12):
        stage.budget_used = budget(questions).__next__
        reports.append(await stage.run_timer())
        if reports[-1].status == "done":
            break
    assert reports[-1].status == "done"
    looks = Counter(stage.tenant.inspected)
    assert set(looks) == set(stage.tenant.mailbox_ids)
    # What the first run took as it was listed is looked at again; after that there is a cursor.
    assert max(looks.values()) <= 2
    assert stage.get_open_subjects() == {f"{name}@x" for name in SPREAD}
    assert all(stage.count_notifications(name) == 1 for name in SPREAD)
    seen = [report.read_count for report in reports[1:]]
    assert seen == sorted(seen)
    assert all(report.read_count + report.remaining_count == SIZE for report in reports)


async def test_what_was_not_covered_is_not_closed_and_nothing_is_changed_before_the_end() -> None:
    stage = await spreading(ENFORCE_CONFIG)
    stage.budget_used = budget(3).__next__
    first = await stage.run_timer()
    assert first.status == "in-progress"
    assert stage.tenant.writes == []
    assert not first.block_reason
    found = stage.get_open_subjects()
    assert 0 < len(found) < len(SPREAD)
    stage.budget_used = lambda: 0.0
    last = await stage.run_timer()
    assert last.status == "done"
    assert sorted(stage.tenant.writes) == sorted(SPREAD)
    assert "still to come" in str(stage.notification_channel.sent[0])


async def test_a_pass_of_several_runs_counts_as_a_look_from_its_first_run_on() -> None:
    stage = await spreading()
    stage.budget_used = budget(3).__next__
    first = await stage.run_timer()
    stage.clock.advance(minutes=30)
    stage.budget_used = lambda: 0.0
    last = await stage.run_timer()
    assert (first.status, last.status) == ("in-progress", "done")
    state = await stage.ledger.load_state(first.guard)
    assert state.checks_finished_at["looked"] == first.started_at < last.started_at


async def test_a_scan_that_could_not_read_everything_has_come_to_its_end_all_the_same() -> None:
    stage = await adopted(EngineHarness(SyntheticTenant(8)))
    whole = await stage.ledger.load_state("toy")
    stage.tenant.unavailable = True
    report = await stage.run_timer()
    seen: list[ObserveContext] = []

    async def inspect(
        tenant: Tenant, context: ObserveContext, owners: Sequence[Mailbox]
    ) -> Reading[ForwardItem]:
        seen.append(context)
        return await stage.tenant.inspect_mailboxes(owners, False)

    stage.config = replace(stage.config, guard=replace(stage.config.guard, inspect=inspect))
    await stage.run_timer()
    looked = whole.checks_finished_at["looked"]
    assert {(one.last_full_scan, one.last_scan) for one in seen} == {(looked, report.started_at)}


async def test_cases_of_the_part_that_was_not_reached_stay_open() -> None:
    stage = await spreading()
    await stage.run_timer()
    stage.tenant.forwards = {}
    stage.budget_used = budget(3).__next__
    await stage.run_timer()
    left = stage.get_open_subjects()
    assert 0 < len(left) < len(SPREAD)
    stage.budget_used = lambda: 0.0
    await stage.run_timer()
    assert stage.get_open_subjects() == set()


async def test_mailboxes_are_looked_into_while_others_are_still_being_listed() -> None:
    stage = await adopted(EngineHarness(SyntheticTenant(SIZE, page_size=100)))
    stage.tenant.inspected.clear()
    stage.tenant.call_order.clear()
    stage.tenant.forwards = {"m1": "t"}
    await stage.run_timer()
    assert stage.tenant.inspected == stage.tenant.mailbox_ids
    assert stage.tenant.call_order.index("page 3") > stage.tenant.call_order.index("look")


async def test_a_large_tenant_is_told_of_while_the_look_goes_on() -> None:
    stage = await spreading()

    def slow() -> float:
        stage.clock.advance(seconds=4)
        return 0.0

    stage.budget_used = slow
    await stage.run_timer()
    assert len(stage.notification_channel.sent) >= 2
    assert all(stage.count_notifications(name) == 1 for name in SPREAD)


async def test_the_first_look_is_one_summary_however_long_it_takes() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE, dict(SPREAD)))

    def slow() -> float:
        stage.clock.advance(seconds=4)
        return 0.0

    stage.budget_used = slow
    report = await stage.run_timer()
    assert report.baselined
    assert len(stage.notification_channel.sent) == 1


async def test_mailboxes_that_vanish_end_their_cases_and_a_fallen_listing_ends_none() -> None:
    stage = await spreading()
    await stage.run_timer()
    stage.tenant.deleted = {"m0", "m20"}
    await stage.run_timer()
    assert len(stage.get_open_subjects()) == len(SPREAD) - 2
    stage.tenant.deleted = {f"m{n}" for n in range(0, SIZE, 2)}
    report = await stage.run_timer()
    assert "fell" in report.block_reason
    assert len(stage.get_open_subjects()) == len(SPREAD) - 2 + 1  # and the brake


async def test_what_cannot_be_read_is_neither_clean_nor_gone() -> None:
    stage = await spreading()
    await stage.run_timer()
    stage.tenant.forwards = {}
    stage.tenant.unreadable = {"m0"}
    report = await stage.run_timer()
    assert (report.read_count, report.unread_count) == (SIZE - 1, 1)
    assert "m0@x" in stage.get_open_subjects()


async def test_what_two_batches_cannot_read_is_one_unread_object() -> None:
    stage = await spreading()
    observe = stage.config.guard.observe

    async def observe_twice(
        tenant: Tenant, context: ObserveContext
    ) -> AsyncIterator[Reading[ForwardItem] | MailboxPage]:
        failures = (ReadFailure("elsewhere", "HTTP 503", "m0"),)
        yield Reading(failures=failures, sources=frozenset({"elsewhere"}))
        async for batch in observe(tenant, context):
            yield batch

    stage.config = replace(stage.config, guard=replace(stage.config.guard, observe=observe_twice))
    stage.tenant.unreadable = {"m0"}
    report = await stage.run_timer()
    assert (report.population, report.read_count, report.unread_count) == (SIZE, SIZE - 1, 1)


async def test_what_several_share_is_worse_and_told_once_wherever_they_stand() -> None:
    stage = await adopted(EngineHarness(SyntheticTenant(SIZE)))
    stage.tenant.forwards = {"m1": "one", "m180": "one"}
    await stage.run_timer()
    stage.tenant.forwards["m340"] = "one"
    report = await stage.run_timer()
    assert {row.finding.severity for row in report.findings} == {Severity.CRITICAL}
    assert [stage.count_notifications(name) for name in ("m1", "m180", "m340")] == [2, 2, 1]
    quiet = await stage.run_timer()
    assert quiet.notifications == ()
    del stage.tenant.forwards["m180"]
    await stage.run_timer()
    await stage.run_timer()
    severities = {
        case.severity for case in stage.ledger.list_cases("toy").values() if not case.closed_at
    }
    assert severities == {Severity.HIGH}


async def test_a_sweep_goes_on_where_it_stopped_and_then_rests_for_its_interval() -> None:
    stage = await adopted(EngineHarness(SyntheticTenant(SIZE)))
    assert sorted(stage.tenant.deep_checked) == sorted(stage.tenant.mailbox_ids)
    stage.tenant.deep_checked.clear()
    stage.tenant.deep_forwards = {"m7": "x"}
    stage.clock.current += timedelta(days=1)
    stage.budget_used = iter([0.0, 0.0] + [n / 10 for n in range(1, 9)] + [0.95] * 100).__next__
    await stage.run_timer()
    part = len(stage.tenant.deep_checked)
    assert 0 < part < SIZE
    stage.budget_used = lambda: 0.0
    await stage.run_timer()
    assert sorted(stage.tenant.deep_checked) == sorted(stage.tenant.mailbox_ids)
    assert "m7@x" in stage.get_open_subjects()
    await stage.run_timer()
    assert len(stage.tenant.deep_checked) == SIZE
    assert "m7@x" in stage.get_open_subjects()
    stage.clock.current += timedelta(days=1)
    stage.tenant.deep_forwards = {}
    await stage.run_timer()
    assert len(stage.tenant.deep_checked) == 2 * SIZE
    assert stage.get_open_subjects() == set()


async def test_a_first_look_reads_as_it_is_listed_what_is_otherwise_swept() -> None:
    tenant = SyntheticTenant(SIZE, page_size=100, deep_forwards={"m7": "x"})
    stage = EngineHarness(tenant, range_size=80)
    await stage.run_timer()
    assert tenant.deep_checked == tenant.inspected == tenant.mailbox_ids
    assert tenant.call_order.index("page 3") > tenant.call_order.index("look")
    assert "m7@x" in stage.get_open_subjects()
    assert DEEP_CHECK in (await stage.ledger.load_state("toy")).checks_finished_at
    await stage.run_timer()
    assert len(tenant.deep_checked) == SIZE


@pytest.mark.parametrize(("count", "at_once"), [(960, 5), (3_000, 6)])
async def test_small_ranges_of_a_first_look_are_read_beside_more_of_them(
    count: int, at_once: int
) -> None:
    # 60, 60, 120, 240 and 480 mailboxes are less than three whole ranges; one more fills them up.
    tenant = SyntheticTenant(count, page_size=count)
    stage = EngineHarness(tenant, range_size=500)
    await stage.run_timer()
    assert tenant.max_concurrent == at_once
    assert tenant.inspected == tenant.mailbox_ids
    tenant.max_concurrent = 0
    await stage.run_timer()
    assert tenant.max_concurrent == min(2, -(-count // 1_000))


async def test_a_sweep_for_which_a_first_look_has_no_time_begins_anew_and_is_done() -> None:
    stage = EngineHarness(SyntheticTenant(SIZE, deep_forwards={"m7": "x"}))
    stage.budget_used = iter([0.0, 0.0] + [n / 10 for n in range(1, 9)] + [0.95] * 100).__next__
    report = await stage.run_timer()
    assert report.status == "done"
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.mailbox_ids)
    assert 0 < len(stage.tenant.deep_checked) < SIZE
    assert DEEP_CHECK not in (await stage.ledger.load_state("toy")).checks_finished_at
    stage.tenant.deep_checked.clear()
    stage.budget_used = lambda: 0.0
    await stage.run_timer()
    assert sorted(stage.tenant.deep_checked) == sorted(stage.tenant.mailbox_ids)
    assert "m7@x" in stage.get_open_subjects()


async def test_the_cursor_is_in_the_state_and_leaves_it_at_the_end() -> None:
    stage = await spreading()
    for _ in range(2):
        stage.budget_used = budget(3).__next__
        await stage.run_timer()
    state = decode_stored_record(GuardState, stage.ledger.get_partition("toy").state)
    assert state.scan_pass
    assert 0 < int(state.scan_pass.continuation, 16) < 2**32
    stage.budget_used = lambda: 0.0
    await stage.run_timer()
    assert (
        decode_stored_record(GuardState, stage.ledger.get_partition("toy").state).scan_pass is None
    )


# -- listings that tell all ----------------------------------------------------------------------


async def paged() -> EngineHarness:
    stage = await adopted(EngineHarness(SyntheticTenant(SIZE, page_size=50), PAGED_CONFIG))
    stage.tenant.forwards = dict(SPREAD)
    stage.tenant.inspected.clear()
    return stage


@pytest.mark.parametrize("questions", range(1, 9))
async def test_a_listing_is_gone_on_with_where_the_time_was_up(questions: int) -> None:
    stage = await paged()
    reports = []
    for _ in range(12):
        stage.budget_used = budget(questions).__next__
        reports.append(await stage.run_timer())
        if reports[-1].status == "done":
            break
    assert reports[-1].status == "done"
    assert sorted(stage.tenant.inspected) == sorted(stage.tenant.mailbox_ids)
    assert (reports[-1].read_count, reports[-1].population) == (SIZE, SIZE)
    assert all(stage.count_notifications(name) == 1 for name in SPREAD)
    stage.budget_used = lambda: 0.0
    assert (await stage.run_timer()).block_reason == ""


async def test_a_listing_that_has_to_begin_anew_counts_nobody_twice() -> None:
    stage = await paged()
    stage.budget_used = budget(3).__next__
    first = await stage.run_timer()
    assert first.status == "in-progress"
    stage.tenant.next_links.clear()
    stage.budget_used = lambda: 0.0
    second = await stage.run_timer()
    assert (second.status, second.read_count, second.population) == ("done", SIZE, SIZE)
    assert all(stage.count_notifications(name) == 1 for name in SPREAD)
    assert (await stage.run_timer()).block_reason == ""


async def test_what_a_whole_listing_no_longer_names_is_gone() -> None:
    stage = await paged()
    await stage.run_timer()
    stage.tenant.deleted = {"m0"}
    await stage.run_timer()
    assert len(stage.get_open_subjects()) == len(SPREAD) - 1


async def test_a_periodic_check_begins_at_a_moment_that_no_schedule_tells() -> None:
    stage = EngineHarness(SyntheticTenant(4))
    pauses: list[float] = []

    async def note_pause(seconds: float) -> None:
        pauses.append(seconds)

    async def look(options: RunOptions | None = None) -> None:
        world = replace(
            stage.world, sleep=note_pause, sweep_pause=100.0, create_seed=lambda: "secret"
        )
        await run(stage.config, world, options)
        stage.clock.advance(minutes=15)

    # Nobody knows yet what the guard would find.
    await look()
    await look()
    assert pauses == []
    for day in range(1, 9):
        stage.clock.advance(days=1)
        await look()
        await look()
        assert len(pauses) == day
    assert all(0 <= seconds < 100 for seconds in pauses)
    assert len(set(pauses)) > 1
    # An operator does not wait for it.
    stage.clock.advance(days=1)
    await look(RunOptions(at=stage.clock()))
    assert len(pauses) == 8


@pytest.mark.parametrize("is_alone", [False, True])
async def test_what_is_critical_of_a_first_look_leaves_as_it_is_found(is_alone: bool) -> None:
    forwards = {"m40": SPREAD["m40"]} if is_alone else dict(SPREAD)
    tenant = SyntheticTenant(SIZE, forwards)

    def judge_gravely(item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
        for finding in judge(item, policy):
            severity = Severity.CRITICAL if item.mailbox == "m40" else Severity.HIGH
            yield replace(finding, severity=severity, correlations=())

    guard = replace(ALERT_CONFIG.guard, judge=judge_gravely)
    stage = EngineHarness(tenant, replace(ALERT_CONFIG, guard=guard), range_size=20)
    told_at: list[int] = []
    inspect_as_before = tenant.inspect_mailboxes

    async def inspect(
        tenant: Tenant, context: ObserveContext, owners: Sequence[Mailbox]
    ) -> Reading[ForwardItem]:
        stage.clock.advance(seconds=1)
        if "m40@x" in str(stage.notification_channel.sent):
            told_at.append(len(stage.tenant.inspected))
        return await inspect_as_before(owners, True)

    stage.config = replace(stage.config, guard=replace(guard, inspect=inspect))
    report = await stage.run_timer()
    first, *others = stage.notification_channel.sent
    assert told_at
    assert told_at[0] < SIZE
    assert "m40@x" in str(first)
    assert "Critical: 1 new" in str(first)
    assert len(others) == (0 if is_alone else 1)
    assert is_alone or f"{len(SPREAD) - 1} pre-existing cases" in str(others)
    assert is_alone or "1 more was told as found." in str(others)
    assert report.early_count + len(report.notifications) == len(forwards)
    # A run that told all it had before its end has told it.
    assert (report.card_count, report.delivered) == (1 if is_alone else 2, True)
    assert not [one for one in stage.ledger.list_cases("toy").values() if one.notification]


async def test_a_case_about_no_mailbox_stays_open_while_what_it_depends_on_is_unread() -> None:
    stage = EngineHarness(SyntheticTenant(8, deep_forwards={"m1": "x"}))
    whole, item = frozenset({"domains"}), ForwardItem("drop.example", "new")
    found = Reading((item,), sources=whole)
    readings = {
        "open": found,
        "unread": Reading[ForwardItem](
            failures=(ReadFailure("domains", "HTTP 503"),), sources=whole
        ),
        "gone": Reading[ForwardItem](sources=whole),
    }
    now = "open"

    async def observe(
        tenant: Tenant, context: ObserveContext
    ) -> AsyncIterator[Reading[ForwardItem] | MailboxPage]:
        yield readings[now]
        async for page in stage.tenant.list_pages():
            yield MailboxPage(page, LISTED_SOURCES | whole, shared_sources=whole)

    def judge_domains(item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
        for finding in judge(item, policy):
            is_domain = item.target == "new"
            yield replace(finding, sources=("domains",) if is_domain else finding.sources)

    guard = replace(ALERT_CONFIG.guard, observe=observe, judge=judge_domains)
    stage.config = replace(ALERT_CONFIG, guard=guard)
    for now, expected in (("open", 2), ("unread", 2), ("open", 2), ("gone", 1)):
        await stage.run_timer()
        subjects = stage.get_open_subjects() & {"drop.example@x", "m1@x"}
        assert (now, len(subjects)) == (now, expected)
    stage.tenant.deleted.add("m1")
    await stage.run_timer()
    assert stage.get_open_subjects() == set()
