"""The nouns of the baseline: what a setting should be, and how a value is compared with that. Pure.

The rows themselves are `core/guards/tenant_baseline/baseline.json`;
`core.guards.tenant_baseline.rule_file` reads and checks them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from core.property_values import (
    Scalar,
    Value,
    fold_printed_text,
    is_nonnumeric_text,
    matches_value,
    parse_printed_int,
    parse_printed_list,
)

type ValueTest = Callable[[object, tuple[Value, ...]], bool | None]


def matches_any(found: object, values: tuple[Value, ...]) -> bool | None:
    """One of several; unknown only while none of them is it and one could be."""
    answers = {matches_value(found, value) for value in values}
    return True if True in answers else None if None in answers else False


def is_at_least(found: object, values: tuple[Value, ...]) -> bool | None:
    """A number that is large enough. Where nothing is set, nothing is asked for."""
    return compare_number(found, values[0], lambda counted, limit: counted >= limit)


def is_at_most(found: object, values: tuple[Value, ...]) -> bool | None:
    """A number that is small enough. Nothing set, or Unlimited, is no limit."""
    return compare_number(found, values[0], lambda counted, limit: counted <= limit)


def compare_number(found: object, limit: Value, compare: Callable[[int, int], bool]) -> bool | None:
    counted, wanted = parse_printed_int(found), parse_printed_int(limit)
    if counted is None or wanted is None:
        return False if found is None or is_nonnumeric_text(found) else None
    return compare(counted, wanted)


def is_present(found: object, values: tuple[Value, ...]) -> bool | None:
    """Something is there."""
    entries = parse_printed_list(found)
    if entries is None:
        return True if isinstance(found, bool | int) else None
    return bool(entries)


def is_subset(found: object, values: tuple[Value, ...]) -> bool | None:
    """A list with no entry but these."""
    entries = parse_printed_list(found)
    return None if entries is None else entries <= (parse_printed_list(values) or frozenset())


# What an entry of a sharing policy lets others see, from little to much: only when somebody is
# busy; subjects and places as well; whole meetings with their participants. ContactsSharing stands
# beside the calendar (Microsoft Learn: Set-SharingPolicy, parameter Domains).
NO_ACTION = "0"
CALENDAR_LEVELS = (
    "calendarsharingfreebusysimple",
    "calendarsharingfreebusydetail",
    "calendarsharingfreebusyreviewer",
)


def parse_sharing_entry(entry: str) -> tuple[str, int, frozenset[str]]:
    """Of an entry of a sharing policy: with whom, how much of the calendar, and what else.

    An unknown action counts as something else, so that it is never taken for a small share; 0,
    which Exchange prints where no action is left, shares nothing.
    """
    domain, _, actions = fold_printed_text(entry).partition(":")
    names = frozenset(name.strip() for name in actions.split(",")) - {"", NO_ACTION}
    levels = [CALENDAR_LEVELS.index(name) + 1 for name in names if name in CALENDAR_LEVELS]
    return domain.strip(), max(levels, default=0), names - set(CALENDAR_LEVELS)


def describe_sharing_entry(entry: str) -> str:
    """Who sees what by an entry of a sharing policy: calendars in full or in part, contacts."""
    domain, level, more = parse_sharing_entry(entry)
    others = {"anonymous": "everybody on the internet", "*": "everybody in any organization"}
    sees = [
        ("", "when people are busy", "calendars in part", "calendars in full")[level],
        "contacts" if "contactssharing" in more else "",
        "what this version does not know" if more - {"contactssharing"} else "",
    ]
    shown = " and ".join(filter(None, sees)) or "nothing"
    return f"{others.get(domain, 'that domain')} sees {shown}"


def find_wider_entries(found: object, values: tuple[Value, ...]) -> frozenset[str]:
    """The entries of a sharing policy that show more than the declared ones do.

    `*` stands for every domain, but not for Anonymous, which is everybody on the internet.
    """
    declared = {
        domain: (level, more)
        for domain, level, more in map(parse_sharing_entry, parse_printed_list(values) or ())
    }
    result = set()
    for entry in parse_printed_list(found) or ():
        domain, level, more = parse_sharing_entry(entry)
        usual = declared.get("*", (0, frozenset())) if domain != "anonymous" else (0, frozenset())
        most, also = declared.get(domain, usual)
        if level > most or not more <= also:
            result.add(entry)
    return frozenset(result)


def shares_at_most(found: object, values: tuple[Value, ...]) -> bool | None:
    """A sharing policy that is not wider than declared."""
    return None if parse_printed_list(found) is None else not find_wider_entries(found, values)


SHARING_TEST = "shares_at_most"
TESTS: Mapping[str, ValueTest] = {
    "is": lambda found, values: matches_value(found, values[0]),
    "one_of": matches_any,
    "at_least": is_at_least,
    "at_most": is_at_most,
    "present": is_present,
    "within": is_subset,
    SHARING_TEST: shares_at_most,
}
TESTS_WITH_TARGET = frozenset({"is", "one_of", "at_least", "at_most"})


@dataclass(frozen=True, slots=True)
class ExpectedValue:
    """What a value should be: a test of `TESTS`, and what it is compared with."""

    test: str
    values: tuple[Value, ...] = ()

    def matches(self, found: object) -> bool | None:
        """Whether a value is as wanted; None when that cannot be told."""
        return TESTS[self.test](found, self.values)

    @property
    def target_value(self) -> Value:
        """The value to write: the first that fits. None where the test names none."""
        return self.values[0] if self.test in TESTS_WITH_TARGET else None

    def find_excess(self, found: object) -> frozenset[str]:
        """The entries of a list that should not be in it."""
        if self.test == "within":
            return (parse_printed_list(found) or frozenset()) - (
                parse_printed_list(self.values) or frozenset()
            )
        return (
            find_wider_entries(found, self.values) if self.test == "shares_at_most" else frozenset()
        )

    @property
    def requirement(self) -> str:
        """What the value should do, as the end of a sentence: "be False", "not be empty"."""
        shown = [format_setting_value(value) for value in self.values]
        match self.test:
            case "is":
                return f"be {shown[0]}"
            case "one_of":
                *others, last = shown
                return f"be {f'{", ".join(others)} or {last}' if others else last}"
            case "at_least" | "at_most":
                return f"be {self.test.replace('_', ' ')} {shown[0]}"
            case "present":
                return "not be empty"
            case "within":
                return f"have no entry but {', '.join(shown) or 'none'}"
            case _:
                return f"share no more than {', '.join(shown) or 'nothing'}"

    def __str__(self) -> str:
        shown = ", ".join(format_setting_value(value) for value in self.values)
        return shown if self.test == "is" else f"{self.test.replace('_', ' ')} {shown}".strip()


def format_setting_value(value: object) -> str:
    """A value as people and Exchange write it."""
    if isinstance(value, tuple | list):
        shown = ", ".join(format_setting_value(part) for part in value)
        return f"[{shown}]" if value else "empty"
    if isinstance(value, str) and not value.strip():
        return "empty"
    return "not set" if value is None else str(value)


@dataclass(frozen=True, slots=True)
class RowWaiver:
    """Somebody's decision to do without a row, until a day and no longer."""

    granted_by: str
    reason: str
    until: date


@dataclass(frozen=True, slots=True)
class BaselineRow:
    """One setting of the organization: where it is read, what it should be, and why.

    `property` is a name, with dots into an object. `where` limits the row to objects with these
    values; `unknown` are values that say the decision is left to somebody else. `remedy` is the
    command or the click that sets it; `<identity>` in it stands for the object.
    """

    id: str
    source: str
    property_name: str
    expected: ExpectedValue
    severity: str
    rationale: str
    reference: str
    remedy: str
    where: tuple[tuple[str, Scalar], ...] = ()
    undecided_values: tuple[str, ...] = ()
    waiver: RowWaiver | None = None


@dataclass(frozen=True, slots=True)
class Baseline:
    """The rows in force, and the ids of those that may be written."""

    rows: tuple[BaselineRow, ...] = ()
    enforced: frozenset[str] = field(default_factory=frozenset)
    allowed_forward_domains: frozenset[str] = field(default_factory=frozenset)
    """Outside domains to which mail may be forwarded, whatever the rows say; in lower case."""
