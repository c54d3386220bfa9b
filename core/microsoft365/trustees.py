"""The holders of rights over mailboxes: what a holder's name and identifier say. Pure.

Exchange prints a holder as an address, a name, `DOMAIN\\user`, a legacy DN or a bare security
identifier. It also lists the rights that every mailbox has over itself, and those of Exchange's
own servers (Microsoft Learn: Get-MailboxPermission, Well-known SIDs).
"""

import re
import unicodedata
from enum import StrEnum

from core.microsoft365.addresses import (
    OwnDomains,
    find_outside_address,
    get_address_domain,
    normalize_address,
    parse_recipient_string,
)
from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.microsoft365.recipients import is_group, keeps_mail
from core.tenant.mail_flow import Recipient
from core.tenant.mailboxes import Delegation, Mailbox

SID_PATTERN = re.compile(r"(?i)S-1-\d{1,14}(?:-\d{1,10}){1,15}")
FOREST_PATTERN = re.compile(
    r"[a-z]{3}p(?:rd?\d{2}(?:a\d{3})?|\d{3}a\d{3})|prd[a-z]{3}\d{2}|builtin"
)
"""The domains of Microsoft's datacenters, such as EURPRD01A002 or NAMP223A001."""

SYSTEM_SIDS = frozenset({"S-1-5-10", "S-1-5-18", "S-1-5-19", "S-1-5-20", "S-1-0-0"})
"""SELF, SYSTEM, LOCAL SERVICE, NETWORK SERVICE and NULL."""

SYSTEM_NAMES = frozenset(
    {
        "nt authority\\self",
        "nt authority\\system",
        "nt authority\\local service",
        "nt authority\\network service",
        "null sid",
    }
)
DATACENTER_GROUPS = frozenset(
    {
        "administrators",
        "delegated setup",
        "domain admins",
        "enterprise admins",
        "exchange domain servers",
        "exchange servers",
        "exchange trusted subsystem",
        "exchange windows permissions",
        "managed availability servers",
        "organization management",
        "public folder management",
        "view-only administrators",
    }
)

EVERYONE_SIDS = frozenset({"S-1-1-0", "S-1-5-7", "S-1-5-11", "S-1-5-32-545", "S-1-5-32-546"})
EVERYONE_RIDS = ("-513", "-514")
EVERYONE_NAMES = frozenset(
    {
        "anonymous",
        "anonymous logon",
        "authenticated users",
        "default",
        "domain guests",
        "domain users",
        "everyone",
    }
)
GUEST_MARK = "#ext#"
SHARING_PARTNER_PREFIX = "exchangepublisheduser."
"""How Exchange prints somebody outside with whom a folder was shared."""
ACCOUNT_PREFIX = "nt:"
"""Stands before the identifier of an account that is gone, in the rights over a folder."""
FOLDER_RIGHTS_NAME = "FolderRights"
"""The `right` of a delegation that stands for rights over folders."""
OUTSIDE_KINDS = frozenset({"guestmailuser", "mailcontact", "mailforestcontact"})
"""Recipients that stand for somebody outside."""
MAIL_USER_KIND = "mailuser"
"""A recipient whose mail is elsewhere: on premises, or in another tenant as that of a B2B member.

A B2B member is a MailUser whose addresses are those of its own tenant (EvotecIT/O365Synchronizer
#26).
"""

# Mailboxes that Exchange uses itself, by kind or by a form of name that people do not have.
SYSTEM_KINDS = frozenset(
    {
        "arbitrationmailbox",
        "auditlogmailbox",
        "auxauditlogmailbox",
        "discoverymailbox",
        "monitoringmailbox",
        "supervisoryreviewpolicymailbox",
        "systemattendantmailbox",
        "systemmailbox",
    }
)
SYSTEM_NAME_PATTERN = re.compile(
    r"(?i)(?:(?:discoverysearch|system|health)mailbox\s*\{?|federatedemail\.|migration\.)"
    r"[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}\}?"
)


class HolderType(StrEnum):
    """What is known about the holder of a right."""

    EVERYONE = "everyone"
    OUTSIDER = "outsider"
    UNKNOWN_SID = "unknown-sid"
    UNKNOWN_NAME = "unknown-name"
    UNKNOWN_KIND = "unknown-kind"
    KNOWN = "known"


def find_sid(*values: object) -> str:
    """The first value that is a security identifier, in upper case; empty if none is."""
    for value in values:
        if isinstance(value, str) and SID_PATTERN.fullmatch(value.strip()):
            return value.strip().upper()
    return ""


def strip_account_prefix(name: str) -> str:
    """The identifier alone where a name is that of an account that is gone."""
    text = name.strip()
    return text[len(ACCOUNT_PREFIX) :] if text.casefold().startswith(ACCOUNT_PREFIX) else text


def normalize_trustee(name: str) -> str:
    """A name in the form to compare: Exchange varies its case and the account's forest."""
    shown = unicodedata.normalize("NFC", name).strip().casefold()
    domain, mark, account = shown.partition("\\")
    if mark and FOREST_PATTERN.fullmatch(domain):
        return account
    return shown.removeprefix("smtp:")


def is_built_in_trustee(trustee: str, sid: str) -> bool:
    """True for a mailbox's right over itself, and for those of Exchange's own servers.

    An identifier outweighs a name, since an attacker may call a group SELF. A server's group is
    recognized by the datacenter's domain before its name, as Exchange prints it: without one, its
    name may be that of any group.
    """
    shown = trustee.strip().casefold()
    if sid and not sid.startswith("S-1-5-21-"):
        return sid in SYSTEM_SIDS
    domain, mark, account = shown.partition("\\")
    if mark and FOREST_PATTERN.fullmatch(domain):
        return account in DATACENTER_GROUPS
    return not sid and shown in SYSTEM_NAMES


