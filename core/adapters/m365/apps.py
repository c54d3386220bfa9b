"""Enterprise apps through Microsoft Graph: who they are, and what they were granted.

Pages hold 999 rows, the most Graph allows. Apps are listed rather than requested one
by one, for their credentials: requests that select keyCredentials are limited to 150 a minute
(Microsoft Learn: List servicePrincipals).
"""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import quote

from core.adapters.credentials import parse_token_claims
from core.adapters.exchange.id_set import IdSet
from core.adapters.graph.client import GraphClient
from core.adapters.graph.objects import fetch_objects
from core.adapters.m365.app_credentials import parse_app_credentials
from core.adapters.m365.app_registrations import fetch_registrations
from core.adapters.m365.grants import (
    ASSIGNED_TO_PATH,
    PAGE_SIZE,
    READ_APPS,
    SCOPE_LIMIT,
    build_permission_page,
    fetch_delegated_grants,
    fetch_permission_pages,
)
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_object_id,
    parse_row_flag,
    parse_text,
)
from core.adapters.read_errors import (
    build_object_failures,
    build_read_failure,
    build_row_failures,
    build_unavailable_reading,
)
from core.errors import TenantError, Unavailable
from core.microsoft365.assumptions.graph_directory import APP_CREDENTIALS
from core.microsoft365.permission_weights import MICROSOFT_APIS
from core.tenant.apps import App, AppPermission, AppRegistration, DelegatedGrant
from core.tenant.quoting import quote_text
from core.tenant.readings import Reading
from core.tenant.sources import APP_PERMISSIONS, APPS

RELIES_ON = (APP_CREDENTIALS,)
IDENTITY_PROPERTIES = (
    "id,appId,displayName,appOwnerOrganizationId,accountEnabled,servicePrincipalType"
)
APP_PROPERTIES = (
    f"{IDENTITY_PROPERTIES},verifiedPublisher,replyUrls,keyCredentials,passwordCredentials,"
    "disabledByMicrosoftStatus"
)
# Certificates make the rows of apps long, and a response must stay within its size limit.
APPS_PAGE_SIZE = 500
# Of fewer assignments none can be lost at the end of a page, and they are asked for in a batch.
SURELY_ONE_PAGE = PAGE_SIZE // 2
APIS_PAGE_SIZE = 200
"""Microsoft's own APIs have hundreds of roles each."""
NAME_LIMIT = 256
ROLES_LIMIT = 10_000
REPLY_URLS_LIMIT = 2_000
"""Of an app, all of which are judged; Entra takes 256, and older apps have more."""
REPLY_URL_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """The reading app's client id and its token's tenant; empty where the token has no claim."""

    app_id: str = ""
    tenant_id: str = ""


def parse_app(row: ResponseRow, caller: CallerIdentity) -> App:
    """A service principal. Raises ValueError for one without an id."""
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("an app without a usable id")
    app_id, owner = (
        parse_object_id(row.get("appId")),
        parse_object_id(row.get("appOwnerOrganizationId")),
    )
    kind = parse_text(row.get("servicePrincipalType"), 64) or "Application"
    urls = row.get("replyUrls")
    replies = (
        [parse_text(one, REPLY_URL_LENGTH).strip() for one in urls]
        if isinstance(urls, list)
        else []
    )
    if len(replies) > REPLY_URLS_LIMIT:
        raise ValueError(f"an app with more than {REPLY_URLS_LIMIT:,} reply addresses")
    return App(
        id=found,
        app_id=app_id,
        name=parse_text(row.get("displayName"), NAME_LIMIT),
        owner_tenant_id=owner,
        is_home_tenant=kind.casefold() == "managedidentity"
        or (bool(owner) and owner == caller.tenant_id),
        is_self=bool(app_id) and app_id == caller.app_id,
        kind=kind,
        enabled=parse_row_flag(row, "accountEnabled", default=True),
        publisher=parse_publisher(row.get("verifiedPublisher")),
        credentials=tuple(parse_app_credentials(row)),
        reply_urls=tuple(sorted({one for one in replies if one})),
        microsoft_status=parse_microsoft_status(row.get("disabledByMicrosoftStatus")),
    )


def parse_microsoft_status(value: object) -> str:
    """Why Microsoft has disabled an app; empty where it has not: null, or NotDisabled."""
    found = parse_text(value, NAME_LIMIT).strip()
    return "" if found.casefold() in ("", "notdisabled", "none") else found


def parse_publisher(value: object) -> str:
    """The verified publisher. Graph returns an object full of nulls where there is none."""
    if not isinstance(value, Mapping) or not parse_object_id(value.get("verifiedPublisherId")):
        return ""
    return parse_text(value.get("displayName"), NAME_LIMIT) or parse_object_id(
        value.get("verifiedPublisherId")
    )


def parse_role_names(row: ResponseRow) -> dict[str, str]:
    """The names of an API's app roles by id. Raises ValueError when they cannot be understood."""
    found = row.get("appRoles") or []
    if not isinstance(found, list) or len(found) > ROLES_LIMIT:
        raise ValueError("appRoles is no list, or too long")
    roles = [role for role in found if isinstance(role, Mapping)]
    return {
        parse_object_id(role.get("id")): parse_text(role.get("value"), SCOPE_LIMIT)
        for role in roles
    }


