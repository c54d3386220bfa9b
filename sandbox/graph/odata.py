"""Filters and pages over rows, in the two query languages of Microsoft 365.

Graph uses OData (`accountEnabled eq true`), Exchange OPATH (`AuditEnabled -eq $true`). Both share
one grammar: comparisons joined by not, and, or; only the operators are spelled differently.
"""

import operator
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import translate
from typing import Any

from sandbox.http_types import Row, split_words

type RowPredicate = Callable[[Mapping[str, Any]], bool]

TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
      | (?P<date>\d{4}-\d\d-\d\dT[\d:.]+Z)
      | (?P<number>-?\d+(?:\.\d+)?(?![\w-]))
      | (?P<operator>-(?:eq|ne|gt|ge|lt|le|like|notlike|and|or|not)\b)
      | (?P<word>[$\w@.#-]+(?:/[$\w]+)*)
      | (?P<mark>[(),:{}])
    )""",
    re.VERBOSE | re.IGNORECASE,
)
OPERATORS = frozenset(split_words("eq ne gt ge lt le like notlike and or not in"))
CONSTANTS = {"true": True, "false": False, "null": None}
ORDER_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
# Enough listings for the most that any test reads at once; fewer if they are large.
SNAPSHOTS_KEPT = 256
LARGE_SNAPSHOTS_KEPT = 8
ROWS_KEPT = 1_000_000


class InvalidFilter(Exception):
    """The filter cannot be parsed."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What a row has to meet: a comparison with one of some values, or the contrary of it."""

    name: str
    comparator: str
    values: tuple[object, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed filter. `operators` are those it uses, `clause_count` counts its comparisons."""

    matches: RowPredicate
    operators: frozenset[str]
    clause_count: int
    conditions: tuple[Condition, ...] = ()
    """Some of what every row that matches meets; there may be more."""


MATCH_ALL = Filter(lambda row: True, frozenset(), 0)


@dataclass(frozen=True, slots=True)
class FilterToken:
    kind: str
    value: Any


def tokenize_filter(text: str) -> list[FilterToken]:
    """Splits a filter into tokens, `-eq` and `eq` alike. Raises InvalidFilter."""
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            raise InvalidFilter(f"Invalid filter clause at position {position}.")
        position = found.end()
        kind, value = str(found.lastgroup), found[str(found.lastgroup)]
        lowered = value.casefold().lstrip("-$")
        if kind == "text":
            tokens.append(FilterToken("value", value[1:-1].replace(value[0] * 2, value[0])))
        elif kind == "date":
            tokens.append(FilterToken("value", value))
        elif kind == "number":
            tokens.append(FilterToken("value", float(value)))
        elif kind == "operator" or (kind == "word" and lowered in OPERATORS):
            tokens.append(FilterToken("operator", lowered))
        elif kind == "word" and lowered in CONSTANTS:
            tokens.append(FilterToken("value", CONSTANTS[lowered]))
        else:
            tokens.append(FilterToken(kind, value))
    return tokens


def normalize_value(value: object) -> object:
    """A value in the form that is compared: folded text, numbers, booleans, None."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return float(value)
    folded = str(value).casefold()
    return CONSTANTS[folded] if folded in ("true", "false") else folded


def is_equal(actual: object, expected: object) -> bool:
    """Equality as in the services: any element of a list matches, and `smtp:` is optional."""
    if isinstance(actual, list):
        return any(is_equal(part, expected) for part in actual) if actual else expected is None
    left, right = normalize_value(actual), normalize_value(expected)
    if left == right:
        return True
    return isinstance(left, str) and isinstance(right, str) and left == f"smtp:{right}"


def compare_order(actual: object, expected: object, comparator: str) -> bool:
    left, right = normalize_value(actual), normalize_value(expected)
    if isinstance(left, str) and isinstance(right, str):
        return ORDER_OPERATORS[comparator](left, right)
    if isinstance(left, float) and isinstance(right, float):
        return ORDER_OPERATORS[comparator](left, right)
    return False


def make_comparison(name: str, comparator: str, expected: object) -> RowPredicate:
    """Makes the test of one comparison. A property that a row lacks is null."""
    match comparator:
        case "eq":
            return lambda row: is_equal(row.get(name), expected)
        case "ne":
            return lambda row: not is_equal(row.get(name), expected)
        case "like" | "notlike":
            pattern = re.compile(translate(str(expected)), re.IGNORECASE)
            hit = comparator == "like"
            return lambda row: (
                any(pattern.match(str(part)) is not None for part in to_list(row.get(name))) is hit
            )
        case _:
            return lambda row: compare_order(row.get(name), expected, comparator)


def to_list(value: object) -> list[Any]:
    """A value as a list: empty, one element, or the list itself."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


class FilterParser:
    """A recursive-descent parser of one filter's tokens."""

    def __init__(self, text: str) -> None:
        self.tokens = tokenize_filter(text)
        self.position = 0
        self.operators: set[str] = set()
        self.clause_count = 0
        self.conditions: dict[RowPredicate, tuple[Condition, ...]] = {}
        self.whole: set[RowPredicate] = set()
        """The predicates that are no more than their one condition."""

    def peek(self, kind: str, *values: str) -> bool:
        if self.position >= len(self.tokens):
            return False
        token = self.tokens[self.position]
        return token.kind == kind and (not values or token.value in values)

    def expect(self, kind: str, *values: str) -> Any:
        if not self.peek(kind, *values):
            raise InvalidFilter(
                f"Invalid filter clause: {' or '.join(values) or kind} was expected."
            )
        self.position += 1
        return self.tokens[self.position - 1].value

    def parse(self) -> Filter:
        test = self.parse_or()
        if self.position != len(self.tokens):
            raise InvalidFilter("Invalid filter clause: it goes on after its end.")
        conditions = self.conditions.get(test, ())
        return Filter(test, frozenset(self.operators), self.clause_count, conditions)

    def parse_or(self) -> RowPredicate:
        parts = [self.parse_and()]
        while self.peek("operator", "or"):
            self.expect("operator")
            parts.append(self.parse_and())
        if len(parts) == 1:
            return parts[0]
        return self.note_either(lambda row: any(part(row) for part in parts), parts)

    def note_either(self, test: RowPredicate, parts: Sequence[RowPredicate]) -> RowPredicate:
        """Note the condition of alternatives that compare one property in one way."""
        alike = [self.conditions[part][0] for part in parts if part in self.whole]
        kinds = {(one.name, one.comparator, one.negated) for one in alike}
        if len(alike) == len(parts) and len(kinds) == 1 and not alike[0].negated:
            values = tuple(value for one in alike for value in one.values)
            self.conditions[test] = (Condition(alike[0].name, alike[0].comparator, values),)
        return test

    def parse_and(self) -> RowPredicate:
        parts = [self.parse_term()]
        while self.peek("operator", "and"):
            self.expect("operator")
            parts.append(self.parse_term())
        if len(parts) == 1:
            return parts[0]

        def test(row: Mapping[str, Any]) -> bool:
            return all(part(row) for part in parts)

        self.conditions[test] = tuple(
            one for part in parts for one in self.conditions.get(part, ())
        )
        return test

    def parse_term(self) -> RowPredicate:
        if self.peek("operator", "not"):
            self.expect("operator")
            self.operators.add("not")
            negated = self.parse_term()

            def test(row: Mapping[str, Any]) -> bool:
                return not negated(row)

            if negated in self.whole:
                (one,) = self.conditions[negated]
                self.conditions[test] = (replace(one, negated=not one.negated),)
                self.whole.add(test)
            return test
        for opening, closing in ("()", "{}"):
            if self.peek("mark", opening):
                self.expect("mark")
                inner = self.parse_or()
                self.expect("mark", closing)
                return inner
        return self.parse_clause(self.expect("word"))

    def parse_clause(self, name: str) -> RowPredicate:
        self.clause_count += 1
        if self.peek("mark", "("):
            return self.parse_function(name)
        if name.endswith("/$count"):
            self.operators.add("$count")
        word = self.expect("operator", *OPERATORS - {"and", "or", "not"})
        self.operators.add(word)
        if word == "in":
            wanted = self.parse_list()
            self.clause_count += len(wanted) - 1
            return lambda row: any(is_equal(row.get(name), each) for each in wanted)
        value = self.parse_value()
        if name.endswith("/$count"):
            collection = name.removesuffix("/$count")
            return lambda row: make_comparison("n", word, value)(
                {"n": len(to_list(row.get(collection)))}
            )
        comparison = make_comparison(name, word, value)
        self.conditions[comparison] = (Condition(name, word, (value,)),)
        self.whole.add(comparison)
        return comparison

    def parse_list(self) -> list[Any]:
        self.expect("mark", "(")
        values = [self.parse_value()]
        while self.peek("mark", ","):
            self.expect("mark")
            values.append(self.parse_value())
        self.expect("mark", ")")
        return values

    def parse_value(self) -> Any:
        return self.expect("value") if self.peek("value") else self.expect("word")

    def parse_function(self, name: str) -> RowPredicate:
        self.expect("mark", "(")
        folded = name.casefold()
        if folded.endswith("/any"):
            return self.parse_any(name[: -len("/any")])
        if folded not in ("startswith", "endswith"):
            raise InvalidFilter(f"Invalid filter clause: the function {name} is not known.")
        self.operators.add(folded)
        field = self.expect("word")
        self.expect("mark", ",")
        wanted = str(self.expect("value")).casefold()
        self.expect("mark", ")")
        if folded == "startswith":
            return lambda row: str(row.get(field) or "").casefold().startswith(wanted)
        return lambda row: str(row.get(field) or "").casefold().endswith(wanted)

    def parse_any(self, collection: str) -> RowPredicate:
        self.operators.add("any")
        variable = self.expect("word")
        self.expect("mark", ":")
        inner = self.parse_or()
        self.expect("mark", ")")

        def test(row: Mapping[str, Any]) -> bool:
            parts = to_list(row.get(collection))
            return any(inner(bind_variable(variable, part)) for part in parts)

        return test


def bind_variable(variable: str, part: object) -> Mapping[str, Any]:
    """Binds a lambda's variable: `p/servicePlanId` becomes an ordinary name."""
    if isinstance(part, Mapping):
        return {f"{variable}/{name}": value for name, value in part.items()}
    return {variable: part}


def parse_filter(text: str) -> Filter:
    """Parses a filter in either language. Raises InvalidFilter."""
    return FilterParser(text).parse() if text.strip() else MATCH_ALL


class Snapshots:
    """Listings cut into pages. A page's token identifies a listing that no longer changes."""

    def __init__(self) -> None:
        self.listings: OrderedDict[str, tuple[Sequence[Row], object]] = OrderedDict()
        self.count = 0
        self.row_count = 0

    def store_listing(self, name: str, rows: Sequence[Row], query_key: object) -> None:
        """Stores a listing and drops the oldest ones beyond the limit."""
        self.listings[name] = (rows, query_key)
        self.row_count += len(rows)
        while len(self.listings) > (
            SNAPSHOTS_KEPT if self.row_count <= ROWS_KEPT else LARGE_SNAPSHOTS_KEPT
        ):
            _, (oldest, _) = self.listings.popitem(last=False)
            self.row_count -= len(oldest)

    def cut_page(
        self, rows: Sequence[Row], size: int, query_key: object, name: str = "", start: int = 0
    ) -> tuple[Sequence[Row], str]:
        """One page and the token of the next, empty at the end. `query_key` ties it to its
        query.
        """
        part = rows[start : start + size]
        if start + size >= len(rows):
            return part, ""
        if not name:
            self.count += 1
            name = str(self.count)
            self.store_listing(name, rows, query_key)
        return part, urlsafe_b64encode(f"{name}.{start + size}".encode()).decode().rstrip("=")

    def parse_token(self, token: str) -> tuple[str, int]:
        """The name of a token's listing and the row it stands for. Raises KeyError."""
        try:
            name, start = urlsafe_b64decode(token + "==").decode().split(".")
            return name, int(start)
        except ValueError as error:
            raise KeyError(token) from error

    def get_query_key(self, token: str) -> object:
        """The query that a token belongs to. Raises KeyError."""
        return self.listings[self.parse_token(token)[0]][1]

    def resume_listing(self, token: str, size: int, query_key: object) -> tuple[Sequence[Row], str]:
        """The page of a token. Raises KeyError if the token belongs to another query."""
        name, position = self.parse_token(token)
        rows, known = self.listings[name]
        if known != query_key:
            raise KeyError(token)
        return self.cut_page(rows, size, query_key, name, position)
