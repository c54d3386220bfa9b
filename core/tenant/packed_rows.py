"""Many short rows in few blocks of memory."""

from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate

BLOCK_ROWS = 500


class PackedRows:
    """Rows of bytes by their number, each in its own length and four bytes.

    A list of them all would take some forty bytes more for each. The last ones wait in a list
    until they fill a block, so that no block ever grows.
    """

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        self.ends = array("I")
        """Where each row ends in its block."""
        self.last: list[bytes] = []
        """The rows after those of the blocks."""

    def append(self, row: bytes) -> None:
        """Add a row behind all others."""
        self.last.append(row)
        if len(self.last) == BLOCK_ROWS:
            self.ends.extend(accumulate(map(len, self.last)))
            self.blocks.append(b"".join(self.last))
            self.last.clear()

    def __len__(self) -> int:
        return len(self.ends) + len(self.last)

    def read_each(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """The rows with some numbers, in their order."""
        ends, packed = self.ends, len(self.ends)
        for number in numbers:
            if number >= packed:
                yield self.last[number - packed]
                continue
            block, place = divmod(number, BLOCK_ROWS)
            yield self.blocks[block][ends[number - 1] if place else 0 : ends[number]]
