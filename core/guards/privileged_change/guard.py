"""The threat: what protects the tenant's sign-ins and roles is changed by whoever got in.

An exception in a policy, a trusted address, a role of one's own that resets credentials, a role
that is activated without a second factor, a unit that keeps administrators out, a certificate
authority: none of these shows in a mailbox, and all of them outlive a new password.

What was there at the first look is stock. From then on what is new, wider or weaker is told.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from core.guards.privileged_change.access import LOCATIONS, POLICIES
from core.guards.privileged_change.accounts import OUTSIDE_MEMBERS, SIGN_IN_NAMES, USER
from core.guards.privileged_change.activation import ACTIVATIONS
from core.guards.privileged_change.acts import PrivilegedAct, build_act_finding, read_acts
from core.guards.privileged_change.administrators import (
    PERMISSIONS as ADMINISTRATOR_PERMISSIONS,
)
from core.guards.privileged_change.administrators import (
    AddedHolder,
    AdministratorItem,
    TooManyHolders,
    build_added_holder_finding,
    build_too_many_finding,
    compare_holders,
    list_known_roles,
)
from core.guards.privileged_change.certificates import (
    CERTIFICATE_AUTHORITIES,
    EDISCOVERY_CASES,
    STORED_AUTHORITIES,
)
from core.guards.privileged_change.device_registration import DEVICE_REGISTRATION
from core.guards.privileged_change.devices import DEVICE, DEVICES
from core.guards.privileged_change.directory_acts import DirectoryAct
from core.guards.privileged_change.directory_findings import build_directory_finding
from core.guards.privileged_change.directory_log import read_directory_acts
from core.guards.privileged_change.domains import DOMAINS
from core.guards.privileged_change.emergency import (
    PERMISSIONS as EMERGENCY_PERMISSIONS,
)
from core.guards.privileged_change.emergency import (
    EmergencyAccount,
    build_emergency_finding,
    read_emergency_accounts,
)
from core.guards.privileged_change.exemptions import EXCLUDED_GROUPS
from core.guards.privileged_change.removed_administrators import ADMINISTRATORS
from core.guards.privileged_change.roles import OWN_ROLES, UNITS
from core.guards.privileged_change.senders import PERMISSION as SENDER_PERMISSION
from core.guards.privileged_change.senders import SENDER_LOOK, SENDERS, build_blocked_finding
from core.guards.privileged_change.sign_in_settings import AUTHENTICATION_METHODS, SECURITY_DEFAULTS
from core.guards.privileged_change.stale_administrators import (
    AdministratorUse,
    ManyAdministrators,
    StaleAdministrator,
    build_use_finding,
    read_administrator_use,
)
from core.guards.privileged_change.standing_roles import STANDING_ROLES
from core.guards.privileged_change.verdicts import VERDICT_TEXTS
from core.model.findings import Finding
from core.model.guards import Guard, GuardPolicy, ObserveContext, PeriodicCheck, Permission
from core.model.options import SettingReader
from core.model.shared_settings import BREAK_GLASS_ACCOUNTS
from core.tenant.configuration import Configuration
from core.tenant.port import HasAccounts, HasActivity, HasConfiguration, HasRoles
from core.tenant.readings import Reading
from core.watched.guard import list_permissions, make_observer
from core.watched.items import WatchedResult
from core.watched.judge import WATCHED_VERDICT_TEXTS
from core.watched.judge import judge as judge_watched

NAME = "privileged-change"
LONG_LISTINGS = "long-listings"
"""The check that reads all users and devices: hundreds of requests in a large tenant."""
LISTED_SOURCES = frozenset({USER, DEVICE})
LARGE_TENANT = 20_000
"""Of more users, the long listings are read every six hours, and the rest in every look."""
COLLECTIONS = (
    POLICIES,
    EXCLUDED_GROUPS,
    LOCATIONS,
    ADMINISTRATORS,
    STANDING_ROLES,
    OWN_ROLES,
    ACTIVATIONS,
    UNITS,
    CERTIFICATE_AUTHORITIES,
    STORED_AUTHORITIES,
    SIGN_IN_NAMES,
    OUTSIDE_MEMBERS,
    DEVICES,
    DEVICE_REGISTRATION,
    EDISCOVERY_CASES,
    DOMAINS,
    SECURITY_DEFAULTS,
    AUTHENTICATION_METHODS,
)

type PrivilegedItem = (
    WatchedResult
    | AdministratorItem
    | PrivilegedAct
    | DirectoryAct
    | AdministratorUse
    | EmergencyAccount
    | Configuration
)


@dataclass(frozen=True, slots=True)
class PrivilegedOptions:
    """The accounts for emergencies, by object id or principal name."""

    emergency_accounts: tuple[str, ...] = ()


def read_options(reader: SettingReader) -> PrivilegedOptions:
    """The guard's options from its settings."""
    return PrivilegedOptions(reader.read(BREAK_GLASS_ACCOUNTS))


