"""The command line: what the pages and the API show and take, on a terminal.

    python -m core.cli status

Nothing that is deployed imports any of it.
"""
