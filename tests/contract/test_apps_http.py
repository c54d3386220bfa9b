"""Apps and consent over the wire: what only the real adapters have to cope with."""

from typing import Any

import pytest

from core.guards.app_consent.grants import POLICY
from core.guards.app_consent.user_consent import GRANT_POLICIES, PROPERTY
from core.tenant.changes import SetConfiguration
from core.tenant.readings import Reading
from core.tenant.sources import (
    APP_PERMISSIONS,
    APP_REGISTRATIONS,
    APPS,
    DELEGATED_GRANTS,
    FEDERATED_CREDENTIALS,
)
from sandbox.graph.apps import (
    APP_OBJECT_ID,
    EXCHANGE_APP,
    GRAPH_APP,
    build_app_assignment,
    build_principal,
    derive_api_id,
)
from tests.support.http_recorder import connect_sandbox
from tests.support.observe import collect_pages
from tests.support.tenants import (
    HELPER,
    NOTES,
    OTHER_TENANT_ID,
    build_app_scene,
    build_grant_row,
    build_granted_apps,
    build_registration_row,
)


async def test_grants_of_a_large_tenant_come_page_by_page() -> None:
    rows = [build_grant_row(number, NOTES, "Mail.Read", f"u{number}") for number in range(2_500)]
    async with connect_sandbox(build_app_scene(oauth2PermissionGrants=rows)) as to:
        pages = [len(page.items) async for page in to.tenant.apps.list_delegated_grants()]
        assert pages == [999, 999, 502]


@pytest.mark.parametrize("side", ["counted", "lossy", "uncounted"])
async def test_no_grant_is_lost_at_the_end_of_a_page(side: str) -> None:
    async with connect_sandbox(build_granted_apps(3, **{"graph-grants-count": side})) as to:
        found = await collect_pages(to.tenant.apps.list_delegated_grants())
        assert (len(found.items), found.failures) == (1_500, ())
        asked = [one.path for one in to.sandbox.requests]
        by_app = "/v1.0/servicePrincipals" in asked
        assert by_app is (side != "counted")


async def test_grants_that_stay_missing_leave_the_source_unread() -> None:
    fault = {
        "match": "/oauth2PermissionGrants[?]",
        "kind": "wrongBody",
        "body": {"@odata.count": 7, "value": []},
    }
    async with connect_sandbox(build_app_scene()) as to:
        to.sandbox.tenant.set_faults([fault])
        found = await collect_pages(to.tenant.apps.list_delegated_grants())
        miss = found.find_source_failure(DELEGATED_GRANTS)
        assert miss is not None
        assert "counts 7 grants" in miss.reason


@pytest.mark.parametrize("side", ["whole", "lossy"])
async def test_no_role_is_lost_at_the_end_of_a_page(side: str) -> None:
    count = 1_100
    apps = [build_principal(f"p{n}", f"a{n}", "x", OTHER_TENANT_ID) for n in range(count)]
    roles = [build_app_assignment(f"p{n}", GRAPH_APP, "Mail.Read") for n in range(count)]
    scene = build_app_scene(servicePrincipals=apps, appRoleAssignments=roles)
    async with connect_sandbox({**scene, "reality": {"graph-app-roles-page": side}}) as to:
        found = await collect_pages(to.tenant.apps.list_app_permissions())
        assert not found.failures
        held = [one.client_id for one in found.items if one.client_id.startswith("p")]
        assert sorted(held) == sorted(f"p{n}" for n in range(count))


