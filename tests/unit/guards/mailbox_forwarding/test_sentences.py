"""What the guard of forwarding says of forwards, rules and connectors of all kinds."""

from collections.abc import Iterable
from copy import replace
from datetime import timedelta
from typing import Any

from core.guards.mailbox_forwarding.domain_news import judge_domain_news
from core.guards.mailbox_forwarding.guard import GUARD
from core.tenant.configuration import Configuration
from core.tenant.domain_memory import DomainChange, DomainNews
from core.tenant.mail_flow import (
    AcceptedDomain,
    Folder,
    GroupMembers,
    InboxRule,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    RuleCondition,
    SenderScope,
    TransportRule,
)
from core.tenant.mailboxes import Mailbox
from tests.support.fakes.tenant import FakeTenant
from tests.support.sentences import NOW, check_looks, check_sentences

OPTIONS = replace(GUARD.options, allowed_domains=frozenset({"archive.example"}))
EVIL = "x@evil.example"
DAY = timedelta(days=1)
ANN = Recipient("ann", True, "UserMailbox", "ann@contoso.com", id="a1")
BOB = Recipient("bob", True, "MailContact", "bob@contoso.com", f"SMTP:{EVIL}", id="b1")
GUEST = Recipient("max", True, "GuestMailUser", "max@partner.example", "SMTP:max@partner.example")
SALES = Recipient("sales", True, "MailUniversalSecurityGroup", "sales@contoso.com", id="s1")
EVERYONE = Recipient("all", True, "DynamicDistributionGroup", "all@contoso.com", id="d1")
CHAIN = Recipient("chain", True, "MailContact", "chain@contoso.com", "SMTP:bob@contoso.com")
PEOPLE = [ANN, BOB, GUEST, SALES, EVERYONE, CHAIN]


def box(number: int, **more: Any) -> Mailbox:
    return Mailbox(f"m{number:02}", f"g{number:02}", f"user{number:02}@contoso.com", **more)


def when(**conditions: Iterable[str]) -> tuple[RuleCondition, ...]:
    return tuple(RuleCondition(kind, tuple(values)) for kind, values in sorted(conditions.items()))


def rule(number: int, name: str, **more: Any) -> InboxRule:
    return InboxRule(f"r-{number}-{name}", f"m{number:02}", name, "graph", **more)


def build_tenant(*boxes: Mailbox, **more: Any) -> FakeTenant:
    """A tenant that lets automatic forwards pass."""
    usual: dict[str, Any] = {
        "domains": [AcceptedDomain("contoso.com"), AcceptedDomain("contoso.onmicrosoft.com")],
        "known_recipients": list(PEOPLE),
        "group_members": [GroupMembers("s1", (ANN, BOB, GUEST))],
        "remote_domain_list": [RemoteDomain("*", auto_forward=True)],
        "policies": [OutboundPolicy("Default", "On", is_default=True)],
        "page_size": 6,
    }
    return FakeTenant(boxes=list(boxes), **usual | more)


def build_forwards() -> FakeTenant:
    """Forwards of mailboxes to everybody that a mailbox can forward to."""
    to: list[dict[str, Any]] = [
        {"forwarding_smtp_address": f"smtp:{EVIL}"},
        {"forwarding_smtp_address": f"smtp:{EVIL}", "keeps_copy": True},
        {"forwarding_smtp_address": "smtp:j@archive.example"},
        {"forwarding_smtp_address": "smtp:ann@contoso.com"},
        {"forwarding_smtp_address": "smtp:nobody@contoso.com"},
        {"forwarding_address": "bob"},
        {"forwarding_address": "bob", "forwarding_smtp_address": "smtp:y@evil.example"},
        {"forwarding_address": "ann", "forwarding_smtp_address": f"smtp:{EVIL}"},
        {"forwarding_address": "sales"},
        {"forwarding_address": "all"},
        {"forwarding_address": "nobody"},
        {"forwarding_address": "max"},
        {"forwarding_address": "chain"},
        {"forwarding_smtp_address": "smtp:chain@contoso.com"},
        {"forwarding_smtp_address": "smtp:IMCEAEX-x@contoso.com"},
        {"forwarding_smtp_address": "smtp:x%evil.example@contoso.com"},
    ]
    known = [*PEOPLE, replace(CHAIN, name="chain@contoso.com")]
    return build_tenant(
        *(box(number, **one) for number, one in enumerate(to)), known_recipients=known
    )


