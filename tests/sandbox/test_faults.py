"""Fault injection: every kind of fault, and the control routes that set faults."""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.server import Sandbox
from tests.sandbox.conftest import StartTenant
from tests.sandbox.tenant_client import (
    CLIENT_SCENE,
    MIA,
    MIA_GUID,
    TenantClient,
    build_client_scene,
)

USER = f"/users/{MIA}?$select=id,accountEnabled"
RULES = f"/users/{MIA}/mailFolders/inbox/messageRules"


async def order(client: TenantClient, *faults: dict[str, Any]) -> None:
    reply = await client.request("POST", "/sandbox/faults", list(faults))
    assert reply.status == 200, reply.content


async def test_throttling_says_how_long_and_ends_after_its_times(client: TenantClient) -> None:
    await order(client, {"service": "graph", "status": 429, "retryAfter": 7, "times": 2})
    replies = [await client.get(USER) for _ in range(3)]
    assert [reply.status for reply in replies] == [429, 429, 200]
    assert replies[0].headers["Retry-After"] == "7"
    assert replies[0].code == "TooManyRequests"


async def test_throttling_may_come_without_a_word_on_how_long(client: TenantClient) -> None:
    await order(client, {"kind": "throttle"})
    assert "Retry-After" not in (await client.get(USER)).headers


async def test_a_fault_in_the_scene_is_in_force_from_the_start(start: StartTenant) -> None:
    async with start(faults={"service": "graph", "status": 503}) as client:
        assert [(await client.get(USER)).status for _ in range(2)] == [503, 503]


@pytest.mark.parametrize(
    ("fault", "status", "content"),
    [
        ({"kind": "error"}, 500, b'"error"'),
        ({"status": 504, "code": "gatewayTimeout"}, 504, b"gatewayTimeout"),
        ({"kind": "html"}, 503, b"<html>"),
        ({"kind": "empty"}, 200, b""),
        ({"kind": "nulbytes"}, 403, b"\0\0\0\0"),
        ({"kind": "wrongBody"}, 200, b"unexpected"),
        ({"kind": "wrongBody", "body": {"value": None}}, 200, b'{"value":null}'),
    ],
)
async def test_a_false_answer_takes_the_place_of_the_true_one(
    client: TenantClient, fault: dict[str, Any], status: int, content: bytes
) -> None:
    await order(client, fault)
    reply = await client.request_graph("PATCH", f"/users/{MIA}", {"accountEnabled": False})
    assert reply.status == status
    assert content in reply.content
    assert bool(content) == bool(reply.content)
    assert client.sandbox.writes == []


async def test_a_truncated_answer_is_no_json_any_more(client: TenantClient) -> None:
    await order(client, {"kind": "truncate", "times": 1})
    cut = await client.request("GET", f"/v1.0{USER}")
    whole = await client.get(USER)
    assert cut.status == 200
    assert whole.content.startswith(cut.content)
    with pytest.raises(json.JSONDecodeError):
        _ = cut.body


@pytest.mark.parametrize("fault", [{"kind": "drop"}, {"kind": "hang", "seconds": 0.05}])
async def test_a_connection_can_end_without_an_answer(
    client: TenantClient, fault: dict[str, Any]
) -> None:
    await order(client, fault | {"service": "graph"})
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.request_graph("PATCH", f"/users/{MIA}", {"accountEnabled": False})
    assert client.sandbox.writes == []
    assert client.sandbox.requests[-1].status == 0


async def test_an_answer_may_end_before_all_of_it_came(client: TenantClient) -> None:
    for kind in ("break", "gzip"):
        await order(client, {"kind": kind, "times": 1})
        with pytest.raises((aiohttp.ClientError, json.JSONDecodeError)):
            await client.get(USER)
        assert (await client.get(USER)).status == 200


async def test_a_refusal_may_have_headers_of_its_own(client: TenantClient) -> None:
    headers = {"Retry-After": "soon", "WWW-Authenticate": "Bearer claims=x"}
    await order(client, {"status": 401, "headers": headers})
    reply = await client.get(USER)
    assert (reply.status, reply.headers["Retry-After"]) == (401, "soon")
    assert reply.headers["WWW-Authenticate"] == "Bearer claims=x"


