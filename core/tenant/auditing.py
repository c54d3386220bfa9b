"""core.tenant.auditing."""

from collections.abc import (
    Mapping,
)
from dataclasses import dataclass

from core.tenant.mailboxes import Mailbox


@dataclass(frozen=True, slots=True)
class MailboxAudit:
    """The audit settings of a mailbox.

    `default_set` are the logon types (Admin, Delegate, Owner) that Microsoft keeps up to date;
    `actions` the audited actions by logon type. `age_days` is AuditLogAgeLimit, None when it could
    not be understood. `capabilities` is PersistedCapabilities.
    """

    mailbox: Mailbox
    enabled: bool | None
    default_set: frozenset[str]
    actions: Mapping[str, frozenset[str]]
    age_days: float | None
    capabilities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class OrganizationAudit:
    """The organization's two switches: None is "could not tell" (and the reading says why)."""

    audit_disabled: bool | None = None
    unified_log: bool | None = None


@dataclass(frozen=True, slots=True)
class AuditBypass:
    """An account none of whose actions are written to any mailbox audit log, if `bypassed`."""

    id: str
    name: str
    bypassed: bool = True
