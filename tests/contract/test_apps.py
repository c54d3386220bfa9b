"""What every tenant port promises about apps and what they hold, in memory and over the wire."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from core.tenant.apps import AppCredential, AppOwner, DelegatedGrant, FederatedCredential
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from core.tenant.sources import (
    APP_PERMISSIONS,
    APP_REGISTRATIONS,
    APPS,
    DELEGATED_GRANTS,
    FEDERATED_CREDENTIALS,
)
from sandbox.graph.apps import (
    APIS,
    APP_OBJECT_ID,
    GRAPH_APP,
    build_principal,
    derive_api_id,
)
from tests.support.observe import collect_pages
from tests.support.tenants import (
    APP_CREDENTIAL_ID,
    FEDERATED_ID,
    HELPER,
    HELPER_APP_ID,
    HELPER_REGISTRATION,
    NOTES,
    OPENERS,
    OTHER_TENANT_ID,
    OWNER_ID,
    OpenTenant,
    build_app_scene,
    build_grant_row,
    build_registration_row,
)

pytestmark = pytest.mark.parametrize("opener", OPENERS.values(), ids=OPENERS.keys())


async def test_apps_are_listed_with_whose_they_are(opener: OpenTenant) -> None:
    async with opener(build_app_scene()) as opened:
        found = await collect_pages(opened.tenant.apps.list_apps())
        by_id = {app.id: app for app in found.items}
        notes, helper, itself = by_id[NOTES], by_id[HELPER], by_id[APP_OBJECT_ID]
        assert (notes.owner_tenant_id, notes.is_home_tenant, notes.publisher) == (
            OTHER_TENANT_ID,
            False,
            "",
        )
        ends = datetime(2027, 1, 1, tzinfo=UTC)
        assert notes.credentials == (AppCredential(APP_CREDENTIAL_ID, "secret", ends),)
        assert notes.reply_urls == ("https://notes.example/a", "https://notes.example/b")
        assert (helper.owner_tenant_id, helper.is_home_tenant, helper.is_self) == ("", False, False)
        assert (itself.is_self, itself.is_home_tenant) == (True, True)
        assert found.population == len(by_id) == len(APIS) + 3
        assert found.failures == ()


async def test_grants_are_told_row_by_row_with_their_scopes_as_sets(opener: OpenTenant) -> None:
    async with opener(build_app_scene()) as opened:
        found = await collect_pages(opened.tenant.apps.list_delegated_grants())
        graph = derive_api_id(GRAPH_APP)
        assert set(found.items) == {
            DelegatedGrant(NOTES, graph, False, frozenset({"Mail.Read", "offline_access"}), "u1"),
            DelegatedGrant(NOTES, graph, False, frozenset({"Mail.Read"}), "u2"),
            DelegatedGrant(HELPER, graph, True, frozenset()),
        }
        assert found.population == 3


async def test_only_what_apps_were_given_is_a_permission(opener: OpenTenant) -> None:
    async with opener(build_app_scene()) as opened:
        found = await collect_pages(opened.tenant.apps.list_app_permissions())
        held = {(one.client_id, one.value) for one in found.items if one.client_id != APP_OBJECT_ID}
        assert held == {(HELPER, "Mail.Read"), (HELPER, "Sites.FullControl.All"), (NOTES, "")}
        assert all(one.id and one.role_id for one in found.items)


async def test_apps_can_be_asked_for_by_id_and_one_that_is_gone_is_absent(
    opener: OpenTenant,
) -> None:
    async with opener(build_app_scene()) as opened:
        found = await opened.tenant.apps.read_apps([NOTES, derive_api_id(GRAPH_APP), "nobody"])
        assert {app.id for app in found.items} == {NOTES, derive_api_id(GRAPH_APP)}
        assert found.failures == ()


async def test_registrations_come_with_what_they_can_be_signed_in_to_with(
    opener: OpenTenant,
) -> None:
    async with opener(build_app_scene()) as opened:
        found = await collect_pages(opened.tenant.apps.list_app_registrations())
        (one,) = found.items
        assert (one.id, one.app_id, one.name) == (HELPER_REGISTRATION, HELPER_APP_ID, "Helper")
        ends = datetime(2027, 1, 1, tzinfo=UTC)
        assert one.credentials == (AppCredential(APP_CREDENTIAL_ID, "secret", ends),)
        assert one.federated_credentials == (
            FederatedCredential(FEDERATED_ID, "gh", "https://issuer.example", "repo:x"),
        )
        assert one.owners == (
            AppOwner(NOTES, "Notes"),
            AppOwner(OWNER_ID, "eve_other.example#EXT#@contoso.com", is_guest=True),
        )
        assert found.failures == ()


async def test_a_tenant_without_registrations_has_none(opener: OpenTenant) -> None:
    async with opener(build_app_scene(applications=[])) as opened:
        found = await collect_pages(opened.tenant.apps.list_app_registrations())
        assert (found.items, found.failures) == ((), ())
        assert found.sources == {APP_REGISTRATIONS, FEDERATED_CREDENTIALS}


@pytest.mark.parametrize(
    ("parts", "source"),
    [
        ({"passwordCredentials": [{}]}, APP_REGISTRATIONS),
        ({"appId": None}, APP_REGISTRATIONS),
        ({"federatedIdentityCredentials": [{"id": FEDERATED_ID}]}, FEDERATED_CREDENTIALS),
    ],
)
async def test_a_registration_that_makes_no_sense_is_unread_by_name(
    opener: OpenTenant, parts: dict[str, object], source: str
) -> None:
    row = build_registration_row(**parts)
    async with opener(build_app_scene(applications=[row])) as opened:
        found = await collect_pages(opened.tenant.apps.list_app_registrations())
        assert [(one.source, one.object_id) for one in found.failures] == [
            (source, HELPER_REGISTRATION)
        ]


@pytest.mark.parametrize(
    ("row", "owner"),
    [
        (build_grant_row(9, NOTES, 7, "u1"), NOTES),  # type: ignore[arg-type]  # That is the point.
        (build_grant_row(9, NOTES, "x", "u1", consentType="Anybody"), NOTES),
        (build_grant_row(9, NOTES, "x", "u1", resourceId=None), NOTES),
        (build_grant_row(9, "", "x", "u1"), "unidentified-1"),
    ],
)
async def test_a_grant_that_makes_no_sense_is_unread_by_its_app(
    opener: OpenTenant, row: object, owner: str
) -> None:
    async with opener(build_app_scene(oauth2PermissionGrants=[row])) as opened:
        found = await collect_pages(opened.tenant.apps.list_delegated_grants())
        assert found.items == ()
        assert [miss.object_id for miss in found.failures] == [owner]


async def test_an_app_whose_secrets_make_no_sense_is_unread(opener: OpenTenant) -> None:
    rows = [build_principal(NOTES, "a1", "Notes", OTHER_TENANT_ID, passwordCredentials=[{}])]
    async with opener(build_app_scene(servicePrincipals=rows)) as opened:
        found = await collect_pages(opened.tenant.apps.list_apps())
        assert [miss.object_id for miss in found.failures] == [NOTES]
        assert NOTES not in {app.id for app in found.items}


type Read = Callable[[Tenant], AsyncIterator[Reading[Any]]]
READS: dict[str, Read] = {
    APPS: lambda tenant: tenant.apps.list_apps(),
    DELEGATED_GRANTS: lambda tenant: tenant.apps.list_delegated_grants(),
    APP_PERMISSIONS: lambda tenant: tenant.apps.list_app_permissions(),
    APP_REGISTRATIONS: lambda tenant: tenant.apps.list_app_registrations(),
}
NEEDED = {
    APPS: "Application.Read.All",
    DELEGATED_GRANTS: "Directory.Read.All",
    APP_PERMISSIONS: "Application.Read.All",
    APP_REGISTRATIONS: "Application.Read.All",
}


@pytest.mark.parametrize("surface", READS)
async def test_a_missing_permission_is_named(opener: OpenTenant, surface: str) -> None:
    async with opener(build_app_scene()) as opened:
        opened.withhold_permission(surface)
        found = await collect_pages(READS[surface](opened.tenant))
        miss = found.find_source_failure(surface)
        assert found.items == ()
        assert miss is not None
        assert miss.permission == NEEDED[surface]


@pytest.mark.parametrize("surface", READS)
async def test_a_listing_that_breaks_is_not_an_empty_one(opener: OpenTenant, surface: str) -> None:
    async with opener(build_app_scene()) as opened:
        opened.fail_read(surface)
        found = await collect_pages(READS[surface](opened.tenant))
        assert found.find_source_failure(surface)
        opened.clear_faults()
        assert not (await collect_pages(READS[surface](opened.tenant))).find_source_failure(surface)
