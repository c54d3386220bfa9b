"""The command line: reads and requests through the API, on a terminal.

    python -m core.cli status

It is not deployed, and nothing that is deployed imports it.
"""
