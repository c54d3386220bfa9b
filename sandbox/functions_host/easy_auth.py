"""A stand-in for App Service Authentication in front of the local host.

    browser or program ─► proxy: who is this? ─► X-MS-CLIENT-PRINCIPAL ─► the app

    python -m sandbox.functions_host.easy_auth --app http://127.0.0.1:PORT

It does what the app relies on with SIGN_IN=entra: no request passes without a sign-in, and the
identity headers come only from the proxy, which removes the client's own. Browsers sign in as one
of a few test users, with a click and without a password; programs send one of their tokens. In
Azure the app cannot be reached except through the proxy; here the host's own port stays open.

Sources: Microsoft Learn, "Authentication and authorization in Azure App Service" (unauthenticated
requests) and "Work with user identities in Azure App Service authentication" (the headers). That
the Accept header tells a browser from a program is an assumption of this stand-in.
"""

import argparse
import asyncio
import base64
import html
import json
import secrets
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, web

COOKIE = "AppServiceAuthSession"
LOGIN = "/.auth/login/aad"
CALLBACK = f"{LOGIN}/callback"
LOGOUT = "/.auth/logout"
RETURN_PARAMETER = "post_login_redirect_uri"
# Only the platform sets headers with this prefix (Microsoft Learn, as above).
PLATFORM_PREFIX = "x-ms-"
PROVIDER = "aad"
OBJECT_ID = "http://schemas.microsoft.com/identity/claims/objectidentifier"
# Headers of one connection are not forwarded (RFC 9110, 7.6.1).
HOP_BY_HOP_HEADERS = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
)
MAX_BODY_BYTES = 1024**2


@dataclass(frozen=True, slots=True)
class EasyAuthUser:
    """A user who can sign in, with the assigned app roles."""

    name: str
    object_id: str
    roles: tuple[str, ...] = ()
    token: str = field(default_factory=lambda: secrets.token_urlsafe(24))

    def encode_principal(self) -> str:
        """The header that identifies the user to the app."""
        claims = [
            (OBJECT_ID, self.object_id),
            ("preferred_username", self.name),
            *(("roles", role) for role in self.roles),
        ]
        document = {
            "auth_typ": PROVIDER,
            "claims": [{"typ": kind, "val": value} for kind, value in claims],
            "name_typ": "preferred_username",
            "role_typ": "roles",
        }
        return base64.b64encode(json.dumps(document).encode()).decode()

    def build_headers(self) -> dict[str, str]:
        """All headers about the signed-in user."""
        return {
            "X-MS-CLIENT-PRINCIPAL": self.encode_principal(),
            "X-MS-CLIENT-PRINCIPAL-ID": self.object_id,
            "X-MS-CLIENT-PRINCIPAL-IDP": PROVIDER,
            "X-MS-CLIENT-PRINCIPAL-NAME": self.name,
        }


def build_test_users() -> tuple[EasyAuthUser, ...]:
    """The users of the stand-in: a reader, an operator and one without a role."""
    return (
        EasyAuthUser(
            "rita@contoso.com", "0e000000-0000-4000-8000-000000000001", ("Exoguard.Reader",)
        ),
        EasyAuthUser(
            "olive@contoso.com", "0e000000-0000-4000-8000-000000000002", ("Exoguard.Operator",)
        ),
        EasyAuthUser("gus@contoso.com", "0e000000-0000-4000-8000-000000000003"),
    )


