"""What undoing each change does to a `FakeTenant`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import replace
from functools import partial
from typing import Any

from core.adapters.m365.protocols import PROTOCOL_FLAGS
from core.adapters.parsing import format_timespan
from core.errors import Rejected, Superseded, Unavailable
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.powershell import build_audit_age_command
from core.property_values import find_property, matches_value, parse_printed_list
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import (
    AppliedChange,
    BlockAccount,
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableClientProtocols,
    DisableDevice,
    DisableExchangeModule,
    DisableHiddenRule,
    DisableInboxRule,
    DisableMailboxProtocols,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    EndSessions,
    GuardChange,
    RaiseAuditAge,
    ResetAuditSet,
    RevokeSessions,
    SetConfiguration,
)
from core.tenant.mailboxes import Mailbox, MailboxProtocols
from core.tenant.reversibility import (
    AUDIT_AGE_PURGES,
    MAY_BE_DELAYED,
    PRIOR_STATE_UNKNOWN,
    SESSIONS_STAY_ENDED,
    SWITCH_CHANGES,
    describe_changed_since,
    explain_undo_unknown,
    hash_rule_actions,
)
from tests.support.fakes.changes import find_audit, get_first, replace_property
from tests.support.fakes.containment import undo_containment_change
from tests.support.fakes.state import FakeTenantState

type BeforeValues = Mapping[str, object]


def undo_change(tenant: FakeTenantState, change: Change, before: BeforeValues) -> AppliedChange:
    """Undo one change as the port documents it."""
    if reason := explain_undo_unknown(type(change).__name__, before):
        raise Rejected(reason)
    if isinstance(
        change,
        BlockAccount | RevokeSessions | DisableClientProtocols | DisableDevice | DisableHiddenRule,
    ):
        return undo_containment_change(tenant, change, before, undo_unless_changed)
    return undo_guard_change(tenant, change, before)


def undo_guard_change(
    tenant: FakeTenantState, change: GuardChange, before: BeforeValues
) -> AppliedChange:
    """Undo a change that a guard makes."""
    match change:
        case ClearMailboxForward():
            return undo_forward(tenant, change, before)
        case SetConfiguration():
            return undo_configuration(tenant, change, before)
        case DisableMailboxProtocols():
            return undo_protocols(tenant, change, before)
        case RaiseAuditAge():
            return reject_audit_age_undo(tenant, change, before)
        case ResetAuditSet():
            return undo_audit_set(tenant, change, before)
        case EndSessions():
            raise Rejected(SESSIONS_STAY_ENDED)
        case _:
            return undo_switch(tenant, change, before)


def undo_unless_changed(
    tenant: FakeTenantState,
    change: Change,
    now: BeforeValues,
    *,
    is_undone: bool,
    is_unchanged: bool,
    writes: Sequence[Callable[[], None]],
) -> AppliedChange:
    """Write, when the object is as the change left it. Raises Moot when it is not."""
    if is_undone:
        return AppliedChange(now, unchanged=True)
    if not is_unchanged:
        raise Superseded(describe_changed_since(now))
    tenant.undone_changes.append(change)
    for write in writes:
        with tenant.record_write(change, now, is_first=False):
            write()
    return AppliedChange(now)


# Switches ---------------------------------------------------------------------------------------


type SwitchChange = (
    BlockSignIn
    | DisableInboxRule
    | DisableExchangeModule
    | EnableMailboxAudit
    | ClearAuditBypass
    | EnableOrganizationAudit
    | EnableUnifiedAuditLog
)


def undo_switch(
    tenant: FakeTenantState, change: SwitchChange, before: BeforeValues
) -> AppliedChange:
    """One switch, wherever it stands."""
    name, left = SWITCH_CHANGES[type(change).__name__]
    was = before[name] is True
    now, turn = get_switch(tenant, change, before)
    done = undo_unless_changed(
        tenant,
        change,
        {name: now},
        is_undone=now is was,
        is_unchanged=now is left,
        writes=[lambda: turn(was)],
    )
    if isinstance(change, BlockSignIn) and change.ends_sessions and not done.unchanged:
        return replace(done, note=SESSIONS_STAY_ENDED)
    if isinstance(change, EnableUnifiedAuditLog) and done.unchanged and was is not left:
        return replace(done, note=MAY_BE_DELAYED)
    return done


def get_switch(
    tenant: FakeTenantState, change: SwitchChange, before: BeforeValues
) -> tuple[bool, Callable[[bool], None]]:
    """What the switch of a change is now, and what turns it."""
    match change:
        case BlockSignIn():
            return get_sign_in_switch(tenant, change, before)
        case DisableInboxRule():
            return get_rule_switch(tenant, change, before)
        case DisableExchangeModule():
            return get_module_switch(tenant, change)
        case EnableMailboxAudit():
            return get_object_switch(
                tenant.audits, find_audit(tenant, change.mailbox_guid), "enabled"
            )
        case ClearAuditBypass():
            account = get_first(
                entry for entry in tenant.bypasses if entry.id == change.account_guid
            )
            return get_object_switch(tenant.bypasses, account, "bypassed")
        case EnableOrganizationAudit():
            return get_organization_switch(tenant, "audit_disabled")
        case EnableUnifiedAuditLog():
            return get_organization_switch(tenant, "unified_log")


def get_object_switch(rows: list[Any], row: Any, name: str) -> tuple[bool, Callable[[bool], None]]:
    """A switch of one object in a list of them."""
    now = getattr(row, name)
    if now is None:
        raise Unavailable(f"{name} was not told")

    def turn(value: bool) -> None:
        rows[rows.index(row)] = replace(row, **{name: value})

    return now, turn


def get_organization_switch(
    tenant: FakeTenantState, name: str
) -> tuple[bool, Callable[[bool], None]]:
    """A switch of the organization."""
    now = getattr(tenant.organization, name)
    if now is None:
        raise Unavailable(f"{name} was not told")

    def turn(value: bool) -> None:
        changed: dict[str, Any] = {name: value}
        tenant.organization = replace(tenant.organization, **changed)

    return now, turn


def get_sign_in_switch(
    tenant: FakeTenantState, change: BlockSignIn, before: BeforeValues
) -> tuple[bool, Callable[[bool], None]]:
    user = get_first(user for user in tenant.users if user.id == change.account_id)
    now, turn = get_object_switch(tenant.users, user, "enabled")
    if now is not before["accountEnabled"]:
        if user.synced:
            raise Rejected("the account is mastered on-premises", verdict="on-premises")
        if user.id in tenant.protected_accounts:
            raise Rejected("the account holds a role that protects it", verdict="protected")
    return now, turn


def get_module_switch(
    tenant: FakeTenantState, change: DisableExchangeModule
) -> tuple[bool, Callable[[bool], None]]:
    user = get_first(user for user in tenant.powershell_users if user.guid == change.user_guid)
    if user.id != change.user_id:
        raise Superseded("the user has another account now")
    return get_object_switch(tenant.powershell_users, user, "enabled")


def get_rule_switch(
    tenant: FakeTenantState, change: DisableInboxRule, before: BeforeValues
) -> tuple[bool, Callable[[bool], None]]:
    rule = get_first(
        rule
        for rule in tenant.rules
        if rule.mailbox_id == change.mailbox_id and rule.id == change.rule_id
    )
    if before.get("does", hash_rule_actions(rule)) != hash_rule_actions(rule):
        sent = [*rule.forward_to, *rule.redirect_to, *rule.forward_as_attachment_to]
        raise Superseded(describe_changed_since({"isEnabled": rule.enabled, "sends to": sent}))
    if rule.read_only and rule.enabled is not before["isEnabled"]:
        raise Rejected("the rule can only be changed in Outlook")
    return get_object_switch(tenant.rules, rule, "enabled")


# Mailboxes --------------------------------------------------------------------------------------


def undo_forward(
    tenant: FakeTenantState, change: ClearMailboxForward, before: BeforeValues
) -> AppliedChange:
    box = get_first(box for box in tenant.boxes if box.guid == change.mailbox_guid)
    after = replace(
        box,
        forwarding_address=str(before["ForwardingAddress"] or ""),
        forwarding_smtp_address=str(before["ForwardingSmtpAddress"] or ""),
        keeps_copy=before["DeliverToMailboxAndForward"] is True,
    )

    def write() -> None:
        tenant.boxes[tenant.boxes.index(box)] = after
        tenant.audits[:] = [
            replace(audit, mailbox=after) if audit.mailbox == box else audit
            for audit in tenant.audits
        ]

    back = has_same_forwards(box, after)
    cleared = not (box.forwarding_address or box.forwarding_smtp_address or box.keeps_copy)
    if after.forwarding_address and cleared:
        ensure_recipient_exists(
            tenant, after.forwarding_address, str(before.get("ForwardingAddressId") or "")
        )
    now = {
        "ForwardingAddress": box.forwarding_address or None,
        "ForwardingSmtpAddress": box.forwarding_smtp_address or None,
        "DeliverToMailboxAndForward": box.keeps_copy,
    }
    return undo_unless_changed(
        tenant, change, now, is_undone=back, is_unchanged=cleared, writes=[write]
    )


def has_same_forwards(box: Mailbox, other: Mailbox) -> bool:
    """True when mail of two mailboxes goes to the same place."""
    return (
        box.forwarding_address.lower() == other.forwarding_address.lower()
        and box.forwarding_smtp_address.lower() == other.forwarding_smtp_address.lower()
        and box.keeps_copy is other.keeps_copy
    )


def ensure_recipient_exists(tenant: FakeTenantState, name: str, known_id: str) -> None:
    """Raise Refused unless the recipient is there: by its id if that is known, else by its name."""
    if not any(
        person.found and (person.id == known_id if known_id else person.name == name)
        for person in tenant.known_recipients
    ):
        raise Rejected("the recipient is not there any more, or not the only one")


def undo_protocols(
    tenant: FakeTenantState, change: DisableMailboxProtocols, before: BeforeValues
) -> AppliedChange:
    """Protocols that were on are put on; one that was left to the organization is again."""
    if not {PROTOCOL_FLAGS.get(name, "?") for name in change.protocols} <= before.keys():
        raise Rejected(PRIOR_STATE_UNKNOWN)
    found = get_first(
        entry for entry in tenant.protocol_settings if entry.mailbox.guid == change.mailbox_guid
    )
    if found.unknown & set(change.protocols):
        raise Unavailable("it is not told whether they are on")
    was = {name: before[PROTOCOL_FLAGS[name]] for name in change.protocols}
    on = {name for name, value in was.items() if value is (name != "smtp")}
    now = {name: get_protocol_switch(found, name) for name in change.protocols}
    behind = {name for name in on if now[name] != was[name]}

    def write() -> None:
        after = replace(found, allowed=found.allowed | behind, denied=found.denied - behind)
        tenant.protocol_settings[tenant.protocol_settings.index(found)] = after

    return undo_unless_changed(
        tenant,
        change,
        {PROTOCOL_FLAGS[name]: value for name, value in now.items()},
        is_undone=now == was,
        is_unchanged=all(now[name] == was[name] or name in behind & found.denied for name in now),
        writes=[write],
    )


def get_protocol_switch(found: MailboxProtocols, name: str) -> bool | None:
    """What a mailbox's switch of a protocol shows."""
    if name not in found.allowed | found.denied:
        return None
    return (name in found.allowed) is (name != "smtp")


