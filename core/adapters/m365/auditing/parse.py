"""Rows of audit settings into `core.tenant.auditing`. Pure."""

from functools import lru_cache

from core.adapters.m365.mailboxes import parse_mailbox
from core.adapters.parsing import (
    CACHED_NAMES_LENGTH,
    ResponseRow,
    parse_identifier,
    parse_name_set,
    parse_names,
    parse_optional_bool,
    parse_text,
    parse_timespan_days,
    parse_value_list,
)
from core.tenant.auditing import AuditBypass, MailboxAudit

RELIES_ON = (
    "exchange-audit-enabled",
    "exchange-audit-licence",
)

AUDIT_PROPERTIES = (
    "AuditEnabled",
    "DefaultAuditSet",
    "AuditAdmin",
    "AuditDelegate",
    "AuditOwner",
    "AuditLogAgeLimit",
    "PersistedCapabilities",
)
LOGON_TYPES = ("Admin", "Delegate", "Owner")


def parse_audit_names(row: ResponseRow, name: str) -> frozenset[str] | None:
    """A list of logon types or actions: null, an empty list and the word None are none of them.

    None when it is missing or no list of words, since it may not be empty.
    """
    if name not in row:
        return None
    listed = parse_value_list(row[name])
    words = [part for part in listed if isinstance(part, str)]
    return parse_actions(",".join(words)) if len(words) == len(listed) else None


def parse_actions(text: str) -> frozenset[str]:
    """The actions in a text, which may say by the word None that there are none."""
    usual = len(text) <= CACHED_NAMES_LENGTH
    return parse_usual_actions(text) if usual else drop_none(parse_names(text))


@lru_cache(256)
def parse_usual_actions(text: str) -> frozenset[str]:
    """The same of a short text: nearly all mailboxes of a tenant have the same few lists."""
    return drop_none(parse_names(text))


def drop_none(words: frozenset[str]) -> frozenset[str]:
    """Words without the one that stands for none."""
    return frozenset(word for word in words if word.lower() != "none")


def parse_mailbox_audit(row: ResponseRow) -> MailboxAudit:
    """A row of Get-Mailbox with its audit settings.

    Logon types whose actions are not known are left out of `actions`: all of them without a
    DefaultAuditSet, since an operator's own choices cannot be told apart then.
    """
    default_set = parse_audit_names(row, "DefaultAuditSet")
    shown = {kind: parse_audit_names(row, f"Audit{kind}") for kind in LOGON_TYPES}
    known = {kind: found for kind, found in shown.items() if found is not None}
    return MailboxAudit(
        mailbox=parse_mailbox(row),
        enabled=parse_optional_bool(row.get("AuditEnabled")),
        default_set=default_set or frozenset(),
        actions={} if default_set is None else known,
        age_days=parse_timespan_days(row.get("AuditLogAgeLimit")),
        capabilities=parse_name_set(row.get("PersistedCapabilities")),
    )


def parse_audit_bypass(row: ResponseRow) -> AuditBypass:
    """A row of Get-MailboxAuditBypassAssociation."""
    found = parse_identifier(row.get("Guid"))
    bypassed = parse_optional_bool(row.get("AuditBypassEnabled"))
    if bypassed is None:
        raise ValueError("an account that does not say whether it is bypassed")
    if not found:
        raise ValueError(f"an account without a usable id; AuditBypassEnabled: {bypassed}")
    return AuditBypass(found, parse_text(row.get("Name")), bypassed)