class PrivilegedPorts(HasAccounts, HasActivity, HasConfiguration, HasRoles, Protocol):
    """The ports this guard reads."""


observe_collections = make_observer(NAME, COLLECTIONS)


async def observe(
    tenant: PrivilegedPorts, context: ObserveContext[PrivilegedOptions]
) -> AsyncIterator[Reading[PrivilegedItem]]:
    """The collections, who holds roles, and acts that leave nothing else."""
    # Who is known to hold a role comes first: collections read the same list.
    known_roles = list_known_roles(context.known_traits.values())
    holders = await tenant.roles.read_role_holders(known_roles)
    skipped = await choose_listings(tenant, context)
    async for reading in observe_collections(tenant, context, skipped):
        yield reading
    if not skipped:
        yield Reading(sources=frozenset({LONG_LISTINGS}), scope=frozenset[str]())
    yield compare_holders(holders, context)
    yield await read_acts(tenant, holders, context)
    yield await read_directory_acts(tenant, holders, context)
    names = context.policy.options.emergency_accounts
    yield await read_emergency_accounts(tenant, names, context)
    yield await read_administrator_use(tenant, holders, names, context)
    yield await tenant.configuration.read_configuration(SENDERS)


async def choose_listings(
    tenant: PrivilegedPorts, context: ObserveContext[PrivilegedOptions]
) -> frozenset[str]:
    """The listings that are left out of this look: of a large tenant those of all users and
    devices, between the looks at which they are due. Where nobody counts the users, none is.
    """
    if LONG_LISTINGS in context.due_checks:
        return frozenset()
    counted = await tenant.accounts.read_user_count()
    is_large = any(count > LARGE_TENANT for count in counted.items)
    return LISTED_SOURCES if is_large else frozenset()


def judge(item: PrivilegedItem, policy: GuardPolicy[PrivilegedOptions]) -> Iterator[Finding]:
    """What is told of one item."""
    match item:
        case PrivilegedAct():
            yield build_act_finding(item)
        case DirectoryAct():
            yield build_directory_finding(item)
        case EmergencyAccount():
            if finding := build_emergency_finding(item):
                yield finding
        case Configuration():
            yield build_blocked_finding(item)
        case _:
            yield from judge_holders(item, policy)


def judge_holders(
    item: WatchedResult | AdministratorItem | AdministratorUse,
    policy: GuardPolicy[PrivilegedOptions],
) -> Iterator[Finding]:
    """What is told of who administers, and of collections."""
    match item:
        case StaleAdministrator() | ManyAdministrators():
            yield build_use_finding(item)
        case AddedHolder():
            yield build_added_holder_finding(item)
        case TooManyHolders():
            yield build_too_many_finding(item)
        case _:
            yield from judge_watched(item, policy)


def join_permissions(*groups: Iterable[Permission]) -> tuple[Permission, ...]:
    """Permissions of several parts, each once; needed where one part needs it."""
    joined: dict[tuple[str, str], Permission] = {}
    for one in (one for group in groups for one in group):
        before = joined.setdefault((one.service, one.name), one)
        if before is not one:
            joined[one.service, one.name] = replace(
                before,
                reason=f"{before.reason}; {one.reason}",
                optional=before.optional and one.optional,
            )
    return tuple(joined.values())


GUARD = Guard(
    name=NAME,
    title="Changes of what protects",
    looks_for="administrators that are new, removed or given a sign-in method; emergency accounts "
    "and blocked senders; Conditional Access that asks less or leaves out more, also through a "
    "group; security defaults, domains, roles, units, devices, certificates and directories",
    rationale="Who gets in first changes what would keep them out.",
    verdicts={**WATCHED_VERDICT_TEXTS, **VERDICT_TEXTS},
    permissions=join_permissions(
        list_permissions(COLLECTIONS),
        ADMINISTRATOR_PERMISSIONS,
        EMERGENCY_PERMISSIONS,
        (SENDER_PERMISSION,),
    ),
    observe=observe,
    judge=judge,
    settings=(BREAK_GLASS_ACCOUNTS,),
    read_options=read_options,
    options=read_options(SettingReader()),
    periodic_checks=(PeriodicCheck(LONG_LISTINGS, timedelta(hours=6)),),
    single_looks=(SENDER_LOOK,),
    noun="collections",
)
