"""One policy for every call to a busy service: when to wait, how long, how many at once.

Three forces act together. A **gate** that all callers of a service share: when the service says
"not before", nobody calls it before then, because Graph keeps counting calls it refused
(Microsoft Learn: Graph throttling guidance). A **limit** of calls in flight under a hard cap. And
**tries**, with the service's own Retry-After or exponential backoff with jitter, never past the
deadline of the run.

How much a service takes at once is not known beforehand: Outlook's "four requests at once" has been
documented both for each mailbox and for the app as a whole. So the limit doubles with each clean
window of calls until the service pushes back for the first time; then it is halved, and grows by
one after a clean window. A limit at which the service pushed back before is tried again only after
ever more clean windows, since each such attempt costs a batch of refused requests: a service that
takes no more than one call at once is soon asked for more but rarely.

Everything Exoguard sends is idempotent, so every call may be tried again.
"""

import asyncio
import logging
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type

from core.errors import Unavailable

log = logging.getLogger(__name__)

TRANSIENT_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
THROTTLED_STATUSES = frozenset({429, 503})

FAILED_DEPENDENCY = 424

INITIAL_BACKOFF = 0.5
MAX_BACKOFF = 30.0
RETRY_AFTER_FACTOR = 3
MAX_CLEAN_WINDOWS = 64
# What a service asks beyond this is not believed: it is asked again, and may say so once more.
MAX_RETRY_AFTER = 3_600.0


class RetryableError(Unavailable):
    """Passing trouble that is worth another try.

    `after` is what the service asked to wait, in seconds, None when it said nothing useful.
    `busy`: the service pushed back, so that everyone should slow down and not just this call.
    """

    def __init__(
        self, message: str, *, wait_seconds: float | None = None, is_throttled: bool = False
    ) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds
        self.is_throttled = is_throttled


def parse_retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds to wait, from a Retry-After header: whole seconds or an HTTP date (RFC 9110, 10.2.3).

    None when it is absent or makes no sense; a date that has passed is 0.
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
    status: int, retry_after_header: str | None, operation: str
) -> RetryableError | None:
    """The passing trouble a status stands for; None when another try would change nothing."""
    if status not in TRANSIENT_STATUSES:
        return None
    wait = parse_retry_after(retry_after_header)
    return RetryableError(
        f"{operation}: HTTP {status}", wait_seconds=wait, is_throttled=status in THROTTLED_STATUSES
    )


def retryable_inner_status(status: int, headers: object, operation: str) -> RetryableError | None:
    """The same for a reply inside a batch, whose headers are JSON."""
    named = headers.items() if isinstance(headers, Mapping) else ()
    after = next((value for name, value in named if str(name).lower() == "retry-after"), None)
    if status == FAILED_DEPENDENCY:
        return RetryableError(f"{operation}: HTTP {status}")
    return retryable_status(status, str(after) if isinstance(after, str | int) else None, operation)


def longest_wait(errors: Iterable[RetryableError]) -> RetryableError:
    """Several troubles as one: the longest wait, and busy if any of them was."""
    some = list(errors)
    waits = [again.wait_seconds for again in some if again.wait_seconds is not None]
    return RetryableError(
        str(some[0]),
        wait_seconds=max(waits, default=None),
        is_throttled=any(again.is_throttled for again in some),
    )


@dataclass(slots=True)
class ThrottleGate:
    """When a service may be called again, by a reading of the clock. Runs at the same time share
    it: a service counts the calls of the app, whichever guard they are for.
    """

    not_before: float = -math.inf


@cache
def gate_for(address: str) -> ThrottleGate:
    """The door of the service at an address: one in each process."""
    return ThrottleGate()


