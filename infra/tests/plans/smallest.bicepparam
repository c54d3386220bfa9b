// The least that can be deployed. `bicep snapshot` works the whole plan out of it, without Azure.
using '../../main.bicep'

param environmentName = 'smallest'
param location = 'westeurope'
param teamsWebhookUrl = 'https://sample.environment.api.powerplatform.com/sample'
param alertEmails = 'secops@contoso.example'
param storageSku = 'Standard_LRS'
param deployedAt = '2026-01-01T00:00:00Z'