def build_departures() -> FakeTenant:
    """Forwards of which some are blocked: by policies, remote domains or mail-flow rules."""
    boxes = [
        *(box(number, forwarding_smtp_address=f"smtp:{EVIL}") for number in range(7)),
        box(7, forwarding_smtp_address="smtp:x@open.example"),
        box(8, forwarding_smtp_address="smtp:x@sub.open.example"),
    ]
    policies = [
        OutboundPolicy("Default", "Automatic", is_default=True),
        OutboundPolicy(
            "Open", "On", priority=1, scope=SenderScope(frozenset({"user01@contoso.com"}))
        ),
        OutboundPolicy("Shut", "Off", scope=SenderScope(frozenset({"user02@contoso.com"}))),
        OutboundPolicy(
            "Idle",
            "On",
            enabled=False,
            priority=2,
            scope=SenderScope(frozenset({"user03@contoso.com"})),
        ),
        OutboundPolicy("Group", "On", priority=3, scope=SenderScope(groups=("sales",))),
        OutboundPolicy(
            "Rest",
            "On",
            priority=4,
            scope=SenderScope(domains=frozenset({"contoso.com"})),
            exceptions=SenderScope(frozenset({"user05@contoso.com"})),
        ),
    ]
    shut = TransportRule(
        "t1",
        "No forwards",
        actions={"RejectMessageReasonText": ("no",)},
        conditions={"MessageTypeMatches": ("AutoForward",), "From": ("user06@contoso.com",)},
    )
    late = TransportRule(
        "t2",
        "No forwards by rules",
        actions={"DeleteMessage": ("True",)},
        conditions={
            "HeaderContainsMessageHeader": ("X-MS-Exchange-Inbox-Rules-Loop",),
            "From": ("user08@contoso.com",),
        },
    )
    member = Recipient("user04", True, "UserMailbox", "user04@contoso.com", id="m04")
    return build_tenant(
        *boxes,
        policies=policies,
        remote_domain_list=[
            RemoteDomain("*", auto_forward=False),
            RemoteDomain("evil.example", auto_forward=True),
            RemoteDomain("*.open.example", auto_forward=True),
        ],
        mail_flow_rules=[shut, late],
        rules=[
            *(rule(number, "Forward", forward_to=(EVIL,)) for number in range(9)),
            *(rule(number, "Redirect", redirect_to=("y@evil.example",)) for number in range(9)),
            *(
                rule(number, "Both", forward_to=("z@evil.example",), redirect_to=("z@a.example",))
                for number in range(9)
            ),
        ],
        group_members=[GroupMembers("s1", (ANN, member))],
    )


