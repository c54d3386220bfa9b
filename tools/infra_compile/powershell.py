"""What PowerShell says of infra/: whether the scripts parse, their Pester cases, the analyzer."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

TIMEOUT_SECONDS = 600
PARSE = """
foreach ($file in Get-ChildItem -Path $env:FOLDER -Filter *.ps1) {
    $found = $null
    $parser = [System.Management.Automation.Language.Parser]
    $null = $parser::ParseFile($file, [ref] $null, [ref] $found)
    foreach ($one in $found) { "$($file.Name):$($one.Extent.StartLineNumber): $($one.Message)" }
}
"""
MODULES = "(Get-Module -ListAvailable -Name Pester, PSScriptAnalyzer).Name | Sort-Object -Unique"
PESTER = """
$run = Invoke-Pester -Path (Join-Path $env:FOLDER 'tests') -PassThru -Output None
foreach ($one in $run.Failed) { "$($one.ExpandedPath): $($one.ErrorRecord)" }
if ($run.TotalCount -eq 0) { 'no case was found' }
if ($run.Result -ne 'Passed' -and $run.Failed.Count -eq 0) { "the run $($run.Result)" }
"""
ANALYZER = """
$settings = Join-Path $env:FOLDER 'tests' 'PSScriptAnalyzerSettings.psd1'
foreach ($one in Invoke-ScriptAnalyzer -Path $env:FOLDER -Settings $settings) {
    "$($one.ScriptName):$($one.Line): $($one.Message) ($($one.RuleName))"
}
"""


def run_pwsh(pwsh: str, script: str, folder: Path) -> Iterator[str]:
    """The lines a script prints, or that it failed; `$env:FOLDER` is the folder."""
    wrapped = f"$ErrorActionPreference = 'Stop'; $lines = @(& {{ {script} }}); "
    wrapped += 'ConvertTo-Json -Compress -InputObject @($lines | ForEach-Object { "$_" })'
    run = subprocess.run(
        [pwsh, "-NoProfile", "-NonInteractive", "-Command", wrapped],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
        env={**os.environ, "FOLDER": str(folder.resolve())},
    )
    try:
        lines = json.loads(run.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        yield f"pwsh failed: {(run.stderr or run.stdout).strip()[-400:]}"
        return
    yield from lines


def list_modules(pwsh: str, folder: Path) -> list[str]:
    """Which of the modules that are used here are installed."""
    return [name for name in run_pwsh(pwsh, MODULES, folder) if name in MODULE_CHECKS]


def check_powershell(pwsh: str, folder: Path, modules: list[str]) -> Iterator[str]:
    """Everything PowerShell and these modules say of a folder."""
    yield from (f"pwsh: {line}" for line in run_pwsh(pwsh, PARSE, folder))
    for name in modules:
        yield from (f"{name}: {line}" for line in run_pwsh(pwsh, MODULE_CHECKS[name], folder))


MODULE_CHECKS = {"Pester": PESTER, "PSScriptAnalyzer": ANALYZER}
