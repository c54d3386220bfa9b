"""Graph over HTTP: what counts as an answer, what is asked again, what is refused."""

import asyncio
import base64
import gzip
import json
import logging
import subprocess
import sys
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from azure.core.credentials import AccessToken
from msgspec import Raw
from yarl import URL

from core.adapters.credentials import Credential
from core.adapters.graph.client import GraphClient
from core.adapters.graph.replies import (
    NOTHING,
    Reply,
    build_reply,
    parse_graph_reply,
    sort_graph_replies,
)
from core.adapters.graph.transport import TRANSPORT_ERRORS, GraphTransport
from core.adapters.http import BufferedResponse, ConnectionLost
from core.adapters.retry import RetryableError
from core.errors import Forbidden, NoLicence, NotFound, Rejected, TenantError, Unavailable
from tests.support.http_recorder import (
    PERSON,
    ROOM,
    build_rule_row,
    build_scene,
    build_service,
    build_user_row,
    collect_batch_answers,
    connect_sandbox,
    expect_rows,
)

RULES = f"/users/{PERSON}/mailFolders/inbox/messageRules"


def fault(kind: str, **more: Any) -> dict[str, Any]:
    return {"service": "graph", "kind": kind, **more}


SDK = ("msgraph", "msgraph_core", "kiota_http", "httpx")


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [("client", SDK), ("pipeline", ("msgraph.generated.models.entity",))],
)
def test_no_more_of_the_sdk_is_imported_than_is_needed(
    module: str, unwanted: tuple[str, ...]
) -> None:
    program = (
        f"import sys, core.adapters.graph.{module}\n"
        f"print([one for one in {unwanted} if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


async def test_whole_addresses_do_not_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with connect_sandbox(build_scene()) as to:
        await to.graph.get(f"/users/{PERSON}?$select=id&$skiptoken=secret")
    assert "secret" not in caplog.text


async def test_an_object_is_read_with_the_token_of_the_app() -> None:
    async with connect_sandbox(build_scene()) as to:
        row = await to.graph.get(f"/users/{PERSON}?$select=id,accountEnabled", "User.Read.All")
        assert row["accountEnabled"] is True
        assert "User.Read.All" in (await to.graph.read_token_roles() or ())


async def test_what_is_not_there_is_gone() -> None:
    async with connect_sandbox(build_scene()) as to:
        with pytest.raises(NotFound):
            await to.graph.get("/users/nobody", "User.Read.All")


async def test_a_missing_role_is_named() -> None:
    async with connect_sandbox(build_scene(grants={"graph": ["Domain.Read.All"]})) as to:
        with pytest.raises(Forbidden) as caught:
            await to.graph.get(f"/users/{PERSON}", "User.Read.All")
        assert caught.value.permission == "User.Read.All"


async def test_throttling_is_waited_out() -> None:
    faults = [fault("throttle", retryAfter=30, times=2)]
    async with connect_sandbox(build_scene(faults=faults)) as to:
        await to.graph.get(f"/users/{PERSON}")
        assert sum(to.clock.waits) >= 60
        assert len(to.sandbox.requests) - to.sandbox.counts["entra"] == 3


@pytest.mark.parametrize(
    "trouble",
    [
        fault("error", status=500),
        fault("error", status=504),
        fault("html"),
        fault("html", status=200),
        fault("empty"),
        fault("truncate"),
        fault("drop"),
    ],
    ids=lambda one: f"{one['kind']}-{one.get('status', '')}",
)
async def test_passing_trouble_is_tried_again_and_then_named(trouble: dict[str, Any]) -> None:
    async with connect_sandbox(build_scene(faults=[trouble | {"times": 2}])) as to:
        assert (await to.graph.get(f"/users/{PERSON}"))["id"] == PERSON
    async with connect_sandbox(build_scene(faults=[trouble]), attempts=3) as to:
        with pytest.raises(Unavailable):
            await to.graph.get(f"/users/{PERSON}")
        assert to.graph.service.requests == 3


async def test_a_token_that_is_not_taken_is_renewed_once() -> None:
    faults = [fault("error", status=401, times=1)]
    async with connect_sandbox(build_scene(faults=faults)) as to:
        await to.graph.get(f"/users/{PERSON}")
        assert to.sandbox.counts["entra"] == 2
    async with connect_sandbox(build_scene(faults=[fault("error", status=401)])) as to:
        with pytest.raises(Forbidden, match="token"):
            await to.graph.get(f"/users/{PERSON}")


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/v1.0/domains?$skiptoken=1",
        "//evil.example/v1.0/domains",
        "{base}.evil.example/v1.0/domains",
        "{base}@evil.example/v1.0/domains",
        "{base}/beta/domains",
        "{base}/v1.0/../beta/domains",
        "{base}/v1.0",
        7,
    ],
)
async def test_a_next_page_elsewhere_is_refused_without_a_request(link: Any) -> None:
    async with connect_sandbox(build_scene()) as to:
        shown = link.replace("{base}", to.sandbox.base) if isinstance(link, str) else link
        body: dict[str, Any] = {"value": [], "@odata.nextLink": shown}
        to.sandbox.tenant.faults.load([fault("wrongBody", body=body)])
        with pytest.raises(Unavailable, match="outside"):
            _ = [page async for page in to.graph.read_pages("/domains")]
        assert to.graph.service.requests == 1


