"""Asking Exchange who the recipients of forwards are, and which domains are the tenant's own."""

from collections.abc import Iterable, Mapping

from core.guards.mailbox_forwarding.forwards import list_flow_recipients, list_rule_recipients
from core.guards.mailbox_forwarding.recipients import (
    MAX_HOPS,
    OwnDomains,
    get_lookup_name,
    list_further_lookups,
)
from core.tenant.mail_flow import AcceptedDomain, InboxRule, Recipient, TransportRule
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import collect_failures, collect_sources
from core.tenant.port import HasMailFlow
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DOMAINS


def get_own_domains(domains: Reading[AcceptedDomain]) -> OwnDomains | None:
    """The tenant's own domains, unless some may be missing: then everything would look outside."""
    miss = domains.find_source_failure(DOMAINS)
    if not domains.items or not domains.complete or (miss and not miss.optional):
        return None
    return OwnDomains.from_accepted_domains(domains.items)


def list_domain_failures(domains: Reading[AcceptedDomain]) -> tuple[ReadFailure, ...]:
    """An answer without a single domain is no answer: every tenant has one."""
    if domains.items or domains.find_source_failure(DOMAINS):
        return ()
    return (ReadFailure(DOMAINS, "no accepted domain was named"),)


def list_lookup_names(
    mailboxes: Iterable[Mailbox],
    rules: Iterable[InboxRule],
    transport_rules: Iterable[TransportRule],
    own_domains: OwnDomains,
) -> set[str]:
    """The recipients Exchange has to be asked about: all that are not plainly outside."""
    names = {box.forwarding_address.strip() for box in mailboxes}
    names |= {get_lookup_name(box.forwarding_smtp_address, own_domains) for box in mailboxes}
    names |= {
        get_lookup_name(raw, own_domains) for rule in rules for _, raw in list_rule_recipients(rule)
    }
    names |= {
        get_lookup_name(raw, own_domains)
        for rule in transport_rules
        for _, raw in list_flow_recipients(rule)
    }
    return names - {""}


async def look_up_recipients(
    tenant: HasMailFlow, names: set[str], own_domains: OwnDomains | None
) -> tuple[Mapping[str, Recipient], Reading[Recipient]]:
    """What recipients stand for, and what those stand for that are contacts for own addresses."""
    known: dict[str, Recipient] = {}
    parts: list[Reading[Recipient]] = []
    wanted = names
    for _ in range(MAX_HOPS):
        if not wanted or own_domains is None:
            break
        part = await tenant.mail_flow.read_recipients(sorted(wanted))
        parts.append(part)
        known |= {recipient.name: recipient for recipient in part.items}
        asked = {miss.object_id for miss in part.failures} | set(known) | wanted
        wanted = set(list_further_lookups(known, own_domains)) - asked
    return known, Reading(failures=collect_failures(parts), sources=collect_sources(parts))
