"""The public key of a certificate: what its maker cannot choose to be that of somebody else. Pure.

A certificate's names, its serial number and the identifier of its key (SubjectKeyIdentifier) are
whatever its maker writes. With the public key of another, nobody can sign anything. A certificate
that is renewed with its key keeps it (RFC 5280, 4.1: TBSCertificate; X.690, 10.1: DER).
"""

import base64
import re

SEQUENCE, INTEGER, VERSION = 0x30, 0x02, 0xA0
# What stands before the public key: serial number, signature, issuer, validity, subject.
BEFORE_KEY = (INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE)
MAX_LENGTH_BYTES = 3
BASE64 = re.compile(r"[A-Za-z0-9+/]+")


def find_public_key(certificate: str) -> bytes | None:
    """The public key of a certificate in base64, as it is written there (SubjectPublicKeyInfo).

    None for what is no certificate in DER. The text may be cut off behind the key.
    """
    found = BASE64.match(re.sub(r"\s", "", certificate).replace("-", "+").replace("_", "/"))
    text = found[0] if found else ""
    # A single letter behind whole groups of four holds no byte.
    data = base64.b64decode(f"{text[:-1] if len(text) % 4 == 1 else text}===")
    try:
        at, _ = open_value(data, 0, SEQUENCE)
        at, _ = open_value(data, at, SEQUENCE)
        if data[at] == VERSION:
            at = end_value(data, at, VERSION)
        for kind in BEFORE_KEY:
            at = end_value(data, at, kind)
        end = end_value(data, at, SEQUENCE)
    except (IndexError, ValueError):
        return None
    return data[at:end] if end <= len(data) else None


def open_value(data: bytes, at: int, kind: int) -> tuple[int, int]:
    """Where the content of a value begins and ends.

    Raises ValueError for another kind of value, or a length that DER does not write like that, and
    IndexError behind the end of the data.
    """
    if data[at] != kind:
        raise ValueError("another kind of value")
    length, begin = data[at + 1], at + 2
    if length < 0x80:
        return begin, begin + length
    count = length - 0x80
    if not 0 < count <= MAX_LENGTH_BYTES:
        raise ValueError("a length of another form")
    length = int.from_bytes(data[begin : begin + count])
    if length < 0x80 or not data[begin]:
        raise ValueError("a length that is written too long")
    return begin + count, begin + count + length


def end_value(data: bytes, at: int, kind: int) -> int:
    """Where a value ends."""
    return open_value(data, at, kind)[1]
