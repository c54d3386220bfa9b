"""Applies changes to the tenant, one object after another, and records the outcome of each attempt.

planned changes ─► attempt each under the claim ─► outcome ─► save records and cases ─► next
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from itertools import batched

from core.engine.outcomes import record_outcomes
from core.errors import (
    MISTAKES,
    Forbidden,
    NotFound,
    Rejected,
    Superseded,
    TenantError,
    Unavailable,
    explain_error,
)
from core.model.cases import Case
from core.model.changes import ChangeRecord, ChangeState, Outcome
from core.model.findings import Verdict
from core.ports import Claim, World
from core.tenant.changes import AppliedChange, Change, build_change, get_joint_target
from core.tenant.port import Tenant

log = logging.getLogger("exoguard.run")

# Outcomes are saved after this many objects, so that a run that dies repeats little.
RECORD_BATCH_SIZE = 10


async def apply_changes(
    world: World, claim: Claim, planned: Iterable[ChangeRecord], cases: dict[str, Case]
) -> tuple[Outcome, ...]:
    """Make the planned changes, object by object, and save the outcome of each.

    What there is no time for stays intended, and the next run goes on with it.
    """
    outcomes: list[Outcome] = []
    forbidden: dict[str, Outcome] = {}
    for group in batched(group_records(planned), RECORD_BATCH_SIZE, strict=False):
        rows: list[Case | ChangeRecord] = []
        for records in group:
            if world.budget_used() >= 1:
                break
            attempts = await attempt_changes(world.tenant, claim, records, forbidden)
            for case_key in dict.fromkeys(record.case_key for record in records):
                own = [entry for entry in attempts if entry[0].case_key == case_key]
                concluded, case = record_outcomes(cases.get(case_key), own, world.now())
                rows += concluded
                if case:
                    cases[case.key] = case
                    rows.append(case)
            outcomes += (outcome for _, outcome in attempts)
        if not rows:
            break
        await claim.save(*rows)
    return tuple(outcomes)


def group_records(planned: Iterable[ChangeRecord]) -> list[list[ChangeRecord]]:
    """Changes that are attempted together: those of one mailbox, else those of one case."""
    groups: dict[str, list[ChangeRecord]] = {}
    mailboxes: dict[str, str] = {}
    for record in planned:
        change = try_build_change(record)
        target = get_joint_target(change) if change else ""
        # A case with a joint change takes its other changes along.
        key = mailboxes.setdefault(record.case_key, target or record.case_key)
        groups.setdefault(key, []).append(record)
    return list(groups.values())


def try_build_change(record: ChangeRecord) -> Change | None:
    """The change of a record; None if another version wrote it."""
    try:
        return build_change(record.kind, record.arguments)
    except ValueError:
        return None


async def attempt_changes(
    tenant: Tenant, claim: Claim, records: Sequence[ChangeRecord], forbidden: dict[str, Outcome]
) -> list[tuple[ChangeRecord, Outcome]]:
    """Attempt the changes of one object; several of one mailbox with one command."""
    joint = [
        (record, change)
        for record in records
        if (change := try_build_change(record))
        and get_joint_target(change)
        and record.kind not in forbidden
    ]
    if len(joint) < 2:
        return [
            (record, await attempt_change(tenant, claim, record, forbidden)) for record in records
        ]
    answers = await apply_jointly(tenant, claim, [change for _, change in joint])
    found = {
        record.id: convert_answer(record, answer)
        for (record, _), answer in zip(joint, answers, strict=True)
    }
    for record, _ in joint:
        if found[record.id].lacks_permission:
            forbidden[record.kind] = found[record.id]
    return [
        (
            record,
            found[record.id]
            if record.id in found
            else await attempt_change(tenant, claim, record, forbidden),
        )
        for record in records
    ]


async def apply_jointly(
    tenant: Tenant, claim: Claim, changes: Sequence[Change]
) -> Sequence[AppliedChange | TenantError]:
    """The answers to several changes of one mailbox. After a mistake nobody knows any of them."""
    try:
        async with claim.protect_writes():
            return await tenant.writer.apply_jointly(changes)
    except MISTAKES as error:
        log.exception("changes of one mailbox were not made")
        return [Unavailable(explain_error(error)) for _ in changes]


async def attempt_change(
    tenant: Tenant, claim: Claim, record: ChangeRecord, forbidden: dict[str, Outcome]
) -> Outcome:
    """Attempt one change. Every answer of the tenant is an outcome, so the other changes go on."""
    change = try_build_change(record)
    if change is None:
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
    """The answer of the tenant to one attempt, as an outcome. After a mistake nobody knows it."""
    try:
        return convert_answer(record, await attempt())
    except TenantError as error:
        return convert_answer(record, error)
    except MISTAKES as error:
        log.exception("%s was not made", record.kind)
        return convert_answer(record, Unavailable(explain_error(error)))


def convert_answer(record: ChangeRecord, answer: AppliedChange | TenantError) -> Outcome:
    """The answer of the tenant to a change, as an outcome."""
    result = Outcome(record.case_key, record.subject, record.kind, ChangeState.APPLIED)
    match answer:
        case AppliedChange():
            return replace(result, note=answer.note, before=dict(answer.before))
        case Superseded() | NotFound():
            return replace(result, state=ChangeState.SUPERSEDED, note=str(answer))
        case Rejected():
            verdict = next((item for item in Verdict if item == answer.verdict), Verdict.REFUSED)
            return replace(result, state=ChangeState.REFUSED, note=str(answer), verdict=verdict)
        case Forbidden():
            missing = f"missing permission: {answer.permission}; " if answer.permission else ""
            note = f"{missing}{answer}"
            return replace(result, state=ChangeState.FAILED, note=note, lacks_permission=True)
        case Unavailable():
            begun = dict(answer.before or {})
            return replace(result, state=ChangeState.FAILED, note=str(answer), before=begun)
    raise answer
