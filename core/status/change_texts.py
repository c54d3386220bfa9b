"""What each kind of change does, in plain words, for cards and pages. Pure."""

import json
from collections.abc import Iterable, Mapping

from core.model.cases import Case
from core.tenant.quoting import quote_text

CHANGE_TEXTS: Mapping[str, str] = {
    "BlockSignIn": "block sign-in",
    "EndSessions": "end the sessions of the blocked account",
    "EnableOrganizationAudit": "turn on mailbox auditing for the organization",
    "EnableUnifiedAuditLog": "turn on the unified audit log",
    "EnableMailboxAudit": "turn on auditing for the mailbox",
    "ResetAuditSet": "reset the audited actions to Microsoft's default set",
    "RaiseAuditAge": "keep audit records for longer",
    "ClearAuditBypass": "remove the audit bypass",
    "DisableInboxRule": "disable the inbox rule",
    "ClearMailboxForward": "clear the mailbox's forwarding address",
    "SetConfiguration": "set the property to the value of the baseline",
    "DisableExchangeModule": "turn off Exchange PowerShell for the user",
    "DisableMailboxProtocols": "turn off the mail protocols",
    "BlockAccount": "block the account's sign-in",
    "RevokeSessions": "tell the account's sessions to end",
    "DisableDevice": "switch the device off",
    "DisableHiddenRule": "disable the hidden inbox rule",
    "DisableClientProtocols": "turn off the ways of mail clients into the mailbox",
}
"""By the name of the change class in `core.tenant.changes`."""


def describe_change(kind: str) -> str:
    """What a change does; its name if this version does not know it."""
    return CHANGE_TEXTS.get(kind) or quote_text(kind, 60)


def list_planned_kinds(case: Case) -> tuple[str, ...]:
    """The kinds of changes that would remediate a case, each once."""
    try:
        kinds = [str(json.loads(text)[0]) for text in case.planned_changes]
    except (LookupError, TypeError, ValueError, RecursionError):
        return ()
    return tuple(dict.fromkeys(kinds))


def describe_changes(kinds: Iterable[str]) -> str:
    """Several changes joined into one phrase."""
    return ", and ".join(map(describe_change, dict.fromkeys(kinds)))
