"""What mailboxes recorded when they were last seen: one that stops recording is told apart. Pure.

A row of the ledger for each mailbox would be too many, so mailboxes share rows by the beginning of
their hash. A mark says which logon types of a mailbox recorded what was read, whether Exchange had
its licence for advanced auditing, and whether its account's licences were looked at; it holds no
name and no id.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.keys import hash_parts
from core.tenant.known_traits import KnownTraits, build_traits_key, note_traits

KIND = "recorded-reading"
ROW_DIGITS = 3
"""4,096 rows, with about 25 mailboxes each in a tenant of 100,000."""
MARK_LENGTH = 24
LETTERS: Mapping[str, str] = {"Admin": "A", "Delegate": "D", "Owner": "O"}
PREMIUM_LETTER = "P"
CHECKED_LETTER = "L"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a mailbox recorded when it was seen before, added up over all looks."""

    logon_types: frozenset[str] = frozenset()
    """The logon types that recorded MailItemsAccessed."""
    had_premium: bool = False
    """Whether Exchange had a licence for advanced auditing for it."""
    is_plan_checked: bool = False
    """Whether the licences of its account were looked at, and hold back no auditing plan."""


NOTHING_RECORDED = Recorded()


@dataclass(slots=True)
class RecordingMemory:
    """The marks of all mailboxes, as the ledger has them and as this scan changes them."""

    known: Mapping[str, KnownTraits]
    """The rows of the ledger, by key."""
    now: datetime
    letters: dict[str, str] = field(default_factory=dict)
    """The letters of each mailbox, by its mark; read row by row when first asked for."""
    read_rows: set[str] = field(default_factory=set)
    seen_marks: set[str] = field(default_factory=set)

    def recall(self, mailbox_id: str) -> Recorded:
        """What the mailbox recorded before."""
        mark = self.find_mark(mailbox_id)
        letters = self.letters.get(mark, "")
        return Recorded(
            frozenset(name for name, letter in LETTERS.items() if letter in letters),
            PREMIUM_LETTER in letters,
            CHECKED_LETTER in letters,
        )

    def note(self, mailbox_id: str, recorded: Recorded) -> None:
        """Remember what the mailbox has recorded up to now."""
        mark = self.find_mark(mailbox_id)
        self.seen_marks.add(mark)
        letters = {LETTERS[name] for name in recorded.logon_types}
        letters |= {PREMIUM_LETTER} if recorded.had_premium else set()
        letters |= {CHECKED_LETTER} if recorded.is_plan_checked else set()
        self.letters[mark] = "".join(sorted(letters))

    def find_mark(self, mailbox_id: str) -> str:
        """The mark of a mailbox; its row is read first."""
        mark = hash_parts("recording", mailbox_id)[:MARK_LENGTH]
        row = mark[:ROW_DIGITS]
        if row not in self.read_rows:
            self.read_rows.add(row)
            if stored := self.known.get(build_traits_key(f"{KIND}-{row}", KIND)):
                parts = (name.partition(":") for name in stored.traits)
                self.letters |= {one: letters for one, _, letters in parts}
        return mark

    def build_rows(self, *, forget_unseen: bool = False) -> Iterator[KnownTraits]:
        """The rows as they are now; without mailboxes that a whole listing did not show."""
        rows: dict[str, list[str]] = {row: [] for row in self.read_rows}
        for mark, letters in self.letters.items():
            if letters and (mark in self.seen_marks or not forget_unseen):
                rows[mark[:ROW_DIGITS]].append(f"{mark}:{letters}")
        for row, names in rows.items():
            yield note_traits(self.known, f"{KIND}-{row}", KIND, names, self.now)
