"""Forwards in effect, before a setting of the organization would end all of them."""

from copy import replace
from datetime import UTC, datetime

import pytest

from core.guards.tenant_baseline.baseline import Baseline
from core.guards.tenant_baseline.guard import GUARD
from core.guards.tenant_baseline.live_forwards import (
    MAX_TEXT_LENGTH,
    ForwardingTarget,
    LiveForwards,
    explain_gaps,
    format_target,
    is_own,
    list_forward_lines,
    list_own_domains,
    read_live_forwards,
)
from core.guards.tenant_baseline.permissions import build_baseline_permissions
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS
from core.model.findings import Finding, Verdict, format_facts
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.mail_flow import AcceptedDomain, InboxRule, Recipient
from core.tenant.mailboxes import Mailbox
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DOMAINS, INBOX_RULES, MAILBOX_FORWARDS, MAILBOXES
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import build_varied_baseline_tenant
from tests.support.observe import observe_all

ROWS = {
    "outbound-forwarding": ("outbound-spam-policy", "AutoForwardingMode", "On"),
    "remote-domain-forwarding": ("remote-domain", "AutoForwardEnabled", True),
}
ANN = Mailbox("u1", "g1", "ann@contoso.com", "Ann")
BEN = Mailbox("u2", "g2", "ben@contoso.com", "Ben")


def build_tenant(row: str, *boxes: Mailbox, rules: tuple[InboxRule, ...] = ()) -> FakeTenant:
    found = build_varied_baseline_tenant(*ROWS[row])
    found.boxes, found.rules = list(boxes), list(rules)
    found.domains = [AcceptedDomain("contoso.com", includes_subdomains=True)]
    found.known_recipients = [
        Recipient("Ben", True, kind="UserMailbox", address="ben@contoso.com"),
        Recipient("Partner", True, kind="MailContact", external_address="p@partner.example"),
    ]
    return found


def build_rule(*targets: str, enabled: bool = True) -> InboxRule:
    return InboxRule("r1", "u1", "rule", "graph", enabled=enabled, redirect_to=targets)


async def judge(row: str, tenant: FakeTenant, *, is_enforcing: bool = True) -> Finding:
    policy = GuardPolicy(
        datetime(2026, 11, 20, tzinfo=UTC), Baseline(SHIPPED_ROWS, frozenset({row}))
    )
    reading = await observe_all(GUARD, tenant, ObserveContext(policy, is_enforcing=is_enforcing))
    (finding,) = [one for item in reading.items for one in GUARD.judge(item, policy)]
    return finding


@pytest.mark.parametrize("row", ROWS)
async def test_nothing_forwarded_outside_lets_the_guard_write(row: str) -> None:
    forwarding = replace(ANN, forwarding_smtp_address="smtp:ben@sub.contoso.com")
    tenant = build_tenant(
        row,
        forwarding,
        replace(BEN, forwarding_address="Ben"),
        rules=(build_rule("ben@contoso.com", "Ben", '"Ben" [EX:/o=org/cn=ben]'),),
    )
    tenant.known_recipients += [
        Recipient(name, True, kind="SharedMailbox")
        for name in ("ben@contoso.com", "ben@sub.contoso.com", "/o=org/cn=ben")
    ]
    finding = await judge(row, tenant)
    assert len(finding.changes) == 1


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize(
    ("box", "rules", "said"),
    [
        (replace(ANN, forwarding_smtp_address="smtp:t@zendesk.example"), (), "t@zendesk.example"),
        (replace(ANN, forwarding_address="Partner"), (), "Partner"),
        (ANN, (build_rule("t@zendesk.example"),), "t@zendesk.example"),
        (ANN, (build_rule('"X" [EX:/o=unknown]'),), "EX:/o=unknown"),
        (ANN, (build_rule("t@evilcontoso.com"),), "t@evilcontoso.com"),
    ],
)
async def test_a_live_forward_makes_it_a_question_with_the_list(
    row: str, box: Mailbox, rules: tuple[InboxRule, ...], said: str
) -> None:
    finding = await judge(row, build_tenant(row, box, rules=rules))
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())
    facts = format_facts(finding.facts)
    assert "it would end 1 forwards that may lead outside" in facts[0]
    assert said in facts[1]
    assert "ann@contoso.com" in facts[1]


