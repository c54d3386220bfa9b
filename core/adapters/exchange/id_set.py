"""A compact set of the objects that a listing has named."""

from array import array
from collections.abc import Iterable

FIRST_SLOTS = 16_384
"""Room for four fifths as many names before anything has to be moved: 128 KiB."""


class IdSet:
    """Which objects a listing has named so far, in 10 to 20 bytes each.

    Only 64 bits of each name are kept. Python mixes a secret of the process into them, so nobody
    can choose names that look the same; by chance any two of a million do once in 40 million
    listings. A set of the names themselves would take 120 bytes each.
    """

    def __init__(self) -> None:
        self.slots = array("q", [0]) * FIRST_SLOTS
        self.count = 0

    def add(self, name: str) -> bool:
        """Note a name; True when it was not noted before."""
        return self.add_hash(hash(name) or 1)

    def add_hash(self, hash_value: int) -> bool:
        """The same of the 64 bits that are kept of a name."""
        slots, last = self.slots, len(self.slots) - 1
        at = hash_value & last
        while found := slots[at]:
            if found == hash_value:
                return False
            at = (at + 1) & last
        slots[at] = hash_value
        self.count += 1
        if self.count * 5 > last * 4:
            self.double()
        return True

    def add_each(self, names: Iterable[str]) -> list[int]:
        """Note many names; the places of those that were noted before, or stand before in line."""
        known = list[int]()
        slots, last = self.slots, len(self.slots) - 1
        for place, name in enumerate(names):
            mark = hash(name) or 1
            at = mark & last
            while (found := slots[at]) and found != mark:
                at = (at + 1) & last
            if found:
                known.append(place)
                continue
            slots[at] = mark
            self.count += 1
            if self.count * 5 > last * 4:
                self.double()
                slots, last = self.slots, len(self.slots) - 1
        return known

    def double(self) -> None:
        """Make room for twice as many."""
        known, self.slots, self.count = self.slots, array("q", [0]) * (2 * len(self.slots)), 0
        for mark in filter(None, known):
            self.add_hash(mark)

    def __contains__(self, name: str) -> bool:
        slots, last = self.slots, len(self.slots) - 1
        wanted = hash(name) or 1
        at = wanted & last
        while found := slots[at]:
            if found == wanted:
                return True
            at = (at + 1) & last
        return False

    def update(self, other: "IdSet") -> None:
        """Note all names of another set.

        Marks of a table come in the order of their places. In one that is nearly full they would
        push each other along, ever farther, so there is room for all of them beforehand.
        """
        if not self.count:
            self.slots, self.count = other.slots[:], other.count
            return
        while (self.count + other.count) * 2 > len(self.slots):
            self.double()
        for mark in filter(None, other.slots):
            self.add_hash(mark)
