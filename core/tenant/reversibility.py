"""Decides from the record of a change alone whether the change can be undone. Pure.

The adapters undo by the same rules; every surface that offers an undo asks here first.
"""

from collections.abc import Mapping

from core.keys import hash_parts
from core.property_values import parse_printed_bool
from core.tenant.changes import CHANGE_TYPES, CLIENT_PROTOCOLS
from core.tenant.mail_flow import InboxRule
from core.tenant.quoting import quote_text

# The changes that set one switch: its name, and what they set it to.
SWITCH_CHANGES: Mapping[str, tuple[str, bool]] = {
    "BlockSignIn": ("accountEnabled", False),
    "EnableOrganizationAudit": ("AuditDisabled", False),
    "EnableUnifiedAuditLog": ("UnifiedAuditLogIngestionEnabled", True),
    "EnableMailboxAudit": ("AuditEnabled", True),
    "ClearAuditBypass": ("AuditBypassEnabled", False),
    "DisableInboxRule": ("isEnabled", False),
    "DisableExchangeModule": ("EXOModuleEnabled", False),
    "BlockAccount": ("accountEnabled", False),
    "DisableDevice": ("accountEnabled", False),
    "DisableHiddenRule": ("Enabled", False),
}
PROTOCOL_SWITCHES: Mapping[str, bool] = {
    "ImapEnabled": False,
    "PopEnabled": False,
    "SmtpClientAuthenticationDisabled": True,
}
"""The switches of mail protocols, and how each is set to be off."""
SMTP_SWITCH = "SmtpClientAuthenticationDisabled"
SESSION_CHANGES = frozenset({"EndSessions", "RevokeSessions"})
SESSIONS_VALID_FROM = "signInSessionsValidFromDateTime"
CLIENT_SWITCHES = frozenset(CLIENT_PROTOCOLS.values())
AUDIT_AGE = "AuditLogAgeLimit"
AUDIT_SET = "DefaultAuditSet"
LOGON_TYPES = ("Admin", "Delegate", "Owner")
FORWARD_PROPERTIES = ("ForwardingAddress", "ForwardingSmtpAddress")
KEEPS_COPY = "DeliverToMailboxAndForward"
# Beside the name that Exchange prints, which somebody else may have by then: whom it meant.
FORWARD_ID = "ForwardingAddressId"
# What an inbox rule did when it was switched off, as a digest.
RULE_ACTIONS_HASH = "does"

PRIOR_STATE_UNKNOWN = "nothing is known of what was there before"
UNKNOWN_KIND = "this version does not know the change"
ALREADY_SET = "it was found like that and nothing was written, so there is nothing to give back"
AUDIT_AGE_PURGES = (
    "a lower AuditLogAgeLimit deletes all older records for good, so only a person may set it"
)
DEFAULT_SET_ONLY = (
    "the audited actions were left to Microsoft before as well; nobody else can set those"
)
SESSIONS_STAY_ENDED = "sessions that were ended stay ended: people sign in anew"
VISIBLE_LATE = "it may take an hour until it shows"
MAY_BE_DELAYED = (
    "it shows as it was before, which a change made within the last hour may as well: look again "
    "when an hour has passed"
)
VALUE_LIMIT = 200


def explain_irreversible(kind: str, before: Mapping[str, object]) -> str:
    """Why a change cannot be undone; empty if it can, as far as its record shows."""
    if reason := explain_undo_unknown(kind, before):
        return reason
    if kind == "RaiseAuditAge":
        return AUDIT_AGE_PURGES
    if kind in SESSION_CHANGES:
        return SESSIONS_STAY_ENDED
    if kind == "ResetAuditSet":
        kept = before[AUDIT_SET]
        return DEFAULT_SET_ONLY if isinstance(kept, list) and {*LOGON_TYPES} <= {*kept} else ""
    return ALREADY_SET if was_already_set(kind, before) else ""


def explain_undo_unknown(kind: str, before: Mapping[str, object]) -> str:
    """Why the effect of an undo is unknown; empty if it is known."""
    if kind not in CHANGE_TYPES:
        return UNKNOWN_KIND
    return "" if has_prior_state(kind, before) else PRIOR_STATE_UNKNOWN


