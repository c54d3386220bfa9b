"""Slices that fit: cut where the objects are, and together every object once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_rows
from core.adapters.exchange.slice_reader import SliceReader
from core.adapters.exchange.slices import ALPHABET, Slice, SlicePlace, choose_times
from core.adapters.exchange.way_memory import WayMemory
from core.microsoft365.exchange_listings import ListingWay
from core.model.state import Way
from tests.support.http_recorder import Connection, build_mailbox_row, build_scene, connect_sandbox

ALL = {"ResultSize": "Unlimited"}
NOW = datetime(2026, 11, 29, tzinfo=UTC)
PAGE_SIZE = 100
COUNT = 1_000
PAGES = COUNT // PAGE_SIZE
REFUSED = {
    "exchange-paging": "refused",
    "exchange-one-answer": {"side": "cut", "size": PAGE_SIZE},
    "exchange-entity-endpoints": "refused",
}
type Creation = Callable[[int], datetime | None]

SPREADS: dict[str, tuple[Creation, int]] = {
    # Each with the most requests that it may take: more where names have to be cut.
    "spread over years": (
        lambda number: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(hours=number * 773 % 90_000),
        3 * PAGES,
    ),
    "oldest first": (
        lambda number: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(hours=number * 40),
        6 * PAGES,
    ),
    "half in one hour": (
        lambda number: (
            datetime(2019, 3, 1, tzinfo=UTC)
            + (timedelta(seconds=number) if number % 2 else timedelta(days=number * 773 % 2_500))
        ),
        10 * PAGES,
    ),
    "all in one second": (lambda number: datetime(2019, 3, 1, tzinfo=UTC), 15 * PAGES),
    "without a date": (lambda number: None, 15 * PAGES),
    "half without a date": (
        lambda number: (
            None
            if number % 2
            else datetime(2015, 1, 1, tzinfo=UTC) + timedelta(hours=number * 773 % 90_000)
        ),
        12 * PAGES,
    ),
}


def build_tenant(created: Creation) -> dict[str, Any]:
    rows = []
    for number in range(COUNT):
        at = created(number)
        row = build_mailbox_row(
            f"id-{number}",
            f"guid-{number}",
            f"user-{number:05}",
            WhenCreated=f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None,
        )
        rows.append(row)
    return build_scene(exchange={"Get-Mailbox": rows}, reality=REFUSED)


def holds(part: Slice, name: str) -> bool:
    """Whether a name is in a slice, by the conditions that Exchange is asked for."""
    further = name.lower().removeprefix(part.prefix)[:1]
    if not name.lower().startswith(part.prefix):
        return False
    if part.next_characters:
        return further in part.next_characters
    return further not in part.excluded_characters


def remember_slices(to: Connection) -> None:
    """Let the client know that slices are the way."""

    async def load() -> dict[str, Way]:
        return {"Get-Mailbox": Way("Get-Mailbox", ListingWay.SLICES, NOW)}

    to.exchange.page_size = PAGE_SIZE
    to.exchange.way_memory = WayMemory(load, now=lambda: NOW)


@pytest.mark.parametrize("spread", SPREADS)
async def test_every_object_is_read_once_with_few_requests_however_dates_are_spread(
    spread: str,
) -> None:
    created, most_requests = SPREADS[spread]
    async with connect_sandbox(build_tenant(created)) as to:
        remember_slices(to)
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        requests = to.exchange.service.requests
    assert sorted(str(row["Guid"]) for row in rows) == sorted(f"guid-{n}" for n in range(COUNT))
    assert requests <= most_requests
    # What was asked for only to cut by is not passed on.
    assert not any("WhenCreated" in name for row in rows for name in row)


@pytest.mark.parametrize("spread", ["spread over years", "half in one hour", "without a date"])
async def test_a_listing_goes_on_at_every_place_without_losing_or_repeating_a_slice(
    spread: str,
) -> None:
    async with connect_sandbox(build_tenant(SPREADS[spread][0])) as to:
        to.exchange.page_size = PAGE_SIZE
        command = Command("Get-Mailbox", ALL, ("Guid",))

        async def read(after: SlicePlace | None) -> list[tuple[set[str], str]]:
            blocks = SliceReader(to.exchange, command, ("UserMailbox",), NOW).read(after)
            return [({str(row["Guid"]) for row in rows}, place) async for rows, place in blocks]

        blocks = [(found, place) for found, place in await read(None) if place]
        before = set[str]()
        for number, (found, text) in enumerate(blocks):
            before |= found
            if number % 7 and number != len(blocks) - 1:
                continue
            place = SlicePlace.parse(text)
            assert place is not None
            assert place.format() == text
            rest = set[str]().union(*(found for found, _ in await read(place)))
            assert not before & rest
            assert before | rest == {f"guid-{n}" for n in range(COUNT)}


async def test_slices_that_are_not_wanted_any_more_are_not_waited_for() -> None:
    async with connect_sandbox(build_tenant(SPREADS["spread over years"][0])) as to:
        to.exchange.page_size = PAGE_SIZE
        reader = SliceReader(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)), (), NOW)
        blocks = reader.read()
        await anext(blocks)
        await blocks.aclose()
        assert not reader.ahead
        assert to.exchange.service.in_flight == 0


def test_a_second_that_holds_more_than_a_part_is_a_part_of_its_own() -> None:
    at = datetime(2020, 1, 1, tzinfo=UTC)
    dates = [at - timedelta(days=1), *[at] * 6, *(at + timedelta(days=n) for n in (1, 2, 3))]
    times = choose_times(Slice(), dates, 2, NOW)
    assert times[:2] == [at, at + timedelta(seconds=1)]
    assert times == sorted(set(times))


def test_names_are_cut_into_all_that_there_can_be() -> None:
    parts = Slice(prefix="a", next_characters=("b",)).cut_names(["ab1", "abx", "aby"])
    assert tuple(one for part in parts for one in part.next_characters) == ALPHABET
    assert {part.prefix for part in parts} == {"ab"}
    assert parts[-1].excluded_characters == ALPHABET
    assert parts[-1].cut_names(["abé"]) == []


def test_names_that_begin_alike_are_cut_behind_that() -> None:
    names = [f"user-{number:03}" for number in range(100)]
    parts = Slice().cut_names(names)
    assert {part.prefix for part in parts if "0" in part.next_characters} >= {"user-0"}
    for name in [*names, "zoe", "Ärzte", "user", "user.x", "us"]:
        assert sum(holds(part, name) for part in parts) == 1
