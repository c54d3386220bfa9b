"""Hidden rules that neither send nor hide mail: what is said of them, together."""

from core.guards.mailbox_forwarding.forwards import InboxRuleForward
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.rule_findings import build_unseen_finding
from core.model.findings import Finding, Severity, Verdict, format_facts
from core.tenant.mail_flow import InboxRule, RuleCondition
from core.tenant.mailboxes import Mailbox
from core.tenant.sources import HIDDEN_RULES, INBOX_RULES, MAILBOXES

BOX = Mailbox("m1", "g1", "ann@contoso.com", "Ann")


def tell(*names: str, conditions: tuple[RuleCondition, ...] = ()) -> Finding:
    """What is said of hidden rules that only mark mail as read."""
    return build_unseen_finding(
        [
            InboxRuleForward(
                BOX,
                InboxRule(name, "m1", name, "exchange", mark_as_read=True, conditions=conditions),
                RuleVisibility.HIDDEN,
            )
            for name in names
        ]
    )


def test_hidden_rules_of_a_mailbox_are_one_question_that_no_other_exemption_covers() -> None:
    finding = tell("One", "Two")
    assert (finding.kind, finding.object_id, finding.subject) == (
        "inbox-rule-hidden",
        "m1",
        "ann@contoso.com",
    )
    assert (finding.severity, finding.verdict) == (Severity.LOW, Verdict.COULD_NOT_TELL)
    assert finding.summary == (
        "Each of 2 hidden inbox rules of ann@contoso.com neither sends nor hides mail; what it is "
        "for is not known."
    )
    assert tell("One").summary.startswith("A hidden inbox rule of ann@contoso.com neither")
    assert finding.needs_own_exemption
    assert finding.asks_if_preexisting
    assert finding.preexisting_verdict == Verdict.COULD_NOT_TELL


def test_it_is_said_which_rules_they_are_and_what_to_do_about_them() -> None:
    finding = tell("One")
    assert "rule: One" in format_facts(finding.facts)
    assert "hidden from Outlook: only Exchange shows it" in format_facts(finding.facts)
    assert finding.sources == (HIDDEN_RULES, MAILBOXES, INBOX_RULES)
    assert finding.advice.startswith("Ask the owner; unless they made it, reset access. It can be ")
    assert any("InboxRule" in step.command for step in finding.steps)


def test_they_stay_one_case_however_many_there_are_and_more_mail_goes_further() -> None:
    assert tell("One").compute_key("g") == tell("One", "Two").compute_key("g")
    assert tell("One").fingerprint == "unseen"
    some = (RuleCondition("subjectContains", ("lunch",)),)
    ((narrow,), (wide,)) = (tell("One", conditions=one).reaches for one in (some, ()))
    assert wide.covers(narrow)
    assert not narrow.covers(wide)
