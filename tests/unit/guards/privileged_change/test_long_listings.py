"""privileged-change: all users and devices of a large tenant are not listed in every look."""

from datetime import UTC, datetime

import pytest

from core.guards.privileged_change import GUARD
from core.guards.privileged_change.guard import LARGE_TENANT, LONG_LISTINGS, PrivilegedOptions
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.readings import Reading
from core.tenant.sources import USER_COUNT
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


def test_the_check_is_due_every_six_hours() -> None:
    (check,) = GUARD.periodic_checks
    assert (check.name, check.interval.total_seconds()) == (LONG_LISTINGS, 6 * 3600)
