"""What is read of shared mailboxes: what they need a licence for, and how large they are."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import batched

from core.adapters.exchange.client import Command, ExchangeClient
from core.adapters.exchange.paging import fetch_paged_listing
from core.adapters.m365.exchange_queries import ALL_RESULTS, CHUNK_SIZE
from core.adapters.m365.parsing import ResponseRow, parse_each_row
from core.adapters.m365.shared_mailboxes.parse import (
    SHARED_PROPERTIES,
    parse_mailbox_size,
    parse_shared_mailbox,
)
from core.adapters.read_errors import (
    build_object_failures,
    build_read_failure,
    build_unavailable_reading,
)
from core.errors import NotFound, TenantError, Unavailable
from core.tenant.mailboxes import Mailbox, MailboxSize, SharedMailbox
from core.tenant.readings import Reading
from core.tenant.surfaces import MAILBOX_SIZES, SHARED_MAILBOXES

SHARED_KIND = "SharedMailbox"
NO_FIGURES = "Exchange has no figures of it: nobody has used it yet"
MAX_UNUSED = 20
"""Of more mailboxes than these some were used; that none has figures is an answer gone wrong."""

type RowsOrError = list[ResponseRow] | TenantError


async def fetch_shared_mailboxes(exchange: ExchangeClient) -> AsyncIterator[Reading[SharedMailbox]]:
    """Every shared mailbox, page by page."""
    command = Command(
        "Get-Mailbox", {**ALL_RESULTS, "RecipientTypeDetails": [SHARED_KIND]}, SHARED_PROPERTIES
    )
    async for page in fetch_paged_listing(
        exchange, SHARED_MAILBOXES, command, parse_shared_mailbox, lambda one: one.mailbox.id, ""
    ):
        yield page


async def fetch_shared_mailboxes_by_id(
    exchange: ExchangeClient, owners: Sequence[Mailbox]
) -> Reading[SharedMailbox]:
    """A few shared mailboxes by themselves. One that was converted meanwhile is none."""
    items: list[SharedMailbox] = []
    failures: dict[str, TenantError | str] = {}
    commands = [Command("Get-Mailbox", {"Identity": one.guid}, SHARED_PROPERTIES) for one in owners]
    for owner, rows in zip(owners, await exchange.invoke_batch(commands), strict=True):
        if isinstance(rows, NotFound):
            continue
        if isinstance(rows, TenantError):
            failures[owner.id] = rows
            continue
        found, broken = parse_each_row(rows, parse_shared_mailbox)
        if broken or [one.mailbox.id for one in found] != [owner.id]:
            failures[owner.id] = broken[0][1] if broken else "another mailbox than was asked for"
        else:
            items += (one for one in found if one.mailbox.kind == SHARED_KIND)
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(items),
        failures=build_object_failures(SHARED_MAILBOXES, failures, len(owners), subjects),
        sources=frozenset({SHARED_MAILBOXES}),
        population=len(owners),
    )


async def fetch_mailbox_sizes(
    exchange: ExchangeClient, owners: Sequence[Mailbox]
) -> Reading[MailboxSize]:
    """The size of each mailbox: there is no cmdlet for several.

    A mailbox that nobody has used has no figures, and Exchange answers with no row.
    """
    items: list[MailboxSize] = []
    failures: dict[str, TenantError | str] = {}
    unused: list[Mailbox] = []
    for part in batched(owners, CHUNK_SIZE, strict=False):
        commands = [build_size_command(owner) for owner in part]
        for owner, rows in zip(part, await exchange.invoke_batch(commands), strict=True):
            if rows == []:
                unused.append(owner)
            else:
                collect_mailbox_size(
                    rows, partial(parse_mailbox_size, owner.id), items, failures, owner.id
                )
    if len(unused) == len(owners) > MAX_UNUSED:
        error = Unavailable(f"Exchange has no figures of any of {len(owners)} mailboxes")
        return build_unavailable_reading(MAILBOX_SIZES, error)
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(items),
        failures=(
            *build_object_failures(MAILBOX_SIZES, failures, len(owners), subjects),
            *(
                build_read_failure(MAILBOX_SIZES, NO_FIGURES, one.id, one.address, optional=True)
                for one in unused
            ),
        ),
        sources=frozenset({MAILBOX_SIZES}),
        population=len(owners),
    )


def collect_mailbox_size(
    rows: RowsOrError,
    parse: Callable[[ResponseRow], MailboxSize],
    items: list[MailboxSize],
    failures: dict[str, TenantError | str],
    owner_id: str,
) -> None:
    """Take what was answered about one mailbox. A failure of one is its own."""
    if isinstance(rows, TenantError):
        failures[owner_id] = rows
        return
    found, broken = parse_each_row(rows, parse)
    if broken or len(found) != 1:
        failures[owner_id] = broken[0][1] if broken else "figures of more than one mailbox"
    else:
        items += found


def build_size_command(owner: Mailbox) -> Command:
    """The command that tells how large a mailbox is, sent to the server that holds it."""
    return Command(
        "Get-MailboxStatistics", {"Identity": owner.guid}, ("TotalItemSize",), owner.address
    )
