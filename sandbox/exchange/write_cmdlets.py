"""Exchange Online's cmdlets that write."""

from collections.abc import Mapping
from typing import Any

from sandbox.exchange.auditing import (
    LOGON_TYPES,
    InvalidParameterType,
    ValueNotAllowed,
    build_audit_changes,
    normalize_time_span,
)
from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletError,
    CmdletResult,
    Command,
    build_binding_error,
    build_missing_object_error,
    build_parameter_error,
    find_mailbox_owner,
    find_named_row,
    find_rules_owner,
    get_recipient,
    is_group,
    is_rule,
)
from sandbox.graph.outlook import drop_client_rules, find_twin, remove_row
from sandbox.http_types import Row, is_true, split_words
from sandbox.state.tenant import Owner, SimulatedTenant

AUDIT_PARAMETERS = ("DefaultAuditSet", *(f"Audit{each}" for each in LOGON_TYPES))
MAILBOX_BOOLEANS = (
    "AuditEnabled",
    "DeliverToMailboxAndForward",
    "AccountDisabled",
    "HiddenFromAddressListsEnabled",
)
PURGE_WARNING = "An age limit of 00:00:00 deletes every audit entry of the mailbox."


def read_boolean(command: Command, name: str) -> bool:
    """Reads a boolean parameter; text is not accepted. Raises CmdletError."""
    value = command.parameters[name]
    if not isinstance(value, bool):
        raise build_parameter_error(
            f"Cannot process argument transformation on parameter '{name}'. Cannot convert value "
            f'"{str(value)[:64]}" to type System.Boolean.'
        )
    return value


def require_identity(command: Command) -> Any:
    """The identity that a write must have. Raises CmdletError."""
    identity = command.get_parameter("Identity")
    if identity is None:
        raise build_binding_error(
            "cannot bind argument to parameter 'Identity' because it is null."
        )
    return identity


def commit_change(
    tenant: SimulatedTenant, command: Command, row: Row, values: Mapping[str, Any], subject: object
) -> CmdletResult:
    """Makes and records a change. Returns a warning if nothing changed."""
    if is_true(command.get_parameter("WhatIf")):
        return CmdletResult()
    idle = all(name in row and row[name] == value for name, value in values.items())
    tenant.update_row(row, values, tenant.find_stale_fault("exchange", [command.line]))
    body = {"CmdletInput": {"CmdletName": command.name, "Parameters": dict(command.parameters)}}
    tenant.record_write("exchange", "InvokeCommand", f"{command.name} {subject}".rstrip(), body)
    if not idle:
        return CmdletResult()
    text = f"The command completed successfully but no settings of '{subject}' have been modified."
    return CmdletResult(warnings=(text,))


# Set-Mailbox ------------------------------------------------------------------------------------


