"""Rows of answers in which one property says something odd, as real services do at times.

The tenant itself stays as it is: only what it answers about one object differs, in every answer
that shows the property.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from sandbox.http_types import HttpRequest, HttpResponse
from sandbox.server import SimulatedService

type Path = tuple[str, ...]
type Rows = dict[tuple[str, str], dict[str, Any]]

GUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+")
IDENTITY_NAMES = (
    *("id", "Guid", "RuleIdentity", "ExternalDirectoryObjectId", "Identity", "User", "Trustee"),
    *("tenantId", "DomainName", "Name", "principalId", "clientId", "Value"),
)
LEFT_OUT = object()
"""Stands for a property that is not there."""
HUGE, MANY, MAX_DEPTH = 100_000, 1_500, 3
DATES = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59.9999999Z",
    "9999-12-31T23:59:59-14:00",
    "2026-11-20T06:00:00",
    "yesterday",
)


@dataclass(frozen=True, slots=True)
class Mutation:
    """One property of one row that is printed otherwise; with an empty path the row comes twice."""

    command: str
    """The cmdlet or the path that shows the row, without the ids in it."""
    identity: str
    path: Path
    kind: str
    value: object

    def __str__(self) -> str:
        return f"{self.command} {self.identity} {'.'.join(self.path)}: {self.kind}"


def name_path(line: str) -> str:
    """The method and path of a request to Graph, without the ids in it."""
    return GUID.sub("{id}", line.partition("?")[0])


def identify_row(row: Mapping[str, Any]) -> str:
    """What a row is told apart from others by."""
    return json.dumps([str(row[name]).casefold() for name in IDENTITY_NAMES if row.get(name)])


class MutatingService:
    """A service that prints one property of one row oddly, once it is given a mutation.

    `seen` collects the rows that it served as they are; `strike_count` counts the odd ones.
    """

    def __init__(self, inner: SimulatedService) -> None:
        self.inner = inner
        self.name = inner.name
        self.mutation: Mutation | None = None
        self.strike_count = 0
        self.seen: Rows = {}

    def get_fault_lines(self, request: HttpRequest) -> tuple[str, str]:
        return self.inner.get_fault_lines(request)

    async def handle_request(self, request: HttpRequest) -> HttpResponse:
        answer = await self.inner.handle_request(request)
        if request.segments[-1:] != ("$batch",):
            line = self.get_fault_lines(request)[0]
            command = line.partition(" ")[0] if self.name == "exchange" else name_path(line)
            return replace(answer, body=self.print_body(command, answer.body))
        asked = {part["id"]: self.name_part(part) for part in request.json()["requests"]}
        parts = [
            {**part, "body": self.print_body(asked[part["id"]], part.get("body"))}
            for part in answer.body.get("responses", ())
        ]
        return replace(answer, body={**answer.body, "responses": parts})

    def name_part(self, part: Mapping[str, Any]) -> str:
        """The cmdlet or the path that one request of a batch asks for."""
        if self.name == "exchange":
            return str(part["body"]["CmdletInput"]["CmdletName"])
        return name_path(f"{part['method']} /v1.0{part['url']}")

    def print_body(self, command: str, body: Any) -> Any:
        """A body as it is served: a list of rows, or the one row itself."""
        if not isinstance(body, dict) or "error" in body:
            return body
        if not isinstance(body.get("value"), list):
            return next(self.print_row(command, body))
        rows = [
            printed
            for row in body["value"]
            for printed in (self.print_row(command, row) if isinstance(row, dict) else (row,))
        ]
        return {**body, "value": rows}

    def print_row(self, command: str, row: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """A row as it is served, once or twice."""
        identity, wrong = identify_row(row), self.mutation
        if wrong is None:
            self.seen[command, identity] = {**self.seen.get((command, identity), {}), **row}
        elif (wrong.command, wrong.identity) == (command, identity):
            row = deepcopy(row)
            if not wrong.path:
                self.strike_count += 1
                yield row
            else:
                self.strike_count += set_property(row, wrong.path, wrong.value)
        yield row


def set_property(row: dict[str, Any], path: Path, value: object) -> bool:
    """Set a property of a row, also inside of its objects; False for a row that has none such."""
    *outer, name = path
    found: Any = row
    for step in outer:
        if isinstance(found, list):
            found = found[0] if found else None
        found = found.get(step) if isinstance(found, dict) else None
    if isinstance(found, list):
        found = found[0] if found else None
    if not isinstance(found, dict) or name not in found:
        return False
    if value is LEFT_OUT:
        del found[name]
    else:
        found[name] = value
    return True


def list_mutations(command: str, identity: str, row: Mapping[str, Any]) -> Iterator[Mutation]:
    """Everything odd that may be said about a row."""
    yield Mutation(command, identity, (), "the row twice", None)
    for path, value in list_properties(row):
        for kind, other in list_values(value):
            yield Mutation(command, identity, path, kind, other)


def list_properties(
    row: Mapping[str, Any], before: Path = (), depth: int = MAX_DEPTH
) -> Iterator[tuple[Path, Any]]:
    """Every property of a row, also inside of its objects and of the first of a list of them."""
    for name, value in row.items():
        if "@" in name:
            continue
        yield (*before, name), value
        inner = value[0] if isinstance(value, list) and value else value
        if depth and isinstance(inner, dict):
            yield from list_properties(inner, (*before, name), depth - 1)


def list_values(value: Any) -> Iterator[tuple[str, object]]:
    """What may stand in the place of a value, with a name for it."""
    yield from (
        ("left out", LEFT_OUT),
        ("null", None),
        ("empty", ""),
        ("an empty list", []),
        ("a list of nulls", [None]),
        ("a number", 7),
        ("an object", {"x": value}),
        ("an unknown word", "Fnord"),
        ("a huge text", "x" * HUGE),
        ("a long list", [f"x{number}" for number in range(MANY)]),
    )
    match value:
        case bool():
            yield from (("a word", str(value)), ("a switch", {"IsPresent": value}))
        case int() | float():
            yield from (("digits", str(value)), ("a huge number", 10**30), ("negative", -1))
        case str():
            yield from list_texts(value)
        case list():
            yield from list_lists(value)
    if not isinstance(value, list):
        yield "a list of one", [value]


def list_texts(value: str) -> Iterator[tuple[str, object]]:
    """What may stand in the place of a text."""
    if DATE.match(value):
        yield from ((f"the date {date}", date) for date in DATES)
    elif value:
        yield from (("another case", value.swapcase()), ("a trailing blank", f"{value} "))
        yield "twice", [value, value]


def list_lists(value: Sequence[Any]) -> Iterator[tuple[str, object]]:
    """What may stand in the place of a list."""
    yield "with a null", [*value, None]
    yield "with an object", [*value, {"x": 1}]
    yield "with a number", [*value, 7]
    if len(value) == 1:
        yield "the only entry", value[0]
    if value and all(isinstance(one, str) for one in value):
        yield "joined", ",".join(value)
        yield "in another case", [one.swapcase() for one in value]
