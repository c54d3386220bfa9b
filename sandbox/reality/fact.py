"""A fact about Microsoft 365 on which public sources differ, with the sides a tenant may play."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class ContestedFact:
    """A fact that the sandbox plays either way."""

    id: str
    """The identifier of the assumption in `core.microsoft365.assumptions`."""
    about: str
    """What the fact is about, in one line."""
    sides: Mapping[str, str]
    """Each side by its name, with what the sandbox then does; the first is the default."""
    worst: str = ""
    """The side that the profile "contrary" plays; empty for the default, where every other side
    leaves something unread, so that the findings could not be the same."""
    options: Mapping[str, str] = field(default_factory=dict)
    """The options a scene may give beside the side, with their meaning."""
    worst_options: Mapping[str, object] = field(default_factory=dict)
    """The options of the profile "contrary"."""

    @property
    def default(self) -> str:
        return next(iter(self.sides))
