"""Settings of a fake tenant."""

from dataclasses import dataclass

from core.microsoft365.configuration_sources import get_configuration_source_name
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
