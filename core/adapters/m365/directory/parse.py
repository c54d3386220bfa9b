"""Rows of Entra's reports, audit log and recycle bin into the nouns of `core.tenant`. Pure.

As in `core.adapters.m365.parsing`: tolerant in form, bounded, and a ValueError for what says too
little.
"""

from collections.abc import Mapping
from datetime import datetime

from core.adapters.m365.parsing import (
    LIST_LIMIT,
    ResponseRow,
    parse_object_id,
    parse_optional_bool,
    parse_row_flag,
    parse_text,
    parse_timestamp,
)
from core.tenant.directory import Actor, DeletedObject, Deletion, MfaRegistration

NAME_LIMIT = 256
SHORT_LIMIT = 64

# What the audit log calls deletions, in lower case: the kind of object, and whether nothing of it
# is kept (Microsoft Learn: Microsoft Entra audit log categories and activities). Devices and
# contacts have no recycle bin.
DELETION_ACTIVITIES: Mapping[str, tuple[str, bool]] = {
    "delete user": ("user", False),
    "hard delete user": ("user", True),
    "delete group": ("group", False),
    "hard delete group": ("group", True),
    "delete device": ("device", True),
    "delete contact": ("contact", True),
}


def parse_registration(row: ResponseRow) -> MfaRegistration:
    """A row of userRegistrationDetails."""
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("a row of the report without a usable id")
    registered, capable = (
        parse_optional_bool(row.get("isMfaRegistered")),
        parse_optional_bool(row.get("isMfaCapable")),
    )
    if registered is None or capable is None:
        raise ValueError("the report does not say whether there is a second factor")
    methods = row.get("methodsRegistered")
    named = methods[:LIST_LIMIT] if isinstance(methods, list) else ()
    return MfaRegistration(
        id=found,
        upn=parse_text(row.get("userPrincipalName"), NAME_LIMIT),
        is_guest=parse_text(row.get("userType"), SHORT_LIMIT).lower() == "guest",
        is_admin=parse_optional_bool(row.get("isAdmin")),
        mfa_registered=registered,
        mfa_capable=capable,
        passwordless_capable=parse_row_flag(row, "isPasswordlessCapable"),
        methods=frozenset(
            filter(None, (parse_text(one, SHORT_LIMIT).strip().lower() for one in named))
        ),
    )


def parse_deletion(row: ResponseRow) -> Deletion | None:
    """A row of directoryAudits; None for one that deleted nothing, by its kind or its result."""
    activity = DELETION_ACTIVITIES.get(
        parse_text(row.get("activityDisplayName"), NAME_LIMIT).strip().lower()
    )
    if activity is None or parse_text(row.get("result"), SHORT_LIMIT).lower() != "success":
        return None
    kind, final = activity
    at = parse_deletion_time(row.get("activityDateTime"))
    targets = row.get("targetResources")
    for target in targets[:LIST_LIMIT] if isinstance(targets, list) else ():
        found = parse_object_id(target.get("id")) if isinstance(target, Mapping) else ""
        if found:
            shown = parse_text(target.get("userPrincipalName"), NAME_LIMIT)
            name = shown or parse_text(target.get("displayName"), NAME_LIMIT)
            return Deletion(
                found, kind, at, strip_deletion_prefix(found, name), final, parse_actor(row)
            )
    raise ValueError("the audit log does not say what was deleted")


def strip_deletion_prefix(found: str, name: str) -> str:
    """A principal name without the id that deletion puts before it."""
    mark = found.replace("-", "")
    return name[len(mark) :] if len(name) > len(mark) and name.lower().startswith(mark) else name


def parse_actor(row: ResponseRow) -> Actor:
    """Who did it: the user, or else the app."""
    initiated = row.get("initiatedBy")
    by = initiated if isinstance(initiated, Mapping) else {}
    user, app = by.get("user"), by.get("app")
    if isinstance(user, Mapping) and (
        found := parse_object_id(user.get("id"))
        or parse_text(user.get("userPrincipalName"), NAME_LIMIT).lower()
    ):
        name = parse_text(user.get("userPrincipalName"), NAME_LIMIT) or parse_text(
            user.get("displayName"), NAME_LIMIT
        )
        return Actor(found, name, False, parse_text(user.get("ipAddress"), SHORT_LIMIT))
    if isinstance(app, Mapping):
        name = parse_text(app.get("displayName"), NAME_LIMIT)
        found = parse_object_id(app.get("servicePrincipalId")) or parse_object_id(app.get("appId"))
        return Actor(found or name.lower(), name, True)
    return Actor()


def parse_deleted_object(kind: str, row: ResponseRow) -> DeletedObject:
    """A row of the recycle bin."""
    found = parse_object_id(row.get("id"))
    if not found:
        raise ValueError("a deleted object without a usable id")
    name = parse_text(row.get("userPrincipalName"), NAME_LIMIT) or parse_text(
        row.get("displayName"), NAME_LIMIT
    )
    return DeletedObject(
        found,
        kind,
        parse_deletion_time(row.get("deletedDateTime")),
        strip_deletion_prefix(found, name),
    )


def parse_deletion_time(value: object) -> datetime:
    """A moment that has to be there."""
    try:
        found = parse_timestamp(value)
    except ValueError:
        found = None
    if found is None:
        raise ValueError("the time of a deletion makes no sense")
    return found
