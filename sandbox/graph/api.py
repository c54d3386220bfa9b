"""Microsoft Graph v1.0, as far as the guards use it: who may call what, errors, and `$batch`.

The roles of each route are application permissions of Microsoft's Graph permissions reference.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import uuid4

from sandbox.batch import BadBatch, parts_of, run_batch
from sandbox.exchange import protocols
from sandbox.faults.injection import Struck, suffer
from sandbox.faults.throttling import Gate, Limit, Limited, through
from sandbox.graph import apps, deletions, outlook, policies, registrations, users
from sandbox.graph import roles as role_routes
from sandbox.graph.identity import GRAPH_RESOURCES, Entra, Rejected
from sandbox.graph.users import GraphError
from sandbox.http_types import Answer, Call, Malformed, words
from sandbox.state.tenant import Owner, Tenant

BATCH_LIMIT = 20
MAILBOX_CONCURRENCY = 4


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table: method, path, who may, and what happens. `*` stands for any segment."""

    method: str
    path: str
    roles: frozenset[str]
    run: Callable[..., Answer]
    outlook: bool = False


def roles(text: str) -> frozenset[str]:
    return frozenset(words(text))


READ_USERS = roles("User.Read.All User.ReadWrite.All Directory.Read.All Directory.ReadWrite.All")
WRITE_USERS = roles("User.EnableDisableAccount.All User.ReadWrite.All Directory.ReadWrite.All")
REVOKE = roles("User.RevokeSessions.All User.ReadWrite.All Directory.ReadWrite.All")
READ_DOMAINS = roles("Domain.Read.All Domain.ReadWrite.All Directory.Read.All")
READ_SKUS = roles(
    "Organization.Read.All Organization.ReadWrite.All Directory.Read.All Directory.ReadWrite.All"
)
READ_ORGANIZATION = READ_SKUS | {"User.Read.All"}
READ_LOGS = roles("AuditLog.Read.All")
READ_SETTINGS = roles("MailboxSettings.Read MailboxSettings.ReadWrite")
WRITE_SETTINGS = roles("MailboxSettings.ReadWrite")
READ_MAIL = roles("Mail.ReadBasic.All Mail.ReadBasic Mail.Read Mail.ReadWrite")
READ_REPORT = roles("AuditLog.Read.All")
READ_LOG = READ_REPORT | {"Directory.Read.All"}
READ_BIN_OF_GROUPS = roles("Group.Read.All Group.ReadWrite.All Directory.Read.All")
BIN = "directory/deleteditems/microsoft.graph."
REPORT = "reports/authenticationmethods/userregistrationdetails"
READ_ROLES = roles(
    "RoleManagement.Read.Directory RoleManagement.Read.All RoleManagement.ReadWrite.Directory"
)
READ_GROUPS = roles(
    "GroupMember.Read.All GroupMember.ReadWrite.All Group.Read.All Group.ReadWrite.All"
    " Directory.Read.All Directory.ReadWrite.All"
)
READ_PIM = roles(
    "PrivilegedEligibilitySchedule.Read.AzureADGroup"
    " PrivilegedEligibilitySchedule.ReadWrite.AzureADGroup"
)
ELIGIBLE = "roleeligibilityscheduleinstances"
PIM_GROUPS = "identitygovernance/privilegedaccess/group"
RULES = "users/*/mailfolders/inbox/messagerules"

ROUTES = (
    Route("GET", "users", READ_USERS, users.list_users),
    Route("GET", "users/$count", READ_USERS, users.count_users),
    Route("GET", "users/*", READ_USERS, users.get_user),
    Route("PATCH", "users/*", WRITE_USERS, users.change_user),
    Route("POST", "users/*/revokesigninsessions", REVOKE, users.revoke_sessions),
    Route("GET", "users/*/licensedetails", READ_USERS, users.licence_details),
    Route("GET", "domains", READ_DOMAINS, users.collection),
    Route("GET", "organization", READ_ORGANIZATION, users.collection),
    *(Route(*row) for row in policies.ROUTES),
    *(Route(*row) for row in apps.ROUTES),
    Route("GET", "subscribedskus", READ_SKUS, users.collection),
    Route("GET", "auditlogs/signins", READ_LOGS, protocols.list_sign_ins),
    Route("GET", "users/*/mailboxsettings", READ_SETTINGS, outlook.mailbox_settings, True),
    Route("GET", "users/*/mailboxsettings/userpurpose", READ_SETTINGS, outlook.user_purpose, True),
    Route("GET", "users/*/mailfolders", READ_MAIL, outlook.list_folders, True),
    Route("GET", "users/*/mailfolders/*", READ_MAIL, outlook.get_folder, True),
    Route("GET", RULES, READ_SETTINGS, outlook.list_rules, True),
    Route("GET", f"{RULES}/*", READ_SETTINGS, outlook.get_rule, True),
    Route("PATCH", f"{RULES}/*", WRITE_SETTINGS, outlook.change_rule, True),
    Route("DELETE", f"{RULES}/*", WRITE_SETTINGS, outlook.delete_rule, True),
    Route("GET", REPORT, READ_REPORT, registrations.list_registrations),
    Route("GET", "auditlogs/directoryaudits", READ_LOG, deletions.list_audits),
    Route("GET", f"{BIN}user", READ_USERS, deletions.list_deleted),
    Route("GET", f"{BIN}group", READ_BIN_OF_GROUPS, deletions.list_deleted),
    Route("GET", "rolemanagement/directory/roleassignments", READ_ROLES, role_routes.assignments),
    Route("GET", f"rolemanagement/directory/{ELIGIBLE}", READ_ROLES, role_routes.eligible),
    Route("GET", f"{PIM_GROUPS}/eligibilityscheduleinstances", READ_PIM, role_routes.may_join),
    Route("GET", "groups/*", READ_GROUPS, role_routes.get_group),
    Route("GET", "groups/*/transitivemembers", READ_GROUPS, role_routes.transitive_members),
    Route("GET", "users/*/transitivememberof", READ_USERS, role_routes.transitive_member_of),
)
ALL_ROLES = frozenset[str]().union(*(route.roles for route in ROUTES)) | {users.SIGN_IN_ROLE}


