"""Single sign-ins that are worth a look by themselves: by device code, by bare password through an
app, and prompts for a second factor that were not answered.

The protocol stands in beta alone; where the log refuses the filter, that kind is unread and the
other ones stand (Microsoft Learn: signIn resource type).
"""

from collections.abc import Mapping
from datetime import datetime

from core.adapters.graph.client import GraphClient
from core.adapters.graph.reports import BETA
from core.adapters.m365.sign_ins import READ_SIGN_INS, quote_filter
from core.adapters.parsing import (
    ResponseRow,
    parse_each_row,
    parse_object_id,
    parse_text,
    parse_timestamp,
    parse_whole_number,
)
from core.adapters.read_errors import build_read_failure
from core.errors import TenantError
from core.microsoft365.assumptions.graph_logs import SIGN_IN_PROTOCOLS
from core.tenant.directory import SignInEvent, SignInKind
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import SIGN_IN_EVENTS

RELIES_ON = (SIGN_IN_PROTOCOLS,)

MAX_EVENTS = 2_000
"""Of each kind; more in a day are an attack on everybody, and the newest tell of it."""
PAGE_SIZE, NAME_LIMIT = 500, 200
# Strong authentication was asked for and denied, or nobody answered (Microsoft Learn: Microsoft
# Entra authentication error codes).
PROMPT_DENIED = 500121
CONDITIONS: Mapping[SignInKind, str] = {
    SignInKind.DEVICE_CODE: "authenticationProtocol eq 'deviceCode' and status/errorCode eq 0",
    SignInKind.ROPC: "authenticationProtocol eq 'ropc' and status/errorCode eq 0",
    SignInKind.PROMPT_DENIED: f"status/errorCode eq {PROMPT_DENIED}",
}


async def fetch_sign_in_events(graph: GraphClient, since: datetime) -> Reading[SignInEvent]:
    """The sign-ins of each kind since a time, the newest first. A failure names the kind."""
    items: list[SignInEvent] = []
    failures: dict[ReadFailure, None] = {}
    for kind, condition in CONDITIONS.items():
        wanted = quote_filter(f"createdDateTime ge {since:%Y-%m-%dT%H:%M:%SZ} and {condition}")
        path = f"{BETA}/auditLogs/signIns?$filter={wanted}&$top={PAGE_SIZE}"
        rows: list[ResponseRow] = []
        try:
            async for page in graph.read_pages(path, READ_SIGN_INS):
                rows += page
                if len(rows) > MAX_EVENTS:
                    reason = f"more than {MAX_EVENTS:,} sign-ins of one kind in a day"
                    cut = ReadFailure(SIGN_IN_EVENTS, reason, subject=kind, optional=True)
                    failures[cut] = None
                    break
        except TenantError as error:
            failure = build_read_failure(SIGN_IN_EVENTS, error, subject=kind, optional=True)
            failures[failure] = None
        found, broken = parse_each_row(rows[:MAX_EVENTS], parse_sign_in_event)
        items += found
        for _, reason in broken[:1]:
            failure = build_read_failure(SIGN_IN_EVENTS, reason, subject=kind, optional=True)
            failures[failure] = None
    return Reading(
        items=tuple(items),
        failures=tuple(failures),
        sources=frozenset({SIGN_IN_EVENTS}),
        population=len(items),
    )


def parse_sign_in_event(row: ResponseRow) -> SignInEvent:
    """A row of the log. Raises ValueError for one without an account or a time."""
    account, at = parse_object_id(row.get("userId")), parse_timestamp(row.get("createdDateTime"))
    if not account or at is None:
        raise ValueError("a sign-in without an account or a time")
    status = row.get("status")
    inner = status if isinstance(status, Mapping) else {}
    return SignInEvent(
        account_id=account,
        kind=classify(row, parse_whole_number(inner.get("errorCode"))),
        at=at,
        name=parse_text(row.get("userPrincipalName"), NAME_LIMIT),
        app_id=parse_object_id(row.get("appId")),
        app_name=parse_text(row.get("appDisplayName"), NAME_LIMIT),
        address=parse_text(row.get("ipAddress"), 64),
        detail=parse_text(inner.get("additionalDetails"), NAME_LIMIT),
    )


def classify(row: ResponseRow, error: int | None) -> SignInKind:
    """Of which kind a sign-in is. Raises ValueError for one that was not asked for."""
    if error == PROMPT_DENIED:
        return SignInKind.PROMPT_DENIED
    protocol = parse_text(row.get("authenticationProtocol"), 32).casefold()
    known = {"devicecode": SignInKind.DEVICE_CODE, "ropc": SignInKind.ROPC}
    if error or protocol not in known:
        raise ValueError("the log answered with another sign-in than was asked for")
    return known[protocol]
