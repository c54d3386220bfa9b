"""Exchange Online through its admin API: one cmdlet a request (InvokeCommand), or ten in a batch.

It is what the Exchange Online PowerShell module speaks. Microsoft does not document it; CISA's
ScubaGear and CIPP rely on it in public source. Everything that is particular to it stays in here
and in `failures`, so that a successor can take its place.
"""

import asyncio
import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

from core.adapters.api_errors import error_of, exchange_failure, readable
from core.adapters.clouds import REGIONAL_EXCHANGE, Cloud
from core.adapters.credentials import Credential
from core.adapters.http import Channel, Reply
from core.adapters.m365.mail_flow_parse import cmdlet_names
from core.adapters.m365.parsing import Row, document, rows_of, stripped, text
from core.adapters.retry import Again, Service, inner_trouble, slowest, trouble
from core.errors import Refused, TenantError, Unavailable

log = logging.getLogger(__name__)

BATCH_SIZE = 10
PAGES = 2_000
ANSWER_LIMIT = 32 * 1024 * 1024
READ_TIMEOUT = 300.0
SYSTEM_MAILBOX = "SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}"
ANCHOR = re.compile(r"[\w.+'#&=@{}-]{1,320}", re.ASCII)
HOST = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}")
NAMES_ONE = ("Identity", "Mailbox")
ORGANIZATION_WIDE = frozenset(
    {"Set-OrganizationConfig", "Set-AdminAuditLogConfig", "Set-TransportConfig"}
)
MOVED = frozenset({301, 302, 307, 308})


@dataclass(frozen=True, slots=True)
class Command:
    """A cmdlet with its parameters. `select` are the properties wanted, `anchor` the mailbox whose
    server should run it, by address: a hint, without which it only takes longer."""

    cmdlet: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    select: Collection[str] = ()
    anchor: str = ""

    @property
    def reads(self) -> bool:
        return self.cmdlet.startswith("Get-")

    @property
    def body(self) -> Row:
        return {
            "CmdletInput": {"CmdletName": self.cmdlet, "Parameters": dict(self.parameters)},
        }

    def check(self) -> None:
        """Raise Refused for a command that could mean every object where one was meant.

        Without an identity, or with an empty one, a cmdlet applies to all it finds (Microsoft
        Learn: Get-Mailbox, -Identity).
        """
        for name in NAMES_ONE:
            if name in self.parameters and not str(self.parameters[name] or "").strip(" *"):
                raise Refused(f"{self.cmdlet} was not sent: its {name} is empty")
        named = any(name in self.parameters for name in NAMES_ONE)
        if not named and not self.reads and self.cmdlet not in ORGANIZATION_WIDE:
            raise Refused(f"{self.cmdlet} was not sent: it names no object")


