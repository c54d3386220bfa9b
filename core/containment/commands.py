"""The commands that stay for a person: exact, and empty where a name cannot be quoted. Pure.

Sources: Microsoft Learn, "Responding to a compromised email account", "Revoke user access in
Microsoft Entra ID", and the pages of each cmdlet.
"""

from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.microsoft365.remedies import build_command
from core.tenant.changes import Change, ClearMailboxForward, DisableInboxRule
from core.tenant.containing import DetailKind

METHOD_CMDLETS = {
    "phone": "Remove-MgUserAuthenticationPhoneMethod -PhoneAuthenticationMethodId",
    "email": "Remove-MgUserAuthenticationEmailMethod -EmailAuthenticationMethodId",
    "fido2": "Remove-MgUserAuthenticationFido2Method -Fido2AuthenticationMethodId",
    "microsoftauthenticator": (
        "Remove-MgUserAuthenticationMicrosoftAuthenticatorMethod "
        "-MicrosoftAuthenticatorAuthenticationMethodId"
    ),
    "softwareoath": (
        "Remove-MgUserAuthenticationSoftwareOathMethod -SoftwareOathAuthenticationMethodId"
    ),
    "windowshelloforbusiness": (
        "Remove-MgUserAuthenticationWindowsHelloForBusinessMethod "
        "-WindowsHelloForBusinessAuthenticationMethodId"
    ),
    "temporaryaccesspass": (
        "Remove-MgUserAuthenticationTemporaryAccessPassMethod "
        "-TemporaryAccessPassAuthenticationMethodId"
    ),
}
"""The cmdlet that deletes a method, by its kind; the general path for methods takes no deletion."""
COMMON_METHODS = frozenset({"password"})
"""The kinds that every account has and nobody deletes."""


def build_method_command(account_id: str, kind: str, method_id: str) -> str:
    """The command that deletes one sign-in method; empty for one that no command deletes."""
    cmdlet = METHOD_CMDLETS.get(kind)
    if cmdlet is None or not can_be_quoted(account_id) or not can_be_quoted(method_id):
        return ""
    name, parameter = cmdlet.split(" ")
    return f"{name} -UserId {quote_literal(account_id)} {parameter} {quote_literal(method_id)}"


def build_switch_off_command(change: Change) -> str:
    """The command that switches a forward or a rule off; empty for anything else."""
    match change:
        case ClearMailboxForward():
            ending = "-ForwardingAddress $null -ForwardingSmtpAddress $null"
            return build_command("Set-Mailbox", ending, Identity=change.mailbox_guid)
        case DisableInboxRule():
            return build_command(
                "Update-MgUserMailFolderMessageRule",
                "-IsEnabled:$false",
                UserId=change.mailbox_id,
                MailFolderId="inbox",
                MessageRuleId=change.rule_id,
            )
        case _:
            return ""


def build_device_command(device_id: str) -> str:
    """The command that switches a device off in Entra."""
    if not can_be_quoted(device_id):
        return ""
    return f"Update-MgDevice -DeviceId {quote_literal(device_id)} -AccountEnabled:$false"


def build_grant_command(grant_id: str) -> str:
    """The command that takes an app's grant for this user away."""
    if not can_be_quoted(grant_id):
        return ""
    return f"Remove-MgOauth2PermissionGrant -OAuth2PermissionGrantId {quote_literal(grant_id)}"


def build_phone_command(mailbox: str, device_id: str) -> str:
    """The command that keeps one phone from synchronising; it wipes nothing."""
    if not can_be_quoted(mailbox) or not can_be_quoted(device_id):
        return ""
    return (
        f"Set-CASMailbox -Identity {quote_literal(mailbox)} "
        f"-ActiveSyncBlockedDeviceIDs @{{Add={quote_literal(device_id)}}}"
    )


def build_remove_right_command(mailbox: str, holder: str, kind: DetailKind) -> str:
    """The command that takes a right over the mailbox away from somebody."""
    if not can_be_quoted(mailbox) or not can_be_quoted(holder):
        return ""
    if kind is DetailKind.SEND_ON_BEHALF:
        return (
            f"Set-Mailbox -Identity {quote_literal(mailbox)} "
            f"-GrantSendOnBehalfTo @{{Remove={quote_literal(holder)}}}"
        )
    if kind is DetailKind.SEND_AS:
        return (
            f"Remove-RecipientPermission -Identity {quote_literal(mailbox)} "
            f"-Trustee {quote_literal(holder)} -AccessRights SendAs -Confirm:$false"
        )
    return (
        f"Remove-MailboxPermission -Identity {quote_literal(mailbox)} "
        f"-User {quote_literal(holder)} -AccessRights FullAccess -Confirm:$false"
    )


def build_held_rights_command(upn: str) -> str:
    """The command that lists the mailboxes of others that an account may open."""
    if not can_be_quoted(upn):
        return ""
    return f"Get-Mailbox -ResultSize Unlimited | Get-MailboxPermission -User {quote_literal(upn)}"


def build_held_sending_command(upn: str) -> str:
    """The command that lists whom an account may send as."""
    if not can_be_quoted(upn):
        return ""
    return f"Get-RecipientPermission -ResultSize Unlimited -Trustee {quote_literal(upn)}"


def build_unblock_sender_command(address: str) -> str:
    """The command that lets a mailbox send again, which Microsoft may have stopped."""
    if not can_be_quoted(address):
        return ""
    return f"Remove-BlockedSenderAddress -SenderAddress {quote_literal(address)}"


FLOW_RULES_COMMAND = (
    "Get-TransportRule | Sort-Object WhenChanged -Descending | "
    "Select-Object -First 20 Name, State, WhenChanged, RedirectMessageTo, BlindCopyTo, CopyTo"
)
