"""The actions that a mailbox audits, compared with Microsoft's default. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from core.microsoft365.service_plans import has_advanced_auditing
from core.model.findings import Fact
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import ResetAuditSet
from core.tenant.directory import Account
from core.tenant.quoting import quote_text

RELIES_ON = (
    "exchange-audit-lists",
    "exchange-message-bind",
)

MAX_SHOWN = 12
MAIL_ITEMS_ACCESSED = "MailItemsAccessed"
SEND = "Send"
# Deprecated: Exchange refuses to set it, whatever the licence.
MESSAGE_BIND = "MessageBind"
REFUSED_ACTIONS = frozenset({MESSAGE_BIND})
AUDITING_CAPABILITY = "M365Auditing"

COMMON_ACTIONS = frozenset(
    {
        "ApplyRecord",
        "HardDelete",
        MAIL_ITEMS_ACCESSED,
        "MoveToDeletedItems",
        "SoftDelete",
        "Update",
        "UpdateFolderPermissions",
        "UpdateInboxRules",
    }
)
# What Microsoft audits by default with advanced auditing (Microsoft Learn: Manage mailbox auditing,
# Mailbox actions for user mailboxes and shared mailboxes).
DEFAULT_ACTIONS = {
    "Admin": COMMON_ACTIONS
    | {"Create", SEND, "SendAs", "SendOnBehalf", "UpdateCalendarDelegation"},
    "Delegate": COMMON_ACTIONS | {"Create", "SendAs", "SendOnBehalf"},
    "Owner": COMMON_ACTIONS | {SEND, "UpdateCalendarDelegation"},
}
CANONICAL_ACTIONS = {
    action.lower(): action for defaults in DEFAULT_ACTIONS.values() for action in defaults
}


@dataclass(frozen=True, slots=True)
class AuditSetDeviation:
    """A logon type whose audited actions Microsoft no longer manages for a mailbox."""

    logon_type: str
    extras: frozenset[str]
    missing: frozenset[str]

    @property
    def is_deliberate(self) -> bool:
        """True if the mailbox audits every default action and more.

        Adding an action ends Microsoft's management of the logon type, so resetting it and adding
        the same action again would change nothing.
        """
        return bool(self.extras) and not self.missing


def includes_advanced_auditing(audit: MailboxAudit, account: Account | None) -> bool:
    """Whether the licence includes advanced auditing; Exchange says so where Graph does not."""
    if account is None or account.serving_plans is None:
        return AUDITING_CAPABILITY in audit.capabilities
    return has_advanced_auditing(account.serving_plans)


def get_managed_logon_types(audit: MailboxAudit) -> frozenset[str]:
    """The logon types whose actions Microsoft manages, in lower case."""
    return frozenset(name.lower() for name in audit.default_set)


def get_audited_actions(audit: MailboxAudit, logon_type: str) -> frozenset[str]:
    """The audited actions of a logon type, spelled as Microsoft spells them."""
    return frozenset(
        CANONICAL_ACTIONS.get(name.lower(), name) for name in audit.actions[logon_type]
    )


class ItemsAccessedRule(StrEnum):
    """Where MailItemsAccessed should be recorded."""

    LICENSED = "licensed"
    """Where the licence includes advanced auditing."""
    REQUIRED = "required"
    """In every mailbox."""
    IGNORE = "ignore"
    """The guard does not look at it."""


def expects_items_accessed(advanced: bool, rule: ItemsAccessedRule) -> bool:
    """Whether MailItemsAccessed should be recorded, with advanced auditing or without it."""
    if rule is ItemsAccessedRule.IGNORE:
        return False
    return advanced or rule is ItemsAccessedRule.REQUIRED


def compare_audit_set(
    audit: MailboxAudit, logon_type: str, advanced: bool, rule: ItemsAccessedRule
) -> AuditSetDeviation:
    """How a customized list differs from what Microsoft audits under this licence."""
    actions = get_audited_actions(audit, logon_type)
    not_expected = set() if advanced else {SEND}
    if not expects_items_accessed(advanced, rule):
        not_expected.add(MAIL_ITEMS_ACCESSED)
    missing = DEFAULT_ACTIONS[logon_type] - actions - not_expected
    return AuditSetDeviation(logon_type, actions - DEFAULT_ACTIONS[logon_type], missing)


def build_audit_reset(
    audit: MailboxAudit, deviations: Sequence[AuditSetDeviation]
) -> ResetAuditSet:
    """The change that resets logon types to Microsoft's default and keeps added actions."""
    dropped = REFUSED_ACTIONS
    extras = tuple(
        (entry.logon_type, tuple(sorted(entry.extras - dropped)))
        for entry in deviations
        if entry.extras - dropped
    )
    return ResetAuditSet(
        audit.mailbox.guid, tuple(entry.logon_type for entry in deviations), extras
    )


def list_deviation_facts(deviation: AuditSetDeviation) -> Iterator[Fact]:
    """Which actions one logon type audits beyond the default, and which it lacks."""
    if deviation.missing:
        yield Fact(
            "", f"{deviation.logon_type}: not audited: {format_action_list(deviation.missing)}"
        )
    dropped = frozenset() if deviation.is_deliberate else deviation.extras & REFUSED_ACTIONS
    if kept := deviation.extras - dropped:
        how = "kept as it is" if deviation.is_deliberate else "kept when it is reset"
        yield Fact(
            "", f"{deviation.logon_type}: audited besides: {format_action_list(kept)} ({how})"
        )
    if not deviation.missing and not deviation.extras:
        yield Fact(
            "", f"{deviation.logon_type}: complete today, but without what Microsoft adds in future"
        )
    if dropped:
        yield Fact(
            "",
            f"{deviation.logon_type}: {MESSAGE_BIND} is dropped, Exchange refuses to set it again",
        )


def format_action_list(actions: frozenset[str]) -> str:
    """Action names in order, the first few of many."""
    names = [quote_text(name, 60) for name in sorted(actions)]
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more
