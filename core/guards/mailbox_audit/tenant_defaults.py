"""What Microsoft's default contains in this tenant, by the mailboxes in Microsoft's hands. Pure.

Microsoft changes its default licence by licence and tenant by tenant. What it audits by itself in
most mailboxes of a kind and licence is what a list set by hand should contain there.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
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
    """Counts the lists in Microsoft's hands, by kind, licence and logon type."""

    list_counts: Counter[ListKey] = field(default_factory=Counter)
    set_counts: dict[ListKey, Counter[frozenset[str]]] = field(default_factory=dict)
    """How often each set of actions was seen: there are few of them."""
    defaults: dict[ListKey, frozenset[str]] = field(default_factory=dict)
    """What the counts say, until there are more of them."""

    def add_audits(self, audits: Iterable[MailboxAudit]) -> None:
        """Count what mailboxes audit by Microsoft's default."""
        self.defaults.clear()
        for audit in audits:
            managed = get_managed_logon_types(audit)
            for name, keys in list_alike_keys(audit):
                if name.lower() in managed and name in audit.actions:
                    actions = get_audited_actions(audit, name)
                    for key in keys:
                        self.list_counts[key] += 1
                        self.set_counts.setdefault(key, Counter())[actions] += 1

    def get_default(self, audit: MailboxAudit) -> ActionsByLogonType:
        """What at least half of the lists like a mailbox's own contain, by logon type.

        Where too few mailboxes of its kind were seen, those of any kind with its licence count.
        """
        found: dict[str, frozenset[str]] = {}
        for name, keys in list_alike_keys(audit):
            for key in keys:
                if self.list_counts[key] >= MIN_MAILBOXES:
                    found[name] = self.get_usual_actions(key)
                    break
        return found

    def get_usual_actions(self, key: ListKey) -> frozenset[str]:
        """The actions in at least half of the lists that were counted under a key."""
        if key not in self.defaults:
            counts: Counter[str] = Counter()
            for actions, count in self.set_counts[key].items():
                counts.update(dict.fromkeys(actions, count))
            half = self.list_counts[key] / 2
            self.defaults[key] = frozenset(name for name, count in counts.items() if count >= half)
        return self.defaults[key]


def list_alike_keys(audit: MailboxAudit) -> Iterator[tuple[str, tuple[ListKey, ListKey]]]:
    """For each logon type which lists are alike: of one kind and licence, as Exchange has it; then
    of the licence.
    """
    licence, kind = classify_capabilities(audit), audit.mailbox.kind.lower()
    for name in DEFAULT_ACTIONS:
        yield name, ((kind, licence, name), (ANY_KIND, licence, name))
