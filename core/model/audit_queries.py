"""Searches of the audit log that are under way, and the cases that wait for one.

wish ─► asked ─► running ─► collected once ─► collected twice: answered
                    └► failed, refused, or no answer in time

A guard's run writes which of its cases have no cause yet (a wish), whatever searches there are. One
job writes the searches. So no two processes write one row.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.tenant.audit_queries import AuditQuestion

MAX_WISHED = 200
"""The most cases of one guard that wait for a search at a time."""


@dataclass(frozen=True, slots=True)
class WishedCase:
    """A case without a cause, as a search has to know it."""

    key: str
    kind: str
    since: datetime
    """From when on an act may have led to it."""


@dataclass(frozen=True, slots=True)
class CauseWish:
    """The cases of one guard that its last run knew no cause of."""

    guard: str
    at: datetime
    cases: tuple[WishedCase, ...] = ()


class SearchState(StrEnum):
    """How far a search has come, as this app knows it."""

    ASKING = "asking"
    """On record as about to be asked: whether it was, nobody knows."""
    RUNNING = "running"
    ANSWERED = "answered"
    FAILED = "failed"
    """The service gave up, forgot the search, or refused it."""
    SILENT = "silent"
    """No answer in time."""


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """One search of the audit log, for the causes of a guard's cases or for an account's record."""

    key: str
    about: str
    """The name of the guard, or the object id of the account."""
    question: AuditQuestion
    asked_at: datetime
    """When it was asked: what it finds was on record by then."""
    cases: tuple[str, ...] = ()
    """The keys of the cases that it is for."""
    state: SearchState = SearchState.ASKING
    query_id: str = ""
    """The id that the service gave it. Foreign, and never a key."""
    attempts: int = 1
    """How often it was asked, or was about to be."""
    collected: int = 0
    """How often its records were read: one reading may leave some out."""
    read_at: datetime | None = None
    """When they were last read."""
    found: int = 0
    """How many records it found that concern somebody."""
    is_cut: bool = False
    """Whether more was found than could be read."""
    ended_at: datetime | None = None
    note: str = ""
    """Why it failed, or what is missing, in words."""
    round: int = 1
    """It is asked anew once after its end, where records may come late."""
    again_at: datetime | None = None
    """When it is asked anew; None: not, or it is under way."""
    told: str = ""
    """The last text about it that its cases have: what was told once is not told again."""

    @property
    def is_open(self) -> bool:
        """Whether an answer is still waited for."""
        return self.state in (SearchState.ASKING, SearchState.RUNNING)
