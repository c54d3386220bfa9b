"""Sides of contested facts that decide whether Exchange carries a command out, and how it answers.

Each is declared in `sandbox.reality.exchange_facts`, with what it does.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sandbox.exchange.read_cmdlets import CmdletError, Command
from sandbox.faults.throttling import KeyedLimit, ThrottleLimit
from sandbox.http_types import HttpResponse, Row, is_true, split_words
from sandbox.state.tenant import SimulatedTenant, fold_key

AUDIT_PARAMETERS = frozenset(
    split_words("AuditEnabled AuditLogAgeLimit AuditOwner AuditDelegate AuditAdmin DefaultAuditSet")
)
NOT_SUPPORTED = (
    "The role assigned to application {app} isn't supported in this scenario. Please check online "
    "documentation for assigning correct Directory Roles to Azure AD Application for EXO App-Only "
    "Authentication."
)
ON_PREMISES = (
    "The operation on mailbox '{name}' failed because it's out of the current user's write scope. "
    "The action 'Set-Mailbox' can't be performed on the object because the object is being "
    "synchronized from your on-premises organization. This action should be performed on the "
    "object in your on-premises organization."
)
# Properties of a scene's rows that a cmdlet knows and does not print: the type Recipient of
# Exchange's $metadata (go-exoscc, 2026-07) has no LegacyExchangeDN.
UNPRINTED: Mapping[str, frozenset[str]] = {"get-recipient": frozenset({"LegacyExchangeDN"})}
# What each filter looks like that a tenant may refuse.
REFUSED_FILTERS: Mapping[str, str] = {
    "exchange-slice-filters": r"WhenCreated|Name -like",
    "exchange-name-order": r"Name -g[te]",
    "exchange-forward-filter": r"Forwarding\w*Address -ne|GrantSendOnBehalfTo -ne",
    "exchange-powershell-filter": r"RemotePowerShellEnabled",
}
NAME_ORDER = re.compile(r"Name -ge '(?:[^']|'')*'", re.IGNORECASE)
# The cmdlets that are asked about one object after another where they cannot be listed.
ONE_BY_ONE = frozenset({"get-recipientpermission", "get-mailboxauditbypassassociation"})
# The cmdlets that find a mailbox or a user by one of its ids.
FOUND_BY_ID = frozenset({"get-mailbox", "get-casmailbox", "get-user"})
GUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOBODY = "00000000-0000-4000-8000-00000000dead"
TRANSIENT_TYPES = (
    "Microsoft.Exchange.Data.Storage.ServerBusyException",
    "Microsoft.Exchange.Data.Directory.TransientException",
    "Microsoft.Exchange.AdminApi.BackendCommunicationException",
)
RULE_READ_REFUSED = (
    "The current user isn't allowed to read the inbox rules of another mailbox: ErrorAccessDenied."
)


def refuse_contested(tenant: SimulatedTenant, command: Command, app_id: str) -> None:
    """Refuses a command that the tenant's sides do not let pass. Raises CmdletError."""
    reality, name = tenant.reality, command.name.casefold()
    if reality.plays("exchange-role-group", "refused"):
        raise CmdletError(
            NOT_SUPPORTED.format(app=app_id),
            "System.UnauthorizedAccessException",
            int(reality.get_option("exchange-role-group", "status", 403)),
        )
    if name == "get-inboxrule" and reality.plays("exchange-inbox-rule-role", "refused"):
        kind = "Microsoft.Exchange.Data.Storage.AccessDeniedException"
        raise CmdletError(RULE_READ_REFUSED, kind, 403)
    if name == "set-mailbox" and reality.plays("exchange-synced-audit", "refused"):
        refuse_synced_audit(tenant, command)
    for fact, pattern in REFUSED_FILTERS.items():
        text = str(command.get_parameter("Filter") or "")
        if reality.plays(fact, "refused") and re.search(pattern, text, re.IGNORECASE):
            raise CmdletError(
                f'Invalid filter syntax. "{text[:256]}"',
                "Microsoft.Exchange.Data.Filtering.ParsingException",
            )
    if reality.plays("exchange-transient-types", "passing"):
        refuse_in_passing(tenant, command)


def refuse_synced_audit(tenant: SimulatedTenant, command: Command) -> None:
    """Refuses audit settings of a synchronised mailbox. Raises CmdletError."""
    found = tenant.find_owners(command.get_parameter("Identity"))
    mailbox = found[0].mailbox if len(found) == 1 else None
    if mailbox and is_true(mailbox.get("IsDirSynced")) and AUDIT_PARAMETERS & {*command.parameters}:
        raise CmdletError(
            ON_PREMISES.format(name=mailbox.get("Name")),
            "Microsoft.Exchange.Management.Tasks.InvalidOperationException",
        )


