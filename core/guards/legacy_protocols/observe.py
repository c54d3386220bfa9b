"""Reads mail protocol settings, and the sign-in log where a setting allows a protocol."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Protocol

from core.guards.legacy_protocols.items import (
    MAX_TEXT_LENGTH,
    ORGANIZATION,
    PLANS,
    POLICIES,
    SETTINGS,
    TRANSPORT,
    AuthenticationPolicy,
    LegacyProtocolMailbox,
    NewMailboxPlan,
    ProtocolItem,
    SmtpAuthSetting,
    allows_basic_smtp_auth,
    parse_protocol_switch,
)
from core.guards.legacy_protocols.options import ProtocolOptions
from core.guards.legacy_protocols.sign_in_evidence import NO_EVIDENCE, ProtocolEvidence, SignInLog
from core.guards.legacy_protocols.token_consents import CONSENT_SOURCES
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.model.guards import ObserveContext, SingleLook
from core.tenant.configuration import Configuration
from core.tenant.mailboxes import MailboxProtocols, ProtocolUse
from core.tenant.merging import PresenceTracker, collect_failures, collect_sources, count_listing
from core.tenant.port import HasAccounts, HasApps, HasConfiguration, HasMailboxes, HasProtocols
from core.tenant.quoting import quote_text
from core.tenant.readings import Reading
from core.tenant.sources import PROTOCOL_USE, PROTOCOLS, SIGN_INS

MAX_LOOKUPS = 200
"""Users of SMTP AUTH whose own setting is read; beyond that they all count as concerned."""


class ProtocolPorts(HasAccounts, HasApps, HasConfiguration, HasMailboxes, HasProtocols, Protocol):
    """The ports this guard reads."""


async def observe(
    tenant: ProtocolPorts, context: ObserveContext[ProtocolOptions]
) -> AsyncIterator[Reading[ProtocolItem]]:
    """The settings of the organization, then every mailbox; who uses what is only asked if needed.

    While the log cannot be read, what has an open case stays as it was last judged, and what has
    none is told without that knowledge.
    """
    log = SignInLog(tenant, context.policy)
    yield await read_organization_protocols(tenant, context, log)
    listed = PresenceTracker(context.open_case_ids)
    searches: frozenset[str] | None = None
    async for page in tenant.protocols.list_mailbox_protocols(context.continuation):
        listed.add_page(page)
        if searches is None and any(one.allowed or one.unknown for one in page.items):
            searches = await read_discovery_mailboxes(tenant)
        yield await build_protocol_batch(page, context, log, searches or frozenset())
    if not context.continuation:
        for rest in listed.build_absence_readings((PROTOCOLS, PROTOCOL_USE)):
            yield rest


async def look_up_mailboxes(
    tenant: ProtocolPorts, context: ObserveContext[ProtocolOptions], ids: Sequence[str]
) -> Reading[ProtocolItem]:
    """The mailboxes that the listing no longer shows, each asked alone."""
    read = await tenant.protocols.read_mailbox_protocols(ids)
    page = replace(read, scope=frozenset(ids))
    log = SignInLog(tenant, context.policy)
    return await build_protocol_batch(page, context, log, frozenset())


def build_single_look(source: str) -> SingleLook[ProtocolItem, ProtocolOptions]:
    """The look at single plans or policies that their listing no longer shows."""

    async def look_up(
        tenant: ProtocolPorts, context: ObserveContext[ProtocolOptions], ids: Sequence[str]
    ) -> Reading[ProtocolItem]:
        log = SignInLog(tenant, context.policy)
        alone = {source: await tenant.configuration.read_objects(source, ids)}
        read = await read_organization_protocols(tenant, context, log, alone)
        asked = (one for one in read.items if get_item_object_id(one) in ids)
        return replace(read, items=tuple(asked), scope=frozenset(ids))

    listing = get_configuration_source_name(source)
    return SingleLook(listing, frozenset({listing}), look_up)


async def read_organization_protocols(
    tenant: ProtocolPorts,
    context: ObserveContext[ProtocolOptions],
    log: SignInLog,
    alone: Mapping[str, Reading[Configuration]] = MappingProxyType({}),
) -> Reading[ProtocolItem]:
    """SMTP AUTH as a whole, the plans of new mailboxes, and authentication policies.

    `alone` are the sources of which single objects were read already, instead of their listing.
    """
    read = (transport, plans, policies, settings) = [
        alone.get(name) or await tenant.configuration.read_configuration(name)
        for name in (TRANSPORT, PLANS, POLICIES, SETTINGS)
    ]
    named = next((get_default_policy_name(one) for one in settings.items), None)
    items: list[ProtocolItem] = [NewMailboxPlan(plan) for plan in plans.items]
    for one in transport.items:
        disabled = parse_protocol_switch(one.values.get("SmtpClientAuthenticationDisabled"))
        items.append(
            SmtpAuthSetting(disabled, default_policy_text=describe_default_policy(named, policies))
        )
    if named is not None:
        items += [
            AuthenticationPolicy(one, matches_policy_name(named, one)) for one in policies.items
        ]
    if any(allows_legacy_sign_in(item) for item in items):
        await log.read_once()
    return Reading(
        items=tuple(
            [
                await add_protocol_users(tenant, item, log)
                for item in filter_judgeable_items(items, context, log)
            ]
        ),
        failures=(*collect_failures(read), *log.read_failures),
        sources=collect_sources(read) | {PROTOCOL_USE, SIGN_INS} | CONSENT_SOURCES,
        listed_counts={
            name: listed
            for listing in (plans, policies)
            for source in listing.sources
            for name, listed in count_listing(source, listing).items()
        },
    )


def allows_legacy_sign_in(item: ProtocolItem) -> bool:
    """True for a setting that somebody may be signing in by."""
    match item:
        case SmtpAuthSetting():
            return item.disabled is False
        case AuthenticationPolicy():
            return allows_basic_smtp_auth(item.policy) is True
        case LegacyProtocolMailbox():
            return bool(item.protocols.allowed)
        case NewMailboxPlan():
            return False


def filter_judgeable_items(
    items: Iterable[ProtocolItem], context: ObserveContext[ProtocolOptions], log: SignInLog
) -> Iterator[ProtocolItem]:
    """The items that can be judged: all, or without the log those that have no case yet."""
    for item in items:
        if not (
            log.is_failing
            and allows_legacy_sign_in(item)
            and get_item_object_id(item) in context.open_case_ids
        ):
            yield item


def get_item_object_id(item: ProtocolItem) -> str:
    """The object a finding about an item is about."""
    match item:
        case SmtpAuthSetting():
            return ORGANIZATION
        case NewMailboxPlan():
            return item.plan.id
        case AuthenticationPolicy():
            return item.policy.id
        case LegacyProtocolMailbox():
            return item.protocols.mailbox.id


async def add_protocol_users(
    tenant: ProtocolPorts, item: ProtocolItem, log: SignInLog
) -> ProtocolItem:
    """A setting of the organization with those who use what it allows."""
    if not allows_legacy_sign_in(item):
        return item
    evidence = log.find_evidence(("smtp",))
    match item:
        case AuthenticationPolicy():
            # A policy is about bare passwords, to which no consent to a token matters.
            users = None if item.is_default else await read_policy_users(tenant, item.policy)
            return replace(item, evidence=replace(evidence, consents=()), users=users)
        case SmtpAuthSetting():
            concerned = await filter_inheriting_users(tenant, evidence.uses)
            spared = len(evidence.uses) - len(concerned)
            return replace(
                item, evidence=replace(evidence, uses=concerned), own_setting_count=spared
            )
        case _:
            return item


async def read_policy_users(tenant: HasProtocols, policy: Configuration) -> tuple[str, ...] | None:
    """The first users a policy was given to; None where Exchange does not tell them."""
    name = policy.values.get("DistinguishedName")
    if not isinstance(name, str) or not name.strip():
        return None
    found = await tenant.protocols.read_policy_users(name.strip())
    return None if found.failures else found.items


async def filter_inheriting_users(
    tenant: HasProtocols, uses: tuple[ProtocolUse, ...]
) -> tuple[ProtocolUse, ...]:
    """The users whom the organization's switch concerns: all but those known to decide alone."""
    asked = [use.account_id for use in uses[:MAX_LOOKUPS]]
    if not asked:
        return uses
    found = await tenant.protocols.read_mailbox_protocols(asked)
    alone = {one.mailbox.id for one in found.items if "smtp" in one.allowed | one.denied}
    return tuple(use for use in uses if use.account_id not in alone)


