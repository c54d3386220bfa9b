"""Searches of the unified audit log: asked for now, answered in minutes to hours.

A search is for what is known already: who changed what a case is about, and what an account did.
It never says where to look. Microsoft records each search in the same log.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from core.tenant.activity import ActivityRecord
from core.tenant.readings import Reading

NOT_AUDITED = "the unified audit log is off"
"""What the reason of a failure begins with where the tenant records nothing."""

MORE = "more"
"""The object of a failure that says that more was found than is read."""


class QueryState(StrEnum):
    """How far a search has come."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    GONE = "gone"
    """The service knows no such search any more."""


@dataclass(frozen=True, slots=True)
class AuditQuestion:
    """What is searched for: records of a time, of some operations, by some people."""

    since: datetime
    until: datetime
    operations: tuple[str, ...] = ()
    """Names as the log spells them; none: all of Exchange."""
    people: tuple[str, ...] = ()
    """Principal names of whoever the log says acted; none: anybody."""


@dataclass(frozen=True, slots=True)
class QueryProgress:
    """How far a search has come, as its service says."""

    state: QueryState
    is_cut: bool = False
    """Whether the service says that it found more than it keeps."""


class MailAccess(StrEnum):
    """What was done with mail."""

    BIND = "bind"
    """Single messages were opened."""
    SYNC = "sync"
    """A folder was copied to a client: any message in it may have been read."""
    ATTACHMENT = "attachment"
    SENT = "sent"
    UNKNOWN = "unknown"
    """Mail was accessed in a way that the record does not tell."""


@dataclass(frozen=True, slots=True)
class MailItem:
    """One message, or an attachment of it. Untrusted."""

    message_id: str
    """Its InternetMessageId."""
    folder: str = ""
    subject: str = ""
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MailPart:
    """What a record says of mail."""

    access: MailAccess
    mailbox: str = ""
    """The principal name of the mailbox's owner."""
    items: tuple[MailItem, ...] = ()
    folders: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    is_throttled: bool = False
    """Whether the service stopped recording for a day: more was accessed than is on record."""
    left_out: int = 0
    """How many items and recipients the record names beyond those that are kept."""


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record that a search found."""

    record: ActivityRecord
    mail: MailPart | None = None
    """What it says of mail; None where it is about none."""


class AuditQueryReader(Protocol):
    """Searches the unified audit log. Source `audit-queries` of all its readings.

    A failure names the missing permission where that is why; UNIFIED_AUDIT_LOG in its place where
    the tenant records nothing. Without either it is temporary if the reading is not `complete`, and
    final if it is.
    """

    async def is_granted(self) -> bool | None:
        """Whether the app may search; None where that could not be found out."""
        ...

    async def start_query(self, name: str, question: AuditQuestion) -> Reading[str]:
        """Begin a search; its id is the only item. It is asked once and not repeated."""
        ...

    async def read_progress(self, query_id: str) -> Reading[QueryProgress]:
        """How far a search has come."""
        ...

    async def read_records(
        self, query_id: str, operations: Collection[str]
    ) -> Reading[FoundRecord]:
        """What a search that succeeded found, of some operations (none: all), each record once.

        Pages may be lost: then what was read comes with the failure, and the reading is not
        `complete`. A record that cannot be understood is a failure as those of `ActivityReader`.
        """
        ...