async def test_pages_that_go_in_circles_are_noticed() -> None:
    async with connect_sandbox(build_scene()) as to:
        body = {"value": [], "@odata.nextLink": f"{to.sandbox.base}/v1.0/domains?$skiptoken=1"}
        to.sandbox.tenant.faults.load([fault("wrongBody", body=body)])
        with pytest.raises(Unavailable, match="do not end"):
            _ = [page async for page in to.graph.read_pages("/domains")]


async def test_all_pages_of_a_collection_are_read() -> None:
    people = [build_user_row(f"p{number}", f"p{number}") for number in range(25)]
    async with connect_sandbox(build_scene(graph={"users": people})) as to:
        pages = [page async for page in to.graph.read_pages("/users?$top=10&$select=id")]
        assert [len(page) for page in pages] == [10, 10, 5]


async def test_an_unknown_shape_is_never_an_empty_collection() -> None:
    async with connect_sandbox(build_scene(faults=[fault("wrongBody")])) as to:
        with pytest.raises(Unavailable):
            _ = [page async for page in to.graph.read_pages("/domains")]


async def test_a_redirect_is_not_followed() -> None:
    paths: list[str] = []

    async def elsewhere(request: web.BaseRequest) -> web.Response:
        paths.append(request.path)
        return web.Response(status=302, headers={"Location": "/stolen"})

    async with connect_sandbox(build_scene()) as to, serving(elsewhere) as address:
        cloud = replace(to.cloud, graph=address)
        graph = GraphClient(cloud, to.credential, build_service(to.clock))
        with pytest.raises(Unavailable, match="302"):
            await graph.get("/domains")
        await graph.close()
    assert paths == ["/v1.0/domains"]


@asynccontextmanager
async def serving(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
) -> AsyncIterator[str]:
    """A server of one answer, by its address."""
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_a_batch_answers_for_everyone_in_any_order() -> None:
    people = [build_user_row(f"p{number}", f"p{number}") for number in range(47)]
    async with connect_sandbox(build_scene(graph={"users": people})) as to:
        paths = {f"p{number}": f"/users/p{number}?$select=id" for number in range(50)}
        answers = await collect_batch_answers(to.graph.get_batch, paths, "User.Read.All")
        assert to.graph.service.requests == 3
        assert {key for key, answer in answers.items() if isinstance(answer, NotFound)} == {
            "p47",
            "p48",
            "p49",
        }
        ids = {key: answer["id"] for key, answer in answers.items() if isinstance(answer, dict)}
        assert ids == {f"p{number}": f"p{number}" for number in range(47)}


@pytest.mark.parametrize(
    ("count", "is_known", "requests", "later_requests"),
    [
        # 16 batches of four, then full ones; where all fit into one, there is one.
        (100, False, 18, 5),
        (100, True, 5, 5),
        (30, False, 8, 8),
        (20, False, 1, 1),
    ],
)
async def test_the_first_batches_to_outlook_are_small_until_it_is_known_how_many_it_takes(
    count: int, is_known: bool, requests: int, later_requests: int
) -> None:
    people = [build_user_row(f"p{number}", f"p{number}") for number in range(count)]
    paths = {
        f"p{number}": f"/users/p{number}/mailFolders/inbox/messageRules" for number in range(count)
    }
    async with connect_sandbox(build_scene(graph={"users": people})) as to:
        if is_known:
            to.graph.service.resume_limit(4)
        await collect_batch_answers(to.graph.get_batch, paths)
        assert to.graph.service.requests == requests
        await collect_batch_answers(to.graph.get_batch, paths)
        assert to.graph.service.requests == requests + later_requests


