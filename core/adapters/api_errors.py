"""Maps error responses of Graph and Exchange to `TenantError`s. Pure.

The status and the error code decide, since messages are written for people and change (Microsoft
Learn: "Microsoft Graph error responses"). The exception is Exchange, whose codes are not specific:
there, the .NET type in the message decides.
"""

import re
from collections.abc import Collection, Iterator, Mapping

from core.adapters.parsing import ResponseRow, parse_text
from core.adapters.retry import RetryableError, retryable_status
from core.errors import Forbidden, NoLicence, NotFound, Rejected, TenantError, Unavailable
from core.sanitize import sanitize_text
from core.strict_json import parse_strict_json

RELIES_ON = (
    "exchange-role-group",
    "exchange-empty-403",
    "exchange-trimmed-parameter",
    "exchange-transient-types",
    "exchange-ambiguous-name",
    "graph-error-code",
)

MESSAGE_LIMIT = 300
NOT_A_CMDLET = re.compile(r"term '(?P<name>[\w-]{1,80})' is not recognized")
NOT_A_PARAMETER = re.compile(
    r"(?:parameter cannot be found that|no parameter) matches (?:the|parameter) name "
    r"'(?P<name>\w{1,80})'"
)
TRIMMED_PARAMETERS = re.compile(r"(?i)parameters specified with the .{1,120} cmdlet aren't present")
ROLE_NOT_SUPPORTED = re.compile(
    r"(?i)role assigned to application .{1,200} isn't supported in this scenario"
)
TYPED_DETAIL = re.compile(r"^[^|]{0,40}\|(?P<type>[\w.+`]{1,200})\|(?P<text>.*)$", re.DOTALL)
MANAGE_AS_APP = "Exchange.ManageAsApp"
EXCHANGE_ROLE = "an Exchange or Entra role that gives the app cmdlets"
ON_PREMISES = "on-premises mastered directory sync"
NO_LICENCE = "the tenant has no licence for this"
NON_PREMIUM = "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
NOT_LICENSED = "AadPremiumLicenseRequired"
SCOPE_NOT_GRANTED = "PermissionScopeNotGranted"
NO_REASON = "no reason was given"
# The reason of a name that several objects have. It is no verdict of its own.
AMBIGUOUS = "ambiguous"
ACCESS_DENIED = "CmdletAccessDeniedException"
NOT_ALLOWED = re.compile(r"(?i)user is not allowed to call (?P<name>[\w-]{1,80})")
NOT_UNIQUE = re.compile(r"(?i)doesn't represent a unique|matches multiple entries")
DEHYDRATED = "InvalidOperationInDehydratedContextException"
HYDRATE = (
    "the organization still uses Microsoft's shared configuration: an administrator must run "
    "Enable-OrganizationCustomization once"
)
# Refusals with status 400 that pass by themselves, by the .NET type or its name in the message
# (jflieben/M365Permissions, ExchangeRestClient.cs).
TRANSIENT_TYPES = ("ServerBusyException", "TransientException", "BackendCommunicationException")
NEEDS_PROXY = ("CmdletProxyNotAvailable", "Cmdlet needs proxy")
OTHER_FOREST = "not found in the local forest"


class MisroutedError(RetryableError):
    """The request reached a server that does not hold the object: another anchor may help.

    With `in_other_forest` the same request can never succeed, so that only another anchor helps.
    """

    def __init__(self, message: str, *, in_other_forest: bool) -> None:
        super().__init__(message)
        self.in_other_forest = in_other_forest


def sanitize_message(value: object) -> str:
    """Return an untrusted message as one short line without deceptive characters."""
    return sanitize_text(" ".join(parse_text(value, 4_000).split())[:MESSAGE_LIMIT])[:MESSAGE_LIMIT]


