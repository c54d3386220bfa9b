"""No guard takes a missing page for a smaller tenant, whichever of its listings lacks one.

What a guard found stays found, what it tells besides is nothing, and what it could not read it
names. A first look that lacks pages is no first look.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from core.adapters.exchange.way_memory import WayMemory
from core.config.catalog import CATALOG
from core.model.guards import GuardConfig
from core.model.runs import RunReport
from tests.resilience.generators.large_tenants import REFUSALS
from tests.resilience.generators.small_pages import (
    CUT_WITHOUT_A_WORD,
    GRAPH_REFUSALS,
    REFUSED_EVERYWHERE,
    Known,
    attack,
    describe_cases,
    list_told,
    open_small_pages,
)
from tests.resilience.generators.staged import AdapterHarness


@pytest.mark.parametrize("config", CATALOG, ids=lambda config: config.guard.name)
async def test_nothing_comes_or_goes_because_a_page_is_missing(config: GuardConfig) -> None:
    async with open_small_pages(config) as (stage, box):
        await stage.run_guard()
        attacked = stage.clock()
        attack(stage, config.guard.name, attacked)
        whole = await stage.run_guard()
        known = await describe_cases(stage)
        pages = box.continuations.copy()
        await look_while_exchange_refuses(
            stage, REFUSALS.values() if pages["exchange"] else (), known, whole
        )
        await look_while_graph_refuses(
            stage, GRAPH_REFUSALS.values() if pages["graph"] else (), known
        )
        for faults in [CUT_WITHOUT_A_WORD], []:
            assert list_told(await stage.run_guard(*faults)) == []
        assert await describe_cases(stage) == known
        box.tenant.apply_patch({"reality": REFUSED_EVERYWHERE})
        assert list_told(await stage.run_guard()) == []
        assert await describe_cases(stage) == known
    async with open_small_pages(config) as (stage, box):
        box.tenant.apply_patch({"reality": REFUSED_EVERYWHERE})
        await stage.run_guard(GRAPH_REFUSALS["refused"])
        box.tenant.apply_patch({"reality": {}})
        await stage.run_guard()
        # At the same moment: the date of what was done may be a part of the case's identity.
        attack(stage, config.guard.name, attacked)
        await stage.run_guard()
        assert await describe_cases(stage) == known


async def look_while_exchange_refuses(
    stage: AdapterHarness, realities: Iterable[Mapping[str, Any]], known: Known, whole: RunReport
) -> None:
    """All objects are read in another way, each time as if nothing was known of the tenant."""
    for reality in realities:
        stage.sandbox.tenant.apply_patch({"reality": reality})
        stage.way_memory = WayMemory(now=stage.clock)
        report = await stage.run_guard()
        assert list_told(report) == [], reality
        assert count_read(report) == count_read(whole), reality
        assert await describe_cases(stage) == known
    stage.sandbox.tenant.apply_patch({"reality": {}})


async def look_while_graph_refuses(
    stage: AdapterHarness, faults: Iterable[Mapping[str, Any]], known: Known
) -> None:
    """Graph has one way: what it does not go on with is unread."""
    for fault in faults:
        before = len(stage.sandbox.faulted)
        report = await stage.run_guard(fault)
        assert list_told(report) == [], fault
        assert await describe_cases(stage) == known, fault
        struck = len(stage.sandbox.faulted) > before
        assert bool(report.unavailable_sources or report.unread_count) is struck, fault


def count_read(report: RunReport) -> tuple[int, int, int]:
    """How many objects there are, how many were read, and how many were not."""
    return report.population, report.read_count, report.unread_count
