"""The neglected tenant's settings: rights, policies, apps, administrators, second factors,
PowerShell and legacy protocols.

The company has some sixty mailboxes and fourteen warehouse workers without one.
"""

from copy import deepcopy
from typing import Any

from sandbox.graph.apps import GRAPH_APP, build_app_assignment, build_principal, derive_api_id
from sandbox.graph.policies import DEFAULT_GRAPH_POLICIES
from sandbox.graph.registrations import build_report_row
from sandbox.http_types import Row, split_words
from sandbox.scenes.default_roles import GLOBAL_ADMINISTRATOR, USER_TYPE
from sandbox.scenes.people import TenantBuilder
from sandbox.scenes.row_templates import build_address, build_user_row, derive_id
from sandbox.state.tenant import TENANT_ID

WORKERS = tuple(f"worker-{number:02}" for number in range(1, 15))
EXCHANGE_ADMINISTRATOR = "29232cdf-9323-42fd-ade2-1d097af3e4de"
GLOBAL_ADMIN_ALIAS, EXCHANGE_ADMIN_ALIAS = "frank", "henk"
POWERSHELL_USERS = split_words("anna boris chiara edda gesa ines jakub")
PASSWORD_ONLY_USERS = split_words("boris chiara gesa ines felix greta hugo lars olga rosa")
NO_FACTORS: Row = {"isMfaRegistered": False, "isMfaCapable": False, "methodsRegistered": []}
PHONE_FACTOR: Row = {"methodsRegistered": ["mobilePhone"]}
NOTES_APP_ID, SCANNER_APP_ID = derive_id("app", "notes"), derive_id("app", "scanner")
OTHER_TENANT_ID = derive_id("another tenant")
VERIFIED_PUBLISHER = {
    "displayName": "Notes Ltd",
    "verifiedPublisherId": "1234567",
    "addedDateTime": None,
}
# A former employee: the account was deleted, the right remains.
DELETED_USER_SID = "S-1-5-21-1111111111-2222222222-3333333333-4711"


# Rights over mailboxes --------------------------------------------------------------------------


def derive_sid(alias: str) -> str:
    """Derives a stable security identifier from a name."""
    number = int(derive_id("sid", alias)[:7], 16)
    return f"S-1-5-21-1111111111-2222222222-3333333333-{number}"


def build_mailbox_permission(alias: str, user: str, sid: str) -> Row:
    """A row of Get-MailboxPermission: a full-access right."""
    return {
        "Identity": alias,
        "User": user,
        "UserSid": sid,
        "AccessRights": ["FullAccess"],
        "IsInherited": False,
        "Deny": False,
        "InheritanceType": "All",
    }


def build_recipient_permission(alias: str, trustee: str, sid: str) -> Row:
    """A row of Get-RecipientPermission: a send-as right."""
    return {
        "Identity": alias,
        "Trustee": trustee,
        "TrusteeSidString": sid,
        "AccessControlType": "Allow",
        "AccessRights": ["SendAs"],
        "IsInherited": False,
        "InheritanceType": "None",
    }


def build_permissions() -> dict[str, list[Row]]:
    """Rights of shared mailboxes' members, and stale rights over personal mailboxes."""
    members = (("info", "anna"), ("info", "boris"), ("support", "chiara"), ("board", "gesa"))
    held = [(box, build_address(who), derive_sid(who)) for box, who in members]
    return {
        "MailboxPermission": [
            *(build_mailbox_permission(*row) for row in held),
            build_mailbox_permission("frank", build_address("gesa"), derive_sid("gesa")),
            build_mailbox_permission("edda", DELETED_USER_SID, DELETED_USER_SID),
        ],
        "RecipientPermission": [build_recipient_permission(*row) for row in held],
    }


# Policies ---------------------------------------------------------------------------------------


