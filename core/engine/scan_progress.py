"""One scan of the tenant and how far it has come."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from core.engine.clean_looks import note_readings
from core.engine.decision_context import IN_EFFECT_STATES, DecisionContext
from core.engine.open_folds import index_folded
from core.engine.outbox import Outbox
from core.engine.periodic_checks import find_due_checks
from core.engine.population import find_least_trusted_count
from core.model.cases import Case, list_open_ids
from core.model.changes import ChangeRecord
from core.model.findings import Severity
from core.model.guards import GuardConfig, GuardPolicy, Mode, ObserveContext
from core.model.runs import ReportedFinding, RunReport
from core.model.state import GuardSnapshot, GuardState, ScanPass, ScanTotals
from core.ports import Claim, World
from core.tenant.changes import Change, build_change
from core.tenant.known_traits import KnownTraits
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import Reading

# The key of the last full scan, among the periodic checks.
LAST_FULL_SCAN_KEY = "looked"
# That of the last scan that came to its end, whatever it could not read.
LAST_SCAN_KEY = "ended"
# The most cases with changes that a scan of several runs stores. It is more than any limit allows,
# so that the brake holds as it would with all of them.
MAX_READY_CASES = 550
MAX_UNFINISHED_CASES = 100


@dataclass(slots=True)
class Scan:
    """One scan of the tenant. It is updated with every batch."""

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
    """The keys of the findings of this scan."""
    recalled_keys: set[str] = field(default_factory=set)
    """Those of cases that are kept in another one and have no row of their own."""
    unread_ids: set[str] = field(default_factory=set)
    unconfirmed_sources: frozenset[str] = frozenset()
    """The sources whose listing is shorter than before, as the batches so far say."""
    cursor_totals: ScanTotals = field(default_factory=ScanTotals)
    """The totals of what the cursor has passed, in this run and in earlier ones."""
    streamed_totals: ScanTotals = field(default_factory=ScanTotals)
    """The totals of mailboxes inspected as they were listed; a later run reads them again."""
    other_totals: ScanTotals = field(default_factory=ScanTotals)
    """The totals of all other batches; a later run reads them again."""
    expected_population: int | None = None
    """The number of listed mailboxes, once it is known."""
    finished: bool = False
    baselined: bool = False
    check_progress: dict[str, str] = field(default_factory=dict)
    """The hash prefix up to which each periodic check has come."""
    requested_progress: dict[str, str] = field(default_factory=dict)
    """The hash prefix up to which each check was requested."""
    completed_checks: set[str] = field(default_factory=set)
    missed_checks: set[str] = field(default_factory=set)
    """Those that left out a mailbox which was read as it was listed."""
    check_time_used: float = 0.0
    """The share of the run's time that periodic checks took."""
    kept_state: GuardState | None = None
    """The guard's state of a look at single objects, which leaves it as it is."""
    outbox: Outbox = field(default_factory=lambda: Outbox({}))
    """What channels besides Teams were told or have to be told."""
    owns_case: Callable[[Case], bool] = lambda case: True
    """Whether this run may save a case: another worker may hold it."""

    @classmethod
    def resume_or_start(
        cls,
        context: DecisionContext,
        world: World,
        claim: Claim,
        report: RunReport,
        grants_reading: Reading[GrantedPermissions],
    ) -> "Scan":
        """A scan that continues where the last run stopped, or starts."""
        snapshot, now = context.snapshot, context.now
        scan_pass = snapshot.state.scan_pass or ScanPass(report.run, now, ScanTotals())
        request = context.run_options
        if request.plan:
            scan_pass = replace(scan_pass, plan=request.plan, requested_at=request.at)
        elif scan_pass.plan:
            request = replace(request, plan=scan_pass.plan, at=scan_pass.requested_at)
            context = replace(context, run_options=request)
        context = replace(context, folded=index_folded(snapshot.cases.values()))
        return cls(
            config=context.config,
            world=world,
            claim=claim,
            report=report,
            snapshot=snapshot,
            decision_context=context,
            grants_reading=grants_reading,
            saved_at=now,
            scan_pass=scan_pass,
            cases=dict(snapshot.cases),
            changes={record.id: record for record in snapshot.changes},
            cursor_totals=scan_pass.totals,
            check_progress=dict(snapshot.state.check_progress),
            requested_progress=dict(snapshot.state.check_progress),
            outbox=Outbox(dict(snapshot.outbox)),
        )

    @property
    def policy(self) -> GuardPolicy[Any]:
        """The guard's options at the time of this run."""
        return GuardPolicy(self.decision_context.now, self.config.guard.options)

    def build_observe_context(self) -> ObserveContext[Any]:
        """What the guard is asked to read."""
        state = self.snapshot.state
        return ObserveContext(
            policy=self.policy,
            due_checks=find_due_checks(self.config, state, self.decision_context.now),
            continuation=self.scan_pass.continuation,
            open_case_ids=list_open_ids(self.cases.values()),
            weighty_case_ids=list_open_ids(self.cases.values(), Severity.MEDIUM),
            is_enforcing=self.decision_context.mode is Mode.ENFORCE,
            last_full_scan=state.checks_finished_at.get(LAST_FULL_SCAN_KEY),
            last_scan=state.checks_finished_at.get(LAST_SCAN_KEY),
            seed=state.check_seed,
            least_trusted_count=find_least_trusted_count(state),
            applied_changes=tuple(list_applied_changes(self.decision_context)),
            known_traits=self.snapshot.known_traits,
        )

    @property
    def totals(self) -> ScanTotals:
        """The totals of everything read; the source of an unfinished periodic check counts as not
        read.
        """
        totals = self.cursor_totals.add_totals(self.streamed_totals).add_totals(self.other_totals)
        checks = {sweep.name for sweep in self.config.guard.periodic_checks}
        unfinished = totals.sources & (checks - self.completed_checks)
        return replace(totals, sources=totals.sources - unfinished) if unfinished else totals

    @property
    def remaining_count(self) -> int:
        """The number of objects still to be read, as far as it is known."""
        return max((self.expected_population or 0) - self.totals.population, 0)

    def build_state(self) -> GuardState:
        """The state of the guard as far as this scan has come."""
        if self.kept_state is not None:
            return self.kept_state
        state = self.snapshot.state
        checks = dict(state.checks_finished_at) | dict.fromkeys(
            self.completed_checks, self.decision_context.now
        )
        # What a pass of several runs read first may have changed before its last run began.
        began_at = min(self.report.started_at, self.scan_pass.started_at)
        if self.finished:
            checks[LAST_SCAN_KEY] = began_at
        if self.finished and all(failure.optional for failure in self.totals.source_failures):
            checks[LAST_FULL_SCAN_KEY] = began_at
        progress = {
            name: at
            for name, at in self.check_progress.items()
            if name not in self.completed_checks
        }
        begun = {name: state.checks_begun_at.get(name, began_at) for name in progress}
        return replace(
            state,
            checks_finished_at=checks,
            check_progress=progress,
            checks_begun_at=begun,
            read_from=note_readings(
                state, self.list_read_sources(), began_at, self.completed_checks
            ),
            scan_pass=self.scan_pass,
            revision=state.revision + 1,
        )

    def list_read_sources(self) -> frozenset[str]:
        """The sources of which this scan has read everything, but for objects that it names.

        Periodic checks are not among them: they may take several scans.
        """
        totals = self.totals
        if not (self.finished and totals.complete):
            return frozenset()
        failed = {failure.source for failure in totals.source_failures}
        checks = {sweep.name for sweep in self.config.guard.periodic_checks}
        return totals.sources - failed - totals.doubtful_sources - checks

    def apply_saved_traits(
        self, noted: Iterable[KnownTraits], forgotten: Iterable[KnownTraits] = ()
    ) -> None:
        """Include traits that were just saved in the snapshot for the following batches, without
        those that were deleted.
        """
        known, needless = {one.key: one for one in noted}, {one.key for one in forgotten}
        if known or needless:
            every = {**self.snapshot.known_traits, **known}
            left = {key: one for key, one in every.items() if key not in needless}
            self.snapshot = replace(self.snapshot, known_traits=left if needless else every)

    def hold_recalled(self, cases: Iterable[Case]) -> None:
        """Include known cases that have no row of their own, for the decisions of this run."""
        for case in cases:
            if case.key not in self.cases:
                self.cases[case.key] = case
                self.recalled_keys.add(case.key)

    def apply_saved_rows(self, cases: Iterable[Case], records: Iterable[ChangeRecord]) -> None:
        """Include rows that were just saved in the snapshot for the following decisions."""
        saved = {case.key: case for case in cases}
        self.cases |= saved
        self.recalled_keys -= saved.keys()
        records = list(records)
        self.changes |= {record.id: record for record in records}
        if records:
            newest = sorted(self.changes.values(), key=lambda record: record.at, reverse=True)
            self.snapshot = replace(self.snapshot, changes=tuple(newest))
        # The snapshot shares this dictionary from now on: one copy, always current.
        if self.snapshot.cases is not self.cases:
            self.snapshot = replace(self.snapshot, cases=self.cases)
        if self.decision_context.snapshot is not self.snapshot:
            self.decision_context = replace(self.decision_context, snapshot=self.snapshot)


def list_applied_changes(context: DecisionContext) -> Iterator[tuple[Change, datetime]]:
    """The changes in effect that this version knows, for a guard to see what became of them."""
    for record in context.guard_changes:
        if record.state in IN_EFFECT_STATES and not record.undone_at:
            with contextlib.suppress(ValueError):
                yield build_change(record.kind, record.arguments), record.at


def truncate_totals(totals: ScanTotals) -> ScanTotals:
    """Totals that fit into the row of a guard or a shard, whatever the tenant contains."""
    is_short = (
        len(totals.ready_case_keys) <= MAX_READY_CASES
        and len(totals.unfinished_case_keys) <= MAX_UNFINISHED_CASES
        and not totals.source_failures
    )
    if is_short:
        return totals
    return replace(
        totals,
        ready_case_keys=totals.ready_case_keys[:MAX_READY_CASES],
        unfinished_case_keys=totals.unfinished_case_keys[:MAX_UNFINISHED_CASES],
        source_failures=tuple(
            replace(failure, reason=failure.reason[:200]) for failure in totals.source_failures[:12]
        ),
    )
