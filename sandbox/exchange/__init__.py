"""Exchange Online's admin API and Get-/Set- cmdlets, one module per cmdlet family."""
