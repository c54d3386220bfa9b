"""Who did it, in words: only what a record says, and of whom it says so. Pure.

Names and details are foreign text: every surface escapes them.
"""

from collections.abc import Iterator
from datetime import timedelta

from core.model.activity import MAX_COUNTED, Cause
from core.model.cases import Case
from core.model.findings import Verdict
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind
from core.time_format import format_duration, format_time

# What a guard looks at rarely is seen within a day.
OLD_ACT = timedelta(days=1)
OLD_ACT_TEXT = "a later one may have led to it, of which no record came"
EARLIER_TEXT = "a look after it found nothing, so something later led to this"
LOG_NAMES = {
    ActivityLog.DIRECTORY: "the audit log of Entra",
    ActivityLog.EXCHANGE: "the audit log of Exchange",
    ActivityLog.ENTRA_FEED: "the unified audit log of Entra",
}


def describe_actor(actor: ActivityActor) -> str:
    """Who acted, as far as a record tells it."""
    name = actor.name
    match actor.kind:
        case ActorKind.PERSON:
            return name or f"the account {actor.id}"
        case ActorKind.APP:
            known = actor.app_id or actor.id
            shown = f'the app "{name}"' if name else "an app"
            return f"{shown} ({known})" if known else shown
        case ActorKind.MICROSOFT:
            return "Microsoft's own service"
        case ActorKind.PARTNER:
            return f"an administrator from outside, a partner or Microsoft's staff ({name or '?'})"
        case ActorKind.SYNC:
            return f"an account named like the copy of a directory on premises ({name})"
        case ActorKind.UNKNOWN:
            return f"somebody whom the record does not tell ({name or 'no name'})"


def describe_act(cause: Cause) -> str:
    """The act, its actor, its time, and where it came from."""
    least = "at least " if cause.count >= MAX_COUNTED else ""
    times = f", {least}{cause.count} times within the hour" if cause.count > 1 else ""
    place = f", from {cause.address}" if cause.address else ""
    client = f" ({cause.client})" if cause.client else ""
    return (
        f"{cause.operation}{times} by {describe_actor(cause.actor)}, {format_time(cause.at)}"
        f"{place}{client}"
    )


def describe_beside(cause: Cause) -> str:
    """What else the same hand did; empty for nothing on record."""
    if not cause.beside_count:
        return ""
    whose = "the same session" if cause.is_same_session else "the same actor at that address"
    more = ", ..." if cause.beside_count > len(cause.beside) else ""
    return f"within an hour {whose} also did: {', '.join(cause.beside)}{more}"


def list_search_lines(case: Case) -> Iterator[tuple[str, str]]:
    """What is to be said of the search for the cause of a case that has none."""
    if case.cause_sought_at:
        yield (
            "who",
            f"no record found by {format_time(case.cause_sought_at)} in the logs that are read",
        )
        if case.earlier_change:
            yield "earlier change", f"{describe_act(case.earlier_change)}; {EARLIER_TEXT}"
        yield from list_time_lines(case)
    if case.cause_note:
        yield "search", case.cause_note


def list_time_lines(case: Case) -> Iterator[tuple[str, str]]:
    """Between which looks it came, as far as that is known."""
    if case.clean_at:
        since, seen = format_time(case.clean_at), format_time(case.seen_since)
        yield "came", f"after the look of {since}, which did not find it, and by {seen}"
    elif case.baselined:
        yield "came", "before the first look at it, nobody knows how long"


def list_method_lines(case: Case) -> Iterator[tuple[str, str]]:
    """The sign-in methods that were given to who is hit, or who acted, about the same time."""
    if case.new_methods:
        yield "sign-in methods", "; ".join(case.new_methods)


def list_cause_lines(case: Case) -> Iterator[tuple[str, str]]:
    """What is on record about who did it, each line with its label; none where nobody searched."""
    cause = case.cause
    if cause is None:
        yield from list_search_lines(case)
        yield from list_method_lines(case)
        return
    yield ("changed back" if case.verdict == Verdict.CONTESTED else "who"), describe_act(cause)
    if cause.detail:
        yield "set", cause.detail
    if cause.session:
        yield "session", cause.session
    if beside := describe_beside(cause):
        yield "also", beside
    if cause.other_addresses:
        places = ", ".join(cause.other_addresses)
        yield "places", f"within an hour the same session also acted from {places}"
    yield from list_time_lines(case)
    age, is_dated = case.seen_since - cause.at, bool(case.clean_at)
    if age > OLD_ACT and not is_dated and case.verdict != Verdict.CONTESTED:
        yield "age", f"the act is {format_duration(age)} older than the case: {OLD_ACT_TEXT}"
    yield from list_method_lines(case)
    yield "told by", LOG_NAMES[cause.log]
