"""The permissions that a baseline needs: to read its sources, and to write the rows it enforces."""

from collections.abc import Sequence

from core.guards.tenant_baseline.baseline import Baseline, BaselineRow
from core.guards.tenant_baseline.live_forwards import FORWARD_ENDING_PROPERTIES
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.source_shapes import ConfigurationSource
from core.model.guards import Permission, Service

POLICIES, RULES = "outbound-spam-policy", "outbound-spam-rule"
FORWARD_PERMISSIONS = tuple(
    Permission(
        service,
        name,
        "whether setting it would end forwards in effect; without it the guard asks",
        optional=True,
    )
    for service, name in (
        (Service.EXCHANGE, "Get-Mailbox"),
        (Service.EXCHANGE, "Get-Recipient"),
        (Service.EXCHANGE, "Get-AcceptedDomain"),
        (Service.GRAPH, "Domain.Read.All"),
        (Service.GRAPH, "MailboxSettings.Read"),
    )
)


def build_baseline_permissions(baseline: Baseline) -> tuple[Permission, ...]:
    """What a baseline needs: to read its sources, and to write the rows it enforces."""
    reads, writes = dict[str, list[BaselineRow]](), dict[str, list[BaselineRow]]()
    for row in baseline.rows:
        source = CONFIGURATION_SOURCES[row.source]
        reads.setdefault(source.permission, []).append(row)
        if row.id in baseline.enforced:
            writes.setdefault(source.write_permission, []).append(row)
    found = [
        build_read_permission(CONFIGURATION_SOURCES[rows[0].source], rows)
        for rows in reads.values()
    ]
    if any(row.source == POLICIES for row in baseline.rows):
        found.append(
            Permission(
                Service.EXCHANGE,
                CONFIGURATION_SOURCES[RULES].permission,
                "to whom an outbound policy applies",
                optional=True,
            )
        )
    if any(
        row.id in baseline.enforced and row.property_name in FORWARD_ENDING_PROPERTIES
        for row in baseline.rows
    ):
        found += FORWARD_PERMISSIONS
    found += [
        build_write_permission(CONFIGURATION_SOURCES[rows[0].source], rows)
        for rows in writes.values()
    ]
    return tuple(found)


def list_row_properties(rows: Sequence[BaselineRow]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(row.property_name for row in rows))


def build_read_permission(source: ConfigurationSource, rows: Sequence[BaselineRow]) -> Permission:
    """To see the properties of some rows."""
    return Permission(
        source.service, source.permission, f"to compare {', '.join(list_row_properties(rows))}"
    )


def build_write_permission(source: ConfigurationSource, rows: Sequence[BaselineRow]) -> Permission:
    """To set the properties of some rows, and with a cmdlet no other."""
    identity = ("Identity",) if source.identity_property else ()
    exchange = source.service is Service.EXCHANGE
    return Permission(
        source.service,
        source.write_permission,
        f"to set {', '.join(list_row_properties(rows))}",
        writes=True,
        parameters=(*identity, *list_row_properties(rows)) if exchange else (),
    )
