"""What the settings say of audit logs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ActivityOptions:
    """Which logs are read, and what each tick does besides."""

    feed: str = "auto"
    """Whether records of Exchange are read: on, off, or auto, where the app holds the permission.
    """
    reads_accounts: bool = True
    """Whether Entra is asked which accounts were enabled."""
    searches: bool = False
    """Whether the audit log is searched for the causes of cases, and for accounts."""
    runs_forwarding: bool = True
    """Whether mailbox-forwarding runs at each tick of a tenant that is not too large for it."""
    shard_above: int = 20_000
    """The number of mailboxes above which a tenant is large."""
