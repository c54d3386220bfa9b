"""Whole runs of the three guards on working fakes: the order of things, and death at every step."""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.adapters.table_storage.codec import read
from core.engine.run import new_run, run
from core.errors import Forbidden, LedgerError, Refused, Unavailable
from core.keys import NUMBER
from core.model.cases import News
from core.model.changes import ChangeRecord, ChangeState
from core.model.guards import Duty, Limit, Mode, Terms
from core.model.requests import Request
from core.model.runs import RunReport
from core.ports import World
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.directory import Account
from core.tenant.mail_flow import AcceptedDomain, InboxRule
from core.tenant.mailboxes import Mailbox
from tests.support.builders import AUDIT, FORWARDING, SIGN_IN, THREE
from tests.support.fakes.tenant import FakeTenant
from tests.support.fakes.world import START, Clock, FakeAlerts, FakeLedger

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

    duty: Duty
    tenant: FakeTenant = field(default_factory=tenant)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.alerts = FakeAlerts()

    async def tick(self, request: Request | None = None) -> RunReport:
        """One run; then time passes until every guard is due again."""
        world = World(self.tenant, self.ledger, self.alerts, Terms(START), self.clock)
        try:
            return await run(self.duty, world, request)
        finally:
            self.clock.advance(hours=6)

    def cards(self) -> str:
        """All that was ever said."""
        return json.dumps(self.alerts.sent)

    def changes(self) -> list[ChangeRecord]:
        """All that is remembered of changes."""
        rows = self.ledger.partition(self.duty.guard.name).rows.values()
        return [read(ChangeRecord, text) for kind, text in rows if kind is ChangeRecord]


def enforcing(duty: Duty) -> Duty:
    return replace(duty, mode=Mode.ENFORCE)


EVERY_GUARD = pytest.mark.parametrize("duty", THREE, ids=lambda duty: duty.guard.name)


# -- the story ---------------------------------------------------------------------------------


@EVERY_GUARD
async def test_first_look_then_change_then_silence(duty: Duty) -> None:
    stage = Stage(enforcing(duty))
    first = await stage.tick()
    assert first.adopted
    assert first.preview
    assert stage.tenant.writes == []
    second = await stage.tick()
    assert {outcome.state for outcome in second.outcomes} == {ChangeState.APPLIED}
    assert len(stage.tenant.writes) == len(second.outcomes) == len(first.preview)
    assert len(stage.alerts.sent) == 2
    writes, saves = len(stage.tenant.writes), stage.ledger.saves
    third = await stage.tick()
    assert (third.outcomes, third.news, third.told) == ((), (), None)
    assert len(stage.tenant.writes) == writes
    assert len(stage.alerts.sent) == 2
    assert stage.ledger.saves == saves + 1


@EVERY_GUARD
async def test_alert_mode_never_writes(duty: Duty) -> None:
    stage = Stage(replace(duty, mode=Mode.ALERT))
    for _ in range(3):
        await stage.tick()
    assert stage.tenant.writes == []
    assert stage.changes() == []
    assert len(stage.alerts.sent) == 1


@EVERY_GUARD
async def test_a_request_may_hold_an_enforcing_guard_back(duty: Duty) -> None:
    stage = Stage(enforcing(duty))
    await stage.tick()
    report = await stage.tick(Request(mode=Mode.ALERT))
    assert report.mode is Mode.ALERT
    assert stage.tenant.writes == []


async def test_a_guard_that_is_off_looks_at_nothing() -> None:
    stage = Stage(replace(AUDIT, mode=Mode.OFF))
    assert (await stage.tick()).status == "off"
    assert stage.tenant.asked == []


async def test_a_guard_held_by_another_run_is_busy() -> None:
    stage = Stage(AUDIT)
    async with stage.ledger.claim("mailbox-audit", "another"):
        assert (await stage.tick()).status == "busy"
    assert stage.tenant.asked == []


async def test_what_is_new_after_the_first_look_is_told_by_itself() -> None:
    stage = Stage(FORWARDING)
    await stage.tick()
    rule = InboxRule("r2", "u1", "..", "graph", forward_to=("z@evil.example",))
    stage.tenant.rules.append(rule)
    report = await stage.tick()
    assert [case.subject for case in report.news] == ["info@contoso.com"]
    assert len(stage.alerts.sent) == 2
    stage.tenant.rules.remove(rule)
    report = await stage.tick()
    assert [case.news for case in report.news] == [News.CLOSED]


# -- nothing is lost ---------------------------------------------------------------------------


async def test_news_wait_for_a_channel_that_is_down() -> None:
    stage = Stage(enforcing(SIGN_IN))
    stage.alerts.down = True
    for _ in range(3):
        report = await stage.tick()
        assert report.told is False
    stage.alerts.down = False
    report = await stage.tick()
    assert report.told
    assert len(stage.alerts.sent) == 1
    assert "put it right" in stage.cards()
    assert (await stage.tick()).told is None


