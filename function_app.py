"""The Azure app: a timer for each guard, a route to run one by hand, the queues behind them.

    timer <guard>                          every row of the catalog, at %<GUARD>_SCHEDULE%
    routes                                 core/api/addresses.py; a write stores a row and a message
    timer activity                         audit logs, at %ACTIVITY_SCHEDULE%
    timer weekly-digest                    every hour: reports changed settings and guards whose
                                           runs fail, and sends the weekly digest when
                                           %DIGEST_SCHEDULE% says
    queue exoguard-runs                    runs guards and processes requests of operators
    queue exoguard-runs-poison             requests that failed too often
    queue exoguard-shards                  shards of a tenant too large for one run
    queue exoguard-shards-poison           shards that failed too often

This file decides nothing: it turns triggers into `core.engine.run.run`, and reports into responses.
What only one kind of trigger needs is imported by it, so that a cold start for a guard's timer does
without the API, the digest and the audit logs.
"""

import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, List  # noqa: UP035

import azure.functions as func

from core.api.addresses import ADDRESSES, Address
from core.bootstrap import connect_world
from core.config.app_settings import SIGN_IN_BY_KEY
from core.config.catalog import CATALOG
from core.config.settings import SETTINGS, Settings, get_setting_prefix, get_sign_in_method
from core.engine.run import create_run_id, run
from core.engine.shard_message import ShardMessage
from core.engine.shards import abandon_shard, process_shard
from core.errors import SettingsError
from core.jobs.settings_changes import alert_on_settings_change, compare_settings_before_run
from core.jobs.tenant_probe import probe_before_run
from core.log_redaction import install_log_redaction
from core.model.guards import GuardConfig, Mode
from core.model.runs import RunReport

if TYPE_CHECKING:
    from core.api.request import HttpResponse
    from core.jobs.activity import ActivityReport

# The worker library refuses list[str] as the type of an output at load: only typing's own will do.
MessageList = List[str]  # noqa: UP006
RUN_QUEUE = "exoguard-runs"
SHARD_QUEUE = "exoguard-shards"
STORAGE_SETTING = "AzureWebJobsStorage"
HOURLY_SCHEDULE = "0 0 * * * *"

log = logging.getLogger("exoguard")


def require_settings(environ: Mapping[str, str]) -> None:
    """Raise SettingsError in a process that was started without the app's settings.

    Workers with an empty environment have been seen on Flex Consumption with Python 3.13
    (Azure/azure-functions-python-worker#1732): secrets would not be redacted from their logs.
    """
    if not environ.get("TENANT_ID", "").strip():
        raise SettingsError(
            "TENANT_ID is missing: the process has no settings of the app. Restart the app; if that"
            " does not help, run azd provision again."
        )


# Settings of the platform that hold secrets, beside those of the app.
PLATFORM_SECRETS = (STORAGE_SETTING, "IDENTITY_HEADER", "APPLICATIONINSIGHTS_CONNECTION_STRING")
install_log_redaction(
    os.environ, (*PLATFORM_SECRETS, *(entry.name for entry in SETTINGS if entry.is_secret))
)
require_settings(os.environ)
# Relies on azure-environment, azure-timers.
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


async def run_guard_now(guard: str) -> RunReport:
    """Run one guard with the current settings."""
    settings = Settings.read(os.environ)
    config = settings.find_guard_config(guard)
    if config is None:
        raise SettingsError(f"there is no guard {guard}")
    async with connect_world(settings, has_queue=True) as world:
        await compare_settings_before_run(world, settings, create_run_id(world.now()))
        await probe_before_run(config, world, settings.guard_configs, create_run_id(world.now()))
        return await run(config, world)


def register_timer(config: GuardConfig) -> None:
    """Register a guard's timer; the host puts the setting's value in place of the %name%."""
    guard = config.guard.name

    @app.function_name(guard)
    @app.timer_trigger(
        arg_name="timer",
        schedule=f"%{get_setting_prefix(guard)}_SCHEDULE%",
        run_on_startup=False,
        use_monitor=True,
    )
    @app.queue_output(arg_name="orders", queue_name=SHARD_QUEUE, connection=STORAGE_SETTING)
    async def on_timer(timer: func.TimerRequest, orders: func.Out[MessageList]) -> None:
        if timer.past_due:
            log.warning("%s runs late: its scheduled time was missed", guard)
        report = await run_guard_now(guard)
        enqueue_shard_messages(report, orders)
        if report.status == "busy":
            log.info("%s: another run holds the guard", guard)


