"""Splits a tenant too large for one run into shards that several instances process from a queue.

    timer ─► list ─► enqueue_shards ─► one message per shard            the run that plans the pass
    queue ─► process_shard ─► inspect ─► judge ─► save ─► (a card)      any instance with capacity
                                              └─► the last one ─► finish_pass

Who may write what: the key range of a shard belongs to the holder of that shard's claim until the
shard is done; everything else belongs to the holder of the guard's claim. So two workers never
write the same case, and a card only includes cases whose shards are done. The shards in progress
are counted in the ledger after each claim, so the limit holds across instances.
"""

import logging
import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from core.engine.decision_context import DecisionContext
from core.engine.finish import finish_run
from core.engine.fold_saving import save_open_folds
from core.engine.judgement import inspect_mailboxes, judge_and_reconcile
from core.engine.memory_check import mark_state, restrict_mode
from core.engine.notify import NEXT_CARD_AFTER, send_early_notifications
from core.engine.open_folds import index_folded
from core.engine.periodic_checks import find_due_checks, is_check_complete
from core.engine.population import find_least_trusted_count
from core.engine.reconcile import select_changed_traits
from core.engine.run_report import build_run_report, log_run
from core.engine.scan_progress import LAST_FULL_SCAN_KEY, LAST_SCAN_KEY, Scan, truncate_totals
from core.engine.self_findings import SELF_CHECK_KINDS
from core.engine.shard_message import ShardMessage
from core.engine.shared_state import add_shared_state
from core.errors import Unavailable
from core.keys import PREFIX_LENGTH, RANGE_END, RANGE_START
from core.model.cases import Case, list_open_ids
from core.model.findings import Finding, Severity
from core.model.guards import GuardConfig, GuardPolicy, Mode, ObserveContext
from core.model.requests import RunOptions
from core.model.runs import ReportedFinding, RunReport
from core.model.state import MAX_TIME_AHEAD, GuardSnapshot, ScanPass, ScanTotals, Shard
from core.ports import Claim, ShardStatus, World
from core.tenant.mailbox_index import MailboxIndex
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import Reading

log = logging.getLogger("exoguard.shards")

# A message of a Storage queue holds 64 KiB as base64, which is 48 KiB of text.
MAX_QUEUE_MESSAGE_LENGTH = 45_000
# A pass without progress for this long is abandoned and started again.
STALL_TIMEOUT = timedelta(minutes=15)
# One pass includes this fraction of the mailboxes in a periodic check, which then takes a day.
CHECKED_SHARD_DIVISOR = 48
SECRET_BYTES = 32
# Seconds between two attempts of a shard to start; each reads the ledger.
SHARD_TURN_DELAY = 3.0


# ----------------------------------------------------------------------------------------------
# Planning a pass
# ----------------------------------------------------------------------------------------------


async def enqueue_shards(scan: Scan, index: MailboxIndex) -> None:
    """Split the index into messages, and save the scan pass before any worker can start on it.

    The messages are sent when the run is over. If they are lost, the pass stalls and is planned
    again: a lost message costs time, and no mailbox is skipped.
    """
    scan_pass = replace(
        scan.scan_pass,
        continuation=RANGE_START,
        totals=scan.totals,
        secret=secrets.token_hex(SECRET_BYTES),
    )
    messages = list(build_shard_messages(scan, scan_pass, index))
    scan.scan_pass = replace(scan_pass, shard_count=len(messages))
    await scan.claim.save(state=scan.build_state())
    scan.report = replace(scan.report, shard_messages=tuple(messages))


