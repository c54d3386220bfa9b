"""Finds times in the stored state that cannot be: they lie ahead of the service's clock. Pure.

The engine does not wait for such a time. It is told all the same, since who writes the state table,
or a clock that was wrong, put it there.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime

from core.engine.self_remedies import build_self_remedy
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardConfig
from core.model.requests import OperatorRequest
from core.model.state import MAX_TIME_AHEAD, GuardSnapshot, GuardState, ScanPass
from core.tenant.known_traits import KnownTraits

IMPOSSIBLE_TIME = "time-impossible"
MAX_ROWS_LISTED = 10
# What is meant to lie ahead.
PLANNED_TIMES = frozenset({"until"})

# The names of the fields with times, by type.
TIME_FIELDS: Mapping[type, tuple[str, ...]] = {
    record_type: tuple(
        one.name
        for one in fields(record_type)
        if one.type in (datetime, datetime | None) and one.name not in PLANNED_TIMES
    )
    for record_type in (Case, ChangeRecord, OperatorRequest, KnownTraits, ScanPass)
}


def list_impossible_times(snapshot: GuardSnapshot, now: datetime) -> Iterator[str]:
    """What is stored with a time more than an hour ahead, in words without foreign text."""
    if snapshot.lease_disbelieved:
        yield "the lease of the guard"
    yield from list_impossible_state_times(snapshot.state, now)
    latest = now + MAX_TIME_AHEAD
    for title, records in (
        ("case", snapshot.cases.values()),
        ("change", snapshot.changes),
        ("request", snapshot.operator_requests),
        ("known traits", snapshot.known_traits.values()),
    ):
        for record in records:
            for name in TIME_FIELDS[type(record)]:
                at = getattr(record, name)
                if at and at > latest:
                    yield f"{title}: {name.replace('_', ' ')} {at:%Y-%m-%d %H:%M} UTC"


def list_impossible_state_times(state: GuardState, now: datetime) -> Iterator[str]:
    """The times of a guard's state that lie more than an hour ahead."""
    latest = now + MAX_TIME_AHEAD
    for at in state.checks_finished_at.values():
        if at > latest:
            yield f"end of a periodic check: {at:%Y-%m-%d %H:%M} UTC"
    for at in (*state.read_from.values(), *state.looked_alone.values()):
        if at > latest:
            yield f"start of a reading: {at:%Y-%m-%d %H:%M} UTC"
    if state.scan_pass:
        for name in TIME_FIELDS[ScanPass]:
            at = getattr(state.scan_pass, name)
            if at and at > latest:
                yield f"scan: {name.replace('_', ' ')} {at:%Y-%m-%d %H:%M} UTC"


def build_time_finding(
    config: GuardConfig, snapshot: GuardSnapshot, now: datetime
) -> Finding | None:
    """The finding about times that cannot be, or None if there are none."""
    found = list(list_impossible_times(snapshot, now))
    if not found:
        return None
    rest = len(found) - MAX_ROWS_LISTED
    count = f"{len(found)} times" if len(found) > 1 else "A time"
    return Finding(
        kind=IMPOSSIBLE_TIME,
        object_id="state",
        subject=config.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{count} in the state of {config.guard.title} cannot be right.",
        facts=(
            *(Fact("", one) for one in found[:MAX_ROWS_LISTED]),
            *((Fact("", f"and {rest} more"),) if rest > 0 else ()),
        ),
        advice="The guard went on without waiting for them. Find out who can write the state "
        "table, and whether the clock of an instance was wrong.",
        steps=build_self_remedy("time-impossible", config.guard.name),
    )
