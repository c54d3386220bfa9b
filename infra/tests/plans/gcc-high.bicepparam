// A national cloud, where Bicep cannot register applications: both are made by hand.
using '../../main.bicep'

param environmentName = 'gcc-high'
param location = 'usgovvirginia'
param teamsWebhookUrl = 'https://sample.environment.api.powerplatform.com/sample'
param alertEmails = 'secops@contoso.example'
param cloud = 'gcc-high'
param existingClientId = '11111111-1111-1111-1111-111111111111'
param signIn = 'entra'
param existingSignInClientId = '22222222-2222-2222-2222-222222222222'
param storageSku = 'Standard_LRS'
param deployedAt = '2026-01-01T00:00:00Z'
