"""Exchange Online's admin API: cmdlets over HTTP (InvokeCommand).

The shapes are those that public clients of the API handle (CISA ScubaGear, CIPP): type annotations
between the properties, paging by posting the same body again, three forms of errors, and a 403 of
NUL bytes for an app without any Exchange role.
"""

import asyncio
import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any
from zlib import crc32

from sandbox.app_identity import CLIENT_ID
from sandbox.batch import InvalidBatch, parse_parts, run_batch
from sandbox.exchange import (
    access,
    configuration,
    contested,
    folders,
    groups,
    listings,
    mailbox_extras,
    mailbox_statistics,
    permissions,
    protocols,
    tracing,
)
from sandbox.exchange.read_cmdlets import (
    GENERIC_READ,
    READ_CMDLETS,
    Cmdlet,
    CmdletError,
    CmdletResult,
    Command,
    build_parameter_error,
)
from sandbox.exchange.write_cmdlets import WRITE_CMDLETS
from sandbox.faults.injection import FaultedRequest, apply_fault
from sandbox.faults.throttling import KeyedLimit, LimitExceeded, ThrottleLimit, hold_limits
from sandbox.graph.identity import EXCHANGE_RESOURCES, MANAGE_AS_APP, Entra, InvalidToken
from sandbox.http_types import (
    HttpRequest,
    HttpResponse,
    MalformedBody,
    Row,
    build_next_link,
    create_request_id,
    is_true,
)
from sandbox.reality.wire_forms import WireForms
from sandbox.state.tenant import SimulatedTenant

BATCH_LIMIT = 10
RATE_LIMIT = 30_000
VERSIONS = ("beta", "v1.0")
CMDLETS: Mapping[str, Cmdlet] = {
    **READ_CMDLETS,
    **permissions.PERMISSION_CMDLETS,
    **folders.FOLDER_CMDLETS,
    **mailbox_extras.EXTRA_CMDLETS,
    **groups.GROUP_CMDLETS,
    **WRITE_CMDLETS,
    **configuration.POLICY_READ_CMDLETS,
    **configuration.POLICY_WRITE_CMDLETS,
    **protocols.PROTOCOL_CMDLETS,
    **mailbox_statistics.STATISTICS_CMDLETS,
    **tracing.TRACING_CMDLETS,
}
SPELLINGS = {name.casefold(): name for name in CMDLETS}
GUID_PROPERTIES = frozenset({"Guid", "ExchangeGuid", "ExchangeObjectId", "ArchiveGuid"})


@lru_cache(maxsize=64)
def list_cmdlets(collections: tuple[str, ...]) -> frozenset[str]:
    """All cmdlets there are, with those that read a collection of the scene. Cached, because each
    request asks what its caller may do.
    """
    return frozenset((*CMDLETS, *(name for name in collections if name.startswith("Get-"))))


