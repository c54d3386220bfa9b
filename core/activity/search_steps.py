"""One step of a search of the audit log: ask, ask again, see how far it is. Saved before and after.

    save as about to be asked ─► ask ─► save its id        later: how far is it? ─► save

Nobody knows whether a search was begun whose process died in between: it is asked for again.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.activity.searches import (
    MAX_ATTEMPTS,
    ask_again,
    end_search,
    give_up_late,
    is_reading_due,
    note_not_started,
    note_progress,
    note_started,
)
from core.model.audit_queries import AuditSearch, SearchState
from core.tenant.audit_queries import AuditQueryReader, QueryState
from core.tenant.readings import ReadFailure
from core.tenant.sources import AUDIT_QUERIES


@dataclass(slots=True)
class SearchSteps:
    """Steps of searches at one time. `keep` saves one under the claim that it belongs to."""

    reader: AuditQueryReader
    now: datetime
    keep: Callable[[AuditSearch], Awaitable[None]]
    troubles: list[str] = field(default_factory=list)
    """Why something could not be asked or read."""

    async def save(self, search: AuditSearch) -> AuditSearch:
        """Save a search."""
        await self.keep(search)
        return search

    async def begin(self, search: AuditSearch) -> AuditSearch:
        """Ask for a search that is on record as about to be asked."""
        read = await self.reader.start_query(f"Exoguard {search.key[-8:]}", search.question)
        if read.items:
            return await self.save(note_started(search, read.items[0]))
        reason = describe_reason(read.failures)
        self.troubles.append(f"{AUDIT_QUERIES}: {reason}")
        return await self.save(note_not_started(search, reason, self.now, is_final=read.complete))

    async def begin_again(self, search: AuditSearch) -> AuditSearch:
        """Ask again what was refused for now, or of which nobody knows whether it was asked."""
        if search.attempts >= MAX_ATTEMPTS:
            why = search.note or "it was not begun"
            return await self.save(end_search(search, SearchState.FAILED, why, self.now))
        return await self.begin(await self.save(ask_again(search, self.now)))

    async def look_after(self, search: AuditSearch) -> tuple[AuditSearch, bool]:
        """The search as its service tells of it, and whether it is to be read."""
        read = await self.reader.read_progress(search.query_id)
        if not read.items:
            reason = describe_reason(read.failures)
            self.troubles.append(f"{AUDIT_QUERIES}: {reason}")
            known = give_up_late(replace(search, note=reason[:300]), self.now)
            return (search if known.is_open else await self.save(known)), False
        (progress,) = read.items
        known = note_progress(search, progress, self.now)
        if progress.state is QueryState.SUCCEEDED:
            return known, is_reading_due(search, self.now)
        return (search if known == search else await self.save(known)), False


def describe_reason(failures: tuple[ReadFailure, ...]) -> str:
    """Why something was not read."""
    whole = next((one for one in failures if not one.object_id), None)
    if whole is None:
        return "no answer"
    missing = f" (needs {whole.permission})" if whole.permission else ""
    return f"{whole.reason}{missing}"
