"""Whether a change can be taken back, by what it recorded as having been there before. Pure.

`Tenant.restore` goes by the same rules; whoever offers it to a person asks here first.
"""

from collections.abc import Mapping

from core.keys import digest
from core.property_values import truth
from core.sanitize import plain
from core.tenant.changes import CHANGES
from core.tenant.mail_flow import InboxRule

# The changes that set one switch: its name, and what they set it to.
SWITCHED: Mapping[str, tuple[str, bool]] = {
    "BlockSignIn": ("accountEnabled", False),
    "EnableOrganizationAudit": ("AuditDisabled", False),
    "EnableUnifiedAuditLog": ("UnifiedAuditLogIngestionEnabled", True),
    "EnableMailboxAudit": ("AuditEnabled", True),
    "ClearAuditBypass": ("AuditBypassEnabled", False),
    "DisableInboxRule": ("isEnabled", False),
    "DisableExchangeModule": ("EXOModuleEnabled", False),
}
PROTOCOLS: Mapping[str, bool] = {
    "ImapEnabled": False,
    "PopEnabled": False,
    "SmtpClientAuthenticationDisabled": True,
}
"""The switches of mail protocols, and how each is set to be off."""
SMTP = "SmtpClientAuthenticationDisabled"
AUDIT_AGE = "AuditLogAgeLimit"
AUDIT_SET = "DefaultAuditSet"
LOGON_TYPES = ("Admin", "Delegate", "Owner")
FORWARDS = ("ForwardingAddress", "ForwardingSmtpAddress")
KEEPS_COPY = "DeliverToMailboxAndForward"
# Beside the name that Exchange prints, which somebody else may have by then: whom it meant.
FORWARD_ID = "ForwardingAddressId"
# What an inbox rule did when it was switched off, as a digest.
DOES = "does"

NOTHING_KNOWN = "nothing is known of what was there before"
UNKNOWN_KIND = "this version does not know the change"
FOUND_SO = "it was found like that and nothing was written, so there is nothing to give back"
PURGES = "a lower AuditLogAgeLimit deletes all older records for good, so only a person may set it"
MICROSOFTS = "the audited actions were left to Microsoft before as well; nobody else can set those"
SIGNED_OUT = "sessions that were ended stay ended: people sign in anew"
SHOWS_LATE = "it may take an hour until it shows"
MAY_YET_SHOW = (
    "it shows as it was before, which a change made within the last hour may as well: look again "
    "when an hour has passed"
)
SHOWN = 200


def irreversible(kind: str, before: Mapping[str, object]) -> str:
    """Why a change of a kind cannot be undone; empty when it can, as far as its record tells."""
    if reason := unknown(kind, before):
        return reason
    if kind == "RaiseAuditAge":
        return PURGES
    if kind == "ResetAuditSet":
        kept = before[AUDIT_SET]
        return MICROSOFTS if isinstance(kept, list) and {*LOGON_TYPES} <= {*kept} else ""
    return FOUND_SO if was_so(kind, before) else ""


def unknown(kind: str, before: Mapping[str, object]) -> str:
    """Why nobody can say what undoing a change would mean; empty when it is told."""
    if kind not in CHANGES:
        return UNKNOWN_KIND
    return "" if is_told(kind, before) else NOTHING_KNOWN


def is_told(kind: str, before: Mapping[str, object]) -> bool:
    """True when a record tells what was there before."""
    match kind:
        case "ResetAuditSet":
            lists = [before[f"Audit{name}"] for name in LOGON_TYPES if f"Audit{name}" in before]
            return bool(lists) and all(is_words(one) for one in (before.get(AUDIT_SET), *lists))
        case "RaiseAuditAge":
            return is_text(before.get(AUDIT_AGE))
        case "ClearMailboxForward":
            forwards = [before.get(name, False) for name in FORWARDS]
            return isinstance(before.get(KEEPS_COPY), bool) and all(
                value is None or is_text(value) for value in forwards
            )
        case "SetConfiguration":
            return len(before) == 1 and all(map(is_setting, before.values()))
        case "DisableMailboxProtocols":
            return bool(before) and all(is_protocol(*entry) for entry in before.items())
        case _:
            return isinstance(before.get(SWITCHED[kind][0]), bool)


def was_so(kind: str, before: Mapping[str, object]) -> bool:
    """True when the object was by then as the change wanted it."""
    if kind in SWITCHED:
        name, wanted = SWITCHED[kind]
        return before[name] is wanted
    if kind == "ClearMailboxForward":
        return not any(before[name] for name in FORWARDS)
    if kind == "DisableMailboxProtocols":
        return all(truth(value) in (None, PROTOCOLS[name]) for name, value in before.items())
    return False


def is_protocol(name: str, value: object) -> bool:
    """True for a switch of a protocol, and what it can be: SMTP AUTH may be left open."""
    inherits = name == SMTP and (value is None or value == "")
    return name in PROTOCOLS and (inherits or truth(value) is not None)


def is_text(value: object) -> bool:
    """True for a text that says something."""
    return isinstance(value, str) and bool(value.strip())


def is_words(value: object) -> bool:
    """True for a list of texts."""
    return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)


def is_setting(value: object) -> bool:
    """True for what a setting that may be written can hold."""
    return value is None or isinstance(value, bool | int | str) or is_words(value)


def doing(rule: InboxRule) -> str:
    """What a rule does with which mail, as a digest: its name and its place in line are nothing."""
    return digest(
        rule.forward_to,
        rule.forward_as_attachment_to,
        rule.redirect_to,
        rule.delete,
        rule.move_to,
        rule.mark_as_read,
        rule.conditions,
    )


def changed_since(now: Mapping[str, object]) -> str:
    """What to tell a person of an object that somebody changed after the change."""
    told = ", ".join(f"{plain(name, SHOWN)} is {shown(value)}" for name, value in now.items())
    return f"it was changed since: {told} now"


def shown(value: object) -> str:
    """A value of the tenant within a sentence."""
    if is_words(value) and isinstance(value, list | tuple):
        return plain(", ".join(value), SHOWN) or "empty"
    return "empty" if value is None or value == "" else plain(str(value), SHOWN)
