"""PowerShell commands for a person to paste: foreign text in them stays text.

PowerShell takes typographic quotes for straight ones (Microsoft Learn: about_Quoting_Rules), so
they are doubled or escaped like those. What cannot be written on one line, or is too long to be a
name, gives no command at all: a command that was cut short would do something else.
"""

import unicodedata
from collections.abc import Iterable, Mapping

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
    return f"{find_ad_user(upn)} | Disable-ADAccount" if writable(upn) else ""


def find_ad_user(upn: str) -> str:
    """The command that finds an on-premises account by a name that can be written."""
    inner = "".join(sign * 2 if sign in SINGLE else sign for sign in upn)
    outer = "".join(f"`{sign}" if sign in DOUBLE or sign in "`$" else sign for sign in inner)
    return f"Get-ADUser -Filter \"UserPrincipalName -eq '{outer}'\""


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


LARGE_MAILBOX = "EXCHANGEENTERPRISE"
ARCHIVING = "EXCHANGEARCHIVE_ADDON"
"""Products by the name Get-MgSubscribedSku gives them: Exchange Online (Plan 2), and Archiving."""


def assign_licence(user_id: str, product: str) -> str:
    """The command that gives a user a licence; empty when the id cannot be written."""
    if not writable(user_id):
        return ""
    sku = f"(Get-MgSubscribedSku -All | Where-Object SkuPartNumber -eq {literal(product)}).SkuId"
    return (
        f"Set-MgUserLicense -UserId {literal(user_id)} -AddLicenses @(@{{SkuId = {sku}}}) "
        "-RemoveLicenses @()"
    )


def remove_licences(user_id: str, plans: Iterable[str]) -> str:
    """The command that takes away the licences that hold some service plans; empty if it cannot."""
    wanted = "|".join(plans)
    if not writable(user_id) or not wanted:
        return ""
    user = literal(user_id)
    return (
        f"Set-MgUserLicense -UserId {user} -AddLicenses @() -RemoveLicenses "
        f"@((Get-MgUserLicenseDetail -UserId {user} | Where-Object "
        f"{{ $_.ServicePlans.ServicePlanId -match {literal(wanted)} }}).SkuId)"
    )


def set_remote_shared(identity: str) -> str:
    """The on-premises Exchange command that makes a remote mailbox shared; empty if it cannot."""
    return (
        f"Set-RemoteMailbox -Identity {literal(identity)} -Type Shared"
        if writable(identity)
        else ""
    )


def set_ad_attributes(upn: str, values: Mapping[str, int]) -> str:
    """The command that writes numbers to an on-premises account; empty if it cannot be written."""
    if not writable(upn):
        return ""
    pairs = "; ".join(f"{name}={number}" for name, number in values.items())
    return f"{find_ad_user(upn)} | Set-ADUser -Replace @{{{pairs}}}"
