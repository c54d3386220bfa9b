"""Serves the app's pages to a browser on this machine, and adds the function key to its requests.

    browser ─► 127.0.0.1, with a cookie ─► GET, and forms to /api/act ─► the app, with the key

The key never leaves this process. The first address holds a token that is valid once; the browser
then keeps a cookie. The viewer answers only requests for its own host name, against DNS rebinding,
and rejects those that the browser attributes to another site.
"""

import hmac
import secrets
from dataclasses import dataclass, field

from aiohttp import web

from core.cli.api_client import API_PATH, ApiClient, ApiResponse, CliError

HOST = "127.0.0.1"
FIRST_PAGE = "/api/status"
# No other header of the app, or of a proxy in front of it, reaches the browser.
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
MAX_FORM_BYTES = 32 * 1024
# The only addresses to which the viewer sends anything.
FORM_PATHS = frozenset({"/api/act", "/api/act/several", "/api/act/several/confirm"})
FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(slots=True)
class PageViewer:
    """A local web server that forwards what one browser reads, and what it confirms, to the API."""

    client: ApiClient
    port: int = 0
    opening_token: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    cookie_secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    runner: web.AppRunner | None = None
    is_reusable: bool = False
    """True if its first address opens more than once: for a demonstration, never for a tenant."""

    @property
    def host(self) -> str:
        """The host and port it answers for."""
        return f"{HOST}:{self.port}"

    @property
    def opening_url(self) -> str:
        """Where to begin; good for once, unless it is reusable."""
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
        """Answer one request of the browser."""
        if refusal := self.find_refusal(request):
            return refuse_browser(*refusal)
        if self.is_opening(request):
            return self.exchange_token()
        if not secrets_equal(request.cookies.get(self.cookie_name, ""), self.cookie_secret):
            return refuse_browser(
                403, "open the address that the command line printed, or restart the viewer"
            )
        if request.method == "POST":
            return await self.forward_form(request)
        if request.rel_url.raw_path == "/":
            return redirect_to_first_page()
        return await self.forward(request)

    def find_refusal(self, request: web.Request) -> tuple[int, str] | None:
        """Why a request is not the browser's that was let in, or asks for more than it may."""
        site = request.headers.get("Sec-Fetch-Site", "none")
        if request.headers.getall("Host", []) != [self.host]:
            return 421, "this viewer answers only under its own address"
        if request.method == "POST" and request.rel_url.raw_path in FORM_PATHS:
            is_own = site == "same-origin" and request.content_type == FORM_TYPE
            return None if is_own else (403, "a form is accepted from a page of this viewer only")
        if request.method != "GET":
            return 405, "this viewer sends only what its pages ask for: use the command line"
        if site not in ("none", "same-origin") and not self.is_opening(request):
            return 403, "other sites cannot read from this viewer"
        return None

    def is_opening(self, request: web.Request) -> bool:
        """True if a request carries the valid opening token."""
        token = request.rel_url.raw_path.removeprefix("/open/")
        return bool(self.opening_token) and secrets_equal(token, self.opening_token)

    def exchange_token(self) -> web.Response:
        """Set the cookie in exchange for the opening token, which is invalid from then on."""
        if not self.is_reusable:
            self.opening_token = ""
        response = redirect_to_first_page()
        response.set_cookie(
            self.cookie_name, self.cookie_secret, path="/", httponly=True, samesite="Strict"
        )
        return response

    async def forward(self, request: web.Request) -> web.Response:
        """Forward a request to the API."""
        path, query = request.rel_url.raw_path, dict(request.query)
        odd = len(request.query) != len(query) or len(request.query_string) > MAX_QUERY_LENGTH
        if not API_PATH.fullmatch(path) or odd or "code" in map(str.lower, query):
            return refuse_browser(404, "there is no such page")
        try:
            return relay_response(await self.client.get(path, query))
        except CliError as error:
            return refuse_browser(502, str(error))

    async def forward_form(self, request: web.Request) -> web.Response:
        """Send what a person confirmed, and process it where the table is used directly."""
        if (request.content_length or MAX_FORM_BYTES + 1) > MAX_FORM_BYTES:
            return refuse_browser(413, "the form is too long")
        fields: dict[str, str] = {}
        for name, value in (await request.post()).items():
            # Check boxes that share a name: the app takes their values separated by commas.
            values = [fields.get(name, ""), value if isinstance(value, str) else ""]
            fields[name] = ",".join(filter(None, values))
        fields = {name: value for name, value in fields.items() if value}
        # The app's own token belongs to a cookie that never reached this browser: see `forward`.
        fields.pop("token", None)
        try:
            answer = await self.client.post(request.rel_url.raw_path, fields)
            await self.client.process_pending()
        except CliError as error:
            return refuse_browser(502, str(error))
        return relay_response(answer)


def secrets_equal(one: str, other: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def redirect_to_first_page() -> web.Response:
    """A page that loads the first page by itself.

    A redirect would count as part of the navigation that another program started, and browsers do
    not send SameSite=Strict cookies with those.
    """
    text = (
        '<!doctype html><meta charset="utf-8"><title>Exoguard</title>'
        f'<meta http-equiv="refresh" content="0;url={FIRST_PAGE}"><a href="{FIRST_PAGE}">Status</a>'
    )
    return web.Response(text=text, content_type="text/html", headers=OWN_HEADERS)


def refuse_browser(status: int, text: str) -> web.Response:
    """A refusal by the viewer itself."""
    return web.Response(status=status, text=f"{text}\n", headers=OWN_HEADERS)


def relay_response(response: ApiResponse) -> web.Response:
    """A response of the app, with the safe headers only. Redirects are refused."""
    if 300 <= response.status < 400:
        return refuse_browser(502, "the app redirects: check its address")
    headers = {
        name: response.headers[name] for name in FORWARDED_HEADERS if name in response.headers
    }
    return web.Response(
        status=response.status,
        body=response.body,
        headers={**{name.lower(): value for name, value in OWN_HEADERS.items()}, **headers},
    )
