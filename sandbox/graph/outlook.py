"""The Outlook side of Graph: inbox rules, mail folders, mailbox settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.graph.users import GraphError, context, not_found, page_size, projected, selection
from sandbox.http_types import Answer, Call, Row, shown, truth, words
from sandbox.state.tenant import Owner, Tenant

WRITABLE = frozenset(words("displayName sequence isEnabled conditions exceptions actions"))
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


def owner_of(tenant: Tenant, key: str) -> Owner:
    """Whose mailbox a path means. Raises GraphError for nobody, and for one without a mailbox."""
    owner = tenant.outlook_owner(key)
    if owner is None:
        raise not_found(key)
    if not owner.has_mailbox:
        raise GraphError(404, "MailboxNotEnabledForRESTAPI", NO_MAILBOX)
    return owner


def missing_item() -> GraphError:
    return GraphError(404, "ErrorItemNotFound", "The specified object was not found in the store.")


# Inbox rules ------------------------------------------------------------------------------------


def without_nulls(value: Any) -> Any:
    """A part of a rule as Graph prints it: what is not set is left out."""
    if isinstance(value, dict):
        return {name: without_nulls(part) for name, part in value.items() if part is not None}
    if isinstance(value, list):
        return [without_nulls(part) for part in value]
    return value


def rule_view(tenant: Tenant, names: Sequence[str], row: Row) -> Row:
    """A rule with the properties that were selected, all of them where none were."""
    known = tenant.current(row)
    return {
        name: without_nulls(known[name])
        for name in (("id", *names) if names else known)
        if known.get(name) is not None and not name.startswith("@sandbox.")
    }


def visible_rules(owner: Owner) -> list[Row]:
    """The rules Graph shows: a hidden one is only seen by Exchange."""
    return [row for row in owner.rules or () if not truth(row.get("@sandbox.hidden"))]


def list_rules(tenant: Tenant, call: Call, key: str) -> Answer:
    owner = owner_of(tenant, key)
    where = context(tenant, f"users('{key}')/mailFolders('inbox')/messageRules")
    names = selection(call)
    value = [rule_view(tenant, names, row) for row in visible_rules(owner)]
    return Answer(200, {"@odata.context": where, "value": value})


def rule_of(owner: Owner, rule_id: str) -> Row:
    for row in visible_rules(owner):
        if row.get("id") == rule_id:
            return row
    raise missing_item()


def get_rule(tenant: Tenant, call: Call, key: str, rule_id: str) -> Answer:
    row = rule_of(owner_of(tenant, key), rule_id)
    where = context(tenant, f"users('{key}')/mailFolders('inbox')/messageRules/$entity")
    return Answer(200, {"@odata.context": where} | rule_view(tenant, selection(call), row))


def writable_rule(owner: Owner, rule_id: str) -> Row:
    row = rule_of(owner, rule_id)
    if truth(row.get("isReadOnly")):
        raise GraphError(
            400, "ErrorInvalidRequest", "The rule is read-only: it cannot be changed by REST."
        )
    return row


def change_rule(tenant: Tenant, call: Call, key: str, rule_id: str) -> Answer:
    """`PATCH` a rule. Exchange's row of the same name is the same rule, so it changes too."""
    owner = owner_of(tenant, key)
    body = call.json()
    changes = (
        {}
        if not isinstance(body, Mapping)
        else {name: value for name, value in body.items() if not name.startswith("@odata.")}
    )
    if not changes or changes.keys() - WRITABLE:
        raise GraphError(400, "RequestBodyRead", "The body has no property that can be set.")
    if not isinstance(changes.get("isEnabled", True), bool):
        raise GraphError(400, "RequestBodyRead", "Cannot convert the value to Edm.Boolean.")
    row = writable_rule(owner, rule_id)
    hidden = tenant.faults.stale("graph", [call.line])
    tenant.change(row, changes, hidden)
    if "isEnabled" in changes:
        for twin in named(owner.exchange_rules, "Name", row.get("displayName")):
            tenant.change(twin, {"Enabled": changes["isEnabled"]}, hidden)
    tenant.record("graph", "PATCH", rule_path(owner, key, rule_id), dict(body))
    return get_rule(tenant, call, key, rule_id)


