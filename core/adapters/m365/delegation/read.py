"""What is read of delegated mailboxes: mailbox by mailbox, or as a stream of the organization's."""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from itertools import batched, chain

from core.adapters.exchange.client import Command, ExchangeClient
from core.adapters.m365.delegation.parse import (
    PERMISSION_PROPERTIES,
    parse_mailbox_rights,
    parse_send_as_rights,
    parse_send_on_behalf_rights,
)
from core.adapters.m365.exchange_queries import ALL_RESULTS, CHUNK_SIZE
from core.adapters.m365.parsing import (
    MAILBOX_PROPERTIES,
    ResponseRow,
    parse_each_row,
    parse_object_id,
    parse_text,
)
from core.adapters.read_errors import build_object_failures, build_read_failure
from core.errors import TenantError, Unavailable
from core.tenant.mailboxes import Delegation, Mailbox
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure, Reading
from core.tenant.surfaces import FULL_ACCESS, SEND_AS, SEND_ON_BEHALF

MAX_BROKEN_ROWS = 1_000
"""So many rows may be broken one by one; with more, the listing as a whole is not understood."""

NO_ROW = "Exchange told of no right at all, not even of the mailbox's own"


async def fetch_full_access(
    exchange: ExchangeClient, owners: Sequence[Mailbox]
) -> Reading[Delegation]:
    """The rights over each mailbox: there is no cmdlet for several.

    Every mailbox has a right over itself, so an answer without any row is none.
    """
    items: list[Delegation] = []
    failures: dict[str, TenantError | str] = {}
    for part in batched(owners, CHUNK_SIZE, strict=False):
        commands = [build_rights_command(owner) for owner in part]
        for owner, rows in zip(part, await exchange.invoke_batch(commands), strict=True):
            if isinstance(rows, TenantError):
                failures[owner.id] = rows
                continue
            found, broken = parse_each_row(rows, partial(parse_mailbox_rights, owner))
            items += chain.from_iterable(found)
            if broken:
                failures[owner.id] = broken[0][1]
            elif not rows:
                failures[owner.id] = NO_ROW
    subjects = {owner.id: owner.address for owner in owners}
    return Reading(
        items=tuple(dict.fromkeys(items)),
        failures=build_object_failures(FULL_ACCESS, failures, len(owners), subjects),
        sources=frozenset({FULL_ACCESS}),
        population=len(owners),
    )


def build_rights_command(owner: Mailbox) -> Command:
    """The command that lists the rights over a mailbox, sent to the server that holds it.

    Without its switch Exchange leaves out holders that it cannot name any more.
    """
    parameters = {"Identity": owner.guid, "IncludeUnresolvedPermissions": True, **ALL_RESULTS}
    return Command("Get-MailboxPermission", parameters, (), owner.address)


def fetch_send_as(exchange: ExchangeClient) -> AsyncIterator[Reading[Delegation]]:
    """Who may send as whom. Every mailbox may as itself, so nobody at all is no answer."""
    command = Command("Get-RecipientPermission", ALL_RESULTS, PERMISSION_PROPERTIES)
    return stream_delegations(exchange, SEND_AS, command, parse_send_as_rights, never_empty=True)


def fetch_send_on_behalf(exchange: ExchangeClient) -> AsyncIterator[Reading[Delegation]]:
    """Who may send on behalf of which mailbox.

    The property can be filtered by (Microsoft Learn: Filterable properties for the -Filter
    parameter), so only the mailboxes that have somebody are listed.
    """
    command = Command(
        "Get-Mailbox",
        {**ALL_RESULTS, "Filter": "GrantSendOnBehalfTo -ne $null"},
        (*MAILBOX_PROPERTIES, "GrantSendOnBehalfTo"),
    )
    return stream_delegations(exchange, SEND_ON_BEHALF, command, parse_send_on_behalf_rights)


async def stream_delegations(
    exchange: ExchangeClient,
    source: str,
    command: Command,
    parse: Callable[[ResponseRow], tuple[Delegation, ...]],
    *,
    never_empty: bool = False,
) -> AsyncIterator[Reading[Delegation]]:
    """A listing page by page; the last part speaks of everybody, and of what was not read."""
    surfaces = frozenset({source})
    misses: list[ReadFailure] = []
    listed = 0
    try:
        async for rows, _ in exchange.read_pages(command):
            found, broken = parse_each_row(rows, parse)
            listed += len(rows)
            misses += build_delegation_failures(source, broken, len(misses))
            if len(misses) > MAX_BROKEN_ROWS:
                raise Unavailable(
                    f"{command.cmdlet}: more than {MAX_BROKEN_ROWS} rows make no sense"
                )
            items = tuple(dict.fromkeys(chain.from_iterable(found)))
            if items:
                yield Reading(items=items, sources=surfaces, scope=frozenset())
        if never_empty and not listed:
            raise Unavailable(f"{command.cmdlet} listed nobody at all")
    except TenantError as error:
        misses = [build_read_failure(source, error)]
    yield Reading(failures=tuple(misses), sources=surfaces)


def build_delegation_failures(
    source: str, broken: list[tuple[ResponseRow, str]], previous_count: int
) -> list[ReadFailure]:
    """Rows that could not be understood, by the mailbox's id where they have one."""
    found = []
    for number, (row, reason) in enumerate(broken, previous_count + 1):
        known = parse_object_id(row.get("ExternalDirectoryObjectId")) or parse_object_id(
            row.get("Guid")
        )
        name = parse_text(row.get("PrimarySmtpAddress"), 200) or parse_text(
            row.get("Identity"), 200
        )
        found.append(
            build_read_failure(source, reason, known or f"{UNIDENTIFIED_PREFIX}{number}", name)
        )
    return found
