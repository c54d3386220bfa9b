"""One invocation of the command line: its connection, output, prompts, clock and settings."""

import asyncio
import getpass
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from core.cli.address import KEY_HEADER, parse_key, parse_origin
from core.cli.api_client import ApiClient, ApiUnavailable, ClientContext, UsageError
from core.cli.app_libraries import explain_missing_libraries
from core.tenant.quoting import quote_text

APP_VARIABLE = "EXOGUARD_APP"
KEY_VARIABLE = "EXOGUARD_KEY"
TOKEN_VARIABLE = "EXOGUARD_TOKEN"  # noqa: S105 (the name of a variable)
# A key file is one line; a settings file a few hundred.
MAX_FILE_BYTES = 64 * 1024
MAX_LINE_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach the data, as the options say."""

    app: str = ""
    key_file: Path | None = None
    local: bool = False
    settings: Path | None = None


class PipeConsole(Console):
    """A console that says when nobody reads its output any more, instead of ending the program."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError; rich would exit with 1, which means a problem in the tenant."""
        self.quiet = True
        raise BrokenPipeError


def open_console(stream: TextIO) -> Console:
    """Standard output or standard error. What is printed is never read as markup.

    A sign that the terminal or the file has no room for is shown as its number: on Windows, output
    that goes into a file knows few, and whoever chooses a name must not end the program.
    """
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return PipeConsole(file=stream, markup=False, highlight=False, emoji=False)


def ask_on_stderr(text: str) -> str:
    """Ask on standard error, so that the output stays clean, and return the line typed."""
    sys.stderr.write(text)
    sys.stderr.flush()
    return sys.stdin.readline()


def identify_user() -> str:
    """The user and the machine: the operator's name if --who does not give one."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = "unknown"
    return quote_text(f"{name}@{socket.gethostname()}", 200)


@dataclass(slots=True)
class Session:
    """What a command works with. Tests replace its parts."""

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    out: Console = field(default_factory=lambda: open_console(sys.stdout))
    err: Console = field(default_factory=lambda: open_console(sys.stderr))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    is_interactive: bool = field(default_factory=lambda: sys.stdin.isatty() and sys.stderr.isatty())
    """True if an operator at a terminal can answer questions."""
    who: str = field(default_factory=identify_user)
    ask: Callable[[str], str] = ask_on_stderr
    ask_secret: Callable[[str], str] = getpass.getpass
    """Asks for a text without echoing it."""
    client_factory: "Callable[[Session], ClientContext] | None" = None
    connection: Connection = field(default_factory=Connection)

    def print_output(self, *lines: str) -> None:
        """Print lines on standard output; they are not wrapped, so that they can be copied."""
        for line in lines:
            self.out.print(Text(quote_text(line, MAX_LINE_LENGTH)), soft_wrap=True)

    def print_note(self, text: str) -> None:
        """Print lines for the operator on standard error."""
        for line in text.splitlines():
            self.err.print(Text(quote_text(line, MAX_LINE_LENGTH)), soft_wrap=True)

    def write_bytes(self, body: bytes) -> None:
        """Write bytes unchanged to standard output."""
        file = self.out.file
        file.flush()
        if isinstance(file, TextIOWrapper):
            file.buffer.write(body)
        else:
            file.write(body.decode("utf-8", "replace"))

    def write_response(self, body: bytes) -> None:
        """Write a response of the API unchanged, ending with a line break."""
        self.write_bytes(body if body.endswith(b"\n") else body + b"\n")

    def confirm(self, yes: bool) -> bool:
        """True if the operator agrees. Raises UsageError without a terminal to ask at."""
        if yes:
            return True
        if not self.is_interactive:
            raise UsageError("there is no terminal for a confirmation: use --yes to skip it")
        return self.ask("Continue? [y/N] ").strip().lower() in ("y", "yes")

    def load_settings(self) -> dict[str, str]:
        """The app's settings: those of the file that --settings names, then the environment."""
        path = self.connection.settings
        if path is None:
            return dict(self.environ)
        try:
            settings = parse_settings(json.loads(read_small_file(path)))
        except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
            raise ApiUnavailable(
                f"{quote_text(str(path))} is not a settings file: neither in the form of "
                "local.settings.json nor what az functionapp config appsettings list prints"
            ) from None
        return {**self.environ, **settings}

    def build_auth_headers(self) -> dict[str, str]:
        """The header with the token or the key. Raises UsageError or ApiUnavailable."""
        if token := self.environ.get(TOKEN_VARIABLE, ""):
            return {"Authorization": f"Bearer {parse_key(token)}"}
        return {KEY_HEADER: parse_key(self.read_function_key())}

    def read_function_key(self) -> str:
        """The function key: from a file, the environment, or a prompt. Raises ApiUnavailable."""
        if self.connection.key_file:
            return read_small_file(self.connection.key_file)
        if key := self.environ.get(KEY_VARIABLE, ""):
            return key
        if not self.is_interactive:
            raise ApiUnavailable(
                f"the function key is missing: set {KEY_VARIABLE} or use --key-file"
            )
        return self.ask_secret("Function key: ")


def parse_settings(document: Any) -> dict[str, str]:
    """Settings in either form they come in: an object of names, or a list of names and values.

    Raises AttributeError, KeyError or TypeError for anything else.
    """
    if isinstance(document, list) and document:
        return {str(row["name"]): str(row["value"]) for row in document}
    values = document.get("Values", document)
    return {str(name): str(value) for name, value in values.items()}


def read_small_file(path: Path) -> str:
    """The text of a small file. Raises ApiUnavailable."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ApiUnavailable(f"{quote_text(str(path))}: cannot be read ({reason})") from None


@asynccontextmanager
async def open_client(session: Session) -> AsyncIterator[ApiClient]:
    """The client for this session's connection. Raises UsageError or ApiUnavailable.

    Only the one that is used is imported: both together take as long as all the rest of a command.
    """
    connection = session.connection
    if session.client_factory:
        opening = session.client_factory(session)
    elif connection.local:
        with explain_missing_libraries("--local"):
            from core.cli.local_client import open_local_client
        opening = open_local_client(session.load_settings(), session.who)
    elif connection.app:
        parse_origin(connection.app)
        from core.cli.http_client import open_remote_client

        opening = open_remote_client(connection.app, session.build_auth_headers())
    else:
        raise UsageError(
            f"which app? Put --app https://<name>.azurewebsites.net before the command, or set "
            f"{APP_VARIABLE} and {KEY_VARIABLE}; or use --local"
        )
    async with opening as client:
        yield client
