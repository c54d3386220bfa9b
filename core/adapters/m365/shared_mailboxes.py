"""Shared mailboxes: what they need a licence for, and the sizes of mailboxes."""

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from copy import replace
from dataclasses import dataclass
from functools import partial
from itertools import batched

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each
from core.adapters.exchange.paging import fetch_paged_listing
from core.adapters.exchange.single_objects import fetch_single_objects
from core.adapters.m365.mailboxes import ALL_RESULTS, CHUNK_SIZE, MAILBOX_PROPERTIES, parse_mailbox
from core.adapters.parsing import (
    EMPTY_GUID,
    ResponseRow,
    parse_each_row,
    parse_optional_bool,
    parse_recipient_kind,
    parse_row_flag,
    parse_text,
    parse_value_list,
    parse_whole_number,
)
from core.adapters.read_errors import (
    build_object_failures,
    build_read_failure,
    build_unavailable_reading,
)
from core.errors import TenantError, Unavailable
from core.microsoft365.remote_recipient_type import parse_recipient_type_flags
from core.tenant.mailboxes import Mailbox, MailboxSize, SharedMailbox
from core.tenant.readings import Reading
from core.tenant.sources import MAILBOX_SIZES, SHARED_MAILBOXES

RELIES_ON = (
    "exchange-recipient-kinds",
    "exchange-shared-quota",
    "exchange-remote-type",
    "exchange-statistics",
)

SHARED_PROPERTIES = (
    *MAILBOX_PROPERTIES,
    "LitigationHoldEnabled",
    "InPlaceHolds",
    "RetentionHoldEnabled",
    "ComplianceTagHoldApplied",
    "ArchiveGuid",
    "ArchiveStatus",
    "RemoteRecipientType",
    "IsExchangeCloudManaged",
    "ProhibitSendReceiveQuota",
)
# "1.5 GB (1,610,612,736 bytes)": what stands in brackets is exact. Which sign parts its thousands
# depends on the language of the caller.
BYTE_COUNT = re.compile(r"\(([0-9][0-9.,'\u00a0\u202f\u2019 ]{0,40}) bytes\)", re.ASCII)
MAX_SIZE = 2**60
SHARED_KIND = "SharedMailbox"


def parse_shared_mailbox(row: ResponseRow) -> SharedMailbox:
    """A row of Get-Mailbox. It was asked for as shared, and is unless it denies it."""
    kind = parse_recipient_kind(row.get("RecipientTypeDetails")) or SHARED_KIND
    return SharedMailbox(
        mailbox=replace(
            parse_mailbox(row),
            kind=kind,
            quota_bytes=parse_quota(row.get("ProhibitSendReceiveQuota")),
        ),
        upn=parse_text(row.get("UserPrincipalName"), 512),
        litigation_hold=parse_optional_bool(row.get("LitigationHoldEnabled")),
        has_archive=parse_has_archive(row),
        on_hold=parse_on_hold(row),
        remote_recipient_type=parse_remote_type(row["RemoteRecipientType"])
        if "RemoteRecipientType" in row
        else None,
        cloud_managed=parse_row_flag(row, "IsExchangeCloudManaged"),
    )


def parse_has_archive(row: ResponseRow) -> bool | None:
    """Whether there is an archive in the cloud; None when neither property says.

    A hosted archive of a mailbox that is not in the cloud has no place here: the mailbox is.
    """
    guid = row.get("ArchiveGuid")
    if isinstance(guid, str) and guid.strip():
        return guid.strip() != EMPTY_GUID
    status = parse_text(row.get("ArchiveStatus"), 64).strip().lower()
    return status != "none" if status else None


def parse_on_hold(row: ResponseRow) -> bool | None:
    """Whether a hold or a retention policy names the mailbox, besides litigation hold.

    A list of nothing is an answer; a list that is not there is none. An entry that begins with a
    minus leaves the mailbox out of a policy for all.
    """
    if "InPlaceHolds" not in row:
        return None
    holds = [parse_text(entry) for entry in parse_value_list(row["InPlaceHolds"])]
    switches = ("RetentionHoldEnabled", "ComplianceTagHoldApplied")
    return any(not hold.startswith("-") for hold in holds) or any(
        parse_row_flag(row, name) for name in switches
    )


def parse_remote_type(value: object) -> int | None:
    """The flags of RemoteRecipientType; None for what is none.

    A value that is there and empty is no flag at all: so it is where nothing is synchronised.
    """
    if value is None or value == "":
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return parse_recipient_type_flags(str(value))
    return parse_recipient_type_flags(parse_text(value, 256)) if isinstance(value, str) else None


