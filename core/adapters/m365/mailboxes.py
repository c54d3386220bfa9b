"""Mailboxes: rows of Get-Mailbox, and the listings of them."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.exchange.paging import fetch_listing, fetch_paged_listing
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_object_id,
    parse_recipient_kind,
    parse_recipient_text,
    parse_row_flag,
    parse_text,
)
from core.adapters.read_errors import build_object_failures
from core.errors import NotFound, TenantError
from core.tenant.mailboxes import FoundMailbox, Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import MAILBOX_FORWARDS, MAILBOXES

RELIES_ON = (
    "exchange-forward-filter",
    "exchange-empty-object-id",
)

ALL_RESULTS: Mapping[str, object] = {"ResultSize": "Unlimited"}
CHUNK_SIZE = 1_000
MAILBOX_PROPERTIES = (
    "ExternalDirectoryObjectId",
    "Guid",
    "PrimarySmtpAddress",
    "UserPrincipalName",
    "DisplayName",
    "Name",
    "RecipientTypeDetails",
    "IsDirSynced",
)
FORWARDING_PROPERTIES = (
    "ForwardingAddress",
    "ForwardingSmtpAddress",
    "DeliverToMailboxAndForward",
)


def parse_forwarding_address(row: ResponseRow, name: str) -> str:
    """A forwarding property. What is set but is no string would hide a forward: an error."""
    value = row.get(name)
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is not a string")
    return parse_recipient_text(value)


def parse_mailbox(row: ResponseRow) -> Mailbox:
    """A row of Get-Mailbox."""
    account = parse_object_id(row.get("ExternalDirectoryObjectId"))
    guid = parse_object_id(row.get("Guid")) or account
    if not guid:
        raise ValueError("a mailbox without a usable id")
    address = parse_text(row.get("PrimarySmtpAddress"), 512) or parse_text(
        row.get("UserPrincipalName"), 512
    )
    return Mailbox(
        id=account or guid,
        guid=guid,
        address=address,
        name=parse_text(row.get("DisplayName")) or parse_text(row.get("Name")),
        kind=parse_recipient_kind(row.get("RecipientTypeDetails")) or "UserMailbox",
        has_account=bool(account),
        synced=parse_row_flag(row, "IsDirSynced"),
        forwarding_address=parse_forwarding_address(row, "ForwardingAddress"),
        forwarding_smtp_address=parse_forwarding_address(row, "ForwardingSmtpAddress"),
        keeps_copy=parse_row_flag(row, "DeliverToMailboxAndForward"),
    )


@dataclass(frozen=True, slots=True)
class M365MailboxReader:
    """Implements MailboxReader on Exchange."""

    exchange: ExchangeClient

    async def list_mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        """Every mailbox, or those of some kinds, page by page."""
        only = {"RecipientTypeDetails": sorted(kinds)} if kinds else {}
        command = Command("Get-Mailbox", {**ALL_RESULTS, **only}, MAILBOX_PROPERTIES)
        async for page in fetch_paged_listing(
            self.exchange, MAILBOXES, command, parse_mailbox, lambda one: one.id, after
        ):
            yield page

    async def read_mailboxes(self, guids: Sequence[str]) -> Reading[Mailbox]:
        """A few mailboxes of any kind. One that is gone is absent."""
        items: list[Mailbox] = []
        failures: dict[str, TenantError | str] = {}
        commands = [Command("Get-Mailbox", {"Identity": one}, MAILBOX_PROPERTIES) for one in guids]
        for guid, rows in zip(guids, await list_each(self.exchange, commands), strict=True):
            if isinstance(rows, NotFound) or rows == []:
                continue
            if isinstance(rows, TenantError):
                failures[guid] = rows
                continue
            found, broken = parse_each_row(rows, parse_mailbox)
            if broken or [one.guid.lower() for one in found] != [guid.lower()]:
                failures[guid] = broken[0][1] if broken else "another mailbox than was asked for"
            else:
                items += found
        return Reading(
            items=tuple(items),
            failures=build_object_failures(MAILBOXES, failures, len(guids), {}),
            sources=frozenset({MAILBOXES}),
            population=len(guids),
        )

    async def find_mailboxes(self, names: Sequence[str]) -> Reading[FoundMailbox]:
        """The mailboxes that names mean. A name of several mailboxes is unread, and so is one whose
        look-up is refused: a weaker name might mean somebody else.
        """
        items: list[FoundMailbox] = []
        failures: dict[str, TenantError | str] = {}
        commands = [Command("Get-Mailbox", {"Identity": one}, MAILBOX_PROPERTIES) for one in names]
        for name, rows in zip(names, await list_each(self.exchange, commands), strict=True):
            if isinstance(rows, NotFound):
                continue
            if isinstance(rows, TenantError):
                failures[name] = rows
                continue
            found, broken = parse_each_row(rows, parse_mailbox)
            if broken:
                failures[name] = broken[0][1]
            elif len(found) > 1:
                failures[name] = f"it is the name of {len(found):,} mailboxes"
            elif found:
                items.append(FoundMailbox(name, found[0]))
        return Reading(
            items=tuple(items),
            failures=build_object_failures(MAILBOXES, failures, len(names), {}),
            sources=frozenset({MAILBOXES}),
            population=len(names),
        )

    async def read_forwarding_mailboxes(self) -> Reading[Mailbox]:
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
        return await fetch_listing(self.exchange, MAILBOX_FORWARDS, command, parse_mailbox)
