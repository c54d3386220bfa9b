"""By which protocols mailboxes can be reached, and who signs in by them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from urllib.parse import quote

from core.adapters.exchange.client import Command, ExchangeClient
from core.adapters.exchange.paging import fetch_paged_listing
from core.adapters.graph.client import GraphClient
from core.adapters.m365.exchange_queries import ALL_RESULTS
from core.adapters.m365.parsing import parse_each_row
from core.adapters.m365.protocols.parse import (
    CAS_PROPERTIES,
    is_failed_sign_in,
    parse_mailbox_protocols,
    parse_protocol_use,
)
from core.adapters.m365.verified_write import Sleep
from core.adapters.read_errors import (
    build_object_failures,
    build_read_failure,
    build_unavailable_reading,
)
from core.errors import NotFound, TenantError
from core.tenant.mailboxes import MailboxProtocols, ProtocolUse
from core.tenant.readings import ReadFailure, Reading
from core.tenant.surfaces import PROTOCOL_USE, PROTOCOLS

READ_SIGN_INS = "AuditLog.Read.All"
REQUIRED_LICENCE = "Microsoft Entra ID P1 (a licence)"
NON_PREMIUM = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"

# Names of clients in the sign-in log (Microsoft Learn: signIn resource type). The log can only be
# filtered by equality, so each is a query of its own.
CLIENT_NAMES: Mapping[str, str] = {"smtp": "Authenticated SMTP", "imap": "IMAP4", "pop": "POP3"}
PAGE_SIZE = 500
MAX_PAGES = 30
"""Of each protocol: a tenant that sends more by SMTP AUTH is known to use it."""
PAGE_DELAY = 2.0
"""Seconds between pages: reports allow 5 requests in 10 s (Microsoft Learn: Graph throttling)."""
MAX_ADDRESSES = 20


async def fetch_mailbox_protocols(
    exchange: ExchangeClient, after: str = ""
) -> AsyncIterator[Reading[MailboxProtocols]]:
    """Every mailbox with its protocols, page by page.

    None of the properties is among those a filter is documented for, and a filter that finds
    nothing is not told from a tenant in which nothing is wrong: so all are listed.
    """
    command = Command("Get-CASMailbox", ALL_RESULTS, CAS_PROPERTIES)
    async for page in fetch_paged_listing(
        exchange,
        PROTOCOLS,
        command,
        parse_mailbox_protocols,
        lambda one: one.mailbox.id,
        after,
        never_empty=True,
    ):
        yield page


async def fetch_protocols_by_id(
    exchange: ExchangeClient, ids: Sequence[str]
) -> Reading[MailboxProtocols]:
    """A few mailboxes by their accounts; who has none is absent."""
    commands = [Command("Get-CASMailbox", {"Identity": one}, CAS_PROPERTIES) for one in ids]
    items: list[MailboxProtocols] = []
    failures: dict[str, TenantError | str] = {}
    for asked, rows in zip(ids, await exchange.invoke_batch(commands), strict=True):
        if isinstance(rows, NotFound) or rows == []:
            continue
        if isinstance(rows, TenantError):
            failures[asked] = rows
            continue
        found, broken = parse_each_row(rows, parse_mailbox_protocols)
        if broken or [one.mailbox.id for one in found] != [asked]:
            failures[asked] = broken[0][1] if broken else "another mailbox than was asked for"
        else:
            items += found
    return Reading(
        items=tuple(items),
        failures=build_object_failures(PROTOCOLS, failures, len(ids), {}),
        sources=frozenset({PROTOCOLS}),
        population=len(ids),
    )


async def fetch_protocol_use(
    graph: GraphClient, since: datetime, sleep: Sleep
) -> Reading[ProtocolUse]:
    """The accounts that signed in by a protocol since a moment. Needs Entra ID P1 besides the role.

    The log of v1.0 holds interactive sign-ins, among them those with a bare password. A client that
    brings a token got it as a modern app, and is not found under its protocol.
    """
    found: dict[tuple[str, str], ProtocolUse] = {}
    misses: list[ReadFailure] = []
    try:
        for protocol in CLIENT_NAMES:
            reason = await collect_protocol_sign_ins(graph, protocol, since, sleep, found)
            if reason:
                misses.append(build_read_failure(PROTOCOL_USE, reason, protocol, optional=True))
    except TenantError as error:
        seen: Reading[ProtocolUse] = build_unavailable_reading(PROTOCOL_USE, error)
        if NON_PREMIUM in str(error):
            lacking = (replace(miss, permission=REQUIRED_LICENCE) for miss in seen.failures)
            return replace(seen, failures=tuple(lacking))
        return seen
    return Reading(
        items=tuple(found.values()),
        failures=tuple(misses),
        sources=frozenset({PROTOCOL_USE}),
        population=len(found),
    )


async def collect_protocol_sign_ins(
    graph: GraphClient,
    protocol: str,
    since: datetime,
    sleep: Sleep,
    uses_by_account: dict[tuple[str, str], ProtocolUse],
) -> str:
    """Take the sign-ins of one protocol; why some of them are missing, "" when none is."""
    wanted = (
        f"createdDateTime ge {since:%Y-%m-%dT%H:%M:%SZ} "
        f"and clientAppUsed eq '{CLIENT_NAMES[protocol]}' and status/errorCode eq 0"
    )
    path = f"/auditLogs/signIns?$filter={quote(wanted, safe='/')}&$top={PAGE_SIZE}"
    count, reason = 0, ""
    async for rows in graph.read_pages(path, READ_SIGN_INS):
        if count == MAX_PAGES:
            return f"more than {PAGE_SIZE * MAX_PAGES} sign-ins, of which not all were read"
        succeeded = [row for row in rows if not is_failed_sign_in(row)]
        uses, broken = parse_each_row(succeeded, partial(parse_protocol_use, protocol))
        reason = reason or (broken[0][1] if broken else "")
        for use in uses:
            key = (use.account_id, protocol)
            uses_by_account[key] = (
                merge_protocol_use(uses_by_account[key], use) if key in uses_by_account else use
            )
        count += 1
        if len(rows) >= PAGE_SIZE:
            await sleep(PAGE_DELAY)
    return reason


def merge_protocol_use(one: ProtocolUse, other: ProtocolUse) -> ProtocolUse:
    """Two sign-ins of an account by the same protocol."""
    later = one if one.last_used >= other.last_used else other
    addresses = tuple(sorted({*one.addresses, *other.addresses})[:MAX_ADDRESSES])
    return replace(later, addresses=addresses)
