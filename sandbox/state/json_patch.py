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
    for position, row in enumerate(rows):
        if isinstance(row, dict) and any(
            str(row.get(name)).casefold() == step.casefold() for name in NAMING_PROPERTIES
        ):
            return position
    raise LookupError(f"nothing is at {step!r}")


def descend(value: Any, step: str, create: bool) -> Any:
    """Takes one step down. Creates a missing object on the way if a value is to be put there."""
    if isinstance(value, list):
        return value[find_position(value, step)]
    if isinstance(value, dict):
        if step not in value and create:
            value[step] = {}
        if step in value:
            return value[step]
    raise LookupError(f"nothing is at {step!r}")


def apply_edit(scene: Any, operation: str, pointer: str, value: Any) -> None:
    """Applies one edit: `set` sets a value, `add` appends to a list or sets, `remove` deletes."""
    *way, last = split_pointer(pointer)
    parent = scene
    for step in way:
        parent = descend(parent, step, create=operation != "remove")
    if operation == "add" and isinstance(parent, dict) and isinstance(parent.get(last), list):
        parent, last = parent[last], "-"
    key: Any = last if isinstance(parent, dict) or last == "-" else find_position(parent, last)
    match operation, parent:
        case "set" | "add", dict():
            parent[key] = value
        case "set", list():
            parent[key] = value
        case "add", list():
            parent.insert(len(parent) if key == "-" else key, value)
        case "remove", dict() | list():
            descend(parent, last, create=False)
            del parent[key]
        case _:
            raise ValueError(f"no such edit: {operation!r} at {pointer!r}")


def apply_edits(scene: Any, edits: Sequence[Any]) -> None:
    """Applies edits in order. Raises ValueError or LookupError at the first invalid one."""
    for edit in edits:
        apply_edit(scene, str(edit.get("op")), str(edit.get("path")), edit.get("value"))
