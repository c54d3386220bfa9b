"""What channels besides Teams are told of contained accounts, each by itself and within limits."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from core.containment.decisions import summarize
from core.model.containment import BLOCK, Containment, StepState
from core.model.findings import Severity
from core.model.outbox import CopyState, Notice, NoticeEvent, OutboxRow
from core.model.requests import RequestKind
from core.notifications.containment_notice import build_containment_notice
from core.notifications.event_messages import (
    PAGERDUTY_SUMMARY,
    SERVICENOW_SHORT,
    SERVICENOW_TEXT,
    build_cloud_event,
    build_correlation_id,
    build_incident,
    build_log_records,
    build_pagerduty_event,
    build_slack_message,
)
from core.notifications.mail_message import build_mail
from core.ports import CONTAINMENT_PARTITION
from tests.support.containment_stage import MIA, Stage, build_tenant
from tests.support.fakes.channel import FakeMessageChannel
from tests.support.fakes.clock import START
from tests.support.notices import HOSTILE

BASE = "https://exoguard.example"


def build_stage(**least: Severity) -> Stage:
    """A stage with a channel for each name, which is told from a severity on."""
    channels = tuple(FakeMessageChannel(name, least_severity=one) for name, one in least.items())
    return Stage(channels=channels)


def get_notices(channel: FakeMessageChannel) -> list[Notice]:
    return [row.notice for rows in channel.sent for row in rows]


async def load_rows(stage: Stage) -> dict[str, OutboxRow]:
    snapshot = await stage.ledger.load(CONTAINMENT_PARTITION)
    return {row.channel: row for row in snapshot.outbox.values()}


async def test_a_containment_and_its_end_go_to_each_channel_whose_filters_let_them() -> None:
    stage = build_stage(webhook=Severity.LOW, mail=Severity.HIGH, pagerduty=Severity.CRITICAL)
    webhook, mail, pagerduty = stage.channels
    await stage.contain()
    [told] = get_notices(webhook)
    assert get_notices(mail) == [told]
    assert get_notices(pagerduty) == []
    assert (told.event, told.severity) == (NoticeEvent.CONTAINED, Severity.HIGH)
    assert told.summary.startswith("An account was contained: mia@example.com. ")
    assert "steps are made" in told.summary
    assert told.facts[0].text == "Ann: she clicked"
    assert any("block the account's sign-in" in fact.text for fact in told.facts)
    assert len(stage.channel.sent) == 1
    await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    end = get_notices(webhook)[1]
    assert (end.event, end.severity) == (NoticeEvent.RELEASED, Severity.MEDIUM)
    assert end.case_key == told.case_key
    assert [one.event for one in get_notices(mail)] == [told.event, end.event]
    assert get_notices(pagerduty) == []


async def test_the_same_is_told_once_however_often_it_is_looked_at() -> None:
    stage = build_stage(webhook=Severity.LOW)
    await stage.contain()
    stage.channel.is_down = False
    for _ in range(3):
        await stage.process()
    assert len(get_notices(stage.channels[0])) == 1


async def test_a_channel_that_is_down_holds_up_no_other_and_is_told_at_a_later_tick() -> None:
    stage = build_stage(webhook=Severity.LOW, mail=Severity.LOW)
    webhook, mail = stage.channels
    webhook.is_down = True
    await stage.contain()
    assert len(get_notices(mail)) == 1
    assert len(stage.channel.sent) == 1
    assert (await load_rows(stage))["webhook"].state is CopyState.PENDING
    webhook.is_down = False
    await stage.process()
    assert len(get_notices(webhook)) == 1
    assert len(get_notices(mail)) == 1
    assert len(stage.channel.sent) == 1


async def test_teams_that_is_down_keeps_no_other_channel_from_being_told_once() -> None:
    stage = build_stage(webhook=Severity.LOW)
    stage.channel.is_down = True
    await stage.contain()
    await stage.process()
    assert len(get_notices(stage.channels[0])) == 1
    stage.channel.is_down = False
    await stage.process()
    assert len(stage.channel.sent) == 1
    assert len(get_notices(stage.channels[0])) == 1


async def test_what_was_told_long_ago_is_forgotten() -> None:
    stage = build_stage(webhook=Severity.LOW)
    await stage.contain()
    assert await load_rows(stage)
    stage.clock.current += timedelta(days=9)
    await stage.process()
    assert await load_rows(stage) == {}


def grade(containment: Containment) -> Severity:
    return build_containment_notice(containment, "", START).severity


async def test_what_nobody_asked_for_by_hand_and_a_missing_block_are_critical() -> None:
    stage = Stage()
    await stage.contain()
    done = replace(await stage.get_latest(), untold="done")
    assert grade(done) is Severity.HIGH
    assert grade(replace(done, rule="redirect-and-risk")) is Severity.CRITICAL
    assert grade(replace(done, untold="enabled")) is Severity.CRITICAL
    failed = tuple(
        replace(step, state=StepState.FAILED) if step.name == BLOCK else step for step in done.steps
    )
    assert grade(replace(done, steps=failed)) is Severity.CRITICAL


async def build_hostile() -> OutboxRow:
    """A row about a containment whose every foreign text is hostile and long."""
    stage = Stage(tenant=build_tenant(upn=HOSTILE * 40))
    await stage.contain(requested_by=HOSTILE * 4, reason=HOSTILE * 40)
    done = replace(await stage.get_latest(), untold="done")
    steps = tuple(replace(step, title=HOSTILE * 40, result=HOSTILE * 40) for step in done.steps * 3)
    notice = build_containment_notice(
        replace(done, steps=steps), summarize(done) + HOSTILE * 400, START
    )
    return OutboxRow("webhook", "0" * 32, notice, START)


@pytest.mark.parametrize("is_plain", [False, True])
async def test_every_channel_keeps_its_limits_and_links_the_containment(is_plain: bool) -> None:
    row = await build_hostile()
    page = f"{BASE}/api/containments/{row.notice.containment}"
    event = build_pagerduty_event(row, "key", BASE, is_plain=is_plain)
    payload = event["payload"]
    assert isinstance(payload, dict)
    assert len(str(payload["summary"])) <= PAGERDUTY_SUMMARY
    assert event["client_url"] == page
    assert len(str(event["dedup_key"])) <= 255
    incident = build_incident(row, BASE, is_plain=is_plain)
    assert len(str(incident["short_description"])) <= SERVICENOW_SHORT
    assert len(str(incident["description"])) <= SERVICENOW_TEXT
    assert page in str(incident["description"])
    assert len(build_correlation_id(row)) <= 100
    assert row.notice.containment in build_correlation_id(row)
    messages = {
        "slack": build_slack_message(row, BASE, is_plain=is_plain),
        "webhook": build_cloud_event(row, "tenant", BASE, is_plain=is_plain),
        "sentinel": build_log_records([row], "tenant", BASE, is_plain=is_plain),
        "mail": build_mail([row], ["on@call.example"], BASE, is_plain=is_plain),
        "pagerduty": event,
        "servicenow": incident,
    }
    for name, message in messages.items():
        text = json.dumps(message, ensure_ascii=False)
        assert page in text, name
        assert len(text.encode()) < 64_000, name
        assert "\u202e" not in text, name
        if is_plain:
            assert "evil.example" not in text, name
    mail = json.dumps(messages["mail"])
    assert "Open the containment" in mail
    assert "<a href=https://evil" not in mail
    assert MIA in json.dumps(messages["webhook"]) or is_plain


async def test_the_end_of_a_containment_resolves_what_it_opened() -> None:
    stage = build_stage(webhook=Severity.LOW)
    await stage.contain()
    await stage.ask(RequestKind.UNCONTAIN)
    await stage.process()
    rows = [row for rows in stage.channels[0].sent for row in rows]
    actions = [build_pagerduty_event(row, "key", BASE)["event_action"] for row in rows]
    assert actions == ["trigger", "resolve"]
    keys = {str(build_pagerduty_event(row, "key", BASE)["dedup_key"]) for row in rows}
    assert len(keys) == 1
