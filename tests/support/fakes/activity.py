"""Audit logs of a fake tenant."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.microsoft365.activity_operations import normalize_operation
from core.tenant.activity import ActivityContent, ActivityLog, ActivityRecord, ChangedAccounts
from core.tenant.readings import Reading
from core.tenant.sources import ACTIVITY_FEED, CHANGED_ACCOUNTS, DIRECTORY_AUDITS
from tests.support.fakes.state import FakeTenantState

KEPT_DAYS = timedelta(days=20)
# A failure of this source is an outage while contents are read, which says nothing of any content.
CONTENT_OUTAGE = "content-outage"


@dataclass(frozen=True, slots=True)
class FakeActivityReader:
    """ActivityReader of a fake tenant: each record of the feed is a content of its own."""

    tenant: FakeTenantState

    async def read_directory_audits(
        self, since: datetime, operations: Collection[str], until: datetime | None = None
    ) -> Reading[ActivityRecord]:
        found = [
            one
            for one in self.tenant.activity_records
            if one.log is ActivityLog.DIRECTORY
            and since <= one.at <= (until or one.at)
            and is_wanted(one, operations)
            and self.tenant.is_served(one.id)
        ]
        newest = sorted(found, key=lambda one: one.at, reverse=True)[: self.tenant.max_audit_rows]
        reading = self.tenant.build_reading(DIRECTORY_AUDITS, newest, lambda one: one.id)
        if len(newest) == len(found) or not newest:
            return reading
        return replace(reading, complete=False, continuation=newest[-1].at.isoformat())

    async def list_content(
        self, log: ActivityLog, since: datetime, until: datetime
    ) -> Reading[ActivityContent]:
        if log not in self.tenant.subscriptions:
            self.tenant.subscriptions.add(log)
            return Reading(sources=frozenset({ACTIVITY_FEED}), complete=False)
        found = [
            ActivityContent(one.id, created, created + KEPT_DAYS)
            for one in self.tenant.activity_records
            if one.log is log and self.tenant.is_served(one.id)
            for created in (self.tenant.served_at.get(one.id, one.at),)
            if since <= created < until
        ]
        reading = self.tenant.build_reading(ACTIVITY_FEED, found, lambda one: one.id, ())
        return replace(reading, complete=all(one.object_id for one in reading.failures))

    async def read_content(
        self, log: ActivityLog, content: ActivityContent, operations: Collection[str]
    ) -> Reading[ActivityRecord]:
        for about in ("", content.id):
            if outage := self.tenant.failures.get((CONTENT_OUTAGE, about)):
                failure = replace(outage, source=ACTIVITY_FEED, object_id="")
                return Reading((), (failure,), frozenset({ACTIVITY_FEED}), complete=False)
        found = [
            one
            for one in self.tenant.activity_records
            if one.id == content.id and is_wanted(one, operations)
        ]
        reading = self.tenant.build_reading(ACTIVITY_FEED, found, lambda one: one.id, [content.id])
        return replace(reading, complete=not reading.failures)

    async def is_feed_granted(self) -> bool | None:
        return self.tenant.feed_granted

    async def read_changed_accounts(self, link: str) -> Reading[ChangedAccounts]:
        reading = self.tenant.build_reading(CHANGED_ACCOUNTS, (), str)
        if reading.failures:
            return Reading(failures=reading.failures, sources=reading.sources)
        number = len(self.tenant.changed_accounts)
        start = int(link) if link.isdigit() else number
        ids = tuple(dict.fromkeys(self.tenant.changed_accounts[start:]))
        restarted = bool(link) and not link.isdigit()
        return Reading((ChangedAccounts(str(number), ids, restarted),), sources=reading.sources)


def is_wanted(record: ActivityRecord, operations: Collection[str]) -> bool:
    """Whether a record is of one of some operations; a name with a star is a beginning."""
    return any(
        record.operation.startswith(normalize_operation(name.removesuffix("*")))
        if name.endswith("*")
        else record.operation == normalize_operation(name)
        for name in operations
    )
