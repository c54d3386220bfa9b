"""For each watched collection: a known item, and what makes it wider, narrower, or no news."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.guards.exchange_roles.groups import MEMBERS
from core.microsoft365.configuration_sources import EXCLUDED_GROUP, ROLE_HOLDER
from core.tenant.configuration import Configuration

DOMAINS = Configuration("accepted-domain", "contoso.com", "contoso.com", {"DomainType": "x"})
PARTNER_ID = "a5a695a9-fd81-5794-886f-ac7cda1f892f"
SYNCHRONISES = {
    "automaticUserConsentSettings": {"inboundAllowed": True},
    "identitySynchronization": {"userSyncInbound": {"isSyncAllowed": True}},
}
APP = "22be4012-9ebe-5a18-9f4f-973caf2c948c"


@dataclass(frozen=True, slots=True)
class WatchedExample:
    """One item of a collection as it is known, and how it may change."""

    source: str
    known: Mapping[str, Any]
    """The properties of an item that is there at the first look."""
    wider: Mapping[str, Any]
    """Properties that open more or keep less; empty: an item of this collection never changes."""
    narrower: Mapping[str, Any]
    harmless: Mapping[str, Any]
    others: tuple[Configuration, ...] = ()
    """Objects of the other sources that the collection reads."""
    is_new_told: bool = True
    """Whether a new item with these properties opens anything: one that only keeps does not."""
    is_single: bool = False
    """Whether the tenant has exactly one such object."""
    prefix: str = ""
    """What the id of an item has before that of the object it comes from."""

    def build(self, identity: str, *changes: Mapping[str, Any]) -> Configuration:
        """An item with the properties of the known one and these."""
        values: dict[str, Any] = dict(self.known)
        for one in changes:
            values |= one
        return Configuration(self.source, identity, f"name of {identity}", values)


SMS = {"id": "Sms", "includeTargets": [{"id": "all_users"}]}
PASSKEY = {"id": "Fido2", "state": "enabled", "isAttestationEnforced": True}


def describe_policy(source: str) -> WatchedExample:
    """The example of a policy that may apply to apps."""
    text = '{"Policy":{"Version":1,"AllowCloudPasswordValidation":false}}'
    other = '{"Policy":{"Version":1,"AllowCloudPasswordValidation":true}}'
    return WatchedExample(
        source,
        known={"definition": [text], "appliesTo": [APP], "isOrganizationDefault": False},
        wider={"definition": [other]},
        narrower={"appliesTo": []},
        harmless={"description": "another text"},
    )


def describe_rule(source: str, policy: str = "") -> WatchedExample:
    """The example of a rule that says for whom a filter counts; `policy` is the property that
    names its policy, where it has one of the tenant's.
    """
    policies = f"{source.removesuffix('rule')}policy"
    named = {policy: "Mine"} if policy else {}
    return WatchedExample(
        source,
        known={"State": "Enabled", "SentTo": ["ann@contoso.com"], "Priority": 1, **named},
        wider={"State": "Disabled", "ExceptIfRecipientDomainIs": ["contoso.com"]},
        narrower={"SentTo": ["ann@contoso.com", "ben@contoso.com"]},
        harmless={"Comments": "x"},
        others=(
            Configuration(policies, "p8", "Mine", {}),
            Configuration(policies, "p9", "Default", {"IsDefault": True}),
        )
        if policy
        else (),
        is_new_told=False,
    )


def describe_filter(
    source: str, known: Mapping[str, Any], wider: Mapping[str, Any], narrower: Mapping[str, Any]
) -> WatchedExample:
    """The example of a filter policy."""
    return WatchedExample(
        source, known, wider, narrower, harmless={"AdminDisplayName": "x"}, others=(DOMAINS,)
    )


def describe_allowed(source: str) -> WatchedExample:
    """The example of an entry that lets something pass; the other lists are empty."""
    return WatchedExample(
        source,
        known={"Action": "Allow", "Value": "a.example", "RemoveAfter": 45},
        wider={"RemoveAfter": None},
        narrower={"RemoveAfter": 30},
        harmless={"Notes": "x"},
        others=(DOMAINS,),
    )


def build_authority(key: str) -> dict[str, object]:
    """A certificate authority with this key."""
    return {"id": key, "issuer": f"CN={key}", "issuerSki": key, "isRootAuthority": True}


EXCLUDING = Configuration(
    "conditional-access-policy",
    "policy",
    "Second factor for everybody",
    {
        "state": "enabled",
        "conditions": {"users": {"excludeGroups": ["id-known", "id-other"]}},
    },
)
HOLDER = Configuration(ROLE_HOLDER, "admin", "adm@contoso.com", {"roles": ["x"]})
GLOBAL_ADMINISTRATOR = "62e90394-69f5-4237-9190-012177145e10"
HELD_ROLE = {"roleDefinitionId": GLOBAL_ADMINISTRATOR, "principalId": "u1"}
MIGRATES = {"odataType": "#microsoft.graph.crossTenantMigration", "name": "crossTenantMigration"}
MEMBERSHIP = "DeviceRegistrationMembership"
GRAPH_API = "00000003-0000-0000-c000-000000000000"
MAIL_READ = "810c84a8-4a9e-49e6-bf7d-12d183f40d01"
GIVE_ROLES = "9e3f62cf-ca93-4989-b6ce-bf83c28f9fe8"


def ask_graph_for(*roles: str) -> list[dict[str, object]]:
    """What a registration asks Microsoft Graph for in its own name."""
    access = [{"id": one, "type": "Role"} for one in roles]
    return [{"resourceAppId": GRAPH_API, "resourceAccess": access}]


MFA_RULE = {"id": "Enablement_EndUser_Assignment"}
AUTHORITIES = "certificateBasedAuthConfiguration"
EXAMPLES: Mapping[str, WatchedExample] = {
    "cross-tenant-default": WatchedExample(
        "cross-tenant-default",
        known={"inboundTrust": {"isMfaAccepted": False, "isCompliantDeviceAccepted": True}},
        wider={"inboundTrust": {"isMfaAccepted": True, "isCompliantDeviceAccepted": True}},
        narrower={"inboundTrust": {"isMfaAccepted": False, "isCompliantDeviceAccepted": False}},
        harmless={"isServiceDefault": False},
        is_single=True,
    ),
    "partner-organization": WatchedExample(
        "cross-tenant-partner",
        known={"inboundTrust": None, "isServiceProvider": True},
        wider=SYNCHRONISES,
        narrower={"isServiceProvider": None},
        harmless={"tenantRestrictions": {"devices": None}},
    ),
    "partner-capability": WatchedExample(
        "partner-capability",
        known={"m365Capabilities": [MIGRATES | {"inboundAccess": {"isAllowed": False}}]},
        wider={"m365Capabilities": [MIGRATES | {"inboundAccess": {"isAllowed": True}}]},
        narrower={"m365Capabilities": []},
        harmless={"displayName": "x"},
    ),
    "identity-provider": WatchedExample(
        "identity-provider",
        known={"identityProviderType": "Google", "clientId": "71422.apps.example"},
        wider={"clientId": "999.apps.example"},
        narrower={"state": "off"},
        harmless={"clientSecret": "another"},
    ),
    "self-service-sign-up": WatchedExample(
        "authentication-flows",
        known={"selfServiceSignUp": {"isEnabled": False}},
        wider={"selfServiceSignUp": {"isEnabled": True}},
        narrower={"selfServiceSignUp": None},
        harmless={"description": "x"},
        is_single=True,
    ),
    "outside-federation": WatchedExample(
        "outside-federation",
        known={"issuerUri": "https://idp.sister.example", "signingCertificate": "a"},
        wider={"signingCertificate": "b"},
        narrower={"displayName": "x"},
        harmless={"metadataExchangeUri": "https://idp.sister.example/mex"},
    ),
    "claims-mapping-policy": describe_policy("claims-mapping-policy"),
    "token-lifetime-policy": describe_policy("token-lifetime-policy"),
    "token-issuance-policy": describe_policy("token-issuance-policy"),
    "home-realm-policy": describe_policy("home-realm-policy"),
    "organization-relationship": WatchedExample(
        "organization-relationship",
        known={
            "DomainNames": ["sister.example", "cousin.example"],
            "Enabled": True,
            "FreeBusyAccessEnabled": True,
            "FreeBusyAccessLevel": "AvailabilityOnly",
        },
        wider={"MailboxMoveEnabled": True, "MailboxMoveCapability": "RemoteOutbound"},
        narrower={"DomainNames": ["sister.example"]},
        harmless={"PhotosEnabled": True},
        others=(DOMAINS,),
    ),
    "intra-organization-connector": WatchedExample(
        "intra-organization-connector",
        known={"TargetAddressDomains": ["sister.example"], "Enabled": True},
        wider={"DiscoveryEndpoint": "https://mail.harbour.example/autodiscover"},
        narrower={"Enabled": False},
        harmless={"WhenChangedUTC": "2026-01-01T00:00:00Z"},
        others=(DOMAINS,),
    ),
    "federation-trust": WatchedExample(
        "federation-trust",
        known={"TokenIssuerUri": "urn:federation:MicrosoftOnline"},
        wider={"TokenIssuerUri": "urn:federation:harbour"},
        narrower={"Comment": "x"},
        harmless={"WhenChangedUTC": "2026-01-01T00:00:00Z"},
    ),
    "federated-organization": WatchedExample(
        "federated-organization",
        known={"Domains": ["contoso.com"], "Enabled": True},
        wider={"Domains": ["contoso.com", "harbour.example"]},
        narrower={"Domains": []},
        harmless={"OrganizationContact": "x"},
        others=(DOMAINS,),
    ),
    "migration-endpoint": WatchedExample(
        "migration-endpoint",
        known={"RemoteServer": "mail.harbour.example", "EndpointType": "IMAP"},
        wider={"RemoteTenant": "harbour.example"},
        narrower={"MaxConcurrentMigrations": 1},
        harmless={"MaxConcurrentMigrations": 20},
        others=(DOMAINS,),
    ),
    "migration-batch": WatchedExample(
        "migration-batch",
        known={"Identity": "Sales", "BatchDirection": "Onboarding", "SourceEndpoint": "x"},
        wider={"TargetEndpoint": "away"},
        narrower={"Status": "Completed"},
        harmless={"Status": "Syncing"},
        others=(DOMAINS,),
    ),
    "mailbox-restore": WatchedExample(
        "mailbox-restore-request",
        known={"TargetMailbox": "temphelp", "SourceAlias": "director"},
        wider={"TargetMailbox": "other"},
        narrower={"Status": "Completed"},
        harmless={"Status": "InProgress"},
    ),
    "mailbox-moderation": WatchedExample(
        "moderated-mailbox",
        known={"ModerationEnabled": True, "ModeratedBy": ["press"]},
        wider={"ModeratedBy": ["press", "temphelp"]},
        narrower={"ModerationEnabled": False},
        harmless={"Alias": "x"},
    ),
    "mailbox-rejection": WatchedExample(
        "rejecting-mailbox",
        known={"RejectMessagesFrom": ["leo"]},
        wider={"RejectMessagesFrom": ["leo", "itdesk"]},
        narrower={"RejectMessagesFrom": []},
        harmless={"Alias": "x"},
    ),
    "mailbox-hold": WatchedExample(
        "held-mailbox",
        known={"LitigationHoldEnabled": True, "LitigationHoldDuration": "Unlimited"},
        wider={"LitigationHoldDuration": "30.00:00:00"},
        narrower={"LitigationHoldDuration": None},
        harmless={"Alias": "x"},
        is_new_told=False,
    ),
    "mailbox-recovery": WatchedExample(
        "unrecoverable-mailbox",
        known={"SingleItemRecoveryEnabled": True, "RetainDeletedItemsFor": "7.00:00:00"},
        wider={"RetainDeletedItemsFor": "6.00:00:00"},
        narrower={"RetainDeletedItemsFor": "14.00:00:00"},
        harmless={"Alias": "x"},
    ),
    "hidden-mailbox": WatchedExample(
        "hidden-mailbox",
        known={"RecipientTypeDetails": "UserMailbox", "AccountDisabled": False},
        wider={},
        narrower={"AccountDisabled": True},
        harmless={"WhenCreated": "2026-01-01T00:00:00Z"},
    ),
    "leading-recipient": WatchedExample(
        "mail-contact",
        known={
            "ExternalEmailAddress": "SMTP:ann@harbour.example",
            "EmailAddresses": ["SMTP:ann@harbour.example", "smtp:sales@contoso.com"],
        },
        wider={"EmailAddresses": ["smtp:sales@contoso.com", "smtp:boss@contoso.com"]},
        narrower={"EmailAddresses": ["SMTP:ann@harbour.example"]},
        harmless={"DisplayName": "x"},
        others=(DOMAINS,),
    ),
    "notice-contact": WatchedExample(
        "organization",
        known={"technicalNotificationMails": ["it@contoso.com"], "displayName": "Contoso"},
        wider={"technicalNotificationMails": ["it@contoso.com", "x@drop.example"]},
        narrower={"privacyProfile": None},
        harmless={"displayName": "Contoso Ltd"},
        others=(DOMAINS,),
        is_single=True,
    ),
    "outlook-add-in": WatchedExample(
        "organization-add-in",
        known={
            "DisplayName": "Call notes",
            "Type": "MarketPlace",
            "Requirements": "ReadItem",
            "Enabled": True,
            "ProvidedTo": "Everyone",
            "DefaultStateForUser": "Enabled",
        },
        wider={"Requirements": "ReadWriteMailbox"},
        narrower={"Enabled": "False"},
        harmless={"AppVersion": "1.0.4.0"},
    ),
    "requested-permission": WatchedExample(
        "app-registration",
        known={"requiredResourceAccess": ask_graph_for(MAIL_READ)},
        wider={"requiredResourceAccess": ask_graph_for(MAIL_READ, GIVE_ROLES)},
        narrower={"requiredResourceAccess": []},
        harmless={"createdDateTime": "2026-01-01T00:00:00Z"},
    ),
    "role-group": WatchedExample(
        "role-group",
        known={"Roles": ["Role Management"], MEMBERS: [{"Guid": "m1", "Name": "chief"}]},
        wider={MEMBERS: [{"Guid": "m1", "Name": "chief"}, {"Guid": "m2", "Name": "newcomer"}]},
        narrower={MEMBERS: []},
        harmless={"Description": "x"},
    ),
    "partner-role-group": WatchedExample(
        "partner-role-group",
        known={"LinkedPartnerOrganizationId": "p1", "Roles": ["View-Only Recipients"]},
        wider={"Roles": ["View-Only Recipients", "Role Management"]},
        narrower={"Roles": []},
        harmless={"Description": "x"},
    ),
    "role-assignment": WatchedExample(
        "management-role-assignment",
        known={
            "Role": "Mail Recipients",
            "RoleAssigneeName": "Branch admins",
            "RoleAssigneeType": "RoleGroup",
            "CustomRecipientWriteScope": "Branch",
        },
        wider={"CustomRecipientWriteScope": None, "RecipientWriteScope": "Organization"},
        narrower={"Enabled": False},
        harmless={"WhenChangedUTC": "2026-01-01T00:00:00Z"},
    ),
    "management-role": WatchedExample(
        "management-role",
        known={"Parent": "View-Only Recipients"},
        wider={"Parent": "Mailbox Import Export"},
        narrower={"Parent": ""},
        harmless={"Description": "x"},
    ),
    "exclusive-scope": WatchedExample(
        "management-scope",
        known={"Exclusive": True, "RecipientFilter": "Department -eq 'Board'"},
        wider={"RecipientFilter": "Department -like '*'"},
        narrower={"Exclusive": False},
        harmless={"WhenChanged": "2026-11-01T00:00:00Z"},
    ),
    "role-assignment-policy": WatchedExample(
        "role-assignment-policy",
        known={"AssignedRoles": ["MyBaseOptions"]},
        wider={"AssignedRoles": ["MyBaseOptions", "My Custom Apps"]},
        narrower={"AssignedRoles": []},
        harmless={"Description": "x"},
    ),
    "application-access-policy": WatchedExample(
        "application-access-policy",
        known={"AccessRight": "RestrictAccess", "ScopeName": "Invoices"},
        wider={"ScopeName": "All staff"},
        narrower={"Comment": "x"},
        harmless={"Description": "x"},
        is_new_told=False,
    ),
    "anti-phish-policy": describe_filter(
        "anti-phish-policy",
        {"TargetedUsersToProtect": ["chief;chief@contoso.com"], "PhishThresholdLevel": 2},
        {"EnableSpoofIntelligence": False, "TargetedUsersToProtect": []},
        {"PhishThresholdLevel": 4},
    ),
    "malware-filter-policy": describe_filter(
        "malware-filter-policy",
        {"FileTypes": ["exe"]},
        {"EnableFileFilter": False},
        {"FileTypes": ["exe", "js"]},
    ),
    "content-filter-policy": describe_filter(
        "content-filter-policy",
        {"SpamAction": "MoveToJmf", "BulkThreshold": 7},
        {"SpamAction": "AddXHeader", "AllowedSenderDomains": ["contoso.com"]},
        {"SpamAction": "Quarantine", "BulkThreshold": 5},
    ),
    "connection-filter-policy": describe_filter(
        "connection-filter-policy",
        {"IPAllowList": ["192.0.2.1"]},
        {"IPAllowList": ["192.0.2.1", "198.51.100.0/24"]},
        {"IPAllowList": []},
    ),
    "safe-links-policy": describe_filter(
        "safe-links-policy",
        {"EnableForInternalSenders": True},
        {"ScanUrls": False, "EnableForInternalSenders": False},
        {"AllowClickThrough": False},
    ),
    "safe-attachment-policy": describe_filter(
        "safe-attachment-policy",
        {"Action": "DynamicDelivery"},
        {"Action": "Allow"},
        {"Action": "Block"},
    ),
    "defender-for-files": describe_filter(
        "defender-for-files",
        {"EnableSafeDocs": False},
        {"AllowSafeDocsOpen": True},
        {"EnableSafeDocs": True},
    ),
    "preset-rule": describe_rule("eop-preset-rule"),
    "defender-preset-rule": describe_rule("defender-preset-rule"),
    "anti-phish-rule": describe_rule("anti-phish-rule", "AntiPhishPolicy"),
    "malware-filter-rule": describe_rule("malware-filter-rule", "MalwareFilterPolicy"),
    "content-filter-rule": describe_rule("content-filter-rule", "HostedContentFilterPolicy"),
    "safe-links-rule": describe_rule("safe-links-rule", "SafeLinksPolicy"),
    "safe-attachment-rule": describe_rule("safe-attachment-rule", "SafeAttachmentPolicy"),
    "mail-flow-skip": WatchedExample(
        "mail-flow-rule",
        known={"State": "Enabled", "SetSCL": None},
        wider={"SetSCL": "-1"},
        narrower={"State": "Disabled"},
        harmless={"PrependSubject": "[outside]"},
        others=(DOMAINS,),
    ),
    "allow-entry": describe_allowed("allow-sender"),
    "spoof-entry": WatchedExample(
        "allow-spoof",
        known={"Action": "Block", "SpoofedUser": "contoso.com", "SendingInfrastructure": "x"},
        wider={"Action": "Allow"},
        narrower={"SpoofType": "External"},
        harmless={"SpoofType": "Internal"},
        others=(DOMAINS,),
    ),
    "phish-simulation-rule": WatchedExample(
        "phish-simulation-rule",
        known={"Domains": ["exercise.example"], "Mode": "Enforce"},
        wider={"SenderIpRanges": ["192.0.2.0/24"]},
        narrower={"Mode": "PendingDeletion"},
        harmless={"Comment": "x"},
    ),
    "unfiltered-mailbox-rule": WatchedExample(
        "unfiltered-mailbox-rule",
        known={"SentTo": ["study@contoso.com"], "Mode": "Enforce"},
        wider={"SentTo": ["study@contoso.com", "director@contoso.com"]},
        narrower={"Mode": "PendingDeletion"},
        harmless={"Comment": "x"},
    ),
    "arc-config": WatchedExample(
        "arc-config",
        known={"ArcTrustedSealers": ["fabrikam.example"]},
        wider={"ArcTrustedSealers": ["fabrikam.example,evil.example"]},
        narrower={"ArcTrustedSealers": []},
        harmless={"WhenChangedUTC": "2026-01-01T00:00:00Z"},
        is_single=True,
    ),
    "dkim-config": WatchedExample(
        "dkim-config",
        known={"Domain": "contoso.com", "Enabled": True},
        wider={"Enabled": False},
        narrower={"Status": "Valid"},
        harmless={"Selector1KeySize": 2048},
        is_new_told=False,
    ),
    "quarantine-policy": WatchedExample(
        "quarantine-policy",
        known={"EndUserQuarantinePermissions": "[PermissionToDelete: True\r\n]"},
        wider={
            "EndUserQuarantinePermissions": "[PermissionToDelete: True\r\n"
            "PermissionToRelease: True]"
        },
        narrower={"EndUserQuarantinePermissions": "[PermissionToDelete: False]"},
        harmless={"ESNEnabled": True},
    ),
    "report-policy": WatchedExample(
        "report-policy",
        known={"EnableReportToMicrosoft": True},
        wider={"ReportPhishAddresses": ["x@harbour.example"]},
        narrower={"ReportJunkToCustomizedAddress": False},
        harmless={"EnableThirdPartyAddress": False},
        others=(DOMAINS,),
    ),
    "conditional-access-policy": WatchedExample(
        "conditional-access-policy",
        known={
            "state": "enabled",
            "conditions": {"users": {"includeUsers": ["All"], "excludeUsers": ["u1"]}},
            "grantControls": {"operator": "OR", "builtInControls": ["mfa"]},
        },
        wider={
            "conditions": {"users": {"includeUsers": ["All"], "excludeUsers": ["u1", "u2"]}},
        },
        narrower={"conditions": {"users": {"includeUsers": ["All"], "excludeUsers": []}}},
        harmless={"modifiedDateTime": "2026-01-01T00:00:00Z"},
        is_new_told=False,
    ),
    "named-location": WatchedExample(
        "named-location",
        known={"isTrusted": False, "ipRanges": [{"cidrAddress": "192.0.2.0/24"}]},
        wider={"isTrusted": True},
        narrower={"ipRanges": []},
        harmless={"modifiedDateTime": "2026-01-01T00:00:00Z"},
    ),
    "directory-role": WatchedExample(
        "own-directory-role",
        known={"isEnabled": True, "rolePermissions": []},
        wider={
            "rolePermissions": [
                {"allowedResourceActions": ["microsoft.directory/applications/credentials/update"]}
            ]
        },
        narrower={"isEnabled": False},
        harmless={"description": "x"},
    ),
    "role-activation": WatchedExample(
        "role-activation-policy",
        known={
            "roleDefinitionId": GLOBAL_ADMINISTRATOR,
            "policy": {"rules": [MFA_RULE | {"enabledRules": ["MultiFactorAuthentication"]}]},
        },
        wider={"policy": {"rules": [MFA_RULE | {"enabledRules": []}]}},
        narrower={
            "policy": {
                "rules": [MFA_RULE | {"enabledRules": ["MultiFactorAuthentication", "Ticketing"]}]
            }
        },
        harmless={"id": "x"},
        is_single=True,
    ),
    "administrative-unit": WatchedExample(
        "administrative-unit",
        known={"isMemberManagementRestricted": True, "members": ["u1"]},
        wider={"members": ["u1", "u2"]},
        narrower={"members": []},
        harmless={"description": "x"},
    ),
    "certificate-authority": WatchedExample(
        "certificate-authority",
        known={AUTHORITIES: [{"certificateAuthorities": [build_authority("known")]}]},
        wider={
            AUTHORITIES: [
                {"certificateAuthorities": [build_authority("known"), build_authority("new")]}
            ]
        },
        narrower={AUTHORITIES: []},
        harmless={"displayName": "x"},
        is_single=True,
    ),
    "ediscovery-case": WatchedExample(
        "ediscovery-case",
        known={"status": "active"},
        wider={},
        narrower={"status": "closed"},
        harmless={"description": "x"},
    ),
    "trust-store-authority": WatchedExample(
        "trust-store",
        known={"certificateAuthorities": [build_authority("known")]},
        wider={"certificateAuthorities": [build_authority("known"), build_authority("new")]},
        narrower={"certificateAuthorities": []},
        harmless={"status": "succeeded"},
        is_single=True,
    ),
    "excluded-group": WatchedExample(
        EXCLUDED_GROUP,
        known={"members": [{"id": "u1", "name": "u1"}]},
        wider={"members": [{"id": "u1", "name": "u1"}, {"id": "u2", "name": "u2"}]},
        narrower={"members": []},
        harmless={"description": "x"},
        others=(EXCLUDING,),
        is_new_told=False,
    ),
    "administrator": WatchedExample(
        ROLE_HOLDER,
        known={"roles": [GLOBAL_ADMINISTRATOR]},
        wider={},
        narrower={"roles": [GLOBAL_ADMINISTRATOR, "88d8e3e3-8f55-4a1e-953a-9b9898b8876b"]},
        harmless={"assignedVia": "eligible"},
        is_new_told=False,
        prefix=f"{GLOBAL_ADMINISTRATOR} ",
    ),
    "standing-role": WatchedExample(
        "role-assignment-instance",
        known={**HELD_ROLE, "assignmentType": "Activated", "endDateTime": "2026-11-02T00:00:00Z"},
        wider={"assignmentType": "Assigned", "endDateTime": None},
        narrower={"principalId": "u2"},
        harmless={"memberType": "Direct"},
        others=(Configuration("role-eligibility-instance", "e1", "", HELD_ROLE),),
        is_single=True,
    ),
    "sign-in-name": WatchedExample(
        "directory-user",
        known={"userPrincipalName": "ann@contoso.com", "onPremisesImmutableId": "known"},
        wider={"onPremisesImmutableId": "another"},
        narrower={"onPremisesSyncEnabled": True},
        harmless={"displayName": "x"},
    ),
    "outside-member": WatchedExample(
        "directory-user",
        known={"userPrincipalName": "ann_x.example#EXT#@contoso.com", "userType": "Guest"},
        wider={"userType": "Member"},
        narrower={"userType": "Guest"},
        harmless={"displayName": "x"},
    ),
    "device": WatchedExample(
        "device",
        known={
            "registrationDateTime": "2026-10-28T08:00:00Z",
            "trustType": "AzureAd",
            "registeredOwners": [{"id": "u1", "userPrincipalName": "ann@contoso.com"}],
        },
        wider={"registeredOwners": [{"id": "admin", "userPrincipalName": "adm@contoso.com"}]},
        narrower={"accountEnabled": False},
        harmless={"operatingSystemVersion": "10.0.26100.4061"},
        others=(HOLDER,),
    ),
    "device-registration": WatchedExample(
        "device-registration-policy",
        known={
            "multiFactorAuthConfiguration": "required",
            "azureADJoin": {"allowedToJoin": {"odataType": "#microsoft.graph.no" + MEMBERSHIP}},
        },
        wider={
            "multiFactorAuthConfiguration": "notRequired",
            "azureADJoin": {"allowedToJoin": {"odataType": "#microsoft.graph.all" + MEMBERSHIP}},
        },
        narrower={"azureADJoin": {}},
        harmless={"description": "x"},
        is_single=True,
    ),
    "domain": WatchedExample(
        "domain",
        known={"isVerified": True, "authenticationType": "Managed", "federationConfiguration": []},
        wider={
            "authenticationType": "Federated",
            "federationConfiguration": [
                {"issuerUri": "http://any.example/adfs", "signingCertificate": "MIIB"}
            ],
        },
        narrower={"isAdminManaged": True},
        harmless={"supportedServices": ["Email"]},
    ),
    "security-defaults": WatchedExample(
        "security-defaults",
        known={"isEnabled": True},
        wider={"isEnabled": False},
        narrower={"isEnabled": True},
        harmless={"description": "x"},
        is_single=True,
    ),
    "authentication-method": WatchedExample(
        "authentication-methods-policy",
        known={"authenticationMethodConfigurations": [SMS | {"state": "disabled"}, PASSKEY]},
        wider={"authenticationMethodConfigurations": [SMS | {"state": "enabled"}, PASSKEY]},
        narrower={
            "authenticationMethodConfigurations": [
                SMS | {"state": "disabled"},
                PASSKEY | {"state": "disabled"},
            ]
        },
        harmless={"description": "x"},
        is_single=True,
    ),
}
