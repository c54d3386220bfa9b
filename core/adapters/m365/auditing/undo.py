"""Undoing changes of mailbox auditing.

Records are evidence, so nothing here can destroy any: a lower age limit is left to a person.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from core.adapters.exchange.client import Exchange
from core.adapters.m365.auditing.write import names, noun_of, read_bypass, read_switch, set_bypass
from core.adapters.m365.parsing import days, timespan
from core.adapters.m365.verified_write import (
    Sleep,
    Undo,
    begun,
    put_back,
    read_audit,
    set_mailbox,
    switch_back,
)
from core.errors import Moot, Refused, Unavailable
from core.microsoft365.audit_actions import ACCESSED, DEFAULTS, SENT
from core.microsoft365.powershell import set_audit_age
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import (
    Applied,
    ClearAuditBypass,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
)
from core.tenant.reversibility import (
    AUDIT_AGE,
    AUDIT_SET,
    MAY_YET_SHOW,
    NOTHING_KNOWN,
    PURGES,
    SHOWS_LATE,
    SWITCHED,
    changed_since,
)

# What Exchange takes for a list that holds nothing (Microsoft Learn: Set-Mailbox, AuditOwner).
NOTHING = ("None",)


async def restore_organization(
    exchange: Exchange,
    change: EnableOrganizationAudit | EnableUnifiedAuditLog,
    before: Mapping[str, object],
    sleep: Sleep,
) -> Applied:
    """Put a switch of the organization back.

    The unified log shows a change up to an hour late, so one that looks undone may yet come: that
    is said. Nor is its undoing waited for.
    """
    noun = noun_of(change)
    name, left = SWITCHED[type(change).__name__]
    was = before[name] is True

    async def look() -> bool:
        return await read_switch(exchange, f"Get-{noun}", name)

    async def write(value: bool) -> None:
        await exchange.invoke(f"Set-{noun}", {name: value})

    if isinstance(change, EnableOrganizationAudit):
        return await put_back(switch_back(look, write, name, was, left), sleep)
    now = await look()
    if now is was:
        return Applied({name: now}, already=True, note=MAY_YET_SHOW if was is not left else "")
    if now is not left:
        raise Moot(changed_since({name: now}))
    with begun({name: now}):
        await write(was)
        shows = await look() is was
    return Applied({name: now}, note="" if shows else SHOWS_LATE)


async def restore_mailbox_audit(
    exchange: Exchange, change: EnableMailboxAudit, before: Mapping[str, object], sleep: Sleep
) -> Applied:
    """Put AuditEnabled of a mailbox back."""
    name, left = SWITCHED["EnableMailboxAudit"]
    was = before[name] is True

    async def look() -> MailboxAudit:
        audit = await read_audit(exchange, change.mailbox_guid)
        if audit.enabled is None:
            raise Unavailable(f"Exchange did not tell {name}")
        return audit

    undo = Undo[MailboxAudit](
        look,
        told=lambda now: {name: now.enabled},
        as_before=lambda now: now.enabled is was,
        as_left=lambda now: now.enabled is left,
        write=lambda now: set_mailbox(exchange, now.mailbox, {name: was}),
    )
    return await put_back(undo, sleep)


async def restore_audit_bypass(
    exchange: Exchange, change: ClearAuditBypass, before: Mapping[str, object], sleep: Sleep
) -> Applied:
    """Leave an account's actions out of the logs again."""
    name, left = SWITCHED["ClearAuditBypass"]
    undo = switch_back(
        lambda: read_bypass(exchange, change.account_guid),
        lambda was: set_bypass(exchange, change.account_guid, bypassed=was),
        name,
        before[name] is True,
        left,
    )
    return await put_back(undo, sleep)


async def refuse_audit_age(
    exchange: Exchange, change: RaiseAuditAge, before: Mapping[str, object]
) -> Applied:
    """Never lower AuditLogAgeLimit: name the command, for a person who wants that all the same.

    Exchange deletes records that are older than the limit, and whoever could have a guard undo its
    change would have the traces of months gone.
    """
    limit = days(before[AUDIT_AGE])
    if limit is None:
        raise Refused(NOTHING_KNOWN)
    audit = await read_audit(exchange, change.mailbox_guid)
    if audit.age_days is None:
        raise Unavailable(f"Exchange did not tell {AUDIT_AGE}")
    there = {AUDIT_AGE: timespan(audit.age_days)}
    if there[AUDIT_AGE] == timespan(limit):
        return Applied(there, already=True)
    if there[AUDIT_AGE] != timespan(change.days):
        raise Moot(changed_since(there))
    command = set_audit_age(change.mailbox_guid, timespan(limit)) if limit > 0 else ""
    raise Refused(f"{PURGES}: {command}" if command else PURGES)


