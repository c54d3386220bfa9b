"""The engine's own troubles as findings, so that they are told, reminded and closed like any other.

A guard that cannot look, an object that cannot be read, a listing that shrank, a state row nobody
understands, a plan the brake holds: each is a case, and there is no second way to raise an alert.
"""

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from core.engine.exemption_audit import find_unauthorized_exemptions
from core.keys import hash_parts
from core.microsoft365.permissions import (
    EXCHANGE_REQUIREMENT,
    build_grant_command,
    missing_permissions,
)
from core.model.cases import Exemption
from core.model.changes import ChangeState, compute_plan_hash
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardConfig, Permission, Service
from core.model.state import GuardSnapshot, GuardState
from core.tenant.changes import Change
from core.tenant.port import GrantedPermissions
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.surfaces import CREDENTIAL, GRANTS

# The kinds of the engine's own findings about a look as a whole.
UNAUTHORIZED_EXEMPTION = "exemption-unauthorized"
SELF_CHECK_KINDS = frozenset(
    {
        "source-unavailable",
        "brake",
        "credential",
        UNAUTHORIZED_EXEMPTION,
        "permission-missing",
        "scan-stalled",
        "shard-failed",
        "state-unreadable",
    }
)

type PlannedChange = tuple[str, str, Change]  # case key, subject, change

# Fewer than this many objects missing is a clean-up, not a listing that went wrong.
MIN_MISSING = 2
MAX_POPULATION_DROP = 0.30
MAX_LISTED_FACTS = 20


def population_dropped(reading: Reading[object], state: GuardState) -> bool:
    """True when the listing names far fewer objects than the last complete one did."""
    if state.population is None or not reading.complete:
        return False
    missing = state.population - reading.population
    return missing >= MIN_MISSING and missing > MAX_POPULATION_DROP * state.population


def build_permission_finding(
    config: GuardConfig, permission: Permission, reading: Reading[object]
) -> Finding:
    """A permission the guard needs and the app does not have."""
    severity = Severity.HIGH if permission.writes else Severity.CRITICAL
    unseen = sorted(
        failure.source.replace("-", " ")
        for failure in reading.failures
        if not failure.object_id and permission.name in failure.permission
    )
    return Finding(
        kind="permission-missing",
        object_id=permission.name,
        subject=permission.name,
        severity=Severity.LOW if permission.optional else severity,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title} lacks the permission {permission.name}.",
        facts=(
            Fact("needed", permission.reason),
            *((Fact("", f"not seen for want of it: {', '.join(unseen)}"),) if unseen else ()),
        ),
        sources=(GRANTS,),
        advice=f"Grant it: {build_grant_command(permission)}",
    )


def check_guard_permissions(
    config: GuardConfig, grants: GrantedPermissions, reading: Reading[object]
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """The names of what is missing, and the findings that say so.

    An app without any Exchange role lacks them all for one reason, so that is one finding.
    """
    missing = missing_permissions(config, grants)
    found = [build_permission_finding(config, permission, reading) for permission in missing]
    if grants.cmdlets is not None and not grants.cmdlets:
        exchange = [one for one in missing if one.service is Service.EXCHANGE and not one.optional]
        if exchange:
            whole = replace(exchange[0], name=EXCHANGE_REQUIREMENT, reason="every read of Exchange")
            cmdlets = {permission.name for permission in exchange}
            found = [one for one in found if one.object_id not in cmdlets]
            found.append(build_permission_finding(config, whole, reading))
    return tuple(one.object_id for one in found), tuple(found)


def build_sign_in_finding(config: GuardConfig, failure: ReadFailure) -> Finding:
    """The app cannot sign in to the tenant at all."""
    return Finding(
        kind="credential",
        object_id=failure.source,
        subject="sign-in of the app",
        severity=Severity.CRITICAL,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title} sees nothing: the app cannot sign in to the tenant.",
        facts=(Fact("", failure.reason),),
        sources=(CREDENTIAL,),
        advice="Mend what the reason names; docs/deploy.md tells how each part is set up.",
        confirmations_needed=0 if failure.permission else 2,
    )


