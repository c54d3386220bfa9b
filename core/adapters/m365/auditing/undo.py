"""Undoing changes of mailbox auditing.

Records are evidence, so nothing here can destroy any: a lower age limit is left to a person.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from core.adapters.exchange.client import ExchangeClient
from core.adapters.m365.auditing.write import (
    get_cmdlet_noun,
    lowercase_names,
    read_audit_bypass,
    read_organization_switch,
    set_audit_bypass,
)
from core.adapters.m365.verified_write import (
    Sleep,
    UndoProcedure,
    build_switch_undo,
    carry_out,
    read_mailbox_audit,
    recording_before,
    run_undo,
    set_mailbox_properties,
)
from core.adapters.parsing import format_timespan, parse_timespan_days
from core.errors import Rejected, Superseded, Unavailable
from core.microsoft365.audit_actions import DEFAULT_ACTIONS, MAIL_ITEMS_ACCESSED, SEND
from core.microsoft365.powershell import build_audit_age_command
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import (
    AppliedChange,
    ClearAuditBypass,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
)
from core.tenant.reversibility import (
    AUDIT_AGE,
    AUDIT_AGE_PURGES,
    AUDIT_SET,
    MAY_BE_DELAYED,
    PRIOR_STATE_UNKNOWN,
    SWITCH_CHANGES,
    VISIBLE_LATE,
    describe_changed_since,
)

# What Exchange takes for a list that holds nothing (Microsoft Learn: Set-Mailbox, AuditOwner).
EMPTY_LIST = ("None",)


async def undo_enable_organization_switch(
    exchange: ExchangeClient,
    change: EnableOrganizationAudit | EnableUnifiedAuditLog,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Put a switch of the organization back.

    The unified log shows a change up to an hour late, so one that looks undone may yet come: that
    is said. Nor is its undoing waited for.
    """
    noun = get_cmdlet_noun(change)
    name, left = SWITCH_CHANGES[type(change).__name__]
    was = before[name] is True

    async def read_current() -> bool:
        return await read_organization_switch(exchange, f"Get-{noun}", name)

    async def write(value: bool) -> None:
        await exchange.invoke(f"Set-{noun}", {name: value}, select=("Identity",))

    if isinstance(change, EnableOrganizationAudit):
        return await run_undo(build_switch_undo(read_current, write, name, was, left), sleep)
    now = await read_current()
    if now is was:
        return AppliedChange(
            {name: now}, unchanged=True, note=MAY_BE_DELAYED if was is not left else ""
        )
    if now is not left:
        raise Superseded(describe_changed_since({name: now}))
    with recording_before({name: now}):
        await carry_out(lambda: write(was), read_current, lambda value: value is was)
        shows = await read_current() is was
    return AppliedChange({name: now}, note="" if shows else VISIBLE_LATE)


async def undo_enable_mailbox_audit(
    exchange: ExchangeClient, change: EnableMailboxAudit, before: Mapping[str, object], sleep: Sleep
) -> AppliedChange:
    """Put AuditEnabled of a mailbox back."""
    name, left = SWITCH_CHANGES["EnableMailboxAudit"]
    was = before[name] is True

    async def read_current() -> MailboxAudit:
        audit = await read_mailbox_audit(exchange, change.mailbox_guid)
        if audit.enabled is None:
            raise Unavailable(f"Exchange did not tell {name}")
        return audit

    undo = UndoProcedure[MailboxAudit](
        read_current,
        to_record=lambda now: {name: now.enabled},
        is_as_before=lambda now: now.enabled is was,
        is_as_applied=lambda now: now.enabled is left,
        write=lambda now: set_mailbox_properties(exchange, now.mailbox, {name: was}),
    )
    return await run_undo(undo, sleep)


async def undo_clear_audit_bypass(
    exchange: ExchangeClient, change: ClearAuditBypass, before: Mapping[str, object], sleep: Sleep
) -> AppliedChange:
    """Leave an account's actions out of the logs again."""
    name, left = SWITCH_CHANGES["ClearAuditBypass"]
    undo = build_switch_undo(
        lambda: read_audit_bypass(exchange, change.account_guid),
        lambda was: set_audit_bypass(exchange, change.account_guid, bypassed=was),
        name,
        before[name] is True,
        left,
    )
    return await run_undo(undo, sleep)


async def refuse_undo_raise_audit_age(
    exchange: ExchangeClient, change: RaiseAuditAge, before: Mapping[str, object]
) -> AppliedChange:
    """Never lower AuditLogAgeLimit: name the command for an operator who still wants to.

    Exchange deletes records that are older than the limit, so an attacker who could have the guard
    undo its change would erase the traces of months.
    """
    limit = parse_timespan_days(before[AUDIT_AGE])
    if limit is None:
        raise Rejected(PRIOR_STATE_UNKNOWN)
    audit = await read_mailbox_audit(exchange, change.mailbox_guid)
    if audit.age_days is None:
        raise Unavailable(f"Exchange did not tell {AUDIT_AGE}")
    there = {AUDIT_AGE: format_timespan(audit.age_days)}
    if there[AUDIT_AGE] == format_timespan(limit):
        return AppliedChange(there, unchanged=True)
    if there[AUDIT_AGE] != format_timespan(change.days):
        raise Superseded(describe_changed_since(there))
    command = (
        build_audit_age_command(change.mailbox_guid, format_timespan(limit)) if limit > 0 else ""
    )
    raise Rejected(f"{AUDIT_AGE_PURGES}: {command}" if command else AUDIT_AGE_PURGES)


