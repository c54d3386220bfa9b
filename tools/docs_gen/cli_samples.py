"""The command line over one morning of a tenant, as the pages are pictured with."""

import json
import shlex
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO

import typer
from rich.console import Console

from core.cli.api_client import Reply, Way
from core.cli.program import NAME, main, program
from core.cli.session import Session
from core.status.case_query import Choice, chosen
from core.status.document import case_document, cases_document, document
from core.status.guard_status import Standing
from core.status.overview import status
from tests.support.status_samples import NOW, Pages, mornings

WIDTH = 80


def reply(found: Mapping[str, object]) -> Reply:
    """An answer of the API."""
    return Reply(200, json.dumps(found).encode())


@dataclass
class Morning:
    """A way to look at these standings; what is asked for is written down nowhere."""

    standings: Sequence[Standing]
    where: str = "https://func-exoguard.azurewebsites.net"

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Reply:
        parts = path.removeprefix("/api/").removesuffix(".json").split("/")
        if parts == ["status"]:
            return reply(document(status(self.standings, NOW)))
        if parts == ["cases"]:
            names = [row.duty.guard.name for row in self.standings]
            choice = Choice.read(query or {}, names)
            found = chosen(self.standings, choice)
            rows = [(duty.guard.name, case) for duty, case in found.rows]
            return reply(cases_document(rows, found.total, choice.page, found.pages))
        if parts[0] == "cases":
            _, guard, key = parts
            keys = [row for row in self.standings if key in row.memory.cases]
            if [row.duty.guard.name for row in keys] != [guard]:
                return Reply(404, b"{}")
            one = Pages(list(self.standings)).case_of(guard, key)
            found_case = case_document(one.duty, one.case, one.changes, one.exemption, one.actions)
            return reply(found_case)
        return Reply(404, b"{}")

    async def post(self, path: str, body: Mapping[str, str]) -> Reply:
        number = "30708439043000-5e3aa1c7"
        guard = path.split("/")[3]
        taken = {"action": number, "status": "asked", "address": f"/api/actions/{guard}/{number}"}
        return Reply(202, json.dumps(taken).encode())

    async def work(self) -> None:
        """Nobody works here."""


def printed(standings: Sequence[Standing], *words: str) -> str:
    """What a command line prints: for the person and on standard output."""

    @asynccontextmanager
    async def way(session: Session) -> AsyncIterator[Way]:
        yield Morning(standings)

    text = StringIO()
    paper = Console(file=text, width=WIDTH, markup=False, highlight=False)
    session = Session(
        environ={}, out=paper, err=paper, now=lambda: NOW, terminal=False, opens=way,
        who="dana@desk",
    )  # fmt: skip
    main(words, session)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def helped(*words: str) -> str:
    """What `--help` prints."""
    text = StringIO()
    with redirect_stdout(text):
        typer.main.get_command(program).main(
            [*words, "--help"],
            prog_name=NAME,
            standalone_mode=False,
            terminal_width=WIDTH,
            obj=Session(environ={}),
        )
    return text.getvalue().strip("\n")


COMMANDS = tuple(entry.callback.__name__ for entry in program.registered_commands if entry.callback)


def block(text: str) -> str:
    """A part of a document as it is printed."""
    return f"```\n{text}\n```"


def examples() -> dict[str, str]:
    """What `docs/cli.md` shows, by name."""
    standings = mornings()
    row = json.loads(printed(standings, "cases", "--severity", "critical", "--json"))["cases"][0]
    shown = {
        "status": ("status",),
        "cases": ("cases", "--severity", "critical"),
        "case": ("case", row["short"]),
        "changes": ("changes",),
        "acknowledge": ("acknowledge", row["short"], "--why", "Dana asks the vendor", "--yes"),
    }
    return {
        f"example {name}": block(f"$ exo {shlex.join(words)}\n{printed(standings, *words)}")
        for name, words in shown.items()
    } | {
        "help": block(helped()),
        "commands": "\n\n".join(f"### {name}\n\n{block(helped(name))}" for name in COMMANDS),
    }
