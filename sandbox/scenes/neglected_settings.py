"""What nobody looked after in the neglected tenant besides its mailboxes: rights, policies, apps,
administrators, second factors, PowerShell and old protocols.

It is a company of some sixty mailboxes and fourteen people in the warehouse who have none.
"""

from copy import deepcopy
from typing import Any

from sandbox.graph.apps import GRAPH_APP, api_id, assignment, principal
from sandbox.graph.policies import KEPT
from sandbox.graph.registrations import report_row
from sandbox.http_types import Row, words
from sandbox.scenes.default_roles import GLOBAL_ADMINISTRATOR, USER
from sandbox.scenes.people import Cast
from sandbox.scenes.row_templates import address_of, made_id, user_row
from sandbox.state.tenant import TENANT_ID

WORKERS = tuple(f"worker-{number:02}" for number in range(1, 15))
EXCHANGE_ADMINISTRATOR = "29232cdf-9323-42fd-ade2-1d097af3e4de"
CHIEF, HELPER = "frank", "henk"
SCRIPTERS = words("anna boris chiara edda gesa ines jakub")
PASSWORD_ONLY = words("boris chiara gesa ines felix greta hugo lars olga rosa")
WITHOUT_FACTOR: Row = {"isMfaRegistered": False, "isMfaCapable": False, "methodsRegistered": []}
TELEPHONE: Row = {"methodsRegistered": ["mobilePhone"]}
NOTES, SCANNER = made_id("app", "notes"), made_id("app", "scanner")
ELSEWHERE = made_id("another tenant")
VERIFIED = {"displayName": "Notes Ltd", "verifiedPublisherId": "1234567", "addedDateTime": None}
# Somebody who left: the account is gone, the right is not.
LEFT = "S-1-5-21-1111111111-2222222222-3333333333-4711"


# Rights over mailboxes --------------------------------------------------------------------------


def sid_of(alias: str) -> str:
    """A security identifier that is always the same for the same name."""
    number = int(made_id("sid", alias)[:7], 16)
    return f"S-1-5-21-1111111111-2222222222-3333333333-{number}"


def opens(alias: str, user: str, sid: str) -> Row:
    """A row of Get-MailboxPermission: who may open a mailbox."""
    return {
        "Identity": alias,
        "User": user,
        "UserSid": sid,
        "AccessRights": ["FullAccess"],
        "IsInherited": False,
        "Deny": False,
        "InheritanceType": "All",
    }


def sends(alias: str, trustee: str, sid: str) -> Row:
    """A row of Get-RecipientPermission: who may send in somebody's name."""
    return {
        "Identity": alias,
        "Trustee": trustee,
        "TrusteeSidString": sid,
        "AccessControlType": "Allow",
        "AccessRights": ["SendAs"],
        "IsInherited": False,
        "InheritanceType": "None",
    }


def rights() -> dict[str, list[Row]]:
    """The members of shared mailboxes, and what was left behind over other people's."""
    members = (("info", "anna"), ("info", "boris"), ("support", "chiara"), ("board", "gesa"))
    held = [(box, address_of(who), sid_of(who)) for box, who in members]
    return {
        "MailboxPermission": [
            *(opens(*row) for row in held),
            opens("frank", address_of("gesa"), sid_of("gesa")),
            opens("edda", LEFT, LEFT),
        ],
        "RecipientPermission": [sends(*row) for row in held],
    }


# Policies ---------------------------------------------------------------------------------------


def policies() -> dict[str, list[Row]]:
    """Policies as Microsoft made them, and one somebody opened for a partner."""
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


def authorization() -> Row:
    """The authorization policy of a tenant that was made years ago."""
    row: Row = deepcopy(dict(KEPT["authorizationPolicy"]))
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


def grant(client: str, scope: str, user: str | None = None) -> Row:
    """A row of /oauth2PermissionGrants: for everybody, or for one user."""
    return {
        "id": made_id("grant", client, scope, user or ""),
        "clientId": client,
        "consentType": "Principal" if user else "AllPrincipals",
        "principalId": made_id("user", user) if user else None,
        "resourceId": api_id(GRAPH_APP),
        "scope": scope,
    }


def apps() -> Row:
    """A note-taking app some let into their mail, and one of the company's own that reads all."""
    return {
        "servicePrincipals": [
            principal(NOTES, made_id("app id", "notes"), "Notes", ELSEWHERE)
            | {"verifiedPublisher": VERIFIED},
            principal(SCANNER, made_id("app id", "scanner"), "Invoice scanner", TENANT_ID),
        ],
        "oauth2PermissionGrants": [
            grant(NOTES, "openid profile Mail.Read", who) for who in ("anna", "chiara", "ines")
        ],
        "appRoleAssignments": [assignment(SCANNER, GRAPH_APP, "Mail.Read")],
    }


