"""The tenants the bench makes are what it says, and its clients are measured as it says."""

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from bench.activity import measure_ticks, prepare_guards
from bench.baselines import read_with_batches
from bench.client import run_order
from bench.counting_proxy import CARDS_PATH, CountingProxy, count_operations
from bench.derived import build_sweep_lines
from bench.detection import ACTS, list_missed
from bench.environment import (
    BenchEnvironment,
    BenchError,
    Host,
    ServedTenant,
    run_to_end,
    start_environment,
)
from bench.feed import measure_feed
from bench.matrix import (
    QUICK,
    build_forward_edits,
    measure_listings,
    measure_slices_by_name,
)
from bench.meter import Meter, compute_percentile
from bench.results import (
    BARE_CLIENT,
    BARE_FIRST_LOOK,
    FEED,
    FIRST_RUN,
    FORWARDING,
    FULL_READ,
    LISTINGS,
    NO_CHANGE,
    NO_NEWS,
    SLICES_BY_NAME,
    SWEEPS,
    THREE_ACTS,
    Measurement,
    Results,
)
from bench.runs import run_baseline, run_guard
from bench.sweeps import measure_sweeps
from bench.tenant_generator import TenantSpec, get_ids_path, write_scene
from core.adapters.m365.inbox_rules.parse import parse_exchange_rule
from sandbox.functions_host.azurite import Azurite
from sandbox.reality.profile import CONTRARY, DEFAULT_PROFILE
from sandbox.server import Sandbox
from sandbox.state.tenant import SimulatedTenant

# Tenants ----------------------------------------------------------------------------------------


def made(recipe: TenantSpec, folder: Path) -> dict[str, Any]:
    """The scene of a recipe, by way of its file."""
    path = folder / "scene.json"
    write_scene(recipe, path)
    scene: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return scene


def test_a_tenant_has_exactly_what_its_recipe_says(tmp_path: Path) -> None:
    recipe = TenantSpec(2_000, movers=300)
    scene = made(recipe, tmp_path)
    graph, exchange = scene["graph"], scene["exchange"]

    kinds = Counter(row["RecipientTypeDetails"] for row in exchange["Get-Mailbox"])
    assert kinds == {
        "UserMailbox": 2_000 - 2 * (recipe.shared + recipe.rooms + recipe.equipment),
        "SharedMailbox": 2 * recipe.shared,
        "RoomMailbox": 2 * recipe.rooms,
        "EquipmentMailbox": 2 * recipe.equipment,
    }
    rules = [rule for rows in graph["messageRules"].values() for rule in rows]
    assert {len(rows) for rows in graph["messageRules"].values()} == {3}
    actions = Counter(name for rule in rules for name in rule["actions"])
    assert actions["forwardTo"] == 2 * (recipe.internal_forwards + recipe.external_forwards)
    assert actions["moveToFolder"] == 2 * recipe.movers == len(graph["mailFolders"])
    assert actions["markAsRead"] == actions["stopProcessingRules"] == 2_000
    targets = [
        one["emailAddress"]["address"].rpartition("@")[2]
        for rule in rules
        for one in rule["actions"].get("forwardTo", ())
    ]
    assert Counter(targets) == {"home.example": 10, "contoso.com": 30}


def test_exchange_shows_what_each_rule_does_as_well(tmp_path: Path) -> None:
    scene = made(TenantSpec(200, movers=100), tmp_path)
    rows = [row for rows in scene["exchange"]["Get-InboxRule"].values() for row in rows]
    assert len(rows) == 600
    assert all(parse_exchange_rule("somebody", row).readable for row in rows)


def test_only_accounts_of_people_are_enabled(tmp_path: Path) -> None:
    scene = made(TenantSpec(1_000), tmp_path)
    kinds = {
        row["ExternalDirectoryObjectId"]: row["RecipientTypeDetails"]
        for row in scene["exchange"]["Get-Mailbox"]
    }
    for user in scene["graph"]["users"]:
        assert user["accountEnabled"] is (kinds[user["id"]] == "UserMailbox")