def build_rules() -> FakeTenant:
    """Inbox rules that send mail away or hide it, shown by Graph or by Exchange alone."""
    news = when(senderContains=["news@shop.example"])
    telling = when(subjectContains=["invoice", "newsletter"], senderContains=["security@a.example"])
    own = when(fromAddresses=["boss@contoso.com"])
    rules = [
        rule(0, "Copies", forward_to=(EVIL,), conditions=news),
        rule(1, ".", redirect_to=(EVIL,), delete="permanent"),
        rule(2, "Both", forward_as_attachment_to=(EVIL,), forward_to=("ann",), move_to="F1"),
        rule(3, "Off", forward_to=(EVIL,), enabled=False),
        rule(4, "Archive", forward_to=("j@archive.example",)),
        rule(5, "Nobody", forward_to=("Ghost",)),
        rule(6, "Group", redirect_to=("all",)),
        rule(7, "Invoices", delete="delete", conditions=telling, exceptions=news),
        rule(8, "Feeds", move_to="F2", mark_as_read=True),
        rule(9, "Lost", move_to="F9", conditions=telling),
        rule(10, "Read", mark_as_read=True),
        rule(11, "Boss", delete="delete", conditions=own),
        rule(12, "One", forward_to=(EVIL,)),
        rule(12, "Two", forward_to=(EVIL,), conditions=news),
        rule(12, "Two", forward_to=(EVIL,), enabled=False),
        rule(13, "One", delete="delete"),
        rule(13, "Two", delete="permanent", mark_as_read=True),
        rule(14, "Client", readable=False, read_only=True),
        rule(15, "Broken", forward_to=(EVIL,), in_error=True, read_only=True),
        rule(16, "Sorted", move_to="F1", conditions=news),
        rule(2, "Read", mark_as_read=True),
        rule(2, "Gone", delete="delete", move_to="F1"),
        rule(18, "Junk E-mail Rule", mark_as_read=True),
        rule(19, "A", delete="delete", conditions=own),
        rule(19, "B", mark_as_read=True, conditions=when(subjectContains=["invoice"])),
        rule(19, "C", move_to="F9", conditions=news),
        rule(26, "n" * 300, move_to="F3", conditions=when(subjectContains=["v" * 100])),
        rule(26, "Long", delete="delete", conditions=when(isUnheardOf=["l" * 100])),
        rule(26, "Kind", delete="delete", conditions=when(**{"k" * 100: ["true"]})),
        rule(26, "But", delete="delete", conditions=news, exceptions=(*own, *telling)),
        *(rule(27, f"Same {number:02}", redirect_to=(EVIL,)) for number in range(20)),
        *(rule(28, "w" * 90, redirect_to=(EVIL,), conditions=one) for one in (news, own, telling)),
        rule(21, "One", forward_to=(EVIL,), enabled=False),
        rule(21, "Two", forward_to=(EVIL,), enabled=False),
        rule(22, "Client", readable=False, read_only=True),
        rule(23, "Seen", forward_to=(EVIL,)),
        rule(24, "Copies", forward_to=(EVIL,), conditions=when(importance=["normal"])),
        rule(24, "Mine", redirect_to=(EVIL,), conditions=when(sentToAddresses=["s@contoso.com"])),
        rule(24, "Few", delete="delete", conditions=(*own, *when(importance=["normal"]))),
        *(rule(17, f"Rule {number:02}", forward_to=(EVIL,)) for number in range(22)),
    ]

    def hidden(number: int, name: str, **more: Any) -> InboxRule:
        return replace(rule(number, name, **more), id=f"x-{number}-{name}", api="exchange")

    unseen = [
        hidden(0, "Hidden", redirect_to=(EVIL,)),
        hidden(1, "Hidden too", delete="delete"),
        hidden(2, "Colleague", forward_to=("ann",)),
        hidden(3, "Junk E-mail Rule"),
        hidden(4, "Nothing", readable=False),
        hidden(14, "Client", forward_to=(EVIL,)),
        hidden(15, "Moves", move_to="user15:\\RSS Feeds"),
        hidden(16, "Archive", forward_to=("j@archive.example",)),
        hidden(0, "Deletes", delete="delete", conditions=news),
        hidden(20, "One", redirect_to=(EVIL,)),
        *(hidden(25, f"Hidden {number}", redirect_to=(EVIL,)) for number in range(7)),
        hidden(22, "First", redirect_to=(EVIL,)),
        hidden(22, "Second", redirect_to=(EVIL,)),
        hidden(26, "n" * 300, forward_to=("y@evil.example",)),
        hidden(20, "Two", redirect_to=(EVIL,), conditions=news),
        hidden(20, "Three", forward_to=("ann",), mark_as_read=True),
        hidden(22, "Unheard", readable=False),
        hidden(23, "Unseen", forward_to=(EVIL,), enabled=False, conditions=news),
        hidden(24, "Secret", forward_to=("ann",)),
        hidden(24, "Secret too", forward_to=("ann",)),
        hidden(2, "Moves", move_to="user02:\\RSS Feeds"),
        hidden(5, "Off", forward_to=("ann",), enabled=False),
        hidden(6, "Mixed", forward_to=("ann", EVIL)),
        hidden(7, "Delegate", forward_to=("ann",), conditions=when(isMeetingRequest=["true"])),
        hidden(18, "Junk E-mail Rule", move_to="user18:\\Junk Email"),
        replace(hidden(17, "Junk E-mail Rule", move_to="user17:\\Junk Email"), id="x-17-1"),
        replace(hidden(17, "Junk E-mail Rule", move_to="user17:\\Junk Email"), id="x-17-2"),
    ]
    top = Folder("m08", "top", "Top of Information Store", "msgfolderroot")
    folders = [
        *(Folder(f"m{number:02}", "F1", "Customers") for number in (2, 16)),
        Folder("m08", "F2", "RSS Feeds", parent=top),
        Folder("m26", "F3", "f" * 300, parent=Folder("m26", "F4", "RSS Feeds", parent=top)),
    ]
    return build_tenant(
        *(box(number) for number in (*range(22), *range(23, 29))),
        replace(box(22), guid="a\nb"),
        rules=rules,
        exchange_rules=unseen,
        folders=folders,
    )


