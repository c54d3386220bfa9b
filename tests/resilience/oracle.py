"""Who watches everything a guard does, and the promises that hold whatever breaks, each once.

A `Watched` tenant writes down what was read of it and how things stood when something was written;
ledger and channel write down what was saved and delivered. All of it is one journal, in the order
it happened, over any number of lives of the process. A promise is a function that yields what in
such a journal goes against it.
"""

import inspect
import json
import re
from collections import defaultdict
from collections.abc import (
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from core.keys import END, FIRST, PLACE
from core.model.cases import Case, Exemption, News
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Finding, Severity
from core.model.guards import Guard, Look, Terms
from core.model.state import GuardState, Shard
from core.tenant.changes import Change, change_to_wire
from core.tenant.mailbox_index import Page
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from tests.support.fakes.tenant import Wrote
from tests.support.fakes.world import Delivered, Journal, Reaper, Saved
from tests.support.observe import looked


@dataclass(frozen=True)
class Stands:
    """How the tenant stands: what is wrong in it, seen by somebody who misses nothing."""

    findings: Mapping[str, Finding]
    at: datetime

    @property
    def dangers(self) -> set[str]:
        """The keys of what has to be told at once."""
        return {
            key
            for key, finding in self.findings.items()
            if finding.severity > Severity.INFO and not finding.patience
        }

    def free_of(self, exempt: Collection[str]) -> set[str]:
        """The dangers nobody has answered for."""
        return {
            key for key in self.dangers if not {key, self.findings[key].object_id} & set(exempt)
        }

    def wanting(self, change: Change) -> set[str]:
        """The keys of what a change would put right, and the objects they are about."""
        return {
            name
            for key, finding in self.findings.items()
            if change in finding.changes
            for name in (key, finding.object_id)
        }


@dataclass(frozen=True)
class Attempt:
    """Somebody is about to change an object: what it is good for, as things stand now."""

    change: Change
    stands: Stands
    back: bool = False


@dataclass(frozen=True)
class Seen:
    """What one question to the tenant was answered, or what the guard made of the answers."""

    reading: Reading[Any]
    by_guard: bool = False


@dataclass(frozen=True)
class Ended:
    """The process was killed, or gave up."""


async def stands(guard: Guard[Any], tenant: Any, terms: Terms, now: datetime) -> Stands:
    """How a tenant stands, by the guard's own eyes and judgement, with every sweep."""
    due = frozenset(sweep.name for sweep in guard.sweeps)
    seen = await looked(guard, tenant, Look(terms, due, enforcing=True))
    found = [finding for item in seen.items for finding in guard.judge(item, terms)]
    return Stands({finding.key(guard.name): finding for finding in found}, now)


def overheard(guard: Guard[Any], journal: Journal) -> Guard[Any]:
    """A guard whose readings are written down."""

    async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Any] | Page]:
        async for part in guard.observe(tenant, look):
            if isinstance(part, Reading):
                journal.append(Seen(part, by_guard=True))
            yield part

    async def inspect(tenant: Tenant, look: Look, owners: Sequence[Mailbox]) -> Reading[Any]:
        assert guard.inspect
        part = await guard.inspect(tenant, look, owners)
        journal.append(Seen(part, by_guard=True))
        return part

    return replace(guard, observe=observe, inspect=inspect if guard.inspect else None)


