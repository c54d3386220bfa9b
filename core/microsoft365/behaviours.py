"""What intruders do in a tenant, after public detection rules, and which guard tells of it. Pure.

`behaviours.csv` has a row a behaviour, put together from 560 rules of Splunk security_content,
Elastic detection-rules, Sigma and Microsoft Sentinel, from hunting tools (Mandiant, Sparrow, CRT,
Goose, Hawk, Microsoft Extractor Suite, 365Inspect) and research, read in 2026-11. `rules` counts
those that watch it. `seen_by` names guards, each with a verdict or a kind of its findings.
"""

import csv
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

TECHNIQUE = re.compile(r"T\d{4}(\.\d{3})?")
BEHAVIOURS_FILE = Path(__file__).with_name("behaviours.csv")


class Share(StrEnum):
    """How much of a behaviour is told."""

    FULL = "full"
    PART = "part"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Sight:
    """What tells of a behaviour: a guard, and its verdict or the kind of its findings."""

    guard: str
    target: str


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing an intruder does, however many rules watch it."""

    id: str
    name: str
    techniques: tuple[str, ...]
    """ATT&CK techniques, such as T1114.003."""
    leaves_state: bool
    """Whether a timer can still see it afterwards; otherwise only a record says so."""
    rules: int
    """How many public detection rules watch it; 0: hunting tools and research alone."""
    share: Share
    seen_by: tuple[Sight, ...]
    sweep_hours: int
    """How often the slow sweep comes that alone tells of it; 0: the guard's schedule counts."""
    remark: str
    """What is left out of a part, or why nobody looks."""

    def has_technique(self, technique: str) -> bool:
        """Whether it is of a technique, or of one of its sub-techniques."""
        asked = technique.upper()
        return any(one == asked or one.startswith(f"{asked}.") for one in self.techniques)


@cache
def load_behaviours() -> tuple[Behaviour, ...]:
    """All behaviours, in the order of the file. Raises ValueError for a row that makes no sense."""
    with BEHAVIOURS_FILE.open(encoding="utf-8", newline="") as lines:
        return tuple(map(parse_behaviour, csv.DictReader(lines)))


def parse_behaviour(row: dict[str, str]) -> Behaviour:
    """A row of the file."""
    sights = (one.partition(":") for one in row["seen_by"].split())
    found = Behaviour(
        id=row["id"],
        name=row["behaviour"],
        techniques=tuple(row["techniques"].split()),
        leaves_state={"state": True, "record": False}[row["trace"]],
        rules=int(row["rules"]),
        share=Share(row["share"]),
        seen_by=tuple(Sight(guard, target) for guard, _, target in sights),
        sweep_hours=int(row["sweep_hours"] or 0),
        remark=row["remark"],
    )
    if (found.share is Share.NONE) == bool(found.seen_by):
        raise ValueError(f"{found.id}: what is told names a guard, and nothing else does")
    if found.share is not Share.FULL and not found.remark:
        raise ValueError(f"{found.id}: what is not told in full has a reason")
    return found
