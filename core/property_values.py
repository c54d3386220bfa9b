"""What a setting's value says, however it is printed. Pure.

Exchange prints a boolean as one or as the word "True", a list of one element as the element, an
empty one as null; names of enumerations differ in case. None always means: it cannot be told.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

PRINTED_SPAN = re.compile(r"(?:([0-9]{1,5})\.)?[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,7})?")
CUT_OFF = re.compile(r"[0-9,]+ more, [0-9a-f]{12}")
"""What ends a list that was cut, in place of its further entries."""
PRINTED_INT = re.compile(r"\s*-?(?:[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4})\s*")

type Scalar = bool | int | str | None
type Value = Scalar | tuple[str, ...]


def parse_printed_bool(value: object) -> bool | None:
    """A boolean, also as a word."""
    if isinstance(value, bool):
        return value
    return (
        {"true": True, "false": False}.get(fold_printed_text(value))
        if isinstance(value, str)
        else None
    )


def parse_printed_int(value: object) -> int | None:
    """A whole number, also in digits, plain or grouped by commas."""
    if isinstance(value, str) and PRINTED_INT.fullmatch(value):
        return int(value.replace(",", ""))
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def fold_printed_text(text: str) -> str:
    """A text as it is compared: case and the space around a colon say nothing."""
    return re.sub(r"\s*:\s*", ":", text.strip()).casefold()


def parse_printed_list(value: object) -> frozenset[str] | None:
    """The entries of a list, each as it is compared; null is no entry."""
    if value is None or value == "":
        return frozenset()
    entries = value if isinstance(value, list | tuple) else [value]
    found = [fold_printed_text(entry) for entry in entries if isinstance(entry, str)]
    return frozenset(filter(None, found)) if len(found) == len(entries) else None


def matches_value(found: object, expected: Value) -> bool | None:
    """Whether what was found is what is wanted. Null is only the same as null, or an empty list."""
    if isinstance(expected, tuple):
        entries = parse_printed_list(found)
        return None if entries is None else entries == parse_printed_list(expected)
    if expected is None:
        return found is None or found == ""
    if found is None or isinstance(found, Mapping | list):
        return None
    if isinstance(expected, bool):
        known = parse_printed_bool(found)
        return None if known is None else known is expected
    if isinstance(expected, int):
        counted = parse_printed_int(found)
        return (
            counted == expected
            if counted is not None
            else False
            if is_nonnumeric_text(found)
            else None
        )
    return (
        fold_printed_text(found) == fold_printed_text(expected) if isinstance(found, str) else None
    )


def is_nonnumeric_text(value: object) -> bool:
    """True for a text that says something else than a number, such as Unlimited."""
    return isinstance(value, str) and bool(value.strip()) and parse_printed_int(value) is None


NOTHING = object()
"""What a list holds that has no entry of a name."""


def find_entry(entries: Sequence[object], identity: str) -> object:
    """The only object of a list with an id, compared without case; NOTHING for none or several."""
    found = [
        entry
        for entry in entries
        if isinstance(entry, Mapping) and str(entry.get("id")).casefold() == identity.casefold()
    ]
    return found[0] if len(found) == 1 else NOTHING


def get_named_value(values: Mapping[str, object], name: str) -> object:
    """The value under a name, which may be printed in another case; NOTHING if it is not there.

    PowerShell does not tell case apart, so documents differ in it (CustomerLockBoxEnabled).
    """
    if name in values:
        return values[name]
    found = [key for key in values if key.casefold() == name.casefold()]
    return values[found[0]] if len(found) == 1 else NOTHING


def find_property(values: Mapping[str, object], name: str) -> tuple[bool, object]:
    """Whether a property is shown, and what it is; a dot leads into an object.

    In a list of objects it leads to the one with that `id`. What is inside of an object that is
    null is shown, as null.
    """
    found: object = values
    for step in name.split("."):
        if found is None:
            return True, None
        if isinstance(found, list | tuple):
            found = find_entry(found, step)
        else:
            found = get_named_value(found, step) if isinstance(found, Mapping) else NOTHING
        if found is NOTHING:
            return False, None
    return True, found


def get_value(values: Mapping[str, object], name: str) -> object:
    """A property; None where it is not set. Raises ValueError for one inside of no object."""
    is_shown, value = find_property(values, name)
    if is_shown:
        return value
    outer = name.rpartition(".")[0]
    if outer and not holds_properties(get_value(values, outer)):
        raise ValueError(f"{outer} is no object")
    return None


def holds_properties(value: object) -> bool:
    """Whether a value can hold others: an object, a list of objects with ids, or nothing at all."""
    if isinstance(value, list | tuple):
        return all(isinstance(entry, Mapping) and "id" in entry for entry in value)
    return value is None or isinstance(value, Mapping)


def get_text(values: Mapping[str, object], name: str) -> str:
    """A property as text; empty where it is not set. Raises ValueError for what is no text."""
    value = get_value(values, name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value.strip()


def show_text(values: Mapping[str, object], name: str) -> str:
    """A property as people are shown it, where nothing depends on it; empty for what is no text."""
    value = find_property(values, name)[1]
    return value.strip() if isinstance(value, str) else ""


def get_time(values: Mapping[str, object], name: str) -> datetime | None:
    """A property as a time in UTC; None where it is none, and for the year 1, by which .NET says
    so. Graph writes up to seven decimals.
    """
    text = re.sub(r"(\.\d{6})\d+", r"\1", get_text(values, name))
    try:
        found = datetime.fromisoformat(text)
        if found.year == 1:
            return None
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def get_days(values: Mapping[str, object], name: str) -> int | None:
    """A span of time as Exchange prints it, `14.00:00:00`, in whole days; None where it is none."""
    span = PRINTED_SPAN.fullmatch(get_text(values, name))
    return int(span[1] or 0) if span else None


def get_texts(values: Mapping[str, object], name: str) -> tuple[str, ...]:
    """A property as a list of texts; an entry that is an object gives its domain or address.

    The only entry may be printed without its list, and reads as it does in one. Raises ValueError
    for an entry that says nothing of that kind.
    """
    entries = list_entries(values, name)
    texts = [find_first_text(entry).strip() for entry in entries]
    if any(not text and entry for text, entry in zip(texts, entries, strict=True)):
        raise ValueError(f"{name} has an entry that is no text")
    return tuple(filter(None, texts))


def list_entries(values: Mapping[str, object], name: str) -> Sequence[object]:
    """The entries of a list, which may be printed without it where there is only one."""
    value = get_value(values, name)
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def find_first_text(entry: object, depth: int = 3) -> str:
    """What an entry of a list says: itself, or the address or domain inside of an object."""
    if isinstance(entry, str):
        return entry
    if not isinstance(entry, Mapping) or not depth:
        return ""
    parts = (entry.get("Address"), entry.get("Domain"), *entry.values())
    return next((text for one in parts if (text := find_first_text(one, depth - 1))), "")


def get_objects(values: Mapping[str, object], name: str) -> tuple[Mapping[str, object], ...]:
    """A property as a list of objects. Raises ValueError for an entry that is none, unless it says
    that the list was cut there.
    """
    entries = [
        entry
        for entry in list_entries(values, name)
        if entry not in (None, "") and not (isinstance(entry, str) and CUT_OFF.fullmatch(entry))
    ]
    found = tuple(entry for entry in entries if isinstance(entry, Mapping))
    if len(found) < len(entries):
        raise ValueError(f"{name} has an entry that is no object")
    return found


def get_flag(values: Mapping[str, object], name: str, default: bool) -> bool:
    """A property as true or false; the default where it is not set. Raises ValueError for what is
    neither.
    """
    value = get_value(values, name)
    if value is None or value == "":
        return default
    known = parse_printed_bool(value)
    if known is None:
        raise ValueError(f"{name} is neither true nor false")
    return known
