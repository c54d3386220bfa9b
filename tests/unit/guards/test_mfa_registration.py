"""Second factors: one account that has a strong one, then one thing varied a case."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from core.guards.mfa_registration import (
    CHECKED,
    GUARD,
    NAMED,
    Digest,
    judge,
    lack_of,
)
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Look, Terms
from core.tenant.directory import Account, Registration
from core.tenant.readings import Reading
from core.tenant.surfaces import ACCOUNTS, REGISTERED_ADMINISTRATORS, REGISTRATIONS
from tests.support.fakes.tenant import FakeTenant
from tests.support.observe import looked

TERMS = Terms(datetime(2026, 11, 20, 6, 0, tzinfo=UTC))
STRONG = Registration(
    "u1",
    "ann@contoso.com",
    registered=True,
    capable=True,
    methods=frozenset({"microsoftauthenticatorpush", "mobilephone", "email"}),
)
BARE = Registration("u1", "ann@contoso.com")
ADMIN = replace(BARE, admin=True)
PHONE = replace(STRONG, methods=frozenset({"mobilephone", "email"}))


def only(entry: Registration | Digest) -> Finding:
    (finding,) = judge(entry, TERMS)
    return finding


def methods(
    *names: str, registered: bool = False, capable: bool = False, passwordless: bool = False
) -> Registration:
    """An account that has registered these, as the report has it."""
    told = replace(BARE, registered=registered, capable=capable, passwordless=passwordless)
    return replace(told, methods=frozenset(name.lower() for name in names))


def test_an_administrator_with_a_strong_second_factor_is_nothing_to_speak_of() -> None:
    assert list(judge(replace(STRONG, admin=True), TERMS)) == []


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
def test_what_counts_as_a_second_factor(entry: Registration, lack: str) -> None:
    assert lack_of(entry) == lack


def test_an_administrator_without_a_second_factor_is_critical_and_a_case_of_its_own() -> None:
    finding = only(ADMIN)
    assert (finding.severity, finding.verdict) == (Severity.CRITICAL, Verdict.NO_SECOND_FACTOR)
    assert finding.summary == "The administrator ann@contoso.com signs in with a password alone."
    assert finding.facts[0] == "registered methods: none"
    assert finding.changes == ()
    assert "Require multifactor authentication for admins" in finding.advice


def test_a_second_factor_that_policy_does_not_allow_protects_no_administrator() -> None:
    finding = only(replace(ADMIN, registered=True, methods=frozenset({"softwareonetimepasscode"})))
    assert finding.severity is Severity.CRITICAL
    assert any("policy allows" in fact for fact in finding.facts)


def test_an_administrator_with_only_a_telephone_is_the_same_case_and_less_grave() -> None:
    weak = only(replace(PHONE, admin=True))
    assert (weak.severity, weak.verdict) == (Severity.HIGH, Verdict.WEAK_FACTOR)
    assert weak.facts[0] == "registered methods: email, mobilephone"
    assert weak.key(GUARD.name) == only(ADMIN).key(GUARD.name)


def test_a_renamed_administrator_is_the_same_case() -> None:
    assert only(replace(ADMIN, upn="x@contoso.com")).key("g") == only(ADMIN).key("g")


def test_the_account_of_entra_connect_is_not_believed_by_its_name() -> None:
    finding = only(replace(ADMIN, upn="Sync_SERVER_0123@contoso.onmicrosoft.com"))
    assert finding.severity is Severity.CRITICAL
    assert "exempt" in finding.advice


def test_foreign_text_is_bounded_and_plain() -> None:
    names = frozenset({f"m{number}\u202e" + "x" * 500 for number in range(300)})
    finding = only(replace(ADMIN, upn="u\n" * 3000, methods=names))
    assert len(finding.summary) < 400
    assert all(len(fact) < 1_000 for fact in finding.facts)
    assert "\u202e" not in finding.facts[0]


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
    finding = only(Digest("members", "without-second-factor", 1000, count))
    assert (finding.severity, finding.verdict) == (severity, Verdict.NO_SECOND_FACTOR)


def test_a_digest_of_any_size_is_the_same_case() -> None:
    few, many = (Digest("members", "without-second-factor", 100, count) for count in (1, 90))
    assert only(few).key("g") == only(many).key("g")


def test_guests_and_telephones_are_low_however_many_there_are() -> None:
    guests = only(Digest("guests", "without-second-factor", 10, 10))
    phones = only(Digest("members", "weak-factor", 10, 10))
    assert {guests.severity, phones.severity} == {Severity.LOW}
    assert phones.verdict is Verdict.WEAK_FACTOR
    assert any("their own organization" in fact for fact in guests.facts)
    assert len({guests.key("g"), phones.key("g")}) == 2


def test_a_digest_of_nobody_is_nothing_to_speak_of() -> None:
    assert list(judge(Digest("members", "without-second-factor", 10, 0), TERMS)) == []


def test_a_digest_shows_on_a_card() -> None:
    names = tuple(f"{'n' * 300}{number}" for number in range(NAMED))
    finding = only(Digest("members", "without-second-factor", 900, 100, names, 7, 3))
    assert len(finding.facts) <= 8
    assert all(len(fact) <= 512 for fact in finding.facts)
    assert finding.facts[0] == "11 % of members; 7 have registered only what policy does not allow"
    assert f"and {100 - NAMED} more" in finding.facts
    assert "of 3 it was not looked up" in finding.facts[-1]


# Observation ------------------------------------------------------------------------------------


def many(number: int) -> list[Registration]:
    """Accounts that are alike but for their names."""
    return [Registration(f"m{one:05}", f"user-{one:05}@contoso.com") for one in range(number)]


def people(entries: list[Registration], enabled: bool = True) -> list[Account]:
    return [Account(one.id, one.upn, enabled=enabled) for one in entries]


async def look(tenant: FakeTenant, watched: frozenset[str] = frozenset()) -> Reading[Any]:
    return await looked(GUARD, tenant, Look(TERMS, watched=watched))


def found(reading: Reading[Any]) -> list[Finding]:
    return [finding for item in reading.items for finding in GUARD.judge(item, TERMS)]


async def test_administrators_are_told_one_by_one_and_everybody_else_together() -> None:
    entries = [*many(30), *(replace(one, id=f"a{one.id}", admin=True) for one in many(2))]
    tenant = FakeTenant(registered=[*entries, STRONG], users=people(entries), page=7)
    findings = found(await look(tenant))
    assert [one.severity for one in findings] == [Severity.CRITICAL] * 2 + [Severity.HIGH]
    digest = findings[-1]
    assert digest.summary.startswith("30 of 31 members are without a second factor")
    assert digest.facts[1].startswith("user-00000@contoso.com, user-00001@contoso.com")
    assert "and 10 more" in digest.facts


async def test_the_names_in_a_digest_do_not_depend_on_the_order_of_the_report() -> None:
    entries = many(400)
    one = FakeTenant(registered=entries, users=people(entries), page=13)
    other = FakeTenant(registered=entries[::-1], users=people(entries), page=200)
    assert found(await look(one)) == found(await look(other))


async def test_accounts_disabled_or_deleted_since_are_left_out() -> None:
    entries = many(4)
    admin = replace(ADMIN, id="boss")
    users = [
        *people(entries[:1]),
        *people(entries[1:2], enabled=False),
        Account("boss", enabled=False),
    ]
    findings = found(await look(FakeTenant(registered=[*entries, admin, STRONG], users=users)))
    (digest,) = findings
    assert digest.summary.startswith("1 of 2 members ")


async def test_an_account_whose_state_is_not_told_counts() -> None:
    tenant = FakeTenant(registered=[BARE], users=[Account("u1", enabled=None)])
    assert len(found(await look(tenant))) == 1


async def test_guests_are_counted_apart() -> None:
    entries = [*many(3), *(replace(one, id=f"g{one.id}", guest=True) for one in many(2))]
    tenant = FakeTenant(registered=entries, users=people(entries))
    summaries = [one.summary for one in found(await look(tenant))]
    assert summaries == [
        "2 of 2 guests are without a second factor, administrators aside.",
        "3 of 3 members are without a second factor, administrators aside.",
    ]


async def test_only_so_many_accounts_are_looked_up_and_administrators_always() -> None:
    entries = many(CHECKED + 5)
    last = replace(ADMIN, id="zz")
    tenant = FakeTenant(registered=[*entries, last], users=people([*entries, last]))
    findings = found(await look(tenant))
    asked = [key for surface, keys in tenant.asked if surface == ACCOUNTS for key in keys]
    assert len(asked) == CHECKED + 1
    assert "zz" in asked
    assert any(fact.startswith("of 5 it was not looked up") for fact in findings[-1].facts)


async def test_strong_accounts_cost_no_look_at_all() -> None:
    tenant = FakeTenant(registered=[STRONG])
    reading = await look(tenant)
    assert reading.items == ()
    assert {surface for surface, _ in tenant.asked} == {REGISTRATIONS}
    assert reading.covers((REGISTRATIONS, REGISTERED_ADMINISTRATORS), "u1")


async def test_an_unreadable_report_is_neither_clean_nor_everybody_lacking() -> None:
    tenant = FakeTenant(registered=[BARE])
    tenant.fail(REGISTRATIONS, permission="AuditLog.Read.All")
    reading = await look(tenant, frozenset({"members", "u1"}))
    assert reading.items == ()
    assert not reading.covers((REGISTRATIONS,), "members")
    miss = reading.blind_to(REGISTRATIONS)
    assert miss is not None
    assert miss.permission == "AuditLog.Read.All"


async def test_a_report_that_breaks_off_counts_nobody_but_tells_the_administrators_it_named() -> (
    None
):
    entries = [ADMIN, *many(10)]
    tenant = FakeTenant(
        registered=entries, users=people(entries), page=4, broken_off={REGISTRATIONS}
    )
    assert [one.object_id for one in found(await look(tenant))] == ["u1"]


async def test_a_report_that_names_nobody_is_not_believed() -> None:
    reading = await look(FakeTenant())
    assert not reading.complete
    assert reading.blind_to(REGISTRATIONS) is not None


async def test_without_the_right_to_read_accounts_the_report_is_judged_as_it_is() -> None:
    entries = [ADMIN, *many(10)]
    tenant = FakeTenant(registered=entries, users=people(entries), page=4)
    tenant.fail(ACCOUNTS, permission="User.Read.All")
    reading = await look(tenant)
    assert len(found(reading)) == 2
    miss = reading.blind_to(ACCOUNTS)
    assert miss is not None
    assert miss.optional
    assert len([surface for surface, _ in tenant.asked if surface == ACCOUNTS]) == 1


async def test_a_report_silent_about_administrators_is_not_proof_that_there_are_none() -> None:
    tenant = FakeTenant(registered=[replace(STRONG, admin=None)])
    reading = await look(tenant)
    assert reading.blind_to(REGISTERED_ADMINISTRATORS) is not None
    assert not reading.covers((REGISTRATIONS, REGISTERED_ADMINISTRATORS), "u9")
    assert reading.covers((REGISTRATIONS,), "members")


async def test_an_administrator_who_is_gone_from_the_report_is_covered() -> None:
    tenant = FakeTenant(registered=[STRONG])
    gone = Look(TERMS, watched=frozenset({"u9"}))
    parts = [part async for part in GUARD.observe(tenant, gone) if isinstance(part, Reading)]
    assert any(part.covers((REGISTRATIONS, REGISTERED_ADMINISTRATORS), "u9") for part in parts)
