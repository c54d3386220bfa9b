"""The nouns of the baseline: what a setting should be, and how a value is compared with that. Pure.

The rows themselves are `core/guards/tenant_baseline/baseline.json`;
`core.guards.tenant_baseline.rule_file` reads and checks them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from core.property_values import Scalar, Value, folded, number, same, texts, words

type Test = Callable[[object, tuple[Value, ...]], bool | None]


def any_of(found: object, values: tuple[Value, ...]) -> bool | None:
    """One of several; unknown only while none of them is it and one could be."""
    answers = {same(found, value) for value in values}
    return True if True in answers else None if None in answers else False


def at_least(found: object, values: tuple[Value, ...]) -> bool | None:
    """A number that is large enough. Where nothing is set, nothing is asked for."""
    return bounded(found, values[0], lambda counted, limit: counted >= limit)


def at_most(found: object, values: tuple[Value, ...]) -> bool | None:
    """A number that is small enough. Nothing set, or Unlimited, is no limit."""
    return bounded(found, values[0], lambda counted, limit: counted <= limit)


def bounded(found: object, limit: Value, fits: Callable[[int, int], bool]) -> bool | None:
    counted, wanted = number(found), number(limit)
    if counted is None or wanted is None:
        return False if found is None or words(found) else None
    return fits(counted, wanted)


def present(found: object, values: tuple[Value, ...]) -> bool | None:
    """Something is there."""
    entries = texts(found)
    if entries is None:
        return True if isinstance(found, bool | int) else None
    return bool(entries)


def within(found: object, values: tuple[Value, ...]) -> bool | None:
    """A list with no entry but these."""
    entries = texts(found)
    return None if entries is None else entries <= (texts(values) or frozenset())


# What an entry of a sharing policy lets others see, from little to much. ContactsSharing stands
# beside the calendar (Microsoft Learn: Set-SharingPolicy, parameter Domains).
CALENDAR = (
    "calendarsharingfreebusysimple",
    "calendarsharingfreebusydetail",
    "calendarsharingfreebusyreviewer",
)


def shared(entry: str) -> tuple[str, int, frozenset[str]]:
    """Of an entry of a sharing policy: with whom, how much of the calendar, and what else.

    An action nobody knows here counts as something else, so that it is never taken for little.
    """
    domain, _, actions = folded(entry).partition(":")
    names = frozenset(name.strip() for name in actions.split(",") if name.strip())
    levels = [CALENDAR.index(name) + 1 for name in names if name in CALENDAR]
    return domain.strip(), max(levels, default=0), names - set(CALENDAR)


def wider(found: object, values: tuple[Value, ...]) -> frozenset[str]:
    """The entries of a sharing policy that show more than the declared ones do.

    `*` stands for every domain, but not for Anonymous, which is everybody on the internet.
    """
    declared = {domain: (level, more) for domain, level, more in map(shared, texts(values) or ())}
    result = set()
    for entry in texts(found) or ():
        domain, level, more = shared(entry)
        usual = declared.get("*", (0, frozenset())) if domain != "anonymous" else (0, frozenset())
        most, also = declared.get(domain, usual)
        if level > most or not more <= also:
            result.add(entry)
    return frozenset(result)


def shares_at_most(found: object, values: tuple[Value, ...]) -> bool | None:
    """A sharing policy that is not wider than declared."""
    return None if texts(found) is None else not wider(found, values)


TESTS: Mapping[str, Test] = {
    "is": lambda found, values: same(found, values[0]),
    "one_of": any_of,
    "at_least": at_least,
    "at_most": at_most,
    "present": present,
    "within": within,
    "shares_at_most": shares_at_most,
}
DEFINITE = frozenset({"is", "one_of", "at_least", "at_most"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a value should be: a test of `TESTS`, and what it is compared with."""

    test: str
    values: tuple[Value, ...] = ()

    def fits(self, found: object) -> bool | None:
        """Whether a value is as wanted; None when that cannot be told."""
        return TESTS[self.test](found, self.values)

    @property
    def repair(self) -> Value:
        """The value to write: the first that fits. None where the test names none."""
        return self.values[0] if self.test in DEFINITE else None

    def beyond(self, found: object) -> frozenset[str]:
        """The entries of a list that should not be in it."""
        if self.test == "within":
            return (texts(found) or frozenset()) - (texts(self.values) or frozenset())
        return wider(found, self.values) if self.test == "shares_at_most" else frozenset()

    def __str__(self) -> str:
        shown = ", ".join(printed(value) for value in self.values)
        return shown if self.test == "is" else f"{self.test.replace('_', ' ')} {shown}".strip()


def printed(value: object) -> str:
    """A value as people and Exchange write it."""
    if isinstance(value, tuple | list):
        return "[" + ", ".join(printed(part) for part in value) + "]"
    return "not set" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Off:
    """Somebody's decision to do without a row, until a day and no longer."""

    who: str
    why: str
    until: date


@dataclass(frozen=True, slots=True)
class Row:
    """One setting of the organization: where it is read, what it should be, and why.

    `property` is a name, with dots into an object. `where` limits the row to objects with these
    values; `unknown` are values that say the decision is left to somebody else. `remedy` is the
    command or the click that sets it; `<identity>` in it stands for the object.
    """

    id: str
    source: str
    property: str
    wanted: Wanted
    severity: str
    why: str
    reference: str
    remedy: str
    where: tuple[tuple[str, Scalar], ...] = ()
    unknown: tuple[str, ...] = ()
    off: Off | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """The rows in force, and the ids of those that may be written."""

    rows: tuple[Row, ...] = ()
    enforced: frozenset[str] = field(default_factory=frozenset)
