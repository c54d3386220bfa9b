"""exchange-module-access through the real stack: four tenants, three ticks each."""

from typing import Any

import pytest

from core.config.catalog import CATALOG
from core.guards.exchange_module_access import GUARD
from sandbox.graph.api import ALL_ROLES
from sandbox.scenes.default_roles import ADMIN_GUID, DEFAULT_USERS, GLOBAL_ADMINISTRATOR
from tests.support.http_recorder import build_module_user_row, build_scene, build_user_row
from tests.support.run_scene import run_scene

PEOPLE = 8
READER = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"
HELPERS = "cccccccc-0000-4000-8000-000000000001"
DESK = "cccccccc-0000-4000-8000-000000000002"
VAULT = "cccccccc-0000-4000-8000-000000000003"
WARD = "cccccccc-0000-4000-8000-000000000004"


def person(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012}"


def guid(number: int) -> str:
    return f"bbbbbbbb-0000-4000-8000-{number:012}"


def row(number: int, *, enabled: bool = True, **more: object) -> dict[str, object]:
    return build_module_user_row(
        person(number), guid(number), f"p{number}", enabled=enabled, **more
    )


def assigned(principal: str, kind: str = "user", role: str = READER) -> dict[str, object]:
    typed = {"@odata.type": f"#microsoft.graph.{kind}", "id": principal}
    return {"principalId": principal, "roleDefinitionId": role, "principal": typed}


def administered(users: list[dict[str, object]], **parts: Any) -> dict[str, Any]:
    """A tenant in which 1 is Global Administrator and 2 to 6 hold something in other ways.

    2 by activation, 3 in a group within a group, 4 in a role group of Exchange, 5 in a group within
    one, 6 may let themselves into a group that holds a role.
    """
    return build_scene(
        graph={
            "users": [build_user_row(person(n), f"p{n}") for n in range(1, len(users) + 1)],
            "roleAssignments": [
                assigned(person(1), role=GLOBAL_ADMINISTRATOR),
                assigned(HELPERS, "group"),
                assigned(VAULT, "group"),
            ],
            "roleEligibilityScheduleInstances": [assigned(person(2))],
            "groups": [
                {"id": HELPERS, "members": [DESK]},
                {"id": DESK, "members": [person(3), HELPERS]},
                {"id": VAULT, "members": []},
                {"id": WARD, "members": [person(5)]},
            ],
            "groupEligibility": [{"groupId": VAULT, "principalId": person(6)}],
        },
        exchange={
            "Get-User": [*DEFAULT_USERS, *users],
            "Get-RoleGroup": [{"Guid": guid(9_999_990), "Name": "Recipient Management"}],
            "Get-RoleGroupMember": {
                "Recipient Management": [
                    {**row(4), "Name": "p4"},
                    {
                        "ExternalDirectoryObjectId": WARD,
                        "Guid": guid(9_999_991),
                        "Name": "ward",
                        "RecipientTypeDetails": "MailUniversalSecurityGroup",
                    },
                ]
            },
        },
        **parts,
    )


async def journey(what: dict[str, Any], mode: str = "alert") -> dict[str, Any]:
    modes = {duty.guard.name: "off" for duty in CATALOG} | {GUARD.name: mode}
    result = await run_scene(what, ticks=3, modes=modes)
    result["runs"] = [run for run in result["runs"] if run["guard"] == GUARD.name]
    assert len(result["runs"]) == 3
    return result


