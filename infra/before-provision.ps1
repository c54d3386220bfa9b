# What would stop `azd provision` halfway, or leave an app that cannot speak: asked before anything is
# made. azd runs it with its environment; by hand: azd hooks run preprovision. Changes nothing.
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$problems = @()

# The host of an address, in small letters; nothing for what is none.
function Get-AddressHost {
    param([string] $Address)
    if ($Address -notlike 'https://*/*') { return }
    (($Address -split '/')[2] -split ':')[0].ToLowerInvariant()
}

# Why the app would not use a channel besides Teams; nothing if it would, or the channel is off.
function Get-ChannelProblem {
    param([string] $Name, [string] $Address, [string[]] $Ends)
    if (-not $Address) { return }
    $target = Get-AddressHost "$Address/"
    if (-not $target) { return "$Name is no https address." }
    $taken = $target -in $own
    foreach ($end in $Ends) {
        if ($target -eq $end -or $target -like "*.$end") { $taken = $true }
    }
    if (-not $taken) { return "The app sends nothing to $target ($Name). Name it in WEBHOOK_HOSTS if it is yours." }
}

$own = @($env:WEBHOOK_HOSTS -split ',' | ForEach-Object { $_.Trim() } | Where-Object { $_ })
$az = Get-Command -Name az -CommandType Application -ErrorAction Ignore
$account = ''
if ($az) { $account = az account show --query id --output tsv 2>$null }

# Once it is in Key Vault the address need not be given again, as long as that vault is there.
$webhook = $env:TEAMS_WEBHOOK_URL
if (-not $webhook -and -not $env:KEY_VAULT_NAME) {
    $problems += "TEAMS_WEBHOOK_URL is not set. Run: azd env set TEAMS_WEBHOOK_URL 'https://...'"
} elseif (-not $webhook -and $account -and $env:RECOVER_KEY_VAULT -ne 'true') {
    $vault = az keyvault show --name $env:KEY_VAULT_NAME --query name --output tsv 2>$null
    if (-not $vault) {
        $problems += "TEAMS_WEBHOOK_URL is not set, and the vault $env:KEY_VAULT_NAME that held it is gone. Run: azd env set TEAMS_WEBHOOK_URL 'https://...'"
    }
}

# An azd secret (azd env set-secret) is a reference here, and no address to look at.
if ($webhook -and $webhook -notlike 'akvs://*') {
    $target = Get-AddressHost $webhook
    $taken = $target -in $own -or $target -like '*.powerplatform.com'
    if (-not $target) {
        $problems += 'TEAMS_WEBHOOK_URL is no https address. Copy it again from the workflow, in quotes.'
    } elseif (-not $taken -and $target -like '*.webhook.office.com') {
        $problems += 'Connectors of Office 365 have ended. Make a workflow in Teams, and set its address.'
    } elseif (-not $taken -and $target -like '*.logic.azure.com') {
        $problems += 'Workflows left logic.azure.com. Copy the address anew, or name a Logic App of yours in WEBHOOK_HOSTS.'
    } elseif (-not $taken) {
        $problems += "The app sends no cards to $target. Name it in WEBHOOK_HOSTS if it is yours."
    }
}

$problems += @(Get-ChannelProblem 'PAGERDUTY_ENDPOINT' $env:PAGERDUTY_ENDPOINT @('pagerduty.com'))
$problems += @(Get-ChannelProblem 'SERVICENOW_INSTANCE' $env:SERVICENOW_INSTANCE @('service-now.com', 'servicenowservices.com'))
$problems += @(Get-ChannelProblem 'SENTINEL_ENDPOINT' $env:SENTINEL_ENDPOINT @('ingest.monitor.azure.com', 'ingest.monitor.azure.us', 'ingest.monitor.azure.cn'))

if (-not $env:ALERT_EMAILS) {
    $problems += "ALERT_EMAILS is not set: nobody would hear that the app is silent. Run: azd env set ALERT_EMAILS 'a@b.example'"
}

if ($env:PRIVATE_NETWORKING -eq 'true') {
    $state = ''
    if ($account) { $state = az provider show --namespace Microsoft.App --query registrationState --output tsv 2>$null }
    if (-not $state) {
        Write-Warning 'Azure was not asked whether Microsoft.App is registered (az is missing or not signed in). The subnet needs it.'
    } elseif ("$state".Trim() -ne 'Registered') {
        $problems += 'The subnet of the app needs a resource provider. Run: az provider register --namespace Microsoft.App --wait'
    }
}

if ($account -and $env:RECOVER_KEY_VAULT -ne 'true') {
    $query = "[?properties.tags.`"azd-env-name`"=='$env:AZURE_ENV_NAME'].name"
    $deleted = az keyvault list-deleted --resource-type vault --query $query --output tsv 2>$null
    if ($deleted) {
        Write-Warning "A deleted vault of this environment is kept for a week ($deleted). If its name is refused: azd env set RECOVER_KEY_VAULT true"
    }
}

if ($problems.Count -gt 0) {
    Write-Host 'Nothing was provisioned yet. First:'
    foreach ($problem in $problems) { Write-Host "  - $problem" }
    exit 1
}