async def read_discovery_mailboxes(tenant: HasMailboxes) -> frozenset[str]:
    """The mailboxes that hold the results of a search; no user can sign in to one.

    Get-CASMailbox does not return the kind of a mailbox. If these cannot be listed, they count
    like any other.
    """
    return frozenset(
        [
            box.id
            async for page in tenant.mailboxes.list_mailboxes(("DiscoveryMailbox",))
            for box in page.items
        ]
    )


async def build_protocol_batch(
    page: Reading[MailboxProtocols],
    context: ObserveContext[ProtocolOptions],
    log: SignInLog,
    excluded: frozenset[str],
) -> Reading[ProtocolItem]:
    """The mailboxes of a page in which something is open, with those who use it."""
    deviant = [
        LegacyProtocolMailbox(one)
        for one in page.items
        if (one.allowed or one.unknown) and one.mailbox.id not in excluded
    ]
    asks = any(allows_legacy_sign_in(item) for item in deviant)
    if asks:
        await log.read_once()
    items = [
        replace(item, evidence=find_mailbox_evidence(item.protocols, log))
        for item in filter_judgeable_items(deviant, context, log)
        if isinstance(item, LegacyProtocolMailbox)
    ]
    return page.with_items(
        tuple(items),
        (*collect_failures((page,)), *(log.read_failures if asks else ())),
        page.sources | {PROTOCOL_USE},
        page.population,
    )


