"""The pages in a browser, where the app is opened by a key: a viewer on this machine adds it.

    browser ─► 127.0.0.1, with a cookie ─► GET under /api/ ─► the app, with the key

The key stays in this process. The first address holds a word that opens the viewer once; what the
browser keeps is a cookie. Requests are answered only for the name this viewer has, so that no other
site can get at it under a name of its own (DNS rebinding), and only when the browser does not say
that another site made them.
"""

import asyncio
import hmac
import secrets
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import typer
from aiohttp import web

from core.cli.api_client import API_PATH, EXIT_OK, ApiClient, ApiResponse, CliError
from core.cli.options import run_command
from core.cli.session import Session

HOST = "127.0.0.1"
FIRST_PAGE = "/api/status"
# Whatever else the app or what is in front of it says concerns nobody behind this viewer.
FORWARDED_HEADERS = (
    "cache-control",
    "content-disposition",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "repr-digest",
    "x-content-type-options",
    "x-frame-options",
)
OWN_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
MAX_QUERY_LENGTH = 500


@dataclass(slots=True)
class PageViewer:
    """One viewer: the way to the data, the word that opens it once, the cookie it gives."""

    client: ApiClient
    port: int = 0
    opening_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    runner: web.AppRunner | None = None

    @property
    def host(self) -> str:
        """The host and port it answers for."""
        return f"{HOST}:{self.port}"

    @property
    def opening_url(self) -> str:
        """Where to begin; good for once."""
        return f"http://{self.host}/open/{self.opening_token}"

    @property
    def cookie_name(self) -> str:
        """The cookie's name. All ports of this machine share their cookies."""
        return f"exoguard-{self.port}"

    async def start(self) -> None:
        """Begin to serve, on a port that is free."""
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self.handle)
        self.runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self.runner.setup()
        site = web.TCPSite(self.runner, HOST, self.port)
        await site.start()
        self.port = self.runner.addresses[0][1]

    async def stop(self) -> None:
        """End."""
        if self.runner:
            await self.runner.cleanup()

    async def handle(self, request: web.Request) -> web.Response:
        """One request of the browser."""
        site = request.headers.get("Sec-Fetch-Site", "none")
        if request.headers.getall("Host", []) != [self.host]:
            return refuse_browser(421, "this viewer answers for its own address alone")
        if request.method != "GET":
            return refuse_browser(405, "this viewer only looks: use the command line to act")
        if site not in ("none", "same-origin") and not self.is_opening(request):
            return refuse_browser(403, "another site cannot look here")
        if self.is_opening(request):
            return self.exchange_token()
        if not secrets_equal(request.cookies.get(self.cookie_name, ""), self.cookie_secret):
            return refuse_browser(
                403, "open the address that the command line gave, or start it again"
            )
        if request.rel_url.raw_path == "/":
            return redirect_to_first_page()
        return await self.forward(request)

    def is_opening(self, request: web.Request) -> bool:
        """Whether a request brings the word that opens the viewer."""
        word = request.rel_url.raw_path.removeprefix("/open/")
        return bool(self.opening_token) and secrets_equal(word, self.opening_token)

    def exchange_token(self) -> web.Response:
        """The cookie in exchange for the word, which is worth nothing from then on."""
        self.opening_token = ""
        response = redirect_to_first_page()
        response.set_cookie(
            self.cookie_name, self.cookie_secret, path="/", httponly=True, samesite="Strict"
        )
        return response

    async def forward(self, request: web.Request) -> web.Response:
        """What the app answers."""
        path, query = request.rel_url.raw_path, dict(request.query)
        odd = len(request.query) != len(query) or len(request.query_string) > MAX_QUERY_LENGTH
        if not API_PATH.fullmatch(path) or odd or "code" in map(str.lower, query):
            return refuse_browser(404, "there is no such page")
        try:
            return relay_response(await self.client.get(path, query))
        except CliError as error:
            return refuse_browser(502, str(error))


def secrets_equal(one: str, other: str) -> bool:
    """Whether two secrets are the same, in a time that does not tell."""
    return hmac.compare_digest(one.encode(), other.encode())


def redirect_to_first_page() -> web.Response:
    """On to the first page. From here the browser makes the request itself.

    A redirect would still count as begun by whoever gave the first address, and a cookie that is
    SameSite=Strict would not be sent with it.
    """
    text = (
        '<!doctype html><meta charset="utf-8"><title>Exoguard</title>'
        f'<meta http-equiv="refresh" content="0;url={FIRST_PAGE}"><a href="{FIRST_PAGE}">Status</a>'
    )
    return web.Response(text=text, content_type="text/html", headers=OWN_HEADERS)


def refuse_browser(status: int, text: str) -> web.Response:
    """A refusal of this viewer's own."""
    return web.Response(status=status, text=f"{text}\n", headers=OWN_HEADERS)


def relay_response(response: ApiResponse) -> web.Response:
    """An answer of the app with the headers that are safe. A redirect is followed by nobody."""
    if 300 <= response.status < 400:
        return refuse_browser(502, "the app sends elsewhere: check its address")
    headers = {
        name: response.headers[name] for name in FORWARDED_HEADERS if name in response.headers
    }
    return web.Response(
        status=response.status,
        body=response.body,
        headers={**{name.lower(): value for name, value in OWN_HEADERS.items()}, **headers},
    )


def serve_pages(
    ctx: typer.Context,
    browser: Annotated[bool, typer.Option(help="open the browser")] = True,
) -> None:
    """Look at the pages in a browser.

    A viewer on this machine adds the key, which is in no address. It only looks; Ctrl-C ends it.
    """

    async def work(session: Session, way: ApiClient) -> int:
        viewer = PageViewer(way)
        await viewer.start()
        try:
            session.print_output(f"{viewer.opening_url}", "good for once; Ctrl-C ends it")
            if browser:
                await asyncio.to_thread(open_browser, viewer.opening_url)
            await asyncio.Event().wait()
        finally:
            await viewer.stop()
        return EXIT_OK

    try:
        run_command(ctx, work)
    except KeyboardInterrupt:
        raise typer.Exit(EXIT_OK) from None


def open_browser(address: str, opener: Callable[[str], bool] = webbrowser.open) -> bool:
    """Open the browser of this machine, if there is one."""
    try:
        return opener(address)
    except webbrowser.Error:
        return False
