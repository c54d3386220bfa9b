"""Records of Exchange from the Management Activity API: of administrators and mailboxes. Pure.

Who acted is decided by UserType and the client's id before any name: UserId of an app's act is the
owner of the mailbox it worked in. Sources: MicrosoftDocs/office-365-management-api, schema; public
audit records of 2021-2026.
"""

import re
from collections.abc import Iterator, Mapping

from core.adapters.m365.activity.fields import (
    build_record_id,
    collect_names,
    collect_parameters,
    fold_names,
    is_guid,
    is_sync_name,
    iter_pairs,
    mark_own_act,
    parse_address,
    parse_name,
    parse_number,
    parse_record_time,
)
from core.adapters.parsing import ResponseRow, parse_optional_bool
from core.microsoft365.activity_operations import normalize_operation
from core.microsoft365.assumptions.activity import (
    APP_ACTS,
    OWN_WRITES,
    RECORD_FORM,
    SERVICE_NAMES,
    SESSION,
)
from core.microsoft365.known_apps import PUBLIC_CLIENTS
from core.tenant.activity import ActivityActor, ActivityLog, ActivityRecord, ActorKind

RELIES_ON = (APP_ACTS, OWN_WRITES, RECORD_FORM, SERVICE_NAMES, SESSION)

SERVICE_NAME = re.compile(
    r"(?i)^NT (?:AUTHORITY|SERVICE)\\\S+ \((?:Microsoft\.Exchange\.\S+|w3wp)\)$"
)
SERVICE_TYPES, APP_TYPES, PARTNER_TYPES = frozenset({3, 4}), frozenset({5, 6}), frozenset({9})
PERSON_TYPES = frozenset({0, 2, 10})
TYPE_NAMES = {"regular": 0, "admin": 2, "dcadmin": 3, "system": 4, "application": 5}
# Microsoft's own clients (Microsoft Learn: Verify first-party Microsoft applications).
CLIENT_NAMES: Mapping[str, str] = {
    **PUBLIC_CLIENTS,
    "00000002-0000-0ff1-ce00-000000000000": "Outlook on the web",
    "00000006-0000-0ff1-ce00-000000000000": "Microsoft 365 admin center",
    "497effe9-df71-4043-a8bb-14cf78c4b63b": "Exchange admin center",
    "d3590ed6-52b3-4102-aeff-aad2292ab01c": "Microsoft Office",
}
FOLDER_NOUN = "folderpermission"
RULE_NOUN, MAILBOX_RULES = "inboxrule", "updateinboxrules"


def parse_exchange_record(row: ResponseRow, own_ids: frozenset[str]) -> ActivityRecord | None:
    """A record; None for one of an act that failed. Raises ValueError for what is none."""
    record = fold_names(row)
    if parse_name(record.get("resultstatus"), 32).casefold() in ("false", "failed", "failure"):
        return None
    operation = normalize_operation(parse_name(record.get("operation")))
    if not operation:
        raise ValueError("a record without an operation")
    at = parse_record_time(record.get("creationtime"))
    context = record.get("appaccesscontext")
    access = fold_names(context) if isinstance(context, Mapping) else {}
    ids = list_app_ids(record, access)
    actor = mark_own_act(parse_actor(record, access), own_ids, ids)
    parameters = collect_parameters(iter_pairs(record.get("parameters"), "Name", "Value"))
    properties = collect_parameters(iter_pairs(record.get("operationproperties"), "Name", "Value"))
    names = collect_names(iter_object_names(operation, record, parameters, actor))
    return ActivityRecord(
        id=build_record_id(record.get("id"), operation, at, actor, names),
        log=ActivityLog.EXCHANGE,
        operation=operation,
        at=at,
        actor=actor,
        names=names,
        address=parse_address(record.get("clientip"))
        or parse_address(record.get("clientipaddress"))
        or parse_address(record.get("actorip")),
        client=parse_client(record, access),
        session=parse_session(record, access),
        parameters=parameters | properties,
        has_body=operation != MAILBOX_RULES
        or any(name in properties for name in ("RuleName", "Name", "ServerRule", "RuleActions")),
    )


