"""Microsoft Graph through msgraph-sdk: its credential, pipeline and host pinning, but raw JSON.

The SDK's typed models cost about 3 ms of CPU for each inbox rule and its batch client loses bodies,
so requests go through its adapter and the answers are parsed here. Importing this module loads no
model of the SDK.
"""

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import batched
from urllib.parse import urlsplit

import httpx
from kiota_abstractions.method import Method
from kiota_abstractions.request_information import RequestInformation
from kiota_abstractions.response_handler import ResponseHandler
from kiota_authentication_azure.azure_identity_authentication_provider import (
    AzureIdentityAuthenticationProvider,
)
from kiota_http.middleware import UserAgentHandler
from kiota_http.middleware.options import ResponseHandlerOption
from msgraph.graph_request_adapter import GraphRequestAdapter
from msgraph.graph_service_client import GraphServiceClient
from msgraph_core import GraphClientFactory
from msgraph_core.middleware import GraphTelemetryHandler

from core.adapters.api_errors import error_of, graph_failure
from core.adapters.clouds import Cloud
from core.adapters.credentials import Credential, roles_of
from core.adapters.graph.transport import GraphTransport
from core.adapters.m365.parsing import Row, document, rows_of, text
from core.adapters.retry import Again, Service, inner_trouble, slowest, trouble
from core.errors import TenantError, Unavailable

log = logging.getLogger(__name__)

BATCH_SIZE = 20
PAGES = 2_000
ROWS = 10_000
# Only an advanced query counts, and it has to say so in a header as well (Microsoft Learn: Graph
# "Advanced query capabilities on directory objects").
COUNTING = "$count=true"
CONCURRENCY_VIOLATION = "Directory_ConcurrencyViolation"

type Answer = Row | TenantError


class WholeResponse(ResponseHandler):
    """Keeps the response as it came: the SDK itself gives up the body of every refusal."""

    def __init__(self) -> None:
        self.response: httpx.Response | None = None

    async def handle_response_async(self, response: object, error_map: object) -> None:
        self.response = response if isinstance(response, httpx.Response) else None


