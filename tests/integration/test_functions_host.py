"""From timer and route to the tenant's state: the app on the production worker library."""

import json
from typing import Any

import pytest
import pytest_asyncio

from core.api.routes import ROUTES
from core.config.catalog import CATALOG
from tests.support.hosted_app import HOST_SCENE
from tests.support.programs import run_to_its_end


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def journey() -> dict[str, Any]:
    """One process with one app plays the whole journey."""
    printed = await run_to_its_end("tests.integration.host_app:main", text=json.dumps(HOST_SCENE))
    result: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return result


def test_the_worker_indexes_every_function_and_every_timer_runs(journey: dict[str, Any]) -> None:
    guards = sorted(duty.guard.name for duty in CATALOG)
    assert [name for name, _, _ in journey["timers"]] == sorted(
        [*guards, "activity", "weekly-digest"]
    )
    assert {error for _, _, error in journey["timers"]} == {""}
    queue_functions = {"run-requested", "run-failed", "scan-shard", "shard-failed"}
    others = {"activity", "weekly-digest"} | queue_functions | {route.name for route in ROUTES}
    assert set(journey["functions"]) == {*guards} | others


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("no key", 401),
        ("unknown", 404),
        ("bad body", 400),
        ("bad run", 404),
        ("asked", 202),
        ("report", 200),
        ("busy", 200),
    ],
)
def test_every_answer_has_its_status(journey: dict[str, Any], name: str, status: int) -> None:
    assert journey["answers"][name][0] == status


def test_a_requested_run_reports_what_it_found_and_changes_nothing_in_alert_mode(
    journey: dict[str, Any],
) -> None:
    report = journey["answers"]["report"][1]
    assert (report["status"], report["mode"]) == ("done", "alert")
    assert [(row["subject"], row["verdict"]) for row in report["findings"]] == [
        ("info@contoso.com", "block")
    ]
    assert report["changes"] == []


def test_a_held_guard_reports_busy(journey: dict[str, Any]) -> None:
    assert journey["answers"]["busy"][1]["status"] == "busy"


def test_an_enforcing_run_blocks_the_account_and_says_so(journey: dict[str, Any]) -> None:
    report = journey["answers"]["enforced"][1]
    assert [(row["kind"], row["outcome"]) for row in report["changes"]] == [
        ("BlockSignIn", "applied")
    ]
    assert report["told"] is True
    blocked = [row for row in journey["writes"] if row["method"] == "PATCH"]
    assert [row["body"]["accountEnabled"] for row in blocked] == [False]
    # The baseline, two requested runs, and the blocked account.
    assert journey["cards"] == 4
