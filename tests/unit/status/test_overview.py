"""How everything stands, from what is remembered: tables of cases, no I/O."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from core.json_document import to_json
from core.keys import build_object_key
from core.model.cases import Case, Exemption, HeldPlan, Notification, parse_planned_changes
from core.model.changes import ChangeRecord, ChangeState, compute_plan_hash
from core.model.findings import Correlation, Fact, Severity, Verdict
from core.model.guards import GuardConfig, Mode, Permission, Service
from core.model.outbox import ChannelFault
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.run_document import run_report_to_json as run_document
from core.model.runs import RunReport
from core.model.state import GuardSnapshot, GuardState, ScanPass, ScanTotals, Shard
from core.ncrontab import CronSchedule
from core.notifications.digest_card import build_digest_card
from core.ports import ShardStatus
from core.status.case_document import build_case_document, build_case_page_document
from core.status.case_query import (
    PAGE_SIZE,
    CaseDetail,
    CaseFilter,
    CasePage,
    InvalidCaseFilter,
    find_case_detail,
    find_object_detail,
    select_case_page,
)
from core.status.daily_history import HISTORY_DAYS, build_daily_history
from core.status.document import build_status_document
from core.status.guard_status import GuardData, Health
from core.status.overview import build_status
from core.status.run_history import parse_run
from core.status.tenant_status import GuardStatus, TenantStatus
from core.tenant.changes import ClearMailboxForward
from core.web.pages import render_status_page
from tests.support.cases import build_case
from tests.support.synthetic_guard import ALERT_CONFIG, ENFORCE_CONFIG, GUARD

NOW = datetime(2026, 11, 20, 12, 20, tzinfo=UTC)
QUARTERLY = replace(ALERT_CONFIG, schedule="0 */15 * * * *")
SIX_HOURLY = replace(ALERT_CONFIG, schedule="0 10 */6 * * *")
LOOKED = GuardState(baselined_sources=frozenset({"rules"}), population=100)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def ran(began: datetime, minutes: float = 1, **other: Any) -> dict[str, object]:
    """The document of a run that looked."""
    return {
        "guard": "toy",
        "run": "67451000000000-00000000",
        "status": "done",
        "mode": "alert",
        "started": began.isoformat(),
        "finished": (began + timedelta(minutes=minutes)).isoformat(),
        "seen": 100,
        "population": 100,
        **other,
    }


def case(number: int = 1, **other: Any) -> Case:
    """An open case that was told."""
    made = build_case(
        number,
        severity=Severity.MEDIUM,
        opened_at=ago(days=2),
        notified_at=ago(days=2),
        sources=("rules",),
    )
    return replace(made, **other)


def snapshot(*cases: Case, state: GuardState = LOOKED, **other: Any) -> GuardSnapshot:
    rows = GuardSnapshot(cases={one.key: one for one in cases}, state=state)
    return replace(rows, **other)


def of(
    *runs: Mapping[str, object],
    config: GuardConfig = QUARTERLY,
    known: GuardSnapshot | None = None,
    shards: Mapping[int, ShardStatus] | None = None,
) -> GuardStatus:
    """How the only guard stands."""
    one = GuardData(config, known or snapshot(), runs, shards or {})
    return build_status([one], NOW).guards[0]


def words(found: GuardStatus | TenantStatus) -> str:
    return "; ".join(reason.text for reason in found.reasons)


# -- time ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "spoken"),
    [
        ("0 */15 * * * *", "every 15 minutes"),
        ("0 5/15 * * * *", "every 15 minutes, from minute 5"),
        ("0 20/30 * * * *", "every 30 minutes, from minute 20"),
        ("0 35 * * * *", "every hour, at minute 35"),
        ("0 10 */6 * * *", "every 6 hours, from 00:10 UTC"),
        ("0 25 1/6 * * *", "every 6 hours, from 01:25 UTC"),
        ("0 0 3 * * *", "every day at 03:00 UTC"),
        ("0 * * * * *", "every minute"),
        ("0 */7 * * * *", "0 */7 * * * * (UTC)"),
        ("30 0 3 * * *", "30 0 3 * * * (UTC)"),
        ("0 0 3 * * 1", "0 0 3 * * 1 (UTC)"),
        ("0 0,15 * * * *", "0 0,15 * * * * (UTC)"),
    ],
)
def test_a_schedule_is_described_only_where_the_description_is_complete(
    schedule: str, spoken: str
) -> None:
    assert CronSchedule.parse(schedule).describe_schedule() == spoken


@pytest.mark.parametrize(
    ("schedule", "began", "minutes", "late"),
    [
        # The run of 12:15 may be under way: it has eight minutes, and two to end.
        ("0 */15 * * * *", ago(minutes=20), 1, 0),
        ("0 */15 * * * *", ago(minutes=35), 1, 20),
        # A long run ended after the next was due, which found the guard busy.
        ("0 */15 * * * *", ago(minutes=35), 31, 0),
        ("0 10 */6 * * *", ago(minutes=10), 1, 0),
        ("0 10 */6 * * *", ago(hours=6, minutes=10), 1, 0),
        ("0 9 */6 * * *", ago(hours=6, minutes=11), 1, 11),
        ("0 10 */6 * * *", ago(days=2, minutes=10), 1, 42 * 60 + 10),
        # Schedules are UTC: the night in which Europe's clocks go back is no longer than others.
        ("0 0 1 * * *", datetime(2026, 11, 20, 1, tzinfo=UTC), 1, 0),
    ],
)
def test_a_guard_is_late_after_its_due_time_and_the_grace_of_a_run(
    schedule: str, began: datetime, minutes: float, late: float
) -> None:
    found = of(ran(began, minutes), config=replace(ALERT_CONFIG, schedule=schedule))
    assert found.timing.late_by == timedelta(minutes=late)
    assert found.health is (Health.FAILING if late else Health.OK)


def test_the_change_of_the_clocks_makes_no_guard_late() -> None:
    before = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    at = before + timedelta(hours=1, minutes=5)
    config = replace(ALERT_CONFIG, schedule="0 30 * * * *")
    found = build_status([GuardData(config, snapshot(), [ran(before)])], at).guards[0]
    assert (found.timing.late_by, found.timing.next_due_at) == (
        timedelta(),
        before + timedelta(hours=2),
    )


def test_a_guard_that_never_ran_needs_attention_and_is_late_once_others_have_run() -> None:
    new = of(known=GuardSnapshot())
    assert (new.timing.never_scanned, new.health) == (True, Health.ATTENTION)
    assert new.timing.next_due_at == NOW.replace(minute=30)
    other = GuardData(SIX_HOURLY, snapshot(), [ran(ago(hours=7)), ran(ago(minutes=10))])
    late = build_status([GuardData(QUARTERLY), other], NOW).guards[0]
    assert late.health is Health.FAILING
    assert "never scanned" in words(late)


def test_a_guard_that_is_off_is_neither_late_nor_failing() -> None:
    off = replace(QUARTERLY, mode=Mode.OFF)
    found = of(ran(ago(days=3)), config=off, known=snapshot(case(severity=Severity.CRITICAL)))
    assert (found.health, found.timing.late_by, found.timing.next_due_at) == (
        Health.OFF,
        timedelta(),
        None,
    )


def test_every_guard_off_is_not_ok() -> None:
    found = build_status([GuardData(replace(QUARTERLY, mode=Mode.OFF))], NOW)
    assert (found.health, words(found)) == (Health.OFF, "every guard is off")
    assert "No guard scans the tenant." in render_status_page(found)
    assert "Not monitoring: every guard is off" in str(build_digest_card(found))
    fault = ChannelFault("teams", "TEAMS_WEBHOOK_URL is wrong")
    silent = build_status([GuardData(replace(QUARTERLY, mode=Mode.OFF))], NOW, faults=[fault])
    assert silent.health is Health.FAILING


def test_no_guards_is_not_ok() -> None:
    assert build_status([], NOW).health is Health.ATTENTION


@pytest.mark.parametrize("state", ["busy", "off", "queued", "running", "failed"])
def test_only_a_run_that_scanned_keeps_a_guard_on_time(state: str) -> None:
    found = of(ran(ago(minutes=5), status=state), ran(ago(hours=2)))
    assert found.timing.late_by > timedelta(hours=1)


def test_a_failed_run_is_shown_with_its_reason_until_one_succeeds() -> None:
    failed = ran(ago(minutes=2), status="failed", error="the state table answers 503")
    found = of(failed, ran(ago(minutes=10)))
    assert (found.health, found.timing.late_by) == (Health.FAILING, timedelta())
    assert words(found) == "its last run failed: the state table answers 503"
    assert of(ran(ago(minutes=1)), failed).health is Health.OK


def test_a_pending_requested_run_is_shown() -> None:
    ticket = {"guard": "toy", "run": "1", "status": "queued", "at": ago(minutes=3).isoformat()}
    found = of(ticket, ran(ago(minutes=10)))
    assert found.timing.run_requested_at == ago(minutes=3)
    assert found.timing.last_run is not None
    assert found.timing.last_run.status == "done"


def test_a_scan_in_shards_shows_its_progress() -> None:
    progress = ScanPass(
        "r1", ago(minutes=12), ScanTotals(), population=50_000, continuation="00", shard_count=4
    )
    shards = {
        0: ShardStatus(Shard("r1", "", "4", 100, NOW, done=True), is_claimed=False),
        1: ShardStatus(Shard("r1", "4", "8", 100, NOW), is_claimed=True),
        2: ShardStatus(Shard("another", "8", "c", 100, NOW, done=True), is_claimed=False),
        9: ShardStatus(Shard("r1", "c", "~", 100, NOW, done=True), is_claimed=True),
    }
    found = of(
        ran(ago(minutes=5), status="in-progress", left=200),
        ran(ago(hours=1)),
        known=snapshot(state=replace(LOOKED, scan_pass=progress)),
        shards=shards,
    )
    at = found.timing.progress
    assert at is not None
    assert (at.shards_done, at.shards_total, at.shards_busy, at.stalled_count) == (1, 4, 1, 0)
    assert found.timing.last_complete_at == ago(minutes=59)
    assert found.health is Health.OK


def test_a_stalled_scan_is_failing() -> None:
    stalled = ScanPass("r1", ago(minutes=12), ScanTotals(), stalled_count=2)
    found = of(ran(ago(minutes=5)), known=snapshot(state=replace(LOOKED, scan_pass=stalled)))
    assert "scan stalled" in words(found)


# -- documents that are not what they should be ---------------------------------------------------


@pytest.mark.parametrize(
    "strange",
    [
        {},
        {"status": "done"},
        {"status": "done", "started": "yesterday"},
        {"status": "done", "started": "2026-11-20T12:15:00"},
        {"status": "done", "started": 7},
        {"status": ["done"], "started": NOW.isoformat()},
        {"status": "done", "started": "2999-01-01T00:00:00+00:00"},
        {"status": "done", "started": "9999-12-31T23:59:59-23:59"},
    ],
)
def test_a_document_without_a_past_time_is_not_a_run(
    strange: Mapping[str, object],
) -> None:
    assert parse_run(strange, NOW) is None
    assert of(strange, ran(ago(hours=3))).timing.late_by > timedelta(hours=2)


def test_a_document_of_another_version_is_read_as_far_as_possible() -> None:
    old = {"status": "done", "started": ago(minutes=5).isoformat(), "seen": "many", "told": "yes"}
    hostile = {
        **old,
        "seen": True,
        "population": -5,
        "unread": 10**30,
        "blind": [1, "rules", None],
        "changes": [{"kind": 3}, "text"],
        "preview": {"a": 1},
        "error": "x" * 10_000,
        "granted": {"graph": "all", "exchange": [7, "Get-Mailbox"]},
    }
    found = parse_run(hostile, NOW)
    assert found is not None
    assert (found.read_count, found.population, found.unread_count, found.delivered) == (
        0,
        0,
        0,
        None,
    )
    assert (found.unavailable_sources, found.changes, found.preview) == (
        ("rules",),
        (("", ""),),
        (),
    )
    assert len(found.error) == 600
    assert found.granted_permissions.app_roles is None
    assert found.granted_permissions.cmdlets == frozenset({"Get-Mailbox"})
    assert of(old).timing.late_by == timedelta()


def test_a_run_document_is_read_back_as_written() -> None:
    report = RunReport(
        guard="toy",
        title="Toy",
        noun="mailboxes",
        run="1-2",
        mode=Mode.ENFORCE,
        started_at=ago(minutes=5),
        status="done",
        finished_at=ago(minutes=4),
        read_count=812,
        population=815,
        unread_count=3,
        unavailable_sources=("rules",),
        block_reason="too many",
        plan="a" * 32,
        delivered=True,
        error="no",
    )
    found = parse_run(json.loads(json.dumps(run_document(report))), NOW)
    assert found is not None
    for name in (
        "run", "status", "read_count", "population", "unread_count",
        "unavailable_sources", "block_reason", "plan", "delivered",
    ):  # fmt: skip
        assert getattr(found, name) == getattr(report, name)
    assert (found.started_at, found.finished_at, found.error) == (
        report.started_at,
        report.finished_at,
        "no",
    )


# -- coverage and cases ---------------------------------------------------------------------------


def test_coverage_is_never_complete_while_something_was_not_read() -> None:
    seen = of(ran(ago(minutes=5), seen=100_000, population=100_000, unread=1)).coverage
    assert seen is not None
    assert seen.share < 1
    empty = of(ran(ago(minutes=5), seen=0, population=0)).coverage
    assert empty is not None
    assert empty.share == 1


def test_open_cases_are_counted_by_severity_and_age_and_the_most_severe_is_first() -> None:
    found = of(
        ran(ago(minutes=5)),
        known=snapshot(
            case(1, severity=Severity.LOW, opened_at=ago(hours=2)),
            case(2, severity=Severity.HIGH, opened_at=ago(days=5)),
            case(3, severity=Severity.HIGH, opened_at=ago(days=20)),
            case(4, severity=Severity.CRITICAL, opened_at=ago(days=60)),
            case(5, closed_at=ago(days=1), resolution="gone"),
        ),
    )
    assert found.counts.open_by_severity == {
        Severity.CRITICAL: 1,
        Severity.HIGH: 2,
        Severity.LOW: 1,
    }
    assert found.counts.open_by_age == (1, 1, 1, 1)
    assert [one.object_id for one in found.open_cases] == ["m4", "m3", "m2", "m1"]
    assert words(found) == "4 open cases: 1 critical, 2 high, 1 low"


@pytest.mark.parametrize(
    ("severity", "acknowledged", "health"),
    [
        (Severity.LOW, None, Health.OK),
        (Severity.MEDIUM, None, Health.ATTENTION),
        (Severity.MEDIUM, ago(days=1), Health.OK),
        (Severity.HIGH, ago(days=1), Health.ATTENTION),
        (Severity.CRITICAL, ago(days=1), Health.ATTENTION),
    ],
)
def test_high_cases_always_need_attention_and_medium_ones_until_acknowledged(
    severity: Severity, acknowledged: datetime | None, health: Health
) -> None:
    one = case(severity=severity, acknowledged_at=acknowledged, acknowledged_by="ann")
    assert of(ran(ago(minutes=5)), known=snapshot(one)).health is health


@pytest.mark.parametrize(
    ("kind", "severity", "health"),
    [
        ("credential", Severity.CRITICAL, Health.FAILING),
        ("source-unavailable", Severity.HIGH, Health.FAILING),
        ("source-unavailable", Severity.LOW, Health.ATTENTION),
        ("permission-missing", Severity.CRITICAL, Health.FAILING),
        ("permission-missing", Severity.LOW, Health.ATTENTION),
        ("shard-failed", Severity.HIGH, Health.FAILING),
        ("state-unreadable", Severity.HIGH, Health.FAILING),
    ],
)
def test_cases_about_exoguard_itself_are_failing(
    kind: str, severity: Severity, health: Health
) -> None:
    one = case(kind=kind, severity=severity, verdict=Verdict.COULD_NOT_TELL)
    assert of(ran(ago(minutes=5)), known=snapshot(one)).health is health


def test_state_that_cannot_be_read_is_failing_and_says_why() -> None:
    found = build_status([GuardData(QUARTERLY, read_error="the state table answers 503")], NOW)
    assert found.health is Health.FAILING
    assert words(found) == "its state cannot be read: the state table answers 503"


def test_a_mistake_about_one_guard_keeps_nobody_from_seeing_the_others() -> None:
    severity: Any = "grave"
    odd = replace(case(), severity=severity)
    found = build_status(
        [GuardData(QUARTERLY, snapshot(odd)), GuardData(QUARTERLY, snapshot(case()))], NOW
    )
    broken, sound = found.guards
    assert broken.read_error.startswith("a mistake of the app, TypeError at ")
    assert (broken.health, broken.open_cases) == (Health.FAILING, ())
    assert sound.open_cases == (case(),)
    assert "its state cannot be read: a mistake of the app" in words(found)


def test_notifications_pending_for_long_are_failing() -> None:
    fresh = case(
        notification=Notification.OPENED,
        opened_at=ago(minutes=5),
        notified_at=None,
        severity=Severity.LOW,
    )
    assert of(ran(ago(minutes=5)), known=snapshot(fresh)).health is Health.OK
    old = replace(fresh, opened_at=ago(hours=3))
    act = OperatorRequest("1", RequestKind.ACKNOWLEDGE, old.key, "ann", "known", ago(hours=5))
    done = replace(act, state=RequestState.DONE, ended_at=ago(hours=4))
    asked = replace(act, id="2")
    found = of(ran(ago(minutes=5)), known=snapshot(old, operator_requests=(done, asked)))
    assert (found.counts.pending.case_count, found.counts.pending.request_count) == (1, 1)
    assert found.counts.pending.oldest_at == ago(hours=4)
    assert words(found) == "2 notifications pending for 4 hours"


def test_rows_that_cannot_be_decoded_are_counted() -> None:
    found = of(ran(ago(minutes=5)), known=snapshot(unreadable_rows=2))
    assert words(found) == "2 rows of its state cannot be decoded"


# -- what waits for a person ----------------------------------------------------------------------


def forwarding(number: int, **other: Any) -> Case:
    """A case that asks for a change."""
    wish = json.dumps(["ClearMailboxForward", {"mailbox_guid": f"g-m{number}"}])
    return case(number, planned_changes=(wish,), **other)


def test_the_held_plan_is_shown_with_its_hash_and_its_changes() -> None:
    wanting = [forwarding(n, held_since=ago(minutes=5)) for n in (1, 2)]
    name = compute_plan_hash(
        "toy", [(one.key, change) for one in wanting for change in parse_planned_changes(one)], None
    )
    held = case(
        9,
        kind="brake",
        verdict=Verdict.ASK,
        severity=Severity.HIGH,
        facts=(Fact("", f"plan {name}"), Fact("", "would change m1@x")),
        plan_hash=name,
        held_plans=(HeldPlan(name, ago(minutes=5), 2),),
        opened_at=ago(minutes=5),
    )
    enforcing = replace(ENFORCE_CONFIG, schedule=QUARTERLY.schedule)
    found = of(ran(ago(minutes=5)), config=enforcing, known=snapshot(held, *wanting))
    [plan] = found.decisions
    assert (plan.kind, plan.plan, plan.is_exact) == ("plan", name, True)
    assert plan.planned_changes == (
        ("ClearMailboxForward", "m1@x"),
        ("ClearMailboxForward", "m2@x"),
    )
    assert "a plan waits for release" in words(found)
    moved_on = of(ran(ago(minutes=5)), config=enforcing, known=snapshot(held, wanting[0]))
    assert [(one.plan, one.is_exact) for one in moved_on.decisions] == [(name, False)]


@pytest.mark.parametrize(
    "wish", ["[]", "{", '["Unheard", {}]', '["ClearMailboxForward", {"a": 1}]', "[1, 2, 3]"]
)
def test_a_planned_change_of_another_version_does_not_hide_the_plan(wish: str) -> None:
    held = case(9, kind="brake", verdict=Verdict.ASK, facts=(Fact("", "something else"),))
    [plan] = of(known=snapshot(held, case(1, planned_changes=(wish,)))).decisions
    assert (plan.plan, plan.planned_changes, plan.is_exact) == ("", (), False)


def test_deferred_and_baselined_cases_are_not_part_of_the_plan() -> None:
    held = case(9, kind="brake", verdict=Verdict.ASK, facts=())
    aside = forwarding(1, deferred_at=ago(days=1))
    adopting = forwarding(2, sources=("deep",))
    ended = forwarding(3, closed_at=ago(days=1))
    [plan] = of(known=snapshot(held, aside, adopting, ended)).decisions
    assert plan.planned_changes == ()


def test_contested_ask_refused_failed_and_partially_applied_wait_for_an_operator() -> None:
    verdicts = (Verdict.ASK, Verdict.CONTESTED, Verdict.FAILED, Verdict.REFUSED, "never")
    cases = [case(n, verdict=verdict) for n, verdict in enumerate(verdicts, 1)]
    begun = ChangeRecord(
        "f" * 32,
        cases[4].key,
        "m5@x",
        "ResetAuditSet",
        {},
        ChangeState.INTENDED,
        ago(hours=1),
        "r",
        before={"x": 1},
    )
    only_meant = replace(begun, id="e" * 32, before={})
    found = of(ran(ago(minutes=5)), known=snapshot(*cases, changes=(begun, only_meant)))
    kinds = [one.kind for one in found.decisions]
    assert kinds == ["ask", "contested", "failed", "refused", "half-made"]
    assert "5 pending decisions" in words(found)


# -- exemptions, permissions, people --------------------------------------------------------------


def test_exemptions_are_ordered_by_their_end_and_expired_ones_are_not_in_force() -> None:
    known = snapshot(
        case(1),
        exemptions={
            one.subject: one
            for one in (
                Exemption("m1", "ann", "printer", ago(days=-200)),
                Exemption(f"{1:032x}", "bob", "agreed", ago(days=-3)),
                Exemption("m7", "cid", "left", ago(days=2)),
                Exemption("m8", "cid", "long ago", ago(days=80)),
            )
        },
    )
    found = of(ran(ago(minutes=5)), known=known).exemptions
    assert [(one.exemption.granted_by, one.in_force, one.ends_soon) for one in found] == [
        ("bob", True, True),
        ("ann", True, False),
        ("cid", False, False),
    ]
    assert [one.subject_name for one in found] == ["m1@x", "m1@x", ""]


def needing(*permissions: Permission) -> GuardConfig:
    return replace(QUARTERLY, guard=replace(GUARD, permissions=permissions))


def test_a_permission_that_no_guard_needs_is_excess() -> None:
    config = needing(
        Permission(Service.GRAPH, "User.Read.All", "to see accounts"),
        Permission(Service.EXCHANGE, "Get-Mailbox", "to list mailboxes"),
    )
    granted = {"graph": ["Domain.Read.All"], "exchange": ["Get-Mailbox", "Get-User", "Set-User"]}
    newest = ran(ago(minutes=5), granted=granted)
    before = ran(ago(minutes=20), granted={"graph": ["User.Read.All"], "exchange": None})
    found = build_status([GuardData(config, snapshot(), [newest, before])], NOW)
    assert found.permissions.excess_names == ("Domain.Read.All", "Set-User")
    assert found.permissions.known_since == ago(minutes=5)
    assert "2 permissions that no guard needs" in words(found)


@pytest.mark.parametrize("granted", [None, {}, {"graph": None, "exchange": None}, "all"])
def test_unknown_permissions_are_not_excess(granted: object) -> None:
    config = needing(Permission(Service.GRAPH, "User.Read.All", "to see accounts"))
    found = build_status(
        [GuardData(config, snapshot(), [ran(ago(minutes=5), granted=granted)])], NOW
    )
    assert (found.permissions.known_since, found.permissions.excess_names) == (None, ())
    assert found.health is Health.OK


def test_requests_are_shown_for_a_month_and_until_they_are_processed() -> None:
    old = OperatorRequest("3", RequestKind.UNDO, "c", "ann", "wrong", ago(days=60))
    actions = (
        OperatorRequest(
            "1",
            RequestKind.RUN,
            "",
            "bob",
            "look",
            ago(hours=1),
            state=RequestState.DONE,
            notified=True,
        ),
        replace(old, id="2", state=RequestState.DONE, notified=True),
        old,
    )
    found = of(ran(ago(minutes=5)), known=snapshot(operator_requests=actions))
    assert [action.id for action in found.operator_requests] == ["1", "3"]


# -- history --------------------------------------------------------------------------------------


def test_the_history_counts_open_opened_and_closed_cases_and_changes_of_each_day() -> None:
    cases = [
        case(1, opened_at=ago(days=100), severity=Severity.HIGH),
        case(2, opened_at=ago(days=3), closed_at=ago(days=1), severity=Severity.LOW),
        case(3, opened_at=ago(days=2, hours=3), closed_at=ago(days=2)),
        case(4, opened_at=ago(days=80), closed_at=ago(days=50)),
    ]
    made = ChangeRecord("c", "k", "s", "K", {}, ChangeState.APPLIED, ago(days=1), "r")
    changes = [made, replace(made, state=ChangeState.FAILED)]
    days = build_daily_history(cases, changes, [], NOW)
    assert len(days) == HISTORY_DAYS
    assert [day.day.day for day in days[-3:]] == [18, 19, 20]
    assert [day.open_count for day in days[-5:]] == [1, 2, 2, 1, 1]
    assert [(day.opened_count, day.closed_count) for day in days[-4:]] == [
        (1, 0),
        (1, 1),
        (0, 1),
        (0, 0),
    ]
    assert [day.change_count for day in days[-3:]] == [0, 1, 0]
    assert days[0].open_by_severity == {Severity.HIGH: 1}


# -- lists ----------------------------------------------------------------------------------------


def test_cases_are_filtered_by_guard_severity_and_state_in_pages() -> None:
    many = [case(n, opened_at=ago(minutes=n)) for n in range(1, 251)]
    ended = [case(n, closed_at=ago(hours=n), severity=Severity.HIGH) for n in range(301, 304)]
    rows = [GuardData(QUARTERLY, snapshot(*many, *ended))]
    first = select_case_page(rows, CaseFilter())
    assert (len(first.rows), first.total, first.page_count, first.first_number) == (
        PAGE_SIZE,
        250,
        3,
        1,
    )
    assert first.rows[0][1].object_id == "m250"
    last = select_case_page(rows, CaseFilter(page=3))
    assert (len(last.rows), last.first_number) == (50, 201)
    assert select_case_page(rows, CaseFilter(page=4)).rows == ()
    closed = select_case_page(rows, CaseFilter(state="closed"))
    assert [one.object_id for _, one in closed.rows] == ["m301", "m302", "m303"]
    assert select_case_page(rows, CaseFilter(state="all", severity="high")).total == 3
    assert select_case_page(rows, CaseFilter(guard="another")).total == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"guard": "x' or 1"},
        {"severity": "info"},
        {"severity": "HIGH"},
        {"state": "ajar"},
        {"page": "0"},
        {"page": "-1"},
        {"page": "9999999"},
        {"q": "x" * 101},
        {"answer": "maybe"},
        {"since": "yesterday"},
        {"since": "2026-02-30"},
        {"sort": "colour"},
        {"page": "\u0663"},
        {"about": "x"},
        {"about": "m1"},
        {"about": "0" * 12},
    ],
)
def test_an_invalid_filter_is_rejected(asked: Mapping[str, str]) -> None:
    with pytest.raises(InvalidCaseFilter):
        CaseFilter.parse(asked, ["toy"])


def test_an_empty_filter_matches_any() -> None:
    asked = {"guard": "", "severity": "", "state": "", "page": ""}
    assert CaseFilter.parse(asked, ["toy"]) == CaseFilter()
    asked = {"guard": "toy", "severity": "high", "state": "all", "page": "7"}
    assert CaseFilter.parse(asked, ["toy"]) == CaseFilter("toy", "high", "all", 7)


def test_cases_are_found_by_words_answer_and_day_and_come_in_the_order_asked_for() -> None:
    rows = [
        case(1, subject="Ann@Contoso.example", opened_at=ago(days=3)),
        case(2, summary="A rule of ann@contoso.example hides mail.", opened_at=ago(days=1)),
        case(3, facts=(Fact("to", "x@evil.example"),), acknowledged_at=ago(hours=1)),
        case(4, opened_at=ago(days=9)),
    ]
    data = [GuardData(QUARTERLY, snapshot(*rows))]

    def listed(**asked: str) -> list[int]:
        page = select_case_page(data, CaseFilter.parse(asked, ["toy"]))
        return [rows.index(one) + 1 for _, one in page.rows]

    assert sorted(listed(q=" ANN@contoso ")) == [1, 2]
    assert listed(q="EVIL.example") == [3]
    assert listed(q="m4") == [4]
    assert listed(q="nobody") == []
    assert sorted(listed(answer="none")) == [1, 2, 4]
    assert listed(answer="acknowledged") == [3]
    assert sorted(listed(since=ago(days=3).date().isoformat())) == [1, 2, 3]
    assert listed(sort="newest") == [2, 3, 1, 4]
    assert listed(sort="oldest") == [4, 1, 3, 2]


def test_the_address_of_a_list_has_only_what_was_chosen_and_leads_back_to_it() -> None:
    chosen = CaseFilter("toy", "high", "all", 7, q="a&b=c ü", answer="none", sort="newest")
    assert CaseFilter().build_query() == ""
    assert "page" not in chosen.build_query(page=1)
    assert CaseFilter.parse(dict(parse_qsl(chosen.build_query())), ["toy"]) == chosen


def test_what_is_new_and_grave_comes_before_what_the_first_look_found() -> None:
    old = case(1, severity=Severity.CRITICAL, baselined=True)
    recent = case(2, severity=Severity.HIGH, opened_at=ago(hours=1))
    newest = case(3, severity=Severity.HIGH, opened_at=ago(minutes=1))
    quiet = [
        case(4, severity=Severity.CRITICAL, acknowledged_at=ago(hours=1)),
        case(5, severity=Severity.MEDIUM),
        case(6, severity=Severity.CRITICAL, kind="credential"),
        case(7, severity=Severity.HIGH, kind="brake"),
    ]
    data = GuardData(QUARTERLY, snapshot(old, recent, newest, *quiet))
    urgent = build_status([data], NOW).urgent
    assert [group.lead for _, group in urgent] == [newest, recent, old]


def test_many_grave_cases_of_one_object_are_one_thing_to_act_on() -> None:
    rules = [case(n, severity=Severity.HIGH, object_id="m1") for n in range(1, 22)]
    victim = case(30, severity=Severity.HIGH, object_id="m2")
    urgent = build_status([GuardData(QUARTERLY, snapshot(*rules, victim))], NOW).urgent
    assert sorted(len(group.cases) for _, group in urgent) == [1, 21]


def test_an_object_comes_with_what_every_guard_knows_of_it_and_of_its_namesakes() -> None:
    mine = case(1, key=build_object_key("m1", "a"), object_id="m1", subject="ann@contoso.example")
    over = case(
        2,
        key=build_object_key("m1", "b"),
        object_id="m1",
        subject="old@contoso.example",
        opened_at=ago(days=9),
        closed_at=ago(days=8),
    )
    account = case(3, key=build_object_key("u1", "a"), subject="Ann@contoso.example")
    other = case(4, key=build_object_key("m4", "a"), subject="bob@contoso.example")
    made = ChangeRecord("c" * 32, mine.key, "s", "K", {}, ChangeState.APPLIED, ago(days=1), "r")
    exempt = Exemption("m1", "ann", "printer", ago(days=-2))
    data = [
        GuardData(
            QUARTERLY,
            snapshot(
                mine,
                over,
                account,
                other,
                changes=(made, replace(made, id="d" * 32, case_key=other.key)),
                exemptions={"m1": exempt, "m4": replace(exempt, subject="m4")},
            ),
        )
    ]
    found = find_object_detail(mine.key[:8], data, data)
    assert found is not None
    assert found.names == ("ann@contoso.example", "old@contoso.example")
    assert [one for _, one in found.open_cases] == [mine]
    assert [one for _, one in found.closed_cases] == [over]
    assert [one for _, one in found.namesakes] == [account]
    assert [one.id for _, one in found.changes] == [made.id]
    assert [one for _, one in found.exemptions] == [exempt]
    assert find_object_detail("0" * 8, data, data) is None


def test_cases_are_listed_by_their_object_and_by_what_they_share() -> None:
    thief = Correlation.of("x@evil.example", "mail to x@evil.example")
    rows = [
        case(1, key=build_object_key("m1", "a")),
        case(2, key=build_object_key("m1", "b"), correlations=(thief,)),
        case(3, key=build_object_key("m3", "a"), correlations=(thief,)),
        case(4, key=build_object_key("m4", "a")),
    ]
    data = [GuardData(QUARTERLY, snapshot(*rows))]

    def listed(about: str) -> list[Case]:
        chosen = CaseFilter.parse({"about": about}, ["toy"])
        return sorted((one for _, one in select_case_page(data, chosen).rows), key=rows.index)

    assert listed(rows[0].key[:8]) == rows[:2]
    assert listed(thief.key) == rows[1:3]
    assert listed("") == rows
    assert listed("0" * 16) == []


def test_a_case_comes_with_its_changes_exemption_and_requests() -> None:
    one = case(1)
    made = ChangeRecord("c" * 32, one.key, "s", "K", {}, ChangeState.APPLIED, ago(days=1), "r")
    known = snapshot(
        one,
        changes=(made, replace(made, id="d" * 32, case_key="other")),
        exemptions={"m1": Exemption("m1", "ann", "printer", ago(days=-2))},
        operator_requests=(
            OperatorRequest("1", RequestKind.UNDO, made.id, "ann", "wrong", ago(hours=1)),
            OperatorRequest("2", RequestKind.ACKNOWLEDGE, one.key, "ann", "known", ago(hours=1)),
            OperatorRequest("3", RequestKind.ACKNOWLEDGE, "f" * 32, "ann", "known", ago(hours=1)),
        ),
    )
    found = find_case_detail(QUARTERLY, known, one.key)
    assert found is not None
    assert [record.id for record in found.changes] == [made.id]
    assert found.exemption is not None
    assert [action.id for action in found.operator_requests] == ["1", "2"]
    assert find_case_detail(QUARTERLY, known, "nobody") is None


# -- JSON -----------------------------------------------------------------------------------------


def test_the_status_is_json_with_times_of_one_zone() -> None:
    plan = HeldPlan("a" * 32, ago(hours=1), 1)
    held = case(9, kind="brake", verdict=Verdict.ASK, plan_hash=plan.hash, held_plans=(plan,))
    one = forwarding(1, held_since=plan.at)
    made = ChangeRecord(
        "c" * 32,
        one.key,
        "m1@x",
        "ClearMailboxForward",
        {"mailbox_guid": "g"},
        ChangeState.APPLIED,
        ago(days=1),
        "r",
        before={"was": "a@b"},
    )
    known = snapshot(
        held,
        one,
        changes=(made,),
        exemptions={"m1": Exemption("m1", "ann", "printer", ago(days=-2))},
        operator_requests=(OperatorRequest("1", RequestKind.RUN, "", "bob", "look", ago(hours=1)),),
    )
    status = build_status([GuardData(QUARTERLY, known, [ran(ago(minutes=5))])], NOW)
    read = json.loads(json.dumps(to_json(build_status_document(status))))
    assert (read["version"], read["at"], read["health"]) == (1, NOW.isoformat(), "attention")
    assert read["guards"][0]["last_complete_scan"] == ago(minutes=4).isoformat()
    assert read["decisions"][0]["plan"] == "a" * 32
    assert read["decisions"][0]["would_change"][0]["subject"] == "m1@x"
    assert read["changes"][0]["before"] == {"was": "a@b"}
    assert read["open"] == {"all": 2, "critical": 0, "high": 0, "medium": 2, "low": 0}
    assert len(read["history"]) == HISTORY_DAYS


def test_cases_are_json() -> None:
    one = case(1, acknowledged_at=ago(hours=1), acknowledged_by="ann")
    made = ChangeRecord("c", one.key, "s", "K", {}, ChangeState.APPLIED, ago(days=1), "r")
    read = json.loads(json.dumps(to_json(build_case_document(CaseDetail(QUARTERLY, one, (made,))))))
    assert (read["case"], read["state"], read["why"]) == (one.key, "open", "It is a toy.")
    assert read["changes"][0]["outcome"] == "applied"
    case_page = CasePage(CaseFilter(), ((QUARTERLY, one),), 1, 1)
    page = json.loads(json.dumps(to_json(build_case_page_document(case_page))))
    assert page["cases"][0]["acknowledged_by"] == "ann"


def test_planned_changes_are_parsed_by_this_version() -> None:
    assert parse_planned_changes(forwarding(1)) == (ClearMailboxForward("g-m1"),)
