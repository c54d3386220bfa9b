"""Searches of the unified audit log by Graph: asked, looked after, and read page by page.

A search that cannot be begun is left to a later tick: about ten of a tenant run at a time, and the
eleventh is refused however long one waits. What is read of a record is its auditData; the row
around it has the name where the id should be, and no address (graph2otel, 2026-07).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from core.adapters.graph.client import GraphClient
from core.adapters.graph.reports import BETA
from core.adapters.m365.account_activity import format_moment
from core.adapters.m365.activity.directory import parse_entra_record
from core.adapters.m365.activity.exchange import parse_exchange_record
from core.adapters.m365.activity.fields import fold_names, parse_name, parse_number
from core.adapters.m365.activity.mail import parse_mail_part
from core.adapters.m365.activity.read import WantedOperations, build_record_failures, get_operation
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_identifier,
    parse_optional_bool,
    parse_text,
    strip_annotations,
)
from core.adapters.read_errors import build_read_failure
from core.errors import Forbidden, NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.assumptions.audit_queries import (
    QUERY_LIMIT,
    QUERY_PAGES,
    QUERY_ROWS,
    QUERY_SCOPE,
    QUERY_VERSION,
)
from core.microsoft365.permission_risks import AUDIT_QUERY_PERMISSION
from core.microsoft365.permissions import find_app_role
from core.strict_json import parse_strict_json
from core.tenant.audit_queries import (
    MORE,
    NOT_AUDITED,
    AuditQuestion,
    FoundRecord,
    QueryProgress,
    QueryState,
)
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import AUDIT_QUERIES, UNIFIED_AUDIT_LOG

RELIES_ON = (QUERY_LIMIT, QUERY_PAGES, QUERY_ROWS, QUERY_SCOPE, QUERY_VERSION)

PATH = "/security/auditLog/queries"
V1 = "v1.0"
MAX_RECORDS = 20_000
ID_LIMIT = 128
MAX_AUDIT_DATA = 400_000
AUDITING_DISABLED = "AuditingDisabledTenant"
# The text of a refusal for want of the role, whatever its status (coe-starter-kit#9163, #10133).
NO_PERMISSION = "have any permissions"
STATES: Mapping[str, QueryState] = {
    "notstarted": QueryState.RUNNING,
    "running": QueryState.RUNNING,
    "unknownfuturevalue": QueryState.RUNNING,
    "succeeded": QueryState.SUCCEEDED,
    "failed": QueryState.FAILED,
    "cancelled": QueryState.FAILED,
}
# Records of administrators' cmdlets, of mailboxes, of folders, and of mail that was accessed.
EXCHANGE_TYPES = frozenset({1, 2, 3, 50})
# Of an account also what Entra records, where the permission covers it: its changes and, without
# any licence, its sign-ins.
ENTRA_TYPES = frozenset({8, 15})
SOURCES = frozenset({AUDIT_QUERIES})


@dataclass(frozen=True, slots=True)
class M365AuditQueryReader:
    """Implements AuditQueryReader on Graph."""

    graph: GraphClient

    async def is_granted(self) -> bool | None:
        """Whether the token has the role, or one that includes it."""
        try:
            roles = await self.graph.read_token_roles()
        except TenantError as error:
            return False if isinstance(error, Forbidden) else None
        if roles is None:
            return None
        wider = find_app_role(AUDIT_QUERY_PERMISSION).included_in
        return not roles.isdisjoint({AUDIT_QUERY_PERMISSION, *wider})

    async def build_path(self, query_id: str = "", rest: str = "") -> str:
        """The path of the searches, or of one of them."""
        way = await self.graph.chosen_ways.find(QUERY_VERSION)
        prefix = "" if way == V1 else BETA
        return f"{prefix}{PATH}" + (f"/{quote(query_id, safe='')}{rest}" if query_id else "")

    async def start_query(self, name: str, question: AuditQuestion) -> Reading[str]:
        """Begin a search, in one attempt."""
        body: dict[str, object] = {
            "displayName": name,
            "filterStartDateTime": format_moment(question.since),
            "filterEndDateTime": format_moment(question.until),
        }
        if question.operations:
            body["operationFilters"] = list(question.operations)
        if question.people:
            body["userPrincipalNameFilters"] = list(question.people)
        try:
            path = await self.build_path()
            answer = await self.graph.post(path, body, AUDIT_QUERY_PERMISSION, is_repeated=False)
            require_auditing(answer)
            found = parse_identifier(answer.get("id"), ID_LIMIT)
            if not found:
                raise Unavailable("the audit log gave a search no id")
        except TenantError as error:
            return build_failed_reading(error)
        return Reading((found,), sources=SOURCES, population=1)

    async def read_progress(self, query_id: str) -> Reading[QueryProgress]:
        """How far a search has come."""
        try:
            answer = await self.graph.get(await self.build_path(query_id), AUDIT_QUERY_PERMISSION)
            require_auditing(answer)
        except NotFound:
            return Reading((QueryProgress(QueryState.GONE),), sources=SOURCES, population=1)
        except TenantError as error:
            return build_failed_reading(error)
        return Reading((parse_progress(answer),), sources=SOURCES, population=1)

    async def read_records(
        self, query_id: str, operations: Collection[str]
    ) -> Reading[FoundRecord]:
        """All pages of what a search found, as far as they can be read."""
        wanted = WantedOperations.of(operations)
        found: dict[str, FoundRecord] = {}
        failures: list[ReadFailure] = []
        count, is_complete = 0, True
        try:
            own_ids = await self.graph.read_own_ids()
            path = await self.build_path(query_id, "/records")
            async for rows in self.graph.read_pages(path, AUDIT_QUERY_PERMISSION):
                count += len(rows)
                kept = [
                    row for row in map(unwrap_audit_data, rows) if is_kept(row, operations, wanted)
                ]
                read, broken = parse_each_row(kept, lambda row: parse_found(row, own_ids))
                found |= {one.record.id: one for one in read if one}
                failures += build_record_failures(AUDIT_QUERIES, broken)
                if count >= MAX_RECORDS:
                    more = f"only the first {count:,} records were read"
                    failures.append(ReadFailure(AUDIT_QUERIES, more, MORE, optional=True))
                    break
        except TenantError as error:
            failures.append(build_query_failure(error))
            is_complete = not isinstance(error, Unavailable)
        return Reading(tuple(found.values()), tuple(failures), SOURCES, count, complete=is_complete)


def require_auditing(answer: ResponseRow) -> None:
    """Raise Rejected for an answer by which the tenant records nothing (CIPP-API)."""
    if parse_text(answer.get("Status", answer.get("status")), 64) == AUDITING_DISABLED:
        raise Rejected(NOT_AUDITED)


def parse_progress(row: ResponseRow) -> QueryProgress:
    """How far a search has come. A status that is not known is waited for."""
    names = fold_names(row)
    state = STATES.get(parse_name(names.get("status"), 32).casefold(), QueryState.RUNNING)
    is_cut = any(
        parse_optional_bool(value) is True
        for name, value in names.items()
        if "limit" in name and name.startswith("is")
    )
    return QueryProgress(state, is_cut)


def build_failed_reading[T](error: TenantError) -> Reading[T]:
    """Nothing was read; a reading that is not complete may be tried again."""
    is_final = not isinstance(error, Unavailable)
    return Reading(failures=(build_query_failure(error),), sources=SOURCES, complete=is_final)


def build_query_failure(error: TenantError) -> ReadFailure:
    """Why a search was not begun or read. A log that is off stands in the place of a permission."""
    failure = build_read_failure(AUDIT_QUERIES, error, optional=True)
    if AUDITING_DISABLED in failure.reason or failure.reason.startswith(NOT_AUDITED):
        return ReadFailure(AUDIT_QUERIES, NOT_AUDITED, permission=UNIFIED_AUDIT_LOG, optional=True)
    if NO_PERMISSION in failure.reason:
        return ReadFailure(
            AUDIT_QUERIES, failure.reason, permission=AUDIT_QUERY_PERMISSION, optional=True
        )
    return failure


def unwrap_audit_data(row: ResponseRow) -> ResponseRow:
    """The record itself: auditData, which may be text, with the row's id where it has none."""
    value = row.get("auditData")
    if isinstance(value, str) and len(value) <= MAX_AUDIT_DATA:
        try:
            value = parse_strict_json(value.encode("utf-8", "replace"))
        except (ValueError, RecursionError):
            value = None
    if not isinstance(value, Mapping):
        return {"Id": row.get("id"), "Operation": row.get("operation")}
    record = strip_annotations(value)
    has_id = any(name.casefold() == "id" and text for name, text in record.items())
    return record if has_id else {**record, "Id": row.get("id")}


def is_kept(row: ResponseRow, operations: Collection[str], wanted: WantedOperations) -> bool:
    """Whether a record is of Exchange and of a wanted operation. One without a type may be; where
    no operation is named, one of Entra is wanted as well.
    """
    kind = parse_record_type(row)
    types = EXCHANGE_TYPES if operations else EXCHANGE_TYPES | ENTRA_TYPES
    if kind is not None and kind not in types:
        return False
    return not operations or wanted.includes(get_operation(row))


def parse_record_type(row: ResponseRow) -> int | None:
    """The type of a record; None where it tells none."""
    return parse_number(fold_names(row).get("recordtype"))


def parse_found(row: ResponseRow, own_ids: frozenset[str]) -> FoundRecord | None:
    """A record with what it says of mail; None for an act that failed. Raises ValueError."""
    if parse_record_type(row) in ENTRA_TYPES:
        found = parse_entra_record(row, own_ids)
        return FoundRecord(found) if found else None
    record = parse_exchange_record(row, own_ids)
    return FoundRecord(record, parse_mail_part(row)) if record else None
