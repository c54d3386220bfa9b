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

from core.evidence.records import (
    RECORD_FIELDS,
    SCHEMA_VERSION,
    EvidenceRecord,
    ExportHeader,
    make_header_record,
)

MAX_PERIOD = timedelta(days=400)
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
BLOCK_BYTES = 256 * 1024
JSON_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

# Every name of every record but the digest, once, in the order of the dictionary.
COLUMNS = tuple(
    dict.fromkeys(
        ["record", "schema"]
        + [name for kind, names in RECORD_FIELDS.items() if kind != "digest" for name in names]
    )
)

COLUMN_POSITIONS = {name: place for place, name in enumerate(COLUMNS)}

# What makes a spreadsheet take a cell for a formula (OWASP: CSV Injection), at the beginning of a
# cell, or after a semicolon: where the comma is the decimal sign, that begins a cell as well. The
# full-width signs are taken for the others in some languages. The apostrophe, which is what
# defuses, is defused itself, so that what it was put before can be told.
FORMULA_START = re.compile("(^|;)(?=[\\s\"]*[=+\\-@'\\t\\r\\n\uff1d\uff0b\uff0d\uff20])")


class InvalidPeriod(ValueError):
    """The dates of an export are not what they should be; the message says what is wrong."""


class ExportFormat(StrEnum):
    """How the records are written down."""

    JSONL = "jsonl"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """What the form is called over HTTP: RFC 4180; for JSON Lines the name in common use."""
        if self is ExportFormat.JSONL:
            return "application/x-ndjson; charset=utf-8"
        return "text/csv; charset=utf-8; header=present"


def parse_midnight(text: str, name: str) -> datetime:
    """The beginning of a day in UTC. Raises BadPeriod."""
    try:
        if not ISO_DATE.fullmatch(text):
            raise ValueError
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InvalidPeriod(f'"{name}" is a date like 2026-01-31, in UTC') from None


def parse_period(since: str, until: str, now: datetime) -> tuple[datetime, datetime]:
    """From the beginning of one day up to the beginning of another. Raises BadPeriod."""
    first, last = parse_midnight(since, "from"), parse_midnight(until, "to")
    if first >= last:
        raise InvalidPeriod('"to" is a later day than "from", and is not part of the period itself')
    if last - first > MAX_PERIOD:
        raise InvalidPeriod(f"an export covers at most {MAX_PERIOD.days} days")
    if last > now + timedelta(days=1):
        latest = (now + timedelta(days=1)).date().isoformat()
        raise InvalidPeriod(f'"to" is {latest} at the latest: then today is part of the period')
    return first, last


# ----------------------------------------------------------------------------------------------
# Lines
# ----------------------------------------------------------------------------------------------


def encode_compact_json(value: object) -> str:
    """JSON on one line."""
    return JSON_ENCODER.encode(value)


def encode_json_line(record: EvidenceRecord) -> bytes:
    """A record as one JSON object."""
    return f"{encode_compact_json(record)}\n".encode()


