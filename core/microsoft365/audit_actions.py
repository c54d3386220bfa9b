"""The actions that a mailbox audits, compared with Microsoft's default. Pure.

What Microsoft audits is `audit_defaults.json`, with its source and date.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from core.microsoft365.service_plans import has_advanced_auditing, has_mailbox_plan
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
CACHE_SIZE = 256
MAX_CACHED_NAMES = 40
MAIL_ITEMS_ACCESSED = "MailItemsAccessed"
SEND = "Send"
# Deprecated: Exchange refuses to set it, whatever the licence.
MESSAGE_BIND = "MessageBind"
REFUSED_ACTIONS = frozenset({MESSAGE_BIND})
AUDITING_CAPABILITY = "M365Auditing"
MAILBOX_CAPABILITY_PREFIX = "BPOS_S_"
"""How the capabilities of a mailbox with a licence of Exchange Online begin."""

type ActionsByLogonType = Mapping[str, frozenset[str]]


class AuditLicence(StrEnum):
    """What a mailbox's licence includes of Microsoft's auditing."""

    PREMIUM = "premium"
    STANDARD = "standard"
    NONE = "none"
    """No licence of Exchange Online, as most shared mailboxes."""


@dataclass(frozen=True, slots=True)
class LicensedAction:
    """An action that Microsoft audits by default under some licences only."""

    action: str
    logon_types: tuple[str, ...]
    licences: frozenset[AuditLicence]


def read_default_actions() -> tuple[ActionsByLogonType, tuple[LicensedAction, ...]]:
    """What Microsoft audits under every licence, and what it adds, from `audit_defaults.json`."""
    listed = json.loads(Path(__file__).with_name("audit_defaults.json").read_text(encoding="utf-8"))
    return {name: frozenset(actions) for name, actions in listed["always"].items()}, tuple(
        LicensedAction(
            row["action"], tuple(row["logon_types"]), frozenset(map(AuditLicence, row["licences"]))
        )
        for row in listed["licensed"]
    )


UNLICENSED_ACTIONS, LICENSED_ACTIONS = read_default_actions()
DEFAULT_ACTIONS: ActionsByLogonType = {
    name: actions | {row.action for row in LICENSED_ACTIONS if name in row.logon_types}
    for name, actions in UNLICENSED_ACTIONS.items()
}
"""What Microsoft audits by default under the largest licence."""
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


def classify_capabilities(audit: MailboxAudit) -> AuditLicence:
    """The licence as Exchange has it, by the capabilities of the mailbox."""
    names = audit.capabilities
    if AUDITING_CAPABILITY in names:
        return AuditLicence.PREMIUM
    for name in names:
        if name.startswith(MAILBOX_CAPABILITY_PREFIX):
            return AuditLicence.STANDARD
    return AuditLicence.NONE


def classify_licence(audit: MailboxAudit, account: Account | None) -> AuditLicence:
    """The licence of a mailbox; Exchange's word for it where Graph does not know the plans."""
    plans = account.serving_plans if account else None
    if plans is None:
        return classify_capabilities(audit)
    if has_advanced_auditing(plans):
        return AuditLicence.PREMIUM
    return AuditLicence.STANDARD if has_mailbox_plan(plans) else AuditLicence.NONE


def get_managed_logon_types(audit: MailboxAudit) -> frozenset[str]:
    """The logon types whose actions Microsoft manages, in lower case."""
    return lowercase_names(audit.default_set)


def get_audited_actions(audit: MailboxAudit, logon_type: str) -> frozenset[str]:
    """The audited actions of a logon type, spelled as Microsoft spells them."""
    return spell_actions(audit.actions[logon_type])


def remember_small_sets(
    build: Callable[[frozenset[str]], frozenset[str]],
) -> Callable[[frozenset[str]], frozenset[str]]:
    """A function of a set of names that remembers what it gave for small ones.

    Nearly all mailboxes of a tenant have the same few sets. A large one is nobody's usual set.
    """
    remembered = lru_cache(CACHE_SIZE)(build)

    def recall(names: frozenset[str]) -> frozenset[str]:
        return remembered(names) if len(names) <= MAX_CACHED_NAMES else build(names)

    return recall


@remember_small_sets
def lowercase_names(names: frozenset[str]) -> frozenset[str]:
    """Names without case."""
    return frozenset(map(str.lower, names))


@remember_small_sets
def spell_actions(names: frozenset[str]) -> frozenset[str]:
    """Actions in Microsoft's spelling."""
    return frozenset(CANONICAL_ACTIONS.get(name.lower(), name) for name in names)


class ItemsAccessedRule(StrEnum):
    """Where MailItemsAccessed should be recorded."""

    LICENSED = "licensed"
    """Where the licence includes it and the tenant's own default does not leave it out."""
    REQUIRED = "required"
    """In every mailbox."""
    IGNORE = "ignore"
    """The guard does not look at it."""


@lru_cache(CACHE_SIZE)
def list_expected_actions(
    logon_type: str,
    licence: AuditLicence,
    tenant_default: frozenset[str] | None,
    rule: ItemsAccessedRule,
) -> frozenset[str]:
    """What a logon type should audit.

    `tenant_default` is what Microsoft's default contains in this tenant for mailboxes of the kind
    and licence, None if too few were seen. It adds what the list in `audit_defaults.json` does not
    know yet, and decides whether a standard licence brings what Microsoft has only begun to add.
    """
    licensed = {row.action for row in LICENSED_ACTIONS if logon_type in row.logon_types}
    granted = {
        row.action
        for row in LICENSED_ACTIONS
        if logon_type in row.logon_types and licence in row.licences
    }
    if tenant_default is not None:
        shown = licensed & tenant_default
        granted = granted | shown if licence is AuditLicence.PREMIUM else shown
    expected = UNLICENSED_ACTIONS[logon_type] | granted | (tenant_default or frozenset())
    if rule is ItemsAccessedRule.REQUIRED:
        expected |= {MAIL_ITEMS_ACCESSED}
    return expected - {MAIL_ITEMS_ACCESSED} if rule is ItemsAccessedRule.IGNORE else expected


def compare_audit_set(
    audit: MailboxAudit, logon_type: str, expected: frozenset[str]
) -> AuditSetDeviation:
    """How a customized list differs from what should be audited."""
    actions = get_audited_actions(audit, logon_type)
    usual = DEFAULT_ACTIONS[logon_type] | expected
    return AuditSetDeviation(logon_type, actions - usual, expected - actions)


def build_audit_reset(
    audit: MailboxAudit, deviations: Sequence[AuditSetDeviation]
) -> ResetAuditSet:
    """The change that resets logon types to Microsoft's default and keeps added actions.

    It expects the default to bring all that is missing.
    """
    dropped = REFUSED_ACTIONS
    extras = tuple(
        (entry.logon_type, tuple(sorted(entry.extras - dropped)))
        for entry in deviations
        if entry.extras - dropped
    )
    expects = tuple(
        (entry.logon_type, tuple(sorted(entry.missing))) for entry in deviations if entry.missing
    )
    return ResetAuditSet(
        audit.mailbox.guid, tuple(entry.logon_type for entry in deviations), extras, expects
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
