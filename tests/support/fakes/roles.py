"""Who administers a `FakeTenant`, and what taking Exchange PowerShell away does to it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.errors import Forbidden, Gone, Moot, Refused, Unavailable
from core.tenant.changes import Applied, DisableExchangeModule
from core.tenant.directory import ModuleUser, RoleHolder
from core.tenant.surfaces import ROLE_HOLDERS
from sandbox.scenes.default_roles import CHIEF, CHIEF_GUID

if TYPE_CHECKING:
    from tests.support.fakes.tenant import FakeTenant

HOLDER = RoleHolder(CHIEF, "entra")
KEEPER = ModuleUser(CHIEF, CHIEF_GUID, "chief@sandbox.example", "User")


def disable_exchange_module(tenant: "FakeTenant", change: DisableExchangeModule) -> Applied:
    found = [one for one in tenant.module if one.guid == change.user_guid]
    if not found:
        raise Gone("the user is gone")
    user = found[0]
    if user.id != change.user_id:
        raise Moot("the user has another account now")
    if not user.enabled:
        return Applied({"EXOModuleEnabled": False}, already=True)
    if not user.has_account:
        raise Refused("the user has no Entra account whose roles could be looked at")
    check_roles(tenant, user)
    before = {"EXOModuleEnabled": True}
    with tenant.write(change, before):
        tenant.module[tenant.module.index(user)] = replace(user, enabled=False)
    return Applied(before)


def check_roles(tenant: "FakeTenant", user: ModuleUser) -> None:
    """Raise for a user who holds a role, or when that cannot be told."""
    for (surface, _), miss in tenant.failures.items():
        if surface == ROLE_HOLDERS:
            raise Forbidden("not known", miss.permission) if miss.permission else Unavailable("")
    holders = {one.id for one in tenant.holders} | tenant.holding_now
    if not holders.isdisjoint({user.id, user.guid}):
        raise Refused("the user holds a role, or may", verdict="protected")
    if not any(one.enabled and not holders.isdisjoint({one.id, one.guid}) for one in tenant.module):
        raise Refused("no administrator was seen to have Exchange PowerShell")


# A scene in wire form -----------------------------------------------------------------------------


def holders_in(graph: dict[str, Any], exchange: dict[str, Any]) -> set[str]:
    """Everybody in a scene who holds a role or may: persons, groups and what else there is.

    It follows the scene itself, so that the adapters have something to be compared with.
    """
    found: set[str] = set()
    waiting = [*given(graph, exchange)]
    groups = {row["id"]: row for row in graph["groups"]}
    while waiting:
        one = waiting.pop()
        if one in found:
            continue
        found.add(one)
        waiting += groups.get(one, {}).get("members", ())
        waiting += [
            row["principalId"]
            for row in graph["groupEligibility"]
            if row["groupId"] == one and one in groups
        ]
    return found


def given(graph: dict[str, Any], exchange: dict[str, Any]) -> Iterator[str]:
    """Whom roles are given directly, in Entra and in Exchange."""
    for name in ("roleAssignments", "roleEligibilityScheduleInstances"):
        yield from (row["principalId"] for row in graph[name])
    for members in exchange["Get-RoleGroupMember"].values():
        for row in members:
            if row["RecipientTypeDetails"] != "RoleGroup":
                names = (row.get("ExternalDirectoryObjectId"), row.get("Guid"))
                yield from (name for name in names if name)
