"""A guard on the real adapters, run after run, while the services it uses misbehave.

Tenant and channel are the sandbox's, over HTTP. What waits does not take time: `Timer` leaps ahead.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiohttp import web

from core.adapters.clouds import Cloud, endpoints
from core.adapters.credentials import app_credential
from core.adapters.exchange.client import Exchange
from core.adapters.graph.client import Graph
from core.adapters.m365.tenant import M365
from core.adapters.retry import Service as Shared
from core.adapters.teams import Teams
from core.bootstrap import LOOKING, TELLING
from core.engine.run import run
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.guards import Duty, Mode, Terms
from core.model.runs import RunReport
from core.model.state import Memory
from core.ports import Ledger, World
from core.tenant.mailbox_index import SLICE
from sandbox.graph.identity import CLIENT_ID
from sandbox.http_types import Call
from sandbox.server import Sandbox, Service
from tests.support.fakes.world import Clock, FakeLedger

MINUTES = 8


@dataclass(slots=True)
class Timer:
    """A monotonic clock that leaps to whatever is waited for. It never wakes anybody too early."""

    now: float = 1_000.0
    waited: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Everybody who waits at the same time waits together."""
        until = self.now + seconds
        self.waited.append(seconds)
        await asyncio.sleep(0)
        self.now = max(self.now, until)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it came to a service: when, and what it asked."""

    at: float
    service: str
    line: str


class Watched(Sandbox):
    """A tenant that notes when each request came, and when a fault struck one."""

    def __init__(self, scene: Mapping[str, object], timer: Timer) -> None:
        super().__init__(scene)
        self.timer = timer
        self.arrivals: list[Arrival] = []
        self.struck: list[Arrival] = []

    async def serve(
        self, request: web.BaseRequest, service: Service, call: Call
    ) -> web.StreamResponse:
        arrival = Arrival(self.timer.now, service.name, service.lines(call)[0])
        self.arrivals.append(arrival)
        before = self.blows
        try:
            return await super().serve(request, service, call)
        finally:
            if self.blows > before:
                self.struck.append(replace(arrival, at=self.timer.now))

    @property
    def blows(self) -> int:
        """How often the faults in force have struck."""
        return sum(fault.struck for fault in self.tenant.faults.rows)

    def strike(self, *faults: Mapping[str, Any]) -> None:
        """From now on these faults and no others."""
        self.tenant.faults.load([dict(fault) for fault in faults])

    def came(self, service: str, part: str = "") -> list[Arrival]:
        """The requests that came to a service."""
        return [one for one in self.arrivals if one.service == service and part in one.line]


@dataclass
class Staged:
    """One tenant, one memory, one channel, over any number of runs of one guard."""

    box: Watched
    duty: Duty
    cloud: Cloud
    ledger: Ledger
    timer: Timer
    clock: Clock
    minutes: float = MINUTES
    slice_size: int = SLICE
    webhook: str = ""
    terms: Terms = field(default_factory=lambda: Terms(Clock().moment))

    async def tick(self, *faults: Mapping[str, Any]) -> RunReport:
        """The guard's next run, with everything connected anew and these faults in force."""
        self.box.strike(*faults)
        begun, budget = self.timer.now, self.minutes * 60

        def shared(name: str, **options: Any) -> Shared:
            return Shared(
                name, clock=self.timer, sleep=self.timer.sleep, chance=lambda: 0.0, **options
            )

        async with AsyncExitStack() as stack:
            until = {"deadline": begun + budget}
            tokens = shared("tokens", attempts=3, cap=1, start=1, **until)
            credential = await stack.enter_async_context(
                app_credential(
                    self.box.tenant.tenant_id,
                    CLIENT_ID,
                    self.cloud,
                    secret=self.box.entra.secret,
                    ca_path=self.box.ca_path,
                    service=tokens,
                )
            )
            graph = Graph(self.cloud, credential, shared("graph", **until))
            exchange = Exchange(
                self.cloud,
                self.box.tenant.tenant_id,
                credential,
                shared("exchange", start=2, cap=6, **until),
            )
            webhook = self.webhook or self.box.settings()["TEAMS_WEBHOOK_URL"]
            channel = shared("teams", cap=1, deadline=begun + budget + TELLING)
            teams = Teams(webhook, channel, hosts=["127.0.0.1"])
            for adapter in (graph, exchange, teams):
                stack.push_async_callback(adapter.close)
            world = World(
                M365(graph, exchange, sleep=self.timer.sleep),
                self.ledger,
                teams,
                self.terms,
                self.clock,
                spent=lambda: (self.timer.now - begun) / (LOOKING * budget),
                slice_size=self.slice_size,
                pause=self.timer.sleep,
            )
            try:
                return await run(self.duty, world)
            finally:
                self.box.strike()
                self.clock.advance(seconds=self.timer.now - begun)
                self.clock.advance(hours=6)

    async def memory(self) -> Memory:
        """What the guard remembers."""
        return await self.ledger.recall(self.duty.guard.name)

    async def open(self) -> dict[str, Case]:
        """The cases about objects that are open, by their keys."""
        cases = (await self.memory()).cases
        return {key: case for key, case in cases.items() if case.closed is None}

    async def changes(self) -> tuple[ChangeRecord, ...]:
        """The changes the guard remembers."""
        return (await self.memory()).changes


@asynccontextmanager
async def staged(
    scene: Mapping[str, Any],
    duty: Duty,
    mode: Mode = Mode.ALERT,
    *,
    box: type[Watched] = Watched,
) -> AsyncIterator[Staged]:
    """A guard on a tenant of its own, signed in with its client secret."""
    timer, clock = Timer(), Clock()
    async with box(scene, timer) as tenant:
        cloud = endpoints("global", login=tenant.authority, graph=tenant.base, exchange=tenant.base)
        yield Staged(
            box=tenant,
            duty=replace(duty, mode=mode),
            cloud=cloud,
            ledger=FakeLedger(clock),
            timer=timer,
            clock=clock,
        )