FLAGS = ["hasAttachments", "isMeetingRequest", "notSentToMe", "sentCcMe", "sentToMe", "isUnheardOf"]
VALUES = {
    "bodyContains": "weekly report",
    "bodyOrSubjectContains": "password",
    "categories": "Red",
    "fromAddresses": '"Boss" [SMTP:boss@contoso.com]',
    "headerContains": "X-Stamp: 1",
    "importance": "high",
    "messageActionFlag": "call",
    "receivedAfter": "2026-01-01",
    "recipientContains": "@contoso.com",
    "senderContains": "helpdesk",
    "sensitivity": "private",
    "sentToAddresses": "user01@contoso.com",
    "withinSizeRange": "0-100",
    "isUnheardOf": "w" * 100,
}


def build_conditions() -> FakeTenant:
    """Rules that delete mail under one condition each, and some under several."""
    conditions = [
        *(when(**{kind: ("true",)}) for kind in FLAGS),
        *(when(**{kind: (value,)}) for kind, value in VALUES.items()),
        when(subjectContains=["invoice", "lunch"], senderContains=["news@a.example"]),
        when(subjectContains=[f"word{number:02}" for number in range(22)]),
        when(withinSizeRange=["1-999999999"], importance=["Normal"], sentToMe=["true"]),
        when(senderContains=["security@a.example", "boss@contoso.com", "ads@shop.example"]),
        when(subjectContains=["", "lunch"]),
    ]
    rules = [
        rule(number, f"Rule {number:02}", delete="delete", conditions=one)
        for number, one in enumerate(conditions)
    ]
    exceptions = when(subjectContains=["invoice"], fromAddresses=["ann@contoso.com"])
    last = len(rules)
    rules.append(rule(last, "Except", delete="delete", exceptions=exceptions))
    return build_tenant(*(box(number) for number in range(last + 1)), rules=rules)


