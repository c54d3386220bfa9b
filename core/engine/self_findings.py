"""Findings about Exoguard itself, which are notified, reminded and closed like any other.

A source or an object that cannot be read, a listing that shrank, a state row that cannot be
decoded, a plan that the brake holds: each becomes a case, and there is no second way to raise an
alert.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from core.engine.exemption_audit import find_unauthorized_exemptions
from core.engine.impossible_times import IMPOSSIBLE_TIME, build_time_finding
from core.engine.memory_loss import STATE_LOST, build_loss_finding
from core.engine.population import population_shrank
from core.engine.self_remedies import (
    build_exemptions_remedy,
    build_permission_remedy,
    build_self_remedy,
)
from core.engine.shared_state import (
    LATE_DIGEST,
    LOST_PLACE,
    UNUSABLE_CHANNEL,
    build_channel_finding,
    build_digest_finding,
    build_place_finding,
)
from core.keys import hash_parts
from core.microsoft365.assumptions.register import ASSUMPTIONS_BY_ID
from core.microsoft365.permissions import (
    EXCHANGE_REQUIREMENT,
    missing_permissions,
)
from core.model.cases import Exemption
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import GuardConfig, Permission, Service
from core.model.state import GuardSnapshot, GuardState
from core.tenant.probing import ProbeAnswer
from core.tenant.quoting import quote_text
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import CREDENTIAL, GRANTS, JUDGEMENT, name_source

# The kind of findings about an object that could not be read.
UNREADABLE = "unreadable"
# The kinds of findings about a whole scan rather than one object.
UNAUTHORIZED_EXEMPTION = "exemption-unauthorized"
SHRUNK = "listing-shrank"
RUNS_FAIL = "runs-fail"
"""Told beside the runs of a guard, since none of them comes to its end: `core.jobs.failing_guards`.
"""
SELF_CHECK_KINDS = frozenset(
    {
        "source-unavailable",
        "brake",
        "credential",
        UNAUTHORIZED_EXEMPTION,
        "permission-missing",
        RUNS_FAIL,
        SHRUNK,
        "scan-stalled",
        "shard-failed",
        "state-unreadable",
        "assumption-stopped",
        IMPOSSIBLE_TIME,
        LATE_DIGEST,
        LOST_PLACE,
        STATE_LOST,
        UNUSABLE_CHANNEL,
    }
)

RECURRING_PATIENCE = dict.fromkeys(
    ("brake", "source-unavailable", RUNS_FAIL, SHRUNK, "scan-stalled", "shard-failed"),
    timedelta(hours=1),
)
"""What others can make come and go: its end is told once it has stayed away for so long, and what
is back before that is the same case."""

LICENCE = "a licence of "
"""How a missing permission begins that is none."""
SOURCE_PATIENCE, OPTIONAL_PATIENCE = 2, 8
"""After how many more runs in a row a source is told that no permission explains: one that adds
detail may rest for some hours, and must not stay away unnoticed.
"""
MAX_LISTED_FACTS = 20


WITHDRAWN_FACT = Fact("", "the app held it at an earlier look: somebody has withdrawn it since")
WITHDRAWN_ADVICE = (
    "Find out who withdrew it, and whether they meant to blind this guard: Entra admin center > "
    "Monitoring > Audit logs, activity Remove app role assignment from service principal; in "
    "Exchange, the role group of the app. "
)


def build_permission_finding(
    config: GuardConfig, permission: Permission, reading: Reading[object], is_withdrawn: bool
) -> Finding:
    """A permission that the guard needs and the app does not have, or no longer.

    One that was never granted may have been left out on purpose: it is told once, and its case
    stays open. One that is withdrawn makes the guard see less than its operators know, whoever
    withdrew it, and is brought up again.
    """
    severity = Severity.HIGH if permission.writes else Severity.CRITICAL
    if permission.optional:
        severity = Severity.MEDIUM if is_withdrawn else Severity.LOW
    unseen = sorted(
        name_source(failure.source)
        for failure in reading.failures
        if not failure.object_id and permission.name in failure.permission
    )
    return Finding(
        kind="permission-missing",
        object_id=permission.name,
        subject=permission.name,
        severity=severity,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title} {'lost' if is_withdrawn else 'lacks'} the permission "
        f"{permission.name}.",
        facts=(
            *((WITHDRAWN_FACT,) if is_withdrawn else ()),
            Fact("needed", permission.reason),
            *((Fact("", f"cannot be read without it: {', '.join(unseen)}"),) if unseen else ()),
        ),
        sources=(GRANTS,),
        advice=f"{WITHDRAWN_ADVICE if is_withdrawn else ''}Grant it.",
        steps=build_permission_remedy(permission, config.guard.name, is_withdrawn=is_withdrawn),
        is_said_once=not is_withdrawn,
    )


def check_guard_permissions(
    config: GuardConfig,
    grants: GrantedPermissions,
    reading: Reading[object],
    held_before: frozenset[str],
) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """The names of the missing permissions, and the findings about them.

    `held_before` are those that the app has held. An app without any Exchange role lacks all
    cmdlets for one reason, so that is one finding.
    """
    missing = missing_permissions(config, grants)
    exchange = [one for one in missing if one.service is Service.EXCHANGE]
    required = [one for one in exchange if not one.optional]
    has_no_cmdlet = grants.cmdlets is not None and not grants.cmdlets and bool(required)
    explained = {one.name for one in exchange} if has_no_cmdlet else set[str]()
    found = [
        build_permission_finding(
            config, one, reading, one.name in held_before and one.name not in explained
        )
        for one in missing
        if not has_no_cmdlet or one not in required
    ]
    if has_no_cmdlet:
        whole = replace(required[0], name=EXCHANGE_REQUIREMENT, reason="every read of Exchange")
        is_withdrawn = not held_before.isdisjoint(explained)
        found.append(build_permission_finding(config, whole, reading, is_withdrawn))
    return tuple(one.object_id for one in found), tuple(found)


def build_sign_in_finding(config: GuardConfig, failure: ReadFailure) -> Finding:
    """The app cannot sign in to the tenant."""
    return Finding(
        kind="credential",
        object_id=failure.source,
        subject="sign-in of the app",
        severity=Severity.CRITICAL,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title} reads nothing: the app cannot sign in to the tenant.",
        facts=(Fact("", failure.reason),),
        sources=(CREDENTIAL,),
        advice="Fix what the reason names; docs/deploy.md explains the setup of each part.",
        steps=build_self_remedy("credential", config.guard.name),
        confirmations_needed=0 if failure.permission else 2,
    )


def build_source_finding(
    config: GuardConfig, failure: ReadFailure, missing_names: Collection[str]
) -> Finding:
    """A whole data source that could not be read.

    If a missing permission explains it, that permission is the case to notify, and this only a
    note.
    """
    if failure.source == CREDENTIAL:
        return build_sign_in_finding(config, failure)
    if failure.optional:
        severity, patience = Severity.LOW, OPTIONAL_PATIENCE
    else:
        severity = Severity.CRITICAL if failure.permission else Severity.HIGH
        patience = SOURCE_PATIENCE
    if needs_licence(failure):
        # Nobody withdrew it: a tenant without the licence never had it.
        severity = min(severity, Severity.MEDIUM)
    if any(name in failure.permission for name in missing_names):
        severity = Severity.INFO
    return Finding(
        kind="source-unavailable",
        object_id=failure.source,
        subject=failure.source,
        severity=severity,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title}: {name_source(failure.source)} cannot be read.",
        facts=(Fact("", failure.reason),)
        + ((Fact("missing", failure.permission),) if failure.permission else ()),
        sources=(failure.source,),
        fingerprint=failure.permission,
        advice=advise_on_source(config, failure),
        steps=build_self_remedy("source-unavailable", config.guard.name),
        confirmations_needed=0 if failure.permission else patience,
    )


def needs_licence(failure: ReadFailure) -> bool:
    """Whether it is a licence that is missing, and no permission of the app."""
    return failure.permission.startswith(LICENCE)


def advise_on_source(config: GuardConfig, failure: ReadFailure) -> str:
    """What makes a source readable; empty where only time does."""
    if not failure.permission:
        return ""
    if not needs_licence(failure):
        return f"Grant {failure.permission} (see docs/guards.md)."
    if failure.optional:
        return f"It takes {failure.permission}; without it the guard goes on with less."
    return (
        f"It takes {failure.permission}. Without it this is not watched: buy it, or set the mode "
        f"of {config.guard.name} to off, so that nobody counts on it."
    )


UNJUDGED_ADVICE = (
    "Look at it by hand: everything else was judged. The log of the app has the whole trace."
)


def build_object_finding(failure: ReadFailure) -> Finding:
    """One object that could not be read, which is notified if it lasts."""
    subject = failure.subject or failure.object_id
    return Finding(
        kind=UNREADABLE,
        object_id=failure.object_id,
        subject=subject,
        severity=Severity.INFO if failure.optional else Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{subject}: {name_source(failure.source)} cannot be read.",
        facts=(Fact("", failure.reason),)
        + ((Fact("missing", failure.permission),) if failure.permission else ()),
        sources=(failure.source,),
        fingerprint=failure.source,
        confirmations_needed=2,
    )


def build_unjudged_finding(failure: ReadFailure, sources: Collection[str]) -> Finding:
    """One object that was read from some sources and that a mistake of the app kept from being
    judged.

    It is told at once: a mistake does not pass by itself, and an event is not read a second time.
    """
    return replace(
        build_object_finding(failure),
        summary=f"{failure.subject or failure.object_id}: could not be judged.",
        sources=tuple(sorted(sources)),
        advice=UNJUDGED_ADVICE,
        confirmations_needed=0,
    )


def find_unreadable_objects(batch: Reading[object]) -> Iterator[Finding]:
    """The objects of one batch that could not be read, where others of the source could, and those
    that could not be judged.
    """
    sources = {failure.source for failure in batch.failures if not failure.object_id}
    for failure in batch.failures:
        if failure.source == JUDGEMENT:
            yield build_unjudged_finding(failure, batch.sources)
        elif failure.object_id and failure.source not in sources:
            yield build_object_finding(failure)


def find_self_check_findings(
    config: GuardConfig,
    reading: Reading[object],
    snapshot: GuardSnapshot,
    grants: GrantedPermissions,
    now: datetime,
) -> Iterator[Finding]:
    """Everything that kept the scan from reading the tenant, or hides its results from
    operators.
    """
    missing_names, missing = check_guard_permissions(
        config, grants, reading, snapshot.state.granted_permissions
    )
    yield from missing
    if snapshot.state.scan_pass and snapshot.state.scan_pass.stalled_count:
        yield build_stall_finding(config, snapshot.state.scan_pass.stalled_count)
    for failure in reading.failures:
        if not failure.object_id:
            yield build_source_finding(config, failure, missing_names)
    yield from find_state_findings(config, snapshot, now)
    if population_shrank(reading, snapshot.state):
        yield build_shrunk_finding(config, reading, snapshot.state)
    if unauthorized := find_unauthorized_exemptions(snapshot, now):
        yield build_exemption_finding(config, unauthorized)
    yield from find_stopped_assumptions(config, snapshot)


def find_state_findings(
    config: GuardConfig, snapshot: GuardSnapshot, now: datetime
) -> Iterator[Finding]:
    """What is wrong with the stored state itself."""
    if snapshot.unreadable_rows:
        yield Finding(
            kind="state-unreadable",
            object_id="state",
            subject=config.guard.name,
            severity=Severity.HIGH,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"{snapshot.unreadable_rows} rows of the state table cannot be decoded.",
            facts=(Fact("", "They were left unchanged; this version cannot decode them."),),
            advice="Compare the deployed version with the one that wrote the rows.",
            steps=build_self_remedy("state-unreadable", config.guard.name),
        )
    if loss := build_loss_finding(config.guard.name, config.guard.title, snapshot.state):
        yield loss
    if snapshot.late_digest:
        yield build_digest_finding(snapshot.late_digest)
    if snapshot.lost_places:
        yield build_place_finding(snapshot.lost_places)
    for fault in snapshot.channel_faults:
        yield build_channel_finding(fault, is_last=not snapshot.has_channel)
    if odd_times := build_time_finding(config, snapshot, now):
        yield odd_times


def find_stopped_assumptions(config: GuardConfig, snapshot: GuardSnapshot) -> Iterator[Finding]:
    """The assumptions that held before and no longer do, of which this guard reports."""
    for answer in snapshot.probe_answers:
        if answer.stopped_at and answer.guard == config.guard.name:
            yield build_assumption_finding(config, answer)


def build_assumption_finding(config: GuardConfig, answer: ProbeAnswer) -> Finding:
    """An assumption about Microsoft's services that held before and no longer does."""
    known = ASSUMPTIONS_BY_ID.get(answer.assumption)
    facts = [Fact("assumed", known.assumed)] if known else []
    facts.append(Fact("saw", answer.saw or answer.error))
    if answer.way:
        facts.append(Fact("way from now on", answer.way))
    return Finding(
        kind="assumption-stopped",
        object_id=answer.assumption,
        subject=answer.assumption,
        severity=Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title}: Microsoft's services no longer answer as assumed.",
        facts=tuple(facts),
        advice=(
            f"{known.otherwise if known else ''} docs/assumptions.md says what hangs on it; "
            "exo probe asks again."
        ).strip(),
    )


