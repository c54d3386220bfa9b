"""Who did something in the directory, as its audit log tells."""

from collections.abc import Mapping

from core.adapters.parsing import ResponseRow, parse_object_id, parse_text
from core.tenant.directory import Actor

NAME_LIMIT = 256
SHORT_LIMIT = 64


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
