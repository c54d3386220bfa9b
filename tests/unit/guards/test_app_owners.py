"""Owners of powerful apps: those always there, and those that appear between two looks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.app_consent.guard import GUARD
from core.guards.app_consent.judge import judge
from core.model.findings import Finding, Severity
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.apps import AppOwner, AppPermission, AppRegistration
from core.tenant.known_traits import KnownTraits
from core.tenant.sources import APP_PERMISSIONS, APP_REGISTRATIONS, DELEGATED_GRANTS
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import GRAPH, HOME_APP, build_consent_policy
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
BACKUP = replace(HOME_APP, name="Backup job", app_id="a0000000-0000-4000-8000-00000000000b")
ANN = AppOwner("u1", "ann@contoso.com")
EVE = AppOwner("u2", "eve@contoso.com")
GUEST = AppOwner("u3", "guest@else.example", is_guest=True)


async def watch(
    *looks: tuple[AppOwner, ...] | str,
    role: str = "Mail.ReadWrite",
    days: float = 0.25,
    unread_at: int = -1,
) -> list[list[Finding]]:
    """What is found about owners at each of several looks; a name: that source is not read.

    At the look `unread_at` the grants of the app are not read.
    """
    known: dict[str, KnownTraits] = {}
    result: list[list[Finding]] = []
    for number, owners in enumerate(looks):
        terms = GuardPolicy(NOW + number * timedelta(days=days))
        seen = owners if isinstance(owners, tuple) else ()
        tenant = FakeTenant(
            service_principals=[GRAPH, BACKUP],
            configurations=[build_consent_policy()],
            app_registrations=[AppRegistration("r1", BACKUP.app_id, BACKUP.name, owners=seen)],
            app_role_assignments=[AppPermission("x", BACKUP.id, GRAPH.id, "r", role)],
        )
        if isinstance(owners, str):
            tenant.fail_read(owners, reason="a passing fault")
        if len(result) == unread_at:
            tenant.fail_read(DELEGATED_GRANTS, BACKUP.id, "a passing fault")
        reading = await observe_all(GUARD, tenant, ObserveContext(terms, known_traits=known))
        known |= {one.key: one for one in reading.known_traits}
        findings = [one for item in reading.items for one in judge(item, terms)]
        result.append([one for one in findings if one.kind.startswith("app-owner")])
    return result


def table(findings: list[Finding]) -> list[tuple[str, Severity]]:
    return [(one.kind, one.severity) for one in findings]


STOCK = [("app-owner", Severity.LOW)]
NEW = [("app-owner", Severity.LOW), ("app-owner-added", Severity.HIGH)]


async def test_an_owner_that_appears_is_graver_than_one_that_was_always_there() -> None:
    first, second, third = await watch((ANN,), (ANN, EVE), (ANN, EVE))
    assert table(first) == STOCK
    assert table(second) == table(third) == NEW
    added = second[1]
    assert "eve@contoso.com became an owner of app Backup job" in added.summary
    assert "-Method DELETE -Uri 'v1.0/applications/" in tell_remedy(added)
    assert added.fingerprint == third[1].fingerprint
    assert added.is_one_off
    assert added.needs_own_exemption


async def test_a_month_later_the_new_owner_is_one_of_the_owners() -> None:
    *_, last = await watch((ANN,), (ANN, EVE), (ANN, EVE), (ANN, EVE), days=16)
    assert table(last) == [*STOCK, *STOCK]


async def test_the_first_owner_of_an_app_that_had_none_is_new() -> None:
    assert [table(one) for one in await watch((), (GUEST,))] == [
        [],
        [("app-owner-added", Severity.HIGH)],
    ]


async def test_an_owner_that_comes_back_is_new_again() -> None:
    assert [table(one) for one in await watch((ANN, EVE), (ANN,), (ANN, EVE))][2] == NEW


@pytest.mark.parametrize("source", [APP_REGISTRATIONS, APP_PERMISSIONS])
async def test_a_look_that_read_nothing_of_it_makes_no_owner_new(source: str) -> None:
    first, missed, third = await watch((ANN, EVE), source, (ANN, EVE))
    assert missed == []
    assert table(first) == table(third) == [*STOCK, *STOCK]


async def test_owners_of_a_harmless_app_are_nobodys_business() -> None:
    assert await watch((ANN,), (ANN, EVE), role="User.Read.All") == [[], []]


async def test_a_new_owner_stays_new_while_something_else_of_the_app_is_unread() -> None:
    *_, third, last = await watch((ANN,), (ANN, EVE), (ANN, EVE), (ANN, EVE), unread_at=2)
    assert table(third) == table(last) == NEW
    assert third[1].fingerprint == last[1].fingerprint
