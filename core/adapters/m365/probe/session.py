"""One probe under way: its requests, its budget, and what several questions share.

Questions only read. What they saw is told in counts and words of this program, since the answers go
into bug reports.
"""

import json
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from core.adapters.api_errors import EXCHANGE_ROLE
from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.graph.client import GraphClient
from core.adapters.http import BufferedResponse
from core.adapters.parsing import (
    ResponseRow,
    parse_object_id,
    parse_response_rows,
    strip_annotations,
)
from core.adapters.retry import ThrottledService
from core.errors import Forbidden, TenantError, Unavailable
from core.microsoft365.permission_risks import AUDIT_QUERY_PERMISSION, CMDLETS
from core.tenant.probing import AnswerStatus, ProbeAnswer

STATUS = re.compile(r"HTTP (\d{3})")
OUTSIDE = "outside of its own address"
# Parts of messages that tell one refusal from another, and are the same in every tenant.
KNOWN_PHRASES = (
    "expired or invalid pagination request",
    "isn't supported in this scenario",
    "cmdletproxynotavailable",
    "not found in the local forest",
    "aren't present in the role definition",
    "isn't a valid parameter",
    "doesn't represent a unique recipient",
    "knows no role of this app",
    "has no licence",
    OUTSIDE,
    "without saying which",
    "budget of requests is used up",
)
ERROR_TEXTS = {
    "Forbidden": "forbidden",
    "MisroutedError": "refused as sent to the wrong server",
    "NoLicence": "refused for want of a licence",
    "NotFound": "not found",
    "Rejected": "refused",
    "RetryableError": "no usable answer",
    "TimeoutError": "no answer in time",
    "Unavailable": "no usable answer",
}
# The permission that each path of Graph takes; the first pattern that matches counts.
GRAPH_NEEDS: Mapping[str, str] = {
    r"/security/auditLog/": AUDIT_QUERY_PERMISSION,
    r"/auditLogs/|/reports/|signInActivity": "AuditLog.Read.All",
    r"^/oauth2PermissionGrants": "Directory.Read.All",
    r"^/servicePrincipals": "Application.Read.All",
    r"^/devices": "Directory.Read.All",
    r"^/directory/federationConfigurations": "IdentityProvider.Read.All",
    r"^/policies/deviceRegistrationPolicy": "Policy.Read.DeviceConfiguration",
    r"^/policies/": "Policy.Read.All",
    r"^/roleManagement/": "RoleManagement.Read.Directory",
    r"/microsoft\.graph\.group": "Group.Read.All",
    r"/mailFolders": "Mail.ReadBasic.All",
    r"/users|/microsoft\.graph\.user": "User.Read.All",
}
# Names of permissions that are told: any other text comes from an answer.
TOLD_PERMISSIONS = frozenset(
    {EXCHANGE_ROLE, *GRAPH_NEEDS.values(), *(f"Exchange role with {one}" for one in CMDLETS)}
)
SAMPLE_SIZE = 20
SAMPLE_PROPERTIES = (
    "ExternalDirectoryObjectId",
    "Guid",
    "Name",
    "UserPrincipalName",
    "PrimarySmtpAddress",
    "LegacyExchangeDN",
    "AuditEnabled",
    "AuditLogAgeLimit",
    "PersistedCapabilities",
    "RecipientTypeDetails",
    "AuditOwner",
    "DefaultAuditSet",
    "ProhibitSendReceiveQuota",
)

type Question = Callable[["ProbeSession"], Awaitable[tuple[ProbeAnswer, ...]]]


