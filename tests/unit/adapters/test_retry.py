"""The retry policy: Retry-After, backoff, gate, limit, deadline."""

import asyncio
import math
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import batched

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.adapters.retry import (
    RetryableError,
    ThrottledService,
    longest_wait,
    parse_retry_after,
    retryable_inner_status,
    retryable_status,
)
from core.errors import Forbidden, Unavailable
from tests.support.fakes.clock import SleepClock
from tests.support.http_recorder import build_service

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


def failing(*troubles: Exception) -> tuple[Callable[[], Awaitable[str]], list[int]]:
    """An attempt that fails in these ways, one after the other, and then succeeds."""
    left = list(troubles)
    tries: list[int] = []

    async def attempt() -> str:
        tries.append(1)
        if left:
            raise left.pop(0)
        return "done"

    return attempt, tries


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("30", 30.0),
        (" 7 ", 7.0),
        ("Sat, 21 Nov 2026 12:00:10 GMT", 10.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 0.0),
        ("Sat, 21 Nov 2026 12:00:10", 10.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("9" * 4000, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_garbage_is_nothing(
    header: str | None, seconds: float | None
) -> None:
    assert parse_retry_after(header, NOW) == seconds


@given(st.text(max_size=80))
def test_no_retry_after_header_breaks_the_policy(header: str) -> None:
    found = parse_retry_after(header, NOW)
    assert found is None or found >= 0


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_statuses_are_worth_another_try(status: int) -> None:
    again = retryable_status(status, "3", "GET /users")
    assert again is not None
    assert (again.wait_seconds, again.is_throttled) == (3.0, status in (429, 503))


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 413, 501])
def test_other_statuses_are_not(status: int) -> None:
    assert retryable_status(status, "3", "GET /users") is None


def test_replies_in_a_batch_may_say_retry_after_as_a_number() -> None:
    for after in (4, "4"):
        again = retryable_inner_status(429, {"Retry-After": after}, "one")
        assert again is not None
        assert again.wait_seconds == 4.0
    assert retryable_inner_status(424, None, "one") is not None
    assert retryable_inner_status(404, {"Retry-After": "4"}, "one") is None


def test_several_troubles_wait_for_the_slowest() -> None:
    both = longest_wait(
        [
            RetryableError("a", wait_seconds=2.0),
            RetryableError("b", wait_seconds=9.0, is_throttled=True),
            RetryableError("c"),
        ]
    )
    assert (both.wait_seconds, both.is_throttled) == (9.0, True)


def test_one_object_of_a_batch_that_is_unavailable_slows_nobody_else_down() -> None:
    one = retryable_inner_status(503, {"Retry-After": 300}, "m1")
    assert one is not None
    slow = RetryableError("m2", wait_seconds=2.0, is_throttled=True)
    lost = RetryableError("m3")
    for errors, size, expected in (
        ([one], 1, (300.0, False)),
        ([one], 20, (300.0, False)),
        ([one, lost], 2, (None, False)),
        ([one, slow], 20, (2.0, True)),
        ([one] * 9, 20, (300.0, False)),
        ([one] * 10, 20, (300.0, True)),
        ([one] * 2, 3, (300.0, True)),
    ):
        both = longest_wait(errors, size)
        assert (both.wait_seconds, both.is_throttled) == expected


@pytest.mark.parametrize("after", ["11", "300", "3600"])
def test_one_object_of_a_batch_that_refuses_for_long_keeps_nobody_else_waiting(after: str) -> None:
    one = retryable_inner_status(429, {"Retry-After": after}, "m1")
    assert one is not None
    assert one.concerns_one
    seconds = float(after)
    for count, size, is_throttled in ((1, 20, False), (9, 20, False), (10, 20, True), (2, 2, True)):
        both = longest_wait([one] * count, size)
        assert (both.wait_seconds, both.is_throttled) == (seconds, is_throttled)
    slow = retryable_inner_status(429, {"Retry-After": "10"}, "m2")
    assert slow is not None
    both = longest_wait([one, slow], 20)
    assert (both.wait_seconds, both.is_throttled) == (10.0, True)
    # The answer to a request of its own says nothing about whom it is for.
    whole = retryable_status(429, after, "m1")
    assert whole is not None
    assert not whole.concerns_one