def has_prior_state(kind: str, before: Mapping[str, object]) -> bool:
    """Whether the record contains the values before the change."""
    if kind == "RevokeSessions":
        return isinstance(before.get(SESSIONS_VALID_FROM), str)
    if kind == "DisableClientProtocols":
        return bool(before) and all(is_client_switch(*entry) for entry in before.items())
    return has_prior_values(kind, before)


def has_prior_values(kind: str, before: Mapping[str, object]) -> bool:
    """Whether the record contains the values before a change that a guard makes."""
    match kind:
        case "ResetAuditSet":
            lists = [before[f"Audit{name}"] for name in LOGON_TYPES if f"Audit{name}" in before]
            return bool(lists) and all(is_text_list(one) for one in (before.get(AUDIT_SET), *lists))
        case "RaiseAuditAge":
            return is_nonblank_text(before.get(AUDIT_AGE))
        case "ClearMailboxForward":
            forwards = [before.get(name, False) for name in FORWARD_PROPERTIES]
            return isinstance(before.get(KEEPS_COPY), bool) and all(
                value is None or is_nonblank_text(value) for value in forwards
            )
        case "EndSessions":
            return before.get("accountEnabled") is False
        case "SetConfiguration":
            return len(before) == 1 and all(map(is_writable_value, before.values()))
        case "DisableMailboxProtocols":
            return bool(before) and all(is_protocol_switch(*entry) for entry in before.items())
        case _:
            return isinstance(before.get(SWITCH_CHANGES[kind][0]), bool)


def was_already_set(kind: str, before: Mapping[str, object]) -> bool:
    """Whether the object already was as the change would have set it."""
    if kind in SWITCH_CHANGES:
        name, wanted = SWITCH_CHANGES[kind]
        return before[name] is wanted
    if kind == "ClearMailboxForward":
        return not any(before[name] for name in FORWARD_PROPERTIES)
    if kind == "DisableMailboxProtocols":
        return all(
            parse_printed_bool(value) in (None, PROTOCOL_SWITCHES[name])
            for name, value in before.items()
        )
    if kind == "DisableClientProtocols":
        return all(parse_printed_bool(value) is False for value in before.values())
    return False


def is_client_switch(name: str, value: object) -> bool:
    """Whether the name opens a way of mail clients and the value is one it can have; a switch that
    is empty is left to the organization.
    """
    is_unset = value is None or value == ""
    return name in CLIENT_SWITCHES and (is_unset or parse_printed_bool(value) is not None)


def is_protocol_switch(name: str, value: object) -> bool:
    """Whether the name is a switch of a protocol and the value one it can have; SMTP AUTH may be
    unset.
    """
    inherits = name == SMTP_SWITCH and (value is None or value == "")
    return name in PROTOCOL_SWITCHES and (inherits or parse_printed_bool(value) is not None)


def is_nonblank_text(value: object) -> bool:
    """Whether the value is a text with other characters than blanks."""
    return isinstance(value, str) and bool(value.strip())


def is_text_list(value: object) -> bool:
    """Whether the value is a list of texts."""
    return isinstance(value, list | tuple) and all(isinstance(word, str) for word in value)


def is_writable_value(value: object) -> bool:
    """Whether a writable setting can have this value."""
    return value is None or isinstance(value, bool | int | str) or is_text_list(value)


def hash_rule_actions(rule: InboxRule) -> str:
    """A digest of what a rule does with which mail; its name and position do not count."""
    return hash_parts(
        rule.forward_to,
        rule.forward_as_attachment_to,
        rule.redirect_to,
        rule.delete,
        rule.move_to,
        rule.mark_as_read,
        [(one.kind, one.values) for one in rule.conditions],
        [(one.kind, one.values) for one in rule.exceptions],
    )


def describe_changed_since(current: Mapping[str, object]) -> str:
    """What to tell an operator about an object that was changed after the change."""
    shown = ", ".join(
        f"{quote_text(name, VALUE_LIMIT)} is {format_tenant_value(value)}"
        for name, value in current.items()
    )
    return f"it was changed since: {shown} now"


def format_tenant_value(value: object) -> str:
    """A value of the tenant within a sentence."""
    if is_text_list(value) and isinstance(value, list | tuple):
        return quote_text(", ".join(value), VALUE_LIMIT) or "empty"
    return "empty" if value is None or value == "" else quote_text(str(value), VALUE_LIMIT)
