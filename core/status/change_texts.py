"""What each change of the tenant does, in a person's words: for cards and pages. Pure."""

import json
from collections.abc import Iterable, Mapping

from core.model.cases import Case
from core.sanitize import sanitize_text

CHANGE_TEXTS: Mapping[str, str] = {
    "BlockSignIn": "block sign-in and revoke the sessions",
    "EnableOrganizationAudit": "switch the organization's mailbox auditing on",
    "EnableUnifiedAuditLog": "switch the unified audit log on",
    "EnableMailboxAudit": "switch the mailbox's auditing on",
    "ResetAuditSet": "give the audited actions back to Microsoft's default set",
    "RaiseAuditAge": "keep audit records for longer",
    "ClearAuditBypass": "end the audit bypass",
    "DisableInboxRule": "disable the inbox rule",
    "ClearMailboxForward": "clear the mailbox's forward",
    "SetConfiguration": "set the property to what the baseline wants",
    "DisableExchangeModule": "switch Exchange PowerShell off for the user",
    "DisableMailboxProtocols": "switch the mail protocols off",
}
"""By the name of the change in `core.tenant`."""


def describe_change(kind: str) -> str:
    """What a change does; its name where this version does not know it."""
    return CHANGE_TEXTS.get(kind) or sanitize_text(kind, 60)


def list_planned_kinds(case: Case) -> tuple[str, ...]:
    """The kinds of changes that would put a case right, each once."""
    try:
        kinds = [str(json.loads(wanted)[0]) for wanted in case.planned_changes]
    except (LookupError, TypeError, ValueError, RecursionError):
        return ()
    return tuple(dict.fromkeys(kinds))


def describe_changes(kinds: Iterable[str]) -> str:
    """Several changes in one sentence."""
    return ", and ".join(map(describe_change, dict.fromkeys(kinds)))
