"""What a mail-flow rule does, part by part: answers led elsewhere, routes, headers, its times."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.guards.mailbox_forwarding.connectors import OutboundConnector
from core.guards.mailbox_forwarding.flow_rules import (
    FlowEffect,
    find_connector,
    judge_route,
    judge_transport_rule,
    list_effects,
    list_internal_headers,
    list_removals,
    list_reply_effects,
    list_rule_facts,
    select_acting,
)
from core.guards.mailbox_forwarding.forwards import ForwardRecipient, TransportRuleForward
from core.guards.mailbox_forwarding.guard import GUARD
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import ForwardTarget, RecipientLocation
from core.model.findings import Fact, Severity, Verdict
from core.model.guards import GuardPolicy
from core.tenant.mail_flow import TransportRule

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
DAY = timedelta(days=1)
OWN = OwnDomains(frozenset({"contoso.com"}))
LONG = "n" * 300
OUTSIDE = ForwardTarget("x@evil.example", RecipientLocation.OUTSIDE, "x@evil.example")
ALLOWED = ForwardTarget("j@archive.example", RecipientLocation.OUTSIDE, "j@archive.example")
RULE = TransportRule("t1", "Rule")
HOP = OutboundConnector("C1", "Partner hop", True, ("192.0.2.9",), ("*",), for_rules_only=True)


def answer(*values: str, own: OwnDomains | None = OWN) -> list[FlowEffect]:
    """What is told of a rule that sets whom to answer."""
    actions = {"SetHeaderName": ("X-Note", " Reply-To: "), "SetHeaderValue": values}
    rule = replace(RULE, actions=actions)
    return list(list_reply_effects(TransportRuleForward(rule, (), own_domains=own)))


def test_answers_to_somebody_outside_are_told_by_address_and_with_the_headers() -> None:
    assert answer("Billing <X@evil.example>") == [
        FlowEffect(
            "transport-rule-reply",
            ForwardingVerdict.EXTERNAL,
            Severity.HIGH,
            "has answers to mail go to Billing <X@evil.example>",
            "reply x@evil.example",
            (Fact("header", "reply-to, x-note"),),
        )
    ]


def test_an_own_address_for_answers_is_nothing_and_one_beside_it_is_told() -> None:
    assert answer("bob@contoso.com") == []
    assert [one.does for one in answer("bob@contoso.com", "x@evil.example")] == [
        "reply x@evil.example"
    ]


@pytest.mark.parametrize(
    ("value", "own", "says", "does"),
    [
        ("%%From%%", OWN, "%%From%%", "reply %%From%%"),
        ("", OWN, "nobody that was read", "reply "),
        ("bob@contoso.com", None, "bob@contoso.com", "reply bob@contoso.com"),
    ],
)
def test_where_answers_go_is_not_known_without_an_address_or_the_own_domains(
    value: str, own: OwnDomains | None, says: str, does: str
) -> None:
    (effect,) = answer(value, own=own)
    assert (effect.verdict, effect.severity) == (Verdict.COULD_NOT_TELL, Severity.MEDIUM)
    assert (effect.says, effect.does) == (f"has answers to mail go to {says}", does)


def test_a_header_for_answers_without_a_value_goes_to_nobody_that_was_read() -> None:
    rule = replace(RULE, actions={"SetHeaderName": ("Reply-To",)})
    (effect,) = list_reply_effects(TransportRuleForward(rule, (), own_domains=OWN))
    assert effect.does == "reply "
    other = replace(RULE, actions={"SetHeaderName": ("X-Note",)})
    assert list(list_reply_effects(TransportRuleForward(other, ()))) == []


def test_long_texts_in_a_header_are_cut() -> None:
    rule = replace(RULE, actions={"SetHeaderName": ("reply-to", LONG), "SetHeaderValue": (LONG,)})
    (effect,) = list_reply_effects(TransportRuleForward(rule, (), own_domains=OWN))
    assert effect.says.startswith(f"has answers to mail go to {'n' * 200}…")
    assert effect.facts[0].text.startswith("n" * 100 + "…")
    name = f"x-ms-exchange-organization-{LONG}"
    (internal,) = list_internal_headers([name], "sets")
    assert internal.facts[0].text.startswith(f"{name[:100]}…")


@pytest.mark.parametrize(
    ("does", "word"), [("sets", "internal header"), ("takes off", "removed header")]
)
def test_internal_headers_are_told_together_and_apart_from_those_that_are_taken_off(
    does: str, word: str
) -> None:
    (effect,) = list_internal_headers(["arc-seal", "authentication-results", "x-note"], does)
    assert effect == FlowEffect(
        "transport-rule-filter",
        Verdict.COULD_NOT_TELL,
        Severity.LOW,
        f"{does} a header by which Exchange itself decides what becomes of mail",
        word,
        (Fact("header", "arc-seal, authentication-results"),),
    )


def test_a_rule_that_ends_the_rules_for_all_mail_is_told_as_one() -> None:
    rule = replace(RULE, actions={"StopProcessingRules": ("True",)})
    assert list(list_effects(TransportRuleForward(rule, ()))) == [
        FlowEffect(
            "transport-rule-filter",
            Verdict.COULD_NOT_TELL,
            Severity.LOW,
            "ends the rules for every message, so that none after it acts",
            "end",
            (Fact("", "what the rules after it would do was not compared"),),
        )
    ]


@pytest.mark.parametrize(
    ("connectors", "own", "reason"),
    [
        (None, OWN, "the connectors or the accepted domains were not read"),
        ((HOP,), None, "the connectors or the accepted domains were not read"),
        ((), OWN, "there is no connector of that name"),
    ],
)
def test_why_it_is_not_known_where_a_route_leads(
    connectors: tuple[OutboundConnector, ...] | None, own: OwnDomains | None, reason: str
) -> None:
    item = TransportRuleForward(RULE, (), connectors, own)
    (effect,) = judge_route("Partner hop", item)
    assert (effect.verdict, effect.facts) == (Verdict.COULD_NOT_TELL, (Fact("", reason),))


def test_a_connector_is_found_by_its_name_or_its_id_in_any_case() -> None:
    for name in (" partner HOP ", "c1"):
        assert find_connector(name, (replace(HOP, name="Other", id="o1"), HOP)) == HOP
    assert find_connector("hop", (HOP,)) is None


@pytest.mark.parametrize(
    ("action", "conditions", "severity"),
    [
        ("DeleteMessage", {"SCLOver": ("8",), "SubjectContainsWords": ("invoice",)}, Severity.HIGH),
        ("DeleteMessage", {"SCLOver": ("8",)}, Severity.LOW),
        ("Quarantine", {"SCLOver": ("-1",)}, Severity.MEDIUM),
    ],
)
def test_a_technical_condition_makes_a_removal_slight_unless_it_takes_telling_mail(
    action: str, conditions: Mapping[str, tuple[str, ...]], severity: Severity
) -> None:
    rule = replace(RULE, actions={action: ("True",)}, conditions=conditions)
    (effect,) = list_removals(rule)
    assert effect.severity is severity


REPORT = ForwardRecipient("reports to", OUTSIDE)
COPY = ForwardRecipient("copies to", OUTSIDE)
TESTED = replace(RULE, enforced=False)


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        (RULE, [REPORT, COPY]),
        (replace(RULE, activates_at=NOW + DAY), [REPORT, COPY]),
        (replace(RULE, enabled=False), []),
        (TESTED, [REPORT]),
        (replace(TESTED, activates_at=NOW + DAY), []),
        (replace(TESTED, activates_at=NOW), [REPORT]),
        (replace(TESTED, expires_at=NOW), []),
        (replace(TESTED, expires_at=NOW + DAY), [REPORT]),
        (replace(TESTED, enabled=False), []),
    ],
)
def test_a_rule_that_is_tested_sends_reports_while_its_time_lasts(
    rule: TransportRule, shown: list[ForwardRecipient]
) -> None:
    assert select_acting(rule, [REPORT, COPY], NOW) == shown


@pytest.mark.parametrize(
    ("times", "fact"),
    [
        ({"activates_at": NOW + DAY}, ["not in effect before 2026-11-21 06:00 UTC"]),
        ({"activates_at": NOW}, []),
        (
            {"activates_at": NOW - DAY, "expires_at": NOW + DAY},
            ["in effect until 2026-11-21 06:00 UTC"],
        ),
        ({"expires_at": NOW}, []),
        ({"expires_at": NOW - DAY}, []),
    ],
)
def test_the_times_of_a_rule_are_said_while_they_are_to_come(
    times: dict[str, Any], fact: list[str]
) -> None:
    rule = replace(RULE, conditions={"SCLOver": ("8",)}, **times)
    assert [str(one) for one in list_rule_facts(rule, NOW)] == ["rule: Rule", *fact]


def test_of_all_mail_it_is_said_and_long_names_and_words_are_cut() -> None:
    every = replace(RULE, conditions={"SCLOver": ("-1",)})
    assert [str(one) for one in list_rule_facts(every, NOW)] == [
        "rule: Rule",
        "its conditions leave no message alone: it takes every message",
    ]
    words = {"SubjectContainsWords": (f"password {'n' * 100}",)}
    name, looks = list_rule_facts(replace(RULE, name=LONG, conditions=words), NOW)
    assert name.text.startswith("n" * 200 + "…")
    assert looks.text.startswith(f"password {'n' * 51}…")
    (odd,) = list_effects(TransportRuleForward(replace(RULE, unknown=(LONG,)), ()))
    assert odd.facts[0].text.startswith("n" * 60 + "…")


def test_a_rule_is_critical_where_one_recipient_outside_gets_mail_unseen() -> None:
    allowing = replace(GUARD.options, allowed_domains=frozenset({"archive.example"}))
    terms = GuardPolicy(NOW, allowing)
    seen, unseen = COPY, ForwardRecipient("blind copies to", ALLOWED)
    (told,) = judge_transport_rule(TransportRuleForward(RULE, (seen, unseen)), terms)
    assert told.severity is Severity.HIGH
    also = ForwardRecipient("blind copies to", OUTSIDE)
    (told,) = judge_transport_rule(TransportRuleForward(RULE, (seen, also)), terms)
    assert told.severity is Severity.CRITICAL
    assert any("x@evil.example" in step.command for step in told.steps)
