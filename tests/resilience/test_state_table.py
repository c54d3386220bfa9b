"""The state table fails: between the app and a real table stands a proxy that does harm.

At every request of a run, once: 500, 503, a reset before it, or a reply lost after it took effect.
Or something else answers with a success: a page, half of the answer, JSON that is no table's. The
run goes on as if nothing had happened. From every request on, for good: the run fails, nothing
was written to the tenant that was not written down before, nothing was told that is not remembered,
and when the table is back all is as it should be. Tables that vanish and rows that do not fit are
errors with a name.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableClient

from core.adapters.table_storage.ledger import TableLedger
from core.bootstrap import build_table_options
from core.engine.run import run
from core.errors import ClaimLost, LedgerError
from core.model.cases import Notification
from core.model.changes import ChangeState
from core.model.runs import RunReport
from sandbox.functions_host.azurite import ACCOUNT, ACCOUNT_KEY, Azurite
from tests.support.adaptive_cards import build_rule_case
from tests.support.ledgers import create_with_rows, read_rows
from tests.support.synthetic_guard import ENFORCE_CONFIG, EngineHarness, SyntheticTenant

# Headers that speak of one connection and not of the answer.
BETWEEN_TWO = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
# What may befall a request once, and how many requests apart it is tried.
PASSING = {"after": 2, "OperationTimedOut": 4, "before": 5, "503": 6}
# What no table answers: a status, a body and its type.
ODD: Mapping[str, tuple[int, bytes, str]] = {
    "page": (200, b"<html>Sign in</html>", "text/html"),
    "page queued": (202, b"<html>Sign in</html>", "text/html"),
    "parts": (202, b"--x\r\n\r\n--x--", "multipart/mixed; boundary=x"),
    "empty": (200, b"", ""),
    "created": (201, b"", ""),
    "written": (204, b"", ""),
    "object": (200, b"{}", "application/json"),
    "list": (200, b"[]", "application/json"),
    "null": (200, b"null", "application/json"),
    "no rows": (200, b'{"value": null}', "application/json"),
    "no row": (200, b'{"value": [null]}', "application/json"),
    "empty row": (200, b'{"value": [{}]}', "application/json"),
    "word": (200, b'{"value": "x"}', "application/json"),
    "nuls": (200, bytes(64), "application/json"),
    "deep": (200, b"[" * 100_000, "application/json"),
}


# These strike when the request has taken effect.
AFTER = frozenset({"after", "half", *(f"late {name}" for name in ODD)})
NOTHING: Callable[[int], str | None] = dict[int, str]().get


@dataclass
class Proxy:
    """Stands in front of the table service. `harm` says what befalls the n-th request."""

    target: str
    harm: Callable[[int], str | None] = NOTHING
    count: int = 0
    address: str = ""
    seen: list[str] = field(default_factory=list)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.count += 1
        self.seen.append(f"{request.method} {request.path}")
        harm = self.harm(self.count)
        if harm == "before":
            return cut(request)
        if harm == "moved":
            return web.Response(status=302, headers={"Location": f"{self.address}/elsewhere"})
        if harm and harm in ODD:
            return odd(harm)
        if harm and harm not in AFTER:
            return refusal(harm, request)
        reply = await self.forward(request)
        if not harm:
            return reply
        if harm in ("after", "half"):
            return cut(request) if harm == "after" else halved(reply)
        return odd(harm.removeprefix("late "))

    async def forward(self, request: web.BaseRequest) -> web.Response:
        """The request, carried out as it is."""
        headers = {name: value for name, value in request.headers.items() if name != "Host"}
        async with self.session.request(
            request.method,
            f"{self.target}{request.raw_path}",
            headers=headers,
            data=await request.read(),
            skip_auto_headers=("Content-Type", "User-Agent"),
        ) as reply:
            kept = {
                name: value
                for name, value in reply.headers.items()
                if name.lower() not in BETWEEN_TWO
            }
            return web.Response(status=reply.status, headers=kept, body=await reply.read())

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Proxy"]:
        """Listen on a port of its own."""
        runner = web.ServerRunner(web.Server(self.handle, access_log=None), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession() as self.session:
            yield self
        await runner.cleanup()


def odd(name: str) -> web.Response:
    """A success that is no table's."""
    status, body, kind = ODD[name]
    return web.Response(status=status, body=body, headers={"Content-Type": kind} if kind else {})


