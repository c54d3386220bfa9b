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
    CUT,
    ORGANIZATION,
    Evidence,
    FlowForward,
    Forward,
    MailboxForward,
    RuleForward,
    assemble,
    rule_recipients,
    subject_of,
)
from core.guards.mailbox_forwarding.hidden_rules import Sight
from core.guards.mailbox_forwarding.hiding import (
    described,
    gravity,
    kept_by_exchange,
    nameless,
    telling_words,
    unconditional,
)
from core.guards.mailbox_forwarding.lookups import look_up, own_domains, questions, unnamed
from core.guards.mailbox_forwarding.outbound import Departure
from core.guards.mailbox_forwarding.recipients import Place, Target, a_label, domain_of
from core.guards.mailbox_forwarding.texts import (
    FLOWS,
    FORWARDS,
    SHOWN,
    about,
    advice,
    can_be_disabled,
    listing,
    outlook,
    recipients_of,
    shown,
    surfaces_behind,
)
from core.keys import digest
from core.microsoft365.powershell import list_inbox_rules
from core.model.findings import Finding, Several, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Sweep, Terms
from core.sanitize import plain
from core.tenant.changes import Change, ClearMailboxForward, DisableInboxRule
from core.tenant.mail_flow import (
    WELL_KNOWN,
    AcceptedDomain,
    Folder,
    InboxRule,
    OutboundPolicy,
    RemoteDomain,
)
from core.tenant.mailbox_index import Page, between_sweeps
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import missed, surfaces_of
from core.tenant.port import Tenant
from core.tenant.readings import Others, Reading, Unread
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

SURFACES = frozenset({MAILBOXES, INBOX_RULES, HIDDEN_RULES, RULE_FOLDERS, DOMAINS, RECIPIENTS})
"""All that is ever read of one mailbox."""


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Forward] | Page]:
    """The forwards Exchange can name by itself, then all mailboxes, to look into one by one."""
    yield await known_forwards(tenant)
    async for page in tenant.mailboxes():
        yield Page(page, SURFACES, left_out=("DiscoveryMailbox",))


async def known_forwards(tenant: Tenant) -> Reading[Forward]:
    """Forwards set on mailboxes, and mail-flow rules: a few requests at any size of tenant."""
    listed, domains, flow, remotes, policies = await asyncio.gather(
        tenant.forwarding_mailboxes(),
        tenant.accepted_domains(),
        tenant.transport_rules(),
        tenant.remote_domains(),
        tenant.outbound_policies(),
    )
    boxes = list({mailbox.id: mailbox for mailbox in listed.items}.values())
    own = own_domains(domains)
    names = questions(boxes, (), flow.items, own) if own else set()
    known, looked_up = await look_up(tenant, names, own)
    forwards, unplaced = assemble(
        Evidence(
            mailboxes=boxes,
            own=own,
            flow=flow.items,
            known=known,
            looked_up=looked_up,
            policies=readable(policies),
            remotes=readable(remotes),
        )
    )
    read = (listed, domains, flow)
    return Reading(
        items=forwards,
        unread=tuple(
            dict.fromkeys(
                (
                    *missed(read),
                    *missed((remotes, policies), optional=True),
                    *(miss for miss in missed((looked_up,)) if not miss.object_id),
                    *unnamed(domains),
                    *unplaced,
                )
            )
        ),
        surfaces=surfaces_of((*read, remotes, policies, looked_up))
        | {MAILBOX_FORWARDS, TRANSPORT_RULES, DOMAINS},
    )


