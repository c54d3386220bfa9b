"""Starts Python programs in processes that have already imported what they need.

A host of the app spends a second or two on imports, and tests start many. A server imports them
once, and each program is a fork of it: a process of its own, which is killed, paused and told to
end as any other. What has to be seen of a start from nothing, start with `python -m` instead.

    tests ─► order ─► server ─► keeper ─► program
      ◄───────────── pid, exit code ◄┘
      ◄── what is sent to the program, and what it prints ──►
"""

import asyncio
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypedDict

ROOT = Path(__file__).resolve().parents[2]
MAX_ORDER_BYTES = 2**17
MAX_LINE_BYTES = 2**24


class Order(TypedDict):
    """What is to run."""

    function: str
    """module:function, which takes no arguments and returns an exit code, if any."""
    arguments: list[str]
    """What the program finds in sys.argv."""
    imports: list[str]
    """The modules that it will need besides."""
    folder: str
    environ: dict[str, str]


# ----------------------------------------------------------------------------------------------
# The tests' side
# ----------------------------------------------------------------------------------------------


@dataclass
class Program:
    """A running program."""

    pid: int
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: IO[bytes]
    fate: asyncio.StreamReader
    """Where its keeper says how it ended."""
    returncode: int | None = None
    """The exit code, or the negative number of the signal that ended it, once it was waited for."""

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the program has ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the program in the middle of its work."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for the end; returns the exit code."""
        if self.returncode is None:
            self.returncode = int(await self.fate.readline())
        return self.returncode

    def read_errors(self) -> str:
        """All that it printed to its standard error."""
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")


@dataclass(frozen=True)
class ForkServer:
    """A process that starts programs."""

    orders: socket.socket

    @asynccontextmanager
    async def start(
        self,
        function: str,
        *arguments: str,
        imports: Collection[str] = (),
        folder: Path = ROOT,
        environ: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Program]:
        """Start a program (an `Order`), which does not outlive the block."""
        order = Order(
            function=function,
            arguments=list(arguments),
            imports=list(imports),
            folder=str(folder),
            environ=dict(os.environ if environ is None else environ),
        )
        own_fate, fate = socket.socketpair()
        own_stream, stream = socket.socketpair()
        with tempfile.TemporaryFile() as errors:
            with fate, stream:
                ends = [one.fileno() for one in (fate, stream, errors)]
                socket.send_fds(self.orders, [json.dumps(order).encode()], ends)
            known, known_writer = await asyncio.open_unix_connection(sock=own_fate)
            reader, writer = await asyncio.open_unix_connection(
                sock=own_stream, limit=MAX_LINE_BYTES
            )
            program = Program(int(await known.readline()), writer, reader, errors, known)
            try:
                yield program
            finally:
                if program.returncode is None:
                    program.kill()
                await program.wait()
                writer.close()
                known_writer.close()

    async def run(self, function: str, *arguments: str, text: str = "") -> str:
        """Let a program read `text`, and return what it prints, once it ended without an error."""
        async with self.start(function, *arguments) as program:
            program.stdin.write(text.encode())
            program.stdin.write_eof()
            printed = await program.stdout.read()
            assert await program.wait() == 0, program.read_errors()[-3000:]
        return printed.decode()


@contextmanager
def open_fork_server() -> Iterator[ForkServer]:
    """A server, which ends with the block, and all its programs before it."""
    orders, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with others:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server", str(others.fileno())],
            cwd=ROOT,
            pass_fds=[others.fileno()],
            start_new_session=True,
        )
    with orders:
        yield ForkServer(orders)
    server.wait()


# ----------------------------------------------------------------------------------------------
# The server's side
# ----------------------------------------------------------------------------------------------


def serve(orders: socket.socket) -> Order:
    """Fork a process for each order; returns the order in that process, and in no other."""
    while True:
        text, descriptors, _, _ = socket.recv_fds(orders, MAX_ORDER_BYTES, 3)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG if text else 0) != (0, 0):
                pass
        if not text:
            sys.exit()
        order: Order = json.loads(text)
        module = order["function"].partition(":")[0]
        for name in (module, *order["imports"]):
            importlib.import_module(name)
        # What stands apart is not touched by the collector, so the forks go on sharing it.
        gc.freeze()
        if os.fork() == 0:
            orders.close()
            start_program(*descriptors)
            return order
        for one in descriptors:
            os.close(one)


def start_program(fate: int, stream: int, errors: int) -> None:
    """Return in the program's process; this one tells its number, and how it ended."""
    if pid := os.fork():
        os.close(stream)
        os.close(errors)
        os.write(fate, b"%d\n" % pid)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(BrokenPipeError):
            os.write(fate, b"%d\n" % os.waitstatus_to_exitcode(status))
        os._exit(0)
    os.close(fate)
    for own, standard in ((stream, 0), (stream, 1), (errors, 2)):
        os.dup2(own, standard)
    os.close(stream)
    os.close(errors)


def run_program(order: Order) -> Any:
    """Run what was ordered in this process."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environ"])
    module, _, name = order["function"].partition(":")
    sys.argv = [module, *order["arguments"]]
    return getattr(sys.modules[module], name)()


if __name__ == "__main__":
    sys.exit(run_program(serve(socket.socket(fileno=int(sys.argv[1])))))
