"""PowerShell commands for an operator to paste: untrusted text in them is never executed.

PowerShell treats typographic quotes as straight ones (Microsoft Learn: about_Quoting_Rules), and
what carries a command to the terminal may make one of the other, so text with any of them yields no
command, as does text that does not fit on one line or is too long for a name: a truncated command
would do something else. Should one pass all the same, it is doubled or escaped like a straight one.
"""

import unicodedata
from collections.abc import Iterable, Mapping

SINGLE_QUOTES = "'\u2018\u2019\u201a\u201b"
DOUBLE_QUOTES = '"\u201c\u201d\u201e'
UNQUOTABLE = frozenset(f"\u2028\u2029{SINGLE_QUOTES[1:]}{DOUBLE_QUOTES[1:]}")
MAX_LENGTH = 200


def can_be_quoted(text: str) -> bool:
    """True for a text of one line that is short enough to quote, without invisible characters and
    typographic quotes.
    """
    if not 0 < len(text) <= MAX_LENGTH:
        return False
    if text.isascii():
        return text.isprintable()
    return not any(
        unicodedata.category(sign).startswith("C") or sign in UNQUOTABLE for sign in text
    )


def quote_literal(text: str) -> str:
    """A single-quoted string: nothing in it is expanded."""
    return "'" + "".join(sign * 2 if sign in SINGLE_QUOTES else sign for sign in text) + "'"


def build_disable_account_command(upn: str) -> str:
    """The command that disables an on-premises account; empty if the name cannot be quoted."""
    return f"{build_find_account_command(upn)} | Disable-ADAccount" if can_be_quoted(upn) else ""


def build_enable_on_premises_command(upn: str) -> str:
    """The command that enables an on-premises account; empty if the name cannot be quoted."""
    return f"{build_find_account_command(upn)} | Enable-ADAccount" if can_be_quoted(upn) else ""


def build_block_account_command(account_id: str) -> str:
    """The Graph PowerShell command that blocks sign-in; empty if the id cannot be quoted."""
    if not can_be_quoted(account_id):
        return ""
    return f"Update-MgUser -UserId {quote_literal(account_id)} -AccountEnabled:$false"


def build_revoke_sessions_command(account_id: str) -> str:
    """The Graph PowerShell command that ends sessions; empty if the id cannot be quoted."""
    if not can_be_quoted(account_id):
        return ""
    return f"Revoke-MgUserSignInSession -UserId {quote_literal(account_id)}"


def build_enable_account_command(account_id: str) -> str:
    """The Graph PowerShell command that allows sign-in; empty if the id cannot be quoted."""
    if not can_be_quoted(account_id):
        return ""
    return f"Update-MgUser -UserId {quote_literal(account_id)} -AccountEnabled:$true"


def build_find_account_command(upn: str) -> str:
    """The command that finds an on-premises account by a name that can be quoted."""
    inner = "".join(sign * 2 if sign in SINGLE_QUOTES else sign for sign in upn)
    outer = "".join(f"`{sign}" if sign in DOUBLE_QUOTES or sign in "`$" else sign for sign in inner)
    return f"Get-ADUser -Filter \"UserPrincipalName -eq '{outer}'\""


def build_disable_rule_command(mailbox: str, rule: str) -> str:
    """The Exchange command that disables one inbox rule; empty if a name cannot be quoted."""
    if not can_be_quoted(mailbox) or not can_be_quoted(rule):
        return ""
    return f"Disable-InboxRule -Mailbox {quote_literal(mailbox)} -Identity {quote_literal(rule)}"


def build_audit_age_command(mailbox: str, limit: str) -> str:
    """The Exchange command that sets the age limit of audit records, even to a lower one."""
    if not can_be_quoted(mailbox) or not can_be_quoted(limit):
        return ""
    return (
        f"Set-Mailbox -Identity {quote_literal(mailbox)} -AuditLogAgeLimit {quote_literal(limit)}"
    )


def build_list_rules_command(mailbox: str) -> str:
    """The Exchange command that shows all rules of a mailbox; empty if it cannot be quoted."""
    if not can_be_quoted(mailbox):
        return ""
    return f"Get-InboxRule -Mailbox {quote_literal(mailbox)} -IncludeHidden | Format-List"


LARGE_MAILBOX_PRODUCT = "EXCHANGEENTERPRISE"
ARCHIVING_PRODUCT = "EXCHANGEARCHIVE_ADDON"
"""Products as Get-MgSubscribedSku names them: Exchange Online (Plan 2), and Archiving."""


def build_assign_licence_command(user_id: str, product: str) -> str:
    """The command that assigns a licence to a user; empty if the id cannot be quoted."""
    if not can_be_quoted(user_id):
        return ""
    found = f"Where-Object SkuPartNumber -eq {quote_literal(product)}"
    sku = f"(Get-MgSubscribedSku -All | {found}).SkuId"
    return (
        f"Set-MgUserLicense -UserId {quote_literal(user_id)} -AddLicenses @(@{{SkuId = {sku}}}) "
        "-RemoveLicenses @()"
    )


def build_remove_licences_command(user_id: str, plans: Iterable[str]) -> str:
    """The command that removes licences with some service plans; empty if it cannot be quoted."""
    wanted = "|".join(plans)
    if not can_be_quoted(user_id) or not wanted:
        return ""
    user = quote_literal(user_id)
    return (
        f"Set-MgUserLicense -UserId {user} -AddLicenses @() -RemoveLicenses "
        f"@((Get-MgUserLicenseDetail -UserId {user} | Where-Object "
        f"{{ $_.ServicePlans.ServicePlanId -match {quote_literal(wanted)} }}).SkuId)"
    )


def build_remote_shared_command(identity: str) -> str:
    """The on-premises Exchange command that makes a remote mailbox shared, if it can be quoted."""
    return (
        f"Set-RemoteMailbox -Identity {quote_literal(identity)} -Type Shared"
        if can_be_quoted(identity)
        else ""
    )


def build_ad_attributes_command(upn: str, values: Mapping[str, int]) -> str:
    """The command that writes numbers to an on-premises account; empty if it cannot be quoted."""
    if not can_be_quoted(upn):
        return ""
    pairs = "; ".join(f"{name}={number}" for name, number in values.items())
    return f"{build_find_account_command(upn)} | Set-ADUser -Replace @{{{pairs}}}"