def halved(reply: web.Response) -> web.Response:
    """The first half of an answer, whole by its own account."""
    body = bytes(reply.body) if isinstance(reply.body, bytes) else b""
    return web.Response(status=reply.status, headers=reply.headers, body=body[: len(body) // 2])


def cut(request: web.BaseRequest) -> web.Response:
    """No answer: the connection ends."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def refusal(harm: str, request: web.BaseRequest) -> web.Response:
    """An error in the words of the table service: a status, or a code of its own."""
    codes = {"OperationTimedOut": 500, "TableNotFound": 404, "TableBeingDeleted": 409}
    if harm == "deleting":
        harm = "TableBeingDeleted" if request.path.endswith("/Tables") else "TableNotFound"
    status = codes.get(harm) or int(harm)
    code = harm if harm in codes else "ServerBusy"
    body = {"odata.error": {"code": code, "message": {"lang": "en-US", "value": "No."}}}
    return web.json_response(body, status=status, headers={"x-ms-error-code": code})


async def at_once(seconds: float) -> None:
    """Waits between tries take no time."""
    await asyncio.sleep(0)


class Kept(EngineHarness):
    """A toy tenant whose guard remembers in a real table, behind the proxy."""

    def __init__(self, proxy: Proxy) -> None:
        super().__init__(SyntheticTenant(4, forwards={"m1": "a@x", "m2": "b@x"}), ENFORCE_CONFIG)
        self.proxy = proxy
        self.name = f"t{uuid.uuid4().hex}"
        self.has_lived = False

    @asynccontextmanager
    async def table(self, address: str = "") -> AsyncIterator[TableClient]:
        """The table as the app opens it; with the address of its service, past the proxy."""
        text = (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};"
            f"TableEndpoint={address or self.proxy.address}/{ACCOUNT};"
        )
        async with TableClient.from_connection_string(
            text, table_name=self.name, **build_table_options()
        ) as client:
            yield client

    async def live(self, harm: Callable[[int], str | None] = NOTHING) -> RunReport | None:
        """One run, harmed; None when it failed for want of its memory. The lease of the run before
        it has run out.
        """
        if self.has_lived:
            await self.expire()
        self.has_lived = True
        self.proxy.count, self.proxy.harm = 0, harm
        try:
            async with self.table() as client:
                ledger = TableLedger(client, sleep=at_once)
                return await run(self.config, replace(self.world, ledger=ledger))
        except LedgerError:
            return None
        finally:
            self.proxy.harm = NOTHING
            self.clock.advance(minutes=15)

    async def expire(self) -> None:
        """What a minute does to the lease of a run that could not let go of it."""
        async with self.table(self.proxy.target) as client:
            async for lease in client.query_entities("RowKey eq 'lease'"):
                lease["until"] = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
                await client.update_entity(lease, mode=UpdateMode.REPLACE)

    async def remembered(self) -> tuple[dict[str, str], list[str], int]:
        """The cases and how they stand, the changes, and how much is untold."""
        async with self.table(self.proxy.target) as client:
            memory = await TableLedger(client, sleep=at_once).load("toy")
        cases = {key: f"{one.kind} {one.resolution}" for key, one in memory.cases.items()}
        states = sorted(f"{one.subject} {one.state}" for one in memory.changes)
        return cases, states, sum(bool(one.notification) for one in memory.cases.values())


@pytest.fixture
async def proxy(azurite: Azurite) -> AsyncIterator[Proxy]:
    """A proxy in front of the table service of the session's storage account."""
    async with Proxy(azurite.endpoints["Table"]).serving() as one:
        yield one


@dataclass(frozen=True)
class Peace:
    """What comes of it when nothing fails: what taking stock leaves behind, and how it all ends.

    `requests` is how many the run takes that changes things, `remembered` and `cards` what is there
    at the end.
    """

    stock: Sequence[Mapping[str, Any]]
    stocked_at: datetime
    stock_sent: Sequence[Mapping[str, object]]
    requests: int
    remembered: tuple[dict[str, str], list[str], int]
    cards: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peace(azurite: Azurite) -> Peace:
    """The story in peace, played once: every test begins where its first run ended."""
    async with Proxy(azurite.endpoints["Table"]).serving() as proxy:
        stage = Kept(proxy)
        assert await stage.live()
        assert stage.tenant.writes == []
        await stage.expire()
        async with stage.table() as client:
            stock, stocked_at = await read_rows(client), stage.clock()
        stock_sent = tuple(stage.notification_channel.sent)
        await stage.live()
        requests = proxy.count
        assert stage.tenant.writes == ["m1", "m2"]
        await stage.live()
        cards = len(stage.notification_channel.sent)
        return Peace(stock, stocked_at, stock_sent, requests, await stage.remembered(), cards)


async def adopted(proxy: Proxy, peace: Peace) -> Kept:
    """A guard that has taken stock, and is about to put two mailboxes right."""
    stage = Kept(proxy)
    stage.clock.current = peace.stocked_at
    stage.notification_channel.sent.extend(peace.stock_sent)
    async with stage.table(proxy.target) as client:
        await create_with_rows(client, peace.stock)
    return stage


@pytest.mark.parametrize("harm", PASSING)
async def test_any_request_may_fail_once_and_nobody_notices(
    proxy: Proxy, peace: Peace, harm: str
) -> None:
    await any_request_once(proxy, peace, harm, range(1, 100, PASSING[harm]))


async def any_request_once(proxy: Proxy, peace: Peace, harm: str, strikes: Iterable[int]) -> None:
    """Harm befalls one request of a run, and it all comes out as in peace."""
    assert peace.requests >= 8
    for strike in takewhile(lambda number: number <= peace.requests, strikes):
        stage = await adopted(proxy, peace)
        report = await stage.live({strike: harm}.get)
        assert report, strike
        assert (report.status, report.delivered) == ("done", True), strike
        assert stage.tenant.writes == ["m1", "m2"], strike
        assert (await stage.remembered(), len(stage.notification_channel.sent)) == (
            peace.remembered,
            peace.cards,
        ), strike


@pytest.mark.parametrize("late", ["", "late "])
@pytest.mark.parametrize("harm", ODD)
async def test_what_is_no_answer_of_a_table_is_asked_again(
    proxy: Proxy, peace: Peace, harm: str, late: str
) -> None:
    await any_request_once(proxy, peace, f"{late}{harm}", range(1 + len(harm) % 3, 100, 3))


async def test_half_an_answer_is_asked_again(proxy: Proxy, peace: Peace) -> None:
    await any_request_once(proxy, peace, "half", range(1, 100))


async def test_no_redirect_takes_the_key_of_the_table_elsewhere(proxy: Proxy, peace: Peace) -> None:
    stage = await adopted(proxy, peace)
    proxy.seen.clear()
    assert await stage.live(dict.fromkeys(range(1_000), "moved").get) is None
    assert proxy.seen
    assert not [line for line in proxy.seen if "elsewhere" in line]
    assert stage.tenant.writes == []


async def test_without_the_table_nothing_is_changed_or_told_that_is_not_written_down(
    proxy: Proxy,
    peace: Peace,
) -> None:
    for since in range(1, peace.requests + 1, 3):
        stage = await adopted(proxy, peace)
        told = len(stage.notification_channel.sent)
        report = await stage.live(dict.fromkeys(range(since, 1_000), "503").get)
        assert report is None or report.delivered, since
        cases, changes, _ = await stage.remembered()
        written_down = {change.split("@")[0] for change in changes}
        assert written_down >= set(stage.tenant.writes), since
        assert len(stage.notification_channel.sent) - told <= 1, since
        if len(stage.notification_channel.sent) > told:
            assert {case.split()[1] for case in cases.values()} == {"done"}, since
        await stage.live()
        await stage.live()
        # Where the table went between a write and its record, the tenant showed what was made.
        found, changed, more = await stage.remembered()
        changed = [one.replace("inferred", "applied") for one in changed]
        assert (found, changed, more) == peace.remembered, since
        assert len(stage.notification_channel.sent) - peace.cards in (0, 1), since
        assert set(stage.tenant.writes) == {"m1", "m2"}, since


@pytest.mark.parametrize("harm", ["403", "deleting"])
async def test_a_table_that_cannot_be_used_fails_the_run_with_a_reason(
    proxy: Proxy, peace: Peace, harm: str
) -> None:
    stage = await adopted(proxy, peace)
    proxy.harm = lambda number: harm
    async with stage.table() as client:
        ledger = TableLedger(client, sleep=at_once)
        with pytest.raises(LedgerError, match=r"refuses access|cannot be created"):
            async with ledger.claim("toy", "run") as claim:
                assert claim is None
        with pytest.raises(LedgerError):
            await ledger.load("toy")
    proxy.harm = NOTHING
    assert stage.tenant.writes == []


async def test_a_table_that_is_gone_is_made_again_and_the_look_begins_anew(
    proxy: Proxy, peace: Peace
) -> None:
    stage = await adopted(proxy, peace)
    async with stage.table() as client:
        await client.delete_table()
    report = await stage.live()
    assert report
    assert report.baselined
    assert stage.tenant.writes == []
    assert len((await stage.remembered())[0]) == 2


async def test_a_table_that_vanishes_under_a_claim_ends_the_run(proxy: Proxy, peace: Peace) -> None:
    stage = await adopted(proxy, peace)
    async with stage.table() as client:
        ledger = TableLedger(client, sleep=at_once)
        async with ledger.claim("toy", "run") as claim:
            assert claim
            await client.delete_table()
            with pytest.raises(ClaimLost):
                await claim.save(build_rule_case(1))
            with pytest.raises(ClaimLost):
                await claim.ensure_held()


async def test_a_transaction_that_is_refused_leaves_nothing_of_itself(
    proxy: Proxy,
    peace: Peace,
) -> None:
    stage = await adopted(proxy, peace)
    before = await stage.remembered()
    async with stage.table() as client:
        ledger = TableLedger(client, sleep=at_once)
        async with ledger.claim("toy", "run") as claim:
            assert claim
            await claim.load()
            proxy.count, proxy.harm = 0, {1: "400"}.get
            with pytest.raises(LedgerError, match="400"):
                await claim.save(build_rule_case(1), build_rule_case(2))
            await claim.save(build_rule_case(3, notification=Notification.NONE))
    cases = (await stage.remembered())[0]
    assert len(cases) == len(before[0]) + 1
    assert ChangeState.APPLIED not in before[1]
