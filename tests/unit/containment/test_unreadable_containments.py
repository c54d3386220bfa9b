"""The row of a containment that cannot be decoded is told by name and left as it is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from core.jobs.containment import has_work
from core.jobs.containment_news import UNREADABLE
from core.model.containment import Containment, ContainmentState
from core.model.findings import Severity
from core.model.requests import RequestKind, RequestState
from core.notifications.containment_card import build_unreadable_card
from core.notifications.containment_notice import build_unreadable_notice
from core.ports import CONTAINMENT_PARTITION
from core.status.containment_texts import MAX_UNREADABLE, UNREADABLE_HEADLINE
from core.status.loading import MAX_NAMED, load_shared_rows
from tests.support.containment_rules import open_stage
from tests.support.containment_stage import MIA, Stage, build_tenant
from tests.support.fakes.channel import FakeMessageChannel
from tests.support.fakes.clock import START
from tests.support.notices import HOSTILE

BROKEN = (Containment, '{"id":')
OTHER = "11111111-0000-4000-8000-00000000000f"


def break_row(stage: Stage, containment: str) -> None:
    """Leave half of a row, as another version or another writer might."""
    rows = stage.ledger.get_partition(CONTAINMENT_PARTITION).containment_rows
    rows[f"contain|{containment}"] = BROKEN


def is_broken(stage: Stage, containment: str) -> bool:
    """Whether the row is as it was left."""
    rows = stage.ledger.get_partition(CONTAINMENT_PARTITION).containment_rows
    return rows[f"contain|{containment}"] == BROKEN


async def leave_under_way(stage: Stage) -> str:
    """The containment of Mia stops halfway, and its row is broken. Returns its id."""
    await stage.contain()
    latest = await stage.get_latest()
    async with stage.ledger.claim(CONTAINMENT_PARTITION, "r") as claim:
        assert claim
        await claim.save(replace(latest, state=ContainmentState.RUNNING))
    break_row(stage, latest.id)
    stage.channel.sent.clear()
    return latest.id


async def test_others_are_contained_and_the_row_stays_and_is_told_once_by_name() -> None:
    mail = FakeMessageChannel(least_severity=Severity.LOW)
    stage = Stage(channels=(mail,))
    broken = await leave_under_way(stage)
    mail.sent.clear()
    for _ in range(3):
        done = await stage.process()
        assert "the row of one containment cannot be decoded" in done
    (card,) = stage.channel.sent
    assert UNREADABLE_HEADLINE in str(card)
    assert f"{broken}" in str(card)
    # The request of the same id is there still, and says whose account it is.
    assert MIA in str(card)
    [[row]] = mail.sent
    assert row.notice.facts[0].text.startswith(f"{broken}: of the account {MIA}, asked for by Ann")
    assert is_broken(stage, broken)
    # An order about somebody goes through.
    stage.clock.current += timedelta(hours=2)
    await stage.contain()
    assert (await stage.get_latest()).state is ContainmentState.DONE
    assert is_broken(stage, broken)


async def test_a_card_that_is_not_accepted_is_sent_again() -> None:
    stage = Stage()
    await leave_under_way(stage)
    stage.channel.is_down = True
    await stage.process()
    stage.channel.is_down = False
    await stage.process()
    await stage.process()
    assert len(stage.channel.sent) == 1


async def test_what_can_be_decoded_again_is_told_anew_when_it_is_back() -> None:
    stage = Stage()
    broken = await leave_under_way(stage)
    rows = stage.ledger.get_partition(CONTAINMENT_PARTITION).containment_rows
    await stage.process()
    del rows[f"contain|{broken}"]
    await stage.process()
    snapshot = await stage.ledger.load(CONTAINMENT_PARTITION)
    assert not [one for one in snapshot.state.checks_finished_at if one.startswith(UNREADABLE)]
    break_row(stage, broken)
    await stage.process()
    assert len(stage.channel.sent) == 2


async def test_whoever_asks_to_bring_back_is_told_that_a_record_may_be_missing() -> None:
    stage = Stage()
    await leave_under_way(stage)
    request = await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    refused = await stage.get_request(request)
    assert refused.state is RequestState.REFUSED
    assert refused.note == (
        "Exoguard has not contained this account; the row of one containment cannot be decoded, "
        "and may be about any account"
    )


async def test_a_rule_shows_its_plan_and_contains_nobody_meanwhile() -> None:
    stage, evidence = await open_stage()
    await stage.process(replace(evidence, cases={}))
    break_row(stage, "30708439043000-5e3aa1c7")
    await stage.process(evidence)
    shown = await stage.get_latest()
    assert (shown.state, stage.is_enabled) == ("planned", True)
    assert "cannot be decoded" in shown.remarks[-1]
    # Since when the rules are on stays known beside what was told.
    checks = (await stage.ledger.load(CONTAINMENT_PARTITION)).state.checks_finished_at
    assert {one.partition("|")[0] for one in checks} == {"rule-since", "unreadable"}


async def test_that_a_rule_is_new_and_a_row_is_told_is_remembered_in_one_tick() -> None:
    stage, evidence = await open_stage()
    break_row(stage, "30708439043000-5e3aa1c7")
    await stage.process(evidence)
    checks = (await stage.ledger.load(CONTAINMENT_PARTITION)).state.checks_finished_at
    assert {one.partition("|")[0] for one in checks} == {"rule-since", "unreadable"}


async def test_while_containment_is_off_it_is_looked_at_to_be_told() -> None:
    stage = Stage()
    assert not await has_work(stage.world)
    break_row(stage, "30708439043000-5e3aa1c7")
    assert await has_work(stage.world)


@pytest.mark.parametrize("count", [1, MAX_NAMED + 2])
async def test_the_status_names_some_and_counts_the_rest(count: int) -> None:
    stage = Stage(tenant=build_tenant())
    for number in range(count):
        break_row(stage, f"odd{HOSTILE if not number else ''}{number}")
    shared = await load_shared_rows(stage.ledger, START)
    assert len(shared.unread) == min(count, MAX_NAMED + 1)
    assert shared.unread[0].startswith("containment odd")
    assert (shared.unread[-1] == "2 containments more") is (count > 1)


def test_of_many_rows_some_are_named_and_all_are_counted() -> None:
    told = {f"{HOSTILE}{number}": HOSTILE for number in range(2 * MAX_UNREADABLE)}
    notice = build_unreadable_notice(told, START)
    assert (len(notice.facts), notice.count) == (MAX_UNREADABLE, 2 * MAX_UNREADABLE)
    card = build_unreadable_card(told)
    assert f"{2 * MAX_UNREADABLE} of them" in str(card)
