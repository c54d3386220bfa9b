"""One account of a fake tenant: what is read before it is contained, and the changes that do it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.errors import NotFound, Rejected
from core.tenant.changes import (
    CLIENT_PROTOCOLS,
    AppliedChange,
    BlockAccount,
    ContainmentChange,
    DisableClientProtocols,
    RevokeSessions,
)
from core.tenant.containing import AccountDetail, DetailKind, TargetAccount
from core.tenant.directory import Account
from core.tenant.readings import Reading
from core.tenant.reversibility import SESSIONS_STAY_ENDED, SESSIONS_VALID_FROM
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
