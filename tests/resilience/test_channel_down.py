"""The channel fails: nothing that was to be told is lost, and little is told twice.

Down for hours, throttled, deleted, hanging, refusing a card for what it is, or answering with a
success that is none: the news wait in the table, and are told within two runs of its return. A card
that is refused is followed by a plain one and does not keep the others; what cannot be told in any
words stays visible as untold.
"""

import json
from typing import Any

import pytest

from core.model.cases import Notification
from core.model.findings import Severity
from core.notifications.run_cards import MAX_PLAIN_ROWS, build_cards
from core.status.counts import count_pending_notifications
from tests.resilience.generators.small_tenant import PERSON_IDS, build_small_tenant
from tests.resilience.generators.staged import AdapterHarness, open_harness
from tests.support.adaptive_cards import build_report, build_rule_case
from tests.support.builders import FORWARDING_CONFIG
from tests.support.http_recorder import build_rule_row

TEAMS = {"service": "teams"}
DOWN: dict[str, dict[str, Any]] = {
    "503": {"kind": "error", "status": 503},
    "429": {"kind": "throttle", "retryAfter": 200},
    "404": {"kind": "error", "status": 404},
    "a reset": {"kind": "drop"},
    "a hang": {"kind": "hang", "seconds": 0.01},
    "a redirect": {"kind": "error", "status": 302},
}


def attacked(stage: AdapterHarness, *people: int) -> None:
    """A new rule that sends mail on, in some mailboxes."""
    rules = dict(stage.sandbox.tenant.scene["graph"]["messageRules"])
    for number in people:
        target = {"emailAddress": {"address": f"to@evil-{number}.example"}}
        actions = {"redirectTo": [target]}
        rules[PERSON_IDS[number]] = [
            build_rule_row(f"new-{number}", f"rule {number}", actions=actions)
        ]
    stage.sandbox.tenant.apply_patch({"graph": {"messageRules": rules}})


async def waiting(stage: AdapterHarness) -> int:
    """How many news are untold."""
    return count_pending_notifications(await stage.load_snapshot()).total


def told(stage: AdapterHarness, person: int) -> int:
    """On how many of the posted cards a person's mailbox is named as new."""
    said = [json.dumps(card) for card in stage.sandbox.cards]
    return sum(f"p{person}@contoso" in one and "**New**" in one for one in said)


@pytest.mark.parametrize("trouble", DOWN)
async def test_what_happened_while_the_channel_was_down_is_told_once_when_it_is_back(
    trouble: str,
) -> None:
    fault = {**TEAMS, **DOWN[trouble]}
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG) as stage:
        await stage.run_guard()
        for person in (5, 6):
            attacked(stage, person)
            report = await stage.run_guard(fault)
            assert (report.delivered, bool(report.error)) == (False, True)
            assert report.oldest_pending_age.total_seconds() >= (person - 5) * 6 * 3600
        assert await waiting(stage) == 2
        await stage.run_guard()
        assert [told(stage, person) for person in (5, 6)] == [1, 1]
        assert await waiting(stage) == 0
        cards_ = len(stage.sandbox.cards)
        assert (await stage.run_guard()).delivered is None
        assert len(stage.sandbox.cards) == cards_


async def test_a_card_whose_answer_is_lost_is_not_posted_over_and_over() -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG) as stage:
        await stage.run_guard()
        attacked(stage, 5)
        for runs in (1, 2, 3):
            await stage.run_guard({**TEAMS, "kind": "drop", "late": True})
            assert told(stage, 5) <= 2 * runs
        await stage.run_guard({**TEAMS, "kind": "drop", "late": True, "times": 1})
        assert await waiting(stage) == 0
        assert told(stage, 5) <= 8


@pytest.mark.parametrize("status", [400, 413])
async def test_a_card_that_is_refused_is_followed_by_a_plain_one(status: int) -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG) as stage:
        await stage.run_guard()
        attacked(stage, 5)
        cards_ = len(stage.sandbox.cards)
        report = await stage.run_guard({**TEAMS, "kind": "error", "status": status, "times": 1})
        assert (report.delivered, len(stage.sandbox.cards)) == (True, cards_ + 1)
        (key,) = (
            one.key
            for one in (await stage.get_open_cases()).values()
            if one.object_id == PERSON_IDS[5]
        )
        said = json.dumps(stage.sandbox.cards[-1])
        assert key[-8:] in said
        assert "evil" not in said
        assert await waiting(stage) == 0


async def test_what_is_refused_in_any_words_is_tried_once_a_run_and_seen_as_untold() -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG) as stage:
        await stage.run_guard()
        attacked(stage, 5)
        for _ in range(3):
            before = len(stage.sandbox.find_received("teams"))
            report = await stage.run_guard({**TEAMS, "kind": "error", "status": 400})
            assert len(stage.sandbox.find_received("teams")) - before == 2
            assert (report.delivered, await waiting(stage)) == (False, 1)
            assert "400" in report.error
        assert report.oldest_pending_age.total_seconds() >= 12 * 3600
        await stage.run_guard()
        assert (told(stage, 5), await waiting(stage)) == (1, 0)


async def test_one_card_that_is_refused_does_not_keep_the_others() -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG) as stage:
        # What goes within a day of its coming is told one look later.
        for _ in range(5):
            await stage.run_guard()
        attacked(stage, 5)
        # What is gone is a card of its own, behind the one with what is new.
        boxes = [dict(row) for row in stage.sandbox.tenant.scene["exchange"]["Get-Mailbox"]]
        boxes[3]["ForwardingSmtpAddress"] = None
        stage.sandbox.tenant.apply_patch({"exchange": {"Get-Mailbox": boxes}})
        cards_ = len(stage.sandbox.cards)
        report = await stage.run_guard({**TEAMS, "kind": "error", "status": 400, "times": 2})
        assert (report.delivered, report.card_count, len(stage.sandbox.cards)) == (
            False,
            1,
            cards_ + 1,
        )
        assert await waiting(stage) == 1
        await stage.run_guard()
        assert (told(stage, 5), await waiting(stage)) == (1, 0)


async def test_a_burst_is_a_few_cards_that_lose_nobody() -> None:
    async with open_harness(build_small_tenant(), FORWARDING_CONFIG) as stage:
        await stage.run_guard()
        cards_ = len(stage.sandbox.cards)
        attacked(stage, *range(3, 24))
        await stage.run_guard({**TEAMS, "kind": "error", "status": 503})
        report = await stage.run_guard()
        assert report.card_count == len(stage.sandbox.cards) - cards_ <= 3
        said = json.dumps(stage.sandbox.cards[cards_:])
        shown = sum(f"p{number}@" in said for number in range(3, 24))
        assert shown == 21 or f"and {21 - shown} more" in said
        assert await waiting(stage) == 0


def test_a_plain_card_is_small_whatever_it_has_to_tell_and_counts_what_it_leaves_out() -> None:
    many = tuple(
        build_rule_case(
            number, severity=Severity.HIGH, notification=Notification.OPENED, summary="x" * 4_000
        )
        for number in range(MAX_PLAIN_ROWS + 160)
    )
    (message,) = build_cards(build_report(*many))
    plain = json.dumps(message.build_plain_payload(build_report(*many)))
    assert len(plain) < 8_000
    assert "and 160 more" in plain
    assert "xxxx" not in plain
