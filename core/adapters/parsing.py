"""Rows of Microsoft Graph and Exchange into the nouns of `core.tenant`. Tolerant and bounded.

Exchange prints the same property as a boolean or as the word "True", a list as a list, a single
string or null, a duration in three ways. What is merely printed differently is understood; what
cannot be understood raises ValueError with a reason, so that the object counts as unread. Nothing
here ever guesses in favour of "nothing wrong".
"""

import hashlib
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import cast

from core.errors import MISTAKES, explain_error
from core.microsoft365.recipient_kinds import RECIPIENT_KINDS, normalize_recipient_kind
from core.strict_json import parse_strict_json
from core.tenant.packed_ids import pack_guids

RELIES_ON = ("exchange-wire-forms",)

type ResponseRow = Mapping[str, object]
log = logging.getLogger(__name__)

NAME_LIMIT = 2_000
REASON_LIMIT = 200
WORD_LIMIT = 256
ID_LIMIT = 128
FOLDER_ID_LIMIT = 512
LIST_LIMIT = 1_000
# An administrator of Exchange may run a thousand cmdlets, and all of them are named at once.
NAMES_LIMIT = 10_000
CACHED_NAMES_LENGTH = 2_000
CONDITIONS_LIMIT = 8 * 1024
EMPTY_GUID = "00000000-0000-0000-0000-000000000000"
GUID_LENGTH = len(EMPTY_GUID)
HEX = "[0-9A-Fa-f]"
# Written out, since groups and (?i) take twice the time, and every row of a listing has two.
GUID = re.compile(f"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}")
TIMESPAN = re.compile(r"(-?)(?:(\d{1,9})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d{1,7})?")
DURATION = re.compile(
    r"P(?:(\d{1,9})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.\d+)?S)?)?"
)
# Exchange prints numbers as text at times, and groups their digits for people: "12,345".
WHOLE_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,20}|[0-9]{1,3}(?:,[0-9]{3}){1,6})")
OBJECTS, STRINGS = frozenset({dict}), frozenset({str})
ANNOTATION_MARKERS = ("@odata.type", "@data.type")


def parse_json_object(raw: bytes) -> dict[str, object]:
    """The JSON object in a body. Raises ValueError for anything else, however it is malformed."""
    if not raw:
        raise ValueError("the answer has no body")
    try:
        value = parse_strict_json(raw)
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None
    except ValueError:
        raise ValueError("the answer is not JSON, or says something twice") from None
    if not isinstance(value, dict):
        raise ValueError("the answer is not a JSON object")
    return value


def parse_text(value: object, limit: int = NAME_LIMIT) -> str:
    """A string that is safe to keep: cut, and without lone surrogates. Anything else is empty."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value[:limit]
    return value[:limit].encode("utf-8", "replace").decode()


def parse_recipient_text(value: str) -> str:
    """A recipient string; a long one keeps its end, where the address stands in brackets."""
    if len(value) > NAME_LIMIT:
        value = f"{value[:200]}…{value[-1_700:]}"
    return parse_text(value)


def parse_recipient_kind(value: object, limit: int = 64) -> str:
    """A RecipientTypeDetails in the spelling of Exchange, whatever its case; "" for no text."""
    if isinstance(value, str) and value in RECIPIENT_KINDS:
        return value
    return normalize_recipient_kind(parse_text(value, limit))


def parse_whole_number(value: object) -> int | None:
    """A whole number, also in digits and grouped by commas; None for anything else."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value.strip()[:40]):
        return int(value.replace(",", ""))
    return None


def parse_identifier(value: object, limit: int = ID_LIMIT) -> str:
    """An id, or "" when it cannot be one. Numbers (RuleIdentity is a uint64) become strings.

    A GUID is the same in either case, so that it is kept and compared in one.
    """
    if type(value) is str and len(value) == GUID_LENGTH <= limit and (found := find_guid(value)):
        return found if found != EMPTY_GUID else ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**20 else ""
    if not isinstance(value, str):
        return ""
    if not 0 < len(value) <= limit:
        return ""
    return value if value.isprintable() and " " not in value and value.strip(".") else ""


@lru_cache(4_096)
def find_guid(text: str) -> str:
    """A GUID in small letters; "" for any other text. A row of a listing is asked several times."""
    return text.lower() if GUID.fullmatch(text) else ""


def are_plain_guids(values: Sequence[object]) -> bool:
    """Whether each of many values is a GUID as Microsoft prints it, which no parsing changes."""
    if not STRINGS.issuperset(map(type, values)):
        return False
    texts = cast("Sequence[str]", values)
    return pack_guids(texts) is not None and EMPTY_GUID not in texts


def parse_object_id(value: object) -> str:
    """The id of a directory object, or "" when it cannot be one: no number is."""
    return parse_identifier(value) if isinstance(value, str) else ""


