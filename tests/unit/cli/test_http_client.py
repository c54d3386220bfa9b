"""The client of a deployed app: where the key goes, and where it never goes."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from rich.console import Console

from core.cli.address import parse_key, parse_origin
from core.cli.api_client import EXIT_UNAVAILABLE, EXIT_USAGE, ApiUnavailable, UsageError
from core.cli.http_client import RemoteClient, open_remote_client
from core.cli.program import main
from core.cli.session import Connection, Session
from sandbox.certificate import make_certificate
from tests.support.local_app import SAMPLES

KEY = "a-key-nobody-may-see"
OPENS = {"x-functions-key": KEY}


@dataclass
class App:
    """A server that records its requests and answers as the test configures it."""

    answer: Callable[[], web.Response] = lambda: web.json_response({})
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    base: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.method, request.path_qs, headers, await request.read()))
        return self.answer()


@asynccontextmanager
async def serving(app: App, tls: ssl.SSLContext | None = None) -> AsyncIterator[App]:
    """Start the server on a free port."""
    served = web.Application()
    served.router.add_route("*", "/{rest:.*}", app.handle)
    runner = web.AppRunner(served, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    app.base = f"http{'s' if tls else ''}://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield app
    finally:
        await runner.cleanup()


async def test_the_key_goes_into_the_header_and_nowhere_else() -> None:
    async with serving(App()) as app, open_remote_client(app.base, OPENS) as way:
        await way.get("/api/cases.json", {"state": "all"})
        await way.post("/api/guards/mailbox-audit/run", {"who": "Dana", "why": "because"})
    get, post = app.asked
    assert get[:2] == ("GET", "/api/cases.json?state=all")
    assert post[3] == b'{"who": "Dana", "why": "because"}'
    assert post[2]["content-type"] == "application/json"
    for _, path, headers, body in app.asked:
        assert headers.pop("x-functions-key") == KEY
        assert KEY not in f"{path}{headers}{body!r}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with serving(App()) as elsewhere, serving(App()) as app:
        aside = {"Location": f"{elsewhere.base}/api/x"}
        app.answer = lambda: web.Response(status=status, headers=aside)
        async with open_remote_client(app.base, OPENS) as way:
            assert (await way.get("/api/status.json")).status == status
        assert elsewhere.asked == []


async def test_a_cookie_of_the_app_is_not_sent_back() -> None:
    sticky = {"Set-Cookie": "affinity=x; Path=/"}
    async with (
        serving(App(lambda: web.json_response({}, headers=sticky))) as app,
        open_remote_client(app.base, OPENS) as way,
    ):
        await way.get("/api/status.json")
        await way.get("/api/status.json")
    assert "cookie" not in app.asked[1][2]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/api",
        "/api/",
        "/admin/host/keys",
        "/api/../admin",
        "/api/.x",
        "//evil",
        "/api//x",
        "/api/x?code=y",
        "/api/x#y",
        "/api/%2e%2e/x",
        "/api/x y",
        "/api/x\n",
        "api/x",
        "/API/x",
    ],
)
async def test_only_addresses_of_the_api_are_requested(path: str) -> None:
    async with serving(App()) as app, open_remote_client(app.base, OPENS) as way:
        with pytest.raises(UsageError):
            await way.get(path)
    assert app.asked == []


async def test_an_endless_response_is_cut_off() -> None:
    async with (
        serving(App(lambda: web.Response(body=b"x" * 100_000))) as app,
        aiohttp.ClientSession() as session,
    ):
        way = RemoteClient(app.base, session, max_bytes=99_999)
        with pytest.raises(ApiUnavailable, match="exceeds 99,999 bytes"):
            await way.get("/api/export")


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("https://app.azurewebsites.net", "https://app.azurewebsites.net"),
        (" https://App.AzureWebsites.net/ ", "https://app.azurewebsites.net"),
        ("https://app.example:8443", "https://app.example:8443"),
        ("http://127.0.0.1:7071", "http://127.0.0.1:7071"),
        ("http://[::1]:7071", "http://[::1]:7071"),
        ("http://localhost:7071", "http://localhost:7071"),
    ],
)
def test_the_address_of_an_app_is_its_origin(address: str, found: str) -> None:
    assert parse_origin(address) == found


@pytest.mark.parametrize(
    "address",
    [
        "http://app.azurewebsites.net",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://10.0.0.4",
        "ftp://app.example",
        "app.azurewebsites.net",
        "https://",
        "https://user:word@app.example",
        "https://app.example/api/status",
        "https://app.example/?code=abc",
        "https://app.example/#x",
        "https://app.example:notaport",
        "https://[::1",
    ],
)
def test_an_invalid_app_address_gets_no_key(address: str) -> None:
    with pytest.raises(UsageError) as found:
        parse_origin(address)
    assert "abc" not in str(found.value)
    assert "word" not in str(found.value)


@pytest.mark.parametrize("key", ["", " ", "two words", "line\nX-Other: y", "\x00", "schlüssel"])
def test_an_invalid_key_is_refused_without_being_repeated(key: str) -> None:
    with pytest.raises(UsageError) as found:
        parse_key(key)
    assert str(found.value) == "the key is not valid: it has no spaces and only ASCII characters"


async def test_an_unreachable_app_is_reported_with_a_remedy(tmp_path: Path) -> None:
    for address, words in (
        ("http://127.0.0.1:9", "check --app and the network"),
        ("https://no-such-app.invalid", "the name does not resolve"),
    ):
        async with open_remote_client(address, OPENS) as way:
            with pytest.raises(ApiUnavailable, match=words):
                await way.get("/api/status.json")


async def test_an_untrusted_certificate_gets_no_key(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*make_certificate(tmp_path))
    async with serving(App(), context) as app, open_remote_client(app.base, OPENS) as way:
        with pytest.raises(ApiUnavailable, match="its certificate is not trusted"):
            await way.get("/api/status.json")
    assert app.asked == []


async def test_a_proxy_never_sees_an_unencrypted_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(App()) as proxy, serving(App()) as app:
        monkeypatch.setenv("http_proxy", proxy.base)
        monkeypatch.delenv("no_proxy", raising=False)
        async with open_remote_client(app.base, OPENS) as way:
            await way.get("/api/status.json")
        assert (len(app.asked), proxy.asked) == (1, [])


# ----------------------------------------------------------------------------------------------
# Sources of the key
# ----------------------------------------------------------------------------------------------


@dataclass
class Desk:
    """A session with these variables, whose operator types these secrets."""

    environ: dict[str, str] = field(default_factory=dict)
    connection: Connection = field(default_factory=Connection)
    terminal: bool = False
    typed: list[str] = field(default_factory=list)

    def session(self) -> Session:
        return Session(
            environ=self.environ,
            connection=self.connection,
            is_interactive=self.terminal,
            ask_secret=lambda text: self.typed.pop(0),
        )


def test_the_key_comes_from_a_file_the_environment_or_a_prompt(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("from-a-file\n")
    kept = {"EXOGUARD_KEY": "kept"}
    assert Desk(kept, Connection(key_file=file)).session().build_auth_headers() == {
        "x-functions-key": "from-a-file"
    }
    assert Desk(kept).session().build_auth_headers() == {"x-functions-key": "kept"}
    typed = Desk(terminal=True, typed=["typed"])
    assert typed.session().build_auth_headers() == {"x-functions-key": "typed"}
    token = {**kept, "EXOGUARD_TOKEN": "a.b.c"}
    assert Desk(token).session().build_auth_headers() == {"Authorization": "Bearer a.b.c"}


def test_without_a_key_nothing_is_sent_and_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(ApiUnavailable, match="EXOGUARD_KEY or use --key-file"):
        Desk().session().build_auth_headers()
    with pytest.raises(ApiUnavailable, match="cannot be read"):
        Desk(connection=Connection(key_file=tmp_path / "none")).session().build_auth_headers()


def typed(*words: str, **environ: str) -> tuple[int, str]:
    """Run a command line; its exit code and its output."""
    text = StringIO()
    console = Console(file=text, width=80, markup=False)
    session = Session(environ=environ, out=console, err=console, is_interactive=False)
    return main(words, session), text.getvalue()


@pytest.mark.parametrize(
    "words",
    [
        ("--key", KEY, "status"),
        ("status", "--key", KEY),
        ("--app", f"https://a.example?code={KEY}"),
    ],
)
def test_the_key_is_never_an_argument(words: tuple[str, ...]) -> None:
    code, result = typed(*words, *([] if "status" in words else ["status"]), EXOGUARD_KEY="x")
    assert code == EXIT_USAGE
    assert KEY not in result


def test_no_error_shows_the_key() -> None:
    for address in ("http://127.0.0.1:9", "https://no-such-app.invalid"):
        code, result = typed("--app", address, "status", EXOGUARD_KEY=KEY)
        assert (code, KEY in result) == (EXIT_UNAVAILABLE, False)


def test_a_command_without_a_connection_is_refused() -> None:
    code, result = typed("status")
    assert code == EXIT_USAGE
    assert "--app https://<name>.azurewebsites.net" in result
    assert "or use --local" in result


@pytest.mark.parametrize(
    "text",
    ['{"Values": {"TENANT_ID": "the id", "N": 7}}', '[{"name": "TENANT_ID", "value": "the id"}]'],
)
def test_settings_come_as_a_local_file_or_as_azure_lists_them(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(text)
    session = Session(environ={}, connection=Connection(settings=file))
    assert session.load_settings()["TENANT_ID"] == "the id"


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"Values": 7}', '{"Values": []}', "[7]", '[{"name": "N"}]']
)
def test_an_invalid_settings_file_is_reported(text: str, tmp_path: Path) -> None:
    file = tmp_path / "local.settings.json"
    file.write_text(text)
    code, result = typed("--local", "--settings", str(file), "status")
    assert code == EXIT_UNAVAILABLE
    assert "not a settings file" in result


def test_every_invalid_setting_is_named_with_local() -> None:
    code, result = typed("--local", "status", STATE_CONNECTION_STRING="nonsense")
    assert code == EXIT_UNAVAILABLE
    assert "TENANT_ID is missing" in result
    assert "TEAMS_WEBHOOK_URL is missing" in result


def test_an_invalid_connection_string_is_reported() -> None:
    wrong = {**SAMPLES, "STATE_CONNECTION_STRING": f"nonsense-{KEY}"}
    code, result = typed("--local", "status", **wrong)
    assert code == EXIT_UNAVAILABLE
    assert "STATE_CONNECTION_STRING" in result
    assert KEY not in result
