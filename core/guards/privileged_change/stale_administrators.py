"""Administrators that nobody uses, and too many of the gravest kind.

An account that has not signed in for a quarter of a year and could take the tenant is watched by
nobody: whoever gets its password has time. Microsoft recommends fewer than five Global
Administrators; twice as many is told here, since how many are right is the organization's matter.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.guards.privileged_change.roles import POWERFUL_ROLES
from core.guards.privileged_change.verdicts import PrivilegedVerdict
from core.microsoft365.directory_roles import GLOBAL_ADMINISTRATOR
from core.model.findings import Fact, Finding, Severity
from core.model.guards import ObserveContext
from core.tenant.directory import Account, RoleHolder
from core.tenant.port import HasAccounts
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading

STALE_ADMINISTRATORS = "administrator-use"
"""The source of what is told."""
STALE_AFTER = timedelta(days=90)
MANY = 9
"""Twice as many Global Administrators as Microsoft recommends at most, and one more."""
MAX_LOOKUPS, MAX_NAMED, MAX_NAME_LENGTH = 150, 8, 120


@dataclass(frozen=True, slots=True)
class StaleAdministrator:
    """An administrator who has not signed in for long."""

    account: Account
    roles: tuple[str, ...]
    last_success: datetime


@dataclass(frozen=True, slots=True)
class ManyAdministrators:
    """More Global Administrators than anybody can watch."""

    names: tuple[str, ...]


type AdministratorUse = StaleAdministrator | ManyAdministrators


async def read_administrator_use(
    tenant: HasAccounts,
    holders: Reading[RoleHolder],
    emergency: Sequence[str],
    context: ObserveContext,
) -> Reading[AdministratorUse]:
    """Who administers and does not sign in. Without the dates of sign-ins (Entra ID P1) nobody is
    told, since then nobody is known to be unused.
    """
    sources = frozenset({STALE_ADMINISTRATORS})
    if holders.failures or not holders.complete:
        return Reading()
    powerful = [one for one in holders.items if not one.is_group and any(list_roles(one))]
    every = [one.id for one in powerful]
    asked = every[:MAX_LOOKUPS]
    known = await tenant.accounts.read_users(asked) if asked else Reading[Account]()
    spared = {name.casefold() for name in emergency}
    enabled = [
        one
        for one in known.items
        if one.enabled is not False and spared.isdisjoint((one.id, one.upn.casefold()))
    ]
    ids = [one.id for one in enabled]
    signed = await tenant.accounts.read_last_sign_ins(ids) if ids else Reading()
    dates = {one.id: one.last_success for one in signed.items}
    by_id = {one.id: one for one in powerful}
    items: list[AdministratorUse] = [
        StaleAdministrator(one, tuple(list_roles(by_id[one.id])), at)
        for one in enabled
        if one.id in by_id
        and (at := dates.get(one.id)) is not None
        and context.policy.now - at > STALE_AFTER
    ]
    globals_ = [one for one in powerful if GLOBAL_ADMINISTRATOR in one.roles]
    if len(globals_) >= MANY:
        items.append(ManyAdministrators(tuple(one.name or one.id for one in globals_)))
    failures = [*known.failures, *signed.failures]
    if len(every) > len(asked):
        # Of whom nothing was asked, nothing is over either.
        left = f"{len(every) - len(asked):,} of {len(every):,} administrators were not looked up"
        failures.append(ReadFailure(STALE_ADMINISTRATORS, left))
    return Reading(
        items=tuple(items),
        failures=tuple(
            dict.fromkeys(
                replace(one, source=STALE_ADMINISTRATORS, object_id="", subject="", optional=True)
                for one in failures
            )
        ),
        sources=sources,
    )


def list_roles(holder: RoleHolder) -> Iterator[str]:
    """The powerful roles of somebody, by name."""
    yield from (title for role, title in POWERFUL_ROLES.items() if role in holder.roles)


def build_use_finding(item: AdministratorUse) -> Finding:
    """What is told of it."""
    return (
        build_stale_finding(item)
        if isinstance(item, StaleAdministrator)
        else build_many_finding(item)
    )


def build_stale_finding(item: StaleAdministrator) -> Finding:
    """One administrator whom nobody uses."""
    name = quote_text(item.account.upn or item.account.id, MAX_NAME_LENGTH)
    return Finding(
        kind="stale-administrator",
        object_id=item.account.id,
        subject=name,
        severity=Severity.LOW,
        verdict=PrivilegedVerdict.UNUSED,
        summary=f"{name} administers the tenant and has not signed in for more than "
        f"{STALE_AFTER.days} days.",
        facts=(
            Fact("roles", ", ".join(item.roles)),
            Fact("last sign-in", f"{item.last_success:%Y-%m}"),
        ),
        sources=(STALE_ADMINISTRATORS,),
        advice=f"Ask {name} whether the role is still needed. If not, take it away; if it is an "
        "account for emergencies, name it in BREAK_GLASS_ACCOUNTS.",
    )


def build_many_finding(item: ManyAdministrators) -> Finding:
    """Too many of the gravest kind, as one case."""
    return Finding(
        kind="many-administrators",
        object_id=GLOBAL_ADMINISTRATOR,
        subject=POWERFUL_ROLES[GLOBAL_ADMINISTRATOR],
        severity=Severity.LOW,
        verdict=PrivilegedVerdict.UNUSED,
        summary=f"{MANY} accounts or more are Global Administrators: each of them opens the whole "
        "tenant.",
        facts=(Fact("among them", show_names(item.names)),),
        sources=(STALE_ADMINISTRATORS,),
        advice="Give narrower roles to those who need less, and let the others activate the role: "
        "Microsoft recommends fewer than five.",
    )


def show_names(names: Iterable[str]) -> str:
    """The first of some names."""
    shown = sorted(names, key=str.casefold)[:MAX_NAMED]
    return ", ".join(quote_text(one, MAX_NAME_LENGTH) for one in shown)
