"""Open cases that were folded into one: what is still remembered of each, exactly.

A folded case is known by its key, so a finding that is new is never taken for one of them; by how
far it went, so that one which goes further is told again; and by since when the brake holds it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from core.keys import PREFIX_LENGTH, hash_parts
from core.model.findings import Finding, Severity
from core.model.reach import limit_reaches
from core.tenant.changes import change_to_arguments

FOLDED = "folded"
"""The resolution of the case that stands for closed ones of its object, which the tally counts."""
MAX_MEMBERS = 4_000
"""So many fit into one row; more of one object take another."""
TAIL_LENGTH, TIME_LENGTH, EXTENT_LENGTH, PLAN_LENGTH = 24, 9, 16, 16
MEMBER_LENGTH = TAIL_LENGTH + 2 + 2 * TIME_LENGTH + EXTENT_LENGTH + PLAN_LENGTH
BASELINED, ESCALATED = 1, 2


@dataclass(frozen=True, slots=True)
class FoldedMember:
    """An open case that was told and then folded into another case of its object."""

    key: str
    severity: Severity
    opened_at: datetime
    """To the second, as `held_since`."""
    extent: str
    """A hash of how far its finding went: see `hash_extent`."""
    plan: str
    """A hash of the changes that would remediate it."""
    held_since: datetime | None = None
    baselined: bool = False
    escalated: bool = False

    def to_text(self) -> str:
        """The member in MEMBER_LENGTH characters, without what its object tells of its key."""
        flags = BASELINED * self.baselined + ESCALATED * self.escalated
        return (
            f"{self.key[PREFIX_LENGTH:]}{self.severity:d}{flags:d}{format_time(self.opened_at)}"
            f"{format_time(self.held_since)}{self.extent}{self.plan}"
        )

    @classmethod
    def from_text(cls, prefix: str, text: str) -> "FoldedMember":
        """A member of an object with this hash prefix. Raises ValueError."""
        if len(text) != MEMBER_LENGTH:
            raise ValueError("not a folded case")
        parts, start = [], 0
        for length in (TAIL_LENGTH, 1, 1, TIME_LENGTH, TIME_LENGTH, EXTENT_LENGTH, PLAN_LENGTH):
            parts.append(text[start : start + length])
            start += length
        tail, severity, flags, opened, held, extent, plan = parts
        opened_at = parse_time(opened)
        if opened_at is None:
            raise ValueError("a folded case without a time")
        return cls(
            key=prefix + tail,
            severity=Severity(int(severity)),
            opened_at=opened_at,
            extent=extent,
            plan=plan,
            held_since=parse_time(held),
            baselined=bool(int(flags) & BASELINED),
            escalated=bool(int(flags) & ESCALATED),
        )


def format_time(at: datetime | None) -> str:
    """A time in hex digits of seconds; zeros for none."""
    return f"{int(at.timestamp()) if at else 0:0{TIME_LENGTH}x}"[-TIME_LENGTH:]


def parse_time(text: str) -> datetime | None:
    """The time of such digits, of which all are within the calendar. Raises ValueError."""
    seconds = int(text, 16)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def parse_members(prefix: str, text: str) -> tuple[FoldedMember, ...]:
    """The members of a case that holds them. Those that are broken are left out: their findings are
    new then, and told once more.
    """
    return tuple(iter_members(prefix, text))


def iter_members(prefix: str, text: str) -> Iterator[FoldedMember]:
    """The members one by one."""
    for start in range(0, len(text), MEMBER_LENGTH):
        try:
            yield FoldedMember.from_text(prefix, text[start : start + MEMBER_LENGTH])
        except ValueError:
            continue


def format_members(members: Iterable[FoldedMember]) -> str:
    """Members as their case holds them, the same for the same members."""
    return "".join(one.to_text() for one in sorted(members, key=lambda one: one.key))


def hash_extent(finding: Finding) -> str:
    """A hash of how grave a finding is, what the guard makes of it, and how far it goes."""
    reaches = sorted(map(repr, limit_reaches(finding.reaches)))
    return hash_parts(int(finding.severity), str(finding.verdict), reaches)[:EXTENT_LENGTH]


def hash_plan(finding: Finding) -> str:
    """A hash of the changes that would remediate a finding."""
    changes = [[type(one).__name__, change_to_arguments(one)] for one in finding.changes]
    return hash_parts(changes)[:PLAN_LENGTH]
