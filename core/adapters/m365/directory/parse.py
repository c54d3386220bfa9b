"""Rows of Entra's reports, audit log and recycle bin into the nouns of `core.tenant`. Pure.

As in `core.adapters.m365.parsing`: tolerant in form, bounded, and a ValueError for what says too
little.
"""

from collections.abc import Mapping
from datetime import datetime

from core.adapters.m365.parsing import LIST_LIMIT, Row, flag, moment, object_id, text, truth
from core.tenant.directory import Actor, DeletedObject, Deletion, Registration

NAME = 256
SHORT = 64

# What the audit log calls deletions, in lower case: the kind of object, and whether nothing of it
# is kept (Microsoft Learn: Microsoft Entra audit log categories and activities). Devices and
# contacts have no recycle bin.
ACTIVITIES: Mapping[str, tuple[str, bool]] = {
    "delete user": ("user", False),
    "hard delete user": ("user", True),
    "delete group": ("group", False),
    "hard delete group": ("group", True),
    "delete device": ("device", True),
    "delete contact": ("contact", True),
}


def registration(row: Row) -> Registration:
    """A row of userRegistrationDetails."""
    found = object_id(row.get("id"))
    if not found:
        raise ValueError("a row of the report without a usable id")
    registered, capable = truth(row.get("isMfaRegistered")), truth(row.get("isMfaCapable"))
    if registered is None or capable is None:
        raise ValueError("the report does not say whether there is a second factor")
    methods = row.get("methodsRegistered")
    named = methods[:LIST_LIMIT] if isinstance(methods, list) else ()
    return Registration(
        id=found,
        upn=text(row.get("userPrincipalName"), NAME),
        guest=text(row.get("userType"), SHORT).lower() == "guest",
        admin=truth(row.get("isAdmin")),
        registered=registered,
        capable=capable,
        passwordless=flag(row, "isPasswordlessCapable"),
        methods=frozenset(filter(None, (text(one, SHORT).strip().lower() for one in named))),
    )


def deletion(row: Row) -> Deletion | None:
    """A row of directoryAudits; None for one that deleted nothing, by its kind or its result."""
    activity = ACTIVITIES.get(text(row.get("activityDisplayName"), NAME).strip().lower())
    if activity is None or text(row.get("result"), SHORT).lower() != "success":
        return None
    kind, final = activity
    at = point(row.get("activityDateTime"))
    targets = row.get("targetResources")
    for target in targets[:LIST_LIMIT] if isinstance(targets, list) else ():
        found = object_id(target.get("id")) if isinstance(target, Mapping) else ""
        if found:
            shown = text(target.get("userPrincipalName"), NAME)
            name = shown or text(target.get("displayName"), NAME)
            return Deletion(found, kind, at, unmangled(found, name), final, actor(row))
    raise ValueError("the audit log does not say what was deleted")


def unmangled(found: str, name: str) -> str:
    """A principal name without the id that deletion puts before it."""
    mark = found.replace("-", "")
    return name[len(mark) :] if len(name) > len(mark) and name.lower().startswith(mark) else name


def actor(row: Row) -> Actor:
    """Who did it: the user, or else the app."""
    initiated = row.get("initiatedBy")
    by = initiated if isinstance(initiated, Mapping) else {}
    user, app = by.get("user"), by.get("app")
    if isinstance(user, Mapping) and (
        found := object_id(user.get("id")) or text(user.get("userPrincipalName"), NAME).lower()
    ):
        name = text(user.get("userPrincipalName"), NAME) or text(user.get("displayName"), NAME)
        return Actor(found, name, False, text(user.get("ipAddress"), SHORT))
    if isinstance(app, Mapping):
        name = text(app.get("displayName"), NAME)
        found = object_id(app.get("servicePrincipalId")) or object_id(app.get("appId"))
        return Actor(found or name.lower(), name, True)
    return Actor()


def deleted_object(kind: str, row: Row) -> DeletedObject:
    """A row of the recycle bin."""
    found = object_id(row.get("id"))
    if not found:
        raise ValueError("a deleted object without a usable id")
    name = text(row.get("userPrincipalName"), NAME) or text(row.get("displayName"), NAME)
    return DeletedObject(found, kind, point(row.get("deletedDateTime")), unmangled(found, name))


def point(value: object) -> datetime:
    """A moment that has to be there."""
    try:
        found = moment(value)
    except ValueError:
        found = None
    if found is None:
        raise ValueError("the time of a deletion makes no sense")
    return found
