"""What the engine does about findings, as tables: no I/O, no guard, no tenant."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from core.engine.decide import (
    INFERRED_NOTE,
    BatchResult,
    DecisionContext,
    Plan,
    find_due_checks,
    mark_notified,
    plan_changes,
    reconcile_batch,
    record_outcomes,
    update_case,
)
from core.engine.self_findings import population_dropped
from core.model.cases import Case, Exemption, Notification
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import ChangeLimit, Guard, GuardConfig, Mode, ObserveContext, PeriodicCheck
from core.model.requests import OperatorRequest, RequestKind, RequestState, RunOptions
from core.model.runs import ReportedFinding
from core.model.state import GuardSnapshot, GuardState
from core.tenant.changes import ClearMailboxForward
from core.tenant.mailbox_index import MailboxPage
from core.tenant.port import Tenant
from core.tenant.readings import ReadFailure, Reading
from tests.support.fakes.world import START

SURFACE = "mailboxes"


async def observe(
    tenant: Tenant, look: ObserveContext
) -> AsyncIterator[Reading[Any] | MailboxPage]:
    yield Reading()


GUARD: Guard[Any] = Guard(
    name="toy",
    title="Toy",
    rationale="It is a toy.",
    permissions=(),
    observe=observe,
    judge=lambda thing, terms: (),
    periodic_checks=(PeriodicCheck("slow", timedelta(days=1)),),
)
DUTY = GuardConfig(
    GUARD, "0 0 * * * *", Mode.ENFORCE, ChangeLimit(count=2, percent=10.0, ceiling=50)
)
STATE = GuardState(baselined_sources=frozenset({SURFACE}), population=20)
DAY = timedelta(days=1)


READING: Reading[object] = Reading(sources=frozenset({SURFACE}), population=20)


def finding(name: str = "a", **changes: Any) -> Finding:
    base = Finding(
        kind="forward",
        object_id=name,
        subject=f"{name}@example.com",
        severity=Severity.HIGH,
        verdict=Verdict.EXTERNAL,
        summary=f"{name} forwards.",
        sources=(SURFACE,),
        changes=(ClearMailboxForward(name),),
    )
    return replace(base, **changes)


def reading(population: int = 20, **changes: Any) -> Reading[object]:
    base: Reading[object] = Reading(sources=frozenset({SURFACE}), population=population)
    return replace(base, **changes)


type Scene = tuple[DecisionContext, Reading[object]]


def situation(
    memory: GuardSnapshot | None = None,
    *,
    now: datetime = START,
    reading: Reading[object] = READING,
    **changes: Any,
) -> Scene:
    base = DecisionContext(DUTY, Mode.ENFORCE, "run", memory or GuardSnapshot(state=STATE), now)
    return replace(base, **changes), reading


@dataclass(frozen=True)
class Whole:
    """What a run that looks at everything in one part comes to."""

    noted: BatchResult
    plan: Plan

    @property
    def cases(self) -> tuple[Case, ...]:
        rows = {case.key: case for case in (*self.noted.cases, *self.plan.result.cases)}
        return tuple(rows.values())

    @property
    def forget(self) -> tuple[Case, ...]:
        return self.noted.cases_to_delete + self.plan.result.cases_to_delete

    @property
    def records(self) -> tuple[ChangeRecord, ...]:
        return self.noted.records + self.plan.result.records + self.plan.records

    @property
    def reported(self) -> tuple[ReportedFinding, ...]:
        return self.noted.reported_findings + self.plan.result.reported_findings

    def __getattr__(self, name: str) -> Any:
        return getattr(self.noted if name == "adopted" else self.plan, name)


def make_plan(scene: Scene, findings: Iterable[Finding]) -> Whole:
    seen, reading = scene
    trusted = not population_dropped(reading, seen.snapshot.state)
    noted = reconcile_batch(seen, reading, findings, trusted=trusted)
    cases = {**seen.snapshot.cases, **{case.key: case for case in noted.cases}}
    for case in noted.cases_to_delete:
        cases.pop(case.key)
    records = {record.id: record for record in (*seen.snapshot.changes, *noted.records)}
    memory = replace(seen.snapshot, cases=cases, changes=tuple(records.values()))
    return Whole(noted, plan_changes(replace(seen, snapshot=memory), noted.totals))


def after(
    plan: Whole, memory: GuardSnapshot, *, deliver: bool = True, act: bool = True
) -> GuardSnapshot:
    """The memory a run leaves behind when everything succeeds."""
    cases = {**memory.cases, **{case.key: case for case in plan.cases}}
    for case in plan.forget:
        cases.pop(case.key)
    records = {record.id: record for record in (*memory.changes, *plan.records)}
    for record in plan.act if act else ():
        outcome = Outcome(record.case, record.subject, record.kind, ChangeState.APPLIED)
        concluded, ended = record_outcomes(cases.get(record.case), [(record, outcome)], record.at)
        records |= {row.id: row for row in concluded}
        if ended:
            cases[ended.key] = ended
    if deliver:
        cases |= {
            case.key: case
            for case in mark_notified([c for c in cases.values() if c.notification], START)
        }
    ordered = sorted(records.values(), key=lambda record: record.at, reverse=True)
    return replace(memory, cases=cases, changes=tuple(ordered), state=plan.state)


def only(plan: Whole) -> Case:
    assert len(plan.cases) == 1
    return plan.cases[0]


KEY = finding().compute_key("toy")


def known(**changes: Any) -> GuardSnapshot:
    """A memory in which finding a is open and was told."""
    case = only(make_plan(situation(mode=Mode.ALERT), [finding()]))
    case = replace(case, notification=Notification.NONE, notified_at=START, **changes)
    return GuardSnapshot(cases={case.key: case}, state=STATE)


def changed(state: ChangeState, at: datetime, number: int = 1) -> ChangeRecord:
    return ChangeRecord(
        f"c{number}", KEY, "a", "ClearMailboxForward", {"mailbox_guid": "a"}, state, at, "old"
    )


# -- voice -------------------------------------------------------------------------------------


def test_a_new_finding_opens_a_case_with_news() -> None:
    plan = make_plan(situation(mode=Mode.ALERT), [finding()])
    assert only(plan).notification is Notification.OPENED
    assert plan.reported[0].state == "new"


def test_a_known_case_is_silent_and_writes_nothing() -> None:
    plan = make_plan(situation(known(), mode=Mode.ALERT, now=START + DAY), [finding()])
    assert plan.cases == ()
    assert plan.reported[0].state == "known"


def test_a_case_that_was_never_told_keeps_its_news() -> None:
    memory = known()
    memory = replace(
        memory,
        cases={KEY: replace(memory.cases[KEY], notification=Notification.OPENED, notified_at=None)},
    )
    later = situation(memory, mode=Mode.ALERT, now=START + 10 * DAY)
    renamed = make_plan(later, [finding(summary="Renamed.")])
    assert only(renamed).notification is Notification.OPENED


@pytest.mark.parametrize(("days", "news"), [(6, None), (7, Notification.REMINDER)])
def test_an_open_case_is_reminded_after_seven_days(days: int, news: Notification | None) -> None:
    plan = make_plan(situation(known(), mode=Mode.ALERT, now=START + days * DAY), [finding()])
    assert [case.notification for case in plan.cases] == ([news] if news else [])


@pytest.mark.parametrize(
    ("severity", "news"),
    [(Severity.LOW, Notification.NONE), (Severity.CRITICAL, Notification.REMINDER)],
)
def test_an_optional_permission_one_does_without_is_not_brought_up_again(
    severity: Severity, news: Notification
) -> None:
    lacks = finding(kind="permission-missing", severity=severity, changes=())
    (case,) = known(kind=lacks.kind, severity=severity).cases.values()
    later, _ = situation(mode=Mode.ALERT, now=START + 30 * DAY)
    assert update_case(later, case, lacks).notification is news


def test_a_case_ends_with_news_when_its_finding_is_gone() -> None:
    case = only(make_plan(situation(known(), now=START + DAY), []))
    assert (case.resolution, case.notification, case.closed_at) == (
        "gone",
        Notification.CLOSED,
        START + DAY,
    )


def test_a_case_that_came_and_went_untold_is_told_once_as_gone() -> None:
    memory = known()
    memory = replace(
        memory,
        cases={KEY: replace(memory.cases[KEY], notification=Notification.OPENED, notified_at=None)},
    )
    assert only(make_plan(situation(memory), [])).notification is Notification.CLOSED


def test_a_finding_that_comes_back_opens_its_case_again() -> None:
    ended = make_plan(situation(known(), mode=Mode.ALERT), [])
    memory = after(ended, known())
    case = only(make_plan(situation(memory, mode=Mode.ALERT, now=START + DAY), [finding()]))
    assert (case.notification, case.opened_at, case.closed_at) == (
        Notification.OPENED,
        START + DAY,
        None,
    )


def test_another_verdict_is_news_and_a_rename_is_not() -> None:
    renamed = finding(subject="b@example.com", summary="Renamed.")
    case = only(make_plan(situation(known(), mode=Mode.ALERT), [renamed]))
    assert (case.notification, case.subject) == (Notification.NONE, "b@example.com")
    asked = finding(verdict=Verdict.ASK)
    case = only(make_plan(situation(known(), mode=Mode.ALERT), [asked]))
    assert (case.notification, case.verdict) == (Notification.CHANGED, Verdict.ASK)


def test_a_graver_severity_is_news() -> None:
    grave = finding(severity=Severity.CRITICAL)
    assert (
        only(make_plan(situation(known(), mode=Mode.ALERT), [grave])).notification
        is Notification.CHANGED
    )


def test_two_findings_of_one_identity_are_one_case_with_both_changes() -> None:
    second = finding(changes=(ClearMailboxForward("b"),), severity=Severity.CRITICAL)
    plan = make_plan(situation(), [finding(), second])
    assert only(plan).severity is Severity.CRITICAL
    assert len(plan.act) == 2


def test_what_is_only_worth_a_note_makes_no_case() -> None:
    plan = make_plan(situation(), [finding(severity=Severity.INFO)])
    assert (plan.cases, plan.act) == ((), ())
    assert plan.reported[0].state == "note"


def test_a_case_whose_finding_became_a_note_ends() -> None:
    plan = make_plan(situation(known()), [finding(severity=Severity.INFO)])
    assert only(plan).resolution == "gone"


# -- unknown is not clean ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "blurred",
    [
        reading(complete=False),
        reading(sources=frozenset()),
        reading(failures=(ReadFailure(SURFACE, "broken"),)),
        reading(failures=(ReadFailure(SURFACE, "broken", object_id="a"),)),
    ],
    ids=["incomplete", "not looked at", "blind", "object unread"],
)
def test_a_case_does_not_end_by_what_was_not_read(blurred: Reading[object]) -> None:
    plan = make_plan(situation(known(), reading=blurred), [])
    assert not [case for case in plan.cases if case.closed_at]


def test_a_missing_permission_is_told_at_once_and_is_critical() -> None:
    miss = ReadFailure(SURFACE, "refused", permission="User.Read.All")
    case = only(make_plan(situation(reading=reading(failures=(miss,))), []))
    assert (case.severity, case.notification) == (Severity.CRITICAL, Notification.OPENED)
    assert "User.Read.All" in case.advice


def test_passing_trouble_is_told_at_the_third_sighting_and_forgotten_when_over() -> None:
    blurred = reading(failures=(ReadFailure(SURFACE, "timed out", object_id="a", subject="a@x"),))
    memory = GuardSnapshot(state=STATE)
    news = []
    for _ in range(4):
        plan = make_plan(situation(memory, reading=blurred), [])
        memory = after(plan, memory, deliver=False)
        news.append(next(case.notification for case in memory.cases.values()))
    assert news == [Notification.NONE, Notification.NONE, Notification.OPENED, Notification.OPENED]
    first = after(make_plan(situation(reading=blurred), []), GuardSnapshot(state=STATE))
    plan = make_plan(situation(first), [])
    assert (plan.cases, len(plan.forget)) == ((), 1)


def test_rows_nobody_understands_are_a_case() -> None:
    case = only(make_plan(situation(GuardSnapshot(state=STATE, unreadable_rows=2)), []))
    assert case.kind == "state-unreadable"


# -- modes and first run -----------------------------------------------------------------------


def test_alert_mode_never_changes_anything() -> None:
    plan = make_plan(situation(mode=Mode.ALERT), [finding()])
    assert (plan.act, plan.records, plan.preview) == ((), (), ())


def test_the_first_run_adopts_and_previews_and_changes_nothing() -> None:
    plan = make_plan(situation(GuardSnapshot()), [finding()])
    assert plan.act == ()
    assert plan.adopted
    assert only(plan).baselined
    assert [change for _, _, change in plan.preview] == [ClearMailboxForward("a")]
    second = make_plan(situation(after(plan, GuardSnapshot()), now=START + DAY), [finding()])
    assert len(second.act) == 1


def test_a_surface_that_was_blind_is_adopted_when_it_is_first_seen() -> None:
    miss = ReadFailure(SURFACE, "refused", permission="X")
    blind = make_plan(situation(GuardSnapshot(), reading=reading(failures=(miss,))), [])
    assert SURFACE not in blind.state.adopted
    plan = make_plan(situation(after(blind, GuardSnapshot())), [finding()])
    assert [case.baselined for case in plan.cases if case.kind == "forward"] == [True]
    assert plan.act == ()


# -- changing ----------------------------------------------------------------------------------


def test_a_change_is_written_down_as_intended_before_it_is_made() -> None:
    plan = make_plan(situation(), [finding()])
    assert plan.records == plan.act
    assert plan.act[0].state is ChangeState.INTENDED
    assert plan.act[0].case == only(plan).key


def test_a_made_change_closes_its_case_with_news() -> None:
    plan = make_plan(situation(), [finding()])
    memory = after(plan, GuardSnapshot(state=STATE), deliver=False)
    assert [(c.resolution, c.notification) for c in memory.cases.values()] == [
        ("done", Notification.DONE)
    ]


def test_the_same_finding_right_after_a_change_is_still_settling() -> None:
    plan = make_plan(situation(), [finding()])
    memory = after(plan, GuardSnapshot(state=STATE))
    soon = make_plan(situation(memory, now=START + timedelta(minutes=5)), [finding()])
    assert (soon.cases, soon.act) == ((), ())
    assert soon.reported[0].state == "settling"
    later = make_plan(situation(memory, now=START + timedelta(minutes=15)), [finding()])
    assert len(later.act) == 1


def test_what_was_changed_back_twice_within_a_week_is_contested() -> None:
    made = (
        changed(ChangeState.APPLIED, START, 1),
        changed(ChangeState.INFERRED, START + DAY, 2),
    )
    memory = GuardSnapshot(state=STATE, changes=made)
    plan = make_plan(situation(memory, now=START + 2 * DAY), [finding()])
    assert plan.act == ()
    assert (only(plan).verdict, only(plan).notification) == (Verdict.CONTESTED, Notification.OPENED)
    later = make_plan(situation(memory, now=START + 9 * DAY), [finding()])
    assert len(later.act) == 1


@pytest.mark.parametrize(
    ("outcome", "verdict", "news"),
    [
        (ChangeState.REFUSED, Verdict.PROTECTED, Notification.CHANGED),
        (ChangeState.FAILED, Verdict.EXTERNAL, Notification.NONE),
        (ChangeState.SUPERSEDED, Verdict.EXTERNAL, Notification.NONE),
    ],
)
def test_a_change_that_was_not_made_leaves_its_case_open(
    outcome: ChangeState, verdict: Verdict, news: Notification
) -> None:
    case = known().cases[KEY]
    record = changed(ChangeState.INTENDED, START)
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
    case = known().cases[KEY]
    record = changed(ChangeState.INTENDED, START)
    refused = Outcome(KEY, "a", record.kind, ChangeState.REFUSED, "HTTP 400", Verdict.REFUSED)
    verdicts = []
    for _ in range(3):
        _, left = record_outcomes(case, [(record, refused)], START)
        assert left
        case = left
        verdicts.append(case.verdict)
    assert verdicts == [Verdict.EXTERNAL, Verdict.EXTERNAL, Verdict.REFUSED]
    assert case.notification is Notification.CHANGED


def test_what_was_refused_is_not_tried_again_for_a_week() -> None:
    memory = known(verdict=Verdict.PROTECTED, set_aside=START)
    plan = make_plan(situation(memory, now=START + DAY), [finding()])
    assert (plan.act, plan.cases, plan.reported[0].verdict) == ((), (), Verdict.PROTECTED)
    assert len(make_plan(situation(memory, now=START + 7 * DAY), [finding()]).act) == 1


def test_a_change_that_fails_three_times_is_left_to_a_person() -> None:
    case = known().cases[KEY]
    record = changed(ChangeState.INTENDED, START)
    failed = Outcome(KEY, "a", record.kind, ChangeState.FAILED, "503")
    for _ in range(3):
        _, left = record_outcomes(case, [(record, failed)], START)
        assert left
        case = left
    assert (case.verdict, case.notification) == (Verdict.FAILED, Notification.CHANGED)


def test_a_missing_permission_to_change_is_told_once_and_tried_every_run() -> None:
    record = changed(ChangeState.INTENDED, START)
    blocked = Outcome(KEY, "a", record.kind, ChangeState.FAILED, "grant X", lacks_permission=True)
    _, first = record_outcomes(known().cases[KEY], [(record, blocked)], START)
    assert first
    assert (first.notification, first.deferred_at) == (Notification.CHANGED, None)
    _, second = record_outcomes(mark_notified([first], START)[0], [(record, blocked)], START)
    assert second
    assert second.notification is Notification.NONE


def test_one_refused_change_of_two_keeps_the_case_open() -> None:
    record = changed(ChangeState.INTENDED, START)
    made = Outcome(KEY, "a", record.kind, ChangeState.APPLIED)
    refused = replace(made, state=ChangeState.REFUSED, verdict=Verdict.PROTECTED)
    _, case = record_outcomes(known().cases[KEY], [(record, made), (record, refused)], START)
    assert case
    assert (case.closed_at, case.verdict) == (None, Verdict.PROTECTED)


# -- a run that died ---------------------------------------------------------------------------


def test_an_intent_whose_outcome_is_unknown_is_taken_up_as_it_was_intended() -> None:
    record = replace(changed(ChangeState.INTENDED, START), arguments={"mailbox_guid": "as-seen"})
    memory = replace(known(), changes=(record,))
    plan = make_plan(situation(memory), [finding()])
    assert [(row.id, row.arguments) for row in plan.act] == [("c1", {"mailbox_guid": "as-seen"})]


def test_a_change_of_several_writes_without_an_outcome_is_finished_while_enforcing() -> None:
    record = replace(changed(ChangeState.INTENDED, START), kind="BlockSignIn")
    plan = make_plan(situation(replace(known(), changes=(record,))), [])
    assert [row.id for row in plan.act] == ["c1"]
    assert plan.cases == ()


ALERTING = replace(DUTY, mode=Mode.ALERT)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [(Mode.ALERT, "BlockSignIn"), (Mode.ALERT, "X"), (Mode.ENFORCE, "ClearMailboxForward")],
)
def test_any_other_change_in_effect_without_an_outcome_is_inferred(mode: Mode, kind: str) -> None:
    record = replace(changed(ChangeState.INTENDED, START), kind=kind)
    memory, duty = replace(known(), changes=(record,)), replace(DUTY, mode=mode)
    plan = make_plan(situation(memory, duty=duty, mode=mode), [])
    assert plan.act == ()
    assert [row.state for row in plan.records] == [ChangeState.INFERRED]
    case = only(plan)
    assert (case.resolution, case.notification, case.note) == (
        "done",
        Notification.DONE,
        INFERRED_NOTE,
    )


def test_an_intent_that_may_no_longer_be_made_is_given_up() -> None:
    memory = replace(known(), changes=(changed(ChangeState.INTENDED, START),))
    plan = make_plan(situation(memory, duty=ALERTING, mode=Mode.ALERT), [finding()])
    assert [row.state for row in plan.records] == [ChangeState.SUPERSEDED]


@pytest.mark.parametrize("findings", [[], [finding()]], ids=["gone", "still there"])
def test_a_run_that_somebody_restrained_gives_up_no_intent(findings: list[Finding]) -> None:
    record = replace(changed(ChangeState.INTENDED, START), kind="BlockSignIn")
    memory = replace(known(), changes=(record,))
    plan = make_plan(situation(memory, mode=Mode.ALERT), findings)
    assert (plan.act, plan.records, plan.cases, plan.forget) == ((), (), (), ())
    assert [row.id for row in make_plan(situation(memory), findings).act] == ["c1"]


def test_an_intent_that_is_only_set_aside_is_kept_for_when_its_time_comes() -> None:
    record = replace(changed(ChangeState.INTENDED, START), arguments={"mailbox_guid": "as-seen"})
    memory = replace(known(verdict=Verdict.FAILED, set_aside=START), changes=(record,))
    plan = make_plan(situation(memory, now=START + DAY), [finding()])
    assert (plan.act, plan.records) == ((), ())
    later = make_plan(situation(memory, now=START + 8 * DAY), [finding()])
    assert [row.arguments for row in later.act] == [{"mailbox_guid": "as-seen"}]


# -- the brake ---------------------------------------------------------------------------------

MANY = [finding(name) for name in "abc"]


def test_more_changes_than_count_and_percentage_allow_are_held_back() -> None:
    plan = make_plan(situation(), MANY)
    assert plan.act == ()
    assert [case.kind for case in plan.cases].count("brake") == 1
    assert plan.hash in " ".join(f for case in plan.cases for f in case.facts)
    assert make_plan(situation(), MANY[:2]).held == ""


def test_the_percentage_lets_a_large_tenant_change_more() -> None:
    assert make_plan(situation(reading=reading(population=30)), MANY).held == ""


def test_no_tenant_is_so_large_that_the_ceiling_does_not_hold() -> None:
    many = [finding(str(number)) for number in range(51)]
    state = replace(STATE, population=10_000)
    big = situation(GuardSnapshot(state=state), reading=reading(population=10_000))
    assert make_plan(big, many[:50]).held == ""
    assert make_plan(big, many).held != ""


def test_an_incomplete_listing_changes_nothing() -> None:
    plan = make_plan(situation(reading=reading(complete=False)), [finding()])
    assert (plan.act, plan.held) == ((), "the listing is incomplete")


@pytest.mark.parametrize(("population", "held"), [(14, False), (13, True), (0, True)])
def test_a_population_that_fell_by_more_than_a_third_is_not_believed(
    population: int, held: bool
) -> None:
    memory = known()
    plan = make_plan(situation(memory, reading=reading(population=population)), [])
    assert bool(plan.held) is held
    assert bool([case for case in plan.cases if case.closed_at]) is not held
    assert plan.state.population == (20 if held else population)


def braked() -> tuple[GuardSnapshot, str]:
    plan = make_plan(situation(), MANY)
    return after(plan, GuardSnapshot(state=STATE)), plan.hash


def test_the_brake_is_told_once_for_one_plan() -> None:
    memory, name = braked()
    plan = make_plan(situation(memory, now=START + DAY), MANY)
    assert (plan.cases, plan.hash) == ((), name)


def test_a_released_plan_is_made_once_and_its_brake_ends() -> None:
    memory, name = braked()
    release = RunOptions(plan=name, at=START)
    plan = make_plan(situation(memory, request=release), MANY)
    assert len(plan.act) == 3
    assert [case.kind for case in plan.cases if case.closed_at] == ["brake"]
    again = after(plan, memory, act=False)
    reverted = make_plan(
        situation(replace(again, changes=()), request=release, now=START + timedelta(minutes=5)),
        MANY,
    )
    assert reverted.act == ()


def test_a_released_plan_whose_run_died_goes_on_without_being_released_again() -> None:
    memory, name = braked()
    plan = make_plan(situation(memory, request=RunOptions(plan=name, at=START)), MANY)
    died = after(plan, memory, act=False)
    later = situation(died, now=START + DAY)
    assert sorted(row.case for row in make_plan(later, MANY).act) == sorted(
        row.case for row in plan.act
    )
    more = [finding(name) for name in "defg"]
    assert make_plan(later, [*MANY, *more]).held == "4 changes are wanted and a run may make 2"
    cut_off = later[0], reading(complete=False)
    assert make_plan(cut_off, MANY).act == ()


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
    assert make_plan(situation(memory, request=request_), MANY).act == ()


def test_a_plan_that_grew_since_is_not_released() -> None:
    memory, name = braked()
    request = RunOptions(plan=name, at=START)
    plan = make_plan(situation(memory, request=request), [*MANY, finding("d")])
    assert plan.act == ()
    assert plan.hash != name


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
    memory = replace(known(), exemptions={subject: exemption}, operator_requests=(asked,))
    plan = make_plan(situation(memory), [finding()])
    assert plan.act == ()
    (case,) = [case for case in plan.cases if case.key == KEY]
    assert (case.resolution, case.notification) == ("exempt", Notification.NONE)
    assert (plan.reported[0].state, plan.reported[0].until) == ("exempt", START + DAY)


def test_an_exemption_that_ended_makes_the_finding_news_again() -> None:
    exemption = Exemption("a", "me", "partner", START + DAY)
    memory = GuardSnapshot(state=STATE, exemptions={"a": exemption})
    plan = make_plan(situation(memory, now=START + 2 * DAY, mode=Mode.ALERT), [finding()])
    assert only(plan).notification is Notification.OPENED


def test_a_sweep_is_due_at_once_and_then_after_its_interval() -> None:
    assert find_due_checks(DUTY, GuardState(), START) == {"slow"}
    swept = GuardState(checks_finished_at={"slow": START})
    assert find_due_checks(DUTY, swept, START + DAY - timedelta(minutes=1)) == set()
    assert find_due_checks(DUTY, swept, START + DAY) == {"slow"}