async def inspect(tenant: Tenant, look: Look, owners: Sequence[Mailbox]) -> Reading[Forward]:
    """The inbox rules of some mailboxes, and what their recipients stand for.

    What only a forward needs to be judged is asked for when there is one. What Graph hides takes a
    command for each mailbox, so it is swept over the day; between sweeps those with an open case
    are asked, so that what a sweep could not read waits for the next run and not for the next day.
    """
    graph = await tenant.inbox_rules(owners)
    swept = HIDDEN_RULES in look.due
    again = owners if swept else between_sweeps(owners, look.watched)
    seen = frozenset(owner.id for owner in again)
    asked = [*again, *(one for one in unclear(owners, graph.items) if one.id not in seen)]
    exchange = await tenant.hidden_rules(asked) if asked else Reading[InboxRule]()
    graph = await with_all_names(tenant, owners, graph, exchange)
    movers = [rule for rule in graph.items if rule.move_to and rule.enabled and not rule.delete]
    everywhere = RULE_FOLDERS in look.due
    followed = [rule for rule in movers if everywhere or worth_following(rule, look.watched)]
    folders = await tenant.rule_folders(followed) if followed else Reading[Folder]()
    rules = (*graph.items, *exchange.items)
    sends = any(True for rule in rules for _ in rule_recipients(rule))
    domains = await tenant.accepted_domains() if sends else Reading[AcceptedDomain]()
    remotes, policies = Reading[RemoteDomain](), Reading[OutboundPolicy]()
    if sends:
        remotes, policies = await tenant.remote_domains(), await tenant.outbound_policies()
    own = own_domains(domains) if sends else None
    known, looked_up = await look_up(tenant, questions((), rules, (), own) if own else set(), own)

    forwards, unplaced = assemble(
        Evidence(
            mailboxes=owners,
            own=own,
            graph=graph,
            exchange=exchange,
            asked=frozenset(mailbox.id for mailbox in asked),
            folders={(folder.mailbox_id, folder.id): folder for folder in folders.items},
            known=known,
            looked_up=looked_up,
            policies=readable(policies),
            remotes=readable(remotes),
        )
    )
    skipped = {rule.mailbox_id for rule in movers} - {rule.mailbox_id for rule in followed}
    skipped |= {rule.mailbox_id for rule in movers if rule not in followed}
    return Reading(
        items=forwards,
        unread=tuple(
            dict.fromkeys(
                (
                    *missed((graph,)),
                    *(as_detail(miss) for miss in missed((folders,))),
                    *(m for m in missed((exchange,)) if not m.object_id or m.object_id in seen),
                    *(miss for miss in missed((looked_up,)) if not miss.object_id),
                    *unplaced,
                )
            )
        ),
        surfaces=surfaces_of((graph, folders, looked_up))
        | {MAILBOXES, INBOX_RULES, HIDDEN_RULES, RULE_FOLDERS, DOMAINS},
        population=len(owners),
        scope=frozenset(mailbox.id for mailbox in owners),
        partly=({} if everywhere else {RULE_FOLDERS: Others(frozenset(skipped))})
        | ({} if swept else {HIDDEN_RULES: seen}),
    )


async def with_all_names(
    tenant: Tenant,
    owners: Sequence[Mailbox],
    graph: Reading[InboxRule],
    exchange: Reading[InboxRule],
) -> Reading[InboxRule]:
    """Graph's rules, with the harmless ones of mailboxes where Exchange shows one it leaves open.

    Only beside all of Graph's rules can be told whether such a rule is one that Graph shows too.
    """
    puzzling = {rule.mailbox_id for rule in exchange.items if not rule.readable}
    if not puzzling:
        return graph
    again = [owner for owner in owners if owner.id in puzzling]
    full = await tenant.inbox_rules(again, everything=True)
    rest = tuple(rule for rule in graph.items if rule.mailbox_id not in puzzling)
    return replace(graph, items=rest + full.items, unread=graph.unread + full.unread)


def worth_following(rule: InboxRule, watched: frozenset[str]) -> bool:
    """True for a rule whose folder is looked up at every run; for all others it is done daily.

    Most rules that move mail only sort it. One that takes all of it, marks it as read, looks for
    what a thief looks for, sends mail on or has no name may hide it; so may one in a mailbox with
    an open case.
    """
    return (
        rule.mailbox_id in watched
        or any(True for _ in rule_recipients(rule))
        or rule.mark_as_read
        or unconditional(rule)
        or nameless(rule.name)
        or bool(telling_words(rule))
        or rule.move_to.lower() in WELL_KNOWN
    )


def unclear(owners: Sequence[Mailbox], rules: Iterable[InboxRule]) -> list[Mailbox]:
    """The mailboxes with an enabled rule of which Graph does not show what it does."""
    wanted = {
        rule.mailbox_id
        for rule in rules
        if rule.enabled and not rule.readable and not kept_by_exchange(rule)
    }
    return [mailbox for mailbox in owners if mailbox.id in wanted]


def as_detail(miss: Unread) -> Unread:
    """Folders only add detail where no right to read them was granted."""
    return replace(miss, optional=True) if not miss.object_id else miss


def readable[T](reading: Reading[T]) -> Sequence[T] | None:
    """The items of settings that only count as a whole."""
    return None if reading.unread or not reading.complete else reading.items


# ----------------------------------------------------------------------------------------------
# Judgement
# ----------------------------------------------------------------------------------------------


