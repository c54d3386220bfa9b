"""privileged-change through the real stack: a new Global Administrator between two looks."""

from core.guards.privileged_change import GUARD
from sandbox.scenes.default_roles import GLOBAL_ADMINISTRATOR
from tests.support.http_recorder import PERSON, build_scene, build_user_row
from tests.support.run_scene import run_scene, set_alone

NEWCOMER = "aaaaaaaa-0000-4000-8000-000000000003"


def assign(principal: str) -> dict[str, object]:
    typed = {"@odata.type": "#microsoft.graph.user", "id": principal}
    return {
        "principalId": principal,
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "principal": typed,
    }


async def test_a_second_global_administrator_between_two_looks_is_told_once_by_name() -> None:
    users = [build_user_row(PERSON, "ann"), build_user_row(NEWCOMER, "eve")]
    scene = build_scene(graph={"users": users, "roleAssignments": [assign(PERSON)]})
    both = [assign(PERSON), assign(NEWCOMER)]
    scene["ticks"] = [{}, {"graph": {"roleAssignments": both}}, {}]
    result = await run_scene(scene, ticks=3, modes=set_alone(GUARD.name, "alert"))
    runs = [run for run in result["runs"] if run["guard"] == GUARD.name]
    told = [
        [
            (one["subject"], one["severity"])
            for one in run["findings"]
            if one["kind"] == "administrator-added"
        ]
        for run in runs
    ]
    eve = [("eve@contoso.example", "critical")]
    assert told == [[], eve, eve]
    assert [run["news"] for run in runs][1:] == [1, 0]
    named = "eve@contoso.example holds the role Global Administrator now, and did not before"
    assert [named in str(card) for card in result["cards"]].count(True) == 1
