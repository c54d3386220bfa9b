# What is left to do after `azd provision`, with the names of this deployment filled in. azd runs it
# with its outputs as environment variables; by hand: azd hooks run postprovision. It changes two
# values of the azd environment, which served this provision and would do harm in a later one.
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$missing = @(
    foreach ($name in 'EXOGUARD_CLIENT_ID', 'EXOGUARD_MODES', 'APPLICATION_INSIGHTS_NAME') {
        if (-not (Get-Item -Path "env:$name" -ErrorAction Ignore)) { $name }
    }
)
if ($missing.Count -gt 0) {
    Write-Host "The outputs of the deployment are missing: $($missing -join ', ')."
    Write-Host 'Run: azd provision. Or, after a deployment by hand, azd env refresh; then: azd hooks run postprovision.'
    exit 1
}

# A value that was used up: kept, it would put an old webhook back over a newer one, or ask for a
# deleted vault that is no longer deleted. The address also would lie in .azure/ in plain text.
function Clear-Used {
    param([string] $Name, [string] $Value)
    if (Get-Command -Name azd -CommandType Application -ErrorAction Ignore) {
        azd env set "$Name=$Value"
        if ($LASTEXITCODE -eq 0) { return }
    }
    Write-Host "azd could not be asked to forget ${Name}. Run: azd env set $Name=$Value"
}

# An azd secret (azd env set-secret) is a reference to a vault, and stays.
if ($env:TEAMS_WEBHOOK_URL -and $env:TEAMS_WEBHOOK_URL -notlike 'akvs://*') {
    Clear-Used 'TEAMS_WEBHOOK_URL' ''
    Write-Host 'The address of the webhook is in Key Vault now; the azd environment has forgotten it.'
}
if ($env:RECOVER_KEY_VAULT -eq 'true') { Clear-Used 'RECOVER_KEY_VAULT' 'false' }

$app = $env:EXOGUARD_CLIENT_ID
$principal = $env:EXOGUARD_SERVICE_PRINCIPAL_ID
if (-not $principal) {
    $principal = "(az ad sp show --id $app --query id --output tsv)"
}

# 'mailbox-audit=enforce,mailbox-forwarding=off' names each guard with its mode.
$on = @()
$enforcing = @()
foreach ($pair in $env:EXOGUARD_MODES -split ',') {
    $parts = $pair -split '='
    if ($parts[1] -ne 'off') { $on += $parts[0] }
    if ($parts[1] -eq 'enforce') { $enforcing += $parts[0] }
}
if (-not $enforcing) { $enforcing = @('none') }

Write-Host ''
Write-Host 'Exoguard is provisioned. What is left:'
Write-Host ''

if ($env:EXOGUARD_PERMISSIONS_GRANTED -eq 'true') {
    Write-Host '1. Permissions of Microsoft Graph and Exchange: granted.'
}
else {
    Write-Host '1. An administrator who may consent (Privileged Role Administrator) grants the permissions:'
    Write-Host "     az ad app permission admin-consent --id $app"
    if ($env:EXOGUARD_GRAPH_ROLES) {
        Write-Host "   Microsoft Graph: $env:EXOGUARD_GRAPH_ROLES"
        Write-Host '   Office 365 Exchange Online: Exchange.ManageAsApp'
    }
}

Write-Host ''
Write-Host '2. An Exchange administrator gives the app the cmdlets its guards use, and no others, in pwsh;'
Write-Host '   -WhatIf at the end shows what it would do:'
Write-Host "     ./infra/exchange-role.ps1 -AppId $app -ServicePrincipalObjectId $principal ``"
Write-Host "       -Guards $($on -join ',') -Enforce $($enforcing -join ',')"

Write-Host ''
Write-Host '3. The code is deployed by azd deploy, which azd up does next. A new grant can take an hour to be seen.'
Write-Host '   The first card comes with the next quarter of an hour. The log of the runs, and the workbook'
Write-Host "   Exoguard, are in Application Insights $env:APPLICATION_INSIGHTS_NAME."

if ($env:EXOGUARD_SIGN_IN -eq 'entra') {
    Write-Host ''
    Write-Host '4. Nobody can sign in to look or act before they have a role: in the Entra admin centre, under'
    Write-Host '   Enterprise applications, the sign-in of Exoguard, give Exoguard.Reader or Exoguard.Operator.'
    Write-Host "   Its application (client) id is $env:EXOGUARD_SIGN_IN_CLIENT_ID"
}
Write-Host ''
