"""The local Functions host, with a small app of its own in a process of its own, on Azurite.

A process hosts one app, so each test hands a scenario below to a child process, which hosts the
app, plays the scenario and prints what it saw as JSON.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from azure.core.exceptions import ResourceExistsError
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueClient

from sandbox.functions_host.azurite import Azurite
from sandbox.functions_host.host import Host
from sandbox.functions_host.worker import HostError
from tests.support.programs import run_to_its_end

type Scenario = Callable[[Host, ClientSession], Awaitable[Any]]

HOST_JSON = {
    "version": "2.0",
    "extensions": {"queues": {"maxDequeueCount": 3, "batchSize": 2}},
    "functionTimeout": "00:00:03",
}

APP = """
import asyncio, json, logging, os, typing
import azure.functions as func

app = func.FunctionApp()

def note(**seen):
    with open(os.environ["SINK"], "a", encoding="utf-8") as sink:
        sink.write(json.dumps(seen) + "\\n")

@app.timer_trigger(schedule="%EVERY_SECOND%", arg_name="timer")
async def slow(timer: func.TimerRequest) -> None:
    note(slow="begins", status=timer.schedule_status)
    await asyncio.sleep(1.3)
    note(slow="ends")

@app.timer_trigger(schedule="0 0 0 1 1 *", arg_name="timer", run_on_startup=False)
def yearly(timer: func.TimerRequest) -> None:
    note(past_due=timer.past_due, last=timer.schedule_status["Last"])

@app.timer_trigger(schedule="0 0 0 1 1 *", arg_name="timer")
@app.retry(strategy="fixed_delay", max_retry_count="2", delay_interval="00:00:00")
def flaky(timer: func.TimerRequest, context: func.Context) -> None:
    note(attempt=context.retry_context.retry_count)
    if context.retry_context.retry_count < 2:
        raise RuntimeError("not yet")

@app.timer_trigger(schedule="0 0 0 1 1 *", arg_name="timer")
async def endless(timer: func.TimerRequest) -> None:
    await asyncio.sleep(3600)

@app.route(route="greet/{name:alpha}/{times:int?}", methods=["GET", "POST"])
async def greet(req: func.HttpRequest) -> func.HttpResponse:
    body = req.get_body().decode()
    seen = {"route": dict(req.route_params), "query": dict(req.params), "body": body}
    return func.HttpResponse(
        json.dumps(seen),
        status_code=203,
        mimetype="application/json",
        headers={"X-Made-By": "greet"},
    )

@app.route(route="open", auth_level=func.AuthLevel.ANONYMOUS)
def open_door(req: func.HttpRequest) -> str:
    return "come in"

@app.route(route="inner", auth_level=func.AuthLevel.ADMIN)
def inner(req: func.HttpRequest) -> str:
    return "the boss"

@app.route(route="boom")
def boom(req: func.HttpRequest) -> str:
    raise ValueError("secret of the house")

