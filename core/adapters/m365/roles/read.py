"""Who holds a role in Entra or Exchange, or may take one: directly, through groups, by PIM.

    role assignments, active and eligible ──┐
    role groups of Exchange, their members ─┴─► groups among them ─► members, however deep
                                                                 └─► who may join ─► groups ...

This list decides whose access may be taken away, so it is whole or it is nothing: whatever could
not be read, and whatever came back empty although it never is, leaves all of it unread.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from urllib.parse import quote

from core.adapters.exchange.client import Command, Exchange
from core.adapters.exchange.paging import paged
from core.adapters.graph.client import Graph
from core.adapters.m365.exchange_queries import ALL
from core.adapters.m365.parsing import Row, object_id, text
from core.adapters.m365.roles.parse import (
    GLOBAL_ADMINISTRATOR,
    GROUP,
    MEMBER_PROPERTIES,
    OTHER,
    ROLE_GROUP_PROPERTIES,
    UNKNOWN,
    USER_PROPERTIES,
    Member,
    Principal,
    RoleGroup,
    member,
    module_user,
    principal,
    role,
    role_group,
    role_group_member,
)
from core.adapters.read_errors import unread
from core.errors import Forbidden, Gone, NoLicence, TenantError, Unavailable
from core.tenant.directory import ModuleUser, RoleHolder
from core.tenant.readings import Reading, Unread
from core.tenant.surfaces import MODULE_USERS, ROLE_HOLDERS

READ_ROLES = "RoleManagement.Read.Directory"
READ_GROUPS = "GroupMember.Read.All"
READ_HIDDEN = "Member.Read.Hidden"
READ_ELIGIBILITY = "PrivilegedEligibilitySchedule.Read.AzureADGroup"
ROLES = "/roleManagement/directory"
ACTIVE = f"{ROLES}/roleAssignments"
ELIGIBLE = f"{ROLES}/roleEligibilityScheduleInstances"
MAY_JOIN = "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"

# More than this is no list of administrators, and each costs requests.
GROUPS = 2_000
HOLDERS = 50_000
COMMANDS = 200

ENTRA, BY_ACTIVATION, EXCHANGE = "entra", "eligible", "exchange"


@dataclass(slots=True)
class Roster:
    """Everybody with a role as far as is known, and why that is not all, if so.

    `groups` are those a role, active or eligible, comes through; `waiting` those among them whose
    members are still to be asked for. `members` are the members of each. `chiefs` are the
    principals given the role of Global Administrator. `keeper` is an administrator who was seen to
    have Exchange PowerShell.
    """

    holders: dict[str, str] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)
    waiting: dict[str, str] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)
    chiefs: dict[str, str] = field(default_factory=dict)
    missed: dict[Unread, None] = field(default_factory=dict)
    keeper: str = ""

    def miss(self, error: TenantError | str) -> None:
        """Something of it was not read, so nothing may be concluded from it."""
        self.missed[unread(ROLE_HOLDERS, error)] = None

    def take(self, one: Principal, through: str) -> None:
        """Somebody with a role, or a group whose members have it: both, where nobody said."""
        self.holders.setdefault(one.id, through)
        if one.kind in (GROUP, UNKNOWN) and one.id not in self.groups:
            self.groups.add(one.id)
            self.waiting[one.id] = one.kind
        elif one.kind == GROUP and one.id in self.waiting:
            self.waiting[one.id] = GROUP
        if one.role == GLOBAL_ADMINISTRATOR:
            self.chiefs[one.id] = one.kind

    def nearness(self, one: str) -> tuple[bool, bool, str]:
        """Sorts holders so that those who most likely use Exchange PowerShell come first."""
        return (one in self.groups, self.holders[one] != EXCHANGE, one)

    @property
    def trouble(self) -> Unread | None:
        """Why it is not whole; what a person can mend comes first."""
        return min(self.missed, key=lambda miss: not miss.permission, default=None)

    def reading(self) -> Reading[RoleHolder]:
        """The list as the port has it."""
        return Reading(
            items=tuple(RoleHolder(one, self.holders[one]) for one in sorted(self.holders)),
            unread=tuple(self.missed),
            surfaces=frozenset({ROLE_HOLDERS}),
            population=len(self.holders),
        )


async def roster_of(graph: Graph, exchange: Exchange) -> Roster:
    """The whole list. It raises nothing: what was not read is in it."""
    roster = Roster()
    await take_roles(graph, roster)
    await take_role_groups(exchange, roster)
    while roster.waiting:
        if len(roster.groups) > GROUPS or len(roster.holders) > HOLDERS:
            roster.miss(f"more than {GROUPS} groups or {HOLDERS} members hold roles")
            break
        waiting, roster.waiting = roster.waiting, {}
        await take_members(graph, roster, waiting)
    if not roster.missed and not has_chief(roster):
        roster.miss("no Global Administrator was listed, and every tenant has one")
    return roster


def has_chief(roster: Roster) -> bool:
    """True when somebody, not only a group, is Global Administrator."""
    return any(
        bool(roster.members.get(one)) if one in roster.members else kind != GROUP
        for one, kind in roster.chiefs.items()
    )


def parsed[T](rows: Iterable[Row], parse: Callable[[Row], T]) -> Iterator[T]:
    """The rows understood, every one of them. Raises Unavailable."""
    for row in rows:
        try:
            yield parse(row)
        except ValueError as error:
            raise Unavailable(str(error)) from error


# ----------------------------------------------------------------------------------------------
# Entra
# ----------------------------------------------------------------------------------------------


async def every(graph: Graph, path: str, permission: str) -> list[Row]:
    """A whole collection. Raises TenantError, also half way."""
    return [row async for page in graph.pages(path, permission) for row in page]


async def take_roles(graph: Graph, roster: Roster) -> None:
    """Whom roles were given, in force or to be activated.

    Where PIM is not licensed nobody can activate anything, so that refusal is an answer.
    """
    for path, through in ((ACTIVE, ENTRA), (ELIGIBLE, BY_ACTIVATION)):
        try:
            rows = await every(graph, f"{path}?$expand=principal", READ_ROLES)
            if not rows and through == ENTRA:
                raise Unavailable("no role is assigned to anybody, which no tenant can be")
            for one in parsed(rows, role):
                roster.take(one, through)
        except NoLicence:
            if through == ENTRA:
                roster.miss("role assignments were refused for want of a licence")
        except TenantError as error:
            roster.miss(error)


async def take_members(graph: Graph, roster: Roster, waiting: dict[str, str]) -> None:
    """The members of groups, and who may activate a membership or ownership of them.

    Members are listed with those of nested groups, cycles included (Microsoft Learn: Graph "List
    group transitive members"). Nested groups are looked into for those who may join them.
    """
    answers: dict[str, list[Row] | TenantError] = {}
    paths = {one: f"/groups/{quote(one, safe='')}/transitiveMembers?$select=id" for one in waiting}
    await graph.lists(paths, READ_GROUPS, answers.__setitem__)
    there: list[str] = []
    for group, kind in waiting.items():
        try:
            if await took(graph, roster, group, kind, answers[group]):
                there.append(group)
        except TenantError as error:
            roster.miss(error)
    for group in there:
        await take_eligible(graph, roster, group)


async def took(
    graph: Graph, roster: Roster, group: str, kind: str, answer: list[Row] | TenantError
) -> bool:
    """Take the members of one group; False when it turned out to be none. Raises TenantError."""
    if isinstance(answer, Gone) and kind == UNKNOWN:
        # Nobody said that it is a group, and Graph knows no group of this id.
        roster.groups.discard(group)
        return False
    if isinstance(answer, TenantError):
        raise answer
    members = list(parsed(answer, member))
    if not members:
        await check_visible(graph, group)
    through = roster.holders[group]
    for one in members:
        roster.take(one, through)
    roster.members[group] = {one.id for one in members if one.kind != GROUP}
    return True


async def check_visible(graph: Graph, group: str) -> None:
    """Raise Forbidden when a group only seems empty, because its membership is hidden.

    Microsoft Learn: Graph "List group members" names the permission that hidden ones take.
    """
    row = await graph.get(f"/groups/{quote(group, safe='')}?$select=id,visibility", READ_GROUPS)
    if object_id(row.get("id")) != group:
        raise Unavailable("Graph answered with another group than was asked for")
    if text(row.get("visibility"), 50).lower() == "hiddenmembership":
        raise Forbidden("a group that holds a role hides its members", READ_HIDDEN)


async def take_eligible(graph: Graph, roster: Roster, group: str) -> None:
    """Who may activate a membership of a group, or own it and let anybody in.

    A group that PIM does not know has nobody of the kind.
    """
    path = f"{MAY_JOIN}?$filter={quote(f"groupId eq '{group}'", safe="'")}"
    try:
        rows = await every(graph, path, READ_ELIGIBILITY)
        for one in parsed(rows, principal):
            roster.take(one, BY_ACTIVATION)
            roster.members[group].add(one.id)
    except (NoLicence, Gone):
        return
    except TenantError as error:
        roster.miss(error)


# ----------------------------------------------------------------------------------------------
# Exchange
# ----------------------------------------------------------------------------------------------


async def take_role_groups(exchange: Exchange, roster: Roster) -> None:
    """The members of every role group of Exchange.

    A role group inside another is among all role groups; any other group is asked of Graph.
    """
    try:
        rows = await exchange.invoke("Get-RoleGroup", ALL, select=ROLE_GROUP_PROPERTIES)
        groups = list(parsed(rows, role_group))
        if not groups:
            raise Unavailable("Exchange listed no role group, which no tenant is without")
    except TenantError as error:
        roster.miss(error)
        return
    known = {one.id for one in groups} | {one.name.lower() for one in groups}
    members = 0
    for part in batched(groups, COMMANDS, strict=False):
        for group, answer in zip(part, await exchange.batch(asked(part)), strict=True):
            try:
                members += take_role_group(roster, group, answer, known)
            except TenantError as error:
                roster.miss(error)
    if not members and not roster.missed:
        roster.miss("no role group of Exchange has any member, which no tenant can be")


def take_role_group(
    roster: Roster, group: RoleGroup, answer: list[Row] | TenantError, known: set[str]
) -> int:
    """The members of one role group, and how many they are. Raises TenantError."""
    if isinstance(answer, TenantError):
        raise answer
    members = list(parsed(answer, role_group_member))
    for one in members:
        take_member(roster, group, one, known)
    return len(members)


def asked(groups: Sequence[RoleGroup]) -> list[Command]:
    """The commands that list the members of role groups."""
    return [
        Command("Get-RoleGroupMember", {"Identity": one.id, **ALL}, MEMBER_PROPERTIES)
        for one in groups
    ]


def take_member(roster: Roster, group: RoleGroup, one: Member, known: set[str]) -> None:
    """One member of a role group. Raises Unavailable for a group that nobody can look into."""
    if one.nested:
        if one.guid not in known and one.name.lower() not in known:
            raise Unavailable(f"role group {group.name!r}: a role group in it was not listed")
        return
    if one.guid:
        roster.take(Principal(one.guid, OTHER), EXCHANGE)
    if one.id:
        roster.take(Principal(one.id, one.kind), EXCHANGE)
    elif one.kind == GROUP:
        raise Unavailable(f"role group {group.name!r}: a group in it has no Entra id")


# ----------------------------------------------------------------------------------------------
# Users
# ----------------------------------------------------------------------------------------------


def module_users(exchange: Exchange) -> AsyncIterator[Reading[ModuleUser]]:
    """The users who may use Exchange PowerShell, found by Exchange itself.

    Only the old name can be filtered by (Microsoft Learn: Enable or disable access to Exchange
    Online PowerShell); what each row itself tells is what counts.
    """
    command = Command(
        "Get-User", {**ALL, "Filter": "RemotePowerShellEnabled -eq $true"}, USER_PROPERTIES
    )
    return paged(exchange, MODULE_USERS, command, module_user, lambda one: one.id, "")
