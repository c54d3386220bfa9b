"""The app's triggers equal the catalog; what a request may ask for."""

import json
from dataclasses import replace
from typing import Any

import pytest

import function_app
from core.catalog import CATALOG
from core.model import Duty, Mode
from core.settings import prefix
from function_app import BadBody, requested

FUNCTIONS = {
    function.get_function_name(): function for function in function_app.app.get_functions()
}
ENFORCING = replace(CATALOG[0], mode=Mode.ENFORCE)
ALERTING = replace(CATALOG[0], mode=Mode.ALERT)
PLAN = "0123456789abcdef" * 2


def bindings(name: str) -> dict[str, dict[str, Any]]:
    """A function's bindings by type, as the host gets them."""
    return {row["type"]: row for row in map(json.loads, FUNCTIONS[name].get_raw_bindings())}


@pytest.mark.parametrize("duty", CATALOG, ids=lambda duty: duty.guard.name)
def test_every_guard_has_a_timer_of_its_name_at_the_schedule_of_its_setting(duty: Duty) -> None:
    timer = bindings(duty.guard.name)["timerTrigger"]
    assert timer["schedule"] == f"%{prefix(duty.guard.name)}_SCHEDULE%"
    assert timer["useMonitor"] is True
    assert timer["runOnStartup"] is False


def test_there_are_no_functions_but_the_guards_and_those_behind_them() -> None:
    guards = {duty.guard.name for duty in CATALOG}
    requests, shards = (
        {"request-run", "run-requested", "run-report"},
        {"scan-shard", "shard-failed"},
    )
    assert set(FUNCTIONS) == guards | requests | shards


def test_whoever_plans_puts_shards_where_they_are_worked_on_and_failures_are_seen() -> None:
    taken = bindings("scan-shard")["queueTrigger"]["queueName"]
    for planner in (*(duty.guard.name for duty in CATALOG), "run-requested"):
        assert bindings(planner)["queue"]["queueName"] == taken
    assert bindings("shard-failed")["queueTrigger"]["queueName"] == f"{taken}-poison"


def test_asking_for_a_run_goes_over_the_queue() -> None:
    asked, taken = bindings("request-run"), bindings("run-requested")
    assert asked["queue"]["queueName"] == taken["queueTrigger"]["queueName"]
    assert asked["httpTrigger"]["methods"] == ["POST"]
    assert bindings("run-report")["httpTrigger"]["methods"] == ["GET"]


@pytest.mark.parametrize("name", ["request-run", "run-report"])
def test_no_route_is_open_without_a_key(name: str) -> None:
    assert bindings(name)["httpTrigger"]["authLevel"].upper() == "FUNCTION"


@pytest.mark.parametrize(
    ("body", "duty", "wish"),
    [
        (b"", ENFORCING, {}),
        (b"  ", ENFORCING, {}),
        (b"{}", ENFORCING, {}),
        (b'{"mode": "alert"}', ENFORCING, {"mode": "alert"}),
        (b'{"mode": "enforce"}', ENFORCING, {"mode": "enforce"}),
        (b'{"mode": "alert"}', ALERTING, {"mode": "alert"}),
        (f'{{"plan": "{PLAN}"}}'.encode(), ENFORCING, {"plan": PLAN}),
    ],
)
def test_a_request_may_restrain_a_guard_or_release_its_plan(
    body: bytes, duty: Duty, wish: dict[str, str]
) -> None:
    assert requested(body, duty) == wish


@pytest.mark.parametrize(
    ("body", "duty", "reason"),
    [
        (b"nonsense", ENFORCING, "not JSON"),
        (b"[" * 4000, ENFORCING, "not JSON"),
        (b"[]", ENFORCING, "object"),
        (b'{"apply": true}', ENFORCING, "object"),
        (b'{"mode": "enforce"}', ALERTING, "only go down"),
        (b'{"mode": "off"}', ENFORCING, '"alert" or "enforce"'),
        (b'{"mode": ["alert"]}', ENFORCING, '"alert" or "enforce"'),
        (b'{"plan": "*"}', ENFORCING, "32 hex digits"),
        (b'{"plan": 7}', ENFORCING, "32 hex digits"),
        (f'{{"plan": "{PLAN}"}}'.encode(), ALERTING, "alert mode"),
        (f'{{"plan": "{PLAN}", "mode": "alert"}}'.encode(), ENFORCING, "alert mode"),
        (b'{"mode": "' + b"x" * 5000 + b'"}', ENFORCING, "larger than"),
    ],
)
def test_a_bad_body_is_refused_with_what_is_wrong(body: bytes, duty: Duty, reason: str) -> None:
    with pytest.raises(BadBody, match=reason):
        requested(body, duty)
