"""A guard on the real adapters, run after run, while the services it uses misbehave.

Tenant and channel are the sandbox's. What waits does not take time: `SleepClock` leaps ahead. What
is asked of Entra, Graph and Exchange takes no connection unless a test wants them.
"""

import copy
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from core.adapters.clouds import Cloud, resolve_cloud
from core.adapters.credentials import Credential, build_credential
from core.adapters.exchange.batch import PAGE_SIZE
from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.way_memory import WayMemory
from core.adapters.graph.client import MAX_PAGES, GraphClient
from core.adapters.m365.tenant import connect_tenant
from core.adapters.retry import ThrottledService
from core.adapters.teams import TeamsChannel
from core.bootstrap import NOTIFY_SECONDS, SCAN_TIME_SHARE
from core.engine.run import run
from core.engine.self_findings import SELF_CHECK_KINDS
from core.model.cases import Case
from core.model.changes import ChangeRecord
from core.model.guards import GuardConfig, Mode
from core.model.runs import RunReport
from core.model.state import GuardSnapshot
from core.notifications.run_cards import build_cards
from core.ports import Ledger, World
from core.tenant.mailbox_index import RANGE_SIZE
from sandbox.app_identity import CLIENT_ID
from sandbox.http_types import HttpRequest, HttpResponse
from sandbox.scenes.build import SCENES_FOLDER, resolve_dates
from sandbox.server import Sandbox, SimulatedService
from sandbox.state.tenant import SimulatedTenant
from tests.support.direct_session import build_direct_credential, open_direct_session
from tests.support.fakes.clock import START, Clock, SleepClock
from tests.support.fakes.ledger import FakeLedger

BUDGET_MINUTES = 8


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it came to a service: when, and what it asked."""

    received_at: float
    service: str
    line: str


class RecordingSandbox(Sandbox):
    """A tenant that notes when each request came, and which were under way when a fault struck."""

    def __init__(self, scene: Mapping[str, object] | SimulatedTenant, timer: SleepClock) -> None:
        super().__init__(scene)
        self.timer = timer
        self.received: list[ReceivedRequest] = []
        self.faulted: list[ReceivedRequest] = []
        self.ended_count = 0

    async def serve_request(self, service: SimulatedService, call: HttpRequest) -> HttpResponse:
        arrival = ReceivedRequest(self.timer.now, service.name, service.get_fault_lines(call)[0])
        self.received.append(arrival)
        before = self.fault_count
        try:
            return await super().serve_request(service, call)
        finally:
            if self.fault_count > before:
                self.faulted.append(replace(arrival, received_at=self.timer.now))

    @property
    def fault_count(self) -> int:
        """How often faults have struck, those that are no longer in force too."""
        return self.ended_count + sum(fault.strike_count for fault in self.tenant.faults.rows)

    def replace_faults(self, *faults: Mapping[str, Any]) -> None:
        """From now on these faults and no others."""
        self.ended_count = self.fault_count
        self.tenant.faults.load([dict(fault) for fault in faults])

    def find_received(self, service: str, substring: str = "") -> list[ReceivedRequest]:
        """The requests that came to a service."""
        return [one for one in self.received if one.service == service and substring in one.line]


@dataclass
class AdapterHarness:
    """One tenant, one memory, one channel, over any number of runs of one guard."""

    sandbox: RecordingSandbox
    config: GuardConfig
    cloud: Cloud
    ledger: Ledger
    timer: SleepClock
    clock: Clock
    budget_minutes: float = BUDGET_MINUTES
    range_size: int = RANGE_SIZE
    webhook: str = ""
    page_size: int = PAGE_SIZE
    """How many rows of a listing Exchange is asked for at a time."""
    max_pages: int = MAX_PAGES
    """How many pages of a listing are followed."""
    hours_apart: float = 6
    """How long after a run the next one comes."""
    way_memory: WayMemory = field(default_factory=WayMemory)
    """The ways of listing that runs found out, as the state keeps them."""
    over_http: bool = False
    """Whether Entra, Graph and Exchange are asked over connections."""

    async def run_guard(self, *faults: Mapping[str, Any]) -> RunReport:
        """The guard's next run, with everything connected anew and these faults in force."""
        self.sandbox.replace_faults(*faults)
        # Minutes lie between two runs, which the limits of a service count by a clock of their own.
        self.sandbox.end_windows()
        begun, budget = self.timer.now, self.budget_minutes * 60

        def shared(name: str, **options: Any) -> ThrottledService:
            return ThrottledService(
                name, clock=self.timer, sleep=self.timer.sleep, jitter=lambda: 0.0, **options
            )

        async with AsyncExitStack() as stack:
            until = {"deadline": begun + budget}
            tokens = shared("tokens", attempts=3, cap=1, initial_limit=1, **until)
            credential = await stack.enter_async_context(self.build_credential(tokens))
            graph = GraphClient(self.cloud, credential, shared("graph", **until))
            exchange = ExchangeClient(
                self.cloud,
                self.sandbox.tenant.tenant_id,
                credential,
                shared("exchange", initial_limit=2, cap=6, **until),
                way_memory=self.way_memory,
            )
            if not self.over_http:
                graph.transport.session = open_direct_session(self.sandbox)
                exchange.http_client.session = open_direct_session(self.sandbox)
            exchange.page_size = self.page_size
            graph.max_pages = exchange.max_pages = self.max_pages
            webhook = self.webhook or self.sandbox.build_settings()["TEAMS_WEBHOOK_URL"]
            channel = shared("teams", cap=1, deadline=begun + budget + NOTIFY_SECONDS)
            teams = TeamsChannel(webhook, channel, hosts=["127.0.0.1"])
            for adapter in (graph, exchange, teams):
                stack.push_async_callback(adapter.close)
            world = World(
                connect_tenant(graph, exchange, sleep=self.timer.sleep),
                self.ledger,
                teams,
                self.clock,
                build_cards,
                budget_used=lambda: (self.timer.now - begun) / (SCAN_TIME_SHARE * budget),
                range_size=self.range_size,
                sleep=self.timer.sleep,
            )
            try:
                return await run(self.config, world)
            finally:
                self.sandbox.replace_faults()
                self.clock.advance(seconds=self.timer.now - begun)
                self.clock.advance(hours=self.hours_apart)

    def build_credential(self, service: ThrottledService) -> Credential:
        """The app's client secret, for which `service` gives tokens."""
        if not self.over_http:
            return build_direct_credential(self.sandbox, service)
        return build_credential(
            self.sandbox.tenant.tenant_id,
            CLIENT_ID,
            self.cloud,
            secret=self.sandbox.client_secret,
            ca_path=self.sandbox.ca_path,
            service=service,
        )

    def leave(self) -> "LeftWorld":
        """What is there between two runs, for others to go on from."""
        assert isinstance(self.ledger, FakeLedger)
        left = LeftWorld(
            self.config,
            self.sandbox.tenant,
            tuple(self.sandbox.cards),
            self.ledger,
            self.way_memory,
            self.timer,
            self.clock,
        )
        return copy.deepcopy(left, {id(self.config): self.config})

    async def load_snapshot(self) -> GuardSnapshot:
        """What the guard remembers."""
        return await self.ledger.load(self.config.guard.name)

    async def get_open_cases(self) -> dict[str, Case]:
        """The cases about objects that are open, by their keys."""
        cases = (await self.load_snapshot()).cases
        return {key: case for key, case in cases.items() if case.closed_at is None}

    async def get_changes(self) -> tuple[ChangeRecord, ...]:
        """The changes the guard remembers."""
        return (await self.load_snapshot()).changes


