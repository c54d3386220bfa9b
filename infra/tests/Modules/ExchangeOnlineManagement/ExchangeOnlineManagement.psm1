# A stand-in for tests: the role management of Exchange Online, held in memory. The real module has
# the same cmdlets; a parameter that is not listed here is an error, as it is there.
#
# $Tenant is the whole state. Its knobs:
#   Lag          how many looks a new object stays unseen (replication)
#   Dehydrated   Get-OrganizationConfig says that custom roles are not taken yet
#   Connections  what Get-ConnectionInformation returns
#   Writes       one text for each write, in order
$script:Tenant = $null

$Common = 'Confirm', 'Debug', 'ErrorAction', 'ErrorVariable', 'OutBuffer', 'OutVariable', 'Verbose',
    'WarningAction', 'WarningVariable', 'WhatIf'

# A tenant as Microsoft makes it. BuiltIn: name of a role -> name of a cmdlet -> its parameters.
function Reset-Tenant {
    param([hashtable] $BuiltIn)
    $roles = @{}
    foreach ($name in $BuiltIn.Keys) {
        $entries = @{}
        foreach ($cmdlet in $BuiltIn[$name].Keys) { $entries[$cmdlet] = @($BuiltIn[$name][$cmdlet]) + $Common }
        $roles[$name] = @{ Name = $name; Parent = ''; Entries = $entries; EndUser = $name -like 'My*'; ReadScope = 'Organization' }
    }
    $script:Tenant = @{
        Roles = $roles; Groups = @{}; Assignments = @{}; Principals = @{}
        Lag = 0; Unseen = @{}; Dehydrated = $false; Writes = [System.Collections.Generic.List[string]]::new()
        Connections = @(New-Connection)
    }
}

function Get-Tenant { $script:Tenant }

function New-Connection { [pscustomobject]@{ State = 'Connected'; IsEopSession = $false } }

function Add-Write { param([string] $Text) $script:Tenant.Writes.Add($Text) }

# Whether an object made a moment ago does not show yet.
function Test-Unseen {
    param([string] $Key)
    if (-not $script:Tenant.Unseen.ContainsKey($Key)) { $script:Tenant.Unseen[$Key] = $script:Tenant.Lag }
    if ($script:Tenant.Unseen[$Key] -le 0) { return $false }
    $script:Tenant.Unseen[$Key]--
    $true
}

function Get-ConnectionInformation { [CmdletBinding()] param() $script:Tenant.Connections }

function Connect-ExchangeOnline {
    [CmdletBinding()] param([switch] $ShowBanner, [string] $ExchangeEnvironmentName)
    $script:Tenant.Connections = @(New-Connection)
}

function Get-OrganizationConfig { [CmdletBinding()] param() [pscustomobject]@{ IsDehydrated = $script:Tenant.Dehydrated } }

function Get-ManagementRole {
    [CmdletBinding()] param($Identity, [string] $Cmdlet, [string[]] $CmdletParameters)
    foreach ($role in @($script:Tenant.Roles.Values)) {
        if ($Cmdlet) {
            $entry = $role.Entries[$Cmdlet]
            if (-not $entry -or @($CmdletParameters | Where-Object { $_ -and $_ -notin $entry }).Count) { continue }
        }
        if ($role.Parent -and (Test-Unseen "role $($role.Name)")) { continue }
        [pscustomobject]@{
            Name = $role.Name; Identity = $role.Name; Parent = $role.Parent; IsEndUserRole = $role.EndUser
            IsDeprecated = $false; ImplicitRecipientReadScope = if ($role.EndUser) { 'Self' } else { $role.ReadScope }
        }
    }
}

function Get-ManagementRoleEntry {
    [CmdletBinding()] param([Parameter(Mandatory)] [string] $Identity, $ResultSize)
    $name = ($Identity -split '\\')[0]
    $role = $script:Tenant.Roles[$name]
    if (-not $role) { throw "The management role '$name' couldn't be found." }
    foreach ($cmdlet in $role.Entries.Keys) {
        [pscustomobject]@{ Name = $cmdlet; Role = $name; Parameters = $role.Entries[$cmdlet] }
    }
}

function New-ManagementRole {
    [CmdletBinding(SupportsShouldProcess)]
    param([string] $Name, [string] $Parent, [string[]] $EnabledCmdlets, [string] $Description)
    if ($Name.Length -gt 64) { throw "The length of the property is too long: '$Name'." }
    if ($script:Tenant.Roles[$Name]) { throw "The role '$Name' already exists." }
    $entries = @{}
    foreach ($cmdlet in $EnabledCmdlets) { $entries[$cmdlet] = @($script:Tenant.Roles[$Parent].Entries[$cmdlet]) }
    $script:Tenant.Roles[$Name] = @{ Name = $Name; Parent = $Parent; Entries = $entries; EndUser = $false; ReadScope = 'Organization' }
    Add-Write "New-ManagementRole $Name"
    [pscustomobject]@{ Name = $Name }
}

