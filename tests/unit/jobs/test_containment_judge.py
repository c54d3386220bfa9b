"""What is dangerous in the mailbox of a taken account, and when there is anything to process."""

from collections.abc import AsyncIterator
from copy import replace
from datetime import timedelta
from typing import Any

import pytest

from core.errors import Unavailable
from core.guards.mailbox_forwarding.guard import GUARD
from core.jobs.containment import build_judge, judge_mailbox, process_account_requests
from core.model.guards import Mode
from core.tenant.changes import DisableInboxRule
from core.tenant.domain_changes import compare_domains
from core.tenant.known_traits import KnownTraits
from core.tenant.mail_flow import AcceptedDomain
from core.tenant.readings import Reading
from tests.support.builders import FORWARDING_CONFIG
from tests.support.cases import build_case
from tests.support.containment_stage import BOX, ENFORCE, MIA, RULE, Stage
from tests.support.fakes.clock import START

OWN, DROP = AcceptedDomain("example.com"), AcceptedDomain("drop.example")


async def test_a_rule_to_a_domain_that_is_new_and_in_question_is_switched_off() -> None:
    found = []
    for is_asked in (True, False):
        stage = Stage()
        stage.tenant.domains = [OWN, DROP]
        stage.tenant.rules = [replace(RULE, redirect_to=("ann@drop.example",))]
        stage.tenant.exchange_rules, stage.tenant.boxes = [], []
        known: dict[str, KnownTraits] = {}
        for hours, domains in ((48, [OWN]), (24, [OWN, DROP])):
            rows, _ = compare_domains(domains, known, START - timedelta(hours=hours))
            known |= {row.key: row for row in rows}
        case = build_case(object_id="domain:drop.example", closed_at=None if is_asked else START)
        async with stage.ledger.claim(GUARD.name, "r1") as claim:
            assert claim
            await claim.save(*known.values(), case)
        judged = await judge_mailbox(stage.world, GUARD, BOX)
        found.append(DisableInboxRule(MIA, "r1") in [one.change for one in judged.changes])
    assert found == [True, False]


async def test_a_mistake_of_the_guard_leaves_the_mailbox_unread_and_the_account_is_contained(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stage = Stage()

    def look_at(*given: object) -> AsyncIterator[Reading[Any]]:
        raise ValueError("a size of mia@example.com")

    broken = replace(FORWARDING_CONFIG, guard=replace(FORWARDING_CONFIG.guard, look_at=look_at))
    judged = await build_judge(stage.world, broken)(BOX)
    (reason,) = judged.unread
    assert reason.startswith("forwards and inbox rules: a mistake of the app, ValueError at test_")
    assert (judged.changes, judged.hidden_rules) == ((), ())
    assert [one.exc_info is not None for one in caplog.records if reason in one.getMessage()] == [
        True
    ]


async def test_switched_off_it_is_told_what_stands_still_and_what_no_channel_took() -> None:
    off = replace(ENFORCE, mode=Mode.OFF)
    stage = Stage()
    assert await process_account_requests(stage.world, off, (), "r1") == "off"
    stage.tenant.fail_change("BlockAccount", Unavailable("HTTP 503"))
    await stage.contain()
    said = await process_account_requests(stage.world, off, (), "r2")
    assert "stands still: CONTAINMENT_MODE is off" in said
    assert "CONTAINMENT_MODE is off, and not enforce" in str(stage.channel.sent)
    stage.tenant.clear_faults()
    stage.channel.is_down = True
    await stage.process()
    stage.channel.is_down = False
    assert (await stage.get_latest()).untold == "done"
    await process_account_requests(stage.world, off, (), "r3")
    assert "An account was contained" in str(stage.channel.sent)
    assert await process_account_requests(stage.world, off, (), "r4") == "off"
