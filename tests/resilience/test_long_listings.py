"""A listing that one run cannot end is ended by the next ones, in every way that there is.

Each page of Exchange's takes a good part of a run's time, and one run is broken off half way. All
objects are read over the runs, nothing goes away meanwhile, and what was mended ends.
"""

import asyncio
from typing import Any

import pytest

from core.model.runs import RunReport
from sandbox.http_types import HttpRequest, HttpResponse
from sandbox.server import SimulatedService
from tests.resilience.generators.large_tenants import (
    OPEN,
    PAGE_SIZE,
    REFUSALS,
    REFUSED_IN_EVERY_WAY,
    build_large_tenant,
    list_closed,
    list_found,
    mend,
)
from tests.resilience.generators.staged import AdapterHarness, RecordingSandbox, open_harness
from tests.support.builders import AUDIT_CONFIG

SMALL_PAGE = PAGE_SIZE // 10
COUNT = max(OPEN) // 10 + 1
FOUND = {f"m{number}" for number in OPEN if number < COUNT}
MAX_RUNS = 25
REFUSED = ("always", "after a page", "on another back end", "a warning and no link")
REALITIES: dict[str, tuple[float, dict[str, Any]]] = {
    # How many seconds a page takes, so that one run does not end the listing.
    "nothing is refused": (205.0, {}),
    **{name: (205.0, REFUSALS[name]) for name in REFUSED},
    "all but slices": (100.0, REFUSED_IN_EVERY_WAY),
    "all but slices by how names start": (
        100.0,
        {**REFUSED_IN_EVERY_WAY, "exchange-name-order": "refused"},
    ),
}


class SlowSandbox(RecordingSandbox):
    """A tenant whose Exchange takes its time, and at which a run may break off."""

    seconds = 0.0
    """How long a full page takes."""
    requests_left = 0
    """After how many requests the run dies; 0 for never."""
    running: asyncio.Task[RunReport] | None = None

    async def serve_request(self, service: SimulatedService, call: HttpRequest) -> HttpResponse:
        answer = await super().serve_request(service, call)
        if service.name == "exchange":
            rows = answer.encode_content().count(b'"Guid":')
            self.timer.now += self.seconds * rows / SMALL_PAGE
            self.requests_left -= 1
            if self.requests_left == 0 and self.running:
                self.running.cancel()
        return answer


async def run_to_end(stage: AdapterHarness, seconds: float, dies_after: int = 0) -> list[RunReport]:
    """Runs until one has ended the listing; the first of them may break off."""
    box, reports = stage.sandbox, list[RunReport]()
    assert isinstance(box, SlowSandbox)
    box.seconds, box.requests_left = seconds, dies_after
    for _ in range(MAX_RUNS):
        box.running = asyncio.create_task(stage.run_guard())
        try:
            reports.append(await box.running)
        except asyncio.CancelledError:
            assert box.requests_left <= 0
        if reports and reports[-1].status == "done" and not reports[-1].unavailable_sources:
            return reports
    raise AssertionError(f"no end after {MAX_RUNS} runs: {reports[-1]}")


@pytest.mark.parametrize("reality", REALITIES)
async def test_a_listing_is_ended_over_several_runs_one_of_which_breaks_off(reality: str) -> None:
    seconds, facts = REALITIES[reality]
    scene = build_large_tenant(COUNT)
    async with open_harness(scene, AUDIT_CONFIG, sandbox_type=SlowSandbox) as stage:
        stage.page_size = SMALL_PAGE
        await stage.run_guard()
        assert await list_found(stage) == FOUND
        stage.sandbox.tenant.apply_patch({"reality": facts})
        *before, last = await run_to_end(stage, seconds, dies_after=6)
        assert (last.population, last.read_count, last.unread_count) == (COUNT, COUNT, 0)
        assert [list_closed(report) for report in (*before, last)] == [[]] * (len(before) + 1)
        assert await list_found(stage) == FOUND
        mend(stage, 0)
        await run_to_end(stage, seconds)
        await run_to_end(stage, 0.0)
        assert await list_found(stage) == FOUND - {"m0"}
