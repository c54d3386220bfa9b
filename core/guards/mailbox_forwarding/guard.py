"""The threat: mail that is quietly sent to somebody outside, or kept from its reader.

Whoever got into a mailbox once sets a forward or an inbox rule and keeps reading after the password
was changed; another rule takes warnings and replies out of sight while invoices are redirected. A
mail-flow rule does the same for the whole organization.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from core.guards.mailbox_forwarding.forwards import (
    MAX_TEXT_LENGTH,
    ORGANIZATION,
    Forward,
    ForwardingInputs,
    InboxRuleForward,
    MailboxForward,
    TransportRuleForward,
    assemble_forwards,
    format_mailbox_name,
    list_rule_recipients,
)
from core.guards.mailbox_forwarding.hidden_rules import RuleVisibility
from core.guards.mailbox_forwarding.hiding import (
    describe_hiding_place,
    find_suspicious_words,
    is_built_in_rule,
    is_nameless,
    is_unconditional_rule,
    rate_hiding_rule,
)
from core.guards.mailbox_forwarding.lookups import (
    get_own_domains,
    list_domain_failures,
    list_lookup_names,
    look_up_recipients,
)
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
    format_forward_target,
    format_word_list,
    list_policy_facts,
    list_recipient_facts,
    list_rule_facts,
    list_rule_sources,
)
from core.keys import hash_parts
from core.microsoft365.powershell import build_list_rules_command
from core.model.findings import CorrelationRule, Finding, Severity, Verdict
from core.model.guards import Guard, GuardPolicy, ObserveContext, PeriodicCheck, Permission, Service
from core.sanitize import sanitize_text
from core.tenant.changes import Change, ClearMailboxForward, DisableInboxRule
from core.tenant.mail_flow import (
    WELL_KNOWN_FOLDERS,
    AcceptedDomain,
    Folder,
    InboxRule,
    OutboundPolicy,
    RemoteDomain,
)
from core.tenant.mailbox_index import MailboxPage, select_between_checks
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import collect_failures, collect_sources
from core.tenant.port import Tenant
from core.tenant.readings import AllExcept, ReadFailure, Reading
from core.tenant.surfaces import (
    DOMAINS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_FORWARDS,
    MAILBOXES,
    RECIPIENTS,
    RULE_FOLDERS,
    TRANSPORT_RULES,
)

SOURCES = frozenset({MAILBOXES, INBOX_RULES, HIDDEN_RULES, RULE_FOLDERS, DOMAINS, RECIPIENTS})
"""All that is ever read of one mailbox."""


async def observe(
    tenant: Tenant, context: ObserveContext
) -> AsyncIterator[Reading[Forward] | MailboxPage]:
    """The forwards Exchange can name by itself, then all mailboxes, to look into one by one."""
    yield await read_listed_forwards(tenant)
    async for page in tenant.mailboxes():
        yield MailboxPage(page, SOURCES, excluded_kinds=("DiscoveryMailbox",))


async def read_listed_forwards(tenant: Tenant) -> Reading[Forward]:
    """Forwards set on mailboxes, and mail-flow rules: a few requests at any size of tenant."""
    listed, domains, flow, remotes, policies = await asyncio.gather(
        tenant.forwarding_mailboxes(),
        tenant.accepted_domains(),
        tenant.transport_rules(),
        tenant.remote_domains(),
        tenant.outbound_policies(),
    )
    boxes = list({mailbox.id: mailbox for mailbox in listed.items}.values())
    own = get_own_domains(domains)
    names = list_lookup_names(boxes, (), flow.items, own) if own else set()
    known, looked_up = await look_up_recipients(tenant, names, own)
    forwards, unplaced = assemble_forwards(
        ForwardingInputs(
            mailboxes=boxes,
            own_domains=own,
            transport_rules=flow.items,
            known_recipients=known,
            recipient_reading=looked_up,
            outbound_policies=get_complete_items(policies),
            remote_domains=get_complete_items(remotes),
        )
    )
    read = (listed, domains, flow)
    return Reading(
        items=forwards,
        failures=tuple(
            dict.fromkeys(
                (
                    *collect_failures(read),
                    *collect_failures((remotes, policies), optional=True),
                    *(miss for miss in collect_failures((looked_up,)) if not miss.object_id),
                    *list_domain_failures(domains),
                    *unplaced,
                )
            )
        ),
        sources=collect_sources((*read, remotes, policies, looked_up))
        | {MAILBOX_FORWARDS, TRANSPORT_RULES, DOMAINS},
    )


async def inspect(
    tenant: Tenant, context: ObserveContext, mailboxes: Sequence[Mailbox]
) -> Reading[Forward]:
    """The inbox rules of some mailboxes, and what their recipients stand for.

    What only a forward needs to be judged is asked for when there is one. What Graph hides takes a
    command for each mailbox, so it is swept over the day; between sweeps those with an open case
    are asked, so that what a sweep could not read waits for the next run and not for the next day.
    """
    graph = await tenant.inbox_rules(mailboxes)
    swept = HIDDEN_RULES in context.due_checks
    again = mailboxes if swept else select_between_checks(mailboxes, context.open_case_ids)
    seen = frozenset(owner.id for owner in again)
    asked = [
        *again,
        *(one for one in find_unclear_mailboxes(mailboxes, graph.items) if one.id not in seen),
    ]
    exchange = await tenant.hidden_rules(asked) if asked else Reading[InboxRule]()
    graph = await reread_ambiguous_rules(tenant, mailboxes, graph, exchange)
    movers = [rule for rule in graph.items if rule.move_to and rule.enabled and not rule.delete]
    everywhere = RULE_FOLDERS in context.due_checks
    followed = [
        rule for rule in movers if everywhere or needs_folder_lookup(rule, context.open_case_ids)
    ]
    folders = await tenant.rule_folders(followed) if followed else Reading[Folder]()
    rules = (*graph.items, *exchange.items)
    sends = any(True for rule in rules for _ in list_rule_recipients(rule))
    domains = await tenant.accepted_domains() if sends else Reading[AcceptedDomain]()
    remotes, policies = Reading[RemoteDomain](), Reading[OutboundPolicy]()
    if sends:
        remotes, policies = await tenant.remote_domains(), await tenant.outbound_policies()
    own = get_own_domains(domains) if sends else None
    known, looked_up = await look_up_recipients(
        tenant, list_lookup_names((), rules, (), own) if own else set(), own
    )

    forwards, unplaced = assemble_forwards(
        ForwardingInputs(
            mailboxes=mailboxes,
            own_domains=own,
            graph_rules=graph,
            exchange_rules=exchange,
            exchange_mailbox_ids=frozenset(mailbox.id for mailbox in asked),
            folders={(folder.mailbox_id, folder.id): folder for folder in folders.items},
            known_recipients=known,
            recipient_reading=looked_up,
            outbound_policies=get_complete_items(policies),
            remote_domains=get_complete_items(remotes),
        )
    )
    skipped = {rule.mailbox_id for rule in movers} - {rule.mailbox_id for rule in followed}
    skipped |= {rule.mailbox_id for rule in movers if rule not in followed}
    return Reading(
        items=forwards,
        failures=tuple(
            dict.fromkeys(
                (
                    *collect_failures((graph,)),
                    *(mark_failure_optional(miss) for miss in collect_failures((folders,))),
                    *(
                        m
                        for m in collect_failures((exchange,))
                        if not m.object_id or m.object_id in seen
                    ),
                    *(miss for miss in collect_failures((looked_up,)) if not miss.object_id),
                    *unplaced,
                )
            )
        ),
        sources=collect_sources((graph, folders, looked_up))
        | {MAILBOXES, INBOX_RULES, HIDDEN_RULES, RULE_FOLDERS, DOMAINS},
        population=len(mailboxes),
        scope=frozenset(mailbox.id for mailbox in mailboxes),
        partial_scopes=({} if everywhere else {RULE_FOLDERS: AllExcept(frozenset(skipped))})
        | ({} if swept else {HIDDEN_RULES: seen}),
    )


async def reread_ambiguous_rules(
    tenant: Tenant,
    mailboxes: Sequence[Mailbox],
    graph_rules: Reading[InboxRule],
    exchange_rules: Reading[InboxRule],
) -> Reading[InboxRule]:
    """Graph's rules, with the harmless ones of mailboxes where Exchange shows one it leaves open.

    Only beside all of Graph's rules can be told whether such a rule is one that Graph shows too.
    """
    puzzling = {rule.mailbox_id for rule in exchange_rules.items if not rule.readable}
    if not puzzling:
        return graph_rules
    again = [owner for owner in mailboxes if owner.id in puzzling]
    full = await tenant.inbox_rules(again, everything=True)
    rest = tuple(rule for rule in graph_rules.items if rule.mailbox_id not in puzzling)
    return replace(
        graph_rules, items=rest + full.items, failures=graph_rules.failures + full.failures
    )


def needs_folder_lookup(rule: InboxRule, open_case_ids: frozenset[str]) -> bool:
    """True for a rule whose folder is looked up at every run; for all others it is done daily.

    Most rules that move mail only sort it. One that takes all of it, marks it as read, looks for
    what a thief looks for, sends mail on or has no name may hide it; so may one in a mailbox with
    an open case.
    """
    return (
        rule.mailbox_id in open_case_ids
        or any(True for _ in list_rule_recipients(rule))
        or rule.mark_as_read
        or is_unconditional_rule(rule)
        or is_nameless(rule.name)
        or bool(find_suspicious_words(rule))
        or rule.move_to.lower() in WELL_KNOWN_FOLDERS
    )


def find_unclear_mailboxes(
    mailboxes: Sequence[Mailbox], rules: Iterable[InboxRule]
) -> list[Mailbox]:
    """The mailboxes with an enabled rule of which Graph does not show what it does."""
    wanted = {
        rule.mailbox_id
        for rule in rules
        if rule.enabled and not rule.readable and not is_built_in_rule(rule)
    }
    return [mailbox for mailbox in mailboxes if mailbox.id in wanted]


def mark_failure_optional(failure: ReadFailure) -> ReadFailure:
    """Folders only add detail where no right to read them was granted."""
    return replace(failure, optional=True) if not failure.object_id else failure


def get_complete_items[T](reading: Reading[T]) -> Sequence[T] | None:
    """The items of settings that only count as a whole."""
    return None if reading.failures or not reading.complete else reading.items


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(item: Forward, policy: GuardPolicy) -> Iterator[Finding]:
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
    targets: Iterable[ForwardTarget], policy: GuardPolicy, is_hidden: bool = False
) -> Verdict | None:
    """What the recipients say together; the gravest of them decides.

    A domain that is allowed excuses a forward its owner can see, never a hidden one.
    """
    allowed = {to_a_label(domain) for domain in policy.allowed_domains}
    verdicts = set()
    for target in targets:
        if target.location is RecipientLocation.UNRESOLVED:
            verdicts.add(Verdict.UNRESOLVED)
        elif target.location is RecipientLocation.OUTSIDE:
            excused = get_address_domain(target.address) in allowed and not is_hidden
            verdicts.add(Verdict.KEEP if excused else Verdict.EXTERNAL)
    for verdict in (Verdict.EXTERNAL, Verdict.UNRESOLVED, Verdict.KEEP):
        if verdict in verdicts:
            return verdict
    return None


def rate_forward(
    verdict: Verdict, policy_result: ForwardingPolicyResult, is_unseen: bool = False
) -> Severity:
    """How bad a forward is, by what becomes of the mail and whether anybody could notice."""
    if verdict in (Verdict.KEEP, Verdict.DORMANT):
        return Severity.INFO
    if verdict is Verdict.EXTERNAL and is_unseen:
        return Severity.CRITICAL
    if verdict is Verdict.EXTERNAL:
        return Severity.MEDIUM if policy_result is ForwardingPolicyResult.BLOCKED else Severity.HIGH
    return Severity.HIGH if is_unseen else Severity.MEDIUM


def build_forward_fingerprint(targets: Iterable[ForwardTarget]) -> str:
    """The dangerous part of a forward: whom it sends to, and neither its name nor its id."""
    sent = {
        target.identity for target in targets if target.location is not RecipientLocation.INSIDE
    }
    return json.dumps(sorted(sent), separators=(",", ":"))


def build_correlation_keys(verdict: Verdict, targets: Iterable[ForwardTarget]) -> tuple[str, ...]:
    """The outside addresses mail goes to now: the same one in several mailboxes is no accident."""
    if verdict is not Verdict.EXTERNAL:
        return ()
    outside = {target.address for target in targets if target.location is RecipientLocation.OUTSIDE}
    return tuple(sorted(hash_parts(address)[:16] for address in outside))[:MAX_SHOWN]


def judge_mailbox_forward(item: MailboxForward, policy: GuardPolicy) -> Iterator[Finding]:
    """A forward set on the mailbox."""
    verdict = decide_forward_verdict([item.target], policy)
    if verdict is None or (
        item.is_overruled and item.target.location is not RecipientLocation.OUTSIDE
    ):
        return
    if item.is_overruled:
        verdict = Verdict.DORMANT
    facts = [f"{item.setting}: {format_forward_target(item.target)}"]
    if item.is_overruled:
        facts.append("without effect: ForwardingAddress is set too and wins")
    else:
        copy = "keeps a copy" if item.mailbox.keeps_copy else "keeps no copy"
        facts += [f"the mailbox {copy}", *list_policy_facts(verdict, item.policy_result)]
    if item.overruled_address:
        facts.append(
            f"ForwardingSmtpAddress, without effect: {sanitize_text(item.overruled_address, MAX_TEXT_LENGTH)}"
        )
    changes = (ClearMailboxForward(item.mailbox.guid),) if verdict is Verdict.EXTERNAL else ()
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
    )


def judge_forwarding_rule(item: InboxRuleForward, policy: GuardPolicy) -> Iterator[Finding]:
    """An inbox rule that forwards or redirects."""
    hidden = item.visibility is RuleVisibility.HIDDEN
    targets = [sending.target for sending in item.recipients]
    verdict = decide_forward_verdict(targets, policy, hidden)
    if verdict is None or (not item.rule.enabled and verdict is Verdict.UNRESOLVED):
        return
    if not item.rule.enabled:
        verdict = Verdict.DORMANT
    facts = [*list_rule_facts(item), *list_recipient_facts(item.recipients)]
    if item.rule.enabled:
        facts += list_policy_facts(verdict, item.policy_result)
        facts += [describe_hiding_place(item.hiding_place)] if item.hiding_place else []
    else:
        facts.append("the rule is disabled")
    safe = verdict is Verdict.EXTERNAL and can_disable_rule(item)
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
    )


def build_hiding_finding(item: InboxRuleForward, changes: tuple[Change, ...]) -> Finding:
    """An inbox rule that takes mail out of sight, and what is done about it anyway."""
    hidden = item.visibility is RuleVisibility.HIDDEN
    grave = rate_hiding_rule(item.rule, item.hiding_place)
    words = [sanitize_text(word, 60) for word in find_suspicious_words(item.rule)]
    facts = [*list_rule_facts(item), describe_hiding_place(item.hiding_place)]
    if item.rule.mark_as_read:
        facts.append("marks it as read")
    if is_unconditional_rule(item.rule):
        facts.append("without any condition: it takes every message")
    if words:
        facts.append(f"looks for: {format_word_list(words)}")
    name = format_mailbox_name(item.mailbox)
    folder = () if item.rule.delete or item.rule.api == "exchange" else (RULE_FOLDERS,)
    return Finding(
        kind="inbox-rule-hides",
        object_id=item.mailbox.id,
        subject=name,
        severity=max(grave, Severity.HIGH) if hidden else grave,
        verdict=Verdict.HIDES_MAIL,
        summary=f"{'A hidden' if hidden else 'An'} inbox rule of {name} {describe_hiding_place(item.hiding_place)}.",
        facts=tuple(facts),
        sources=list_rule_sources(item, *folder),
        fingerprint=json.dumps([item.hiding_place, item.rule.conditions], separators=(",", ":")),
        changes=changes,
        advice=build_rule_advice(item),
    )


def build_unreadable_finding(item: InboxRuleForward) -> Finding:
    """An enabled rule of which nobody shows what it does.

    Its id is all there is to tell it from another, so a second such rule is news.
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


