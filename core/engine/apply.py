"""Applies changes to the tenant, one case after another, and records the outcome of each attempt.

planned changes ─► attempt each under the claim ─► outcome ─► save records and cases ─► next
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from itertools import batched, groupby

from core.engine.outcomes import record_outcomes
from core.errors import Forbidden, NotFound, Rejected, Superseded, Unavailable
from core.model.cases import Case
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Verdict
from core.ports import Claim, World
from core.tenant.changes import AppliedChange, build_change
from core.tenant.port import Tenant

# Outcomes are saved after this many cases, so that a run that dies repeats little.
RECORD_BATCH_SIZE = 10


async def apply_changes(
    world: World, claim: Claim, planned: Iterable[ChangeRecord], cases: dict[str, Case]
) -> tuple[Outcome, ...]:
    """Make the planned changes, case by case, and save the outcome of each."""
    outcomes: list[Outcome] = []
    forbidden: dict[str, Outcome] = {}
    records_by_case = [
        list(rows) for _, rows in groupby(planned, key=lambda record: record.case_key)
    ]
    for group in batched(records_by_case, RECORD_BATCH_SIZE, strict=False):
        rows: list[Case | ChangeRecord] = []
        for records in group:
            attempts = [
                (record, await attempt_change(world.tenant, claim, record, forbidden))
                for record in records
            ]
            concluded, case = record_outcomes(cases.get(records[0].case_key), attempts, world.now())
            rows += concluded
            if case:
                cases[case.key] = case
                rows.append(case)
            outcomes += (outcome for _, outcome in attempts)
        await claim.save(*rows)
    return tuple(outcomes)


async def attempt_change(
    tenant: Tenant, claim: Claim, record: ChangeRecord, forbidden: dict[str, Outcome]
) -> Outcome:
    """Attempt one change. Every answer of the tenant is an outcome, so the other changes go on."""
    try:
        change = build_change(record.kind, record.arguments)
    except ValueError:
        note = f"this version does not know the change {record.kind}"
        return Outcome(record.case_key, record.subject, record.kind, ChangeState.SUPERSEDED, note)
    if record.kind in forbidden:
        return replace(forbidden[record.kind], case_key=record.case_key, subject=record.subject)
    async with claim.protect_writes():
        outcome = await capture_outcome(record, lambda: tenant.writer.apply(change))
    if outcome.lacks_permission:
        # The permission is missing for every object: another attempt would get the same answer.
        forbidden[record.kind] = outcome
    return outcome


async def capture_outcome(
    record: ChangeRecord, attempt: Callable[[], Awaitable[AppliedChange]]
) -> Outcome:
    """The answer of the tenant to one attempt, as an outcome."""
    result = Outcome(record.case_key, record.subject, record.kind, ChangeState.APPLIED)
    try:
        applied = await attempt()
    except (Superseded, NotFound) as error:
        return replace(result, state=ChangeState.SUPERSEDED, note=str(error))
    except Rejected as error:
        verdict = next((item for item in Verdict if item == error.verdict), Verdict.REFUSED)
        return replace(result, state=ChangeState.REFUSED, note=str(error), verdict=verdict)
    except Forbidden as error:
        missing = f"missing permission: {error.permission}; " if error.permission else ""
        note = f"{missing}{error}"
        return replace(result, state=ChangeState.FAILED, note=note, lacks_permission=True)
    except Unavailable as error:
        begun = dict(error.before or {})
        return replace(result, state=ChangeState.FAILED, note=str(error), before=begun)
    return replace(result, note=applied.note, before=dict(applied.before))
