"""Searches of the unified audit log: `/security/auditLog/queries`.

What is searched are the records of a scene's `activity`, as the feed has them. Options there:

    queryMinutes   how long a search stays "running" (0)
    queryOutcome   how it ends: succeeded (the default), failed, or gone
    queryLimit     how many run at a time before one more is refused with 429 (10)

A search sees the records that are served by when it was begun. Its pages are in no order, and every
third record is in them twice. The list of searches is empty to an app
(microsoftgraph/msgraph-beta-sdk-dotnet#997); each search is itself recorded.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from sandbox.activity.edits import append_record
from sandbox.activity.log import (
    get_option,
    get_records,
    get_served_time,
    is_log_enabled,
    is_recording,
    parse_time,
)
from sandbox.app_identity import APP_PRINCIPAL_ID, CLIENT_ID
from sandbox.graph.deletions import build_directory_page
from sandbox.graph.users import (
    GraphError,
    build_bad_request,
    build_context_url,
    build_missing_resource_error,
    parse_page_size,
)
from sandbox.http_types import HttpRequest, HttpResponse, Row, split_words, strip_private_keys
from sandbox.state.tenant import SimulatedTenant

QUERIES = "@sandbox.auditQueries"
VERSION, LIMIT, PAGES, SCOPE = (
    f"graph-audit-query-{name}" for name in ("version", "limit", "pages", "scope")
)
EXCHANGE_ROLE, WIDE_ROLE = "AuditLogsQuery-Exchange.Read.All", "AuditLogsQuery.Read.All"
READ_QUERIES = frozenset(split_words(f"{EXCHANGE_ROLE} {WIDE_ROLE} AuditLogsQuery-Entra.Read.All"))
PREFIX = "security/auditlog/queries"
PAGE_SIZE, MAX_PAGE_SIZE = 150, 1_000
TEXT_TYPES = {1: "exchangeAdmin", 2: "exchangeItem", 3: "exchangeItemGroup"}
TEXT_TYPES |= {50: "exchangeItemAggregated", 8: "azureActiveDirectory"}


def build_no_permission() -> GraphError:
    """The refusal of an app without the role, in its own words (coe-starter-kit#9163)."""
    return GraphError(403, "UnknownError", f"App:{CLIENT_ID} dont have any permissions")


def check_version(tenant: SimulatedTenant, request: HttpRequest) -> None:
    """Refuse a version of Graph that serves no searches. Raises GraphError."""
    version = request.segments[0].casefold()
    is_served = not tenant.reality.plays(VERSION, "v1-only" if version == "beta" else "beta-only")
    if not is_served:
        raise GraphError(404, "UnknownError", "")
    if tenant.reality.plays(SCOPE, "wider") and WIDE_ROLE not in request.roles:
        raise build_no_permission()


def get_queries(tenant: SimulatedTenant) -> dict[str, dict[str, Any]]:
    """The searches that were begun, by id."""
    found: dict[str, dict[str, Any]] = tenant.scene.setdefault(QUERIES, {})
    return found


def list_queries(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /security/auditLog/queries`: nothing, whatever was begun."""
    check_version(tenant, request)
    context = build_context_url(tenant, "security/auditLog/queries")
    return HttpResponse(200, {"@odata.context": context, "value": []})


def create_query(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`POST /security/auditLog/queries`."""
    check_version(tenant, request)
    if not is_log_enabled(tenant.scene, tenant.exchange):
        raise build_bad_request('{"Status":"AuditingDisabledTenant"}')
    body = request.json()
    if not isinstance(body, Mapping):
        raise build_bad_request("The request body is not an object.")
    begin, end = (parse_time(body.get(f"filter{name}DateTime")) for name in ("Start", "End"))
    if begin is None or end is None or begin > end:
        raise build_bad_request("filterStartDateTime is not before filterEndDateTime.")
    refuse_too_many(tenant)
    queries, now = get_queries(tenant), tenant.clock()
    found = sha256(f"{len(queries)} {now.isoformat()}".encode()).hexdigest()
    query_id = f"{found[:8]}-{found[8:12]}-4{found[13:16]}-8{found[17:20]}-{found[20:32]}"
    queries[query_id] = {**body, "id": query_id, "@sandbox.begunAt": now.isoformat()}
    record_search(tenant, query_id, now)
    return HttpResponse(201, describe_query(tenant, queries[query_id]))


def refuse_too_many(tenant: SimulatedTenant) -> None:
    """Refuse one more search than run at a time. Raises GraphError."""
    running = sum(
        get_status(tenant, one) in ("notStarted", "running") for one in get_queries(tenant).values()
    )
    refused = int(tenant.reality.get_option(LIMIT, "times", 1))
    is_refused = tenant.reality.plays(LIMIT, "refused") and tenant.count_request(LIMIT) <= refused
    if is_refused or running >= int(get_option(tenant.scene, "queryLimit", 10)):
        raise GraphError(429, "TooManyRequests", "Too many searches are running.")


def record_search(tenant: SimulatedTenant, query_id: str, now: datetime) -> None:
    """Each search leaves a record itself."""
    if is_recording(tenant.scene):
        row: Row = {
            "Operation": "AuditSearchCreated",
            "RecordType": 199,
            "UserType": 5,
            "UserId": f"ServicePrincipal_{APP_PRINCIPAL_ID}",
            "ObjectId": query_id,
            "Workload": "SecurityComplianceCenter",
            "CreationTime": f"{now:%Y-%m-%dT%H:%M:%S}",
        }
        row["@sandbox.servedAt"] = now.isoformat()
        append_record(get_records(tenant.scene), row)


def get_status(tenant: SimulatedTenant, query: Mapping[str, Any]) -> str:
    """How far a search has come."""
    begun = datetime.fromisoformat(query["@sandbox.begunAt"])
    minutes = float(get_option(tenant.scene, "queryMinutes", 0))
    if tenant.clock() < begun + timedelta(minutes=minutes):
        return "running"
    return str(get_option(tenant.scene, "queryOutcome", "succeeded"))


def describe_query(tenant: SimulatedTenant, query: Mapping[str, Any]) -> Row:
    """A search as the service shows it."""
    return {
        "@odata.context": build_context_url(tenant, "security/auditLog/queries/$entity"),
        **strip_private_keys(query),
        "status": get_status(tenant, query),
        "isRecordCountLimitReached": False,
    }


def find_query(tenant: SimulatedTenant, key: str) -> dict[str, Any]:
    """A search by its id. Raises GraphError."""
    query = get_queries(tenant).get(key)
    if query is None or get_status(tenant, query) == "gone":
        raise build_missing_resource_error(key)
    return query


def get_query(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /security/auditLog/queries/{id}`."""
    check_version(tenant, request)
    return HttpResponse(200, describe_query(tenant, find_query(tenant, key)))


def list_records(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /security/auditLog/queries/{id}/records`."""
    check_version(tenant, request)
    query = find_query(tenant, key)
    if get_status(tenant, query) != "succeeded":
        raise build_bad_request("The query has not succeeded.")
    rows = [describe_record(row) for row in select_records(tenant, query)]
    rows = sorted([*rows, *rows[::3]], key=hash_id)
    is_first = "$skiptoken" not in request.query
    if tenant.reality.plays(PAGES, "partial"):
        if is_first:
            query["@sandbox.readings"] = query.get("@sandbox.readings", 0) + 1
        # Each reading leaves out other records.
        left_out = query.get("@sandbox.readings", 1) % 2
        rows = [row for row in rows if hash_id(row) % 2 != left_out]
    size = parse_page_size(request, default=PAGE_SIZE, maximum=MAX_PAGE_SIZE)
    return build_directory_page(tenant, request, rows, size, f"security/auditLog/queries/{key}")


def hash_id(row: Row) -> int:
    """A number that looks random, the same for the same record."""
    return int(sha256(row["id"].encode()).hexdigest(), 16)


def select_records(tenant: SimulatedTenant, query: Mapping[str, Any]) -> list[Row]:
    """The records that a search finds, oldest first."""
    begin, end = (parse_time(query.get(f"filter{name}DateTime")) for name in ("Start", "End"))
    begun = datetime.fromisoformat(query["@sandbox.begunAt"])
    operations = {str(one).casefold() for one in query.get("operationFilters") or ()}
    people = {str(one).casefold() for one in query.get("userPrincipalNameFilters") or ()}
    found = []
    for row in get_records(tenant.scene):
        at, served = parse_time(row.get("CreationTime")), get_served_time(row)
        if "activityDateTime" in row or at is None or served is None or served > begun:
            continue
        if not (begin and end and begin <= at <= end):
            continue
        if operations and str(row.get("Operation")).casefold() not in operations:
            continue
        if people and str(row.get("UserId")).casefold() not in people:
            continue
        found.append(row)
    return found


def describe_record(row: Row) -> Row:
    """A record as a row of an answer: its userId has the UserKey, and it has no address."""
    data = strip_private_keys(row)
    number = int(data.get("RecordType") or 0)
    return {
        "id": str(data.get("Id")),
        "createdDateTime": f"{data.get('CreationTime')}Z",
        "auditLogRecordType": TEXT_TYPES.get(number, "unknownFutureValue"),
        "operation": data.get("Operation"),
        "organizationId": data.get("OrganizationId"),
        "userType": str(data.get("UserType")),
        "userId": data.get("UserKey"),
        "userPrincipalName": data.get("UserId"),
        "service": data.get("Workload"),
        "objectId": data.get("ObjectId"),
        "clientIp": None,
        "administrativeUnits": [""],
        "auditData": {"@odata.type": "#microsoft.graph.security.defaultAuditData", **data},
    }


ROUTES = (
    ("GET", PREFIX, READ_QUERIES, list_queries),
    ("POST", PREFIX, READ_QUERIES, create_query),
    ("GET", f"{PREFIX}/*", READ_QUERIES, get_query),
    ("GET", f"{PREFIX}/*/records", READ_QUERIES, list_records),
)
