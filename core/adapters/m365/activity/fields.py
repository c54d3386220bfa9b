"""Fields of audit records as plain, bounded values. Pure.

Everything in a record is foreign text: whoever acts chooses names of rules, apps and clients.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address

from core.adapters.parsing import GUID, LIST_LIMIT, ResponseRow, parse_text, parse_whole_number
from core.keys import hash_parts
from core.tenant.activity import ActivityActor

NAME_LIMIT, VALUE_LIMIT, WORD_LIMIT = 256, 200, 64
MAX_NAMES = 12
# A value under such a name may be a credential.
SECRET_NAME = re.compile(r"(?i)password|secret|credential|token|key(?!word)|certificate|blob")
PORT = re.compile(r"^\[(?P<six>[0-9A-Fa-f:.]+)\](?::\d{1,5})?$|^(?P<four>[\d.]{7,15}):\d{1,5}$")
# How the accounts that copy a directory on premises are named (Microsoft Learn: Microsoft Entra
# Connect, accounts and permissions; public audit records). Anybody may be named so.
SYNC_NAME = re.compile(
    r"(?i)(?:sync_.{1,64}_[0-9a-f]{1,16}|aad_[0-9a-f]{8,16}|fim_password_service)@"
)


def fold_names(row: ResponseRow) -> dict[str, object]:
    """A record by its names in lower case: logs and exports of them differ in it."""
    return {name.casefold(): value for name, value in row.items()}


def parse_record_time(value: object) -> datetime:
    """When an act was: a time without a zone means UTC. Raises ValueError for what is no time."""
    at = datetime.fromisoformat(parse_text(value, WORD_LIMIT).strip())
    try:
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the time of a record is outside the calendar") from error
    if not 2000 <= at.year < 3000:
        raise ValueError("the time of a record makes no sense")
    return at


def parse_address(value: object) -> str:
    """An address without its port; empty for what is none."""
    text = parse_text(value, WORD_LIMIT).strip()
    if found := PORT.match(text):
        text = found["six"] or found["four"]
    try:
        return str(ip_address(text))
    except ValueError:
        return ""


def parse_name(value: object, limit: int = NAME_LIMIT) -> str:
    """A name in one line; empty for what is no text."""
    return " ".join(parse_text(value, limit).split())


def parse_number(value: object) -> int | None:
    """A number, which some tenants print as text; None for anything else."""
    return parse_whole_number(value)


def is_guid(text: str) -> bool:
    return bool(GUID.fullmatch(text))


def is_sync_name(name: str) -> bool:
    """Whether a principal name is that of an account which copies a directory on premises."""
    return bool(SYNC_NAME.match(name))


def is_secret_name(name: str) -> bool:
    """Whether what stands under a name may be a credential."""
    return bool(SECRET_NAME.search(name))


def iter_pairs(value: object, name: str, content: str) -> Iterator[tuple[str, object]]:
    """The pairs of a list of objects that each have a name and a value."""
    for entry in value[:LIST_LIMIT] if isinstance(value, list) else ():
        if isinstance(entry, Mapping):
            key = parse_name(entry.get(name), WORD_LIMIT)
            if key:
                yield key, entry.get(content)


def collect_parameters(pairs: Iterable[tuple[str, object]]) -> dict[str, str]:
    """What was set, without what may be a credential. All of it: what counts may come last."""
    return {
        name: parse_name(value, VALUE_LIMIT) for name, value in pairs if not is_secret_name(name)
    }


def collect_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of an object, each once and without blanks around it."""
    kept = dict.fromkeys(name.strip() for name in names if name.strip())
    return tuple(kept)[:MAX_NAMES]


def build_record_id(
    given: object, operation: str, at: datetime, actor: ActivityActor, names: tuple[str, ...]
) -> str:
    """The id of a record, or one made of what it says."""
    found = parse_name(given, 128)
    return found or hash_parts(operation, at.isoformat(), actor.id, actor.name, names)


def mark_own_act(
    actor: ActivityActor, own_ids: frozenset[str], others: Iterable[str] = ()
) -> ActivityActor:
    """The actor, marked where it is the app that reads; `others` are further ids of it."""
    if own_ids.isdisjoint({actor.id.casefold(), actor.app_id.casefold(), *others} - {""}):
        return actor
    return ActivityActor(actor.kind, actor.name, actor.id, actor.app_id, is_this_app=True)
