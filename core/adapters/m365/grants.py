"""Delegated grants through Microsoft Graph, counted: their listing loses rows at the ends of pages.

839 grants came as 383 to 839, depending on the size of the pages (microsoftgraph/
msgraph-sdk-powershell#2469), and short without an advanced query (microsoftgraph/
microsoft-graph-docs#17247). So the listing is one advanced query, its rows are compared with the
number that Graph gives, and where they are fewer, the apps are asked one by one.
"""

import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from urllib.parse import quote

from core.adapters.exchange.id_set import IdSet
from core.adapters.graph.client import GraphClient
from core.adapters.graph.collections import COUNTING
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_identifier,
    parse_object_id,
    parse_text,
)
from core.adapters.read_errors import (
    build_object_failures,
    build_row_failures,
    build_unavailable_reading,
)
from core.errors import Rejected, TenantError, Unavailable
from core.microsoft365.assumptions.graph_directory import (
    APP_ROLES_PAGE,
    CONSISTENCY_HEADER,
    DELEGATED_GRANT_ROLE,
    GRANTS_COUNT,
)
from core.tenant.apps import AppPermission, DelegatedGrant
from core.tenant.readings import Reading
from core.tenant.sources import APP_PERMISSIONS, DELEGATED_GRANTS

log = logging.getLogger(__name__)

RELIES_ON = (APP_ROLES_PAGE, GRANTS_COUNT, CONSISTENCY_HEADER, DELEGATED_GRANT_ROLE)
READ_APPS = "Application.Read.All"
READ_GRANTS = "Directory.Read.All"
GRANTS_PATH = "/oauth2PermissionGrants"
ASSIGNED_TO_PATH = "/appRoleAssignedTo"
ASSIGNMENTS_PATH = "/appRoleAssignments"
PAGE_SIZE = 999
APP_BY_APP = "per-client"
SCOPES_LIMIT = 32 * 1024
SCOPE_LIMIT = 256
GRANT_ID_LIMIT = 512
CONSENT_TYPES = {"AllPrincipals": True, "Principal": False}


def parse_delegated_grant(row: ResponseRow) -> DelegatedGrant:
    """An oAuth2PermissionGrant. Raises ValueError rather than truncate its scopes."""
    client, resource = parse_object_id(row.get("clientId")), parse_object_id(row.get("resourceId"))
    if not client or not resource:
        raise ValueError("a grant that does not say whose it is, or to what")
    everyone = CONSENT_TYPES.get(parse_text(row.get("consentType"), 64))
    if everyone is None:
        raise ValueError("a grant that does not say for whom")
    scope = row.get("scope")
    if (scope is not None and not isinstance(scope, str)) or len(scope or "") > SCOPES_LIMIT:
        raise ValueError("scopes that are no text, or too long")
    scopes = frozenset((scope or "").split())
    if any(len(one) > SCOPE_LIMIT for one in scopes):
        raise ValueError("a scope with too long a name")
    principal = "" if everyone else parse_object_id(row.get("principalId"))
    return DelegatedGrant(
        client, resource, everyone, frozenset(parse_text(one) for one in scopes), principal
    )


@dataclass(slots=True)
class GrantCount:
    """How many distinct grants a listing showed, and how many there are."""

    expected: int | None = None
    """Graph's own number; None: it gave none."""
    seen: IdSet = field(default_factory=IdSet)
    unidentified_count: int = 0
    page_count: int = 0

    def add_new(self, rows: list[ResponseRow]) -> list[ResponseRow]:
        """The rows that were not seen before; a row without an id always counts as new."""
        new: list[ResponseRow] = []
        for row in rows:
            found = parse_identifier(row.get("id"), GRANT_ID_LIMIT)
            if not found:
                self.unidentified_count += 1
            elif not self.seen.add(found):
                continue
            new.append(row)
        return new

    @property
    def total(self) -> int:
        return self.seen.count + self.unidentified_count

    @property
    def is_complete(self) -> bool:
        """Whether every grant was seen. Without a number, only a single page is believed."""
        if self.expected is None:
            return self.page_count <= 1
        return self.total >= self.expected


async def fetch_delegated_grants(graph: GraphClient) -> AsyncIterator[Reading[DelegatedGrant]]:
    """Every grant, page by page, and again app by app where the pages lost some.

    The last reading holds the failure of the whole source where grants are still missing.
    """
    count, broken_count = GrantCount(), 0
    way = await graph.chosen_ways.find(GRANTS_COUNT)
    try:
        if way == APP_BY_APP:
            count.expected = await fetch_grant_count(graph)
        else:
            async for rows in read_listed_grants(graph, count):
                page = build_grant_page(rows, broken_count)
                broken_count += len(page.failures)
                yield page
            if count.is_complete:
                return
        listed = count.total
        async for page in fetch_grants_by_app(graph, count, broken_count):
            broken_count += len(page.failures)
            yield page
        if count.expected is not None and not count.is_complete:
            raise Unavailable(
                f"Graph counts {count.expected} grants, and {count.total} were found: {listed} by "
                "listing all, the others app by app"
            )
    except TenantError as error:
        yield build_unavailable_reading(DELEGATED_GRANTS, error)


async def fetch_grant_count(graph: GraphClient) -> int | None:
    """Graph's own number of grants; None where it counts none. Raises TenantError."""
    try:
        answer = await graph.get(f"{GRANTS_PATH}?$top=1&{COUNTING}", READ_GRANTS)
    except Rejected:
        return None
    return parse_count(answer)


