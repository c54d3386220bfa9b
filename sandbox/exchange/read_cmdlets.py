"""Exchange Online's cmdlets: commands, their errors, and the cmdlets that only read.

Parameters and defaults follow Microsoft's Exchange PowerShell reference. Any other Get-* is served
from the scene, so that the export of any tenant can be simulated.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from core.microsoft365.recipient_kinds import RECIPIENT_KINDS
from sandbox.graph.odata import InvalidFilter, parse_filter, to_list
from sandbox.http_types import Row, is_true, split_words
from sandbox.state.row_index import MIN_ROWS, RowIndex
from sandbox.state.tenant import Owner, SimulatedTenant, fold_key, iter_keys, strip_address_prefix

COMMON_PARAMETERS = (
    "Confirm",
    "WhatIf",
    "Force",
    "ErrorAction",
    "WarningAction",
    "DomainController",
)
KNOWN_KINDS = frozenset(map(str.casefold, RECIPIENT_KINDS))
DEFAULT_RESULT_SIZE = 1000
IDENTITY_NAMES = (
    *("Identity", "Name", "Guid", "BatchGuid", "DomainName", "Id", "DistinguishedName"),
)


class CmdletError(Exception):
    """A failed command. `type` is the .NET exception, whose name clients check."""

    def __init__(self, message: str, type_name: str, status: int = 400, subject: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.type = type_name
        self.status = status
        self.subject = subject


def build_parameter_error(message: str) -> CmdletError:
    kind = "Microsoft.Exchange.AdminApi.CommandInvocation.ParameterTransformationException"
    return CmdletError(message, kind)


def build_binding_error(message: str) -> CmdletError:
    kind = "Microsoft.Exchange.AdminApi.CommandInvocation.AmbiguousParameterSetException"
    return CmdletError(f"Parameter set cannot be resolved: {message}", kind)


def build_missing_object_error(identity: object) -> CmdletError:
    text = str(identity)[:256]
    return CmdletError(
        f"The operation couldn't be performed because object '{text}' couldn't be found on "
        "'SANDBOXDC01.sandbox.local'.",
        "Microsoft.Exchange.Configuration.Tasks.ManagementObjectNotFoundException",
        subject=text,
    )


def build_ambiguity_error(identity: object) -> CmdletError:
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

    def get_parameter(self, name: str) -> Any:
        """A parameter's value; null and the empty string count as absent."""
        value = self.parameters.get(name)
        return None if value == "" else value

    @property
    def line(self) -> str:
        """The line that faults are matched against: cmdlet, mailbox, identity."""
        about = (self.get_parameter("Mailbox"), self.get_parameter("Identity"))
        return " ".join([self.name, *(str(each) for each in about if each is not None)])


@dataclass(frozen=True, slots=True)
class CmdletResult:
    rows: Sequence[Row] = ()
    warnings: tuple[str, ...] = ()


@cache
def fold_parameters(parameters: frozenset[str]) -> Mapping[str, str]:
    """How the parameters of a cmdlet are spelled, and the common ones, by their lower case."""
    return {name.casefold(): name for name in (*parameters, *COMMON_PARAMETERS)}


