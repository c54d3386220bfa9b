"""Answers that want to do harm: too deep, too large, without end, or not what they seem.

Each is made from the true answer where it can be, so that it passes for one;
`sandbox.faults.injection` lists them with what can be set. A page that only such an answer led to
holds nothing.
"""

import gzip
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from sandbox.http_types import Answer, Call, next_link, words

KINDS = frozenset(
    words(
        "deep huge bomb duplicate names numbers nulls bare typed mislabelled loop foreign endless"
    )
)
# A lone surrogate, an override of the reading direction, a space of no width, a bell, an escape,
# and what would be markup where it is shown as it came.
NAME = "\ud800\u202e\u200b\u0007\u001b[31m</at><script>[x](https://evil.example)"
NAMED = re.compile(r"name$|^subject$", re.IGNORECASE)
IDS = re.compile(r"^(id|guid|identity|\w*objectid)$", re.IGNORECASE)
TOKEN = "fault-"
ELSEWHERE = "https://evil.example"


class Twice(dict[str, Any]):
    """An object that says everything twice: as it is, then null. Only JSON can hold it."""

    def items(self) -> Any:
        for name, value in super().items():
            yield name, value
            yield name, None


async def hostile(
    kind: str,
    wire: Mapping[str, Any],
    call: Call,
    base: str,
    carry_out: Callable[[], Awaitable[Answer]],
) -> Answer:
    """The answer of a kind. `wire` is the fault, `base` the address that links begin with."""
    if kind in ("huge", "bomb"):
        size = int(wire.get("bytes", 50_000_000))
        return bomb(size) if kind == "bomb" else Answer(200, raw=padded(size))
    if kind == "deep":
        return Answer(200, raw=deep(int(wire.get("depth", 5_000))))
    led_here = call.query.get("$skiptoken", "").startswith(TOKEN)
    answer = Answer(200, {"value": []}) if led_here else await carry_out()
    if kind == "mislabelled":
        return replace(answer, headers={**answer.headers, "Content-Type": "image/png"})
    if not isinstance(answer.body, dict):
        return answer
    if kind in ("loop", "foreign", "endless"):
        link = link_of(kind, wire, call, base)
        return replace(answer, body={**answer.body, "@odata.nextLink": link})
    if kind == "numbers":
        return replace(answer, raw=numbered(answer.body, str(wire.get("number", "NaN"))))
    return replace(answer, body=spoilt(kind, wire, answer.body))


# Bodies -----------------------------------------------------------------------------------------


def deep(depth: int) -> bytes:
    """One row, nested so deep."""
    return b'{"value":[{"id":"deep","nested":' + b"[" * depth + b"]" * depth + b"}]}"


@cache
def padded(size: int) -> bytes:
    """An empty list in a body of so many bytes."""
    return b'{"value":[],"padding":"' + b"0" * size + b'"}'


@cache
def packed(size: int) -> bytes:
    """The same, compressed a thousand times."""
    return gzip.compress(padded(size), mtime=0)


def bomb(size: int) -> Answer:
    """A small answer that unpacks to so many bytes."""
    return Answer(200, raw=packed(size), headers={"Content-Encoding": "gzip"})


def link_of(kind: str, wire: Mapping[str, Any], call: Call, base: str) -> str:
    """Where the next page is said to be: here again, elsewhere, or ever further."""
    token = call.query.get("$skiptoken", "")
    if kind == "loop":
        return next_link(base, call, f"{TOKEN}loop")
    if kind == "foreign":
        return next_link(str(wire.get("host", ELSEWHERE)), call, f"{TOKEN}away")
    number = int(token.removeprefix(TOKEN)) if token.startswith(TOKEN) else 0
    return next_link(base, call, f"{TOKEN}{number + 1}")


# Rows -------------------------------------------------------------------------------------------


def spoilt(kind: str, wire: Mapping[str, Any], body: Any) -> Any:
    """A body with every object in it made worse."""
    if isinstance(body, list):
        return [spoilt(kind, wire, each) for each in body]
    if not isinstance(body, dict):
        return body
    whole = {name: spoilt(kind, wire, value) for name, value in body.items()}
    return worse(kind, wire, whole)


def worse(kind: str, wire: Mapping[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """One object, made worse. Lists of objects stay: what carries rows is not spoilt itself."""
    if kind == "duplicate":
        return Twice(row)
    if kind == "typed":
        return {"@odata.type": "#microsoft.graph.evil", "@odata.evil": {"a": 1}, **row}
    if kind == "names":
        text = str(wire.get("text", NAME)) * int(wire.get("repeat", 1))
        return {
            name: value + text if isinstance(value, str) and NAMED.search(name) else value
            for name, value in row.items()
        }
    if carries_rows(row):
        return row
    kept = {name: value for name, value in row.items() if IDS.search(name)}
    return kept if kind == "bare" else dict.fromkeys(row) | kept


def carries_rows(row: Mapping[str, Any]) -> bool:
    """True for what is no object of the tenant, but an answer or a part of one."""
    return bool({"value", "responses", "body", "error"} & row.keys())


def numbered(body: Any, number: str) -> bytes:
    """A body in which each number and each truth is this text, JSON or not."""
    mark = "\u0000number\u0000"
    text = json.dumps(marked(body, mark), separators=(",", ":"))
    return text.replace(json.dumps(mark), number).encode()


def marked(value: Any, mark: str) -> Any:
    """A value with a mark in place of each number and each truth."""
    if isinstance(value, dict):
        return {name: marked(each, mark) for name, each in value.items()} | {"@odata.count": mark}
    if isinstance(value, list):
        return [marked(each, mark) for each in value]
    return mark if isinstance(value, bool | int | float) else value
