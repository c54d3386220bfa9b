"""Tells the channels besides Teams of changed settings, each by a row of its own.

Who may change settings may change where the Teams card goes. The other channels are witnesses; what
one of them does not take is sent again every hour.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from core.engine.deliver import send_to_channels
from core.engine.outbox import Outbox, list_rows_to_forget, put_notice
from core.keys import PREFIX_LENGTH, hash_parts
from core.model.findings import Fact, Severity
from core.model.outbox import Notice, NoticeEvent, OutboxRow
from core.ports import Claim, World
from core.tenant.quoting import quote_text

SETTINGS_KEY = "0" * PREFIX_LENGTH + "-settings"
MAX_FACTS, MAX_VALUE_LENGTH = 12, 100
UNSET_TEXT = "(not set)"
LOST_SUMMARY = "The row of the settings that operators were told of is gone from the state table."
LOST_ADVICE = (
    "Compare the settings with what they should be, and find out who may write the state table."
)
CHANGED_ADVICE = "Whoever did not expect this should find out who may change the app's settings."


@dataclass(frozen=True, slots=True)
class SettingNews:
    """What there is to tell of settings: those that changed, or those as they are now."""

    values: Sequence[tuple[str, str, str]]
    """The name of each, with its value before and now; before: empty where nobody knows it."""
    weaker_count: int = 0
    """How many of them are modes that were lowered."""
    is_lost: bool = False
    """Whether nobody knows any more what the settings were."""


def build_settings_notice(news: SettingNews, now: datetime) -> Notice:
    """What is told of settings."""
    return Notice(
        guard="exoguard",
        guard_title="Exoguard",
        case_key=SETTINGS_KEY,
        event=NoticeEvent.SETTINGS,
        severity=Severity.HIGH if news.is_lost or news.weaker_count else Severity.MEDIUM,
        summary=LOST_SUMMARY if news.is_lost else summarize_changes(news),
        at=now,
        advice=LOST_ADVICE if news.is_lost else CHANGED_ADVICE,
        facts=tuple(
            Fact(name, show_value(after) if news.is_lost else describe_change(before, after))
            for name, before, after in news.values[:MAX_FACTS]
        ),
        count=max(len(news.values), 1),
    )


def summarize_changes(news: SettingNews) -> str:
    """How many settings changed, and whether a guard may do less since."""
    count = len(news.values)
    names = ", ".join(name for name, _, _ in news.values[:MAX_FACTS])
    told = f"{count} settings were changed" if count > 1 else "A setting was changed"
    more = f" and {count - MAX_FACTS} more" if count > MAX_FACTS else ""
    less = "; a guard may do less than before" if news.weaker_count else ""
    return f"{told}: {names}{more}{less}."


def describe_change(before: str, after: str) -> str:
    """What a setting was and is."""
    return f"{show_value(before)} → {show_value(after)}"


def show_value(value: str) -> str:
    """A value as it may be shown; of secrets only a hash comes here."""
    return quote_text(value, MAX_VALUE_LENGTH) if value else UNSET_TEXT


def queue_settings_notice(
    news: SettingNews, world: World, rows: Mapping[str, OutboxRow]
) -> tuple[OutboxRow, ...]:
    """The rows to save for the channels that are told of so much."""
    now = world.now()
    notice = build_settings_notice(news, now)
    revision = hash_parts("settings", news.is_lost, list(map(list, news.values)))
    queued = (
        put_notice(channel.name, notice, revision, rows, now)
        for channel in world.channels
        if notice.severity >= channel.least_severity
    )
    return tuple(row for row in queued if row)


async def save_settings_notice(
    world: World, claim: Claim, news: SettingNews, known: Mapping[str, OutboxRow]
) -> Outbox:
    """Save what the channels have to be told, before the card is sent."""
    outbox = Outbox(dict(known))
    if rows := queue_settings_notice(news, world, outbox.rows):
        await claim.save(*rows)
        outbox.put(rows)
    return outbox


async def send_waiting_notices(world: World, claim: Claim, known: Mapping[str, OutboxRow]) -> None:
    """Send the channels what they have not taken yet, and forget what was told long ago."""
    names = [channel.name for channel in world.channels]
    gone = list_rows_to_forget(known.values(), names, {}, world.now())
    if gone:
        await claim.save(forget=gone)
    kept = {row.key: row for row in known.values() if row not in gone}
    await send_to_channels(world, claim, Outbox(kept))