@dataclass
class Watched:
    """A tenant each of whose operations may be the last, and is written down.

    `real` is a tenant in memory; `view` tells how it stands at this moment.
    """

    real: Any
    view: Callable[[], Any] = dict
    reaper: Reaper = field(default_factory=Reaper)
    journal: Journal = field(default_factory=list)
    seconds: float = 0.0

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.real, name)
        if name in ("apply", "restore"):
            return self.changing(operation, back=name == "restore")
        if inspect.isasyncgenfunction(operation):
            return self.listing(operation)
        return self.asking(operation) if inspect.iscoroutinefunction(operation) else operation

    def note(self, answer: object) -> None:
        """Write an answer down."""
        if isinstance(answer, Reading):
            self.journal.append(Seen(answer))

    def asking(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        """A question with one answer."""

        async def asked(*arguments: Any, **options: Any) -> Any:
            with self.reaper(reads=True):
                answer = await operation(*arguments, **options)
                self.note(answer)
                return answer

        return asked

    def listing(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        """A question that is answered in pages."""

        async def pages(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
            listed = operation(*arguments, **options)
            while True:
                with self.reaper(reads=True):
                    page = await anext(listed, None)
                    self.note(page)
                if page is None:
                    return
                yield page

        return pages

    def changing(self, operation: Callable[..., Any], *, back: bool) -> Callable[..., Any]:
        """A change, whose single writes may each be the last as well."""

        async def changed(change: Change, *arguments: Any) -> Any:
            self.journal.append(Attempt(change, await self.view(), back))
            self.real.reaper, self.real.journal = self.reaper, self.journal
            try:
                return await operation(change, *arguments)
            finally:
                self.real.reaper = Reaper()

        return changed


# ----------------------------------------------------------------------------------------------
# Promises
# ----------------------------------------------------------------------------------------------


def named(event: object) -> set[str]:
    """The cases a message tells of, by the short names people know them by."""
    if not isinstance(event, Delivered):
        return set()
    text = json.dumps(event.payload, ensure_ascii=False)
    return set(re.findall(r"case ([0-9a-f]{8}) · ", text))


def rows[R](event: object, kind: type[R]) -> Iterator[R]:
    """The rows of a kind in what was saved."""
    if isinstance(event, Saved):
        yield from (row for row in event.rows if isinstance(row, kind))


def every_danger_is_told(journal: Journal) -> Iterator[str]:
    """What is wrong at the beginning of a run is told, once for each time its case was opened."""
    last = max(at for at, event in enumerate(journal) if isinstance(event, Stands))
    now = journal[last]
    assert isinstance(now, Stands)
    opened = openings(journal)
    told = {name: at for at, event in enumerate(journal) for name in named(event)}
    for key in now.free_of(exempted(journal[:last], now.at)):
        if told.get(key[-8:], -1) < opened.get(key, 0):
            yield f"never told: {key}"


def openings(journal: Journal) -> dict[str, int]:
    """When each case that is still open was opened for the last time."""
    opened: dict[str, int] = {}
    for at, event in enumerate(journal):
        for case in rows(event, Case):
            if case.closed:
                opened.pop(case.key, None)
            else:
                opened.setdefault(case.key, at)
    return opened


def every_end_is_told(journal: Journal) -> Iterator[str]:
    """That a case is over which people heard of is told, unless they ended it themselves."""
    known: dict[str, Case] = {}
    waiting: set[str] = set()
    for event in journal:
        for case in rows(event, Case):
            was = known.get(case.key)
            over = was and was.told and not was.closed and case.closed
            if over and case.closing in ("gone", "done"):
                waiting.add(case.short)
            known[case.key] = case
        waiting -= named(event)
    yield from (f"its end was never told: {name}" for name in waiting)


def nothing_is_told_twice_but_for_a_death(journal: Journal) -> Iterator[str]:
    """One message for each piece of news, and one more for each death before it was marked told.

    A message that nothing was remembered for is one too many as well.
    """
    allowed: defaultdict[str, int] = defaultdict(int)
    unmarked: set[str] = set()
    for event in journal:
        for case in rows(event, Case):
            if not case.news:
                unmarked.discard(case.short)
            if case.short not in unmarked:
                allowed[case.short] = 1 if case.news else 0
        for name in named(event):
            unmarked.add(name)
            allowed[name] -= 1
            if allowed[name] < 0:
                yield f"told once more than there was news: {name}"
        for name in unmarked if isinstance(event, Ended) else ():
            allowed[name] += 1


def only_what_is_wrong_is_written(journal: Journal) -> Iterator[str]:
    """At the moment of each write its object is wrong and not exempt.

    What a life began and did not finish may be finished.
    """
    begun: list[Change] = []
    attempt: Attempt | None = None
    exemptions: dict[str, datetime] = {}
    for event in journal:
        exemptions |= {row.subject: row.until for row in rows(event, Exemption)}
        if isinstance(event, Attempt):
            attempt = event
        if isinstance(event, Wrote):
            assert attempt
            if attempt.change != event.change:
                yield f"written besides what was attempted: {event.change}"
            if attempt.back:
                continue
            wanting = attempt.stands.wanting(event.change)
            exempt = {one for one, until in exemptions.items() if until > attempt.stands.at}
            if not wanting and event.change not in begun:
                yield f"written although nothing was wrong: {event.change}"
            if wanting & exempt:
                yield f"written although exempt: {event.change}"
            begun.append(event.change)


def exempted(journal: Iterable[object], now: datetime) -> set[str]:
    """What is exempt, by what was saved up to now."""
    until = {row.subject: row.until for event in journal for row in rows(event, Exemption)}
    return {subject for subject, end in until.items() if end > now}


def every_write_is_announced_and_told(journal: Journal) -> Iterator[str]:
    """Each write was intended in a row before it, and is told afterwards."""
    intended: dict[str, str] = {}
    waiting: dict[str, str] = {}
    back = False
    for event in journal:
        for record in rows(event, ChangeRecord):
            if record.state is ChangeState.INTENDED:
                intended[wire(record.kind, record.arguments, bool(record.restores))] = record.case
        if isinstance(event, Attempt):
            back = event.back
        if isinstance(event, Wrote):
            kind, arguments = type(event.change).__name__, change_to_wire(event.change)
            name = wire(kind, arguments, back)
            if name not in intended:
                yield f"written without an intent: {name}"
                continue
            waiting[name] = "Undone" if back else intended[name][-8:]
        if isinstance(event, Delivered):
            text = json.dumps(event.payload, ensure_ascii=False)
            waiting = {name: sign for name, sign in waiting.items() if sign not in text}
    yield from (f"written and never told: {name}" for name in waiting)


def wire(kind: str, arguments: Mapping[str, object], back: bool) -> str:
    """A change as text, and whether it is the change or the way back."""
    return json.dumps([kind, arguments, back], sort_keys=True, default=list)


def nothing_unread_is_closed(journal: Journal) -> Iterator[str]:
    """What is said to be gone was looked for, on each of its surfaces, in that very look.

    A round that stalled is another look than the one begun in its place.
    """
    seen: list[Seen] = []
    known: dict[str, Case] = {}
    going_on = ""
    earlier = 0
    for event in journal:
        if isinstance(event, Seen):
            seen.append(event)
        if isinstance(event, Stands):
            earlier = len(seen)
        if isinstance(event, Ended) and not going_on:
            seen.clear()
        yield from (
            f"closed without a look at {surface}: {case.key}"
            for case in newly_gone(event, known)
            for surface in case.surfaces
            if not was_read(seen, surface, case.object_id)
            and not was_read(seen[earlier:], surface, case.object_id)
        )
        if isinstance(event, Saved) and isinstance(event.state, GuardState):
            present = event.state.round.id if event.state.round else ""
            if going_on and not present:
                seen.clear()
            elif going_on and present != going_on:
                seen = seen[earlier:]
            going_on = present


def newly_gone(event: object, known: dict[str, Case]) -> Iterator[Case]:
    """Cases that what was saved says are gone, and what was `known` did not."""
    for case in rows(event, Case):
        was = known.get(case.key)
        known[case.key] = case
        if case.closing == "gone" and case.closed and not (was and was.closed):
            yield case


def was_read(seen: Sequence[Seen], surface: str, object_id: str) -> bool:
    """True when somebody looked, or a whole listing does not name the object any more.

    The guard alone is believed where the tenant was not asked.
    """
    pages = [
        one.reading
        for one in seen
        if any(isinstance(item, Mailbox) for item in one.reading.items) and not one.by_guard
    ]
    listed = {item.id for page in pages for item in page.items}
    if pages and all(page.complete for page in pages) and object_id not in listed:
        return True
    asked = [one for one in seen if surface in one.reading.surfaces]
    by_tenant = [one for one in asked if not one.by_guard]
    return any(read_of(one.reading, surface, object_id) for one in by_tenant or asked)


def read_of(part: Reading[Any], surface: str, object_id: str) -> bool:
    """True when a reading told all about a surface of an object."""
    if part.blind_to(surface):
        return False
    return not any(miss.object_id == object_id and miss.surface == surface for miss in part.unread)


def what_was_passed_is_remembered(journal: Journal) -> Iterator[str]:
    """When a cursor has passed a place, all that is wrong there and was read has a row by then.

    A run looks at what it listed, a shard at what was listed when it was handed out.
    """
    now: Stands | None = None
    kept: set[str] = set()
    missed: set[str] = set()
    listed: set[str] = set()
    handed_out: dict[str, set[str]] = {}
    reached: dict[str, str] = {}
    for at, event in enumerate(journal):
        if isinstance(event, Stands):
            now, missed, listed = event, set(), set()
        if isinstance(event, Seen):
            missed |= {miss.object_id for miss in event.reading.unread}
            listed |= {item.id for item in event.reading.items if isinstance(item, Mailbox)}
        kept |= {case.key for case in rows(event, Case)}
        if now is None or not isinstance(event, Saved) or "" in missed:
            continue
        if isinstance(event.state, GuardState) and event.state.round and event.state.round.shards:
            handed_out.setdefault(event.state.round.id, listed)
        low, high = passed(event.state, reached)
        forgotten = {key for key in now.dangers - kept if low <= key[:PLACE] < high}
        if forgotten and (free := now.free_of(exempted(journal[:at], now.at))):
            looked_at = handed_out[event.state.round] if isinstance(event.state, Shard) else listed
            yield from (
                f"passed and not remembered: {key}"
                for key in forgotten & free
                if (name := now.findings[key].object_id) not in missed and name in looked_at
            )


def passed(state: GuardState | Shard | None, reached: dict[str, str]) -> tuple[str, str]:
    """The stretch of places that was looked at before this state was saved.

    `reached` says how far each look had come before that.
    """
    match state:
        case Shard(done=True, error=""):
            return state.low, state.high
        case GuardState(round=round_) if round_ and not round_.shards:
            low, reached[round_.id] = reached.get(round_.id, FIRST), round_.after
            by_place = len(round_.after) == PLACE or round_.after == END
            return (low, round_.after) if by_place else ("", "")
        case _:
            return "", ""


def news_is_remembered_first(journal: Journal) -> Iterator[str]:
    """Nothing is told that no row says is news."""
    news: dict[str, News] = {}
    for event in journal:
        news |= {case.short: case.news for case in rows(event, Case)}
        yield from (
            f"told without being remembered: {name}" for name in named(event) if not news.get(name)
        )


PROMISES = (
    every_danger_is_told,
    every_end_is_told,
    nothing_is_told_twice_but_for_a_death,
    only_what_is_wrong_is_written,
    every_write_is_announced_and_told,
    nothing_unread_is_closed,
    what_was_passed_is_remembered,
    news_is_remembered_first,
)


def broken(journal: Journal) -> list[str]:
    """What in a journal goes against any of the promises."""
    return [complaint for promise in PROMISES for complaint in promise(journal)]
