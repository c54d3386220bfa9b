// The function app on the Flex Consumption plan, and every setting it has.
import { chosen, guardsType, kept, namesType, rangesType, settingsType, tagsType } from 'types.bicep'

param name string
param planName string
param location string
param tags tagsType
param identityName string
param clientId string
param cloud string
param hostAccountName string
param packageContainer string
param stateAccountName string
param stateTable string
param webhookSecretUri string

@description('Secrets of further channels that are in Key Vault, by the names of their settings.')
param channelSecrets namesType

@description('Address of the secrets in Key Vault, with a slash at the end.')
param secretsUri string

param insightsName string

@description('Guards by name: mode, schedule, limit, limitPercent.')
param guards guardsType

@description('Settings chosen for this deployment by name; what is missing or empty has its default.')
param settings settingsType

@description('Address ranges that may call the HTTP routes; none: nobody may.')
param allowedCidrs rangesType

@description('Address ranges that may deploy; none: anywhere, signed in with Entra.')
param deploymentCidrs rangesType

@description('Who may use the API: key (the function key) or entra (App Service Authentication).')
param signIn string

@description('The identity stands for the app when a sign-in is completed, in place of a secret.')
param signInByIdentity bool

@description('The subnet the app reaches out from; empty: none.')
param subnetId string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

resource host 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostAccountName
}

resource state 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: stateAccountName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

