"""Formats times and untrusted text for a terminal. Pure."""

from datetime import UTC, datetime, timedelta

from rich.text import Text

from core.sanitize import sanitize_text
from core.time_format import format_relative_time, format_time

WORD_COLOURS = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "cyan",
    "info": "dim",
    "failing": "bold red",
    "attention": "yellow",
    "ok": "green",
    "off": "dim",
    "done": "green",
    "applied": "green",
    "inferred": "green",
    "refused": "red",
    "failed": "red",
    "busy": "yellow",
    "late": "bold red",
}


def sanitize_cell(value: object, limit: int = 256, style: str = "") -> Text:
    """Untrusted text, sanitized, shortened and never read as markup."""
    return Text(sanitize_text("" if value is None else str(value), limit), style=style)


def colour_word(value: object) -> Text:
    """A word in its colour. The colour adds no information to the word."""
    text = "-" if value is None else str(value)
    return sanitize_cell(text, 40, WORD_COLOURS.get(text, ""))


def parse_document_time(text: object) -> datetime | None:
    """A time in a document; None if it is not valid."""
    try:
        time = datetime.fromisoformat(str(text))
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def format_utc(text: object) -> str:
    """A time of a document in UTC, to the minute."""
    time = parse_document_time(text)
    return format_time(time) if time else "-"


def format_age(text: object, now: datetime) -> str:
    """How long ago a time of a document was, or how soon it comes, in short units."""
    time = parse_document_time(text)
    return format_relative_time(time, now, compact=True) if time else "-"


def format_time_and_age(text: object, now: datetime) -> str:
    """A time in UTC, and how long ago it was."""
    return f"{format_utc(text)} ({format_age(text, now)})" if parse_document_time(text) else "-"


def parse_deadline(text: str, now: datetime) -> datetime | None:
    """The end that `30d`, a date or a time stands for; None if it is not valid."""
    days = text[:-1]
    if text.endswith("d") and days.isascii() and days.isdigit() and len(days) <= 4:
        return now + timedelta(days=int(days))
    return parse_document_time(text) if len(text) <= 40 else None
