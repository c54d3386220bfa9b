"""Judges inbox rules: where they send mail, and whether they keep it from its reader. Pure.

Rules of one mailbox that send to the same people are one case, and so are those that hide mail: an
intruder made thirty-eight in one real break-in. That Outlook does not show a rule makes it go
further than a visible one, so that nothing that was told or accepted of that one covers it.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from core.guards.mailbox_forwarding.forwards import ForwardRecipient, InboxRuleForward, MailboxRules
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import (
    DELETE,
    PERMANENT,
    PLACE_TEXTS,
    READ,
    only_marks,
)
from core.guards.mailbox_forwarding.options import Policy
from core.guards.mailbox_forwarding.outbound import find_worst_departure
from core.guards.mailbox_forwarding.rating import (
    UNDECIDED,
    build_correlations,
    build_forward_fingerprint,
    decide_forward_verdict,
    rate_forward,
)
from core.guards.mailbox_forwarding.remedies import build_rules_remedy, get_held_account
from core.guards.mailbox_forwarding.rule_reach import measure_rule_reach
from core.guards.mailbox_forwarding.rule_texts import (
    build_rules_advice,
    can_disable_rule,
    format_rule_names,
    list_rule_sources,
    list_rules_facts,
)
from core.guards.mailbox_forwarding.texts import (
    FORWARD_TEXTS,
    describe_departure,
    list_departure_facts,
    list_recipient_facts,
)
from core.guards.mailbox_forwarding.verdicts import ForwardingVerdict
from core.microsoft365.recipients import ForwardTarget
from core.model.findings import Fact, Finding, Severity, Verdict
from core.tenant.changes import Change, DisableInboxRule
from core.tenant.mailboxes import format_mailbox_name
from core.tenant.sources import DOMAINS


def judge_inbox_rules(item: MailboxRules, policy: Policy) -> Iterator[Finding]:
    """What is wrong with the inbox rules of a mailbox."""
    yield from (build_unreadable_finding(one) for one in item.rules if not one.rule.readable)
    changes: set[Change] = set()
    for rules in group_by_recipients(item.rules):
        for finding in judge_forwarding_rules(rules, policy):
            changes |= set(finding.changes)
            yield finding
    for rules in group_by_gravity(item.rules):
        yield build_hiding_finding(rules, changes)
    yield from (build_half_known_finding(one) for one in item.rules if is_half_known(one))
    secret = [one for one in item.rules if is_secret_alone(one)]
    if sending := [one for one in secret if one.colleagues]:
        yield build_secret_finding(sending)
    if others := [one for one in secret if not one.colleagues]:
        yield build_unseen_finding(others)


def is_hidden(item: InboxRuleForward) -> bool:
    """True for a rule that Outlook does not show."""
    return item.visibility is RuleVisibility.HIDDEN


def is_secret_alone(item: InboxRuleForward) -> bool:
    """True for a hidden rule that neither sends mail outside nor hides it."""
    is_unseen = bool(item.colleagues) or (is_hidden(item) and only_marks(item.rule))
    return is_unseen and not item.recipients and item.hiding is None


def is_half_known(item: InboxRuleForward) -> bool:
    """True for a rule that does something unknown besides, and of which nothing else is told."""
    is_told = item.recipients or item.hiding or is_secret_alone(item)
    return item.rule.has_unknown_action and item.rule.readable and not is_told


def get_targets(items: Sequence[InboxRuleForward]) -> list[ForwardTarget]:
    """Whom rules send to outside, or to nobody who is known."""
    return [sending.target for item in items for sending in item.recipients]


def build_fingerprint(hidden: bool, text: str) -> str:
    """The identity of how visible rules hide mail, and of the same behind the owner's back."""
    return json.dumps(["hidden", text], separators=(",", ":")) if hidden else text


def group_by_recipients(rules: Sequence[InboxRuleForward]) -> list[list[InboxRuleForward]]:
    """The rules that send mail on, those together that send it to the same people.

    A rule that is switched off goes with those that are on: it adds nothing to them. Hidden rules
    go with visible ones, since where Graph cannot be asked nobody knows which they are; that one
    is hidden is part of how far it goes.
    """
    groups: defaultdict[str, list[InboxRuleForward]] = defaultdict(list)
    for one in rules:
        if one.recipients and one.rule.readable:
            groups[build_forward_fingerprint(get_targets([one]))].append(one)
    return list(groups.values())


