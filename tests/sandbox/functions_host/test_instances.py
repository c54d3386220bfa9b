"""Several hosts of one app on one storage account, as the instances of an app in Azure are."""

import asyncio
import json
import os
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from azure.storage.queue.aio import QueueClient

from sandbox.functions_host.azurite import Azurite
from tests.support.hosted_app import HOST, ROOT
from tests.support.programs import Program, start_program


def host_json(batch: int, threshold: int) -> str:
    queues = {"batchSize": batch, "newBatchThreshold": threshold, "maxDequeueCount": 3}
    return json.dumps({"version": "2.0", "extensions": {"queues": queues}})


# A message "long" is worked on until the file `go` appears.
APP = """
import asyncio, json, os, typing
import azure.functions as func

app = func.FunctionApp()

def note(**seen):
    with open("notes", "a", encoding="utf-8") as notes:
        notes.write(json.dumps({"by": os.getpid(), **seen}) + "\\n")

@app.timer_trigger(schedule="* * * * * *", arg_name="timer")
@app.queue_output(arg_name="out", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
def plan(timer: func.TimerRequest, out: func.Out[typing.List[str]]) -> None:
    note(planned=os.environ["WEBSITE_INSTANCE_ID"])
    out.set([str(number) for number in range(30)])

@app.route(route="who")
def who(req: func.HttpRequest) -> str:
    return os.environ["GREETING"]

@app.queue_trigger(arg_name="item", queue_name="%QUEUE%", connection="AzureWebJobsStorage")
async def work(item: func.QueueMessage) -> None:
    body = item.get_body().decode()
    note(begins=body, tries=item.dequeue_count)
    while body == "long" and not os.path.exists("go"):
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.05)
    note(ends=body, tries=item.dequeue_count)
"""


@dataclass(frozen=True)
class Instance:
    """One host, and what its first line of output says."""

    process: Program | asyncio.subprocess.Process
    base: str
    keys: dict[str, str]

    async def ask(self, method: str, path: str, key: str) -> tuple[int, str]:
        async with (
            ClientSession(self.base) as client,
            client.request(
                method, path, headers={"x-functions-key": self.keys[key]}, data=b'{"input": ""}'
            ) as answer,
        ):
            return answer.status, await answer.text()

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """The process does nothing for a while; a question that it asked before has its answer."""
        self.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(0.2)
        yield
        self.process.send_signal(signal.SIGCONT)

    async def killed(self) -> None:
        self.process.kill()
        await self.process.wait()


@dataclass(frozen=True)
class App:
    """An app in a folder of its own, and the queue its instances share."""

    folder: Path
    queue: QueueClient

    def notes(self, kind: str) -> list[dict[str, Any]]:
        """What the functions noted so far, of one kind."""
        path = self.folder / "notes"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [seen for seen in map(json.loads, lines) if kind in seen]

    async def noted(self, kind: str, count: int = 1) -> list[dict[str, Any]]:
        """Waits for so many notes; ones that never come end by the time-out of every test."""
        while len(self.notes(kind)) < count:
            await asyncio.sleep(0.02)
        return self.notes(kind)

    async def emptied(self) -> None:
        """Waits until the queue holds no message, neither to be seen nor hidden."""
        while (await self.queue.get_queue_properties()).approximate_message_count:
            await asyncio.sleep(0.02)

    @asynccontextmanager
    async def instance(self, *options: str) -> AsyncIterator[Instance]:
        app = ("--app", str(self.folder), "--settings", str(self.folder / "settings.json"))
        async with start_program(HOST, *app, *options, folder=self.folder) as program:
            ready = json.loads(await program.stdout.readline())
            yield Instance(program, ready["base"], ready["keys"])


@pytest_asyncio.fixture
async def app(azurite: Azurite, tmp_path: Path) -> AsyncIterator[App]:
    storage, name = azurite.connection_string, f"shared-{uuid.uuid4().hex}"
    settings = {"AzureWebJobsStorage": storage, "GREETING": "hello", "QUEUE": name}
    (tmp_path / "function_app.py").write_text(APP, encoding="utf-8")
    (tmp_path / "host.json").write_text(host_json(1, 1), encoding="utf-8")
    (tmp_path / "settings.json").write_text(json.dumps({"Values": settings}), encoding="utf-8")
    async with QueueClient.from_connection_string(storage, name) as queue:
        await queue.create_queue()
        yield App(tmp_path, queue)


