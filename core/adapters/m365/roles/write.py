"""Taking Exchange PowerShell from one user, after a look at that user that believes no list alone.

Whoever administers a tenant without it is locked out, so the write is refused rather than risked:
nobody named by the lists of this run, nobody whom Graph tells to hold a role right now, and nothing
at all unless somebody else who administers is seen to keep their access.
"""

from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import quote

from core.adapters.exchange.client import Exchange
from core.adapters.graph.client import Graph
from core.adapters.m365.graph_queries import READ_USERS, user
from core.adapters.m365.parsing import object_id, text
from core.adapters.m365.roles.parse import USER_PROPERTIES, module_user
from core.adapters.m365.roles.read import (
    ACTIVE,
    ELIGIBLE,
    MAY_JOIN,
    READ_ELIGIBILITY,
    READ_ROLES,
    Roster,
    every,
)
from core.adapters.m365.verified_write import (
    Sleep,
    begun,
    confirm,
    put_back,
    switch_back,
    understood,
)
from core.errors import Forbidden, Gone, Moot, NoLicence, Refused, Unavailable
from core.tenant.changes import Applied, DisableExchangeModule
from core.tenant.directory import ModuleUser
from core.tenant.reversibility import SWITCHED

GROUP_TYPE = "#microsoft.graph.group"
HARMLESS = frozenset({GROUP_TYPE, "#microsoft.graph.administrativeunit"})
KEEPERS = 40
PROTECTED = "protected"

type Rostering = Callable[[], Awaitable[Roster]]


async def disable_exchange_module(
    graph: Graph,
    exchange: Exchange,
    change: DisableExchangeModule,
    rostering: Rostering,
    sleep: Sleep,
) -> Applied:
    """Set EXOModuleEnabled to false for a user who holds nothing. Raises as `Tenant.apply`."""

    async def look() -> ModuleUser:
        return await one_user(exchange, change.user_guid)

    found = await look()
    if found.id != change.user_id:
        raise Moot("the user has another account now")
    if not found.enabled:
        return Applied({"EXOModuleEnabled": False}, already=True)
    if not found.has_account:
        raise Refused("the user has no Entra account whose roles could be looked at")
    roster = whole(await rostering())
    if not roster.holders.keys().isdisjoint({found.id, found.guid}):
        raise Refused("the user holds a role, or may", verdict=PROTECTED)
    await check_keeper(exchange, roster)
    await check_roles(graph, roster, found.id)
    before = {"EXOModuleEnabled": True}
    with begun(before):
        await set_module(exchange, found.guid, enabled=False)
        await confirm(look, lambda one: not one.enabled, sleep)
    return Applied(before)


async def restore_exchange_module(
    exchange: Exchange, change: DisableExchangeModule, before: Mapping[str, object], sleep: Sleep
) -> Applied:
    """Give a user Exchange PowerShell again. Nobody is locked out by that, whoever holds a role."""

    async def look() -> bool:
        found = await one_user(exchange, change.user_guid)
        if found.id != change.user_id:
            raise Moot("the user has another account now")
        return found.enabled

    name, left = SWITCHED["DisableExchangeModule"]
    undo = switch_back(
        look,
        lambda was: set_module(exchange, change.user_guid, enabled=was),
        name,
        before[name] is True,
        left,
    )
    return await put_back(undo, sleep)


async def set_module(exchange: Exchange, guid: str, *, enabled: bool) -> None:
    """Set EXOModuleEnabled of one user."""
    await exchange.invoke("Set-User", {"Identity": guid, "EXOModuleEnabled": enabled})


async def one_user(exchange: Exchange, identity: str) -> ModuleUser:
    """A user by id. Raises Gone, or Unavailable for anybody else's row."""
    rows = await exchange.invoke("Get-User", {"Identity": identity}, select=USER_PROPERTIES)
    if not rows:
        raise Gone("the user is gone")
    found = understood(module_user, rows[0])
    if len(rows) > 1 or identity not in (found.id, found.guid):
        raise Unavailable("Exchange answered with another user than was asked for")
    return found


def whole(roster: Roster) -> Roster:
    """The roster. Raises Forbidden or Unavailable where not all of it was read."""
    miss = roster.trouble
    if miss is None:
        return roster
    reason = f"who holds roles is not known: {miss.reason}"
    raise Forbidden(reason, miss.permission) if miss.permission else Unavailable(reason)


async def check_keeper(exchange: Exchange, roster: Roster) -> None:
    """Raise Refused unless somebody who administers is seen to have access.

    Not every holder is a user of Exchange; the first ones that are tell.
    """
    if roster.keeper:
        return
    for identity in sorted(roster.holders, key=roster.nearness)[:KEEPERS]:
        try:
            found = await one_user(exchange, identity)
        except (Gone, Refused):
            continue
        if found.enabled:
            roster.keeper = found.guid
            return
    raise Refused("no administrator was seen to have Exchange PowerShell")


async def check_roles(graph: Graph, roster: Roster, user_id: str) -> None:
    """Raise Refused for a user who holds a role now, or may, whatever the lists said.

    transitiveMemberOf names the roles and groups a user is in; the assignments also know roles
    within a part of the directory, roles the tenant made itself, and what can be activated.
    """
    for row in await every(graph, f"{user(user_id)}/transitiveMemberOf?$select=id", READ_USERS):
        kind = text(row.get("@odata.type"), 100).lower()
        if kind not in HARMLESS or object_id(row.get("id")) in roster.groups:
            raise Refused("the user is in a role, or in a group that holds one", verdict=PROTECTED)
    by_user = quote(f"principalId eq '{user_id}'", safe="'")
    for path, permission in (
        (ACTIVE, READ_ROLES),
        (ELIGIBLE, READ_ROLES),
        (MAY_JOIN, READ_ELIGIBILITY),
    ):
        try:
            rows = await every(graph, f"{path}?$filter={by_user}", permission)
        except NoLicence:
            if path == ACTIVE:
                raise
            continue
        if path == MAY_JOIN:
            rows = [row for row in rows if object_id(row.get("groupId")) in (*roster.groups, "")]
        if rows:
            raise Refused("the user was given a role, or may activate one", verdict=PROTECTED)
