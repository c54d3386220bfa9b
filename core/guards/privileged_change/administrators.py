"""Who holds a powerful role that they did not hold at the look before. Pure.

Whoever appears among the holders of a role that opens the tenant is worth a word: an intruder who
has got that far makes an administrator of their own.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from core.guards.privileged_change.remedies import build_holder_remedy, build_owner_remedy
from core.guards.privileged_change.verdicts import PrivilegedVerdict
from core.microsoft365.directory_roles import BECOMING_ROLES, GRAVE_ROLES, HARMLESS_ROLES
from core.model.findings import Fact, Finding, Severity, Verdict
from core.model.guards import ObserveContext, Permission, Service
from core.tenant.directory import RoleHolder
from core.tenant.known_traits import MAX_TRAITS, KnownTraits, build_traits_key, note_traits
from core.tenant.merging import collect_failures
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ROLE_HOLDERS

MAX_TEXT_LENGTH = 200
# How Microsoft Entra Connect names its account (Microsoft Learn: Accounts and permissions).
SYNC_ACCOUNT = re.compile(r"(?i)sync_(?P<server>.{1,64})_[0-9a-f]{8,16}@")
HOLDER_TRAIT = "role-holder"
OWNS = "owns "
"""Before the trait of somebody who owns a group with a role."""
ALL_ROLES = "roles"
"""The object under which it is remembered which other roles anybody held."""


@dataclass(frozen=True, slots=True)
class AddedHolder:
    """Somebody who holds a role now, and did not at the look before."""

    holder: RoleHolder
    role_id: str
    seen_at: datetime
    """When it was first seen."""
    holder_count: int
    """How many hold the role with it."""
    is_owner: bool = False
    """Whether it does not hold the role, but owns a group that does."""


@dataclass(frozen=True, slots=True)
class TooManyHolders:
    """A role that more hold, or can take as an owner of a group, than the guard remembers."""

    role_id: str
    count: int


type AdministratorItem = AddedHolder | TooManyHolders

PERMISSIONS = (
    Permission(
        Service.GRAPH, "RoleManagement.Read.Directory", "who holds a role, or may activate one"
    ),
    Permission(Service.GRAPH, "GroupMember.Read.All", "who holds a role through a group"),
    Permission(
        Service.GRAPH,
        "PrivilegedEligibilitySchedule.Read.AzureADGroup",
        "who may let themselves into such a group",
    ),
    Permission(Service.EXCHANGE, "Get-RoleGroup", "which role groups there are"),
    Permission(Service.EXCHANGE, "Get-RoleGroupMember", "who administers Exchange"),
)
"""What the list of role holders takes, which is whole or nothing."""


def compare_holders(
    roles: Reading[RoleHolder], context: ObserveContext
) -> Reading[AdministratorItem]:
    """Who holds a role since the looks before, as a reading.

    Nobody is compared with a list that has a gap: the members of a group that is unread for now
    must not seem new when it is back.
    """
    noted, added = tuple[KnownTraits, ...](), list[AdministratorItem]()
    unremembered = tuple[ReadFailure, ...]()
    if roles.complete and not roles.failures:
        noted = note_role_holders(context.known_traits, roles.items, context.policy.now)
        added += find_added_holders(noted, roles.items, context.policy.now)
        unremembered = tuple(list_unremembered(noted, roles.items))
    return Reading(
        items=tuple(added),
        failures=(*collect_failures((roles,)), *unremembered),
        sources=frozenset({ROLE_HOLDERS}),
        population=1,
        complete=roles.complete,
        known_traits=noted,
    )


def list_unremembered(
    noted: Iterable[KnownTraits], holders: Iterable[RoleHolder]
) -> Iterator[ReadFailure]:
    """The roles beyond those that are remembered: nobody knows who newly holds one of them."""
    remembered = {one.object_id for one in noted}
    held = list_held_roles(holders)
    if beyond := len(held - remembered):
        yield ReadFailure(
            ROLE_HOLDERS,
            f"{beyond:,} of {len(held):,} roles that somebody holds are beyond the {MAX_TRAITS} "
            "that are remembered beside the powerful ones: who newly holds them is not known",
            object_id=ALL_ROLES,
            subject="directory roles",
        )


def list_held_roles(holders: Iterable[RoleHolder]) -> set[str]:
    """The roles that somebody holds, but those that harm nobody."""
    return {role_id for one in holders for role_id in one.roles} - HARMLESS_ROLES


def list_known_administrators(known: Iterable[KnownTraits]) -> frozenset[str]:
    """The ids of those who held a role at the last look, in lower case, as it is remembered."""
    return frozenset(
        holder.casefold()
        for row in known
        if row.kind == HOLDER_TRAIT and row.object_id != ALL_ROLES
        for holder in row.traits
    )


def list_known_roles(known: Iterable[KnownTraits]) -> dict[str, set[str]]:
    """The roles that each principal held at the last look, as it is remembered."""
    roles: dict[str, set[str]] = {}
    for row in known:
        if row.kind == HOLDER_TRAIT and row.object_id != ALL_ROLES:
            for holder in row.traits:
                if not holder.startswith(OWNS):
                    roles.setdefault(holder, set()).add(row.object_id)
    return roles


def note_role_holders(
    known: Mapping[str, KnownTraits], holders: Sequence[RoleHolder], now: datetime
) -> tuple[KnownTraits, ...]:
    """The holders of each role, for the next look to compare with.

    A role that nobody held at the first look had no holder then: whoever holds it later is new.
    Whom a list lacks once may have been left out of it, and is not new when it has them again.
    """
    own = sorted(list_held_roles(holders) - GRAVE_ROLES.keys())
    listed = note_traits(known, ALL_ROLES, HOLDER_TRAIT, own, now)
    noted = [listed]
    for role_id in (*GRAVE_ROLES, *listed.traits):
        key = build_traits_key(role_id, HOLDER_TRAIT)
        before = dict(known)
        if key not in known:
            first = listed.first_looked_at
            before[key] = KnownTraits(key, role_id, HOLDER_TRAIT, first, now, {})
        ids = [*list_holder_ids(holders, role_id), *list_owner_traits(holders, role_id)]
        row = before.get(key)
        missed = {one for one in row.traits if one not in (*ids, *row.lost)} if row else set[str]()
        row = note_traits(before, role_id, HOLDER_TRAIT, (*ids, *missed), now)
        noted.append(replace(row, lost=dict.fromkeys(sorted(missed & row.traits.keys()), now)))
    return tuple(noted)


def list_holder_ids(holders: Sequence[RoleHolder], role_id: str) -> list[str]:
    """Who holds a role, active or to be activated; of a group its members, not the group."""
    return [one.id for one in holders if role_id in one.roles and not one.is_group]


def list_owner_traits(holders: Sequence[RoleHolder], role_id: str) -> list[str]:
    """Who owns a group that holds a role, as it is remembered: an owner who takes the role at last
    is a new holder.
    """
    return [f"{OWNS}{one.id}" for one in holders if role_id in one.owned_roles]


def find_added_holders(
    noted: Sequence[KnownTraits], holders: Sequence[RoleHolder], now: datetime
) -> Iterator[AddedHolder | TooManyHolders]:
    """Who appeared among the holders of powerful roles lately."""
    by_id = {one.id: one for one in holders}
    for known in noted:
        if known.object_id == ALL_ROLES:
            continue
        count = len(list_holder_ids(holders, known.object_id))
        for trait, seen_at in known.list_new_traits(now):
            if trait in known.lost:
                continue
            holder, is_owner = by_id[trait.removeprefix(OWNS)], trait.startswith(OWNS)
            if not (is_owner and known.object_id in holder.roles):
                yield AddedHolder(holder, known.object_id, seen_at, count, is_owner)
        owner_count = len(list_owner_traits(holders, known.object_id))
        if count + owner_count > MAX_TRAITS:
            yield TooManyHolders(known.object_id, count + owner_count)


def rate_role(role_id: str) -> Severity:
    """How grave a new holder of a role is. An unknown role may be one of the tenant's own."""
    if role_id in BECOMING_ROLES:
        return Severity.CRITICAL
    return Severity.MEDIUM if role_id in GRAVE_ROLES else Severity.LOW


