#Requires -Version 7.4
<#
.SYNOPSIS
Gives Exoguard's app the Exchange cmdlets its guards use, and no more.

.DESCRIPTION
An Exchange administrator runs this once, and again whenever the list of guards changes. It makes

  - a service principal in Exchange that stands for the app's enterprise application,
  - one custom management role for each cmdlet, trimmed to that cmdlet; a cmdlet that writes gets a
    role for each guard, trimmed to the parameters that guard sets,
  - one role group that holds these roles and has the app as its only member.

Which built-in role a custom role is derived from is asked of the tenant before anything is written:
among the roles that hold the cmdlet with all its parameters and reach the whole organization, the
one with the fewest entries. A second run finds everything in place and changes nothing. A role that
is not as it should be is removed and made anew.

Cmdlets that read keep every parameter of their parent role: no parameter of a Get- cmdlet changes
anything, and a read that fails for a parameter taken away would look like a tenant that cannot be
seen. The parameters listed for them only decide which built-in role may be the parent.

.PARAMETER AppId
The application (client) id: the setting CLIENT_ID of the app.

.PARAMETER ServicePrincipalObjectId
The object id of the ENTERPRISE APPLICATION (az ad sp show --id <AppId> --query id). The object id
shown under App registrations is another one and gives the app nothing.

.PARAMETER Guards
The guards that run, and containment if the setting CONTAINMENT_MODE is not off. Without it: all
guards, and no containment.

.PARAMETER Enforce
The guards that may write: those in enforce mode, each of which runs too. Without it: those of the
guards that run and enforce by default. None may write with -Enforce none.

.PARAMETER Prefix
What the names of roles and role group begin with.

.PARAMETER Remove
Takes away everything this script made.

.EXAMPLE
./exchange-role.ps1 -AppId $app -ServicePrincipalObjectId $sp -WhatIf
Says what would be done.

.EXAMPLE
./exchange-role.ps1 -AppId $app -ServicePrincipalObjectId $sp -Enforce mailbox-audit,mailbox-forwarding
Lets the forwarding guard clear forwards too.

.EXAMPLE
./exchange-role.ps1 -AppId $app -Remove
Takes it all away.

.NOTES
The module ExchangeOnlineManagement 3.5 to 3.9 needs PowerShell 7.4, and 3.10 or later PowerShell 7.6.

.LINK
https://learn.microsoft.com/powershell/exchange/find-exchange-cmdlet-permissions
#>
[CmdletBinding(SupportsShouldProcess, DefaultParameterSetName = 'Grant')]
param(
    [Parameter(Mandatory)]
    [guid] $AppId,

    [Parameter(Mandatory, ParameterSetName = 'Grant')]
    [guid] $ServicePrincipalObjectId,

    [Parameter(ParameterSetName = 'Grant')]
    [string[]] $Guards,

    [Parameter(ParameterSetName = 'Grant')]
    [string[]] $Enforce,

    [ValidatePattern('^[A-Za-z][A-Za-z0-9]{1,11}$')]
    [string] $Prefix = 'Exoguard',

    [ValidateSet('O365Default', 'O365USGovGCCHigh', 'O365USGovDoD', 'O365China')]
    [string] $ExchangeEnvironmentName = 'O365Default',

    [Parameter(Mandatory, ParameterSetName = 'Remove')]
    [switch] $Remove
)

# Not a later version: those refuse a property that an object read over REST happens to lack.
Set-StrictMode -Version 1.0
$ErrorActionPreference = 'Stop'
# Exchange's cmdlets live in a module, which does not see the preference of a script.
$PSDefaultParameterValues = @{ '*:ErrorAction' = 'Stop' }
$PSNativeCommandUseErrorActionPreference = $false

