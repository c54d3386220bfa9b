"""Containments and what is kept of their accounts, in memory and in a table."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio

from core.adapters.table_storage.entities import build_containment_entity
from core.model.audit_queries import AuditSearch, CauseWish, SearchState, WishedCase
from core.model.containment import (
    AccountBundle,
    Containment,
    ContainmentState,
    ContainmentStep,
    StepState,
    StoredBundles,
    StoredContainments,
)
from core.model.requests import OperatorRequest, RequestKind, RequestState
from core.ports import ACTIVITY_PARTITION, CHANNEL_PARTITION, CONTAINMENT_PARTITION, Ledger
from core.tenant.audit_queries import AuditQuestion
from sandbox.functions_host.azurite import Azurite
from tests.support.fakes.clock import START, Clock
from tests.support.fakes.ledger import FakeLedger
from tests.support.ledgers import open_table_ledger


@pytest_asyncio.fixture(params=["fake", "table"])
async def ledger(request: pytest.FixtureRequest, azurite: Azurite) -> AsyncIterator[Ledger]:
    """Both implementations of the port."""
    if request.param == "fake":
        yield FakeLedger(Clock())
    else:
        async with open_table_ledger(azurite) as real:
            yield real


PLAN = Containment(
    id="30708439043000-5e3aa1c7",
    account_id="11111111-0000-4000-8000-000000000001",
    account_name="mia@example.com",
    requested_by="Ann",
    reason="she clicked",
    planned_at=START,
    steps=(
        ContainmentStep(
            "block-sign-in",
            "block",
            '["BlockAccount", {"account_id": "x"}]',
            prior={"accountEnabled": True},
            at=START,
        ),
    ),
    remarks=("a shared mailbox",),
    plan_hash="0" * 32,
)
BUNDLE = AccountBundle(PLAN.id, PLAN.account_id, START, "evidence", "f" * 64, '{"é": 1}')


async def test_a_containment_is_read_as_it_was_saved_the_newest_first(ledger: Ledger) -> None:
    newer = replace(PLAN, id="30708439042000-5e3aa1c7")
    async with ledger.claim(CONTAINMENT_PARTITION, "r1") as claim:
        assert claim
        await claim.save(PLAN, newer)
        step = replace(PLAN.steps[0], state=StepState.DONE, before={"accountEnabled": True})
        done = replace(PLAN, state=ContainmentState.DONE, steps=(step,), blocked_at=START)
        await claim.save(done, BUNDLE)
    assert await ledger.load_containments() == StoredContainments((newer, done))
    assert await ledger.load_bundle(PLAN.id) == BUNDLE
    assert await ledger.load_bundle("30708439042000-5e3aa1c7") is None


async def test_one_that_cannot_be_decoded_is_named_and_keeps_no_other_from_being_read(
    azurite: Azurite,
) -> None:
    async with open_table_ledger(azurite) as ledger:
        async with ledger.claim(CONTAINMENT_PARTITION, "r1") as claim:
            assert claim
            await claim.save(PLAN)
        entity = build_containment_entity(CONTAINMENT_PARTITION, PLAN)
        for key, change in (
            ("contain|half", {"body": '{"id":'}),
            ("contain|later", {"v": 999}),
            # The body of another row.
            ("contain|moved", {}),
        ):
            await ledger.table.client.upsert_entity({**entity, "RowKey": key, **change})
        stored = await ledger.load_containments()
        assert stored.containments == (PLAN,)
        assert sorted(stored.unreadable_ids) == ["half", "later", "moved"]


async def test_who_claims_containments_finds_no_row_that_cannot_be_read(ledger: Ledger) -> None:
    for run in ("r1", "r2"):
        async with ledger.claim(CONTAINMENT_PARTITION, run) as claim:
            assert claim
            found = await claim.load()
            assert (found.unreadable_rows, found.rows_differ) == (0, "")
            await claim.save(PLAN, BUNDLE)


async def test_each_edition_of_what_was_kept_stays_as_it_was(ledger: Ledger) -> None:
    later = replace(BUNDLE, edition=2, digest="e" * 64, body="{}", at=START + timedelta(hours=1))
    last = replace(BUNDLE, edition=11, digest="d" * 64, at=START + timedelta(hours=2))
    other = replace(BUNDLE, id="30708439042000-5e3aa1c7")
    async with ledger.claim(CONTAINMENT_PARTITION, "r1") as claim:
        assert claim
        await claim.save(BUNDLE, later, last, other)
    assert await ledger.load_bundle(PLAN.id) == last
    assert [await ledger.load_bundle(PLAN.id, one) for one in (1, 2, 3)] == [BUNDLE, later, None]
    stored = await ledger.load_bundles(START, START + timedelta(hours=2))
    assert stored == StoredBundles((other, BUNDLE, later))


async def test_searches_for_accounts_are_apart_from_those_for_causes(ledger: Ledger) -> None:
    question = AuditQuestion(START - timedelta(days=7), START, ("Set-Mailbox",), ("ann@x.example",))
    search = AuditSearch("s1", PLAN.account_id, question, START, ("k1",), SearchState.RUNNING, "q1")
    ended = replace(search, key="s2", ended_at=START - timedelta(days=20))
    wish = CauseWish("mailbox-audit", START, (WishedCase("k1", "audit-bypass", START),))
    async with ledger.claim(CONTAINMENT_PARTITION, "r1") as claim:
        assert claim
        await claim.save(search)
    async with ledger.claim(ACTIVITY_PARTITION, "r1") as claim:
        assert claim
        await claim.save(ended)
    await ledger.save_wish(wish)
    assert await ledger.load_account_searches() == {"s1": search}
    state = await ledger.load_activity()
    assert (state.searches, state.wishes) == ({"s2": ended}, {"mailbox-audit": wish})
    await ledger.purge_acts(START)
    assert (await ledger.load_activity()).searches == {}
    assert await ledger.load_account_searches() == {"s1": search}


async def test_containments_are_apart_from_what_guards_store(ledger: Ledger) -> None:
    async with ledger.claim(CONTAINMENT_PARTITION, "r1") as claim:
        assert claim
        await claim.save(PLAN)
    async with ledger.claim(CONTAINMENT_PARTITION, "r2") as claim:
        assert claim
        assert (await claim.load()).rows_differ == ""


async def test_what_is_over_goes_after_400_days(ledger: Ledger) -> None:
    old = replace(PLAN, id="30708439049000-5e3aa1c7", planned_at=START - timedelta(days=500))
    async with ledger.claim(CONTAINMENT_PARTITION, "r1") as claim:
        assert claim
        await claim.save(PLAN, old, replace(BUNDLE, id=old.id, at=old.planned_at))
    await ledger.purge_containments(START + timedelta(days=1))
    assert await ledger.load_containments() == StoredContainments((PLAN,))
    assert await ledger.load_bundle(old.id) is None


async def test_tests_of_channels_go_after_their_time_and_their_results_before(
    ledger: Ledger,
) -> None:
    test = OperatorRequest(
        "30708439042000-5e3aa1c7", RequestKind.TEST_CHANNELS, "", "Ann", "to see", START
    )
    done = replace(test, state=RequestState.DONE, ended_at=START - timedelta(days=500))
    waiting = replace(test, id="30708439042000-5e3aa1c8")
    for request in (done, waiting):
        await ledger.add_request(CHANNEL_PARTITION, request)
    await ledger.save_run_status(CHANNEL_PARTITION, waiting.id, {"status": "done", "results": []})
    await ledger.purge_channel_tests(START)
    assert await ledger.get_request(CHANNEL_PARTITION, done.id) is None
    assert await ledger.get_request(CHANNEL_PARTITION, waiting.id) == waiting
    assert await ledger.get_run(CHANNEL_PARTITION, waiting.id) == {"status": "done", "results": []}
