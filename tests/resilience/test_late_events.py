"""Records of what happened that come late, in any order, twice, or while nobody looked.

Deletions and consents are judged from what can be listed now, run after run: so a record that comes
late is found late, and none is told twice or left out for the way it came.
"""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import pytest

from core.engine.run import run
from core.guards.app_consent.guard import GUARD as CONSENT
from core.guards.mass_deletion import AWAY
from core.guards.mass_deletion import GUARD as DELETION
from core.model.cases import Case
from core.model.findings import Severity
from core.model.guards import Duty, Guard, Mode, Terms
from core.model.runs import RunReport
from core.ports import World
from core.tenant.apps import DelegatedGrant
from core.tenant.directory import Deletion
from core.tenant.port import Tenant
from core.tenant.surfaces import DELETIONS
from tests.support.fakes.tenant import FakeTenant
from tests.support.fakes.world import START, Clock, FakeAlerts, FakeLedger
from tests.unit.guards.test_app_consent import grant, tenant_of
from tests.unit.guards.test_mass_deletion import OTHER, deleted

HOUR = timedelta(hours=1)


@dataclass
class Stage:
    """One guard that tells, on a tenant in memory."""

    guard: Guard[Any]
    tenant: FakeTenant
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.alerts = FakeAlerts()

    async def tick(self, hours: float = 1.0) -> RunReport:
        """One run; then so many hours pass."""
        tenant = cast(Tenant, self.tenant)
        world = World(tenant, self.ledger, self.alerts, Terms(START), self.clock)
        report = await run(Duty(self.guard, "0 0 * * * *", Mode.ALERT), world)
        self.clock.advance(hours=hours)
        return report

    def cases(self) -> list[Case]:
        return list(self.ledger.cases(self.guard.name).values())

    @property
    def cards(self) -> int:
        return len(self.alerts.sent)


async def watched() -> Stage:
    """A tenant of which all deletions so far are known."""
    stage = Stage(DELETION, FakeTenant(counted=50))
    await stage.tick()
    return stage


async def test_records_that_come_hours_late_one_by_one_in_any_order_and_twice_are_one_case() -> (
    None
):
    stage = await watched()
    rows = deleted(14, hours=0)
    for row in (*rows[7:], *rows[:7], *rows[3:9]):
        stage.tenant.deleted.append(row)
        await stage.tick(0.5)
    (case,) = stage.cases()
    assert case.told
    assert stage.cards == 1
    assert "14 users" in case.summary


async def test_a_record_that_makes_it_worse_is_told_however_late_it_comes() -> None:
    stage = await watched()
    rows = deleted(12, hours=0)
    stage.tenant.deleted += rows
    await stage.tick(8)
    (case,) = stage.cases()
    assert (case.severity, stage.cards) == (Severity.HIGH, 1)
    stage.tenant.deleted.append(replace(rows[0], final=True))
    await stage.tick()
    (case,) = stage.cases()
    assert (case.severity, stage.cards) == (Severity.CRITICAL, 2)


async def test_the_same_records_again_after_all_is_over_are_no_news() -> None:
    stage = await watched()
    stage.tenant.deleted += deleted(12, hours=0)
    await stage.tick()
    await stage.tick(30)
    for _ in range(2):
        await stage.tick()
    assert [case.closing for case in stage.cases()] == ["gone"]
    stage.tenant.deleted += deleted(12, hours=0)
    for _ in range(3):
        await stage.tick()
    assert stage.cards == 1


@pytest.mark.parametrize("hours", [3, 30, 90, AWAY.total_seconds() / 3600 - 3])
async def test_what_was_deleted_while_nobody_looked_is_told_by_the_first_who_looks(
    hours: float,
) -> None:
    stage = await watched()
    stage.tenant.deleted += deleted(12, hours=-1)
    stage.clock.advance(hours=hours)
    await stage.tick()
    (case,) = stage.cases()
    assert (case.told is not None, stage.cards) == (True, 1)
    await stage.tick(25)
    for _ in range(2):
        await stage.tick()
    assert (stage.cases()[0].closing, stage.cards) == ("gone", 1)


async def test_an_hour_in_which_the_log_could_not_be_read_leaves_no_hole() -> None:
    stage = await watched()
    stage.tenant.deleted += deleted(12, hours=-1)
    stage.tenant.fail(DELETIONS)
    for _ in range(30):
        await stage.tick()
    assert not [case for case in stage.cases() if case.kind == "mass-deletion"]
    stage.tenant.mend()
    await stage.tick()
    assert [case.told is not None for case in stage.cases() if case.kind == "mass-deletion"] == [
        True
    ]


async def test_one_record_of_a_day_yet_to_come_hides_none_of_the_others() -> None:
    stage = await watched()
    stray = Deletion("user-99", "user", START + timedelta(days=400), "stray", actor=OTHER)
    for actor in (OTHER, deleted(1)[0].actor):
        stage.tenant.deleted = [*deleted(12, OTHER, hours=0), replace(stray, actor=actor)]
        await stage.tick()
        (case,) = [one for one in stage.cases() if one.closed is None]
        assert case.told
    assert stage.cards == 1


async def test_a_consent_that_comes_twice_or_late_or_again_is_told_once_each_time() -> None:
    stage = Stage(CONSENT, tenant_of(grant("c1", "User.Read")))
    await stage.tick()
    read = DelegatedGrant("c1", "graph", True, frozenset({"Mail.Read"}))
    stage.tenant.consented += [read, read]
    await stage.tick()
    (case,) = [one for one in stage.cases() if one.told and "Mail.Read" in one.summary]
    cards = stage.cards
    for _ in range(3):
        await stage.tick()
    assert stage.cards == cards
    # A listing that lags behind shows it no more, and then again.
    stage.tenant.consented = [one for one in stage.tenant.consented if one != read]
    await stage.tick()
    stage.tenant.consented.append(read)
    await stage.tick()
    found = stage.ledger.cases(CONSENT.name)[case.key]
    assert (found.closed, found.told is not None) == (None, True)
    assert stage.cards == cards + 2
