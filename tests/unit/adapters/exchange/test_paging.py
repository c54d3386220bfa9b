"""Listings as they come over the wire: pages, what moves between them, where they are taken up."""

import asyncio
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.exchange.id_set import IdSet
from core.adapters.m365.async_cached import AsyncCached
from core.adapters.m365.mail_flow.read import MAX_CACHED_RECIPIENTS
from core.tenant.mailboxes import Mailbox
from core.tenant.readings import Reading
from core.tenant.sources import AUDIT_BYPASS, MAILBOXES
from tests.support.http_recorder import Connection, build_mailbox_row, build_scene, connect_directly


def boxes(numbers: range, **more: object) -> list[dict[str, Any]]:
    return [
        build_mailbox_row(f"m{number}", f"g{number}", f"n{number}", **more) for number in numbers
    ]


async def listed(to: Connection, after: str = "") -> list[Reading[Mailbox]]:
    return [page async for page in to.tenant.mailboxes.list_mailboxes(after=after)]


async def test_a_mailbox_that_moves_between_pages_counts_once_where_it_was_first() -> None:
    ghosts = [build_mailbox_row("", "", f"ghost{number}") for number in range(3)]
    rows = [*boxes(range(999)), ghosts[0], *boxes(range(500, 1_400)), *ghosts[1:]]
    async with connect_directly(build_scene(exchange={"Get-Mailbox": rows})) as to:
        first, second = await listed(to)
    assert (first.population, second.population) == (1_000, 401 + 2)
    assert first.scope is not None
    assert second.scope is not None
    assert "m700" in first.scope
    assert "m700" not in second.scope
    assert not {one.id for one in first.items} & {one.id for one in second.items}
    nameless = [miss.object_id for page in (first, second) for miss in page.failures]
    assert nameless == ["unidentified-1", "unidentified-2", "unidentified-3"]


async def test_a_mailbox_that_is_broken_on_two_pages_is_one_unread_mailbox() -> None:
    broken = build_mailbox_row("m-bad", "g-bad", "bad", AuditAdmin=["x"] * 1_001)
    rows = [broken, *boxes(range(999)), broken]
    async with connect_directly(build_scene(exchange={"Get-Mailbox": rows})) as to:
        first, second = [page async for page in to.tenant.auditing.list_mailbox_audits()]
    assert [miss.object_id for miss in first.failures] == ["m-bad"]
    assert (first.population, second.population, second.failures) == (1_000, 0, ())


async def test_a_second_mailbox_with_the_id_of_another_is_unread_by_its_guid() -> None:
    near, far = [build_mailbox_row("m7", f"twin-{one}", f"twin{one}") for one in range(2)]
    rows = [*boxes(range(999)), near, far, far, *boxes(range(7, 8))]
    async with connect_directly(build_scene(exchange={"Get-Mailbox": rows})) as to:
        first, second = await listed(to)
    assert [one.guid for one in first.items if one.id == "m7"] == ["g7"]
    assert (first.population, second.population, second.items) == (1_000, 1, ())
    (here,), (there,) = first.failures, second.failures
    assert (here.object_id, here.subject) == ("twin-0", "twin0@contoso.example")
    assert (there.object_id, there.subject) == ("twin-1", "twin1@contoso.example")
    assert "the same id, m7; the Guid of this one is twin-1" in there.reason
    assert second.scope == {"twin-1"}


async def test_a_broken_mailbox_with_the_id_of_another_does_not_go_by_it() -> None:
    def broken(object_id: str, guid: str) -> dict[str, Any]:
        return build_mailbox_row(object_id, guid, guid, AuditAdmin=["x"] * 1_001)

    rows = [
        *(broken("m-bad", "g-bad"), broken("m3", "g-twin")),
        *boxes(range(998)),
        *(broken("m5", "g-last"), build_mailbox_row("m-bad", "g-good", "good")),
    ]
    async with connect_directly(build_scene(exchange={"Get-Mailbox": rows})) as to:
        first, second = [page async for page in to.tenant.auditing.list_mailbox_audits()]
    assert [miss.object_id for miss in first.failures] == ["m-bad", "g-twin"]
    assert [miss.object_id for miss in second.failures] == ["g-last", "g-good"]
    assert (first.population, second.population, second.items) == (1_000, 2, ())