def test_the_same_recipe_makes_the_same_tenant_and_another_seed_another(tmp_path: Path) -> None:
    one, same, other = (made(TenantSpec(50, seed), tmp_path) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_the_ids_beside_a_scene_are_its_accounts_and_each_holds_three_rules(
    tmp_path: Path,
) -> None:
    scene = made(TenantSpec(60), tmp_path)
    ids = get_ids_path(tmp_path / "scene.json").read_text(encoding="utf-8").split()
    assert ids == [user["id"] for user in scene["graph"]["users"]]
    tenant = SimulatedTenant(scene)
    for one in ids:
        owner = tenant.find_outlook_owner(one)
        assert owner is not None
        assert owner.has_mailbox
        assert len(owner.rules or ()) == len(owner.exchange_rules or ()) == 3


async def test_the_command_line_makes_the_tenant_of_its_options(tmp_path: Path) -> None:
    spec = TenantSpec(60, 7, movers=300, hidden_forwards=50, dated=False)
    scene = tmp_path / "by-command.json"
    await run_to_end(
        *("-m", "bench.tenant_generator", "60", str(scene), "--seed", "7"),
        *("--movers", "300", "--hidden", "50", "--undated"),
    )
    assert json.loads(scene.read_text(encoding="utf-8")) == made(spec, tmp_path)


def test_a_new_forward_is_a_fourth_rule_that_both_services_show(tmp_path: Path) -> None:
    recipe = TenantSpec(30)
    tenant = SimulatedTenant(made(recipe, tmp_path))
    tenant.apply_patch(build_forward_edits(recipe))
    longer = [
        (rows[3], tenant.exchange["Get-InboxRule"])
        for rows in tenant.graph["messageRules"].values()
        if len(rows) == 4
    ]
    ((rule, exchange),) = longer
    assert "drop@evil.example" in json.dumps(rule["actions"]["forwardTo"])
    assert sum("drop@evil.example" in json.dumps(rows) for rows in exchange.values()) == 1


# Clients ----------------------------------------------------------------------------------------


def token_of(box: Sandbox) -> str:
    """A token for Graph."""
    return box.entra.issue_token("https://graph.microsoft.com", 600, roles=["MailboxSettings.Read"])


async def test_the_floor_reads_every_mailbox_twenty_in_a_request(tmp_path: Path) -> None:
    scene = made(TenantSpec(45), tmp_path)
    ids = [user["id"] for user in scene["graph"]["users"]]
    async with Sandbox(scene) as box:
        assert await read_with_batches(box.base, token_of(box), iter(ids), 16) == 45
        assert box.counts["graph"] == 3
        assert box.counts["graph/inner"] == 45
        assert {seen.status for seen in box.requests} == {200}


async def test_a_meter_sees_work_that_blocks_the_loop_until_the_end() -> None:
    async with Meter() as meter:
        await asyncio.sleep(0)
        end = time.monotonic() + 0.2
        while time.monotonic() < end:
            pass
    assert meter.cost.lag_max_ms > 100


async def test_a_meter_tells_what_the_work_cost() -> None:
    async with Meter() as meter:
        sum(range(100_000))
    assert meter.cost.cpu_seconds > 0
    assert meter.cost.peak_mib > 1


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([], 0.99, 0.0), ([3.0], 0.99, 3.0), ([float(n) for n in range(1, 101)], 0.99, 99.0)],
)
def test_a_percentile_is_one_of_the_values(
    values: list[float], share: float, wanted: float
) -> None:
    assert compute_percentile(values, share) == wanted


async def test_a_guard_and_the_floor_are_measured_from_outside(
    azurite: Azurite, tmp_path: Path
) -> None:
    host = Host(storage=azurite)
    async with start_environment(TenantSpec(25), tmp_path, latency_ms=0, host=host) as stage:
        bare = await run_baseline(stage, BARE_CLIENT, 4)
        bare_first = await run_baseline(stage, BARE_FIRST_LOOK, 4)
        first = await run_guard(stage, FORWARDING, FIRST_RUN)
        again = await run_guard(stage, FORWARDING, NO_CHANGE)
    assert (bare.occasion, bare.read, bare.inner, bare.posts) == (FULL_READ, 25, 25, 2)
    assert not bare.tables
    assert (bare_first.read, bare_first.inner, bare_first.posts) == (25, 50, 5)
    for row in (first, again):
        assert (row.read, row.lost, row.note) == (25, 0, "")
        assert row.tables["writes"] > 0
        assert row.open_cases == 1
    # Of the mailbox with a case all rules are read at once, to tell hidden ones from others.
    assert (first.requests["graph/inner"], again.requests["graph/inner"]) == (25, 25)
    # The first mailbox of every tenant forwards outside: that is told once, and nothing else is.
    assert first.card_seconds is not None
    assert again.card_seconds is None


