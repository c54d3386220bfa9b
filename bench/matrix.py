"""Which clients are measured, in which tenants and in which order."""

import os
import platform
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from bench.activity import measure_ticks, prepare_guards
from bench.environment import OWN_HOST, BenchEnvironment, Host, start_environment
from bench.feed import measure_feed
from bench.results import (
    BARE_CLIENT,
    BARE_FIRST_LOOK,
    COMPARED_PROFILES,
    CONCURRENCY_LIMITED,
    FIRST_CRITICAL,
    FIRST_RUN,
    FOLDER_RULES,
    FORWARDING,
    GUARDS,
    LISTING,
    LISTINGS,
    NEW_FORWARD,
    NO_CHANGE,
    RATE_LIMITED,
    SCANS,
    SDK_GATHER,
    SDK_LOOP,
    SLICES_BY_NAME,
    Measurement,
    name_compared,
)
from bench.runs import get_default_number, run_baseline, run_client, run_guard
from bench.sweeps import measure_sweeps
from bench.tenant_generator import (
    TenantSpec,
    build_external_forward,
    build_mailbox,
)
from core.microsoft365.exchange_listings import ListingWay
from sandbox.http_types import Row
from sandbox.reality.profile import DEFAULT_PROFILE

# Graph runs the requests of one batch to Outlook four at a time (Microsoft Learn: "JSON batching").
STRICT_CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class BenchMatrix:
    """What to measure, besides the guards and the minimal client in each tenant.

    `loop_sample` and `gather_sample` are the mailboxes that the slow scripts read in the smallest
    tenant. The other sizes each name a tenant by its number of mailboxes: in `new_forward_size` a
    new forward appears; in `rate_limited_size` only a fifth of the mailboxes can be read per
    `window_seconds`; in `strict_size` Graph accepts four concurrent requests. 0 skips that
    occasion. `movers_per_thousand` of the smallest tenant's mailboxes sort mail into a folder.
    """

    sizes: tuple[int, ...]
    loop_sample: int
    gather_sample: int
    new_forward_size: int
    rate_limited_size: int
    window_seconds: int
    strict_size: int = 0
    movers_per_thousand: int = 0
    critical_size: int = 10_000
    """The tenant whose first look finds forwards that Outlook does not show."""
    listings_from: int = 10_000
    """The smallest tenant in which every way of listing is measured."""
    listing_turns: int = 3
    """How often each way of listing is measured; the fastest counts."""
    scan_turns: int = 3
    """How often the guard with the most requests and the bare clients beside it are measured."""
    turns_up_to: int = 10_000
    """The largest tenant in which they are measured more than once."""
    compared_size: int = 10_000
    """The tenant in which the profiles of the sandbox are compared."""
    sweeps_up_to: int = 10_000
    """The largest tenant in which each sweep over mailboxes is measured by itself."""
    latency_ms: float = 80.0
    seed: int = 1
    profile: str = DEFAULT_PROFILE
    """The profile of the sandbox: what Microsoft 365 answers where reports differ."""


FULL = BenchMatrix(
    (1_000, 10_000, 100_000),
    loop_sample=150,
    gather_sample=1_000,
    new_forward_size=10_000,
    rate_limited_size=10_000,
    window_seconds=10,
    strict_size=1_000,
    movers_per_thousand=300,
)
QUICK = BenchMatrix(
    (1_000, 10_000),
    loop_sample=50,
    gather_sample=100,
    new_forward_size=1_000,
    rate_limited_size=1_000,
    window_seconds=1,
    critical_size=1_000,
    listing_turns=1,
    scan_turns=1,
)

type ProgressCallback = Callable[[str], None]


def get_graph_concurrency() -> int:
    """The app's default maximum of concurrent requests to Graph: batches, while scanning."""
    return get_default_number("GRAPH_CONCURRENCY")


def describe_machine() -> dict[str, str]:
    """Describes the machine and its load."""
    models = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "load": f"{os.getloadavg()[0]:.1f}",
        "cores": str(os.cpu_count()),
        "processor": models[0] if models else platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
    }


