"""What mailboxes recorded when they were last seen: one that stops recording is told apart. Pure.

A row of the ledger for each mailbox would be too many, so mailboxes share rows by the beginning of
their mark, which is a hash. A mark says which logon types of a mailbox recorded what was read,
whether Exchange had its licence for advanced auditing, and whether its account's licences were
looked at; it holds no name and no id.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import InitVar, dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from core.guards.mailbox_audit.marks import MARK_LENGTH, MarkBook
from core.keys import hash_text
from core.tenant.known_traits import KnownTraits, note_traits

KIND = "recorded-reading"
ROW_PREFIX = f"{KIND}-"
GROUP_DIGITS = 1
"""Sixteen groups: a row each in a small tenant, and several where one grows too large."""
MAX_ROW_MARKS = 200
"""A row holds few enough for `core.tenant.known_traits.MAX_TRAITS`: about 700 rows in a tenant of
100,000."""
LETTERS: Mapping[str, str] = {"Admin": "A", "Delegate": "D", "Owner": "O"}
PREMIUM_LETTER = "P"
CHECKED_LETTER = "L"
MISSED_LETTER = "M"
"""Of a mailbox that a whole listing did not show; its mark is dated from then on."""
MEMORY_PERIOD = timedelta(days=30)
"""For so long a mailbox is remembered that no listing shows: a page may have been left out."""


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


@lru_cache(1 << (len(LETTERS) + 2))
def parse_letters(letters: str) -> Recorded:
    """What the letters of a mark say."""
    return Recorded(
        frozenset(name for name, letter in LETTERS.items() if letter in letters),
        PREMIUM_LETTER in letters,
        CHECKED_LETTER in letters,
    )


@lru_cache(1 << (len(LETTERS) + 2))
def format_letters(recorded: Recorded) -> str:
    """The letters of a mark, in order."""
    letters = {LETTERS[name] for name in recorded.logon_types}
    letters |= {PREMIUM_LETTER} if recorded.had_premium else set()
    letters |= {CHECKED_LETTER} if recorded.is_plan_checked else set()
    return "".join(sorted(letters))


@lru_cache(2_000)
def build_mark(mailbox_id: str) -> str:
    """The mark of a mailbox. Those of a page are needed twice: before it is judged and after."""
    return hash_text(f"recording {mailbox_id}")[:MARK_LENGTH]


@dataclass(slots=True)
class RecordingMemory:
    """The marks of all mailboxes, as the ledger has them and as this scan changes them."""

    known: InitVar[Mapping[str, KnownTraits]]
    """The rows of the ledger, by key."""
    now: datetime
    rows: dict[str, KnownTraits] = field(init=False)
    """The rows that hold marks, by key, as they are saved."""
    marks: MarkBook = field(default_factory=MarkBook, init=False)
    """The letters of each mailbox by its mark."""
    changed_groups: set[str] = field(default_factory=set, init=False)
    """The first digits of marks of which one changed since rows were built."""
    missed_since: dict[str, datetime] = field(default_factory=dict, init=False)
    """Since when listings lack a mailbox, by its mark."""

    def __post_init__(self, known: Mapping[str, KnownTraits]) -> None:
        self.rows = {key: row for key, row in known.items() if row.kind == KIND and row.traits}
        # Of a row that was divided just when a run died, the parts say more: they come later.
        for row in sorted(self.rows.values(), key=lambda row: len(row.object_id)):
            for name, noted_at in row.traits.items():
                mark, _, letters = name.partition(":")
                self.marks.put(mark, letters)
                if letters.endswith(MISSED_LETTER):
                    self.missed_since[mark] = noted_at

    def recall(self, mailbox_id: str) -> Recorded:
        """What the mailbox recorded before."""
        return parse_letters(self.marks.get_letters(build_mark(mailbox_id)))

    def note(self, mailbox_id: str, recorded: Recorded) -> None:
        """Remember what the mailbox has recorded up to now."""
        mark = build_mark(mailbox_id)
        if self.marks.note(mark, format_letters(recorded)):
            self.changed_groups.add(mark[:GROUP_DIGITS])

    def build_changed_rows(self) -> Iterator[KnownTraits]:
        """The rows of the groups in which something changed since rows were last built."""
        groups, self.changed_groups = self.changed_groups, set()
        return self.build_group_rows(groups, is_whole=False)

    def build_rows(self, *, is_whole: bool = False) -> Iterator[KnownTraits]:
        """All rows as they are now. After a whole listing those mailboxes that it did not show are
        missed, and those that have been for long are forgotten.
        """
        return self.build_group_rows(self.marks.list_first_digits(), is_whole=is_whole)

    def build_group_rows(self, groups: Collection[str], *, is_whole: bool) -> Iterator[KnownTraits]:
        """The rows of some groups, and after them those that hold nothing any more."""
        emptied = {
            key: row
            for key, row in self.rows.items()
            if row.object_id.removeprefix(ROW_PREFIX)[:GROUP_DIGITS] in groups
        }
        for group in sorted(groups):
            names = {
                mark: f"{mark}:{letters}{self.get_ending(mark, is_seen, is_whole)}"
                for mark, letters, is_seen in self.marks.list_alike(group)
                if letters and (is_seen or not (is_whole and self.is_forgotten(mark)))
            }
            for prefix, part in divide_marks(group, list(names)):
                row = note_traits(
                    self.rows, ROW_PREFIX + prefix, KIND, [names[mark] for mark in part], self.now
                )
                self.rows[row.key] = row
                emptied.pop(row.key, None)
                yield row
        for key, row in emptied.items():
            del self.rows[key]
            yield replace(row, traits={}, last_seen_at=self.now)

    def get_ending(self, mark: str, is_seen: bool, is_whole: bool) -> str:
        """The letter of a mailbox that is missed; none for any other."""
        is_missed = not is_seen and (is_whole or mark in self.missed_since)
        return MISSED_LETTER if is_missed else ""

    def is_forgotten(self, mark: str) -> bool:
        """Whether a mailbox that was not seen was missed for long before."""
        since = self.missed_since.get(mark)
        return since is not None and self.now - since >= MEMORY_PERIOD


def divide_marks(prefix: str, marks: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """The rows for marks that begin alike: one, or one for each next bit if they are too many.

    Behind the digits of the group, the name of a row has the bits that its marks go on with. A row
    for each next digit would hold two dozen marks, and a row of few costs as much as one of many.
    """
    if len(marks) > MAX_ROW_MARKS:
        at, left = divmod(len(prefix) - GROUP_DIGITS, 4)
        place = GROUP_DIGITS + at
        for bit in (0, 1):
            part = [mark for mark in marks if int(mark[place], 16) >> 3 - left & 1 == bit]
            yield from divide_marks(f"{prefix}{bit}", part)
    elif marks:
        yield prefix, marks
