"""What Microsoft's default contains in this tenant, by the mailboxes in Microsoft's hands. Pure.

Microsoft changes its default licence by licence and tenant by tenant. What it audits by itself in
most mailboxes of a kind and licence is what a list set by hand should contain there.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from core.microsoft365.audit_actions import (
    DEFAULT_ACTIONS,
    ActionsByLogonType,
    AuditLicence,
    classify_capabilities,
    get_audited_actions,
    get_managed_logon_types,
)
from core.tenant.auditing import MailboxAudit

ANY_KIND = ""
MIN_MAILBOXES = 3
"""So many lists in Microsoft's hands are needed to say what its default is in this tenant."""

type ListKey = tuple[str, AuditLicence, str]


@dataclass(slots=True)
class TenantDefaults:
    """Counts the actions of lists in Microsoft's hands, by kind, licence and logon type."""

    list_counts: Counter[ListKey] = field(default_factory=Counter)
    action_counts: dict[ListKey, Counter[str]] = field(default_factory=dict)

    def add_audits(self, audits: Iterable[MailboxAudit]) -> None:
        """Count what mailboxes audit by Microsoft's default."""
        for audit in audits:
            managed = get_managed_logon_types(audit)
            for name in DEFAULT_ACTIONS:
                if name.lower() in managed and name in audit.actions:
                    for key in list_alike_keys(audit, name):
                        self.list_counts[key] += 1
                        counts = self.action_counts.setdefault(key, Counter())
                        counts.update(get_audited_actions(audit, name))

    def get_default(self, audit: MailboxAudit) -> ActionsByLogonType:
        """What at least half of the lists like a mailbox's own contain, by logon type.

        Where too few mailboxes of its kind were seen, those of any kind with its licence count.
        """
        found: dict[str, frozenset[str]] = {}
        for name in DEFAULT_ACTIONS:
            for key in list_alike_keys(audit, name):
                if self.list_counts[key] >= MIN_MAILBOXES:
                    found[name] = frozenset(
                        action
                        for action, count in self.action_counts[key].items()
                        if 2 * count >= self.list_counts[key]
                    )
                    break
        return found


def list_alike_keys(audit: MailboxAudit, logon_type: str) -> tuple[ListKey, ListKey]:
    """Which lists are alike: of one kind and licence, as Exchange has it; then of the licence."""
    licence = classify_capabilities(audit)
    return (audit.mailbox.kind.lower(), licence, logon_type), (ANY_KIND, licence, logon_type)
