"""Records and acts for tests of what is made of them."""

from datetime import datetime, timedelta
from typing import Any

from core.model.activity import Act, ActTarget
from core.tenant.activity import ActivityActor, ActivityLog, ActivityRecord, ActorKind
from tests.support.fakes.clock import START

EVE = ActivityActor(ActorKind.PERSON, "eve@contoso.com", "e1")
SERVICE = ActivityActor(ActorKind.MICROSOFT, "NT AUTHORITY\\SYSTEM (w3wp)")


def build_record(
    operation: str = "set-mailbox",
    *names: str,
    record_id: str = "r1",
    at: datetime = START,
    log: ActivityLog = ActivityLog.EXCHANGE,
    **more: Any,
) -> ActivityRecord:
    """A record of Exchange by a person in a session."""
    values: dict[str, Any] = {
        "actor": EVE,
        "address": "198.51.100.9",
        "client": "Outlook on the web",
        "session": "s1",
        "parameters": {},
        **more,
    }
    return ActivityRecord(record_id, log, operation, at, names=names or ("g1",), **values)


def build_act(
    guard: str = "mailbox-forwarding",
    object_id: str = "u1",
    minutes: float = 0,
    operation: str = "new-inboxrule",
    **more: Any,
) -> Act:
    """An act on one object, so many minutes after the clocks start."""
    at = START + timedelta(minutes=minutes)
    kinds: tuple[str, ...] = more.pop("kinds", ())
    names: tuple[str, ...] = more.pop("names", ())
    values: dict[str, Any] = {
        "actor": EVE,
        "address": "198.51.100.9",
        "session": "s1",
        "targets": (ActTarget(guard, object_id, names, kinds),),
        **more,
    }
    return Act(
        f"{at:%Y%m%d%H}{operation}{minutes}{object_id}",
        at,
        at,
        ActivityLog.EXCHANGE,
        operation,
        **values,
    )
