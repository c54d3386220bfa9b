"""A run that dies at any request to Graph, Exchange, Teams or the table, with all of them real.

The adapters, the simulated tenant and Azurite are those of `make run`; only the two objects that
every request passes through (the retry service, the table client) are made mortal.
"""

import contextlib
import json
import uuid
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, cast

import pytest
from azure.data.tables.aio import TableClient

from core.adapters.clouds import resolve_cloud
from core.adapters.credentials import build_credential
from core.adapters.exchange.client import ExchangeClient
from core.adapters.graph.client import GraphClient
from core.adapters.m365.tenant import connect_tenant
from core.adapters.retry import ThrottledService
from core.adapters.table_storage.ledger import TableLedger
from core.adapters.teams import TeamsChannel
from core.bootstrap import build_table_options
from core.config.settings import Settings
from core.engine.decision_context import IN_EFFECT_STATES
from core.engine.run import run
from core.model.guards import GuardConfig, Mode
from core.model.runs import RunReport
from core.model.state import GuardSnapshot
from core.notifications.run_cards import build_cards
from core.ports import World
from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox
from tests.support.builders import THREE_CONFIGS
from tests.support.fakes.clock import Clock
from tests.support.fakes.crash import CrashInjector, SimulatedCrash
from tests.support.hosted_app import expire_lease
from tests.support.ledgers import create_with_rows, read_rows

IDS = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(1, 4)]
DEFAULTS = {
    "AuditEnabled": True,
    "DefaultAuditSet": ["Admin", "Delegate", "Owner"],
    "AuditLogAgeLimit": "180.00:00:00",
}


def mailbox(number: int, name: str, kind: str, **changes: object) -> dict[str, object]:
    return {
        "ExternalDirectoryObjectId": IDS[number],
        "Guid": f"{number + 1:08d}-1111-4000-8000-000000000000",
        "UserPrincipalName": f"{name}@contoso.com",
        "PrimarySmtpAddress": f"{name}@contoso.com",
        "RecipientTypeDetails": kind,
        **DEFAULTS,
        **changes,
    }


def user(number: int, name: str) -> dict[str, object]:
    return {
        "id": IDS[number],
        "userPrincipalName": f"{name}@contoso.com",
        "accountEnabled": True,
        "assignedPlans": [],
        "assignedLicenses": [],
        "userType": "Member",
    }


SCENE: dict[str, Any] = {
    "graph": {
        "users": [user(0, "info"), user(1, "room"), user(2, "joe")],
        "domains": [{"id": "contoso.com", "isVerified": True}],
        "messageRules": {
            IDS[2]: [
                {
                    "id": "r1",
                    "displayName": ".",
                    "sequence": 1,
                    "isEnabled": True,
                    "actions": {"redirectTo": [{"emailAddress": {"address": "x@evil.example"}}]},
                }
            ]
        },
    },
    "exchange": {
        "Get-Mailbox": [
            mailbox(0, "info", "SharedMailbox"),
            mailbox(1, "room", "RoomMailbox"),
            mailbox(
                2,
                "joe",
                "UserMailbox",
                ForwardingSmtpAddress="smtp:y@evil.example",
                DefaultAuditSet=["Admin", "Delegate"],
                AuditOwner=["Move"],
                AuditLogAgeLimit="30.00:00:00",
            ),
        ],
        "Get-OrganizationConfig": [{"AuditDisabled": True}],
    },
}


class MortalService(ThrottledService):
    """A service that can crash at each request. `reaper` is the crash injector of this process."""

    reaper = CrashInjector()

    async def attempt_once[T](
        self, attempt: Callable[[], Awaitable[T]], *, goes_first: bool = False
    ) -> T:
        """One attempt: one request on the wire."""
        with self.reaper():
            return await super().attempt_once(attempt, goes_first=goes_first)


class MortalTable:
    """A table client that can crash at each call. `write_count` counts what it wrote."""

    def __init__(self, table: TableClient, reaper: CrashInjector) -> None:
        self.table = table
        self.reaper = reaper
        self.write_count = 0

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self.table, name)
        if name == "query_entities":
            return operation

        async def mortal(*arguments: Any, **options: Any) -> Any:
            with self.reaper():
                self.write_count += name != "get_entity"
                return await operation(*arguments, **options)

        return mortal


