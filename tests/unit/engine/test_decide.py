"""What the engine does about findings, as tables: no I/O, no guard, no tenant."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.engine.case_lifecycle import update_case
from core.engine.outcomes import mark_notified, record_outcomes
from core.engine.periodic_checks import draw_interval_share, find_due_checks
from core.engine.reconcile import INFERRED_NOTE
from core.model.cases import Exemption, Notification
from core.model.changes import ChangeState, Outcome
from core.model.findings import Fact, Finding, Severity, Verdict, format_facts
from core.model.guards import Mode
from core.model.requests import OperatorRequest, RequestKind, RequestState, RunOptions
from core.model.state import GuardSnapshot, GuardState
from core.status.case_texts import describe_case_end
from core.tenant.changes import ClearMailboxForward
from core.tenant.readings import ReadFailure, Reading
from tests.support.decisions import (
    CONFIG,
    DAY,
    KEY,
    MANY,
    STATE,
    SURFACE,
    apply_plan,
    build_change_record,
    build_finding,
    build_known_snapshot,
    build_reading,
    build_scene,
    get_only_case,
    make_plan,
)
from tests.support.fakes.clock import START

# -- notifications -----------------------------------------------------------------------------


def test_a_new_finding_opens_a_case_with_news() -> None:
    plan = make_plan(build_scene(mode=Mode.ALERT), [build_finding()])
    assert get_only_case(plan).notification is Notification.OPENED
    assert plan.reported_findings[0].state == "new"


def test_a_known_case_is_silent_and_writes_nothing() -> None:
    plan = make_plan(
        build_scene(build_known_snapshot(), mode=Mode.ALERT, now=START + DAY), [build_finding()]
    )
    assert plan.cases == ()
    assert plan.reported_findings[0].state == "known"


def test_a_case_that_was_never_told_keeps_its_news() -> None:
    memory = build_known_snapshot()
    memory = replace(
        memory,
        cases={KEY: replace(memory.cases[KEY], notification=Notification.OPENED, notified_at=None)},
    )
    later = build_scene(memory, mode=Mode.ALERT, now=START + 10 * DAY)
    renamed = make_plan(later, [build_finding(summary="Renamed.")])
    assert get_only_case(renamed).notification is Notification.OPENED


@pytest.mark.parametrize(("days", "news"), [(6, None), (7, Notification.REMINDER)])
def test_an_open_case_is_reminded_after_seven_days(days: int, news: Notification | None) -> None:
    plan = make_plan(
        build_scene(build_known_snapshot(), mode=Mode.ALERT, now=START + days * DAY),
        [build_finding()],
    )
    assert [case.notification for case in plan.cases] == ([news] if news else [])


@pytest.mark.parametrize(
    ("is_said_once", "news"), [(True, Notification.NONE), (False, Notification.REMINDER)]
)
@pytest.mark.parametrize("severity", [Severity.LOW, Severity.CRITICAL])
def test_what_is_said_once_is_not_brought_up_again(
    severity: Severity, is_said_once: bool, news: Notification
) -> None:
    found = build_finding(severity=severity, changes=(), is_said_once=is_said_once)
    (case,) = build_known_snapshot(kind=found.kind, severity=severity).cases.values()
    later, _ = build_scene(mode=Mode.ALERT, now=START + 30 * DAY)
    assert update_case(later, case, found).notification is news


def test_a_case_ends_with_news_when_its_finding_is_gone() -> None:
    case = get_only_case(make_plan(build_scene(build_known_snapshot(), now=START + DAY), []))
    assert (case.resolution, case.notification, case.closed_at) == (
        "gone",
        Notification.CLOSED,
        START + DAY,
    )


def test_a_case_that_came_and_went_untold_is_told_once_as_gone() -> None:
    memory = build_known_snapshot()
    memory = replace(
        memory,
        cases={KEY: replace(memory.cases[KEY], notification=Notification.OPENED, notified_at=None)},
    )
    assert get_only_case(make_plan(build_scene(memory), [])).notification is Notification.CLOSED


def test_a_finding_that_comes_back_opens_its_case_again() -> None:
    ended = make_plan(build_scene(build_known_snapshot(), mode=Mode.ALERT), [])
    memory = apply_plan(ended, build_known_snapshot())
    case = get_only_case(
        make_plan(build_scene(memory, mode=Mode.ALERT, now=START + DAY), [build_finding()])
    )
    assert (case.notification, case.opened_at, case.closed_at) == (
        Notification.OPENED,
        START + DAY,
        None,
    )


def test_another_verdict_is_news_and_a_rename_is_not() -> None:
    renamed = build_finding(subject="b@example.com", summary="Renamed.")
    case = get_only_case(make_plan(build_scene(build_known_snapshot(), mode=Mode.ALERT), [renamed]))
    assert (case.notification, case.subject) == (Notification.NONE, "b@example.com")
    asked = build_finding(verdict=Verdict.ASK)
    case = get_only_case(make_plan(build_scene(build_known_snapshot(), mode=Mode.ALERT), [asked]))
    assert (case.notification, case.verdict) == (Notification.CHANGED, Verdict.ASK)


def test_a_graver_severity_is_news() -> None:
    grave = build_finding(severity=Severity.CRITICAL)
    assert (
        get_only_case(
            make_plan(build_scene(build_known_snapshot(), mode=Mode.ALERT), [grave])
        ).notification
        is Notification.CHANGED
    )


def test_two_findings_of_one_identity_are_one_case_with_both_changes() -> None:
    second = build_finding(changes=(ClearMailboxForward("b"),), severity=Severity.CRITICAL)
    plan = make_plan(build_scene(), [build_finding(), second])
    assert get_only_case(plan).severity is Severity.CRITICAL
    assert len(plan.changes_to_apply) == 2


def test_what_is_only_worth_a_note_makes_no_case() -> None:
    plan = make_plan(build_scene(), [build_finding(severity=Severity.INFO)])
    assert (plan.cases, plan.changes_to_apply) == ((), ())
    assert plan.reported_findings[0].state == "note"


def test_a_case_whose_finding_became_a_note_ends() -> None:
    note = build_finding(
        severity=Severity.INFO,
        facts=(Fact("licences", "Teams Rooms Pro"),),
        advice="A device signs in with it.",
    )
    case = get_only_case(make_plan(build_scene(build_known_snapshot()), [note]))
    assert (case.resolution, case.notification) == ("noted", Notification.CLOSED)
    assert case.note == "licences: Teams Rooms Pro. A device signs in with it."
    assert case.planned_changes == ()
    assert describe_case_end(case).startswith("It is still there")


def test_a_finding_that_became_a_note_by_an_intended_change_was_remediated() -> None:
    record = build_change_record(ChangeState.INTENDED, START)
    snapshot = replace(build_known_snapshot(), changes=(record,))
    plan = make_plan(build_scene(snapshot), [build_finding(severity=Severity.INFO)])
    assert get_only_case(plan).resolution == "done"


# -- unknown is not clean ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "blurred",
    [
        build_reading(complete=False),
        build_reading(sources=frozenset()),
        build_reading(failures=(ReadFailure(SURFACE, "broken"),)),
        build_reading(failures=(ReadFailure(SURFACE, "broken", object_id="a"),)),
    ],
    ids=["incomplete", "not looked at", "blind", "object unread"],
)
def test_a_case_does_not_end_by_what_was_not_read(blurred: Reading[object]) -> None:
    plan = make_plan(build_scene(build_known_snapshot(), reading=blurred), [])
    assert not [case for case in plan.cases if case.closed_at]


def test_a_missing_permission_is_told_at_once_and_is_critical() -> None:
    miss = ReadFailure(SURFACE, "refused", permission="User.Read.All")
    case = get_only_case(make_plan(build_scene(reading=build_reading(failures=(miss,))), []))
    assert (case.severity, case.notification) == (Severity.CRITICAL, Notification.OPENED)
    assert "User.Read.All" in case.advice


def test_passing_trouble_is_told_at_the_third_sighting_and_forgotten_when_over() -> None:
    blurred = build_reading(
        failures=(ReadFailure(SURFACE, "timed out", object_id="a", subject="a@x"),)
    )
    memory = GuardSnapshot(state=STATE)
    news = []
    for _ in range(4):
        plan = make_plan(build_scene(memory, reading=blurred), [])
        memory = apply_plan(plan, memory, deliver=False)
        news.append(next(case.notification for case in memory.cases.values()))
    assert news == [Notification.NONE, Notification.NONE, Notification.OPENED, Notification.OPENED]
    first = apply_plan(make_plan(build_scene(reading=blurred), []), GuardSnapshot(state=STATE))
    plan = make_plan(build_scene(first), [])
    assert (plan.cases, len(plan.cases_to_delete)) == ((), 1)


def test_rows_nobody_understands_are_a_case() -> None:
    case = get_only_case(make_plan(build_scene(GuardSnapshot(state=STATE, unreadable_rows=2)), []))
    assert case.kind == "state-unreadable"


# -- modes and first run -----------------------------------------------------------------------


def test_alert_mode_never_changes_anything() -> None:
    plan = make_plan(build_scene(mode=Mode.ALERT), [build_finding()])
    assert (plan.changes_to_apply, plan.records, plan.preview) == ((), (), ())


def test_the_first_run_adopts_and_previews_and_changes_nothing() -> None:
    plan = make_plan(build_scene(GuardSnapshot()), [build_finding()])
    assert plan.changes_to_apply == ()
    assert plan.baselined
    assert get_only_case(plan).baselined
    assert [change for _, _, change in plan.preview] == [ClearMailboxForward("a")]
    second = make_plan(
        build_scene(apply_plan(plan, GuardSnapshot()), now=START + DAY), [build_finding()]
    )
    assert len(second.changes_to_apply) == 1


def test_a_surface_that_was_blind_is_adopted_when_it_is_first_seen() -> None:
    miss = ReadFailure(SURFACE, "refused", permission="X")
    blind = make_plan(build_scene(GuardSnapshot(), reading=build_reading(failures=(miss,))), [])
    assert SURFACE not in blind.state.baselined_sources
    plan = make_plan(build_scene(apply_plan(blind, GuardSnapshot())), [build_finding()])
    assert [case.baselined for case in plan.cases if case.kind == "forward"] == [True]
    assert plan.changes_to_apply == ()


# -- changing ----------------------------------------------------------------------------------


def test_a_change_is_written_down_as_intended_before_it_is_made() -> None:
    plan = make_plan(build_scene(), [build_finding()])
    assert plan.records == plan.changes_to_apply
    assert plan.changes_to_apply[0].state is ChangeState.INTENDED
    assert plan.changes_to_apply[0].case_key == get_only_case(plan).key


def test_a_made_change_closes_its_case_with_news() -> None:
    plan = make_plan(build_scene(), [build_finding()])
    memory = apply_plan(plan, GuardSnapshot(state=STATE), deliver=False)
    assert [(c.resolution, c.notification) for c in memory.cases.values()] == [
        ("done", Notification.DONE)
    ]


def test_the_same_finding_right_after_a_change_is_still_settling() -> None:
    plan = make_plan(build_scene(), [build_finding()])
    memory = apply_plan(plan, GuardSnapshot(state=STATE))
    soon = make_plan(build_scene(memory, now=START + timedelta(minutes=5)), [build_finding()])
    assert (soon.cases, soon.changes_to_apply) == ((), ())
    assert soon.reported_findings[0].state == "settling"
    later = make_plan(build_scene(memory, now=START + timedelta(minutes=15)), [build_finding()])
    assert len(later.changes_to_apply) == 1


def test_what_was_changed_back_twice_within_a_week_is_contested() -> None:
    made = (
        build_change_record(ChangeState.APPLIED, START, 1),
        build_change_record(ChangeState.INFERRED, START + DAY, 2),
    )
    memory = GuardSnapshot(state=STATE, changes=made)
    plan = make_plan(build_scene(memory, now=START + 2 * DAY), [build_finding()])
    assert plan.changes_to_apply == ()
    assert (get_only_case(plan).verdict, get_only_case(plan).notification) == (
        Verdict.CONTESTED,
        Notification.OPENED,
    )
    later = make_plan(build_scene(memory, now=START + 9 * DAY), [build_finding()])
    assert len(later.changes_to_apply) == 1


@pytest.mark.parametrize(
    ("outcome", "verdict", "news"),
    [
        (ChangeState.REFUSED, Verdict.PROTECTED, Notification.CHANGED),
        (ChangeState.FAILED, "external", Notification.NONE),
        (ChangeState.SUPERSEDED, "external", Notification.NONE),
    ],
)
def test_a_change_that_was_not_made_leaves_its_case_open(
    outcome: ChangeState, verdict: str, news: Notification
) -> None:
    case = build_known_snapshot().cases[KEY]
    record = build_change_record(ChangeState.INTENDED, START)
    made = Outcome(KEY, "a", record.kind, outcome, "because", Verdict.PROTECTED)
    (row,), left = record_outcomes(case, [(record, made)], START)
    assert left
    assert (row.state, left.closed_at, left.verdict, left.notification) == (
        outcome,
        None,
        verdict,
        news,
    )


def test_a_refusal_without_a_known_reason_is_final_at_the_third_time() -> None:
    case = build_known_snapshot().cases[KEY]
    record = build_change_record(ChangeState.INTENDED, START)
    refused = Outcome(KEY, "a", record.kind, ChangeState.REFUSED, "HTTP 400", Verdict.REFUSED)
    verdicts = []
    for _ in range(3):
        _, left = record_outcomes(case, [(record, refused)], START)
        assert left
        case = left
        verdicts.append(case.verdict)
    assert verdicts == ["external", "external", Verdict.REFUSED]
    assert case.notification is Notification.CHANGED


def test_what_was_refused_is_not_tried_again_for_a_week() -> None:
    memory = build_known_snapshot(verdict=Verdict.PROTECTED, deferred_at=START)
    plan = make_plan(build_scene(memory, now=START + DAY), [build_finding()])
    assert (plan.changes_to_apply, plan.cases, plan.reported_findings[0].verdict) == (
        (),
        (),
        Verdict.PROTECTED,
    )
    assert (
        len(make_plan(build_scene(memory, now=START + 7 * DAY), [build_finding()]).changes_to_apply)
        == 1
    )


def test_a_change_that_fails_three_times_is_left_to_a_person() -> None:
    case = build_known_snapshot().cases[KEY]
    record = build_change_record(ChangeState.INTENDED, START)
    failed = Outcome(KEY, "a", record.kind, ChangeState.FAILED, "503")
    for _ in range(3):
        _, left = record_outcomes(case, [(record, failed)], START)
        assert left
        case = left
    assert (case.verdict, case.notification) == (Verdict.FAILED, Notification.CHANGED)


def test_a_missing_permission_to_change_is_told_once_and_tried_every_run() -> None:
    record = build_change_record(ChangeState.INTENDED, START)
    blocked = Outcome(KEY, "a", record.kind, ChangeState.FAILED, "grant X", lacks_permission=True)
    _, first = record_outcomes(build_known_snapshot().cases[KEY], [(record, blocked)], START)
    assert first
    assert (first.notification, first.deferred_at) == (Notification.CHANGED, None)
    _, second = record_outcomes(mark_notified([first], START)[0], [(record, blocked)], START)
    assert second
    assert second.notification is Notification.NONE


def test_one_refused_change_of_two_keeps_the_case_open() -> None:
    record = build_change_record(ChangeState.INTENDED, START)
    made = Outcome(KEY, "a", record.kind, ChangeState.APPLIED)
    refused = replace(made, state=ChangeState.REFUSED, verdict=Verdict.PROTECTED)
    _, case = record_outcomes(
        build_known_snapshot().cases[KEY], [(record, made), (record, refused)], START
    )
    assert case
    assert (case.closed_at, case.verdict) == (None, Verdict.PROTECTED)


# -- a run that died ---------------------------------------------------------------------------


def test_an_intent_whose_outcome_is_unknown_is_taken_up_as_it_was_intended() -> None:
    record = replace(
        build_change_record(ChangeState.INTENDED, START), arguments={"mailbox_guid": "as-seen"}
    )
    memory = replace(build_known_snapshot(), changes=(record,))
    plan = make_plan(build_scene(memory), [build_finding()])
    assert [(row.id, row.arguments) for row in plan.changes_to_apply] == [
        ("c1", {"mailbox_guid": "as-seen"})
    ]


def test_a_change_of_several_writes_without_an_outcome_is_finished_while_enforcing() -> None:
    record = replace(build_change_record(ChangeState.INTENDED, START), kind="BlockSignIn")
    plan = make_plan(build_scene(replace(build_known_snapshot(), changes=(record,))), [])
    assert [row.id for row in plan.changes_to_apply] == ["c1"]
    assert plan.cases == ()


ALERTING = replace(CONFIG, mode=Mode.ALERT)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(Mode.ALERT, "BlockSignIn"), (Mode.ALERT, "X"), (Mode.ENFORCE, "ClearMailboxForward")],
)
def test_any_other_change_in_effect_without_an_outcome_is_inferred(mode: Mode, kind: str) -> None:
    record = replace(build_change_record(ChangeState.INTENDED, START), kind=kind)
    memory, duty = replace(build_known_snapshot(), changes=(record,)), replace(CONFIG, mode=mode)
    plan = make_plan(build_scene(memory, config=duty, mode=mode), [])
    assert plan.changes_to_apply == ()
    assert [row.state for row in plan.records] == [ChangeState.INFERRED]
    case = get_only_case(plan)
    assert (case.resolution, case.notification, case.note) == (
        "done",
        Notification.DONE,
        INFERRED_NOTE,
    )


def test_an_intent_that_may_no_longer_be_made_is_given_up() -> None:
    memory = replace(
        build_known_snapshot(), changes=(build_change_record(ChangeState.INTENDED, START),)
    )
    plan = make_plan(build_scene(memory, config=ALERTING, mode=Mode.ALERT), [build_finding()])
    assert [row.state for row in plan.records] == [ChangeState.SUPERSEDED]


@pytest.mark.parametrize("findings", [[], [build_finding()]], ids=["gone", "still there"])
def test_a_run_that_somebody_restrained_gives_up_no_intent(findings: list[Finding]) -> None:
    record = replace(build_change_record(ChangeState.INTENDED, START), kind="BlockSignIn")
    memory = replace(build_known_snapshot(), changes=(record,))
    plan = make_plan(build_scene(memory, mode=Mode.ALERT), findings)
    assert (plan.changes_to_apply, plan.records, plan.cases, plan.cases_to_delete) == (
        (),
        (),
        (),
        (),
    )
    assert [row.id for row in make_plan(build_scene(memory), findings).changes_to_apply] == ["c1"]


def test_an_intent_that_is_only_set_aside_is_kept_for_when_its_time_comes() -> None:
    record = replace(
        build_change_record(ChangeState.INTENDED, START), arguments={"mailbox_guid": "as-seen"}
    )
    memory = replace(
        build_known_snapshot(verdict=Verdict.FAILED, deferred_at=START), changes=(record,)
    )
    plan = make_plan(build_scene(memory, now=START + DAY), [build_finding()])
    assert (plan.changes_to_apply, plan.records) == ((), ())
    later = make_plan(build_scene(memory, now=START + 8 * DAY), [build_finding()])
    assert [row.arguments for row in later.changes_to_apply] == [{"mailbox_guid": "as-seen"}]


# -- the brake ---------------------------------------------------------------------------------


def test_more_changes_than_count_and_percentage_allow_are_held_back() -> None:
    plan = make_plan(build_scene(), MANY)
    assert plan.changes_to_apply == ()
    assert [case.kind for case in plan.cases].count("brake") == 1
    assert plan.hash in " ".join(f for case in plan.cases for f in format_facts(case.facts))
    assert make_plan(build_scene(), MANY[:2]).block_reason == ""


def test_the_percentage_lets_a_large_tenant_change_more() -> None:
    assert make_plan(build_scene(reading=build_reading(population=30)), MANY).block_reason == ""


def test_no_tenant_is_so_large_that_the_ceiling_does_not_hold() -> None:
    many = [build_finding(str(number)) for number in range(51)]
    state = replace(STATE, population=10_000)
    big = build_scene(GuardSnapshot(state=state), reading=build_reading(population=10_000))
    assert make_plan(big, many[:50]).block_reason == ""
    assert make_plan(big, many).block_reason != ""


def test_an_incomplete_listing_changes_nothing() -> None:
    plan = make_plan(build_scene(reading=build_reading(complete=False)), [build_finding()])
    assert (plan.changes_to_apply, plan.block_reason) == ((), "the listing is incomplete")


@pytest.mark.parametrize(("population", "held"), [(16, False), (13, True), (0, True)])
def test_a_population_that_fell_by_more_than_a_third_is_not_believed(
    population: int, held: bool
) -> None:
    memory = build_known_snapshot()
    plan = make_plan(build_scene(memory, reading=build_reading(population=population)), [])
    assert bool(plan.block_reason) is held
    assert bool([case for case in plan.cases if case.closed_at]) is not held
    assert plan.state.population == (20 if held else population)


def test_a_population_that_fell_by_a_tenth_is_a_case_and_believed_at_the_second_look() -> None:
    memory = build_known_snapshot()
    memory = replace(memory, state=replace(memory.state, population=200))
    first = make_plan(build_scene(memory, reading=build_reading(population=180)), [])
    assert first.block_reason == ""
    assert [case.kind for case in first.cases] == ["listing-shrank"]
    assert (first.state.population, first.state.shrunk_population) == (200, 180)
    again = replace(apply_plan(first, memory), state=first.state)
    second = make_plan(build_scene(again, reading=build_reading(population=179)), [])
    assert bool([case for case in second.cases if case.closed_at])
    assert (second.state.population, second.state.shrunk_population) == (179, None)
    third = make_plan(
        build_scene(replace(again, state=second.state), reading=build_reading(population=179)), []
    )
    assert "listing-shrank" in [case.kind for case in third.cases if case.closed_at]


def test_a_population_that_falls_from_look_to_look_is_not_believed_yet() -> None:
    memory = build_known_snapshot()
    state = replace(memory.state, population=200, shrunk_population=180)
    memory = replace(memory, state=state)
    plan = make_plan(build_scene(memory, reading=build_reading(population=150)), [])
    assert not [case for case in plan.cases if case.closed_at]
    assert (plan.state.population, plan.state.shrunk_population) == (200, 150)


def braked() -> tuple[GuardSnapshot, str]:
    plan = make_plan(build_scene(), MANY)
    return apply_plan(plan, GuardSnapshot(state=STATE)), plan.hash


def test_the_brake_is_told_once_for_one_plan() -> None:
    memory, name = braked()
    plan = make_plan(build_scene(memory, now=START + DAY), MANY)
    assert (plan.cases, plan.hash) == ((), name)


def test_a_released_plan_is_made_once_and_its_brake_ends() -> None:
    memory, name = braked()
    release = RunOptions(plan=name, at=START)
    plan = make_plan(build_scene(memory, run_options=release), MANY)
    assert len(plan.changes_to_apply) == 3
    assert [case.kind for case in plan.cases if case.closed_at] == ["brake"]
    again = apply_plan(plan, memory, act=False)
    reverted = make_plan(
        build_scene(
            replace(again, changes=()), run_options=release, now=START + timedelta(minutes=5)
        ),
        MANY,
    )
    assert reverted.changes_to_apply == ()


def test_a_released_plan_whose_run_died_goes_on_without_being_released_again() -> None:
    memory, name = braked()
    plan = make_plan(build_scene(memory, run_options=RunOptions(plan=name, at=START)), MANY)
    died = apply_plan(plan, memory, act=False)
    later = build_scene(died, now=START + DAY)
    assert sorted(row.case_key for row in make_plan(later, MANY).changes_to_apply) == sorted(
        row.case_key for row in plan.changes_to_apply
    )
    more = [build_finding(name) for name in "defg"]
    assert (
        make_plan(later, [*MANY, *more]).block_reason
        == "4 objects would be changed and a run may change 2"
    )
    cut_off = later[0], build_reading(complete=False)
    assert make_plan(cut_off, MANY).changes_to_apply == ()


@pytest.mark.parametrize(
    "request_",
    [
        RunOptions(plan="0" * 32, at=START),
        RunOptions(plan="", at=START),
        RunOptions(plan="the right one", at=None),
        RunOptions(plan="the right one", at=START - timedelta(minutes=61)),
        RunOptions(plan="the right one", at=START + timedelta(minutes=61)),
    ],
    ids=["another plan", "no plan", "no time", "an hour ago", "from the future"],
)
def test_only_exactly_that_plan_within_the_hour_is_released(request_: RunOptions) -> None:
    memory, name = braked()
    if request_.plan == "the right one":
        request_ = replace(request_, plan=name)
    assert make_plan(build_scene(memory, run_options=request_), MANY).changes_to_apply == ()


def test_a_release_covers_what_the_plan_named_and_is_still_wanted() -> None:
    memory, name = braked()
    request = RunOptions(plan=name, at=START)
    later = [build_finding(one) for one in "defg"]
    plan = make_plan(
        build_scene(memory, run_options=request, now=START + timedelta(minutes=5)),
        [*MANY[1:], *later],
    )
    assert sorted(row.subject for row in plan.changes_to_apply) == sorted(
        one.subject for one in MANY[1:]
    )
    assert {row.released_plan for row in plan.changes_to_apply} == {name}
    assert (plan.released, plan.hash != name) == (True, True)
    assert plan.block_reason == "4 objects would be changed and a run may change 2"


# -- exemptions and sweeps ---------------------------------------------------------------------


@pytest.mark.parametrize("subject", ["a", KEY])
def test_an_exempt_finding_is_shown_and_neither_told_nor_changed(subject: str) -> None:
    exemption = Exemption(subject, "me", "partner", START + DAY)
    asked = OperatorRequest(
        "1",
        RequestKind.EXEMPT,
        subject,
        exemption.granted_by,
        exemption.reason,
        START,
        until=exemption.until,
        state=RequestState.DONE,
    )
    memory = replace(
        build_known_snapshot(), exemptions={subject: exemption}, operator_requests=(asked,)
    )
    plan = make_plan(build_scene(memory), [build_finding()])
    assert plan.changes_to_apply == ()
    (case,) = [case for case in plan.cases if case.key == KEY]
    assert (case.resolution, case.notification) == ("exempt", Notification.NONE)
    assert (plan.reported_findings[0].state, plan.reported_findings[0].until) == (
        "exempt",
        START + DAY,
    )


def test_an_exemption_that_ended_makes_the_finding_news_again() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    memory = GuardSnapshot(state=STATE, exemptions={"a": exemption})
    plan = make_plan(build_scene(memory, now=START + 2 * DAY, mode=Mode.ALERT), [build_finding()])
    assert get_only_case(plan).notification is Notification.OPENED


def test_a_sweep_is_due_at_once_and_then_after_its_interval() -> None:
    assert find_due_checks(CONFIG, GuardState(), START) == {"slow"}
    swept = GuardState(checks_finished_at={"slow": START})
    assert find_due_checks(CONFIG, swept, START + DAY - timedelta(minutes=1)) == set()
    assert find_due_checks(CONFIG, swept, START + DAY) == {"slow"}


def test_with_a_seed_nobody_can_tell_when_within_its_interval_a_sweep_is_due() -> None:
    shares = [
        draw_interval_share(seed, name, START + timedelta(days=day))
        for seed in ("a", "b")
        for name in ("slow", "deep")
        for day in range(50)
    ]
    assert len(set(shares)) == len(shares)
    assert 0.7 <= min(shares) < 0.72
    assert 0.98 < max(shares) < 1
    swept = GuardState(checks_finished_at={"slow": START}, check_seed="a")
    due_after = DAY * draw_interval_share("a", "slow", START)
    assert find_due_checks(CONFIG, swept, START + due_after - timedelta(seconds=1)) == set()
    assert find_due_checks(CONFIG, swept, START + due_after) == {"slow"}
    assert find_due_checks(CONFIG, swept, START + DAY) == {"slow"}


@pytest.mark.parametrize("ahead", [timedelta(hours=2), DAY / 2, 4000 * DAY], ids=str)
def test_a_sweep_that_ended_in_the_future_is_due_however_near_it_is(ahead: timedelta) -> None:
    for seed in ("", "a"):
        swept = GuardState(checks_finished_at={"slow": START + ahead}, check_seed=seed)
        assert find_due_checks(CONFIG, swept, START) == {"slow"}