async def test_no_role_of_an_own_api_is_lost_at_the_end_of_a_page_either() -> None:
    count, role = 1_100, "0000000a-0000-4000-8000-000000000001"
    api = build_principal("api", "api-app", "Payroll", OTHER_TENANT_ID) | {
        "appRoles": [{"id": role, "value": "Pay.All", "allowedMemberTypes": ["Application"]}]
    }
    apps = [build_principal(f"p{n}", f"a{n}", "x", OTHER_TENANT_ID) for n in range(count)]
    roles = [
        {
            "id": f"r{n}",
            "appRoleId": role,
            "principalId": f"p{n}",
            "principalType": "ServicePrincipal",
            "resourceId": "api",
        }
        for n in range(count)
    ]
    scene = build_app_scene(servicePrincipals=[api, *apps], appRoleAssignments=roles)
    async with connect_sandbox({**scene, "reality": {"graph-app-roles-page": "lossy"}}) as to:
        found = await collect_pages(to.tenant.apps.list_app_permissions())
        assert not found.failures
        held = [one.client_id for one in found.items if one.resource_id == "api"]
        assert sorted(held) == sorted(f"p{n}" for n in range(count))


async def test_an_app_whose_grants_are_refused_is_unread_by_itself() -> None:
    scene = build_granted_apps(3, **{"graph-grants-count": "uncounted"})
    fault = {"match": "/servicePrincipals/p7/oauth2", "inner": True, "kind": "error", "status": 403}
    async with connect_sandbox({**scene, "faults": [fault]}) as to:
        found = await collect_pages(to.tenant.apps.list_delegated_grants())
        assert found.find_source_failure(DELEGATED_GRANTS) is None
        assert "p7" in {miss.object_id for miss in found.failures}


async def test_apps_come_page_by_page_each_with_its_own_scope() -> None:
    rows = [
        build_principal(f"p{number}", f"a{number}", "x", OTHER_TENANT_ID) for number in range(600)
    ]
    async with connect_sandbox(build_app_scene(servicePrincipals=rows)) as to:
        pages = [page async for page in to.tenant.apps.list_apps()]
        assert [page.population for page in pages] == [500, 104]
        for page in pages:
            assert page.scope == frozenset(app.id for app in page.items)
        asked = [one for one in to.sandbox.requests if one.path == "/v1.0/servicePrincipals"]
        assert len(asked) == len(pages) + 1, "credentials are read a page at a time: 150 a minute"


async def test_an_app_that_moved_between_pages_counts_once() -> None:
    rows = [
        build_principal(f"p{number}", f"a{number}", "x", OTHER_TENANT_ID) for number in range(500)
    ]
    twice = [*rows, rows[0]]
    async with connect_sandbox(build_app_scene(servicePrincipals=twice)) as to:
        found = await collect_pages(to.tenant.apps.list_apps())
        assert found.population == len({app.id for app in found.items}) == 504


async def test_an_answer_without_any_app_is_an_answer_gone_wrong() -> None:
    fault = {"match": "/servicePrincipals[?]", "kind": "wrongBody", "body": {"value": []}}
    async with connect_sandbox(build_app_scene()) as to:
        to.sandbox.tenant.set_faults([fault])
        found = await collect_pages(to.tenant.apps.list_apps())
        assert found.find_source_failure(APPS)
        assert not found.complete


async def test_one_api_that_cannot_be_read_does_not_hide_the_others() -> None:
    fault = {
        "match": f"/servicePrincipals/{derive_api_id(EXCHANGE_APP)}/appRoleAssignedTo",
        "kind": "error",
        "status": 503,
    }
    async with connect_sandbox(build_app_scene(), attempts=1) as to:
        to.sandbox.tenant.set_faults([fault])
        found = await collect_pages(to.tenant.apps.list_app_permissions())
        miss = found.find_source_failure(APP_PERMISSIONS)
        assert miss is not None
        assert miss.reason.startswith("Exchange Online: ")
        assert {one.client_id for one in found.items} >= {HELPER}


async def test_an_api_that_this_tenant_does_not_have_gave_nothing() -> None:
    odd = build_principal(NOTES, EXCHANGE_APP.upper(), "Not there under this id", OTHER_TENANT_ID)
    async with connect_sandbox(build_app_scene(servicePrincipals=[odd])) as to:
        found: Reading[object] = await collect_pages(to.tenant.apps.list_app_permissions())
        assert found.find_source_failure(APP_PERMISSIONS) is None


