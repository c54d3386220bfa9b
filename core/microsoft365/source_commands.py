"""The command that shows one object of a source of configuration, as an operator types it. Pure."""

from core.microsoft365.powershell import can_be_quoted, quote_literal
from core.microsoft365.source_shapes import ConfigurationSource
from core.model.guards import Service


def build_read_command(source: ConfigurationSource, identity: str) -> str:
    """The cmdlet that shows one object, or all where its id is no identity to the cmdlet; empty if
    the id cannot be quoted.
    """
    if source.service is not Service.EXCHANGE:
        return ""
    fixed = "".join(
        f" -{name} {format_value(value)}"
        for name, value in source.read_parameters.items()
        if name not in ("ResultSize", "Filter", "IncludeInactiveMailbox")
    )
    if not source.identity_property or not identity or source.read in LISTS_ONLY:
        return f"{source.read}{fixed}"
    if not can_be_quoted(identity):
        return ""
    return f"{source.read}{fixed} -Identity {quote_literal(identity)}"


LISTS_ONLY = frozenset(
    {
        "Get-ArcConfig",
        "Get-BlockedSenderAddress",
        "Get-TenantAllowBlockListItems",
        "Get-TenantAllowBlockListSpoofItems",
    }
)
"""Cmdlets that show all, without an identity of one."""


def format_value(value: object) -> str:
    """A value that we chose ourselves, as PowerShell reads it."""
    return f"${value}".lower() if isinstance(value, bool) else quote_literal(str(value))


def split_read_path(source: ConfigurationSource, identity: str) -> tuple[str, ...]:
    """The parts of the Graph path of one object; of the collection where it has no id."""
    parts = tuple(filter(None, source.read.partition("?")[0].split("/")))
    is_listed = source.identity_property and identity and source.name_list is None
    return (*parts, identity) if is_listed else parts
