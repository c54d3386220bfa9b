"""The Azure app: a timer for each guard, a route to run one by hand, the queues behind them.

    timer <guard>                          every row of the catalog, at %<GUARD>_SCHEDULE%
    routes                                 core/api/routes.py; what acts leaves a row and a message
    timer weekly-digest                    every hour: settings that changed are told, and the
                                           week's card is sent, when %DIGEST_SCHEDULE% says
    queue exoguard-runs                    does what was asked for
    queue exoguard-shards                  pieces of a tenant too large for one run
    queue exoguard-shards-poison           pieces that failed too often

This file holds no decisions: it turns triggers into `core.engine.run.run` and reports into answers.
"""

import logging
import os
from typing import List  # noqa: UP035

import azure.functions as func

from core.api.request import Answer, Call, Route
from core.api.routes import ROUTES, serve
from core.bootstrap import connect
from core.config.catalog import CATALOG
from core.config.settings import BY_KEY, SETTINGS, Settings, prefix, way_in
from core.engine.run import new_run, run
from core.engine.shards import Order, give_up, work
from core.errors import SettingsError
from core.jobs.run_requests import Ticket, work_off
from core.jobs.settings_changes import watch
from core.jobs.weekly_digest import weekly
from core.log_redaction import install
from core.model.guards import Duty, Mode
from core.model.runs import RunReport

# The worker library refuses list[str] as the type of an output at load: only typing's own will do.
Messages = List[str]  # noqa: UP006
QUEUE = "exoguard-runs"
SHARDS = "exoguard-shards"
STORAGE = "AzureWebJobsStorage"
HOURLY = "0 0 * * * *"

log = logging.getLogger("exoguard")
# Settings of the platform that hold secrets, beside those of the app.
PLATFORM = (STORAGE, "IDENTITY_HEADER", "APPLICATIONINSIGHTS_CONNECTION_STRING")
install(os.environ, (*PLATFORM, *(entry.name for entry in SETTINGS if entry.secret)))
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


async def execute(guard: str) -> RunReport:
    """Run one guard now, with the settings of now."""
    settings = Settings.read(os.environ)
    duty = settings.duty(guard)
    if duty is None:
        raise SettingsError(f"there is no guard {guard}")
    async with connect(settings, queue=True) as world:
        return await run(duty, world)


def add_timer(duty: Duty) -> None:
    """Register a guard's timer; the host puts the setting's value in place of the %name%."""
    guard = duty.guard.name

    @app.function_name(guard)
    @app.timer_trigger(
        arg_name="timer",
        schedule=f"%{prefix(guard)}_SCHEDULE%",
        run_on_startup=False,
        use_monitor=True,
    )
    @app.queue_output(arg_name="orders", queue_name=SHARDS, connection=STORAGE)
    async def on_timer(timer: func.TimerRequest, orders: func.Out[Messages]) -> None:
        if timer.past_due:
            log.warning("%s runs late: its time was missed", guard)
        report = await execute(guard)
        hand_on(report, orders)
        if report.status == "busy":
            log.info("%s: another run holds the guard", guard)


@app.function_name("weekly-digest")
@app.timer_trigger(arg_name="timer", schedule=HOURLY, run_on_startup=False, use_monitor=True)
async def weekly_digest(timer: func.TimerRequest) -> None:
    """The week's card, if it is due: asked every hour, so that a channel that is down delays it.

    And a card whenever a setting was changed: a guard that is off has no run of its own to say so.
    """
    settings = Settings.read(os.environ)
    async with connect(settings) as world:
        became = await weekly(
            world,
            settings.duties,
            settings["DIGEST_SCHEDULE"],
            new_run(world.now()),
            settings.run_seconds / 60,
        )
        log.info("the week's card: %s", became)
        became = await watch(world, settings, new_run(world.now()))
        log.info("changed settings: %s", became)


def hand_on(report: RunReport, orders: func.Out[Messages]) -> None:
    """Put the shards of a large tenant on their queue, once the run is over."""
    if report.orders:
        orders.set(list(report.orders))


