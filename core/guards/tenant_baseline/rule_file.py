"""The rows of the baseline, from their two files: `baseline.json` beside this module, which is
reviewed like code, and the one a customer names in BASELINE_FILE.

    {"rows":   [a row like those of baseline.json, ...],
     "change": {"owa-offline": {"wanted": {"is": "NoComputers"}, "why": "shared computers"}},
     "off":    {"guest-access": {"who": "CISO", "why": "merger under way", "until": "2027-03-31"}}}

Every mistake is named at once, with its row and what to do about it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from re import compile as pattern

from core.errors import SettingsError
from core.guards.tenant_baseline.baseline import (
    TESTS,
    Baseline,
    BaselineRow,
    ExpectedValue,
    RowWaiver,
)
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.model.findings import Severity
from core.property_values import Scalar, Value

ROOT = Path(__file__).resolve().parent.parent.parent.parent
MAX_FILE_SIZE = 256 * 1024
MAX_ENTRIES = 500
MAX_TEXT_LENGTH = 500
ID_PATTERN = pattern(r"[a-z0-9]+(-[a-z0-9]+){0,7}")
PROPERTY_PATTERN = pattern(r"[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,3}")
TEXT_FIELDS = ("why", "reference", "remedy")
REQUIRED_FIELDS = frozenset({"id", "source", "property", "wanted", "severity", *TEXT_FIELDS})
KNOWN_FIELDS = REQUIRED_FIELDS | {"where", "unknown"}
CHANGEABLE_FIELDS = frozenset({"wanted", "severity", "why", "where", "unknown"})
SEVERITIES = tuple(severity.label for severity in Severity)
MAX_WAIVER_PERIOD = timedelta(days=366)


class InvalidRule(ValueError):
    """What is wrong with one row, and what to do about it."""


@dataclass(slots=True)
class ErrorCollector:
    """All that is wrong with a file, collected."""

    file: str
    lines: list[str] = field(default_factory=list)

    def add_error(self, where: str, error: InvalidRule) -> None:
        self.lines.append(f"{self.file}: {where}: {error}")

    def raise_if_any(self) -> None:
        """Raises SettingsError if there is anything wrong."""
        if self.lines:
            raise SettingsError("\n".join(self.lines))


# One row ----------------------------------------------------------------------------------------


def get_required_text(entry: Mapping[str, object], name: str) -> str:
    """A text that is needed."""
    value = entry.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= MAX_TEXT_LENGTH:
        raise InvalidRule(f"{name} must be a text of 1 to {MAX_TEXT_LENGTH} characters; write one")
    return value.strip()


def get_allowed_text(entry: Mapping[str, object], name: str, allowed: Iterable[str]) -> str:
    value = get_required_text(entry, name)
    names = sorted(allowed)
    if value not in names:
        raise InvalidRule(f"{name} {value[:60]!r} is not known; take one of {', '.join(names)}")
    return value


def parse_baseline_scalar(value: object) -> Scalar:
    """A value as Exchange and Graph have them."""
    if value is None or isinstance(value, bool | str | int):
        return value
    raise InvalidRule(
        "a value must be true, false, a whole number, a text or null; write one of these"
    )


def parse_baseline_value(value: object) -> Value:
    """A value, or a list of texts."""
    return (
        parse_text_list(value, "a list")
        if isinstance(value, list)
        else parse_baseline_scalar(value)
    )


def parse_text_list(value: object, what: str) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidRule(f"{what} must be a list of texts; put each in quotes, all in brackets")
    return tuple(value[:MAX_ENTRIES])


def parse_wanted_test(value: object) -> ExpectedValue:
    """A test and what it compares with: {"is": false}, {"at_least": 6}, ..."""
    if not isinstance(value, Mapping) or len(value) != 1:
        raise InvalidRule(f'wanted must name one test, such as {{"is": true}}: {", ".join(TESTS)}')
    ((test, given),) = value.items()
    match test:
        case "is":
            return ExpectedValue(test, (parse_baseline_value(given),))
        case "one_of" if isinstance(given, list) and given:
            return ExpectedValue(test, tuple(parse_baseline_scalar(one) for one in given))
        case "at_least" | "at_most" if isinstance(given, int) and not isinstance(given, bool):
            return ExpectedValue(test, (given,))
        case "present" if given is True:
            return ExpectedValue(test)
        case "within" | "shares_at_most":
            return ExpectedValue(test, parse_text_list(given, test))
    if test in TESTS:
        raise InvalidRule(
            f"{test} cannot be compared with that; see docs/guards.md for what it takes"
        )
    raise InvalidRule(f"{str(test)[:60]!r} is no test; take one of {', '.join(TESTS)}")


def parse_row_filter(value: object) -> tuple[tuple[str, Scalar], ...]:
    """To which objects a row is limited."""
    if not isinstance(value, Mapping) or not all(map(is_property_path, value)):
        raise InvalidRule('where must name properties, such as {"Enabled": true}')
    return tuple((str(name), parse_baseline_scalar(wanted)) for name, wanted in value.items())


def is_property_path(name: object) -> bool:
    return isinstance(name, str) and PROPERTY_PATTERN.fullmatch(name) is not None


def reject_unknown_fields(entry: object, known: frozenset[str]) -> Mapping[str, object]:
    """An object that has no other properties than these: a slip of the pen would do nothing."""
    if not isinstance(entry, Mapping):
        raise InvalidRule("must be an object; see docs/guards.md for its form")
    if strange := sorted(str(name)[:60] for name in entry.keys() - known):
        raise InvalidRule(
            f"{', '.join(strange)} is not known here; take of {', '.join(sorted(known))}"
        )
    return entry


def parse_baseline_row(entry: object) -> BaselineRow:
    """A row. Raises Wrong."""
    entry = reject_unknown_fields(entry, KNOWN_FIELDS)
    if missing := sorted(REQUIRED_FIELDS - entry.keys()):
        raise InvalidRule(f"{', '.join(missing)} is missing; add it")
    identity, name = get_required_text(entry, "id"), get_required_text(entry, "property")
    if not ID_PATTERN.fullmatch(identity) or len(identity) > 60:
        raise InvalidRule(
            "id must be words of small letters and digits with dashes between; rename it"
        )
    if not is_property_path(name):
        raise InvalidRule(
            "property must be a name as the cmdlet prints it, with dots into an object"
        )
    return BaselineRow(
        id=identity,
        source=get_allowed_text(entry, "source", CONFIGURATION_SOURCES),
        property_name=name,
        expected=parse_wanted_test(entry["wanted"]),
        severity=get_allowed_text(entry, "severity", SEVERITIES),
        rationale=get_required_text(entry, "why"),
        reference=get_required_text(entry, "reference"),
        remedy=get_required_text(entry, "remedy"),
        where=parse_row_filter(entry.get("where", {})),
        undecided_values=parse_text_list(entry.get("unknown", []), "unknown"),
    )


def is_writable_row(row: BaselineRow) -> bool:
    """True when a row can be put right from here: a reviewed property, a definite value."""
    return (
        row.property_name in CONFIGURATION_SOURCES[row.source].writable_properties
        and row.expected.target_value is not None
    )


# A customer's file ------------------------------------------------------------------------------


def apply_row_change(row: BaselineRow, entry: object) -> BaselineRow:
    """A row with what a customer wants instead. Raises Wrong."""
    entry = reject_unknown_fields(entry, CHANGEABLE_FIELDS)
    row = replace(row, rationale=get_required_text(entry, "why"))
    if "wanted" in entry:
        row = replace(row, expected=parse_wanted_test(entry["wanted"]))
    if "severity" in entry:
        row = replace(row, severity=get_allowed_text(entry, "severity", SEVERITIES))
    if "where" in entry:
        row = replace(row, where=parse_row_filter(entry["where"]))
    if "unknown" in entry:
        row = replace(row, undecided_values=parse_text_list(entry["unknown"], "unknown"))
    return row


def waive_row(row: BaselineRow, entry: object, today: date) -> BaselineRow:
    """A row that somebody does without for a time. Raises Wrong."""
    entry = reject_unknown_fields(entry, frozenset({"who", "why", "until"}))
    who, why, text = (get_required_text(entry, name) for name in ("who", "why", "until"))
    try:
        until = date.fromisoformat(text)
    except ValueError:
        raise InvalidRule("until must be a day such as 2027-03-31; write one") from None
    if until > today + MAX_WAIVER_PERIOD:
        raise InvalidRule("until must be a day within a year; decide again then")
    return replace(row, waiver=RowWaiver(who, why, until))


def parse_baseline_file(text: str, what: str) -> Mapping[str, object]:
    """A JSON object. Raises Wrong."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRule(f"is no JSON ({str(error)[:120]}); correct it") from None
    try:
        return reject_unknown_fields(found, frozenset({"rows", "change", "off"}))
    except InvalidRule as error:
        raise InvalidRule(f"{what} {error}") from None


