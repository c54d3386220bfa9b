"""Fault injection: everything that can go wrong with a request, as a table in the scene.

A fault is an object; the scene's `faults` is one of them or a list.

    service     graph, exchange, entra, teams, channels or msi; default: any
    match       regular expression, searched in "METHOD /path" or "METHOD /path?query"; for Exchange
                in "Get-InboxRule mailbox identity"; default: every request
    inner       true: only requests inside a $batch; otherwise only single requests
    skip, times first let `skip` requests pass, then hit `times` of them; default: no skip, no end
    late        true: the request is carried out; the fault replaces only its response
    kind        one of the following
        throttle   429 (or `status`) with `retryAfter` seconds; without `retryAfter` no such header.
                   The old webhook answers 200 with a text, as Teams did
        error      `status` (500) with an error in the service's own shape; `code` and `message`.
                   Either may have further `headers`
        html       `status` (503) with a page of HTML
        truncate   the true response, cut in the middle
        break      the same with the full Content-Length; after `seconds` (0) the connection closes
        gzip       the true response, compressed, then cut in the middle
        empty      `status` (200) without a body
        nulbytes   `status` (403) with a body of NUL bytes
        hang       no response for `seconds` (an hour), then the connection closes
        drop       the connection closes at once
        staleReads a write takes effect, but the old value is read for `seconds`, or `times` reads
        slow       the true response, after `seconds` (1)
        wrongBody  `status` (200) with well-formed but unrelated JSON (or `body`)
        replies    the true response of a $batch, in which the first `many` (1) replies are `how`:
                   missing, twice, renamed, null (the body), text (the body as base64) or
                   padded (their ids)
        limit      429 above a limit; Graph and Exchange only
            atOnce         most requests in progress at once; `retryAfter` (1)
            window, most   most requests in each `window` of seconds; Retry-After is what
                           is left of it. `countsRefused` true: refused requests count too, and
                           the excess is charged to the next window
            per            app: all requests together (the default); mailbox: each mailbox has its
                           own limit, and requests that concern no single mailbox have none

    and the hostile responses of `sandbox.faults.hostile_responses`:
        deep       JSON nested `depth` (5,000) times
        huge       JSON of so many `bytes` (50,000,000)
        bomb       the same, compressed a thousand times
        duplicate  the true response; every key occurs twice, the second time with null
        names      the true response; every name ends with `text`: by default a lone surrogate,
                   characters that reverse or hide text, and markup, `repeat` (1) times
        numbers    the true response; every number and boolean is `number` (NaN)
        nulls      the true response; every property but the ids is null
        bare       the true response; every object has only its ids
        typed      the true response; every object has an unknown type
        mislabelled  the true response with the content type of an image
        loop       the true response; the next page is the same page, for ever
        foreign    the true response; the next page is on another `host` (https://evil.example)
        endless    the true response; there is always one more page

On the command line a fault is such an object, or KIND[/STATUS][:SERVICE[:MATCH]]: `throttle:graph`,
`html/200:exchange:^Get-Mailbox$`.

Without `kind` a status of 429 is a throttle and any other an error. Inside a $batch there is no
connection to close: hang, drop, truncate, break and gzip omit the reply.

A limit counts each request of a $batch by itself and not the $batch around them, so that without
`inner` it holds for both kinds of requests together; `inner` true or false keeps it to one. Its
`skip` and `times` count the requests it would refuse. Independently of the table, Graph accepts at
most four concurrent requests to one mailbox.
"""

import asyncio
import gzip
import json
import re
from base64 import b64encode
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sandbox.faults import hostile_responses
from sandbox.faults.throttling import KeyedLimit, ThrottleLimit, parse_limit
from sandbox.http_types import HttpRequest, HttpResponse, is_true, split_words

FAULT_KINDS = hostile_responses.HOSTILE_KINDS | frozenset(
    split_words(
        "throttle error html truncate break gzip empty nulbytes hang drop staleReads slow wrongBody"
        " replies limit"
    )
)
# Kinds that do not apply when a request arrives.
OUTSIDE_KINDS = frozenset({"staleReads", "limit"})
# Kinds that need a connection, so a request in a $batch has none.
CONNECTION_KINDS = frozenset({"truncate", "break", "gzip"})
HTML_BODY = b"<html><head><title>Service unavailable</title></head><body>Try later.</body></html>"
ERROR_CODES = {
    400: "BadRequest",
    401: "InvalidAuthenticationToken",
    403: "Authorization_RequestDenied",
    404: "Request_ResourceNotFound",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "serviceNotAvailable",
    504: "gatewayTimeout",
}


class ConnectionDropped(Exception):
    """The connection is closed, before a response or in the middle of one."""

    def __init__(self, response: HttpResponse | None = None) -> None:
        super().__init__()
        self.response = response