for row in CATALOG:
    add_timer(row)


def add_route(route: Route) -> None:
    """Register one route of the API; where people sign in with Entra, the platform asks for that.

    What acts has a queue to put its ticket on.
    """
    by_key = way_in(os.environ) == BY_KEY
    level = func.AuthLevel.FUNCTION if by_key else func.AuthLevel.ANONYMOUS
    binding = app.route(route=route.path, methods=[route.method], auth_level=level)
    if not route.acts:

        @app.function_name(route.name)
        @binding
        async def on_get(req: func.HttpRequest) -> func.HttpResponse:
            return response(await respond(route, req))

        return

    @app.function_name(route.name)
    @binding
    @app.queue_output(arg_name="message", queue_name=QUEUE, connection=STORAGE)
    async def on_post(req: func.HttpRequest, message: func.Out[str]) -> func.HttpResponse:
        answer = await respond(route, req)
        if answer.ticket:
            message.set(answer.ticket.packed())
        return response(answer)


async def respond(route: Route, req: func.HttpRequest) -> Answer:
    """One request, with the settings of now."""
    call = Call(
        path=dict(req.route_params),
        query=dict(req.params),
        headers={name.lower(): value for name, value in req.headers.items()},
        body=req.get_body() if route.acts else b"",
    )
    return await serve(route, call, os.environ)


def response(answer: Answer) -> func.HttpResponse:
    """An answer as the host takes it."""
    return func.HttpResponse(
        answer.body,
        status_code=answer.status,
        mimetype=answer.mimetype,
        headers=dict(answer.headers),
    )


for row_of_api in ROUTES:
    add_route(row_of_api)


@app.function_name("run-requested")
@app.queue_trigger(arg_name="item", queue_name=QUEUE, connection=STORAGE)
@app.queue_output(arg_name="orders", queue_name=SHARDS, connection=STORAGE)
async def run_requested(item: func.QueueMessage, orders: func.Out[Messages]) -> None:
    """Do what was asked for. What fails is tried again by the queue."""
    ticket = Ticket.unpacked(item.get_body().decode("utf-8", "replace"))
    hand_on(await work_off(ticket, Settings.read(os.environ)), orders)


@app.function_name("scan-shard")
@app.queue_trigger(arg_name="item", queue_name=SHARDS, connection=STORAGE)
async def scan_shard(item: func.QueueMessage) -> None:
    """Look into the mailboxes of one shard. What fails is tried again by the queue."""
    order = Order.unpacked(item.get_body().decode("utf-8", "replace"))
    settings = Settings.read(os.environ)
    duty = settings.duty(order.guard)
    if duty is None or duty.mode is Mode.OFF:
        log.info("%s: shard %d is dropped: the guard is off", order.guard, order.number)
        return
    async with connect(settings, queue=True, among=settings.shards_at_once) as world:
        became = await work(duty, world, order, new_run(world.now()))
    log.info("%s: shard %d: %s", order.guard, order.number, became)


@app.function_name("shard-failed")
@app.queue_trigger(arg_name="item", queue_name=f"{SHARDS}-poison", connection=STORAGE)
async def shard_failed(item: func.QueueMessage) -> None:
    """A shard that failed too often becomes a case, and its round goes on without it."""
    try:
        order = Order.unpacked(item.get_body().decode("utf-8", "replace"))
    except ValueError as error:
        # Its round stands still, and the guard's next runs tell so.
        log.error("a message of the queue %s is not understood: %s", SHARDS, error)
        return
    settings = Settings.read(os.environ)
    duty = settings.duty(order.guard)
    if duty is None or duty.mode is Mode.OFF:
        return
    async with connect(settings, queue=True) as world:
        why = "the work on it failed too often; the log of scan-shard tells why"
        became = await give_up(duty, world, order, new_run(world.now()), why)
    log.error("%s: shard %d: %s", order.guard, order.number, became)
