"""`$batch`: many requests in one, answered in any order (Microsoft Learn: Graph json-batching)."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from yarl import URL

from sandbox.faults.injection import Dropped
from sandbox.http_types import Answer, Call, make_call

type Carry = Callable[[Call], Awaitable[Answer]]


class BadBatch(Exception):
    """The whole batch is refused."""


@dataclass(frozen=True, slots=True)
class Part:
    """One request of a batch. `call` is None where its address cannot be one of a batch."""

    id: str
    depends_on: tuple[str, ...]
    call: Call | None


def part_of(wire: Any, prefix: str, absolute: str) -> Part:
    """One request from its JSON.

    `absolute` is the start of absolute addresses where such are allowed, as Exchange does; there a
    body needs no Content-Type either, and a relative address may repeat the prefix.
    """
    if not isinstance(wire, Mapping) or not isinstance(wire.get("id"), str) or not wire["id"]:
        raise BadBatch("Every request of a batch needs an id.")
    if not isinstance(wire.get("method"), str) or not isinstance(wire.get("url"), str):
        raise BadBatch("Every request of a batch needs a method and a url.")
    depends_on = tuple(map(str, wire.get("dependsOn") or ()))
    url: str = wire["url"]
    headers = {str(name): str(value) for name, value in (wire.get("headers") or {}).items()}
    body = wire.get("body")
    if "://" in url:
        if not absolute or not url.casefold().startswith(absolute.casefold()):
            return Part(wire["id"], depends_on, None)
        address = URL(url)
    elif absolute and url.startswith(prefix):
        address = URL(f"http://batch{url}")
    else:
        address = URL(f"http://batch{prefix}/{url.lstrip('/')}")
    if body is not None and not absolute and "content-type" not in map(str.casefold, headers):
        return Part(wire["id"], depends_on, None)
    content = b"" if body is None else json.dumps(body).encode()
    return Part(wire["id"], depends_on, make_call(wire["method"], address, headers, content))


def parts_of(body: Any, most: int, prefix: str, absolute: str = "") -> list[Part]:
    """The requests of a batch. Raises BadBatch."""
    wires = body.get("requests") if isinstance(body, Mapping) else None
    if not isinstance(wires, list) or not wires:
        raise BadBatch("A batch needs at least one request.")
    if len(wires) > most:
        raise BadBatch(f"Number of batch request steps exceeds the maximum value of {most}.")
    parts = [part_of(wire, prefix, absolute) for wire in wires]
    earlier: set[str] = set()
    for part in parts:
        if part.id.casefold() in earlier:
            raise BadBatch(f"Request Id has to be unique in a batch; {part.id[:64]} is not.")
        if not earlier.issuperset(map(str.casefold, part.depends_on)):
            raise BadBatch(f"Request {part.id[:64]} depends on one that does not come before it.")
        earlier.add(part.id.casefold())
    return parts


async def run_batch(parts: list[Part], carry: Carry, shuffle: int) -> Answer:
    """Carry out a batch. What depends on a failure fails with 424; what is dropped is left out.

    The answers come shuffled, the same way for the same `shuffle` and ids.
    """
    running: dict[str, asyncio.Task[Answer | None]] = {}

    async def one(part: Part) -> Answer | None:
        for name in part.depends_on:
            before = await running[name.casefold()]
            if before is None or before.status >= 400:
                return failure(424, "FailedDependency", "A request it depends on has failed.")
        if part.call is None:
            return failure(400, "BadRequest", "The url or the headers do not suit a batch.")
        try:
            return await carry(part.call)
        except Dropped:
            return None

    async with asyncio.TaskGroup() as group:
        for part in parts:
            running[part.id.casefold()] = group.create_task(one(part))
    responses = [
        response_of(part.id, answer)
        for part in parts
        if (answer := running[part.id.casefold()].result()) is not None
    ]
    responses.sort(key=lambda each: crc32(f"{shuffle} {each['id']}".encode()))
    return Answer(200, {"responses": responses})


def response_of(name: str, answer: Answer) -> dict[str, Any]:
    """One answer as it stands in a batch."""
    response: dict[str, Any] = {"id": name, "status": answer.status}
    headers = dict(answer.headers)
    if answer.raw is not None:
        response["body"] = answer.raw.decode("utf-8", "replace")
    elif answer.body is not None:
        headers.setdefault("Content-Type", "application/json")
        response["body"] = answer.body
    response["headers"] = headers
    return response


def failure(status: int, code: str, message: str) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}})