def named(rows: list[Row] | None, name: str, wanted: object) -> list[Row]:
    """The one row with a name; none where several have it, since nobody can tell which."""
    found = [row for row in rows or () if row.get(name) == wanted]
    return found if len(found) == 1 else []


def without_client_rules(owner: Owner) -> None:
    """Any change of rules by a cmdlet deletes the rules that only Outlook itself understands."""
    if owner.rules is not None:
        owner.rules[:] = [row for row in owner.rules if not truth(row.get("isReadOnly"))]


def without(rows: list[Row] | None, row: Row) -> None:
    """Take one row out of a list, and not its equals."""
    if rows is not None:
        rows[:] = [each for each in rows if each is not row]


def delete_rule(tenant: Tenant, call: Call, key: str, rule_id: str) -> Answer:
    owner = owner_of(tenant, key)
    row = writable_rule(owner, rule_id)
    for twin in named(owner.exchange_rules, "Name", row.get("displayName")):
        without(owner.exchange_rules, twin)
    without(owner.rules, row)
    tenant.record("graph", "DELETE", rule_path(owner, key, rule_id), None)
    return Answer(204)


def rule_path(owner: Owner, key: str, rule_id: str) -> str:
    """The address of a rule, by the immutable id of its owner where there is one."""
    owner_id = (owner.user or {}).get("id") or key
    return f"/users/{owner_id}/mailFolders/inbox/messageRules/{rule_id}"


# Folders and settings ---------------------------------------------------------------------------


def folder_view(row: Row) -> Row:
    """A folder as v1.0 shows it: its well-known name is not among its properties."""
    return {name: value for name, value in shown(row).items() if name != "wellKnownName"}


def list_folders(tenant: Tenant, call: Call, key: str) -> Answer:
    """`GET /users/{id}/mailFolders`, ten a page unless `$top` says otherwise."""
    owner = owner_of(tenant, key)
    size = page_size(call, usual=10, most=1000)
    hidden_too = call.query.get("includeHiddenFolders", "").casefold() == "true"
    skipped = call.query.get("$skip", "0")
    start = int(skipped) if skipped.isdigit() else 0
    rows = [row for row in owner.folders or () if hidden_too or not truth(row.get("isHidden"))]
    body: dict[str, Any] = {"@odata.context": context(tenant, f"users('{key}')/mailFolders")}
    if start + size < len(rows):
        path = f"{tenant.base}/v1.0/users/{key}/mailFolders"
        body["@odata.nextLink"] = f"{path}?$top={size}&$skip={start + size}"
    body["value"] = [folder_view(row) for row in rows[start : start + size]]
    return Answer(200, body)


def get_folder(tenant: Tenant, call: Call, key: str, folder: str) -> Answer:
    """One folder, by its id or by its well-known name."""
    owner = owner_of(tenant, key)
    for row in owner.folders or ():
        if row.get("id") == folder or str(row.get("wellKnownName")).casefold() == folder.casefold():
            where = context(tenant, f"users('{key}')/mailFolders/$entity")
            names = selection(call)
            view = folder_view(tenant.current(row))
            view = projected(view, ("id", *names)) if names else view
            return Answer(200, {"@odata.context": where} | view)
    raise missing_item()


def purpose_of(owner: Owner) -> str:
    kind = str((owner.mailbox or {}).get("RecipientTypeDetails", "UserMailbox"))
    return PURPOSES.get(kind, "others")


def mailbox_settings(tenant: Tenant, call: Call, key: str) -> Answer:
    """`GET /users/{id}/mailboxSettings`: of all settings the sandbox knows the purpose alone."""
    where = context(tenant, f"users('{key}')/mailboxSettings")
    return Answer(200, {"@odata.context": where, "userPurpose": purpose_of(owner_of(tenant, key))})


def user_purpose(tenant: Tenant, call: Call, key: str) -> Answer:
    where = context(tenant, f"users('{key}')/mailboxSettings/userPurpose")
    return Answer(200, {"@odata.context": where, "value": purpose_of(owner_of(tenant, key))})
