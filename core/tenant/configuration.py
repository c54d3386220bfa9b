"""Settings of the organization."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Configuration:
    """One object of the organization's configuration: a row of a cmdlet, or a policy of Graph."""

    source: str
    """A key of `core.microsoft365.configuration_sources.CONFIGURATION_SOURCES`."""
    id: str
    """Identity of the object in its source; empty where there is only one."""
    name: str
    values: Mapping[str, object]
    """Its properties as JSON values, bounded in size."""