def parse_app_permission(row: ResponseRow, names: Mapping[str, str]) -> AppPermission | None:
    """An appRoleAssignment; None for one of a user or group, and for mere access to the API."""
    if parse_text(row.get("principalType"), 64).casefold() in ("user", "group"):
        return None
    client, resource = (
        parse_object_id(row.get("principalId")),
        parse_object_id(row.get("resourceId")),
    )
    if not client or not resource:
        raise ValueError("an assignment that does not say whose it is, or of what")
    role = parse_object_id(row.get("appRoleId"))
    if not role:
        if is_default_role(row):
            return None
        raise ValueError("an assignment without a usable role")
    return AppPermission(
        parse_text(row.get("id"), NAME_LIMIT), client, resource, role, names.get(role, "")
    )


def is_default_role(row: ResponseRow) -> bool:
    """True for the all-zero role id: it lets users sign in to the app, and no more."""
    return row.get("appRoleId") == "00000000-0000-0000-0000-000000000000"


async def read_caller_identity(graph: GraphClient) -> CallerIdentity:
    """The app's client id and tenant from its own token. Raises TenantError."""
    token = await graph.credential.get_token(graph.scope)
    claims = parse_token_claims(token.token) or {}
    return CallerIdentity(
        parse_object_id(claims.get("appid")) or parse_object_id(claims.get("azp")),
        parse_object_id(claims.get("tid")),
    )


@dataclass(frozen=True, slots=True)
class M365AppReader:
    """Implements AppReader on Graph."""

    graph: GraphClient

    async def list_apps(self) -> AsyncIterator[Reading[App]]:
        """Every app, page by page. An app that moved between pages counts on its first page."""
        seen = IdSet()
        unidentified_count = 0
        is_empty = True
        try:
            parse = partial(parse_app, caller=await read_caller_identity(self.graph))
            path = f"/servicePrincipals?$select={APP_PROPERTIES}&$top={APPS_PAGE_SIZE}"
            async for rows in self.graph.read_pages(path, READ_APPS):
                is_empty = is_empty and not rows
                items, broken = parse_each_row(rows, parse)
                new = {one.id: one for one in items if seen.add(one.id)}
                ids = [parse_object_id(row.get("id")) for row, _ in broken]
                pairs = [
                    pair
                    for pair in zip(broken, ids, strict=True)
                    if not pair[1] or seen.add(pair[1])
                ]
                failures = build_row_failures(
                    APPS, [row for row, _ in pairs], [one for _, one in pairs], unidentified_count
                )
                unidentified_count += len(pairs)
                yield Reading(
                    items=tuple(new.values()),
                    failures=failures,
                    sources=frozenset({APPS}),
                    population=len(new) + len(failures),
                    scope=frozenset(new) | {failure.object_id for failure in failures},
                )
            if is_empty:
                raise Unavailable("Graph listed no app at all, not even this one")
        except TenantError as error:
            yield Reading(
                failures=build_unavailable_reading(APPS, error).failures,
                sources=frozenset({APPS}),
                complete=False,
                scope=frozenset(),
            )

    async def read_apps(self, ids: Collection[str]) -> Reading[App]:
        """Some apps by id, twenty in a request."""
        sources = frozenset({APPS})
        try:
            parse = partial(parse_app, caller=await read_caller_identity(self.graph))
        except TenantError as error:
            return build_unavailable_reading(APPS, error)
        paths = {
            one: f"/servicePrincipals/{quote(one, safe='')}?$select={IDENTITY_PROPERTIES}"
            for one in sorted(ids)
        }
        items, errors = await fetch_objects(self.graph, paths, READ_APPS, parse)
        items.sort(key=lambda one: one.id)
        failures = build_object_failures(APPS, errors, len(paths), {})
        return Reading(tuple(items), failures, sources, population=len(paths))

    async def list_delegated_grants(self) -> AsyncIterator[Reading[DelegatedGrant]]:
        """Every delegated grant, page by page, counted against Graph's own number."""
        async for page in fetch_delegated_grants(self.graph):
            yield page

    async def list_app_permissions(self) -> AsyncIterator[Reading[AppPermission]]:
        """The app role assignments, API by API: a failure of one leaves the others readable.

        Microsoft's APIs to mail, files and the directory come first, then whatever else has roles.
        """
        for app_id, api in (await self.fetch_apis()).items():
            try:
                if isinstance(api, TenantError):
                    raise api
                async for page in fetch_api_permissions(self.graph, app_id, api):
                    yield page
            except TenantError as error:
                failure = build_read_failure(APP_PERMISSIONS, error)
                yield Reading(
                    failures=(
                        replace(failure, reason=f"{MICROSOFT_APIS[app_id]}: {failure.reason}"),
                    ),
                    sources=frozenset({APP_PERMISSIONS}),
                )

        async for page in fetch_other_api_permissions(self.graph):
            yield page

    async def fetch_apis(self) -> dict[str, list[ResponseRow] | TenantError]:
        """Microsoft's APIs by application id, all in one batch."""
        found: dict[str, list[ResponseRow] | TenantError] = {}
        try:
            await self.graph.get_collections(
                {
                    app_id: f"/servicePrincipals?$filter={quote(f"appId eq '{app_id}'")}"
                    "&$select=id,appId,appRoles"
                    for app_id in MICROSOFT_APIS
                },
                READ_APPS,
                found.__setitem__,
            )
        except TenantError as error:
            found |= {app_id: error for app_id in MICROSOFT_APIS if app_id not in found}
        return found

    async def list_app_registrations(self) -> AsyncIterator[Reading[AppRegistration]]:
        """Every app that is registered here."""
        async for page in fetch_registrations(self.graph):
            yield page


