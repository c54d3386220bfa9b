"""Whole runs of the three guards on working fakes: the order of things, and death at every step."""

import json
import re
from copy import replace
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import pytest

from core.adapters.table_storage.codec import decode_stored_record
from core.engine.run import create_run_id, run
from core.errors import Forbidden, LedgerError, Rejected, Unavailable
from core.keys import RUN_ID_PATTERN
from core.model.cases import Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.guards import ChangeLimit, GuardConfig, Mode
from core.model.requests import RunOptions
from core.model.runs import RunReport
from core.model.state import ProbeReport
from core.notifications.run_cards import build_cards
from core.ports import World
from core.status.guard_status import GuardData
from core.status.overview import build_status
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.directory import Account
from core.tenant.mail_flow import AcceptedDomain, InboxRule
from core.tenant.mailboxes import Mailbox
from core.tenant.probing import AnswerStatus, ProbeAnswer
from tests.support.builders import AUDIT_CONFIG, FORWARDING_CONFIG, SIGN_IN_CONFIG, THREE_CONFIGS
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant
from tests.support.mistakes import OddChecks, make_slip

CUSTOM = {"Owner": frozenset({"Move"}), "Delegate": frozenset({"Update"})}


def tenant() -> FakeTenant:
    """A small tenant in which every guard finds something to change."""
    box = Mailbox("u1", "g1", "info@contoso.com", kind="SharedMailbox")
    second = Mailbox("u2", "g2", "room@contoso.com", kind="RoomMailbox")
    person = Mailbox("u3", "g3", "joe@contoso.com", forwarding_smtp_address="smtp:x@evil.example")
    rule = InboxRule("r1", "u3", ".", "graph", redirect_to=("y@evil.example",))
    return FakeTenant(
        boxes=[box, second, person],
        users=[Account(mailbox.id, mailbox.address, enabled=True) for mailbox in (box, second)],
        rules=[rule],
        domains=[AcceptedDomain("contoso.com")],
        audits=[
            MailboxAudit(
                person,
                False,
                frozenset({"Admin"}),
                {"Owner": frozenset({"Move"}), "Delegate": frozenset({"Update"})},
                30.0,
            )
        ],
        organization=OrganizationAudit(audit_disabled=True, unified_log=False),
        bypasses=[AuditBypass("b1", "backup")],
    )


@dataclass
class Stage:
    """One tenant, one memory, one channel, over any number of runs."""

    duty: GuardConfig
    tenant: FakeTenant = field(default_factory=tenant)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.alerts = FakeNotificationChannel()

    async def tick(self, request: RunOptions | None = None) -> RunReport:
        """One run; then time passes until every guard is due again."""
        world = World(self.tenant, self.ledger, self.alerts, self.clock, build_cards)
        try:
            return await run(self.duty, world, request)
        finally:
            self.clock.advance(hours=6)

    def cards(self) -> str:
        """All that was ever said."""
        return json.dumps(self.alerts.sent)

    def changes(self) -> list[ChangeRecord]:
        """All that is remembered of changes."""
        rows = self.ledger.get_partition(self.duty.guard.name).rows.values()
        return [
            decode_stored_record(ChangeRecord, text) for kind, text in rows if kind is ChangeRecord
        ]


def enforcing(duty: GuardConfig) -> GuardConfig:
    return replace(duty, mode=Mode.ENFORCE)


EVERY_GUARD = pytest.mark.parametrize("duty", THREE_CONFIGS, ids=lambda duty: duty.guard.name)


async def test_a_run_reports_what_the_last_probe_saw_stop() -> None:
    stage = Stage(FORWARDING_CONFIG)
    stopped = ProbeAnswer(
        "exchange-paging",
        AnswerStatus.DOES_NOT_HOLD,
        "the second page was refused",
        guard=FORWARDING_CONFIG.guard.name,
        stopped_at=START,
    )
    await stage.ledger.save_probe(ProbeReport(START, (stopped,)))
    report = await stage.tick()
    found = [row.finding for row in report.findings if row.finding.kind == "assumption-stopped"]
    assert [finding.object_id for finding in found] == ["exchange-paging"]
    quiet = await Stage(FORWARDING_CONFIG).tick()
    assert "assumption-stopped" not in {row.finding.kind for row in quiet.findings}


