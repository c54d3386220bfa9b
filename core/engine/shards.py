"""A tenant too large for one run, cut into shards that any number of instances take from a queue.

    timer ─► list ─► hand_out ─► a message a shard on the queue        the run that plans
    queue ─► work ─► inspect ─► judge ─► note ─► save ─► (a card)      wherever there is room
                                              └─► the last one ─► closed

Who may write what: the places of a shard belong to whoever holds that shard's claim until it is
done; everything else belongs to whoever holds the guard's. A case is thus never written by two at
once, and a card is made only of cases whose shards are done. How many shards are worked on together
is counted in the ledger after each claim, so it holds over all instances.
"""

import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from core.engine.decision_context import DecisionContext
from core.engine.finish import finish_run
from core.engine.notify import NEXT_CARD_AFTER, send_early_notifications
from core.engine.periodic_checks import find_due_checks, is_check_complete
from core.engine.reconcile import reconcile_batch
from core.engine.run_report import build_run_report, log_run
from core.engine.scan_progress import Scan, truncate_totals
from core.engine.self_findings import SELF_CHECK_KINDS
from core.engine.shard_message import ShardMessage
from core.errors import Unavailable
from core.keys import PREFIX_LENGTH, RANGE_END, RANGE_START, compute_hash_prefix
from core.model.cases import Case
from core.model.findings import Finding
from core.model.guards import GuardConfig, GuardPolicy, Mode, ObserveContext
from core.model.requests import RunOptions
from core.model.runs import ReportedFinding, RunReport
from core.model.state import GuardSnapshot, ScanPass, ScanTotals, Shard
from core.ports import Claim, ShardStatus, World
from core.tenant.mailbox_index import MailboxIndex, MailboxRange
from core.tenant.port import GrantedPermissions
from core.tenant.readings import Reading

log = logging.getLogger("exoguard.shards")

# A message of a Storage queue holds 64 KiB as base64, which is 48 KiB of text.
MAX_QUEUE_MESSAGE_LENGTH = 45_000
# A round nobody has worked on for so long is given up and begun anew.
STALL_TIMEOUT = timedelta(minutes=15)
# So large a part of the shards is swept in one round, so that a sweep is over within a day.
CHECKED_SHARD_DIVISOR = 48
# How long a shard waits for its turn, in seconds: a look at the ledger each time.
SHARD_TURN_DELAY = 3.0


# ----------------------------------------------------------------------------------------------
# Planning
# ----------------------------------------------------------------------------------------------


async def enqueue_shards(scan: Scan, index: MailboxIndex) -> None:
    """Cut the roll into orders, and remember the round before anybody can work on it.

    The messages go out when the run is over. If they never do, the round stalls and is planned
    again: a lost message costs time, no mailbox.
    """
    going_on = replace(scan.scan_pass, continuation=RANGE_START, totals=scan.totals)
    pieces = list(build_shard_messages(scan, going_on, index))
    scan.scan_pass = replace(going_on, shard_count=len(pieces))
    await scan.claim.save(state=scan.build_state())
    scan.report = replace(scan.report, shard_messages=tuple(pieces))


