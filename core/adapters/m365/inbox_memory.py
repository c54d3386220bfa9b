"""Which folder of each mailbox is its Inbox, as Exchange said within the last month.

A folder keeps its id, whatever it is called and whichever language the mailbox speaks, so the id is
asked for once and the rights over the folder every day. Each mailbox has a day of the month on
which it is asked for again. A state that cannot be read or written costs a command a mailbox, and
nothing else.
"""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from core.adapters.m365.folder_names import FolderName
from core.errors import LedgerError
from core.keys import hash_text
from core.model.state import InboxGroup, KnownInbox

RELIES_ON = ("exchange-folder-identity",)

log = logging.getLogger(__name__)

GROUP_DIGITS = 2
"""256 groups, a row each: mailboxes share rows, as one for each of them would be too many."""
MARK_LENGTH = 16
MAX_GROUP_INBOXES = 2_000
"""A row holds no more: of half a million mailboxes all are known, of more the latest."""
MAX_ID_LENGTH, MAX_PATH_LENGTH = 96, 48
"""The Inbox of a mailbox whose id or name is longer is asked for every day."""
ASK_AGAIN_DAYS = 30
KEEP_DAYS = 90
"""What Exchange has not confirmed for so long belongs to a mailbox that is gone."""


async def load_nothing(first: str, last: str) -> Sequence[InboxGroup]:
    """Stand in for a state without rows."""
    return ()


async def save_nothing(groups: Sequence[InboxGroup]) -> None:
    """Stand in for a state that keeps nothing."""


def get_system_time() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


def build_mark(mailbox_id: str) -> str:
    """What a mailbox is remembered by: a hash, which begins like those of its rows."""
    return hash_text(mailbox_id)[:MARK_LENGTH]


def is_day_to_ask(mark: str, day: int) -> bool:
    """Whether a mailbox has this day to be asked again: one day in thirty, spread over all."""
    return (int(mark, 16) + day) % ASK_AGAIN_DAYS == 0


@dataclass(slots=True)
class InboxMemory:
    """The Inboxes that are known, read as they are needed and saved as they change."""

    load: Callable[[str, str], Awaitable[Sequence[InboxGroup]]] = load_nothing
    """Loads the groups from one to another, both included."""
    save: Callable[[Sequence[InboxGroup]], Awaitable[None]] = save_nothing
    now: Callable[[], datetime] = get_system_time
    groups: dict[str, dict[str, KnownInbox]] = field(default_factory=dict, init=False)
    """By group the Inboxes of mailboxes by mark, as far as they were loaded."""

    @property
    def today(self) -> int:
        """The number of the day."""
        return self.now().toordinal()

    async def recall(self, mailbox_ids: Collection[str]) -> dict[str, FolderName]:
        """The Inboxes of mailboxes by their ids, without those that are to be asked for."""
        marks = {one: build_mark(one) for one in mailbox_ids}
        await self.load_groups({mark[:GROUP_DIGITS] for mark in marks.values()})
        today = self.today
        found = {}
        for mailbox_id, mark in marks.items():
            known = self.groups[mark[:GROUP_DIGITS]].get(mark)
            if known and (known.day == today or not is_day_to_ask(mark, today)):
                found[mailbox_id] = FolderName(known.path, known.folder_id)
        return found

    async def load_groups(self, names: Collection[str]) -> None:
        """Load the groups that are not loaded yet."""
        missing = names - self.groups.keys()
        if not missing:
            return
        try:
            loaded = await self.load(min(missing), max(missing))
        except LedgerError as error:
            log.warning("which folders are Inboxes cannot be read: %s", error)
            loaded = ()
        today = self.today
        by_name = {one.name: one.inboxes for one in loaded}
        for name in missing:
            # What is dated ahead came from a wrong clock, or from somebody else.
            self.groups[name] = {
                mark: one
                for mark, one in by_name.get(name, {}).items()
                if one.folder_id and 0 <= today - one.day < KEEP_DAYS
            }

    async def note(self, found: Mapping[str, FolderName]) -> None:
        """Remember Inboxes that Exchange has just named, by the mailbox's id."""
        today = self.today
        changed = defaultdict[str, dict[str, KnownInbox]](dict)
        for mailbox_id, name in found.items():
            if len(name.folder_id) <= MAX_ID_LENGTH and len(name.path) <= MAX_PATH_LENGTH:
                mark = build_mark(mailbox_id)
                changed[mark[:GROUP_DIGITS]][mark] = KnownInbox(name.folder_id, name.path, today)
        if not changed:
            return
        await self.load_groups(changed.keys())
        try:
            await self.save(list(self.build_groups(changed)))
        except LedgerError as error:
            log.warning("which folders are Inboxes cannot be saved: %s", error)

    def build_groups(self, changed: Mapping[str, Mapping[str, KnownInbox]]) -> Iterator[InboxGroup]:
        """The groups with what changed in them, each with the latest that fit."""
        for name, inboxes in sorted(changed.items()):
            latest = sorted({**self.groups[name], **inboxes}.items(), key=lambda one: -one[1].day)
            self.groups[name] = dict(latest[:MAX_GROUP_INBOXES])
            yield InboxGroup(name, self.groups[name])
