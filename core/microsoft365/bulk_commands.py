"""PowerShell commands that make many changes of one kind: one pipeline over the objects. Pure.

The object of each change is a plain word and quoted all the same; any other is left out, and the
command says how many changes it covers.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from core.microsoft365.powershell import quote_literal
from core.tenant.changes import (
    BlockSignIn,
    Change,
    DisableInboxRule,
    DisableMailboxProtocols,
    RaiseAuditAge,
)

PLAIN_IDENTITY = re.compile(r"[A-Za-z0-9@.=_+/-]{1,200}")
PROTOCOL_SWITCHES = {
    "imap": "-ImapEnabled $false",
    "pop": "-PopEnabled $false",
    "smtp": "-SmtpClientAuthenticationDisabled $true",
}

ACTIONS = {
    "ClearMailboxForward": (
        "Set-Mailbox -Identity $_ -ForwardingAddress $null -ForwardingSmtpAddress $null",
        "mailbox_guid",
    ),
    "EndSessions": ("Revoke-MgUserSignInSession -UserId $_", "account_id"),
    "EnableMailboxAudit": ("Set-Mailbox -Identity $_ -AuditEnabled $true", "mailbox_guid"),
    "ClearAuditBypass": (
        "Set-MailboxAuditBypassAssociation -Identity $_ -AuditBypassEnabled $false",
        "account_guid",
    ),
    "DisableExchangeModule": ("Set-User -Identity $_ -EXOModuleEnabled $false", "user_guid"),
}
"""By the name of the change: what is done to each object, and the field with its identity."""
DISABLE_RULE_ACTION = (
    "Update-MgUserMailFolderMessageRule -UserId $_[0] -MailFolderId inbox "
    "-MessageRuleId $_[1] -IsEnabled:$false"
)


@dataclass(frozen=True, slots=True)
class BulkCommand:
    """A command for several changes of one kind."""

    text: str
    covered: int
    """How many of the changes it makes."""
    wanted: int
    """How many of that kind there are."""


def build_bulk_commands(changes: Iterable[Change], max_length: int) -> list[BulkCommand]:
    """One command for each kind of change, of the changes in their order as many as fit."""
    targets: defaultdict[str, list[str]] = defaultdict(list)
    for change in dict.fromkeys(changes):
        action, target = describe_action(change)
        if action:
            targets[action].append(target)
    return [
        command
        for action, wanted in targets.items()
        if (command := join_targets(action, wanted, max_length))
    ]


def join_targets(action: str, targets: list[str], max_length: int) -> BulkCommand | None:
    """The pipeline over as many targets as fit; None if not even one does."""
    room = max_length - len(action) - len("@() | ForEach-Object {  }")
    fitting: list[str] = []
    for target in targets:
        room -= len(target) + 2
        if room < 0:
            break
        if target:
            fitting.append(target)
    if not fitting:
        return None
    # An array of one array would be taken apart.
    listed = ", ".join(fitting) if len(fitting) > 1 else f",{fitting[0]}"
    text = f"@({listed}) | ForEach-Object {{ {action} }}"
    return BulkCommand(text, len(fitting), len(targets))


def describe_action(change: Change) -> tuple[str, str]:
    """What is done to each object of a pipeline, and this change's object; empty if it is no
    plain word, and without an action if one pipeline cannot make such changes.
    """
    if known := ACTIONS.get(type(change).__name__):
        action, identity = known
        return action, quote_target(str(getattr(change, identity)))
    match change:
        case BlockSignIn():
            ending = "; Revoke-MgUserSignInSession -UserId $_" if change.ends_sessions else ""
            return (
                f"Update-MgUser -UserId $_ -AccountEnabled:$false{ending}",
                quote_target(change.account_id),
            )
        case DisableInboxRule():
            return DISABLE_RULE_ACTION, quote_rule(change)
        case RaiseAuditAge():
            return (
                f"Set-Mailbox -Identity $_ -AuditLogAgeLimit {change.days}.00:00:00",
                quote_target(change.mailbox_guid),
            )
        case DisableMailboxProtocols():
            switches = " ".join(PROTOCOL_SWITCHES.get(one, "") for one in change.protocols)
            return (
                f"Set-CASMailbox -Identity $_ {switches}".rstrip(),
                quote_target(change.mailbox_guid),
            )
        case _:
            return "", ""


def quote_target(identity: str) -> str:
    """An identity as a literal; empty for one that is no plain word."""
    return quote_literal(identity) if PLAIN_IDENTITY.fullmatch(identity) else ""


def quote_rule(change: DisableInboxRule) -> str:
    """An inbox rule as a pair of its mailbox and id; empty if one of them is no plain word."""
    pair = (quote_target(change.mailbox_id), quote_target(change.rule_id))
    return f"({', '.join(pair)})" if all(pair) else ""
