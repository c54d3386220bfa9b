"""PowerShell commands for a person to paste: foreign text in them stays text.

PowerShell takes typographic quotes for straight ones (Microsoft Learn: about_Quoting_Rules), so
they are doubled or escaped like those. What cannot be written on one line, or is too long to be a
name, gives no command at all: a command that was cut short would do something else.
"""

import unicodedata

SINGLE = "'\u2018\u2019\u201a\u201b"
DOUBLE = '"\u201c\u201d\u201e'
LONGEST = 200


def writable(text: str) -> bool:
    """True when a text can stand in a command as it is: one line, nothing unseen, not too long."""
    return 0 < len(text) <= LONGEST and not any(
        unicodedata.category(sign).startswith("C") or sign in "\u2028\u2029" for sign in text
    )


def literal(text: str) -> str:
    """A single-quoted string: nothing in it is expanded."""
    return "'" + "".join(sign * 2 if sign in SINGLE else sign for sign in text) + "'"


def disable_ad_account(upn: str) -> str:
    """The command that disables an on-premises account; empty when the name cannot be written."""
    if not writable(upn):
        return ""
    inner = "".join(sign * 2 if sign in SINGLE else sign for sign in upn)
    outer = "".join(f"`{sign}" if sign in DOUBLE or sign in "`$" else sign for sign in inner)
    return f"Get-ADUser -Filter \"UserPrincipalName -eq '{outer}'\" | Disable-ADAccount"


def disable_inbox_rule(mailbox: str, rule: str) -> str:
    """The Exchange command that disables one inbox rule; empty when a name cannot be written."""
    if not writable(mailbox) or not writable(rule):
        return ""
    return f"Disable-InboxRule -Mailbox {literal(mailbox)} -Identity {literal(rule)}"


def set_audit_age(mailbox: str, limit: str) -> str:
    """The Exchange command that sets how long a mailbox keeps audit records, at any cost."""
    if not writable(mailbox) or not writable(limit):
        return ""
    return f"Set-Mailbox -Identity {literal(mailbox)} -AuditLogAgeLimit {literal(limit)}"


def list_inbox_rules(mailbox: str) -> str:
    """The Exchange command that shows all rules of a mailbox; empty when it cannot be written."""
    if not writable(mailbox):
        return ""
    return f"Get-InboxRule -Mailbox {literal(mailbox)} -IncludeHidden | Format-List"