def build_exemption_finding(config: GuardConfig, exemptions: Sequence[Exemption]) -> Finding:
    """Exemptions that no operator asked for: whoever wrote the rows wants the guard to stay silent.

    They stay in force, because a change made against one could not be taken back.
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
        summary=f"{count} of {config.guard.title} without a matching request of an operator.",
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
        advice="Find out who can write the state table. End those that nobody asked for; to keep "
        "one, exempt it again, with who and why.",
        steps=build_exemptions_remedy(config.guard.name),
    )


def build_shrunk_finding(
    config: GuardConfig, reading: Reading[object], state: GuardState
) -> Finding:
    """A tenant with a tenth fewer objects than at the last look."""
    return Finding(
        kind=SHRUNK,
        object_id=config.guard.name,
        subject=config.guard.name,
        severity=Severity.MEDIUM,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title} lists {reading.population:,} {config.guard.noun} and listed "
        f"{state.population or 0:,} at the last look.",
        facts=(Fact("", "Cases of the missing objects stay open until two looks in a row agree."),),
        advice=f"If that many {config.guard.noun} were deleted, nothing is to be done. If not, run "
        "exo probe: the service may leave out part of its listings.",
    )


def build_stall_finding(config: GuardConfig, stalled_count: int) -> Finding:
    """A scan in shards without progress."""
    return Finding(
        kind="scan-stalled",
        object_id=config.guard.name,
        subject=config.guard.name,
        severity=Severity.HIGH,
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{config.guard.title} did not finish its scan: the shard queue made no progress.",
        facts=(Fact("", f"started again {stalled_count} times"),),
        advice="Check the function scan-shard and its queue; docs/performance.md explains what "
        "shards are. The scan was started again.",
        steps=build_self_remedy("scan-stalled", config.guard.name),
    )


def build_shard_findings(config: GuardConfig, abandoned_shards: Sequence[str]) -> Iterator[Finding]:
    """Mailboxes that were not read because their shard failed again and again."""
    for reason in abandoned_shards:
        yield Finding(
            kind="shard-failed",
            object_id=config.guard.name,
            subject=config.guard.name,
            severity=Severity.HIGH,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"{config.guard.title} could not read some mailboxes: their shard failed.",
            facts=(Fact("", reason),),
            fingerprint=reason.partition(",")[0],
            advice="The next scan tries again; if it fails too, check the log of scan-shard.",
            steps=build_self_remedy("shard-failed", config.guard.name),
        )
