"""Hostile responses, and faults in the form of the command line."""

import gzip
import json
from typing import Any

import pytest

from sandbox.faults.injection import FaultTable, parse_fault_argument
from sandbox.scene_runner import add_faults
from tests.sandbox.tenant_client import MIA, TenantClient

USERS = "/users?$select=id,displayName,accountEnabled&$top=2"


async def order(client: TenantClient, *faults: dict[str, Any]) -> None:
    reply = await client.request("POST", "/sandbox/faults", list(faults))
    assert reply.status == 200, reply.content


async def harm(client: TenantClient, **fault: Any) -> bytes:
    """A listing of users under a fault of a kind."""
    await order(client, {"service": "graph", **fault})
    reply = await client.request("GET", f"/v1.0{USERS}")
    assert reply.status == 200
    return bytes(reply.content)


async def test_what_is_too_much_is_as_much_as_was_asked_for(client: TenantClient) -> None:
    assert (await harm(client, kind="deep", depth=70)).count(b"[") == 71
    assert 10_000 < len(await harm(client, kind="huge", bytes=10_000)) < 10_100
    unpacked = await harm(client, kind="bomb", bytes=1_000_000)
    assert len(gzip.compress(unpacked)) * 500 < len(unpacked)


async def test_what_is_made_of_the_true_answer_passes_for_one(client: TenantClient) -> None:
    true = json.loads((await client.get(USERS)).content)["value"]
    twice = json.loads(await harm(client, kind="duplicate"), object_pairs_hook=lambda pairs: pairs)
    assert [name for name, _ in twice].count("value") == 2
    named = json.loads(await harm(client, kind="names", text="!", repeat=3))["value"]
    assert [row["displayName"] for row in named] == [f"{row['displayName']}!!!" for row in true]
    assert b"NaN" in await harm(client, kind="numbers")
    nulls = json.loads(await harm(client, kind="nulls"))["value"]
    assert [(row["id"], row["accountEnabled"]) for row in nulls] == [
        (row["id"], None) for row in true
    ]
    bare = json.loads(await harm(client, kind="bare"))["value"]
    assert bare == [{"id": row["id"]} for row in true]
    typed = json.loads(await harm(client, kind="typed"))["value"]
    assert {row["@odata.type"] for row in typed} == {"#microsoft.graph.evil"}
    await order(client, {"kind": "mislabelled"})
    assert (await client.request("GET", f"/v1.0{USERS}")).headers["Content-Type"] == "image/png"


async def test_pages_lead_here_again_elsewhere_or_ever_further(client: TenantClient) -> None:
    async def followed(kind: str) -> list[str]:
        link = json.loads(await harm(client, kind=kind))["@odata.nextLink"]
        links = [link]
        if link.startswith(client.sandbox.base):
            path = link.removeprefix(client.sandbox.base)
            links.append(json.loads((await client.request("GET", path)).content)["@odata.nextLink"])
        return links

    first, second = await followed("loop")
    assert first == second
    first, second = await followed("endless")
    assert first != second
    (away,) = await followed("foreign")
    assert away.startswith("https://evil.example/v1.0/users")


async def test_harm_can_be_done_inside_of_a_batch(client: TenantClient) -> None:
    await order(client, {"kind": "nulls", "inner": True})
    request = {"id": "1", "method": "GET", "url": f"/users/{MIA}?$select=id,accountEnabled"}
    reply = await client.request_graph("POST", "/$batch", {"requests": [request]})
    (answer,) = json.loads(reply.content)["responses"]
    assert (answer["body"]["id"], answer["body"]["accountEnabled"]) == (MIA, None)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("throttle:graph", {"kind": "throttle", "service": "graph"}),
        ("bomb", {"kind": "bomb"}),
        (
            "html/200:exchange:^Get-Mailbox$",
            {"kind": "html", "status": "200", "service": "exchange", "match": "^Get-Mailbox$"},
        ),
        ('{"kind": "deep", "depth": 9}', {"kind": "deep", "depth": 9}),
    ],
)
def test_a_fault_can_be_typed_in_short_or_as_json(text: str, fault: dict[str, Any]) -> None:
    assert parse_fault_argument(text) == fault
    assert FaultTable(fault).rows[0].kind == fault["kind"]


@pytest.mark.parametrize("text", ["thunder", "{", "html/often", "error:graph:("])
def test_a_fault_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        FaultTable(add_faults({}, [text])["faults"])


def test_faults_that_are_typed_come_before_those_of_the_scene() -> None:
    there = {"kind": "drop"}
    assert add_faults({"faults": there}, ["bomb"])["faults"] == [{"kind": "bomb"}, there]
    assert add_faults({}, [])["faults"] == []
