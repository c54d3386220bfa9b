"""Deletions of a fake tenant."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.tenant.directory import DeletedObject, Deletion
from core.tenant.merging import collect_sources
from core.tenant.readings import Reading
from core.tenant.sources import DELETED_GROUPS, DELETED_USERS, DELETIONS
from tests.support.fakes.state import FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeDeletionReader:
    """DeletionReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_deletions(self, since: datetime) -> Reading[Deletion]:
        found = [one for one in self.tenant.deletion_events if one.at >= since]
        return replace(
            self.tenant.build_reading(DELETIONS, found, lambda one: one.id), population=len(found)
        )

    async def read_deleted_objects(self, since: datetime) -> Reading[DeletedObject]:
        found = [one for one in self.tenant.recycle_bin if one.at >= since]
        parts = [
            self.tenant.build_reading(
                place, [one for one in found if one.kind == kind], lambda one: one.id
            )
            for kind, place in (("user", DELETED_USERS), ("group", DELETED_GROUPS))
        ]
        items = tuple(one for part in parts for one in part.items)
        unread = tuple(failure for part in parts for failure in part.failures)
        return Reading(items, unread, collect_sources(parts), population=len(items))

    async def read_deleted_users(self, ids: Sequence[str]) -> Reading[DeletedObject]:
        found = [one for one in self.tenant.recycle_bin if one.kind == "user" and one.id in ids]
        return self.tenant.build_reading(DELETED_USERS, found, lambda one: one.id, ids)
