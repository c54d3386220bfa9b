"""Where a command finds its session, and how it reaches the data: as the options say."""

from collections.abc import Mapping
from pathlib import Path

import typer

from core.cli.session import APP_VARIABLE, Connection, Session


def get_session(ctx: typer.Context) -> Session:
    """The session of this invocation."""
    session = ctx.find_object(Session)
    if session is None:
        raise RuntimeError("the command was called without a session")
    return session


def read_connection(
    environ: Mapping[str, str],
    app: str = "",
    key_file: Path | None = None,
    local: bool = False,
    settings: Path | None = None,
    **others: object,
) -> Connection:
    """The connection that the options before the command describe; the rest of them is ignored."""
    return Connection(app or environ.get(APP_VARIABLE, ""), key_file, local, settings)
