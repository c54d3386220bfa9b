"""One account of a fake tenant: what is read before it is contained, and the changes that do it."""

from collections.abc import Callable, Mapping
from copy import replace
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.errors import NotFound, Rejected
from core.tenant.changes import (
    CLIENT_PROTOCOLS,
    AppliedChange,
    BlockAccount,
    ContainmentChange,
    DisableClientProtocols,
    DisableDevice,
    DisableHiddenRule,
    RevokeSessions,
)
from core.tenant.containing import AccountDetail, DetailKind, TargetAccount
from core.tenant.directory import Account
from core.tenant.mail_flow import InboxRule
from core.tenant.readings import Reading
from core.tenant.reversibility import (
    RULE_ACTIONS_HASH,
    SESSIONS_STAY_ENDED,
    SESSIONS_VALID_FROM,
    hash_rule_actions,
)
from core.tenant.sources import CONTAINED_ACCOUNT, ROLE_HOLDERS
from tests.support.fakes.state import FakeTenantState

type UndoUnlessChanged = Callable[..., AppliedChange]


@dataclass(frozen=True, slots=True)
class FakeContainmentReader:
    """ContainmentReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_target(self, account_id: str) -> Reading[TargetAccount]:
        found = [
            with_state(target, self.tenant)
            for target in self.tenant.targets
            if target.id == account_id
        ]
        return self.tenant.build_reading(CONTAINED_ACCOUNT, found, lambda one: one.id, [account_id])

    async def read_details(
        self, kind: DetailKind, account: TargetAccount, mailbox: str, since: datetime
    ) -> Reading[AccountDetail]:
        found = self.tenant.account_details.get((account.id, kind), ())
        if kind is DetailKind.CLIENT_PROTOCOLS and mailbox in self.tenant.client_switches:
            switches = self.tenant.client_switches[mailbox]
            values = tuple((name, str(on)) for name, on in switches.items() if on is not None)
            found = (AccountDetail(mailbox, mailbox, values=values),)
        return self.tenant.build_reading(kind, found, lambda one: one.id)


def with_state(target: TargetAccount, tenant: FakeTenantState) -> TargetAccount:
    """The account, enabled as its user is."""
    user = next((user for user in tenant.users if user.id == target.id), None)
    return replace(target, enabled=user.enabled) if user else target


def find_user(tenant: FakeTenantState, account_id: str) -> Account:
    """The account's user. Raises NotFound."""
    user = next((user for user in tenant.users if user.id == account_id), None)
    if user is None:
        raise NotFound("the account is gone")
    return user


def apply_containment_change(tenant: FakeTenantState, change: ContainmentChange) -> AppliedChange:
    """Make one change as the port documents it."""
    match change:
        case BlockAccount():
            return block_account(tenant, change)
        case RevokeSessions():
            return revoke_sessions(tenant, change)
        case DisableClientProtocols():
            return disable_client_protocols(tenant, change)
        case DisableDevice():
            return disable_device(tenant, change)
        case DisableHiddenRule():
            return disable_hidden_rule(tenant, change)


def block_account(tenant: FakeTenantState, change: BlockAccount) -> AppliedChange:
    user = find_user(tenant, change.account_id)
    before = {"accountEnabled": bool(user.enabled)}
    if not user.enabled:
        return AppliedChange(before, unchanged=True)
    is_holder = user.id in {holder.id for holder in tenant.holders}
    if user.id in tenant.protected_accounts or is_holder:
        raise Rejected("the account holds a role, or may activate one", verdict="protected")
    if any(source == ROLE_HOLDERS for source, _ in tenant.failures):
        raise Rejected("who holds roles is not known")
    with tenant.record_write(change, before):
        tenant.users[tenant.users.index(user)] = replace(user, enabled=False)
    return AppliedChange(before)


def revoke_sessions(tenant: FakeTenantState, change: RevokeSessions) -> AppliedChange:
    find_user(tenant, change.account_id)
    target = next(one for one in tenant.targets if one.id == change.account_id)
    if target.is_guest:
        raise Rejected("Graph accepts this for a guest and ends nothing")
    valid_from = target.sessions_valid_from
    before = {SESSIONS_VALID_FROM: valid_from.isoformat() if valid_from else ""}
    with tenant.record_write(change, before):
        tenant.signed_out.append(change.account_id)
        moved = valid_from + timedelta(minutes=1) if valid_from else None
        tenant.targets[tenant.targets.index(target)] = replace(target, sessions_valid_from=moved)
    return AppliedChange(before)


