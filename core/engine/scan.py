"""Looking at a whole tenant, part by part, so that its size does not matter.

    observe ─► part ─► judge ─► note ─► save ─► (a first card)      what can be listed
          └─► page ─► slice ─► inspect ─► part ─► ...               what is asked mailbox by mailbox

A part is judged as it arrives and then let go: what stays is what was found. Mailboxes are looked
into as they are listed. Only where a look did not get through in one run, or where a sweep is due,
are they taken by their place: then the cursor moves on in the same transaction that saves what it
passed, and the next run goes on from there.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from core.engine.decide import Noted, Situation, due_sweeps, note
from core.engine.self_findings import fell
from core.keys import END, FIRST
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.guards import Duty, Look, Mode, Terms
from core.model.runs import Reported, RunReport
from core.model.state import GuardState, Memory, Round, Tally
from core.ports import Claim, World
from core.tenant.mailbox_index import Page, Roll, Slice
from core.tenant.port import Grants
from core.tenant.readings import Others, Reading
from core.tenant.surfaces import CREDENTIAL

# When everything was last looked at, among the sweeps.
LOOKED = "looked"
# What a run knows is saved at least this often: the less of it a killed run loses.
CHECKPOINT = timedelta(seconds=30)
# Slices asked for at once, so that the services are kept busy while one is judged and saved.
AHEAD = 3
# How much of a run's time its sweeps may take.
SWEEPING = 0.5
# So many cases with changes are remembered of a look that takes several runs. More than any limit
# allows, so that the brake holds as it would with all of them.
REMEMBERED = 550


@dataclass(slots=True)
class Scan:
    """One look at the tenant and how far it has come. Everything in it moves on as parts come.

    `passed` is what came of the parts the cursor has passed, in this run and earlier ones,
    `streamed` of mailboxes taken as they were listed, `besides` of all other parts. A run that goes
    on looks at the latter two anew.
    """

    duty: Duty
    world: World
    claim: Claim
    report: RunReport
    memory: Memory
    situation: Situation
    granted: Reading[Grants]
    saved: datetime
    round: Round
    cases: dict[str, Case] = field(default_factory=dict)
    changes: dict[str, ChangeRecord] = field(default_factory=dict)
    reported: list[Reported] = field(default_factory=list)
    found: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)
    passed: Tally = field(default_factory=Tally)
    streamed: Tally = field(default_factory=Tally)
    besides: Tally = field(default_factory=Tally)
    expected: int | None = None
    finished: bool = False
    adopted: bool = False
    sweeping: dict[str, str] = field(default_factory=dict)
    asked: dict[str, str] = field(default_factory=dict)
    swept: set[str] = field(default_factory=set)
    swept_for: float = 0.0
    owns: Callable[[Case], bool] = lambda case: True

    @classmethod
    def begun(
        cls,
        situation: Situation,
        world: World,
        claim: Claim,
        report: RunReport,
        granted: Reading[Grants],
    ) -> "Scan":
        """A scan that goes on where the last run had to stop, or begins."""
        memory, now = situation.memory, situation.now
        going_on = memory.state.round or Round(report.run, now, Tally())
        request = situation.request
        if request.plan:
            going_on = replace(going_on, plan=request.plan, asked=request.at)
        elif going_on.plan:
            request = replace(request, plan=going_on.plan, at=going_on.asked)
            situation = replace(situation, request=request)
        return cls(
            duty=situation.duty,
            world=world,
            claim=claim,
            report=report,
            memory=memory,
            situation=situation,
            granted=granted,
            saved=now,
            round=going_on,
            cases=dict(memory.cases),
            changes={record.id: record for record in memory.changes},
            passed=going_on.tally,
            sweeping=dict(memory.state.sweeping),
            asked=dict(memory.state.sweeping),
        )

    @property
    def terms(self) -> Terms:
        """The settings guards judge by, at this run's moment."""
        return replace(self.world.terms, now=self.situation.now)

    def look(self) -> Look:
        """What the guard is asked to look at."""
        state = self.memory.state
        return Look(
            terms=self.terms,
            due=due_sweeps(self.duty, state, self.situation.now),
            after=self.round.after,
            watched=frozenset(
                case.object_id for case in self.cases.values() if case.closed is None
            ),
            enforcing=self.situation.mode is Mode.ENFORCE,
            last=state.sweeps.get(LOOKED),
        )

    @property
    def tally(self) -> Tally:
        """What came of everything that was looked at; a surface swept in part was not read."""
        tally = self.passed.plus(self.streamed).plus(self.besides)
        sweeps = {sweep.name for sweep in self.duty.guard.sweeps}
        return replace(tally, surfaces=tally.surfaces - (sweeps - self.swept))

    @property
    def left(self) -> int:
        """How many objects are still to be looked at, as far as is known."""
        return max((self.expected or 0) - self.tally.population, 0)

    def state(self) -> GuardState:
        """The guard's state as far as this look has come."""
        state = self.memory.state
        sweeps = dict(state.sweeps) | dict.fromkeys(self.swept, self.situation.now)
        if self.finished and all(miss.optional for miss in self.tally.blind):
            sweeps[LOOKED] = self.report.started
        sweeping = {name: at for name, at in self.sweeping.items() if name not in self.swept}
        return replace(state, sweeps=sweeps, sweeping=sweeping, round=self.round)

    def remember(self, cases: Iterable[Case], records: Iterable[ChangeRecord]) -> None:
        """What was just saved, for the decisions that follow."""
        self.cases |= {case.key: case for case in cases}
        records = list(records)
        self.changes |= {record.id: record for record in records}
        if records:
            newest = sorted(self.changes.values(), key=lambda record: record.at, reverse=True)
            self.memory = replace(self.memory, changes=tuple(newest))
        # The cases of the memory are this very dictionary from now on: one copy, always current.
        self.memory = replace(self.memory, cases=self.cases)
        self.situation = replace(self.situation, memory=self.memory)