# Administrators, second factors, PowerShell -----------------------------------------------------


def role(who: str, definition: str) -> Row:
    """A row of roleAssignments over the whole directory."""
    holder = made_id("user", who)
    return {
        "id": made_id("role", who, definition),
        "principalId": holder,
        "roleDefinitionId": definition,
        "directoryScopeId": "/",
        "principal": {"@odata.type": USER, "id": holder},
    }


def registration(user: Row, *, admin: bool = False, **more: Any) -> Row:
    """A row of the report on sign-in methods."""
    return report_row(user) | {"isAdmin": admin} | more


def registrations(cast: Cast) -> list[Row]:
    """Of all people: the chief has a telephone, the helper and some others only a password."""
    people = {
        row["ExternalDirectoryObjectId"]
        for row in cast.mailboxes
        if row["RecipientTypeDetails"] == "UserMailbox"
    }
    people |= {made_id("user", alias) for alias in WORKERS}
    rows = []
    for user in cast.users:
        name = str(user["userPrincipalName"]).partition("@")[0]
        if user["id"] not in people or not user["accountEnabled"]:
            continue
        bare = name == HELPER or name in PASSWORD_ONLY
        lacks = WITHOUT_FACTOR if bare else TELEPHONE if name == CHIEF else {}
        rows.append(registration(user, admin=name in (CHIEF, HELPER), **lacks))
    return rows


def module_rows(cast: Cast) -> list[Row]:
    """Rows of Get-User: most lost Exchange PowerShell when somebody last tidied up."""
    rows = []
    for mailbox in cast.mailboxes:
        if mailbox["RecipientTypeDetails"] not in ("UserMailbox", "SharedMailbox"):
            continue
        name = str(mailbox["Name"])
        allowed = name in (CHIEF, HELPER, *SCRIPTERS)
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


def cas_row(mailbox: Row, **more: Any) -> Row:
    """A row of Get-CASMailbox for a mailbox whose protocols are not as they should be."""
    names = words("ExternalDirectoryObjectId Guid Identity Name DisplayName PrimarySmtpAddress")
    switches = {
        "ImapEnabled": False,
        "PopEnabled": False,
        "SmtpClientAuthenticationDisabled": None,
    }
    return {name: mailbox[name] for name in names} | switches | more


def sign_in(alias: str, client: str, days: float, address: str) -> Row:
    """A row of the sign-in log, of a sign-in that succeeded."""
    return {
        "id": made_id("sign-in", alias, client, str(days)),
        "userId": made_id("user", alias),
        "userPrincipalName": address_of(alias),
        "createdDateTime": {"@sandbox.daysAgo": days},
        "clientAppUsed": client,
        "ipAddress": address,
        "status": {"errorCode": 0},
    }


def protocols(cast: Cast) -> dict[str, list[Row]]:
    """SMTP AUTH on for everybody; POP and IMAP on for some, and for whoever comes next."""
    boxes = {str(row["Name"]): row for row in cast.mailboxes}
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
            *(cas_row(boxes[name], **readers) for name in ("gesa", "jakub", "lars")),
            cas_row(boxes["support"], SmtpClientAuthenticationDisabled=False),
        ],
    }


# The two halves ---------------------------------------------------------------------------------


def people_without_mailbox(cast: Cast) -> None:
    """The warehouse: they sign in to see their shifts."""
    cast.users.extend(user_row(alias, alias, True, None) for alias in WORKERS)


def graph_settings(cast: Cast) -> Row:
    """What Graph shows besides mailboxes. Call it when everybody is in the cast."""
    return {
        "authorizationPolicy": authorization(),
        "roleAssignments": [
            role(CHIEF, GLOBAL_ADMINISTRATOR),
            role(HELPER, EXCHANGE_ADMINISTRATOR),
        ],
        "userRegistrationDetails": registrations(cast),
        "signIns": [
            sign_in("support", "Authenticated SMTP", 3, "198.51.100.20"),
            sign_in("jakub", "IMAP4", 4, "198.51.100.31"),
        ],
        "directoryAudits": [],
        "deletedItems": [],
    } | apps()


def exchange_settings(cast: Cast) -> dict[str, list[Row]]:
    """What Exchange shows besides mailboxes, by cmdlet without its `Get-`."""
    return rights() | policies() | protocols(cast) | {"User": module_rows(cast)}
