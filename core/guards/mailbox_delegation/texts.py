"""What is said of holders of rights, whatever the right. Pure."""

from collections.abc import Iterator

from core.guards.mailbox_delegation.items import MAX_TEXT_LENGTH, GrantedRight, Policy
from core.guards.mailbox_delegation.verdicts import DelegationVerdict
from core.microsoft365.trustees import HolderType
from core.model.findings import Fact
from core.tenant.mailboxes import Mailbox
from core.tenant.quoting import quote_text

PERSONAL_KINDS = frozenset({"", "usermailbox", "linkedmailbox", "legacymailbox", "mailuser"})
"""Kinds of recipients that belong to one person; an unknown kind counts as one."""
MAX_SHOWN = 10
MAX_REASON_LENGTH = 200

HOLDER_VERDICTS = {
    HolderType.EVERYONE: DelegationVerdict.EVERYONE,
    HolderType.OUTSIDER: DelegationVerdict.EXTERNAL,
    HolderType.UNKNOWN_SID: DelegationVerdict.UNRESOLVED,
    HolderType.UNKNOWN_NAME: DelegationVerdict.UNRESOLVED,
    HolderType.UNKNOWN_KIND: DelegationVerdict.UNRESOLVED,
    HolderType.KNOWN: DelegationVerdict.DELEGATED,
}
ADVICE = "Ask the owner, and who gave it; unless somebody answers for it, take it away."
HOLDER_TEXTS = {
    HolderType.EVERYONE: "this is not one person: everybody may",
    HolderType.OUTSIDER: "a guest, contact or mail user whose mail is not in this organization: "
    "somebody from outside",
    HolderType.UNKNOWN_SID: "an identifier nobody has: a deleted account, or one of another tenant",
    HolderType.UNKNOWN_NAME: "no recipient has that name: an account or group without mail, "
    "or several",
    HolderType.UNKNOWN_KIND: "a kind of recipient that is not known: whether it belongs to the "
    "organization cannot be told",
}


def describe_members(item: GrantedRight) -> str:
    """What is to be said of a group in the middle of a sentence that begins with it."""
    if not item.outside_members:
        return ""
    count = len(item.outside_members)
    return f", a group with {count:,} member{'s' if count > 1 else ''} from outside,"


def is_personal_mailbox(mailbox: Mailbox, policy: Policy) -> bool:
    """True for a mailbox that is one person's own."""
    shared = {kind.casefold() for kind in policy.options.resource_kinds}
    return mailbox.kind.casefold() in PERSONAL_KINDS - shared


def format_holder(item: GrantedRight) -> str:
    """How people know the holder."""
    return quote_text(item.recipient.address or item.delegation.trustee, MAX_TEXT_LENGTH)


def list_member_facts(item: GrantedRight) -> Iterator[Fact]:
    """What is told of the members of a group."""
    outside = item.outside_members
    if outside:
        shown = ", ".join(quote_text(one, MAX_TEXT_LENGTH) for one in outside[:MAX_SHOWN])
        more = len(outside) - MAX_SHOWN
        yield Fact("members from outside", f"{shown} and {more:,} more" if more > 0 else shown)
    if item.doubt:
        who = "others from outside are" if outside else "somebody from outside is"
        why = quote_text(item.doubt, MAX_REASON_LENGTH)
        yield Fact("", f"whether {who} in the group is not known ({why})")
