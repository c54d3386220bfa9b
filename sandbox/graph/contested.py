"""Sides of contested facts that decide how Graph answers, whatever serves the request.

Each is declared in `sandbox.reality.graph_facts`, with what it does.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sandbox.graph.users import GraphError, build_bad_request, build_denied_error
from sandbox.http_types import HttpRequest, HttpResponse, Row
from sandbox.state.tenant import SimulatedTenant

NEXT_LINK = "@odata.nextLink"
SIGN_IN_LOG = r"/auditLogs/signIns$"
USERS = r"/(v1\.0|beta)/users(/[^/]+)?$"


class Overloaded(Exception):
    """The service refuses a request without saying when to come back: the status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def refuse_report(tenant: SimulatedTenant, request: HttpRequest) -> None:
    """Refuses the first reports. Raises Overloaded."""
    times = int(tenant.reality.get_option("graph-report-backoff", "times", 1))
    if tenant.count_request("graph-report-backoff") <= times:
        raise Overloaded(429)


def refuse_late_query(tenant: SimulatedTenant, request: HttpRequest) -> None:
    """Gives up a query that takes too long. Raises Overloaded."""
    raise Overloaded(504)


def refuse_folders(tenant: SimulatedTenant, request: HttpRequest) -> None:
    """Refuses the folders of a mailbox. Raises GraphError."""
    text = "Access is denied. Check credentials and try again."
    raise GraphError(403, "ErrorAccessDenied", text)


def refuse_federations(tenant: SimulatedTenant, request: HttpRequest) -> None:
    """Refuses the federations of outside domains. Raises GraphError."""
    raise build_denied_error()


def refuse_page_size(tenant: SimulatedTenant, request: HttpRequest) -> None:
    """Refuses `$top`. Raises GraphError."""
    if "$top" in request.query:
        raise build_bad_request("Query option '$top' is not allowed.")


def refuse_narrow_write(tenant: SimulatedTenant, request: HttpRequest) -> None:
    """Refuses a write to an account. Raises GraphError."""
    if request.method in ("PATCH", "POST"):
        raise build_denied_error()


def drop_last_row(body: Row) -> Row:
    """A page that lacks its last row, if another follows."""
    return {**body, "value": body["value"][:-1]} if NEXT_LINK in body else body


def empty_token(body: Row) -> Row:
    """A page whose link to the next one does not say which."""
    link = body.get(NEXT_LINK)
    if link is None:
        return body
    return {**body, NEXT_LINK: re.sub(r"(?<=skiptoken=)[^&]*", "", link, flags=re.IGNORECASE)}


def forget_successes(body: Row) -> Row:
    """Users whose last successful sign-in was before Entra kept it."""

    def forget(row: Row) -> Row:
        activity = row.get("signInActivity")
        if not isinstance(activity, Mapping):
            return row
        return {**row, "signInActivity": {**activity, "lastSuccessfulSignInDateTime": None}}

    return map_rows(body, forget)


def forget_password_dates(body: Row) -> Row:
    """Users without the date of their password."""
    name = "lastPasswordChangeDateTime"
    return map_rows(body, lambda row: {**row, name: None} if name in row else row)


def map_rows(body: Row, change: Callable[[Row], Row]) -> Row:
    """The rows of a collection, or the object itself, changed."""
    if isinstance(body.get("value"), list):
        return {**body, "value": [change(row) for row in body["value"]]}
    return change(body)


@dataclass(frozen=True, slots=True)
class Rule[T]:
    """What happens at the paths that match, where the tenant plays a side."""

    fact: str
    side: str
    path: str
    act: T

    def applies(self, tenant: SimulatedTenant, request: HttpRequest) -> bool:
        """True for a request that the rule is about."""
        return tenant.reality.plays(self.fact, self.side) and bool(
            re.search(self.path, request.path, re.IGNORECASE)
        )


REFUSALS: tuple[Rule[Callable[[SimulatedTenant, HttpRequest], None]], ...] = (
    Rule("graph-report-backoff", "silent", r"/(reports|auditLogs)/", refuse_report),
    Rule("graph-sign-in-pages", "times-out", SIGN_IN_LOG, refuse_late_query),
    Rule("graph-mail-folders", "denied", r"/mailFolders(/[^/]+)?$", refuse_folders),
    Rule("graph-deleted-select", "refused", r"/directory/deletedItems/", refuse_page_size),
    Rule(
        "graph-outside-federation",
        "denied",
        r"/directory/federationConfigurations",
        refuse_federations,
    ),
    Rule(
        "write-narrow-roles",
        "refused",
        r"/users/[^/]+(/revokeSignInSessions)?$",
        refuse_narrow_write,
    ),
)
SHAPES: tuple[Rule[Callable[[Row], Row]], ...] = (
    Rule("graph-app-roles-page", "lossy", r"/appRoleAssignedTo$", drop_last_row),
    Rule("graph-sign-in-pages", "empty-token", SIGN_IN_LOG, empty_token),
    Rule("graph-sign-in-null", "null", USERS, forget_successes),
    Rule("graph-password-date", "null", USERS, forget_password_dates),
)


def refuse_contested(tenant: SimulatedTenant, request: HttpRequest) -> None:
    """Refuses what the tenant's sides do not let pass. Raises GraphError or Overloaded."""
    for rule in REFUSALS:
        if rule.applies(tenant, request):
            rule.act(tenant, request)


def shape_answer(
    tenant: SimulatedTenant, request: HttpRequest, answer: HttpResponse
) -> HttpResponse:
    """The answer as the tenant's sides print it."""
    body = answer.body
    if answer.status != 200 or not isinstance(body, dict):
        return answer
    for rule in SHAPES:
        if rule.applies(tenant, request):
            body = rule.act(body)
    return replace(answer, body=body)
