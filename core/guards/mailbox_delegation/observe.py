"""Reads who holds rights over mailboxes, and finds out who those holders are."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from core.guards.mailbox_delegation.holders import TenantDomains, place_holder
from core.guards.mailbox_delegation.items import (
    MAX_TEXT_LENGTH,
    DelegationItem,
    DelegationOptions,
    GrantedRight,
    format_delegated_mailbox,
)
from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipient_lookups import look_up_group_members
from core.microsoft365.recipients import KnownRecipients, is_group
from core.microsoft365.trustees import (
    FOLDER_RIGHTS_NAME,
    find_sid,
    has_mail_elsewhere,
    is_system_mailbox,
    needs_no_lookup,
    normalize_trustee,
    strip_account_prefix,
)
from core.model.guards import ObserveContext
from core.tenant.domain_memory import list_missing_domains, note_domains, select_known_domains
from core.tenant.mail_flow import Recipient
from core.tenant.mailbox_index import MailboxPage, select_between_checks
from core.tenant.mailboxes import Delegation, FolderRight, Mailbox
from core.tenant.merging import collect_failures, select_answered
from core.tenant.port import HasDelegation, HasMailboxes, HasMailFlow
from core.tenant.quoting import quote_text
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure, Reading
from core.tenant.sources import (
    FOLDER_RIGHTS,
    FULL_ACCESS,
    MAILBOXES,
    OWN_ADD_INS,
    RECIPIENTS,
    SEND_AS,
    SEND_ON_BEHALF,
)

HOLDER_UNREAD = "who holds a right over it could not be looked up"
MAX_FAILED_LOOKUPS = 100
"""Of so many mailboxes holders may be lost; with more, looking up itself did not work."""

SOURCES = frozenset({MAILBOXES, FULL_ACCESS, FOLDER_RIGHTS, OWN_ADD_INS, RECIPIENTS})
"""All that is read mailbox by mailbox. The other rights are listed for the whole organization."""
INSPECTED_SOURCES = SOURCES - {RECIPIENTS}
"""Those that are read of mailboxes alone."""
CHECKS = (FULL_ACCESS, FOLDER_RIGHTS, OWN_ADD_INS)
MAX_BETWEEN_CHECKS = {FOLDER_RIGHTS: 25, OWN_ADD_INS: 25}
"""Mailboxes of a range of which these are read again although that is not due: they take three
commands each, and many mailboxes have a case of a colleague with full access.
"""


class DelegationPorts(HasDelegation, HasMailFlow, HasMailboxes, Protocol):
    """The ports this guard reads."""


EXCLUDED_KINDS = ("DiscoveryMailbox",)
NAME_PREFIX = "name:"
"""Before the id of a mailbox or group that Exchange does not know by the name it printed."""


async def observe(
    tenant: DelegationPorts, context: ObserveContext[DelegationOptions]
) -> AsyncIterator[Reading[DelegationItem] | MailboxPage]:
    """What Exchange lists for the whole organization, then all mailboxes, to ask one by one."""
    yield await remember_domains(tenant, context)
    on_behalf, send_as = tenant.delegation.list_send_on_behalf(), tenant.delegation.list_send_as()
    async for part in resolve_delegations(tenant, SEND_ON_BEHALF, on_behalf, context):
        yield part
    async for part in resolve_delegations(tenant, SEND_AS, send_as, context):
        yield part
    async for page in tenant.mailboxes.list_mailboxes():
        yield MailboxPage(page, SOURCES, excluded_kinds=EXCLUDED_KINDS)


async def resolve_delegations(
    tenant: HasMailFlow,
    source: str,
    batches: AsyncIterator[Reading[Delegation]],
    context: ObserveContext[DelegationOptions],
) -> AsyncIterator[Reading[DelegationItem]]:
    """Delegations in batches, with the recipients they name looked up.

    The last batch covers all objects, so it also reports every lookup that failed before.
    """
    lost: dict[ReadFailure, None] = {}
    async for part in batches:
        held, unread = await look_up_holders(tenant, source, part.items, context)
        lost |= dict.fromkeys((*part.failures, *number_lookup_failures(unread, len(lost))))
        yield Reading(
            items=held,
            failures=tuple(lost) if part.scope is None else (),
            sources=part.sources | {RECIPIENTS},
            complete=part.complete,
            scope=part.scope,
            listed_counts=part.listed_counts,
        )


def number_lookup_failures(failures: Iterable[ReadFailure], offset: int) -> Iterator[ReadFailure]:
    """What was missed, each without an id by its own place."""
    for number, failure in enumerate(failures, offset + 1):
        nameless = failure.object_id == UNIDENTIFIED_PREFIX
        yield (
            replace(failure, object_id=f"{UNIDENTIFIED_PREFIX}name-{number}")
            if nameless
            else failure
        )


async def inspect(
    tenant: DelegationPorts,
    context: ObserveContext[DelegationOptions],
    mailboxes: Sequence[Mailbox],
) -> Reading[DelegationItem]:
    """Who may open some mailboxes, or read their Inbox.

    It takes commands for each, so it is swept over the day. Between sweeps only those with an open
    case are asked, also with one of this very run: who gave away one right over a mailbox gives
    away others, and what was taken back is known sooner.
    """
    scope = frozenset(mailbox.id for mailbox in mailboxes)
    between = select_between_checks(mailboxes, context.open_case_ids)
    if not between and context.due_checks.isdisjoint(CHECKS):
        return Reading(sources=frozenset({MAILBOXES}), population=len(mailboxes), scope=scope)
    asked = {
        name: mailboxes if name in context.due_checks else between[: MAX_BETWEEN_CHECKS.get(name)]
        for name in CHECKS
    }
    granted, folders, add_ins = await asyncio.gather(
        tenant.delegation.read_full_access(asked[FULL_ACCESS]),
        tenant.delegation.read_folder_rights(asked[FOLDER_RIGHTS]),
        tenant.delegation.read_own_add_ins(asked[OWN_ADD_INS]),
    )
    held, misses = await look_up_holders(tenant, FULL_ACCESS, granted.items, context)
    shown, lost = await look_up_folder_holders(tenant, folders.items, context)
    failures = (
        *collect_failures((granted, folders)),
        *add_ins.failures,
        *add_check(misses, FULL_ACCESS),
        *add_check(lost, FOLDER_RIGHTS),
    )
    return Reading(
        items=(*held, *shown, *add_ins.items),
        failures=tuple(dict.fromkeys(failures)),
        sources=SOURCES,
        population=len(mailboxes),
        scope=scope,
        partial_scopes={
            name: frozenset(mailbox.id for mailbox in asked[name])
            for name in CHECKS
            if name not in context.due_checks
        },
    )


def add_check(failures: Sequence[ReadFailure], check: str) -> Iterator[ReadFailure]:
    """Failures of a look-up, those of it as a whole also as failures of the check that needed it.

    A check skips what it has read, so without these it would wait for another day.
    """
    yield from failures
    for failure in failures:
        if not failure.object_id and not failure.optional:
            yield replace(failure, source=check)


async def look_up_folder_holders(
    tenant: HasMailFlow,
    rights: Sequence[FolderRight],
    context: ObserveContext[DelegationOptions],
) -> tuple[tuple[GrantedRight, ...], tuple[ReadFailure, ...]]:
    """What each holder may do in the folders of each mailbox, and what could not be looked up."""
    by_holder: dict[Delegation, list[FolderRight]] = {}
    for one in rights:
        sid = find_sid(strip_account_prefix(one.holder))
        holder = Delegation(FOLDER_RIGHTS_NAME, one.holder, sid, one.mailbox)
        by_holder.setdefault(holder, []).append(one)
    held, lost = await look_up_holders(tenant, FOLDER_RIGHTS, tuple(by_holder), context)
    placed = (replace(one, folders=tuple(by_holder[one.delegation])) for one in held)
    return tuple(placed), lost


async def look_at(
    tenant: DelegationPorts,
    context: ObserveContext[DelegationOptions],
    mailboxes: Sequence[Mailbox],
) -> AsyncIterator[Reading[DelegationItem]]:
    """Who may open some mailboxes."""
    yield await inspect(tenant, context, mailboxes)


async def look_up_mailboxes(
    tenant: DelegationPorts, context: ObserveContext[DelegationOptions], ids: Sequence[str]
) -> Reading[DelegationItem]:
    """The mailboxes that the listing no longer shows, each looked for and asked alone."""
    found = await tenant.mailboxes.read_mailboxes(ids)
    boxes = [box for box in found.items if box.kind not in EXCLUDED_KINDS]
    read = await inspect(tenant, context, boxes)
    failures = (*found.failures, *read.failures)
    return replace(read, failures=failures, scope=select_answered(ids, found))


async def look_up_send_as(
    tenant: DelegationPorts, context: ObserveContext[DelegationOptions], ids: Sequence[str]
) -> Reading[DelegationItem]:
    """Who may send as recipients over whom the listing no longer shows a right."""
    names = {one.removeprefix(NAME_PREFIX): one for one in ids}
    read = await tenant.delegation.read_send_as_of(list(names))
    return await resolve_single_rights(tenant, SEND_AS, read, names, context)


async def look_up_send_on_behalf(
    tenant: DelegationPorts, context: ObserveContext[DelegationOptions], ids: Sequence[str]
) -> Reading[DelegationItem]:
    """Who may send on behalf of mailboxes that the listing no longer shows."""
    names = {one: one for one in ids}
    read = await tenant.delegation.read_send_on_behalf_of(ids)
    return await resolve_single_rights(tenant, SEND_ON_BEHALF, read, names, context)


async def resolve_single_rights(
    tenant: HasMailFlow,
    source: str,
    read: Reading[Delegation],
    ids: Mapping[str, str],
    context: ObserveContext[DelegationOptions],
) -> Reading[DelegationItem]:
    """The rights over single recipients with their holders; `ids` by what each was asked for."""
    held, unread = await look_up_holders(tenant, source, read.items, context)
    failures = (
        replace(failure, object_id=ids.get(failure.object_id, failure.object_id))
        for failure in read.failures
    )
    return Reading(
        items=held,
        failures=(*failures, *unread),
        sources=read.sources | {RECIPIENTS},
        scope=frozenset(ids.values()),
    )


async def look_up_holders(
    tenant: HasMailFlow,
    source: str,
    delegations: Sequence[Delegation],
    context: ObserveContext[DelegationOptions],
) -> tuple[tuple[GrantedRight, ...], tuple[ReadFailure, ...]]:
    """Delegations with their mailbox and holder, and what could not be looked up."""
    holders = {one.trustee for one in delegations if not needs_no_lookup(one)}
    names = holders | {one.mailbox_name for one in delegations if one.mailbox is None}
    answers = await read_holders(tenant, source, names)
    known = {person.name: person for person in answers.items}
    people, members = await look_up_group_members(
        tenant, KnownRecipients({name: known[name] for name in holders if name in known})
    )
    asks = any(is_group(one) or has_mail_elsewhere(one) for one in people.by_name.values())
    domains = await read_domains(tenant, context) if asks else TenantDomains()
    missing = collect_failures((answers,))
    blind = tuple(failure for failure in missing if not failure.object_id)
    held: list[GrantedRight] = []
    lost: dict[str, ReadFailure] = {}
    for one in delegations:
        person = (
            Recipient(one.trustee, found=False) if needs_no_lookup(one) else known.get(one.trustee)
        )
        mailbox = one.mailbox or build_delegated_mailbox(
            one.mailbox_name, known.get(one.mailbox_name)
        )
        if mailbox is None or person is None:
            failure = build_lookup_failure(source, one, mailbox, HOLDER_UNREAD)
            lost.setdefault(failure.object_id, failure)
            continue
        if is_own_right(mailbox, person):
            continue
        right, reason = place_holder(GrantedRight(one, mailbox, person), domains, people)
        if reason:
            failure = build_lookup_failure(source, one, mailbox, reason)
            lost.setdefault(failure.object_id, failure)
        held.append(right)
    if len(lost) > MAX_FAILED_LOOKUPS and not blind:
        blind = (
            ReadFailure(
                source, f"the holders of more than {MAX_FAILED_LOOKUPS} could not be looked up"
            ),
        )
    refused = tuple(one for one in collect_failures((members,)) if not one.object_id)
    return tuple(held), (*(blind or tuple(lost.values())), *refused)


async def read_holders(
    tenant: HasMailFlow, source: str, names: Collection[str]
) -> Reading[Recipient]:
    """Whom names stand for. Rows of a folder print a display name and nothing else."""
    if not names:
        return Reading()
    if source == FOLDER_RIGHTS:
        return await tenant.mail_flow.read_displayed(sorted(names))
    return await tenant.mail_flow.read_recipients(sorted(names))


async def read_domains(
    tenant: HasMailFlow, context: ObserveContext[DelegationOptions]
) -> TenantDomains:
    """The tenant's own domains; none where some may be missing.

    One that is new counts apart: whoever may add a domain makes a stranger look like a colleague.
    """
    read = await tenant.mail_flow.read_accepted_domains()
    gaps = [failure for failure in read.failures if not failure.optional]
    if gaps or not read.items or not read.complete:
        return TenantDomains()
    known, now = context.known_traits, context.policy.now
    settled = select_known_domains(read.items, known, now, lambda _: True)
    return TenantDomains(
        OwnDomains.from_accepted_domains(settled),
        OwnDomains.from_accepted_domains(read.items),
        OwnDomains.from_accepted_domains(list_missing_domains(read.items, known, now)),
    )


async def remember_domains(
    tenant: HasMailFlow, context: ObserveContext[DelegationOptions]
) -> Reading[DelegationItem]:
    """The domains of this look, for the next one to tell which are new."""
    read = await tenant.mail_flow.read_accepted_domains()
    whole = read.items and read.complete and not any(not one.optional for one in read.failures)
    rows = note_domains(read.items, context.known_traits, context.policy.now) if whole else ()
    return Reading(known_traits=rows, scope=frozenset())


def build_delegated_mailbox(name: str, found: Recipient | None) -> Mailbox | None:
    """The mailbox or group that Exchange named; None when it could not be asked.

    One that Exchange does not know by that name is known by the name: there is nothing else.
    """
    if found is None:
        return None
    known = found.id if found.found else ""
    return Mailbox(
        id=known or f"{NAME_PREFIX}{normalize_trustee(name)}",
        guid=known,
        address=found.address,
        name=name,
        kind=found.kind,
        has_account=False,
    )


def is_own_right(mailbox: Mailbox, recipient: Recipient) -> bool:
    """True for a right that says nothing: one's own, or over a mailbox of Exchange's."""
    return is_system_mailbox(mailbox) or (bool(recipient.id) and recipient.id == mailbox.id)


def build_lookup_failure(
    source: str, delegation: Delegation, mailbox: Mailbox | None, reason: str
) -> ReadFailure:
    """Somebody has a right, and who they are, or over what, could not be asked."""
    whose = mailbox.id if mailbox else UNIDENTIFIED_PREFIX
    subject = (
        format_delegated_mailbox(mailbox)
        if mailbox
        else quote_text(delegation.mailbox_name, MAX_TEXT_LENGTH)
    )
    return ReadFailure(source, reason, whose, subject)
