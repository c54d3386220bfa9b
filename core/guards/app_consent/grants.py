"""What apps hold, put together from rows that come one by one: by app, by API, by scope. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from core.sanitize import plain
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.merging import missed
from core.tenant.readings import UNIDENTIFIED, Reading, Unread
from core.tenant.surfaces import APP_PERMISSIONS, DELEGATED_GRANTS

# More than so many different scopes of apps are not held in memory: the reading then says so.
MOST = 200_000
SUBJECT = 120
HELD = (DELEGATED_GRANTS, APP_PERMISSIONS)


@dataclass(frozen=True, slots=True)
class Delegated:
    """What an app may do at one API in the name of people: of everyone, or of those who agreed.

    `scopes` counts the grants that have each of them.
    """

    api: App
    everyone: bool
    scopes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Given:
    """A permission an app holds in its own name, and the API it is one of."""

    api: App
    permission: AppPermission


@dataclass(frozen=True, slots=True)
class Consents:
    """An app and all that it was given. `listed` False: Entra has grants of it, and not itself."""

    app: App
    delegated: tuple[Delegated, ...] = ()
    given: tuple[Given, ...] = ()
    listed: bool = True


@dataclass(slots=True)
class Holdings:
    """What apps hold, put together as it arrives: a tenant may have a row for each user and app."""

    delegated: dict[str, dict[tuple[str, bool], dict[str, int]]] = field(default_factory=dict)
    given: dict[str, list[AppPermission]] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    count: int = 0

    def grant(self, one: DelegatedGrant) -> None:
        """Take a grant: of each scope it is only counted."""
        apis = self.delegated.setdefault(one.client_id, {})
        counts = apis.setdefault((one.resource_id, one.everyone), {})
        for scope in sorted(one.scopes):
            if scope not in counts and self.full(DELEGATED_GRANTS):
                return
            counts[scope] = counts.get(scope, 0) + 1

    def give(self, one: AppPermission) -> None:
        """Take a permission."""
        if not self.full(APP_PERMISSIONS):
            self.given.setdefault(one.client_id, []).append(one)

    def full(self, surface: str) -> bool:
        """True when no more can be held; one more is, otherwise."""
        if self.count >= MOST:
            miss = Unread(surface, f"more than {MOST:,} permissions of apps")
            self.unread += [] if miss in self.unread else [miss]
            return True
        self.count += 1
        return False

    def whole(self) -> frozenset[str]:
        """The surfaces of which everything is known whose it is."""
        broken = {one.surface for one in self.unread if not known_owner(one)}
        return frozenset(HELD) - broken

    def owners(self) -> set[str]:
        """Every app that holds something, or something that could not be read."""
        return {*self.delegated, *self.given, *(one.object_id for one in self.owned())}

    def owned(self) -> Iterator[Unread]:
        """What was not read of apps that are known."""
        yield from (one for one in self.unread if known_owner(one))

    def apis(self) -> set[str]:
        """The ids of the APIs that permissions are for."""
        found = {resource for apis in self.delegated.values() for resource, _ in apis}
        return found | {one.resource_id for some in self.given.values() for one in some}


def known_owner(miss: Unread) -> bool:
    """True for a miss of one app's, and not of nobody knows whose."""
    return bool(miss.object_id) and not miss.object_id.startswith(UNIDENTIFIED)


def users_of(holdings: Holdings) -> Iterator[tuple[str, str, str]]:
    """Which app holds something at which API."""
    for client, apis in holdings.delegated.items():
        yield from {(DELEGATED_GRANTS, client, resource) for resource, _ in apis}
    for client, some in holdings.given.items():
        yield from {(APP_PERMISSIONS, client, one.resource_id) for one in some}


def joined(page: Reading[App], holdings: Holdings, apis: Mapping[str, App]) -> Reading[Consents]:
    """A page of apps with what they hold. Surfaces not read in full are left to the last part."""
    names = {app.id: app.name for app in page.items}
    own = tuple(
        Unread(one.surface, one.reason, one.object_id, plain(names[one.object_id], SUBJECT))
        for one in holdings.owned()
        if one.object_id in names
    )
    return page.carrying(
        tuple(consents(app, holdings, apis) for app in page.items),
        (*missed((page,)), *dict.fromkeys(own)),
        page.surfaces | holdings.whole(),
        page.population,
    )


def consents(app: App, holdings: Holdings, apis: Mapping[str, App]) -> Consents:
    """One app with what it holds at APIs that are known."""
    delegated = holdings.delegated.get(app.id, {})
    return Consents(
        app,
        tuple(
            Delegated(apis[resource], everyone, scopes)
            for (resource, everyone), scopes in sorted(delegated.items())
            if resource in apis
        ),
        tuple(
            Given(apis[one.resource_id], one)
            for one in sorted(holdings.given.get(app.id, ()), key=lambda one: one.role_id)
            if one.resource_id in apis
        ),
    )


def strays(ids: frozenset[str], holdings: Holdings, apis: Mapping[str, App]) -> Reading[Consents]:
    """What is held by apps that the listing did not name, and what is nobody knows whose."""
    nobodys = tuple(one for one in holdings.unread if not known_owner(one))
    own = tuple(one for one in holdings.owned() if one.object_id in ids)
    items = (consents(App(one), holdings, apis) for one in sorted(ids))
    return Reading(
        items=tuple(Consents(one.app, one.delegated, one.given, False) for one in items),
        unread=tuple(dict.fromkeys((*nobodys, *own))),
        surfaces=frozenset(HELD),
        scope=ids,
    )