@dataclass(slots=True)
class ThrottledService:
    """A service as its callers share it: gate, limit and tries in one hand.

    `deadline` is a reading of `clock` after which nothing is started or waited for; wiring sets it
    for each run. `patience` is the longest single wait, `longest` the longest single call, both in
    seconds. `attempts` counts the first try too. `door` may be shared with other runs.
    """

    name: str
    attempts: int = 5
    cap: int = 16
    initial_limit: int = 4
    max_wait: float = 120.0
    call_timeout: float = 120.0
    deadline: float = math.inf
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    jitter: Callable[[], float] = random.random
    throttle_gate: ThrottleGate = field(default_factory=ThrottleGate)
    requests: int = field(default=0, init=False)
    limit: int = field(default=0, init=False)
    in_flight: int = field(default=0, init=False)
    clean_count: int = field(default=0, init=False)
    limit_cut_at: float = field(default=-math.inf, init=False)
    ceiling: float = field(default=math.inf, init=False)
    clean_windows_needed: int = field(default=1, init=False)
    slot_condition: asyncio.Condition = field(default_factory=asyncio.Condition, init=False)

    def __post_init__(self) -> None:
        self.cap = max(1, self.cap)
        self.limit = min(max(1, self.initial_limit), self.cap)

    async def call[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of an attempt, tried again for as long as it raises Again.

        Raises Unavailable (the last Again) when tries, patience or the run's time are used up.
        Whatever else the attempt raises passes through untouched.
        """
        retrying = AsyncRetrying(
            stop=self.should_stop,
            wait=self.compute_wait,
            retry=retry_if_exception_type(RetryableError),
            sleep=self.sleep,
            reraise=True,
        )
        return await retrying(self.attempt_once, attempt)

    async def attempt_once[T](self, attempt: Callable[[], Awaitable[T]]) -> T:
        """One try, behind the gate and within the limit, noting how it went."""
        async with self.acquire_slot():
            begun, most = self.clock(), self.in_flight
            self.requests += 1
            try:
                async with asyncio.timeout(min(self.call_timeout, max(0.0, self.deadline - begun))):
                    result = await attempt()
            except TimeoutError as error:
                raise RetryableError(f"{self.name} did not answer in time") from error
            except RetryableError as again:
                if again.is_throttled:
                    self.record_throttling(begun, again.wait_seconds)
                raise
            self.record_success(max(most, self.in_flight))
            return result

    @asynccontextmanager
    async def acquire_slot(self) -> AsyncIterator[None]:
        """Room for one call: the limit has a place and the gate is open."""
        async with self.slot_condition:
            await self.slot_condition.wait_for(lambda: self.in_flight < self.limit)
            self.in_flight += 1
        try:
            await self.wait_for_gate()
            yield
        finally:
            async with self.slot_condition:
                self.in_flight -= 1
                self.slot_condition.notify(2)

    async def wait_for_gate(self) -> None:
        """Wait until the service may be called. Raises Unavailable if that is past the deadline."""
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
        """Keep the gate closed for so long: whoever comes next waits."""
        self.throttle_gate.not_before = max(self.throttle_gate.not_before, self.clock() + seconds)

    def record_throttling(self, started_at: float, wait_seconds: float | None) -> None:
        """The service pushed back: close the gate, halve the limit.

        Calls that were in flight together fail together and speak of the same moment: only the
        first of them closes the gate and halves. A later one may still ask for a longer wait.
        """
        wait = min(wait_seconds, MAX_RETRY_AFTER) if wait_seconds else INITIAL_BACKOFF
        self.clean_count = 0
        if started_at > self.limit_cut_at:
            self.limit_cut_at = self.clock()
            self.clean_windows_needed = min(MAX_CLEAN_WINDOWS, self.clean_windows_needed * 2)
            self.ceiling = max(2, self.limit)
            self.limit = max(1, self.limit // 2)
            log.info("%s pushed back: waiting %.1f s, %d at once", self.name, wait, self.limit)
        self.throttle_gate.not_before = max(self.throttle_gate.not_before, self.limit_cut_at + wait)

    def record_success(self, peak_in_flight: int) -> None:
        """A clean answer, while up to `most` calls were in flight; perhaps there is room for more.

        While the places that there are stand empty, nothing is learnt about further ones.
        """
        if peak_in_flight * 2 <= self.limit or self.limit >= self.cap:
            return
        self.clean_count += 1
        if self.clean_count < self.limit:
            return
        if self.limit >= self.ceiling:
            # So many were too many once, and are not any more.
            self.ceiling, self.clean_windows_needed = self.limit + 1, 1
        if (
            self.limit + 1 >= self.ceiling
            and self.clean_count < self.limit * self.clean_windows_needed
        ):
            return
        more = self.limit if self.ceiling == math.inf else 1
        self.limit = min(self.cap, self.limit + more)
        self.clean_count = 0

    def compute_wait(self, state: RetryCallState) -> float:
        """How long to wait before the next try. "Retry-After: 0" says no more than silence does."""
        again = state.outcome.exception() if state.outcome else None
        after = again.wait_seconds if isinstance(again, RetryableError) else None
        backoff = min(MAX_BACKOFF, INITIAL_BACKOFF * 2.0 ** (state.attempt_number - 1))
        if after:
            return after + self.jitter() * min(1.0, after / 10)
        return backoff * (0.5 + self.jitter() / 2)

    def should_stop(self, state: RetryCallState) -> bool:
        """True when another try is not allowed, or would have to wait for too long.

        A service that says when to come back is tried more often than one that just fails.
        """
        again = state.outcome.exception() if state.outcome else None
        invited = (
            isinstance(again, RetryableError)
            and again.is_throttled
            and again.wait_seconds is not None
        )
        if state.attempt_number >= self.attempts * (RETRY_AFTER_FACTOR if invited else 1):
            return True
        wait = state.upcoming_sleep
        return wait > self.max_wait or self.clock() + wait >= self.deadline
