"""However many findings one object has, a bounded number of cases is kept of it; none is lost."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from core.adapters.table_storage.codec import decode_stored_record, encode_stored_record
from core.engine.open_folds import index_folded
from core.engine.recall import MAX_CASES_PER_OBJECT
from core.engine.self_remedies import build_fold_remedy
from core.model.cases import Case
from core.model.findings import Finding, Severity
from core.model.folded import (
    MAX_MEMBERS,
    MEMBER_LENGTH,
    FoldedMember,
    format_members,
    parse_members,
)
from core.model.guards import ChangeLimit, GuardPolicy, SingleLook
from core.model.reach import Reach
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.status.counts import count_guard
from core.status.remedy import list_steps
from core.tenant.changes import ClearMailboxForward
from tests.support.fakes.clock import START
from tests.support.fakes.crash import CrashInjector
from tests.support.ledgers import build_stored_case
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    ENFORCE_CONFIG,
    GUARD,
    RULES_SOURCE,
    UNLISTED_SOURCE,
    EngineHarness,
    ForwardItem,
    SyntheticTenant,
    judge,
    look_up,
)

DAY = timedelta(days=1)
LOUD, QUIET = "m1", "m2"


@dataclass
class Rules:
    """What one mailbox has, each with what it does; read by the judge of these tests."""

    by_name: dict[str, str] = field(default_factory=dict)
    grave: set[str] = field(default_factory=set)
    tenant: SyntheticTenant = field(default_factory=lambda: SyntheticTenant(20))

    @property
    def cleared(self) -> set[str]:
        """The rules that were put right."""
        return set(self.tenant.writes) - set(self.tenant.undone)

    def judge(self, item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
        """The finding of the mailbox, or one for each of its rules."""
        for finding in judge(item, policy):
            if item.mailbox != LOUD:
                yield finding
                continue
            for name in self.by_name.keys() - self.cleared:
                does = self.by_name[name]
                yield replace(
                    finding,
                    fingerprint=name,
                    severity=Severity.CRITICAL if name in self.grave else Severity.HIGH,
                    reaches=(Reach.of(does.split()),),
                    correlations=(),
                    changes=(ClearMailboxForward(f"g-{name}"),),
                    summary=f"{name} forwards.",
                )


def build_stage(count: int, config: Any = ALERT_CONFIG) -> tuple[EngineHarness, Rules]:
    rules = Rules({f"rule-{number}": "forwards" for number in range(count)})
    guard = replace(GUARD, judge=rules.judge, periodic_checks=(), correlation=None)
    rules.tenant.forwards = dict.fromkeys(rules.by_name, "x")
    return EngineHarness(rules.tenant, replace(config, guard=guard)), rules


async def begin(stage: EngineHarness) -> None:
    """A first look at a healthy tenant, then one at the loud mailbox, and one that folds."""
    await stage.run_timer()
    stage.tenant.forwards |= {LOUD: "x", QUIET: "y"}
    await stage.run_timer()
    await stage.run_timer()


async def load_cases(stage: EngineHarness) -> dict[str, Case]:
    return dict((await stage.ledger.load("toy")).cases)


async def get_fold(stage: EngineHarness) -> Case:
    (fold,) = [case for case in (await load_cases(stage)).values() if case.kind == "more-cases"]
    return fold


def count_members(fold: Case) -> int:
    return len(parse_members(fold.key[:8], fold.members))


async def ask(stage: EngineHarness, kind: RequestKind, subject: str, **more: Any) -> str:
    request = OperatorRequest(
        stage.next_run_id(), kind, subject, "Dana", "because", stage.clock(), **more
    )
    await stage.ledger.add_request("toy", request)
    return request.id


def test_a_member_is_read_as_it_was_written() -> None:
    member = FoldedMember(
        key="0123abcd" + "9" * 24,
        severity=Severity.CRITICAL,
        opened_at=START,
        extent="e" * 16,
        plan="d" * 16,
        held_since=START + DAY,
        baselined=True,
        escalated=True,
    )
    other = replace(member, key="0123abcd" + "8" * 24, held_since=None, baselined=False)
    text = format_members([member, other])
    assert len(text) == 2 * MEMBER_LENGTH
    assert parse_members("0123abcd", text) == (other, member)


def test_a_broken_member_is_left_out() -> None:
    member = FoldedMember("0123abcd" + "9" * 24, Severity.LOW, START, "e" * 16, "d" * 16)
    text = member.to_text()
    for broken in (text[:-1], text[:24] + "9" + text[25:], text[:26] + "z" * 9 + text[35:]):
        assert parse_members("0123abcd", broken + "") == ()
    assert parse_members("0123abcd", text + text[:5]) == (member,)


async def test_a_case_that_stands_for_many_says_what_to_do_about_the_object() -> None:
    stage, _ = build_stage(90)
    await begin(stage)
    fold = await get_fold(stage)
    assert fold.steps == build_fold_remedy(LOUD)
    assert [step.command.partition(" > ")[0] for step in fold.steps if step.command] == [
        f"exo cases --about '{LOUD}' --json",
        f"exo cases --about '{LOUD}'",
    ]
    assert list_steps(fold, may_contain=True) == fold.steps


async def test_of_many_findings_of_one_object_few_rows_are_kept_and_all_are_counted() -> None:
    stage, _ = build_stage(90)
    await begin(stage)
    snapshot = await stage.ledger.load("toy")
    assert len(snapshot.cases) <= MAX_CASES_PER_OBJECT + 2
    assert count_members(await get_fold(stage)) == 40
    counts = count_guard(snapshot, 0, stage.clock())
    assert (counts.open_cases, counts.opened) == (91, 91)
    report = await stage.run_timer()
    assert report.open_count == 91
    assert await load_cases(stage) == dict(snapshot.cases)


async def test_nothing_is_told_of_what_is_kept_together_until_it_changes() -> None:
    stage, _ = build_stage(70)
    await begin(stage)
    sent = len(stage.notification_channel.sent)
    for _ in range(6):
        await stage.run_timer()
    assert len(stage.notification_channel.sent) == sent


async def test_one_more_finding_is_new_and_told() -> None:
    stage, rules = build_stage(70)
    await begin(stage)
    rules.by_name["late"] = "forwards"
    await stage.run_timer()
    assert "late forwards" in str(stage.notification_channel.sent[-1])
    await stage.run_timer()
    assert count_members(await get_fold(stage)) == 21


async def test_one_that_goes_further_is_told_again_and_folded_after_that() -> None:
    stage, rules = build_stage(70)
    await begin(stage)
    assert "rule-0" not in {case.summary for case in (await load_cases(stage)).values()}
    sent = len(stage.notification_channel.sent)
    rules.by_name["rule-0"] = "forwards deletes"
    await stage.run_timer()
    assert len(stage.notification_channel.sent) == sent + 1
    assert "rule-0 forwards" in str(stage.notification_channel.sent[-1])
    own = [one for one in (await load_cases(stage)).values() if one.summary == "rule-0 forwards."]
    assert len(own) == 1
    for _ in range(3):
        await stage.run_timer()
    assert count_members(await get_fold(stage)) == 20
    assert len(stage.notification_channel.sent) == sent + 1


async def test_one_that_is_graver_passes_at_once() -> None:
    stage, rules = build_stage(70)
    await begin(stage)
    rules.grave.add("rule-3")
    await stage.run_timer()
    assert "rule-3 forwards" in str(stage.notification_channel.sent[-1])


async def test_the_gravest_stay_cases_of_their_own() -> None:
    stage, rules = build_stage(70)
    rules.grave |= {"rule-0", "rule-1"}
    await begin(stage)
    shown = {case.summary for case in (await load_cases(stage)).values()}
    assert {"rule-0 forwards.", "rule-1 forwards."} <= shown


async def test_those_that_are_over_are_counted_and_the_end_of_the_last_is_told() -> None:
    stage, rules = build_stage(70)
    await begin(stage)
    kept = {case.summary for case in (await load_cases(stage)).values()}
    folded = [name for name in rules.by_name if f"{name} forwards." not in kept]
    for name in folded[:15]:
        del rules.by_name[name]
    await stage.run_timer()
    fold = await get_fold(stage)
    assert (count_members(fold), fold.folded_count) == (5, 20)
    assert "15 more were among them and are over" in str(fold.facts)
    for name in folded[15:]:
        del rules.by_name[name]
    await stage.run_timer()
    await stage.run_timer()
    fold = await get_fold(stage)
    assert fold.closed_at
    assert not fold.notification
    assert "20 cases" in str(stage.notification_channel.sent[-1])
    stage.clock.advance(days=3)
    await stage.run_timer()
    history = await stage.ledger.load_history("toy")
    counts = count_guard(replace(history, tally=(await stage.ledger.load("toy")).tally), 0, START)
    assert counts.open_cases == 51
    tally = (await stage.ledger.load("toy")).tally
    assert sum(sum(day.values()) for day in tally.closed.values()) == 20


async def test_an_object_that_cannot_be_read_ends_nothing() -> None:
    stage, _ = build_stage(70)
    await begin(stage)
    fold = await get_fold(stage)
    stage.tenant.unreadable = {LOUD}
    await stage.run_timer()
    assert await get_fold(stage) == fold
    stage.tenant.unreadable = set()
    stage.tenant.unavailable = True
    await stage.run_timer()
    assert await get_fold(stage) == fold


async def test_a_listing_that_leaves_their_object_out_ends_none_of_them() -> None:
    stage, _ = build_stage(60)
    look = SingleLook(UNLISTED_SOURCE, frozenset({RULES_SOURCE}), look_up)
    stage.config = replace(stage.config, guard=replace(stage.config.guard, single_looks=(look,)))
    await begin(stage)
    before = count_members(await get_fold(stage))
    stage.tenant.omitted = {LOUD}
    await stage.run_timer()
    assert count_members(await get_fold(stage)) == before > 0
    stage.tenant.deleted = {LOUD}
    await stage.run_timer()
    assert (await get_fold(stage)).closed_at


async def test_an_exempted_case_covers_what_it_held_as_it_was() -> None:
    stage, rules = build_stage(70)
    await begin(stage)
    fold = await get_fold(stage)
    await ask(stage, RequestKind.EXEMPT, fold.key, until=stage.clock() + 100 * DAY)
    report = await stage.run_timer()
    assert sum(row.state == "exempt" for row in report.findings) == 20
    assert (await get_fold(stage)).resolution == "exempt"
    sent = len(stage.notification_channel.sent)
    stage.clock.advance(days=95)
    report = await stage.run_timer()
    assert sum(row.state == "exempt" for row in report.findings) == 20
    sent = len(stage.notification_channel.sent)
    rules.by_name["rule-0"] = "forwards deletes"
    rules.by_name["late"] = "forwards"
    await stage.run_timer()
    said = str(stage.notification_channel.sent[sent:])
    assert "rule-0 forwards" in said
    assert "late forwards" in said
    assert "rule-7 forwards" not in said
    stage.clock.advance(days=6)
    report = await stage.run_timer()
    assert not [row for row in report.findings if row.state == "exempt"]


async def test_an_exempted_object_leaves_few_rows() -> None:
    stage, rules = build_stage(70)
    await begin(stage)
    await ask(stage, RequestKind.EXEMPT, LOUD, until=stage.clock() + 100 * DAY)
    report = await stage.run_timer()
    assert sum(row.state == "exempt" for row in report.findings) == 70
    assert len(await load_cases(stage)) <= MAX_CASES_PER_OBJECT + 2
    rules.by_name["rule-0"] = "forwards deletes"
    sent = len(stage.notification_channel.sent)
    await stage.run_timer()
    assert "rule-0 forwards" in str(stage.notification_channel.sent[sent:])


async def test_a_released_plan_makes_the_changes_of_all_that_are_kept_together() -> None:
    config = replace(ENFORCE_CONFIG, limit=ChangeLimit(count=2, percent=0.0, per_object=3))
    stage, rules = build_stage(70, config)
    await begin(stage)
    await stage.run_timer()
    snapshot = await stage.ledger.load("toy")
    assert len([case for case in snapshot.cases.values() if not case.closed_at]) <= 53
    (brake,) = [case for case in snapshot.cases.values() if case.kind == "brake"]
    rules.by_name["late"] = "forwards"
    stage.tenant.forwards["late"] = "x"
    request = await ask(stage, RequestKind.RELEASE, brake.plan_hash)
    await stage.run_timer()
    answered = await stage.ledger.get_request("toy", request)
    assert answered
    assert answered.state is RequestState.DONE
    made = (await stage.ledger.load("toy")).changes
    keys = {one.case_key for one in made if one.state == "applied"}
    # All that were there, and the other mailbox; the late one waits for a plan of its own.
    assert len(keys) == 71
    late = [one for one in (await load_cases(stage)).values() if one.summary == "late forwards."]
    assert [case.resolution for case in late] == [""]


async def test_a_change_of_a_folded_case_can_be_undone() -> None:
    config = replace(ENFORCE_CONFIG, limit=ChangeLimit(count=2, percent=0.0, per_object=3))
    stage, _ = build_stage(70, config)
    await begin(stage)
    (brake,) = [one for one in (await load_cases(stage)).values() if one.kind == "brake"]
    fold = await get_fold(stage)
    members = {one.key for one in parse_members(fold.key[:8], fold.members)}
    await ask(stage, RequestKind.RELEASE, brake.plan_hash)
    await stage.run_timer()
    made = next(one for one in (await stage.ledger.load("toy")).changes if one.case_key in members)
    request = await ask(stage, RequestKind.UNDO, made.id)
    await stage.run_timer()
    answered = await stage.ledger.get_request("toy", request)
    assert answered
    assert answered.state is RequestState.DONE
    assert made.case_key in (await stage.ledger.load("toy")).exemptions


async def test_what_is_kept_together_is_brought_up_again_as_one() -> None:
    stage, _ = build_stage(70)
    await begin(stage)
    fold = await get_fold(stage)
    stage.clock.current += stage.config.reminder_interval + timedelta(hours=1)
    await stage.run_timer()
    again = await get_fold(stage)
    assert fold.notified_at
    assert again.notified_at
    assert again.notified_at > fold.notified_at
    assert count_members(again) == 20


async def test_an_acknowledged_one_is_not_brought_up_again_until_more_are_among_it() -> None:
    stage, rules = build_stage(70)
    await begin(stage)
    fold = await get_fold(stage)
    await ask(stage, RequestKind.ACKNOWLEDGE, fold.key)
    await stage.run_timer()
    stage.clock.current += stage.config.reminder_interval + timedelta(hours=1)
    sent = len(stage.notification_channel.sent)
    await stage.run_timer()
    assert "20 more cases" not in str(stage.notification_channel.sent[sent:])
    rules.by_name["late"] = "forwards"
    await stage.run_timer()
    await stage.run_timer()
    assert (await get_fold(stage)).acknowledged_at is None


async def test_settings_of_the_organization_stay_cases_of_their_own() -> None:
    stage, _ = build_stage(0)
    names = [f"setting-{number}" for number in range(80)]

    def judge_settings(item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
        for finding in judge(item, policy):
            for name in names:
                yield replace(finding, object_id="organization", fingerprint=name, changes=())

    guard = replace(cast(Any, stage.config.guard), judge=judge_settings)
    stage.config = replace(stage.config, guard=guard)
    await begin(stage)
    await stage.run_timer()
    assert len(await load_cases(stage)) == 80


async def test_the_workers_of_a_large_tenant_fold_as_well() -> None:
    stage, _ = build_stage(70)
    await begin_in_shards(stage)
    assert count_members(await get_fold(stage)) == 20
    before = await load_cases(stage)
    sent = len(stage.notification_channel.sent)
    await run_in_shards(stage)
    assert await load_cases(stage) == before
    assert len(stage.notification_channel.sent) == sent
    assert await run_in_shards(stage) == 71


async def begin_in_shards(stage: EngineHarness) -> None:
    """The same beginning, in a tenant that workers read."""
    stage.shard_above = 3
    await run_in_shards(stage)
    stage.tenant.forwards |= {LOUD: "x", QUIET: "y"}
    await run_in_shards(stage)
    await run_in_shards(stage)


async def run_in_shards(stage: EngineHarness) -> int:
    """One pass; returns how many cases are open after it."""
    await stage.run_timer()
    while stage.queue:
        await stage.process_message(stage.queue.pop(0))
    return count_guard(await stage.ledger.load("toy"), 0, stage.clock()).open_cases


@pytest.mark.parametrize("after", [False, True])
async def test_a_run_may_die_at_any_operation_of_folding(after: bool) -> None:
    operation = 0
    died = True
    while died:
        operation += 1
        stage, _ = build_stage(53)
        await stage.run_timer()
        stage.tenant.forwards |= {LOUD: "x", QUIET: "y"}
        await stage.run_timer()
        sent = len(stage.notification_channel.sent)
        died = await stage.crash_during(CrashInjector(operation, after))
        await stage.run_timer()
        await stage.run_timer()
        snapshot = await stage.ledger.load("toy")
        assert count_guard(snapshot, 0, stage.clock()).open_cases == 54
        assert len(snapshot.cases) == MAX_CASES_PER_OBJECT + 2
        assert len(stage.notification_channel.sent) == sent
    assert operation > 5


def test_a_case_that_holds_as_many_as_it_may_fits_a_row() -> None:
    prefix = "0123abcd"
    members = [
        FoldedMember(
            f"{prefix}{number:024x}", Severity.HIGH, START, "e" * 16, "d" * 16, held_since=START
        )
        for number in range(MAX_MEMBERS)
    ]
    case = replace(
        build_stored_case(f"{prefix}{0:024x}"), members=format_members(members), folded_count=7
    )
    text = encode_stored_record(case)
    assert parse_members(prefix, decode_stored_record(Case, text).members) == tuple(members)
    assert len(index_folded([replace(case, closed_at=None)])) == MAX_MEMBERS