def build_policies() -> dict[str, list[Row]]:
    """Policies with Microsoft's defaults, and one that was opened for a partner."""
    return {
        "OwaMailboxPolicy": [
            {
                "Identity": "OwaMailboxPolicy-Default",
                "Name": "OwaMailboxPolicy-Default",
                "IsDefault": True,
                "AdditionalStorageProvidersAvailable": True,
                "AllowOfflineOn": "AllComputers",
                "RulesEnabled": True,
            }
        ],
        "MobileDeviceMailboxPolicy": [
            {
                "Identity": "Default",
                "Name": "Default",
                "IsDefault": True,
                "AllowNonProvisionableDevices": True,
                "AllowSimplePassword": True,
                "MaxPasswordFailedAttempts": "Unlimited",
                "MinPasswordLength": None,
                "PasswordEnabled": False,
                "RequireDeviceEncryption": False,
            }
        ],
        "SharingPolicy": [
            {
                "Identity": "Default Sharing Policy",
                "Name": "Default Sharing Policy",
                "Default": True,
                "Enabled": True,
                "Domains": [
                    "Anonymous:CalendarSharingFreeBusyReviewer",
                    "*:CalendarSharingFreeBusySimple",
                ],
            }
        ],
    }


def build_authorization_policy() -> Row:
    """The authorization policy of an old tenant."""
    row: Row = deepcopy(dict(DEFAULT_GRAPH_POLICIES["authorizationPolicy"]))
    row["allowInvitesFrom"] = "everyone"
    row["guestUserRoleId"] = "10dae51f-b6af-4016-8d66-8c2a99b929b3"
    row["defaultUserRolePermissions"] |= {
        "allowedToCreateApps": True,
        "allowedToCreateTenants": True,
        "permissionGrantPoliciesAssigned": [
            "ManagePermissionGrantsForSelf.microsoft-user-default-legacy"
        ],
    }
    return row


# Apps -------------------------------------------------------------------------------------------


def build_grant(client: str, scope: str, user: str | None = None) -> Row:
    """A row of /oauth2PermissionGrants, for all users or for one."""
    return {
        "id": derive_id("grant", client, scope, user or ""),
        "clientId": client,
        "consentType": "Principal" if user else "AllPrincipals",
        "principalId": derive_id("user", user) if user else None,
        "resourceId": derive_api_id(GRAPH_APP),
        "scope": scope,
    }


def build_apps() -> Row:
    """A note-taking app that some users let into their mail, and a company app that reads all
    mail.
    """
    return {
        "servicePrincipals": [
            build_principal(NOTES_APP_ID, derive_id("app id", "notes"), "Notes", OTHER_TENANT_ID)
            | {"verifiedPublisher": VERIFIED_PUBLISHER},
            build_principal(
                SCANNER_APP_ID, derive_id("app id", "scanner"), "Invoice scanner", TENANT_ID
            ),
        ],
        "oauth2PermissionGrants": [
            build_grant(NOTES_APP_ID, "openid profile Mail.Read", who)
            for who in ("anna", "chiara", "ines")
        ],
        "appRoleAssignments": [build_app_assignment(SCANNER_APP_ID, GRAPH_APP, "Mail.Read")],
    }


# Administrators, second factors, PowerShell -----------------------------------------------------


def build_role_assignment(who: str, definition: str) -> Row:
    """A row of roleAssignments over the whole directory."""
    holder = derive_id("user", who)
    return {
        "id": derive_id("role", who, definition),
        "principalId": holder,
        "roleDefinitionId": definition,
        "directoryScopeId": "/",
        "principal": {"@odata.type": USER_TYPE, "id": holder},
    }


def build_registration(user: Row, *, admin: bool = False, **more: Any) -> Row:
    """A row of the report on authentication methods."""
    return build_report_row(user) | {"isAdmin": admin} | more


def build_registrations(builder: TenantBuilder) -> list[Row]:
    """Registrations: the chief has a telephone; the helper and others have only a password."""
    people = {
        row["ExternalDirectoryObjectId"]
        for row in builder.mailboxes
        if row["RecipientTypeDetails"] == "UserMailbox"
    }
    people |= {derive_id("user", alias) for alias in WORKERS}
    rows = []
    for user in builder.users:
        name = str(user["userPrincipalName"]).partition("@")[0]
        if user["id"] not in people or not user["accountEnabled"]:
            continue
        bare = name == EXCHANGE_ADMIN_ALIAS or name in PASSWORD_ONLY_USERS
        lacks = NO_FACTORS if bare else PHONE_FACTOR if name == GLOBAL_ADMIN_ALIAS else {}
        rows.append(
            build_registration(
                user, admin=name in (GLOBAL_ADMIN_ALIAS, EXCHANGE_ADMIN_ALIAS), **lacks
            )
        )
    return rows