async def test_a_host_of_its_own_says_where_it_is_and_ends_when_told(app: App) -> None:
    settings = str(app.folder / "settings.json")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sandbox.functions_host.host", "--app", str(app.folder)),
        *("--settings", settings, "--no-schedules"),
        cwd=app.folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout
        ready = json.loads(await process.stdout.readline())
        one = Instance(process, ready["base"], ready["keys"])
        assert await one.ask("GET", "/api/who", "function") == (200, "hello")
        process.terminate()
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert app.notes("planned") == []


async def test_an_app_that_cannot_be_hosted_ends_its_host(app: App) -> None:
    (app.folder / "function_app.py").write_text("import nothing_of_that_name", encoding="utf-8")
    with pytest.raises(json.JSONDecodeError):
        async with app.instance() as one:
            raise AssertionError(one)


async def test_two_hosts_share_a_queue_and_every_message_is_done_once(app: App) -> None:
    async with app.instance("--no-schedules") as one, app.instance("--no-schedules") as other:
        status, _ = await one.ask("POST", "/admin/functions/plan", "master")
        assert status == 202
        done = await app.noted("ends", 30)
        await app.emptied()
        both = {one.process.pid, other.process.pid}
    assert sorted(seen["ends"] for seen in done) == sorted(str(number) for number in range(30))
    assert len(app.notes("begins")) == len(app.notes("ends")) == 30
    assert {seen["by"] for seen in done} == both


@pytest.mark.parametrize(("batch", "threshold", "together"), [(1, 0, 1), (1, 1, 2), (2, 1, 3)])
async def test_the_next_batch_is_fetched_when_few_enough_are_being_worked_on(
    app: App, batch: int, threshold: int, together: int
) -> None:
    (app.folder / "host.json").write_text(host_json(batch, threshold), encoding="utf-8")
    async with app.instance("--no-schedules") as one:
        await app.queue.send_message("long")
        await app.noted("begins")
        # The host stands still meanwhile, so that it finds all of them at once.
        async with one.paused():
            for _ in range(5):
                await app.queue.send_message("long")
        await app.noted("begins", together)
        # Several times as long as the host waits before it looks for messages again.
        await asyncio.sleep(1)
        begun = len(app.notes("begins"))
        (app.folder / "go").touch()
        await app.noted("ends", 6)
        await app.emptied()
    assert begun == together
    assert len(app.notes("begins")) == 6


async def test_of_two_hosts_only_the_one_with_schedules_runs_timers(app: App) -> None:
    async with app.instance() as timed, app.instance("--no-schedules"):
        planned = await app.noted("planned", 2)
    assert {seen["by"] for seen in planned} == {timed.process.pid}
    assert len({seen["planned"] for seen in planned}) == 1


async def test_a_message_stays_hidden_from_others_for_as_long_as_it_is_worked_on(app: App) -> None:
    short = ("--no-schedules", "--visibility", "1")
    async with app.instance(*short), app.instance(*short):
        await app.queue.send_message("long")
        await app.noted("begins")
        # Three times as long as the message is hidden at a time.
        await asyncio.sleep(3)
        (app.folder / "go").touch()
        await app.noted("ends")
        await app.emptied()
    assert [seen["tries"] for seen in app.notes("begins")] == [1]


async def test_the_message_of_a_killed_host_is_taken_over_by_another(app: App) -> None:
    short = ("--no-schedules", "--visibility", "2")
    async with app.instance(*short) as doomed:
        await app.queue.send_message("long")
        await app.noted("begins")
        async with app.instance(*short) as heir:
            await doomed.killed()
            (app.folder / "go").touch()
            done = await app.noted("ends")
            await app.emptied()
    assert [(seen["by"], seen["tries"]) for seen in done] == [(heir.process.pid, 2)]
    assert [seen["by"] for seen in app.notes("begins")] == [doomed.process.pid, heir.process.pid]


async def test_a_message_that_kills_every_host_is_put_aside(azurite: Azurite, app: App) -> None:
    poison = QueueClient.from_connection_string(
        azurite.connection_string, f"{app.queue.queue_name}-poison"
    )
    for tries in range(1, 4):
        async with app.instance("--no-schedules", "--visibility", "1") as doomed:
            if tries == 1:
                await app.queue.send_message("long")
            await app.noted("begins", tries)
            await doomed.killed()
    async with app.instance("--no-schedules", "--visibility", "1"), poison:
        await app.emptied()
        put_aside = [message.content async for message in poison.receive_messages()]
    assert put_aside == ["long"]
    assert app.notes("ends") == []
