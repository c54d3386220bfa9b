"""core.tenant.configuration."""

from collections.abc import (
    Mapping,
)
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Configuration:
    """One object of the organization's configuration: a row of a cmdlet, or a policy of Graph.

    `source` is one of `core.microsoft365.configuration_sources.SOURCES`, `id` what its object is
    called there ("" where there is only one), `values` what was read of it, bounded, as JSON has
    it.
    """

    source: str
    id: str
    name: str
    values: Mapping[str, object]