@dataclass(slots=True)
class ProbeSession:
    """What the questions of one probe share."""

    graph: GraphClient
    exchange: ExchangeClient
    max_requests: int
    seconds: float
    started_at: float = field(default_factory=time.monotonic)
    requests_before: int = 0
    sample: list[ResponseRow] | None = None
    initial_domain: str = ""

    def __post_init__(self) -> None:
        self.requests_before = sum(service.requests for service in self.services)

    @property
    def services(self) -> tuple[ThrottledService, ...]:
        """Everything that sends requests for the questions."""
        return (self.graph.service, self.graph.report_service, self.exchange.service)

    @property
    def request_count(self) -> int:
        """The number of requests so far."""
        return sum(service.requests for service in self.services) - self.requests_before

    @property
    def remaining_seconds(self) -> float:
        """The time that is left."""
        return max(0.0, self.seconds - (time.monotonic() - self.started_at))

    def limit_services(self, seconds: float) -> None:
        """Let each service make no more requests than are left, and none after so long."""
        left = self.max_requests - self.request_count
        for service in self.services:
            service.max_requests = service.requests + left
            service.deadline = service.clock() + seconds

    async def ask_exchange(
        self,
        cmdlet: str,
        parameters: Mapping[str, object] | None = None,
        select: Collection[str] = (),
    ) -> list[ResponseRow]:
        """The rows of a cmdlet's first page. Raises TenantError."""
        command = Command(cmdlet, parameters or {}, select)
        command.check_target()
        path = self.exchange.build_command_path(command)
        answer = await self.exchange.request_page(path, command)
        try:
            return [strip_annotations(row) for row in parse_response_rows(answer)]
        except ValueError as error:
            raise Unavailable(f"{cmdlet}: {error}") from error

    async def send_to_exchange(
        self, method: str, path: str, command: Command, changes: Mapping[str, str]
    ) -> BufferedResponse:
        """One request as it is, whatever Exchange makes of it. Raises Unavailable without reply."""
        headers = {**self.exchange.build_headers(command), **changes}
        body = json.dumps(command.body).encode() if method == "POST" else b""

        async def attempt() -> BufferedResponse:
            return await self.exchange.send(method, path, headers, body)

        return await self.exchange.service.call(attempt)

    async def fetch_sample(self) -> list[ResponseRow]:
        """Some mailboxes, the same for every question. Raises TenantError."""
        if self.sample is None:
            parameters = {
                "ResultSize": SAMPLE_SIZE,
                "RecipientTypeDetails": ["UserMailbox", "SharedMailbox"],
            }
            self.sample = await self.ask_exchange("Get-Mailbox", parameters, SAMPLE_PROPERTIES)
        return self.sample

    async def fetch_mailbox(self) -> ResponseRow:
        """One mailbox with a Guid. Raises Unavailable if there is none."""
        for row in await self.fetch_sample():
            if parse_object_id(row.get("Guid")):
                return row
        raise Unavailable("Exchange listed no mailbox with a Guid")

    async def ask_graph(self, path: str) -> ResponseRow:
        """One answer of Graph. Raises TenantError."""
        needed = (name for pattern, name in GRAPH_NEEDS.items() if re.search(pattern, path))
        return await self.graph.get(path, next(needed, ""))


def describe_error(error: TenantError | TimeoutError) -> str:
    """An error without names, addresses and ids: what it means, its status, a known phrase, and
    the permission that is missing.
    """
    text = str(error)
    parts = [ERROR_TEXTS.get(type(error).__name__, type(error).__name__)]
    if found := STATUS.search(text):
        parts.append(found[0])
    parts += [phrase for phrase in KNOWN_PHRASES if phrase in text.casefold()][:1]
    if isinstance(error, Forbidden) and error.permission in TOLD_PERMISSIONS:
        parts.append(f"for want of {error.permission}")
    return ", ".join(parts)


def holds(assumption: str, saw: str, way: str = "") -> ProbeAnswer:
    """The assumption holds."""
    return ProbeAnswer(assumption, AnswerStatus.HOLDS, saw, way)


def fails(assumption: str, saw: str, way: str = "") -> ProbeAnswer:
    """The assumption does not hold."""
    return ProbeAnswer(assumption, AnswerStatus.DOES_NOT_HOLD, saw, way)


def unknown(assumption: str, saw: str, error: str = "") -> ProbeAnswer:
    """The tenant did not tell."""
    return ProbeAnswer(assumption, AnswerStatus.UNKNOWN, saw, error=error)


def judge(assumption: str, is_met: bool, saw: str) -> ProbeAnswer:
    """The assumption holds or does not."""
    return holds(assumption, saw) if is_met else fails(assumption, saw)


def count_rows(rows: Collection[object], noun: str = "row") -> str:
    """A number of rows in words."""
    ending = "es" if noun.endswith("x") else "s"
    return f"{len(rows)} {noun}{'' if len(rows) == 1 else ending}"


def prints(rows: Collection[ResponseRow], name: str) -> bool:
    """Whether a property is printed, in any case."""
    return any(key.casefold() == name.casefold() for row in rows for key in row)
