"""Exchange Online's admin API, InvokeCommand: cmdlets over HTTP, with its ways of answering.

The shapes are those seen on the wire by the tools that use it (CISA ScubaGear, CIPP): type notes
between the properties, paging by posting the same body again, three forms of errors, and a 403 of
NUL bytes for an app without any Exchange role.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4
from zlib import crc32

from sandbox.batch import BadBatch, parts_of, run_batch
from sandbox.exchange import configuration, mailbox_statistics, permissions, protocols
from sandbox.exchange.read_cmdlets import (
    ANY_READ,
    READS,
    Cmdlet,
    CmdletError,
    Command,
    Result,
    bad_parameter,
)
from sandbox.exchange.write_cmdlets import WRITES
from sandbox.faults.injection import Struck, suffer
from sandbox.faults.throttling import Gate, Limited, through
from sandbox.graph.identity import EXCHANGE_RESOURCES, MANAGE_AS_APP, Entra, Rejected
from sandbox.http_types import Answer, Call, Malformed, Row, next_link
from sandbox.state.tenant import Tenant

BATCH_LIMIT = 10
PAGE_LIMIT = 1000
RATE_LIMIT = 30_000
VERSIONS = ("beta", "v1.0")
CMDLETS: Mapping[str, Cmdlet] = {
    **READS,
    **permissions.READS,
    **WRITES,
    **configuration.READS,
    **configuration.WRITES,
    **protocols.CMDLETS,
    **mailbox_statistics.READS,
}
GUIDS = frozenset({"Guid", "ExchangeGuid", "ArchiveGuid"})
NOTHING = bytes(512)


class Exchange:
    """The service. `latency` in seconds; `seen` is told of every command and its status."""

    name = "exchange"

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
        self.spent = 0

    def lines(self, call: Call) -> tuple[str, str]:
        """What faults are matched against: the command, and the command with the page asked for."""
        try:
            line = command_of(call.json()).line if self.is_command(call) else self.bare_line(call)
        except (CmdletError, Malformed):
            line = self.bare_line(call)
        token = call.query.get("$skiptoken")
        return line, f"{line} $skiptoken={token}" if token else line

    def is_command(self, call: Call) -> bool:
        return call.segments[-1].casefold() == "invokecommand"

    def bare_line(self, call: Call) -> str:
        return f"{call.method} {call.segments[-1]}"

    async def answer(self, call: Call) -> Answer:
        """One request that came by itself."""
        try:
            roles = self.entra.caller(call, EXCHANGE_RESOURCES)
        except Rejected as trouble:
            return plain_error(401, "InvalidAuthenticationToken", str(trouble))
        if len(call.segments) != 4 or call.segments[1].casefold() not in VERSIONS:
            return plain_error(404, "NotFound", "No such resource.")
        if not self.tenant.is_tenant(call.segments[2]):
            return plain_error(403, "Forbidden", "The token is not of this tenant.")
        if MANAGE_AS_APP not in roles or not self.granted():
            return Answer(403, raw=NOTHING, headers={"Content-Type": "application/json"})
        match call.method, call.segments[3].casefold():
            case "POST", "invokecommand":
                return await self.invoke(call)
            case "POST", "$batch":
                return await self.batch(call)
            case "GET", "exomodulefile":
                return self.module_file(call)
        return plain_error(404, "NotFound", "No such resource.")

    def granted(self) -> frozenset[str]:
        """The cmdlets this app's role groups let it run, in lower case."""
        everything = {*CMDLETS, *(name for name in self.tenant.exchange if name.startswith("Get-"))}
        cmdlets = self.tenant.granted("exchange", everything)
        return frozenset(name.casefold() for name in cmdlets)

    def module_file(self, call: Call) -> Answer:
        """What the PowerShell module loads first: the cmdlets the caller's roles hold."""
        known = {*CMDLETS, *(name for name in self.tenant.exchange if name.startswith("Get-"))}
        allowed = self.granted()
        exported = sorted(name for name in known if name.casefold() in allowed)
        wanted = call.headers.get("CommandName", "*")
        if wanted != "*":
            exported = [name for name in exported if name.casefold() == wanted.casefold()]
        return Answer(200, {"value": [{"exportedCmdlets": ",".join(exported)}]}, self.headers())

    def headers(self) -> dict[str, str]:
        """The headers every answer carries, with how much of the app's budget is left."""
        self.spent = (self.spent + 1) % RATE_LIMIT
        reset = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 300))
        return {
            "Rate-Limit-Limit": str(RATE_LIMIT),
            "Rate-Limit-Remaining": str(RATE_LIMIT - self.spent),
            "Rate-Limit-Reset": reset,
            "OData-Version": "4.0",
            "request-id": str(uuid4()),
        }

    # One command -----------------------------------------------------------------------------

    async def invoke(self, call: Call, inner: bool = False) -> Answer:
        """`POST .../InvokeCommand`, in a batch or by itself."""
        try:
            body = call.json()
            command = command_of(body)
            with through(self.gates(call, command, inner), time.monotonic()):
                await asyncio.sleep(self.latency)
                return self.page(call, body, command)
        except Malformed as error:
            return plain_error(400, "BadRequest", f"The body is not JSON: {error}")
        except CmdletError as error:
            return Answer(error.status, error_body(error), self.headers())
        except Limited as error:
            refused = plain_error(429, error.code, str(error))
            return replace(refused, headers=self.headers() | error.headers)

    def gates(self, call: Call, command: Command, inner: bool) -> Iterator[Gate]:
        """The limits of the table a command comes under."""
        if not self.tenant.faults.limited:
            return
        about = command.given("Mailbox") or command.given("Identity")
        found = self.tenant.find(about) if about is not None else ()
        mailbox = found[0] if len(found) == 1 else None
        yield from self.tenant.faults.gates(self.name, self.lines(call), inner, mailbox)

    def run(self, command: Command) -> Result:
        """Run a command. Raises CmdletError."""
        name = command.name
        if name.casefold() not in self.granted():
            raise unknown_cmdlet(name)
        spelling = {known.casefold(): known for known in (*self.tenant.exchange, *CMDLETS)}
        name = spelling.get(name.casefold(), name)
        cmdlet = CMDLETS.get(name)
        if cmdlet is None:
            if name not in self.tenant.exchange:
                raise unknown_cmdlet(name)
            cmdlet = ANY_READ
        return cmdlet.run(self.tenant, Command(name, cmdlet.spelled(command.parameters)))

    def page(self, call: Call, body: Any, command: Command) -> Answer:
        """The first page of a command's rows, or the one a skip token stands for."""
        size = preferred_page(call.headers.get("Prefer", ""))
        mark = json.dumps(body, sort_keys=True)
        warnings: tuple[str, ...] = ()
        token = call.query.get("$skiptoken")
        if token is None:
            result = self.run(command)
            rows, warnings = result.rows, result.warnings
            part, rest = self.tenant.snapshots.page(rows, size, mark)
        else:
            try:
                part, rest = self.tenant.snapshots.resume(token, size, mark)
            except KeyError as error:
                raise bad_parameter("The skip token does not belong to this command.") from error
        where = f"{self.tenant.base}/adminapi/{call.segments[1]}/{call.segments[2]}"
        content: Row = {
            "@odata.context": f"{where}/$metadata#Collection(Exchange.GenericHashTable)",
            "adminapi.warnings@odata.type": "#Collection(String)",
            "@adminapi.warnings": list(warnings),
        }
        if rest:
            content["@odata.nextLink"] = next_link(self.tenant.base, call, rest)
        names = [name for name in call.query.get("$select", "").split(",") if name]
        content["value"] = [noisy(self.tenant.current(row), names) for row in part]
        headers = self.headers()
        if "odata.maxpagesize" in call.headers.get("Prefer", ""):
            headers["preference-applied"] = f"odata.maxpagesize={size}"
        return Answer(200, content, headers)

    # Many commands ---------------------------------------------------------------------------

    async def batch(self, call: Call) -> Answer:
        """`POST .../$batch`: up to ten commands, their addresses absolute or relative."""
        prefix = "/" + "/".join(call.segments[:3])
        try:
            parts = parts_of(call.json(), BATCH_LIMIT, prefix, self.tenant.base + "/adminapi/")
        except (BadBatch, Malformed) as trouble:
            return plain_error(400, "BadRequest", str(trouble))
        self.batches += 1
        return await run_batch(parts, self.inner, self.batches)

    async def inner(self, call: Call) -> Answer:
        """One command of a batch, with the faults meant for such."""
        if call.method != "POST" or not self.is_command(call):
            return plain_error(400, "BadRequest", "A batch holds commands only.")
        lines = self.lines(call)
        fault = self.tenant.faults.meet(self.name, lines, inner=True)
        if fault is None:
            answer = await self.invoke(call, inner=True)
        else:
            struck = Struck(self.name, lines[0], call, self.tenant.base, inner=True)
            answer = await suffer(fault, struck, lambda: self.invoke(call, inner=True))
        self.seen("exchange/inner", "InvokeCommand", lines[0], answer.status)
        return answer


