"""What each further channel has to be told of a case: one row a case and channel.

The Teams channel has its mark on the case itself (`Case.notification`). Every other channel has a
row of its own for each case, which is written before the card goes out. So a channel that does not
answer keeps only its own rows, and no other channel waits for it.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.model.findings import Fact, Severity, Step

SECRET_PREFIX = "whsec_"  # noqa: S105  not a secret
"""What the secret of a signed webhook may begin with (standardwebhooks.com): base64 follows."""


TEAMS = "teams"
"""The channel that takes cards; all others have rows of their own."""


class CopyState(StrEnum):
    """Whether a channel took what it is to be told."""

    PENDING = "pending"
    """It has not taken it yet, or has to be told something newer."""
    ACCEPTED = "accepted"
    """It took it. Whether anybody was reached, no channel says."""
    REFUSED = "refused"
    """It does not take this message, in any form; it is tried again a few hours later."""


class NoticeEvent(StrEnum):
    """What a notice is about."""

    OPENED = "opened"
    CHANGED = "changed"
    REMINDER = "reminder"
    DONE = "done"
    CLOSED = "closed"
    EXISTING = "existing"
    """What the first look found, counted."""
    MORE = "more"
    """Cases that are too many to be told one by one, counted."""
    SETTINGS = "settings"
    """Settings of the app that were changed."""
    CONTAINED = "contained"
    """An account that was contained, or was to be."""
    RELEASED = "released"
    """An account whose containment was taken back."""
    TEST = "test"
    """A test of the channel."""


ENDS = frozenset({NoticeEvent.DONE, NoticeEvent.CLOSED, NoticeEvent.RELEASED})
NOT_OF_A_CASE = frozenset(
    {
        NoticeEvent.EXISTING,
        NoticeEvent.MORE,
        NoticeEvent.SETTINGS,
        NoticeEvent.CONTAINED,
        NoticeEvent.RELEASED,
        NoticeEvent.TEST,
    }
)
"""What is not about one case."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A case as a channel is told of it: a copy with bounded texts.

    The text from the tenant in it is as the case holds it; each channel escapes it.
    """

    guard: str
    guard_title: str
    case_key: str
    """The key of the case; a name of its own for a notice that counts cases."""
    event: NoticeEvent
    severity: Severity
    summary: str
    at: datetime
    """When what it tells was so."""
    kind: str = ""
    verdict: str = ""
    subject: str = ""
    object_id: str = ""
    advice: str = ""
    steps: tuple[Step, ...] = ()
    """The first of what is to be done that has a command."""
    note: str = ""
    facts: tuple[Fact, ...] = ()
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    count: int = 1
    """How many cases it stands for."""
    containment: str = ""
    """The id of the containment that it tells of, if it is about one."""

    @property
    def is_case(self) -> bool:
        """Whether it is about one case, rather than a number of them, an account or a test."""
        return self.event not in NOT_OF_A_CASE

    @property
    def short_key(self) -> str:
        """The last characters of the key, by which people refer to the case."""
        return self.case_key[-8:]


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """What one channel was told, or has still to be told, of one case."""

    channel: str
    revision: str
    """The hash of what it tells: the same is never told twice."""
    notice: Notice
    queued_at: datetime
    """Since when the channel has something to be told."""
    state: CopyState = CopyState.PENDING
    tried_at: datetime | None = None
    failure_count: int = 0
    """How often in a row the channel did not take it."""
    error: str = ""
    """Why it did not, the last time."""
    not_before: datetime | None = None
    """When it is to be sent at the earliest."""
    accepted_times: tuple[datetime, ...] = ()
    """When the channel took the last messages about the case."""
    accepted_severity: Severity = Severity.INFO
    """How severe these said it was, at most."""

    @property
    def key(self) -> str:
        """The identity of the row: the case, whose hash prefix comes first, and the channel."""
        return f"{self.notice.case_key}|{self.channel}"

    @property
    def message_id(self) -> str:
        """The identity of the message, the same each time it is sent."""
        return f"{self.notice.case_key}.{self.revision}"


@dataclass(frozen=True, slots=True)
class ChannelHealth:
    """How a channel answered lately, whichever guard sent."""

    channel: str
    setup: str
    """A hash of the channel's address: another one begins anew."""
    first_tried_at: datetime
    accepted_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""
    """Why the last message was not taken; empty if it was."""
    is_forbidden: bool = False
    """Whether that was for want of a right, which may come with time."""


@dataclass(frozen=True, slots=True)
class ChannelFault:
    """A channel that is wanted and out of use, since a setting of it is wrong."""

    channel: str
    reason: str
    """The setting at fault and what to do, without any secret."""
