"""Settings -> World: the only module that knows all adapters.

Adapters are imported when they are connected, so that starting the app costs no import of the
Microsoft Graph SDK.
"""

import gc
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from core.config.settings import Settings
from core.errors import SettingsError
from core.model.guards import Mode
from core.model.outbox import TEAMS, ChannelFault
from core.notifications.run_cards import build_cards
from core.ports import Ledger, NotificationChannel, World

if TYPE_CHECKING:
    from aiohttp import ClientSession

    from core.adapters.table_storage.ledger import TableLedger

log = logging.getLogger("exoguard")

# Before a periodic check a run waits for a random time, at most this many seconds and this share of
# its own.
MAX_SWEEP_PAUSE, SWEEP_PAUSE_SHARE = 120.0, 0.25
# The share of a run's time for the scan; the rest is for changes and notifications.
SCAN_TIME_SHARE = 0.85
# Seconds beyond the budget for notifications alone: late findings must still be sent.
NOTIFY_SECONDS = 300.0
# The ledger retries by itself, and a claim has to be renewed while one of its calls hangs.
TABLE_OPTIONS: Mapping[str, Any] = {
    "retry_total": 0,
    "connection_timeout": 5,
    "read_timeout": 20,
    "permit_redirects": False,
}


def build_table_options() -> dict[str, Any]:
    """How the state table is called.

    The environment is asked for a proxy here: the library would ask it in a thread at every
    request, and look for a password in ~/.netrc in another.
    """
    from urllib.request import getproxies_environment

    return {**TABLE_OPTIONS, "use_env_settings": bool(getproxies_environment())}


@cache
def spare_imports_from_collection() -> None:
    """Keep the garbage collector from walking through what was imported, again and again.

    It lives as long as the process. Each full collection would stop everything for a tenth of a
    second.
    """
    gc.freeze()


@asynccontextmanager
async def connect_world(
    settings: Settings,
    now: Callable[[], datetime] | None = None,
    *,
    has_queue: bool = False,
    shared_by: int = 1,
) -> AsyncIterator[World]:
    """The world of one run: connections, credential and time budget, closed at its end.

    The time comes from the state's service, the same for all instances, unless the caller passes
    `now`. `has_queue`: there is a queue for shards. `shared_by` is how many runs share the limit of
    concurrent requests. Raises SettingsError for settings that only an adapter can check.
    """
    async with (
        open_ledger(settings) as ledger,
        connect_world_with(
            ledger,
            settings,
            now or ledger.table.clock.now,
            has_queue=has_queue,
            shared_by=shared_by,
        ) as world,
    ):
        yield world


