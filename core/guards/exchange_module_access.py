"""The threat: every user may run Exchange's PowerShell, though only administrators need to.

Whoever steals an ordinary password gets a command line with it: one script reads the address book,
makes inbox rules and forwards, and works its way through mailboxes the user may open, faster and
quieter than by clicking. Microsoft leaves it on for every new account.

What keeps the guard from being worse than the threat: an administrator without it is locked out. So
nobody is touched who holds a role in Entra or Exchange, or may take one, and nobody at all while
who that is was not read as a whole.
"""

import heapq
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from core.keys import place
from core.model.findings import Finding, Severity, Verdict
from core.model.guards import Guard, Look, Permission, Service, Terms
from core.sanitize import plain
from core.tenant.changes import DisableExchangeModule
from core.tenant.directory import ModuleUser
from core.tenant.merging import missed
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from core.tenant.surfaces import MODULE_USERS, ROLE_HOLDERS

ORGANIZATION = "organization"
SURFACES = (ROLE_HOLDERS, MODULE_USERS)
# So many users are told one by one; more are one finding, and stay so until they are few again.
FEW = 25
STILL_FEW = 50
# More than any limit allows in a run, so that the brake holds as it would with all of them.
ONE_BY_ONE = 600
NAMED = 10
CUT = 200
# Exchange's own: nobody signs in to them.
SYSTEM = frozenset(
    {"ArbitrationMailbox", "AuditLogMailbox", "DiscoveryMailbox", "MonitoringMailbox"}
)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use Exchange PowerShell although they administer nothing: `count` mailboxes.

    `users` are some of them, always the same ones; `each`: they are told one by one. `keepers`
    counts the administrators who may, of `holders` known to hold a role.
    """

    count: int
    users: tuple[ModuleUser, ...]
    each: bool
    keepers: int
    holders: int


async def observe(tenant: Tenant, look: Look) -> AsyncIterator[Reading[Access]]:
    """Who administers, compared with who may: nothing to judge where either is not known.

    Of the users no more are kept than are told, whatever the size of the tenant.
    """
    roles = await tenant.role_holders()
    holders = frozenset(one.id for one in roles.items)
    kept: list[tuple[int, str, ModuleUser]] = []
    parts: list[Reading[ModuleUser]] = []
    count = keepers = 0
    async for page in tenant.module_users():
        parts.append(page.carrying((), page.unread, page.surfaces, page.population))
        for user in page.items:
            if user.enabled and not holders.isdisjoint({user.id, user.guid}):
                keepers += 1
            elif user.enabled and has_mailbox(user):
                count += 1
                keep(kept, user)
    users = tuple(user for _, _, user in sorted(kept, reverse=True))
    complete = roles.complete and all(part.complete for part in parts)
    unread = (*missed((roles,)), *missed(parts))
    known = complete and not any(not miss.object_id for miss in unread)
    each = look.enforcing or count <= few(look)
    access = Access(count, users if each else users[:NAMED], each, keepers, len(holders))
    yield Reading(
        items=(access,) if known else (),
        unread=unread,
        surfaces=frozenset(SURFACES),
        population=1,
        complete=complete,
    )


def has_mailbox(user: ModuleUser) -> bool:
    """True for whom Exchange gives anything to do there.

    Without a mailbox and without a role, a guest say, there is no cmdlet to run (Microsoft Learn:
    Understanding management role assignment policies).
    """
    return user.kind.endswith("Mailbox") and user.kind not in SYSTEM


def keep(kept: list[tuple[int, str, ModuleUser]], user: ModuleUser) -> None:
    """Keep the users with the lowest places, so that it is the same ones in every run."""
    entry = (-int(place(user.id), 16), user.id, user)
    if len(kept) < ONE_BY_ONE:
        heapq.heappush(kept, entry)
    else:
        heapq.heappushpop(kept, entry)


def few(look: Look) -> int:
    """How many users are told one by one: some more once they are, so that nothing flickers."""
    return STILL_FEW if look.watched - {ORGANIZATION} else FEW


def judge(access: Access, terms: Terms) -> Iterator[Finding]:
    """Each user who may and need not, or all of them as one where they are many."""
    if not access.keepers:
        yield nobody_left(access)
    if access.each:
        yield from (one_user(user, access) for user in access.users)
    rest = access.count - len(access.users) if access.each else access.count
    if rest:
        yield everyone(access, rest)


def nobody_left(access: Access) -> Finding:
    """No administrator is among those who may: either they are locked out, or the list is wrong."""
    return Finding(
        kind="no-administrator",
        object_id=ORGANIZATION,
        subject="Exchange PowerShell",
        severity=Severity.HIGH,
        verdict=Verdict.COULD_NOT_TELL,
        summary="No administrator was seen to have Exchange PowerShell; nothing is changed.",
        facts=("the list may have gone wrong, or every administrator is locked out",),
        surfaces=SURFACES,
        advice="Look at administrators with Get-User <name> | Format-List EXOModuleEnabled. An app "
        "with an Exchange role can still give it back: Set-User <name> -EXOModuleEnabled $true.",
    )


def one_user(user: ModuleUser, access: Access) -> Finding:
    """One user who administers nothing and may use Exchange PowerShell."""
    name = plain(user.name or user.id, CUT)
    possible = bool(access.keepers) and user.has_account
    return Finding(
        kind="exchange-module",
        object_id=user.id,
        subject=name,
        severity=Severity.LOW,
        verdict=Verdict.REPAIR,
        summary=f"{name} may use Exchange PowerShell and holds no role.",
        facts=(f"kind: {plain(user.kind, CUT)}",),
        surfaces=SURFACES,
        changes=(DisableExchangeModule(user.id, user.guid),) if possible else (),
        advice=f"Set-User -Identity {user.guid} -EXOModuleEnabled $false; "
        "exempt the account if a script signs in with it.",
    )


def everyone(access: Access, count: int) -> Finding:
    """Too many users for a line each."""
    more = "more " if access.each else ""
    named = () if access.each else access.users
    return Finding(
        kind="exchange-module-open",
        object_id=ORGANIZATION,
        subject="Exchange PowerShell",
        severity=Severity.MEDIUM,
        verdict=Verdict.REPAIR,
        summary=f"{count:,} {more}users may use Exchange PowerShell and hold no role.",
        facts=(
            f"{access.keepers:,} users with a role may use it too, and keep it",
            *(f"for example {plain(user.name or user.id, CUT)}" for user in named),
        ),
        surfaces=SURFACES,
        advice="In enforce mode the guard takes it from all of them and asks first, since they are "
        "more than its limit. By hand, leave out everybody who holds a role in Entra or Exchange.",
    )


GUARD = Guard(
    name="exchange-module-access",
    title="Exchange PowerShell",
    why="A stolen password of an ordinary user is a command line in Exchange as well.",
    permissions=(
        Permission(Service.EXCHANGE, "Get-User", "who may use Exchange PowerShell"),
        Permission(Service.EXCHANGE, "Get-RoleGroup", "which role groups there are"),
        Permission(Service.EXCHANGE, "Get-RoleGroupMember", "who administers Exchange"),
        Permission(
            Service.GRAPH, "RoleManagement.Read.Directory", "who holds a role, or may activate one"
        ),
        Permission(Service.GRAPH, "GroupMember.Read.All", "who holds a role through a group"),
        Permission(
            Service.GRAPH,
            "PrivilegedEligibilitySchedule.Read.AzureADGroup",
            "who may let themselves into such a group",
        ),
        Permission(
            Service.GRAPH,
            "User.Read.All",
            "to see, before each write, which roles and groups the user is in",
            writes=True,
        ),
        Permission(
            Service.EXCHANGE,
            "Set-User",
            "to take it from a user who holds nothing",
            writes=True,
            parameters=("Identity", "EXOModuleEnabled"),
        ),
    ),
    observe=observe,
    judge=judge,
    noun="organizations",
)
