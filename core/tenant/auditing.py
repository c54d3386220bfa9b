"""What mailbox auditing and the unified audit log record."""

from collections.abc import Mapping
from dataclasses import dataclass

from core.tenant.mailboxes import Mailbox


@dataclass(frozen=True, slots=True)
class MailboxAudit:
    """The audit settings of a mailbox."""

    mailbox: Mailbox
    enabled: bool | None
    """AuditEnabled; None: the response did not report it."""
    default_set: frozenset[str]
    """The logon types (Admin, Delegate, Owner) whose actions Microsoft maintains."""
    actions: Mapping[str, frozenset[str]]
    """Audited actions by logon type; a logon type that could not be read is absent."""
    age_days: float | None
    """AuditLogAgeLimit in days; None when it could not be parsed."""
    capabilities: frozenset[str] = frozenset()
    """PersistedCapabilities."""


@dataclass(frozen=True, slots=True)
class OrganizationAudit:
    """The organization's two switches. None: unknown, and the reading holds the reason."""

    audit_disabled: bool | None = None
    """AuditDisabled: mailbox auditing is off for the whole organization."""
    unified_log: bool | None = None
    """UnifiedAuditLogIngestionEnabled."""
    dehydrated: bool | None = None
    """IsDehydrated: the organization shares Microsoft's configuration, so that some of it cannot be
    set yet.
    """
    unlogged_count: int = 0
    """How many mailboxes print AuditEnabled True and are found by a filter as False. Counted only
    where a probe found any.
    """
    unlogged_examples: tuple[str, ...] = ()
    """The addresses of some of them."""


@dataclass(frozen=True, slots=True)
class AuditBypass:
    """An account and whether mailbox audit logs leave its actions out."""

    id: str
    name: str
    bypassed: bool = True
