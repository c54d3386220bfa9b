"""The threat: every user may run Exchange's PowerShell, though only administrators need to.

Whoever steals an ordinary password gets a command line with it: one script reads the address book,
makes inbox rules and forwards, and works its way through mailboxes the user may open, faster and
quieter than by clicking. Microsoft leaves it on for every new account.

What keeps the guard from being worse than the threat: an administrator without it is locked out. So
nobody is touched who holds a role in Entra or Exchange, or may take one, and nobody at all while
who that is was not read as a whole.
"""

import heapq
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from core.guards.exchange_module_access.verdicts import VERDICT_TEXTS, ModuleAccessVerdict
from core.keys import compute_hash_prefix
from core.microsoft365.recipient_kinds import RECIPIENT_KINDS
from core.microsoft365.remedies import (
    ask,
    build_command,
    find_actor,
    look_around,
    make_exchange_step,
    save_from_exchange,
)
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import Guard, GuardPolicy, ObserveContext, Permission, Service
from core.tenant.changes import DisableExchangeModule
from core.tenant.directory import ModuleUser
from core.tenant.left_out import look_up_missing
from core.tenant.listing_memory import list_missing, note_listing
from core.tenant.merging import PresenceTracker, collect_failures
from core.tenant.port import HasRoles
from core.tenant.quoting import quote_text
from core.tenant.readings import ListedCount, ReadFailure, Reading
from core.tenant.sources import MODULE_USERS, ROLE_HOLDERS

ORGANIZATION = "organization"
LEFT_OUT = ReadFailure(MODULE_USERS, "the list of users leaves it out, and it is there")
SOURCES = (ROLE_HOLDERS, MODULE_USERS)
# Up to so many users get a finding each; more share one, until they are few again.
PER_USER_LIMIT = 25
PER_USER_LIMIT_ONCE_OPEN = 50
# More than a change limit allows in a run, so that the brake holds as it would with all of them.
MAX_SAMPLE = 600
MAX_EXAMPLES = 10
# The sign-in log reaches back so far in tenants with a licence for it (Microsoft Learn: Microsoft
# Entra data retention).
SCRIPT_PERIOD = timedelta(days=30)
MAX_TEXT_LENGTH = 200
# System mailboxes of Exchange, whose accounts no person signs in with.
SYSTEM_MAILBOX_KINDS = frozenset(
    {"ArbitrationMailbox", "AuditLogMailbox", "DiscoveryMailbox", "MonitoringMailbox"}
)


@dataclass(frozen=True, slots=True)
class ModuleAccess:
    """The users who may use Exchange PowerShell and hold no administrative role."""

    user_count: int
    users: tuple[ModuleUser, ...]
    """A stable sample of them."""
    is_per_user: bool
    """Whether each of them gets a finding."""
    admin_count: int
    """How many role holders may use it too."""
    role_holder_count: int
    """How many users are known to hold a role."""
    script_users: frozenset[str] | None = frozenset()
    """The users who signed in to Exchange PowerShell lately; None: unknown."""


