"""Slices that fit: cut where the objects are, and together every object once."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_rows
from core.adapters.exchange.slice_reader import MAX_VAIN_REQUESTS, End, SliceReader
from core.adapters.exchange.slices import (
    UNDATED,
    Slice,
    SlicePlace,
    choose_names,
    choose_times,
    find_ordered_end,
    list_dates,
    list_names,
)
from core.adapters.exchange.way_memory import WayMemory
from core.errors import Unavailable
from core.microsoft365.assumptions.exchange_api import NAME_ORDER
from core.microsoft365.exchange_listings import ListingWay
from core.model.state import Way
from tests.support.http_recorder import Connection, build_mailbox_row, build_scene, connect_directly

ALL = {"ResultSize": "Unlimited"}
NOW = datetime(2026, 11, 29, tzinfo=UTC)
PAGE_SIZE = 50
COUNT = 500
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
        3 * PAGES,
    ),
    "half in one hour": (
        lambda number: (
            datetime(2019, 3, 1, tzinfo=UTC)
            + (timedelta(seconds=number) if number % 2 else timedelta(days=number * 773 % 2_500))
        ),
        5 * PAGES,
    ),
    "all in one second": (lambda number: datetime(2019, 3, 1, tzinfo=UTC), 3 * PAGES),
    "without a date": (lambda number: None, 3 * PAGES),
    "half without a date": (
        lambda number: (
            None
            if number % 2
            else datetime(2015, 1, 1, tzinfo=UTC) + timedelta(hours=number * 773 % 90_000)
        ),
        5 * PAGES,
    ),
}
SYLLABLES = ("юл", "ия", "山", "本", "älv", "ñu", "o'", "'", "😀", "\u200d")
NAMES: dict[str, Callable[[int], str]] = {
    "people": lambda number: f"{('anna', 'boris', 'möller')[number % 3]} {number * 7_919 % COUNT}",
    "any script": lambda number: "".join(
        SYLLABLES[number * 7_919 // 10**place % 10] for place in range(3)
    ),
}


def build_tenant(
    created: Creation, name: Callable[[int], str] = "user-{:05}".format, *, by_name: bool = False
) -> dict[str, Any]:
    rows = []
    for number in range(COUNT):
        at = created(number)
        row = build_mailbox_row(
            f"id-{number}",
            f"guid-{number}",
            f"user-{number:05}",
            Name=name(number),
            WhenCreated=f"{at:%Y-%m-%dT%H:%M:%SZ}" if at else None,
        )
        rows.append(row)
    if by_name:
        rows.sort(key=lambda row: str(row["Name"]).casefold())
    return build_scene(exchange={"Get-Mailbox": rows}, reality=REFUSED)


def holds(part: Slice, name: str) -> bool:
    """Whether a name is in a slice, by the conditions on how names start."""
    return (not part.starts or name.startswith(part.starts)) and not (
        part.other_starts and name.startswith(part.other_starts)
    )


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
    async with connect_directly(build_tenant(created)) as to:
        remember_slices(to)
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        requests = to.exchange.service.requests
    assert sorted(str(row["Guid"]) for row in rows) == sorted(f"guid-{n}" for n in range(COUNT))
    assert requests <= most_requests
    # What was asked for only to cut by is not passed on.
    assert not any("WhenCreated" in name for row in rows for name in row)


@pytest.mark.parametrize("spread", ["spread over years", "oldest first", "without a date"])
async def test_what_a_cut_answer_held_is_let_go_as_its_parts_show_it(spread: str) -> None:
    async with connect_directly(build_tenant(SPREADS[spread][0])) as to:
        remember_slices(to)
        reader = SliceReader(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)), (), NOW)
        most, passed_on = 0, list[str]()
        async for rows, _ in reader.read():
            passed_on += [str(row["Guid"]) for row in rows]
            held = [one.cut for one in reader.ahead if isinstance(one, End)]
            most = max(most, sum(len(cut.missing) for cut in held))
    assert sorted(passed_on) == sorted(f"guid-{number}" for number in range(COUNT))
    assert most <= 3 * PAGE_SIZE


@pytest.mark.parametrize("by_name", [False, True], ids=["as it comes", "first names first"])
@pytest.mark.parametrize("way", NAME_ORDER.ways)
@pytest.mark.parametrize("naming", NAMES)
async def test_names_in_any_script_tell_objects_apart_that_have_no_date(
    naming: str, way: str, by_name: bool
) -> None:
    scene = build_tenant(lambda number: None, NAMES[naming], by_name=by_name)
    async with connect_directly(scene) as to:
        remember_slices(to)
        to.exchange.chosen_ways.adopt({NAME_ORDER.id: way})
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        requests = to.exchange.service.requests
    assert sorted(str(row["Guid"]) for row in rows) == sorted(f"guid-{n}" for n in range(COUNT))
    assert requests <= (5 if way == NAME_ORDER.default_way else 15) * PAGES


async def test_a_filter_that_narrows_nothing_leaves_the_listing_unread_before_long() -> None:
    scene = build_tenant(lambda number: None)
    async with connect_directly(scene) as to:
        remember_slices(to)
        to.sandbox.tenant.apply_patch({"reality": {**REFUSED, "exchange-name-order": "ignored"}})
        with pytest.raises(Unavailable, match="the slices do not become smaller"):
            await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert to.exchange.service.requests < 2 * MAX_VAIN_REQUESTS


@pytest.mark.parametrize("way", NAME_ORDER.ways)
async def test_names_that_may_not_be_compared_are_told_apart_by_their_start_or_unread(
    way: str,
) -> None:
    async with connect_directly(build_tenant(lambda number: None)) as to:
        remember_slices(to)
        to.exchange.chosen_ways.adopt({NAME_ORDER.id: way})
        to.sandbox.tenant.apply_patch({"reality": {**REFUSED, "exchange-name-order": "refused"}})
        command = Command("Get-Mailbox", ALL, ("Guid",))
        if way == NAME_ORDER.default_way:
            with pytest.raises(Unavailable):
                await list_rows(to.exchange, command)
        else:
            assert len(await list_rows(to.exchange, command)) == COUNT


@pytest.mark.parametrize("spread", ["spread over years", "half in one hour", "without a date"])
async def test_a_listing_goes_on_at_every_place_without_losing_or_repeating_a_slice(
    spread: str,
) -> None:
    async with connect_directly(build_tenant(SPREADS[spread][0])) as to:
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
    async with connect_directly(build_tenant(SPREADS["spread over years"][0])) as to:
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


def test_rows_that_come_in_order_but_for_a_few_end_where_the_answer_does() -> None:
    names = [f"m{number:02}" for number in range(40)]
    assert find_ordered_end(Slice(), names, NOW) == "m39"
    assert find_ordered_end(Slice(), ["a", "z", *names], NOW) == "m39"
    assert find_ordered_end(Slice(), [], NOW) is None


def test_rows_that_rise_again_and_again_are_in_no_order() -> None:
    months = [NOW - timedelta(days=30 * (14 - number % 15)) for number in range(100)]
    assert find_ordered_end(Slice(), months, NOW) is None


def test_names_that_begin_alike_are_cut_behind_that() -> None:
    names = [f"user-{number:03}" for number in range(100)]
    parts = Slice().cut_by_start(names)
    assert {start for part in parts for start in part.starts} == {f"user-0{n}" for n in range(10)}
    for name in [*names, "zoe", "ärzte", "user", "user.x", "us", "名前"]:
        assert sum(holds(part, name) for part in parts) == 1


def test_what_starts_otherwise_is_cut_by_how_that_starts() -> None:
    *_, rest = Slice().cut_by_start(["anna", "ben"])
    parts = rest.cut_by_start(["ärzte", "ökonomie", "名前"])
    for name in ["ärzte", "ökonom", "名", "zoe"]:
        assert sum(holds(part, name) for part in parts) == 1


def test_names_that_are_the_same_or_begin_with_a_wildcard_are_not_cut_by_their_start() -> None:
    assert Slice(starts=("same",)).cut_by_start(["same", "same"]) == []
    assert Slice().cut_by_start(["*a", "?b", "[c"]) == []


def test_a_cut_name_is_one_that_a_filter_can_hold() -> None:
    rows = [{"Name": name} for name in ("O'Neil", "a\nb", "x" * 65, "", "Ärzte", "\u200dz", 7)]
    names = list_names(rows)
    assert names == ["o'neil", "ärzte", "\u200dz"]
    low, middle, high = Slice().cut_at_names(["o'neil", "ärzte"])
    assert low.build_filter() == "(-not (Name -ge 'o''neil'))"
    assert middle.build_filter() == "(Name -ge 'o''neil') -and (-not (Name -ge 'ärzte'))"
    assert high.build_filter() == "(Name -ge 'ärzte')"
    assert choose_names(Slice(), ["same"] * 100, 4) == []


def test_an_object_whose_date_is_none_counts_as_undated() -> None:
    dates = [None, "", "soon", 5, "0001-01-01T00:00:00+02:00", "9999-12-31T23:59:59-02:00"]
    assert list_dates([{"WhenCreated": one} for one in dates]) == [UNDATED] * len(dates)
    assert list_dates([{"WhenCreated": "2026-11-29T01:00:00.5+01:00"}]) == [NOW]
