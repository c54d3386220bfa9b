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
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, get_protocol_members

from core.engine.flapping import is_flapping
from core.keys import PREFIX_LENGTH, RANGE_END, RANGE_START
from core.model.cases import Case, Exemption, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Finding, Severity
from core.model.guards import Guard, GuardPolicy, ObserveContext
from core.model.state import GuardState, Shard
from core.notifications.adaptive_card import escape_markdown
from core.status.kind_texts import count_kind
from core.tenant.changes import Change, change_to_arguments
from core.tenant.mailbox_index import MailboxPage
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from tests.support.fakes.channel import DeliveredMessage
from tests.support.fakes.clock import Clock
from tests.support.fakes.crash import CrashInjector
from tests.support.fakes.journal import Journal
from tests.support.fakes.ledger import SavedTransaction
from tests.support.fakes.state import SingleWrite
from tests.support.observe import observe_all


@dataclass(frozen=True)
class TenantState:
    """How the tenant stands: what is wrong in it, seen by somebody who misses nothing."""

    findings: Mapping[str, Finding]
    at: datetime

    @property
    def danger_keys(self) -> set[str]:
        """The keys of what has to be told at once."""
        return {
            key
            for key, finding in self.findings.items()
            if finding.severity > Severity.INFO and not finding.confirmations_needed
        }

    def find_unexempted(self, exempt: Collection[str]) -> set[str]:
        """The dangers nobody has answered for."""
        return {
            key for key in self.danger_keys if not {key, self.findings[key].object_id} & set(exempt)
        }

    def find_remediated(self, change: Change) -> set[str]:
        """The keys of what a change would put right, and the objects they are about."""
        return {
            name
            for key, finding in self.findings.items()
            if change in finding.changes
            for name in (key, finding.object_id)
        }


@dataclass(frozen=True)
class ChangeAttempt:
    """Somebody is about to change an object: what it is good for, as things stand now."""

    changes: tuple[Change, ...]
    """Several where those of one mailbox are made together."""
    tenant_state: TenantState
    is_undo: bool = False


@dataclass(frozen=True)
class LoggedReading:
    """What one question to the tenant was answered, or what the guard made of the answers."""

    reading: Reading[Any]
    is_from_guard: bool = False


@dataclass(frozen=True)
class ProcessEnded:
    """The process was killed, or gave up."""


async def assess_tenant(guard: Guard[Any], tenant: Any, now: datetime) -> TenantState:
    """How a tenant stands, by the guard's own eyes and judgement, with every sweep."""
    policy = GuardPolicy(now, guard.options)
    due = frozenset(sweep.name for sweep in guard.periodic_checks)
    seen = await observe_all(guard, tenant, ObserveContext(policy, due, is_enforcing=True))
    found = [finding for item in seen.items for finding in guard.judge(item, policy)]
    return TenantState({finding.compute_key(guard.name): finding for finding in found}, now)


def log_guard_readings(guard: Guard[Any]) -> Guard[Any]:
    """A guard whose readings of a `RecordingTenant` are written down in its journal."""

    def log(tenant: Tenant, part: Reading[Any]) -> None:
        recorder: Any = tenant
        recorder.journal.append(LoggedReading(part, is_from_guard=True))

    async def observe(
        tenant: Tenant, look: ObserveContext
    ) -> AsyncIterator[Reading[Any] | MailboxPage]:
        async for part in guard.observe(tenant, look):
            if isinstance(part, Reading):
                log(tenant, part)
            yield part

    async def inspect(
        tenant: Tenant, look: ObserveContext, owners: Sequence[Mailbox]
    ) -> Reading[Any]:
        assert guard.inspect
        part = await guard.inspect(tenant, look, owners)
        log(tenant, part)
        return part

    async def look_at(
        tenant: Tenant, look: ObserveContext, mailboxes: Sequence[Mailbox]
    ) -> AsyncIterator[Reading[Any]]:
        assert guard.look_at
        async for part in guard.look_at(tenant, look, mailboxes):
            log(tenant, part)
            yield part

    return replace(
        guard,
        observe=observe,
        inspect=inspect if guard.inspect else None,
        look_at=look_at if guard.look_at else None,
    )


