"""Mailboxes of Exchange Online, their protocols, and the rights others hold over them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import msgspec

from core.tenant.quoting import quote_text

MAX_POLICY_USERS = 20
"""How many users of an authentication policy are read by name."""
MAX_NAME_LENGTH = 200
"""Longest name in a finding, in characters."""


# Each run makes two of these for every mailbox of the tenant: see core/tenant/mail_flow.py.
class Mailbox(msgspec.Struct, frozen=True, gc=False):
    """A mailbox as Get-Mailbox lists it."""

    id: str
    """Entra object id (ExternalDirectoryObjectId), or the Exchange Guid where there is none."""
    guid: str
    """Exchange's own id, the identity that cmdlets take."""
    address: str
    """Primary SMTP address."""
    name: str = ""
    kind: str = "UserMailbox"
    """RecipientTypeDetails."""
    has_account: bool = True
    """False: no Entra account belongs to it, and `id` is the Exchange Guid."""
    synced: bool = False
    """True: the on-premises directory is its source."""
    forwarding_address: str = ""
    """A recipient's name as Exchange prints it; empty when unset."""
    forwarding_smtp_address: str = ""
    """An address with its `smtp:` prefix; empty when unset."""
    keeps_copy: bool = False
    """True: forwarded mail is also delivered to the mailbox."""
    quota_bytes: int | None = None
    """The size at which it takes no more mail (ProhibitSendReceiveQuota); None: not read."""


@dataclass(frozen=True, slots=True)
class SweepRule:
    """A rule that clears mail of one sender away; no view of inbox rules shows it."""

    name: str
    sender: str
    destination: str
    keep_days: int | None = None
    """Days after which mail is moved; None or 0: at once, or by number."""


@dataclass(frozen=True, slots=True)
class MailboxSurroundings:
    """What stands in a mailbox beside its rules; texts are the tenant's, bounded."""

    mailbox_id: str
    sweep_rules: tuple[SweepRule, ...] = ()
    """Those that are on."""
    blocked_senders: tuple[str, ...] = ()
    """Whose mail goes to junk mail."""
    trusts_only_lists: bool = False
    """Whether mail of everybody else goes to junk mail."""
    automatic_reply: str = ""
    """What people outside are answered; empty: nothing."""
    reply_domains: tuple[str, ...] = ()
    """The domains that the reply links to or gives addresses of."""
    phones: tuple[str, ...] = ()
    published_calendar: str = ""
    """How much of its calendar anybody sees; empty: it is not published."""
    own_add_ins: tuple[str, ...] = ()
    """Add-ins that only this user has."""
    unread: tuple[str, ...] = ()
    """The cmdlets that did not answer."""


@dataclass(frozen=True, slots=True)
class FoundMailbox:
    """A mailbox, and the name by which it was asked for."""

    name: str
    mailbox: Mailbox


@dataclass(frozen=True, slots=True)
class MailboxProtocols:
    """Which of "imap", "pop" and "smtp" (SMTP AUTH) a mailbox's own settings allow or deny.

    A protocol in none of the three sets is inherited from the organization, as only SMTP AUTH can
    be.
    """

    mailbox: Mailbox
    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    """Protocols that the response did not report."""


@dataclass(frozen=True, slots=True)
class ProtocolUse:
    """Successful sign-ins of one account by one protocol."""

    account_id: str
    protocol: str
    upn: str
    last_used: datetime
    """The latest of them."""
    addresses: tuple[str, ...] = ()
    """IP addresses the client signed in from."""


class MailboxFolder(StrEnum):
    """A folder whose rights are read."""

    ROOT = "root"
    """The top of the mailbox, in which all folders lie."""
    INBOX = "inbox"


@dataclass(frozen=True, slots=True)
class FolderRight:
    """What somebody may do in one folder of a mailbox."""

    mailbox: Mailbox
    folder: MailboxFolder
    path: str
    """The folder as cmdlets take it behind the mailbox: a backslash, then its own name."""
    holder: str
    """The holder as Exchange prints it: a display name, which is nobody's alone."""
    rights: tuple[str, ...]
    """The roles and single rights, as printed."""


@dataclass(frozen=True, slots=True)
class OwnAddIn:
    """An Outlook add-in from a file that only the owner of a mailbox has."""

    mailbox: Mailbox
    app_id: str
    name: str
    provider: str = ""
    """Who made it, as it says itself."""
    requirements: str = ""
    """What it asks for, as Exchange prints it."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """A right over a mailbox that another principal holds."""

    right: str
    """FullAccess, ChangePermission, ChangeOwner, SendAs, SendOnBehalf or FolderRights."""
    trustee: str
    """The holder, as Exchange prints it."""
    sid: str = ""
    """The holder's security identifier; empty where Exchange does not print it."""
    mailbox: Mailbox | None = None
    """None where Exchange prints only a recipient's name."""
    mailbox_name: str = ""
    """That name; empty where `mailbox` is known."""


@dataclass(frozen=True, slots=True)
class SharedMailbox:
    """A shared mailbox with what may need a licence, and its link to the on-premises directory."""

    mailbox: Mailbox
    upn: str = ""
    litigation_hold: bool | None = False
    """None: the response did not report it."""
    has_archive: bool | None = False
    """None: the response did not report it."""
    on_hold: bool | None = False
    """Another hold or a retention policy covers it; None: the response did not report it."""
    remote_recipient_type: int | None = 0
    """The flags of RemoteRecipientType; None when they could not be parsed."""
    cloud_managed: bool = False
    """True: Exchange attributes are no longer synchronized from the on-premises directory."""


@dataclass(frozen=True, slots=True)
class MailboxSize:
    """The size of a mailbox's items, without its archive and its recoverable items."""

    id: str
    size_bytes: int


def format_mailbox_name(mailbox: Mailbox) -> str:
    """The mailbox's address, else its name, else its id; sanitized."""
    return quote_text(mailbox.address or mailbox.name or mailbox.id, MAX_NAME_LENGTH)