def group_by_gravity(rules: Sequence[InboxRuleForward]) -> list[list[InboxRuleForward]]:
    """The rules that hide mail: grave ones, slight ones and those nobody can tell about, each
    together.

    Apart, so that accepting the rules that delete adverts accepts no thief's. Marking as read what
    is sent on is a fact about the forward.
    """
    groups: defaultdict[tuple[bool, bool, bool], list[InboxRuleForward]] = defaultdict(list)
    for one in rules:
        if one.hiding and not (one.recipients and one.hiding.place == READ):
            grave = one.hiding.severity >= Severity.HIGH
            groups[is_hidden(one), one.hiding.is_certain, grave].append(one)
    return list(groups.values())


def judge_forwarding_rules(rules: Sequence[InboxRuleForward], policy: Policy) -> Iterator[Finding]:
    """Inbox rules that forward or redirect to the same people."""
    active = [one for one in rules if one.rule.enabled]
    hidden, targets = any(map(is_hidden, active or rules)), get_targets(rules)
    verdict = decide_forward_verdict(targets, policy, hidden)
    if verdict is None or (not active and verdict in UNDECIDED):
        return
    shown = active or list(rules)
    facts = [
        *list_rules_facts(shown, with_hiding=True),
        *list_recipient_facts(list_sendings(shown)),
    ]
    if active:
        departure = find_worst_departure(one.departure for one in active)
        facts += list_departure_facts(verdict, departure)
        off = [one for one in rules if not one.rule.enabled]
        facts += [Fact("switched off", format_rule_names(off))] if off else []
    else:
        verdict, departure = ForwardingVerdict.DORMANT, rules[0].departure
        facts.append(
            Fact("", "the rule is disabled" if len(rules) == 1 else "all of them are disabled")
        )
    name = format_mailbox_name(rules[0].mailbox)
    external = verdict is ForwardingVerdict.EXTERNAL
    yield Finding(
        kind="inbox-rule-forward",
        object_id=rules[0].mailbox.id,
        subject=name,
        severity=rate_forward(verdict, departure.result, hidden),
        verdict=verdict,
        summary=f"{describe_number(shown, hidden)} of {name} {FORWARD_TEXTS[verdict]}"
        f"{describe_others(shown)}{describe_departure(verdict, departure)}.",
        facts=tuple(facts),
        sources=list_rule_sources(shown, DOMAINS),
        fingerprint=build_forward_fingerprint(targets),
        changes=tuple(
            DisableInboxRule(one.mailbox.id, one.rule.id)
            for one in active
            if external and can_disable_rule(one)
        ),
        advice=build_rules_advice(shown),
        steps=build_rules_remedy("inbox-rule-forward", shown, targets),
        held_account=get_held_account(rules[0].mailbox) if external else "",
        correlations=build_correlations(verdict, targets),
        reaches=tuple(measure_rule_reach(one, sends=True) for one in active),
        needs_own_exemption=hidden,
        asks_if_preexisting=True,
        preexisting_verdict=verdict,
    )


def list_sendings(items: Sequence[InboxRuleForward]) -> list[ForwardRecipient]:
    """Everything that rules send, and to whom."""
    return [sending for item in items for sending in (*item.recipients, *item.colleagues)]


def describe_number(items: Sequence[InboxRuleForward], hidden: bool) -> str:
    """How a sentence about rules begins, with a verb in the singular after it."""
    if len(items) == 1:
        return "A hidden inbox rule" if hidden else "An inbox rule"
    unseen = sum(map(is_hidden, items))
    if 0 < unseen < len(items):
        return f"Each of {len(items)} inbox rules ({unseen} hidden)"
    return f"Each of {len(items)} {'hidden ' if hidden else ''}inbox rules"


def describe_others(items: Sequence[InboxRuleForward]) -> str:
    """That all of several rules do it for the same people."""
    return ", to the same addresses" if len(items) > 1 else ""


