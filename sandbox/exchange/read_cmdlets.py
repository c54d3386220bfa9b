"""Exchange Online's cmdlets: what a command is, how it fails, and those that only read.

Parameters and defaults follow Microsoft's Exchange PowerShell reference. A Get-* of which only the
scene knows is served from there, so that an export of any tenant can be looked at.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.graph.odata import BadFilter, listed, parse_filter
from sandbox.http_types import Row, truth, words
from sandbox.state.tenant import Owner, Tenant, bare_address, folded, keys_of

ANYWHERE = ("Confirm", "WhatIf", "Force", "ErrorAction", "WarningAction", "DomainController")
USUAL_RESULT_SIZE = 1000
IDENTITY_NAMES = ("Identity", "Name", "Guid", "DomainName", "Id", "DistinguishedName")


class CmdletError(Exception):
    """A command that failed. `type` is the .NET exception, whose name clients go by."""

    def __init__(self, message: str, type_name: str, status: int = 400, subject: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.type = type_name
        self.status = status
        self.subject = subject


def bad_parameter(message: str) -> CmdletError:
    kind = "Microsoft.Exchange.AdminApi.CommandInvocation.ParameterTransformationException"
    return CmdletError(message, kind)


def not_bound(message: str) -> CmdletError:
    kind = "Microsoft.Exchange.AdminApi.CommandInvocation.AmbiguousParameterSetException"
    return CmdletError(f"Parameter set cannot be resolved: {message}", kind)


def not_found(identity: object) -> CmdletError:
    text = str(identity)[:256]
    return CmdletError(
        f"The operation couldn't be performed because object '{text}' couldn't be found on "
        "'SANDBOXDC01.sandbox.local'.",
        "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException",
        subject=text,
    )


def ambiguous(identity: object) -> CmdletError:
    return CmdletError(
        f"The operation couldn't be performed because '{str(identity)[:256]}' matches multiple "
        "entries.",
        "Microsoft.Exchange.Configuration.Tasks.ManagementObjectAmbiguousException",
    )


@dataclass(frozen=True, slots=True)
class Command:
    """A cmdlet with its parameters, in the spelling of the reference."""

    name: str
    parameters: Mapping[str, Any]

    def given(self, name: str) -> Any:
        """A parameter's value; null and the empty text count as not given."""
        value = self.parameters.get(name)
        return None if value == "" else value

    @property
    def line(self) -> str:
        """What faults are matched against: the cmdlet, the mailbox, the identity."""
        about = (self.given("Mailbox"), self.given("Identity"))
        return " ".join([self.name, *(str(each) for each in about if each is not None)])


