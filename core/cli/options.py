"""What the commands share: their arguments, and how a function becomes a typer command.

A command is an async function `(session, client, ...)` that returns an exit code. `as_command`
opens the client and makes its remaining parameters the arguments and options of the command.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from inspect import Parameter, Signature, signature
from typing import Annotated, Any

import typer

from core.cli.api_client import ApiClient
from core.cli.completion import complete_case, complete_word_of
from core.cli.connection import get_session
from core.cli.session import Session, open_client
from core.cli.words import GUARD_NAMES

type Command = Callable[..., None]
type CommandBody = Callable[[Session, ApiClient], Awaitable[int]]


complete_guard_name = complete_word_of(GUARD_NAMES)

AsJson = Annotated[bool, typer.Option("--json", help="print the response of the API unchanged")]
GuardName = Annotated[
    str,
    typer.Argument(help="the guard's name", autocompletion=complete_guard_name, metavar="GUARD"),
]
GuardFilter = Annotated[
    str,
    typer.Option(
        "--guard",
        metavar="GUARD",
        help="only the cases of one guard",
        autocompletion=complete_guard_name,
    ),
]
CaseName = Annotated[
    str,
    typer.Argument(
        metavar="CASE",
        help="its key, or the last 8 digits as cards show them",
        autocompletion=complete_case,
    ),
]
CaseNames = Annotated[
    list[str],
    typer.Argument(
        metavar="CASE...",
        help="their keys, or the last 8 digits as cards show them",
        autocompletion=complete_case,
    ),
]
SubjectName = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT", help="a case, or an object's id", autocompletion=complete_case
    ),
]
SubjectNames = Annotated[
    list[str],
    typer.Argument(
        metavar="SUBJECT...", help="cases, or the ids of objects", autocompletion=complete_case
    ),
]


def list_own_parameters(body: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a command's function after the session and the client."""
    return list(signature(body).parameters.values())[2:]


def as_command(
    body: Callable[..., Awaitable[int]],
    parameters: Iterable[Parameter] | None = None,
    help_text: str | None = None,
) -> Command:
    """A typer command that runs `body` with an open client and exits with its code.

    Its arguments, options and help are those of `body`, unless they are given.
    """

    def command(ctx: typer.Context, **arguments: Any) -> None:
        run_command(ctx, partial(body, **arguments))

    context = Parameter("ctx", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    own = list_own_parameters(body) if parameters is None else parameters
    # typer reads the options from the signature; keyword-only ones need no order by default.
    keywords = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in own]
    as_any: Any = command
    as_any.__signature__ = Signature([context, *keywords])
    command.__doc__ = help_text or body.__doc__
    return command


def run_command(ctx: typer.Context, body: CommandBody) -> None:
    """Open the client, run the command, and exit with its code."""

    async def run_with_client(session: Session) -> int:
        async with open_client(session) as client:
            return await body(session, client)

    raise typer.Exit(asyncio.run(run_with_client(get_session(ctx))))
