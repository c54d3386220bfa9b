"""Keys: what rows and cases are known by. Never foreign text, always a hash of it.

Keys begin with the **place** of the object they are about, so that everything about one object
stands together, and a stretch of places is a stretch of row keys: a slice of the mailboxes and what
is remembered of them are cut the same way.
"""

import hashlib
import json
from datetime import datetime

PLACE = 8
# 3000-01-01T00:00Z in milliseconds.
FAR = 32_503_680_000_000
# What a key, and the id of a run or of an action, look like.
KEY = r"[0-9a-f]{32}"
NUMBER = r"[0-9]{14}-[0-9a-f]{8}"
FIRST, END = "", "~"
"""Below every place, and above every place."""


def digest(*parts: object) -> str:
    """A key made of any JSON-able parts: 32 hex digits of SHA-256 over canonical JSON."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def countdown(moment: datetime) -> str:
    """Fourteen digits that fall as time goes on, so that of rows the newest sorts first."""
    return f"{FAR - int(moment.timestamp() * 1000):014d}"


def place(object_id: str) -> str:
    """Where an object stands among all: 8 hex digits, evenly spread."""
    return hashlib.sha256(object_id.encode("utf-8", "replace")).hexdigest()[:PLACE]


def key_of(object_id: str, *parts: object) -> str:
    """A key of something about one object: its place, then 24 hex digits of what it is."""
    return place(object_id) + digest(object_id, *parts)[PLACE:]
