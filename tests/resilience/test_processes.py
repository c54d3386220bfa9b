"""Processes that meet, are paused, killed and told to stop, on one state table and one tenant.

Two hosts whose timers fire in the same second, killed in the middle of their changes; a worker that
is paused between writing down what it will change and changing it, or in the middle of a change,
until its claim has run out and another took over; a host that is shut down in the middle of a run.
What is allowed is written once, and whoever lost the claim writes nothing any more.
"""

import asyncio
import json
import signal
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.data.tables.aio import TableClient

from core.adapters.table_storage.lease_row import RELEASED_UNTIL
from core.bootstrap import connect_world, open_ledger
from core.config.settings import Settings, get_setting_prefix
from core.engine.run import run
from core.model.changes import ChangeState
from core.model.state import GuardSnapshot
from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox
from tests.resilience.surfaces import GUARD_NAME, build_account_id
from tests.resilience.surfaces import build_sign_in_scene as tenant
from tests.support.builders import CONFIGS_BY_NAME
from tests.support.hosted_app import expire_lease, start_host
from tests.support.programs import Program, start_program

# Long enough for a busy machine to renew in time.
LEASE = 4.0
OFF = {name: "off" for name in CONFIGS_BY_NAME}


@dataclass
class Stage:
    """What the test sees: the tenant, the settings of all processes, the state."""

    box: Sandbox
    settings: Settings
    file: Path

    async def ran(self) -> str:
        """A run in this process."""
        duty = self.settings.find_guard_config(GUARD_NAME)
        assert duty
        async with connect_world(self.settings) as world:
            return (await run(duty, world)).status

    def blocked(self) -> Counter[str]:
        """How often each account was blocked."""
        return Counter(
            str(write["target"])
            for write in self.box.writes
            if write["method"] == "PATCH" and write["body"] == {"accountEnabled": False}
        )

    def done(self) -> int:
        """How many times an account was blocked."""
        return sum(self.blocked().values())

    def grow(self, count: int) -> None:
        """More mailboxes, up to so many; and blocking an account takes a while from now on."""
        scene, whole = self.box.tenant.scene, tenant(count)
        users = scene["graph"]["users"]
        boxes = scene["exchange"]["Get-Mailbox"]
        self.box.tenant.apply_patch(
            {
                "graph": {"users": users + whole["graph"]["users"][len(users) :]},
                "exchange": {"Get-Mailbox": boxes + whole["exchange"]["Get-Mailbox"][len(boxes) :]},
                "faults": {"service": "graph", "match": "^PATCH ", "kind": "slow", "seconds": 0.3},
            }
        )

    async def wait_for_arrivals(self) -> None:
        """Wait until nothing more takes effect of what was sent: a block takes a third of a
        second, on a busy machine more.
        """
        before = -1
        while before != self.done():
            before = self.done()
            await asyncio.sleep(1.5)

    def unblock(self) -> None:
        """Somebody lets all of them sign in again."""
        for row in self.box.tenant.scene["graph"]["users"]:
            row["accountEnabled"] = True

    async def memory(self) -> GuardSnapshot:
        async with open_ledger(self.settings) as ledger:
            return await ledger.load(GUARD_NAME)

    async def lease(self) -> dict[str, Any]:
        async with open_ledger(self.settings) as ledger:
            return dict(await ledger.table.read_row(GUARD_NAME, "lease") or {})

    async def rows(self) -> dict[str, str]:
        """Every row of the table, with its version."""
        async with open_ledger(self.settings) as ledger:
            rows = [row async for row in ledger.table.client.list_entities()]
        return {f"{row['PartitionKey']} {row['RowKey']}": str(row.metadata["etag"]) for row in rows}

    def worker(self, *options: str) -> AbstractAsyncContextManager[Program]:
        """A run of the guard in a process of its own."""
        arguments = (str(self.file), GUARD_NAME, str(LEASE), *options)
        return start_program("tests.resilience.fuzz.worker:main", *arguments)

    @asynccontextmanager
    async def host(self) -> AsyncIterator[Program]:
        """An instance of the app, with timers of its own."""
        async with start_host(self.file) as program:
            await program.stdout.readline()
            yield program


@asynccontextmanager
async def staged(azurite: Azurite, folder: Path, count: int, **more: str) -> AsyncIterator[Stage]:
    async with Sandbox(tenant(count)) as box:
        environ = build_app_settings(box, azurite, OFF | {GUARD_NAME: "enforce"}) | {
            "STATE_TABLE": f"t{uuid.uuid4().hex}",
            "MANAGED_IDENTITY_CLIENT_ID": "",
            "CLIENT_SECRET": box.client_secret,
            **more,
        }
        file = folder / "settings.json"
        file.write_text(json.dumps(environ), encoding="utf-8")
        yield Stage(box, Settings.read(environ), file)


