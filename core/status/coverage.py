"""What Exoguard tells of the things intruders do: as rows, as a sentence and as a layer. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from core.microsoft365.behaviours import Behaviour, Share
from core.time_format import format_duration

NAVIGATOR_VERSIONS: Mapping[str, str] = {"attack": "17", "navigator": "5.1.0", "layer": "4.5"}
SCORES: Mapping[Share, int] = {Share.NONE: 0, Share.PART: 50, Share.FULL: 100}


@dataclass(frozen=True, slots=True)
class CoverageRow:
    """One behaviour, as far as this version of Exoguard tells of it."""

    behaviour: Behaviour
    delay: timedelta | None
    """How long after the act the next look comes, at worst; None where nobody looks."""
    needs: tuple[str, ...]
    """Permissions and cmdlets of what looks."""
    blind: tuple[str, ...] = ()
    """What is off or unread in one tenant, each as a sentence."""

    @property
    def told_by(self) -> str:
        """The guards with what each concludes, or why nobody looks."""
        if not self.behaviour.seen_by:
            return f"nobody, because {self.behaviour.remark}"
        return ", ".join(f"{one.guard} ({one.target})" for one in self.behaviour.seen_by)


@dataclass(frozen=True, slots=True)
class GuardSight:
    """One guard in one tenant: whether it looks, and what it could not read."""

    guard: str
    is_on: bool
    unread: frozenset[str]
    """Sources that its last scan could not read."""
    missing: tuple[str, ...]
    """Permissions it lacks."""
    trouble: str = ""
    """Why nobody knows that it looks, after the name of the guard; empty if it does."""


def describe_sight_trouble(*, is_unreadable: bool, never_scanned: bool, is_late: bool) -> str:
    """Why nobody knows that a guard looks, after its name; empty if it does."""
    if is_unreadable:
        return "has a state that cannot be read now"
    if never_scanned:
        return "has not scanned yet"
    return "is late: it missed its schedule" if is_late else ""


def mark_blind(
    rows: Iterable[CoverageRow], guards: Mapping[str, GuardSight]
) -> tuple[CoverageRow, ...]:
    """The rows with what is off or unread in one tenant."""
    return tuple(replace(row, blind=find_blind(row.behaviour, guards)) for row in rows)


def find_blind(behaviour: Behaviour, guards: Mapping[str, GuardSight]) -> tuple[str, ...]:
    """Why what should tell of a behaviour does not, guard by guard."""
    found: dict[str, None] = {}
    for one in behaviour.seen_by:
        guard = guards.get(one.guard)
        if guard is None or not guard.is_on:
            found[f"{one.guard} is off"] = None
            continue
        if guard.trouble:
            found[f"{one.guard} {guard.trouble}"] = None
        own = {name for name in guard.unread if name == f"watched-{one.target}"}
        shared = {name for name in guard.unread if not name.startswith("watched-")}
        found |= {f"{one.guard} could not read {name}": None for name in sorted(own | shared)}
        found |= {f"{one.guard} lacks {name}": None for name in guard.missing}
    return tuple(found)


def count_shares(rows: Sequence[CoverageRow], *, leaves_state: bool) -> Mapping[Share, int]:
    """How many behaviours are told in full, in part and not at all."""
    of_kind = [one.behaviour for one in rows if one.behaviour.leaves_state is leaves_state]
    return {share: sum(one.share is share for one in of_kind) for share in Share}


def summarize(rows: Sequence[CoverageRow]) -> str:
    """The counts as a sentence."""
    parts = []
    for leaves_state, what in ((True, "leave state"), (False, "leave only records")):
        counts = count_shares(rows, leaves_state=leaves_state)
        parts.append(
            f"Of {sum(counts.values())} behaviours that {what}, {counts[Share.FULL]} are told in "
            f"full and {counts[Share.PART]} in part."
        )
    return " ".join(parts)


def describe_delay(row: CoverageRow) -> str:
    """How late at worst, in words."""
    return format_duration(row.delay) if row.delay else "never"


def build_layer(rows: Sequence[CoverageRow]) -> dict[str, object]:
    """A layer that ATT&CK Navigator opens: each technique with the best share of its behaviours."""
    by_technique: dict[str, list[CoverageRow]] = {}
    for row in rows:
        for technique in row.behaviour.techniques:
            by_technique.setdefault(technique, []).append(row)
    return {
        "name": "Exoguard",
        "versions": dict(NAVIGATOR_VERSIONS),
        "domain": "enterprise-attack",
        "description": summarize(rows),
        "gradient": {
            "colors": ["#d9d9d9", "#ffe08a", "#7fc97f"],
            "minValue": 0,
            "maxValue": 100,
        },
        "techniques": [
            {
                "techniqueID": technique,
                "score": rate_technique(found),
                "comment": "\n".join(
                    f"{one.behaviour.id} {one.behaviour.name}: {one.told_by}" for one in found
                ),
                "enabled": True,
                "showSubtechniques": True,
            }
            for technique, found in sorted(by_technique.items())
        ],
    }


def rate_technique(rows: Sequence[CoverageRow]) -> int:
    """The mean of what is told of a technique's behaviours; what is blind here is not told."""
    scores = [0 if one.blind else SCORES[one.behaviour.share] for one in rows]
    return round(sum(scores) / len(scores))
