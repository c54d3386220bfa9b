"""The week's card: what it says of each guard, and that it is sent once a week."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from core.jobs.weekly_digest import is_digest_due, send_weekly_digest
from core.model.cases import Exemption, Notification
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import GuardConfig, Mode
from core.model.state import GuardSnapshot, GuardState
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES
from core.notifications.digest_card import build_digest_card
from core.ports import World
from core.status.guard_status import GuardData
from core.status.overview import MAX_RUNS, TenantStatus, build_status
from core.tenant.port import Tenant
from tests.support.adaptive_cards import (
    PUBLIC_URL,
    build_case,
    collect_texts,
    get_card_content,
    validate_card,
)
from tests.support.builders import AUDIT_CONFIG, FORWARDING_CONFIG, SIGN_IN_CONFIG, THREE_CONFIGS
from tests.support.fakes.tenant import FakeTenant
from tests.support.fakes.world import (
    Clock,
    CrashInjector,
    FakeLedger,
    FakeNotificationChannel,
    SimulatedCrash,
)
from tests.unit.notifications.test_run_cards import HOSTILE

# A Monday.
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MONDAYS = "0 0 7 * * 1"
LOOKED = GuardState(baselined_sources=frozenset({"rules"}), population=815)


def ran(
    duty: GuardConfig, at: datetime = NOW - timedelta(minutes=5), **other: Any
) -> dict[str, Any]:
    """A run's document."""
    return {
        "guard": duty.guard.name,
        "run": "30000000000000-00000001",
        "status": "done",
        "started": at.isoformat(),
        "finished": at.isoformat(),
        "seen": 812,
        "population": 815,
        **other,
    }


def healthy(duty: GuardConfig, memory: GuardSnapshot | None = None) -> GuardData:
    return GuardData(duty, memory or GuardSnapshot(state=LOOKED), [ran(duty)])


def at(*standings: GuardData) -> TenantStatus:
    return build_status(standings, NOW)


def shown(known: TenantStatus, address: str = "") -> str:
    return "\n".join(collect_texts(build_digest_card(known, address)))


def style(known: TenantStatus) -> object:
    return get_card_content(build_digest_card(known))["body"][0]["style"]


def remembering(*cases: Any, **other: Any) -> GuardSnapshot:
    return GuardSnapshot(cases={one.key: one for one in cases}, state=LOOKED, **other)


WELL = at(*(healthy(duty) for duty in THREE_CONFIGS))


def busy() -> TenantStatus:
    """A week in which something happened."""
    waits = build_case(
        1,
        guard_verdict=Verdict.ASK,
        verdict=Verdict.ASK,
        notification=Notification.NONE,
        notified_at=NOW,
        opened_at=NOW,
    )
    untold = build_case(2, severity=Severity.CRITICAL, opened_at=NOW - timedelta(hours=2))
    ended = build_case(
        3,
        closed_at=NOW - timedelta(days=2),
        resolution="done",
        notification=Notification.NONE,
        notified_at=NOW,
    )
    made = ChangeRecord(
        "c", ended.key, "joe", "DisableInboxRule", {}, ChangeState.APPLIED, NOW, "r"
    )
    soon = Exemption("mailbox-9", "Ada", "a partner", NOW + timedelta(days=3))
    memory = remembering(waits, untold, ended, changes=(made,), exemptions={"mailbox-9": soon})
    return at(healthy(FORWARDING_CONFIG, memory), healthy(SIGN_IN_CONFIG))


def overfull() -> TenantStatus:
    """As much as there can be of everything, and all of it hostile."""
    many = [
        build_case(
            number,
            summary=HOSTILE,
            subject=HOSTILE,
            verdict=Verdict.ASK,
            opened_at=NOW,
            severity=Severity.CRITICAL,
        )
        for number in range(200)
    ]
    pardons = {
        str(number): Exemption(str(number), HOSTILE, HOSTILE, NOW + timedelta(days=1))
        for number in range(50)
    }
    memory = remembering(*many, exemptions=pardons)
    return at(
        *(
            GuardData(
                replace(duty, guard=replace(duty.guard, name=f"{duty.guard.name}-{number}")),
                memory,
                [ran(duty, seen=1, blind=[HOSTILE] * 3, error=HOSTILE, status="failed")],
            )
            for number in range(5)
            for duty in THREE_CONFIGS
        )
    )


@pytest.mark.parametrize("address", ["", PUBLIC_URL])
@pytest.mark.parametrize(
    "known", [WELL, busy(), overfull(), at()], ids=["well", "busy", "full", "none"]
)
def test_it_is_a_valid_card_that_fits(known: TenantStatus, address: str) -> None:
    message = build_digest_card(known, address)
    validate_card(message)
    assert len(json.dumps(message).encode()) <= MAX_MESSAGE_BYTES
    raw = json.dumps(message, ensure_ascii=False)
    assert "https://evil" not in raw
    assert "\u202e" not in raw


def test_when_all_is_well_it_says_so_and_of_each_guard_when_it_looked_and_at_how_much() -> None:
    told = shown(at(*(healthy(duty) for duty in THREE_CONFIGS)))
    assert told.count("scanned 2026-11-23 06:55 UTC · 812 of 815 ") == 3
    assert "3 guards on, 2 of them enforcing" in told
    assert "open cases\nnone" in told
    assert "waiting for a decision\nnone" in told


