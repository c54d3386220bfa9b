"""A setting as the page of settings shows it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting that is in force."""

    name: str
    value: str
    """Its text; of a secret, only that it is set. Empty: it is not set."""
    is_default: bool
    help: str
