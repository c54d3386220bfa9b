"""Reads forwards, mail-flow rules and inbox rules, and looks up their recipients."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

from core.guards.mailbox_forwarding.assemble import assemble_forwards
from core.guards.mailbox_forwarding.colleague_rules import COLLEAGUE_RULES, compare_shown_rules
from core.guards.mailbox_forwarding.conditions import (
    list_senders,
    needs_own_domains,
    takes_every_message,
)
from core.guards.mailbox_forwarding.folders import classify_folder_path
from core.guards.mailbox_forwarding.forwards import (
    ForwardingInputs,
    list_rule_recipients,
)
from core.guards.mailbox_forwarding.hiding import (
    NOBODY,
    is_exchanges_own_rule,
    is_plain_reading,
    keeps_mail,
    list_telling_texts,
)
from core.guards.mailbox_forwarding.judge import ForwardingItem
from core.guards.mailbox_forwarding.lookups import (
    get_own_domains,
    is_domain_asked,
    list_condition_groups,
    list_domain_failures,
    list_lookup_names,
)
from core.guards.mailbox_forwarding.mail_paths import (
    NOTHING_SINGLE,
    SingleIds,
    assemble_mail_paths,
    list_copy_names,
    list_outbound_connectors,
    look_at_missing_rules,
    read_mail_paths,
)
from core.guards.mailbox_forwarding.mailbox_traces import (
    MailboxTraces,
    is_telling_mailbox,
    list_caught_up,
    note_missed,
    select_due,
)
from core.guards.mailbox_forwarding.names import is_unreadable_name
from core.guards.mailbox_forwarding.options import ForwardingOptions
from core.guards.mailbox_forwarding.outbound import OutboundSettings
from core.guards.mailbox_forwarding.outbound_lists import (
    build_outbound_settings,
    note_outbound_lists,
)
from core.guards.mailbox_forwarding.senders import weigh_senders
from core.guards.mailbox_forwarding.surroundings import add_surroundings
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipient_lookups import look_up_recipients
from core.model.guards import ObserveContext
from core.tenant.domain_changes import compare_domains
from core.tenant.domain_memory import note_questions
from core.tenant.mail_flow import (
    WELL_KNOWN_FOLDERS,
    AcceptedDomain,
    Folder,
    InboxRule,
)
from core.tenant.mailbox_index import MailboxPage, select_between_checks
from core.tenant.mailboxes import Mailbox, MailboxSurroundings
from core.tenant.member_memory import MemberMemory
from core.tenant.merging import (
    collect_failures,
    collect_sources,
    count_listing,
)
from core.tenant.port import HasConfiguration, HasInboxRules, HasMailboxes, HasMailFlow
from core.tenant.readings import AllExcept, ReadFailure, Reading
from core.tenant.sources import (
    DOMAINS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_FORWARDS,
    MAILBOX_SURROUNDINGS,
    MAILBOXES,
    RECIPIENTS,
    RULE_FOLDERS,
    TRANSPORT_RULES,
)
from core.watched.left_out import NOTHING_LEFT_OUT

SOURCES = frozenset(
    {
        MAILBOXES,
        INBOX_RULES,
        HIDDEN_RULES,
        RULE_FOLDERS,
        MAILBOX_SURROUNDINGS,
        DOMAINS,
        RECIPIENTS,
    }
)
"""All that is ever read of one mailbox."""


class ForwardingPorts(HasConfiguration, HasInboxRules, HasMailFlow, HasMailboxes, Protocol):
    """The ports this guard reads."""


SHARED_SOURCES = frozenset({DOMAINS, RECIPIENTS})
"""Those that tell of the organization."""
INSPECTED_SOURCES = SOURCES - SHARED_SOURCES
"""Those that are read of mailboxes alone."""
EXCLUDED_KINDS = ("DiscoveryMailbox",)


async def observe(
    tenant: ForwardingPorts, context: ObserveContext[ForwardingOptions]
) -> AsyncIterator[Reading[ForwardingItem] | MailboxPage]:
    """What Exchange can name by itself, and all mailboxes, to look into one by one.

    The first of them come first: they are looked into while Exchange names the rest.
    """
    pages = tenant.mailboxes.list_mailboxes()
    listed = asyncio.create_task(read_listed_forwards(tenant, context))
    try:
        if first := await anext(pages, None):
            yield build_page(first)
        for reading in await listed:
            yield reading
    finally:
        listed.cancel()
    async for page in pages:
        yield build_page(page)


def build_page(page: Reading[Mailbox]) -> MailboxPage:
    """A page of the listing, of which rules and what stands beside them are read one by one."""
    return MailboxPage(page, SOURCES, EXCLUDED_KINDS, SHARED_SOURCES)


async def look_at(
    tenant: ForwardingPorts,
    context: ObserveContext[ForwardingOptions],
    mailboxes: Sequence[Mailbox],
) -> AsyncIterator[Reading[ForwardingItem]]:
    """Some mailboxes, hidden rules and folders too; and what Exchange can name by itself."""
    for reading in await read_listed_forwards(tenant, context):
        yield reading
    yield await read_mailboxes(tenant, context, mailboxes, everything=True)


async def read_listed_forwards(
    tenant: ForwardingPorts,
    context: ObserveContext[ForwardingOptions],
    single: SingleIds = NOTHING_SINGLE,
) -> tuple[Reading[ForwardingItem], ...]:
    """Forwards set on mailboxes, mail-flow rules and connectors: a few requests at any size. What
    rules show to colleagues follows apart, compared with the looks before.

    What `single` names is read alone, and not listed.
    """
    reader, mail_flow = tenant.mailboxes, tenant.mail_flow
    boxes_asked, rules_asked = single.list_ids(MAILBOX_FORWARDS), single.list_ids(TRANSPORT_RULES)
    listed, domains, flow, remotes, policies, paths = await asyncio.gather(
        reader.read_forwards_of(boxes_asked) if boxes_asked else reader.read_forwarding_mailboxes(),
        mail_flow.read_accepted_domains(),
        mail_flow.read_transport_rules_of(rules_asked)
        if rules_asked
        else mail_flow.read_transport_rules(),
        mail_flow.read_remote_domains(),
        mail_flow.read_outbound_policies(),
        read_mail_paths(tenant, single),
    )
    now = context.policy.now
    boxes = list({mailbox.id: mailbox for mailbox in listed.items}.values())
    own = get_own_domains(domains, context)
    names = list_lookup_names(boxes, (), flow.items, own) if own else set()
    names |= list_copy_names(paths, own) if own else set()
    settings = build_outbound_settings(policies, remotes, flow, context.known_traits, now)
    names |= list_condition_groups(settings) if boxes else set()
    memory = MemberMemory(context.known_traits, now)
    known, looked_up = await look_up_recipients(tenant, names, own, memory)
    inputs = ForwardingInputs(
        mailboxes=boxes,
        own_domains=own,
        transport_rules=flow.items,
        known_recipients=known,
        recipient_reading=looked_up,
        settings=settings,
        connectors=list_outbound_connectors(paths),
        now=now,
    )
    forwards, unplaced = assemble_forwards(inputs)
    described, missed = await add_surroundings(tenant, context, forwards)
    placed, lost = assemble_mail_paths(paths, inputs)
    noted, changed = compare_domains(domains.items, context.known_traits, now) if own else ((), ())
    asked = note_questions(
        noted, context.known_traits, now, lambda name: is_domain_asked(name, context)
    )
    read = (listed, domains, flow, *paths.readings)
    listed_forwards = Reading[ForwardingItem](
        items=(*described, *placed, *changed),
        failures=tuple(
            dict.fromkeys(
                (
                    *collect_failures(read),
                    *collect_failures((remotes, policies), optional=True),
                    *(
                        replace(failure, optional=True)
                        for failure in collect_failures(paths.settings)
                    ),
                    *(
                        failure
                        for failure in collect_failures((looked_up,))
                        if not failure.object_id
                    ),
                    *list_domain_failures(domains),
                    *unplaced,
                    *missed,
                    *lost,
                )
            )
        ),
        sources=collect_sources((*read, remotes, policies, looked_up, *paths.settings))
        | {MAILBOX_FORWARDS, TRANSPORT_RULES, DOMAINS},
        listed_counts={
            # Single forwards come and go; a rule of the organization rarely does.
            **count_listing(MAILBOX_FORWARDS, listed, min_missing=2),
            **count_listing(TRANSPORT_RULES, flow),
        },
        known_traits=(
            *noted,
            *asked,
            *note_outbound_lists(policies, remotes, flow, context.known_traits, now),
            *memory.noted.values(),
        ),
    )
    missing = NOTHING_LEFT_OUT
    if not single.source:
        missing = await look_at_missing_rules(tenant, flow, context.known_traits, now)
    shown = compare_shown_rules(forwards, flow, unplaced, context, missing.ids)
    gaps = (missing.build_gap(COLLEAGUE_RULES.source),) if missing.ids else ()
    return listed_forwards, shown, *gaps


async def inspect(
    tenant: ForwardingPorts,
    context: ObserveContext[ForwardingOptions],
    mailboxes: Sequence[Mailbox],
) -> Reading[ForwardingItem]:
    """The inbox rules of some mailboxes, and of those whose time it is what else stands there."""
    return await read_mailboxes(tenant, context, mailboxes)


async def read_mailboxes(
    tenant: ForwardingPorts,
    context: ObserveContext[ForwardingOptions],
    mailboxes: Sequence[Mailbox],
    *,
    everything: bool = False,
) -> Reading[ForwardingItem]:
    """The inbox rules of some mailboxes, and what their recipients stand for.

    What only a forward needs to be judged is asked for when there is one. What Graph hides takes a
    command for each mailbox, so it is swept over the day; between sweeps those with an open case
    are asked, so that what a sweep could not read waits for the next run and not for the next day.
    """
    swept = HIDDEN_RULES in context.due_checks
    again = mailboxes if swept else select_between_checks(mailboxes, context.open_case_ids)
    seen = frozenset(owner.id for owner in again)
    due = select_due(mailboxes, context, everything=everything)
    # Whatever the rules show, these are read: neither waits for the other.
    (graph, exchange), traces = await asyncio.gather(
        read_rules(tenant, mailboxes, again, swept=swept), read_traces(tenant, due)
    )
    movers = [rule for rule in graph.items if rule.move_to and rule.enabled and not rule.delete]
    everywhere = RULE_FOLDERS in context.due_checks
    followed = [
        rule for rule in movers if everywhere or needs_folder_lookup(rule, context.open_case_ids)
    ]
    folders = (
        await tenant.inbox_rules.read_rule_folders(followed) if followed else Reading[Folder]()
    )
    rules = (*graph.items, *exchange.items)
    sends = any(True for rule in rules for _ in list_rule_recipients(rule))
    asks = sends or any(map(needs_own_domains, rules)) or any(map(is_telling_mailbox, traces.items))
    domains = await tenant.mail_flow.read_accepted_domains() if asks else Reading[AcceptedDomain]()
    settings = OutboundSettings()
    if sends:
        settings = build_outbound_settings(
            await tenant.mail_flow.read_outbound_policies(),
            await tenant.mail_flow.read_remote_domains(),
            await tenant.mail_flow.read_transport_rules(),
            context.known_traits,
            context.policy.now,
        )
    own = get_own_domains(domains, context) if asks else None
    names = list_lookup_names((), rules, (), own) if own else set()
    names |= list_condition_groups(settings)
    # What is noted here of a group may belong to another shard.
    memory = MemberMemory(context.known_traits, context.policy.now)
    known, looked_up = await look_up_recipients(tenant, names, own, memory)

    forwards, unplaced = assemble_forwards(
        ForwardingInputs(
            mailboxes=mailboxes,
            own_domains=own,
            graph_rules=graph,
            exchange_rules=exchange,
            folders={(folder.mailbox_id, folder.id): folder for folder in folders.items},
            unread_folder_mailbox_ids=frozenset(one.object_id for one in folders.failures),
            known_recipients=known,
            recipient_reading=looked_up,
            settings=settings,
            now=context.policy.now,
        )
    )
    skipped = {rule.mailbox_id for rule in movers if rule not in followed}
    known_traces = {one.mailbox_id: one for one in traces.items}
    items, missed = await add_surroundings(tenant, context, forwards, known_traces)
    told = list_traces(due, traces, own, asks=asks)
    return Reading(
        items=(*items, *(one for one in told.values() if is_telling_mailbox(one.found))),
        failures=tuple(
            dict.fromkeys(
                (
                    *collect_failures((graph,)),
                    *(mark_failure_optional(failure) for failure in collect_failures((folders,))),
                    *(
                        m
                        for m in collect_failures((exchange,))
                        if not m.object_id or m.object_id in seen
                    ),
                    *(
                        failure
                        for failure in collect_failures((looked_up,))
                        if not failure.object_id
                    ),
                    *unplaced,
                    *missed,
                    *traces.failures,
                )
            )
        ),
        sources=collect_sources((graph, folders, looked_up)) | SOURCES,
        population=len(mailboxes),
        scope=frozenset(mailbox.id for mailbox in mailboxes),
        partial_scopes=({} if everywhere else {RULE_FOLDERS: AllExcept(frozenset(skipped))})
        | ({} if swept else {HIDDEN_RULES: seen})
        | {MAILBOX_SURROUNDINGS: frozenset(told)},
        known_traits=note_missed(due, traces, context),
        forgotten_traits=list_caught_up(due, traces, context),
    )


async def read_rules(
    tenant: HasInboxRules, mailboxes: Sequence[Mailbox], again: Sequence[Mailbox], *, swept: bool
) -> tuple[Reading[InboxRule], Reading[InboxRule]]:
    """The rules of some mailboxes as Graph and as Exchange shows them. Exchange is asked about
    those of `again`, which are all of them if `swept`, and those of which Graph does not show
    enough.
    """
    seen = frozenset(owner.id for owner in again)
    if swept:
        return await tenant.inbox_rules.read_both_views(mailboxes, is_plain_reading)
    graph, exchange = await asyncio.gather(
        tenant.inbox_rules.read_inbox_rules(
            mailboxes, harmless_of=seen, is_plain_reading=is_plain_reading
        ),
        read_hidden_rules(tenant, again),
    )
    unclear = [one for one in find_unclear_mailboxes(mailboxes, graph.items) if one.id not in seen]
    more = await read_hidden_rules(tenant, unclear)
    return await reread_ambiguous_rules(tenant, unclear, graph, more), replace(
        exchange,
        items=exchange.items + more.items,
        failures=exchange.failures + more.failures,
        sources=exchange.sources | more.sources,
    )


async def read_hidden_rules(
    tenant: HasInboxRules, mailboxes: Sequence[Mailbox]
) -> Reading[InboxRule]:
    """The rules of some mailboxes, which may be none, as Exchange shows them."""
    if not mailboxes:
        return Reading[InboxRule]()
    return await tenant.inbox_rules.read_hidden_rules(mailboxes)


async def read_traces(
    tenant: HasInboxRules, due: Sequence[Mailbox]
) -> Reading[MailboxSurroundings]:
    """What stands in the mailboxes that are due beside their rules."""
    if not due:
        return Reading[MailboxSurroundings]()
    return await tenant.inbox_rules.read_surroundings(due)


def list_traces(
    due: Sequence[Mailbox],
    read: Reading[MailboxSurroundings],
    own: OwnDomains | None,
    *,
    asks: bool,
) -> dict[str, MailboxTraces]:
    """What was read of each mailbox as a whole. Without the own domains nothing is known of one in
    which anything stands.
    """
    by_id = {one.mailbox_id: one for one in read.items}
    return {
        owner.id: MailboxTraces(owner, found, own or OwnDomains(frozenset()))
        for owner in due
        if (found := by_id.get(owner.id)) is not None
        and not found.unread
        and (own is not None or not (asks and is_telling_mailbox(found)))
    }


async def reread_ambiguous_rules(
    tenant: HasInboxRules,
    mailboxes: Sequence[Mailbox],
    graph_rules: Reading[InboxRule],
    exchange_rules: Reading[InboxRule],
) -> Reading[InboxRule]:
    """Graph's rules, with the harmless ones of those of `mailboxes` where Exchange shows one like
    them.

    Whether Graph shows such a rule too is known only from all of Graph's rules of the mailbox.
    """
    puzzling = {rule.mailbox_id for rule in exchange_rules.items if is_puzzling(rule)}
    again = [owner for owner in mailboxes if owner.id in puzzling]
    if not again:
        return graph_rules
    ids = frozenset(owner.id for owner in again)
    full = await tenant.inbox_rules.read_inbox_rules(again, harmless_of=ids)
    rest = tuple(rule for rule in graph_rules.items if rule.mailbox_id not in ids)
    return replace(
        graph_rules, items=rest + full.items, failures=graph_rules.failures + full.failures
    )


def is_puzzling(rule: InboxRule) -> bool:
    """True for a rule of Exchange of which only a look at Graph's harmless ones tells if it is
    hidden.
    """
    is_own = is_exchanges_own_rule(rule, classify_folder_path(rule.move_to))
    return not rule.readable or (rule.enabled and keeps_mail(rule) and not is_own)


def needs_folder_lookup(rule: InboxRule, open_case_ids: frozenset[str]) -> bool:
    """True for a rule whose folder is looked up at every run; for all others it is done daily.

    Most rules that move mail only sort it. One that takes all mail, marks it as read, looks for
    words or senders an attacker looks for, sends mail on or has no name may hide mail; so may one
    in a mailbox with an open case.
    """
    return (
        rule.mailbox_id in open_case_ids
        or any(True for _ in list_rule_recipients(rule))
        or rule.mark_as_read
        or takes_every_message(rule, NOBODY, ignores_own_recipients=True)
        or is_unreadable_name(rule.name)
        or bool(list_telling_texts(rule))
        or bool(weigh_senders(list_senders(rule.conditions), NOBODY.is_own_domain).warning)
        or rule.move_to.lower() in WELL_KNOWN_FOLDERS
    )


def find_unclear_mailboxes(
    mailboxes: Sequence[Mailbox], rules: Iterable[InboxRule]
) -> list[Mailbox]:
    """The mailboxes with an enabled rule of which Graph does not show what it does."""
    wanted = {rule.mailbox_id for rule in rules if rule.enabled and not rule.readable}
    return [mailbox for mailbox in mailboxes if mailbox.id in wanted]


def mark_failure_optional(failure: ReadFailure) -> ReadFailure:
    """Folders only add detail where no right to read them was granted."""
    return replace(failure, optional=True) if not failure.object_id else failure
