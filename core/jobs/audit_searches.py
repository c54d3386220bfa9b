"""Searches the audit log for the causes of cases: begun in one tick, read in later ones.

    wishes of guards ─► record the search ─► ask ─► save its id ─► tell its cases
    later ticks ─► how far is it? ─► read it ─► save the acts ─► put them down to the cases
                                  └► failed, or no answer in time ─► tell its cases

What is about to be asked is saved before, and what was found before its cases are told: a killed
tick asks or tells once more, and loses nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from core.activity.hints import list_concerns
from core.activity.options import ActivityOptions
from core.activity.search_steps import SearchSteps, describe_reason
from core.activity.searches import (
    describe_search,
    end_search,
    is_untold,
    mark_told,
    note_reading,
    plan_searches,
)
from core.engine.cause_updates import SearchNews, update_causes
from core.errors import FAILURES, MISTAKES
from core.jobs.activity_acts import find_new_acts
from core.jobs.activity_reading import Tick
from core.model.activity import Act
from core.model.audit_queries import AuditSearch, SearchState
from core.model.guards import Guard, GuardConfig
from core.ports import Claim
from core.tenant.audit_queries import MORE
from core.tenant.sources import AUDIT_QUERIES

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
    desk = CauseSearches(tick, claim, {one.guard.name: one.guard for one in configs}, run_id)
    searches = dict(state.searches)
    for search in sorted(searches.values(), key=lambda one: (one.asked_at, one.key)):
        if tick.world.budget_used() >= 1:
            break
        try:
            searches[search.key] = await desk.go_on(search)
        except MISTAKES as error:
            tick.note_failed_guard(search.about, "a search of the audit log does not go on", error)
    for search in plan_searches(state.wishes, searches, desk.guards, tick.now):
        if tick.world.budget_used() >= 1:
            break
        await desk.begin(search)
    return desk.steps.troubles


@dataclass(slots=True)
class CauseSearches:
    """The searches of one tick, under its claim."""

    tick: Tick
    claim: Claim
    guards: Mapping[str, Guard[Any]]
    """Those that are on, by name."""
    run_id: str
    acts: dict[str, tuple[Act, ...]] = field(default_factory=dict)
    """What was found in this tick, by the search's key."""
    steps: SearchSteps = field(init=False)

    def __post_init__(self) -> None:
        reader = self.tick.world.tenant.audit_queries
        self.steps = SearchSteps(reader, self.tick.now, self.claim.save)

    async def begin(self, search: AuditSearch) -> AuditSearch:
        """Record a search, and ask it."""
        return await self.tell(await self.steps.begin(await self.steps.save(search)))

    async def go_on(self, search: AuditSearch) -> AuditSearch:
        """One step of a search that is under way; its cases are told what is new."""
        if search.is_open and search.about not in self.guards:
            search = await self.steps.save(
                end_search(search, SearchState.FAILED, "the guard is off", self.tick.now)
            )
        elif search.state is SearchState.ASKING:
            search = await self.steps.begin_again(search)
        elif search.state is SearchState.RUNNING:
            search, is_ready = await self.steps.look_after(search)
            search = await self.collect(search) if is_ready else search
        return await self.tell(search)

    async def collect(self, search: AuditSearch) -> AuditSearch:
        """Read what a search found, and save it as acts with the search."""
        reader = self.tick.world.tenant.audit_queries
        read = await reader.read_records(search.query_id, search.question.operations)
        relevant = [one.record for one in read.items if list_concerns(one.record)]
        new = await find_new_acts(self.tick, relevant)
        self.acts[search.key] = new.acts
        lost = "" if read.complete else describe_reason(read.failures)
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
                if not await update_causes(
                    self.tick.world, self.guards[search.about], self.run_id, news
                ):
                    return search
            except FAILURES as error:
                what = "its cases do not know of a search"
                self.tick.note_failed_guard(search.about, what, error)
                return search
        return await self.steps.save(replace(search, told=mark_told(search)))