def disable_client_protocols(
    tenant: FakeTenantState, change: DisableClientProtocols
) -> AppliedChange:
    switches = tenant.client_switches.get(change.mailbox_guid)
    if switches is None:
        raise NotFound("the mailbox is gone")
    names = [CLIENT_PROTOCOLS[name] for name in change.protocols]
    before = {name: switches[name] for name in names}
    if all(value is False for value in before.values()):
        return AppliedChange(before, unchanged=True)
    with tenant.record_write(change, before):
        switches.update(dict.fromkeys(names, False))
    return AppliedChange(before)


def disable_device(tenant: FakeTenantState, change: DisableDevice) -> AppliedChange:
    if change.device_id not in tenant.devices:
        raise NotFound("the device is gone")
    before = {"accountEnabled": tenant.devices[change.device_id]}
    if not before["accountEnabled"]:
        return AppliedChange(before, unchanged=True)
    if change.device_id in tenant.other_devices:
        raise Rejected("Entra lets an app switch off devices with Windows only")
    with tenant.record_write(change, before):
        tenant.devices[change.device_id] = False
    return AppliedChange(before)


def find_hidden_rule(tenant: FakeTenantState, change: DisableHiddenRule) -> InboxRule:
    """A rule that only Exchange shows. Raises NotFound."""
    ids = {box.id for box in tenant.boxes if box.guid == change.mailbox_guid}
    for rule in tenant.exchange_rules:
        if rule.mailbox_id in ids and rule.id == change.rule_id:
            return rule
    raise NotFound("the rule is gone")


def describe_hidden_rule(rule: InboxRule) -> dict[str, object]:
    """A rule as a record holds it."""
    return {"Enabled": rule.enabled, RULE_ACTIONS_HASH: hash_rule_actions(rule)}


def set_hidden_rule(tenant: FakeTenantState, rule: InboxRule, *, enabled: bool) -> None:
    tenant.exchange_rules[tenant.exchange_rules.index(rule)] = replace(rule, enabled=enabled)


def disable_hidden_rule(tenant: FakeTenantState, change: DisableHiddenRule) -> AppliedChange:
    rule = find_hidden_rule(tenant, change)
    before = describe_hidden_rule(rule)
    if not rule.enabled:
        return AppliedChange(before, unchanged=True)
    with tenant.record_write(change, before):
        set_hidden_rule(tenant, rule, enabled=False)
    return AppliedChange(before)


def undo_switched_off(
    tenant: FakeTenantState,
    change: DisableDevice | DisableHiddenRule,
    before: Mapping[str, object],
    undo_unless_changed: UndoUnlessChanged,
) -> AppliedChange:
    """Switch a device or a hidden rule on again."""
    if isinstance(change, DisableDevice):
        device, was = change.device_id, before["accountEnabled"] is True
        now = tenant.devices[device]
        return undo_unless_changed(
            tenant,
            change,
            {"accountEnabled": now},
            is_undone=now is was,
            is_unchanged=now is False,
            writes=[lambda: tenant.devices.update({device: was})],
        )
    rule = find_hidden_rule(tenant, change)
    is_same = before.get(RULE_ACTIONS_HASH) in (None, hash_rule_actions(rule))
    return undo_unless_changed(
        tenant,
        change,
        describe_hidden_rule(rule),
        is_undone=is_same and rule.enabled is before["Enabled"],
        is_unchanged=is_same and not rule.enabled,
        writes=[lambda: set_hidden_rule(tenant, rule, enabled=before["Enabled"] is True)],
    )


def undo_containment_change(
    tenant: FakeTenantState,
    change: ContainmentChange,
    before: Mapping[str, object],
    undo_unless_changed: UndoUnlessChanged,
) -> AppliedChange:
    """Undo one change as the port documents it."""
    match change:
        case BlockAccount():
            user = find_user(tenant, change.account_id)
            was = before["accountEnabled"] is True

            def enable() -> None:
                tenant.users[tenant.users.index(user)] = replace(user, enabled=was)

            return undo_unless_changed(
                tenant,
                change,
                {"accountEnabled": user.enabled},
                is_undone=user.enabled is was,
                is_unchanged=user.enabled is False,
                writes=[enable],
            )
        case RevokeSessions():
            raise Rejected(SESSIONS_STAY_ENDED)
        case DisableDevice() | DisableHiddenRule():
            return undo_switched_off(tenant, change, before, undo_unless_changed)
        case DisableClientProtocols():
            switches = tenant.client_switches[change.mailbox_guid]
            earlier = {name: read_switch(before[name]) for name in before}
            now = {name: switches[name] for name in earlier}
            return undo_unless_changed(
                tenant,
                change,
                now,
                is_undone=now == earlier,
                is_unchanged=all(
                    value is False or value is earlier[name] for name, value in now.items()
                ),
                writes=[lambda: switches.update(earlier)],
            )


def read_switch(value: object) -> bool | None:
    """A switch as a record holds it."""
    return value if isinstance(value, bool) else None