def by_shape(routes: tuple[Route, ...]) -> dict[tuple[str, int], list[tuple[Route, list[str]]]]:
    """Routes by method and number of segments: a path is then compared with two or three."""
    table: dict[tuple[str, int], list[tuple[Route, list[str]]]] = {}
    for route in routes:
        steps = route.path.split("/")
        table.setdefault((route.method, len(steps)), []).append((route, steps))
    return table


SHAPES = by_shape(ROUTES)


def find_route(call: Call) -> tuple[Route, list[str]] | None:
    """The route of a call and what stands for its stars."""
    segments = call.segments[1:]
    for route, steps in SHAPES.get((call.method, len(segments)), ()):
        stars = [have for have, want in zip(segments, steps, strict=True) if want == "*"]
        if all(want in ("*", have.casefold()) for have, want in zip(segments, steps, strict=True)):
            return route, stars
    return None


class Graph:
    """The service. `latency` in seconds; `seen` is told of every inner request and its status."""

    name = "graph"

    def __init__(
        self,
        tenant: Tenant,
        entra: Entra,
        latency: float,
        seen: Callable[[str, str, str, int], None],
    ) -> None:
        self.tenant = tenant
        self.entra = entra
        self.latency = latency
        self.seen = seen
        self.batches = 0
        self.mailboxes = Limit(at_once=MAILBOX_CONCURRENCY)

    def lines(self, call: Call) -> tuple[str, str]:
        """What faults are matched against: the path, and the path with its query."""
        return f"{call.method} {call.path}", call.line

    async def answer(self, call: Call) -> Answer:
        """One request that came by itself."""
        try:
            call = replace(call, roles=self.entra.caller(call, GRAPH_RESOURCES))
            if call.segments == ("v1.0", "$batch") and call.method == "POST":
                return await self.batch(call)
            return await self.plain(call)
        except Rejected as trouble:
            return error_answer(GraphError(401, "InvalidAuthenticationToken", str(trouble)))
        except GraphError as trouble:
            return error_answer(trouble)

    async def plain(self, call: Call, inner: bool = False) -> Answer:
        """One request, in a batch or by itself. Never raises GraphError."""
        try:
            found = find_route(call) if call.segments[0] == "v1.0" else None
            if found is None:
                last = call.segments[-1][:64]
                raise GraphError(400, "BadRequest", f"Resource not found for the segment '{last}'.")
            route, stars = found
            if not route.roles & call.roles:
                raise self.refusal(route)
            owner = self.tenant.outlook_owner(stars[0]) if route.outlook else None
            with through(self.gates(call, owner, inner), time.monotonic()):
                await asyncio.sleep(self.latency)
                return route.run(self.tenant, call, *stars)
        except Malformed as trouble:
            return error_answer(GraphError(400, "BadRequest", f"Unable to read JSON: {trouble}"))
        except GraphError as trouble:
            return error_answer(trouble)
        except Limited as trouble:
            refused = error_answer(GraphError(429, trouble.code, str(trouble)))
            return replace(refused, headers={**refused.headers, **trouble.headers})

    def refusal(self, route: Route) -> GraphError:
        """The directory and Outlook refuse a missing role in words of their own."""
        if route.outlook:
            text = "Access is denied. Check credentials and try again."
            return GraphError(403, "ErrorAccessDenied", text)
        return users.denied()

    def gates(self, call: Call, owner: Owner | None, inner: bool) -> Iterator[Gate]:
        """The limits a request comes under: that of its mailbox, and those of the table."""
        if owner is not None:
            yield Gate(self.mailboxes, owner)
        if self.tenant.faults.limited:
            yield from self.tenant.faults.gates(self.name, self.lines(call), inner, owner)

    async def batch(self, call: Call) -> Answer:
        """`POST /$batch`: the requests to Outlook go four at a time, the others all at once."""
        try:
            parts = parts_of(call.json(), BATCH_LIMIT, "/v1.0")
        except (BadBatch, Malformed) as trouble:
            raise GraphError(400, "BadRequest", str(trouble)) from trouble
        gate = asyncio.Semaphore(MAILBOX_CONCURRENCY)

        async def carry(inner: Call) -> Answer:
            inner = replace(inner, roles=call.roles)
            found = find_route(inner)
            if found is not None and found[0].outlook:
                async with gate:
                    return await self.inner(inner)
            return await self.inner(inner)

        self.batches += 1
        return await run_batch(parts, carry, self.batches)

    async def inner(self, call: Call) -> Answer:
        """One request of a batch, with the faults meant for such."""
        lines = self.lines(call)
        fault = self.tenant.faults.meet(self.name, lines, inner=True)
        if fault is None:
            answer = await self.plain(call, inner=True)
        else:
            struck = Struck(self.name, lines[1], call, self.tenant.base, inner=True)
            answer = await suffer(fault, struck, lambda: self.plain(call, inner=True))
        self.seen("graph/inner", call.method, call.path, answer.status)
        return answer


def error_answer(trouble: GraphError) -> Answer:
    """An error as Graph prints it."""
    request = str(uuid4())
    inner = {
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "request-id": request,
        "client-request-id": request,
    }
    error = {"code": trouble.code, "message": trouble.message, "innerError": inner}
    return Answer(trouble.status, {"error": error}, {"request-id": request})
