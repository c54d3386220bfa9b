"""The sandbox on loopback: two small HTTP servers in front of one simulated tenant.

Plain HTTP serves Graph, Exchange, the managed identity endpoint, the webhook and the control
routes. HTTPS serves Entra, because azure-identity accepts nothing else. Run it alone with `python
-m sandbox.server --scene FILE`.
"""

import argparse
import asyncio
import gc
import json
import signal
import ssl
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from aiohttp import web

from sandbox.activity.feed import ActivityFeed
from sandbox.app_identity import CLIENT_ID
from sandbox.certificate import get_server_certificate
from sandbox.channels import ChannelReceivers
from sandbox.exchange.api import CMDLETS, Exchange
from sandbox.faults.injection import ConnectionDropped, Fault, FaultedRequest, apply_fault
from sandbox.graph.api import ALL_ROLES, Graph
from sandbox.graph.identity import IDENTITY_CLIENT_ID, Entra, ManagedIdentity
from sandbox.http_types import HttpRequest, HttpResponse, MalformedBody, make_request
from sandbox.reality.profile import DEFAULT_PROFILE, PROFILES
from sandbox.state.tenant import SimulatedTenant
from sandbox.teams import TeamsWebhook

HOST = "127.0.0.1"
SHUTDOWN_SECONDS = 0.2
MAX_RECORDED_REQUESTS = 20_000


class RecordedRequest(NamedTuple):
    """A request that was answered. Inside a `$batch` the service is `graph/inner` and so on."""

    service: str
    method: str
    path: str
    status: int


class SimulatedService(Protocol):
    """A service behind a server. Faults are matched against the fault lines of a request."""

    @property
    def name(self) -> str: ...

    def get_fault_lines(self, request: HttpRequest) -> tuple[str, str]: ...

    async def handle_request(self, request: HttpRequest) -> HttpResponse: ...