def undo_configuration(
    tenant: FakeTenantState, change: SetConfiguration, before: BeforeValues
) -> AppliedChange:
    source = CONFIGURATION_SOURCES.get(change.source)
    if source is None or change.name not in source.writable_properties:
        raise Rejected(f"{change.name} of {change.source} is not among what may be changed")
    if change.name not in before:
        raise Rejected(PRIOR_STATE_UNKNOWN)
    found = get_first(
        entry
        for entry in tenant.configurations
        if (entry.source, entry.id.lower()) == (change.source, change.identity.lower())
    )
    told, now = find_property(found.values, change.name)
    if not told:
        raise Unavailable(f"{change.name} was not told")
    was = before[change.name]

    def write() -> None:
        values = replace_property(found.values, change.name.split("."), was)
        tenant.configurations[tenant.configurations.index(found)] = replace(found, values=values)

    back = (
        parse_printed_list(now) == parse_printed_list(was) if isinstance(now, list) else now == was
    )
    left = matches_value(now, change.value) is True
    return undo_unless_changed(
        tenant, change, {change.name: now}, is_undone=back, is_unchanged=left, writes=[write]
    )


# Auditing ---------------------------------------------------------------------------------------


def reject_audit_age_undo(
    tenant: FakeTenantState, change: RaiseAuditAge, before: BeforeValues
) -> AppliedChange:
    audit = find_audit(tenant, change.mailbox_guid)
    if audit.age_days is None:
        raise Unavailable("how long records are kept was not told")
    now, was = format_timespan(audit.age_days), str(before["AuditLogAgeLimit"])
    if now == was:
        return AppliedChange({"AuditLogAgeLimit": now}, unchanged=True)
    if audit.age_days != change.days:
        raise Superseded(describe_changed_since({"AuditLogAgeLimit": now}))
    raise Rejected(f"{AUDIT_AGE_PURGES}: {build_audit_age_command(change.mailbox_guid, was)}")


