"""Microsoft Graph v1.0 as far as the guards use it: routes, permissions, errors and `$batch`.

The roles of each route are application permissions of Microsoft's Graph permissions reference.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple

from sandbox.batch import InvalidBatch, parse_parts, run_batch
from sandbox.exchange import protocols
from sandbox.faults.injection import FaultedRequest, apply_fault
from sandbox.faults.throttling import KeyedLimit, LimitExceeded, ThrottleLimit, hold_limits
from sandbox.graph import (
    account_details,
    apps,
    audit_queries,
    collections,
    contested,
    deletions,
    outlook,
    policies,
    registrations,
    users,
    users_delta,
)
from sandbox.graph import roles as role_routes
from sandbox.graph.identity import GRAPH_RESOURCES, Entra, InvalidToken
from sandbox.graph.users import GraphError
from sandbox.http_types import (
    HttpRequest,
    HttpResponse,
    MalformedBody,
    create_request_id,
    split_words,
)
from sandbox.state.tenant import Owner, SimulatedTenant

BATCH_LIMIT = 20
MAILBOX_CONCURRENCY = 4
# signInActivity of one user (microsoftgraph/microsoft-graph-docs-contrib#8653).
SIGN_INS_PER_MINUTE = 10
# Requests for the directory's audit log in ten seconds (Microsoft Learn: Graph throttling,
# "Identity and access reports service limits").
AUDITS_PER_WINDOW = 5


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table: method, path, roles and handler. `*` matches any segment."""

    method: str
    path: str
    roles: frozenset[str]
    run: Callable[..., HttpResponse]
    outlook: bool = False


def parse_roles(text: str) -> frozenset[str]:
    return frozenset(split_words(text))


READ_USERS = parse_roles(
    "User.Read.All User.ReadWrite.All Directory.Read.All Directory.ReadWrite.All"
)
WRITE_USERS = parse_roles(
    "User.EnableDisableAccount.All User.ReadWrite.All Directory.ReadWrite.All"
)
REVOKE_SESSIONS = parse_roles("User.RevokeSessions.All User.ReadWrite.All Directory.ReadWrite.All")
# No role in the token says who the app may send as: Exchange knows it (RBAC for Applications).
BY_EXCHANGE_SCOPE: frozenset[str] = frozenset()
READ_DOMAINS = parse_roles("Domain.Read.All Domain.ReadWrite.All Directory.Read.All")
READ_SKUS = parse_roles(
    "Organization.Read.All Organization.ReadWrite.All Directory.Read.All Directory.ReadWrite.All"
)
READ_ORGANIZATION = READ_SKUS | {"User.Read.All"}
READ_LOGS = parse_roles("AuditLog.Read.All")
READ_SETTINGS = parse_roles("MailboxSettings.Read MailboxSettings.ReadWrite")
WRITE_SETTINGS = parse_roles("MailboxSettings.ReadWrite")
READ_MAIL = parse_roles("Mail.ReadBasic.All Mail.ReadBasic Mail.Read Mail.ReadWrite")
READ_REPORT = parse_roles("AuditLog.Read.All")
READ_LOG = READ_REPORT | {"Directory.Read.All"}
READ_DELETED_GROUPS = parse_roles("Group.Read.All Group.ReadWrite.All Directory.Read.All")
DELETED_ITEMS = "directory/deleteditems/microsoft.graph."
AUDIT_PATH = "auditlogs/directoryaudits"
REGISTRATION_REPORT = "reports/authenticationmethods/userregistrationdetails"
READ_ROLES = parse_roles(
    "RoleManagement.Read.Directory RoleManagement.Read.All RoleManagement.ReadWrite.Directory"
)
# RoleManagement.Read.All does not read who is eligible (microsoftgraph/microsoft-graph-docs#17653).
READ_ELIGIBLE = READ_ROLES - {"RoleManagement.Read.All"}
READ_GROUPS = parse_roles(
    "GroupMember.Read.All GroupMember.ReadWrite.All Group.Read.All Group.ReadWrite.All"
    " Directory.Read.All Directory.ReadWrite.All"
)
READ_PIM = parse_roles(
    "PrivilegedEligibilitySchedule.Read.AzureADGroup"
    " PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup"
)
ELIGIBLE_ROLES = "roleeligibilityscheduleinstances"
PIM_GROUPS = "identitygovernance/privilegedaccess/group"
INBOX_RULES = "users/*/mailfolders/inbox/messagerules"

