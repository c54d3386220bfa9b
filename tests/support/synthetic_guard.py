"""A guard of nothing in particular on a tenant of any size: what the engine does with many."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Protocol, cast

from core.engine.run import run
from core.engine.shards import Order, give_up, work
from core.errors import Gone, Moot, TenantError, Unavailable
from core.keys import countdown
from core.model.findings import Finding, Several, Severity, Verdict
from core.model.guards import Duty, Guard, Limit, Look, Mode, Sweep, Terms
from core.model.requests import Request
from core.model.runs import RunReport
from core.ports import World
from core.tenant.changes import Applied, ClearMailboxForward
from core.tenant.mailbox_index import Page
from core.tenant.mailboxes import Mailbox
from core.tenant.merging import Listed
from core.tenant.port import Grants, Tenant
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import GRANTS
from tests.support.fakes.tenant import Wrote
from tests.support.fakes.world import START, Clock, Death, FakeAlerts, FakeLedger, Journal, Reaper

DEEP = "deep"
RULES = "rules"
SURFACES = frozenset({RULES, DEEP})


@dataclass(frozen=True)
class Bad:
    """Something wrong with a mailbox."""

    mailbox: str
    target: str
    deep: bool = False


@dataclass
class Toy:
    """A tenant of so many mailboxes, of which some forward.

    A listing leaves out those that are `gone` and, wrongly, those `unlisted`; it may be
    `broken_off`. What forwards may be `unread`, or nobody's rules seen (`blind`). Changes of
    mailboxes may be `failing`, or only `half_made`: True where they took effect and nobody knows.

    `inspected` are the looks into mailboxes, each of which takes `seconds`; `most` is how many of
    those there were at the same time, `listed_at` how they and the pages followed each other.
    """

    size: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    deep: dict[str, str] = field(default_factory=dict)
    unread: set[str] = field(default_factory=set)
    inspected: list[str] = field(default_factory=list)
    swept: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    reaper: Reaper = field(default_factory=Reaper)
    page: int = 1000
    seconds: float = 0.0
    looking: int = 0
    most: int = 0
    address: Callable[[str], str] = "{}@x".format
    links: set[str] = field(default_factory=set)
    listed_at: list[str] = field(default_factory=list)
    granted: Grants = field(default_factory=Grants)
    restored: list[str] = field(default_factory=list)
    refusal: TenantError | None = None
    journal: Journal = field(default_factory=list)
    unlisted: set[str] = field(default_factory=set)
    broken_off: bool = False
    blind: bool = False
    failing: dict[str, TenantError] = field(default_factory=dict)
    half_made: dict[str, bool] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        """The mailboxes a listing names."""
        ids = [f"m{n}" for n in range(self.size)]
        return [one for one in ids if one not in self.gone | self.unlisted]

    def mend(self) -> None:
        """Everything can be read and changed again."""
        self.unlisted.clear()
        self.failing.clear()
        self.half_made.clear()
        self.broken_off = self.blind = False

    async def grants(self) -> Reading[Grants]:
        with self.reaper():
            return Reading((self.granted,), surfaces=frozenset({GRANTS}))

    async def pages(self) -> AsyncIterator[Reading[Mailbox]]:
        ids = self.ids
        for at in range(0, max(len(ids), 1), self.page):
            with self.reaper():
                page = ids[at : at + self.page]
                self.listed_at.append(f"page {at // self.page}")
                await asyncio.sleep(0)
                part = tuple(Mailbox(one, f"g-{one}", self.address(one)) for one in page)
            last = at + self.page >= len(ids)
            yield Reading(part, population=len(part), complete=not (self.broken_off and last))

    async def look_into(self, owners: Sequence[Mailbox], due: bool) -> Reading[Bad]:
        with self.reaper():
            self.inspected += [box.id for box in owners]
            self.listed_at.append("look")
        self.looking += 1
        self.most = max(self.most, self.looking)
        await asyncio.sleep(self.seconds)
        self.looking -= 1
        if self.broken & {box.id for box in owners}:
            raise RuntimeError("this mailbox breaks the one who looks into it")
        blind = {box.id for box in owners} if self.blind else set[str]()
        found = [Bad(box.id, self.bad[box.id]) for box in owners if box.id in self.bad]
        if due:
            self.swept += [box.id for box in owners]
            found += [Bad(b.id, self.deep[b.id], True) for b in owners if b.id in self.deep]
        return Reading(
            items=tuple(one for one in found if one.mailbox not in self.unread | blind),
            unread=tuple(
                Unread(RULES, "HTTP 503", box.id, box.address)
                for box in owners
                if box.id in self.unread
            )
            + ((Unread(RULES, "HTTP 503"),) if self.blind else ()),
            surfaces=frozenset({RULES, DEEP} if due else {RULES}),
            population=len(owners),
            scope=frozenset(box.id for box in owners),
        )

    async def apply(self, change: ClearMailboxForward) -> Applied:
        with self.reaper():
            name = change.mailbox_guid.removeprefix("g-")
            if name in self.gone:
                raise Gone("the mailbox is gone")
            if name in self.failing:
                raise self.failing[name]
            before = forward(self.bad.get(name, ""))
            if name not in self.bad:
                return Applied(before, already=True)
            if self.half_made.get(name, True):
                self.writes.append(name)
                del self.bad[name]
                self.journal.append(Wrote(change, before))
            if name in self.half_made:
                raise Unavailable("HTTP 503", before)
            return Applied(before)

    async def restore(self, change: ClearMailboxForward, before: Mapping[str, object]) -> Applied:
        with self.reaper():
            name = change.mailbox_guid.removeprefix("g-")
            if self.refusal:
                raise self.refusal
            if self.bad.get(name) == before["ForwardingSmtpAddress"]:
                return Applied(already=True)
            if name in self.gone:
                raise Gone("the mailbox is gone")
            if name in self.failing:
                raise self.failing[name]
            if name in self.bad:
                raise Moot(f"it was changed since: it forwards to {self.bad[name]} now")
            self.restored.append(name)
            self.bad[name] = str(before["ForwardingSmtpAddress"])
            self.journal.append(Wrote(change, forward("")))
            return Applied(forward(""))


def forward(target: str) -> dict[str, object]:
    """What a mailbox forwards, as a change remembers it."""
    return {
        "ForwardingAddress": None,
        "ForwardingSmtpAddress": target or None,
        "DeliverToMailboxAndForward": False,
    }


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Bad] | Page]:
    yield Reading(surfaces=frozenset({"organization"}))
    async for page in cast(Toy, tenant).pages():
        yield Page(page, SURFACES)


async def inspect(tenant: Tenant, look: Look, owners: Sequence[Mailbox]) -> Reading[Bad]:
    return await cast(Toy, tenant).look_into(owners, DEEP in look.due)


def judge(item: Bad, terms: Terms) -> Iterator[Finding]:
    yield Finding(
        kind="deep" if item.deep else "forward",
        object_id=item.mailbox,
        subject=f"{item.mailbox}@x",
        severity=Severity.HIGH,
        verdict=Verdict.EXTERNAL,
        summary=f"{item.mailbox} forwards to {item.target}.",
        surfaces=(DEEP,) if item.deep else (RULES,),
        dangerous=item.target,
        changes=(ClearMailboxForward(f"g-{item.mailbox}"),),
        shared=(item.target,),
    )


async def observe_pages(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Bad] | Page]:
    """A guard whose listing tells all: page after page, from where an earlier look stopped."""
    toy, listed = cast(Toy, tenant), Listed(look.watched)
    anew = bool(look.after) and look.after not in toy.links
    at = 0 if anew or not look.after else int(look.after)
    while True:
        ids = toy.ids[at : at + toy.page]
        toy.inspected += ids
        more = at + toy.page < len(toy.ids)
        further = str(at + toy.page) if more else ""
        toy.links.add(further)
        page = Reading(
            tuple(Bad(one, toy.bad[one]) for one in ids if one in toy.bad),
            surfaces=frozenset({RULES}),
            population=len(ids),
            scope=frozenset(ids),
            further=further,
            anew=anew,
        )
        listed.note(page)
        yield page
        at, anew = at + toy.page, False
        if not more:
            break
    if not look.after:
        for rest in listed.rest((RULES,)):
            yield rest


GUARD: Guard[Any] = Guard(
    name="toy",
    title="Toy",
    why="It is a toy.",
    permissions=(),
    observe=observe,
    judge=judge,
    inspect=inspect,
    sweeps=(Sweep(DEEP, timedelta(days=1)),),
    several=Several(3, Severity.CRITICAL, "several share it"),
)
ALERT = Duty(GUARD, "0 0 * * * *", Mode.ALERT, Limit(count=50, percent=5.0))
ENFORCE = replace(ALERT, mode=Mode.ENFORCE)
PAGED = replace(
    ALERT, guard=replace(GUARD, observe=observe_pages, inspect=None, sweeps=(), several=None)
)


class Mortal(Protocol):
    """A tenant each of whose operations may be the last of the process."""

    reaper: Reaper
    journal: Journal
    seconds: float


@dataclass
class Stage[T: Mortal = Toy]:
    """One tenant, one memory, one channel, over any number of runs and workers."""

    tenant: T
    duty: Duty = ALERT
    clock: Clock = field(default_factory=Clock)
    spent: Callable[[], float] = lambda: 0.0
    shard_above: int | None = None
    at_once: int = 4
    terms: Terms = field(default_factory=lambda: Terms(START))
    slice_size: int = 100
    every: timedelta = timedelta(minutes=15)
    journal: Journal = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock, journal=self.journal)
        self.alerts = FakeAlerts(journal=self.journal)
        self.tenant.journal = self.journal
        self.queue: list[str] = []
        self.begun = 0

    @property
    def world(self) -> World:
        return World(
            cast(Tenant, self.tenant),
            self.ledger,
            self.alerts,
            self.terms,
            self.clock,
            spent=self.spent,
            shard_above=self.shard_above,
            shards_at_once=self.at_once,
            slice_size=self.slice_size,
            pause=self.pause,
        )

    def new_run(self) -> str:
        """The id of a run: no chance in it, so that a story can be told again."""
        self.begun += 1
        return f"{countdown(self.clock())}-{self.begun:08x}"

    async def pause(self, seconds: float) -> None:
        """Others have their turn."""
        await asyncio.sleep(self.tenant.seconds)

    @contextmanager
    def mortal(self, reaper: Reaper) -> Iterator[None]:
        """While it lasts, every operation may be the last of the process."""
        self.ledger.reaper = self.alerts.reaper = self.tenant.reaper = reaper
        try:
            yield
        finally:
            self.ledger.reaper = self.alerts.reaper = self.tenant.reaper = Reaper()

    async def tick(self, request: Request | None = None) -> RunReport:
        """One run of the timer; what it hands out is on the queue afterwards."""
        request = request or Request()
        request = replace(request, run=request.run or self.new_run())
        report = await run(self.duty, self.world, request)
        self.queue += report.orders
        self.clock.moment += self.every
        return report

    async def worked(self, message: str) -> str:
        """One message, taken by a worker."""
        order = Order.unpacked(message)
        return await work(self.duty, self.world, order, self.new_run())

    async def given_up(self, message: str) -> str:
        """One message that came to the poison queue."""
        order = Order.unpacked(message)
        return await give_up(self.duty, self.world, order, self.new_run(), "five failures")

    async def dies(self, reaper: Reaper, message: str = "") -> bool:
        """A run, or the work on a message, that is killed; False when it ended before that."""
        with self.mortal(reaper):
            try:
                await (self.worked(message) if message else self.tick())
            except Death:
                self.clock.advance(minutes=2)
                return True
        return False

    def open(self) -> set[str]:
        """The subjects of the cases that are open."""
        cases = self.ledger.cases("toy").values()
        return {case.subject for case in cases if case.closed is None}

    def told(self, name: str) -> int:
        """On how many cards a mailbox was named."""
        return sum(f"{name} forwards" in str(card) for card in self.alerts.sent)
