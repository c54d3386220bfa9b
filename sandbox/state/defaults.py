"""Default settings that Exchange always prints, for everything that a scene does not specify.

A scene's row gets the missing defaults too, unless it says `"@sandbox.bare": true`.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from core.microsoft365.configuration_sources import EXCHANGE_SOURCES
from sandbox.http_types import Row
from sandbox.state.json_copy import add_missing

# Policies of a well-kept tenant.
# The filters of a new tenant (graph2otel: answers of the admin API, 2026-07).
FRESH_FILTERS: Mapping[str, list[Row]] = {
    "Get-AntiPhishPolicy": [
        {
            "Identity": "Office365 AntiPhish Default",
            "Name": "Office365 AntiPhish Default",
            "IsDefault": True,
            "RecommendedPolicyType": "Custom",
            "Enabled": True,
            "EnableSpoofIntelligence": True,
            "HonorDmarcPolicy": True,
            "EnableMailboxIntelligence": True,
            "EnableUnauthenticatedSender": True,
            "AuthenticationFailAction": "MoveToJmf",
            "DmarcRejectAction": "Reject",
            "DmarcQuarantineAction": "Quarantine",
            "PhishThresholdLevel": 1,
            "TargetedUsersToProtect": [],
            "ExcludedSenders": [],
            "ExcludedDomains": [],
        }
    ],
    "Get-MalwareFilterPolicy": [
        {
            "Identity": "Default",
            "Name": "Default",
            "IsDefault": True,
            "RecommendedPolicyType": "Custom",
            "EnableFileFilter": True,
            "ZapEnabled": True,
            "FileTypes": ["ace", "exe", "iso", "js", "lnk", "vbs"],
            "FileTypeAction": "Reject",
            "QuarantineTag": "AdminOnlyAccessPolicy",
        }
    ],
    "Get-HostedContentFilterPolicy": [
        {
            "Identity": "Default",
            "Name": "Default",
            "IsDefault": True,
            "RecommendedPolicyType": "Custom",
            "SpamAction": "MoveToJmf",
            "HighConfidenceSpamAction": "MoveToJmf",
            "PhishSpamAction": "MoveToJmf",
            "HighConfidencePhishAction": "Quarantine",
            "BulkSpamAction": "MoveToJmf",
            "BulkThreshold": 7,
            "MarkAsSpamBulkMail": "On",
            "SpamZapEnabled": True,
            "PhishZapEnabled": True,
            "AllowedSenders": [],
            "AllowedSenderDomains": [],
        }
    ],
    "Get-HostedConnectionFilterPolicy": [
        {
            "Identity": "Default",
            "Name": "Default",
            "IsDefault": True,
            "IPAllowList": [],
            "EnableSafeList": False,
        }
    ],
}
DEFAULT_EXCHANGE_POLICIES: Mapping[str, list[Row]] = {
    **FRESH_FILTERS,
    "Get-OwaMailboxPolicy": [
        {
            "Identity": "OwaMailboxPolicy-Default",
            "Name": "OwaMailboxPolicy-Default",
            "IsDefault": True,
            "AdditionalStorageProvidersAvailable": False,
            "AllowOfflineOn": "NoComputers",
            "RulesEnabled": False,
        }
    ],
    "Get-MobileDeviceMailboxPolicy": [
        {
            "Identity": "Default",
            "Name": "Default",
            "IsDefault": True,
            "AllowNonProvisionableDevices": False,
            "AllowSimplePassword": False,
            "MaxPasswordFailedAttempts": "10",
            "MinPasswordLength": 6,
            "PasswordEnabled": True,
            "RequireDeviceEncryption": True,
        }
    ],
    # Assignments that Exchange makes by itself; a real tenant has some two hundred.
    "Get-ManagementRoleAssignment": [
        {
            "Identity": f"{role}-{assignee}",
            "Name": f"{role}-{assignee}",
            "Role": role,
            "RoleAssignee": assignee,
            "RoleAssigneeName": assignee,
            "RoleAssigneeType": kind,
            "RoleAssignmentDelegationType": "Regular",
            "RecipientWriteScope": scope,
            "Enabled": True,
        }
        for role, assignee, kind, scope in (
            ("Mail Recipients", "Organization Management", "RoleGroup", "Organization"),
            ("View-Only Recipients", "View-Only Organization Management", "RoleGroup", "None"),
            ("MyBaseOptions", "Default Role Assignment Policy", "RoleAssignmentPolicy", "Self"),
        )
    ],
    "Get-SharingPolicy": [
        {
            "Identity": "Default Sharing Policy",
            "Name": "Default Sharing Policy",
            "Default": True,
            "Enabled": True,
            "Domains": ["*:CalendarSharingFreeBusySimple"],
        }
    ],
}
# Properties that every row of a cmdlet has, even if a scene's row leaves them out.
DEFAULT_ROW_PROPERTIES: Mapping[str, Row] = {
    # Get-OrganizationConfig prints some 170 properties: these are those whose values say something
    # of security, and a few that only take room (Microsoft Learn: Set-OrganizationConfig; exports
    # published by microsoft/Microsoft365DSC and cisagov/ScubaGear).
    "Get-OrganizationConfig": {
        "ActivityBasedAuthenticationTimeoutEnabled": True,
        "ActivityBasedAuthenticationTimeoutInterval": "06:00:00",
        "ActivityBasedAuthenticationTimeoutWithSingleSignOnEnabled": True,
        "AppsForOfficeEnabled": True,
        "AutoEnableArchiveMailbox": False,
        "AutoExpandingArchiveEnabled": False,
        "BookingsEnabled": True,
        "ConnectorsEnabled": True,
        "CustomerLockboxEnabled": True,
        "DefaultMinutesToReduceLongEventsBy": 10,
        "DefaultPublicFolderAgeLimit": None,
        "ElcProcessingDisabled": False,
        "EwsEnabled": None,
        "IsMixedMode": False,
        "MailTipsAllTipsEnabled": True,
        "MailTipsExternalRecipientsTipsEnabled": True,
        "MailTipsGroupMetricsEnabled": True,
        "MailTipsLargeAudienceThreshold": 25,
        "MailTipsMailboxSourcedTipsEnabled": True,
        "OAuth2ClientProfileEnabled": True,
        "OrganizationConfigHash": "",
        "PublicFoldersEnabled": "Local",
        "RejectDirectSend": True,
        "SendFromAliasEnabled": False,
        "SmtpActionableMessagesEnabled": True,
    },
    "Get-RemoteDomain": {"TrustedMailInboundEnabled": False, "TrustedMailOutboundEnabled": False},
    "Get-TransportConfig": {"JournalingReportNdrTo": "<>"},
    "Get-HostedOutboundSpamFilterPolicy": {
        "BccSuspiciousOutboundAdditionalRecipients": [],
        "BccSuspiciousOutboundMail": False,
        "ActionWhenThresholdReached": "BlockUserForToday",
        "RecipientLimitExternalPerHour": 0,
        "RecipientLimitInternalPerHour": 0,
        "RecipientLimitPerDay": 0,
    },
    "Get-OwaMailboxPolicy": {
        "BookingsMailboxCreationEnabled": False,
        "PersonalAccountCalendarsEnabled": False,
        "PersonalAccountsEnabled": False,
    },
}
DEFAULT_PRIVACY_PROFILE: Row = {
    "contactEmail": "privacy@contoso.com",
    "statementUrl": "https://contoso.com/privacy",
}
# Exchange Online (Plan 2), also for governments (Microsoft Learn: Exchange Online limits).
LARGE_PLANS = frozenset(
    {"efb87545-963c-4e0d-99df-69c6916d9eb0", "8c3069c0-ccdb-44be-ab77-986203a67df2"}
)
LARGE_QUOTA, USUAL_QUOTA = "100 GB (107,374,182,400 bytes)", "50 GB (53,687,091,200 bytes)"
# What a tenant has of a configuration source that nothing above specifies.
DEFAULT_OBJECT: Row = {"Identity": "Default", "Name": "Default"}
# Derived from the domains of Entra where a scene lists none: `SimulatedTenant.list_rows`.
ACCEPTED_DOMAINS = "Get-AcceptedDomain"
# Most rows of the bypass list are system objects, some by the same name: 242 rows in a tenant of
# three mailboxes (graph2otel, 2026-07).
BYPASS_LIST = "Get-MailboxAuditBypassAssociation"
SYSTEM_NAMES = (
    *(f"SystemMailbox{{{uuid5(NAMESPACE_URL, str(number))}}}" for number in range(6)),
    *(f"HealthMailbox{uuid5(NAMESPACE_URL, f'health/{number}').hex}" for number in range(4)),
    "DiscoverySearchMailbox{D919BA05-46A6-415f-80AD-7E09334BB852}",
    "Migration.8f3e7716-2011-43e4-96b1-aba62d229136",
    "FederatedEmail.4c1f4d8b-8179-4148-93bf-00a95fa1e042",
    "Exchange Online-ApplicationAccount",
    "Exchange Online-ApplicationAccount",
    "$DUPLICATE-1f4",
)
SYSTEM_ASSOCIATIONS: tuple[Row, ...] = tuple(
    {
        "Guid": str(uuid5(NAMESPACE_URL, f"bypass/{number}")),
        "Name": name,
        "AuditBypassEnabled": False,
    }
    for number, name in enumerate(SYSTEM_NAMES)
)
CMDLETS_WITH_GUID = tuple(
    source.read
    for source in EXCHANGE_SOURCES.values()
    # A mailbox without a Guid is one that a scene means to have none.
    if source.identity_property == "Guid" and source.read != "Get-Mailbox"
)


def add_defaults(graph: Mapping[str, Any], exchange: dict[str, Any]) -> None:
    """Adds the defaults a scene leaves out, except to rows it marks as bare."""
    add_missing(exchange, DEFAULT_EXCHANGE_POLICIES)
    # Role groups come with their members: `add_default_roles`.
    with_members = {source.read for source in EXCHANGE_SOURCES.values() if source.relation}
    for source in EXCHANGE_SOURCES.values():
        if source.read not in with_members and source.read != ACCEPTED_DOMAINS:
            exchange.setdefault(source.read, [] if source.may_be_none else [dict(DEFAULT_OBJECT)])
    for cmdlet in (*CMDLETS_WITH_GUID, *DEFAULT_ROW_PROPERTIES):
        for row in exchange.get(cmdlet, ()):
            name = f"{cmdlet}/{row.get('Identity') or row.get('Name')}"
            guid = str(row.get("Guid") or uuid5(NAMESPACE_URL, name))
            ids = {"Guid": guid, "ExchangeObjectId": guid} if cmdlet in CMDLETS_WITH_GUID else {}
            fill_row(row, {**ids, **DEFAULT_ROW_PROPERTIES.get(cmdlet, {})})
    add_system_associations(exchange)
    add_exchange_ids(exchange)
    for row in graph.get("users", ()):
        fill_row(row, {"assignedLicenses": [], "assignedPlans": []})
    fill_quotas(graph.get("users", ()), exchange.get("Get-Mailbox", ()))
    for row in graph.get("domains", ()):
        fill_row(row, {"authenticationType": "Managed"})
    for row in graph.get("organization", ()):
        fill_row(row, {"privacyProfile": dict(DEFAULT_PRIVACY_PROFILE)})


def fill_quotas(users: Iterable[Row], mailboxes: Iterable[Row]) -> None:
    """Gives mailboxes the quota of their licence: 100 GB with Exchange Online (Plan 2), else 50."""
    large = {
        user.get("id")
        for user in users
        for plan in user.get("assignedPlans") or ()
        if isinstance(plan, dict)
        and plan.get("servicePlanId") in LARGE_PLANS
        and plan.get("capabilityStatus") in ("Enabled", "Warning")
    }
    for row in mailboxes:
        is_large = row.get("ExternalDirectoryObjectId") in large
        fill_row(row, {"ProhibitSendReceiveQuota": LARGE_QUOTA if is_large else USUAL_QUOTA})


def add_system_associations(exchange: dict[str, Any]) -> None:
    """Adds the system objects to a bypass list that the scene has."""
    rows = exchange.get(BYPASS_LIST)
    if rows and not any(row.get("@sandbox.bare") for row in rows):
        exchange[BYPASS_LIST] = [*rows, *map(dict, SYSTEM_ASSOCIATIONS)]


def add_exchange_ids(exchange: Mapping[str, Any]) -> None:
    """Adds the id that Exchange prints of every recipient beside its Guid."""
    for cmdlet in ("Get-Mailbox", "Get-Recipient", "Get-User"):
        for row in exchange.get(cmdlet, ()):
            if row.get("Guid"):
                fill_row(row, {"ExchangeObjectId": row["Guid"]})


def fill_row(row: Row, defaults: Row) -> None:
    """Adds the properties that a row lacks."""
    if not row.get("@sandbox.bare"):
        for name, value in defaults.items():
            row.setdefault(name, value)
