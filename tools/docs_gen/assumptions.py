"""The tables of docs/assumptions.md, from the register."""

from core.microsoft365.assumptions.assumption import EVERY_GUARD, Assumption
from core.microsoft365.assumptions.register import ASSUMPTIONS, CHAPTERS

# More ways than this are told by their number and the default.
MAX_WAYS = 6


def format_dependents(assumption: Assumption) -> str:
    """What hangs on an assumption: guards, verdicts and settings."""
    depends = assumption.depends
    guards = "every guard" if depends.guards == EVERY_GUARD else ", ".join(depends.guards)
    parts = [guards]
    if depends.verdicts:
        parts.append(f"verdicts {', '.join(depends.verdicts)}")
    if depends.settings:
        parts.append(f"settings {', '.join(depends.settings)}")
    return "; ".join(parts)


def format_ways(assumption: Assumption) -> str:
    """The ways to go, the default first."""
    ways = [f"`{name}`: {text}" for name, text in assumption.ways.items()]
    if len(ways) > MAX_WAYS:
        return f"{len(ways)} ways; the default is {ways[0]}"
    return "; ".join(ways)


def format_assumption(assumption: Assumption) -> str:
    """One assumption as a list item."""
    lines = [
        f'- <a id="{assumption.id}"></a>**`{assumption.id}`** {assumption.assumed}',
        f"  *{assumption.standing}*, {assumption.dated}: {assumption.source}.",
        f"  Depends on it: {format_dependents(assumption)}.",
    ]
    if assumption.ways:
        lines.append(f"  Ways: {format_ways(assumption)}.")
    lines.append(f"  Probe: {assumption.probe}.")
    lines.append(f"  Otherwise: {assumption.otherwise}")
    return "\n".join(lines)


def build_register() -> str:
    """Every assumption, by chapter."""
    return "\n\n".join(
        f"## {title}\n\n" + "\n".join(map(format_assumption, part))
        for title, part in CHAPTERS.items()
    )


def build_summary() -> str:
    """How many assumptions there are of each standing."""
    number = len(ASSUMPTIONS)
    probed = sum(one.is_probed for one in ASSUMPTIONS)
    counts = {
        standing: sum(one.standing is standing for one in ASSUMPTIONS)
        for standing in dict.fromkeys(one.standing for one in ASSUMPTIONS)
    }
    listed = ", ".join(f"{count} {standing}" for standing, count in sorted(counts.items()))
    return f"{number} assumptions: {listed}. A probe asks about {probed} of them."
