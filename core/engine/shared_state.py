"""Loads what a guard reports of the state that all guards share: the probe, the weekly digest, how
far the audit logs were read, and channels that are out of use.

Only one guard reports all but the first, the first that is on.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from core.engine.self_remedies import build_self_remedy
from core.errors import LedgerError
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardConfig
from core.model.outbox import TEAMS, ChannelFault
from core.model.state import MAX_TIME_AHEAD, GuardSnapshot
from core.ncrontab import CronSchedule
from core.ports import DIGEST_PARTITION, World

LATE_DIGEST = "digest-late"
LOST_PLACE = "activity-place-lost"
UNUSABLE_CHANNEL = "channel-unusable"
SENT_KEY = "weekly-digest"
# If no digest was ever sent, the weeks count from the first check.
FIRST_CHECK_KEY = "begun"
# The hourly timer repeats a digest that the channel did not accept for so long before it is a case.
DIGEST_GRACE = timedelta(days=1)
# How long an audit log counts as one whose place was lost.
PLACE_TOLD_FOR = timedelta(days=1)


async def add_shared_state(
    config: GuardConfig, world: World, snapshot: GuardSnapshot
) -> GuardSnapshot:
    """The snapshot with the answers of the last probe, why the digest is late, the audit logs whose
    place was lost, and the channels that are out of use.
    """
    probe = await world.ledger.load_probe()
    reports_for_all = config.guard.name == world.digest_guard
    reports_digest = reports_for_all and world.digest_schedule
    return replace(
        snapshot,
        probe_answers=probe.answers if probe else (),
        late_digest=await explain_late_digest(world) if reports_digest else "",
        lost_places=await list_lost_places(world) if reports_for_all else (),
        channel_faults=world.channel_faults if reports_for_all else (),
        has_channel=has_channel(world),
    )


def has_channel(world: World) -> bool:
    """Whether any channel is in use."""
    return bool(world.channels) or all(one.channel != TEAMS for one in world.channel_faults)


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


async def list_lost_places(world: World) -> tuple[str, ...]:
    """The audit logs that had to be read again lately, since their rows did not say how far they
    were read; what cannot be read here the job that reads them tells.
    """
    try:
        cursors = (await world.ledger.load_activity()).cursors
    except LedgerError:
        return ()
    now = world.now()
    return tuple(
        name
        for name, cursor in sorted(cursors.items())
        if cursor.restarted_at and abs(now - cursor.restarted_at) < PLACE_TOLD_FOR
    )


def build_place_finding(names: Sequence[str]) -> Finding:
    """Rows that say how far audit logs were read said nothing, or a time to come."""
    return Finding(
        kind=LOST_PLACE,
        object_id="activity",
        subject="audit logs",
        severity=Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary="It was not known how far audit logs had been read.",
        facts=(
            *(Fact("log", name) for name in names),
            Fact("", "a week of each is read again: nothing is lost but time"),
        ),
        advice="After a change of version this is ordinary. Otherwise find out who can write the "
        "state table, and whether the clock of an instance was wrong.",
    )


def build_channel_finding(fault: ChannelFault, *, is_last: bool) -> Finding:
    """A channel that is out of use: whoever changed its settings may want nobody to be told."""
    alone = "No channel is left: nobody is told anything, and only the pages show what is found."
    return Finding(
        kind=UNUSABLE_CHANNEL,
        object_id=fault.channel,
        subject=f"channel {fault.channel}",
        severity=Severity.CRITICAL if is_last else Severity.HIGH,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"The channel {fault.channel} is out of use: it is told nothing.",
        facts=(Fact("", fault.reason), *((Fact("", alone),) if is_last else ())),
        advice="Correct the setting that the reason names; if nobody changed it on purpose, find "
        "out who may change the app's settings.",
        steps=build_self_remedy(UNUSABLE_CHANNEL, "channels"),
    )


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
        steps=build_self_remedy("digest-late", "weekly-digest"),
        confirmations_needed=2,
    )
