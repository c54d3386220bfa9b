"""`GET /users/delta`: which accounts changed since a token was given.

A token stands for what every account was like then; `$deltatoken=latest` gives one without listing
anybody. Tokens die after a while, and then the service answers 410 (Microsoft Learn: "Get
incremental changes to users").
"""

from collections.abc import Mapping
from typing import Any

from sandbox.graph.users import GraphError, build_context_url
from sandbox.http_types import HttpRequest, HttpResponse, Row, build_next_link
from sandbox.state.tenant import SimulatedTenant

DELTA_TOKEN = "graph-delta-token"
LATEST = "latest"


def get_token(request: HttpRequest) -> str:
    """The token of a request, whatever the case of its name."""
    return next(
        (value for name, value in request.query.items() if name.casefold() == "$deltatoken"), ""
    )


def list_changes(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """Which accounts changed, and the token from which to go on. Raises GraphError for a dead
    token.
    """
    token, now = (
        get_token(request),
        {row.get("id"): row.get("accountEnabled") for row in tenant.graph["users"]},
    )
    known = tenant.delta_tokens.get(token)
    if token and token != LATEST and (known is None or is_dead(tenant)):
        raise GraphError(410, "syncStateNotFound", "The sync state generation is not found.")
    before: Mapping[Any, Any] = now if token == LATEST else known or {}
    rows: list[Row] = [
        {"id": found, "accountEnabled": enabled}
        for found, enabled in now.items()
        if found not in before or before[found] != enabled
    ]
    rows += [
        {"id": found, "@removed": {"reason": "changed"}} for found in before if found not in now
    ]
    name = f"d{len(tenant.delta_tokens) + 1:06}"
    tenant.delta_tokens[name] = now
    link = build_next_link(tenant.base, request, "").partition("?")[0]
    return HttpResponse(
        200,
        {
            "@odata.context": build_context_url(tenant, "users(accountEnabled)"),
            "@odata.deltaLink": f"{link}?$deltatoken={name}",
            "value": rows,
        },
    )


def is_dead(tenant: SimulatedTenant) -> bool:
    """Whether the tenant has forgotten its tokens, as some do after a while."""
    if not tenant.reality.plays(DELTA_TOKEN, "dies"):
        return False
    times = tenant.reality.get_option(DELTA_TOKEN, "times", 1)
    return bool(tenant.count_request(DELTA_TOKEN) <= times)
