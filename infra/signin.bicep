// The app registration people sign in with where SIGN_IN is entra: who may look, who may act.
//
// It is another one than the guards': it has no permission in the tenant, and whoever is let in by it
// gets nothing from Entra but two app roles.
extension microsoftGraphV1

@description('What makes the registration the same one in every deployment; cannot be changed later.')
param uniqueName string

param displayName string

@description('Where the function app answers, without https://.')
param hostName string

@description('Object id of the managed identity that stands for the app when a sign-in is completed.')
param identityPrincipalId string

// What a token for the app is asked for by. Entra refuses one that names neither the tenant, nor the
// app, nor a domain of the tenant.
var identifierUri = 'api://${tenant().tenantId}/${uniqueName}'

var scopeId = guid(uniqueName, 'user_impersonation')

// The command line signs in with the Azure CLI, whose id is the same in every tenant.
var azureCli = '04b07795-8ddb-461a-bbee-02f9e1bf7b46'

// The audience of tokens that are exchanged, by Azure cloud.
var audiences = {
  AzureCloud: 'api://AzureADTokenExchange'
  AzureUSGovernment: 'api://AzureADTokenExchangeUSGov'
  AzureChinaCloud: 'api://AzureADTokenExchangeChina'
}

// The roles of core/api/authentication.py. Their ids must stay: assignments hang on them.
var roles = [
  {
    value: 'Exoguard.Reader'
    displayName: 'Reader'
    description: 'May look at the status, the cases, the runs and the export.'
  }
  {
    value: 'Exoguard.Operator'
    displayName: 'Operator'
    description: 'May look, and may run guards, release plans, exempt, undo and acknowledge.'
  }
]

resource application 'Microsoft.Graph/applications@v1.0' = {
  uniqueName: uniqueName
  displayName: displayName
  description: 'Lets people sign in to Exoguard. May do nothing in the tenant; has no secret.'
  signInAudience: 'AzureADMyOrg'
  identifierUris: [identifierUri]
  appRoles: [
    for role in roles: {
      id: guid(uniqueName, role.value)
      value: role.value
      displayName: role.displayName
      description: role.description
      allowedMemberTypes: ['User', 'Application']
      isEnabled: true
    }
  ]
  web: {
    redirectUris: ['https://${hostName}/.auth/login/aad/callback']
    implicitGrantSettings: {
      enableIdTokenIssuance: true
      enableAccessTokenIssuance: false
    }
  }
  api: {
    // Tokens of version 2 come from the issuer the app trusts.
    requestedAccessTokenVersion: 2
    oauth2PermissionScopes: [
      {
        id: scopeId
        value: 'user_impersonation'
        type: 'User'
        isEnabled: true
        adminConsentDisplayName: 'Use Exoguard'
        adminConsentDescription: 'Use Exoguard as the signed-in person, with the roles this person has.'
        userConsentDisplayName: 'Use Exoguard'
        userConsentDescription: 'Use Exoguard as you, with the roles you have.'
      }
    ]
    preAuthorizedApplications: [
      {
        appId: azureCli
        delegatedPermissionIds: [scopeId]
      }
    ]
  }

  resource trust 'federatedIdentityCredentials@v1.0' = {
    name: '${application.uniqueName}/managed-identity'
    description: 'The managed identity of the function app, in place of a secret'
    issuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
    subject: identityPrincipalId
    audiences: [audiences[environment().name]]
  }
}

resource principal 'Microsoft.Graph/servicePrincipals@v1.0' = {
  appId: application.appId
  accountEnabled: true
  // Only who has been given a role signs in at all.
  appRoleAssignmentRequired: true
}

output scope string = '${identifierUri}/.default'
output clientId string = application.appId
output servicePrincipalId string = principal.id