def build_module_rows(builder: TenantBuilder) -> list[Row]:
    """Rows of Get-User: most accounts lost Exchange PowerShell in the last clean-up."""
    rows = []
    for mailbox in builder.mailboxes:
        if mailbox["RecipientTypeDetails"] not in ("UserMailbox", "SharedMailbox"):
            continue
        name = str(mailbox["Name"])
        allowed = name in (GLOBAL_ADMIN_ALIAS, EXCHANGE_ADMIN_ALIAS, *POWERSHELL_USERS)
        rows.append(
            {
                "Guid": mailbox["Guid"],
                "ExternalDirectoryObjectId": mailbox["ExternalDirectoryObjectId"],
                "Identity": name,
                "Name": name,
                "UserPrincipalName": mailbox["UserPrincipalName"],
                "RecipientTypeDetails": mailbox["RecipientTypeDetails"],
                "EXOModuleEnabled": allowed,
                "RemotePowerShellEnabled": allowed,
            }
        )
    return rows


# Old protocols ----------------------------------------------------------------------------------


def build_cas_row(mailbox: Row, **more: Any) -> Row:
    """A row of Get-CASMailbox for a mailbox with wrong protocol settings."""
    names = split_words(
        "ExternalDirectoryObjectId Guid Identity Name DisplayName PrimarySmtpAddress"
    )
    switches = {
        "ImapEnabled": False,
        "PopEnabled": False,
        "SmtpClientAuthenticationDisabled": None,
    }
    return {name: mailbox[name] for name in names} | switches | more


def build_sign_in(alias: str, client: str, days: float, address: str) -> Row:
    """A row of the sign-in log: a successful sign-in."""
    return {
        "id": derive_id("sign-in", alias, client, str(days)),
        "userId": derive_id("user", alias),
        "userPrincipalName": build_address(alias),
        "createdDateTime": {"@sandbox.daysAgo": days},
        "clientAppUsed": client,
        "ipAddress": address,
        "status": {"errorCode": 0},
    }


def build_protocols(builder: TenantBuilder) -> dict[str, list[Row]]:
    """SMTP AUTH on for all; POP and IMAP on for some mailboxes and for new ones."""
    boxes = {str(row["Name"]): row for row in builder.mailboxes}
    readers = {"ImapEnabled": True, "PopEnabled": True}
    return {
        "TransportConfig": [
            {"Identity": "Transport Settings", "SmtpClientAuthenticationDisabled": False}
        ],
        "CASMailboxPlan": [
            {"Identity": name, "Name": name, "ImapEnabled": True, "PopEnabled": True}
            for name in ("ExchangeOnlineEnterprise", "ExchangeOnlineDeskless")
        ],
        "CASMailbox": [
            *(build_cas_row(boxes[name], **readers) for name in ("gesa", "jakub", "lars")),
            build_cas_row(boxes["support"], SmtpClientAuthenticationDisabled=False),
        ],
    }


# The two halves ---------------------------------------------------------------------------------


def add_people_without_mailbox(builder: TenantBuilder) -> None:
    """Adds the warehouse workers, who sign in only to see their shifts."""
    builder.users.extend(build_user_row(alias, alias, True, None) for alias in WORKERS)


def build_graph_settings(builder: TenantBuilder) -> Row:
    """Builds Graph's collections besides mailboxes. Call it after all people were added."""
    return {
        "authorizationPolicy": build_authorization_policy(),
        "roleAssignments": [
            build_role_assignment(GLOBAL_ADMIN_ALIAS, GLOBAL_ADMINISTRATOR),
            build_role_assignment(EXCHANGE_ADMIN_ALIAS, EXCHANGE_ADMINISTRATOR),
        ],
        "userRegistrationDetails": build_registrations(builder),
        "signIns": [
            build_sign_in("support", "Authenticated SMTP", 3, "198.51.100.20"),
            build_sign_in("jakub", "IMAP4", 4, "198.51.100.31"),
        ],
        "directoryAudits": [],
        "deletedItems": [],
    } | build_apps()


def build_exchange_settings(builder: TenantBuilder) -> dict[str, list[Row]]:
    """Builds Exchange's rows besides mailboxes, by cmdlet without its `Get-`."""
    return (
        build_permissions()
        | build_policies()
        | build_protocols(builder)
        | {"User": build_module_rows(builder)}
    )
