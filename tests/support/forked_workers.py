"""Runs the tests in several processes, which are forked once everything is collected.

A plugin of pytest: `-n N` sets how many. With 0, or when there is only one file to run, pytest runs
the tests in its own process. Each file is run by one worker, since many tests share what is dear to
set up; a worker is handed out the next file when it begins the last test of the one before, so that
what both need stays set up. A worker that dies fails the test it was at, and what it had not begun
is handed out to the others.
"""

import contextlib
import os
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkProcess

import pytest
from _pytest.runner import pytest_sessionfinish as tear_down
from _pytest.runner import runtestprotocol

FORK = get_context("fork")
MAX_DEFAULT_WORKERS = 8
END_SECONDS = 10
"""How long all workers together may take to tear down what they have set up, once they have to
end."""

type Warned = tuple[warnings.WarningMessage, str, tuple[str, int, str] | None]
"""A warning, the id of the test that gave it, and the place."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a worker tells of a test that it has run; they are run in the order of handing out."""

    reports: Sequence[pytest.TestReport]
    warned: Sequence[Warned]


type Message = Ran | None
"""What a worker tells; None: it begins the last test it has, and asks for more."""
type Indexes = Sequence[int]
"""Which of the collected tests a worker shall run; none: there are no more."""


class Hooks:
    """What this plugin calls in others."""

    def pytest_start_workers(self, run: "DistributedRun", count: int) -> None:
        """Starts so many workers: no thread may run before, and no worker starts afterwards."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Adds how many processes run the tests."""
    pluginmanager.add_hookspecs(Hooks)
    # Under the name that everybody types; pytest reserves small letters for itself.
    parser.getgroup("workers")._addoption(
        "-n",
        "--numprocesses",
        type=int,
        default=min(os.process_cpu_count() or 1, MAX_DEFAULT_WORKERS),
        help="how many processes run the tests; 0: only this one",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Runs what is collected; None: as pytest does it itself."""
    config = session.config
    files: dict[object, list[int]] = {}
    for index, item in enumerate(session.items):
        files.setdefault(item.path, []).append(index)
    count = min(config.getoption("numprocesses"), len(files))
    if count < 2 or session.testsfailed or config.option.collectonly or config.option.usepdb:
        return None
    run = DistributedRun(session, deque(files.values()))
    try:
        config.hook.pytest_start_workers(run=run, count=count)
        run.finish()
    finally:
        run.end_workers()
    return True


def pytest_start_workers(run: "DistributedRun", count: int) -> None:
    """Starts them."""
    run.start_workers(count)


@dataclass(slots=True)
class Worker:
    """A process that runs tests, as the one sees it that hands them out."""

    process: ForkProcess
    pending: deque[int] = field(default_factory=deque)
    """The tests it was handed out and has not told of, the one it is at first."""
    last: int = 0
    """The test it has told of last."""


@dataclass(slots=True)
class DistributedRun:
    """The tests of a session, handed out to workers file by file."""

    session: pytest.Session
    files: deque[Indexes]
    """What is not handed out yet."""
    workers: dict[Connection, Worker] = field(default_factory=dict)
    """The workers that have not ended, by the line to each."""

    def start_workers(self, count: int) -> None:
        """Fork so many workers, and give each its first file."""
        if others := [
            one.name for one in threading.enumerate() if one is not threading.main_thread()
        ]:
            # A lock that one of them holds would be locked in the workers for good.
            raise pytest.UsageError(f"threads run after collection, use -n0: {', '.join(others)}")
        # The tests of many files end in turns: a line for each change of file would say nothing.
        if terminal := self.session.config.pluginmanager.get_plugin("terminalreporter"):
            terminal.showfspath = False
        # One folder of temporary ones for all of them, which no worker takes away when it ends.
        self.session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        for _ in range(count):
            ours, theirs = FORK.Pipe()
            # A worker that held a line of another one would not notice that nobody hears it.
            process = FORK.Process(target=work, args=(self.session, theirs, [ours, *self.workers]))
            process.start()
            theirs.close()
            # So that Ctrl-C reaches this process alone, and a worker ends with all it has started.
            os.setpgid(process_id(process), process_id(process))
            self.workers[ours] = Worker(process)
        for line in self.workers:
            self.hand_out(line)

    def finish(self) -> None:
        """Hand out everything and log what comes back, until all workers have ended."""
        while self.workers:
            ready = wait(list(self.workers))
            for line in [one for one in self.workers if one in ready]:
                self.listen(line)
                if self.session.shouldfail:
                    raise self.session.Failed(self.session.shouldfail)
                if self.session.shouldstop:
                    raise self.session.Interrupted(self.session.shouldstop)
        if left := sum(map(len, self.files)):
            self.session.shouldfail = f"{left} tests have not run: no worker is left"
            raise self.session.Failed(self.session.shouldfail)

    def hand_out(self, line: Connection) -> None:
        """Give a worker the next file; nothing, if there is none."""
        indexes = list(self.files.popleft()) if self.files else []
        self.workers[line].pending.extend(indexes)
        # That it has died is noticed where it is listened to.
        with contextlib.suppress(OSError):
            line.send(indexes)

    def listen(self, line: Connection) -> None:
        """Take one message of a worker, or notice that it has ended."""
        try:
            message: Message = line.recv()
        except (OSError, EOFError):
            self.bury(self.workers.pop(line))
            return
        if message is None:
            self.hand_out(line)
        else:
            self.log(self.workers[line], message)

    def log(self, worker: Worker, ran: Ran) -> None:
        """Tell all plugins of a test as if it had been run here."""
        hook = self.session.config.hook
        worker.last = worker.pending.popleft()
        item = self.session.items[worker.last]
        hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in ran.reports:
            hook.pytest_runtest_logreport(report=report)
        for message, nodeid, location in ran.warned:
            hook.pytest_warning_recorded.call_historic(
                kwargs={
                    "warning_message": message,
                    "when": "runtest",
                    "nodeid": nodeid,
                    "location": location,
                }
            )
        hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)

    def bury(self, worker: Worker) -> None:
        """Note that a worker has ended; if it was not to, a test fails and the rest is left."""
        worker.process.join(END_SECONDS)
        if worker.process.is_alive():
            end_group(worker.process)
        if not worker.pending and worker.process.exitcode == 0:
            return
        at = worker.pending.popleft() if worker.pending else worker.last
        item = self.session.items[at]
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="failed",
            longrepr=f"The process of this test ended: {name_end(worker.process)}",
            when="call",
        )
        self.session.config.hook.pytest_runtest_logreport(report=report)
        if worker.pending:
            self.files.appendleft(worker.pending)

    def end_workers(self) -> None:
        """End all that still run, with what they have started, after they have torn it down."""
        for worker in self.workers.values():
            os.kill(process_id(worker.process), signal.SIGINT)
        until = time.monotonic() + END_SECONDS
        for worker in self.workers.values():
            worker.process.join(max(0, until - time.monotonic()))
            if worker.process.is_alive():
                end_group(worker.process)


def process_id(process: ForkProcess) -> int:
    """The id of a process that was started."""
    assert process.pid is not None
    return process.pid


def end_group(process: ForkProcess) -> None:
    """End a process and all that it has started."""
    os.killpg(process_id(process), signal.SIGKILL)
    process.join()


def name_end(process: ForkProcess) -> str:
    """How a process ended, in words."""
    code = process.exitcode or 0
    return signal.Signals(-code).name if code < 0 else f"exit status {code}"


@dataclass(slots=True)
class WorkerSide:
    """What a worker does: it runs what it is handed out, and tells of each test."""

    session: pytest.Session
    line: Connection
    reports: Sequence[pytest.TestReport] = ()
    warned: list[Warned] = field(default_factory=list)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Runs a test and keeps its reports, which are logged where those of all workers are."""
        self.reports = runtestprotocol(item, log=False, nextitem=nextitem)
        return True

    def pytest_warning_recorded(
        self,
        warning_message: warnings.WarningMessage,
        when: str,
        nodeid: str,
        location: tuple[str, int, str] | None,
    ) -> None:
        """Keeps a warning of a test; those of the collection are known where it was made."""
        if when == "runtest":
            plain = warnings.WarningMessage(
                str(warning_message.message),
                warning_message.category,
                warning_message.filename,
                warning_message.lineno,
            )
            self.warned.append((plain, nodeid, location))

    def take_items(self) -> Iterator[pytest.Item]:
        """The tests that are handed out, until there are no more."""
        while indexes := self.line.recv():
            yield from (self.session.items[index] for index in indexes)
            self.line.send(None)

    def run(self) -> None:
        """Run what is handed out, each test with the next one at hand."""
        config = self.session.config
        items = self.take_items()
        item = next(items, None)
        while item:
            following = next(items, None)
            config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            self.line.send(Ran(self.reports, self.warned))
            self.warned.clear()
            item = following


def work(session: pytest.Session, line: Connection, others: Sequence[Connection]) -> None:
    """The life of a worker, in the process that was forked for it."""
    for other in others:
        other.close()
    config = session.config
    # What is captured goes to files, which must not be those of the other processes.
    capture = config.pluginmanager.get_plugin("capturemanager")
    assert capture is not None
    capture.stop_global_capturing()
    capture.start_global_capturing()
    side = WorkerSide(session, line)
    config.pluginmanager.register(side)
    try:
        # It is told to end, or the process that hands out the tests is gone.
        with contextlib.suppress(KeyboardInterrupt, EOFError, BrokenPipeError):
            side.run()
            # It ends anyway.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        tear_down(session)
        # What was left behind without being closed is noticed here.
        config.hook.pytest_unconfigure(config=config)
    finally:
        # If the worker dies of something, that is shown.
        capture.stop_global_capturing()
        line.close()
