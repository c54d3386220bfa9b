"""What an operator does about a setting that is not as it should be, step by step. Pure."""

import re

from core.guards.tenant_baseline.baseline import BaselineRow
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.microsoft365.remedies import (
    ask,
    build_command,
    build_graph_request,
    look_around,
    make_step,
    save_from_exchange,
    save_from_graph,
)
from core.microsoft365.source_commands import build_read_command, split_read_path
from core.microsoft365.source_shapes import ConfigurationSource
from core.model.findings import Shell, Step
from core.model.guards import Service
from core.tenant.configuration import Configuration

CMDLET = re.compile(r"[A-Z][a-z]+-[A-Z]")
IDENTITY = "<identity>"
"""Stands for the object in a row's remedy."""


def build_write_command(row: BaselineRow, source: ConfigurationSource, identity: str) -> str:
    """The command that sets what a row wants, where its remedy is words: of a property that a row
    may set, to a value of its own. Empty where the property is a part of an object, since what
    stands beside it would have to be sent too.
    """
    value = format_wanted_value(row.expected.target_value)
    if row.property_name not in source.writable_properties or not value or "." in row.property_name:
        return ""
    if source.service is not Service.EXCHANGE:
        path = tuple(filter(None, source.write.split("/")))
        return build_graph_request("PATCH", f"{{ {row.property_name} = {value} }}", *path)
    named = {"Identity": identity} if source.identity_property else {}
    return build_command(source.write, f"-{row.property_name} {value}", **named)


def format_wanted_value(value: object) -> str:
    """A value as PowerShell reads it; empty if it is none that one line can say."""
    match value:
        case bool():
            return f"${value}".lower()
        case int():
            return str(value)
        case str() if can_be_quoted(value):
            return quote_literal(value)
        case _:
            return ""


def build_row_remedy(row: BaselineRow, one: Configuration, subject: str) -> tuple[Step, ...]:
    """The steps about one value, of which the last two set it and look at the rest."""
    source = CONFIGURATION_SOURCES[row.source]
    command, _, note = row.remedy.partition(";")
    identity = one.id if can_be_quoted(one.id) else one.name
    if not CMDLET.match(command):
        shell = Shell.EXCHANGE if source.service is Service.EXCHANGE else Shell.GRAPH
        written = build_write_command(row, source, identity)
        put_right = Step(f"Set it: {row.remedy}.", written, shell if written else None)
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
