"""Maps error responses of Graph and Exchange to `TenantError`s. Pure.

The status and the error code decide, since messages are written for people and change (Microsoft
Learn: "Microsoft Graph error responses"). The exception is Exchange, whose codes are not specific:
there, the .NET type in the message decides.
"""

import re
from collections.abc import Mapping

from core.adapters.parsing import ResponseRow, parse_text
from core.errors import Forbidden, NoLicence, NotFound, Rejected, TenantError, Unavailable
from core.sanitize import sanitize_text
from core.strict_json import parse_strict_json

MESSAGE_LIMIT = 300
NOT_A_CMDLET = re.compile(r"term '(?P<name>[\w-]{1,80})' is not recognized")
NOT_A_PARAMETER = re.compile(
    r"(?:parameter cannot be found that|no parameter) matches (?:the|parameter) name "
    r"'(?P<name>\w{1,80})'"
)
TYPED_DETAIL = re.compile(r"^[^|]{0,40}\|(?P<type>[\w.+`]{1,200})\|(?P<text>.*)$", re.DOTALL)
EXCHANGE_ACCESS = "Exchange.ManageAsApp and an Exchange role"
ON_PREMISES = "on-premises mastered directory sync"
NO_LICENCE = "the tenant has no licence for this"


def sanitize_message(value: object) -> str:
    """Return an untrusted message as one short line without deceptive characters."""
    return sanitize_text(" ".join(parse_text(value, 4_000).split())[:MESSAGE_LIMIT])[:MESSAGE_LIMIT]


def get_api_error(body: object) -> ResponseRow:
    """Return the `error` object of a body, empty if it has none."""
    error = body.get("error") if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def map_graph_error(status: int, body: object, operation: str, permission: str = "") -> TenantError:
    """Map an error response of Graph. `permission` is the app role the call needs."""
    error = get_api_error(body)
    code = sanitize_text(parse_text(error.get("code"), 100))[:100]
    message = sanitize_message(error.get("message"))
    shown = f"{operation}: HTTP {status} {code}".strip()
    match status:
        case 401:
            return Forbidden(f"{shown}: Graph does not accept the app's token")
        case 403 if code == "Authentication_RequestFromNonPremiumTenantOrB2CTenant":
            return Forbidden(f"{shown}: {NO_LICENCE}")
        case 400 | 403 if code == "AadPremiumLicenseRequired":
            return NoLicence(shown)
        case 403:
            return Forbidden(shown, permission)
        case 404 | 410:
            return NotFound(shown)
        case 400 if ON_PREMISES in message.lower():
            return Rejected(f"{shown}: {message}", verdict="on-premises")
        case 400 | 405 | 406 | 409 | 411 | 412 | 413 | 415 | 422:
            return Rejected(f"{shown}: {message}")
        case _:
            return Unavailable(shown)


def map_exchange_error(status: int, body: object, cmdlet: str) -> TenantError:
    """Map an error response of Exchange, in any of its shapes. `body` is None if it is not JSON.

    Exchange sends a 403 with NUL bytes for a token without the app role or any Exchange role.
    """
    kind, message = parse_exchange_error(get_api_error(body))
    shown = f"{cmdlet}: HTTP {status} {message}".strip()
    if status in (401, 403) and not message:
        return Forbidden(f"{shown}: Exchange knows no role of this app", EXCHANGE_ACCESS)
    if status == 403 or NOT_A_CMDLET.search(message):
        return Forbidden(shown, f"Exchange role with {cmdlet}")
    if found := NOT_A_PARAMETER.search(message):
        # Every parameter that is sent exists, so the role has too few parameters.
        return Forbidden(shown, f"Exchange role with {cmdlet} -{found['name']}")
    if status == 401:
        return Forbidden(shown, "Exchange.ManageAsApp")
    if "ManagementObjectNotFoundException" in kind or status == 404:
        return NotFound(shown)
    if ON_PREMISES in message.lower():
        return Rejected(shown, verdict="on-premises")
    if 400 <= status < 500 and message:
        return Rejected(shown)
    return Unavailable(shown)


def parse_exchange_error(error: ResponseRow) -> tuple[str, str]:
    """Return the .NET type and the message of an Exchange error, from its most specific part.

    `error.message` itself is the same for every error.
    """
    inner = error.get("innererror")
    cause = inner.get("internalexception") if isinstance(inner, Mapping) else None
    if isinstance(cause, Mapping) and cause.get("message"):
        return parse_text(cause.get("type"), 200), sanitize_message(cause.get("message"))
    details = error.get("details")
    first = details[0] if isinstance(details, list) and details else None
    if isinstance(first, Mapping) and first.get("message"):
        return parse_error_detail(parse_text(first.get("message"), 16_000))
    return parse_text(error.get("code"), 200), sanitize_message(error.get("message"))


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
