"""What is read through Exchange: mailboxes, hidden rules, recipients, mail flow, auditing."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from functools import partial
from itertools import batched

from core.adapters.exchange.client import Command, ExchangeClient
from core.adapters.exchange.paging import collect_row_ids, fetch_listing, fetch_paged_listing
from core.adapters.m365.inbox_rules_parse import parse_exchange_rule
from core.adapters.m365.mail_flow_parse import (
    RECIPIENT_PROPERTIES,
    parse_accepted_domain,
    parse_audit_bypass,
    parse_recipient,
    parse_remote_domain,
    parse_transport_rule,
)
from core.adapters.m365.mail_flow_parse import parse_outbound_policies as joined_policies
from core.adapters.m365.parsing import (
    AUDIT_PROPERTIES,
    FORWARDING_PROPERTIES,
    MAILBOX_PROPERTIES,
    parse_each_row,
    parse_mailbox,
    parse_mailbox_audit,
    parse_optional_bool,
    parse_text,
)
from core.adapters.read_errors import (
    build_object_failures,
    build_read_failure,
    build_row_failures,
    build_unavailable_reading,
)
from core.errors import NotFound, Rejected, TenantError, Unavailable
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
from core.tenant.readings import ReadFailure, Reading
from core.tenant.surfaces import (
    AUDIT_BYPASS,
    DOMAINS,
    HIDDEN_RULES,
    MAILBOX_AUDIT,
    MAILBOX_FORWARDS,
    MAILBOXES,
    ORGANIZATION_AUDIT,
    OUTBOUND_POLICIES,
    RECIPIENTS,
    TRANSPORT_RULES,
    UNIFIED_AUDIT_LOG,
)

ALL_RESULTS: Mapping[str, object] = {"ResultSize": "Unlimited"}
CHUNK_SIZE = 1_000
NAME_LIMIT = 1_000


# ----------------------------------------------------------------------------------------------
# Mailboxes and their rules
# ----------------------------------------------------------------------------------------------


async def fetch_mailboxes(
    exchange: ExchangeClient, kinds: Collection[str], after: str = ""
) -> AsyncIterator[Reading[Mailbox]]:
    """Every mailbox, or those of some kinds, page by page."""
    only = {"RecipientTypeDetails": sorted(kinds)} if kinds else {}
    command = Command("Get-Mailbox", {**ALL_RESULTS, **only}, MAILBOX_PROPERTIES)
    async for page in fetch_paged_listing(
        exchange, MAILBOXES, command, parse_mailbox, lambda one: one.id, after
    ):
        yield page


async def fetch_forwarding_mailboxes(exchange: ExchangeClient) -> Reading[Mailbox]:
    """The mailboxes with a forward of their own, as Exchange finds them by itself.

    Both properties can be filtered by (Microsoft Learn: Filterable properties for the -Filter
    parameter), so this is one request at any size of tenant.
    """
    command = Command(
        "Get-Mailbox",
        {
            **ALL_RESULTS,
            "Filter": "ForwardingAddress -ne $null -or ForwardingSmtpAddress -ne $null",
        },
        (*MAILBOX_PROPERTIES, *FORWARDING_PROPERTIES),
    )
    return await fetch_listing(exchange, MAILBOX_FORWARDS, command, parse_mailbox)


async def fetch_hidden_rules(
    exchange: ExchangeClient, owners: Sequence[Mailbox]
) -> Reading[InboxRule]:
    """The rules of each mailbox with the hidden ones: there is no cmdlet for several mailboxes."""
    items: list[InboxRule] = []
    failures: dict[str, TenantError | str] = {}
    for part in batched(owners, CHUNK_SIZE, strict=False):
        commands = [build_hidden_rules_command(owner) for owner in part]
        for owner, rows in zip(part, await exchange.invoke_batch(commands), strict=True):
            if isinstance(rows, TenantError):
                failures[owner.id] = rows
                continue
            rules, broken = parse_each_row(rows, partial(parse_exchange_rule, owner.id))
            items += rules
            if broken:
                failures[owner.id] = broken[0][1]
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(items),
        failures=build_object_failures(HIDDEN_RULES, failures, len(owners), subjects),
        sources=frozenset({HIDDEN_RULES}),
        population=len(owners),
    )


def build_hidden_rules_command(owner: Mailbox) -> Command:
    """The command that lists all rules of a mailbox, sent to the server that holds it."""
    parameters = {"Mailbox": owner.guid, "IncludeHidden": True, **ALL_RESULTS}
    return Command("Get-InboxRule", parameters, (), owner.address)


async def fetch_recipients(exchange: ExchangeClient, names: Collection[str]) -> Reading[Recipient]:
    """What names stand for. A name that nobody could have is answered without asking."""
    asked = [name for name in dict.fromkeys(names) if is_single_recipient_name(name)]
    items = [
        Recipient(name, found=False)
        for name in dict.fromkeys(names)
        if not is_single_recipient_name(name)
    ]
    failures: dict[str, TenantError | str] = {}
    for part in batched(asked, CHUNK_SIZE, strict=False):
        commands = [
            Command("Get-Recipient", {"Identity": name, "ResultSize": 2}, RECIPIENT_PROPERTIES)
            for name in part
        ]
        for name, rows in zip(part, await exchange.invoke_batch(commands), strict=True):
            match rows:
                case NotFound() | Rejected():
                    items.append(Recipient(name, found=False))
                case TenantError():
                    failures[name] = rows
                case _:
                    items.append(parse_recipient(name, rows))
    return Reading(
        items=tuple(items),
        failures=build_object_failures(RECIPIENTS, failures, len(asked), {}),
        sources=frozenset({RECIPIENTS}),
        population=len(items) + len(failures),
    )


def is_single_recipient_name(name: str) -> bool:
    """False for what cannot be the name of one recipient, and could mean all of them."""
    return len(name.strip(" *")) > 0 and len(name) <= NAME_LIMIT and name.isprintable()


# ----------------------------------------------------------------------------------------------
# Domains and mail flow
# ----------------------------------------------------------------------------------------------


async def fetch_accepted_domains(exchange: ExchangeClient) -> Reading[AcceptedDomain]:
    """The domains Exchange accepts mail for."""
    select = ("DomainName", "MatchSubDomains")
    return await fetch_listing(
        exchange, DOMAINS, Command("Get-AcceptedDomain", {}, select), parse_accepted_domain
    )


def merge_domains(
    accepted: Reading[AcceptedDomain], verified: Reading[AcceptedDomain]
) -> Reading[AcceptedDomain]:
    """The tenant's domains from both sources.

    Too few domains make insiders look like outsiders, whose rules would be disabled. So all is
    unread without those that Exchange accepts mail for: it alone knows which of them accept their
    subdomains. Entra's, which add those without mail, may be left out by not granting Graph's
    permission, but not be missing for a moment. One row that cannot be read may be any domain.
    """
    withheld = tuple(miss for miss in verified.failures if miss.permission and not miss.object_id)
    gaps = [*accepted.failures, *(miss for miss in verified.failures if miss not in withheld)]
    if gaps:
        gap = ReadFailure(DOMAINS, gaps[0].reason, permission=gaps[0].permission)
        return Reading(failures=(gap,), sources=frozenset({DOMAINS}))
    by_name: dict[str, AcceptedDomain] = {}
    for domain in (*verified.items, *accepted.items):
        known = by_name.get(domain.name)
        subdomains = domain.includes_subdomains or (known is not None and known.includes_subdomains)
        by_name[domain.name] = AcceptedDomain(domain.name, subdomains)
    misses = tuple(
        ReadFailure(DOMAINS, miss.reason, "graph", "", miss.permission, True) for miss in withheld
    )
    return Reading(
        items=tuple(by_name.values()),
        failures=misses,
        sources=frozenset({DOMAINS}),
        population=len(by_name),
        complete=accepted.complete and (verified.complete or bool(withheld)),
    )


async def fetch_remote_domains(exchange: ExchangeClient) -> Reading[RemoteDomain]:
    """Remote domain settings. Optional: they only say whether a forward gets through."""
    command = Command("Get-RemoteDomain", {}, ("DomainName", "AutoForwardEnabled"))
    return await fetch_listing(
        exchange, OUTBOUND_POLICIES, command, parse_remote_domain, optional=True
    )


async def fetch_outbound_policies(exchange: ExchangeClient) -> Reading[OutboundPolicy]:
    """Outbound spam policies with their rules; without the rules the policies say nothing."""
    select = ("Name", "Identity", "IsDefault", "AutoForwardingMode")
    try:
        policies = await exchange.invoke("Get-HostedOutboundSpamFilterPolicy", {}, select=select)
        rules = await exchange.invoke("Get-HostedOutboundSpamFilterRule", {})
        items = joined_policies(policies, rules)
    except TenantError as error:
        return build_unavailable_reading(OUTBOUND_POLICIES, error, optional=True)
    except ValueError as error:
        miss = build_read_failure(OUTBOUND_POLICIES, str(error), optional=True)
        return Reading(failures=(miss,), sources=frozenset({OUTBOUND_POLICIES}))
    return Reading(
        items=tuple(items), sources=frozenset({OUTBOUND_POLICIES}), population=len(items)
    )


async def fetch_transport_rules(exchange: ExchangeClient) -> Reading[TransportRule]:
    """The mail-flow rules of the organization."""
    command = Command("Get-TransportRule", ALL_RESULTS)
    return await fetch_listing(exchange, TRANSPORT_RULES, command, parse_transport_rule)


# ----------------------------------------------------------------------------------------------
# Auditing
# ----------------------------------------------------------------------------------------------


async def fetch_mailbox_audits(
    exchange: ExchangeClient, after: str = ""
) -> AsyncIterator[Reading[MailboxAudit]]:
    """Every mailbox with its audit settings, page by page."""
    command = Command("Get-Mailbox", ALL_RESULTS, (*MAILBOX_PROPERTIES, *AUDIT_PROPERTIES))
    async for page in fetch_paged_listing(
        exchange,
        MAILBOX_AUDIT,
        command,
        parse_mailbox_audit,
        lambda one: one.mailbox.id,
        after,
        never_empty=True,
    ):
        yield page


async def fetch_audit_bypasses(exchange: ExchangeClient) -> Reading[AuditBypass]:
    """The accounts whose actions are left out of all mailbox audit logs.

    The cmdlet lists everybody, so silence does not mean that nobody is left out.
    """
    select = ("Guid", "Name", "AuditBypassEnabled")
    command = Command("Get-MailboxAuditBypassAssociation", ALL_RESULTS, select)
    items: list[AuditBypass] = []
    misses: list[ReadFailure] = []
    population = 0
    try:
        async for rows, _ in exchange.read_pages(command):
            found, broken = parse_each_row(rows, parse_audit_bypass)
            items += (one for one in found if one.bypassed)
            misses += build_row_failures(AUDIT_BYPASS, broken, collect_row_ids(broken), len(misses))
            population += len(rows)
        if not population:
            raise Unavailable(f"{command.cmdlet} listed nobody at all")
    except TenantError as error:
        misses.append(build_read_failure(AUDIT_BYPASS, error))
    return Reading(tuple(items), tuple(misses), frozenset({AUDIT_BYPASS}), population)


async def fetch_organization_audit(exchange: ExchangeClient) -> Reading[OrganizationAudit]:
    """The organization's two switches, each of which may be unreadable by itself."""
    disabled, no_disabled = await try_read_switch(
        exchange, "Get-OrganizationConfig", "AuditDisabled", ORGANIZATION_AUDIT
    )
    unified, no_unified = await try_read_switch(
        exchange, "Get-AdminAuditLogConfig", "UnifiedAuditLogIngestionEnabled", UNIFIED_AUDIT_LOG
    )
    return Reading(
        items=(OrganizationAudit(disabled, unified),),
        failures=(*no_disabled, *no_unified),
        sources=frozenset({ORGANIZATION_AUDIT, UNIFIED_AUDIT_LOG}),
        population=1,
    )


async def try_read_switch(
    exchange: ExchangeClient, cmdlet: str, name: str, source: str
) -> tuple[bool | None, tuple[ReadFailure, ...]]:
    """One boolean of a configuration there is one of; None with the reason when it is not told."""
    try:
        rows = await exchange.invoke(cmdlet, {}, select=(name,))
    except TenantError as error:
        return None, (build_read_failure(source, error),)
    value = parse_optional_bool(rows[0].get(name)) if len(rows) == 1 else None
    if value is None:
        shown = f"{cmdlet} did not tell {name}: {len(rows)} rows, {parse_text(str(rows[:1]), 80)}"
        return None, (build_read_failure(source, shown),)
    return value, ()
