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
from core.guards.mass_deletion.guard import GUARD as DELETION
from core.guards.mass_deletion.options import MAX_DOWNTIME
from core.model.cases import Case
from core.model.findings import Severity
from core.model.guards import Guard, GuardConfig, Mode
from core.model.runs import RunReport
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.apps import DelegatedGrant
from core.tenant.directory import Deletion
from core.tenant.port import Tenant
from core.tenant.sources import DELETIONS
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import (
    OTHER_ACTOR,
    build_app_consent_tenant,
    build_delegated_grant,
    build_deletions,
    build_recycle_bin,
)

HOUR = timedelta(hours=1)


@dataclass
class Stage:
    """One guard that tells, on a tenant in memory."""

    guard: Guard[Any]
    tenant: FakeTenant
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.alerts = FakeNotificationChannel()

    async def tick(self, hours: float = 1.0) -> RunReport:
        """One run; then so many hours pass."""
        tenant = cast(Tenant, self.tenant)
        world = World(tenant, self.ledger, self.alerts, self.clock, build_cards)
        report = await run(GuardConfig(self.guard, "0 0 * * * *", Mode.ALERT), world)
        self.clock.advance(hours=hours)
        return report

    def cases(self) -> list[Case]:
        return list(self.ledger.list_cases(self.guard.name).values())

    @property
    def cards(self) -> int:
        return len(self.alerts.sent)


async def watched() -> Stage:
    """A tenant of which all deletions so far are known."""
    stage = Stage(DELETION, FakeTenant(reported_user_count=50))
    await stage.tick()
    return stage


async def test_records_that_come_hours_late_one_by_one_in_any_order_and_twice_are_one_case() -> (
    None
):
    stage = await watched()
    rows = build_deletions(14, hours=0)
    for row in (*rows[7:], *rows[:7], *rows[3:9]):
        stage.tenant.deletion_events.append(row)
        await stage.tick(0.5)
    (case,) = stage.cases()
    assert case.notified_at
    assert stage.cards == 1
    assert "14 users" in case.summary


async def test_a_record_that_makes_it_worse_is_told_however_late_it_comes() -> None:
    stage = await watched()
    rows = build_deletions(12, hours=0)
    stage.tenant.deletion_events += rows
    stage.tenant.recycle_bin += build_recycle_bin(rows)
    await stage.tick(8)
    (case,) = stage.cases()
    assert (case.severity, stage.cards) == (Severity.HIGH, 1)
    stage.tenant.deletion_events.append(replace(rows[0], permanent=True))
    await stage.tick()
    (case,) = stage.cases()
    assert (case.severity, stage.cards) == (Severity.CRITICAL, 2)


async def test_the_same_records_again_after_all_is_over_are_no_news() -> None:
    stage = await watched()
    stage.tenant.deletion_events += build_deletions(12, hours=0)
    await stage.tick()
    await stage.tick(30)
    for _ in range(2):
        await stage.tick()
    assert [case.resolution for case in stage.cases()] == ["gone"]
    stage.tenant.deletion_events += build_deletions(12, hours=0)
    for _ in range(3):
        await stage.tick()
    assert stage.cards == 1


@pytest.mark.parametrize("hours", [3, 30, 90, MAX_DOWNTIME.total_seconds() / 3600 - 3])
async def test_what_was_deleted_while_nobody_looked_is_told_by_the_first_who_looks(
    hours: float,
) -> None:
    stage = await watched()
    stage.tenant.deletion_events += build_deletions(12, hours=-1)
    stage.clock.advance(hours=hours)
    await stage.tick()
    (case,) = stage.cases()
    assert (case.notified_at is not None, stage.cards) == (True, 1)
    await stage.tick(25)
    for _ in range(2):
        await stage.tick()
    # A case that ended more than a day ago is in the archive.
    (case,) = (await stage.ledger.load_history(DELETION.name)).cases.values()
    assert (case.resolution, stage.cards) == ("gone", 1)


async def test_an_hour_in_which_the_log_could_not_be_read_leaves_no_hole() -> None:
    stage = await watched()
    stage.tenant.deletion_events += build_deletions(12, hours=-1)
    stage.tenant.fail_read(DELETIONS)
    for _ in range(30):
        await stage.tick()
    assert not [case for case in stage.cases() if case.kind == "mass-deletion"]
    stage.tenant.clear_faults()
    await stage.tick()
    assert [
        case.notified_at is not None for case in stage.cases() if case.kind == "mass-deletion"
    ] == [True]


async def test_one_record_of_a_day_yet_to_come_hides_none_of_the_others() -> None:
    stage = await watched()
    stray = Deletion("user-99", "user", START + timedelta(days=400), "stray", actor=OTHER_ACTOR)
    for actor in (OTHER_ACTOR, build_deletions(1)[0].actor):
        stage.tenant.deletion_events = [
            *build_deletions(12, OTHER_ACTOR, hours=0),
            replace(stray, actor=actor),
        ]
        await stage.tick()
        (case,) = [one for one in stage.cases() if one.closed_at is None]
        assert case.notified_at
    assert stage.cards == 1


async def test_a_consent_that_comes_twice_or_late_or_again_is_told_once_each_time() -> None:
    stage = Stage(CONSENT, build_app_consent_tenant(build_delegated_grant("c1", "User.Read")))
    await stage.tick()
    read = DelegatedGrant("c1", "graph", True, frozenset({"Mail.Read"}))
    stage.tenant.oauth_grants += [read, read]
    await stage.tick()
    (case,) = [one for one in stage.cases() if one.notified_at and "Mail.Read" in one.summary]
    cards = stage.cards
    for _ in range(3):
        await stage.tick()
    assert stage.cards == cards
    # A listing that lags behind shows it no more, and then again.
    stage.tenant.oauth_grants = [one for one in stage.tenant.oauth_grants if one != read]
    await stage.tick()
    stage.tenant.oauth_grants.append(read)
    await stage.tick()
    found = stage.ledger.list_cases(CONSENT.name)[case.key]
    assert (found.closed_at, found.notified_at is not None) == (None, True)
    # Nothing says that it is over, or new, before another look has confirmed it.
    assert stage.cards == cards
