"""Mailboxes: rows of Get-Mailbox, and the listings of them."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import cast

from msgspec.structs import replace

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.paging import fetch_listing, fetch_paged_listing
from core.adapters.exchange.single_objects import fetch_single_objects
from core.adapters.parsing import (
    ResponseRow,
    are_plain_guids,
    parse_object_id,
    parse_optional_id,
    parse_recipient_kind,
    parse_recipient_text,
    parse_row_flag,
    parse_text,
)
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
LISTED_PROPERTIES = (
    "ExternalDirectoryObjectId",
    "Guid",
    "PrimarySmtpAddress",
    "UserPrincipalName",
    "RecipientTypeDetails",
)
"""What is listed of all mailboxes, which are then looked into one by one."""
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


def parse_mailbox_kind(row: ResponseRow) -> str:
    """What kind of mailbox it is. Raises ValueError where it is said and cannot be understood."""
    printed = row.get("RecipientTypeDetails")
    kind = parse_recipient_kind(printed)
    if not kind and printed not in (None, ""):
        raise ValueError("a mailbox whose kind cannot be read")
    return kind or "UserMailbox"


def parse_listed_mailbox(row: ResponseRow) -> Mailbox:
    """A row of Get-Mailbox with its `LISTED_PROPERTIES`."""
    account = parse_optional_id(row.get("ExternalDirectoryObjectId"))
    guid = parse_object_id(row.get("Guid")) or account
    if not guid:
        raise ValueError("a mailbox without a usable id")
    return build_listed_mailbox(row, account, guid)


def parse_usual_mailboxes(rows: Sequence[ResponseRow]) -> list[Mailbox] | None:
    """The same of a page on which every mailbox has both ids in their usual form, and a kind that
    can be read; otherwise None.

    Looking at each id by itself takes longer than all the rest.
    """
    accounts = [row.get("ExternalDirectoryObjectId") for row in rows]
    guids = [row.get("Guid") for row in rows]
    if not (are_plain_guids(accounts) and are_plain_guids(guids)):
        return None
    ids = cast("Iterable[tuple[str, str]]", zip(accounts, guids, strict=True))
    try:
        return [
            build_listed_mailbox(row, account, guid)
            for row, (account, guid) in zip(rows, ids, strict=True)
        ]
    except ValueError:
        return None


def build_listed_mailbox(row: ResponseRow, account: str, guid: str) -> Mailbox:
    """A mailbox whose ids are known; `account` is empty where it has none."""
    address = parse_text(row.get("PrimarySmtpAddress"), 512) or parse_text(
        row.get("UserPrincipalName"), 512
    )
    return Mailbox(
        account or guid,
        guid,
        address,
        kind=parse_mailbox_kind(row),
        has_account=bool(account),
    )


def parse_mailbox(row: ResponseRow) -> Mailbox:
    """A row of Get-Mailbox."""
    return replace(
        parse_listed_mailbox(row),
        name=parse_text(row.get("DisplayName")) or parse_text(row.get("Name")),
        synced=parse_row_flag(row, "IsDirSynced"),
        forwarding_address=parse_forwarding_address(row, "ForwardingAddress"),
        forwarding_smtp_address=parse_forwarding_address(row, "ForwardingSmtpAddress"),
        keeps_copy=parse_row_flag(row, "DeliverToMailboxAndForward"),
    )


def build_mailbox_commands(keys: Iterable[str], properties: Collection[str]) -> dict[str, Command]:
    """The commands that show single mailboxes, by the key each is asked for by."""
    return {key: Command("Get-Mailbox", {"Identity": key}, properties) for key in keys}


def is_mailbox(key: str, box: Mailbox) -> bool:
    """Whether a mailbox is the one that an id or a Guid means."""
    return key.lower() in (box.id, box.guid)


@dataclass(frozen=True, slots=True)
class M365MailboxReader:
    """Implements MailboxReader on Exchange."""

    exchange: ExchangeClient

    async def list_mailboxes(
        self, kinds: Collection[str] = (), after: str = ""
    ) -> AsyncIterator[Reading[Mailbox]]:
        """Every mailbox with its ids, address and kind, page by page; or those of some kinds, with
        all that is known of them.
        """
        only = {"RecipientTypeDetails": sorted(kinds)} if kinds else {}
        select, parse, parse_usual_page = (
            (MAILBOX_PROPERTIES, parse_mailbox, None)
            if kinds
            else (LISTED_PROPERTIES, parse_listed_mailbox, parse_usual_mailboxes)
        )
        command = Command("Get-Mailbox", {**ALL_RESULTS, **only}, select)
        async for page in fetch_paged_listing(
            self.exchange,
            MAILBOXES,
            command,
            parse,
            attrgetter("id"),
            after,
            parse_usual_page=parse_usual_page,
        ):
            yield page

    async def read_mailboxes(self, ids: Sequence[str]) -> Reading[Mailbox]:
        """A few mailboxes of any kind, by their id or Guid. One that is gone is absent."""
        commands = build_mailbox_commands(ids, MAILBOX_PROPERTIES)
        objects = await fetch_single_objects(self.exchange, commands, parse_mailbox, is_mailbox)
        return objects.build_reading(MAILBOXES)

    async def find_mailboxes(self, names: Sequence[str]) -> Reading[FoundMailbox]:
        """The mailboxes that names mean. A name of several mailboxes is unread, and so is one whose
        look-up is refused: a weaker name might mean somebody else.
        """
        commands = build_mailbox_commands(names, MAILBOX_PROPERTIES)
        objects = await fetch_single_objects(self.exchange, commands, parse_mailbox)
        return Reading(
            items=tuple(FoundMailbox(name, box) for name, box in objects.found.items()),
            failures=objects.build_failures(MAILBOXES),
            sources=frozenset({MAILBOXES}),
            population=len(names),
        )

    async def read_forwards_of(self, ids: Sequence[str]) -> Reading[Mailbox]:
        """A few mailboxes with their forwards, which `read_forwarding_mailboxes` lists."""
        commands = build_mailbox_commands(ids, (*MAILBOX_PROPERTIES, *FORWARDING_PROPERTIES))
        objects = await fetch_single_objects(self.exchange, commands, parse_mailbox, is_mailbox)
        return objects.build_reading(MAILBOX_FORWARDS)

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
