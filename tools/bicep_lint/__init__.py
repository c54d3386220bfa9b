"""Checks of the infrastructure that need no Azure: `python -m tools.bicep_lint`.

    syntax      every Bicep file parses with pycep, a grammar that other people maintain
    symbols     what is used is declared, what is declared is used; modules and what they are given
    shapes      properties of resources against Microsoft's type data
    kusto       queries of the alerts and the workbook, by the Kusto language service
    documents   parameters, workbook, azure.yaml and configuration are what their readers expect
    security    checkov, less the checks that security.json gives reasons for

There is no Bicep compiler on PyPI or npm; these find what it would, as far as they go.
"""