def list_app_ids(record: Mapping[str, object], access: Mapping[str, object]) -> list[str]:
    """The application ids in a record, the surest first. The key of a user tells an app only where
    an app acted: of a person it may be the account.
    """
    is_app = parse_user_type(record.get("usertype")) in APP_TYPES
    found = (
        record.get("clientappid"),
        access.get("clientappid"),
        record.get("appid"),
        record.get("tokenobjectid"),
        record.get("userkey") if is_app else None,
    )
    return [text.casefold() for value in found if is_guid(text := parse_name(value, 64))]


def parse_actor(record: Mapping[str, object], access: Mapping[str, object]) -> ActivityActor:
    """Who acted.

    UserId may be a display name, which anybody chooses: a name like that of Microsoft's service
    counts only where the record tells no session, which the service never has.
    """
    name = parse_name(record.get("userid"))
    kind = parse_user_type(record.get("usertype"))
    is_service = kind in SERVICE_TYPES or (
        bool(SERVICE_NAME.match(name)) and not parse_session(record, access)
    )
    app_ids = list_app_ids(record, access)
    app_id = app_ids[0] if app_ids else ""
    behind = parse_name(record.get("submissionuserid"))
    if behind and is_service:
        return ActivityActor(ActorKind.PERSON, behind, app_id=app_id)
    if is_service:
        return ActivityActor(ActorKind.MICROSOFT, name, app_id=app_id)
    if kind in APP_TYPES or name.casefold().startswith("serviceprincipal_"):
        found = name.partition("_")[2] if "_" in name else ""
        return ActivityActor(
            ActorKind.APP, id=found if is_guid(found) else "", app_id=app_id or found
        )
    if kind in PARTNER_TYPES or parse_optional_bool(record.get("externalaccess")):
        return ActivityActor(ActorKind.PARTNER, name, app_id=app_id)
    if is_sync_name(name):
        return ActivityActor(ActorKind.SYNC, name, app_id=app_id)
    if kind in PERSON_TYPES and name:
        found = name if is_guid(name) else ""
        return ActivityActor(ActorKind.PERSON, name, found.casefold(), app_id)
    return ActivityActor(ActorKind.UNKNOWN, name, app_id=app_id)


def parse_user_type(value: object) -> int | None:
    """A UserType: a number, the number as text, or the name that an export has."""
    found = parse_number(value)
    return TYPE_NAMES.get(parse_name(value, 32).casefold()) if found is None else found


def parse_client(record: Mapping[str, object], access: Mapping[str, object]) -> str:
    """The client: what it called itself, or the name of its application id, or that id."""
    told = parse_name(record.get("clientinfostring"), 120)
    named = parse_name(access.get("clientappname"), 120)
    ids = list_app_ids(record, access)
    known = next((CLIENT_NAMES[one] for one in ids if one in CLIENT_NAMES), "")
    return known or named or told or (ids[0] if ids else "")


def parse_session(record: Mapping[str, object], access: Mapping[str, object]) -> str:
    """The session, wherever it stands."""
    of_device = (
        value
        for name, value in iter_pairs(record.get("deviceproperties"), "Name", "Value")
        if name.casefold() == "sessionid"
    )
    found = (
        access.get("aadsessionid"),
        record.get("sessionid"),
        record.get("aadsessionid"),
        *of_device,
    )
    return next((text.casefold() for value in found if (text := parse_name(value, 64))), "")


def iter_object_names(
    operation: str,
    record: Mapping[str, object],
    parameters: Mapping[str, str],
    actor: ActivityActor,
) -> Iterator[str]:
    """What an act was done to, the surest name first."""
    shown = parse_name(record.get("objectid"), 512)
    if RULE_NOUN in operation.replace("-", "") or operation == MAILBOX_RULES:
        yield parse_name(record.get("mailboxguid"), 64)
        yield parse_name(record.get("mailboxownerupn"))
        yield parameters.get("Mailbox", "")
        # A rule's identity is `mailbox\rule`; without a mailbox it is a name that anybody chose.
        for name in (parameters.get("Identity", ""), shown):
            yield name.partition("\\")[0] if "\\" in name else ""
        if actor.kind is ActorKind.PERSON:
            yield actor.name
        return
    if FOLDER_NOUN in operation.replace("-", ""):
        yield parse_name(record.get("mailboxguid"), 64)
        yield parse_name(record.get("mailboxownerupn"))
        # A folder's identity is `mailbox:\folder`; what stands behind is anybody's text.
        for name in (parameters.get("Identity", ""), shown):
            yield name.partition(":")[0]
        return
    yield parameters.get("Identity", "")
    yield shown
    yield parameters.get("Name", "")