def build_flow() -> FakeTenant:
    """Mail-flow rules, connectors and journal rules of all kinds."""
    inside = {"FromScope": ("InOrganization",)}
    words = {"SubjectContainsWords": ("invoice",)}
    virus = {"AttachmentHasExecutableContent": ("True",)}

    def flow(number: int, **more: Any) -> TransportRule:
        return TransportRule(f"t{number:02}", f"Rule {number:02}", **more)

    rules = [
        flow(0, blind_copy_to=(EVIL,)),
        flow(1, redirect_to=("bob",), conditions=words),
        flow(2, copy_to=("ann",)),
        flow(3, add_to=("j@archive.example",)),
        flow(4, moderators=("max",), conditions=inside),
        flow(5, report_to=(EVIL,), reports_mail=True, enforced=False),
        flow(6, report_to=(EVIL,)),
        flow(7, copy_to=(EVIL,), enabled=False),
        flow(8, copy_to=(EVIL,), activates_at=NOW + DAY),
        flow(9, copy_to=(EVIL,), expires_at=NOW - DAY),
        flow(10, copy_to=(EVIL,), expires_at=NOW + DAY, exceptions=inside),
        flow(11, copy_to=("Ghost",)),
        flow(12, copy_to=("all",)),
        flow(13, actions={"DeleteMessage": ("True",)}),
        flow(14, actions={"DeleteMessage": ("True",)}, conditions=words),
        flow(15, actions={"DeleteMessage": ("True",)}, conditions=virus),
        flow(16, actions={"Quarantine": ("True",)}, conditions=words),
        flow(17, actions={"RejectMessageReasonText": ("no",)}, conditions=words),
        flow(18, actions={"RouteMessageOutboundConnector": ("Hop",)}),
        flow(19, actions={"RouteMessageOutboundConnector": ("Lost",)}),
        flow(20, actions={"SetSCL": ("-1",)}),
        flow(21, actions={"SetSCL": ("-1",)}, conditions={"SenderDomainIs": ("evil.example",)}),
        flow(22, actions={"SetSCL": ("5",)}),
        flow(
            23, actions={"SetHeaderName": ("X-MS-Exchange-Organization-SkipSafeLinksProcessing",)}
        ),
        flow(24, actions={"AddManagerAsRecipientType": ("Redirect",)}),
        flow(25, actions={"ModerateMessageByManager": ("True",)}),
        flow(26, unknown=("NewAction",)),
        flow(27, actions={"PrependSubject": ("[x]",)}),
        flow(28, actions={"DeleteMessage": ("True",)}, enforced=False),
        flow(30, copy_to=(EVIL,), activates_at=NOW - DAY),
        flow(31, copy_to=(EVIL,), expires_at=NOW),
        flow(32, copy_to=(EVIL,), activates_at=NOW + DAY, enabled=False),
        flow(33, copy_to=(EVIL,), actions={"SetAuditSeverity": ("DoNotAudit",)}),
        flow(34, blind_copy_to=("Ghost",), copy_to=(EVIL,)),
        flow(35, report_to=(EVIL,), reports_mail=True, enforced=False, expires_at=NOW - DAY),
        flow(36, report_to=(EVIL,), reports_mail=True, enforced=False, activates_at=NOW + DAY),
        flow(37, actions={"DeleteMessage": ("True",)}, activates_at=NOW + DAY),
        flow(38, actions={"DeleteMessage": ("True",)}, expires_at=NOW + DAY, conditions=inside),
        flow(39, actions={"RouteMessageOutboundConnector": ("hop",)}, conditions=words | inside),
        flow(40, actions={"RouteMessageOutboundConnector": ("c" * 300,)}),
        flow(41, actions={"RouteMessageOutboundConnector": ("n" * 300,)}, unknown=("u" * 100,)),
        TransportRule("t42", "", copy_to=(EVIL,), actions={"DeleteMessage": ("True",)}),
        TransportRule(
            "t43", "r" * 300, copy_to=(EVIL,), conditions={"SubjectContainsWords": ("w" * 100,)}
        ),
        TransportRule("t44", "r" * 300, actions={"DeleteMessage": ("True",)}),
        flow(29, copy_to=tuple(f"u{number:02}@evil.example" for number in range(22))),
    ]

    def row(source: str, name: str, **values: object) -> Configuration:
        return Configuration(source, name, name, {"Guid": name, **values})

    rows = [
        row("outbound-connector", "Hop", SmartHosts=["192.0.2.9"], IsTransportRuleScoped=True),
        row("outbound-connector", "All", SmartHosts=["192.0.2.9"], RecipientDomains=["smtp:*;1"]),
        row("outbound-connector", "Some", SmartHosts=["a.example"], RecipientDomains=["b.example"]),
        row(
            "outbound-connector", "Own", SmartHosts=["a.example"], RecipientDomains=["contoso.com"]
        ),
        row("outbound-connector", "Arch", SmartHosts=["mx.archive.example"], TlsDomain="archive"),
        row("outbound-connector", "Idle", SmartHosts=["192.0.2.9"], Enabled=False),
        row("outbound-connector", "Mail", SmartHosts=["mail.contoso.com"]),
        row("inbound-connector", "In", ConnectorType="OnPremises", SenderIPAddresses=["192.0.2.9"]),
        row(
            "inbound-connector",
            "Trusted",
            TreatMessagesAsInternal=True,
            TlsSenderCertificateName="*.evil.example",
            RequireTls=True,
            SenderDomains=["smtp:evil.example;1"],
        ),
        row("inbound-connector", "Partner", ConnectorType="Partner"),
        row(
            "inbound-connector",
            "Hybrid",
            CloudServicesMailEnabled=True,
            TlsSenderCertificateName="*.contoso.com",
            RequireTls=True,
        ),
        row("inbound-connector", "Bare", CloudServicesMailEnabled=True),
        row("outbound-connector", "Hub", SmartHosts=["192.0.2.9"], AllAcceptedDomains=True),
        row(
            "outbound-connector",
            "Below",
            SmartHosts=["[mx.b.example]"],
            RecipientDomains=["*.b.example"],
        ),
        row("outbound-connector", "Ours", SmartHosts=["[mail.contoso.com]", "*.contoso.com"]),
        row("outbound-connector", "Exact", SmartHosts=["archive.example"], RecipientDomains=["*"]),
        row(
            "outbound-connector",
            "n" * 300,
            SmartHosts=["h" * 150],
            RecipientDomains=[f"{number:02}{'d' * 120}.example" for number in range(22)],
            TlsDomain="t" * 150,
        ),
        replace(row("outbound-connector", "Nameless", SmartHosts=["192.0.2.9"]), name=""),
        replace(row("inbound-connector", "Nobody", CloudServicesMailEnabled=True), name=""),
        row("inbound-connector", "Stopped", CloudServicesMailEnabled=True, Enabled=False),
        row(
            "inbound-connector",
            "Tied",
            CloudServicesMailEnabled=True,
            TlsSenderCertificateName="mail.contoso.com",
            RestrictDomainsToCertificate=True,
        ),
        row(
            "inbound-connector",
            "Named",
            CloudServicesMailEnabled=True,
            TlsSenderCertificateName="mail.contoso.com",
        ),
        row("inbound-connector", "Proofless", CloudServicesMailEnabled=True, RequireTls=True),
        row(
            "inbound-connector",
            "i" * 300,
            CloudServicesMailEnabled=True,
            TlsSenderCertificateName="c" * 150,
            RequireTls=True,
            SenderDomains=[f"{number:02}{'s' * 120}.example" for number in range(22)],
            SenderIPAddresses=["1" * 100],
        ),
        replace(row("journal-rule", "Unnamed", JournalEmailAddress=EVIL), name=""),
        row("journal-rule", "Many", JournalEmailAddress="many"),
        row(
            "journal-rule",
            "j" * 300,
            JournalEmailAddress=EVIL,
            Recipient="r" * 300,
            Scope="s" * 100,
        ),
        row("journal-rule", "Out", JournalEmailAddress=EVIL, Scope="Global"),
        row("journal-rule", "One", JournalEmailAddress=EVIL, Recipient="ann@contoso.com"),
        row("journal-rule", "Arch", JournalEmailAddress="j@archive.example"),
        row("journal-rule", "Team", JournalEmailAddress="all"),
        row("journal-rule", "Ghost", JournalEmailAddress="Ghost"),
        row("journal-rule", "Off", JournalEmailAddress=EVIL, Enabled=False),
    ]
    many = replace(SALES, name="many", address="many@contoso.com", id="many")
    guests = tuple(
        Recipient(f"g{number:02}", True, "MailContact", "", f"SMTP:g{number:02}@evil.example")
        for number in range(22)
    )
    return build_tenant(
        box(0),
        mail_flow_rules=rules,
        configurations=rows,
        known_recipients=[*PEOPLE, many],
        group_members=[GroupMembers("many", guests)],
    )


