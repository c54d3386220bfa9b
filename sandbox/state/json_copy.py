"""Copies of scenes and of their defaults, which are copied often and can be large."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

ATOMS = (str, int, float, type(None))


def copy_json(value: Any) -> Any:
    """Copies what was read from JSON. `copy.deepcopy` looks for parts that occur twice, of which
    JSON has none, and takes several times as long.
    """
    if isinstance(value, dict):
        return {name: copy_json(part) for name, part in value.items()}
    if isinstance(value, list):
        return [copy_json(part) for part in value]
    return value if isinstance(value, ATOMS) else deepcopy(value)


def add_missing(section: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Adds copies of the defaults that a section lacks."""
    for name, value in defaults.items():
        if name not in section:
            section[name] = copy_json(value)
