"""HTTP triggers of the local Functions host: routes behind keys, and the admin API.

Sources: Microsoft Learn, "Azure Functions HTTP trigger" and "Manually run a non HTTP-triggered
function"; Azure/azure-functions-host, FunctionsController.
"""

import hmac
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace

from aiohttp import web

from sandbox.functions_host.worker import Function, HostError, InvocationResult
from sandbox.functions_host.worker_messages import TypedData

ANONYMOUS, FUNCTION, ADMIN = "ANONYMOUS", "FUNCTION", "ADMIN"

# The supported route constraints of ASP.NET, as patterns. `*` matches the rest of the path.
CONSTRAINTS = {
    "": "[^/]+",
    "int": r"-?\d+",
    "alpha": "[A-Za-z]+",
    "guid": "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "*": ".*",
}
ROUTE_PARAMETER = re.compile(r"\{(?P<rest>\*?)(?P<name>\w+)(?::(?P<constraint>\w+))?\??\}")


@dataclass(frozen=True, slots=True)
class FunctionKeys:
    """The two keys of an app: `function` grants access to its routes, `master` to everything."""

    function: str
    master: str

    @classmethod
    def generate(cls) -> "FunctionKeys":
        return cls(function=secrets.token_urlsafe(32), master=secrets.token_urlsafe(32))

    def is_sufficient(self, presented_key: str, level: str) -> bool:
        """True if a key grants access at a level. Compared in constant time, as in the host."""
        if level == ANONYMOUS:
            return True
        accepted = (self.master,) if level == ADMIN else (self.function, self.master)
        return any(hmac.compare_digest(presented_key.encode(), key.encode()) for key in accepted)


@dataclass(frozen=True, slots=True)
class HttpTriggers:
    """All routes. `invoke` runs a function for a request; `start_function` starts one by hand."""

    keys: FunctionKeys
    invoke: Callable[[Function, TypedData], Awaitable[InvocationResult]]
    start_function: Callable[[Function, str], None]

    def register_routes(
        self, app: web.Application, functions: Iterable[Function], prefix: str
    ) -> None:
        """Adds the routes of the functions and the admin API to a web application."""
        by_name = {function.name.casefold(): function for function in functions}
        for function in by_name.values():
            if function.trigger["type"] == "httpTrigger":
                for path in convert_route(function.trigger.get("route") or function.name):
                    self.register_route(app, function, "/" + f"{prefix}/{path}".strip("/"))

        async def admin(request: web.Request) -> web.Response:
            return await self.handle_admin(
                request, by_name.get(request.match_info["name"].casefold())
            )

        app.router.add_post("/admin/functions/{name}", admin)

    def register_route(self, app: web.Application, function: Function, path: str) -> None:
        async def route(request: web.Request) -> web.Response:
            return await self.handle_route(request, function)

        for method in function.trigger.get("methods") or ("*",):
            app.router.add_route(method, path, route)

    async def handle_route(self, request: web.Request, function: Function) -> web.Response:
        """Checks the key, invokes the function and responds. A failed function answers 500 with no
        details.
        """
        if not self.keys.is_sufficient(
            get_request_key(request), function.trigger.get("authLevel", FUNCTION).upper()
        ):
            return web.Response(status=401)
        result = await self.invoke(function, await to_typed_request(request))
        return to_function_response(result.returned) if result.ok else web.Response(status=500)

    async def handle_admin(self, request: web.Request, function: Function | None) -> web.Response:
        """Starts a function that has no HTTP trigger. Responds before the function has run."""
        if not self.keys.is_sufficient(get_request_key(request), ADMIN):
            return web.Response(status=401)
        if function is None:
            return web.Response(status=404)
        try:
            body = json.loads(await request.read())
        except ValueError:
            return web.Response(status=400)
        if not isinstance(body, dict) or function.trigger["type"] == "httpTrigger":
            return web.Response(status=400)
        self.start_function(function, str(body.get("input") or ""))
        return web.Response(status=202)


def get_request_key(request: web.Request) -> str:
    return request.headers.get("x-functions-key") or request.query.get("code", "")


def convert_route(route: str) -> list[str]:
    """Converts an ASP.NET route template to aiohttp paths: two if its last parameter is
    optional.
    """

    def pattern(match: re.Match[str]) -> str:
        constraint = match["rest"] or match["constraint"] or ""
        if constraint not in CONSTRAINTS:
            raise HostError(f"no local host for the route constraint {constraint!r} in {route!r}")
        return f"{{{match['name']}:{CONSTRAINTS[constraint]}}}"

    full = ROUTE_PARAMETER.sub(pattern, route)
    last = route.rpartition("/")[2]
    if last.endswith("?}"):
        return [full, ROUTE_PARAMETER.sub(pattern, route.rpartition("/")[0])]
    return [full]


async def to_typed_request(request: web.Request) -> TypedData:
    """Converts a request for the worker: header names in lower case, the body as bytes."""
    return TypedData(
        http=SimpleNamespace(
            method=request.method,
            url=str(request.url),
            headers={name.lower(): value for name, value in request.headers.items()},
            query=dict(request.query),
            params=dict(request.match_info),
            body=TypedData(bytes=await request.read()),
        )
    )


def to_function_response(returned: TypedData | None) -> web.Response:
    """Converts a function's return value: an HttpResponse, plain text, or None (204)."""
    if returned is None:
        return web.Response(status=204)
    if returned.kind != "http":
        return web.Response(text=str(returned.value))
    http = returned.value
    response = web.Response(
        status=int(http.status_code), headers=http.headers, body=http.body.value
    )
    for cookie in http.cookies or ():
        set_cookie(response, cookie)
    return response


def set_cookie(response: web.Response, cookie: SimpleNamespace) -> None:
    def plain[T](wrapped: SimpleNamespace | None, default: T) -> T:
        return default if wrapped is None else wrapped.value

    max_age = plain(cookie.max_age, None)
    response.set_cookie(
        cookie.name,
        cookie.value,
        domain=plain(cookie.domain, "") or None,
        path=plain(cookie.path, "") or "/",
        secure=plain(cookie.secure, False),
        httponly=plain(cookie.http_only, False),
        max_age=None if max_age is None else int(max_age),
    )
