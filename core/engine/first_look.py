"""What may have been there when the guard first looked, as far as its state can tell. Pure.

A source is known from the first scan that read it to its end. What a later scan finds there is new,
but for the objects that could not be read in that first scan: the case about that carries a mark
until the object is read. So nothing is stored about objects that were read, and an object that is
unread for a while later on does not make what is found in it look old.
"""

from collections.abc import Iterator
from dataclasses import replace

from core.engine.decision_context import DecisionContext
from core.engine.self_findings import UNREADABLE
from core.model.cases import Case
from core.model.findings import Finding
from core.tenant.sources import JUDGEMENT

RELIES_ON = ("write-first-look",)


def was_preexisting(context: DecisionContext, case: Case | None, finding: Finding) -> bool:
    """Whether the finding may have been there when the guard first read its object. An open case
    says so.
    """
    if case and case.closed_at is None:
        return case.baselined
    return context.is_initial_reading(finding.sources) or any(
        is_first_reading(context, source, finding.object_id)
        for source in (*finding.sources, JUDGEMENT)
    )


def is_first_reading(context: DecisionContext, source: str, object_id: str) -> bool:
    """Whether an object is read from a source for the first time in this scan, unlike others."""
    key = context.get_unread_key(source, object_id)
    case = context.snapshot.cases.get(key)
    return key in context.snapshot.exemptions or (
        case is not None and is_unread_until_this_scan(context, case)
    )


def is_unread_until_this_scan(context: DecisionContext, case: Case) -> bool:
    """Whether the object of a case about that was not read before this scan.

    The scan may read an object in several batches, and the first of them ends the case.
    """
    return case.unread_since_first_look and (
        case.closed_at is None
        or case.closed_at >= context.scan_started_at
        or case.resolution == "exempt"
    )


def mark_unread_object(context: DecisionContext, case: Case, old: Case | None) -> Case:
    """A new case, with the mark if it is about an object that was never read."""
    if case.kind != UNREADABLE:
        return case
    unread = context.is_initial_reading(case.sources) or (
        old is not None and is_unread_until_this_scan(context, old)
    )
    return replace(case, unread_since_first_look=unread)


def list_spent_marks(context: DecisionContext) -> Iterator[Case]:
    """Closed cases whose rows only held the mark until the end of the scan."""
    for case in context.snapshot.cases.values():
        if (
            case.unread_since_first_look
            and case.closed_at
            and case.resolution == "gone"
            and not (case.notified_at or case.notification)
        ):
            yield case
