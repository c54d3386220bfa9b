# exchange-role.ps1 under a real PowerShell, against an Exchange in memory (Modules/): Invoke-Pester
# here, or `make infra-compile` where there is a pwsh. Pester 5 or later.
param([string] $Script)

BeforeAll {
    if (-not $Script) { $Script = Join-Path (Split-Path $PSScriptRoot) 'exchange-role.ps1' }
    $env:PSModulePath = (Join-Path $PSScriptRoot 'Modules') + [IO.Path]::PathSeparator + $env:PSModulePath
    Import-Module ExchangeOnlineManagement -Force
    $app = '11111111-1111-1111-1111-111111111111'
    $principal = '22222222-2222-2222-2222-222222222222'
    $group = 'Exoguard guards'

    # The cmdlets the script asks for, as its own table lists them.
    $text = Get-Content -Path $Script -Raw
    $catalog = [regex]::Match($text, "(?s)Catalog = @'\r?\n(.*?)\r?\n'@").Groups[1].Value | ConvertFrom-Json

    # Three built-in roles: two that read and write, one that only reads, one people hold over themselves.
    function New-BuiltIn {
        param([string[]] $Without)
        $all = @{}
        foreach ($entry in $catalog.entries) {
            if ($entry.cmdlet -in $Without) { continue }
            $all[$entry.cmdlet] = @($all[$entry.cmdlet]) + @($entry.parameters) + 'Extra' | Where-Object { $_ } |
                Select-Object -Unique
        }
        $read = @{}
        foreach ($name in @($all.Keys)) { if ($name -like 'Get-*') { $read[$name] = $all[$name] } }
        @{ 'Organization Configuration' = $all; 'View-Only Configuration' = $read; 'MyBaseOptions' = $read }
    }

    function Grant { & $Script -AppId $app -ServicePrincipalObjectId $principal @args 3>$null 6>$null }
    function Allowed {
        $tenant = Get-Tenant
        foreach ($one in $tenant.Assignments.Values) { if ($one.Group -eq $group) { $one.Role } }
    }
}

