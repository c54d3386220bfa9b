"""Completes what was kept of accounts, once the audit log answers: minutes to hours later.

    search on record ─► asked ─► read ─► next edition, with the search in one transaction

Nothing waits for it: sign-in is blocked and cards are sent before anybody asks. A killed process
asks or reads once more; an edition is saved whole or not at all.
"""

import logging

from core.activity.search_steps import SearchSteps, describe_reason
from core.activity.searches import MAX_OPEN, note_reading
from core.containment.bundles import (
    complete_bundle,
    give_up,
    plan_next_round,
    start_next_round,
)
from core.containment.desk import Desk
from core.errors import MISTAKES, LedgerError, explain_error
from core.model.audit_queries import AuditSearch, SearchState
from core.tenant.audit_queries import MORE, FoundRecord

log = logging.getLogger("exoguard.containment")

# Why one search does not go on, and the others do.
NOT_COMPLETED: tuple[type[Exception], ...] = (LedgerError, *MISTAKES)


async def complete_bundles(desk: Desk) -> None:
    """One step of every search for an account that is due, within the limit of searches."""
    searches = await desk.world.ledger.load_account_searches()
    due = [one for one in searches.values() if one.is_open or one.again_at]
    if not due:
        return
    running = sum(one.state is SearchState.RUNNING for one in due)
    for search in sorted(due, key=lambda one: (one.asked_at, one.key)):
        if desk.world.budget_used() >= 1:
            return
        if search.state is not SearchState.RUNNING and running >= MAX_OPEN:
            continue
        try:
            after = await go_on_with_search(desk, search)
        except NOT_COMPLETED as error:
            log.error(
                "what was kept under %s is not completed: %s",
                search.key,
                explain_error(error),
                exc_info=None if isinstance(error, LedgerError) else error,
            )
            continue
        running += (after.state is SearchState.RUNNING) - (search.state is SearchState.RUNNING)


async def go_on_with_search(desk: Desk, search: AuditSearch) -> AuditSearch:
    """One step of a search. Raises LedgerError if what was kept cannot be read."""
    now = desk.world.now()

    async def keep(one: AuditSearch) -> None:
        # One that ended is saved with the edition that says so.
        if one.is_open:
            await desk.save(one)

    steps = SearchSteps(desk.world.tenant.audit_queries, now, keep)
    if not desk.world.searches_audit_log:
        return await save_edition(desk, give_up(search, "AUDIT_QUERIES is off", now), ())
    if search.again_at:
        if now < search.again_at:
            return search
        search = await steps.save(start_next_round(search, now))
    if search.state is SearchState.ASKING:
        after = await steps.begin_again(search)
        return after if after.is_open else await save_edition(desk, after, ())
    after, is_ready = await steps.look_after(search)
    if is_ready:
        return await collect(desk, after)
    return after if after.is_open else await save_edition(desk, after, ())


async def collect(desk: Desk, search: AuditSearch) -> AuditSearch:
    """Read what a search found, and keep the next edition with it."""
    reader = desk.world.tenant.audit_queries
    read = await reader.read_records(search.query_id, search.question.operations)
    lost = "" if read.complete else describe_reason(read.failures)
    is_cut = any(one.object_id == MORE for one in read.failures)
    known = note_reading(search, len(read.items), lost, desk.world.now(), is_cut=is_cut)
    return await save_edition(desk, known, read.items)


async def save_edition(
    desk: Desk, search: AuditSearch, found: tuple[FoundRecord, ...]
) -> AuditSearch:
    """Save the next edition of what was kept together with its search."""
    search = plan_next_round(search)
    bundle = await desk.world.ledger.load_bundle(search.key)
    if bundle is None:
        await desk.save(give_up(search, "what it was for is gone", desk.world.now()))
        return search
    await desk.save(complete_bundle(bundle, search, found, desk.world.now()), search)
    return search