def build_shard_messages(scan: Scan, scan_pass: ScanPass, index: MailboxIndex) -> Iterator[str]:
    """The messages of a round, none too long for the queue."""
    pieces = list(
        split_into_messages(scan, scan_pass, index.iter_ranges(size=scan.world.range_size))
    )
    due = find_due_checks(scan.config, scan.snapshot.state, scan.decision_context.now)
    quota = max(1, len(pieces) // CHECKED_SHARD_DIVISOR)
    left = dict.fromkeys(due, quota)
    for number, piece in enumerate(pieces):
        swept = []
        for name in sorted(due):
            # A sweep that has come to the middle of a slice goes on with the whole of it.
            if left[name] and scan.check_progress.get(name, RANGE_START) < piece.high:
                left[name] -= 1
                swept.append(name)
        yield replace(piece, number=number, due_checks=tuple(swept)).to_json()


def split_into_messages(
    scan: Scan, scan_pass: ScanPass, ranges: Iterator[MailboxRange]
) -> Iterator[ShardMessage]:
    """Slices as orders; one whose addresses are too long for a message is cut in two."""
    for piece in ranges:
        order = ShardMessage(
            scan.config.guard.name,
            scan_pass.id,
            0,
            scan.report.mode,
            piece.low,
            piece.high,
            (),
            piece.mailboxes,
        )
        if len(order.to_json()) <= MAX_QUEUE_MESSAGE_LENGTH or len(piece.mailboxes) < 2:
            yield order
            continue
        yield from split_into_messages(scan, scan_pass, halve_mailbox_range(piece))


def halve_mailbox_range(mailbox_range: MailboxRange) -> Iterator[MailboxRange]:
    """A slice as two, cut between places."""
    half = len(mailbox_range.mailboxes) // 2
    middle = compute_hash_prefix(mailbox_range.mailboxes[half].id)
    first = tuple(box for box in mailbox_range.mailboxes if compute_hash_prefix(box.id) < middle)
    second = tuple(box for box in mailbox_range.mailboxes if compute_hash_prefix(box.id) >= middle)
    yield MailboxRange(mailbox_range.low, middle, first)
    yield MailboxRange(middle, mailbox_range.high, second)


async def continue_scan_pass(
    config: GuardConfig,
    world: World,
    claim: Claim,
    report: RunReport,
    snapshot: GuardSnapshot,
    run_options: RunOptions | None = None,
) -> RunReport | GuardSnapshot:
    """What a run does that finds a round in the queue: close it, or tell how far it has come.

    Returns the memory to go on with when there is none, or when it had to be given up.
    """
    going_on = snapshot.state.scan_pass
    if going_on is None or not going_on.shard_count:
        return snapshot
    known = await world.ledger.load_shards(config.guard.name)
    shards = select_pass_shards(known, going_on)
    situation = DecisionContext(
        config,
        report.mode,
        report.run,
        snapshot,
        report.started_at,
        run_options=run_options or RunOptions(),
    )
    scan = build_scan_from_shards(situation, world, claim, report, shards)
    if scan.finished:
        granted = await world.tenant.permissions.read_granted_permissions()
        grants = granted.items[0] if granted.items else GrantedPermissions()
        scan.decision_context = replace(scan.decision_context, grants=grants)
        return await finish_run(scan)
    last = max([going_on.started_at, *(held.shard.at for held in shards.values())])
    if find_busy_shards(known) or world.now() - last < STALL_TIMEOUT:
        return await report_scan_progress(scan)
    done = sum(held.shard.done for held in shards.values())
    log.error(
        "%s: a round stalled at %d of %d shards", config.guard.name, done, going_on.shard_count
    )
    await revoke_shard_claims(world, report, known)
    begun = ScanPass(
        report.run, report.started_at, ScanTotals(), stalled_count=going_on.stalled_count + 1
    )
    return replace(snapshot, state=replace(snapshot.state, scan_pass=begun))


async def report_scan_progress(scan: Scan) -> RunReport:
    """How far a round has come, told and written down."""
    await send_early_notifications(scan)
    report = replace(
        build_run_report(scan), call_counts=scan.world.call_counts(), finished_at=scan.world.now()
    )
    await scan.claim.save(
        report, state=scan.build_state() if scan.decision_context.run_options.plan else None
    )
    return report


async def revoke_shard_claims(
    world: World, report: RunReport, shard_numbers: Iterable[int]
) -> None:
    """Take the shards from whoever might still come back to them: their claim ends with this."""
    for number in shard_numbers:
        async with world.ledger.claim(report.guard, report.run, number):
            log.info("%s: shard %d was taken back", report.guard, number)


def select_pass_shards(
    shards: Mapping[int, ShardStatus], scan_pass: ScanPass
) -> dict[int, ShardStatus]:
    """The shards that belong to a round; rows of earlier ones stay until they are used again."""
    return {
        number: held
        for number, held in shards.items()
        if held.shard.pass_id == scan_pass.id and number < scan_pass.shard_count
    }


def build_scan_from_shards(
    context: DecisionContext,
    world: World,
    claim: Claim,
    report: RunReport,
    shards: Mapping[int, ShardStatus],
) -> Scan:
    """All that the shards of a round have seen, as if one run had."""
    scan = Scan.resume_or_start(context, world, claim, report, Reading[GrantedPermissions]())
    done = [held.shard for _, held in sorted(shards.items()) if held.shard.done]
    for shard in done:
        scan.cursor_totals = scan.cursor_totals.add_totals(shard.totals)
        for name in shard.periodic_checks:
            if shard.low <= scan.check_progress.get(name, RANGE_START) < shard.high:
                scan.check_progress[name] = shard.high
                scan.completed_checks |= {name} if shard.high == RANGE_END else set()
    scan.expected_population = scan.scan_pass.population
    scan.baselined = any(shard.baselined for shard in done)
    scan.finished = len(done) == scan.scan_pass.shard_count
    if not scan.finished:
        spans = [(shard.low, shard.high) for shard in done]
        scan.owns_case = lambda case: any(
            low <= case.key[:PREFIX_LENGTH] < high for low, high in spans
        )
    scan.apply_saved_rows((), ())
    scan.reported_findings = [
        build_reported_finding(case)
        for case in scan.cases.values()
        if case.closed_at is None and case.kind not in SELF_CHECK_KINDS and scan.owns_case(case)
    ]
    return scan


def build_reported_finding(case: Case) -> ReportedFinding:
    """What the shards found, as far as it is remembered: their cases."""
    finding = Finding(
        kind=case.kind,
        object_id=case.object_id,
        subject=case.subject,
        severity=case.severity,
        verdict=case.guard_verdict,
        summary=case.summary,
        facts=case.facts,
        sources=case.sources,
        advice=case.advice,
        plan_hash=case.plan_hash,
    )
    state = (
        "adopted"
        if case.baselined and not case.notified_at
        else "known"
        if case.notified_at
        else "new"
    )
    return ReportedFinding(case.key, finding, state, case.verdict)


# ----------------------------------------------------------------------------------------------
# Working
# ----------------------------------------------------------------------------------------------


async def process_shard(config: GuardConfig, world: World, message: ShardMessage, run: str) -> str:
    """Look into the mailboxes of one order; what became of it, in a word.

    `run` names this piece of work. Raises ExoguardError when it should be tried again: nothing was
    lost. An order whose round is over, or whose shard is done, needs nothing.
    """
    news = False
    while True:
        going_on = (await world.ledger.load_state(message.guard)).scan_pass
        known = await world.ledger.load_shards(message.guard)
        if going_on is None or going_on.id != message.pass_id:
            return "superseded"
        held = select_pass_shards(known, going_on).get(message.number)
        if held and held.shard.done:
            break
        if (
            message.number not in find_busy_shards(known)
            and count_other_busy_shards(known, message) < world.shards_at_once
        ):
            async with world.ledger.claim(message.guard, run, message.number) as claim:
                # Whoever claims first and counts then cannot be one too many without seeing it.
                now = await world.ledger.load_shards(message.guard) if claim else {}
                mine = select_pass_shards(now, going_on).get(message.number)
                done_by_another = mine is not None and mine.shard.done
                if (
                    claim
                    and not done_by_another
                    and count_other_busy_shards(now, message) < world.shards_at_once
                ):
                    news = await inspect_shard(config, world, claim, message)
                    break
        # Whoever works on it may have died: then their claim ends within a minute.
        if world.budget_used() >= 1:
            raise Unavailable(
                f"{message.guard}: shard {message.number} waited for its turn in vain"
            )
        await world.sleep(SHARD_TURN_DELAY * (0.5 + secrets.randbelow(1_000) / 1_000))
    await finish_pass(config, world, message, run, news)
    return "done"


def find_busy_shards(shards: Mapping[int, ShardStatus]) -> set[int]:
    """The shards somebody works on."""
    return {number for number, held in shards.items() if held.is_claimed}


def count_other_busy_shards(shards: Mapping[int, ShardStatus], message: ShardMessage) -> int:
    """How many other shards are being worked on."""
    return len(find_busy_shards(shards) - {message.number})


async def inspect_shard(
    config: GuardConfig, world: World, claim: Claim, message: ShardMessage
) -> bool:
    """Read, judge, note and save one shard, and that it is done, in one go. True for news."""
    memory = await claim.load(message.low, message.high)
    now = world.now()
    terms = GuardPolicy(now, config.guard.options)
    situation = DecisionContext(config, message.mode, message.pass_id, memory, now)
    watched = frozenset(case.object_id for case in memory.cases.values() if case.closed_at is None)
    part = Reading[object](scope=frozenset[str]())
    if config.guard.inspect:
        enforcing = message.mode is Mode.ENFORCE
        asked = ObserveContext(
            terms, frozenset(message.due_checks), open_case_ids=watched, is_enforcing=enforcing
        )
        part = await config.guard.inspect(world.tenant, asked, message.mailboxes)
    noted = reconcile_batch(
        situation, part, [one for item in part.items for one in config.guard.judge(item, terms)]
    )
    shard = replace(
        create_shard(message, world),
        done=True,
        totals=truncate_totals(noted.totals),
        periodic_checks=tuple(name for name in message.due_checks if is_check_complete(part, name)),
        baselined=noted.baselined,
    )
    await claim.save(*noted.cases, *noted.records, state=shard, forget=noted.cases_to_delete)
    return any(case.notification for case in noted.cases)


def create_shard(message: ShardMessage, world: World) -> Shard:
    """The shard of an order, of which nothing is known yet."""
    return Shard(message.pass_id, message.low, message.high, len(message.mailboxes), world.now())


async def abandon_shard(
    config: GuardConfig, world: World, message: ShardMessage, run: str, reason: str
) -> str:
    """Note that a shard failed too often: its mailboxes are not read, and a case says so."""
    going_on = (await world.ledger.load_state(message.guard)).scan_pass
    if going_on is None or going_on.id != message.pass_id:
        return "superseded"
    async with world.ledger.claim(message.guard, run, message.number) as claim:
        if claim is None:
            raise Unavailable(f"{message.guard}: shard {message.number} is still being worked on")
        count = len(message.mailboxes)
        lost = f"shard {message.number + 1} of {going_on.shard_count}, {count} mailboxes: {reason}"
        tally = ScanTotals(
            population=count, unread_count=count, complete=False, abandoned_shards=(lost,)
        )
        shard = replace(create_shard(message, world), done=True, totals=tally, error=reason)
        await claim.save(state=shard)
    await finish_pass(config, world, message, run, has_notifications=False)
    return "given up"


async def finish_pass(
    config: GuardConfig, world: World, message: ShardMessage, run: str, has_notifications: bool
) -> None:
    """Close the round when this was its last shard; tell its `news` when it is time.

    When somebody else holds the guard, they see the same, or the next run of the timer does.
    """
    known = await world.ledger.load_shards(message.guard)
    going_on = (await world.ledger.load_state(message.guard)).scan_pass
    if going_on is None or going_on.id != message.pass_id:
        return
    done = sum(held.shard.done for held in select_pass_shards(known, going_on).values())
    last = done == going_on.shard_count
    early = world.now() - (going_on.notified_at or going_on.started_at) < NEXT_CARD_AFTER
    if not last and (early or not has_notifications):
        return
    async with world.ledger.claim(message.guard, run) as claim:
        if claim is None:
            return
        memory = await claim.load()
        if memory.state.scan_pass and memory.state.scan_pass.id == message.pass_id:
            report = build_pass_report(config, message, going_on)
            became = await continue_scan_pass(config, world, claim, report, memory)
            if isinstance(became, RunReport) and became.status == "done":
                log_run(became)


def build_pass_report(config: GuardConfig, message: ShardMessage, scan_pass: ScanPass) -> RunReport:
    """The report of the run that planned the round: it is the one that ends now."""
    return RunReport(
        guard=config.guard.name,
        title=config.guard.title,
        rationale=config.guard.rationale,
        noun=config.guard.noun,
        run=message.pass_id,
        mode=config.mode.restrict_to(message.mode),
        started_at=scan_pass.started_at,
        status="failed",
    )
