"""Settings that were changed, told once: whoever may change them can blind a guard and leave no
trace in the tenant.

    timer, every hour ─► settings ─► compared with those remembered ─► card ─► remembered

Not which change weakens a guard is decided here, but that one was made: a mode that went down
stands first, and all others are named as well. What is secret, or long, is remembered as the start
of its sha256. A webhook that was changed is told to the new one, and written to the log.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from core.config.settings import Settings, all_settings
from core.errors import AlertError
from core.jobs.weekly_digest import PARTITION
from core.model.guards import Mode
from core.notifications.adaptive_card import Element, envelope, heading, table, text
from core.ports import World
from core.sanitize import escaped, plain

log = logging.getLogger("exoguard.settings")

LONGEST = 100
SHOWN = 40
UNSET = "(not set)"


@dataclass(frozen=True, slots=True)
class Changed:
    """A setting that is not what it was; `weaker`: a guard may do less than before."""

    name: str
    before: str
    now: str

    @property
    def weaker(self) -> bool:
        """True for a mode that went down."""
        order = [str(mode) for mode in Mode]
        modes = self.name.endswith("_MODE") and {self.before, self.now} <= set(order)
        return modes and order.index(self.now) < order.index(self.before)


def remembered(settings: Settings) -> dict[str, str]:
    """Every setting as it may be kept and shown."""
    found: dict[str, str] = {}
    for entry in all_settings():
        value = settings[entry.name]
        if value and (entry.secret or len(value) > LONGEST):
            value = f"sha256 {hashlib.sha256(value.encode()).hexdigest()[:8]}"
        found[entry.name] = value
    return found


def changes(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[Changed, ...]:
    """What differs, the weaker guards first. A setting one of the two versions does not know is
    not a change: it came, or went, with the version."""
    found = [
        Changed(name, before[name], value)
        for name, value in now.items()
        if name in before and before[name] != value
    ]
    return tuple(sorted(found, key=lambda one: (not one.weaker, one.name)))


def card(found: tuple[Changed, ...]) -> Mapping[str, object]:
    """The card that tells."""
    weaker = any(one.weaker for one in found)
    headline = f"{len(found)} settings were changed" if len(found) > 1 else "A setting was changed"
    style = "attention" if weaker else "warning"
    line = "Whoever did not expect this should find out who may change the app's settings."
    body: list[Element] = [heading("settings", headline, line, style)]
    body.append(table(list(rows(found[:SHOWN]))))
    if len(found) > SHOWN:
        body.append(text(f"and {len(found) - SHOWN} more"))
    return envelope(body, f"Exoguard: {headline}")


def rows(found: tuple[Changed, ...]) -> Iterator[tuple[str, str]]:
    """One row a setting: its name, and what it was and is."""
    for one in found:
        less = " — the guard may do less than before" if one.weaker else ""
        was, now = (escaped(value, LONGEST) if value else UNSET for value in (one.before, one.now))
        yield escaped(one.name), f"{was} → {now}{less}"


async def watch(world: World, settings: Settings, run: str) -> str:
    """Tell what was changed since this was asked last: "same", "told", "busy", or "untold", which
    is tried again the next time. Raises LedgerError when the state cannot be reached.
    """
    now = remembered(settings)
    async with world.ledger.claim(PARTITION, run) as claim:
        if claim is None:
            return "busy"
        state = (await claim.recall()).state
        found = changes(state.settings, now)
        if found:
            told = {one.name: [plain(one.before), plain(one.now)] for one in found}
            log.warning("exoguard.settings %s", json.dumps(told))
            await claim.check()
            try:
                await world.alerts.send(card(found))
            except AlertError as error:
                log.error("settings were changed, and the card was not taken: %s", error)
                return "untold"
        if state.settings != now:
            await claim.save(state=replace(state, settings=now))
        return "told" if found else "same"
