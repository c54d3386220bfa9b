"""The webhook: where cards may go, what counts as taken, and that the address stays secret."""

import json
import logging
import socket
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from core.adapters.http import HttpClient, PublicResolver
from core.adapters.retry import RetryableError
from core.adapters.teams import SEND_INTERVAL, TeamsChannel
from core.config.settings import Settings
from core.errors import CardRejected, NotificationError, SettingsError
from core.notifications.adaptive_card import MAX_MESSAGE_BYTES
from sandbox.server import Sandbox
from tests.support.adaptive_cards import SAMPLE_CARD
from tests.support.fakes.clock import SleepClock
from tests.support.http_recorder import build_scene, build_service

WORKFLOW = "https://default0a1b.4c.environment.api.powerplatform.com:443/workflows/x?sig=hush"


def teams(url: str, clock: SleepClock | None = None, **options: Any) -> TeamsChannel:
    return TeamsChannel(
        url, build_service(clock or SleepClock(), "Teams", **options), hosts=["127.0.0.1"]
    )


@pytest.mark.parametrize(
    "url",
    [
        WORKFLOW,
        "https://e.1.environment.api.powerplatform.com/powerautomate/x?sig=1",
        "https://E.1.Environment.Api.PowerPlatform.Com/powerautomate/x",
    ],
)
def test_the_hosts_of_microsoft_are_allowed(url: str) -> None:
    assert TeamsChannel(url, build_service(SleepClock())).label.startswith("webhook ")


@pytest.mark.parametrize(
    "url",
    [
        "http://default0a1b.4c.environment.api.powerplatform.com/x",
        "https://default0a1b.4c.environment.api.powerplatform.com:8443/x",
        "https://powerplatform.com/x",
        "https://evil.example/x",
        "https://api.powerplatform.com.evil.example/x",
        "https://evil-powerplatform.com/x",
        "https://a.api.powerplatform.com@evil.example/x",
        "https://user:pass@a.api.powerplatform.com/x",
        "https://127.0.0.1/x",
        "https://169.254.169.254/metadata",
        "https://[::1]/x",
        "http://localhost/x",
        "https://a.api.powerplatform.com/x#part",
        "https://evil.example\\.api.powerplatform.com/x",
        "https://a.api.powerplatform.com:port/x",
        "file:///etc/passwd",
        "",
    ],
)
def test_any_other_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        TeamsChannel(url, build_service(SleepClock()))
    assert "evil" not in str(caught.value)
    assert "TEAMS_WEBHOOK_URL" in str(caught.value)


@pytest.mark.parametrize(
    ("host", "remedy"),
    [
        ("prod-01.westeurope.logic.azure.com", "WEBHOOK_HOSTS"),
        ("contoso.webhook.office.com", "make a flow"),
    ],
)
def test_an_address_at_a_retired_host_is_refused_with_the_remedy(host: str, remedy: str) -> None:
    with pytest.raises(SettingsError, match=remedy):
        TeamsChannel(f"https://{host}/x?sig=hush", build_service(SleepClock()))
    TeamsChannel(f"https://{host}/x?sig=hush", build_service(SleepClock()), hosts=[host])


def test_a_listed_host_must_still_be_https_unless_it_is_this_machine() -> None:
    TeamsChannel(
        "https://hooks.contoso.example:8443/x",
        build_service(SleepClock()),
        hosts=["hooks.contoso.example"],
    )
    TeamsChannel("http://127.0.0.1:9/x", build_service(SleepClock()), hosts=["127.0.0.1"])
    with pytest.raises(SettingsError):
        TeamsChannel(
            "http://hooks.contoso.example/x",
            build_service(SleepClock()),
            hosts=["hooks.contoso.example"],
        )


async def test_a_card_is_posted_as_it_is() -> None:
    async with Sandbox(build_scene()) as sandbox:
        voice = teams(sandbox.build_settings()["TEAMS_WEBHOOK_URL"])
        await voice.send(SAMPLE_CARD)
        await voice.close()
        assert sandbox.cards == [SAMPLE_CARD]


def encode_message(payload: object) -> bytes:
    return json.dumps(payload, separators=(",", ":")).encode()


def build_card_of(size: int) -> dict[str, Any]:
    """A card that has so many bytes on the wire."""
    block = {"type": "TextBlock", "text": ""}
    card = {"type": "AdaptiveCard", "version": "1.4", "body": [block]}
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    payload: dict[str, Any] = {"type": "message", "attachments": [attachment]}
    block["text"] = "x" * (size - len(encode_message(payload)))
    assert len(encode_message(payload)) == size
    return payload


@pytest.mark.parametrize("side", ["as-sent", "grows"])
async def test_the_largest_card_that_is_built_fits_where_the_flow_makes_it_larger(
    side: str,
) -> None:
    async with Sandbox(build_scene(reality={"teams-card-size": side})) as sandbox:
        voice = teams(sandbox.build_settings()["TEAMS_WEBHOOK_URL"])
        await voice.send(build_card_of(MAX_MESSAGE_BYTES))
        await voice.close()
        assert [len(encode_message(card)) for card in sandbox.cards] == [MAX_MESSAGE_BYTES]


async def test_a_card_that_the_flow_would_accept_and_drop_is_not_sent() -> None:
    """A card of 24,453 bytes became one of 28,897, over the flow's limit (msteams-docs#11274)."""
    async with Sandbox(build_scene(reality={"teams-card-size": "grows"})) as sandbox:
        voice = teams(sandbox.build_settings()["TEAMS_WEBHOOK_URL"])
        with pytest.raises(CardRejected, match="too large"):
            await voice.send(build_card_of(24_453))
        await voice.close()
        assert sandbox.cards == []