def judge_transport_rule(item: TransportRuleForward, policy: GuardPolicy) -> Iterator[Finding]:
    """A mail-flow rule of the organization."""
    targets = [sending.target for sending in item.recipients]
    verdict = decide_forward_verdict(targets, policy)
    acts = item.rule.enabled and item.rule.enforced
    if verdict is None or (not acts and verdict is Verdict.UNRESOLVED):
        return
    unseen = any(
        sending.action in ("redirects to", "blind copies to")
        and decide_forward_verdict([sending.target], policy) is Verdict.EXTERNAL
        for sending in item.recipients
    )
    grave = rate_forward(verdict, ForwardingPolicyResult.ALLOWED, unseen)
    facts = [
        f"rule: {sanitize_text(item.rule.name, MAX_TEXT_LENGTH)}",
        *list_recipient_facts(item.recipients),
    ]
    if not acts:
        verdict, grave = Verdict.DORMANT, Severity.INFO
        facts.append("the rule is only tested" if item.rule.enabled else "the rule is disabled")
    name = sanitize_text(item.rule.name or item.rule.id, MAX_TEXT_LENGTH)
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


GRAPH, EXCHANGE = Service.GRAPH, Service.EXCHANGE
GUARD = Guard(
    name="mailbox-forwarding",
    title="Forwarding and hiding of mail",
    rationale="A forward or an inbox rule keeps an intruder reading after the password was changed.",
    permissions=(
        Permission(EXCHANGE, "Get-Mailbox", "forwards set on mailboxes"),
        Permission(GRAPH, "MailboxSettings.Read", "inbox rules"),
        Permission(EXCHANGE, "Get-InboxRule", "hidden rules, and rules Graph shows in part"),
        Permission(EXCHANGE, "Get-Recipient", "what recipients stand for"),
        Permission(EXCHANGE, "Get-AcceptedDomain", "which domains are the tenant's own"),
        Permission(GRAPH, "Domain.Read.All", "which domains are the tenant's own"),
        Permission(EXCHANGE, "Get-TransportRule", "mail-flow rules"),
        Permission(
            GRAPH,
            "Mail.ReadBasic.All",
            "to tell hidden corners from ordinary folders",
            optional=True,
        ),
        Permission(
            EXCHANGE, "Get-RemoteDomain", "whether forwarded mail really leaves", optional=True
        ),
        Permission(
            EXCHANGE,
            "Get-HostedOutboundSpamFilterPolicy",
            "whether forwarded mail really leaves",
            optional=True,
        ),
        Permission(
            EXCHANGE,
            "Get-HostedOutboundSpamFilterRule",
            "to whom an outbound policy applies",
            optional=True,
        ),
        Permission(GRAPH, "MailboxSettings.ReadWrite", "to disable an inbox rule", writes=True),
        Permission(
            EXCHANGE,
            "Set-Mailbox",
            "to clear a forward",
            writes=True,
            parameters=(
                "Identity",
                "ForwardingAddress",
                "ForwardingSmtpAddress",
                "DeliverToMailboxAndForward",
            ),
        ),
    ),
    observe=observe,
    judge=judge,
    inspect=inspect,
    noun="mailboxes",
    periodic_checks=(
        PeriodicCheck(HIDDEN_RULES, timedelta(days=1)),
        PeriodicCheck(RULE_FOLDERS, timedelta(days=1)),
    ),
    correlation=CorrelationRule(
        3, Severity.CRITICAL, "3 or more mailboxes send to the same outside address"
    ),
)
