"""What each change does to a `FakeTenant`."""

from collections.abc import Iterable, Mapping, Sequence
from copy import replace

from core.adapters.m365.protocols import PROTOCOL_FLAGS
from core.adapters.parsing import format_timespan
from core.errors import Forbidden, NotFound, Rejected, Superseded, Unavailable
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.property_values import find_property, matches_value
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
from core.tenant.mailboxes import Mailbox
from core.tenant.reversibility import hash_rule_actions
from core.tenant.sources import ROLE_HOLDERS
from tests.support.fakes.containment import apply_containment_change
from tests.support.fakes.roles import disable_exchange_module
from tests.support.fakes.state import FakeTenantState

SESSIONS_TARGET = "sessions"
"""The target of `FakeTenant.fail_change` that only makes revoking sessions fail."""


def apply_change(tenant: FakeTenantState, change: Change) -> AppliedChange:
    """Make one change as the port documents it."""
    if isinstance(
        change,
        BlockAccount | RevokeSessions | DisableClientProtocols | DisableDevice | DisableHiddenRule,
    ):
        return apply_containment_change(tenant, change)
    return apply_guard_change(tenant, change)


def apply_guard_change(tenant: FakeTenantState, change: GuardChange) -> AppliedChange:
    """Make a change that a guard makes."""
    match change:
        case BlockSignIn() | EndSessions():
            return apply_sign_in_change(tenant, change)
        case DisableInboxRule():
            return disable_inbox_rule(tenant, change)
        case ClearMailboxForward():
            return clear_forward(tenant, change)
        case ClearAuditBypass() | DisableExchangeModule():
            return apply_user_change(tenant, change)
        case EnableOrganizationAudit() | EnableUnifiedAuditLog():
            return apply_organization_change(tenant, change)
        case SetConfiguration() | DisableMailboxProtocols():
            return apply_settings_change(tenant, change)
        case EnableMailboxAudit() | ResetAuditSet() | RaiseAuditAge():
            return apply_audit_change(tenant, change)


def apply_settings_change(
    tenant: FakeTenantState, change: SetConfiguration | DisableMailboxProtocols
) -> AppliedChange:
    """A setting of the organization, or the protocols of a mailbox."""
    if isinstance(change, SetConfiguration):
        return set_configuration(tenant, change)
    return disable_protocols(tenant, change)


def set_configuration(tenant: FakeTenantState, change: SetConfiguration) -> AppliedChange:
    source = CONFIGURATION_SOURCES.get(change.source)
    if source is None or change.name not in source.writable_properties:
        raise Rejected(f"{change.name} of {change.source} is not among what may be changed")
    found = get_first(
        entry
        for entry in tenant.configurations
        if (entry.source, entry.id.lower()) == (change.source, change.identity.lower())
    )
    told, now = find_property(found.values, change.name)
    if not told:
        raise Unavailable(f"{change.name} was not told")
    before = {change.name: now}
    if matches_value(before[change.name], change.value):
        return AppliedChange(before, unchanged=True)
    wanted = list(change.value) if isinstance(change.value, tuple) else change.value
    with tenant.record_write(change, before):
        values = replace_property(found.values, change.name.split("."), wanted)
        tenant.configurations[tenant.configurations.index(found)] = replace(found, values=values)
    return AppliedChange(before)


def replace_property(
    values: Mapping[str, object], path: Sequence[str], new_value: object
) -> dict[str, object]:
    """Values with one of them set, inside of an object where the path leads there."""
    first, *rest = path
    inner = values.get(first)
    if rest:
        new_value = replace_property(inner if isinstance(inner, Mapping) else {}, rest, new_value)
    return {**values, first: new_value}


def disable_protocols(tenant: FakeTenantState, change: DisableMailboxProtocols) -> AppliedChange:
    unknown = set(change.protocols) - PROTOCOL_FLAGS.keys()
    if unknown or not change.protocols:
        raise Rejected("no such protocols")
    found = get_first(
        entry for entry in tenant.protocol_settings if entry.mailbox.guid == change.mailbox_guid
    )
    if found.unknown & set(change.protocols):
        raise Unavailable("it is not told whether they are on")
    states = {protocol: protocol in found.allowed for protocol in change.protocols}
    before: dict[str, object] = {
        PROTOCOL_FLAGS[protocol]: on is (protocol != "smtp") for protocol, on in states.items()
    }
    if "smtp" in change.protocols and "smtp" not in found.allowed | found.denied:
        before[PROTOCOL_FLAGS["smtp"]] = None
    wanted = {protocol for protocol, on in states.items() if on}
    if not wanted:
        return AppliedChange(before, unchanged=True)
    with tenant.record_write(change, before):
        after = replace(found, allowed=found.allowed - wanted, denied=found.denied | wanted)
        tenant.protocol_settings[tenant.protocol_settings.index(found)] = after
    return AppliedChange(before)


