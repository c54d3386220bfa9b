"""Judges inbox rules: where they send mail, and whether they keep it from its reader. Pure."""

import json
from collections.abc import Iterator

from core.guards.mailbox_forwarding.forwards import InboxRuleForward
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import (
    describe_hiding_place,
    find_suspicious_words,
    is_unconditional_rule,
    rate_hiding_rule,
)
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.rating import (
    UNDECIDED,
    build_correlation_keys,
    build_forward_fingerprint,
    decide_forward_verdict,
    rate_forward,
)
from core.guards.mailbox_forwarding.texts import (
    FORWARD_TEXTS,
    build_rule_advice,
    can_disable_rule,
    format_word_list,
    list_policy_facts,
    list_recipient_facts,
    list_rule_facts,
    list_rule_sources,
)
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.powershell import build_list_rules_command
from core.model.findings import Fact, Finding, Severity, Verdict
from core.tenant.changes import Change, DisableInboxRule
from core.tenant.mailboxes import format_mailbox_name
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS, RULE_FOLDERS


def judge_inbox_rule(item: InboxRuleForward, policy: Policy) -> Iterator[Finding]:
    """What is wrong with one inbox rule, which may send mail away and hide it as well."""
    if not item.rule.readable:
        yield build_unreadable_finding(item)
        return
    sent = list(judge_forwarding_rule(item, policy))
    yield from sent
    if item.hiding_place:
        # A rule that is disabled for what it sends no longer hides mail either.
        yield build_hiding_finding(item, sent[0].changes if sent else ())


def judge_forwarding_rule(item: InboxRuleForward, policy: Policy) -> Iterator[Finding]:
    """An inbox rule that forwards or redirects."""
    hidden = item.visibility is RuleVisibility.HIDDEN
    targets = [sending.target for sending in item.recipients]
    verdict = decide_forward_verdict(targets, policy, hidden)
    if verdict is None or (not item.rule.enabled and verdict in UNDECIDED):
        return
    if not item.rule.enabled:
        verdict = ForwardingVerdict.DORMANT
    facts = [*list_rule_facts(item), *list_recipient_facts(item.recipients)]
    if item.rule.enabled:
        facts += list_policy_facts(verdict, item.policy_result)
        facts += [Fact("", describe_hiding_place(item.hiding_place))] if item.hiding_place else []
    else:
        facts.append(Fact("", "the rule is disabled"))
    safe = verdict is ForwardingVerdict.EXTERNAL and can_disable_rule(item)
    name = format_mailbox_name(item.mailbox)
    yield Finding(
        kind="inbox-rule-forward",
        object_id=item.mailbox.id,
        subject=name,
        severity=rate_forward(verdict, item.policy_result, hidden),
        verdict=verdict,
        summary=f"{'A hidden' if hidden else 'An'} inbox rule of {name} {FORWARD_TEXTS[verdict]}.",
        facts=tuple(facts),
        sources=list_rule_sources(item, DOMAINS),
        fingerprint=build_forward_fingerprint(targets),
        changes=(DisableInboxRule(item.mailbox.id, item.rule.id),) if safe else (),
        advice=build_rule_advice(item),
        correlation_keys=build_correlation_keys(verdict, targets),
        asks_if_preexisting=True,
        preexisting_verdict=verdict,
    )


def build_hiding_finding(item: InboxRuleForward, changes: tuple[Change, ...]) -> Finding:
    """An inbox rule that takes mail out of sight, and what is done about it anyway."""
    hidden = item.visibility is RuleVisibility.HIDDEN
    grave = rate_hiding_rule(item.rule, item.hiding_place)
    words = [quote_text(word, 60) for word in find_suspicious_words(item.rule)]
    facts = [*list_rule_facts(item), Fact("", describe_hiding_place(item.hiding_place))]
    if item.rule.mark_as_read:
        facts.append(Fact("", "marks it as read"))
    if is_unconditional_rule(item.rule):
        facts.append(Fact("", "without any condition: it takes every message"))
    if words:
        facts.append(Fact("looks for", format_word_list(words)))
    name = format_mailbox_name(item.mailbox)
    folder = () if item.rule.delete or item.rule.api == "exchange" else (RULE_FOLDERS,)
    return Finding(
        kind="inbox-rule-hides",
        object_id=item.mailbox.id,
        subject=name,
        severity=max(grave, Severity.HIGH) if hidden else grave,
        verdict=ForwardingVerdict.HIDES_MAIL,
        summary=f"{'A hidden' if hidden else 'An'} inbox rule of {name} "
        f"{describe_hiding_place(item.hiding_place)}.",
        facts=tuple(facts),
        sources=list_rule_sources(item, *folder),
        fingerprint=json.dumps([item.hiding_place, item.rule.conditions], separators=(",", ":")),
        changes=changes,
        advice=build_rule_advice(item),
        asks_if_preexisting=True,
        preexisting_verdict=ForwardingVerdict.HIDES_MAIL,
    )


def build_unreadable_finding(item: InboxRuleForward) -> Finding:
    """An enabled rule of which nobody shows what it does.

    Only its id tells it from another, so a second such rule is a new finding.
    """
    name = format_mailbox_name(item.mailbox)
    command = build_list_rules_command(item.mailbox.guid)
    return Finding(
        kind="inbox-rule-unreadable",
        object_id=item.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"What an enabled inbox rule of {name} does cannot be seen.",
        facts=tuple(list_rule_facts(item)),
        sources=list_rule_sources(item),
        fingerprint=item.rule.id,
        advice=f"Look at the rule in Outlook, or run {command}." if command else "",
    )