async def test_without_its_memory_a_guard_neither_looks_nor_writes_nor_tells() -> None:
    stage = Stage(enforcing(SIGN_IN))
    stage.ledger.broken = True
    with pytest.raises(LedgerError):
        await stage.tick()
    assert (stage.tenant.asked, stage.tenant.writes, stage.alerts.sent) == ([], [], [])


async def test_one_refused_account_does_not_keep_the_others() -> None:
    stage = Stage(enforcing(SIGN_IN))
    await stage.tick()
    stage.tenant.refuse("u1", Refused("it holds an admin role", verdict="protected"))
    report = await stage.tick()
    assert [(row.subject, row.state) for row in report.outcomes] == [
        ("info@contoso.com", ChangeState.REFUSED),
        ("room@contoso.com", ChangeState.APPLIED),
    ]
    assert "protected" in stage.cards()
    again = await stage.tick()
    assert (again.outcomes, again.told) == ((), None)


async def test_a_missing_permission_is_named_once_and_asked_for_once_a_run() -> None:
    stage = Stage(enforcing(SIGN_IN))
    await stage.tick()
    forbidden = Forbidden("403", permission="User.EnableDisableAccount.All")
    stage.tenant.refuse("BlockSignIn", forbidden)
    report = await stage.tick()
    assert [row.state for row in report.outcomes] == [ChangeState.FAILED] * 2
    assert "User.EnableDisableAccount.All" in stage.cards()
    assert (await stage.tick()).told is None
    stage.tenant.mend()
    assert {row.state for row in (await stage.tick()).outcomes} == {ChangeState.APPLIED}


async def test_passing_trouble_of_a_change_is_tried_again() -> None:
    stage = Stage(enforcing(SIGN_IN))
    await stage.tick()
    stage.tenant.refuse("u1", Unavailable("503"))
    await stage.tick()
    stage.tenant.mend()
    assert [row.state for row in (await stage.tick()).outcomes] == [ChangeState.APPLIED]


async def test_an_unread_mailbox_keeps_its_case_open() -> None:
    stage = Stage(FORWARDING)
    await stage.tick()
    stage.tenant.rules.clear()
    stage.tenant.fail("inbox-rules", "u3")
    report = await stage.tick()
    assert report.unread == 1
    assert not [case for case in report.news if case.closed]
    stage.tenant.mend()
    report = await stage.tick()
    assert {case.closing for case in report.news} == {"gone"}


# -- the brake ---------------------------------------------------------------------------------


async def test_the_brake_holds_until_exactly_its_plan_is_released() -> None:
    stage = Stage(replace(enforcing(SIGN_IN), limit=Limit(count=1, percent=0.0)))
    await stage.tick()
    held = await stage.tick()
    assert held.held
    assert stage.tenant.writes == []
    wrong = await stage.tick(Request(plan="0" * 32, at=stage.clock()))
    assert "was not released" in wrong.error
    assert stage.tenant.writes == []
    released = await stage.tick(Request(plan=held.plan, at=stage.clock()))
    assert len(stage.tenant.writes) == 2
    assert released.held == ""
    again = await stage.tick(Request(plan=held.plan, at=stage.clock()))
    assert "no plan waits" in again.error


# -- watched from outside ----------------------------------------------------------------------


def traces(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines an alert rule reads."""
    mark = "exoguard.run "
    lines = [row.getMessage() for row in caplog.records if row.getMessage().startswith(mark)]
    return [json.loads(line.removeprefix(mark)) for line in lines]


async def test_each_run_leaves_one_line_with_its_figures(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="exoguard")
    stage = Stage(enforcing(SIGN_IN))
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
    stage = Stage(FORWARDING)
    stage.alerts.down = True
    await stage.tick()
    await stage.tick()
    first, second = traces(caplog)
    assert (first["told"], first["oldest_untold_minutes"]) == (False, 0.0)
    assert (second["told"], second["oldest_untold_minutes"]) == (False, 360.0)


async def test_a_run_that_fails_leaves_its_line_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="exoguard")
    stage = Stage(AUDIT)
    stage.ledger.broken = True
    with pytest.raises(LedgerError):
        await stage.tick()
    async with FakeLedger(stage.clock).claim("other", "r"):
        pass
    stage.ledger.broken = False
    async with stage.ledger.claim("mailbox-audit", "another"):
        await stage.tick()
    assert [row["status"] for row in traces(caplog)] == ["failed", "busy"]


# -- small things ------------------------------------------------------------------------------


def test_run_ids_sort_newest_first() -> None:
    ids = [new_run(START + timedelta(milliseconds=number)) for number in range(5)]
    assert sorted(ids) == ids[::-1]
    assert all(re.fullmatch(NUMBER, one) for one in ids)
    assert new_run(datetime(2999, 12, 31, tzinfo=UTC)) < new_run(START)
