"""A weekly digest that does not come, and a channel that is out of use, are cases of one guard."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from core.engine.run import run
from core.engine.self_remedies import build_self_remedy
from core.engine.shared_state import (
    FIRST_CHECK_KEY,
    LATE_DIGEST,
    LOST_PLACE,
    SENT_KEY,
    UNUSABLE_CHANNEL,
    add_shared_state,
    build_channel_finding,
    build_digest_finding,
    build_place_finding,
    explain_late_digest,
    list_lost_places,
)
from core.model.activity import ActivityCursor
from core.model.cases import Case
from core.model.findings import Fact, Severity, Verdict
from core.model.outbox import ChannelFault
from core.model.state import GuardSnapshot, GuardState, ProbeReport
from core.ports import ACTIVITY_PARTITION, DIGEST_PARTITION, World
from core.tenant.probing import AnswerStatus, ProbeAnswer
from tests.support.fakes.channel import FakeMessageChannel
from tests.support.fakes.clock import START
from tests.support.synthetic_guard import EngineHarness, SyntheticTenant

DAY = timedelta(days=1)
MONDAYS = "0 0 7 * * 1"


@dataclass
class Deployment:
    """A guard that reports the digest, and what is stored of the digest."""

    harness: EngineHarness[SyntheticTenant] = field(
        default_factory=lambda: EngineHarness(SyntheticTenant(4))
    )

    async def save_times(self, **times: datetime) -> None:
        """Store when the digest was sent, or first checked."""
        names = {"sent": SENT_KEY, "begun": FIRST_CHECK_KEY}
        state = GuardState(checks_finished_at={names[name]: at for name, at in times.items()})
        async with self.harness.ledger.claim(DIGEST_PARTITION, "r") as claim:
            assert claim
            await claim.save(state=state)

    async def list_open_kinds(self, reporter: str = "toy") -> list[str]:
        """The kinds of the open cases after two runs."""
        world = replace(self.harness.world, digest_guard=reporter, digest_schedule=MONDAYS)
        for _ in range(3):
            await run(self.harness.config, world)
            self.harness.clock.advance(minutes=15)
        cases = self.harness.ledger.list_cases("toy").values()
        return [case.kind for case in cases if case.closed_at is None and case.notified_at]


@pytest.mark.parametrize(
    ("times", "is_late"),
    [
        ({}, False),
        ({"sent": START - DAY}, False),
        ({"sent": START - 3 * DAY}, False),
        ({"sent": START - 13 * DAY}, True),
        ({"sent": START - 400 * DAY}, True),
        ({"begun": START - 13 * DAY}, True),
        ({"begun": START - 13 * DAY, "sent": START - DAY}, False),
        ({"sent": START + DAY}, True),
        ({"sent": START + 4000 * DAY}, True),
    ],
    ids=str,
)
async def test_a_digest_that_is_late_or_dated_ahead_is_a_case_of_one_guard(
    times: dict[str, datetime], is_late: bool
) -> None:
    deployment = Deployment()
    await deployment.save_times(**times)
    assert (LATE_DIGEST in await deployment.list_open_kinds("another")) is False
    assert (LATE_DIGEST in await deployment.list_open_kinds()) is is_late
    await deployment.save_times(sent=deployment.harness.clock())
    assert LATE_DIGEST not in await deployment.list_open_kinds()


async def test_a_digest_is_late_a_day_after_its_time() -> None:
    deployment = Deployment()
    monday = START.replace(hour=7, minute=0, second=0) - START.weekday() * DAY
    await deployment.save_times(sent=monday)
    harness = deployment.harness
    for after, is_late in ((8 * DAY - timedelta(minutes=1), False), (8 * DAY, True)):
        harness.clock.current = monday + after
        world = replace(harness.world, digest_guard="toy", digest_schedule=MONDAYS)
        assert bool(await explain_late_digest(world)) is is_late


async def test_a_row_of_the_digest_that_nobody_understands_is_a_case() -> None:
    deployment = Deployment()
    deployment.harness.ledger.get_partition(DIGEST_PARTITION).state = "nonsense"
    world = replace(deployment.harness.world, digest_guard="toy", digest_schedule=MONDAYS)
    assert await explain_late_digest(world) == ("the row that says when it was sent cannot be read")
    assert LATE_DIGEST in await deployment.list_open_kinds()


SLACK = ChannelFault("slack", "SLACK_WEBHOOK_URL must be at slack.com.")
TEAMS_FAULT = ChannelFault("teams", "TEAMS_WEBHOOK_URL is missing.")


async def list_channel_cases(
    harness: EngineHarness[SyntheticTenant],
    *faults: ChannelFault,
    channels: tuple[FakeMessageChannel, ...] = (),
    reporter: str = "toy",
) -> dict[str, Case]:
    """The open cases about channels after a run, by channel."""
    world = replace(harness.world, digest_guard=reporter, channel_faults=faults, channels=channels)
    await run(harness.config, world)
    harness.clock.advance(minutes=15)
    cases = harness.ledger.list_cases("toy").values()
    return {
        case.object_id: case
        for case in cases
        if case.kind == UNUSABLE_CHANNEL and case.closed_at is None
    }


async def test_a_channel_that_is_out_of_use_is_told_to_the_others_by_one_guard() -> None:
    harness = EngineHarness(SyntheticTenant(4))
    mail = FakeMessageChannel("mail")
    assert await list_channel_cases(harness, SLACK, reporter="another") == {}
    found = await list_channel_cases(harness, SLACK, channels=(mail,))
    assert found["slack"].severity is Severity.HIGH
    assert "SLACK_WEBHOOK_URL must be at slack.com." in str(found["slack"].facts)
    assert found["slack"].key in mail.told_keys
    assert "The channel slack is out of use" in str(harness.notification_channel.sent)
    assert await list_channel_cases(harness, channels=(mail,)) == {}


async def test_teams_that_is_out_of_use_is_told_to_the_other_channels_and_guards_go_on() -> None:
    harness = EngineHarness(SyntheticTenant(4))
    harness.notification_channel.is_down = True
    mail = FakeMessageChannel("mail")
    found = await list_channel_cases(harness, TEAMS_FAULT, channels=(mail,))
    assert found["teams"].severity is Severity.HIGH
    assert found["teams"].key in mail.told_keys
    [last] = await harness.ledger.list_recent_runs("toy", 1)
    assert last["status"] == "done"


async def test_where_no_channel_is_left_the_case_is_critical_and_says_so() -> None:
    harness = EngineHarness(SyntheticTenant(4))
    harness.notification_channel.is_down = True
    found = await list_channel_cases(harness, TEAMS_FAULT, SLACK)
    assert {case.severity for case in found.values()} == {Severity.CRITICAL}
    assert "No channel is left" in str(found["teams"].facts)


# What one guard reports for all ------------------------------------------------------------------

ANSWER = ProbeAnswer("exchange-paging", AnswerStatus.HOLDS)


async def fill(deployment: Deployment, world: World) -> GuardSnapshot:
    """An empty snapshot with what all guards share."""
    return await add_shared_state(deployment.harness.config, world, GuardSnapshot())


async def test_the_probe_is_known_to_each_guard_and_the_rest_is_told_by_one() -> None:
    deployment = Deployment()
    await deployment.save_times(sent=START - 400 * DAY)
    await deployment.harness.ledger.save_probe(ProbeReport(START, (ANSWER,)))
    await save_cursor(deployment, "exchange", START)
    world = replace(
        deployment.harness.world,
        digest_guard="another",
        digest_schedule=MONDAYS,
        channel_faults=(SLACK,),
    )
    other = await fill(deployment, world)
    assert other == GuardSnapshot(probe_answers=(ANSWER,))
    one = await fill(deployment, replace(world, digest_guard="toy"))
    assert one.late_digest.startswith("it was due on 2025-")
    assert (one.lost_places, one.channel_faults) == (("exchange",), (SLACK,))
    assert (await fill(deployment, replace(world, digest_guard="toy", digest_schedule=""))) == (
        replace(one, late_digest="")
    )


async def test_before_the_first_probe_there_are_no_answers() -> None:
    deployment = Deployment()
    assert (await fill(deployment, deployment.harness.world)).probe_answers == ()


async def test_no_channel_is_left_where_teams_is_out_of_use_and_there_is_no_other() -> None:
    deployment = Deployment()
    world = replace(deployment.harness.world, channels=(), channel_faults=())
    assert (await fill(deployment, world)).has_channel
    alone = replace(world, channel_faults=(SLACK, TEAMS_FAULT))
    assert not (await fill(deployment, alone)).has_channel
    mail = replace(alone, channels=(FakeMessageChannel("mail"),))
    assert (await fill(deployment, mail)).has_channel
    assert (await fill(deployment, replace(world, channel_faults=(SLACK,)))).has_channel


async def save_cursor(deployment: Deployment, name: str, restarted_at: datetime | None) -> None:
    """Store how far a log was read, and when it began anew."""
    cursor = ActivityCursor(name, START, START, restarted_at=restarted_at)
    async with deployment.harness.ledger.claim(ACTIVITY_PARTITION, "r") as claim:
        assert claim
        await claim.save(cursor)


async def test_a_place_that_was_lost_within_a_day_is_told_by_the_name_of_its_log() -> None:
    deployment = Deployment()
    now = deployment.harness.clock()
    for name, at in (
        ("exchange", now - DAY + timedelta(seconds=1)),
        ("directory", now + timedelta(hours=1)),
        ("entra", now - DAY),
        ("changed-accounts", None),
    ):
        await save_cursor(deployment, name, at)
    assert await list_lost_places(deployment.harness.world) == ("directory", "exchange")
    deployment.harness.ledger.is_down = True
    assert await list_lost_places(deployment.harness.world) == ()


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ({"sent": timedelta(hours=1)}, ""),
        ({"sent": timedelta(hours=1, seconds=1)}, "it is marked as sent in the future, on 2026-"),
        ({"sent": timedelta(days=-400), "begun": timedelta()}, "it was due on 2025-"),
    ],
)
async def test_a_late_digest_says_since_when(times: dict[str, timedelta], said: str) -> None:
    deployment = Deployment()
    now = deployment.harness.clock()
    await deployment.save_times(**{name: now + ahead for name, ahead in times.items()})
    world = replace(deployment.harness.world, digest_schedule=MONDAYS)
    found = await explain_late_digest(world)
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_what_is_told_of_the_digest_the_logs_and_a_channel() -> None:
    digest = build_digest_finding("it was due")
    assert (digest.kind, digest.severity, digest.verdict) == (
        LATE_DIGEST,
        Severity.HIGH,
        Verdict.COULD_NOT_TELL,
    )
    assert (digest.object_id, digest.subject) == ("weekly-digest", "weekly digest")
    assert digest.summary == "The weekly digest was not sent as its schedule says."
    assert (digest.facts, digest.confirmations_needed) == ((Fact("", "it was due"),), 2)
    assert digest.advice.startswith("Check the function weekly-digest")
    assert digest.steps == build_self_remedy("digest-late", "weekly-digest")
    place = build_place_finding(["directory", "exchange"])
    assert (place.kind, place.severity, place.verdict) == (
        LOST_PLACE,
        Severity.MEDIUM,
        Verdict.COULD_NOT_TELL,
    )
    assert (place.object_id, place.subject) == ("activity", "audit logs")
    assert place.summary == "It was not known how far audit logs had been read."
    assert place.facts == (
        Fact("log", "directory"),
        Fact("log", "exchange"),
        Fact("", "a week of each is read again: nothing is lost but time"),
    )
    assert place.advice.startswith("After a change of version this is ordinary.")
    channel = build_channel_finding(SLACK, is_last=False)
    assert (channel.kind, channel.object_id, channel.subject) == (
        UNUSABLE_CHANNEL,
        "slack",
        "channel slack",
    )
    assert channel.verdict == Verdict.COULD_NOT_TELL
    assert channel.facts == (Fact("", SLACK.reason),)
    assert channel.advice.startswith("Correct the setting that the reason names")
    assert channel.steps == build_self_remedy("channel-unusable", "channels")
    last = build_channel_finding(SLACK, is_last=True)
    assert str(last.facts[1]).startswith("No channel is left: nobody is told anything")
