"""Judges where mail is sent and whether a rule hides it from its reader. Pure."""

import json
from collections.abc import Iterable, Iterator

from core.guards.mailbox_forwarding.forwards import (
    MAX_TEXT_LENGTH,
    ORGANIZATION,
    Forward,
    InboxRuleForward,
    MailboxForward,
    TransportRuleForward,
)
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import (
    describe_hiding_place,
    find_suspicious_words,
    is_unconditional_rule,
    rate_hiding_rule,
)
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.outbound import ForwardingPolicyResult
from core.guards.mailbox_forwarding.recipients import (
    ForwardTarget,
    RecipientLocation,
    get_address_domain,
    to_a_label,
)
from core.guards.mailbox_forwarding.texts import (
    FORWARD_TEXTS,
    MAX_SHOWN,
    TRANSPORT_RULE_TEXTS,
    build_rule_advice,
    can_disable_rule,
    describe_after_clearing,
    format_forward_target,
    format_word_list,
    list_policy_facts,
    list_recipient_facts,
    list_rule_facts,
    list_rule_sources,
)
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.keys import hash_parts
from core.microsoft365.powershell import build_list_rules_command
from core.model.findings import Fact, Finding, Severity, Verdict
from core.tenant.changes import Change, ClearMailboxForward, DisableInboxRule
from core.tenant.mailboxes import format_mailbox_name
from core.tenant.quoting import quote_text
from core.tenant.sources import DOMAINS, MAILBOX_FORWARDS, RULE_FOLDERS, TRANSPORT_RULES


def judge(item: Forward, policy: Policy) -> Iterator[Finding]:
    """What is wrong with one forward or rule; a rule may send mail away and hide it as well."""
    match item:
        case MailboxForward():
            yield from judge_mailbox_forward(item, policy)
        case InboxRuleForward() if not item.rule.readable:
            yield build_unreadable_finding(item)
        case InboxRuleForward():
            sent = list(judge_forwarding_rule(item, policy))
            yield from sent
            if item.hiding_place:
                # A rule that is disabled for what it sends no longer hides mail either.
                yield build_hiding_finding(item, sent[0].changes if sent else ())
        case TransportRuleForward():
            yield from judge_transport_rule(item, policy)


def decide_forward_verdict(
    targets: Iterable[ForwardTarget], policy: Policy, is_hidden: bool = False
) -> ForwardingVerdict | None:
    """What the recipients say together; the gravest of them decides.

    A domain that is allowed excuses a forward its owner can see, never a hidden one.
    """
    allowed = {to_a_label(domain) for domain in policy.options.allowed_domains}
    verdicts = set()
    for target in targets:
        if target.location is RecipientLocation.UNRESOLVED:
            verdicts.add(ForwardingVerdict.UNRESOLVED)
        elif target.location is RecipientLocation.OUTSIDE:
            excused = get_address_domain(target.address) in allowed and not is_hidden
            verdicts.add(ForwardingVerdict.KEEP if excused else ForwardingVerdict.EXTERNAL)
    for verdict in (
        ForwardingVerdict.EXTERNAL,
        ForwardingVerdict.UNRESOLVED,
        ForwardingVerdict.KEEP,
    ):
        if verdict in verdicts:
            return verdict
    return None


def rate_forward(
    verdict: ForwardingVerdict, policy_result: ForwardingPolicyResult, is_unseen: bool = False
) -> Severity:
    """How bad a forward is, by what becomes of the mail and whether anybody could notice."""
    if verdict in (ForwardingVerdict.KEEP, ForwardingVerdict.DORMANT):
        return Severity.INFO
    if verdict is ForwardingVerdict.EXTERNAL and is_unseen:
        return Severity.CRITICAL
    if verdict is ForwardingVerdict.EXTERNAL:
        return Severity.MEDIUM if policy_result is ForwardingPolicyResult.BLOCKED else Severity.HIGH
    return Severity.HIGH if is_unseen else Severity.MEDIUM


def build_forward_fingerprint(targets: Iterable[ForwardTarget]) -> str:
    """The dangerous part of a forward: whom it sends to, and neither its name nor its id."""
    sent = {
        target.identity for target in targets if target.location is not RecipientLocation.INSIDE
    }
    return json.dumps(sorted(sent), separators=(",", ":"))


def build_correlation_keys(
    verdict: ForwardingVerdict, targets: Iterable[ForwardTarget]
) -> tuple[str, ...]:
    """The outside addresses mail goes to now: the same one in several mailboxes is no accident."""
    if verdict is not ForwardingVerdict.EXTERNAL:
        return ()
    outside = {target.address for target in targets if target.location is RecipientLocation.OUTSIDE}
    return tuple(sorted(hash_parts(address)[:16] for address in outside))[:MAX_SHOWN]