async def test_sessions_are_ended_once_when_a_block_has_stood_for_a_week() -> None:
    made_at = START - timedelta(days=100)
    stage = Stage(enforcing(SIGN_IN_CONFIG))
    stage.tenant = FakeTenant(
        boxes=[Mailbox("u1", "g1", "info@contoso.com", kind="SharedMailbox")],
        users=[
            Account(
                "u1",
                "info@contoso.com",
                enabled=True,
                plans=frozenset(),
                created_at=made_at,
                password_changed_at=made_at,
            )
        ],
    )
    for _ in range(3):
        await stage.tick()
    assert [user.enabled for user in stage.tenant.users] == [False]
    assert stage.tenant.signed_out == []
    stage.clock.advance(hours=7 * 24)
    for _ in range(4):
        await stage.tick()
    assert stage.tenant.signed_out == ["u1"]
    kinds = sorted((one.kind, one.state) for one in stage.changes())
    assert kinds == [("BlockSignIn", "applied"), ("EndSessions", "applied")]
    quiet = len(stage.alerts.sent)
    await stage.tick()
    assert len(stage.alerts.sent) == quiet


# -- the story ---------------------------------------------------------------------------------


async def test_forwards_of_the_first_look_are_asked_about_and_only_new_ones_cleared() -> None:
    stage = Stage(enforcing(FORWARDING_CONFIG))
    for _ in range(2):
        report = await stage.tick()
        assert (report.preview, report.outcomes) == ((), ())
    assert {row.verdict for row in report.findings} == {"external"}
    forward = replace(stage.tenant.boxes[0], forwarding_smtp_address="smtp:z@evil.example")
    stage.tenant.boxes[0] = forward
    report = await stage.tick()
    assert [outcome.subject for outcome in report.outcomes] == ["info@contoso.com"]
    assert [type(change).__name__ for change in stage.tenant.applied_changes] == [
        "ClearMailboxForward"
    ]


@pytest.mark.parametrize("duty", [SIGN_IN_CONFIG, AUDIT_CONFIG], ids=lambda duty: duty.guard.name)
async def test_first_look_then_change_then_silence(duty: GuardConfig) -> None:
    stage = Stage(enforcing(duty))
    first = await stage.tick()
    assert first.baselined
    assert first.preview
    assert stage.tenant.applied_changes == []
    second = await stage.tick()
    assert {outcome.state for outcome in second.outcomes} == {ChangeState.APPLIED}
    assert len(stage.tenant.applied_changes) == len(second.outcomes) == len(first.preview)
    assert len(stage.alerts.sent) == 2
    writes = len(stage.tenant.applied_changes)
    for _ in range(2):
        # What mailboxes record since the change is remembered once.
        saves = stage.ledger.save_count
        later = await stage.tick()
        assert (later.outcomes, later.notifications, later.delivered) == ((), (), None)
        assert len(stage.tenant.applied_changes) == writes
        assert len(stage.alerts.sent) == 2
    assert stage.ledger.save_count == saves + 1


@EVERY_GUARD
async def test_alert_mode_never_writes(duty: GuardConfig) -> None:
    stage = Stage(replace(duty, mode=Mode.ALERT))
    for _ in range(3):
        await stage.tick()
    assert stage.tenant.applied_changes == []
    assert stage.changes() == []
    assert len(stage.alerts.sent) == 1


@EVERY_GUARD
async def test_a_request_may_hold_an_enforcing_guard_back(duty: GuardConfig) -> None:
    stage = Stage(enforcing(duty))
    await stage.tick()
    report = await stage.tick(RunOptions(mode=Mode.ALERT))
    assert report.mode is Mode.ALERT
    assert stage.tenant.applied_changes == []


async def test_a_guard_that_is_off_looks_at_nothing() -> None:
    stage = Stage(replace(AUDIT_CONFIG, mode=Mode.OFF))
    assert (await stage.tick()).status == "off"
    assert stage.tenant.read_log == []


async def test_a_guard_held_by_another_run_is_busy() -> None:
    stage = Stage(AUDIT_CONFIG)
    async with stage.ledger.claim("mailbox-audit", "another"):
        assert (await stage.tick()).status == "busy"
    assert stage.tenant.read_log == []


async def test_what_is_new_after_the_first_look_is_told_by_itself() -> None:
    stage = Stage(FORWARDING_CONFIG)
    await stage.tick()
    rule = InboxRule("r2", "u1", "..", "graph", forward_to=("z@evil.example",))
    stage.tenant.rules.append(rule)
    report = await stage.tick()
    assert [case.subject for case in report.notifications] == ["info@contoso.com"]
    assert len(stage.alerts.sent) == 2
    stage.tenant.rules.remove(rule)
    assert (await stage.tick()).notifications == ()
    report = await stage.tick()
    assert [case.notification for case in report.notifications] == [Notification.CLOSED]


# -- nothing is lost ---------------------------------------------------------------------------


