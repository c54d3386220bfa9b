"""What is read of shared mailboxes: what they need a licence for, and how large they are."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import batched

from core.adapters.exchange.client import Command, Exchange
from core.adapters.exchange.paging import paged
from core.adapters.m365.exchange_queries import ALL, SLICE
from core.adapters.m365.parsing import Row, each
from core.adapters.m365.shared_mailboxes.parse import (
    SHARED_PROPERTIES,
    mailbox_size,
    shared_mailbox,
)
from core.adapters.read_errors import blind, by_object, unread
from core.errors import Gone, TenantError, Unavailable
from core.tenant.mailboxes import Mailbox, MailboxSize, SharedMailbox
from core.tenant.readings import Reading
from core.tenant.surfaces import MAILBOX_SIZES, SHARED_MAILBOXES

KIND = "SharedMailbox"
NO_FIGURES = "Exchange has no figures of it: nobody has used it yet"
FEW = 20
"""Of more mailboxes than these some were used; that none has figures is an answer gone wrong."""

type Outcome = list[Row] | TenantError


async def shared_mailboxes(exchange: Exchange) -> AsyncIterator[Reading[SharedMailbox]]:
    """Every shared mailbox, page by page."""
    command = Command("Get-Mailbox", {**ALL, "RecipientTypeDetails": [KIND]}, SHARED_PROPERTIES)
    async for page in paged(
        exchange, SHARED_MAILBOXES, command, shared_mailbox, lambda one: one.mailbox.id, ""
    ):
        yield page


async def shared_mailboxes_of(
    exchange: Exchange, owners: Sequence[Mailbox]
) -> Reading[SharedMailbox]:
    """A few shared mailboxes by themselves. One that was converted meanwhile is none."""
    items: list[SharedMailbox] = []
    failures: dict[str, TenantError | str] = {}
    commands = [Command("Get-Mailbox", {"Identity": one.guid}, SHARED_PROPERTIES) for one in owners]
    for owner, rows in zip(owners, await exchange.batch(commands), strict=True):
        if isinstance(rows, Gone):
            continue
        if isinstance(rows, TenantError):
            failures[owner.id] = rows
            continue
        found, broken = each(rows, shared_mailbox)
        if broken or [one.mailbox.id for one in found] != [owner.id]:
            failures[owner.id] = broken[0][1] if broken else "another mailbox than was asked for"
        else:
            items += (one for one in found if one.mailbox.kind == KIND)
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(items),
        unread=by_object(SHARED_MAILBOXES, failures, len(owners), subjects),
        surfaces=frozenset({SHARED_MAILBOXES}),
        population=len(owners),
    )


async def mailbox_sizes(exchange: Exchange, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
    """The size of each mailbox: there is no cmdlet for several.

    A mailbox that nobody has used has no figures, and Exchange answers with no row.
    """
    items: list[MailboxSize] = []
    failures: dict[str, TenantError | str] = {}
    unused: list[Mailbox] = []
    for part in batched(owners, SLICE, strict=False):
        commands = [size_of(owner) for owner in part]
        for owner, rows in zip(part, await exchange.batch(commands), strict=True):
            if rows == []:
                unused.append(owner)
            else:
                take(rows, partial(mailbox_size, owner.id), items, failures, owner.id)
    if len(unused) == len(owners) > FEW:
        error = Unavailable(f"Exchange has no figures of any of {len(owners)} mailboxes")
        return blind(MAILBOX_SIZES, error)
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(items),
        unread=(
            *by_object(MAILBOX_SIZES, failures, len(owners), subjects),
            *(
                unread(MAILBOX_SIZES, NO_FIGURES, one.id, one.address, optional=True)
                for one in unused
            ),
        ),
        surfaces=frozenset({MAILBOX_SIZES}),
        population=len(owners),
    )


def take(
    rows: Outcome,
    parse: Callable[[Row], MailboxSize],
    items: list[MailboxSize],
    failures: dict[str, TenantError | str],
    owner_id: str,
) -> None:
    """Take what was answered about one mailbox. A failure of one is its own."""
    if isinstance(rows, TenantError):
        failures[owner_id] = rows
        return
    found, broken = each(rows, parse)
    if broken or len(found) != 1:
        failures[owner_id] = broken[0][1] if broken else "figures of more than one mailbox"
    else:
        items += found


def size_of(owner: Mailbox) -> Command:
    """The command that tells how large a mailbox is, sent to the server that holds it."""
    return Command(
        "Get-MailboxStatistics", {"Identity": owner.guid}, ("TotalItemSize",), owner.address
    )
