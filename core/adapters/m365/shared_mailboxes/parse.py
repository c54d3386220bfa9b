"""Rows of Get-Mailbox and Get-MailboxStatistics about shared mailboxes into nouns. Pure.

As in `core.adapters.m365.parsing`: tolerant in form, bounded, and a ValueError for what says too
little.
"""

import re
from collections.abc import Mapping

from core.adapters.m365.parsing import (
    EMPTY_GUID,
    MAILBOX_PROPERTIES,
    ResponseRow,
    parse_mailbox,
    parse_optional_bool,
    parse_row_flag,
    parse_text,
    parse_value_list,
)
from core.microsoft365.remote_recipient_type import parse_recipient_type_flags
from core.tenant.mailboxes import MailboxSize, SharedMailbox

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
)

# "1.5 GB (1,610,612,736 bytes)": what stands in brackets is exact. Which sign parts its thousands
# depends on the language of whoever asks.
BYTE_COUNT = re.compile(r"\(([0-9][0-9.,'\u00a0\u202f\u2019 ]{0,40}) bytes\)", re.ASCII)
MAX_SIZE = 2**60


def parse_shared_mailbox(row: ResponseRow) -> SharedMailbox:
    """A row of Get-Mailbox."""
    return SharedMailbox(
        mailbox=parse_mailbox(row),
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
    """Whether there is an archive in the cloud; None when neither property tells.

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


def parse_mailbox_size(mailbox_id: str, row: ResponseRow) -> MailboxSize:
    """A row of Get-MailboxStatistics. Raises ValueError when it does not tell the size."""
    value = row.get("TotalItemSize")
    if isinstance(value, Mapping):
        value = value.get("Value")
    return MailboxSize(mailbox_id, parse_size_in_bytes(value))


def parse_size_in_bytes(value: object) -> int:
    """A size as Exchange prints it, to the byte. Raises ValueError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    else:
        printed = BYTE_COUNT.search(parse_text(value, 128))
        if printed is None:
            raise ValueError("a size that makes no sense")
        found = int("".join(sign for sign in printed[1] if sign.isdigit()))
    if not 0 <= found <= MAX_SIZE:
        raise ValueError("a size that cannot be")
    return found
