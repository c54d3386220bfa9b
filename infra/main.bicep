// Everything Exoguard needs, in one resource group: `azd up`, or `az deployment sub create`.
targetScope = 'subscription'

import { chosen, settingsType } from 'types.bicep'

@description('Name of the azd environment; names of resources are derived from it.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Azure region with the Flex Consumption plan.')
param location string

@description('Address of the Teams Workflows webhook. Needed the first time; empty keeps the one in Key Vault.')
@secure()
param teamsWebhookUrl string = ''

@description('Secrets of further channels that are in Key Vault, by the names of their settings, comma separated.')
param channelSecrets string = ''

@description('Who is told by e-mail when the app does not do its work; comma separated.')
@minLength(3)
param alertEmails string

@description('A webhook that is told as well: a pager, never the Teams flow of the app. Empty: none.')
@secure()
param alertWebhookUrl string = ''

@description('Client id of an app registration made by hand. Empty: one is registered here.')
param existingClientId string = ''

@description('Grant the permissions here; the deployer must be able to consent. False: an administrator consents.')
param grantPermissions bool = false

@description('Ask for the permissions that only add detail as well.')
param optionalPermissions bool = true

@description('Microsoft 365 cloud of the tenant.')
@allowed(['global', 'gcc-high', 'dod', 'china'])
param cloud string = 'global'

@description('Who may use the HTTP routes: whoever has the function key, or people who sign in with Entra.')
@allowed(['key', 'entra'])
param signIn string = 'key'

@description('With entra: the managed identity stands for the app, in place of a secret. False: none does.')
param signInByIdentity bool = true

@description('With entra: client id of an app registration made by hand. Empty: one is registered here.')
param existingSignInClientId string = ''

@description('Address ranges that may call the HTTP routes, comma separated. Empty: nobody; the timers run anyway.')
param allowedCidrs string = ''

@description('Address ranges that may deploy code, comma separated. Empty: anywhere, signed in with Entra.')
param deploymentCidrs string = ''

@description('Reach storage and Key Vault by private endpoints, and the internet by one fixed address.')
param privateNetworking bool = false

@description('Redundancy of both storage accounts; zone-redundant storage is not offered in every region.')
@allowed(['Standard_ZRS', 'Standard_LRS', 'Standard_GZRS'])
param storageSku string = 'Standard_ZRS'

@description('Take back a deleted vault of the same name, which purge protection keeps for a week.')
param recoverKeyVault bool = false

@description('Settings of the app by name, as texts; what is missing or empty has its default.')
param settings settingsType = {}

@description('When this is deployed: a guard that never ran is late from then on.')
param deployedAt string = utcNow('yyyy-MM-ddTHH:mm:ssZ')

