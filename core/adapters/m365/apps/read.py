"""What is read of apps through Microsoft Graph: who they are, and what they were given.

All of it is listed in pages of 999, the most Graph gives. Apps are listed rather than asked for one
by one, for their credentials: requests that select keyCredentials are limited to 150 a minute
(Microsoft Learn: List servicePrincipals).
"""

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from core.adapters.credentials import claims_of
from core.adapters.exchange.paging import Seen
from core.adapters.graph.client import Graph
from core.adapters.m365.apps.parse import Self, app, app_permission, delegated_grant, role_names
from core.adapters.m365.graph_queries import objects
from core.adapters.m365.parsing import Row, each, object_id
from core.adapters.read_errors import blind, broken_rows, by_object, unread
from core.errors import TenantError, Unavailable
from core.microsoft365.app_permissions import APIS
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.readings import Reading
from core.tenant.surfaces import APP_PERMISSIONS, APPS, DELEGATED_GRANTS

READ_APPS = "Application.Read.All"
READ_GRANTS = "Directory.Read.All"
IDENTITY = "id,appId,displayName,appOwnerOrganizationId,accountEnabled,servicePrincipalType"
PROPERTIES = f"{IDENTITY},verifiedPublisher,replyUrls,keyCredentials,passwordCredentials"
TOP = 999
# Certificates make rows of apps long, and an answer has to stay within its limit.
APPS_TOP = 500


async def reader(graph: Graph) -> Self:
    """Who the app is, and where, as its own token says. Raises TenantError."""
    token = await graph.credential.get_token(graph.scope)
    claims = claims_of(token.token) or {}
    return Self(
        object_id(claims.get("appid")) or object_id(claims.get("azp")),
        object_id(claims.get("tid")),
    )


async def apps(graph: Graph) -> AsyncIterator[Reading[App]]:
    """Every app, page by page. One that moved between pages counts where it was seen first."""
    seen = Seen()
    nameless = 0
    nobody = True
    try:
        parse = partial(app, reader=await reader(graph))
        path = f"/servicePrincipals?$select={PROPERTIES}&$top={APPS_TOP}"
        async for rows in graph.pages(path, READ_APPS):
            nobody = nobody and not rows
            items, broken = each(rows, parse)
            new = {one.id: one for one in items if seen.first(one.id)}
            ids = [object_id(row.get("id")) for row, _ in broken]
            pairs = [
                pair for pair in zip(broken, ids, strict=True) if not pair[1] or seen.first(pair[1])
            ]
            misses = broken_rows(
                APPS, [row for row, _ in pairs], [one for _, one in pairs], nameless
            )
            nameless += len(pairs)
            yield Reading(
                items=tuple(new.values()),
                unread=misses,
                surfaces=frozenset({APPS}),
                population=len(new) + len(misses),
                scope=frozenset(new) | {miss.object_id for miss in misses},
            )
        if nobody:
            raise Unavailable("Graph listed no app at all, not even this one")
    except TenantError as error:
        yield Reading(
            unread=blind(APPS, error).unread,
            surfaces=frozenset({APPS}),
            complete=False,
            scope=frozenset(),
        )


async def apps_by_id(graph: Graph, ids: Collection[str]) -> Reading[App]:
    """Some apps by id, twenty in a request."""
    surfaces = frozenset({APPS})
    try:
        parse = partial(app, reader=await reader(graph))
    except TenantError as error:
        return blind(APPS, error)
    paths = {
        one: f"/servicePrincipals/{quote(one, safe='')}?$select={IDENTITY}" for one in sorted(ids)
    }
    items, failures = await objects(graph, paths, READ_APPS, parse)
    items.sort(key=lambda one: one.id)
    misses = by_object(APPS, failures, len(paths), {})
    return Reading(tuple(items), misses, surfaces, population=len(paths))


async def delegated_grants(graph: Graph) -> AsyncIterator[Reading[DelegatedGrant]]:
    """Every delegated grant, page by page."""
    path = f"/oauth2PermissionGrants?$top={TOP}"
    try:
        async for page in held(
            graph, DELEGATED_GRANTS, path, READ_GRANTS, delegated_grant, "clientId"
        ):
            yield page
    except TenantError as error:
        yield blind(DELEGATED_GRANTS, error)


async def app_permissions(graph: Graph) -> AsyncIterator[Reading[AppPermission]]:
    """The assignments of app roles, API by API: one that cannot be read hides no other."""
    for app_id, name in APIS.items():
        try:
            async for page in permissions_at(graph, app_id):
                yield page
        except TenantError as error:
            miss = unread(APP_PERMISSIONS, error)
            yield Reading(
                unread=(replace(miss, reason=f"{name}: {miss.reason}"),),
                surfaces=frozenset({APP_PERMISSIONS}),
            )


async def permissions_at(graph: Graph, app_id: str) -> AsyncIterator[Reading[AppPermission]]:
    """The assignments of one API's app roles. Raises TenantError."""
    known = quote(f"appId eq '{app_id}'")
    path = f"/servicePrincipals?$filter={known}&$select=id,appId,appRoles"
    async for apis in graph.pages(path, READ_APPS):
        for api in apis:
            found = object_id(api.get("id"))
            if not found or object_id(api.get("appId")) != app_id:
                raise Unavailable("Graph answered with another app than was asked for")
            try:
                names = role_names(api)
            except ValueError as error:
                raise Unavailable(str(error)) from error
            parse = partial(app_permission, names=names)
            path = f"/servicePrincipals/{quote(found, safe='')}/appRoleAssignedTo?$top={TOP}"
            async for page in held(graph, APP_PERMISSIONS, path, READ_APPS, parse, "principalId"):
                yield page
    # An API that nobody in this tenant uses has no service principal here and has given nothing.
    yield Reading(surfaces=frozenset({APP_PERMISSIONS}))


async def held[T](
    graph: Graph,
    surface: str,
    path: str,
    permission: str,
    parse: Callable[[Row], T | None],
    owner: str,
) -> AsyncIterator[Reading[T]]:
    """A listing of what apps hold, page by page. `owner` is the property that names the app."""
    nameless = 0
    async for rows in graph.pages(path, permission):
        items, broken = each(rows, parse)
        ids = [object_id(row.get(owner)) for row, _ in broken]
        misses = broken_rows(surface, broken, ids, nameless)
        nameless += len(broken)
        yield Reading(
            items=tuple(one for one in items if one is not None),
            unread=misses,
            surfaces=frozenset({surface}),
            population=len(rows),
        )
