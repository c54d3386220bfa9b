"""The processes around a measured client: simulated tenant, storage account and counting proxy."""

import asyncio
import json
import os
import ssl
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from bench.counting_proxy import CARDS_PATH, CountingProxy
from bench.tenant_generator import TenantSpec, get_ids_path
from core.config.settings import list_settings
from sandbox.functions_host.azurite import Azurite
from sandbox.reality.profile import DEFAULT_PROFILE

ROOT = Path(__file__).resolve().parents[1]
GRAPH_SCOPE = "https://graph.microsoft.com/.default"
EXCHANGE_SCOPE = "https://outlook.office365.com/.default"
IDENTITY_SCOPE = "api://AzureADTokenExchange"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
START_SECONDS = 300.0
STOP_SECONDS = 10.0
MAX_ERROR_LINES = 30
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
# Longer than any run, so that none ends by its time budget.
BENCH_SETTINGS = {"RUN_MINUTES": "60"}


type ClientStarter = Callable[[Mapping[str, Any], Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""Runs a client of `bench.client` by its order, with this added to the environment; returns its
cost and counts."""


@dataclass(frozen=True, slots=True)
class ServedTenant:
    """A simulated tenant that answers."""

    process_id: int
    info: Mapping[str, Any]
    """What `sandbox.server.Sandbox.describe` says of it."""


type TenantServer = Callable[
    [TenantSpec, Path, float, str], AbstractAsyncContextManager[ServedTenant]
]
"""Makes a tenant, writes its scene to a file, and serves it with a latency in milliseconds and a
profile of the sandbox."""


class BenchError(Exception):
    """The benchmark cannot continue. The first line says why, the rest gives details."""


@dataclass(frozen=True, slots=True)
class BenchEnvironment:
    """A tenant with its services, ready for clients."""

    spec: TenantSpec
    scene: Path
    tenant: ServedTenant
    azurite: Azurite
    proxy: CountingProxy
    session: aiohttp.ClientSession
    latency_ms: float
    state_table: str
    """Its own, since others may share the storage account."""
    start_client: ClientStarter

    @property
    def base(self) -> str:
        return str(self.tenant.info["base"])

    @property
    def ids_path(self) -> Path:
        return get_ids_path(self.scene)

    def build_app_settings(self) -> dict[str, str]:
        """Builds the app's settings for this tenant: defaults, except for what the benchmark
        needs.
        """
        storage = self.azurite.connection_string
        tables = storage.replace(self.azurite.endpoints["Table"], self.proxy.base)
        return {
            **build_bench_settings(self.tenant.info["settings"], tables, self.proxy),
            "AzureWebJobsStorage": storage,
            "STATE_TABLE": self.state_table,
        }

    # The tenant's control routes ---------------------------------------------------------------

    async def fetch_request_counts(self) -> dict[str, int]:
        """Fetches the number of requests per service; those inside of `$batch` as `/inner`."""
        async with self.session.get(f"{self.base}/sandbox/requests") as response:
            answer = await response.json()
        counts: dict[str, int] = answer["counts"]
        return counts

    async def change_tenant(self, what: str, body: object) -> None:
        """Posts to a control route: `scene` takes edits, `faults` a fault table, `latency`
        seconds, `windows` nothing. Raises BenchError.
        """
        address = f"{self.base}/sandbox/{what}"
        async with self.session.post(address, json=body) as response:
            if response.status != 200:
                raise BenchError(f"the sandbox refused {what}: {await response.text()}")

    @asynccontextmanager
    async def without_latency(self) -> AsyncIterator[None]:
        """Lets the tenant answer at once while a measurement is prepared. Raises BenchError."""
        await self.change_tenant("latency", 0)
        try:
            yield
        finally:
            await self.change_tenant("latency", self.latency_ms / 1000)

    async def let_minutes_pass(self) -> None:
        """Lets the tenant forget the requests it counted in some seconds: Entra's log of the
        directory answers five in ten, and what reads it next would come minutes later. Raises
        BenchError.
        """
        await self.change_tenant("windows", {})

    def read_server_cpu(self) -> float:
        """Reads the CPU seconds of the simulated tenant so far."""
        fields = Path(f"/proc/{self.tenant.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS

    async def fetch_token(self, scope: str = GRAPH_SCOPE) -> str:
        """Fetches a token through the managed identity, as the app does."""
        given = self.tenant.info["settings"]
        async with self.session.get(
            given["IDENTITY_ENDPOINT"],
            params={
                "api-version": "2019-08-01",
                "resource": IDENTITY_SCOPE,
                "client_id": given["MANAGED_IDENTITY_CLIENT_ID"],
            },
            headers={"X-IDENTITY-HEADER": given["IDENTITY_HEADER"]},
        ) as response:
            assertion = (await response.json())["access_token"]
        async with self.session.post(
            f"{given['LOGIN_ENDPOINT']}/{given['TENANT_ID']}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": given["CLIENT_ID"],
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion,
                "scope": scope,
            },
            ssl=ssl.create_default_context(cafile=given["CA_BUNDLE"]),
        ) as response:
            return str((await response.json())["access_token"])


def build_bench_settings(
    given: Mapping[str, str], tables: str, proxy: CountingProxy
) -> dict[str, str]:
    """The app's settings: defaults, except for what a tenant gives and the benchmark needs.

    `tables` is the connection string of the state table.
    """
    return {
        **{entry.name: entry.default for entry in list_settings() if entry.default},
        **given,
        **BENCH_SETTINGS,
        "STATE_CONNECTION_STRING": tables,
        "TEAMS_WEBHOOK_URL": f"{proxy.base}{CARDS_PATH}",
    }


@asynccontextmanager
async def serve_tenant_process(
    spec: TenantSpec, scene: Path, latency_ms: float, profile: str
) -> AsyncIterator[ServedTenant]:
    """Makes a tenant in one process and serves it in another. Raises BenchError."""
    await run_to_end(
        "-m", "bench.tenant_generator", str(spec.mailboxes), str(scene),
        "--seed", str(spec.seed), "--movers", str(spec.movers),
        "--hidden", str(spec.hidden_forwards), *(() if spec.dated else ("--undated",)),
    )  # fmt: skip
    async with run_child(
        "-m", "sandbox.server", "--scene", str(scene), "--latency", f"{latency_ms:g}",
        "--profile", profile,
    ) as server:  # fmt: skip
        yield ServedTenant(server.pid, await read_sandbox_info(server))


async def read_sandbox_info(server: asyncio.subprocess.Process) -> dict[str, Any]:
    """Reads the sandbox's first line of output: its addresses and credentials."""
    assert server.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            where: dict[str, Any] = json.loads(await server.stdout.readline())
    except (TimeoutError, ValueError) as error:
        raise BenchError("the simulated tenant did not start") from error
    return where


# Children ---------------------------------------------------------------------------------------


@asynccontextmanager
async def run_child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Runs a Python of this environment and stops it at the end, if necessary with a kill."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


@cache
def open_compiled_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for compiled files, for as long as this process lives."""
    return tempfile.TemporaryDirectory(prefix="bench-compiled-")


def keep_compiled_files() -> dict[str, str]:
    """The settings by which a Python finds what those before it compiled, as a warm instance does,
    also where the environment says that nothing is to be kept.
    """
    if not sys.dont_write_bytecode:
        return {}
    return {
        "PYTHONPYCACHEPREFIX": open_compiled_folder().name,
        "PYTHONDONTWRITEBYTECODE": "",
    }


async def run_to_end(
    *arguments: str, stdin_text: str = "", environ: Mapping[str, str] | None = None
) -> str:
    """Runs a Python of this environment and returns its output. Raises BenchError if it fails.

    `stdin_text` is its standard input; `environ` adds to the environment.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        cwd=ROOT,
        env={**os.environ, **keep_compiled_files(), **(environ or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, complaint = await process.communicate(stdin_text.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        shown = complaint.decode(errors="replace").strip().splitlines()[-MAX_ERROR_LINES:]
        raise BenchError("\n".join([f"{' '.join(arguments[:2])} failed:", *shown]))
    return out.decode()


async def start_client_process(
    order: Mapping[str, Any], environ: Mapping[str, str]
) -> Mapping[str, Any]:
    """Runs a client in a process of its own. Raises BenchError if it fails."""
    text = await run_to_end("-m", "bench.client", stdin_text=json.dumps(order), environ=environ)
    answer: dict[str, Any] = json.loads(text)
    return answer


# The environment --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Host:
    """What an environment runs on: processes and a storage account of its own, unless the caller
    knows another way.
    """

    start_client: ClientStarter = start_client_process
    serve_tenant: TenantServer = serve_tenant_process
    storage: Azurite | None = None
    """One that runs already."""


OWN_HOST = Host()


@asynccontextmanager
async def start_environment(
    spec: TenantSpec,
    folder: Path,
    latency_ms: float,
    profile: str = DEFAULT_PROFILE,
    host: Host = OWN_HOST,
) -> AsyncIterator[BenchEnvironment]:
    """Starts a tenant with its services, in a profile of the sandbox. Raises BenchError."""
    undated = "" if spec.dated else "--undated"
    scene = folder / f"tenant-{spec.mailboxes}-{spec.movers}-{spec.hidden_forwards}{undated}.json"
    async with AsyncExitStack() as stack:
        storage = host.storage
        azurite = storage if storage else await stack.enter_async_context(Azurite())
        watch = await stack.enter_async_context(CountingProxy(azurite.endpoints["Table"]))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        tenant = await stack.enter_async_context(
            host.serve_tenant(spec, scene, latency_ms, profile)
        )
        table = f"bench{uuid4().hex}"
        yield BenchEnvironment(
            spec, scene, tenant, azurite, watch, session, latency_ms, table, host.start_client
        )