class Graph:
    """A connection to Graph for as long as the app lives.

    `permission` of a call is the app role it needs; a refusal carries it on. Paths are relative to
    the version, e.g. `/users/...`, with every id in them percent-encoded by the caller.
    """

    def __init__(
        self, cloud: Cloud, credential: Credential, service: Service, *, ca_path: str = ""
    ) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # Its INFO lines hold whole URLs.
        self.base = f"{cloud.graph}/v1.0"
        self.scope = cloud.graph_scope
        self.credential = credential
        self.most_pages = PAGES
        self.service = service
        host = urlsplit(self.base).hostname or ""
        # A port in an allowed host would match nothing, and requests would go out without a token.
        provider = AzureIdentityAuthenticationProvider(
            credential, scopes=[self.scope], allowed_hosts=[host]
        )
        self.transport = GraphTransport(ca_path, connections=service.cap)
        self.http = GraphClientFactory.create_with_custom_middleware(
            # Those of the SDK's handlers that have anything to do: it tells what it is and numbers
            # its requests. Retries and redirects are not its business.
            [UserAgentHandler(), GraphTelemetryHandler()],
            client=httpx.AsyncClient(
                transport=self.transport, headers={"Accept-Encoding": "gzip"}, trust_env=False
            ),
        )
        adapter = GraphRequestAdapter(provider, client=self.http)
        adapter.base_url = self.base
        self.client = GraphServiceClient(request_adapter=adapter)

    async def close(self) -> None:
        """Close the connections; the credential is somebody else's."""
        await self.http.aclose()
        await self.transport.aclose()  # The SDK's own transport does not close what it wraps.

    async def roles(self) -> frozenset[str] | None:
        """The app roles in the token; None when it cannot be read."""
        token = await self.credential.get_token(self.scope)
        return roles_of(token.token)

    # One request -----------------------------------------------------------------------------

    async def get(self, path: str, permission: str = "") -> Row:
        """One object. Raises Gone, Forbidden, Refused or Unavailable."""
        return await self.request(Method.GET, path, None, permission)

    async def patch(self, path: str, body: Row, permission: str = "") -> Row:
        """Change one object; the answer may be empty."""
        return await self.request(Method.PATCH, path, body, permission)

    async def post(self, path: str, body: Row | None = None, permission: str = "") -> Row:
        """Call an action; the answer may be empty."""
        return await self.request(Method.POST, path, body, permission)

    async def pages(self, path: str, permission: str = "") -> AsyncIterator[list[Row]]:
        """A collection, page by page. Raises like `get`, also half way."""
        seen: set[str] = set()
        while path:
            if path in seen or len(seen) >= self.most_pages:
                raise Unavailable(f"{shown(path)}: the pages do not end")
            seen.add(path)
            answer = await self.get(path, permission)
            try:
                yield rows_of(answer)
            except ValueError as error:
                raise Unavailable(f"{shown(path)}: {error}") from error
            path = self.next_path(answer)

    async def request(self, method: Method, path: str, body: Row | None, permission: str) -> Row:
        """Send until there is a definite answer. An empty body is an answer only to a write."""
        what = f"{method.value} {shown(path)}"

        async def attempt() -> Row:
            response = await self.send(method, path, body)
            if 200 <= response.status_code < 300:
                if not response.content and method is not Method.GET:
                    return {}
                return understood(response, what)
            refusal = body_of(response)
            again = trouble(response.status_code, response.headers.get("Retry-After"), what)
            if again:
                raise again
            if error_of(refusal).get("code") == CONCURRENCY_VIOLATION:
                raise Again(f"{what}: another change was under way")
            raise graph_failure(response.status_code, refusal, what, permission)

        return await self.service.call(attempt)

    async def send(self, method: Method, path: str, body: Row | None) -> httpx.Response:
        """One request through the SDK's pipeline. A token that is not taken is renewed once."""
        response = await self.send_once(method, path, body)
        if response.status_code == 401:
            await self.credential.renew()
            response = await self.send_once(method, path, body)
        return response

    async def send_once(self, method: Method, path: str, body: Row | None) -> httpx.Response:
        whole = WholeResponse()
        request = RequestInformation()
        request.http_method = method
        request.url = self.base + path
        request.headers.try_add("Accept", "application/json")
        request.add_request_options([ResponseHandlerOption(whole)])
        if COUNTING in path:
            request.headers.try_add("ConsistencyLevel", "eventual")
        if body is not None:
            request.headers.try_add("Content-Type", "application/json")
            request.content = json.dumps(body).encode()
        try:
            await self.client.request_adapter.send_primitive_async(request, "bytes", {})
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise Again(f"{method.value} {shown(path)}: {type(error).__name__}") from error
        if whole.response is None:
            raise Again(f"{method.value} {shown(path)}: no response")
        return whole.response

    def next_path(self, answer: Row) -> str:
        """The path of the next page, "" at the end.

        Raises Unavailable for a link that leads out of this API: the token would go with it.
        """
        link = answer.get("@odata.nextLink")
        if link is None:
            return ""
        prefix = self.base + "/"
        if not isinstance(link, str) or not link.startswith(prefix) or "/.." in link:
            raise Unavailable("Graph named a next page outside of its own address")
        return link.removeprefix(self.base)

    # Batches ---------------------------------------------------------------------------------

    async def batch(
        self, paths: Mapping[str, str], permission: str, take: Callable[[str, Answer], None]
    ) -> None:
        """Many GETs, twenty in a request. `take` gets every key with its object or its error.

        It gets each of them once, in any order, as soon as it is settled, and must not raise;
        nothing is kept here. Microsoft Learn: Graph "Combine multiple HTTP requests using JSON
        batching".
        """
        chunks = batched(paths.items(), BATCH_SIZE, strict=False)

        async def work() -> None:
            for chunk in chunks:
                await self.fill(dict(chunk), permission, take)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(self.service.cap, math.ceil(len(paths) / BATCH_SIZE))):
                group.create_task(work())

    async def lists(
        self,
        paths: Mapping[str, str],
        permission: str,
        take: Callable[[str, list[Row] | TenantError], None],
    ) -> None:
        """Many collections in batches: `take` gets each with the rows of all its pages, or its
        error, as `batch` has it."""
        gathering = Gathering(self.next_path, take, self.most_pages)
        pending = paths
        while pending:
            await self.batch(pending, permission, gathering.settle)
            pending = gathering.next_pages()

    async def fill(
        self, pending: dict[str, str], permission: str, take: Callable[[str, Answer], None]
    ) -> None:
        """Get one batch answered, asking again for what was throttled, lost or unbelievable."""
        late: dict[str, Again] = {}

        async def attempt() -> None:
            late.clear()
            keys = list(pending)
            for key, replies in zip(keys, await self.inner_replies(pending), strict=True):
                answer = judged(replies, pending[key], permission)
                if isinstance(answer, Again):
                    late[key] = answer
                else:
                    del pending[key]
                    take(key, answer)
            if late:
                raise slowest(late.values())

        try:
            await self.service.call(attempt)
        except TenantError as error:
            for key in pending:
                take(key, late.get(key, error))

    async def inner_replies(self, paths: Mapping[str, str]) -> list[list[Row]]:
        """What a batch answered to each path: one reply if all is well."""
        requests = [
            {"id": str(number), "method": "GET", "url": path}
            for number, path in enumerate(paths.values())
        ]
        response = await self.send(Method.POST, "/$batch", {"requests": requests})
        if response.status_code != 200:
            again = trouble(response.status_code, response.headers.get("Retry-After"), "$batch")
            raise again or graph_failure(response.status_code, body_of(response), "$batch")
        return sorted_replies(understood(response, "$batch"), len(requests))


