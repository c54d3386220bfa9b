"""Rows of Get-Mailbox and Get-MailboxStatistics about shared mailboxes into nouns. Pure.

As in `core.adapters.m365.parsing`: tolerant in form, bounded, and a ValueError for what says too
little.
"""

import re
from collections.abc import Mapping

from core.adapters.m365.parsing import (
    MAILBOX_PROPERTIES,
    NO_GUID,
    Row,
    flag,
    listed,
    mailbox,
    text,
    truth,
)
from core.microsoft365.remote_recipient_type import flags_of
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
BYTES = re.compile(r"\(([0-9][0-9.,'\u00a0\u202f\u2019 ]{0,40}) bytes\)", re.ASCII)
LARGEST = 2**60


def shared_mailbox(row: Row) -> SharedMailbox:
    """A row of Get-Mailbox."""
    return SharedMailbox(
        mailbox=mailbox(row),
        upn=text(row.get("UserPrincipalName"), 512),
        held=truth(row.get("LitigationHoldEnabled")),
        archive=archive(row),
        kept=kept(row),
        remote=remote(row["RemoteRecipientType"]) if "RemoteRecipientType" in row else None,
        cloud_managed=flag(row, "IsExchangeCloudManaged"),
    )


def archive(row: Row) -> bool | None:
    """Whether there is an archive in the cloud; None when neither property tells.

    A hosted archive of a mailbox that is not in the cloud has no place here: the mailbox is.
    """
    guid = row.get("ArchiveGuid")
    if isinstance(guid, str) and guid.strip():
        return guid.strip() != NO_GUID
    status = text(row.get("ArchiveStatus"), 64).strip().lower()
    return status != "none" if status else None


def kept(row: Row) -> bool | None:
    """Whether a hold or a retention policy names the mailbox, besides litigation hold.

    A list of nothing is an answer; a list that is not there is none. An entry that begins with a
    minus leaves the mailbox out of a policy for all.
    """
    if "InPlaceHolds" not in row:
        return None
    holds = [text(entry) for entry in listed(row["InPlaceHolds"])]
    switches = ("RetentionHoldEnabled", "ComplianceTagHoldApplied")
    return any(not hold.startswith("-") for hold in holds) or any(
        flag(row, name) for name in switches
    )


def remote(value: object) -> int | None:
    """The flags of RemoteRecipientType; None for what is none.

    A value that is there and empty is no flag at all: so it is where nothing is synchronised.
    """
    if value is None or value == "":
        return 0
    if isinstance(value, int) and not isinstance(value, bool):
        return flags_of(str(value))
    return flags_of(text(value, 256)) if isinstance(value, str) else None


def mailbox_size(mailbox_id: str, row: Row) -> MailboxSize:
    """A row of Get-MailboxStatistics. Raises ValueError when it does not tell the size."""
    value = row.get("TotalItemSize")
    if isinstance(value, Mapping):
        value = value.get("Value")
    return MailboxSize(mailbox_id, size_in_bytes(value))


def size_in_bytes(value: object) -> int:
    """A size as Exchange prints it, to the byte. Raises ValueError for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        found = value
    else:
        printed = BYTES.search(text(value, 128))
        if printed is None:
            raise ValueError("a size that makes no sense")
        found = int("".join(sign for sign in printed[1] if sign.isdigit()))
    if not 0 <= found <= LARGEST:
        raise ValueError("a size that cannot be")
    return found
