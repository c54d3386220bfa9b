"""What a directory on premises says a mailbox in the cloud is, and what it will become of it.

RemoteRecipientType (msExchRemoteRecipientType on premises) is a sum of flags, which every
synchronisation brings to the cloud. Exchange Online keeps a mailbox that was converted there only
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

HIGHEST = 255
SHARED_DETAILS = 34_359_738_368
"""msExchRecipientTypeDetails of a shared mailbox that is not on premises (RemoteSharedMailbox)."""


class Becomes(Enum):
    """What the next synchronisation makes of a shared mailbox."""

    SHARED = "a shared mailbox"
    USER = "a user mailbox"
    RESOURCE = "a room or equipment mailbox"
    UNSURE = "a shared mailbox still, for it was migrated, but the directory calls it a user's"


def becomes(remote: int) -> Becomes:
    """What some flags make of it. A directory that asks for no mailbox leaves it as it is."""
    if remote & SHARED == SHARED:
        return Becomes.SHARED
    if remote & SHARED:
        return Becomes.RESOURCE
    if remote & MIGRATED:
        return Becomes.UNSURE
    return Becomes.USER if remote & PROVISIONED else Becomes.SHARED


def mended(remote: int) -> int:
    """The value that keeps it shared: migrated and shared, with what was said of its archive."""
    return MIGRATED | SHARED | (remote & (ARCHIVED | ARCHIVE_REMOVED))


def flags_of(text: str) -> int | None:
    """Flags as Exchange prints them: names, or their sum. None for anything else."""
    if text.strip().isdecimal() and len(text) <= 8:
        number = int(text)
        return number if number <= HIGHEST else None
    known = {name.lower(): flag for name, flag in FLAGS.items()}
    found = 0
    for part in text.split(","):
        flag = known.get(part.strip().lower())
        if flag is None:
            return None
        found |= flag
    return found


def names_of(remote: int) -> str:
    """Flags in words, as Exchange prints them."""
    names: list[str] = []
    rest = remote
    # The sum of two flags has a name of its own, which Exchange prefers.
    for name, flag in sorted(FLAGS.items(), key=lambda entry: entry[1].bit_count(), reverse=True):
        if flag and rest & flag == flag:
            names.append(name)
            rest &= ~flag
    return ", ".join(sorted(names, key=lambda name: FLAGS[name])) or "None"