class Gathering:
    """Collections on their way. Rows are kept of those alone that have further pages."""

    def __init__(
        self,
        next_path: Callable[[Row], str],
        take: Callable[[str, list[Row] | TenantError], None],
        most_pages: int,
    ) -> None:
        self.next_path = next_path
        self.most_pages = most_pages
        self.take = take
        self.rows: dict[str, list[Row]] = {}
        self.asked: dict[str, set[str]] = {}
        self.further: dict[str, str] = {}

    def settle(self, key: str, answer: Answer) -> None:
        """A page of a collection, or why there is none."""
        try:
            rows, path = self.one_page(key, answer)
        except TenantError as error:
            self.rows.pop(key, None)
            self.take(key, error)
            return
        if path:
            self.rows[key] = rows
            self.further[key] = path
        else:
            self.rows.pop(key, None)
            self.take(key, rows)

    def one_page(self, key: str, answer: Answer) -> tuple[list[Row], str]:
        """The rows so far, and where the next page is. Raises TenantError."""
        if isinstance(answer, TenantError):
            raise answer
        try:
            rows = self.rows.get(key, []) + rows_of(answer)
        except ValueError as error:
            raise Unavailable(f"Graph: {error}") from error
        if len(rows) > ROWS:
            raise Unavailable(f"Graph: a list of more than {ROWS} elements")
        path = self.next_path(answer)
        asked = self.asked.setdefault(key, set()) if path else set()
        if path in asked or len(asked) >= self.most_pages:
            raise Unavailable("Graph: the pages do not end")
        asked.add(path)
        return rows, path

    def next_pages(self) -> dict[str, str]:
        """The pages to ask for now."""
        further, self.further = self.further, {}
        return further


def sorted_replies(answer: Row, asked: int) -> list[list[Row]]:
    """The replies in a batch by the number of their request, whatever order they came in."""
    replies = answer.get("responses")
    if not isinstance(replies, list):
        raise Again("$batch: the answer has no responses")
    sorted_out: list[list[Row]] = [[] for _ in range(asked)]
    for reply in replies:
        number = text(reply.get("id"), 8) if isinstance(reply, Mapping) else ""
        if number.isascii() and number.isdigit() and int(number) < asked:
            sorted_out[int(number)].append(reply)
    return sorted_out


def judged(replies: Sequence[Row], path: str, permission: str) -> Answer:
    """What the replies to one inner request amount to; Again when it should be asked once more.

    A success without an object is trouble: a missing body is never "there is nothing".
    """
    if len(replies) == 1:
        status, body = replies[0].get("status"), replies[0].get("body")
        if status == 200 and isinstance(body, dict):
            return body
        what = shown(path)
        if status == 200:
            return Again(f"{what}: an answer without body")
        if not isinstance(status, int) or not 100 <= status < 600:
            return Again(f"{what}: an answer without status")
        again = inner_trouble(status, replies[0].get("headers"), what)
        return again or graph_failure(status, body, what, permission)
    return Again(f"{shown(path)}: {len(replies) or 'no'} answers in the batch")


def body_of(response: httpx.Response) -> Row:
    """The JSON of a refusal, empty when it has none."""
    try:
        return document(response.content)
    except ValueError:
        return {}


def understood(response: httpx.Response, what: str) -> Row:
    """The JSON of a success; Again when it is cut off, a login page, or anything else."""
    try:
        return document(response.content)
    except ValueError as error:
        raise Again(f"{what}: {error}") from error


def shown(path: str) -> str:
    """A path fit for a message: no query, not too long."""
    return path.partition("?")[0][:160]