@dataclass(slots=True)
class Fault:
    """One row of the fault table. `skip` and `times` count down; a `times` of None never ends.

    `strike_count` counts the requests it has hit. `limit` is set if the kind is `limit`.
    """

    kind: str
    service: str
    pattern: re.Pattern[str]
    status: int | None
    retry_after: float | None
    seconds: float | None
    skip: int
    times: int | None
    inner: bool
    after_effect: bool
    definition: Mapping[str, Any]
    limit: ThrottleLimit | None = None
    strike_count: int = 0

    def matches(self, service: str, lines: Iterable[str]) -> bool:
        return self.service in ("", service) and any(self.pattern.search(line) for line in lines)

    def count_match(self) -> bool:
        """Counts one match. True if the fault applies."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        self.strike_count += 1
        return True


def parse_fault(definition: Mapping[str, Any]) -> Fault:
    """Parses a fault from a scene. Raises ValueError for one that could never take effect."""
    status = definition.get("status")
    kind = str(definition.get("kind") or ("throttle" if status == 429 else "error"))
    if kind not in FAULT_KINDS:
        raise ValueError(f"a fault's kind is one of {', '.join(sorted(FAULT_KINDS))}, not {kind!r}")
    try:
        pattern = re.compile(str(definition.get("match", "")), re.IGNORECASE)
    except re.PatternError as error:
        raise ValueError(f"a fault's match is a regular expression: {error}") from error
    if kind == "replies" and definition.get("how") not in REPLY_CORRUPTIONS:
        raise ValueError(f"replies are one of {', '.join(map(str, REPLY_CORRUPTIONS))}")
    times = definition.get("times")
    return Fault(
        kind=kind,
        service=str(definition.get("service", "")),
        pattern=pattern,
        status=None if status is None else int(status),
        retry_after=None
        if definition.get("retryAfter") is None
        else float(definition["retryAfter"]),
        seconds=None if definition.get("seconds") is None else float(definition["seconds"]),
        skip=int(definition.get("skip", 0)),
        times=None if times is None else int(times),
        inner=is_true(definition.get("inner")),
        after_effect=is_true(definition.get("late")),
        definition=dict(definition),
        limit=parse_limit(definition) if kind == "limit" else None,
    )


def parse_fault_argument(text: str) -> dict[str, Any]:
    """Parses a fault from the command line: JSON or the short form. Raises ValueError."""
    if text.lstrip().startswith("{"):
        return dict(json.loads(text))
    what, service, match = [*text.split(":", 2), "", ""][:3]
    kind, _, status = what.partition("/")
    given = {"kind": kind, "status": status, "service": service, "match": match}
    return {name: value for name, value in given.items() if value}


class FaultTable:
    """The active faults."""

    def __init__(self, definitions: object = None) -> None:
        self.rows: list[Fault] = []
        self.load(definitions)

    def load(self, definitions: object) -> None:
        """Replaces the table by an object, a list of objects, or nothing."""
        entries = (
            [definitions] if isinstance(definitions, Mapping) and definitions else definitions or []
        )
        if not isinstance(entries, list) or not all(isinstance(each, Mapping) for each in entries):
            raise ValueError("faults are an object or a list of objects")
        self.rows = [parse_fault(entry) for entry in entries]
        self.has_limits = any(row.limit for row in self.rows)

    def end_windows(self) -> None:
        """Begins the windows of all limits anew."""
        for row in self.rows:
            if row.limit:
                row.limit.windows.clear()

    def match_fault(self, service: str, lines: Iterable[str], inner: bool = False) -> Fault | None:
        """Finds and counts the first fault that applies to this request."""
        if not self.rows:
            return None
        known = tuple(lines)
        for row in self.rows:
            asked = row.kind not in OUTSIDE_KINDS and row.inner == inner
            if asked and row.matches(service, known) and row.count_match():
                return row
        return None

    def find_stale_fault(self, service: str, lines: Iterable[str]) -> Fault | None:
        """Finds the fault that hides the effect of this write for a while."""
        known = tuple(lines)
        for row in self.rows:
            if row.kind == "staleReads" and row.matches(service, known):
                return row
        return None

    def list_limits(
        self, service: str, lines: Iterable[str], inner: bool, mailbox: Hashable | None
    ) -> Iterator[KeyedLimit]:
        """Lists the limits that apply to a request. `mailbox` is the mailbox it concerns, if
        any.
        """
        known = tuple(lines)
        for row in self.rows:
            if row.limit is None or ("inner" in row.definition and row.inner is not inner):
                continue
            key = mailbox if row.definition.get("per") == "mailbox" else "app"
            if key is not None and row.matches(service, known):
                yield KeyedLimit(row.limit, key, row)


def build_fault_body(fault: Fault, service: str, status: int) -> object:
    """Builds an error body in the service's format."""
    code = str(fault.definition.get("code") or ERROR_CODES.get(status, "UnknownError"))
    message = str(fault.definition.get("message") or "The sandbox was told to fail this request.")
    if service == "entra":
        return {"error": "temporarily_unavailable", "error_description": f"AADSTS90033: {message}"}
    if service == "exchange":
        inner = {"message": message, "type": "Microsoft.Exchange.SandboxException"}
        return {"error": {"code": code, "message": message, "innererror": inner}}
    return {"error": {"code": code, "message": message, "innerError": {"request-id": "fault"}}}


