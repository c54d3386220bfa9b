"""The writer of a fake tenant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import Rejected, TenantError
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.tenant.changes import AppliedChange, Change, SetConfiguration
from tests.support.fakes.changes import apply_change
from tests.support.fakes.state import FakeTenantState
from tests.support.fakes.undo import undo_change


@dataclass(frozen=True, slots=True)
class FakeTenantWriter:
    """TenantWriter of a fake tenant."""

    tenant: FakeTenantState

    async def apply(self, change: Change) -> AppliedChange:
        for target in (type(change).__name__, *get_change_targets(change)):
            if target in self.tenant.change_errors:
                raise self.tenant.change_errors[target]
        if "" in get_change_targets(change):
            raise Rejected("the change names no object")
        return apply_change(self.tenant, change)

    async def apply_jointly(
        self, changes: Sequence[Change]
    ) -> Sequence[AppliedChange | TenantError]:
        answers: list[AppliedChange | TenantError] = []
        for change in changes:
            try:
                answers.append(await self.apply(change))
            except TenantError as error:
                answers.append(error)
        return answers

    async def undo(self, change: Change, before: Mapping[str, object]) -> AppliedChange:
        for target in (type(change).__name__, *get_change_targets(change)):
            if target in self.tenant.change_errors:
                raise self.tenant.change_errors[target]
        if "" in get_change_targets(change):
            raise Rejected("the change names no object")
        return undo_change(self.tenant, change, before)


def get_change_targets(change: Change) -> list[str]:
    """The ids a change goes by. What there is only one of has none, and goes by its source."""
    if isinstance(change, SetConfiguration):
        source = CONFIGURATION_SOURCES.get(change.source)
        return [change.identity if source and source.identity_property else change.source]
    values: list[Any] = [getattr(change, name) for name in type(change).__dataclass_fields__]
    return [value for value in values if isinstance(value, str)]
