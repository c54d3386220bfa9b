"""A page of mailboxes that Exchange leaves out without a word ends nothing, however short it is.

The tenant shows a few mailboxes less than before, as after a clean-up: too few for its length to
tell. Each object that is missing is looked at alone.
"""

import pytest

from core.adapters.exchange.way_memory import WayMemory
from core.engine.population import MIN_SHRUNK
from tests.resilience.generators.small_pages import (
    attack,
    describe_cases,
    list_told,
    open_small_pages,
)
from tests.support.builders import CONFIGS_BY_NAME

GUARDS = {
    "mailbox-forwarding": 4,
    "mailbox-delegation": 4,
    "mailbox-audit": 4,
    "legacy-protocols": 4,
    "exchange-module-access": 4,
    "shared-mailbox-sign-in": 3,
    "shared-mailbox-health": 2,
}
"""The guards over mailboxes, each with the rows of a page: so few that nothing else tells, and so
many that the last page of what it lists is not full.
"""
PAGES = (1, 2, 3, 5, 9, 13, 15)


@pytest.mark.parametrize("guard", GUARDS)
async def test_nothing_ends_because_a_short_page_is_left_out(guard: str) -> None:
    assert GUARDS[guard] < MIN_SHRUNK
    async with open_small_pages(CONFIGS_BY_NAME[guard]) as (stage, box):
        stage.page_size = GUARDS[guard]
        await stage.run_guard()
        attack(stage, guard, stage.clock())
        await stage.run_guard()
        known = await describe_cases(stage)
        assert known
        lost = 0
        for page in PAGES:
            box.tenant.apply_patch(
                {"reality": {"exchange-paging": {"side": "skipped", "after": page}}}
            )
            stage.way_memory = WayMemory(now=stage.clock)
            report = await stage.run_guard()
            assert list_told(report) == [], page
            assert (await describe_cases(stage)).keys() >= known.keys(), page
            lost += bool(report.unavailable_sources or report.unread_count)
        assert lost
        box.tenant.apply_patch({"reality": {}})
        assert list_told(await stage.run_guard()) == []
        assert await describe_cases(stage) == known