@pytest.mark.parametrize(
    "trouble",
    [
        fault("throttle", retryAfter=5),
        fault("error", status=503),
        fault("error", status=424),
        fault("empty"),
        fault("html", status=200),
        fault("drop"),
    ],
    ids=lambda one: f"{one['kind']}-{one.get('status', '')}",
)
async def test_trouble_inside_a_batch_costs_only_those_it_struck(trouble: dict[str, Any]) -> None:
    inner = trouble | {"inner": True, "match": PERSON}
    paths = {one: f"/users/{one}?$select=id" for one in (PERSON, ROOM)}
    async with connect_sandbox(build_scene(faults=[inner | {"times": 1}])) as to:
        answers = await collect_batch_answers(to.graph.get_batch, paths)
        assert all(not isinstance(answer, TenantError) for answer in answers.values())
        asked = [seen.path for seen in to.sandbox.requests if seen.service == "graph/inner"]
        assert len([path for path in asked if ROOM in path]) == 1
    async with connect_sandbox(build_scene(faults=[inner]), attempts=2) as to:
        answers = await collect_batch_answers(to.graph.get_batch, paths)
        assert isinstance(answers[PERSON], Unavailable)
        assert not isinstance(answers[ROOM], TenantError)


async def test_a_mailbox_that_is_away_for_long_keeps_nobody_from_being_read() -> None:
    away = fault("throttle", status=503, retryAfter=3_000, inner=True, match=PERSON)
    paths = {one: f"/users/{one}?$select=id" for one in (PERSON, ROOM)}
    async with connect_sandbox(build_scene(faults=[away])) as to:
        for wanted in (paths, {ROOM: paths[ROOM]}):
            answers = await collect_batch_answers(to.graph.get_batch, wanted)
            assert not isinstance(answers[ROOM], TenantError)
        assert to.graph.service.throttle_gate.not_before <= to.graph.service.clock()


async def test_a_missing_body_is_never_read_as_no_rules() -> None:
    faults = [fault("empty", inner=True, match="messageRules")]
    async with connect_sandbox(
        build_scene(graph={"messageRules": {PERSON: []}}, faults=faults)
    ) as to:
        found = await collect_batch_answers(
            to.graph.get_collections, {"one": RULES}, "MailboxSettings.Read"
        )
        assert isinstance(found["one"], Unavailable)


async def test_a_whole_batch_that_fails_is_unread_for_everyone() -> None:
    async with connect_sandbox(build_scene(faults=[fault("error", status=502)]), attempts=2) as to:
        answers = await collect_batch_answers(
            to.graph.get_batch, {one: f"/users/{one}" for one in (PERSON, ROOM)}
        )
        assert all(isinstance(answer, Unavailable) for answer in answers.values())
        assert set(answers) == {PERSON, ROOM}


async def test_pages_inside_a_batch_are_followed() -> None:
    rules = [build_rule_row(f"R{number}") for number in range(3)]
    async with connect_sandbox(build_scene(graph={"messageRules": {PERSON: rules}})) as to:
        first = {
            "value": [build_rule_row("R9")],
            "@odata.nextLink": f"{to.sandbox.base}/v1.0{RULES}?$skiptoken=2",
        }
        to.sandbox.tenant.faults.load([fault("wrongBody", inner=True, body=first, times=1)])
        found = await collect_batch_answers(
            to.graph.get_collections, {"one": RULES}, "MailboxSettings.Read"
        )
        assert [row["id"] for row in expect_rows(found["one"])] == ["R9", "R0", "R1", "R2"]


async def test_what_is_asked_for_first_is_answered_first() -> None:
    answered: list[str] = []

    async def ask(to: GraphClient, caller: str) -> None:
        paths = {f"{caller} {number}": RULES for number in range(70)}
        await to.get_collections(paths, "Role.Read", lambda key, _: answered.append(key[0]))

    async with connect_sandbox(build_scene(), cap=1, initial_limit=1) as to:
        await asyncio.gather(ask(to.graph, "a"), ask(to.graph, "b"))
    assert answered == ["a"] * 70 + ["b"] * 70


async def test_pages_inside_a_batch_may_not_lead_out_of_it() -> None:
    body = {"value": [], "@odata.nextLink": "https://evil.example/v1.0/x"}
    faults = [fault("wrongBody", inner=True, body=body)]
    async with connect_sandbox(build_scene(faults=faults)) as to:
        found = await collect_batch_answers(to.graph.get_collections, {"one": RULES})
        assert isinstance(found["one"], Unavailable)


