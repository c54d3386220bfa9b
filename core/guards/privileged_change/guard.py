"""The threat: what protects the tenant's sign-ins and roles is changed by whoever got in.

An exception in a policy, a trusted address, a role of one's own that resets credentials, a role
that is activated without a second factor, a unit that keeps administrators out, a certificate
authority: none of these shows in a mailbox, and all of them outlive a new password.

What was there at the first look is stock. From then on what is new, wider or weaker is told.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from core.guards.privileged_change.access import LOCATIONS, POLICIES
from core.guards.privileged_change.accounts import OUTSIDE_MEMBERS, SIGN_IN_NAMES
from core.guards.privileged_change.activation import ACTIVATIONS
from core.guards.privileged_change.administrators import (
    PERMISSIONS,
    AddedHolder,
    AdministratorItem,
    TooManyHolders,
    build_added_holder_finding,
    build_too_many_finding,
    compare_holders,
)
from core.guards.privileged_change.certificates import (
    CERTIFICATE_AUTHORITIES,
    EDISCOVERY_CASES,
    STORED_AUTHORITIES,
)
from core.guards.privileged_change.devices import DEVICES
from core.guards.privileged_change.exemptions import EXCLUDED_GROUPS
from core.guards.privileged_change.removed_administrators import ADMINISTRATORS
from core.guards.privileged_change.roles import OWN_ROLES, UNITS
from core.guards.privileged_change.verdicts import VERDICT_TEXTS
from core.model.findings import Finding
from core.model.guards import Guard, GuardPolicy, ObserveContext, Permission
from core.tenant.port import HasConfiguration, HasRoles
from core.tenant.readings import Reading
from core.watched.guard import list_permissions, make_observer
from core.watched.items import WatchedResult
from core.watched.judge import WATCHED_VERDICT_TEXTS
from core.watched.judge import judge as judge_watched

NAME = "privileged-change"
COLLECTIONS = (
    POLICIES,
    EXCLUDED_GROUPS,
    LOCATIONS,
    ADMINISTRATORS,
    OWN_ROLES,
    ACTIVATIONS,
    UNITS,
    CERTIFICATE_AUTHORITIES,
    STORED_AUTHORITIES,
    SIGN_IN_NAMES,
    OUTSIDE_MEMBERS,
    DEVICES,
    EDISCOVERY_CASES,
)

type PrivilegedItem = WatchedResult | AdministratorItem


class PrivilegedPorts(HasConfiguration, HasRoles, Protocol):
    """The ports this guard reads."""


observe_collections = make_observer(NAME, COLLECTIONS)


async def observe(
    tenant: PrivilegedPorts, context: ObserveContext
) -> AsyncIterator[Reading[PrivilegedItem]]:
    """The collections, and who holds roles."""
    async for reading in observe_collections(tenant, context):
        yield reading
    yield compare_holders(await tenant.roles.read_role_holders(), context)


def judge(item: PrivilegedItem, policy: GuardPolicy) -> Iterator[Finding]:
    """What is told of one item."""
    match item:
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
    looks_for="administrators that are new or removed; Conditional Access that asks less or leaves "
    "out more, also through a group; own roles, easy activation of roles, units that shield "
    "accounts, devices of administrators, certificates and directories that stand for an account",
    rationale="Who gets in first changes what would keep them out.",
    verdicts={**WATCHED_VERDICT_TEXTS, **VERDICT_TEXTS},
    permissions=join_permissions(list_permissions(COLLECTIONS), PERMISSIONS),
    observe=observe,
    judge=judge,
    noun="collections",
)