def build_hiding_finding(rules: Sequence[InboxRuleForward], changes: Collection[Change]) -> Finding:
    """Inbox rules that take mail out of sight, and what is done about them anyway.

    A rule that is disabled for what it sends no longer hides mail either.
    """
    hidden = is_hidden(rules[0])
    ways = [one.hiding for one in rules if one.hiding]
    grave = max(one.severity for one in ways)
    certain = all(one.is_certain for one in ways)
    level = ("grave" if grave >= Severity.HIGH else "slight") if certain else "unknown"
    name = format_mailbox_name(rules[0].mailbox)
    colleagues = [sending for one in rules for sending in one.colleagues]
    done = tuple(DisableInboxRule(one.mailbox.id, one.rule.id) for one in rules)
    return Finding(
        kind="inbox-rule-hides",
        object_id=rules[0].mailbox.id,
        subject=name,
        severity=grave,
        verdict=ForwardingVerdict.HIDES_MAIL if certain else Verdict.COULD_NOT_TELL,
        summary=f"{describe_number(rules, hidden)} of {name} {describe_places(rules)}.",
        facts=(*list_rules_facts(rules, with_hiding=True), *list_recipient_facts(colleagues)),
        sources=list_rule_sources(rules),
        fingerprint=build_fingerprint(hidden, level),
        changes=done if all(one in changes for one in done) else (),
        advice=build_rules_advice(rules),
        steps=build_rules_remedy("inbox-rule-hides", rules),
        held_account=get_held_account(rules[0].mailbox) if level == "grave" else "",
        reaches=tuple(measure_rule_reach(one, sends=False) for one in rules),
        needs_own_exemption=hidden,
        asks_if_preexisting=True,
        preexisting_verdict=ForwardingVerdict.HIDES_MAIL,
    )


def describe_places(rules: Sequence[InboxRuleForward]) -> str:
    """What rules do with mail: all the same, or in general."""
    places = {one.hiding.place for one in rules if one.hiding}
    if len(places) == 1:
        return PLACE_TEXTS[places.pop()]
    if places <= {DELETE, PERMANENT}:
        return "deletes the mail"
    return "deletes mail, moves it out of sight or marks it as read"


def build_secret_finding(rules: Sequence[InboxRuleForward]) -> Finding:
    """Hidden rules that send mail to colleagues: nobody knows that the owner wants it."""
    name = format_mailbox_name(rules[0].mailbox)
    sendings = [sending for one in rules for sending in one.colleagues]
    return Finding(
        kind="inbox-rule-hidden",
        object_id=rules[0].mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{describe_number(rules, hidden=True)} of {name} sends mail to somebody of the "
        "organization.",
        facts=(
            *list_rules_facts(rules, with_hiding=False),
            *list_recipient_facts(sendings),
            Fact("", "whether the owner knows of it cannot be seen"),
        ),
        sources=list_rule_sources(rules),
        fingerprint=build_forward_fingerprint([sending.target for sending in sendings]),
        advice=build_rules_advice(rules),
        steps=build_rules_remedy("inbox-rule-hidden", rules),
        reaches=tuple(measure_rule_reach(one, sends=True) for one in rules),
        needs_own_exemption=True,
        asks_if_preexisting=True,
        preexisting_verdict=Verdict.COULD_NOT_TELL,
    )


def build_unseen_finding(rules: Sequence[InboxRuleForward]) -> Finding:
    """Hidden rules that neither send nor hide mail: what they are for, nobody knows."""
    name = format_mailbox_name(rules[0].mailbox)
    return Finding(
        kind="inbox-rule-hidden",
        object_id=rules[0].mailbox.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{describe_number(rules, hidden=True)} of {name} neither sends nor hides mail; "
        "what it is for is not known.",
        facts=tuple(list_rules_facts(rules, with_hiding=False)),
        sources=list_rule_sources(rules),
        fingerprint="unseen",
        advice=build_rules_advice(rules),
        steps=build_rules_remedy("inbox-rule-hidden", rules),
        reaches=tuple(measure_rule_reach(one, sends=False) for one in rules),
        needs_own_exemption=True,
        asks_if_preexisting=True,
        preexisting_verdict=Verdict.COULD_NOT_TELL,
    )


def build_half_known_finding(item: InboxRuleForward) -> Finding:
    """An enabled rule that does something unknown beside what is harmless."""
    name = format_mailbox_name(item.mailbox)
    return replace(
        build_unreadable_finding(item),
        summary=f"An enabled inbox rule of {name} does something that Exoguard does not know.",
    )


def build_unreadable_finding(item: InboxRuleForward) -> Finding:
    """An enabled rule of which nobody shows what it does.

    Only its id tells it from another, so a second such rule is a new finding.
    """
    name = format_mailbox_name(item.mailbox)
    return Finding(
        kind="inbox-rule-unreadable",
        object_id=item.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"What an enabled inbox rule of {name} does cannot be seen.",
        facts=tuple(list_rules_facts([item], with_hiding=False)),
        sources=list_rule_sources([item]),
        fingerprint=item.rule.id,
        advice="Look at the rule in Outlook or in Exchange.",
        steps=build_rules_remedy("inbox-rule-unreadable", [item]),
        needs_own_exemption=is_hidden(item),
    )
