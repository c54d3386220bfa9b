"""Records of what edits of a scene and writes of the app do, as the services would record them.

An edit is compared before and after, whatever it was made of. `actor` in a patch says who made it:

    userPrincipalName, id, ipAddress, session, appId    as the records are to have them
    isApp    true: the app `appId` did it by itself; `id` is its service principal

Cmdlets leave a record of Exchange, with what they set as parameters; a rule that no view shows was
made by a mail client, which leaves UpdateInboxRules in the mailbox's own audit. What Entra records
are rows of directoryAudits. An app that works in a mailbox leaves no session, and its owner in
UserId (elastic/integrations: o365, 2025-09). How Exchange spells this app's own cmdlets no public
record shows; here it stands in the fields of its client, and nobody in UserId.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from sandbox.activity.log import EDIT_AGE, get_records, is_recording
from sandbox.app_identity import APP_NAME, APP_PRINCIPAL_ID, CLIENT_ID
from sandbox.http_types import Row, is_true, split_words

DEFAULT_ACTOR: Mapping[str, str] = {
    "userPrincipalName": "intruder@sandbox.example",
    "id": "d0000000-0000-4000-8000-00000000dead",
    "ipAddress": "203.0.113.66",
    "session": "5e551011-0000-4000-8000-000000000001",
    "appId": "00000002-0000-0ff1-ce00-000000000000",
}
NAMES = ("Guid", "ExternalDirectoryObjectId", "id", "RuleIdentity", "Identity", "Name")
OWNERS = ("Identity", "PrimarySmtpAddress", "Name", "Guid", "id")
# What cmdlets change by Set-, New- and Remove-; the noun is that of the Get-.
NOUNS = split_words(
    "Mailbox CASMailbox CASMailboxPlan OrganizationConfig AdminAuditLogConfig TransportConfig"
    " TransportRule RemoteDomain HostedOutboundSpamFilterPolicy HostedOutboundSpamFilterRule"
    " OwaMailboxPolicy MobileDeviceMailboxPolicy SharingPolicy AuthenticationPolicy"
    " MailboxAuditBypassAssociation InboundConnector OutboundConnector JournalRule User"
    " OrganizationRelationship IntraOrganizationConnector MigrationEndpoint MigrationBatch"
    " RoleGroup ManagementRoleAssignment ManagementRole ManagementScope ApplicationAccessPolicy"
    " AntiPhishPolicy AntiPhishRule MalwareFilterPolicy HostedContentFilterPolicy"
    " HostedConnectionFilterPolicy TenantAllowBlockListItems QuarantinePolicy"
)
RIGHTS = {
    "Get-MailboxPermission": "MailboxPermission",
    "Get-RecipientPermission": "RecipientPermission",
}
GRAPH_ACTS: Mapping[str, tuple[str, str]] = {
    "oauth2PermissionGrants": (
        "Add delegated permission grant",
        "Remove delegated permission grant",
    ),
    "appRoleAssignments": (
        "Add app role assignment to service principal",
        "Remove app role assignment from service principal",
    ),
    "roleAssignments": ("Add member to role", "Remove member from role"),
    "users": ("Add user", "Delete user"),
    "servicePrincipals": ("Add service principal", "Remove service principal"),
    "conditionalAccessPolicies": (
        "Add conditional access policy",
        "Delete conditional access policy",
    ),
    "namedLocations": ("Add named location", "Delete named location"),
    "roleDefinitions": ("Add role definition", "Delete role definition"),
    "administrativeUnits": ("Add administrative unit", "Delete administrative unit"),
    "domains": ("Add verified domain", "Remove verified domain"),
    "crossTenantAccessPolicyPartners": (
        "Add a partner to cross-tenant access setting",
        "Delete partner specific cross-tenant access setting",
    ),
}
UPDATES: Mapping[str, str] = {
    "conditionalAccessPolicies": "Update conditional access policy",
    "namedLocations": "Update named location",
    "roleDefinitions": "Update role definition",
    "administrativeUnits": "Update administrative unit",
    "domains": "Set domain authentication",
    "crossTenantAccessPolicyPartners": "Update a partner cross-tenant access setting",
}
MAX_RECORDS = 5_000


def record_edits(before: Mapping[str, Any], after: dict[str, Any], now: datetime) -> None:
    """Add the records of an edit to the scene it led to."""
    actor = {**DEFAULT_ACTOR, **(after.pop("actor", None) or {})}
    if not is_recording(after):
        return
    found = [*list_exchange_records(before, after, actor), *list_graph_rows(before, after, actor)]
    records = get_records(after)
    for row in found[:MAX_RECORDS]:
        name = "activityDateTime" if "activityDisplayName" in row else "CreationTime"
        moment = f"{now - EDIT_AGE:%Y-%m-%dT%H:%M:%S}"
        row[name] = f"{moment}Z" if name == "activityDateTime" else moment
        append_record(records, row)


def append_record(records: list[Row], row: Row) -> None:
    """Append a record under an id of its own."""
    name = "id" if "activityDisplayName" in row else "Id"
    row[name] = sha256(f"{len(records)} {row!r}".encode()).hexdigest()[:32]
    records.append(row)


# Exchange ---------------------------------------------------------------------------------------


def list_exchange_records(
    before: Mapping[str, Any], after: Mapping[str, Any], actor: Mapping[str, str]
) -> Iterator[Row]:
    """The records of Exchange about an edit."""
    old, new = get_part(before, "exchange"), get_part(after, "exchange")
    for noun in NOUNS:
        cmdlet = f"Get-{noun}"
        for verb, row, changed in compare_rows(old.get(cmdlet), new.get(cmdlet)):
            name = first_text(row, OWNERS)
            given = {"Identity": name} if verb != "New" else {"Name": name}
            yield build_record(f"{verb}-{noun}", name, given | changed, actor)
    for cmdlet, noun in RIGHTS.items():
        for owner, verb, row in compare_owned(old.get(cmdlet), new.get(cmdlet)):
            name = owner or first_text(row, OWNERS)
            holder = {key: row[key] for key in ("User", "Trustee", "AccessRights") if key in row}
            word = "Remove" if verb == "Remove" else "Add"
            yield build_record(f"{word}-{noun}", name, {"Identity": name} | holder, actor)
    yield from list_rule_records(before, after, actor)


def list_rule_records(
    before: Mapping[str, Any], after: Mapping[str, Any], actor: Mapping[str, str]
) -> Iterator[Row]:
    """The records of inbox rules: those that Graph shows, and those that only Exchange shows."""
    for service, name in (("graph", "messageRules"), ("exchange", "Get-InboxRule")):
        old, new = get_part(before, service).get(name), get_part(after, service).get(name)
        for owner, verb, row in compare_owned(old, new):
            rule = str(row.get("displayName") or row.get("Name") or "")
            if service == "exchange" and not is_true(row.get("@sandbox.hidden")):
                continue
            if service == "exchange":
                yield build_client_record(owner, verb, rule, actor)
            else:
                given = {"Mailbox": owner, "Name": rule}
                told = {
                    key: value
                    for key, value in (row.get("actions") or {}).items()
                    if verb != "Remove"
                }
                yield build_record(f"{verb}-InboxRule", f"{owner}\\{rule}", given | told, actor)


def build_client_record(owner: str, verb: str, rule: str, actor: Mapping[str, str]) -> Row:
    """UpdateInboxRules of a mail client: with a body where a rule was added, else without."""
    what = {"New": "AddMailboxRule", "Set": "ModifyMailboxRule", "Remove": "RemoveMailboxRule"}
    values = [{"Name": "RuleOperation", "Value": what[verb]}]
    if verb == "New":
        values += [{"Name": "RuleName", "Value": rule}, {"Name": "RuleActions", "Value": "[]"}]
    return {
        **build_envelope("UpdateInboxRules", owner, actor),
        "RecordType": 2,
        "LogonType": 0,
        "MailboxOwnerUPN": owner,
        "ObjectId": "",
        "ClientInfoString": "Client=MSExchangeRPC",
        "ClientIPAddress": actor["ipAddress"],
        "OperationProperties": values,
        "ResultStatus": "Succeeded",
    }


def build_record(
    operation: str, subject: str, parameters: Mapping[str, Any], actor: Mapping[str, str]
) -> Row:
    """The record of a cmdlet."""
    return {
        **build_envelope(operation, subject.partition("\\")[0], actor),
        "RecordType": 1,
        "ObjectId": subject,
        "ExternalAccess": False,
        "Parameters": [
            {"Name": name, "Value": print_value(value)} for name, value in parameters.items()
        ],
        "ResultStatus": "True",
    }


def build_envelope(operation: str, owner: str, actor: Mapping[str, Any]) -> Row:
    """What records of both kinds have in common."""
    row = {
        "Operation": operation,
        "UserType": 2,
        "UserKey": actor["id"],
        "UserId": actor["userPrincipalName"],
        "ClientIP": f"{actor['ipAddress']}:16902",
        "AppId": actor["appId"],
        "ClientAppId": "",
        "Workload": "Exchange",
        "AppAccessContext": {"AADSessionId": actor["session"]},
    }
    if not is_true(actor.get("isApp")):
        return row
    context = {"ClientAppId": actor["appId"]}
    by_app = {"UserType": 5, "UserId": owner, "ClientAppId": actor["appId"]}
    return row | by_app | {"AppAccessContext": context}


def print_value(value: Any) -> str:
    """A parameter as Exchange prints it: everything is text."""
    if isinstance(value, list):
        return ";".join(map(print_value, value))
    if isinstance(value, Mapping):
        address = value.get("emailAddress")
        return str(address.get("address")) if isinstance(address, Mapping) else "{...}"
    return "" if value is None else str(value)


# Entra ------------------------------------------------------------------------------------------


def list_graph_rows(
    before: Mapping[str, Any], after: Mapping[str, Any], actor: Mapping[str, str]
) -> Iterator[Row]:
    """The rows of directoryAudits about an edit."""
    old, new = get_part(before, "graph"), get_part(after, "graph")
    by = build_initiator(actor)
    for name, (added, removed) in GRAPH_ACTS.items():
        for verb, row, changed in compare_rows(old.get(name), new.get(name)):
            if verb == "Set":
                yield from list_change_rows(name, row, changed, by)
                continue
            act = added if verb == "New" else removed
            yield build_audit(act, list_targets(name, row), by)
            if name == "oauth2PermissionGrants" and verb == "New":
                yield build_audit("Consent to application", list_targets("client", row), by)


def list_change_rows(name: str, row: Row, changed: Mapping[str, Any], by: Row) -> Iterator[Row]:
    """The rows about a changed user, service principal, policy or the like."""
    if name in UPDATES:
        yield build_audit(UPDATES[name], list_targets(name, row), by)
    if name == "users" and "accountEnabled" in changed:
        act = "Enable account" if is_true(changed["accountEnabled"]) else "Disable account"
        yield build_audit(act, list_targets(name, row), by)
    if name == "users" and "lastPasswordChangeDateTime" in changed:
        is_own = get_part(by, "user").get("id") == row.get("id")
        act = "Change user password" if is_own else "Reset user password"
        yield build_audit(act, list_targets(name, row), by)
    if name == "servicePrincipals" and changed.keys() & {"passwordCredentials", "keyCredentials"}:
        yield build_audit("Add service principal credentials", list_targets(name, row), by)


def list_targets(name: str, row: Row) -> list[Row]:
    """What an act was done to; that of a grant is the resource, with its client in a property."""
    if name == "oauth2PermissionGrants" or name == "appRoleAssignments":
        client = row.get("clientId") or row.get("principalId")
        told = [
            {
                "displayName": "ServicePrincipal.ObjectID",
                "oldValue": None,
                "newValue": f'"{client}"',
            }
        ]
        return [build_target(row.get("resourceId"), "ServicePrincipal", "", told)]
    if name == "client":
        return [build_target(row.get("clientId"), "ServicePrincipal", "")]
    if name == "roleAssignments":
        return [
            build_target(row.get("principalId"), "User", ""),
            build_target(row.get("roleDefinitionId"), "Role", ""),
        ]
    if name in UPDATES:
        found = row.get("id") or row.get("tenantId")
        return [{**build_target(found, "Policy", ""), "displayName": row.get("displayName")}]
    kind = "User" if name == "users" else "ServicePrincipal"
    return [build_target(row.get("id"), kind, str(row.get("userPrincipalName") or ""))]


def build_target(found: object, kind: str, upn: str, changed: list[Row] | None = None) -> Row:
    """One target of an act."""
    return {
        "id": found,
        "displayName": None,
        "type": kind,
        "userPrincipalName": upn or None,
        "modifiedProperties": changed or [],
    }


def build_initiator(actor: Mapping[str, Any]) -> Row:
    """The person or the app that acted."""
    if is_true(actor.get("isApp")):
        app = {"appId": None, "servicePrincipalId": actor["id"], "displayName": "App"}
        return {"user": None, "app": app}
    return {
        "app": None,
        "user": {
            "id": actor["id"],
            "displayName": None,
            "userPrincipalName": actor["userPrincipalName"],
            "ipAddress": actor["ipAddress"],
            "roles": [],
        },
    }


def build_audit(act: str, targets: list[Row], by: Row) -> Row:
    """A row of directoryAudits."""
    return {
        "activityDisplayName": act,
        "category": "UserManagement",
        "correlationId": "c0000000-0000-4000-8000-000000000001",
        "result": "success",
        "resultReason": "",
        "loggedByService": "Core Directory",
        "operationType": act.partition(" ")[0],
        "initiatedBy": by,
        "targetResources": targets,
        "additionalDetails": [{"key": "User-Agent", "value": "Mozilla/5.0"}],
    }


# The app's own writes ---------------------------------------------------------------------------


def record_app_write(
    scene: dict[str, Any], api: str, target: str, body: object, now: datetime
) -> None:
    """Add the record of a write that the app made itself."""
    if not is_recording(scene):
        return
    app = {**DEFAULT_ACTOR, "userPrincipalName": "", "id": APP_PRINCIPAL_ID, "appId": CLIENT_ID}
    app |= {"session": "", "ipAddress": "198.51.100.7"}
    records, moment = get_records(scene), f"{now:%Y-%m-%dT%H:%M:%S}"
    if api == "exchange":
        operation, _, subject = target.partition(" ")
        given = body.get("CmdletInput", {}) if isinstance(body, Mapping) else {}
        row = build_record(operation, subject, given.get("Parameters") or {}, app)
        row |= {"UserType": 5, "ClientAppId": CLIENT_ID, "CreationTime": moment}
    elif target.startswith("/users/") and isinstance(body, Mapping) and "accountEnabled" in body:
        act = "Enable account" if body["accountEnabled"] else "Disable account"
        app_row = {"appId": None, "servicePrincipalId": APP_PRINCIPAL_ID, "displayName": APP_NAME}
        by = {"user": None, "app": app_row}
        user = build_target(target.split("/")[2], "User", "")
        row = {**build_audit(act, [user], by), "activityDateTime": f"{moment}Z"}
    else:
        return
    row["@sandbox.servedAt"] = now.isoformat()
    append_record(records, row)


# Comparing --------------------------------------------------------------------------------------


def get_part(scene: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """One half of a scene."""
    part = scene.get(name)
    return part if isinstance(part, Mapping) else {}


def first_text(row: Mapping[str, Any], names: Iterable[str]) -> str:
    """The first of some properties that says something."""
    return next((str(row[name]) for name in names if row.get(name)), "")


def compare_rows(before: object, after: object) -> Iterator[tuple[str, Row, Row]]:
    """What was added, changed or removed of a collection: New, Set or Remove, the row, and the
    properties that changed.
    """
    if before is after or before == after:
        return
    old, new = index_rows(before), index_rows(after)
    for key, row in new.items():
        if key not in old:
            yield "New", row, {}
        elif row != old[key]:
            known = old[key]
            yield (
                "Set",
                row,
                {
                    name: row.get(name)
                    for name in dict.fromkeys((*row, *known))
                    if row.get(name) != known.get(name) and not name.startswith("@")
                },
            )
    yield from (("Remove", row, {}) for key, row in old.items() if key not in new)


def compare_owned(before: object, after: object) -> Iterator[tuple[str, str, Row]]:
    """The same of a collection by owner, or a flat one; each with its owner."""
    old, new = split_owned(before), split_owned(after)
    for owner in dict.fromkeys((*new, *old)):
        for verb, row, _ in compare_rows(old.get(owner, []), new.get(owner, [])):
            yield owner, verb, row


def split_owned(collection: object) -> Mapping[str, Any]:
    """A collection by owner; a flat one has rows that name theirs."""
    if isinstance(collection, Mapping):
        return collection
    return {"": collection} if isinstance(collection, list) else {}


def index_rows(rows: object) -> dict[str, Row]:
    """Rows by what names them; alike ones by their content."""
    found: dict[str, Row] = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            rights = [str(row.get(name)) for name in ("User", "Trustee", "AccessRights")]
            key = first_text(row, NAMES) or repr(row)
            found["|".join([key, *rights])] = row
    return found
