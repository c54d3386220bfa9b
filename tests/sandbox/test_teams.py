"""The webhook accepts almost anything and posts only valid cards."""

from typing import Any

import pytest

from tests.sandbox.tenant_client import TenantClient


def message(**card: Any) -> dict[str, Any]:
    content = {"type": "AdaptiveCard", "version": "1.4", "body": [], **card}
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "content": content}]}


def hook(client: TenantClient) -> str:
    return client.sandbox.build_settings()["TEAMS_WEBHOOK_URL"]


async def test_a_card_is_accepted_with_an_empty_answer_and_posted(client: TenantClient) -> None:
    sent = message(body=[{"type": "TextBlock", "text": "hello"}])
    reply = await client.request("POST", hook(client), sent)
    assert (reply.status, reply.content) == (202, b"")
    assert client.sandbox.cards == [sent]


@pytest.mark.parametrize(
    "body",
    [
        {"text": "hello"},
        {"type": "message", "attachments": []},
        message(type="adaptivecard"),
        message(version=1.4),
        {"@type": "MessageCard", "text": "x"},
        [],
    ],
)
async def test_what_is_no_card_is_accepted_and_lost(client: TenantClient, body: object) -> None:
    assert (await client.request("POST", hook(client), body)).status == 202
    assert client.sandbox.cards == []
    assert [failed["body"] for failed in client.sandbox.failed_flows] == [body]


async def test_a_message_above_the_limit_is_refused(client: TenantClient) -> None:
    text = message(body=[{"type": "TextBlock", "text": "x" * 28 * 1024}])
    assert (await client.request("POST", hook(client), text)).status == 413
    assert client.sandbox.cards == client.sandbox.failed_flows == []


async def test_the_address_is_a_secret(client: TenantClient) -> None:
    bare = hook(client).partition("?")[0]
    for url in (bare, f"{bare}?sig=guess"):
        reply = await client.request("POST", url, message())
        assert (reply.status, reply.code) == (401, "DirectApiAuthorizationRequired")
    assert client.sandbox.cards == []
