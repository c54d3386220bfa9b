"""Three days with an attacker inside, at full pace: few cards, few rows, nobody forgotten."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.days import REPORTED_DAYS, Simulation, check_bounds
from bench.days_report import (
    DOCUMENT,
    PICTURE,
    RESULTS,
    DaysResults,
    draw_picture,
    update_document,
)
from core.engine.attention import CARDS_PER_OBJECT, DAY, OBJECT_PAUSE

SIZE, DAYS = 60, 3
GUARDS = 3
# Of a guard, about the attacker's mailbox and about its own brake; what is graver passes twice.
CARDS_PER_GUARD = 2 * (CARDS_PER_OBJECT + DAY // OBJECT_PAUSE) + 2
# All that an object may leave in the state of a guard within a day, and some for all others.
ROWS_A_DAY = 60


@pytest.fixture(scope="module")
def simulation() -> Simulation:
    """Three days, played once."""
    played = Simulation(SIZE, DAYS, reported=tuple(range(1, DAYS + 1)))
    asyncio.run(played.play())
    return played


def test_an_attacker_causes_a_bounded_number_of_cards_a_day(simulation: Simulation) -> None:
    for day in simulation.figures:
        assert day.attacker_cards <= GUARDS * CARDS_PER_GUARD
    # Later days are calmer than the first: what goes on is told once a day.
    assert simulation.figures[-1].attacker_cards < simulation.figures[0].attacker_cards


def test_rows_and_what_a_run_recalls_grow_by_little_a_day(simulation: Simulation) -> None:
    first, *_, last = simulation.figures
    assert last.rows - first.rows <= (DAYS - 1) * ROWS_A_DAY
    assert last.recalled - first.recalled <= (DAYS - 1) * ROWS_A_DAY


def test_victims_are_told_of_and_put_right_whatever_the_attacker_does(
    simulation: Simulation,
) -> None:
    assert check_bounds(simulation) == []
    assert len(simulation.victims) == 2
    assert all(story.told_after == 0 for story in simulation.victims)
    assert all(story.disabled_after == 0 for story in simulation.victims)
    assert simulation.attacker.deeds == DAYS * 96
    assert sum(day.held for day in simulation.figures) > 0


async def test_the_same_seed_gives_the_same_days() -> None:
    played = [Simulation(20, 1, seed=7, reported=()) for _ in range(2)]
    for one in played:
        await one.play()
    first, second = ([(day.cards, day.rows, day.writes) for day in one.figures] for one in played)
    assert first == second


def test_the_document_has_the_table_of_the_published_days() -> None:
    results = DaysResults.load()
    assert {day.day for day in results.figures} >= set(REPORTED_DAYS)
    text = DOCUMENT.read_text(encoding="utf-8")
    assert update_document(text, results) == text
    assert PICTURE.read_text(encoding="utf-8") == draw_picture(results)


def test_results_survive_their_file(tmp_path: Path) -> None:
    results = DaysResults.load()
    results.save(tmp_path / "days.json")
    assert DaysResults.load(tmp_path / "days.json") == results
    assert json.loads(RESULTS.read_text(encoding="utf-8"))["size"] == results.size
