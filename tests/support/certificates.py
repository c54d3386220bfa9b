"""Certificates as far as they are read: their key, and what stands around it."""

import base64


def encode(kind: int, content: bytes) -> bytes:
    """A value in DER."""
    size = len(content)
    if size < 0x80:
        return bytes([kind, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([kind, 0x80 + len(length)]) + length + content


def build_key(key: str) -> bytes:
    """A public key as it stands in a certificate."""
    return encode(0x30, encode(0x03, key.encode()))


def build_certificate(
    key: str, *, serial: int = 1, name: str = "CN=Contoso", is_first_version: bool = False
) -> str:
    """A certificate with this key, in base64."""
    called = encode(0x30, encode(0x0C, name.encode()))
    content = (
        b"" if is_first_version else encode(0xA0, encode(0x02, b"\x02")),
        encode(0x02, bytes([serial])),
        encode(0x30, b"\x06\x01\x2a"),
        called,
        encode(0x30, b"\x17\x01\x30"),
        called,
        build_key(key),
        encode(0xA3, b"\x30\x00"),
    )
    signed = encode(0x30, b"".join(content))
    return base64.b64encode(encode(0x30, signed + encode(0x03, b"signature"))).decode()
