"""What an operator may set for this guard."""

from dataclasses import dataclass

from core.microsoft365.audit_actions import ItemsAccessedRule
from core.model.guards import GuardPolicy
from core.model.options import Purpose, Setting, SettingReader, one_of, whole_number


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """What mailboxes should record, and for how long."""

    age_days: int
    """The least AuditLogAgeLimit, in days."""
    items_accessed: ItemsAccessedRule
    """Where MailItemsAccessed should be recorded."""


type Policy = GuardPolicy[AuditOptions]

# What Microsoft sets on every mailbox (Microsoft Learn: Set-Mailbox, AuditLogAgeLimit).
MICROSOFT_AGE_DAYS = 90

AUDIT_LOG_AGE_DAYS = Setting(
    name="AUDIT_LOG_AGE_DAYS",
    purpose=Purpose.JUDGEMENT,
    default=str(MICROSOFT_AGE_DAYS),
    help="mailbox-audit: the least AuditLogAgeLimit, in days; Microsoft's own is 90, so a larger "
    "number changes every mailbox, which Exoguard cannot undo",
    parse=whole_number(1, 3650),
)
ITEMS_ACCESSED = Setting(
    name="MAIL_ITEMS_ACCESSED",
    purpose=Purpose.JUDGEMENT,
    default="licensed",
    help="mailbox-audit: where MailItemsAccessed should be recorded: licensed, required or ignore",
    parse=one_of(*ItemsAccessedRule),
)


def read_options(reader: SettingReader) -> AuditOptions:
    """The guard's options from its settings."""
    return AuditOptions(
        reader.read(AUDIT_LOG_AGE_DAYS), ItemsAccessedRule(reader.read(ITEMS_ACCESSED))
    )
