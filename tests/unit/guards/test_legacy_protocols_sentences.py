"""What the guard of legacy protocols says of one setting and another."""

from copy import replace
from datetime import timedelta
from typing import Any

from core.guards.legacy_protocols.guard import GUARD
from core.guards.legacy_protocols.items import (
    PLANS,
    POLICIES,
    SETTINGS,
    TRANSPORT,
    AuthenticationPolicy,
    LegacyProtocolMailbox,
    NewMailboxPlan,
    ProtocolItem,
    SmtpAuthSetting,
)
from core.guards.legacy_protocols.judge import judge
from core.guards.legacy_protocols.remedies import (
    build_policy_remedy,
    build_protocols_remedy,
    build_smtp_remedy,
)
from core.guards.legacy_protocols.sign_in_evidence import ProtocolEvidence
from core.guards.legacy_protocols.token_consents import TokenConsent
from core.model.findings import Finding
from core.model.guards import GuardPolicy
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.configuration import Configuration
from core.tenant.mailboxes import MAX_POLICY_USERS, Mailbox, MailboxProtocols, ProtocolUse
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import (
    ANN,
    BEN,
    CLOSED,
    build_configuration,
    build_legacy_protocol_tenant,
)
from tests.support.sentences import NOW, check_looks, check_sentences, check_steps

TERMS = GuardPolicy(NOW, GUARD.options)
ENFORCED = replace(TERMS, options=replace(GUARD.options, without_sign_ins="enforce"))
LONGER = replace(TERMS, options=replace(GUARD.options, recent_days=90))
DAY = timedelta(days=1)


def use(number: int = 1, protocol: str = "smtp", *addresses: str, upn: str = "") -> ProtocolUse:
    name = upn or f"user{number}@contoso.com"
    return ProtocolUse(f"m{number}", protocol, name, NOW - number * DAY, addresses)


def token(number: int = 1, protocol: str = "smtp", **more: Any) -> TokenConsent:
    usual = TokenConsent(protocol, "SMTP.Send", f"c{number}", "", f"App {number}")
    return replace(usual, **more)


def used(*uses: ProtocolUse, **more: Any) -> ProtocolEvidence:
    return ProtocolEvidence(uses, **more)


def say(item: ProtocolItem, terms: GuardPolicy = TERMS) -> list[Finding]:
    return list(judge(item, terms))


def organization(disabled: bool | None = False, **more: Any) -> SmtpAuthSetting:
    text = "no default authentication policy refuses bare passwords"
    return replace(SmtpAuthSetting(disabled, default_policy_text=text), **more)


def plan(**values: object) -> NewMailboxPlan:
    usual = {"ImapEnabled": False, "PopEnabled": False}
    return NewMailboxPlan(Configuration(PLANS, "Enterprise", "Enterprise", usual | values))


def policy(value: object = True, name: str = "Legacy", **more: Any) -> AuthenticationPolicy:
    row = Configuration(POLICIES, name, name, {"AllowBasicAuthSmtp": value})
    return replace(AuthenticationPolicy(row), **more)


def mailbox(
    *allowed: str, unknown: tuple[str, ...] = (), box: Mailbox = ANN, **evidence: Any
) -> LegacyProtocolMailbox:
    seen = MailboxProtocols(box, frozenset(allowed), unknown=frozenset(unknown))
    return LegacyProtocolMailbox(seen, ProtocolEvidence(**evidence))


