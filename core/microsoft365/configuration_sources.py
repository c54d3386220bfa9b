"""The organization's configuration: which objects are read, and which properties may be changed.

One row per source, reviewed like the catalog, and all that a new read of configuration takes: the
reader, the fake, the sandbox, the Exchange role and the tests follow from the row. The app never
writes a property that is not listed in `writable_properties`: a `SetConfiguration` names a source,
one of its objects and one property.
"""

from collections.abc import Callable, Mapping
from urllib.parse import quote

from core.microsoft365.deleted_mail import loses_deleted_mail
from core.microsoft365.directory_sources import DIRECTORY_SOURCES
from core.microsoft365.known_apps import PUBLIC_CLIENTS
from core.microsoft365.source_shapes import (
    ALL_RESULTS,
    MAILBOX_NAMES,
    ConfigurationSource,
    NameList,
    define_exchange_source,
    define_mailbox_listing,
    define_mailbox_source,
)
from core.model.guards import Service
from core.property_values import get_flag, get_texts

# Tools of administrators among Microsoft's public clients, which need an assignment nowhere.
ADMIN_TOOLS = tuple(
    app_id for app_id, name in PUBLIC_CLIENTS.items() if not name.startswith("Visual Studio")
)
ADMIN_TOOL_LIST = ",".join(f"'{app_id}'" for app_id in ADMIN_TOOLS)


def has_flag(name: str, value: bool) -> Callable[[Mapping[str, object]], bool]:
    """Whether a property of a row has this value; one that does not tell may."""
    return lambda row: get_flag(row, name, default=value) is value


SENDER_LISTS = (
    "RejectMessagesFrom",
    "RejectMessagesFromDLMembers",
    "AcceptMessagesOnlyFrom",
    "AcceptMessagesOnlyFromDLMembers",
)
"""Whose mail a mailbox refuses, and whose alone it takes, each filterable by itself."""
SENDER_UNIONS = ("RejectMessagesFromSendersOrMembers", "AcceptMessagesOnlyFromSendersOrMembers")
"""What two of these lists hold together."""


def rejects_senders(row: Mapping[str, object]) -> bool:
    """Whether a mailbox takes no mail from somebody."""
    return any(get_texts(row, name) for name in (*SENDER_LISTS, *SENDER_UNIONS))


