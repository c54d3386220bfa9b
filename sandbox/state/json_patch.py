"""Small edits of a scene by JSON pointer, with which demos and tests change the tenant."""

from collections.abc import Sequence
from typing import Any

NAMING_PROPERTIES = (
    "id",
    "userPrincipalName",
    "Identity",
    "Guid",
    "UserPrincipalName",
    "Name",
    "DomainName",
)


def split_pointer(pointer: str) -> list[str]:
    """Splits a JSON pointer into its steps (RFC 6901)."""
    if not pointer.startswith("/"):
        raise ValueError(f"a path starts with a slash: {pointer!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer[1:].split("/")]


def find_position(rows: list[Any], step: str) -> int:
    """Finds the list position a step points to: a number, or the name of an object in the list."""
    if step.isdigit() and int(step) < len(rows):
        return int(step)
    wanted = step.casefold()
    for position, row in enumerate(rows):
        if isinstance(row, dict) and any(
            str(row.get(name)).casefold() == wanted for name in NAMING_PROPERTIES
        ):
            return position
    raise LookupError(f"nothing is at {step!r}")


def find_key(value: Any, step: str) -> Any:
    """Finds the key or position of what is one step down."""
    if isinstance(value, list):
        return find_position(value, step)
    if isinstance(value, dict) and step in value:
        return step
    raise LookupError(f"nothing is at {step!r}")


def apply_edit(value: Any, way: Sequence[str], operation: str, part: Any) -> Any:
    """Makes one edit at the end of a way: `set` sets a value, `add` appends to a list or sets,
    `remove` deletes.

    What lies on the way is copied, with objects that are missing there if a value is to be put into
    them; all else is shared.
    """
    step, *rest = way
    if not rest:
        return edit_here(value, step, operation, part)
    if isinstance(value, dict) and step not in value and operation != "remove":
        return {**value, step: apply_edit({}, rest, operation, part)}
    key = find_key(value, step)
    copy = value.copy()
    copy[key] = apply_edit(value[key], rest, operation, part)
    return copy


def edit_here(value: Any, step: str, operation: str, part: Any) -> Any:
    """A copy of an object or a list with one member set, added or removed."""
    if operation == "add" and isinstance(value, dict) and isinstance(value.get(step), list):
        return {**value, step: [*value[step], part]}
    match operation, value:
        case "set" | "add", dict():
            return {**value, step: part}
        case "set", list() if step != "-":
            key = find_position(value, step)
            return [*value[:key], part, *value[key + 1 :]]
        case "add", list():
            key = len(value) if step == "-" else find_position(value, step)
            return [*value[:key], part, *value[key:]]
        case "remove", dict() | list():
            copy = value.copy()
            del copy[find_key(value, step)]
            return copy
    raise ValueError(f"no such edit: {operation!r} at {step!r}")


def apply_edits(scene: Any, edits: Sequence[Any]) -> Any:
    """A scene with edits made in order, which leaves the given one as it is. Raises ValueError or
    LookupError at the first invalid one.
    """
    for edit in edits:
        way = split_pointer(str(edit.get("path")))
        scene = apply_edit(scene, way, str(edit.get("op")), edit.get("value"))
    return scene
