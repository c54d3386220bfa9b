"""privileged-change: all users and devices of a large tenant are not listed in every look."""

from datetime import UTC, datetime

import pytest

from core.engine.run import run
from core.guards.privileged_change import GUARD
from core.guards.privileged_change.guard import LARGE_TENANT, LONG_LISTINGS, PrivilegedOptions
from core.model.guards import GuardPolicy, ObserveContext
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.readings import Reading
from core.tenant.sources import USER_COUNT
from tests.support.builders import CONFIGS_BY_NAME
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
POLICY = GuardPolicy(NOW, PrivilegedOptions())
WATCHED = ("watched-device", "watched-sign-in-name", "watched-outside-member")


async def look(tenant: FakeTenant, *due: str) -> set[str]:
    """The sources that one look covers."""
    context = ObserveContext(POLICY, due_checks=frozenset(due))
    return {
        source
        async for reading in GUARD.observe(tenant, context)
        if isinstance(reading, Reading)
        for source in reading.sources
        if not reading.failures
    }


@pytest.mark.parametrize(
    ("users", "due", "is_listed"),
    [
        (LARGE_TENANT, (), True),
        (LARGE_TENANT + 1, (), False),
        (LARGE_TENANT + 1, (LONG_LISTINGS,), True),
    ],
)
async def test_long_listings_of_a_large_tenant_wait_until_they_are_due(
    users: int, due: tuple[str, ...], is_listed: bool
) -> None:
    tenant = FakeTenant(reported_user_count=users)
    covered = await look(tenant, *due)
    assert covered.issuperset({*WATCHED, LONG_LISTINGS}) is is_listed
    assert covered.isdisjoint({*WATCHED, LONG_LISTINGS}) is not is_listed
    asked = {name for name, _ in tenant.read_log}
    assert ("configuration-device" in asked) is is_listed
    # What is short is read in every look.
    assert {"watched-domain", "watched-administrative-unit"} <= covered


async def test_where_nobody_counts_the_users_all_is_listed() -> None:
    tenant = FakeTenant(reported_user_count=LARGE_TENANT + 1)
    tenant.fail_read(USER_COUNT)
    assert set(WATCHED) <= await look(tenant)


async def test_a_large_tenant_is_listed_again_after_hours_and_no_run_in_between_waits_for_it() -> (
    None
):
    tenant, clock, pauses = FakeTenant(reported_user_count=LARGE_TENANT + 1), Clock(), list[float]()

    async def note_pause(seconds: float) -> None:
        pauses.append(seconds)

    world = World(
        tenant,
        FakeLedger(clock),
        FakeNotificationChannel(),
        clock,
        build_cards,
        sleep=note_pause,
        sweep_pause=100.0,
        create_seed=lambda: "secret",
    )

    async def count_listings() -> int:
        await run(CONFIGS_BY_NAME[GUARD.name], world)
        return sum(name == "configuration-device" for name, _ in tenant.read_log)

    # The first run of all begins at once.
    assert await count_listings() == 1
    clock.advance(hours=1)
    assert await count_listings() == 1
    assert pauses == []
    clock.advance(hours=6)
    assert await count_listings() == 2
    assert len(pauses) == 1


def test_the_check_is_due_every_six_hours() -> None:
    (check,) = GUARD.periodic_checks
    assert (check.name, check.interval.total_seconds()) == (LONG_LISTINGS, 6 * 3600)
