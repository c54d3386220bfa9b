"""Parses untrusted JSON so that it has one meaning or is rejected.

Python accepts more than RFC 8259 allows: NaN and the infinities are not numbers there, and if a
name occurs twice in an object, Python keeps the last value while another parser may keep the first.

msgspec decodes in C, and keeps the last value too. Whether it dropped one is seen by writing again
what was decoded: mostly that gives the same text. Where it does not, the colons tell: outside of
strings there is one for each member, so a text with members that were dropped has more of them. A
text for which that says nothing, or that msgspec does not take, is read by
`parse_member_by_member`, which decides.
"""

import json
import math
from datetime import UTC, datetime
from typing import Any, NoReturn

import msgspec

# Years that leave room for every sum and difference the app computes.
FIRST_YEAR, END_YEAR = 1970, 3000

DECODER = msgspec.json.Decoder()
ENCODER = msgspec.json.Encoder()


def parse_strict_json(raw: str | bytes) -> object:
    """Parse a JSON text.

    Raises ValueError if it is not JSON, if an object has a name twice or a number is larger than
    any float, and RecursionError if it is nested too deeply.
    """
    try:
        value = DECODER.decode(raw)
    except (ValueError, RecursionError):
        return parse_member_by_member(raw)
    return value if surely_has_unique_names(raw, value) else parse_member_by_member(raw)


def surely_has_unique_names(raw: str | bytes, value: object) -> bool:
    """Whether a text has no member beside those that were decoded from it into `value`.

    A colon inside of a string is one in either form, unless the text has it as an escape. False
    means only that it cannot be told in this way.
    """
    text = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
    try:
        written = ENCODER.encode(value)
    except (ValueError, OverflowError, RecursionError):
        return False
    if written == text:
        return True
    if b"\\" in text and (b"\\u003a" in text or b"\\u003A" in text):
        return False
    return written.count(b":") == text.count(b":")


def parse_member_by_member(raw: str | bytes) -> object:
    """Parse a JSON text with a look at every member. Raises like `parse_strict_json`."""
    return json.loads(
        raw,
        parse_constant=reject_constant,
        parse_float=parse_finite_number,
        object_pairs_hook=require_unique_names,
    )


def reject_constant(name: str) -> NoReturn:
    """Raise ValueError for NaN and the infinities."""
    raise ValueError(f"{name} is not JSON")


def parse_finite_number(text: str) -> float:
    """A number with a fraction or an exponent. Raises ValueError if no float is that large."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


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