async def fetch_api_permissions(
    graph: GraphClient, app_id: str, apis: list[ResponseRow]
) -> AsyncIterator[Reading[AppPermission]]:
    """The assignments of one API's app roles. Raises TenantError."""
    for api in apis:
        found = parse_object_id(api.get("id"))
        if not found or parse_object_id(api.get("appId")) != app_id:
            raise Unavailable("Graph answered with another app than was asked for")
        try:
            names = parse_role_names(api)
        except ValueError as error:
            raise Unavailable(str(error)) from error
        parse = partial(parse_app_permission, names=names)
        async for page in fetch_permission_pages(graph, found, parse):
            yield page
    # An API without a service principal in this tenant is unused here and has granted nothing.
    yield Reading(sources=frozenset({APP_PERMISSIONS}))


@dataclass(frozen=True, slots=True)
class OtherApi:
    """An API that is none of the known ones, and its roles by id."""

    title: str
    role_names: Mapping[str, str]


async def fetch_other_api_permissions(
    graph: GraphClient,
) -> AsyncIterator[Reading[AppPermission]]:
    """The assignments of the roles of every other API: Microsoft's smaller ones, anybody's.

    Most enterprise apps have no role that an app could hold, so only those are asked that have.
    """
    path = f"/servicePrincipals?$select=id,appId,displayName,appRoles&$top={APIS_PAGE_SIZE}"
    try:
        async for rows in graph.read_pages(path, READ_APPS):
            apis = find_other_apis(rows)
            paths = {
                one: f"/servicePrincipals/{quote(one, safe='')}{ASSIGNED_TO_PATH}?$top={PAGE_SIZE}"
                for one in apis
            }
            answers: dict[str, list[ResponseRow] | TenantError] = {}
            await graph.get_collections(paths, READ_APPS, answers.__setitem__)
            broken_count = 0
            for api_id, api in apis.items():
                async for page in read_other_api(graph, api_id, api, answers[api_id], broken_count):
                    broken_count += sum(bool(one.object_id) for one in page.failures)
                    yield page
    except TenantError as error:
        yield build_unavailable_reading(APP_PERMISSIONS, error)
    except ValueError as error:
        yield build_unavailable_reading(APP_PERMISSIONS, Unavailable(str(error)))


async def read_other_api(
    graph: GraphClient,
    api_id: str,
    api: OtherApi,
    answer: list[ResponseRow] | TenantError,
    broken_count: int,
) -> AsyncIterator[Reading[AppPermission]]:
    """The assignments of one such API, of which `answer` has all or the first."""
    parse = partial(parse_app_permission, names=api.role_names)
    try:
        if isinstance(answer, TenantError):
            raise answer
        if len(answer) < SURELY_ONE_PAGE:
            yield build_permission_page(answer, parse, broken_count)
            return
        async for page in fetch_permission_pages(graph, api_id, parse):
            yield page
    except TenantError as error:
        failure = build_read_failure(APP_PERMISSIONS, error)
        reason = f"{api.title}: {failure.reason}"
        yield Reading(
            failures=(replace(failure, reason=reason),), sources=frozenset({APP_PERMISSIONS})
        )


def find_other_apis(rows: Sequence[ResponseRow]) -> dict[str, OtherApi]:
    """The APIs among service principals that have roles for apps, the known ones left out.

    Raises ValueError for roles that cannot be understood.
    """
    found: dict[str, OtherApi] = {}
    for row in rows:
        api_id, app_id = parse_object_id(row.get("id")), parse_object_id(row.get("appId"))
        if api_id and app_id not in MICROSOFT_APIS and has_roles_for_apps(row):
            title = quote_text(parse_text(row.get("displayName")) or app_id, NAME_LIMIT)
            found[api_id] = OtherApi(title, parse_role_names(row))
    return found


def has_roles_for_apps(row: ResponseRow) -> bool:
    """True for an API with a role that an app may hold; what a role does not say, it allows."""
    roles = row.get("appRoles")
    if not isinstance(roles, list):
        return bool(roles)
    allowed = (role.get("allowedMemberTypes") for role in roles if isinstance(role, Mapping))
    return any(not isinstance(one, list) or "Application" in one or not one for one in allowed)
