"""The objects that the ways of a listing showed, one way after another."""

from dataclasses import dataclass, field

from core.adapters.exchange.id_set import IdSet
from core.adapters.exchange.listed_rows import identify_rows
from core.adapters.parsing import ResponseRow

# Objects come and go between two ways: this share of those read before may be missing.
MAX_LOST_SHARE = 0.01


@dataclass(slots=True)
class ShownObjects:
    """What the present way showed, and those before it."""

    earlier: IdSet = field(default_factory=IdSet)
    """The objects that ways before the present one showed."""
    current: IdSet = field(default_factory=IdSet)
    """The objects that the present way showed."""
    found_again: int = 0
    """How many objects of `earlier` the present way showed."""
    passes_repeats: bool = False
    """Whether rows that the usual pages show again are passed on again: of some cmdlets several
    rows may tell of one object.
    """
    failures: list[tuple[int, bool]] = field(default_factory=list)
    """How many objects each way showed that failed, and whether all that failed was its end."""

    def begin_way(self) -> None:
        """Start anew, with everything that was read so far as read earlier."""
        self.earlier.update(self.current)
        self.current, self.found_again = IdSet(), 0

    def take_first_rows(self, rows: list[ResponseRow]) -> list[ResponseRow]:
        """Those rows of the usual pages, or of a later run, that are passed on."""
        new = self.take_new_rows(rows)
        return rows if self.passes_repeats else new

    def take_new_rows(self, rows: list[ResponseRow]) -> list[ResponseRow]:
        """The rows that neither this way nor one before it showed."""
        names = identify_rows(rows)
        old = set(self.current.add_each(names))
        if self.earlier.count:
            again = {place for place, name in enumerate(names) if name in self.earlier} - old
            self.found_again += len(again)
            old |= again
        return [row for place, row in enumerate(rows) if place not in old] if old else rows

    @property
    def shows_no_more(self) -> bool:
        """Whether the present way showed no more objects than those before it."""
        return self.current.count <= self.earlier.count

    def count_lost(self) -> int:
        """How many objects of earlier ways the present one leaves out; 0 for so few as come and go
        meanwhile.
        """
        lost = self.earlier.count - self.found_again
        return lost if lost > MAX_LOST_SHARE * self.earlier.count else 0

    def note_failure(self, *, is_full_end: bool) -> None:
        """Note that the present way failed; `is_full_end`: in nothing but that its end is full."""
        self.failures.append((self.current.count, is_full_end))

    def is_full_end_believed(self) -> bool:
        """Whether ways ended on a full page after the same objects, and no other got as far."""
        self.begin_way()
        shown = self.earlier.count
        return any(is_full for _, is_full in self.failures) and all(
            count == shown if is_full else count < shown for count, is_full in self.failures
        )
