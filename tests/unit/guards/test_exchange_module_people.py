"""exchange-module-access: whom it counts, whom a list leaves out, and what is read when."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from core.guards.exchange_module_access.guard import (
    ORGANIZATION,
    ModuleAccess,
    judge,
    observe,
)
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import ModuleUser, RoleHolder
from core.tenant.known_traits import KnownTraits
from core.tenant.port import HasRoles
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import MODULE_SIGN_INS, MODULE_USERS, ROLE_HOLDERS

TERMS = GuardPolicy(now=datetime(2026, 11, 20, 12, tzinfo=UTC))
BOSS = ModuleUser("b1", "gb", "boss@contoso.com")
ANN = ModuleUser("u1", "g1", "ann@contoso.com")
NOTHING: Mapping[str, KnownTraits] = {}
LONG = "n" * 300


@dataclass
class Roles:
    """The reader of roles of a tenant whose listing may show less than it has."""

    listed: Sequence[ModuleUser] = (BOSS, ANN)
    single: Sequence[ModuleUser] = ()
    sign_ins: Reading[str] = field(default_factory=Reading[str])
    asked_since: list[datetime] = field(default_factory=list)

    @property
    def tenant(self) -> HasRoles:
        """A tenant of which nothing else is read here."""
        return cast(HasRoles, self)

    @property
    def roles(self) -> "Roles":
        return self

    async def read_role_holders(self) -> Reading[RoleHolder]:
        """The one administrator."""
        return Reading((RoleHolder("b1", "entra"),), sources=frozenset({ROLE_HOLDERS}))

    async def list_module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        """All in one page."""
        users = tuple(self.listed)
        ids = frozenset(one.id for one in users)
        yield Reading(users, (), frozenset({MODULE_USERS}), len(users), scope=ids)

    async def read_module_users(self, ids: Sequence[str]) -> Reading[ModuleUser]:
        """Those that are asked for alone."""
        found = tuple(one for one in self.single if one.id in ids)
        return Reading(found, sources=frozenset({MODULE_USERS}))

    async def read_module_sign_ins(self, since: datetime) -> Reading[str]:
        """Who signed in, and since when that was asked."""
        self.asked_since.append(since)
        return self.sign_ins


async def look(
    roles: Roles,
    *,
    enforces: bool = False,
    cases: frozenset[str] = frozenset(),
    known: Mapping[str, KnownTraits] = NOTHING,
) -> Reading[ModuleAccess]:
    context = ObserveContext(TERMS, is_enforcing=enforces, open_case_ids=cases, known_traits=known)
    (reading,) = [one async for one in observe(roles.tenant, context)]
    return reading


async def test_who_may_not_is_neither_told_nor_counted_among_the_administrators() -> None:
    (access,) = (await look(Roles())).items
    assert (access.admin_count, access.user_count, access.users) == (1, 1, (ANN,))
    off = Roles((replace(BOSS, enabled=False), replace(ANN, enabled=False)))
    (access,) = (await look(off)).items
    assert (access.admin_count, access.user_count) == (0, 0)


@pytest.mark.parametrize(
    ("now", "is_left_out"),
    [
        ((ANN,), True),
        ((replace(ANN, enabled=False),), False),
        ((replace(ANN, kind="MailUser"),), False),
        ((replace(ANN, guid="b1"),), False),
        ((), False),
    ],
)
async def test_a_case_stays_open_while_its_user_still_may_though_a_list_leaves_them_out(
    now: tuple[ModuleUser, ...], is_left_out: bool
) -> None:
    reading = await look(Roles((BOSS,), now), cases=frozenset({"u1", ORGANIZATION}))
    named = [one.object_id for one in reading.failures]
    assert named == (["u1"] if is_left_out else [])
    shown = await look(Roles((BOSS, ANN), now), cases=frozenset({"u1"}))
    assert shown.failures == ()


async def test_sign_ins_of_a_month_are_read_where_something_would_be_changed() -> None:
    roles = Roles()
    await look(roles)
    assert roles.asked_since == []
    await look(roles, enforces=True)
    assert roles.asked_since == [TERMS.now - timedelta(days=30)]
    nobody = Roles((BOSS,))
    await look(nobody, enforces=True)
    assert nobody.asked_since == []


@pytest.mark.parametrize(
    ("sign_ins", "users"),
    [
        (Reading(("u1",)), frozenset({"u1"})),
        (Reading(("u1",), complete=False), None),
        (Reading((), (ReadFailure(MODULE_SIGN_INS, "HTTP 403"),)), None),
        (Reading((), (ReadFailure(MODULE_SIGN_INS, "HTTP 403", optional=True),)), None),
    ],
)
async def test_sign_ins_that_were_not_read_in_full_leave_use_unknown_and_stop_nothing(
    sign_ins: Reading[str], users: frozenset[str] | None
) -> None:
    reading = await look(Roles(sign_ins=sign_ins), enforces=True)
    (access,) = reading.items
    assert access.script_users == users
    assert all(one.optional for one in reading.failures)
    assert reading.complete


async def test_a_list_that_lacks_an_administrator_is_looked_at_again_and_nobody_is_judged() -> None:
    first = await look(Roles())
    known = {one.key: one for one in first.known_traits}
    later = Roles((ANN,))
    reading = await look(later, enforces=True, known=known)
    assert later.asked_since == []
    (lost,) = reading.failures
    assert lost == ReadFailure(
        MODULE_USERS, "it lacks 1 who were on it before: it is looked at again", optional=True
    )
    assert (reading.items, reading.complete) == ((), False)


def test_without_an_administrator_it_is_asked_who_took_it_away() -> None:
    (finding,) = judge(ModuleAccess(0, (), True, 0, 1), TERMS)
    saved, actor, asked, back, around = finding.steps
    assert saved.text == "Save who may use Exchange PowerShell, before anything is changed."
    assert "-Path 'evidence-exchange-module-" in saved.command
    assert actor.text.startswith("Find out who took it away: ")
    assert "-Operations 'Set-User' " in actor.command
    assert asked.text.startswith("Ask an administrator whether they can still sign in to Exchange ")
    assert back.command == "Set-User -Identity 'admin@example.com' -EXOModuleEnabled $true"
    assert around.text == "Look at the other cases of the organization."
    assert around.command == f"exo cases --about '{ORGANIZATION}'"


def test_of_many_some_are_named_and_a_long_name_is_cut() -> None:
    many = ModuleAccess(50, (replace(ANN, name=LONG), replace(ANN, name="")), False, 1, 1)
    (finding,) = judge(many, TERMS)
    _, long, bare = finding.facts
    assert long.text.startswith(f"for example {'n' * 200}…")
    assert bare.text == "for example u1"
