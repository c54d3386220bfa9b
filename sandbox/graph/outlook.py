"""The Outlook side of Graph: inbox rules, mail folders, mailbox settings."""

from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.graph.users import (
    GraphError,
    build_context_url,
    build_missing_resource_error,
    parse_page_size,
    parse_select,
    project_row,
)
from sandbox.http_types import (
    HttpRequest,
    HttpResponse,
    Row,
    is_true,
    split_words,
    strip_private_keys,
)
from sandbox.state.tenant import Owner, SimulatedTenant

RULE_ID_BYTES = 8
WRITABLE_PROPERTIES = frozenset(
    split_words("displayName sequence isEnabled conditions exceptions actions")
)
PURPOSES = {
    "UserMailbox": "user",
    "LinkedMailbox": "linked",
    "SharedMailbox": "shared",
    "RoomMailbox": "room",
    "EquipmentMailbox": "equipment",
}
NO_MAILBOX = (
    "The mailbox is either inactive, soft-deleted, or is hosted on-premise. "
    "REST API is not yet supported for this mailbox."
)


def require_mailbox_owner(tenant: SimulatedTenant, key: str) -> Owner:
    """Finds whose mailbox a path means. Raises GraphError for nobody or for one without a
    mailbox.
    """
    owner = tenant.find_outlook_owner(key)
    if owner is None:
        raise build_missing_resource_error(key)
    if not owner.has_mailbox:
        raise GraphError(404, "MailboxNotEnabledForRESTAPI", NO_MAILBOX)
    return owner


def build_missing_item_error() -> GraphError:
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


# Inbox rules ------------------------------------------------------------------------------------


