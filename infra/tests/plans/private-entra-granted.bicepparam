// Everything at once: private network, sign-in with Entra, grants, and every guard enforcing that can.
using '../../main.bicep'

param environmentName = 'private-network-and-sign-in-too'
param location = 'germanywestcentral'
param teamsWebhookUrl = 'https://sample.environment.api.powerplatform.com/sample'
param alertEmails = 'secops@contoso.example, oncall@contoso.example'
param alertWebhookUrl = 'https://pager.contoso.example/hook'
param privateNetworking = true
param signIn = 'entra'
param grantPermissions = true
param allowedCidrs = '203.0.113.0/24,198.51.100.7/32'
param deploymentCidrs = '203.0.113.0/24'
param deployedAt = '2026-01-01T00:00:00Z'
param settings = {
  MAILBOX_FORWARDING_MODE: 'enforce'
  PUBLIC_ADDRESS: 'https://exoguard.contoso.example'
}
