"""Mail protocols: Get- and Set-CASMailbox, plans and policies, and the sign-in log of Graph.

A mailbox of which the scene tells nothing has POP and IMAP off and leaves SMTP AUTH to the
organization. A scene with `"@sandbox.premium": false` in its Graph half has no Entra ID P1.
"""

from collections.abc import Mapping, Sequence

from sandbox.exchange.read_cmdlets import (
    LISTING,
    Cmdlet,
    Command,
    Result,
    bad_parameter,
    filtered,
    get_rows,
    is_group,
    limited,
    mailbox_owner,
    not_found,
    split,
)
from sandbox.exchange.write_cmdlets import boolean, committed, identity_of, setter
from sandbox.graph.odata import BadFilter, parse_filter
from sandbox.graph.users import GraphError, bad_request, context, page_size
from sandbox.http_types import Answer, Call, Row, next_link, shown, words
from sandbox.state.tenant import Tenant, folded

CAS = "Get-CASMailbox"
HEALTHY: Mapping[str, object] = {
    "ImapEnabled": False,
    "PopEnabled": False,
    "SmtpClientAuthenticationDisabled": None,
}
SWITCHES = ("ImapEnabled", "PopEnabled", "ActiveSyncEnabled", "OWAEnabled", "MAPIEnabled")
SHARED = words("ExternalDirectoryObjectId Guid Identity Name DisplayName PrimarySmtpAddress")
# Microsoft Learn: Get-CASMailbox, the values of RecipientTypeDetails. Scheduling is not among them.
KINDS = frozenset(
    words(
        "discoverymailbox equipmentmailbox legacymailbox linkedmailbox linkedroommailbox mailuser"
        " roommailbox sharedmailbox teammailbox usermailbox"
    )
)


# Exchange ---------------------------------------------------------------------------------------


def known_rows(tenant: Tenant) -> dict[str, Row]:
    """The settings that are not as they are by default, by each id of their mailbox."""
    return {
        folded(row[name]): row
        for row in tenant.exchange[CAS]
        for name in ("Guid", "ExternalDirectoryObjectId", "PrimarySmtpAddress")
        if row.get(name)
    }


def settings_of(mailbox: Row, known: Mapping[str, Row]) -> Row:
    """The row of a mailbox: what the scene says of it, or what is usual."""
    for name in ("Guid", "ExternalDirectoryObjectId", "PrimarySmtpAddress"):
        row = known.get(folded(mailbox.get(name) or "-"))
        if row is not None:
            return row
    return {**{name: mailbox.get(name) for name in SHARED}, **HEALTHY}


def one_row(tenant: Tenant, identity: object) -> Row:
    """The row an identity means. Raises CmdletError."""
    known = known_rows(tenant)
    row = known.get(folded(identity))
    return (
        row
        if row is not None
        else settings_of(mailbox_owner(tenant, identity).mailbox or {}, known)
    )


def get_cas_mailbox(tenant: Tenant, command: Command) -> Result:
    """Get-CASMailbox: of every mailbox, or of one. It does not print what kind of mailbox it is."""
    kinds = {folded(kind) for kind in split(command.given("RecipientTypeDetails"))}
    if kinds - KINDS:
        raise bad_parameter(f"Cannot convert value '{min(kinds - KINDS)[:64]}'.")
    identity = command.given("Identity")
    if identity is not None:
        return Result([one_row(tenant, identity)])
    known = known_rows(tenant)
    boxes = [row for row in tenant.exchange["Get-Mailbox"] if not is_group(row)]
    if kinds:
        boxes = [row for row in boxes if folded(row.get("RecipientTypeDetails")) in kinds]
    rows = [settings_of(box, known) for box in boxes]
    if not kinds:
        there = {id(row) for row in rows}
        rows += [row for row in tenant.exchange[CAS] if id(row) not in there]
    unkinded = Command(command.name, {"Filter": command.given("Filter")})
    return Result(limited(filtered(tenant, rows, unkinded), command))


def set_cas_mailbox(tenant: Tenant, command: Command) -> Result:
    """Set-CASMailbox. SMTP AUTH can be given back to the organization with null."""
    identity = identity_of(command)
    row = one_row(tenant, identity)
    if not row.get("Guid") and not row.get("ExternalDirectoryObjectId"):
        raise not_found(identity)
    values: Row = {name: boolean(command, name) for name in SWITCHES if name in command.parameters}
    name = "SmtpClientAuthenticationDisabled"
    if name in command.parameters:
        given = command.parameters[name]
        values[name] = None if given is None else boolean(command, name)
    rows: list[Row] = tenant.exchange[CAS]
    if not any(one is row for one in rows):
        rows.append(row)
    return committed(tenant, command, row, values, identity)


CMDLETS: Mapping[str, Cmdlet] = {
    CAS: Cmdlet(
        get_cas_mailbox,
        LISTING | frozenset(words("Anr RecipientTypeDetails ProtocolSettings SortBy")),
    ),
    "Get-CASMailboxPlan": Cmdlet(get_rows, LISTING | {"SortBy"}),
    "Get-AuthenticationPolicy": Cmdlet(get_rows, frozenset({"Identity", "TenantId"})),
    "Set-CASMailbox": Cmdlet(
        set_cas_mailbox, frozenset({"Identity", "SmtpClientAuthenticationDisabled", *SWITCHES})
    ),
    "Set-CASMailboxPlan": setter("Get-CASMailboxPlan", "ImapEnabled PopEnabled"),
    "Set-AuthenticationPolicy": setter("Get-AuthenticationPolicy", "AllowBasicAuthSmtp"),
}


# Graph ------------------------------------------------------------------------------------------


def list_sign_ins(tenant: Tenant, call: Call) -> Answer:
    """`GET /auditLogs/signIns`: newest first, in pages. It knows no `in` and no `$select`."""
    if tenant.graph.get("@sandbox.premium") is False:
        raise GraphError(
            403,
            "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
            "Neither tenant is B2C or tenant doesn't have premium license",
        )
    if unknown := {name for name in call.query if name.startswith("$")} - {
        "$filter",
        "$top",
        "$skiptoken",
    }:
        raise bad_request(f"Query option '{min(unknown)}' is not allowed.")
    size, text = page_size(call, usual=1000, most=1000), call.query.get("$filter", "")
    token = call.query.get("$skiptoken")
    try:
        if token is None:
            part, rest = tenant.snapshots.page(matching(tenant, text), size, text)
        else:
            part, rest = tenant.snapshots.resume(token, size, text)
    except (BadFilter, KeyError) as trouble:
        raise bad_request(f"Invalid filter clause or page: {str(trouble)[:100]}") from trouble
    body: Row = {"@odata.context": context(tenant, "auditLogs/signIns")}
    if rest:
        body["@odata.nextLink"] = next_link(tenant.base, call, rest)
    return Answer(200, body | {"value": [shown(row) for row in part]})


def matching(tenant: Tenant, text: str) -> Sequence[Row]:
    """The sign-ins a filter lets through. Raises BadFilter."""
    wanted = parse_filter(text)
    if wanted.operators - {"eq", "ge", "le"}:
        raise BadFilter("this property is compared with eq, ge and le alone")
    rows: list[Row] = tenant.graph.get("signIns") or []
    found = [row for row in rows if wanted.test(flat(row))]
    return sorted(found, key=lambda row: str(row.get("createdDateTime")), reverse=True)


def flat(row: Row) -> Row:
    """A sign-in with the names a filter knows: `status/errorCode` is one."""
    status = row.get("status")
    inner = status if isinstance(status, Mapping) else {}
    return {**row, **{f"status/{name}": value for name, value in inner.items()}}