def drop_nulls(value: Any) -> Any:
    """Drops the null properties of a part of a rule, as Graph does."""
    if isinstance(value, dict):
        return {name: drop_nulls(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [drop_nulls(part) for part in value]
    return value


def project_rule(tenant: SimulatedTenant, names: Sequence[str], row: Row) -> Row:
    """Projects a rule to the selected properties, or to all of them."""
    known = tenant.read_row(row)
    return {
        name: drop_nulls(known[name])
        for name in (("id", *names) if names else known)
        if known.get(name) is not None and not name.startswith("@sandbox.")
    }


def list_visible_rules(owner: Owner) -> list[Row]:
    """The rules that Graph lists; only Exchange lists hidden ones."""
    return [row for row in owner.rules or () if not is_true(row.get("@sandbox.hidden"))]


def list_rules(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    owner = require_mailbox_owner(tenant, key)
    where = build_context_url(tenant, f"users('{key}')/mailFolders('inbox')/messageRules")
    names = parse_select(request)
    value = [project_rule(tenant, names, row) for row in list_visible_rules(owner)]
    return HttpResponse(200, {"@odata.context": where, "value": value})


def find_rule(owner: Owner, rule_id: str) -> Row:
    for row in list_visible_rules(owner):
        if row.get("id") == rule_id:
            return row
    raise build_missing_item_error()


def get_rule(tenant: SimulatedTenant, request: HttpRequest, key: str, rule_id: str) -> HttpResponse:
    row = find_rule(require_mailbox_owner(tenant, key), rule_id)
    where = build_context_url(tenant, f"users('{key}')/mailFolders('inbox')/messageRules/$entity")
    return HttpResponse(
        200, {"@odata.context": where} | project_rule(tenant, parse_select(request), row)
    )


def find_writable_rule(owner: Owner, rule_id: str) -> Row:
    row = find_rule(owner, rule_id)
    if is_true(row.get("isReadOnly")):
        raise GraphError(
            400, "ErrorInvalidRequest", "The rule is read-only: it cannot be changed by REST."
        )
    return row


def change_rule(
    tenant: SimulatedTenant, request: HttpRequest, key: str, rule_id: str
) -> HttpResponse:
    """`PATCH` of a rule. Also changes Exchange's row of the same rule."""
    owner = require_mailbox_owner(tenant, key)
    body = request.json()
    changes = (
        {}
        if not isinstance(body, Mapping)
        else {name: value for name, value in body.items() if not name.startswith("@odata.")}
    )
    if not changes or changes.keys() - WRITABLE_PROPERTIES:
        raise GraphError(400, "RequestBodyRead", "The body has no property that can be set.")
    if not isinstance(changes.get("isEnabled", True), bool):
        raise GraphError(400, "RequestBodyRead", "Cannot convert the value to Edm.Boolean.")
    row = find_writable_rule(owner, rule_id)
    hidden = tenant.find_stale_fault("graph", [request.line])
    tenant.update_row(row, changes, hidden)
    if "isEnabled" in changes:
        for twin in find_twin(row, owner.rules, owner.exchange_rules):
            tenant.update_row(twin, {"Enabled": changes["isEnabled"]}, hidden)
    tenant.record_write("graph", "PATCH", build_rule_path(owner, key, rule_id), dict(body))
    return get_rule(tenant, request, key, rule_id)


def decode_rule_id(row: Row) -> object:
    """The number that identifies a rule, which Graph prints as its eight bytes in base64."""
    number = row.get("RuleIdentity")
    if number is not None:
        return number
    try:
        raw = b64decode(str(row.get("id")), validate=True)
    except ValueError:
        return None
    return int.from_bytes(raw, "little") if len(raw) == RULE_ID_BYTES else None


def find_twin(row: Row, own: list[Row] | None, others: list[Row] | None) -> list[Row]:
    """The other service's row of the same rule: of the same name, and of several of it that with
    the same id, or else the one at the same place among them. None where that is not to be told.
    """

    def list_named(rows: list[Row] | None) -> list[Row]:
        name = get_rule_name(row)
        return [one for one in rows or () if get_rule_name(one) == name]

    found = list_named(others)
    if len(found) <= 1:
        return found
    wanted = decode_rule_id(row)
    same = [one for one in found if wanted is not None and decode_rule_id(one) == wanted]
    if same:
        return same[:1]
    named = list_named(own)
    places = [number for number, one in enumerate(named) if one is row]
    return [found[places[0]]] if places and len(named) == len(found) else []


def get_rule_name(row: Row) -> object:
    """What a rule is called, by whichever service shows it."""
    return row["displayName"] if "displayName" in row else row.get("Name")


def drop_client_rules(owner: Owner) -> None:
    """Deletes the client-side rules, as any change of rules by a cmdlet does."""
    if owner.rules is not None:
        owner.rules[:] = [row for row in owner.rules if not is_true(row.get("isReadOnly"))]


def remove_row(rows: list[Row] | None, row: Row) -> None:
    """Removes one row from a list by identity, not by equality."""
    if rows is not None:
        rows[:] = [each for each in rows if each is not row]


def delete_rule(
    tenant: SimulatedTenant, request: HttpRequest, key: str, rule_id: str
) -> HttpResponse:
    owner = require_mailbox_owner(tenant, key)
    row = find_writable_rule(owner, rule_id)
    for twin in find_twin(row, owner.rules, owner.exchange_rules):
        remove_row(owner.exchange_rules, twin)
    remove_row(owner.rules, row)
    tenant.record_write("graph", "DELETE", build_rule_path(owner, key, rule_id), None)
    return HttpResponse(204)


def build_rule_path(owner: Owner, key: str, rule_id: str) -> str:
    """The address of a rule, with its owner's object id if there is one."""
    owner_id = (owner.user or {}).get("id") or key
    return f"/users/{owner_id}/mailFolders/inbox/messageRules/{rule_id}"


# Folders and settings ---------------------------------------------------------------------------


def project_folder(row: Row) -> Row:
    """Projects a folder as v1.0 does: without its well-known name."""
    return {
        name: value for name, value in strip_private_keys(row).items() if name != "wellKnownName"
    }


def list_folders(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /users/{id}/mailFolders`, ten per page unless `$top` says otherwise."""
    owner = require_mailbox_owner(tenant, key)
    size = parse_page_size(request, default=10, maximum=1000)
    hidden_too = request.query.get("includeHiddenFolders", "").casefold() == "true"
    skipped = request.query.get("$skip", "0")
    start = int(skipped) if skipped.isdigit() else 0
    rows = [row for row in owner.folders or () if hidden_too or not is_true(row.get("isHidden"))]
    body: dict[str, Any] = {
        "@odata.context": build_context_url(tenant, f"users('{key}')/mailFolders")
    }
    if start + size < len(rows):
        path = f"{tenant.base}/v1.0/users/{key}/mailFolders"
        body["@odata.nextLink"] = f"{path}?$top={size}&$skip={start + size}"
    body["value"] = [project_folder(row) for row in rows[start : start + size]]
    return HttpResponse(200, body)


def get_folder(
    tenant: SimulatedTenant, request: HttpRequest, key: str, folder: str
) -> HttpResponse:
    """Gets one folder by id or well-known name."""
    owner = require_mailbox_owner(tenant, key)
    for row in owner.folders or ():
        if row.get("id") == folder or str(row.get("wellKnownName")).casefold() == folder.casefold():
            where = build_context_url(tenant, f"users('{key}')/mailFolders/$entity")
            names = parse_select(request)
            view = project_folder(tenant.read_row(row))
            view = project_row(view, ("id", *names)) if names else view
            return HttpResponse(200, {"@odata.context": where} | view)
    raise build_missing_item_error()


def get_purpose(owner: Owner) -> str:
    kind = str((owner.mailbox or {}).get("RecipientTypeDetails", "UserMailbox"))
    return PURPOSES.get(kind, "others")


def get_mailbox_settings(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    """`GET /users/{id}/mailboxSettings`: the sandbox supports only userPurpose."""
    where = build_context_url(tenant, f"users('{key}')/mailboxSettings")
    return HttpResponse(
        200,
        {"@odata.context": where, "userPurpose": get_purpose(require_mailbox_owner(tenant, key))},
    )


def get_user_purpose(tenant: SimulatedTenant, request: HttpRequest, key: str) -> HttpResponse:
    where = build_context_url(tenant, f"users('{key}')/mailboxSettings/userPurpose")
    return HttpResponse(
        200, {"@odata.context": where, "value": get_purpose(require_mailbox_owner(tenant, key))}
    )