ROUTES = (
    Route("GET", "users", READ_USERS, users.list_users),
    Route("GET", "users/$count", READ_USERS, users.count_users),
    Route("GET", "users/delta", READ_USERS, users_delta.list_changes),
    Route("GET", "users/*", READ_USERS, users.get_user),
    Route("PATCH", "users/*", WRITE_USERS, users.change_user),
    Route("POST", "users/*/revokesigninsessions", REVOKE_SESSIONS, users.revoke_sessions),
    Route("POST", "users/*/sendmail", BY_EXCHANGE_SCOPE, users.send_mail, True),
    Route("GET", "users/*/licensedetails", READ_USERS, users.list_licence_details),
    Route("GET", "domains", READ_DOMAINS, users.list_collection),
    Route("GET", "organization", READ_ORGANIZATION, users.list_collection),
    *(Route(*row) for row in policies.ROUTES),
    *(Route(*row) for row in apps.ROUTES),
    *(Route(*row) for row in collections.list_routes()),
    Route("GET", "subscribedskus", READ_SKUS, users.list_collection),
    Route("GET", "auditlogs/signins", READ_LOGS, protocols.list_sign_ins),
    Route("GET", "users/*/mailboxsettings", READ_SETTINGS, outlook.get_mailbox_settings, True),
    Route(
        "GET", "users/*/mailboxsettings/userpurpose", READ_SETTINGS, outlook.get_user_purpose, True
    ),
    Route("GET", "users/*/mailfolders", READ_MAIL, outlook.list_folders, True),
    Route("GET", "users/*/mailfolders/*", READ_MAIL, outlook.get_folder, True),
    Route("GET", INBOX_RULES, READ_SETTINGS, outlook.list_rules, True),
    Route("GET", f"{INBOX_RULES}/*", READ_SETTINGS, outlook.get_rule, True),
    Route("PATCH", f"{INBOX_RULES}/*", WRITE_SETTINGS, outlook.change_rule, True),
    Route("DELETE", f"{INBOX_RULES}/*", WRITE_SETTINGS, outlook.delete_rule, True),
    Route("GET", REGISTRATION_REPORT, READ_REPORT, registrations.list_registrations),
    Route("GET", AUDIT_PATH, READ_LOG, deletions.list_audits),
    Route("GET", f"{DELETED_ITEMS}user", READ_USERS, deletions.list_deleted),
    Route("GET", f"{DELETED_ITEMS}group", READ_DELETED_GROUPS, deletions.list_deleted),
    *(Route(*row) for row in account_details.ROUTES),
    *(Route(*row) for row in audit_queries.ROUTES),
    Route(
        "GET",
        "rolemanagement/directory/roleassignments",
        READ_ROLES,
        role_routes.list_role_assignments,
    ),
    Route(
        "GET",
        f"rolemanagement/directory/{ELIGIBLE_ROLES}",
        READ_ELIGIBLE,
        role_routes.list_eligible_roles,
    ),
    Route(
        "GET",
        f"{PIM_GROUPS}/eligibilityscheduleinstances",
        READ_PIM,
        role_routes.list_group_eligibility,
    ),
    Route("GET", "groups/*", READ_GROUPS, role_routes.get_group),
    Route("GET", "groups/*/transitivemembers", READ_GROUPS, role_routes.list_transitive_members),
    Route("GET", "groups/*/owners", READ_GROUPS, role_routes.list_group_owners),
    Route("GET", "users/*/transitivememberof", READ_USERS, role_routes.list_transitive_memberships),
)
ALL_ROLES = frozenset[str]().union(*(route.roles for route in ROUTES)) | {users.SIGN_IN_ROLE}


BETA_ROUTES = frozenset({("auditlogs", "signins")})


def is_served(request: HttpRequest) -> bool:
    """True for v1.0, and for what the app asks of beta."""
    version, *rest = (segment.casefold() for segment in request.segments)
    if version == "beta":
        return tuple(rest) in BETA_ROUTES or "/".join(rest).startswith(audit_queries.PREFIX)
    return version == "v1.0"


class RouteShape(NamedTuple):
    """A route with the places of its words and of its stars."""

    route: Route
    words: tuple[tuple[int, str], ...]
    stars: tuple[int, ...]