<# Written from the code by: python -m tests.written
<!-- cmdlets -->
#>
$Catalog = @'
{"guards": ["shared-mailbox-sign-in", "mailbox-forwarding", "mailbox-audit", "mailbox-delegation", "tenant-baseline", "app-consent", "mfa-registration", "mass-deletion", "exchange-module-access", "legacy-protocols", "external-trust", "exchange-roles", "mail-protection", "privileged-change", "risky-accounts", "shared-mailbox-health"],
 "others": ["containment"],
 "enforcing": ["shared-mailbox-sign-in", "mailbox-audit"],
 "entries": [
  {"guard": "shared-mailbox-sign-in", "cmdlet": "Get-Mailbox", "writes": false, "optional": false,
   "parameters": ["Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox", "RecipientTypeDetails", "ResultSize"]},
  {"guard": "shared-mailbox-sign-in", "cmdlet": "Get-RoleGroup", "writes": false, "optional": true,
   "parameters": ["ResultSize"]},
  {"guard": "shared-mailbox-sign-in", "cmdlet": "Get-RoleGroupMember", "writes": false, "optional": true,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-Mailbox", "writes": false, "optional": false,
   "parameters": ["Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox", "RecipientTypeDetails", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-InboxRule", "writes": false, "optional": false,
   "parameters": ["Mailbox", "IncludeHidden", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-Recipient", "writes": false, "optional": false,
   "parameters": ["Filter", "Identity", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-MailContact", "writes": false, "optional": true,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-MailUser", "writes": false, "optional": true,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-DistributionGroupMember", "writes": false, "optional": true,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-UnifiedGroupLinks", "writes": false, "optional": true,
   "parameters": ["Identity", "LinkType", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-AcceptedDomain", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-TransportRule", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-OutboundConnector", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-InboundConnector", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-JournalRule", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-RemoteDomain", "writes": false, "optional": true,
   "parameters": ["ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-HostedOutboundSpamFilterPolicy", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-TransportConfig", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-HostedOutboundSpamFilterRule", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-SweepRule", "writes": false, "optional": true,
   "parameters": ["Mailbox", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-MailboxJunkEmailConfiguration", "writes": false, "optional": true,
   "parameters": ["Identity"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-MailboxAutoReplyConfiguration", "writes": false, "optional": true,
   "parameters": ["Identity"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-MobileDevice", "writes": false, "optional": true,
   "parameters": ["Mailbox", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-App", "writes": false, "optional": true,
   "parameters": ["Mailbox", "OrganizationApp"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-MailboxFolderStatistics", "writes": false, "optional": true,
   "parameters": ["FolderScope", "Identity", "ResultSize"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Get-MailboxCalendarFolder", "writes": false, "optional": true,
   "parameters": ["Identity"]},
  {"guard": "mailbox-forwarding", "cmdlet": "Set-Mailbox", "writes": true, "optional": false,
   "parameters": ["Identity", "ForwardingAddress", "ForwardingSmtpAddress", "DeliverToMailboxAndForward"]},
  {"guard": "mailbox-audit", "cmdlet": "Get-Mailbox", "writes": false, "optional": false,
   "parameters": ["Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox", "RecipientTypeDetails", "ResultSize"]},
  {"guard": "mailbox-audit", "cmdlet": "Get-OrganizationConfig", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mailbox-audit", "cmdlet": "Get-AdminAuditLogConfig", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mailbox-audit", "cmdlet": "Get-MailboxAuditBypassAssociation", "writes": false, "optional": false,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "mailbox-audit", "cmdlet": "Get-User", "writes": false, "optional": true,
   "parameters": ["Filter", "Identity", "ResultSize"]},
  {"guard": "mailbox-audit", "cmdlet": "Set-Mailbox", "writes": true, "optional": false,
   "parameters": ["Identity", "AuditEnabled", "AuditLogAgeLimit", "DefaultAuditSet", "AuditAdmin", "AuditDelegate", "AuditOwner"]},
  {"guard": "mailbox-audit", "cmdlet": "Set-OrganizationConfig", "writes": true, "optional": false,
   "parameters": ["AuditDisabled"]},
  {"guard": "mailbox-audit", "cmdlet": "Set-AdminAuditLogConfig", "writes": true, "optional": false,
   "parameters": ["UnifiedAuditLogIngestionEnabled"]},
  {"guard": "mailbox-audit", "cmdlet": "Set-MailboxAuditBypassAssociation", "writes": true, "optional": false,
   "parameters": ["Identity", "AuditBypassEnabled"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-Mailbox", "writes": false, "optional": false,
   "parameters": ["Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox", "RecipientTypeDetails", "ResultSize"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-MailboxPermission", "writes": false, "optional": false,
   "parameters": ["Identity", "IncludeUnresolvedPermissions", "ResultSize"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-MailboxFolderPermission", "writes": false, "optional": false,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-MailboxFolderStatistics", "writes": false, "optional": false,
   "parameters": ["FolderScope", "Identity", "ResultSize"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-RecipientPermission", "writes": false, "optional": false,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-Recipient", "writes": false, "optional": false,
   "parameters": ["Filter", "Identity", "ResultSize"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-DistributionGroupMember", "writes": false, "optional": true,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-UnifiedGroupLinks", "writes": false, "optional": true,
   "parameters": ["Identity", "LinkType", "ResultSize"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-App", "writes": false, "optional": true,
   "parameters": ["Mailbox", "OrganizationApp"]},
  {"guard": "mailbox-delegation", "cmdlet": "Get-AcceptedDomain", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "tenant-baseline", "cmdlet": "Get-OrganizationConfig", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "tenant-baseline", "cmdlet": "Get-RemoteDomain", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "tenant-baseline", "cmdlet": "Get-HostedOutboundSpamFilterPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "tenant-baseline", "cmdlet": "Get-OwaMailboxPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "tenant-baseline", "cmdlet": "Get-MobileDeviceMailboxPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "tenant-baseline", "cmdlet": "Get-SharingPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "tenant-baseline", "cmdlet": "Get-HostedOutboundSpamFilterRule", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "tenant-baseline", "cmdlet": "Get-Mailbox", "writes": false, "optional": true,
   "parameters": ["Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox", "RecipientTypeDetails", "ResultSize"]},
  {"guard": "tenant-baseline", "cmdlet": "Get-Recipient", "writes": false, "optional": true,
   "parameters": ["Filter", "Identity", "ResultSize"]},
  {"guard": "tenant-baseline", "cmdlet": "Get-AcceptedDomain", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "tenant-baseline", "cmdlet": "Set-OrganizationConfig", "writes": true, "optional": false,
   "parameters": ["OAuth2ClientProfileEnabled"]},
  {"guard": "tenant-baseline", "cmdlet": "Set-RemoteDomain", "writes": true, "optional": false,
   "parameters": ["Identity", "AutoForwardEnabled"]},
  {"guard": "tenant-baseline", "cmdlet": "Set-HostedOutboundSpamFilterPolicy", "writes": true, "optional": false,
   "parameters": ["Identity", "AutoForwardingMode"]},
  {"guard": "tenant-baseline", "cmdlet": "Set-OwaMailboxPolicy", "writes": true, "optional": false,
   "parameters": ["Identity", "AdditionalStorageProvidersAvailable", "AllowOfflineOn", "RulesEnabled"]},
  {"guard": "tenant-baseline", "cmdlet": "Set-MobileDeviceMailboxPolicy", "writes": true, "optional": false,
   "parameters": ["Identity", "PasswordEnabled", "AllowSimplePassword", "MinPasswordLength", "MaxPasswordFailedAttempts", "RequireDeviceEncryption", "AllowNonProvisionableDevices"]},
  {"guard": "app-consent", "cmdlet": "Get-ManagementRoleAssignment", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "app-consent", "cmdlet": "Get-ServicePrincipal", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "app-consent", "cmdlet": "Get-ApplicationAccessPolicy", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "app-consent", "cmdlet": "Get-RoleGroup", "writes": false, "optional": true,
   "parameters": ["ResultSize"]},
  {"guard": "app-consent", "cmdlet": "Get-RoleGroupMember", "writes": false, "optional": true,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "app-consent", "cmdlet": "Get-App", "writes": false, "optional": false,
   "parameters": ["Mailbox", "OrganizationApp"]},
  {"guard": "exchange-module-access", "cmdlet": "Get-User", "writes": false, "optional": false,
   "parameters": ["Filter", "Identity", "ResultSize"]},
  {"guard": "exchange-module-access", "cmdlet": "Get-RoleGroup", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "exchange-module-access", "cmdlet": "Get-RoleGroupMember", "writes": false, "optional": false,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "exchange-module-access", "cmdlet": "Set-User", "writes": true, "optional": false,
   "parameters": ["Identity", "EXOModuleEnabled"]},
  {"guard": "legacy-protocols", "cmdlet": "Get-TransportConfig", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "legacy-protocols", "cmdlet": "Get-CASMailbox", "writes": false, "optional": false,
   "parameters": ["Filter", "Identity", "ResultSize"]},
  {"guard": "legacy-protocols", "cmdlet": "Get-CASMailboxPlan", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "legacy-protocols", "cmdlet": "Get-AuthenticationPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "legacy-protocols", "cmdlet": "Get-OrganizationConfig", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "legacy-protocols", "cmdlet": "Get-Mailbox", "writes": false, "optional": true,
   "parameters": ["Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox", "RecipientTypeDetails", "ResultSize"]},
  {"guard": "legacy-protocols", "cmdlet": "Get-User", "writes": false, "optional": true,
   "parameters": ["Filter", "Identity", "ResultSize"]},
  {"guard": "legacy-protocols", "cmdlet": "Set-TransportConfig", "writes": true, "optional": false,
   "parameters": ["SmtpClientAuthenticationDisabled"]},
  {"guard": "legacy-protocols", "cmdlet": "Set-CASMailbox", "writes": true, "optional": false,
   "parameters": ["Identity", "ImapEnabled", "PopEnabled", "SmtpClientAuthenticationDisabled"]},
  {"guard": "legacy-protocols", "cmdlet": "Set-CASMailboxPlan", "writes": true, "optional": false,
   "parameters": ["Identity", "ImapEnabled", "PopEnabled"]},
  {"guard": "legacy-protocols", "cmdlet": "Set-AuthenticationPolicy", "writes": true, "optional": false,
   "parameters": ["Identity", "AllowBasicAuthSmtp"]},
  {"guard": "external-trust", "cmdlet": "Get-OrganizationRelationship", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "external-trust", "cmdlet": "Get-AcceptedDomain", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "external-trust", "cmdlet": "Get-OnPremisesOrganization", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "external-trust", "cmdlet": "Get-IntraOrganizationConnector", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "external-trust", "cmdlet": "Get-FederationTrust", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "external-trust", "cmdlet": "Get-FederatedOrganizationIdentifier", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "external-trust", "cmdlet": "Get-MigrationEndpoint", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "external-trust", "cmdlet": "Get-MigrationBatch", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "external-trust", "cmdlet": "Get-MailboxRestoreRequest", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "exchange-roles", "cmdlet": "Get-RoleGroup", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "exchange-roles", "cmdlet": "Get-RoleGroupMember", "writes": false, "optional": false,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "exchange-roles", "cmdlet": "Get-ManagementRole", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "exchange-roles", "cmdlet": "Get-ManagementRoleAssignment", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "exchange-roles", "cmdlet": "Get-ManagementScope", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "exchange-roles", "cmdlet": "Get-RoleAssignmentPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "exchange-roles", "cmdlet": "Get-ApplicationAccessPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-AntiPhishPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-AcceptedDomain", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-MalwareFilterPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-HostedContentFilterPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-HostedConnectionFilterPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-SafeLinksPolicy", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-SafeAttachmentPolicy", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-AtpPolicyForO365", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-EOPProtectionPolicyRule", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-ATPProtectionPolicyRule", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-AntiPhishRule", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-MalwareFilterRule", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-HostedContentFilterRule", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-SafeLinksRule", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-SafeAttachmentRule", "writes": false, "optional": true,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-TransportRule", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "mail-protection", "cmdlet": "Get-TenantAllowBlockListItems", "writes": false, "optional": false,
   "parameters": ["ListType"]},
  {"guard": "mail-protection", "cmdlet": "Get-TenantAllowBlockListSpoofItems", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-ExoPhishSimOverrideRule", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-ExoSecOpsOverrideRule", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-ArcConfig", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-DkimSigningConfig", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-QuarantinePolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-ReportSubmissionPolicy", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "mail-protection", "cmdlet": "Get-Mailbox", "writes": false, "optional": false,
   "parameters": ["Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox", "RecipientTypeDetails", "ResultSize"]},
  {"guard": "mail-protection", "cmdlet": "Get-MailContact", "writes": false, "optional": false,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "mail-protection", "cmdlet": "Get-MailUser", "writes": false, "optional": false,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "privileged-change", "cmdlet": "Get-RoleGroup", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "privileged-change", "cmdlet": "Get-RoleGroupMember", "writes": false, "optional": false,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "privileged-change", "cmdlet": "Get-BlockedSenderAddress", "writes": false, "optional": false,
   "parameters": []},
  {"guard": "shared-mailbox-health", "cmdlet": "Get-Mailbox", "writes": false, "optional": false,
   "parameters": ["Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox", "RecipientTypeDetails", "ResultSize"]},
  {"guard": "shared-mailbox-health", "cmdlet": "Get-MailboxStatistics", "writes": false, "optional": false,
   "parameters": ["Identity"]},
  {"guard": "containment", "cmdlet": "Get-Mailbox", "writes": false, "optional": false,
   "parameters": ["Filter", "GroupMailbox", "Identity", "IncludeInactiveMailbox", "RecipientTypeDetails", "ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-RoleGroup", "writes": false, "optional": false,
   "parameters": ["ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-RoleGroupMember", "writes": false, "optional": false,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-CASMailbox", "writes": false, "optional": true,
   "parameters": ["Filter", "Identity", "ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-InboxRule", "writes": false, "optional": true,
   "parameters": ["Mailbox", "IncludeHidden", "ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-MailboxPermission", "writes": false, "optional": true,
   "parameters": ["Identity", "IncludeUnresolvedPermissions", "ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-RecipientPermission", "writes": false, "optional": true,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-MailboxFolderPermission", "writes": false, "optional": true,
   "parameters": ["Identity", "ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-MailboxFolderStatistics", "writes": false, "optional": true,
   "parameters": ["FolderScope", "Identity", "ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-MobileDevice", "writes": false, "optional": true,
   "parameters": ["Mailbox", "ResultSize"]},
  {"guard": "containment", "cmdlet": "Get-MessageTraceV2", "writes": false, "optional": true,
   "parameters": ["EndDate", "ResultSize", "SenderAddress", "StartDate", "StartingRecipientAddress"]},
  {"guard": "containment", "cmdlet": "Disable-InboxRule", "writes": true, "optional": true,
   "parameters": ["Identity", "Mailbox", "AlwaysDeleteOutlookRulesBlob"]},
  {"guard": "containment", "cmdlet": "Enable-InboxRule", "writes": true, "optional": true,
   "parameters": ["Identity", "Mailbox", "AlwaysDeleteOutlookRulesBlob"]},
  {"guard": "containment", "cmdlet": "Set-Mailbox", "writes": true, "optional": true,
   "parameters": ["Identity", "ForwardingAddress", "ForwardingSmtpAddress", "DeliverToMailboxAndForward"]},
  {"guard": "containment", "cmdlet": "Set-CASMailbox", "writes": true, "optional": true,
   "parameters": ["Identity", "OWAEnabled", "MAPIEnabled", "EwsEnabled", "ActiveSyncEnabled", "OutlookMobileEnabled", "ImapEnabled", "PopEnabled"]}
 ]}
'@ | ConvertFrom-Json
<#
<!-- end -->
#>

$RoleGroup = "$Prefix guards"
$Patience = 12
$Pause = 10
$Known = @{}
$Changes = 0

# Parameters every cmdlet may have. They cannot change what a cmdlet writes.
$Common = @(
    'Confirm', 'Debug', 'ErrorAction', 'ErrorVariable', 'InformationAction', 'InformationVariable',
    'OutBuffer', 'OutVariable', 'PipelineVariable', 'ProgressAction', 'Verbose', 'WarningAction',
    'WarningVariable', 'WhatIf'
)

# ---------------------------------------------------------------------------------------------
# What is wanted
# ---------------------------------------------------------------------------------------------

function Deny-WithRemedy {
    param([string] $Problem, [string] $Remedy)
    throw "$Problem`nWhat to do: $Remedy"
}

# Names as an array, also where `pwsh -File` hands over 'a,b' as one text.
function Split-Name {
    param([string[]] $Text)
    foreach ($part in $Text) {
        foreach ($name in ($part -split ',')) {
            if ($name.Trim()) { $name.Trim() }
        }
    }
}

function Assert-GuardName {
    param([string[]] $Name)
    foreach ($one in $Name) {
        $known = @($Catalog.guards) + @($Catalog.others)
        if ($one -notin $known) {
            Deny-WithRemedy "There is no guard '$one'." "Name some of: $($known -join ', ')."
        }
    }
}

# Who is to write without looking would be left out without a word.
function Assert-Watched {
    param([string[]] $Looking, [string[]] $Writing)
    $blind = @($Writing | Where-Object { $_ -notin $Looking })
    if ($blind.Count -gt 0) {
        Deny-WithRemedy "-Enforce names $($blind -join ', '), and -Guards does not." `
            'Name them under -Guards as well, or leave them out of -Enforce.'
    }
}

# The roles that should exist: one for each cmdlet that reads, one for each guard and cmdlet that
# writes. Two guards may need different parameters of the same cmdlet, and one of them enforce.
function Get-WantedRole {
    param([string[]] $Looking, [string[]] $Writing)
    $seen = @{}
    foreach ($entry in $Catalog.entries) {
        if ($entry.guard -notin $Looking) { continue }
        if ($entry.writes -and $entry.guard -notin $Writing) { continue }
        $name = "$Prefix $($entry.cmdlet)"
        if ($entry.writes) { $name = "$name $($entry.guard)" }
        if ($seen[$name]) {
            if (-not $entry.optional) { $seen[$name].Optional = $false }
            continue
        }
        $seen[$name] = [pscustomobject]@{
            Name       = $name
            Cmdlet     = $entry.cmdlet
            Parameters = @($entry.parameters)
            Writes     = $entry.writes
            Optional   = $entry.optional
            InPlace    = $false
            Parent     = ''
        }
        $seen[$name]
    }
}

# ---------------------------------------------------------------------------------------------
# What must be so before anything is done
# ---------------------------------------------------------------------------------------------

# The newest installed version of the module that this PowerShell can load.
function Select-ModuleVersion {
    $running = [version] "$($PSVersionTable.PSVersion.Major).$($PSVersionTable.PSVersion.Minor)"
    $installed = @(
        Get-Module -ListAvailable -Name ExchangeOnlineManagement | ForEach-Object { [version] "$($_.Version)" }
    )
    if ($installed.Count -eq 0) {
        Deny-WithRemedy 'The module ExchangeOnlineManagement is not installed.' `
            'Install-Module ExchangeOnlineManagement -Scope CurrentUser, then run this again.'
    }
    $fitting = @(
        $installed | Where-Object {
            $_ -ge [version] '3.5' -and ($_ -lt [version] '3.10' -or $running -ge [version] '7.6')
        }
    )
    if ($fitting.Count -eq 0) {
        Deny-WithRemedy "ExchangeOnlineManagement $($installed -join ', ') does not run in PowerShell $running." `
            ('Install PowerShell 7.6, or: Install-Module ExchangeOnlineManagement -RequiredVersion 3.9.2. ' +
            'Then run this again.')
    }
    $fitting | Sort-Object -Descending | Select-Object -First 1
}

function Connect-Exchange {
    if (-not (Get-Module -Name ExchangeOnlineManagement)) {
        $version = Select-ModuleVersion
        Import-Module -Name ExchangeOnlineManagement -RequiredVersion $version
    }
    $connections = @(
        Get-ConnectionInformation | Where-Object { $_.State -eq 'Connected' -and -not $_.IsEopSession }
    )
    if ($connections.Count -gt 1) {
        Deny-WithRemedy 'There are connections to several tenants.' `
            'Disconnect-ExchangeOnline, Connect-ExchangeOnline to the one that is meant, run this again.'
    }
    if ($connections.Count -eq 0) {
        Connect-ExchangeOnline -ShowBanner:$false -ExchangeEnvironmentName $ExchangeEnvironmentName
    }
}

function Assert-MayManageRole {
    foreach ($name in 'New-ManagementRole', 'New-RoleGroup', 'New-ServicePrincipal') {
        if (-not (Get-Command -Name $name -ErrorAction Ignore)) {
            Deny-WithRemedy "Exchange does not let this account run $name, or there is no connection." `
                'Connect-ExchangeOnline as a member of Organization Management (an Exchange administrator).'
        }
    }
}

function Assert-Customizable {
    if ((Get-OrganizationConfig).IsDehydrated) {
        Deny-WithRemedy 'The organization does not take custom roles yet.' `
            'Enable-OrganizationCustomization; it may take some hours. Then run this again.'
    }
}

# The commonest mistake: the object id of the app registration. Entra is asked where it can be.
function Assert-ObjectId {
    $remedy = "Give the id of the enterprise application: az ad sp show --id $AppId --query id --output tsv"
    if ($AppId -eq $ServicePrincipalObjectId) {
        Deny-WithRemedy 'The object id is the application id.' $remedy
    }
    $known = ''
    if (Get-Command -Name az -CommandType Application -ErrorAction Ignore) {
        $known = az ad sp show --id $AppId --query id --output tsv 2>$null
    }
    if (-not $known) {
        Write-Warning "Entra was not asked whether the object id is right (az is missing or not signed in)."
        return
    }
    if ("$known".Trim() -ne "$ServicePrincipalObjectId") {
        Deny-WithRemedy "Entra knows the app's enterprise application as $known." $remedy
    }
}

# ---------------------------------------------------------------------------------------------
# What there is. Everything is listed and filtered here: Exchange takes a name that nobody has for
# no name at all, and answers with all objects.
# ---------------------------------------------------------------------------------------------

function Get-OwnRole {
    $pattern = "^$Prefix (Get|Set)-[A-Za-z0-9]+( [a-z-]+)?$"
    Get-ManagementRole | Where-Object { $_.Name -cmatch $pattern -and $_.Parent }
}

function Get-OwnGroup {
    Get-RoleGroup -ResultSize Unlimited | Where-Object { $_.Name -eq $RoleGroup }
}

function Get-OwnPrincipal {
    Get-ServicePrincipal | Where-Object { "$($_.AppId)" -eq "$AppId" }
}

# Whether an assignment reaches the whole organization: somebody may have narrowed it.
function Test-Unlimited {
    param($Assignment)
    $properties = @('CustomRecipientWriteScope', 'CustomConfigWriteScope', 'RecipientOrganizationalUnitScope')
    $limits = foreach ($property in $properties) { "$($Assignment.$property)" }
    $set = @($limits | Where-Object { $_ })
    $set.Count -eq 0
}

# What gives the group its roles.
function Get-GroupAssignment {
    Get-ManagementRoleAssignment -Delegating $false | Where-Object { $_.RoleAssigneeName -eq $RoleGroup }
}

# The entries of a role, asked once for a built-in one.
function Get-Entry {
    param([string] $Role)
    if (-not $Known[$Role]) {
        $Known[$Role] = @(Get-ManagementRoleEntry -Identity "$Role\*" -ResultSize Unlimited)
    }
    $Known[$Role]
}

function Test-Coverage {
    param($Entry, [string[]] $Parameter)
    $missing = @($Parameter | Where-Object { $_ -notin $Entry.Parameters })
    $missing.Count -eq 0
}

function Test-AsWanted {
    param($Wanted)
    $entries = @(Get-ManagementRoleEntry -Identity "$($Wanted.Name)\*" -ResultSize Unlimited)
    if ($entries.Count -ne 1 -or $entries[0].Name -ne $Wanted.Cmdlet) { return $false }
    if (-not (Test-Coverage $entries[0] $Wanted.Parameters)) { return $false }
    if (-not $Wanted.Writes) { return $true }
    $allowed = $Wanted.Parameters + $Common
    $more = @($entries[0].Parameters | Where-Object { $_ -notin $allowed })
    $more.Count -eq 0
}

function Test-Member {
    param($Member, $Principal)
    $names = foreach ($property in 'ObjectId', 'Identity', 'Guid', 'Name', 'Sid') { "$($Principal.$property)" }
    $marks = foreach ($property in 'ExternalDirectoryObjectId', 'Identity', 'Guid', 'Name', 'Sid') {
        "$($Member.$property)"
    }
    $same = @($marks | Where-Object { $_ -and $_ -in $names })
    $same.Count -gt 0
}

# ---------------------------------------------------------------------------------------------
# Changes
# ---------------------------------------------------------------------------------------------

# Exchange may not know yet what was made a moment ago.
function Invoke-Patiently {
    param([scriptblock] $Action)
    for ($attempt = 1; $true; $attempt++) {
        try {
            return & $Action
        } catch {
            if ($attempt -ge $Patience) { throw }
            Write-Host "  not yet ($attempt of $Patience): $_"
            Start-Sleep -Seconds $Pause
        }
    }
}

function Wait-For {
    param([string] $What, [scriptblock] $Look)
    $null = Invoke-Patiently { if (-not (& $Look)) { throw "$What does not show" } }
}

function Write-Change {
    param([string] $Text)
    $script:Changes++
    Write-Host "  $Text"
}

# Whether a built-in role reaches the whole organization: a role by which people manage only
# themselves does not, and one that only reads cannot write. Where Exchange does not say how far a
# role writes, its entries decide.
function Test-Scope {
    param($Role, $Wanted)
    if ($Role.Name -like 'My*' -or "$($Role.ImplicitRecipientReadScope)" -ne 'Organization') { return $false }
    if (-not $Wanted.Writes) { return $true }
    $scopes = foreach ($property in 'ImplicitRecipientWriteScope', 'ImplicitConfigWriteScope') {
        "$($Role.$property)"
    }
    $said = @($scopes | Where-Object { $_ })
    $wide = @($said | Where-Object { $_ -in 'Organization', 'OrganizationConfig' })
    $said.Count -eq 0 -or $wide.Count -gt 0
}

# The built-in role to derive from: it holds the cmdlet with all the parameters, reaches the whole
# organization, and has the fewest entries.
function Find-Parent {
    param($Wanted)
    $query = @{ Cmdlet = $Wanted.Cmdlet }
    if ($Wanted.Parameters.Count -gt 0) { $query.CmdletParameters = $Wanted.Parameters }
    $found = @()
    foreach ($role in Get-ManagementRole @query) {
        if ($role.Parent -or $role.IsEndUserRole -or $role.IsDeprecated) { continue }
        if (-not (Test-Scope $role $Wanted)) { continue }
        $entries = @(Get-Entry $role.Name)
        $entry = $entries | Where-Object { $_.Name -eq $Wanted.Cmdlet } | Select-Object -First 1
        if ($entry -and (Test-Coverage $entry $Wanted.Parameters)) {
            $found += [pscustomobject]@{ Name = $role.Name; Entries = $entries.Count }
        }
    }
    $found | Sort-Object -Property 'Entries', 'Name' | Select-Object -First 1 | ForEach-Object { $_.Name }
}

function Format-Need {
    param($Wanted)
    "$($Wanted.Cmdlet) $(@($Wanted.Parameters | ForEach-Object { "-$_" }) -join ' ')".Trim()
}

# Which roles are as they should be, and what each other one is derived from. All of it is known
# before the first write, so a tenant that lacks cmdlets is told of all of them and keeps nothing half made.
function Resolve-Role {
    param([object[]] $Wanted)
    $own = @(Get-OwnRole | ForEach-Object { $_.Name })
    $lacking = @()
    foreach ($role in $Wanted) {
        $role.InPlace = $role.Name -in $own -and (Test-AsWanted $role)
        if ($role.InPlace) { continue }
        $role.Parent = "$(Find-Parent $role)"
        if ($role.Parent) { continue }
        $needs = Format-Need $role
        if ($role.Optional) {
            Write-Warning "No built-in role holds $needs. It is optional: the guard says what it cannot see."
        } else {
            $lacking += $needs
        }
    }
    if ($lacking.Count -gt 0) {
        Deny-WithRemedy "No built-in role of this tenant holds $($lacking -join '; ')." `
            ('Nothing was changed. Look at: Get-ManagementRole -Cmdlet with each name. Or leave the guard that needs ' +
            'it out of -Guards or -Enforce.')
    }
}

function Remove-OwnRole {
    [CmdletBinding(SupportsShouldProcess)]
    param([string] $Name)
    if (-not $PSCmdlet.ShouldProcess($Name, 'Remove management role and its assignments')) { return }
    foreach ($assignment in Get-ManagementRoleAssignment -Role $Name) {
        Remove-ManagementRoleAssignment -Identity $assignment.Identity -Confirm:$false
    }
    Invoke-Patiently { Remove-ManagementRole -Identity $Name -Confirm:$false }
    Write-Change "removed role $Name"
}

function New-OwnRole {
    [CmdletBinding(SupportsShouldProcess)]
    param($Wanted)
    if (-not $PSCmdlet.ShouldProcess($Wanted.Name, "Create from '$($Wanted.Parent)' with $(Format-Need $Wanted)")) { return }
    $null = New-ManagementRole -Name $Wanted.Name -Parent $Wanted.Parent -EnabledCmdlets $Wanted.Cmdlet
    Wait-For 'The new role' { Get-OwnRole | Where-Object { $_.Name -eq $Wanted.Name } }
    if ($Wanted.Writes) {
        $entry = "$($Wanted.Name)\$($Wanted.Cmdlet)"
        Invoke-Patiently { Set-ManagementRoleEntry -Identity $entry -Parameters $Wanted.Parameters -Confirm:$false }
    }
    Write-Change "made role $($Wanted.Name) from $($Wanted.Parent)"
}

# A role that is not as wanted is made anew. It is assigned last, so it never works half trimmed.
function Sync-Role {
    param([object[]] $Wanted)
    $own = @(Get-OwnRole | ForEach-Object { $_.Name })
    foreach ($name in $own) {
        if ($name -notin $Wanted.Name) { Remove-OwnRole $name }
    }
    foreach ($role in $Wanted) {
        if ($role.InPlace) { continue }
        if ($role.Name -in $own) { Remove-OwnRole $role.Name }
        if ($role.Parent) { New-OwnRole $role }
    }
}

function Sync-Principal {
    [CmdletBinding(SupportsShouldProcess)]
    param()
    $principal = Get-OwnPrincipal
    if ($principal -and "$($principal.ObjectId)" -ne "$ServicePrincipalObjectId") {
        Deny-WithRemedy "Exchange knows the app with the object id $($principal.ObjectId)." `
            ("If that one is wrong: Remove-ServicePrincipal -Identity $($principal.ObjectId), then run this again. " +
            "Right is what is shown by: az ad sp show --id $AppId --query id --output tsv")
    }
    if ($principal) { return }
    if (-not $PSCmdlet.ShouldProcess("$AppId", 'Create service principal')) { return }
    $null = New-ServicePrincipal -AppId $AppId -ObjectId $ServicePrincipalObjectId -DisplayName $Prefix
    Wait-For 'The new service principal' { Get-OwnPrincipal }
    Write-Change "made service principal $ServicePrincipalObjectId"
}

function Sync-Group {
    [CmdletBinding(SupportsShouldProcess)]
    param([object[]] $Wanted)
    if (-not (Get-OwnGroup)) {
        if (-not $PSCmdlet.ShouldProcess($RoleGroup, 'Create role group')) { return }
        $null = New-RoleGroup -Name $RoleGroup -Description 'What the app Exoguard may do. Made by exchange-role.ps1.'
        Wait-For 'The new role group' { Get-OwnGroup }
        Write-Change "made role group $RoleGroup"
    }
    $assigned = @()
    foreach ($assignment in @(Get-GroupAssignment)) {
        if ("$($assignment.Role)" -in $Wanted.Name -and (Test-Unlimited $assignment)) {
            $assigned += "$($assignment.Role)"
            continue
        }
        if (-not $PSCmdlet.ShouldProcess($assignment.Identity, 'Remove role assignment')) { continue }
        Remove-ManagementRoleAssignment -Identity $assignment.Identity -Confirm:$false
        Write-Change "took role $($assignment.Role) from the group"
    }
    $existing = @(Get-OwnRole | ForEach-Object { $_.Name })
    foreach ($role in $Wanted) {
        if ($role.Name -in $assigned -or $role.Name -notin $existing) { continue }
        if (-not $PSCmdlet.ShouldProcess($role.Name, "Assign to $RoleGroup")) { continue }
        $name = $role.Name
        $null = Invoke-Patiently { New-ManagementRoleAssignment -Name $name -Role $name -SecurityGroup $RoleGroup }
        Write-Change "gave role $name to the group"
    }
}

function Sync-Member {
    [CmdletBinding(SupportsShouldProcess)]
    param()
    $principal = Get-OwnPrincipal
    if (-not $principal -or -not (Get-OwnGroup)) { return }
    $mine = @(
        Get-RoleGroupMember -Identity $RoleGroup -ResultSize Unlimited | Where-Object { Test-Member $_ $principal }
    )
    if ($mine.Count -gt 0) { return }
    if (-not $PSCmdlet.ShouldProcess($RoleGroup, 'Add the service principal')) { return }
    $identity = $principal.Identity
    # Whoever runs this need not be a manager of the group.
    Invoke-Patiently {
        Add-RoleGroupMember -Identity $RoleGroup -Member $identity -BypassSecurityGroupManagerCheck -Confirm:$false
    }
    Write-Change 'made the service principal a member of the group'
}

# ---------------------------------------------------------------------------------------------
# Reading back
# ---------------------------------------------------------------------------------------------

# What is not as it should be, in words.
function Get-Difference {
    param([object[]] $Wanted)
    $existing = @(Get-OwnRole | ForEach-Object { $_.Name })
    $assignments = @(Get-GroupAssignment)
    $assigned = @($assignments | ForEach-Object { "$($_.Role)" })
    foreach ($assignment in $assignments) {
        if (-not (Test-Unlimited $assignment)) { "The assignment '$($assignment.Identity)' is narrowed to a scope." }
    }
    foreach ($role in $Wanted) {
        if ($role.Name -notin $existing) {
            if (-not $role.Optional) { "The role '$($role.Name)' does not exist." }
            continue
        }
        if (-not (Test-AsWanted $role)) { "The role '$($role.Name)' does not hold exactly what it should." }
        if ($role.Name -notin $assigned) { "The role '$($role.Name)' is not assigned to '$RoleGroup'." }
    }
    foreach ($name in $assigned) {
        if ($name -notin $Wanted.Name) { "The group also holds '$name'." }
    }
    Get-MemberDifference
}

function Get-MemberDifference {
    $principal = Get-OwnPrincipal
    if (-not $principal) { return 'Exchange does not know the service principal.' }
    if (-not (Get-OwnGroup)) { return "The role group '$RoleGroup' does not exist." }
    $members = @(Get-RoleGroupMember -Identity $RoleGroup -ResultSize Unlimited)
    $others = @($members | Where-Object { -not (Test-Member $_ $principal) })
    foreach ($other in $others) {
        $command = "Remove-RoleGroupMember '$RoleGroup' -Member '$($other.Name)' -BypassSecurityGroupManagerCheck"
        "'$($other.Name)' is a member of the group too: $command"
    }
    if ($members.Count -eq $others.Count) { 'The service principal is not a member of the group.' }
}

function Confirm-Result {
    param([object[]] $Wanted)
    for ($attempt = 1; $true; $attempt++) {
        $differences = @(Get-Difference $Wanted)
        if ($differences.Count -eq 0) { return }
        if ($Changes -eq 0 -or $attempt -ge $Patience) { break }
        Write-Host "  not yet ($attempt of $Patience): $($differences -join ' ')"
        Start-Sleep -Seconds $Pause
    }
    Deny-WithRemedy ($differences -join "`n") `
        'Run this again in some minutes. If it stays so, -Remove takes everything away for a new beginning.'
}

function Show-Result {
    param([object[]] $Wanted)
    $own = @{}
    foreach ($role in Get-OwnRole) { $own[$role.Name] = $role }
    Write-Host "`nWhat the app may do in Exchange now, cmdlet by cmdlet:"
    foreach ($role in $Wanted) {
        $made = $own[$role.Name]
        $may = if ($role.Writes) { "-$($role.Parameters -join ' -')" } else { 'all parameters' }
        Write-Host "  $($role.Cmdlet): $may"
        if ($made) {
            Write-Host "    by the role $($role.Name), derived from $($made.Parent)"
        } else {
            Write-Host '    no: it is optional, and no built-in role holds it'
        }
    }
    if ($Changes -eq 0) { Write-Host 'Everything was in place. Nothing was changed.' }
    Write-Host 'It may take up to two hours before Exchange lets the app. Check with: python -m core.doctor'
}

# ---------------------------------------------------------------------------------------------
# Taking it away
# ---------------------------------------------------------------------------------------------

function Remove-OwnGroup {
    [CmdletBinding(SupportsShouldProcess)]
    param()
    if (-not (Get-OwnGroup)) { return }
    if (-not $PSCmdlet.ShouldProcess($RoleGroup, 'Remove role group')) { return }
    Remove-RoleGroup -Identity $RoleGroup -BypassSecurityGroupManagerCheck -Confirm:$false
    Write-Change "removed role group $RoleGroup"
}

function Remove-OwnPrincipal {
    [CmdletBinding(SupportsShouldProcess)]
    param()
    $principal = Get-OwnPrincipal
    if (-not $principal) { return }
    if (-not $PSCmdlet.ShouldProcess("$AppId", 'Remove service principal from Exchange')) { return }
    Remove-ServicePrincipal -Identity $principal.ObjectId -Confirm:$false
    Write-Change "removed service principal $($principal.ObjectId)"
}

function Confirm-Removed {
    for ($attempt = 1; $true; $attempt++) {
        $left = @(Get-OwnRole) + @(Get-OwnGroup) + @(Get-OwnPrincipal)
        if ($left.Count -eq 0) { break }
        if ($Changes -eq 0 -or $attempt -ge $Patience) {
            Deny-WithRemedy "$($left.Count) objects are still there." 'Run this again in some minutes.'
        }
        Start-Sleep -Seconds $Pause
    }
    Write-Host 'Nothing of Exoguard is left in Exchange. The app registration in Entra is another matter.'
}

# ---------------------------------------------------------------------------------------------
# The run
# ---------------------------------------------------------------------------------------------

function Invoke-Grant {
    Assert-ObjectId
    Assert-Customizable
    $looking = @(Split-Name $Guards)
    if ($looking.Count -eq 0) { $looking = $Catalog.guards }
    $writing = @(Split-Name $Enforce)
    if ($writing.Count -eq 0) { $writing = $Catalog.enforcing }
    if ($writing -contains 'none') { $writing = @() }
    Assert-GuardName $looking
    Assert-GuardName $writing
    if (@(Split-Name $Enforce).Count -gt 0) { Assert-Watched $looking $writing }
    $wanted = @(Get-WantedRole $looking $writing)
    Resolve-Role $wanted
    Sync-Principal
    Sync-Role $wanted
    Sync-Group $wanted
    Sync-Member
    if ($WhatIfPreference) { return }
    Confirm-Result $wanted
    Show-Result $wanted
}

function Invoke-Removal {
    foreach ($role in @(Get-OwnRole)) { Remove-OwnRole $role.Name }
    Remove-OwnGroup
    Remove-OwnPrincipal
    if ($WhatIfPreference) { return }
    Confirm-Removed
}

Connect-Exchange
Assert-MayManageRole
if ($Remove) { Invoke-Removal } else { Invoke-Grant }
