"""Records of Entra: rows of Graph's directoryAudits, and the same acts in the feed. Pure.

An app that acted is known by its service principal only (graph2otel, 2026-07); a person by an
object id, since a person may be called anything ("Microsoft Teams Graph Service":
MicrosoftDocs/entra-docs#606). Values of what changed are JSON as text; what may be a credential is
not kept.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping

from core.adapters.m365.activity.exchange import parse_session
from core.adapters.m365.activity.fields import (
    NAME_LIMIT,
    VALUE_LIMIT,
    build_record_id,
    collect_names,
    fold_names,
    is_guid,
    is_secret_name,
    is_sync_name,
    iter_pairs,
    mark_own_act,
    parse_address,
    parse_name,
    parse_number,
    parse_record_time,
)
from core.adapters.parsing import LIST_LIMIT, ResponseRow, get_part, parse_text
from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.assumptions.graph_logs import AUDIT_APP_ID, AUDIT_VALUES
from core.tenant.activity import ActivityActor, ActivityLog, ActivityRecord, ActorKind

RELIES_ON = (AUDIT_APP_ID, AUDIT_VALUES)

FAILED_RESULTS = frozenset({"failure", "failed", "timeout", "false"})
# Whom a grant was given to stands among what changed; its target is what it opens.
CLIENT_PROPERTIES = ("serviceprincipal.objectid", "serviceprincipal.appid", "app.objectid")
CLIENT_ID = re.compile(r"ClientId:\s*([0-9A-Fa-f-]{36})")
GRANT_WORDS = ("delegated permission grant", "app role assignment")
MAX_TARGETS = 50
DISPLAY_NAME = 1
"""The IdentityType of a display name (office-365-management-api, schema); 2 is another name, 3 a
PUID, 4 an SPN, 5 a principal name.
"""


def parse_directory_audit(row: ResponseRow, own_ids: frozenset[str]) -> ActivityRecord | None:
    """A row of directoryAudits; None for an act that failed. Raises ValueError for what is none."""
    if parse_name(row.get("result"), 32).casefold() in FAILED_RESULTS:
        return None
    operation = require_operation(row.get("activityDisplayName"))
    at = parse_record_time(row.get("activityDateTime"))
    actor = mark_own_act(parse_initiator(row.get("initiatedBy")), own_ids)
    targets = row.get("targetResources")
    rows = (
        [one for one in targets[:MAX_TARGETS] if isinstance(one, Mapping)]
        if isinstance(targets, list)
        else []
    )
    changed = [
        pair
        for one in rows
        for pair in iter_pairs(one.get("modifiedProperties"), "displayName", "newValue")
    ]
    ids = [parse_name(one.get("id"), 64) for one in rows]
    upns = [parse_name(one.get("userPrincipalName")) for one in rows]
    names = collect_names(iter_names(operation, changed, [*ids, *upns]))
    user = get_part(row.get("initiatedBy"), "user")
    details = dict(iter_pairs(row.get("additionalDetails"), "key", "value"))
    return ActivityRecord(
        id=build_record_id(row.get("id"), operation, at, actor, names),
        log=ActivityLog.DIRECTORY,
        operation=operation,
        at=at,
        actor=actor,
        names=names,
        shown=next(filter(None, (parse_name(one.get("displayName")) for one in rows)), ""),
        address=parse_address(user.get("ipAddress")),
        client=parse_name(details.get("User-Agent"), 120),
        parameters=collect_changes(changed),
    )


def parse_initiator(value: object) -> ActivityActor:
    """Who acted, by initiatedBy: the user, or else the app."""
    user, app = get_part(value, "user"), get_part(value, "app")
    found = parse_name(user.get("id"), 64).casefold()
    name = parse_name(user.get("userPrincipalName")) or parse_name(user.get("displayName"))
    if found or name:
        kind = ActorKind.SYNC if is_sync_name(name) else ActorKind.PERSON
        return ActivityActor(kind, name, found)
    principal = parse_name(app.get("servicePrincipalId"), 64).casefold()
    app_id, shown = parse_name(app.get("appId"), 64).casefold(), parse_name(app.get("displayName"))
    if principal or app_id or shown:
        return ActivityActor(ActorKind.APP, shown, principal, app_id)
    return ActivityActor(ActorKind.UNKNOWN)


def parse_entra_record(row: ResponseRow, own_ids: frozenset[str]) -> ActivityRecord | None:
    """A record of the feed (RecordType 8); None for an act that failed. Raises ValueError."""
    record = fold_names(row)
    if parse_name(record.get("resultstatus"), 32).casefold() in FAILED_RESULTS:
        return None
    operation = require_operation(record.get("operation"))
    at = parse_record_time(record.get("creationtime"))
    actor = mark_own_act(parse_feed_actor(record), own_ids)
    changed = list(iter_pairs(record.get("modifiedproperties"), "Name", "NewValue"))
    targets = list(iter_parts(record.get("target")))
    ids = [name for kind, name in targets if kind != DISPLAY_NAME]
    names = collect_names(
        iter_names(operation, changed, [*ids, parse_name(record.get("objectid"))])
    )
    context = record.get("appaccesscontext")
    access = fold_names(context) if isinstance(context, Mapping) else {}
    return ActivityRecord(
        id=build_record_id(record.get("id"), operation, at, actor, names),
        log=ActivityLog.ENTRA_FEED,
        operation=operation,
        at=at,
        actor=actor,
        names=names,
        shown=next((name for kind, name in targets if kind == DISPLAY_NAME), ""),
        address=parse_address(record.get("clientip"))
        or parse_address(record.get("actoripaddress")),
        client=parse_user_agent(record.get("extendedproperties")),
        session=parse_session(record, access),
        parameters=collect_changes(changed),
    )


def parse_feed_actor(record: Mapping[str, object]) -> ActivityActor:
    """Who acted, by Actor: ids with what each of them is; a service principal is an app.

    A display name is whatever somebody called themselves, so it is shown for an app and decides
    nothing.
    """
    parts = list(iter_parts(record.get("actor")))
    values = [name for kind, name in parts if kind != DISPLAY_NAME]
    found = next((one.casefold() for one in values if is_guid(one)), "")
    upn = next((one for one in values if "@" in one), "") or parse_name(record.get("userid"))
    is_app = any(one.casefold().startswith("serviceprincipal") for one in values)
    if is_app or upn.casefold().startswith("serviceprincipal_"):
        shown = next((name for kind, name in parts if kind == DISPLAY_NAME), "")
        return ActivityActor(ActorKind.APP, shown, found)
    if is_sync_name(upn):
        return ActivityActor(ActorKind.SYNC, upn, found)
    if "@" in upn or found:
        return ActivityActor(ActorKind.PERSON, upn, found)
    return ActivityActor(ActorKind.UNKNOWN, upn)


def require_operation(value: object) -> str:
    """The operation in its normal form. Raises ValueError without one."""
    operation = normalize_operation(parse_text(value, NAME_LIMIT))
    if not operation:
        raise ValueError("a record without an operation")
    return operation


def iter_parts(value: object) -> Iterator[tuple[int | None, str]]:
    """The parts of Actor or Target: what each is, and its text."""
    for entry in value[:LIST_LIMIT] if isinstance(value, list) else ():
        if isinstance(entry, Mapping):
            part = fold_names(entry)
            yield parse_number(part.get("type")), parse_name(part.get("id"))


def iter_names(
    operation: str, changed: Iterable[tuple[str, object]], targets: Iterable[str]
) -> Iterator[str]:
    """What an act was done to: of a grant, whom it was given to comes first."""
    known = list(changed)
    if any(word in operation for word in GRANT_WORDS):
        for name, value in known:
            if name.casefold() in CLIENT_PROPERTIES:
                yield unwrap_value(value)
    for name, value in known:
        if name.casefold() == "consentaction.permissions":
            yield from CLIENT_ID.findall(parse_text(value, 4_000))
    for target in targets:
        kind, _, rest = target.partition("_")
        is_prefixed = kind.casefold() in ("user", "serviceprincipal", "group") and is_guid(rest)
        yield rest if is_prefixed else target


def unwrap_value(value: object) -> str:
    """A value that is JSON as text: a string, or a list of one; itself otherwise."""
    text = parse_text(value, 1_000).strip()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text[:VALUE_LIMIT]
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    return str(found)[:VALUE_LIMIT] if isinstance(found, str | bool | int) else ""


def collect_changes(changed: Iterable[tuple[str, object]]) -> dict[str, str]:
    """What changed, by name; without what may be a credential."""
    return {
        name: " ".join(unwrap_value(value).split())
        for name, value in changed
        if not is_secret_name(name)
    }


def parse_user_agent(value: object) -> str:
    """The user agent in ExtendedProperties, where it is JSON as text."""
    for name, content in iter_pairs(value, "Name", "Value"):
        if name.casefold() == "additionaldetails":
            try:
                details = json.loads(parse_text(content, 2_000))
            except (ValueError, RecursionError):
                continue
            if isinstance(details, Mapping):
                return parse_name(details.get("User-Agent"), 120)
        if name.casefold() == "useragent":
            return parse_name(content, 120)
    return ""
