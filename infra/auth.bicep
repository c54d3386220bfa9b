// App Service Authentication in front of the app: on where SIGN_IN is entra, off otherwise.
//
// Source: Microsoft Learn, "Configure your App Service or Azure Functions app to use Microsoft Entra
// sign-in", and the reference of Microsoft.Web/sites/config 'authsettingsV2'.
param appName string

@description('Ask everybody to sign in.')
param enabled bool

@description('Client id of the app registration people sign in with.')
param clientId string

@description('Name of the setting with the client id of the identity that stands for the app. Empty: none.')
param assertionSetting string

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  // These checks take every config of a site for the one with its general settings.
  // checkov:skip=CKV_AZURE_13:it is App Service Authentication itself
  // checkov:skip=CKV_AZURE_63:not a setting of authentication
  // checkov:skip=CKV_AZURE_65:not a setting of authentication
  // checkov:skip=CKV_AZURE_66:not a setting of authentication
  // checkov:skip=CKV_AZURE_80:not a setting of authentication
  // checkov:skip=CKV_AZURE_88:not a setting of authentication
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: { enabled: enabled }
    globalValidation: {
      requireAuthentication: enabled
      // A browser is sent to sign in; every path is behind this, none is left out.
      unauthenticatedClientAction: enabled ? 'RedirectToLoginPage' : 'AllowAnonymous'
      redirectToProvider: 'azureactivedirectory'
    }
    httpSettings: { requireHttps: true }
    identityProviders: {
      azureActiveDirectory: {
        enabled: enabled
        registration: {
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
          clientId: clientId
          // Without it the sign-in is completed in the browser: Entra's implicit flow.
          clientSecretSettingName: empty(assertionSetting) ? null : assertionSetting
        }
        validation: { allowedAudiences: empty(clientId) ? [] : [clientId] }
      }
    }
    login: {
      // The app asks no service in somebody's name, so there is no token to keep.
      tokenStore: { enabled: false }
      cookieExpiration: {
        convention: 'FixedTime'
        timeToExpiration: '08:00:00'
      }
    }
  }
}
