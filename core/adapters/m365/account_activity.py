"""Who enabled accounts, as the directory's audit log tells."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import quote

from core.adapters.api_errors import NO_LICENCE
from core.adapters.graph.client import GraphClient
from core.adapters.m365.actors import parse_actor
from core.adapters.parsing import (
    LIST_LIMIT,
    ResponseRow,
    parse_object_id,
    parse_text,
    parse_timestamp,
)
from core.adapters.read_errors import build_read_failure
from core.errors import TenantError, Unavailable
from core.microsoft365.assumptions.graph_logs import AUDIT_DAYS, AUDIT_VALUES
from core.tenant.directory import Enabling
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import ENABLINGS

RELIES_ON = (AUDIT_DAYS, AUDIT_VALUES)
READ_LOGS = "AuditLog.Read.All"
PREMIUM_LICENCE = "a licence of Microsoft Entra ID P1"
ENABLE_ACTIVITY = "enable account"
SHORT_LIMIT = 64
MAX_ENABLINGS = 10_000


def format_moment(at: datetime) -> str:
    """A time as a filter of Graph has it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def name_licence[T](reading: Reading[T]) -> Reading[T]:
    """The reading, where a licence that is missing stands in the place of a permission."""
    return replace(
        reading,
        failures=tuple(
            replace(failure, permission=PREMIUM_LICENCE)
            if NO_LICENCE in failure.reason and not failure.object_id
            else failure
            for failure in reading.failures
        ),
    )


async def fetch_enablings(
    graph: GraphClient, ids: Sequence[str], since: datetime
) -> Reading[Enabling]:
    """Who enabled accounts, by the directory's audit log.

    Source: Microsoft Learn, "Microsoft Entra audit log categories and activities".
    """
    wanted = (
        f"activityDateTime ge {format_moment(since)} and activityDisplayName eq 'Enable account'"
    )
    path = f"/auditLogs/directoryAudits?$filter={quote(wanted, safe='')}"
    path += "&$orderby=activityDateTime%20desc&$top=999"
    items: list[Enabling] = []
    failures: tuple[ReadFailure, ...] = ()
    seen = 0
    try:
        async for rows in graph.read_pages(path, READ_LOGS):
            seen += len(rows)
            items += (entry for row in rows for entry in parse_enablings(row) if entry.id in ids)
            if seen > MAX_ENABLINGS:
                raise Unavailable(f"more than {MAX_ENABLINGS:,} accounts were enabled")
    except TenantError as error:
        failures = (build_read_failure(ENABLINGS, error, optional=True),)
    return name_licence(
        Reading(tuple(items), failures, frozenset({ENABLINGS}), population=len(items))
    )


def parse_enablings(row: ResponseRow) -> tuple[Enabling, ...]:
    """The accounts that a row of directoryAudits says were enabled.

    A row that cannot be parsed names nobody: it only adds detail.
    """
    activity = parse_text(row.get("activityDisplayName"), SHORT_LIMIT).strip().lower()
    if activity != ENABLE_ACTIVITY or parse_text(row.get("result"), SHORT_LIMIT).lower() not in (
        "success",
        "",
    ):
        return ()
    try:
        at = parse_timestamp(row.get("activityDateTime"))
    except ValueError:
        at = None
    targets = row.get("targetResources")
    if at is None or not isinstance(targets, list):
        return ()
    return tuple(
        Enabling(found, at, parse_actor(row))
        for target in targets[:LIST_LIMIT]
        if isinstance(target, Mapping) and (found := parse_object_id(target.get("id")))
    )
