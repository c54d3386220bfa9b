"""The directory's audit log and its recycle bin, as Graph serves them.

A scene holds the records as `directoryAudits` and the deleted objects, with their `@odata.type`, as
`deletedItems`; without them nothing was ever deleted.
"""

from sandbox.graph.odata import BadFilter, parse_filter
from sandbox.graph.users import bad_request, context, page_size, projected, selection
from sandbox.http_types import Answer, Call, Row, next_link, shown
from sandbox.state.tenant import Tenant, rows_in

LOG_PAGE = 1_000
BIN_PAGE = 999
USUAL_BIN_PAGE = 100


def paged(tenant: Tenant, call: Call, rows: list[Row], size: int, what: str) -> Answer:
    """A page of rows; the token belongs to the question it answers."""
    mark = f"{what} {call.query.get('$filter', '')}"
    token = call.query.get("$skiptoken")
    if token is None:
        part, rest = tenant.snapshots.page(rows, size, mark)
    else:
        try:
            part, rest = tenant.snapshots.resume(token, size, mark)
        except KeyError as error:
            raise bad_request("The page token is invalid or has expired.") from error
    body: Row = {"@odata.context": context(tenant, what)}
    if rest:
        body["@odata.nextLink"] = next_link(tenant.base, call, rest)
    return Answer(200, body | {"value": list(part)})


def list_audits(tenant: Tenant, call: Call) -> Answer:
    """`GET /auditLogs/directoryAudits`, newest first as it does by itself."""
    try:
        wanted = parse_filter(call.query.get("$filter", ""))
    except BadFilter as trouble:
        raise bad_request(str(trouble)) from trouble
    rows = [row for row in rows_in(tenant.graph.get("directoryAudits")) if wanted.test(row)]
    rows.sort(key=lambda row: str(row.get("activityDateTime")), reverse=True)
    size = page_size(call, usual=LOG_PAGE, most=LOG_PAGE)
    return paged(tenant, call, [shown(row) for row in rows], size, "auditLogs/directoryAudits")


def list_deleted(tenant: Tenant, call: Call) -> Answer:
    """`GET /directory/deletedItems/microsoft.graph.user` or `.group`."""
    kind = f"#{call.segments[-1].casefold()}"
    rows = [
        row
        for row in rows_in(tenant.graph.get("deletedItems"))
        if str(row.get("@odata.type", "#microsoft.graph.user")).casefold() == kind
    ]
    names = selection(call)
    value = [projected(row, names) if names else shown(row) for row in rows]
    size = page_size(call, usual=USUAL_BIN_PAGE, most=BIN_PAGE)
    return paged(tenant, call, value, size, f"directory/deletedItems/{kind[1:]}")
