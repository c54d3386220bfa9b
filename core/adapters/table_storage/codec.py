"""Encodes the engine's records as JSON for a row and decodes them strictly, since rows are state.

Decoding raises ValueError for a missing or unknown field, a wrong type, a name that occurs twice, a
number that is not finite, a time without a zone and a year out of range. The ledger then leaves the
row alone and reports it.

msgspec checks types, but ignores unknown names and keeps the last of duplicate ones. A record that
encodes to exactly the text it was decoded from contains neither. Only a text that differs, written
by hand or before a field was added, is parsed a second time to check its names.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from operator import is_
from typing import Any, get_args, get_type_hints

import msgspec

from core.model.activity import Act, ActivityCursor, Cause, PendingLook, RefusedContent
from core.model.audit_queries import AuditSearch, CauseWish, WishedCase
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.containment import AccountBundle, Containment, ContainmentStep
from core.model.outbox import ChannelHealth, Notice, OutboxRow
from core.model.requests import OperatorRequest
from core.model.state import (
    GuardState,
    InboxGroup,
    ProbeReport,
    ScanPass,
    Shard,
    StateMark,
    Way,
)
from core.model.tally import Tally
from core.strict_json import normalize_time, parse_strict_json
from core.tenant.audit_queries import AuditQuestion
from core.tenant.known_traits import KnownTraits
from core.tenant.probing import ProbeAnswer

type StoredRecord = (
    Case
    | ChangeRecord
    | Exemption
    | OperatorRequest
    | KnownTraits
    | GuardState
    | Shard
    | Way
    | InboxGroup
    | ProbeReport
    | Tally
    | StateMark
    | Act
    | ActivityCursor
    | PendingLook
    | CauseWish
    | AuditSearch
    | OutboxRow
    | ChannelHealth
    | Containment
    | AccountBundle
)

# Bytes of UTF-8, of which a text has at least as many as UTF-16 code units. A row of Table Storage
# holds 1 MiB, in which each of these takes two bytes (Microsoft Learn: Understanding the Table
# service data model).
MAX_RECORD_LENGTH = 480_000

RECORD_TYPES: tuple[type[StoredRecord], ...] = get_args(StoredRecord.__value__)
DECODERS: Mapping[type[Any], msgspec.json.Decoder[Any]] = {
    record_type: msgspec.json.Decoder(record_type) for record_type in RECORD_TYPES
}
# Sets have no order of their own; sorted, equal records have equal texts.
ENCODER = msgspec.json.Encoder(order="deterministic")


# What has times of its own inside a record, and the time itself.
NESTED = (
    datetime,
    ScanPass,
    ProbeAnswer,
    Cause,
    RefusedContent,
    Notice,
    ContainmentStep,
    WishedCase,
    AuditQuestion,
)


def contains_time(hint: Any) -> bool:
    """True if a value of this type is or contains a time that has to be checked."""
    return hint in NESTED or any(map(contains_time, get_args(hint)))


TIME_FIELDS: Mapping[type[Any], tuple[str, ...]] = {
    record_type: tuple(
        name for name, hint in get_type_hints(record_type).items() if contains_time(hint)
    )
    for record_type in (*RECORD_TYPES, *NESTED[1:])
}


def encode_stored_record(record: StoredRecord) -> str:
    """Encode a record as JSON. Raises ValueError if it does not fit into a row."""
    try:
        raw = ENCODER.encode(record)
    except UnicodeEncodeError:
        # A lone surrogate is valid in a str, but not in UTF-8.
        plain = msgspec.to_builtins(record, order="deterministic")
        text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
        raw = text.encode(errors="replace")
    if len(raw) > MAX_RECORD_LENGTH:
        raise ValueError(f"a {type(record).__name__} of {len(raw):,} bytes does not fit into a row")
    return raw.decode()


def decode_stored_record[R: StoredRecord](record_type: type[R], text: str) -> R:
    """Decode a record. Raises ValueError if the text is not exactly one record of this type."""
    try:
        if not isinstance(text, str):
            raise TypeError("the body is not a string")
        record: R = DECODERS[record_type].decode(text)
        if ENCODER.encode(record) != text.encode():
            known = msgspec.to_builtins(record, order="deterministic")
            require_known_names(parse_strict_json(text), known)
        normalized: R = normalize_times(record)
        return normalized
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"not a valid {record_type.__name__}: {error}") from error


def require_known_names(document: object, known: object) -> None:
    """Raise ValueError if a document has a name that the record decoded from it does not have."""
    if isinstance(document, dict) and isinstance(known, dict):
        if unknown := document.keys() - known.keys():
            raise ValueError(f"unknown field {min(unknown)[:60]!r}")
        for name, value in document.items():
            require_known_names(value, known[name])
    elif isinstance(document, list) and isinstance(known, list | tuple):
        for one, other in zip(document, known, strict=False):
            require_known_names(one, other)


def normalize_times(record: Any) -> Any:
    """Return a record with all its times in UTC. Raises ValueError for one that is unusable."""
    changed = {}
    for name in TIME_FIELDS[type(record)]:
        value = getattr(record, name)
        normalized = normalize_value(value)
        if normalized is not value:
            changed[name] = normalized
    return replace(record, **changed) if changed else record


def normalize_value(value: Any) -> Any:
    """Return a time, a collection of times or a nested record with all its times in UTC."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return normalize_time(value)
    if isinstance(value, dict):
        return normalize_values(value)
    if isinstance(value, tuple):
        normalized = tuple(map(normalize_value, value))
        return value if all(map(is_, normalized, value)) else normalized
    return normalize_times(value)


def normalize_values(values: dict[str, Any]) -> dict[str, Any]:
    """Return a dictionary with all its times in UTC.

    Most times in a memory of many traits equal the one before: they are kept once.
    """
    normalized: dict[str, Any] = {}
    last: datetime | None = None
    for key, value in values.items():
        part = normalize_value(value)
        if isinstance(part, datetime):
            last = part = last if part == last else part
        normalized[key] = part
    return normalized
