"""What the guard judges: a mailbox's audit settings, switches of the organization, bypasses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from core.guards.mailbox_audit.memory import NOTHING_RECORDED, Recorded
from core.microsoft365.audit_actions import ActionsByLogonType, AuditLicence
from core.tenant.auditing import AuditBypass, MailboxAudit, OrganizationAudit
from core.tenant.directory import Account


class AuditVerdict(StrEnum):
    """What this guard concludes, besides the engine's own verdicts."""

    REPAIR = "repair"
    KEEP = "keep"


VERDICT_TEXTS: Mapping[str, str] = {
    AuditVerdict.REPAIR: "a protection is weaker than it should be",
    AuditVerdict.KEEP: "it differs, and is kept as it is",
}


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


type AuditItem = LicensedAudit | OrganizationAudit | AuditBypass
