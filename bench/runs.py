"""Runs of one measured client, with what all processes saw of it."""

from collections.abc import Mapping
from typing import Any

from bench.environment import EXCHANGE_SCOPE, BenchEnvironment
from bench.meter import Cost
from bench.results import BARE_CLIENT, BARE_FIRST_LOOK, FULL_READ, SAMPLE_READ, Measurement
from core.config.settings import list_settings
from sandbox.http_types import Row


async def run_client(
    environment: BenchEnvironment, client: str, occasion: str, client_order: Row
) -> Measurement:
    """Runs one client, minutes after the one before it, and combines what all processes measured
    of it.
    """
    given = environment.tenant.info["settings"]
    environ = {name: given[name] for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
    await environment.let_minutes_pass()
    before = await environment.fetch_request_counts()
    environment.proxy.reset_counts()
    server = environment.read_server_cpu()
    answer = await environment.start_client(client_order, environ)
    server = environment.read_server_cpu() - server
    after = await environment.fetch_request_counts()
    cost = Cost(**answer["cost"])
    seen: Mapping[str, Any] = answer["seen"]
    wrong = seen.get("status", "done") != "done"
    return Measurement(
        client=client,
        occasion=occasion,
        mailboxes=environment.spec.mailboxes,
        read=seen["read"],
        cost=cost,
        server_cpu_seconds=server,
        requests={name: count - before.get(name, 0) for name, count in after.items()},
        tables=dict(environment.proxy.counts),
        card_seconds=min(environment.proxy.card_times) - cost.began
        if environment.proxy.card_times
        else None,
        lost=seen.get("lost", 0),
        open_cases=seen.get("open_cases", 0),
        note=f"{seen['status']}: {seen['error']}" if wrong else str(seen.get("error", "")),
    )


async def run_guard(
    environment: BenchEnvironment, name: str, occasion: str, state: int = 0
) -> Measurement:
    """Measures one run of a guard, with one of several states, each in a table of its own."""
    environ = environment.build_app_settings()
    environ["STATE_TABLE"] += str(state or "")
    order = {"client": "guard", "guard": name, "environ": environ}
    return await run_client(environment, name, occasion, order)


def get_default_number(setting: str) -> int:
    """The default of a setting that is a number."""
    return int(next(one.default for one in list_settings() if one.name == setting) or 0)


async def run_baseline(
    environment: BenchEnvironment, client: str, concurrency: int, sample_size: int | None = None
) -> Measurement:
    """Measures one baseline; `most` mailboxes, or all."""
    whole = sample_size is None or sample_size >= environment.spec.mailboxes
    order = {
        "client": {BARE_CLIENT: "floor", BARE_FIRST_LOOK: "first look"}.get(client, "typed"),
        "base": environment.base,
        "token": await environment.fetch_token(),
        "ids": str(environment.ids_path),
        "most": None if whole else sample_size,
        "at_once": concurrency,
    }
    if client == BARE_FIRST_LOOK:
        order["tenant_id"] = environment.tenant.info["settings"]["TENANT_ID"]
        order["exchange_token"] = await environment.fetch_token(EXCHANGE_SCOPE)
        order["commands_at_once"] = get_default_number("EXCHANGE_CONCURRENCY")
    return await run_client(environment, client, FULL_READ if whole else SAMPLE_READ, order)
