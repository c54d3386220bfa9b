"""Disables Exchange PowerShell for one user, after checks that do not rely on any list alone.

An administrator without it is locked out, so the write is refused rather than risked: for a user
named in the lists of this run, for a user who holds a role in Graph right now, and for any user
unless another administrator verifiably keeps access.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.accounts import READ_USERS, build_user_path
from core.adapters.m365.roles.holders import RoleHolders
from core.adapters.m365.roles.parse import (
    ACTIVE_PATH,
    ELIGIBLE_PATH,
    READ_ROLES,
    USER_PROPERTIES,
    parse_module_user,
)
from core.adapters.m365.roles.read import (
    GROUP_ELIGIBILITY_PATH,
    READ_ELIGIBILITY,
    fetch_collection,
)
from core.adapters.m365.verified_write import (
    Sleep,
    UndoProcedure,
    parse_row_for_change,
    run_undo,
    write_verified,
)
from core.adapters.parsing import parse_object_id, parse_text
from core.errors import Forbidden, NoLicence, NotFound, Rejected, Superseded, Unavailable
from core.tenant.changes import AppliedChange, DisableExchangeModule
from core.tenant.directory import ModuleUser
from core.tenant.reversibility import SWITCH_CHANGES

RELIES_ON = ("exchange-module-write",)

GROUP_TYPE = "#microsoft.graph.group"
IGNORED_MEMBERSHIPS = frozenset({GROUP_TYPE, "#microsoft.graph.administrativeunit"})
MAX_ADMIN_LOOKUPS = 40
PROTECTED = "protected"

type RoleHoldersReader = Callable[[], Awaitable[RoleHolders]]


async def disable_exchange_module(
    graph: GraphClient,
    exchange: ExchangeClient,
    change: DisableExchangeModule,
    read_role_holders: RoleHoldersReader,
    sleep: Sleep,
) -> AppliedChange:
    """Set EXOModuleEnabled to false for a user without a role. Raises as `TenantWriter.apply`."""

    async def read_current() -> ModuleUser:
        return await read_module_user(exchange, change.user_guid)

    found = await read_current()
    if found.id != change.user_id:
        raise Superseded("the user has another account now")
    if not found.enabled:
        return AppliedChange({"EXOModuleEnabled": False}, unchanged=True)
    if not found.has_account:
        raise Rejected("the user has no Entra account whose roles could be looked at")
    role_holders = require_all_role_holders(await read_role_holders())
    if not role_holders.holders.keys().isdisjoint({found.id, found.guid}):
        raise Rejected("the user holds a role, or may", verdict=PROTECTED)
    await check_admin_keeps_access(exchange, role_holders)
    await check_holds_no_role(graph, role_holders, found.id)
    before = {"EXOModuleEnabled": True}
    await write_verified(
        lambda: set_module_access(exchange, found, enabled=False),
        read_current,
        lambda one: not one.enabled,
        before,
        sleep,
    )
    return AppliedChange(before)


async def undo_disable_exchange_module(
    exchange: ExchangeClient,
    change: DisableExchangeModule,
    before: Mapping[str, object],
    sleep: Sleep,
) -> AppliedChange:
    """Allow a user Exchange PowerShell again. This locks nobody out, whatever roles they hold."""

    async def read_current() -> ModuleUser:
        found = await read_module_user(exchange, change.user_guid)
        if found.id != change.user_id:
            raise Superseded("the user has another account now")
        return found

    name, left = SWITCH_CHANGES["DisableExchangeModule"]
    was = before[name] is True
    undo = UndoProcedure[ModuleUser](
        read_current,
        to_record=lambda now: {name: now.enabled},
        is_as_before=lambda now: now.enabled is was,
        is_as_applied=lambda now: now.enabled is left,
        write=lambda now: set_module_access(exchange, now, enabled=was),
    )
    return await run_undo(undo, sleep)


async def set_module_access(exchange: ExchangeClient, user: ModuleUser, *, enabled: bool) -> None:
    """Set EXOModuleEnabled of one user, on the server of the user's mailbox."""
    await exchange.invoke(
        "Set-User",
        {"Identity": user.guid, "EXOModuleEnabled": enabled},
        anchor=f"UPN:{user.name}" if "@" in user.name else user.guid,
    )


async def read_module_user(exchange: ExchangeClient, identity: str) -> ModuleUser:
    """A user by id. Raises NotFound, or Unavailable for another user's row."""
    rows = await exchange.invoke("Get-User", {"Identity": identity}, select=USER_PROPERTIES)
    if not rows:
        raise NotFound("the user is gone")
    found = parse_row_for_change(parse_module_user, rows[0])
    if len(rows) > 1 or identity not in (found.id, found.guid):
        raise Unavailable("Exchange answered with another user than was asked for")
    return found


def require_all_role_holders(role_holders: RoleHolders) -> RoleHolders:
    """The role holders. Raises Forbidden or Unavailable where not all of it was read."""
    failure = role_holders.first_failure
    if failure is None:
        return role_holders
    reason = f"who holds roles is not known: {failure.reason}"
    raise Forbidden(reason, failure.permission) if failure.permission else Unavailable(reason)


async def check_admin_keeps_access(exchange: ExchangeClient, role_holders: RoleHolders) -> None:
    """Raise Rejected unless an administrator verifiably keeps access.

    Not every holder is a user of Exchange; the first ones that are tell.
    """
    if role_holders.confirmed_admin:
        return
    for identity in sorted(role_holders.holders, key=role_holders.get_lookup_order)[
        :MAX_ADMIN_LOOKUPS
    ]:
        try:
            found = await read_module_user(exchange, identity)
        except (NotFound, Rejected):
            continue
        if found.enabled:
            role_holders.confirmed_admin = found.guid
            return
    raise Rejected("no administrator was seen to have Exchange PowerShell")


async def check_holds_no_role(graph: GraphClient, role_holders: RoleHolders, user_id: str) -> None:
    """Raise Rejected for a user who holds or may take a role now, whatever the lists said.

    transitiveMemberOf names the roles and groups a user is in; the assignments also know roles
    within a part of the directory, roles the tenant made itself, and what can be activated.
    """
    for row in await fetch_collection(
        graph, f"{build_user_path(user_id)}/transitiveMemberOf?$select=id", READ_USERS
    ):
        kind = parse_text(row.get("@odata.type"), 100).lower()
        if kind not in IGNORED_MEMBERSHIPS or parse_object_id(row.get("id")) in role_holders.groups:
            raise Rejected("the user is in a role, or in a group that holds one", verdict=PROTECTED)
    by_user = quote(f"principalId eq '{user_id}'", safe="'")
    for path, permission in (
        (ACTIVE_PATH, READ_ROLES),
        (ELIGIBLE_PATH, READ_ROLES),
        (GROUP_ELIGIBILITY_PATH, READ_ELIGIBILITY),
    ):
        try:
            rows = await fetch_collection(graph, f"{path}?$filter={by_user}", permission)
        except NoLicence:
            if path == ACTIVE_PATH:
                raise
            continue
        if path == GROUP_ELIGIBILITY_PATH:
            rows = [
                row
                for row in rows
                if parse_object_id(row.get("groupId")) in (*role_holders.groups, "")
            ]
        if rows:
            raise Rejected("the user was given a role, or may activate one", verdict=PROTECTED)
