"""The evidence for auditors as a file: JSON Lines or one table, with a digest. Pure.

    head      what the export covers, with the number of records of each type
    body      the records, guard by guard
    tail      JSON Lines only: the SHA-256 of all bytes before it

The same rows give the same bytes, whoever exports them and when; only `made` differs. The counts
come first and the digest goes into a header, so the body is buffered until the last record is
known: compressed, because the records of a hundred thousand cases are much alike.
"""

import base64
import csv
import hashlib
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from core.evidence.data_dictionary import RECORD_FIELDS
from core.evidence.records import (
    SCHEMA_VERSION,
    EvidenceRecord,
    ExportHeader,
    make_header_record,
    sanitize_record_value,
)

MAX_PERIOD = timedelta(days=400)
# Leaves room for every difference that is computed of a time.
FIRST_YEAR = 1970
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
BLOCK_BYTES = 256 * 1024
JSON_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))

# Every field of every record but the digest, once, in the order of RECORD_FIELDS.
COLUMNS = tuple(
    dict.fromkeys(
        ["record", "schema"]
        + [name for kind, names in RECORD_FIELDS.items() if kind != "digest" for name in names]
    )
)

COLUMN_POSITIONS = {name: place for place, name in enumerate(COLUMNS)}

# What makes a spreadsheet treat a cell as a formula (OWASP: CSV Injection), at the start of a cell
# or after a semicolon, which separates cells in locales with a decimal comma. Some languages treat
# the full-width signs alike. The escaping apostrophe is escaped itself, so that the original text
# can be restored.
FORMULA_START = re.compile("(^|;)(?=[\\s\"]*[=+\\-@'\\t\\r\\n\uff1d\uff0b\uff0d\uff20])")


class InvalidPeriod(ValueError):
    """The period of an export is not valid; the message says why."""


class ExportFormat(StrEnum):
    """The file format of an export."""

    JSONL = "jsonl"
    CSV = "csv"

    @property
    def media_type(self) -> str:
        """The media type: RFC 4180 for CSV, the name in common use for JSON Lines."""
        if self is ExportFormat.JSONL:
            return "application/x-ndjson; charset=utf-8"
        return "text/csv; charset=utf-8; header=present"


def parse_midnight(text: str, name: str) -> datetime:
    """The start of a day in UTC. Raises InvalidPeriod."""
    try:
        if not ISO_DATE.fullmatch(text):
            raise ValueError
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InvalidPeriod(f'"{name}" is not a valid date; use YYYY-MM-DD (UTC)') from None


def parse_period(since: str, until: str, now: datetime) -> tuple[datetime, datetime]:
    """A period from the start of one day to the start of another. Raises InvalidPeriod."""
    first, last = parse_midnight(since, "from"), parse_midnight(until, "to")
    if first.year < FIRST_YEAR:
        raise InvalidPeriod(f'"from" must not be before {FIRST_YEAR}-01-01')
    if first >= last:
        raise InvalidPeriod('"to" must be after "from"; it is not part of the period')
    if last - first > MAX_PERIOD:
        raise InvalidPeriod(f"an export covers at most {MAX_PERIOD.days} days")
    if last > now + timedelta(days=1):
        latest = (now + timedelta(days=1)).date().isoformat()
        raise InvalidPeriod(f'"to" must not be after {latest}, which includes today')
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
    """A cell that no spreadsheet treats as a formula."""
    # Only a semicolon requires a search of the whole cell, and few cells have one.
    if ";" not in cell:
        return f"'{cell}" if FORMULA_START.match(cell) else cell
    return FORMULA_START.sub(r"\1'", cell)


def format_table_cell(value: object) -> str:
    """A value as a cell: lists and objects as JSON, None as an empty cell."""
    match value:
        case None:
            return ""
        case str():
            return value
    return encode_compact_json(value)


