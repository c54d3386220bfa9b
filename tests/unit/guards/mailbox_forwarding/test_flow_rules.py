"""Mail-flow rules: a rule that is harmless, then one thing varied a case."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.mailbox_forwarding.connectors import OutboundConnector
from core.guards.mailbox_forwarding.flow_rules import judge_transport_rule
from core.guards.mailbox_forwarding.forwards import (
    ForwardingInputs,
    TransportRuleForward,
    assemble_flow_forwards,
)
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.mail_flow_rules import HARMLESS_ACTIONS
from core.microsoft365.recipients import KnownRecipients
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.model.guards import GuardPolicy
from core.tenant.mail_flow import AcceptedDomain, Recipient, TransportRule

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
TERMS = GuardPolicy(NOW, GUARD.options)
OWN = OwnDomains.from_accepted_domains([AcceptedDomain("contoso.com")])
EVIL, BOB = "x@evil.example", "bob@contoso.com"
KNOWN = KnownRecipients({BOB: Recipient(BOB, True, "UserMailbox", BOB)})
RULE = TransportRule("t1", "Mark outside mail", conditions={"FromScope": ("NotInOrganization",)})
WORDS = {"SubjectContainsWords": ("invoice",)}
VIRUS = {"AttachmentHasExecutableContent": ("True",)}
FROM_ANNA = {"HeaderContainsMessageHeader": ("From",), "HeaderContainsWords": ("anna.keller",)}
HOP = OutboundConnector("c1", "Partner hop", True, ("192.0.2.9",), ("*",), for_rules_only=True)


def judge(
    rule: TransportRule,
    *,
    connectors: tuple[OutboundConnector, ...] | None = (),
    now: datetime = NOW,
) -> list[Finding]:
    inputs = ForwardingInputs(
        own_domains=OWN,
        transport_rules=[rule],
        known_recipients=KNOWN,
        connectors=connectors,
        now=now,
    )
    (item,) = assemble_flow_forwards(inputs)
    assert isinstance(item, TransportRuleForward)
    return list(judge_transport_rule(item, replace(TERMS, now=now)))


def only(rule: TransportRule, now: datetime = NOW) -> Finding:
    (finding,) = judge(rule, now=now)
    return finding


def acting(*actions: str, **conditions: tuple[str, ...]) -> TransportRule:
    return replace(
        RULE,
        actions={name: ("True",) for name in actions},
        conditions=conditions or RULE.conditions,
    )


# ----------------------------------------------------------------------------------------------
# What is harmless
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", sorted(HARMLESS_ACTIONS))
def test_what_only_marks_mail_is_nothing(action: str) -> None:
    assert judge(acting(action)) == []


@pytest.mark.parametrize(
    "rule",
    [
        replace(RULE, copy_to=(BOB,)),
        replace(RULE, blind_copy_to=(BOB,), moderators=(BOB,), report_to=(BOB,), reports_mail=True),
        acting("Quarantine", **VIRUS),
        acting("Quarantine", SCLOver=("8",)),
        acting("RejectMessageReasonText", **VIRUS),
        acting("RejectMessageReasonText", FromScope=("NotInOrganization",)),
        acting("DeleteMessage", MessageTypeMatches=("AutoForward",)),
        acting("Disconnect", SenderIpRanges=("192.0.2.0/24",)),
        acting("Quarantine", MessageSizeOver=("30 MB (31,457,280 bytes)",)),
        acting(
            "Quarantine",
            HeaderContainsMessageHeader=("X-Spam-Flag",),
            HeaderContainsWords=("spam",),
        ),
        acting("RejectMessageReasonText", SubjectMatchesPatterns=(r"\d{16}",)),
        acting(
            "StopProcessingRules", "ApplyHtmlDisclaimerText", MessageSizeOver=("0 B (0 bytes)",)
        ),
        acting("StopProcessingRules", SentTo=("list@contoso.com",)),
        replace(acting("StopProcessingRules"), conditions={}, exceptions={"From": (BOB,)}),
        replace(RULE, actions={"RemoveHeader": ("X-Originating-IP",)}),
        replace(RULE, actions={"SetSCL": ("9",)}),
        replace(RULE, actions={"SetSCL": ("4",)}, conditions=WORDS),
        replace(RULE, actions={"SetHeaderName": ("Reply-To",), "SetHeaderValue": (BOB,)}),
        replace(RULE, actions={"SetHeaderName": ("X-Outside",), "SetHeaderValue": ("1",)}),
        replace(RULE, actions={"SetHeaderName": ("X-MS-Exchange-Organization-BypassClutter",)}),
    ],
)
def test_what_administrators_make_is_nothing(rule: TransportRule) -> None:
    assert judge(rule) == []


# ----------------------------------------------------------------------------------------------
# Whom it shows mail to
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "severity", "says"),
    [
        (replace(RULE, redirect_to=(EVIL,)), Severity.CRITICAL, f"redirects to {EVIL}"),
        (replace(RULE, blind_copy_to=(EVIL,)), Severity.CRITICAL, f"blind copies to {EVIL}"),
        (replace(RULE, copy_to=(EVIL,)), Severity.HIGH, f"copies to {EVIL}"),
        (replace(RULE, add_to=(EVIL,)), Severity.HIGH, f"adds {EVIL}"),
        (replace(RULE, moderators=(EVIL,)), Severity.HIGH, f"asks for approval of {EVIL}"),
        (replace(RULE, report_to=(EVIL,)), Severity.HIGH, f"reports to {EVIL}"),
        (
            replace(RULE, report_to=(EVIL,), reports_mail=True),
            Severity.CRITICAL,
            f"reports with the whole mail to {EVIL}",
        ),
    ],
)
def test_each_action_that_shows_mail_to_somebody_outside_is_told(
    rule: TransportRule, severity: Severity, says: str
) -> None:
    finding = only(rule)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.EXTERNAL, severity)
    assert (finding.object_id, finding.kind) == ("t1", "transport-rule")
    assert says in format_facts(finding.facts)


@pytest.mark.parametrize("reports_mail", [True, False])
def test_a_rule_that_is_only_tested_still_sends_reports(reports_mail: bool) -> None:
    tested = replace(RULE, enforced=False, report_to=(EVIL,), reports_mail=reports_mail)
    finding = only(tested)
    assert finding.verdict == ForwardingVerdict.EXTERNAL
    assert finding.severity is (Severity.CRITICAL if reports_mail else Severity.HIGH)
    assert "the rule is only tested" in format_facts(finding.facts)
    assert only(replace(tested, copy_to=(EVIL,))).verdict == ForwardingVerdict.EXTERNAL
    over = replace(tested, expires_at=NOW)
    assert only(over).verdict == ForwardingVerdict.DORMANT
    assert only(replace(tested, enabled=False)).verdict == ForwardingVerdict.DORMANT


# ----------------------------------------------------------------------------------------------
# When it acts
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "fact"),
    [
        ({"enabled": False}, "the rule is disabled"),
        ({"enforced": False}, "the rule is only tested"),
        ({"expires_at": NOW}, "its time is over: it ended on 2026-11-20"),
        ({"expires_at": NOW - timedelta(days=300)}, "its time is over: it ended on 2026-01-24"),
    ],
)
def test_a_rule_that_does_nothing_now_is_a_note(change: Mapping[str, object], fact: str) -> None:
    rule = replace(RULE, redirect_to=(EVIL,), **change)  # type: ignore[arg-type]
    finding = only(rule)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.DORMANT, Severity.INFO)
    assert fact in format_facts(finding.facts)
    assert judge(replace(acting("DeleteMessage"), **change)) == []  # type: ignore[arg-type]


def test_a_rule_that_begins_later_is_told_and_not_critical_yet() -> None:
    rule = replace(RULE, blind_copy_to=(EVIL,), activates_at=NOW + timedelta(days=30))
    finding = only(rule)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.EXTERNAL, Severity.HIGH)
    assert finding.summary.endswith("once it is in effect.")
    assert "not in effect before 2026-12-20 06:00 UTC" in format_facts(finding.facts)
    begun = only(rule, now=NOW + timedelta(days=30))
    assert begun.severity is Severity.CRITICAL
    assert begun.compute_key("g") == finding.compute_key("g")


def test_a_rule_with_an_end_says_until_when_it_acts() -> None:
    finding = only(replace(RULE, copy_to=(EVIL,), expires_at=NOW + timedelta(days=1)))
    assert finding.verdict == ForwardingVerdict.EXTERNAL
    assert "in effect until 2026-11-21 06:00 UTC" in format_facts(finding.facts)


# ----------------------------------------------------------------------------------------------
# What it does to mail
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "severity"),
    [
        (acting("DeleteMessage", SubjectOrBodyContainsWords=("security alert",)), Severity.HIGH),
        (acting("DeleteMessage", SubjectMatchesPatterns=("pass.*word", "password")), Severity.HIGH),
        (acting("DeleteMessage", FromAddressContainsWords=("bank",)), Severity.HIGH),
        (replace(acting("DeleteMessage"), conditions={}), Severity.HIGH),
        (acting("DeleteMessage", FromScope=("NotInOrganization",)), Severity.MEDIUM),
        (acting("DeleteMessage", SentTo=("ceo@contoso.com",)), Severity.MEDIUM),
        (acting("DeleteMessage", SCLOver=("8",)), Severity.LOW),
        (acting("DeleteMessage", HeaderContainsWords=("a",), **WORDS), Severity.HIGH),
        (acting("Quarantine", **WORDS), Severity.MEDIUM),
        (acting("Quarantine", **WORDS, **VIRUS), Severity.MEDIUM),
        (replace(acting("Quarantine"), conditions={}), Severity.MEDIUM),
        (acting("Quarantine", SentTo=("ceo@contoso.com",)), Severity.LOW),
        (acting("RejectMessageReasonText", **WORDS), Severity.MEDIUM),
        (acting("SmtpRejectMessageRejectText", **WORDS), Severity.MEDIUM),
        (replace(acting("RejectMessageReasonText"), conditions={}), Severity.LOW),
        (replace(acting("Disconnect"), conditions={}), Severity.LOW),
        (replace(RULE, actions={"SetSCL": ("9",)}, conditions=WORDS), Severity.MEDIUM),
        (replace(RULE, actions={"SetSCL": (" 5 ",)}, conditions={}), Severity.MEDIUM),
        (acting("Quarantine", **FROM_ANNA), Severity.LOW),
        (acting("DeleteMessage", **FROM_ANNA), Severity.MEDIUM),
        (
            acting("Quarantine", MessageSizeOver=("0 B (0 bytes)",), SentTo=("ceo@contoso.com",)),
            Severity.LOW,
        ),
    ],
)
def test_keeping_mail_from_its_reader_is_judged_by_which_mail(
    rule: TransportRule, severity: Severity
) -> None:
    finding = only(rule)
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.HIDES_MAIL, severity)
    assert finding.kind == "transport-rule-hides"
    everything = "without any condition: it takes every message"
    assert (everything in format_facts(finding.facts)) is (not rule.conditions)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MessageSizeOver", "0 B (0 bytes)"),
        ("MessageSizeOver", "1024"),
        ("SubjectMatchesPatterns", ".*"),
        ("FromAddressMatchesPatterns", "[a-z0-9._]+@"),
        ("FromAddressContainsWords", "@"),
        ("SCLOver", "-1"),
        ("WithImportance", "Normal"),
        ("HasNoClassification", "True"),
    ],
)
def test_a_condition_that_every_message_meets_is_none(name: str, value: str) -> None:
    deletes = only(acting("DeleteMessage", **{name: (value,)}))
    assert deletes.severity is Severity.HIGH
    assert "leave no message alone" in " ".join(format_facts(deletes.facts))
    assert only(acting("Quarantine", **{name: (value,)})).severity is Severity.MEDIUM
    narrowed = acting("DeleteMessage", **{name: (value,), "SentTo": ("ceo@contoso.com",)})
    assert only(narrowed).severity <= Severity.MEDIUM


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("HeaderContainsMessageHeader", "HeaderContainsWords"),
        ("HeaderMatchesMessageHeader", "HeaderMatchesPatterns"),
    ],
)
@pytest.mark.parametrize("header", ["Subject", "from:", "Reply-To"])
def test_words_in_a_header_that_people_see_are_words(name: str, words: str, header: str) -> None:
    rule = acting("Quarantine", **{name: (header,), words: ("password reset",)})
    assert only(rule).severity is Severity.MEDIUM
    assert only(replace(rule, actions={"DeleteMessage": ("True",)})).severity is Severity.HIGH


def test_a_rule_that_only_keeps_the_later_rules_from_every_message_is_told() -> None:
    finding = only(replace(acting("StopProcessingRules", "LogEventText"), conditions={}))
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)
    assert "none after it acts" in finding.summary


@pytest.mark.parametrize(
    "header", ["Authentication-Results", "X-MS-Exchange-Organization-SCL", "ARC-Seal"]
)
def test_a_header_by_which_exchange_decides_is_told_when_it_is_set_or_taken_off(
    header: str,
) -> None:
    removed = only(replace(RULE, actions={"RemoveHeader": (header,)}))
    written = only(replace(RULE, actions={"SetHeaderName": (header,)}))
    assert {removed.severity, written.severity} == {Severity.LOW}
    assert "takes off a header" in removed.summary
    assert removed.compute_key("g") != written.compute_key("g")


@pytest.mark.parametrize("header", ["Reply-To", " from: ", "Disposition-Notification-To"])
@pytest.mark.parametrize(
    ("value", "verdict", "severity"),
    [
        (EVIL, ForwardingVerdict.EXTERNAL, Severity.HIGH),
        ("Billing <x@contoso.com.evil.example>", ForwardingVerdict.EXTERNAL, Severity.HIGH),
        ("%%From%%", Verdict.COULD_NOT_TELL, Severity.MEDIUM),
        ("", Verdict.COULD_NOT_TELL, Severity.MEDIUM),
    ],
)
def test_answers_that_are_led_elsewhere_are_told(
    header: str, value: str, verdict: str, severity: Severity
) -> None:
    actions = {"SetHeaderName": (header,), "SetHeaderValue": (value,)}
    finding = only(replace(RULE, actions=actions))
    assert (finding.kind, finding.verdict) == ("transport-rule-reply", verdict)
    assert finding.severity is severity
    other = only(replace(RULE, actions={**actions, "SetHeaderValue": ("y@other.example",)}))
    assert other.compute_key("g") != finding.compute_key("g")


def test_telling_words_and_what_keeps_traces_out_are_said() -> None:
    rule = acting("DeleteMessage", SubjectContainsWords=("Invoice", "lunch"))
    rule = replace(rule, actions={**rule.actions, "SetAuditSeverity": ("DoNotAudit",)})
    facts = format_facts(only(rule).facts)
    assert "looks for: Invoice" in facts
    assert any("SetAuditSeverity DoNotAudit" in fact for fact in facts)


def route() -> TransportRule:
    return replace(RULE, actions={"RouteMessageOutboundConnector": ("partner HOP",)})


def test_a_route_to_a_server_of_others_is_told_with_the_server() -> None:
    (finding,) = judge(route(), connectors=(HOP,))
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.ROUTED, Severity.MEDIUM)
    assert "server: 192.0.2.9" in format_facts(finding.facts)


@pytest.mark.parametrize(
    "connector",
    [
        replace(HOP, smart_hosts=("mail.contoso.com",)),
        replace(HOP, smart_hosts=()),
        replace(HOP, enabled=False),
    ],
)
def test_a_route_to_ones_own_server_is_nothing(connector: OutboundConnector) -> None:
    assert judge(route(), connectors=(connector,)) == []


def test_a_route_to_a_partners_server_is_nothing_for_mail_to_the_partner_alone() -> None:
    """What domains a connector is for does not matter to a rule that leads mail to it."""
    partner = (replace(HOP, smart_hosts=("relay.bank.example",), domains=("bank.example",)),)
    to_partner = replace(route(), conditions={"RecipientDomainIs": ("bank.example",)})
    assert judge(to_partner, connectors=partner) == []
    to_many = replace(route(), conditions={"RecipientDomainIs": ("bank.example", "shop.example")})
    for rule in (to_many, route()):
        (finding,) = judge(rule, connectors=partner)
        assert (finding.verdict, finding.severity) == (ForwardingVerdict.ROUTED, Severity.MEDIUM)


@pytest.mark.parametrize("connectors", [None, (), (replace(HOP, name="Other"),)])
def test_a_route_to_a_connector_that_was_not_read_is_told(
    connectors: tuple[OutboundConnector, ...] | None,
) -> None:
    (finding,) = judge(route(), connectors=connectors)
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)


@pytest.mark.parametrize("action", ["AddManagerAsRecipientType", "ModerateMessageByManager"])
def test_who_is_whose_manager_is_not_known(action: str) -> None:
    finding = only(acting(action))
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)


@pytest.mark.parametrize(
    ("actions", "severity"),
    [
        ({"SetSCL": ("-1",)}, Severity.MEDIUM),
        ({"SetHeaderName": ("X-MS-Exchange-Organization-SkipSafeLinksProcessing",)}, Severity.LOW),
        (
            {"SetHeaderName": ("x-ms-exchange-organization-skipsafeattachmentprocessing",)},
            Severity.LOW,
        ),
    ],
)
def test_taking_mail_past_a_filter_is_told(
    actions: Mapping[str, tuple[str, ...]], severity: Severity
) -> None:
    finding = only(replace(RULE, actions=actions))
    assert (finding.verdict, finding.severity) == (ForwardingVerdict.UNFILTERED, severity)


@pytest.mark.parametrize(
    ("scope", "severity"),
    [
        ("InOrganization", Severity.LOW),
        ("NotInOrganization", Severity.MEDIUM),
        ("Elsewhere", Severity.MEDIUM),
    ],
)
def test_mail_from_inside_that_passes_the_filter_is_low(scope: str, severity: Severity) -> None:
    rule = replace(RULE, actions={"SetSCL": ("-1",)}, conditions={"FromScope": (scope,)})
    finding = only(rule)
    assert finding.severity == severity
    assert ("mail from inside past" in finding.summary) is (severity == Severity.LOW)


def test_what_is_not_known_is_told_by_name() -> None:
    finding = only(replace(RULE, unknown=("TeleportMessageTo",)))
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)
    assert "not known: TeleportMessageTo" in format_facts(finding.facts)


def test_a_rule_may_do_several_things_and_each_is_a_finding() -> None:
    rule = replace(
        acting("DeleteMessage", **WORDS), blind_copy_to=(EVIL,), unknown=("TeleportMessageTo",)
    )
    assert {finding.kind for finding in judge(rule)} == {
        *("transport-rule", "transport-rule-hides", "transport-rule-unknown"),
    }


# ----------------------------------------------------------------------------------------------
# Which rule it is
# ----------------------------------------------------------------------------------------------


def test_each_rule_is_an_object_of_its_own_and_a_name_is_not_what_it_is() -> None:
    rule = replace(RULE, blind_copy_to=(EVIL,))
    key = only(rule).compute_key("g")
    assert only(replace(rule, name="x")).compute_key("g") == key
    assert only(replace(rule, id="t2")).compute_key("g") != key


def test_fewer_conditions_go_further() -> None:
    rule = replace(RULE, blind_copy_to=(EVIL,), conditions={**RULE.conditions, **WORDS})
    (narrow,) = only(rule).reaches
    (wide,) = only(replace(rule, conditions=WORDS)).reaches
    (excepted,) = only(replace(rule, exceptions={"From": (BOB,)})).reaches
    (more,) = only(replace(rule, redirect_to=(EVIL,))).reaches
    assert wide.covers(narrow)
    assert not narrow.covers(wide)
    assert narrow.covers(excepted)
    assert not excepted.covers(narrow)
    assert not narrow.covers(more)


def test_a_header_by_which_exchange_decides_is_told_and_not_understood() -> None:
    name = " X-MS-Exchange-Organization-AuthAs "
    (finding,) = judge(replace(RULE, actions={"SetHeaderName": (name,)}))
    assert (finding.verdict, finding.severity) == (Verdict.COULD_NOT_TELL, Severity.LOW)
    assert "sets a header by which Exchange itself decides" in finding.summary
    assert any("x-ms-exchange-organization-authas" in one for one in format_facts(finding.facts))
