"""Notices that a guard's memory cannot be right, and what of it is still known elsewhere. Pure.

    rows that vanished, were added or edited   the census in the lease row differs
    a table of an older day, or an empty one   the mark beside the table is ahead of its state
    a mark that is gone                        nobody can say which of the two happened

Nothing is enforced on such a memory until an operator acknowledges the case about it. What
operators decided stays in force as far as the requests, in the table or in its journal, say so.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.engine.exemption_audit import UNDO_EXEMPTION_PERIOD, build_undo_reason
from core.engine.recall import is_proof
from core.engine.self_remedies import build_loss_remedy
from core.model.cases import Case, Exemption
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.model.state import GuardSnapshot, GuardState, StateMark

STATE_LOST = "state-lost"
MAX_REASON_LENGTH = 400
# What was asked for longer ago than this was carried out or refused, whatever the journal says.
OPEN_FOR = timedelta(days=7)


def explain_loss(snapshot: GuardSnapshot, mark: StateMark | None) -> str:
    """Why the memory cannot be right; empty if nothing is known against it.

    A state that cannot be decoded is told as such, and says nothing about its revision.
    """
    reasons = [snapshot.rows_differ] if snapshot.rows_differ else []
    revision = snapshot.state.revision
    is_unreadable = snapshot.unreadable_rows and not revision
    if mark and mark.revision > revision and not is_unreadable:
        what = "is missing" if not revision else "was restored from an older day"
        reasons.append(
            f"the state {what}: it has revision {revision:,}, and had {mark.revision:,} on "
            f"{mark.at:%Y-%m-%d %H:%M} UTC"
        )
    if mark is None and revision:
        reasons.append(
            "the mark beside the table is gone, which says whether the table is that of today"
        )
    return "; ".join(reasons)[:MAX_REASON_LENGTH]


def distrust(state: GuardState, reason: str, mark: StateMark | None, now: datetime) -> GuardState:
    """The state, not to be trusted from now on, and ahead of the mark again."""
    return replace(
        state,
        distrust_reason=reason,
        distrusted_since=now,
        revision=max(state.revision, mark.revision if mark else 0) + 1,
    )


def trust_again(snapshot: GuardSnapshot, guard: str) -> GuardSnapshot:
    """The snapshot, trusted if an operator acknowledged the case about its state."""
    state = snapshot.state
    finding = build_loss_finding(guard, guard, state)
    case = snapshot.cases.get(finding.compute_key(guard)) if finding else None
    if case is None or case.acknowledged_at is None:
        return snapshot
    return replace(snapshot, state=replace(state, distrust_reason="", distrusted_since=None))


def build_loss_finding(guard: str, title: str, state: GuardState) -> Finding | None:
    """The finding about a state that is not trusted; None for one that is."""
    if state.distrusted_since is None:
        return None
    finding = Finding(
        kind=STATE_LOST,
        object_id="state",
        subject=guard,
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        summary=f"What {title} remembers cannot be right; it changes nothing until somebody says "
        "that it may go on.",
        facts=(
            Fact("", state.distrust_reason),
            Fact("noticed", f"{state.distrusted_since:%Y-%m-%d %H:%M} UTC"),
        ),
        fingerprint=state.distrusted_since.isoformat(),
    )
    key = finding.compute_key(guard)
    return replace(
        finding,
        advice="Find out who restored, emptied or edited the state table; docs/operations.md says "
        "how a table is restored. To go on with what the guard remembers now, acknowledge the "
        "case.",
        steps=build_loss_remedy(guard, key[-8:]),
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What a request of an operator decided about one subject."""

    subject: str
    request: OperatorRequest
    exemption: Exemption | None
    """None if it ended the exemption of the subject."""
    ended_at: datetime


def list_decisions(requests: Iterable[OperatorRequest]) -> Iterator[Decision]:
    """What requests that were carried out decided about exemptions, oldest first."""
    carried_out = [one for one in requests if one.state is RequestState.DONE and one.ended_at]
    for one in sorted(carried_out, key=lambda one: (one.ended_at or one.at, one.id)):
        ended = one.ended_at or one.at
        who = one.requested_by.strip()[:200]
        if one.kind is RequestKind.EXEMPT and one.until:
            subject = one.subject.strip()
            granted = Exemption(subject, who, one.reason.strip()[:500], one.until)
            yield Decision(subject, one, granted, ended)
        elif one.kind is RequestKind.UNDO and one.case_key:
            until = ended + UNDO_EXEMPTION_PERIOD
            granted = Exemption(one.case_key, one.requested_by, build_undo_reason(one), until)
            yield Decision(one.case_key, one, granted, ended)
        elif one.kind is RequestKind.END_EXEMPTION:
            yield Decision(one.subject, one, None, ended)


def merge_requests(
    snapshot: GuardSnapshot, log: Iterable[OperatorRequest], now: datetime
) -> dict[str, OperatorRequest]:
    """The requests of the table, with those of the log that the table lacks or knows only as open.

    Of those that were carried out, what proves nothing that is in force is not needed any more.
    """
    merged = {one.id: one for one in snapshot.operator_requests}
    for one in log:
        known = merged.get(one.id)
        is_open = one.state is RequestState.REQUESTED
        if known is None and ((is_open and now - one.at < OPEN_FOR) or is_proof(one, now)):
            merged[one.id] = one if is_open else replace(one, notified=True)
        elif known and known.state is RequestState.REQUESTED and not is_open:
            merged[one.id] = replace(one, notified=True)
    return merged


def find_lost_rows(
    snapshot: GuardSnapshot, log: Iterable[OperatorRequest], now: datetime
) -> tuple[OperatorRequest | Exemption | Case, ...]:
    """The rows that put back what operators asked for and decided."""
    merged = merge_requests(snapshot, log, now)
    known = {one.id: one for one in snapshot.operator_requests}
    lost: list[OperatorRequest | Exemption | Case] = [
        one for one in merged.values() if known.get(one.id) != one
    ]
    last = {decision.subject: decision for decision in list_decisions(merged.values())}
    for subject, decision in sorted(last.items()):
        stored = snapshot.exemptions.get(subject)
        granted = decision.exemption
        if granted and granted.until > now and (stored is None or stored.until < granted.until):
            lost.append(granted)
        elif granted is None and stored and stored.until > max(now, decision.ended_at):
            lost.append(replace(stored, until=now))
    return tuple(lost)
