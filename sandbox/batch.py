"""`$batch`: many requests in one body, answered in any order (Microsoft Learn: JSON batching)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from yarl import URL

from sandbox.faults.injection import ConnectionDropped
from sandbox.http_types import HttpRequest, HttpResponse, make_request
from sandbox.json_text import encode_json

type RequestHandler = Callable[[HttpRequest], Awaitable[HttpResponse]]


class InvalidBatch(Exception):
    """The whole batch is rejected."""


@dataclass(frozen=True, slots=True)
class BatchPart:
    """One request of a batch. `request` is None if its address cannot be part of a batch."""

    id: str
    depends_on: tuple[str, ...]
    request: HttpRequest | None


def parse_part(document: Any, prefix: str, absolute: str) -> BatchPart:
    """Parses one request from its JSON.

    `absolute` is the prefix of absolute addresses where these are allowed, as in Exchange. There a
    body needs no Content-Type, and a relative address may repeat the prefix.
    """
    if (
        not isinstance(document, Mapping)
        or not isinstance(document.get("id"), str)
        or not document["id"]
    ):
        raise InvalidBatch("Every request of a batch needs an id.")
    if not isinstance(document.get("method"), str) or not isinstance(document.get("url"), str):
        raise InvalidBatch("Every request of a batch needs a method and a url.")
    depends_on = tuple(map(str, document.get("dependsOn") or ()))
    url: str = document["url"]
    headers = {str(name): str(value) for name, value in (document.get("headers") or {}).items()}
    body = document.get("body")
    if "://" in url:
        if not absolute or not url.casefold().startswith(absolute.casefold()):
            return BatchPart(document["id"], depends_on, None)
        address = URL(url)
    elif absolute and url.startswith(prefix):
        address = URL(f"http://batch{url}")
    else:
        address = URL(f"http://batch{prefix}/{url.lstrip('/')}")
    if body is not None and not absolute and "content-type" not in map(str.casefold, headers):
        return BatchPart(document["id"], depends_on, None)
    content = b"" if body is None else encode_json(body)
    return BatchPart(
        document["id"], depends_on, make_request(document["method"], address, headers, content)
    )


def parse_parts(body: Any, max_parts: int, prefix: str, absolute: str = "") -> list[BatchPart]:
    """Parses the requests of a batch. Raises InvalidBatch."""
    wires = body.get("requests") if isinstance(body, Mapping) else None
    if not isinstance(wires, list) or not wires:
        raise InvalidBatch("A batch needs at least one request.")
    if len(wires) > max_parts:
        raise InvalidBatch(
            f"Number of batch request steps exceeds the maximum value of {max_parts}."
        )
    parts = [parse_part(wire, prefix, absolute) for wire in wires]
    earlier: set[str] = set()
    for part in parts:
        if part.id.casefold() in earlier:
            raise InvalidBatch(f"Request Id has to be unique in a batch; {part.id[:64]} is not.")
        if not earlier.issuperset(map(str.casefold, part.depends_on)):
            raise InvalidBatch(
                f"Request {part.id[:64]} depends on one that does not come before it."
            )
        earlier.add(part.id.casefold())
    return parts


async def run_batch(
    parts: list[BatchPart], handle_part: RequestHandler, order_seed: int
) -> HttpResponse:
    """Runs a batch and answers in random order, always the same for one `order_seed` and ids.

    A request that depends on a failed one fails with 424; a dropped one is left out.
    """
    running: dict[str, asyncio.Task[HttpResponse | None]] = {}

    async def one(part: BatchPart) -> HttpResponse | None:
        for name in part.depends_on:
            before = await running[name.casefold()]
            if before is None or before.status >= 400:
                return build_failure(424, "FailedDependency", "A request it depends on has failed.")
        if part.request is None:
            return build_failure(400, "BadRequest", "The url or the headers do not suit a batch.")
        try:
            return await handle_part(part.request)
        except ConnectionDropped:
            return None

    async with asyncio.TaskGroup() as group:
        for part in parts:
            running[part.id.casefold()] = group.create_task(one(part))
    responses = [
        build_part_response(part.id, answer)
        for part in parts
        if (answer := running[part.id.casefold()].result()) is not None
    ]
    responses.sort(key=lambda each: crc32(f"{order_seed} {each['id']}".encode()))
    return HttpResponse(200, {"responses": responses})


def build_part_response(name: str, part_response: HttpResponse) -> dict[str, Any]:
    """Formats one response as an element of the batch response."""
    headers = dict(part_response.headers)
    response: dict[str, Any] = {"id": name, "status": part_response.status, "headers": headers}
    if part_response.raw is not None:
        response["body"] = part_response.raw.decode("utf-8", "replace")
    elif part_response.body is not None:
        headers.setdefault("Content-Type", "application/json")
        response["body"] = part_response.body
    return response


def build_failure(status: int, code: str, message: str) -> HttpResponse:
    return HttpResponse(status, {"error": {"code": code, "message": message}})