async def test_a_rule_that_is_disabled_is_not_live() -> None:
    row = "outbound-forwarding"
    tenant = build_tenant(row, ANN, rules=(build_rule("t@zendesk.example", enabled=False),))
    assert (await judge(row, tenant)).changes


@pytest.mark.parametrize("source", [DOMAINS, INBOX_RULES, MAILBOX_FORWARDS, MAILBOXES])
async def test_forwards_that_could_not_be_read_are_a_question_too(source: str) -> None:
    row = "outbound-forwarding"
    tenant = build_tenant(row, ANN)
    tenant.fail_read(source, "", "HTTP 503")
    finding = await judge(row, tenant)
    assert (finding.verdict, finding.changes) == (Verdict.ASK, ())
    assert "is not known" in format_facts(finding.facts)[0]


async def test_a_mailbox_that_could_not_be_read_is_a_question_too() -> None:
    row = "outbound-forwarding"
    tenant = build_tenant(row, ANN, BEN)
    tenant.fail_read(INBOX_RULES, "u2")
    finding = await judge(row, tenant)
    assert "1 mailboxes could not be read" in format_facts(finding.facts)[0]


async def test_a_run_that_only_reports_reads_no_rules() -> None:
    row = "outbound-forwarding"
    tenant = build_tenant(row, replace(ANN, forwarding_smtp_address="smtp:t@zendesk.example"))
    finding = await judge(row, tenant, is_enforcing=False)
    assert "forwards mail now" not in " ".join(format_facts(finding.facts))


def test_only_a_baseline_that_ends_forwards_needs_to_read_them() -> None:
    def list_names(*enforced: str) -> set[str]:
        baseline = Baseline(SHIPPED_ROWS, frozenset(enforced))
        return {one.name for one in build_baseline_permissions(baseline) if one.optional}

    assert "MailboxSettings.Read" not in list_names("owa-storage-providers")
    assert "MailboxSettings.Read" in list_names("outbound-forwarding")


@pytest.mark.parametrize(
    ("raw", "domain"),
    [
        ("ann@contoso.com", "contoso.com"),
        (" SMTP:Ann@Contoso.com ", "contoso.com"),
        ('"Ann" [SMTP:ann@contoso.com]', "contoso.com"),
        ("ann@home@contoso.com", "contoso.com"),
        ("Ann", ""),
        ("Ann Lee@contoso.com", ""),
        ("x=ann@contoso.com", ""),
        ("/o=org/cn=ann@contoso.com", ""),
        ("<ann@contoso.com>", ""),
        ('"ann"@contoso.com', ""),
        ("XXann@contoso.com", "contoso.com"),
    ],
)
def test_only_an_address_has_a_domain(raw: str, domain: str) -> None:
    assert ForwardingTarget("ann", raw).domain == domain


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        ("contoso.com", True),
        ("sub.contoso.com", True),
        ("notcontoso.com", False),
        ("fabrikam.example", True),
        ("sub.fabrikam.example", True),
        ("tailspin.example", True),
        ("sub.tailspin.example", False),
        ("evil.example", False),
    ],
)
def test_subdomains_are_own_where_the_domain_says_so(domain: str, expected: bool) -> None:
    listed = (
        AcceptedDomain(" Contoso.com ", includes_subdomains=True),
        AcceptedDomain("*.fabrikam.example", includes_subdomains=True),
        AcceptedDomain("tailspin.example"),
    )
    assert is_own(domain, list_own_domains(Reading(listed))) is expected


