"""Keys of rows and cases. A key is always a hash, never untrusted text.

A key begins with the hash prefix of the object it is about, so that all rows about one object are
adjacent, and a range of hash prefixes is a range of row keys: mailboxes and their stored rows are
partitioned the same way.
"""

import hashlib
import json
from datetime import UTC, datetime

PREFIX_LENGTH = 8
# 3000-01-01T00:00Z in milliseconds.
DESCENDING_ORIGIN_MS = 32_503_680_000_000
# The formats of a key, and of the id of a run or a request.
KEY_PATTERN = r"[0-9a-f]{32}"
RUN_ID_PATTERN = r"[0-9]{14}-[0-9a-f]{8}"
RANGE_START, RANGE_END = "", "~"
"""Below every hash prefix, and above every hash prefix."""

encode_parts = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str
).encode


def hash_parts(*parts: object) -> str:
    """A key made of any JSON-able parts: 32 hex digits of SHA-256 over canonical JSON."""
    return hashlib.sha256(encode_parts(parts).encode()).hexdigest()[:32]


def format_descending_time(at: datetime) -> str:
    """Fourteen digits that decrease over time, so that the newest row sorts first."""
    return f"{DESCENDING_ORIGIN_MS - int(at.timestamp() * 1000):014d}"


def format_act_hour(at: datetime) -> str:
    """Ten digits for the hour of a time in UTC, with which the keys of its acts begin."""
    return f"{at.astimezone(UTC):%Y%m%d%H}"


def hash_text(text: str) -> str:
    """64 hex digits for any text, evenly distributed."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def compute_hash_prefix(object_id: str) -> str:
    """The position of an object among all objects: 8 hex digits, evenly distributed."""
    return hash_text(object_id)[:PREFIX_LENGTH]


def build_object_key(object_id: str, *parts: object) -> str:
    """A key for something about one object: its hash prefix, then 24 hex digits for the parts."""
    return compute_hash_prefix(object_id) + hash_parts(object_id, *parts)[PREFIX_LENGTH:]