async def test_news_wait_for_a_channel_that_is_down() -> None:
    stage = Stage(enforcing(SIGN_IN_CONFIG))
    stage.alerts.is_down = True
    for _ in range(3):
        report = await stage.tick()
        assert report.delivered is False
    stage.alerts.is_down = False
    report = await stage.tick()
    assert report.delivered
    assert len(stage.alerts.sent) == 1
    assert "Exoguard remediated it" in stage.cards()
    assert (await stage.tick()).delivered is None


async def test_without_its_memory_a_guard_neither_looks_nor_writes_nor_tells() -> None:
    stage = Stage(enforcing(SIGN_IN_CONFIG))
    stage.ledger.is_down = True
    with pytest.raises(LedgerError):
        await stage.tick()
    assert (stage.tenant.read_log, stage.tenant.applied_changes, stage.alerts.sent) == ([], [], [])


async def test_one_refused_account_does_not_keep_the_others() -> None:
    stage = Stage(enforcing(SIGN_IN_CONFIG))
    await stage.tick()
    stage.tenant.fail_change("u1", Rejected("it holds an admin role", verdict="protected"))
    report = await stage.tick()
    assert [(row.subject, row.state) for row in report.outcomes] == [
        ("info@contoso.com", ChangeState.REFUSED),
        ("room@contoso.com", ChangeState.APPLIED),
    ]
    assert "protected" in stage.cards()
    again = await stage.tick()
    assert (again.outcomes, again.delivered) == ((), None)


async def test_a_missing_permission_is_named_once_and_asked_for_once_a_run() -> None:
    stage = Stage(enforcing(SIGN_IN_CONFIG))
    await stage.tick()
    forbidden = Forbidden("403", permission="User.EnableDisableAccount.All")
    stage.tenant.fail_change("BlockSignIn", forbidden)
    report = await stage.tick()
    assert [row.state for row in report.outcomes] == [ChangeState.FAILED] * 2
    assert "User.EnableDisableAccount.All" in stage.cards()
    assert (await stage.tick()).delivered is None
    stage.tenant.clear_faults()
    assert {row.state for row in (await stage.tick()).outcomes} == {ChangeState.APPLIED}


async def test_passing_trouble_of_a_change_is_tried_again() -> None:
    stage = Stage(enforcing(SIGN_IN_CONFIG))
    await stage.tick()
    stage.tenant.fail_change("u1", Unavailable("503"))
    await stage.tick()
    stage.tenant.clear_faults()
    assert [row.state for row in (await stage.tick()).outcomes] == [ChangeState.APPLIED]


async def test_an_unread_mailbox_keeps_its_case_open() -> None:
    stage = Stage(FORWARDING_CONFIG)
    await stage.tick()
    stage.tenant.rules.clear()
    stage.tenant.fail_read("inbox-rules", "u3")
    report = await stage.tick()
    assert report.unread_count == 1
    assert not [case for case in report.notifications if case.closed_at]
    stage.tenant.clear_faults()
    await stage.tick()
    report = await stage.tick()
    assert {case.resolution for case in report.notifications} == {"gone"}


# -- the brake ---------------------------------------------------------------------------------


async def test_the_brake_holds_until_exactly_its_plan_is_released() -> None:
    stage = Stage(replace(enforcing(SIGN_IN_CONFIG), limit=ChangeLimit(count=1, percent=0.0)))
    await stage.tick()
    held = await stage.tick()
    assert held.block_reason
    assert stage.tenant.applied_changes == []
    wrong = await stage.tick(RunOptions(plan="0" * 32, at=stage.clock()))
    assert "was not released" in wrong.error
    assert stage.tenant.applied_changes == []
    released = await stage.tick(RunOptions(plan=held.plan, at=stage.clock()))
    assert len(stage.tenant.applied_changes) == 2
    assert released.block_reason == ""
    again = await stage.tick(RunOptions(plan=held.plan, at=stage.clock()))
    assert "no plan waits" in again.error


# -- watched from outside ----------------------------------------------------------------------


