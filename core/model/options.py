"""Settings: how one is declared, and how its text becomes a value.

The app declares its own settings in `core.config.settings`; a guard declares the settings that
only it reads in its own module:

    @dataclass(frozen=True, slots=True)
    class GuestOptions:
        days: int

    DAYS = Setting(
        name="GUEST_DAYS",
        purpose=Purpose.JUDGEMENT,
        default="30",
        help="days a guest may go without signing in",
        parse=whole_number(1, 365),
    )

    def read_options(reader: SettingReader) -> GuestOptions:
        return GuestOptions(days=reader.read(DAYS))

A parser takes the text that the operator wrote and raises ValueError with what is wrong and what to
write instead; the reader collects these errors, so that an operator sees all of them at once.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

REQUIRED = None
MAX_SHOWN_TEXT = 60


class Purpose(StrEnum):
    """What a setting is for. Documents list settings in these groups, in this order."""

    IDENTITY = "Tenant and sign-in to it"
    SERVICES = "Cloud and service addresses"
    NOTIFICATIONS = "Notifications"
    STATE = "State"
    ACCESS = "Access to pages and API"
    LOAD = "Time and load"
    ACTIVITY = "Audit logs: who did it, and sooner"
    CONTAINMENT = "Containment: what may be done about one account"
    JUDGEMENT = "What guards judge by"
    GUARDS = "Schedule, mode and change limit of each guard"


def any_text(value: str) -> str:
    """The parser of a text that may be anything."""
    return value


def show_text(value: str) -> str:
    """A value of the operator's as an error quotes it."""
    return repr(value[:MAX_SHOWN_TEXT])


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting[T = str]:
    """One setting: a name in the environment whose text is read as a T."""

    name: str
    """The environment variable."""
    purpose: Purpose
    """The group in which documents list it."""
    help: str
    """What it is, as a phrase without an end mark."""
    parse: Callable[[str], T]
    """Turns the text into a value. Raises ValueError with the mistake and its remedy."""
    default: str | None = ""
    """The text that counts where none is given. REQUIRED: the operator must give one."""
    sample: str | None = None
    """A harmless value that works, for the sample settings; None: the default."""
    is_secret: bool = False
    """Whether the value must never be logged or shown."""

    @property
    def sample_text(self) -> str:
        """What the sample settings say."""
        return self.sample if self.sample is not None else self.default or ""


# What App Service leaves in a setting whose reference to Key Vault it could not resolve
# (Microsoft Learn: "Use Key Vault references as app settings").
KEY_VAULT_REFERENCE = "@Microsoft.KeyVault("


@dataclass(slots=True)
class SettingReader:
    """Reads settings as values and collects every mistake. Without texts it reads the defaults."""

    texts: Mapping[str, str] = field(default_factory=dict)
    """What the operator wrote, by name."""
    today: date = date.min
    """The day on which the settings are read, for settings that end on a date."""
    errors: dict[str, None] = field(default_factory=dict)
    """Every mistake, in the order of reading, each once."""

    def read_text(self, setting: Setting[object]) -> str:
        """The text that counts: the operator's, or the default."""
        return self.texts.get(setting.name, "").strip() or setting.default or ""

    def read[T](self, setting: Setting[T]) -> T:
        """The value of a setting; after a mistake, which is collected, a value that works."""
        written = self.read_text(setting)
        if written.startswith(KEY_VAULT_REFERENCE):
            self.add_error(
                f"{setting.name}: its Key Vault reference is not resolved. Let the app's identity"
                " read the secret (role Key Vault Secrets User) and the vault admit the app, then"
                " restart the app; the platform keeps a failed answer for up to 24 hours."
            )
        elif not written and setting.default is REQUIRED:
            self.add_error(f"{setting.name} is missing; set it to the {setting.help}.")
        else:
            try:
                return setting.parse(written)
            except ValueError as error:
                self.add_error(f"{setting.name}: {error}")
        return setting.parse(setting.default or setting.sample_text)

    def add_error(self, message: str) -> None:
        """Note a mistake that concerns several settings."""
        self.errors[message] = None


def one_of(*choices: str) -> Callable[[str], str]:
    """A parser of one word of a list, in any case."""

    def parse(value: str) -> str:
        if value.lower() not in choices:
            raise ValueError(f"{show_text(value)} is not a choice; use {list_choices(choices)}.")
        return value.lower()

    return parse


def several_of(choices: frozenset[str]) -> Callable[[str], tuple[str, ...]]:
    """A parser of words of a list, separated by commas, in any case; they get the list's case."""
    spelling = {choice.casefold(): choice for choice in choices}

    def parse(value: str) -> tuple[str, ...]:
        found = [part.strip() for part in value.split(",") if part.strip()]
        if wrong := [show_text(part) for part in found if part.casefold() not in spelling]:
            raise ValueError(
                f"{', '.join(wrong)} in the list is not a choice; use "
                f"{list_choices(tuple(sorted(choices)))}."
            )
        return tuple(dict.fromkeys(spelling[part.casefold()] for part in found))

    return parse


def list_choices(choices: tuple[str, ...]) -> str:
    """Some words in a sentence."""
    return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser of a whole number within bounds."""

    def parse(value: str) -> int:
        try:
            found = int(value)
        except ValueError:
            found = low - 1
        if not low <= found <= high:
            raise ValueError(
                f"{show_text(value)} is not a whole number; use one from {low} to {high}."
            )
        return found

    return parse


def number(low: float, high: float) -> Callable[[str], float]:
    """A parser of a number within bounds."""

    def parse(value: str) -> float:
        try:
            found = float(value)
        except ValueError:
            found = low - 1
        if not low <= found <= high:
            raise ValueError(
                f"{show_text(value)} is not a valid number; use a number from {low:g} to {high:g}."
            )
        return found

    return parse


def matching(pattern: str, remedy: str) -> Callable[[str], str]:
    """A parser of a text of a certain form, or of none at all."""
    form = re.compile(pattern)

    def parse(value: str) -> str:
        if value and not form.fullmatch(value):
            raise ValueError(f"{show_text(value)} is not valid; use {remedy}.")
        return value

    return parse


def names(
    pattern: str, remedy: str, *, fold_case: bool = False
) -> Callable[[str], tuple[str, ...]]:
    """A parser of a list of names, separated by commas."""
    form = re.compile(pattern)

    def parse(value: str) -> tuple[str, ...]:
        parts = (value.lower() if fold_case else value).split(",")
        found = tuple(part.strip() for part in parts if part.strip())
        if wrong := [show_text(part) for part in found if not form.fullmatch(part)]:
            raise ValueError(f"{', '.join(wrong)} in the list is not valid; use {remedy}.")
        return found

    return parse