def build_shard_messages(scan: Scan, scan_pass: ScanPass, index: MailboxIndex) -> Iterator[str]:
    """The messages of a pass, one a key range; one whose addresses are too long is halved.

    Each is complete before the next is begun, since all mailboxes at once take much memory. So how
    many are in a check is counted in mailboxes: how many messages there are is not known yet.
    """
    size = scan.world.range_size
    range_count = -(-len(index.rows) // size)
    due = find_due_checks(scan.config, scan.snapshot.state, scan.decision_context.now)
    remaining = dict.fromkeys(sorted(due), max(1, range_count // CHECKED_SHARD_DIVISOR) * size)
    number = 0
    for key_range in index.iter_ranges(size=size):
        parts = [key_range]
        while parts:
            part = parts.pop(0)
            # A check that stopped in the middle of a range repeats all of it.
            due_checks = tuple(
                name
                for name, count in remaining.items()
                if count > 0 and scan.check_progress.get(name, RANGE_START) < part.high
            )
            message = ShardMessage(
                scan.config.guard.name,
                scan_pass.id,
                number,
                scan.report.mode,
                part.low,
                part.high,
                due_checks,
                part.mailboxes,
            )
            text = message.seal_with(scan_pass.secret).to_json()
            if len(text) > MAX_QUEUE_MESSAGE_LENGTH and len(part.mailboxes) > 1:
                parts[:0] = part.halve()
                continue
            remaining |= {name: remaining[name] - len(part.mailboxes) for name in due_checks}
            number += 1
            yield text


async def continue_scan_pass(
    config: GuardConfig,
    world: World,
    claim: Claim,
    report: RunReport,
    snapshot: GuardSnapshot,
    run_options: RunOptions | None = None,
) -> RunReport | GuardSnapshot:
    """Finish the pass that is in the queue, or report its progress.

    Returns the snapshot to continue with if there is no pass, or if it stalled and was abandoned.
    """
    scan_pass = snapshot.state.scan_pass
    if scan_pass is None or not scan_pass.shard_count:
        return snapshot
    known = await world.ledger.load_shards(config.guard.name)
    shards = select_pass_shards(known, scan_pass)
    context = DecisionContext(
        config,
        report.mode,
        report.run,
        snapshot,
        report.started_at,
        run_options=run_options or RunOptions(),
    )
    scan = build_scan_from_shards(context, world, claim, report, shards)
    if scan.finished:
        granted = await world.tenant.permissions.read_granted_permissions()
        grants = granted.items[0] if granted.items else GrantedPermissions()
        scan.decision_context = replace(scan.decision_context, grants=grants)
        return await finish_run(scan)
    is_busy = any(status.is_claimed for status in known.values())
    if is_busy or is_progressing(scan_pass, shards, world.now()):
        return await report_scan_progress(scan)
    done = sum(status.shard.done for status in shards.values())
    log.error(
        "%s: a scan pass stalled at %d of %d shards", config.guard.name, done, scan_pass.shard_count
    )
    await revoke_shard_claims(world, report, known)
    fresh = await claim.load()
    snapshot = replace(
        snapshot, cases=fresh.cases, changes=fresh.changes, known_traits=fresh.known_traits
    )
    scan_pass = ScanPass(
        report.run, report.started_at, ScanTotals(), stalled_count=scan_pass.stalled_count + 1
    )
    return replace(snapshot, state=replace(snapshot.state, scan_pass=scan_pass))


def is_progressing(scan_pass: ScanPass, shards: Mapping[int, ShardStatus], now: datetime) -> bool:
    """Whether a pass began or saved a shard lately. A time in the future tells nothing."""
    times = (scan_pass.started_at, *(status.shard.at for status in shards.values()))
    return any(-MAX_TIME_AHEAD <= now - at < STALL_TIMEOUT for at in times)


async def report_scan_progress(scan: Scan) -> RunReport:
    """Report and save how far a pass has come."""
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
    """Take over the claims of shards, so that a worker that returns to one cannot write."""
    for number in shard_numbers:
        async with world.ledger.claim(report.guard, report.run, number):
            log.info("%s: the claim on shard %d was revoked", report.guard, number)


def select_pass_shards(
    shards: Mapping[int, ShardStatus], scan_pass: ScanPass
) -> dict[int, ShardStatus]:
    """The shards of a pass; rows of earlier passes stay until they are reused."""
    return {
        number: status
        for number, status in shards.items()
        if status.shard.pass_id == scan_pass.id and number < scan_pass.shard_count
    }


def build_scan_from_shards(
    context: DecisionContext,
    world: World,
    claim: Claim,
    report: RunReport,
    shards: Mapping[int, ShardStatus],
) -> Scan:
    """The scan of all finished shards, as if one run had read them."""
    scan = Scan.resume_or_start(context, world, claim, report, Reading[GrantedPermissions]())
    done = [status.shard for _, status in sorted(shards.items()) if status.shard.done]
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
    """The finding of a shard, as far as its case stores it."""
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
        steps=case.steps,
        held_account=case.held_account,
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
# Processing a shard
# ----------------------------------------------------------------------------------------------


async def process_shard(config: GuardConfig, world: World, message: ShardMessage, run: str) -> str:
    """Inspect the mailboxes of one message; returns "done", "superseded" or "refused".

    `run` identifies this attempt. Raises ExoguardError if the queue should deliver the message
    again. A message whose pass is over, or whose shard is done, needs no work.
    """
    has_notifications = False
    while True:
        scan_pass = (await world.ledger.load_state(message.guard)).scan_pass
        if scan_pass is None or scan_pass.id != message.pass_id:
            return "superseded"
        if not is_genuine(message, scan_pass):
            return "refused"
        if await is_shard_done(world, message):
            break
        busy = await world.ledger.list_claimed_shards(message.guard)
        if message.number not in busy and len(busy) < world.shards_at_once:
            async with world.ledger.claim(message.guard, run, message.number) as claim:
                # Claiming before counting makes sure that a worker above the limit notices it.
                if (
                    claim
                    and not await is_shard_done(world, message)
                    and await count_other_busy_shards(world, message) < world.shards_at_once
                ):
                    has_notifications = await inspect_shard(config, world, claim, message)
                    break
        # If the worker that holds it died, its claim expires within a minute.
        if world.budget_used() >= 1:
            raise Unavailable(
                f"{message.guard}: shard {message.number} was not started, "
                "because too many others are in progress"
            )
        await world.sleep(SHARD_TURN_DELAY * (0.5 + secrets.randbelow(1_000) / 1_000))
    await finish_pass(config, world, message, run, has_notifications)
    return "done"


def is_genuine(message: ShardMessage, scan_pass: ScanPass) -> bool:
    """Whether the run that planned the pass wrote a message, whoever may write the queue."""
    if message.is_sealed_with(scan_pass.secret):
        return True
    log.error(
        "%s: a message for shard %d was not written by the run that planned the pass: refused",
        message.guard,
        message.number,
    )
    return False


async def count_other_busy_shards(world: World, message: ShardMessage) -> int:
    """How many other shards are in progress."""
    return len(await world.ledger.list_claimed_shards(message.guard) - {message.number})


async def is_shard_done(world: World, message: ShardMessage) -> bool:
    """Whether the shard of a message is done in its pass."""
    status = await world.ledger.load_shard(message.guard, message.number)
    return bool(status and status.shard.pass_id == message.pass_id and status.shard.done)


async def inspect_shard(
    config: GuardConfig, world: World, claim: Claim, message: ShardMessage
) -> bool:
    """Read, judge and save one shard in one transaction sequence. True if notifications are
    pending.
    """
    snapshot = await claim.load(message.low, message.high)
    now = world.now()
    policy = GuardPolicy(now, config.guard.options)
    context = DecisionContext(
        config,
        message.mode,
        message.pass_id,
        snapshot,
        now,
        folded=index_folded(snapshot.cases.values()),
    )
    batch = Reading[object](scope=frozenset[str]())
    if config.guard.inspect:
        enforcing = message.mode is Mode.ENFORCE
        observe_context = ObserveContext(
            policy,
            frozenset(message.due_checks),
            is_first_range=message.low == RANGE_START,
            open_case_ids=list_open_ids(snapshot.cases.values()),
            weighty_case_ids=list_open_ids(snapshot.cases.values(), Severity.MEDIUM),
            knows_every_case=False,
            is_enforcing=enforcing,
            last_full_scan=snapshot.state.checks_finished_at.get(LAST_FULL_SCAN_KEY),
            last_scan=snapshot.state.checks_finished_at.get(LAST_SCAN_KEY),
            seed=snapshot.state.check_seed,
            least_trusted_count=find_least_trusted_count(snapshot.state),
            known_traits=snapshot.known_traits,
        )
        batch = await inspect_mailboxes(
            config.guard, world.tenant, observe_context, message.mailboxes
        )
    result, batch = judge_and_reconcile(replace(context, batch_read_at=world.now()), batch)
    shard = replace(
        create_shard(message, world),
        done=True,
        totals=truncate_totals(result.totals),
        periodic_checks=tuple(
            name for name in message.due_checks if is_check_complete(batch, name)
        ),
        baselined=result.baselined,
    )
    await claim.save(
        *result.cases,
        *result.records,
        *select_changed_traits(snapshot, batch),
        state=shard,
        forget=(*result.cases_to_delete, *batch.forgotten_traits),
    )
    cases = {**snapshot.cases, **{case.key: case for case in result.cases}}
    findings = {row.key: row.finding for row in result.reported_findings}
    await save_open_folds(claim, cases, findings, {one.key for one in result.recalled}, now)
    return any(case.notification for case in result.cases)


def create_shard(message: ShardMessage, world: World) -> Shard:
    """The shard of a message, before anything is known of it."""
    return Shard(message.pass_id, message.low, message.high, len(message.mailboxes), world.now())


async def abandon_shard(
    config: GuardConfig, world: World, message: ShardMessage, run: str, reason: str
) -> str:
    """Record that a shard failed too often: its mailboxes stay unread, and a case reports it.

    One that is done stays so: it was the end of the pass that failed.
    """
    scan_pass = (await world.ledger.load_state(message.guard)).scan_pass
    if scan_pass is None or scan_pass.id != message.pass_id:
        return "superseded"
    if not is_genuine(message, scan_pass):
        return "refused"
    async with world.ledger.claim(message.guard, run, message.number) as claim:
        if claim is None:
            raise Unavailable(f"{message.guard}: shard {message.number} is still in progress")
        count = len(message.mailboxes)
        description = (
            f"shard {message.number + 1} of {scan_pass.shard_count}, {count} mailboxes: {reason}"
        )
        totals = ScanTotals(
            population=count, unread_count=count, complete=False, abandoned_shards=(description,)
        )
        shard = replace(create_shard(message, world), done=True, totals=totals, error=reason)
        if not await is_shard_done(world, message):
            await claim.save(state=shard)
    await finish_pass(config, world, message, run, has_notifications=False)
    return "given up"


async def finish_pass(
    config: GuardConfig, world: World, message: ShardMessage, run: str, has_notifications: bool
) -> None:
    """Finish the pass if this was its last shard, or send a card if one is due.

    If another run holds the guard, that run sees the same, or the next timer run does.
    """
    done = await world.ledger.count_done_shards(message.guard, message.pass_id)
    scan_pass = (await world.ledger.load_state(message.guard)).scan_pass
    if scan_pass is None or scan_pass.id != message.pass_id:
        return
    last = done == scan_pass.shard_count
    early = abs(world.now() - (scan_pass.notified_at or scan_pass.started_at)) < NEXT_CARD_AFTER
    if not last and (early or not has_notifications):
        return
    async with world.ledger.claim(message.guard, run) as claim:
        if claim is None:
            return
        snapshot = await add_shared_state(config, world, await claim.load())
        if snapshot.state.scan_pass and snapshot.state.scan_pass.id == message.pass_id:
            report = build_pass_report(config, message, scan_pass)
            report = replace(report, mode=restrict_mode(report.mode, snapshot.state))
            result = await continue_scan_pass(config, world, claim, report, snapshot)
            if isinstance(result, RunReport) and result.status == "done":
                await mark_state(world, message.guard, result.operator_requests)
                log_run(result)


def build_pass_report(config: GuardConfig, message: ShardMessage, scan_pass: ScanPass) -> RunReport:
    """The report of the run that planned the pass, which ends now."""
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
