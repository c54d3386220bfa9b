"""Changed settings are told to the channels besides Teams, whatever becomes of the card."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from core.config.settings import list_settings
from core.errors import CardRejected
from core.jobs.settings_changes import SettingChange, build_settings_card, compare_settings
from core.jobs.settings_notices import SettingNews, build_settings_notice
from core.jobs.weekly_digest import send_weekly_digest
from core.model.findings import Severity
from core.model.outbox import CopyState, NoticeEvent, OutboxRow
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES
from core.ports import DIGEST_PARTITION
from tests.support.adaptive_cards import collect_texts
from tests.support.channel_stage import ChannelStage
from tests.support.fakes.channel import FakeNotificationChannel
from tests.support.fakes.clock import START

BEFORE = {"TOY_MODE": "enforce", "REMIND_DAYS": "7", "TEAMS_WEBHOOK_URL": "sha256 11111111"}
LOWERED = {**BEFORE, "TOY_MODE": "off"}


async def compare(stage: ChannelStage, values: dict[str, str]) -> str:
    """A comparison with what was known, a minute later."""
    stage.clock.advance(minutes=1)
    async with stage.ledger.claim(DIGEST_PARTITION, "run") as claim:
        assert claim
        return await compare_settings(stage.world, claim, values)


async def list_rows(stage: ChannelStage) -> dict[str, OutboxRow]:
    """What channels were told or have to be told of settings, by channel."""
    rows = (await stage.ledger.load(DIGEST_PARTITION)).outbox.values()
    return {row.channel: row for row in rows}


async def test_each_channel_is_told_once_of_a_lowered_mode() -> None:
    stage = ChannelStage()
    await compare(stage, BEFORE)
    assert await compare(stage, LOWERED) == "told"
    assert await compare(stage, LOWERED) == "same"
    for channel in (stage.mail, stage.hook):
        [(row,)] = channel.sent
        assert (row.notice.event, row.notice.severity) == (NoticeEvent.SETTINGS, Severity.HIGH)
        assert "TOY_MODE; a guard may do less" in row.notice.summary
        assert row.notice.facts[0].text == "enforce → off"
    assert len(stage.teams.sent) == 1


async def test_what_weighs_less_goes_to_channels_that_are_told_of_it() -> None:
    stage = ChannelStage()
    stage.hook.least_severity = Severity.LOW
    await compare(stage, BEFORE)
    await compare(stage, {**BEFORE, "REMIND_DAYS": "300"})
    assert (len(stage.hook.sent), stage.mail.sent) == (1, [])


async def test_where_teams_takes_no_card_the_others_are_told_once() -> None:
    stage = ChannelStage()
    await compare(stage, BEFORE)
    stage.teams.is_down = True
    assert await compare(stage, LOWERED) == "untold"
    assert await compare(stage, LOWERED) == "untold"
    assert len(stage.mail.sent) == 1
    stage.teams.is_down = False
    assert await compare(stage, LOWERED) == "told"
    assert (len(stage.mail.sent), len(stage.teams.sent)) == (1, 1)


async def test_a_channel_that_was_down_is_told_within_the_hour_and_holds_up_no_card() -> None:
    stage = ChannelStage()
    await compare(stage, BEFORE)
    stage.mail.is_down = True
    assert await compare(stage, LOWERED) == "told"
    assert (await list_rows(stage))["mail"].state is CopyState.PENDING
    assert await compare(stage, LOWERED) == "same"
    stage.mail.is_down = False
    await send_weekly_digest(stage.world, [], "0 0 7 * * 1", "hour")
    assert len(stage.mail.sent) == 1
    assert (await list_rows(stage))["mail"].state is CopyState.ACCEPTED
    stage.clock.advance(days=9)
    await send_weekly_digest(stage.world, [], "0 0 7 * * 1", "later")
    assert await list_rows(stage) == {}


async def test_a_lost_row_of_settings_is_told_with_the_modes_as_they_are() -> None:
    stage = ChannelStage()
    await compare(stage, BEFORE)
    async with stage.ledger.claim(DIGEST_PARTITION, "thief") as claim:
        assert claim
        state = (await claim.load()).state
        await claim.save(state=replace(state, settings={}))
    assert await compare(stage, LOWERED) == "told"
    [(row,)] = stage.mail.sent
    assert "is gone from the state table" in row.notice.summary
    assert [(one.label, one.text) for one in row.notice.facts] == [("TOY_MODE", "off")]


class PickyChannel(FakeNotificationChannel):
    """Takes no card with values."""

    async def send(self, payload: Mapping[str, object]) -> None:
        if "enforce" in str(payload):
            raise CardRejected("HTTP 413")
        await super().send(payload)


async def test_a_card_about_settings_that_is_rejected_is_followed_by_their_names() -> None:
    stage = ChannelStage()
    stage.world = replace(stage.world, notification_channel=(picky := PickyChannel()))
    await compare(stage, BEFORE)
    assert await compare(stage, LOWERED) == "told"
    (card,) = picky.sent
    assert "TOY_MODE; a guard may do less" in str(card)


def test_a_notice_of_settings_is_bounded_and_shows_no_hidden_sign() -> None:
    values = [(f"S{number}", "", "x\u202e" * 500) for number in range(40)]
    notice = build_settings_notice(SettingNews(values), START + timedelta(minutes=1))
    assert len(notice.facts) == 12
    assert "40 settings were changed" in notice.summary
    assert "and 28 more" in notice.summary
    assert "\u202e" not in str(notice)
    assert len(str(notice)) < 6_000


def test_no_value_makes_the_card_of_changed_settings_too_large() -> None:
    names = [entry.name for entry in list_settings()][:60]
    changes = tuple(SettingChange(name, "\U0001f600" * 100, "x" * 100) for name in names)
    card = build_settings_card(changes, is_repeated=True)
    assert len(json.dumps(card).encode()) <= MAX_MESSAGE_BYTES
    texts = collect_texts(card)
    shown = sum(name in texts for name in names)
    assert f"and {len(names) - shown} more" in texts