// All settings of the app: the host's own first, then those of core/config/settings.py.
var appSettings = {
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  AzureWebJobsStorage__blobServiceUri: host.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: host.properties.primaryEndpoints.queue
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  TENANT_ID: tenant().tenantId
  TENANT_NAME: tenant().displayName
  CLIENT_ID: clientId
  MANAGED_IDENTITY_CLIENT_ID: identity.properties.clientId
  CLOUD: cloud
  MANAGEMENT_ENDPOINT: chosen(settings, 'MANAGEMENT_ENDPOINT', '')
  // Relies on azure-key-vault.
  TEAMS_WEBHOOK_URL: '@Microsoft.KeyVault(SecretUri=${webhookSecretUri})'
  WEBHOOK_HOSTS: chosen(settings, 'WEBHOOK_HOSTS', '')
  WEBHOOK_ANSWERS: chosen(settings, 'WEBHOOK_ANSWERS', '202')
  PUBLIC_ADDRESS: chosen(settings, 'PUBLIC_ADDRESS', '')
  STATE_TABLE_ENDPOINT: state.properties.primaryEndpoints.table
  STATE_TABLE: stateTable
  RESOURCE_MAILBOX_KINDS: chosen(
    settings,
    'RESOURCE_MAILBOX_KINDS',
    'SharedMailbox,RoomMailbox,EquipmentMailbox,SchedulingMailbox'
  )
  LICENSED_MAILBOXES: chosen(settings, 'LICENSED_MAILBOXES', 'alert')
  BREAK_GLASS_ACCOUNTS: chosen(settings, 'BREAK_GLASS_ACCOUNTS', '')
  SIGN_IN_AT_FIRST_LOOK: chosen(settings, 'SIGN_IN_AT_FIRST_LOOK', 'block')
  RECENT_SIGN_IN_DAYS: chosen(settings, 'RECENT_SIGN_IN_DAYS', '30')
  AUDIT_LOG_AGE_DAYS: chosen(settings, 'AUDIT_LOG_AGE_DAYS', '90')
  MAIL_ITEMS_ACCESSED: chosen(settings, 'MAIL_ITEMS_ACCESSED', 'licensed')
  ALLOWED_FORWARD_DOMAINS: chosen(settings, 'ALLOWED_FORWARD_DOMAINS', '')
  BASELINE_FILE: chosen(settings, 'BASELINE_FILE', '')
  BASELINE_ENFORCE: chosen(settings, 'BASELINE_ENFORCE', '')
  MASS_DELETION_COUNT: chosen(settings, 'MASS_DELETION_COUNT', '10')
  MASS_DELETION_PERCENT: chosen(settings, 'MASS_DELETION_PERCENT', '5')
  MASS_DELETION_HOURS: chosen(settings, 'MASS_DELETION_HOURS', '24')
  LEGACY_PROTOCOLS_WITHOUT_SIGN_INS: chosen(settings, 'LEGACY_PROTOCOLS_WITHOUT_SIGN_INS', 'ask')
  RUN_MINUTES: chosen(settings, 'RUN_MINUTES', '8')
  GRAPH_CONCURRENCY: chosen(settings, 'GRAPH_CONCURRENCY', '16')
  EXCHANGE_CONCURRENCY: chosen(settings, 'EXCHANGE_CONCURRENCY', '6')
  SHARD_ABOVE: chosen(settings, 'SHARD_ABOVE', '20000')
  SHARDS_AT_ONCE: chosen(settings, 'SHARDS_AT_ONCE', '4')
  ACTIVITY_SCHEDULE: chosen(settings, 'ACTIVITY_SCHEDULE', '30 2/5 * * * *')
  ACTIVITY_FEED: chosen(settings, 'ACTIVITY_FEED', 'auto')
  CONTAINMENT_MODE: chosen(settings, 'CONTAINMENT_MODE', 'off')
  CONTAINMENT_LIMIT: chosen(settings, 'CONTAINMENT_LIMIT', '3')
  CONTAINMENT_RULES: chosen(settings, 'CONTAINMENT_RULES', '')
  AUDIT_QUERIES: chosen(settings, 'AUDIT_QUERIES', 'off')
  ACTIVITY_ACCOUNTS: chosen(settings, 'ACTIVITY_ACCOUNTS', 'on')
  FORWARDING_EACH_TICK: chosen(settings, 'FORWARDING_EACH_TICK', 'on')
  DIGEST_SCHEDULE: chosen(settings, 'DIGEST_SCHEDULE', '0 0 7 * * 1')
  SIGN_IN: signIn
  REMIND_DAYS: chosen(settings, 'REMIND_DAYS', '7')
  // The channels besides Teams. What is secret is in Key Vault, under the setting's name in small
  // letters with hyphens; the deployer says which of them are there.
  MAIL_SENDER: chosen(settings, 'MAIL_SENDER', '')
  MAIL_TO: chosen(settings, 'MAIL_TO', '')
  MAIL_SEVERITY: chosen(settings, 'MAIL_SEVERITY', 'high')
  MAIL_GUARDS: chosen(settings, 'MAIL_GUARDS', '')
  EVENT_WEBHOOK_URL: kept(channelSecrets, secretsUri, 'EVENT_WEBHOOK_URL')
  EVENT_WEBHOOK_SECRET: kept(channelSecrets, secretsUri, 'EVENT_WEBHOOK_SECRET')
  EVENT_WEBHOOK_SEVERITY: chosen(settings, 'EVENT_WEBHOOK_SEVERITY', 'low')
  EVENT_WEBHOOK_GUARDS: chosen(settings, 'EVENT_WEBHOOK_GUARDS', '')
  PAGERDUTY_ROUTING_KEY: kept(channelSecrets, secretsUri, 'PAGERDUTY_ROUTING_KEY')
  PAGERDUTY_ENDPOINT: chosen(settings, 'PAGERDUTY_ENDPOINT', 'https://events.pagerduty.com')
  PAGERDUTY_SEVERITY: chosen(settings, 'PAGERDUTY_SEVERITY', 'critical')
  PAGERDUTY_GUARDS: chosen(settings, 'PAGERDUTY_GUARDS', '')
  SLACK_WEBHOOK_URL: kept(channelSecrets, secretsUri, 'SLACK_WEBHOOK_URL')
  SLACK_SEVERITY: chosen(settings, 'SLACK_SEVERITY', 'high')
  SLACK_GUARDS: chosen(settings, 'SLACK_GUARDS', '')
  SERVICENOW_INSTANCE: chosen(settings, 'SERVICENOW_INSTANCE', '')
  SERVICENOW_USER: chosen(settings, 'SERVICENOW_USER', '')
  SERVICENOW_PASSWORD: kept(channelSecrets, secretsUri, 'SERVICENOW_PASSWORD')
  SERVICENOW_SEVERITY: chosen(settings, 'SERVICENOW_SEVERITY', 'high')
  SERVICENOW_GUARDS: chosen(settings, 'SERVICENOW_GUARDS', '')
  SENTINEL_ENDPOINT: chosen(settings, 'SENTINEL_ENDPOINT', '')
  SENTINEL_RULE: chosen(settings, 'SENTINEL_RULE', '')
  SENTINEL_SEVERITY: chosen(settings, 'SENTINEL_SEVERITY', 'low')
  SENTINEL_GUARDS: chosen(settings, 'SENTINEL_GUARDS', '')
  // <!-- guard settings -->
  SHARED_MAILBOX_SIGN_IN_SCHEDULE: guards['shared-mailbox-sign-in'].schedule
  SHARED_MAILBOX_SIGN_IN_MODE: guards['shared-mailbox-sign-in'].mode
  SHARED_MAILBOX_SIGN_IN_LIMIT: guards['shared-mailbox-sign-in'].limit
  SHARED_MAILBOX_SIGN_IN_LIMIT_PERCENT: guards['shared-mailbox-sign-in'].limitPercent
  MAILBOX_FORWARDING_SCHEDULE: guards['mailbox-forwarding'].schedule
  MAILBOX_FORWARDING_MODE: guards['mailbox-forwarding'].mode
  MAILBOX_FORWARDING_LIMIT: guards['mailbox-forwarding'].limit
  MAILBOX_FORWARDING_LIMIT_PERCENT: guards['mailbox-forwarding'].limitPercent
  MAILBOX_AUDIT_SCHEDULE: guards['mailbox-audit'].schedule
  MAILBOX_AUDIT_MODE: guards['mailbox-audit'].mode
  MAILBOX_AUDIT_LIMIT: guards['mailbox-audit'].limit
  MAILBOX_AUDIT_LIMIT_PERCENT: guards['mailbox-audit'].limitPercent
  MAILBOX_DELEGATION_SCHEDULE: guards['mailbox-delegation'].schedule
  MAILBOX_DELEGATION_MODE: guards['mailbox-delegation'].mode
  MAILBOX_DELEGATION_LIMIT: guards['mailbox-delegation'].limit
  MAILBOX_DELEGATION_LIMIT_PERCENT: guards['mailbox-delegation'].limitPercent
  TENANT_BASELINE_SCHEDULE: guards['tenant-baseline'].schedule
  TENANT_BASELINE_MODE: guards['tenant-baseline'].mode
  TENANT_BASELINE_LIMIT: guards['tenant-baseline'].limit
  TENANT_BASELINE_LIMIT_PERCENT: guards['tenant-baseline'].limitPercent
  APP_CONSENT_SCHEDULE: guards['app-consent'].schedule
  APP_CONSENT_MODE: guards['app-consent'].mode
  APP_CONSENT_LIMIT: guards['app-consent'].limit
  APP_CONSENT_LIMIT_PERCENT: guards['app-consent'].limitPercent
  MFA_REGISTRATION_SCHEDULE: guards['mfa-registration'].schedule
  MFA_REGISTRATION_MODE: guards['mfa-registration'].mode
  MFA_REGISTRATION_LIMIT: guards['mfa-registration'].limit
  MFA_REGISTRATION_LIMIT_PERCENT: guards['mfa-registration'].limitPercent
  MASS_DELETION_SCHEDULE: guards['mass-deletion'].schedule
  MASS_DELETION_MODE: guards['mass-deletion'].mode
  MASS_DELETION_LIMIT: guards['mass-deletion'].limit
  MASS_DELETION_LIMIT_PERCENT: guards['mass-deletion'].limitPercent
  EXCHANGE_MODULE_ACCESS_SCHEDULE: guards['exchange-module-access'].schedule
  EXCHANGE_MODULE_ACCESS_MODE: guards['exchange-module-access'].mode
  EXCHANGE_MODULE_ACCESS_LIMIT: guards['exchange-module-access'].limit
  EXCHANGE_MODULE_ACCESS_LIMIT_PERCENT: guards['exchange-module-access'].limitPercent
  LEGACY_PROTOCOLS_SCHEDULE: guards['legacy-protocols'].schedule
  LEGACY_PROTOCOLS_MODE: guards['legacy-protocols'].mode
  LEGACY_PROTOCOLS_LIMIT: guards['legacy-protocols'].limit
  LEGACY_PROTOCOLS_LIMIT_PERCENT: guards['legacy-protocols'].limitPercent
  EXTERNAL_TRUST_SCHEDULE: guards['external-trust'].schedule
  EXTERNAL_TRUST_MODE: guards['external-trust'].mode
  EXTERNAL_TRUST_LIMIT: guards['external-trust'].limit
  EXTERNAL_TRUST_LIMIT_PERCENT: guards['external-trust'].limitPercent
  EXCHANGE_ROLES_SCHEDULE: guards['exchange-roles'].schedule
  EXCHANGE_ROLES_MODE: guards['exchange-roles'].mode
  EXCHANGE_ROLES_LIMIT: guards['exchange-roles'].limit
  EXCHANGE_ROLES_LIMIT_PERCENT: guards['exchange-roles'].limitPercent
  MAIL_PROTECTION_SCHEDULE: guards['mail-protection'].schedule
  MAIL_PROTECTION_MODE: guards['mail-protection'].mode
  MAIL_PROTECTION_LIMIT: guards['mail-protection'].limit
  MAIL_PROTECTION_LIMIT_PERCENT: guards['mail-protection'].limitPercent
  PRIVILEGED_CHANGE_SCHEDULE: guards['privileged-change'].schedule
  PRIVILEGED_CHANGE_MODE: guards['privileged-change'].mode
  PRIVILEGED_CHANGE_LIMIT: guards['privileged-change'].limit
  PRIVILEGED_CHANGE_LIMIT_PERCENT: guards['privileged-change'].limitPercent
  RISKY_ACCOUNTS_SCHEDULE: guards['risky-accounts'].schedule
  RISKY_ACCOUNTS_MODE: guards['risky-accounts'].mode
  RISKY_ACCOUNTS_LIMIT: guards['risky-accounts'].limit
  RISKY_ACCOUNTS_LIMIT_PERCENT: guards['risky-accounts'].limitPercent
  SHARED_MAILBOX_HEALTH_SCHEDULE: guards['shared-mailbox-health'].schedule
  SHARED_MAILBOX_HEALTH_MODE: guards['shared-mailbox-health'].mode
  SHARED_MAILBOX_HEALTH_LIMIT: guards['shared-mailbox-health'].limit
  SHARED_MAILBOX_HEALTH_LIMIT_PERCENT: guards['shared-mailbox-health'].limitPercent
  // <!-- end -->
}

