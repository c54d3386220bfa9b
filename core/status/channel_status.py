"""How each channel besides Teams stands: what it took, what waits, why; and which is out of use.

"Accepted" is all that a channel says; whether anybody read it, no channel knows. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.json_document import Count
from core.model.outbox import TEAMS, ChannelFault, ChannelHealth, CopyState, OutboxRow
from core.tenant.quoting import quote_text
from core.time_format import format_duration

# How long a right that was just given may need (Microsoft Learn: RBAC for Applications).
SETUP_TIME = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class ChannelStatus:
    """One channel that is on."""

    name: str
    is_well: bool
    """Whether nothing has to be done about it."""
    text: str
    """How it stands, in a sentence."""
    waiting_count: int
    refused_count: int
    accepted_at: datetime | None
    is_usable: bool = True
    """False where a setting of it is wrong."""


@dataclass(frozen=True, slots=True)
class ChannelDocument:
    """A channel besides Teams, or Teams where it is out of use.

    `accepted` is when it last took a message, not when one was read.
    """

    channel: str
    well: bool
    text: str
    waiting: Count
    refused: Count
    accepted: datetime | None


def build_channel(status: ChannelStatus) -> ChannelDocument:
    """The document of one channel."""
    return ChannelDocument(
        status.name,
        status.is_well,
        status.text,
        status.waiting_count,
        status.refused_count,
        status.accepted_at,
    )


def build_channel_statuses(
    names: Sequence[str],
    healths: Mapping[str, ChannelHealth],
    rows: Iterable[OutboxRow],
    now: datetime,
    faults: Iterable[ChannelFault] = (),
) -> tuple[ChannelStatus, ...]:
    """How the channels that are on stand, by the rows of all guards; those out of use first."""
    rows = [row for row in rows if row.state is not CopyState.ACCEPTED]
    unusable = [
        ChannelStatus(
            one.channel,
            is_well=False,
            text=f"Out of use: {one.reason}",
            waiting_count=sum(row.channel == one.channel for row in rows),
            refused_count=0,
            accepted_at=None,
            is_usable=False,
        )
        for one in faults
    ]
    usable = [
        build_channel_status(
            name, healths.get(name), [row for row in rows if row.channel == name], now
        )
        for name in names
    ]
    return (*unusable, *usable)


def is_silent(channels: Iterable[ChannelStatus]) -> bool:
    """Whether no channel is left that could tell anybody anything."""
    found = list(channels)
    has_teams = all(one.name != TEAMS for one in found)
    return not has_teams and not any(one.is_usable for one in found)


def build_channel_status(
    name: str, health: ChannelHealth | None, rows: Sequence[OutboxRow], now: datetime
) -> ChannelStatus:
    """How one channel stands. Rows are what it has not taken."""
    refused = sum(row.state is CopyState.REFUSED for row in rows)
    waiting = len(rows) - refused
    is_well, text = describe_health(health, now)
    if refused:
        is_well, text = False, f"{text}; {refused} messages it does not take in any form"
    if waiting:
        age = format_duration(max(now - min(row.queued_at for row in rows), timedelta()))
        text = f"{text}; {waiting} wait, the oldest for {age}"
    return ChannelStatus(
        name, is_well, f"{text}.", waiting, refused, health.accepted_at if health else None
    )


def describe_health(health: ChannelHealth | None, now: datetime) -> tuple[bool, str]:
    """Whether a channel is well, and how it answered last."""
    if health is None:
        return True, "Nothing was sent yet: exo channels test"
    if not health.error:
        accepted = health.accepted_at or health.first_tried_at
        age = format_duration(max(now - accepted, timedelta()))
        return True, f"Accepted the last message {age} ago"
    why = quote_text(health.error, 200)
    if is_setting_up(health, now):
        return (
            True,
            f"Waiting for its rights, which may take two hours after they were given ({why})",
        )
    return False, f"Did not accept the last message: {why}"


def is_setting_up(health: ChannelHealth, now: datetime) -> bool:
    """Whether a refusal may only mean that the channel's rights are not known everywhere yet."""
    is_new = health.accepted_at is None and abs(now - health.first_tried_at) < SETUP_TIME
    return health.is_forbidden and health.channel == "mail" and is_new
