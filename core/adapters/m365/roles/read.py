"""Who holds a role in Entra or Exchange, or may take one: directly, through groups, by PIM.

    role assignments, active and eligible ──┐
    role groups of Exchange, their members ─┴─► groups among them ─► members, however deep
                                                                 ├─► who may join ─► groups ...
                                                                 └─► owners

This list decides whose access may be taken away, so it is whole or it is nothing: whatever could
not be read, and whatever came back empty although it never is, leaves all of it unread. The one
exception is a group that was deleted: its assignments stay listed for hours (seen of PIM:
cisagov/ScubaGear#1305), so that group alone is unread, and a write looks at its user once more.
"""

import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from urllib.parse import quote

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.paging import fetch_paged_listing
from core.adapters.exchange.single_objects import fetch_single_objects
from core.adapters.graph.client import GraphClient
from core.adapters.m365.async_cached import AsyncCached
from core.adapters.m365.mailboxes import ALL_RESULTS
from core.adapters.m365.roles.holders import BY_ACTIVATION, ENTRA, RoleHolders
from core.adapters.m365.roles.left_out import check_nobody_is_left_out
from core.adapters.m365.roles.parse import (
    ACTIVE_PATH,
    ELIGIBLE_PATH,
    GROUP,
    READ_ROLES,
    UNKNOWN,
    USER_PROPERTIES,
    parse_all,
    parse_group_member,
    parse_module_user,
    parse_principal,
    parse_role_assignment,
)
from core.adapters.m365.roles.role_groups import collect_role_groups
from core.adapters.m365.sign_ins import read_app_sign_ins
from core.adapters.parsing import ResponseRow, parse_object_id, parse_text
from core.adapters.read_errors import build_read_failure
from core.errors import Forbidden, NoLicence, NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.assumptions.graph_directory import (
    ELIGIBILITY_ROLE,
    HOLDER_DELETED,
    NESTED_MEMBERS,
    PIM_GROUPS,
)
from core.tenant.directory import ModuleUser, RoleHolder
from core.tenant.readings import Reading
from core.tenant.sources import MODULE_SIGN_INS, MODULE_USERS

RELIES_ON = (
    ELIGIBILITY_ROLE,
    HOLDER_DELETED,
    NESTED_MEMBERS,
    PIM_GROUPS,
    "exchange-powershell-filter",
    "exchange-powershell-app-id",
)
READ_GROUPS = "GroupMember.Read.All"
# "Microsoft Exchange REST API Based Powershell" (Microsoft Learn: application ids of commonly used
# Microsoft applications).
MODULE_APP_ID = "fb78d390-0c51-40cd-8e17-fdbfab77341b"
READ_HIDDEN = "Member.Read.Hidden"
READ_ELIGIBILITY = "PrivilegedEligibilitySchedule.Read.AzureADGroup"
GROUP_ELIGIBILITY_PATH = "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"
# More than this is no list of administrators, and each costs requests.
MAX_GROUPS = 2_000
MAX_HOLDERS = 50_000
MEMBER_SELECT = "$select=id,displayName,userPrincipalName"
# Seconds after which changes read the role holders again.
ROLE_HOLDERS_TTL = 300.0


