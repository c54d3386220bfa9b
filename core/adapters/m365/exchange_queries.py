"""What is read through Exchange: mailboxes, hidden rules, recipients, mail flow, auditing."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial
from itertools import batched

from core.adapters.exchange.client import Command, Exchange
from core.adapters.exchange.paging import ids_of, listing, paged
from core.adapters.m365.inbox_rules_parse import exchange_rule
from core.adapters.m365.mail_flow_parse import (
    RECIPIENT_PROPERTIES,
    accepted_domain,
    audit_bypass,
    recipient,
    remote_domain,
    transport_rule,
)
from core.adapters.m365.mail_flow_parse import outbound_policies as joined_policies
from core.adapters.m365.parsing import (
    AUDIT_PROPERTIES,
    FORWARDING_PROPERTIES,
    MAILBOX_PROPERTIES,
    each,
    mailbox,
    mailbox_audit,
    text,
    truth,
)
from core.adapters.read_errors import blind, broken_rows, by_object, unread
from core.errors import Gone, Refused, TenantError, Unavailable
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.mail_flow import (
    AcceptedDomain,
    InboxRule,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    TransportRule,
)
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import (
    AUDIT_BYPASS,
    DOMAINS,
    HIDDEN_RULES,
    MAILBOX_AUDIT,
    MAILBOX_FORWARDS,
    MAILBOXES,
    ORGANIZATION_AUDIT,
    OUTBOUND,
    RECIPIENTS,
    TRANSPORT_RULES,
    UNIFIED_AUDIT_LOG,
)

ALL: Mapping[str, object] = {"ResultSize": "Unlimited"}
SLICE = 1_000
NAME_LIMIT = 1_000


# ----------------------------------------------------------------------------------------------
# Mailboxes and their rules
# ----------------------------------------------------------------------------------------------


async def mailboxes(
    exchange: Exchange, kinds: Collection[str], after: str = ""
) -> AsyncIterator[Reading[Mailbox]]:
    """Every mailbox, or those of some kinds, page by page."""
    only = {"RecipientTypeDetails": sorted(kinds)} if kinds else {}
    command = Command("Get-Mailbox", {**ALL, **only}, MAILBOX_PROPERTIES)
    async for page in paged(exchange, MAILBOXES, command, mailbox, lambda one: one.id, after):
        yield page


async def forwarding_mailboxes(exchange: Exchange) -> Reading[Mailbox]:
    """The mailboxes with a forward of their own, as Exchange finds them by itself.

    Both properties can be filtered by (Microsoft Learn: Filterable properties for the -Filter
    parameter), so this is one request at any size of tenant.
    """
    command = Command(
        "Get-Mailbox",
        {**ALL, "Filter": "ForwardingAddress -ne $null -or ForwardingSmtpAddress -ne $null"},
        (*MAILBOX_PROPERTIES, *FORWARDING_PROPERTIES),
    )
    return await listing(exchange, MAILBOX_FORWARDS, command, mailbox)


async def hidden_rules(exchange: Exchange, owners: Sequence[Mailbox]) -> Reading[InboxRule]:
    """The rules of each mailbox with the hidden ones: there is no cmdlet for several mailboxes."""
    items: list[InboxRule] = []
    failures: dict[str, TenantError | str] = {}
    for part in batched(owners, SLICE, strict=False):
        commands = [hidden_rules_of(owner) for owner in part]
        for owner, rows in zip(part, await exchange.batch(commands), strict=True):
            if isinstance(rows, TenantError):
                failures[owner.id] = rows
                continue
            rules, broken = each(rows, partial(exchange_rule, owner.id))
            items += rules
            if broken:
                failures[owner.id] = broken[0][1]
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(items),
        unread=by_object(HIDDEN_RULES, failures, len(owners), subjects),
        surfaces=frozenset({HIDDEN_RULES}),
        population=len(owners),
    )


def hidden_rules_of(owner: Mailbox) -> Command:
    """The command that lists all rules of a mailbox, sent to the server that holds it."""
    parameters = {"Mailbox": owner.guid, "IncludeHidden": True, **ALL}
    return Command("Get-InboxRule", parameters, (), owner.address)


async def recipients(exchange: Exchange, names: Collection[str]) -> Reading[Recipient]:
    """What names stand for. A name that nobody could have is answered without asking."""
    asked = [name for name in dict.fromkeys(names) if is_askable(name)]
    items = [Recipient(name, found=False) for name in dict.fromkeys(names) if not is_askable(name)]
    failures: dict[str, TenantError | str] = {}
    for part in batched(asked, SLICE, strict=False):
        commands = [
            Command("Get-Recipient", {"Identity": name, "ResultSize": 2}, RECIPIENT_PROPERTIES)
            for name in part
        ]
        for name, rows in zip(part, await exchange.batch(commands), strict=True):
            match rows:
                case Gone() | Refused():
                    items.append(Recipient(name, found=False))
                case TenantError():
                    failures[name] = rows
                case _:
                    items.append(recipient(name, rows))
    return Reading(
        items=tuple(items),
        unread=by_object(RECIPIENTS, failures, len(asked), {}),
        surfaces=frozenset({RECIPIENTS}),
        population=len(items) + len(failures),
    )


def is_askable(name: str) -> bool:
    """False for what cannot be the name of one recipient, and could mean all of them."""
    return len(name.strip(" *")) > 0 and len(name) <= NAME_LIMIT and name.isprintable()


# ----------------------------------------------------------------------------------------------
# Domains and mail flow
# ----------------------------------------------------------------------------------------------


async def accepted_domains(exchange: Exchange) -> Reading[AcceptedDomain]:
    """The domains Exchange accepts mail for."""
    select = ("DomainName", "MatchSubDomains")
    return await listing(
        exchange, DOMAINS, Command("Get-AcceptedDomain", {}, select), accepted_domain
    )


def united_domains(
    accepted: Reading[AcceptedDomain], verified: Reading[AcceptedDomain]
) -> Reading[AcceptedDomain]:
    """The tenant's domains from both sources.

    Too few domains make insiders look like outsiders, whose rules would be disabled. So all is
    unread without those that Exchange accepts mail for: it alone knows which of them accept their
    subdomains. Entra's, which add those without mail, may be left out by not granting Graph's
    permission, but not be missing for a moment. One row that cannot be read may be any domain.
    """
    withheld = tuple(miss for miss in verified.unread if miss.permission and not miss.object_id)
    gaps = [*accepted.unread, *(miss for miss in verified.unread if miss not in withheld)]
    if gaps:
        gap = Unread(DOMAINS, gaps[0].reason, permission=gaps[0].permission)
        return Reading(unread=(gap,), surfaces=frozenset({DOMAINS}))
    by_name: dict[str, AcceptedDomain] = {}
    for domain in (*verified.items, *accepted.items):
        known = by_name.get(domain.name)
        subdomains = domain.subdomains or (known is not None and known.subdomains)
        by_name[domain.name] = AcceptedDomain(domain.name, subdomains)
    misses = tuple(
        Unread(DOMAINS, miss.reason, "graph", "", miss.permission, True) for miss in withheld
    )
    return Reading(
        items=tuple(by_name.values()),
        unread=misses,
        surfaces=frozenset({DOMAINS}),
        population=len(by_name),
        complete=accepted.complete and (verified.complete or bool(withheld)),
    )


async def remote_domains(exchange: Exchange) -> Reading[RemoteDomain]:
    """Remote domain settings. Optional: they only say whether a forward gets through."""
    command = Command("Get-RemoteDomain", {}, ("DomainName", "AutoForwardEnabled"))
    return await listing(exchange, OUTBOUND, command, remote_domain, optional=True)


async def outbound_policies(exchange: Exchange) -> Reading[OutboundPolicy]:
    """Outbound spam policies with their rules; without the rules the policies say nothing."""
    select = ("Name", "Identity", "IsDefault", "AutoForwardingMode")
    try:
        policies = await exchange.invoke("Get-HostedOutboundSpamFilterPolicy", {}, select=select)
        rules = await exchange.invoke("Get-HostedOutboundSpamFilterRule", {})
        items = joined_policies(policies, rules)
    except TenantError as error:
        return blind(OUTBOUND, error, optional=True)
    except ValueError as error:
        miss = unread(OUTBOUND, str(error), optional=True)
        return Reading(unread=(miss,), surfaces=frozenset({OUTBOUND}))
    return Reading(items=tuple(items), surfaces=frozenset({OUTBOUND}), population=len(items))


async def transport_rules(exchange: Exchange) -> Reading[TransportRule]:
    """The mail-flow rules of the organization."""
    command = Command("Get-TransportRule", ALL)
    return await listing(exchange, TRANSPORT_RULES, command, transport_rule)


# ----------------------------------------------------------------------------------------------
# Auditing
# ----------------------------------------------------------------------------------------------


async def mailbox_audits(
    exchange: Exchange, after: str = ""
) -> AsyncIterator[Reading[MailboxAudit]]:
    """Every mailbox with its audit settings, page by page."""
    command = Command("Get-Mailbox", ALL, (*MAILBOX_PROPERTIES, *AUDIT_PROPERTIES))
    async for page in paged(
        exchange,
        MAILBOX_AUDIT,
        command,
        mailbox_audit,
        lambda one: one.mailbox.id,
        after,
        never_empty=True,
    ):
        yield page


async def audit_bypasses(exchange: Exchange) -> Reading[AuditBypass]:
    """The accounts whose actions are left out of all mailbox audit logs.

    The cmdlet lists everybody, so silence does not mean that nobody is left out.
    """
    select = ("Guid", "Name", "AuditBypassEnabled")
    command = Command("Get-MailboxAuditBypassAssociation", ALL, select)
    items: list[AuditBypass] = []
    misses: list[Unread] = []
    population = 0
    try:
        async for rows, _ in exchange.pages(command):
            found, broken = each(rows, audit_bypass)
            items += (one for one in found if one.bypassed)
            misses += broken_rows(AUDIT_BYPASS, broken, ids_of(broken), len(misses))
            population += len(rows)
        if not population:
            raise Unavailable(f"{command.cmdlet} listed nobody at all")
    except TenantError as error:
        misses.append(unread(AUDIT_BYPASS, error))
    return Reading(tuple(items), tuple(misses), frozenset({AUDIT_BYPASS}), population)


async def organization_audit(exchange: Exchange) -> Reading[OrganizationAudit]:
    """The organization's two switches, each of which may be unreadable by itself."""
    disabled, no_disabled = await switch(
        exchange, "Get-OrganizationConfig", "AuditDisabled", ORGANIZATION_AUDIT
    )
    unified, no_unified = await switch(
        exchange, "Get-AdminAuditLogConfig", "UnifiedAuditLogIngestionEnabled", UNIFIED_AUDIT_LOG
    )
    return Reading(
        items=(OrganizationAudit(disabled, unified),),
        unread=(*no_disabled, *no_unified),
        surfaces=frozenset({ORGANIZATION_AUDIT, UNIFIED_AUDIT_LOG}),
        population=1,
    )


async def switch(
    exchange: Exchange, cmdlet: str, name: str, surface: str
) -> tuple[bool | None, tuple[Unread, ...]]:
    """One boolean of a configuration there is one of; None with the reason when it is not told."""
    try:
        rows = await exchange.invoke(cmdlet, {}, select=(name,))
    except TenantError as error:
        return None, (unread(surface, error),)
    value = truth(rows[0].get(name)) if len(rows) == 1 else None
    if value is None:
        shown = f"{cmdlet} did not tell {name}: {len(rows)} rows, {text(str(rows[:1]), 80)}"
        return None, (unread(surface, shown),)
    return value, ()
