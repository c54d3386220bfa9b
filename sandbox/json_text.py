"""JSON as it goes over the wire: by msgspec, and what that does not take by Python.

Python writes and reads more than JSON is: numbers beyond 64 bits, halves of a surrogate pair, deep
nesting. Tenants that mean ill have them.
"""

import json
from typing import Any

import msgspec

ENCODER = msgspec.json.Encoder()
DECODER = msgspec.json.Decoder()


def encode_json(value: object) -> bytes:
    """A value as JSON, without spaces."""
    try:
        return ENCODER.encode(value)
    except (ValueError, OverflowError, RecursionError):
        return json.dumps(value, separators=(",", ":")).encode()


def decode_json(text: bytes) -> Any:
    """The value of a JSON text, with or without a byte order mark. Raises ValueError."""
    try:
        return DECODER.decode(text)
    except (ValueError, RecursionError):
        return json.loads(text)