PORT_NAMES = get_protocol_members(Tenant)


@dataclass
class RecordingPort:
    """One port of a tenant that is recorded."""

    recorder: "RecordingTenant"
    port: Any

    def __getattr__(self, name: str) -> Any:
        return self.recorder.wrap(name, getattr(self.port, name))


@dataclass
class RecordingTenant:
    """A tenant each of whose operations may be the last, and is written down.

    `real` is a tenant in memory; `assess_at` tells how it stands at a time.
    """

    real: Any
    clock: Clock
    assess_at: Callable[[Any, datetime], Awaitable[TenantState]]
    crash_injector: CrashInjector = field(default_factory=CrashInjector)
    journal: Journal = field(default_factory=list)
    latency_seconds: float = 0.0

    async def assess(self) -> TenantState:
        """How it stands at this moment."""
        return await self.assess_at(self.real, self.clock())

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(self.real, name)
        return RecordingPort(self, found) if name in PORT_NAMES else self.wrap(name, found)

    def wrap(self, name: str, operation: Any) -> Any:
        """An operation of the tenant, or of one of its ports, that is recorded."""
        if name in ("apply", "apply_jointly", "undo"):
            return self.wrap_change(operation, is_undo=name == "undo")
        if inspect.isasyncgenfunction(operation):
            return self.wrap_listing(operation)
        return self.wrap_read(operation) if inspect.iscoroutinefunction(operation) else operation

    def log_reading(self, answer: object) -> None:
        """Write an answer down."""
        if isinstance(answer, Reading):
            self.journal.append(LoggedReading(answer))

    def wrap_read(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        """A question with one answer."""

        async def asked(*arguments: Any, **options: Any) -> Any:
            with self.crash_injector(reads=True):
                answer = await operation(*arguments, **options)
                self.log_reading(answer)
                return answer

        return asked

    def wrap_listing(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        """A question that is answered in pages."""

        async def pages(*arguments: Any, **options: Any) -> AsyncIterator[Any]:
            listed = operation(*arguments, **options)
            while True:
                with self.crash_injector(reads=True):
                    page = await anext(listed, None)
                    self.log_reading(page)
                if page is None:
                    return
                yield page

        return pages

    def wrap_change(self, operation: Callable[..., Any], *, is_undo: bool) -> Callable[..., Any]:
        """A change, or several, whose single writes may each be the last as well."""

        async def changed(change: Change | Sequence[Change], *arguments: Any) -> Any:
            changes = tuple(change) if isinstance(change, Sequence) else (change,)
            self.journal.append(ChangeAttempt(changes, await self.assess(), is_undo))
            self.real.crash_injector, self.real.journal = self.crash_injector, self.journal
            try:
                return await operation(change, *arguments)
            finally:
                self.real.crash_injector = CrashInjector()

        return changed


# ----------------------------------------------------------------------------------------------
# Promises
# ----------------------------------------------------------------------------------------------


def find_case_names(event: object) -> set[str]:
    """The cases a message tells of, by the short names people know them by."""
    if not isinstance(event, DeliveredMessage):
        return set()
    return set(re.findall(r"case ([0-9a-f]{8}) · ", event.text))


# What an entry of several cases says of those it does not name, and of which objects these are.
UNNAMED = re.compile(r"and ([\d,]+) more: (.+?)( …)? · all ")


def find_counted_names(event: object, untold: Iterable[Case]) -> set[str]:
    """The cases a message tells of by number and object alone, by their short names.

    An entry of several cases names a few and counts the others. Whoever reads it knows of a case
    that shares what its heading says, if there are exactly as many such cases as it counts.
    """
    if not isinstance(event, DeliveredMessage):
        return set()
    named = find_case_names(event)
    pending = list(untold)
    unnamed = [case for case in pending if case.short_key not in named]
    return find_baseline_names(event.payload, pending) | {
        case.short_key
        for entry in iter_entries(event.payload)
        for case in find_counted_cases(entry, unnamed)
    }


# A first look is told in few words: how many cases there are, by kind, and the gravest by name.
BASELINE = re.compile(r"Initial scan: ([\d,]+) pre-existing cases?")


def find_baseline_names(payload: Mapping[str, Any], untold: Iterable[Case]) -> set[str]:
    """The cases of a first look, if it counts exactly as many as there are."""
    lines = [line for entry in iter_entries(payload) for line in entry]
    found = next(filter(None, map(BASELINE.fullmatch, lines)), None)
    names = {
        case.short_key
        for case in untold
        if case.baselined and case.notification is Notification.OPENED
    }
    return names if found and int(found[1].replace(",", "")) == len(names) else set()


def iter_entries(payload: Mapping[str, Any]) -> Iterator[list[str]]:
    """The entries of a message, each as its lines."""
    for attachment in payload.get("attachments", ()):
        for block in attachment["content"].get("body", ()):
            yield [item["text"] for item in block.get("items", ()) if "text" in item]


def find_counted_cases(entry: Sequence[str], unnamed: Iterable[Case]) -> list[Case]:
    """The cases that an entry counts; none if others than these could be meant."""
    found = next(
        filter(None, (UNNAMED.match(line.replace("[all ", "all ")) for line in entry)), None
    )
    if not found:
        return []
    is_closed = any(line.startswith("Was: ") for line in entry)
    objects = set(found[2].split(", "))
    counted = [
        case
        for case in unnamed
        if bool(case.closed_at) is is_closed
        and any(
            entry[1].startswith(f"{escape_markdown(one.text[:1].upper() + one.text[1:], 120)} in ")
            for one in case.correlations
        )
        and (found[3] or escape_markdown(case.subject, 60) in objects)
        and (names_kind(entry[1], case.kind) or " others" in entry[1])
    ]
    told_objects = {escape_markdown(case.subject, 60) for case in counted}
    is_clear = len(counted) == int(found[1].replace(",", "")) and objects <= told_objects
    return counted if is_clear else []


def names_kind(line: str, kind: str) -> bool:
    """Whether an entry's heading counts cases of a kind, in whatever number."""
    return any(count_kind(kind, number).partition(" ")[2] in line for number in (1, 2))


def iter_told_names(journal: Journal) -> Iterator[tuple[int, set[str]]]:
    """For each message where it is in the journal, and the cases it tells of, named or counted."""
    untold: dict[str, Case] = {}
    for at, event in enumerate(journal):
        for case in list_saved_rows(event, Case):
            if case.notification:
                untold[case.key] = case
            else:
                untold.pop(case.key, None)
        if isinstance(event, DeliveredMessage):
            yield at, find_case_names(event) | find_counted_names(event, untold.values())


def list_saved_rows[R](event: object, kind: type[R]) -> Sequence[R]:
    """The rows of a kind in what was saved; asked of every event of a journal, by every promise."""
    if not isinstance(event, SavedTransaction):
        return ()
    return [row for row in event.rows if isinstance(row, kind)]


def check_dangers_notified(journal: Journal) -> Iterator[str]:
    """What is wrong at the beginning of a run is told, once for each time its case was opened."""
    last = max(at for at, event in enumerate(journal) if isinstance(event, TenantState))
    now = journal[last]
    assert isinstance(now, TenantState)
    opened = find_open_positions(journal)
    told = {name: at for at, names in iter_told_names(journal) for name in names}
    for key in now.find_unexempted(find_exempted(journal[:last], now.at)):
        if told.get(key[-8:], -1) < opened.get(key, 0):
            yield f"never told: {key}"


def find_open_positions(journal: Journal) -> dict[str, int]:
    """When each case that is still open was opened for the last time."""
    opened: dict[str, int] = {}
    for at, event in enumerate(journal):
        for case in list_saved_rows(event, Case):
            if case.closed_at:
                opened.pop(case.key, None)
            else:
                opened.setdefault(case.key, at)
    return opened


def check_resolutions_notified(journal: Journal) -> Iterator[str]:
    """That a case is over which people heard of is told, unless they ended it themselves, or one
    that comes and goes has taken its place.
    """
    known: dict[str, Case] = {}
    waiting: set[str] = set()
    # What came back before its end was told: people know it as open, and it has another end.
    heard: set[str] = set()
    told = dict(iter_told_names(journal))
    for at, event in enumerate(journal):
        before = dict(known)
        known |= {case.key: case for case in list_saved_rows(event, Case)}
        for case in list_saved_rows(event, Case):
            was = before.get(case.key)
            if not case.closed_at and case.short_key in waiting:
                waiting.remove(case.short_key)
                heard.add(case.short_key)
            is_known = was and (was.notified_at or case.short_key in heard)
            over = was and is_known and not was.closed_at and case.closed_at
            if over and case.resolution in ("gone", "done") and not find_successor(case, known):
                waiting.add(case.short_key)
        waiting -= told.get(at, set())
        heard -= told.get(at, set())
    yield from (f"its end was never told: {name}" for name in waiting)


def find_successor(case: Case, known: Mapping[str, Case]) -> Case | None:
    """The open case of the same kind and object that comes and goes, if there is one."""
    return next(
        (
            one
            for one in known.values()
            if not one.closed_at
            and is_flapping(one)
            and (one.object_id, one.kind) == (case.object_id, case.kind)
        ),
        None,
    )


def check_nothing_lost(journal: Journal) -> Iterator[str]:
    """What was news and ended before a card told of it is in the number of one that tells of it."""
    news: dict[str, Case] = {}
    summed: set[tuple[str, str]] = set()
    kept: set[str] = set()
    told = dict(iter_told_names(journal))
    for at, event in enumerate(journal):
        for case in list_saved_rows(event, Case):
            if case.notification is Notification.OPENED:
                news[case.short_key] = case
            if case.untold_count:
                summed.add((case.object_id, case.kind))
            if case.notified_at or case.resolution in ("exempt", "noted", "done"):
                kept.add(case.short_key)
        kept |= told.get(at, set())
    for name, case in news.items():
        if name not in kept and (case.object_id, case.kind) not in summed:
            yield f"neither told nor counted: {name}"


def check_notified_once(journal: Journal) -> Iterator[str]:
    """One message for each piece of news, and one more for each death before it was marked told.

    A message that nothing was remembered for is one too many as well.
    """
    allowed: defaultdict[str, int] = defaultdict(int)
    unmarked: set[str] = set()
    for event in journal:
        for case in list_saved_rows(event, Case):
            if not case.notification:
                unmarked.discard(case.short_key)
            if case.short_key not in unmarked:
                allowed[case.short_key] = 1 if case.notification else 0
        for name in find_case_names(event):
            unmarked.add(name)
            allowed[name] -= 1
            if allowed[name] < 0:
                yield f"told once more than there was news: {name}"
        for name in unmarked if isinstance(event, ProcessEnded) else ():
            allowed[name] += 1


def check_writes_justified(journal: Journal) -> Iterator[str]:
    """At the moment of each write its object is wrong and not exempt.

    What a life began and did not finish may be finished.
    """
    begun: list[Change] = []
    attempt: ChangeAttempt | None = None
    exemptions: dict[str, datetime] = {}
    for event in journal:
        exemptions |= {row.subject: row.until for row in list_saved_rows(event, Exemption)}
        if isinstance(event, ChangeAttempt):
            attempt = event
        if isinstance(event, SingleWrite):
            assert attempt
            if event.change not in attempt.changes:
                yield f"written besides what was attempted: {event.change}"
            if attempt.is_undo:
                continue
            wanting = attempt.tenant_state.find_remediated(event.change)
            exempt = {one for one, until in exemptions.items() if until > attempt.tenant_state.at}
            if not wanting and event.change not in begun:
                yield f"written although nothing was wrong: {event.change}"
            if wanting & exempt:
                yield f"written although exempt: {event.change}"
            begun.append(event.change)


def find_exempted(journal: Iterable[object], now: datetime) -> set[str]:
    """What is exempt, by what was saved up to now."""
    until = {
        row.subject: row.until for event in journal for row in list_saved_rows(event, Exemption)
    }
    return {subject for subject, end in until.items() if end > now}


def check_writes_recorded(journal: Journal) -> Iterator[str]:
    """Each write was intended in a row before it, and is told afterwards."""
    intended: dict[str, str] = {}
    waiting: dict[str, str] = {}
    back = False
    told = dict(iter_told_names(journal))
    for at, event in enumerate(journal):
        for record in list_saved_rows(event, ChangeRecord):
            if record.state is ChangeState.INTENDED:
                intended[serialize_change(record.kind, record.arguments, bool(record.undo_of))] = (
                    record.case_key
                )
        if isinstance(event, ChangeAttempt):
            back = event.is_undo
        if isinstance(event, SingleWrite):
            kind, arguments = type(event.change).__name__, change_to_arguments(event.change)
            name = serialize_change(kind, arguments, back)
            if name not in intended:
                yield f"written without an intent: {name}"
                continue
            waiting[name] = "Undone" if back else intended[name][-8:]
        if isinstance(event, DeliveredMessage):
            waiting = {
                name: sign
                for name, sign in waiting.items()
                if sign not in event.text and sign not in told[at]
            }
    yield from (f"written and never told: {name}" for name in waiting)


def serialize_change(kind: str, arguments: Mapping[str, object], is_undo: bool) -> str:
    """A change as text, and whether it is the change or the way back."""
    return json.dumps([kind, arguments, is_undo], sort_keys=True, default=list)


def check_unread_stays_open(journal: Journal) -> Iterator[str]:
    """What is said to be gone was looked for, on each of its surfaces, in that very look.

    A round that stalled is another look than the one begun in its place.
    """
    seen: list[LoggedReading] = []
    known: dict[str, Case] = {}
    going_on = ""
    earlier = 0
    for event in journal:
        if isinstance(event, LoggedReading):
            seen.append(event)
        if isinstance(event, TenantState):
            earlier = len(seen)
        if isinstance(event, ProcessEnded) and not going_on:
            seen.clear()
        yield from (
            f"closed without a look at {surface}: {case.key}"
            for case in find_newly_gone(event, known)
            for surface in case.sources
            if not was_source_read(seen, surface, case.object_id)
            and not was_source_read(seen[earlier:], surface, case.object_id)
        )
        if isinstance(event, SavedTransaction) and isinstance(event.state, GuardState):
            present = event.state.scan_pass.id if event.state.scan_pass else ""
            if going_on and not present:
                seen.clear()
            elif going_on and present != going_on:
                seen = seen[earlier:]
            going_on = present


def find_newly_gone(event: object, known: dict[str, Case]) -> Iterator[Case]:
    """Cases that what was saved says are gone, and what was `known` did not."""
    for case in list_saved_rows(event, Case):
        was = known.get(case.key)
        known[case.key] = case
        if case.resolution == "gone" and case.closed_at and not (was and was.closed_at):
            yield case


def was_source_read(seen: Sequence[LoggedReading], source: str, object_id: str) -> bool:
    """True when somebody looked, or a whole listing does not name the object any more.

    The guard alone is believed where the tenant was not asked.
    """
    pages = [
        one.reading
        for one in seen
        if any(isinstance(item, Mailbox) for item in one.reading.items) and not one.is_from_guard
    ]
    listed = {item.id for page in pages for item in page.items}
    if pages and all(page.complete for page in pages) and object_id not in listed:
        return True
    asked = [one for one in seen if source in one.reading.sources]
    by_tenant = [one for one in asked if not one.is_from_guard]
    return any(is_fully_read(one.reading, source, object_id) for one in by_tenant or asked)


def is_fully_read(reading: Reading[Any], source: str, object_id: str) -> bool:
    """True when a reading told all about a surface of an object."""
    if reading.find_source_failure(source):
        return False
    return not any(
        miss.object_id == object_id and miss.source == source for miss in reading.failures
    )


def check_passed_range_saved(journal: Journal) -> Iterator[str]:
    """When a cursor has passed a place, all that is wrong there and was read has a row by then.

    A run looks at what it listed, a shard at what was listed when it was handed out.
    """
    now: TenantState | None = None
    kept: set[str] = set()
    missed: set[str] = set()
    listed: set[str] = set()
    handed_out: dict[str, set[str]] = {}
    reached: dict[str, str] = {}
    for at, event in enumerate(journal):
        if isinstance(event, TenantState):
            now, missed, listed = event, set(), set()
        if isinstance(event, LoggedReading):
            missed |= {miss.object_id for miss in event.reading.failures}
            listed |= {item.id for item in event.reading.items if isinstance(item, Mailbox)}
        kept |= {case.key for case in list_saved_rows(event, Case)}
        if now is None or not isinstance(event, SavedTransaction) or "" in missed:
            continue
        if (
            isinstance(event.state, GuardState)
            and event.state.scan_pass
            and event.state.scan_pass.shard_count
        ):
            handed_out.setdefault(event.state.scan_pass.id, listed)
        low, high = find_passed_range(event.state, reached)
        forgotten = {key for key in now.danger_keys - kept if low <= key[:PREFIX_LENGTH] < high}
        if forgotten and (free := now.find_unexempted(find_exempted(journal[:at], now.at))):
            looked_at = (
                handed_out[event.state.pass_id] if isinstance(event.state, Shard) else listed
            )
            yield from (
                f"passed and not remembered: {key}"
                for key in forgotten & free
                if (name := now.findings[key].object_id) not in missed and name in looked_at
            )


def find_passed_range(state: GuardState | Shard | None, reached: dict[str, str]) -> tuple[str, str]:
    """The stretch of places that was looked at before this state was saved.

    `reached` says how far each look had come before that.
    """
    match state:
        case Shard(done=True, error=""):
            return state.low, state.high
        case GuardState(scan_pass=round_) if round_ and not round_.shard_count:
            low, reached[round_.id] = reached.get(round_.id, RANGE_START), round_.continuation
            by_place = len(round_.continuation) == PREFIX_LENGTH or round_.continuation == RANGE_END
            return (low, round_.continuation) if by_place else ("", "")
        case _:
            return "", ""


def check_saved_before_notified(journal: Journal) -> Iterator[str]:
    """Nothing is told that no row says is news."""
    news: dict[str, Notification] = {}
    for event in journal:
        news |= {case.short_key: case.notification for case in list_saved_rows(event, Case)}
        yield from (
            f"told without being remembered: {name}"
            for name in find_case_names(event)
            if not news.get(name)
        )


INVARIANTS = (
    check_dangers_notified,
    check_resolutions_notified,
    check_notified_once,
    check_writes_justified,
    check_writes_recorded,
    check_unread_stays_open,
    check_passed_range_saved,
    check_saved_before_notified,
)


def find_violations(journal: Journal) -> list[str]:
    """What in a journal goes against any of the promises."""
    return [complaint for promise in INVARIANTS for complaint in promise(journal)]
