"""What a shell completes: the words of the API, and the cases that are open.

Whatever goes wrong, nothing is completed and nothing is printed: nobody asked for a sentence. A
case comes without any text of the tenant, because zsh evaluates what a completion prints.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

import typer

from core.cli.api_client import CliError, fetch_response
from core.cli.connection import get_session, read_connection
from core.cli.session import Session, open_client
from core.cli.words import GUARD_NAMES, SEVERITY_LABELS

COMPLETION_SECONDS = 4.0
SHORT_KEY_SIGNS = frozenset("0123456789abcdef")

type Completion = Callable[[str], list[str]]


def complete_word_of(words: Iterable[str]) -> Completion:
    """A completion among fixed words."""
    known = tuple(words)

    def complete_word(incomplete: str) -> list[str]:
        return [word for word in known if word.startswith(incomplete)]

    return complete_word


def complete_case(ctx: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """The open cases whose short keys begin like this, each with its severity and guard."""
    session = get_session(ctx)
    root = ctx.find_root().params
    connection = read_connection(session.environ, **root)
    try:
        return asyncio.run(
            # Nobody can answer a question while a shell completes.
            list_open_cases(replace(session, connection=connection, is_interactive=False))
        )
    except (CliError, TimeoutError):
        return []


async def list_open_cases(session: Session) -> list[tuple[str, str]]:
    """The gravest open cases. Raises CliError or TimeoutError."""
    async with asyncio.timeout(COMPLETION_SECONDS), open_client(session) as client:
        response = await fetch_response(client, "/api/cases.json", {"state": "open"})
    rows = response.parse_object().get("cases")
    found = []
    for row in rows if isinstance(rows, list) else ():
        short, guard, severity = (str(row.get(name)) for name in ("short", "guard", "severity"))
        known = guard in GUARD_NAMES and severity in SEVERITY_LABELS
        if known and len(short) == 8 and set(short) <= SHORT_KEY_SIGNS:
            found.append((short, f"{severity} {guard}"))
    return found
