"""The records of an export: guards, findings, changes, exemptions, requests and days. Pure."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.evidence.daily_coverage import CoveragePeriod, DailyCoverage, count_due_runs
from core.evidence.data_dictionary import RECORD_FIELDS
from core.microsoft365.assumptions.register import ASSUMPTIONS_BY_ID
from core.microsoft365.cis_benchmark import CONTROLS, NO_CONTROL_REASONS, find_controls
from core.model.activity import ActivityCursor
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.findings import format_facts
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot, ProbeReport
from core.ncrontab import CronSchedule
from core.ports import KEEP_CASES, KEEP_CHANGES, KEEP_REQUESTS, KEEP_RUNS
from core.sanitize import sanitize_text
from core.status.activity_status import build_log_statuses
from core.status.cause_texts import list_cause_lines
from core.status.remedy import list_steps

type EvidenceRecord = dict[str, object]

SCHEMA_VERSION = 1
MAX_TEXT_LENGTH = 4_000
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class ExportHeader:
    """What an export covers. `since` and `until` are midnights in UTC."""

    tenant: str
    since: datetime
    until: datetime
    created_at: datetime
    version: str

    @property
    def known_until(self) -> datetime:
        """The end of what the export can know."""
        return min(self.until, self.created_at)

    def contains(self, moment: datetime | None) -> bool:
        """Whether a time lies in the period."""
        return moment is not None and self.since <= moment < self.until


def sanitize_record_text(text: str) -> str:
    """Untrusted text without deceptive characters, of bounded length."""
    # Most text needs no work, and there may be a hundred thousand cases.
    if len(text) <= MAX_TEXT_LENGTH and text.isascii() and text.isprintable():
        return text
    return sanitize_text(text, MAX_TEXT_LENGTH)


def format_record_time(value: datetime | None) -> str | None:
    """A time in ISO 8601: UTC, to the second."""
    if value is None:
        return None
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def sanitize_record_value(value: object, depth: int = MAX_DEPTH) -> object:
    """A JSON value with sanitized texts, sorted keys and bounded depth."""
    match value:
        case str():
            return sanitize_record_text(value)
        case Mapping() | list() | tuple() if depth == 0:
            return "(nested deeper than is shown)"
        case Mapping():
            keys = sorted(value, key=str)
            return {
                sanitize_record_text(str(key)): sanitize_record_value(value[key], depth - 1)
                for key in keys
            }
        case list() | tuple():
            return [sanitize_record_value(part, depth - 1) for part in value]
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
    return sanitize_record_text(str(value))


def make_record(record: str, **values: object) -> EvidenceRecord:
    """A record with its fields in the order of RECORD_FIELDS."""
    return {"record": record, "schema": SCHEMA_VERSION} | {
        name: sanitize_record_value(values[name]) for name in RECORD_FIELDS[record]
    }


# ----------------------------------------------------------------------------------------------
# The export
# ----------------------------------------------------------------------------------------------


def make_header_record(header: ExportHeader, counts: Mapping[str, int]) -> EvidenceRecord:
    """The first record."""
    return make_record(
        "export",
        **{"from": format_record_time(header.since), "to": format_record_time(header.until)},
        tenant=header.tenant,
        made=format_record_time(header.created_at),
        version=header.version,
        counts=counts,
    )


RETENTIONS = (
    ("coverage", KEEP_RUNS, "runs are kept for {} days; older ones are missing"),
    ("finding", KEEP_CASES, "cases are kept for {} days after they ended; older ones are missing"),
    ("change", KEEP_CHANGES, "changes are kept for {} days; older ones are missing"),
    (
        "request",
        KEEP_REQUESTS,
        "requests are kept for {} days after they ended; older ones are missing",
    ),
)


def make_gap_record(what: str, since: datetime, until: datetime, why: str) -> EvidenceRecord:
    """That something of a period is not in the export, and why."""
    return make_record(
        "gap",
        **{"from": format_record_time(since), "to": format_record_time(until)},
        what=what,
        why=why,
    )


def list_gap_records(header: ExportHeader) -> Iterator[EvidenceRecord]:
    """The parts of the period without records: past retention, or in the future."""
    for what, kept, why in RETENTIONS:
        limit = header.created_at - kept
        if header.since < limit:
            yield make_gap_record(
                what, header.since, min(limit, header.until), why.format(kept.days)
            )
    if header.until > header.created_at:
        since = max(header.since, header.created_at)
        yield make_gap_record(
            "all", since, header.until, "this was in the future when the export was made"
        )


def list_assumption_records(
    header: ExportHeader, report: ProbeReport | None
) -> Iterator[EvidenceRecord]:
    """What the tenant last answered about the assumptions, if that was before the period's end."""
    if report is None or report.probed_at >= header.until:
        return
    for answer in sorted(report.answers, key=lambda answer: answer.assumption):
        known = ASSUMPTIONS_BY_ID.get(answer.assumption)
        yield make_record(
            "assumption",
            id=answer.assumption,
            assumed=known.assumed if known else "",
            status=str(answer.status),
            saw=answer.saw or answer.error,
            way=answer.way,
            probed_at=format_record_time(report.probed_at),
            held_at=format_record_time(answer.held_at),
            stopped_at=format_record_time(answer.stopped_at),
        )