def apply_sign_in_change(
    tenant: FakeTenantState, change: BlockSignIn | EndSessions
) -> AppliedChange:
    """A block, or what follows it."""
    if isinstance(change, EndSessions):
        return end_sessions(tenant, change)
    return block_sign_in(tenant, change)


def block_sign_in(tenant: FakeTenantState, change: BlockSignIn) -> AppliedChange:
    box = get_first(box for box in tenant.boxes if box.guid == change.mailbox_guid)
    if box.kind not in change.kinds:
        raise Superseded(f"the mailbox is now a {box.kind}")
    if box.id != change.account_id:
        raise Superseded("the mailbox belongs to another account now")
    user = get_first(user for user in tenant.users if user.id == change.account_id)
    if user.synced:
        raise Rejected("the account is mastered on-premises", verdict="on-premises")
    if user.enabled is None:
        raise Unavailable("it is not known whether the account is enabled")
    before = {"accountEnabled": user.enabled}
    if user.enabled:
        if user.id in tenant.protected_accounts or user.is_management_restricted:
            raise Rejected("a role or an administrative unit protects it", verdict="protected")
        ensure_account_holds_no_role(tenant, box)
        with tenant.record_write(change, before):
            tenant.users[tenant.users.index(user)] = replace(user, enabled=False)
    note = revoke_sessions(tenant, user.id) if change.ends_sessions else ""
    return AppliedChange(before, unchanged=not user.enabled, note=note)


def end_sessions(tenant: FakeTenantState, change: EndSessions) -> AppliedChange:
    user = get_first(user for user in tenant.users if user.id == change.account_id)
    if user.enabled is None:
        raise Unavailable("it is not known whether the account is enabled")
    if user.enabled:
        raise Superseded("the account is not blocked any more")
    if SESSIONS_TARGET in tenant.change_errors:
        raise tenant.change_errors[SESSIONS_TARGET]
    tenant.signed_out.append(change.account_id)
    return AppliedChange({"accountEnabled": False})


def ensure_account_holds_no_role(tenant: FakeTenantState, box: Mailbox) -> None:
    """Raise for an account that holds a role, or when that is unknown."""
    for (source, _), failure in tenant.failures.items():
        if source == ROLE_HOLDERS:
            raise (
                Forbidden("not known", failure.permission)
                if failure.permission
                else Unavailable("")
            )
    if not {one.id for one in tenant.holders}.isdisjoint({box.id, box.guid}):
        raise Rejected("the account holds a role, or may activate one", verdict="protected")


def revoke_sessions(tenant: FakeTenantState, account_id: str) -> str:
    """End the sessions of an account, or say why they last."""
    if SESSIONS_TARGET in tenant.change_errors:
        return f"sessions were not revoked: {tenant.change_errors[SESSIONS_TARGET]}"
    tenant.signed_out.append(account_id)
    return ""


def disable_inbox_rule(tenant: FakeTenantState, change: DisableInboxRule) -> AppliedChange:
    rule = get_first(
        rule
        for rule in tenant.rules
        if rule.mailbox_id == change.mailbox_id and rule.id == change.rule_id
    )
    if not rule.enabled:
        return AppliedChange({"isEnabled": False}, unchanged=True)
    if rule.read_only:
        raise Rejected("the rule can only be changed in Outlook")
    before = {"isEnabled": True, "does": hash_rule_actions(rule)}
    with tenant.record_write(change, before):
        tenant.rules[tenant.rules.index(rule)] = replace(rule, enabled=False)
    return AppliedChange(before)


def clear_forward(tenant: FakeTenantState, change: ClearMailboxForward) -> AppliedChange:
    box = get_first(box for box in tenant.boxes if box.guid == change.mailbox_guid)
    before: dict[str, object] = {
        "ForwardingAddress": box.forwarding_address or None,
        "ForwardingSmtpAddress": box.forwarding_smtp_address or None,
        "DeliverToMailboxAndForward": box.keeps_copy,
    }
    if not box.forwarding_address and not box.forwarding_smtp_address:
        return AppliedChange(before, unchanged=True)
    if known := next(
        (one for one in tenant.known_recipients if one.name == box.forwarding_address), None
    ):
        before |= {"ForwardingAddressId": known.id} if known.found else {}
    cleared = replace(box, forwarding_address="", forwarding_smtp_address="", keeps_copy=False)
    with tenant.record_write(change, before):
        tenant.boxes[tenant.boxes.index(box)] = cleared
        tenant.audits[:] = [
            replace(audit, mailbox=cleared) if audit.mailbox == box else audit
            for audit in tenant.audits
        ]
    return AppliedChange(before)


def apply_user_change(
    tenant: FakeTenantState, change: ClearAuditBypass | DisableExchangeModule
) -> AppliedChange:
    if isinstance(change, ClearAuditBypass):
        return clear_bypass(tenant, change)
    return disable_exchange_module(tenant, change)


