"""A tenant too large for one run, cut into shards that any number of instances take from a queue.

    timer ─► list ─► hand_out ─► a message a shard on the queue        the run that plans
    queue ─► work ─► inspect ─► judge ─► note ─► save ─► (a card)      wherever there is room
                                              └─► the last one ─► closed

Who may write what: the places of a shard belong to whoever holds that shard's claim until it is
done; everything else belongs to whoever holds the guard's. A case is thus never written by two at
once, and a card is made only of cases whose shards are done. How many shards are worked on together
is counted in the ledger after each claim, so it holds over all instances.
"""

import base64
import json
import logging
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from core.engine.decide import Situation, due_sweeps, note
from core.engine.finish import NEXT_CARD, closed, described, log_run, tell_meanwhile
from core.engine.scan import Scan, bounded, swept
from core.engine.self_findings import OWN
from core.errors import Unavailable
from core.keys import END, FIRST, PLACE, place
from core.model.cases import Case
from core.model.findings import Finding
from core.model.guards import Duty, Look, Mode
from core.model.requests import Request
from core.model.runs import Reported, RunReport
from core.model.state import Memory, Round, Shard, Tally
from core.ports import Claim, Held, World
from core.tenant.mailbox_index import Roll, Slice, mailboxes, row
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Grants
from core.tenant.readings import Reading

log = logging.getLogger("exoguard.shards")

# A message of a Storage queue holds 64 KiB as base64, which is 48 KiB of text.
MESSAGE_LIMIT = 45_000
ORDER_LIMIT = 1_000_000
# A round nobody has worked on for so long is given up and begun anew.
STALLED = timedelta(minutes=15)
# So large a part of the shards is swept in one round, so that a sweep is over within a day.
SWEPT = 48
# What comes of taking a message apart that nobody here has written.
UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, RecursionError, zlib.error)
# How long a shard waits for its turn, in seconds: a look at the ledger each time.
TURN = 3.0


@dataclass(frozen=True, slots=True)
class Order:
    """One message on the queue: which mailboxes to look into, for which round."""

    guard: str
    round: str
    number: int
    mode: Mode
    low: str
    high: str
    due: tuple[str, ...]
    mailboxes: tuple[Mailbox, ...]

    def packed(self) -> str:
        """The message. It begins with what a person may want to read of it."""
        rows = [row(mailbox) for mailbox in self.mailboxes]
        squeezed = zlib.compress(json.dumps(rows, ensure_ascii=False).encode())
        return json.dumps(
            {
                "guard": self.guard,
                "round": self.round,
                "shard": self.number,
                "mode": str(self.mode),
                "low": self.low,
                "high": self.high,
                "due": self.due,
                "mailboxes": base64.b64encode(squeezed).decode(),
            }
        )

    @classmethod
    def unpacked(cls, text: str) -> "Order":
        """An order from its message. Raises ValueError for anything else."""
        try:
            wire = json.loads(text)
            inflater = zlib.decompressobj()
            raw = inflater.decompress(base64.b64decode(wire["mailboxes"]), ORDER_LIMIT)
            if inflater.unconsumed_tail:
                raise ValueError("too long")
            return cls(
                guard=str(wire["guard"]),
                round=str(wire["round"]),
                number=int(wire["shard"]),
                mode=Mode(wire["mode"]),
                low=str(wire["low"]),
                high=str(wire["high"]),
                due=tuple(map(str, wire["due"])),
                mailboxes=mailboxes(json.loads(raw)),
            )
        except UNREADABLE as error:
            raise ValueError(f"not an order for a shard: {type(error).__name__}") from error


# ----------------------------------------------------------------------------------------------
# Planning
# ----------------------------------------------------------------------------------------------


async def hand_out(scan: Scan, roll: Roll) -> None:
    """Cut the roll into orders, and remember the round before anybody can work on it.

    The messages go out when the run is over. If they never do, the round stalls and is planned
    again: a lost message costs time, no mailbox.
    """
    going_on = replace(scan.round, after=FIRST, tally=scan.tally)
    pieces = list(messages(scan, going_on, roll))
    scan.round = replace(going_on, shards=len(pieces))
    await scan.claim.save(state=scan.state())
    scan.report = replace(scan.report, orders=tuple(pieces))


