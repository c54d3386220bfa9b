"""Hostile responses: too deep, too large, endless, or deceptive.

Where possible each is derived from the true response, so that it looks valid.
`sandbox.faults.injection` lists the kinds with their parameters. A page that only a hostile link
leads to is empty.
"""

import gzip
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec

from sandbox.http_types import HttpRequest, HttpResponse, build_next_link, split_words
from sandbox.json_text import encode_json

HOSTILE_KINDS = frozenset(
    split_words(
        "deep huge bomb duplicate names numbers nulls bare typed mislabelled loop foreign endless"
    )
)
# A lone surrogate, a right-to-left override, a zero-width space, a bell, an escape, and markup
# that acts where it is shown unescaped.
HOSTILE_NAME = "\ud800\u202e\u200b\u0007\u001b[31m</at><script>[x](https://evil.example)"
NAME_PATTERN = re.compile(r"name$|^subject$", re.IGNORECASE)
ID_PATTERN = re.compile(r"^(id|guid|identity|\w*objectid)$", re.IGNORECASE)
TOKEN_PREFIX = "fault-"
EVIL_HOST = "https://evil.example"


def repeat_keys(row: Mapping[str, Any]) -> msgspec.Raw:
    """An object with every key twice: first its value, then null. Only JSON text can hold it."""
    keys = [(encode_json(name), encode_json(value)) for name, value in row.items()]
    return msgspec.Raw(b"{%b}" % b",".join(b"%b:%b,%b:null" % (key, of, key) for key, of in keys))


async def build_hostile_response(
    kind: str,
    definition: Mapping[str, Any],
    request: HttpRequest,
    base: str,
    get_response: Callable[[], Awaitable[HttpResponse]],
) -> HttpResponse:
    """Builds the response of a kind. `definition` is the fault, `base` the prefix of links."""
    if kind in ("huge", "bomb"):
        size = int(definition.get("bytes", 50_000_000))
        return (
            build_bomb(size) if kind == "bomb" else HttpResponse(200, raw=build_padded_body(size))
        )
    if kind == "deep":
        return HttpResponse(200, raw=build_deep_body(int(definition.get("depth", 5_000))))
    led_here = request.query.get("$skiptoken", "").startswith(TOKEN_PREFIX)
    answer = HttpResponse(200, {"value": []}) if led_here else await get_response()
    if kind == "mislabelled":
        return replace(answer, headers={**answer.headers, "Content-Type": "image/png"})
    if not isinstance(answer.body, dict):
        return answer
    if kind in ("loop", "foreign", "endless"):
        link = build_hostile_link(kind, definition, request, base)
        return replace(answer, body={**answer.body, "@odata.nextLink": link})
    if kind == "numbers":
        return replace(
            answer, raw=replace_numbers(answer.body, str(definition.get("number", "NaN")))
        )
    return replace(answer, body=corrupt_body(kind, definition, answer.body))


# Bodies -----------------------------------------------------------------------------------------


def build_deep_body(depth: int) -> bytes:
    """One row, nested to the given depth."""
    return b'{"value":[{"id":"deep","nested":' + b"[" * depth + b"]" * depth + b"}]}"


@cache
def build_padded_body(size: int) -> bytes:
    """An empty list in a body of the given size in bytes."""
    return b'{"value":[],"padding":"' + b"0" * size + b'"}'


@cache
def compress_padded_body(size: int) -> bytes:
    """The same body, compressed to about a thousandth."""
    return gzip.compress(build_padded_body(size), mtime=0)


def build_bomb(size: int) -> HttpResponse:
    """A small body that decompresses to the given size in bytes."""
    return HttpResponse(200, raw=compress_padded_body(size), headers={"Content-Encoding": "gzip"})


def build_hostile_link(
    kind: str, definition: Mapping[str, Any], request: HttpRequest, base: str
) -> str:
    """The link to the next page: this page again, another host, or one more page for ever."""
    token = request.query.get("$skiptoken", "")
    if kind == "loop":
        return build_next_link(base, request, f"{TOKEN_PREFIX}loop")
    if kind == "foreign":
        return build_next_link(
            str(definition.get("host", EVIL_HOST)), request, f"{TOKEN_PREFIX}away"
        )
    number = int(token.removeprefix(TOKEN_PREFIX)) if token.startswith(TOKEN_PREFIX) else 0
    return build_next_link(base, request, f"{TOKEN_PREFIX}{number + 1}")


# Rows -------------------------------------------------------------------------------------------


def corrupt_body(kind: str, definition: Mapping[str, Any], body: Any) -> Any:
    """Corrupts every object in a body."""
    if isinstance(body, list):
        return [corrupt_body(kind, definition, each) for each in body]
    if not isinstance(body, dict):
        return body
    whole = {name: corrupt_body(kind, definition, value) for name, value in body.items()}
    return corrupt_object(kind, definition, whole)


def corrupt_object(
    kind: str, definition: Mapping[str, Any], row: dict[str, Any]
) -> dict[str, Any] | msgspec.Raw:
    """Corrupts one object. Lists of objects stay, so that the rows in them are still reached."""
    if kind == "duplicate":
        return repeat_keys(row)
    if kind == "typed":
        return {"@odata.type": "#microsoft.graph.evil", "@odata.evil": {"a": 1}, **row}
    if kind == "names":
        text = str(definition.get("text", HOSTILE_NAME)) * int(definition.get("repeat", 1))
        return {
            name: value + text if isinstance(value, str) and NAME_PATTERN.search(name) else value
            for name, value in row.items()
        }
    if is_container(row):
        return row
    kept = {name: value for name, value in row.items() if ID_PATTERN.search(name)}
    return kept if kind == "bare" else dict.fromkeys(row) | kept


def is_container(row: Mapping[str, Any]) -> bool:
    """True for a response or a part of one, rather than an object of the tenant."""
    return bool({"value", "responses", "body", "error"} & row.keys())


def replace_numbers(body: Any, number: str) -> bytes:
    """Replaces every number and boolean in a body with a text, which need not be JSON."""
    mark = "\u0000number\u0000"
    text = json.dumps(mark_numbers(body, mark), separators=(",", ":"))
    return text.replace(json.dumps(mark), number).encode()


def mark_numbers(value: Any, mark: str) -> Any:
    """Replaces every number and boolean in a value with a marker."""
    if isinstance(value, dict):
        return {name: mark_numbers(each, mark) for name, each in value.items()} | {
            "@odata.count": mark
        }
    if isinstance(value, list):
        return [mark_numbers(each, mark) for each in value]
    return mark if isinstance(value, bool | int | float) else value