async def run_listing(environment: BenchEnvironment, client: str) -> Measurement:
    """Measures one way of listing everything, in a tenant that refuses the ways before it."""
    cmdlet, _, named = client.partition(" by ")
    way = ListingWay(named.split()[0])
    await environment.change_tenant("scene", {"reality": build_reality(way)})
    order = {
        "client": "listing",
        "cmdlet": cmdlet,
        "way": way,
        "environ": environment.build_app_settings(),
    }
    try:
        row = await run_client(environment, client, LISTING, order)
    finally:
        await environment.change_tenant("scene", {"reality": {}})
    return replace(row, lost=environment.spec.mailboxes - row.read)


def build_reality(way: ListingWay) -> Row:
    """What Exchange refuses where this is the first way that works."""
    refused = {
        "exchange-paging": "refused",
        "exchange-entity-endpoints": "refused",
        "exchange-one-answer": "cut",
    }
    served = {
        "exchange-paging": "followed",
        "exchange-entity-endpoints": "served",
        "exchange-one-answer": "whole",
    }
    facts = dict(zip(ListingWay, refused, strict=False))
    return refused | ({facts[way]: served[facts[way]]} if way in facts else {})


async def measure_listings(
    matrix: BenchMatrix,
    environment: BenchEnvironment,
    report_progress: ProgressCallback,
    clients: Sequence[str] = LISTINGS,
) -> AsyncIterator[Measurement]:
    """Measures ways of listing everything, in a tenant that is large enough for it.

    The ways take turns, and the fastest turn of each counts: what else the machine does meanwhile
    makes one slower, and none faster.
    """
    if environment.spec.mailboxes < matrix.listings_from:
        return
    best: dict[str, Measurement] = {}
    for turn in range(matrix.listing_turns):
        for client in clients:
            if turn and client.endswith(f" {ListingWay.EACH}"):
                continue
            report_progress(f"{environment.spec.mailboxes:,} mailboxes: {client}")
            row = await run_listing(environment, client)
            before = best.setdefault(client, row)
            if row.cost.seconds < before.cost.seconds:
                best[client] = row
    for row in best.values():
        yield row


async def measure_slices_by_name(
    matrix: BenchMatrix,
    folder: Path,
    size: int,
    report_progress: ProgressCallback,
    host: Host = OWN_HOST,
) -> AsyncIterator[Measurement]:
    """Measures slices of mailboxes that no date tells apart."""
    if size < matrix.listings_from:
        return
    report_progress(f"{size:,} mailboxes: making a tenant without dates")
    spec = TenantSpec(size, matrix.seed, dated=False)
    async with start_environment(spec, folder, matrix.latency_ms, matrix.profile, host) as stage:
        async for row in measure_listings(matrix, stage, report_progress, [SLICES_BY_NAME]):
            yield row


# What happens in the tenant ---------------------------------------------------------------------


def build_forward_edits(spec: TenantSpec) -> Row:
    """Builds the edits by which a mailbox on the first page forwards to an external address."""
    number = next(one for one in range(spec.mailboxes) if not spec.get_rule_pattern(one))
    cast, seat = build_mailbox(spec, number)
    name, actions, conditions = build_external_forward("drop@evil.example")
    rule = cast.add_rule(seat, name, actions, conditions)
    twin = cast.exchange_rules[seat.address][-1]
    return {
        "edit": [
            {"op": "add", "path": f"/graph/messageRules/{seat.id}/-", "value": rule},
            {"op": "add", "path": f"/exchange/Get-InboxRule/{seat.address}/-", "value": twin},
        ]
    }


def build_limit_fault(**most: int) -> Row:
    """Builds a limit by Graph on all requests of the app together, inside batches."""
    return {"kind": "limit", "service": "graph", "inner": True, "per": "app", **most}


# The course -------------------------------------------------------------------------------------


