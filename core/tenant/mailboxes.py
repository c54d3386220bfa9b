"""core.tenant.mailboxes."""

from dataclasses import dataclass
from datetime import datetime

from core.sanitize import sanitize_text

MAX_NAME_LENGTH = 200
"""The most characters of a name that a finding shows."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox as Exchange lists it.

    `id` is the Entra object id (ExternalDirectoryObjectId), or the Exchange Guid where there is
    none (`has_account` False). `guid` is Exchange's own id, the identity used in cmdlets. `kind` is
    RecipientTypeDetails. `forwarding_address` is a recipient's name as Exchange prints it,
    `forwarding_smtp_address` an address with its `smtp:` prefix; both empty when unset.
    """

    id: str
    guid: str
    address: str
    name: str = ""
    kind: str = "UserMailbox"
    has_account: bool = True
    synced: bool = False
    forwarding_address: str = ""
    forwarding_smtp_address: str = ""
    keeps_copy: bool = False


@dataclass(frozen=True, slots=True)
class MailboxProtocols:
    """Which of "imap", "pop" and "smtp" (SMTP AUTH) a mailbox allows or refuses by itself.

    What is in none of the three sets is left to the organization, which only SMTP AUTH can be.
    `untold` are protocols of which the answer did not tell.
    """

    mailbox: Mailbox
    allowed: frozenset[str] = frozenset()
    denied: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ProtocolUse:
    """That an account signed in by a protocol with success: when last, and from which addresses."""

    account_id: str
    protocol: str
    upn: str
    last_used: datetime
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delegation:
    """A right over a mailbox that somebody else was given.

    `right` is FullAccess, ChangePermission, ChangeOwner, SendAs or SendOnBehalf. `trustee` is who
    has it, in whatever words Exchange prints; `sid` their security identifier, "" where it is not
    told. `mailbox` is None where Exchange only prints the name of a recipient, which `of` is then.
    """

    right: str
    trustee: str
    sid: str = ""
    mailbox: Mailbox | None = None
    mailbox_name: str = ""


@dataclass(frozen=True, slots=True)
class SharedMailbox:
    """A shared mailbox with what may need a licence, and what the directory on premises says of it.

    `held` is its litigation hold, `archive` whether it has one, `kept` whether another hold or a
    retention policy names it; None: the answer did not tell. `remote` are the flags of
    RemoteRecipientType, None when they were not understood. `cloud_managed`: what Exchange knows
    of it is no longer taken from the directory on premises.
    """

    mailbox: Mailbox
    upn: str = ""
    litigation_hold: bool | None = False
    has_archive: bool | None = False
    on_hold: bool | None = False
    remote_recipient_type: int | None = 0
    cloud_managed: bool = False


@dataclass(frozen=True, slots=True)
class MailboxSize:
    """How many bytes the items of a mailbox take, those in its archive or recoverable left out."""

    id: str
    size_bytes: int


def format_mailbox_name(mailbox: Mailbox) -> str:
    """The mailbox as people know it: its address, else its name, else its id; sanitized."""
    return sanitize_text(mailbox.address or mailbox.name or mailbox.id, MAX_NAME_LENGTH)
