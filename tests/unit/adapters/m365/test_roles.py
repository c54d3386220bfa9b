"""Rows of role assignments, groups, role groups and users: understood, or refused with a reason."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from core.adapters.m365.roles.parse import (
    GROUP,
    OTHER,
    UNKNOWN,
    parse_group_member,
    parse_module_user,
    parse_principal,
    parse_role_assignment,
    parse_role_group,
    parse_role_group_member,
)
from core.tenant.sources import MODULE_USERS
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    build_module_user_row,
    build_scene,
    connect_directly,
)
from tests.support.observe import collect_pages

ID = "AAAAAAAA-0000-4000-8000-000000000001"
GUID = "bbbbbbbb-0000-4000-8000-000000000001"
ZERO = "00000000-0000-0000-0000-000000000000"


def test_the_same_id_in_another_case_is_the_same_person() -> None:
    assert parse_role_assignment({"principalId": ID, "roleDefinitionId": ID}).id == ID.lower()
    assert parse_module_user(told(ExternalDirectoryObjectId=ID)).id == ID.lower()
    assert parse_role_group_member({"ExternalDirectoryObjectId": ID}).id == ID.lower()


@pytest.mark.parametrize(
    ("expanded", "kind"),
    [
        ({"@odata.type": "#microsoft.graph.group"}, GROUP),
        ({"@odata.type": "#microsoft.graph.user"}, OTHER),
        ({"@odata.type": "#microsoft.graph.servicePrincipal"}, OTHER),
        ({"@odata.type": "#microsoft.graph.somethingNew"}, UNKNOWN),
        ({}, UNKNOWN),
        (None, UNKNOWN),
        ("x", UNKNOWN),
    ],
)
def test_what_a_principal_is_counts_only_when_it_is_told(expanded: object, kind: str) -> None:
    assert parse_principal({"principalId": ID, "principal": expanded}).kind == kind


@pytest.mark.parametrize(
    ("printed", "kind", "nested"),
    [
        ("UserMailbox", OTHER, False),
        ("MailUniversalSecurityGroup", GROUP, False),
        ("UniversalSecurityGroup", GROUP, False),
        ("GroupMailbox", GROUP, False),
        ("RoleGroup", GROUP, True),
        ("Role Group", GROUP, True),
        ("", UNKNOWN, False),
        (None, UNKNOWN, False),
    ],
)
def test_a_member_is_a_group_when_anything_says_so(
    printed: object, kind: str, nested: bool
) -> None:
    one = parse_role_group_member({"Guid": GUID, "RecipientTypeDetails": printed})
    assert (one.kind, one.is_nested) == (kind, nested)


@pytest.mark.parametrize(
    ("parse", "row"),
    [
        (parse_principal, {}),
        (parse_principal, {"principalId": ZERO}),
        (parse_principal, {"principalId": ["x"]}),
        (parse_role_assignment, {"principalId": ID}),
        (parse_group_member, {"@odata.type": "#microsoft.graph.user"}),
        (parse_group_member, {"id": None}),
        (parse_role_group, {"Guid": ZERO, "Name": " "}),
        (parse_role_group_member, {"Name": "ann", "RecipientTypeDetails": "UserMailbox"}),
        (parse_role_group_member, {"Guid": ZERO, "ExternalDirectoryObjectId": ""}),
        (parse_module_user, {"Guid": GUID}),
        (parse_module_user, {"EXOModuleEnabled": True}),
        (parse_module_user, {"Guid": GUID, "EXOModuleEnabled": "perhaps"}),
        (
            parse_module_user,
            {"Guid": GUID, "EXOModuleEnabled": True, "RemotePowerShellEnabled": False},
        ),
    ],
)
def test_a_row_that_does_not_tell_enough_is_refused(
    parse: Callable[[Mapping[str, Any]], object], row: Mapping[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(row)


def told(**more: object) -> dict[str, object]:
    return {"Guid": GUID, "EXOModuleEnabled": "True", **more}


def test_a_role_group_is_asked_for_by_its_guid_or_else_by_its_name() -> None:
    assert parse_role_group({"Guid": GUID, "Name": "Help"}).id == GUID
    assert parse_role_group({"Name": "Help"}).id == "Help"


@pytest.mark.parametrize(
    ("row", "enabled"),
    [
        ({"EXOModuleEnabled": "True"}, True),
        ({"EXOModuleEnabled": False}, False),
        ({"RemotePowerShellEnabled": True}, True),
        ({"EXOModuleEnabled": None, "RemotePowerShellEnabled": "False"}, False),
        ({"EXOModuleEnabled": True, "RemotePowerShellEnabled": True}, True),
    ],
)
def test_either_name_of_the_setting_tells_it(row: Mapping[str, object], enabled: bool) -> None:
    assert parse_module_user({"Guid": GUID, **row}).enabled is enabled


def test_a_user_without_an_entra_id_goes_by_the_guid_and_is_known_to_have_none() -> None:
    one = parse_module_user(told(ExternalDirectoryObjectId=""))
    assert (one.id, one.guid, one.has_account) == (GUID, GUID, False)


async def test_no_user_with_powershell_at_all_is_an_unread_list() -> None:
    users = [build_module_user_row(PERSON, PERSON_GUID, "ann", enabled=False)]
    async with connect_directly(build_scene(exchange={"Get-User": users})) as to:
        for row in to.sandbox.tenant.exchange["Get-User"]:
            row["RemotePowerShellEnabled"] = False
        found = await collect_pages(to.tenant.roles.list_module_users())
        assert found.items == ()
        assert found.find_source_failure(MODULE_USERS) is not None
