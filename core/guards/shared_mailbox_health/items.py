"""What the guard judges: the settings and the size of a shared mailbox, with its account."""

from dataclasses import dataclass

from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox, SharedMailbox
from core.tenant.sources import ACCOUNTS, MAILBOX_SIZES, SHARED_MAILBOXES

GB = 2**30
SIZE_LIMIT, NEAR_SIZE_LIMIT = 50 * GB, 45 * GB
SETTINGS, LICENCES = "shared-mailbox-settings", "licences"
"""The sources read at each run; sizes and accounts are read once a day."""
SIZE_SOURCES = (SHARED_MAILBOXES, MAILBOX_SIZES, ACCOUNTS)


@dataclass(frozen=True, slots=True)
class SharedMailboxState:
    """The settings of a shared mailbox, and its account; None where Entra knows none.

    An account that could not be read is kept apart from one that does not exist.
    """

    settings: SharedMailbox
    account: Account | None = None
    is_account_unreadable: bool = False


@dataclass(frozen=True, slots=True)
class MeasuredMailbox:
    """How large a shared mailbox is, and its account; `settings` only where they decide."""

    mailbox: Mailbox
    size_bytes: int
    account: Account | None = None
    settings: SharedMailbox | None = None


type SharedMailboxItem = SharedMailboxState | MeasuredMailbox