class Exchange:
    """The service. `latency` is in seconds; `on_request` receives every command with its status."""

    name = "exchange"

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
        self.request_count = 0
        self.concurrency_limit = ThrottleLimit()

    def get_fault_lines(self, request: HttpRequest) -> tuple[str, str]:
        """The lines that faults are matched against: the command, and the command with its page."""
        try:
            line = (
                parse_command(request.json()).line
                if self.is_command(request)
                else self.build_plain_line(request)
            )
        except (CmdletError, MalformedBody):
            line = self.build_plain_line(request)
        token = request.query.get("$skiptoken")
        return line, f"{line} $skiptoken={token}" if token else line

    def is_command(self, request: HttpRequest) -> bool:
        return request.segments[-1].casefold() == "invokecommand"

    def build_plain_line(self, request: HttpRequest) -> str:
        return f"{request.method} {request.segments[-1]}"

    async def handle_request(self, request: HttpRequest) -> HttpResponse:
        """Handles a single request, in the form of the tenant's errors."""
        return contested.shape_error(self.tenant, await self.route_request(request))

    async def route_request(self, request: HttpRequest) -> HttpResponse:
        """Routes a request to its handler."""
        try:
            roles = self.entra.authenticate_caller(request, EXCHANGE_RESOURCES)
        except InvalidToken as trouble:
            return build_plain_error(401, "InvalidAuthenticationToken", str(trouble))
        if len(request.segments) != 4 or request.segments[1].casefold() not in VERSIONS:
            return build_plain_error(404, "NotFound", "No such resource.")
        if not self.tenant.is_tenant(request.segments[2]):
            return build_plain_error(403, "Forbidden", "The token is not of this tenant.")
        if MANAGE_AS_APP not in roles or not self.get_granted_cmdlets():
            return access.build_no_role_response(MANAGE_AS_APP in roles)
        return await self.serve_caller(request)

    async def serve_caller(self, request: HttpRequest) -> HttpResponse:
        """Routes the request of a caller with a role."""
        match request.method, request.segments[3].casefold():
            case "POST", "invokecommand":
                return await self.handle_command(request)
            case "POST", "$batch":
                return await self.handle_batch(request)
            case "GET", "exomodulefile":
                return self.get_module_file(request)
            case "GET", "invokecommand" | "mailbox" | "casmailbox":
                return await self.handle_get(request)
        return build_plain_error(404, "NotFound", "No such resource.")

    def get_granted_cmdlets(self) -> Mapping[str, frozenset[str] | None]:
        """The cmdlets that this app's role groups allow, in lower case, with their parameters."""
        everything = list_cmdlets(tuple(self.tenant.exchange))
        return access.parse_grants(self.tenant.get_grants("exchange", everything))

    def get_module_file(self, request: HttpRequest) -> HttpResponse:
        """The file the PowerShell module loads first: the cmdlets that the caller's roles allow."""
        known = list_cmdlets(tuple(self.tenant.exchange))
        allowed = self.get_granted_cmdlets()
        exported = sorted(name for name in known if name.casefold() in allowed)
        wanted = request.headers.get("CommandName", "*")
        if wanted != "*":
            exported = [name for name in exported if name.casefold() == wanted.casefold()]
        return HttpResponse(
            200, {"value": [{"exportedCmdlets": ",".join(exported)}]}, self.build_headers()
        )

    def build_headers(self) -> dict[str, str]:
        """The headers of every response, with the rest of the app's budget."""
        self.request_count = (self.request_count + 1) % RATE_LIMIT
        reset = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300))
        return {
            "Rate-Limit-Limit": str(RATE_LIMIT),
            "Rate-Limit-Remaining": str(RATE_LIMIT - self.request_count),
            "Rate-Limit-Reset": reset,
            "OData-Version": "4.0",
            "request-id": create_request_id(),
        }

    # One command -----------------------------------------------------------------------------

    async def handle_command(
        self, request: HttpRequest, inner: bool = False, anchor: str | None = None
    ) -> HttpResponse:
        """Handles `POST .../InvokeCommand`, in a batch with its anchor or alone."""
        try:
            body = request.json()
            command = parse_command(body)
            with hold_limits(self.list_limits(request, command, inner), time.monotonic()):
                await asyncio.sleep(self.latency)
                self.check_access(command)
                routed_by = request.headers.get("X-AnchorMailbox", "") if anchor is None else anchor
                access.check_routing(self.tenant, command, routed_by, inner)
                return self.build_page(request, body, command)
        except access.NoCmdlet:
            return access.build_no_cmdlet_response(self.tenant, command.name)
        except MalformedBody as error:
            return build_plain_error(400, "BadRequest", f"The body is not JSON: {error}")
        except CmdletError as error:
            return HttpResponse(error.status, build_cmdlet_error(error), self.build_headers())
        except LimitExceeded as error:
            refused = build_plain_error(429, error.code, str(error))
            return replace(refused, headers=self.build_headers() | self.shape_wait(error))

    def shape_wait(self, error: LimitExceeded) -> dict[str, str]:
        """When to come back, as far as the tenant says it."""
        return contested.shape_throttling(self.tenant, error.headers)

    def list_limits(
        self, request: HttpRequest, command: Command, inner: bool
    ) -> Iterator[KeyedLimit]:
        """The limits that apply to a command: the tenant's own, and those of the fault table."""
        if not inner:
            yield from contested.list_concurrency_limits(self.tenant, self.concurrency_limit)
        if not self.tenant.faults.has_limits:
            return
        about = command.get_parameter("Mailbox") or command.get_parameter("Identity")
        found = self.tenant.find_owners(about) if about is not None else ()
        mailbox = found[0] if len(found) == 1 else None
        yield from self.tenant.faults.list_limits(
            self.name, self.get_fault_lines(request), inner, mailbox
        )

    def check_access(self, command: Command) -> None:
        """Refuses what the app's roles do not allow. Raises NoCmdlet or CmdletError."""
        granted = self.get_granted_cmdlets()
        name = command.name.casefold()
        if name not in granted or not self.find_spelling(name):
            raise access.NoCmdlet
        access.check_parameters(command, granted[name])

    def find_spelling(self, folded: str) -> str:
        """How a cmdlet, given in lower case, is written; "" for one that does not exist."""
        if folded in SPELLINGS:
            return SPELLINGS[folded]
        return next((name for name in self.tenant.exchange if name.casefold() == folded), "")

    def run_command(self, command: Command) -> CmdletResult:
        """Runs a command. Raises CmdletError."""
        name = self.find_spelling(command.name.casefold()) or command.name
        cmdlet = CMDLETS.get(name, GENERIC_READ)
        return cmdlet.run(
            self.tenant, Command(name, cmdlet.normalize_parameters(command.parameters))
        )

    def build_page(self, request: HttpRequest, body: Any, command: Command) -> HttpResponse:
        """Builds the first page of a command's rows, or the one that a skip token identifies."""
        page = self.cut_page(request, command, body, command.name)
        names = [name for name in request.query.get("$select", "").split(",") if name]
        unprinted = contested.list_unprinted(self.tenant, command)
        rows = [
            contested.shape_row(
                self.tenant, command, annotate_row(self.tenant.read_row(row), names, unprinted)
            )
            for row in page.rows
        ]
        return self.build_page_response(request, command, page, rows, "GenericHashTable")

    def cut_page(
        self, request: HttpRequest, command: Command, mark: object, paged_as: str
    ) -> listings.Page:
        """Cuts the page that a request asks for out of a listing. Raises CmdletError.

        `paged_as` is the cmdlet whose paging is contested, empty for an entity endpoint.
        """
        reality, snapshots = self.tenant.reality, self.tenant.snapshots
        preferred = parse_preferred_page_size(request.headers.get("Prefer", ""))
        token = request.query.get("$skiptoken")
        if token is None:
            contested.refuse_contested(self.tenant, command, CLIENT_ID)
            taken = contested.replace_filter(self.tenant, command)
            result = self.run_command(contested.replace_identity(self.tenant, taken))
            if contested.list_no_filtered_users(self.tenant, command):
                result = replace(result, rows=())
            names = [name for name in request.query.get("$select", "").split(",") if name]
            contested.check_answer(self.tenant, command, names)
            size = listings.get_page_size(reality, preferred, len(result.rows))
            rows, rest = snapshots.cut_page(result.rows, size, mark)
            rest = listings.choose_next(reality, paged_as, 0, "", rest)
            warnings = result.warnings
        else:
            size, warnings = listings.get_page_size(reality, preferred, 1), ()
            rows, rest = self.resume_page(request, token, size, mark, paged_as)
        shortened = listings.shorten_answer(reality, preferred, warnings)
        if rest and shortened is not None:
            return listings.Page(rows, "", shortened, size)
        if rest:
            warnings = (*warnings, listings.MORE_RESULTS)
        if listings.hides_link(reality, paged_as):
            rest = ""
        return listings.Page(rows, rest, warnings, size)

    def resume_page(
        self, request: HttpRequest, token: str, size: int, mark: object, paged_as: str
    ) -> tuple[Sequence[Row], str]:
        """The rows of a next page, and the token of the one after it. Raises CmdletError."""
        reality, snapshots = self.tenant.reality, self.tenant.snapshots
        try:
            name, start = snapshots.parse_token(token)
            page = start // size
            listings.check_continuation(reality, request, paged_as, name, page, self.initial_domain)
            rows, rest = snapshots.resume_listing(token, size, mark)
            if listings.is_left_out(reality, paged_as, page):
                rows, rest = snapshots.resume_listing(rest, size, mark) if rest else ((), "")
        except KeyError as error:
            raise build_parameter_error(
                "The skip token does not belong to this command."
            ) from error
        if listings.hides_rows(reality, paged_as):
            return (), token
        return rows, listings.choose_next(reality, paged_as, page, token, rest)

    def build_page_response(
        self,
        request: HttpRequest,
        command: Command,
        page: listings.Page,
        rows: Sequence[Row],
        kind: str,
    ) -> HttpResponse:
        """Builds the response with a page of rows."""
        where = f"{self.tenant.base}/adminapi/{request.segments[1]}/{request.segments[2]}"
        content: Row = {
            "@odata.context": f"{where}/$metadata#Collection(Exchange.{kind})",
            "adminapi.warnings@odata.type": "#Collection(String)",
            "@adminapi.warnings": list(page.warnings),
        }
        headers = self.build_headers()
        if page.token:
            host = contested.build_next_host(self.tenant)
            content["@odata.nextLink"] = build_next_link(host, request, page.token)
            headers |= listings.build_cookies(self.tenant.snapshots.parse_token(page.token)[0])
        forms = WireForms(self.tenant.reality)
        content["value"] = [forms.format_row(row) for row in rows]
        if "odata.maxpagesize" in request.headers.get("Prefer", ""):
            headers["preference-applied"] = f"odata.maxpagesize={page.size}"
        return HttpResponse(200, contested.shape_content(self.tenant, command, content), headers)

    @property
    def initial_domain(self) -> str:
        """The tenant's .onmicrosoft.com domain, or an empty string."""
        rows = self.tenant.list_rows("Get-AcceptedDomain")
        return next(
            (str(row["DomainName"]) for row in rows if is_true(row.get("InitialDomain"))), ""
        )

    # Entities --------------------------------------------------------------------------------

    async def handle_get(self, request: HttpRequest) -> HttpResponse:
        """Handles a GET of an entity endpoint, or of the next page of a command."""
        try:
            with hold_limits(self.list_entity_limits(request), time.monotonic()):
                await asyncio.sleep(self.latency)
                if self.is_command(request):
                    return self.build_command_page(request)
                return self.build_entity_page(request)
        except CmdletError as error:
            return HttpResponse(error.status, build_cmdlet_error(error), self.build_headers())
        except LimitExceeded as error:
            refused = build_plain_error(429, error.code, str(error))
            return replace(refused, headers=self.build_headers() | self.shape_wait(error))

    def list_entity_limits(self, request: HttpRequest) -> Iterator[KeyedLimit]:
        """The limits of the fault table that apply to a GET."""
        if self.tenant.faults.has_limits:
            yield from self.tenant.faults.list_limits(
                self.name, self.get_fault_lines(request), False, None
            )

    def build_command_page(self, request: HttpRequest) -> HttpResponse:
        """Builds the next page of a command, asked for without its body. Raises CmdletError."""
        if not self.tenant.reality.plays(listings.PAGING, "get"):
            return build_plain_error(405, "MethodNotAllowed", "A command is posted.")
        try:
            body = self.tenant.snapshots.get_query_key(request.query["$skiptoken"])
        except KeyError as error:
            raise build_parameter_error("The skip token belongs to no command.") from error
        return self.build_page(request, body, parse_command(body))

    def build_entity_page(self, request: HttpRequest) -> HttpResponse:
        """Builds a page of an entity endpoint. Raises CmdletError."""
        command = listings.parse_entity_command(request)
        granted = command.name.casefold() in self.get_granted_cmdlets()
        if not granted or self.tenant.reality.plays("exchange-entity-endpoints", "refused"):
            name = command.name.replace("Get-", "Get-EXO")
            return build_plain_error(401, "Unauthorized", f"User is not allowed to call {name}.")
        mark = f"{request.segments[3]}?{request.query.get('$filter', '')}"
        names = listings.list_entity_properties(self.tenant.reality, request)
        page = self.cut_page(request, command, mark, "")
        rows = [
            {name: row.get(name, listings.get_default_value(name)) for name in names}
            for row in map(self.tenant.read_row, page.rows)
        ]
        return self.build_page_response(request, command, page, rows, request.segments[3])

    # Many commands ---------------------------------------------------------------------------

    async def handle_batch(self, request: HttpRequest) -> HttpResponse:
        """Handles `POST .../$batch`: up to ten commands with absolute or relative addresses."""
        prefix = "/" + "/".join(request.segments[:3])
        try:
            parts = parse_parts(
                request.json(), BATCH_LIMIT, prefix, self.tenant.base + "/adminapi/"
            )
        except (InvalidBatch, MalformedBody) as trouble:
            return build_plain_error(400, "BadRequest", str(trouble))
        self.batch_count += 1
        # The whole batch runs on one server: the anchors of its commands do not count.
        anchor = request.headers.get("X-AnchorMailbox", "")
        return await run_batch(
            parts, lambda part: self.handle_batch_part(part, anchor), self.batch_count
        )

    async def handle_batch_part(self, request: HttpRequest, anchor: str) -> HttpResponse:
        """Handles one command of a batch, with the faults for such commands."""
        if request.method != "POST" or not self.is_command(request):
            return build_plain_error(400, "BadRequest", "A batch holds commands only.")
        lines = self.get_fault_lines(request)
        fault = self.tenant.faults.match_fault(self.name, lines, inner=True)
        if fault is None:
            answer = await self.handle_command(request, True, anchor)
        else:
            struck = FaultedRequest(self.name, lines[0], request, self.tenant.base, inner=True)
            answer = await apply_fault(
                fault, struck, lambda: self.handle_command(request, True, anchor)
            )
        self.on_request("exchange/inner", "InvokeCommand", lines[0], answer.status)
        return answer