@dataclass(frozen=True)
class Stock:
    """What a first run leaves behind, which takes stock and changes nothing: the table, the cards,
    and the time of the next run.
    """

    rows: Sequence[Mapping[str, Any]]
    cards: Sequence[Any]
    next_run_at: datetime


@dataclass
class Stage:
    """One tenant, one storage account and any number of successive processes."""

    box: Sandbox
    settings: Settings
    duty: GuardConfig
    graph: GraphClient
    exchange: ExchangeClient
    teams: TeamsChannel
    services: tuple[MortalService, ...]
    clock: Clock = field(default_factory=lambda: Clock(datetime.now(UTC)))

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """As if nothing had ever happened."""
        self.box.reset()
        self.name = f"t{uuid.uuid4().hex}"

    async def take_stock(self) -> Stock:
        """The first run, in peace."""
        untouched = self.tenant()
        await self.tick()
        assert (self.tenant(), self.box.writes) == (untouched, [])
        async with self.table() as table:
            rows = await read_rows(table)
        return Stock(rows, tuple(self.box.cards), self.clock())

    async def begin_after(self, stock: Stock) -> None:
        """As if nothing had ever happened but the first run."""
        self.begin()
        self.box.cards.extend(stock.cards)
        self.clock.current = stock.next_run_at
        async with self.table() as table:
            await create_with_rows(table, stock.rows)

    @contextlib.asynccontextmanager
    async def table(self) -> AsyncIterator[TableClient]:
        """The state table of this beginning."""
        connection = self.settings["STATE_CONNECTION_STRING"]
        async with TableClient.from_connection_string(
            connection, table_name=self.name, **build_table_options()
        ) as table:
            yield table

    async def live(self, reaper: CrashInjector) -> RunReport:
        """One life of the process: nothing remembered but what is in the table, one run."""
        for service in self.services:
            service.reaper = reaper
        async with self.table() as table:
            mortal = MortalTable(table, reaper)
            reaper.get_place = lambda: (
                mortal.write_count,
                len(self.box.writes),
                len(self.box.cards),
            )
            ledger = TableLedger(cast(TableClient, mortal))
            tenant = connect_tenant(self.graph, self.exchange)
            world = World(tenant, ledger, self.teams, self.clock, build_cards)
            return await run(self.duty, world)

    async def tick(self) -> None:
        """A run nobody kills, at the next time everything is due."""
        report = await self.live(CrashInjector())
        assert report.status == "done"
        self.clock.advance(hours=6)

    async def die(self, operation: int, after: bool) -> bool:
        """A run that is killed; its lease runs out. False when it ended before."""
        try:
            await self.live(CrashInjector(operation, after))
        except SimulatedCrash:
            async with self.table() as table:
                await expire_lease(table, self.duty.guard.name)
            return True
        finally:
            self.clock.advance(hours=6)
        return False

    def tenant(self) -> str:
        """The tenant as it is, without the times that writes leave behind."""
        scene = json.loads(json.dumps(self.box.tenant.scene))
        for row in scene["graph"]["users"]:
            row.pop("signInSessionsValidFromDateTime", None)
        return json.dumps(scene, sort_keys=True)

    async def memory(self) -> GuardSnapshot:
        """The stored state of the guard."""
        async with (
            self.table() as table,
            TableLedger(table).claim(self.duty.guard.name, "reader") as claim,
        ):
            assert claim
            return await claim.load()