def test_a_guard_that_has_not_looked_is_said_plainly_and_comes_first() -> None:
    late = GuardData(
        AUDIT_CONFIG, GuardSnapshot(state=LOOKED), [ran(AUDIT_CONFIG, NOW - timedelta(days=3))]
    )
    known = at(healthy(SIGN_IN_CONFIG), late)
    told = shown(known)
    assert style(known) == "attention"
    assert "Degraded: Exoguard misses part of the tenant or cannot notify" in told
    assert "**mailbox-audit**: late by" in told
    assert "**has not scanned since 2026-11-20 07:00 UTC**" in told
    assert told.index(AUDIT_CONFIG.guard.title) < told.index(SIGN_IN_CONFIG.guard.title)


def test_a_guard_that_never_looked_and_one_that_is_off_are_said_plainly() -> None:
    off = GuardData(replace(AUDIT_CONFIG, mode=Mode.OFF))
    told = shown(at(healthy(SIGN_IN_CONFIG), GuardData(FORWARDING_CONFIG), off))
    assert "**has never scanned**" in told
    assert "off: it does not run" in told
    assert "1 off" in told


def test_a_guard_whose_last_run_failed_did_not_look() -> None:
    failed = ran(SIGN_IN_CONFIG, status="failed", error="HTTP 503")
    told = shown(
        at(GuardData(SIGN_IN_CONFIG, GuardSnapshot(state=LOOKED), [failed, ran(SIGN_IN_CONFIG)]))
    )
    assert "its last run failed: HTTP 503" in told
    assert "**its last run failed** 2026-11-23 06:55 UTC" in told


def test_however_many_reasons_there_are_what_waits_is_still_told() -> None:
    told = shown(overfull())
    assert "more reasons" in told
    assert "Waiting for your decision" in told
    assert "and 2995 more" in told


def test_a_guard_whose_state_cannot_be_read_is_not_well() -> None:
    known = at(GuardData(SIGN_IN_CONFIG, read_error="the table answers 503"))
    assert style(known) == "attention"
    assert "the table answers 503" in shown(known)
    assert "its state cannot be read" in shown(known)


def test_the_week_is_told_in_numbers_and_what_waits_by_name() -> None:
    told = shown(busy(), PUBLIC_URL)
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

    def __init__(self, start: datetime = NOW - timedelta(days=3)) -> None:
        self.clock = Clock(start)
        self.ledger = FakeLedger(self.clock)
        self.alerts = FakeNotificationChannel()
        tenant = cast(Tenant, FakeTenant())
        self.world = World(tenant, self.ledger, self.alerts, self.clock, public_url=PUBLIC_URL)

    async def hour(self) -> str:
        """The timer of one hour."""
        became = await send_weekly_digest(self.world, THREE_CONFIGS, MONDAYS, f"run {self.clock()}")
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
    assert await stage.days(15) == [NOW, NOW + timedelta(days=7)]
    assert len(stage.alerts.sent) == 2


async def test_a_timer_that_fires_twice_or_a_little_early_sends_one() -> None:
    stage = Stage(NOW - timedelta(hours=1))
    assert await stage.hour() == "not due"
    stage.clock.current = NOW - timedelta(seconds=2)
    assert await stage.hour() == "sent"
    stage.clock.current = NOW + timedelta(seconds=5)
    assert await stage.hour() == "not due"


async def test_two_at_once_send_one() -> None:
    stage = Stage(NOW - timedelta(days=1))
    await stage.hour()
    stage.clock.current = NOW
    async with stage.ledger.claim("digest", "another") as claim:
        assert claim
        assert await stage.hour() == "busy"
    assert stage.alerts.sent == []


async def test_a_channel_that_is_down_gets_it_an_hour_later() -> None:
    stage = Stage(NOW - timedelta(hours=1))
    await stage.hour()
    stage.alerts.is_down = True
    assert [await stage.hour() for _ in range(5)] == ["untold"] * 5
    stage.alerts.is_down = False
    assert await stage.hour() == "sent"
    assert await stage.hour() == "not due"


async def test_whoever_dies_at_any_step_it_is_told_and_at_most_twice() -> None:
    died = 0
    for operation in range(1, 30):
        for after in (False, True):
            stage = Stage(NOW - timedelta(hours=1))
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


async def test_it_tells_of_every_guard_from_what_the_ledger_remembers() -> None:
    stage = Stage(NOW - timedelta(hours=1))
    await stage.hour()
    assert await stage.hour() == "sent"
    told = "\n".join(collect_texts(stage.alerts.sent[0]))
    assert told.count("**has never scanned**") == 3


@pytest.mark.parametrize(
    ("last", "now", "expected"),
    [
        (NOW, NOW + timedelta(days=6, hours=23), False),
        (NOW, NOW + timedelta(days=7), True),
        (NOW, NOW + timedelta(days=30), True),
        (NOW - timedelta(seconds=30), NOW + timedelta(seconds=30), False),
    ],
)
def test_it_is_due_when_the_schedule_came_to_a_moment_nothing_was_sent_for(
    last: datetime, now: datetime, expected: bool
) -> None:
    assert is_digest_due(MONDAYS, last, now) is expected


def test_enough_runs_are_read_to_know_the_last_complete_look_of_a_day() -> None:
    assert timedelta(minutes=15) * MAX_RUNS > timedelta(days=1)
