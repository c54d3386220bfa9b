"""One invocation: where it speaks to, where it prints, whom it may ask, what time it is."""

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

from rich.console import Console
from rich.text import Text

from core.cli.api_client import ApiClient, ApiUnavailable, ClientContext, UsageError
from core.cli.http_client import KEY_HEADER, open_remote_client, parse_key, parse_origin
from core.cli.local_client import open_local_client
from core.sanitize import sanitize_text

APP_VARIABLE = "EXOGUARD_APP"
KEY_VARIABLE = "EXOGUARD_KEY"
TOKEN_VARIABLE = "EXOGUARD_TOKEN"  # noqa: S105 (the name of a variable)
# A key file is one line; a settings file some hundred.
MAX_FILE_BYTES = 64 * 1024
MAX_LINE_LENGTH = 2000


@dataclass(frozen=True, slots=True)
class Connection:
    """How the data is to be reached, as the options say."""

    app: str = ""
    key_file: Path | None = None
    local: bool = False
    settings: Path | None = None


def open_console(file: int) -> Console:
    """Standard output (1) or standard error (2). Nothing that is printed is markup."""
    stream = sys.stdout if file == 1 else sys.stderr
    return Console(file=stream, markup=False, highlight=False, emoji=False)


def ask_on_stderr(text: str) -> str:
    """Ask on standard error, so that the output stays what it is; the line that is answered."""
    sys.stderr.write(text)
    sys.stderr.flush()
    return sys.stdin.readline()


def identify_user() -> str:
    """The user and the machine, for who does not say who they are."""
    try:
        name = getpass.getuser()
    except (OSError, KeyError):
        name = "somebody"
    return sanitize_text(f"{name}@{socket.gethostname()}", 200)


@dataclass(slots=True)
class Session:
    """What a command works with. `asks` puts a question that is answered yes or no, `secret` one
    whose answer is not shown; `terminal`: there is somebody to answer.
    """

    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    out: Console = field(default_factory=lambda: open_console(1))
    err: Console = field(default_factory=lambda: open_console(2))
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    is_interactive: bool = field(default_factory=lambda: sys.stdin.isatty() and sys.stderr.isatty())
    who: str = field(default_factory=identify_user)
    ask: Callable[[str], str] = ask_on_stderr
    ask_secret: Callable[[str], str] = getpass.getpass
    client_factory: "Callable[[Session], ClientContext] | None" = None
    connection: Connection = field(default_factory=Connection)

    def print_output(self, *lines: str) -> None:
        """Lines on standard output, never broken by this program, so that they can be copied."""
        for line in lines:
            self.out.print(Text(sanitize_text(line, MAX_LINE_LENGTH)), soft_wrap=True)

    def print_note(self, text: str) -> None:
        """Lines for the person, beside the output."""
        for line in text.splitlines():
            self.err.print(Text(sanitize_text(line, MAX_LINE_LENGTH)), soft_wrap=True)

    def write_bytes(self, body: bytes) -> None:
        """Bytes as they are, on standard output."""
        file = self.out.file
        file.flush()
        if isinstance(file, TextIOWrapper):
            file.buffer.write(body)
        else:
            file.write(body.decode("utf-8", "replace"))

    def write_response(self, body: bytes) -> None:
        """An answer of the API as it is, on a line of its own."""
        self.write_bytes(body if body.endswith(b"\n") else body + b"\n")

    def confirm(self, yes: bool) -> bool:
        """Whether to go on. Without a terminal nobody is asked. Raises Misused."""
        if yes:
            return True
        if not self.is_interactive:
            raise UsageError("there is no terminal to ask at: --yes does it without asking")
        return self.ask("Go on? [y/N] ").strip().lower() in ("y", "yes")

    def load_settings(self) -> dict[str, str]:
        """The settings of the app: the environment, with those of a file in front."""
        path = self.connection.settings
        if path is None:
            return dict(self.environ)
        try:
            document = json.loads(read_small_file(path))
            values = document.get("Values", document)
            found = {str(name): str(value) for name, value in values.items()}
        except (ValueError, AttributeError, RecursionError):
            raise ApiUnavailable(
                f"{path}: not a file of settings as local.settings.json is"
            ) from None
        return {**self.environ, **found}

    def build_auth_headers(self) -> dict[str, str]:
        """What opens the app: a token where there is one, else the key. Raises Misused, Unknown."""
        if token := self.environ.get(TOKEN_VARIABLE, ""):
            return {"Authorization": f"Bearer {parse_key(token)}"}
        return {KEY_HEADER: parse_key(self.read_function_key())}

    def read_function_key(self) -> str:
        """The function key: from a file, from the environment, or asked for."""
        if self.connection.key_file:
            return read_small_file(self.connection.key_file)
        if key := self.environ.get(KEY_VARIABLE, ""):
            return key
        if not self.is_interactive:
            raise ApiUnavailable(
                f"the function key is missing: set {KEY_VARIABLE}, or give --key-file"
            )
        return self.ask_secret("Function key: ")


def read_small_file(path: Path) -> str:
    """The text of a small file. Raises Unknown."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ApiUnavailable(f"{sanitize_text(str(path))}: cannot be read ({reason})") from None


@asynccontextmanager
async def open_client(session: Session) -> AsyncIterator[ApiClient]:
    """The way to the data. Raises Misused and Unknown."""
    connection = session.connection
    if session.client_factory:
        way = session.client_factory(session)
    elif connection.local:
        way = open_local_client(session.load_settings(), session.who)
    elif connection.app:
        parse_origin(connection.app)
        way = open_remote_client(connection.app, session.build_auth_headers())
    else:
        raise UsageError("where to? Give --app https://<name>.azurewebsites.net, or --local")
    async with way as found:
        yield found
