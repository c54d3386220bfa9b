"""Which server runs a command: the values of X-AnchorMailbox, best first. Pure.

Exchange Online routes a request by its anchor. A write that reaches another server than the one
that holds the mailbox is refused (CIPP-API, 2026-08), and so is a read of a mailbox in another
forest. The PowerShell module names a mailbox by `SMTP:<address>` or `MBX:<guid>@<tenant id>`,
together with the header `parameter-based-routing`.
"""

import re

from core.adapters.clouds import REGIONAL_EXCHANGE
from core.adapters.exchange.command import IDENTITY_PARAMETERS, Command
from core.adapters.parsing import GUID

RELIES_ON = (
    "exchange-anchor-form",
    "exchange-mbx-guid",
    "exchange-write-anchor",
    "exchange-regional-hosts",
)

SYSTEM_MAILBOX = "SystemMailbox{bb558c35-97f1-4cb9-8ff7-d53741dc928c}"
# The mailbox whose server holds the settings of the audit log. Without it Exchange answers "Cmdlet
# needs proxy" (pnp/cli-microsoft365#4677); CIPP-API anchors this cmdlet alone to it.
AUDIT_LOG_MAILBOX = "SystemMailbox{8cc370d3-822a-4ab8-a926-bb94bd0641a9}"
AUDIT_LOG_CMDLET = "Set-AdminAuditLogConfig"
ADDRESS = re.compile(r"(?:UPN:)?[\w.+'#&={}-]{1,256}@[\w.-]{1,255}", re.ASCII)
# Some answers name this port of the same host; the PowerShell module talks to 443 (go-exoscc).
BACK_END_PORT = ":446"
HOST = re.compile(r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,8}")


def strip_back_end_port(netloc: str) -> str:
    """A host as a client reaches it."""
    return netloc.removesuffix(BACK_END_PORT)


def is_regional_host(host: str) -> bool:
    """Whether a host is a regional front end of Exchange Online."""
    return HOST.fullmatch(host) is not None and host.endswith(REGIONAL_EXCHANGE)


def build_system_anchor(tenant_id: str) -> str:
    """The anchor of a command that concerns no single mailbox."""
    return f"APP:{SYSTEM_MAILBOX}@{tenant_id}"


def build_mailbox_anchor(name: object, tenant_id: str) -> str:
    """The anchor of a mailbox by address, `UPN:` and principal name, or id; empty for any other.

    Only what looks like one of them gets into a header.
    """
    text = name if isinstance(name, str) else ""
    if "@" not in text:
        return f"MBX:{text}@{tenant_id}" if GUID.fullmatch(text) else ""
    if not ADDRESS.fullmatch(text):
        return ""
    return text if text.startswith("UPN:") else f"SMTP:{text}"


def list_anchors(command: Command, tenant_id: str, form: str) -> tuple[str, ...]:
    """The anchors to try, best first, each of them once.

    `form` is the way of the assumption "exchange-anchor-form": how a mailbox is named to the
    router.
    """
    if command.cmdlet == AUDIT_LOG_CMDLET:
        return (f"APP:{AUDIT_LOG_MAILBOX}@{tenant_id}", f"UPN:{AUDIT_LOG_MAILBOX}@{tenant_id}")
    explicit = build_mailbox_anchor(command.anchor, tenant_id)
    named = [explicit]
    for name in IDENTITY_PARAMETERS:
        if name in command.parameters:
            named.append(build_mailbox_anchor(command.parameters[name], tenant_id))
    # The principal name is mostly the address, so it is a guess that costs one request.
    named += [f"UPN:{one.removeprefix('SMTP:')}" for one in named if one.startswith("SMTP:")]
    prefix = f"{form.upper()}:"
    preferred = [one for one in named if one.startswith(prefix)]
    system = build_system_anchor(tenant_id)
    first = () if explicit else (system,)
    return tuple(dict.fromkeys(filter(None, (*first, *preferred, *named, system))))