async def until(holds: Callable[[], bool]) -> None:
    """Waits; what never comes ends by the time-out of every test."""
    while not holds():
        await asyncio.sleep(0.02)


def stopped(process: Program) -> bool:
    """Whether the system says that a process is paused."""
    text = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8")
    return text.rpartition(")")[2].split()[0] == "T"


async def claim_ended(stage: Stage) -> None:
    """Waits for another process to do the whole run, as soon as the claim of the first is over."""
    while await stage.ran() == "busy":
        await asyncio.sleep(0.2)


# -- paused ------------------------------------------------------------------------------------


async def test_who_was_paused_before_a_change_until_another_took_over_writes_nothing(
    azurite: Azurite, tmp_path: Path
) -> None:
    async with staged(azurite, tmp_path, 2) as stage:
        assert await stage.ran() == "done"
        async with stage.worker("--halt") as paused:
            await until(lambda: stopped(paused))
            assert (stage.box.writes, len((await stage.memory()).changes)) == ([], 2)
            await claim_ended(stage)
            assert set(stage.blocked().values()) == {1}
            await check_nothing_more(stage, paused)


async def test_who_was_paused_within_a_change_until_another_took_over_does_not_go_on(
    azurite: Azurite, tmp_path: Path
) -> None:
    async with staged(azurite, tmp_path, 2) as stage:
        assert await stage.ran() == "done"
        # The look at the account, right before it is blocked, takes a while.
        look = f"^GET /v1.0/users/{build_account_id(0)}"
        fault = {"service": "graph", "match": look, "kind": "slow", "seconds": 1.5, "times": 1}
        stage.box.tenant.faults.load([fault])
        async with stage.worker() as paused:
            await until(lambda: stage.box.tenant.faults.rows[0].strike_count == 1)
            paused.send_signal(signal.SIGSTOP)
            await until(lambda: stopped(paused))
            assert stage.blocked()[build_account_id(0)] == 0
            await claim_ended(stage)
            await check_nothing_more(stage, paused)


async def check_nothing_more(stage: Stage, paused: Program) -> None:
    """All was done by another, and a person undid it: the one that wakes up changes nothing."""
    stage.unblock()
    written, cards, rows = list(stage.box.writes), len(stage.box.cards), await stage.rows()
    paused.send_signal(signal.SIGCONT)
    assert await paused.wait() == 3
    assert (stage.box.writes, len(stage.box.cards)) == (written, cards)
    assert await stage.rows() == rows


# -- at the same second, killed, shut down -----------------------------------------------------


@pytest.mark.timeout(180)
async def test_two_hosts_whose_timers_fire_together_change_once_killed_or_shut_down(
    azurite: Azurite, tmp_path: Path
) -> None:
    every = {
        f"{get_setting_prefix(GUARD_NAME)}_SCHEDULE": "*/2 * * * * *",
        f"{get_setting_prefix(GUARD_NAME)}_LIMIT": "100",
    }
    async with staged(azurite, tmp_path, 6, **every) as stage:
        box = stage.box
        async with stage.host() as first, stage.host() as second:
            await until(lambda: stage.done() == 6 and len(box.cards) >= 2)
            # Both fire again, and find nothing to do.
            await asyncio.sleep(2.5)
            assert (stage.done(), len(box.cards)) == (6, 2)
            stage.grow(12)
            await until(lambda: stage.done() >= 8)
            first.kill()
            second.kill()
        # What was on its way arrives long before a lease runs out, which takes a minute.
        await stage.wait_for_arrivals()
        assert stage.done() < 12
        connection = stage.settings["STATE_CONNECTION_STRING"]
        async with TableClient.from_connection_string(
            connection, table_name=stage.settings["STATE_TABLE"]
        ) as table:
            await expire_lease(table, GUARD_NAME)
        async with stage.host() as third, stage.host() as fourth:
            await until(lambda: stage.done() == 12)
            stage.grow(18)
            await until(lambda: stage.done() >= 14)
            third.send_signal(signal.SIGTERM)
            fourth.send_signal(signal.SIGTERM)
            assert [await third.wait(), await fourth.wait()] == [0, 0]
        # Who is asked to end lets its claim go at once, and what it had sent is on its way too.
        await stage.wait_for_arrivals()
        assert stage.done() < 18
        # The claim was let go: nobody has to wait for its end.
        assert (await stage.lease())["until"] == RELEASED_UNTIL
        assert await stage.ran() == "done"
        assert set(stage.blocked().values()) == {1}
        assert stage.done() == 18
        memory = await stage.memory()
        assert {change.state for change in memory.changes} == {ChangeState.APPLIED}
        assert not [case for case in memory.cases.values() if case.notification]