def parse_quota(value: object) -> int | None:
    """The size at which a mailbox takes no more mail; None when it was not told or makes no sense.

    "Unlimited" is larger than any mailbox.
    """
    if isinstance(value, Mapping):
        value = value.get("Value")
    if isinstance(value, str) and value.strip().lower() == "unlimited":
        return MAX_SIZE
    try:
        return parse_size_in_bytes(value)
    except ValueError:
        return None


def parse_mailbox_size(mailbox_id: str, row: ResponseRow) -> MailboxSize:
    """A row of Get-MailboxStatistics. Raises ValueError when it has no size."""
    value = row.get("TotalItemSize")
    if isinstance(value, Mapping):
        value = value.get("Value")
    return MailboxSize(mailbox_id, parse_size_in_bytes(value))


def parse_size_in_bytes(value: object) -> int:
    """A size as Exchange prints it, to the byte. Raises ValueError for anything else."""
    found = parse_whole_number(value)
    if found is None:
        printed = BYTE_COUNT.search(parse_text(value, 128))
        if printed is None:
            raise ValueError("a size that makes no sense")
        found = int("".join(sign for sign in printed[1] if sign.isdigit()))
    if not 0 <= found <= MAX_SIZE:
        raise ValueError("a size that cannot be")
    return found


NO_FIGURES = "Exchange has no figures of it: nobody has used it yet"
MAX_UNUSED = 20
"""Most mailboxes that may all lack statistics; with more, the response counts as wrong."""
type RowsOrError = list[ResponseRow] | TenantError


@dataclass(frozen=True, slots=True)
class M365SharedMailboxReader:
    """Implements SharedMailboxReader on Exchange."""

    exchange: ExchangeClient

    async def list_shared_mailboxes(self) -> AsyncIterator[Reading[SharedMailbox]]:
        """Every shared mailbox, page by page."""
        command = Command(
            "Get-Mailbox", {**ALL_RESULTS, "RecipientTypeDetails": [SHARED_KIND]}, SHARED_PROPERTIES
        )
        async for page in fetch_paged_listing(
            self.exchange,
            SHARED_MAILBOXES,
            command,
            parse_shared_mailbox,
            lambda one: one.mailbox.id,
            "",
        ):
            yield page

    async def read_shared_mailboxes(self, owners: Sequence[Mailbox]) -> Reading[SharedMailbox]:
        """A few shared mailboxes. One that was converted meanwhile is absent."""
        guids = {owner.id: owner.guid for owner in owners}
        commands = {
            one: Command("Get-Mailbox", {"Identity": guid}, SHARED_PROPERTIES)
            for one, guid in guids.items()
        }
        objects = await fetch_single_objects(
            self.exchange,
            commands,
            parse_shared_mailbox,
            lambda asked, found: found.mailbox.id == asked,
        )
        kept = (one for one in objects.found.values() if one.mailbox.kind == SHARED_KIND)
        return Reading(
            items=tuple(kept),
            failures=objects.build_failures(
                SHARED_MAILBOXES, {owner.id: owner.address for owner in owners}
            ),
            sources=frozenset({SHARED_MAILBOXES}),
            population=len(owners),
        )

    async def read_mailbox_sizes(self, owners: Sequence[Mailbox]) -> Reading[MailboxSize]:
        """The size of each mailbox: there is no cmdlet for several.

        A mailbox that was never used has no statistics, and Exchange returns no row.
        """
        items: list[MailboxSize] = []
        failures: dict[str, TenantError | str] = {}
        unused: list[Mailbox] = []
        for part in batched(owners, CHUNK_SIZE, strict=False):
            commands = [build_size_command(owner) for owner in part]
            for owner, rows in zip(part, await list_each(self.exchange, commands), strict=True):
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
                    build_read_failure(
                        MAILBOX_SIZES, NO_FIGURES, one.id, one.address, optional=True
                    )
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
    """Add the response for one mailbox to the items or the failures."""
    if isinstance(rows, TenantError):
        failures[owner_id] = rows
        return
    found, broken = parse_each_row(rows, parse)
    if broken or len(found) != 1:
        failures[owner_id] = broken[0][1] if broken else "figures of more than one mailbox"
    else:
        items += found


def build_size_command(owner: Mailbox) -> Command:
    """The command that reads a mailbox's size, routed to the server that holds it."""
    return Command(
        "Get-MailboxStatistics", {"Identity": owner.guid}, ("TotalItemSize",), owner.address
    )
