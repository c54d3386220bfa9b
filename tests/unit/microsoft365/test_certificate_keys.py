"""The public key of a certificate, as its issuer signed it."""

import base64

import pytest

from core.microsoft365.certificate_keys import find_public_key
from tests.support.certificates import build_certificate, build_key, encode


def test_a_key_is_found_behind_names_of_any_length() -> None:
    for name in ("", "CN=Contoso", "n" * 127, "n" * 128, "n" * 70_000):
        for is_first in (False, True):
            text = build_certificate("k", name=name, is_first_version=is_first)
            assert find_public_key(text) == build_key("k")
    long = "k" * 600
    assert find_public_key(build_certificate(long)) == build_key(long)


def test_a_text_that_is_cut_off_behind_the_key_still_tells_it() -> None:
    text = build_certificate("k")
    key = base64.b64encode(b"x" * base64.b64decode(text).index(build_key("k")))
    whole = len(key) + 4 * len(build_key("k")) // 3 + 4
    assert find_public_key(f"{text[:whole]}\u2026 (40 more, 0123)") == build_key("k")
    assert find_public_key(text[: len(key)]) is None


def test_line_breaks_and_the_alphabet_of_addresses_change_nothing() -> None:
    text = build_certificate("?>?>?>")
    assert "/" in text or "+" in text
    other = text.replace("+", "-").replace("/", "_")
    lines = "\r\n".join(other[at : at + 64] for at in range(0, len(other), 64))
    assert find_public_key(lines) == build_key("?>?>?>")


def pack(*values: bytes) -> str:
    """A certificate of these values."""
    return base64.b64encode(encode(0x30, encode(0x30, b"".join(values)))).decode()


SERIAL, FILLED = encode(0x02, b"\x01"), encode(0x30, b"\x05\x00")
KEY = build_key("k")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("MIIB", id="a beginning"),
        pytest.param("not base64 \u2026", id="another text"),
        pytest.param(base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode(), id="PEM"),
        pytest.param(pack(FILLED, FILLED, FILLED, FILLED, FILLED, KEY), id="no serial number"),
        pytest.param(pack(SERIAL, SERIAL, FILLED, FILLED, FILLED, KEY), id="no algorithm"),
        pytest.param(pack(SERIAL, *[FILLED] * 4), id="no key"),
        pytest.param(pack(SERIAL, *[FILLED] * 4, SERIAL), id="no key in its place"),
        # Another reader might take what follows for something else.
        pytest.param(pack(b"\x02\x81\x01\x01", *[FILLED] * 4, KEY), id="a long length"),
        pytest.param(pack(b"\x02\x82\x00\x80" + b"x" * 128, *[FILLED] * 4, KEY), id="zeros"),
        pytest.param(pack(SERIAL, b"\x30\x80\x00\x00", *[FILLED] * 3, KEY), id="no length"),
        pytest.param(pack(SERIAL, b"\x30\x84\x00\x00\x00\x00", *[FILLED] * 3, KEY), id="huge"),
    ],
)
def test_what_is_no_certificate_has_no_key(text: str) -> None:
    assert find_public_key(text) is None


def test_a_certificate_of_these_values_has_one() -> None:
    assert find_public_key(pack(SERIAL, *[FILLED] * 4, KEY)) == KEY
