"""Resolves what an operator types: the name of a guard, a case, a time, a number."""

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
from core.cli.words import GUARD_NAMES
from core.keys import KEY_PATTERN, RUN_ID_PATTERN
from core.tenant.quoting import quote_text

FULL_KEY = re.compile(KEY_PATTERN)
SHORT_KEY = re.compile(r"[0-9a-f]{8,31}")
# The most pages of cases, 100 each, that are searched for a short key.
MAX_PAGES = 200
# The length of Case.short_key.
SHORT_LENGTH = 8


def parse_guard_name(text: str) -> str:
    """A guard's name. Raises UsageError, which lists the guards."""
    if text not in GUARD_NAMES:
        raise UsageError(
            f"'{quote_text(text, 60)}' is not a guard; the guards are: {', '.join(GUARD_NAMES)}"
        )
    return text


def parse_option_choice(text: str, allowed: tuple[str, ...], option: str) -> str:
    """One of the values of an option. Raises UsageError, which lists them."""
    if text not in allowed:
        raise UsageError(
            f"'{quote_text(text, 40)}' is not valid for {option}; use {', '.join(allowed)}"
        )
    return text


def parse_hex_id(text: str, what: str) -> str:
    """The full key of a case, or the full id of a change or plan. Raises UsageError."""
    key = text.strip().lower()
    if not FULL_KEY.fullmatch(key):
        raise UsageError(f"'{quote_text(text, 60)}' is not a valid {what}; use its 32 hex digits")
    return key


def parse_run_number(text: str, what: str) -> str:
    """The number of a run or a request. Raises UsageError."""
    if not re.fullmatch(RUN_ID_PATTERN, text):
        raise UsageError(
            f"'{quote_text(text, 60)}' is not a valid {what}; "
            "use 14 digits, a hyphen and 8 hex digits"
        )
    return text


def parse_until_option(text: str, now: datetime) -> datetime:
    """An end: a number of days from now, a date, or a time. Raises UsageError."""
    end = parse_deadline(text.strip(), now)
    if end is None:
        raise UsageError(
            f"'{quote_text(text, 40)}' is not a valid date; use YYYY-MM-DD, or days such as 30d"
        )
    return end.astimezone(UTC)


async def resolve_case(client: ApiClient, text: str, guard: str = "") -> tuple[str, str]:
    """The guard and the full key of a case, given by its key or by the end of it.

    Open cases are searched before closed ones. Raises UsageError if several cases match,
    ApiUnavailable if none does.
    """
    wanted = text.strip().lower()
    if FULL_KEY.fullmatch(wanted):
        return await find_case_guard(client, wanted, guard), wanted
    if not SHORT_KEY.fullmatch(wanted):
        raise UsageError(
            f"'{quote_text(text, 60)}' is not a valid case; use its key or the last 8 digits"
        )
    unreadable: set[str] = set()
    for state in ("open", "closed"):
        found = await list_case_keys(client, state, guard, wanted, unreadable)
        matches = [row for row in found if row[1].endswith(wanted)]
        if len(matches) > 1:
            keys = ", ".join(f"{key} ({name})" for name, key in matches[:5])
            raise UsageError(f"{wanted} is ambiguous; {len(matches)} cases end with it: {keys}")
        if matches:
            return matches[0]
    if unreadable:
        names = ", ".join(sorted(unreadable))
        raise ApiUnavailable(f"no case ends with {wanted}, but the state cannot be read of {names}")
    raise ApiUnavailable(f"no case ends with {wanted}; closed cases are kept for 90 days")


async def find_case_guard(client: ApiClient, key: str, guard: str) -> str:
    """The guard of a case. Raises ApiUnavailable."""
    for name in [guard] if guard else GUARD_NAMES:
        response = await client.get(f"/api/cases/{name}/{key}.json")
        if response.status == 200:
            return name
        if response.status != 404:
            raise ApiUnavailable(explain_response(response))
    raise ApiUnavailable(f"no case has the key {key}; closed cases are kept for 90 days")


async def list_case_keys(
    client: ApiClient, state: str, guard: str, wanted: str, unreadable: set[str]
) -> list[tuple[str, str]]:
    """The cases in a state that name a part of a key, as pairs of a guard and a key. Raises
    ApiUnavailable.

    Adds to `unreadable` the guards whose cases are missing.
    """
    keys: list[tuple[str, str]] = []
    for page in range(1, MAX_PAGES + 1):
        query = {"state": state, "page": str(page), "q": wanted}
        query |= {"guard": guard} if guard else {}
        document = (await fetch_response(client, "/api/cases.json", query)).parse_object()
        keys += [(str(row["guard"]), str(row["case"])) for row in document["cases"]]
        unreadable.update(quote_text(str(name), 60) for name in document["unreadable"])
        if page >= int(document["pages"]):
            return keys
    raise ApiUnavailable("there are too many cases to search: use the full key, or --guard")


async def resolve_subject(client: ApiClient, text: str, guard: str) -> str:
    """The subject of an exemption: an object's id or a case's key, which may be shortened."""
    if len(text) != SHORT_LENGTH or not SHORT_KEY.fullmatch(text):
        return text
    return (await resolve_case(client, text, guard))[1]


def find_change_row(document: dict[str, Any], change: str) -> dict[str, Any] | None:
    """A change in the status document; None if it is older than the status covers."""
    return next((row for row in document["changes"] if row["change"] == change), None)