def traces(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines an alert rule reads."""
    mark = "exoguard.run "
    lines = [row.getMessage() for row in caplog.records if row.getMessage().startswith(mark)]
    return [json.loads(line.removeprefix(mark)) for line in lines]


async def test_each_run_leaves_one_line_with_its_figures(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="exoguard")
    stage = Stage(enforcing(SIGN_IN_CONFIG))
    await stage.tick()
    await stage.tick()
    first, second = traces(caplog)
    assert (first["guard"], first["status"], first["adopted"]) == (
        "shared-mailbox-sign-in",
        "done",
        True,
    )
    assert (first["population"], first["coverage"], first["open"]) == (2, 1.0, 2)
    assert (second["changes"], second["failed_changes"], second["open"]) == (2, 0, 0)
    assert "contoso" not in caplog.text


async def test_news_that_wait_are_seen_from_outside(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="exoguard")
    stage = Stage(FORWARDING_CONFIG)
    stage.alerts.is_down = True
    await stage.tick()
    await stage.tick()
    first, second = traces(caplog)
    assert (first["told"], first["oldest_untold_minutes"]) == (False, 0.0)
    assert (second["told"], second["oldest_untold_minutes"]) == (False, 360.0)


async def test_a_run_that_fails_leaves_its_line_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="exoguard")
    stage = Stage(AUDIT_CONFIG)
    stage.ledger.is_down = True
    with pytest.raises(LedgerError):
        await stage.tick()
    async with FakeLedger(stage.clock).claim("other", "r"):
        pass
    stage.ledger.is_down = False
    async with stage.ledger.claim("mailbox-audit", "another"):
        await stage.tick()
    assert [row["status"] for row in traces(caplog)] == ["failed", "busy"]


BROKEN = make_slip(FORWARDING_CONFIG, ValueError("a rule of joe@contoso.com"))


async def test_a_run_that_fails_by_a_mistake_is_on_record_and_on_the_status_page(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", logger="exoguard")
    stage = Stage(FORWARDING_CONFIG)
    await stage.tick()
    stage.duty, guard = BROKEN, BROKEN.guard
    with pytest.raises(ValueError, match="joe"):
        await stage.tick()
    assert [row["status"] for row in traces(caplog)] == ["done", "failed"]
    runs = await stage.ledger.list_recent_runs(guard.name, 9)
    line = OddChecks.__iter__.__code__.co_firstlineno + 1
    place = f"a mistake of the app, ValueError at mistakes.py:{line}"
    assert [(one["status"], one["error"]) for one in runs] == [("failed", place), ("done", "")]
    data = GuardData(stage.duty, await stage.ledger.load(guard.name), runs)
    reasons = [one.text for one in build_status([data], stage.clock()).reasons]
    assert f"its last run failed: {place}" in reasons


async def test_a_mistake_after_the_report_was_saved_leaves_it_as_it_is() -> None:
    stage = Stage(FORWARDING_CONFIG)

    def render(*given: object, **more: object) -> list[object]:
        raise TypeError("a card")

    world = World(stage.tenant, stage.ledger, stage.alerts, stage.clock, cast(Any, render))
    with pytest.raises(TypeError, match="a card"):
        await run(stage.duty, world)
    (document,) = await stage.ledger.list_recent_runs(stage.duty.guard.name, 9)
    assert document["status"] == "done"


async def test_a_mistake_is_raised_also_where_it_cannot_be_recorded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage(BROKEN)
    stage.ledger.hides_runs = True
    with pytest.raises(ValueError, match="joe"):
        await stage.tick()
    assert "that the run failed is not on record" in caplog.text


# -- small things ------------------------------------------------------------------------------


def test_run_ids_sort_newest_first() -> None:
    ids = [create_run_id(START + timedelta(milliseconds=number)) for number in range(5)]
    assert sorted(ids) == ids[::-1]
    assert all(re.fullmatch(RUN_ID_PATTERN, one) for one in ids)
    assert create_run_id(datetime(2999, 12, 31, tzinfo=UTC)) < create_run_id(START)


async def test_the_seed_of_the_periodic_checks_is_made_once_and_kept() -> None:
    stage = Stage(FORWARDING_CONFIG)
    seeds = iter(("first", "second"))
    for _ in range(2):
        world = World(
            stage.tenant,
            stage.ledger,
            stage.alerts,
            stage.clock,
            build_cards,
            create_seed=lambda: next(seeds),
        )
        await run(stage.duty, world)
        stage.clock.advance(hours=6)
        assert (await stage.ledger.load_state(stage.duty.guard.name)).check_seed == "first"


async def test_a_run_begins_with_as_many_calls_at_once_as_the_last_one_found_accepted() -> None:
    stage = Stage(FORWARDING_CONFIG)
    begun: list[dict[str, int]] = []
    for accepted in ({"graph": 16}, {"graph": 3}, {"graph": 5}):
        world = World(
            stage.tenant,
            stage.ledger,
            stage.alerts,
            stage.clock,
            build_cards,
            get_accepted_calls=partial(dict, accepted),
            resume_calls=lambda known: begun.append(dict(known)),
        )
        await run(stage.duty, world)
        stage.clock.advance(hours=6)
    assert begun == [{}, {"graph": 16}, {"graph": 3}]
