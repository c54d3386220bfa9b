"""An unchanged tenant, read through services that fail in every possible way.

Whatever Graph and Exchange answer, no case closes, no other case opens, and nothing is written:
what was not read is unknown. Each guard of the catalog must hold to that, with broken connections
and bodies, with batches whose replies are missing, duplicate or empty, with rejected tokens and
consent withdrawn during a scan, and with listings that are silently empty.
"""

from typing import Any

import pytest
import pytest_asyncio

from core.bootstrap import NOTIFY_SECONDS
from core.config.catalog import CATALOG
from core.guards.mailbox_forwarding.guard import GUARD as FORWARDING
from tests.resilience.generators.staged import (
    BUDGET_MINUTES,
    AdapterHarness,
    LeftWorld,
    build_neglected_scene,
    get_object_cases,
    open_harness,
)

BATCH = {"kind": "replies", "match": "batch", "many": 7}
# Behind the first request of each service: a look that breaks off is worse than none.
PASSING: dict[str, dict[str, Any]] = {
    "500": {"kind": "error", "status": 500, "skip": 1},
    "503 with a wait": {"kind": "throttle", "status": 503, "retryAfter": 200, "skip": 1},
    "a page of HTML": {"kind": "html", "status": 200, "skip": 1},
    "no body": {"kind": "empty", "skip": 1},
    "half a body": {"kind": "break", "skip": 1},
    "half a gzip": {"kind": "gzip", "skip": 1},
    "a reset": {"kind": "drop"},
    "no list": {"kind": "wrongBody", "body": {"value": None}, "skip": 1},
    "missing replies": {**BATCH, "how": "missing"},
    "replies twice": {**BATCH, "how": "twice"},
    "replies by another id": {**BATCH, "how": "renamed"},
    "replies without a body": {**BATCH, "how": "null"},
    "replies in base64": {**BATCH, "how": "text"},
    "500 in a batch": {"kind": "error", "status": 500, "inner": True, "skip": 3},
    "424 in a batch": {"kind": "error", "status": 424, "inner": True},
}
REFUSING: dict[str, dict[str, Any]] = {
    "401 for ever": {"kind": "error", "status": 401},
    "consent withdrawn": {"kind": "error", "status": 403, "skip": 2},
}
# All guards read by the same few functions: one of them meets everything, the others these.
FEW = ("500", "no list", "missing replies", "500 in a batch")
# What a second source of the same thing may show as a case of its own when the first refuses.
BY_ANOTHER_SOURCE = frozenset({"inbox-rule-hides", "inbox-rule-unreadable", "inbox-rule-silent"})


async def suffer(stage: AdapterHarness, fault: dict[str, Any]) -> None:
    """One run in which both services have the same fault."""
    begun = stage.timer.now
    report = await stage.run_guard(*({"service": name, **fault} for name in ("graph", "exchange")))
    assert report.status in ("done", "in-progress")
    assert report.read_count <= report.population
    assert stage.timer.now - begun <= BUDGET_MINUTES * 60 + NOTIFY_SECONDS


@pytest_asyncio.fixture(
    scope="module", loop_scope="module", params=CATALOG, ids=lambda duty: duty.guard.name
)
async def seen(request: pytest.FixtureRequest) -> LeftWorld:
    """A tenant that a guard has looked at twice, in peace."""
    async with open_harness(build_neglected_scene(), request.param) as stage:
        await stage.run_guard()
        await stage.run_guard()
        return stage.leave()


async def test_no_trouble_of_the_services_ends_a_case_or_makes_one(seen: LeftWorld) -> None:
    meets_everything = seen.config.guard is FORWARDING
    async with seen.go_on(over_http=meets_everything) as stage:
        known = await get_object_cases(stage)
        for name in PASSING if meets_everything else FEW:
            fault = PASSING[name]
            await suffer(stage, fault)
            assert (await get_object_cases(stage)).keys() == known.keys(), name
        await stage.run_guard()
        assert (await get_object_cases(stage)).keys() == known.keys()
        for name, fault in REFUSING.items():
            await suffer(stage, fault)
            now = await get_object_cases(stage)
            assert now.keys() >= known.keys(), name
            assert {now[key].kind for key in now.keys() - known.keys()} <= BY_ANOTHER_SOURCE, name
        assert stage.sandbox.writes == []


EMPTY = {"kind": "wrongBody", "body": {"value": []}}
# What a tenant may well have none of: that the last of them is gone can be no more than believed.
MAY_BE_NONE = frozenset({"transport-rule", "plan-protocols", "mailbox-forward"})


async def test_a_listing_that_is_silently_empty_ends_no_case(seen: LeftWorld) -> None:
    async with seen.go_on() as stage:
        known = await get_object_cases(stage)
        await suffer(stage, EMPTY)
        gone = known.keys() - (await get_object_cases(stage)).keys()
        assert {known[key].kind for key in gone} <= MAY_BE_NONE
        await stage.run_guard()
        assert (await get_object_cases(stage)).keys() == known.keys()
        assert stage.sandbox.writes == []


async def test_a_forward_whose_recipient_cannot_be_looked_up_keeps_its_case() -> None:
    (duty,) = (duty for duty in CATALOG if duty.guard is FORWARDING)
    async with open_harness(build_neglected_scene(), duty) as stage:
        await stage.run_guard()
        known = await get_object_cases(stage)
        forwards = {key for key, case in known.items() if case.kind == "mailbox-forward"}
        assert forwards
        await stage.run_guard(
            {"service": "exchange", "match": "^Get-Recipient", "status": 500, "inner": True}
        )
        assert forwards <= (await get_object_cases(stage)).keys()
        await stage.run_guard(
            {"service": "exchange", "match": "^Get-Mailbox", "status": 500, "times": 5}
        )
        assert forwards <= (await get_object_cases(stage)).keys()


async def test_what_stays_unreadable_is_told_at_the_third_run() -> None:
    (duty,) = (duty for duty in CATALOG if duty.guard is FORWARDING)
    async with open_harness(build_neglected_scene(), duty) as stage:
        await stage.run_guard()
        cards = len(stage.sandbox.cards)
        fault = {"service": "graph", "kind": "error", "status": 401}
        for _ in range(3):
            await stage.run_guard(fault)
        told = [
            case
            for case in (await stage.get_open_cases()).values()
            if case.kind in ("source-unavailable", "unreadable")
        ]
        assert told
        assert all(case.notified_at for case in told)
        assert len(stage.sandbox.cards) > cards
