"""Many short rows in few blocks of memory."""

from array import array
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

    def __getitem__(self, number: int) -> bytes:
        if number >= len(self.ends):
            return self.last[number - len(self.ends)]
        block, place = divmod(number, BLOCK_ROWS)
        start = self.ends[number - 1] if place else 0
        return self.blocks[block][start : self.ends[number]]