def find_mailbox_evidence(protocols: MailboxProtocols, log: SignInLog) -> ProtocolEvidence:
    """Who uses what a mailbox allows. Without an account there is nobody to look for."""
    if not protocols.allowed:
        return NO_EVIDENCE
    found = log.find_evidence(protocols.allowed, protocols.mailbox.id)
    if not protocols.mailbox.has_account:
        return replace(found, doubts=(*found.doubts, "which account it belongs to is not told"))
    return found


def get_default_policy_name(settings: Configuration) -> str:
    """What the organization calls its default authentication policy, "" for none."""
    value = settings.values.get("DefaultAuthenticationPolicy")
    return value.strip() if isinstance(value, str) else ""


def matches_policy_name(name: str, policy: Configuration) -> bool:
    """True when a name, a path or a DN means this policy."""
    keys = (policy.id, policy.name, policy.values.get("DistinguishedName"))
    known = {key.strip().lower() for key in keys if isinstance(key, str) and key.strip()}
    wanted = name.strip().lower()
    last = wanted.replace("/", "\\").rpartition("\\")[2]
    first = wanted.removeprefix("cn=").partition(",")[0] if wanted.startswith("cn=") else wanted
    return not known.isdisjoint({wanted, last, first})


def describe_default_policy(name: str | None, policies: Reading[Configuration]) -> str:
    """What the default authentication policy says about bare passwords, in words."""
    if name is None:
        return "the default authentication policy is not known"
    if not name:
        return "no default authentication policy refuses bare passwords"
    shown = quote_text(name, MAX_TEXT_LENGTH)
    for policy in policies.items:
        if matches_policy_name(name, policy):
            allowed = allows_basic_smtp_auth(policy)
            if allowed is False:
                return f"the default authentication policy {shown} refuses bare passwords"
            if allowed:
                return f"the default authentication policy {shown} takes bare passwords"
    return f"what the default authentication policy {shown} says is not known"
