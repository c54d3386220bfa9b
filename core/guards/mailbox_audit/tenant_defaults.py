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
    lowercase_names,
    spell_actions,
)
from core.tenant.auditing import MailboxAudit

ANY_KIND = ""
MIN_MAILBOXES = 3
"""So many lists in Microsoft's hands are needed to say what its default is in this tenant."""

type ListKey = tuple[str, AuditLicence, str]
type AuditClass = tuple[str, AuditLicence, frozenset[str], tuple[tuple[str, frozenset[str]], ...]]
"""What mailboxes have in common that count alike: kind, licence, and the lists that they show."""


@dataclass(slots=True)
class TenantDefaults:
    """Counts the lists in Microsoft's hands, by kind, licence and logon type."""

    list_counts: Counter[ListKey] = field(default_factory=Counter)
    set_counts: dict[ListKey, Counter[frozenset[str]]] = field(default_factory=dict)
    """How often each set of actions was seen: there are few of them."""
    defaults: dict[tuple[str, AuditLicence], ActionsByLogonType] = field(default_factory=dict)
    """What the counts say of a kind and licence, until there are more of them."""

    def add_audits(self, audits: Iterable[MailboxAudit]) -> None:
        """Count what mailboxes audit by Microsoft's default."""
        self.defaults.clear()
        for alike, count in Counter(map(classify_audit, audits)).items():
            kind, licence, default_set, lists = alike
            managed = lowercase_names(default_set)
            for name, actions in lists:
                if name.lower() not in managed:
                    continue
                for key in list_alike_keys(kind, licence, name):
                    self.list_counts[key] += count
                    self.set_counts.setdefault(key, Counter())[spell_actions(actions)] += count

    def get_default(self, audit: MailboxAudit) -> ActionsByLogonType:
        """What at least half of the lists like a mailbox's own contain, by logon type.

        Where too few mailboxes of its kind were seen, those of any kind with its licence count.
        """
        kind, licence = audit.mailbox.kind.lower(), classify_capabilities(audit)
        if (kind, licence) not in self.defaults:
            self.defaults[kind, licence] = {
                name: self.count_usual_actions(key)
                for name in DEFAULT_ACTIONS
                if (key := self.find_counted_key(kind, licence, name))
            }
        return self.defaults[kind, licence]

    def find_counted_key(self, kind: str, licence: AuditLicence, name: str) -> ListKey | None:
        """The first of the keys under which enough lists were counted."""
        keys = list_alike_keys(kind, licence, name)
        return next((key for key in keys if self.list_counts[key] >= MIN_MAILBOXES), None)

    def count_usual_actions(self, key: ListKey) -> frozenset[str]:
        """The actions in at least half of the lists that were counted under a key."""
        counts: Counter[str] = Counter()
        for actions, count in self.set_counts[key].items():
            counts.update(dict.fromkeys(actions, count))
        half = self.list_counts[key] / 2
        return frozenset(name for name, count in counts.items() if count >= half)


def classify_audit(audit: MailboxAudit) -> AuditClass:
    """What a mailbox has in common with those that count alike."""
    return (
        audit.mailbox.kind.lower(),
        classify_capabilities(audit),
        audit.default_set,
        tuple(audit.actions.items()),
    )


def list_alike_keys(kind: str, licence: AuditLicence, name: str) -> tuple[ListKey, ListKey]:
    """Which lists of a logon type are alike: of one kind and licence, then of the licence."""
    return (kind, licence, name), (ANY_KIND, licence, name)
