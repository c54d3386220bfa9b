"""Whom groups had as members at the last look, so that a listing that is cut is not believed. Pure.

A member outside whom a listing leaves out would make mail to the group stay inside. So a group that
lacks a member for the first time was not answered; at the next look it is believed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from core.tenant.known_traits import KnownTraits
from core.tenant.listing_memory import list_missing, note_listing
from core.tenant.mail_flow import GroupMembers

ONE_LOOK = timedelta(0)


@dataclass(slots=True)
class MemberMemory:
    """The members of groups as the looks before saw them, and as this one does."""

    known: Mapping[str, KnownTraits]
    now: datetime
    noted: dict[str, KnownTraits] = field(default_factory=dict)
    """What is to be remembered from now on, by the key of the row."""

    def is_whole(self, group: GroupMembers) -> bool:
        """Whether a group has all the members it had; it is noted if it was listed to its end. Of
        a group that is larger than is read, nothing is remembered.
        """
        if not group.complete:
            return True
        list_name, names = f"members of {group.group_key}", [one.key for one in group.members]
        missing = list_missing(list_name, names, self.known, self.now, ONE_LOOK)
        row = note_listing(list_name, names, self.known, self.now, ONE_LOOK)
        self.noted[row.key] = row
        return not missing
