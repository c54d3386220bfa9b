"""A real worker process, killed with SIGKILL in the middle of a change, a card and an undo.

The host runs the production worker library; the state is in an Azurite whose data is on disk, the
tenant answers over HTTP. A request that hangs, before it was carried out or after, is the moment at
which the process is killed; another worker goes on.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from azure.data.tables.aio import TableClient

from core.bootstrap import open_ledger
from core.config.settings import Settings
from core.engine.decision_context import IN_EFFECT_STATES
from core.model.changes import ChangeState
from core.model.state import GuardSnapshot
from sandbox.functions_host.azurite import Azurite
from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox
from tests.support.hosted_app import (
    HostProcess,
    build_account_id,
    build_mailbox_row,
    expire_lease,
    start_host_process,
)

GUARD = "shared-mailbox-sign-in"
MODES = {GUARD: "enforce", "mailbox-forwarding": "off", "mailbox-audit": "off"}


@dataclass(frozen=True)
class Moment:
    """When the process is killed: at this request, which was carried out or was not."""

    match: str
    late: bool
    service: str = "graph"

    def fault(self) -> Mapping[str, object]:
        """The request hangs, once."""
        return {
            "service": self.service,
            "match": self.match,
            "late": self.late,
            "kind": "hang",
            "times": 1,
        }


MOMENTS = (
    Moment(r"PATCH .*/users/", late=False),
    Moment(r"PATCH .*/users/", late=True),
    Moment(r"POST .*revokeSignInSessions", late=False),
    Moment("POST", late=True, service="teams"),
)
UNDOING = Moment(r"PATCH .*/users/", late=True)
SIZE = len(MOMENTS)
SCENE: dict[str, Any] = {
    "graph": {
        "users": [
            {
                "id": build_account_id(number),
                "userPrincipalName": f"user{number}@contoso.com",
                "accountEnabled": False,
                "createdDateTime": "2024-02-05T08:00:00Z",
                # Set lately, so that a block ends the sessions as well.
                "lastPasswordChangeDateTime": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "assignedPlans": [],
                "assignedLicenses": [],
                "userType": "Member",
            }
            for number in range(SIZE)
        ],
        "domains": [{"id": "contoso.com", "isVerified": True}],
    },
    "exchange": {
        "Get-Mailbox": [
            {**build_mailbox_row(number), "RecipientTypeDetails": "SharedMailbox"}
            for number in range(SIZE)
        ]
    },
}


@dataclass
class Stage:
    """What the test sees of the tenant, the state and the channel."""

    box: Sandbox
    settings: Settings

    def account(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.box.tenant.graph["users"][number]
        return found

    async def memory(self) -> GuardSnapshot:
        """What the guard remembers."""
        async with open_ledger(self.settings) as ledger:
            return await ledger.load(GUARD)

    async def ticked(self, by: HostProcess) -> None:
        """One run of the timer, to its end."""
        async with open_ledger(self.settings) as ledger:
            before = {run["run"] for run in await ledger.list_recent_runs(GUARD, 50)}
            await by.start_timer(GUARD)
            while True:
                runs = await ledger.list_recent_runs(GUARD, 1)
                if runs and runs[0]["run"] not in before and runs[0]["status"] == "done":
                    break
                await asyncio.sleep(0.05)
            while True:
                async with ledger.claim(GUARD, "the test") as claim:
                    if claim:
                        return
                await asyncio.sleep(0.05)

    async def killed(self, by: HostProcess, moment: Moment) -> None:
        """The worker dies at that request; its lease runs out."""
        (fault,) = self.box.tenant.faults.rows
        while not fault.strike_count:
            await asyncio.sleep(0.02)
        by.process.kill()
        await by.process.wait()
        self.box.tenant.set_faults([])
        connection, name = self.settings["STATE_CONNECTION_STRING"], self.settings["STATE_TABLE"]
        async with TableClient.from_connection_string(connection, table_name=name) as table:
            await expire_lease(table, GUARD)

    async def undone(self, by: HostProcess, change: str) -> None:
        """A person asks for a change to be taken back."""
        address = f"{by.base}/api/changes/{GUARD}/{change}/undo"
        headers = {"x-functions-key": by.key}
        body = {"who": "Dana", "why": "it is needed"}
        async with (
            ClientSession() as session,
            session.post(address, json=body, headers=headers) as answer,
        ):
            assert answer.status == 202, await answer.text()

    def writes(self, number: int) -> Counter[str]:
        """What was written to an account, by the last part of its address."""
        name = build_account_id(number)
        lines = [json.dumps(one) for one in self.box.writes]
        return Counter("revoke" if "revoke" in line else "patch" for line in lines if name in line)


@pytest.mark.timeout(300)
async def test_a_worker_killed_within_a_change_a_card_or_an_undo_leaves_nothing_undone_or_untold(
    tmp_path: Path,
) -> None:
    async with Azurite(tmp_path / "azurite") as azurite, Sandbox(SCENE) as box:
        environ = build_app_settings(box, azurite, MODES)
        path = tmp_path / "settings.json"
        path.write_text(json.dumps(environ), encoding="utf-8")
        stage = Stage(box, Settings.read(environ))
        for number, moment in enumerate(MOMENTS):
            async with start_host_process(path) as one:
                await stage.ticked(one)
                stage.account(number)["accountEnabled"] = True
                box.tenant.set_faults([moment.fault()])
                await one.start_timer(GUARD)
                await stage.killed(one, moment)
        async with start_host_process(path) as one:
            await stage.ticked(one)
            memory = await stage.memory()
            check_blocked(stage, memory)
            (made, *_) = memory.changes
            box.tenant.set_faults([UNDOING.fault()])
            await stage.undone(one, made.id)
            await stage.killed(one, UNDOING)
        async with start_host_process(path) as one:
            await stage.ticked(one)
            await check_undone(stage, made.id)
            quiet = (len(box.writes), len(box.cards))
            await stage.ticked(one)
            assert (len(box.writes), len(box.cards)) == quiet


def check_blocked(stage: Stage, memory: GuardSnapshot) -> None:
    """Every account is blocked once and signed out, and all of it is told."""
    said = json.dumps(stage.box.cards)
    assert len(memory.cases) == SIZE
    for case in memory.cases.values():
        assert (case.resolution, case.notification) == ("done", "")
        assert case.notified_at
        assert f"case {case.short_key}" in said
    assert all(record.state in IN_EFFECT_STATES for record in memory.changes)
    for number in range(SIZE):
        assert stage.account(number)["accountEnabled"] is False
        assert stage.writes(number)["patch"] == 1
        assert stage.writes(number)["revoke"] >= 1


async def check_undone(stage: Stage, change: str) -> None:
    """One account may sign in again, its change is taken back, and that was told once."""
    memory = await stage.memory()
    enabled = [number for number in range(SIZE) if stage.account(number)["accountEnabled"]]
    assert len(enabled) == 1
    (original,) = (record for record in memory.changes if record.id == change)
    (back,) = (record for record in memory.changes if record.undo_of == change)
    assert original.undone_at
    assert back.state is ChangeState.APPLIED
    assert json.dumps(stage.box.cards).count("**Undone**") == 1