@pytest.mark.parametrize("after", ["0", "1", "10", None])
def test_what_may_be_counted_for_the_whole_app_everybody_waits_for(after: str | None) -> None:
    one = retryable_inner_status(429, {"Retry-After": after} if after else {}, "m1")
    assert one is not None
    assert (one.is_throttled, one.concerns_one) == (True, False)


async def test_a_call_waits_as_long_as_it_was_asked_to() -> None:
    clock = SleepClock()
    attempt, tries = failing(RetryableError("busy", wait_seconds=30.0, is_throttled=True))
    assert await build_service(clock).call(attempt) == "done"
    assert len(tries) == 2
    assert sum(clock.waits) == pytest.approx(30.0)


async def test_without_retry_after_waits_grow() -> None:
    clock = SleepClock()
    attempt, _ = failing(*[RetryableError("broken")] * 4)
    assert await build_service(clock).call(attempt) == "done"
    assert clock.waits == [0.25, 0.5, 1.0, 2.0]


async def test_tries_are_counted_and_the_last_trouble_is_told() -> None:
    clock = SleepClock()
    attempt, tries = failing(*[RetryableError("HTTP 500")] * 9)
    with pytest.raises(Unavailable, match="HTTP 500"):
        await build_service(clock, attempts=3).call(attempt)
    assert len(tries) == 3


async def test_a_refusal_is_not_tried_again() -> None:
    attempt, tries = failing(Forbidden("no", "User.Read.All"))
    with pytest.raises(Forbidden):
        await build_service(SleepClock()).call(attempt)
    assert len(tries) == 1


async def test_a_wait_longer_than_patience_is_not_waited_for() -> None:
    clock = SleepClock()
    busy = build_service(clock, max_wait=60.0)
    attempt, tries = failing(RetryableError("busy", wait_seconds=200.0, is_throttled=True))
    with pytest.raises(Unavailable):
        await busy.call(attempt)
    assert (len(tries), clock.waits) == (1, [])
    with pytest.raises(Unavailable, match="asked to wait"):
        await busy.call(failing()[0])


async def test_nothing_is_started_or_waited_for_past_the_deadline() -> None:
    clock = SleepClock()
    late = build_service(clock, deadline=clock.now + 10.0)
    attempt, tries = failing(*[RetryableError("busy", wait_seconds=6.0, is_throttled=True)] * 5)
    with pytest.raises(Unavailable):
        await late.call(attempt)
    assert len(tries) == 2
    assert clock.now <= late.deadline
    clock.now = late.deadline
    attempt, tries = failing()
    with pytest.raises(Unavailable, match="time of this run"):
        await late.call(attempt)
    assert tries == []


async def test_while_the_gate_is_closed_nobody_calls() -> None:
    clock = SleepClock()
    shared = build_service(clock, initial_limit=8)
    called_at: list[float] = []
    first = failing(RetryableError("busy", wait_seconds=20.0, is_throttled=True))[0]

    async def other() -> None:
        called_at.append(clock.now)

    async def refused() -> str:
        return await first()

    one = asyncio.create_task(shared.call(refused))
    await asyncio.sleep(0.01)
    await asyncio.gather(one, *(shared.call(other) for _ in range(5)))
    assert min(called_at) >= 1020.0


async def test_more_run_at_once_after_clean_answers_up_to_the_cap() -> None:
    async def attempt() -> None:
        await asyncio.sleep(0)

    growing = build_service(SleepClock(), initial_limit=1, cap=3)
    for _ in range(5):
        await asyncio.gather(*(growing.call(attempt) for _ in range(3)))
    assert growing.limit == 3


@pytest.mark.parametrize(
    ("known", "limit"), [(12, 12), (16, 16), (1_000, 16), (2, 2), (0, 1), (-9, 1)]
)
async def test_a_run_begins_with_the_limit_that_the_last_one_found(known: int, limit: int) -> None:
    begun = build_service(SleepClock(), initial_limit=4, cap=16)
    begun.resume_limit(known)
    assert begun.limit == limit


async def test_a_limit_that_is_too_high_by_now_is_halved_at_the_first_refusal() -> None:
    begun = build_service(SleepClock(), initial_limit=4, cap=16)
    begun.resume_limit(16)
    begun.record_throttling(begun.clock(), 1.0)
    assert begun.limit == 8


async def test_places_that_stand_empty_prove_nothing_about_further_ones() -> None:
    quiet = build_service(SleepClock(), initial_limit=4, cap=16)
    for _ in range(40):
        await quiet.call(failing()[0])
    assert quiet.limit == 4


