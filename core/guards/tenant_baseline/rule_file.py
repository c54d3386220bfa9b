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
from core.microsoft365.configuration_sources import SOURCES
from core.model.baseline import TESTS, Baseline, Off, Row, Wanted
from core.model.findings import Severity
from core.property_values import Scalar, Value

ROOT = Path(__file__).resolve().parent.parent.parent.parent
SIZE = 256 * 1024
MOST = 500
LONGEST = 500
ID = pattern(r"[a-z0-9]+(-[a-z0-9]+){0,7}")
PROPERTY = pattern(r"[A-Za-z][A-Za-z0-9_]{0,79}(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,3}")
TEXTS = ("why", "reference", "remedy")
NEEDED = frozenset({"id", "source", "property", "wanted", "severity", *TEXTS})
KNOWN = NEEDED | {"where", "unknown"}
CHANGEABLE = frozenset({"wanted", "severity", "why", "where", "unknown"})
SEVERITIES = tuple(severity.label for severity in Severity)
YEAR = timedelta(days=366)


class Wrong(ValueError):
    """What is wrong with one row, and what to do about it."""


@dataclass(slots=True)
class Mistakes:
    """All that is wrong with a file, collected."""

    file: str
    lines: list[str] = field(default_factory=list)

    def note(self, where: str, error: Wrong) -> None:
        self.lines.append(f"{self.file}: {where}: {error}")

    def end(self) -> None:
        """Raises SettingsError if there is anything wrong."""
        if self.lines:
            raise SettingsError("\n".join(self.lines))


# One row ----------------------------------------------------------------------------------------


def text_of(entry: Mapping[str, object], name: str) -> str:
    """A text that is needed."""
    value = entry.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= LONGEST:
        raise Wrong(f"{name} must be a text of 1 to {LONGEST} characters; write one")
    return value.strip()


def one_of(entry: Mapping[str, object], name: str, allowed: Iterable[str]) -> str:
    value = text_of(entry, name)
    names = sorted(allowed)
    if value not in names:
        raise Wrong(f"{name} {value[:60]!r} is not known; take one of {', '.join(names)}")
    return value


def scalar(value: object) -> Scalar:
    """A value as Exchange and Graph have them."""
    if value is None or isinstance(value, bool | str | int):
        return value
    raise Wrong("a value must be true, false, a whole number, a text or null; write one of these")


def value_of(value: object) -> Value:
    """A value, or a list of texts."""
    return texts_of(value, "a list") if isinstance(value, list) else scalar(value)


def texts_of(value: object, what: str) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Wrong(f"{what} must be a list of texts; put each in quotes, all in brackets")
    return tuple(value[:MOST])


def wanted_of(value: object) -> Wanted:
    """A test and what it compares with: {"is": false}, {"at_least": 6}, ..."""
    if not isinstance(value, Mapping) or len(value) != 1:
        raise Wrong(f'wanted must name one test, such as {{"is": true}}: {", ".join(TESTS)}')
    ((test, given),) = value.items()
    match test:
        case "is":
            return Wanted(test, (value_of(given),))
        case "one_of" if isinstance(given, list) and given:
            return Wanted(test, tuple(scalar(one) for one in given))
        case "at_least" | "at_most" if isinstance(given, int) and not isinstance(given, bool):
            return Wanted(test, (given,))
        case "present" if given is True:
            return Wanted(test)
        case "within" | "shares_at_most":
            return Wanted(test, texts_of(given, test))
    if test in TESTS:
        raise Wrong(f"{test} cannot be compared with that; see docs/guards.md for what it takes")
    raise Wrong(f"{str(test)[:60]!r} is no test; take one of {', '.join(TESTS)}")


def where_of(value: object) -> tuple[tuple[str, Scalar], ...]:
    """To which objects a row is limited."""
    if not isinstance(value, Mapping) or not all(map(is_property, value)):
        raise Wrong('where must name properties, such as {"Enabled": true}')
    return tuple((str(name), scalar(wanted)) for name, wanted in value.items())


