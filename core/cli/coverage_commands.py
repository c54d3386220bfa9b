"""The command that says what is told of the things intruders do, here."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from core.cli.api_client import EXIT_OK, EXIT_PROBLEM, ApiClient, UsageError, fetch_response
from core.cli.render import TerminalRenderer
from core.cli.session import Session
from core.config.coverage import build_rows
from core.microsoft365.behaviours import TECHNIQUE
from core.model.guards import Mode
from core.status.coverage import (
    CoverageRow,
    GuardSight,
    build_layer,
    describe_delay,
    mark_blind,
    summarize,
)

SHARES = {"full": "in full", "part": "in part", "none": "no"}


async def show_coverage(
    session: Session,
    client: ApiClient,
    technique: Annotated[
        str,
        typer.Option(
            "--technique", metavar="ID", help="only this ATT&CK technique, with its parts"
        ),
    ] = "",
    navigator: Annotated[
        Path | None,
        typer.Option(
            "--navigator", metavar="FILE", help="write a layer that ATT&CK Navigator opens"
        ),
    ] = None,
) -> int:
    """Show which guard tells of what intruders do, and what is off or unread in this tenant.

    Exits with 1 if something that should be told is not.
    """
    if technique and not TECHNIQUE.fullmatch(technique.upper()):
        raise UsageError(f"{technique[:20]} is no technique of ATT&CK, such as T1098.002")
    response = await fetch_response(client, "/api/status.json")
    sights = {one.guard: one for one in map(parse_sight, response.parse_object()["guards"])}
    rows = mark_blind(build_rows(technique), sights)
    if navigator:
        navigator.write_text(json.dumps(build_layer(rows), indent=2) + "\n", "utf-8")
        session.print_note(f"Written: {navigator}. Open it in ATT&CK Navigator.")
    else:
        TerminalRenderer(session.out, session.now()).print_table(
            ("behaviour", "told", "by", "late at worst"), map(format_coverage, rows)
        )
        session.print_output(summarize(rows))
    return EXIT_PROBLEM if any(one.blind for one in rows) else EXIT_OK


def parse_sight(row: Mapping[str, Any]) -> GuardSight:
    """What one guard sees, after the status document."""
    coverage = row.get("coverage") or {}
    return GuardSight(
        row["guard"],
        is_on=row["mode"] != Mode.OFF,
        unread=frozenset(coverage.get("unavailable_sources", ())),
        missing=tuple(row["missing_permissions"]),
    )


def format_coverage(row: CoverageRow) -> tuple[str, ...]:
    """One behaviour as a row."""
    one = row.behaviour
    told = f"blind: {'; '.join(row.blind)}" if row.blind else SHARES[one.share]
    by = f"{row.told_by}: {one.remark}" if one.seen_by and one.remark else row.told_by
    name = f"{one.id} {one.name} ({', '.join(one.techniques)})"
    return name, told, by, describe_delay(row) if one.seen_by else ""