@dataclass(frozen=True)
class LeftWorld:
    """A tenant, and all that is remembered of it. Nothing else outlives a run."""

    config: GuardConfig
    tenant: SimulatedTenant
    cards: tuple[Any, ...]
    ledger: FakeLedger
    way_memory: WayMemory
    timer: SleepClock
    clock: Clock

    @asynccontextmanager
    async def go_on(self, *, over_http: bool = False) -> AsyncIterator[AdapterHarness]:
        """The guard on a copy of it, signed in with its client secret."""
        own = copy.deepcopy(self, {id(self.config): self.config})
        async with RecordingSandbox(own.tenant, own.timer) as box:
            box.cards.extend(own.cards)
            yield AdapterHarness(
                sandbox=box,
                config=own.config,
                cloud=find_cloud(box),
                ledger=own.ledger,
                way_memory=own.way_memory,
                timer=own.timer,
                clock=own.clock,
                over_http=over_http,
            )


def find_cloud(box: Sandbox) -> Cloud:
    """Where a tenant is served."""
    return resolve_cloud("global", login=box.authority, graph=box.base, exchange=box.base)


@asynccontextmanager
async def open_harness(
    scene: Mapping[str, Any],
    config: GuardConfig,
    mode: Mode = Mode.ALERT,
    *,
    sandbox_type: type[RecordingSandbox] = RecordingSandbox,
    over_http: bool = False,
) -> AsyncIterator[AdapterHarness]:
    """A guard on a tenant of its own, signed in with its client secret."""
    timer, clock = SleepClock(), Clock()
    async with sandbox_type(scene, timer) as tenant:
        yield AdapterHarness(
            sandbox=tenant,
            config=replace(config, mode=mode),
            cloud=find_cloud(tenant),
            ledger=FakeLedger(clock),
            way_memory=WayMemory(now=clock),
            timer=timer,
            clock=clock,
            over_http=over_http,
        )


@cache
def build_neglected_scene() -> dict[str, Any]:
    """A tenant in which most guards find something."""
    scene = json.loads((SCENES_FOLDER / "neglected.json").read_text(encoding="utf-8"))
    return dict(resolve_dates(scene, START))


async def get_object_cases(stage: AdapterHarness) -> dict[str, Case]:
    """The open cases of what the guard is there for, without the engine's own troubles."""
    return {
        key: case
        for key, case in (await stage.get_open_cases()).items()
        if case.kind not in SELF_CHECK_KINDS and case.kind != "unreadable"
    }