async def test_the_app_knows_itself_by_its_own_token() -> None:
    async with connect_sandbox(build_app_scene()) as to:
        found = await collect_pages(to.tenant.apps.list_apps())
        assert [app.id for app in found.items if app.is_self] == [APP_OBJECT_ID]
        assert [app.id for app in found.items if app.is_home_tenant] == [APP_OBJECT_ID]


async def test_the_apps_own_roles_are_seen_as_its_own() -> None:
    grants = {"graph": ["Application.Read.All", "Mail.ReadBasic.All"]}
    async with connect_sandbox(build_app_scene(appRoleAssignments=[]) | {"grants": grants}) as to:
        found = await collect_pages(to.tenant.apps.list_app_permissions())
        held = {(one.client_id, one.value) for one in found.items}
        assert held >= {
            (APP_OBJECT_ID, "Application.Read.All"),
            (APP_OBJECT_ID, "Mail.ReadBasic.All"),
        }


async def test_consent_is_taken_from_users_and_nothing_else_changes() -> None:
    change = SetConfiguration(POLICY, "", PROPERTY, ("B",))

    async with connect_sandbox(build_app_scene()) as to:
        applied = await to.tenant.writer.apply(change)
        assert (applied.before, applied.unchanged) == ({PROPERTY: ["A", "B"]}, False)
        (policy,) = (await to.tenant.configuration.read_configuration(POLICY)).items
        kept = policy.values["defaultUserRolePermissions"]
        assert isinstance(kept, dict)
        assert (kept["allowedToCreateApps"], kept[GRANT_POLICIES]) == (True, ["B"])
        assert (await to.tenant.writer.apply(change)).unchanged
        (write,) = to.sandbox.writes
        assert write["body"] == {"defaultUserRolePermissions": kept}


async def test_registrations_of_a_large_tenant_come_page_by_page() -> None:
    rows = [
        build_registration_row(id=f"r{number}", appId=f"a{number}", owners=[])
        for number in range(250)
    ]
    async with connect_sandbox(build_app_scene(applications=rows)) as to:
        pages = [len(page.items) async for page in to.tenant.apps.list_app_registrations()]
        assert pages == [100, 100, 50]
        found = await collect_pages(to.tenant.apps.list_app_registrations())
        assert all(len(one.federated_credentials) == 1 for one in found.items)


async def test_an_app_with_more_owners_than_are_expanded_is_asked_for_all() -> None:
    owners = [{"id": f"u{number}", "userPrincipalName": f"u{number}"} for number in range(45)]
    row = build_registration_row(owners=owners)
    async with connect_sandbox(build_app_scene(applications=[row])) as to:
        found = await collect_pages(to.tenant.apps.list_app_registrations())
        assert len(found.items[0].owners) == 45
        paths = [one.path for one in to.sandbox.requests]
        assert "/v1.0/applications" in paths


async def test_federated_credentials_that_are_refused_leave_the_rest_readable() -> None:
    fault = {
        "match": "/federatedIdentityCredentials",
        "inner": True,
        "kind": "error",
        "status": 403,
    }
    async with connect_sandbox(build_app_scene() | {"faults": [fault]}) as to:
        found = await collect_pages(to.tenant.apps.list_app_registrations())
        assert found.find_source_failure(FEDERATED_CREDENTIALS)
        assert found.find_source_failure(APP_REGISTRATIONS) is None
        assert len(found.items) == 1


async def test_the_roles_of_an_api_beyond_mail_and_files_are_read() -> None:
    defender = "fc780465-2017-40d4-a0c5-307022471b92"
    api = build_principal(derive_api_id(defender), defender, "WindowsDefenderATP", "x")
    rows = [build_app_assignment(HELPER, defender, "Machine.Isolate")]
    scene = build_app_scene(servicePrincipals=[api], appRoleAssignments=rows)
    async with connect_sandbox(scene) as to:
        found = await collect_pages(to.tenant.apps.list_app_permissions())
        assert "Machine.Isolate" in {one.value for one in found.items}