async def observe(
    tenant: HasRoles, context: ObserveContext
) -> AsyncIterator[Reading[ModuleAccess]]:
    """Compares role holders with users of the module; nothing is judged if either is unknown.

    Keeps no more users than findings name, whatever the size of the tenant.
    """
    roles = await tenant.roles.read_role_holders()
    holders = frozenset(one.id for one in roles.items)
    kept: list[tuple[int, str, ModuleUser]] = []
    parts: list[Reading[ModuleUser]] = []
    count, keepers = 0, set[str]()
    listed, listed_count = PresenceTracker(context.open_case_ids), 0
    async for page in tenant.roles.list_module_users():
        listed.add_page(page)
        parts.append(page.with_items((), page.failures, page.sources, page.population))
        listed_count += page.population
        for user in page.items:
            if user.enabled and not holders.isdisjoint({user.id, user.guid}):
                keepers.add(user.id)
            elif user.enabled and has_usable_mailbox(user):
                count += 1
                keep_sample_user(kept, user)

    def get_listed_id(user: ModuleUser) -> str:
        """The id of a user who has to be in the list of those who may and need not."""
        is_needless = user.enabled and holders.isdisjoint({user.id, user.guid})
        return user.id if is_needless and has_usable_mailbox(user) else ""

    left_out = await look_up_missing(
        listed,
        listed.open_case_ids - {ORGANIZATION},
        tenant.roles.read_module_users,
        get_listed_id,
        LEFT_OUT,
    )
    users = tuple(user for _, _, user in sorted(kept, reverse=True))
    lists = {ROLE_HOLDERS: holders, MODULE_USERS: frozenset(keepers)}
    lost = tuple(list_lost_people(lists, context))
    unread = (*collect_failures((roles,)), *collect_failures(parts))
    # What breaks off has a failure of its whole source.
    is_listed = not any(not failure.object_id for failure in unread)
    known = is_listed and not lost
    each = context.is_enforcing or count <= get_per_user_limit(context)
    script_users: frozenset[str] | None = frozenset()
    misses: tuple[ReadFailure, ...] = ()
    if context.is_enforcing and known and users:
        used = await tenant.roles.read_module_sign_ins(context.policy.now - SCRIPT_PERIOD)
        misses = tuple(
            replace(failure, optional=True) for failure in collect_failures((used,), optional=True)
        )
        script_users = None if misses or not used.complete else frozenset(used.items)
    access = ModuleAccess(
        count,
        users if each else users[:MAX_EXAMPLES],
        each,
        len(keepers),
        len(holders),
        script_users,
    )
    yield Reading(
        items=(access,) if known else (),
        failures=(*unread, *lost, *misses, *left_out.failures),
        sources=frozenset(SOURCES),
        population=1,
        complete=not lost and roles.complete and all(part.complete for part in parts),
        listed_counts={MODULE_USERS: ListedCount(listed_count, frozenset({MODULE_USERS}), 2)},
        known_traits=tuple(
            note_listing(name, ids, context.known_traits, context.policy.now)
            for name, ids in lists.items()
            if is_listed
        ),
    )


def list_lost_people(
    lists: Mapping[str, frozenset[str]], context: ObserveContext
) -> Iterator[ReadFailure]:
    """That a list lacks administrators whom it had: a page may have been left out, and who stood on
    it would be taken for nobody, or for locked out. At a later look it is believed.
    """
    for name, ids in lists.items():
        lost = list_missing(name, ids, context.known_traits, context.policy.now)
        if lost:
            reason = f"it lacks {len(lost):,} who were on it before: it is looked at again"
            yield ReadFailure(name, reason, optional=True)


def has_usable_mailbox(user: ModuleUser) -> bool:
    """True for whom Exchange gives anything to do there.

    Without a mailbox and without a role, a guest say, there is no cmdlet to run (Microsoft Learn:
    Understanding management role assignment policies). Of a kind that is
    not told, or that Microsoft has not named yet, nobody knows.
    """
    if user.kind not in RECIPIENT_KINDS:
        return True
    return user.kind.endswith("Mailbox") and user.kind not in SYSTEM_MAILBOX_KINDS


def keep_sample_user(sample: list[tuple[int, str, ModuleUser]], user: ModuleUser) -> None:
    """Keep the users with the lowest places, so that it is the same ones in every run."""
    entry = (-int(compute_hash_prefix(user.id), 16), user.id, user)
    if len(sample) < MAX_SAMPLE:
        heapq.heappush(sample, entry)
    else:
        heapq.heappushpop(sample, entry)


def get_per_user_limit(context: ObserveContext) -> int:
    """How many users are told one by one: some more once they are, so that nothing flickers."""
    return PER_USER_LIMIT_ONCE_OPEN if context.open_case_ids - {ORGANIZATION} else PER_USER_LIMIT


def judge(access: ModuleAccess, policy: GuardPolicy) -> Iterator[Finding]:
    """Each user who may and need not, or all of them as one where they are many."""
    if not access.admin_count:
        yield build_no_admin_finding(access)
    if access.is_per_user:
        yield from (build_module_user_finding(user, access) for user in access.users)
    rest = access.user_count - len(access.users) if access.is_per_user else access.user_count
    if rest:
        yield build_open_module_finding(access, rest)


