"""Parts of a listing, and what tells one of its rows from another."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from core.adapters.parsing import ResponseRow, are_plain_guids, parse_identifier

ID_PROPERTIES = ("ExternalDirectoryObjectId", "Guid", "ImmutableId")
"""What an object may be known by, the best first."""
IDS_OF_ONE = ("Guid", "ExternalDirectoryObjectId", "ImmutableId")
"""The same, with what Exchange gives to one object alone first: two may have one account."""


@dataclass(frozen=True, slots=True)
class ListedRows:
    """A part of a listing."""

    rows: list[ResponseRow]
    continuation: str = ""
    """The path to go on from in a later run; empty where it cannot."""
    restarted: bool = False
    """Whether the listing begins anew here, and rows of an earlier run come again."""


def identify_row(row: ResponseRow) -> str:
    """What tells a row from all others: its ids, or else everything in it."""
    for name in IDS_OF_ONE:
        if found := parse_identifier(row.get(name)):
            return found.lower()
    return json.dumps(row, sort_keys=True, default=str)


def identify_rows(rows: Sequence[ResponseRow]) -> list[str]:
    """The same of many rows; of a page whose Guids are as usual, all at once."""
    guids = [row.get(IDS_OF_ONE[0]) for row in rows]
    return cast("list[str]", guids) if are_plain_guids(guids) else list(map(identify_row, rows))