async def read_listed_grants(
    graph: GraphClient, count: GrantCount
) -> AsyncIterator[list[ResponseRow]]:
    """The new rows of each page. Raises TenantError.

    A tenant that refuses the advanced query is asked without it; then there is no number.
    """
    path = f"{GRANTS_PATH}?$top={PAGE_SIZE}"
    for query in (f"{path}&{COUNTING}", path):
        try:
            async for answer, rows in graph.read_answers(query, READ_GRANTS):
                if not count.page_count:
                    count.expected = parse_count(answer)
                count.page_count += 1
                yield count.add_new(rows)
            return
        except Rejected:
            if query == path or count.page_count:
                raise


def parse_count(answer: ResponseRow) -> int | None:
    """Graph's number of rows, which only the first page has; None: it gave none."""
    value = answer.get("@odata.count")
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


@dataclass(frozen=True, slots=True)
class RowsByApp:
    """What some apps answered, each asked for its own rows."""

    rows: list[ResponseRow]
    failures: dict[str, TenantError | str]
    """Why an app could not be asked, by its id."""
    app_count: int


async def read_rows_by_app(
    graph: GraphClient, segment: str, permission: str, count: GrantCount
) -> AsyncIterator[RowsByApp]:
    """The new rows of every app, a page of apps at a time. Raises TenantError."""
    async for apps in graph.read_pages(
        f"/servicePrincipals?$select=id&$top={PAGE_SIZE}", READ_APPS
    ):
        ids = [found for row in apps if (found := parse_object_id(row.get("id")))]
        if len(ids) < len(apps):
            raise Unavailable("an app without a usable id: its grants cannot be asked for")
        paths = {
            one: f"/servicePrincipals/{quote(one, safe='')}{segment}?$top={PAGE_SIZE}"
            for one in ids
        }
        answers = RowsByApp([], {}, len(paths))

        def take(
            key: str, answer: list[ResponseRow] | TenantError, answers: RowsByApp = answers
        ) -> None:
            if isinstance(answer, TenantError):
                answers.failures[key] = answer
            else:
                answers.rows.extend(count.add_new(answer))

        await graph.get_collections(paths, permission, take)
        yield answers


async def fetch_grants_by_app(
    graph: GraphClient, count: GrantCount, broken_count: int
) -> AsyncIterator[Reading[DelegatedGrant]]:
    """The grants that the listing lost, app by app. Raises TenantError."""
    async for found in read_rows_by_app(graph, GRANTS_PATH, READ_GRANTS, count):
        yield build_grant_page(found.rows, broken_count)
        yield build_app_failures(DELEGATED_GRANTS, found)


def build_app_failures[T](source: str, found: RowsByApp) -> Reading[T]:
    """The apps that could not be asked, each by itself."""
    failures = build_object_failures(source, found.failures, found.app_count, {})
    return Reading(failures=failures, sources=frozenset({source}))


def build_grant_page(rows: list[ResponseRow], broken_count: int) -> Reading[DelegatedGrant]:
    """One page of grants; `broken_count` is how many rows of earlier pages made no sense."""
    items, broken = parse_each_row(rows, parse_delegated_grant)
    ids = [parse_object_id(row.get("clientId")) for row, _ in broken]
    return Reading(
        items=tuple(items),
        failures=build_row_failures(DELEGATED_GRANTS, broken, ids, broken_count),
        sources=frozenset({DELEGATED_GRANTS}),
        population=len(rows),
    )


async def fetch_permission_pages(
    graph: GraphClient,
    api_id: str,
    parse: Callable[[ResponseRow], AppPermission | None],
) -> AsyncIterator[Reading[AppPermission]]:
    """The assignments of an API's roles, page by page. Raises TenantError.

    Beyond one page rows were seen to get lost (microsoft-graph-docs#12243), and there is no number
    to compare them with: then every app is asked for its own.
    """
    count, broken_count = GrantCount(), 0
    path = f"/servicePrincipals/{quote(api_id, safe='')}{ASSIGNED_TO_PATH}?$top={PAGE_SIZE}"
    async for rows in graph.read_pages(path, READ_APPS):
        count.page_count += 1
        page = build_permission_page(count.add_new(rows), parse, broken_count)
        broken_count += len(page.failures)
        yield page
    if count.is_complete:
        return
    log.info("%s: more than one page, so the apps are asked one by one", APP_PERMISSIONS)
    async for found in read_rows_by_app(graph, ASSIGNMENTS_PATH, READ_APPS, count):
        own = [row for row in found.rows if parse_object_id(row.get("resourceId")) == api_id]
        page = build_permission_page(own, parse, broken_count)
        broken_count += len(page.failures)
        yield page
        yield build_app_failures(APP_PERMISSIONS, found)


def build_permission_page(
    rows: list[ResponseRow],
    parse: Callable[[ResponseRow], AppPermission | None],
    broken_count: int,
) -> Reading[AppPermission]:
    """One page of assignments; `broken_count` is how many earlier rows made no sense."""
    items, broken = parse_each_row(rows, parse)
    ids = [parse_object_id(row.get("principalId")) for row, _ in broken]
    return Reading(
        items=tuple(one for one in items if one is not None),
        failures=build_row_failures(APP_PERMISSIONS, broken, ids, broken_count),
        sources=frozenset({APP_PERMISSIONS}),
        population=len(rows),
    )
