"""Reports changed settings: they can disable a guard and leave no trace in the tenant.

    every run, every hour ─► settings ─► compare with the stored ones ─► card ─► store

A comparison that finds nothing new reads one row. Of more than so many cards a day the rest waits
for an hour, but for a mode that was lowered and not told yet. A change that was told within a day
is not told again while the settings go to and fro, as they do where two deployments share a table;
once it has lasted two hours it is. A row that was deleted is told: nobody could compare any more.
Every change is reported, and a lowered mode first; which others weaken a guard is not judged here.
Of secrets and long values only the start of their SHA-256 is stored. A changed webhook is reported
to the new webhook, to the other channels and to the log.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from core.config.settings import Settings, list_settings
from core.engine.deliver import run_together, send_to_channels
from core.engine.operator_requests import CLAIM_RETRY_DELAY
from core.errors import CardRejected, LedgerError, NotificationError
from core.jobs.settings_notices import (
    LOST_SUMMARY,
    UNSET_TEXT,
    SettingNews,
    save_settings_notice,
    summarize_changes,
)
from core.keys import hash_parts
from core.model.guards import Mode
from core.model.outbox import OutboxRow
from core.model.state import MAX_TIME_AHEAD, GuardState, StateMark
from core.notifications.adaptive_card import (
    MAX_MESSAGE_BYTES,
    CardElement,
    escape_markdown,
    make_card_header,
    make_fact_set,
    make_text_block,
    take_fitting,
    wrap_in_message,
)
from core.ports import DIGEST_PARTITION, Claim, World
from core.tenant.quoting import quote_text

log = logging.getLogger("exoguard.settings")

MAX_SETTING_LENGTH = 100
MAX_SETTINGS_LISTED = 40
# Of a card, for all but its rows, and for the names of their fields.
RESERVED_BYTES = 4_000
# How long a change that was told is not told again, unless it lasts.
REPEAT_WINDOW = timedelta(days=1)
LASTING_TIME = timedelta(hours=2)
MAX_REMEMBERED_CHANGES = 60
# Who may change settings can do so before every run.
CARDS_A_DAY, CARD_PAUSE = 12, timedelta(hours=1)
# Runs that begin in one moment compare one after another.
MAX_CLAIM_ATTEMPTS = 3
REPEAT_NOTE = (
    "The settings have gone to and fro: two deployments may share this state table, or somebody "
    "changes them and puts them back. A change that was told within a day is told again only if it "
    "lasts for two hours."
)


@dataclass(frozen=True, slots=True)
class SettingChange:
    """A setting with another value than before."""

    name: str
    before: str
    after: str

    @property
    def is_weaker(self) -> bool:
        """Whether the setting is a mode that was lowered: the guard may do less than before."""
        message = [str(mode) for mode in Mode]
        modes = self.name.endswith("_MODE") and {self.before, self.after} <= set(message)
        return modes and message.index(self.after) < message.index(self.before)


def collect_setting_values(settings: Settings) -> dict[str, str]:
    """Every setting as it may be stored and shown."""
    found: dict[str, str] = {}
    for entry in list_settings():
        value = settings[entry.name]
        if value and (entry.is_secret or len(value) > MAX_SETTING_LENGTH):
            value = f"sha256 {hashlib.sha256(value.encode()).hexdigest()[:8]}"
        found[entry.name] = value
    return found


def diff_settings(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[SettingChange, ...]:
    """The changed settings, lowered modes first. A setting that only one version knows is no
    change.
    """
    found = [
        SettingChange(name, before[name], value)
        for name, value in after.items()
        if name in before and before[name] != value
    ]
    return tuple(sorted(found, key=lambda one: (not one.is_weaker, one.name)))


def hash_changes(setting_changes: tuple[SettingChange, ...]) -> str:
    """The identity of some changes."""
    return hash_parts(sorted((one.name, one.before, one.after) for one in setting_changes))


def was_change_told(state: GuardState, key: str, now: datetime) -> bool:
    """Whether a change was told, or seen again, within a day. A time in the future is no proof."""
    at = state.settings_told.get(key)
    return at is not None and is_recent(at, now)


def is_recent(at: datetime, now: datetime) -> bool:
    """Whether a time lies within a day. One in the future is none of ours."""
    return -MAX_TIME_AHEAD <= now - at < REPEAT_WINDOW


def has_change_lasted(state: GuardState, seen: str, now: datetime) -> bool:
    """Whether the settings have been the same for two hours of looks."""
    since = state.settings_seen_since
    return state.settings_seen == seen and since is not None and abs(now - since) >= LASTING_TIME


def may_tell_now(
    state: GuardState, setting_changes: tuple[SettingChange, ...], now: datetime
) -> bool:
    """Whether another card may be sent now. A mode that was lowered passes, once a day."""
    recent = [at for at in state.settings_told.values() if is_recent(at, now)]
    if len(recent) < CARDS_A_DAY or now - max(recent) >= CARD_PAUSE:
        return True
    return any(
        one.is_weaker and not was_change_told(state, hash_changes((one,)), now)
        for one in setting_changes
    )


def note_told(
    state: GuardState, setting_changes: tuple[SettingChange, ...], now: datetime
) -> dict[str, datetime]:
    """The changes that are not told again for a while, with these and each lowered mode."""
    for one in setting_changes:
        if one.is_weaker:
            state = replace(state, settings_told=note_told_change(state, hash_changes((one,)), now))
    return note_told_change(state, hash_changes(setting_changes), now)


def note_told_change(state: GuardState, key: str, now: datetime) -> dict[str, datetime]:
    """The changes that are not told again for a while, with one more."""
    recent = [name for name in state.settings_told if was_change_told(state, name, now)]
    newest = sorted(recent, key=lambda name: state.settings_told[name])[-MAX_REMEMBERED_CHANGES:]
    return {name: state.settings_told[name] for name in newest} | {key: now}


def build_settings_card(
    setting_changes: tuple[SettingChange, ...], *, is_repeated: bool = False
) -> Mapping[str, object]:
    """The card that reports the changes; `is_repeated` if they went to and fro within a day."""
    weaker = any(one.is_weaker for one in setting_changes)
    headline = (
        f"{len(setting_changes)} settings were changed"
        if len(setting_changes) > 1
        else "A setting was changed"
    )
    style = "attention" if weaker else "warning"
    line = "Whoever did not expect this should find out who may change the app's settings."
    body: list[CardElement] = [make_card_header("settings", headline, line, style)]
    # Whoever sets long values does not make a card too large for the channel.
    rows = take_fitting(
        build_setting_rows(setting_changes[:MAX_SETTINGS_LISTED]),
        MAX_MESSAGE_BYTES - RESERVED_BYTES,
    )
    body.append(make_fact_set(rows))
    if len(setting_changes) > len(rows):
        body.append(make_text_block(f"and {len(setting_changes) - len(rows)} more"))
    if is_repeated:
        body.append(make_text_block(REPEAT_NOTE))
    return wrap_in_message(body, f"Exoguard: {headline}")


def build_loss_card(values: Mapping[str, str]) -> Mapping[str, object]:
    """The card that says that nobody knows any more which settings operators were told of."""
    headline = "What was known of the settings is gone"
    line = (
        "The row of the state table with the settings that were told last was deleted or emptied. "
        "Compare the settings with what they should be, and find out who may write the table."
    )
    body: list[CardElement] = [make_card_header("settings", headline, line, "attention")]
    body.append(
        make_fact_set(
            [
                (escape_markdown(name), escape_markdown(value or UNSET_TEXT))
                for name, value in list_modes(values)[:MAX_SETTINGS_LISTED]
            ]
        )
    )
    return wrap_in_message(body, f"Exoguard: {headline}")


def list_modes(values: Mapping[str, str]) -> list[tuple[str, str]]:
    """The modes of the guards, by their settings."""
    return [(name, value) for name, value in sorted(values.items()) if name.endswith("_MODE")]


def build_setting_rows(setting_changes: tuple[SettingChange, ...]) -> Iterator[tuple[str, str]]:
    """One row per setting: its name, its old value and its new value."""
    for one in setting_changes:
        less = " — the guard may do less than before" if one.is_weaker else ""
        was, now = (
            escape_markdown(value, MAX_SETTING_LENGTH) if value else UNSET_TEXT
            for value in (one.before, one.after)
        )
        yield escape_markdown(one.name), f"{was} → {now}{less}"


async def compare_settings_before_run(world: World, settings: Settings, run: str) -> None:
    """Report changed settings at the start of a run. A failure of this does not stop the run."""
    try:
        result = await alert_on_settings_change(world, settings, run)
    except LedgerError as error:
        log.error("the settings were not compared: %s", error)
        return
    if result != "same":
        log.info("changed settings: %s", result)


async def alert_on_settings_change(world: World, settings: Settings, run: str) -> str:
    """Report what changed since the last call: "same", "told", "busy", "held" for what was told
    within a day or waits for an hour, or "untold", which is repeated.

    Raises LedgerError if the state is unreachable.
    """
    values = collect_setting_values(settings)
    for attempt in range(MAX_CLAIM_ATTEMPTS):
        state = await world.ledger.load_state(DIGEST_PARTITION)
        if is_settled(state, values):
            return "same"
        async with world.ledger.claim(DIGEST_PARTITION, run) as claim:
            if claim:
                return await compare_settings(world, claim, values)
        if attempt < MAX_CLAIM_ATTEMPTS - 1:
            await world.sleep(CLAIM_RETRY_DELAY)
    # Whoever holds the row must not keep a change from being told: Azure Monitor tells it.
    if found := diff_settings(state.settings, values):
        log_changes(found)
    return "busy"


async def compare_settings(world: World, claim: Claim, values: Mapping[str, str]) -> str:
    """The same, while the row of what was told is held."""
    snapshot = await claim.load()
    state, outbox = snapshot.state, snapshot.outbox
    if not state.settings and await world.ledger.load_mark(DIGEST_PARTITION):
        return await tell_lost_settings(world, claim, state, values, outbox)
    found = diff_settings(state.settings, values)
    if not found:
        if not is_settled(state, values):
            await save_known_settings(world, claim, settle_settings(state, values))
        return "same"
    return await tell_changes(world, claim, state, values, found, outbox)


async def save_known_settings(world: World, claim: Claim, state: GuardState) -> None:
    """Save what operators know of the settings, and beside the table that there is such a row."""
    await claim.save(state=state)
    if not await world.ledger.load_mark(DIGEST_PARTITION):
        await world.ledger.save_mark(DIGEST_PARTITION, StateMark(1, world.now()))


async def tell_lost_settings(
    world: World,
    claim: Claim,
    state: GuardState,
    values: Mapping[str, str],
    outbox: Mapping[str, OutboxRow],
) -> str:
    """Tell that the row of the settings is gone, with the modes as they are now: who deletes it may
    have changed them, and nothing is left to compare them with.
    """
    log.warning("exoguard.settings %s", json.dumps({"": ["the row of the settings is gone", ""]}))
    modes = [(name, "", value) for name, value in list_modes(values)]
    news = SettingNews(modes, is_lost=True)
    if error := await send_card(world, claim, build_loss_card(values), news, outbox):
        log.error("the row of the settings is gone, and no card was accepted: %s", error)
        return "untold"
    await save_known_settings(world, claim, settle_settings(state, values))
    return "told"


async def tell_changes(
    world: World,
    claim: Claim,
    state: GuardState,
    values: Mapping[str, str],
    found: tuple[SettingChange, ...],
    outbox: Mapping[str, OutboxRow],
) -> str:
    """Tell of changed settings, unless they were told within a day."""
    now = world.now()
    key, seen = hash_changes(found), hash_parts(values)
    is_known = was_change_told(state, key, now)
    if is_known and not has_change_lasted(state, seen, now):
        log.info("settings go to and fro: a change that was told within a day is not told again")
        if state.settings_seen != seen:
            told = note_told_change(state, key, now)
            await claim.save(
                state=replace(
                    state, settings_seen=seen, settings_seen_since=now, settings_told=told
                )
            )
        return "held"
    state = await log_change_once(claim, state, found)
    if not may_tell_now(state, found, now):
        return "held"
    back = tuple(SettingChange(one.name, one.after, one.before) for one in found)
    is_repeated = is_known or was_change_told(state, hash_changes(back), now)
    card = build_settings_card(found, is_repeated=is_repeated)
    news = SettingNews(
        [(one.name, one.before, one.after) for one in found], sum(one.is_weaker for one in found)
    )
    if error := await send_card(world, claim, card, news, outbox):
        log.error("settings were changed, and the channel did not accept the card: %s", error)
        return "untold"
    told = note_told(state, found, now)
    settled = replace(settle_settings(state, values), settings_told=told)
    await save_known_settings(world, claim, settled)
    return "told"


async def send_card(
    world: World,
    claim: Claim,
    card: Mapping[str, object],
    news: SettingNews,
    known: Mapping[str, OutboxRow],
) -> str:
    """Send a card, and the other channels what is news, all at the same time. Returns why the card
    was not accepted; empty if it was.
    """
    outbox = await save_settings_notice(world, claim, news, known)
    errors: list[str] = []

    async def send_to_teams() -> None:
        await claim.ensure_held()
        try:
            await send_or_plain(world, card, news)
        except NotificationError as error:
            errors.append(str(error) or type(error).__name__)

    await run_together(send_to_teams(), send_to_channels(world, claim, outbox))
    return "; ".join(errors)


async def send_or_plain(world: World, card: Mapping[str, object], news: SettingNews) -> None:
    """Send a card, and one with the names alone if the channel rejects it. Raises
    NotificationError.
    """
    try:
        await world.notification_channel.send(card)
    except CardRejected as rejection:
        log.warning("the card about settings was rejected; a plain one follows: %s", rejection)
        await world.notification_channel.send(build_plain_card(news))


def build_plain_card(news: SettingNews) -> Mapping[str, object]:
    """What changed by name, for a channel that rejected the card with the values."""
    summary = LOST_SUMMARY if news.is_lost else summarize_changes(news)
    body: list[CardElement] = [
        make_text_block(f"Exoguard: {escape_markdown(summary, 1_000)}"),
        make_text_block("The channel rejected the card with the values."),
    ]
    return wrap_in_message(body, "Exoguard: settings were changed")


async def log_change_once(
    claim: Claim, state: GuardState, setting_changes: tuple[SettingChange, ...]
) -> GuardState:
    """Log changes, which Azure Monitor tells, once for as long as the channel accepts no card.

    Returns the state that remembers it.
    """
    key = hash_changes(setting_changes)
    if state.settings_logged == key:
        return state
    log_changes(setting_changes)
    state = replace(state, settings_logged=key)
    await claim.save(state=state)
    return state


def log_changes(setting_changes: tuple[SettingChange, ...]) -> None:
    """Log changes in the words that the alert rule reads."""
    logged = {one.name: [quote_text(one.before), quote_text(one.after)] for one in setting_changes}
    log.warning("exoguard.settings %s", json.dumps(logged))


def is_settled(state: GuardState, values: Mapping[str, str]) -> bool:
    """Whether the settings are those that operators were told of, and nothing waits."""
    return state.settings == values and not state.settings_seen


def settle_settings(state: GuardState, values: Mapping[str, str]) -> GuardState:
    """The state with these settings as those that operators know."""
    return replace(
        state, settings=values, settings_seen="", settings_seen_since=None, settings_logged=""
    )