// Settings of App Service Authentication (Microsoft Learn: "Use a managed identity instead of a
// secret", a preview, and the reference of environment variables).
var assertionSetting = 'OVERRIDE_USE_MI_FIC_ASSERTION_CLIENTID'
var signInSettings = union(
  signIn == 'entra' ? { WEBSITE_AUTH_AAD_ALLOWED_TENANTS: tenant().tenantId } : {},
  signIn == 'entra' && signInByIdentity ? { '${assertionSetting}': identity.properties.clientId } : {}
)

// Where people sign in, a browser reaches the pages, and cards can link to them.
var ownAddress = signIn == 'entra' ? 'https://${app.properties.defaultHostName}' : ''
var addressSettings = {
  PUBLIC_ADDRESS: chosen(settings, 'PUBLIC_ADDRESS', ownAddress)
}

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  // azd finds the app by the name its service has in azure.yaml.
  tags: union(tags, { 'azd-service-name': 'exoguard' })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identity.id}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    publicNetworkAccess: 'Enabled'
    keyVaultReferenceIdentity: identity.id
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${host.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.id
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        instanceMemoryMB: 2048
        maximumInstanceCount: 40
      }
    }
    siteConfig: {
      http20Enabled: true
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ipSecurityRestrictionsDefaultAction: 'Deny'
      ipSecurityRestrictions: [
        for (range, index) in allowedCidrs: {
          name: 'allowed-${index}'
          action: 'Allow'
          ipAddress: trim(range)
          priority: 100 + index
        }
      ]
      scmIpSecurityRestrictionsUseMain: false
      scmIpSecurityRestrictionsDefaultAction: empty(deploymentCidrs) ? 'Allow' : 'Deny'
      scmIpSecurityRestrictions: [
        for (range, index) in deploymentCidrs: {
          name: 'deployment-${index}'
          action: 'Allow'
          ipAddress: trim(range)
          priority: 100 + index
        }
      ]
    }
  }

  resource configuration 'config' = {
    name: 'appsettings'
    properties: union(appSettings, signInSettings, addressSettings)
  }

  // Relies on azure-ftps-state, azure-publishing-location.
  // User names and passwords for deployment and FTP: off; azd signs in with Entra. Flex refuses
  // ftpsState in some regions (Azure/azure-cli#31414), and these policies close FTP as well. Without
  // a location some regions refuse them.
  resource noFtp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    #disable-next-line BCP187
    location: location
    properties: { allow: false }
  }

  resource noScmPasswords 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    #disable-next-line BCP187
    location: location
    properties: { allow: false }
  }
}

output assertionSetting string = signInByIdentity ? assertionSetting : ''
output hostName string = app.properties.defaultHostName
