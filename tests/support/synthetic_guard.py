"""A guard of nothing in particular on a tenant of any size: what the engine does with many."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol, Self, cast

from core.engine.run import run
from core.engine.shard_message import ShardMessage
from core.engine.shards import abandon_shard, process_shard
from core.errors import NotFound, Superseded, TenantError, Unavailable
from core.keys import format_descending_time
from core.model.findings import Correlation, CorrelationRule, Fact, Finding, Severity
from core.model.guards import (
    ChangeLimit,
    Guard,
    GuardConfig,
    GuardPolicy,
    Mode,
    ObserveContext,
    PeriodicCheck,
)
from core.model.requests import RunOptions
from core.model.runs import RunReport
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.changes import AppliedChange, ClearMailboxForward
from core.tenant.mailbox_index import MailboxPage
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import PresenceTracker
from core.tenant.port import Tenant
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import GRANTS
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import Clock
from tests.support.fakes.crash import CrashInjector, SimulatedCrash
from tests.support.fakes.journal import Journal
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.state import SingleWrite

DEEP_CHECK = "deep"
RULES_SOURCE = "rules"
UNLISTED_SOURCE = "boxes"
"""What a listing is called whose absent objects are looked at alone."""
LISTED_SOURCES = frozenset({RULES_SOURCE, DEEP_CHECK})


@dataclass(frozen=True)
class ForwardItem:
    """Something wrong with a mailbox."""

    mailbox: str
    target: str
    is_deep: bool = False

    @property
    def object_id(self) -> str:
        """The mailbox, as items of a guard say which object they are of."""
        return self.mailbox


@dataclass
class SyntheticTenant:
    """A tenant of so many mailboxes, of which some forward.

    A listing leaves out those that are `gone` and, wrongly, those `unlisted`; it may be
    `broken_off`. What forwards may be `unread`, or nobody's rules seen (`blind`). Changes of
    mailboxes may be `failing`, or only `half_made`: True where they took effect and nobody knows.

    `inspected` are the looks into mailboxes, each of which takes `seconds`; `most` is how many of
    those there were at the same time, `listed_at` how they and the pages followed each other. One
    that is `odd` meets a mistake of the guard.
    """

    mailbox_count: int = 0
    forwards: dict[str, str] = field(default_factory=dict)
    deep_forwards: dict[str, str] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)
    inspected: list[str] = field(default_factory=list)
    deep_checked: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    crashing: set[str] = field(default_factory=set)
    odd: set[str] = field(default_factory=set)
    crash_injector: CrashInjector = field(default_factory=CrashInjector)
    page_size: int = 1000
    latency_seconds: float = 0.0
    inspections_running: int = 0
    max_concurrent: int = 0
    format_address: Callable[[str], str] = "{}@x".format
    next_links: set[str] = field(default_factory=set)
    call_order: list[str] = field(default_factory=list)
    granted: GrantedPermissions = field(default_factory=GrantedPermissions)
    undone: list[str] = field(default_factory=list)
    undo_error: TenantError | None = None
    journal: Journal = field(default_factory=list)
    omitted: set[str] = field(default_factory=set)
    listing_interrupted: bool = False
    unavailable: bool = False
    change_errors: dict[str, Exception] = field(default_factory=dict)
    partially_applied: dict[str, bool] = field(default_factory=dict)

    @property
    def mailbox_ids(self) -> list[str]:
        """The mailboxes a listing names."""
        ids = [f"m{n}" for n in range(self.mailbox_count)]
        return [one for one in ids if one not in self.deleted | self.omitted]

    def clear_faults(self) -> None:
        """Everything can be read and changed again."""
        self.omitted.clear()
        self.change_errors.clear()
        self.partially_applied.clear()
        self.listing_interrupted = self.unavailable = False

    @property
    def permissions(self) -> Self:
        return self

    @property
    def writer(self) -> Self:
        return self

    async def read_granted_permissions(self) -> Reading[GrantedPermissions]:
        with self.crash_injector():
            return Reading((self.granted,), sources=frozenset({GRANTS}))

    async def list_pages(self) -> AsyncIterator[Reading[Mailbox]]:
        ids = self.mailbox_ids
        for at in range(0, max(len(ids), 1), self.page_size):
            with self.crash_injector():
                page = ids[at : at + self.page_size]
                self.call_order.append(f"page {at // self.page_size}")
                await asyncio.sleep(0)
                part = tuple(Mailbox(one, f"g-{one}", self.format_address(one)) for one in page)
            last = at + self.page_size >= len(ids)
            yield Reading(
                part, population=len(part), complete=not (self.listing_interrupted and last)
            )

    async def inspect_mailboxes(
        self, owners: Sequence[Mailbox], is_deep_due: bool
    ) -> Reading[ForwardItem]:
        with self.crash_injector():
            self.inspected += [box.id for box in owners]
            self.call_order.append("look")
        self.inspections_running += 1
        self.max_concurrent = max(self.max_concurrent, self.inspections_running)
        await asyncio.sleep(self.latency_seconds)
        self.inspections_running -= 1
        if self.crashing & {box.id for box in owners}:
            raise RuntimeError("this mailbox breaks the one who looks into it")
        if self.odd & {box.id for box in owners}:
            raise KeyError("nobody foresaw this mailbox")
        blind = {box.id for box in owners} if self.unavailable else set[str]()
        found = [
            ForwardItem(box.id, self.forwards[box.id]) for box in owners if box.id in self.forwards
        ]
        if is_deep_due:
            self.deep_checked += [box.id for box in owners]
            found += [
                ForwardItem(b.id, self.deep_forwards[b.id], True)
                for b in owners
                if b.id in self.deep_forwards
            ]
        return Reading(
            items=tuple(one for one in found if one.mailbox not in self.unreadable | blind),
            failures=tuple(
                ReadFailure(RULES_SOURCE, "HTTP 503", box.id, box.address)
                for box in owners
                if box.id in self.unreadable
            )
            + ((ReadFailure(RULES_SOURCE, "HTTP 503"),) if self.unavailable else ()),
            sources=frozenset({RULES_SOURCE, DEEP_CHECK} if is_deep_due else {RULES_SOURCE}),
            population=len(owners),
            scope=frozenset(box.id for box in owners),
        )

    async def apply(self, change: ClearMailboxForward) -> AppliedChange:
        with self.crash_injector():
            name = change.mailbox_guid.removeprefix("g-")
            if name in self.deleted:
                raise NotFound("the mailbox is gone")
            if name in self.change_errors:
                raise self.change_errors[name]
            before = build_forward_state(self.forwards.get(name, ""))
            if name not in self.forwards:
                return AppliedChange(before, unchanged=True)
            if self.partially_applied.get(name, True):
                self.writes.append(name)
                del self.forwards[name]
                self.journal.append(SingleWrite(change, before))
            if name in self.partially_applied:
                raise Unavailable("HTTP 503", before)
            return AppliedChange(before)

    async def undo(
        self, change: ClearMailboxForward, before: Mapping[str, object]
    ) -> AppliedChange:
        with self.crash_injector():
            name = change.mailbox_guid.removeprefix("g-")
            if self.undo_error:
                raise self.undo_error
            if self.forwards.get(name) == before["ForwardingSmtpAddress"]:
                return AppliedChange(unchanged=True)
            if name in self.deleted:
                raise NotFound("the mailbox is gone")
            if name in self.change_errors:
                raise self.change_errors[name]
            if name in self.forwards:
                raise Superseded(f"it was changed since: it forwards to {self.forwards[name]} now")
            self.undone.append(name)
            self.forwards[name] = str(before["ForwardingSmtpAddress"])
            self.journal.append(SingleWrite(change, build_forward_state("")))
            return AppliedChange(build_forward_state(""))


def build_forward_state(target: str) -> dict[str, object]:
    """What a mailbox forwards, as a change remembers it."""
    return {
        "ForwardingAddress": None,
        "ForwardingSmtpAddress": target or None,
        "DeliverToMailboxAndForward": False,
    }


async def observe(
    tenant: Tenant, context: ObserveContext
) -> AsyncIterator[Reading[ForwardItem] | MailboxPage]:
    yield Reading(sources=frozenset({"organization"}))
    async for page in cast(SyntheticTenant, tenant).list_pages():
        yield MailboxPage(page, LISTED_SOURCES)


async def inspect(
    tenant: Tenant, context: ObserveContext, owners: Sequence[Mailbox]
) -> Reading[ForwardItem]:
    return await cast(SyntheticTenant, tenant).inspect_mailboxes(
        owners, DEEP_CHECK in context.due_checks
    )


async def look_at(
    tenant: Tenant, context: ObserveContext, mailboxes: Sequence[Mailbox]
) -> AsyncIterator[Reading[ForwardItem]]:
    """The mailboxes that records speak of, as far as they are there."""
    toy = cast(SyntheticTenant, tenant)
    there = [box for box in mailboxes if box.id not in toy.deleted]
    yield await toy.inspect_mailboxes(there, is_deep_due=True)


async def look_up(
    tenant: Tenant, context: ObserveContext, ids: Sequence[str]
) -> Reading[ForwardItem]:
    """Mailboxes that a listing no longer shows, each alone; the unreadable are not found at all."""
    toy = cast(SyntheticTenant, tenant)
    lost = [one for one in ids if one in toy.unreadable]
    there = [
        Mailbox(one, f"g-{one}", toy.format_address(one))
        for one in ids
        if one not in toy.deleted | toy.unreadable
    ]
    read = await toy.inspect_mailboxes(there, is_deep_due=True)
    failures = tuple(ReadFailure(UNLISTED_SOURCE, "HTTP 503", one) for one in lost)
    return replace(read, failures=failures, scope=frozenset(ids) - set(lost))


def judge(item: ForwardItem, policy: GuardPolicy) -> Iterator[Finding]:
    yield Finding(
        kind="deep" if item.is_deep else "forward",
        object_id=item.mailbox,
        subject=f"{item.mailbox}@x",
        severity=Severity.HIGH,
        verdict="external",
        summary=f"{item.mailbox} forwards to {item.target}.",
        sources=(DEEP_CHECK,) if item.is_deep else (RULES_SOURCE,),
        fingerprint=item.target,
        changes=(ClearMailboxForward(f"g-{item.mailbox}"),),
        correlations=(Correlation(item.target, f"mail to {item.target}"),),
    )


async def observe_pages(
    tenant: Tenant, context: ObserveContext
) -> AsyncIterator[Reading[ForwardItem] | MailboxPage]:
    """A guard whose listing tells all: page after page, from where an earlier look stopped."""
    toy, listed = cast(SyntheticTenant, tenant), PresenceTracker(context.open_case_ids)
    anew = bool(context.continuation) and context.continuation not in toy.next_links
    at = 0 if anew or not context.continuation else int(context.continuation)
    while True:
        ids = toy.mailbox_ids[at : at + toy.page_size]
        toy.inspected += ids
        more = at + toy.page_size < len(toy.mailbox_ids)
        further = str(at + toy.page_size) if more else ""
        toy.next_links.add(further)
        page = Reading(
            tuple(ForwardItem(one, toy.forwards[one]) for one in ids if one in toy.forwards),
            sources=frozenset({RULES_SOURCE}),
            population=len(ids),
            scope=frozenset(ids),
            continuation=further,
            restarted=anew,
        )
        listed.add_page(page)
        yield page
        at, anew = at + toy.page_size, False
        if not more:
            break
    if not context.continuation:
        for rest in listed.build_absence_readings((RULES_SOURCE,)):
            yield rest


GUARD: Guard[Any] = Guard(
    name="toy",
    title="Toy",
    looks_for="what a test wants found",
    rationale="It is a toy.",
    noun="mailboxes",
    permissions=(),
    observe=observe,
    judge=judge,
    inspect=inspect,
    look_at=look_at,
    periodic_checks=(PeriodicCheck(DEEP_CHECK, timedelta(days=1)),),
    correlation=CorrelationRule(3, Severity.CRITICAL, Fact("", "several share it")),
)
ALERT_CONFIG = GuardConfig(GUARD, "0 0 * * * *", Mode.ALERT, ChangeLimit(count=50, percent=5.0))
ENFORCE_CONFIG = replace(ALERT_CONFIG, mode=Mode.ENFORCE)
PAGED_CONFIG = replace(
    ALERT_CONFIG,
    guard=replace(GUARD, observe=observe_pages, inspect=None, periodic_checks=(), correlation=None),
)


class CrashableTenant(Protocol):
    """A tenant each of whose operations may be the last of the process."""

    crash_injector: CrashInjector
    journal: Journal
    latency_seconds: float


@dataclass
class EngineHarness[T: CrashableTenant = SyntheticTenant]:
    """One tenant, one memory, one channel, over any number of runs and workers."""

    tenant: T
    config: GuardConfig = ALERT_CONFIG
    clock: Clock = field(default_factory=Clock)
    budget_used: Callable[[], float] = lambda: 0.0
    shard_above: int | None = None
    shards_at_once: int = 4
    range_size: int = 100
    interval: timedelta = timedelta(minutes=15)
    searches_audit_log: bool = False
    journal: Journal = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock, journal=self.journal)
        self.notification_channel = FakeNotificationChannel(journal=self.journal)
        self.tenant.journal = self.journal
        self.queue: list[str] = []
        self.run_count = 0

    @property
    def world(self) -> World:
        return World(
            cast(Tenant, self.tenant),
            self.ledger,
            self.notification_channel,
            self.clock,
            build_cards,
            budget_used=self.budget_used,
            shard_above=self.shard_above,
            shards_at_once=self.shards_at_once,
            range_size=self.range_size,
            sleep=self.sleep,
            searches_audit_log=self.searches_audit_log,
        )

    def next_run_id(self) -> str:
        """The id of a run: no chance in it, so that a story can be told again."""
        self.run_count += 1
        return f"{format_descending_time(self.clock())}-{self.run_count:08x}"

    async def sleep(self, seconds: float) -> None:
        """Others have their turn."""
        await asyncio.sleep(self.tenant.latency_seconds)

    @contextmanager
    def inject_crashes(self, crash_injector: CrashInjector) -> Iterator[None]:
        """While it lasts, every operation may be the last of the process."""
        self.ledger.crash_injector = self.notification_channel.crash_injector = (
            self.tenant.crash_injector
        ) = crash_injector
        try:
            yield
        finally:
            self.ledger.crash_injector = self.notification_channel.crash_injector = (
                self.tenant.crash_injector
            ) = CrashInjector()

    async def run_timer(self, request: RunOptions | None = None) -> RunReport:
        """One run of the timer; what it hands out is on the queue afterwards."""
        request = request or RunOptions()
        request = replace(request, run=request.run or self.next_run_id())
        report = await run(self.config, self.world, request)
        self.queue += report.shard_messages
        self.clock.current += self.interval
        return report

    async def look(self, names: Sequence[str], mode: Mode | None = None) -> RunReport:
        """A look at some mailboxes, because records speak of them."""
        targets = tuple(Mailbox(one, f"g-{one}", f"{one}@x") for one in names)
        request = RunOptions(self.next_run_id(), mode=mode, targets=targets)
        report = await run(self.config, self.world, request)
        self.clock.advance(minutes=5)
        return report

    async def process_message(self, message: str) -> str:
        """One message, taken by a worker."""
        order = ShardMessage.from_json(message)
        return await process_shard(self.config, self.world, order, self.next_run_id())

    async def abandon_message(self, message: str) -> str:
        """One message that came to the poison queue."""
        order = ShardMessage.from_json(message)
        return await abandon_shard(
            self.config, self.world, order, self.next_run_id(), "five failures"
        )

    async def crash_during(self, crash_injector: CrashInjector, message: str = "") -> bool:
        """A run, or the work on a message, that is killed; False when it ended before that."""
        with self.inject_crashes(crash_injector):
            try:
                await (self.process_message(message) if message else self.run_timer())
            except SimulatedCrash:
                self.clock.advance(minutes=2)
                return True
        return False

    def get_open_subjects(self) -> set[str]:
        """The subjects of the cases that are open."""
        cases = self.ledger.list_cases("toy").values()
        return {case.subject for case in cases if case.closed_at is None}

    def count_notifications(self, name: str) -> int:
        """On how many cards a mailbox was named."""
        return sum(f"{name}@x" in str(card) for card in self.notification_channel.sent)