def test_sentences_about_domains() -> None:
    appeared = DomainNews("new.example", NOW)
    check_sentences(
        "mailbox_forwarding_domains",
        {
            "A domain became the organization's": judge_domain_news(appeared),
            "A domain is no longer the organization's": judge_domain_news(
                replace(appeared, change=DomainChange.GONE)
            ),
            "A domain begins to relay": judge_domain_news(
                replace(appeared, change=DomainChange.RELAYED)
            ),
            "What lies below a domain becomes the organization's": judge_domain_news(
                replace(appeared, name="*.new.example")
            ),
            "A domain with a long name": judge_domain_news(replace(appeared, name="d" * 300)),
        },
    )


async def test_sentences_about_forwards_of_mailboxes() -> None:
    await check_looks("mailbox_forwarding_forwards_looks", GUARD, build_forwards, OPTIONS)


async def test_sentences_about_forwards_that_are_blocked() -> None:
    await check_looks("mailbox_forwarding_departures_looks", GUARD, build_departures, OPTIONS)


async def test_sentences_about_inbox_rules() -> None:
    await check_looks("mailbox_forwarding_rules_looks", GUARD, build_rules, OPTIONS)


async def test_sentences_about_conditions_of_inbox_rules() -> None:
    await check_looks("mailbox_forwarding_conditions_looks", GUARD, build_conditions, OPTIONS)


async def test_sentences_about_mail_flow() -> None:
    await check_looks("mailbox_forwarding_flow_looks", GUARD, build_flow, OPTIONS)


async def test_sentences_about_a_tenant_that_was_broken_into() -> None:
    await check_looks("mailbox_forwarding_looks", GUARD)
