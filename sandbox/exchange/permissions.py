"""Rights over mailboxes: Get-MailboxPermission and Get-RecipientPermission.

A scene lists rows as Exchange prints them, flat or by mailbox. In addition, every mailbox has its
right over itself and one inherited from Exchange, as in every tenant, so a scene without
delegations has healthy mailboxes. The parameters are those of the cmdlet reference (Microsoft
Learn). Trustees whose account is gone are listed only on request.
"""

from collections.abc import Iterator, Mapping, Sequence

from sandbox.exchange.contested import shape_permission_row
from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    CmdletResult,
    Command,
    build_binding_error,
    build_missing_object_error,
    find_mailbox_owner,
    limit_rows,
    split_values,
)
from sandbox.http_types import Row, is_true, split_words
from sandbox.state.tenant import Owner, SimulatedTenant, fold_key, to_rows

SELF_TRUSTEE = "NT AUTHORITY\\SELF"
SELF_SID = "S-1-5-10"
EXCHANGE_SUBSYSTEM = "NAMPRD00A001\\Exchange Trusted Subsystem"
EXCHANGE_SUBSYSTEM_SID = "S-1-5-21-1000000000-2000000000-3000000000-1119"
UNRESOLVED_SID_PREFIX = "s-1-5-21-"


def iter_rows_by_name(tenant: SimulatedTenant, cmdlet: str) -> Iterator[tuple[str, Row]]:
    """The scene's rows with the mailbox they are over, whether listed flat or by mailbox."""
    for row in tenant.exchange.get(cmdlet, ()):
        if "AccessRights" in row or "User" in row or "Trustee" in row:
            yield str(row.get("Identity") or ""), row
            continue
        for name, rows in row.items():
            for inner in to_rows(rows):
                yield name, {"Identity": name, **inner}


def get_mailbox_name(mailbox: Row) -> str:
    """The name of a mailbox in rows about it."""
    return str(mailbox.get("Identity") or mailbox.get("Name") or mailbox.get("PrimarySmtpAddress"))


def is_for_owner(tenant: SimulatedTenant, name: str, owner: Owner) -> bool:
    """True if a row is over the requested mailbox or recipient."""
    return any(found is owner for found in tenant.find_owners(name))


def is_holder(row: Row, key: str, holder: object) -> bool:
    """True if a row is about the requested trustee, or if none was requested."""
    return holder is None or fold_key(row.get(key)) == fold_key(holder)


def get_mailbox_permission(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-MailboxPermission: one mailbox per call."""
    identity = command.get_parameter("Identity")
    if identity is None:
        raise build_binding_error("Identity is mandatory.")
    owner = find_mailbox_owner(tenant, identity, is_true(command.get_parameter("GroupMailbox")))
    unresolved_too = is_true(command.get_parameter("IncludeUnresolvedPermissions"))
    rows = [
        shape_permission_row(tenant, row)
        for row in (
            *iter_default_permissions(owner.mailbox or {}),
            *iter_mailbox_permissions(tenant, owner),
        )
        if (unresolved_too or not fold_key(row.get("User")).startswith(UNRESOLVED_SID_PREFIX))
        and is_holder(row, "User", command.get_parameter("User"))
    ]
    return CmdletResult(limit_rows(rows, command))


def iter_mailbox_permissions(tenant: SimulatedTenant, owner: Owner) -> Iterator[Row]:
    """The scene's rows over one mailbox."""
    for name, row in iter_rows_by_name(tenant, "Get-MailboxPermission"):
        if is_for_owner(tenant, name, owner):
            yield row


def iter_default_permissions(mailbox: Row) -> Iterator[Row]:
    """The rows every mailbox has."""
    name = get_mailbox_name(mailbox)
    for user, sid, rights, inherited in (
        (SELF_TRUSTEE, SELF_SID, ["FullAccess", "ReadPermission"], False),
        (
            EXCHANGE_SUBSYSTEM,
            EXCHANGE_SUBSYSTEM_SID,
            ["FullAccess", "ReadPermission", "ChangePermission"],
            True,
        ),
    ):
        yield {
            "Identity": name,
            "User": user,
            "UserSid": sid,
            "AccessRights": rights,
            "IsInherited": inherited,
            "Deny": False,
            "InheritanceType": "All",
        }


def get_recipient_permission(tenant: SimulatedTenant, command: Command) -> CmdletResult:
    """Get-RecipientPermission: one recipient, or the whole organization."""
    identity, trustee = command.get_parameter("Identity"), command.get_parameter("Trustee")
    rights = {fold_key(right) for right in split_values(command.get_parameter("AccessRights"))}
    if identity is not None and not is_known_recipient(tenant, identity):
        raise build_missing_object_error(identity)
    rows = [
        row
        for name, row in iter_recipient_permissions(tenant, identity)
        if is_holder(row, "Trustee", trustee)
        and (
            not rights
            or rights & {fold_key(right) for right in split_values(row.get("AccessRights"))}
        )
        and (
            identity is None
            or fold_key(name) == fold_key(identity)
            or is_same_recipient(tenant, name, identity)
        )
    ]
    return CmdletResult(limit_rows(rows, command))


def is_known_recipient(tenant: SimulatedTenant, identity: object) -> bool:
    """True if an owner has the identity, or a row of the scene names it."""
    named = (name for name, _ in iter_rows_by_name(tenant, "Get-RecipientPermission"))
    return bool(tenant.find_owners(identity)) or fold_key(identity) in map(fold_key, named)


def is_same_recipient(tenant: SimulatedTenant, name: str, identity: object) -> bool:
    """True if two names identify one recipient."""
    wanted = tenant.find_owners(identity)
    return any(found is one for found in tenant.find_owners(name) for one in wanted)


def iter_recipient_permissions(
    tenant: SimulatedTenant, identity: object
) -> Iterator[tuple[str, Row]]:
    """The right over itself of each mailbox, or of those that an identity may mean, then the
    scene's rows.
    """
    mailboxes = (
        tenant.exchange["Get-Mailbox"]
        if identity is None
        else [owner.mailbox for owner in tenant.find_owners(identity) if owner.mailbox]
    )
    for mailbox in mailboxes:
        name = get_mailbox_name(mailbox)
        row: Row = {
            "Identity": name,
            "Trustee": SELF_TRUSTEE,
            "TrusteeSidString": SELF_SID,
            "AccessControlType": "Allow",
            "AccessRights": ["SendAs"],
            "IsInherited": False,
            "InheritanceType": "None",
        }
        yield name, row
    yield from iter_rows_by_name(tenant, "Get-RecipientPermission")


MAILBOX_PERMISSION_PARAMETERS: Sequence[str] = split_words(
    "Identity User Owner GroupMailbox SoftDeletedMailbox IncludeSoftDeletedUserPermissions"
    " IncludeUnresolvedPermissions IncludeUserWithDisplayName ResultSize UseCustomRouting"
)
PERMISSION_CMDLETS: Mapping[str, Cmdlet] = {
    "Get-MailboxPermission": Cmdlet(
        get_mailbox_permission, frozenset(MAILBOX_PERMISSION_PARAMETERS)
    ),
    "Get-RecipientPermission": Cmdlet(
        get_recipient_permission,
        frozenset(
            split_words(
                "Identity AccessRights Trustee IncludeTrusteeWithPrimarySmtpAddress ResultSize"
            )
        ),
    ),
}
