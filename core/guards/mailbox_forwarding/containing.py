"""What containing an account switches off in its mailbox: forwards and rules, each by itself. Pure.

A guard is careful with what somebody may have set on purpose. Whoever contains an account has
decided that it is not its owner who acts, so what sends mail out and what hides it gravely goes off
whatever its age; what nobody can judge stays for a person.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from core.guards.mailbox_forwarding.forwards import InboxRuleForward, MailboxForward, MailboxRules
from core.guards.mailbox_forwarding.judge import ForwardingItem, judge_mailbox_forward
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.rule_findings import (
    build_hiding_finding,
    judge_forwarding_rules,
)
from core.guards.mailbox_forwarding.rule_texts import can_disable_rule, format_rule_name
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.model.findings import Finding, Severity
from core.tenant.changes import Change, ClearMailboxForward, DisableInboxRule
from core.tenant.mail_flow import InboxRule


@dataclass(frozen=True, slots=True)
class DangerousSetting:
    """A forward or rule that sends mail out or hides it."""

    title: str
    """What is done about it, with what it does."""
    change: Change | None
    """None for a rule that only Exchange or Outlook shows or changes."""
    rule: InboxRule | None = None


def list_dangerous_settings(item: ForwardingItem, policy: Policy) -> Iterator[DangerousSetting]:
    """What of one item goes off. What concerns more than the mailbox is none of it."""
    match item:
        case MailboxForward():
            for finding in judge_mailbox_forward(item, policy):
                if finding.verdict == ForwardingVerdict.EXTERNAL:
                    yield DangerousSetting(
                        f"clear the forward: {finding.summary}",
                        ClearMailboxForward(item.mailbox.guid),
                    )
        case MailboxRules():
            for rule in item.rules:
                yield from judge_rule(rule, policy)


def judge_rule(item: InboxRuleForward, policy: Policy) -> Iterator[DangerousSetting]:
    """One rule, if it is in effect and dangerous."""
    if not item.rule.enabled:
        return
    findings: list[Finding] = []
    if item.rule.readable:
        findings += [
            one
            for one in judge_forwarding_rules([item], policy)
            if one.verdict == ForwardingVerdict.EXTERNAL
        ]
    if item.hiding and item.hiding.severity >= Severity.HIGH:
        findings.append(build_hiding_finding([item], ()))
    if not findings:
        return
    can_change = can_disable_rule(item)
    said = " ".join(finding.summary for finding in findings)
    yield DangerousSetting(
        f"switch off the inbox rule {format_rule_name(item.rule, 100)}: {said}",
        DisableInboxRule(item.mailbox.id, item.rule.id) if can_change else None,
        item.rule,
    )
