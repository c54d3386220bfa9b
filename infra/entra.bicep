// The app registration: what the guards that are on may do in the tenant, and nothing else.
//
// Whoever deploys this must be able to register applications; with `grantPermissions` also to
// consent to application permissions (Privileged Role Administrator). A permission that leaves this
// file is no longer asked for, but Entra keeps it granted until somebody removes it.
extension microsoftGraphV1

import { guardsType } from 'types.bicep'

@description('What makes the registration the same one in every deployment; cannot be changed later.')
param uniqueName string

param displayName string

@description('Object id of the managed identity the registration trusts.')
param identityPrincipalId string

@description('Guards by name, each with its mode.')
param guards guardsType

@description('Ask for what only adds detail as well.')
param optionalPermissions bool

@description('Ask for the audit records of Exchange as well: who did what, within minutes.')
param activityFeed bool

@description('Ask for searches of the audit log as well: who caused a case, and what an account read and sent.')
param auditQueries bool

@description('What containing an account may do: off, alert or enforce.')
param containment string

@description('Grant what is asked for, which otherwise an administrator does.')
param grantPermissions bool

// What each guard needs of Microsoft Graph, and whether it needs Exchange. `writes` are needed to
// enforce; the optional ones only add detail.
// <!-- permissions -->
var permissions = {
  'shared-mailbox-sign-in': {
    exchange: true
    optionalExchange: true
    reads: ['User.Read.All']
    optionalReads: [
      'AuditLog.Read.All'
      'RoleManagement.Read.Directory'
      'GroupMember.Read.All'
      'PrivilegedEligibilitySchedule.Read.AzureADGroup'
    ]
    writes: ['User.EnableDisableAccount.All']
    optionalWrites: ['User.RevokeSessions.All']
  }
  'mailbox-forwarding': {
    exchange: true
    optionalExchange: true
    reads: ['MailboxSettings.Read', 'Domain.Read.All']
    optionalReads: ['Mail.ReadBasic.All']
    writes: ['MailboxSettings.ReadWrite']
    optionalWrites: []
  }
  'mailbox-audit': {
    exchange: true
    optionalExchange: true
    reads: []
    optionalReads: ['User.Read.All']
    writes: []
    optionalWrites: []
  }
  'mailbox-delegation': {
    exchange: true
    optionalExchange: true
    reads: ['Domain.Read.All']
    optionalReads: []
    writes: []
    optionalWrites: []
  }
  'tenant-baseline': {
    exchange: true
    optionalExchange: true
    reads: ['Policy.Read.All', 'Application.Read.All', 'Organization.Read.All']
    optionalReads: ['Domain.Read.All', 'MailboxSettings.Read']
    writes: ['Policy.ReadWrite.Authorization']
    optionalWrites: []
  }
  'app-consent': {
    exchange: true
    optionalExchange: true
    reads: ['Application.Read.All', 'Directory.Read.All', 'Policy.Read.All', 'Application.Read.All']
    optionalReads: [
      'RoleManagement.Read.Directory'
      'GroupMember.Read.All'
      'PrivilegedEligibilitySchedule.Read.AzureADGroup'
      'Domain.Read.All'
    ]
    writes: ['Policy.ReadWrite.Authorization']
    optionalWrites: []
  }
  'mfa-registration': {
    exchange: false
    optionalExchange: false
    reads: ['AuditLog.Read.All']
    optionalReads: ['Domain.Read.All', 'User.Read.All']
    writes: []
    optionalWrites: []
  }
  'mass-deletion': {
    exchange: false
    optionalExchange: false
    reads: ['AuditLog.Read.All', 'User.Read.All']
    optionalReads: ['Group.Read.All']
    writes: []
    optionalWrites: []
  }
  'exchange-module-access': {
    exchange: true
    optionalExchange: false
    reads: ['RoleManagement.Read.Directory', 'GroupMember.Read.All', 'PrivilegedEligibilitySchedule.Read.AzureADGroup']
    optionalReads: []
    writes: ['User.Read.All']
    optionalWrites: ['AuditLog.Read.All']
  }
  'legacy-protocols': {
    exchange: true
    optionalExchange: true
    reads: []
    optionalReads: ['AuditLog.Read.All', 'Application.Read.All', 'Directory.Read.All', 'User.Read.All']
    writes: []
    optionalWrites: []
  }
  'external-trust': {
    exchange: true
    optionalExchange: false
    reads: ['Policy.Read.All']
    optionalReads: ['IdentityProvider.Read.All']
    writes: []
    optionalWrites: []
  }
  'exchange-roles': {
    exchange: true
    optionalExchange: false
    reads: []
    optionalReads: []
    writes: []
    optionalWrites: []
  }
  'mail-protection': {
    exchange: true
    optionalExchange: true
    reads: ['Organization.Read.All']
    optionalReads: []
    writes: []
    optionalWrites: []
  }
  'privileged-change': {
    exchange: true
    optionalExchange: false
    reads: [
      'Policy.Read.All'
      'RoleManagement.Read.Directory'
      'Directory.Read.All'
      'Organization.Read.All'
      'User.Read.All'
      'Domain.Read.All'
      'GroupMember.Read.All'
      'PrivilegedEligibilitySchedule.Read.AzureADGroup'
      'AuditLog.Read.All'
    ]
    optionalReads: ['PublicKeyInfrastructure.Read.All', 'Policy.Read.DeviceConfiguration', 'eDiscovery.Read.All']
    writes: []
    optionalWrites: []
  }
  'risky-accounts': {
    exchange: false
    optionalExchange: false
    reads: ['User.Read.All']
    optionalReads: ['IdentityRiskyUser.Read.All', 'IdentityRiskEvent.Read.All', 'AuditLog.Read.All']
    writes: []
    optionalWrites: []
  }
  'shared-mailbox-health': {
    exchange: true
    optionalExchange: false
    reads: ['User.Read.All']
    optionalReads: []
    writes: []
    optionalWrites: []
  }
}
// <!-- end -->