def group_routes(routes: tuple[Route, ...]) -> dict[tuple[str, int], list[RouteShape]]:
    """Groups routes by method and number of segments, so that a path is compared with few."""
    table: dict[tuple[str, int], list[RouteShape]] = {}
    for route in routes:
        steps = route.path.split("/")
        words = tuple((place, step) for place, step in enumerate(steps) if step != "*")
        stars = tuple(place for place, step in enumerate(steps) if step == "*")
        table.setdefault((route.method, len(steps)), []).append(RouteShape(route, words, stars))
    return table


ROUTES_BY_SHAPE = group_routes(ROUTES)


def find_route(request: HttpRequest) -> tuple[Route, list[str]] | None:
    """Finds the route of a request and the values of its stars."""
    segments = request.segments[1:]
    folded = [segment.casefold() for segment in segments]
    for route, words, stars in ROUTES_BY_SHAPE.get((request.method, len(segments)), ()):
        if all(folded[place] == word for place, word in words):
            return route, [segments[place] for place in stars]
    return None


class Graph:
    """The service. `latency` is in seconds; `on_request` receives every inner request with its
    status.
    """

    name = "graph"

    def __init__(
        self,
        tenant: SimulatedTenant,
        entra: Entra,
        latency: float,
        on_request: Callable[[str, str, str, int], None],
    ) -> None:
        self.tenant = tenant
        self.entra = entra
        self.latency = latency
        self.on_request = on_request
        self.batch_count = 0
        self.mailbox_limit = ThrottleLimit(max_concurrent=MAILBOX_CONCURRENCY)
        self.sign_in_limit = ThrottleLimit(window=60.0, max_requests=SIGN_INS_PER_MINUTE)
        self.audit_limit = ThrottleLimit(window=10.0, max_requests=AUDITS_PER_WINDOW)

    def end_windows(self) -> None:
        """Begins the windows of the service's own limits anew."""
        for limit in (self.sign_in_limit, self.audit_limit):
            limit.windows.clear()

    def get_fault_lines(self, request: HttpRequest) -> tuple[str, str]:
        """The lines that faults are matched against: the path, and the path with its query."""
        return f"{request.method} {request.path}", request.line

    async def handle_request(self, request: HttpRequest) -> HttpResponse:
        """Handles a single request."""
        try:
            request = replace(
                request, roles=self.entra.authenticate_caller(request, GRAPH_RESOURCES)
            )
            if request.segments == ("v1.0", "$batch") and request.method == "POST":
                return await self.handle_batch(request)
            return await self.handle_single(request)
        except InvalidToken as trouble:
            return to_error_response(GraphError(401, "InvalidAuthenticationToken", str(trouble)))
        except GraphError as trouble:
            return to_error_response(trouble)

    async def handle_single(self, request: HttpRequest, inner: bool = False) -> HttpResponse:
        """Handles one request, in a batch or alone. Never raises GraphError."""
        try:
            found = find_route(request) if is_served(request) else None
            if found is None:
                last = request.segments[-1][:64]
                raise GraphError(400, "BadRequest", f"Resource not found for the segment '{last}'.")
            route, stars = found
            accepted = self.get_accepted_roles(route)
            if accepted is not BY_EXCHANGE_SCOPE and not accepted & request.roles:
                raise self.build_refusal(route)
            owner = self.tenant.find_outlook_owner(stars[0]) if route.outlook else None
            with hold_limits(self.list_limits(request, owner, inner), time.monotonic()):
                await asyncio.sleep(self.latency)
                contested.refuse_contested(self.tenant, request)
                answer = route.run(self.tenant, request, *stars)
                return contested.shape_answer(self.tenant, request, answer)
        except MalformedBody as trouble:
            return to_error_response(
                GraphError(400, "BadRequest", f"Unable to read JSON: {trouble}")
            )
        except GraphError as trouble:
            if is_pim_path(request):
                return to_pim_error_response(
                    trouble, self.tenant.reality.get_side("graph-error-code")
                )
            return to_error_response(trouble)
        except contested.Overloaded as trouble:
            text = "Too many requests, or too much work."
            return to_error_response(GraphError(trouble.status, "UnknownError", text))
        except LimitExceeded as trouble:
            refused = to_error_response(GraphError(429, trouble.code, str(trouble)))
            return replace(refused, headers={**refused.headers, **trouble.headers})

    def get_accepted_roles(self, route: Route) -> frozenset[str]:
        if route.roles is READ_ELIGIBLE and self.tenant.reality.plays(
            "graph-eligibility-role", "includes"
        ):
            return READ_ROLES
        return route.roles

    def build_refusal(self, route: Route) -> GraphError:
        """Builds the 403 for a missing role; the directory and Outlook word it differently."""
        if route.outlook:
            text = "Access is denied. Check credentials and try again."
            return GraphError(403, "ErrorAccessDenied", text)
        if route.path.startswith(audit_queries.PREFIX):
            return audit_queries.build_no_permission()
        if route.path.startswith(PIM_GROUPS):
            text = "Authorization failed due to missing permission scope."
            return GraphError(403, "PermissionScopeNotGranted", text)
        return users.build_denied_error()

    def list_limits(
        self, request: HttpRequest, owner: Owner | None, inner: bool
    ) -> Iterator[KeyedLimit]:
        """The limits of a request: that of its mailbox, and those of the fault table."""
        if owner is not None:
            yield KeyedLimit(self.mailbox_limit, owner)
        if is_single_sign_in_read(request):
            yield KeyedLimit(self.sign_in_limit, "signInActivity")
        if "/".join(request.segments[1:]).casefold() == AUDIT_PATH:
            yield KeyedLimit(self.audit_limit, AUDIT_PATH)
        if self.tenant.faults.has_limits:
            yield from self.tenant.faults.list_limits(
                self.name, self.get_fault_lines(request), inner, owner
            )

    async def handle_batch(self, request: HttpRequest) -> HttpResponse:
        """Handles `POST /$batch`: runs requests to Outlook four at a time, all others at once."""
        try:
            parts = parse_parts(request.json(), BATCH_LIMIT, "/v1.0")
        except (InvalidBatch, MalformedBody) as trouble:
            raise GraphError(400, "BadRequest", str(trouble)) from trouble
        gate = asyncio.Semaphore(MAILBOX_CONCURRENCY)

        async def carry(inner: HttpRequest) -> HttpResponse:
            inner = replace(inner, roles=request.roles)
            found = find_route(inner)
            if found is not None and found[0].outlook:
                async with gate:
                    return await self.handle_batch_part(inner)
            return await self.handle_batch_part(inner)

        self.batch_count += 1
        return await run_batch(parts, carry, self.batch_count)

    async def handle_batch_part(self, request: HttpRequest) -> HttpResponse:
        """Handles one request of a batch, with the faults for such requests."""
        lines = self.get_fault_lines(request)
        fault = self.tenant.faults.match_fault(self.name, lines, inner=True)
        if fault is None:
            answer = await self.handle_single(request, inner=True)
        else:
            struck = FaultedRequest(self.name, lines[1], request, self.tenant.base, inner=True)
            answer = await apply_fault(
                fault, struck, lambda: self.handle_single(request, inner=True)
            )
        self.on_request("graph/inner", request.method, request.path, answer.status)
        return answer


