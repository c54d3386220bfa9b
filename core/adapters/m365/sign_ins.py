"""Sign-ins of accounts: the dates that Entra keeps of each, and the log of the last weeks.

signInActivity is listed for many users in a request: asked for one user, it takes 10 requests a
minute (microsoftgraph/microsoft-graph-docs-contrib#8653); a list falls under the limits of reports,
5 requests in 10 seconds. Its pages hold 500 users at most (Microsoft Learn: List users).
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import batched
from urllib.parse import quote

from core.adapters.graph.client import GraphClient
from core.adapters.graph.objects import Failures
from core.adapters.graph.reports import BETA
from core.adapters.parsing import (
    ResponseRow,
    explain_row_error,
    get_part,
    parse_object_id,
    parse_timestamp,
)
from core.errors import MISTAKES, Rejected, TenantError
from core.microsoft365.assumptions.graph_directory import (
    SIGN_IN_ACTIVITY_LIMIT,
    SIGN_IN_ACTIVITY_NULL,
    SIGN_IN_LOG_KINDS,
    USERS_ID_FILTER,
)
from core.tenant.directory import SignIn

RELIES_ON = (SIGN_IN_ACTIVITY_LIMIT, SIGN_IN_ACTIVITY_NULL, SIGN_IN_LOG_KINDS, USERS_ID_FILTER)
FILTERED = USERS_ID_FILTER.default_way
READ_SIGN_INS = "AuditLog.Read.All"
ACTIVITY_PROPERTIES = "id,signInActivity"
ACTIVITY_PAGE_SIZE = 500
IDS_PER_FILTER = 15
"""Graph takes no more values in a filter (Microsoft Learn: "in" operator)."""
MAX_FILTERED = 150
"""For more accounts than this, the list of all users takes fewer requests in most tenants."""
SIGN_IN_KINDS = ("interactiveUser", "nonInteractiveUser")
ATTEMPT_DATES = ("lastSignInDateTime", "lastNonInteractiveSignInDateTime")
SUCCESS_DATE = "lastSuccessfulSignInDateTime"
DATES = frozenset((*ATTEMPT_DATES, SUCCESS_DATE))


def parse_sign_in(row: ResponseRow) -> SignIn:
    """A Graph user's signInActivity.

    Only lastSuccessfulSignInDateTime is of a success; the other two dates count failures too.
    Whoever never signed in has none. Raises ValueError for one without any of its dates.
    """
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("a user without a usable id")
    reported = row.get("signInActivity")
    if reported is not None and not (isinstance(reported, Mapping) and reported.keys() & DATES):
        raise ValueError("the time of the last sign-in cannot be read")
    activity = get_part(row, "signInActivity")
    try:
        attempts = [parse_timestamp(activity.get(name)) for name in ATTEMPT_DATES]
        return SignIn(
            found,
            parse_timestamp(activity.get(SUCCESS_DATE)),
            max(filter(None, attempts), default=None),
        )
    except ValueError:
        raise ValueError("the time of the last sign-in makes no sense") from None


def quote_filter(text: str) -> str:
    """A filter within a URL."""
    return quote(text, safe="/'(),:")


async def fetch_last_sign_ins(
    graph: GraphClient, ids: Sequence[str]
) -> tuple[list[SignIn], Failures]:
    """The dates of some accounts, by filters or, where Graph takes none, from the whole list.

    An account that a complete list lacks is a failure: it never counts as one without sign-ins.
    """
    wanted = dict.fromkeys(ids)
    reader = SignInReader(graph, wanted)
    way = await graph.chosen_ways.find(USERS_ID_FILTER)
    try:
        if way != FILTERED or len(wanted) > MAX_FILTERED:
            await reader.read_all()
        else:
            await reader.read_filtered()
    except TenantError as error:
        return reader.items, dict.fromkeys(reader.list_missing(), error) | reader.failures
    missing = dict.fromkeys(reader.list_missing(), "Graph did not list the account's sign-ins")
    return reader.items, missing | reader.failures


class SignInReader:
    """Collects the rows of some accounts from lists of users."""

    def __init__(self, graph: GraphClient, wanted: Mapping[str, object]) -> None:
        self.graph = graph
        self.wanted = wanted
        self.items: list[SignIn] = []
        self.failures: Failures = {}
        self.found: set[str] = set()

    async def read_filtered(self) -> None:
        """Ask for the accounts by id. Raises TenantError."""
        for number, chunk in enumerate(batched(self.wanted, IDS_PER_FILTER, strict=False)):
            listed = ",".join(f"'{one.replace("'", "''")}'" for one in chunk)
            wanted = quote_filter(f"id in ({listed})")
            try:
                await self.read_list(f"/users?$filter={wanted}&$select={ACTIVITY_PROPERTIES}")
            except Rejected:
                if number:
                    raise
                await self.read_all()
                return

    async def read_all(self) -> None:
        """Ask for all users, until every account was seen. Raises TenantError."""
        await self.read_list(f"/users?$select={ACTIVITY_PROPERTIES}&$top={ACTIVITY_PAGE_SIZE}")

    async def read_list(self, path: str) -> None:
        async for rows in self.graph.read_pages(path, READ_SIGN_INS):
            for row in rows:
                self.add_row(row)
            if len(self.found) == len(self.wanted):
                return

    def add_row(self, row: ResponseRow) -> None:
        """Take the row of an account that is wanted, once."""
        found = parse_object_id(row.get("id"))
        if found not in self.wanted or found in self.found:
            return
        self.found.add(found)
        try:
            self.items.append(parse_sign_in(row))
        except MISTAKES as error:
            self.failures[found] = explain_row_error(error)

    def list_missing(self) -> Iterator[str]:
        return (one for one in self.wanted if one not in self.found)


async def fetch_successful_sign_ins(
    graph: GraphClient, ids: Sequence[str], since: datetime
) -> tuple[list[SignIn], Failures]:
    """The newest success of each account in the log, of either kind.

    The first refusal ends it: what is left is unread for the same reason.
    """
    items: list[SignIn] = []
    failures: Failures = {}
    left = list(dict.fromkeys(ids))
    while left:
        one = left[0]
        try:
            items.append(SignIn(one, await find_last_success(graph, one, since)))
        except MISTAKES as error:
            failures[one] = explain_row_error(error)
        except TenantError as error:
            return items, failures | dict.fromkeys(left, error)
        left.pop(0)
    return items, failures


async def find_last_success(graph: GraphClient, one: str, since: datetime) -> datetime | None:
    """The newest success of an account in the log; None: there is none since then.

    v1.0 lists interactive sign-ins alone, so both kinds are asked of beta. Raises TenantError, and
    ValueError for rows that make no sense.
    """
    newest: datetime | None = None
    for kind in SIGN_IN_KINDS:
        wanted = quote_filter(
            f"createdDateTime ge {since:%Y-%m-%dT%H:%M:%SZ} and userId eq '{one}' "
            f"and status/errorCode eq 0 and signInEventTypes/any(t: t eq '{kind}')"
        )
        path = f"{BETA}/auditLogs/signIns?$filter={wanted}&$top=1"
        async for rows in graph.read_pages(path, READ_SIGN_INS):
            for row in rows:
                if parse_object_id(row.get("userId")) != one:
                    raise ValueError("the log answered with another account than was asked for")
                at = parse_timestamp(row.get("createdDateTime"))
                if at is None:
                    raise ValueError("a sign-in without a time")
                newest = at if newest is None else max(newest, at)
            if rows:
                break
    return newest


async def read_app_sign_ins(graph: GraphClient, app_id: str, since: datetime) -> frozenset[str]:
    """The accounts that signed in to an app, interactively or not. Raises TenantError.

    A script signs in by a password or token of its own, which v1.0 does not list.
    """
    found: set[str] = set()
    for kind in SIGN_IN_KINDS:
        wanted = quote_filter(
            f"createdDateTime ge {since:%Y-%m-%dT%H:%M:%SZ} and appId eq '{app_id}' "
            f"and signInEventTypes/any(t: t eq '{kind}')"
        )
        path = f"{BETA}/auditLogs/signIns?$filter={wanted}&$top={ACTIVITY_PAGE_SIZE}"
        async for rows in graph.read_pages(path, READ_SIGN_INS):
            found |= {parse_object_id(row.get("userId")) for row in rows}
    return frozenset(found - {""})
