"""The ways that a probe chose: read once, replaced by those of a new probe, never required."""

import asyncio
from datetime import UTC, datetime

import pytest

from core.adapters.chosen_ways import ChosenWays
from core.errors import LedgerError
from core.microsoft365.assumptions.exchange_writes import ANCHOR_FORM
from core.microsoft365.assumptions.graph_directory import GRANTS_COUNT
from core.model.state import ProbeReport
from core.tenant.probing import AnswerStatus, ProbeAnswer

NOW = datetime(2026, 11, 29, tzinfo=UTC)


class CountedState:
    """A state with one probe, which counts how often it is read."""

    def __init__(self, *answers: ProbeAnswer) -> None:
        self.report = ProbeReport(NOW, answers)
        self.reads = 0

    async def load(self) -> ProbeReport | None:
        self.reads += 1
        await asyncio.sleep(0)
        return self.report


async def test_the_way_of_the_last_probe_is_read_once() -> None:
    state = CountedState(ProbeAnswer(ANCHOR_FORM.id, AnswerStatus.DOES_NOT_HOLD, "", "upn"))
    ways = ChosenWays(state.load)
    assert ways.get(ANCHOR_FORM) == "mbx"
    assert state.reads == 0
    assert await ways.find(ANCHOR_FORM) == ways.get(ANCHOR_FORM) == "upn"
    assert await ways.find(GRANTS_COUNT) == "counted"
    assert state.reads == 1


async def test_requests_that_begin_together_read_the_last_probe_once() -> None:
    state = CountedState(ProbeAnswer(ANCHOR_FORM.id, AnswerStatus.DOES_NOT_HOLD, "", "upn"))
    ways = ChosenWays(state.load)
    assert await asyncio.gather(*(ways.find(ANCHOR_FORM) for _ in range(5))) == ["upn"] * 5
    assert state.reads == 1


@pytest.mark.parametrize("way", ["", "carrier-pigeon"])
async def test_a_way_that_the_register_does_not_list_is_the_default(way: str) -> None:
    state = CountedState(ProbeAnswer(ANCHOR_FORM.id, AnswerStatus.DOES_NOT_HOLD, "", way))
    assert await ChosenWays(state.load).find(ANCHOR_FORM) == "mbx"


async def test_the_ways_of_a_new_probe_replace_those_of_the_last() -> None:
    state = CountedState(ProbeAnswer(ANCHOR_FORM.id, AnswerStatus.DOES_NOT_HOLD, "", "upn"))
    ways = ChosenWays(state.load)
    ways.adopt({GRANTS_COUNT.id: "per-client"})
    assert await ways.find(GRANTS_COUNT) == "per-client"
    assert await ways.find(ANCHOR_FORM) == "mbx"
    assert state.reads == 0


async def test_without_a_probe_or_a_state_the_ways_are_the_default_ones() -> None:
    async def fail() -> ProbeReport | None:
        raise LedgerError("the table is away")

    assert await ChosenWays(fail).find(GRANTS_COUNT) == "counted"
    assert await ChosenWays().find(GRANTS_COUNT) == "counted"