def is_property(name: object) -> bool:
    return isinstance(name, str) and PROPERTY.fullmatch(name) is not None


def without_strangers(entry: object, known: frozenset[str]) -> Mapping[str, object]:
    """An object that has no other properties than these: a slip of the pen would do nothing."""
    if not isinstance(entry, Mapping):
        raise Wrong("must be an object; see docs/guards.md for its form")
    if strange := sorted(str(name)[:60] for name in entry.keys() - known):
        raise Wrong(f"{', '.join(strange)} is not known here; take of {', '.join(sorted(known))}")
    return entry


def row_of(entry: object) -> Row:
    """A row. Raises Wrong."""
    entry = without_strangers(entry, KNOWN)
    if missing := sorted(NEEDED - entry.keys()):
        raise Wrong(f"{', '.join(missing)} is missing; add it")
    identity, name = text_of(entry, "id"), text_of(entry, "property")
    if not ID.fullmatch(identity) or len(identity) > 60:
        raise Wrong("id must be words of small letters and digits with dashes between; rename it")
    if not is_property(name):
        raise Wrong("property must be a name as the cmdlet prints it, with dots into an object")
    return Row(
        id=identity,
        source=one_of(entry, "source", SOURCES),
        property=name,
        wanted=wanted_of(entry["wanted"]),
        severity=one_of(entry, "severity", SEVERITIES),
        why=text_of(entry, "why"),
        reference=text_of(entry, "reference"),
        remedy=text_of(entry, "remedy"),
        where=where_of(entry.get("where", {})),
        unknown=texts_of(entry.get("unknown", []), "unknown"),
    )


def is_writable(row: Row) -> bool:
    """True when a row can be put right from here: a reviewed property, a definite value."""
    return row.property in SOURCES[row.source].writable and row.wanted.repair is not None


# A customer's file ------------------------------------------------------------------------------


def changed(row: Row, entry: object) -> Row:
    """A row with what a customer wants instead. Raises Wrong."""
    entry = without_strangers(entry, CHANGEABLE)
    row = replace(row, why=text_of(entry, "why"))
    if "wanted" in entry:
        row = replace(row, wanted=wanted_of(entry["wanted"]))
    if "severity" in entry:
        row = replace(row, severity=one_of(entry, "severity", SEVERITIES))
    if "where" in entry:
        row = replace(row, where=where_of(entry["where"]))
    if "unknown" in entry:
        row = replace(row, unknown=texts_of(entry["unknown"], "unknown"))
    return row


def switched_off(row: Row, entry: object, today: date) -> Row:
    """A row that somebody does without for a time. Raises Wrong."""
    entry = without_strangers(entry, frozenset({"who", "why", "until"}))
    who, why, text = (text_of(entry, name) for name in ("who", "why", "until"))
    try:
        until = date.fromisoformat(text)
    except ValueError:
        raise Wrong("until must be a day such as 2027-03-31; write one") from None
    if until > today + YEAR:
        raise Wrong("until must be a day within a year; decide again then")
    return replace(row, off=Off(who, why, until))


