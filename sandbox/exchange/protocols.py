"""Mail protocols: Get- and Set-CASMailbox, plans and policies, and Graph's sign-in log.

By default a mailbox has POP and IMAP off and inherits SMTP AUTH from the organization. A scene with
`"@sandbox.premium": false` in its Graph section has no Entra ID P1.
"""

from collections.abc import Mapping, Sequence

from sandbox.exchange.read_cmdlets import (
    LIST_PARAMETERS,
    Cmdlet,
    CmdletResult,
    Command,
    build_missing_object_error,
    build_parameter_error,
    filter_cmdlet_rows,
    find_mailbox_owner,
    get_rows,
    is_group,
    limit_rows,
    narrow_rows,
    split_values,
)
from sandbox.exchange.write_cmdlets import (
    commit_change,
    make_setter,
    read_boolean,
    require_identity,
)
from sandbox.graph.odata import InvalidFilter, parse_filter
from sandbox.graph.registrations import require_premium
from sandbox.graph.users import build_bad_request, build_context_url, parse_page_size
from sandbox.http_types import (
    HttpRequest,
    HttpResponse,
    Row,
    build_next_link,
    split_words,
    strip_private_keys,
)
from sandbox.state.row_index import DerivedRows
from sandbox.state.tenant import SimulatedTenant, fold_key

GET_CAS_MAILBOX = "Get-CASMailbox"
DEFAULT_PROTOCOLS: Mapping[str, object] = {
    "ImapEnabled": False,
    "PopEnabled": False,
    "SmtpClientAuthenticationDisabled": None,
    "ActiveSyncEnabled": True,
    "OWAEnabled": True,
    "MAPIEnabled": True,
    "EwsEnabled": None,
    "OutlookMobileEnabled": True,
}
PROTOCOL_SWITCHES = (
    *("ImapEnabled", "PopEnabled", "ActiveSyncEnabled", "OWAEnabled", "MAPIEnabled"),
    "OutlookMobileEnabled",
)
UNSET_SWITCHES = ("SmtpClientAuthenticationDisabled", "EwsEnabled")
"""Switches that may be null: the organization decides."""
SHARED_PROPERTIES = split_words(
    "ExternalDirectoryObjectId Guid Identity Name DisplayName PrimarySmtpAddress WhenCreated"
)
# Microsoft Learn: Get-CASMailbox, the values of RecipientTypeDetails (SchedulingMailbox is none).
MAILBOX_KINDS = frozenset(
    split_words(
        "discoverymailbox equipmentmailbox legacymailbox linkedmailbox linkedroommailbox mailuser"
        " roommailbox sharedmailbox teammailbox usermailbox"
    )
)


# Exchange ---------------------------------------------------------------------------------------


def index_cas_rows(tenant: SimulatedTenant) -> dict[str, Row]:
    """Indexes the settings that differ from the default, by each id of their mailbox."""
    return {
        fold_key(row[name]): row
        for row in tenant.exchange[GET_CAS_MAILBOX]
        for name in ("Guid", "ExternalDirectoryObjectId", "PrimarySmtpAddress")
        if row.get(name)
    }


def get_cas_row(mailbox: Row, known: Mapping[str, Row]) -> Row:
    """The row of a mailbox: the scene's, or the default."""
    for name in ("Guid", "ExternalDirectoryObjectId", "PrimarySmtpAddress"):
        row = known.get(fold_key(mailbox.get(name) or "-"))
        if row is not None:
            return row
    return {**{name: mailbox.get(name) for name in SHARED_PROPERTIES}, **DEFAULT_PROTOCOLS}


def show_switches(row: Row) -> Row:
    """A row as Exchange prints it: with every switch, those that a scene leaves out as usual."""
    return {**DEFAULT_PROTOCOLS, **row}