class Sandbox:
    """A tenant on two ports of 127.0.0.1, as an async context manager.

    It is created from a scene, from a scene's JSON or from a tenant that exists. `base` is the
    address of the APIs, `authority` that of Entra, `ca_path` its CA certificate. `latency`, in
    seconds, is added to every request. `requests` holds the latest requests; `counts` counts all
    of them. `profile` is the reality of a scene that names none.
    """

    def __init__(
        self,
        scene: Mapping[str, object] | bytes | SimulatedTenant,
        *,
        latency: float = 0.0,
        port: int = 0,
        authority_port: int = 0,
        profile: str = DEFAULT_PROFILE,
    ) -> None:
        self.tenant = (
            scene if isinstance(scene, SimulatedTenant) else SimulatedTenant(scene, profile)
        )
        self.ports = (port, authority_port)
        self.requests: list[RecordedRequest] = []
        self.counts: Counter[str] = Counter()
        self.entra = Entra(self.tenant, ALL_ROLES, frozenset(CMDLETS))
        self.teams = TeamsWebhook(
            lambda: 1.18 if self.tenant.reality.plays("teams-card-size", "grows") else 1.0
        )
        self.channels = ChannelReceivers()
        self.graph = Graph(self.tenant, self.entra, latency, self.record_request)
        exchange = Exchange(self.tenant, self.entra, latency, self.record_request)
        self.delayed = (self.graph, exchange)
        self.services: dict[str, SimulatedService] = {
            "v1.0": self.graph,
            "beta": self.graph,
            "api": ActivityFeed(self.tenant, self.entra),
            "adminapi": exchange,
            "msi": ManagedIdentity(self.entra),
            "workflows": self.teams,
            "channels": self.channels,
        }
        self.base = ""
        self.authority = ""
        self.ca_path = ""

    # Life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        certificate = get_server_certificate()
        self.ca_path = str(certificate.path)
        self.runners = [
            web.ServerRunner(
                web.Server(handler, access_log=None), shutdown_timeout=SHUTDOWN_SECONDS
            )
            for handler in (self.handle_base, self.handle_authority)
        ]
        bound = [
            await start_site(runner, port, context)
            for runner, port, context in zip(
                self.runners, self.ports, (None, certificate.context), strict=True
            )
        ]
        self.base = f"http://{HOST}:{bound[0]}"
        self.authority = f"https://{HOST}:{bound[1]}"
        self.tenant.base = self.entra.base = self.base
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for runner in self.runners:
            await runner.cleanup()

    # What callers ask ------------------------------------------------------------------------

    @property
    def writes(self) -> list[dict[str, Any]]:
        """Every write to the tenant, in order: api, method, target, body."""
        return self.tenant.writes

    @property
    def cards(self) -> list[dict[str, Any]]:
        """The messages that the flow posted, as they were received."""
        return self.teams.cards

    @property
    def failed_flows(self) -> list[dict[str, Any]]:
        """The messages that were accepted but never posted, with the reason."""
        return self.teams.failed_flows

    @property
    def client_secret(self) -> str:
        """The secret of the app registration, for clients without a managed identity."""
        return self.entra.secret

    def build_settings(self) -> dict[str, str]:
        """Builds the settings that point the app at this tenant."""
        return {
            "TENANT_ID": self.tenant.tenant_id,
            "CLIENT_ID": CLIENT_ID,
            "MANAGED_IDENTITY_CLIENT_ID": IDENTITY_CLIENT_ID,
            "LOGIN_ENDPOINT": self.authority,
            "GRAPH_ENDPOINT": self.base,
            "EXCHANGE_ENDPOINT": self.base,
            "MANAGEMENT_ENDPOINT": self.base,
            "CA_BUNDLE": self.ca_path,
            "TEAMS_WEBHOOK_URL": f"{self.base}/workflows/hook?sig={self.teams.signature}",
            "WEBHOOK_HOSTS": HOST,
            "IDENTITY_ENDPOINT": f"{self.base}/msi/token",
            "IDENTITY_HEADER": self.entra.identity_header,
        }

    def describe(self) -> dict[str, Any]:
        """Where this tenant is served, and the settings that point the app at it."""
        return {
            "base": self.base,
            "authority": self.authority,
            "ca_path": self.ca_path,
            "settings": self.build_settings(),
        }

    def reset(self) -> None:
        """Restores the initial scene and clears all records."""
        self.tenant.reset()
        self.teams.reset()
        self.channels.reset()
        self.requests.clear()
        self.counts.clear()

    def set_latency(self, seconds: float) -> None:
        """Adds another latency to every request from now on."""
        for service in self.delayed:
            service.latency = seconds

    def end_windows(self) -> None:
        """Ends the seconds in which requests are counted, for who lets hours pass in no time."""
        self.graph.end_windows()
        self.tenant.faults.end_windows()

    def record_request(self, service: str, method: str, path: str, status: int) -> None:
        """Records a request. At least the latest MAX_RECORDED_REQUESTS are kept."""
        if len(self.requests) >= 2 * MAX_RECORDED_REQUESTS:
            del self.requests[:MAX_RECORDED_REQUESTS]
        self.requests.append(RecordedRequest(service, method, path, status))
        self.counts[service] += 1

    # Requests --------------------------------------------------------------------------------

    async def handle_base(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handles a request to the plain port."""
        return await self.send_answer(request, self.answer_base(await read_request(request)))

    async def handle_authority(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handles a request to Entra's port."""
        return await self.send_answer(request, self.answer_authority(await read_request(request)))

    async def answer_base(self, call: HttpRequest) -> HttpResponse:
        """Answers a request to the plain port, whose first segment selects the service. Raises
        ConnectionDropped.
        """
        first = call.segments[0].casefold() if call.segments else ""
        if first == "sandbox":
            return self.handle_control(call)
        service = self.services.get(first)
        if service is None:
            return HttpResponse(404, {"error": {"code": "NotFound", "message": "No service."}})
        return await self.serve_request(service, call)

    async def answer_authority(self, call: HttpRequest) -> HttpResponse:
        """Answers a request to Entra's port. Raises ConnectionDropped."""
        return await self.serve_request(self.entra, call)

    async def serve_request(self, service: SimulatedService, call: HttpRequest) -> HttpResponse:
        """Answers a request, or lets a fault answer it. Raises ConnectionDropped."""
        lines = service.get_fault_lines(call)
        fault: Fault | None = self.tenant.faults.match_fault(service.name, lines)
        try:
            if fault is None:
                answer = await service.handle_request(call)
            else:
                struck = FaultedRequest(service.name, lines[0], call, self.base)
                answer = await apply_fault(fault, struck, lambda: service.handle_request(call))
        except ConnectionDropped:
            self.record_service_request(service, call, lines[0], 0)
            raise
        self.record_service_request(service, call, lines[0], answer.status)
        return answer

    async def send_answer(
        self, request: web.BaseRequest, answering: Awaitable[HttpResponse]
    ) -> web.StreamResponse:
        """Sends an answer, or what comes of it before the connection ends."""
        try:
            return to_web_response(await answering)
        except ConnectionDropped as dropped:
            await self.abort_connection(request, dropped.response)
            return web.Response(status=500)

    async def abort_connection(
        self, request: web.BaseRequest, partial_response: HttpResponse | None
    ) -> None:
        """Closes the connection, after the first half of a response if there is one."""
        if partial_response is not None:
            whole = to_web_response(partial_response)
            content = partial_response.encode_content()
            begun = web.StreamResponse(status=whole.status, headers=whole.headers)
            begun.content_length = len(content)
            await begun.prepare(request)
            await begun.write(content[: len(content) // 2])
        if request.transport is not None:
            request.transport.abort()

    def record_service_request(
        self, service: SimulatedService, request: HttpRequest, line: str, status: int
    ) -> None:
        """Records a request; a command by its cmdlet, because all commands share one path."""
        if service.name == "exchange" and request.segments[-1].casefold() == "invokecommand":
            self.record_request(service.name, "InvokeCommand", line, status)
        else:
            self.record_request(service.name, request.method, request.path, status)

    # Control ---------------------------------------------------------------------------------

    def handle_control(self, request: HttpRequest) -> HttpResponse:
        """Handles the routes with which demos and benchmarks inspect and change the tenant."""
        views: dict[str, Callable[[], object]] = {
            "state": lambda: self.tenant.scene,
            "writes": lambda: self.writes,
            "cards": lambda: self.cards,
            "card-times": lambda: {"now": self.teams.get_age(), "cards": self.teams.card_times},
            "failed-flows": lambda: self.failed_flows,
            "requests": lambda: {"requests": self.requests, "counts": self.counts},
        }
        actions: dict[str, Callable[[], None]] = {
            "scene": lambda: self.tenant.apply_patch(require_object(request.json())),
            "faults": lambda: self.tenant.set_faults(request.json()),
            "latency": lambda: self.set_latency(require_seconds(request.json())),
            "reset": self.reset,
            "windows": self.end_windows,
        }
        what = request.segments[1] if len(request.segments) == 2 else ""
        if request.method == "GET" and what in views:
            return HttpResponse(200, views[what]())
        if request.method != "POST" or what not in actions:
            return HttpResponse(404, {"error": "no such control route"})
        try:
            actions[what]()
        except (MalformedBody, ValueError, LookupError) as error:
            return HttpResponse(400, {"error": str(error)})
        return HttpResponse(200, {"ok": True})


def require_object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("the body is not a JSON object")
    return value


def require_seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 60:
        raise ValueError("the body is not a number of seconds, of at most 60")
    return float(value)


async def start_site(runner: web.ServerRunner, port: int, tls: ssl.SSLContext | None) -> int:
    """Starts a server on loopback and returns its port."""
    await runner.setup()
    await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
    return int(runner.addresses[0][1])


async def read_request(request: web.BaseRequest) -> HttpRequest:
    """Reads a request. `request.read` stops at one megabyte, and a scene may be larger."""
    body = await request.content.read() if request.can_read_body else b""
    return make_request(request.method, request.rel_url, request.headers, body)


def to_web_response(http_response: HttpResponse) -> web.Response:
    """Converts a response to aiohttp's."""
    content = http_response.encode_content()
    headers = build_sent_headers(http_response, content)
    return web.Response(status=http_response.status, body=content or None, headers=headers)


def build_sent_headers(http_response: HttpResponse, content: bytes) -> dict[str, str]:
    """The headers of a response as it is sent: a body is JSON unless they say otherwise."""
    headers = dict(http_response.headers)
    if content:
        headers.setdefault("Content-Type", "application/json; charset=utf-8")
    return headers


async def serve_tenant(
    scene: bytes,
    *,
    port: int = 0,
    authority_port: int = 0,
    latency: float = 0.0,
    profile: str = DEFAULT_PROFILE,
) -> int:
    """Serves the tenant of a scene until SIGINT or SIGTERM.

    The scene is JSON text, with or without the byte order mark that PowerShell writes.
    """
    ports = {"port": port, "authority_port": authority_port}
    sandbox = Sandbox(scene, latency=latency, profile=profile, **ports)
    # Frees the text of a large scene before serving.
    del scene
    return await serve_sandbox(sandbox)


async def serve_sandbox(sandbox: Sandbox) -> int:
    """Serves a sandbox until SIGINT or SIGTERM. The first line of output holds the addresses."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    gc.freeze()  # Spares the rows of a large tenant from garbage collection.
    async with sandbox:
        print(json.dumps(sandbox.describe()), flush=True)
        await stopped.wait()
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.server", description=__doc__)
    parser.add_argument("--scene", type=Path, required=True, help="a scene, one JSON file")
    parser.add_argument("--port", type=int, default=0, help="of the APIs; 0 takes a free one")
    parser.add_argument("--authority-port", type=int, default=0, help="of Entra")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds a request takes")
    parser.add_argument("--profile", choices=PROFILES, default=DEFAULT_PROFILE)
    options = parser.parse_args()
    ports = {"port": options.port, "authority_port": options.authority_port}
    return asyncio.run(
        serve_tenant(
            options.scene.read_bytes(),
            latency=options.latency / 1000,
            profile=options.profile,
            **ports,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
