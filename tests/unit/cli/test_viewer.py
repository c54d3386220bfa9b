"""The local viewer: what it forwards to the app, and what it refuses."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest

from core.cli.api_client import ApiResponse, ApiUnavailable
from core.cli.viewer import PageViewer

PAGE = ApiResponse(
    200,
    b"<p>the status</p>",
    {
        "content-type": "text/html; charset=utf-8",
        "content-security-policy": "default-src 'none'",
        "repr-digest": "sha-256=:x:",
        "set-cookie": "ARRAffinity=1",
        "server": "Kestrel",
        "x-functions-key": "a-key-nobody-may-see",
        "www-authenticate": "x",
        "location": "https://evil.example",
        "transfer-encoding": "chunked",
        "content-length": "999",
        "content-encoding": "gzip",
    },
)


@dataclass
class App:
    """A client that records the paths it was asked for."""

    location: str = "the app"
    reply: ApiResponse = PAGE
    looked: list[tuple[str, Mapping[str, str] | None]] = field(default_factory=list)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    processed: int = 0
    down: bool = False

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> ApiResponse:
        if self.down:
            raise ApiUnavailable("the app is not there")
        self.looked.append((path, query))
        return self.reply

    async def post(self, path: str, body: Mapping[str, str]) -> ApiResponse:
        self.asked.append((path, body))
        return self.reply

    async def process_pending(self) -> None:
        self.processed += 1


@dataclass
class Browser:
    """A browser session with a viewer, which keeps its cookies."""

    viewer: PageViewer
    app: App
    session: aiohttp.ClientSession

    async def get(
        self, path: str, method: str = "GET", **headers: str
    ) -> tuple[int, str, Mapping[str, str]]:
        address = f"http://{self.viewer.host}{path}"
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(
            method, address, headers=named, allow_redirects=False
        ) as reply:
            return reply.status, await reply.text(), reply.headers

    async def let_in(self) -> None:
        status, _, _ = await self.get(f"/open/{self.viewer.opening_token}")
        assert status == 200


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    app = App()
    viewer = PageViewer(app)
    await viewer.start()
    try:
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            yield Browser(viewer, app, session)
    finally:
        await viewer.stop()


async def test_what_a_person_confirmed_is_sent_as_json_and_processed() -> None:
    async with browsing() as browser:
        await browser.let_in()
        form = {"kind": "run", "guard": "mailbox-audit", "why": "look", "until": "", "token": "x"}
        address = f"http://{browser.viewer.host}/api/act"
        for site, status in (("cross-site", 403), ("none", 403), ("same-origin", 200)):
            headers = {"Sec-Fetch-Site": site}
            async with browser.session.post(address, data=form, headers=headers) as reply:
                assert reply.status == status
        async with browser.session.post(
            address, json=form, headers={"Sec-Fetch-Site": "same-origin"}
        ) as reply:
            assert reply.status == 403
    asked = {"kind": "run", "guard": "mailbox-audit", "why": "look"}
    assert browser.app.asked == [("/api/act", asked)]
    assert browser.app.processed == 1


async def test_boxes_that_share_a_name_are_sent_separated_by_commas() -> None:
    async with browsing() as browser:
        await browser.let_in()
        form = [("cases", "g/a"), ("cases", "g/b"), ("kind", "acknowledge"), ("token", "x")]
        headers = {"Sec-Fetch-Site": "same-origin"}
        for path in ("/api/act/several/confirm", "/api/act/several", "/api/act/everything"):
            address = f"http://{browser.viewer.host}{path}"
            async with browser.session.post(address, data=form, headers=headers) as reply:
                assert reply.status == (405 if path.endswith("everything") else 200)
    sent = {"cases": "g/a,g/b", "kind": "acknowledge"}
    assert browser.app.asked == [
        ("/api/act/several/confirm", sent),
        ("/api/act/several", sent),
    ]


async def test_a_form_without_the_cookie_of_the_viewer_is_refused() -> None:
    async with browsing() as browser:
        address = f"http://{browser.viewer.host}/api/act"
        headers = {"Sec-Fetch-Site": "same-origin"}
        async with browser.session.post(address, data={"kind": "run"}, headers=headers) as reply:
            assert reply.status == 403
    assert browser.app.asked == []


async def test_a_page_is_forwarded_with_the_safe_headers() -> None:
    async with browsing() as browser:
        await browser.let_in()
        status, text, headers = await browser.get("/api/cases?state=all&page=2")
    assert (status, text) == (200, "<p>the status</p>")
    assert browser.app.looked == [("/api/cases", {"state": "all", "page": "2"})]
    assert headers["Content-Security-Policy"] == "default-src 'none'"
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert headers["Repr-Digest"] == "sha-256=:x:"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Content-Length"] == "17"
    for name in ("set-cookie", "x-functions-key", "www-authenticate", "location"):
        assert name not in headers
    assert "Kestrel" not in str(headers)


async def test_the_first_address_opens_once_and_sets_an_httponly_cookie() -> None:
    async with browsing() as browser:
        first = f"/open/{browser.viewer.opening_token}"
        _, text, headers = await browser.get(first)
        cookie = headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert first.removeprefix("/open/") not in cookie + text
        browser.session.cookie_jar.clear()
        assert (await browser.get(first))[0] == 403
        assert (await browser.get("/open/"))[0] == 403
        assert browser.app.looked == []


@pytest.mark.parametrize("path", ["/", "/api/status", "/open/guess", "/favicon.ico"])
async def test_a_browser_without_the_cookie_sees_nothing(path: str) -> None:
    async with browsing() as browser:
        status, _, headers = await browser.get(path)
        assert status == 403
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        forged = {browser.viewer.cookie_name: browser.viewer.opening_token}
        browser.session.cookie_jar.update_cookies(forged)
        assert (await browser.get(path))[0] == 403
        assert browser.app.looked == []


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example", ""]
)
async def test_another_host_name_gets_nothing(host: str) -> None:
    async with browsing() as browser:
        await browser.let_in()
        assert (await browser.get("/api/status", Host=host))[0] == 421
        assert (await browser.get(f"/open/{browser.viewer.opening_token}", Host=host))[0] == 421
        assert browser.app.looked == []


async def test_two_host_headers_get_nothing() -> None:
    async with browsing() as browser:
        reader, writer = await asyncio.open_connection("127.0.0.1", browser.viewer.port)
        word = browser.viewer.opening_token
        lines = f"GET /open/{word} HTTP/1.1\r\nHost: {browser.viewer.host}\r\nHost: evil\r\n\r\n"
        writer.write(lines.encode())
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert answer.split()[1] in (b"400", b"421")
    assert browser.viewer.opening_token == word


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
async def test_the_viewer_is_read_only(method: str) -> None:
    async with browsing() as browser:
        await browser.let_in()
        assert (await browser.get("/api/guards/mailbox-audit/run", method))[0] == 405
        assert browser.app.looked == []


@pytest.mark.parametrize("site", ["cross-site", "same-site", "what"])
async def test_another_site_cannot_read(site: str) -> None:
    async with browsing() as browser:
        await browser.let_in()
        assert (await browser.get("/api/status", Sec_Fetch_Site=site))[0] == 403
        assert browser.app.looked == []
        assert (await browser.get("/api/status", Sec_Fetch_Site="same-origin"))[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/admin/host/keys",
        "/api",
        "/api/../admin/host/keys",
        "/api/%2e%2e/admin",
        "/api/%2E./x",
        "/api/x%2fy",
        "/api//evil.example",
        "/api/status?code=a",
        "/api/status?a=1&a=2",
        "/api/status?a=" + "x" * 600,
        "/runtime/webhooks/x",
        "//evil.example/api/status",
    ],
)
async def test_only_the_api_is_behind_the_viewer(path: str) -> None:
    async with browsing() as browser:
        await browser.let_in()
        reader, writer = await asyncio.open_connection("127.0.0.1", browser.viewer.port)
        cookie = f"{browser.viewer.cookie_name}={browser.viewer.cookie_secret}"
        lines = f"GET {path} HTTP/1.1\r\nHost: {browser.viewer.host}\r\nCookie: {cookie}\r\n\r\n"
        writer.write(lines.encode())
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
    assert answer.split()[1] == b"404"
    assert browser.app.looked == []


async def test_a_redirect_of_the_app_is_refused() -> None:
    async with browsing() as browser:
        await browser.let_in()
        browser.app.reply = ApiResponse(302, b"", {"location": "https://evil.example"})
        status, _, headers = await browser.get("/api/status")
    assert status == 502
    assert "Location" not in headers


async def test_an_unreachable_app_is_reported() -> None:
    async with browsing() as browser:
        await browser.let_in()
        browser.app.down = True
        status, text, headers = await browser.get("/api/status")
    assert (status, text) == (502, "the app is not there\n")
    assert headers["Content-Type"].startswith("text/plain")


async def test_a_refusal_of_the_app_is_forwarded() -> None:
    async with browsing() as browser:
        await browser.let_in()
        browser.app.reply = ApiResponse(404, b"{}", {"content-type": "application/json"})
        assert (await browser.get("/api/cases/mailbox-audit/x"))[:2] == (404, "{}")


async def test_the_first_page_is_the_status() -> None:
    async with browsing() as browser:
        await browser.let_in()
        _, text, _ = await browser.get("/")
    assert 'content="0;url=/api/status"' in text


async def test_the_viewer_listens_on_this_machine_only() -> None:
    async with browsing() as browser:
        assert browser.viewer.runner
        assert {address[0] for address in browser.viewer.runner.addresses} == {"127.0.0.1"}
