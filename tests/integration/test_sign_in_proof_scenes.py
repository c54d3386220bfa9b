"""Sign-in of shared mailboxes in whole tenants: proof, what is never blocked, what became of it."""

from typing import Any

import pytest

from sandbox.scenes.neglected import build_days_ago
from sandbox.scenes.people import TenantBuilder
from sandbox.scenes.row_templates import ASSIGNED_AT, FLOW_FREE
from tests.support.run_scene import SIGN_IN, SceneResult, run_scene, set_alone

ONLY_SIGN_IN = set_alone(SIGN_IN, "enforce")
SHARED, ROOM = "SharedMailbox", "RoomMailbox"
LATER = {"createdDateTime": ASSIGNED_AT, "lastPasswordChangeDateTime": "2025-06-01T08:00:00Z"}
SPRAYED = {"signInActivity": {"lastSignInDateTime": build_days_ago(1)}}


def build_tenant(**graph: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A tenant with a mailbox for each kind of evidence, and the ids of its accounts."""
    builder = TenantBuilder()
    added = [
        builder.add_mailbox("untouched", "Untouched", SHARED, enabled=True),
        builder.add_mailbox("known", "Known", SHARED, enabled=True, account=LATER),
        builder.add_mailbox("sprayed", "Sprayed", SHARED, enabled=True, account=LATER | SPRAYED),
        builder.add_mailbox("flow", "Flow", SHARED, enabled=True, product=FLOW_FREE),
        builder.add_mailbox("panel", "Panel", ROOM, enabled=True, product=FLOW_FREE),
        builder.add_mailbox("admin", "Admin", SHARED, enabled=True),
        builder.add_mailbox(
            "unit", "Unit", SHARED, enabled=True, account={"isManagementRestricted": True}
        ),
    ]
    ids = {one.alias: one.id for one in added}
    role = {
        "id": "e1",
        "principalId": ids["admin"],
        "roleDefinitionId": "29232cdf-9323-42fd-ade2-1d097af3e4de",
        "directoryScopeId": "/",
        "principal": {"@odata.type": "#microsoft.graph.user", "id": ids["admin"]},
    }
    scene = {
        "graph": builder.build_graph() | {"roleEligibilityScheduleInstances": [role]} | graph,
        "exchange": builder.build_exchange(),
    }
    return scene, ids


async def play(scene: dict[str, Any], ticks: int) -> SceneResult:
    return SceneResult(scene, await run_scene(scene, ticks=ticks, modes=ONLY_SIGN_IN))


def list_verdicts(result: SceneResult, tick: int) -> dict[str, str]:
    found = result.tabulate_findings(tick, SIGN_IN)
    return {
        name: verdict
        for name, rows in found.items()
        for kind, verdict in rows
        if kind != "permission-missing"
    }


async def test_only_accounts_that_are_proven_unused_are_blocked() -> None:
    scene, ids = build_tenant()
    result = await play(scene, 2)
    expected = {
        **dict.fromkeys(("untouched", "known", "sprayed"), "block"),
        "flow": "ask",
        **dict.fromkeys(("panel", "admin", "unit"), "never"),
    }
    assert list_verdicts(result, 1) == expected
    patched = {row["target"] for row in result.writes if row["method"] == "PATCH"}
    assert patched == {f"/users/{ids[name]}" for name in ("untouched", "known", "sprayed")}


async def test_without_sign_in_records_only_an_untouched_password_is_proof() -> None:
    scene, _ = build_tenant()
    graph_roles = [
        "User.Read.All",
        "User.EnableDisableAccount.All",
        "User.RevokeSessions.All",
        "GroupMember.Read.All",
        "RoleManagement.Read.Directory",
        "PrivilegedEligibilitySchedule.Read.AzureADGroup",
    ]
    cmdlets = ["Get-Mailbox", "Get-RoleGroup", "Get-RoleGroupMember"]
    result = await play(scene | {"grants": {"graph": graph_roles, "exchange": cmdlets}}, 2)
    found = list_verdicts(result, 1)
    assert {name: found[name] for name in ("untouched", "known", "sprayed")} == {
        "untouched": "block",
        "known": "ask",
        "sprayed": "ask",
    }


@pytest.mark.parametrize("logged", [True, False])
async def test_an_account_that_was_enabled_again_is_asked_about_with_a_name(logged: bool) -> None:
    scene, ids = build_tenant()
    audit = {
        "activityDateTime": build_days_ago(-2),
        "activityDisplayName": "Enable account",
        "result": "success",
        "initiatedBy": {"user": {"id": ids["admin"], "userPrincipalName": "dana@contoso.com"}},
        "targetResources": [{"id": ids["known"], "type": "User"}],
    }
    enable = {"op": "set", "path": f"/graph/users/{ids['known']}/accountEnabled", "value": True}
    tell = {"op": "set", "path": "/graph/directoryAudits", "value": [audit] if logged else []}
    scene["ticks"] = [{}, {}, {}, {"edit": [enable, tell]}, {}]
    result = await play(scene, 5)
    (finding,) = (
        row for row in result.find_run(5, SIGN_IN)["findings"] if row["object"] == ids["known"]
    )
    assert (finding["verdict"], finding["severity"]) == ("ask", "high")
    assert any("dana@contoso.com" in fact for fact in finding["facts"]) is logged
    assert result.find_run(5, SIGN_IN)["changes"] == []


async def test_a_mailbox_that_is_a_persons_again_is_told_with_the_date_of_the_block() -> None:
    scene, ids = build_tenant()
    guid = next(row["Guid"] for row in scene["exchange"]["Get-Mailbox"] if row["Alias"] == "known")
    kind = {
        "op": "set",
        "path": f"/exchange/Get-Mailbox/{guid}/RecipientTypeDetails",
        "value": "UserMailbox",
    }
    scene["ticks"] = [{}, {}, {"edit": [kind]}]
    result = await play(scene, 3)
    (finding,) = (
        row for row in result.find_run(3, SIGN_IN)["findings"] if row["object"] == ids["known"]
    )
    assert (finding["kind"], finding["verdict"]) == ("blocked-after-conversion", "ask")
    assert any(fact.startswith("blocked by Exoguard: ") for fact in finding["facts"])
