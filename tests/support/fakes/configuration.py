"""Settings of a fake tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from core.microsoft365.configuration_sources import (
    CONFIGURATION_SOURCES,
    EXCLUDED_GROUP,
    get_configuration_source_name,
)
from core.property_values import get_text
from core.tenant.configuration import Configuration
from core.tenant.readings import Reading
from tests.support.fakes.state import FakeTenantState


def list_keys(one: Configuration) -> set[str]:
    """The keys that an object is asked for by."""
    source = CONFIGURATION_SOURCES[one.source]
    if source.found_by:
        return {source.name_key(one.id, one.values)}
    return {one.id.casefold(), get_text(one.values, "Guid").casefold()}


@dataclass(frozen=True, slots=True)
class FakeConfigurationReader:
    """ConfigurationReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_configuration(self, source: str) -> Reading[Configuration]:
        found = [
            one
            for one in self.tenant.configurations
            if one.source == source and one.id not in self.tenant.unlisted
        ]
        return self.tenant.build_reading(
            get_configuration_source_name(source), found, lambda one: one.id
        )

    async def read_objects(self, source: str, ids: Sequence[str]) -> Reading[Configuration]:
        asked = {one.casefold() for one in ids}
        found = [
            one
            for one in self.tenant.configurations
            if one.source == source and not asked.isdisjoint(list_keys(one))
        ]
        name = get_configuration_source_name(source)
        read = self.tenant.build_reading(name, found, lambda one: one.id, tuple(ids))
        refused = [
            failure
            for (place, one), failure in self.tenant.refused_objects.items()
            if place == name and one in ids
        ]
        return replace(read, failures=(*read.failures, *refused), scope=frozenset(ids))

    async def read_account_names(self, ids: Sequence[str]) -> Mapping[str, str]:
        self.tenant.named_ids += ids
        found = (one for one in self.tenant.configurations if one.source == "directory-user")
        return {one.id: one.name for one in found if one.id in ids}

    async def read_groups(self, ids: Sequence[str]) -> Reading[Configuration]:
        found = [
            one
            for one in self.tenant.configurations
            if one.source == EXCLUDED_GROUP and one.id in ids
        ]
        return self.tenant.build_reading(
            get_configuration_source_name(EXCLUDED_GROUP), found, lambda one: one.id
        )