def findings(run: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {
        one["subject"].partition("@")[0]: (one["kind"], one["severity"], one["verdict"])
        for one in run["findings"]
    }


def targets(result: dict[str, Any]) -> list[str]:
    return [write["target"] for write in result["writes"]]


async def test_the_healthy_tenant_is_silent_in_either_mode() -> None:
    users = [row(n) for n in range(1, 5)] + [row(5, enabled=False), row(6)]
    for mode in ("alert", "enforce"):
        result = await journey(administered(users), mode)
        assert [findings(run) for run in result["runs"]] == [{}, {}, {}]
        assert (result["cards"], result["writes"]) == ([], [])
        assert {(run["unread"], tuple(run["blind"])) for run in result["runs"]} == {(0, ())}


async def test_a_neglected_tenant_of_many_users_is_one_finding_and_one_card() -> None:
    result = await journey(administered([row(n) for n in range(1, 2_507)]))
    only = {"Exchange PowerShell": ("exchange-module-open", "medium", "repair")}
    assert [findings(run) for run in result["runs"]] == [only] * 3
    (card,) = result["cards"]
    assert "2,500 users may use Exchange PowerShell" in str(card)
    assert result["writes"] == []
    assert [run["news"] for run in result["runs"]] == [1, 0, 0]


async def test_enforcing_on_many_users_waits_for_a_person() -> None:
    result = await journey(administered([row(n) for n in range(1, 207)]), "enforce")
    assert result["writes"] == []
    held = [run["held"] for run in result["runs"]]
    assert "200 objects would be changed and a run may change 50" in held[1]
    assert all(len(str(card)) < 28_000 for card in result["cards"])


async def test_two_users_are_put_right_and_no_administrator_of_any_kind_is() -> None:
    result = await journey(administered([row(n) for n in range(1, PEOPLE + 1)]), "enforce")
    first, second, third = result["runs"]
    both = ("exchange-module", "low", "repair")
    assert findings(first) == findings(second) == {"p7": both, "p8": both}
    assert [change["outcome"] for change in second["changes"]] == ["applied"] * 2
    assert sorted(targets(result)) == [f"Set-User {guid(7)}", f"Set-User {guid(8)}"]
    assert (findings(third), third["news"]) == ({}, 0)


async def test_an_attacker_gives_it_back_to_a_user_and_it_is_told_and_taken_again() -> None:
    users = [row(n, enabled=n < 7) for n in range(1, PEOPLE + 1)]
    attacked = administered(users)
    attacked["ticks"] = [
        {},
        {"exchange": {"Get-User": [*DEFAULT_USERS, *users[:-1], row(PEOPLE)]}},
    ]
    result = await journey(attacked, "enforce")
    first, second, third = result["runs"]
    assert findings(first) == {}
    assert findings(second) == {"p8": ("exchange-module", "low", "repair")}
    assert targets(result) == [f"Set-User {guid(PEOPLE)}"]
    assert (findings(third), third["news"]) == ({}, 0)
    assert len(result["cards"]) == 1


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("RoleManagement.Read.Directory", "RoleManagement.Read.Directory"),
        ("GroupMember.Read.All", "GroupMember.Read.All"),
        ("PrivilegedEligibilitySchedule.Read.AzureADGroup", "PrivilegedEligibilitySchedule"),
    ],
)
async def test_an_unreadable_list_of_administrators_changes_nobody(
    missing: str, named: str
) -> None:
    needed = {
        entry.name for entry in GUARD.permissions if not entry.name.startswith(("Get", "Set"))
    }
    exchange = [entry.name for entry in GUARD.permissions if entry.name[:4] in ("Get-", "Set-")]
    grants = {"graph": sorted((needed & ALL_ROLES) - {missing}), "exchange": exchange}
    users = [row(n) for n in range(1, PEOPLE + 1)]
    result = await journey(administered(users, grants=grants), "enforce")
    assert result["writes"] == []
    for run in result["runs"]:
        assert run["blind"] == ["role-holders"]
        assert {one["verdict"] for one in run["findings"]} == {"could-not-tell"}
        told = [one for one in run["findings"] if one["severity"] == "critical"]
        assert [named in one["subject"] for one in told] == [True]
    assert [run["news"] for run in result["runs"]] == [1, 0, 0]


async def test_a_group_that_hides_its_members_changes_nobody_and_names_what_would_show_them() -> (
    None
):
    hiding = administered([row(n) for n in range(1, PEOPLE + 1)])
    hiding["graph"]["groups"][0] |= {"visibility": "HiddenMembership"}
    result = await journey(hiding, "enforce")
    assert result["writes"] == []
    assert "Member.Read.Hidden" in str(result["cards"])


async def test_without_pim_nobody_can_activate_anything_and_the_rest_is_read() -> None:
    without = administered([row(n) for n in range(1, PEOPLE + 1)])
    without["@sandbox.entraP2"] = False
    result = await journey(without, "enforce")
    # 2 and 6 could only have activated something.
    assert sorted(targets(result)) == [f"Set-User {guid(n)}" for n in (2, 6, 7, 8)]
    assert f"Set-User {ADMIN_GUID}" not in targets(result)
