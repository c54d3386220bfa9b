"""Starts Python programs in processes that have already imported what they need.

A host of the app spends a second or two on imports, and tests start many. The standard library's
server of forks imports them once, and each program is a process of its own, which is killed, paused
and told to end as any other. What has to be seen of a start from nothing, start with `python -m`
instead.
"""

import asyncio
import contextlib
import importlib
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
MAX_LINE_BYTES = 2**24
# The host, and what function_app.py imports, at once or when it is first needed.
IMPORTS = (
    "azure.data.tables.aio",
    "core.adapters.m365.tenant",
    "core.adapters.table_storage.ledger",
    "core.api.routes",
    "core.bootstrap",
    "core.engine.shards",
    "core.jobs.activity",
    "core.jobs.run_requests",
    "core.jobs.settings_changes",
    "core.jobs.tenant_probe",
    "core.web.pages",
    "sandbox.functions_host.host",
    "sandbox.server",
)
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(list(IMPORTS))


@dataclass
class Program:
    """A running program."""

    process: ForkServerProcess
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: IO[bytes]

    @property
    def pid(self) -> int:
        """The number of its process."""
        assert self.process.pid
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None while it runs."""
        return self.process.exitcode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the program has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the program in the middle of its work."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        await asyncio.to_thread(self.process.join)
        assert self.returncode is not None
        return self.returncode

    def read_errors(self) -> str:
        """All that it printed to its standard error."""
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")


@asynccontextmanager
async def start_program(
    function: str, *arguments: str, folder: Path = ROOT
) -> AsyncIterator[Program]:
    """Start `module:function`, which takes no arguments and returns an exit code, if any. It finds
    the arguments in sys.argv, runs in the folder, and does not outlive the block.
    """
    own, others = socket.socketpair()
    with tempfile.NamedTemporaryFile() as errors:
        with others:
            process = FORKS.Process(
                target=run_program,
                args=(function, arguments, str(folder), dict(os.environ), others, errors.name),
            )
            process.start()
        reader, writer = await asyncio.open_unix_connection(sock=own, limit=MAX_LINE_BYTES)
        program = Program(process, writer, reader, errors)
        try:
            yield program
        finally:
            if program.returncode is None:
                program.kill()
            await program.wait()
            writer.close()


async def run_to_its_end(function: str, *arguments: str, text: str = "") -> str:
    """Let a program read `text`, and return what it prints, once it ended without an error."""
    async with start_program(function, *arguments) as program:
        program.stdin.write(text.encode())
        program.stdin.write_eof()
        printed = await program.stdout.read()
        assert await program.wait() == 0, program.read_errors()[-3000:]
    return printed.decode()


def run_program(
    function: str,
    arguments: tuple[str, ...],
    folder: str,
    environ: dict[str, str],
    stream: socket.socket,
    errors: str,
) -> None:
    """Run a program in this process."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    with stream, open(errors, "ab") as file:
        for standard, own in enumerate((stream.fileno(), stream.fileno(), file.fileno())):
            os.dup2(own, standard)
    # The one of this process reads nothing.
    sys.stdin = os.fdopen(0, closefd=False)
    module, _, name = function.partition(":")
    sys.argv = [module, *arguments]
    sys.exit(getattr(importlib.import_module(module), name)())
