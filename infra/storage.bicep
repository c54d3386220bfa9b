// Two accounts, so that what can write the app's memory cannot write its code, and the other way
// round: the host keeps the package, its leases and the queue in one, the app its state in the other.
import { tagsType } from 'types.bicep'

param hostAccountName string
param packageContainer string
param stateAccountName string
param stateTable string
param location string
param tags tagsType
param sku string
param privateNetworking bool

var safe = {
  accessTier: 'Hot'
  allowBlobPublicAccess: false
  allowCrossTenantReplication: false
  allowSharedKeyAccess: false
  defaultToOAuthAuthentication: true
  minimumTlsVersion: 'TLS1_2'
  supportsHttpsTrafficOnly: true
  publicNetworkAccess: privateNetworking ? 'Disabled' : 'Enabled'
  networkAcls: {
    bypass: 'None'
    defaultAction: privateNetworking ? 'Deny' : 'Allow'
  }
}

resource host 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: hostAccountName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: safe

  resource blobs 'blobServices' = {
    name: 'default'
    properties: {
      deleteRetentionPolicy: {
        enabled: true
        days: 7
      }
    }

    resource package 'containers' = {
      name: packageContainer
      properties: { publicAccess: 'None' }
    }
  }

  resource queues 'queueServices' = {
    name: 'default'

    resource runs 'queues' = {
      name: 'exoguard-runs'
    }

    // Shards of a tenant too large for one run.
    resource shards 'queues' = {
      name: 'exoguard-shards'
    }

    // Where the host puts what failed too often. Both exist from the beginning: scaling has been seen
    // to stop at a missing one.
    resource runsPoison 'queues' = {
      name: 'exoguard-runs-poison'
    }

    resource shardsPoison 'queues' = {
      name: 'exoguard-shards-poison'
    }
  }
}

resource state 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: stateAccountName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: { name: sku }
  properties: safe

  resource tables 'tableServices' = {
    name: 'default'

    resource table 'tables' = {
      name: stateTable
    }

    // Says whether the table above is that of today: core/adapters/table_storage/journal.py.
    resource journal 'tables' = {
      name: '${stateTable}journal'
    }
  }
}