def escape_formula(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    # Only a semicolon needs the whole cell searched, and few cells have one.
    if ";" not in cell:
        return f"'{cell}" if FORMULA_START.match(cell) else cell
    return FORMULA_START.sub(r"\1'", cell)


def format_table_cell(value: object) -> str:
    """A value as a cell: lists and objects as JSON, nothing as nothing."""
    match value:
        case None:
            return ""
        case str():
            return value
    return encode_compact_json(value)


def encode_table_line(cells: Iterable[str]) -> bytes:
    """A row of the table (RFC 4180)."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()


def encode_record(record: EvidenceRecord, file_format: ExportFormat) -> bytes:
    """A record in one of the forms."""
    if file_format is ExportFormat.JSONL:
        return encode_json_line(record)
    # Most cells of a row are empty: only those that say something are looked at.
    cells = [""] * len(COLUMNS)
    for name, value in record.items():
        cells[COLUMN_POSITIONS[name]] = escape_formula(format_table_cell(value))
    return encode_table_line(cells)


def encode_digest_line(digest: str) -> bytes:
    """The last line of JSON Lines."""
    return encode_json_line(
        {"record": "digest", "schema": SCHEMA_VERSION, "algorithm": "sha-256", "sha256": digest}
    )


@dataclass(slots=True)
class SpooledFile:
    """Lines, kept compressed. `open` are those that are not yet."""

    blocks: list[bytes] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)

    def add_line(self, line: bytes) -> None:
        """One more."""
        self.buffer += line
        if len(self.buffer) >= BLOCK_BYTES:
            self.blocks.append(zlib.compress(self.buffer, 1))
            self.buffer = bytearray()

    def iter_lines(self) -> Iterator[bytes]:
        """All of them, as they came."""
        for block in self.blocks:
            yield from zlib.decompress(block).splitlines(keepends=True)
        yield from bytes(self.buffer).splitlines(keepends=True)


@dataclass(frozen=True, slots=True)
class EvidenceExport:
    """An export that is complete. `sha256` is that of all its bytes, in hex digits."""

    header: ExportHeader
    file_format: ExportFormat
    head: bytes
    body: SpooledFile
    tail: bytes
    sha256: str
    size: int

    def iter_lines(self) -> Iterator[bytes]:
        """Every line, as often as they are wanted."""
        yield from self.head.splitlines(keepends=True)
        yield from self.body.iter_lines()
        if self.tail:
            yield self.tail

    @property
    def file_name(self) -> str:
        """What to call the file."""
        since, until = self.header.since.date(), self.header.until.date()
        return f"exoguard-{since.isoformat()}-{until.isoformat()}.{self.file_format}"

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
            "Content-Type": self.file_format.media_type,
            "Content-Disposition": f'attachment; filename="{self.file_name}"',
            "Repr-Digest": self.repr_digest,
        }


@dataclass(slots=True)
class EvidenceWriter:
    """Takes records one by one and makes an export of them."""

    file_format: ExportFormat
    body: SpooledFile = field(default_factory=SpooledFile)
    counts: Counter[str] = field(default_factory=Counter)

    def add_record(self, record: EvidenceRecord) -> None:
        """One more record."""
        self.counts[str(record["record"])] += 1
        self.body.add_line(encode_record(record, self.file_format))

    def finish_export(self, header: ExportHeader) -> EvidenceExport:
        """The export, once all of it is there."""
        counts = {
            name: self.counts[name] for name in RECORD_FIELDS if name not in ("export", "digest")
        }
        head = encode_record(make_header_record(header, counts), self.file_format)
        if self.file_format is ExportFormat.CSV:
            head = encode_table_line(COLUMNS) + head
        whole, size = hashlib.sha256(head), len(head)
        for line in self.body.iter_lines():
            whole.update(line)
            size += len(line)
        end = (
            encode_digest_line(whole.hexdigest()) if self.file_format is ExportFormat.JSONL else b""
        )
        whole.update(end)
        return EvidenceExport(
            header, self.file_format, head, self.body, end, whole.hexdigest(), size + len(end)
        )


# ----------------------------------------------------------------------------------------------
# Whether an export is as it was made
# ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """What comes of checking an export; `sha256` is that of all its bytes."""

    intact: bool
    note: str
    sha256: str


def verify_export(lines: Iterable[bytes], digest: str = "") -> VerificationResult:
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
    wanted = parse_sha256(digest) if digest else ""
    if wanted is None:
        return VerificationResult(False, "the digest given is no SHA-256", found)
    if wanted and wanted != found:
        return VerificationResult(False, "the export is not the one this digest was made of", found)
    if first != b"{":
        note = "as it was made" if wanted else "a table needs the digest it came with"
        return VerificationResult(bool(wanted), note, found)
    if last != encode_digest_line(before.hexdigest()):
        return VerificationResult(False, "the export was changed, or is not whole", found)
    return VerificationResult(True, "as it was made", found)


def parse_sha256(digest: str) -> str | None:
    """A digest as hex digits; None when it is none."""
    text = digest.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return text.lower()
    encoded = re.search(r"(?:^|[\s,])sha-256=:([A-Za-z0-9+/]{43}=):", text)
    return base64.b64decode(encoded[1]).hex() if encoded else None
