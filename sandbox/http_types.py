"""Requests and responses, independent of any HTTP library.

A single request and a request inside a `$batch` are both an `HttpRequest`, so that services handle
them alike.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote

from multidict import CIMultiDict
from yarl import URL

from sandbox.json_text import decode_json, encode_json

type Row = dict[str, Any]
"""One object of a scene, as it stands on the wire."""


class MalformedBody(Exception):
    """The body is not valid JSON."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. `segments` is the decoded path; `roles` are the caller's, once its token is
    read.
    """

    method: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    roles: frozenset[str] = frozenset()

    @property
    def path(self) -> str:
        return "/" + "/".join(self.segments)

    @property
    def line(self) -> str:
        """The method and the decoded path with its query, which faults are matched against."""
        query = "&".join(f"{name}={value}" for name, value in self.query.items())
        return f"{self.method} {self.path}" + (f"?{query}" if query else "")

    def json(self) -> Any:
        """The body as JSON, None if it is empty. Raises MalformedBody."""
        if not self.body:
            return None
        try:
            return decode_json(self.body)
        except ValueError as error:
            raise MalformedBody(str(error)) from error


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response. `body` is JSON; `raw` replaces it if the body is not JSON."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None

    def encode_content(self) -> bytes:
        if self.raw is not None:
            return self.raw
        if self.body is None:
            return b""
        return encode_json(self.body)


def make_request(
    method: str, url: URL, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> HttpRequest:
    """Builds a request from a URL. Splits segments before decoding: an id may contain a slash."""
    raw = url.raw_path.strip("/")
    segments = tuple(unquote(part) for part in raw.split("/")) if raw else ()
    return HttpRequest(method.upper(), segments, url.query, CIMultiDict(headers or {}), body)


def create_request_id() -> str:
    """A new GUID that names a response (RFC 9562, version 4).

    Written out, since `uuid` takes four times as long and every response has one.
    """
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def split_words(text: str) -> tuple[str, ...]:
    """Splits a text into words. The sandbox writes long lists of names as text."""
    return tuple(text.split())


def strip_private_keys(row: Mapping[str, Any]) -> Row:
    """Removes the properties that only the sandbox uses."""
    return {name: value for name, value in row.items() if not name.startswith("@sandbox.")}


def is_true(value: object) -> bool:
    """Reads a boolean of a scene. Exports from PowerShell contain the word True."""
    return value is True or (isinstance(value, str) and value.casefold() == "true")


def build_next_link(base: str, request: HttpRequest, token: str) -> str:
    """Builds the address of the next page: this one's, with a skip token."""
    kept = {name: value for name, value in request.query.items() if name != "$skiptoken"}
    pairs = [*kept.items(), ("$skiptoken", token)]
    path = "/".join(quote(segment, safe="$") for segment in request.segments)
    query = "&".join(f"{name}={quote(value, safe=',')}" for name, value in pairs)
    return f"{base}/{path}?{query}"
