"""The Tenant port: who administers, who may use Exchange PowerShell, and taking that away."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.errors import Forbidden, NotFound, Rejected, Superseded, TenantError
from core.tenant.changes import DisableExchangeModule
from core.tenant.sources import MODULE_USERS, ROLE_HOLDERS
from sandbox.scenes.default_roles import ADMIN_ID, DEFAULT_ASSIGNMENTS, DEFAULT_USERS
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_module_user_row,
    build_scene,
)
from tests.support.observe import collect_pages
from tests.support.tenants import OPENERS, OpenTenant

GROUP = "cccccccc-0000-4000-8000-000000000001"
INNER = "cccccccc-0000-4000-8000-000000000002"
READER = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
TAKE = DisableExchangeModule(PERSON, PERSON_GUID)
BOTH = [
    *DEFAULT_USERS,
    build_module_user_row(PERSON, PERSON_GUID, "ann"),
    build_module_user_row(ROOM, ROOM_GUID, "room"),
]


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    return OPENERS[request.param]


def tenant(users: list[dict[str, Any]] | None = None, **graph: Any) -> Mapping[str, Any]:
    """A tenant whose chief and two users may use PowerShell."""
    return build_scene(graph=graph, exchange={"Get-User": BOTH if users is None else users})


def role(principal: str, kind: str) -> dict[str, Any]:
    typed = {"@odata.type": f"#microsoft.graph.{kind}", "id": principal}
    return {"principalId": principal, "roleDefinitionId": READER, "principal": typed}


GROUPS = [
    {"id": GROUP, "visibility": "Private", "members": [INNER]},
    {"id": INNER, "visibility": "Private", "members": [PERSON, GROUP]},
]
WAYS: dict[str, Mapping[str, Any]] = {
    "directly": tenant(roleAssignments=[*DEFAULT_ASSIGNMENTS, role(PERSON, "user")]),
    "through groups in each other": tenant(
        roleAssignments=[*DEFAULT_ASSIGNMENTS, role(GROUP, "group")], groups=GROUPS
    ),
    "by activation": tenant(roleEligibilityScheduleInstances=[role(PERSON, "user")]),
    "by letting themselves into a group": tenant(
        roleAssignments=[*DEFAULT_ASSIGNMENTS, role(GROUP, "group")],
        groups=[{"id": GROUP, "visibility": "Private", "members": [ROOM]}],
        groupEligibility=[{"groupId": GROUP, "principalId": PERSON}],
    ),
    "by owning a group": tenant(
        roleAssignments=[*DEFAULT_ASSIGNMENTS, role(GROUP, "group")],
        groups=[{"id": GROUP, "visibility": "Private", "members": [ROOM], "owners": [PERSON]}],
    ),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


async def test_who_may_is_listed_and_only_they(open_tenant: OpenTenant) -> None:
    users = [*DEFAULT_USERS, build_module_user_row(PERSON, PERSON_GUID, "ann", enabled=False)]
    async with open_tenant(tenant([*users, build_module_user_row(ROOM, ROOM_GUID, "room")])) as to:
        found = await collect_pages(to.tenant.roles.list_module_users())
        assert [one.id for one in found.items] == [ADMIN_ID, ROOM]
        assert (found.failures, found.complete, found.population) == ((), True, 2)


async def test_without_any_role_but_one_there_is_one_holder(open_tenant: OpenTenant) -> None:
    async with open_tenant(tenant()) as to:
        found = await to.tenant.roles.read_role_holders()
        assert [one.id for one in found.items] == [ADMIN_ID]
        assert found.failures == ()
        assert found.sources == {ROLE_HOLDERS}


@EVERY_WAY
async def test_a_holder_is_listed_and_never_changed(
    open_tenant: OpenTenant, way: Mapping[str, Any]
) -> None:
    async with open_tenant(way) as to:
        holders = await to.tenant.roles.read_role_holders()
        assert {ADMIN_ID, PERSON} <= {one.id for one in holders.items}
        assert holders.failures == ()
        with pytest.raises(Rejected) as refused:
            await to.tenant.writer.apply(TAKE)
        assert refused.value.verdict == "protected"
        assert to.write_count == 0


@pytest.mark.parametrize("surface", [ROLE_HOLDERS, MODULE_USERS])
async def test_a_list_out_of_reach_names_its_permission_and_nothing_is_changed(
    open_tenant: OpenTenant, surface: str
) -> None:
    async with open_tenant(tenant()) as to:
        to.withhold_permission(surface)
        if surface == ROLE_HOLDERS:
            found: Any = await to.tenant.roles.read_role_holders()
            with pytest.raises(Forbidden):
                await to.tenant.writer.apply(TAKE)
        else:
            found = await collect_pages(to.tenant.roles.list_module_users())
            assert not found.complete
        miss = found.find_source_failure(surface)
        assert miss.permission.endswith(
            "RoleManagement.Read.Directory" if surface == ROLE_HOLDERS else "Get-User"
        )
        assert to.write_count == 0


async def test_one_change_is_made_of_exactly_one_user(open_tenant: OpenTenant) -> None:
    async with open_tenant(tenant()) as to:
        assert (await to.tenant.writer.apply(TAKE)).before == {"EXOModuleEnabled": True}
        assert (await to.tenant.writer.apply(TAKE)).unchanged
        found = await collect_pages(to.tenant.roles.list_module_users())
        assert [one.id for one in found.items] == [ADMIN_ID, ROOM]
        assert to.write_count == 1


@pytest.mark.parametrize(
    ("change", "users", "error"),
    [
        (DisableExchangeModule(PERSON, "bbbbbbbb-0000-4000-8000-00000000dead"), None, NotFound),
        (DisableExchangeModule(ROOM, PERSON_GUID), None, Superseded),
        (DisableExchangeModule(ADMIN_ID, str(DEFAULT_USERS[0]["Guid"])), None, Rejected),
        (
            DisableExchangeModule(PERSON_GUID, PERSON_GUID),
            [*DEFAULT_USERS, build_module_user_row("", PERSON_GUID, "ann")],
            Rejected,
        ),
        # Nobody who administers would be left with access.
        (TAKE, [{**DEFAULT_USERS[0], "EXOModuleEnabled": False}, BOTH[1]], Rejected),
        (TAKE, [BOTH[1]], Rejected),
    ],
    ids=["gone", "another account", "the chief", "no account", "chief is out", "no chief at all"],
)
async def test_what_is_not_as_it_was_judged_is_left_alone(
    open_tenant: OpenTenant,
    change: DisableExchangeModule,
    users: list[dict[str, Any]] | None,
    error: type[TenantError],
) -> None:
    if users and users[0].get("EXOModuleEnabled") is False:
        users = [{**users[0], "RemotePowerShellEnabled": False}, *users[1:]]
    async with open_tenant(tenant(users)) as to:
        with pytest.raises(error):
            await to.tenant.writer.apply(change)
        assert to.write_count == 0
