"""Listings that end: every way of listing, and what Exchange may do to each of them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import list_each, list_objects, list_rows
from core.adapters.exchange.page_requests import PageRequester
from core.adapters.exchange.responses import WayFailed
from core.adapters.exchange.way_memory import WayMemory
from core.adapters.exchange.whole_answer import read_whole
from core.adapters.parsing import ResponseRow
from core.errors import LedgerError, Unavailable
from core.microsoft365.exchange_listings import DEFAULT_PAGE_FORM, ListingWay
from core.model.state import EVERY_CMDLET, Way
from tests.support.http_recorder import Connection, build_mailbox_row, build_scene, connect_directly

ALL = {"ResultSize": "Unlimited"}
NOW = datetime(2026, 11, 29, tzinfo=UTC)
PAGE_SIZE = 100
COUNT = 230
EVERYTHING_REFUSED = {
    "exchange-paging": "refused",
    "exchange-one-answer": {"side": "cut", "size": PAGE_SIZE},
    "exchange-entity-endpoints": "refused",
}


def build_mailboxes(count: int = COUNT) -> list[dict[str, Any]]:
    """Mailboxes that were created in two waves: one over years, one in a single minute."""
    rows = []
    for number in range(count):
        at = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=number)
        if number % 2:
            at = datetime(2024, 3, 1, tzinfo=UTC) + timedelta(microseconds=number)
        rows.append(
            build_mailbox_row(
                f"id-{number}",
                f"guid-{number}",
                f"{'ab7é'[number % 4]}{number}",
                WhenCreated=at.isoformat().replace("+00:00", "Z"),
                RecipientTypeDetails="SharedMailbox" if number % 3 == 0 else "UserMailbox",
                IsDirSynced=False,
                UserPrincipalName=f"m{number}@contoso.example",
                # The one mailbox that must not be lost stands at the end.
                ForwardingSmtpAddress="smtp:x@evil.example" if number == count - 1 else None,
            )
        )
    return rows


def build_tenant(
    reality: dict[str, Any], mailboxes: Sequence[dict[str, Any]] | None = None, **exchange: Any
) -> dict[str, Any]:
    """A tenant of many mailboxes that plays one side of the facts about listings."""
    rows = build_mailboxes() if mailboxes is None else mailboxes
    return build_scene(
        exchange={"Get-Mailbox": rows, **exchange},
        graph={
            "domains": [
                {"id": "contoso.example", "isVerified": True, "isDefault": True},
                {"id": "contoso.onmicrosoft.com", "isVerified": True, "isInitial": True},
            ]
        },
        reality=reality,
    )


def note_ways(to: Connection, *known: Way) -> list[Way]:
    """Give the client a memory with these rows; the list of those it saves."""
    saved: list[Way] = []

    async def load() -> dict[str, Way]:
        return {way.cmdlet: way for way in known}

    async def save(way: Way) -> None:
        saved.append(way)

    to.exchange.page_size = PAGE_SIZE
    to.exchange.way_memory = WayMemory(load, save, lambda: NOW)
    return saved


def count_objects(rows: Sequence[ResponseRow]) -> tuple[int, int]:
    """How many rows there are, and of how many objects."""
    return len(rows), len({str(row["Guid"]) for row in rows})


REALITIES: list[tuple[dict[str, Any], str]] = [
    ({"exchange-paging": "followed"}, ""),
    ({"exchange-paging": "refused"}, "entities"),
    ({"exchange-paging": {"side": "refused", "after": 1}}, "entities"),
    ({"exchange-paging": {"side": "refused", "cmdlet": "Get-Mailbox"}}, "entities"),
    ({"exchange-paging": {"side": "refused", "cmdlet": "Get-User"}}, ""),
    ({"exchange-paging": "back-end"}, "pages"),
    ({"exchange-paging": "anchored"}, "pages"),
    ({"exchange-paging": "get"}, "pages"),
    ({"exchange-paging": "no-link"}, "entities"),
    ({"exchange-paging": "no-rows"}, "entities"),
    ({"exchange-paging": "ended"}, "entities"),
    ({"exchange-paging": {"side": "ended", "after": 2}}, "entities"),
    ({"exchange-paging": "twice"}, "entities"),
    ({"exchange-paging": "last-again"}, "entities"),
    ({"exchange-paging": "refused", "exchange-entity-endpoints": "refused"}, "whole"),
    ({"exchange-paging": "refused", "exchange-entity-endpoints": "bare"}, "whole"),
    ({"exchange-paging": "no-link", "exchange-entity-endpoints": "refused"}, "whole"),
    (
        {
            "exchange-paging": "refused",
            "exchange-entity-endpoints": "refused",
            "exchange-wire-forms": "small-names",
        },
        "whole",
    ),
    (EVERYTHING_REFUSED, "slices"),
    (
        {**EVERYTHING_REFUSED, "exchange-one-answer": {"side": "warned", "size": PAGE_SIZE}},
        "slices",
    ),
    (
        {**EVERYTHING_REFUSED, "exchange-one-answer": {"side": "silent", "size": PAGE_SIZE}},
        "slices",
    ),
    (
        {
            **EVERYTHING_REFUSED,
            "exchange-paging": {"side": "refused", "after": 1},
            "exchange-one-answer": {"side": "silent", "size": 2 * PAGE_SIZE},
        },
        "slices",
    ),
    ({**EVERYTHING_REFUSED, "exchange-paging": "no-link"}, "slices"),
    ({**EVERYTHING_REFUSED, "exchange-paging": "ended"}, "slices"),
    ({**EVERYTHING_REFUSED, "exchange-paging": "last-again"}, "slices"),
    ({**EVERYTHING_REFUSED, "exchange-paging": "no-rows"}, "slices"),
    ({**EVERYTHING_REFUSED, "exchange-paging": {"side": "refused", "after": 1}}, "slices"),
]


@pytest.mark.parametrize(("reality", "way"), REALITIES, ids=str)
async def test_every_mailbox_is_listed_once_whatever_exchange_refuses(
    reality: dict[str, Any], way: str
) -> None:
    properties = ("Guid", "ForwardingSmtpAddress")
    async with connect_directly(build_tenant(reality)) as to:
        saved = note_ways(to)
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, properties))
        assert count_objects(rows) == (COUNT, COUNT)
        assert [row["Guid"] for row in rows if row["ForwardingSmtpAddress"]] == [
            f"guid-{COUNT - 1}"
        ]
        # Pages of another size may be noted before they come to their end.
        noted = [row.way for row in saved if row.cmdlet == "Get-Mailbox"]
        assert noted[-1:] == ([way] if way else [])
        assert set(noted[:-1]) <= {ListingWay.PAGES}
        # The next listing goes that way without asking the others again.
        before = to.exchange.service.requests
        again = await list_rows(to.exchange, Command("Get-Mailbox", ALL, properties))
        assert count_objects(again) == (COUNT, COUNT)
        most = {"": 3, "pages": 4, "entities": 4, "whole": 2, "slices": 60}[way]
        assert to.exchange.service.requests - before <= most


@pytest.mark.parametrize(
    ("cmdlet", "way"),
    [
        ("Get-CASMailbox", "slices"),
        ("Get-User", "slices"),
        ("Get-RecipientPermission", "each"),
        ("Get-MailboxAuditBypassAssociation", "each"),
    ],
)
async def test_the_other_listings_end_too(cmdlet: str, way: str) -> None:
    count = 110
    mailboxes = build_mailboxes(count)
    users = [{key: row[key] for key in ("Guid", "Name", "WhenCreated")} for row in mailboxes]
    scene = build_tenant(
        EVERYTHING_REFUSED,
        mailboxes,
        **{
            "Get-User": users,
            "Get-MailboxAuditBypassAssociation": [
                # System objects come first, and no listing of users has them.
                {"Guid": guid, "Identity": guid, "AuditBypassEnabled": False}
                for guid in ("system-1", "system-2", *(row["Guid"] for row in mailboxes))
            ],
        },
    )
    async with connect_directly(scene) as to:
        saved = note_ways(to)
        expected = {str(row["Guid"]) for row in mailboxes}
        rows = await list_rows(to.exchange, Command(cmdlet, ALL))
        found = {str(row["Guid"]) for row in rows if "Guid" in row}
        if cmdlet == "Get-RecipientPermission":
            expected = {str(row["Identity"]) for row in mailboxes}
            found = {str(row["Identity"]) for row in rows}
        assert found >= expected
        assert {row.cmdlet: row.way for row in saved}[cmdlet] == way


async def test_names_that_differ_only_after_a_common_beginning_are_sliced() -> None:
    mailboxes = [
        build_mailbox_row(f"id-{number}", f"guid-{number}", f"user{sign}{number:03}")
        for number, sign in enumerate("-. _" * 55)
    ]
    async with connect_directly(build_tenant(EVERYTHING_REFUSED, mailboxes)) as to:
        saved = note_ways(to)
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid", "Name")))
    assert count_objects(rows) == (220, 220)
    assert [way.way for way in saved] == [ListingWay.SLICES]


async def test_a_listing_that_no_way_completes_is_unread_and_never_smaller() -> None:
    same = {"Name": "same", "WhenCreated": None, "RecipientTypeDetails": "UserMailbox"}
    twins = [row | same for row in build_mailboxes(110)]
    async with connect_directly(build_tenant(EVERYTHING_REFUSED, twins)) as to:
        saved = note_ways(to)
        with pytest.raises(Unavailable, match="incomplete"):
            await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert saved == []


async def test_a_single_page_asks_the_state_for_nothing() -> None:
    async with connect_directly(build_tenant(EVERYTHING_REFUSED, build_mailboxes(90))) as to:

        async def load() -> dict[str, Way]:
            raise AssertionError("the state was asked")

        to.exchange.page_size = PAGE_SIZE
        to.exchange.way_memory = WayMemory(load)
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert count_objects(rows) == (90, 90)


@pytest.mark.parametrize(
    ("count", "requests", "later_requests"),
    [(PAGE_SIZE, 3, 3), (2 * PAGE_SIZE, 4, 3), (5 * PAGE_SIZE, 7, 6)],
)
async def test_a_tenant_that_fills_its_last_page_has_that_listed_once_more_and_by_pages(
    count: int, requests: int, later_requests: int
) -> None:
    async with connect_directly(build_tenant({}, build_mailboxes(count))) as to:
        saved = note_ways(to)
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert count_objects(rows) == (count, count)
        # The last page once more, and what does not fit onto a smaller one.
        assert to.exchange.service.requests == requests
        noted = [(row.way, row.page_size) for row in saved if row.cmdlet == "Get-Mailbox"]
        assert noted == [(ListingWay.PAGES, PAGE_SIZE - 1)]
        # The next listing goes on in that size, as soon as it knows that there is a second page.
        again = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert count_objects(again) == (count, count)
        assert to.exchange.service.requests == requests + later_requests
        assert len(saved) == len(noted)


@pytest.mark.parametrize(
    ("count", "full_end"), [(PAGE_SIZE, 300), (PAGE_SIZE - 1, 300), (PAGE_SIZE - 2, 0)]
)
async def test_a_page_of_the_usual_size_is_full_where_a_smaller_one_was_asked_for(
    count: int, full_end: int
) -> None:
    async with connect_directly(build_tenant({}, [])) as to:
        to.exchange.page_size = PAGE_SIZE
        command = Command("Get-Mailbox", ALL, ("Guid",))
        requester = PageRequester(to.exchange, command, page_size=PAGE_SIZE - 1)
        requester.note_end(list(build_mailboxes(count)), "", 300)
        assert requester.full_end == full_end


@pytest.mark.parametrize("size", [-5, 1_000_000])
async def test_a_size_in_the_state_that_makes_no_sense_is_not_asked_for(size: int) -> None:
    async with connect_directly(build_tenant({})) as to:
        note_ways(to, Way("Get-Mailbox", ListingWay.PAGES, NOW, page_size=size))
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert count_objects(rows) == (COUNT, COUNT)
        assert to.exchange.service.requests == COUNT // PAGE_SIZE + 1


async def test_pages_that_show_nothing_new_are_passed_on_as_they_come() -> None:
    # What another look at the last page fails for, has all listed once more.
    refused = {"service": "exchange", "kind": "error", "status": 400, "skip": 3, "times": 1}
    scene = build_tenant({}, build_mailboxes(3 * PAGE_SIZE)) | {"faults": [refused]}
    async with connect_directly(scene) as to:
        note_ways(to)
        command = Command("Get-Mailbox", ALL, ("Guid",))
        sizes = [len(part.rows) async for part in list_objects(to.exchange, command)]
    assert sizes[:3] == [PAGE_SIZE] * 3
    assert sizes[3:] == [0] * 4, "whoever reads what was listed goes on with each page"


@pytest.mark.parametrize("is_first", [True, False])
async def test_a_link_that_is_missing_once_ends_no_listing(is_first: bool) -> None:
    rows = [{"Guid": row["Guid"]} for row in build_mailboxes(COUNT)]
    page = rows[:PAGE_SIZE] if is_first else rows[PAGE_SIZE : 2 * PAGE_SIZE]
    missing = {"kind": "wrongBody", "body": {"value": page}, "skip": 0 if is_first else 1}
    fault = {"service": "exchange", "match": "Get-Mailbox", "times": 1, **missing}
    async with connect_directly(build_tenant({}) | {"faults": [fault]}) as to:
        note_ways(to)
        listed = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
    assert count_objects(listed) == (COUNT, COUNT)


async def test_a_remembered_size_that_ends_on_a_full_page_too_is_changed_again() -> None:
    count = PAGE_SIZE + PAGE_SIZE - 1
    async with connect_directly(build_tenant({}, build_mailboxes(count))) as to:
        saved = note_ways(to, Way("Get-Mailbox", ListingWay.PAGES, NOW, page_size=PAGE_SIZE - 1))
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert count_objects(rows) == (count, count)
        assert [(row.way, row.page_size) for row in saved] == [(ListingWay.PAGES, PAGE_SIZE)]


@pytest.mark.parametrize("paging", ["back-end", "anchored", "get"])
async def test_a_last_page_is_full_in_another_form_too_and_asked_for_in_another_size(
    paging: str,
) -> None:
    scene = build_tenant({**EVERYTHING_REFUSED, "exchange-paging": paging}, build_mailboxes(200))
    async with connect_directly(scene) as to:
        saved = note_ways(to)
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert count_objects(rows) == (200, 200)
        assert {row.way for row in saved if row.cmdlet == "Get-Mailbox"} == {ListingWay.PAGES}


async def test_entities_that_fill_their_last_page_are_listed_once_more() -> None:
    scene = build_tenant({"exchange-paging": "refused"}, build_mailboxes(200))
    async with connect_directly(scene) as to:
        saved = note_ways(to)
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert count_objects(rows) == (200, 200)
        noted = [(row.way, row.page_size) for row in saved]
        assert noted == [(ListingWay.ENTITIES, 0), (ListingWay.ENTITIES, PAGE_SIZE - 1)]


ONLY_PAGES = {**EVERYTHING_REFUSED, "exchange-slice-filters": "refused"}


@pytest.mark.parametrize(
    ("count", "sides"),
    [
        # The page after 99 of 100 is refused: there is one, and it was read.
        (100, ONLY_PAGES),
        (200, {**ONLY_PAGES, "exchange-paging": {"side": "refused", "after": 1}}),
        # One answer that ends where pages would is the last word.
        (200, {**ONLY_PAGES, "exchange-one-answer": "whole"}),
    ],
)
async def test_a_full_end_is_the_end_where_no_other_way_says_more(
    count: int, sides: dict[str, Any]
) -> None:
    async with connect_directly(build_tenant(sides, build_mailboxes(count))) as to:
        note_ways(to)
        rows = await list_rows(to.exchange, Command("Get-CASMailbox", ALL, ("Guid",)))
        assert count_objects(rows) == (count, count)


@pytest.mark.parametrize(
    "sides",
    [
        # Pages of either size end with a full one: that is where Exchange stops.
        {**ONLY_PAGES, "exchange-paging": "ended"},
        {**ONLY_PAGES, "exchange-paging": {"side": "ended", "after": 2}},
        # A link after as many objects as one answer has says that this lacks some.
        {**ONLY_PAGES, "exchange-one-answer": {"side": "silent", "size": PAGE_SIZE}},
    ],
)
async def test_a_full_end_is_not_the_end_where_another_way_says_more(
    sides: dict[str, Any],
) -> None:
    async with connect_directly(build_tenant(sides)) as to:
        note_ways(to)
        with pytest.raises(Unavailable, match="the last page is full"):
            await list_rows(to.exchange, Command("Get-CASMailbox", ALL, ("Guid",)))


async def test_a_way_is_tried_again_after_a_week() -> None:
    async with connect_directly(build_tenant({})) as to:
        fresh = Way("Get-Mailbox", ListingWay.SLICES, NOW - timedelta(days=6))
        saved = note_ways(to, fresh)
        assert len(await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))) == COUNT
        assert to.exchange.service.requests > 4
        assert saved == []
        requests = to.exchange.service.requests
        saved = note_ways(to, Way("Get-Mailbox", ListingWay.SLICES, NOW - timedelta(days=8)))
        assert len(await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))) == COUNT
        assert to.exchange.service.requests - requests == 3
        assert [(row.cmdlet, row.way) for row in saved] == [("Get-Mailbox", "pages")]


async def test_the_probe_chooses_the_form_of_a_page() -> None:
    async with connect_directly(build_tenant({"exchange-paging": "get"})) as to:
        saved = note_ways(to, Way(EVERY_CMDLET, "get-app-plain-front", NOW))
        assert len(await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))) == COUNT
        assert [row.cmdlet for row in saved] == ["Get-Mailbox"]
    async with connect_directly(build_tenant({})) as to:
        saved = note_ways(to, Way(EVERY_CMDLET, "none", NOW))
        assert len(await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))) == COUNT
        assert [(row.cmdlet, row.way) for row in saved] == [("Get-Mailbox", "entities")]


async def test_a_state_that_cannot_be_read_or_written_costs_only_time() -> None:
    async def load() -> dict[str, Way]:
        raise LedgerError("no table")

    async def save(way: Way) -> None:
        raise LedgerError("no table")

    async with connect_directly(build_tenant({"exchange-paging": "refused"})) as to:
        to.exchange.page_size = PAGE_SIZE
        to.exchange.way_memory = WayMemory(load, save)
        rows = await list_rows(to.exchange, Command("Get-Mailbox", ALL, ("Guid",)))
        assert count_objects(rows) == (COUNT, COUNT)


async def test_a_link_of_an_earlier_run_that_is_refused_begins_the_listing_anew() -> None:
    command = Command("Get-Mailbox", ALL, ("Guid",))
    async with connect_directly(build_tenant({})) as to:
        to.exchange.page_size = PAGE_SIZE
        first = await anext(list_objects(to.exchange, command))
        assert first.continuation
        rest = [part async for part in list_objects(to.exchange, command, first.continuation)]
        assert [part.restarted for part in rest] == [False, False]
        to.sandbox.tenant.apply_patch({"reality": {"exchange-paging": "refused"}})
        note_ways(to)
        anew = [part async for part in list_objects(to.exchange, command, first.continuation)]
        assert [part.restarted for part in anew] == [True] + [False] * (len(anew) - 1)
        assert count_objects([row for part in anew for row in part.rows]) == (COUNT, COUNT)


async def test_fewer_objects_than_exchange_counts_are_no_listing() -> None:
    body = {"@odata.count": 3, "value": [{"Guid": "a"}, {"Guid": "b"}]}
    faults = [{"service": "exchange", "kind": "wrongBody", "body": body}]
    async with connect_directly(build_scene(faults=faults)) as to:
        with pytest.raises(Unavailable, match="incomplete"):
            await list_rows(to.exchange, Command("Get-RoleGroup", ALL, ("Guid",)))


async def test_rows_of_an_answer_that_broke_off_do_not_count_for_the_next_one() -> None:
    rows = [{"Guid": f"guid-{number}", "Name": "x" * 200} for number in range(2_400)]
    faults = [
        {"service": "exchange", "kind": "truncate", "times": 1},
        {
            "service": "exchange",
            "kind": "wrongBody",
            "body": {"@odata.count": 2_400, "value": rows[:1_500]},
        },
    ]
    scene = build_scene(exchange={"Get-Mailbox": rows}, faults=faults)
    async with connect_directly(scene) as to:
        blocks = read_whole(to.exchange, Command("Get-Mailbox", ALL))
        # Those of the first attempt came as they were read.
        assert [len(await anext(blocks)) for _ in range(3)] == [1_000, 1_000, 500]
        with pytest.raises(WayFailed, match="1500 of 2400"):
            await anext(blocks)


def test_the_usual_form_of_a_page_is_the_one_that_every_listing_tries_first() -> None:
    assert DEFAULT_PAGE_FORM.name == "post-app-plain-front"


# -- commands in batches ---------------------------------------------------------------------------

REFUSED_PAGES: list[dict[str, Any]] = [
    reality for reality, _ in REALITIES if "exchange-entity-endpoints" not in reality
]


MANY_HOLDERS: dict[str, Any] = {
    "Get-MailboxPermission": [
        {"Identity": "a0", "User": f"user{n}@x.example", "AccessRights": "FullAccess"}
        for n in range(COUNT)
    ]
}


@pytest.mark.parametrize("reality", REFUSED_PAGES, ids=str)
async def test_a_command_of_a_batch_whose_later_pages_are_refused_is_listed_alone(
    reality: dict[str, Any],
) -> None:
    async with connect_directly(build_tenant(reality, build_mailboxes(4), **MANY_HOLDERS)) as to:
        note_ways(to)
        commands = [
            Command("Get-MailboxPermission", {"Identity": f"guid-{number}", **ALL})
            for number in (0, 1)
        ]
        large, small = await list_each(to.exchange, commands)
        assert isinstance(large, list)
        assert isinstance(small, list)
        holders = [row["User"] for row in large if "x.example" in str(row["User"])]
        assert (len(holders), len(set(holders))) == (COUNT, COUNT)
        assert len(small) < PAGE_SIZE


@pytest.mark.parametrize("paging", ["refused", "no-link", "no-rows"])
async def test_what_no_way_lists_in_a_batch_is_an_error_and_not_a_part(paging: str) -> None:
    reality = {**EVERYTHING_REFUSED, "exchange-paging": paging}
    async with connect_directly(build_tenant(reality, build_mailboxes(4), **MANY_HOLDERS)) as to:
        note_ways(to)
        command = Command("Get-MailboxPermission", {"Identity": "guid-0", **ALL})
        (outcome,) = await list_each(to.exchange, [command])
        assert isinstance(outcome, Unavailable)
        assert "incomplete" in str(outcome)


# -- listings that several runs share --------------------------------------------------------------

GUIDS = ("Guid",)


async def list_over_runs(
    to: Connection, most_parts: int = 1, cmdlet: str = "Get-Mailbox"
) -> tuple[list[str], int]:
    """A listing of which every run reads a little: all that counts in the end, and the runs."""
    after, found, runs = "", list[str](), 0
    while True:
        runs += 1
        assert runs < 50
        parts, passing = 0, list[str]()
        async for part in list_objects(to.exchange, Command(cmdlet, ALL, GUIDS), after):
            guids = [str(row["Guid"]) for row in part.rows]
            if part.restarted:
                found = []
            if not part.continuation:
                # A later run reads these again.
                passing += guids
                continue
            found += guids
            parts += 1
            if parts >= most_parts:
                after = part.continuation
                break
        else:
            return found + passing, runs


@pytest.mark.parametrize(
    "way",
    [ListingWay.PAGES, ListingWay.ENTITIES, ListingWay.SLICES],
)
async def test_a_known_way_goes_on_in_a_later_run_where_the_last_one_stopped(
    way: ListingWay,
) -> None:
    realities: dict[ListingWay, dict[str, Any]] = {
        ListingWay.PAGES: {},
        ListingWay.ENTITIES: {"exchange-paging": "refused"},
        ListingWay.SLICES: EVERYTHING_REFUSED,
    }
    async with connect_directly(build_tenant(realities[way])) as to:
        note_ways(to, *([] if way is ListingWay.PAGES else [Way("Get-Mailbox", way, NOW)]))
        found, runs = await list_over_runs(to)
        assert sorted(found) == sorted(f"guid-{number}" for number in range(COUNT))
        assert runs > 2


async def test_a_listing_that_goes_on_and_ends_on_a_full_page_begins_anew_once() -> None:
    count = 4 * PAGE_SIZE
    async with connect_directly(build_tenant({}, build_mailboxes(count))) as to:
        saved = note_ways(to)
        found, runs = await list_over_runs(to)
        assert sorted(found) == sorted(f"guid-{number}" for number in range(count))
        noted = [(row.way, row.page_size) for row in saved if row.cmdlet == "Get-Mailbox"]
        assert noted == [(ListingWay.PAGES, PAGE_SIZE - 1)]
        assert runs > 6


async def test_entities_that_are_gone_on_with_and_end_on_a_full_page_begin_anew_once() -> None:
    count = 4 * PAGE_SIZE
    scene = build_tenant({"exchange-paging": "refused"}, build_mailboxes(count))
    async with connect_directly(scene) as to:
        saved = note_ways(to, Way("Get-Mailbox", ListingWay.ENTITIES, NOW))
        found, _ = await list_over_runs(to)
        assert sorted(found) == sorted(f"guid-{number}" for number in range(count))
        noted = [(row.way, row.page_size) for row in saved if row.cmdlet == "Get-Mailbox"]
        assert noted == [(ListingWay.ENTITIES, PAGE_SIZE - 1)]


async def test_a_listing_that_goes_on_and_always_ends_on_a_full_page_takes_slices() -> None:
    sides = {**EVERYTHING_REFUSED, "exchange-paging": {"side": "ended", "after": 2}}
    async with connect_directly(build_tenant(sides)) as to:
        saved = note_ways(to)
        found, _ = await list_over_runs(to)
        assert sorted(found) == sorted(f"guid-{number}" for number in range(COUNT))
        assert saved[-1].way == ListingWay.SLICES


async def test_slices_that_are_gone_on_with_are_not_read_again() -> None:
    async with connect_directly(build_tenant(EVERYTHING_REFUSED)) as to:
        note_ways(to, Way("Get-Mailbox", ListingWay.SLICES, NOW))
        await list_rows(to.exchange, Command("Get-Mailbox", ALL, GUIDS))
        at_once = to.exchange.service.requests
        _, runs = await list_over_runs(to)
        in_runs = to.exchange.service.requests - at_once
        # A run that goes on cuts what is left anew, and asks for a few slices ahead.
        assert runs > 2
        assert in_runs <= at_once + 3 * runs


async def test_a_way_is_known_as_soon_as_it_works_so_that_the_next_run_can_go_on() -> None:
    for reality, way in (
        ({"exchange-paging": "refused"}, ListingWay.ENTITIES),
        (EVERYTHING_REFUSED, ListingWay.SLICES),
    ):
        async with connect_directly(build_tenant(reality)) as to:
            saved = note_ways(to)
            async for part in list_objects(to.exchange, Command("Get-Mailbox", ALL, GUIDS)):
                if saved:
                    # Another way passed on objects before, which a later run would leave out.
                    assert part.continuation == ""
                    break
            assert [row.way for row in saved] == [way]
            found, _ = await list_over_runs(to)
            assert sorted(found) == sorted(f"guid-{number}" for number in range(COUNT))


@pytest.mark.parametrize(
    "after",
    ["slices:20261129T000000Z.9.", "slices:20269929T000000Z.0.1", "slices:x", "slices:", "1"],
)
async def test_a_place_that_makes_no_sense_begins_the_listing_anew(after: str) -> None:
    async with connect_directly(build_tenant({})) as to:
        to.exchange.page_size = PAGE_SIZE
        command = Command("Get-Mailbox", ALL, GUIDS)
        parts = [part async for part in list_objects(to.exchange, command, after)]
        assert count_objects([row for part in parts for row in part.rows])[1] == COUNT
        assert parts[0].restarted


async def test_one_command_per_object_takes_at_most_half_of_the_time_that_is_left() -> None:
    reality = {
        "exchange-paging": {"side": "refused", "cmdlet": "Get-RecipientPermission"},
        "exchange-one-answer": {"side": "cut", "size": PAGE_SIZE},
    }
    async with connect_directly(build_tenant(reality)) as to:
        note_ways(to, Way("Get-RecipientPermission", ListingWay.EACH, NOW))
        service = to.exchange.service
        service.deadline = service.clock() + 100
        fault = {"service": "exchange", "kind": "throttle", "inner": True, "retryAfter": 60}
        to.sandbox.tenant.faults.load([{**fault, "times": 1}])
        with pytest.raises(Unavailable, match="half of RUN_MINUTES"):
            await list_rows(to.exchange, Command("Get-RecipientPermission", ALL))
        assert service.clock() < service.deadline
