"""The evidence for auditors as a file: JSON Lines or one table, with a digest. Pure.

    head      what the export is about, with the number of records of each type
    body      the records, guard by guard
    tail      JSON Lines only: the SHA-256 of all bytes before it

The same rows give the same bytes, whenever and by whoever they are asked for; only `made` differs.
The counts stand at the beginning and the digest goes into a header, so the body is kept until the
last record is known: compressed, since a hundred thousand cases say much the same.
"""

import base64
import csv
import hashlib
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from core.evidence.records import FIELDS, SCHEMA, Entry, Heading, title_entry

LONGEST = timedelta(days=400)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
BLOCK = 256 * 1024
JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

# Every name of every record but the digest, once, in the order of the dictionary.
COLUMNS = tuple(
    dict.fromkeys(
        ["record", "schema"]
        + [name for kind, names in FIELDS.items() if kind != "digest" for name in names]
    )
)

PLACES = {name: place for place, name in enumerate(COLUMNS)}

# What makes a spreadsheet take a cell for a formula (OWASP: CSV Injection), at the beginning of a
# cell, or after a semicolon: where the comma is the decimal sign, that begins a cell as well. The
# full-width signs are taken for the others in some languages. The apostrophe, which is what
# defuses, is defused itself, so that what it was put before can be told.
FORMULA = re.compile("(^|;)(?=[\\s\"]*[=+\\-@'\\t\\r\\n\uff1d\uff0b\uff0d\uff20])")


class BadPeriod(ValueError):
    """The dates of an export are not what they should be; the message says what is wrong."""


class Form(StrEnum):
    """How the records are written down."""

    JSONL = "jsonl"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """What the form is called over HTTP: RFC 4180; for JSON Lines the name in common use."""
        if self is Form.JSONL:
            return "application/x-ndjson; charset=utf-8"
        return "text/csv; charset=utf-8; header=present"


def midnight(text: str, name: str) -> datetime:
    """The beginning of a day in UTC. Raises BadPeriod."""
    try:
        if not DATE.fullmatch(text):
            raise ValueError
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise BadPeriod(f'"{name}" is a date like 2026-01-31, in UTC') from None


def period(since: str, until: str, now: datetime) -> tuple[datetime, datetime]:
    """From the beginning of one day up to the beginning of another. Raises BadPeriod."""
    first, last = midnight(since, "from"), midnight(until, "to")
    if first >= last:
        raise BadPeriod('"to" is a later day than "from", and is not part of the period itself')
    if last - first > LONGEST:
        raise BadPeriod(f"an export covers at most {LONGEST.days} days")
    if last > now + timedelta(days=1):
        latest = (now + timedelta(days=1)).date().isoformat()
        raise BadPeriod(f'"to" is {latest} at the latest: then today is part of the period')
    return first, last


# ----------------------------------------------------------------------------------------------
# Lines
# ----------------------------------------------------------------------------------------------


def compact(value: object) -> str:
    """JSON on one line."""
    return JSON.encode(value)


def json_line(entry: Entry) -> bytes:
    """A record as one JSON object."""
    return f"{compact(entry)}\n".encode()