def build_replies(*rows: Any) -> list[Reply]:
    """Inner answers of a batch: headers and bodies are still texts."""
    return [build_reply(row) for row in rows]


@pytest.mark.parametrize(
    "replies",
    [
        [],
        [{"id": "0", "status": 200, "body": {}}] * 2,
        [{"id": "0", "status": 200}],
        [{"id": "0", "status": 200, "body": None}],
        [{"id": "0", "status": 200, "body": "eyJ2YWx1ZSI6W119"}],
        [{"id": "0", "status": "200", "body": {}}],
        [{"id": "0", "status": 429, "headers": None}],
    ],
)
def test_replies_that_prove_nothing_are_asked_again(replies: list[Any]) -> None:
    assert isinstance(parse_graph_reply(build_replies(*replies), "one", ""), RetryableError)


@pytest.mark.parametrize("body", ['{"value": [], "value": [1]}', '{"value": NaN}', "{torn", ""])
def test_a_body_with_two_meanings_or_none_costs_only_its_own_request(body: str) -> None:
    answer = parse_graph_reply([Reply("0", 200, body=Raw(body.encode()))], "one", "")
    assert isinstance(answer, RetryableError)


@pytest.mark.parametrize(
    "text",
    [
        '{"responses": [{"id": "0", "status": 500, "status": 200, "body": {"value": []}}]}',
        '{"responses": [{"id": "0", "status": 200, "body": {"value": [1]}, "body": {}}]}',
        '{"responses": [], "responses": [{"id": "0", "status": 200, "body": {"value": []}}]}',
        '{"responses": {"id": "0"}}',
        '{"replies": []}',
        "[]",
        "{torn",
        "",
    ],
)
def test_a_batch_that_says_something_twice_or_nothing_is_asked_again(text: str) -> None:
    with pytest.raises(RetryableError, match=r"^\$batch: the answer "):
        sort_graph_replies(BufferedResponse(200, {}, text.encode()), 2)


@pytest.mark.parametrize("odd", ["half \\ud800 a character", "a \\u003a colon"])
def test_a_batch_with_odd_texts_is_read_as_any_other(odd: str) -> None:
    text = f'{{"responses": ["junk", {{"id": "0", "status": 200, "body": {{"a": "{odd}"}}}}]}}'
    [replies] = sort_graph_replies(BufferedResponse(200, {}, text.encode()), 1)
    assert parse_graph_reply(replies, "one", "") == {"a": json.loads(f'"{odd}"')}


def test_replies_are_sorted_by_the_number_of_their_request() -> None:
    text = (
        '{"responses": [{"id": "1"}, {"id": "00"}, {"id": "7"}, {"id": 0}, {"id": "1", "x": {}},'
        ' {"id": ""}]}'
    )
    first, second = sort_graph_replies(BufferedResponse(200, {}, text.encode()), 2)
    assert [one.id for one in (*first, *second)] == ["00", "1", "1"]


def test_a_page_that_is_as_good_as_empty_is_not_parsed() -> None:
    [reply] = build_replies({"id": "0", "status": 200, "body": {"value": [{"id": "R1"}]}})
    seen: list[bytes] = []

    def is_empty(text: bytes) -> bool:
        seen.append(text)
        return True

    assert parse_graph_reply([reply], "one", "", is_empty) is NOTHING
    assert seen == [b'{"value": [{"id": "R1"}]}']
    refused = build_replies({"id": "0", "status": 403, "body": {"value": []}})
    assert isinstance(parse_graph_reply(refused, "one", "", is_empty), Forbidden)
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "ErrorAccessDenied", Forbidden),
        (404, "MailboxNotEnabledForRESTAPI", NotFound),
        (404, "ErrorItemNotFound", NotFound),
        (404, "Request_ResourceNotFound", NotFound),
        # A 404 that gives no reason comes from a proxy: it makes nobody gone.
        (404, "", Unavailable),
        (410, "", Unavailable),
        (400, "Request_BadRequest", Rejected),
        (401, "InvalidAuthenticationToken", Forbidden),
        (302, "", Unavailable),
        (418, "", Unavailable),
    ],
)
def test_every_refusal_has_its_meaning(status: int, code: str, kind: type[TenantError]) -> None:
    reply = {"id": "0", "status": status, "body": {"error": {"code": code, "message": "x" * 9000}}}
    answer = parse_graph_reply(build_replies(reply), "one", "Mail.Read")
    assert isinstance(answer, kind)
    assert len(str(answer)) < 500


