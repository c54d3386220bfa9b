"""What the engine decides, to the last field: what it writes down, tallies and leaves as it is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.engine.assess import assess_finding, merge_findings
from core.engine.case_lifecycle import (
    encode_planned_changes,
    open_case,
    update_case,
    with_notification,
)
from core.engine.outcomes import rank_outcome, record_outcomes
from core.engine.plan import apply_correlation, plan_changes
from core.engine.reconcile import INFERRED_NOTE, reconcile_batch
from core.engine.self_findings import UNREADABLE
from core.keys import PREFIX_LENGTH, hash_parts
from core.model.cases import Case, Exemption, Notification, parse_planned_changes
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Correlation, CorrelationRule, Fact, Finding, Severity, Verdict
from core.model.guards import Mode
from core.model.reach import Reach, Selection
from core.model.requests import RunOptions
from core.model.runs import ReportedFinding
from core.model.state import GuardSnapshot, GuardState, ScanPass, ScanTotals
from core.tenant.changes import ClearMailboxForward, EnableOrganizationAudit, ResetAuditSet
from core.tenant.readings import ReadFailure, Reading
from tests.support.decisions import (
    CASE,
    CONFIG,
    DAY,
    KEY,
    MANY,
    STATE,
    SURFACE,
    build_change_record,
    build_finding,
    build_known_snapshot,
    build_reading,
    build_scene,
    build_snapshot,
    get_only_case,
    make_plan,
)
from tests.support.fakes.clock import START

HOUR = timedelta(hours=1)
FULL = build_finding(
    facts=(Fact("", "to x@evil.example"),),
    advice="Ask them.",
    correlations=(Correlation("x@evil.example", "x@evil.example"),),
    is_one_off=True,
)
UNDATED = replace(CASE, found_at=None)


# -- a case ------------------------------------------------------------------------------------


def test_a_new_case_holds_all_that_its_finding_says() -> None:
    scene, part = build_scene()
    assert reconcile_batch(scene, part, [FULL]).cases == (CASE,)


def test_a_case_of_the_first_look_is_adopted_and_one_of_the_engine_is_not() -> None:
    first, _ = build_scene(GuardSnapshot())
    assert open_case(first, KEY, FULL, is_self_check=False) == replace(UNDATED, baselined=True)
    assert open_case(first, KEY, FULL, is_self_check=True) == UNDATED
    patient = replace(FULL, confirmations_needed=1)
    assert open_case(first, KEY, patient, is_self_check=True) == replace(
        UNDATED, notification=Notification.NONE
    )


def test_a_new_case_of_the_brake_names_its_plan() -> None:
    context, _ = build_scene()
    case = open_case(context, KEY, replace(FULL, plan_hash="p"), is_self_check=False)
    assert case == replace(UNDATED, plan_hash="p")


def test_findings_of_one_identity_go_as_far_as_both() -> None:
    news, bank, all_ = (
        Reach.of(["send"], [Selection.of("subjectContains", [word])])
        for word in ("news", "bank", "")
    )
    context, _ = build_scene()
    found = [replace(FULL, reaches=(news, bank)), replace(FULL, reaches=(bank, all_))]
    assert merge_findings(context, found) == {KEY: replace(FULL, reaches=(news, bank, all_))}


@pytest.mark.parametrize("was_unread", [True, False])
def test_an_object_that_is_unread_again_keeps_the_mark_of_the_first_look(was_unread: bool) -> None:
    found = replace(FULL, kind=UNREADABLE, confirmations_needed=2)
    context, _ = build_scene()
    key = context.get_case_key(found)
    ended = replace(
        open_case(context, key, found, is_self_check=True),
        notification=Notification.CLOSED,
        closed_at=START,
        resolution="gone",
        notified_at=START - DAY,
        unread_since_first_look=was_unread,
    )
    context, _ = build_scene(build_snapshot(ended))
    case = assess_finding(context, key, found, is_self_check=True).case
    assert case == replace(
        ended,
        notification=Notification.NONE,
        closed_at=None,
        resolution="",
        unread_since_first_look=was_unread,
    )


@pytest.mark.parametrize("is_complete", [True, False])
def test_the_marks_of_the_first_look_are_spent_when_the_scan_read_everything(
    is_complete: bool,
) -> None:
    mark = replace(
        CASE,
        kind=UNREADABLE,
        notification=Notification.NONE,
        closed_at=START,
        resolution="gone",
        unread_since_first_look=True,
    )
    context, _ = build_scene(build_snapshot(mark))
    totals = ScanTotals(population=20, sources=frozenset({SURFACE}), complete=is_complete)
    deleted = plan_changes(context, totals).result.cases_to_delete
    assert deleted == ((mark,) if is_complete else ())


def test_an_open_case_is_brought_up_to_date_without_a_word() -> None:
    old = replace(
        CASE, notification=Notification.NONE, notified_at=START, note="kept", failure_count=1
    )
    now = replace(
        FULL,
        subject="b@example.com",
        summary="b forwards.",
        facts=(Fact("", "since today"),),
        advice="Ask somebody else.",
        sources=("other",),
        changes=(),
        correlations=(Correlation("y@evil.example", "y@evil.example"),),
    )
    scene, _ = build_scene(now=START + DAY)
    assert update_case(scene, old, now) == replace(
        old,
        subject="b@example.com",
        summary="b forwards.",
        facts=(Fact("", "since today"),),
        advice="Ask somebody else.",
        sources=("other",),
        planned_changes=(),
        correlations=(Correlation("y@evil.example", "y@evil.example"),),
    )


def test_a_lesser_severity_is_written_down_and_is_no_news() -> None:
    old = replace(CASE, notification=Notification.NONE, notified_at=START)
    scene, _ = build_scene()
    case = update_case(scene, old, replace(FULL, severity=Severity.LOW))
    assert (case.severity, case.notification) == (Severity.LOW, Notification.NONE)


def test_who_acknowledged_a_case_is_asked_again_when_it_changes() -> None:
    old = replace(
        CASE,
        notification=Notification.NONE,
        notified_at=START,
        acknowledged_at=START,
        acknowledged_by="Dana",
    )
    later, _ = build_scene(now=START + 30 * DAY)
    assert update_case(later, old, FULL) == old
    graver = update_case(later, old, replace(FULL, severity=Severity.CRITICAL))
    assert (graver.notification, graver.acknowledged_at, graver.acknowledged_by) == (
        Notification.CHANGED,
        None,
        "",
    )


def test_another_verdict_gives_a_case_that_was_set_aside_another_chance() -> None:
    old = replace(
        CASE,
        notification=Notification.NONE,
        notified_at=START,
        verdict=Verdict.FAILED,
        deferred_at=START,
        failure_count=3,
    )
    scene, _ = build_scene(now=START + HOUR)
    case = update_case(scene, old, replace(FULL, verdict=Verdict.ASK))
    assert (case.guard_verdict, case.verdict) == (Verdict.ASK, Verdict.ASK)
    assert (case.deferred_at, case.failure_count, case.notification) == (
        None,
        0,
        Notification.CHANGED,
    )


def test_after_a_week_a_case_that_was_set_aside_is_as_it_was_judged() -> None:
    old = replace(
        CASE,
        notification=Notification.NONE,
        notified_at=START + 6 * DAY,
        verdict=Verdict.FAILED,
        deferred_at=START,
        failure_count=3,
    )
    before, _ = build_scene(now=START + 7 * DAY - HOUR)
    assert update_case(before, old, FULL) == old
    after, _ = build_scene(now=START + 7 * DAY)
    assert update_case(after, old, FULL) == replace(
        old, verdict="external", deferred_at=None, failure_count=0
    )


@pytest.mark.parametrize(
    ("had", "told", "brought", "news"),
    [
        (Notification.OPENED, False, Notification.CHANGED, Notification.OPENED),
        (Notification.NONE, False, Notification.CHANGED, Notification.OPENED),
        (Notification.NONE, True, Notification.CHANGED, Notification.CHANGED),
        (Notification.NONE, False, Notification.DONE, Notification.DONE),
        (Notification.REMINDER, True, Notification.CHANGED, Notification.CHANGED),
    ],
)
def test_a_case_nobody_heard_of_is_told_as_opened(
    had: Notification, told: bool, brought: Notification, news: Notification
) -> None:
    case = replace(CASE, notification=had, notified_at=START if told else None)
    assert with_notification(case, brought) == replace(case, notification=news)


def test_sightings_are_counted_until_the_case_is_told() -> None:
    patient = replace(FULL, confirmations_needed=2)
    scene, part = build_scene()
    (case,) = reconcile_batch(scene, part, [patient]).cases
    seen = []
    for _ in range(3):
        case = update_case(scene, case, patient)
        seen.append((case.seen_count, case.notification))
    assert seen == [(2, Notification.NONE), (3, Notification.OPENED), (3, Notification.OPENED)]


def test_an_untold_case_waits_and_one_that_waited_long_enough_is_known() -> None:
    patient = replace(FULL, confirmations_needed=1)
    first = make_plan(build_scene(mode=Mode.ALERT), [patient])
    assert first.reported_findings[0].state == "waiting"
    then = make_plan(build_scene(build_snapshot(get_only_case(first)), mode=Mode.ALERT), [patient])
    assert then.reported_findings[0].state == "known"


def test_what_is_back_before_anybody_heard_that_it_was_over_goes_on() -> None:
    patient = replace(FULL, confirmations_needed=2)
    first = get_only_case(make_plan(build_scene(mode=Mode.ALERT), [patient]))
    known = replace(first, notified_at=START, seen_count=3, notification=Notification.NONE)
    over = replace(known, closed_at=START, resolution="gone", notification=Notification.CLOSED)
    unheard = make_plan(build_scene(build_snapshot(over), mode=Mode.ALERT), [patient])
    assert (get_only_case(unheard), unheard.reported_findings[0].state) == (known, "known")
    heard = make_plan(
        build_scene(build_snapshot(replace(over, notification=Notification.NONE)), mode=Mode.ALERT),
        [patient],
    )
    assert (get_only_case(heard).notified_at, heard.reported_findings[0].state) == (None, "waiting")
    at_once = make_plan(build_scene(build_snapshot(over), mode=Mode.ALERT), [FULL])
    assert (get_only_case(at_once).notification, at_once.reported_findings[0].state) == (
        Notification.OPENED,
        "new",
    )


def test_what_a_case_wants_can_be_read_again_and_what_is_not_understood_is_nothing() -> None:
    wants = replace(FULL, changes=(ClearMailboxForward("a"), EnableOrganizationAudit()))
    assert (
        parse_planned_changes(replace(CASE, planned_changes=encode_planned_changes(wants)))
        == wants.changes
    )
    (wanted,) = encode_planned_changes(replace(FULL, changes=(ResetAuditSet("g", ("Owner",)),)))
    names = list(json.loads(wanted)[1])
    assert names == sorted(names)
    assert parse_planned_changes(replace(CASE, planned_changes=('["AnotherVersions", {}]',))) == ()


# -- findings of one key -----------------------------------------------------------------------

MILD = build_finding(
    summary="mild",
    severity=Severity.LOW,
    facts=(Fact("", "both"), Fact("", "mild")),
    correlations=(
        Correlation("both", "both"),
        Correlation("m", "m"),
    ),
    changes=(ClearMailboxForward("a"), ClearMailboxForward("m")),
)
GRAVE = build_finding(
    summary="grave",
    facts=(Fact("", "grave"), Fact("", "both")),
    correlations=(
        Correlation("g", "g"),
        Correlation("both", "both"),
    ),
    changes=(ClearMailboxForward("g"), ClearMailboxForward("a")),
)


@pytest.mark.parametrize("order", [(MILD, GRAVE), (GRAVE, MILD)], ids=["mild first", "grave first"])
def test_findings_of_one_key_become_the_gravest_with_everything_of_all_once(
    order: tuple[Finding, ...],
) -> None:
    scene, _ = build_scene()
    assert merge_findings(scene, order) == {
        KEY: replace(
            GRAVE,
            facts=(Fact("", "grave"), Fact("", "both"), Fact("", "mild")),
            correlations=(
                Correlation("g", "g"),
                Correlation("both", "both"),
                Correlation("m", "m"),
            ),
            changes=tuple(map(ClearMailboxForward, ("g", "a", "m"))),
        )
    }


def test_of_findings_as_grave_as_each_other_the_first_speaks() -> None:
    scene, _ = build_scene()
    two = merge_findings(scene, [build_finding(summary="first"), build_finding(summary="second")])
    assert two[KEY].summary == "first"


def test_beside_a_row_nobody_understands_the_finding_has_one_of_its_own() -> None:
    scene, part = build_scene(GuardSnapshot(state=STATE, unreadable_keys=frozenset({KEY})))
    (case,) = reconcile_batch(scene, part, [build_finding()]).cases
    assert case.key == KEY[:PREFIX_LENGTH] + hash_parts("beside", KEY)[PREFIX_LENGTH:]


# -- a part ------------------------------------------------------------------------------------


def test_what_a_part_comes_to_is_tallied() -> None:
    blind = ReadFailure("other", "refused", permission="X.Read")
    unread = (
        blind,
        ReadFailure(SURFACE, "503", "b", "b@x"),
        ReadFailure(SURFACE, "504", "b", "b@x"),
    )
    part = Reading[object](
        failures=unread,
        sources=frozenset({SURFACE, "other", "half"}),
        partial_scopes={"half": frozenset({"a"})},
        population=7,
        complete=False,
    )
    scene, _ = build_scene()
    noted = reconcile_batch(
        scene, part, [build_finding(), build_finding("n", severity=Severity.INFO)]
    )
    assert noted.totals == ScanTotals(
        population=7,
        unread_count=len(part.unread_object_ids),
        sources=frozenset({SURFACE, "other"}),
        source_failures=(blind,),
        doubtful_sources=frozenset({"half"}),
        complete=False,
        ready_case_keys=(KEY,),
        untracked_count=1,
    )


def test_what_is_known_or_may_not_be_changed_is_not_ready_in_alert_mode() -> None:
    scene, part = build_scene(mode=Mode.ALERT)
    assert reconcile_batch(scene, part, [build_finding()]).totals.ready_case_keys == ()
    enforcing, part = build_scene()
    assert (
        reconcile_batch(enforcing, part, [build_finding(changes=())]).totals.ready_case_keys == ()
    )


def test_only_what_is_new_is_adopted() -> None:
    scene, part = build_scene(GuardSnapshot())
    first = reconcile_batch(scene, part, [build_finding()])
    assert first.baselined
    again, _ = build_scene(build_snapshot(*first.cases, state=GuardState()))
    assert not reconcile_batch(again, part, [build_finding()]).baselined
    ordinary, _ = build_scene()
    assert not reconcile_batch(ordinary, part, [build_finding()]).baselined


def test_the_first_look_reports_what_it_adopts_and_prepares_it_only_while_enforcing() -> None:
    scene, part = build_scene(GuardSnapshot())
    noted = reconcile_batch(scene, part, [build_finding()])
    assert ([one.state for one in noted.reported_findings], noted.totals.ready_case_keys) == (
        ["adopted"],
        (KEY,),
    )
    memory = build_snapshot(*noted.cases, state=GuardState())
    again, _ = build_scene(memory)
    assert [
        one.state for one in reconcile_batch(again, part, [build_finding()]).reported_findings
    ] == ["known"]
    alerting, _ = build_scene(GuardSnapshot(), mode=Mode.ALERT)
    assert reconcile_batch(alerting, part, [build_finding()]).totals.ready_case_keys == ()


def test_what_is_still_settling_is_no_note() -> None:
    ended = replace(CASE, closed_at=START, resolution="done")
    memory = replace(
        build_snapshot(ended), changes=(build_change_record(ChangeState.APPLIED, START),)
    )
    scene, part = build_scene(memory, now=START + timedelta(minutes=1))
    noted = reconcile_batch(scene, part, [build_finding()])
    assert ([one.state for one in noted.reported_findings], noted.totals.untracked_count) == (
        ["settling"],
        0,
    )


def test_a_case_that_an_earlier_part_showed_does_not_end_by_a_later_one() -> None:
    scene, part = build_scene(build_known_snapshot())
    assert reconcile_batch(scene, part, [], seen_keys={KEY}).cases == ()
    assert [case.key for case in reconcile_batch(scene, part, []).cases] == [KEY]


def test_a_listing_that_is_not_trusted_ends_only_what_it_names() -> None:
    scene, part = build_scene(build_known_snapshot())
    assert reconcile_batch(scene, part, [], trusted=False).cases == ()
    named = replace(part, scope=frozenset({"a"}))
    assert [case.key for case in reconcile_batch(scene, named, [], trusted=False).cases] == [KEY]


def test_the_end_of_a_case_nobody_heard_of_is_forgotten_in_both_places() -> None:
    quiet = replace(CASE, notification=Notification.NONE, is_one_off=False)
    scene, part = build_scene(build_snapshot(quiet))
    noted = reconcile_batch(scene, part, [])
    assert (noted.cases, [case.key for case in noted.cases_to_delete]) == ((), [KEY])
    heard = replace(quiet, notified_at=START)
    noted = reconcile_batch(replace(scene, snapshot=build_snapshot(heard)), part, [])
    assert ([case.key for case in noted.cases], noted.cases_to_delete) == ([KEY], ())
    waiting = replace(quiet, notification=Notification.OPENED)
    noted = reconcile_batch(replace(scene, snapshot=build_snapshot(waiting)), part, [])
    assert ([case.notification for case in noted.cases], noted.cases_to_delete) == (
        [Notification.CLOSED],
        (),
    )


# -- exemptions --------------------------------------------------------------------------------


def test_an_exemption_of_an_object_is_none_of_what_the_engine_says_of_itself() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    scene, _ = build_scene(GuardSnapshot(state=STATE, exemptions={"a": exemption}))
    assert scene.get_exempt_until(KEY, build_finding(), is_self_check=False) == START + DAY
    assert scene.get_exempt_until(KEY, build_finding(), is_self_check=True) is None
    ended = replace(scene, now=START + DAY)
    assert ended.get_exempt_until(KEY, build_finding(), is_self_check=False) is None


def test_an_exempt_finding_without_an_open_case_makes_none() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    for cases in ((), (replace(CASE, closed_at=START),)):
        memory = replace(build_snapshot(*cases), exemptions={"a": exemption})
        scene, part = build_scene(memory)
        noted = reconcile_batch(scene, part, [build_finding()])
        assert noted.cases == ()
        assert noted.reported_findings == (
            ReportedFinding(KEY, build_finding(), "exempt", "external", START + DAY),
        )


def test_the_case_of_an_exempt_finding_ends_now_and_without_a_word() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    memory = replace(build_snapshot(CASE), exemptions={"a": exemption})
    scene, part = build_scene(memory, now=START + HOUR)
    ended = replace(
        CASE, closed_at=START + HOUR, resolution="exempt", notification=Notification.NONE
    )
    assert reconcile_batch(scene, part, [build_finding()]).cases == (ended,)


def test_that_an_exempt_object_cannot_be_read_is_told_all_the_same() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    memory = GuardSnapshot(state=STATE, exemptions={"a": exemption})
    part = build_reading(failures=(ReadFailure(SURFACE, "HTTP 503", "a", "a@x"),))
    scene, _ = build_scene(memory)
    assert len(reconcile_batch(scene, part, []).cases) == 1


# -- changes -----------------------------------------------------------------------------------


def test_an_intent_says_what_is_changed_for_whom_and_by_which_run() -> None:
    plan = make_plan(build_scene(), [build_finding()])
    assert plan.changes_to_apply == (
        ChangeRecord(
            id=KEY[:PREFIX_LENGTH] + hash_parts("run", KEY, 0)[PREFIX_LENGTH:],
            case_key=KEY,
            subject="a@example.com",
            kind="ClearMailboxForward",
            arguments={"mailbox_guid": "a"},
            state=ChangeState.INTENDED,
            at=START,
            run="run",
        ),
    )


def test_no_two_intents_of_a_run_have_one_id() -> None:
    two = build_finding(changes=(ClearMailboxForward("a"), ClearMailboxForward("b")))
    plan = make_plan(build_scene(), [two])
    assert len({record.id for record in plan.changes_to_apply}) == 2


def test_all_that_a_dead_run_intended_for_a_case_is_taken_up_once_by_this_run() -> None:
    waiting = (
        build_change_record(ChangeState.INTENDED, START, 1),
        build_change_record(ChangeState.INTENDED, START, 2),
        build_change_record(ChangeState.APPLIED, START - 30 * DAY, 3),
        replace(build_change_record(ChangeState.INTENDED, START, 4), undo_of="c0"),
        replace(build_change_record(ChangeState.INTENDED, START, 5), case_key="another"),
    )
    two = build_finding(changes=(ClearMailboxForward("a"), ClearMailboxForward("b")))
    plan = make_plan(
        build_scene(replace(build_known_snapshot(), changes=waiting)), [two, build_finding("z")]
    )
    mine = [(record.id, record.run) for record in plan.changes_to_apply if record.case_key == KEY]
    assert mine == [("c1", "run"), ("c2", "run")]
    assert len(plan.changes_to_apply) == 3


def test_a_change_a_person_took_back_does_not_make_a_case_contested() -> None:
    made = (
        replace(build_change_record(ChangeState.APPLIED, START, 1), undone_at=START),
        build_change_record(ChangeState.APPLIED, START, 2),
    )
    plan = make_plan(
        build_scene(replace(build_known_snapshot(), changes=made), now=START + DAY),
        [build_finding()],
    )
    assert len(plan.changes_to_apply) == 1


def test_changes_of_a_week_ago_no_longer_make_a_case_contested() -> None:
    made = tuple(build_change_record(ChangeState.APPLIED, START, number) for number in (1, 2))
    memory = GuardSnapshot(state=STATE, changes=made)
    for age, contested in ((7 * DAY - HOUR, True), (7 * DAY, False)):
        plan = make_plan(build_scene(memory, now=START + age), [build_finding()])
        assert (get_only_case(plan).verdict == Verdict.CONTESTED) is contested


def test_what_only_may_no_longer_be_changed_is_given_up_with_a_word() -> None:
    intent = build_change_record(ChangeState.INTENDED, START - DAY)
    done = build_change_record(ChangeState.APPLIED, START - DAY, 2)
    memory = replace(build_known_snapshot(), changes=(done, intent))
    duty = replace(CONFIG, mode=Mode.ALERT)
    scene, part = build_scene(memory, mode=Mode.ALERT, config=duty)
    assert reconcile_batch(scene, part, [build_finding()]).records == (
        replace(intent, state=ChangeState.SUPERSEDED, at=START, note="no longer allowed"),
    )


def test_what_is_inferred_says_so_in_the_record_and_in_the_case() -> None:
    intent = build_change_record(ChangeState.INTENDED, START - DAY)
    other = replace(
        CASE,
        key="f" * 32,
        object_id="b",
        notification=Notification.NONE,
        notified_at=START,
        is_one_off=False,
    )
    memory = replace(build_known_snapshot(), changes=(intent,))
    memory = replace(memory, cases={**memory.cases, other.key: other})
    scene, part = build_scene(memory, mode=Mode.ALERT, config=replace(CONFIG, mode=Mode.ALERT))
    noted = reconcile_batch(scene, part, [])
    assert noted.records == (
        replace(intent, state=ChangeState.INFERRED, at=START, note=INFERRED_NOTE),
    )
    ended = {case.key: (case.resolution, case.notification, case.note) for case in noted.cases}
    assert ended == {
        KEY: ("done", Notification.DONE, INFERRED_NOTE),
        other.key: ("gone", Notification.CLOSED, ""),
    }


# -- the whole ---------------------------------------------------------------------------------


def test_a_plan_that_is_held_makes_nothing_and_says_what_releases_it() -> None:
    plan = make_plan(build_scene(), MANY).plan
    assert (plan.records, plan.changes_to_apply, plan.released) == ((), (), False)
    assert plan.block_reason == "3 objects would be changed and a run may change 2"
    brake = next(case for case in plan.result.cases if case.kind == "brake")
    assert (brake.kind, brake.notification, plan.hash != "") == ("brake", Notification.OPENED, True)
    assert [one.finding.kind for one in plan.result.reported_findings] == ["brake"]


def test_a_plan_within_limits_is_not_held_and_released_by_nobody() -> None:
    plan = make_plan(build_scene(), [build_finding()]).plan
    assert (plan.block_reason, plan.hash, plan.released, plan.records) == (
        "",
        "",
        False,
        plan.changes_to_apply,
    )


def test_cases_that_ended_or_are_set_aside_want_nothing() -> None:
    cases = [
        replace(CASE, key="0" * 32, closed_at=START),
        replace(CASE, key="1" * 32, deferred_at=START),
        replace(CASE, key="2" * 32),
    ]
    scene, _ = build_scene(build_snapshot(*cases))
    ready = ("f" * 32, *(case.key for case in cases))
    plan = plan_changes(scene, ScanTotals(20, sources=frozenset({SURFACE}), ready_case_keys=ready))
    assert [record.case_key for record in plan.changes_to_apply] == [cases[2].key]


def test_what_was_lost_of_a_look_is_a_case_of_its_own() -> None:
    scene, _ = build_scene()
    plan = plan_changes(
        scene, ScanTotals(20, sources=frozenset({SURFACE}), abandoned_shards=("shard 3: HTTP 503",))
    )
    assert len(plan.result.cases) == 1
    assert "shard 3: HTTP 503" in str(plan.result.cases[0].facts)


def test_a_look_that_saw_all_is_remembered_and_its_round_is_over() -> None:
    state = replace(STATE, scan_pass=ScanPass("r", START, ScanTotals()))
    memory = GuardSnapshot(state=state)
    part = build_reading(
        sources=frozenset({"new", "blind"}), failures=(ReadFailure("blind", "HTTP 403"),)
    )
    after = make_plan(build_scene(memory, reading=part), []).plan.state
    assert after == replace(state, baselined_sources=frozenset({SURFACE, "new"}), scan_pass=None)
    larger = make_plan(build_scene(memory, reading=build_reading(population=21)), []).plan.state
    assert (larger.population, larger.scan_pass) == (21, None)
    partial = make_plan(
        build_scene(memory, reading=build_reading(99, complete=False)), []
    ).plan.state
    assert partial == replace(state, scan_pass=None)
    fallen = make_plan(build_scene(memory, reading=build_reading(1)), []).plan.state
    assert replace(fallen, listed_counts={}) == replace(state, scan_pass=None)


def test_no_exemption_of_an_object_silences_what_the_engine_says_of_itself() -> None:
    silencing = {name: Exemption(name, "me", "?", START + DAY) for name in ("state", "toy")}
    memory = GuardSnapshot(state=STATE, unreadable_rows=2, exemptions=silencing)
    plan = make_plan(build_scene(memory), MANY)
    kinds = {case.kind for case in plan.plan.result.cases}
    assert {"state-unreadable", "brake"} <= kinds


def own_case(**changes: Any) -> Case:
    """A case the engine opened about itself, whose reason is gone."""
    scene, _ = build_scene(GuardSnapshot(state=STATE, unreadable_rows=2))
    (case,) = make_plan((scene, build_reading()), []).plan.result.cases
    return replace(case, **changes)


def test_a_case_of_the_engine_that_nobody_heard_of_yet_is_told_at_its_end() -> None:
    plan = make_plan(build_scene(build_snapshot(own_case())), []).plan
    assert [(case.notification, case.closed_at) for case in plan.result.cases] == [
        (Notification.CLOSED, START)
    ]
    assert plan.result.cases_to_delete == ()
    quiet = own_case(notification=Notification.NONE)
    plan = make_plan(build_scene(build_snapshot(quiet)), []).plan
    assert (plan.result.cases, [case.key for case in plan.result.cases_to_delete]) == (
        (),
        [quiet.key],
    )
    told = own_case(notification=Notification.NONE, notified_at=START)
    plan = make_plan(build_scene(build_snapshot(told)), []).plan
    assert ([case.notification for case in plan.result.cases], plan.result.cases_to_delete) == (
        [Notification.CLOSED],
        (),
    )


def test_a_look_that_may_not_change_anything_leaves_the_brake_and_ends_what_is_over() -> None:
    held = make_plan(build_scene(), MANY).plan.result.cases
    (brake,) = (
        replace(case, notification=Notification.NONE, notified_at=START)
        for case in held
        if case.kind == "brake"
    )
    scene = build_scene(build_snapshot(brake, own_case()), mode=Mode.ALERT)
    ended = [case.kind for case in make_plan(scene, []).plan.result.cases]
    assert ended == ["state-unreadable"]
    scene = build_scene(build_snapshot(brake, own_case()))
    ended = [case.kind for case in make_plan(scene, []).plan.result.cases]
    assert sorted(ended) == ["brake", "state-unreadable"]


HALF = replace(
    build_change_record(ChangeState.INTENDED, START - DAY),
    kind="BlockSignIn",
    arguments={},
    run="dead",
)


def test_what_may_be_half_made_is_made_again_by_this_run() -> None:
    memory = replace(build_known_snapshot(), changes=(HALF,))
    assert make_plan(build_scene(memory), []).changes_to_apply == (replace(HALF, run="run"),)


def test_what_may_be_half_made_is_noted_as_made_when_the_brake_holds() -> None:
    memory = replace(build_known_snapshot(), changes=(HALF,))
    others = [build_finding(name) for name in "bcd"]
    stopped = make_plan(build_scene(memory), others).plan
    assert (stopped.changes_to_apply, stopped.block_reason != "") == ((), True)
    assert [(row.id, row.state) for row in stopped.result.records] == [("c1", ChangeState.INFERRED)]
    (ended,) = (case for case in stopped.result.cases if case.key == KEY)
    assert (ended.closed_at, ended.resolution, ended.notification) == (
        START,
        "done",
        Notification.DONE,
    )
    restrained = make_plan(build_scene(memory, mode=Mode.ALERT), others)
    assert (restrained.changes_to_apply, restrained.records) == ((), ())
    assert KEY not in [case.key for case in restrained.cases]


def test_the_brake_and_another_end_are_told_together() -> None:
    memory = replace(build_snapshot(own_case()), changes=(HALF,))
    memory = replace(memory, cases={**memory.cases, **build_known_snapshot().cases})
    plan = make_plan(build_scene(memory), [build_finding(name) for name in "bcd"]).plan
    ended = sorted(case.kind for case in plan.result.cases if case.closed_at)
    assert ended == ["forward", "state-unreadable"]


def test_a_plan_can_be_released_until_the_hour_is_over() -> None:
    held = make_plan(build_scene(), MANY)
    memory = build_snapshot(*held.cases)
    name = held.hash
    for age, released in ((HOUR, True), (HOUR + timedelta(seconds=1), False)):
        scene = build_scene(memory, now=START + age, run_options=RunOptions(plan=name, at=START))
        assert make_plan(scene, MANY).released is released


# -- what several objects share ----------------------------------------------------------------

SEVERAL = CorrelationRule(2, Severity.CRITICAL, Fact("", "several forward there"))
TOGETHER = replace(CONFIG, guard=replace(CONFIG.guard, correlation=SEVERAL))


def sharing(count: int, **changes: Any) -> list[Case]:
    base = replace(replace(CASE, notification=Notification.NONE, notified_at=START), **changes)
    return [replace(base, key=f"{n}" * 32, object_id=f"o{n}") for n in range(count)]


def raising(*cases: Case) -> Iterator[Case]:
    scene, _ = build_scene(build_snapshot(*cases), config=TOGETHER)
    return apply_correlation(scene)


def test_cases_that_share_with_enough_others_are_graver_and_that_is_news() -> None:
    assert list(raising(*sharing(1))) == []
    for case, before in zip(raising(*sharing(2)), sharing(2), strict=True):
        assert case == replace(
            before,
            escalated=True,
            severity=Severity.CRITICAL,
            facts=(*before.facts, Fact("", "several forward there")),
            notification=Notification.CHANGED,
        )


def test_one_that_is_not_told_or_was_as_grave_before_is_raised_without_a_word() -> None:
    assert [case.notification for case in raising(*sharing(2, notified_at=None))] == [
        Notification.NONE,
        Notification.NONE,
    ]
    grave = list(raising(*sharing(2, severity=Severity.CRITICAL)))
    assert [(case.escalated, case.notification) for case in grave] == [
        (True, Notification.NONE)
    ] * 2


def test_what_was_raised_once_is_not_raised_again_and_is_so_no_longer_when_alone() -> None:
    assert list(raising(*sharing(2, escalated=True))) == []
    (alone,) = raising(*sharing(1, escalated=True))
    assert alone == replace(sharing(1)[0], escalated=False)


def test_a_case_that_is_raised_while_its_change_waits_is_saved_as_both() -> None:
    found = [replace(one, correlations=(Correlation("shared", "shared"),)) for one in MANY]
    plan = make_plan(build_scene(config=TOGETHER), found)
    raised = [case for case in plan.plan.result.cases if case.kind == "forward"]
    assert [(case.held_since, case.escalated) for case in raised] == [(START, True)] * 3


def test_what_is_shared_loosely_raises_nothing() -> None:
    loose = Correlation("shared", "shared", is_loose=True)
    assert list(raising(*(replace(one, correlations=(loose,)) for one in sharing(3)))) == []
    mixed = [replace(one, correlations=(loose, *one.correlations)) for one in sharing(2)]
    assert [case.escalated for case in raising(*mixed)] == [True, True]


def test_only_open_cases_of_other_objects_count_as_others() -> None:
    one, two = sharing(2)
    assert list(raising(one, replace(two, object_id=one.object_id))) == []
    assert list(raising(one, replace(two, closed_at=START))) == []
    assert (
        list(raising(one, replace(two, correlations=(Correlation("elsewhere", "elsewhere"),))))
        == []
    )
    scene, _ = build_scene(build_snapshot(one, two))
    assert list(apply_correlation(scene)) == []


def test_a_case_that_was_raised_stays_so_while_it_shares_anything() -> None:
    scene, _ = build_scene(config=TOGETHER)
    (old,) = sharing(1, escalated=True, severity=Severity.CRITICAL)
    case = update_case(scene, old, FULL)
    assert (case.escalated, case.severity) == (True, Severity.CRITICAL)
    assert case.facts == (Fact("", "to x@evil.example"), Fact("", "several forward there"))
    alone = update_case(scene, old, replace(FULL, correlations=()))
    assert (alone.escalated, alone.severity, alone.facts) == (False, Severity.HIGH, FULL.facts)
    modest = update_case(
        replace(scene, config=replace(TOGETHER)), replace(old, escalated=False), FULL
    )
    assert (modest.escalated, modest.severity) == (False, Severity.HIGH)


# -- what came of changes ----------------------------------------------------------------------

INTENT = build_change_record(ChangeState.INTENDED, START)
MADE = Outcome(KEY, "a", INTENT.kind, ChangeState.APPLIED, "made", before={"was": 1})


def test_a_change_that_was_made_is_recorded_with_what_was_before_and_closes_its_case() -> None:
    (row,), case = record_outcomes(CASE, [(INTENT, MADE)], START + HOUR)
    assert row == replace(
        INTENT, state=ChangeState.APPLIED, at=START + HOUR, note="made", before={"was": 1}
    )
    assert case == replace(
        CASE,
        closed_at=START + HOUR,
        resolution="done",
        notification=Notification.DONE,
        note="made",
        untold_change_at=START + HOUR,
    )


def test_what_the_first_attempt_saw_before_it_is_not_overwritten_by_the_second() -> None:
    (row,), _ = record_outcomes(CASE, [(replace(INTENT, before={"first": 1}), MADE)], START)
    assert row.before == {"first": 1}


def test_a_change_that_failed_half_way_stays_intended() -> None:
    failed = replace(MADE, state=ChangeState.FAILED, note="HTTP 503")
    (row,), case = record_outcomes(CASE, [(INTENT, failed)], START)
    assert (row.state, row.note, row.before) == (ChangeState.INTENDED, "HTTP 503", {"was": 1})
    assert case
    assert (case.failure_count, case.note, case.closed_at) == (1, "HTTP 503", None)


def test_changes_that_turned_out_moot_say_nothing_of_their_case() -> None:
    moot = replace(MADE, state=ChangeState.SUPERSEDED)
    rows, case = record_outcomes(CASE, [(INTENT, moot)], START)
    assert ([row.state for row in rows], case) == ([ChangeState.SUPERSEDED], CASE)
    _, made = record_outcomes(CASE, [(INTENT, moot), (INTENT, MADE)], START)
    assert made
    assert made.resolution == "done"


def test_changes_without_a_case_are_recorded_all_the_same() -> None:
    rows, case = record_outcomes(None, [(INTENT, MADE)], START)
    assert ([row.state for row in rows], case) == ([ChangeState.APPLIED], None)


def test_of_several_outcomes_the_case_tells_the_gravest() -> None:
    states = (ChangeState.APPLIED, ChangeState.FAILED, ChangeState.REFUSED)
    outcomes = [Outcome(KEY, "a", "k", state, f"it was {state}") for state in states]
    _, case = record_outcomes(CASE, [(INTENT, one) for one in outcomes], START)
    assert case
    assert case.note == "it was refused"
    assert sorted(outcomes, key=rank_outcome) == outcomes[::-1]


def test_a_refusal_for_a_known_reason_is_set_aside_at_once_and_any_other_is_counted() -> None:
    refused = replace(MADE, state=ChangeState.REFUSED, note="no")
    unknown = [replace(refused, verdict=verdict) for verdict in (None, Verdict.REFUSED)]
    for outcome in unknown:
        _, case = record_outcomes(CASE, [(INTENT, outcome)], START)
        assert case == replace(CASE, failure_count=1, note="no")
    reason = replace(refused, verdict=Verdict.PROTECTED)
    _, case = record_outcomes(
        replace(CASE, notified_at=START), [(INTENT, unknown[0]), (INTENT, reason)], START
    )
    assert case
    assert (case.verdict, case.deferred_at, case.failure_count) == (Verdict.PROTECTED, START, 0)


def test_a_missing_permission_is_told_again_when_it_is_another() -> None:
    blocked = Outcome(KEY, "a", "k", ChangeState.FAILED, "grant X", lacks_permission=True)
    told = replace(CASE, notification=Notification.NONE, notified_at=START, note="grant X")
    assert record_outcomes(told, [(INTENT, blocked)], START)[1] == told
    other = replace(blocked, note="grant Y")
    _, case = record_outcomes(told, [(INTENT, other)], START)
    assert case == replace(told, notification=Notification.CHANGED, note="grant Y")


@pytest.mark.parametrize(
    ("state", "verdict"),
    [(ChangeState.FAILED, Verdict.FAILED), (ChangeState.REFUSED, Verdict.REFUSED)],
)
def test_the_third_failure_leaves_the_case_to_a_person(state: ChangeState, verdict: str) -> None:
    told = replace(CASE, notification=Notification.NONE, notified_at=START, failure_count=1)
    outcome = Outcome(KEY, "a", "k", state, "HTTP 503")
    _, second = record_outcomes(told, [(INTENT, outcome)], START)
    assert second
    assert (second.failure_count, second.deferred_at) == (2, None)
    _, third = record_outcomes(second, [(INTENT, outcome)], START + HOUR)
    assert third == replace(
        second,
        failure_count=3,
        verdict=verdict,
        deferred_at=START + HOUR,
        notification=Notification.CHANGED,
    )