async def test_a_burst_closes_the_gate_once_and_for_as_long_as_the_slowest_says() -> None:
    clock = SleepClock()
    burst = build_service(clock, initial_limit=3, cap=3)
    burst.record_throttling(started_at=999.0, wait_seconds=5.0)
    clock.now += 2.0
    burst.record_throttling(started_at=999.5, wait_seconds=4.0)
    assert (burst.limit, burst.throttle_gate.not_before) == (1, 1005.0)
    burst.record_throttling(started_at=999.7, wait_seconds=9.0)
    assert (burst.limit, burst.throttle_gate.not_before) == (1, 1009.0)
    burst.record_throttling(started_at=1001.0, wait_seconds=9.0)
    assert burst.throttle_gate.not_before == 1011.0


async def test_being_pushed_back_halves_the_limit_once_for_a_burst() -> None:
    clock = SleepClock()
    burst = build_service(clock, initial_limit=8, cap=8)
    ready = asyncio.Event()
    refused: list[int] = []

    async def attempt() -> None:
        if len(refused) < 8:
            refused.append(1)
            if len(refused) == 8:
                ready.set()
            await ready.wait()
            raise RetryableError("busy", wait_seconds=1.0, is_throttled=True)

    await asyncio.gather(*(burst.call(attempt) for _ in range(8)))
    assert burst.limit <= 5
    assert burst.limit >= 4


async def test_never_more_than_the_limit_are_in_flight() -> None:
    narrow = build_service(SleepClock(), initial_limit=2, cap=3)
    now = most = 0

    async def attempt() -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        now -= 1

    await asyncio.gather(*(narrow.call(attempt) for _ in range(30)))
    assert most <= 3
    assert narrow.in_flight == 0


async def test_slots_go_to_those_who_waited_longest() -> None:
    narrow = build_service(SleepClock(), initial_limit=1, cap=1)
    begun: list[int] = []

    async def call(number: int) -> None:
        async def attempt() -> None:
            begun.append(number)
            await asyncio.sleep(0)

        await narrow.call(attempt)
        if number < 3:
            await call(number + 10)

    await asyncio.gather(*(call(number) for number in range(5)))
    assert begun == [0, 1, 2, 3, 4, 10, 11, 12]


async def test_how_much_a_service_takes_is_unknown_until_it_is_resumed_throttles_or_takes_all() -> (
    None
):
    assert build_service(SleepClock()).is_unknown
    assert not build_service(SleepClock(), initial_limit=4, cap=4).is_unknown
    resumed = build_service(SleepClock())
    resumed.resume_limit(2)
    assert not resumed.is_unknown
    throttled = build_service(SleepClock())
    attempt, _ = failing(RetryableError("busy", is_throttled=True))
    await throttled.call(attempt)
    assert not throttled.is_unknown


async def test_a_call_that_goes_first_waits_for_those_under_way_and_for_no_others() -> None:
    narrow = build_service(SleepClock(), initial_limit=2, cap=2)
    begun: list[str] = []

    async def call(name: str) -> None:
        async def attempt() -> None:
            begun.append(name)
            await asyncio.sleep(0)

        await narrow.call(attempt, goes_first=name.startswith("last word"))

    names = ("one", "two", "three", "four", "five", "last word", "last word but one", "six")
    await asyncio.gather(*map(call, names))
    assert begun[:4] == ["one", "two", "last word", "last word but one"]
    assert begun[4:] == ["three", "four", "five", "six"]


