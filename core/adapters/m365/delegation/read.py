"""What is read of delegated mailboxes: mailbox by mailbox, or as a stream of the organization's."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import batched, chain

from core.adapters.exchange.client import Command, Exchange
from core.adapters.m365.delegation.parse import (
    PERMISSION_PROPERTIES,
    mailbox_rights,
    send_as_rights,
    send_on_behalf_rights,
)
from core.adapters.m365.exchange_queries import ALL, SLICE
from core.adapters.m365.parsing import MAILBOX_PROPERTIES, Row, each, object_id, text
from core.adapters.read_errors import by_object, unread
from core.errors import TenantError, Unavailable
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.readings import UNIDENTIFIED, Reading, Unread
from core.tenant.surfaces import FULL_ACCESS, SEND_AS, SEND_ON_BEHALF

BROKEN_LIMIT = 1_000
"""So many rows may be broken one by one; with more, the listing as a whole is not understood."""

NO_ROW = "Exchange told of no right at all, not even of the mailbox's own"


async def full_access(exchange: Exchange, owners: Sequence[Mailbox]) -> Reading[Delegation]:
    """The rights over each mailbox: there is no cmdlet for several.

    Every mailbox has a right over itself, so an answer without any row is none.
    """
    items: list[Delegation] = []
    failures: dict[str, TenantError | str] = {}
    for part in batched(owners, SLICE, strict=False):
        commands = [rights_over(owner) for owner in part]
        for owner, rows in zip(part, await exchange.batch(commands), strict=True):
            if isinstance(rows, TenantError):
                failures[owner.id] = rows
                continue
            found, broken = each(rows, partial(mailbox_rights, owner))
            items += chain.from_iterable(found)
            if broken:
                failures[owner.id] = broken[0][1]
            elif not rows:
                failures[owner.id] = NO_ROW
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(dict.fromkeys(items)),
        unread=by_object(FULL_ACCESS, failures, len(owners), subjects),
        surfaces=frozenset({FULL_ACCESS}),
        population=len(owners),
    )


def rights_over(owner: Mailbox) -> Command:
    """The command that lists the rights over a mailbox, sent to the server that holds it.

    Without its switch Exchange leaves out holders that it cannot name any more.
    """
    parameters = {"Identity": owner.guid, "IncludeUnresolvedPermissions": True, **ALL}
    return Command("Get-MailboxPermission", parameters, (), owner.address)


def send_as(exchange: Exchange) -> AsyncIterator[Reading[Delegation]]:
    """Who may send as whom. Every mailbox may as itself, so nobody at all is no answer."""
    command = Command("Get-RecipientPermission", ALL, PERMISSION_PROPERTIES)
    return streamed(exchange, SEND_AS, command, send_as_rights, never_empty=True)


def send_on_behalf(exchange: Exchange) -> AsyncIterator[Reading[Delegation]]:
    """Who may send on behalf of which mailbox.

    The property can be filtered by (Microsoft Learn: Filterable properties for the -Filter
    parameter), so only the mailboxes that have somebody are listed.
    """
    command = Command(
        "Get-Mailbox",
        {**ALL, "Filter": "GrantSendOnBehalfTo -ne $null"},
        (*MAILBOX_PROPERTIES, "GrantSendOnBehalfTo"),
    )
    return streamed(exchange, SEND_ON_BEHALF, command, send_on_behalf_rights)


async def streamed(
    exchange: Exchange,
    surface: str,
    command: Command,
    parse: Callable[[Row], tuple[Delegation, ...]],
    *,
    never_empty: bool = False,
) -> AsyncIterator[Reading[Delegation]]:
    """A listing page by page; the last part speaks of everybody, and of what was not read."""
    surfaces = frozenset({surface})
    misses: list[Unread] = []
    listed = 0
    try:
        async for rows, _ in exchange.pages(command):
            found, broken = each(rows, parse)
            listed += len(rows)
            misses += lost_rows(surface, broken, len(misses))
            if len(misses) > BROKEN_LIMIT:
                raise Unavailable(f"{command.cmdlet}: more than {BROKEN_LIMIT} rows make no sense")
            items = tuple(dict.fromkeys(chain.from_iterable(found)))
            if items:
                yield Reading(items=items, surfaces=surfaces, scope=frozenset())
        if never_empty and not listed:
            raise Unavailable(f"{command.cmdlet} listed nobody at all")
    except TenantError as error:
        misses = [unread(surface, error)]
    yield Reading(unread=tuple(misses), surfaces=surfaces)


def lost_rows(surface: str, broken: list[tuple[Row, str]], before: int) -> list[Unread]:
    """Rows that could not be understood, by the mailbox's id where they have one."""
    found = []
    for number, (row, reason) in enumerate(broken, before + 1):
        known = object_id(row.get("ExternalDirectoryObjectId")) or object_id(row.get("Guid"))
        name = text(row.get("PrimarySmtpAddress"), 200) or text(row.get("Identity"), 200)
        found.append(unread(surface, reason, known or f"{UNIDENTIFIED}{number}", name))
    return found
