"""Hostile responses of Graph and Exchange: too deep, too large, compressed a thousand times,
endless, circular, leading elsewhere, with duplicate keys, or unrelated to the request.

The simulated tenant sends each over HTTP to the real adapters under the real engine. An implausible
response counts as unread: it is counted and named, closes no case and causes no change. One that
only looks odd is read as it is. After the attack, everything is as before.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web

from core.adapters.m365.tenant import connect_tenant
from core.engine.run import run
from core.model.cases import Case
from core.model.findings import Verdict
from core.model.guards import GuardConfig, Mode
from core.model.runs import RunReport
from core.notifications.run_cards import build_cards
from core.ports import World
from tests.support.builders import AUDIT_CONFIG, FORWARDING_CONFIG, SIGN_IN_CONFIG
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.http_recorder import Connection, build_scene, connect_sandbox
from tests.support.tenants import MISCONFIGURED_SCENE

GRAPH, EXCHANGE = "graph", "exchange"
# Guards by the service they need to see what is wrong; Graph tells the first of them of objects
# one by one, and the second of lists.
READERS: Mapping[str, tuple[str, GuardConfig]] = {
    "graph": (GRAPH, SIGN_IN_CONFIG),
    "graph lists": (GRAPH, FORWARDING_CONFIG),
    "exchange": (EXCHANGE, AUDIT_CONFIG),
}
PAGING = ("in circles", "elsewhere", "endless")
LIES: Mapping[str, Mapping[str, object]] = {
    "deep": {"kind": "deep"},
    "deeper than any stack": {"kind": "deep", "depth": 200_000},
    "huge": {"kind": "huge"},
    "a bomb": {"kind": "bomb"},
    "everything twice": {"kind": "duplicate"},
    "no number": {"kind": "numbers"},
    "infinite": {"kind": "numbers", "number": "-Infinity"},
    "digits without end": {"kind": "numbers", "number": "9" * 5_000},
    "a huge number": {"kind": "numbers", "number": "1" + "0" * 400},
    "nulls": {"kind": "nulls"},
    "nothing but ids": {"kind": "bare"},
    "in circles": {"kind": "loop"},
    "elsewhere": {"kind": "foreign"},
    "endless": {"kind": "endless"},
    "a login page": {"kind": "html", "status": 200},
    "something else": {"kind": "wrongBody"},
    "null": {"kind": "wrongBody", "body": {"value": None}},
    "a list of nulls": {"kind": "wrongBody", "body": {"value": [None]}},
    "no object": {"kind": "wrongBody", "body": [{"value": []}]},
}
ODD: Mapping[str, Mapping[str, object]] = {
    "a picture": {"kind": "mislabelled"},
    "of a type nobody knows": {"kind": "typed"},
    "names that deceive": {"kind": "names"},
    "names of a million signs": {"kind": "names", "text": "x", "repeat": 1_000_000},
}


@dataclass
class Watch:
    """One guard over several runs on one tenant."""

    connection: Connection
    duty: GuardConfig
    clock: Clock = field(default_factory=Clock)
    alerts: FakeNotificationChannel = field(default_factory=FakeNotificationChannel)

    def __post_init__(self) -> None:
        self.ledger = FakeLedger(self.clock)

    async def tick(self, service: str = "", fault: Mapping[str, object] | None = None) -> RunReport:
        """One run, in which a fault hits every response of a service, also inside of batches."""
        struck = (
            [{**fault, "service": service, "inner": inner} for inner in (False, True)]
            if fault
            else []
        )
        self.connection.sandbox.tenant.set_faults(struck)
        of = self.connection
        fresh = connect_tenant(of.graph, of.exchange, sleep=of.clock.sleep)
        world = World(fresh, self.ledger, self.alerts, self.clock, build_cards)
        report = await run(self.duty, world)
        self.clock.advance(hours=1)
        return report

    @property
    def open(self) -> dict[str, Case]:
        """The cases about objects that are open."""
        cases = self.ledger.list_cases(self.duty.guard.name)
        return {key: case for key, case in cases.items() if case.closed_at is None}


@asynccontextmanager
async def watched(duty: GuardConfig) -> AsyncIterator[Watch]:
    """A guard in enforce mode on a tenant with something to remediate, scanned once."""
    wrong = {half: dict(MISCONFIGURED_SCENE[half]) for half in (GRAPH, EXCHANGE)}
    if duty is FORWARDING_CONFIG:
        wrong[EXCHANGE] = {}
    async with connect_sandbox(build_scene(**wrong)) as connection:
        # Two thousand pages would be given up as well, only later.
        connection.graph.max_pages = connection.exchange.max_pages = 20
        watch = Watch(connection, replace(duty, mode=Mode.ENFORCE))
        first = await watch.tick()
        assert first.unread_count == 0
        assert not first.unavailable_sources
        assert watch.open
        assert connection.sandbox.writes == []
        yield watch


def told_lies() -> Iterator[tuple[str, str]]:
    """Who is told which lies: what is asked one by one has no pages."""
    for reader in READERS:
        yield from ((reader, name) for name in LIES if reader != "graph" or name not in PAGING)


@pytest.mark.parametrize(("reader", "name"), list(told_lies()))
async def test_what_cannot_be_believed_ends_nothing_and_changes_nothing(
    reader: str, name: str
) -> None:
    service, duty = READERS[reader]
    async with watched(duty) as watch:
        known = dict(watch.open)
        during = await watch.tick(service, LIES[name])
        unsure = any(row.verdict == Verdict.COULD_NOT_TELL for row in during.findings)
        assert during.status == "done"
        assert during.unread_count or during.unavailable_sources or unsure
        unsure_of = {
            case.object_id for case in watch.open.values() if case.verdict == Verdict.COULD_NOT_TELL
        }
        ended = [case for key, case in known.items() if key not in watch.open]
        assert all(case.object_id in unsure_of for case in ended)
        assert watch.connection.sandbox.writes == []
        watch.duty = replace(watch.duty, mode=Mode.ALERT)
        after = await watch.tick()
        assert (after.unread_count, after.unavailable_sources) == (0, ())
        assert {row.key for row in after.findings} == known.keys()


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("reader", READERS)
async def test_what_only_looks_odd_is_read_as_what_it_is(reader: str, name: str) -> None:
    service, duty = READERS[reader]
    async with watched(duty) as watch:
        known = set(watch.open)
        watch.duty = replace(watch.duty, mode=Mode.ALERT)
        during = await watch.tick(service, ODD[name])
        assert (during.unread_count, during.unavailable_sources) == (0, ())
        assert {row.key for row in during.findings} == known


async def test_a_next_page_elsewhere_is_never_asked_for() -> None:
    asked: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.Response:
        asked.append(request.headers.get("Authorization", ""))
        return web.json_response({"value": []})

    runner = web.ServerRunner(web.Server(elsewhere, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        for duty in (SIGN_IN_CONFIG, FORWARDING_CONFIG, AUDIT_CONFIG):
            async with watched(duty) as watch:
                for service in (GRAPH, EXCHANGE):
                    await watch.tick(service, {"kind": "foreign", "host": host})
    finally:
        await runner.cleanup()
    assert asked == []


async def test_a_place_to_go_on_from_that_somebody_changed_is_never_asked_for() -> None:
    async with watched(AUDIT_CONFIG) as watch:
        stored = watch.ledger.get_partition(watch.duty.guard.name)
        before = watch.connection.sandbox.counts["exchange"]
        for link in ("https://evil.example/adminapi/beta/x", "//evil.example", "/../x", "\u202e"):
            pages = watch.connection.tenant.auditing.list_mailbox_audits(link)
            readings = [page async for page in pages]
            assert readings
            assert "evil.example" not in str(watch.connection.exchange.origin)
        assert watch.connection.sandbox.counts["exchange"] > before
        assert stored.rows
