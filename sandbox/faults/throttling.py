"""How much a service takes from one app: so many requests at once, so many in a window of time."""

import math
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.http_types import truth

PER = frozenset({"app", "mailbox"})


class Spendable(Protocol):
    """The row of a table of faults: it says whether it strikes this time."""

    @property
    def wire(self) -> Mapping[str, Any]: ...

    def spend(self) -> bool: ...


class Limited(Exception):
    """A request too many: what the service says of it, and after how many seconds to come again."""

    def __init__(self, after: float, at_once: bool, wire: Mapping[str, Any]) -> None:
        what = "MailboxConcurrency" if at_once else "RequestRate"
        super().__init__(str(wire.get("message") or f"Application is over its {what} limit."))
        self.code = str(wire.get("code") or "ApplicationThrottled")
        # Never shorter than it is: Retry-After knows whole seconds only.
        self.headers = {"Retry-After": str(max(1, math.ceil(after)))}


@dataclass(slots=True)
class Window:
    """A stretch of time and how many requests were counted in it."""

    began: float
    used: int = 0


@dataclass(slots=True)
class Limit:
    """One limit, kept for each key: the whole app has one key, every mailbox has its own.

    Either `at_once` requests are under way, and what is more has to wait `retry_after` seconds, or
    `most` are counted in each `window` of seconds. The windows follow each other from a key's first
    request on. With `counts_refused` a window is charged with what it refuses as well, and what is
    more than it holds is taken from the next one: who keeps asking is kept waiting, as by Graph.
    """

    at_once: int = 0
    retry_after: float = 1.0
    window: float = 0.0
    most: int = 0
    counts_refused: bool = False
    under_way: Counter[Hashable] = field(default_factory=Counter)
    windows: dict[Hashable, Window] = field(default_factory=dict)

    def enter(self, key: Hashable, now: float) -> float:
        """Count a request; how long it should wait in seconds, 0 when it may go on."""
        if not self.window:
            if self.under_way[key] >= self.at_once:
                return self.retry_after
            self.under_way[key] += 1
            return 0.0
        current = self.current(key, now)
        if current.used < self.most:
            current.used += 1
            return 0.0
        if self.counts_refused:
            current.used += 1
        return current.began + self.window - now

    def leave(self, key: Hashable) -> None:
        """A request that was let in is answered."""
        if not self.window:
            self.under_way[key] -= 1
            if not self.under_way[key]:
                del self.under_way[key]

    def current(self, key: Hashable, now: float) -> Window:
        """The window of this moment, with what earlier ones left to it."""
        current = self.windows.setdefault(key, Window(now))
        over = int((now - current.began) // self.window)
        if over > 0:
            current.began += over * self.window
            current.used = max(0, current.used - over * self.most) if self.counts_refused else 0
        return current


@dataclass(frozen=True, slots=True)
class Gate:
    """A limit that a request has to pass, under its key there. `row` None: the service's own."""

    limit: Limit
    key: Hashable
    row: Spendable | None = None


def limit_from_wire(wire: Mapping[str, Any]) -> Limit:
    """A limit from a fault. Raises ValueError for one that limits nothing, or two things."""
    if wire.get("per", "app") not in PER:
        raise ValueError(f"a limit is per {' or '.join(sorted(PER))}, not {wire['per']!r}")
    at_once, window, most = (wire.get(name) for name in ("atOnce", "window", "most"))
    if (at_once is None) is (window is None) or (window is None) is not (most is None):
        raise ValueError("a limit has atOnce, or window and most")
    limit = Limit(
        at_once=int(at_once or 0),
        retry_after=float(wire.get("retryAfter", 1)),
        window=float(window or 0),
        most=int(most or 0),
        counts_refused=truth(wire.get("countsRefused")),
    )
    if limit.at_once < 0 or limit.most < 0 or (window is not None and limit.window <= 0):
        raise ValueError("a limit's atOnce and most are not below 0, its window is above")
    return limit


@contextmanager
def through(gates: Iterable[Gate], now: float) -> Iterator[None]:
    """Hold a request's place in every limit it comes under. Raises Limited when one is full."""
    entered: list[Gate] = []
    try:
        for gate in gates:
            after = gate.limit.enter(gate.key, now)
            if not after:
                entered.append(gate)
            elif gate.row is None or gate.row.spend():
                wire = gate.row.wire if gate.row else {}
                raise Limited(after, not gate.limit.window, wire)
        yield
    finally:
        for gate in entered:
            gate.limit.leave(gate.key)
