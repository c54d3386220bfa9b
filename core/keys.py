"""Keys: what rows and cases are known by. Never foreign text, always a hash of it.

Keys begin with the **place** of the object they are about, so that everything about one object
stands together, and a stretch of places is a stretch of row keys: a slice of the mailboxes and what
is remembered of them are cut the same way.
"""

import hashlib
import json
from datetime import datetime

PREFIX_LENGTH = 8
# 3000-01-01T00:00Z in milliseconds.
DESCENDING_ORIGIN_MS = 32_503_680_000_000
# What a key, and the id of a run or of an action, look like.
KEY_PATTERN = r"[0-9a-f]{32}"
RUN_ID_PATTERN = r"[0-9]{14}-[0-9a-f]{8}"
RANGE_START, RANGE_END = "", "~"
"""Below every place, and above every place."""


def hash_parts(*parts: object) -> str:
    """A key made of any JSON-able parts: 32 hex digits of SHA-256 over canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def format_descending_time(at: datetime) -> str:
    """Fourteen digits that fall as time goes on, so that of rows the newest sorts first."""
    return f"{DESCENDING_ORIGIN_MS - int(at.timestamp() * 1000):014d}"


def compute_hash_prefix(object_id: str) -> str:
    """Where an object stands among all: 8 hex digits, evenly spread."""
    return hashlib.sha256(object_id.encode("utf-8", "replace")).hexdigest()[:PREFIX_LENGTH]


def build_object_key(object_id: str, *parts: object) -> str:
    """A key of something about one object: its place, then 24 hex digits of what it is."""
    return compute_hash_prefix(object_id) + hash_parts(object_id, *parts)[PREFIX_LENGTH:]
