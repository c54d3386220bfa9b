"""Channels whose addresses are not allowed, through the whole app: guards go on, and others tell.

Teams and Slack lead elsewhere; the signed webhook is as it should be. One story is played, and each
test checks a part of it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from sandbox.scene_runner import build_app_settings
from sandbox.server import Sandbox
from tests.support.hosted_app import HOST_SCENE, HostedApp, start_hosted_app
from tests.support.shared_azurite import take_account

GUARD = "shared-mailbox-sign-in"
ELSEWHERE = "https://evil.example/hush"
WHO_AND_WHY = {"who": "Dana", "why": "the night shift"}
pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Story:
    """What the app answered, and what left it."""

    run: dict[str, Any] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    page: str = ""
    test: dict[str, Any] = field(default_factory=dict)
    too_many: tuple[int, dict[str, Any]] = (0, {})
    events: list[dict[str, Any]] = field(default_factory=list)
    cards: int = 0


async def play(app: HostedApp, box: Sandbox) -> Story:
    headers = {"x-functions-key": app.function_key, "Content-Type": "application/json"}
    story = Story()
    async with aiohttp.ClientSession(app.base_url, headers=headers) as session:

        async def post(path: str) -> tuple[int, dict[str, Any]]:
            async with session.post(path, data=json.dumps(WHO_AND_WHY)) as answer:
                return answer.status, await answer.json()

        async def get(path: str) -> dict[str, Any]:
            async with session.get(path) as answer:
                found: dict[str, Any] = await answer.json()
                return found

        async def wait(path: str) -> dict[str, Any]:
            status, accepted = await post(path)
            assert status == 202, accepted
            while True:
                found = await get(accepted["address"])
                if found["status"] not in ("requested", "queued", "running"):
                    return found
                await asyncio.sleep(0.05)

        story.run = await wait(f"/api/guards/{GUARD}/run")
        story.test = await wait("/api/channels/test")
        while story.too_many[0] != 429:
            # An equal test that waits is not another one.
            story.too_many = await post("/api/channels/test")
            await asyncio.sleep(0.2)
        story.status = await get("/api/status.json")
        async with session.get("/api/permissions") as answer:
            story.page = await answer.text()
        story.events = list(box.channels.list_taken("webhook"))
        story.cards = len(box.cards)
    return story


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    folder: Path = tmp_path_factory.mktemp("channels")
    async with Sandbox(HOST_SCENE) as box:
        environ = build_app_settings(box, take_account(), {})
        environ |= {
            "TEAMS_WEBHOOK_URL": ELSEWHERE,
            "SLACK_WEBHOOK_URL": ELSEWHERE,
            "EVENT_WEBHOOK_URL": f"{box.base}/channels/webhook",
            "EVENT_WEBHOOK_SECRET": box.channels.secret,
        }
        async with start_hosted_app(environ, folder) as app:
            yield await play(app, box)


async def test_a_guard_runs_and_sends_nothing_elsewhere(story: Story) -> None:
    assert story.run["status"] == "done"
    assert story.cards == 0


async def test_the_channel_that_is_left_tells_of_those_that_are_not(story: Story) -> None:
    told = {
        event["data"]["object"]: event["data"]
        for event in story.events
        if event["data"]["kind"] == "channel-unusable"
    }
    assert set(told) == {"teams", "slack"}
    assert {one["severity"] for one in told.values()} == {"high"}
    assert "TEAMS_WEBHOOK_URL must be at" in str(told["teams"]["facts"])


async def test_status_and_page_name_the_reason_and_no_secret(story: Story) -> None:
    channels = {one["channel"]: one for one in story.status["channels"]}
    assert [name for name, one in channels.items() if not one["well"]] == ["teams", "slack"]
    assert "SLACK_WEBHOOK_URL must be at slack.com" in channels["slack"]["text"]
    assert "SLACK_WEBHOOK_URL must be at slack.com" in story.page
    assert "hush" not in json.dumps(story.status) + story.page + json.dumps(story.events)


async def test_a_test_over_http_says_of_each_channel_what_it_answered(story: Story) -> None:
    results = {one["channel"]: one for one in story.test["results"]}
    assert {name: one["accepted"] for name, one in results.items()} == {
        "teams": False,
        "slack": False,
        "webhook": True,
    }
    assert all(one["remedy"] for one in results.values() if not one["accepted"])
    assert any(event["type"].endswith(".test") for event in story.events)


async def test_there_are_a_few_tests_an_hour(story: Story) -> None:
    status, answer = story.too_many
    assert status == 429
    assert "wait until" in answer["error"]
