"""Rows of role assignments, groups, role groups and users: understood, or refused with a reason."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from core.adapters.m365.roles.parse import (
    GROUP,
    OTHER,
    UNKNOWN,
    member,
    module_user,
    principal,
    role,
    role_group,
    role_group_member,
)

ID = "AAAAAAAA-0000-4000-8000-000000000001"
GUID = "bbbbbbbb-0000-4000-8000-000000000001"
ZERO = "00000000-0000-0000-0000-000000000000"


def test_the_same_id_in_another_case_is_the_same_person() -> None:
    assert role({"principalId": ID, "roleDefinitionId": ID}).id == ID.lower()
    assert module_user(told(ExternalDirectoryObjectId=ID)).id == ID.lower()
    assert role_group_member({"ExternalDirectoryObjectId": ID}).id == ID.lower()


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
    assert principal({"principalId": ID, "principal": expanded}).kind == kind


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
    one = role_group_member({"Guid": GUID, "RecipientTypeDetails": printed})
    assert (one.kind, one.nested) == (kind, nested)


@pytest.mark.parametrize(
    ("parse", "row"),
    [
        (principal, {}),
        (principal, {"principalId": ZERO}),
        (principal, {"principalId": ["x"]}),
        (role, {"principalId": ID}),
        (member, {"@odata.type": "#microsoft.graph.user"}),
        (member, {"id": None}),
        (role_group, {"Guid": ZERO, "Name": " "}),
        (role_group_member, {"Name": "ann", "RecipientTypeDetails": "UserMailbox"}),
        (role_group_member, {"Guid": ZERO, "ExternalDirectoryObjectId": ""}),
        (module_user, {"Guid": GUID}),
        (module_user, {"EXOModuleEnabled": True}),
        (module_user, {"Guid": GUID, "EXOModuleEnabled": "perhaps"}),
        (module_user, {"Guid": GUID, "EXOModuleEnabled": True, "RemotePowerShellEnabled": False}),
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
    assert role_group({"Guid": GUID, "Name": "Help"}).id == GUID
    assert role_group({"Name": "Help"}).id == "Help"


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
    assert module_user({"Guid": GUID, **row}).enabled is enabled


def test_a_user_without_an_entra_id_goes_by_the_guid_and_is_known_to_have_none() -> None:
    one = module_user(told(ExternalDirectoryObjectId=""))
    assert (one.id, one.guid, one.has_account) == (GUID, GUID, False)