// What containing an account needs, and only where it is switched on.
// <!-- containment -->
var containing = {
  reads: [
    'User.Read.All'
    'RoleManagement.Read.Directory'
    'GroupMember.Read.All'
    'PrivilegedEligibilitySchedule.Read.AzureADGroup'
  ]
  optionalReads: [
    'UserAuthenticationMethod.Read.All'
    'Directory.Read.All'
    'AuditLog.Read.All'
    'MailboxSettings.Read'
    'Domain.Read.All'
  ]
  writes: ['User.EnableDisableAccount.All', 'User.RevokeSessions.All']
  optionalWrites: ['MailboxSettings.ReadWrite', 'Device.EnableDisableAccount.All']
}
// <!-- end -->

var contains = containment != 'off'
var watching = filter(items(permissions), guard => guards[guard.key].mode != 'off')
var enforcing = filter(items(permissions), guard => guards[guard.key].mode == 'enforce')
// Searches of the audit log, and only where they are switched on.
var searching = auditQueries ? ['AuditLogsQuery-Exchange.Read.All'] : []
var needed = flatten([
  searching
  flatten(map(watching, guard => guard.value.reads))
  flatten(map(enforcing, guard => guard.value.writes))
  contains ? containing.reads : []
  containment == 'enforce' ? containing.writes : []
])
var detail = flatten([
  flatten(map(watching, guard => guard.value.optionalReads))
  flatten(map(enforcing, guard => guard.value.optionalWrites))
  contains ? containing.optionalReads : []
  containment == 'enforce' ? containing.optionalWrites : []
])
// ActivityFeed.Read of the Office 365 Management APIs.
var managementAppId = 'c5393580-f805-4401-95e8-94b7a6ef2fc2'
var feedRoles = activityFeed ? ['594c1fb6-4f81-4475-ae41-0c394909246c'] : []
var managementRoles = empty(watching) ? [] : feedRoles
var graphRoles = union(needed, optionalPermissions ? detail : [])
var exchangeUsers = filter(watching, guard => guard.value.exchange)
var exchangeDetailUsers = optionalPermissions ? filter(watching, guard => guard.value.optionalExchange) : []
var otherExchangeUsers = contains ? ['containment'] : []
var allExchangeUsers = flatten([exchangeUsers, exchangeDetailUsers, otherExchangeUsers])
var exchangeRoles = empty(allExchangeUsers) ? [] : ['Exchange.ManageAsApp']

// The audience of tokens that are exchanged, by Azure cloud.
var audiences = {
  AzureCloud: 'api://AzureADTokenExchange'
  AzureUSGovernment: 'api://AzureADTokenExchangeUSGov'
  AzureChinaCloud: 'api://AzureADTokenExchangeChina'
}

resource graph 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000003-0000-0000-c000-000000000000'
}

resource exchange 'Microsoft.Graph/servicePrincipals@v1.0' existing = {
  appId: '00000002-0000-0ff1-ce00-000000000000'
}

// Not every tenant has it before somebody asks for it.
resource management 'Microsoft.Graph/servicePrincipals@v1.0' existing = if (activityFeed) {
  appId: managementAppId
}

resource application 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  description: 'Guards the tenant unattended. Signs in as a managed identity; has no secret.'
  signInAudience: 'AzureADMyOrg'
  requiredResourceAccess: [
    {
      resourceAppId: graph.appId
      resourceAccess: map(graphRoles, name => {
        id: filter(graph.appRoles, role => role.value == name)[0].id
        type: 'Role'
      })
    }
    {
      resourceAppId: exchange.appId
      resourceAccess: map(exchangeRoles, name => {
        id: filter(exchange.appRoles, role => role.value == name)[0].id
        type: 'Role'
      })
    }
    {
      resourceAppId: managementAppId
      resourceAccess: map(managementRoles, id => {
        id: id
        type: 'Role'
      })
    }
  ]

  resource trust 'federatedIdentityCredentials@v1.0' = {
    name: '${application.uniqueName}/managed-identity'
    description: 'The managed identity of the function app'
    issuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
    subject: identityPrincipalId
    audiences: [audiences[environment().name]]
  }
}

resource principal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: application.appId
  accountEnabled: true
  // Nobody but the app itself signs in to it.
  appRoleAssignmentRequired: true
}

resource graphGrants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for name in (grantPermissions ? graphRoles : []): {
    appRoleId: filter(graph.appRoles, role => role.value == name)[0].id
    principalId: principal.id
    resourceId: graph.id
  }
]

resource exchangeGrants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for name in (grantPermissions ? exchangeRoles : []): {
    appRoleId: filter(exchange.appRoles, role => role.value == name)[0].id
    principalId: principal.id
    resourceId: exchange.id
  }
]

resource managementGrants 'Microsoft.Graph/appRoleAssignedTo@v1.0' = [
  for id in (grantPermissions ? managementRoles : []): {
    appRoleId: id
    principalId: principal.id
    resourceId: management!.id
  }
]

output clientId string = application.appId
output servicePrincipalId string = principal.id
output graphRoles string = join(graphRoles, ',')
