"""Apps and consent from end to end: healthy, neglected, attacked, unreadable."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest_asyncio

from core.config.catalog import CATALOG
from sandbox.graph.apps import (
    GRAPH_APP,
    MICROSOFT_TENANT_ID,
    build_app_assignment,
    build_principal,
    derive_api_id,
)
from tests.support.run_scene import list_declared_permissions, run_scene

GUARD = "app-consent"
TICKS = 3
ELSEWHERE = "0e15e000-0000-4000-8000-000000000001"
NOTES, TOOL, EVIL = (f"c0000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
SHARED_SECRET = "fe000000-0000-4000-8000-000000000001"
FOR_SELF = "ManagePermissionGrantsForSelf.microsoft-user-default-legacy"
FOR_OWNED = "ManagePermissionGrantsForOwnedResource.microsoft-chats"
VERIFIED = {"displayName": "Notes Ltd", "verifiedPublisherId": "1234567", "addedDateTime": None}

type Scene = dict[str, Any]


def app(object_id: str, name: str, owner: str | None = ELSEWHERE, **more: object) -> Scene:
    return build_principal(object_id, object_id.replace("c0", "a0", 1), name, owner, **more)


def grant(number: int, client: str, scope: str, user: str | None) -> Scene:
    return {
        "id": f"G{number}",
        "clientId": client,
        "consentType": "Principal" if user else "AllPrincipals",
        "principalId": user,
        "resourceId": derive_api_id(GRAPH_APP),
        "scope": scope,
    }


def scene_of(grants: Sequence[Scene], *assigned: str, entries: Sequence[str] = ()) -> Scene:
    """A tenant with a note-taking app, a tool of Microsoft's and what they were given."""
    return {
        "grants": list_declared_permissions(),
        "graph": {
            "domains": [{"id": "contoso.example", "isVerified": True}],
            "servicePrincipals": [
                app(NOTES, "Notes", verifiedPublisher=VERIFIED),
                app(TOOL, "Command Line Tools", MICROSOFT_TENANT_ID),
            ],
            "oauth2PermissionGrants": list(grants),
            "appRoleAssignments": [
                build_app_assignment(NOTES, GRAPH_APP, value) for value in assigned
            ],
            "authorizationPolicy": {
                "id": "authorizationPolicy",
                "defaultUserRolePermissions": {
                    "allowedToCreateApps": False,
                    "permissionGrantPoliciesAssigned": [*entries, FOR_OWNED],
                },
            },
        },
    }


QUIET = (
    grant(1, NOTES, "openid profile User.Read", "u1"),
    grant(2, NOTES, "openid offline_access", "u2"),
    grant(3, TOOL, "Mail.ReadWrite Directory.AccessAsUser.All", None),
)
NEGLECTED = (*QUIET, *(grant(10 + one, NOTES, "Mail.Read openid", f"u{one}") for one in range(40)))


async def played(scene: Mapping[str, Any], mode: str = "alert") -> Mapping[str, Any]:
    modes = {duty.guard.name: "off" for duty in CATALOG} | {GUARD: mode}
    return await run_scene(scene, ticks=TICKS, modes=modes)


def run_of(result: Mapping[str, Any], tick: int) -> Mapping[str, Any]:
    (only,) = (one for one in result["runs"] if (one["tick"], one["guard"]) == (tick, GUARD))
    return dict(only)


