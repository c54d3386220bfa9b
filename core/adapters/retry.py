"""The retry and concurrency policy for every call to a service that throttles.

Three mechanisms act together. All callers of a service share a **gate**: after a Retry-After, no
caller sends a request before that time, because Graph also counts the requests it rejects
(Microsoft Learn: Graph throttling guidance). A **limit** bounds the calls in flight, under a hard
cap. **Retries** wait for the service's Retry-After, or by exponential backoff with jitter, and
never past the deadline of the run.

The concurrency a service accepts is not known beforehand: Outlook's limit of four concurrent
requests has been documented both per mailbox and per app. So the limit doubles with each clean
window of calls until the service throttles for the first time; then it is halved, and grows by one
after a clean window. The next run of a guard begins where the last one ended. A limit at which the
service has throttled before is tried again only after more and more clean windows, since each such
attempt costs a batch of rejected requests.

What one object of a batch is refused for longer than a service counts the calls of the whole app is
its own matter: whoever has a mailbox refuse everybody must not keep the app from all others.

Every request of Exoguard is idempotent, so every call may be retried.
"""

import asyncio
import logging
import math
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from core.errors import Unavailable

RELIES_ON = ("graph-mailbox-limit", "graph-request-limit")

log = logging.getLogger(__name__)

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
THROTTLED_STATUSES = frozenset({429, 503})

TOO_MANY, UNAVAILABLE, FAILED_DEPENDENCY = 429, 503, 424

MIN_DOWN = 2
"""So many objects of a batch are unavailable at the least where the service itself is."""
INITIAL_BACKOFF = 0.5
MAX_BACKOFF = 30.0
RETRY_AFTER_FACTOR = 3
MAX_CLEAN_WINDOWS = 64
SHARED_WINDOW = 10.0
"""Seconds for which Graph counts what is read by an app as a whole; of one mailbox it counts ten
minutes (Microsoft Learn: Graph service-specific throttling limits).
"""
# Seconds, the longest window there is. A longer Retry-After is shortened to this; the service can
# repeat it then.
MAX_RETRY_AFTER = 600.0


