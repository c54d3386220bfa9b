"""Which causes are searched for in the audit log, and what an answer makes of a search. Pure.

A search is for all cases of a guard that wait for one: so each case is searched for once, at these
ages, and a burst of cases is one search. Few run at a time; one that is not answered in time is
given up, and said to be.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from core.activity.operations import EXCHANGE_OPERATIONS
from core.keys import hash_parts
from core.microsoft365.assumptions.audit_queries import QUERY_LIMIT
from core.model.audit_queries import (
    MAX_WISHED,
    AuditSearch,
    CauseWish,
    SearchState,
    WishedCase,
)
from core.tenant.audit_queries import AuditQuestion, QueryProgress, QueryState
from core.tenant.quoting import quote_text
from core.time_format import format_time

RELIES_ON = (QUERY_LIMIT,)

MAX_OPEN = 3
"""The most searches for causes at a time. A tenant runs about ten, and others search it too."""
MAX_A_DAY = 48
MAX_ATTEMPTS = 40
"""How often a search is asked for while the service takes no more: over some hours of ticks."""
GIVE_UP_AFTER = timedelta(hours=6)
READINGS = 2
"""How often a finished search is read, in different ticks."""
READING_PAUSE = timedelta(minutes=3)
MAX_READINGS = 6
"""How often it is read at most, where pages are lost."""
# A search finds what is on record by then: a first look at once, a second when 80 % of the records
# are there (coe-starter-kit#9190), and then with nearly all of them.
SEARCH_AGES = (timedelta(0), timedelta(hours=2), timedelta(hours=48), timedelta(days=7))
MAX_NOTE = 300


def list_operations(guard: str, kinds: Iterable[str]) -> tuple[str, ...]:
    """The operations of Exchange that may lead to cases of some kinds, as its log spells them."""
    wanted = frozenset(kinds)
    return tuple(
        sorted(
            name
            for name, watches in EXCHANGE_OPERATIONS.items()
            if any(
                watch.guard == guard and (not watch.kinds or wanted & set(watch.kinds))
                for watch in watches
            )
        )
    )


def is_search_due(seen_at: datetime, asked_at: datetime | None, now: datetime) -> bool:
    """Whether a case that was seen at a time is to be searched for, at one of the ages."""
    if asked_at is None or asked_at < seen_at:
        return True
    return any(asked_at < seen_at + age <= now for age in SEARCH_AGES)


def build_wish(guard: str, cases: Iterable[WishedCase], now: datetime) -> CauseWish | None:
    """The cases of a guard to search for, the newest first; None without any."""
    known = [one for one in cases if list_operations(guard, (one.kind,))]
    if not known:
        return None
    newest = sorted(known, key=lambda one: (one.since, one.key), reverse=True)
    return CauseWish(guard, now, tuple(newest[:MAX_WISHED]))


def plan_searches(
    wishes: Mapping[str, CauseWish],
    searches: Mapping[str, AuditSearch],
    guards: Iterable[str],
    now: datetime,
) -> list[AuditSearch]:
    """The searches to begin now, within the limits. What waits longest comes first."""
    known = list(searches.values())
    lately = sum(now - one.asked_at < timedelta(days=1) for one in known)
    under_way = sum(one.is_open for one in known)
    room = min(MAX_OPEN - under_way, MAX_A_DAY - lately)
    active = frozenset(guards)
    planned: list[AuditSearch] = []
    for wish in sorted(wishes.values(), key=lambda one: (one.at, one.guard)):
        if len(planned) >= room:
            break
        taken = list_taken(wish, known)
        cases = [one for one in wish.cases if one.key not in taken]
        if cases and wish.guard in active:
            planned.append(build_search(wish.guard, cases, now))
    return planned


def list_taken(wish: CauseWish, searches: Iterable[AuditSearch]) -> frozenset[str]:
    """The cases of a wish that are searched for, or were since it was made."""
    return frozenset(
        key
        for one in searches
        if one.about == wish.guard and (one.is_open or one.asked_at >= wish.at)
        for key in one.cases
    )


def build_search(guard: str, cases: Iterable[WishedCase], now: datetime) -> AuditSearch:
    """The search for the causes of some cases."""
    wanted = tuple(cases)
    keys = tuple(sorted(one.key for one in wanted))
    question = AuditQuestion(
        since=min(one.since for one in wanted),
        until=now,
        operations=list_operations(guard, {one.kind for one in wanted}),
    )
    key = hash_parts("search", guard, now.isoformat(), keys)
    return AuditSearch(key, guard, question, now, keys)


# What an answer makes of a search ----------------------------------------------------------------


def ask_again(search: AuditSearch, now: datetime) -> AuditSearch:
    """The search as it is recorded before it is asked once more: it is to find all until now."""
    return replace(
        search,
        asked_at=now,
        question=replace(search.question, until=now),
        attempts=search.attempts + 1,
    )


def note_started(search: AuditSearch, query_id: str) -> AuditSearch:
    """The search with the id that its service gave it."""
    return replace(search, state=SearchState.RUNNING, query_id=query_id)


def note_not_started(
    search: AuditSearch, reason: str, now: datetime, *, is_final: bool
) -> AuditSearch:
    """The search that its service did not begin. What is temporary is asked for again."""
    if not is_final and search.attempts < MAX_ATTEMPTS:
        return replace(search, note=quote_text(reason, MAX_NOTE))
    return end_search(search, SearchState.FAILED, f"it was not begun: {reason}", now)


def note_progress(search: AuditSearch, progress: QueryProgress, now: datetime) -> AuditSearch:
    """The search with what its service says of it; one that succeeded is still to be read."""
    search = replace(search, is_cut=search.is_cut or progress.is_cut)
    match progress.state:
        case QueryState.FAILED:
            return end_search(search, SearchState.FAILED, "the service gave it up", now)
        case QueryState.GONE:
            return end_search(search, SearchState.FAILED, "the service knows it no more", now)
        case QueryState.RUNNING:
            return give_up_late(search, now)
        case QueryState.SUCCEEDED:
            return search


def give_up_late(search: AuditSearch, now: datetime) -> AuditSearch:
    """The search, given up if it is too old. What was read of it stays read."""
    if abs(now - search.asked_at) < GIVE_UP_AFTER:
        return search
    if search.collected:
        return end_search(search, SearchState.ANSWERED, search.note, now)
    return end_search(search, SearchState.SILENT, search.note, now)


def note_reading(
    search: AuditSearch, found: int, lost: str, now: datetime, *, is_cut: bool = False
) -> AuditSearch:
    """The search after one reading of its records; `lost` says why some were not read."""
    search = replace(
        search,
        found=max(search.found, found),
        collected=search.collected + 1,
        read_at=now,
        is_cut=search.is_cut or is_cut,
        note=quote_text(lost, MAX_NOTE),
    )
    enough = MAX_READINGS if lost else READINGS
    if search.collected < enough:
        return search
    return end_search(search, SearchState.ANSWERED, search.note, now)


def is_reading_due(search: AuditSearch, now: datetime) -> bool:
    """Whether a finished search is to be read: another reading has to differ in time."""
    return search.read_at is None or abs(now - search.read_at) >= READING_PAUSE


def end_search(search: AuditSearch, state: SearchState, note: str, now: datetime) -> AuditSearch:
    """The search as it is over."""
    return replace(search, state=state, note=quote_text(note, MAX_NOTE), ended_at=now)


def describe_search(search: AuditSearch) -> str:
    """What is to be said of a search besides what it found; empty if nothing is."""
    asked = f"asked at {format_time(search.asked_at)}"
    match search.state:
        case SearchState.ASKING:
            return ""
        case SearchState.RUNNING if not search.collected:
            return f"the audit log was {asked} and has not answered yet"
        case SearchState.SILENT:
            until = format_time(search.ended_at or search.asked_at)
            return f"the audit log was {asked}, no answer by {until}"
        case SearchState.FAILED:
            return f"the audit log was {asked}: {search.note}"
        case _:
            parts = [f"not all was read: {search.note}"] if search.note else []
            parts += ["it found more than it keeps"] if search.is_cut else []
            return f"the audit log was {asked}; {'; '.join(parts)}" if parts else ""


def mark_told(search: AuditSearch) -> str:
    """What its cases have of a search once they were told: another text or reading is new."""
    return f"{search.state} {search.collected} {describe_search(search)}".strip()


def is_untold(search: AuditSearch) -> bool:
    """Whether its cases do not have yet what is known of a search."""
    return search.state is not SearchState.ASKING and search.told != mark_told(search)
