"""Many short rows in few blocks of memory."""

from array import array
from collections.abc import Iterator

BLOCK_ROWS = 500


class PackedRows:
    """Rows of bytes by their number, each in its own length and four bytes.

    A list of the rows would take some forty bytes more for each of them. Blocks are as small as
    what a page of a listing leaves free, and none is moved once it is full.
    """

    def __init__(self) -> None:
        self.blocks: list[bytearray] = []
        self.ends = array("I")
        """Where each row ends in its block."""

    def append(self, row: bytes) -> None:
        """Add a row behind all others."""
        if len(self.ends) % BLOCK_ROWS == 0:
            self.blocks.append(bytearray())
        block = self.blocks[-1]
        block += row
        self.ends.append(len(block))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> bytearray:
        block, place = divmod(number, BLOCK_ROWS)
        start = self.ends[number - 1] if place else 0
        return self.blocks[block][start : self.ends[number]]

    def __iter__(self) -> Iterator[bytearray]:
        return map(self.__getitem__, range(len(self)))
