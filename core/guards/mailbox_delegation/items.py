"""What the guard mailbox-delegation sees: one right, and who holds it. Pure."""

from dataclasses import dataclass

from core.model.guards import GuardPolicy
from core.model.options import SettingReader
from core.model.shared_settings import RESOURCE_MAILBOX_KINDS
from core.tenant.mail_flow import Recipient
from core.tenant.mailboxes import Delegation, FolderRight, Mailbox, OwnAddIn
from core.tenant.quoting import quote_text

MAX_TEXT_LENGTH = 120


@dataclass(frozen=True, slots=True)
class DelegationOptions:
    """Which mailboxes are shared ones."""

    resource_kinds: tuple[str, ...]
    """RecipientTypeDetails of mailboxes that people share."""


type Policy = GuardPolicy[DelegationOptions]


def read_options(reader: SettingReader) -> DelegationOptions:
    """The guard's options from its settings."""
    return DelegationOptions(resource_kinds=reader.read(RESOURCE_MAILBOX_KINDS))


@dataclass(frozen=True, slots=True)
class GrantedRight:
    """One right, the mailbox it is over, and who holds it as far as Exchange knows."""

    delegation: Delegation
    mailbox: Mailbox
    recipient: Recipient
    is_outside: bool = False
    """Whether the holder is a mail user of another organization."""
    new_domain: str = ""
    """The domain that makes the holder look like a colleague and is new; empty for none."""
    outside_members: tuple[str, ...] = ()
    """Of a group, the members that are outside, as people know them."""
    folders: tuple[FolderRight, ...] = ()
    """What the holder may do in single folders; empty for a right over the mailbox as a whole."""
    doubt: str = ""
    """Why somebody from outside may be in the group too, as a clause; empty for no doubt."""


type DelegationItem = GrantedRight | OwnAddIn


def format_delegated_mailbox(mailbox: Mailbox) -> str:
    """How people know the mailbox."""
    return quote_text(mailbox.address or mailbox.name or mailbox.id, MAX_TEXT_LENGTH)