def judge_mailbox_forward(item: MailboxForward, policy: Policy) -> Iterator[Finding]:
    """A forward set on the mailbox."""
    verdict = decide_forward_verdict([item.target], policy)
    if verdict is None or (
        item.is_overruled and item.target.location is not RecipientLocation.OUTSIDE
    ):
        return
    if item.is_overruled:
        verdict = ForwardingVerdict.DORMANT
    facts = [Fact(item.setting, format_forward_target(item.target))]
    if item.is_overruled:
        facts.append(Fact("", "without effect: ForwardingAddress is set too and wins"))
    else:
        copy = "keeps a copy" if item.mailbox.keeps_copy else "keeps no copy"
        facts += [Fact("", f"the mailbox {copy}"), *list_policy_facts(verdict, item.policy_result)]
    if item.overruled_address:
        facts.append(
            Fact(
                "ForwardingSmtpAddress, without effect",
                quote_text(item.overruled_address, MAX_TEXT_LENGTH),
            )
        )
    # The change clears both settings, so where both are set it is left to an operator: one of them
    # may be older than the guard.
    clearable = verdict is ForwardingVerdict.EXTERNAL and not item.overruled_address
    changes = (ClearMailboxForward(item.mailbox.guid),) if clearable else ()
    if verdict is ForwardingVerdict.EXTERNAL:
        facts.append(Fact("once cleared", describe_after_clearing(item)))
    name = format_mailbox_name(item.mailbox)
    yield Finding(
        kind="mailbox-forward",
        object_id=item.mailbox.id,
        subject=name,
        severity=rate_forward(verdict, item.policy_result),
        verdict=verdict,
        summary=f"Mailbox {name} {FORWARD_TEXTS[verdict]}.",
        facts=tuple(facts),
        sources=(MAILBOX_FORWARDS, DOMAINS),
        fingerprint=build_forward_fingerprint([item.target]),
        changes=changes,
        advice="Ask the owner who set the forward; clear it unless somebody answers for it.",
        correlation_keys=build_correlation_keys(verdict, [item.target]),
        asks_if_preexisting=True,
        preexisting_verdict=verdict,
    )


def judge_forwarding_rule(item: InboxRuleForward, policy: Policy) -> Iterator[Finding]:
    """An inbox rule that forwards or redirects."""
    hidden = item.visibility is RuleVisibility.HIDDEN
    targets = [sending.target for sending in item.recipients]
    verdict = decide_forward_verdict(targets, policy, hidden)
    if verdict is None or (not item.rule.enabled and verdict is ForwardingVerdict.UNRESOLVED):
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


def judge_transport_rule(item: TransportRuleForward, policy: Policy) -> Iterator[Finding]:
    """A mail-flow rule of the organization."""
    targets = [sending.target for sending in item.recipients]
    verdict = decide_forward_verdict(targets, policy)
    acts = item.rule.enabled and item.rule.enforced
    if verdict is None or (not acts and verdict is ForwardingVerdict.UNRESOLVED):
        return
    unseen = any(
        sending.action in ("redirects to", "blind copies to")
        and decide_forward_verdict([sending.target], policy) is ForwardingVerdict.EXTERNAL
        for sending in item.recipients
    )
    grave = rate_forward(verdict, ForwardingPolicyResult.ALLOWED, unseen)
    facts = [
        Fact("rule", quote_text(item.rule.name, MAX_TEXT_LENGTH)),
        *list_recipient_facts(item.recipients),
    ]
    if not acts:
        verdict, grave = ForwardingVerdict.DORMANT, Severity.INFO
        facts.append(
            Fact("", "the rule is only tested")
            if item.rule.enabled
            else Fact("", "the rule is disabled")
        )
    name = quote_text(item.rule.name or item.rule.id, MAX_TEXT_LENGTH)
    yield Finding(
        kind="transport-rule",
        object_id=ORGANIZATION,
        subject=name,
        severity=grave,
        verdict=verdict,
        summary=f"Mail-flow rule {name} {TRANSPORT_RULE_TEXTS[verdict]}.",
        facts=tuple(facts),
        sources=(TRANSPORT_RULES, DOMAINS),
        fingerprint=build_forward_fingerprint(targets),
        advice="It applies to the whole organization: find out who made it, and disable it in "
        "the Exchange admin center unless somebody answers for it.",
    )
