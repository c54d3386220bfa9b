"""The Azure app: a timer for each guard, a route to run one by hand, the queues behind them.

    timer <guard>                          every row of the catalog, at %<GUARD>_SCHEDULE%
    POST /api/guards/{guard}/run           puts a request on the queue, answers 202 with its address
    queue exoguard-runs                    runs what was requested
    GET  /api/runs/{guard}/{run}           what became of it
    queue exoguard-shards                  pieces of a tenant too large for one run
    queue exoguard-shards-poison           pieces that failed too often

This file holds no decisions: it turns triggers into `core.run.run` and reports into answers.
"""

import json
import logging
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import List  # noqa: UP035

import azure.functions as func

from core.catalog import CATALOG
from core.errors import ExoguardError
from core.model import Duty, Mode, Request, RunReport
from core.report import document
from core.run import new_run, run
from core.settings import Settings, prefix
from core.shards import Order, give_up, work
from core.wiring import connect, open_ledger

# The worker library refuses list[str] as the type of an output at load: only typing's own will do.
Messages = List[str]  # noqa: UP006
QUEUE = "exoguard-runs"
SHARDS = "exoguard-shards"
STORAGE = "AzureWebJobsStorage"
BODY_LIMIT = 4096
PLAN = re.compile(r"[0-9a-f]{32}")
RUN = re.compile(r"\d{14}-[0-9a-f]{8}")

log = logging.getLogger("exoguard")
app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


class BadBody(ValueError):
    """The body of a request is not what the route takes; the message says what is wrong."""


async def execute(guard: str, request: Request) -> RunReport:
    """Run one guard now, with the settings of now."""
    settings = Settings.read(os.environ)
    duty = settings.duty(guard)
    if duty is None:
        raise BadBody(f"there is no guard {guard}")
    async with connect(settings, queue=True) as world:
        return await run(duty, world, request)


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
        report = await execute(guard, Request())
        hand_on(report, orders)
        if report.status == "busy":
            log.info("%s: another run holds the guard", guard)


def hand_on(report: RunReport, orders: func.Out[Messages]) -> None:
    """Put the shards of a large tenant on their queue, once the run is over."""
    if report.orders:
        orders.set(list(report.orders))


for row in CATALOG:
    add_timer(row)


def answer(status: int, body: Mapping[str, object], **headers: str) -> func.HttpResponse:
    """A JSON answer that nobody keeps."""
    return func.HttpResponse(
        json.dumps(body),
        status_code=status,
        mimetype="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **headers},
    )


def requested(body: bytes, duty: Duty) -> dict[str, str]:
    """What a request asks for. Raises BadBody."""
    if len(body) > BODY_LIMIT:
        raise BadBody(f"the body is larger than {BODY_LIMIT} bytes")
    try:
        wish = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        raise BadBody("the body is not JSON") from None
    if not isinstance(wish, dict) or not wish.keys() <= {"mode", "plan"}:
        raise BadBody('the body is an object with "mode" or "plan", or empty')
    mode = requested_mode(wish.get("mode"), duty)
    plan = wish.get("plan")
    if plan is None:
        return {"mode": str(mode)} if mode else {}
    if not isinstance(plan, str) or not PLAN.fullmatch(plan):
        raise BadBody('"plan" is the 32 hex digits an alert names')
    if duty.mode.lowered(mode) is not Mode.ENFORCE:
        raise BadBody('"plan" releases changes, and in alert mode none are made')
    return {"plan": plan}


def requested_mode(wish: object, duty: Duty) -> Mode | None:
    """The mode asked for, which may only restrain the guard. Raises BadBody."""
    if wish is None:
        return None
    if wish not in (Mode.ALERT, Mode.ENFORCE):
        raise BadBody('"mode" is "alert" or "enforce"')
    mode = Mode(str(wish))
    if duty.mode.lowered(mode) is not mode:
        raise BadBody(f'"mode" may only go down: {duty.guard.name} is in {duty.mode} mode')
    return mode


@app.function_name("request-run")
@app.route(route="guards/{guard}/run", methods=["POST"])
@app.queue_output(arg_name="message", queue_name=QUEUE, connection=STORAGE)
async def request_run(req: func.HttpRequest, message: func.Out[str]) -> func.HttpResponse:
    """Ask for a run: 202 with the address that tells what became of it."""
    try:
        settings = Settings.read(os.environ)
        guard = req.route_params.get("guard", "")
        duty = settings.duty(guard)
        if duty is None:
            known = [row.guard.name for row in settings.duties]
            return answer(404, {"error": "there is no such guard", "guards": known})
        if duty.mode is Mode.OFF:
            return answer(409, {"error": f"{guard} is off: set {prefix(guard)}_MODE"})
        wish = requested(req.get_body(), duty)
        now = datetime.now(UTC)
        number = new_run(now)
        ticket = {"guard": guard, "run": number, "at": now.isoformat(), **wish}
        async with open_ledger(settings) as ledger:
            await ledger.note(guard, number, {**ticket, "status": "queued"})
        message.set(json.dumps(ticket))
        address = f"/api/runs/{guard}/{number}"
        body = {"run": number, "status": "queued", "address": address}
        return answer(202, body, Location=address)
    except BadBody as error:
        return answer(400, {"error": str(error)})
    except ExoguardError as error:
        log.error("a run could not be requested: %s", error)
        return answer(503, {"error": str(error)})


@app.function_name("run-requested")
@app.queue_trigger(arg_name="item", queue_name=QUEUE, connection=STORAGE)
@app.queue_output(arg_name="orders", queue_name=SHARDS, connection=STORAGE)
async def run_requested(item: func.QueueMessage, orders: func.Out[Messages]) -> None:
    """Run what was requested. What ends without a claim is noted where its address points."""
    ticket = json.loads(item.get_body())
    guard, number = ticket["guard"], ticket["run"]
    request = Request(
        run=number,
        mode=Mode(ticket["mode"]) if "mode" in ticket else None,
        plan=ticket.get("plan", ""),
        at=datetime.fromisoformat(ticket["at"]),
    )
    try:
        report = await execute(guard, request)
    except ExoguardError as error:
        async with open_ledger(Settings.read(os.environ)) as ledger:
            await ledger.note(guard, number, {**ticket, "status": "failed", "error": str(error)})
        raise
    hand_on(report, orders)
    if report.status in ("busy", "off"):
        async with open_ledger(Settings.read(os.environ)) as ledger:
            await ledger.note(guard, number, {**ticket, **document(report)})


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


@app.function_name("run-report")
@app.route(route="runs/{guard}/{run}", methods=["GET"])
async def run_report(req: func.HttpRequest) -> func.HttpResponse:
    """What became of a run."""
    guard, number = req.route_params.get("guard", ""), req.route_params.get("run", "")
    known = any(duty.guard.name == guard for duty in CATALOG)
    if not known or not RUN.fullmatch(number):
        return answer(404, {"error": "there is no such run"})
    try:
        async with open_ledger(Settings.read(os.environ)) as ledger:
            found = await ledger.report(guard, number)
    except ExoguardError as error:
        log.error("a report could not be read: %s", error)
        return answer(503, {"error": str(error)})
    return answer(200, found) if found else answer(404, {"error": "there is no such run"})