Describe 'exchange-role.ps1' {
    BeforeEach {
        Mock Start-Sleep { }
        Reset-Tenant -BuiltIn (New-BuiltIn)
    }

    It 'parses without an error' {
        $found = $null
        $null = [System.Management.Automation.Language.Parser]::ParseFile($Script, [ref] $null, [ref] $found)
        $found | Should -BeNullOrEmpty
    }

    It 'writes nothing with -WhatIf' {
        Grant -WhatIf
        (Get-Tenant).Writes | Should -BeNullOrEmpty
    }

    It 'gives the group one role for each cmdlet, and the app the group' {
        Grant
        $reads = @($catalog.entries | Where-Object { -not $_.writes } | ForEach-Object cmdlet | Select-Object -Unique)
        @(Allowed | Where-Object { $_ -like '* Get-*' }).Count | Should -Be $reads.Count
        (Get-Tenant).Groups[$group] | Should -Be @($principal)
    }

    It 'trims what writes to the parameters of the guard' {
        Grant -Guards mailbox-audit -Enforce mailbox-audit
        $asked = ($catalog.entries | Where-Object { $_.guard -eq 'mailbox-audit' -and $_.cmdlet -eq 'Set-Mailbox' }).parameters
        $role = (Get-Tenant).Roles['Exoguard Set-Mailbox mailbox-audit']
        $role.Entries['Set-Mailbox'] | Sort-Object | Should -Be ($asked | Sort-Object)
    }

    It 'derives nothing from a role that does not reach the whole organization' {
        (Get-Tenant).Roles['View-Only Configuration'].ReadScope = 'None'
        Grant -Guards mailbox-audit -Enforce none
        (Get-Tenant).Roles['Exoguard Get-Mailbox'].Parent | Should -Be 'Organization Configuration'
    }

    It 'makes an assignment anew that somebody narrowed' {
        Grant -Guards mailbox-audit -Enforce none
        (Get-Tenant).Assignments['Exoguard Get-Mailbox'].Scope = 'Berlin only'
        Grant -Guards mailbox-audit -Enforce none
        (Get-Tenant).Assignments['Exoguard Get-Mailbox'].Scope | Should -BeNullOrEmpty
    }

    It 'says every role with its parent, however narrow the console' {
        $said = & $Script -AppId $app -ServicePrincipalObjectId $principal -Guards mailbox-audit 3>$null 6>&1
        "$said" | Should -BeLike '*Exoguard Set-Mailbox mailbox-audit, derived from Organization Configuration*'
    }

    It 'derives reading roles from the built-in role with the fewest entries, never from one of a person' {
        Grant -Guards mailbox-audit -Enforce none
        (Get-Tenant).Roles['Exoguard Get-Mailbox'].Parent | Should -Be 'View-Only Configuration'
    }

    It 'changes nothing when run again' {
        Grant
        $before = (Get-Tenant).Writes.Count
        Grant
        (Get-Tenant).Writes.Count | Should -Be $before
    }

    It 'takes away what a guard no longer needs' {
        Grant
        Grant -Enforce none
        @(Allowed | Where-Object { $_ -like '* Set-*' }) | Should -BeNullOrEmpty
    }

    It 'makes a role anew that holds more than it should' {
        Grant -Guards mailbox-audit
        (Get-Tenant).Roles['Exoguard Set-Mailbox mailbox-audit'].Entries['Set-Mailbox'] += 'Extra'
        Grant -Guards mailbox-audit
        (Get-Tenant).Roles['Exoguard Set-Mailbox mailbox-audit'].Entries['Set-Mailbox'] | Should -Not -Contain 'Extra'
    }

    It 'waits for what does not show yet' {
        (Get-Tenant).Lag = 3
        Grant -Guards mailbox-audit
        (Get-Tenant).Groups[$group] | Should -Be @($principal)
        Should -Invoke Start-Sleep
    }

    It 'says who else is a member of the group' {
        Grant -Guards mailbox-audit
        (Get-Tenant).Groups[$group].Add('somebody')
        { Grant -Guards mailbox-audit } | Should -Throw '*somebody*'
    }

    It 'leaves nothing behind with -Remove' {
        Grant
        & $Script -AppId $app -Remove 3>$null 6>$null
        $tenant = Get-Tenant
        @($tenant.Roles.Keys | Where-Object { $_ -like 'Exoguard*' }) | Should -BeNullOrEmpty
        $tenant.Groups.Count + $tenant.Assignments.Count + $tenant.Principals.Count | Should -Be 0
    }

    It 'removes nothing with -Remove -WhatIf' {
        Grant -Guards mailbox-audit
        $before = (Get-Tenant).Writes.Count
        & $Script -AppId $app -Remove -WhatIf 3>$null 6>$null
        (Get-Tenant).Writes.Count | Should -Be $before
    }

    It 'goes without an optional cmdlet that no role holds' {
        Reset-Tenant -BuiltIn (New-BuiltIn -Without 'Get-HostedOutboundSpamFilterRule')
        Grant -Guards mailbox-forwarding -Enforce none
        Allowed | Should -Not -Contain 'Exoguard Get-HostedOutboundSpamFilterRule'
        (Get-Tenant).Groups[$group] | Should -Be @($principal)
    }

    Context 'it refuses, before the first write, ' {
        AfterEach { (Get-Tenant).Writes | Should -BeNullOrEmpty }

        It 'a tenant that takes no custom roles yet' {
            (Get-Tenant).Dehydrated = $true
            { Grant } | Should -Throw '*Enable-OrganizationCustomization*'
        }
        It 'a guard that does not exist' {
            { Grant -Guards nothing } | Should -Throw "*no guard 'nothing'*"
        }
        It 'a guard that is to write and does not run' {
            { Grant -Guards app-consent -Enforce mailbox-audit } | Should -Throw '*-Enforce names mailbox-audit*'
        }
        It 'connections to several tenants' {
            (Get-Tenant).Connections = @((New-Connection), (New-Connection))
            { Grant } | Should -Throw '*several tenants*'
        }
        It 'an object id that is the application id' {
            { & $Script -AppId $app -ServicePrincipalObjectId $app 3>$null 6>$null } | Should -Throw '*application id*'
        }
        It 'a cmdlet that no built-in role holds, with all such cmdlets at once' {
            Reset-Tenant -BuiltIn (New-BuiltIn -Without 'Get-AcceptedDomain', 'Get-TransportRule')
            { Grant -Guards mailbox-forwarding } | Should -Throw '*Get-AcceptedDomain*Get-TransportRule*'
        }
    }
}
