"""The JSON documents of contained accounts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.json_document import Count, RunId
from core.model.containment import (
    PLAN_WINDOW,
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
    StoredContainments,
)
from core.status.containment_texts import list_not_taken_back

CONTAINMENTS_LIMIT = 100


@dataclass(frozen=True, slots=True)
class ContainmentStepDocument:
    """One step: what Exoguard does, or what stays for a person with its command."""

    step: str
    title: str
    state: StepState
    by_exoguard: bool
    needs: str | None
    remark: str | None
    command: str | None
    can_be_undone: bool
    undone_unasked: bool
    before: Mapping[str, Any]
    result: str | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class ContainmentDocument:
    """The containment of one account: its plan, and what became of each step."""

    version: int
    containment: RunId
    account: str
    name: str
    state: ContainmentState
    refusal: str | None
    who: str
    why: str
    rule: str | None
    plan: str | None
    planned_at: datetime
    valid_until: datetime | None
    carried_out_by: str | None
    started_at: datetime | None
    blocked_at: datetime | None
    seconds_to_block: float | None
    ended_at: datetime | None
    stands_still: str | None
    """Why it does not go on, if it is under way and does not."""
    look_again_at: datetime | None
    undone_by: str | None
    undone_at: datetime | None
    undo_request: RunId | None
    not_taken_back: tuple[str, ...]
    """The steps that were to be taken back, and are not."""
    evidence_sha256: str | None
    remarks: tuple[str, ...]
    not_read: tuple[str, ...]
    steps: tuple[ContainmentStepDocument, ...]


@dataclass(frozen=True, slots=True)
class ContainmentListDocument:
    """The latest containments of accounts, newest first."""

    version: int
    total: Count
    unreadable: tuple[str, ...]
    """The ids of those whose rows cannot be decoded, as the rows' keys have them."""
    containments: tuple[ContainmentDocument, ...]


def build_step_document(step: ContainmentStep) -> ContainmentStepDocument:
    """The document of one step."""
    return ContainmentStepDocument(
        step=step.name,
        title=step.title,
        state=step.state,
        by_exoguard=bool(step.change),
        needs=step.needs or None,
        remark=step.remark or None,
        command=step.command or None,
        can_be_undone=step.is_reversible,
        undone_unasked=step.returns_unasked,
        before=dict(step.before),
        result=step.result or None,
        at=step.at,
    )


def build_containment_document(containment: Containment) -> ContainmentDocument:
    """The document of one containment."""
    is_plan = containment.state is ContainmentState.PLANNED
    started, blocked = containment.started_at, containment.blocked_at
    return ContainmentDocument(
        version=1,
        containment=containment.id,
        account=containment.account_id,
        name=containment.account_name,
        state=containment.state,
        refusal=containment.refusal or None,
        who=containment.requested_by,
        why=containment.reason,
        rule=containment.rule or None,
        plan=containment.plan_hash or None,
        planned_at=containment.planned_at,
        valid_until=containment.planned_at + PLAN_WINDOW if is_plan else None,
        carried_out_by=containment.ordered_by or None,
        started_at=started,
        blocked_at=blocked,
        seconds_to_block=max(0.0, (blocked - started).total_seconds())
        if started and blocked
        else None,
        ended_at=containment.ended_at,
        stands_still=containment.stalled or None,
        look_again_at=containment.look_again_at,
        undone_by=containment.undone_by or None,
        undone_at=containment.undone_at,
        undo_request=containment.undo_id or None,
        not_taken_back=tuple(step.name for step in list_not_taken_back(containment)),
        evidence_sha256=containment.bundle_digest or None,
        remarks=containment.remarks,
        not_read=containment.unread,
        steps=tuple(map(build_step_document, containment.steps)),
    )


def build_containment_list(stored: StoredContainments) -> ContainmentListDocument:
    """The document of the latest containments."""
    found = sorted(stored.containments, key=lambda one: (one.planned_at, one.id), reverse=True)
    return ContainmentListDocument(
        version=1,
        total=len(found),
        unreadable=stored.unreadable_ids[:CONTAINMENTS_LIMIT],
        containments=tuple(map(build_containment_document, found[:CONTAINMENTS_LIMIT])),
    )