def get_file_section[S: (list[object], dict[str, object])](
    document: Mapping[str, object], name: str, kind: type[S]
) -> S:
    """One part of a file, empty when it is not there. Raises Wrong."""
    value = document.get(name, kind())
    if not isinstance(value, kind) or len(value) > MAX_ENTRIES:
        what = "a list" if kind is list else "an object"
        raise InvalidRule(f"must be {what} of at most {MAX_ENTRIES} entries; see docs/guards.md")
    return value


def add_file_rows(
    table: dict[str, BaselineRow], entries: Sequence[object], errors: ErrorCollector
) -> None:
    """The rows of a file, behind those there are."""
    for number, entry in enumerate(entries, 1):
        row_id = entry.get("id") if isinstance(entry, Mapping) else None
        where = f"row {number}" + (f" ({row_id[:60]})" if isinstance(row_id, str) else "")
        try:
            row = parse_baseline_row(entry)
            if row.id in table:
                raise InvalidRule(
                    "there is a row of this id; name it under change, or take another id"
                )
            table[row.id] = row
        except InvalidRule as error:
            errors.add_error(where, error)


def list_row_edits(
    document: Mapping[str, object], errors: ErrorCollector
) -> Iterator[tuple[str, str, object]]:
    """What a file says of rows there are: the part, the row, and what about it."""
    for name in ("change", "off"):
        try:
            entries = get_file_section(document, name, dict)
        except InvalidRule as error:
            errors.add_error(name, error)
            continue
        for identity, entry in entries.items():
            yield name, identity, entry


