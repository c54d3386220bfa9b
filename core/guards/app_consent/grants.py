"""What apps hold, put together from rows that come one by one: by app, by API, by scope. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from core.microsoft365.permission_rules import PermissionRisk
from core.tenant.apps import App, AppPermission, AppRegistration, DelegatedGrant
from core.tenant.configuration import Configuration
from core.tenant.merging import collect_failures
from core.tenant.quoting import quote_text
from core.tenant.readings import UNIDENTIFIED_PREFIX, ReadFailure, Reading
from core.tenant.sources import (
    APP_PERMISSIONS,
    APP_REGISTRATIONS,
    DELEGATED_GRANTS,
    FEDERATED_CREDENTIALS,
)
from core.watched.items import WatchedResult

# More than so many different scopes of apps are not held in memory: the reading then says so.
MAX_PERMISSIONS = 200_000
MAX_SUBJECT_LENGTH = 120
GRANT_SOURCES = (DELEGATED_GRANTS, APP_PERMISSIONS)
REGISTRATION_SOURCES = (APP_REGISTRATIONS, FEDERATED_CREDENTIALS)
POLICY = "authorization-policy"
ASSIGNMENTS = "management-role-assignment"
EXCHANGE_PRINCIPALS = "exchange-service-principal"
ACCESS_POLICIES = "application-access-policy"


MAX_AGREED = 3
"""So many people are named who granted something; of more their number is told."""


@dataclass(frozen=True, slots=True)
class DelegatedGrantView:
    """What an app may do at one API in the name of people: of everyone, or of those who agreed.

    `scopes` counts the grants that have each of them.
    """

    api: App
    all_principals: bool
    scope_counts: Mapping[str, int]
    agreed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Who granted each scope, by name or id; absent where they are more than `MAX_AGREED`."""


@dataclass(frozen=True, slots=True)
class AppGrant:
    """A permission an app holds in its own name, and the API it is one of."""

    api: App
    permission: AppPermission


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """An application access policy of Exchange: which mailboxes an app may or may not open."""

    right: str
    """RestrictAccess: those of the group alone. DenyAccess: all others."""
    group: str


@dataclass(frozen=True, slots=True)
class ConsentedApp:
    """An app and all that it was given. `listed` False: Entra has grants of it, and not itself."""

    app: App
    delegated_grants: tuple[DelegatedGrantView, ...] = ()
    app_grants: tuple[AppGrant, ...] = ()
    is_listed: bool = True
    registration: AppRegistration | None = None
    """Its registration, for an app that is registered here."""
    access_policies: tuple[AccessPolicy, ...] | None = None
    """Which mailboxes it may open; None: it was not read."""
    users_may_register: bool = False
    """Whether every user may register apps in this tenant."""
    held_role: "HeldRole | None" = None
    """The gravest role that it holds, which no consent shows."""
    role_groups: "tuple[RoleGroupMembership, ...]" = ()
    """The role groups of Exchange that it is in."""
    new_owners: Mapping[str, datetime] = field(default_factory=dict)
    """Who became an owner of the registration lately, by object id, with when that was seen."""


@dataclass(frozen=True, slots=True)
class ExchangeAppRole:
    """A role that Exchange itself gives an app, without any consent in Entra."""

    app: App
    """The app; of one that Entra does not list only the name that Exchange has for it."""
    role: str
    assignment: str
    """Name of the role assignment."""
    scope: str = ""
    """The mailboxes it is limited to; empty: every mailbox."""
    is_enabled: bool = True


@dataclass(frozen=True, slots=True)
class GroupRole:
    """A role that a role group of Exchange gives its members."""

    role: str
    scope: str = ""
    """The mailboxes it is limited to; empty: every mailbox."""


@dataclass(frozen=True, slots=True)
class RoleGroupMembership:
    """A role group of Exchange that an app is in, directly or through groups."""

    group: str
    roles: tuple[GroupRole, ...]


type ConsentItem = ConsentedApp | ExchangeAppRole | Configuration | WatchedResult
"""An app with its permissions, a role it holds in Exchange, or what users may consent to."""


