"""Which case, guard or moment is meant by what somebody types."""

import re
from datetime import UTC, datetime
from typing import Any

from core.cli.api_client import (
    ApiClient,
    ApiUnavailable,
    UsageError,
    explain_response,
    fetch_response,
)
from core.cli.formatting import parse_deadline
from core.config.catalog import CATALOG
from core.keys import KEY_PATTERN, RUN_ID_PATTERN
from core.model.findings import Severity
from core.sanitize import sanitize_text

FULL_KEY = re.compile(KEY_PATTERN)
SHORT_KEY = re.compile(r"[0-9a-f]{8,31}")
SEVERITY_LABELS = tuple(level.label for level in reversed(Severity) if level is not Severity.INFO)
GUARD_NAMES = tuple(duty.guard.name for duty in CATALOG)
# So many pages of cases are looked through for a short name, a hundred each.
MAX_PAGES = 200
# As many digits as `Case.short` has.
SHORT_LENGTH = 8


def parse_guard_name(text: str) -> str:
    """A guard's name. Raises Misused, naming those there are."""
    if text not in GUARD_NAMES:
        raise UsageError(
            f"there is no guard {sanitize_text(text, 60)}; there are: {', '.join(GUARD_NAMES)}"
        )
    return text


def parse_option_choice(text: str, allowed: tuple[str, ...], option: str) -> str:
    """A word that an option takes. Raises Misused, naming them all."""
    if text not in allowed:
        raise UsageError(f"{option} is one of {', '.join(allowed)}: not {sanitize_text(text, 40)}")
    return text


def parse_hex_id(text: str, what: str) -> str:
    """The key of a case or the id of a change or plan, in full. Raises Misused."""
    found = text.strip().lower()
    if not FULL_KEY.fullmatch(found):
        raise UsageError(f"{sanitize_text(text, 60)} is no {what}: 32 hex digits")
    return found


def parse_run_number(text: str, what: str) -> str:
    """The number of a run or an action. Raises Misused."""
    if not re.fullmatch(RUN_ID_PATTERN, text):
        raise UsageError(f"{sanitize_text(text, 60)} is no {what}: 14 digits, a dash, 8 hex digits")
    return text


def parse_until_option(text: str, now: datetime) -> datetime:
    """An end: a number of days from now, a date, or a time. Raises Misused."""
    found = parse_deadline(text.strip(), now)
    if found is None:
        raise UsageError(
            f"--until is a number of days as 30d, or a date: not {sanitize_text(text, 40)}"
        )
    return found.astimezone(UTC)


async def resolve_case(client: ApiClient, text: str, guard: str = "") -> tuple[str, str]:
    """The guard and the full key of a case: by its key, or by the end of it as cards show it.

    An open case comes before closed ones. Raises Misused for what several cases end with, Unknown
    for what none does.
    """
    wanted = text.strip().lower()
    if FULL_KEY.fullmatch(wanted):
        return await find_case_guard(client, wanted, guard), wanted
    if not SHORT_KEY.fullmatch(wanted):
        raise UsageError(
            f"{sanitize_text(text, 60)} is no case: its key, or the last 8 digits of it"
        )
    for state in ("open", "closed"):
        ending = [
            row for row in await list_case_keys(client, state, guard) if row[1].endswith(wanted)
        ]
        if len(ending) > 1:
            named = ", ".join(f"{key} ({of})" for of, key in ending[:5])
            raise UsageError(f"{wanted} is ambiguous: {len(ending)} cases end so: {named}")
        if ending:
            return ending[0]
    raise ApiUnavailable(f"no case ends with {wanted}: cases that ended are kept for 90 days")


async def find_case_guard(client: ApiClient, key: str, guard: str) -> str:
    """The guard that has a case. Raises Unknown."""
    for name in [guard] if guard else GUARD_NAMES:
        reply = await client.get(f"/api/cases/{name}/{key}.json")
        if reply.status == 200:
            return name
        if reply.status != 404:
            raise ApiUnavailable(explain_response(reply))
    raise ApiUnavailable(f"no case has the key {key}: cases that ended are kept for 90 days")


async def list_case_keys(client: ApiClient, state: str, guard: str) -> list[tuple[str, str]]:
    """All cases in a state: pairs of a guard and a key. Raises Unknown."""
    found: list[tuple[str, str]] = []
    for page in range(1, MAX_PAGES + 1):
        query = {"state": state, "page": str(page), **({"guard": guard} if guard else {})}
        document = (await fetch_response(client, "/api/cases.json", query)).parse_object()
        found += [(str(row["guard"]), str(row["case"])) for row in document["cases"]]
        if page >= int(document["pages"]):
            return found
    raise ApiUnavailable("there are too many cases to look through: give the whole key, or --guard")


async def resolve_subject(client: ApiClient, text: str, guard: str) -> str:
    """What an exemption is about: the id of an object, a key, or the short end of one."""
    if len(text) != SHORT_LENGTH or not SHORT_KEY.fullmatch(text):
        return text
    return (await resolve_case(client, text, guard))[1]


def find_change_row(document: dict[str, Any], change: str) -> dict[str, Any] | None:
    """A change among those of a status; None when it is older."""
    return next((row for row in document["changes"] if row["change"] == change), None)
