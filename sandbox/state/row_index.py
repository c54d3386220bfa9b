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

INDEXED_NAMES = frozenset({"RecipientTypeDetails", "WhenCreated", "Name"})
# A shorter listing is read through as fast.
MIN_ROWS = 200
AFTER_EVERY_TEXT = "\U0010ffff"


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
        for name in ("WhenCreated", "Name"):
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
        """The places for each condition; all those on the date of creation are one range."""
        low, high = "", AFTER_EVERY_TEXT
        places: list[list[int]] = []
        for one in conditions:
            value = normalize_value(one.values[0])
            match one.name, one.comparator, one.negated:
                case "WhenCreated", "ge", False if isinstance(value, str):
                    low = max(low, value)
                case "WhenCreated", "ge", True if isinstance(value, str):
                    high = min(high, value)
                case "RecipientTypeDetails", "eq", False if len(one.values) == 1:
                    places.append(self.kinds.get(value, []))
                case "Name", "like", False:
                    prefixes = list_prefixes(one.values)
                    places += [self.find_prefixes(prefixes)] if prefixes else []
                case _:
                    continue
        if low or high != AFTER_EVERY_TEXT:
            places.append(self.find_dates(low, high))
        return places

    def find_dates(self, low: str, high: str) -> list[int]:
        """The places of the rows that were created in a span; without a start, also the undated."""
        within = self.find_texts("WhenCreated", low, high)
        return within if low else within + self.without["WhenCreated"]

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