// What runs, when, how far it may go, and after how long silence is an alarm: three times the
// longest gap of the schedule. Change that with the schedule.
// <!-- guards -->
var guards = {
  'shared-mailbox-sign-in': {
    mode: toLower(chosen(settings, 'SHARED_MAILBOX_SIGN_IN_MODE', 'enforce'))
    schedule: chosen(settings, 'SHARED_MAILBOX_SIGN_IN_SCHEDULE', '0 */15 * * * *')
    limit: chosen(settings, 'SHARED_MAILBOX_SIGN_IN_LIMIT', '20')
    limitPercent: chosen(settings, 'SHARED_MAILBOX_SIGN_IN_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'SHARED_MAILBOX_SIGN_IN_MAX_AGE_MINUTES', '45')
  }
  'mailbox-forwarding': {
    mode: toLower(chosen(settings, 'MAILBOX_FORWARDING_MODE', 'alert'))
    schedule: chosen(settings, 'MAILBOX_FORWARDING_SCHEDULE', '0 5/15 * * * *')
    limit: chosen(settings, 'MAILBOX_FORWARDING_LIMIT', '20')
    limitPercent: chosen(settings, 'MAILBOX_FORWARDING_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'MAILBOX_FORWARDING_MAX_AGE_MINUTES', '45')
  }
  'mailbox-audit': {
    mode: toLower(chosen(settings, 'MAILBOX_AUDIT_MODE', 'enforce'))
    schedule: chosen(settings, 'MAILBOX_AUDIT_SCHEDULE', '0 10 */6 * * *')
    limit: chosen(settings, 'MAILBOX_AUDIT_LIMIT', '50')
    limitPercent: chosen(settings, 'MAILBOX_AUDIT_LIMIT_PERCENT', '10.0')
    maxAgeMinutes: chosen(settings, 'MAILBOX_AUDIT_MAX_AGE_MINUTES', '1080')
  }
  'mailbox-delegation': {
    mode: toLower(chosen(settings, 'MAILBOX_DELEGATION_MODE', 'alert'))
    schedule: chosen(settings, 'MAILBOX_DELEGATION_SCHEDULE', '0 20/30 * * * *')
    limit: chosen(settings, 'MAILBOX_DELEGATION_LIMIT', '20')
    limitPercent: chosen(settings, 'MAILBOX_DELEGATION_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'MAILBOX_DELEGATION_MAX_AGE_MINUTES', '90')
  }
  'tenant-baseline': {
    mode: toLower(chosen(settings, 'TENANT_BASELINE_MODE', 'alert'))
    schedule: chosen(settings, 'TENANT_BASELINE_SCHEDULE', '0 25 */6 * * *')
    limit: chosen(settings, 'TENANT_BASELINE_LIMIT', '20')
    limitPercent: chosen(settings, 'TENANT_BASELINE_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'TENANT_BASELINE_MAX_AGE_MINUTES', '1080')
  }
  'app-consent': {
    mode: toLower(chosen(settings, 'APP_CONSENT_MODE', 'alert'))
    schedule: chosen(settings, 'APP_CONSENT_SCHEDULE', '0 35 * * * *')
    limit: chosen(settings, 'APP_CONSENT_LIMIT', '1')
    limitPercent: chosen(settings, 'APP_CONSENT_LIMIT_PERCENT', '0.0')
    maxAgeMinutes: chosen(settings, 'APP_CONSENT_MAX_AGE_MINUTES', '180')
  }
  'mfa-registration': {
    mode: toLower(chosen(settings, 'MFA_REGISTRATION_MODE', 'alert'))
    schedule: chosen(settings, 'MFA_REGISTRATION_SCHEDULE', '0 25 1/6 * * *')
    limit: chosen(settings, 'MFA_REGISTRATION_LIMIT', '20')
    limitPercent: chosen(settings, 'MFA_REGISTRATION_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'MFA_REGISTRATION_MAX_AGE_MINUTES', '1080')
  }
  'mass-deletion': {
    mode: toLower(chosen(settings, 'MASS_DELETION_MODE', 'alert'))
    schedule: chosen(settings, 'MASS_DELETION_SCHEDULE', '0 3/15 * * * *')
    limit: chosen(settings, 'MASS_DELETION_LIMIT', '20')
    limitPercent: chosen(settings, 'MASS_DELETION_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'MASS_DELETION_MAX_AGE_MINUTES', '45')
  }
  'exchange-module-access': {
    mode: toLower(chosen(settings, 'EXCHANGE_MODULE_ACCESS_MODE', 'alert'))
    schedule: chosen(settings, 'EXCHANGE_MODULE_ACCESS_SCHEDULE', '0 35 */6 * * *')
    limit: chosen(settings, 'EXCHANGE_MODULE_ACCESS_LIMIT', '50')
    limitPercent: chosen(settings, 'EXCHANGE_MODULE_ACCESS_LIMIT_PERCENT', '0.0')
    maxAgeMinutes: chosen(settings, 'EXCHANGE_MODULE_ACCESS_MAX_AGE_MINUTES', '1080')
  }
  'legacy-protocols': {
    mode: toLower(chosen(settings, 'LEGACY_PROTOCOLS_MODE', 'alert'))
    schedule: chosen(settings, 'LEGACY_PROTOCOLS_SCHEDULE', '0 25 */6 * * *')
    limit: chosen(settings, 'LEGACY_PROTOCOLS_LIMIT', '50')
    limitPercent: chosen(settings, 'LEGACY_PROTOCOLS_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'LEGACY_PROTOCOLS_MAX_AGE_MINUTES', '1080')
  }
  'external-trust': {
    mode: toLower(chosen(settings, 'EXTERNAL_TRUST_MODE', 'alert'))
    schedule: chosen(settings, 'EXTERNAL_TRUST_SCHEDULE', '0 50 */6 * * *')
    limit: chosen(settings, 'EXTERNAL_TRUST_LIMIT', '20')
    limitPercent: chosen(settings, 'EXTERNAL_TRUST_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'EXTERNAL_TRUST_MAX_AGE_MINUTES', '1080')
  }
  'exchange-roles': {
    mode: toLower(chosen(settings, 'EXCHANGE_ROLES_MODE', 'alert'))
    schedule: chosen(settings, 'EXCHANGE_ROLES_SCHEDULE', '0 40 */2 * * *')
    limit: chosen(settings, 'EXCHANGE_ROLES_LIMIT', '20')
    limitPercent: chosen(settings, 'EXCHANGE_ROLES_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'EXCHANGE_ROLES_MAX_AGE_MINUTES', '360')
  }
  'mail-protection': {
    mode: toLower(chosen(settings, 'MAIL_PROTECTION_MODE', 'alert'))
    schedule: chosen(settings, 'MAIL_PROTECTION_SCHEDULE', '0 55 */6 * * *')
    limit: chosen(settings, 'MAIL_PROTECTION_LIMIT', '20')
    limitPercent: chosen(settings, 'MAIL_PROTECTION_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'MAIL_PROTECTION_MAX_AGE_MINUTES', '1080')
  }
  'privileged-change': {
    mode: toLower(chosen(settings, 'PRIVILEGED_CHANGE_MODE', 'alert'))
    schedule: chosen(settings, 'PRIVILEGED_CHANGE_SCHEDULE', '0 50 * * * *')
    limit: chosen(settings, 'PRIVILEGED_CHANGE_LIMIT', '20')
    limitPercent: chosen(settings, 'PRIVILEGED_CHANGE_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'PRIVILEGED_CHANGE_MAX_AGE_MINUTES', '180')
  }
  'risky-accounts': {
    mode: toLower(chosen(settings, 'RISKY_ACCOUNTS_MODE', 'alert'))
    schedule: chosen(settings, 'RISKY_ACCOUNTS_SCHEDULE', '0 12/15 * * * *')
    limit: chosen(settings, 'RISKY_ACCOUNTS_LIMIT', '20')
    limitPercent: chosen(settings, 'RISKY_ACCOUNTS_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'RISKY_ACCOUNTS_MAX_AGE_MINUTES', '45')
  }
  'shared-mailbox-health': {
    mode: toLower(chosen(settings, 'SHARED_MAILBOX_HEALTH_MODE', 'alert'))
    schedule: chosen(settings, 'SHARED_MAILBOX_HEALTH_SCHEDULE', '0 45 */6 * * *')
    limit: chosen(settings, 'SHARED_MAILBOX_HEALTH_LIMIT', '20')
    limitPercent: chosen(settings, 'SHARED_MAILBOX_HEALTH_LIMIT_PERCENT', '5.0')
    maxAgeMinutes: chosen(settings, 'SHARED_MAILBOX_HEALTH_MAX_AGE_MINUTES', '1080')
  }
}
// <!-- end -->

var token = uniqueString(subscription().id, environmentName, location)
var stateTable = chosen(settings, 'STATE_TABLE', 'exoguard')
var tags = { 'azd-env-name': environmentName }

// Names that more than one file knows are made here and handed to each: a name that is another's
// output is not known before that is deployed, and a preview of a change then says less.
var names = {
  app: 'func-exoguard-${token}'
  hostAccount: 'sthost${token}'
  identity: 'id-exoguard-${token}'
  insights: 'appi-exoguard-${token}'
  keyVault: 'kv-exog-${token}'
  packageContainer: 'app-package'
  stateAccount: 'ststate${token}'
  webhookSecret: 'teams-webhook-url'
}
var newApp = empty(existingClientId)
var newSignIn = signIn == 'entra' && empty(existingSignInClientId)

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  scope: group
  params: {
    name: names.identity
    location: location
    tags: tags
  }
}

module entra 'entra.bicep' = if (newApp) {
  scope: group
  params: {
    uniqueName: 'exoguard-${token}'
    displayName: 'Exoguard (${environmentName})'
    identityPrincipalId: identity.outputs.principalId
    guards: guards
    optionalPermissions: optionalPermissions
    activityFeed: toLower(chosen(settings, 'ACTIVITY_FEED', 'auto')) == 'on'
    auditQueries: toLower(chosen(settings, 'AUDIT_QUERIES', 'off')) == 'on'
    containment: toLower(chosen(settings, 'CONTAINMENT_MODE', 'off'))
    grantPermissions: grantPermissions
  }
}

module storage 'storage.bicep' = {
  scope: group
  params: {
    hostAccountName: names.hostAccount
    packageContainer: names.packageContainer
    stateAccountName: names.stateAccount
    stateTable: stateTable
    location: location
    tags: tags
    sku: storageSku
    privateNetworking: privateNetworking
  }
}

module keyVault 'keyvault.bicep' = {
  scope: group
  params: {
    name: names.keyVault
    webhookSecretName: names.webhookSecret
    location: location
    tags: tags
    workspaceId: monitoring.outputs.workspaceId
    teamsWebhookUrl: teamsWebhookUrl
    privateNetworking: privateNetworking
    recover: recoverKeyVault
  }
}

module monitoring 'monitoring.bicep' = {
  scope: group
  params: {
    workspaceName: 'log-exoguard-${token}'
    insightsName: names.insights
    location: location
    tags: tags
  }
}

module alerts 'alerts.bicep' = {
  scope: group
  params: {
    insightsName: names.insights
    location: location
    tags: tags
    guards: guards
    alertEmails: alertEmails
    alertWebhookUrl: alertWebhookUrl
    deployedAt: deployedAt
  }
  dependsOn: [monitoring]
}

module network 'network.bicep' = if (privateNetworking) {
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    hostAccountName: names.hostAccount
    stateAccountName: names.stateAccount
    keyVaultName: names.keyVault
  }
  dependsOn: [keyVault, storage]
}

module roles 'roles.bicep' = {
  scope: group
  params: {
    identityName: names.identity
    hostAccountName: names.hostAccount
    stateAccountName: names.stateAccount
    keyVaultName: names.keyVault
    webhookSecretName: names.webhookSecret
    channelSecrets: empty(channelSecrets) ? [] : split(channelSecrets, ',')
    insightsName: names.insights
  }
  dependsOn: [identity, keyVault, monitoring, storage]
}

module app 'app.bicep' = {
  scope: group
  params: {
    name: names.app
    planName: 'plan-exoguard-${token}'
    location: location
    tags: tags
    identityName: names.identity
    clientId: newApp ? entra!.outputs.clientId : existingClientId
    cloud: cloud
    hostAccountName: names.hostAccount
    packageContainer: names.packageContainer
    stateAccountName: names.stateAccount
    stateTable: stateTable
    webhookSecretUri: keyVault.outputs.webhookSecretUri
    channelSecrets: empty(channelSecrets) ? [] : split(channelSecrets, ',')
    secretsUri: keyVault.outputs.secretsUri
    insightsName: names.insights
    guards: guards
    settings: settings
    signIn: signIn
    signInByIdentity: signInByIdentity
    allowedCidrs: empty(allowedCidrs) ? [] : split(allowedCidrs, ',')
    deploymentCidrs: empty(deploymentCidrs) ? [] : split(deploymentCidrs, ',')
    subnetId: privateNetworking ? network!.outputs.appSubnetId : ''
  }
  // The host reads its storage and the webhook's address as it starts.
  dependsOn: [roles]
}

module signInRegistration 'signin.bicep' = if (newSignIn) {
  scope: group
  params: {
    uniqueName: 'exoguard-sign-in-${token}'
    displayName: 'Exoguard sign-in (${environmentName})'
    hostName: app.outputs.hostName
    identityPrincipalId: identity.outputs.principalId
  }
}

module authentication 'auth.bicep' = {
  scope: group
  params: {
    appName: names.app
    enabled: signIn == 'entra'
    clientId: newSignIn ? signInRegistration!.outputs.clientId : existingSignInClientId
    assertionSetting: app.outputs.assertionSetting
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output FUNCTION_APP_NAME string = names.app
output FUNCTION_APP_HOST string = app.outputs.hostName
output EXOGUARD_CLIENT_ID string = newApp ? entra!.outputs.clientId : existingClientId
output EXOGUARD_SERVICE_PRINCIPAL_ID string = newApp ? entra!.outputs.servicePrincipalId : ''
output EXOGUARD_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output EXOGUARD_GRAPH_ROLES string = newApp ? entra!.outputs.graphRoles : ''
var containmentMode = 'containment=${toLower(chosen(settings, 'CONTAINMENT_MODE', 'off'))}'
output EXOGUARD_MODES string = join(
  concat(map(items(guards), guard => '${guard.key}=${guard.value.mode}'), [containmentMode]),
  ','
)
output EXOGUARD_PERMISSIONS_GRANTED bool = grantPermissions && newApp
output EXOGUARD_SIGN_IN string = signIn
output EXOGUARD_SIGN_IN_CLIENT_ID string = newSignIn ? signInRegistration!.outputs.clientId : existingSignInClientId
output EXOGUARD_SIGN_IN_SCOPE string = newSignIn ? signInRegistration!.outputs.scope : ''
output HOST_STORAGE_ACCOUNT_NAME string = names.hostAccount
output KEY_VAULT_NAME string = names.keyVault
output APPLICATION_INSIGHTS_NAME string = names.insights
output OUTBOUND_ADDRESS string = privateNetworking ? network!.outputs.outboundAddress : ''
