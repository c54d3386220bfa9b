"""The app's triggers equal the catalog; what a request may ask for."""

import json
from typing import Any

import pytest

import function_app
from core.api.routes import ROUTES
from core.config.catalog import CATALOG
from core.config.settings import get_setting_prefix
from core.errors import SettingsError

FUNCTIONS = {
    function.get_function_name(): function for function in function_app.app.get_functions()
}


def bindings(name: str) -> dict[str, dict[str, Any]]:
    """A function's bindings by type, as the host gets them."""
    return {row["type"]: row for row in map(json.loads, FUNCTIONS[name].get_raw_bindings())}


def test_every_guard_has_a_timer_of_its_name_at_the_schedule_of_its_setting() -> None:
    for name in (duty.guard.name for duty in CATALOG):
        timer = bindings(name)["timerTrigger"]
        assert timer["schedule"] == f"%{get_setting_prefix(name)}_SCHEDULE%"
        assert timer["useMonitor"] is True, name
        assert timer["runOnStartup"] is False, name


def test_a_process_without_settings_does_not_start() -> None:
    with pytest.raises(SettingsError, match="TENANT_ID is missing"):
        function_app.require_settings({"TENANT_ID": " "})
    function_app.require_settings({"TENANT_ID": "contoso.example"})


def test_there_are_no_functions_but_the_guards_and_those_behind_them() -> None:
    guards = {duty.guard.name for duty in CATALOG}
    others = {"run-requested", "run-failed", "scan-shard", "shard-failed"}
    others |= {"weekly-digest", "activity"}
    assert set(FUNCTIONS) == guards | others | {route.name for route in ROUTES}


def test_every_hour_it_is_asked_whether_the_weeks_card_is_due() -> None:
    timer = bindings("weekly-digest")["timerTrigger"]
    assert (timer["schedule"], timer["runOnStartup"]) == ("0 0 * * * *", False)


def test_whoever_plans_puts_shards_where_they_are_worked_on_and_failures_are_seen() -> None:
    taken = bindings("scan-shard")["queueTrigger"]["queueName"]
    for planner in (*(duty.guard.name for duty in CATALOG), "run-requested"):
        assert bindings(planner)["queue"]["queueName"] == taken
    assert bindings("shard-failed")["queueTrigger"]["queueName"] == f"{taken}-poison"


def test_asking_for_a_run_goes_over_the_queue() -> None:
    asked, taken = bindings("request-run"), bindings("run-requested")
    assert asked["queue"]["queueName"] == taken["queueTrigger"]["queueName"]
    assert asked["httpTrigger"]["methods"] == ["POST"]
    assert bindings("run-failed")["queueTrigger"]["queueName"] == (
        f"{taken['queueTrigger']['queueName']}-poison"
    )
    assert bindings("run-report")["httpTrigger"]["methods"] == ["GET"]


def test_every_route_is_registered_as_the_api_has_it() -> None:
    for route in ROUTES:
        http = bindings(route.name)["httpTrigger"]
        assert (http["route"], http["methods"]) == (route.path, [route.method])
        assert ("queue" in bindings(route.name)) == route.is_write, route.name


def test_no_route_is_open_without_a_key() -> None:
    for route in ROUTES:
        level = bindings(route.name)["httpTrigger"]["authLevel"]
        assert level.upper() == "FUNCTION", route.name
