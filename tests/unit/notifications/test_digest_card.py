"""The week's card: what it says of each guard, and that it is sent once a week."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import pytest

from core.config.catalog import CATALOG
from core.jobs.weekly_digest import (
    NOTHING_BESIDE,
    BesideGuards,
    is_digest_due,
    send_weekly_digest,
)
from core.model.cases import Exemption
from core.model.findings import Severity, Verdict
from core.model.guards import Mode
from core.model.outbox import ChannelFault, ChannelHealth
from core.model.state import GuardSnapshot
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES
from core.notifications.digest_card import build_digest_card
from core.notifications.run_cards import build_cards
from core.ports import World
from core.status.guard_status import GuardData
from core.status.loading import MAX_RUNS
from core.status.tenant_status import TenantStatus
from core.tenant.port import Tenant
from tests.support.adaptive_cards import (
    PUBLIC_URL,
    build_rule_case,
    collect_texts,
    get_card_content,
    validate_card,
)
from tests.support.builders import AUDIT_CONFIG, FORWARDING_CONFIG, SIGN_IN_CONFIG, THREE_CONFIGS
from tests.support.fakes.channel import FakeMessageChannel, FakeNotificationChannel
from tests.support.fakes.clock import Clock
from tests.support.fakes.crash import CrashInjector, SimulatedCrash
from tests.support.fakes.ledger import FakeLedger
from tests.support.fakes.tenant import FakeTenant
from tests.support.weekly_status import (
    BASELINED_STATE,
    DIGEST_TIME,
    HEALTHY_STATUS,
    build_busy_week,
    build_digest_run,
    build_digest_snapshot,
    build_digest_status,
    build_healthy_data,
    build_overfull_week,
)

MONDAYS = "0 0 7 * * 1"


def shown(known: TenantStatus, address: str = "") -> str:
    return "\n".join(collect_texts(build_digest_card(known, address)))


def style(known: TenantStatus) -> object:
    return get_card_content(build_digest_card(known))["body"][0]["style"]


@pytest.mark.parametrize("address", ["", PUBLIC_URL])
@pytest.mark.parametrize(
    "build_week",
    [lambda: HEALTHY_STATUS, build_busy_week, build_overfull_week, build_digest_status],
    ids=["well", "busy", "full", "none"],
)
def test_it_is_a_valid_card_that_fits(build_week: Callable[[], TenantStatus], address: str) -> None:
    message = build_digest_card(build_week(), address)
    validate_card(message)
    assert len(json.dumps(message).encode()) <= MAX_MESSAGE_BYTES
    raw = json.dumps(message, ensure_ascii=False)
    assert "https://evil" not in raw
    assert "\u202e" not in raw


@pytest.mark.parametrize("sign", ["x", "*", "\u6f22", "\U0001f600"])
def test_no_name_is_so_long_that_what_waits_is_left_out(sign: str) -> None:
    """Every guard, its sources unread, and decisions whose every character takes much room."""
    text = sign * 400
    cases = [
        build_rule_case(
            number, summary=text, subject=text, verdict=Verdict.ASK, severity=Severity.CRITICAL
        )
        for number in range(9)
    ]
    ending = Exemption("o", text, text, DIGEST_TIME + timedelta(days=1))
    snapshot = build_digest_snapshot(*cases, exemptions={"o": ending})
    unread = ["mailboxes", "inbox rules", "audit log"]
    known = build_digest_status(
        *(
            GuardData(config, snapshot, [build_digest_run(config, blind=unread)])
            for config in CATALOG
        )
    )
    message = build_digest_card(known, PUBLIC_URL)
    assert len(json.dumps(message).encode()) <= MAX_MESSAGE_BYTES
    texts = collect_texts(message)
    waiting = texts[texts.index("Waiting for your decision") + 1].splitlines()
    shown = [line for line in waiting if line.startswith(f"- {text[:5]}") or "case " in line]
    assert shown
    assert waiting[-1] == f"- and {9 * len(CATALOG) - len(shown)} more"
    assert "Exemptions that end soon" in texts


def test_a_healthy_digest_shows_the_last_scan_and_coverage_of_each_guard() -> None:
    told = shown(build_digest_status(*(build_healthy_data(config) for config in THREE_CONFIGS)))
    assert told.count("scanned 2026-11-23 06:55 UTC · 812 of 815 ") == 3
    assert "3 guards on, 2 of them enforcing" in told
    assert "open cases\nnone" in told
    assert "waiting for a decision\nnone" in told


def test_a_late_guard_is_named_and_comes_first() -> None:
    late = GuardData(
        AUDIT_CONFIG,
        GuardSnapshot(state=BASELINED_STATE),
        [build_digest_run(AUDIT_CONFIG, DIGEST_TIME - timedelta(days=3))],
    )
    known = build_digest_status(build_healthy_data(SIGN_IN_CONFIG), late)
    told = shown(known)
    assert style(known) == "attention"
    assert "Degraded: Exoguard misses part of the tenant or cannot notify" in told
    assert "**mailbox-audit**: late by" in told
    assert "**has not scanned since 2026-11-20 07:00 UTC**" in told
    assert told.index(AUDIT_CONFIG.guard.title) < told.index(SIGN_IN_CONFIG.guard.title)


def test_a_guard_that_never_scanned_and_one_that_is_off_are_named() -> None:
    off = GuardData(replace(AUDIT_CONFIG, mode=Mode.OFF))
    told = shown(
        build_digest_status(build_healthy_data(SIGN_IN_CONFIG), GuardData(FORWARDING_CONFIG), off)
    )
    assert "**has never scanned**" in told
    assert "off: it does not run" in told
    assert "1 off" in told


def test_a_guard_whose_last_run_failed_did_not_scan() -> None:
    failed = build_digest_run(SIGN_IN_CONFIG, status="failed", error="HTTP 503")
    told = shown(
        build_digest_status(
            GuardData(
                SIGN_IN_CONFIG,
                GuardSnapshot(state=BASELINED_STATE),
                [failed, build_digest_run(SIGN_IN_CONFIG)],
            )
        )
    )
    assert "its last run failed: HTTP 503" in told
    assert "**its last run failed** 2026-11-23 06:55 UTC" in told


def test_many_reasons_leave_room_for_decisions() -> None:
    told = shown(build_overfull_week())
    assert "more reasons" in told
    assert "Waiting for your decision" in told
    assert "and 2995 more" in told


def test_a_guard_with_unreadable_state_is_failing() -> None:
    known = build_digest_status(GuardData(SIGN_IN_CONFIG, read_error="the table answers 503"))
    assert style(known) == "attention"
    assert "the table answers 503" in shown(known)
    assert "its state cannot be read" in shown(known)


def test_the_digest_shows_the_numbers_of_the_week_and_names_what_waits() -> None:
    told = shown(build_busy_week(), PUBLIC_URL)
    assert "open cases\n1 critical, 1 high" in told
    assert "last 7 days\n3 opened, 1 closed" in told
    assert "changes made\n1" in told
    assert "waiting for a decision\n1" in told
    assert "exemptions ending\n1" in told
    assert "pending notifications\n1" in told
    page = f"{PUBLIC_URL}/api/cases/mailbox-forwarding/{1:032x}"
    assert f"[case 00000001]({page})" in told
    assert "mailbox-9: until 2026-11-26, by Ada" in told
    assert "1 x disable the inbox rule" in told


# Once a week ------------------------------------------------------------------------------------


class Stage:
    """The memory of all guards, one channel, and a clock."""

    def __init__(self, start: datetime = DIGEST_TIME - timedelta(days=3)) -> None:
        self.clock = Clock(start)
        self.ledger = FakeLedger(self.clock)
        self.alerts = FakeNotificationChannel()
        tenant = cast(Tenant, FakeTenant())
        self.world = World(
            tenant, self.ledger, self.alerts, self.clock, build_cards, public_url=PUBLIC_URL
        )

    async def hour(self, beside: BesideGuards = NOTHING_BESIDE) -> str:
        """The timer of one hour."""
        became = await send_weekly_digest(
            self.world, THREE_CONFIGS, MONDAYS, f"run {self.clock()}", beside=beside
        )
        self.clock.advance(hours=1)
        return became

    async def days(self, number: int) -> list[datetime]:
        """When a card was sent within so many days."""
        sent = []
        for _ in range(24 * number):
            before = self.clock()
            if await self.hour() == "sent":
                sent.append(before)
        return sent


async def test_it_is_sent_once_a_week_at_the_time_of_the_setting() -> None:
    stage = Stage()
    assert await stage.days(15) == [DIGEST_TIME, DIGEST_TIME + timedelta(days=7)]
    assert len(stage.alerts.sent) == 2


async def test_a_timer_that_fires_twice_or_a_little_early_sends_one() -> None:
    stage = Stage(DIGEST_TIME - timedelta(hours=1))
    assert await stage.hour() == "not due"
    stage.clock.current = DIGEST_TIME - timedelta(seconds=2)
    assert await stage.hour() == "sent"
    stage.clock.current = DIGEST_TIME + timedelta(seconds=5)
    assert await stage.hour() == "not due"


async def test_it_tells_of_channels_that_take_nothing_as_the_page_does() -> None:
    stage = Stage(DIGEST_TIME - timedelta(hours=1))
    stage.world = replace(
        stage.world,
        channels=(FakeMessageChannel("mail"),),
        channel_faults=(ChannelFault("slack", "SLACK_WEBHOOK_URL is wrong"),),
    )
    refused = ChannelHealth("mail", "one", DIGEST_TIME - timedelta(days=9), error="HTTP 403")
    await stage.ledger.save_channel_health(refused)
    assert [await stage.hour(), await stage.hour()] == ["not due", "sent"]
    told = "\n".join(collect_texts(stage.alerts.sent[0]))
    assert "channel mail: Did not accept the last message: HTTP 403" in told
    assert "channel slack: Out of use" in told


async def test_two_at_once_send_one() -> None:
    stage = Stage(DIGEST_TIME - timedelta(days=1))
    await stage.hour()
    stage.clock.current = DIGEST_TIME
    async with stage.ledger.claim("digest", "another") as claim:
        assert claim
        assert await stage.hour() == "busy"
    assert stage.alerts.sent == []


async def test_a_channel_that_is_down_gets_it_an_hour_later() -> None:
    stage = Stage(DIGEST_TIME - timedelta(hours=1))
    await stage.hour()
    stage.alerts.is_down = True
    assert [await stage.hour() for _ in range(5)] == ["untold"] * 5
    stage.alerts.is_down = False
    assert await stage.hour() == "sent"
    assert await stage.hour() == "not due"


@pytest.mark.parametrize("reason", ["the row cannot be decoded", "the table is out of reach"])
async def test_a_row_that_cannot_be_used_keeps_no_digest_from_its_hour(reason: str) -> None:
    stage = Stage(DIGEST_TIME - timedelta(days=1))
    await stage.hour()
    if "decoded" in reason:
        stage.ledger.get_partition("digest").state = "nonsense"
    else:
        stage.ledger.is_down = True
    assert await stage.days(9) == [DIGEST_TIME, DIGEST_TIME + timedelta(days=7)]


async def test_a_crash_at_any_step_sends_the_digest_once_or_twice() -> None:
    died = 0
    for operation in range(1, 30):
        for after in (False, True):
            stage = Stage(DIGEST_TIME - timedelta(hours=1))
            await stage.hour()
            reaper = CrashInjector(operation, after)
            stage.ledger.crash_injector = stage.alerts.crash_injector = reaper
            try:
                await stage.hour()
            except SimulatedCrash:
                died += 1
            stage.ledger.crash_injector = stage.alerts.crash_injector = CrashInjector()
            await stage.days(2)
            assert 1 <= len(stage.alerts.sent) <= 2
            if not reaper.crashed:
                assert len(stage.alerts.sent) == 1
    assert died >= 4


async def test_the_digest_covers_every_guard_of_the_ledger() -> None:
    stage = Stage(DIGEST_TIME - timedelta(hours=1))
    await stage.hour()
    assert await stage.hour() == "sent"
    told = "\n".join(collect_texts(stage.alerts.sent[0]))
    assert told.count("**has never scanned**") == 3


@pytest.mark.parametrize(
    ("beside", "is_excess"),
    [
        (NOTHING_BESIDE, True),
        (BesideGuards(searches=True), True),
        (BesideGuards(Mode.ALERT), True),
        (BesideGuards(Mode.ALERT, searches=True), False),
    ],
)
async def test_a_permission_of_what_is_on_beside_guards_is_not_called_excess(
    beside: BesideGuards, is_excess: bool
) -> None:
    stage = Stage(DIGEST_TIME - timedelta(hours=1))
    await stage.hour()
    roles = ["AuditLogsQuery-Exchange.Read.All", "UserAuthenticationMethod.Read.All"]
    run = build_digest_run(AUDIT_CONFIG, granted={"graph": roles})
    await stage.ledger.save_run_status(run["guard"], run["run"], run)
    assert await stage.hour(beside) == "sent"
    told = "\n".join(collect_texts(stage.alerts.sent[0]))
    assert ("that no guard needs" in told) is is_excess


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (DIGEST_TIME, DIGEST_TIME + timedelta(days=6, hours=23), False),
        (DIGEST_TIME, DIGEST_TIME + timedelta(days=7), True),
        (DIGEST_TIME, DIGEST_TIME + timedelta(days=30), True),
        (DIGEST_TIME - timedelta(seconds=30), DIGEST_TIME + timedelta(seconds=30), False),
    ],
)
def test_the_digest_is_due_after_a_scheduled_time_without_one(
    last: datetime, now: datetime, expected: bool
) -> None:
    assert is_digest_due(MONDAYS, last, now) is expected


def test_enough_runs_are_read_to_include_the_last_complete_scan_of_a_day() -> None:
    assert timedelta(minutes=15) * MAX_RUNS > timedelta(days=1)
