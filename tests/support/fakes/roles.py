"""Who administers a fake tenant, and what disabling Exchange PowerShell does to it."""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from core.errors import Forbidden, NotFound, Rejected, Superseded, Unavailable
from core.tenant.changes import AppliedChange, DisableExchangeModule
from core.tenant.directory import ModuleUser, RoleHolder
from core.tenant.readings import Reading
from core.tenant.sources import MODULE_SIGN_INS, MODULE_USERS, ROLE_HOLDERS
from tests.support.fakes.state import FakeTenantState


def disable_exchange_module(
    tenant: FakeTenantState, change: DisableExchangeModule
) -> AppliedChange:
    found = [one for one in tenant.powershell_users if one.guid == change.user_guid]
    if not found:
        raise NotFound("the user is gone")
    user = found[0]
    if user.id != change.user_id:
        raise Superseded("the user has another account now")
    if not user.enabled:
        return AppliedChange({"EXOModuleEnabled": False}, unchanged=True)
    if not user.has_account:
        raise Rejected("the user has no Entra account whose roles could be looked at")
    ensure_no_role(tenant, user)
    before = {"EXOModuleEnabled": True}
    with tenant.record_write(change, before):
        tenant.powershell_users[tenant.powershell_users.index(user)] = replace(user, enabled=False)
    return AppliedChange(before)


def ensure_no_role(tenant: FakeTenantState, user: ModuleUser) -> None:
    """Raise for a user who holds a role, or when that is unknown."""
    for (source, _), failure in tenant.failures.items():
        if source == ROLE_HOLDERS:
            raise (
                Forbidden("not known", failure.permission)
                if failure.permission
                else Unavailable("")
            )
    holders = {one.id for one in tenant.holders} | tenant.unlisted_holders
    if not holders.isdisjoint({user.id, user.guid}):
        raise Rejected("the user holds a role, or may", verdict="protected")
    if not any(
        one.enabled and not holders.isdisjoint({one.id, one.guid})
        for one in tenant.powershell_users
    ):
        raise Rejected("no administrator was seen to have Exchange PowerShell")


@dataclass(frozen=True, slots=True)
class FakeRoleReader:
    """RoleReader of a fake tenant."""

    tenant: FakeTenantState

    async def read_module_sign_ins(self, since: datetime) -> Reading[str]:
        return self.tenant.build_reading(
            MODULE_SIGN_INS, self.tenant.module_sign_ins, lambda account_id: account_id
        )

    async def read_role_holders(
        self, known: Mapping[str, Collection[str]] | None = None
    ) -> Reading[RoleHolder]:
        return self.tenant.build_reading(
            ROLE_HOLDERS, self.tenant.holders, lambda holder: holder.id
        )

    async def list_module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        found = [one for one in self.tenant.powershell_users if one.enabled]
        seen = self.tenant.build_reading(MODULE_USERS, found, lambda one: one.id)
        for part in self.tenant.paginate(seen, lambda one: one.id, ""):
            yield part

    async def read_module_users(self, ids: Sequence[str]) -> Reading[ModuleUser]:
        found = [one for one in self.tenant.powershell_users if {one.id, one.guid} & set(ids)]
        seen = self.tenant.build_reading(MODULE_USERS, found, lambda one: one.id, ids)
        return replace(seen, complete=True)


# A scene in wire form -----------------------------------------------------------------------------


def find_role_holders(graph: dict[str, Any], exchange: dict[str, Any]) -> set[str]:
    """Every principal in a scene that holds a role or may take one.

    It follows the scene itself, so that the adapters have something to be compared with.
    """
    found: set[str] = set()
    waiting = [*find_direct_assignees(graph, exchange)]
    groups = {row["id"]: row for row in graph["groups"]}
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        waiting += groups.get(one, {}).get("members", ())
        found |= set(groups.get(one, {}).get("owners", ()))
        waiting += [
            row["principalId"]
            for row in graph["groupEligibility"]
            if row["groupId"] == one and one in groups
        ]
    return found


def find_direct_assignees(graph: dict[str, Any], exchange: dict[str, Any]) -> Iterator[str]:
    """Whom roles are given directly, in Entra and in Exchange."""
    for name in ("roleAssignments", "roleEligibilityScheduleInstances"):
        yield from (row["principalId"] for row in graph[name])
    for members in exchange["Get-RoleGroupMember"].values():
        for row in members:
            if row["RecipientTypeDetails"] != "RoleGroup":
                names = (row.get("ExternalDirectoryObjectId"), row.get("Guid"))
                yield from (name for name in names if name)
