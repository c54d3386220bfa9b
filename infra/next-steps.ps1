# What is left to do after `azd provision`, with the names of this deployment filled in. Changes
# nothing. azd runs it with its outputs as environment variables.
$ErrorActionPreference = 'Stop'

$app = $env:EXOGUARD_CLIENT_ID
$principal = $env:EXOGUARD_SERVICE_PRINCIPAL_ID
if (-not $principal) {
    $principal = "(az ad sp show --id $app --query id --output tsv)"
}

# 'mailbox-audit=enforce,mailbox-forwarding=off' names each guard with its mode.
$on = @()
$enforcing = @()
foreach ($pair in $env:EXOGUARD_MODES -split ',') {
    $guard, $mode = $pair -split '='
    if ($mode -ne 'off') { $on += $guard }
    if ($mode -eq 'enforce') { $enforcing += $guard }
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
