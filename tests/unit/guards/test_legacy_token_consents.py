"""Apps that may use a mail protocol by a token: what no sign-in log shows is evidence of use."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from core.guards.legacy_protocols.guard import GUARD
from core.guards.legacy_protocols.items import POLICIES, TRANSPORT
from core.guards.legacy_protocols.judge import judge
from core.guards.legacy_protocols.token_consents import (
    MAX_NAME_LENGTH,
    MAX_SHOWN,
    TOKEN_PERMISSIONS,
    TokenConsent,
    TokenConsents,
    format_consent,
)
from core.guards.legacy_protocols.verdicts import ProtocolVerdict
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.directory import Account
from core.tenant.mailboxes import MAX_POLICY_USERS
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, APP_PERMISSIONS, DELEGATED_GRANTS, POLICY_USERS
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import (
    ANN,
    BEN,
    NOW,
    build_configuration,
    build_legacy_protocol_tenant,
    build_protocols,
)
from tests.support.observe import observe_all

TERMS = GuardPolicy(NOW, GUARD.options)
PROXY = App("c1", "a1", "Mail proxy")


def consent(scopes: str, user: str = ANN.id) -> DelegatedGrant:
    return DelegatedGrant("c1", "graph", not user, frozenset(scopes.split()), user)


def app_role(value: str) -> AppPermission:
    return AppPermission("p1", "c1", "exchange", "r1", value)


def tenant(protocol: str, *grants: DelegatedGrant, **more: object) -> FakeTenant:
    return build_legacy_protocol_tenant(
        protocol_settings=build_protocols(protocol),
        service_principals=[PROXY],
        oauth_grants=list(grants),
        **more,
    )


async def found(fake: FakeTenant, terms: GuardPolicy = TERMS) -> Mapping[str, Finding]:
    reading = await observe_all(GUARD, fake, ObserveContext(terms))
    return {one.kind: one for item in reading.items for one in judge(item, terms)}


async def only(fake: FakeTenant, terms: GuardPolicy = TERMS) -> Finding:
    (finding,) = (await found(fake, terms)).values()
    return finding


@pytest.mark.parametrize(
    ("protocol", "scopes"),
    [
        ("smtp", "offline_access SMTP.Send"),
        ("smtp", "smtp.send"),
        ("imap", "IMAP.AccessAsUser.All"),
        ("pop", "openid POP.AccessAsUser.All"),
    ],
)
@pytest.mark.parametrize("user", [ANN.id, ""])
async def test_a_consent_to_a_token_is_evidence_of_use(
    protocol: str, scopes: str, user: str
) -> None:
    finding = await only(tenant(protocol, consent(scopes, user)))
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())
    assert any("the app Mail proxy may use it by a token" in one for one in facts(finding))
    assert "needs another way first" in finding.advice


def facts(finding: Finding) -> tuple[str, ...]:
    return format_facts(finding.facts)


@pytest.mark.parametrize(
    ("protocol", "value"),
    [("smtp", "SMTP.SendAsApp"), ("imap", "IMAP.AccessAsApp"), ("pop", "POP.AccessAsApp")],
)
async def test_an_app_that_acts_by_itself_may_use_any_mailbox(protocol: str, value: str) -> None:
    finding = await only(tenant(protocol, app_role_assignments=[app_role(value)]))
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())
    assert f"by a token of its own ({value})" in " ".join(facts(finding))


@pytest.mark.parametrize(
    "grants",
    [
        (),
        (consent("Mail.Read User.Read"),),
        (consent("IMAP.AccessAsUser.All", BEN.id),),
        (consent("POP.AccessAsUser.All"),),
        (consent("IMAP.Other SMTPSend"),),
    ],
)
async def test_what_allows_nobody_this_protocol_here_is_no_evidence(
    grants: tuple[DelegatedGrant, ...],
) -> None:
    finding = await only(tenant("imap", *grants))
    assert finding.verdict is ProtocolVerdict.REPAIR
    assert len(finding.changes) == 1


async def test_where_all_is_off_nobody_asks_for_consents() -> None:
    fake = build_legacy_protocol_tenant(oauth_grants=[consent("SMTP.Send")])
    assert await found(fake) == {}
    assert DELEGATED_GRANTS not in [source for source, _ in fake.read_log]


@pytest.mark.parametrize("source", [DELEGATED_GRANTS, APP_PERMISSIONS])
async def test_consents_that_cannot_be_read_leave_use_unknown(source: str) -> None:
    fake = tenant("imap")
    fake.fail_read(source, permission="Directory.Read.All")
    finding = await only(fake)
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())
    assert any("unread without Directory.Read.All" in one for one in facts(finding))
    enforced = replace(TERMS, options=replace(GUARD.options, without_sign_ins="enforce"))
    assert (await only(fake, enforced)).verdict is ProtocolVerdict.REPAIR


@pytest.mark.parametrize("source", [DELEGATED_GRANTS, APP_PERMISSIONS])
async def test_consents_that_failed_to_be_read_just_now_stop_every_write(source: str) -> None:
    fake = tenant("imap")
    fake.fail_read(source, reason="503")
    enforced = replace(TERMS, options=replace(GUARD.options, without_sign_ins="enforce"))
    finding = await only(fake, enforced)
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())


async def test_one_app_whose_grants_are_unread_is_a_doubt() -> None:
    fake = tenant("imap", consent("Mail.Read"))
    fake.fail_read(DELEGATED_GRANTS, "c1", "broken")
    assert (await only(fake)).verdict is Verdict.ASK


async def test_the_organizations_switch_waits_for_the_apps_that_send() -> None:
    smtp_on = build_configuration(TRANSPORT, SmtpClientAuthenticationDisabled=False)
    fake = build_legacy_protocol_tenant(
        smtp_on, service_principals=[PROXY], oauth_grants=[consent("SMTP.Send", BEN.id)]
    )
    finding = (await found(fake))["smtp-auth-organization"]
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())
    assert f"a token of the user {BEN.id}" in " ".join(facts(finding))
    fake.users = [Account(BEN.id, "ben@contoso.com")]
    named = (await found(fake))["smtp-auth-organization"]
    assert "a token of the user ben@contoso.com" in " ".join(facts(named))
    assert BEN.id not in " ".join(facts(named))


async def test_a_name_that_cannot_be_read_takes_nothing_from_the_evidence() -> None:
    fake = tenant("imap", consent("IMAP.AccessAsUser.All"))
    fake.users = [Account(ANN.id, "ann@contoso.com")]
    fake.fail_read(ACCOUNTS, permission="User.Read.All")
    finding = await only(fake)
    assert finding.verdict is Verdict.ASK
    assert f"a token of the user {ANN.id}" in " ".join(facts(finding))


async def test_a_hostile_name_of_a_user_stays_text() -> None:
    fake = tenant("imap", consent("IMAP.AccessAsUser.All"))
    fake.users = [Account(ANN.id, "a\u202eb\n" + "x" * 900)]
    said = " ".join(facts(await only(fake)))
    assert "\u202e" not in said
    assert len(said) < 1_500


async def test_a_token_says_nothing_about_bare_passwords() -> None:
    allowing = build_configuration(POLICIES, "Block", AllowBasicAuthSmtp=True)
    fake = build_legacy_protocol_tenant(
        allowing, service_principals=[PROXY], oauth_grants=[consent("SMTP.Send")]
    )
    finding = (await found(fake))["policy-basic-smtp"]
    assert finding.verdict is ProtocolVerdict.REPAIR


async def test_of_many_apps_the_first_are_named_and_all_are_counted() -> None:
    grants = [
        replace(consent("SMTP.Send"), client_id=f"c{number}") for number in range(MAX_SHOWN + 3)
    ]
    lines = facts(await only(tenant("smtp", *grants)))
    assert sum("may use it by a token" in line for line in lines) == MAX_SHOWN
    assert f"{MAX_SHOWN + 3} such permissions of {MAX_SHOWN + 3} apps in all" in lines


async def test_a_hostile_name_of_an_app_stays_text() -> None:
    fake = tenant("imap", consent("IMAP.AccessAsUser.All"))
    fake.service_principals = [replace(PROXY, name="x\u202e" + "y" * 5_000)]
    (line,) = (one for one in facts(await only(fake)) if "may use it by a token" in one)
    assert "\u202e" not in line
    assert len(line) < 400


def test_every_protocol_has_a_scope_and_a_role() -> None:
    assert set(TOKEN_PERMISSIONS.values()) == {"imap", "pop", "smtp"}
    assert len(TOKEN_PERMISSIONS) == 6


# Authentication policies beside the default -------------------------------------------------------

DN = "CN=Old devices,CN=Auth Policies,DC=contoso"


def exception(**more: object) -> FakeTenant:
    """A tenant with a policy for some users that takes bare passwords."""
    policy = build_configuration(
        POLICIES, "Old devices", AllowBasicAuthSmtp=True, DistinguishedName=DN
    )
    return build_legacy_protocol_tenant(policy, **more)


async def test_a_policy_beside_the_default_is_somebodys_exception_and_names_its_users() -> None:
    finding = await only(exception(policy_users={DN: ["scan@contoso.com", "fax@contoso.com"]}))
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())
    assert finding.severity is Severity.MEDIUM
    assert "given to: fax@contoso.com, scan@contoso.com" in facts(finding)
    enforced = replace(TERMS, options=replace(GUARD.options, without_sign_ins="enforce"))
    assert (await only(exception(), enforced)).verdict is Verdict.ASK


async def test_a_policy_that_nobody_was_given_is_low_and_still_a_question() -> None:
    finding = await only(exception())
    assert (finding.verdict, finding.severity) == (Verdict.ASK, Severity.LOW)
    assert "given to: nobody" in facts(finding)


async def test_of_many_users_of_a_policy_the_first_are_named() -> None:
    names = [f"user{number:03}@contoso.com" for number in range(60)]
    (line,) = (
        one for one in facts(await only(exception(policy_users={DN: names}))) if "given to" in one
    )
    assert line.endswith(f"and more than {MAX_POLICY_USERS} in all")
    assert line.count("@") == MAX_POLICY_USERS


async def test_users_of_a_policy_that_cannot_be_read_are_said_to_be_unknown() -> None:
    fake = exception()
    fake.fail_read(POLICY_USERS, permission="Exchange role with Get-User")
    finding = await only(fake)
    assert finding.severity is Severity.MEDIUM
    assert "given to: not known, for Exchange did not tell it" in facts(finding)


async def test_the_default_policy_is_not_asked_for_its_users() -> None:
    policy = build_configuration(POLICIES, "Block", AllowBasicAuthSmtp=True, DistinguishedName=DN)
    fake = build_legacy_protocol_tenant(policy)
    assert (await only(fake)).verdict is ProtocolVerdict.REPAIR
    assert POLICY_USERS not in [source for source, _ in fake.read_log]


def build_page(*failures: ReadFailure, complete: bool = True) -> Reading[Any]:
    """A page of consents with something missing."""
    return Reading((), failures, complete=complete)


@pytest.mark.parametrize(
    ("pages", "doubts", "failure"),
    [
        ([build_page()], (), ""),
        ([build_page(complete=False)], (), "the list of consents was cut short"),
        (
            [build_page(ReadFailure("s", "HTTP 503"), complete=False), build_page(complete=False)],
            (),
            "HTTP 503",
        ),
        (
            [build_page(ReadFailure("s", "HTTP 503"), ReadFailure("s", "HTTP 500"))],
            (),
            "HTTP 503",
        ),
        (
            [
                build_page(
                    ReadFailure("s", "HTTP 503"),
                    ReadFailure("s", "HTTP 404", "a1"),
                    ReadFailure("s", "HTTP 404", "a2"),
                    complete=False,
                )
            ],
            ("what one of the apps was granted could not be read",),
            "HTTP 503",
        ),
        (
            [build_page(ReadFailure("s", "denied", permission="Read.All"), complete=False)],
            ("which apps may use them by a token is unread without Read.All",),
            "",
        ),
    ],
)
def test_why_consents_may_be_missing(
    pages: list[Reading[Any]], doubts: tuple[str, ...], failure: str
) -> None:
    consents = TokenConsents(FakeTenant())
    for page in pages:
        consents.note_failures(page)
    assert (consents.permanent_doubts, consents.failure) == (doubts, failure)
    refused = [one for page in pages for one in page.failures if one.permission]
    assert consents.read_failures == tuple(replace(one, optional=True) for one in refused)


def test_a_long_name_is_cut_and_the_permission_stays() -> None:
    long = "n" * 400
    cut = quote_text(long, MAX_NAME_LENGTH)
    consent = TokenConsent("imap", long, "c1", "u1", long, long)
    said = f"the app {cut} may use it by a token of the user {cut} ({cut})"
    assert format_consent(consent) == said


async def test_nobody_is_asked_for_the_names_of_users_of_whom_there_are_none() -> None:
    fake = FakeTenant(app_role_assignments=[app_role("SMTP.SendAsApp")])
    await TokenConsents(fake).read_once()
    assert ACCOUNTS not in [source for source, _ in fake.read_log]


async def test_an_app_without_a_name_stays_its_id_and_order_is_by_name() -> None:
    consents = TokenConsents(
        FakeTenant(oauth_grants=[DelegatedGrant("gone", "r1", True, frozenset({"SMTP.Send"}))])
    )
    await consents.read_once()
    (read,) = consents.select(frozenset({"smtp"}), None)
    assert consents.select(frozenset({"imap", "pop"}), None) == ()
    assert (read.app_name, read.account_name) == ("", "")
    names = ("_a", "Za", "zb", "Ab")
    consents.consents = tuple(TokenConsent("imap", "p", name, "", name) for name in names)
    shown = [one.app_name for one in consents.select(frozenset({"imap"}), None)]
    assert shown == ["_a", "Ab", "Za", "zb"]
