"""The engine's own troubles as findings, so that they are told, reminded and closed like any other.

A guard that cannot look, an object that cannot be read, a listing that shrank, a state row nobody
understands, a plan the brake holds: each is a case, and there is no second way to raise an alert.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from core.engine.exemption_audit import unaccounted
from core.keys import digest
from core.microsoft365.permissions import NO_EXCHANGE, grant_command, missing
from core.model.cases import Exemption
from core.model.changes import ChangeState, plan_hash
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Duty, Permission, Service
from core.model.state import GuardState, Memory
from core.sanitize import plain
from core.tenant.changes import Change
from core.tenant.port import Grants
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import CREDENTIAL, GRANTS

# The kinds of the engine's own findings about a look as a whole.
UNASKED = "exemption-unaccounted"
OWN = frozenset(
    {
        "blind",
        "brake",
        "credential",
        UNASKED,
        "permission-missing",
        "scan-stalled",
        "shard-failed",
        "state-unreadable",
    }
)

type Wanted = tuple[str, str, Change]  # case key, subject, change

# Fewer than this many objects missing is a clean-up, not a listing that went wrong.
FEW = 2
FALL = 0.30
LISTED = 20


def fell(reading: Reading[object], state: GuardState) -> bool:
    """True when the listing names far fewer objects than the last complete one did."""
    if state.population is None or not reading.complete:
        return False
    missing = state.population - reading.population
    return missing >= FEW and missing > FALL * state.population


def lacking(duty: Duty, permission: Permission, reading: Reading[object]) -> Finding:
    """A permission the guard needs and the app does not have."""
    severity = Severity.HIGH if permission.writes else Severity.CRITICAL
    unseen = sorted(
        miss.surface.replace("-", " ")
        for miss in reading.unread
        if not miss.object_id and permission.name in miss.permission
    )
    return Finding(
        kind="permission-missing",
        object_id=permission.name,
        subject=permission.name,
        severity=Severity.LOW if permission.optional else severity,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{duty.guard.title} lacks the permission {permission.name}.",
        facts=(
            f"needed: {permission.why}",
            *((f"not seen for want of it: {', '.join(unseen)}",) if unseen else ()),
        ),
        surfaces=(GRANTS,),
        advice=f"Grant it: {grant_command(permission)}",
    )


def permissions(
    duty: Duty, grants: Grants, reading: Reading[object]
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """The names of what is missing, and the findings that say so.

    An app without any Exchange role lacks them all for one reason, so that is one finding.
    """
    lacks = missing(duty, grants)
    found = [lacking(duty, permission, reading) for permission in lacks]
    if grants.cmdlets is not None and not grants.cmdlets:
        exchange = [one for one in lacks if one.service is Service.EXCHANGE and not one.optional]
        if exchange:
            whole = replace(exchange[0], name=NO_EXCHANGE, why="every read of Exchange")
            cmdlets = {permission.name for permission in exchange}
            found = [one for one in found if one.object_id not in cmdlets]
            found.append(lacking(duty, whole, reading))
    return tuple(one.object_id for one in found), tuple(found)


def shut_out(duty: Duty, miss: Unread) -> Finding:
    """The app cannot sign in to the tenant at all."""
    return Finding(
        kind="credential",
        object_id=miss.surface,
        subject="sign-in of the app",
        severity=Severity.CRITICAL,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{duty.guard.title} sees nothing: the app cannot sign in to the tenant.",
        facts=(miss.reason,),
        surfaces=(CREDENTIAL,),
        advice="Mend what the reason names; docs/deploy.md tells how each part is set up.",
        patience=0 if miss.permission else 2,
    )


def blind(duty: Duty, miss: Unread, explained: Collection[str]) -> Finding:
    """A whole surface that could not be read.

    Where a missing permission explains it, that is the case to tell, and this only a note.
    """
    if miss.surface == CREDENTIAL:
        return shut_out(duty, miss)
    if miss.optional:
        severity = Severity.LOW if miss.permission else Severity.INFO
    else:
        severity = Severity.CRITICAL if miss.permission else Severity.HIGH
    if any(name in miss.permission for name in explained):
        severity = Severity.INFO
    return Finding(
        kind="blind",
        object_id=miss.surface,
        subject=miss.surface,
        severity=severity,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{duty.guard.title} cannot see {miss.surface.replace('-', ' ')}.",
        facts=(miss.reason,) + ((f"missing: {miss.permission}",) if miss.permission else ()),
        surfaces=(miss.surface,),
        dangerous=miss.permission,
        advice=f"Grant {miss.permission} (see docs/guards.md)." if miss.permission else "",
        patience=0 if miss.permission else 2,
    )


def unreadable(miss: Unread) -> Finding:
    """One object that could not be read, worth telling when it stays so."""
    return Finding(
        kind="unreadable",
        object_id=miss.object_id,
        subject=miss.subject or miss.object_id,
        severity=Severity.INFO if miss.optional else Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{miss.subject or miss.object_id}: {miss.surface.replace('-', ' ')} not readable.",
        facts=(miss.reason,) + ((f"missing: {miss.permission}",) if miss.permission else ()),
        surfaces=(miss.surface,),
        dangerous=miss.surface,
        patience=2,
    )


def unreadables(part: Reading[object]) -> Iterator[Finding]:
    """The objects of one part that could not be read, where the others could."""
    surfaces = {miss.surface for miss in part.unread if not miss.object_id}
    for miss in part.unread:
        if miss.object_id and miss.surface not in surfaces:
            yield unreadable(miss)


def troubles(
    duty: Duty, reading: Reading[object], memory: Memory, grants: Grants, now: datetime
) -> Iterator[Finding]:
    """Everything that kept the whole look from seeing clearly, or keeps what it saw from others."""
    explained, lacks = permissions(duty, grants, reading)
    yield from lacks
    if memory.state.round and memory.state.round.stalled:
        yield stalled(duty, memory.state.round.stalled)
    for miss in reading.unread:
        if not miss.object_id:
            yield blind(duty, miss, explained)
    if memory.poisoned:
        yield Finding(
            kind="state-unreadable",
            object_id="state",
            subject=duty.guard.name,
            severity=Severity.HIGH,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"{memory.poisoned} rows of the state table cannot be understood.",
            facts=("They were left as they are; what they said is not known to this version.",),
            advice="Compare the deployed version with the one that wrote the rows.",
        )

    if strangers := unaccounted(memory, now):
        yield unasked(duty, strangers)


def unasked(duty: Duty, strangers: Sequence[Exemption]) -> Finding:
    """Exemptions nobody asked for: whoever wrote the rows wants the guard to be silent.

    They hold all the same, since a change made against one cannot be unmade by an apology.
    """
    rows = [
        f"{plain(one.subject, 80)} until {one.until:%Y-%m-%d %H:%M} UTC, says {plain(one.who, 60)}"
        for one in strangers
    ]
    count = f"{len(rows)} exemptions" if len(rows) > 1 else "An exemption"
    return Finding(
        kind=UNASKED,
        object_id="exemptions",
        subject=duty.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        summary=f"{count} of {duty.guard.title} nobody asked for, or not like this.",
        facts=(*rows[:LISTED], *((f"and {len(rows) - LISTED} more",) if rows[LISTED:] else ())),
        dangerous=digest(
            sorted((one.subject, one.until.isoformat(), one.who) for one in strangers)
        ),
        advice="Find out who can write the state table. To end one: python -m core.cli unexempt "
        f"{duty.guard.name} <subject>. To keep one: exempt it again, with who and why.",
    )


def stalled(duty: Duty, times: int) -> Finding:
    """A look in shards that nobody worked on."""
    return Finding(
        kind="scan-stalled",
        object_id=duty.guard.name,
        subject=duty.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{duty.guard.title} did not get through the tenant: its queue stood still.",
        facts=(f"begun anew {times} times",),
        advice="Look at the function scan-shard and its queue; docs/performance.md tells what "
        "shards are. The look was begun anew.",
    )


def failed_shards(duty: Duty, lost: Sequence[str]) -> Iterator[Finding]:
    """Mailboxes that were not looked at because the work on them failed again and again."""
    for reason in lost:
        yield Finding(
            kind="shard-failed",
            object_id=duty.guard.name,
            subject=duty.guard.name,
            severity=Severity.HIGH,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"{duty.guard.title} could not look at some mailboxes: their shard failed.",
            facts=(reason,),
            dangerous=reason.partition(",")[0],
            advice="The next round tries again; when it fails too, look at the log of scan-shard.",
        )


def stop_reason(
    duty: Duty, reading: Reading[object], memory: Memory, wanted: Sequence[Wanted]
) -> str:
    """Why nothing may be changed now; empty when the brake does not hold.

    What an earlier run intended and did not finish has passed the brake, so it is not counted.
    """
    if fell(reading, memory.state):
        return (
            f"the listing fell from {memory.state.population} to {reading.population} "
            f"{duty.guard.noun}"
        )
    if not wanted:
        return ""
    if memory.poisoned:
        # Among them may be an exemption, or that somebody changed back what would be changed again.
        return f"{memory.poisoned} rows of the state table cannot be understood"
    if not reading.complete:
        return "the listing is incomplete"
    share = math.ceil(duty.limit.percent * reading.population / 100)
    allowed = min(max(duty.limit.count, share), duty.limit.ceiling)
    passed = {one.case for one in memory.changes if one.state is ChangeState.INTENDED}
    fresh = sum(case not in passed for case, _, _ in wanted)
    if fresh > allowed:
        return f"{fresh} changes are wanted and a run may make {allowed}"
    return ""


def brake(duty: Duty, reading: Reading[object], reason: str, wanted: Sequence[Wanted]) -> Finding:
    """The plan that waits for a person."""
    name = plan_hash(
        duty.guard.name, ((case, change) for case, _, change in wanted), reading.population
    )
    subjects = sorted({subject for _, subject, _ in wanted})
    more = len(subjects) - LISTED
    return Finding(
        kind="brake",
        object_id=duty.guard.name,
        subject=duty.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        summary=f"The brake holds: {reason}. Nothing was changed.",
        facts=(
            f"plan {name}",
            *(f"would change {subject}" for subject in subjects[:LISTED]),
            *((f"and {more} more",) if more > 0 else ()),
        ),
        dangerous=name,
        advice=(
            f"Review the list; to release exactly this plan once, within an hour: "
            f"python -m core.cli release {duty.guard.name} {name}"
        ),
    )