def judge(item: Forward, terms: Terms) -> Iterator[Finding]:
    """What is wrong with one forward or rule; a rule may send mail away and hide it as well."""
    match item:
        case MailboxForward():
            yield from judge_mailbox(item, terms)
        case RuleForward() if not item.rule.readable:
            yield silent(item)
        case RuleForward():
            sent = list(judge_rule(item, terms))
            yield from sent
            if item.place:
                # A rule that is disabled for what it sends no longer hides mail either.
                yield hides(item, sent[0].changes if sent else ())
        case FlowForward():
            yield from judge_flow(item, terms)


def conclusion(targets: Iterable[Target], terms: Terms, hidden: bool = False) -> Verdict | None:
    """What the recipients say together; the gravest of them decides.

    A domain that is allowed excuses a forward its owner can see, never a hidden one.
    """
    allowed = {a_label(domain) for domain in terms.allowed_domains}
    verdicts = set()
    for target in targets:
        if target.place is Place.UNRESOLVED:
            verdicts.add(Verdict.UNRESOLVED)
        elif target.place is Place.OUTSIDE:
            excused = domain_of(target.address) in allowed and not hidden
            verdicts.add(Verdict.KEEP if excused else Verdict.EXTERNAL)
    for verdict in (Verdict.EXTERNAL, Verdict.UNRESOLVED, Verdict.KEEP):
        if verdict in verdicts:
            return verdict
    return None


def severity(verdict: Verdict, leaves: Departure, unseen: bool = False) -> Severity:
    """How bad a forward is, by what becomes of the mail and whether anybody could notice."""
    if verdict in (Verdict.KEEP, Verdict.DORMANT):
        return Severity.INFO
    if verdict is Verdict.EXTERNAL and unseen:
        return Severity.CRITICAL
    if verdict is Verdict.EXTERNAL:
        return Severity.MEDIUM if leaves is Departure.BLOCKED else Severity.HIGH
    return Severity.HIGH if unseen else Severity.MEDIUM


def essence(targets: Iterable[Target]) -> str:
    """The dangerous part of a forward: whom it sends to, and neither its name nor its id."""
    sent = {target.essence for target in targets if target.place is not Place.INSIDE}
    return json.dumps(sorted(sent), separators=(",", ":"))


def shared(verdict: Verdict, targets: Iterable[Target]) -> tuple[str, ...]:
    """The outside addresses mail goes to now: the same one in several mailboxes is no accident."""
    if verdict is not Verdict.EXTERNAL:
        return ()
    outside = {target.address for target in targets if target.place is Place.OUTSIDE}
    return tuple(sorted(digest(address)[:16] for address in outside))[:SHOWN]


def judge_mailbox(item: MailboxForward, terms: Terms) -> Iterator[Finding]:
    """A forward set on the mailbox."""
    verdict = conclusion([item.target], terms)
    if verdict is None or (item.overruled and item.target.place is not Place.OUTSIDE):
        return
    if item.overruled:
        verdict = Verdict.DORMANT
    facts = [f"{item.setting}: {shown(item.target)}"]
    if item.overruled:
        facts.append("without effect: ForwardingAddress is set too and wins")
    else:
        copy = "keeps a copy" if item.mailbox.keeps_copy else "keeps no copy"
        facts += [f"the mailbox {copy}", *outlook(verdict, item.departure)]
    if item.overrules:
        facts.append(f"ForwardingSmtpAddress, without effect: {plain(item.overrules, CUT)}")
    changes = (ClearMailboxForward(item.mailbox.guid),) if verdict is Verdict.EXTERNAL else ()
    name = subject_of(item.mailbox)
    yield Finding(
        kind="mailbox-forward",
        object_id=item.mailbox.id,
        subject=name,
        severity=severity(verdict, item.departure),
        verdict=verdict,
        summary=f"Mailbox {name} {FORWARDS[verdict]}.",
        facts=tuple(facts),
        surfaces=(MAILBOX_FORWARDS, DOMAINS),
        dangerous=essence([item.target]),
        changes=changes,
        advice="Ask the owner who set the forward; clear it unless somebody answers for it.",
        shared=shared(verdict, [item.target]),
    )


def judge_rule(item: RuleForward, terms: Terms) -> Iterator[Finding]:
    """An inbox rule that forwards or redirects."""
    hidden = item.sight is Sight.HIDDEN
    targets = [sending.target for sending in item.sendings]
    verdict = conclusion(targets, terms, hidden)
    if verdict is None or (not item.rule.enabled and verdict is Verdict.UNRESOLVED):
        return
    if not item.rule.enabled:
        verdict = Verdict.DORMANT
    facts = [*about(item), *recipients_of(item.sendings)]
    if item.rule.enabled:
        facts += outlook(verdict, item.departure)
        facts += [described(item.place)] if item.place else []
    else:
        facts.append("the rule is disabled")
    safe = verdict is Verdict.EXTERNAL and can_be_disabled(item)
    name = subject_of(item.mailbox)
    yield Finding(
        kind="inbox-rule-forward",
        object_id=item.mailbox.id,
        subject=name,
        severity=severity(verdict, item.departure, hidden),
        verdict=verdict,
        summary=f"{'A hidden' if hidden else 'An'} inbox rule of {name} {FORWARDS[verdict]}.",
        facts=tuple(facts),
        surfaces=surfaces_behind(item, DOMAINS),
        dangerous=essence(targets),
        changes=(DisableInboxRule(item.mailbox.id, item.rule.id),) if safe else (),
        advice=advice(item),
        shared=shared(verdict, targets),
    )