@dataclass(frozen=True, slots=True)
class Cmdlet:
    """A cmdlet of the sandbox and its parameters besides the common ones."""

    run: Callable[[SimulatedTenant, Command], CmdletResult]
    parameters: frozenset[str] = field(default_factory=frozenset)

    def normalize_parameters(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters in canonical spelling. Raises CmdletError for an unknown one."""
        spelling = fold_parameters(self.parameters)
        result = {}
        for name, value in parameters.items():
            if name.casefold() not in spelling:
                raise build_binding_error(f"no parameter matches the name '{name[:64]}'.")
            result[spelling[name.casefold()]] = value
        return result


# Finding ----------------------------------------------------------------------------------------


def find_mailbox_owner(tenant: SimulatedTenant, identity: object, group: bool = False) -> Owner:
    """Finds the one mailbox of an identity. Raises CmdletError for none or several."""
    found = [
        owner
        for owner in tenant.find_owners(identity)
        if owner.mailbox is not None and is_group(owner.mailbox) == group
    ]
    if not found:
        raise build_missing_object_error(identity)
    if len(found) > 1:
        found = [owner for owner in found if is_exact_match(owner.mailbox, identity)]
        if len(found) != 1:
            raise build_ambiguity_error(identity)
    return found[0]


def is_exact_match(row: Row | None, identity: object) -> bool:
    """True if an identity is one of a row's unique ids or addresses."""
    names = ("Guid", "ExternalDirectoryObjectId", "PrimarySmtpAddress", "Identity")
    return row is not None and fold_key(identity) in [fold_key(row.get(name)) for name in names]


def is_unique_match(row: Row, identity: object) -> bool:
    """True if an identity is one of a row's ids, which are never ambiguous, unlike addresses: a
    display name may be somebody else's address (CrowdStrike/CRT#39).
    """
    names = ("Guid", "ExchangeObjectId", "ExternalDirectoryObjectId", "DistinguishedName")
    return fold_key(identity) in [fold_key(row[name]) for name in names if row.get(name)]


def is_group(row: Row | None) -> bool:
    return (row or {}).get("RecipientTypeDetails") == "GroupMailbox"


def find_named_row(rows: Sequence[Row], identity: object) -> Row:
    """Finds the row of a configuration list by identity. Raises CmdletError."""
    wanted = fold_key(identity)
    for row in rows:
        if wanted in [fold_key(row[name]) for name in IDENTITY_NAMES if row.get(name)]:
            return row
    for row in rows:
        if wanted in iter_keys(row):
            return row
    raise build_missing_object_error(identity)


def limit_rows(rows: Sequence[Row], command: Command) -> Sequence[Row]:
    """Limits rows to ResultSize: silently to a thousand by default."""
    size = command.get_parameter("ResultSize")
    if size is None:
        return rows[:DEFAULT_RESULT_SIZE]
    if str(size).casefold() == "unlimited":
        return rows
    if isinstance(size, bool) or not str(size).isdigit():
        raise build_parameter_error(
            f"Cannot convert value '{str(size)[:64]}' to Unlimited[UInt32]."
        )
    return rows[: int(str(size))]


def filter_cmdlet_rows(
    tenant: SimulatedTenant, rows: Sequence[Row], command: Command
) -> Sequence[Row]:
    """Filters rows by RecipientTypeDetails and Filter. Raises CmdletError."""
    kinds = {
        str(kind).strip().casefold()
        for kind in split_values(command.get_parameter("RecipientTypeDetails"))
    }
    if kinds:
        check_recipient_kinds(tenant, kinds)
        rows = [row for row in rows if fold_key(row.get("RecipientTypeDetails")) in kinds]
    text = command.get_parameter("Filter")
    if text is None:
        return rows
    try:
        wanted = parse_filter(str(text))
    except InvalidFilter as error:
        raise CmdletError(
            f'Invalid filter syntax. "{str(text)[:256]}": {error}',
            "Microsoft.Exchange.Data.Filtering.ParsingException",
        ) from error
    return [row for row in rows if wanted.matches(tenant.read_row(row, counts_as_read=False))]


def narrow_rows(tenant: SimulatedTenant, command: Command, rows: Sequence[Row]) -> Sequence[Row]:
    """The rows of a long listing that may meet the filter of a command, by an index.

    Only `filter_cmdlet_rows` says which of them do, and what is wrong with a filter.
    """
    text = command.get_parameter("Filter")
    # A row that is shown as it was before may meet a filter that it does not meet now.
    if text is None or len(rows) < MIN_ROWS or tenant.stale_rows:
        return rows
    try:
        wanted = parse_filter(str(text))
    except InvalidFilter:
        return rows
    index = tenant.row_indexes.get(command.name)
    if index is None or not index.is_of(rows):
        index = tenant.row_indexes[command.name] = RowIndex(rows)
    return index.find_rows(wanted.conditions)


def check_recipient_kinds(tenant: SimulatedTenant, kinds: Iterable[str]) -> None:
    """Refuses an unknown kind where that is no empty answer. Raises CmdletError."""
    unknown = sorted(set(kinds) - KNOWN_KINDS)
    if unknown and tenant.reality.plays("exchange-recipient-kinds", "refused"):
        raise build_parameter_error(
            f"Cannot convert value '{unknown[0][:64]}' to RecipientTypeDetails."
        )


def split_values(value: object) -> Iterable[object]:
    return value.split(",") if isinstance(value, str) else to_list(value)


# Reading ----------------------------------------------------------------------------------------


def get_mailbox(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-Mailbox. Without an identity, or with a null or empty one, it lists every mailbox."""
    group = is_true(command.get_parameter("GroupMailbox"))
    identity = command.get_parameter("Identity")
    if identity is not None:
        rows: Sequence[Row] = [find_mailbox_owner(tenant, identity, group).mailbox or {}]
    else:
        inactive_too = is_true(command.get_parameter("IncludeInactiveMailbox"))
        inactive_only = is_true(command.get_parameter("InactiveMailboxOnly"))
        rows = [
            row
            for row in narrow_rows(tenant, command, tenant.exchange["Get-Mailbox"])
            if is_group(row) == group
            and (inactive_too or is_true(row.get("IsInactiveMailbox")) == inactive_only)
        ]
    return CmdletResult(limit_rows(filter_cmdlet_rows(tenant, rows, command), command))


def get_recipient_row(owner: Owner) -> Row | None:
    return owner.mailbox if owner.recipient is None else owner.recipient


def get_recipient(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-Recipient: the scene's rows, and the mailboxes that have none among them."""
    identity = command.get_parameter("Identity")
    if identity is not None:
        named = dict.fromkeys((*tenant.find_owners(identity), *tenant.find_displayed(identity)))
        found = [row for owner in named if (row := get_recipient_row(owner)) is not None]
        exact = [row for row in found if is_unique_match(row, strip_address_prefix(identity))]
        rows = exact if len(exact) == 1 else found
        if not rows:
            raise build_missing_object_error(identity)
        if len(rows) > 1:
            raise build_ambiguity_error(identity)
    else:
        rows = list(tenant.exchange["Get-Recipient"])
        owners = (
            owner
            for row in tenant.exchange["Get-Mailbox"]
            for owner in find_row_owners(tenant, row)
        )
        rows += [owner.mailbox for owner in owners if owner.recipient is None and owner.mailbox]
    return CmdletResult(limit_rows(filter_cmdlet_rows(tenant, rows, command), command))


def list_stand_ins(kinds: frozenset[str]) -> Callable[[SimulatedTenant, Command], CmdletResult]:
    """Makes a Get-* of the recipients of some kinds, such as Get-MailContact."""

    def run(tenant: SimulatedTenant, command: Command) -> CmdletResult:
        rows: Sequence[Row] = [
            row
            for row in tenant.exchange["Get-Recipient"]
            if fold_key(row.get("RecipientTypeDetails")) in kinds
        ]
        identity = command.get_parameter("Identity")
        if identity is not None:
            rows = [find_named_row(rows, identity)]
        return CmdletResult(limit_rows(filter_cmdlet_rows(tenant, rows, command), command))

    return run


def find_row_owners(tenant: SimulatedTenant, mailbox: Row) -> list[Owner]:
    """Finds the owners of a mailbox row by the first key it has."""
    for key in iter_keys(mailbox):
        found = [owner for owner in tenant.find_owners(key) if owner.mailbox is mailbox]
        if found:
            return found
    return [Owner(mailbox=mailbox)]


def find_rules_owner(tenant: SimulatedTenant, mailbox: object) -> Owner:
    """Finds whose inbox rules a mailbox identity means. Raises CmdletError."""
    found = [
        one
        for one in tenant.find_owners(mailbox)
        if one.has_mailbox or one.exchange_rules is not None
    ]
    if not found:
        raise build_missing_object_error(mailbox)
    if len(found) > 1:
        return find_mailbox_owner(tenant, mailbox)
    return found[0]


def is_rule(row: Row, identity: object) -> bool:
    """True if an identity is the rule's own identity, number or name."""
    text = fold_key(identity)
    names = {fold_key(row.get(name)) for name in ("Identity", "RuleIdentity", "Name")}
    return text in names or text.rpartition("\\")[2] in names


def get_inbox_rule(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-InboxRule: one mailbox per call; hidden rules only on request."""
    mailbox, identity = command.get_parameter("Mailbox"), command.get_parameter("Identity")
    if mailbox is None and "\\" in str(identity or ""):
        mailbox = str(identity).rpartition("\\")[0]
    if mailbox is None:
        raise build_binding_error(
            "an app has no mailbox of its own; name one with the parameter Mailbox."
        )
    hidden_too = is_true(command.get_parameter("IncludeHidden"))
    rows = [
        row
        for row in find_rules_owner(tenant, mailbox).exchange_rules or ()
        if hidden_too or not is_true(row.get("@sandbox.hidden"))
    ]
    if identity is not None:
        rows = [row for row in rows if is_rule(row, identity)]
        if not rows:
            raise build_missing_object_error(identity)
    return CmdletResult(limit_rows(rows, command))


def get_rows(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Any other Get-*: the scene's rows, or the one of an identity."""
    rows: Sequence[Row] = tenant.list_rows(command.name)
    identity = command.get_parameter("Identity")
    if identity is not None:
        rows = [find_named_row(rows, identity)]
    else:
        rows = narrow_rows(tenant, command, rows)
    state = command.get_parameter("State")
    if state is not None:
        rows = [row for row in rows if fold_key(row.get("State")) == fold_key(state)]
    return CmdletResult(limit_rows(filter_cmdlet_rows(tenant, rows, command), command))


def get_role_group_member(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-RoleGroupMember: one role group, which must be named."""
    identity = command.get_parameter("Identity")
    if identity is None:
        raise build_binding_error(
            "cannot bind argument to parameter 'Identity' because it is null."
        )
    group = find_named_row(tenant.exchange["Get-RoleGroup"], identity)
    members: Mapping[str, list[Row]] = tenant.exchange["Get-RoleGroupMember"]
    return CmdletResult(limit_rows(members.get(str(group.get("Name")), ()), command))


def get_allow_block_list(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-TenantAllowBlockListItems: one list, which must be named and which no row names."""
    wanted = command.get_parameter("ListType")
    if wanted is None:
        raise build_binding_error("missing mandatory parameters: ListType.")
    rows = [
        {name: value for name, value in row.items() if name != "ListType"}
        for row in tenant.exchange["Get-TenantAllowBlockListItems"]
        if fold_key(row.get("ListType")) == fold_key(wanted)
    ]
    return CmdletResult([tenant.read_row(row) for row in rows])


def get_blocked_senders(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-BlockedSenderAddress: all who may not send, or the one of an address."""
    rows, address = tenant.list_rows(command.name), command.get_parameter("SenderAddress")
    if address is not None:
        rows = [row for row in rows if fold_key(row.get("SenderAddress")) == fold_key(address)]
    return CmdletResult(rows)


LIST_PARAMETERS = frozenset({"Identity", "ResultSize", "Filter"})
READ_CMDLETS: Mapping[str, Cmdlet] = {
    "Get-Mailbox": Cmdlet(
        get_mailbox,
        LIST_PARAMETERS
        | frozenset(
            split_words(
                "Anr RecipientTypeDetails GroupMailbox InactiveMailboxOnly IncludeInactiveMailbox"
                " SoftDeletedMailbox SortBy"
            )
        ),
    ),
    "Get-Recipient": Cmdlet(
        get_recipient,
        LIST_PARAMETERS | frozenset(split_words("Anr RecipientType RecipientTypeDetails SortBy")),
    ),
    "Get-MailContact": Cmdlet(
        list_stand_ins(frozenset({"mailcontact", "mailforestcontact"})), LIST_PARAMETERS
    ),
    "Get-MailUser": Cmdlet(
        list_stand_ins(frozenset({"mailuser", "guestmailuser"})), LIST_PARAMETERS
    ),
    "Get-InboxRule": Cmdlet(
        get_inbox_rule,
        frozenset(
            split_words(
                "Identity Mailbox IncludeHidden BypassScopeCheck ResultSize SkipCount SweepRules"
                " DescriptionTimeFormat DescriptionTimeZone UseCustomRouting"
            )
        ),
    ),
    "Get-User": Cmdlet(get_rows, LIST_PARAMETERS | {"RecipientTypeDetails", "Anr", "SortBy"}),
    "Get-RoleGroup": Cmdlet(get_rows, LIST_PARAMETERS | {"SortBy", "ShowPartnerLinked"}),
    "Get-RoleGroupMember": Cmdlet(get_role_group_member, frozenset({"Identity", "ResultSize"})),
    "Get-OrganizationConfig": Cmdlet(get_rows),
    "Get-AdminAuditLogConfig": Cmdlet(get_rows),
    "Get-TransportConfig": Cmdlet(get_rows, frozenset({"Identity"})),
    "Get-MailboxAuditBypassAssociation": Cmdlet(get_rows, frozenset({"Identity", "ResultSize"})),
    "Get-AcceptedDomain": Cmdlet(get_rows, frozenset({"Identity", "ResultSize"})),
    "Get-RemoteDomain": Cmdlet(get_rows, frozenset({"Identity", "ResultSize"})),
    "Get-TransportRule": Cmdlet(
        get_rows,
        LIST_PARAMETERS | frozenset(split_words("State DlpPolicy ExcludeConditionActionDetails")),
    ),
    "Get-HostedOutboundSpamFilterPolicy": Cmdlet(get_rows, frozenset({"Identity"})),
    "Get-HostedOutboundSpamFilterRule": Cmdlet(get_rows, frozenset({"Identity", "State"})),
    "Get-TenantAllowBlockListItems": Cmdlet(get_allow_block_list, frozenset({"ListType"})),
    "Get-BlockedSenderAddress": Cmdlet(get_blocked_senders, frozenset({"SenderAddress"})),
}
GENERIC_READ = Cmdlet(
    get_rows, LIST_PARAMETERS | {"RecipientTypeDetails", "State", "Anr", "SortBy"}
)
