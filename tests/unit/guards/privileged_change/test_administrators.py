"""privileged-change: who newly holds a role that opens the tenant."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.privileged_change import GUARD
from core.guards.privileged_change.administrators import (
    ALL_ROLES,
    HOLDER_TRAIT,
    list_known_administrators,
    list_known_roles,
    list_server_facts,
)
from core.guards.privileged_change.guard import PrivilegedItem
from core.microsoft365.directory_roles import GLOBAL_ADMINISTRATOR
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import RoleHolder
from core.tenant.known_traits import MAX_TRAITS, KnownTraits, build_traits_key
from core.tenant.readings import Reading
from core.tenant.sources import ROLE_HOLDERS
from tests.support.fakes.state import ADMIN_ROLE_HOLDER
from tests.support.fakes.tenant import FakeTenant

TERMS = GuardPolicy(datetime(2026, 11, 20, 12, tzinfo=UTC), GUARD.options)
LOOK = ObserveContext(TERMS)
GLOBAL = GLOBAL_ADMINISTRATOR
APPS = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3"
USERS = "fe930be7-5e62-47db-91af-98c3a49a38b1"
READERS = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
OWN_ROLE = "0d0c0000-0000-4000-8000-00000000000a"


def holder(name: str, *roles: str, through: str = "entra") -> RoleHolder:
    return RoleHolder(name, through, frozenset(roles), f"{name}@contoso.example")


async def read_holders(of: FakeTenant, look: ObserveContext) -> Reading[PrivilegedItem]:
    """The reading of who holds roles."""
    found = [reading async for reading in GUARD.observe(of, look) if isinstance(reading, Reading)]
    return next(one for one in found if ROLE_HOLDERS in one.sources)


async def watch(*looks: list[RoleHolder], hours: float = 6) -> list[list[Finding]]:
    """The new administrators at each of several looks."""
    known: dict[str, KnownTraits] = {}
    result = []
    for number, holders in enumerate(looks):
        terms = replace(TERMS, now=TERMS.now + number * timedelta(hours=hours))
        of = FakeTenant(holders=[ADMIN_ROLE_HOLDER, *holders])
        reading = await read_holders(of, ObserveContext(terms, known_traits=known))
        known |= {one.key: one for one in reading.known_traits}
        findings = [one for item in reading.items for one in GUARD.judge(item, terms)]
        result.append([one for one in findings if one.kind == "administrator-added"])
    return result


async def test_whom_a_list_of_role_holders_leaves_out_once_is_not_new() -> None:
    boss, ann, evil = holder("boss", GLOBAL), holder("ann", OWN_ROLE, USERS), holder("evil", GLOBAL)
    everyone = [boss, ann]
    assert await watch(everyone, [boss], everyone, [], everyone) == [[], [], [], [], []]
    *_, back = await watch(everyone, [boss], [boss], everyone)
    assert {one.object_id for one in back} == {"ann"}
    # Who is new and left out once is told all the same.
    told = await watch(everyone, [*everyone, evil], everyone, [*everyone, evil])
    assert [len(one) for one in told] == [0, 1, 0, 1]


async def test_who_is_left_out_hides_nobody_who_is_new() -> None:
    boss, evil, zed = (holder(name, GLOBAL) for name in ("boss", "evil", "zed"))
    *_, told = await watch([boss], [boss, evil], [boss, zed])
    assert [one.object_id for one in told] == ["zed"]


@pytest.mark.parametrize(
    ("role", "severity"),
    [
        (GLOBAL, Severity.CRITICAL),
        (APPS, Severity.CRITICAL),
        (USERS, Severity.MEDIUM),
        (OWN_ROLE, Severity.LOW),
    ],
)
@pytest.mark.parametrize("through", ["entra", "eligible"])
async def test_a_new_holder_of_a_role_is_told(role: str, severity: Severity, through: str) -> None:
    first, second = await watch(
        [holder("boss", role)], [holder("boss", role), holder("evil", role, through=through)]
    )
    assert first == []
    (finding,) = second
    assert (finding.object_id, finding.severity) == ("evil", severity)
    assert finding.subject == "evil@contoso.example"
    assert ("can activate" in finding.summary) is (through == "eligible")
    assert (finding.is_one_off, finding.is_said_once) == (True, True)
    assert finding.needs_own_exemption, "an accepted account is not whatever becomes of it"


@pytest.mark.parametrize("role", [GLOBAL, USERS, OWN_ROLE])
async def test_the_first_holder_of_a_role_nobody_held_is_told(role: str) -> None:
    first, second = await watch([holder("boss", READERS)], [holder("evil", role)])
    assert (first, len(second)) == ([], 1)


async def test_a_known_administrator_who_gets_a_further_role_is_told() -> None:
    _, second = await watch([holder("help", USERS)], [holder("help", USERS, GLOBAL)])
    (finding,) = second
    assert "Global Administrator" in finding.summary


def owner(name: str, *roles: str, held: str = "") -> RoleHolder:
    """Somebody who owns a group with these roles."""
    one = holder(name, *filter(None, [held]), through="owner")
    return replace(one, owned_roles=frozenset(roles))


async def test_a_new_owner_of_a_group_with_a_role_is_told_as_somebody_who_can_take_it() -> None:
    boss = holder("boss", GLOBAL)
    first, second, third = await watch([boss], [boss, owner("evil", GLOBAL)], [boss])
    assert (first, third) == ([], [])
    (finding,) = second
    assert (finding.object_id, finding.severity) == ("evil", Severity.CRITICAL)
    assert finding.summary == (
        "evil@contoso.example can put anybody into a group that holds the role Global "
        "Administrator, as its owner now, and did not before."
    )
    assert any("/ownedObjects" in step.command for step in finding.steps)


async def test_an_owner_of_the_first_look_is_no_news_until_the_role_is_taken() -> None:
    ann, taken = owner("ann", GLOBAL), owner("ann", GLOBAL, held=GLOBAL)
    first, second, third, fourth = await watch([ann], [ann], [taken], [taken])
    assert (first, second) == ([], [])
    assert "holds the role Global Administrator" in third[0].summary
    assert fourth == third


async def test_a_holder_who_becomes_an_owner_of_the_same_role_is_no_news() -> None:
    ann = holder("ann", GLOBAL)
    assert await watch([ann], [owner("ann", GLOBAL, held=GLOBAL)]) == [[], []]


async def test_who_is_an_owner_and_left_out_once_is_not_new() -> None:
    ann, boss = owner("ann", GLOBAL), holder("boss", GLOBAL)
    assert await watch([ann, boss], [boss], [ann, boss]) == [[], [], []]


async def test_administrators_of_the_first_look_activations_and_leavers_are_no_news() -> None:
    two = [holder("boss", GLOBAL), holder("help", USERS, through="eligible")]
    active = [two[0], holder("help", USERS)]
    assert await watch(two, active, two, two[:1], two[:1]) == [[], [], [], [], []]


async def test_a_role_that_only_reads_and_a_role_of_exchange_are_no_news_here() -> None:
    boss = holder("boss", GLOBAL)
    looks = await watch(
        [boss], [boss, holder("r", READERS), holder("x", through="exchange"), holder("y")]
    )
    assert looks == [[], []]


async def test_a_group_is_told_by_its_members() -> None:
    boss = holder("boss", GLOBAL)
    group = replace(holder("g", GLOBAL), is_group=True)
    _, second = await watch([boss], [boss, group, holder("evil", GLOBAL)])
    assert [one.object_id for one in second] == ["evil"]


async def test_a_new_administrator_stays_one_case_for_a_month() -> None:
    one, two = [holder("boss", GLOBAL)], [holder("boss", GLOBAL), holder("evil", GLOBAL)]
    looks = await watch(one, *[two] * 6, hours=7 * 24)
    assert [len(look) for look in looks] == [0, 1, 1, 1, 1, 1, 0]
    assert len({one.compute_key("g") for look in looks for one in look}) == 1


async def test_a_list_that_could_not_be_read_makes_nobody_new_or_forgotten() -> None:
    of = FakeTenant(holders=[ADMIN_ROLE_HOLDER, holder("boss", GLOBAL)])
    of.fail_read(ROLE_HOLDERS)
    assert (await read_holders(of, LOOK)).known_traits == ()
    one_group = FakeTenant(holders=[ADMIN_ROLE_HOLDER, holder("boss", GLOBAL)])
    one_group.fail_read(ROLE_HOLDERS, "a-group-of-holders")
    assert (await read_holders(one_group, LOOK)).known_traits == ()


async def tell_too_many(holders: list[RoleHolder]) -> list[Finding]:
    """What is told of roles with too many holders."""
    reading = await read_holders(FakeTenant(holders=holders), LOOK)
    findings = [found for item in reading.items for found in GUARD.judge(item, TERMS)]
    return [one for one in findings if one.kind == "too-many-administrators"]


async def test_of_more_holders_than_are_remembered_it_is_said() -> None:
    many = [holder(f"h{number:04}", GLOBAL) for number in range(MAX_TRAITS + 1)]
    assert not await tell_too_many(many[:-1])
    (told,) = await tell_too_many(many)
    assert told.verdict is Verdict.COULD_NOT_TELL
    assert "301 hold the role Global Administrator" in told.summary


async def test_owners_count_among_those_whom_too_many_are_remembered_with() -> None:
    holders = [holder(f"h{number:04}", GLOBAL) for number in range(MAX_TRAITS - 1)]
    assert not await tell_too_many([*holders, owner("o1", GLOBAL)])
    (told,) = await tell_too_many([*holders, owner("o1", GLOBAL), owner("o2", GLOBAL)])
    assert "301 hold the role Global Administrator, or own a group that does" in told.summary


async def test_of_more_roles_than_are_remembered_the_rest_is_unread() -> None:
    many = [holder("h", f"own-{number:04}") for number in range(MAX_TRAITS)]
    others = [holder("boss", GLOBAL), holder("r", READERS)]
    within = await read_holders(FakeTenant(holders=[*many, *others]), LOOK)
    assert within.failures == ()
    more = [holder("evil", "own-9998"), holder("evil", "own-9999")]
    beyond = await read_holders(FakeTenant(holders=[*many, *others, *more]), LOOK)
    (failure,) = beyond.failures
    assert (failure.source, failure.object_id, failure.optional) == (ROLE_HOLDERS, ALL_ROLES, False)
    assert failure.reason == (
        "2 of 303 roles that somebody holds are beyond the 300 that are remembered beside the "
        "powerful ones: who newly holds them is not known"
    )


def remember(object_id: str, kind: str, *traits: str) -> KnownTraits:
    """What is remembered of an object."""
    seen = dict.fromkeys(traits, TERMS.now)
    return KnownTraits(
        build_traits_key(object_id, kind), object_id, kind, TERMS.now, TERMS.now, seen
    )


REMEMBERED = [
    remember(ALL_ROLES, HOLDER_TRAIT, OWN_ROLE),
    remember(GLOBAL, HOLDER_TRAIT, "Boss", "owns ann"),
    remember(USERS, HOLDER_TRAIT, "Boss", "help"),
    remember("p1", "watched-conditional-access-policy", "in force"),
]


def test_who_is_remembered_to_administer_is_whoever_held_a_role_at_the_last_look() -> None:
    known = list_known_administrators(REMEMBERED)
    assert {"boss", "help"} <= known
    assert known.isdisjoint({OWN_ROLE, "in force", "Boss"})


def test_which_roles_somebody_is_remembered_to_hold_says_nothing_of_what_they_own() -> None:
    assert list_known_roles(REMEMBERED) == {"Boss": {GLOBAL, USERS}, "help": {USERS}}


def test_an_account_that_copies_a_directory_in_says_from_which_server() -> None:
    assert [*list_server_facts("Sync_DC01_0a1b2c3d4e5f@contoso.onmicrosoft.com")] == [
        Fact("copies a directory in from the server", "DC01")
    ]
    assert not [*list_server_facts("sync_dc01@contoso.com")]
