"""What is kept of audit records: acts that may explain cases, where to look, how far a log is read.

record ─► act       who did what to which objects, kept for eight days
       └► look      which objects a guard is to look at, until it has looked
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.keys import hash_parts
from core.tenant.activity import ActivityActor, ActivityLog, ActorKind


@dataclass(frozen=True, slots=True)
class ActTarget:
    """What an act may have led to: cases of one guard, about one object as far as it is known."""

    guard: str
    object_id: str = ""
    """The id of the object; empty where the record does not tell it."""
    names: tuple[str, ...] = ()
    """Names of the object in lower case, by which people know it. Untrusted."""
    kinds: tuple[str, ...] = ()
    """The kinds of cases that such an act leads to; none: any."""


@dataclass(frozen=True, slots=True)
class Act:
    """One act, or alike acts within an hour that tell no more than that something changed."""

    key: str
    """The hour of the act and a hash of its id: acts of one time are adjacent."""
    at: datetime
    seen_at: datetime
    """When Exoguard first saw the record."""
    log: ActivityLog
    operation: str
    actor: ActivityActor
    targets: tuple[ActTarget, ...] = ()
    address: str = ""
    client: str = ""
    session: str = ""
    detail: str = ""
    """What was set, in a line. Untrusted."""
    count: int = 1
    """How many acts it stands for; MAX_COUNTED or more where it is that."""
    first_at: datetime | None = None
    """When the first of them was, if it stands for several; `at` is the last."""
    counted: tuple[str, ...] = ()
    """Hashes of the ids of the records that it counts, where it may stand for several: a record
    that is served again counts once.
    """

    @property
    def began_at(self) -> datetime:
        """When the first act was that it stands for."""
        return self.first_at or self.at


MAX_COUNTED = 4_000
"""Acts that one row counts; of more it is not known which of them are new."""
STORY_KEY_LENGTH = 16


@dataclass(frozen=True, slots=True)
class PendingLook:
    """What a guard is to look at because of records, until it has looked."""

    guard: str
    since: datetime
    """When the last of these records was seen: a full run that began later has seen it all."""
    guids: tuple[str, ...] = ()
    """The mailboxes, by Exchange's id; at most MAX_LOOKED_AT."""
    is_whole: bool = False
    """Whether the guard is to run in full: too many objects, or one that could not be found."""
    attempts: int = 0
    """How often the guard was busy, or its look failed."""


MAX_LOOKED_AT = 200
"""More distinct objects of one guard are a full run."""

LAG_BOUNDS = (
    *(60, 120, 300, 600, 900, 1_800, 2_700, 3_600, 5_400, 7_200),
    *(14_400, 28_800, 86_400, 172_800, 604_800),
)
"""Seconds: the lags of records are counted up to each of these, and beyond the last."""


@dataclass(frozen=True, slots=True)
class RefusedContent:
    """A content of the feed that could not be read, which holds up nothing else."""

    id: str
    created_at: datetime
    expires_at: datetime
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class ActivityCursor:
    """How far one log has been read, and how late its records come."""

    name: str
    """An ActivityLog, or CHANGED_ACCOUNTS."""
    started_at: datetime
    """When it was first read: what happened before leads to no look."""
    through: datetime
    """Everything that the log served before this time has been read."""
    read_at: datetime | None = None
    """When it was last read without a failure."""
    swept_at: datetime | None = None
    """When a week of it was last read again, for records that came late."""
    link: str = ""
    """From where to go on, for a log that gives a link."""
    read_contents: tuple[str, ...] = ()
    """Hashes of contents that were read and may be listed again."""
    refused: tuple[RefusedContent, ...] = ()
    lags: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By day (2026-11-29), how many records came within each of LAG_BOUNDS, and beyond."""
    error: str = ""
    """Why it could not be read last time; empty if it was."""
    failed_since: datetime | None = None
    lost_count: int = 0
    """How many contents were given up."""
    sweep_until: datetime | None = None
    """Up to when the week is still to be read again, where one reading could not hold all of it."""
    broken: tuple[str, ...] = ()
    """Hashes of records that could not be understood, so that each counts once."""
    broken_count: int = 0
    """How many records could not be understood."""
    restarted_at: datetime | None = None
    """When it began anew since its row could not be decoded or believed; None: never."""
    gap_from: datetime | None = None
    """The start of the last time that nobody read, because the log keeps no more; with its end."""
    gap_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """The act that a case is put down to: the last one on record that fits before it was seen."""

    operation: str
    at: datetime
    actor: ActivityActor
    log: ActivityLog
    address: str = ""
    client: str = ""
    session: str = ""
    detail: str = ""
    count: int = 1
    beside: tuple[str, ...] = ()
    """What else its session, or else the same actor at the same address, did within an hour."""
    beside_count: int = 0
    is_same_session: bool = False
    """Whether `beside` was joined by the session; otherwise by actor and address."""
    other_addresses: tuple[str, ...] = ()
    """From where else its session acted within an hour: a token that is used at two places."""


def build_session_key(cause: Cause) -> str:
    """What cases of one session share, as the key of what is shared; empty where none is told."""
    return hash_parts("session", cause.session)[:STORY_KEY_LENGTH] if cause.session else ""


def build_actor_key(cause: Cause) -> str:
    """What cases of one actor share; empty for Microsoft's service, and where nobody is told."""
    who = "" if cause.actor.kind is ActorKind.MICROSOFT else identify_actor(cause.actor)
    return hash_parts("actor", who)[:STORY_KEY_LENGTH] if who else ""


def identify_actor(actor: ActivityActor) -> str:
    """Who acted, as one is recognised; empty where that is not told.

    A person has an id or a name: an application id in such a record is that of their client, which
    others use as well. An app has ids, and any name it likes.
    """
    if actor.kind is ActorKind.APP:
        return actor.id or actor.app_id
    return "" if actor.kind is ActorKind.UNKNOWN else actor.id or actor.name.casefold()


def get_hand(act: Act | Cause) -> str:
    """What tells who acted: the session; where none is told, the actor at an address, if both are.

    Two acts of unknown hands are never joined.
    """
    if act.session:
        return f"session {act.session}"
    who = identify_actor(act.actor)
    return f"{who} at {act.address}" if who and act.address else f"act {act.at.isoformat()}"