def messages(scan: Scan, going_on: Round, roll: Roll) -> Iterator[str]:
    """The messages of a round, none too long for the queue."""
    pieces = list(fitting(scan, going_on, roll.slices(size=scan.world.slice_size)))
    due = due_sweeps(scan.duty, scan.memory.state, scan.situation.now)
    quota = max(1, len(pieces) // SWEPT)
    left = dict.fromkeys(due, quota)
    for number, piece in enumerate(pieces):
        swept = []
        for name in sorted(due):
            # A sweep that has come to the middle of a slice goes on with the whole of it.
            if left[name] and scan.sweeping.get(name, FIRST) < piece.high:
                left[name] -= 1
                swept.append(name)
        yield replace(piece, number=number, due=tuple(swept)).packed()


def fitting(scan: Scan, going_on: Round, slices: Iterator[Slice]) -> Iterator[Order]:
    """Slices as orders; one whose addresses are too long for a message is cut in two."""
    for piece in slices:
        order = Order(
            scan.duty.guard.name,
            going_on.id,
            0,
            scan.report.mode,
            piece.low,
            piece.high,
            (),
            piece.mailboxes,
        )
        if len(order.packed()) <= MESSAGE_LIMIT or len(piece.mailboxes) < 2:
            yield order
            continue
        yield from fitting(scan, going_on, halves(piece))


def halves(piece: Slice) -> Iterator[Slice]:
    """A slice as two, cut between places."""
    half = len(piece.mailboxes) // 2
    middle = place(piece.mailboxes[half].id)
    first = tuple(box for box in piece.mailboxes if place(box.id) < middle)
    second = tuple(box for box in piece.mailboxes if place(box.id) >= middle)
    yield Slice(piece.low, middle, first)
    yield Slice(middle, piece.high, second)


async def meanwhile(
    duty: Duty,
    world: World,
    claim: Claim,
    report: RunReport,
    memory: Memory,
    request: Request | None = None,
) -> RunReport | Memory:
    """What a run does that finds a round in the queue: close it, or tell how far it has come.

    Returns the memory to go on with when there is none, or when it had to be given up.
    """
    going_on = memory.state.round
    if going_on is None or not going_on.shards:
        return memory
    known = await world.ledger.shards(duty.guard.name)
    shards = of_round(known, going_on)
    situation = Situation(
        duty, report.mode, report.run, memory, report.started, request=request or Request()
    )
    scan = gathered(situation, world, claim, report, shards)
    if scan.finished:
        granted = await world.tenant.grants()
        grants = granted.items[0] if granted.items else Grants()
        scan.situation = replace(scan.situation, grants=grants)
        return await closed(scan)
    last = max([going_on.began, *(held.shard.at for held in shards.values())])
    if busy(known) or world.now() - last < STALLED:
        return await so_far(scan)
    done = sum(held.shard.done for held in shards.values())
    log.error("%s: a round stalled at %d of %d shards", duty.guard.name, done, going_on.shards)
    await retire(world, report, known)
    begun = Round(report.run, report.started, Tally(), stalled=going_on.stalled + 1)
    return replace(memory, state=replace(memory.state, round=begun))


async def so_far(scan: Scan) -> RunReport:
    """How far a round has come, told and written down."""
    await tell_meanwhile(scan)
    report = replace(described(scan), requests=scan.world.requests(), finished=scan.world.now())
    await scan.claim.save(report, state=scan.state() if scan.situation.request.plan else None)
    return report


async def retire(world: World, report: RunReport, known: Iterable[int]) -> None:
    """Take the shards from whoever might still come back to them: their claim ends with this."""
    for number in known:
        async with world.ledger.claim(report.guard, report.run, number):
            log.info("%s: shard %d was taken back", report.guard, number)


def of_round(shards: Mapping[int, Held], going_on: Round) -> dict[int, Held]:
    """The shards that belong to a round; rows of earlier ones stay until they are used again."""
    return {
        number: held
        for number, held in shards.items()
        if held.shard.round == going_on.id and number < going_on.shards
    }


def gathered(
    situation: Situation,
    world: World,
    claim: Claim,
    report: RunReport,
    shards: Mapping[int, Held],
) -> Scan:
    """All that the shards of a round have seen, as if one run had."""
    scan = Scan.begun(situation, world, claim, report, Reading[Grants]())
    done = [held.shard for _, held in sorted(shards.items()) if held.shard.done]
    for shard in done:
        scan.passed = scan.passed.plus(shard.tally)
        for name in shard.swept:
            if shard.low <= scan.sweeping.get(name, FIRST) < shard.high:
                scan.sweeping[name] = shard.high
                scan.swept |= {name} if shard.high == END else set()
    scan.expected = scan.round.population
    scan.adopted = any(shard.adopted for shard in done)
    scan.finished = len(done) == scan.round.shards
    if not scan.finished:
        spans = [(shard.low, shard.high) for shard in done]
        scan.owns = lambda case: any(low <= case.key[:PLACE] < high for low, high in spans)
    scan.remember((), ())
    scan.reported = [
        reported(case)
        for case in scan.cases.values()
        if case.closed is None and case.kind not in OWN and scan.owns(case)
    ]
    return scan


def reported(case: Case) -> Reported:
    """What the shards found, as far as it is remembered: their cases."""
    finding = Finding(
        kind=case.kind,
        object_id=case.object_id,
        subject=case.subject,
        severity=case.severity,
        verdict=case.judged,
        summary=case.summary,
        facts=case.facts,
        surfaces=case.surfaces,
        advice=case.advice,
    )
    state = "adopted" if case.adopted and not case.told else "known" if case.told else "new"
    return Reported(case.key, finding, state, case.verdict)


# ----------------------------------------------------------------------------------------------
# Working
# ----------------------------------------------------------------------------------------------


async def work(duty: Duty, world: World, order: Order, run: str) -> str:
    """Look into the mailboxes of one order; what became of it, in a word.

    `run` names this piece of work. Raises ExoguardError when it should be tried again: nothing was
    lost. An order whose round is over, or whose shard is done, needs nothing.
    """
    news = False
    while True:
        going_on = (await world.ledger.state(order.guard)).round
        known = await world.ledger.shards(order.guard)
        if going_on is None or going_on.id != order.round:
            return "superseded"
        held = of_round(known, going_on).get(order.number)
        if held and held.shard.done:
            break
        if order.number not in busy(known) and others(known, order) < world.shards_at_once:
            async with world.ledger.claim(order.guard, run, order.number) as claim:
                # Whoever claims first and counts then cannot be one too many without seeing it.
                now = await world.ledger.shards(order.guard) if claim else {}
                mine = of_round(now, going_on).get(order.number)
                done_by_another = mine is not None and mine.shard.done
                if claim and not done_by_another and others(now, order) < world.shards_at_once:
                    news = await inspected(duty, world, claim, order)
                    break
        # Whoever works on it may have died: then their claim ends within a minute.
        if world.spent() >= 1:
            raise Unavailable(f"{order.guard}: shard {order.number} waited for its turn in vain")
        await world.pause(TURN * (0.5 + secrets.randbelow(1_000) / 1_000))
    await rounded_off(duty, world, order, run, news)
    return "done"


def busy(known: Mapping[int, Held]) -> set[int]:
    """The shards somebody works on."""
    return {number for number, held in known.items() if held.busy}


def others(known: Mapping[int, Held], order: Order) -> int:
    """How many other shards are being worked on."""
    return len(busy(known) - {order.number})


async def inspected(duty: Duty, world: World, claim: Claim, order: Order) -> bool:
    """Read, judge, note and save one shard, and that it is done, in one go. True for news."""
    memory = await claim.recall(order.low, order.high)
    now = world.now()
    terms = replace(world.terms, now=now)
    situation = Situation(duty, order.mode, order.round, memory, now)
    watched = frozenset(case.object_id for case in memory.cases.values() if case.closed is None)
    part = Reading[object](scope=frozenset[str]())
    if duty.guard.inspect:
        enforcing = order.mode is Mode.ENFORCE
        asked = Look(terms, frozenset(order.due), watched=watched, enforcing=enforcing)
        part = await duty.guard.inspect(world.tenant, asked, order.mailboxes)
    noted = note(
        situation, part, [one for item in part.items for one in duty.guard.judge(item, terms)]
    )
    shard = replace(
        of_order(order, world),
        done=True,
        tally=bounded(noted.tally),
        swept=tuple(name for name in order.due if swept(part, name)),
        adopted=noted.adopted,
    )
    await claim.save(*noted.cases, *noted.records, state=shard, forget=noted.forget)
    return any(case.news for case in noted.cases)


def of_order(order: Order, world: World) -> Shard:
    """The shard of an order, of which nothing is known yet."""
    return Shard(order.round, order.low, order.high, len(order.mailboxes), world.now())


async def give_up(duty: Duty, world: World, order: Order, run: str, why: str) -> str:
    """Note that a shard failed too often: its mailboxes are not read, and a case says so."""
    going_on = (await world.ledger.state(order.guard)).round
    if going_on is None or going_on.id != order.round:
        return "superseded"
    async with world.ledger.claim(order.guard, run, order.number) as claim:
        if claim is None:
            raise Unavailable(f"{order.guard}: shard {order.number} is still being worked on")
        count = len(order.mailboxes)
        lost = f"shard {order.number + 1} of {going_on.shards}, {count} mailboxes: {why}"
        tally = Tally(population=count, unread=count, complete=False, lost=(lost,))
        shard = replace(of_order(order, world), done=True, tally=tally, error=why)
        await claim.save(state=shard)
    await rounded_off(duty, world, order, run, news=False)
    return "given up"


async def rounded_off(duty: Duty, world: World, order: Order, run: str, news: bool) -> None:
    """Close the round when this was its last shard; tell its `news` when it is time.

    When somebody else holds the guard, they see the same, or the next run of the timer does.
    """
    known = await world.ledger.shards(order.guard)
    going_on = (await world.ledger.state(order.guard)).round
    if going_on is None or going_on.id != order.round:
        return
    done = sum(held.shard.done for held in of_round(known, going_on).values())
    last = done == going_on.shards
    early = world.now() - (going_on.told or going_on.began) < NEXT_CARD
    if not last and (early or not news):
        return
    async with world.ledger.claim(order.guard, run) as claim:
        if claim is None:
            return
        memory = await claim.recall()
        if memory.state.round and memory.state.round.id == order.round:
            report = of_round_report(duty, order, going_on)
            became = await meanwhile(duty, world, claim, report, memory)
            if isinstance(became, RunReport) and became.status == "done":
                log_run(became)


def of_round_report(duty: Duty, order: Order, going_on: Round) -> RunReport:
    """The report of the run that planned the round: it is the one that ends now."""
    return RunReport(
        guard=duty.guard.name,
        title=duty.guard.title,
        why=duty.guard.why,
        noun=duty.guard.noun,
        run=order.round,
        mode=duty.mode.lowered(order.mode),
        started=going_on.began,
        status="failed",
    )