def encode_table_line(cells: Iterable[str]) -> bytes:
    """A CSV line (RFC 4180)."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()


def encode_record(record: EvidenceRecord, file_format: ExportFormat) -> bytes:
    """A record in a file format."""
    if file_format is ExportFormat.JSONL:
        return encode_json_line(record)
    # Most cells of a row are empty; only the others are formatted.
    cells = [""] * len(COLUMNS)
    for name, value in record.items():
        cells[COLUMN_POSITIONS[name]] = escape_formula(format_table_cell(value))
    return encode_table_line(cells)


def encode_case_list(
    records: Iterable[Mapping[str, object]], names: Sequence[str], file_format: ExportFormat
) -> Iterator[bytes]:
    """A list of alike records: one JSON object a line, or a table with a line of names.

    A table is for people: no character in it deceives, as in the evidence.
    """
    if file_format is ExportFormat.JSONL:
        yield from (f"{encode_compact_json(record)}\n".encode() for record in records)
        return
    yield encode_table_line(names)
    for record in records:
        cells = (format_table_cell(sanitize_record_value(record[name])) for name in names)
        yield encode_table_line(map(escape_formula, cells))


def encode_digest_line(digest: str) -> bytes:
    """The last line of JSON Lines."""
    return encode_json_line(
        {"record": "digest", "schema": SCHEMA_VERSION, "algorithm": "sha-256", "sha256": digest}
    )


@dataclass(slots=True)
class SpooledFile:
    """Lines buffered in memory, in compressed blocks. `buffer` is not compressed yet."""

    blocks: list[bytes] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)

    def add_line(self, line: bytes) -> None:
        """Append a line."""
        self.buffer += line
        if len(self.buffer) >= BLOCK_BYTES:
            self.blocks.append(zlib.compress(self.buffer, 1))
            self.buffer = bytearray()

    def iter_lines(self) -> Iterator[bytes]:
        """All lines, in order."""
        for block in self.blocks:
            yield from zlib.decompress(block).splitlines(keepends=True)
        yield from bytes(self.buffer).splitlines(keepends=True)


@dataclass(frozen=True, slots=True)
class EvidenceExport:
    """A complete export. `sha256` is the digest of all its bytes, in hexadecimal."""

    header: ExportHeader
    file_format: ExportFormat
    head: bytes
    body: SpooledFile
    tail: bytes
    sha256: str
    size: int

    def iter_lines(self) -> Iterator[bytes]:
        """All lines; may be called repeatedly."""
        yield from self.head.splitlines(keepends=True)
        yield from self.body.iter_lines()
        if self.tail:
            yield self.tail

    @property
    def file_name(self) -> str:
        """The name of the file."""
        since, until = self.header.since.date(), self.header.until.date()
        return f"exoguard-{since.isoformat()}-{until.isoformat()}.{self.file_format}"

    @property
    def repr_digest(self) -> str:
        """The digest as a `Repr-Digest` header (RFC 9530), valid without a Content-Encoding."""
        return f"sha-256=:{base64.b64encode(bytes.fromhex(self.sha256)).decode()}:"

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers of the export."""
        return {
            "Content-Type": self.file_format.media_type,
            "Content-Disposition": f'attachment; filename="{self.file_name}"',
            "Repr-Digest": self.repr_digest,
        }


@dataclass(slots=True)
class EvidenceWriter:
    """Collects records one by one into an export."""

    file_format: ExportFormat
    body: SpooledFile = field(default_factory=SpooledFile)
    counts: Counter[str] = field(default_factory=Counter)

    def add_record(self, record: EvidenceRecord) -> None:
        """Append a record."""
        self.counts[str(record["record"])] += 1
        self.body.add_line(encode_record(record, self.file_format))

    def finish_export(self, header: ExportHeader) -> EvidenceExport:
        """The export of all records added."""
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
# Verification
# ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class VerificationResult:
    """The result of verifying an export; `sha256` is the digest of all its bytes."""

    intact: bool
    note: str
    sha256: str


def verify_export(lines: Iterable[bytes], digest: str = "") -> VerificationResult:
    """Verify an export against its own last line, and against a digest that was kept elsewhere.

    `lines` come from a file opened in binary mode. `digest` is 64 hexadecimal digits or a
    Repr-Digest header. A CSV file has no digest line, so it cannot be verified without a digest.
    An attacker who can write the file can also rewrite its last line; only a digest that was kept
    elsewhere detects that.
    """
    before, total, last, first = hashlib.sha256(), hashlib.sha256(), b"", b""
    for line in lines:
        first = first or line[:1]
        before.update(last)
        total.update(line)
        last = line
    found = total.hexdigest()
    expected = parse_sha256(digest) if digest else ""
    if expected is None:
        return VerificationResult(False, "the digest given is not a SHA-256", found)
    if expected and expected != found:
        return VerificationResult(False, "the export does not match the digest given", found)
    if first != b"{":
        note = "unchanged" if expected else "a CSV file can only be verified with its digest"
        return VerificationResult(bool(expected), note, found)
    if last != encode_digest_line(before.hexdigest()):
        return VerificationResult(False, "the export was changed or is incomplete", found)
    return VerificationResult(True, "unchanged", found)


def parse_sha256(digest: str) -> str | None:
    """A digest in hexadecimal; None if it is not a valid one."""
    text = digest.strip()
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return text.lower()
    encoded = re.search(r"(?:^|[\s,])sha-256=:([A-Za-z0-9+/]{43}=):", text)
    return base64.b64decode(encoded[1]).hex() if encoded else None