type Told = Callable[[Scan], Awaitable[None]]


async def look(scan: Scan, told: Told) -> Roll | None:
    """Look at everything there is time for. `told` is called after each part that was saved.

    Returns the roll that is too long for one run, for the queue to take.
    """
    scan.remember((), ())
    await take(scan, permits(scan.granted))
    if scan.granted.blind_to(CREDENTIAL):
        scan.besides = replace(scan.besides, complete=False)
        scan.finished = True
        return None
    asked, listed = scan.look(), 0
    roll: Roll | None = None
    async with Ahead(scan) as ahead:
        async for part in scan.duty.guard.observe(scan.world.tenant, asked):
            if isinstance(part, Page):
                roll = roll or Roll(asked.watched, part.surfaces)
                roll.add(part)
                if in_passing(scan, roll):
                    await as_listed(scan, roll, ahead, told)
                continue
            listed += part.population
            absent = isinstance(part.scope, Others)
            trusted = not (absent and fell(counted(part, listed), scan.memory.state))
            await take(scan, part, trusted=trusted)
            await told(scan)
            if part.further and scan.world.spent() >= 1:
                return None
        if roll is None:
            scan.finished = True
            return None
        return await the_rest(scan, roll, ahead, told)


async def the_rest(scan: Scan, roll: Roll, ahead: "Ahead", told: Told) -> Roll | None:
    """What is to be done once all mailboxes were named."""
    scan.expected = roll.population
    scan.round = replace(scan.round, population=roll.population)
    rest = roll.rest()
    trusted = not fell(counted(rest, roll.population), scan.memory.state)
    await take(scan, rest, trusted=trusted)
    if too_long(scan, roll):
        # The shards look at everything again that was looked into as it was listed.
        scan.streamed = Tally()
        return roll
    if in_passing(scan, roll):
        await as_listed(scan, roll, ahead, told, last=True)
    else:
        await by_place(scan, roll, ahead, told)
    return None