def parse_command(body: Any) -> Command:
    """Parses the command in a body. Raises CmdletError."""
    cmdlet = body.get("CmdletInput") if isinstance(body, Mapping) else None
    if not isinstance(cmdlet, Mapping) or not isinstance(cmdlet.get("CmdletName"), str):
        raise build_parameter_error("The body holds no CmdletInput with a CmdletName.")
    parameters = cmdlet.get("Parameters") or {}
    if not isinstance(parameters, Mapping):
        raise build_parameter_error("The parameters are not an object.")
    return Command(cmdlet["CmdletName"], parameters)


def parse_preferred_page_size(prefer: str) -> int | None:
    """Parses the page size of a Prefer header; None if it names none."""
    for part in prefer.replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        if name.casefold() == "odata.maxpagesize" and value.strip().isdigit():
            return int(value)
    return None


def annotate_row(row: Row, names: Sequence[str], unprinted: Collection[str] = ()) -> Row:
    """Formats a row as Exchange prints it, with type annotations between the properties."""
    result: Row = {}
    for name in names or row:
        usual = mailbox_statistics.DEFAULT_MAILBOX_PROPERTIES
        if (name not in row and name not in usual) or name.startswith("@sandbox."):
            continue
        if name in unprinted:
            continue
        value = row[name] if name in row else usual[name]
        if isinstance(value, list):
            result[f"{name}@odata.type"] = "#Collection(String)"
        elif name in GUID_PROPERTIES:
            result[f"{name}@data.type"] = "System.Guid"
            result[f"{name}@odata.type"] = "#Guid"
        elif name.startswith("When") and value:
            result[f"{name}@data.type"] = "System.DateTime"
        elif isinstance(value, int) and not isinstance(value, bool):
            result[f"{name}@data.type"] = "System.Int32"
        result[name] = value
    return result