def build_throttle_response(fault: Fault, service: str) -> HttpResponse:
    """Builds the service's response to too many requests."""
    return build_error_response(fault, service, fault.status or 429)


def build_error_response(fault: Fault, service: str, status: int) -> HttpResponse:
    headers = {} if fault.retry_after is None else {"Retry-After": f"{fault.retry_after:g}"}
    headers |= fault.definition.get("headers", {})
    return HttpResponse(status, build_fault_body(fault, service, status), headers)


def build_replacement(fault: Fault, service: str, line: str) -> HttpResponse | None:
    """Builds the response that replaces the true one; None if the fault only alters that."""
    match fault.kind:
        case "throttle":
            return build_throttle_response(fault, service)
        case "error":
            return build_error_response(fault, service, fault.status or 500)
        case "html":
            return HttpResponse(
                fault.status or 503, raw=HTML_BODY, headers={"Content-Type": "text/html"}
            )
        case "empty":
            return HttpResponse(fault.status or 200)
        case "nulbytes":
            return HttpResponse(fault.status or 403, raw=bytes(64))
        case "wrongBody":
            return HttpResponse(
                fault.status or 200, fault.definition.get("body", {"unexpected": True})
            )
    return None


@dataclass(frozen=True, slots=True)
class FaultedRequest:
    """A request hit by a fault: its service and the line that identifies it.

    `base` is the address of the tenant; `inner` is true for a request inside a $batch.
    """

    service: str
    line: str
    request: HttpRequest
    base: str
    inner: bool = False


async def apply_fault(
    fault: Fault, target: FaultedRequest, get_response: Callable[[], Awaitable[HttpResponse]]
) -> HttpResponse:
    """Answers a request hit by a fault. Raises ConnectionDropped if there is no response."""
    if fault.after_effect and fault.kind != "slow":
        await get_response()
    if fault.kind == "hang":
        await asyncio.sleep(3600 if fault.seconds is None else fault.seconds)
        raise ConnectionDropped
    if fault.kind == "drop" or (target.inner and fault.kind in CONNECTION_KINDS):
        raise ConnectionDropped
    if fault.kind in hostile_responses.HOSTILE_KINDS:
        return await hostile_responses.build_hostile_response(
            fault.kind, fault.definition, target.request, target.base, get_response
        )
    instead = build_replacement(fault, target.service, target.line)
    if instead is not None:
        return instead
    if fault.kind == "slow":
        await asyncio.sleep(1 if fault.seconds is None else fault.seconds)
        return await get_response()
    return await damage_response(fault, await get_response())


async def damage_response(fault: Fault, response: HttpResponse) -> HttpResponse:
    """Damages the true response. Raises ConnectionDropped if the connection ends in it."""
    if fault.kind == "break":
        await asyncio.sleep(fault.seconds or 0)
        raise ConnectionDropped(response)
    if fault.kind == "replies":
        return replace(response, body=corrupt_batch_replies(fault.definition, response.body))
    packed = {**response.headers, "Content-Encoding": "gzip"}
    content = response.encode_content()
    if fault.kind == "gzip":
        content, response = gzip.compress(content, mtime=0), replace(response, headers=packed)
    return replace(response, raw=content[: len(content) // 2])


def corrupt_batch_replies(definition: Mapping[str, Any], body: Any) -> Any:
    """Corrupts the first replies in the body of a $batch; leaves other bodies as they are."""
    replies = body.get("responses") if isinstance(body, dict) else None
    if not isinstance(replies, list):
        return body
    many = int(definition.get("many", 1))
    worse = [
        other
        for reply in replies[:many]
        for other in REPLY_CORRUPTIONS[definition.get("how")](reply)
    ]
    return {**body, "responses": [*worse, *replies[many:]]}


REPLY_CORRUPTIONS: Mapping[object, Callable[[dict[str, Any]], list[dict[str, Any]]]] = {
    "missing": lambda reply: [],
    "twice": lambda reply: [reply, reply],
    "renamed": lambda reply: [reply | {"id": f"x{reply['id']}"}],
    "padded": lambda reply: [reply | {"id": f"0{reply['id']}"}],
    "null": lambda reply: [reply | {"body": None}],
    "text": lambda reply: [reply | {"body": b64encode(repr(reply["body"]).encode()).decode()}],
}