async def test_cards_go_out_no_faster_than_a_channel_takes_them() -> None:
    async with Sandbox(build_scene()) as sandbox:
        clock = SleepClock()
        voice = teams(sandbox.build_settings()["TEAMS_WEBHOOK_URL"], clock)
        for _ in range(5):
            await voice.send(SAMPLE_CARD)
        await voice.close()
        assert len(sandbox.cards) == 5
        assert clock.waits == pytest.approx([SEND_INTERVAL] * 4)


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"kind": "error", "status": 400}, "does not take this message"),
        ({"kind": "error", "status": 404}, "gone"),
        ({"kind": "error", "status": 403}, "no longer valid"),
        ({"kind": "error", "status": 302}, "follow no redirect"),
        ({"kind": "throttle", "retryAfter": 1}, "429"),
        ({"kind": "error", "status": 502}, "502"),
        ({"kind": "drop"}, "not taken"),
        ({"kind": "html", "status": 200}, "WEBHOOK_ANSWERS"),
        ({"kind": "empty"}, "HTTP 200"),
        ({"kind": "empty", "status": 204}, "HTTP 204"),
        ({"kind": "wrongBody"}, "in place of the flow"),
    ],
    ids=str,
)
async def test_what_was_not_taken_is_said_without_the_address(
    trouble: dict[str, Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with Sandbox(build_scene(faults=[{"service": "teams", **trouble}])) as sandbox:
        voice = teams(sandbox.build_settings()["TEAMS_WEBHOOK_URL"], attempts=2)
        with pytest.raises(NotificationError, match=said) as caught:
            await voice.send(SAMPLE_CARD)
        await voice.close()
        secret = sandbox.teams.signature
        assert not sandbox.cards
    chain: BaseException | None = caught.value
    while chain is not None:
        assert secret not in str(chain)
        chain = chain.__cause__
    assert secret not in caplog.text


async def test_a_flow_that_answers_itself_is_believed_where_the_settings_say_so() -> None:
    answer = {"service": "teams", "kind": "empty", "late": True}
    async with Sandbox(build_scene(faults=[answer])) as sandbox:
        url = sandbox.build_settings()["TEAMS_WEBHOOK_URL"]
        given = {**sandbox.build_settings(), "STATE_CONNECTION_STRING": "x"}
        settings = Settings.read({**given, "WEBHOOK_ANSWERS": "202, 200"})
        voice = TeamsChannel(
            url,
            build_service(SleepClock()),
            hosts=["127.0.0.1"],
            accepted_statuses=settings.webhook_success_statuses,
        )
        await voice.send(SAMPLE_CARD)
        await voice.close()
        assert sandbox.cards == [SAMPLE_CARD]


async def test_a_page_takes_no_card_even_where_the_flow_answers_200() -> None:
    async with Sandbox(build_scene()) as sandbox:
        url = sandbox.build_settings()["TEAMS_WEBHOOK_URL"]
        voice = TeamsChannel(
            url, build_service(SleepClock()), hosts=["127.0.0.1"], accepted_statuses=(202, 200)
        )
        sandbox.tenant.faults.load([{"service": "teams", "kind": "html", "status": 200}])
        with pytest.raises(NotificationError, match="in place of the flow"):
            await voice.send(SAMPLE_CARD)
        await voice.close()


async def test_a_card_that_is_too_large_says_so() -> None:
    async with Sandbox(build_scene()) as sandbox:
        voice = teams(sandbox.build_settings()["TEAMS_WEBHOOK_URL"])
        with pytest.raises(NotificationError, match="too large"):
            await voice.send({**SAMPLE_CARD, "padding": "x" * 30_000})
        await voice.close()


async def test_of_a_long_answer_only_the_start_is_read() -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=b"1" * 10_000_000)

    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    channel = HttpClient("test")
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    assert len((await channel.send("GET", url, limit=4096, truncate=True)).body) == 4096
    await channel.close()
    await runner.cleanup()


class Names(AbstractResolver):
    """A name server that says what it is told to."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family, proto=0, flags=0)
            for one in self.addresses
        ]

    async def close(self) -> None:
        return None


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "fd00::1", "fe80::1%eth0", "::1"],
)
async def test_a_name_that_leads_into_a_private_network_is_refused(address: str) -> None:
    with pytest.raises(OSError, match="private"):
        await PublicResolver(inner=Names(address)).resolve("a.logic.azure.com", 443)
    trusted = PublicResolver(
        allowed_hosts=frozenset({"hooks.contoso.example"}), inner=Names(address)
    )
    assert len(await trusted.resolve("hooks.contoso.example", 443)) == 1


async def test_only_public_addresses_of_a_name_are_used() -> None:
    found = await PublicResolver(inner=Names("10.0.0.1", "20.50.1.2")).resolve("a.example", 443)
    assert [entry["host"] for entry in found] == ["20.50.1.2"]


async def test_azures_own_address_is_no_place_for_cards() -> None:
    with pytest.raises(OSError, match="private"):
        await PublicResolver(inner=Names("168.63.129.16")).resolve("a.logic.azure.com", 443)


async def test_a_refused_name_is_passing_trouble_for_a_channel() -> None:
    channel = HttpClient("test", resolver=lambda: PublicResolver(inner=Names("10.0.0.1")))
    with pytest.raises(RetryableError):
        await channel.send("GET", "https://a.logic.azure.com/", limit=10)
    await channel.close()