def build_no_admin_finding(access: ModuleAccess) -> Finding:
    """No administrator is among those who may: either they are locked out, or the list is wrong."""
    return Finding(
        kind="no-administrator",
        object_id=ORGANIZATION,
        subject="Exchange PowerShell",
        severity=Severity.HIGH,
        verdict=Verdict.COULD_NOT_TELL,
        summary="No administrator was seen to have Exchange PowerShell; nothing is changed.",
        facts=(Fact("", "the list may have gone wrong, or every administrator is locked out"),),
        sources=SOURCES,
        advice="Look at the administrators. An app with an Exchange role can still give it back.",
        steps=(
            save_from_exchange(
                "who may use Exchange PowerShell",
                "exchange-module",
                ORGANIZATION,
                "Get-User -ResultSize Unlimited | Select-Object UserPrincipalName, Guid, "
                "EXOModuleEnabled",
            ),
            find_actor("took it away", "Set-User"),
            ask("an administrator whether they can still sign in to Exchange PowerShell"),
            make_exchange_step(
                "Where nobody can, have an app or an administrator with the Exchange role give it "
                "back: put the administrator in the place of admin@example.com.",
                "Set-User -Identity 'admin@example.com' -EXOModuleEnabled $true",
            ),
            look_around("the organization", ORGANIZATION),
        ),
    )


def build_module_user_finding(user: ModuleUser, access: ModuleAccess) -> Finding:
    """One user who administers nothing and may use Exchange PowerShell."""
    name = quote_text(user.name or user.id, MAX_TEXT_LENGTH)
    possible = bool(access.admin_count) and user.has_account
    finding = Finding(
        kind="exchange-module",
        object_id=user.id,
        subject=name,
        severity=Severity.LOW,
        verdict=ModuleAccessVerdict.REPAIR,
        summary=f"{name} may use Exchange PowerShell and holds no role.",
        facts=(Fact("kind", quote_text(user.kind, MAX_TEXT_LENGTH)),),
        sources=SOURCES,
        changes=(DisableExchangeModule(user.id, user.guid),) if possible else (),
        advice="Take it away; exempt the account if a script signs in with it.",
        steps=(
            make_exchange_step(
                "Take it away.",
                build_command("Set-User", "-EXOModuleEnabled $false", Identity=user.guid),
            ),
        ),
    )
    if user.kind not in RECIPIENT_KINDS:
        reason = "of what kind the account is was not told, or is nothing that Exoguard knows"
    elif access.script_users is None:
        reason = "whether a script signs in with the account is unknown: the log was not read"
    elif user.id in access.script_users:
        reason = f"the account signed in to Exchange PowerShell within {SCRIPT_PERIOD.days} days"
    else:
        return finding
    facts = (*finding.facts, Fact("", reason))
    return replace(finding, verdict=Verdict.ASK, facts=facts, changes=())


def build_open_module_finding(access: ModuleAccess, count: int) -> Finding:
    """Too many users for a line each."""
    more = "more " if access.is_per_user else ""
    named = () if access.is_per_user else access.users
    return Finding(
        kind="exchange-module-open",
        object_id=ORGANIZATION,
        subject="Exchange PowerShell",
        severity=Severity.MEDIUM,
        verdict=ModuleAccessVerdict.REPAIR,
        summary=f"{count:,} {more}users may use Exchange PowerShell and hold no role.",
        facts=(
            Fact("", f"{access.admin_count:,} users with a role may use it too, and keep it"),
            *(
                Fact("", f"for example {quote_text(user.name or user.id, MAX_TEXT_LENGTH)}")
                for user in named
            ),
        ),
        sources=SOURCES,
        advice="In enforce mode the guard takes it from all of them and asks first, since they are "
        "more than its limit. By hand, leave out everybody who holds a role in Entra or Exchange.",
    )


GUARD = Guard(
    name="exchange-module-access",
    title="Exchange PowerShell",
    looks_for="Exchange PowerShell left on for users who administer nothing, never for those who "
    "do or may",
    rationale="A stolen password of an ordinary user is a command line in Exchange as well.",
    verdicts=VERDICT_TEXTS,
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
            "AuditLog.Read.All",
            "whether a script signs in with the account; without it the guard asks",
            writes=True,
            optional=True,
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
