// The secrets: the address of the Teams webhook, which lets its holder post, and what whoever
// switches on further channels writes here by hand.
import { tagsType } from 'types.bicep'

param name string
param webhookSecretName string
param location string
param tags tagsType
param workspaceId string

@secure()
param teamsWebhookUrl string

param privateNetworking bool
param recover bool

resource vault 'Microsoft.KeyVault/vaults@2025-05-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    createMode: recover ? 'recover' : 'default'
    enableRbacAuthorization: true
    enableSoftDelete: true
    enablePurgeProtection: true
    softDeleteRetentionInDays: 7
    publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
    networkAcls: {
      // Azure Resource Manager writes the secret from outside.
      bypass: 'AzureServices'
      defaultAction: privateNetworking ? 'Deny' : 'Allow'
    }
  }
}

resource webhook 'Microsoft.KeyVault/vaults/secrets@2025-05-01' = if (!empty(teamsWebhookUrl)) {
  parent: vault
  name: webhookSecretName
  properties: {
    value: teamsWebhookUrl
    contentType: 'address of a Teams Workflows webhook'
  }
}

resource readings 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'who-read-what'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        categoryGroup: 'audit'
        enabled: true
      }
    ]
  }
}

output secretsUri string = '${vault.properties.vaultUri}secrets/'
output webhookSecretUri string = '${vault.properties.vaultUri}secrets/${webhookSecretName}'