class M365RoleReader:
    """Implements RoleReader. Role holders are read once a run, and again after five minutes."""

    def __init__(self, graph: GraphClient, exchange: ExchangeClient) -> None:
        self.graph = graph
        self.exchange = exchange
        self.cached_holders: AsyncCached[RoleHolders] | None = None
        self.cached_at = 0.0

    async def read_role_holders(
        self, known: Mapping[str, Collection[str]] | None = None
    ) -> Reading[RoleHolder]:
        """The role holders, read at most five minutes ago."""
        found = await self.read_recent_holders()
        if known:
            await check_nobody_is_left_out(self.graph, found, known)
        return found.to_reading()

    async def read_recent_holders(self) -> RoleHolders:
        """The role holders as this run read them at most ROLE_HOLDERS_TTL seconds ago."""
        now = time.monotonic()
        if self.cached_holders is None or now - self.cached_at > ROLE_HOLDERS_TTL:
            self.cached_holders = AsyncCached(
                partial(fetch_role_holders, self.graph, self.exchange)
            )
            self.cached_at = now
        return await self.cached_holders()

    def list_module_users(self) -> AsyncIterator[Reading[ModuleUser]]:
        """The users who may use Exchange PowerShell, found by Exchange itself.

        Only the old name can be filtered by (Microsoft Learn: Enable or disable access to Exchange
        Online PowerShell); what each row itself tells is what counts. The PowerShell module turns
        $true into 'True' before it sends a filter. Administrators have access in every tenant, so
        an empty list is a filter that was not understood.
        """
        command = Command(
            "Get-User",
            {**ALL_RESULTS, "Filter": "RemotePowerShellEnabled -eq 'True'"},
            USER_PROPERTIES,
        )
        return fetch_paged_listing(
            self.exchange,
            MODULE_USERS,
            command,
            parse_module_user,
            lambda one: one.id,
            "",
            never_empty=True,
        )

    async def read_module_users(self, ids: Sequence[str]) -> Reading[ModuleUser]:
        """A few users, also those who may not use it. One that is gone is absent."""
        commands = {one: Command("Get-User", {"Identity": one}, USER_PROPERTIES) for one in ids}
        objects = await fetch_single_objects(
            self.exchange,
            commands,
            parse_module_user,
            lambda asked, user: asked.lower() in (user.id, user.guid),
        )
        return objects.build_reading(MODULE_USERS)

    async def read_module_sign_ins(self, since: datetime) -> Reading[str]:
        """The accounts in the sign-in log of Exchange PowerShell."""
        try:
            found = await read_app_sign_ins(self.graph, MODULE_APP_ID, since)
        except TenantError as error:
            failure = replace(build_read_failure(MODULE_SIGN_INS, error), optional=True)
            return Reading(failures=(failure,), sources=frozenset({MODULE_SIGN_INS}))
        return Reading(tuple(sorted(found)), (), frozenset({MODULE_SIGN_INS}), len(found))


async def fetch_role_holders(graph: GraphClient, exchange: ExchangeClient) -> RoleHolders:
    """The whole list. Raises nothing: failures are part of it."""
    role_holders = RoleHolders()
    await collect_role_assignments(graph, role_holders)
    await collect_role_groups(exchange, role_holders)
    while role_holders.pending_groups:
        if len(role_holders.groups) > MAX_GROUPS or len(role_holders.holders) > MAX_HOLDERS:
            role_holders.add_failure(
                f"more than {MAX_GROUPS} groups or {MAX_HOLDERS} members hold roles"
            )
            break
        waiting, role_holders.pending_groups = role_holders.pending_groups, {}
        await collect_group_members(graph, role_holders, waiting)
    if not role_holders.failures and not has_global_admin(role_holders):
        role_holders.add_failure("no Global Administrator was listed, and every tenant has one")
    return role_holders


def has_global_admin(role_holders: RoleHolders) -> bool:
    """True when a principal, not only a group, is Global Administrator."""
    return any(
        bool(role_holders.members.get(one)) if one in role_holders.members else kind != GROUP
        for one, kind in role_holders.global_admins.items()
    )


async def fetch_collection(graph: GraphClient, path: str, permission: str) -> list[ResponseRow]:
    """A whole collection. Raises TenantError, also half way."""
    return [row async for page in graph.read_pages(path, permission) for row in page]


async def collect_role_assignments(graph: GraphClient, role_holders: RoleHolders) -> None:
    """Whom roles were given, in force or to be activated.

    Without a licence for PIM no role can be activated, so that refusal means an empty list.
    """
    for path, through in ((ACTIVE_PATH, ENTRA), (ELIGIBLE_PATH, BY_ACTIVATION)):
        try:
            rows = await fetch_collection(graph, f"{path}?$expand=principal", READ_ROLES)
            if not rows and through == ENTRA:
                raise Unavailable("no role is assigned to anybody, which no tenant can be")
            for one in parse_all(rows, parse_role_assignment):
                role_holders.add_principal(one, through)
        except NoLicence:
            if through == ENTRA:
                role_holders.add_failure("role assignments were refused for want of a licence")
        except TenantError as error:
            role_holders.add_failure(error)


