"""Parses untrusted JSON so that it has one meaning or is rejected.

Python accepts more than RFC 8259 allows: NaN and the infinities are not numbers there, and if a
name occurs twice in an object, Python keeps the last value while another parser may keep the first.
"""

import json
from datetime import UTC, datetime
from typing import Any, NoReturn

# Years that leave room for every sum and difference the app computes.
FIRST_YEAR, END_YEAR = 1970, 3000


def parse_strict_json(raw: str | bytes) -> object:
    """Parse a JSON text.

    Raises ValueError if it is not JSON or if an object has a name twice, and RecursionError if it
    is nested too deeply.
    """
    return json.loads(raw, parse_constant=reject_constant, object_pairs_hook=require_unique_names)


def reject_constant(name: str) -> NoReturn:
    """Raise ValueError for NaN and the infinities."""
    raise ValueError(f"{name} is not JSON")


def require_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object from its members. Raises ValueError if a name occurs twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice")
    return members


def normalize_time(value: datetime) -> datetime:
    """Return a time in UTC. Raises ValueError if it has no zone or its year is out of range."""
    if value.tzinfo is None:
        raise ValueError("a time has no zone")
    if not FIRST_YEAR <= value.year < END_YEAR:
        raise ValueError("the year of a time is out of range")
    return value if value.tzinfo is UTC else value.astimezone(UTC)
