"""Which actions a mailbox audits, against what Microsoft audits by default. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.microsoft365.service_plans import has_advanced_auditing
from core.model.guards import Terms
from core.sanitize import plain
from core.tenant.auditing import MailboxAudit
from core.tenant.changes import ResetAuditSet
from core.tenant.directory import Account

SHOWN = 12
ACCESSED = "MailItemsAccessed"
SENT = "Send"
# Deprecated: Exchange refuses to set it on a mailbox with advanced auditing.
REFUSED = "MessageBind"
AUDITING = "M365Auditing"

EVERYWHERE = frozenset(
    {
        "ApplyRecord",
        "HardDelete",
        ACCESSED,
        "MoveToDeletedItems",
        "SoftDelete",
        "Update",
        "UpdateFolderPermissions",
        "UpdateInboxRules",
    }
)
# What Microsoft audits by default with advanced auditing (Microsoft Learn: Manage mailbox auditing,
# Mailbox actions for user mailboxes and shared mailboxes).
DEFAULTS = {
    "Admin": EVERYWHERE | {"Create", SENT, "SendAs", "SendOnBehalf", "UpdateCalendarDelegation"},
    "Delegate": EVERYWHERE | {"Create", "SendAs", "SendOnBehalf"},
    "Owner": EVERYWHERE | {SENT, "UpdateCalendarDelegation"},
}
SPELLED = {action.lower(): action for defaults in DEFAULTS.values() for action in defaults}


@dataclass(frozen=True, slots=True)
class Deviation:
    """A logon type that Microsoft no longer keeps up to date for a mailbox."""

    logon_type: str
    extras: frozenset[str]
    missing: frozenset[str]

    @property
    def deliberate(self) -> bool:
        """True when more is audited than by default and nothing less.

        Every addition takes the type out of Microsoft's hands, so giving it back and adding the
        same again would end where it began.
        """
        return bool(self.extras) and not self.missing


def advanced_auditing(audit: MailboxAudit, account: Account | None) -> bool:
    """Whether the licence includes advanced auditing; Exchange's own word where Graph has none."""
    if account is None or account.plans is None:
        return AUDITING in audit.capabilities
    return has_advanced_auditing(account.plans)


def managed(audit: MailboxAudit) -> frozenset[str]:
    """The logon types Microsoft keeps up to date, in lower case."""
    return frozenset(name.lower() for name in audit.default_set)


def actions_of(audit: MailboxAudit, logon_type: str) -> frozenset[str]:
    """The audited actions of a logon type, spelled as Microsoft spells them."""
    return frozenset(SPELLED.get(name.lower(), name) for name in audit.actions[logon_type])


def expects_accessed(advanced: bool, terms: Terms) -> bool:
    """Whether MailItemsAccessed is to be recorded under a licence."""
    if terms.mail_items_accessed == "ignore":
        return False
    return advanced or terms.mail_items_accessed == "required"


def deviation(audit: MailboxAudit, logon_type: str, advanced: bool, terms: Terms) -> Deviation:
    """How a list set by hand differs from what Microsoft would audit under this licence."""
    actions = actions_of(audit, logon_type)
    not_expected = set() if advanced else {SENT}
    if not expects_accessed(advanced, terms):
        not_expected.add(ACCESSED)
    missing = DEFAULTS[logon_type] - actions - not_expected
    return Deviation(logon_type, actions - DEFAULTS[logon_type], missing)


def reset(audit: MailboxAudit, deviations: Sequence[Deviation]) -> ResetAuditSet:
    """The change that gives logon types back to Microsoft and keeps what was added to them."""
    dropped = refused(audit)
    extras = tuple(
        (entry.logon_type, tuple(sorted(entry.extras - dropped)))
        for entry in deviations
        if entry.extras - dropped
    )
    return ResetAuditSet(
        audit.mailbox.guid, tuple(entry.logon_type for entry in deviations), extras
    )


def refused(audit: MailboxAudit) -> frozenset[str]:
    """The actions Exchange does not let this mailbox audit any more."""
    return frozenset({REFUSED}) if AUDITING in audit.capabilities else frozenset()


def facts_of(entry: Deviation, audit: MailboxAudit) -> Iterator[str]:
    """What one logon type audits more and less than by default."""
    if entry.missing:
        yield f"{entry.logon_type}: not audited: {listing(entry.missing)}"
    dropped = frozenset() if entry.deliberate else entry.extras & refused(audit)
    if kept := entry.extras - dropped:
        how = "kept as it is" if entry.deliberate else "kept when it is reset"
        yield f"{entry.logon_type}: audited besides: {listing(kept)} ({how})"
    if not entry.missing and not entry.extras:
        yield f"{entry.logon_type}: complete today, but without what Microsoft adds in future"
    if dropped:
        yield f"{entry.logon_type}: {REFUSED} is dropped, Exchange refuses to set it again"


def listing(actions: frozenset[str]) -> str:
    """Action names in order, the many cut short."""
    names = [plain(name, 60) for name in sorted(actions)]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
