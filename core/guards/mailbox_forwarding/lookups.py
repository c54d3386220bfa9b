"""Which recipients of forwards are asked for, and which domains are the tenant's own. Pure."""

from collections.abc import Iterable

from core.guards.mailbox_forwarding.domain_news import build_domain_id
from core.guards.mailbox_forwarding.forwards import list_flow_recipients, list_rule_recipients
from core.guards.mailbox_forwarding.options import ForwardingOptions
from core.guards.mailbox_forwarding.outbound import OutboundSettings
from core.guards.mailbox_forwarding.stopping_rules import (
    GROUP_CONDITIONS,
    decides_forwards,
    stops_forwards,
)
from core.microsoft365.addresses import OwnDomains, get_lookup_name
from core.microsoft365.recipients import fold_group_name
from core.model.guards import ObserveContext
from core.tenant.domain_memory import (
    is_in_question,
    list_missing_domains,
    select_known_domains,
)
from core.tenant.mail_flow import (
    AcceptedDomain,
    InboxRule,
    TransportRule,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DOMAINS


def get_own_domains(
    domains: Reading[AcceptedDomain], context: ObserveContext[ForwardingOptions]
) -> OwnDomains | None:
    """The tenant's own domains, unless some may be missing: then everything would look outside.

    One that is new, and about which nobody has answered yet, is not among them. One that is missing
    for the first time relays mail to who knows where.
    """
    failure = domains.find_source_failure(DOMAINS)
    if not domains.items or not domains.complete or (failure and not failure.optional):
        return None
    known = select_known_domains(
        domains.items,
        context.known_traits,
        context.policy.now,
        lambda name: is_domain_asked(name, context),
    )
    missing = list_missing_domains(domains.items, context.known_traits, context.policy.now)
    return OwnDomains.from_accepted_domains([*known, *missing])


def is_domain_asked(name: str, context: ObserveContext[ForwardingOptions]) -> bool:
    """Whether nobody has answered yet about a new domain, by the name it is remembered by."""
    if context.knows_every_case:
        return build_domain_id(name) in context.open_case_ids
    return is_in_question(name, context.known_traits)


def list_condition_groups(settings: OutboundSettings) -> set[str]:
    """The groups by which policies and mail-flow rules choose the mail that may leave."""
    names = {
        fold_group_name(group)
        for policy in settings.policies or ()
        for scope in (policy.scope, policy.exceptions)
        for group in scope.groups
    }
    rules = settings.flow_rules or ()
    # Where no rule stops a forward, none lets one past.
    deciding = (
        [one for one in rules if decides_forwards(one)] if any(map(stops_forwards, rules)) else []
    )
    names |= {
        fold_group_name(group)
        for rule in deciding
        for parts in (rule.conditions, rule.exceptions)
        for kind in GROUP_CONDITIONS
        for group in parts.get(kind, ())
    }
    return names - {""}


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
