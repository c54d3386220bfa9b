"""What undoing each change does to a `FakeTenant`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from core.adapters.m365.parsing import timespan
from core.adapters.m365.protocols.parse import SWITCHES
from core.errors import Moot, Refused, Unavailable
from core.microsoft365.configuration_sources import SOURCES
from core.microsoft365.powershell import set_audit_age
from core.property_values import property_of, same, texts
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
from core.tenant.mailboxes import Mailbox, MailboxProtocols
from core.tenant.reversibility import (
    MAY_YET_SHOW,
    NOTHING_KNOWN,
    PURGES,
    SIGNED_OUT,
    SWITCHED,
    changed_since,
    doing,
    unknown,
)
from tests.support.fakes.changes import audit_of, one, with_property

if TYPE_CHECKING:
    # FakeTenant.restore calls this page, which only needs to know the shape of a FakeTenant.
    from tests.support.fakes.tenant import FakeTenant

type Before = Mapping[str, object]


def put_back(tenant: "FakeTenant", change: Change, before: Before) -> Applied:
    """Undo one change, as the port promises it."""
    if reason := unknown(type(change).__name__, before):
        raise Refused(reason)
    match change:
        case ClearMailboxForward():
            return restore_forward(tenant, change, before)
        case SetConfiguration():
            return restore_configuration(tenant, change, before)
        case DisableMailboxProtocols():
            return restore_protocols(tenant, change, before)
        case RaiseAuditAge():
            return refuse_audit_age(tenant, change, before)
        case ResetAuditSet():
            return restore_audit_set(tenant, change, before)
        case _:
            return restore_switch(tenant, change, before)


def as_found(
    tenant: "FakeTenant",
    change: Change,
    now: Before,
    *,
    back: bool,
    left: bool,
    writes: Sequence[Callable[[], None]],
) -> Applied:
    """Write, when the object is as the change left it. Raises Moot when it is not."""
    if back:
        return Applied(now, already=True)
    if not left:
        raise Moot(changed_since(now))
    tenant.undone.append(change)
    for write in writes:
        with tenant.write(change, now, first=False):
            write()
    return Applied(now)


# Switches ---------------------------------------------------------------------------------------


type Switching = (
    BlockSignIn
    | DisableInboxRule
    | DisableExchangeModule
    | EnableMailboxAudit
    | ClearAuditBypass
    | EnableOrganizationAudit
    | EnableUnifiedAuditLog
)


def restore_switch(tenant: "FakeTenant", change: Switching, before: Before) -> Applied:
    """One switch, wherever it stands."""
    name, left = SWITCHED[type(change).__name__]
    was = before[name] is True
    now, turn = switch_of(tenant, change, before)
    done = as_found(
        tenant, change, {name: now}, back=now is was, left=now is left, writes=[lambda: turn(was)]
    )
    if isinstance(change, BlockSignIn) and not done.already:
        return replace(done, note=SIGNED_OUT)
    if isinstance(change, EnableUnifiedAuditLog) and done.already and was is not left:
        return replace(done, note=MAY_YET_SHOW)
    return done


def switch_of(
    tenant: "FakeTenant", change: Switching, before: Before
) -> tuple[bool, Callable[[bool], None]]:
    """What the switch of a change is now, and what turns it."""
    match change:
        case BlockSignIn():
            return sign_in_of(tenant, change, before)
        case DisableInboxRule():
            return rule_of(tenant, change, before)
        case DisableExchangeModule():
            return module_of(tenant, change)
        case EnableMailboxAudit():
            return switch_in(tenant.audits, audit_of(tenant, change.mailbox_guid), "enabled")
        case ClearAuditBypass():
            account = one(entry for entry in tenant.bypasses if entry.id == change.account_guid)
            return switch_in(tenant.bypasses, account, "bypassed")
        case EnableOrganizationAudit():
            return switch_of_all(tenant, "audit_disabled")
        case EnableUnifiedAuditLog():
            return switch_of_all(tenant, "unified_log")


def switch_in(rows: list[Any], row: Any, name: str) -> tuple[bool, Callable[[bool], None]]:
    """A switch of one object in a list of them."""
    now = getattr(row, name)
    if now is None:
        raise Unavailable(f"{name} was not told")

    def turn(value: bool) -> None:
        rows[rows.index(row)] = replace(row, **{name: value})

    return now, turn


def switch_of_all(tenant: "FakeTenant", name: str) -> tuple[bool, Callable[[bool], None]]:
    """A switch of the organization."""
    now = getattr(tenant.organization, name)
    if now is None:
        raise Unavailable(f"{name} was not told")

    def turn(value: bool) -> None:
        changed: dict[str, Any] = {name: value}
        tenant.organization = replace(tenant.organization, **changed)

    return now, turn


def sign_in_of(
    tenant: "FakeTenant", change: BlockSignIn, before: Before
) -> tuple[bool, Callable[[bool], None]]:
    user = one(user for user in tenant.users if user.id == change.account_id)
    now, turn = switch_in(tenant.users, user, "enabled")
    if now is not before["accountEnabled"]:
        if user.synced:
            raise Refused("the account is mastered on-premises", verdict="on-premises")
        if user.id in tenant.protected:
            raise Refused("the account holds a role that protects it", verdict="protected")
    return now, turn


def module_of(
    tenant: "FakeTenant", change: DisableExchangeModule
) -> tuple[bool, Callable[[bool], None]]:
    user = one(user for user in tenant.module if user.guid == change.user_guid)
    if user.id != change.user_id:
        raise Moot("the user has another account now")
    return switch_in(tenant.module, user, "enabled")


def rule_of(
    tenant: "FakeTenant", change: DisableInboxRule, before: Before
) -> tuple[bool, Callable[[bool], None]]:
    rule = one(
        rule
        for rule in tenant.rules
        if rule.mailbox_id == change.mailbox_id and rule.id == change.rule_id
    )
    if before.get("does", doing(rule)) != doing(rule):
        sent = [*rule.forward_to, *rule.redirect_to, *rule.forward_as_attachment_to]
        raise Moot(changed_since({"isEnabled": rule.enabled, "sends to": sent}))
    if rule.read_only and rule.enabled is not before["isEnabled"]:
        raise Refused("the rule can only be changed in Outlook")
    return switch_in(tenant.rules, rule, "enabled")


# Mailboxes --------------------------------------------------------------------------------------


def restore_forward(tenant: "FakeTenant", change: ClearMailboxForward, before: Before) -> Applied:
    box = one(box for box in tenant.boxes if box.guid == change.mailbox_guid)
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

    back = same_forwards(box, after)
    cleared = not (box.forwarding_address or box.forwarding_smtp_address or box.keeps_copy)
    if after.forwarding_address and cleared:
        check_recipient(
            tenant, after.forwarding_address, str(before.get("ForwardingAddressId") or "")
        )
    now = {
        "ForwardingAddress": box.forwarding_address or None,
        "ForwardingSmtpAddress": box.forwarding_smtp_address or None,
        "DeliverToMailboxAndForward": box.keeps_copy,
    }
    return as_found(tenant, change, now, back=back, left=cleared, writes=[write])


def same_forwards(box: Mailbox, other: Mailbox) -> bool:
    """True when mail of two mailboxes goes to the same place."""
    return (
        box.forwarding_address.lower() == other.forwarding_address.lower()
        and box.forwarding_smtp_address.lower() == other.forwarding_smtp_address.lower()
        and box.keeps_copy is other.keeps_copy
    )


def check_recipient(tenant: "FakeTenant", name: str, known: str) -> None:
    """Raise Refused unless the recipient is there: by its id if that is known, else by its name."""
    if not any(
        person.found and (person.id == known if known else person.name == name)
        for person in tenant.people
    ):
        raise Refused("the recipient is not there any more, or not the only one")


def restore_protocols(
    tenant: "FakeTenant", change: DisableMailboxProtocols, before: Before
) -> Applied:
    """Protocols that were on are put on; one that was left to the organization is again."""
    if not {SWITCHES.get(name, "?") for name in change.protocols} <= before.keys():
        raise Refused(NOTHING_KNOWN)
    found = one(entry for entry in tenant.protocols if entry.mailbox.guid == change.mailbox_guid)
    if found.untold & set(change.protocols):
        raise Unavailable("it is not told whether they are on")
    was = {name: before[SWITCHES[name]] for name in change.protocols}
    on = {name for name, value in was.items() if value is (name != "smtp")}
    now = {name: switch_value(found, name) for name in change.protocols}
    behind = {name for name in on if now[name] != was[name]}

    def write() -> None:
        after = replace(found, allowed=found.allowed | behind, refused=found.refused - behind)
        tenant.protocols[tenant.protocols.index(found)] = after

    return as_found(
        tenant,
        change,
        {SWITCHES[name]: value for name, value in now.items()},
        back=now == was,
        left=all(now[name] == was[name] or name in behind & found.refused for name in now),
        writes=[write],
    )


def switch_value(found: MailboxProtocols, name: str) -> bool | None:
    """What a mailbox's switch of a protocol shows."""
    if name not in found.allowed | found.refused:
        return None
    return (name in found.allowed) is (name != "smtp")


