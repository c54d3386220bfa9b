"""The Office 365 Management Activity API: subscriptions, listings of content, blobs of records.

Routes, windows and codes of errors are those of its reference (MicrosoftDocs/
office-365-management-api); the habits are those that collectors report: the next page stands in a
header, throttling is a 403 with AF429, a subscription that is on refuses to be started, content of
before the subscription is served, and without the log the tenant is said not to exist.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from sandbox.activity.log import (
    CONTENT_TYPES,
    Blob,
    get_option,
    is_log_enabled,
    list_blobs,
    parse_time,
)
from sandbox.graph.identity import FEED_ROLE, MANAGEMENT_RESOURCES, Entra, InvalidToken
from sandbox.http_types import HttpRequest, HttpResponse, Row, strip_private_keys
from sandbox.state.tenant import SimulatedTenant

LISTING_DAYS, WINDOW = 7, timedelta(hours=24)
PAGE_SIZE = 100
RESTART_PAUSE = timedelta(minutes=15)
CONTENT_URI, NEXT_PAGE = "activity-content-uri", "activity-next-page"
RECORD_FORM, SESSION = "activity-record-form", "activity-session"


class FeedError(Exception):
    """An error of the API: its status, its code and its message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code

    def to_response(self) -> HttpResponse:
        return HttpResponse(self.status, {"error": {"code": self.code, "message": str(self)}})


class ActivityFeed:
    """The API of one tenant; subscriptions are kept in the scene."""

    name = "activity"

    def __init__(self, tenant: SimulatedTenant, entra: Entra) -> None:
        self.tenant = tenant
        self.entra = entra

    def get_fault_lines(self, request: HttpRequest) -> tuple[str, str]:
        return f"{request.method} {request.path}", request.line

    async def handle_request(self, request: HttpRequest) -> HttpResponse:
        """Handles `/api/v1.0/{tenant}/activity/feed/...`."""
        try:
            roles = self.entra.authenticate_caller(request, MANAGEMENT_RESOURCES)
            return self.route(request, roles)
        except InvalidToken as trouble:
            return HttpResponse(401, {"Message": f"Authorization has been denied. {trouble}"})
        except FeedError as trouble:
            return trouble.to_response()

    def route(self, request: HttpRequest, roles: frozenset[str]) -> HttpResponse:
        """Checks the caller and finds the operation. Raises FeedError."""
        self.check_caller(request, roles)
        match request.method, request.segments[5:]:
            case "POST", ("subscriptions", "start"):
                return self.start(require_content_type(request))
            case "GET", ("subscriptions", "list"):
                return HttpResponse(200, [describe(kind) for kind in self.subscriptions])
            case "GET", ("subscriptions", "content"):
                return self.list_content(request)
            case "GET", ("audit", content_id):
                return self.get_blob(content_id)
        raise FeedError(404, "AF10002", "The request is not valid.")

    def check_caller(self, request: HttpRequest, roles: frozenset[str]) -> None:
        """Refuses who may not read this tenant's log, or a tenant without one. Raises FeedError."""
        parts = request.segments
        if parts[:2] != ("api", "v1.0") or parts[3:5] != ("activity", "feed"):
            raise FeedError(404, "AF10002", "The request is not valid.")
        if FEED_ROLE not in roles:
            raise FeedError(
                401,
                "AF10001",
                "The permission set () sent in the request did not include the expected permission "
                f"{FEED_ROLE}.",
            )
        if parts[2].casefold() != self.tenant.tenant_id.casefold():
            raise FeedError(
                403,
                "AF20010",
                f"The tenant ID passed in the URL ({parts[2][:64]}) does not match the tenant ID "
                "passed in the access token.",
            )
        if not is_log_enabled(self.tenant.scene, self.tenant.exchange):
            raise FeedError(400, "AF20011", f"Tenant {parts[2]} does not exist.")

    @property
    def subscriptions(self) -> dict[str, str]:
        """The content types that are subscribed to, each with when that began."""
        found: dict[str, str] = self.tenant.scene.setdefault("@sandbox.subscriptions", {})
        return found

    def start(self, kind: str) -> HttpResponse:
        """Begins a subscription. Raises FeedError for one that is on."""
        if kind in self.subscriptions:
            raise FeedError(
                400, "AF20024", "The subscription is already enabled. No property change."
            )
        self.subscriptions[kind] = self.tenant.clock().isoformat()
        return HttpResponse(200, describe(kind))

    def list_content(self, request: HttpRequest) -> HttpResponse:
        """A page of the blobs of a window. Raises FeedError."""
        kind, now = require_content_type(request), self.tenant.clock()
        if kind not in self.subscriptions:
            raise FeedError(400, "AF20022", "No subscription found for the specified content type.")
        is_cut = get_option(self.tenant.scene, "wideWindows", "refused") == "partial"
        begin, end = parse_window(request, now, is_cut=is_cut)
        begun = datetime.fromisoformat(self.subscriptions[kind])
        warm_up = timedelta(hours=float(get_option(self.tenant.scene, "warmUpHours", 0)))
        blobs = [
            blob
            for blob in self.list_blobs()
            if blob.content_type == kind and begin <= blob.created_at < end
        ]
        if now < begun + warm_up:
            blobs = []
        start = parse_page(request)
        rows = [self.describe_blob(blob) for blob in blobs[start : start + PAGE_SIZE]]
        headers = {}
        if start + PAGE_SIZE < len(blobs):
            query = f"contentType={kind}&startTime={begin:%Y-%m-%dT%H:%M:%S}"
            query += f"&endTime={end:%Y-%m-%dT%H:%M:%S}&nextPage={start + PAGE_SIZE}"
            path = f"/api/v1.0/{self.tenant.tenant_id}/activity/feed/subscriptions/content"
            name = "NextPageUri"
            if self.tenant.reality.plays(NEXT_PAGE, "elsewhere"):
                path, name = path.replace("/v1.0/", "/v1/"), "Nextpageuri"
            headers[name] = f"{self.tenant.base}{path}?{query}"
        return HttpResponse(200, rows, headers)

    def list_blobs(self) -> list[Blob]:
        return list_blobs(self.tenant.scene, self.tenant.clock())

    def describe_blob(self, blob: Blob) -> Row:
        """A blob as the listing has it. Its address may lead elsewhere."""
        path = f"/api/v1.0/{self.tenant.tenant_id}/activity/feed/audit/{quote(blob.content_id)}"
        root = self.tenant.base
        if self.tenant.reality.plays(CONTENT_URI, "elsewhere"):
            root = "http://localhost"
            path = path.replace(self.tenant.tenant_id, "00000000-0000-4000-8000-0000000000ff")
        return {
            "contentUri": root + path,
            "contentId": blob.content_id,
            "contentType": blob.content_type,
            "contentCreated": f"{blob.created_at:%Y-%m-%dT%H:%M:%S}.000Z",
            "contentExpiration": f"{blob.expires_at:%Y-%m-%dT%H:%M:%S}.000Z",
        }

    def get_blob(self, content_id: str) -> HttpResponse:
        """The records of a blob. Raises FeedError for one that is not there or has expired."""
        found = next((one for one in self.list_blobs() if one.content_id == content_id), None)
        if found is None:
            raise FeedError(
                404, "AF20050", f"The specified content ({content_id[:200]}) does not exist."
            )
        if found.expires_at < self.tenant.clock():
            raise FeedError(410, "AF20051", "Content requested with the key has already expired.")
        return HttpResponse(200, [self.shape_record(row) for row in found.records])

    def shape_record(self, row: Row) -> Row:
        """A record as it is served; tenants differ in its numbers and its session."""
        shown = strip_private_keys(row)
        context = shown.get("AppAccessContext")
        session = context.get("AADSessionId") if isinstance(context, Mapping) else None
        if session and not self.tenant.reality.plays(SESSION, "context"):
            del shown["AppAccessContext"]
            if self.tenant.reality.plays(SESSION, "property"):
                shown["SessionId"] = session
        if self.tenant.reality.plays(RECORD_FORM, "text"):
            for name in ("RecordType", "UserType", "Version"):
                if name in shown:
                    shown[name] = str(shown[name])
        return shown