@app.function_name("weekly-digest")
@app.timer_trigger(
    arg_name="timer", schedule=HOURLY_SCHEDULE, run_on_startup=False, use_monitor=True
)
async def on_hourly_timer(timer: func.TimerRequest) -> None:
    """Send the weekly digest if it is due; the hourly check repeats it after a failed delivery.

    Report changed settings as well: a guard that is off has no run that could report its own. And
    tell of guards whose runs fail: none of those tells it.
    """
    from core.jobs.failing_guards import tell_failing_guards
    from core.jobs.hourly import do_each
    from core.jobs.weekly_digest import BesideGuards, send_weekly_digest

    settings = Settings.read(os.environ)
    configs, run_time = settings.guard_configs, settings.run_time
    beside = BesideGuards(settings.containment.mode, settings.activity.searches)
    async with connect_world(settings) as world:

        def make_id() -> str:
            return create_run_id(world.now())

        await do_each(
            {
                "weekly digest": lambda: send_weekly_digest(
                    world, configs, settings["DIGEST_SCHEDULE"], make_id(), run_time, beside
                ),
                "changed settings": lambda: alert_on_settings_change(world, settings, make_id()),
                "guards whose runs fail": lambda: tell_failing_guards(
                    world, configs, make_id(), run_time
                ),
            }
        )


@app.function_name("activity")
@app.timer_trigger(
    arg_name="timer", schedule="%ACTIVITY_SCHEDULE%", run_on_startup=False, use_monitor=True
)
@app.queue_output(arg_name="orders", queue_name=SHARD_QUEUE, connection=STORAGE_SETTING)
async def on_activity_timer(timer: func.TimerRequest, orders: func.Out[MessageList]) -> None:
    """Read the audit logs, and let guards look at what their records name.

    Go on with accounts that are being contained, whatever became of the message that asked for it.
    """
    from core.jobs.activity import read_activity, run_tick
    from core.jobs.containment import process_waiting_account_requests

    settings = Settings.read(os.environ)

    async def read_logs() -> "ActivityReport":
        async with connect_world(settings, has_queue=True) as world:
            return await read_activity(
                world, settings.guard_configs, settings.activity, create_run_id(world.now())
            )

    async def go_on_with_accounts() -> str:
        async with connect_world(settings) as world:
            return await process_waiting_account_requests(world, settings)

    result = await run_tick(read_logs, go_on_with_accounts)
    if result.shard_messages:
        orders.set(result.shard_messages)


def enqueue_shard_messages(report: RunReport, output: func.Out[MessageList]) -> None:
    """Send the shard messages of a large tenant to their queue, once the run is over."""
    if report.shard_messages:
        output.set(list(report.shard_messages))


for row in CATALOG:
    register_timer(row)


def register_route(route: Address) -> None:
    """Register one route of the API; with sign-in by Entra, the platform authenticates callers.

    A write has a queue for its run messages.
    """
    by_key = get_sign_in_method(os.environ) == SIGN_IN_BY_KEY
    level = func.AuthLevel.FUNCTION if by_key else func.AuthLevel.ANONYMOUS
    binding = app.route(route=route.path, methods=[route.method], auth_level=level)
    if not route.is_write:

        @app.function_name(route.name)
        @binding
        async def on_get(req: func.HttpRequest) -> func.HttpResponse:
            return to_http_response(await answer_http_request(route, req))

        return

    @app.function_name(route.name)
    @binding
    @app.queue_output(arg_name="messages", queue_name=RUN_QUEUE, connection=STORAGE_SETTING)
    async def on_post(req: func.HttpRequest, messages: func.Out[MessageList]) -> func.HttpResponse:
        answer = await answer_http_request(route, req)
        if answer.run_messages:
            messages.set([one.to_json() for one in answer.run_messages])
        return to_http_response(answer)


