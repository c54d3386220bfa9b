"""Exchange Online's cmdlets that change something."""

from collections.abc import Mapping
from typing import Any

from sandbox.exchange.auditing import (
    LOGON_TYPES,
    NotAllowed,
    NotTransformable,
    changed_audit,
    time_span,
)
from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletError,
    Command,
    Result,
    bad_parameter,
    get_recipient,
    is_group,
    is_rule,
    mailbox_owner,
    named_row,
    not_bound,
    not_found,
    rules_owner,
)
from sandbox.graph.outlook import named, without, without_client_rules
from sandbox.http_types import Row, truth, words
from sandbox.state.tenant import Owner, Tenant

AUDIT = ("DefaultAuditSet", *(f"Audit{each}" for each in LOGON_TYPES))
MAILBOX_BOOLEANS = (
    "AuditEnabled",
    "DeliverToMailboxAndForward",
    "AccountDisabled",
    "HiddenFromAddressListsEnabled",
)
PURGED = "An age limit of 00:00:00 deletes every audit entry of the mailbox."


def boolean(command: Command, name: str) -> bool:
    """A boolean parameter, which must be one: text is not. Raises CmdletError."""
    value = command.parameters[name]
    if not isinstance(value, bool):
        raise bad_parameter(
            f"Cannot process argument transformation on parameter '{name}'. Cannot convert value "
            f'"{str(value)[:64]}" to type System.Boolean.'
        )
    return value


def identity_of(command: Command) -> Any:
    """The identity a write must have. Raises CmdletError."""
    identity = command.given("Identity")
    if identity is None:
        raise not_bound("cannot bind argument to parameter 'Identity' because it is null.")
    return identity


def committed(
    tenant: Tenant, command: Command, row: Row, values: Mapping[str, Any], subject: object
) -> Result:
    """Make a change, note it, and say so when it changed nothing."""
    if truth(command.given("WhatIf")):
        return Result()
    idle = all(name in row and row[name] == value for name, value in values.items())
    tenant.change(row, values, tenant.faults.stale("exchange", [command.line]))
    body = {"CmdletInput": {"CmdletName": command.name, "Parameters": dict(command.parameters)}}
    tenant.record("exchange", "InvokeCommand", f"{command.name} {subject}".rstrip(), body)
    if not idle:
        return Result()
    text = f"The command completed successfully but no settings of '{subject}' have been modified."
    return Result(warnings=(text,))


# Set-Mailbox ------------------------------------------------------------------------------------


def set_mailbox(tenant: Tenant, command: Command) -> Result:
    """Set-Mailbox: audit settings, forwarding, and whether the account may sign in."""
    group = truth(command.given("GroupMailbox"))
    owner = mailbox_owner(tenant, identity_of(command), group)
    mailbox = owner.mailbox or {}
    if group and is_group(mailbox) and command.parameters.keys() & {*AUDIT, "AuditEnabled"}:
        raise bad_parameter("The audit actions of a group mailbox cannot be customized.")
    values = mailbox_values(tenant, command, mailbox)
    result = committed(tenant, command, mailbox, values, command.given("Identity"))
    if truth(command.given("WhatIf")):
        return result
    if "AccountDisabled" in values and owner.user is not None:
        owner.user["accountEnabled"] = not values["AccountDisabled"]
    if values.get("AuditLogAgeLimit") == "00:00:00":
        mailbox["@sandbox.auditPurged"] = True
        return Result(warnings=(*result.warnings, PURGED))
    return result


def mailbox_values(tenant: Tenant, command: Command, mailbox: Row) -> Row:
    """The properties Set-Mailbox sets, with their new values. Raises CmdletError."""
    given = command.parameters
    values: Row = {name: boolean(command, name) for name in MAILBOX_BOOLEANS if name in given}
    flags = {mailbox.get("@sandbox.auditDefaults"), tenant.scene.get("@sandbox.auditDefaults")}
    try:
        wanted = {name: given[name] for name in AUDIT if name in given}
        values |= changed_audit(mailbox, wanted, all_defaults="full" in flags or True in flags)
        if "AuditLogAgeLimit" in given:
            values["AuditLogAgeLimit"] = time_span(given["AuditLogAgeLimit"])
    except NotTransformable as error:
        raise bad_parameter(str(error)) from error
    except NotAllowed as error:
        kind = "Microsoft.Exchange.Configuration.Tasks.RecipientTaskException"
        raise CmdletError(str(error), kind) from error
    if "ForwardingSmtpAddress" in given:
        values["ForwardingSmtpAddress"] = proxy_address(command.given("ForwardingSmtpAddress"))
    if "ForwardingAddress" in given:
        values["ForwardingAddress"] = recipient_name(tenant, command.given("ForwardingAddress"))
    return values


def proxy_address(address: object) -> str | None:
    """A forwarding address with its prefix. Raises CmdletError for what is none."""
    if address is None:
        return None
    bare = str(address)[5:] if str(address).casefold().startswith("smtp:") else str(address)
    if bare.count("@") != 1 or bare.startswith("@") or bare.endswith("@"):
        raise bad_parameter(f"The address '{bare[:128]}' is not valid.")
    return f"smtp:{bare}"


def recipient_name(tenant: Tenant, identity: object) -> str | None:
    """A recipient as ForwardingAddress prints it. Raises CmdletError for one nobody knows."""
    if identity is None:
        return None
    row = get_recipient(tenant, Command("Get-Recipient", {"Identity": identity})).rows[0]
    return str(row.get("Name") or row.get("Identity") or identity)


# Inbox rules and transport rules ----------------------------------------------------------------


