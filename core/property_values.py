"""What a setting's value says, however it is printed. Pure.

Exchange prints a boolean as one or as the word "True", a list of one element as the element, an
empty one as null; names of enumerations differ in case. None always means: it cannot be told.
"""

import re
from collections.abc import Mapping

type Scalar = bool | int | str | None
type Value = Scalar | tuple[str, ...]


def truth(value: object) -> bool | None:
    """A boolean, also as a word."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(folded(value)) if isinstance(value, str) else None


def number(value: object) -> int | None:
    """A whole number, also in digits."""
    if isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,15}\s*", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def folded(text: str) -> str:
    """A text as it is compared: case and the space around a colon say nothing."""
    return re.sub(r"\s*:\s*", ":", text.strip()).casefold()


def texts(value: object) -> frozenset[str] | None:
    """The entries of a list, each as it is compared; null is no entry."""
    if value is None or value == "":
        return frozenset()
    entries = value if isinstance(value, list | tuple) else [value]
    found = [folded(entry) for entry in entries if isinstance(entry, str)]
    return frozenset(filter(None, found)) if len(found) == len(entries) else None


def same(found: object, wanted: Value) -> bool | None:
    """Whether what was found is what is wanted. Null is only the same as null, or an empty list."""
    if isinstance(wanted, tuple):
        entries = texts(found)
        return None if entries is None else entries == texts(wanted)
    if wanted is None:
        return found is None or found == ""
    if found is None or isinstance(found, Mapping | list):
        return None
    if isinstance(wanted, bool):
        told = truth(found)
        return None if told is None else told is wanted
    if isinstance(wanted, int):
        counted = number(found)
        return counted == wanted if counted is not None else False if words(found) else None
    return folded(found) == folded(wanted) if isinstance(found, str) else None


def words(value: object) -> bool:
    """True for a text that says something else than a number, such as Unlimited."""
    return isinstance(value, str) and bool(value.strip()) and number(value) is None


def property_of(values: Mapping[str, object], name: str) -> tuple[bool, object]:
    """Whether a property is shown, and what it is; a dot leads into an object.

    What is inside of an object that is null is shown, as null.
    """
    found: object = values
    for step in name.split("."):
        if found is None:
            return True, None
        if not isinstance(found, Mapping) or step not in found:
            return False, None
        found = found[step]
    return True, found
