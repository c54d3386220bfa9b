// What more than one file says of its parameters.

@export()
@description('Tags by name.')
type tagsType = {
  *: string
}

@export()
@description('Settings of the app by name, as texts; what is missing or empty has its default.')
type settingsType = {
  *: string
}

@export()
@description('Address ranges in CIDR notation.')
type rangesType = string[]

@export()
@description('Names of settings.')
type namesType = string[]

@export()
@description('How one guard is deployed. All are texts, as settings are.')
type guardType = {
  @description('off, alert or enforce.')
  mode: string

  @description('NCRONTAB expression in UTC.')
  schedule: string

  @description('The brake: changes in one run, as a number and as a share.')
  limit: string
  limitPercent: string

  @description('After how long without a completed run an alert is sent.')
  maxAgeMinutes: string
}

@export()
@description('Guards by name.')
type guardsType = {
  *: guardType
}

@export()
@description('A setting as it was chosen, or its default.')
func chosen(given settingsType, name string, fallback string) string =>
  empty(given[?name]) ? fallback : string(given[?name])

@export()
@description('The reference to a secret in Key Vault, under the name of its setting; empty if it is not there.')
func kept(secrets string[], uri string, name string) string =>
  contains(secrets, name) ? '@Microsoft.KeyVault(SecretUri=${uri}${toLower(replace(name, '_', '-'))})' : ''