# ----------------------------------------------------------------------------------------------
# One guard
# ----------------------------------------------------------------------------------------------


def make_guard_record(
    config: GuardConfig, snapshot: GuardSnapshot, days: CoveragePeriod
) -> EvidenceRecord:
    """The record of a guard: configuration, benchmark controls, permissions."""
    guard = config.guard
    return make_record(
        "guard",
        guard=guard.name,
        title=guard.title,
        mode=str(config.mode),
        schedule=config.schedule,
        controls=[
            {
                "id": one.id,
                "title": one.title,
                "benchmark": one.benchmark,
                "source": one.url,
                "uncovered": one.uncovered,
            }
            for one in CONTROLS.get(guard.name, ())
        ],
        without=NO_CONTROL_REASONS.get(guard.name, ""),
        reads=[f"{one.service}: {one.name}" for one in guard.permissions if not one.writes],
        checks=[{"id": one.id, "source": one.reference} for one in guard.list_compared_settings()],
        not_understood=snapshot.unreadable_rows,
        strays=days.undated_count,
    )


def list_finding_records(
    header: ExportHeader, guard: str, snapshot: GuardSnapshot
) -> Iterator[EvidenceRecord]:
    """The cases that were open at any time in the period."""
    for case in sort_by_time(snapshot.cases.values(), lambda case: (case.opened_at, case.key)):
        if case.opened_at < header.until and not (case.closed_at and case.closed_at < header.since):
            yield make_finding_record(header, guard, case)


def list_log_records(
    header: ExportHeader, cursors: Mapping[str, ActivityCursor]
) -> Iterator[EvidenceRecord]:
    """How the audit logs are read when the export is made."""
    for log in build_log_statuses(cursors, header.created_at):
        yield make_record(
            "log",
            name=log.name,
            read_at=format_record_time(log.read_at),
            records=log.record_count,
            median_lag_seconds=format_lag_seconds(log.median_lag),
            late_lag_seconds=format_lag_seconds(log.late_lag),
            trouble=log.trouble,
        )


def format_lag_seconds(lag: timedelta | None) -> int | None:
    """A bound of lags in seconds; None for none, and for what lies beyond the last bound."""
    return None if lag is None or lag == timedelta.max else int(lag.total_seconds())


def make_finding_record(header: ExportHeader, guard: str, case: Case) -> EvidenceRecord:
    """One case."""
    return make_record(
        "finding",
        guard=guard,
        id=case.key,
        object=case.object_id,
        subject=case.subject,
        kind=case.kind,
        severity=case.severity.label,
        verdict=str(case.verdict),
        guard_verdict=str(case.guard_verdict),
        summary=case.summary,
        facts=format_facts(case.facts),
        advice=case.advice,
        steps=[
            f"{step.text} {step.command}".rstrip() for step in list_steps(case, may_contain=False)
        ],
        cause=[f"{name}: {text}" for name, text in list_cause_lines(case)],
        controls=[
            one.id for one in find_controls(guard, case.kind, case.guard_verdict, case.object_id)
        ],
        opened_at=format_record_time(case.opened_at),
        notified_at=format_record_time(case.notified_at),
        acknowledged_at=format_record_time(case.acknowledged_at),
        acknowledged_by=case.acknowledged_by,
        closed_at=format_record_time(case.closed_at),
        resolution=case.resolution,
        open_at_end=case.closed_at is None or case.closed_at >= header.known_until,
        baselined=case.baselined,
        is_one_off=case.is_one_off,
        notification=str(case.notification),
        deferred_at=format_record_time(case.deferred_at),
        note=case.note,
    )


def list_change_records(
    header: ExportHeader, guard: str, snapshot: GuardSnapshot
) -> Iterator[EvidenceRecord]:
    """The changes that were made or undone in the period."""
    undo_ids: dict[str, list[str]] = {}
    for record in sort_by_time(snapshot.changes, lambda record: (record.at, record.id)):
        if record.undo_of:
            undo_ids.setdefault(record.undo_of, []).append(record.id)
    for record in sort_by_time(snapshot.changes, lambda record: (record.at, record.id)):
        if header.contains(record.at) or header.contains(record.undone_at):
            yield make_change_record(guard, record, undo_ids.get(record.id, ()))