@pytest.fixture(params=THREE_CONFIGS, ids=lambda duty: duty.guard.name)
async def stage(request: pytest.FixtureRequest, azurite: Azurite) -> AsyncIterator[Stage]:
    """An enforcing guard on a tenant over HTTP."""
    async with contextlib.AsyncExitStack() as stack:
        box = await stack.enter_async_context(Sandbox(SCENE))
        settings = Settings.read(build_app_settings(box, azurite, {}))
        cloud = resolve_cloud("global", login=box.authority, graph=box.base, exchange=box.base)
        tenant_id, client_id = settings["TENANT_ID"], settings["CLIENT_ID"]
        credential = await stack.enter_async_context(
            build_credential(
                tenant_id, client_id, cloud, secret=box.client_secret, ca_path=box.ca_path
            )
        )
        services = tuple(MortalService(name) for name in ("graph", "exchange", "teams"))
        graph = GraphClient(cloud, credential, services[0])
        exchange = ExchangeClient(cloud, tenant_id, credential, services[1])
        teams = TeamsChannel(settings["TEAMS_WEBHOOK_URL"], services[2], hosts=("127.0.0.1",))
        for adapter in (graph, exchange, teams):
            stack.push_async_callback(adapter.close)
        duty = replace(request.param, mode=Mode.ENFORCE)
        yield Stage(box, settings, duty, graph, exchange, teams, services)


@dataclass(frozen=True)
class Reference:
    """What comes of it when nobody dies."""

    tenant: str
    keys: frozenset[str]
    cards: int
    operations: int
    deaths: Sequence[tuple[int, bool]]
    """The operations to die at, before or after their effect."""


def list_moments(places: Sequence[object]) -> Iterator[int]:
    """The operations that left something behind, by what there was as each began, and those beside
    them: what is asked at the same time may be one request more or less. To die at another is to
    die where the last of these had its answer.
    """
    changing = {
        number for number, (one, then) in enumerate(pairwise([*places, None])) if one != then
    }
    for number in range(len(places)):
        if changing & {number - 1, number, number + 1}:
            yield number + 1


def list_deaths(moments: Sequence[int], joined: Collection[int]) -> Iterator[tuple[int, bool]]:
    """Before and after each of these operations. Who dies before one that was asked for alone
    leaves what is left by who dies after the one before it: that is tried once.
    """
    for number in moments:
        if number - 1 not in moments or number in joined:
            yield number, False
        yield number, True


async def reference(stage: Stage) -> Reference:
    """Two more runs in peace; the first is the one that changes things."""
    counting = CrashInjector()
    await stage.live(counting)
    stage.clock.advance(hours=6)
    await stage.tick()
    memory = await stage.memory()
    return Reference(
        stage.tenant(),
        frozenset(memory.cases),
        len(stage.box.cards),
        counting.count,
        list(list_deaths([*list_moments(counting.places)], counting.joined_numbers)),
    )


async def test_a_run_may_die_at_any_request_and_two_later_all_is_as_it_should_be(
    stage: Stage,
) -> None:
    stock = await stage.take_stock()
    whole = await reference(stage)
    assert whole.operations >= 10
    assert len(whole.deaths) >= 10
    for operation, after in whole.deaths:
        at = f"request {operation}, {'after' if after else 'before'} its effect"
        await stage.begin_after(stock)
        is_dead = await stage.die(operation, after)
        # What is asked at the same time may be one request more or less.
        assert is_dead or operation >= whole.operations - 1, at
        await stage.tick()
        await stage.tick()
        await check(stage, whole, at)


async def check(stage: Stage, whole: Reference, at: str) -> None:
    """The same tenant, the same cases, all of them told, and then silence."""
    assert stage.tenant() == whole.tenant, at
    memory = await stage.memory()
    assert memory.cases.keys() == whole.keys, at
    assert not [case for case in memory.cases.values() if case.notification], at
    assert all(record.state in IN_EFFECT_STATES for record in memory.changes), at
    said = json.dumps(stage.box.cards)
    counted = {key for key, case in memory.cases.items() if case.baselined}
    assert all(f"case {key[-8:]}" in said for key in whole.keys - counted), at
    assert not counted or f"Initial scan: {len(counted)} pre-existing case" in said, at
    assert len(stage.box.cards) <= whole.cards + 1, at
    cards, writes = len(stage.box.cards), len(stage.box.writes)
    await stage.tick()
    assert (len(stage.box.cards), len(stage.box.writes)) == (cards, writes), at