class Exchange:
    """A connection to Exchange for as long as the app lives.

    `warnings` holds the last of what cmdlets warned of, as (cmdlet, text).
    """

    def __init__(
        self,
        cloud: Cloud,
        tenant_id: str,
        credential: Credential,
        service: Service,
        *,
        ca_path: str = "",
    ) -> None:
        self.origin = cloud.exchange
        self.own_host = urlsplit(cloud.exchange).netloc
        self.tenant_id = tenant_id
        self.credential = credential
        self.most_pages = PAGES
        self.scope = cloud.exchange_scope
        self.service = service
        self.warnings: deque[tuple[str, str]] = deque(maxlen=100)
        self.channel = Channel(
            service.name,
            credential=credential,
            scope=cloud.exchange_scope,
            ca_path=ca_path,
            read_timeout=READ_TIMEOUT,
        )

    async def close(self) -> None:
        """Close the connections; the credential is somebody else's."""
        await self.channel.close()

    # One command -----------------------------------------------------------------------------

    async def invoke(
        self,
        cmdlet: str,
        parameters: Mapping[str, object],
        *,
        select: Collection[str] = (),
        anchor: str = "",
    ) -> list[Row]:
        """The rows a cmdlet brings, from all pages. Raises any TenantError but Moot."""
        rows: list[Row] = []
        async for page, _ in self.pages(Command(cmdlet, parameters, select, anchor)):
            rows += page
        return rows

    async def pages(
        self, command: Command, after: str = ""
    ) -> AsyncIterator[tuple[list[Row], str]]:
        """The rows a cmdlet brings, page by page, each with the path of the next one.

        `after` is such a path, perhaps of an earlier run: where to go on. A page is parsed once and
        let go. Raises like `invoke`, also half way; Refused for an `after` that is no such path.
        """
        command.check()
        if after and not self.is_inside(after):
            raise Refused(f"{command.cmdlet}: that is no path to go on from")
        seen: set[str] = set()
        path = after or self.command_path(command)
        while path:
            if path in seen or len(seen) >= self.most_pages:
                raise Unavailable(f"{command.cmdlet}: the pages do not end")
            seen.add(path)
            rows: list[Row] = []
            path = self.take(command, await self.post(path, command), rows)
            yield rows, path

    async def post(self, path: str, command: Command) -> Row:
        """One page of a command: the same body goes to every page's address."""
        body = json.dumps(command.body).encode()

        async def attempt() -> Row:
            reply = await self.send("POST", path, self.headers(command), body)
            if 200 <= reply.status < 300:
                return self.answer_of(reply, command)
            again = trouble(reply.status, reply.headers.get("Retry-After"), command.cmdlet)
            raise again or exchange_failure(reply.status, body_of(reply), command.cmdlet)

        return await self.service.call(attempt)

    def answer_of(self, reply: Reply, command: Command) -> Row:
        """The object in a success. Only a command that changes something may say nothing."""
        if not reply.body.strip() and not command.reads:
            return {"value": []}
        try:
            return document(reply.body)
        except ValueError as error:
            raise Again(f"{command.cmdlet}: {error}") from error

    def take(self, command: Command, answer: Row, rows: list[Row]) -> str:
        """Take the rows and warnings of an answer; the path of the next page, "" at the end."""
        if error_of(answer):
            raise exchange_failure(400, answer, command.cmdlet)
        warnings = answer.get("@adminapi.warnings")
        for warning in warnings[:20] if isinstance(warnings, list) else ():
            self.warnings.append((command.cmdlet, readable(warning)))
        try:
            found = rows_of(answer, command.select)
        except ValueError as error:
            if command.reads:
                raise Unavailable(f"{command.cmdlet}: {error}") from error
            found = []
        rows += map(stripped, found)
        return self.next_path(answer)

    def headers(self, command: Command) -> dict[str, str]:
        """The headers of a command, alone or inside a batch."""
        anchored = ANCHOR.fullmatch(command.anchor) and "@" in command.anchor
        system = f"APP:{SYSTEM_MAILBOX}@{self.tenant_id}"
        return {
            "Accept": "application/json",
            "Content-Type": "application/json; charset=utf-8",
            "Prefer": "odata.maxpagesize=1000",
            "X-CmdletName": command.cmdlet,
            "X-ResponseFormat": "json",
            "X-AnchorMailbox": f"UPN:{command.anchor}" if anchored else system,
            "client-request-id": str(uuid4()),
        }

    # Addresses -------------------------------------------------------------------------------

    def command_path(self, command: Command) -> str:
        query = f"?$select={','.join(command.select)}" if command.select else ""
        return f"/adminapi/beta/{self.tenant_id}/InvokeCommand{query}"

    def is_exchange(self, scheme: str, netloc: str) -> bool:
        """True for the configured address and for regional hosts of Exchange, by https only."""
        if netloc == self.own_host:
            return scheme == urlsplit(self.origin).scheme
        regional = HOST.fullmatch(netloc) is not None and netloc.endswith(REGIONAL_EXCHANGE)
        return scheme == "https" and regional

    def next_path(self, answer: Row) -> str:
        """The path of the next page. Raises Unavailable where the token must not go."""
        link = answer.get("@odata.nextLink")
        if link is None:
            return ""
        parts = urlsplit(link) if isinstance(link, str) else urlsplit("")
        path = urlunsplit(("", "", parts.path, parts.query, ""))
        if not self.is_inside(path) or not self.is_exchange(parts.scheme, parts.netloc):
            raise Unavailable("Exchange named a next page outside of its own address")
        return path

    def is_inside(self, path: str) -> bool:
        """True for a path of this tenant's part of the API; put behind the host, it stays there."""
        place = path.partition("?")[0]
        inside = place.lower().startswith(f"/adminapi/beta/{self.tenant_id}/".lower())
        return inside and "/.." not in place

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request; sent once more to the tenant's region, or with a new token, if need be."""
        reply = await self.send_once(method, path, headers, body)
        if reply.status in MOVED:
            self.move(reply.headers.get("Location", ""))
            reply = await self.send_once(method, path, headers, body)
        if reply.status == 401:
            await self.credential.renew()
            reply = await self.send_once(method, path, headers, body)
        return reply

    async def send_once(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        url = self.origin + path
        return await self.channel.send(method, url, headers=headers, body=body, limit=ANSWER_LIMIT)

    def move(self, location: str) -> None:
        """Talk to the regional host from now on. Raises Unavailable for one that is none."""
        parts = urlsplit(location)
        if not self.is_exchange(parts.scheme, parts.netloc):
            raise Unavailable("Exchange sent the request on to a host that is not its own")
        self.origin = f"{parts.scheme}://{parts.netloc}"

    # Batches ---------------------------------------------------------------------------------

    async def batch(self, commands: Sequence[Command]) -> list[list[Row] | TenantError]:
        """Many commands, ten in a request: for each its rows or its error, in the same order."""
        run = BatchRun(commands, self.command_path, self.most_pages)
        async with asyncio.TaskGroup() as group:
            for numbers in batched(run.pending.copy(), BATCH_SIZE, strict=False):
                group.create_task(self.fill(run, numbers))
        return run.outcomes

    async def fill(self, run: "BatchRun", numbers: Sequence[int]) -> None:
        """Get one batch answered, page after page, asking again for what is passing trouble."""

        async def attempt() -> None:
            asked = {n: (run.commands[n], run.pending[n]) for n in numbers if n in run.pending}
            replies = await self.inner_replies(asked)
            troubles = [self.settle(run, number, replies[number]) for number in asked]
            if late := [again for again in troubles if again]:
                raise slowest(late)

        try:
            while any(number in run.pending for number in numbers):
                await self.service.call(attempt)
        except TenantError as error:
            for number in numbers:
                if number in run.pending:
                    run.failed(number, error)

    def settle(self, run: "BatchRun", number: int, replies: Sequence[Row]) -> Again | None:
        """Note what became of one command; what is passing trouble is returned."""
        command = run.commands[number]
        try:
            run.went_on(number, self.take(command, judged(replies, command), run.rows[number]))
        except Again as again:
            return again
        except TenantError as error:
            run.failed(number, error)
        return None

    async def inner_replies(self, asked: Mapping[int, tuple[Command, str]]) -> dict[int, list[Row]]:
        """What a batch answered to each command: one reply if all is well."""
        # The inner requests carry the token themselves, as those of the PowerShell module do.
        token = await self.credential.get_token(self.scope)
        requests = [
            {
                "id": str(number),
                "method": "POST",
                "url": self.origin + path,
                "headers": {
                    **self.headers(command),
                    "Authorization": f"Bearer {token.token}",
                    "Prefer": "odata.maxpagesize=1000;odata.continue-on-error",
                    "parameter-based-routing": "true",
                },
                "body": command.body,
            }
            for number, (command, path) in asked.items()
        ]
        headers = {"Accept": "application/json", "Content-Type": "application/json; charset=utf-8"}
        path = f"/adminapi/beta/{self.tenant_id}/$batch"
        body = json.dumps({"requests": requests}).encode()
        reply = await self.send("POST", path, headers, body)
        if reply.status != 200:
            what = next(iter(asked.values()))[0].cmdlet
            again = trouble(reply.status, reply.headers.get("Retry-After"), what)
            raise again or exchange_failure(reply.status, body_of(reply), what)
        return sorted_replies(reply, asked)

    # What the app may do -----------------------------------------------------------------------

    async def cmdlets(self) -> frozenset[str]:
        """The cmdlets the app's Exchange roles let it run. Raises like `invoke`."""
        path = f"/adminapi/v1.0/{self.tenant_id}/EXOModuleFile?Version=3.9.2"

        async def attempt() -> frozenset[str]:
            headers = {"Accept": "application/json", "CommandName": "*"}
            reply = await self.send("GET", path, headers, b"")
            again = trouble(reply.status, reply.headers.get("Retry-After"), "EXOModuleFile")
            if again or reply.status != 200:
                raise again or exchange_failure(reply.status, body_of(reply), "EXOModuleFile")
            try:
                rows = rows_of(document(reply.body))
            except ValueError as error:
                raise Again(f"EXOModuleFile: {error}") from error
            return frozenset[str]().union(*map(cmdlet_names, rows))

        return await self.service.call(attempt)


class BatchRun:
    """How far the commands of a batch have come: what is pending with which page, what is done."""

    def __init__(
        self,
        commands: Sequence[Command],
        first_path: Callable[[Command], str],
        most_pages: int = PAGES,
    ) -> None:
        self.commands = commands
        self.most_pages = most_pages
        self.rows: list[list[Row]] = [[] for _ in commands]
        self.outcomes: list[list[Row] | TenantError] = list(self.rows)
        self.asked: list[set[str]] = [set() for _ in commands]
        self.pending: dict[int, str] = {}
        for number, command in enumerate(commands):
            try:
                command.check()
                self.pending[number] = first_path(command)
            except Refused as error:
                self.outcomes[number] = error

    def went_on(self, number: int, path: str) -> None:
        """A page was read; `path` is the next one, "" at the end."""
        del self.pending[number]
        self.outcomes[number] = self.rows[number]
        if not path:
            return
        if path in self.asked[number] or len(self.asked[number]) >= self.most_pages:
            self.failed(number, Unavailable("Exchange: the pages do not end"))
            return
        self.asked[number].add(path)
        self.pending[number] = path

    def failed(self, number: int, error: TenantError) -> None:
        """A command has its final error. Rows of earlier pages are not an answer."""
        self.pending.pop(number, None)
        self.outcomes[number] = error


def sorted_replies(reply: Reply, asked: Collection[int]) -> dict[int, list[Row]]:
    """The replies of a batch by the number of their command, whatever order they came in."""
    try:
        replies = document(reply.body).get("responses")
    except ValueError as error:
        raise Again(f"Exchange batch: {error}") from error
    if not isinstance(replies, list):
        raise Again("Exchange batch: the answer has no responses")
    found: dict[int, list[Row]] = {number: [] for number in asked}
    for inner in replies:
        number = text(inner.get("id"), 12) if isinstance(inner, Mapping) else ""
        if number.isascii() and number.isdigit() and int(number) in found:
            found[int(number)].append(inner)
    return found


def judged(replies: Sequence[Row], command: Command) -> Row:
    """The object in the one reply to an inner command. Raises Again, or what the refusal means."""
    if len(replies) != 1:
        raise Again(f"{command.cmdlet}: {len(replies) or 'no'} answers in the batch")
    status, body = replies[0].get("status"), replies[0].get("body")
    if not isinstance(status, int) or not 100 <= status < 600:
        raise Again(f"{command.cmdlet}: an answer without status")
    if 200 <= status < 300:
        if isinstance(body, Mapping):
            return body
        if not command.reads and not body:
            return {"value": []}
        raise Again(f"{command.cmdlet}: an answer without body")
    again = inner_trouble(status, replies[0].get("headers"), command.cmdlet)
    raise again or exchange_failure(status, body, command.cmdlet)


def body_of(reply: Reply) -> Row | None:
    """The JSON of a refusal; None when it is NUL bytes, a page of HTML, or nothing."""
    try:
        return document(reply.body)
    except ValueError:
        return None