def make_change_record(
    guard: str, record: ChangeRecord, undone_by: Sequence[str]
) -> EvidenceRecord:
    """One change."""
    return make_record(
        "change",
        guard=guard,
        id=record.id,
        case=record.case_key,
        subject=record.subject,
        kind=record.kind,
        arguments=record.arguments,
        before=record.before,
        state=str(record.state),
        at=format_record_time(record.at),
        run=record.run,
        note=record.note,
        undo_of=record.undo_of,
        undone_at=format_record_time(record.undone_at),
        undone_by=undone_by,
    )


def list_exemption_records(
    header: ExportHeader, guard: str, snapshot: GuardSnapshot
) -> Iterator[EvidenceRecord]:
    """The exemptions in force at any time in the period, as far as that is known."""
    for exemption in sort_by_time(
        snapshot.exemptions.values(), lambda row: (row.until, row.subject)
    ):
        request = find_granting_request(exemption, snapshot.operator_requests)
        granted = (request.ended_at or request.at) if request else None
        if exemption.until > header.since and not (granted and granted >= header.until):
            yield make_record(
                "exemption",
                guard=guard,
                subject=exemption.subject,
                who=exemption.granted_by,
                why=exemption.reason,
                until=format_record_time(exemption.until),
                granted=format_record_time(granted),
                request=request.id if request else "",
            )


def find_granting_request(
    exemption: Exemption, requests: Iterable[OperatorRequest]
) -> OperatorRequest | None:
    """The request that granted an exemption: the last one with its subject and its end."""
    matching = [
        request
        for request in requests
        if request.kind is RequestKind.EXEMPT
        and request.state is RequestState.DONE
        and (request.subject, request.until) == (exemption.subject, exemption.until)
    ]
    return max(matching, key=lambda request: (request.at, request.id), default=None)


def list_request_records(
    header: ExportHeader, guard: str, requests: Iterable[OperatorRequest]
) -> Iterator[EvidenceRecord]:
    """The requests that were made or ended in the period."""
    for request in sort_by_time(requests, lambda request: (request.at, request.id)):
        if header.contains(request.at) or header.contains(request.ended_at):
            yield make_record(
                "request",
                guard=guard,
                id=request.id,
                kind=str(request.kind),
                subject=request.subject,
                who=request.requested_by,
                why=request.reason,
                signed_in=request.authenticated_as,
                at=format_record_time(request.at),
                until=format_record_time(request.until),
                state=str(request.state),
                ended_at=format_record_time(request.ended_at),
                note=request.note,
            )


def list_coverage_records(
    header: ExportHeader, config: GuardConfig, days: CoveragePeriod
) -> Iterator[EvidenceRecord]:
    """The days of the period with known coverage."""
    cron = CronSchedule.parse(config.schedule)
    kept = header.created_at - KEEP_RUNS
    for start, day in days.iter_days(kept, header.created_at):
        yield make_coverage_record(
            config, day, start, kept, count_due_runs(cron, start, header.created_at)
        )


def make_coverage_record(
    config: GuardConfig, day: DailyCoverage, start: datetime, retained_since: datetime, due: int
) -> EvidenceRecord:
    """One day."""
    return make_record(
        "coverage",
        guard=config.guard.name,
        day=start.date().isoformat(),
        kept="all" if start >= retained_since else "partly",
        runs=day.run_count,
        scheduled=due,
        finished=day.finished_count,
        complete=day.complete_count,
        unfinished=day.unfinished_count,
        failed=day.failed_count,
        idle=day.idle_count,
        unreadable=day.unreadable_count,
        worst=day.lowest_share,
        best=day.highest_share,
        blind=day.list_unavailable_sources(),
    )


def list_guard_records(
    header: ExportHeader,
    config: GuardConfig,
    snapshot: GuardSnapshot,
    days: CoveragePeriod,
) -> Iterator[EvidenceRecord]:
    """All records of one guard, in an order that only the rows determine."""
    guard = config.guard.name
    yield make_guard_record(config, snapshot, days)
    yield from list_finding_records(header, guard, snapshot)
    yield from list_change_records(header, guard, snapshot)
    yield from list_exemption_records(header, guard, snapshot)
    yield from list_request_records(header, guard, snapshot.operator_requests)
    yield from list_coverage_records(header, config, days)


def sort_by_time[T](rows: Iterable[T], key: Callable[[T], tuple[datetime, str]]) -> list[T]:
    """Rows sorted by time, then by their key."""
    return sorted(rows, key=key)
