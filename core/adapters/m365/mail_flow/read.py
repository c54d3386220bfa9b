"""The organization's mail flow, and whom a recipient name stands for."""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import batched
from uuid import uuid4

from core.adapters.api_errors import AMBIGUOUS
from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each, list_rows
from core.adapters.exchange.paging import fetch_listing
from core.adapters.exchange.single_objects import fetch_single_objects
from core.adapters.graph.client import GraphClient
from core.adapters.m365.async_cached import AsyncCached
from core.adapters.m365.mail_flow.groups import fetch_group_members
from core.adapters.m365.mail_flow.parse import (
    RECIPIENT_PROPERTIES,
    build_confirming_command,
    has_legacy_name,
    is_legacy_name,
    matches_recipient,
    parse_accepted_domain,
    parse_displayed,
    parse_recipient,
    parse_remote_domain,
    parse_verified_domain,
)
from core.adapters.m365.mail_flow.parse_rules import (
    parse_outbound_policies,
    parse_transport_rule,
)
from core.adapters.m365.mailboxes import ALL_RESULTS, CHUNK_SIZE
from core.adapters.parsing import ResponseRow, parse_each_row
from core.adapters.read_errors import (
    build_object_failures,
    build_read_failure,
    build_unavailable_reading,
)
from core.errors import Forbidden, NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.assumptions.exchange_objects import SINGLE_SETTINGS
from core.tenant.mail_flow import (
    AcceptedDomain,
    GroupMembers,
    OutboundPolicy,
    Recipient,
    RemoteDomain,
    TransportRule,
)
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DOMAINS, OUTBOUND_POLICIES, RECIPIENTS, TRANSPORT_RULES

RELIES_ON = ("exchange-recipient-by-dn", "exchange-legacy-control", SINGLE_SETTINGS)

# Nothing in it has a meaning in a filter.
PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,253}")
READ_DOMAINS = "Domain.Read.All"
RECIPIENT_NAME_LIMIT = 1_000
type RowsOrError = list[ResponseRow] | TenantError
# Most recipients cached within a run.
MAX_CACHED_RECIPIENTS = 4_096
# Most groups whose members are cached within a run.
MAX_CACHED_GROUPS = 64


class M365MailFlowReader:
    """Implements MailFlowReader. What is the same for the whole tenant is read once a run."""

    def __init__(self, graph: GraphClient, exchange: ExchangeClient) -> None:
        self.exchange = exchange
        self.read_accepted_domains = AsyncCached(partial(fetch_domains, graph, exchange))
        self.read_remote_domains = AsyncCached(partial(fetch_remote_domains, exchange))
        self.read_outbound_policies = AsyncCached(partial(fetch_outbound_policies, exchange))
        self.read_transport_rules = AsyncCached(partial(fetch_transport_rules, exchange))
        self.recipients: OrderedDict[str, Recipient] = OrderedDict()
        self.displayed: OrderedDict[str, Recipient] = OrderedDict()
        """By display name, and by nothing else."""
        self.groups: OrderedDict[str, GroupMembers] = OrderedDict()
        self.lock = asyncio.Lock()

    async def read_transport_rules_of(self, ids: Sequence[str]) -> Reading[TransportRule]:
        """A few mail-flow rules; one that is gone is absent."""
        commands = {one: Command("Get-TransportRule", {"Identity": one}) for one in ids}
        rules = await fetch_single_objects(
            self.exchange,
            commands,
            parse_transport_rule,
            lambda key, rule: key.casefold() == rule.id.casefold(),
            SINGLE_SETTINGS,
        )
        return rules.build_reading(TRANSPORT_RULES)

    async def read_recipients(self, names: Collection[str]) -> Reading[Recipient]:
        """Cached within the run: most forwards go to the same few recipients, batch after batch."""
        async with self.lock:
            known = {name: self.recipients[name] for name in names if name in self.recipients}
            unknown = [name for name in names if name not in known]
            found = await fetch_recipients(self.exchange, unknown)
            self.recipients |= {one.name: one for one in found.items}
            while len(self.recipients) > MAX_CACHED_RECIPIENTS:
                self.recipients.popitem(last=False)
        population = found.population + len(known)
        return replace(found, items=(*known.values(), *found.items), population=population)

    async def read_displayed(self, names: Collection[str]) -> Reading[Recipient]:
        """Cached within the run, as recipients are: a delegate holds rights over many folders."""
        async with self.lock:
            known = {name: self.displayed[name] for name in names if name in self.displayed}
            unknown = [name for name in names if name not in known]
            found = await fetch_displayed(self.exchange, unknown)
            self.displayed |= {one.name: one for one in found.items}
            while len(self.displayed) > MAX_CACHED_RECIPIENTS:
                self.displayed.popitem(last=False)
        population = found.population + len(known)
        return replace(found, items=(*known.values(), *found.items), population=population)

    async def read_group_members(self, groups: Sequence[Recipient]) -> Reading[GroupMembers]:
        """Cached within the run, as recipients are."""
        async with self.lock:
            keys = [group.key for group in groups]
            known = {key: self.groups[key] for key in keys if key in self.groups}
            unknown = [group for group in groups if group.key not in known]
            found = await fetch_group_members(self.exchange, unknown)
            self.groups |= {one.group_key: one for one in found.items}
            while len(self.groups) > MAX_CACHED_GROUPS:
                self.groups.popitem(last=False)
        population = found.population + len(known)
        return replace(found, items=(*known.values(), *found.items), population=population)


