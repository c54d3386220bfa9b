"""The pipeline of msgraph-sdk, over the same connections as all other requests to Graph.

It knows what Entra means by a challenge for other claims, and sends the token to no other host.
Importing this module loads no model of the SDK, and takes half as much CPU as all else that a first
request needs.
"""

import logging
import re
from collections.abc import Mapping
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
from yarl import URL

from core.adapters.clouds import Cloud
from core.adapters.credentials import Credential
from core.adapters.graph.transport import TRANSPORT_ERRORS, GraphTransport
from core.adapters.http import BufferedResponse, ConnectionLost

DECODED_HEADERS = frozenset({"content-encoding", "content-length", "transfer-encoding"})
CLAIMS = re.compile(r'claims="([A-Za-z0-9+/_-]*)=*"')


def normalize_claims(header: str) -> str:
    """A challenge with its claims in base64 as the SDK decodes it: padded, not for addresses."""

    def rewrite(found: re.Match[str]) -> str:
        plain = found[1].replace("-", "+").replace("_", "/")
        return f'claims="{plain}{"=" * (-len(plain) % 4)}"'

    return CLAIMS.sub(rewrite, header)


class RawResponseHandler(ResponseHandler):
    """Keeps the raw response, since the SDK drops the body of every error response."""

    def __init__(self) -> None:
        self.response: httpx.Response | None = None

    async def handle_response_async(self, response: object, error_map: object) -> None:
        self.response = response if isinstance(response, httpx.Response) else None


class PipelineTransport(httpx.AsyncBaseTransport):
    """Sends what the pipeline made of a request over connections that are there already."""

    def __init__(self, transport: GraphTransport) -> None:
        self.transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One exchange of request and answer. Raises httpx.TransportError, or Unavailable."""
        try:
            answer = await self.transport.send(
                request.method,
                URL(str(request.url), encoded=True),
                request.headers,
                await request.aread(),
            )
        except TRANSPORT_ERRORS as error:
            raise httpx.TransportError(type(error).__name__, request=request) from error
        headers = [
            (name, normalize_claims(value))
            for name, value in answer.headers.items()
            if name.lower() not in DECODED_HEADERS
        ]
        return httpx.Response(answer.status, headers=headers, content=answer.body, request=request)


class GraphPipeline:
    """Sends a request with a token that the pipeline asks for, for Graph's host alone."""

    def __init__(self, cloud: Cloud, credential: Credential, transport: GraphTransport) -> None:
        logging.getLogger("httpx").setLevel(logging.WARNING)  # Its INFO lines hold whole URLs.
        host = urlsplit(cloud.graph).hostname or ""
        # A port in an allowed host would match nothing, and requests would go out without a token.
        provider = AzureIdentityAuthenticationProvider(
            credential, scopes=[cloud.graph_scope], allowed_hosts=[host]
        )
        self.http = GraphClientFactory.create_with_custom_middleware(
            # Those of the SDK's handlers that have anything to do: it tells what it is and numbers
            # its requests. Retries and redirects are not its business.
            [UserAgentHandler(), GraphTelemetryHandler()],
            client=httpx.AsyncClient(transport=PipelineTransport(transport), trust_env=False),
        )
        adapter = GraphRequestAdapter(provider, client=self.http)
        adapter.base_url = cloud.graph
        self.client = GraphServiceClient(request_adapter=adapter)

    async def send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes
    ) -> BufferedResponse:
        """The answer to a request. Raises ConnectionLost, or Unavailable."""
        whole = RawResponseHandler()
        request = RequestInformation()
        request.http_method = Method(method)
        request.url = str(url)
        for name, value in headers.items():
            request.headers.try_add(name, value)
        request.add_request_options([ResponseHandlerOption(whole)])
        request.content = body or None
        try:
            await self.client.request_adapter.send_primitive_async(request, "bytes", {})
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise ConnectionLost(f"{method} {url.path}: {type(error).__name__}") from error
        if whole.response is None:
            raise ConnectionLost(f"{method} {url.path}: no response")
        answer = whole.response
        return BufferedResponse(answer.status_code, answer.headers, answer.content)

    async def close(self) -> None:
        """Close what the SDK holds, but neither the connections nor the credential."""
        await self.http.aclose()