@pytest.mark.parametrize(
    ("how", "ids"),
    [
        ("missing", ["1"]),
        ("twice", ["0", "0", "1"]),
        ("renamed", ["1", "x0"]),
        ("padded", ["00", "1"]),
        ("null", ["0", "1"]),
        ("text", ["0", "1"]),
    ],
)
async def test_the_replies_of_a_batch_can_be_mixed_up(
    client: TenantClient, how: str, ids: list[str]
) -> None:
    requests = [{"id": str(number), "method": "GET", "url": USER} for number in range(2)]
    whole = (await client.request_graph("POST", "/$batch", {"requests": requests})).body[
        "responses"
    ]
    first = whole[0]["id"]
    await order(client, {"kind": "replies", "how": how})
    worse = (await client.request_graph("POST", "/$batch", {"requests": requests})).body[
        "responses"
    ]
    named = [f"{one['id']}".replace(first, "0") if first in one["id"] else "1" for one in worse]
    assert sorted(named) == ids
    assert (await client.get(USER)).status == 200
    if how in ("null", "text"):
        assert not isinstance(worse[0]["body"], dict)


async def test_a_late_fault_loses_the_answer_and_not_the_change(client: TenantClient) -> None:
    await order(client, {"service": "graph", "match": "^PATCH", "kind": "drop", "late": True})
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.request_graph("PATCH", f"/users/{MIA}", {"accountEnabled": False})
    assert len(client.sandbox.writes) == 1
    assert (await client.get(USER)).body["accountEnabled"] is False


async def test_a_slow_answer_is_the_true_one(client: TenantClient) -> None:
    await order(client, {"kind": "slow", "seconds": 0.01})
    assert (await client.get(USER)).body["id"] == MIA


async def test_a_hanging_request_does_not_keep_the_tenant_from_closing(start: StartTenant) -> None:
    async with start(faults={"service": "graph", "kind": "hang"}) as client:
        waiting = asyncio.create_task(client.get(USER))
        while not client.sandbox.tenant.faults.rows[0].strike_count:
            await asyncio.sleep(0.01)
    with pytest.raises(aiohttp.ClientError):
        await waiting


async def test_a_fault_strikes_only_what_it_matches(client: TenantClient) -> None:
    await order(
        client,
        {"service": "exchange", "match": "^Get-InboxRule MIA", "status": 500},
        {"service": "graph", "match": r"\$select=.*accountEnabled", "status": 502},
        {"service": "graph", "match": "/domains$", "status": 503},
    )
    assert (await client.run_cmdlet("Get-InboxRule", Mailbox="mia")).status == 500
    assert (await client.run_cmdlet("Get-InboxRule", Mailbox="room-4")).status == 200
    assert (await client.run_cmdlet("Get-Mailbox", Identity="mia")).status == 200
    assert (await client.get(USER)).status == 502
    assert (await client.get(f"/users/{MIA}?$select=id")).status == 200
    assert (await client.get("/domains")).status == 503


async def test_a_fault_can_wait_for_a_later_page(start: StartTenant) -> None:
    rows = [{"Guid": f"g{number}"} for number in range(30)]
    fault = {"service": "exchange", "match": "^Get-Mailbox", "skip": 1, "times": 1, "status": 500}
    async with start(exchange={"Get-Mailbox": rows}, faults=fault) as client:
        first = await client.run_cmdlet("Get-Mailbox", prefer="odata.maxpagesize=10")
        body = {"CmdletInput": {"CmdletName": "Get-Mailbox", "Parameters": {}}}
        link = first.body["@odata.nextLink"]
        statuses = [(await client.request("POST", link, body)).status for _ in range(2)]
    assert statuses == [500, 200]


async def test_each_service_fails_in_its_own_words(client: TenantClient) -> None:
    await order(client, {"status": 503})
    exchange = await client.run_cmdlet("Get-Mailbox")
    entra = await client.request_token()
    assert exchange.body["error"]["innererror"]["message"]
    assert entra.body["error_description"].startswith("AADSTS90033")


async def test_inner_faults_strike_inside_a_batch_only(client: TenantClient) -> None:
    await order(
        client,
        {
            "service": "graph",
            "match": "messageRules",
            "status": 429,
            "retryAfter": 3,
            "inner": True,
        },
        {"service": "graph", "match": "/domains", "kind": "drop", "inner": True},
        {"service": "graph", "match": "/organization", "kind": "empty", "inner": True},
    )
    urls = {"a": RULES, "b": "/domains", "c": "/organization", "d": f"/users/{MIA}"}
    answers = await client.send_batch(
        *({"id": name, "method": "GET", "url": url} for name, url in urls.items())
    )
    assert {name: answer["status"] for name, answer in answers.items()} == {
        "a": 429,
        "c": 200,
        "d": 200,
    }
    assert answers["a"]["headers"]["Retry-After"] == "3"
    assert "body" not in answers["c"]
    assert (await client.get(RULES)).status == 200


