"""Rights over mailboxes: Get-MailboxPermission and Get-RecipientPermission.

A scene lists rows as Exchange prints them, flat or by mailbox. Beside them every mailbox has its
right over itself and an inherited one of Exchange's, as in every tenant, so a scene that says
nothing about delegation has healthy mailboxes. The cmdlet reference (Microsoft Learn) tells the
parameters; holders whose account is gone are shown only when they are asked for.
"""

from collections.abc import Iterator, Mapping, Sequence

from sandbox.exchange.read_cmdlets import (
    Cmdlet,
    Command,
    Result,
    limited,
    mailbox_owner,
    not_bound,
    split,
)
from sandbox.http_types import Row, truth, words
from sandbox.state.tenant import Owner, Tenant, folded, rows_in

SELF = "NT AUTHORITY\\SELF"
SELF_SID = "S-1-5-10"
SUBSYSTEM = "NAMPRD00A001\\Exchange Trusted Subsystem"
SUBSYSTEM_SID = "S-1-5-21-1000000000-2000000000-3000000000-1119"
UNRESOLVED = "s-1-5-21-"


def rows_by_name(tenant: Tenant, cmdlet: str) -> Iterator[tuple[str, Row]]:
    """The scene's rows with what they are over, whether they are listed flat or by mailbox."""
    for row in tenant.exchange.get(cmdlet, ()):
        if "AccessRights" in row or "User" in row or "Trustee" in row:
            yield str(row.get("Identity") or ""), row
            continue
        for name, rows in row.items():
            for inner in rows_in(rows):
                yield name, {"Identity": name, **inner}


def own_name(mailbox: Row) -> str:
    """What a mailbox is called in rows about it."""
    return str(mailbox.get("Identity") or mailbox.get("Name") or mailbox.get("PrimarySmtpAddress"))


def is_over(tenant: Tenant, name: str, owner: Owner) -> bool:
    """True when a row is over the mailbox or recipient that is asked for."""
    return any(found is owner for found in tenant.find(name))


def is_holder(row: Row, key: str, wanted: object) -> bool:
    """True for a row about one holder, or about any when none is asked for."""
    return wanted is None or folded(row.get(key)) == folded(wanted)


def get_mailbox_permission(tenant: Tenant, command: Command) -> Result:
    """Get-MailboxPermission: one mailbox a call."""
    identity = command.given("Identity")
    if identity is None:
        raise not_bound("Identity is mandatory.")
    owner = mailbox_owner(tenant, identity, truth(command.given("GroupMailbox")))
    unresolved_too = truth(command.given("IncludeUnresolvedPermissions"))
    rows = [
        row
        for row in (*over_itself(owner.mailbox or {}), *over(tenant, owner))
        if (unresolved_too or not folded(row.get("User")).startswith(UNRESOLVED))
        and is_holder(row, "User", command.given("User"))
    ]
    return Result(limited(rows, command))


def over(tenant: Tenant, owner: Owner) -> Iterator[Row]:
    """The scene's rows over one mailbox."""
    for name, row in rows_by_name(tenant, "Get-MailboxPermission"):
        if is_over(tenant, name, owner):
            yield row


def over_itself(mailbox: Row) -> Iterator[Row]:
    """The rows every mailbox has."""
    name = own_name(mailbox)
    for user, sid, rights, inherited in (
        (SELF, SELF_SID, ["FullAccess", "ReadPermission"], False),
        (SUBSYSTEM, SUBSYSTEM_SID, ["FullAccess", "ReadPermission", "ChangePermission"], True),
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


def get_recipient_permission(tenant: Tenant, command: Command) -> Result:
    """Get-RecipientPermission: of one recipient, or of the whole organization."""
    identity, trustee = command.given("Identity"), command.given("Trustee")
    rights = {folded(right) for right in split(command.given("AccessRights"))}
    rows = [
        row
        for name, row in every_recipient(tenant)
        if is_holder(row, "Trustee", trustee)
        and (not rights or rights & {folded(right) for right in split(row.get("AccessRights"))})
        and (identity is None or folded(name) == folded(identity) or same(tenant, name, identity))
    ]
    return Result(limited(rows, command))


def same(tenant: Tenant, name: str, identity: object) -> bool:
    """True when two names are of one recipient."""
    wanted = tenant.find(identity)
    return any(found is one for found in tenant.find(name) for one in wanted)


def every_recipient(tenant: Tenant) -> Iterator[tuple[str, Row]]:
    """Each mailbox's right over itself, then the scene's rows."""
    for mailbox in tenant.exchange["Get-Mailbox"]:
        name = own_name(mailbox)
        row: Row = {
            "Identity": name,
            "Trustee": SELF,
            "TrusteeSidString": SELF_SID,
            "AccessControlType": "Allow",
            "AccessRights": ["SendAs"],
            "IsInherited": False,
            "InheritanceType": "None",
        }
        yield name, row
    yield from rows_by_name(tenant, "Get-RecipientPermission")


SWITCHES: Sequence[str] = words(
    "Identity User Owner GroupMailbox SoftDeletedMailbox IncludeSoftDeletedUserPermissions"
    " IncludeUnresolvedPermissions IncludeUserWithDisplayName ResultSize UseCustomRouting"
)
READS: Mapping[str, Cmdlet] = {
    "Get-MailboxPermission": Cmdlet(get_mailbox_permission, frozenset(SWITCHES)),
    "Get-RecipientPermission": Cmdlet(
        get_recipient_permission,
        frozenset(
            words("Identity AccessRights Trustee IncludeTrusteeWithPrimarySmtpAddress ResultSize")
        ),
    ),
}