INNER = json.dumps({"errorCode": "AadPremiumLicenseRequired", "message": "no"})
HIDDEN = json.dumps({"errorCode": "PermissionScopeNotGranted", "message": "no"})


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"error": {"code": "AadPremiumLicenseRequired"}}, NoLicence),
        (400, {"error": {"code": "UnknownError", "message": INNER}}, NoLicence),
        (400, json.loads(INNER), NoLicence),
        (400, {"error": {"code": "UnknownError", "message": HIDDEN}}, Forbidden),
        (403, json.loads(HIDDEN), Forbidden),
        (400, {"error": {"code": "UnknownError", "message": "{torn"}}, Rejected),
        (400, {"error": {"code": "UnknownError", "message": '{"errorCode": ""}'}}, Rejected),
    ],
)
def test_the_reason_is_found_in_every_shape(
    status: int, body: dict[str, Any], kind: type[TenantError]
) -> None:
    reply = {"id": "0", "status": status, "body": body}
    answer = parse_graph_reply(build_replies(reply), "one", "Role.Read")
    assert type(answer) is kind
    if isinstance(answer, Forbidden):
        assert answer.permission == "Role.Read"


async def got(content: bytes, encoding: str = "gzip", limit: int = 1024 * 1024) -> BufferedResponse:
    """What the transport makes of an answer with this body."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=content, headers={"Content-Encoding": encoding})

    transport = GraphTransport(limit=limit)
    async with serving(answer) as address:
        try:
            return await transport.send("GET", URL(address), {})
        finally:
            await transport.close()


async def test_compressed_answers_are_read() -> None:
    for encoding in ("gzip", "GZIP"):
        found = await got(gzip.compress(b'{"value": []}'), encoding)
        assert found.body == b'{"value": []}'


async def test_a_bomb_is_noticed_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    assert len(bomb) < 128 * 1024
    tracemalloc.start()
    try:
        with pytest.raises(Unavailable, match="more than"):
            await got(bomb)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_a_long_answer_is_given_up() -> None:
    with pytest.raises(Unavailable, match="more than"):
        await got(bytes(2 * 1024 * 1024), "identity")


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"x" * 5_000)[:-9], b"not compressed", b"\x1f\x8b"],
    ids=["torn", "not compressed", "begun"],
)
async def test_a_compressed_answer_that_is_damaged_is_no_answer(body: bytes) -> None:
    with pytest.raises(TRANSPORT_ERRORS):
        await got(body)


async def test_nobody_there_is_passing_trouble() -> None:
    async with connect_sandbox(build_scene(), attempts=2) as to:
        cloud = replace(to.cloud, graph="http://127.0.0.1:1")
        graph = GraphClient(cloud, to.credential, build_service(to.clock, attempts=2))
        with pytest.raises(Unavailable, match="ClientConnectorError"):
            await graph.get("/domains")
        assert graph.request_count == 2
        await graph.close()


async def test_a_lost_answer_is_told_apart_from_a_request_that_was_never_sent() -> None:
    faults = [fault("drop", match="POST /v1.0/users", late=True)]
    async with connect_sandbox(build_scene(faults=faults)) as to:
        with pytest.raises(ConnectionLost):
            await to.graph.send("POST", f"/users/{PERSON}/revokeSignInSessions", None)
        nowhere = replace(to.cloud, graph="http://127.0.0.1:1")
        graph = GraphClient(nowhere, to.credential, build_service(to.clock))
        with pytest.raises(RetryableError) as never_sent:
            await graph.send("POST", f"/users/{PERSON}/revokeSignInSessions", None)
        await graph.close()
    assert not isinstance(never_sent.value, ConnectionLost)


@asynccontextmanager
async def answering(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    build_source: Callable[[], Any],
) -> AsyncIterator[GraphClient]:
    """A client of a Graph that gives one answer, with tokens from this source."""
    async with connect_sandbox(build_scene()) as to, serving(answer) as address:
        cloud = replace(to.cloud, graph=address)
        graph = GraphClient(cloud, Credential(build_source), build_service(to.clock))
        yield graph
        await graph.close()


class ClaimedTokens:
    """Gives a token that names the claims it was asked for."""

    async def get_token(self, *scopes: str, claims: str | None = None) -> AccessToken:
        return AccessToken(f"token for {claims}", 4_102_444_800)

    async def close(self) -> None: ...


async def test_a_request_says_what_it_wants_and_who_asks() -> None:
    seen: list[web.BaseRequest] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        return web.json_response({"value": []})

    async with answering(answer, ClaimedTokens) as graph:
        await graph.get("/users?$filter=displayName eq 'a%2Bb'&$count=true")
        await graph.patch("/policies/one", {"name": "b"})
    get, patch = seen
    assert get.raw_path == "/v1.0/users?$filter=displayName%20eq%20'a%2Bb'&$count=true"
    assert get.headers["ConsistencyLevel"] == "eventual"
    assert "Content-Type" not in get.headers
    assert (patch.method, patch.headers["Content-Type"]) == ("PATCH", "application/json")
    assert "ConsistencyLevel" not in patch.headers
    for request in seen:
        assert request.headers["Authorization"] == "Bearer token for None"
        assert request.headers["User-Agent"] == "Exoguard"
        assert request.headers["client-request-id"]
    assert get.headers["client-request-id"] != patch.headers["client-request-id"]


CLAIMS = '{"access_token": {"~~~~": 1}}'


@pytest.mark.parametrize("path", ["/domains", "/$batch"])
@pytest.mark.parametrize(
    "claims",
    [
        base64.b64encode(CLAIMS.encode()).decode(),
        base64.urlsafe_b64encode(CLAIMS.encode()).decode().rstrip("="),
    ],
    ids=["padded", "for addresses"],
)
async def test_a_challenge_for_other_claims_is_met_by_the_sdk(path: str, claims: str) -> None:
    challenge = f'Bearer error="insufficient_claims", claims="{claims}"'
    seen: list[tuple[str, str, bytes]] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        token = request.headers["Authorization"]
        seen.append((token, request.path, await request.read()))
        if "access_token" not in token:
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        return web.json_response({"taken": True})

    async with answering(answer, ClaimedTokens) as graph:
        for _ in range(2):
            reply = await graph.send("POST", path, {"one": 1})
            assert (reply.status, json.loads(reply.body)) == (200, {"taken": True})
    met = (f"Bearer token for {CLAIMS}", f"/v1.0{path}", b'{"one":1}')
    # The token that met it is kept: what comes next is not challenged.
    assert seen[-2:] == [met, met]
    assert [token for token, *_ in seen].count(met[0]) == 2


async def test_the_address_of_a_challenged_request_does_not_reach_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    challenge = {"WWW-Authenticate": 'Bearer claims="e30="'}
    caplog.set_level(logging.INFO)

    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(status=401, headers=challenge)

    async with answering(answer, ClaimedTokens) as graph:
        assert (await graph.send("GET", "/users?$skiptoken=secret", None)).status == 401
    assert "secret" not in caplog.text


async def test_a_batch_goes_to_graph_alone_with_the_token_of_the_app() -> None:
    seen: list[web.BaseRequest] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.append(request)
        wanted = json.loads(await request.text())["requests"]
        replies = [{"id": one["id"], "status": 200, "body": {}} for one in wanted]
        return web.json_response({"responses": replies})

    async with connect_sandbox(build_scene()) as to, serving(answer) as address:
        graph = GraphClient(
            replace(to.cloud, graph=address), to.credential, build_service(to.clock)
        )
        assert await collect_batch_answers(graph.get_batch, {"one": "/users/1"}) == {"one": {}}
        await graph.close()
        token = (await to.credential.get_token(to.cloud.graph_scope)).token
    assert [request.path for request in seen] == ["/v1.0/$batch"]
    assert seen[0].headers["Authorization"] == f"Bearer {token}"
    assert seen[0].headers["client-request-id"]


async def test_a_token_that_a_batch_does_not_take_is_renewed_once() -> None:
    paths = {one: f"/users/{one}?$select=id" for one in (PERSON, ROOM)}
    faults = [fault("error", status=401, times=1)]
    async with connect_sandbox(build_scene(faults=faults)) as to:
        answers = await collect_batch_answers(to.graph.get_batch, paths)
        assert not any(isinstance(answer, TenantError) for answer in answers.values())
        assert to.sandbox.counts["entra"] == 2
    async with connect_sandbox(build_scene(faults=[fault("error", status=401)])) as to:
        answers = await collect_batch_answers(to.graph.get_batch, paths)
        assert all(isinstance(answer, Forbidden) for answer in answers.values())
