"""Mass deletion, from the audit log to the card: healthy, neglected, attacked, unreadable."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.config.catalog import CATALOG
from sandbox.scenes.row_templates import build_user_row, derive_id
from tests.support.run_scene import run_scene

GUARD = "mass-deletion"
ONLY = {duty.guard.name: "off" for duty in CATALOG if duty.guard.name != GUARD}
ALL = ("AuditLog.Read.All", "User.Read.All", "Group.Read.All")
PERSON = {
    "user": {
        "id": derive_id("user", "admin"),
        "userPrincipalName": "admin@contoso.com",
        "displayName": None,
        "ipAddress": "203.0.113.9",
    },
    "app": None,
}
SYNC = {
    "user": None,
    "app": {
        "appId": None,
        "displayName": "Microsoft.Azure.SyncFabric",
        "servicePrincipalId": None,
        "servicePrincipalName": None,
    },
}
TICK = 0.25


def ago(days: float) -> dict[str, float]:
    return {"@sandbox.daysAgo": days}


def record(
    alias: str,
    days: float,
    by: Mapping[str, Any] = PERSON,
    activity: str = "Delete user",
    result: str = "success",
) -> dict[str, Any]:
    """A record of the audit log."""
    name = f"{derive_id('user', alias).replace('-', '')}{alias}@contoso.com"
    return {
        "id": f"Directory_{alias}_{activity}",
        "category": "UserManagement",
        "result": result,
        "resultReason": "",
        "activityDisplayName": activity,
        "activityDateTime": ago(days),
        "loggedByService": "Core Directory",
        "operationType": "Delete",
        "initiatedBy": dict(by),
        "targetResources": [
            {
                "id": derive_id("user", alias),
                "displayName": None,
                "type": "User",
                "userPrincipalName": name,
            }
        ],
    }


def in_the_bin(alias: str, days: float, kind: str = "user") -> dict[str, Any]:
    row = build_user_row(alias, alias, True, None)
    name = f"{row['id'].replace('-', '')}{row['userPrincipalName']}"
    return {
        "@odata.type": f"#microsoft.graph.{kind}",
        "id": row["id"],
        "displayName": alias,
        "userPrincipalName": name,
        "deletedDateTime": ago(days),
    }


def gone(
    number: int, days: float, by: Mapping[str, Any] = PERSON, first: int = 0
) -> dict[str, Any]:
    """So many users deleted, in the audit log and in the recycle bin."""
    names = [f"g{one:03}" for one in range(first, first + number)]
    return {
        "directoryAudits": [record(name, days, by) for name in names],
        "deletedItems": [in_the_bin(name, days) for name in names],
    }


def scene(*parts: Mapping[str, Any], roles: tuple[str, ...] = ALL, **more: Any) -> dict[str, Any]:
    """Forty users, and what was deleted besides."""
    graph: dict[str, Any] = {
        "users": [build_user_row(f"p{one:02}", f"Person {one}", True, None) for one in range(40)],
        "directoryAudits": [],
        "deletedItems": [],
    }
    for part in parts:
        for name, rows in part.items():
            graph[name] = [*graph[name], *rows]
    return {"grants": {"graph": list(roles), "exchange": []}, "graph": graph, **more}


def runs(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [run for run in result["runs"] if run["guard"] == GUARD]


def found(run: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    return [(row["kind"], row["subject"], row["severity"]) for row in run["findings"]]


async def test_a_tenant_in_which_now_and_then_something_is_deleted_gets_no_card() -> None:
    quiet = gone(8, 0.5)
    failed = {"directoryAudits": [record(f"f{one}", 0.2, result="failure") for one in range(50)]}
    old = gone(30, 9, first=100)
    result = await run_scene(scene(quiet, failed, old), ticks=2, modes=ONLY)
    assert result["cards"] == []
    assert [run["findings"] for run in runs(result)] == [[], []]
    assert {run["coverage"] for run in runs(result)} == {"3 of 3 sources read"}


async def test_a_burst_that_was_there_before_is_told_once_and_ends_without_a_word() -> None:
    result = await run_scene(scene(gone(12, 0.1)), ticks=6, modes=ONLY)
    first = runs(result)[0]
    assert found(first) == [("mass-deletion", "admin@contoso.com", "high")]
    (row,) = first["findings"]
    assert row["facts"][1] == "by admin@contoso.com from 203.0.113.9 (12)"
    assert row["facts"][2].startswith("23 % of all users")
    assert row["facts"][3].startswith("can be restored: 12 users")
    assert "g000@contoso.com" in row["facts"][4], "without what deletion puts before the name"
    assert [run["told"] for run in runs(result)] == [True, None, None, None, None, None]
    # A day after the last look that may have missed something, it is over.
    assert [run["open"] for run in runs(result)] == [1, 1, 1, 1, 1, 0]
    assert result["writes"] == []


async def test_an_attack_is_told_told_again_when_it_is_graver_and_a_later_one_anew() -> None:
    def at(tick: int, *parts: Mapping[str, Any]) -> dict[str, Any]:
        return {"graph": {name: rows for name, rows in scene(*parts)["graph"].items()}}

    # Times are those of the tick in which it is seen: ticks are six hours apart.
    one = gone(12, -1 * TICK + 0.01)
    purge = {
        "directoryAudits": [
            record("g000", -2 * TICK + 0.01, activity="Hard Delete user"),
            *one["directoryAudits"],
        ],
        "deletedItems": one["deletedItems"][1:],
    }
    again = gone(11, -9 * TICK + 0.01, first=200)
    attacked = scene()
    attacked["ticks"] = [{}, at(2, one), at(3, purge), {}, {}, {}, {}, {}, {}, at(10, again)]
    result = await run_scene(attacked, ticks=11, modes=ONLY)
    told = [tick for tick, run in enumerate(runs(result), 1) if run["told"]]
    assert told == [2, 3, 10]
    assert found(runs(result)[2]) == [("mass-deletion", "admin@contoso.com", "critical")]
    assert any("gone for good: 1 user" in fact for fact in runs(result)[2]["findings"][0]["facts"])
    assert {run["held"] for run in runs(result)} == {""}


async def test_the_filter_of_entra_connect() -> None:
    result = await run_scene(scene(gone(30, 0.05, SYNC)), ticks=2, modes=ONLY)
    ((_, who, severity),) = found(runs(result)[0])
    assert (who, severity) == ("Microsoft.Azure.SyncFabric", "high")
    assert "If this is Entra Connect, stop it" in runs(result)[0]["findings"][0]["advice"]


async def test_users_who_are_back_are_not_called_lost() -> None:
    burst = gone(12, 0.05)
    users = [build_user_row(f"g{one:03}", f"G {one}", True, None) for one in range(3)]
    burst["deletedItems"] = burst["deletedItems"][3:]
    taken = build_user_row("g005", "Somebody else", True, None) | {"id": derive_id("user", "new")}
    result = await run_scene(scene(burst, {"users": [*users, taken]}), modes=ONLY)
    facts = runs(result)[0]["findings"][0]["facts"]
    assert "back already: 3 users" in facts
    assert "their name is somebody else's by now, so restoring collides: 1 user" in facts


async def test_without_the_audit_log_the_recycle_bin_tells_and_what_is_missing_is_named() -> None:
    blind = scene(gone(12, 0.1), roles=("User.Read.All", "Group.Read.All"))
    result = await run_scene(blind, ticks=3, modes=ONLY)
    first = runs(result)[0]
    assert ("mass-deletion", "somebody unknown", "high") in found(first)
    assert ("permission-missing", "AuditLog.Read.All", "critical") in found(first)
    assert first["blind"] == ["deletions-in-the-audit-log"]
    assert [run["told"] for run in runs(result)] == [True, None, None]


@pytest.mark.parametrize(
    ("missing", "severity"), [("User.Read.All", "critical"), ("Group.Read.All", "low")]
)
async def test_what_is_missing_besides_is_named_and_the_burst_is_told(
    missing: str, severity: str
) -> None:
    roles = tuple(role for role in ALL if role != missing)
    result = await run_scene(scene(gone(12, 0.1), roles=roles), ticks=3, modes=ONLY)
    first = runs(result)[0]
    assert ("mass-deletion", "admin@contoso.com", "high") in found(first)
    assert ("permission-missing", missing, severity) in found(first)
    assert [run["told"] for run in runs(result)] == [True, None, None]


async def test_nothing_readable_is_never_nothing_deleted() -> None:
    result = await run_scene(scene(gone(12, 0.1), roles=()), ticks=3, modes=ONLY)
    first = runs(result)[0]
    assert {row["verdict"] for row in first["findings"]} == {"could-not-tell"}
    assert first["blind"] == ["deleted-users", "deletions-in-the-audit-log"]
    assert [run["told"] for run in runs(result)] == [True, None, None]


async def test_thousands_of_records_are_read_page_by_page() -> None:
    result = await run_scene(scene(gone(2_500, 0.05)), modes=ONLY)
    run = runs(result)[0]
    assert found(run) == [("mass-deletion", "admin@contoso.com", "critical")]
    assert run["findings"][0]["summary"].startswith("2,500 users")


def act(alias: str, days: float, activity: str, kind: str = "User") -> dict[str, Any]:
    """A record of something else than a deleted user."""
    row = record(alias, days, activity=activity)
    row["targetResources"][0] |= {"type": kind, "userPrincipalName": None, "displayName": alias}
    return row


async def test_what_is_deleted_for_good_after_it_was_told_is_told_at_once() -> None:
    burst = gone(60, -0.24)
    purged = [record(f"g{one:03}", -0.49, activity="Hard Delete user") for one in range(60)]
    after = {"directoryAudits": [*burst["directoryAudits"], *purged], "deletedItems": []}
    result = await run_scene(
        scene(ticks=[{}, {"graph": burst}, {"graph": after}, {}]), ticks=4, modes=ONLY
    )
    assert [run["news"] for run in runs(result)] == [0, 1, 1, 0]
    verdicts = [{one["verdict"] for one in run["findings"]} for run in runs(result)]
    assert verdicts[1:3] == [{"mass-deletion"}, {"deleted-for-good"}]


async def test_a_burst_is_told_again_when_it_has_doubled_and_not_before() -> None:
    first = gone(30, -0.24)
    more = [gone(number, -0.25 * tick - 0.24, first=30) for tick, number in ((1, 5), (2, 30))]
    ticks: list[dict[str, Any]] = [{}, {"graph": first}]
    for part in more:
        rows = {name: [*first[name], *part[name]] for name in first}
        ticks.append({"graph": rows})
    result = await run_scene(scene(ticks=ticks), ticks=4, modes=ONLY)
    assert [run["news"] for run in runs(result)] == [0, 1, 0, 1]


async def test_who_locks_out_and_deletes_apps_and_policies_is_told_and_a_quiet_day_is_not() -> None:
    quiet = [
        *(act(f"l{one}", 0.1, "Disable account") for one in range(6)),
        *(act(f"r{one}", 0.1, "Reset user password") for one in range(4)),
        act("app", 0.1, "Delete application", "Application"),
        act("rule", 0.1, "Delete conditional access policy", "Policy"),
        *(act(f"s{one}", 0.1, "Reset password (self-service)") for one in range(30)),
        *(act(f"f{one}", 0.1, "Disable account") | {"result": "failure"} for one in range(30)),
    ]
    loud = [
        *(act(f"l{one}", -0.2, "Disable account") for one in range(40)),
        *(act(f"a{one}", -0.2, "Delete application", "Application") for one in range(20)),
        *(act(f"c{one}", -0.2, "Delete conditional access policy", "Policy") for one in range(5)),
    ]
    what = scene(
        {"directoryAudits": quiet}, ticks=[{}, {"graph": {"directoryAudits": [*quiet, *loud]}}]
    )
    result = await run_scene(what, ticks=2, modes=ONLY)
    before, after = runs(result)
    assert (before["findings"], before["news"]) == ([], 0)
    assert {(one["kind"], one["verdict"]) for one in after["findings"]} == {
        ("mass-lockout", "mass-lockout"),
        ("mass-deletion-of-apps", "mass-deletion"),
        ("mass-deletion-of-policies", "mass-deletion"),
    }
    assert {one["subject"] for one in after["findings"]} == {"admin@contoso.com"}