def one_rule(tenant: Tenant, command: Command) -> tuple[Owner, Row]:
    """The inbox rule a command means: by mailbox and identity, or `mailbox\\identity` alone."""
    identity = identity_of(command)
    mailbox = command.given("Mailbox") or str(identity).rpartition("\\")[0]
    if not mailbox:
        raise not_bound("an app has no mailbox of its own; name one with the parameter Mailbox.")
    owner = rules_owner(tenant, mailbox)
    for row in owner.exchange_rules or ():
        if is_rule(row, identity):
            return owner, row
    raise not_found(identity)


def switch_inbox_rule(tenant: Tenant, command: Command) -> Result:
    """Disable-InboxRule and Enable-InboxRule. Graph's rule of the same name is the same rule."""
    owner, row = one_rule(tenant, command)
    enabled = command.name.startswith("Enable")
    result = committed(tenant, command, row, {"Enabled": enabled}, command.given("Identity"))
    if not truth(command.given("WhatIf")):
        for twin in named(owner.rules, "displayName", row.get("Name")):
            tenant.change(twin, {"isEnabled": enabled})
        without_client_rules(owner)
    return result


def remove_inbox_rule(tenant: Tenant, command: Command) -> Result:
    owner, row = one_rule(tenant, command)
    result = committed(tenant, command, row, {}, command.given("Identity"))
    if not truth(command.given("WhatIf")):
        without(owner.exchange_rules, row)
        for twin in named(owner.rules, "displayName", row.get("Name")):
            without(owner.rules, twin)
        without_client_rules(owner)
    return Result(result.rows)


def switch_transport_rule(tenant: Tenant, command: Command) -> Result:
    """Disable-TransportRule and Enable-TransportRule."""
    row = named_row(tenant.exchange["Get-TransportRule"], identity_of(command))
    state = "Enabled" if command.name.startswith("Enable") else "Disabled"
    return committed(tenant, command, row, {"State": state}, command.given("Identity"))


# Settings of one object -------------------------------------------------------------------------


def setter(
    reader: str,
    booleans: str,
    texts: str = "",
    alone: bool = False,
    twin: tuple[str, ...] = (),
) -> Cmdlet:
    """A Set-* that puts its parameters on a row of its Get-*. `alone`: there is only one row.

    `twin` are further names of the same one setting.
    """
    names = frozenset(words(booleans))
    free = frozenset(words(texts))

    def run(tenant: Tenant, command: Command) -> Result:
        rows = tenant.configuration(reader)
        identity = command.given("Identity")
        row = rows[0] if alone and rows else named_row(rows, identity or identity_of(command))
        values = {
            name: boolean(command, name) if name in names else value
            for name, value in command.parameters.items()
            if name in names or name in free
        }
        values |= {name: value for value in [*values.values()] for name in twin if name in row}
        return committed(tenant, command, row, values, identity or "")

    return Cmdlet(run, names | free | {"Identity"})


MODES = frozenset({"Automatic", "On", "Off"})


def set_outbound_policy(tenant: Tenant, command: Command) -> Result:
    """Set-HostedOutboundSpamFilterPolicy, its AutoForwardingMode."""
    row = named_row(tenant.exchange["Get-HostedOutboundSpamFilterPolicy"], identity_of(command))
    mode = command.given("AutoForwardingMode")
    if mode not in MODES:
        raise bad_parameter(f"Cannot convert value '{str(mode)[:64]}' to AutoForwardingMode.")
    return committed(tenant, command, row, {"AutoForwardingMode": mode}, command.given("Identity"))


INBOX_RULE = frozenset({"Identity", "Mailbox", "AlwaysDeleteOutlookRulesBlob"})
WRITES: Mapping[str, Cmdlet] = {
    "Set-Mailbox": Cmdlet(
        set_mailbox,
        frozenset(
            {
                *AUDIT,
                *MAILBOX_BOOLEANS,
                "Identity",
                "AuditLogAgeLimit",
                "ForwardingAddress",
                "ForwardingSmtpAddress",
                "GroupMailbox",
            }
        ),
    ),
    "Set-OrganizationConfig": setter(
        "Get-OrganizationConfig", "AuditDisabled OAuth2ClientProfileEnabled", alone=True
    ),
    "Set-AdminAuditLogConfig": setter(
        "Get-AdminAuditLogConfig", "UnifiedAuditLogIngestionEnabled", alone=True
    ),
    "Set-MailboxAuditBypassAssociation": setter(
        "Get-MailboxAuditBypassAssociation", "AuditBypassEnabled"
    ),
    "Set-User": setter("Get-User", "EXOModuleEnabled", twin=("RemotePowerShellEnabled",)),
    "Set-RemoteDomain": setter("Get-RemoteDomain", "AutoForwardEnabled AutoReplyEnabled"),
    "Set-TransportConfig": setter(
        "Get-TransportConfig", "SmtpClientAuthenticationDisabled", alone=True
    ),
    "Set-HostedOutboundSpamFilterPolicy": Cmdlet(
        set_outbound_policy, frozenset({"Identity", "AutoForwardingMode"})
    ),
    "Disable-InboxRule": Cmdlet(switch_inbox_rule, INBOX_RULE),
    "Enable-InboxRule": Cmdlet(switch_inbox_rule, INBOX_RULE),
    "Remove-InboxRule": Cmdlet(remove_inbox_rule, INBOX_RULE),
    "Disable-TransportRule": Cmdlet(switch_transport_rule, frozenset({"Identity"})),
    "Enable-TransportRule": Cmdlet(switch_transport_rule, frozenset({"Identity", "Mode"})),
}