# Errors -----------------------------------------------------------------------------------------


def build_plain_error(status: int, code: str, message: str) -> HttpResponse:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'} if status == 401 else {}
    return HttpResponse(status, {"error": {"code": code, "message": message}}, headers)


def build_cmdlet_error(error: CmdletError) -> Row:
    """Builds the body of a failed command, in one of three forms.

    A missing object is reported as JSON inside JSON or as text between bars. The object's name
    selects the form, so that the same request always gets the same response.
    """
    if not error.type.endswith("ManagementObjectNotFoundException"):
        return build_detailed_error(error)
    if crc32(error.subject.casefold().encode()) % 2:
        text = f"Ex6F9304|{error.type}|{error.message}"
    else:
        text = json.dumps(
            {
                "Message": error.message,
                "TypeName": error.type,
                "StackTrace": None,
                "InnerError": None,
            }
        )
    details = [{"code": "Client", "target": "", "message": text}]
    return {"error": {"code": "NotFound", "message": "Error executing cmdlet", "details": details}}


def build_detailed_error(error: CmdletError) -> Row:
    """Builds the long form, with an inner exception."""
    inner = {"message": error.message, "type": error.type, "stacktrace": ""}
    return {
        "error": {
            "code": "BadRequest",
            "message": "Invalid Operation",
            "details": [
                {"code": "Client", "target": "", "message": f"|{error.type}|{error.message}"}
            ],
            "innererror": {
                "message": "Invalid Operation",
                "type": "Microsoft.Exchange.Admin.OData.Core.ODataServiceException",
                "stacktrace": "",
                "internalexception": inner,
            },
            "adminapi.warnings@odata.type": "#Collection(String)",
            "@adminapi.warnings": [],
        }
    }