class RetryableError(Unavailable):
    """A transient failure: the call may be retried.

    `wait_seconds` is the service's Retry-After, None if there was no usable one. With
    `is_throttled`, the service rejected the call because of load, so all callers slow down. With
    `concerns_one`, that is so of one object of a batch as far as is known: a mailbox that is moved
    is not available either, and one that is asked for too much refuses for minutes.
    """

    def __init__(
        self,
        message: str,
        *,
        wait_seconds: float | None = None,
        is_throttled: bool = False,
        concerns_one: bool = False,
    ) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds
        self.is_throttled = is_throttled
        self.concerns_one = concerns_one


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Parse a Retry-After header, whole seconds or an HTTP date (RFC 9110, 10.2.3), to seconds.

    Returns None if it is absent or malformed, and 0 for a date that has passed.
    """
    text = (value or "").strip()[:64]
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= 9 else None
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - (now or datetime.now(UTC))).total_seconds())


def retryable_status(
    status: int, retry_after_header: str | None, operation: str, *, is_inner: bool = False
) -> RetryableError | None:
    """Return the error for a transient status, or None if a retry would change nothing.

    `is_inner`: the status is that of one response inside a batch.
    """
    if status not in TRANSIENT_STATUSES:
        return None
    wait = parse_retry_after(retry_after_header)
    is_own = status == UNAVAILABLE or (status == TOO_MANY and (wait or 0.0) > SHARED_WINDOW)
    return RetryableError(
        f"{operation}: HTTP {status}",
        wait_seconds=wait,
        is_throttled=status in THROTTLED_STATUSES,
        concerns_one=is_inner and is_own,
    )


def retryable_inner_status(status: int, headers: object, operation: str) -> RetryableError | None:
    """Return the error for a response inside a batch, whose headers are JSON, or None."""
    if status == FAILED_DEPENDENCY:
        return RetryableError(f"{operation}: HTTP {status}")
    return retryable_status(status, find_header(headers, "Retry-After"), operation, is_inner=True)


def find_header(headers: object, name: str) -> str | None:
    """Return a header of a response inside a batch, whose headers are JSON, or None."""
    items = headers.items() if isinstance(headers, Mapping) else ()
    found = next((value for key, value in items if str(key).lower() == name.lower()), None)
    return str(found) if isinstance(found, str | int) else None


def longest_wait(errors: Iterable[RetryableError], batch_size: int = 0) -> RetryableError:
    """Combine the errors of a batch: the longest wait, and throttled if any of them is.

    What concerns one object slows down nobody else, and nobody else waits for it, unless it is so
    of half of the batch.
    """
    combined = list(errors)
    single = [error for error in combined if error.concerns_one]
    is_down = len(single) >= max(MIN_DOWN, batch_size / 2)
    throttling = [
        error for error in combined if error.is_throttled and (is_down or not error.concerns_one)
    ]
    counted = throttling or [error for error in combined if not error.concerns_one] or combined
    waits = [error.wait_seconds for error in counted if error.wait_seconds is not None]
    return RetryableError(
        str(combined[0]), wait_seconds=max(waits, default=None), is_throttled=bool(throttling)
    )


async def retry_after[T](
    retrying: AsyncRetrying, attempt: Callable[[], Awaitable[T]], failure: Exception
) -> T:
    """Go on with attempts after the first, which failed: making a policy takes longer than most
    attempts, so it is made for those alone that need it.
    """
    failures = [failure]

    async def attempt_again() -> T:
        if failures:
            raise failures.pop()
        return await attempt()

    return await retrying(attempt_again)


@dataclass(slots=True)
class ThrottleGate:
    """When a service may be called again, in the time of the service's clock.

    Concurrent runs share it, since a service counts the calls of the app and not of a guard.
    """

    not_before: float = -math.inf


@cache
def gate_for(address: str) -> ThrottleGate:
    """Return the gate of the service at an address. Each process has one per address."""
    return ThrottleGate()


@dataclass(slots=True)
class ThrottledService:
    """A service as its callers share it: its gate, its concurrency limit and its retries."""

    name: str
    attempts: int = 5
    """How often a call is attempted, the first time included."""
    cap: int = 16
    """The highest limit of calls in flight."""
    initial_limit: int = 4
    max_wait: float = 120.0
    """The longest wait before a retry, in seconds."""
    call_timeout: float = 120.0
    """The longest single attempt, in seconds."""
    deadline: float = math.inf
    """The time of `clock` after which no attempt starts and no caller waits."""
    max_requests: float = math.inf
    """The number of attempts after which no other starts, for a caller with a budget."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    throttle_gate: ThrottleGate = field(default_factory=ThrottleGate)
    """The gate; concurrent runs may share one."""
    min_throttle_wait: float = INITIAL_BACKOFF
    """The wait, in seconds, after the service throttled without a Retry-After; then twice that."""
    requests: int = field(default=0, init=False)
    """How many attempts were made."""
    limit: int = field(default=0, init=False)
    is_resumed: bool = field(default=False, init=False)
    in_flight: int = field(default=0, init=False)
    clean_count: int = field(default=0, init=False)
    limit_cut_at: float = field(default=-math.inf, init=False)
    ceiling: float = field(default=math.inf, init=False)
    clean_windows_needed: int = field(default=1, init=False)
    waiters: deque[asyncio.Future[None]] = field(default_factory=deque, init=False)
    """The calls that wait for a slot, in their order. Each is handed one."""
    first_waiters: deque[asyncio.Future[None]] = field(default_factory=deque, init=False)
    """Those of them that go first, in their order."""

    def __post_init__(self) -> None:
        self.cap = max(1, self.cap)
        self.limit = min(max(1, self.initial_limit), self.cap)

    def resume_limit(self, limit: int) -> None:
        """Begin with a limit that an earlier run found, as far as the cap allows."""
        self.limit = min(max(1, limit), self.cap)
        self.is_resumed = True

    @property
    def is_unknown(self) -> bool:
        """Whether it has still to be found out how many calls the service takes at once."""
        return not self.is_resumed and self.limit < self.cap and self.ceiling == math.inf

    async def call[T](self, attempt: Callable[[], Awaitable[T]], *, goes_first: bool = False) -> T:
        """Run an attempt, and retry it while it raises RetryableError.

        One that `goes_first` does not stand in line: the last thing that is asked about one range
        of mailboxes would otherwise wait for all that is asked about the next ones.

        Raises Unavailable (the last RetryableError) when the attempts, the longest wait or the
        run's time are exhausted. Any other exception of the attempt propagates.
        """
        try:
            return await self.attempt_once(attempt, goes_first=goes_first)
        except RetryableError as error:
            return await self.retry(attempt, error)

    async def retry[T](self, attempt: Callable[[], Awaitable[T]], failure: RetryableError) -> T:
        """Go on after a first attempt that failed. Nearly every call is over before."""
        retrying = AsyncRetrying(
            stop=self.should_stop,
            wait=self.compute_wait,
            retry=retry_if_exception_type(RetryableError),
            sleep=self.sleep,
            reraise=True,
        )
        return await retry_after(retrying, lambda: self.attempt_once(attempt), failure)

    async def attempt_once[T](
        self, attempt: Callable[[], Awaitable[T]], *, goes_first: bool = False
    ) -> T:
        """Make one attempt behind the gate and within the limit, and record its result."""
        await self.take_slot(goes_first=goes_first)
        try:
            await self.wait_for_gate()
            if self.requests >= self.max_requests:
                raise Unavailable(f"{self.name}: the budget of requests is used up")
            started_at, peak = self.clock(), self.in_flight
            self.requests += 1
            try:
                async with asyncio.timeout(
                    min(self.call_timeout, max(0.0, self.deadline - started_at))
                ):
                    result = await attempt()
            except TimeoutError as error:
                raise RetryableError(f"{self.name} did not answer in time") from error
            except RetryableError as error:
                if error.is_throttled:
                    self.record_throttling(started_at, error.wait_seconds)
                raise
            self.record_success(max(peak, self.in_flight))
            return result
        finally:
            self.free_slot()

    async def take_slot(self, *, goes_first: bool = False) -> None:
        """Take a slot for one call; wait in line, or before it, while the limit has none free."""
        if self.in_flight < self.limit and not self.waiters and not self.first_waiters:
            self.in_flight += 1
            return
        turn = asyncio.get_running_loop().create_future()
        line = self.first_waiters if goes_first else self.waiters
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                if turn in line:
                    line.remove(turn)
            else:
                self.free_slot()  # It was handed over while the caller was cancelled.
            raise

    def free_slot(self) -> None:
        """Give a slot back, and hand over as many as the limit has free now."""
        self.in_flight -= 1
        while (line := self.first_waiters or self.waiters) and self.in_flight < self.limit:
            turn = line.popleft()
            if not turn.done():
                self.in_flight += 1
                turn.set_result(None)

    async def wait_for_gate(self) -> None:
        """Wait until the gate is open. Raises Unavailable if that is after the deadline."""
        while True:
            wait = self.throttle_gate.not_before - self.clock()
            if self.clock() >= self.deadline or self.clock() + wait >= self.deadline:
                raise Unavailable(f"{self.name}: the time of this run is used up")
            if wait <= 0:
                return
            if wait > self.max_wait:
                raise Unavailable(f"{self.name} asked to wait {wait:.0f} s")
            await self.sleep(wait + self.jitter() * 0.05)

    def pause_for(self, seconds: float) -> None:
        """Close the gate for so many seconds, so that later calls wait."""
        self.throttle_gate.not_before = max(self.throttle_gate.not_before, self.clock() + seconds)

    def record_throttling(self, started_at: float, wait_seconds: float | None) -> None:
        """Close the gate and halve the limit after the service throttled a call.

        Calls that were in flight together are throttled together, so only the first of them halves
        the limit. A later one can still lengthen the wait.
        """
        wait = min(wait_seconds, MAX_RETRY_AFTER) if wait_seconds else self.min_throttle_wait
        self.clean_count = 0
        if started_at > self.limit_cut_at:
            self.limit_cut_at = self.clock()
            self.clean_windows_needed = min(MAX_CLEAN_WINDOWS, self.clean_windows_needed * 2)
            self.ceiling = max(2, self.limit)
            self.limit = max(1, self.limit // 2)
            log.info("%s throttles: waiting %.1f s, %d calls at once", self.name, wait, self.limit)
        self.throttle_gate.not_before = max(self.throttle_gate.not_before, self.limit_cut_at + wait)

    def record_success(self, peak_in_flight: int) -> None:
        """Count a successful call, and raise the limit after enough of them.

        `peak_in_flight` is how many calls ran meanwhile: unused slots say nothing about more slots.
        """
        if peak_in_flight * 2 <= self.limit or self.limit >= self.cap:
            return
        self.clean_count += 1
        if self.clean_count < self.limit:
            return
        if self.limit >= self.ceiling:
            # The service throttled at this limit before and no longer does.
            self.ceiling, self.clean_windows_needed = self.limit + 1, 1
        if (
            self.limit + 1 >= self.ceiling
            and self.clean_count < self.limit * self.clean_windows_needed
        ):
            return
        increase = self.limit if self.ceiling == math.inf else 1
        self.limit = min(self.cap, self.limit + increase)
        self.clean_count = 0

    def compute_wait(self, state: RetryCallState) -> float:
        """Compute the seconds before the next attempt. "Retry-After: 0" counts as none."""
        error = state.outcome.exception() if state.outcome else None
        retry_after = error.wait_seconds if isinstance(error, RetryableError) else None
        doublings = 2.0 ** (state.attempt_number - 1)
        if not retry_after and isinstance(error, RetryableError) and error.is_throttled:
            retry_after = min(MAX_BACKOFF, self.min_throttle_wait * doublings)
        if retry_after:
            return retry_after + self.jitter() * min(1.0, retry_after / 10)
        return min(MAX_BACKOFF, INITIAL_BACKOFF * doublings) * (0.5 + self.jitter() / 2)

    def should_stop(self, state: RetryCallState) -> bool:
        """Return whether no attempt is left, or the next would have to wait too long.

        A service that sends Retry-After gets more attempts than one that only fails.
        """
        error = state.outcome.exception() if state.outcome else None
        is_deferred = (
            isinstance(error, RetryableError)
            and error.is_throttled
            and error.wait_seconds is not None
        )
        if state.attempt_number >= self.attempts * (RETRY_AFTER_FACTOR if is_deferred else 1):
            return True
        wait = state.upcoming_sleep
        return wait > self.max_wait or self.clock() + wait >= self.deadline
