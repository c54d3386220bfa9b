"""What the engine does about a finding that may have been there before the guard came."""

from dataclasses import replace

import pytest

from core.engine.apply import apply_changes, group_records
from core.engine.open_folds import build_member, is_foldable
from core.engine.plan import plan_changes
from core.engine.reconcile import reconcile_batch
from core.engine.widening import ACCEPTED_FACT
from core.model.cases import Exemption, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Finding, Verdict
from core.model.reach import Reach
from core.model.state import GuardSnapshot, GuardState
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.changes import (
    ClearAuditBypass,
    ClearMailboxForward,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    RaiseAuditAge,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading
from tests.support.decisions import (
    CONFIG,
    DAY,
    GUARD,
    KEY,
    MANY,
    STATE,
    SURFACE,
    RunDecision,
    apply_plan,
    build_finding,
    build_known_snapshot,
    build_reading,
    build_scene,
    make_plan,
)
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant

NONE = Notification.NONE
FRESH = GuardSnapshot(state=GuardState())
CLEAR = ClearMailboxForward("a")


def build_stock_finding(name: str = "a") -> Finding:
    return build_finding(name, asks_if_preexisting=True)


def test_what_was_there_at_the_first_look_is_a_question_in_every_later_run() -> None:
    first = make_plan(build_scene(FRESH), [build_stock_finding()])
    assert (first.preview, first.changes_to_apply) == ((), ())
    memory = apply_plan(first, FRESH)
    later = make_plan(build_scene(memory, now=START + DAY), [build_stock_finding()])
    assert (later.preview, later.changes_to_apply) == ((), ())
    (row,) = later.reported_findings
    assert (row.verdict, row.finding.verdict, row.finding.changes) == (
        Verdict.ASK,
        Verdict.ASK,
        (),
    )
    assert "an operator decides" in str(row.finding.facts[-1])


def test_what_appears_after_the_first_look_is_changed_at_once() -> None:
    plan = make_plan(build_scene(), [build_stock_finding()])
    assert [row.kind for row in plan.changes_to_apply] == ["ClearMailboxForward"]


def test_what_ended_and_comes_back_is_changed_at_once() -> None:
    memory = apply_plan(make_plan(build_scene(FRESH), [build_stock_finding()]), FRESH)
    memory = apply_plan(make_plan(build_scene(memory, now=START + DAY), []), memory)
    again = make_plan(build_scene(memory, now=START + 2 * DAY), [build_stock_finding()])
    assert [row.kind for row in again.changes_to_apply] == ["ClearMailboxForward"]


MISSED = ReadFailure(SURFACE, "no answer", "a")


def play(
    memory: GuardSnapshot, *looks: tuple[Reading[object], list[Finding]]
) -> tuple[RunDecision, GuardSnapshot]:
    """Several looks a day apart, the next day first: the last decision and what it leaves."""
    for day, (reading, findings) in enumerate(looks, 1):
        plan = make_plan(build_scene(memory, now=START + day * DAY, reading=reading), findings)
        memory = apply_plan(plan, memory)
    return plan, memory


CLEAN: tuple[Reading[object], list[Finding]] = (build_reading(), [])
UNREAD: tuple[Reading[object], list[Finding]] = (build_reading(failures=(MISSED,)), [])
NO_SOURCE: tuple[Reading[object], list[Finding]] = (
    build_reading(failures=(ReadFailure(SURFACE, "no answer"),)),
    [],
)
FOUND = (build_reading(), [build_stock_finding()])


def is_question(plan: RunDecision) -> bool:
    (row,) = (row for row in plan.reported_findings if row.finding.kind == "forward")
    return (plan.changes_to_apply, plan.preview, row.verdict) == ((), (), Verdict.ASK)


@pytest.mark.parametrize(
    "looks",
    [
        [UNREAD],
        [UNREAD] * 5,
        [UNREAD, NO_SOURCE, UNREAD],
        [NO_SOURCE, UNREAD],
        [NO_SOURCE],
        [UNREAD, (build_reading(complete=False), [])],
    ],
)
def test_what_is_found_where_no_look_has_read_before_is_a_question_for_good(
    looks: list[tuple[Reading[object], list[Finding]]],
) -> None:
    plan, memory = play(FRESH, *looks, FOUND)
    assert is_question(plan)
    memory = apply_plan(make_plan(build_scene(memory, now=START + 9 * DAY), []), memory)
    assert is_question(play(FRESH, *looks, FOUND, FOUND)[0])
    # It ended, so what comes now came later.
    again = make_plan(build_scene(memory, now=START + 10 * DAY), [build_stock_finding()])
    assert [row.kind for row in again.changes_to_apply] == ["ClearMailboxForward"]


@pytest.mark.parametrize(
    "looks",
    [
        [CLEAN, UNREAD],
        [CLEAN, UNREAD, UNREAD, UNREAD, UNREAD],
        [CLEAN, NO_SOURCE],
        [CLEAN, NO_SOURCE, UNREAD],
        [UNREAD, CLEAN, UNREAD],
        [UNREAD, UNREAD, UNREAD, UNREAD, CLEAN, UNREAD],
        [UNREAD, CLEAN],
        [NO_SOURCE, CLEAN, UNREAD],
    ],
)
def test_what_is_found_after_a_gap_of_an_object_that_was_read_is_changed_at_once(
    looks: list[tuple[Reading[object], list[Finding]]],
) -> None:
    plan, _ = play(FRESH, *looks, FOUND)
    assert [row.kind for row in plan.changes_to_apply] == ["ClearMailboxForward"]


def test_only_the_objects_that_the_first_look_missed_are_questions() -> None:
    _, memory = play(FRESH, (build_reading(failures=(MISSED,)), []))
    plan = make_plan(
        build_scene(memory, now=START + 2 * DAY),
        [build_stock_finding("a"), build_stock_finding("b")],
    )
    assert [row.subject for row in plan.changes_to_apply] == ["b@example.com"]


def test_an_undelivered_end_does_not_make_an_object_unread_again() -> None:
    _, memory = play(FRESH, UNREAD, UNREAD, UNREAD)
    for day, (reading, _) in enumerate((CLEAN, UNREAD), 4):
        plan = make_plan(build_scene(memory, now=START + day * DAY, reading=reading), [])
        memory = apply_plan(plan, memory, deliver=False)
    plan = make_plan(build_scene(memory, now=START + 6 * DAY), [build_stock_finding()])
    assert [row.kind for row in plan.changes_to_apply] == ["ClearMailboxForward"]


def test_the_mark_of_an_object_lasts_until_the_last_batch_of_the_look_that_reads_it() -> None:
    _, memory = play(FRESH, UNREAD)
    context, reading = build_scene(memory, now=START + 2 * DAY)
    first = reconcile_batch(context, reading, [])
    assert [case.closed_at for case in first.cases] == [context.now]
    assert first.cases_to_delete == ()
    cases = {**memory.cases, **{case.key: case for case in first.cases}}
    context = replace(context, snapshot=replace(memory, cases=cases))
    second = reconcile_batch(context, reading, [build_stock_finding()])
    assert [row.verdict for row in second.reported_findings] == [Verdict.ASK]
    # A later batch that misses the object again leaves the mark on it.
    missed = reconcile_batch(context, build_reading(failures=(MISSED,)), [])
    assert [case.unread_since_first_look for case in missed.cases] == [True]
    # The row goes with the end of the look.
    ended = plan_changes(context, first.totals)
    assert ended.result.cases_to_delete == first.cases


def test_an_exempt_gap_is_still_a_gap() -> None:
    _, memory = play(FRESH, UNREAD)
    (gap,) = memory.cases
    exemption = Exemption.grant(gap, "Dana", "known", START + 3 * DAY, START)
    memory = replace(memory, exemptions={gap: exemption})
    assert is_question(play(memory, UNREAD, UNREAD, UNREAD, FOUND)[0])


@pytest.mark.parametrize("subject", [KEY, "a"])
def test_what_an_operator_exempted_is_a_question_again_when_the_exemption_ends(
    subject: str,
) -> None:
    exemption = Exemption.grant(subject, "Dana", "a partner", START + DAY, START)
    memory = GuardSnapshot(state=STATE, exemptions={subject: exemption})
    held = make_plan(build_scene(memory), [build_stock_finding()])
    assert held.reported_findings[0].state == "exempt"
    memory = apply_plan(held, memory)
    after = make_plan(build_scene(memory, now=START + 2 * DAY), [build_stock_finding()])
    (found,) = [row for row in after.reported_findings if row.key == KEY]
    assert (after.changes_to_apply, found.verdict) == ((), Verdict.ASK)
    # It is told like anything else, with who accepted it and why, and not as stock of a first look.
    (case,) = [case for case in after.cases if case.key == KEY]
    assert (found.state, case.baselined, case.notification) == ("new", False, Notification.OPENED)
    texts = [str(fact) for fact in case.facts]
    assert texts[0] == "exempt before: until 2026-11-21 06:00 UTC, by Dana: a partner"
    assert texts[-1] == ACCEPTED_FACT.text
    # So it stays, until it ends and comes back.
    memory = apply_plan(after, memory)
    later = make_plan(build_scene(memory, now=START + 3 * DAY), [build_stock_finding()])
    (known,) = [row for row in later.reported_findings if row.key == KEY]
    assert (later.changes_to_apply, known.verdict, known.state) == ((), Verdict.ASK, "known")


def test_what_no_exemption_of_an_object_covers_is_new_in_an_object_that_is_exempt() -> None:
    exemption = Exemption.grant("a", "Dana", "a partner", START + 9 * DAY, START)
    memory = GuardSnapshot(state=STATE, exemptions={"a": exemption})
    hidden = replace(build_stock_finding(), needs_own_exemption=True)
    found = make_plan(build_scene(memory), [hidden])
    assert [row.state for row in found.reported_findings if row.key == KEY] == ["new"]
    assert [case.baselined for case in found.cases if case.key == KEY] == [False]
    assert [row.kind for row in found.changes_to_apply] == ["ClearMailboxForward"]


def test_what_was_accepted_is_folded_as_a_question() -> None:
    told = replace(next(iter(build_known_snapshot().cases.values())), notification=NONE)
    accepted = replace(told, accepted_reaches=())
    assert is_foldable(accepted)
    assert not is_foldable(replace(told, accepted_reaches=(Reach.of(["send"]),)))
    assert build_member(accepted, build_stock_finding()).baselined
    assert not build_member(told, build_stock_finding()).baselined


def test_a_finding_that_does_not_ask_is_changed_whenever_it_appeared() -> None:
    memory = build_known_snapshot(baselined=True)
    plan = make_plan(build_scene(memory, now=START + DAY), [build_finding()])
    assert [row.kind for row in plan.changes_to_apply] == ["ClearMailboxForward"]


# -- changes that stand outside the count of mailboxes --------------------------------------------

SWITCHES = frozenset({"EnableOrganizationAudit", "ClearAuditBypass"})
SPLIT = replace(CONFIG, guard=replace(GUARD, standalone_changes=SWITCHES))
ORGANIZATION = build_finding("organization", changes=(EnableOrganizationAudit(),))


def test_a_switch_of_the_organization_is_made_while_the_brake_holds_the_mailboxes() -> None:
    plan = make_plan(build_scene(config=SPLIT), [*MANY, ORGANIZATION])
    assert [row.kind for row in plan.changes_to_apply] == ["EnableOrganizationAudit"]
    assert plan.block_reason == "3 objects would be changed and a run may change 2"
    (brake,) = (case for case in plan.cases if case.kind == "brake")
    assert "None of these changes was made." in brake.summary
    assert brake.plan_hash == plan.hash
    assert "organization" not in " ".join(fact.text for fact in brake.facts)


def test_a_released_plan_makes_exactly_what_the_brake_held() -> None:
    memory = GuardSnapshot(state=STATE)
    held = make_plan(build_scene(config=SPLIT), [*MANY, ORGANIZATION])
    memory = apply_plan(held, memory)
    request = replace(build_scene()[0].run_options, plan=held.hash, at=START + DAY)
    freed = make_plan(build_scene(memory, now=START + DAY, config=SPLIT, run_options=request), MANY)
    assert freed.released
    assert [row.kind for row in freed.changes_to_apply] == ["ClearMailboxForward"] * 3


@pytest.mark.parametrize("reading", [build_reading(population=3), build_reading(complete=False)])
def test_a_listing_that_shrank_does_not_hold_a_switch_of_the_organization(
    reading: Reading[object],
) -> None:
    plan = make_plan(build_scene(config=SPLIT, reading=reading), [ORGANIZATION])
    assert [row.kind for row in plan.changes_to_apply] == ["EnableOrganizationAudit"]


def test_accounts_have_a_limit_of_their_own() -> None:
    accounts = [build_finding(name, changes=(ClearAuditBypass(name),)) for name in ("x", "y", "z")]
    few = make_plan(build_scene(config=SPLIT), [*accounts[:2], *MANY[:2]])
    assert len(few.changes_to_apply) == 4
    many = make_plan(build_scene(config=SPLIT), [*accounts, *MANY[:2]])
    assert [row.kind for row in many.changes_to_apply] == ["ClearMailboxForward"] * 2
    assert many.block_reason == (
        "3 changes of the organization and of accounts are wanted and a run may make 2"
    )


def test_rows_that_cannot_be_decoded_hold_every_change() -> None:
    memory = GuardSnapshot(state=STATE, unreadable_rows=1)
    plan = make_plan(build_scene(memory, config=SPLIT), [*MANY[:1], ORGANIZATION])
    assert plan.changes_to_apply == ()


def test_the_changes_of_one_mailbox_count_once() -> None:
    both = [
        build_finding(name, kind=kind, changes=(change,))
        for name in "ab"
        for kind, change in (
            ("off", EnableMailboxAudit(name)),
            ("short", RaiseAuditAge(name, 90)),
        )
    ]
    assert len(make_plan(build_scene(), both).changes_to_apply) == 4
    third = build_finding("c", kind="off", changes=(EnableMailboxAudit("c"),))
    assert make_plan(build_scene(), [*both, third]).block_reason == (
        "3 objects would be changed and a run may change 2"
    )


# -- the changes of one mailbox are made together -------------------------------------------------


def build_record(number: int, case: str, kind: str, **arguments: object) -> ChangeRecord:
    state = ChangeState.INTENDED
    return ChangeRecord(f"c{number}", case, case, kind, arguments, state, START, "run")


def test_records_of_one_mailbox_form_one_group_wherever_they_stand() -> None:
    records = [
        build_record(1, "off-a", "EnableMailboxAudit", mailbox_guid="a"),
        build_record(2, "off-b", "EnableMailboxAudit", mailbox_guid="b"),
        build_record(3, "rule", "ClearMailboxForward", mailbox_guid="a"),
        build_record(4, "short-a", "RaiseAuditAge", mailbox_guid="a", days=90),
        build_record(5, "later", "OfAnotherVersion"),
    ]
    groups = [[record.id for record in group] for group in group_records(records)]
    assert groups == [["c1", "c4"], ["c2"], ["c3"], ["c5"]]


async def test_what_there_is_no_time_for_stays_intended_and_is_made_by_the_next_run() -> None:
    tenant = FakeTenant(boxes=[Mailbox(name, name, f"{name}@contoso.com") for name in "ab"])
    ledger = FakeLedger(Clock())
    spent = iter((0.5, 1.0, 1.0))
    world = World(
        tenant,
        ledger,
        FakeNotificationChannel(),
        ledger.clock,
        build_cards,
        budget_used=lambda: next(spent),
    )
    records = [
        build_record(number, name, "ClearMailboxForward", mailbox_guid=name)
        for number, name in enumerate("ab")
    ]
    async with ledger.claim("toy", "run") as claim:
        assert claim is not None
        outcomes = await apply_changes(world, claim, records, {})
    assert [outcome.case_key for outcome in outcomes] == ["a"]
