"""Counts the rows that only the holder of a guard's claim writes, with a checksum of their texts.

The census of a guard stands in its lease row and changes in the transaction that changes the rows.
So a run sees whether its rows are those that the last run left: whoever deletes, edits or adds one
past the app would have to correct the census as well. Requests are left out, since the API adds
them without a claim, and so are the reports of runs and what is archived.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.adapters.table_storage.row_texts import get_row_text

COUNTED_KINDS: Mapping[str, str] = {
    "case": "cases",
    "change": "changes",
    "exempt": "exemptions",
    "known": "memories of objects",
    "out": "messages to channels",
    "days": "tallies",
}
CHECKSUM_SIZE = 2**64


def get_row_kind(key: str) -> str:
    """Return the kind of a row, which is what its key begins with."""
    return key.partition("|")[0]


def hash_row(row: Mapping[str, Any]) -> int:
    """Return the part of a row in the checksum. A row without a text has that of an empty one."""
    try:
        text = get_row_text(row, "body")
    except (KeyError, ValueError):
        text = ""
    raw = f"{row['RowKey']}\0{text}".encode(errors="surrogatepass")
    return int.from_bytes(hashlib.sha256(raw).digest()[:8])


@dataclass(slots=True)
class RowCensus:
    """The counted rows of a guard: the hash of each by its key, their number and their checksum."""

    hashes: dict[str, int] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    checksum: int = 0

    @classmethod
    def count_rows(cls, rows: Iterable[Mapping[str, Any]]) -> "RowCensus":
        """Return the census of rows as they were read."""
        return cls.count_hashes({row["RowKey"]: hash_row(row) for row in rows})

    @classmethod
    def count_hashes(cls, hashes: Mapping[str, int]) -> "RowCensus":
        """Return the census of rows by the hash of each."""
        census = cls()
        census.note(hashes)
        return census

    def note(self, hashes: Mapping[str, int | None]) -> dict[str, int | None]:
        """Note that rows have these hashes now, or None where they were deleted.

        Returns what to note to take that back.
        """
        previous: dict[str, int | None] = {}
        for key, value in hashes.items():
            kind = get_row_kind(key)
            if kind not in COUNTED_KINDS:
                continue
            previous[key] = before = self.hashes.pop(key, None)
            if value is not None:
                self.hashes[key] = value
            self.counts[kind] += (value is not None) - (before is not None)
            self.checksum = (self.checksum + (value or 0) - (before or 0)) % CHECKSUM_SIZE
        return previous

    def to_text(self) -> str:
        """Return the census as the lease row holds it."""
        counts = {kind: self.counts[kind] for kind in COUNTED_KINDS if self.counts[kind]}
        return json.dumps({**counts, "checksum": f"{self.checksum:016x}"})

    def explain_difference(self, stored: str) -> str:
        """Say how the rows differ from a stored census, in words; empty if they do not."""
        if self.to_text() == stored:
            return ""
        try:
            known = json.loads(stored)
            counts = {kind: int(known.get(kind, 0)) for kind in COUNTED_KINDS}
        except (ValueError, TypeError, AttributeError, RecursionError):
            return "the count of the rows cannot be decoded"
        found = [
            f"{abs(number)} {title} {'vanished' if number > 0 else 'were added'}"
            for kind, title in COUNTED_KINDS.items()
            if (number := counts[kind] - self.counts[kind])
        ]
        return "; ".join(found) or "rows were changed"


def hash_operations(operations: Iterable[tuple[Any, ...]]) -> dict[str, int | None]:
    """Return the hashes of rows after the operations of a transaction; None for deleted ones."""
    return {
        row["RowKey"]: None if verb == "delete" else hash_row(row) for verb, row, *_ in operations
    }


def compare_census(census: RowCensus, stored: object, state: object) -> str:
    """Say how the rows differ from those that the last claim left; empty if they do not, or if
    nobody counted them. `stored` is the census in the lease row, and `state` the state there.

    A row is never written without a census in the lease row, nor a census without a state or
    rows; while a large tenant is scanned in shards, its workers write rows that none counts.
    Rows that cannot be decoded are told apart: they may be missing in the census, since somebody
    added them, or in it, since a newer version wrote them.
    """
    if stored:
        return census.explain_difference(stored) if isinstance(stored, str) else "no count"
    if state or not census.hashes:
        return ""
    return "the row of the guard's state is gone"
