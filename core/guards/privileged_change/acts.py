"""Acts that are the subject themselves: they leave no state that could be compared.

A sign-in method added to an administrator, an administrator who takes all of Azure, recovery
secrets read in bulk: Entra's audit log alone tells of them (Microsoft Learn: Microsoft Entra audit
log categories and activities). Names of activities without a live record are inferred.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.guards.privileged_change.bursts import find_burst, select_gravest
from core.guards.privileged_change.remedies import build_act_remedy
from core.guards.privileged_change.verdicts import PrivilegedVerdict
from core.keys import hash_parts
from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.assumptions.graph_logs import PRIVILEGED_ACTS
from core.microsoft365.method_operations import GIVEN_METHODS, WEAKENED_SIGN_INS
from core.model.findings import Fact, Finding, Severity
from core.model.guards import ObserveContext
from core.tenant.activity import ActivityRecord
from core.tenant.directory import RoleHolder
from core.tenant.port import HasActivity
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import DIRECTORY_AUDITS

RELIES_ON = (PRIVILEGED_ACTS,)

MAX_NAME_LENGTH = 120
PLAIN_ID = re.compile(r"[0-9a-fA-F-]{36}")
"""An id of Entra; an actor without one goes by a name."""
TOLD_FOR = timedelta(hours=24)
MAX_DOWNTIME = timedelta(days=7)
MAX_ACTS = 200
DAY = timedelta(days=1)
MAX_NAMED = 8
BULK_READS = 10
"""Recovery secrets that one actor reads within a day before it is told: support reads a few."""

ELEVATION_ACTS = (
    "User has elevated their access to User Access Administrator for their Azure Resources",
)
SECRET_ACTS = ("Read BitLocker key", "Recover device local administrator password")
OPERATIONS = (*GIVEN_METHODS, *WEAKENED_SIGN_INS, *ELEVATION_ACTS, *SECRET_ACTS)
METHODS = {normalize_operation(name): text for name, text in GIVEN_METHODS.items()}
WEAKENING = {normalize_operation(name): text for name, text in WEAKENED_SIGN_INS.items()}
ELEVATIONS = frozenset(map(normalize_operation, ELEVATION_ACTS))
SECRETS = frozenset(map(normalize_operation, SECRET_ACTS))


@dataclass(frozen=True, slots=True)
class PrivilegedAct:
    """One act on one account, or by one actor."""

    record: ActivityRecord
    text: str
    """What was added or done, as a noun phrase or the end of a sentence; empty where its kind says
    all.
    """
    object_id: str
    """Whom it was done to; for what is counted by actor, who did it."""
    name: str
    is_by_another: bool = False
    """Whether somebody else than the account's owner did it."""


async def read_acts(
    tenant: HasActivity, holders: Reading[RoleHolder], context: ObserveContext
) -> Reading[PrivilegedAct]:
    """The acts since the last full look, or of a day. A log that breaks off is unread."""
    last_look = find_last_look(context)
    read = await tenant.activity.read_directory_audits(last_look - TOLD_FOR, OPERATIONS)
    # Elsewhere the log only adds detail; here nothing else tells.
    unread = tuple(
        replace(failure, optional=False) for failure in read.failures if not failure.object_id
    )
    return Reading(
        items=select_gravest(
            find_acts(read.items, holders.items),
            MAX_ACTS,
            lambda act: (describe_act(act, act.name)[2], act.record.at),
            lambda act: (act.record.operation, act.object_id, act.record.at.date()),
        ),
        failures=(*unread, *list_cuts(read, DIRECTORY_AUDITS, last_look)),
        sources=frozenset({DIRECTORY_AUDITS}),
        population=1,
        complete=not unread,
    )


def find_last_look(context: ObserveContext) -> datetime:
    """From when on nothing of the log was looked at: the last full look, within a week."""
    now = context.policy.now
    return max(min(context.last_full_scan or now, now), now - MAX_DOWNTIME)


def list_cuts(
    read: Reading[ActivityRecord], source: str, last_look: datetime
) -> Iterator[ReadFailure]:
    """That more happened since the last look than one reading holds: the oldest of it is unread.

    What an earlier look has seen may be cut. It is no failure that stops anything: the next look
    would have even more to read.
    """
    until = datetime.fromisoformat(read.continuation) if read.continuation else last_look
    if until > last_look:
        yield ReadFailure(
            source,
            "more happened than one look reads: nothing older than "
            f"{until:%Y-%m-%d %H:%M} UTC was looked at",
            optional=True,
        )


