"""What commands have in common: their options, and how they are carried out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from core.cli.api_client import ApiClient
from core.cli.lookup import GUARD_NAMES
from core.cli.session import Session, open_client

type CommandBody = Callable[[Session, ApiClient], Awaitable[int]]

AsJson = Annotated[bool, typer.Option("--json", help="the answer of the API as it is")]


def complete_guard_name(incomplete: str) -> list[str]:
    """Names of guards, for the completion of a shell."""
    return [name for name in GUARD_NAMES if name.startswith(incomplete)]


GuardName = Annotated[
    str,
    typer.Argument(help="the guard's name", autocompletion=complete_guard_name, metavar="GUARD"),
]


def get_session(ctx: typer.Context) -> Session:
    """The session of this invocation."""
    session = ctx.find_object(Session)
    if session is None:
        raise RuntimeError("the command was called without a session")
    return session


def run_command(ctx: typer.Context, work: CommandBody) -> None:
    """Open the way to the data, do the work, and end with its code."""

    async def whole(session: Session) -> int:
        async with open_client(session) as way:
            return await work(session, way)

    raise typer.Exit(asyncio.run(whole(get_session(ctx))))