async def answer_http_request(address: Address, req: func.HttpRequest) -> "HttpResponse":
    """Answer one request with the current settings."""
    from core.api.request import HttpRequest
    from core.api.routes import ROUTE
    from core.api.server import handle_request

    route = ROUTE[address.name]
    call = HttpRequest(
        path_parameters=dict(req.route_params),
        query=dict(req.params),
        headers={name.lower(): value for name, value in req.headers.items()},
        body=req.get_body() if route.is_write else b"",
    )
    return await handle_request(route, call, os.environ)


def to_http_response(http_response: "HttpResponse") -> func.HttpResponse:
    """The response in the type of the Functions host."""
    return func.HttpResponse(
        http_response.body,
        status_code=http_response.status,
        mimetype=http_response.mimetype,
        headers=dict(http_response.headers),
    )


for row_of_api in ADDRESSES:
    register_route(row_of_api)


@app.function_name("run-requested")
@app.queue_trigger(arg_name="item", queue_name=RUN_QUEUE, connection=STORAGE_SETTING)
@app.queue_output(arg_name="orders", queue_name=SHARD_QUEUE, connection=STORAGE_SETTING)
async def on_run_message(item: func.QueueMessage, orders: func.Out[MessageList]) -> None:
    """Process a run message. If it fails, the queue delivers it again."""

    from core.jobs.run_requests import RunMessage, process_run_message

    message = RunMessage.from_json(item.get_body().decode("utf-8", "replace"))
    report = await process_run_message(message, Settings.read(os.environ))
    if report:
        enqueue_shard_messages(report, orders)


@app.function_name("run-failed")
@app.queue_trigger(arg_name="item", queue_name=f"{RUN_QUEUE}-poison", connection=STORAGE_SETTING)
async def on_failed_run(item: func.QueueMessage) -> None:
    """What a message asked for that failed too often is refused, so that whoever asked is told."""

    from core.jobs.run_requests import give_up_message

    text = item.get_body().decode("utf-8", "replace")
    result = await give_up_message(text, Settings.read(os.environ))
    log.error("a message of the queue %s failed too often: %s", RUN_QUEUE, result)


@app.function_name("scan-shard")
@app.queue_trigger(arg_name="item", queue_name=SHARD_QUEUE, connection=STORAGE_SETTING)
async def on_shard_message(item: func.QueueMessage) -> None:
    """Inspect the mailboxes of one shard. If it fails, the queue delivers the message again."""
    message = ShardMessage.from_json(item.get_body().decode("utf-8", "replace"))
    settings = Settings.read(os.environ)
    config = settings.find_guard_config(message.guard)
    if config is None or config.mode is Mode.OFF:
        log.info("%s: shard %d is dropped: the guard is off", message.guard, message.number)
        return
    async with connect_world(settings, has_queue=True, shared_by=settings.shards_at_once) as world:
        result = await process_shard(config, world, message, create_run_id(world.now()))
    log.info("%s: shard %d: %s", message.guard, message.number, result)


@app.function_name("shard-failed")
@app.queue_trigger(arg_name="item", queue_name=f"{SHARD_QUEUE}-poison", connection=STORAGE_SETTING)
async def on_failed_shard(item: func.QueueMessage) -> None:
    """A shard that failed too often becomes a case, and its scan pass continues without it."""
    try:
        message = ShardMessage.from_json(item.get_body().decode("utf-8", "replace"))
    except ValueError as error:
        # Its scan pass stalls, and a later run of the guard reports that.
        log.error("a message of the queue %s cannot be decoded: %s", SHARD_QUEUE, error)
        return
    settings = Settings.read(os.environ)
    config = settings.find_guard_config(message.guard)
    if config is None or config.mode is Mode.OFF:
        return
    async with connect_world(settings, has_queue=True) as world:
        why = "it failed too often; the log of scan-shard says why"
        result = await abandon_shard(config, world, message, create_run_id(world.now()), why)
    log.error("%s: shard %d: %s", message.guard, message.number, result)