async def fetch_recipients(exchange: ExchangeClient, names: Collection[str]) -> Reading[Recipient]:
    """What names stand for. A name that no recipient can have costs no request."""
    requested = [name for name in dict.fromkeys(names) if is_single_recipient_name(name)]
    items = [
        Recipient(name, found=False)
        for name in dict.fromkeys(names)
        if not is_single_recipient_name(name)
    ]
    failures: dict[str, TenantError | str] = {}
    for part in batched(requested, CHUNK_SIZE, strict=False):
        commands = [build_recipient_command(name) for name in part]
        answers = dict(zip(part, await list_each(exchange, commands), strict=True))
        confirmed = await confirm_legacy_names(exchange, answers)
        confirmed |= await find_by_address(exchange, answers)
        for name, rows in answers.items():
            match confirmed.get(name, rows):
                case NotFound():
                    items.append(Recipient(name, found=False))
                case Rejected(verdict=verdict) if verdict == AMBIGUOUS:
                    items.append(Recipient(name, found=False, several=True))
                case TenantError() as error:
                    failures[name] = error
                case found:
                    is_confirmed = name in confirmed and is_legacy_name(name)
                    parse = partial(parse_recipient, name, found, is_confirmed)
                    take_understood(name, parse, items, failures)
    return Reading(
        items=tuple(items),
        failures=build_object_failures(RECIPIENTS, failures, len(requested), {}),
        sources=frozenset({RECIPIENTS}),
        population=len(items) + len(failures),
    )


def take_understood(
    name: str,
    parse: Callable[[], Recipient],
    items: list[Recipient],
    failures: dict[str, TenantError | str],
) -> None:
    """Add whom a name stands for to the items, or to the failures what nobody understands."""
    try:
        items.append(parse())
    except ValueError as error:
        failures[name] = str(error)


def build_recipient_command(name: str) -> Command:
    """The command that looks a recipient up; a second row shows that the name is not one's own."""
    return Command("Get-Recipient", {"Identity": name, "ResultSize": 2}, RECIPIENT_PROPERTIES)


async def fetch_displayed(exchange: ExchangeClient, names: Collection[str]) -> Reading[Recipient]:
    """Whom display names stand for.

    Get-Recipient would take a display name for any other name too, and an alias of one person may
    be the display name that another one chose; so it is filtered by the display name alone.
    """
    requested = [name for name in dict.fromkeys(names) if is_single_recipient_name(name)]
    items = [
        Recipient(name, found=False)
        for name in dict.fromkeys(names)
        if not is_single_recipient_name(name)
    ]
    failures: dict[str, TenantError | str] = {}
    for part in batched(requested, CHUNK_SIZE, strict=False):
        commands = [build_display_name_command(name) for name in part]
        for name, rows in zip(part, await list_each(exchange, commands), strict=True):
            if isinstance(rows, TenantError) and not isinstance(rows, NotFound):
                failures[name] = rows
            else:
                shown = [] if isinstance(rows, NotFound) else rows
                take_understood(name, partial(parse_displayed, name, shown), items, failures)
    return Reading(
        items=tuple(items),
        failures=build_object_failures(RECIPIENTS, failures, len(requested), {}),
        sources=frozenset({RECIPIENTS}),
        population=len(items) + len(failures),
    )