def get_api_error(body: object) -> ResponseRow:
    """Return the `error` object of a body, empty if it has none."""
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def parse_graph_error(body: object) -> tuple[str, str]:
    """Return the code and the message of an error response of Graph, in any of its three shapes.

    It is `error.code`; or `error.code` says nothing and `error.message` is JSON with an
    `errorCode`, as PIM answers (microsoftgraph/microsoft-graph-docs#22292); or the body itself has
    the `errorCode`, without `error`.
    """
    error = get_api_error(body)
    if not error and isinstance(body, dict) and body.get("errorCode"):
        error = {"code": body["errorCode"], "message": body.get("message")}
    elif inner := parse_inner_error(error.get("message")):
        error = {"code": inner["errorCode"], "message": inner.get("message")}
    code = sanitize_text(parse_text(error.get("code"), 100))[:100]
    return code, sanitize_message(error.get("message"))


def parse_inner_error(message: object) -> ResponseRow:
    """Return the object with an `errorCode` that a message is; empty if it is none."""
    text = parse_text(message, 16_000).strip()
    if not text.startswith("{"):
        return {}
    try:
        inner = parse_strict_json(text)
    except (ValueError, RecursionError):
        return {}
    return inner if isinstance(inner, Mapping) and inner.get("errorCode") else {}


def map_graph_error(status: int, body: object, operation: str, permission: str = "") -> TenantError:
    """Map an error response of Graph. `permission` is the app role the call needs."""
    code, message = parse_graph_error(body)
    shown = f"{operation}: HTTP {status} {code}".strip()
    match 403 if code == SCOPE_NOT_GRANTED else status:
        case 401:
            return Forbidden(f"{shown}: Graph does not accept the app's token")
        case 403 if code == NON_PREMIUM:
            return Forbidden(f"{shown}: {NO_LICENCE}")
        case 400 | 403 if code == NOT_LICENSED:
            return NoLicence(shown)
        case 403:
            return Forbidden(shown, permission)
        case 404 | 410 if code:
            # Without a code it is a proxy or a router that knows no such address.
            return NotFound(shown)
        case 400 if ON_PREMISES in message.lower():
            return Rejected(f"{shown}: {message}", verdict="on-premises")
        case 400 | 405 | 406 | 409 | 411 | 412 | 413 | 415 | 422:
            return Rejected(f"{shown}: {message}")
        case _:
            return Unavailable(shown)


def retryable_exchange_error(
    status: int, retry_after: str | None, body: object, cmdlet: str, *, is_inner: bool = False
) -> RetryableError | None:
    """Return the error for a response that a later or differently routed request may not get.

    Exchange answers passing trouble with 400 as well, and a mailbox of another forest with 500:
    the .NET type and the message tell. `is_inner`: it is one response inside a batch.
    """
    kind, message = parse_exchange_error(get_api_error(body))
    text = f"{kind} {message}"
    if status >= 400 and OTHER_FOREST in message.lower():
        return MisroutedError(f"{cmdlet}: HTTP {status} {message}", in_other_forest=True)
    if status >= 400 and any(sign in text for sign in NEEDS_PROXY):
        return MisroutedError(f"{cmdlet}: HTTP {status} {message}", in_other_forest=False)
    if found := retryable_status(status, retry_after, cmdlet, is_inner=is_inner):
        return found
    if status == 400 and any(name in text for name in TRANSIENT_TYPES):
        return RetryableError(f"{cmdlet}: HTTP {status} {message}")
    return None