@dataclass(slots=True)
class AppRegistrations:
    """The registrations of this tenant by application id, and what was not read of them."""

    by_app_id: dict[str, AppRegistration] = field(default_factory=dict)
    failures: list[ReadFailure] = field(default_factory=list)
    """By the registration's own id, or of a whole source."""

    def add_page(self, page: Reading[AppRegistration]) -> None:
        """Take a page of them."""
        for one in page.items:
            if len(self.by_app_id) >= MAX_PERMISSIONS:
                self.failures.append(
                    ReadFailure(APP_REGISTRATIONS, f"more than {MAX_PERMISSIONS:,} registrations")
                )
                break
            self.by_app_id[one.app_id] = one
        self.failures += collect_failures((page,))

    def list_complete_sources(self) -> frozenset[str]:
        """The sources that were read, but for registrations that are known by id."""
        known = {one.id for one in self.by_app_id.values()}
        broken = {one.source for one in self.failures if one.object_id not in known}
        return frozenset(REGISTRATION_SOURCES) - broken

    def list_app_failures(self, app: App) -> Iterator[ReadFailure]:
        """What was not read of one app's registration, by the app's own id."""
        found = self.by_app_id.get(app.app_id)
        for one in self.failures:
            if found and one.object_id == found.id:
                name = quote_text(app.name, MAX_SUBJECT_LENGTH)
                yield ReadFailure(one.source, one.reason, app.id, name)

    def list_other_failures(self) -> Iterator[ReadFailure]:
        """What was not read of whole sources, and of registrations that nobody can name."""
        known = {one.id for one in self.by_app_id.values()}
        yield from (one for one in self.failures if one.object_id not in known)


@dataclass(frozen=True, slots=True)
class AppSurroundings:
    """What is known of apps besides what they were given."""

    registrations: AppRegistrations
    access_policies: Mapping[str, tuple[AccessPolicy, ...]] | None
    """The policies by application id; None: they were not read."""
    users_may_register: bool
    roles: "HeldRoles"


@dataclass(frozen=True, slots=True)
class HeldRole:
    """What a role of the directory or of Exchange is worth to the app that holds it."""

    risk: PermissionRisk
    source: str
    """The listing that shows it."""


@dataclass(frozen=True, slots=True)
class HeldRoles:
    """The gravest role that each app holds."""

    by_app: Mapping[str, HeldRole] = field(default_factory=dict)
    """By the app's object id."""
    groups_by_app: Mapping[str, tuple[RoleGroupMembership, ...]] = field(default_factory=dict)
    """The role groups of Exchange that each app is in, by its object id."""
    sources: frozenset[str] = frozenset()
    """The listings of roles that were read to their end."""


