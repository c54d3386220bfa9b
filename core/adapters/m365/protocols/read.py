"""By which protocols mailboxes can be reached, and who signs in by them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from urllib.parse import quote

from core.adapters.exchange.client import Command, Exchange
from core.adapters.exchange.paging import paged
from core.adapters.graph.client import Graph
from core.adapters.m365.exchange_queries import ALL
from core.adapters.m365.parsing import each
from core.adapters.m365.protocols.parse import (
    CAS_PROPERTIES,
    failed,
    mailbox_protocols,
    protocol_use,
)
from core.adapters.m365.verified_write import Sleep
from core.adapters.read_errors import blind, by_object, unread
from core.errors import Gone, TenantError
from core.tenant.mailboxes import MailboxProtocols, ProtocolUse
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import PROTOCOL_USE, PROTOCOLS

READ_SIGN_INS = "AuditLog.Read.All"
LICENCE = "Microsoft Entra ID P1 (a licence)"
NON_PREMIUM = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"

# Names of clients in the sign-in log (Microsoft Learn: signIn resource type). The log can only be
# filtered by equality, so each is a query of its own.
CLIENTS: Mapping[str, str] = {"smtp": "Authenticated SMTP", "imap": "IMAP4", "pop": "POP3"}
ROWS = 500
PAGES = 30
"""Of each protocol: a tenant that sends more by SMTP AUTH is known to use it."""
PAUSE = 2.0
"""Seconds between pages: reports allow 5 requests in 10 s (Microsoft Learn: Graph throttling)."""
ADDRESSES = 20


async def read_protocols(
    exchange: Exchange, after: str = ""
) -> AsyncIterator[Reading[MailboxProtocols]]:
    """Every mailbox with its protocols, page by page.

    None of the properties is among those a filter is documented for, and a filter that finds
    nothing is not told from a tenant in which nothing is wrong: so all are listed.
    """
    command = Command("Get-CASMailbox", ALL, CAS_PROPERTIES)
    async for page in paged(
        exchange,
        PROTOCOLS,
        command,
        mailbox_protocols,
        lambda one: one.mailbox.id,
        after,
        never_empty=True,
    ):
        yield page


async def protocols_of(exchange: Exchange, ids: Sequence[str]) -> Reading[MailboxProtocols]:
    """A few mailboxes by their accounts; who has none is absent."""
    commands = [Command("Get-CASMailbox", {"Identity": one}, CAS_PROPERTIES) for one in ids]
    items: list[MailboxProtocols] = []
    failures: dict[str, TenantError | str] = {}
    for asked, rows in zip(ids, await exchange.batch(commands), strict=True):
        if isinstance(rows, Gone) or rows == []:
            continue
        if isinstance(rows, TenantError):
            failures[asked] = rows
            continue
        found, broken = each(rows, mailbox_protocols)
        if broken or [one.mailbox.id for one in found] != [asked]:
            failures[asked] = broken[0][1] if broken else "another mailbox than was asked for"
        else:
            items += found
    return Reading(
        items=tuple(items),
        unread=by_object(PROTOCOLS, failures, len(ids), {}),
        surfaces=frozenset({PROTOCOLS}),
        population=len(ids),
    )


async def read_use(graph: Graph, since: datetime, sleep: Sleep) -> Reading[ProtocolUse]:
    """The accounts that signed in by a protocol since a moment. Needs Entra ID P1 besides the role.

    The log of v1.0 holds interactive sign-ins, among them those with a bare password. A client that
    brings a token got it as a modern app, and is not found under its protocol.
    """
    found: dict[tuple[str, str], ProtocolUse] = {}
    misses: list[Unread] = []
    try:
        for protocol in CLIENTS:
            reason = await gather(graph, protocol, since, sleep, found)
            if reason:
                misses.append(unread(PROTOCOL_USE, reason, protocol, optional=True))
    except TenantError as error:
        seen: Reading[ProtocolUse] = blind(PROTOCOL_USE, error)
        if NON_PREMIUM in str(error):
            lacking = (replace(miss, permission=LICENCE) for miss in seen.unread)
            return replace(seen, unread=tuple(lacking))
        return seen
    return Reading(
        items=tuple(found.values()),
        unread=tuple(misses),
        surfaces=frozenset({PROTOCOL_USE}),
        population=len(found),
    )


async def gather(
    graph: Graph,
    protocol: str,
    since: datetime,
    sleep: Sleep,
    found: dict[tuple[str, str], ProtocolUse],
) -> str:
    """Take the sign-ins of one protocol; why some of them are missing, "" when none is."""
    wanted = (
        f"createdDateTime ge {since:%Y-%m-%dT%H:%M:%SZ} "
        f"and clientAppUsed eq '{CLIENTS[protocol]}' and status/errorCode eq 0"
    )
    path = f"/auditLogs/signIns?$filter={quote(wanted, safe='/')}&$top={ROWS}"
    count, reason = 0, ""
    async for rows in graph.pages(path, READ_SIGN_INS):
        if count == PAGES:
            return f"more than {ROWS * PAGES} sign-ins, of which not all were read"
        succeeded = [row for row in rows if not failed(row)]
        uses, broken = each(succeeded, partial(protocol_use, protocol))
        reason = reason or (broken[0][1] if broken else "")
        for use in uses:
            key = (use.account_id, protocol)
            found[key] = joined(found[key], use) if key in found else use
        count += 1
        if len(rows) >= ROWS:
            await sleep(PAUSE)
    return reason


def joined(one: ProtocolUse, other: ProtocolUse) -> ProtocolUse:
    """Two sign-ins of an account by the same protocol."""
    later = one if one.last >= other.last else other
    addresses = tuple(sorted({*one.addresses, *other.addresses})[:ADDRESSES])
    return replace(later, addresses=addresses)
