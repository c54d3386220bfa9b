"""Long texts in rows: split over several properties of a row, and rows into transactions that fit.

    body, body1, body2 ...       the parts of one text, in order

Limits of Table Storage: a string property holds 32,768 UTF-16 code units, an entity 1 MiB and 252
properties, a transaction 100 operations and 4 MiB (Microsoft Learn: Understanding the Table service
data model; Performing entity group transactions).
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any

BATCH_SIZE = 99
"""Operations in a transaction, which also carries the fence: 100 is the limit of the service."""

# Characters of a property: beyond the basic plane, one takes two code units.
PART_LENGTH = 16_000
# Bytes of a transaction: sending more than 1 MiB at once would hold up the event loop. What the SDK
# adds to each operation is counted generously.
MAX_TRANSACTION_BYTES = 1_000_000
OPERATION_OVERHEAD = 1_500

type Row = dict[str, Any]


def set_row_text(row: Mapping[str, Any], name: str, text: str) -> Row:
    """Return the row with a text in place of the one it had under this name, in as many parts as it
    needs.
    """
    is_part = re.compile(rf"{name}[0-9]*").fullmatch
    kept = {key: value for key, value in row.items() if not is_part(key)}
    parts = [text[at : at + PART_LENGTH] for at in range(0, len(text), PART_LENGTH)] or [""]
    return kept | {f"{name}{number or ''}": part for number, part in enumerate(parts)}


def get_row_text(row: Mapping[str, Any], name: str) -> str:
    """Return a text of a row from its parts. Raises ValueError if one of them is no text, KeyError
    if there is none.
    """
    parts = [row[name]]
    for number in count(1):
        if (part := row.get(f"{name}{number}")) is None:
            break
        parts.append(part)
    if not all(isinstance(part, str) for part in parts):
        raise ValueError(f"the property {name} is not a text")
    return "".join(parts)


def measure_operation(operation: tuple[Any, ...]) -> int:
    """Return at least how many bytes an operation takes in the body of a transaction."""
    row: Mapping[str, Any] = operation[1]
    texts = (value for value in row.values() if isinstance(value, str))
    return OPERATION_OVERHEAD + sum(len(json.dumps(text)) for text in texts)


def split_into_transactions(
    operations: Sequence[tuple[Any, ...]], fence_bytes: int
) -> Iterator[tuple[tuple[Any, ...], ...]]:
    """Split operations, in order, into groups that fit into a transaction beside its fence."""
    group: list[tuple[Any, ...]] = []
    room = MAX_TRANSACTION_BYTES - fence_bytes
    left = room
    for operation in operations:
        size = measure_operation(operation)
        if group and (len(group) == BATCH_SIZE or size > left):
            yield tuple(group)
            group, left = [], room
        group.append(operation)
        left -= size
    if group:
        yield tuple(group)
