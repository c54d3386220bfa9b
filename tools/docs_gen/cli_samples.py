"""Renders the examples and help texts of docs/cli.md from the sample tenant of the pages."""

import json
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO

from rich.console import Console

from core.cli.api_client import ApiClient, ApiResponse
from core.cli.program import COMMANDS, get_root_command, main
from core.cli.session import Session
from core.json_document import to_json
from core.status.case_document import build_case_document, build_case_page_document
from core.status.case_query import CaseFilter, select_case_page
from core.status.document import build_status_document
from core.status.guard_status import GuardData
from core.status.overview import build_status
from tests.support.status_samples import NOW, SamplePages, build_busy_tenant

TERMINAL_WIDTH = 80


def build_reply(document: object) -> ApiResponse:
    """A response of the API."""
    return ApiResponse(200, json.dumps(to_json(document)).encode())


@dataclass
class SampleClient:
    """A client of a sample status. It accepts requests without recording them."""

    statuses: Sequence[GuardData]
    location: str = "https://func-exoguard.azurewebsites.net"

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> ApiResponse:
        parts = path.removeprefix("/api/").removesuffix(".json").split("/")
        if parts == ["status"]:
            return build_reply(build_status_document(build_status(self.statuses, NOW)))
        if parts == ["cases"]:
            names = [row.config.guard.name for row in self.statuses]
            choice = CaseFilter.parse(query or {}, names)
            return build_reply(build_case_page_document(select_case_page(self.statuses, choice)))
        if parts[0] == "cases":
            _, guard, key = parts
            keys = [row for row in self.statuses if key in row.snapshot.cases]
            if [row.config.guard.name for row in keys] != [guard]:
                return ApiResponse(404, b"{}")
            detail = SamplePages(list(self.statuses)).find_case(guard, key)
            return build_reply(build_case_document(detail))
        return ApiResponse(404, b"{}")

    async def post(self, path: str, body: Mapping[str, str]) -> ApiResponse:
        number = "30708439043000-5e3aa1c7"
        guard = path.split("/")[3]
        taken = {
            "request": number,
            "status": "requested",
            "address": f"/api/requests/{guard}/{number}",
        }
        return ApiResponse(202, json.dumps(taken).encode())

    async def process_pending(self) -> None:
        """Do nothing: no worker processes the requests."""


def render_command(statuses: Sequence[GuardData], *words: str) -> str:
    """The output of a command line, on both streams."""

    @asynccontextmanager
    async def open_sample_client(session: Session) -> AsyncIterator[ApiClient]:
        yield SampleClient(statuses)

    text = StringIO()
    console = Console(file=text, width=TERMINAL_WIDTH, markup=False, highlight=False)
    session = Session(
        environ={},
        out=console,
        err=console,
        now=lambda: NOW,
        is_interactive=False,
        client_factory=open_sample_client,
        who="dana@laptop",
    )
    main(words, session)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def render_help(*words: str) -> str:
    """The output of `--help`."""
    text = StringIO()
    with redirect_stdout(text):
        get_root_command().main(
            [*words, "--help"],
            prog_name="exo",
            standalone_mode=False,
            terminal_width=TERMINAL_WIDTH,
            obj=Session(environ={}),
        )
    return text.getvalue().strip("\n")


COMMAND_NAMES = tuple(name for name, _ in COMMANDS)


def format_block(text: str) -> str:
    """A text as a code block."""
    return f"```\n{text}\n```"


def build_examples() -> dict[str, str]:
    """The generated parts of `docs/cli.md` by name."""
    data = build_busy_tenant()
    row = json.loads(render_command(data, "cases", "--severity", "critical", "--json"))["cases"][0]
    examples = {
        "status": ("status",),
        "cases": ("cases", "--severity", "critical"),
        "case": ("case", row["short"]),
        "changes": ("changes",),
        "acknowledge": ("acknowledge", row["short"], "--why", "Dana asks the vendor", "--yes"),
    }
    return {
        f"example {name}": format_block(
            f"$ exo {shlex.join(words)}\n{render_command(data, *words)}"
        )
        for name, words in examples.items()
    } | {
        "help": format_block(render_help()),
        "commands": "\n\n".join(
            f"### {name}\n\n{format_block(render_help(name))}" for name in COMMAND_NAMES
        ),
    }
