"""What the engine decides, to the last field: what it writes down, tallies and leaves as it is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.engine.decide import (
    INFERRED,
    conclude,
    continued,
    gravity,
    merged,
    note,
    opened,
    raised,
    settle,
    wished,
    wishes,
    with_news,
)
from core.keys import PLACE, digest
from core.model.cases import Case, Exemption, News
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Finding, Several, Severity, Verdict
from core.model.guards import Mode
from core.model.requests import Request
from core.model.runs import Reported
from core.model.state import GuardState, Memory, Round, Tally
from core.tenant.changes import ClearMailboxForward, EnableOrganizationAudit, ResetAuditSet
from core.tenant.readings import Reading, Unread
from tests.support.fakes.world import START
from tests.unit.engine.test_decide import (
    DAY,
    DUTY,
    KEY,
    MANY,
    STATE,
    SURFACE,
    changed,
    finding,
    known,
    make_plan,
    only,
    reading,
    situation,
)

HOUR = timedelta(hours=1)
FULL = finding(
    facts=("to x@evil.example",), advice="Ask them.", shared=("x@evil.example",), event=True
)
CASE = Case(
    key=KEY,
    kind="forward",
    object_id="a",
    subject="a@example.com",
    severity=Severity.HIGH,
    judged=Verdict.EXTERNAL,
    verdict=Verdict.EXTERNAL,
    summary="a forwards.",
    opened=START,
    facts=("to x@evil.example",),
    advice="Ask them.",
    surfaces=(SURFACE,),
    news=News.OPENED,
    wanted=(json.dumps(["ClearMailboxForward", {"mailbox_guid": "a"}]),),
    shared=("x@evil.example",),
    event=True,
)


def remembering(*cases: Case, state: GuardState = STATE) -> Memory:
    return Memory(cases={case.key: case for case in cases}, state=state)


# -- a case ------------------------------------------------------------------------------------


def test_a_new_case_holds_all_that_its_finding_says() -> None:
    scene, part = situation()
    assert note(scene, part, [FULL]).cases == (CASE,)


def test_a_case_of_the_first_look_is_adopted_and_one_of_the_engine_is_not() -> None:
    first, _ = situation(Memory())
    assert opened(first, KEY, FULL, own=False) == replace(CASE, adopted=True)
    assert opened(first, KEY, FULL, own=True) == CASE
    patient = replace(FULL, patience=1)
    assert opened(first, KEY, patient, own=True) == replace(CASE, news=News.NONE)


def test_an_open_case_is_brought_up_to_date_without_a_word() -> None:
    old = replace(CASE, news=News.NONE, told=START, note="kept", failures=1)
    now = replace(
        FULL,
        subject="b@example.com",
        summary="b forwards.",
        facts=("since today",),
        advice="Ask somebody else.",
        surfaces=("other",),
        changes=(),
        shared=("y@evil.example",),
    )
    scene, _ = situation(now=START + DAY)
    assert continued(scene, old, now) == replace(
        old,
        subject="b@example.com",
        summary="b forwards.",
        facts=("since today",),
        advice="Ask somebody else.",
        surfaces=("other",),
        wanted=(),
        shared=("y@evil.example",),
    )


def test_a_lesser_severity_is_written_down_and_is_no_news() -> None:
    old = replace(CASE, news=News.NONE, told=START)
    scene, _ = situation()
    case = continued(scene, old, replace(FULL, severity=Severity.LOW))
    assert (case.severity, case.news) == (Severity.LOW, News.NONE)


def test_who_acknowledged_a_case_is_asked_again_when_it_changes() -> None:
    old = replace(CASE, news=News.NONE, told=START, acknowledged=START, acknowledged_by="Dana")
    later, _ = situation(now=START + 30 * DAY)
    assert continued(later, old, FULL) == old
    graver = continued(later, old, replace(FULL, severity=Severity.CRITICAL))
    assert (graver.news, graver.acknowledged, graver.acknowledged_by) == (News.CHANGED, None, "")


def test_another_verdict_gives_a_case_that_was_set_aside_another_chance() -> None:
    old = replace(
        CASE,
        news=News.NONE,
        told=START,
        verdict=Verdict.FAILED,
        set_aside=START,
        failures=3,
    )
    scene, _ = situation(now=START + HOUR)
    case = continued(scene, old, replace(FULL, verdict=Verdict.ASK))
    assert (case.judged, case.verdict) == (Verdict.ASK, Verdict.ASK)
    assert (case.set_aside, case.failures, case.news) == (None, 0, News.CHANGED)


def test_after_a_week_a_case_that_was_set_aside_is_as_it_was_judged() -> None:
    old = replace(
        CASE,
        news=News.NONE,
        told=START + 6 * DAY,
        verdict=Verdict.FAILED,
        set_aside=START,
        failures=3,
    )
    before, _ = situation(now=START + 7 * DAY - HOUR)
    assert continued(before, old, FULL) == old
    after, _ = situation(now=START + 7 * DAY)
    assert continued(after, old, FULL) == replace(
        old, verdict=Verdict.EXTERNAL, set_aside=None, failures=0
    )


@pytest.mark.parametrize(
    ("had", "told", "brought", "news"),
    [
        (News.OPENED, False, News.CHANGED, News.OPENED),
        (News.NONE, False, News.CHANGED, News.OPENED),
        (News.NONE, True, News.CHANGED, News.CHANGED),
        (News.NONE, False, News.DONE, News.DONE),
        (News.REMINDER, True, News.CHANGED, News.CHANGED),
    ],
)
def test_a_case_nobody_heard_of_is_told_as_opened(
    had: News, told: bool, brought: News, news: News
) -> None:
    case = replace(CASE, news=had, told=START if told else None)
    assert with_news(case, brought) == replace(case, news=news)


def test_sightings_are_counted_until_the_case_is_told() -> None:
    patient = replace(FULL, patience=2)
    scene, part = situation()
    (case,) = note(scene, part, [patient]).cases
    seen = []
    for _ in range(3):
        case = continued(scene, case, patient)
        seen.append((case.sightings, case.news))
    assert seen == [(2, News.NONE), (3, News.OPENED), (3, News.OPENED)]


def test_an_untold_case_waits_and_one_that_waited_long_enough_is_known() -> None:
    patient = replace(FULL, patience=1)
    first = make_plan(situation(mode=Mode.ALERT), [patient])
    assert first.reported[0].state == "waiting"
    then = make_plan(situation(remembering(only(first)), mode=Mode.ALERT), [patient])
    assert then.reported[0].state == "known"


def test_what_is_back_before_anybody_heard_that_it_was_over_goes_on() -> None:
    patient = replace(FULL, patience=2)
    first = only(make_plan(situation(mode=Mode.ALERT), [patient]))
    known = replace(first, told=START, sightings=3, news=News.NONE)
    over = replace(known, closed=START, closing="gone", news=News.CLOSED)
    unheard = make_plan(situation(remembering(over), mode=Mode.ALERT), [patient])
    assert (only(unheard), unheard.reported[0].state) == (known, "known")
    heard = make_plan(
        situation(remembering(replace(over, news=News.NONE)), mode=Mode.ALERT), [patient]
    )
    assert (only(heard).told, heard.reported[0].state) == (None, "waiting")
    at_once = make_plan(situation(remembering(over), mode=Mode.ALERT), [FULL])
    assert (only(at_once).news, at_once.reported[0].state) == (News.OPENED, "new")


def test_what_a_case_wants_can_be_read_again_and_what_is_not_understood_is_nothing() -> None:
    wants = replace(FULL, changes=(ClearMailboxForward("a"), EnableOrganizationAudit()))
    assert wished(replace(CASE, wanted=wishes(wants))) == wants.changes
    (wanted,) = wishes(replace(FULL, changes=(ResetAuditSet("g", ("Owner",)),)))
    names = list(json.loads(wanted)[1])
    assert names == sorted(names)
    assert wished(replace(CASE, wanted=('["AnotherVersions", {}]',))) == ()


# -- findings of one key -----------------------------------------------------------------------

MILD = finding(
    summary="mild",
    severity=Severity.LOW,
    facts=("both", "mild"),
    shared=("both", "m"),
    changes=(ClearMailboxForward("a"), ClearMailboxForward("m")),
)
GRAVE = finding(
    summary="grave",
    facts=("grave", "both"),
    shared=("g", "both"),
    changes=(ClearMailboxForward("g"), ClearMailboxForward("a")),
)


@pytest.mark.parametrize("order", [(MILD, GRAVE), (GRAVE, MILD)], ids=["mild first", "grave first"])
def test_findings_of_one_key_become_the_gravest_with_everything_of_all_once(
    order: tuple[Finding, ...],
) -> None:
    scene, _ = situation()
    assert merged(scene, order) == {
        KEY: replace(
            GRAVE,
            facts=("grave", "both", "mild"),
            shared=("g", "both", "m"),
            changes=tuple(map(ClearMailboxForward, ("g", "a", "m"))),
        )
    }


def test_of_findings_as_grave_as_each_other_the_first_speaks() -> None:
    scene, _ = situation()
    two = merged(scene, [finding(summary="first"), finding(summary="second")])
    assert two[KEY].summary == "first"


def test_beside_a_row_nobody_understands_the_finding_has_one_of_its_own() -> None:
    scene, part = situation(Memory(state=STATE, strange=frozenset({KEY})))
    (case,) = note(scene, part, [finding()]).cases
    assert case.key == KEY[:PLACE] + digest("beside", KEY)[PLACE:]


# -- a part ------------------------------------------------------------------------------------


def test_what_a_part_comes_to_is_tallied() -> None:
    blind = Unread("other", "refused", permission="X.Read")
    unread = (blind, Unread(SURFACE, "503", "b", "b@x"), Unread(SURFACE, "504", "b", "b@x"))
    part = Reading[object](
        unread=unread,
        surfaces=frozenset({SURFACE, "other", "half"}),
        partly={"half": frozenset({"a"})},
        population=7,
        complete=False,
    )
    scene, _ = situation()
    noted = note(scene, part, [finding(), finding("n", severity=Severity.INFO)])
    assert noted.tally == Tally(
        population=7,
        unread=len(part.unread_objects),
        surfaces=frozenset({SURFACE, "other"}),
        blind=(blind,),
        complete=False,
        ready=(KEY,),
        notes=1,
    )


def test_what_is_known_or_may_not_be_changed_is_not_ready_in_alert_mode() -> None:
    scene, part = situation(mode=Mode.ALERT)
    assert note(scene, part, [finding()]).tally.ready == ()
    enforcing, part = situation()
    assert note(enforcing, part, [finding(changes=())]).tally.ready == ()


def test_only_what_is_new_is_adopted() -> None:
    scene, part = situation(Memory())
    first = note(scene, part, [finding()])
    assert first.adopted
    again, _ = situation(remembering(*first.cases, state=GuardState()))
    assert not note(again, part, [finding()]).adopted
    ordinary, _ = situation()
    assert not note(ordinary, part, [finding()]).adopted


def test_the_first_look_reports_what_it_adopts_and_prepares_it_only_while_enforcing() -> None:
    scene, part = situation(Memory())
    noted = note(scene, part, [finding()])
    assert ([one.state for one in noted.reported], noted.tally.ready) == (["adopted"], (KEY,))
    memory = remembering(*noted.cases, state=GuardState())
    again, _ = situation(memory)
    assert [one.state for one in note(again, part, [finding()]).reported] == ["known"]
    alerting, _ = situation(Memory(), mode=Mode.ALERT)
    assert note(alerting, part, [finding()]).tally.ready == ()


def test_what_is_still_settling_is_no_note() -> None:
    ended = replace(CASE, closed=START, closing="done")
    memory = replace(remembering(ended), changes=(changed(ChangeState.APPLIED, START),))
    scene, part = situation(memory, now=START + timedelta(minutes=1))
    noted = note(scene, part, [finding()])
    assert ([one.state for one in noted.reported], noted.tally.notes) == (["settling"], 0)


def test_a_case_that_an_earlier_part_showed_does_not_end_by_a_later_one() -> None:
    scene, part = situation(known())
    assert note(scene, part, [], found={KEY}).cases == ()
    assert [case.key for case in note(scene, part, []).cases] == [KEY]


def test_a_listing_that_is_not_trusted_ends_only_what_it_names() -> None:
    scene, part = situation(known())
    assert note(scene, part, [], trusted=False).cases == ()
    named = replace(part, scope=frozenset({"a"}))
    assert [case.key for case in note(scene, named, [], trusted=False).cases] == [KEY]


def test_the_end_of_a_case_nobody_heard_of_is_forgotten_in_both_places() -> None:
    quiet = replace(CASE, news=News.NONE, event=False)
    scene, part = situation(remembering(quiet))
    noted = note(scene, part, [])
    assert (noted.cases, [case.key for case in noted.forget]) == ((), [KEY])
    heard = replace(quiet, told=START)
    noted = note(replace(scene, memory=remembering(heard)), part, [])
    assert ([case.key for case in noted.cases], noted.forget) == ([KEY], ())
    waiting = replace(quiet, news=News.OPENED)
    noted = note(replace(scene, memory=remembering(waiting)), part, [])
    assert ([case.news for case in noted.cases], noted.forget) == ([News.CLOSED], ())


# -- exemptions --------------------------------------------------------------------------------


def test_an_exemption_of_an_object_is_none_of_what_the_engine_says_of_itself() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    scene, _ = situation(Memory(state=STATE, exemptions={"a": exemption}))
    assert scene.exempt(KEY, finding(), own=False) == START + DAY
    assert scene.exempt(KEY, finding(), own=True) is None
    ended = replace(scene, now=START + DAY)
    assert ended.exempt(KEY, finding(), own=False) is None


def test_an_exempt_finding_without_an_open_case_makes_none() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    for cases in ((), (replace(CASE, closed=START),)):
        memory = replace(remembering(*cases), exemptions={"a": exemption})
        scene, part = situation(memory)
        noted = note(scene, part, [finding()])
        assert noted.cases == ()
        assert noted.reported == (
            Reported(KEY, finding(), "exempt", Verdict.EXTERNAL, START + DAY),
        )


def test_the_case_of_an_exempt_finding_ends_now_and_without_a_word() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    memory = replace(remembering(CASE), exemptions={"a": exemption})
    scene, part = situation(memory, now=START + HOUR)
    ended = replace(CASE, closed=START + HOUR, closing="exempt", news=News.NONE)
    assert note(scene, part, [finding()]).cases == (ended,)


def test_that_an_exempt_object_cannot_be_read_is_told_all_the_same() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    memory = Memory(state=STATE, exemptions={"a": exemption})
    part = reading(unread=(Unread(SURFACE, "HTTP 503", "a", "a@x"),))
    scene, _ = situation(memory)
    assert len(note(scene, part, []).cases) == 1


# -- changes -----------------------------------------------------------------------------------


def test_an_intent_says_what_is_changed_for_whom_and_by_which_run() -> None:
    plan = make_plan(situation(), [finding()])
    assert plan.act == (
        ChangeRecord(
            id=KEY[:PLACE] + digest("run", KEY, 0)[PLACE:],
            case=KEY,
            subject="a@example.com",
            kind="ClearMailboxForward",
            arguments={"mailbox_guid": "a"},
            state=ChangeState.INTENDED,
            at=START,
            run="run",
        ),
    )


def test_no_two_intents_of_a_run_have_one_id() -> None:
    two = finding(changes=(ClearMailboxForward("a"), ClearMailboxForward("b")))
    plan = make_plan(situation(), [two])
    assert len({record.id for record in plan.act}) == 2


def test_all_that_a_dead_run_intended_for_a_case_is_taken_up_once_by_this_run() -> None:
    waiting = (
        changed(ChangeState.INTENDED, START, 1),
        changed(ChangeState.INTENDED, START, 2),
        changed(ChangeState.APPLIED, START - 30 * DAY, 3),
        replace(changed(ChangeState.INTENDED, START, 4), restores="c0"),
        replace(changed(ChangeState.INTENDED, START, 5), case="another"),
    )
    two = finding(changes=(ClearMailboxForward("a"), ClearMailboxForward("b")))
    plan = make_plan(situation(replace(known(), changes=waiting)), [two, finding("z")])
    mine = [(record.id, record.run) for record in plan.act if record.case == KEY]
    assert mine == [("c1", "run"), ("c2", "run")]
    assert len(plan.act) == 3


def test_a_change_a_person_took_back_does_not_make_a_case_contested() -> None:
    made = (
        replace(changed(ChangeState.APPLIED, START, 1), undone=START),
        changed(ChangeState.APPLIED, START, 2),
    )
    plan = make_plan(situation(replace(known(), changes=made), now=START + DAY), [finding()])
    assert len(plan.act) == 1


def test_changes_of_a_week_ago_no_longer_make_a_case_contested() -> None:
    made = tuple(changed(ChangeState.APPLIED, START, number) for number in (1, 2))
    memory = Memory(state=STATE, changes=made)
    for age, contested in ((7 * DAY - HOUR, True), (7 * DAY, False)):
        plan = make_plan(situation(memory, now=START + age), [finding()])
        assert (only(plan).verdict is Verdict.CONTESTED) is contested


def test_what_only_may_no_longer_be_changed_is_given_up_with_a_word() -> None:
    intent = changed(ChangeState.INTENDED, START - DAY)
    done = changed(ChangeState.APPLIED, START - DAY, 2)
    memory = replace(known(), changes=(done, intent))
    duty = replace(DUTY, mode=Mode.ALERT)
    scene, part = situation(memory, mode=Mode.ALERT, duty=duty)
    assert note(scene, part, [finding()]).records == (
        replace(intent, state=ChangeState.MOOT, at=START, note="no longer allowed"),
    )


def test_what_is_inferred_says_so_in_the_record_and_in_the_case() -> None:
    intent = changed(ChangeState.INTENDED, START - DAY)
    other = replace(CASE, key="f" * 32, object_id="b", news=News.NONE, told=START, event=False)
    memory = replace(known(), changes=(intent,))
    memory = replace(memory, cases={**memory.cases, other.key: other})
    scene, part = situation(memory, mode=Mode.ALERT, duty=replace(DUTY, mode=Mode.ALERT))
    noted = note(scene, part, [])
    assert noted.records == (replace(intent, state=ChangeState.INFERRED, at=START, note=INFERRED),)
    ended = {case.key: (case.closing, case.news, case.note) for case in noted.cases}
    assert ended == {
        KEY: ("done", News.DONE, INFERRED),
        other.key: ("gone", News.CLOSED, ""),
    }


# -- the whole ---------------------------------------------------------------------------------


def test_a_plan_that_is_held_makes_nothing_and_says_what_releases_it() -> None:
    plan = make_plan(situation(), MANY).plan
    assert (plan.records, plan.act, plan.released) == ((), (), False)
    assert plan.held == "3 changes are wanted and a run may make 2"
    (brake,) = plan.noted.cases
    assert (brake.kind, brake.news, plan.hash != "") == ("brake", News.OPENED, True)
    assert [one.finding.kind for one in plan.noted.reported] == ["brake"]


def test_a_plan_within_limits_is_not_held_and_released_by_nobody() -> None:
    plan = make_plan(situation(), [finding()]).plan
    assert (plan.held, plan.hash, plan.released, plan.records) == ("", "", False, plan.act)


def test_cases_that_ended_or_are_set_aside_want_nothing() -> None:
    cases = [
        replace(CASE, key="0" * 32, closed=START),
        replace(CASE, key="1" * 32, set_aside=START),
        replace(CASE, key="2" * 32),
    ]
    scene, _ = situation(remembering(*cases))
    ready = ("f" * 32, *(case.key for case in cases))
    plan = settle(scene, Tally(20, surfaces=frozenset({SURFACE}), ready=ready))
    assert [record.case for record in plan.act] == [cases[2].key]


def test_what_was_lost_of_a_look_is_a_case_of_its_own() -> None:
    scene, _ = situation()
    plan = settle(scene, Tally(20, surfaces=frozenset({SURFACE}), lost=("shard 3: HTTP 503",)))
    assert len(plan.noted.cases) == 1
    assert "shard 3: HTTP 503" in str(plan.noted.cases[0].facts)


def test_a_look_that_saw_all_is_remembered_and_its_round_is_over() -> None:
    state = replace(STATE, round=Round("r", START, Tally()))
    memory = Memory(state=state)
    part = reading(surfaces=frozenset({"new", "blind"}), unread=(Unread("blind", "HTTP 403"),))
    after = make_plan(situation(memory, reading=part), []).plan.state
    assert after == replace(state, adopted=frozenset({SURFACE, "new"}), round=None)
    larger = make_plan(situation(memory, reading=reading(population=21)), []).plan.state
    assert (larger.population, larger.round) == (21, None)
    partial = make_plan(situation(memory, reading=reading(99, complete=False)), []).plan.state
    assert partial == replace(state, round=None)
    fallen = make_plan(situation(memory, reading=reading(1)), []).plan.state
    assert fallen == replace(state, round=None)


def test_no_exemption_of_an_object_silences_what_the_engine_says_of_itself() -> None:
    silencing = {name: Exemption(name, "me", "?", START + DAY) for name in ("state", "toy")}
    memory = Memory(state=STATE, poisoned=2, exemptions=silencing)
    plan = make_plan(situation(memory), MANY)
    kinds = {case.kind for case in plan.plan.noted.cases}
    assert {"state-unreadable", "brake"} <= kinds


def own_case(**changes: Any) -> Case:
    """A case the engine opened about itself, whose reason is gone."""
    scene, _ = situation(Memory(state=STATE, poisoned=2))
    (case,) = make_plan((scene, reading()), []).plan.noted.cases
    return replace(case, **changes)


def test_a_case_of_the_engine_that_nobody_heard_of_yet_is_told_at_its_end() -> None:
    plan = make_plan(situation(remembering(own_case())), []).plan
    assert [(case.news, case.closed) for case in plan.noted.cases] == [(News.CLOSED, START)]
    assert plan.noted.forget == ()
    quiet = own_case(news=News.NONE)
    plan = make_plan(situation(remembering(quiet)), []).plan
    assert (plan.noted.cases, [case.key for case in plan.noted.forget]) == ((), [quiet.key])
    told = own_case(news=News.NONE, told=START)
    plan = make_plan(situation(remembering(told)), []).plan
    assert ([case.news for case in plan.noted.cases], plan.noted.forget) == ([News.CLOSED], ())


def test_a_look_that_may_not_change_anything_leaves_the_brake_and_ends_what_is_over() -> None:
    held = make_plan(situation(), MANY).plan.noted.cases
    (brake,) = (replace(case, news=News.NONE, told=START) for case in held)
    scene = situation(remembering(brake, own_case()), mode=Mode.ALERT)
    ended = [case.kind for case in make_plan(scene, []).plan.noted.cases]
    assert ended == ["state-unreadable"]
    scene = situation(remembering(brake, own_case()))
    ended = [case.kind for case in make_plan(scene, []).plan.noted.cases]
    assert sorted(ended) == ["brake", "state-unreadable"]


HALF = replace(
    changed(ChangeState.INTENDED, START - DAY), kind="BlockSignIn", arguments={}, run="dead"
)


def test_what_may_be_half_made_is_made_again_by_this_run() -> None:
    memory = replace(known(), changes=(HALF,))
    assert make_plan(situation(memory), []).act == (replace(HALF, run="run"),)


def test_what_may_be_half_made_is_noted_as_made_when_the_brake_holds() -> None:
    memory = replace(known(), changes=(HALF,))
    others = [finding(name) for name in "bcd"]
    stopped = make_plan(situation(memory), others).plan
    assert (stopped.act, stopped.held != "") == ((), True)
    assert [(row.id, row.state) for row in stopped.noted.records] == [("c1", ChangeState.INFERRED)]
    (ended,) = (case for case in stopped.noted.cases if case.key == KEY)
    assert (ended.closed, ended.closing, ended.news) == (START, "done", News.DONE)
    restrained = make_plan(situation(memory, mode=Mode.ALERT), others)
    assert (restrained.act, restrained.records) == ((), ())
    assert KEY not in [case.key for case in restrained.cases]


def test_the_brake_and_another_end_are_told_together() -> None:
    memory = replace(remembering(own_case()), changes=(HALF,))
    memory = replace(memory, cases={**memory.cases, **known().cases})
    plan = make_plan(situation(memory), [finding(name) for name in "bcd"]).plan
    ended = sorted(case.kind for case in plan.noted.cases if case.closed)
    assert ended == ["forward", "state-unreadable"]


def test_a_plan_can_be_released_until_the_hour_is_over() -> None:
    held = make_plan(situation(), MANY)
    memory = remembering(*held.cases)
    name = held.hash
    for age, released in ((HOUR, True), (HOUR + timedelta(seconds=1), False)):
        scene = situation(memory, now=START + age, request=Request(plan=name, at=START))
        assert make_plan(scene, MANY).released is released


# -- what several objects share ----------------------------------------------------------------

SEVERAL = Several(2, Severity.CRITICAL, "several forward there")
TOGETHER = replace(DUTY, guard=replace(DUTY.guard, several=SEVERAL))


def sharing(count: int, **changes: Any) -> list[Case]:
    base = replace(replace(CASE, news=News.NONE, told=START), **changes)
    return [replace(base, key=f"{n}" * 32, object_id=f"o{n}") for n in range(count)]


def raising(*cases: Case) -> Iterator[Case]:
    scene, _ = situation(remembering(*cases), duty=TOGETHER)
    return raised(scene)


def test_cases_that_share_with_enough_others_are_graver_and_that_is_news() -> None:
    assert list(raising(*sharing(1))) == []
    for case, before in zip(raising(*sharing(2)), sharing(2), strict=True):
        assert case == replace(
            before,
            raised=True,
            severity=Severity.CRITICAL,
            facts=(*before.facts, "several forward there"),
            news=News.CHANGED,
        )


def test_one_that_is_not_told_or_was_as_grave_before_is_raised_without_a_word() -> None:
    assert [case.news for case in raising(*sharing(2, told=None))] == [News.NONE, News.NONE]
    grave = list(raising(*sharing(2, severity=Severity.CRITICAL)))
    assert [(case.raised, case.news) for case in grave] == [(True, News.NONE)] * 2


def test_what_was_raised_once_is_not_raised_again_and_is_so_no_longer_when_alone() -> None:
    assert list(raising(*sharing(2, raised=True))) == []
    (alone,) = raising(*sharing(1, raised=True))
    assert alone == replace(sharing(1)[0], raised=False)


def test_only_open_cases_of_other_objects_count_as_others() -> None:
    one, two = sharing(2)
    assert list(raising(one, replace(two, object_id=one.object_id))) == []
    assert list(raising(one, replace(two, closed=START))) == []
    assert list(raising(one, replace(two, shared=("elsewhere",)))) == []
    scene, _ = situation(remembering(one, two))
    assert list(raised(scene)) == []


def test_a_case_that_was_raised_stays_so_while_it_shares_anything() -> None:
    scene, _ = situation(duty=TOGETHER)
    (old,) = sharing(1, raised=True, severity=Severity.CRITICAL)
    case = continued(scene, old, FULL)
    assert (case.raised, case.severity) == (True, Severity.CRITICAL)
    assert case.facts == ("to x@evil.example", "several forward there")
    alone = continued(scene, old, replace(FULL, shared=()))
    assert (alone.raised, alone.severity, alone.facts) == (False, Severity.HIGH, FULL.facts)
    modest = continued(replace(scene, duty=replace(TOGETHER)), replace(old, raised=False), FULL)
    assert (modest.raised, modest.severity) == (False, Severity.HIGH)


# -- what came of changes ----------------------------------------------------------------------

INTENT = changed(ChangeState.INTENDED, START)
MADE = Outcome(KEY, "a", INTENT.kind, ChangeState.APPLIED, "made", before={"was": 1})


def test_a_change_that_was_made_is_recorded_with_what_was_before_and_closes_its_case() -> None:
    (row,), case = conclude(CASE, [(INTENT, MADE)], START + HOUR)
    assert row == replace(
        INTENT, state=ChangeState.APPLIED, at=START + HOUR, note="made", before={"was": 1}
    )
    assert case == replace(CASE, closed=START + HOUR, closing="done", news=News.DONE, note="made")


def test_what_the_first_attempt_saw_before_it_is_not_overwritten_by_the_second() -> None:
    (row,), _ = conclude(CASE, [(replace(INTENT, before={"first": 1}), MADE)], START)
    assert row.before == {"first": 1}


def test_a_change_that_failed_half_way_stays_intended() -> None:
    failed = replace(MADE, state=ChangeState.FAILED, note="HTTP 503")
    (row,), case = conclude(CASE, [(INTENT, failed)], START)
    assert (row.state, row.note, row.before) == (ChangeState.INTENDED, "HTTP 503", {"was": 1})
    assert case
    assert (case.failures, case.note, case.closed) == (1, "HTTP 503", None)


def test_changes_that_turned_out_moot_say_nothing_of_their_case() -> None:
    moot = replace(MADE, state=ChangeState.MOOT)
    rows, case = conclude(CASE, [(INTENT, moot)], START)
    assert ([row.state for row in rows], case) == ([ChangeState.MOOT], CASE)
    _, made = conclude(CASE, [(INTENT, moot), (INTENT, MADE)], START)
    assert made
    assert made.closing == "done"


def test_changes_without_a_case_are_recorded_all_the_same() -> None:
    rows, case = conclude(None, [(INTENT, MADE)], START)
    assert ([row.state for row in rows], case) == ([ChangeState.APPLIED], None)


def test_of_several_outcomes_the_case_tells_the_gravest() -> None:
    states = (ChangeState.APPLIED, ChangeState.FAILED, ChangeState.REFUSED)
    outcomes = [Outcome(KEY, "a", "k", state, f"it was {state}") for state in states]
    _, case = conclude(CASE, [(INTENT, one) for one in outcomes], START)
    assert case
    assert case.note == "it was refused"
    assert sorted(outcomes, key=gravity) == outcomes[::-1]


def test_a_refusal_for_a_known_reason_is_set_aside_at_once_and_any_other_is_counted() -> None:
    refused = replace(MADE, state=ChangeState.REFUSED, note="no")
    unknown = [replace(refused, verdict=verdict) for verdict in (None, Verdict.REFUSED)]
    for outcome in unknown:
        _, case = conclude(CASE, [(INTENT, outcome)], START)
        assert case == replace(CASE, failures=1, note="no")
    reason = replace(refused, verdict=Verdict.PROTECTED)
    _, case = conclude(replace(CASE, told=START), [(INTENT, unknown[0]), (INTENT, reason)], START)
    assert case
    assert (case.verdict, case.set_aside, case.failures) == (Verdict.PROTECTED, START, 0)


def test_a_missing_permission_is_told_again_when_it_is_another() -> None:
    blocked = Outcome(KEY, "a", "k", ChangeState.FAILED, "grant X", blocked=True)
    told = replace(CASE, news=News.NONE, told=START, note="grant X")
    assert conclude(told, [(INTENT, blocked)], START)[1] == told
    other = replace(blocked, note="grant Y")
    _, case = conclude(told, [(INTENT, other)], START)
    assert case == replace(told, news=News.CHANGED, note="grant Y")


@pytest.mark.parametrize(
    ("state", "verdict"),
    [(ChangeState.FAILED, Verdict.FAILED), (ChangeState.REFUSED, Verdict.REFUSED)],
)
def test_the_third_failure_leaves_the_case_to_a_person(
    state: ChangeState, verdict: Verdict
) -> None:
    told = replace(CASE, news=News.NONE, told=START, failures=1)
    outcome = Outcome(KEY, "a", "k", state, "HTTP 503")
    _, second = conclude(told, [(INTENT, outcome)], START)
    assert second
    assert (second.failures, second.set_aside) == (2, None)
    _, third = conclude(second, [(INTENT, outcome)], START + HOUR)
    assert third == replace(
        second, failures=3, verdict=verdict, set_aside=START + HOUR, news=News.CHANGED
    )