def parse_optional_id(value: object) -> str:
    """The id of a directory object, "" where there is none. Raises ValueError for one that cannot
    be an id: who is known by it would pass for somebody else.
    """
    found = parse_object_id(value)
    if not found and value not in (None, "", EMPTY_GUID):
        raise ValueError("an id that cannot be one")
    return found


def parse_optional_bool(value: object) -> bool | None:
    """A boolean, also as a word or as a switch; None when it is none of them.

    A switch of PowerShell is an object in JSON: `{"IsPresent": true}`.
    """
    if value is None or value is True or value is False:
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        value = value.get("IsPresent")
    if isinstance(value, bool):
        return value
    words = {"true": True, "false": False}
    return words.get(value.strip().lower()) if isinstance(value, str) else None


def parse_row_flag(row: ResponseRow, name: str, default: bool = False) -> bool:
    """A boolean of a row that need not be there. Raises ValueError for what is no boolean."""
    value = row.get(name)
    if value is True or value is False:
        return value
    if value is None or value == "":
        return default
    known = parse_optional_bool(value)
    if known is None:
        raise ValueError(f"{name} is neither true nor false")
    return known


def parse_value_list(value: object) -> Sequence[object]:
    """A list as such; null is none of it, anything else is the only element."""
    if value is None or value == "":
        return ()
    if not isinstance(value, list):
        return (value,)
    if len(value) > LIST_LIMIT:
        raise ValueError(f"a list of {len(value)} elements")
    return value


def split_recipients(value: object) -> Sequence[object]:
    """Recipients one by one: a list without its nulls, or a string that an export joined.

    Only what is no list is taken apart, since a display name in a list may hold any character. A
    list of nothing but nulls stays as it is: it had a recipient, and does not say whom.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        plain = not set('"[<') & set(value)
        joint = r"[,;]" if plain and value.count("@") > 1 else r"(?<=\])\s*[,;]\s*(?=\")"
        return [part for part in re.split(joint, value) if part.strip()]
    entries = parse_value_list(value)
    return [entry for entry in entries if entry not in (None, "")] or entries


def is_set(value: object) -> bool:
    """True when a property says something: not null, not False, not an empty list or text."""
    return bool(value) and value != "False"


def parse_name_set(value: object) -> frozenset[str]:
    """A set of plain names, whether a list or one string with commas.

    Each name is cut where it is too long, never the string: what it no longer names would be taken
    for what it lacks. Raises ValueError for too many names.
    """
    return parse_names(",".join(part for part in parse_value_list(value) if isinstance(part, str)))


def parse_names(text: str) -> frozenset[str]:
    """The names in a text, with commas or spaces between them. Raises ValueError for too many."""
    return split_usual_names(text) if len(text) <= CACHED_NAMES_LENGTH else split_names(text)


def split_names(text: str) -> frozenset[str]:
    """The names in a text. Raises ValueError for too many of them."""
    parts = re.split(r"[,;\s]+", text)
    if len(parts) > NAMES_LIMIT:
        raise ValueError(f"a list of {len(parts)} names")
    return frozenset(name for part in parts if (name := parse_text(part)))


@lru_cache(256)
def split_usual_names(text: str) -> frozenset[str]:
    """The same of a short text: nearly all mailboxes of a tenant have the same few lists."""
    return split_names(text)


def parse_timestamp(value: object) -> datetime | None:
    """A point in time; None when it is absent. Raises ValueError when it is garbage."""
    if value is None or value == "":
        return None
    at = datetime.fromisoformat(parse_text(value, 64))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def parse_timespan_days(value: object) -> float | None:
    """A TimeSpan in days: "90.00:00:00", "P90D", {"Days": 90} or {"Ticks": ...}; else None."""
    if isinstance(value, str):
        return parse_timespan_text(value) if len(value) <= 64 else None
    return parse_timespan_parts(value) if isinstance(value, Mapping) else None


@lru_cache(64)
def parse_timespan_text(text: str) -> float | None:
    """The same of a text: nearly all mailboxes of a tenant have the same few."""
    if span := TIMESPAN.fullmatch(text.strip()):
        sign, whole, hours, minutes, seconds = span.groups()
        total = float(whole or 0) + convert_to_days(hours, minutes, seconds)
        return -total if sign else total
    if (span := DURATION.fullmatch(text.strip())) and any(span.groups()):
        whole, hours, minutes, seconds = span.groups()
        return float(whole or 0) + convert_to_days(hours, minutes, seconds)
    return None


def format_timespan(whole_days: float) -> str:
    """Days as cmdlets take them, e.g. "180.00:00:00"."""
    minutes, seconds = divmod(round(whole_days * 86_400), 60)
    hours, minutes = divmod(minutes, 60)
    count, hours = divmod(hours, 24)
    return f"{count}.{hours:02}:{minutes:02}:{seconds:02}"


def convert_to_days(hours: str | None, minutes: str | None, seconds: str | None) -> float:
    return (int(hours or 0) * 3_600 + int(minutes or 0) * 60 + int(seconds or 0)) / 86_400


def parse_timespan_parts(parts: ResponseRow) -> float | None:
    """A TimeSpan written out member by member. TotalDays and Ticks are whole by themselves."""

    def number(name: str) -> float | None:
        printed = parts.get(name)
        value = printed if isinstance(printed, float) else parse_whole_number(printed)
        return float(value) if value is not None and abs(value) < 1e19 else None

    if (total := number("TotalDays")) is not None:
        return total
    if (ticks := number("Ticks")) is not None:
        return ticks / 864_000_000_000
    if (whole := number("Days")) is None:
        return None
    return whole + (number("Hours") or 0) / 24 + (number("Minutes") or 0) / 1_440


def to_canonical_json(value: object) -> str:
    """A value as JSON that is the same for the same meaning; its sha256 when it is long."""
    try:
        shown = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    except RecursionError:
        raise ValueError("conditions are nested too deeply") from None
    if len(shown) <= CONDITIONS_LIMIT:
        return shown
    return json.dumps({"sha256": hashlib.sha256(shown.encode()).hexdigest()})


def parse_sequence_number(value: object) -> int:
    """A small number such as a rule's place in line; 0 when there is none."""
    found = parse_whole_number(value)
    return found if found is not None and abs(found) < 2**31 else 0


