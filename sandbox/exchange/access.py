"""What Exchange refuses before a cmdlet runs: a missing role, and a server that lacks the mailbox.

Measured as an app (graph2otel, 2026-07): a missing app role is a 401, a cmdlet that the role
lacks a 403 of NUL bytes, like an app without any role. A role whose cmdlet lacks parameters
answers with CmdletAccessDeniedException (Microsoft365DSC#6753). A write that is not anchored to its
mailbox fails (CIPP-API, 2026-08), a batch is routed as a whole, and the audit log's cmdlet runs on
the server of one system mailbox only (pnp/cli-microsoft365#4677).

A scene grants a cmdlet with some of its parameters by `"Set-Mailbox -Identity -AuditEnabled"`, and
the app role without any cmdlet by `"Exchange.ManageAsApp"`. A mailbox with
`"@sandbox.forest": "other"` is in another forest than the system mailbox.
"""

from collections.abc import Mapping
from functools import lru_cache

from sandbox.exchange.read_cmdlets import CmdletError, Command
from sandbox.http_types import HttpResponse, is_true
from sandbox.state.tenant import Owner, SimulatedTenant, fold_key

NUL_BODY = bytes(512)
AUDIT_LOG_MAILBOX = "8cc370d3-822a-4ab8-a926-bb94bd0641a9"
AUDIT_LOG_CMDLET = "Set-AdminAuditLogConfig"
MAILBOX_WRITES = frozenset(
    {"Set-Mailbox", "Set-CASMailbox", "Set-MailboxAuditBypassAssociation", "Set-User"}
)
ANCHOR_FORMS = "exchange-anchor-form"


def build_no_cmdlet_response(tenant: SimulatedTenant, command: str) -> HttpResponse:
    """The response to a cmdlet that the app's roles lack, or that does not exist."""
    if tenant.reality.plays("exchange-empty-403", "nul"):
        return build_no_role_response(has_app_role=True)
    text = (
        f"The term '{command[:128]}' is not recognized as the name of a cmdlet, function, script "
        "file, or operable program."
    )
    inner = {"message": text, "type": "System.Management.Automation.CommandNotFoundException"}
    error = {"code": "BadRequest", "message": "Invalid Operation"}
    return HttpResponse(400, {"error": {**error, "innererror": {"internalexception": inner}}})


class NoCmdlet(Exception):
    """The app's roles have no such cmdlet, or there is none of this name."""


def build_no_role_response(has_app_role: bool) -> HttpResponse:
    """The response to an app without a cmdlet, or without the app role at all."""
    if not has_app_role:
        return HttpResponse(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return HttpResponse(403, raw=NUL_BODY, headers={"Content-Type": "application/json"})


@lru_cache(maxsize=16)
def parse_grants(grants: frozenset[str]) -> Mapping[str, frozenset[str] | None]:
    """Parses grants into cmdlets in lower case, each with its parameters; None for all of them."""
    found: dict[str, frozenset[str] | None] = {}
    for grant in grants:
        name, *parameters = grant.split()
        if "-" in name:
            given = frozenset(each.lstrip("-").casefold() for each in parameters)
            found[name.casefold()] = given or None
    return found


def check_parameters(command: Command, allowed: frozenset[str] | None) -> None:
    """Refuses parameters that the role lacks. Raises CmdletError."""
    if allowed is not None and not allowed.issuperset(map(str.casefold, command.parameters)):
        raise CmdletError(
            f"Some of the parameters specified with the '{command.name}' cmdlet aren't present in "
            "the role definition for the current user. Check the management roles assigned to this "
            "user, and try again.",
            "Microsoft.Exchange.Configuration.Authorization.CmdletAccessDeniedException",
            403,
        )


def check_routing(
    tenant: SimulatedTenant, command: Command, anchor: str, inner: bool = False
) -> None:
    """Refuses a command that reached a server without its object. Raises CmdletError."""
    if command.name.casefold() == AUDIT_LOG_CMDLET.casefold():
        enabled = is_true(command.get_parameter("UnifiedAuditLogIngestionEnabled"))
        required = tenant.reality.plays("exchange-audit-log-anchor", "required")
        if enabled and required and AUDIT_LOG_MAILBOX not in anchor.casefold():
            raise build_proxy_error()
        return
    if tenant.reality.plays(ANCHOR_FORMS, "strict") and anchor.upper().startswith(("MBX:", "SMTP")):
        raise build_proxy_error()
    about = command.get_parameter("Mailbox") or command.get_parameter("Identity")
    found = tenant.find_owners(about) if about is not None else ()
    if len(found) != 1 or found[0].mailbox is None or found[0] is find_anchored(tenant, anchor):
        return
    if inner and tenant.reality.plays("exchange-batch-routing", "refused"):
        raise build_proxy_error()
    if found[0].mailbox.get("@sandbox.forest") == "other":
        raise CmdletError(
            f"The mailbox '{str(about)[:128]}' was not found in the local forest. Please connect "
            "to the right forest.",
            "Microsoft.Exchange.Configuration.Tasks.RecipientNotInLocalForestException",
            500,
        )
    required = tenant.reality.plays("exchange-write-anchor", "required")
    if required and command.name.casefold() in map(str.casefold, MAILBOX_WRITES):
        raise build_proxy_error()


def build_proxy_error() -> CmdletError:
    return CmdletError(
        "Cmdlet needs proxy. Current Server FQDN: sandbox01.sandbox.local, Required Server FQDN: "
        "sandbox02.sandbox.local.",
        "Microsoft.Exchange.Configuration.Tasks.CmdletProxyNotAvailableException",
    )


def find_anchored(tenant: SimulatedTenant, anchor: str) -> Owner | None:
    """Finds whose mailbox an anchor means: `SMTP:address`, `UPN:name` or `MBX:guid@tenant`."""
    kind, _, name = anchor.partition(":")
    kind = kind.upper()
    if kind == "MBX":
        name = name.partition("@")[0]
    if kind not in ("SMTP", "UPN", "MBX"):
        return None
    if tenant.reality.get_side(ANCHOR_FORMS) != "each" and kind != "UPN":
        return None
    for owner in tenant.find_owners(name):
        principal = (owner.user or {}).get("userPrincipalName") or (owner.mailbox or {}).get(
            "UserPrincipalName"
        )
        if kind != "UPN" or principal is None or fold_key(principal) == fold_key(name):
            return owner
    return None
