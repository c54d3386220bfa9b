"""exchange-module-access: who is a finding, who never is, and how many lines that makes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.exchange_module_access.administrators import GLOBAL_ADMINISTRATOR
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
from core.tenant.changes import DisableExchangeModule
from core.tenant.directory import ModuleUser, RoleHolder
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import Reading
from core.tenant.sources import MODULE_SIGN_INS, MODULE_USERS, ROLE_HOLDERS
from tests.support.fakes.state import ADMIN_MODULE_USER, ADMIN_ROLE_HOLDER
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all

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
    assert "Set-User -Identity g1 -EXOModuleEnabled $false" in one.advice


@pytest.mark.parametrize("through", ["entra", "eligible", "exchange"])
@pytest.mark.parametrize("name", ["u1", "g1"])
async def test_a_holder_is_no_finding_by_either_id(through: str, name: str) -> None:
    assert await found(tenant([user(1)], RoleHolder(name, through)), ENFORCING) == []


@pytest.mark.parametrize("kind", ["GuestMailUser", "MailUser", "User", "", "DiscoveryMailbox"])
async def test_without_a_mailbox_of_a_person_there_is_nothing_to_run(kind: str) -> None:
    assert await found(tenant([user(1, kind=kind)])) == []


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


# New administrators ------------------------------------------------------------------------------

GLOBAL = GLOBAL_ADMINISTRATOR
USERS = "fe930be7-5e62-47db-91af-98c3a49a38b1"
READERS = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
OWN_ROLE = "0d0c0000-0000-4000-8000-00000000000a"


def holder(name: str, *roles: str, through: str = "entra") -> RoleHolder:
    return RoleHolder(name, through, frozenset(roles), f"{name}@contoso.example")


async def watch(*looks: list[RoleHolder], hours: float = 6) -> list[list[Finding]]:
    """The new administrators at each of several looks."""
    known: dict[str, KnownTraits] = {}
    result = []
    for number, holders in enumerate(looks):
        terms = replace(TERMS, now=TERMS.now + number * timedelta(hours=hours))
        reading = await observe_all(
            GUARD, tenant([], *holders), ObserveContext(terms, known_traits=known)
        )
        known |= {one.key: one for one in reading.known_traits}
        findings = [one for item in reading.items for one in GUARD.judge(item, terms)]
        result.append([one for one in findings if one.kind == "administrator-added"])
    return result


@pytest.mark.parametrize(
    ("role", "severity"),
    [(GLOBAL, Severity.HIGH), (USERS, Severity.MEDIUM), (OWN_ROLE, Severity.LOW)],
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
    of = tenant([], holder("boss", GLOBAL))
    of.fail_read(ROLE_HOLDERS)
    assert (await observe_all(GUARD, of, LOOK)).known_traits == ()
    one_group = tenant([], holder("boss", GLOBAL))
    one_group.fail_read(ROLE_HOLDERS, "a-group-of-holders")
    assert (await observe_all(GUARD, one_group, LOOK)).known_traits == ()


async def test_of_more_holders_than_are_remembered_it_is_said() -> None:
    many = [holder(f"h{number:04}", GLOBAL) for number in range(301)]
    findings = await found(tenant([], *many))
    (told,) = (one for one in findings if one.kind == "too-many-administrators")
    assert told.verdict is Verdict.COULD_NOT_TELL
    assert "301 hold the role Global Administrator" in told.summary