@pytest.mark.parametrize(
    ("failures", "complete", "said"),
    [
        ([], True, ""),
        ([], False, "the listing is incomplete"),
        (
            [ReadFailure("inbox-rules", "HTTP 503"), ReadFailure("domains", "HTTP 500")],
            True,
            "inbox rules not readable: HTTP 503",
        ),
        ([ReadFailure("inbox-rules", "HTTP 503", optional=True)], True, ""),
        ([ReadFailure("inbox-rules", "HTTP 503", "u1", optional=True)], True, ""),
        (
            [
                ReadFailure("inbox-rules", "HTTP 503", "u1"),
                ReadFailure("inbox-rules", "HTTP 503", "u1"),
                ReadFailure("inbox-rules", "HTTP 503", "u2"),
            ],
            True,
            "2 mailboxes could not be read",
        ),
        ([ReadFailure("inbox-rules", "HTTP 503", "u1")], False, "the listing is incomplete"),
    ],
)
def test_why_forwards_may_be_missing(
    failures: list[ReadFailure], complete: bool, said: str
) -> None:
    assert explain_gaps(failures, complete) == said


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        (LiveForwards(), []),
        (
            LiveForwards(1, ("ann to x",)),
            ["it would end 1 forwards that may lead outside", "forwards mail now: ann to x"],
        ),
        (
            LiveForwards(1_202, ("ann to x", "ben to y"), "HTTP 503"),
            [
                "which mail is forwarded outside now is not known: HTTP 503",
                "it would end 1,202 forwards that may lead outside",
                "forwards mail now: ann to x",
                "forwards mail now: ben to y",
                "and 1,200 more",
            ],
        ),
    ],
)
def test_an_operator_sees_what_would_end(found: LiveForwards, lines: list[str]) -> None:
    assert list(list_forward_lines(found)) == lines


def test_a_long_recipient_is_cut() -> None:
    raw = "x" * 300
    assert format_target(ForwardingTarget("ann", raw)) == quote_text(raw, MAX_TEXT_LENGTH)


async def test_without_domains_nothing_is_known_to_stay_inside() -> None:
    tenant = build_tenant("outbound-forwarding", ANN)
    assert (await read_live_forwards(tenant)).unread_reason == ""
    tenant.domains = []
    assert (await read_live_forwards(tenant)).unread_reason == "the listing is incomplete"


async def test_a_listing_without_its_end_is_incomplete_whatever_is_said_of_it() -> None:
    tenant = build_tenant("outbound-forwarding", ANN)
    tenant.fail_read(MAILBOXES, optional=True)
    assert (await read_live_forwards(tenant)).unread_reason == "the listing is incomplete"


async def test_a_name_nobody_has_may_lead_outside() -> None:
    tenant = build_tenant("outbound-forwarding", replace(ANN, forwarding_address="Lost"))
    tenant.known_recipients.append(Recipient("Lost", False, kind="UserMailbox"))
    assert (await read_live_forwards(tenant)).count == 1


@pytest.mark.parametrize("enforced", [(), ("outbound-forwarding", "owa-storage-providers")])
def test_each_permission_says_what_it_is_for(enforced: tuple[str, ...]) -> None:
    permissions = build_baseline_permissions(Baseline(SHIPPED_ROWS, frozenset(enforced)))
    said = {one.name: one for one in permissions}
    assert said["Get-HostedOutboundSpamFilterRule"].optional
    whom = "to whom an outbound policy applies"
    assert said["Get-HostedOutboundSpamFilterRule"].reason == whom
    storage = said["Get-OwaMailboxPolicy"]
    properties = [row.property_name for row in SHIPPED_ROWS if row.source == "owa-mailbox-policy"]
    assert storage.reason == f"to compare {', '.join(dict.fromkeys(properties))}"
    assert ("Set-OwaMailboxPolicy" in said) is bool(enforced)


def test_two_rows_of_one_object_are_written_with_one_permission() -> None:
    rows = tuple(row for row in SHIPPED_ROWS if row.source == "outbound-spam-policy")
    (first, *_) = rows
    two = (first, replace(first, id="other", property_name="Other"))
    permissions = build_baseline_permissions(Baseline(two, frozenset({first.id, "other"})))
    (write,) = [one for one in permissions if one.writes]
    assert write.reason == f"to set {first.property_name}, Other"
    assert write.parameters == ("Identity", first.property_name, "Other")


def test_without_an_outbound_policy_its_rules_need_not_be_read() -> None:
    rows = tuple(row for row in SHIPPED_ROWS if row.source != "outbound-spam-policy")
    names = {one.name for one in build_baseline_permissions(Baseline(rows, frozenset()))}
    assert "Get-HostedOutboundSpamFilterRule" not in names
    assert names
