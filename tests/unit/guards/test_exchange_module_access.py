"""exchange-module-access: who is a finding, who never is, and how many lines that makes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.engine.population import count_listings, remember_listings
from core.guards.exchange_module_access.guard import (
    GUARD,
    MAX_SAMPLE,
    ORGANIZATION,
    PER_USER_LIMIT,
    PER_USER_LIMIT_ONCE_OPEN,
)
from core.guards.exchange_module_access.verdicts import ModuleAccessVerdict
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.model.state import GuardState, ScanTotals
from core.tenant.changes import DisableExchangeModule
from core.tenant.directory import ModuleUser, RoleHolder
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import Reading
from core.tenant.sources import MODULE_SIGN_INS, MODULE_USERS, ROLE_HOLDERS
from tests.support.fakes.state import ADMIN_MODULE_USER, ADMIN_ROLE_HOLDER
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all
from tests.support.remedy_checks import tell_remedy

TERMS = GuardPolicy(now=datetime(2026, 11, 20, 12, tzinfo=UTC))
LOOK = ObserveContext(TERMS)
ENFORCING = ObserveContext(TERMS, is_enforcing=True)


def user(number: int, **more: object) -> ModuleUser:
    one = ModuleUser(f"u{number}", f"g{number}", f"user-{number}@contoso.example")
    return replace(one, **more)  # type: ignore[arg-type]  # Any field, by the caller's choice.


def tenant(users: list[ModuleUser], *holders: RoleHolder) -> FakeTenant:
    return FakeTenant(
        powershell_users=[ADMIN_MODULE_USER, *users], holders=[ADMIN_ROLE_HOLDER, *holders]
    )


async def seen(
    of: FakeTenant, look: ObserveContext = LOOK
) -> tuple[Reading[object], list[Finding]]:
    reading = await observe_all(GUARD, of, look)
    return reading, [found for item in reading.items for found in GUARD.judge(item, TERMS)]


async def found(of: FakeTenant, look: ObserveContext = LOOK) -> list[Finding]:
    return (await seen(of, look))[1]


# Who is a finding --------------------------------------------------------------------------------


async def test_where_only_administrators_may_nothing_is_wrong() -> None:
    reading, findings = await seen(tenant([]))
    assert findings == []
    assert reading.covers((ROLE_HOLDERS, MODULE_USERS), "anybody")
    assert (reading.population, reading.failures) == (1, ())


async def test_a_user_with_a_mailbox_and_no_role_is_to_be_repaired() -> None:
    (one,) = await found(tenant([user(1)]))
    assert (one.object_id, one.subject) == ("u1", "user-1@contoso.example")
    assert (one.severity, one.verdict) == (Severity.LOW, ModuleAccessVerdict.REPAIR)
    assert one.changes == (DisableExchangeModule("u1", "g1"),)
    assert "Set-User -Identity 'g1' -EXOModuleEnabled $false" in tell_remedy(one)


@pytest.mark.parametrize("through", ["entra", "eligible", "exchange"])
@pytest.mark.parametrize("name", ["u1", "g1"])
async def test_a_holder_is_no_finding_by_either_id(through: str, name: str) -> None:
    assert await found(tenant([user(1)], RoleHolder(name, through)), ENFORCING) == []


@pytest.mark.parametrize("kind", ["GuestMailUser", "MailUser", "User", "DiscoveryMailbox"])
async def test_without_a_mailbox_of_a_person_there_is_nothing_to_run(kind: str) -> None:
    assert await found(tenant([user(1, kind=kind)])) == []


@pytest.mark.parametrize("kind", ["", "MailboxOfTomorrow", "Fnord"])
async def test_of_a_kind_that_nobody_knows_it_is_told_and_nothing_is_changed(kind: str) -> None:
    (one,) = await found(tenant([user(1, kind=kind)]))
    assert (one.object_id, one.verdict, one.changes) == ("u1", Verdict.ASK, ())


@pytest.mark.parametrize("kind", ["UserMailbox", "SharedMailbox", "RoomMailbox", "NewMailbox"])
async def test_every_kind_of_mailbox_counts_also_one_not_known_today(kind: str) -> None:
    assert [one.object_id for one in await found(tenant([user(1, kind=kind)]))] == ["u1"]


async def test_a_user_without_an_account_is_told_and_never_changed() -> None:
    (one,) = await found(tenant([user(1, id="g1", has_account=False)]), ENFORCING)
    assert one.changes == ()


async def test_a_name_made_to_deceive_is_shown_as_what_it_is() -> None:
    (one,) = await found(tenant([user(1, name="a\u202eb" + "x" * 999)]))
    assert "\u202e" not in one.summary
    assert len(one.summary) < 400


# When nothing may be concluded -------------------------------------------------------------------


@pytest.mark.parametrize("surface", [ROLE_HOLDERS, MODULE_USERS])
@pytest.mark.parametrize("look", [LOOK, ENFORCING], ids=["alert", "enforce"])
async def test_what_was_not_read_makes_no_user_a_finding(
    surface: str, look: ObserveContext
) -> None:
    of = tenant([user(n) for n in range(40)])
    of.fail_read(surface, permission="Needed.Read")
    reading, findings = await seen(of, look)
    assert findings == []
    assert [miss.permission for miss in reading.failures] == ["Needed.Read"]
    assert not reading.covers((ROLE_HOLDERS, MODULE_USERS), "u1")


@pytest.mark.parametrize("surface", [ROLE_HOLDERS, MODULE_USERS])
async def test_a_list_that_broke_off_makes_no_user_a_finding(surface: str) -> None:
    of = tenant([user(1)])
    of.interrupted_sources.add(surface)
    reading, findings = await seen(of, ENFORCING)
    assert findings == []
    assert not reading.complete


async def test_without_an_administrator_who_may_nothing_is_changed() -> None:
    of = FakeTenant(powershell_users=[user(1)], holders=[ADMIN_ROLE_HOLDER])
    lost, one = await found(of, ENFORCING)
    assert (lost.kind, lost.verdict) == ("no-administrator", Verdict.COULD_NOT_TELL)
    assert (one.object_id, one.changes) == ("u1", ())


async def test_an_empty_list_of_who_may_is_not_taken_as_healthy() -> None:
    assert [one.kind for one in await found(FakeTenant(powershell_users=[]))] == [
        "no-administrator"
    ]


async def test_one_row_that_is_not_understood_hides_nobody_else() -> None:
    of = tenant([user(1), user(2)])
    of.fail_read(MODULE_USERS, "u2", "whether the user may was not told")
    reading, findings = await seen(of)
    assert [one.object_id for one in findings] == ["u1"]
    assert [miss.object_id for miss in reading.failures] == ["u2"]
    assert not reading.covers((ROLE_HOLDERS, MODULE_USERS), "u2")


# How many lines ----------------------------------------------------------------------------------


async def test_ten_thousand_users_are_one_finding_with_a_few_names() -> None:
    of = tenant([user(n) for n in range(10_000)])
    (one,) = await found(of)
    assert (one.object_id, one.severity) == (ORGANIZATION, Severity.MEDIUM)
    assert one.summary == "10,000 users may use Exchange PowerShell and hold no role."
    assert len(format_facts(one.facts)) == 11
    assert one.changes == ()
    of.powershell_users.reverse()
    assert await found(of) == [one]


async def test_few_are_told_one_by_one_and_some_more_once_they_are() -> None:
    few, more = (
        [user(n) for n in range(size)] for size in (PER_USER_LIMIT, PER_USER_LIMIT_ONCE_OPEN)
    )
    assert len(await found(tenant(few))) == PER_USER_LIMIT
    assert [one.object_id for one in await found(tenant(more))] == [ORGANIZATION]
    told = replace(LOOK, open_case_ids=frozenset({"u1"}))
    assert len(await found(tenant(more), told)) == PER_USER_LIMIT_ONCE_OPEN
    open_still = replace(LOOK, open_case_ids=frozenset({ORGANIZATION}))
    assert [one.object_id for one in await found(tenant(more), open_still)] == [ORGANIZATION]


async def test_enforcing_names_more_users_than_any_limit_and_counts_the_rest() -> None:
    of = tenant([user(n) for n in range(10_000)])
    findings = await found(of, ENFORCING)
    each = [one for one in findings if one.changes]
    assert len(each) == MAX_SAMPLE
    assert findings[-1].summary.startswith("9,400 more users")
    of.powershell_users.reverse()
    assert {one.object_id for one in await found(of, ENFORCING)} == {
        one.object_id for one in findings
    }


# Accounts of scripts ------------------------------------------------------------------------------


async def test_an_account_that_signs_in_to_exchange_powershell_is_asked_about() -> None:
    of = tenant([user(1), user(2)])
    of.module_sign_ins = ["u1"]
    findings = {one.object_id: one for one in await found(of, ENFORCING)}
    assert (findings["u1"].verdict, findings["u1"].changes) == (Verdict.ASK, ())
    assert "signed in to Exchange PowerShell" in format_facts(findings["u1"].facts)[-1]
    assert findings["u2"].changes == (DisableExchangeModule("u2", "g2"),)


async def test_where_the_log_cannot_be_read_every_account_is_asked_about() -> None:
    of = tenant([user(1)])
    of.fail_read(MODULE_SIGN_INS, "", "HTTP 403", "AuditLog.Read.All")
    reading, findings = await seen(of, ENFORCING)
    assert [(one.verdict, one.changes) for one in findings] == [(Verdict.ASK, ())]
    assert all(miss.optional for miss in reading.failures)


async def test_a_guard_that_only_reports_does_not_read_the_log() -> None:
    of = tenant([user(1)])
    of.fail_read(MODULE_SIGN_INS, "", "HTTP 403", "AuditLog.Read.All")
    reading, findings = await seen(of)
    assert (reading.failures, findings[0].verdict) == ((), ModuleAccessVerdict.REPAIR)


async def test_whom_a_list_of_role_holders_leaves_out_is_not_judged_before_a_later_look() -> None:
    boss, box = RoleHolder("u1", "entra"), user(1)
    known: dict[str, KnownTraits] = {}
    result = []
    for number, holders in enumerate(((boss,), (), (boss,), (), ())):
        terms = GuardPolicy(TERMS.now + number * timedelta(hours=2))
        reading, findings = await seen(
            tenant([box], *holders), ObserveContext(terms, known_traits=dict(known))
        )
        known |= {one.key: one for one in reading.known_traits}
        result.append((len(findings), reading.covers((ROLE_HOLDERS, MODULE_USERS), "u1")))
    assert result == [(0, True), (0, False), (0, True), (0, False), (1, True)]


async def test_a_list_of_users_without_its_administrators_is_looked_at_again() -> None:
    whole, cut = tenant([user(1)]), tenant([user(1)])
    cut.powershell_users = cut.powershell_users[1:]
    known: dict[str, KnownTraits] = {}
    kinds = []
    for number, of in enumerate((whole, cut, whole, cut, cut)):
        terms = GuardPolicy(TERMS.now + number * timedelta(hours=2))
        reading, findings = await seen(of, ObserveContext(terms, known_traits=dict(known)))
        known |= {one.key: one for one in reading.known_traits}
        kinds.append(sorted(one.kind for one in findings))
    module, alone = ["exchange-module"], ["exchange-module", "no-administrator"]
    assert kinds == [module, [], module, [], alone]


async def test_a_list_of_users_that_got_shorter_ends_nothing_at_the_first_look() -> None:
    state = GuardState()
    for count, is_believed in ((9, True), (5, False), (5, True)):
        of = tenant([user(number) for number in range(count)])
        (reading,) = [one async for one in GUARD.observe(of, LOOK)]
        assert isinstance(reading, Reading)
        found = count_listings(reading, state)
        assert found.unconfirmed_sources == (frozenset() if is_believed else {MODULE_USERS})
        totals = ScanTotals(listed_counts=found.trusted, shrunk_counts=found.shrunk)
        state = remember_listings(state, totals)
