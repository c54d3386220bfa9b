"""Loads what a guard reports of the state that all guards share: the probe and the weekly digest.

Only one guard reports the digest, the first that is on.
"""

from dataclasses import replace
from datetime import timedelta

from core.errors import LedgerError
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardConfig
from core.model.state import MAX_TIME_AHEAD, GuardSnapshot
from core.ncrontab import CronSchedule
from core.ports import DIGEST_PARTITION, World

LATE_DIGEST = "digest-late"
SENT_KEY = "weekly-digest"
# If no digest was ever sent, the weeks count from the first check.
FIRST_CHECK_KEY = "begun"
# The hourly timer repeats a digest that the channel did not accept for so long before it is a case.
DIGEST_GRACE = timedelta(days=1)


async def add_shared_state(
    config: GuardConfig, world: World, snapshot: GuardSnapshot
) -> GuardSnapshot:
    """The snapshot with the answers of the last probe, and why the digest is late."""
    probe = await world.ledger.load_probe()
    reports_digest = config.guard.name == world.digest_guard and world.digest_schedule
    return replace(
        snapshot,
        probe_answers=probe.answers if probe else (),
        late_digest=await explain_late_digest(world) if reports_digest else "",
    )


async def explain_late_digest(world: World) -> str:
    """Why the weekly digest counts as late; empty if it does not."""
    try:
        state = await world.ledger.load_state(DIGEST_PARTITION)
    except LedgerError:
        return "the row that says when it was sent cannot be read"
    finished, now = state.checks_finished_at, world.now()
    last = finished.get(SENT_KEY) or finished.get(FIRST_CHECK_KEY)
    if last is None:
        return ""
    if last > now + MAX_TIME_AHEAD:
        return f"it is marked as sent in the future, on {last:%Y-%m-%d %H:%M} UTC"
    due = CronSchedule.parse(world.digest_schedule).find_next(last + timedelta(minutes=1))
    if due <= now - DIGEST_GRACE:
        return f"it was due on {due:%Y-%m-%d %H:%M} UTC"
    return ""


def build_digest_finding(reason: str) -> Finding:
    """The weekly digest, whose absence says that nobody watches the guards, did not come."""
    return Finding(
        kind=LATE_DIGEST,
        object_id="weekly-digest",
        subject="weekly digest",
        severity=Severity.HIGH,
        verdict=Verdict.COULD_NOT_TELL,
        summary="The weekly digest was not sent as its schedule says.",
        facts=(Fact("", reason),),
        advice="Check the function weekly-digest and its log: whether it runs every hour, and what "
        "the channel answered.",
        confirmations_needed=2,
    )
