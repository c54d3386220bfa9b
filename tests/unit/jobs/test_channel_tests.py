"""A test of the channels: asked for through the API, made by the worker, answered a channel."""

import json
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from core.api.authentication import Caller
from core.jobs.channel_tests import process_channel_tests
from core.model.outbox import ChannelFault, NoticeEvent
from core.model.requests import RequestState
from core.notifications.run_cards import build_cards
from core.ports import CHANNEL_PARTITION, World
from tests.support.fakes.channel import FakeMessageChannel, FakeNotificationChannel
from tests.support.fakes.ledger import DAY
from tests.support.fakes.tenant import FakeTenant
from tests.unit.api.harness import WHO_AND_WHY, ApiHarness

ON = {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/x", "MAIL_SENDER": "soc@x.example"}


@dataclass
class ChannelApi(ApiHarness):
    """The API of an app with channels, and the worker that tests them."""

    environ: dict[str, str] = field(default_factory=lambda: {**ON, "MAIL_TO": "on@call.example"})
    faults: tuple[ChannelFault, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        self.teams = FakeNotificationChannel()
        self.mail, self.slack = (
            FakeMessageChannel("mail"),
            FakeMessageChannel("slack", patience=0.01),
        )

    @property
    def world(self) -> World:
        out_of_use = {one.channel for one in self.faults}
        return World(
            FakeTenant(),
            self.ledger,
            self.teams,
            self.clock,
            build_cards,
            channels=tuple(one for one in (self.mail, self.slack) if one.name not in out_of_use),
            channel_faults=self.faults,
        )

    async def ask(self, channel: str = "") -> tuple[int, Any]:
        answer = await self.post(
            "request-channel-test", WHO_AND_WHY | ({"channel": channel} if channel else {})
        )
        return answer.status, json.loads(answer.body)

    async def read(self, request: str) -> Any:
        return json.loads((await self.get("channel-test-report", request=request)).body)

    async def test(self, channel: str = "") -> Any:
        """Ask for a test, let the worker make it, and read the result."""
        status, accepted = await self.ask(channel)
        assert status == 202, accepted
        assert accepted["address"] == f"/api/channel-tests/{accepted['request']}"
        self.clock.advance(seconds=2)
        assert await process_channel_tests(self.world, "a run") != "busy"
        return await self.read(accepted["request"])


async def test_a_test_whose_message_was_lost_is_made_once_it_is_asked_for_again() -> None:
    api = ChannelApi()
    first = await api.post("request-channel-test", WHO_AND_WHY)
    api.clock.advance(minutes=5)
    again = await api.post("request-channel-test", WHO_AND_WHY)
    assert again.body == first.body
    assert again.run_messages == first.run_messages != ()


async def test_each_channel_is_sent_a_test_and_what_it_answered_is_told() -> None:
    api = ChannelApi()
    _, accepted = await api.ask()
    waiting = await api.read(accepted["request"])
    assert (waiting["status"], waiting["results"]) == ("requested", [])
    done = await api.test()
    assert done["status"] == "done"
    assert [(one["channel"], one["accepted"]) for one in done["results"]] == [
        ("teams", True),
        ("mail", True),
        ("slack", True),
    ]
    assert done["note"] == "3 of 3 channels accepted the test"
    assert "This is a test of this channel" in json.dumps(api.teams.sent)
    [row] = [row for rows in api.mail.sent for row in rows]
    assert row.notice.event is NoticeEvent.TEST


async def test_one_channel_that_fails_or_hangs_holds_up_no_other_and_has_a_remedy() -> None:
    api = ChannelApi()
    api.teams.is_down = True
    api.slack.hangs = True
    done = await api.test()
    told = {one["channel"]: one for one in done["results"]}
    assert told["mail"]["accepted"]
    assert told["mail"]["remedy"] is None
    assert "not accepted: the webhook answers 503" in told["teams"]["text"]
    assert "TEAMS_WEBHOOK_URL" in told["teams"]["remedy"]
    assert "no answer within" in told["slack"]["text"]
    assert "SLACK_WEBHOOK_URL" in told["slack"]["remedy"]
    assert done["note"] == "1 of 3 channels accepted the test"


async def test_one_channel_is_tested_by_itself() -> None:
    api = ChannelApi()
    done = await api.test("mail")
    assert [one["channel"] for one in done["results"]] == ["mail"]
    assert (done["channel"], api.teams.sent, api.slack.sent) == ("mail", [], [])


async def test_a_channel_that_is_out_of_use_says_why_and_is_sent_nothing() -> None:
    api = ChannelApi(
        environ={"SLACK_WEBHOOK_URL": "https://evil.example/x"},
        faults=(ChannelFault("slack", "SLACK_WEBHOOK_URL must be at slack.com."),),
    )
    done = await api.test("slack")
    [one] = done["results"]
    assert (one["accepted"], one["text"]) == (
        False,
        "out of use: SLACK_WEBHOOK_URL must be at slack.com.",
    )
    assert "correct the setting" in one["remedy"]


@pytest.mark.parametrize(
    ("channel", "status", "reason"),
    [
        ("pagerduty", 409, "pagerduty is off: set PAGERDUTY_ROUTING_KEY"),
        ("carrier-pigeon", 400, '"channel"'),
        ("mail,slack", 400, '"channel"'),
    ],
)
async def test_a_channel_that_is_off_or_unknown_is_not_tested(
    channel: str, status: int, reason: str
) -> None:
    api = ChannelApi()
    found, answer = await api.ask(channel)
    assert found == status
    assert reason in answer["error"]


async def test_equal_tests_that_wait_are_one_and_there_are_a_few_an_hour() -> None:
    api = ChannelApi()
    first, second = await api.ask(), await api.ask()
    assert first == second
    assert (await api.ask("mail"))[1]["request"] != first[1]["request"]
    await process_channel_tests(api.world, "a run")
    for _ in range(4):
        api.clock.advance(seconds=60)
        await api.test()
    status, answer = await api.ask()
    assert status == 429
    assert "6 tests were asked for within an hour: wait until" in answer["error"]
    api.clock.advance(minutes=61)
    assert (await api.ask())[0] == 202


async def test_a_test_that_nobody_waits_for_any_more_is_not_sent() -> None:
    api = ChannelApi()
    _, accepted = await api.ask()
    api.clock.advance(minutes=61)
    await process_channel_tests(api.world, "a run")
    late = await api.read(accepted["request"])
    assert (late["status"], late["note"]) == (
        "refused",
        "it waited for more than an hour: ask again",
    )
    assert api.teams.sent == []


async def test_who_asked_stays_on_record_and_goes_after_its_time() -> None:
    api = ChannelApi()
    done = await api.test()
    assert (done["who"], done["why"]) == (WHO_AND_WHY["who"], WHO_AND_WHY["why"])
    [request] = await api.list_requests(CHANNEL_PARTITION)
    assert request.state is RequestState.DONE
    api.clock.current += 31 * DAY
    await process_channel_tests(api.world, "a run")
    assert (await api.read(done["request"]))["results"] == []
    api.clock.current += 400 * DAY
    await process_channel_tests(api.world, "a run")
    assert await api.list_requests(CHANNEL_PARTITION) == ()


async def test_two_workers_make_a_test_once() -> None:
    api = ChannelApi()
    await api.ask()
    async with api.ledger.claim(CHANNEL_PARTITION, "another") as claim:
        assert claim
        assert await process_channel_tests(api.world, "a run") == "busy"
    assert api.mail.attempt_count == 0


async def test_a_reader_and_a_forged_message_send_nothing() -> None:
    api = ChannelApi()
    api.caller = Caller("Rea (9)", "Rea", is_operator=False)
    assert (await api.ask())[0] == 403
    assert await process_channel_tests(replace(api.world), "a run") == "nothing to do"
    assert api.teams.sent == []
    missing = await api.get("channel-test-report", request="0" * 14 + "-" + "0" * 8)
    assert missing.status == 404
