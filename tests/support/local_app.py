"""Runs the command line over a ledger in memory, and records its requests and output."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import StringIO
from typing import Any

from rich.console import Console

from core.api.authentication import Caller
from core.cli.api_client import ApiClient, ApiResponse, ApiUnavailable
from core.cli.local_client import LocalClient
from core.cli.program import main
from core.cli.session import Session
from core.config.settings import Settings, list_settings
from core.engine.operator_requests import run_requests_only
from core.jobs.run_requests import RunMessage
from core.keys import build_object_key
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Fact
from core.notifications.run_cards import build_cards
from core.ports import World
from tests.support.cases import build_case
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import DAY, FakeLedger
from tests.support.fakes.tenant import FakeTenant

GUARD_NAME = "mailbox-audit"
SAMPLES = {entry.name: entry.sample_text for entry in list_settings()}
WHY_OPTIONS = ("--why", "because")
# A function key in the environment, which no output may contain.
SECRET_KEY = "a-key-that-stays-secret"
APP_URL = "https://app.example"
# A change that Exoguard does not undo.
RAISE_AUDIT_AGE_CHANGE: dict[str, Any] = {
    "kind": "RaiseAuditAge",
    "arguments": {"mailbox_guid": "object-4", "days": 180},
    "before": {"AuditLogAgeLimit": "90.00:00:00"},
}


@dataclass(frozen=True)
class CommandResult:
    """The result of a command line."""

    exit_code: int
    out: str
    err: str


@dataclass
class LocalApp:
    """One terminal and one app."""

    clock: Clock = field(default_factory=Clock)
    is_terminal: bool = False
    typed_answers: list[str] = field(default_factory=list)
    """What the operator types, in order."""
    environ: dict[str, str] = field(default_factory=dict)
    prompts: list[str] = field(default_factory=list)
    """The questions the command line asked."""
    posts: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    """The submitted requests: path and body."""
    reads: list[str] = field(default_factory=list)
    """The paths that were read, in order."""
    outages: list[str] = field(default_factory=list)
    """The beginnings of paths to which a connection fails, each once, in order."""
    canned_replies: dict[str, ApiResponse] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    is_idle: bool = False
    """True if no worker processes the requests."""
    width: int = 80
    is_colored: bool = False

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)
        self.settings = Settings.read(SAMPLES)

    def save_rows(self, *rows: Case | ChangeRecord | Exemption, guard: str = GUARD_NAME) -> None:
        """Put rows into the ledger."""

        async def save() -> None:
            async with self.ledger.claim(guard, "the test") as claim:
                assert claim
                await claim.save(*rows)

        asyncio.run(save())

    async def process_run_message(self, message: RunMessage, settings: Settings) -> None:
        """Process a run message as the worker does, unless it is idle, without a scan."""
        config = settings.find_guard_config(message.guard)
        assert config
        world = World(FakeTenant(), self.ledger, FakeNotificationChannel(), self.clock, build_cards)
        if not self.is_idle:
            await run_requests_only(config, world, message.run)

    @asynccontextmanager
    async def open_client(self, session: Session) -> AsyncIterator[ApiClient]:
        """The API over the ledger in memory."""
        caller = Caller("function key")
        inner = LocalClient(
            APP_URL, self.settings, self.ledger, caller, self.process_run_message, self.clock
        )
        yield RecordingClient(self, inner)

    def run_command(self, *words: str) -> CommandResult:
        """Run one command line."""
        out, err = StringIO(), StringIO()

        async def pause(seconds: float) -> None:
            self.waits.append(seconds)

        def ask(text: str) -> str:
            self.prompts.append(text)
            return self.typed_answers.pop(0) if self.typed_answers else ""

        session = Session(
            environ={"EXOGUARD_APP": APP_URL, "EXOGUARD_KEY": SECRET_KEY, **self.environ},
            out=self.open_console(out),
            err=self.open_console(err),
            now=self.clock,
            sleep=pause,
            is_interactive=self.is_terminal,
            who="dana@laptop",
            ask=ask,
            ask_secret=ask,
            client_factory=self.open_client,
        )
        code = main(words, session)
        result = CommandResult(code, out.getvalue(), err.getvalue())
        assert SECRET_KEY not in result.out + result.err
        return result

    def open_console(self, text: StringIO) -> Console:
        """A console that writes to `text`."""
        return Console(
            file=text,
            width=self.width,
            markup=False,
            highlight=False,
            force_terminal=self.is_colored,
        )


@dataclass
class RecordingClient:
    """A client that records requests, and answers some paths with canned replies."""

    app: LocalApp
    inner: ApiClient

    @property
    def location(self) -> str:
        return self.inner.location

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> ApiResponse:
        self.app.reads.append(path)
        self.fail(path)
        return self.app.canned_replies.get(path) or await self.inner.get(path, query)

    async def post(self, path: str, body: Mapping[str, str]) -> ApiResponse:
        self.app.posts.append((path, body))
        self.fail(path)
        return self.app.canned_replies.get(path) or await self.inner.post(path, body)

    async def process_pending(self) -> None:
        await self.inner.process_pending()

    def fail(self, path: str) -> None:
        """Fail once where an outage is due."""
        if self.app.outages and path.startswith(self.app.outages[0]):
            self.app.outages.pop(0)
            raise ApiUnavailable("the connection failed")


def build_open_case(number: int = 1, **other: Any) -> Case:
    """An open case whose notification was sent."""
    made = build_case(
        number,
        key=build_object_key(f"object-{number}", GUARD_NAME, "audit-off"),
        kind="audit-off",
        object_id=f"object-{number}",
        subject=f"box{number}@contoso.com",
        guard_verdict="repair",
        verdict="repair",
        summary="Auditing is off.",
        opened_at=START - 3 * DAY,
        facts=(Fact("", "AuditEnabled is False"),),
        notified_at=START - 3 * DAY,
        sources=("mailboxes",),
    )
    return replace(made, **other)


def build_applied_change(number: int = 1, **other: Any) -> ChangeRecord:
    """An applied change, with the values before it."""
    case = build_open_case(number)
    made = ChangeRecord(
        id=build_object_key(case.object_id, "change", str(number)),
        case_key=case.key,
        subject=case.subject,
        kind="EnableMailboxAudit",
        arguments={"mailbox_guid": case.object_id},
        state=ChangeState.APPLIED,
        at=START - DAY,
        run="30708425056706-52e65694",
        before={"AuditEnabled": False},
    )
    return replace(made, **other)
