"""Apps of a fake tenant, and how they are read from a scene."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

from core.adapters.m365.app_registrations import (
    parse_app_registration,
    parse_federated_credential,
    parse_owners,
)
from core.adapters.m365.apps import CallerIdentity, parse_app, parse_app_permission
from core.adapters.m365.grants import parse_delegated_grant
from core.adapters.parsing import parse_each_row, parse_object_id
from core.tenant.apps import App, AppPermission, AppRegistration, DelegatedGrant
from core.tenant.readings import Reading
from core.tenant.sources import (
    APP_PERMISSIONS,
    APP_REGISTRATIONS,
    APPS,
    DELEGATED_GRANTS,
    FEDERATED_CREDENTIALS,
)
from sandbox.app_identity import CLIENT_ID
from sandbox.graph import apps as wired
from sandbox.state.tenant import SimulatedTenant as Wire
from sandbox.state.tenant import to_rows
from tests.support.fakes.state import FakeTenantState


def add_apps(fake: FakeTenantState, wire: Wire) -> None:
    """Apps with what they hold; rows that make no sense are unread."""
    reader = CallerIdentity(CLIENT_ID, wire.tenant_id)
    rows = wired.collect_principals(wire)
    fake.service_principals, broken = parse_each_row(rows, lambda row: parse_app(row, reader))
    for number, (row, reason) in enumerate(broken, 1):
        fake.fail_read(APPS, parse_object_id(row.get("id")) or f"unidentified-{number}", reason)
    grants = to_rows(wire.graph.get("oauth2PermissionGrants"))
    fake.oauth_grants, broken = parse_each_row(grants, parse_delegated_grant)
    for number, (row, reason) in enumerate(broken, 1):
        name = parse_object_id(row.get("clientId")) or f"unidentified-{number}"
        fake.fail_read(DELEGATED_GRANTS, name, reason)
    add_registrations(fake, wire)
    names = {
        str(role["id"]): str(role["value"])
        for api in rows
        for role in wired.list_api_roles(wire, api)
    }
    apis = {row["id"] for row in rows}
    assigned = (parse_app_permission(row, names) for row in wired.collect_app_assignments(wire))
    fake.app_role_assignments = [one for one in assigned if one and one.resource_id in apis]


def add_registrations(fake: FakeTenantState, wire: Wire) -> None:
    """App registrations; those that make no sense are unread."""
    rows = to_rows(wire.graph.get("applications"))
    fake.app_registrations, broken = parse_each_row(
        rows, lambda row: parse_app_registration({**row, "owners": []})
    )
    for number, (row, reason) in enumerate(broken, 1):
        name = parse_object_id(row.get("id")) or f"unidentified-{number}"
        fake.fail_read(APP_REGISTRATIONS, name, reason)
    by_id = {parse_object_id(row.get("id")): row for row in rows}
    for number, one in enumerate(fake.app_registrations):
        row = by_id[one.id]
        federated, broken = parse_each_row(
            to_rows(row.get("federatedIdentityCredentials")), parse_federated_credential
        )
        if broken:
            fake.fail_read(FEDERATED_CREDENTIALS, one.id, broken[0][1])
        fake.app_registrations[number] = replace(
            one,
            owners=parse_owners(wired.list_owners(wire, row)),
            federated_credentials=tuple(sorted(federated, key=lambda item: item.id)),
        )


@dataclass(frozen=True, slots=True)
class FakeAppReader:
    """AppReader of a fake tenant."""

    tenant: FakeTenantState

    async def list_apps(self) -> AsyncIterator[Reading[App]]:
        seen = self.tenant.build_reading(APPS, self.tenant.service_principals, lambda app: app.id)
        for part in self.tenant.paginate(seen, lambda app: app.id, ""):
            yield replace(part, continuation="")

    async def read_apps(self, ids: Collection[str]) -> Reading[App]:
        found = [
            replace(app, credentials=(), publisher="", reply_urls=(), microsoft_status="")
            for app in self.tenant.service_principals
            if app.id in ids
        ]
        seen = self.tenant.build_reading(APPS, found, lambda app: app.id, ids)
        return replace(seen, complete=True)

    async def list_delegated_grants(self) -> AsyncIterator[Reading[DelegatedGrant]]:
        for part in self.paginate_grants(
            DELEGATED_GRANTS, self.tenant.oauth_grants, lambda one: one.client_id
        ):
            yield part

    async def list_app_permissions(self) -> AsyncIterator[Reading[AppPermission]]:
        for part in self.paginate_grants(
            APP_PERMISSIONS, self.tenant.app_role_assignments, lambda one: one.client_id
        ):
            yield part

    async def list_app_registrations(self) -> AsyncIterator[Reading[AppRegistration]]:
        seen = self.tenant.build_reading(
            APP_REGISTRATIONS, self.tenant.app_registrations, lambda one: one.id
        )
        none: tuple[AppRegistration, ...] = ()
        unread = self.tenant.build_reading(FEDERATED_CREDENTIALS, none, lambda one: one.id)
        for at in range(0, max(len(seen.items), 1), self.tenant.page_size):
            last = at + self.tenant.page_size >= len(seen.items)
            items = seen.items[at : at + self.tenant.page_size]
            yield replace(
                seen,
                items=items,
                failures=(*seen.failures, *unread.failures) if last else (),
                sources=seen.sources | unread.sources,
                population=len(items),
            )

    def paginate_grants[T](
        self, source: str, found: Sequence[T], get_owner_id: Callable[[T], str]
    ) -> Iterator[Reading[T]]:
        """What apps hold, page by page, without a scope."""
        seen = self.tenant.build_reading(source, found, get_owner_id)
        for at in range(0, max(len(seen.items), 1), self.tenant.page_size):
            last = at + self.tenant.page_size >= len(seen.items)
            items = seen.items[at : at + self.tenant.page_size]
            unread = seen.failures if last else ()
            yield replace(seen, items=items, failures=unread, population=len(items))
