"""Asking Exchange who the recipients of forwards are, and which domains are the tenant's own."""

from collections.abc import Iterable
from dataclasses import replace

from core.guards.mailbox_forwarding.domain_news import select_known_domains
from core.guards.mailbox_forwarding.forwards import list_flow_recipients, list_rule_recipients
from core.guards.mailbox_forwarding.options import ForwardingOptions
from core.guards.mailbox_forwarding.recipients import (
    MAX_HOPS,
    KnownRecipients,
    list_further_groups,
    list_further_lookups,
)
from core.microsoft365.addresses import OwnDomains, get_lookup_name
from core.model.guards import ObserveContext
from core.tenant.mail_flow import (
    AcceptedDomain,
    GroupMembers,
    InboxRule,
    Recipient,
    TransportRule,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import collect_failures, collect_sources
from core.tenant.port import HasMailFlow
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DOMAINS

MAX_GROUPS = 200
"""So many groups are looked into for one batch of mailboxes."""


def get_own_domains(
    domains: Reading[AcceptedDomain], context: ObserveContext[ForwardingOptions]
) -> OwnDomains | None:
    """The tenant's own domains, unless some may be missing: then everything would look outside.

    One that is new, and about which nobody has answered yet, is not among them.
    """
    failure = domains.find_source_failure(DOMAINS)
    if not domains.items or not domains.complete or (failure and not failure.optional):
        return None
    known = select_known_domains(
        domains.items, context.known_traits, context.open_case_ids, context.policy.now
    )
    return OwnDomains.from_accepted_domains(known)


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
) -> tuple[KnownRecipients, Reading[Recipient]]:
    """What recipients stand for, and what those stand for that are contacts or groups.

    Each round asks for the own addresses and the groups that the round before brought up.
    """
    known, asked, wanted = KnownRecipients(), set[str](), names
    parts: list[Reading[Recipient] | Reading[GroupMembers]] = []
    for _ in range(2 * MAX_HOPS):
        if own_domains is None:
            break
        groups = {group.key: group for group in list_further_groups(known)}
        groups = {key: group for key, group in groups.items() if key not in known.unread_groups}
        if not wanted and not groups:
            break
        if wanted:
            part = await tenant.mail_flow.read_recipients(sorted(wanted))
            parts.append(part)
            asked |= wanted | {failure.object_id for failure in part.failures}
            found = {recipient.name: recipient for recipient in part.items}
            known = replace(known, by_name={**known.by_name, **found})
        if groups:
            known, members = await look_into_groups(tenant, known, list(groups.values()))
            parts.append(members)
        wanted = set(list_further_lookups(known, own_domains)) - asked
    return known, Reading(failures=collect_failures(parts), sources=collect_sources(parts))


async def look_into_groups(
    tenant: HasMailFlow, known: KnownRecipients, groups: list[Recipient]
) -> tuple[KnownRecipients, Reading[GroupMembers]]:
    """The members of groups. A group of which they may not be read, or one too many, is named."""
    room = MAX_GROUPS - len(known.groups) - len(known.unread_groups)
    asked = groups[: max(room, 0)]
    members = await tenant.mail_flow.read_group_members(asked) if asked else Reading[GroupMembers]()
    refused = {
        group.key: f"its members cannot be read: {failure.reason}"
        for group in asked
        for failure in members.failures
        if failure.permission and failure.object_id in ("", group.key)
    }
    refused |= {group.key: "too many groups to look into at once" for group in groups[len(asked) :]}
    found = {group.group_key: group for group in members.items}
    return (
        replace(
            known,
            groups={**known.groups, **found},
            unread_groups={**known.unread_groups, **refused},
        ),
        members,
    )