def test_sentences_about_protocols() -> None:
    eleven = tuple(use(number) for number in range(1, 12))
    twice = (*eleven[:10], replace(eleven[9], protocol="imap"))
    doubt = ("the sign-in log cannot be read without AuditLog.Read.All",)
    places = ("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
    check_sentences(
        "legacy_protocols",
        {
            "SMTP AUTH is off": say(organization(True)),
            "Whether SMTP AUTH is off is not told": say(organization(None)),
            "SMTP AUTH is on, and nobody uses it": say(organization()),
            "SMTP AUTH is on, and the log ends before the days that count": say(
                organization(), LONGER
            ),
            "SMTP AUTH is on, and somebody uses it": say(
                organization(evidence=used(use(1, "smtp", *places)), own_setting_count=2)
            ),
            "SMTP AUTH is on, and ten use it": say(organization(evidence=used(*eleven[:10]))),
            "SMTP AUTH is on, and eleven use it": say(organization(evidence=used(*eleven))),
            "SMTP AUTH is on, and ten use it in two ways": say(organization(evidence=used(*twice))),
            "SMTP AUTH is on, and apps may use it": say(
                organization(
                    evidence=used(consents=(token(), token(2, permission="SMTP.SendAsApp")))
                )
            ),
            "SMTP AUTH is on, and five apps may use it": say(
                organization(evidence=used(consents=tuple(map(token, range(5)))))
            ),
            "SMTP AUTH is on, and six permissions of five apps may use it": say(
                organization(
                    evidence=used(consents=(*map(token, range(5)), token(4, account_id="m1")))
                )
            ),
            "SMTP AUTH is on, and an app without a name may use it": say(
                organization(evidence=used(consents=(token(app_name="", account_id="m1"),)))
            ),
            "SMTP AUTH is on, and the log cannot be read": say(
                organization(evidence=used(doubts=doubt))
            ),
            "SMTP AUTH is on, the log cannot be read, and that does not matter": say(
                organization(evidence=used(doubts=doubt)), ENFORCED
            ),
            "SMTP AUTH is on, and the log cannot be read for the moment": say(
                organization(evidence=used(doubts=doubt, is_transient=True)), ENFORCED
            ),
            "Names of those who use it are long": say(
                organization(evidence=used(use(1, "smtp", "1" * 300, upn="u" * 300)))
            ),
            "It is used by somebody without a name, from three places, and the doubt is long": say(
                organization(
                    evidence=used(replace(use(1, "smtp", *places[:3]), upn=""), doubts=("d" * 300,))
                )
            ),
            "New mailboxes get nothing": say(plan()),
            "New mailboxes get IMAP": say(plan(ImapEnabled="True")),
            "New mailboxes get both": say(plan(ImapEnabled=True, PopEnabled=True)),
            "New mailboxes get IMAP, and whether POP is not told": say(
                plan(ImapEnabled=True, PopEnabled=None)
            ),
            "New mailboxes of a plan with a long name get POP": say(
                NewMailboxPlan(
                    Configuration(
                        PLANS, "p1", "p" * 300, {"ImapEnabled": False, "PopEnabled": True}
                    )
                )
            ),
            "Whether new mailboxes get anything is not told": say(
                plan(ImapEnabled="perhaps", PopEnabled=1)
            ),
            "A policy refuses bare passwords": say(policy(False)),
            "Whether a policy takes bare passwords is not told": say(policy(None)),
            "The default policy takes bare passwords": say(policy(is_default=True)),
            "The default policy takes bare passwords, and somebody uses one": say(
                policy(is_default=True, evidence=used(use()))
            ),
            "A policy that nobody has takes bare passwords": say(policy(users=())),
            "A policy that two have takes bare passwords": say(policy(users=("Ann", ""))),
            "A policy that many have takes bare passwords": say(
                policy(users=tuple(f"user{number:03}" for number in range(40)))
            ),
            "A policy that as many have as are named takes bare passwords": say(
                policy(users=tuple(f"user{number:03}" for number in range(MAX_POLICY_USERS)))
            ),
            "A policy and a user of it have long names": say(
                policy(name="n" * 300, users=("u" * 300,))
            ),
            "A policy takes bare passwords, and whose it is is not told": say(policy(users=None)),
            "A policy with a name that no command can hold": say(policy(name="a\nb", users=())),
            "A mailbox allows IMAP": say(mailbox("imap")),
            "A mailbox allows IMAP and POP": say(mailbox("imap", "pop")),
            "A mailbox allows IMAP and POP, and IMAP is used": say(
                mailbox("imap", "pop", uses=(use(1, "imap"), use(2, "smtp")))
            ),
            "A mailbox allows both, and both are used": say(
                mailbox("imap", "pop", uses=(use(1, "imap"), use(1, "pop")))
            ),
            "A mailbox allows both, and an app may use POP": say(
                mailbox("imap", "pop", consents=(token(protocol="pop"), token(2)))
            ),
            "A mailbox allows SMTP AUTH": say(mailbox("smtp")),
            "A mailbox allows all three, and SMTP AUTH is used": say(
                mailbox("imap", "pop", "smtp", uses=(use(),))
            ),
            "What a mailbox allows is not told": say(mailbox(unknown=("imap", "pop", "smtp"))),
            "A mailbox allows IMAP, and whether POP is not told": say(
                mailbox("imap", unknown=("pop",))
            ),
            "A mailbox with a name that no command can hold": say(
                mailbox("imap", box=replace(ANN, address="a\nb"))
            ),
        },
    )


def test_sentences_about_what_to_do() -> None:
    check_steps(
        "legacy_protocols_steps",
        {
            "SMTP AUTH is on for everybody": build_smtp_remedy(),
            "A policy takes bare passwords": build_policy_remedy("Printers", "Printers (x)"),
            "A policy with a name that no command can hold": build_policy_remedy("a\nb", "a b"),
            "A mailbox allows all three": build_protocols_remedy(
                "CASMailbox", "ann@contoso.com", "Ann (x)", ["imap", "pop", "smtp"]
            ),
            "A plan allows IMAP": build_protocols_remedy(
                "CASMailboxPlan", "Enterprise", "Enterprise (x)", ["imap"]
            ),
            "A mailbox with a name that no command can hold": build_protocols_remedy(
                "CASMailbox", "a\nb", "a b", ["pop"]
            ),
        },
    )


def build_open_tenant() -> FakeTenant:
    """A tenant in which every protocol is on somewhere, and used."""
    cid = Mailbox("m3", "g3", "cid@contoso.com", has_account=False)
    found = Mailbox("m4", "g4", "", "x", "DiscoveryMailbox")
    tenant = build_legacy_protocol_tenant(
        build_configuration(TRANSPORT, SmtpClientAuthenticationDisabled=False),
        build_configuration(SETTINGS, DefaultAuthenticationPolicy="contoso\\Block"),
        build_configuration(PLANS, "Enterprise", ImapEnabled=True, PopEnabled=False),
        build_configuration(POLICIES, "Block", AllowBasicAuthSmtp=True),
        build_configuration(
            POLICIES, "Scanners", AllowBasicAuthSmtp=True, DistinguishedName="CN=Scanners,DC=x"
        ),
        build_configuration(POLICIES, "Others", AllowBasicAuthSmtp=True, DistinguishedName=" "),
        boxes=[ANN, BEN, cid, found],
        protocol_settings=[
            MailboxProtocols(ANN, frozenset({"imap", "smtp"}), frozenset({"pop"})),
            MailboxProtocols(BEN, frozenset({"pop"}), frozenset({"imap"}), frozenset({"smtp"})),
            MailboxProtocols(cid, frozenset({"imap"}), CLOSED - {"imap"}),
            MailboxProtocols(found, frozenset({"imap"})),
        ],
        observed_uses=[
            ProtocolUse("m1", "smtp", "ann@contoso.com", NOW - DAY),
            ProtocolUse("m9", "smtp", "zed@contoso.com", NOW - 2 * DAY, ("192.0.2.1",)),
            ProtocolUse("m2", "pop", "ben@contoso.com", NOW - 3 * DAY),
        ],
        service_principals=[App("c1", "a1", "Mail proxy")],
        oauth_grants=[
            DelegatedGrant("c1", "graph", False, frozenset({"IMAP.AccessAsUser.All"}), "m1")
        ],
        app_role_assignments=[AppPermission("p1", "c1", "exchange", "r1", "SMTP.SendAsApp")],
        page_size=2,
    )
    tenant.policy_users["CN=Scanners,DC=x"] = ["Scanner 1"]
    return tenant


async def test_sentences_about_a_tenant_in_which_all_is_open() -> None:
    await check_looks("legacy_protocols_open_looks", GUARD, build_open_tenant)


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("legacy_protocols_looks", GUARD)
