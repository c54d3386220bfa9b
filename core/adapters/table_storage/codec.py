"""How the engine's nouns are written as JSON and read back: strict, because rows are state.

Reading raises ValueError for anything that is not exactly what this version writes; the ledger then
leaves the row alone and says so.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.findings import Fact
from core.model.requests import OperatorRequest
from core.model.state import GuardState, ScanPass, ScanTotals, Shard
from core.tenant.readings import ReadFailure

type StoredRecord = Case | ChangeRecord | Exemption | OperatorRequest | GuardState | Shard

FIELD_TYPES: Mapping[object, dict[str, Any]] = {
    kind: get_type_hints(kind)
    for kind in (
        Case,
        ChangeRecord,
        Fact,
        Exemption,
        OperatorRequest,
        GuardState,
        Shard,
        ScanPass,
        ScanTotals,
        ReadFailure,
    )
}
# A string property of Table Storage holds 32,768 characters.
MAX_BODY_LENGTH = 32_000


def encode_stored_record(record: StoredRecord) -> str:
    """A record as JSON. Raises ValueError when it would not fit into a row."""
    text = json.dumps(
        {entry.name: getattr(record, entry.name) for entry in fields(record)},
        separators=(",", ":"),
        default=encode_value,
    )
    if len(text) > MAX_BODY_LENGTH:
        raise ValueError(f"a {type(record).__name__} of {len(text):,} characters fits no row")
    return text


def encode_value(value: object) -> object:
    """What JSON does not know by itself."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset):
        return sorted(value)
    if type(value) in FIELD_TYPES:
        return {name: getattr(value, name) for name in FIELD_TYPES[type(value)]}
    raise ValueError(f"{type(value).__name__} has no JSON form")


def decode_stored_record[R: StoredRecord](record_type: type[R], text: str) -> R:
    """A record from JSON. Raises ValueError when it is not one."""
    try:
        document = json.loads(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"not a {record_type.__name__}: {type(error).__name__}") from error
    return decode_object(record_type, document)


def decode_object[R](record_type: type[R], document: object) -> R:
    """A record, or a part of one, from what JSON says."""
    hints = FIELD_TYPES[record_type]
    if not isinstance(document, dict) or not document.keys() <= hints.keys():
        raise ValueError(f"not a {record_type.__name__}")
    values = {name: decode_value(value, hints[name], name) for name, value in document.items()}
    try:
        return record_type(**values)
    except TypeError as error:
        raise ValueError(f"a {record_type.__name__} is incomplete") from error


def decode_value(value: object, hint: Any, name: str) -> Any:
    """A JSON value as the type its field asks for."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        if value is None and NoneType in arguments:
            return None
        return decode_value(value, arguments[0], name)
    if origin in (tuple, frozenset) and isinstance(value, list):
        return origin(decode_value(part, arguments[0], name) for part in value)
    if origin is Mapping and isinstance(value, dict):
        return {key: decode_value(part, arguments[1], name) for key, part in value.items()}
    if hint is object:
        return value
    if hint in FIELD_TYPES:
        return decode_object(hint, value)
    return decode_scalar(value, hint, name)


def decode_scalar(value: object, hint: Any, name: str) -> Any:
    """A JSON value as a time, a member of an enum, a string, a number or a truth."""
    if hint is datetime and isinstance(value, str):
        return decode_time(value, name)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise ValueError(f"{name} is not {hint}")


def decode_time(value: str, name: str) -> datetime:
    """A time with its zone, in UTC, within reach of every sum that is made with times."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(f"{name} has no time zone")
    if not 1970 <= moment.year < 3000:
        raise ValueError(f"{name} is out of all time")
    return moment.astimezone(UTC)