def map_exchange_error(
    status: int, body: object, cmdlet: str, parameters: Collection[str] = ()
) -> TenantError:
    """Map an error response of Exchange, in any of its shapes. `body` is None if it is not JSON.

    `parameters` are those that were sent. A missing permission has four shapes with one remedy
    each (graph2otel, live, 2026-07; Microsoft365DSC #6753, #6253; office-docs-powershell #7970):
    401 without a reason for a missing app role, a sentence about the role for a role that
    Exchange does not accept from apps, a 403 of NUL bytes or an access denial for a cmdlet that
    the role lacks, and a sentence about parameters for a role with too few of them.
    """
    kind, message = parse_exchange_error(get_api_error(body))
    shown = f"{cmdlet}: HTTP {status} {message}".strip()
    if permission := find_missing_permission(status, kind, message, cmdlet, parameters):
        return Forbidden(shown if message else f"{shown}: {NO_REASON}", permission)
    if DEHYDRATED in kind or DEHYDRATED in message:
        return Rejected(f"{shown}: {HYDRATE}")
    if "ManagementObjectNotFoundException" in kind or (status == 404 and message):
        # A 404 that says nothing comes from a front end, which knows no mailbox.
        return NotFound(shown)
    if "ManagementObjectAmbiguousException" in kind or NOT_UNIQUE.search(message):
        return Rejected(shown, verdict=AMBIGUOUS)
    if ON_PREMISES in message.lower():
        return Rejected(shown, verdict="on-premises")
    if 400 <= status < 500 and message:
        return Rejected(shown)
    return Unavailable(shown)


def find_missing_permission(
    status: int, kind: str, message: str, cmdlet: str, parameters: Collection[str]
) -> str:
    """Return the permission that a refusal is about; empty if it is about none."""
    with_cmdlet = f"Exchange role with {cmdlet}"
    if ROLE_NOT_SUPPORTED.search(message):
        return EXCHANGE_ROLE
    if found := NOT_A_PARAMETER.search(message):
        # Every parameter that is sent exists, so the role has too few parameters.
        return f"{with_cmdlet} -{found['name']}"
    if TRIMMED_PARAMETERS.search(message):
        # Exchange does not say which: all that were sent are named.
        return " -".join([with_cmdlet, *sorted(parameters)])
    if ACCESS_DENIED in kind or NOT_A_CMDLET.search(message) or NOT_ALLOWED.search(message):
        return with_cmdlet
    if status == 403:
        return with_cmdlet
    return MANAGE_AS_APP if status == 401 else ""


def is_role_refusal(body: object) -> bool:
    """Return whether an error is about the app's Exchange role, which no new token changes."""
    kind, message = parse_exchange_error(get_api_error(body))
    denied = ACCESS_DENIED in kind or NOT_ALLOWED.search(message)
    return bool(denied or ROLE_NOT_SUPPORTED.search(message))


def parse_exchange_error(error: ResponseRow) -> tuple[str, str]:
    """Return the .NET type and the message of an Exchange error, from its most specific part.

    `details[0]` comes before the inner exception, as in the PowerShell module, and either may have
    the type alone. `error.message` itself is the same for every error.
    """
    parts = list(iter_error_parts(error))
    kind = next((kind for kind, _ in parts if kind), "")
    message = next((message for _, message in parts if message), "")
    if message:
        return kind, message
    return kind or parse_text(error.get("code"), 200), sanitize_message(error.get("message"))


def iter_error_parts(error: ResponseRow) -> Iterator[tuple[str, str]]:
    """Yield the type and the message of each part of an error, the most specific part first."""
    details = error.get("details")
    first = details[0] if isinstance(details, list) and details else None
    if isinstance(first, Mapping) and first.get("message"):
        yield parse_error_detail(parse_text(first.get("message"), 16_000))
    inner = error.get("innererror")
    cause = inner.get("internalexception") if isinstance(inner, Mapping) else None
    if isinstance(cause, Mapping):
        yield parse_text(cause.get("type"), 200), sanitize_message(cause.get("message"))


def parse_error_detail(detail: str) -> tuple[str, str]:
    """Parse a detail: `<code>|<type>|<message>`, JSON in a string, or plain text."""
    if found := TYPED_DETAIL.match(detail):
        return found["type"], sanitize_message(found["text"])
    try:
        inner = parse_strict_json(detail)
    except (ValueError, RecursionError):
        return "", sanitize_message(detail)
    if isinstance(inner, Mapping) and inner.get("Message"):
        return parse_text(inner.get("TypeName"), 200), sanitize_message(inner.get("Message"))
    return "", sanitize_message(detail)
