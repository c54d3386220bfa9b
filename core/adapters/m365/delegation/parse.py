"""Rows of mailbox and recipient permissions into delegations. Pure, tolerant, bounded.

What denies, is inherited, or belongs to the mailbox itself or to Exchange is nothing anybody
delegated. Only what says so plainly is left out: a row that does not tell is a delegation.
"""

from core.adapters.m365.parsing import Row, apart, flag, mailbox, recipient_text, text, words
from core.microsoft365.trustees import keeps_for_itself, sid_of
from core.tenant.mailboxes import Delegation, Mailbox

PERMISSION_PROPERTIES = (
    "Identity",
    "Trustee",
    "TrusteeSidString",
    "AccessControlType",
    "AccessRights",
    "IsInherited",
)

OVER_MAILBOXES = {
    "fullaccess": "FullAccess",
    "changepermission": "ChangePermission",
    "changeowner": "ChangeOwner",
}
"""Rights to read a mailbox, or to give oneself that right."""

HARMLESS = frozenset({"readpermission", "deleteitem", "externalaccount", "none"})


def trustee_of(row: Row, name: str) -> str:
    """Whom a row is about. Raises ValueError when it does not tell."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"a right whose {name} cannot be read")
    return recipient_text(value.strip())


def is_nothing(row: Row, trustee: str, sid: str) -> bool:
    """True for a row by which nobody got a right over somebody else's mailbox."""
    denied = flag(row, "Deny")
    denied = denied or text(row.get("AccessControlType"), 64).strip().casefold() == "deny"
    return denied or flag(row, "IsInherited") or keeps_for_itself(trustee, sid)


def rights_in(row: Row) -> frozenset[str]:
    """The rights of a row in lower case, from a list or a string. Raises ValueError for none."""
    found = frozenset(word.casefold() for word in words(row.get("AccessRights")))
    if not found:
        raise ValueError("a right that is not named")
    return found


def mailbox_rights(owner: Mailbox, row: Row) -> tuple[Delegation, ...]:
    """A row of Get-MailboxPermission, which may hold several rights."""
    trustee = trustee_of(row, "User")
    sid = sid_of(row.get("UserSid"), trustee)
    if is_nothing(row, trustee, sid):
        return ()
    found = rights_in(row)
    if strange := sorted(found - OVER_MAILBOXES.keys() - HARMLESS):
        raise ValueError(f"a right nobody knows: {strange[0][:60]}")
    return tuple(
        Delegation(right, trustee, sid, owner)
        for word, right in OVER_MAILBOXES.items()
        if word in found
    )


def send_as_rights(row: Row) -> tuple[Delegation, ...]:
    """A row of Get-RecipientPermission. Of the recipient it only has the name."""
    trustee = trustee_of(row, "Trustee")
    sid = sid_of(row.get("TrusteeSidString"), trustee)
    if is_nothing(row, trustee, sid):
        return ()
    if rights_in(row) != {"sendas"}:
        raise ValueError("a right over a recipient nobody knows")
    of = text(row.get("Identity")).strip()
    if not of:
        raise ValueError("a right over a recipient without a name")
    return (Delegation("SendAs", trustee, sid, of=of),)


def send_on_behalf_rights(row: Row) -> tuple[Delegation, ...]:
    """A row of Get-Mailbox: whom its GrantSendOnBehalfTo names."""
    owner = mailbox(row)
    value = row.get("GrantSendOnBehalfTo")
    found = {}
    for entry in apart(value):
        if not isinstance(entry, str) or not entry.strip():
            raise ValueError("GrantSendOnBehalfTo names somebody who cannot be read")
        trustee = recipient_text(entry.strip())
        found[trustee] = Delegation("SendOnBehalf", trustee, sid_of(trustee), owner)
    return tuple(found.values())
