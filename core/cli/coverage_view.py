"""What the command `coverage` prints. It imports every guard of the catalog, so only it waits."""

from collections.abc import Mapping
from typing import Any

from core.config.coverage import build_rows
from core.microsoft365.behaviours import TECHNIQUE
from core.model.guards import Mode
from core.status.coverage import (
    CoverageRow,
    GuardSight,
    describe_delay,
    describe_sight_trouble,
    mark_blind,
)

SHARES = {"full": "in full", "part": "in part", "none": "no"}


def is_technique(text: str) -> bool:
    """True for the id of a technique of ATT&CK, in any case of letters."""
    return bool(TECHNIQUE.fullmatch(text.upper()))


def list_rows(technique: str, guards: list[Mapping[str, Any]]) -> tuple[CoverageRow, ...]:
    """The behaviours of a technique, or all, with what these guards of a status do not see."""
    sights = {one.guard: one for one in map(parse_sight, guards)}
    return mark_blind(build_rows(technique), sights)


def parse_sight(row: Mapping[str, Any]) -> GuardSight:
    """What one guard sees, after the status document."""
    coverage = row.get("coverage") or {}
    return GuardSight(
        row["guard"],
        is_on=row["mode"] != Mode.OFF,
        unread=frozenset(coverage.get("unavailable_sources", ())),
        missing=tuple(row["missing_permissions"]),
        trouble=describe_sight_trouble(
            is_unreadable=bool(row["unreadable"]),
            never_scanned=row["never_scanned"],
            is_late=row["late"],
        ),
    )


def format_coverage(row: CoverageRow) -> tuple[str, ...]:
    """One behaviour as a row."""
    one = row.behaviour
    told = f"blind: {'; '.join(row.blind)}" if row.blind else SHARES[one.share]
    by = f"{row.told_by}: {one.remark}" if one.seen_by and one.remark else row.told_by
    name = f"{one.id} {one.name} ({', '.join(one.techniques)})"
    return name, told, by, describe_delay(row) if one.seen_by else ""