def defused(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    # Only a semicolon needs the whole cell searched, and few cells have one.
    if ";" not in cell:
        return f"'{cell}" if FORMULA.match(cell) else cell
    return FORMULA.sub(r"\1'", cell)


def cell(value: object) -> str:
    """A value as a cell: lists and objects as JSON, nothing as nothing."""
    match value:
        case None:
            return ""
        case str():
            return value
    return compact(value)


def table_line(cells: Iterable[str]) -> bytes:
    """A row of the table (RFC 4180)."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()


def line_of(entry: Entry, form: Form) -> bytes:
    """A record in one of the forms."""
    if form is Form.JSONL:
        return json_line(entry)
    # Most cells of a row are empty: only those that say something are looked at.
    cells = [""] * len(COLUMNS)
    for name, value in entry.items():
        cells[PLACES[name]] = defused(cell(value))
    return table_line(cells)


def tail(digest: str) -> bytes:
    """The last line of JSON Lines."""
    return json_line(
        {"record": "digest", "schema": SCHEMA, "algorithm": "sha-256", "sha256": digest}
    )


@dataclass(slots=True)
class Spool:
    """Lines, kept compressed. `open` are those that are not yet."""

    blocks: list[bytes] = field(default_factory=list)
    open: bytearray = field(default_factory=bytearray)

    def add(self, line: bytes) -> None:
        """One more."""
        self.open += line
        if len(self.open) >= BLOCK:
            self.blocks.append(zlib.compress(self.open, 1))
            self.open = bytearray()

    def lines(self) -> Iterator[bytes]:
        """All of them, as they came."""
        for block in self.blocks:
            yield from zlib.decompress(block).splitlines(keepends=True)
        yield from bytes(self.open).splitlines(keepends=True)


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is complete. `sha256` is that of all its bytes, in hex digits."""

    heading: Heading
    form: Form
    head: bytes
    body: Spool
    tail: bytes
    sha256: str
    size: int

    def lines(self) -> Iterator[bytes]:
        """Every line, as often as they are wanted."""
        yield from self.head.splitlines(keepends=True)
        yield from self.body.lines()
        if self.tail:
            yield self.tail

    @property
    def name(self) -> str:
        """What to call the file."""
        since, until = self.heading.since.date(), self.heading.until.date()
        return f"exoguard-{since.isoformat()}-{until.isoformat()}.{self.form}"

    @property
    def repr_digest(self) -> str:
        """The digest as the header `Repr-Digest` writes it (RFC 9530).

        It holds for the export as it is: with a Content-Encoding the header would be another.
        """
        return f"sha-256=:{base64.b64encode(bytes.fromhex(self.sha256)).decode()}:"

    @property
    def headers(self) -> dict[str, str]:
        """What belongs beside the bytes when they are sent over HTTP."""
        return {
            "Content-Type": self.form.media_type,
            "Content-Disposition": f'attachment; filename="{self.name}"',
            "Repr-Digest": self.repr_digest,
        }


@dataclass(slots=True)
class Press:
    """Takes records one by one and makes an export of them."""

    form: Form
    body: Spool = field(default_factory=Spool)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, entry: Entry) -> None:
        """One more record."""
        self.counts[str(entry["record"])] += 1
        self.body.add(line_of(entry, self.form))

    def finished(self, heading: Heading) -> Export:
        """The export, once all of it is there."""
        counts = {name: self.counts[name] for name in FIELDS if name not in ("export", "digest")}
        head = line_of(title_entry(heading, counts), self.form)
        if self.form is Form.CSV:
            head = table_line(COLUMNS) + head
        whole, size = hashlib.sha256(head), len(head)
        for line in self.body.lines():
            whole.update(line)
            size += len(line)
        end = tail(whole.hexdigest()) if self.form is Form.JSONL else b""
        whole.update(end)
        return Export(heading, self.form, head, self.body, end, whole.hexdigest(), size + len(end))


# ----------------------------------------------------------------------------------------------
# Whether an export is as it was made
# ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Checked:
    """What comes of checking an export; `sha256` is that of all its bytes."""

    intact: bool
    note: str
    sha256: str


def verify(lines: Iterable[bytes], digest: str = "") -> Checked:
    """Compare an export with its own last line, and with a digest that was kept apart from it.

    `lines` are those of a file opened for bytes. `digest` is 64 hex digits or a Repr-Digest header.
    A table has no last line of its own: without a digest nothing can be said of it. Whoever can
    write the file can also make its last line anew, so only a digest kept elsewhere shows that.
    """
    before, whole, last, first = hashlib.sha256(), hashlib.sha256(), b"", b""
    for line in lines:
        first = first or line[:1]
        before.update(last)
        whole.update(line)
        last = line
    found = whole.hexdigest()
    wanted = hex_of(digest) if digest else ""
    if wanted is None:
        return Checked(False, "the digest given is no SHA-256", found)
    if wanted and wanted != found:
        return Checked(False, "the export is not the one this digest was made of", found)
    if first != b"{":
        note = "as it was made" if wanted else "a table needs the digest it came with"
        return Checked(bool(wanted), note, found)
    if last != tail(before.hexdigest()):
        return Checked(False, "the export was changed, or is not whole", found)
    return Checked(True, "as it was made", found)


def hex_of(digest: str) -> str | None:
    """A digest as hex digits; None when it is none."""
    text = digest.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return text.lower()
    encoded = re.search(r"(?:^|[\s,])sha-256=:([A-Za-z0-9+/]{43}=):", text)
    return base64.b64decode(encoded[1]).hex() if encoded else None