def find_cas_row(tenant: SimulatedTenant, identity: object) -> Row:
    """Finds the row of an identity. Raises CmdletError."""
    known = index_cas_rows(tenant)
    row = known.get(fold_key(identity))
    return (
        row
        if row is not None
        else get_cas_row(find_mailbox_owner(tenant, identity).mailbox or {}, known)
    )


def get_cas_mailbox(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-CASMailbox: every mailbox or one. It does not print the mailbox's type."""
    kinds = {fold_key(kind) for kind in split_values(command.get_parameter("RecipientTypeDetails"))}
    if kinds - MAILBOX_KINDS:
        raise build_parameter_error(f"Cannot convert value '{min(kinds - MAILBOX_KINDS)[:64]}'.")
    identity = command.get_parameter("Identity")
    if identity is not None:
        return CmdletResult([show_switches(find_cas_row(tenant, identity))])
    unkinded = Command(command.name, {"Filter": command.get_parameter("Filter")})
    if kinds:
        known = index_cas_rows(tenant)
        rows: Sequence[Row] = [
            get_cas_row(box, known)
            for box in tenant.exchange["Get-Mailbox"]
            if not is_group(box) and fold_key(box.get("RecipientTypeDetails")) in kinds
        ]
    else:
        rows = narrow_rows(tenant, unkinded, list_cas_rows(tenant))
    return CmdletResult(limit_rows(filter_cmdlet_rows(tenant, rows, unkinded), command))


def list_cas_rows(tenant: SimulatedTenant) -> Sequence[Row]:
    """The rows of every mailbox, made once for as long as none of them changes."""
    boxes, settings = tenant.exchange["Get-Mailbox"], tenant.exchange[GET_CAS_MAILBOX]
    made = tenant.derived_rows.get(GET_CAS_MAILBOX)
    if made is None or not made.is_of(boxes, settings):
        known = index_cas_rows(tenant)
        rows = [get_cas_row(box, known) for box in boxes if not is_group(box)]
        there = {id(row) for row in rows}
        rows += [row for row in settings if id(row) not in there]
        made = tenant.derived_rows[GET_CAS_MAILBOX] = DerivedRows((boxes, settings), rows)
    return made.rows


def set_cas_mailbox(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Set-CASMailbox. Null leaves SMTP AUTH, and EWS, to the organization again."""
    identity = require_identity(command)
    row = find_cas_row(tenant, identity)
    if not row.get("Guid") and not row.get("ExternalDirectoryObjectId"):
        raise build_missing_object_error(identity)
    values: Row = {
        name: read_boolean(command, name)
        for name in PROTOCOL_SWITCHES
        if name in command.parameters
    }
    for name in UNSET_SWITCHES:
        if name in command.parameters:
            given = command.parameters[name]
            values[name] = None if given is None else read_boolean(command, name)
    rows: list[Row] = tenant.exchange[GET_CAS_MAILBOX]
    if not any(one is row for one in rows):
        rows.append(row)
    return commit_change(tenant, command, row, values, identity)


PROTOCOL_CMDLETS: Mapping[str, Cmdlet] = {
    GET_CAS_MAILBOX: Cmdlet(
        get_cas_mailbox,
        LIST_PARAMETERS
        | frozenset(split_words("Anr RecipientTypeDetails ProtocolSettings SortBy")),
    ),
    "Get-CASMailboxPlan": Cmdlet(get_rows, LIST_PARAMETERS | {"SortBy"}),
    "Get-AuthenticationPolicy": Cmdlet(get_rows, frozenset({"Identity", "TenantId"})),
    "Set-CASMailbox": Cmdlet(
        set_cas_mailbox,
        frozenset({"Identity", *UNSET_SWITCHES, *PROTOCOL_SWITCHES}),
    ),
    "Set-CASMailboxPlan": make_setter("Get-CASMailboxPlan", "ImapEnabled PopEnabled"),
    "Set-AuthenticationPolicy": make_setter("Get-AuthenticationPolicy", "AllowBasicAuthSmtp"),
}


# Graph ------------------------------------------------------------------------------------------


def list_sign_ins(tenant: SimulatedTenant, request: HttpRequest) -> HttpResponse:
    """`GET /auditLogs/signIns`: newest first, in pages. It supports neither `in` nor `$select`.

    v1.0 lists interactive sign-ins, and knows no other kind. Beta does, if they are asked for.
    """
    require_premium(tenant, tenant.graph.get("@sandbox.premium") is not False)
    if unknown := {name for name in request.query if name.startswith("$")} - {
        "$filter",
        "$top",
        "$skiptoken",
    }:
        raise build_bad_request(f"Query option '{min(unknown)}' is not allowed.")
    size, text = (
        parse_page_size(request, default=1000, maximum=1000),
        request.query.get("$filter", ""),
    )
    token = request.query.get("$skiptoken")
    try:
        if token is None:
            rows = filter_sign_ins(tenant, text, request.segments[0] == "beta")
            part, rest = tenant.snapshots.cut_page(rows, size, text)
        else:
            part, rest = tenant.snapshots.resume_listing(token, size, text)
    except (InvalidFilter, KeyError) as trouble:
        raise build_bad_request(f"Invalid filter clause or page: {str(trouble)[:100]}") from trouble
    body: Row = {"@odata.context": build_context_url(tenant, "auditLogs/signIns")}
    if rest:
        body["@odata.nextLink"] = build_next_link(tenant.base, request, rest)
    return HttpResponse(200, body | {"value": [strip_private_keys(row) for row in part]})


# Who signs in to Exchange by these is logged as non-interactive, by password or by token.
LEGACY_CLIENTS = frozenset({"Authenticated SMTP", "Exchange ActiveSync", "IMAP4", "POP3"})
INTERACTIVE, NON_INTERACTIVE = "interactiveUser", "nonInteractiveUser"
SIGN_IN_KINDS = "signInEventTypes"


def get_sign_in_kinds(tenant: SimulatedTenant, row: Row) -> list[str]:
    """The kinds of a sign-in: the scene's, or what Entra makes of its client."""
    if row.get(SIGN_IN_KINDS):
        return list(row[SIGN_IN_KINDS])
    if row.get("clientAppUsed") not in LEGACY_CLIENTS:
        return [INTERACTIVE]
    is_interactive = tenant.reality.plays("graph-sign-in-log", "interactive")
    return [INTERACTIVE if is_interactive else NON_INTERACTIVE]


def filter_sign_ins(tenant: SimulatedTenant, text: str, is_beta: bool) -> Sequence[Row]:
    """Filters sign-ins. Raises InvalidFilter, and GraphError for what the version refuses."""
    asks_kind = SIGN_IN_KINDS in text
    if asks_kind and not is_beta:
        raise build_bad_request("Invalid filter clause: signInEventTypes is not supported.")
    wanted = parse_filter(text)
    if wanted.operators - {"eq", "ge", "le", "any"}:
        raise InvalidFilter("this property is compared with eq, ge and le alone")
    rows = [
        {**row, SIGN_IN_KINDS: get_sign_in_kinds(tenant, row)}
        for row in tenant.graph.get("signIns") or []
    ]
    found = [
        row
        for row in rows
        if wanted.matches(flatten_sign_in(row)) and (asks_kind or INTERACTIVE in row[SIGN_IN_KINDS])
    ]
    if not is_beta:
        found = [{name: row[name] for name in row if name != SIGN_IN_KINDS} for row in found]
    return sorted(found, key=lambda row: str(row.get("createdDateTime")), reverse=True)


def flatten_sign_in(row: Row) -> Row:
    """Flattens a sign-in to the names used in filters, such as `status/errorCode`."""
    status = row.get("status")
    inner = status if isinstance(status, Mapping) else {}
    return {**row, **{f"status/{name}": value for name, value in inner.items()}}
