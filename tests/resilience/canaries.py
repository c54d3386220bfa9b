"""Secrets that can be recognised anywhere, and everything a product says, to look for them in."""

import io
import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from typing import Any, Self

from core.log_redaction import clean, secrets_in
from sandbox.server import Sandbox

OURS = ("core", "exoguard")


@dataclass
class Canaries:
    """The secrets in use, by what they are."""

    secrets: dict[str, str] = field(default_factory=dict)

    def of(self, box: Sandbox) -> Self:
        """Those of a tenant: what the app signs in with, the webhook, every token there was."""
        self.secrets |= {
            f"client secret of {box.base}": box.client_secret,
            f"identity header of {box.base}": box.entra.identity_header,
            f"webhook of {box.base}": box.teams.signature,
        }
        for number, token in enumerate(box.entra.known):
            self.secrets[f"token {number} of {box.base}"] = token.rpartition(".")[2]
        return self

    def seen_in(self, text: str) -> list[str]:
        """Which of them stand in a text."""
        return [name for name, secret in self.secrets.items() if secret in text]


@dataclass
class Spill:
    """Everything that came out: pieces of text by where they came from.

    `raw` are log messages as their authors made them, before anything cleans them.
    """

    pieces: list[tuple[str, str]] = field(default_factory=list)
    raw: list[tuple[str, str]] = field(default_factory=list)

    def take(self, where: str, what: object) -> None:
        """One more piece of output."""
        self.pieces.append((where, what if isinstance(what, str) else repr(what)))

    def error(self, where: str, error: BaseException) -> None:
        """An error as people and hosts show it: text, repr, traceback with all its causes."""
        shown = (str(error), repr(error), "".join(traceback.format_exception(error)))
        for text in shown:
            self.take(f"{where}: {type(error).__name__}", text)

    def leaks(self, canaries: Canaries) -> list[str]:
        """What stands where it must not: the secret, the place, and what is around it."""
        return [
            f"{name} in {where}: {text[:300]!r}"
            for where, text in self.pieces
            for name in canaries.seen_in(text)
        ]

    def own_leaks(self, canaries: Canaries) -> list[str]:
        """The same for what Exoguard itself logs, as it was before it was cleaned."""
        return [
            f"{name} in {logger}: {text[:300]!r}"
            for logger, text in self.raw
            if logger.partition(".")[0] in OURS
            for name in canaries.seen_in(text)
        ]


class Kept(logging.Handler):
    """A handler that shows records as any handler would, into a spill."""

    def __init__(self, spill: Spill) -> None:
        super().__init__(logging.DEBUG)
        self.spill = spill
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        self.spill.take(f"log of {record.name}", self.format(record))


@contextmanager
def overheard(spill: Spill, environ: Mapping[str, str], secret: tuple[str, ...]) -> Iterator[None]:
    """While it lasts, every logger speaks at DEBUG, cleaned as in the app; prints are kept too."""
    root, factory = logging.getLogger(), logging.getLogRecordFactory()
    hidden = secrets_in([environ[name] for name in secret if environ.get(name)])
    handler, level = Kept(spill), root.level
    quiet = {
        name: logger.level
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and logger.level
    }

    def made(*args: Any, **options: Any) -> logging.LogRecord:
        record = logging.LogRecord(*args, **options)
        spill.raw.append((record.name, record.getMessage()))
        return clean(record, hidden)

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
        spill.take("printed", printed.getvalue())
