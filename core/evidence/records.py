"""What an export says: one record for each guard, finding, change, exemption, action and day. Pure.

`FIELDS` is the data dictionary: the names of what each record holds, in order, and their meaning.
The columns of the table form and the tables of docs/evidence.md are made from it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from core.evidence.daily_coverage import Day, Days, scheduled
from core.microsoft365.cis_benchmark import CONTROLS, WITHOUT, controls_of
from core.model.baseline import Baseline
from core.model.cases import Case, Exemption
from core.model.changes import ChangeRecord
from core.model.guards import Duty
from core.model.requests import Action, ActionState, Deed
from core.model.state import Memory
from core.ncrontab import Cron
from core.ports import KEEP_ACTIONS, KEEP_CASES, KEEP_CHANGES, KEEP_RUNS
from core.sanitize import plain

type Entry = dict[str, object]

SCHEMA = 1
LIMIT = 4_000
DEPTH = 8
BASELINE_GUARD = "tenant-baseline"

EXPORT: Mapping[str, str] = {
    "tenant": "the tenant the app guards, as its settings name it",
    "from": "the first moment of the period",
    "to": "the end of the period; this moment is not part of it",
    "made": "when the export was made; everything is told as it was known then",
    "version": "the version of Exoguard that made it",
    "counts": "how many records of each type follow",
}
FIELDS: Mapping[str, Mapping[str, str]] = {
    "export": EXPORT,
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
        "checks": "of `tenant-baseline`: each setting that is compared, with the source it is from",
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
        "untold": "what about it has not been told yet",
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
        "deed": "what was asked for: run, release, exempt, end-exemption, undo or acknowledge",
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
class Heading:
    """What an export is about. `since` and `until` are midnights; `made` is when it was asked."""

    tenant: str
    since: datetime
    until: datetime
    made: datetime
    version: str

    @property
    def end(self) -> datetime:
        """The last moment anything can be known of."""
        return min(self.until, self.made)

    def holds(self, moment: datetime | None) -> bool:
        """Whether something happened in the period."""
        return moment is not None and self.since <= moment < self.until


def shown(text: str) -> str:
    """Foreign text in which every character is what it seems to be, and not without end."""
    # Most of it is plain already, and there may be a hundred thousand cases.
    if len(text) <= LIMIT and text.isascii() and text.isprintable():
        return text
    return plain(text, LIMIT)


def moment(value: datetime | None) -> str | None:
    """A time as all records write it: UTC, to the second."""
    if value is None:
        return None
    return value.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"


def value_of(value: object, depth: int = DEPTH) -> object:
    """Any JSON value with its texts made plain, its keys in order, and not too deep."""
    match value:
        case str():
            return shown(value)
        case Mapping() | list() | tuple() if depth == 0:
            return "(nested deeper than is shown)"
        case Mapping():
            keys = sorted(value, key=str)
            return {shown(str(key)): value_of(value[key], depth - 1) for key in keys}
        case list() | tuple():
            return [value_of(part, depth - 1) for part in value]
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
    return shown(str(value))


def entry(record: str, **values: object) -> Entry:
    """A record with its fields in the order of the dictionary."""
    return {"record": record, "schema": SCHEMA} | {
        name: value_of(values[name]) for name in FIELDS[record]
    }


# ----------------------------------------------------------------------------------------------
# The whole
# ----------------------------------------------------------------------------------------------


def title_entry(heading: Heading, counts: Mapping[str, int]) -> Entry:
    """The first record."""
    return entry(
        "export",
        **{"from": moment(heading.since), "to": moment(heading.until)},
        tenant=heading.tenant,
        made=moment(heading.made),
        version=heading.version,
        counts=counts,
    )


KEPT = (
    ("coverage", KEEP_RUNS, "runs are kept for {} days: of what was before, little or nothing"),
    ("finding", KEEP_CASES, "a case is kept for {} days after it ended: those before are missing"),
    ("change", KEEP_CHANGES, "changes are kept for {} days"),
    ("action", KEEP_ACTIONS, "actions are kept for {} days after they ended"),
)


def gaps(heading: Heading) -> Iterator[Entry]:
    """What the export cannot show, because it is not kept for so long or has not happened yet."""

    def gap(what: str, since: datetime, until: datetime, why: str) -> Entry:
        return entry("gap", **{"from": moment(since), "to": moment(until)}, what=what, why=why)

    for what, kept, why in KEPT:
        limit = heading.made - kept
        if heading.since < limit:
            yield gap(what, heading.since, min(limit, heading.until), why.format(kept.days))
    if heading.until > heading.made:
        since = max(heading.since, heading.made)
        yield gap("all", since, heading.until, "this was still to come when the export was made")


# ----------------------------------------------------------------------------------------------
# One guard
# ----------------------------------------------------------------------------------------------


def guard_entry(duty: Duty, memory: Memory, days: Days, baseline: Baseline) -> Entry:
    """What the guard is, and by whose standard it judges."""
    guard = duty.guard
    rows = baseline.rows if guard.name == BASELINE_GUARD else ()
    return entry(
        "guard",
        guard=guard.name,
        title=guard.title,
        mode=str(duty.mode),
        schedule=duty.schedule,
        controls=[
            {"id": one.id, "title": one.title, "benchmark": one.benchmark, "source": one.source}
            for one in CONTROLS.get(guard.name, ())
        ],
        without=WITHOUT.get(guard.name, ""),
        reads=[f"{one.service}: {one.name}" for one in guard.permissions if not one.writes],
        checks=[{"id": row.id, "source": row.reference} for row in rows],
        not_understood=memory.poisoned,
        strays=days.strays,
    )


def findings(heading: Heading, guard: str, memory: Memory) -> Iterator[Entry]:
    """The cases that were open at some time of the period."""
    for case in ordered(memory.cases.values(), lambda case: (case.opened, case.key)):
        if case.opened < heading.until and not (case.closed and case.closed < heading.since):
            yield finding(heading, guard, case)


def finding(heading: Heading, guard: str, case: Case) -> Entry:
    """One case."""
    return entry(
        "finding",
        guard=guard,
        id=case.key,
        object=case.object_id,
        subject=case.subject,
        kind=case.kind,
        severity=case.severity.label,
        verdict=str(case.verdict),
        judged=str(case.judged),
        summary=case.summary,
        facts=case.facts,
        advice=case.advice,
        controls=[one.id for one in controls_of(guard, case.kind, case.judged, case.object_id)],
        opened=moment(case.opened),
        told=moment(case.told),
        acknowledged=moment(case.acknowledged),
        acknowledged_by=case.acknowledged_by,
        closed=moment(case.closed),
        closing=case.closing,
        open_at_end=case.closed is None or case.closed >= heading.end,
        adopted=case.adopted,
        event=case.event,
        untold=str(case.news),
        set_aside=moment(case.set_aside),
        note=case.note,
    )


def changes(heading: Heading, guard: str, memory: Memory) -> Iterator[Entry]:
    """The changes that were made, or taken back, in the period."""
    undoing: dict[str, list[str]] = {}
    for record in ordered(memory.changes, lambda record: (record.at, record.id)):
        if record.restores:
            undoing.setdefault(record.restores, []).append(record.id)
    for record in ordered(memory.changes, lambda record: (record.at, record.id)):
        if heading.holds(record.at) or heading.holds(record.undone):
            yield change(guard, record, undoing.get(record.id, ()))


def change(guard: str, record: ChangeRecord, undone_by: Sequence[str]) -> Entry:
    """One change."""
    return entry(
        "change",
        guard=guard,
        id=record.id,
        case=record.case,
        subject=record.subject,
        kind=record.kind,
        arguments=record.arguments,
        before=record.before,
        state=str(record.state),
        at=moment(record.at),
        run=record.run,
        note=record.note,
        restores=record.restores,
        undone=moment(record.undone),
        undone_by=undone_by,
    )


def exemptions(heading: Heading, guard: str, memory: Memory) -> Iterator[Entry]:
    """The exemptions that held at some time of the period, as far as that is known."""
    for exemption in ordered(memory.exemptions.values(), lambda row: (row.until, row.subject)):
        action = granting(exemption, memory.actions)
        granted = (action.ended or action.at) if action else None
        if exemption.until > heading.since and not (granted and granted >= heading.until):
            yield entry(
                "exemption",
                guard=guard,
                subject=exemption.subject,
                who=exemption.who,
                why=exemption.why,
                until=moment(exemption.until),
                granted=moment(granted),
                action=action.id if action else "",
            )


def granting(exemption: Exemption, actions: Iterable[Action]) -> Action | None:
    """The action that asked for an exemption: the last one with its subject and its end."""
    asked = [
        action
        for action in actions
        if action.deed is Deed.EXEMPT
        and action.state is ActionState.DONE
        and (action.subject, action.until) == (exemption.subject, exemption.until)
    ]
    return max(asked, key=lambda action: (action.at, action.id), default=None)


def actions(heading: Heading, guard: str, memory: Memory) -> Iterator[Entry]:
    """What people asked for in the period, and what came to an end in it."""
    for action in ordered(memory.actions, lambda action: (action.at, action.id)):
        if heading.holds(action.at) or heading.holds(action.ended):
            yield entry(
                "action",
                guard=guard,
                id=action.id,
                deed=str(action.deed),
                subject=action.subject,
                who=action.who,
                why=action.why,
                signed_in=action.signed_in,
                at=moment(action.at),
                until=moment(action.until),
                state=str(action.state),
                ended=moment(action.ended),
                note=action.note,
            )


def coverage(heading: Heading, duty: Duty, days: Days) -> Iterator[Entry]:
    """Every day of the period that is known of."""
    cron = Cron.parse(duty.schedule)
    kept = heading.made - KEEP_RUNS
    for start, day in days.each(kept, heading.made):
        yield daily(duty, day, start, kept, scheduled(cron, start, heading.made))


def daily(duty: Duty, day: Day, start: datetime, kept: datetime, due: int) -> Entry:
    """One day."""
    return entry(
        "coverage",
        guard=duty.guard.name,
        day=start.date().isoformat(),
        kept="all" if start >= kept else "partly",
        runs=day.runs,
        scheduled=due,
        finished=day.finished,
        complete=day.complete,
        unfinished=day.unfinished,
        failed=day.failed,
        idle=day.idle,
        unreadable=day.unreadable,
        worst=day.worst,
        best=day.best,
        blind=day.surfaces(),
    )


def chapter(
    heading: Heading, duty: Duty, memory: Memory, days: Days, baseline: Baseline
) -> Iterator[Entry]:
    """All there is to say of one guard, in an order that depends on nothing but the rows."""
    guard = duty.guard.name
    yield guard_entry(duty, memory, days, baseline)
    yield from findings(heading, guard, memory)
    yield from changes(heading, guard, memory)
    yield from exemptions(heading, guard, memory)
    yield from actions(heading, guard, memory)
    yield from coverage(heading, duty, days)


def ordered[T](rows: Iterable[T], key: Callable[[T], tuple[datetime, str]]) -> list[T]:
    """Rows by their time; those of one time by what they are known by."""
    return sorted(rows, key=key)
