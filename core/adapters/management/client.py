"""The Office 365 Management Activity API: subscriptions, listings of content, content.

Every address is built here from an id: what the service names as an address may lead to another
host, another tenant or another version (elastic/integrations sdh-beats#7627), and the token would
go with the request. Source: MicrosoftDocs/office-365-management-api, activity API reference.
"""

from collections.abc import Mapping
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from core.adapters.clouds import Cloud
from core.adapters.credentials import Credential, parse_token_roles
from core.adapters.http import BufferedResponse, HttpClient
from core.adapters.parsing import ResponseRow, parse_text
from core.adapters.retry import RetryableError, ThrottledService, retryable_status
from core.errors import Forbidden, NotFound, Rejected, TenantError, Unavailable
from core.microsoft365.assumptions.activity import CONTENT_URI, FEED_THROTTLE, NEXT_PAGE
from core.microsoft365.permission_risks import FEED_PERMISSION
from core.strict_json import parse_strict_json

RELIES_ON = (CONTENT_URI, FEED_THROTTLE, NEXT_PAGE)

RESPONSE_LIMIT = 64 * 1024 * 1024
MAX_PAGES = 500
NEXT_PAGE_HEADERS = ("NextPageUri", "NextPageUrl")
NO_SUBSCRIPTION, IS_SUBSCRIBED = "AF20022", "AF20024"
THROTTLED = "AF429"
TRANSIENT_CODES = frozenset({THROTTLED, "AF50000"})
GONE_CODES = frozenset({"AF20050", "AF20051", "AF20052"})
LOG_OFF_CODES = frozenset({"AF20011", "AF20023"})
LOG_OFF = "log-off"
"""The verdict of a refusal because the tenant's unified audit log is off."""


class ManagementClient:
    """A connection to the API for one run. `service` limits and repeats its requests."""

    def __init__(
        self,
        cloud: Cloud,
        tenant_id: str,
        credential: Credential,
        service: ThrottledService,
        *,
        ca_path: str = "",
    ) -> None:
        self.root = f"{cloud.management}/api/v1.0/{quote(tenant_id, safe='')}/activity/feed"
        self.tenant_id = tenant_id
        self.scope = cloud.management_scope
        self.credential = credential
        self.service = service
        self.http_client = HttpClient(
            service.name, credential=credential, scope=self.scope, ca_path=ca_path
        )

    async def close(self) -> None:
        """Close the connections, but not the credential, which is shared."""
        await self.http_client.close()

    async def is_granted(self) -> bool | None:
        """Whether the token has the role that the feed needs; None if that could not be read."""
        try:
            token = await self.credential.get_token(self.scope)
        except TenantError as error:
            return False if isinstance(error, Forbidden) else None
        roles = parse_token_roles(token.token)
        return None if roles is None else FEED_PERMISSION in roles

    async def start_subscription(self, content_type: str) -> None:
        """Subscribe to a content type; one that is on already stays so. Raises TenantError."""
        try:
            await self.request("POST", "subscriptions/start", {"contentType": content_type})
        except Rejected as error:
            if error.verdict != IS_SUBSCRIBED:
                raise

    async def list_content(self, content_type: str, begin: str, end: str) -> list[ResponseRow]:
        """The content of a window, all pages of it. Raises TenantError."""
        query = {"contentType": content_type, "startTime": begin, "endTime": end}
        rows: list[ResponseRow] = []
        seen: set[str] = set()
        while True:
            found, headers = await self.request("GET", "subscriptions/content", query)
            rows += found
            page = find_next_page(headers)
            if not page:
                return rows
            if page in seen or len(seen) >= MAX_PAGES:
                raise Unavailable("the pages of the activity feed do not end")
            seen.add(page)
            query = {**query, "nextPage": page}

    async def read_content(self, content_id: str) -> bytes:
        """The body of a content, a JSON array of records. Raises NotFound once it is gone."""
        answer = await self.send("GET", f"audit/{quote(content_id, safe='')}", {})
        return answer.body

    async def request(
        self, method: str, path: str, query: Mapping[str, str]
    ) -> tuple[list[ResponseRow], Mapping[str, str]]:
        """The rows of an answer with its headers. Raises TenantError."""
        answer = await self.send(method, path, query)
        if method == "POST":
            return [], answer.headers
        return parse_rows(answer.body), answer.headers

    async def send(self, method: str, path: str, query: Mapping[str, str]) -> BufferedResponse:
        """Send until there is a definite answer. Raises TenantError."""
        whole = {**query, "PublisherIdentifier": self.tenant_id}
        url = f"{self.root}/{path}?{urlencode(whole)}"
        what = f"activity feed, {path.partition('/')[0]}"

        async def attempt() -> BufferedResponse:
            answer = await self.http_client.send(method, url, limit=RESPONSE_LIMIT)
            if answer.status == 401 and parse_error(answer)[0] == "":
                await self.credential.renew()
                answer = await self.http_client.send(method, url, limit=RESPONSE_LIMIT)
            if 200 <= answer.status < 300:
                return answer
            raise map_error(answer, what)

        return await self.service.call(attempt)


def find_next_page(headers: Mapping[str, str]) -> str:
    """The token of the next page, from the address in a header; empty at the end.

    Raises Unavailable for an address without one: what is left out must not look like nothing.
    """
    link = next((headers[name] for name in NEXT_PAGE_HEADERS if headers.get(name)), "")
    if not link:
        return ""
    found = parse_qs(urlsplit(link).query).get("nextPage", [])
    if len(found) != 1 or not 0 < len(found[0]) <= 2_000:
        raise Unavailable("the activity feed named a next page without saying which")
    return found[0]


def parse_rows(body: bytes) -> list[ResponseRow]:
    """The objects of a JSON array. Raises RetryableError for anything else."""
    try:
        rows = parse_strict_json(body)
    except (ValueError, RecursionError) as error:
        raise RetryableError("the activity feed's answer is not JSON") from error
    if not isinstance(rows, list):
        raise RetryableError("the activity feed's answer is no list")
    return [row for row in rows if isinstance(row, Mapping)]


def parse_error(answer: BufferedResponse) -> tuple[str, str]:
    """The code and the message of an error; empty where the body has none."""
    try:
        body = parse_strict_json(answer.body)
    except (ValueError, RecursionError):
        return "", ""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return "", ""
    return parse_text(error.get("code"), 40), parse_text(error.get("message"), 300)


def map_error(answer: BufferedResponse, what: str) -> TenantError:
    """The error of an answer: its code decides, and then its status."""
    code, message = parse_error(answer)
    shown = f"{what}: HTTP {answer.status} {code}".rstrip()
    if code in TRANSIENT_CODES:
        return RetryableError(shown, is_throttled=code == THROTTLED)
    if again := retryable_status(answer.status, answer.headers.get("Retry-After"), what):
        return again
    if code in LOG_OFF_CODES or ("Tenant" in message and "does not exist" in message):
        return Rejected(f"{shown}: the unified audit log is off", verdict=LOG_OFF)
    if code in GONE_CODES or answer.status in (404, 410):
        return NotFound(shown)
    if answer.status == 401 or code == "AF10001":
        return Forbidden(shown, FEED_PERMISSION)
    if answer.status == 403:
        return Forbidden(shown)
    if 400 <= answer.status < 500:
        return Rejected(shown, verdict=code or "refused")
    return Unavailable(shown)