@dataclass(slots=True)
class EasyAuthProxy:
    """A proxy in front of the app at `app`, an address without a trailing slash.

    `read_token` says whose a program's token is, beside those of the test users.
    """

    app_url: str
    users: tuple[EasyAuthUser, ...] = field(default_factory=build_test_users)
    read_token: Callable[[str], EasyAuthUser | None] | None = None
    port: int = 0
    sessions: dict[str, EasyAuthUser] = field(default_factory=dict)
    runner: web.AppRunner | None = None
    client: ClientSession | None = None

    @property
    def base(self) -> str:
        """The proxy's address, without a trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        door = web.Application(client_max_size=MAX_BODY_BYTES)
        door.router.add_get(LOGIN, self.show_login)
        door.router.add_post(CALLBACK, self.complete_login)
        door.router.add_get(LOGOUT, self.end_session)
        door.router.add_route("*", "/{path:.*}", self.forward_request)
        self.runner = web.AppRunner(door, access_log=None)
        self.client = ClientSession(auto_decompress=False)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", self.port).start()
        self.port = self.runner.addresses[0][1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.runner:
            await self.runner.cleanup()
        if self.client:
            await self.client.close()

    # ------------------------------------------------------------------------------------------
    # Signing in
    # ------------------------------------------------------------------------------------------

    async def show_login(self, request: web.Request) -> web.Response:
        """Shows the page on which a browser picks a user; in Azure, Entra's sign-in page."""
        back = html.escape(to_local_path(request.query.get(RETURN_PARAMETER, "/")))
        buttons = "".join(
            f'<p><button name="as" value="{html.escape(person.name)}">{html.escape(person.name)} '
            f"({html.escape(', '.join(person.roles) or 'no role')})</button></p>"
            for person in self.users
        )
        page = (
            "<!doctype html><html lang=en><meta charset=utf-8><title>Sign in</title>"
            f'<h1>Sign in to the sandbox</h1><form method=post action="{CALLBACK}">'
            f'<input type=hidden name="{RETURN_PARAMETER}" value="{back}">{buttons}</form></html>'
        )
        return web.Response(text=page, content_type="text/html")

    async def complete_login(self, request: web.Request) -> web.Response:
        """Completes the sign-in and redirects the browser to where it wanted to go."""
        form = await request.post()
        person = next((one for one in self.users if one.name == form.get("as")), None)
        if person is None:
            return web.Response(status=401)
        session = secrets.token_urlsafe(24)
        self.sessions[session] = person
        answer = web.Response(
            status=302, headers={"Location": to_local_path(str(form.get(RETURN_PARAMETER, "/")))}
        )
        answer.set_cookie(COOKIE, session, httponly=True, samesite="Lax", path="/")
        return answer

    async def end_session(self, request: web.Request) -> web.Response:
        """Ends the session, also for anyone who copied its cookie."""
        self.sessions.pop(request.cookies.get(COOKIE, ""), None)
        answer = web.Response(status=302, headers={"Location": "/"})
        answer.del_cookie(COOKIE, path="/")
        return answer

    def find_signed_in_user(self, request: web.Request) -> EasyAuthUser | None:
        """The user who sends a request, by a browser's cookie or a program's token."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer":
            known = next((one for one in self.users if is_same_secret(one.token, token)), None)
            return known or (self.read_token(token) if self.read_token else None)
        return self.sessions.get(request.cookies.get(COOKIE, ""))

    # ------------------------------------------------------------------------------------------
    # Forwarding
    # ------------------------------------------------------------------------------------------

    async def forward_request(self, request: web.Request) -> web.Response:
        """Forwards every other request of a signed-in user to the app."""
        person = self.find_signed_in_user(request)
        if person is None:
            return refuse_request(request)
        if self.client is None:
            raise RuntimeError("the front door is not open")
        headers = [*filter_headers(request.headers.items()), *person.build_headers().items()]
        try:
            async with self.client.request(
                request.method,
                self.app_url + request.raw_path,
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
            ) as answer:
                return web.Response(
                    status=answer.status,
                    body=await answer.read(),
                    headers=[
                        pair
                        for pair in answer.headers.items()
                        if pair[0].lower() not in HOP_BY_HOP_HEADERS
                    ],
                )
        except ClientError:
            return web.Response(status=502)


def is_same_secret(first: str, second: str) -> bool:
    """Compares two secrets in constant time."""
    return secrets.compare_digest(first.encode(), second.encode())


def filter_headers(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The client's headers without those that only the platform may set."""
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in HOP_BY_HOP_HEADERS
        and not name.lower().replace("_", "-").startswith(PLATFORM_PREFIX)
    ]


def refuse_request(request: web.Request) -> web.Response:
    """Redirects a browser to the sign-in page; answers 401 to any other client."""
    if request.method == "GET" and "text/html" in request.headers.get("Accept", ""):
        where = f"{LOGIN}?{RETURN_PARAMETER}={quote(request.raw_path, safe='')}"
        return web.Response(status=302, headers={"Location": where})
    return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})


def to_local_path(target: str) -> str:
    """A path of this app to redirect to, never one of another site."""
    inside = target.startswith("/") and not target.startswith("//")
    return target if inside and target.isprintable() and "\\" not in target else "/"


async def serve_proxy(proxy: EasyAuthProxy) -> None:
    """Serves until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with proxy:
        tokens = {person.name: person.token for person in proxy.users}
        print(json.dumps({"base": proxy.base, "tokens": tokens}), flush=True)
        await stopped.wait()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sandbox.functions_host.easy_auth",
        description="Signs people in, in front of the app.",
    )
    parser.add_argument("--app", required=True, help="where the local host answers")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    options = parser.parse_args()
    asyncio.run(serve_proxy(EasyAuthProxy(options.app.rstrip("/"), port=options.port)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
