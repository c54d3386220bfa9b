"""Batches that several callers fill together: whose turn it is, and whose trouble is whose."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from core.adapters.exchange.batch import BatchProgress
from core.adapters.exchange.command import Command
from core.adapters.exchange.shared_batches import SharedBatches, WaitingCommand
from core.adapters.retry import RetryableError
from core.errors import Forbidden, NotFound, TenantError, Unavailable
from tests.support.fakes.clock import SleepClock
from tests.support.http_recorder import (
    PERSON_GUID,
    ROOM_GUID,
    build_scene,
    build_service,
    connect_directly,
    expect_rows,
)

SIZE = 4


def ask(*names: str) -> BatchProgress:
    """Commands about things of these names, each of one page."""
    return BatchProgress([Command("Get-Thing", {"Identity": one}) for one in names], str)


@dataclass(slots=True)
class Post:
    """Sends batches to nowhere: every command has its own name as its only row."""

    batches: list[list[str]] = field(default_factory=list)
    troubles: dict[str, list[TenantError]] = field(default_factory=dict)
    """What becomes of a command, one after the other, before it is answered."""
    failures: list[Exception] = field(default_factory=list)
    """What becomes of whole batches."""
    further_pages: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    async def send(self, batch: Sequence[WaitingCommand]) -> dict[WaitingCommand, RetryableError]:
        self.batches.append([self.get_name(one) for one in batch])
        await asyncio.sleep(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        late = {}
        for one in batch:
            name, progress = self.get_name(one), one.asking.progress
            if troubles := self.troubles.get(name):
                error = troubles.pop(0)
                if isinstance(error, RetryableError):
                    late[one] = error
                else:
                    one.record_error(error)
                continue
            left = self.further_pages.get(name, 0)
            self.further_pages[name] = left - 1
            progress.rows[one.number].append({"Name": name, "Left": left})
            progress.record_page(one.number, f"page {left}" if left > 0 else "")
        return late

    def get_name(self, one: WaitingCommand) -> str:
        return str(one.command.parameters["Identity"])


def build_batches(post: Post, slots: int = 1, **options: Any) -> SharedBatches:
    service = build_service(SleepClock(), initial_limit=slots, cap=slots, **options)
    return SharedBatches(service, SIZE, post.send)


def get_names(progress: BatchProgress) -> list[list[object]]:
    """The names in the rows of each command."""
    return [[row["Name"] for row in expect_rows(one)] for one in progress.outcomes]


async def test_commands_of_several_callers_fill_one_batch() -> None:
    post = Post()
    batches = build_batches(post)
    callers = [ask("a1", "a2", "a3", "a4", "a5", "a6"), ask("b1"), ask("c1", "c2")]
    await asyncio.gather(*map(batches.complete, callers))
    assert sum(map(len, post.batches)) == 9
    assert [len(one) for one in post.batches] == [4, 4, 1]
    assert [get_names(one) for one in callers] == [
        [["a1"], ["a2"], ["a3"], ["a4"], ["a5"], ["a6"]],
        [["b1"]],
        [["c1"], ["c2"]],
    ]


async def test_few_commands_go_before_many_that_wait_and_each_in_their_order() -> None:
    post = Post()
    batches = build_batches(post)
    many = [f"m{number}" for number in range(9)]
    more = [f"n{number}" for number in range(5)]
    await asyncio.gather(
        *(batches.complete(ask(*names)) for names in (many, more, ["one"], ["two", "three"]))
    )
    sent = [name for batch in post.batches for name in batch]
    assert sent == ["one", "two", "three", *many, *more]


async def test_a_batch_is_filled_when_its_turn_has_come() -> None:
    post = Post(seconds=0.001)
    batches = build_batches(post)
    first = asyncio.create_task(batches.complete(ask(*"abcdef")))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert post.batches == [["a", "b", "c", "d"]]
    await asyncio.gather(first, batches.complete(ask("late")))
    assert post.batches[1:] == [["late", "e", "f"]]


async def test_as_many_batches_are_under_way_as_the_service_has_places() -> None:
    post = Post(seconds=0.001)
    batches = build_batches(post, slots=3)
    task = asyncio.create_task(batches.complete(ask(*map(str, range(40)))))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(post.batches) == 3
    await task
    assert len(post.batches) == 10
    assert batches.in_line == 0
    assert not batches.senders


async def test_each_caller_has_its_own_trouble() -> None:
    post = Post(
        troubles={
            "a2": [RetryableError("once")],
            "b1": [NotFound("gone")],
            "b2": [RetryableError("b2 again and again")] * 9,
        }
    )
    batches = build_batches(post, attempts=3)
    mine, theirs = ask("a1", "a2"), ask("b1", "b2")
    await asyncio.gather(batches.complete(mine), batches.complete(theirs))
    assert get_names(mine) == [["a1"], ["a2"]]
    assert [str(one) for one in theirs.outcomes] == ["gone", "b2 again and again"]
    assert post.batches == [["a1", "a2", "b1", "b2"], ["a2", "b2"], ["b2"]]


async def test_who_has_all_answers_does_not_wait_for_those_of_others() -> None:
    post = Post(troubles={"b1": [RetryableError("busy", wait_seconds=20)]})
    batches = build_batches(post)
    other = asyncio.create_task(batches.complete(ask("b1")))
    await batches.complete(ask("a1"))
    assert post.batches == [["a1", "b1"]]
    await other
    assert post.batches == [["a1", "b1"], ["b1"]]


@pytest.mark.parametrize("error", [Unavailable("no time"), Forbidden("no", "role")])
async def test_a_batch_that_fails_as_a_whole_fails_for_all_that_are_in_it(
    error: TenantError,
) -> None:
    post = Post(failures=[error])
    batches = build_batches(post)
    mine, theirs = ask("a1", "a2", "a3"), ask("b1", "b2")
    await asyncio.gather(batches.complete(mine), batches.complete(theirs))
    assert mine.outcomes == [error] * 3
    assert theirs.outcomes[0] is error
    assert get_names_of_last(theirs) == ["b2"]


def get_names_of_last(progress: BatchProgress) -> list[object]:
    return [row["Name"] for row in expect_rows(progress.outcomes[-1])]


async def test_where_no_time_is_left_everyone_is_told() -> None:
    post = Post()
    batches = build_batches(post)
    batches.service.deadline = 0.0
    callers = [ask(*"abcdef"), ask("g")]
    await asyncio.gather(*map(batches.complete, callers))
    assert post.batches == []
    assert all(isinstance(one, Unavailable) for caller in callers for one in caller.outcomes)


async def test_further_pages_are_asked_for_with_what_others_want() -> None:
    post = Post(further_pages={"long": 2})
    batches = build_batches(post)
    mine, theirs = ask("long"), ask(*"abcdefgh")
    await asyncio.gather(batches.complete(mine), batches.complete(theirs))
    assert [row["Left"] for row in expect_rows(mine.outcomes[0])] == [2, 1, 0]
    assert post.batches[:2] == [["long", "a", "b", "c"], ["long", "d", "e", "f"]]


@pytest.mark.parametrize("is_sent", [False, True])
async def test_who_gives_up_leaves_the_others_what_they_asked_for(is_sent: bool) -> None:
    post = Post(seconds=0.001)
    batches = build_batches(post)
    mine, theirs = ask("a1", "a2"), ask("b1", "b2")
    tasks = [asyncio.create_task(batches.complete(one)) for one in (mine, theirs)]
    for _ in range(2 if is_sent else 1):
        await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert tasks[0].cancelled()
    assert get_names(theirs) == [["b1"], ["b2"]]
    assert post.batches == [["a1", "a2", "b1", "b2"] if is_sent else ["b1", "b2"]]


async def test_a_mistake_in_the_program_reaches_all_who_wait_for_that_batch() -> None:
    post = Post(failures=[ZeroDivisionError()])
    batches = build_batches(post)
    outcomes = await asyncio.gather(
        batches.complete(ask("a1", "a2")), batches.complete(ask("b1")), return_exceptions=True
    )
    assert [type(one) for one in outcomes] == [ZeroDivisionError] * 2
    after = ask("c")
    await batches.complete(after)
    assert get_names(after) == [["c"]]


async def test_a_mistake_before_a_batch_has_its_turn_leaves_nobody_waiting() -> None:
    batches = build_batches(Post())

    async def fail_to_sleep(seconds: float) -> None:
        raise ZeroDivisionError

    batches.service.sleep = fail_to_sleep
    batches.service.pause_for(1.0)
    outcomes = await asyncio.gather(
        *(batches.complete(ask(*names)) for names in ("abcdef", "gh")), return_exceptions=True
    )
    assert [type(one) for one in outcomes] == [ZeroDivisionError] * 2
    assert batches.in_line == 0
    assert not batches.senders


@pytest.mark.parametrize("turns", [1, 2, 3])
async def test_nobody_waits_any_longer_once_it_is_closed(turns: int) -> None:
    batches = build_batches(Post(seconds=60.0))
    tasks = [
        asyncio.create_task(batches.complete(ask(*names))) for names in ("abcdef", "g", "hijklm")
    ]
    for _ in range(turns):
        await asyncio.sleep(0)
    await batches.close()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task
    assert not batches.senders


async def test_a_refusal_of_a_whole_batch_names_the_cmdlet_of_each_command() -> None:
    denied = {"service": "exchange", "kind": "error", "status": 403, "match": "batch"}
    async with connect_directly(build_scene(faults=[denied])) as to:
        ((mine,), (theirs,)) = await asyncio.gather(
            to.exchange.invoke_batch([Command("Get-Mailbox", {"Identity": PERSON_GUID})]),
            to.exchange.invoke_batch([Command("Get-InboxRule", {"Mailbox": ROOM_GUID})]),
        )
        assert isinstance(mine, Forbidden)
        assert isinstance(theirs, Forbidden)
        assert "Get-Mailbox" in str(mine)
        assert "Get-InboxRule" in str(theirs)
        assert to.sandbox.counts["exchange"] == 1


async def test_rows_are_passed_on_as_they_arrive() -> None:
    taken: dict[int, object] = {}

    def take(number: int, rows: Sequence[object]) -> None:
        taken[number] = len(rows)

    commands = [Command("Get-Mailbox", {"Identity": one}) for one in (PERSON_GUID, "nobody")]
    async with connect_directly(build_scene()) as to:
        found, missing = await to.exchange.invoke_batch(commands, take)
    assert taken == {0: 1}
    assert found == []
    assert isinstance(missing, NotFound)
