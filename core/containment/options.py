"""What the settings say of containment."""

from dataclasses import dataclass
from typing import Any

from core.model.guards import Mode
from core.model.options import (
    Purpose,
    Setting,
    SettingReader,
    one_of,
    several_of,
    whole_number,
)
from core.model.shared_settings import BREAK_GLASS_ACCOUNTS

RULE_NAMES = frozenset({"redirect-and-session", "redirect-and-risk"})
"""The rules by which an account may be contained without a person: see `core.containment.rules`."""


@dataclass(frozen=True, slots=True)
class ContainmentOptions:
    """Whether accounts may be contained, which never are, and how many an hour."""

    mode: Mode = Mode.OFF
    """off: nothing is read; alert: plans, evidence and impact only; enforce: plans are carried out.
    """
    break_glass: frozenset[str] = frozenset()
    """The ids and principal names, in lower case, of accounts that are never contained."""
    per_hour: int = 3
    """The most accounts that are contained within an hour."""
    rules: tuple[str, ...] = ()
    """The rules that contain an account by themselves."""
    evidence_seconds: float = 30.0
    """How long the block waits for evidence at most."""
    orders_pause: float = 5.0
    """Seconds between two looks for orders while something slow is read."""

    @property
    def is_on(self) -> bool:
        """Whether plans may be asked for."""
        return self.mode is not Mode.OFF

    @property
    def acts(self) -> bool:
        """Whether plans may be carried out."""
        return self.mode is Mode.ENFORCE


CONTAINMENT_MODE = Setting(
    name="CONTAINMENT_MODE",
    purpose=Purpose.CONTAINMENT,
    default="off",
    help="what may be asked for about one account: off (nothing), alert (plans, evidence and "
    "impact) or enforce (plans are carried out)",
    parse=one_of(*Mode),
)
CONTAINMENT_LIMIT = Setting(
    name="CONTAINMENT_LIMIT",
    purpose=Purpose.CONTAINMENT,
    default="3",
    help="most accounts that are contained within an hour",
    parse=whole_number(0, 50),
)
CONTAINMENT_RULES = Setting(
    name="CONTAINMENT_RULES",
    purpose=Purpose.CONTAINMENT,
    help="rules that contain an account by themselves, separated by commas; none: only people do",
    parse=several_of(RULE_NAMES),
)
CONTAINMENT_SETTINGS: tuple[Setting[Any], ...] = (
    CONTAINMENT_MODE,
    CONTAINMENT_LIMIT,
    CONTAINMENT_RULES,
)


def read_containment_options(reader: SettingReader) -> ContainmentOptions:
    """What the settings say of containment."""
    return ContainmentOptions(
        mode=Mode(reader.read(CONTAINMENT_MODE)),
        break_glass=frozenset(reader.read(BREAK_GLASS_ACCOUNTS)),
        per_hour=reader.read(CONTAINMENT_LIMIT),
        rules=reader.read(CONTAINMENT_RULES),
    )
