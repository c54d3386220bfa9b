"""What each change does to a `FakeTenant`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from core.adapters.m365.parsing import timespan
from core.adapters.m365.protocols.parse import SWITCHES
from core.errors import Gone, Moot, Refused, Unavailable
from core.microsoft365.configuration_sources import SOURCES
from core.property_values import property_of, same
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import (
    Applied,
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableExchangeModule,
    DisableInboxRule,
    DisableMailboxProtocols,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
)
from core.tenant.reversibility import doing
from tests.support.fakes.roles import disable_exchange_module

if TYPE_CHECKING:
    # FakeTenant.apply calls this page, which only needs to know the shape of a FakeTenant.
    from tests.support.fakes.tenant import FakeTenant

SESSIONS = "sessions"
"""The target of `FakeTenant.refuse` that keeps sessions from ending, and nothing else."""


def make(tenant: "FakeTenant", change: Change) -> Applied:
    """Make one change, as the port promises it."""
    match change:
        case BlockSignIn():
            return block_sign_in(tenant, change)
        case DisableInboxRule():
            return disable_inbox_rule(tenant, change)
        case ClearMailboxForward():
            return clear_forward(tenant, change)
        case ClearAuditBypass() | DisableExchangeModule():
            return change_user(tenant, change)
        case EnableOrganizationAudit() | EnableUnifiedAuditLog():
            return switch_organization(tenant, change)
        case SetConfiguration() | DisableMailboxProtocols():
            return change_settings(tenant, change)
        case EnableMailboxAudit() | ResetAuditSet() | RaiseAuditAge():
            return change_audit(tenant, change)


def change_settings(
    tenant: "FakeTenant", change: SetConfiguration | DisableMailboxProtocols
) -> Applied:
    """A setting of the organization, or the protocols of a mailbox."""
    if isinstance(change, SetConfiguration):
        return set_configuration(tenant, change)
    return disable_protocols(tenant, change)


def set_configuration(tenant: "FakeTenant", change: SetConfiguration) -> Applied:
    source = SOURCES.get(change.source)
    if source is None or change.name not in source.writable:
        raise Refused(f"{change.name} of {change.source} is not among what may be changed")
    found = one(
        entry
        for entry in tenant.configurations
        if (entry.source, entry.id.lower()) == (change.source, change.identity.lower())
    )
    told, now = property_of(found.values, change.name)
    if not told:
        raise Unavailable(f"{change.name} was not told")
    before = {change.name: now}
    if same(before[change.name], change.value):
        return Applied(before, already=True)
    wanted = list(change.value) if isinstance(change.value, tuple) else change.value
    with tenant.write(change, before):
        values = with_property(found.values, change.name.split("."), wanted)
        tenant.configurations[tenant.configurations.index(found)] = replace(found, values=values)
    return Applied(before)


def with_property(
    values: Mapping[str, object], path: Sequence[str], wanted: object
) -> dict[str, object]:
    """Values with one of them set, inside of an object where the path leads there."""
    first, *rest = path
    inner = values.get(first)
    if rest:
        wanted = with_property(inner if isinstance(inner, Mapping) else {}, rest, wanted)
    return {**values, first: wanted}


def disable_protocols(tenant: "FakeTenant", change: DisableMailboxProtocols) -> Applied:
    unknown = set(change.protocols) - SWITCHES.keys()
    if unknown or not change.protocols:
        raise Refused("no such protocols")
    found = one(entry for entry in tenant.protocols if entry.mailbox.guid == change.mailbox_guid)
    if found.untold & set(change.protocols):
        raise Unavailable("it is not told whether they are on")
    states = {protocol: protocol in found.allowed for protocol in change.protocols}
    before: dict[str, object] = {
        SWITCHES[protocol]: on is (protocol != "smtp") for protocol, on in states.items()
    }
    if "smtp" in change.protocols and "smtp" not in found.allowed | found.refused:
        before[SWITCHES["smtp"]] = None
    wanted = {protocol for protocol, on in states.items() if on}
    if not wanted:
        return Applied(before, already=True)
    with tenant.write(change, before):
        after = replace(found, allowed=found.allowed - wanted, refused=found.refused | wanted)
        tenant.protocols[tenant.protocols.index(found)] = after
    return Applied(before)


def block_sign_in(tenant: "FakeTenant", change: BlockSignIn) -> Applied:
    box = one(box for box in tenant.boxes if box.guid == change.mailbox_guid)
    if box.kind not in change.kinds:
        raise Moot(f"the mailbox is now a {box.kind}")
    if box.id != change.account_id:
        raise Moot("the mailbox belongs to another account now")
    user = one(user for user in tenant.users if user.id == change.account_id)
    if user.synced:
        raise Refused("the account is mastered on-premises", verdict="on-premises")
    if user.enabled is None:
        raise Unavailable("it is not known whether the account is enabled")
    before = {"accountEnabled": user.enabled}
    if user.enabled:
        if user.id in tenant.protected:
            raise Refused("the account holds a role that protects it", verdict="protected")
        with tenant.write(change, before):
            tenant.users[tenant.users.index(user)] = replace(user, enabled=False)
    note = sign_out(tenant, user.id)
    return Applied(before, already=not user.enabled, note=note)


def sign_out(tenant: "FakeTenant", account_id: str) -> str:
    """End the sessions of an account, or say why they last."""
    if SESSIONS in tenant.refusals:
        return f"sessions were not revoked: {tenant.refusals[SESSIONS]}"
    tenant.signed_out.append(account_id)
    return ""


def disable_inbox_rule(tenant: "FakeTenant", change: DisableInboxRule) -> Applied:
    rule = one(
        rule
        for rule in tenant.rules
        if rule.mailbox_id == change.mailbox_id and rule.id == change.rule_id
    )
    if not rule.enabled:
        return Applied({"isEnabled": False}, already=True)
    if rule.read_only:
        raise Refused("the rule can only be changed in Outlook")
    before = {"isEnabled": True, "does": doing(rule)}
    with tenant.write(change, before):
        tenant.rules[tenant.rules.index(rule)] = replace(rule, enabled=False)
    return Applied(before)


def clear_forward(tenant: "FakeTenant", change: ClearMailboxForward) -> Applied:
    box = one(box for box in tenant.boxes if box.guid == change.mailbox_guid)
    before: dict[str, object] = {
        "ForwardingAddress": box.forwarding_address or None,
        "ForwardingSmtpAddress": box.forwarding_smtp_address or None,
        "DeliverToMailboxAndForward": box.keeps_copy,
    }
    if not box.forwarding_address and not box.forwarding_smtp_address:
        return Applied(before, already=True)
    if known := next((one for one in tenant.people if one.name == box.forwarding_address), None):
        before |= {"ForwardingAddressId": known.id} if known.found else {}
    cleared = replace(box, forwarding_address="", forwarding_smtp_address="", keeps_copy=False)
    with tenant.write(change, before):
        tenant.boxes[tenant.boxes.index(box)] = cleared
        tenant.audits[:] = [
            replace(audit, mailbox=cleared) if audit.mailbox == box else audit
            for audit in tenant.audits
        ]
    return Applied(before)


def change_user(tenant: "FakeTenant", change: ClearAuditBypass | DisableExchangeModule) -> Applied:
    if isinstance(change, ClearAuditBypass):
        return clear_bypass(tenant, change)
    return disable_exchange_module(tenant, change)


def clear_bypass(tenant: "FakeTenant", change: ClearAuditBypass) -> Applied:
    bypass = one(entry for entry in tenant.bypasses if entry.id == change.account_guid)
    if not bypass.bypassed:
        return Applied({"AuditBypassEnabled": False}, already=True)
    before = {"AuditBypassEnabled": True}
    with tenant.write(change, before):
        tenant.bypasses[tenant.bypasses.index(bypass)] = replace(bypass, bypassed=False)
    return Applied(before)


def switch_organization(
    tenant: "FakeTenant", change: EnableOrganizationAudit | EnableUnifiedAuditLog
) -> Applied:
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
        return Applied({name: value}, already=True)
    with tenant.write(change, {name: value}):
        tenant.organization = after
    return Applied({name: value})


# ----------------------------------------------------------------------------------------------
# Auditing
# ----------------------------------------------------------------------------------------------


def change_audit(
    tenant: "FakeTenant", change: EnableMailboxAudit | ResetAuditSet | RaiseAuditAge
) -> Applied:
    match change:
        case EnableMailboxAudit():
            return enable_audit(tenant, change)
        case ResetAuditSet():
            return reset_audit_set(tenant, change)
        case RaiseAuditAge():
            return raise_audit_age(tenant, change)


def audit_of(tenant: "FakeTenant", guid: str) -> MailboxAudit:
    """The audit settings of a mailbox. Raises Gone."""
    return one(entry for entry in tenant.audits if entry.mailbox.guid == guid)


def enable_audit(tenant: "FakeTenant", change: EnableMailboxAudit) -> Applied:
    audit = audit_of(tenant, change.mailbox_guid)
    before = {"AuditEnabled": audit.enabled}
    if audit.enabled:
        return Applied(before, already=True)
    with tenant.write(change, before):
        tenant.audits[tenant.audits.index(audit)] = replace(audit, enabled=True)
    return Applied(before)


def raise_audit_age(tenant: "FakeTenant", change: RaiseAuditAge) -> Applied:
    audit = audit_of(tenant, change.mailbox_guid)
    if audit.age_days is None:
        raise Moot("how long records are kept is not known")
    if change.days <= 0:
        raise Moot("no days at all would purge every record")
    before = {"AuditLogAgeLimit": timespan(audit.age_days)}
    if audit.age_days >= change.days:
        return Applied(before, already=True)
    with tenant.write(change, before):
        tenant.audits[tenant.audits.index(audit)] = replace(audit, age_days=float(change.days))
    return Applied(before)


def reset_audit_set(tenant: "FakeTenant", change: ResetAuditSet) -> Applied:
    """As Exchange does it: back to the default list, and out of its hands where more is added.

    What is added makes a list one that was set by hand, and nobody can tell from such a list
    that it is finished: with extras the change is always made again.
    """
    audit = audit_of(tenant, change.mailbox_guid)
    before: dict[str, object] = {"DefaultAuditSet": sorted(audit.default_set)}
    before |= {f"Audit{name}": sorted(held) for name, held in audit.actions.items()}
    extras = {name: actions for name, actions in change.extras if actions}
    given_back = replace(
        audit,
        actions={**audit.actions, **{name: tenant.defaults[name] for name in change.logon_types}},
        default_set=audit.default_set | set(change.logon_types),
    )
    lacking = not_brought(given_back, change)
    if given_back == audit and not extras and not lacking:
        return Applied(before, already=True)
    place = tenant.audits.index(audit)
    with tenant.write(change, before):
        tenant.audits[place] = given_back
    for name, actions in extras.items():
        now = tenant.audits[place]
        added = {**now.actions, name: now.actions[name] | set(actions)}
        with tenant.write(change, before, first=False):
            tenant.audits[place] = replace(now, actions=added, default_set=now.default_set - {name})
    if lacking:
        raise Refused(f"the default set does not bring {', '.join(lacking)}")
    return Applied(before)


def one[T](found: Iterable[T]) -> T:
    """The object that is meant. Raises Gone."""
    for item in found:
        return item
    raise Gone("the object is not there")


def not_brought(audit: MailboxAudit, change: ResetAuditSet) -> list[str]:
    """The actions a change expects and some logon type does not audit all the same."""
    lists = [audit.actions[name] for name in change.logon_types]
    return [action for action in change.expects if any(action not in held for held in lists)]