@pytest.mark.parametrize("status", [400, 404, 410])
async def test_a_link_that_has_gone_stale_is_not_the_end_of_the_listing(status: int) -> None:
    async with connect_directly(build_scene(exchange={"Get-Mailbox": boxes(range(1_100))})) as to:
        further = (await listed(to))[0].continuation
        refused = {"kind": "error", "status": status, "match": "skiptoken", "times": 1}
        to.sandbox.tenant.set_faults([refused])
        pages = await listed(to, further)
    assert pages[0].restarted
    assert sum(page.population or 0 for page in pages) == 1_100
    assert all(page.complete for page in pages)


async def test_what_a_listing_that_begins_anew_shows_again_has_no_id_of_another() -> None:
    async with connect_directly(build_scene(exchange={"Get-Mailbox": boxes(range(20))})) as to:
        to.exchange.page_size = 10
        first = await anext(to.tenant.mailboxes.list_mailboxes())
        # The rest ends on a full page.
        pages = await listed(to, first.continuation)
    places = [place for place, page in enumerate(pages) if page.restarted]
    assert (len(places), pages[0].population) == (1, 10)
    assert sum(page.population for page in pages[places[0] :]) == 20
    assert not any(page.failures for page in pages)


async def test_passing_trouble_is_no_reason_to_begin_anew() -> None:
    async with connect_directly(
        build_scene(exchange={"Get-Mailbox": boxes(range(1_100))}), attempts=2
    ) as to:
        further = (await listed(to))[0].continuation
        to.sandbox.tenant.set_faults([{"kind": "error", "status": 503, "match": "skiptoken"}])
        (page,) = await listed(to, further)
    assert not page.complete
    assert page.find_source_failure(MAILBOXES)


async def test_the_end_of_a_listing_may_be_an_empty_page_but_the_beginning_may_not() -> None:
    async with connect_directly(build_scene(exchange={"Get-Mailbox": boxes(range(1_100))})) as to:
        further = (await listed(to))[0].continuation
        empty = {"kind": "wrongBody", "body": {"value": []}, "match": "^Get-Mailbox"}
        to.sandbox.tenant.set_faults([empty])
        (rest,) = [page async for page in to.tenant.auditing.list_mailbox_audits(further)]
        assert (rest.complete, rest.population) == (True, 0)
        (nobody,) = [page async for page in to.tenant.auditing.list_mailbox_audits()]
        assert not nobody.complete


def bypasses(number: int, bypassed: int) -> dict[str, Any]:
    rows = [
        {"Guid": f"g{one}", "Name": f"n{one}", "AuditBypassEnabled": one == bypassed}
        for one in range(number)
    ]
    return {"Get-MailboxAuditBypassAssociation": rows}


async def test_bypassed_accounts_stay_known_when_the_listing_breaks_off() -> None:
    faults = [{"kind": "error", "status": 503, "match": "skiptoken"}]
    async with connect_directly(
        build_scene(exchange=bypasses(1_100, 7), faults=faults), attempts=1
    ) as to:
        found = await to.tenant.auditing.read_audit_bypasses()
    assert [one.id for one in found.items] == ["g7"]
    assert found.find_source_failure(AUDIT_BYPASS)


async def test_a_list_of_nobody_does_not_mean_that_nobody_is_bypassed() -> None:
    async with connect_directly(build_scene(exchange=bypasses(0, 0))) as to:
        found = await to.tenant.auditing.read_audit_bypasses()
    assert found.find_source_failure(AUDIT_BYPASS)


