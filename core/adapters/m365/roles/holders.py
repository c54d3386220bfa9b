"""Everybody who is known to hold a role, and why the list is incomplete, if it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.adapters.m365.roles.parse import GLOBAL_ADMINISTRATOR, GROUP, UNKNOWN, Principal
from core.adapters.read_errors import build_read_failure
from core.errors import TenantError
from core.tenant.directory import RoleHolder
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ROLE_HOLDERS

ENTRA, BY_ACTIVATION, EXCHANGE, OWNER = "entra", "eligible", "exchange", "owner"


@dataclass(slots=True)
class RoleHolders:
    """Every known principal with a role, and why the list is incomplete, if it is."""

    holders: dict[str, str] = field(default_factory=dict)
    """How each principal holds a role, by id."""
    groups: set[str] = field(default_factory=set)
    """Groups through which a role, active or eligible, is held."""
    pending_groups: dict[str, str] = field(default_factory=dict)
    """Those whose members have not been read yet, with the kind of each."""
    exchange_members: set[str] = field(default_factory=set)
    """Members of role groups of Exchange, which may know groups that Graph does not."""
    role_groups: dict[str, set[str]] = field(default_factory=dict)
    """The names of the role groups of Exchange that each of these is in."""
    members: dict[str, set[str]] = field(default_factory=dict)
    """Members of each group that was read."""
    nested_groups: dict[str, set[str]] = field(default_factory=dict)
    """Groups in each of them, and those that may join it."""
    owners: dict[str, set[str]] = field(default_factory=dict)
    """Owners of each group that was read, who may put anybody in."""
    direct_roles: dict[str, set[str]] = field(default_factory=dict)
    """The roles of Entra each principal was assigned, active or eligible."""
    names: dict[str, str] = field(default_factory=dict)
    """The names of principals, as far as they were told."""
    global_admins: dict[str, str] = field(default_factory=dict)
    """Principals assigned Global Administrator, with the kind of each."""
    failures: dict[ReadFailure, None] = field(default_factory=dict)
    """What could not be read, in order and without duplicates."""
    unread_groups: dict[str, TenantError] = field(default_factory=dict)
    """Groups of Entra that hold a role and that Graph no longer knows, and what it answered."""
    confirmed_admin: str = ""
    """An administrator who verifiably has Exchange PowerShell."""

    def add_failure(self, error: TenantError | str) -> None:
        """Record that something was not read, so that nothing is concluded from the list."""
        self.failures[build_read_failure(ROLE_HOLDERS, error)] = None

    def add_principal(self, one: Principal, through: str) -> None:
        """Add a principal with a role, or a group whose members hold it; or both."""
        self.holders.setdefault(one.id, through)
        if one.role_id:
            self.direct_roles.setdefault(one.id, set()).add(one.role_id)
        if one.name:
            self.names.setdefault(one.id, one.name)
        if one.kind in (GROUP, UNKNOWN) and one.id not in self.groups:
            self.groups.add(one.id)
            self.pending_groups[one.id] = one.kind
        elif one.kind == GROUP and one.id in self.pending_groups:
            self.pending_groups[one.id] = GROUP
        if one.role_id == GLOBAL_ADMINISTRATOR:
            self.global_admins[one.id] = one.kind

    def add_owner(self, group: str, one: Principal) -> None:
        """Add the owner of a group that holds a role."""
        self.holders.setdefault(one.id, OWNER)
        self.owners.setdefault(group, set()).add(one.id)
        if one.name:
            self.names.setdefault(one.id, one.name)

    def get_lookup_order(self, one: str) -> tuple[bool, bool, str]:
        """Sorts holders so that those who most likely use Exchange PowerShell come first."""
        return (one in self.groups, self.holders[one] != EXCHANGE, one)

    @property
    def first_failure(self) -> ReadFailure | None:
        """Why the list is incomplete; a missing permission comes first."""
        return min(self.failures, key=lambda failure: not failure.permission, default=None)

    def collect_roles(self, direct: Mapping[str, set[str]]) -> dict[str, set[str]]:
        """The roles of each principal, its own and those of the groups it is in or may join."""
        roles = {one: set(own) for one, own in direct.items()}
        has_changed = True
        while has_changed:
            has_changed = False
            for group, inside in self.members.items():
                for one in (*inside, *self.nested_groups.get(group, ())):
                    held = roles.setdefault(one, set())
                    before = len(held)
                    held |= roles.get(group, set())
                    has_changed = has_changed or len(held) > before
        return roles

    def collect_owned_roles(self, roles: Mapping[str, set[str]]) -> dict[str, set[str]]:
        """The roles that each owner may take, given those that everybody holds."""
        owned: dict[str, set[str]] = {}
        for group, owners in self.owners.items():
            for one in owners:
                owned.setdefault(one, set()).update(roles.get(group, ()))
        return owned

    def to_reading(self) -> Reading[RoleHolder]:
        """The list as the port has it."""
        roles = self.collect_roles(self.direct_roles)
        role_groups = self.collect_roles(self.role_groups)
        owned = self.collect_owned_roles(roles)
        return Reading(
            items=tuple(
                RoleHolder(
                    one,
                    self.holders[one],
                    frozenset(roles.get(one, ())),
                    self.names.get(one, ""),
                    is_group=one in self.members,
                    role_groups=frozenset(role_groups.get(one, ())),
                    owned_roles=frozenset(owned.get(one, ())),
                )
                for one in sorted(self.holders)
            ),
            failures=(
                *self.failures,
                *(
                    build_read_failure(ROLE_HOLDERS, error, group)
                    for group, error in sorted(self.unread_groups.items())
                ),
            ),
            sources=frozenset({ROLE_HOLDERS}),
            population=len(self.holders),
        )
