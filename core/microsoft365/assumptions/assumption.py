"""What an assumption is: a fact about Microsoft's services that code relies on without proof.

Microsoft documents little of the Exchange admin API, and what it documents of Graph does not always
hold. Each such fact is declared once, with its source, so that a probe can ask the tenant and an
operator can read what was proven by whom.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Standing(StrEnum):
    """How well an assumption is known."""

    MEASURED = "measured"
    """Others saw it in a live tenant, and nothing public speaks against it."""
    CONTESTED = "contested"
    """Public reports disagree: it depends on the tenant, the region or the time."""
    UNSEEN = "unseen"
    """Inferred; no public report of it was found."""


CANNOT_BE_PROBED = "cannot be probed"
"""Only a write, a fault or an attack would show it."""

EVERY_GUARD = ("every guard",)


@dataclass(frozen=True, slots=True)
class Dependents:
    """What goes wrong where an assumption does not hold."""

    guards: tuple[str, ...] = EVERY_GUARD
    """The guards, by name."""
    verdicts: tuple[str, ...] = ()
    """The verdicts that would be wrong."""
    settings: tuple[str, ...] = ()
    """The settings that choose another behaviour."""


@dataclass(frozen=True, slots=True)
class Assumption:
    """One fact that code relies on. A module that relies on it names it in its `RELIES_ON`."""

    id: str
    assumed: str
    """What the code takes for true, as a sentence."""
    standing: Standing
    source: str
    """Where the fact comes from, or who contests it."""
    dated: str
    """The year, or year and month, of the source."""
    otherwise: str
    """What follows where it does not hold, and what an operator does then."""
    depends: Dependents = field(default_factory=Dependents)
    ways: Mapping[str, str] = field(default_factory=dict)
    """The ways to go by name, each with when it is right; the first is the default."""
    probe: str = CANNOT_BE_PROBED
    """The name of the probe that asks the tenant, or CANNOT_BE_PROBED."""

    @property
    def is_probed(self) -> bool:
        """Whether a probe can ask the tenant about it."""
        return self.probe != CANNOT_BE_PROBED

    @property
    def default_way(self) -> str:
        """The way to go as long as no probe chose another; empty if there is only one."""
        return next(iter(self.ways), "")
