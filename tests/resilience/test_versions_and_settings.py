"""Another version, other settings, another webhook, another tenant: during a run or after it.

What a newer version wrote and this one does not know is left as it is and told, and nothing is
changed while it is there. Settings are read once a run. What an old webhook no longer takes goes to
the new one. A table belongs to one tenant.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from core.adapters.table_storage.ledger import TableLedger
from core.bootstrap import open_ledger
from core.config.settings import Settings
from core.engine.run import create_run_id, run
from core.errors import LedgerError
from core.jobs.run_requests import RunMessage, process_run_message
from core.model.cases import Exemption
from core.model.guards import GuardConfig, Mode
from core.model.requests import OperatorRequest, RequestKind
from core.model.runs import RunReport
from core.model.state import GuardState
from core.notifications.run_cards import build_cards
from core.ports import World
from core.tenant.port import Tenant
from sandbox.functions_host.azurite import Azurite
from tests.resilience.generators.deployed import SIGN_IN, deployed
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import DAY
from tests.support.synthetic_guard import (
    ALERT_CONFIG,
    ENFORCE_CONFIG,
    EngineHarness,
    SyntheticTenant,
)

THIEVES = {"m3": "thief", "m31": "crook"}


@dataclass
class Told:
    """A guard of toys whose memory is a real table."""

    table: TableClient
    ledger: TableLedger
    toy: SyntheticTenant
    alerts: FakeNotificationChannel
    clock: Clock

    async def tick(
        self, duty: GuardConfig = ENFORCE_CONFIG, shard_above: int | None = None
    ) -> RunReport:
        world = World(
            cast(Tenant, self.toy),
            self.ledger,
            self.alerts,
            self.clock,
            build_cards,
            shard_above=shard_above,
        )
        report = await run(duty, world)
        self.clock.advance(minutes=15)
        return report

    async def row(self, key: str) -> dict[str, Any]:
        found = await self.ledger.table.read_row("toy", key)
        assert found
        return dict(found)

    async def rows(self, kind: str) -> list[str]:
        found = await self.ledger.table.query_key_range("toy", f"{kind}|", f"{kind}}}")
        return [row["RowKey"] for row in found]

    async def another_version(self, key: str, **change: object) -> dict[str, Any]:
        """The row as a later version would have written it: one more field in its body."""
        row = await self.row(key)
        name = "state" if key == "lease" else "body"
        row[name] = json.dumps(json.loads(row[name]) | {"since_next_year": 1})
        await self.table.update_entity(row | change, mode=UpdateMode.REPLACE)
        return row


@asynccontextmanager
async def remembered(azurite: Azurite) -> AsyncIterator[Told]:
    """A guard that has taken stock of a clean tenant, in which something is wrong now."""
    async with TableClient.from_connection_string(
        azurite.connection_string, table_name=f"t{uuid.uuid4().hex}", retry_total=0
    ) as table:
        told = Told(
            table,
            TableLedger(table, tenant="t1"),
            SyntheticTenant(40),
            FakeNotificationChannel(),
            Clock(),
        )
        await told.tick()
        told.toy.forwards = dict(THIEVES)
        yield told


# -- another version ---------------------------------------------------------------------------


async def test_a_state_of_a_newer_version_is_left_alone_and_told_and_nothing_is_changed(
    azurite: Azurite,
) -> None:
    async with remembered(azurite) as told:
        newer = await told.another_version("lease")
        for _ in range(3):
            assert (await told.tick()).status == "done"
        assert (await told.row("lease"))["state"] == newer["state"]
        assert told.toy.writes == []
        cards = str(told.alerts.sent)
        assert "cannot be decoded" in cards
        assert all(f"{name} forwards" in cards for name in THIEVES)
        with pytest.raises(LedgerError, match="not written by this version"):
            await told.tick(shard_above=10)
        old = json.loads(newer["state"])
        del old["since_next_year"]
        row = await told.row("lease") | {"state": json.dumps(old)}
        await told.table.update_entity(row, mode=UpdateMode.REPLACE)
        await told.tick()
        assert sorted(told.toy.writes) == sorted(THIEVES)


async def test_an_exemption_of_a_newer_version_keeps_the_guard_from_changing_anything(
    azurite: Azurite,
) -> None:
    async with remembered(azurite) as told:
        async with told.ledger.claim("toy", "r") as claim:
            assert claim
            await claim.save(Exemption("m3", "Dana", "a partner", START + 30 * DAY))
        (key,) = await told.rows("exempt")
        newer = await told.another_version(key)
        for _ in range(2):
            await told.tick()
        assert "rows of the state table cannot be decoded" in str(told.alerts.sent)
        assert told.toy.writes == []
        assert (await told.row(key))["body"] == newer["body"]


@pytest.mark.parametrize("duty", [ALERT_CONFIG, ENFORCE_CONFIG], ids=lambda duty: str(duty.mode))
async def test_a_case_of_a_newer_version_is_not_told_again_and_again(
    azurite: Azurite, duty: GuardConfig
) -> None:
    async with remembered(azurite) as told:
        await told.tick(ALERT_CONFIG)
        keys = await told.rows("case")
        assert len(keys) == 2
        newer = [await told.another_version(key) for key in keys]
        await told.tick(duty)
        cards = len(told.alerts.sent)
        for _ in range(3):
            await told.tick(duty)
        assert len(told.alerts.sent) == cards
        assert told.toy.writes == []
        assert [(await told.row(key))["body"] for key in keys] == [row["body"] for row in newer]


# -- settings ----------------------------------------------------------------------------------


async def ticket(settings: Settings, mode: Mode | None = None) -> RunMessage:
    """The message of a run that an operator asked for, with its rows as the API writes them."""
    now = datetime.now(UTC)
    request = OperatorRequest(
        create_run_id(now), RequestKind.RUN, "", "Dana", "to see", now, mode=mode
    )
    async with open_ledger(settings) as ledger:
        await ledger.add_request(SIGN_IN, request)
        await ledger.save_run_status(SIGN_IN, request.id, {"status": "queued"})
    return RunMessage(SIGN_IN, request.id, now, runs_guard=True)


async def process(message: RunMessage, settings: Settings) -> RunReport:
    """The report of a message that is not refused."""
    report = await process_run_message(message, settings)
    assert report
    return report


async def test_runs_asked_for_in_one_moment_take_turns_and_each_address_tells_what_became(
    azurite: Azurite,
) -> None:
    async with deployed(azurite) as (box, environ):
        settings = Settings.read(environ)
        await process(await ticket(settings), settings)
        asked = [await ticket(settings, mode) for mode in (None, None, Mode.ALERT)]
        await asyncio.gather(*(process(one, settings) for one in asked[:2]))
        assert len([write for write in box.writes if "revoke" not in str(write)]) == 1
        async with open_ledger(settings) as ledger:
            known = [await ledger.get_run(SIGN_IN, one.run) for one in asked[:2]]
        assert [one and one["status"] for one in known] == ["done", "done"]
        written = len(box.writes)
        box.tenant.scene["graph"]["users"][0]["accountEnabled"] = True
        assert (await process(asked[2], settings)).mode is Mode.ALERT
        assert len(box.writes) == written


async def test_a_run_asked_for_while_the_guard_is_held_waits_a_moment_and_not_for_ever(
    azurite: Azurite,
) -> None:
    async with deployed(azurite) as (_, environ):
        settings = Settings.read(environ)
        early, late = await ticket(settings), await ticket(settings)
        async with open_ledger(settings) as ledger:
            async with ledger.claim(SIGN_IN, "somebody"):
                waits = asyncio.create_task(process(early, settings))
                await asyncio.sleep(1)
                assert not waits.done()
            assert (await waits).status == "done"
            async with ledger.claim(SIGN_IN, "somebody"):
                assert (await process(late, settings)).status == "busy"
            known = await ledger.get_run(SIGN_IN, late.run)
        assert known is not None
        assert known["status"] == "busy"


async def test_a_run_goes_by_the_settings_it_began_with(azurite: Azurite) -> None:
    async with deployed(azurite) as (box, environ):
        settings = Settings.read(environ)
        environ["SHARED_MAILBOX_SIGN_IN_MODE"] = "off"
        assert (await process(await ticket(settings), settings)).delivered
        # What exists, and that the request was carried out.
        assert len(box.cards) == 2
        settings = Settings.read(environ)
        assert (await process(await ticket(settings), settings)).status == "off"


async def test_what_an_old_webhook_no_longer_took_goes_to_the_new_one() -> None:
    stage = EngineHarness(SyntheticTenant(40), ALERT_CONFIG)
    await stage.run_timer()
    stage.tenant.forwards = dict(THIEVES) | {"m5": "thief", "m6": "thief"}
    old, new = FakeNotificationChannel(capacity=1), FakeNotificationChannel()
    for alerts in (old, old, new, new):
        stage.notification_channel = alerts
        await stage.run_timer()
    assert len(old.sent) == 1
    # The cases of one target are one entry, which lists the mailboxes by address.
    for name in stage.tenant.forwards:
        said = [f"{name}@x" in str(card) for card in (*old.sent, *new.sent)]
        assert sum(said) == 1, name


# -- another tenant ----------------------------------------------------------------------------


async def test_a_table_of_another_tenant_is_refused_with_the_remedy(azurite: Azurite) -> None:
    async with remembered(azurite) as told:
        before = await told.row("lease")
        told.ledger = TableLedger(told.table, tenant="T2")
        with pytest.raises(LedgerError, match="STATE_TABLE"):
            await told.tick()
        with pytest.raises(LedgerError, match="tenant t1"):
            await told.ledger.load("toy")
        assert (told.toy.writes, await told.row("lease")) == ([], before)
        told.ledger = TableLedger(told.table, tenant="T1")
        assert (await told.tick()).status == "done"


async def test_a_table_that_no_tenant_is_noted_in_yet_is_taken_over(azurite: Azurite) -> None:
    async with remembered(azurite) as told:
        row = await told.row("lease")
        del row["tenant"]
        await told.table.update_entity(row, mode=UpdateMode.REPLACE)
        assert (await told.tick()).status == "done"
        assert (await told.row("lease"))["tenant"] == "t1"
        assert (await told.ledger.load_state("toy")) != GuardState()


async def test_two_deployments_with_tables_of_their_own_do_not_meet(azurite: Azurite) -> None:
    async with deployed(azurite) as (_, environ):
        settings = Settings.read(environ)
        await process(await ticket(settings), settings)
        other = Settings.read(environ | {"TENANT_ID": "00000000-0000-4000-8000-00000000beef"})
        with pytest.raises(LedgerError, match="another table"):
            async with open_ledger(other) as ledger:
                await ledger.load(SIGN_IN)
        async with open_ledger(
            replace(other, values={**other.values, "STATE_TABLE": f"t{uuid.uuid4().hex}"})
        ) as ledger:
            assert (await ledger.load(SIGN_IN)).state == GuardState()