def document_of(text: str, what: str) -> Mapping[str, object]:
    """A JSON object. Raises Wrong."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Wrong(f"is no JSON ({str(error)[:120]}); correct it") from None
    try:
        return without_strangers(found, frozenset({"rows", "change", "off"}))
    except Wrong as error:
        raise Wrong(f"{what} {error}") from None


def section[S: (list[object], dict[str, object])](
    document: Mapping[str, object], name: str, kind: type[S]
) -> S:
    """One part of a file, empty when it is not there. Raises Wrong."""
    value = document.get(name, kind())
    if not isinstance(value, kind) or len(value) > MOST:
        what = "a list" if kind is list else "an object"
        raise Wrong(f"must be {what} of at most {MOST} entries; see docs/guards.md")
    return value


def add_rows(table: dict[str, Row], entries: Sequence[object], mistakes: Mistakes) -> None:
    """The rows of a file, behind those there are."""
    for number, entry in enumerate(entries, 1):
        told = entry.get("id") if isinstance(entry, Mapping) else None
        where = f"row {number}" + (f" ({told[:60]})" if isinstance(told, str) else "")
        try:
            row = row_of(entry)
            if row.id in table:
                raise Wrong("there is a row of this id; name it under change, or take another id")
            table[row.id] = row
        except Wrong as error:
            mistakes.note(where, error)


def parts(document: Mapping[str, object], mistakes: Mistakes) -> Iterator[tuple[str, str, object]]:
    """What a file says of rows there are: the part, the row, and what about it."""
    for name in ("change", "off"):
        try:
            entries = section(document, name, dict)
        except Wrong as error:
            mistakes.note(name, error)
            continue
        for identity, entry in entries.items():
            yield name, identity, entry


def read_rows(text: str, before: Sequence[Row], file: str, today: date) -> tuple[Row, ...]:
    """All rows with what a file adds, changes and switches off. Raises SettingsError."""
    mistakes = Mistakes(file)
    table = {row.id: row for row in before}
    try:
        document = document_of(text, "the file")
        add_rows(table, section(document, "rows", list), mistakes)
    except Wrong as error:
        mistakes.note("rows", error)
        document = {}
    for part, identity, entry in parts(document, mistakes):
        try:
            if identity not in table:
                raise Wrong(f"there is no such row; take one of {', '.join(sorted(table))}")
            row = table[identity]
            table[identity] = (
                changed(row, entry) if part == "change" else switched_off(row, entry, today)
            )
        except Wrong as error:
            mistakes.note(f"{part} {identity[:60]}", error)
    mistakes.end()
    return tuple(table.values())


def text_in(name: str, root: Path) -> str:
    """The text of a file of the deployed package. Raises SettingsError."""
    path = (root / name).resolve()
    try:
        if not path.is_relative_to(root):
            raise SettingsError(f"BASELINE_FILE must lie in the deployed package: {name[:200]}")
        if path.stat().st_size > SIZE:
            raise SettingsError(f"BASELINE_FILE has more than {SIZE} bytes; write fewer rows")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"BASELINE_FILE cannot be read ({type(error).__name__}): {name[:200]}; "
            "deploy it beside host.json and name it without a path"
        ) from None


SHIPPED = read_rows(
    text_in("core/guards/tenant_baseline/baseline.json", ROOT),
    (),
    "core/guards/tenant_baseline/baseline.json",
    date(1970, 1, 1),
)


def baseline_of(file: str, enforced: Sequence[str], today: date, root: Path = ROOT) -> Baseline:
    """The baseline as the settings want it. Raises SettingsError naming everything wrong."""
    rows = read_rows(text_in(file, root), SHIPPED, "BASELINE_FILE", today) if file else SHIPPED
    by_id = {row.id: row for row in rows}
    able = ", ".join(sorted(row.id for row in rows if is_writable(row)))
    wrong = []
    for identity in enforced:
        if identity not in by_id:
            wrong.append(f"BASELINE_ENFORCE: there is no row {identity[:60]!r}; take of {able}")
        elif not is_writable(by_id[identity]):
            wrong.append(
                f"BASELINE_ENFORCE: row {identity} can only alert, since nothing here may set "
                f"{by_id[identity].property} to a definite value; take of {able}"
            )
    if wrong:
        raise SettingsError("\n".join(wrong))
    return Baseline(rows, frozenset(enforced))


def everything() -> Baseline:
    """The shipped rows, with all of them enforced that can be: the most this can ever need."""
    return Baseline(SHIPPED, frozenset(row.id for row in SHIPPED if is_writable(row)))