@dataclass(frozen=True, slots=True)
class Result:
    rows: Sequence[Row] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cmdlet:
    """A cmdlet the sandbox can run, and the parameters it takes besides those all take."""

    run: Callable[[Tenant, Command], Result]
    parameters: frozenset[str] = field(default_factory=frozenset)

    def spelled(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters in their own spelling. Raises CmdletError for one that does not exist."""
        spelling = {name.casefold(): name for name in (*self.parameters, *ANYWHERE)}
        result = {}
        for name, value in given.items():
            if name.casefold() not in spelling:
                raise not_bound(f"no parameter matches the name '{name[:64]}'.")
            result[spelling[name.casefold()]] = value
        return result


# Finding ----------------------------------------------------------------------------------------


def mailbox_owner(tenant: Tenant, identity: object, group: bool = False) -> Owner:
    """The one mailbox an identity means. Raises CmdletError for none or several."""
    found = [
        owner
        for owner in tenant.find(identity)
        if owner.mailbox is not None and is_group(owner.mailbox) == group
    ]
    if not found:
        raise not_found(identity)
    if len(found) > 1:
        found = [owner for owner in found if is_exactly(owner.mailbox, identity)]
        if len(found) != 1:
            raise ambiguous(identity)
    return found[0]


def is_exactly(row: Row | None, identity: object) -> bool:
    """True when an identity is one of a row's ids or addresses, which no two rows share."""
    names = ("Guid", "ExternalDirectoryObjectId", "PrimarySmtpAddress", "Identity")
    return row is not None and folded(identity) in [folded(row.get(name)) for name in names]


def is_group(row: Row | None) -> bool:
    return (row or {}).get("RecipientTypeDetails") == "GroupMailbox"


def named_row(rows: Sequence[Row], identity: object) -> Row:
    """The row of a configuration list an identity means. Raises CmdletError."""
    wanted = folded(identity)
    for row in rows:
        if wanted in [folded(row[name]) for name in IDENTITY_NAMES if row.get(name)]:
            return row
    for row in rows:
        if wanted in keys_of(row):
            return row
    raise not_found(identity)


def limited(rows: Sequence[Row], command: Command) -> Sequence[Row]:
    """As many rows as ResultSize allows: a thousand where nothing is said, without a word."""
    size = command.given("ResultSize")
    if size is None:
        return rows[:USUAL_RESULT_SIZE]
    if str(size).casefold() == "unlimited":
        return rows
    if isinstance(size, bool) or not str(size).isdigit():
        raise bad_parameter(f"Cannot convert value '{str(size)[:64]}' to Unlimited[UInt32].")
    return rows[: int(str(size))]


def filtered(tenant: Tenant, rows: Sequence[Row], command: Command) -> Sequence[Row]:
    """The rows that RecipientTypeDetails and Filter let through. Raises CmdletError."""
    kinds = {str(kind).strip().casefold() for kind in split(command.given("RecipientTypeDetails"))}
    if kinds:
        rows = [row for row in rows if folded(row.get("RecipientTypeDetails")) in kinds]
    text = command.given("Filter")
    if text is None:
        return rows
    try:
        wanted = parse_filter(str(text))
    except BadFilter as error:
        raise CmdletError(
            f'Invalid filter syntax. "{str(text)[:256]}": {error}',
            "Microsoft.Exchange.Data.Filtering.ParsingException",
        ) from error
    return [row for row in rows if wanted.test(tenant.current(row, counted=False))]


def split(value: object) -> Iterable[object]:
    return value.split(",") if isinstance(value, str) else listed(value)


# Reading ----------------------------------------------------------------------------------------


def get_mailbox(tenant: Tenant, command: Command) -> Result:
    """Get-Mailbox. Without an identity, null and empty included, it lists every mailbox."""
    group = truth(command.given("GroupMailbox"))
    identity = command.given("Identity")
    if identity is not None:
        rows: Sequence[Row] = [mailbox_owner(tenant, identity, group).mailbox or {}]
    else:
        inactive_too = truth(command.given("IncludeInactiveMailbox"))
        inactive_only = truth(command.given("InactiveMailboxOnly"))
        rows = [
            row
            for row in tenant.exchange["Get-Mailbox"]
            if is_group(row) == group
            and (inactive_too or truth(row.get("IsInactiveMailbox")) == inactive_only)
        ]
    return Result(limited(filtered(tenant, rows, command), command))


def recipient_row(owner: Owner) -> Row | None:
    return owner.mailbox if owner.recipient is None else owner.recipient


def get_recipient(tenant: Tenant, command: Command) -> Result:
    """Get-Recipient: the scene's rows, and the mailboxes that have none among them."""
    identity = command.given("Identity")
    if identity is not None:
        found = [
            row for owner in tenant.find(identity) if (row := recipient_row(owner)) is not None
        ]
        exact = [row for row in found if is_exactly(row, bare_address(identity))]
        rows = exact if len(exact) == 1 else found
        if not rows:
            raise not_found(identity)
        if len(rows) > 1:
            raise ambiguous(identity)
    else:
        rows = list(tenant.exchange["Get-Recipient"])
        owners = (
            owner for row in tenant.exchange["Get-Mailbox"] for owner in owners_of(tenant, row)
        )
        rows += [owner.mailbox for owner in owners if owner.recipient is None and owner.mailbox]
    return Result(limited(filtered(tenant, rows, command), command))


def owners_of(tenant: Tenant, mailbox: Row) -> list[Owner]:
    """The owner of a mailbox row, found by the first key it has."""
    for key in keys_of(mailbox):
        found = [owner for owner in tenant.find(key) if owner.mailbox is mailbox]
        if found:
            return found
    return [Owner(mailbox=mailbox)]


def rules_owner(tenant: Tenant, mailbox: object) -> Owner:
    """Whose inbox rules a mailbox identity means. Raises CmdletError."""
    found = [
        one for one in tenant.find(mailbox) if one.has_mailbox or one.exchange_rules is not None
    ]
    if not found:
        raise not_found(mailbox)
    if len(found) > 1:
        return mailbox_owner(tenant, mailbox)
    return found[0]


def is_rule(row: Row, identity: object) -> bool:
    """True when a rule answers to an identity: its own, its number, or its name."""
    text = folded(identity)
    names = {folded(row.get(name)) for name in ("Identity", "RuleIdentity", "Name")}
    return text in names or text.rpartition("\\")[2] in names


def get_inbox_rule(tenant: Tenant, command: Command) -> Result:
    """Get-InboxRule: one mailbox a call, hidden rules only when they are asked for."""
    mailbox, identity = command.given("Mailbox"), command.given("Identity")
    if mailbox is None and "\\" in str(identity or ""):
        mailbox = str(identity).rpartition("\\")[0]
    if mailbox is None:
        raise not_bound("an app has no mailbox of its own; name one with the parameter Mailbox.")
    hidden_too = truth(command.given("IncludeHidden"))
    rows = [
        row
        for row in rules_owner(tenant, mailbox).exchange_rules or ()
        if hidden_too or not truth(row.get("@sandbox.hidden"))
    ]
    if identity is not None:
        rows = [row for row in rows if is_rule(row, identity)]
        if not rows:
            raise not_found(identity)
    return Result(limited(rows, command))


def get_rows(tenant: Tenant, command: Command) -> Result:
    """Any other Get-*: the rows of the scene, one of them with an identity."""
    rows: Sequence[Row] = tenant.configuration(command.name)
    identity = command.given("Identity")
    if identity is not None:
        rows = [named_row(rows, identity)]
    state = command.given("State")
    if state is not None:
        rows = [row for row in rows if folded(row.get("State")) == folded(state)]
    return Result(limited(filtered(tenant, rows, command), command))


def get_role_group_member(tenant: Tenant, command: Command) -> Result:
    """Get-RoleGroupMember: of one role group, which must be named."""
    identity = command.given("Identity")
    if identity is None:
        raise not_bound("cannot bind argument to parameter 'Identity' because it is null.")
    group = named_row(tenant.exchange["Get-RoleGroup"], identity)
    members: Mapping[str, list[Row]] = tenant.exchange["Get-RoleGroupMember"]
    return Result(limited(members.get(str(group.get("Name")), ()), command))


LISTING = frozenset({"Identity", "ResultSize", "Filter"})
READS: Mapping[str, Cmdlet] = {
    "Get-Mailbox": Cmdlet(
        get_mailbox,
        LISTING
        | frozenset(
            words(
                "Anr RecipientTypeDetails GroupMailbox InactiveMailboxOnly IncludeInactiveMailbox"
                " SoftDeletedMailbox SortBy"
            )
        ),
    ),
    "Get-Recipient": Cmdlet(
        get_recipient,
        LISTING | frozenset(words("Anr RecipientType RecipientTypeDetails SortBy")),
    ),
    "Get-InboxRule": Cmdlet(
        get_inbox_rule,
        frozenset(
            words(
                "Identity Mailbox IncludeHidden BypassScopeCheck ResultSize SkipCount SweepRules"
                " DescriptionTimeFormat DescriptionTimeZone UseCustomRouting"
            )
        ),
    ),
    "Get-User": Cmdlet(get_rows, LISTING | {"RecipientTypeDetails", "Anr", "SortBy"}),
    "Get-RoleGroup": Cmdlet(get_rows, LISTING | {"SortBy", "ShowPartnerLinked"}),
    "Get-RoleGroupMember": Cmdlet(get_role_group_member, frozenset({"Identity", "ResultSize"})),
    "Get-OrganizationConfig": Cmdlet(get_rows),
    "Get-AdminAuditLogConfig": Cmdlet(get_rows),
    "Get-TransportConfig": Cmdlet(get_rows, frozenset({"Identity"})),
    "Get-MailboxAuditBypassAssociation": Cmdlet(get_rows, frozenset({"Identity", "ResultSize"})),
    "Get-AcceptedDomain": Cmdlet(get_rows, frozenset({"Identity", "ResultSize"})),
    "Get-RemoteDomain": Cmdlet(get_rows, frozenset({"Identity", "ResultSize"})),
    "Get-TransportRule": Cmdlet(
        get_rows, LISTING | frozenset(words("State DlpPolicy ExcludeConditionActionDetails"))
    ),
    "Get-HostedOutboundSpamFilterPolicy": Cmdlet(get_rows, frozenset({"Identity"})),
    "Get-HostedOutboundSpamFilterRule": Cmdlet(get_rows, frozenset({"Identity", "State"})),
}
ANY_READ = Cmdlet(get_rows, LISTING | {"RecipientTypeDetails", "State", "Anr", "SortBy"})
