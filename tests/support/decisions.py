"""Builders for tests of the engine's decisions: one guard, one source, one batch a run."""

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from core.engine.brake import PlannedChange
from core.engine.decision_context import DecisionContext
from core.engine.outcomes import mark_notified, record_outcomes
from core.engine.plan import Plan, plan_changes
from core.engine.population import is_absence_trusted
from core.engine.reconcile import BatchResult, reconcile_batch
from core.model.cases import Case, Notification
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Correlation, Fact, Finding, Severity
from core.model.guards import ChangeLimit, Guard, GuardConfig, Mode, ObserveContext, PeriodicCheck
from core.model.runs import ReportedFinding
from core.model.state import GuardSnapshot, GuardState
from core.tenant.changes import ClearMailboxForward
from core.tenant.mailbox_index import MailboxPage
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from tests.support.cases import build_case
from tests.support.fakes.clock import START

SURFACE = "mailboxes"


async def observe(
    tenant: Tenant, look: ObserveContext
) -> AsyncIterator[Reading[Any] | MailboxPage]:
    yield Reading()


GUARD: Guard[Any] = Guard(
    name="toy",
    title="Toy",
    looks_for="what a test wants found",
    rationale="It is a toy.",
    noun="mailboxes",
    permissions=(),
    observe=observe,
    judge=lambda thing, terms: (),
    periodic_checks=(PeriodicCheck("slow", timedelta(days=1)),),
)
CONFIG = GuardConfig(
    GUARD, "0 0 * * * *", Mode.ENFORCE, ChangeLimit(count=2, percent=10.0, ceiling=50)
)
STATE = GuardState(baselined_sources=frozenset({SURFACE}), population=20)
DAY = timedelta(days=1)


READING: Reading[object] = Reading(sources=frozenset({SURFACE}), population=20)


def build_finding(name: str = "a", **changes: Any) -> Finding:
    base = Finding(
        kind="forward",
        object_id=name,
        subject=f"{name}@example.com",
        severity=Severity.HIGH,
        verdict="external",
        summary=f"{name} forwards.",
        sources=(SURFACE,),
        changes=(ClearMailboxForward(name),),
    )
    return replace(base, **changes)


def build_reading(population: int = 20, **changes: Any) -> Reading[object]:
    base: Reading[object] = Reading(sources=frozenset({SURFACE}), population=population)
    return replace(base, **changes)


type Scene = tuple[DecisionContext, Reading[object]]


def build_scene(
    memory: GuardSnapshot | None = None,
    *,
    now: datetime = START,
    reading: Reading[object] = READING,
    **changes: Any,
) -> Scene:
    base = DecisionContext(CONFIG, Mode.ENFORCE, "run", memory or GuardSnapshot(state=STATE), now)
    return replace(base, **changes), reading


@dataclass(frozen=True)
class RunDecision:
    """What a run decides that reads the whole tenant as one batch."""

    result: BatchResult
    plan: Plan

    @property
    def cases(self) -> tuple[Case, ...]:
        rows = {case.key: case for case in (*self.result.cases, *self.plan.result.cases)}
        return tuple(rows.values())

    @property
    def cases_to_delete(self) -> tuple[Case, ...]:
        return self.result.cases_to_delete + self.plan.result.cases_to_delete

    @property
    def records(self) -> tuple[ChangeRecord, ...]:
        return self.result.records + self.plan.result.records + self.plan.records

    @property
    def reported_findings(self) -> tuple[ReportedFinding, ...]:
        return self.result.reported_findings + self.plan.result.reported_findings

    @property
    def baselined(self) -> bool:
        return self.result.baselined

    @property
    def changes_to_apply(self) -> tuple[ChangeRecord, ...]:
        return self.plan.changes_to_apply

    @property
    def preview(self) -> tuple[PlannedChange, ...]:
        return self.plan.preview

    @property
    def block_reason(self) -> str:
        return self.plan.block_reason

    @property
    def released(self) -> bool:
        return self.plan.released

    @property
    def hash(self) -> str:
        return self.plan.hash

    @property
    def state(self) -> GuardState:
        return self.plan.state


def make_plan(scene: Scene, findings: Iterable[Finding]) -> RunDecision:
    seen, reading = scene
    trusted = is_absence_trusted(reading, seen.snapshot.state)
    result = reconcile_batch(seen, reading, findings, trusted=trusted)
    cases = {**seen.snapshot.cases, **{case.key: case for case in result.cases}}
    for case in result.cases_to_delete:
        cases.pop(case.key)
    records = {record.id: record for record in (*seen.snapshot.changes, *result.records)}
    memory = replace(seen.snapshot, cases=cases, changes=tuple(records.values()))
    return RunDecision(result, plan_changes(replace(seen, snapshot=memory), result.totals))


def apply_plan(
    plan: RunDecision, memory: GuardSnapshot, *, deliver: bool = True, act: bool = True
) -> GuardSnapshot:
    """The memory a run leaves behind when everything succeeds."""
    cases = {**memory.cases, **{case.key: case for case in plan.cases}}
    for case in plan.cases_to_delete:
        cases.pop(case.key)
    records = {record.id: record for record in (*memory.changes, *plan.records)}
    for record in plan.changes_to_apply if act else ():
        outcome = Outcome(record.case_key, record.subject, record.kind, ChangeState.APPLIED)
        concluded, ended = record_outcomes(
            cases.get(record.case_key), [(record, outcome)], record.at
        )
        records |= {row.id: row for row in concluded}
        if ended:
            cases[ended.key] = ended
    if deliver:
        cases |= {
            case.key: case
            for case in mark_notified([c for c in cases.values() if c.notification], START)
        }
    ordered = sorted(records.values(), key=lambda record: record.at, reverse=True)
    return replace(memory, cases=cases, changes=tuple(ordered), state=plan.state)


def get_only_case(plan: RunDecision) -> Case:
    assert len(plan.cases) == 1
    return plan.cases[0]


KEY = build_finding().compute_key("toy")
CASE = build_case(
    key=KEY,
    object_id="a",
    subject="a@example.com",
    summary="a forwards.",
    facts=(Fact("", "to x@evil.example"),),
    advice="Ask them.",
    sources=(SURFACE,),
    notification=Notification.OPENED,
    planned_changes=(json.dumps(["ClearMailboxForward", {"mailbox_guid": "a"}]),),
    correlations=(Correlation("x@evil.example", "x@evil.example"),),
    is_one_off=True,
    found_at=START,
)


def build_snapshot(*cases: Case, state: GuardState = STATE) -> GuardSnapshot:
    return GuardSnapshot(cases={case.key: case for case in cases}, state=state)


def build_known_snapshot(**changes: Any) -> GuardSnapshot:
    """A memory in which finding a is open and was told."""
    case = get_only_case(make_plan(build_scene(mode=Mode.ALERT), [build_finding()]))
    case = replace(case, notification=Notification.NONE, notified_at=START, **changes)
    return GuardSnapshot(cases={case.key: case}, state=STATE)


def build_change_record(state: ChangeState, at: datetime, number: int = 1) -> ChangeRecord:
    return ChangeRecord(
        f"c{number}", KEY, "a", "ClearMailboxForward", {"mailbox_guid": "a"}, state, at, "old"
    )


MANY = [build_finding(name) for name in "abc"]
