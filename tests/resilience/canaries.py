"""Secrets that can be recognised anywhere, and everything a product says, to look for them in."""

import io
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Self

from core.log_redaction import clean_log_record, extract_secrets
from sandbox.server import Sandbox

OWN_LOGGERS = ("core", "exoguard")


@dataclass
class Canaries:
    """The secrets in use, by what they are."""

    secrets: dict[str, str] = field(default_factory=dict)

    def add_sandbox_secrets(self, sandbox: Sandbox) -> Self:
        """Those of a tenant: what the app signs in with, the webhook, every token there was."""
        self.secrets |= {
            f"client secret of {sandbox.base}": sandbox.client_secret,
            f"identity header of {sandbox.base}": sandbox.entra.identity_header,
            f"webhook of {sandbox.base}": sandbox.teams.signature,
        }
        for number, token in enumerate(sandbox.entra.claims_by_token):
            self.secrets[f"token {number} of {sandbox.base}"] = token.rpartition(".")[2]
        return self

    def find_in(self, text: str) -> list[str]:
        """Which of them stand in a text."""
        return [name for name, secret in self.secrets.items() if secret in text]


@dataclass
class CapturedOutput:
    """Everything that came out: pieces of text by where they came from.

    `raw` are log messages as their authors made them, before anything cleans them.
    """

    pieces: list[tuple[str, str]] = field(default_factory=list)
    raw_logs: list[tuple[str, str]] = field(default_factory=list)

    def add_output(self, where: str, what: object) -> None:
        """One more piece of output."""
        self.pieces.append((where, what if isinstance(what, str) else repr(what)))

    def add_error(self, where: str, error: BaseException) -> None:
        """An error as people and hosts show it: text, repr, traceback with all its causes."""
        shown = (str(error), repr(error), "".join(traceback.format_exception(error)))
        for text in shown:
            self.add_output(f"{where}: {type(error).__name__}", text)

    def find_leaks(self, canaries: Canaries) -> list[str]:
        """What stands where it must not: the secret, the place, and what is around it."""
        return [
            f"{name} in {where}: {text[:300]!r}"
            for where, text in self.pieces
            for name in canaries.find_in(text)
        ]

    def find_own_leaks(self, canaries: Canaries) -> list[str]:
        """The same for what Exoguard itself logs, as it was before it was cleaned."""
        return [
            f"{name} in {logger}: {text[:300]!r}"
            for logger, text in self.raw_logs
            if logger.partition(".")[0] in OWN_LOGGERS
            for name in canaries.find_in(text)
        ]


class CapturingHandler(logging.Handler):
    """A handler that shows records as any handler would, into a spill."""

    def __init__(self, captured: CapturedOutput) -> None:
        super().__init__(logging.DEBUG)
        self.captured = captured
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.captured.add_output(f"log of {record.name}", self.format(record))


@contextmanager
def capture_output(
    captured: CapturedOutput, environ: Mapping[str, str], secret_names: tuple[str, ...]
) -> Iterator[None]:
    """While it lasts, every logger speaks at DEBUG, cleaned as in the app; prints are kept too."""
    root, factory = logging.getLogger(), logging.getLogRecordFactory()
    hidden = extract_secrets([environ[name] for name in secret_names if environ.get(name)])
    handler, level = CapturingHandler(captured), root.level
    quiet = {
        name: logger.level
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and logger.level
    }

    def made(*args: Any, **options: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **options)
        captured.raw_logs.append((record.name, record.getMessage()))
        return clean_log_record(record, hidden)

    printed = io.StringIO()
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.setLogRecordFactory(made)
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield
    finally:
        logging.setLogRecordFactory(factory)
        root.removeHandler(handler)
        root.setLevel(level)
        for name, before in quiet.items():
            logging.getLogger(name).setLevel(before)
        captured.add_output("printed", printed.getvalue())
