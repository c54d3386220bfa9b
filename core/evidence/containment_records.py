"""The records of contained accounts: the plan, each step and who asked. Pure."""

from collections.abc import Iterator

from core.evidence.records import (
    EvidenceRecord,
    ExportHeader,
    format_record_time,
    make_gap_record,
    make_record,
)
from core.model.containment import AccountBundle, Containment, StoredContainments
from core.status.containment_document import build_step_document


def list_containment_records(
    header: ExportHeader, stored: StoredContainments
) -> Iterator[EvidenceRecord]:
    """The containments that were planned, carried out or taken back in the period, oldest first,
    and those of which nobody can say when.
    """
    for name in stored.unreadable_ids:
        reason = f"the row contain|{name} cannot be decoded"
        yield make_gap_record("containment", header.since, header.until, reason)
    for one in sorted(stored.containments, key=lambda one: (one.planned_at, one.id)):
        times = (one.planned_at, one.started_at, one.ended_at, one.undone_at)
        if any(map(header.contains, times)):
            yield make_containment_record(one)


def make_bundle_record(bundle: AccountBundle) -> EvidenceRecord:
    """One edition of what was kept of an account. Its document is ASCII, and has its own digest."""
    record = make_record(
        "bundle",
        id=bundle.id,
        object=bundle.account_id,
        kind=bundle.kind,
        edition=bundle.edition,
        made_at=format_record_time(bundle.at),
        complete=bundle.is_complete,
        state=bundle.state,
        bundle_sha256=bundle.digest,
        document="",
    )
    return {**record, "document": bundle.body}


def make_containment_record(containment: Containment) -> EvidenceRecord:
    """One containment."""
    steps = map(build_step_document, containment.steps)
    return make_record(
        "containment",
        id=containment.id,
        object=containment.account_id,
        subject=containment.account_name,
        state=str(containment.state),
        refusal=containment.refusal,
        who=containment.requested_by,
        why=containment.reason,
        rule=containment.rule,
        plan=containment.plan_hash,
        planned_at=format_record_time(containment.planned_at),
        carried_out_by=containment.ordered_by,
        started_at=format_record_time(containment.started_at),
        blocked_at=format_record_time(containment.blocked_at),
        ended_at=format_record_time(containment.ended_at),
        undone_by=containment.undone_by,
        undone_at=format_record_time(containment.undone_at),
        evidence_sha256=containment.bundle_digest,
        steps=[
            {
                "step": step.step,
                "state": str(step.state),
                "by_exoguard": step.by_exoguard,
                "title": step.title,
                "before": dict(step.before),
                "result": step.result or "",
                "at": format_record_time(step.at) or "",
            }
            for step in steps
        ],
    )