def permits(granted: Reading[Grants]) -> Reading[Any]:
    """What is known of the app's permissions, as a part in which there is nothing to judge."""
    return replace(granted, items=(), population=0)


def counted(part: Reading[Any], listed: int) -> Reading[Any]:
    """The part as the end of a listing of so many objects."""
    return replace(part, population=listed)


async def take(
    scan: Scan,
    part: Reading[Any],
    *,
    trusted: bool = True,
    to: str = "",
    streamed: bool = False,
) -> None:
    """Judge a part, note what it shows, and save it together with how far that is."""
    judge, terms = scan.duty.guard.judge, scan.terms
    noted = note(
        scan.situation,
        part,
        [finding for item in part.items for finding in judge(item, terms)],
        found=scan.found,
        trusted=trusted,
    )
    # A mailbox may have been left unread by more than one part.
    unread = part.unread_objects - scan.unread
    scan.unread |= unread
    tally = replace(noted.tally, unread=len(unread))
    if part.anew:
        scan.passed = Tally()
    if after := to or part.further:
        scan.passed = bounded(scan.passed.plus(tally))
        scan.round = replace(scan.round, tally=scan.passed, after=after)
    elif streamed:
        scan.streamed = bounded(scan.streamed.plus(tally))
    else:
        scan.besides = bounded(scan.besides.plus(tally))
    scan.reported += noted.reported
    scan.found.update(row.key for row in noted.reported)
    scan.adopted = scan.adopted or noted.adopted
    await save(scan, noted)


async def save(scan: Scan, noted: Noted) -> None:
    """Write what was noted, with the cursor; nothing while there is nothing new to write."""
    rows: tuple[Case | ChangeRecord, ...] = (*noted.cases, *noted.records)
    overdue = scan.world.now() - scan.saved >= CHECKPOINT
    if rows or noted.forget or overdue:
        await scan.claim.save(*rows, state=scan.state(), forget=noted.forget)
        scan.saved = scan.world.now()
    for case in noted.forget:
        scan.cases.pop(case.key, None)
    scan.remember(noted.cases, noted.records)


def bounded(tally: Tally) -> Tally:
    """A tally that fits into the row of a guard or a shard, whatever the tenant looks like."""
    return replace(
        tally,
        ready=tally.ready[:REMEMBERED],
        unfinished=tally.unfinished[:100],
        blind=tuple(replace(miss, reason=miss.reason[:200]) for miss in tally.blind[:12]),
    )


# ----------------------------------------------------------------------------------------------
# Mailbox by mailbox
# ----------------------------------------------------------------------------------------------


def too_long(scan: Scan, roll: Roll) -> bool:
    """True for a roll that is better looked into by many at once."""
    most = scan.world.shard_above
    return most is not None and len(roll.rows) > most


def in_passing(scan: Scan, roll: Roll) -> bool:
    """True when mailboxes can be taken as they are listed.

    Not when an earlier run did not get through, for then there must be a place to go on from, nor
    when a sweep is due, which moves from place to place.
    """
    size = max(len(roll.rows), scan.memory.state.population or 0)
    most = scan.world.shard_above
    due = due_sweeps(scan.duty, scan.memory.state, scan.situation.now)
    return scan.memory.state.round is None and not due and (most is None or size <= most)


async def as_listed(
    scan: Scan, roll: Roll, ahead: "Ahead", told: Told, *, last: bool = False
) -> None:
    """Look into mailboxes in the order of the listing; all of them once the `last` was named."""
    while True:
        while ahead.room and scan.world.spent() < 1:
            piece = roll.next_listed(scan.world.slice_size, last=last)
            if piece is None:
                break
            ahead.ask(piece)
        if not ahead.waiting or not (last or ahead.ready):
            break
        _, _, part = await ahead.first()
        await take(scan, part, streamed=True)
        await told(scan)
    scan.finished = last and roll.passed >= len(roll.rows)


