"""JSON from elsewhere, read so that it says one thing or is refused.

Python reads more than RFC 8259 allows: NaN is no number there, and of a name that stands twice in
an object the last value wins, while another reader may see the first. Neither is guessed at.
"""

import json
from typing import Any, NoReturn


def parse_strict_json(raw: str | bytes) -> object:
    """The value a JSON text stands for.

    Raises ValueError for what is not JSON or says something twice, and RecursionError for what is
    nested too deeply.
    """
    return json.loads(raw, parse_constant=reject_constant, object_pairs_hook=require_unique_names)


def reject_constant(name: str) -> NoReturn:
    """NaN and the infinities. Raises ValueError."""
    raise ValueError(f"{name} is no JSON")


def require_unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object none of whose names stands there twice. Raises ValueError."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found
