"""What the report of a run says of the run itself, whatever became of it."""

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import cast

import pytest

from core.engine.run import run
from core.errors import LedgerError
from core.model.guards import Mode, Permission, Service
from core.model.requests import RunOptions
from core.model.runs import RunReport
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.port import Tenant
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import GRANTS
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.synthetic_guard import ALERT_CONFIG, GUARD, SyntheticTenant

SECOND = timedelta(seconds=1)
NEEDED = Permission(Service.GRAPH, "User.Read.All", "to see them")
DUTY = replace(ALERT_CONFIG, guard=replace(GUARD, noun="toys", permissions=(NEEDED,)))


class Passing(Clock):
    """Time passes whenever somebody asks for it."""

    def __call__(self) -> datetime:
        self.advance(seconds=1)
        return self.current


class Ungranted(SyntheticTenant):
    """A tenant that does not tell what the app may do."""

    async def read_granted_permissions(self) -> Reading[GrantedPermissions]:
        return Reading(failures=(ReadFailure(GRANTS, "HTTP 503"),))


@dataclass
class Stage:
    tenant: SyntheticTenant = field(default_factory=lambda: SyntheticTenant(3))
    clock: Passing = field(default_factory=Passing)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)

    async def run(self, request: RunOptions | None = None, mode: Mode = Mode.ALERT) -> RunReport:
        tenant = cast(Tenant, self.tenant)
        world = World(tenant, self.ledger, FakeNotificationChannel(), self.clock, build_cards)
        return await run(replace(DUTY, mode=mode), world, request)


async def test_a_report_says_whose_run_it_is_and_when_it_was() -> None:
    report = await Stage().run()
    assert (report.guard, report.title, report.noun) == ("toy", "Toy", "toys")
    assert report.rationale == "It is a toy."
    assert (report.status, report.mode) == ("done", Mode.ALERT)
    assert report.finished_at
    assert START < report.started_at < report.finished_at


async def test_a_run_somebody_asked_for_has_the_name_they_were_given() -> None:
    report = await Stage().run(RunOptions(run="79-abc"))
    assert report.run == "79-abc"
    assert (await Stage().run()).run.partition("-")[0].isdigit()


async def test_a_run_begins_when_its_claim_was_decided_about() -> None:
    report = await Stage().run()
    # The first second passed when the claim was asked for.
    assert report.started_at > START + SECOND


@pytest.mark.parametrize("status", ["off", "busy"])
async def test_a_run_that_did_not_look_says_why_and_when_it_ended(status: str) -> None:
    stage = Stage()
    async with stage.ledger.claim("toy" if status == "busy" else "another", "another's"):
        report = await stage.run(mode=Mode.OFF if status == "off" else Mode.ALERT)
    assert report.status == status
    assert report.finished_at
    assert report.finished_at > report.started_at
    assert stage.tenant.inspected == []


async def test_a_run_that_fails_says_so_where_it_is_watched(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, logger="exoguard")
    stage = Stage()
    stage.ledger.is_down = True
    with pytest.raises(LedgerError):
        await stage.run()
    line = next(row.getMessage() for row in caplog.records if "exoguard.run {" in row.getMessage())
    assert '"status":"failed"' in line.replace(" ", "")
    assert '"seconds":0' not in line.replace(" ", "")


async def test_what_the_app_was_not_granted_is_told_and_what_cannot_be_read_is_not() -> None:
    without = await Stage(
        SyntheticTenant(3, granted=GrantedPermissions(app_roles=frozenset()))
    ).run()
    assert [case.kind for case in without.notifications] == ["permission-missing"]
    unknown = await Stage(Ungranted(3)).run()
    assert "permission-missing" not in [case.kind for case in unknown.notifications]