@asynccontextmanager
async def connect_world_with(
    ledger: Ledger,
    settings: Settings,
    now: Callable[[], datetime],
    *,
    has_queue: bool = False,
    shared_by: int = 1,
    session: "ClientSession | None" = None,
) -> AsyncIterator[World]:
    """The same for a caller who holds the state already, in a table or in memory.

    `session` asks Graph and Exchange, in place of a session for each of them.
    """
    from core.adapters.channel_addresses import list_own_hosts
    from core.adapters.channels.connect import ChannelSetup, connect_channel
    from core.adapters.chosen_ways import ChosenWays
    from core.adapters.clouds import resolve_cloud
    from core.adapters.credentials import build_credential, build_token_service
    from core.adapters.exchange.client import ExchangeClient
    from core.adapters.exchange.limits import build_exchange_service
    from core.adapters.exchange.way_memory import WayMemory
    from core.adapters.graph.client import GraphClient
    from core.adapters.graph.reports import build_report_service
    from core.adapters.m365.inbox_memory import InboxMemory
    from core.adapters.m365.tenant import connect_tenant
    from core.adapters.management.client import ManagementClient
    from core.adapters.retry import ThrottledService, gate_for

    spare_imports_from_collection()
    cloud = resolve_cloud(
        settings["CLOUD"],
        login=settings["LOGIN_ENDPOINT"],
        graph=settings["GRAPH_ENDPOINT"],
        exchange=settings["EXCHANGE_ENDPOINT"],
        management=settings["MANAGEMENT_ENDPOINT"],
    )
    begun = time.monotonic()
    run_seconds = settings.run_time.total_seconds()
    deadline = begun + run_seconds
    tenant_id, ca_path = settings["TENANT_ID"], settings["CA_BUNDLE"]
    async with AsyncExitStack() as stack:
        credential = await stack.enter_async_context(
            build_credential(
                tenant_id,
                settings["CLIENT_ID"],
                cloud,
                managed_identity=settings["MANAGED_IDENTITY_CLIENT_ID"],
                secret=settings["CLIENT_SECRET"],
                certificate=settings["CLIENT_CERTIFICATE_PATH"],
                ca_path=ca_path,
                service=build_token_service(
                    deadline=deadline, throttle_gate=gate_for(f"{cloud.login} {tenant_id}")
                ),
            )
        )
        graph_service = ThrottledService(
            "graph",
            cap=max(1, settings.graph_limit // shared_by),
            deadline=deadline,
            throttle_gate=gate_for(f"{cloud.graph} {tenant_id}"),
        )
        graph = GraphClient(
            cloud,
            credential,
            graph_service,
            report_service=build_report_service(
                graph_service, gate_for(f"{cloud.graph} {tenant_id} reports")
            ),
            ca_path=ca_path,
        )
        stack.push_async_callback(graph.close)
        # The listing of a large tenant is one long response.
        exchange_service = build_exchange_service(
            cap=max(1, settings.exchange_limit // shared_by),
            call_timeout=run_seconds,
            deadline=deadline,
            throttle_gate=gate_for(f"{cloud.exchange} {tenant_id}"),
        )
        exchange = ExchangeClient(cloud, tenant_id, credential, exchange_service, ca_path=ca_path)
        stack.push_async_callback(exchange.close)
        management_service = ThrottledService(
            "activity feed",
            cap=4,
            initial_limit=2,
            # Without a Retry-After: the limit is one of requests in a minute.
            min_throttle_wait=10.0,
            deadline=deadline,
            throttle_gate=gate_for(f"{cloud.management} {tenant_id}"),
        )
        management = None
        if cloud.management:
            management = ManagementClient(
                cloud, tenant_id, credential, management_service, ca_path=ca_path
            )
            stack.push_async_callback(management.close)
        teams = connect_teams(settings, deadline + NOTIFY_SECONDS, stack)
        graph.transport.session = exchange.http_client.session = session
        exchange.way_memory = WayMemory(ledger.load_ways, ledger.save_way, now)
        inbox_memory = InboxMemory(ledger.load_inboxes, ledger.save_inboxes, now)
        setup = ChannelSetup(
            settings.values,
            graph,
            credential,
            list_own_hosts(settings["WEBHOOK_HOSTS"]),
            deadline + NOTIFY_SECONDS,
            now,
            stack,
        )
        channels = tuple(
            connect_channel(one.name, setup, one.least_severity, one.guards)
            for one in settings.channels
        )
        if not channels and settings.channel_faults:
            warn_if_silent(settings.channel_faults)
        graph.chosen_ways = exchange.chosen_ways = ChosenWays(ledger.load_probe)
        services = {one.name: one for one in (graph_service, exchange_service)}

        def resume_calls(accepted: Mapping[str, int]) -> None:
            for name in services.keys() & accepted.keys():
                services[name].resume_limit(accepted[name])

        yield World(
            connect_tenant(graph, exchange, management, inbox_memory=inbox_memory),
            ledger,
            teams,
            now,
            partial(build_cards, may_contain=settings.containment.is_on),
            lambda: {
                "graph": graph.request_count,
                "exchange": exchange_service.requests,
                "management": management_service.requests,
            },
            lambda: (time.monotonic() - begun) / (SCAN_TIME_SHARE * run_seconds),
            settings.shard_above if has_queue else None,
            settings.shards_at_once,
            channels=channels,
            channel_faults=settings.channel_faults,
            searches_audit_log=settings.activity.searches,
            public_url=settings["PUBLIC_ADDRESS"],
            digest_guard=next(
                (one.guard.name for one in settings.guard_configs if one.mode is not Mode.OFF), ""
            ),
            digest_schedule=settings["DIGEST_SCHEDULE"],
            create_seed=lambda: secrets.token_hex(8),
            sweep_pause=min(MAX_SWEEP_PAUSE, SWEEP_PAUSE_SHARE * run_seconds),
            get_accepted_calls=lambda: {name: one.limit for name, one in services.items()},
            resume_calls=resume_calls,
        )


def warn_if_silent(faults: Sequence[ChannelFault]) -> None:
    """Log that no channel is left, where that is so: all that findings can still reach is a page
    and Azure Monitor, which tells of cards that wait.
    """
    reasons = {one.channel: one.reason for one in faults}
    if TEAMS in reasons:
        log.critical(
            "no channel is left, and nobody is told anything: %s",
            " ".join(f"{name}: {reason}" for name, reason in reasons.items()),
        )


def connect_teams(
    settings: Settings, deadline: float, stack: AsyncExitStack
) -> NotificationChannel:
    """The Teams channel; one that takes nothing and says why, where its settings are wrong."""
    from core.adapters.channel_addresses import list_own_hosts
    from core.adapters.retry import ThrottledService, gate_for
    from core.adapters.teams import TeamsChannel, UnusableChannel

    for fault in settings.channel_faults:
        if fault.channel == TEAMS:
            return UnusableChannel(fault.reason)
    webhook = settings["TEAMS_WEBHOOK_URL"]
    service = ThrottledService(
        "teams", cap=1, call_timeout=60.0, deadline=deadline, throttle_gate=gate_for(webhook)
    )
    teams = TeamsChannel(
        webhook,
        service,
        hosts=list_own_hosts(settings["WEBHOOK_HOSTS"]),
        accepted_statuses=settings.webhook_success_statuses,
    )
    stack.push_async_callback(teams.close)
    return teams


@asynccontextmanager
async def open_ledger(settings: Settings) -> AsyncIterator["TableLedger"]:
    """The ledger alone, for code that needs no tenant."""
    from azure.data.tables.aio import TableClient

    from core.adapters.table_storage.journal import JOURNAL_SUFFIX
    from core.adapters.table_storage.ledger import TableLedger

    async with AsyncExitStack() as stack:
        name, options = settings["STATE_TABLE"], build_table_options()
        names = (name, f"{name}{JOURNAL_SUFFIX}")
        if settings["STATE_CONNECTION_STRING"]:
            try:
                tables = [
                    TableClient.from_connection_string(
                        settings["STATE_CONNECTION_STRING"], table_name=each, **options
                    )
                    for each in names
                ]
            except ValueError:
                # The message of the library may quote the secret, so it is not chained.
                raise SettingsError("STATE_CONNECTION_STRING is no connection string") from None
        else:
            from azure.identity.aio import ManagedIdentityCredential

            identity = await stack.enter_async_context(
                ManagedIdentityCredential(client_id=settings["MANAGED_IDENTITY_CLIENT_ID"] or None)
            )
            tables = [
                TableClient(settings["STATE_TABLE_ENDPOINT"], each, credential=identity, **options)
                for each in names
            ]
        for table in tables:
            await stack.enter_async_context(table)
        state_table, journal = tables
        yield TableLedger(state_table, journal_client=journal, tenant=settings["TENANT_ID"])