def is_single_sign_in_read(request: HttpRequest) -> bool:
    """True for a request for the signInActivity of one user."""
    return (
        len(request.segments) == 3
        and request.segments[1].casefold() == "users"
        and "signInActivity" in request.query.get("$select", "")
    )


def is_pim_path(request: HttpRequest) -> bool:
    path = "/".join(request.segments[1:]).casefold()
    return path.startswith(PIM_GROUPS) or path.endswith(ELIGIBLE_ROLES)


def to_pim_error_response(graph_error: GraphError, side: str) -> HttpResponse:
    """Formats an error of PIM, which hides its reason."""
    reason = {"errorCode": graph_error.code, "message": graph_error.message}
    if side == "bare":
        return HttpResponse(graph_error.status, reason)
    if side == "message":
        text = json.dumps({**reason, "instanceAnnotations": []})
        return to_error_response(GraphError(graph_error.status, "UnknownError", text))
    return to_error_response(graph_error)


def to_error_response(graph_error: GraphError) -> HttpResponse:
    """Formats an error as Graph does."""
    request = create_request_id()
    inner = {
        "date": datetime.now(UTC).isoformat(timespec="seconds").removesuffix("+00:00"),
        "request-id": request,
        "client-request-id": request,
    }
    error = {"code": graph_error.code, "message": graph_error.message, "innerError": inner}
    return HttpResponse(graph_error.status, {"error": error}, {"request-id": request})