async def test_inner_faults_strike_inside_a_batch_of_commands(client: TenantClient) -> None:
    await order(client, {"service": "exchange", "match": "mia$", "status": 500, "inner": True})
    body = {"CmdletInput": {"CmdletName": "Get-InboxRule", "Parameters": {"Mailbox": "mia"}}}
    asked = [{"id": "a", "method": "POST", "url": "InvokeCommand", "body": body}]
    reply = await client.request("POST", client.build_admin_url("$batch"), {"requests": asked})
    assert reply.body["responses"][0]["status"] == 500


async def test_after_a_write_the_old_value_is_read_for_a_while(client: TenantClient) -> None:
    await order(client, {"service": "graph", "match": "^PATCH", "kind": "staleReads", "times": 2})
    assert (
        await client.request_graph("PATCH", f"/users/{MIA}", {"accountEnabled": False})
    ).status == 204
    seen = [(await client.get(USER)).body["accountEnabled"] for _ in range(3)]
    assert seen == [True, True, False]


async def test_stale_reads_can_last_for_a_time(client: TenantClient) -> None:
    fault = {"match": "^Set-AdminAuditLogConfig", "kind": "staleReads", "seconds": 3600}
    await order(client, fault)
    await client.run_cmdlet("Set-AdminAuditLogConfig", UnifiedAuditLogIngestionEnabled=False)
    for _ in range(3):
        row = (await client.read_rows("Get-AdminAuditLogConfig"))[0]
        assert row["UnifiedAuditLogIngestionEnabled"] is True


async def test_a_stale_mailbox_is_stale_in_filters_too(client: TenantClient) -> None:
    await order(client, {"match": "^Set-Mailbox", "kind": "staleReads", "times": 1})
    await client.run_cmdlet("Set-Mailbox", Identity=MIA_GUID, ForwardingSmtpAddress=None)
    condition = {"Filter": "ForwardingSmtpAddress -ne $null"}
    counts = [len(await client.read_rows("Get-Mailbox", **condition)) for _ in range(2)]
    assert counts == [1, 0]


@pytest.mark.parametrize("wire", [[{"kind": "earthquake"}], "throttle", [{"match": "("}]])
async def test_a_fault_that_could_never_strike_is_refused(
    client: TenantClient, wire: object
) -> None:
    await order(client, {"service": "graph", "status": 503})
    assert (await client.request("POST", "/sandbox/faults", wire)).status == 400
    assert (await client.get(USER)).status == 503


# Control ----------------------------------------------------------------------------------------


async def test_the_state_is_a_scene_that_can_be_started_again(client: TenantClient) -> None:
    await client.request_graph("PATCH", f"/users/{MIA}", {"accountEnabled": False})
    state = (await client.request("GET", "/sandbox/state")).body
    async with Sandbox(state) as again:
        account = again.tenant.find_account(MIA)
    assert account is not None
    assert account.user is not None
    assert account.user["accountEnabled"] is False
    assert account.user["@sandbox.note"] == "known to the sandbox alone"


async def test_edits_by_path_take_effect_at_once(client: TenantClient) -> None:
    new = {"id": "new", "userPrincipalName": "new@contoso.example", "displayName": "New"}
    rule = {"id": "r9", "displayName": "r9", "isEnabled": True}
    edits = [
        {"op": "add", "path": "/graph/users", "value": new},
        {"op": "set", "path": "/graph/users/mia@contoso.example/accountEnabled", "value": False},
        {"op": "add", "path": "/graph/messageRules/new@contoso.example", "value": [rule]},
        {"op": "remove", "path": f"/exchange/Get-Mailbox/{MIA_GUID}/ForwardingSmtpAddress"},
        {"op": "remove", "path": "/graph/domains/0"},
    ]
    assert (await client.request("POST", "/sandbox/scene", {"edit": edits})).status == 200
    assert (await client.get(USER)).body["accountEnabled"] is False
    rules = await client.get("/users/new/mailFolders/inbox/messageRules")
    assert [row["id"] for row in rules.body["value"]] == ["r9"]
    assert (await client.get("/domains")).body["value"] == []
    forwarded = await client.read_rows("Get-Mailbox", Filter="ForwardingSmtpAddress -ne $null")
    assert forwarded == []