CONFIGURATION_SOURCES: Mapping[str, ConfigurationSource] = {
    "transport-config": define_exchange_source(
        *("Get-TransportConfig", "", "Set-TransportConfig", "SmtpClientAuthenticationDisabled"),
        risk="see whether SMTP AUTH is on",
    ),
    "cas-mailbox-plan": define_exchange_source(
        *("Get-CASMailboxPlan", "Identity", "Set-CASMailboxPlan", "ImapEnabled", "PopEnabled"),
        risk="see by which protocols new mailboxes can be reached",
        may_be_none=True,
    ),
    "authentication-policy": define_exchange_source(
        *("Get-AuthenticationPolicy", "Identity"),
        *("Set-AuthenticationPolicy", "AllowBasicAuthSmtp"),
        risk="find the policies that still allow a bare password",
        may_be_none=True,
    ),
    "organization-config": define_exchange_source(
        *("Get-OrganizationConfig", "", "Set-OrganizationConfig", "OAuth2ClientProfileEnabled"),
        risk="read the settings of the organization",
    ),
    "remote-domain": define_exchange_source(
        *("Get-RemoteDomain", "Guid", "Set-RemoteDomain", "AutoForwardEnabled"),
        risk="see to which domains mail may be forwarded",
        parameters=ALL_RESULTS,
    ),
    "outbound-spam-policy": define_exchange_source(
        *("Get-HostedOutboundSpamFilterPolicy", "Guid"),
        *("Set-HostedOutboundSpamFilterPolicy", "AutoForwardingMode"),
        risk="see whether forwarding is blocked",
    ),
    "outbound-spam-rule": define_exchange_source(
        *("Get-HostedOutboundSpamFilterRule", "Guid"),
        risk="see for whom forwarding is not blocked",
        may_be_none=True,
    ),
    "owa-mailbox-policy": define_exchange_source(
        *("Get-OwaMailboxPolicy", "Guid", "Set-OwaMailboxPolicy"),
        *("AdditionalStorageProvidersAvailable", "AllowOfflineOn", "RulesEnabled"),
        risk="see what Outlook on the web allows",
    ),
    "mobile-device-policy": define_exchange_source(
        *("Get-MobileDeviceMailboxPolicy", "Guid", "Set-MobileDeviceMailboxPolicy"),
        *("AllowNonProvisionableDevices", "AllowSimplePassword", "MaxPasswordFailedAttempts"),
        *("MinPasswordLength", "PasswordEnabled", "RequireDeviceEncryption"),
        risk="see what phones must have before they get mail",
    ),
    "sharing-policy": define_exchange_source(
        *("Get-SharingPolicy", "Guid", "Set-SharingPolicy", "Domains"),
        risk="see what of calendars is shown to whom outside",
    ),
    "management-role-assignment": define_exchange_source(
        *("Get-ManagementRoleAssignment", "Identity"),
        risk="see which people and apps may do what in Exchange: whom to take over",
    ),
    "role-group": define_exchange_source(
        *("Get-RoleGroup", "Guid"),
        risk="list the role groups of Exchange",
        parameters=ALL_RESULTS,
        relation="Get-RoleGroupMember",
    ),
    "management-role": define_exchange_source(
        *("Get-ManagementRole", "Guid"),
        risk="see which roles there are, and what each may do",
        may_be_none=True,
    ),
    "management-scope": define_exchange_source(
        *("Get-ManagementScope", "Guid"),
        risk="see to which mailboxes administrators are kept",
        may_be_none=True,
    ),
    "role-assignment-policy": define_exchange_source(
        *("Get-RoleAssignmentPolicy", "Guid"),
        risk="see what users may do for themselves",
        may_be_none=True,
    ),
    "moderated-mailbox": define_mailbox_source(
        "ModerationEnabled -eq 'True'",
        *("ModerationEnabled", "ModeratedBy", "SendModerationNotifications"),
        filtered=has_flag("ModerationEnabled", value=True),
    ),
    "rejecting-mailbox": define_mailbox_source(
        " -or ".join(f"{name} -ne $null" for name in SENDER_LISTS),
        *SENDER_LISTS,
        *SENDER_UNIONS,
        filtered=rejects_senders,
    ),
    "held-mailbox": define_mailbox_source(
        "LitigationHoldEnabled -eq 'True'",
        *("LitigationHoldEnabled", "LitigationHoldDuration"),
        filtered=has_flag("LitigationHoldEnabled", value=True),
        # The mailbox of a leaver stays on hold, and is listed no longer by itself.
        IncludeInactiveMailbox=True,
    ),
    # Exchange has no filter for spans of time (Microsoft Learn: Filterable properties for the
    # -Filter parameter).
    "unrecoverable-mailbox": define_mailbox_listing(
        loses_deleted_mail, *("SingleItemRecoveryEnabled", "RetainDeletedItemsFor")
    ),
    "hidden-mailbox": define_mailbox_source(
        "HiddenFromAddressListsEnabled -eq 'True'",
        *("HiddenFromAddressListsEnabled", "AccountDisabled", "WhenCreated"),
        filtered=has_flag("HiddenFromAddressListsEnabled", value=True),
    ),
    **{
        name: define_exchange_source(
            *(cmdlet, "Guid"),
            risk="list guests, contacts and mail users, and where they lead",
            parameters=ALL_RESULTS,
            may_be_none=True,
            selected=(*MAILBOX_NAMES, "DisplayName", "EmailAddresses", "ExternalEmailAddress"),
        )
        for name, cmdlet in (("mail-contact", "Get-MailContact"), ("mail-user", "Get-MailUser"))
    },
    "partner-role-group": define_exchange_source(
        *("Get-RoleGroup", "Guid"),
        risk="see which partners may administer Exchange",
        parameters={"ShowPartnerLinked": True, **ALL_RESULTS},
        may_be_none=True,
        optional_because="the role that the app is given may lack ShowPartnerLinked",
    ),
    "organization-add-in": define_exchange_source(
        *("Get-App", "AppId"),
        risk="see which add-ins people have in Outlook",
        parameters={"OrganizationApp": True},
        may_be_none=True,
    ),
    "exchange-service-principal": define_exchange_source(
        *("Get-ServicePrincipal", "Identity"),
        risk="see which apps Exchange knows",
        may_be_none=True,
    ),
    "application-access-policy": define_exchange_source(
        *("Get-ApplicationAccessPolicy", "Identity"),
        risk="see which mailboxes apps are kept out of",
        may_be_none=True,
    ),
    "outbound-connector": define_exchange_source(
        *("Get-OutboundConnector", "Identity"),
        risk="see through which servers mail leaves the organization",
        parameters=ALL_RESULTS,
        may_be_none=True,
    ),
    "inbound-connector": define_exchange_source(
        *("Get-InboundConnector", "Identity"),
        risk="see whose servers may deliver mail as the organization's own",
        parameters=ALL_RESULTS,
        may_be_none=True,
    ),
    "journal-rule": define_exchange_source(
        *("Get-JournalRule", "Identity"),
        risk="see whose mail is copied to an archive, and where that is",
        may_be_none=True,
    ),
    "anti-phish-policy": define_exchange_source(
        *("Get-AntiPhishPolicy", "Guid"), risk="see what phishing gets through"
    ),
    "malware-filter-policy": define_exchange_source(
        *("Get-MalwareFilterPolicy", "Guid"), risk="see which files get through"
    ),
    "content-filter-policy": define_exchange_source(
        *("Get-HostedContentFilterPolicy", "Guid"), risk="see what spam gets through, and from whom"
    ),
    "connection-filter-policy": define_exchange_source(
        *("Get-HostedConnectionFilterPolicy", "Guid"),
        risk="see from which addresses everything gets through",
    ),
    "dkim-config": define_exchange_source(
        *("Get-DkimSigningConfig", "Guid"),
        risk="see which domains sign no mail",
        may_be_none=True,
    ),
    "quarantine-policy": define_exchange_source(
        *("Get-QuarantinePolicy", "Guid"),
        risk="see who may release held mail",
        may_be_none=True,
    ),
    "report-policy": define_exchange_source(
        *("Get-ReportSubmissionPolicy", "Guid"),
        risk="see where reported mail goes",
        may_be_none=True,
    ),
    "phish-simulation-rule": define_exchange_source(
        *("Get-ExoPhishSimOverrideRule", "Guid"),
        risk="see which senders pass as an exercise",
        may_be_none=True,
    ),
    "unfiltered-mailbox-rule": define_exchange_source(
        *("Get-ExoSecOpsOverrideRule", "Guid"),
        risk="see to which mailboxes everything is delivered, for those who study attacks",
        may_be_none=True,
    ),
    "arc-config": define_exchange_source(
        *("Get-ArcConfig", "Identity"),
        risk="see which forwarding services are believed about where mail came from",
        may_be_none=True,
        shows_single=False,
    ),
    "allow-spoof": define_exchange_source(
        *("Get-TenantAllowBlockListSpoofItems", "Identity"),
        risk="see who may pretend to be whom",
        may_be_none=True,
        shows_single=False,
    ),
    **{
        name: define_exchange_source(
            *("Get-TenantAllowBlockListItems", "Identity"),
            risk="see which senders, addresses and files are let through",
            parameters={"ListType": kind},
            may_be_none=True,
            shows_single=False,
        )
        for name, kind in (
            ("allow-sender", "Sender"),
            ("allow-url", "Url"),
            ("allow-file", "FileHash"),
            ("allow-address", "IP"),
        )
    },
    **{
        name: define_exchange_source(
            *(cmdlet, "Guid"), risk="see whom a filter leaves out", may_be_none=True
        )
        for name, cmdlet in (
            ("eop-preset-rule", "Get-EOPProtectionPolicyRule"),
            ("anti-phish-rule", "Get-AntiPhishRule"),
            ("malware-filter-rule", "Get-MalwareFilterRule"),
            ("content-filter-rule", "Get-HostedContentFilterRule"),
        )
    },
    **{
        name: define_exchange_source(
            *(cmdlet, "Guid"),
            risk="see what Defender lets through, and for whom",
            may_be_none=True,
            optional_because="it exists only with Microsoft Defender for Office 365",
        )
        for name, cmdlet in (
            ("safe-links-policy", "Get-SafeLinksPolicy"),
            ("safe-links-rule", "Get-SafeLinksRule"),
            ("safe-attachment-policy", "Get-SafeAttachmentPolicy"),
            ("safe-attachment-rule", "Get-SafeAttachmentRule"),
            ("defender-preset-rule", "Get-ATPProtectionPolicyRule"),
            ("defender-for-files", "Get-AtpPolicyForO365"),
        )
    },
    "mail-flow-rule": define_exchange_source(
        *("Get-TransportRule", "Guid"),
        risk="read all mail-flow rules: how mail is filtered and who gets copies",
        parameters=ALL_RESULTS,
        may_be_none=True,
    ),
    "accepted-domain": define_exchange_source(
        *("Get-AcceptedDomain", "DomainName"),
        risk="read the tenant's domains",
    ),
    "on-premises-organization": define_exchange_source(
        *("Get-OnPremisesOrganization", "Guid"),
        risk="see how the hybrid wizard tied the tenant to servers of its own",
        may_be_none=True,
    ),
    "organization-relationship": define_exchange_source(
        *("Get-OrganizationRelationship", "Guid"),
        risk="see which organizations are trusted, and with what",
        may_be_none=True,
    ),
    "federation-trust": define_exchange_source(
        *("Get-FederationTrust", "Guid"),
        risk="see whose tokens Exchange accepts",
        may_be_none=True,
    ),
    "federated-organization": define_exchange_source(
        *("Get-FederatedOrganizationIdentifier", "Guid"),
        risk="see under which domains the tenant is federated",
        may_be_none=True,
    ),
    "intra-organization-connector": define_exchange_source(
        *("Get-IntraOrganizationConnector", "Guid"),
        risk="see which servers count as the organization's own",
        may_be_none=True,
    ),
    "migration-endpoint": define_exchange_source(
        *("Get-MigrationEndpoint", "Guid"),
        risk="see from and to where mailboxes can be moved",
        may_be_none=True,
    ),
    "migration-batch": define_exchange_source(
        *("Get-MigrationBatch", "BatchGuid"),
        risk="see which mailboxes are being moved",
        parameters=ALL_RESULTS,
        may_be_none=True,
    ),
    "blocked-sender": define_exchange_source(
        *("Get-BlockedSenderAddress", "SenderAddress"),
        risk="see which accounts Microsoft keeps from sending",
        may_be_none=True,
        found_by="SenderAddress",
    ),
    "mailbox-restore-request": define_exchange_source(
        *("Get-MailboxRestoreRequest", "RequestGuid"),
        risk="see which deleted mailboxes are being restored, and into which",
        parameters=ALL_RESULTS,
        may_be_none=True,
    ),
    "organization": ConfigurationSource(
        Service.GRAPH, "/organization", "Organization.Read.All", "id"
    ),
    # What is not there yet is made at its first use, for everybody.
    "public-client-tools": ConfigurationSource(
        Service.GRAPH,
        f"/servicePrincipals?$filter={quote(f'appId in ({ADMIN_TOOL_LIST})')}"
        "&$select=id,appId,displayName,appRoleAssignmentRequired",
        "Application.Read.All",
        may_be_none=True,
        name_list=NameList("openToEverybody", "appRoleAssignmentRequired"),
    ),
    "security-defaults": ConfigurationSource(
        Service.GRAPH,
        "/policies/identitySecurityDefaultsEnforcementPolicy",
        "Policy.Read.All",
    ),
    "admin-consent-policy": ConfigurationSource(
        Service.GRAPH, "/policies/adminConsentRequestPolicy", "Policy.Read.All"
    ),
    "authentication-methods-policy": ConfigurationSource(
        Service.GRAPH, "/policies/authenticationMethodsPolicy", "Policy.Read.All"
    ),
    "cross-tenant-default": ConfigurationSource(
        Service.GRAPH, "/policies/crossTenantAccessPolicy/default", "Policy.Read.All"
    ),
    "cross-tenant-partner": ConfigurationSource(
        Service.GRAPH,
        "/policies/crossTenantAccessPolicy/partners?$expand=identitySynchronization",
        "Policy.Read.All",
        "tenantId",
        may_be_none=True,
    ),
    "identity-provider": ConfigurationSource(
        Service.GRAPH,
        "/identity/identityProviders",
        "IdentityProvider.Read.All",
        "id",
        may_be_none=True,
        optional_because="the permission is asked for by this read alone",
    ),
    **{
        name: ConfigurationSource(
            Service.GRAPH, path, "Policy.Read.All", "id", may_be_none=True, relation="appliesTo"
        )
        for name, path in (
            ("claims-mapping-policy", "/policies/claimsMappingPolicies"),
            ("token-lifetime-policy", "/policies/tokenLifetimePolicies"),
            ("token-issuance-policy", "/policies/tokenIssuancePolicies"),
            ("home-realm-policy", "/policies/homeRealmDiscoveryPolicies"),
        )
    },
    "conditional-access-policy": ConfigurationSource(
        Service.GRAPH,
        "/identity/conditionalAccess/policies",
        "Policy.Read.All",
        "id",
        may_be_none=True,
        optional_because="it exists only with Microsoft Entra ID P1",
    ),
    "named-location": ConfigurationSource(
        Service.GRAPH,
        "/identity/conditionalAccess/namedLocations",
        "Policy.Read.All",
        "id",
        may_be_none=True,
        optional_because="it exists only with Microsoft Entra ID P1",
    ),
    "own-directory-role": ConfigurationSource(
        Service.GRAPH,
        "/roleManagement/directory/roleDefinitions?$filter=isBuiltIn eq false",
        "RoleManagement.Read.Directory",
        "id",
        may_be_none=True,
        keeps=has_flag("isBuiltIn", value=False),
    ),
    "role-activation-policy": ConfigurationSource(
        Service.GRAPH,
        "/policies/roleManagementPolicyAssignments?$filter=scopeId eq '/' and scopeType eq "
        "'DirectoryRole'&$expand=policy($expand=rules)",
        "RoleManagement.Read.Directory",
        "roleDefinitionId",
        may_be_none=True,
        found_by="roleDefinitionId",
        keeps_types=True,
        optional_because="it exists only with Microsoft Entra ID P2",
    ),
    **DIRECTORY_SOURCES,
    "ediscovery-case": ConfigurationSource(
        Service.GRAPH,
        "/security/cases/ediscoveryCases",
        "eDiscovery.Read.All",
        "id",
        may_be_none=True,
        optional_because="the app needs a role in Microsoft Purview besides",
    ),
    "authorization-policy": ConfigurationSource(
        Service.GRAPH,
        "/policies/authorizationPolicy",
        "Policy.Read.All",
        write="/policies/authorizationPolicy",
        write_permission="Policy.ReadWrite.Authorization",
        writable_properties=frozenset(
            {
                "allowEmailVerifiedUsersToJoinOrganization",
                "allowInvitesFrom",
                "allowedToSignUpEmailBasedSubscriptions",
                "defaultUserRolePermissions.allowedToCreateApps",
                "defaultUserRolePermissions.allowedToCreateTenants",
                "defaultUserRolePermissions.permissionGrantPoliciesAssigned",
                "guestUserRoleId",
            }
        ),
    ),
}


ROLE_HOLDER, EXCLUDED_GROUP, LEFT_OUT_NAME = "role-holder", "excluded-group", "left-out-name"
DERIVED_SOURCES = frozenset({ROLE_HOLDER, EXCLUDED_GROUP, LEFT_OUT_NAME})
"""What watched collections read that is no listing: `core.watched.derived` says how."""

EXCHANGE_SOURCES: Mapping[str, ConfigurationSource] = {
    name: source
    for name, source in CONFIGURATION_SOURCES.items()
    if source.service is Service.EXCHANGE
}


def get_configuration_source_name(source: str) -> str:
    """The name of a source in readings and findings."""
    return f"configuration-{source}"
