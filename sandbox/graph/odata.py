"""Filters and pages over rows, in the two query languages of Microsoft 365.

Graph speaks OData (`accountEnabled eq true`), Exchange OPATH (`AuditEnabled -eq $true`). The
grammar is one: comparisons joined by not, and, or; only the words differ.
"""

import operator
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate
from typing import Any

from sandbox.http_types import Row, words

type Test = Callable[[Mapping[str, Any]], bool]

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
WORDS = frozenset(words("eq ne gt ge lt le like notlike and or not in"))
CONSTANTS = {"true": True, "false": False, "null": None}
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
# As many listings are kept as are under way together in any test, and of large ones fewer.
SNAPSHOTS_KEPT = 256
LARGE_SNAPSHOTS_KEPT = 8
ROWS_KEPT = 1_000_000


class BadFilter(Exception):
    """A filter that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter ready for use. `operators` are the words it uses, `clauses` its comparisons."""

    test: Test
    operators: frozenset[str]
    clauses: int


EVERYTHING = Filter(lambda row: True, frozenset(), 0)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    value: Any


def tokens_of(text: str) -> list[Token]:
    """Split a filter into words, `-eq` and `eq` alike. Raises BadFilter."""
    tokens = []
    position = 0
    text = text.rstrip()
    while position < len(text):
        found = TOKEN.match(text, position)
        if found is None:
            raise BadFilter(f"Invalid filter clause at position {position}.")
        position = found.end()
        kind, value = str(found.lastgroup), found[str(found.lastgroup)]
        lowered = value.casefold().lstrip("-$")
        if kind == "text":
            tokens.append(Token("value", value[1:-1].replace(value[0] * 2, value[0])))
        elif kind == "date":
            tokens.append(Token("value", value))
        elif kind == "number":
            tokens.append(Token("value", float(value)))
        elif kind == "operator" or (kind == "word" and lowered in WORDS):
            tokens.append(Token("operator", lowered))
        elif kind == "word" and lowered in CONSTANTS:
            tokens.append(Token("value", CONSTANTS[lowered]))
        else:
            tokens.append(Token(kind, value))
    return tokens


def plain(value: object) -> object:
    """A value in the form comparisons are made in: folded text, numbers, booleans, None."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return float(value)
    folded = str(value).casefold()
    return CONSTANTS[folded] if folded in ("true", "false") else folded


def equal(actual: object, wanted: object) -> bool:
    """Equality as the services see it: any element of a list will do, `smtp:` may be left out."""
    if isinstance(actual, list):
        return any(equal(part, wanted) for part in actual) if actual else wanted is None
    left, right = plain(actual), plain(wanted)
    if left == right:
        return True
    return isinstance(left, str) and isinstance(right, str) and left == f"smtp:{right}"


def ordered(actual: object, wanted: object, comparator: str) -> bool:
    left, right = plain(actual), plain(wanted)
    if isinstance(left, str) and isinstance(right, str):
        return ORDER[comparator](left, right)
    if isinstance(left, float) and isinstance(right, float):
        return ORDER[comparator](left, right)
    return False


def comparison(name: str, comparator: str, wanted: object) -> Test:
    """The test of one comparison; a property a row does not have is null."""
    match comparator:
        case "eq":
            return lambda row: equal(row.get(name), wanted)
        case "ne":
            return lambda row: not equal(row.get(name), wanted)
        case "like" | "notlike":
            pattern = re.compile(translate(str(wanted)), re.IGNORECASE)
            hit = comparator == "like"
            return lambda row: (
                any(pattern.match(str(part)) is not None for part in listed(row.get(name))) is hit
            )
        case _:
            return lambda row: ordered(row.get(name), wanted, comparator)


def listed(value: object) -> list[Any]:
    """A value as a list: none, the one, or the list it is."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


class Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens_of(text)
        self.position = 0
        self.operators: set[str] = set()
        self.clauses = 0

    def peek(self, kind: str, *values: str) -> bool:
        if self.position >= len(self.tokens):
            return False
        token = self.tokens[self.position]
        return token.kind == kind and (not values or token.value in values)

    def take(self, kind: str, *values: str) -> Any:
        if not self.peek(kind, *values):
            raise BadFilter(f"Invalid filter clause: {' or '.join(values) or kind} was expected.")
        self.position += 1
        return self.tokens[self.position - 1].value

    def whole(self) -> Filter:
        test = self.either()
        if self.position != len(self.tokens):
            raise BadFilter("Invalid filter clause: it goes on after its end.")
        return Filter(test, frozenset(self.operators), self.clauses)

    def either(self) -> Test:
        left = self.both()
        while self.peek("operator", "or"):
            self.take("operator")
            left = joined(left, self.both(), any)
        return left

    def both(self) -> Test:
        left = self.term()
        while self.peek("operator", "and"):
            self.take("operator")
            left = joined(left, self.term(), all)
        return left

    def term(self) -> Test:
        if self.peek("operator", "not"):
            self.take("operator")
            self.operators.add("not")
            negated = self.term()
            return lambda row: not negated(row)
        for opening, closing in ("()", "{}"):
            if self.peek("mark", opening):
                self.take("mark")
                test = self.either()
                self.take("mark", closing)
                return test
        return self.clause(self.take("word"))

    def clause(self, name: str) -> Test:
        self.clauses += 1
        if self.peek("mark", "("):
            return self.function(name)
        if name.endswith("/$count"):
            self.operators.add("$count")
        word = self.take("operator", *WORDS - {"and", "or", "not"})
        self.operators.add(word)
        if word == "in":
            wanted = self.several()
            self.clauses += len(wanted) - 1
            return lambda row: any(equal(row.get(name), each) for each in wanted)
        value = self.value()
        if name.endswith("/$count"):
            collection = name.removesuffix("/$count")
            return lambda row: comparison("n", word, value)({"n": len(listed(row.get(collection)))})
        return comparison(name, word, value)

    def several(self) -> list[Any]:
        self.take("mark", "(")
        values = [self.value()]
        while self.peek("mark", ","):
            self.take("mark")
            values.append(self.value())
        self.take("mark", ")")
        return values

    def value(self) -> Any:
        return self.take("value") if self.peek("value") else self.take("word")

    def function(self, name: str) -> Test:
        self.take("mark", "(")
        folded = name.casefold()
        if folded.endswith("/any"):
            return self.lambda_any(name[: -len("/any")])
        if folded not in ("startswith", "endswith"):
            raise BadFilter(f"Invalid filter clause: the function {name} is not known.")
        self.operators.add(folded)
        field = self.take("word")
        self.take("mark", ",")
        wanted = str(self.take("value")).casefold()
        self.take("mark", ")")
        if folded == "startswith":
            return lambda row: str(row.get(field) or "").casefold().startswith(wanted)
        return lambda row: str(row.get(field) or "").casefold().endswith(wanted)

    def lambda_any(self, collection: str) -> Test:
        self.operators.add("any")
        variable = self.take("word")
        self.take("mark", ":")
        inner = self.either()
        self.take("mark", ")")

        def test(row: Mapping[str, Any]) -> bool:
            parts = listed(row.get(collection))
            return any(inner(bound(variable, part)) for part in parts)

        return test


def bound(variable: str, part: object) -> Mapping[str, Any]:
    """A lambda's variable with what it stands for: `p/servicePlanId` is a name like any other."""
    if isinstance(part, Mapping):
        return {f"{variable}/{name}": value for name, value in part.items()}
    return {variable: part}


def joined(left: Test, right: Test, how: Callable[[list[bool]], bool]) -> Test:
    return lambda row: how([left(row), right(row)])


def parse_filter(text: str) -> Filter:
    """A filter from its text, in either language. Raises BadFilter."""
    return Parser(text).whole() if text.strip() else EVERYTHING


class Snapshots:
    """Listings cut in pages. A page's token names a listing that no longer changes under it."""

    def __init__(self) -> None:
        self.kept: OrderedDict[str, tuple[Sequence[Row], str]] = OrderedDict()
        self.count = 0
        self.rows = 0

    def keep(self, name: str, rows: Sequence[Row], mark: str) -> None:
        """Remember a listing and forget the oldest ones that are too much."""
        self.kept[name] = (rows, mark)
        self.rows += len(rows)
        while len(self.kept) > (SNAPSHOTS_KEPT if self.rows <= ROWS_KEPT else LARGE_SNAPSHOTS_KEPT):
            _, (oldest, _) = self.kept.popitem(last=False)
            self.rows -= len(oldest)

    def page(
        self, rows: Sequence[Row], size: int, mark: str, name: str = "", start: int = 0
    ) -> tuple[Sequence[Row], str]:
        """One page and the token of the next, empty at the end. `mark` ties it to its question."""
        part = rows[start : start + size]
        if start + size >= len(rows):
            return part, ""
        if not name:
            self.count += 1
            name = str(self.count)
            self.keep(name, rows, mark)
        return part, urlsafe_b64encode(f"{name}.{start + size}".encode()).decode().rstrip("=")

    def resume(self, token: str, size: int, mark: str) -> tuple[Sequence[Row], str]:
        """The page a token stands for. Raises KeyError for one that answers another question."""
        try:
            name, start = urlsafe_b64decode(token + "==").decode().split(".")
            rows, known = self.kept[name]
            position = int(start)
        except ValueError as error:
            raise KeyError(token) from error
        if known != mark:
            raise KeyError(token)
        return self.page(rows, size, mark, name, position)
