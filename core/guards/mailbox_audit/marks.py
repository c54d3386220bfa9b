"""The marks of all mailboxes while a scan is under way, in a few bytes each. Pure."""

from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache

MARK_LENGTH = 24
"""Hex digits."""
MARK_BYTES = MARK_LENGTH // 2
ENTRY_BYTES = MARK_BYTES + 1
GROUP_BITS = 12
"""Marks that begin alike are kept together: some two dozen in a tenant of 100,000."""
LETTERS = "ADLOP"
"""All letters that a mark may have, in order; what they say stands in `memory.py`."""
SEEN = 1 << len(LETTERS)
NOTHING = 0


@lru_cache(1 << len(LETTERS))
def encode_letters(letters: str) -> int:
    """A byte for some letters. Any other letter is of another version and says nothing."""
    return sum(1 << at for at, letter in enumerate(LETTERS) if letter in letters)


@lru_cache(2 << len(LETTERS))
def decode_letters(code: int) -> str:
    """The letters of a byte, in order."""
    return "".join(letter for at, letter in enumerate(LETTERS) if code >> at & 1)


class MarkBook:
    """The letters of each mark, and whether this scan has seen it: 13 bytes a mark.

    A dict of texts would take some 300 bytes.
    """

    def __init__(self) -> None:
        self.groups: defaultdict[int, bytearray] = defaultdict(bytearray)
        """The marks that begin alike, each followed by its byte."""

    def put(self, mark: str, letters: str) -> None:
        """Take in a mark as it was saved. One that cannot be a mark is no mailbox's."""
        try:
            packed = bytes.fromhex(mark)
        except ValueError:
            return
        if len(packed) == MARK_BYTES:
            self.write(packed, encode_letters(letters))

    def get_letters(self, mark: str) -> str:
        """The letters of a mark; none for one that is not known."""
        group, at = self.locate(bytes.fromhex(mark))
        return decode_letters(group[at]) if at else ""

    def note(self, mark: str, letters: str) -> bool:
        """Give a mark that this scan sees its letters; True if it had others before."""
        packed, code = bytes.fromhex(mark), encode_letters(letters)
        before = self.write(packed, code | SEEN)
        return before & ~SEEN != code

    def write(self, packed: bytes, code: int) -> int:
        """Write the byte of a mark; the one that it had before."""
        group, at = self.locate(packed)
        if not at:
            group += packed
            group.append(code)
            return NOTHING
        before, group[at] = group[at], code
        return before

    def locate(self, packed: bytes) -> tuple[bytearray, int]:
        """The group of a mark, and the place of its byte in there; 0 if it is not known."""
        group = self.groups[packed[0] << GROUP_BITS - 8 | packed[1] >> 16 - GROUP_BITS]
        at = group.find(packed)
        while at >= 0 and at % ENTRY_BYTES:
            at = group.find(packed, at + 1)
        return group, at + MARK_BYTES if at >= 0 else 0

    def list_first_digits(self) -> set[str]:
        """The first digits of all marks."""
        return {f"{number >> GROUP_BITS - 4:x}" for number in self.groups}

    def list_alike(self, digit: str) -> Iterator[tuple[str, str, bool]]:
        """The marks with a first digit in order: each with its letters, and whether it was seen."""
        first = int(digit, 16) << GROUP_BITS - 4
        for number in range(first, first + (1 << GROUP_BITS - 4)):
            group = self.groups.get(number, b"")
            entries = sorted(
                bytes(group[at : at + ENTRY_BYTES]) for at in range(0, len(group), ENTRY_BYTES)
            )
            for entry in entries:
                code = entry[MARK_BYTES]
                yield entry[:MARK_BYTES].hex(), decode_letters(code), bool(code & SEEN)
