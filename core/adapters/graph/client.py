"""Microsoft Graph in raw JSON, past msgraph-sdk, which meets challenges for other claims.

The SDK's typed models cost about 3 ms of CPU for each inbox rule, its batch client loses bodies,
and its pipeline takes more CPU than most answers do. Importing this module loads nothing of it.
"""

import asyncio
import logging
import math
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec
from yarl import URL

from core.adapters.api_errors import NON_PREMIUM, map_graph_error, parse_graph_error
from core.adapters.chosen_ways import ChosenWays
from core.adapters.clouds import Cloud
from core.adapters.credentials import Credential, parse_token_ids, parse_token_roles
from core.adapters.graph.collections import (
    COUNTING,
    CollectionReader,
    build_count_path,
    find_page_size,
)
from core.adapters.graph.replies import (
    Reply,
    RowOrError,
    TextTest,
    format_request_path,
    parse_graph_error_body,
    parse_graph_reply,
    parse_graph_response,
    sort_graph_replies,
)
from core.adapters.graph.reports import BETA, build_report_service, is_report_path
from core.adapters.graph.transport import TRANSPORT_ERRORS, GraphTransport
from core.adapters.http import (
    USER_AGENT,
    BufferedResponse,
    ConnectionLost,
    create_request_id,
    is_unsent_request,
)
from core.adapters.parsing import ResponseRow, parse_response_rows, parse_total_count
from core.adapters.retry import (
    RetryableError,
    ThrottledService,
    longest_wait,
    retryable_status,
)
from core.errors import Rejected, TenantError, Unavailable
from core.microsoft365.assumptions.graph_directory import BATCH_ORDER, PREMIUM_REFUSAL

if TYPE_CHECKING:
    from core.adapters.graph.pipeline import GraphPipeline

log = logging.getLogger(__name__)

RELIES_ON = (BATCH_ORDER, PREMIUM_REFUSAL)

BATCH_SIZE = 20
# So many batches of a caller stand in line at once. Since all of what most callers ask for is
# there from the start, what was asked for first is answered first, and not one with the other.
MAX_QUEUED_BATCHES = 64
# Graph hands on four requests of a batch to Outlook at a time, and all others at once.
FIRST_BATCH_SIZE = 4
OUTLOOK = "/mailFolders/"
# What stays as it is in an address, besides letters and digits; ids are percent-encoded.
ADDRESS_SIGNS = "%/:?[]@!$&'()*+,;="
MAX_PAGES = 2_000
EMPTY_TOKEN = re.compile(r"[?&](?:\$|%24)skiptoken=(?:&|$)", re.IGNORECASE)
# Tenants with the licence are refused for want of it now and then
# (microsoftgraph/microsoft-graph-docs#11986), so the refusal has to be repeated to be believed.
LICENCE_LOOKS = 3
LICENCE_PAUSE = 2.0
CONCURRENCY_VIOLATION = "Directory_ConcurrencyViolation"


