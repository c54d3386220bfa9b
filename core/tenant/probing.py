"""What a tenant answers about the assumptions that code makes of Microsoft's services."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class AnswerStatus(StrEnum):
    """What a probe found out about one assumption."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does-not-hold"
    UNKNOWN = "could-not-tell"


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The last answer of the tenant about one assumption.

    No field holds a name, an address or an id of the tenant: the answers go into bug reports.
    """

    assumption: str
    """The id of the assumption."""
    status: AnswerStatus
    saw: str = ""
    """What the probe saw, in counts and words of its own."""
    way: str = ""
    """The way that follows from it; empty for the default way."""
    error: str = ""
    """The type of the error that kept the probe from telling."""
    guard: str = ""
    """The guard whose case reports that it no longer holds."""
    held_at: datetime | None = None
    """When a probe last saw that it holds."""
    stopped_at: datetime | None = None
    """Since when it does not hold although it held before."""


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """What one probe of the whole register found out."""

    answers: tuple[ProbeAnswer, ...]
    request_count: int
    seconds: float
