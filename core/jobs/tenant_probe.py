"""Probes the assumptions of the register, and remembers what the tenant answered.

    claim ─► ask the tenant ─► compare with the last probe ─► save the answers and the ways to go

It happens before the first run of a deployment that asks other questions than the last probe did,
once a day from then on, and when an operator asks for it. An assumption that held before and no
longer holds becomes a case of one guard that depends on it (`core.engine.self_findings`).
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.errors import LedgerError
from core.microsoft365.assumptions.assumption import EVERY_GUARD, Assumption
from core.microsoft365.assumptions.exchange_api import PAGING
from core.microsoft365.assumptions.register import ASSUMPTIONS, ASSUMPTIONS_BY_ID
from core.model.guards import GuardConfig, Mode
from core.model.state import EVERY_CMDLET, ProbeReport, Way
from core.ports import TENANT_PARTITION, World
from core.status.assumptions import describe_probe
from core.tenant.probing import AnswerStatus, ProbeAnswer, ProbeOutcome

log = logging.getLogger("exoguard.probe")

RELIES_ON = (PAGING,)
MAX_REQUESTS = 100
MAX_SECONDS = 120.0
PROBE_INTERVAL = timedelta(days=1)


def hash_register(assumptions: Iterable[Assumption] = ASSUMPTIONS) -> str:
    """A hash of the questions that a probe asks: another one means another deployment."""
    asked = sorted(f"{one.id} {one.probe} {','.join(one.ways)}" for one in assumptions)
    return hashlib.sha256("\n".join(asked).encode()).hexdigest()[:16]


def is_probe_due(last: ProbeReport | None, now: datetime) -> bool:
    """Whether the tenant has not answered these questions within a day."""
    if last is None or last.register != hash_register():
        return True
    return abs(now - last.probed_at) >= PROBE_INTERVAL


def choose_reporting_guard(assumption: Assumption, configs: Sequence[GuardConfig]) -> str:
    """The guard whose case reports that an assumption no longer holds: the first that is on."""
    dependent = [
        config
        for config in configs
        if assumption.depends.guards == EVERY_GUARD
        or config.guard.name in assumption.depends.guards
    ]
    enabled = [config for config in dependent if config.mode is not Mode.OFF]
    return next((config.guard.name for config in enabled or dependent), "")


def compare_answer(
    answer: ProbeAnswer, last: ProbeAnswer | None, guard: str, now: datetime
) -> ProbeAnswer:
    """An answer with what is known from the last probe: its way, and since when it does not hold.

    What could not be told this time keeps its way and stays stopped.
    """
    held_at = last.held_at if last else None
    if answer.status is AnswerStatus.HOLDS:
        return replace(answer, guard=guard, held_at=now)
    if answer.status is AnswerStatus.UNKNOWN:
        return replace(
            answer,
            guard=guard,
            way=last.way if last else "",
            held_at=held_at,
            stopped_at=last.stopped_at if last else None,
        )
    stopped_at = (last.stopped_at if last else None) or (now if held_at else None)
    return replace(answer, guard=guard, held_at=held_at, stopped_at=stopped_at)


def build_probe_report(
    outcome: ProbeOutcome, last: ProbeReport | None, configs: Sequence[GuardConfig], now: datetime
) -> ProbeReport:
    """The report of a probe, compared with the last one."""
    return ProbeReport(
        probed_at=now,
        answers=tuple(
            compare_answer(
                answer,
                last.find_answer(answer.assumption) if last else None,
                choose_reporting_guard(ASSUMPTIONS_BY_ID[answer.assumption], configs),
                now,
            )
            for answer in outcome.answers
        ),
        request_count=outcome.request_count,
        seconds=outcome.seconds,
        register=hash_register(),
    )


async def probe_tenant(
    world: World, configs: Sequence[GuardConfig], run_id: str
) -> ProbeReport | None:
    """Ask the tenant and save its answers; None while another instance asks.

    Raises LedgerError if the state is unreachable.
    """
    async with world.ledger.claim(TENANT_PARTITION, run_id) as claim:
        if claim is None:
            return None
        last = await world.ledger.load_probe()
        outcome = await world.tenant.prober.probe_assumptions(MAX_REQUESTS, MAX_SECONDS)
        report = build_probe_report(outcome, last, configs, world.now())
        world.tenant.prober.adopt_ways(
            {answer.assumption: answer.way for answer in report.answers if answer.way}
        )
        await claim.ensure_held()
        await save_paging_way(world, report)
        await world.ledger.save_probe(report)
    log.info("exoguard.probe %s", describe_probe(report))
    return report


async def save_paging_way(world: World, report: ProbeReport) -> None:
    """Record the form of asking for a page that the probe found, or that none works."""
    answer = report.find_answer(PAGING.id)
    if answer and answer.way and answer.status is not AnswerStatus.UNKNOWN:
        reason = "" if answer.status is AnswerStatus.HOLDS else answer.saw
        await world.ledger.save_way(Way(EVERY_CMDLET, answer.way, report.probed_at, reason))


async def probe_if_due(world: World, configs: Sequence[GuardConfig], run_id: str) -> bool:
    """Probe the tenant if this deployment has not done so within a day. True if it did."""
    if not is_probe_due(await world.ledger.load_probe(), world.now()):
        return False
    return await probe_tenant(world, configs, run_id) is not None


async def probe_before_run(
    config: GuardConfig, world: World, configs: Sequence[GuardConfig], run_id: str
) -> None:
    """Probe the tenant before a guard runs, if that is due. A failure does not stop the run."""
    if config.mode is not Mode.OFF:
        try:
            await probe_if_due(world, configs, run_id)
        except LedgerError as error:
            log.warning("the assumptions were not probed: %s", error)
