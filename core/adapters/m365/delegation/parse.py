"""Rows of mailbox and recipient permissions into delegations. Pure, tolerant, bounded.

What denies, is inherited, or belongs to the mailbox itself or to Exchange is nothing anybody
delegated. Only what says so plainly is left out: a row that does not tell is a delegation.
"""

from core.adapters.m365.parsing import (
    ResponseRow,
    parse_mailbox,
    parse_name_set,
    parse_recipient_text,
    parse_row_flag,
    parse_text,
    split_recipients,
)
from core.microsoft365.trustees import find_sid, is_built_in_trustee
from core.tenant.mailboxes import Delegation, Mailbox

PERMISSION_PROPERTIES = (
    "Identity",
    "Trustee",
    "TrusteeSidString",
    "AccessControlType",
    "AccessRights",
    "IsInherited",
)

MAILBOX_RIGHTS = {
    "fullaccess": "FullAccess",
    "changepermission": "ChangePermission",
    "changeowner": "ChangeOwner",
}
"""Rights to read a mailbox, or to give oneself that right."""

IGNORED_RIGHTS = frozenset({"readpermission", "deleteitem", "externalaccount", "none"})


def parse_trustee(row: ResponseRow, name: str) -> str:
    """Whom a row is about. Raises ValueError when it does not tell."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a right whose {name} cannot be read")
    return parse_recipient_text(value.strip())


def is_no_delegation(row: ResponseRow, trustee: str, sid: str) -> bool:
    """True for a row by which nobody got a right over somebody else's mailbox."""
    denied = parse_row_flag(row, "Deny")
    denied = denied or parse_text(row.get("AccessControlType"), 64).strip().casefold() == "deny"
    return denied or parse_row_flag(row, "IsInherited") or is_built_in_trustee(trustee, sid)


def parse_rights(row: ResponseRow) -> frozenset[str]:
    """The rights of a row in lower case, from a list or a string. Raises ValueError for none."""
    found = frozenset(word.casefold() for word in parse_name_set(row.get("AccessRights")))
    if not found:
        raise ValueError("a right that is not named")
    return found


def parse_mailbox_rights(owner: Mailbox, row: ResponseRow) -> tuple[Delegation, ...]:
    """A row of Get-MailboxPermission, which may hold several rights."""
    trustee = parse_trustee(row, "User")
    sid = find_sid(row.get("UserSid"), trustee)
    if is_no_delegation(row, trustee, sid):
        return ()
    found = parse_rights(row)
    if strange := sorted(found - MAILBOX_RIGHTS.keys() - IGNORED_RIGHTS):
        raise ValueError(f"a right nobody knows: {strange[0][:60]}")
    return tuple(
        Delegation(right, trustee, sid, owner)
        for word, right in MAILBOX_RIGHTS.items()
        if word in found
    )


def parse_send_as_rights(row: ResponseRow) -> tuple[Delegation, ...]:
    """A row of Get-RecipientPermission. Of the recipient it only has the name."""
    trustee = parse_trustee(row, "Trustee")
    sid = find_sid(row.get("TrusteeSidString"), trustee)
    if is_no_delegation(row, trustee, sid):
        return ()
    if parse_rights(row) != {"sendas"}:
        raise ValueError("a right over a recipient nobody knows")
    of = parse_text(row.get("Identity")).strip()
    if not of:
        raise ValueError("a right over a recipient without a name")
    return (Delegation("SendAs", trustee, sid, mailbox_name=of),)


def parse_send_on_behalf_rights(row: ResponseRow) -> tuple[Delegation, ...]:
    """A row of Get-Mailbox: whom its GrantSendOnBehalfTo names."""
    owner = parse_mailbox(row)
    value = row.get("GrantSendOnBehalfTo")
    found = {}
    for entry in split_recipients(value):
        if not isinstance(entry, str) or not entry.strip():
            raise ValueError("GrantSendOnBehalfTo names somebody who cannot be read")
        trustee = parse_recipient_text(entry.strip())
        found[trustee] = Delegation("SendOnBehalf", trustee, find_sid(trustee), owner)
    return tuple(found.values())
