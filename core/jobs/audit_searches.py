"""Searches the audit log for the causes of cases: begun in one tick, read in later ones.

    wishes of guards ─► record the search ─► ask ─► save its id ─► tell its cases
    later ticks ─► how far is it? ─► read it ─► save the acts ─► put them down to the cases
                                  └► failed, or no answer in time ─► tell its cases

What is about to be asked is saved before, and what was found before its cases are told: a killed
tick asks or tells once more, and loses nothing.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from core.activity.hints import list_concerns
from core.activity.options import ActivityOptions
from core.activity.searches import (
    MAX_ATTEMPTS,
    ask_again,
    describe_search,
    end_search,
    give_up_late,
    is_untold,
    mark_told,
    note_not_started,
    note_progress,
    note_reading,
    note_started,
    plan_searches,
)
from core.engine.cause_updates import SearchNews, update_causes
from core.errors import LedgerError
from core.jobs.activity_acts import find_new_acts
from core.jobs.activity_reading import Tick
from core.model.activity import Act
from core.model.audit_queries import AuditSearch, SearchState
from core.model.guards import GuardConfig
from core.ports import Claim
from core.tenant.audit_queries import MORE, FoundRecord, QueryState
from core.tenant.readings import Reading
from core.tenant.sources import AUDIT_QUERIES

log = logging.getLogger("exoguard.activity")

NOT_GRANTED = "the app lacks the permission to search the audit log"


async def search_for_causes(
    tick: Tick,
    claim: Claim,
    configs: Sequence[GuardConfig],
    options: ActivityOptions,
    run_id: str,
) -> list[str]:
    """Go on with the searches of the audit log, and begin new ones; returns what is wrong."""
    state = tick.state
    waits = state.wishes or any(one.is_open or is_untold(one) for one in state.searches.values())
    if not options.searches or not waits:
        return []
    if await tick.world.tenant.audit_queries.is_granted() is False:
        return [f"{AUDIT_QUERIES}: {NOT_GRANTED}"]
    desk = SearchDesk(tick, claim, frozenset(one.guard.name for one in configs), run_id)
    searches = dict(state.searches)
    for search in sorted(searches.values(), key=lambda one: (one.asked_at, one.key)):
        if tick.world.budget_used() >= 1:
            break
        searches[search.key] = await desk.go_on(search)
    for search in plan_searches(state.wishes, searches, desk.guards, tick.now):
        if tick.world.budget_used() >= 1:
            break
        await desk.begin(search)
    return desk.troubles


class SearchDesk:
    """The searches of one tick, under its claim."""

    def __init__(self, tick: Tick, claim: Claim, guards: frozenset[str], run_id: str) -> None:
        self.tick = tick
        self.claim = claim
        self.guards = guards
        self.run_id = run_id
        self.troubles: list[str] = []
        self.acts: dict[str, tuple[Act, ...]] = {}
        """What was found in this tick, by the search's key."""

    async def begin(self, search: AuditSearch) -> AuditSearch:
        """Record a search, ask it, record its id."""
        await self.claim.save(search)
        return await self.tell(await self.ask(search))

    async def go_on(self, search: AuditSearch) -> AuditSearch:
        """One step of a search that is under way; its cases are told what is new."""
        if search.is_open and search.about not in self.guards:
            search = await self.keep(end_search(search, SearchState.FAILED, "", self.tick.now))
        elif search.state is SearchState.ASKING:
            search = await self.ask_once_more(search)
        elif search.state is SearchState.RUNNING:
            search = await self.look_after(search)
        return await self.tell(search)

    async def keep(self, search: AuditSearch) -> AuditSearch:
        """Save a search."""
        await self.claim.save(search)
        return search

    async def ask(self, search: AuditSearch) -> AuditSearch:
        """Ask the service, once."""
        reader = self.tick.world.tenant.audit_queries
        read = await reader.start_query(f"Exoguard {search.key[:8]}", search.question)
        if read.items:
            return await self.keep(note_started(search, read.items[0]))
        reason = describe_reason(read)
        self.troubles.append(f"{AUDIT_QUERIES}: {reason}")
        return await self.keep(
            note_not_started(search, reason, self.tick.now, is_final=read.complete)
        )

    async def ask_once_more(self, search: AuditSearch) -> AuditSearch:
        """Ask again what was refused for now, or of which nobody knows whether it was asked."""
        if search.attempts >= MAX_ATTEMPTS:
            why = search.note or "it was not begun"
            return await self.keep(end_search(search, SearchState.FAILED, why, self.tick.now))
        return await self.ask(await self.keep(ask_again(search, self.tick.now)))

    async def look_after(self, search: AuditSearch) -> AuditSearch:
        """See how far a search has come, and read it if it is over."""
        reader = self.tick.world.tenant.audit_queries
        read = await reader.read_progress(search.query_id)
        if not read.items:
            reason = describe_reason(read)
            self.troubles.append(f"{AUDIT_QUERIES}: {reason}")
            known = give_up_late(replace(search, note=reason[:300]), self.tick.now)
            return await self.keep(known) if known.state is not search.state else search
        progress = read.items[0]
        known = note_progress(search, progress, self.tick.now)
        if progress.state is QueryState.SUCCEEDED:
            return await self.collect(known)
        return await self.keep(known) if known != search else search

    async def collect(self, search: AuditSearch) -> AuditSearch:
        """Read what a search found, and save it as acts with the search."""
        reader = self.tick.world.tenant.audit_queries
        read = await reader.read_records(search.query_id, search.question.operations)
        relevant = [one.record for one in read.items if list_concerns(one.record)]
        new = await find_new_acts(self.tick, relevant)
        self.acts[search.key] = new.acts
        lost = "" if read.complete else describe_reason(read)
        is_cut = any(one.object_id == MORE for one in read.failures)
        known = note_reading(search, len(relevant), lost, self.tick.now, is_cut=is_cut)
        await self.claim.save(*new.acts, known)
        return known

    async def tell(self, search: AuditSearch) -> AuditSearch:
        """Let the cases of a search have what is known of it. A busy guard is told later."""
        if not is_untold(search):
            return search
        if search.about in self.guards:
            news = SearchNews(
                frozenset(search.cases),
                search.asked_at,
                describe_search(search),
                search.collected > 0,
                self.acts.get(search.key, ()),
            )
            try:
                if not await update_causes(self.tick.world, search.about, self.run_id, news):
                    return search
            except LedgerError as error:
                log.error("%s: its cases do not know of a search: %s", search.about, error)
                return search
        return await self.keep(replace(search, told=mark_told(search)))


def describe_reason(read: Reading[str] | Reading[FoundRecord] | Reading[object]) -> str:
    """Why something was not read."""
    whole = next((one for one in read.failures if not one.object_id), None)
    if whole is None:
        return "no answer"
    missing = f" (needs {whole.permission})" if whole.permission else ""
    return f"{whole.reason}{missing}"