def build_source_finding(
    config: GuardConfig, failure: ReadFailure, missing_names: Collection[str]
) -> Finding:
    """A whole surface that could not be read.

    Where a missing permission explains it, that is the case to tell, and this only a note.
    """
    if failure.source == CREDENTIAL:
        return build_sign_in_finding(config, failure)
    if failure.optional:
        severity = Severity.LOW if failure.permission else Severity.INFO
    else:
        severity = Severity.CRITICAL if failure.permission else Severity.HIGH
    if any(name in failure.permission for name in missing_names):
        severity = Severity.INFO
    return Finding(
        kind="source-unavailable",
        object_id=failure.source,
        subject=failure.source,
        severity=severity,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title} cannot see {failure.source.replace('-', ' ')}.",
        facts=(Fact("", failure.reason),)
        + ((Fact("missing", failure.permission),) if failure.permission else ()),
        sources=(failure.source,),
        fingerprint=failure.permission,
        advice=f"Grant {failure.permission} (see docs/guards.md)." if failure.permission else "",
        confirmations_needed=0 if failure.permission else 2,
    )


def build_object_finding(failure: ReadFailure) -> Finding:
    """One object that could not be read, worth telling when it stays so."""
    subject = failure.subject or failure.object_id
    return Finding(
        kind="unreadable",
        object_id=failure.object_id,
        subject=subject,
        severity=Severity.INFO if failure.optional else Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{subject}: {failure.source.replace('-', ' ')} not readable.",
        facts=(Fact("", failure.reason),)
        + ((Fact("missing", failure.permission),) if failure.permission else ()),
        sources=(failure.source,),
        fingerprint=failure.source,
        confirmations_needed=2,
    )


def find_unreadable_objects(batch: Reading[object]) -> Iterator[Finding]:
    """The objects of one part that could not be read, where the others could."""
    surfaces = {failure.source for failure in batch.failures if not failure.object_id}
    for failure in batch.failures:
        if failure.object_id and failure.source not in surfaces:
            yield build_object_finding(failure)


def find_self_check_findings(
    config: GuardConfig,
    reading: Reading[object],
    snapshot: GuardSnapshot,
    grants: GrantedPermissions,
    now: datetime,
) -> Iterator[Finding]:
    """Everything that kept the whole look from seeing clearly, or keeps what it saw from others."""
    missing_names, missing = check_guard_permissions(config, grants, reading)
    yield from missing
    if snapshot.state.scan_pass and snapshot.state.scan_pass.stalled_count:
        yield build_stall_finding(config, snapshot.state.scan_pass.stalled_count)
    for failure in reading.failures:
        if not failure.object_id:
            yield build_source_finding(config, failure, missing_names)
    if snapshot.unreadable_rows:
        yield Finding(
            kind="state-unreadable",
            object_id="state",
            subject=config.guard.name,
            severity=Severity.HIGH,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"{snapshot.unreadable_rows} rows of the state table cannot be understood.",
            facts=(
                Fact(
                    "", "They were left as they are; what they said is not known to this version."
                ),
            ),
            advice="Compare the deployed version with the one that wrote the rows.",
        )

    if unauthorized := find_unauthorized_exemptions(snapshot, now):
        yield build_exemption_finding(config, unauthorized)