def build_api(number: int, *kinds: str, name: str = "Orders.ReadWrite.All") -> dict[str, Any]:
    """An API of somebody's with one role, for these kinds of members."""
    role = {"id": build_object_id(number + 100), "value": name, "allowedMemberTypes": list(kinds)}
    api = build_object_id(number)
    return build_principal(api, api, f"API {number}", OTHER_TENANT_ID, appRoles=[role])


def build_object_id(number: int) -> str:
    return f"0b000000-0000-4000-8000-{number:012}"


def assign_role(api: dict[str, Any], client: str = HELPER) -> dict[str, Any]:
    role = api["appRoles"][0]["id"]
    more = {"resourceId": api["id"], "resourceDisplayName": "x", "appRoleId": role}
    return build_app_assignment(client, GRAPH_APP, "Mail.Read", **more)


async def test_the_roles_of_an_api_that_no_list_has_are_read() -> None:
    apis = [build_api(1, "Application"), build_api(2, "User"), build_api(3), build_api(4)]
    del apis[3]["appRoles"][0]["allowedMemberTypes"]
    rows = [assign_role(api) for api in apis]
    scene = build_app_scene(servicePrincipals=apis, appRoleAssignments=rows)
    async with connect_sandbox(scene) as to:
        found = await collect_pages(to.tenant.apps.list_app_permissions())
        held = {one.resource_id for one in found.items if one.value == "Orders.ReadWrite.All"}
        # A role for people alone is none for an app; what a role does not say, it allows.
        assert held == {apis[0]["id"], apis[2]["id"], apis[3]["id"]}
        assert found.failures == ()


async def test_an_unlisted_api_that_cannot_be_read_does_not_hide_the_others() -> None:
    apis = [build_api(1, "Application"), build_api(2, "Application")]
    scene = build_app_scene(servicePrincipals=apis, appRoleAssignments=list(map(assign_role, apis)))
    fault = {
        "match": f"/servicePrincipals/{apis[0]['id']}/",
        "kind": "error",
        "status": 503,
        "inner": True,
    }
    async with connect_sandbox(scene, attempts=1) as to:
        to.sandbox.tenant.set_faults([fault])
        found = await collect_pages(to.tenant.apps.list_app_permissions())
        miss = found.find_source_failure(APP_PERMISSIONS)
        assert miss is not None
        assert miss.reason.startswith("API 1: ")
        assert apis[1]["id"] in {one.resource_id for one in found.items}


@pytest.mark.parametrize("roles", [{"id": "x"}, "none", 7])
async def test_roles_of_an_unlisted_api_that_make_no_sense_leave_the_source_unread(
    roles: object,
) -> None:
    odd = {"id": build_object_id(1), "appId": build_object_id(1), "appRoles": roles}
    fault = {
        "match": "/servicePrincipals[?].*displayName,appRoles",
        "kind": "wrongBody",
        "body": {"value": [odd]},
    }
    async with connect_sandbox(build_app_scene()) as to:
        to.sandbox.tenant.set_faults([fault])
        found = await collect_pages(to.tenant.apps.list_app_permissions())
        assert found.find_source_failure(APP_PERMISSIONS) is not None


async def test_roles_by_their_made_up_ids_have_their_names() -> None:
    rows = [build_app_assignment(HELPER, GRAPH_APP, "Mail.Send")]
    async with connect_sandbox(build_app_scene(appRoleAssignments=rows)) as to:
        found = await collect_pages(to.tenant.apps.list_app_permissions())
        assert [one.value for one in found.items if one.client_id == HELPER] == ["Mail.Send"]
