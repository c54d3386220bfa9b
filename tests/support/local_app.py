"""The command line over a ledger in memory: what is typed, what is answered, what it printed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

from rich.console import Console

from core.api.authentication import Caller
from core.cli.api_client import Reply, Way
from core.cli.local_client import InProcess
from core.cli.program import main
from core.cli.session import Session
from core.config.settings import Settings, all_settings
from core.engine.operator_requests import serve
from core.jobs.run_requests import Ticket
from core.keys import key_of
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import Terms
from core.ports import World
from tests.support.fakes.tenant import FakeTenant
from tests.support.fakes.world import DAY, START, Clock, FakeAlerts, FakeLedger

GUARD = "mailbox-audit"
SAMPLES = {entry.name: entry.sample for entry in all_settings()}
WHY = ("--why", "because")
# A key as somebody keeps it in the environment: it must never be seen again.
KEY = "a-key-nobody-may-see"
ADDRESS = "https://app.example"
# A change that nobody but a person may take back.
RAISED: dict[str, Any] = {
    "kind": "RaiseAuditAge",
    "arguments": {"mailbox_guid": "object-4", "days": 180},
    "before": {"AuditLogAgeLimit": "90.00:00:00"},
}


@dataclass(frozen=True)
class Said:
    """What became of a command line."""

    code: int
    out: str
    err: str


@dataclass
class Counter:
    """One terminal. `posts` are the requests that asked for something, `puts` the questions.

    `answers` are what the person types, in order; without a `terminal` nobody is asked.
    """

    clock: Clock = field(default_factory=Clock)
    terminal: bool = False
    answers: list[str] = field(default_factory=list)
    environ: dict[str, str] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)
    posts: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    idle: bool = False
    width: int = 80
    colour: bool = False

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.settings = Settings.read(SAMPLES)

    def keep(self, *rows: Case | ChangeRecord | Exemption, guard: str = GUARD) -> None:
        """Put rows into the ledger."""

        async def kept() -> None:
            async with self.ledger.claim(guard, "the test") as claim:
                assert claim
                await claim.save(*rows)

        asyncio.run(kept())

    async def works(self, ticket: Ticket, settings: Settings) -> None:
        """A worker, unless it is idle: does what is asked, without a look at the tenant."""
        duty = settings.duty(ticket.guard)
        assert duty
        world = World(FakeTenant(), self.ledger, FakeAlerts(), Terms(START), self.clock)
        if not self.idle:
            await serve(duty, world, ticket.run)

    @asynccontextmanager
    async def way(self, session: Session) -> AsyncIterator[Way]:
        """The API over the ledger in memory."""
        caller = Caller("function key")
        inner = InProcess(ADDRESS, self.settings, self.ledger, caller, self.works, self.clock)
        yield Watched(self, inner)

    def run(self, *words: str) -> Said:
        """One command line to its end."""
        out, err = StringIO(), StringIO()

        async def pause(seconds: float) -> None:
            self.waits.append(seconds)

        def asks(text: str) -> str:
            self.puts.append(text)
            return self.answers.pop(0) if self.answers else ""

        session = Session(
            environ={"EXOGUARD_APP": ADDRESS, "EXOGUARD_KEY": KEY, **self.environ},
            out=self.paper(out),
            err=self.paper(err),
            now=self.clock,
            pause=pause,
            terminal=self.terminal,
            who="dana@desk",
            asks=asks,
            secret=asks,
            opens=self.way,
        )
        code = main(words, session)
        said = Said(code, out.getvalue(), err.getvalue())
        assert KEY not in said.out + said.err
        return said

    def paper(self, text: StringIO) -> Console:
        """What is printed on."""
        return Console(
            file=text, width=self.width, markup=False, highlight=False, force_terminal=self.colour
        )


@dataclass
class Watched:
    """A way that remembers what was asked for, and answers some addresses as the test wants."""

    counter: Counter
    inner: Way

    @property
    def where(self) -> str:
        return self.inner.where

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        return self.counter.replies.get(path) or await self.inner.get(path, query)

    async def post(self, path: str, body: Mapping[str, str]) -> Reply:
        self.counter.posts.append((path, body))
        return self.counter.replies.get(path) or await self.inner.post(path, body)

    async def work(self) -> None:
        await self.inner.work()


def a_case(number: int = 1, **other: Any) -> Case:
    """An open case that was told."""
    made = Case(
        key=key_of(f"object-{number}", GUARD, "audit-off"),
        kind="audit-off",
        object_id=f"object-{number}",
        subject=f"box{number}@contoso.com",
        severity=Severity.HIGH,
        judged=Verdict.REPAIR,
        verdict=Verdict.REPAIR,
        summary="Auditing is off.",
        opened=START - 3 * DAY,
        facts=("AuditEnabled is False",),
        told=START - 3 * DAY,
        surfaces=("mailboxes",),
    )
    return replace(made, **other)


def a_change(number: int = 1, **other: Any) -> ChangeRecord:
    """A change that was made, with what was there before."""
    case = a_case(number)
    made = ChangeRecord(
        id=key_of(case.object_id, "change", str(number)),
        case=case.key,
        subject=case.subject,
        kind="EnableMailboxAudit",
        arguments={"mailbox_guid": case.object_id},
        state=ChangeState.APPLIED,
        at=START - DAY,
        run="30708425056706-52e65694",
        before={"AuditEnabled": False},
    )
    return replace(made, **other)
