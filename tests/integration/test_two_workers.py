"""A tenant in shards on two real worker processes, killed in their work: nothing lost or doubled.

The hosts run the production worker library, share one Azurite whose data is on disk, and look at
one simulated tenant. What is killed is killed with SIGKILL in the middle of its work.
"""

import asyncio
import json
import re
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.bootstrap import open_ledger
from core.config.settings import Settings
from core.model.cases import Case
from core.ports import Ledger
from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox
from tests.support.hosted_app import (
    HOSTED_GUARD,
    HostProcess,
    build_account_id,
    build_mailbox_row,
    start_host_process,
)

ROOT = Path(__file__).resolve().parents[2]
SIZE = 2_100  # Five shards.
ATTACKED = range(0, SIZE, 150)  # Some in each shard; all fit on one card, which counts the rest.
OFF = {"shared-mailbox-sign-in": "off", "mailbox-audit": "off"}


def rule(number: int) -> dict[str, Any]:
    target = {"emailAddress": {"address": f"thief@evil{number}.example"}}
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
            {
                "id": build_account_id(n),
                "userPrincipalName": f"user{n}@contoso.com",
                "userType": "Member",
            }
            for n in range(SIZE)
        ],
        "domains": [{"id": "contoso.com", "isVerified": True}],
        "messageRules": {},
    },
    "exchange": {"Get-Mailbox": [build_mailbox_row(n) for n in range(SIZE)]},
}
ATTACK = {"graph": {"messageRules": {build_account_id(n): [rule(n)] for n in ATTACKED}}}


@dataclass
class Stage:
    """What the test sees of the tenant and of the state."""

    box: Sandbox
    ledger: Ledger

    async def round(self) -> str:
        """The round under way; "" for none."""
        under_way = (await self.ledger.load_state(HOSTED_GUARD)).scan_pass
        return under_way.id if under_way else ""

    async def done(self) -> int:
        """How many shards of the round under way are done."""
        under_way = await self.round()
        shards = await self.ledger.load_shards(HOSTED_GUARD)
        return sum(held.shard.done and held.shard.pass_id == under_way for held in shards.values())

    async def busy(self) -> bool:
        """Whether somebody works on a shard."""
        shards = await self.ledger.load_shards(HOSTED_GUARD)
        return any(held.is_claimed for held in shards.values())

    async def played(self, by: HostProcess) -> None:
        """One round from its plan to its end."""
        await by.start_timer()
        while not await self.round():
            await asyncio.sleep(0.1)
        while await self.round():
            await asyncio.sleep(0.25)

    async def cases(self) -> list[Case]:
        """All cases, once nobody holds the guard any more."""
        while True:
            async with self.ledger.claim(HOSTED_GUARD, "test") as claim:
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
    async with AsyncExitStack() as stack:
        azurite = await stack.enter_async_context(Azurite(tmp_path / "azurite"))
        box = await stack.enter_async_context(Sandbox(SCENE, latency=0.05))
        environ = build_app_settings(box, azurite, OFF) | {
            "SHARD_ABOVE": "1000",
            "SHARDS_AT_ONCE": "2",
        }
        settings = tmp_path / "settings.json"
        settings.write_text(json.dumps(environ), encoding="utf-8")
        ledger = await stack.enter_async_context(open_ledger(Settings.read(environ)))
        stage = Stage(box, ledger)
        async with (
            start_host_process(settings) as first,
            start_host_process(settings) as second,
        ):
            await stage.played(first)
            assert await stage.cases() == []
            assert box.cards == []
            box.tenant.apply_patch(ATTACK)
            await second.start_timer()
            while not (await stage.done() and await stage.busy()):
                await asyncio.sleep(0.01)
            first.process.kill()
            second.process.kill()
        assert await stage.round()
        async with (
            start_host_process(settings) as third,
            start_host_process(settings),
        ):
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