def is_everyone_trustee(trustee: str, sid: str) -> bool:
    """True for a right that is granted to everybody."""
    account = trustee.strip().casefold().rpartition("\\")[2]
    wide = sid.startswith("S-1-5-21-") and sid.endswith(EVERYONE_RIDS)
    return wide or sid in EVERYONE_SIDS or account in EVERYONE_NAMES


def needs_no_lookup(delegation: Delegation) -> bool:
    """True if the name alone says who the holder is."""
    trustee = delegation.trustee
    return (
        is_everyone_trustee(trustee, delegation.sid)
        or GUEST_MARK in trustee.casefold()
        or is_sharing_partner(trustee)
        or (delegation.right == FOLDER_RIGHTS_NAME and bool(delegation.sid))
    )


def is_sharing_partner(trustee: str) -> bool:
    """True for somebody outside with whom a folder was shared, as Exchange prints them."""
    return trustee.casefold().startswith(SHARING_PARTNER_PREFIX)


def is_known_kind(recipient: Recipient) -> bool:
    """True for a kind of recipient of which it is known whether it belongs to the organization."""
    kind = recipient.kind.casefold()
    return (
        keeps_mail(recipient)
        or is_group(recipient)
        or kind == MAIL_USER_KIND
        or kind in OUTSIDE_KINDS
    )


def has_mail_elsewhere(recipient: Recipient) -> bool:
    """True for a mail user: whose it is, its addresses and the accepted domains say together."""
    return recipient.found and recipient.kind.casefold() == MAIL_USER_KIND


def find_mail_domain(recipient: Recipient) -> str:
    """The domain that a mail user's mail goes to; empty for none."""
    target = recipient.external_address or recipient.address
    return get_address_domain(normalize_address(parse_recipient_string(target)[1]))


def is_own_mail_user(recipient: Recipient, own_domains: OwnDomains) -> bool:
    """True for a mail user whose mail goes to a domain of the tenant, on premises for instance."""
    target = recipient.external_address or recipient.address
    address = normalize_address(parse_recipient_string(target)[1])
    own = bool(address) and not find_outside_address(address, own_domains)
    primary = normalize_address(recipient.address)
    return own and (not primary or own_domains.contains_address(primary))


def classify_holder(
    delegation: Delegation, recipient: Recipient, *, is_outside: bool = False
) -> HolderType:
    """What is known about a holder, given the recipient that Exchange found for the name.

    `is_outside` is True for a mail user of another organization.
    """
    if is_everyone_trustee(delegation.trustee, delegation.sid):
        return HolderType.EVERYONE
    kind = recipient.kind.casefold()
    if is_outside or GUEST_MARK in delegation.trustee.casefold() or kind in OUTSIDE_KINDS:
        return HolderType.OUTSIDER
    if is_sharing_partner(delegation.trustee):
        return HolderType.OUTSIDER
    if recipient.found:
        return HolderType.KNOWN if is_known_kind(recipient) else HolderType.UNKNOWN_KIND
    is_sid = bool(find_sid(strip_account_prefix(delegation.trustee)))
    return HolderType.UNKNOWN_SID if is_sid else HolderType.UNKNOWN_NAME


def list_holder_ids(delegation: Delegation, recipient: Recipient) -> tuple[str, ...]:
    """The ids of a holder, the most reliable first: identifier, object id, and only then the name.

    An identifier is never reused and stays when the account is renamed, deleted or restored.
    Exchange gives none for send on behalf, where the object id is as reliable. A name may change,
    so it is used only where Exchange finds no recipient.
    """
    known = []
    if delegation.sid:
        known.append(f"sid:{delegation.sid}")
    if recipient.found and recipient.id:
        known.append(f"id:{recipient.id}")
    return tuple(known) or (f"name:{normalize_trustee(delegation.trustee)}",)


def is_system_mailbox(mailbox: Mailbox) -> bool:
    """True for a mailbox that Exchange uses itself and that no person reads.

    The name counts only where Exchange gives no kind: a person's mailbox may have any name.
    """
    if mailbox.kind:
        return mailbox.kind.casefold() in SYSTEM_KINDS
    return SYSTEM_NAME_PATTERN.fullmatch(mailbox.name.strip()) is not None


# ----------------------------------------------------------------------------------------------
# Commands that revoke a right
# ----------------------------------------------------------------------------------------------


def build_remove_right_command(
    delegation: Delegation, mailbox: Mailbox, recipient: Recipient
) -> str:
    """The Exchange command that revokes the right; empty if a name cannot be quoted."""
    of = mailbox.guid or mailbox.address or mailbox.name
    whom = recipient.address or delegation.trustee
    if not can_be_quoted(of) or not can_be_quoted(whom):
        return ""
    match delegation.right:
        case "SendAs":
            return (
                f"Remove-RecipientPermission -Identity {quote_literal(of)} "
                f"-Trustee {quote_literal(whom)} -AccessRights SendAs"
            )
        case "SendOnBehalf":
            gone = f"@{{Remove={quote_literal(whom)}}}"
            return f"Set-Mailbox -Identity {quote_literal(of)} -GrantSendOnBehalfTo {gone}"
        case right:
            return (
                f"Remove-MailboxPermission -Identity {quote_literal(of)} "
                f"-User {quote_literal(whom)} -AccessRights {right}"
            )