def strip_annotations(row: ResponseRow) -> dict[str, object]:
    """An Exchange row without the type notes that stand beside every property."""
    return strip_each_row((row,))[0]


def strip_each_row(rows: Iterable[ResponseRow]) -> list[dict[str, object]]:
    """Rows without those notes. Many rows of an answer have the same names, one after another."""
    names: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    stripped: list[dict[str, object]] = []
    for row in rows:
        if (found := tuple(row)) != names:
            names, kept = found, select_names(found)
        stripped.append({name: row[name] for name in kept})
    return stripped


def select_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Names of properties without those of the notes on their types."""
    is_usual = sum(map(len, names)) <= CACHED_NAMES_LENGTH
    return select_usual_names(names) if is_usual else select_plain_names(names)


def select_plain_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same, told from each name."""
    return tuple([name for name in names if not is_type_annotation(name)])


@lru_cache(256)
def select_usual_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """The same of a short row: a tenant has few kinds of rows."""
    return select_plain_names(names)


def is_type_annotation(key: str) -> bool:
    """True for the name of a note on a type."""
    return any(part in key for part in ANNOTATION_MARKERS)


def parse_total_count(answer: ResponseRow) -> int:
    """The number of all rows of a collection, where an answer gives it; otherwise 0."""
    count = answer.get("@odata.count")
    return count if isinstance(count, int) and not isinstance(count, bool) else 0


def parse_response_rows(answer: ResponseRow, expected: Iterable[str] = ()) -> list[ResponseRow]:
    """The rows in an answer: its `value`, or the answer itself where it is the one object.

    The latter only when it has one of the `expected` properties. Raises ValueError for anything
    else: an answer that is not understood is never an empty list. Expected properties get their
    usual names, whatever the case in which the answer spells them.
    """
    value = answer.get("value")
    if not expected and isinstance(value, list) and OBJECTS.issuperset(map(type, value)):
        return value
    expected = frozenset(expected)
    if "value" not in answer and not expected.isdisjoint(restore_names(answer, expected)):
        value = answer
    found = [value] if isinstance(value, Mapping) else value
    if not isinstance(found, list) or not OBJECTS.issuperset(map(type, found)):
        raise ValueError("the answer has no list of objects")
    return [restore_names(row, expected) for row in found] if expected else found


def restore_names(row: ResponseRow, expected: frozenset[str]) -> ResponseRow:
    """A row in which the expected properties have their usual names: `guid` becomes `Guid`."""
    if expected <= row.keys():
        return row
    missing = {name.casefold(): name for name in expected - row.keys()}
    return {missing.get(key.casefold(), key): value for key, value in row.items()}


def parse_each_row[T](
    rows: Iterable[ResponseRow], parse: Callable[[ResponseRow], T]
) -> tuple[list[T], list[tuple[ResponseRow, str]]]:
    """Every row parsed, and apart from them the rows that could not be, with the reason.

    One that nobody foresaw, so that its parser makes a mistake about it, is among these.
    """
    parsed, broken = list[T](), list[tuple[ResponseRow, str]]()
    for row in rows:
        try:
            parsed.append(parse(row))
        except MISTAKES as error:
            broken.append((row, explain_row_error(error)))
    return parsed, broken


def explain_row_error(error: Exception) -> str:
    """Why a row could not be understood: in its parser's own words, or what mistake that made about
    it, which is logged with its trace.
    """
    if isinstance(error, ValueError):
        return str(error)[:REASON_LIMIT]
    log.error("a row meets %s", explain_error(error), exc_info=error)
    return explain_error(error)


def get_part(value: object, name: str) -> Mapping[str, object]:
    """A part of an object that is an object itself; empty for anything else."""
    part = value.get(name) if isinstance(value, Mapping) else None
    return part if isinstance(part, Mapping) else {}