@pytest.mark.parametrize(
    "patch",
    [
        {"edit": [{"op": "remove", "path": "/graph/users/nobody"}]},
        {"edit": [{"op": "move", "path": "/graph/users/0"}]},
        {"edit": [{"op": "set", "path": "graph/users"}]},
        {"graph": {"users": []}, "edit": [{"op": "remove", "path": "/nothing/at/all"}]},
        [],
    ],
)
async def test_an_edit_that_cannot_be_made_leaves_everything(
    client: TenantClient, patch: object
) -> None:
    before = (await client.request("GET", "/sandbox/state")).body
    assert (await client.request("POST", "/sandbox/scene", patch)).status == 400
    assert (await client.request("GET", "/sandbox/state")).body == before


async def measure_read(client: TenantClient) -> float:
    began = time.monotonic()
    assert (await client.get(USER)).status == 200
    return time.monotonic() - began


async def test_the_latency_changes_while_the_tenant_runs(start: StartTenant) -> None:
    async with start(latency=0.3) as client:
        assert await measure_read(client) >= 0.3
        assert (await client.request("POST", "/sandbox/latency", 0)).status == 200
        assert await measure_read(client) < 0.3
        assert (await client.request("POST", "/sandbox/latency", 0.3)).status == 200
        assert await measure_read(client) >= 0.3


@pytest.mark.parametrize("value", [-1, 61, True, "1", None, {}])
async def test_a_latency_is_some_seconds(client: TenantClient, value: object) -> None:
    assert (await client.request("POST", "/sandbox/latency", value)).status == 400


async def test_a_collection_is_replaced_and_the_others_stay(client: TenantClient) -> None:
    await client.request("POST", "/sandbox/scene", {"graph": {"domains": [{"id": "new.example"}]}})
    assert [row["id"] for row in (await client.get("/domains")).body["value"]] == ["new.example"]
    assert (await client.get(USER)).status == 200


async def test_writes_and_requests_are_shown_and_forgotten_at_a_reset(client: TenantClient) -> None:
    await client.request_graph("PATCH", f"/users/{MIA}", {"accountEnabled": False})
    writes = (await client.request("GET", "/sandbox/writes")).body
    requests = (await client.request("GET", "/sandbox/requests")).body
    assert [write["method"] for write in writes] == ["PATCH"]
    assert requests["requests"][-1] == ["graph", "PATCH", f"/v1.0/users/{MIA}", 204]
    assert requests["counts"]["graph"] == 1
    await client.request("POST", "/sandbox/reset")
    assert (await client.request("GET", "/sandbox/writes")).body == []
    assert (await client.request("GET", "/sandbox/requests")).body["requests"] == []
    assert (await client.request("GET", "/sandbox/cards")).body == []
    assert (await client.get(USER)).body["accountEnabled"] is True


async def test_a_scene_is_taken_as_any_export_leaves_it() -> None:
    whole = build_client_scene(unknown={"kept": 1})
    whole["graph"]["users"] = {"@odata.context": "x", "value": CLIENT_SCENE["graph"]["users"]}
    whole["exchange"]["Get-OrganizationConfig"] = {"AuditDisabled": "False", "Extra": [1]}
    whole["exchange"]["Get-TransportRule"] = None
    async with Sandbox(whole) as sandbox:
        assert sandbox.tenant.find_account(MIA) is not None
        assert sandbox.tenant.exchange["Get-OrganizationConfig"][0]["Extra"] == [1]
        assert sandbox.tenant.exchange["Get-TransportRule"] == []
        assert sandbox.tenant.scene["unknown"] == {"kept": 1}


async def test_the_tenant_runs_as_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"
    path.write_text(json.dumps(CLIENT_SCENE), encoding="utf-8-sig")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "sandbox.server", "--scene", str(path)),
        cwd=Path(__file__).parents[2],
        env=dict(os.environ),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    where = json.loads(await process.stdout.readline())
    async with (
        aiohttp.ClientSession() as session,
        session.get(where["base"] + "/sandbox/state") as answer,
    ):
        state = await answer.json()
    assert state["graph"]["users"][0]["id"] == MIA
    assert where["settings"]["LOGIN_ENDPOINT"] == where["authority"]
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