def command_of(body: Any) -> Command:
    """The command in a body. Raises CmdletError."""
    cmdlet = body.get("CmdletInput") if isinstance(body, Mapping) else None
    if not isinstance(cmdlet, Mapping) or not isinstance(cmdlet.get("CmdletName"), str):
        raise bad_parameter("The body holds no CmdletInput with a CmdletName.")
    parameters = cmdlet.get("Parameters") or {}
    if not isinstance(parameters, Mapping):
        raise bad_parameter("The parameters are not an object.")
    return Command(cmdlet["CmdletName"], parameters)


def preferred_page(prefer: str) -> int:
    """The page size of a Prefer header, a thousand at the most."""
    for part in prefer.replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        if name.casefold() == "odata.maxpagesize" and value.strip().isdigit():
            return max(1, min(PAGE_LIMIT, int(value)))
    return PAGE_LIMIT


def noisy(row: Row, names: Sequence[str]) -> Row:
    """A row as Exchange prints it: notes on types stand between the properties."""
    result: Row = {}
    for name in names or row:
        usual = mailbox_statistics.USUAL
        if (name not in row and name not in usual) or name.startswith("@sandbox."):
            continue
        value = row[name] if name in row else usual[name]
        if isinstance(value, list):
            result[f"{name}@odata.type"] = "#Collection(String)"
        elif name in GUIDS:
            result[f"{name}@data.type"] = "System.Guid"
            result[f"{name}@odata.type"] = "#Guid"
        elif name.startswith("When") and value:
            result[f"{name}@data.type"] = "System.DateTime"
        result[name] = value
    return result


# Errors -----------------------------------------------------------------------------------------


def unknown_cmdlet(name: str) -> CmdletError:
    return CmdletError(
        f"The term '{name[:128]}' is not recognized as the name of a cmdlet, function, script "
        "file, or operable program.",
        "System.Management.Automation.CommandNotFoundException",
    )


def plain_error(status: int, code: str, message: str) -> Answer:
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'} if status == 401 else {}
    return Answer(status, {"error": {"code": code, "message": message}}, headers)


def error_body(error: CmdletError) -> Row:
    """The body of a failed command, in one of the three forms there are.

    What was not found is told as JSON inside JSON or as text between bars: which, depends on the
    object, so that the same question always gets the same answer.
    """
    if not error.type.endswith("ManagementObjectNotFoundException"):
        return explained(error)
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


def explained(error: CmdletError) -> Row:
    """The long form, with the exception inside the exception."""
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
