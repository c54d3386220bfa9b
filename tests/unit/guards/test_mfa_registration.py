"""Second factors: one account that has a strong one, then one thing varied a case."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.guards.mfa_registration.factors import get_factor_deficiency
from core.guards.mfa_registration.guard import GUARD
from core.guards.mfa_registration.items import (
    MAX_LOOKUPS,
    MAX_NAMED,
    AccountCounter,
    AddedMethods,
    Administrator,
    GroupSummary,
)
from core.guards.mfa_registration.judge import judge
from core.guards.mfa_registration.verdicts import MfaVerdict
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.directory import Account, MfaRegistration
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import Reading
from core.tenant.sources import (
    ACCOUNTS,
    FEDERATED_DOMAINS,
    REGISTERED_ADMINISTRATORS,
    SIGN_IN_METHODS,
)
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
    item = Administrator(entry) if isinstance(entry, MfaRegistration) else entry
    (finding,) = judge(item, TERMS)
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
    assert list(judge(Administrator(replace(STRONG, is_admin=True)), TERMS)) == []


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
        # Of a method that Microsoft added since, nobody knows what it is worth.
        (methods("somethingNew", registered=True, capable=True), "unknown-factor"),
        (methods("somethingNew", "mobilePhone", registered=True, capable=True), "unknown-factor"),
        (methods("somethingNew", "email", registered=True, capable=True), "unknown-factor"),
        (methods("somethingNew", registered=True), "without-second-factor"),
        (methods("somethingNew", "appCode", registered=True, capable=True), ""),
        (methods("somethingNew", "fido2SecurityKey", registered=True, capable=True), ""),
        (methods("somethingNew", passwordless=True), ""),
        (methods("sms", "alternateMobileCall", registered=True, capable=True), "weak-factor"),
        (methods("qrCode", registered=True, capable=True), "without-second-factor"),
        # Another provider proves the second factor, whether the report counts it or not.
        (methods("externalAuthMethod", registered=True, capable=True), ""),
        (methods("externalAuthMethod"), ""),
        (methods("externalAuthMethod", "email"), ""),
        (methods("externalAuthMethod", registered=True), "without-second-factor"),
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


def test_a_method_that_nobody_knows_is_named_and_nobody_is_blamed_for_it() -> None:
    admin = only(replace(STRONG, is_admin=True, methods=frozenset({"new\nway", "mobilephone"})))
    assert (admin.severity, admin.verdict) == (Severity.MEDIUM, Verdict.COULD_NOT_TELL)
    assert admin.kind == "administrator-second-factor"
    assert r"does not know (new\u000away)" in admin.summary
    group = only(GroupSummary("members", "unknown-factor", 10, 10))
    assert (group.kind, group.severity) == ("unknown-factor", Severity.LOW)
    assert group.verdict == Verdict.COULD_NOT_TELL
    assert "10 of 10 members are with a second factor that this version does not know" in (
        group.summary
    )


def test_a_method_that_nobody_knows_beside_a_passkey_is_as_grave_as_a_weak_one() -> None:
    added = AddedMethods(ADMIN, ("somethingnew",), TERMS.now, ("fido2securitykey",))
    (finding,) = judge(added, TERMS)
    assert finding.severity is Severity.HIGH


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
        "2 of 2 guests are without a second factor here, administrators aside.",
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
    assert {surface for surface, _ in tenant.read_log} == {SIGN_IN_METHODS, FEDERATED_DOMAINS}
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


@pytest.mark.parametrize(("named", "is_told"), [(20, True), (19, False)])
async def test_a_report_that_is_shorter_than_is_trusted_counts_nobody(
    named: int, is_told: bool
) -> None:
    entries = [ADMIN, *many(named - 1)]
    tenant = FakeTenant(mfa_registrations=entries, users=people(entries))
    context = ObserveContext(
        TERMS, open_case_ids=frozenset({"members", "gone"}), least_trusted_count=20
    )
    reading = await observe_all(GUARD, tenant, context)
    assert len(found(reading)) == 1 + is_told, "its administrators are told all the same"
    assert reading.find_source_failure(SIGN_IN_METHODS) is None, "the engine tells it"
    parts = [part async for part in GUARD.observe(tenant, context) if isinstance(part, Reading)]
    for name in ("members", "gone"):
        assert any(part.covers((SIGN_IN_METHODS,), name) for part in parts) is is_told


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


# Whom others decide about -----------------------------------------------------------------------

EXTERNAL = "pia_partner.example#EXT#@contoso.onmicrosoft.com"
FEDERATED = "ann@fed.contoso.com"


@pytest.mark.parametrize("enabled", [True, False, None])
async def test_an_administrator_whom_the_report_leaves_out_is_gone_only_if_nobody_can_sign_in(
    enabled: bool | None,
) -> None:
    listed, absent = replace(ADMIN, id="u2"), Account("u1", "ann@contoso.com", enabled=enabled)
    of = FakeTenant(mfa_registrations=[listed], users=[absent])
    sources = (SIGN_IN_METHODS, REGISTERED_ADMINISTRATORS)
    context = ObserveContext(TERMS, open_case_ids=frozenset({"u1", "u9", "guests"}))
    readings = [one async for one in GUARD.observe(of, context) if isinstance(one, Reading)]
    assert any(one.covers(sources, "u1") for one in readings) is (enabled is False)
    assert any(one.covers(sources, "u9") for one in readings)
    named = {failure.object_id for one in readings for failure in one.failures}
    assert ("u1" in named) is (enabled is not False)
    of.fail_read(ACCOUNTS)
    readings = [one async for one in GUARD.observe(of, context) if isinstance(one, Reading)]
    assert not any(one.covers(sources, "u9") for one in readings)


async def test_members_of_another_organization_are_counted_apart_and_low() -> None:
    own = [replace(STRONG, id=f"s{number}") for number in range(40)]
    theirs = [replace(one, upn=f"{one.id}_x.example#EXT#@c.onmicrosoft.com") for one in many(60)]
    tenant = FakeTenant(mfa_registrations=[*own, *theirs], users=people(theirs))
    (finding,) = found(await look(tenant))
    assert (finding.object_id, finding.severity) == ("external members", Severity.LOW)
    assert finding.summary.startswith("60 of 60 external members are without a second factor here")
    assert any("belong to another organization" in fact for fact in format_facts(finding.facts))
    assert "Require a second factor of guests" in finding.advice


async def test_own_members_are_as_grave_as_they_are_beside_external_ones() -> None:
    own = [replace(STRONG, id=f"s{number}") for number in range(6)]
    bare = many(4)
    theirs = [replace(one, id=f"x{one.id}", upn=EXTERNAL) for one in many(90)]
    tenant = FakeTenant(mfa_registrations=[*own, *bare, *theirs], users=people([*bare, *theirs]))
    told = {one.object_id: one for one in found(await look(tenant))}
    assert told["members"].severity is Severity.HIGH
    assert told["members"].summary.startswith("4 of 10 members")


@pytest.mark.parametrize(
    ("upn", "domains", "verdict", "severity"),
    [
        (FEDERATED, ["fed.contoso.com"], MfaVerdict.DECIDED_ELSEWHERE, Severity.MEDIUM),
        ("ann@FED.contoso.com", ["Fed.Contoso.com"], MfaVerdict.DECIDED_ELSEWHERE, Severity.MEDIUM),
        (FEDERATED, ["contoso.com"], MfaVerdict.NO_SECOND_FACTOR, Severity.CRITICAL),
        ("ann@sub.fed.contoso.com", ["fed.contoso.com"], MfaVerdict.NO_SECOND_FACTOR, None),
        (EXTERNAL, [], MfaVerdict.DECIDED_ELSEWHERE, Severity.HIGH),
        (EXTERNAL, ["contoso.onmicrosoft.com"], MfaVerdict.DECIDED_ELSEWHERE, Severity.HIGH),
        ("", ["fed.contoso.com"], MfaVerdict.NO_SECOND_FACTOR, Severity.CRITICAL),
    ],
)
async def test_of_an_administrator_others_sign_in_it_is_said_that_they_decide(
    upn: str, domains: list[str], verdict: MfaVerdict, severity: Severity | None
) -> None:
    entry = replace(ADMIN, upn=upn)
    tenant = FakeTenant(mfa_registrations=[entry], users=people([entry]), federated_domains=domains)
    (finding,) = found(await look(tenant))
    assert finding.verdict is verdict
    assert severity in (None, finding.severity)
    decided = verdict is MfaVerdict.DECIDED_ELSEWHERE
    assert ("password alone" in finding.summary) is not decided
    assert ("not seen" in finding.summary) is decided


async def test_a_federated_domain_that_a_listing_lacks_once_stays_one() -> None:
    entry = replace(ADMIN, upn=FEDERATED)
    tenant = FakeTenant(mfa_registrations=[entry], users=people([entry]))
    known: dict[str, KnownTraits] = {}
    verdicts = []
    domains = ["fed.contoso.com", "other.example"]
    for number, listed in enumerate((domains, domains[1:], domains, domains[1:], domains[1:])):
        tenant.federated_domains = listed
        policy = GuardPolicy(TERMS.now + timedelta(hours=2 * number), GUARD.options)
        context = ObserveContext(policy, known_traits=dict(known))
        async for reading in GUARD.observe(tenant, context):
            assert isinstance(reading, Reading)
            known |= {one.key: one for one in reading.known_traits}
            verdicts += [
                one.verdict
                for item in reading.items
                for one in GUARD.judge(item, policy)
                if one.object_id == entry.id
            ]
    decided = [MfaVerdict.DECIDED_ELSEWHERE] * 4
    assert verdicts == [*decided, MfaVerdict.NO_SECOND_FACTOR]


async def test_a_federated_administrator_with_a_factor_here_is_judged_by_it() -> None:
    strong, weak = (
        replace(one, id=f"f{number}", upn=FEDERATED, is_admin=True)
        for number, one in enumerate((STRONG, PHONE))
    )
    tenant = FakeTenant(
        mfa_registrations=[strong, weak],
        users=people([strong, weak]),
        federated_domains=["fed.contoso.com"],
    )
    (finding,) = found(await look(tenant))
    assert (finding.object_id, finding.verdict) == ("f1", MfaVerdict.WEAK_FACTOR)


async def test_whoever_others_sign_in_makes_no_grave_digest() -> None:
    entries = [replace(one, upn=f"{one.id}@fed.contoso.com") for one in many(50)]
    tenant = FakeTenant(
        mfa_registrations=entries, users=people(entries), federated_domains=["fed.contoso.com"]
    )
    (finding,) = found(await look(tenant))
    assert (finding.object_id, finding.severity) == ("federated members", Severity.LOW)
    assert any("another provider signs them in" in fact for fact in format_facts(finding.facts))


async def test_while_domains_are_unread_nothing_is_said_of_a_password_alone() -> None:
    tenant = FakeTenant(mfa_registrations=[ADMIN], users=people([ADMIN]))
    tenant.fail_read(FEDERATED_DOMAINS, permission="Domain.Read.All")
    reading = await look(tenant)
    (finding,) = found(reading)
    assert finding.severity is Severity.CRITICAL
    assert finding.summary == "The administrator ann@contoso.com has registered no second factor."
    assert any("could not be read" in fact for fact in format_facts(finding.facts))
    miss = reading.find_source_failure(FEDERATED_DOMAINS)
    assert miss is not None
    assert miss.optional


# Methods that were added ------------------------------------------------------------------------


async def watch(*looks: MfaRegistration | None, days: float = 0.25) -> list[list[Finding]]:
    """What is found at each of several looks at one account; None: it is not in the report."""
    known: dict[str, KnownTraits] = {}
    result = []
    for number, entry in enumerate(looks):
        terms = replace(TERMS, now=TERMS.now + number * timedelta(days=days))
        entries = [entry] if entry else []
        tenant = FakeTenant(
            mfa_registrations=[*entries, replace(STRONG, id="other")], users=people(entries)
        )
        reading = await observe_all(GUARD, tenant, ObserveContext(terms, known_traits=known))
        known |= {one.key: one for one in reading.known_traits}
        findings = [one for item in reading.items for one in judge(item, terms)]
        result.append([one for one in findings if one.verdict is MfaVerdict.METHOD_ADDED])
    return result


def admin(*names: str) -> MfaRegistration:
    return replace(methods(*names, registered=True, capable=True), is_admin=True)


KEY = admin("fido2SecurityKey")


@pytest.mark.parametrize(
    ("before", "after", "severity"),
    [
        (("fido2SecurityKey",), ("mobilePhone",), Severity.HIGH),
        (("fido2SecurityKey",), ("softwareOneTimePasscode", "temporaryAccessPass"), Severity.HIGH),
        (("fido2SecurityKey",), ("softwareOneTimePasscode",), Severity.MEDIUM),
        (("fido2SecurityKey",), ("email",), Severity.HIGH),
        (("microsoftAuthenticatorPush",), ("mobilePhone",), Severity.MEDIUM),
        (("microsoftAuthenticatorPush",), ("fido2SecurityKey",), Severity.MEDIUM),
        (("microsoftAuthenticatorPush",), ("externalAuthMethod",), Severity.MEDIUM),
        (("microsoftAuthenticatorPush",), ("windowsHelloForBusiness",), Severity.LOW),
        (("fido2SecurityKey",), ("macOsSecureEnclaveKey",), Severity.LOW),
        ((), ("microsoftAuthenticatorPush",), Severity.MEDIUM),
        ((), ("mobilePhone",), Severity.MEDIUM),
        ((), ("windowsHelloForBusiness",), Severity.LOW),
    ],
)
async def test_a_method_added_to_an_administrator_is_told(
    before: tuple[str, ...], after: tuple[str, ...], severity: Severity
) -> None:
    first, second = await watch(admin(*before), admin(*before, *after))
    assert first == []
    (finding,) = second
    assert finding.severity is severity
    assert all(name.lower() in finding.summary for name in after)
    assert (finding.is_one_off, finding.is_said_once) == (True, True)
    assert finding.needs_own_exemption, "an accepted account is not whatever becomes of it"


async def test_nothing_is_added_by_a_first_look_a_new_role_or_a_method_that_went() -> None:
    many_methods = admin("fido2SecurityKey", "mobilePhone", "email")
    ordinary = replace(many_methods, is_admin=False)
    assert await watch(many_methods, many_methods, KEY) == [[], [], []]
    assert await watch(ordinary, many_methods) == [[], []]
    assert await watch(replace(KEY, is_admin=False), replace(ordinary, is_admin=False)) == [[], []]
    assert await watch(KEY, None, KEY) == [[], [], []]


async def test_what_was_added_stays_one_case_for_a_month_and_a_further_one_is_another() -> None:
    two, three = admin("fido2SecurityKey", "email"), admin("fido2SecurityKey", "email", "sms")
    looks = await watch(KEY, two, two, three, two, days=7)
    keys = [[one.compute_key("g") for one in look] for look in looks]
    assert keys[1] == keys[2] == keys[4]
    assert len(keys[3]) == 2
    assert keys[1][0] in keys[3]
    assert (await watch(KEY, *[two] * 6, days=7))[-1] == []


async def test_a_method_that_comes_back_is_told_again() -> None:
    two = admin("fido2SecurityKey", "email")
    looks = await watch(KEY, two, KEY, two)
    assert [len(look) for look in looks] == [0, 1, 0, 1]
    assert looks[1][0].compute_key("g") != looks[3][0].compute_key("g")


def test_added_methods_are_bounded_and_plain() -> None:
    names = tuple(f"m{number}\u202e" + "x" * 500 for number in range(300))
    added = AddedMethods(replace(KEY, upn="u\n" * 3000), names, TERMS.now, names)
    (finding,) = judge(added, TERMS)
    assert len(finding.summary) < 1_000
    assert all(len(fact) < 1_000 for fact in format_facts(finding.facts))
    assert "\u202e" not in finding.summary


def test_of_many_accounts_the_first_names_are_kept() -> None:
    """However many pass by, in whatever order, and no more than a few at a time."""
    counter = AccountCounter()
    for number in reversed(range(10 * MAX_NAMED - 1)):
        name = f"{'aA'[number % 2]}{number:04}@contoso.com"
        counter.add_account(MfaRegistration(f"u{number}", name), is_checked=True)
    assert len(counter.names) == 10 * MAX_NAMED - 1
    counter.add_account(MfaRegistration("Z_id", ""), is_checked=False)
    assert len(counter.names) == MAX_NAMED
    assert counter.names[0] == "a0000@contoso.com"
    assert counter.names[1] == "A0001@contoso.com"
    assert (counter.count, counter.unchecked_count) == (10 * MAX_NAMED, 1)
    few = AccountCounter()
    for name in ("b", "", "_c"):
        few.add_account(MfaRegistration("Z_id", name), is_checked=True)
    assert few.get_first_names() == ["_c", "b", "Z_id"]
