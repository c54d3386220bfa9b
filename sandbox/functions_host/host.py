"""A local Azure Functions host for one app, on the production Python worker.

It does what the real host does for a Python app: settings in the environment, HTTP routes behind
keys, the admin API, timers, Storage queues, retry policies. One process hosts one app, as in Azure,
because Python keeps its imported modules.

    python -m sandbox.functions_host.host --app DIR --settings FILE.json

hosts an app until SIGTERM. Its first line of output is a JSON object with its address and keys.
Several such processes on one storage account are instances of one app and share its queues. At most
one of them may run the timers; the others take `--no-schedules`.

`--sign-in` tells the app that the platform signs users in, as App Service Authentication does;
`sandbox.functions_host.easy_auth` must then be in front of it.

Differences from Azure: keys are new at each start and live in memory, an unsupported method of a
route gets 405, and no lease ensures that timers run on one instance only.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from azure.core.exceptions import AzureError

from sandbox.functions_host import worker
from sandbox.functions_host.host_json import HostJson
from sandbox.functions_host.http_triggers import FunctionKeys, HttpTriggers
from sandbox.functions_host.queues import VISIBILITY_TIMEOUT, QueueTriggers
from sandbox.functions_host.timers import Timer, TimerStatusStore
from sandbox.functions_host.worker import Function, HostError, InvocationResult
from sandbox.functions_host.worker_messages import TypedData

LOG = logging.getLogger(__name__)

# The real host accepts bodies up to 100 MiB.
MAX_BODY_BYTES = 100 * 1024**2
DRAIN_POLL_SECONDS = 0.02
# Only the platform sets this; a setting of the same name has no effect (Microsoft Learn,
# "Environment variables and app settings in Azure App Service").
AUTH_ENABLED_SETTING = "WEBSITE_AUTH_ENABLED"


@dataclass(frozen=True, slots=True)
class Invocation:
    """One finished invocation of a function. `error` is empty if it succeeded."""

    name: str
    error: str
    seconds: float

    @property
    def ok(self) -> bool:
        return not self.error


@dataclass(slots=True)
class Host:
    """Hosts the app in `app_dir` with `settings` as its environment.

    A `port` of 0 picks a free one. `status_file` keeps the status of timers across restarts.
    Without `timers_enabled`, timers run only on request. `visibility_timeout` is how long after
    this host's death another instance sees the messages it was processing. `sign_in_enabled` tells
    the app that a proxy in front of it signs users in.
    """

    app_dir: Path
    settings: Mapping[str, str]
    port: int = 0
    status_file: Path | None = None
    timers_enabled: bool = True
    visibility_timeout: timedelta = VISIBILITY_TIMEOUT
    sign_in_enabled: bool = False
    keys: FunctionKeys = field(default_factory=FunctionKeys.generate)
    invocations: list[Invocation] = field(default_factory=list)
    functions: dict[str, Function] = field(default_factory=dict)
    timers: dict[str, Timer] = field(default_factory=dict)
    replaced_environment: dict[str, str | None] = field(default_factory=dict)
    listeners: list[asyncio.Task[None]] = field(default_factory=list)
    background_tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    running_count: int = 0
    queues: QueueTriggers = field(init=False)
    host_json: HostJson = field(init=False)
    runner: web.AppRunner | None = None

    @property
    def base(self) -> str:
        """The app's address, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        try:
            return await self.start()
        except BaseException:  # Also on cancellation: leave no process or client behind.
            await self.stop()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    # ------------------------------------------------------------------------------------------
    # Start and stop
    # ------------------------------------------------------------------------------------------

    async def start(self) -> Self:
        """Loads the app and starts to serve it. Raises HostError if Azure would not host it."""
        self.host_json = HostJson.read(self.app_dir / "host.json")
        self.queues = QueueTriggers.create(self.host_json, self.visibility_timeout)
        door = socket.create_server(("127.0.0.1", self.port))
        self.port = door.getsockname()[1]
        try:
            self.set_environment()
            for function in await worker.index_functions(self.app_dir):
                if not worker.is_disabled(function):
                    self.functions[function.name] = function
            await self.start_http(door)
        except BaseException:  # Also on cancellation: the port must be freed.
            door.close()
            raise
        self.start_listeners()
        return self

    def set_environment(self) -> None:
        additions = {
            "WEBSITE_HOSTNAME": f"127.0.0.1:{self.port}",
            "WEBSITE_INSTANCE_ID": uuid.uuid4().hex,
        }
        platforms = {AUTH_ENABLED_SETTING: "True" if self.sign_in_enabled else "False"}
        for name, value in {**additions, **self.settings, **platforms}.items():
            self.replaced_environment[name] = os.environ.get(name)
            os.environ[name] = value

    async def start_http(self, listener: socket.socket) -> None:
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        doors = HttpTriggers(self.keys, self.handle_http, self.start_by_admin)
        doors.register_routes(app, self.functions.values(), self.host_json.route_prefix)
        self.runner = web.AppRunner(app, access_log=None)
        await self.runner.setup()
        await web.SockSite(self.runner, listener).start()

    def start_listeners(self) -> None:
        book = TimerStatusStore(self.status_file)
        for function in self.functions.values():
            match function.trigger["type"]:
                case "timerTrigger":
                    timer = Timer.from_function(function, book)
                    self.timers[function.name] = timer
                    if self.timers_enabled:
                        self.start_listener(timer.run(self.handle_timer))
                case "queueTrigger":
                    self.start_listener(self.queues.serve_queue(function, self.handle_queue))
                case "httpTrigger":
                    continue
                case unknown:
                    raise HostError(f"{function.name}: no local host for the trigger {unknown!r}")

    def start_listener(self, listener: Coroutine[Any, Any, None]) -> None:
        self.listeners.append(asyncio.create_task(listener))

    async def stop(self) -> None:
        """Stops listening, cancels what is running and restores the environment."""
        tasks = [*self.listeners, *self.background_tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.runner:
            await self.runner.cleanup()
        if self.functions:
            await self.queues.close()
            worker.stop_threads()
        for name, value in self.replaced_environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    # ------------------------------------------------------------------------------------------
    # Invocations
    # ------------------------------------------------------------------------------------------

    async def invoke(
        self, function: Function, data: TypedData, metadata: Mapping[str, TypedData] | None = None
    ) -> InvocationResult:
        """Runs a function with its retry policy, sends its queue outputs and records the
        invocation.
        """
        LOG.info("Executing 'Functions.%s'", function.name)
        began = time.monotonic()
        self.running_count += 1
        try:
            result = await self.invoke_with_retries(function, data, metadata or {})
        finally:
            self.running_count -= 1
        done = Invocation(function.name, result.error, time.monotonic() - began)
        self.invocations.append(done)
        verdict = "Succeeded" if done.ok else "Failed"
        LOG.info("Executed 'Functions.%s' (%s, %.3f s)", function.name, verdict, done.seconds)
        return result

    async def invoke_with_retries(
        self, function: Function, data: TypedData, metadata: Mapping[str, TypedData]
    ) -> InvocationResult:
        """Runs a function until it succeeds or its retry policy, which only timers have, is
        exhausted.

        Queue triggers retry by themselves and HTTP triggers never do (Microsoft Learn, "Azure
        Functions error handling and retries").
        """
        retry = function.retry if function.trigger["type"] == "timerTrigger" else None
        attempt = 0
        while True:
            result = await self.invoke_once(function, data, metadata, attempt)
            if result.ok or retry is None or attempt == retry.max_retries:
                return result
            attempt += 1
            await asyncio.sleep(retry.get_delay(attempt).total_seconds())

    async def invoke_once(
        self,
        function: Function,
        data: TypedData,
        metadata: Mapping[str, TypedData],
        attempt_number: int,
    ) -> InvocationResult:
        """Makes one attempt. A function whose output cannot be sent has failed."""
        result = await worker.invoke_function(
            function, data, metadata, attempt_number, self.host_json.function_timeout
        )
        if result.ok:
            try:
                await self.queues.send_outputs(function, result)
            except (AzureError, HostError) as error:
                result = InvocationResult(error=f"{type(error).__name__}: {error}")
        if not result.ok:
            LOG.error("'Functions.%s': %.4000s", function.name, result.traceback or result.error)
        return result

    async def handle_timer(self, function: Function, tick: TypedData) -> None:
        await self.invoke(function, tick)

    async def handle_queue(
        self, function: Function, body: TypedData, metadata: dict[str, TypedData]
    ) -> bool:
        return (await self.invoke(function, body, metadata)).ok

    async def handle_http(self, function: Function, request: TypedData) -> InvocationResult:
        return await self.invoke(function, request)

    def start_by_admin(self, function: Function, text: str) -> None:
        """Starts a function for `POST /admin/functions/{name}`, independently of its schedule, as
        in Azure.
        """
        timer = self.timers.get(function.name)
        data = timer.build_tick(past_due=False) if timer else TypedData(string=text)
        errand = asyncio.create_task(self.invoke(function, data, build_admin_metadata(function)))
        self.background_tasks.add(errand)
        errand.add_done_callback(self.background_tasks.discard)

    async def invoke_timer(self, name: str, past_due: bool = False) -> Invocation:
        """Runs a timer function now and waits for it, whatever its schedule."""
        timer = self.timers.get(name)
        if timer is None:
            raise HostError(f"no timer function is called {name!r}")
        began = time.monotonic()
        result = await self.invoke(timer.function, timer.build_tick(past_due))
        return Invocation(name, result.error, time.monotonic() - began)

    async def drain(self) -> None:
        """Waits until no invocation is running and every trigger queue is empty.

        Raises the error of a listener that failed, because waiting for it would not end.
        """
        while True:
            for listener in self.listeners:
                if listener.done():
                    listener.result()
            if self.background_tasks:
                await asyncio.wait(self.background_tasks)
            elif self.running_count or await self.count_waiting():
                await asyncio.sleep(DRAIN_POLL_SECONDS)
            else:
                return

    async def count_waiting(self) -> int:
        triggers = [f for f in self.functions.values() if f.trigger["type"] == "queueTrigger"]
        return sum([await self.queues.count_messages(function) for function in triggers])


def build_admin_metadata(function: Function) -> dict[str, TypedData]:
    """Trigger metadata of a queue message sent by hand: a first attempt, nothing else is known."""
    if function.trigger["type"] != "queueTrigger":
        return {}
    return {"Id": TypedData(string=""), "DequeueCount": TypedData(json=json.dumps(1))}


# ----------------------------------------------------------------------------------------------
# A process of its own
# ----------------------------------------------------------------------------------------------


async def serve_host(host: Host) -> int:
    """Hosts an app until SIGINT or SIGTERM. Returns 1 if Azure would not host it."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    try:
        async with host:
            keys = {"function": host.keys.function, "master": host.keys.master}
            print(json.dumps({"base": host.base, "keys": keys}), flush=True)
            await stopped.wait()
    except HostError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def read_settings_file(file: Path) -> dict[str, str]:
    """Reads settings: one JSON object of strings, or the `Values` of local.settings.json."""
    document = json.loads(file.read_text(encoding="utf-8-sig"))
    return {name: str(value) for name, value in document.get("Values", document).items()}


def parse_seconds(text: str) -> timedelta:
    seconds = int(text)
    if seconds < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return timedelta(seconds=seconds)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.functions_host.host", description="A Functions host."
    )
    parser.add_argument("--app", type=Path, required=True, help="where function_app.py is")
    parser.add_argument("--settings", type=Path, required=True, help="its settings, one JSON file")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--no-schedules", action="store_true", help="timers run by hand only")
    parser.add_argument(
        "--visibility",
        type=parse_seconds,
        default=VISIBILITY_TIMEOUT,
        metavar="SECONDS",
        help="after how long a queue message comes back when this process is killed (600)",
    )
    parser.add_argument(
        "--sign-in",
        action="store_true",
        help="sandbox.functions_host.easy_auth stands in front and signs in",
    )
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    host = Host(
        options.app.resolve(),
        read_settings_file(options.settings),
        port=options.port,
        timers_enabled=not options.no_schedules,
        visibility_timeout=options.visibility,
        sign_in_enabled=options.sign_in,
    )
    return asyncio.run(serve_host(host))


if __name__ == "__main__":
    sys.exit(main())