def read_baseline_rows(
    text: str, base_rows: Sequence[BaselineRow], file: str, today: date
) -> tuple[BaselineRow, ...]:
    """All rows with what a file adds, changes and switches off. Raises SettingsError."""
    mistakes = ErrorCollector(file)
    table = {row.id: row for row in base_rows}
    try:
        document = parse_baseline_file(text, "the file")
        add_file_rows(table, get_file_section(document, "rows", list), mistakes)
    except InvalidRule as error:
        mistakes.add_error("rows", error)
        document = {}
    for part, identity, entry in list_row_edits(document, mistakes):
        try:
            if identity not in table:
                raise InvalidRule(f"there is no such row; take one of {', '.join(sorted(table))}")
            row = table[identity]
            table[identity] = (
                apply_row_change(row, entry) if part == "change" else waive_row(row, entry, today)
            )
        except InvalidRule as error:
            mistakes.add_error(f"{part} {identity[:60]}", error)
    mistakes.raise_if_any()
    return tuple(table.values())


def read_package_file(name: str, root: Path) -> str:
    """The text of a file of the deployed package. Raises SettingsError."""
    path = (root / name).resolve()
    try:
        if not path.is_relative_to(root):
            raise SettingsError(f"BASELINE_FILE must lie in the deployed package: {name[:200]}")
        if path.stat().st_size > MAX_FILE_SIZE:
            raise SettingsError(
                f"BASELINE_FILE has more than {MAX_FILE_SIZE} bytes; write fewer rows"
            )
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"BASELINE_FILE cannot be read ({type(error).__name__}): {name[:200]}; "
            "deploy it beside host.json and name it without a path"
        ) from None


SHIPPED_ROWS = read_baseline_rows(
    read_package_file("core/guards/tenant_baseline/baseline.json", ROOT),
    (),
    "core/guards/tenant_baseline/baseline.json",
    date(1970, 1, 1),
)


def build_baseline(file: str, enforced: Sequence[str], today: date, root: Path = ROOT) -> Baseline:
    """The baseline as the settings want it. Raises SettingsError naming everything wrong."""
    rows = (
        read_baseline_rows(read_package_file(file, root), SHIPPED_ROWS, "BASELINE_FILE", today)
        if file
        else SHIPPED_ROWS
    )
    by_id = {row.id: row for row in rows}
    able = ", ".join(sorted(row.id for row in rows if is_writable_row(row)))
    wrong = []
    for identity in enforced:
        if identity not in by_id:
            wrong.append(f"BASELINE_ENFORCE: there is no row {identity[:60]!r}; take of {able}")
        elif not is_writable_row(by_id[identity]):
            wrong.append(
                f"BASELINE_ENFORCE: row {identity} can only alert, since nothing here may set "
                f"{by_id[identity].property_name} to a definite value; take of {able}"
            )
    if wrong:
        raise SettingsError("\n".join(wrong))
    return Baseline(rows, frozenset(enforced))


def build_full_baseline() -> Baseline:
    """The shipped rows, with all of them enforced that can be: the most this can ever need."""
    return Baseline(SHIPPED_ROWS, frozenset(row.id for row in SHIPPED_ROWS if is_writable_row(row)))
