"""What an export says: one record for each guard, finding, change, exemption, action and day. Pure.

`FIELDS` is the data dictionary: the names of what each record holds, in order, and their meaning.
The columns of the table form and the tables of docs/evidence.md are made from it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.evidence.daily_coverage import CoveragePeriod, DailyCoverage, count_due_runs
from core.microsoft365.cis_benchmark import CONTROLS, NO_CONTROL_REASONS, find_controls
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.findings import format_facts
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot
from core.ncrontab import CronSchedule
from core.ports import KEEP_ACTIONS, KEEP_CASES, KEEP_CHANGES, KEEP_RUNS
from core.sanitize import sanitize_text

type EvidenceRecord = dict[str, object]

SCHEMA_VERSION = 1
MAX_TEXT_LENGTH = 4_000
MAX_DEPTH = 8

EXPORT_FIELDS: Mapping[str, str] = {
    "tenant": "the tenant the app guards, as its settings name it",
    "from": "the first moment of the period",
    "to": "the end of the period; this moment is not part of it",
    "made": "when the export was made; everything is told as it was known then",
    "version": "the version of Exoguard that made it",
    "counts": "how many records of each type follow",
}
RECORD_FIELDS: Mapping[str, Mapping[str, str]] = {
    "export": EXPORT_FIELDS,
    "gap": {
        "what": "the type of record that is missing or may be; `all` for what is yet to come",
        "from": "the beginning of the stretch",
        "to": "its end",
        "why": "why",
    },
    "guard": {
        "guard": "the guard's name",
        "title": "what it guards",
        "mode": "how far it may go, at the time of the export: off, alert or enforce",
        "schedule": "when it runs (NCRONTAB, UTC), at the time of the export",
        "controls": "recommendations of a public benchmark it speaks of: id, title, benchmark, "
        "source",
        "without": "why it speaks of none",
        "reads": "where it looks: the Graph permissions and Exchange cmdlets it reads by",
        "checks": "each setting of the tenant that the guard compares, with the source of its value",
        "not_understood": "rows of its memory that this version cannot read; they are not here",
        "strays": "documents of runs that do not say when the run was",
    },
    "finding": {
        "guard": "the guard that found it",
        "id": "the key of the case: the same as long as the finding is",
        "object": "the immutable id of the object",
        "subject": "how people name the object",
        "kind": "what kind of finding",
        "severity": "info, low, medium, high or critical",
        "verdict": "the verdict in force",
        "judged": "the guard's own verdict; another one was put in its place where they differ",
        "summary": "the finding in a sentence",
        "facts": "what it was concluded from",
        "advice": "what a person can do",
        "controls": "ids of the recommendations it is about",
        "opened": "when the case was opened",
        "told": "when the channel took it last",
        "acknowledged": "when a person said they know of it",
        "acknowledged_by": "who",
        "closed": "when it ended",
        "closing": "how: done (put right here), gone, or exempt",
        "open_at_end": "whether it was open at the end of the period, or when the export was made",
        "adopted": "it was there already when the guard first looked",
        "event": "it is something that happened, not a state",
        "pending_notification": "what about it was not sent to the channel yet",
        "set_aside": "when the engine stopped changing it",
        "note": "what became of it here",
    },
    "change": {
        "guard": "the guard whose finding asked for it",
        "id": "the id of the change",
        "case": "the key of the case it was for",
        "subject": "the object that was changed, as people name it",
        "kind": "what was done",
        "arguments": "with what",
        "before": "what was there before",
        "state": "intended, applied, inferred, failed, refused or moot",
        "at": "when it was intended",
        "run": "the run that made it",
        "note": "what the tenant said",
        "restores": "the change that it took back",
        "undone": "when it was taken back itself",
        "undone_by": "the changes that took it back",
    },
    "exemption": {
        "guard": "the guard that leaves it alone",
        "subject": "the id of an object, or the key of a case",
        "who": "who answers for it",
        "why": "why it is right as it is",
        "until": "until when",
        "granted": "when it was granted, where the action is known that asked for it",
        "action": "the id of that action",
    },
    "action": {
        "guard": "the guard it was asked of",
        "id": "the id of the action",
        "kind": "what was requested: run, release, exempt, end-exemption, undo or acknowledge",
        "subject": "of what: the key of a case, the id of an object or of a change, a plan's hash",
        "who": "who asked, by their own word",
        "why": "why",
        "signed_in": "how the request was let in",
        "at": "when it was asked",
        "until": "until when it is meant to hold",
        "state": "asked, done or refused",
        "ended": "when it was done or refused",
        "note": "what came of it",
    },
    "coverage": {
        "guard": "the guard",
        "day": "the day (UTC)",
        "kept": "`all`, or `partly` for a day of which documents may have been removed already",
        "runs": "runs that are known",
        "scheduled": "how often the schedule of today would have come due, up to the export",
        "finished": "runs that came to an end",
        "complete": "of these, those that could read everything",
        "unfinished": "runs that left a part of the tenant to the next one",
        "failed": "runs that were asked for and failed; a run that died by itself leaves no "
        "document and is only missing from `runs`",
        "idle": "runs that were asked for and did not look: queued, busy or off",
        "unreadable": "runs whose document is not understood",
        "worst": "the least share of the objects that a finished run could read, from 0 to 1",
        "best": "the largest",
        "blind": "what could not be read at all in some run",
    },
    "digest": {
        "algorithm": "how it is computed",
        "sha256": "the SHA-256 of all bytes before this line, as 64 hex digits",
    },
}


@dataclass(frozen=True, slots=True)
class ExportHeader:
    """What an export is about. `since` and `until` are midnights; `made` is when it was asked."""

    tenant: str
    since: datetime
    until: datetime
    created_at: datetime
    version: str

    @property
    def known_until(self) -> datetime:
        """The last moment anything can be known of."""
        return min(self.until, self.created_at)

    def contains(self, moment: datetime | None) -> bool:
        """Whether something happened in the period."""
        return moment is not None and self.since <= moment < self.until


def sanitize_record_text(text: str) -> str:
    """Foreign text in which every character is what it seems to be, and not without end."""
    # Most of it is plain already, and there may be a hundred thousand cases.
    if len(text) <= MAX_TEXT_LENGTH and text.isascii() and text.isprintable():
        return text
    return sanitize_text(text, MAX_TEXT_LENGTH)


def format_record_time(value: datetime | None) -> str | None:
    """A time as all records write it: UTC, to the second."""
    if value is None:
        return None
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def sanitize_record_value(value: object, depth: int = MAX_DEPTH) -> object:
    """Any JSON value with its texts made plain, its keys in order, and not too deep."""
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
    """A record with its fields in the order of the dictionary."""
    return {"record": record, "schema": SCHEMA_VERSION} | {
        name: sanitize_record_value(values[name]) for name in RECORD_FIELDS[record]
    }


# ----------------------------------------------------------------------------------------------
# The whole
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
    ("coverage", KEEP_RUNS, "runs are kept for {} days: of what was before, little or nothing"),
    ("finding", KEEP_CASES, "a case is kept for {} days after it ended: those before are missing"),
    ("change", KEEP_CHANGES, "changes are kept for {} days"),
    ("action", KEEP_ACTIONS, "actions are kept for {} days after they ended"),
)


def list_gap_records(header: ExportHeader) -> Iterator[EvidenceRecord]:
    """What the export cannot show, because it is not kept for so long or has not happened yet."""

    def gap(what: str, since: datetime, until: datetime, why: str) -> EvidenceRecord:
        return make_record(
            "gap",
            **{"from": format_record_time(since), "to": format_record_time(until)},
            what=what,
            why=why,
        )

    for what, kept, why in RETENTIONS:
        limit = header.created_at - kept
        if header.since < limit:
            yield gap(what, header.since, min(limit, header.until), why.format(kept.days))
    if header.until > header.created_at:
        since = max(header.since, header.created_at)
        yield gap("all", since, header.until, "this was still to come when the export was made")


# ----------------------------------------------------------------------------------------------
# One guard
# ----------------------------------------------------------------------------------------------


def make_guard_record(
    config: GuardConfig, snapshot: GuardSnapshot, days: CoveragePeriod
) -> EvidenceRecord:
    """What the guard is, and by whose standard it judges."""
    guard = config.guard
    return make_record(
        "guard",
        guard=guard.name,
        title=guard.title,
        mode=str(config.mode),
        schedule=config.schedule,
        controls=[
            {"id": one.id, "title": one.title, "benchmark": one.benchmark, "source": one.url}
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
    """The cases that were open at some time of the period."""
    for case in sort_by_time(snapshot.cases.values(), lambda case: (case.opened_at, case.key)):
        if case.opened_at < header.until and not (case.closed_at and case.closed_at < header.since):
            yield make_finding_record(header, guard, case)


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
        judged=str(case.guard_verdict),
        summary=case.summary,
        facts=format_facts(case.facts),
        advice=case.advice,
        controls=[
            one.id for one in find_controls(guard, case.kind, case.guard_verdict, case.object_id)
        ],
        opened=format_record_time(case.opened_at),
        told=format_record_time(case.notified_at),
        acknowledged=format_record_time(case.acknowledged_at),
        acknowledged_by=case.acknowledged_by,
        closed=format_record_time(case.closed_at),
        closing=case.resolution,
        open_at_end=case.closed_at is None or case.closed_at >= header.known_until,
        adopted=case.baselined,
        event=case.is_one_off,
        pending_notification=str(case.notification),
        set_aside=format_record_time(case.deferred_at),
        note=case.note,
    )


def list_change_records(
    header: ExportHeader, guard: str, snapshot: GuardSnapshot
) -> Iterator[EvidenceRecord]:
    """The changes that were made, or taken back, in the period."""
    undoing: dict[str, list[str]] = {}
    for record in sort_by_time(snapshot.changes, lambda record: (record.at, record.id)):
        if record.undo_of:
            undoing.setdefault(record.undo_of, []).append(record.id)
    for record in sort_by_time(snapshot.changes, lambda record: (record.at, record.id)):
        if header.contains(record.at) or header.contains(record.undone_at):
            yield make_change_record(guard, record, undoing.get(record.id, ()))


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
        restores=record.undo_of,
        undone=format_record_time(record.undone_at),
        undone_by=undone_by,
    )


def list_exemption_records(
    header: ExportHeader, guard: str, snapshot: GuardSnapshot
) -> Iterator[EvidenceRecord]:
    """The exemptions that held at some time of the period, as far as that is known."""
    for exemption in sort_by_time(
        snapshot.exemptions.values(), lambda row: (row.until, row.subject)
    ):
        action = find_granting_request(exemption, snapshot.operator_requests)
        granted = (action.ended_at or action.at) if action else None
        if exemption.until > header.since and not (granted and granted >= header.until):
            yield make_record(
                "exemption",
                guard=guard,
                subject=exemption.subject,
                who=exemption.granted_by,
                why=exemption.reason,
                until=format_record_time(exemption.until),
                granted=format_record_time(granted),
                action=action.id if action else "",
            )


def find_granting_request(
    exemption: Exemption, requests: Iterable[OperatorRequest]
) -> OperatorRequest | None:
    """The action that asked for an exemption: the last one with its subject and its end."""
    asked = [
        action
        for action in requests
        if action.kind is RequestKind.EXEMPT
        and action.state is RequestState.DONE
        and (action.subject, action.until) == (exemption.subject, exemption.until)
    ]
    return max(asked, key=lambda action: (action.at, action.id), default=None)


def list_request_records(
    header: ExportHeader, guard: str, snapshot: GuardSnapshot
) -> Iterator[EvidenceRecord]:
    """What people asked for in the period, and what came to an end in it."""
    for action in sort_by_time(snapshot.operator_requests, lambda action: (action.at, action.id)):
        if header.contains(action.at) or header.contains(action.ended_at):
            yield make_record(
                "action",
                guard=guard,
                id=action.id,
                kind=str(action.kind),
                subject=action.subject,
                who=action.requested_by,
                why=action.reason,
                signed_in=action.authenticated_as,
                at=format_record_time(action.at),
                until=format_record_time(action.until),
                state=str(action.state),
                ended=format_record_time(action.ended_at),
                note=action.note,
            )


def list_coverage_records(
    header: ExportHeader, config: GuardConfig, days: CoveragePeriod
) -> Iterator[EvidenceRecord]:
    """Every day of the period that is known of."""
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
    """All there is to say of one guard, in an order that depends on nothing but the rows."""
    guard = config.guard.name
    yield make_guard_record(config, snapshot, days)
    yield from list_finding_records(header, guard, snapshot)
    yield from list_change_records(header, guard, snapshot)
    yield from list_exemption_records(header, guard, snapshot)
    yield from list_request_records(header, guard, snapshot)
    yield from list_coverage_records(header, config, days)


def sort_by_time[T](rows: Iterable[T], key: Callable[[T], tuple[datetime, str]]) -> list[T]:
    """Rows by their time; those of one time by what they are known by."""
    return sorted(rows, key=key)
