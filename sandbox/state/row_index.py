"""An index of a long listing, so that a filter need not be held against every row of it.

Only conditions that a row has to meet in any case are looked up; who asks holds the whole filter
against the rows that are left.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from sandbox.graph.odata import Condition, normalize_value
from sandbox.http_types import Row

ORDERED_NAMES = ("WhenCreated", "Name")
INDEXED_NAMES = frozenset({"RecipientTypeDetails", *ORDERED_NAMES})
# A shorter listing is read through as fast.
MIN_ROWS = 200
AFTER_EVERY_TEXT = "\U0010ffff"


@dataclass(slots=True)
class DerivedRows:
    """The rows of a listing that are made from those of others."""

    sources: tuple[Sequence[Row], ...]
    rows: Sequence[Row]
    counts: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.counts = tuple(map(len, self.sources))

    def is_of(self, *sources: Sequence[Row]) -> bool:
        """True as long as the others are the same listings and no longer or shorter."""
        same = all(now is then for now, then in zip(sources, self.sources, strict=True))
        return same and tuple(map(len, sources)) == self.counts


@dataclass(slots=True)
class RowIndex:
    """The places of a listing's rows by recipient type, by date of creation and by name."""

    rows: Sequence[Row]
    count: int = field(init=False)
    kinds: dict[object, list[int]] = field(init=False)
    texts: dict[str, list[tuple[str, int]]] = field(init=False)
    """For the date and the name: the texts in order, each with the place of its row."""
    without: dict[str, list[int]] = field(init=False)
    """For the date and the name: the rows that have none, or none that is a text."""

    def __post_init__(self) -> None:
        self.count, self.kinds = len(self.rows), defaultdict(list)
        self.texts, self.without = {}, {}
        for place, row in enumerate(self.rows):
            self.kinds[normalize_value(row.get("RecipientTypeDetails"))].append(place)
        for name in ORDERED_NAMES:
            values = [
                (normalize_value(row.get(name)), place) for place, row in enumerate(self.rows)
            ]
            self.texts[name] = sorted(
                (value, place) for value, place in values if isinstance(value, str)
            )
            self.without[name] = [place for value, place in values if not isinstance(value, str)]

    def is_of(self, rows: Sequence[Row]) -> bool:
        """True as long as the listing is the same one and no longer or shorter."""
        return rows is self.rows and len(rows) == self.count

    def find_rows(self, conditions: Sequence[Condition]) -> Sequence[Row]:
        """The rows that may meet all conditions, in the order of the listing."""
        found = self.list_places(conditions)
        if not found:
            return self.rows
        places = min(found, key=lambda one: len(one))
        return [self.rows[place] for place in sorted(places)]

    def list_places(self, conditions: Sequence[Condition]) -> list[list[int]]:
        """The places for each condition; all those on the order of one property are one range."""
        spans = {name: ("", AFTER_EVERY_TEXT) for name in ORDERED_NAMES}
        places: list[list[int]] = []
        for one in conditions:
            value = normalize_value(one.values[0])
            match one.comparator, one.name:
                case "ge", name if name in spans and isinstance(value, str):
                    low, high = spans[name]
                    spans[name] = (
                        (low, min(high, value)) if one.negated else (max(low, value), high)
                    )
                case "eq", "RecipientTypeDetails" if len(one.values) == 1 and not one.negated:
                    places.append(self.kinds.get(value, []))
                case "like", "Name" if not one.negated:
                    prefixes = list_prefixes(one.values)
                    places += [self.find_prefixes(prefixes)] if prefixes else []
                case _:
                    continue
        cut = {name: span for name, span in spans.items() if span != ("", AFTER_EVERY_TEXT)}
        return [*places, *(self.find_span(name, *span) for name, span in cut.items())]

    def find_span(self, name: str, low: str, high: str) -> list[int]:
        """The places of the rows in a span of dates or names; without a start, also of those that
        have none.
        """
        within = self.find_texts(name, low, high)
        return within if low else within + self.without[name]

    def find_prefixes(self, prefixes: Sequence[str]) -> list[int]:
        """The places of the names that begin in one of some ways, or are no text."""
        found = {
            place
            for prefix in prefixes
            for place in self.find_texts("Name", prefix, prefix + AFTER_EVERY_TEXT)
        }
        return [*found, *self.without["Name"]]

    def find_texts(self, name: str, low: str, high: str) -> list[int]:
        texts = self.texts[name]
        start = bisect_left(texts, low, key=itemgetter(0))
        return [place for _, place in texts[start : bisect_left(texts, high, key=itemgetter(0))]]


def list_prefixes(patterns: Sequence[object]) -> list[str]:
    """What names begin with that match one of some patterns; nothing where a pattern says more."""
    texts = [str(pattern).casefold() for pattern in patterns]
    if any(not text.endswith("*") or set("*?[") & set(text[:-1]) for text in texts):
        return []
    return [text[:-1] for text in texts]
