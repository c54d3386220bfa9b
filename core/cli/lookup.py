"""Which case, guard or moment is meant by what somebody types."""

import re
from datetime import UTC, datetime
from typing import Any

from core.cli.api_client import Misused, Unknown, Way, read, remedy
from core.cli.formatting import last_of
from core.config.catalog import CATALOG
from core.keys import KEY, NUMBER
from core.model.findings import Severity
from core.sanitize import plain

FULL = re.compile(KEY)
SHORT = re.compile(r"[0-9a-f]{8,31}")
LEVELS = tuple(level.label for level in reversed(Severity) if level is not Severity.INFO)
GUARDS = tuple(duty.guard.name for duty in CATALOG)
# So many pages of cases are looked through for a short name, a hundred each.
PAGES = 200
# As many digits as `Case.short` has.
SHORT_LENGTH = 8


def guard_of(text: str) -> str:
    """A guard's name. Raises Misused, naming those there are."""
    if text not in GUARDS:
        raise Misused(f"there is no guard {plain(text, 60)}; there are: {', '.join(GUARDS)}")
    return text


def one_of(text: str, allowed: tuple[str, ...], option: str) -> str:
    """A word that an option takes. Raises Misused, naming them all."""
    if text not in allowed:
        raise Misused(f"{option} is one of {', '.join(allowed)}: not {plain(text, 40)}")
    return text


def id_of(text: str, what: str) -> str:
    """The key of a case or the id of a change or plan, in full. Raises Misused."""
    found = text.strip().lower()
    if not FULL.fullmatch(found):
        raise Misused(f"{plain(text, 60)} is no {what}: 32 hex digits")
    return found


def number_of(text: str, what: str) -> str:
    """The number of a run or an action. Raises Misused."""
    if not re.fullmatch(NUMBER, text):
        raise Misused(f"{plain(text, 60)} is no {what}: 14 digits, a dash, 8 hex digits")
    return text


def until_of(text: str, now: datetime) -> datetime:
    """An end: a number of days from now, a date, or a time. Raises Misused."""
    found = last_of(text.strip(), now)
    if found is None:
        raise Misused(f"--until is a number of days as 30d, or a date: not {plain(text, 40)}")
    return found.astimezone(UTC)


async def case_of(way: Way, text: str, guard: str = "") -> tuple[str, str]:
    """The guard and the full key of a case: by its key, or by the end of it as cards show it.

    An open case comes before closed ones. Raises Misused for what several cases end with, Unknown
    for what none does.
    """
    wanted = text.strip().lower()
    if FULL.fullmatch(wanted):
        return await owner(way, wanted, guard), wanted
    if not SHORT.fullmatch(wanted):
        raise Misused(f"{plain(text, 60)} is no case: its key, or the last 8 digits of it")
    for state in ("open", "closed"):
        ending = [row for row in await listed(way, state, guard) if row[1].endswith(wanted)]
        if len(ending) > 1:
            named = ", ".join(f"{key} ({of})" for of, key in ending[:5])
            raise Misused(f"{wanted} is ambiguous: {len(ending)} cases end so: {named}")
        if ending:
            return ending[0]
    raise Unknown(f"no case ends with {wanted}: cases that ended are kept for 90 days")


async def owner(way: Way, key: str, guard: str) -> str:
    """The guard that has a case. Raises Unknown."""
    for name in [guard] if guard else GUARDS:
        reply = await way.get(f"/api/cases/{name}/{key}.json")
        if reply.status == 200:
            return name
        if reply.status != 404:
            raise Unknown(remedy(reply))
    raise Unknown(f"no case has the key {key}: cases that ended are kept for 90 days")


async def listed(way: Way, state: str, guard: str) -> list[tuple[str, str]]:
    """All cases in a state: pairs of a guard and a key. Raises Unknown."""
    found: list[tuple[str, str]] = []
    for page in range(1, PAGES + 1):
        query = {"state": state, "page": str(page), **({"guard": guard} if guard else {})}
        document = (await read(way, "/api/cases.json", query)).document()
        found += [(str(row["guard"]), str(row["case"])) for row in document["cases"]]
        if page >= int(document["pages"]):
            return found
    raise Unknown("there are too many cases to look through: give the whole key, or --guard")


async def subject_of(way: Way, text: str, guard: str) -> str:
    """What an exemption is about: the id of an object, a key, or the short end of one."""
    if len(text) != SHORT_LENGTH or not SHORT.fullmatch(text):
        return text
    return (await case_of(way, text, guard))[1]


def change_in(document: dict[str, Any], change: str) -> dict[str, Any] | None:
    """A change among those of a status; None when it is older."""
    return next((row for row in document["changes"] if row["change"] == change), None)