def build_exemption_finding(config: GuardConfig, exemptions: Sequence[Exemption]) -> Finding:
    """Exemptions nobody asked for: whoever wrote the rows wants the guard to be silent.

    They hold all the same, since a change made against one cannot be unmade by an apology.
    """
    rows = [
        Fact(
            "",
            f"{quote_text(one.subject, 80)} until {one.until:%Y-%m-%d %H:%M} UTC, "
            f"says {quote_text(one.granted_by, 60)}",
        )
        for one in exemptions
    ]
    count = f"{len(rows)} exemptions" if len(rows) > 1 else "An exemption"
    return Finding(
        kind=UNAUTHORIZED_EXEMPTION,
        object_id="exemptions",
        subject=config.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        summary=f"{count} of {config.guard.title} nobody asked for, or not like this.",
        facts=(
            *rows[:MAX_LISTED_FACTS],
            *(
                (Fact("", f"and {len(rows) - MAX_LISTED_FACTS} more"),)
                if rows[MAX_LISTED_FACTS:]
                else ()
            ),
        ),
        fingerprint=hash_parts(
            sorted((one.subject, one.until.isoformat(), one.granted_by) for one in exemptions)
        ),
        advice="Find out who can write the state table. To end one: python -m core.cli unexempt "
        f"{config.guard.name} <subject>. To keep one: exempt it again, with who and why.",
    )


def build_stall_finding(config: GuardConfig, stalled_count: int) -> Finding:
    """A look in shards that nobody worked on."""
    return Finding(
        kind="scan-stalled",
        object_id=config.guard.name,
        subject=config.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title} did not get through the tenant: its queue stood still.",
        facts=(Fact("", f"begun anew {stalled_count} times"),),
        advice="Look at the function scan-shard and its queue; docs/performance.md tells what "
        "shards are. The look was begun anew.",
    )


def build_shard_findings(config: GuardConfig, abandoned_shards: Sequence[str]) -> Iterator[Finding]:
    """Mailboxes that were not looked at because the work on them failed again and again."""
    for reason in abandoned_shards:
        yield Finding(
            kind="shard-failed",
            object_id=config.guard.name,
            subject=config.guard.name,
            severity=Severity.HIGH,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"{config.guard.title} could not look at some mailboxes: their shard failed.",
            facts=(Fact("", reason),),
            fingerprint=reason.partition(",")[0],
            advice="The next round tries again; when it fails too, look at the log of scan-shard.",
        )


def get_block_reason(
    config: GuardConfig,
    reading: Reading[object],
    snapshot: GuardSnapshot,
    planned: Sequence[PlannedChange],
) -> str:
    """Why nothing may be changed now; empty when the brake does not hold.

    What an earlier run intended and did not finish has passed the brake, so it is not counted.
    """
    if population_dropped(reading, snapshot.state):
        return (
            f"the listing fell from {snapshot.state.population} to {reading.population} "
            f"{config.guard.noun}"
        )
    if not planned:
        return ""
    if snapshot.unreadable_rows:
        # Among them may be an exemption, or that somebody changed back what would be changed again.
        return f"{snapshot.unreadable_rows} rows of the state table cannot be understood"
    if not reading.complete:
        return "the listing is incomplete"
    share = math.ceil(config.limit.percent * reading.population / 100)
    allowed = min(max(config.limit.count, share), config.limit.ceiling)
    passed = {one.case_key for one in snapshot.changes if one.state is ChangeState.INTENDED}
    fresh = sum(case not in passed for case, _, _ in planned)
    if fresh > allowed:
        return f"{fresh} changes are wanted and a run may make {allowed}"
    return ""


def build_brake_finding(
    config: GuardConfig, reading: Reading[object], reason: str, planned: Sequence[PlannedChange]
) -> Finding:
    """The plan that waits for a person."""
    name = compute_plan_hash(
        config.guard.name, ((case, change) for case, _, change in planned), reading.population
    )
    subjects = sorted({subject for _, subject, _ in planned})
    more = len(subjects) - MAX_LISTED_FACTS
    return Finding(
        kind="brake",
        object_id=config.guard.name,
        subject=config.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.ASK,
        summary=f"The brake holds: {reason}. Nothing was changed.",
        facts=(
            Fact("", f"plan {name}"),
            *(Fact("", f"would change {subject}") for subject in subjects[:MAX_LISTED_FACTS]),
            *((Fact("", f"and {more} more"),) if more > 0 else ()),
        ),
        fingerprint=name,
        plan_hash=name,
        advice=(
            f"Review the list; to release exactly this plan once, within an hour: "
            f"python -m core.cli release {config.guard.name} {name}"
        ),
    )