def build_display_name_command(name: str) -> Command:
    """The command that finds who bears a display name; a second row shows that several do."""
    quoted = name.replace("'", "''")
    parameters = {"Filter": f"DisplayName -eq '{quoted}'", "ResultSize": 2}
    return Command("Get-Recipient", parameters, RECIPIENT_PROPERTIES)


def build_address_command(address: str) -> Command:
    """The command that finds the owner of a plain address, whatever others are called."""
    parameters = {"Filter": f"EmailAddresses -eq 'smtp:{address}'", "ResultSize": 2}
    return Command("Get-Recipient", parameters, RECIPIENT_PROPERTIES)


async def find_by_address(
    exchange: ExchangeClient, answers: Mapping[str, RowsOrError]
) -> dict[str, RowsOrError]:
    """The owners of addresses that Exchange calls ambiguous, found by the address alone.

    Get-Recipient takes display names for identities too, and refuses an address that somebody else
    bears as a display name (CrowdStrike/CRT#39). An address itself belongs to one recipient.
    """
    names = [
        name
        for name, answer in answers.items()
        if isinstance(answer, Rejected)
        and answer.verdict == AMBIGUOUS
        and PLAIN_ADDRESS.fullmatch(name)
    ]
    commands = [build_address_command(name) for name in names]
    replies = await list_each(exchange, commands) if commands else []
    return {
        name: reply
        for name, reply in zip(names, replies, strict=True)
        if not isinstance(reply, Forbidden | NotFound) and reply != []
    }


async def confirm_legacy_names(
    exchange: ExchangeClient, answers: Mapping[str, RowsOrError]
) -> dict[str, RowsOrError]:
    """Confirm the single rows that were found by a legacy name and do not print it.

    Returns the rows of each name that is confirmed, no row for one that belongs to another object,
    and the error of one that could not be told.
    """
    rows = {
        name: found[0]
        for name, found in answers.items()
        if not isinstance(found, TenantError)
        and len(found) == 1
        and is_legacy_name(name)
        and not matches_recipient(found[0], name)
    }
    commands = {
        name: command for name, row in rows.items() if (command := build_confirming_command(row))
    }
    replies = dict(zip(commands, await list_each(exchange, [*commands.values()]), strict=True))
    found: dict[str, RowsOrError] = {}
    for name, reply in replies.items():
        if isinstance(reply, TenantError) and not isinstance(reply, Forbidden):
            found[name] = reply
        elif not isinstance(reply, TenantError):
            same = len(reply) == 1 and has_legacy_name(reply[0], rows[name].get("Guid"), name)
            found[name] = [rows[name]] if same else []
    # No cmdlet that the app may run prints the names of the others.
    rest = {name: row for name, row in rows.items() if name not in found}
    return found | await confirm_by_control(exchange, rest)


async def confirm_by_control(
    exchange: ExchangeClient, rows: Mapping[str, ResponseRow]
) -> dict[str, RowsOrError]:
    """Confirm rows, if Exchange finds nobody by a legacy name that nobody has.

    Some cmdlets list everyone for an identity that they do not understand. Where this one answers
    a made-up name with "not found", the row that it gave for another name is the one of that name.
    """
    if not rows:
        return {}
    made_up = f"/o={uuid4()}/cn={uuid4()}"
    (answer,) = await exchange.invoke_batch([build_recipient_command(made_up)])
    if isinstance(answer, NotFound):
        return {name: [row] for name, row in rows.items()}
    if not isinstance(answer, TenantError):
        answer = Unavailable("Get-Recipient lists recipients for a name that nobody has")
    return dict.fromkeys(rows, answer)


def is_single_recipient_name(name: str) -> bool:
    """False for what cannot be the name of one recipient, and could mean all of them."""
    return len(name.strip(" *")) > 0 and len(name) <= RECIPIENT_NAME_LIMIT and name.isprintable()


