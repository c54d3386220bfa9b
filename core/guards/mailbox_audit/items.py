"""What the guard judges: a mailbox's audit settings, switches of the organization, bypasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from core.guards.mailbox_audit.memory import NOTHING_RECORDED, Recorded
from core.microsoft365.audit_actions import ActionsByLogonType, AuditLicence
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.directory import Account
from core.tenant.mailboxes import Mailbox

NOBODYS_MAILBOX = Mailbox("", "", "")


class AuditVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    REPAIR = "repair"
    KEEP = "keep"


VERDICT_TEXTS: Mapping[str, str] = {
    AuditVerdict.REPAIR: "a protection is weaker than it should be",
    AuditVerdict.KEEP: "it differs, and is kept as it is",
}


class Posture(NamedTuple):
    """All that a mailbox without a known account is judged by, whosever it is.

    Nearly all mailboxes of a tenant share a few of these, so that each of them is judged once.
    """

    enabled: bool | None
    default_set: frozenset[str]
    actions: tuple[tuple[str, frozenset[str]], ...]
    age_days: float | None
    capabilities: frozenset[str]
    licence: AuditLicence
    tenant_defaults: tuple[tuple[str, frozenset[str]], ...]
    recorded: Recorded

    def count_names(self) -> int:
        """How many names it holds, which somebody else chose."""
        return (
            len(self.default_set)
            + len(self.capabilities)
            + sum(len(actions) for _, actions in self.actions)
        )

    def build_item(self) -> "LicensedAudit":
        """A mailbox of nobody that is judged as all are that share this."""
        audit = MailboxAudit(
            NOBODYS_MAILBOX,
            self.enabled,
            self.default_set,
            dict(self.actions),
            self.age_days,
            self.capabilities,
        )
        return LicensedAudit(audit, self.licence, dict(self.tenant_defaults), self.recorded)


@dataclass(frozen=True, slots=True)
class LicensedAudit:
    """A mailbox's audit settings, with what decides which of them it should have."""

    audit: MailboxAudit
    licence: AuditLicence
    tenant_defaults: ActionsByLogonType = field(default_factory=dict)
    """What Microsoft's default contains in this tenant for mailboxes like this one, by logon type;
    a logon type of which too few mailboxes were seen is absent.
    """
    recorded: Recorded = NOTHING_RECORDED
    """What it recorded when the guard saw it before."""
    account: Account | None = None
    """Its account, where the licence was asked for and read."""

    @property
    def posture(self) -> Posture:
        """What it is judged by as long as it has no account."""
        audit = self.audit
        return Posture(
            audit.enabled,
            audit.default_set,
            tuple(audit.actions.items()),
            audit.age_days,
            audit.capabilities,
            self.licence,
            tuple(self.tenant_defaults.items()),
            self.recorded,
        )


type AuditItem = LicensedAudit | OrganizationAudit | AuditBypass