def refuse_in_passing(tenant: SimulatedTenant, command: Command) -> None:
    """Refuses every so many commands once, as busy servers do. Raises CmdletError."""
    every = int(tenant.reality.get_option("exchange-transient-types", "every", 10))
    count = tenant.count_request("commands")
    if count % every == 0:
        kind = TRANSIENT_TYPES[count // every % len(TRANSIENT_TYPES)]
        raise CmdletError("The server is busy. Please retry the request.", kind)


def check_answer(tenant: SimulatedTenant, command: Command, selected: Sequence[str]) -> None:
    """Fails the answer of a write that was carried out. Raises CmdletError."""
    fails = tenant.reality.plays("exchange-write-answer", "fails")
    if fails and command.name.casefold() == "set-organizationconfig" and "Identity" not in selected:
        raise CmdletError(
            "The archive entry was compressed using an unsupported compression method.",
            "System.IO.InvalidDataException",
        )


def replace_filter(tenant: SimulatedTenant, command: Command) -> Command:
    """The command as a cmdlet takes it that does not compare names: any comes after any other."""
    text = command.get_parameter("Filter")
    if text is None or not tenant.reality.plays("exchange-name-order", "ignored"):
        return command
    taken = NAME_ORDER.sub("Name -like '*'", str(text))
    return Command(command.name, {**command.parameters, "Filter": taken})


def replace_identity(tenant: SimulatedTenant, command: Command) -> Command:
    """The command as a cmdlet takes it that does not understand an identity: for everybody, or for
    nobody.
    """
    name, identity = command.name.casefold(), command.get_parameter("Identity")
    if name in FOUND_BY_ID and tenant.reality.plays("exchange-single-objects", "guid"):
        boxes = [owner.mailbox or {} for owner in tenant.find_owners(identity)]
        ids = {fold_key(box.get("ExternalDirectoryObjectId")) for box in boxes}
        if fold_key(identity) in ids:
            return Command(command.name, {**command.parameters, "Identity": NOBODY})
    if (
        name not in FOUND_BY_ID
        and GUID.fullmatch(str(identity))
        and tenant.reality.plays("exchange-single-settings", "name")
        and not tenant.find_owners(identity)
    ):
        return Command(command.name, {**command.parameters, "Identity": NOBODY})
    is_ignored = (
        tenant.reality.plays("exchange-each-identity", "ignored") and name in ONE_BY_ONE
    ) or (
        tenant.reality.plays("exchange-legacy-control", "everyone")
        and name == "get-recipient"
        and str(identity).casefold().startswith("/o=")
        and not tenant.find_owners(identity)
    )
    if identity is None or not is_ignored:
        return command
    rest = {key: value for key, value in command.parameters.items() if key.casefold() != "identity"}
    return Command(command.name, rest)


def list_unprinted(tenant: SimulatedTenant, command: Command) -> frozenset[str]:
    """The properties of the scene's rows that this cmdlet does not print."""
    name = command.name.casefold()
    if name == "get-accepteddomain" and tenant.reality.plays(
        "exchange-match-subdomains", "unprinted"
    ):
        return frozenset({"MatchSubDomains"})
    if tenant.reality.plays("exchange-recipient-names", "with-legacy-dn"):
        return frozenset()
    return UNPRINTED.get(name, frozenset())


def shape_row(tenant: SimulatedTenant, command: Command, row: Row) -> Row:
    """A row whose AuditEnabled is not what a filter finds."""
    if (
        command.name.casefold() == "get-mailbox"
        and "AuditEnabled" in row
        and tenant.reality.plays("exchange-audit-enabled", "always-true")
    ):
        return {**row, "AuditEnabled": True}
    return row


def list_no_filtered_users(tenant: SimulatedTenant, command: Command) -> bool:
    """True where a filter is taken and finds nobody, because its value is not understood."""
    return (
        tenant.reality.plays("exchange-powershell-filter", "empty")
        and "remotepowershellenabled" in str(command.get_parameter("Filter") or "").casefold()
    )


def build_next_host(tenant: SimulatedTenant) -> str:
    """The host that a link to the next page names."""
    if tenant.reality.plays("exchange-regional-hosts", "foreign"):
        return "https://exchange.contoso.example"
    if tenant.reality.plays("exchange-regional-hosts", "regional"):
        return "https://sandbox.outlook-dod.office365.us:446"
    return tenant.base


def shape_throttling(tenant: SimulatedTenant, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a refusal for too many requests, perhaps without saying when to come back."""
    if tenant.reality.plays("exchange-retry-after", "told"):
        return dict(headers)
    return {name: text for name, text in headers.items() if name.casefold() != "retry-after"}


def list_concurrency_limits(tenant: SimulatedTenant, limit: ThrottleLimit) -> Iterator[KeyedLimit]:
    """The limit of commands at once, of a tenant that has one."""
    if tenant.reality.plays("exchange-concurrency", "limited"):
        limit.max_concurrent = int(tenant.reality.get_option("exchange-concurrency", "most", 2))
        yield KeyedLimit(limit, "commands")


def shape_content(tenant: SimulatedTenant, command: Command, content: Row) -> Row:
    """The content of a success, with the errors that a part of the cmdlets reports in it."""
    if not tenant.reality.plays("exchange-errors-in-success", "some"):
        return content
    cmdlets = tenant.reality.get_option("exchange-errors-in-success", "cmdlets", [command.name])
    if command.name.casefold() not in map(str.casefold, cmdlets):
        return content
    rows = content["value"]
    return {
        **content,
        "value": rows[: len(rows) // 2],
        "@adminapi.errors": ["The operation could not be completed on one of the servers."],
    }


def shape_error(tenant: SimulatedTenant, response: HttpResponse) -> HttpResponse:
    """An error response, perhaps labelled as compressed although it is not."""
    if response.status < 400 or not tenant.reality.plays("exchange-mislabelled-bodies", "gzip"):
        return response
    return replace(
        response,
        raw=response.encode_content(),
        headers={**response.headers, "Content-Encoding": "gzip"},
    )


def shape_permission_row(tenant: SimulatedTenant, row: Row) -> Row:
    """A row of Get-MailboxPermission, with its rights in one element or one by one."""
    rights = row.get("AccessRights")
    if not isinstance(rights, list) or not tenant.reality.plays(
        "exchange-permission-rights", "joined"
    ):
        return row
    return {**row, "AccessRights": [", ".join(map(str, rights))] if rights else rights}