@dataclass(slots=True)
class AppGrants:
    """What apps hold, put together as it arrives: a tenant may have a row for each user and app."""

    delegated_grants: dict[str, dict[tuple[str, bool], dict[str, int]]] = field(
        default_factory=dict
    )
    agreed: dict[tuple[str, str], dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """Who granted each scope to an app at an API, by ids: those who came first, and one more."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What some of these people are called, by their ids."""
    app_permissions: dict[str, list[AppPermission]] = field(default_factory=dict)
    failures: list[ReadFailure] = field(default_factory=list)
    count: int = 0

    def add_delegated_grant(self, grant: DelegatedGrant) -> None:
        """Take a grant: of each scope it is counted, and who gave it, if they are few."""
        apis = self.delegated_grants.setdefault(grant.client_id, {})
        counts = apis.setdefault((grant.resource_id, grant.all_principals), {})
        for scope in sorted(grant.scopes):
            if scope not in counts and self.exceeds_capacity(DELEGATED_GRANTS):
                return
            counts[scope] = counts.get(scope, 0) + 1
            if grant.principal_id:
                self.note_agreed(grant, scope)

    def note_agreed(self, grant: DelegatedGrant, scope: str) -> None:
        """Note who granted a scope, up to one more than are named."""
        people = self.agreed.setdefault((grant.client_id, grant.resource_id), {})
        known = people.get(scope, ())
        if len(known) <= MAX_AGREED and grant.principal_id not in known:
            people[scope] = (*known, grant.principal_id)

    def list_agreed(self, client: str, resource: str) -> dict[str, tuple[str, ...]]:
        """Who granted each scope to an app at an API, where they are few, by name or id."""
        return {
            scope: tuple(sorted(self.names.get(one) or one for one in people))
            for scope, people in self.agreed.get((client, resource), {}).items()
            if len(people) <= MAX_AGREED
        }

    def add_app_permission(self, permission: AppPermission) -> None:
        """Take a permission."""
        if not self.exceeds_capacity(APP_PERMISSIONS):
            self.app_permissions.setdefault(permission.client_id, []).append(permission)

    def exceeds_capacity(self, source: str) -> bool:
        """True when no more can be held; one more is, otherwise."""
        if self.count >= MAX_PERMISSIONS:
            failure = ReadFailure(source, f"more than {MAX_PERMISSIONS:,} permissions of apps")
            self.failures += [] if failure in self.failures else [failure]
            return True
        self.count += 1
        return False

    def list_complete_sources(self) -> frozenset[str]:
        """The surfaces of which everything is known whose it is."""
        broken = {one.source for one in self.failures if not has_known_owner(one)}
        return frozenset(GRANT_SOURCES) - broken

    def list_owner_ids(self) -> set[str]:
        """Every app that holds something, or something that could not be read."""
        return {
            *self.delegated_grants,
            *self.app_permissions,
            *(one.object_id for one in self.list_owned_failures()),
        }

    def list_owned_failures(self) -> Iterator[ReadFailure]:
        """What was not read of apps that are known."""
        yield from (one for one in self.failures if has_known_owner(one))

    def list_api_ids(self) -> set[str]:
        """The ids of the APIs that permissions are for."""
        found = {resource for apis in self.delegated_grants.values() for resource, _ in apis}
        return found | {one.resource_id for some in self.app_permissions.values() for one in some}


def has_known_owner(failure: ReadFailure) -> bool:
    """True for a miss of one app's, and not of nobody knows whose."""
    return bool(failure.object_id) and not failure.object_id.startswith(UNIDENTIFIED_PREFIX)


def list_grant_holders(grants: AppGrants) -> Iterator[tuple[str, str, str]]:
    """Which app holds something at which API."""
    for client, apis in grants.delegated_grants.items():
        yield from {(DELEGATED_GRANTS, client, resource) for resource, _ in apis}
    for client, some in grants.app_permissions.items():
        yield from {(APP_PERMISSIONS, client, one.resource_id) for one in some}


def join_app_grants(
    page: Reading[App], grants: AppGrants, apis: Mapping[str, App], around: AppSurroundings
) -> Reading[ConsentedApp]:
    """A page of apps with what they hold. Sources not read in full are left to the last part."""
    names = {app.id: app.name for app in page.items}
    own = [
        ReadFailure(
            one.source,
            one.reason,
            one.object_id,
            quote_text(names[one.object_id], MAX_SUBJECT_LENGTH),
        )
        for one in grants.list_owned_failures()
        if one.object_id in names
    ]
    own += [one for app in page.items for one in around.registrations.list_app_failures(app)]
    return page.with_items(
        tuple(build_consented_app(app, grants, apis, around) for app in page.items),
        (*collect_failures((page,)), *dict.fromkeys(own)),
        page.sources
        | grants.list_complete_sources()
        | around.registrations.list_complete_sources()
        | around.roles.sources,
        page.population,
    )


def build_consented_app(
    app: App, grants: AppGrants, apis: Mapping[str, App], around: AppSurroundings
) -> ConsentedApp:
    """One app with what it holds at APIs that are known."""
    delegated = grants.delegated_grants.get(app.id, {})
    policies = around.access_policies
    return ConsentedApp(
        app,
        tuple(
            DelegatedGrantView(
                apis[resource],
                everyone,
                scopes,
                {} if everyone else grants.list_agreed(app.id, resource),
            )
            for (resource, everyone), scopes in sorted(delegated.items())
            if resource in apis
        ),
        tuple(
            AppGrant(apis[one.resource_id], one)
            for one in sorted(grants.app_permissions.get(app.id, ()), key=lambda one: one.role_id)
            if one.resource_id in apis
        ),
        registration=around.registrations.by_app_id.get(app.app_id) if app.app_id else None,
        access_policies=None if policies is None else policies.get(app.app_id, ()),
        users_may_register=around.users_may_register,
        held_role=around.roles.by_app.get(app.id),
        role_groups=around.roles.groups_by_app.get(app.id, ()),
    )


def build_unlisted_batch(
    ids: frozenset[str], grants: AppGrants, apis: Mapping[str, App], around: AppSurroundings
) -> Reading[ConsentedApp]:
    """What is held by apps that the listing did not name, and what is nobody knows whose."""
    nobodys = [one for one in grants.failures if not has_known_owner(one)]
    nobodys += around.registrations.list_other_failures()
    own = tuple(one for one in grants.list_owned_failures() if one.object_id in ids)
    items = (build_consented_app(App(one), grants, apis, around) for one in sorted(ids))
    return Reading(
        items=tuple(replace(one, is_listed=False) for one in items),
        failures=tuple(dict.fromkeys((*nobodys, *own))),
        sources=frozenset((*GRANT_SOURCES, *REGISTRATION_SOURCES)),
        scope=ids,
    )
