"""privileged-change: administrators that nobody uses, and too many of them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.privileged_change import GUARD
from core.guards.privileged_change.guard import PrivilegedOptions
from core.guards.privileged_change.stale_administrators import (
    MANY,
    MAX_LOOKUPS,
    STALE_ADMINISTRATORS,
    ManyAdministrators,
    read_administrator_use,
)
from core.model.findings import Finding, Severity
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import Account, RoleHolder, SignIn
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, ROLE_HOLDERS, SIGN_INS
from tests.support.fakes.tenant import FakeTenant

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=91)
GLOBAL = frozenset({"62e90394-69f5-4237-9190-012177145e10"})
EXCHANGE = frozenset({"29232cdf-9323-42fd-ade2-1d097af3e4de"})
READER = frozenset({"88d8e3e3-8f55-4a1e-953a-9b9898b8876b"})


async def look(
    holders: list[RoleHolder],
    *,
    last: datetime | None = LONG_AGO,
    enabled: bool = True,
    emergency: tuple[str, ...] = (),
    unread: str = "",
) -> tuple[list[Finding], bool]:
    """What is told of how administrators are used, and whether all of it was covered."""
    tenant = FakeTenant(
        holders=holders,
        users=[Account(one.id, f"{one.id}@x", enabled) for one in holders],
        sign_ins=[SignIn(one.id, last) for one in holders],
    )
    if unread:
        tenant.fail_read(unread)
    policy = GuardPolicy(NOW, PrivilegedOptions(emergency))
    found: list[Finding] = []
    covered = False
    async for reading in GUARD.observe(tenant, ObserveContext(policy)):
        if isinstance(reading, Reading) and STALE_ADMINISTRATORS in reading.sources:
            covered = reading.covers((STALE_ADMINISTRATORS,), "any")
            for item in reading.items:
                found += GUARD.judge(item, policy)
    return found, covered


ADMIN = RoleHolder("a1", "entra", GLOBAL, "a1@x")


async def test_an_administrator_who_does_not_sign_in_is_told() -> None:
    (found,), covered = await look([ADMIN])
    assert (found.kind, found.severity, found.verdict) == (
        "stale-administrator",
        Severity.LOW,
        "unused",
    )
    assert "has not signed in for more than 90 days" in found.summary
    assert covered


async def test_who_is_in_a_role_group_of_exchange_too_is_an_administrator_all_the_same() -> None:
    (found,), _ = await look([replace(ADMIN, assigned_via="exchange")])
    assert found.object_id == "a1"


@pytest.mark.parametrize(
    ("holder", "last", "enabled", "emergency"),
    [
        (ADMIN, NOW - timedelta(days=90), True, ()),
        (ADMIN, None, True, ()),
        (ADMIN, LONG_AGO, False, ()),
        (ADMIN, LONG_AGO, True, ("A1@X",)),
        (RoleHolder("a1", "entra", READER, "a1@x"), LONG_AGO, True, ()),
        (RoleHolder("a1", "entra", GLOBAL, "a1@x", is_group=True), LONG_AGO, True, ()),
    ],
)
async def test_who_is_in_use_unknown_blocked_or_for_emergencies_is_not(
    holder: RoleHolder, last: datetime | None, enabled: bool, emergency: tuple[str, ...]
) -> None:
    found, covered = await look([holder], last=last, enabled=enabled, emergency=emergency)
    assert found == []
    assert covered


@pytest.mark.parametrize(("count", "is_told"), [(MANY - 1, False), (MANY, True)])
async def test_more_global_administrators_than_anybody_watches_are_one_case(
    count: int, is_told: bool
) -> None:
    holders = [RoleHolder(f"a{number}", "entra", GLOBAL, f"a{number}@x") for number in range(count)]
    holders[0] = replace(holders[0], name="")
    others = [RoleHolder(f"b{number}", "entra", EXCHANGE) for number in range(MANY)]
    found, _ = await look([*holders, *others], last=NOW)
    assert [one.kind for one in found] == ["many-administrators"] * is_told
    for one in found:
        assert one.facts[0].text == ", ".join(["a0", *(f"a{number}@x" for number in range(1, 8))])


@pytest.mark.parametrize("unread", [SIGN_INS, ROLE_HOLDERS])
async def test_what_is_unread_tells_nothing_and_ends_no_case(unread: str) -> None:
    found, covered = await look([ADMIN], unread=unread)
    assert found == []
    assert not covered


async def test_of_a_list_of_holders_that_was_cut_short_nobody_is_told() -> None:
    context = ObserveContext(GuardPolicy(NOW))
    cut = Reading((ADMIN,), complete=False)
    assert await read_administrator_use(FakeTenant(), cut, (), context) == Reading()


async def test_one_administrator_who_cannot_be_read_leaves_the_use_of_all_open() -> None:
    tenant = FakeTenant(users=[Account("a1", "a1@x")])
    tenant.failures[ACCOUNTS, "a1"] = ReadFailure(ACCOUNTS, "HTTP 404", "a1", "Ann")
    context = ObserveContext(GuardPolicy(NOW))
    (failure,) = (await read_administrator_use(tenant, Reading((ADMIN,)), (), context)).failures
    assert failure == ReadFailure(STALE_ADMINISTRATORS, "HTTP 404", optional=True)


async def test_of_administrators_who_were_not_looked_up_nothing_is_over() -> None:
    for count, is_whole in ((MAX_LOOKUPS, True), (MAX_LOOKUPS + 1, False)):
        many = [RoleHolder(f"a{number}", "entra", GLOBAL, "a@x") for number in range(count)]
        _, covered = await look(many, last=NOW)
        assert covered is is_whole


async def test_how_many_were_not_looked_up_is_said() -> None:
    many = [RoleHolder(f"a{number}", "entra", GLOBAL) for number in range(MAX_LOOKUPS + 1_001)]
    read = await read_administrator_use(
        FakeTenant(), Reading(tuple(many)), (), ObserveContext(GuardPolicy(NOW))
    )
    assert read.failures[-1].reason == "1,001 of 1,151 administrators were not looked up"
    assert {one.source for one in read.failures} == {STALE_ADMINISTRATORS}


def test_names_are_shown_in_the_order_of_people_and_long_ones_are_cut() -> None:
    item = ManyAdministrators(("Zoe", "ann", "n" * 300, "Ben"))
    (finding,) = GUARD.judge(item, GuardPolicy(NOW))
    (fact,) = finding.facts
    assert fact.text.startswith(f"ann, Ben, {'n' * 120}…")
    assert fact.text.endswith(", Zoe")