def name_role(role_id: str) -> str:
    """A role as people know it, or by the id of its definition."""
    return GRAVE_ROLES.get(role_id) or f"of the definition {quote_text(role_id, MAX_TEXT_LENGTH)}"


def build_added_holder_finding(added: AddedHolder) -> Finding:
    """A new administrator."""
    name = quote_text(added.holder.name or added.holder.id, MAX_TEXT_LENGTH)
    role = name_role(added.role_id)
    return Finding(
        kind="administrator-added",
        object_id=added.holder.id,
        subject=name,
        severity=rate_role(added.role_id),
        verdict=PrivilegedVerdict.NEW_ADMINISTRATOR,
        summary=f"{name} {describe_hold(added, role)} now, and did not before.",
        facts=(
            Fact("first seen", f"{added.seen_at:%Y-%m-%d %H:%M} UTC"),
            Fact("", f"{added.holder_count:,} hold this role now, or can take it"),
            *list_server_facts(added.holder.name),
        ),
        sources=(ROLE_HOLDERS,),
        fingerprint=f"{OWNS * added.is_owner}{added.role_id}|{added.seen_at.isoformat()}",
        advice="Find out who gave it, and whether they meant to. If nobody did, take "
        f"{'the ownership' if added.is_owner else 'the role'} away, block {name} and end its "
        "sessions, and look at whoever gave it.",
        steps=build_owner_remedy(added.holder, name, role)
        if added.is_owner
        else build_holder_remedy(added.holder, added.role_id, name, role),
        held_account=added.holder.id,
        is_one_off=True,
        is_said_once=True,
        needs_own_exemption=True,
    )


def describe_hold(added: AddedHolder, role: str) -> str:
    """How somebody comes by a role, as the end of a sentence."""
    if added.is_owner:
        return f"can put anybody into a group that holds the role {role}, as its owner"
    how = "can activate" if added.holder.assigned_via == "eligible" else "holds"
    return f"{how} the role {role}"


def list_server_facts(name: str) -> Iterator[Fact]:
    """From which server a directory is copied in: its account is named after it."""
    if found := SYNC_ACCOUNT.match(name):
        yield Fact("copies a directory in from the server", quote_text(found["server"]))


def build_too_many_finding(role: TooManyHolders) -> Finding:
    """More holders of a role than can be remembered: a new one among them is not told."""
    name = name_role(role.role_id)
    return Finding(
        kind="too-many-administrators",
        object_id=role.role_id,
        subject=name,
        severity=min(rate_role(role.role_id), Severity.MEDIUM),
        verdict=Verdict.COULD_NOT_TELL,
        summary=f"{role.count:,} hold the role {name}, or own a group that does; a new one "
        "among them may not be told.",
        facts=(Fact("", f"the guard remembers {MAX_TRAITS} holders and owners of a role"),),
        sources=(ROLE_HOLDERS,),
        advice="Give so powerful a role to few: Microsoft recommends fewer than five Global "
        "Administrators.",
    )
