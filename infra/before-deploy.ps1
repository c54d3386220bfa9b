# Waits until a new app can take its code. Right after it was made, its deployment endpoint answers
# 503 for some minutes, and storage does not know yet that the app's identity may write the package:
# 'InaccessibleStorageException ... 403' (Azure/azure-dev#8026). azd runs it with its outputs as
# environment variables. Changes nothing, and never waits longer than ten minutes.
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false

$RoleMinutes = 5
$EndpointAttempts = 20
$Pause = 15
$Again = 'If the deployment is refused all the same: wait some minutes, then azd deploy.'

function Wait-Role {
    $scope = ''
    if (Get-Command -Name az -CommandType Application -ErrorAction Ignore) {
        $scope = az storage account show --resource-group $env:AZURE_RESOURCE_GROUP `
            --name $env:HOST_STORAGE_ACCOUNT_NAME --query id --output tsv 2>$null
    }
    if (-not $scope) {
        Write-Host "Azure was not asked how old the role of the app's identity is (az is missing or not signed in). $Again"
        return
    }
    $query = "[?principalId=='$env:EXOGUARD_IDENTITY_PRINCIPAL_ID' && roleDefinitionName=='Storage Blob Data Owner'].createdOn | [0]"
    $created = az role assignment list --scope $scope --fill-principal-name false --query $query --output tsv 2>$null
    if (-not $created) {
        Write-Host "The app's identity has no role on the storage of its package, or you may not see it. $Again"
        return
    }
    for ($waited = 0; $waited -lt $RoleMinutes; $waited++) {
        $age = New-TimeSpan -Start $created -End (Get-Date)
        if ($age.TotalMinutes -ge $RoleMinutes) { return }
        Write-Host "Waiting until storage knows the role of the app's identity: at most $($RoleMinutes - $waited) minutes more."
        Start-Sleep -Seconds 60
    }
}

function Wait-Endpoint {
    # name.azurewebsites.net has its deployment endpoint at name.scm.azurewebsites.net.
    $parts = $env:FUNCTION_APP_HOST -split '\.', 2
    $endpoint = "https://$($parts[0]).scm.$($parts[1])/"
    for ($attempt = 1; $attempt -le $EndpointAttempts; $attempt++) {
        $status = 0
        try {
            $answer = Invoke-WebRequest -Uri $endpoint -Method Head -SkipHttpErrorCheck -TimeoutSec 20
            $status = $answer.StatusCode
        } catch {
            $status = 0
        }
        if ($status -ne 0 -and $status -ne 503) { return }
        Write-Host "Waiting for the deployment endpoint of the app ($attempt of $EndpointAttempts)."
        Start-Sleep -Seconds $Pause
    }
    Write-Host "The deployment endpoint does not answer yet. $Again"
}

if (-not $env:FUNCTION_APP_HOST) {
    Write-Host 'There is no app to deploy to yet. Run: azd provision'
    exit 1
}
Wait-Role
Wait-Endpoint