def undo_audit_set(
    tenant: FakeTenantState, change: ResetAuditSet, before: BeforeValues
) -> AppliedChange:
    """Lists that were set by hand are again; others are Microsoft's, whatever those hold."""
    audit = find_audit(tenant, change.mailbox_guid)
    managed = frozenset(read_text_set(before, "DefaultAuditSet"))
    if any(name not in managed and f"Audit{name}" not in before for name in change.logon_types):
        raise Rejected(PRIOR_STATE_UNKNOWN)
    was = {name: read_text_set(before, f"Audit{name}") for name in change.logon_types}
    behind = [
        name for name in change.logon_types if not is_logon_type_restored(audit, name, managed, was)
    ]
    extras = {name: frozenset(actions) for name, actions in change.extras}

    def write(names: Iterable[str], given: bool) -> None:
        """Give logon types back to Microsoft, or set the lists they had."""
        audit = find_audit(tenant, change.mailbox_guid)
        lists = {name: tenant.default_audit_sets[name] if given else was[name] for name in names}
        kept = audit.default_set.union(lists) if given else audit.default_set.difference(lists)
        after = replace(audit, actions={**audit.actions, **lists}, default_set=kept)
        tenant.audits[tenant.audits.index(audit)] = after

    parts = [[name for name in behind if (name in managed) is given] for given in (True, False)]
    writes = [partial(write, part, part[0] in managed) for part in parts if part]
    now: dict[str, object] = {"DefaultAuditSet": sorted(audit.default_set)}
    now |= {f"Audit{name}": sorted(audit.actions[name]) for name in change.logon_types}
    left = all(
        name in audit.default_set
        or (
            name in extras
            and tenant.default_audit_sets[name]
            <= audit.actions[name]
            <= tenant.default_audit_sets[name] | extras[name]
        )
        for name in behind
    )
    done = undo_unless_changed(
        tenant, change, now, is_undone=not behind, is_unchanged=left, writes=writes
    )
    held = find_audit(tenant, change.mailbox_guid).actions
    others = [
        name
        for name in change.logon_types
        if name in managed and f"Audit{name}" in before and held[name] != was[name]
    ]
    note = f"Microsoft keeps what is audited for {', '.join(others)}: it is not as it was."
    return replace(done, note=note) if others else done


def is_logon_type_restored(
    audit: MailboxAudit, name: str, managed: frozenset[str], was: Mapping[str, frozenset[str]]
) -> bool:
    """True for a logon type that is as it was before the change."""
    if name in managed:
        return name in audit.default_set
    return name not in audit.default_set and audit.actions[name] == was[name]


def read_text_set(before: BeforeValues, name: str) -> frozenset[str]:
    """A list of a record."""
    found = before.get(name)
    return frozenset(map(str, found)) if isinstance(found, list | tuple) else frozenset()
