"""infra/ by the real tools: Bicep's compiler, linter, formatter and snapshots, PowerShell, Pester.

They are used as far as they are on PATH, or named by BICEP and PWSH in the environment. What is
absent is said in one line; `tools.bicep_lint` looks at the same files without them.
"""