def describe(kind: str) -> Row:
    """A subscription as the API tells of it."""
    return {"contentType": kind, "status": "enabled", "webhook": None}


def require_content_type(request: HttpRequest) -> str:
    """The content type that a request names. Raises FeedError."""
    kind = get_query(request.query, "contentType")
    for known in CONTENT_TYPES:
        if known.casefold() == kind.casefold():
            return known
    raise FeedError(400, "AF20020", "The specified content type is not valid.")


def get_query(query: Mapping[str, Any], name: str) -> str:
    """A parameter of the query, whatever its case."""
    for key, value in query.items():
        if key.casefold() == name.casefold():
            return str(value)
    return ""


def parse_page(request: HttpRequest) -> int:
    """Where a page begins. Raises FeedError."""
    text = get_query(request.query, "nextPage") or "0"
    if not text.isdigit():
        raise FeedError(400, "AF20031", f"Invalid nextPage Input: {text[:64]}.")
    return int(text)


def parse_window(
    request: HttpRequest, now: datetime, *, is_cut: bool = False
) -> tuple[datetime, datetime]:
    """The window of a listing; the last day without one. One that is too long is cut to its first
    day, or refused. Raises FeedError.
    """
    texts = get_query(request.query, "startTime"), get_query(request.query, "endTime")
    if not any(texts):
        return now - WINDOW, now
    begin, end = parse_time(texts[0]), parse_time(texts[1])
    if begin is None or end is None:
        raise FeedError(
            400, "AF20030", "Start time and end time must both be specified (or both omitted)."
        )
    end = min(end, begin + WINDOW) if is_cut else end
    if not begin < end or end - begin > WINDOW or begin < now - timedelta(days=LISTING_DAYS):
        raise FeedError(
            400,
            "AF20055",
            "Start time and end time must both be specified and must "
            "be less than or equal to 24 hours apart, with the start time no more than "
            "7 days in the past.",
        )
    return begin.astimezone(UTC), end.astimezone(UTC)
