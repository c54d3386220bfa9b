"""When a finding was not there yet: the last look that read its object and did not find it. Pure.

    clean look ─► the act ─► the look that finds what it left

The act behind a case lies between the two looks. Nothing is stored about clean objects: the state
says of each data source when the last reading of all of it began; the case of an object that it
could not read says when the last one did; and objects that were looked at by themselves lately are
named.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from core.engine.decision_context import DecisionContext
from core.engine.self_findings import SELF_CHECK_KINDS
from core.model.cases import UNDONE, Case
from core.model.findings import Finding
from core.model.state import GuardState

# Ids of objects that the state remembers as looked at by themselves.
MAX_LOOKED_ALONE = 400
# So a case ended when a look did not find it any more, or nothing bad about it.
ENDED_BY_A_LOOK = ("gone", "done", "noted")


def find_clean_look(
    context: DecisionContext, finding: Finding, old: Case | None = None
) -> datetime | None:
    """When the last look began that read all of a finding's sources and its object, and did not
    find it; None if no such look is known.

    A look reads for a while: the object may have been read, and changed, any time after its start.
    """
    state, found = context.snapshot.state, list[datetime]()
    if finding.object_id in state.looked_alone and state.alone_sources.issuperset(finding.sources):
        found.append(state.looked_alone[finding.object_id])
    if old and old.closed_at and old.resolution in ENDED_BY_A_LOOK:
        found.append(old.closed_at)
    if read_from := find_whole_reading(context, finding):
        found.append(read_from)
    return max((at for at in found if at <= context.now), default=None)


def find_whole_reading(context: DecisionContext, finding: Finding) -> datetime | None:
    """When the last reading began of all of a finding's sources, its object among them; None if
    they were not read yet.
    """
    if context.is_initial_reading(finding.sources):
        return None
    times = [get_read_time(context, source, finding.object_id) for source in finding.sources]
    known = [at for at in times if at]
    return min(known, default=None) if len(known) == len(times) else None


def get_read_time(context: DecisionContext, source: str, object_id: str) -> datetime | None:
    """When the last reading of a source began that an object was among; None if there is none, or
    an operator accepted that it is not read.
    """
    key = context.get_unread_key(source, object_id)
    if key in context.snapshot.exemptions:
        return None
    unread = context.snapshot.cases.get(key)
    if unread and (unread.closed_at is None or unread.closed_at >= context.scan_started_at):
        return unread.clean_at
    return context.snapshot.state.read_from.get(source)


def date_case(
    context: DecisionContext, case: Case, finding: Finding, old: Case | None, *, is_beyond: bool
) -> Case:
    """A case with the time in which its finding came, unless it was open before.

    What an exemption covered until now was there all the time: it came when it was first seen.
    """
    if case.kind in SELF_CHECK_KINDS or (old and old.closed_at is None):
        return case
    if not is_beyond and was_accepted(context, case, old):
        known = old if old and old.resolution in ("exempt", UNDONE) else None
        return replace(
            case,
            clean_at=known.clean_at if known else None,
            found_at=known.seen_since if known else context.read_at,
            cause=known.cause if known else None,
            earlier_change=known.earlier_change if known else None,
        )
    clean_at = find_clean_look(context, finding, old)
    return replace(case, clean_at=clean_at, found_at=context.read_at)


def was_accepted(context: DecisionContext, case: Case, old: Case | None) -> bool:
    """Whether looks before may have found it, and an operator's exemption kept it from a case."""
    exemptions = context.snapshot.exemptions
    is_named = case.key in exemptions or case.object_id in exemptions
    return is_named or (old is not None and old.resolution in ("exempt", UNDONE))


def note_readings(
    state: GuardState, sources: Iterable[str], began_at: datetime, checks: Iterable[str]
) -> dict[str, datetime]:
    """By data source, when the last reading of all of it began, after one that has ended.

    A periodic check may have begun in an earlier run.
    """
    begun = {name: state.checks_begun_at.get(name, began_at) for name in checks}
    return {**state.read_from, **dict.fromkeys(sources, began_at), **begun}


def note_looks(
    state: GuardState, ids: Iterable[str], sources: frozenset[str], began_at: datetime
) -> GuardState:
    """The state after a look at single objects. It remembers the last ones, and none that a reading
    of everything came after.
    """
    oldest = min(state.read_from.values(), default=began_at)
    before = state.looked_alone if sources == state.alone_sources else {}
    known = {**before, **dict.fromkeys(ids, began_at)}
    latest = sorted(known, key=lambda one: (known[one], one), reverse=True)[:MAX_LOOKED_ALONE]
    kept = {one: known[one] for one in latest if known[one] >= oldest}
    return replace(state, looked_alone=kept, alone_sources=sources)