def restore_configuration(
    tenant: "FakeTenant", change: SetConfiguration, before: Before
) -> Applied:
    source = SOURCES.get(change.source)
    if source is None or change.name not in source.writable:
        raise Refused(f"{change.name} of {change.source} is not among what may be changed")
    if change.name not in before:
        raise Refused(NOTHING_KNOWN)
    found = one(
        entry
        for entry in tenant.configurations
        if (entry.source, entry.id.lower()) == (change.source, change.identity.lower())
    )
    told, now = property_of(found.values, change.name)
    if not told:
        raise Unavailable(f"{change.name} was not told")
    was = before[change.name]

    def write() -> None:
        values = with_property(found.values, change.name.split("."), was)
        tenant.configurations[tenant.configurations.index(found)] = replace(found, values=values)

    back = texts(now) == texts(was) if isinstance(now, list) else now == was
    left = same(now, change.value) is True
    return as_found(tenant, change, {change.name: now}, back=back, left=left, writes=[write])


# Auditing ---------------------------------------------------------------------------------------


def refuse_audit_age(tenant: "FakeTenant", change: RaiseAuditAge, before: Before) -> Applied:
    audit = audit_of(tenant, change.mailbox_guid)
    if audit.age_days is None:
        raise Unavailable("how long records are kept was not told")
    now, was = timespan(audit.age_days), str(before["AuditLogAgeLimit"])
    if now == was:
        return Applied({"AuditLogAgeLimit": now}, already=True)
    if audit.age_days != change.days:
        raise Moot(changed_since({"AuditLogAgeLimit": now}))
    raise Refused(f"{PURGES}: {set_audit_age(change.mailbox_guid, was)}")


