"""Asking Exchange who the recipients of forwards are, and which domains are the tenant's own."""

from collections.abc import Iterable, Mapping

from core.guards.mailbox_forwarding.forwards import flow_recipients, rule_recipients
from core.guards.mailbox_forwarding.recipients import HOPS, OwnDomains, further_questions, question
from core.tenant.mail_flow import AcceptedDomain, InboxRule, Recipient, TransportRule
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import missed, surfaces_of
from core.tenant.port import Tenant
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import DOMAINS


def own_domains(domains: Reading[AcceptedDomain]) -> OwnDomains | None:
    """The tenant's own domains, unless some may be missing: then everything would look outside."""
    miss = domains.blind_to(DOMAINS)
    if not domains.items or not domains.complete or (miss and not miss.optional):
        return None
    return OwnDomains.of(domains.items)


def unnamed(domains: Reading[AcceptedDomain]) -> tuple[Unread, ...]:
    """An answer without a single domain is no answer: every tenant has one."""
    if domains.items or domains.blind_to(DOMAINS):
        return ()
    return (Unread(DOMAINS, "no accepted domain was named"),)


def questions(
    boxes: Iterable[Mailbox],
    rules: Iterable[InboxRule],
    flow: Iterable[TransportRule],
    own: OwnDomains,
) -> set[str]:
    """The recipients Exchange has to be asked about: all that are not plainly outside."""
    names = {box.forwarding_address.strip() for box in boxes}
    names |= {question(box.forwarding_smtp_address, own) for box in boxes}
    names |= {question(raw, own) for rule in rules for _, raw in rule_recipients(rule)}
    names |= {question(raw, own) for rule in flow for _, raw in flow_recipients(rule)}
    return names - {""}


async def look_up(
    tenant: Tenant, names: set[str], own: OwnDomains | None
) -> tuple[Mapping[str, Recipient], Reading[Recipient]]:
    """What recipients stand for, and what those stand for that are contacts for own addresses."""
    known: dict[str, Recipient] = {}
    parts: list[Reading[Recipient]] = []
    wanted = names
    for _ in range(HOPS):
        if not wanted or own is None:
            break
        part = await tenant.recipients(sorted(wanted))
        parts.append(part)
        known |= {recipient.name: recipient for recipient in part.items}
        asked = {miss.object_id for miss in part.unread} | set(known) | wanted
        wanted = set(further_questions(known, own)) - asked
    return known, Reading(unread=missed(parts), surfaces=surfaces_of(parts))
