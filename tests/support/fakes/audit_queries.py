"""Searches of the audit log of a fake tenant."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from core.tenant.activity import ActivityLog, ActivityRecord
from core.tenant.audit_queries import (
    AuditQuestion,
    FoundRecord,
    QueryProgress,
    QueryState,
)
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import AUDIT_QUERIES
from tests.support.fakes.activity import is_wanted
from tests.support.fakes.state import FakeQuery, FakeTenantState


@dataclass(frozen=True, slots=True)
class FakeAuditQueryReader:
    """AuditQueryReader of a fake tenant: a search sees the records that are served by then."""

    tenant: FakeTenantState

    async def is_granted(self) -> bool | None:
        return self.tenant.queries_granted

    async def start_query(self, name: str, question: AuditQuestion) -> Reading[str]:
        self.tenant.note_query(question)
        reading: Reading[str] = self.tenant.build_reading(AUDIT_QUERIES, (), str)
        running = self.tenant.query_state is QueryState.RUNNING
        if reading.failures:
            return replace(reading, complete=bool(reading.failures[0].permission))
        if running and len(self.tenant.queries) >= self.tenant.query_limit:
            busy = ReadFailure(AUDIT_QUERIES, "HTTP 429", optional=True)
            return replace(reading, failures=(busy,), complete=False)
        with self.tenant.crash_injector():
            query = FakeQuery(f"q{len(self.tenant.queries)}", name, question)
            self.tenant.queries.append(query)
        return replace(reading, items=(query.id,))

    async def read_progress(self, query_id: str) -> Reading[QueryProgress]:
        known = any(one.id == query_id for one in self.tenant.queries)
        state = self.tenant.query_state if known else QueryState.GONE
        reading = self.tenant.build_reading(AUDIT_QUERIES, [QueryProgress(state)], str)
        return replace(reading, items=() if reading.failures else reading.items, complete=False)

    async def read_records(
        self, query_id: str, operations: Collection[str]
    ) -> Reading[FoundRecord]:
        query = next(one for one in self.tenant.queries if one.id == query_id)
        query.readings += 1
        found = [
            FoundRecord(one, self.tenant.mail_parts.get(one.id))
            for one in self.tenant.activity_records
            if one.log is ActivityLog.EXCHANGE
            and query.question.since <= one.at <= query.question.until
            and self.tenant.is_served(one.id)
            and (not operations or is_wanted(one, operations))
            and is_by(one, query.question.people)
            and (query.readings > 1 or one.id not in self.tenant.overlooked)
        ]
        reading = self.tenant.build_reading(AUDIT_QUERIES, found, lambda one: one.record.id)
        return replace(reading, complete=not reading.failures)


def is_by(record: ActivityRecord, people: Collection[str]) -> bool:
    """Whether one of some people acted, or an app whose act names one."""
    return not people or record.actor.name in people
