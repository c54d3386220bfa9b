"""Bytes into values: whatever the bytes are, they grow into something JSON could hold.

A fuzzer that had to find valid JSON by itself would rarely get past the parser of JSON. So bytes
choose: this kind of value, that name, this awkward text.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

import msgspec

ROOT = Path(__file__).resolve().parent.parent.parent.parent
MAX_DEPTH = 6
MAX_TEXT_LENGTH = 40_000
NAME_PATTERN = re.compile(r'"(@?[A-Za-z][A-Za-z.]{1,39})"')
AWKWARD_TEXTS = (
    "",
    " ",
    "x",
    "True",
    "false",
    "None",
    "Admin, Owner",
    "-1",
    "00000000-0000-0000-0000-000000000000",
    "11111111-0000-4000-8000-000000000001",
    "joe@contoso.com",
    'smtp:"a,b"@evil.example',
    '"Ann [SMTP:ann@contoso.com]" [SMTP:x@evil.example]',
    "[EX:/o=First/ou=Exchange/cn=Recipients/cn=x]",
    "x_evil.example#EXT#@contoso.onmicrosoft.com",
    "x@xn--mnchen-3ya.example",
    "x@m\u00fcnchen.example",
    "x@" + "a." * 100,
    "\u202egro.livE",
    "\u200b\u200d\ufeff",
    "\ud800",
    "\0\r\n\x1b[31m\u2028",
    "[click](https://evil.example) **b** <at>All</at> ![i](x) | ` _u_ ~~s~~ # h",
    "'; Remove-Mailbox -Identity *; '",
    "x' or PartitionKey ne '",
    "=cmd|' /C calc'!A0",
    "2026-11-20T06:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.9999999-14:00",
    "2026-13-45",
    "90.00:00:00",
    "P999999999D",
    "999999999.23:59:59",
    "50 GB (53,687,091,200 bytes)",
    "\U0001f984" * 700,
    "a" * 5_000,
    "<" * 300,
    "../../../etc/passwd",
    "https://evil.example/a?b=c#d",
    "[" * 300,
    "case|0123456789abcdef0123456789abcdef",
    "#microsoft.graph.user",
)


def find_property_names(*modules: str) -> tuple[str, ...]:
    """The names that parsers ask for, taken from their source."""
    found: dict[str, None] = {}
    for pattern in modules:
        for path in sorted((ROOT / "core").glob(pattern)):
            found |= dict.fromkeys(NAME_PATTERN.findall(path.read_text(encoding="utf-8")))
    return tuple(found)


class FuzzDataProvider:
    """Bytes that are used up from the front; when there are none left, all choices are the first.

    `names` are those that objects take for their properties.
    """

    def __init__(self, data: bytes, names: Sequence[str] = ()) -> None:
        self.data = data
        self.position = 0
        self.names = (*names, "x")

    @property
    def is_exhausted(self) -> bool:
        return self.position >= len(self.data)

    def take_byte(self) -> int:
        """The next byte."""
        if self.is_exhausted:
            return 0
        self.position += 1
        return self.data[self.position - 1]

    def take_number(self) -> int:
        """Two bytes."""
        return self.take_byte() << 8 | self.take_byte()

    def choose[T](self, choices: Sequence[T]) -> T:
        """One of some things."""
        return choices[self.take_number() % len(choices)]

    def take_rest(self) -> bytes:
        """All that is left."""
        found, self.position = self.data[self.position :], len(self.data)
        return found

    def take_text(self) -> str:
        """A text: an awkward one, or some bytes as they are, surrogates and all."""
        choice = self.take_byte() % 4
        if choice == 0:
            return self.choose(AWKWARD_TEXTS)
        if choice == 1:
            return self.choose(AWKWARD_TEXTS) + self.choose(AWKWARD_TEXTS)
        size = self.take_byte()
        found = self.data[self.position : self.position + size]
        self.position += size
        return found.decode("utf-8", "surrogateescape" if choice == 2 else "replace")

    def take_value(self, depth: int = MAX_DEPTH) -> object:
        """Any value."""
        kinds: tuple[Callable[[], object], ...] = (
            lambda: None,
            lambda: True,
            lambda: False,
            lambda: self.take_byte() - 128,
            lambda: 10 ** (self.take_byte() * 16),
            lambda: (self.take_byte() - 128) * 10.0 ** (self.take_byte() - 128),
            self.take_text,
            self.take_text,
            lambda: build_nested_list(self.take_number() % 6_000),
            lambda: (
                [self.take_value(depth - 1) for _ in range(self.take_byte() % 6)] if depth else []
            ),
            lambda: self.take_row(depth - 1) if depth else {},
            lambda: self.take_row(depth - 1) if depth else {},
        )
        return kinds[self.take_byte() % len(kinds)]()

    def take_row(self, depth: int = MAX_DEPTH) -> dict[str, object]:
        """An object, with properties of the names there are."""
        return {
            self.choose(self.names): self.take_value(depth)
            for _ in range(self.take_byte() % 12)
            if not self.is_exhausted
        }

    def corrupt_row(self, valid: Mapping[str, object]) -> dict[str, object]:
        """A valid object with some of its properties replaced, removed or added."""
        found = dict(valid)
        for _ in range(self.take_byte() % 5):
            name = self.choose([*valid, *self.names[:4]])
            if self.take_byte() % 8:
                found[name] = self.take_value()
            else:
                found.pop(name, None)
        return found


def build_nested_list(depth: int) -> object:
    """A list in a list in a list."""
    found: object = "x"
    for _ in range(depth):
        found = [found]
    return found


def call_expecting[T, E: Exception](call: Callable[[], T], *errors: type[E]) -> T | E:
    """What a call returns, or the error that is meant for what it cannot take."""
    try:
        return call()
    except errors as error:
        return error


def dump_json(value: object) -> bytes:
    """JSON, as far as this Python can write it."""
    found = call_expecting(lambda: json.dumps(value).encode(), RecursionError, ValueError)
    return found if isinstance(found, bytes) else b"["


def assert_bounded(value: object) -> None:
    """Assert that a value of ours can be written down, and is not as long as somebody wished."""
    if isinstance(value, str):
        value.encode()
        assert len(value) <= MAX_TEXT_LENGTH
    elif is_dataclass(value):
        assert_bounded({entry.name: getattr(value, entry.name) for entry in fields(value)})
    elif isinstance(value, msgspec.Struct):
        assert_bounded(msgspec.structs.asdict(value))
    elif isinstance(value, Mapping):
        for name, part in value.items():
            assert_bounded(name)
            assert_bounded(part)
    elif isinstance(value, list | tuple | set | frozenset):
        for part in value:
            assert_bounded(part)
