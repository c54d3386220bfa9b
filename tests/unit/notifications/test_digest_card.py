"""The week's card: what it says of each guard, and that it is sent once a week."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from core.jobs.weekly_digest import due, weekly
from core.model.cases import Exemption, News
from core.model.changes import ChangeRecord, ChangeState
from core.model.findings import Severity, Verdict
from core.model.guards import Duty, Mode, Terms
from core.model.state import GuardState, Memory
from core.notifications.adaptive_card import LIMIT
from core.notifications.digest_card import digest
from core.ports import World
from core.status.guard_status import Standing
from core.status.load import RUNS
from core.status.overview import Status, status
from core.tenant.port import Tenant
from tests.support.adaptive_cards import ADDRESS, case, content, texts, validate
from tests.support.builders import AUDIT, FORWARDING, SIGN_IN, THREE
from tests.support.fakes.tenant import FakeTenant
from tests.support.fakes.world import Clock, Death, FakeAlerts, FakeLedger, Reaper
from tests.unit.notifications.test_run_cards import HOSTILE

# A Monday.
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
MONDAYS = "0 0 7 * * 1"
LOOKED = GuardState(adopted=frozenset({"rules"}), population=815)


def ran(duty: Duty, at: datetime = NOW - timedelta(minutes=5), **other: Any) -> dict[str, Any]:
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


def healthy(duty: Duty, memory: Memory | None = None) -> Standing:
    return Standing(duty, memory or Memory(state=LOOKED), [ran(duty)])


def at(*standings: Standing) -> Status:
    return status(standings, NOW)


def shown(known: Status, address: str = "") -> str:
    return "\n".join(texts(digest(known, address)))


def style(known: Status) -> object:
    return content(digest(known))["body"][0]["style"]


def remembering(*cases: Any, **other: Any) -> Memory:
    return Memory(cases={one.key: one for one in cases}, state=LOOKED, **other)


WELL = at(*(healthy(duty) for duty in THREE))


def busy() -> Status:
    """A week in which something happened."""
    waits = case(1, judged=Verdict.ASK, verdict=Verdict.ASK, news=News.NONE, told=NOW, opened=NOW)
    untold = case(2, severity=Severity.CRITICAL, opened=NOW - timedelta(hours=2))
    ended = case(3, closed=NOW - timedelta(days=2), closing="done", news=News.NONE, told=NOW)
    made = ChangeRecord(
        "c", ended.key, "joe", "DisableInboxRule", {}, ChangeState.APPLIED, NOW, "r"
    )
    soon = Exemption("mailbox-9", "Ada", "a partner", NOW + timedelta(days=3))
    memory = remembering(waits, untold, ended, changes=(made,), exemptions={"mailbox-9": soon})
    return at(healthy(FORWARDING, memory), healthy(SIGN_IN))


def overfull() -> Status:
    """As much as there can be of everything, and all of it hostile."""
    many = [
        case(
            number,
            summary=HOSTILE,
            subject=HOSTILE,
            verdict=Verdict.ASK,
            opened=NOW,
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
            Standing(
                replace(duty, guard=replace(duty.guard, name=f"{duty.guard.name}-{number}")),
                memory,
                [ran(duty, seen=1, blind=[HOSTILE] * 3, error=HOSTILE, status="failed")],
            )
            for number in range(5)
            for duty in THREE
        )
    )


@pytest.mark.parametrize("address", ["", ADDRESS])
@pytest.mark.parametrize(
    "known", [WELL, busy(), overfull(), at()], ids=["well", "busy", "full", "none"]
)
def test_it_is_a_valid_card_that_fits(known: Status, address: str) -> None:
    message = digest(known, address)
    validate(message)
    assert len(json.dumps(message).encode()) <= LIMIT
    raw = json.dumps(message, ensure_ascii=False)
    assert "https://evil" not in raw
    assert "\u202e" not in raw


def test_when_all_is_well_it_says_so_and_of_each_guard_when_it_looked_and_at_how_much() -> None:
    told = shown(at(*(healthy(duty) for duty in THREE)))
    assert told.count("looked 2026-11-23 06:55 UTC · 812 of 815 ") == 3
    assert "3 guards on, 2 of them enforcing" in told
    assert "open cases\nnone" in told
    assert "waiting for a decision\nnone" in told


def test_a_guard_that_has_not_looked_is_said_plainly_and_comes_first() -> None:
    late = Standing(AUDIT, Memory(state=LOOKED), [ran(AUDIT, NOW - timedelta(days=3))])
    known = at(healthy(SIGN_IN), late)
    told = shown(known)
    assert style(known) == "attention"
    assert "Exoguard does not see everything, or cannot tell it" in told
    assert "**mailbox-audit**: late by" in told
    assert "**has not looked since 2026-11-20 07:00 UTC**" in told
    assert told.index(AUDIT.guard.title) < told.index(SIGN_IN.guard.title)


def test_a_guard_that_never_looked_and_one_that_is_off_are_said_plainly() -> None:
    off = Standing(replace(AUDIT, mode=Mode.OFF))
    told = shown(at(healthy(SIGN_IN), Standing(FORWARDING), off))
    assert "**has never looked**" in told
    assert "off: it does not look" in told
    assert "1 off" in told


def test_a_guard_whose_last_run_failed_did_not_look() -> None:
    failed = ran(SIGN_IN, status="failed", error="HTTP 503")
    told = shown(at(Standing(SIGN_IN, Memory(state=LOOKED), [failed, ran(SIGN_IN)])))
    assert "its last run failed: HTTP 503" in told
    assert "**its last run failed** 2026-11-23 06:55 UTC" in told


def test_however_many_reasons_there_are_what_waits_is_still_told() -> None:
    told = shown(overfull())
    assert "more reasons" in told
    assert "Waits for a decision" in told
    assert "and 2995 more" in told


def test_a_guard_whose_state_cannot_be_read_is_not_well() -> None:
    known = at(Standing(SIGN_IN, unreadable="the table answers 503"))
    assert style(known) == "attention"
    assert "the table answers 503" in shown(known)
    assert "nothing is known of it" in shown(known)


def test_the_week_is_told_in_numbers_and_what_waits_by_name() -> None:
    told = shown(busy(), ADDRESS)
    assert "open cases\n1 critical, 1 high" in told
    assert "in this week\n3 new, 1 over" in told
    assert "changes made\n1" in told
    assert "waiting for a decision\n1" in told
    assert "exemptions ending\n1" in told
    assert "not told yet\n1 alert" in told
    page = f"{ADDRESS}/api/cases/mailbox-forwarding/{1:032x}"
    assert f"[case 00000001]({page})" in told
    assert "mailbox-9: until 2026-11-26, by Ada" in told
    assert "1 x disable the inbox rule" in told


# Once a week ------------------------------------------------------------------------------------


class Stage:
    """The memory of all guards, one channel, and a clock."""

    def __init__(self, start: datetime = NOW - timedelta(days=3)) -> None:
        self.clock = Clock(start)
        self.ledger = FakeLedger(self.clock)
        self.alerts = FakeAlerts()
        tenant = cast(Tenant, FakeTenant())
        self.world = World(
            tenant, self.ledger, self.alerts, Terms(start), self.clock, address=ADDRESS
        )

    async def hour(self) -> str:
        """The timer of one hour."""
        became = await weekly(self.world, THREE, MONDAYS, f"run {self.clock()}")
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
    stage.clock.moment = NOW - timedelta(seconds=2)
    assert await stage.hour() == "sent"
    stage.clock.moment = NOW + timedelta(seconds=5)
    assert await stage.hour() == "not due"


async def test_two_at_once_send_one() -> None:
    stage = Stage(NOW - timedelta(days=1))
    await stage.hour()
    stage.clock.moment = NOW
    async with stage.ledger.claim("digest", "another") as claim:
        assert claim
        assert await stage.hour() == "busy"
    assert stage.alerts.sent == []


async def test_a_channel_that_is_down_gets_it_an_hour_later() -> None:
    stage = Stage(NOW - timedelta(hours=1))
    await stage.hour()
    stage.alerts.down = True
    assert [await stage.hour() for _ in range(5)] == ["untold"] * 5
    stage.alerts.down = False
    assert await stage.hour() == "sent"
    assert await stage.hour() == "not due"


async def test_whoever_dies_at_any_step_it_is_told_and_at_most_twice() -> None:
    died = 0
    for operation in range(1, 30):
        for after in (False, True):
            stage = Stage(NOW - timedelta(hours=1))
            await stage.hour()
            reaper = Reaper(operation, after)
            stage.ledger.reaper = stage.alerts.reaper = reaper
            try:
                await stage.hour()
            except Death:
                died += 1
            stage.ledger.reaper = stage.alerts.reaper = Reaper()
            await stage.days(2)
            assert 1 <= len(stage.alerts.sent) <= 2
            if not reaper.dead:
                assert len(stage.alerts.sent) == 1
    assert died >= 4


async def test_it_tells_of_every_guard_from_what_the_ledger_remembers() -> None:
    stage = Stage(NOW - timedelta(hours=1))
    await stage.hour()
    assert await stage.hour() == "sent"
    told = "\n".join(texts(stage.alerts.sent[0]))
    assert told.count("**has never looked**") == 3


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
    assert due(MONDAYS, last, now) is expected


def test_enough_runs_are_read_to_know_the_last_complete_look_of_a_day() -> None:
    assert timedelta(minutes=15) * RUNS > timedelta(days=1)