class GraphClient:
    """A connection to Graph for as long as the app lives.

    `permission` of a call is the app role it needs; a refusal carries it on. Paths are relative to
    v1.0, e.g. `/users/...`, or start with `/beta/`; every id in them is percent-encoded by the
    caller. `report_service` carries the requests that Graph throttles as reports.
    """

    def __init__(
        self,
        cloud: Cloud,
        credential: Credential,
        service: ThrottledService,
        *,
        report_service: ThrottledService | None = None,
        ca_path: str = "",
    ) -> None:
        self.cloud = cloud
        self.root = cloud.graph
        self.base = f"{cloud.graph}/v1.0"
        self.scope = cloud.graph_scope
        self.credential = credential
        self.max_pages = MAX_PAGES
        self.chosen_ways = ChosenWays()
        self.service = service
        self.small_batches = 0
        self.report_service = report_service or build_report_service(service)
        self.transport = GraphTransport(ca_path, connections=service.cap)
        self.pipeline: GraphPipeline | None = None

    async def close(self) -> None:
        """Close the connections, but not the credential, which is shared."""
        if self.pipeline:
            await self.pipeline.close()
        await self.transport.close()

    async def read_token_roles(self) -> frozenset[str] | None:
        """The app roles in the token; None when it cannot be read."""
        token = await self.credential.get_token(self.scope)
        return parse_token_roles(token.token)

    async def read_own_ids(self) -> frozenset[str]:
        """The ids of the app itself: of its service principal and its application."""
        token = await self.credential.get_token(self.scope)
        return parse_token_ids(token.token)

    @property
    def request_count(self) -> int:
        """How many requests were attempted, those for reports included."""
        return self.service.requests + self.report_service.requests

    # One request -----------------------------------------------------------------------------

    async def get(
        self, path: str, permission: str = "", *, is_advanced: bool = False
    ) -> ResponseRow:
        """Get one object. Raises NotFound, Forbidden, Rejected or Unavailable.

        `is_advanced` makes it an advanced query, as `$count=true` in the path does.
        """
        return await self.request("GET", path, None, permission, is_advanced=is_advanced)

    async def patch(self, path: str, body: ResponseRow, permission: str = "") -> ResponseRow:
        """Change one object; the answer may be empty."""
        return await self.request("PATCH", path, body, permission)

    async def post(
        self,
        path: str,
        body: ResponseRow | None = None,
        permission: str = "",
        *,
        is_repeated: bool = True,
    ) -> ResponseRow:
        """Call an action; the answer may be empty.

        One that is not repeated raises Unavailable at once where it might be, and slows down
        nothing else.
        """
        return await self.request("POST", path, body, permission, is_repeated=is_repeated)

    async def read_pages(self, path: str, permission: str = "") -> AsyncIterator[list[ResponseRow]]:
        """A collection, page by page. Raises like `get`, also half way."""
        async for _, rows in self.read_answers(path, permission):
            yield rows

    async def read_answers(
        self, path: str, permission: str = ""
    ) -> AsyncIterator[tuple[ResponseRow, list[ResponseRow]]]:
        """A collection, page by page, each with the whole answer. Raises like `get`.

        All pages of an advanced query are asked for as such: a link to the next one need not
        repeat `$count=true`, and without the header its rows are those of another query.
        """
        seen: set[str] = set()
        first, count, rows = path, 0, list[ResponseRow]()
        least_followed = 0
        is_advanced = COUNTING in path
        while path:
            if path in seen or len(seen) >= self.max_pages:
                raise Unavailable(f"{format_request_path(path)}: the pages do not end")
            seen.add(path)
            answer = await self.get(path, permission, is_advanced=is_advanced)
            try:
                rows = parse_response_rows(answer)
            except ValueError as error:
                raise Unavailable(f"{format_request_path(path)}: {error}") from error
            count += len(rows)
            yield answer, rows
            path = self.get_next_path(answer, is_beta=path.startswith(f"{BETA}/"))
            if path:
                least_followed = min(least_followed or len(rows), len(rows))
        is_full_end = bool(rows) and len(rows) == find_page_size(first)
        if not is_advanced and (is_full_end or least_followed):
            await self.check_count(first, count, permission, 1 if is_full_end else least_followed)

    async def check_count(self, path: str, count: int, permission: str, lost: int) -> None:
        """Raise Unavailable where Graph counts so many `lost` rows more than a collection had.

        One that ends with a full page may lack the link to the next one. One of several pages may
        lack any of them, and that has as many rows as those that others follow: fewer came or went
        while it was read. Graph counts few collections.
        """
        try:
            asked = build_count_path(path)
            answer = await self.get(asked, permission, is_advanced=True) if asked else {}
        except Rejected as error:
            log.info("%s was not counted: %s", format_request_path(path), error)
            return
        expected = parse_total_count(answer)
        if expected - count >= max(lost, 1):
            raise Unavailable(
                f"{format_request_path(path)}: it ended with {count:,} of {expected:,} objects"
            )

    async def request(
        self,
        method: str,
        path: str,
        body: ResponseRow | None,
        permission: str,
        *,
        is_advanced: bool = False,
        is_repeated: bool = True,
    ) -> ResponseRow:
        """Send until there is a definite answer. An empty body is an answer only to a write."""
        what = f"{method} {format_request_path(path)}"
        licence_refusals = 0

        async def attempt() -> ResponseRow:
            nonlocal licence_refusals
            response = await self.send(method, path, body, is_advanced=is_advanced)
            if 200 <= response.status < 300:
                if not response.body and method != "GET":
                    return {}
                return parse_graph_response(response, what)
            refusal = parse_graph_error_body(response)
            again = retryable_status(response.status, response.headers.get("Retry-After"), what)
            if again:
                raise again
            code = parse_graph_error(refusal)[0]
            if code == CONCURRENCY_VIOLATION:
                raise RetryableError(f"{what}: another change was under way")
            if code == NON_PREMIUM and licence_refusals < LICENCE_LOOKS - 1:
                licence_refusals += 1
                raise RetryableError(
                    f"{what}: {code}", wait_seconds=LICENCE_PAUSE * licence_refusals
                )
            raise map_graph_error(response.status, refusal, what, permission)

        service = self.report_service if is_report_path(path) else self.service
        # What is asked for alone is mostly what a whole run waits for.
        return await service.call(
            attempt if is_repeated else forbid_repeats(attempt), goes_first=True
        )

    async def send(
        self, method: str, path: str, body: ResponseRow | None, *, is_advanced: bool = False
    ) -> BufferedResponse:
        """One request. A token that is not taken is renewed once."""
        response = await self.send_once(method, path, body, is_advanced)
        if response.status == 401:
            await self.credential.renew()
            response = await self.send_once(method, path, body, is_advanced)
        return response

    async def send_once(
        self, method: str, path: str, body: ResponseRow | None, is_advanced: bool
    ) -> BufferedResponse:
        """Send with the token, past the SDK's pipeline, unless Graph asks for other claims.

        Every path is appended to an address of Graph: the token goes to no other host.
        """
        address = (self.root if path.startswith(f"{BETA}/") else self.base) + path
        # A filter has spaces, which `yarl` would write as plus signs.
        url = URL(quote(address, safe=ADDRESS_SIGNS), encoded=True)
        content = b"" if body is None else msgspec.json.encode(body)
        headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
        if is_advanced or COUNTING in path:
            headers["ConsistencyLevel"] = "eventual"
        if content:
            headers["Content-Type"] = "application/json"
        token = await self.credential.get_token(self.scope)
        own = {
            "Authorization": f"Bearer {token.token}",
            "User-Agent": USER_AGENT,
            "client-request-id": create_request_id(),
        }
        try:
            answer = await self.transport.send(method, url, headers | own, content)
        except TRANSPORT_ERRORS as error:
            kind = RetryableError if is_unsent_request(error) else ConnectionLost
            what = f"{method} {format_request_path(path)}"
            raise kind(f"{what}: {type(error).__name__}") from error
        if answer.status == 401 and "claims" in answer.headers.get("WWW-Authenticate", ""):
            return await self.open_pipeline().send(method, url, headers, content)
        return answer

    def open_pipeline(self) -> "GraphPipeline":
        """The SDK's pipeline. Importing it takes half as much CPU as all else that a run needs."""
        from core.adapters.graph.pipeline import GraphPipeline

        if self.pipeline is None:
            self.pipeline = GraphPipeline(self.cloud, self.credential, self.transport)
        return self.pipeline

    def get_next_path(self, answer: ResponseRow, *, is_beta: bool = False) -> str:
        """The path of the next page, "" at the end.

        Raises Unavailable for a link that leads out of this API, since the token would go with it,
        and for one with an empty token, which leads to the first page again (seen of the sign-in
        log: microsoftgraph/msgraph-sdk-powershell#1388).
        """
        link = answer.get("@odata.nextLink")
        if link is None:
            return ""
        root = self.root if is_beta else self.base
        prefix = f"{root}{BETA}/" if is_beta else f"{root}/"
        if not isinstance(link, str) or not link.startswith(prefix) or "/.." in link:
            raise Unavailable("Graph named a next page outside of its own address")
        if EMPTY_TOKEN.search(link):
            raise Unavailable("Graph named a next page without saying which")
        return link.removeprefix(root)

    # Batches ---------------------------------------------------------------------------------

    async def get_batch(
        self,
        paths: Mapping[str, str],
        permission: str,
        on_result: Callable[[str, RowOrError], None],
        is_empty: TextTest | None = None,
    ) -> None:
        """Send many GETs, twenty in a request, and pass each key with its object or error on.

        `on_result` is called once for each key, in any order, and must not raise. Microsoft Learn:
        Graph "Combine multiple HTTP requests using JSON batching".
        """
        chunks = self.cut_into_batches(paths)
        least = FIRST_BATCH_SIZE if self.service.is_unknown else BATCH_SIZE

        async def work() -> None:
            for chunk in chunks:
                await self.complete_batch(chunk, permission, on_result, is_empty)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(MAX_QUEUED_BATCHES, math.ceil(len(paths) / least))):
                group.create_task(work())

    def cut_into_batches(self, paths: Mapping[str, str]) -> Iterator[dict[str, str]]:
        """Paths in batches. As long as it is not known how many Graph takes at once, the first of
        many to Outlook are small: the sooner they are answered, the sooner it is asked for more.
        """
        left = iter(paths.items())
        are_slow = len(paths) > BATCH_SIZE and OUTLOOK in next(iter(paths.values()))
        while True:
            is_small = (
                are_slow and self.service.is_unknown and self.small_batches < self.service.cap
            )
            chunk = dict(islice(left, FIRST_BATCH_SIZE if is_small else BATCH_SIZE))
            if not chunk:
                return
            self.small_batches += is_small
            yield chunk

    async def get_collections(
        self,
        paths: Mapping[str, str],
        permission: str,
        on_result: Callable[[str, list[ResponseRow] | TenantError], None],
        is_empty: TextTest | None = None,
    ) -> None:
        """Read many collections in batches; `on_result` gets all rows, or the error.

        Of a page that `is_empty` it gets none, and the page is not parsed.
        """
        gathering = CollectionReader(self.get_next_path, on_result, self.max_pages)
        pending = paths
        while pending:
            await self.get_batch(pending, permission, gathering.record_page, is_empty)
            pending = gathering.take_next_paths()

    async def complete_batch(
        self,
        pending: dict[str, str],
        permission: str,
        on_result: Callable[[str, RowOrError], None],
        is_empty: TextTest | None,
    ) -> None:
        """Get one batch answered, asking again for what was throttled, lost or unbelievable."""
        late: dict[str, RetryableError] = {}
        size = len(pending)

        async def attempt() -> None:
            late.clear()
            asked = list(pending.items())
            for (key, path), replies in zip(asked, await self.send_batch(pending), strict=True):
                test = partial(is_empty, key) if is_empty else None
                answer = parse_graph_reply(replies, path, permission, test)
                if isinstance(answer, RetryableError):
                    late[key] = answer
                else:
                    del pending[key]
                    on_result(key, answer)
            if late:
                raise longest_wait(late.values(), size)

        try:
            await self.service.call(attempt)
        except TenantError as error:
            for key in pending:
                on_result(key, late.get(key, error))

    async def send_batch(self, paths: Mapping[str, str]) -> list[list[Reply]]:
        """What a batch answered to each path: one reply if all is well."""
        requests = [
            {"id": str(number), "method": "GET", "url": path}
            for number, path in enumerate(paths.values())
        ]
        response = await self.send("POST", "/$batch", {"requests": requests})
        if response.status != 200:
            again = retryable_status(response.status, response.headers.get("Retry-After"), "$batch")
            raise again or map_graph_error(
                response.status, parse_graph_error_body(response), "$batch"
            )
        return sort_graph_replies(response, len(requests))


def forbid_repeats(
    attempt: Callable[[], Awaitable[ResponseRow]],
) -> Callable[[], Awaitable[ResponseRow]]:
    """An attempt that raises Unavailable where it might be repeated."""

    async def attempt_once() -> ResponseRow:
        try:
            return await attempt()
        except RetryableError as error:
            raise Unavailable(str(error)) from error

    return attempt_once