async def by_place(scan: Scan, roll: Roll, ahead: "Ahead", told: Told) -> None:
    """Look into the mailboxes of the roll, slice after slice, from the cursor on.

    None is begun once the time is up, but one in any case: there has to be some progress.
    """
    pieces = roll.slices(scan.round.after, scan.world.slice_size)
    before, begun = scan.world.spent(), False
    while True:
        while ahead.room and (not begun or scan.world.spent() < 1):
            piece = next(pieces, None)
            if piece is None:
                break
            ahead.ask(piece, sweeps_of(scan, piece))
            begun = True
        if not ahead.waiting:
            return
        piece, due, part = await ahead.first()
        advance(scan, piece, due, part)
        await take(scan, part, to=piece.high)
        await told(scan)
        now = scan.world.spent()
        scan.swept_for += now - before if due else 0.0
        before = now
        scan.finished = piece.high == END


type Question = tuple[Slice, frozenset[str], asyncio.Task[Reading[Any]]]
type Answer = tuple[Slice, frozenset[str], Reading[Any]]


@dataclass(slots=True)
class Ahead:
    """Slices that are asked for ahead of their turn; what is open at the end is broken off."""

    scan: Scan
    waiting: deque[Question] = field(default_factory=deque)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for _, _, task in self.waiting:
            task.cancel()
        await asyncio.gather(*(task for _, _, task in self.waiting), return_exceptions=True)

    @property
    def room(self) -> bool:
        """True while another slice may be asked for."""
        return len(self.waiting) < AHEAD

    @property
    def ready(self) -> bool:
        """True when the next answer is there."""
        return bool(self.waiting) and self.waiting[0][2].done()

    def ask(self, piece: Slice, due: frozenset[str] = frozenset()) -> None:
        """Begin to look into a slice."""
        self.waiting.append((piece, due, asyncio.create_task(read(self.scan, piece, due))))

    async def first(self) -> Answer:
        """The next answer, in the order of the questions."""
        piece, due, task = self.waiting[0]
        part = await task
        self.waiting.popleft()
        return piece, due, part


async def read(scan: Scan, piece: Slice, due: frozenset[str]) -> Reading[Any]:
    """One slice, as the guard looks into it."""
    inspecting = scan.duty.guard.inspect
    if inspecting is None:
        raise TypeError(f"{scan.duty.guard.name} lists mailboxes and does not look into them")
    asked = replace(scan.look(), due=due)
    return await inspecting(scan.world.tenant, asked, piece.mailboxes)


def sweeps_of(scan: Scan, piece: Slice) -> frozenset[str]:
    """The sweeps that a slice is part of: those that are due and have come up to it.

    What is refused to one slice is refused to all, so a blind sweep is not asked on.
    """
    if scan.world.spent() >= 0.9 or scan.swept_for >= SWEEPING:
        return frozenset()
    due = due_sweeps(scan.duty, scan.memory.state, scan.situation.now)
    blind = {miss.surface for miss in scan.tally.blind}
    wanted = {name for name in due - blind if reaches(scan.asked.get(name, FIRST), piece)}
    scan.asked |= dict.fromkeys(wanted, piece.high)
    return frozenset(wanted)


def reaches(at: str, piece: Slice) -> bool:
    """True when a sweep has come up to a slice, and not past it."""
    return piece.low <= at < piece.high


def advance(scan: Scan, piece: Slice, due: frozenset[str], part: Reading[Any]) -> None:
    """Move the sweeps on over a slice they have looked into."""
    for name in due:
        if swept(part, name) and reaches(scan.sweeping.get(name, FIRST), piece):
            scan.sweeping[name] = piece.high
            scan.swept |= {name} if piece.high == END else set()


def swept(part: Reading[Any], name: str) -> bool:
    """True when a part looked at all of a sweep's surface."""
    return name in part.surfaces and name not in part.partly and not part.blind_to(name)