def told(run: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    """Kind, severity and verdict of whatever is more than a note."""
    return {
        (one["kind"], one["severity"], one["verdict"])
        for one in run["findings"]
        if one["severity"] != "info"
    }


# The healthy tenant -------------------------------------------------------------------------------


async def test_in_a_healthy_tenant_known_apps_are_noted_and_nothing_is_said() -> None:
    result = await played(scene_of(QUIET))
    for tick in range(1, TICKS + 1):
        run = run_of(result, tick)
        assert told(run) == set()
        assert (run["unread"], run["blind"]) == (0, [])
        assert run["seen"] == run["population"] == 6
        noted = {one["object"] for one in run["findings"]}
        assert noted >= {NOTES, TOOL}
    assert (result["cards"], result["writes"]) == ([], [])


# The neglected tenant -----------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def neglected() -> Mapping[str, Any]:
    """Forty users gave their mail away, an admin everybody's, and anybody may do so again."""
    return await played(scene_of(NEGLECTED, "Files.Read.All", entries=(FOR_SELF,)), "enforce")


def test_what_exists_is_adopted_and_forty_users_are_one_finding(
    neglected: Mapping[str, Any],
) -> None:
    run = run_of(neglected, 1)
    assert told(run) == {
        ("delegated-users", "medium", "granted"),
        ("application-permission", "high", "granted"),
        ("user-consent", "high", "repair"),
    }
    (mail,) = (
        one
        for one in run["findings"]
        if one["kind"] == "delegated-users" and one["facts"] and "Mail.Read" in one["summary"]
    )
    assert "granted by: tens of users" in mail["facts"]
    assert {one["state"] for one in run["findings"] if one["severity"] != "info"} == {"adopted"}
    assert run["changes"] == []


def test_consent_is_taken_from_users_in_the_second_run_and_the_other_entry_stays(
    neglected: Mapping[str, Any],
) -> None:
    (write,) = neglected["writes"]
    assert (write["method"], write["target"]) == ("PATCH", "/policies/authorizationPolicy")
    inner = write["body"]["defaultUserRolePermissions"]
    assert inner["permissionGrantPoliciesAssigned"] == [FOR_OWNED]
    assert inner["allowedToCreateApps"] is False
    assert [one["outcome"] for one in run_of(neglected, 2)["changes"]] == ["applied"]


def test_the_third_run_has_nothing_to_say(neglected: Mapping[str, Any]) -> None:
    run = run_of(neglected, 3)
    assert "user-consent" not in {one["kind"] for one in run["findings"]}
    assert run["news"] == 0
    assert len(neglected["cards"]) == 2


# The attack ---------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def attacked() -> Mapping[str, Any]:
    """Between two runs: a look-alike is agreed to, an old grant grows, a secret is hung on a tool
    of Microsoft's, and an app is made the master of the directory.
    """
    evil = app(EVIL, "Micros\u043eft Teams", replyUrls=["https://teams.evil.example/auth"])
    secret = {"keyId": SHARED_SECRET, "endDateTime": "2099-01-01T00:00:00Z"}
    edits = [
        {"op": "add", "path": "/graph/servicePrincipals/-", "value": evil},
        {
            "op": "add",
            "path": "/graph/oauth2PermissionGrants/-",
            "value": grant(90, EVIL, "openid offline_access Mail.ReadWrite", "u1"),
        },
        {
            "op": "set",
            "path": "/graph/oauth2PermissionGrants/G2/scope",
            "value": "openid offline_access Files.ReadWrite.All",
        },
        {
            "op": "set",
            "path": f"/graph/servicePrincipals/{TOOL}/passwordCredentials",
            "value": [secret],
        },
        {
            "op": "add",
            "path": "/graph/appRoleAssignments/-",
            "value": build_app_assignment(EVIL, GRAPH_APP, "RoleManagement.ReadWrite.Directory"),
        },
    ]
    return await played(scene_of(QUIET) | {"ticks": [{}, {"edit": edits}, {}]})


def test_before_the_attack_all_is_quiet(attacked: Mapping[str, Any]) -> None:
    assert (told(run_of(attacked, 1)), run_of(attacked, 1)["news"]) == (set(), 0)


def test_each_step_of_the_attack_is_news_at_once(attacked: Mapping[str, Any]) -> None:
    run = run_of(attacked, 2)
    assert told(run) == {
        ("delegated-users", "critical", "impostor"),
        ("application-permission", "critical", "impostor"),
        ("delegated-users", "medium", "granted"),
        ("app-credential", "high", "granted"),
    }
    assert run["news"] == 4
    first, second, third = (json.dumps(card, ensure_ascii=False) for card in attacked["cards"])
    assert ("Critical: 2 new" in first, "High: 1 new" in second) == (True, True)
    assert "Medium: 1 new" in third
    shown = first + second + third
    assert "looks like one of Microsoft's" in shown
    assert "Files.ReadWrite.All" in shown
    assert attacked["writes"] == []


def test_after_it_the_next_run_is_silent(attacked: Mapping[str, Any]) -> None:
    assert told(run_of(attacked, 3)) == told(run_of(attacked, 2))
    assert run_of(attacked, 3)["news"] == 0


# The unreadable tenant ----------------------------------------------------------------------------


async def test_without_the_permission_nothing_is_clean_and_the_permission_is_named() -> None:
    wanted = list_declared_permissions()
    wanted["graph"] = [name for name in wanted["graph"] if name != "Directory.Read.All"]
    result = await played(scene_of(NEGLECTED) | {"grants": wanted})
    run = run_of(result, 1)
    assert run["blind"] != []
    assert ("permission-missing", "critical", "could-not-tell") in told(run)
    assert "Directory.Read.All" in json.dumps(result["cards"])
    assert run_of(result, 3)["news"] == 0


async def test_one_broken_grant_is_its_apps_alone_and_is_told_when_it_stays() -> None:
    broken = grant(99, NOTES, "x", "u9") | {"consentType": None}
    result = await played(scene_of((*QUIET, broken)))
    for tick in (1, 2):
        run = run_of(result, tick)
        assert (run["unread"], run["news"]) == (1, 0)
    last = run_of(result, 3)
    assert told(last) == {("unreadable", "medium", "could-not-tell")}
    assert last["news"] == 1


async def test_a_listing_that_fails_ends_no_case() -> None:
    fault = {"match": "/oauth2PermissionGrants", "kind": "error", "status": 404}
    scene = scene_of(NEGLECTED) | {"ticks": [{}, {"faults": [fault]}, {"faults": []}]}
    result = await played(scene)
    assert told(run_of(result, 1)) == {("delegated-users", "medium", "granted")}
    second = run_of(result, 2)
    assert ("delegated-users", "medium", "granted") not in told(second)
    assert second["blind"] != []
    third = run_of(result, 3)
    (mail,) = (one for one in third["findings"] if one["severity"] != "info")
    assert (mail["state"], third["news"]) == ("known", 0)
