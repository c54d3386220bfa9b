"""The channels tested from the command line: by the app where there is an address, or from here."""

import json
from dataclasses import dataclass, field

import pytest

from core.cli.api_client import (
    EXIT_OK,
    EXIT_PROBLEM,
    EXIT_REFUSED,
    EXIT_UNAVAILABLE,
    EXIT_USAGE,
    ApiResponse,
)
from core.config.settings import Settings
from core.jobs.channel_tests import process_channel_tests
from core.jobs.run_requests import RunMessage
from core.notifications.run_cards import build_cards
from core.ports import CHANNEL_PARTITION, World
from tests.support.fakes.channel import FakeMessageChannel, FakeNotificationChannel
from tests.support.fakes.tenant import FakeTenant
from tests.support.local_app import SAMPLES, LocalApp

SLACK = {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/x"}
TESTS_PATH = "/api/channels/test"


@dataclass
class ChannelApp(LocalApp):
    """An app with Teams and Slack."""

    teams: FakeNotificationChannel = field(default_factory=FakeNotificationChannel)
    slack: FakeMessageChannel = field(default_factory=lambda: FakeMessageChannel("slack"))

    def __post_init__(self) -> None:
        super().__post_init__()
        self.settings = Settings.read({**SAMPLES, **SLACK})

    async def process_run_message(self, message: RunMessage, settings: Settings) -> None:
        """Make the test that waits, as the worker does."""
        assert message.guard == CHANNEL_PARTITION
        world = World(
            FakeTenant(), self.ledger, self.teams, self.clock, build_cards, channels=(self.slack,)
        )
        await process_channel_tests(world, message.run)


def test_the_app_sends_the_tests_and_what_each_channel_answered_is_printed() -> None:
    app = ChannelApp()
    result = app.run_command("channels", "test", "--why", "night shift")
    assert result.exit_code == EXIT_OK, result.err
    assert "accepted  teams: accepted; look whether it arrived" in result.out
    assert "accepted  slack" in result.out
    assert "2 of 2 channels accepted the test" in result.out
    [(path, body)] = app.posts
    assert (path, body["who"], body["why"]) == (TESTS_PATH, "dana@laptop", "night shift")
    assert len(app.teams.sent) == 1


def test_a_channel_that_refuses_is_named_with_its_remedy() -> None:
    app = ChannelApp()
    app.slack.is_down = True
    result = app.run_command("channels")
    assert result.exit_code == EXIT_PROBLEM
    assert "REFUSED   slack: not accepted: HTTP 503" in result.out
    assert "put its address into SLACK_WEBHOOK_URL" in result.out


def test_one_channel_is_tested_and_printed_as_json() -> None:
    app = ChannelApp()
    result = app.run_command("channels", "test", "--channel", "slack", "--json")
    assert [one["channel"] for one in json.loads(result.out)["results"]] == ["slack"]
    assert app.teams.sent == []


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("channels", "silence"), EXIT_USAGE),
        (("channels", "test", "--channel", "mail"), EXIT_REFUSED),
        (("channels", "test", "--channel", "pigeon"), EXIT_REFUSED),
    ],
)
def test_what_cannot_be_tested_is_refused(words: tuple[str, ...], code: int) -> None:
    app = ChannelApp()
    result = app.run_command(*words)
    assert result.exit_code == code
    assert result.err
    assert app.teams.sent == []


def test_without_an_address_the_tests_are_sent_from_here() -> None:
    app = ChannelApp(environ={"EXOGUARD_APP": ""})
    result = app.run_command("channels", "test")
    assert result.exit_code == EXIT_UNAVAILABLE
    assert "setting   TENANT_ID is missing" in result.out
    assert app.posts == []
    assert app.run_command("channels", "--channel", "slack").exit_code == EXIT_USAGE


def test_a_test_of_nothing_is_no_success() -> None:
    app = ChannelApp()
    address = "/api/channel-tests/30708425056706-52e65694"
    accepted = {"request": address.rpartition("/")[2], "status": "requested", "address": address}
    made = b'{"status": "done", "results": [], "note": null}'
    app.canned_replies[TESTS_PATH] = ApiResponse(202, json.dumps(accepted).encode())
    app.canned_replies[address] = ApiResponse(200, made)
    assert app.run_command("channels", "test").exit_code == EXIT_PROBLEM