def set_mailbox(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Set-Mailbox: audit settings, forwarding, and whether the account may sign in."""
    group = is_true(command.get_parameter("GroupMailbox"))
    owner = find_mailbox_owner(tenant, require_identity(command), group)
    mailbox = owner.mailbox or {}
    if (
        group
        and is_group(mailbox)
        and command.parameters.keys() & {*AUDIT_PARAMETERS, "AuditEnabled"}
    ):
        raise build_parameter_error("The audit actions of a group mailbox cannot be customized.")
    values = build_mailbox_values(tenant, command, mailbox)
    result = commit_change(tenant, command, mailbox, values, command.get_parameter("Identity"))
    if is_true(command.get_parameter("WhatIf")):
        return result
    if "AccountDisabled" in values and owner.user is not None:
        owner.user["accountEnabled"] = not values["AccountDisabled"]
    if values.get("AuditLogAgeLimit") == "00:00:00":
        mailbox["@sandbox.auditPurged"] = True
        return CmdletResult(warnings=(*result.warnings, PURGE_WARNING))
    return result


def build_mailbox_values(tenant: SimulatedTenant, command: Command, mailbox: Row) -> Row:
    """The properties Set-Mailbox sets, with their new values. Raises CmdletError."""
    given = command.parameters
    values: Row = {name: read_boolean(command, name) for name in MAILBOX_BOOLEANS if name in given}
    flags = {mailbox.get("@sandbox.auditDefaults"), tenant.scene.get("@sandbox.auditDefaults")}
    try:
        wanted = {name: given[name] for name in AUDIT_PARAMETERS if name in given}
        values |= build_audit_changes(
            mailbox,
            wanted,
            all_defaults="full" in flags or True in flags,
            refuse_present=tenant.reality.plays("exchange-add-present", "refused"),
        )
        if "AuditLogAgeLimit" in given:
            values["AuditLogAgeLimit"] = normalize_time_span(given["AuditLogAgeLimit"])
    except InvalidParameterType as error:
        raise build_parameter_error(str(error)) from error
    except ValueNotAllowed as error:
        kind = "Microsoft.Exchange.Configuration.Tasks.RecipientTaskException"
        raise CmdletError(str(error), kind) from error
    if "ForwardingSmtpAddress" in given:
        values["ForwardingSmtpAddress"] = format_proxy_address(
            command.get_parameter("ForwardingSmtpAddress")
        )
    if "ForwardingAddress" in given:
        values["ForwardingAddress"] = find_recipient_name(
            tenant, command.get_parameter("ForwardingAddress")
        )
    return values


def format_proxy_address(address: object) -> str | None:
    """A forwarding address with its prefix. Raises CmdletError for an invalid one."""
    if address is None:
        return None
    bare = str(address)[5:] if str(address).casefold().startswith("smtp:") else str(address)
    if bare.count("@") != 1 or bare.startswith("@") or bare.endswith("@"):
        raise build_parameter_error(f"The address '{bare[:128]}' is not valid.")
    return f"smtp:{bare}"


def find_recipient_name(tenant: SimulatedTenant, identity: object) -> str | None:
    """A recipient as ForwardingAddress prints it. Raises CmdletError for an unknown one."""
    if identity is None:
        return None
    row = get_recipient(tenant, Command("Get-Recipient", {"Identity": identity})).rows[0]
    return str(row.get("Name") or row.get("Identity") or identity)


# Inbox rules and transport rules ----------------------------------------------------------------


def find_inbox_rule(tenant: SimulatedTenant, command: Command) -> tuple[Owner, Row]:
    """Finds an inbox rule by mailbox and identity, or by `mailbox\\identity`."""
    identity = require_identity(command)
    mailbox = command.get_parameter("Mailbox") or str(identity).rpartition("\\")[0]
    if not mailbox:
        raise build_binding_error(
            "an app has no mailbox of its own; name one with the parameter Mailbox."
        )
    owner = find_rules_owner(tenant, mailbox)
    for row in owner.exchange_rules or ():
        if is_rule(row, identity):
            return owner, row
    raise build_missing_object_error(identity)


def switch_inbox_rule(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Disable-InboxRule and Enable-InboxRule. Graph's row of the same rule is switched too."""
    owner, row = find_inbox_rule(tenant, command)
    enabled = command.name.startswith("Enable")
    result = commit_change(
        tenant, command, row, {"Enabled": enabled}, command.get_parameter("Identity")
    )
    if not is_true(command.get_parameter("WhatIf")):
        for twin in find_twin(row, owner.exchange_rules, owner.rules):
            tenant.update_row(twin, {"isEnabled": enabled})
        drop_client_rules(owner)
    return result


def remove_inbox_rule(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    owner, row = find_inbox_rule(tenant, command)
    result = commit_change(tenant, command, row, {}, command.get_parameter("Identity"))
    if not is_true(command.get_parameter("WhatIf")):
        twins = find_twin(row, owner.exchange_rules, owner.rules)
        remove_row(owner.exchange_rules, row)
        for twin in twins:
            remove_row(owner.rules, twin)
        drop_client_rules(owner)
    return CmdletResult(result.rows)


def switch_transport_rule(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Disable-TransportRule and Enable-TransportRule."""
    row = find_named_row(tenant.exchange["Get-TransportRule"], require_identity(command))
    state = "Enabled" if command.name.startswith("Enable") else "Disabled"
    return commit_change(tenant, command, row, {"State": state}, command.get_parameter("Identity"))


# Settings of one object -------------------------------------------------------------------------


def is_dehydrated(tenant: SimulatedTenant) -> bool:
    """True for an organization that still uses Microsoft's shared configuration."""
    return any(
        is_true(row.get("IsDehydrated")) for row in tenant.list_rows("Get-OrganizationConfig")
    )


def make_setter(
    read_cmdlet: str,
    booleans: str,
    texts: str = "",
    single_row: bool = False,
    aliases: tuple[str, ...] = (),
    dehydrates: bool = False,
) -> Cmdlet:
    """Makes a Set-* that sets its parameters on a row of its Get-*.

    With `single_row` there is only one row. `aliases` are further properties with the same value.
    With `dehydrates` it is refused where the organization's row says IsDehydrated.
    """
    names = frozenset(split_words(booleans))
    free = frozenset(split_words(texts))

    def run(tenant: SimulatedTenant, command: Command) -> CmdletResult:
        rows = tenant.list_rows(read_cmdlet)
        identity = command.get_parameter("Identity")
        row = (
            rows[0]
            if single_row and rows
            else find_named_row(rows, identity or require_identity(command))
        )
        values = {
            name: read_boolean(command, name) if name in names else value
            for name, value in command.parameters.items()
            if name in names or name in free
        }
        values |= {name: value for value in [*values.values()] for name in aliases if name in row}
        if dehydrates and is_dehydrated(tenant):
            raise CmdletError(
                "The command you tried to run isn't currently allowed in your organization. To "
                "run this command, you first need to run the command "
                "Enable-OrganizationCustomization.",
                "Microsoft.Exchange.Configuration.Tasks."
                "InvalidOperationInDehydratedContextException",
            )
        return commit_change(tenant, command, row, values, identity or "")

    return Cmdlet(run, names | free | {"Identity"})


FORWARDING_MODES = frozenset({"Automatic", "On", "Off"})


def set_outbound_policy(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Set-HostedOutboundSpamFilterPolicy, its AutoForwardingMode."""
    row = find_named_row(
        tenant.exchange["Get-HostedOutboundSpamFilterPolicy"], require_identity(command)
    )
    mode = command.get_parameter("AutoForwardingMode")
    if mode not in FORWARDING_MODES:
        raise build_parameter_error(
            f"Cannot convert value '{str(mode)[:64]}' to AutoForwardingMode."
        )
    return commit_change(
        tenant, command, row, {"AutoForwardingMode": mode}, command.get_parameter("Identity")
    )


INBOX_RULE_PARAMETERS = frozenset({"Identity", "Mailbox", "AlwaysDeleteOutlookRulesBlob"})
WRITE_CMDLETS: Mapping[str, Cmdlet] = {
    "Set-Mailbox": Cmdlet(
        set_mailbox,
        frozenset(
            {
                *AUDIT_PARAMETERS,
                *MAILBOX_BOOLEANS,
                "Identity",
                "AuditLogAgeLimit",
                "ForwardingAddress",
                "ForwardingSmtpAddress",
                "GroupMailbox",
            }
        ),
    ),
    "Set-OrganizationConfig": make_setter(
        "Get-OrganizationConfig", "AuditDisabled OAuth2ClientProfileEnabled", single_row=True
    ),
    "Set-AdminAuditLogConfig": make_setter(
        "Get-AdminAuditLogConfig",
        "UnifiedAuditLogIngestionEnabled",
        single_row=True,
        dehydrates=True,
    ),
    "Set-MailboxAuditBypassAssociation": make_setter(
        "Get-MailboxAuditBypassAssociation", "AuditBypassEnabled"
    ),
    "Set-User": make_setter("Get-User", "EXOModuleEnabled", aliases=("RemotePowerShellEnabled",)),
    "Set-RemoteDomain": make_setter("Get-RemoteDomain", "AutoForwardEnabled AutoReplyEnabled"),
    "Set-TransportConfig": make_setter(
        "Get-TransportConfig", "SmtpClientAuthenticationDisabled", single_row=True
    ),
    "Set-HostedOutboundSpamFilterPolicy": Cmdlet(
        set_outbound_policy, frozenset({"Identity", "AutoForwardingMode"})
    ),
    "Disable-InboxRule": Cmdlet(switch_inbox_rule, INBOX_RULE_PARAMETERS),
    "Enable-InboxRule": Cmdlet(switch_inbox_rule, INBOX_RULE_PARAMETERS),
    "Remove-InboxRule": Cmdlet(remove_inbox_rule, INBOX_RULE_PARAMETERS),
    "Disable-TransportRule": Cmdlet(switch_transport_rule, frozenset({"Identity"})),
    "Enable-TransportRule": Cmdlet(switch_transport_rule, frozenset({"Identity", "Mode"})),
}