def clear_bypass(tenant: FakeTenantState, change: ClearAuditBypass) -> AppliedChange:
    bypass = get_first(entry for entry in tenant.bypasses if entry.id == change.account_guid)
    if not bypass.bypassed:
        return AppliedChange({"AuditBypassEnabled": False}, unchanged=True)
    before = {"AuditBypassEnabled": True}
    with tenant.record_write(change, before):
        tenant.bypasses[tenant.bypasses.index(bypass)] = replace(bypass, bypassed=False)
    return AppliedChange(before)


def apply_organization_change(
    tenant: FakeTenantState, change: EnableOrganizationAudit | EnableUnifiedAuditLog
) -> AppliedChange:
    before = tenant.organization
    if isinstance(change, EnableOrganizationAudit):
        after = replace(before, audit_disabled=False)
        name, value = "AuditDisabled", before.audit_disabled
    else:
        after = replace(before, unified_log=True)
        name, value = "UnifiedAuditLogIngestionEnabled", before.unified_log
    if value is None:
        raise Unavailable(f"{name} was not told")
    if after == before:
        return AppliedChange({name: value}, unchanged=True)
    with tenant.record_write(change, {name: value}):
        tenant.organization = after
    return AppliedChange({name: value})


# ----------------------------------------------------------------------------------------------
# Auditing
# ----------------------------------------------------------------------------------------------


def apply_audit_change(
    tenant: FakeTenantState, change: EnableMailboxAudit | ResetAuditSet | RaiseAuditAge
) -> AppliedChange:
    match change:
        case EnableMailboxAudit():
            return enable_audit(tenant, change)
        case ResetAuditSet():
            return reset_audit_set(tenant, change)
        case RaiseAuditAge():
            return raise_audit_age(tenant, change)


def find_audit(tenant: FakeTenantState, guid: str) -> MailboxAudit:
    """The audit settings of a mailbox. Raises Gone."""
    return get_first(entry for entry in tenant.audits if entry.mailbox.guid == guid)


def enable_audit(tenant: FakeTenantState, change: EnableMailboxAudit) -> AppliedChange:
    audit = find_audit(tenant, change.mailbox_guid)
    before = {"AuditEnabled": audit.enabled}
    if audit.enabled:
        return AppliedChange(before, unchanged=True)
    with tenant.record_write(change, before):
        tenant.audits[tenant.audits.index(audit)] = replace(audit, enabled=True)
    return AppliedChange(before)


def raise_audit_age(tenant: FakeTenantState, change: RaiseAuditAge) -> AppliedChange:
    audit = find_audit(tenant, change.mailbox_guid)
    if audit.age_days is None:
        raise Superseded("how long records are kept is not known")
    if change.days <= 0:
        raise Superseded("no days at all would purge every record")
    before = {"AuditLogAgeLimit": format_timespan(audit.age_days)}
    if audit.age_days >= change.days:
        return AppliedChange(before, unchanged=True)
    with tenant.record_write(change, before):
        tenant.audits[tenant.audits.index(audit)] = replace(audit, age_days=float(change.days))
    return AppliedChange(before)


def reset_audit_set(tenant: FakeTenantState, change: ResetAuditSet) -> AppliedChange:
    """As Exchange does it: back to the default list, and out of its hands where more is added.

    What is added makes a list one that was set by hand, and nobody can tell from such a list
    that it is finished: with extras the change is always made again.
    """
    audit = find_audit(tenant, change.mailbox_guid)
    before: dict[str, object] = {"DefaultAuditSet": sorted(audit.default_set)}
    before |= {f"Audit{name}": sorted(held) for name, held in audit.actions.items()}
    extras = {name: actions for name, actions in change.extras if actions}
    given_back = replace(
        audit,
        actions={
            **audit.actions,
            **{name: tenant.default_audit_sets[name] for name in change.logon_types},
        },
        default_set=audit.default_set | set(change.logon_types),
    )
    lacking = find_unaudited_actions(given_back, change)
    if given_back == audit and not extras and not lacking:
        return AppliedChange(before, unchanged=True)
    place = tenant.audits.index(audit)
    with tenant.record_write(change, before):
        tenant.audits[place] = given_back
    for name, actions in extras.items():
        now = tenant.audits[place]
        added = {**now.actions, name: now.actions[name] | set(actions)}
        with tenant.record_write(change, before, is_first=False):
            tenant.audits[place] = replace(now, actions=added, default_set=now.default_set - {name})
    if lacking:
        raise Rejected(f"the default set does not bring {', '.join(lacking)}", verdict="failed")
    return AppliedChange(before)


def get_first[T](found: Iterable[T]) -> T:
    """The object that is meant. Raises Gone."""
    for item in found:
        return item
    raise NotFound("the object is not there")


def find_unaudited_actions(audit: MailboxAudit, change: ResetAuditSet) -> list[str]:
    """The actions a change expects of a logon type that does not audit them all the same."""
    return [
        action
        for name, wanted in change.expects
        for action in wanted
        if action not in audit.actions[name]
    ]
