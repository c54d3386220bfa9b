"""Throttling limits of a service for one app: concurrent requests, or requests in a time window."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.http_types import is_true

LIMIT_SCOPES = frozenset({"app", "mailbox"})


class CountedFault(Protocol):
    """A row of the fault table that decides whether it applies to the current request."""

    @property
    def definition(self) -> Mapping[str, Any]: ...

    def count_match(self) -> bool: ...


class LimitExceeded(Exception):
    """The request exceeds a limit: the service's message and the seconds to wait."""

    def __init__(
        self, retry_after: float, is_concurrency: bool, definition: Mapping[str, Any]
    ) -> None:
        what = "MailboxConcurrency" if is_concurrency else "RequestRate"
        super().__init__(str(definition.get("message") or f"Application is over its {what} limit."))
        self.code = str(definition.get("code") or "ApplicationThrottled")
        # Rounded up, because Retry-After has whole seconds.
        self.headers = {"Retry-After": str(max(1, math.ceil(retry_after)))}


@dataclass(slots=True)
class RateWindow:
    """A time window and the number of requests counted in it."""

    started_at: float
    request_count: int = 0


@dataclass(slots=True)
class ThrottleLimit:
    """One limit, counted per key: the whole app has one key, each mailbox its own.

    Either `at_once` requests may be in progress, and any further one must wait `retry_after`
    seconds; or `most` requests are counted in each `window` of seconds. Windows follow each other
    from a key's first request. With `counts_refused`, a window also counts refused requests, and
    the excess is charged to the next window: like Graph, it keeps a client waiting that keeps
    asking.
    """

    max_concurrent: int = 0
    retry_after: float = 1.0
    window: float = 0.0
    max_requests: int = 0
    counts_refused: bool = False
    running_counts: Counter[Hashable] = field(default_factory=Counter)
    windows: dict[Hashable, RateWindow] = field(default_factory=dict)

    def enter(self, key: Hashable, now: float) -> float:
        """Counts a request. Returns the seconds it must wait, 0 if it may proceed."""
        if not self.window:
            if self.running_counts[key] >= self.max_concurrent:
                return self.retry_after
            self.running_counts[key] += 1
            return 0.0
        current = self.get_window(key, now)
        if current.request_count < self.max_requests:
            current.request_count += 1
            return 0.0
        if self.counts_refused:
            current.request_count += 1
        return current.started_at + self.window - now

    def leave(self, key: Hashable) -> None:
        """Marks an admitted request as answered."""
        if not self.window:
            self.running_counts[key] -= 1
            if not self.running_counts[key]:
                del self.running_counts[key]

    def get_window(self, key: Hashable, now: float) -> RateWindow:
        """The current window, charged with the excess of earlier ones."""
        current = self.windows.setdefault(key, RateWindow(now))
        over = int((now - current.started_at) // self.window)
        if over > 0:
            current.started_at += over * self.window
            current.request_count = (
                max(0, current.request_count - over * self.max_requests)
                if self.counts_refused
                else 0
            )
        return current


@dataclass(frozen=True, slots=True)
class KeyedLimit:
    """A limit with the key of one request. `fault` is None for the service's own limits."""

    limit: ThrottleLimit
    key: Hashable
    fault: CountedFault | None = None


def parse_limit(definition: Mapping[str, Any]) -> ThrottleLimit:
    """Parses a limit from a fault. Raises ValueError unless it has exactly one limit."""
    if definition.get("per", "app") not in LIMIT_SCOPES:
        raise ValueError(
            f"a limit is per {' or '.join(sorted(LIMIT_SCOPES))}, not {definition['per']!r}"
        )
    at_once, window, most = (definition.get(name) for name in ("atOnce", "window", "most"))
    if (at_once is None) is (window is None) or (window is None) is not (most is None):
        raise ValueError("a limit has atOnce, or window and most")
    limit = ThrottleLimit(
        max_concurrent=int(at_once or 0),
        retry_after=float(definition.get("retryAfter", 1)),
        window=float(window or 0),
        max_requests=int(most or 0),
        counts_refused=is_true(definition.get("countsRefused")),
    )
    if (
        limit.max_concurrent < 0
        or limit.max_requests < 0
        or (window is not None and limit.window <= 0)
    ):
        raise ValueError("a limit's atOnce and most are not below 0, its window is above")
    return limit


@contextmanager
def hold_limits(limits: Iterable[KeyedLimit], now: float) -> Iterator[None]:
    """Holds a request's slot in every limit that applies. Raises LimitExceeded if one is full."""
    entered: list[KeyedLimit] = []
    try:
        for gate in limits:
            after = gate.limit.enter(gate.key, now)
            if not after:
                entered.append(gate)
            elif gate.fault is None or gate.fault.count_match():
                wire = gate.fault.definition if gate.fault else {}
                raise LimitExceeded(after, not gate.limit.window, wire)
        yield
    finally:
        for gate in entered:
            gate.limit.leave(gate.key)