# The audited actions ----------------------------------------------------------------------------


async def restore_audit_set(
    exchange: Exchange, change: ResetAuditSet, before: Mapping[str, object], sleep: Sleep
) -> Applied:
    """Set the lists again that somebody had set by hand; give the others back to Microsoft.

    Each logon type is looked at by itself, so that a change, or an undoing, that was cut off half
    way is no obstacle. Of a list in Microsoft's hands nobody else decides what it holds.
    """
    was = lists_before(change, before)
    kept = names(map(str, listed_words(before[AUDIT_SET])))

    last: MailboxAudit

    async def look() -> MailboxAudit:
        nonlocal last
        last = await read_audit(exchange, change.mailbox_guid)
        if untold := [kind for kind in change.logon_types if kind not in last.actions]:
            raise Unavailable(f"Exchange did not tell what is audited for {', '.join(untold)}")
        return last

    def is_back(kind: str, now: MailboxAudit) -> bool:
        if kind.lower() in kept:
            return is_managed(kind, now)
        return not is_managed(kind, now) and names(now.actions[kind]) == names(was[kind])

    async def write(now: MailboxAudit) -> None:
        behind = [kind for kind in change.logon_types if not is_back(kind, now)]
        if managed := [kind for kind in behind if kind.lower() in kept]:
            await set_mailbox(exchange, now.mailbox, {AUDIT_SET: managed})
        by_hand = [kind for kind in behind if kind not in managed]
        if lists := {f"Audit{kind}": sorted(was[kind]) or [*NOTHING] for kind in by_hand}:
            await set_mailbox(exchange, now.mailbox, lists)

    undo = Undo[MailboxAudit](
        look,
        told=lambda now: told(change, now),
        as_before=lambda now: all(is_back(kind, now) for kind in change.logon_types),
        as_left=lambda now: all(
            is_back(kind, now) or is_left(change, kind, now) for kind in change.logon_types
        ),
        write=write,
    )
    done = await put_back(undo, sleep)
    others = [
        kind
        for kind in change.logon_types
        if kind.lower() in kept and kind in was and names(last.actions[kind]) != names(was[kind])
    ]
    note = f"Microsoft keeps what is audited for {', '.join(others)}: it is not as it was."
    return replace(done, note=note) if others else done


def listed_words(value: object) -> tuple[object, ...]:
    """The words of a record's list."""
    return tuple(value) if isinstance(value, list | tuple) else ()


def lists_before(
    change: ResetAuditSet, before: Mapping[str, object]
) -> Mapping[str, frozenset[str]]:
    """The audited actions there were, by logon type. Raises Refused where they are not known."""
    kept = names(map(str, listed_words(before[AUDIT_SET])))
    found = {
        kind: frozenset(map(str, listed_words(before[f"Audit{kind}"])))
        for kind in change.logon_types
        if f"Audit{kind}" in before
    }
    if not kept.union(map(str.lower, found)).issuperset(map(str.lower, change.logon_types)):
        raise Refused(NOTHING_KNOWN)
    return found


def is_managed(kind: str, audit: MailboxAudit) -> bool:
    """True for a logon type that is in Microsoft's hands."""
    return kind.lower() in names(audit.default_set)


def is_left(change: ResetAuditSet, kind: str, now: MailboxAudit) -> bool:
    """True for a logon type that is as the change leaves it, finished or half way.

    That is Microsoft's, or, where actions were added again, its default list with some of them.
    """
    if is_managed(kind, now):
        return True
    extras = names(dict(change.extras).get(kind, ()))
    found = names(now.actions[kind])
    return bool(extras) and any(usual <= found <= usual | extras for usual in defaults(kind))


def defaults(kind: str) -> Iterator[frozenset[str]]:
    """What Microsoft's list for a logon type can be, under one licence or another."""
    usual = names(DEFAULTS[kind])
    for lacking in ((), (ACCESSED,), (SENT,), (ACCESSED, SENT)):
        yield usual - names(lacking)


def told(change: ResetAuditSet, now: MailboxAudit) -> Mapping[str, object]:
    """What is audited now, as the record of the change names it."""
    lists = {f"Audit{kind}": sorted(now.actions[kind]) for kind in change.logon_types}
    return {AUDIT_SET: sorted(now.default_set), **lists}