async def measure_all(
    matrix: BenchMatrix, folder: Path, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures everything in sequence. `report_progress` receives each next step."""
    for size in matrix.sizes:
        async for row in measure_usual_tenant(matrix, folder, size, report_progress):
            yield row
        async for row in measure_slices_by_name(matrix, folder, size, report_progress):
            yield row
    async for row in measure_special_tenants(matrix, folder, report_progress):
        yield row


async def measure_special_tenants(
    matrix: BenchMatrix, folder: Path, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures the guard with the most requests where mailboxes have other rules than usual."""
    movers, size = matrix.movers_per_thousand, matrix.sizes[0]
    recipes = [(TenantSpec(matrix.critical_size, matrix.seed, hidden_forwards=2), FIRST_CRITICAL)]
    if movers:
        recipes.append((TenantSpec(size, matrix.seed, movers=movers), FOLDER_RULES))
    for recipe, occasion in recipes:
        report_progress(f"{recipe.mailboxes:,} mailboxes: {FORWARDING}, {occasion}")
        async with start_environment(recipe, folder, matrix.latency_ms, matrix.profile) as stage:
            if occasion != FIRST_CRITICAL:
                async with stage.without_latency():
                    await run_guard(stage, FORWARDING, FIRST_RUN)
            yield await run_guard(stage, FORWARDING, occasion)


async def measure_usual_tenant(
    matrix: BenchMatrix, folder: Path, size: int, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures everything that a tenant of the usual kind is for."""
    report_progress(f"{size:,} mailboxes: making the tenant")
    async with start_environment(
        TenantSpec(size, matrix.seed), folder, matrix.latency_ms, matrix.profile
    ) as stage:
        async for row in measure_every_tenant(matrix, stage, report_progress):
            yield row
        async for row in measure_listings(matrix, stage, report_progress):
            yield row
        async for row in measure_occasions(matrix, stage, report_progress):
            yield row
        async for row in measure_scripts(matrix, stage, report_progress):
            yield row
        async for row in measure_sweeps(stage, report_progress, matrix.sweeps_up_to):
            yield row
        # The last, since it changes the tenant.
        async for row in measure_ticks(stage, report_progress):
            yield row


async def measure_only_activity(
    matrix: BenchMatrix, folder: Path, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures the ticks and the sweeps and nothing else, where the guards concerned have run."""
    for size in matrix.sizes:
        report_progress(f"{size:,} mailboxes: making the tenant")
        async with start_environment(
            TenantSpec(size, matrix.seed), folder, matrix.latency_ms, matrix.profile
        ) as stage:
            async for row in measure_sweeps(stage, report_progress, matrix.sweeps_up_to):
                yield row
            report_progress(f"{size:,} mailboxes: the first looks")
            await prepare_guards(stage)
            async for row in measure_ticks(stage, report_progress):
                yield row


async def measure_only_scans(
    matrix: BenchMatrix, folder: Path, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures the guards that read mailbox by mailbox, or all mailboxes with their settings,
    beside the bare clients, and nothing else.
    """
    for size in matrix.sizes:
        report_progress(f"{size:,} mailboxes: making the tenant")
        async with start_environment(
            TenantSpec(size, matrix.seed), folder, matrix.latency_ms, matrix.profile
        ) as stage:
            async for row in measure_every_tenant(matrix, stage, report_progress, SCANS):
                yield row
            async for row in measure_occasions(matrix, stage, report_progress):
                yield row
    async for row in measure_special_tenants(matrix, folder, report_progress):
        yield row


async def measure_only_listings(
    matrix: BenchMatrix, folder: Path, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures the ways of listing and nothing else."""
    for size in matrix.sizes:
        if size < matrix.listings_from:
            continue
        report_progress(f"{size:,} mailboxes: making the tenant")
        async with start_environment(
            TenantSpec(size, matrix.seed), folder, matrix.latency_ms, matrix.profile
        ) as stage:
            async for row in measure_listings(matrix, stage, report_progress):
                yield row
        async for row in measure_slices_by_name(matrix, folder, size, report_progress):
            yield row


async def measure_profiles(
    matrix: BenchMatrix, folder: Path, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures every guard in the same tenant under each profile of the sandbox."""
    size = matrix.compared_size
    for profile in COMPARED_PROFILES:
        report_progress(f"{size:,} mailboxes: making the tenant, {profile}")
        async with start_environment(
            TenantSpec(size, matrix.seed), folder, matrix.latency_ms, profile
        ) as stage:
            for name, occasion in product(GUARDS, (FIRST_RUN, NO_CHANGE)):
                report_progress(f"{size:,} mailboxes: {name}, {occasion}, {profile}")
                row = await run_guard(stage, name, occasion)
                yield replace(row, occasion=name_compared(occasion, profile))


async def measure_every_tenant(
    matrix: BenchMatrix,
    environment: BenchEnvironment,
    report_progress: ProgressCallback,
    guards: Sequence[str] = GUARDS,
) -> AsyncIterator[Measurement]:
    """Measures what is measured in every tenant, or some guards of it."""
    size = f"{environment.spec.mailboxes:,} mailboxes"
    for name in guards:
        if name == FORWARDING:
            async for row in measure_scan(matrix, environment, report_progress):
                yield row
            continue
        report_progress(f"{size}: {name}, {FIRST_RUN}")
        yield await run_guard(environment, name, FIRST_RUN)
        report_progress(f"{size}: {name}, {NO_CHANGE}")
        yield await run_guard(environment, name, NO_CHANGE)
    if guards == GUARDS:
        async for row in measure_feed(environment, report_progress):
            yield row


async def measure_scan(
    matrix: BenchMatrix, environment: BenchEnvironment, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures the guard that is compared with the bare clients, beside them.

    They take turns, each turn of the guard with a state of its own, and of each the run in the
    middle counts, by its CPU: a machine computes faster in one minute than in another, and the
    cheapest runs of two clients may be of different minutes.
    """
    size = environment.spec.mailboxes
    rows: dict[str, list[Measurement]] = {}
    for turn in range(matrix.scan_turns if size <= matrix.turns_up_to else 1):
        for what in (FIRST_RUN, BARE_FIRST_LOOK, BARE_CLIENT, NO_CHANGE):
            report_progress(f"{size:,} mailboxes: {FORWARDING}, {what}")
            row = (
                await run_baseline(environment, what, get_graph_concurrency())
                if what in (BARE_FIRST_LOOK, BARE_CLIENT)
                else await run_guard(environment, FORWARDING, what, turn)
            )
            rows.setdefault(what, []).append(row)
    for turns in rows.values():
        yield sorted(turns, key=lambda one: one.cost.cpu_seconds)[len(turns) // 2]


async def measure_scripts(
    matrix: BenchMatrix, environment: BenchEnvironment, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures the two slow scripts, in the smallest tenant."""
    if environment.spec.mailboxes != matrix.sizes[0]:
        return
    report_progress("the typed SDK, one request after the other")
    yield await run_baseline(environment, SDK_LOOP, 1, matrix.loop_sample)
    report_progress(f"the typed SDK, {get_graph_concurrency()} requests at once")
    yield await run_baseline(environment, SDK_GATHER, get_graph_concurrency(), matrix.gather_sample)


async def measure_occasions(
    matrix: BenchMatrix, environment: BenchEnvironment, report_progress: ProgressCallback
) -> AsyncIterator[Measurement]:
    """Measures the guard with the most requests under this tenant's special conditions, if any."""
    size = environment.spec.mailboxes
    if size == matrix.new_forward_size:
        report_progress(f"{size:,} mailboxes: somebody forwards to a stranger")
        await environment.change_tenant("scene", build_forward_edits(environment.spec))
        yield await run_guard(environment, FORWARDING, NEW_FORWARD)
    if size == matrix.rate_limited_size:
        report_progress(
            f"{size:,} mailboxes: throttled to {size // 5:,} requests in {matrix.window_seconds} s"
        )
        yield await measure_throttled(
            environment,
            RATE_LIMITED,
            build_limit_fault(window=matrix.window_seconds, most=size // 5),
        )
    if size == matrix.strict_size:
        report_progress(f"{size:,} mailboxes: throttled to {STRICT_CONCURRENCY} requests at once")
        yield await measure_throttled(
            environment, CONCURRENCY_LIMITED, build_limit_fault(atOnce=STRICT_CONCURRENCY)
        )


async def measure_throttled(
    environment: BenchEnvironment, occasion: str, fault: Row
) -> Measurement:
    """Measures an ordinary run of that guard under a limit by Graph."""
    await environment.change_tenant("faults", fault)
    try:
        return await run_guard(environment, FORWARDING, occasion)
    finally:
        await environment.change_tenant("faults", [])