@given(st.lists(st.text(max_size=3), max_size=60))
def test_what_was_seen_is_known(names: list[str]) -> None:
    seen, known = IdSet(), set[str]()
    for name in names:
        assert seen.add(name) is (name not in known)
        known.add(name)


@given(st.lists(st.text(max_size=2), max_size=60), st.lists(st.text(max_size=2), max_size=60))
def test_many_names_are_noted_as_one_by_one(before: list[str], names: list[str]) -> None:
    one_by_one, together = IdSet(), IdSet()
    for name in before:
        one_by_one.add(name)
    together.add_each(before)
    expected = [place for place, name in enumerate(names) if not one_by_one.add(name)]
    assert together.add_each(names) == expected
    assert (together.slots, together.count) == (one_by_one.slots, one_by_one.count)


def test_many_names_make_room_for_themselves() -> None:
    seen, names = IdSet(), [f"{number}" for number in range(40_000)]
    assert seen.add_each(names) == []
    assert seen.add_each(names) == list(range(40_000))
    assert seen.count == 40_000
    assert len(seen.slots) * 4 > seen.count * 5


@given(st.sets(st.integers(0, 60)), st.sets(st.integers(0, 60)))
def test_two_sets_become_one(some: set[int], others: set[int]) -> None:
    one, other = IdSet(), IdSet()
    assert all(one.add(str(name)) for name in some)
    assert all(other.add(str(name)) for name in others)
    one.update(other)
    assert one.count == len(some | others)
    assert [str(name) in one for name in range(61)] == [name in some | others for name in range(61)]
    assert other.count == len(others)


@pytest.mark.parametrize(("some", "others"), [(0, 13_000), (6_000, 13_000), (13_000, 6_000)])
def test_two_large_sets_leave_room_in_the_one_they_become(some: int, others: int) -> None:
    one, other = IdSet(), IdSet()
    assert all(one.add(f"one {number}") for number in range(some))
    assert all(other.add(f"other {number}") for number in range(others))
    one.update(other)
    assert one.count == some + others
    assert not some or one.count * 2 <= len(one.slots), "marks push each other along in a full one"
    assert one.add("another"), "and the other keeps its own"
    assert "another" not in other


def test_a_hundred_thousand_names_take_two_megabytes_while_they_are_noted() -> None:
    names = [f"{number:08x}-mailbox" for number in range(100_000)]
    tracemalloc.start()
    try:
        seen = IdSet()
        assert all(map(seen.add, names))
        assert tracemalloc.get_traced_memory()[1] < 2 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert not any(map(seen.add, names[::97]))


async def test_whoever_gives_up_asking_does_not_take_the_answer_from_the_others() -> None:
    asked: list[int] = []
    let_go = asyncio.Event()

    async def read() -> str:
        asked.append(1)
        await let_go.wait()
        return "answer"

    once = AsyncCached(read)
    first, *others = [asyncio.create_task(once()) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    let_go.set()
    assert await asyncio.gather(*others) == ["answer", "answer"]
    assert len(asked) == 2


async def test_slices_that_ask_for_the_same_recipients_ask_once_and_not_all_are_kept() -> None:
    async with connect_directly(build_scene()) as to:
        await asyncio.gather(
            *(to.tenant.mail_flow.read_recipients(["ann", "nobody"]) for _ in range(2))
        )
        asked = to.sandbox.counts["exchange"]
        assert asked == 1
        await to.tenant.mail_flow.read_recipients(
            [f"x{number}" + "y" * 1_000 for number in range(MAX_CACHED_RECIPIENTS - 1)]
        )
        assert len(to.tenant.mail_flow.recipients) == MAX_CACHED_RECIPIENTS
        await to.tenant.mail_flow.read_recipients(["ann", "nobody"])
        assert to.sandbox.counts["exchange"] == asked + 1