def hides(item: RuleForward, changes: tuple[Change, ...]) -> Finding:
    """An inbox rule that takes mail out of sight, and what is done about it anyway."""
    hidden = item.sight is Sight.HIDDEN
    grave = gravity(item.rule, item.place)
    words = [plain(word, 60) for word in telling_words(item.rule)]
    facts = [*about(item), described(item.place)]
    if item.rule.mark_as_read:
        facts.append("marks it as read")
    if unconditional(item.rule):
        facts.append("without any condition: it takes every message")
    if words:
        facts.append(f"looks for: {listing(words)}")
    name = subject_of(item.mailbox)
    folder = () if item.rule.delete or item.rule.source == "exchange" else (RULE_FOLDERS,)
    return Finding(
        kind="inbox-rule-hides",
        object_id=item.mailbox.id,
        subject=name,
        severity=max(grave, Severity.HIGH) if hidden else grave,
        verdict=Verdict.HIDES_MAIL,
        summary=f"{'A hidden' if hidden else 'An'} inbox rule of {name} {described(item.place)}.",
        facts=tuple(facts),
        surfaces=surfaces_behind(item, *folder),
        dangerous=json.dumps([item.place, item.rule.conditions], separators=(",", ":")),
        changes=changes,
        advice=advice(item),
    )


def silent(item: RuleForward) -> Finding:
    """An enabled rule of which nobody shows what it does.

    Its id is all there is to tell it from another, so a second such rule is news.
    """
    name = subject_of(item.mailbox)
    command = list_inbox_rules(item.mailbox.guid)
    return Finding(
        kind="inbox-rule-unreadable",
        object_id=item.mailbox.id,
        subject=name,
        severity=Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"What an enabled inbox rule of {name} does cannot be seen.",
        facts=tuple(about(item)),
        surfaces=surfaces_behind(item),
        dangerous=item.rule.id,
        advice=f"Look at the rule in Outlook, or run {command}." if command else "",
    )


def judge_flow(item: FlowForward, terms: Terms) -> Iterator[Finding]:
    """A mail-flow rule of the organization."""
    targets = [sending.target for sending in item.sendings]
    verdict = conclusion(targets, terms)
    acts = item.rule.enabled and item.rule.enforced
    if verdict is None or (not acts and verdict is Verdict.UNRESOLVED):
        return
    unseen = any(
        sending.action in ("redirects to", "blind copies to")
        and conclusion([sending.target], terms) is Verdict.EXTERNAL
        for sending in item.sendings
    )
    grave = severity(verdict, Departure.LEAVES, unseen)
    facts = [f"rule: {plain(item.rule.name, CUT)}", *recipients_of(item.sendings)]
    if not acts:
        verdict, grave = Verdict.DORMANT, Severity.INFO
        facts.append("the rule is only tested" if item.rule.enabled else "the rule is disabled")
    name = plain(item.rule.name or item.rule.id, CUT)
    yield Finding(
        kind="transport-rule",
        object_id=ORGANIZATION,
        subject=name,
        severity=grave,
        verdict=verdict,
        summary=f"Mail-flow rule {name} {FLOWS[verdict]}.",
        facts=tuple(facts),
        surfaces=(TRANSPORT_RULES, DOMAINS),
        dangerous=essence(targets),
        advice="It applies to the whole organization: find out who made it, and disable it in "
        "the Exchange admin center unless somebody answers for it.",
    )


GRAPH, EXCHANGE = Service.GRAPH, Service.EXCHANGE
GUARD = Guard(
    name="mailbox-forwarding",
    title="Forwarding and hiding of mail",
    why="A forward or an inbox rule keeps an intruder reading after the password was changed.",
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
    sweeps=(Sweep(HIDDEN_RULES, timedelta(days=1)), Sweep(RULE_FOLDERS, timedelta(days=1))),
    several=Several(3, Severity.CRITICAL, "3 or more mailboxes send to the same outside address"),
)
