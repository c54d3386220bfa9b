"""Reports changed settings: they can disable a guard and leave no trace in the tenant.

    timer, every hour ─► settings ─► compare with the stored ones ─► card ─► store

Every change is reported, and a lowered mode first; which others weaken a guard is not judged here.
Of secrets and long values only the start of their SHA-256 is stored. A changed webhook is reported
to the new webhook and written to the log.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from core.config.settings import Settings, list_settings
from core.errors import NotificationError
from core.jobs.weekly_digest import DIGEST_PARTITION
from core.model.guards import Mode
from core.notifications.adaptive_card import (
    CardElement,
    escape_markdown,
    make_card_header,
    make_fact_set,
    make_text_block,
    wrap_in_message,
)
from core.ports import World
from core.tenant.quoting import quote_text

log = logging.getLogger("exoguard.settings")

MAX_SETTING_LENGTH = 100
MAX_SETTINGS_LISTED = 40
UNSET_TEXT = "(not set)"


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


def build_settings_card(setting_changes: tuple[SettingChange, ...]) -> Mapping[str, object]:
    """The card that reports the changes."""
    weaker = any(one.is_weaker for one in setting_changes)
    headline = (
        f"{len(setting_changes)} settings were changed"
        if len(setting_changes) > 1
        else "A setting was changed"
    )
    style = "attention" if weaker else "warning"
    line = "Whoever did not expect this should find out who may change the app's settings."
    body: list[CardElement] = [make_card_header("settings", headline, line, style)]
    body.append(make_fact_set(list(build_setting_rows(setting_changes[:MAX_SETTINGS_LISTED]))))
    if len(setting_changes) > MAX_SETTINGS_LISTED:
        body.append(make_text_block(f"and {len(setting_changes) - MAX_SETTINGS_LISTED} more"))
    return wrap_in_message(body, f"Exoguard: {headline}")


def build_setting_rows(setting_changes: tuple[SettingChange, ...]) -> Iterator[tuple[str, str]]:
    """One row per setting: its name, its old value and its new value."""
    for one in setting_changes:
        less = " — the guard may do less than before" if one.is_weaker else ""
        was, now = (
            escape_markdown(value, MAX_SETTING_LENGTH) if value else UNSET_TEXT
            for value in (one.before, one.after)
        )
        yield escape_markdown(one.name), f"{was} → {now}{less}"


async def alert_on_settings_change(world: World, settings: Settings, run: str) -> str:
    """Report what changed since the last call: "same", "told", "busy", or "untold", which is
    repeated.

    Raises LedgerError if the state is unreachable.
    """
    now = collect_setting_values(settings)
    async with world.ledger.claim(DIGEST_PARTITION, run) as claim:
        if claim is None:
            return "busy"
        state = (await claim.load()).state
        found = diff_settings(state.settings, now)
        if found:
            logged = {one.name: [quote_text(one.before), quote_text(one.after)] for one in found}
            log.warning("exoguard.settings %s", json.dumps(logged))
            await claim.ensure_held()
            try:
                await world.notification_channel.send(build_settings_card(found))
            except NotificationError as error:
                log.error(
                    "settings were changed, and the channel did not accept the card: %s", error
                )
                return "untold"
        if state.settings != now:
            await claim.save(state=replace(state, settings=now))
        return "told" if found else "same"
