"""Second factors: one account that has a strong one, then one thing varied a case."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.guards.mfa_registration import (
    GUARD,
    MAX_LOOKUPS,
    MAX_NAMED,
    GroupSummary,
    MfaVerdict,
    get_factor_deficiency,
    judge,
)
from core.model.findings import Finding, Severity, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import Account, MfaRegistration
from core.tenant.readings import Reading
from core.tenant.sources import ACCOUNTS, REGISTERED_ADMINISTRATORS, SIGN_IN_METHODS
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import observe_all

TERMS = GuardPolicy(datetime(2026, 11, 20, 6, 0, tzinfo=UTC))
STRONG = MfaRegistration(
    "u1",
    "ann@contoso.com",
    mfa_registered=True,
    mfa_capable=True,
    methods=frozenset({"microsoftauthenticatorpush", "mobilephone", "email"}),
)
BARE = MfaRegistration("u1", "ann@contoso.com")
ADMIN = replace(BARE, is_admin=True)
PHONE = replace(STRONG, methods=frozenset({"mobilephone", "email"}))


def only(entry: MfaRegistration | GroupSummary) -> Finding:
    (finding,) = judge(entry, TERMS)
    return finding


def methods(
    *names: str, registered: bool = False, capable: bool = False, passwordless: bool = False
) -> MfaRegistration:
    """An account that has registered these, as the report has it."""
    told = replace(
        BARE, mfa_registered=registered, mfa_capable=capable, passwordless_capable=passwordless
    )
    return replace(told, methods=frozenset(name.lower() for name in names))


def test_an_administrator_with_a_strong_second_factor_is_nothing_to_speak_of() -> None:
    assert list(judge(replace(STRONG, is_admin=True), TERMS)) == []


@pytest.mark.parametrize(
    ("entry", "lack"),
    [
        (BARE, "without-second-factor"),
        (methods("email"), "without-second-factor"),
        (
            methods("email", "securityQuestion", registered=True, capable=True),
            "without-second-factor",
        ),
        # Registered, but policy does not allow it: nobody is asked for it.
        (methods("softwareOneTimePasscode", registered=True), "without-second-factor"),
        (methods("mobilePhone", registered=True, capable=True), "weak-factor"),
        (methods("officePhone", "email", registered=True, capable=True), "weak-factor"),
        (methods("temporaryAccessPass", registered=True, capable=True), "weak-factor"),
        (methods("mobilePhone", "hardwareOneTimePasscode", registered=True, capable=True), ""),
        (methods("microsoftAuthenticatorPush", registered=True, capable=True), ""),
        # What cannot be phished counts whatever else the report says of it.
        (methods("fido2SecurityKey"), ""),
        (methods("passKeyDeviceBoundAuthenticator"), ""),
        (methods("windowsHelloForBusiness"), ""),
        (methods("macOsSecureEnclaveKey"), ""),
        (methods("mobilePhone", passwordless=True), ""),
        # A second factor that is asked for elsewhere has no name here.
        (methods(registered=True, capable=True), ""),
        (methods("somethingNew", registered=True, capable=True), ""),
    ],
)
def test_what_counts_as_a_second_factor(entry: MfaRegistration, lack: str) -> None:
    assert get_factor_deficiency(entry) == lack


def test_an_administrator_without_a_second_factor_is_critical_and_a_case_of_its_own() -> None:
    finding = only(ADMIN)
    assert (finding.severity, finding.verdict) == (Severity.CRITICAL, MfaVerdict.NO_SECOND_FACTOR)
    assert finding.summary == "The administrator ann@contoso.com signs in with a password alone."
    assert format_facts(finding.facts)[0] == "registered methods: none"
    assert finding.changes == ()
    assert "Require multifactor authentication for admins" in finding.advice


def test_a_second_factor_that_policy_does_not_allow_protects_no_administrator() -> None:
    finding = only(
        replace(ADMIN, mfa_registered=True, methods=frozenset({"softwareonetimepasscode"}))
    )
    assert finding.severity is Severity.CRITICAL
    assert any("policy allows" in fact for fact in format_facts(finding.facts))


def test_an_administrator_with_only_a_telephone_is_the_same_case_and_less_grave() -> None:
    weak = only(replace(PHONE, is_admin=True))
    assert (weak.severity, weak.verdict) == (Severity.HIGH, MfaVerdict.WEAK_FACTOR)
    assert format_facts(weak.facts)[0] == "registered methods: email, mobilephone"
    assert weak.compute_key(GUARD.name) == only(ADMIN).compute_key(GUARD.name)


def test_a_renamed_administrator_is_the_same_case() -> None:
    assert only(replace(ADMIN, upn="x@contoso.com")).compute_key("g") == only(ADMIN).compute_key(
        "g"
    )


def test_the_account_of_entra_connect_is_not_believed_by_its_name() -> None:
    finding = only(replace(ADMIN, upn="Sync_SERVER_0123@contoso.onmicrosoft.com"))
    assert finding.severity is Severity.CRITICAL
    assert "exempt" in finding.advice


def test_foreign_text_is_bounded_and_plain() -> None:
    names = frozenset({f"m{number}\u202e" + "x" * 500 for number in range(300)})
    finding = only(replace(ADMIN, upn="u\n" * 3000, methods=names))
    assert len(finding.summary) < 400
    assert all(len(fact) < 1_000 for fact in format_facts(finding.facts))
    assert "\u202e" not in format_facts(finding.facts)[0]


# Digests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "severity"),
    [
        (1, Severity.LOW),
        (49, Severity.LOW),
        (50, Severity.MEDIUM),
        (249, Severity.MEDIUM),
        (250, Severity.HIGH),
        (1000, Severity.HIGH),
    ],
)
def test_a_digest_is_as_grave_as_its_share(count: int, severity: Severity) -> None:
    finding = only(GroupSummary("members", "without-second-factor", 1000, count))
    assert (finding.severity, finding.verdict) == (severity, MfaVerdict.NO_SECOND_FACTOR)


def test_a_digest_of_any_size_is_the_same_case() -> None:
    few, many = (GroupSummary("members", "without-second-factor", 100, count) for count in (1, 90))
    assert only(few).compute_key("g") == only(many).compute_key("g")


def test_guests_and_telephones_are_low_however_many_there_are() -> None:
    guests = only(GroupSummary("guests", "without-second-factor", 10, 10))
    phones = only(GroupSummary("members", "weak-factor", 10, 10))
    assert {guests.severity, phones.severity} == {Severity.LOW}
    assert phones.verdict is MfaVerdict.WEAK_FACTOR
    assert any("their own organization" in fact for fact in format_facts(guests.facts))
    assert len({guests.compute_key("g"), phones.compute_key("g")}) == 2


def test_a_digest_of_nobody_is_nothing_to_speak_of() -> None:
    assert list(judge(GroupSummary("members", "without-second-factor", 10, 0), TERMS)) == []


def test_a_digest_shows_on_a_card() -> None:
    names = tuple(f"{'n' * 300}{number}" for number in range(MAX_NAMED))
    finding = only(GroupSummary("members", "without-second-factor", 900, 100, names, 7, 3))
    assert len(format_facts(finding.facts)) <= 8
    assert all(len(fact) <= 512 for fact in format_facts(finding.facts))
    assert (
        format_facts(finding.facts)[0]
        == "11 % of members; 7 have registered only what policy does not allow"
    )
    assert f"and {100 - MAX_NAMED} more" in format_facts(finding.facts)
    assert "of 3 it was not looked up" in format_facts(finding.facts)[-1]


# Observation ------------------------------------------------------------------------------------


def many(number: int) -> list[MfaRegistration]:
    """Accounts that are alike but for their names."""
    return [MfaRegistration(f"m{one:05}", f"user-{one:05}@contoso.com") for one in range(number)]


def people(entries: list[MfaRegistration], enabled: bool = True) -> list[Account]:
    return [Account(one.id, one.upn, enabled=enabled) for one in entries]


async def look(tenant: FakeTenant, watched: frozenset[str] = frozenset()) -> Reading[Any]:
    return await observe_all(GUARD, tenant, ObserveContext(TERMS, open_case_ids=watched))


def found(reading: Reading[Any]) -> list[Finding]:
    return [finding for item in reading.items for finding in GUARD.judge(item, TERMS)]


async def test_administrators_are_told_one_by_one_and_everybody_else_together() -> None:
    entries = [*many(30), *(replace(one, id=f"a{one.id}", is_admin=True) for one in many(2))]
    tenant = FakeTenant(mfa_registrations=[*entries, STRONG], users=people(entries), page_size=7)
    findings = found(await look(tenant))
    assert [one.severity for one in findings] == [Severity.CRITICAL] * 2 + [Severity.HIGH]
    digest = findings[-1]
    assert digest.summary.startswith("30 of 31 members are without a second factor")
    assert format_facts(digest.facts)[1].startswith(
        "user-00000@contoso.com, user-00001@contoso.com"
    )
    assert "and 10 more" in format_facts(digest.facts)


async def test_the_names_in_a_digest_do_not_depend_on_the_order_of_the_report() -> None:
    entries = many(400)
    one = FakeTenant(mfa_registrations=entries, users=people(entries), page_size=13)
    other = FakeTenant(mfa_registrations=entries[::-1], users=people(entries), page_size=200)
    assert found(await look(one)) == found(await look(other))


async def test_accounts_disabled_or_deleted_since_are_left_out() -> None:
    entries = many(4)
    admin = replace(ADMIN, id="boss")
    users = [
        *people(entries[:1]),
        *people(entries[1:2], enabled=False),
        Account("boss", enabled=False),
    ]
    findings = found(
        await look(FakeTenant(mfa_registrations=[*entries, admin, STRONG], users=users))
    )
    (digest,) = findings
    assert digest.summary.startswith("1 of 2 members ")


async def test_an_account_whose_state_is_not_told_counts() -> None:
    tenant = FakeTenant(mfa_registrations=[BARE], users=[Account("u1", enabled=None)])
    assert len(found(await look(tenant))) == 1


async def test_guests_are_counted_apart() -> None:
    entries = [*many(3), *(replace(one, id=f"g{one.id}", is_guest=True) for one in many(2))]
    tenant = FakeTenant(mfa_registrations=entries, users=people(entries))
    summaries = [one.summary for one in found(await look(tenant))]
    assert summaries == [
        "2 of 2 guests are without a second factor, administrators aside.",
        "3 of 3 members are without a second factor, administrators aside.",
    ]


async def test_only_so_many_accounts_are_looked_up_and_administrators_always() -> None:
    entries = many(MAX_LOOKUPS + 5)
    last = replace(ADMIN, id="zz")
    tenant = FakeTenant(mfa_registrations=[*entries, last], users=people([*entries, last]))
    findings = found(await look(tenant))
    asked = [key for surface, keys in tenant.read_log if surface == ACCOUNTS for key in keys]
    assert len(asked) == MAX_LOOKUPS + 1
    assert "zz" in asked
    assert any(
        fact.startswith("of 5 it was not looked up") for fact in format_facts(findings[-1].facts)
    )


async def test_strong_accounts_cost_no_look_at_all() -> None:
    tenant = FakeTenant(mfa_registrations=[STRONG])
    reading = await look(tenant)
    assert reading.items == ()
    assert {surface for surface, _ in tenant.read_log} == {SIGN_IN_METHODS}
    assert reading.covers((SIGN_IN_METHODS, REGISTERED_ADMINISTRATORS), "u1")


async def test_an_unreadable_report_is_neither_clean_nor_everybody_lacking() -> None:
    tenant = FakeTenant(mfa_registrations=[BARE])
    tenant.fail_read(SIGN_IN_METHODS, permission="AuditLog.Read.All")
    reading = await look(tenant, frozenset({"members", "u1"}))
    assert reading.items == ()
    assert not reading.covers((SIGN_IN_METHODS,), "members")
    miss = reading.find_source_failure(SIGN_IN_METHODS)
    assert miss is not None
    assert miss.permission == "AuditLog.Read.All"


async def test_a_report_that_breaks_off_counts_nobody_but_tells_the_administrators_it_named() -> (
    None
):
    entries = [ADMIN, *many(10)]
    tenant = FakeTenant(
        mfa_registrations=entries,
        users=people(entries),
        page_size=4,
        interrupted_sources={SIGN_IN_METHODS},
    )
    assert [one.object_id for one in found(await look(tenant))] == ["u1"]


async def test_a_report_that_names_nobody_is_not_believed() -> None:
    reading = await look(FakeTenant())
    assert not reading.complete
    assert reading.find_source_failure(SIGN_IN_METHODS) is not None


async def test_without_the_right_to_read_accounts_the_report_is_judged_as_it_is() -> None:
    entries = [ADMIN, *many(10)]
    tenant = FakeTenant(mfa_registrations=entries, users=people(entries), page_size=4)
    tenant.fail_read(ACCOUNTS, permission="User.Read.All")
    reading = await look(tenant)
    assert len(found(reading)) == 2
    miss = reading.find_source_failure(ACCOUNTS)
    assert miss is not None
    assert miss.optional
    assert len([surface for surface, _ in tenant.read_log if surface == ACCOUNTS]) == 1


async def test_a_report_silent_about_administrators_is_not_proof_that_there_are_none() -> None:
    tenant = FakeTenant(mfa_registrations=[replace(STRONG, is_admin=None)])
    reading = await look(tenant)
    assert reading.find_source_failure(REGISTERED_ADMINISTRATORS) is not None
    assert not reading.covers((SIGN_IN_METHODS, REGISTERED_ADMINISTRATORS), "u9")
    assert reading.covers((SIGN_IN_METHODS,), "members")


async def test_an_administrator_who_is_gone_from_the_report_is_covered() -> None:
    tenant = FakeTenant(mfa_registrations=[STRONG])
    gone = ObserveContext(TERMS, open_case_ids=frozenset({"u9"}))
    parts = [part async for part in GUARD.observe(tenant, gone) if isinstance(part, Reading)]
    assert any(part.covers((SIGN_IN_METHODS, REGISTERED_ADMINISTRATORS), "u9") for part in parts)
