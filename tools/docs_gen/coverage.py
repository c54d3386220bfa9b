"""The tables of docs/coverage.md."""

from core.config.catalog import CATALOG
from core.config.coverage import COLLECTIONS, build_rows
from core.microsoft365.attack_techniques import VERDICT_TECHNIQUES
from core.status.coverage import CoverageRow, describe_delay, summarize
from core.watched.judge import WATCHED_VERDICT_TEXTS
from tools.docs_gen.markdown import format_row, format_table


def build_summary() -> str:
    """How much is told, as a sentence."""
    return summarize(build_rows())


def build_behaviour_table() -> str:
    """A row a behaviour."""
    names = ("id", "behaviour", "ATT&CK", "rules", "leaves", "told", "by", "late at worst", "needs")
    return format_table(names, map(format_coverage, build_rows()))


def format_coverage(row: CoverageRow) -> str:
    """One behaviour as a row."""
    one = row.behaviour
    told_by = (
        row.told_by if one.share == "full" or not one.seen_by else f"{row.told_by}: {one.remark}"
    )
    return format_row(
        one.id,
        one.name,
        ", ".join(one.techniques),
        str(one.rules),
        "state" if one.leaves_state else "a record",
        {"full": "in full", "part": "in part", "none": "no"}[one.share],
        told_by,
        describe_delay(row) if one.seen_by else "",
        ", ".join(row.needs),
    )


def build_technique_table() -> str:
    """The techniques of each verdict, and of each collection."""
    rows = [
        format_row(f"`{config.guard.name}`", f"`{word}`", ", ".join(techniques) or "none")
        for config in CATALOG
        for word, techniques in list_named(config.guard.name)
    ]
    return format_table(("guard", "verdict or collection", "ATT&CK"), rows)


def list_named(guard: str) -> list[tuple[str, tuple[str, ...]]]:
    """The verdicts of a guard and its collections, with their techniques."""
    verdicts = VERDICT_TECHNIQUES.get(guard, {})
    found = [(word, named) for word, named in verdicts.items() if word not in WATCHED_VERDICT_TEXTS]
    return found + [(one.name, one.techniques) for one in COLLECTIONS.get(guard, {}).values()]
