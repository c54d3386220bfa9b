"""Times and foreign text as a terminal shows them. Pure."""

from datetime import UTC, datetime, timedelta

from rich.text import Text

from core.sanitize import plain

COLOURS = {
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
UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def safe(value: object, limit: int = 256, style: str = "") -> Text:
    """Foreign text, which is never taken for markup."""
    return Text(plain("" if value is None else str(value), limit), style=style)


def word(value: object) -> Text:
    """A word in its colour; the colour says nothing the word does not."""
    text = "-" if value is None else str(value)
    return safe(text, 40, COLOURS.get(text, ""))


def moment(text: object) -> datetime | None:
    """A time of a document; None for what is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def utc(text: object) -> str:
    """A time in UTC, to the minute."""
    found = moment(text)
    return f"{found:%Y-%m-%d %H:%M} UTC" if found else "-"


def ago(text: object, now: datetime) -> str:
    """How long ago, or in how long, in the largest unit there is one of."""
    found = moment(text)
    if found is None:
        return "-"
    length = now - found
    return f"{span(length)} ago" if length >= timedelta() else f"in {span(-length)}"


def span(length: timedelta) -> str:
    """A length of time."""
    seconds = int(length.total_seconds())
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def both(text: object, now: datetime) -> str:
    """A time, and how long ago it was."""
    return f"{utc(text)} ({ago(text, now)})" if moment(text) else "-"


def last_of(text: str, now: datetime) -> datetime | None:
    """What `30d`, a date or a time stands for; None for anything else."""
    days = text[:-1]
    if text.endswith("d") and days.isascii() and days.isdigit() and len(days) <= 4:
        return now + timedelta(days=int(days))
    return moment(text) if len(text) <= 40 else None
