"""What commands have in common: their options, and how they are carried out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer

from core.cli.api_client import Way
from core.cli.lookup import GUARDS
from core.cli.session import Session, opened

type Work = Callable[[Session, Way], Awaitable[int]]

AsJson = Annotated[bool, typer.Option("--json", help="the answer of the API as it is")]


def guards_like(incomplete: str) -> list[str]:
    """Names of guards, for the completion of a shell."""
    return [name for name in GUARDS if name.startswith(incomplete)]


GuardName = Annotated[
    str, typer.Argument(help="the guard's name", autocompletion=guards_like, metavar="GUARD")
]


def session_of(ctx: typer.Context) -> Session:
    """The session of this invocation."""
    session = ctx.find_object(Session)
    if session is None:
        raise RuntimeError("the command was called without a session")
    return session


def perform(ctx: typer.Context, work: Work) -> None:
    """Open the way to the data, do the work, and end with its code."""

    async def whole(session: Session) -> int:
        async with opened(session) as way:
            return await work(session, way)

    raise typer.Exit(asyncio.run(whole(session_of(ctx))))
