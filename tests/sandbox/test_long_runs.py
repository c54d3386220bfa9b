"""A large or long-running tenant: what it keeps in memory and what it counts."""

import json

import pytest

from sandbox.graph.odata import LARGE_SNAPSHOTS_KEPT, ROWS_KEPT, SNAPSHOTS_KEPT, Snapshots
from sandbox.server import MAX_RECORDED_REQUESTS, Sandbox
from tests.sandbox.tenant_client import CLIENT_SCENE, MIA, TenantClient

CARD = {
    "type": "message",
    "attachments": [
        {
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {"type": "AdaptiveCard", "version": "1.4", "body": []},
        }
    ],
}


def test_of_very_many_requests_the_latest_are_kept_and_all_are_counted() -> None:
    sandbox = Sandbox(CLIENT_SCENE)
    many = 3 * MAX_RECORDED_REQUESTS + 1
    for number in range(many):
        sandbox.record_request("graph/inner", "GET", f"/v1.0/users/{number}", 200)
    assert sandbox.counts["graph/inner"] == many
    assert MAX_RECORDED_REQUESTS <= len(sandbox.requests) <= 2 * MAX_RECORDED_REQUESTS
    kept = range(many - len(sandbox.requests), many)
    assert [seen.path for seen in sandbox.requests] == [f"/v1.0/users/{number}" for number in kept]


@pytest.mark.parametrize(
    ("size", "kept"), [(2, SNAPSHOTS_KEPT), (ROWS_KEPT // 4, LARGE_SNAPSHOTS_KEPT)]
)
def test_listings_under_way_are_forgotten_when_they_are_too_many_or_too_large(
    size: int, kept: int
) -> None:
    snapshots = Snapshots()
    rows = [{"number": number} for number in range(size)]
    tokens = [snapshots.cut_page(rows, 1, "all")[1] for _ in range(kept + 1)]
    with pytest.raises(KeyError):
        snapshots.resume_listing(tokens[0], 1, "all")
    for token in tokens[1:]:
        assert snapshots.resume_listing(token, 1, "all")[0] == [{"number": 1}]


async def test_a_scene_may_be_given_as_the_text_of_a_file_by_powershell() -> None:
    async with Sandbox(b"\xef\xbb\xbf" + json.dumps(CLIENT_SCENE).encode()) as sandbox:
        assert sandbox.tenant.find_account(MIA) is not None
        sandbox.tenant.scene.clear()
        sandbox.reset()
        assert sandbox.tenant.scene["graph"]["users"] == CLIENT_SCENE["graph"]["users"]


async def test_it_is_known_when_each_card_came(client: TenantClient) -> None:
    url = client.sandbox.build_settings()["TEAMS_WEBHOOK_URL"]
    for _ in range(2):
        assert (await client.request("POST", url, CARD)).status == 202
    seen = (await client.request("GET", "/sandbox/card-times")).body
    assert len(seen["cards"]) == 2
    assert 0 < seen["cards"][0] <= seen["cards"][1] <= seen["now"]
    await client.request("POST", "/sandbox/reset")
    again = (await client.request("GET", "/sandbox/card-times")).body
    assert again["cards"] == []
