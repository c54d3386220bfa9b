"""The forms in which Exchange may print the values of a row."""

import re

from sandbox.http_types import Row
from sandbox.reality.profile import Reality

GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ADDRESS = re.compile(r"(?P<kind>smtp:|sip:|)(?P<name>[^@\s:]+@[\w.-]+\.[\w-]+)", re.IGNORECASE)
# Numbers that identify an object are never grouped.
IDENTIFYING_NUMBERS = frozenset({"RuleIdentity"})
# The names by which an operator knows an object stay as the scene has them.
SHOWN_NAMES = frozenset({"PrimarySmtpAddress", "UserPrincipalName", "WindowsEmailAddress"})
ENUMERATIONS = frozenset({"RecipientType", "RecipientTypeDetails", "AutoForwardingMode"})


class WireForms:
    """Prints rows as the side of `exchange-wire-forms` says."""

    def __init__(self, reality: Reality) -> None:
        side = reality.get_side("exchange-wire-forms")
        self.plain = side == "typed"
        self.text_numbers = side in ("text", "grouped", "all")
        self.grouped_digits = side in ("grouped", "all")
        self.bare_lists = side in ("bare", "all")
        self.odd_case = side in ("odd-case", "all")
        self.small_names = side == "small-names"

    def format_row(self, row: Row) -> Row:
        """Prints a row, with the annotations of its properties as they are."""
        if self.plain:
            return row
        if self.small_names:
            return {name[:1].lower() + name[1:]: value for name, value in row.items()}
        return {
            name: value if "@" in name else self.format_value(name, value)
            for name, value in row.items()
        }

    def format_value(self, name: str, value: object) -> object:
        if isinstance(value, str):
            return change_casing(name, value) if self.odd_case else value
        if isinstance(value, list):
            printed = [self.format_value(name, each) for each in value]
            if self.bare_lists and len(printed) < 2:
                return printed[0] if printed else None
            return printed
        if isinstance(value, dict):
            return {key: self.format_value(key, each) for key, each in value.items()}
        if isinstance(value, int | float):
            return self.format_number(name, value)
        return value

    def format_number(self, name: str, value: bool | int | float) -> object:
        if not self.text_numbers:
            return value
        if isinstance(value, bool) or not self.grouped_digits or name in IDENTIFYING_NUMBERS:
            return str(value)
        return f"{value:,}"


def change_casing(name: str, text: str) -> str:
    """Changes the casing of a GUID, an address or an enumeration value; leaves other text."""
    if GUID.fullmatch(text) or name in ENUMERATIONS:
        return text.upper()
    if name not in SHOWN_NAMES and (found := ADDRESS.fullmatch(text)):
        # The casing of the prefix tells the primary address from the others.
        return found["kind"] + found["name"].title()
    return text
