"""What an operator does about a setting that is not as it should be, step by step. Pure."""

import re

from core.guards.tenant_baseline.baseline import BaselineRow
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.microsoft365.remedies import (
    ask,
    look_around,
    make_step,
    save_from_exchange,
    save_from_graph,
)
from core.microsoft365.source_commands import build_read_command, split_read_path
from core.model.findings import Shell, Step
from core.model.guards import Service
from core.tenant.configuration import Configuration

CMDLET = re.compile(r"[A-Z][a-z]+-[A-Z]")
IDENTITY = "<identity>"
"""Stands for the object in a row's remedy."""


def build_row_remedy(row: BaselineRow, one: Configuration, subject: str) -> tuple[Step, ...]:
    """The steps about one value, of which the last two set it and look at the rest."""
    source = CONFIGURATION_SOURCES[row.source]
    command, _, note = row.remedy.partition(";")
    identity = one.id if can_be_quoted(one.id) else one.name
    if not CMDLET.match(command):
        put_right = Step(f"Set it: {row.remedy}.")
    else:
        named = quote_literal(identity) if can_be_quoted(identity) else ""
        is_writable = bool(named) or IDENTITY not in command
        shell = Shell.GRAPH if "-Mg" in command else Shell.EXCHANGE
        put_right = make_step(
            f"Set it{f', but{note}' if note else ''}.",
            command.replace(IDENTITY, named) if is_writable else "",
            shell,
        )
    save = (
        save_from_exchange(subject, row.source, one.id, build_read_command(source, identity))
        if source.service is Service.EXCHANGE
        else save_from_graph(subject, row.source, one.id, *split_read_path(source, one.id))
    )
    return (
        save,
        ask("whoever changed it"),
        put_right,
        look_around(subject, one.id or "organization"),
    )