async def collect_group_members(
    graph: GraphClient, role_holders: RoleHolders, pending_groups: dict[str, str]
) -> None:
    """The members of groups, and who may activate a membership or ownership of them.

    Members are listed with those of nested groups, cycles included (Microsoft Learn: Graph "List
    group transitive members"). Nested groups are looked into for those who may join them.
    """
    answers: dict[str, list[ResponseRow] | TenantError] = {}
    paths = {
        one: f"/groups/{quote(one, safe='')}/transitiveMembers?{MEMBER_SELECT}"
        for one in pending_groups
    }
    await graph.get_collections(paths, READ_GROUPS, answers.__setitem__)
    there: list[str] = []
    for group, kind in pending_groups.items():
        try:
            if await add_group_members(graph, role_holders, group, kind, answers[group]):
                there.append(group)
        except TenantError as error:
            role_holders.add_failure(error)
    await collect_owners(graph, role_holders, there)
    for group in there:
        await collect_eligible_members(graph, role_holders, group)


async def add_group_members(
    graph: GraphClient,
    role_holders: RoleHolders,
    group: str,
    kind: str,
    answer: list[ResponseRow] | TenantError,
) -> bool:
    """Take the members of one group; False when it turned out to be none. Raises TenantError."""
    if isinstance(answer, NotFound) and kind == UNKNOWN:
        # The kind was unknown, and Graph knows no group of this id.
        role_holders.groups.discard(group)
        return False
    if isinstance(answer, NotFound) and group not in role_holders.exchange_members:
        role_holders.unread_groups[group] = answer
        return False
    if isinstance(answer, TenantError):
        raise answer
    members = list(parse_all(answer, parse_group_member))
    if not members:
        await check_membership_visible(graph, group)
    through = role_holders.holders[group]
    for one in members:
        role_holders.add_principal(one, through)
    role_holders.members[group] = {one.id for one in members if one.kind != GROUP}
    role_holders.nested_groups[group] = {one.id for one in members if one.kind == GROUP}
    return True


async def check_membership_visible(graph: GraphClient, group: str) -> None:
    """Raise Forbidden when a group only seems empty, because its membership is hidden.

    Microsoft Learn: Graph "List group members" names the permission that hidden ones take.
    """
    row = await graph.get(f"/groups/{quote(group, safe='')}?$select=id,visibility", READ_GROUPS)
    if parse_object_id(row.get("id")) != group:
        raise Unavailable("Graph answered with another group than was asked for")
    if parse_text(row.get("visibility"), 50).lower() == "hiddenmembership":
        raise Forbidden("a group that holds a role hides its members", READ_HIDDEN)


async def collect_owners(
    graph: GraphClient, role_holders: RoleHolders, groups: Sequence[str]
) -> None:
    """Who owns groups, and may put anybody into them, themselves too.

    Of a group that was made in Exchange or on premises Graph knows no owners (Microsoft Learn:
    Graph "List group owners").
    """
    answers: dict[str, list[ResponseRow] | TenantError] = {}
    paths = {one: f"/groups/{quote(one, safe='')}/owners?{MEMBER_SELECT}" for one in groups}
    await graph.get_collections(paths, READ_GROUPS, answers.__setitem__)
    for group in groups:
        answer = answers[group]
        try:
            if isinstance(answer, NotFound | Rejected):
                continue
            if isinstance(answer, TenantError):
                raise answer
            for one in parse_all(answer, parse_group_member):
                role_holders.add_owner(group, one)
        except TenantError as error:
            role_holders.add_failure(error)


async def collect_eligible_members(
    graph: GraphClient, role_holders: RoleHolders, group: str
) -> None:
    """Who may activate a membership of a group, or own it and let anybody in.

    A group that PIM does not manage has no eligible members.
    """
    path = f"{GROUP_ELIGIBILITY_PATH}?$filter={quote(f"groupId eq '{group}'", safe="'")}"
    try:
        rows = await fetch_collection(graph, path, READ_ELIGIBILITY)
        for one in parse_all(rows, parse_principal):
            role_holders.add_principal(one, BY_ACTIVATION)
            role_holders.members[group].add(one.id)
    except (NoLicence, NotFound):
        return
    except TenantError as error:
        role_holders.add_failure(error)
