"""A tenant in shards on two real worker processes, killed in their work: nothing lost or doubled.

The hosts run the production worker library, share one Azurite whose data is on disk, and look at
one simulated tenant. What is killed is killed with SIGKILL in the middle of its work.
"""

import asyncio
import json
import os
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from core.bootstrap import open_ledger
from core.config.settings import Settings
from core.model.cases import Case
from core.model.state import GuardState
from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox

ROOT = Path(__file__).resolve().parents[2]
GUARD = "mailbox-forwarding"
SIZE = 2_100  # Five shards.
ATTACKED = range(0, SIZE, 120)
OFF = {"shared-mailbox-sign-in": "off", "mailbox-audit": "off"}


def object_id(number: int) -> str:
    return f"{number:08d}-0000-4000-8000-{number:012d}"


def mailbox(number: int) -> dict[str, Any]:
    return {
        "ExternalDirectoryObjectId": object_id(number),
        "Guid": f"{number:08d}-1111-4000-8000-{number:012d}",
        "PrimarySmtpAddress": f"user{number}@contoso.com",
        "UserPrincipalName": f"user{number}@contoso.com",
        "RecipientTypeDetails": "UserMailbox",
    }


def rule(number: int) -> dict[str, Any]:
    target = {"emailAddress": {"address": f"thief{number}@evil.example"}}
    return {
        "id": "r1",
        "displayName": ".",
        "sequence": 1,
        "isEnabled": True,
        "actions": {"redirectTo": [target]},
    }


SCENE: dict[str, Any] = {
    "graph": {
        "users": [
            {"id": object_id(n), "userPrincipalName": f"user{n}@contoso.com", "userType": "Member"}
            for n in range(SIZE)
        ],
        "domains": [{"id": "contoso.com", "isVerified": True}],
        "messageRules": {},
    },
    "exchange": {"Get-Mailbox": [mailbox(n) for n in range(SIZE)]},
}
ATTACK = {"graph": {"messageRules": {object_id(n): [rule(n)] for n in ATTACKED}}}


@dataclass(frozen=True)
class Worker:
    """A host in a process of its own."""

    process: asyncio.subprocess.Process
    base: str
    key: str

    async def plan(self, guard: str = GUARD) -> None:
        """The timer of the guard, now."""
        async with ClientSession() as session:
            address = f"{self.base}/admin/functions/{guard}"
            headers = {"x-functions-key": self.key}
            async with session.post(address, json={"input": ""}, headers=headers) as answer:
                assert answer.status == 202


@asynccontextmanager
async def worker(settings: Path) -> AsyncIterator[Worker]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sandbox.functions_host.host", "--app", str(ROOT), "--settings", str(settings)),
        *("--no-schedules", "--visibility", "6"),
        cwd=ROOT,
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout
    try:
        ready = json.loads(await process.stdout.readline())
        yield Worker(process, ready["base"], ready["keys"]["master"])
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@dataclass
class Stage:
    """What the test sees of the tenant and of the state."""

    box: Sandbox
    settings: Settings

    async def state(self) -> GuardState:
        async with open_ledger(self.settings) as ledger:
            return await ledger.load_state(GUARD)

    async def round(self) -> str:
        """The round under way; "" for none."""
        under_way = (await self.state()).scan_pass
        return under_way.id if under_way else ""

    async def done(self) -> int:
        """How many shards of the round under way are done."""
        under_way = await self.round()
        async with open_ledger(self.settings) as ledger:
            shards = await ledger.load_shards(GUARD)
        return sum(held.shard.done and held.shard.pass_id == under_way for held in shards.values())

    async def busy(self) -> bool:
        """Whether somebody works on a shard."""
        async with open_ledger(self.settings) as ledger:
            return any(held.is_claimed for held in (await ledger.load_shards(GUARD)).values())

    async def played(self, by: Worker) -> None:
        """One round from its plan to its end."""
        await by.plan()
        while not await self.round():
            await asyncio.sleep(0.02)
        while await self.round():
            await asyncio.sleep(0.05)

    async def cases(self) -> list[Case]:
        """All cases, once nobody holds the guard any more."""
        while True:
            async with open_ledger(self.settings) as ledger, ledger.claim(GUARD, "test") as claim:
                if claim:
                    return list((await claim.load()).cases.values())
            await asyncio.sleep(0.2)

    def told(self) -> Counter[str]:
        """How often each mailbox was named on a card."""
        text = json.dumps(self.box.cards).replace("\\", "")
        return Counter(re.findall(r"rule of (user\d+)@", text))


@pytest.mark.timeout(300)
async def test_workers_that_are_killed_leave_nothing_out_and_tell_nothing_twice(
    tmp_path: Path,
) -> None:
    async with Azurite(tmp_path / "azurite") as azurite, Sandbox(SCENE, latency=0.05) as box:
        environ = build_app_settings(box, azurite, OFF) | {
            "SHARD_ABOVE": "1000",
            "SHARDS_AT_ONCE": "2",
        }
        settings = tmp_path / "settings.json"
        settings.write_text(json.dumps(environ), encoding="utf-8")
        stage = Stage(box, Settings.read(environ))
        async with worker(settings) as first, worker(settings) as second:
            await stage.played(first)
            assert await stage.cases() == []
            assert box.cards == []
            box.tenant.apply_patch(ATTACK)
            await second.plan()
            while not (await stage.done() and await stage.busy()):
                await asyncio.sleep(0.01)
            first.process.kill()
            second.process.kill()
        assert await stage.round()
        async with worker(settings) as third, worker(settings):
            while await stage.round():
                await asyncio.sleep(0.2)
            cases = await stage.cases()
            assert {case.subject for case in cases} == {f"user{n}@contoso.com" for n in ATTACKED}
            assert len(cases) == len(ATTACKED)
            assert all(
                case.closed_at is None and case.notified_at and not case.notification
                for case in cases
            )
            assert stage.told() == Counter(f"user{n}" for n in ATTACKED)
            cards = len(box.cards)
            await stage.played(third)
            assert await stage.cases() == cases
            assert len(box.cards) == cards