@app.route(route="enqueue", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
def enqueue(req: func.HttpRequest, out: func.Out[str]) -> func.HttpResponse:
    out.set(req.get_body().decode())
    return func.HttpResponse(status_code=202)

@app.route(route="astray", methods=["POST"])
@app.queue_output(arg_name="out", queue_name="lost", connection="NoSuchStorage")
def astray(req: func.HttpRequest, out: func.Out[str]) -> str:
    out.set("to nobody")
    return "done"

@app.timer_trigger(schedule="0 0 0 1 1 *", arg_name="timer")
@app.queue_output(arg_name="out", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
def plan(timer: func.TimerRequest, out: func.Out[typing.List[str]]) -> None:
    out.set(['{"shard": 1}', "zwölf", "3"])

@app.timer_trigger(schedule="0 0 0 1 1 *", arg_name="timer")
@app.queue_output(arg_name="out", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def plan_nothing(timer: func.TimerRequest, out: func.Out[typing.List[str]]) -> None:
    out.set([])

@app.queue_trigger(arg_name="item", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def work(item: func.QueueMessage) -> None:
    dated = item.insertion_time is not None
    note(body=item.get_body().decode(), tries=item.dequeue_count, dated=dated)
    if item.get_body() == b"bad":
        raise RuntimeError("cannot digest")
"""


# ----------------------------------------------------------------------------------------------
# The child process
# ----------------------------------------------------------------------------------------------


async def play(scenario: Scenario, app_dir: Path, settings: dict[str, str]) -> Any:
    host = Host(
        app_dir,
        settings,
        status_file=app_dir / "status.json",
        timers_enabled="SCHEDULES" in settings,
    )
    async with host, ClientSession(host.base) as client:
        return await scenario(host, client)


def play_in_child() -> None:
    name, app_dir, settings = sys.argv[1:]
    try:
        seen = asyncio.run(play(globals()[name], Path(app_dir), json.loads(settings)))
    except HostError as error:
        seen = {"refused": str(error)}
    json.dump(seen, sys.stdout)


def sink() -> list[dict[str, Any]]:
    path = Path(os.environ["SINK"])
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def keyed(key: str) -> dict[str, str]:
    return {"x-functions-key": key}


# ----------------------------------------------------------------------------------------------
# The tests' side
# ----------------------------------------------------------------------------------------------


@pytest.fixture
def app_dir(tmp_path: Path) -> Path:
    (tmp_path / "function_app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "host.json").write_text(json.dumps(HOST_JSON), encoding="utf-8")
    return tmp_path


@dataclass(frozen=True)
class Player:
    """Plays scenarios with the app of a folder."""

    app_dir: Path
    azurite: Azurite

    async def play(self, scenario: Scenario, **settings: str) -> Any:
        """Play a scenario in a child process; every test has a queue of its own."""
        whole = {
            "AzureWebJobsStorage": self.azurite.connection_string,
            "QUEUE": f"q{abs(hash(self.app_dir)):x}",
            "SINK": str(self.app_dir / "sink"),
            "EVERY_SECOND": "* * * * * *",
            **settings,
        }
        child = f"{__name__}:play_in_child"
        return json.loads(
            await run_to_its_end(child, scenario.__name__, str(self.app_dir), json.dumps(whole))
        )


@pytest.fixture
def player(app_dir: Path, azurite: Azurite) -> Player:
    return Player(app_dir, azurite)


# ----------------------------------------------------------------------------------------------
# HTTP
# ----------------------------------------------------------------------------------------------


async def routes_and_keys(host: Host, client: ClientSession) -> Any:
    async def status(path: str, key: str = "", method: str = "GET") -> int:
        async with client.request(method, path, headers=keyed(key)) as response:
            return response.status

    async with client.post(
        "/api/greet/ann/3?loud=1", headers=keyed(host.keys.function), data="hello"
    ) as response:
        greeting = [response.status, response.headers["X-Made-By"], await response.json()]
    async with client.get("/api/boom", headers=keyed(host.keys.function)) as response:
        broken = [response.status, await response.text()]
    return {
        "greeting": greeting,
        "broken": broken,
        "no key": await status("/api/greet/ann"),
        "wrong key": await status("/api/greet/ann", "guess"),
        "key in query": await status(f"/api/greet/ann?code={host.keys.function}"),
        "master key": await status("/api/greet/ann", host.keys.master),
        "anonymous": await status("/api/open"),
        "function key for admin": await status("/api/inner", host.keys.function),
        "master key for admin": await status("/api/inner", host.keys.master),
        "constraint": await status("/api/greet/4nn", host.keys.function),
        "unknown": await status("/api/nowhere", host.keys.function),
        "method": await status("/api/greet/ann", host.keys.function, "DELETE"),
        "output without a queue": await status("/api/astray", host.keys.function, "POST"),
        "errors": [done.error for done in host.invocations if not done.ok],
    }


async def test_routes_stand_behind_their_keys(player: Player) -> None:
    assert await player.play(routes_and_keys) == {
        "greeting": [
            203,
            "greet",
            {"route": {"name": "ann", "times": "3"}, "query": {"loud": "1"}, "body": "hello"},
        ],
        "broken": [500, ""],
        "no key": 401,
        "wrong key": 401,
        "key in query": 203,
        "master key": 203,
        "anonymous": 200,
        "function key for admin": 401,
        "master key for admin": 200,
        "constraint": 404,
        "unknown": 404,
        "method": 405,
        "output without a queue": 500,
        "errors": [
            "ValueError: secret of the house",
            "HostError: the storage connection setting 'NoSuchStorage' has no value",
        ],
    }


async def admin_door(host: Host, client: ClientSession) -> Any:
    async def post(name: str, key: str, body: str | None) -> int:
        path = f"/admin/functions/{name}"
        async with client.post(path, headers=keyed(key), data=body) as response:
            return response.status

    master = host.keys.master
    answers = [
        await post("yearly", "", '{"input": ""}'),
        await post("yearly", host.keys.function, '{"input": ""}'),
        await post("yearly", master, None),
        await post("yearly", master, "null"),
        await post("unheard-of", master, '{"input": ""}'),
        await post("open_door", master, '{"input": ""}'),
        await post("yearly", master, '{"input": ""}'),
        await post("WORK", master, '{"input": "by hand"}'),
    ]
    await host.drain()
    return {"answers": answers, "ran": sorted(done.name for done in host.invocations)}


async def test_the_admin_door_starts_a_function_by_hand(player: Player) -> None:
    assert await player.play(admin_door) == {
        "answers": [401, 401, 400, 400, 404, 400, 202, 202],
        "ran": ["work", "yearly"],
    }


# ----------------------------------------------------------------------------------------------
# Queues
# ----------------------------------------------------------------------------------------------


async def queue_round_trip(host: Host, client: ClientSession) -> Any:
    for body in ("häuser", '{"a": 1}'):
        async with client.post(
            "/api/enqueue", headers=keyed(host.keys.function), data=body.encode()
        ) as response:
            assert response.status == 202
    storage, queue = os.environ["AzureWebJobsStorage"], os.environ["QUEUE"]
    async with QueueClient.from_connection_string(storage, queue) as outside:
        await outside.send_message("plain, from elsewhere")
    await host.drain()
    return sorted(sink(), key=lambda seen: str(seen["body"]))


async def test_a_queue_output_reaches_the_queue_trigger(player: Player) -> None:
    assert await player.play(queue_round_trip) == [
        {"body": body, "tries": 1, "dated": True}
        for body in ("häuser", "plain, from elsewhere", '{"a": 1}')
    ]


async def several_at_once(host: Host, client: ClientSession) -> Any:
    ended = [await host.invoke_timer(name) for name in ("plan_nothing", "plan")]
    await host.drain()
    return {"errors": [one.error for one in ended], "seen": sorted(s["body"] for s in sink())}


async def test_a_list_put_out_by_a_timer_is_a_message_for_each_text(player: Player) -> None:
    assert await player.play(several_at_once) == {
        "errors": ["", ""],
        "seen": ["3", "zwölf", '{"shard": 1}'],
    }


async def poison(host: Host, client: ClientSession) -> Any:
    async with client.post("/api/enqueue", headers=keyed(host.keys.function), data=b"bad"):
        await host.drain()
    storage, queue = os.environ["AzureWebJobsStorage"], os.environ["QUEUE"]
    async with QueueClient.from_connection_string(storage, f"{queue}-poison") as aside:
        return {
            "tries": [seen["tries"] for seen in sink()],
            "poison": [message.content async for message in aside.receive_messages()],
        }


async def test_a_message_that_always_fails_is_put_aside(player: Player) -> None:
    assert await player.play(poison) == {"tries": [1, 2, 3], "poison": ["YmFk"]}


# ----------------------------------------------------------------------------------------------
# Timers
# ----------------------------------------------------------------------------------------------


async def two_slow_ticks(host: Host, client: ClientSession) -> Any:
    while len(sink()) < 4:
        await asyncio.sleep(0.05)
    return [seen for seen in sink() if "slow" in seen][:4]


async def test_a_timer_runs_by_its_schedule_and_never_overlaps(player: Player) -> None:
    seen = await player.play(two_slow_ticks, SCHEDULES="yes")
    assert [line["slow"] for line in seen] == ["begins", "ends", "begins", "ends"]
    # A schedule tighter than a minute keeps no status.
    assert seen[0]["status"] == {}


async def soon_after_the_start(host: Host, client: ClientSession) -> Any:
    for _ in range(40):
        if any("past_due" in seen for seen in sink()):
            break
        await asyncio.sleep(0.01)
    return [seen for seen in sink() if "past_due" in seen]


def remembered(schedule: str, due: datetime) -> str:
    times = {"Last": "2026-01-01T00:00:00+00:00", "LastUpdated": "2026-01-01T00:00:00+00:00"}
    return json.dumps({"yearly": {"Schedule": schedule, "Next": due.isoformat(), **times}})


async def test_a_missed_run_is_made_up_for_once(app_dir: Path, player: Player) -> None:
    missed = datetime.now(UTC) - timedelta(days=400)
    (app_dir / "status.json").write_text(remembered("0 0 0 1 1 *", missed), encoding="utf-8")
    first = await player.play(soon_after_the_start, SCHEDULES="yes")
    assert first == [{"past_due": True, "last": "2026-01-01T00:00:00+00:00"}]
    (app_dir / "sink").unlink()
    assert await player.play(soon_after_the_start, SCHEDULES="yes") == []


async def test_a_changed_schedule_has_missed_nothing(app_dir: Path, player: Player) -> None:
    missed = datetime.now(UTC) - timedelta(days=400)
    (app_dir / "status.json").write_text(remembered("0 0 0 2 1 *", missed), encoding="utf-8")
    assert await player.play(soon_after_the_start, SCHEDULES="yes") == []


async def timers_by_hand(host: Host, client: ClientSession) -> Any:
    flaky = await host.invoke_timer("flaky")
    endless = await host.invoke_timer("endless")
    attempts = [seen["attempt"] for seen in sink()]
    return {"flaky": [flaky.ok, attempts], "endless": endless.error.partition(":")[0]}


async def test_a_timer_is_retried_by_its_policy_and_broken_off_in_time(player: Player) -> None:
    assert await player.play(timers_by_hand) == {
        "flaky": [True, [0, 1, 2]],
        "endless": "FunctionTimeoutException",
    }


# ----------------------------------------------------------------------------------------------
# Start-up
# ----------------------------------------------------------------------------------------------


async def names(host: Host, client: ClientSession) -> Any:
    return sorted(host.functions)


async def test_a_disabled_function_is_not_served(player: Player) -> None:
    everything = await player.play(names)
    served = await player.play(names, **{"AzureWebJobs.boom.Disabled": "true"})
    assert set(everything) - set(served) == {"boom"}


TIMER = """
import azure.functions as func
app = func.FunctionApp()
{before}
@app.timer_trigger(schedule="{schedule}", arg_name="timer")
def tick({argument}: func.TimerRequest) -> None:
    pass
"""


# The worker library knows the generic types of `typing` only.
BUILTIN_LIST = """
import azure.functions as func
app = func.FunctionApp()
@app.timer_trigger(schedule="0 0 * * * *", arg_name="timer")
@app.queue_output(arg_name="out", queue_name="q", connection="AzureWebJobsStorage")
def tick(timer: func.TimerRequest, out: func.Out[list[str]]) -> None:
    pass
"""


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (BUILTIN_LIST, "binding out has invalid non-type annotation"),
        ("import nothing_of_that_name", "No module named 'nothing_of_that_name'"),
        ("import azure.functions as func\napp = func.FunctionApp()", "No job functions found"),
        (
            TIMER.format(before="", schedule="0 0 * * * *", argument="clock"),
            "FunctionLoadError: cannot load the tick function",
        ),
        (
            TIMER.format(before="", schedule="%NO_SUCH%", argument="timer"),
            "'tick' function is in error: '%NO_SUCH%' does not resolve to a value",
        ),
        (
            TIMER.format(before="", schedule="0 61 * * * *", argument="timer"),
            "'tick' function is in error: minute field",
        ),
        (
            TIMER.format(
                before='@app.function_name("a b")', schedule="0 0 * * * *", argument="timer"
            ),
            "'a b' is not a valid function name",
        ),
    ],
)
async def test_an_app_that_azure_would_not_start_is_refused(
    source: str, reason: str, app_dir: Path, player: Player
) -> None:
    (app_dir / "function_app.py").write_text(source, encoding="utf-8")
    assert reason in (await player.play(names))["refused"]


# ----------------------------------------------------------------------------------------------
# Azurite itself
# ----------------------------------------------------------------------------------------------


async def test_a_kept_account_survives_a_restart(tmp_path: Path) -> None:
    for attempt in range(2):
        async with (
            Azurite(tmp_path) as kept,
            TableServiceClient.from_connection_string(kept.connection_string) as tables,
        ):
            if attempt == 0:
                await tables.create_table("memory")
            else:
                with pytest.raises(ResourceExistsError):
                    await tables.create_table("memory")


async def forget(host: Host, client: ClientSession) -> Any:
    """Starts an Azurite of its own and dies without a word."""
    orphan = await Azurite().start()
    assert orphan.process is not None
    Path(os.environ["SINK"]).write_text(str(orphan.process.pid), encoding="utf-8")
    os._exit(9)


async def test_azurite_does_not_outlive_its_parent(app_dir: Path, player: Player) -> None:
    with pytest.raises(AssertionError):
        await player.play(forget)
    pid = int((app_dir / "sink").read_text(encoding="utf-8"))
    while runs(pid):  # a child that stays fails by the time-out of every test
        await asyncio.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether a process exists and is more than a record that nobody has collected yet."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except FileNotFoundError:
        return False
