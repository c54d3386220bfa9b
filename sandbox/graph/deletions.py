"""The directory's audit log and its recycle bin.

A scene holds audit records as `directoryAudits` and deleted objects, with their `@odata.type`, as
`deletedItems`. Both are empty by default.
"""

from collections.abc import Mapping

from sandbox.activity.log import list_directory_rows
from sandbox.graph.odata import InvalidFilter, parse_filter
from sandbox.graph.users import (
    build_bad_request,
    build_context_url,
    parse_page_size,
    parse_select,
    project_row,
)
from sandbox.http_types import HttpRequest, HttpResponse, Row, build_next_link, strip_private_keys
from sandbox.state.tenant import SimulatedTenant, to_rows

AUDIT_PAGE_SIZE = 1_000
MAX_DELETED_PAGE_SIZE = 999
DEFAULT_DELETED_PAGE_SIZE = 100


def build_directory_page(
    tenant: SimulatedTenant, request: HttpRequest, rows: list[Row], size: int, what: str
) -> HttpResponse:
    """Builds a page of rows; its token belongs to the query it continues."""
    mark = f"{what} {request.query.get('$filter', '')}"
    token = request.query.get("$skiptoken")
    if token is None:
        part, rest = tenant.snapshots.cut_page(rows, size, mark)
    else:
        try:
            part, rest = tenant.snapshots.resume_listing(token, size, mark)
        except KeyError as error:
            raise build_bad_request("The page token is invalid or has expired.") from error
    body: Row = {"@odata.context": build_context_url(tenant, what)}
    if rest:
        body["@odata.nextLink"] = build_next_link(tenant.base, request, rest)
    return HttpResponse(200, body | {"value": list(part)})


def hide_app_id(tenant: SimulatedTenant, row: Row) -> Row:
    """A record as Entra prints it: an app that acted is told by its service principal and name."""
    reported = row.get("initiatedBy")
    actor = reported if isinstance(reported, Mapping) else {}
    app = actor.get("app")
    if not isinstance(app, Mapping) or tenant.reality.plays("graph-audit-app-id", "told"):
        return row
    return {**row, "initiatedBy": {**actor, "app": {**app, "appId": None}}}


def list_audits(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /auditLogs/directoryAudits`, newest first by default."""
    try:
        wanted = parse_filter(request.query.get("$filter", ""))
    except InvalidFilter as trouble:
        raise build_bad_request(str(trouble)) from trouble
    told = list_directory_rows(tenant.scene, tenant.clock())
    rows = [
        row for row in (*to_rows(tenant.graph.get("directoryAudits")), *told) if wanted.matches(row)
    ]
    rows.sort(key=lambda row: str(row.get("activityDateTime")), reverse=True)
    size = parse_page_size(request, default=AUDIT_PAGE_SIZE, maximum=AUDIT_PAGE_SIZE)
    return build_directory_page(
        tenant,
        request,
        [hide_app_id(tenant, strip_private_keys(row)) for row in rows],
        size,
        "auditLogs/directoryAudits",
    )


def list_deleted(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /directory/deletedItems/microsoft.graph.user` or `.group`."""
    kind = f"#{request.segments[-1].casefold()}"
    rows = [
        row
        for row in to_rows(tenant.graph.get("deletedItems"))
        if str(row.get("@odata.type", "#microsoft.graph.user")).casefold() == kind
    ]
    names = parse_select(request)
    value = [project_row(row, names) if names else strip_private_keys(row) for row in rows]
    size = parse_page_size(
        request, default=DEFAULT_DELETED_PAGE_SIZE, maximum=MAX_DELETED_PAGE_SIZE
    )
    return build_directory_page(tenant, request, value, size, f"directory/deletedItems/{kind[1:]}")
