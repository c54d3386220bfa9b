"""What is read of apps through Microsoft Graph: who they are, and what they were given.

All of it is listed in pages of 999, the most Graph gives. Apps are listed rather than asked for one
by one, for their credentials: requests that select keyCredentials are limited to 150 a minute
(Microsoft Learn: List servicePrincipals).
"""

from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import replace
from functools import partial
from urllib.parse import quote

from core.adapters.credentials import parse_token_claims
from core.adapters.exchange.paging import IdSet
from core.adapters.graph.client import GraphClient
from core.adapters.m365.apps.parse import (
    CallerIdentity,
    parse_app,
    parse_app_permission,
    parse_delegated_grant,
    parse_role_names,
)
from core.adapters.m365.graph_queries import fetch_objects
from core.adapters.m365.parsing import ResponseRow, parse_each_row, parse_object_id
from core.adapters.read_errors import (
    build_object_failures,
    build_read_failure,
    build_row_failures,
    build_unavailable_reading,
)
from core.errors import TenantError, Unavailable
from core.microsoft365.app_permissions import MICROSOFT_APIS
from core.tenant.apps import App, AppPermission, DelegatedGrant
from core.tenant.readings import Reading
from core.tenant.surfaces import APP_PERMISSIONS, APPS, DELEGATED_GRANTS

READ_APPS = "Application.Read.All"
READ_GRANTS = "Directory.Read.All"
IDENTITY_PROPERTIES = (
    "id,appId,displayName,appOwnerOrganizationId,accountEnabled,servicePrincipalType"
)
APP_PROPERTIES = (
    f"{IDENTITY_PROPERTIES},verifiedPublisher,replyUrls,keyCredentials,passwordCredentials"
)
PAGE_SIZE = 999
# Certificates make rows of apps long, and an answer has to stay within its limit.
APPS_PAGE_SIZE = 500


async def read_caller_identity(graph: GraphClient) -> CallerIdentity:
    """Who the app is, and where, as its own token says. Raises TenantError."""
    token = await graph.credential.get_token(graph.scope)
    claims = parse_token_claims(token.token) or {}
    return CallerIdentity(
        parse_object_id(claims.get("appid")) or parse_object_id(claims.get("azp")),
        parse_object_id(claims.get("tid")),
    )


async def fetch_apps(graph: GraphClient) -> AsyncIterator[Reading[App]]:
    """Every app, page by page. One that moved between pages counts where it was seen first."""
    seen = IdSet()
    nameless = 0
    nobody = True
    try:
        parse = partial(parse_app, caller=await read_caller_identity(graph))
        path = f"/servicePrincipals?$select={APP_PROPERTIES}&$top={APPS_PAGE_SIZE}"
        async for rows in graph.read_pages(path, READ_APPS):
            nobody = nobody and not rows
            items, broken = parse_each_row(rows, parse)
            new = {one.id: one for one in items if seen.add(one.id)}
            ids = [parse_object_id(row.get("id")) for row, _ in broken]
            pairs = [
                pair for pair in zip(broken, ids, strict=True) if not pair[1] or seen.add(pair[1])
            ]
            misses = build_row_failures(
                APPS, [row for row, _ in pairs], [one for _, one in pairs], nameless
            )
            nameless += len(pairs)
            yield Reading(
                items=tuple(new.values()),
                failures=misses,
                sources=frozenset({APPS}),
                population=len(new) + len(misses),
                scope=frozenset(new) | {miss.object_id for miss in misses},
            )
        if nobody:
            raise Unavailable("Graph listed no app at all, not even this one")
    except TenantError as error:
        yield Reading(
            failures=build_unavailable_reading(APPS, error).failures,
            sources=frozenset({APPS}),
            complete=False,
            scope=frozenset(),
        )


async def fetch_apps_by_id(graph: GraphClient, ids: Collection[str]) -> Reading[App]:
    """Some apps by id, twenty in a request."""
    surfaces = frozenset({APPS})
    try:
        parse = partial(parse_app, caller=await read_caller_identity(graph))
    except TenantError as error:
        return build_unavailable_reading(APPS, error)
    paths = {
        one: f"/servicePrincipals/{quote(one, safe='')}?$select={IDENTITY_PROPERTIES}"
        for one in sorted(ids)
    }
    items, failures = await fetch_objects(graph, paths, READ_APPS, parse)
    items.sort(key=lambda one: one.id)
    misses = build_object_failures(APPS, failures, len(paths), {})
    return Reading(tuple(items), misses, surfaces, population=len(paths))


async def fetch_delegated_grants(graph: GraphClient) -> AsyncIterator[Reading[DelegatedGrant]]:
    """Every delegated grant, page by page."""
    path = f"/oauth2PermissionGrants?$top={PAGE_SIZE}"
    try:
        async for page in fetch_grant_pages(
            graph, DELEGATED_GRANTS, path, READ_GRANTS, parse_delegated_grant, "clientId"
        ):
            yield page
    except TenantError as error:
        yield build_unavailable_reading(DELEGATED_GRANTS, error)


async def fetch_app_permissions(graph: GraphClient) -> AsyncIterator[Reading[AppPermission]]:
    """The assignments of app roles, API by API: one that cannot be read hides no other."""
    for app_id, name in MICROSOFT_APIS.items():
        try:
            async for page in fetch_api_permissions(graph, app_id):
                yield page
        except TenantError as error:
            miss = build_read_failure(APP_PERMISSIONS, error)
            yield Reading(
                failures=(replace(miss, reason=f"{name}: {miss.reason}"),),
                sources=frozenset({APP_PERMISSIONS}),
            )


async def fetch_api_permissions(
    graph: GraphClient, app_id: str
) -> AsyncIterator[Reading[AppPermission]]:
    """The assignments of one API's app roles. Raises TenantError."""
    known = quote(f"appId eq '{app_id}'")
    path = f"/servicePrincipals?$filter={known}&$select=id,appId,appRoles"
    async for apis in graph.read_pages(path, READ_APPS):
        for api in apis:
            found = parse_object_id(api.get("id"))
            if not found or parse_object_id(api.get("appId")) != app_id:
                raise Unavailable("Graph answered with another app than was asked for")
            try:
                names = parse_role_names(api)
            except ValueError as error:
                raise Unavailable(str(error)) from error
            parse = partial(parse_app_permission, names=names)
            path = f"/servicePrincipals/{quote(found, safe='')}/appRoleAssignedTo?$top={PAGE_SIZE}"
            async for page in fetch_grant_pages(
                graph, APP_PERMISSIONS, path, READ_APPS, parse, "principalId"
            ):
                yield page
    # An API that nobody in this tenant uses has no service principal here and has given nothing.
    yield Reading(sources=frozenset({APP_PERMISSIONS}))


async def fetch_grant_pages[T](
    graph: GraphClient,
    source: str,
    path: str,
    permission: str,
    parse: Callable[[ResponseRow], T | None],
    app_property: str,
) -> AsyncIterator[Reading[T]]:
    """A listing of what apps hold, page by page. `owner` is the property that names the app."""
    nameless = 0
    async for rows in graph.read_pages(path, permission):
        items, broken = parse_each_row(rows, parse)
        ids = [parse_object_id(row.get(app_property)) for row, _ in broken]
        misses = build_row_failures(source, broken, ids, nameless)
        nameless += len(broken)
        yield Reading(
            items=tuple(one for one in items if one is not None),
            failures=misses,
            sources=frozenset({source}),
            population=len(rows),
        )
