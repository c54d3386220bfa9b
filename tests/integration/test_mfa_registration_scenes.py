"""Second factors, from Graph's own words to the card: healthy, neglected, attacked, unreadable."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from core.config.catalog import CATALOG
from sandbox.graph.registrations import build_report_row
from sandbox.scenes.row_templates import build_user_row, derive_id
from tests.support.run_scene import run_scene

GUARD = "mfa-registration"
ONLY = {duty.guard.name: "off" for duty in CATALOG if duty.guard.name != GUARD}
BARE: Mapping[str, Any] = {
    "isMfaRegistered": False,
    "isMfaCapable": False,
    "methodsRegistered": [],
}
PHONE: Mapping[str, Any] = {"methodsRegistered": ["mobilePhone", "email"]}
GRANTED = {
    "graph": ["AuditLog.Read.All", "Domain.Read.All", "User.Read.All"],
    "exchange": [],
}


def staff(number: int) -> list[dict[str, Any]]:
    """Accounts of a company; the last of them is disabled."""
    users = [build_user_row(f"p{one:02}", f"Person {one}", True, None) for one in range(number)]
    users[-1]["accountEnabled"] = False
    return users


def scene(changed: Mapping[int, Mapping[str, Any]], **more: Any) -> dict[str, Any]:
    """Twenty accounts whose rows of the report say otherwise where `changed` does."""
    users = staff(20)
    rows = [
        build_report_row(user) | dict(changed.get(number, {})) for number, user in enumerate(users)
    ]
    graph: dict[str, Any] = {"users": users, "userRegistrationDetails": rows}
    return {"grants": GRANTED, "graph": graph, **more}


def runs(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [run for run in result["runs"] if run["guard"] == GUARD]


def table(run: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    rows: Sequence[Mapping[str, Any]] = run["findings"]
    return [(row["subject"], row["severity"], row["verdict"]) for row in rows]


async def test_a_healthy_tenant_gets_no_card() -> None:
    result = await run_scene(scene({0: {"isAdmin": True}}), ticks=2, modes=ONLY)
    assert result["cards"] == []
    assert [run["findings"] for run in runs(result)] == [[], []]
    assert {(run["seen"], run["population"]) for run in runs(result)} == {(20, 20)}


async def test_a_tenant_without_details_of_its_own_is_a_healthy_one() -> None:
    result = await run_scene({"graph": {"users": staff(5)}}, modes=ONLY)
    assert (result["cards"], runs(result)[0]["seen"]) == ([], 4)


async def test_a_neglected_tenant_gets_one_card_and_then_silence() -> None:
    lacking = {number: BARE for number in range(2, 8)} | {19: BARE}
    neglected = scene(
        lacking
        | {0: {"isAdmin": True, **BARE}, 1: {"isAdmin": True, **PHONE}}
        | {10: {"userType": "guest", **BARE}, 11: PHONE}
    )
    result = await run_scene(neglected, ticks=3, modes=ONLY)
    assert table(runs(result)[0]) == [
        ("p00@contoso.com", "critical", "no-second-factor"),
        ("members without a second factor", "high", "no-second-factor"),
        ("p01@contoso.com", "high", "weak-factor"),
        ("guests without a second factor here", "low", "no-second-factor"),
        ("members with only a telephone as second factor", "low", "weak-factor"),
    ]
    # One account of the report was disabled since.
    (digest,) = (
        row
        for row in runs(result)[0]["findings"]
        if row["object"] == "members" and row["kind"] == "without-second-factor"
    )
    assert digest["summary"].startswith("6 of 16 members")
    assert [run["told"] for run in runs(result)] == [True, None, None]
    assert len(result["cards"]) == 1
    assert result["writes"] == []


async def test_an_administrator_who_loses_the_second_factor_is_told_and_told_when_it_is_back() -> (
    None
):
    attacked = scene({0: {"isAdmin": True}, 3: BARE})
    base = f"/graph/userRegistrationDetails/{derive_id('user', 'p00')}"
    row = {
        name: dict(build_report_row(build_user_row("p00", "Person 0", True, None)))[name]
        for name in BARE
    }
    attacked["ticks"] = [
        {},
        {"edit": [{"op": "set", "path": f"{base}/{name}", "value": BARE[name]} for name in BARE]},
        {"edit": [{"op": "set", "path": f"{base}/{name}", "value": row[name]} for name in BARE]},
    ]
    result = await run_scene(attacked, ticks=4, modes=ONLY)
    assert table(runs(result)[1])[0] == ("p00@contoso.com", "critical", "no-second-factor")
    # What there is again is told at once, since the methods could be somebody else's. The end of
    # what was only just told waits until another run has confirmed it.
    assert [run["news"] for run in runs(result)] == [1, 1, 1, 1]
    assert ("p00@contoso.com", "medium", "method-added") in table(runs(result)[2])


async def test_a_few_more_without_a_second_factor_are_no_news_and_a_step_up_is() -> None:
    growing = scene({3: BARE})
    rows = growing["graph"]["userRegistrationDetails"]

    def strip(*numbers: int) -> dict[str, Any]:
        return {
            "graph": {
                "userRegistrationDetails": [
                    row | (dict(BARE) if number in numbers else {})
                    for number, row in enumerate(rows)
                ]
            }
        }

    growing["ticks"] = [{}, strip(4), strip(4, 5, 6, 7)]
    result = await run_scene(growing, ticks=4, modes=ONLY)
    assert [table(run)[0][1] for run in runs(result)] == ["medium", "medium", "high", "high"]
    assert [run["news"] for run in runs(result)] == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"grants": {"graph": ["User.Read.All"], "exchange": []}}, "AuditLog.Read.All"),
        ({"free": True}, "a licence of Microsoft Entra ID P1"),
    ],
)
async def test_what_cannot_be_read_is_told_once_and_nobody_is_accused(
    changes: dict[str, Any], named: str
) -> None:
    unreadable = scene({0: {"isAdmin": True, **BARE}, 3: BARE}) | changes
    if unreadable.pop("free", False):
        unreadable["graph"]["organization"] = [
            {"id": "5a4d0b0c-7e1a-4a6f-9c55-0d7e5a11ce00", "@sandbox.premium": False}
        ]
    result = await run_scene(unreadable, ticks=3, modes=ONLY)
    first = runs(result)[0]
    assert {row["verdict"] for row in first["findings"]} == {"could-not-tell"}
    assert first["blind"] == ["sign-in-methods"]
    assert named in str(result["cards"])
    assert [run["told"] for run in runs(result)] == [True, None, None]


async def test_a_thousand_and_more_accounts_are_read_to_the_end_though_graph_pushes_back() -> None:
    users = [build_user_row(f"p{one:05}", f"Person {one}", True, None) for one in range(2_100)]
    rows = [build_report_row(user) for user in users]
    rows[-1] |= {"isAdmin": True, **BARE}
    limit = {"match": "userRegistrationDetails", "kind": "limit", "window": 1, "most": 1}
    large = {"graph": {"users": users, "userRegistrationDetails": rows}, "faults": [limit]}
    result = await run_scene(large, modes=ONLY)
    assert table(runs(result)[0]) == [("p02099@contoso.com", "critical", "no-second-factor")]
    assert runs(result)[0]["population"] == 2_100


async def test_methods_added_to_an_administrator_between_two_looks_are_told() -> None:
    key = {"isAdmin": True, "methodsRegistered": ["fido2SecurityKey"]}
    path = f"/graph/userRegistrationDetails/{derive_id('user', 'p00')}/methodsRegistered"
    added = ["fido2SecurityKey", "mobilePhone", "temporaryAccessPass"]
    what = scene({0: key, 1: {"isAdmin": True}})
    what["ticks"] = [{}, {"edit": [{"op": "set", "path": path, "value": added}]}, {}]
    result = await run_scene(what, ticks=3, modes=ONLY)
    told = ("p00@contoso.com", "high", "method-added")
    assert [table(run) for run in runs(result)] == [[], [told], [told]]
    assert [run["news"] for run in runs(result)] == [0, 1, 0]
    assert len(result["cards"]) == 1


async def test_accounts_others_decide_about_make_no_grave_case() -> None:
    what = scene({number: BARE for number in range(10)} | {0: {"isAdmin": True, **BARE}})
    for number, (user, row) in enumerate(
        zip(what["graph"]["users"], what["graph"]["userRegistrationDetails"], strict=False)
    ):
        domain = "fed.contoso.com" if number < 5 else "contoso.onmicrosoft.com"
        mark = "" if number < 5 else "_partner.example#EXT#"
        if number < 10:
            name = f"p{number:02}{mark}@{domain}"
            user["userPrincipalName"] = row["userPrincipalName"] = name
    what["graph"]["domains"] = [
        {"id": "contoso.com", "authenticationType": "Managed", "isVerified": True},
        {"id": "fed.contoso.com", "authenticationType": "Federated", "isVerified": True},
    ]
    result = await run_scene(what, modes=ONLY)
    assert table(runs(result)[0]) == [
        ("p00@fed.contoso.com", "medium", "decided-elsewhere"),
        ("external members without a second factor here", "low", "no-second-factor"),
        ("federated members without a second factor here", "low", "no-second-factor"),
    ]
