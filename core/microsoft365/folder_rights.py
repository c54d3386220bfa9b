"""What a right over one folder of a mailbox allows. Pure.

A right is a role or a single right, and both may stand side by side (Microsoft Learn:
Add-MailboxFolderPermission, -AccessRights).
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class FolderAct(StrEnum):
    """What somebody may do with the items of a folder, as far as it does harm."""

    READS = "reads"
    CHANGES = "changes"
    DELETES = "deletes"
    OWNS = "owns"
    """Reads everything and gives the folder's rights to others."""


READS, CHANGES, DELETES, OWNS = FolderAct
ACT_TEXTS: Mapping[FolderAct, str] = {
    READS: "read",
    CHANGES: "change",
    DELETES: "delete",
}
"""Each act on what lies in a folder as a verb; an owner may do all of them."""
NOTHING: frozenset[FolderAct] = frozenset()
ACTS_BY_RIGHT: Mapping[str, frozenset[FolderAct]] = {
    # Roles.
    "none": NOTHING,
    "owner": frozenset({READS, CHANGES, DELETES, OWNS}),
    "publishingeditor": frozenset({READS, CHANGES, DELETES}),
    "editor": frozenset({READS, CHANGES, DELETES}),
    "publishingauthor": frozenset({READS}),
    "author": frozenset({READS}),
    "noneditingauthor": frozenset({READS}),
    "reviewer": frozenset({READS}),
    "contributor": NOTHING,
    # Of calendars only: when somebody is busy, and with what.
    "availabilityonly": NOTHING,
    "limiteddetails": NOTHING,
    # Single rights.
    "readitems": frozenset({READS}),
    "editallitems": frozenset({CHANGES}),
    "deleteallitems": frozenset({DELETES}),
    # These show that a folder exists, or concern what the holder put there.
    "foldervisible": NOTHING,
    "foldercontact": NOTHING,
    "folderowner": NOTHING,
    "createitems": NOTHING,
    "createsubfolders": NOTHING,
    "editowneditems": NOTHING,
    "deleteowneditems": NOTHING,
}
"""What each right allows, by its name in lower case."""


def select_known_rights(rights: Iterable[str]) -> tuple[str, ...]:
    """Those of some rights of which it is known what they allow."""
    return tuple(right for right in rights if right.casefold() in ACTS_BY_RIGHT)


def list_folder_acts(rights: Iterable[str]) -> frozenset[FolderAct]:
    """What some rights allow together. Raises ValueError that names one that is not known."""
    names = [right.casefold() for right in rights]
    if unknown := [name for name in names if name not in ACTS_BY_RIGHT]:
        raise ValueError(f"a right over a folder that nobody knows: {min(unknown)[:60]}")
    return NOTHING.union(*(ACTS_BY_RIGHT[name] for name in names))