def find_acts(
    records: Iterable[ActivityRecord], holders: Iterable[RoleHolder]
) -> Iterator[PrivilegedAct]:
    """What of these records is worth telling. Without a list of administrators, an act on anybody
    may be one on an administrator; that is told by `mfa-registration`, from state, within a day.
    """
    names = {one.id.casefold(): one.name or one.id for one in holders}
    secrets: defaultdict[str, list[ActivityRecord]] = defaultdict(list)
    for record in sorted(records, key=lambda one: (one.at, one.id)):
        if record.operation in ELEVATIONS:
            who = record.actor.id or record.actor.name.casefold() or "unknown"
            shown = record.actor.name or record.actor.id or "somebody"
            yield PrivilegedAct(record, "", who, shown)
        elif record.operation in SECRETS:
            secrets[record.actor.id or record.actor.name.casefold()].append(record)
        elif text := METHODS.get(record.operation) or WEAKENING.get(record.operation):
            target = next((one.casefold() for one in record.names if one.casefold() in names), "")
            if target:
                is_own = record.actor.id.casefold() == target
                shown = names[target]
                yield PrivilegedAct(record, text, target, shown, is_by_another=not is_own)
    for who, found in secrets.items():
        if burst := find_burst(found, DAY, BULK_READS):
            shown = burst[-1].actor.name or who or "somebody unknown"
            text = f"read the recovery secrets of {len(burst):,} devices"
            yield PrivilegedAct(burst[-1], text, who or "unknown", shown)


def build_act_finding(act: PrivilegedAct) -> Finding:
    """What is told of an act."""
    record, name = act.record, quote_text(act.name, MAX_NAME_LENGTH)
    day = f"{record.at:%Y-%m-%d}"
    kind, verdict, severity, summary, advice, technique = describe_act(act, name)
    return Finding(
        kind=kind,
        object_id=act.object_id,
        subject=name,
        severity=severity,
        verdict=verdict,
        summary=summary,
        facts=(*list_act_facts(record), Fact("technique", technique)),
        sources=(DIRECTORY_AUDITS,),
        # What one account does in a day is one event, told again when it is another kind of act.
        fingerprint=hash_parts(record.operation, day)[:16],
        advice=advice,
        steps=build_act_remedy(kind, act.object_id, name),
        held_account=act.object_id if PLAIN_ID.fullmatch(act.object_id) else "",
        is_one_off=True,
        needs_own_exemption=True,
    )


def list_act_facts(record: ActivityRecord) -> Iterator[Fact]:
    """Who did it, when, and from where."""
    actor = quote_text(record.actor.name or record.actor.id or "nobody on record", MAX_NAME_LENGTH)
    yield Fact("by", actor)
    yield Fact("at", f"{record.at:%Y-%m-%d %H:%M} UTC")
    if record.address:
        yield Fact("from", record.address)


def describe_act(
    act: PrivilegedAct, name: str
) -> tuple[str, PrivilegedVerdict, Severity, str, str, str]:
    """The kind, verdict, severity, summary, advice and technique of an act."""
    operation = act.record.operation
    if operation in ELEVATIONS:
        return (
            "azure-elevation",
            PrivilegedVerdict.ELEVATED,
            Severity.HIGH,
            f"{name} took the right to give roles in every subscription of Azure.",
            "Ask them, by telephone. Unless they meant it, take it back: Entra admin center > "
            "Properties > Access management for Azure resources, and look at the role assignments "
            "at the root.",
            "T1098.003",
        )
    if operation in SECRETS:
        return (
            "recovery-secrets-read",
            PrivilegedVerdict.SECRETS_READ,
            Severity.HIGH,
            f"{name} {act.text} within a day.",
            f"Ask {name}, by telephone. Unless there was a reason, block the account and change "
            "the secrets: they open these devices and their local administrators.",
            "T1555",
        )
    if operation in WEAKENING:
        return (
            "second-factor-disabled",
            PrivilegedVerdict.METHOD_ADDED,
            Severity.HIGH,
            f"The administrator {name} {act.text}.",
            f"Ask who did it, by telephone, and switch it on again for {name}.",
            "T1556.006",
        )
    actor = act.record.actor.name or act.record.actor.id
    who = quote_text(actor, MAX_NAME_LENGTH) if actor else "Somebody else"
    given = f"{who} gave the administrator {name} {act.text}."
    if not act.is_by_another:
        given = f"The administrator {name} was given {act.text}."
    return (
        "administrator-method-registered",
        PrivilegedVerdict.METHOD_ADDED,
        Severity.HIGH if act.is_by_another else Severity.MEDIUM,
        given,
        f"Ask {name} in person whether they know of it. If not, remove it (Entra admin center > "
        "Users > Authentication methods), end the sessions, and look at who did it.",
        "T1098.005",
    )