function Set-ManagementRoleEntry {
    [CmdletBinding(SupportsShouldProcess)]
    param([string] $Identity, [string[]] $Parameters, [switch] $AddParameter, [switch] $RemoveParameter)
    $name, $cmdlet = $Identity -split '\\'
    $script:Tenant.Roles[$name].Entries[$cmdlet] = @($Parameters)
    Add-Write "Set-ManagementRoleEntry $Identity"
}

function Remove-ManagementRole {
    [CmdletBinding(SupportsShouldProcess)] param([string] $Identity)
    if (@($script:Tenant.Assignments.Values | Where-Object { $_.Role -eq $Identity }).Count) {
        throw "The role '$Identity' has role assignments."
    }
    $script:Tenant.Roles.Remove($Identity)
    Add-Write "Remove-ManagementRole $Identity"
}

function Get-ManagementRoleAssignment {
    [CmdletBinding()] param([string] $Role, [bool] $Delegating)
    foreach ($one in @($script:Tenant.Assignments.Values)) {
        if ($Role -and $one.Role -ne $Role) { continue }
        [pscustomobject]@{
            Identity = $one.Name; Name = $one.Name; Role = $one.Role; RoleAssigneeName = $one.Group
            CustomRecipientWriteScope = $one.Scope
        }
    }
}

function New-ManagementRoleAssignment {
    [CmdletBinding(SupportsShouldProcess)]
    param([string] $Name, [string] $Role, [string] $SecurityGroup, [string] $App)
    if ($script:Tenant.Assignments[$Name]) { throw "The assignment '$Name' already exists." }
    $script:Tenant.Assignments[$Name] = @{ Name = $Name; Role = $Role; Group = $SecurityGroup; Scope = '' }
    Add-Write "New-ManagementRoleAssignment $Name"
    [pscustomobject]@{ Name = $Name }
}

function Remove-ManagementRoleAssignment {
    [CmdletBinding(SupportsShouldProcess)] param([string] $Identity)
    $script:Tenant.Assignments.Remove($Identity)
    Add-Write "Remove-ManagementRoleAssignment $Identity"
}

function Get-RoleGroup {
    [CmdletBinding()] param($Identity, $ResultSize)
    foreach ($name in @($script:Tenant.Groups.Keys)) {
        if (-not (Test-Unseen "group $name")) { [pscustomobject]@{ Name = $name; Identity = $name } }
    }
}

function New-RoleGroup {
    [CmdletBinding(SupportsShouldProcess)] param([string] $Name, [string] $Description, $Roles, $Members)
    $script:Tenant.Groups[$Name] = [System.Collections.Generic.List[string]]::new()
    Add-Write "New-RoleGroup $Name"
    [pscustomobject]@{ Name = $Name }
}

# Without -BypassSecurityGroupManagerCheck only a manager of the group may change it; whoever made it is one.
function Remove-RoleGroup {
    [CmdletBinding(SupportsShouldProcess)] param([string] $Identity, [switch] $BypassSecurityGroupManagerCheck)
    $script:Tenant.Groups.Remove($Identity)
    foreach ($one in @($script:Tenant.Assignments.Values)) {
        if ($one.Group -eq $Identity) { $script:Tenant.Assignments.Remove($one.Name) }
    }
    Add-Write "Remove-RoleGroup $Identity"
}

function Get-RoleGroupMember {
    [CmdletBinding()] param([string] $Identity, $ResultSize)
    foreach ($member in $script:Tenant.Groups[$Identity]) {
        [pscustomobject]@{ Name = $member; Identity = $member; Guid = $member; ExternalDirectoryObjectId = $member }
    }
}

function Add-RoleGroupMember {
    [CmdletBinding(SupportsShouldProcess)]
    param([string] $Identity, [string] $Member, [switch] $BypassSecurityGroupManagerCheck)
    $script:Tenant.Groups[$Identity].Add($Member)
    Add-Write "Add-RoleGroupMember $Identity"
}

function Get-ServicePrincipal {
    [CmdletBinding()] param($Identity)
    foreach ($one in @($script:Tenant.Principals.Values)) {
        if (Test-Unseen "principal $($one.AppId)") { continue }
        [pscustomobject]@{
            AppId = $one.AppId; ObjectId = $one.ObjectId; Identity = $one.ObjectId; Name = $one.ObjectId
            Guid = $one.ObjectId; DisplayName = $one.DisplayName
        }
    }
}

function New-ServicePrincipal {
    [CmdletBinding(SupportsShouldProcess)] param([string] $AppId, [string] $ObjectId, [string] $DisplayName)
    $script:Tenant.Principals[$AppId] = @{ AppId = $AppId; ObjectId = $ObjectId; DisplayName = $DisplayName }
    Add-Write "New-ServicePrincipal $AppId"
    [pscustomobject]@{ AppId = $AppId }
}

function Remove-ServicePrincipal {
    [CmdletBinding(SupportsShouldProcess)] param([string] $Identity)
    foreach ($one in @($script:Tenant.Principals.Values)) {
        if ($one.ObjectId -eq $Identity) { $script:Tenant.Principals.Remove($one.AppId) }
    }
    Add-Write "Remove-ServicePrincipal $Identity"
}
