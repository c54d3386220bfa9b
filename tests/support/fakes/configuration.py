"""Settings of a fake tenant."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.microsoft365.configuration_sources import EXCLUDED_GROUP, get_configuration_source_name
from core.tenant.configuration import Configuration
from core.tenant.readings import Reading
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeConfigurationReader:
    """ConfigurationReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_configuration(self, source: str) -> Reading[Configuration]:
        found = [one for one in self.tenant.configurations if one.source == source]
        return self.tenant.build_reading(
            get_configuration_source_name(source), found, lambda one: one.id
        )

    async def read_groups(self, ids: Sequence[str]) -> Reading[Configuration]:
        found = [
            one
            for one in self.tenant.configurations
            if one.source == EXCLUDED_GROUP and one.id in ids
        ]
        return self.tenant.build_reading(
            get_configuration_source_name(EXCLUDED_GROUP), found, lambda one: one.id
        )
