"""Emergency accounts: nobody signs in with one unless nothing else works.

They are left out of Conditional Access and have the strongest role, so a sign-in with one is told
whoever it was.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.guards.privileged_change.acts import TOLD_FOR, find_last_look
from core.guards.privileged_change.remedies import build_emergency_remedy
from core.guards.privileged_change.verdicts import PrivilegedVerdict
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import ObserveContext, Permission, Service
from core.tenant.merging import collect_sources
from core.tenant.port import HasAccounts
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ACCOUNTS, SIGN_IN_LOG

MAX_NAME_LENGTH = 120
MAX_ACCOUNTS = 20
"""Each costs requests to a slow log; more than so many are no emergency accounts."""

PERMISSIONS = (
    Permission(
        Service.GRAPH,
        "AuditLog.Read.All",
        "who signs in with the accounts of BREAK_GLASS_ACCOUNTS, and acts that leave nothing else",
    ),
    Permission(Service.GRAPH, "User.Read.All", "which accounts these are", optional=True),
)


@dataclass(frozen=True, slots=True)
class EmergencyAccount:
    """An account that a setting names as one for emergencies."""

    name: str
    """As the setting names it."""
    id: str = ""
    """Empty: Entra knows no such account."""
    signed_in_at: datetime | None = None
    """Its last success within the time that is looked at; None for none."""


async def read_emergency_accounts(
    tenant: HasAccounts, names: Sequence[str], context: ObserveContext
) -> Reading[EmergencyAccount]:
    """The accounts of the setting, and who of them signed in since the last full look, or lately.

    Reads nothing without any such account.
    """
    if not names:
        return Reading(scope=frozenset[str]())
    since = find_last_look(context) - TOLD_FOR
    known = await tenant.accounts.read_users(names[:MAX_ACCOUNTS])
    ids = [one.id for one in known.items]
    log = (
        await tenant.accounts.read_successful_sign_ins(ids, since)
        if ids
        else Reading(sources=frozenset({SIGN_IN_LOG}))
    )
    times = {one.id: one.last_success for one in log.items}
    found = [EmergencyAccount(one.upn or one.id, one.id, times.get(one.id)) for one in known.items]
    failures = (
        *(replace(failure, optional=False) for failure in (*known.failures, *log.failures)),
        *list_beyond(len(names) - MAX_ACCOUNTS),
    )
    unread = {failure.object_id.casefold() for failure in known.failures}
    told = {one.casefold() for account in known.items for one in (account.id, account.upn)}
    if "" not in unread:
        found += [
            EmergencyAccount(one)
            for one in names[:MAX_ACCOUNTS]
            if one.casefold() not in told | unread
        ]
    return Reading(
        items=tuple(found),
        failures=failures,
        sources=collect_sources((known, log)),
        population=1,
        complete=known.complete and log.complete,
    )


def list_beyond(count: int) -> tuple[ReadFailure, ...]:
    """That the setting names more accounts than are looked at."""
    if count <= 0:
        return ()
    reason = f"{count:,} of its accounts are not looked at: at most {MAX_ACCOUNTS} are"
    setting = "BREAK_GLASS_ACCOUNTS"
    return (ReadFailure(SIGN_IN_LOG, reason, setting, setting),)


def build_emergency_finding(account: EmergencyAccount) -> Finding | None:
    """What is told of an emergency account, if anything is."""
    name = quote_text(account.name, MAX_NAME_LENGTH)
    if not account.id:
        return Finding(
            kind="emergency-account-unknown",
            object_id=account.name.casefold(),
            subject=name,
            severity=Severity.MEDIUM,
            verdict=Verdict.COULD_NOT_TELL,
            summary=f"BREAK_GLASS_ACCOUNTS names {name}, and Entra knows no such account.",
            facts=(Fact("", "it was renamed or deleted, or the setting has a mistake"),),
            sources=(ACCOUNTS,),
            advice="Name it by its object id, which stays when it is renamed. If it is gone, "
            "restore it within 30 days of its deletion.",
        )
    if account.signed_in_at is None:
        return None
    return Finding(
        kind="emergency-sign-in",
        object_id=account.id,
        subject=name,
        severity=Severity.CRITICAL,
        verdict=PrivilegedVerdict.EMERGENCY_SIGN_IN,
        summary=f"Somebody signed in with the emergency account {name}.",
        facts=(
            Fact("last success", f"{account.signed_in_at:%Y-%m-%d %H:%M} UTC"),
            Fact("technique", "T1078.004"),
        ),
        sources=(SIGN_IN_LOG,),
        fingerprint=f"{account.signed_in_at:%Y-%m-%d}",
        advice="Ask everybody who can open the envelope, by telephone. Unless one of them did it, "
        "block the account, end its sessions, and look at what it did.",
        steps=build_emergency_remedy(account.id, name),
        is_one_off=True,
        needs_own_exemption=True,
    )
