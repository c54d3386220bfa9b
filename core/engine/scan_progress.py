"""One scan of the tenant and how far it has come."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from core.engine.decision_context import DecisionContext
from core.engine.periodic_checks import find_due_checks
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.guards import GuardConfig, GuardPolicy, Mode, ObserveContext
from core.model.runs import ReportedFinding, RunReport
from core.model.state import GuardSnapshot, GuardState, ScanPass, ScanTotals
from core.ports import Claim, World
from core.tenant.port import GrantedPermissions
from core.tenant.readings import Reading

# When everything was last looked at, among the sweeps.
LAST_FULL_SCAN_KEY = "looked"
# So many cases with changes are remembered of a look that takes several runs. More than any limit
# allows, so that the brake holds as it would with all of them.
MAX_READY_CASES = 550


@dataclass(slots=True)
class Scan:
    """One look at the tenant and how far it has come. Everything in it moves on as parts come.

    `passed` is what came of the parts the cursor has passed, in this run and earlier ones,
    `streamed` of mailboxes taken as they were listed, `besides` of all other parts. A run that goes
    on looks at the latter two anew.
    """

    config: GuardConfig
    world: World
    claim: Claim
    report: RunReport
    snapshot: GuardSnapshot
    decision_context: DecisionContext
    grants_reading: Reading[GrantedPermissions]
    saved_at: datetime
    scan_pass: ScanPass
    cases: dict[str, Case] = field(default_factory=dict)
    changes: dict[str, ChangeRecord] = field(default_factory=dict)
    reported_findings: list[ReportedFinding] = field(default_factory=list)
    seen_keys: set[str] = field(default_factory=set)
    unread_ids: set[str] = field(default_factory=set)
    cursor_totals: ScanTotals = field(default_factory=ScanTotals)
    streamed_totals: ScanTotals = field(default_factory=ScanTotals)
    other_totals: ScanTotals = field(default_factory=ScanTotals)
    expected_population: int | None = None
    finished: bool = False
    baselined: bool = False
    check_progress: dict[str, str] = field(default_factory=dict)
    requested_progress: dict[str, str] = field(default_factory=dict)
    completed_checks: set[str] = field(default_factory=set)
    check_time_used: float = 0.0
    owns_case: Callable[[Case], bool] = lambda case: True

    @classmethod
    def resume_or_start(
        cls,
        context: DecisionContext,
        world: World,
        claim: Claim,
        report: RunReport,
        grants_reading: Reading[GrantedPermissions],
    ) -> "Scan":
        """A scan that goes on where the last run had to stop, or begins."""
        memory, now = context.snapshot, context.now
        going_on = memory.state.scan_pass or ScanPass(report.run, now, ScanTotals())
        request = context.run_options
        if request.plan:
            going_on = replace(going_on, plan=request.plan, requested_at=request.at)
        elif going_on.plan:
            request = replace(request, plan=going_on.plan, at=going_on.requested_at)
            context = replace(context, run_options=request)
        return cls(
            config=context.config,
            world=world,
            claim=claim,
            report=report,
            snapshot=memory,
            decision_context=context,
            grants_reading=grants_reading,
            saved_at=now,
            scan_pass=going_on,
            cases=dict(memory.cases),
            changes={record.id: record for record in memory.changes},
            cursor_totals=going_on.totals,
            check_progress=dict(memory.state.check_progress),
            requested_progress=dict(memory.state.check_progress),
        )

    @property
    def policy(self) -> GuardPolicy[Any]:
        """The guard's options at this run's moment."""
        return GuardPolicy(self.decision_context.now, self.config.guard.options)

    def build_observe_context(self) -> ObserveContext[Any]:
        """What the guard is asked to look at."""
        state = self.snapshot.state
        return ObserveContext(
            policy=self.policy,
            due_checks=find_due_checks(self.config, state, self.decision_context.now),
            continuation=self.scan_pass.continuation,
            open_case_ids=frozenset(
                case.object_id for case in self.cases.values() if case.closed_at is None
            ),
            is_enforcing=self.decision_context.mode is Mode.ENFORCE,
            last_full_scan=state.checks_finished_at.get(LAST_FULL_SCAN_KEY),
        )

    @property
    def totals(self) -> ScanTotals:
        """What came of everything that was looked at; a surface swept in part was not read."""
        tally = self.cursor_totals.add_totals(self.streamed_totals).add_totals(self.other_totals)
        sweeps = {sweep.name for sweep in self.config.guard.periodic_checks}
        return replace(tally, sources=tally.sources - (sweeps - self.completed_checks))

    @property
    def remaining_count(self) -> int:
        """How many objects are still to be looked at, as far as is known."""
        return max((self.expected_population or 0) - self.totals.population, 0)

    def build_state(self) -> GuardState:
        """The guard's state as far as this look has come."""
        state = self.snapshot.state
        sweeps = dict(state.checks_finished_at) | dict.fromkeys(
            self.completed_checks, self.decision_context.now
        )
        if self.finished and all(miss.optional for miss in self.totals.source_failures):
            sweeps[LAST_FULL_SCAN_KEY] = self.report.started_at
        sweeping = {
            name: at
            for name, at in self.check_progress.items()
            if name not in self.completed_checks
        }
        return replace(
            state, checks_finished_at=sweeps, check_progress=sweeping, scan_pass=self.scan_pass
        )

    def apply_saved_rows(self, cases: Iterable[Case], records: Iterable[ChangeRecord]) -> None:
        """What was just saved, for the decisions that follow."""
        self.cases |= {case.key: case for case in cases}
        records = list(records)
        self.changes |= {record.id: record for record in records}
        if records:
            newest = sorted(self.changes.values(), key=lambda record: record.at, reverse=True)
            self.snapshot = replace(self.snapshot, changes=tuple(newest))
        # The cases of the memory are this very dictionary from now on: one copy, always current.
        self.snapshot = replace(self.snapshot, cases=self.cases)
        self.decision_context = replace(self.decision_context, snapshot=self.snapshot)


def truncate_totals(totals: ScanTotals) -> ScanTotals:
    """A tally that fits into the row of a guard or a shard, whatever the tenant looks like."""
    return replace(
        totals,
        ready_case_keys=totals.ready_case_keys[:MAX_READY_CASES],
        unfinished_case_keys=totals.unfinished_case_keys[:100],
        source_failures=tuple(
            replace(miss, reason=miss.reason[:200]) for miss in totals.source_failures[:12]
        ),
    )
