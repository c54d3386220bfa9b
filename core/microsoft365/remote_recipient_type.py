"""What the on-premises directory says about a mailbox in the cloud, and what follows from it.

RemoteRecipientType (msExchRemoteRecipientType on premises) is a sum of flags, which every
synchronization copies to the cloud. Exchange Online keeps a mailbox that was converted there only
while they say that it is shared, or that it was migrated; otherwise it becomes a user's mailbox
again, and without a licence its mail is lost (Microsoft Learn: Shared mailboxes are unexpectedly
converted to user mailboxes after directory synchronization runs).
"""

from collections.abc import Mapping
from enum import Enum

PROVISIONED, ARCHIVED, MIGRATED = 1, 2, 4
ARCHIVE_REMOVED = 16
ROOM, EQUIPMENT = 32, 64
SHARED = ROOM | EQUIPMENT
FLAGS: Mapping[str, int] = {
    "None": 0,
    "ProvisionMailbox": PROVISIONED,
    "ProvisionArchive": ARCHIVED,
    "Migrated": MIGRATED,
    "DeprovisionMailbox": 8,
    "DeprovisionArchive": ARCHIVE_REMOVED,
    "RoomMailbox": ROOM,
    "EquipmentMailbox": EQUIPMENT,
    "SharedMailbox": SHARED,
    "TeamMailbox": 128,
}
"""As Microsoft Learn lists them (Filterable properties for the -Filter parameter)."""

MAX_FLAGS = 255
REMOTE_SHARED_MAILBOX = 34_359_738_368
"""msExchRecipientTypeDetails of a shared mailbox that is not on premises (RemoteSharedMailbox)."""


class ConversionOutcome(Enum):
    """What a shared mailbox becomes at the next synchronization."""

    SHARED = "a shared mailbox"
    USER = "a user mailbox"
    RESOURCE = "a room or equipment mailbox"
    UNSURE = "a shared mailbox still, for it was migrated, but the directory calls it a user's"


def predict_conversion(remote_recipient_type: int) -> ConversionOutcome:
    """What these flags turn the mailbox into; without a mailbox flag it stays as it is."""
    if remote_recipient_type & SHARED == SHARED:
        return ConversionOutcome.SHARED
    if remote_recipient_type & SHARED:
        return ConversionOutcome.RESOURCE
    if remote_recipient_type & MIGRATED:
        return ConversionOutcome.UNSURE
    return (
        ConversionOutcome.USER if remote_recipient_type & PROVISIONED else ConversionOutcome.SHARED
    )


def compute_shared_flags(remote_recipient_type: int) -> int:
    """The value that keeps the mailbox shared: migrated and shared, with its archive flags."""
    return MIGRATED | SHARED | (remote_recipient_type & (ARCHIVED | ARCHIVE_REMOVED))


def parse_recipient_type_flags(text: str) -> int | None:
    """The sum of flags that Exchange prints as names or as a number; None for anything else."""
    if text.strip().isdecimal() and len(text) <= 8:
        number = int(text)
        return number if number <= MAX_FLAGS else None
    known = {name.lower(): flag for name, flag in FLAGS.items()}
    found = 0
    for part in text.split(","):
        flag = known.get(part.strip().lower())
        if flag is None:
            return None
        found |= flag
    return found


def format_recipient_type(remote_recipient_type: int) -> str:
    """The names of the flags, as Exchange prints them."""
    names: list[str] = []
    rest = remote_recipient_type
    # The sum of two flags has a name of its own, which Exchange prefers.
    for name, flag in sorted(FLAGS.items(), key=lambda entry: entry[1].bit_count(), reverse=True):
        if flag and rest & flag == flag:
            names.append(name)
            rest &= ~flag
    return ", ".join(sorted(names, key=lambda name: FLAGS[name])) or "None"