# The audited actions ----------------------------------------------------------------------------


async def undo_reset_audit_set(
    exchange: ExchangeClient, change: ResetAuditSet, before: Mapping[str, object], sleep: Sleep
) -> AppliedChange:
    """Restore the lists that were set by hand; return the others to Microsoft's default set.

    Each logon type is checked by itself, so that an interrupted change or undo is no obstacle. The
    content of a list that Microsoft maintains is not compared.
    """
    was = read_previous_audit_lists(change, before)
    kept = lowercase_names(map(str, read_recorded_list(before[AUDIT_SET])))

    last: MailboxAudit

    async def read_current() -> MailboxAudit:
        nonlocal last
        last = await read_mailbox_audit(exchange, change.mailbox_guid)
        if unknown := [kind for kind in change.logon_types if kind not in last.actions]:
            raise Unavailable(f"Exchange did not tell what is audited for {', '.join(unknown)}")
        return last

    def is_back(kind: str, now: MailboxAudit) -> bool:
        if kind.lower() in kept:
            return is_microsoft_managed(kind, now)
        return not is_microsoft_managed(kind, now) and lowercase_names(
            now.actions[kind]
        ) == lowercase_names(was[kind])

    async def write(now: MailboxAudit) -> None:
        behind = [kind for kind in change.logon_types if not is_back(kind, now)]
        if managed := [kind for kind in behind if kind.lower() in kept]:
            await set_mailbox_properties(exchange, now.mailbox, {AUDIT_SET: managed})
        by_hand = [kind for kind in behind if kind not in managed]
        if lists := {f"Audit{kind}": sorted(was[kind]) or [*EMPTY_LIST] for kind in by_hand}:
            await set_mailbox_properties(exchange, now.mailbox, lists)

    undo = UndoProcedure[MailboxAudit](
        read_current,
        to_record=lambda now: build_audit_set_record(change, now),
        is_as_before=lambda now: all(is_back(kind, now) for kind in change.logon_types),
        is_as_applied=lambda now: all(
            is_back(kind, now) or is_logon_type_applied(change, kind, now)
            for kind in change.logon_types
        ),
        write=write,
    )
    done = await run_undo(undo, sleep)
    others = [
        kind
        for kind in change.logon_types
        if kind.lower() in kept
        and kind in was
        and lowercase_names(last.actions[kind]) != lowercase_names(was[kind])
    ]
    note = f"Microsoft keeps what is audited for {', '.join(others)}: it is not as it was."
    return replace(done, note=note) if others else done


def read_recorded_list(value: object) -> tuple[object, ...]:
    """The words of a record's list."""
    return tuple(value) if isinstance(value, list | tuple) else ()


def read_previous_audit_lists(
    change: ResetAuditSet, before: Mapping[str, object]
) -> Mapping[str, frozenset[str]]:
    """The audited actions there were, by logon type. Raises Rejected where they are unknown."""
    kept = lowercase_names(map(str, read_recorded_list(before[AUDIT_SET])))
    found = {
        kind: frozenset(map(str, read_recorded_list(before[f"Audit{kind}"])))
        for kind in change.logon_types
        if f"Audit{kind}" in before
    }
    if not kept.union(map(str.lower, found)).issuperset(map(str.lower, change.logon_types)):
        raise Rejected(PRIOR_STATE_UNKNOWN)
    return found


def is_microsoft_managed(kind: str, audit: MailboxAudit) -> bool:
    """True for a logon type that is in Microsoft's hands."""
    return kind.lower() in lowercase_names(audit.default_set)


def is_logon_type_applied(change: ResetAuditSet, kind: str, now: MailboxAudit) -> bool:
    """True for a logon type that is as the change leaves it, finished or half way.

    That is Microsoft's, or, where actions were added again, its default list with some of them.
    """
    if is_microsoft_managed(kind, now):
        return True
    extras = lowercase_names(dict(change.extras).get(kind, ()))
    found = lowercase_names(now.actions[kind])
    return bool(extras) and any(
        usual <= found <= usual | extras for usual in list_default_sets(kind)
    )


def list_default_sets(kind: str) -> Iterator[frozenset[str]]:
    """What Microsoft's list for a logon type can be, under one licence or another."""
    usual = lowercase_names(DEFAULT_ACTIONS[kind])
    for lacking in ((), (MAIL_ITEMS_ACCESSED,), (SEND,), (MAIL_ITEMS_ACCESSED, SEND)):
        yield usual - lowercase_names(lacking)


def build_audit_set_record(change: ResetAuditSet, now: MailboxAudit) -> Mapping[str, object]:
    """What is audited now, as the record of the change names it."""
    lists = {f"Audit{kind}": sorted(now.actions[kind]) for kind in change.logon_types}
    return {AUDIT_SET: sorted(now.default_set), **lists}