async def fetch_domains(graph: GraphClient, exchange: ExchangeClient) -> Reading[AcceptedDomain]:
    """The domains of Exchange and Entra."""
    return merge_domains(
        *await asyncio.gather(fetch_accepted_domains(exchange), fetch_verified_domains(graph))
    )


async def fetch_accepted_domains(exchange: ExchangeClient) -> Reading[AcceptedDomain]:
    """The domains Exchange accepts mail for."""
    select = ("DomainName", "DomainType", "MatchSubDomains")
    return await fetch_listing(
        exchange, DOMAINS, Command("Get-AcceptedDomain", {}, select), parse_accepted_domain
    )


async def fetch_verified_domains(graph: GraphClient) -> Reading[AcceptedDomain]:
    """The domains Entra has verified."""
    rows: list[ResponseRow] = []
    try:
        async for page in graph.read_pages("/domains", READ_DOMAINS):
            rows += page
    except TenantError as error:
        return build_unavailable_reading(DOMAINS, error)
    found, broken = parse_each_row(rows, parse_verified_domain)
    failures: tuple[ReadFailure, ...] = ()
    if broken:
        failures = (build_read_failure(DOMAINS, broken[0][1], optional=True),)
    return Reading(
        items=tuple(domain for domain in found if domain),
        failures=failures,
        sources=frozenset({DOMAINS}),
        population=len(rows),
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
    withheld = tuple(
        failure for failure in verified.failures if failure.permission and not failure.object_id
    )
    gaps = [
        *accepted.failures,
        *(failure for failure in verified.failures if failure not in withheld),
    ]
    if gaps:
        gap = ReadFailure(DOMAINS, gaps[0].reason, permission=gaps[0].permission)
        return Reading(failures=(gap,), sources=frozenset({DOMAINS}))
    by_name: dict[str, AcceptedDomain] = {}
    for domain in (*verified.items, *accepted.items):
        known = by_name.get(domain.name)
        subdomains = domain.includes_subdomains or (known is not None and known.includes_subdomains)
        by_name[domain.name] = replace(domain, includes_subdomains=subdomains)
    failures = tuple(
        ReadFailure(DOMAINS, failure.reason, "graph", "", failure.permission, True)
        for failure in withheld
    )
    return Reading(
        items=tuple(by_name.values()),
        failures=failures,
        sources=frozenset({DOMAINS}),
        population=len(by_name),
        complete=accepted.complete and (verified.complete or bool(withheld)),
    )


async def fetch_remote_domains(exchange: ExchangeClient) -> Reading[RemoteDomain]:
    """Remote domain settings. Optional: they only say whether a forward gets through."""
    command = Command("Get-RemoteDomain", ALL_RESULTS, ("DomainName", "AutoForwardEnabled"))
    return await fetch_listing(
        exchange, OUTBOUND_POLICIES, command, parse_remote_domain, optional=True
    )


async def fetch_outbound_policies(exchange: ExchangeClient) -> Reading[OutboundPolicy]:
    """Outbound spam policies with their rules; without the rules the policies say nothing."""
    select = ("Name", "Identity", "IsDefault", "AutoForwardingMode")
    try:
        policies = await list_rows(
            exchange, Command("Get-HostedOutboundSpamFilterPolicy", {}, select)
        )
        rules = await list_rows(exchange, Command("Get-HostedOutboundSpamFilterRule"))
        items = parse_outbound_policies(policies, rules)
    except TenantError as error:
        return build_unavailable_reading(OUTBOUND_POLICIES, error, optional=True)
    except ValueError as error:
        failure = build_read_failure(OUTBOUND_POLICIES, str(error), optional=True)
        return Reading(failures=(failure,), sources=frozenset({OUTBOUND_POLICIES}))
    return Reading(
        items=tuple(items), sources=frozenset({OUTBOUND_POLICIES}), population=len(items)
    )


async def fetch_transport_rules(exchange: ExchangeClient) -> Reading[TransportRule]:
    """The mail-flow rules of the organization."""
    command = Command("Get-TransportRule", ALL_RESULTS)
    return await fetch_listing(exchange, TRANSPORT_RULES, command, parse_transport_rule)