async def start_here(order: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
    """Runs a client in this process, for what does not hang on its having one of its own."""
    os.environ.update(environ)
    return await run_order(order)


@asynccontextmanager
async def serve_here(
    spec: TenantSpec, scene: Path, latency_ms: float, profile: str
) -> AsyncIterator[ServedTenant]:
    """Makes and serves a tenant in this process, for the same."""
    write_scene(spec, scene)
    async with Sandbox(scene.read_bytes(), latency=latency_ms / 1_000, profile=profile) as box:
        yield ServedTenant(os.getpid(), box.describe())


def use_this_process(azurite: Azurite) -> Host:
    return Host(start_here, serve_here, azurite)


@asynccontextmanager
async def start_stage(
    spec: TenantSpec,
    folder: Path,
    azurite: Azurite,
    latency_ms: float = 0,
    profile: str = DEFAULT_PROFILE,
) -> AsyncIterator[BenchEnvironment]:
    """A tenant with its services and clients, all in this process."""
    host = use_this_process(azurite)
    async with start_environment(spec, folder, latency_ms, profile, host) as environment:
        yield environment


async def test_a_tick_reads_what_an_ordinary_day_leaves_in_the_audit_logs(
    azurite: Azurite, tmp_path: Path
) -> None:
    async with start_stage(TenantSpec(300), tmp_path, azurite) as stage:
        rows = [row async for row in measure_feed(stage, lambda _: None)]
    assert [(row.client, row.occasion) for row in rows] == [(FEED, FIRST_RUN), (FEED, NO_CHANGE)]
    assert [(row.read, row.lost, row.note) for row in rows] == [
        (300, 0, ""),
        (300, 0, "104 records"),
    ]
    # A list of contents for each of two types, and the one content that there is.
    assert rows[1].requests["activity"] >= 3
    assert rows[1].tables["writes"] > 0


async def test_the_tick_after_three_acts_leads_each_guard_to_what_it_opens_a_case_for(
    azurite: Azurite, tmp_path: Path
) -> None:
    async with start_stage(TenantSpec(30), tmp_path, azurite) as stage:
        await prepare_guards(stage)
        quiet, attacked = [row async for row in measure_ticks(stage, lambda _: None)]
    assert (quiet.client, quiet.occasion, quiet.lost) == (FEED, NO_NEWS, 0)
    assert (quiet.read, quiet.open_cases, quiet.note) == (30, 0, "")
    assert list_missed(Results({}, 0.0, 1, (quiet,))) == []
    assert (attacked.client, attacked.occasion, attacked.lost) == (FEED, THREE_ACTS, 0)
    assert attacked.note == "mailbox-audit, mailbox-delegation, mailbox-forwarding"
    assert attacked.open_cases >= len(ACTS)
    assert quiet.tables["writes"] < attacked.tables["writes"]


async def test_what_only_prepares_a_measurement_meets_no_latency(
    azurite: Azurite, tmp_path: Path
) -> None:
    async with start_stage(TenantSpec(10), tmp_path, azurite, latency_ms=500) as stage:
        async with stage.without_latency():
            prepared = await run_baseline(stage, BARE_CLIENT, 4)
        measured = await run_baseline(stage, BARE_CLIENT, 4)
    assert prepared.cost.seconds < 0.5 <= measured.cost.seconds


async def test_a_tick_that_a_guard_saw_nothing_in_fails_the_bench(
    azurite: Azurite, tmp_path: Path
) -> None:
    async with start_stage(TenantSpec(30), tmp_path, azurite) as stage:
        # Guards that never ran have no first look to compare with, and wait for it.
        with pytest.raises(BenchError, match="mailbox-delegation"):
            _ = [row async for row in measure_ticks(stage, lambda _: None)]


async def test_each_sweep_takes_its_commands_a_mailbox(azurite: Azurite, tmp_path: Path) -> None:
    async with start_stage(TenantSpec(30), tmp_path, azurite) as stage:
        rows = tuple([row async for row in measure_sweeps(stage, lambda _: None, 30)])
        assert [row async for row in measure_sweeps(stage, lambda _: None, 29)] == []
    assert [(row.client, row.read, row.lost) for row in rows] == [(one, 30, 0) for one in SWEEPS]
    lines = build_sweep_lines(Results({}, 0.0, 1, rows))
    # The third command asks which folder is the Inbox, and the answer is remembered.
    assert [line.commands for line in lines] == [1, 3, 2, 1]
    assert (lines[0].time_ratio, lines[0].cpu_ratio) == (1, 1)


async def test_each_way_of_listing_reads_every_mailbox_by_its_own_requests(
    azurite: Azurite, tmp_path: Path
) -> None:
    count, rows = 1_100, list[Measurement]()
    plan = replace(QUICK, listings_from=count, listing_turns=1)
    async with start_stage(TenantSpec(count), tmp_path, azurite) as stage:
        rows += [row async for row in measure_listings(plan, stage, lambda _: None)]
    host = use_this_process(azurite)
    by_name = measure_slices_by_name(plan, tmp_path, count, lambda _: None, host)
    rows += [row async for row in by_name]
    assert [row.client for row in rows] == [*LISTINGS, SLICES_BY_NAME]
    for row in rows:
        assert (row.read, row.lost, row.note) == (count, 0, "")
        # One page tells that there is a second one.
        few = {"pages": (2,), "entities": (3,), "whole": (2,)}
        assert row.posts in few.get(row.listed_by[1], range(6, 130))


async def test_a_guard_reads_the_same_in_a_contrary_tenant(
    azurite: Azurite, tmp_path: Path
) -> None:
    async with start_stage(TenantSpec(25), tmp_path, azurite, profile=CONTRARY) as stage:
        row = await run_guard(stage, FORWARDING, FIRST_RUN)
    assert (row.read, row.lost, row.note) == (25, 0, "")


# Doors ------------------------------------------------------------------------------------------

TRANSACTION = (
    b"--batch_1\r\nContent-Type: multipart/mixed; boundary=changeset_1\r\n\r\n"
    b"--changeset_1\r\nContent-Type: application/http\r\n\r\n"
    b"PUT http://127.0.0.1/account/t(PartitionKey='a',RowKey='1') HTTP/1.1\r\n\r\n{}\r\n"
    b"--changeset_1\r\nContent-Type: application/http\r\n\r\n"
    b"DELETE http://127.0.0.1/account/t(PartitionKey='a',RowKey='2') HTTP/1.1\r\n\r\n"
    b"--changeset_1--\r\n--batch_1--\r\n"
)


@pytest.mark.parametrize(
    ("method", "path", "body", "reads", "writes"),
    [
        ("GET", "/account/t()", b"", 1, 0),
        ("MERGE", "/account/t(PartitionKey='a',RowKey='1')", b"{}", 0, 1),
        ("POST", "/account/$batch", TRANSACTION, 0, 2),
    ],
)
def test_the_rows_of_a_transaction_are_counted_one_by_one(
    method: str, path: str, body: bytes, reads: int, writes: int
) -> None:
    assert count_operations(method, path, body) == (reads, writes)


async def test_storage_gets_each_request_as_it_was_signed() -> None:
    seen: list[tuple[str, str, bytes, str]] = []

    async def storage(request: web.BaseRequest) -> web.Response:
        body = await request.content.read()
        seen.append((request.method, request.raw_path, body, request.headers["If-Match"]))
        return web.Response(status=204, headers={"ETag": "W/1"})

    runner = web.ServerRunner(web.Server(storage))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    path = "/account/t(PartitionKey='a%20b',RowKey='%C3%A4')?timeout=5"
    try:
        async with (
            CountingProxy(f"http://127.0.0.1:{runner.addresses[0][1]}") as watch,
            aiohttp.ClientSession() as session,
        ):
            address = URL(watch.base + path, encoded=True)
            async with session.put(address, data=b"{}", headers={"If-Match": "*"}) as response:
                assert response.status == 204
                assert response.headers["ETag"] == "W/1"
            async with session.post(watch.base + CARDS_PATH, data=b"{}") as response:
                assert response.status == 202
            assert watch.counts == {"requests": 1, "reads": 0, "writes": 1}
            assert len(watch.card_times) == 1
    finally:
        await runner.cleanup()
    assert seen == [("PUT", path, b"{}", "*")]