def restore_audit_set(tenant: "FakeTenant", change: ResetAuditSet, before: Before) -> Applied:
    """Lists that were set by hand are again; others are Microsoft's, whatever those hold."""
    audit = audit_of(tenant, change.mailbox_guid)
    managed = frozenset(words(before, "DefaultAuditSet"))
    if any(name not in managed and f"Audit{name}" not in before for name in change.logon_types):
        raise Refused(NOTHING_KNOWN)
    was = {name: words(before, f"Audit{name}") for name in change.logon_types}
    behind = [name for name in change.logon_types if not is_back(audit, name, managed, was)]
    extras = {name: frozenset(actions) for name, actions in change.extras}

    def write(names: Iterable[str], given: bool) -> None:
        """Give logon types back to Microsoft, or set the lists they had."""
        audit = audit_of(tenant, change.mailbox_guid)
        lists = {name: tenant.defaults[name] if given else was[name] for name in names}
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
            and tenant.defaults[name] <= audit.actions[name] <= tenant.defaults[name] | extras[name]
        )
        for name in behind
    )
    done = as_found(tenant, change, now, back=not behind, left=left, writes=writes)
    held = audit_of(tenant, change.mailbox_guid).actions
    others = [
        name
        for name in change.logon_types
        if name in managed and f"Audit{name}" in before and held[name] != was[name]
    ]
    note = f"Microsoft keeps what is audited for {', '.join(others)}: it is not as it was."
    return replace(done, note=note) if others else done


def is_back(
    audit: MailboxAudit, name: str, managed: frozenset[str], was: Mapping[str, frozenset[str]]
) -> bool:
    """True for a logon type that is as it was before the change."""
    if name in managed:
        return name in audit.default_set
    return name not in audit.default_set and audit.actions[name] == was[name]


def words(before: Before, name: str) -> frozenset[str]:
    """A list of a record."""
    found = before.get(name)
    return frozenset(map(str, found)) if isinstance(found, list | tuple) else frozenset()