@pytest.mark.parametrize("goes_first", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
async def test_a_caller_that_is_cancelled_in_line_keeps_no_slot(
    turns: int, goes_first: bool
) -> None:
    narrow = build_service(SleepClock(), initial_limit=1, cap=1)
    end = asyncio.Event()
    first = asyncio.create_task(narrow.call(end.wait))
    await asyncio.sleep(0)
    second, third = (
        asyncio.create_task(narrow.call(end.wait, goes_first=goes_first)) for _ in range(2)
    )
    await asyncio.sleep(0)
    end.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    # It may still wait, may have been handed its slot a moment ago, or hold it.
    second.cancel()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert third.exception() is None
    assert (narrow.in_flight, len(narrow.waiters), len(narrow.first_waiters)) == (0, 0, 0)


async def test_a_call_that_hangs_is_given_up() -> None:
    async def hang() -> None:
        await asyncio.sleep(3600)

    hanging = build_service(SleepClock(), attempts=2, call_timeout=0.01)
    with pytest.raises(Unavailable, match="did not answer in time"):
        await hanging.call(hang)
    assert hanging.requests == 2
    assert hanging.deadline == math.inf


# A service whose limits nobody knows beforehand ---------------------------------------------------


class LeapingSelector(selectors.SelectSelector):
    """Does not wait: time leaps to when something happens next."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout:
            self.now += timeout
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop in which hours of waiting take no time, and things happen in their order."""

    def __init__(self) -> None:
        self.leaping = LeapingSelector()
        super().__init__(self.leaping)

    def time(self) -> float:
        return self.leaping.now


@dataclass(slots=True)
class Outlook:
    """Answers batches as Graph does: four requests of a batch at a time, each in 80 ms.

    It takes `at_once` requests of the app together, or `most` in each window of ten seconds, and
    counts what it refuses. `asked` counts every request.
    """

    at_once: float = math.inf
    most: float = math.inf
    asked: int = 0
    under_way: int = 0
    window: float = 0.0
    used: float = 0.0

    async def batch(self, mailboxes: Collection[int]) -> dict[int, float]:
        """For each mailbox the seconds after which to ask again, 0 where it was answered."""
        four = asyncio.Semaphore(4)

        async def one() -> float:
            async with four:
                return await self.request()

        return dict(zip(mailboxes, await asyncio.gather(*(one() for _ in mailboxes)), strict=True))

    async def request(self) -> float:
        self.asked += 1
        now = asyncio.get_running_loop().time()
        windows = (now - self.window) // 10
        self.window += windows * 10
        self.used = max(0.0, self.used - windows * self.most) if windows else self.used
        self.used += 1
        if self.used > self.most:
            return math.ceil(self.window + 10 - now)
        if self.under_way >= self.at_once:
            await asyncio.sleep(0.01)
            return 1.0
        self.under_way += 1
        await asyncio.sleep(0.08)
        self.under_way -= 1
        return 0.0


async def read_all(outlook: Outlook, mailboxes: int) -> tuple[Counter[int], float]:
    """Read so many mailboxes in batches: how often each was answered, and how long it took."""
    loop = asyncio.get_running_loop()
    shared = ThrottledService("Graph", clock=loop.time, deadline=3_600.0)
    answered: Counter[int] = Counter()

    async def read(numbers: tuple[int, ...]) -> None:
        pending = set(numbers)

        async def attempt() -> None:
            waits = await outlook.batch(pending)
            done = {number for number, wait in waits.items() if not wait}
            answered.update(done)
            pending.difference_update(done)
            if pending:
                raise longest_wait(
                    RetryableError("429", wait_seconds=waits[number], is_throttled=True)
                    for number in pending
                )

        await shared.call(attempt)

    chunks = batched(range(mailboxes), 20, strict=False)

    async def work() -> None:
        for chunk in chunks:
            await read(chunk)

    await asyncio.gather(*(work() for _ in range(shared.cap)))
    return answered, loop.time()


@pytest.mark.parametrize(
    # `seconds` are what it takes at the least: that much is allowed by the limit, and no more.
    ("outlook", "mailboxes", "waste", "seconds"),
    [
        # Four at once for each mailbox: never refused.
        (Outlook(), 4_000, 1.0, 5.0),
        # Four at once for the app: one batch is all it takes.
        (Outlook(at_once=4), 1_000, 1.2, 20.0),
        (Outlook(at_once=4), 5_000, 1.1, 100.0),
        (Outlook(at_once=16), 5_000, 1.1, 25.0),
        # So many in a window, far fewer than could be asked.
        (Outlook(most=2_000), 8_000, 1.1, 40.0),
        (Outlook(most=500), 4_000, 1.2, 80.0),
    ],
    ids=["per-mailbox", "per-app-short", "per-app", "per-app-of-16", "window", "small-window"],
)
def test_whatever_the_limit_is_it_is_found_with_little_waste_and_nobody_is_lost(
    outlook: Outlook, mailboxes: int, waste: float, seconds: float
) -> None:
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        fresh = replace(outlook)
        answered, took = runner.run(read_all(fresh, mailboxes))
    assert set(answered) == set(range(mailboxes))
    assert set(answered.values()) == {1}
    assert fresh.asked <= waste * mailboxes
    assert took <= 1.2 * seconds
