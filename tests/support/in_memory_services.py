"""A scene in wire form, as a tenant in memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from core.adapters.m365.accounts import (
    parse_account,
    parse_federated_domain,
    parse_registration,
)
from core.adapters.m365.activity.directory import parse_directory_audit
from core.adapters.m365.activity.mail import parse_mail_part
from core.adapters.m365.activity.read import CONTENT_TYPES, PARSERS
from core.adapters.m365.auditing.parse import LOGON_TYPES, parse_audit_bypass, parse_mailbox_audit
from core.adapters.m365.configuration_rows import (
    gather_names,
    is_kept,
    keep_types,
    parse_configuration,
)
from core.adapters.m365.delegation import (
    parse_mailbox_rights,
    parse_send_as_rights,
    parse_send_on_behalf_rights,
)
from core.adapters.m365.deletions import parse_deleted_object, parse_deletion
from core.adapters.m365.folder_names import parse_inbox
from core.adapters.m365.folder_rights import collect_folder_rights
from core.adapters.m365.group_reads import parse_member
from core.adapters.m365.inbox_rules.parse import parse_exchange_rule, parse_graph_rule
from core.adapters.m365.mail_flow.parse import (
    IDENTITY_PROPERTIES,
    matches_recipient,
    parse_accepted_domain,
    parse_recipient,
    parse_recipient_row,
    parse_remote_domain,
    parse_verified_domain,
)
from core.adapters.m365.mail_flow.parse_rules import (
    parse_outbound_policies,
    parse_transport_rule,
)
from core.adapters.m365.mailbox_surroundings import (
    CALENDARS,
    NAMED_BY,
    Found,
    parse_surroundings,
)
from core.adapters.m365.mailboxes import ALL_RESULTS, parse_mailbox
from core.adapters.m365.own_add_ins import parse_add_in
from core.adapters.m365.protocols import (
    CLIENT_NAMES,
    is_failed_sign_in,
    merge_protocol_use,
    parse_mailbox_protocols,
    parse_protocol_use,
)
from core.adapters.m365.roles.parse import parse_module_user
from core.adapters.m365.shared_mailboxes import parse_mailbox_size, parse_shared_mailbox
from core.adapters.m365.sign_in_events import parse_sign_in_event
from core.adapters.m365.sign_ins import parse_sign_in
from core.adapters.parsing import ResponseRow, parse_each_row, parse_identifier, parse_value_list
from core.guards.mailbox_forwarding.hidden_rules import normalize_rule_name
from core.microsoft365.configuration_sources import (
    ADMIN_TOOLS,
    CONFIGURATION_SOURCES,
    EXCLUDED_GROUP,
)
from core.microsoft365.source_shapes import ConfigurationSource
from core.model.guards import Service
from core.tenant.activity import ActivityRecord
from core.tenant.auditing import OrganizationAudit
from core.tenant.configuration import Configuration
from core.tenant.directory import RoleHolder, SignInEvent
from core.tenant.mail_flow import Folder, GroupMembers, InboxRule, Recipient
from core.tenant.mailboxes import (
    Delegation,
    FolderRight,
    Mailbox,
    MailboxFolder,
    MailboxSurroundings,
    OwnAddIn,
    ProtocolUse,
)
from core.tenant.readers import GrantedPermissions
from core.tenant.sources import MAILBOX_AUDIT, MAILBOXES
from sandbox.activity.log import get_content_type, get_records
from sandbox.app_identity import APP_PRINCIPAL_ID, CLIENT_ID
from sandbox.exchange.api import CMDLETS
from sandbox.exchange.auditing import list_default_actions
from sandbox.exchange.folders import ROOT, list_folder_rows, list_folders
from sandbox.exchange.groups import DISTRIBUTION_GROUPS, iter_members
from sandbox.exchange.mailbox_extras import ADD_INS, list_add_ins
from sandbox.exchange.mailbox_statistics import DEFAULT_MAILBOX_PROPERTIES, GET_MAILBOX_STATISTICS
from sandbox.exchange.permissions import iter_rows_by_name
from sandbox.exchange.protocols import GET_CAS_MAILBOX
from sandbox.exchange.read_cmdlets import Command
from sandbox.graph.api import ALL_ROLES
from sandbox.graph.apps import collect_principals, expand_owners
from sandbox.graph.collections import BY_PATH as COLLECTIONS_BY_PATH
from sandbox.graph.collections import CERTIFICATES, find_rows, join_row, list_related_rows
from sandbox.graph.policies import DEFAULT_GRAPH_POLICIES, get_policy_row
from sandbox.graph.registrations import list_report_rows
from sandbox.graph.roles import index_groups, read_member_names
from sandbox.graph.roles import iter_members as iter_group_members
from sandbox.graph.users import project_row, project_user
from sandbox.http_types import is_true
from sandbox.state.tenant import SimulatedTenant as Wire
from sandbox.state.tenant import fold_key
from tests.support.fakes.apps import add_apps
from tests.support.fakes.roles import find_role_holders
from tests.support.fakes.tenant import FakeTenant

LOGS_BY_TYPE = {kind: log for log, kind in CONTENT_TYPES.items()}


def build_fake_tenant(scene: Mapping[str, object]) -> FakeTenant:
    """The tenant of a scene. Raises ValueError for rows only the real adapters can cope with."""
    wire = Wire(scene)
    rules = [
        parse_graph_rule(resolve_mailbox_id(wire, key), row)
        for key, rows in wire.graph["messageRules"].items()
        for row in rows
        if not is_true(row.get("@sandbox.hidden"))
    ]
    fake = FakeTenant(
        granted=GrantedPermissions(
            wire.get_grants("graph", ALL_ROLES), wire.get_grants("exchange", CMDLETS)
        ),
        users=[parse_account(row) for row in wire.graph["users"]],
        sign_ins=[parse_sign_in(row) for row in wire.graph["users"]],
        protected_accounts={
            str(row["id"]) for row in wire.graph["users"] if is_true(row.get("@sandbox.protected"))
        },
        rules=rules,
        exchange_rules=list(read_exchange_rules(wire, rules)),
        folders=[
            Folder(
                resolve_mailbox_id(wire, key),
                row["id"],
                row["displayName"],
                row.get("wellKnownName", ""),
            )
            for key, rows in wire.graph["mailFolders"].items()
            for row in rows
        ],
        known_recipients=list(read_recipients(wire)),
        displayed_recipients=list(read_displayed(wire)),
        folder_rights=list(read_wire_folder_rights(wire)),
        surroundings=list(read_wire_surroundings(wire)),
        own_add_ins=list(read_wire_add_ins(wire)),
        group_members=list(read_group_members(wire)),
        remote_domain_list=[parse_remote_domain(row) for row in wire.list_rows("Get-RemoteDomain")],
        policies=parse_outbound_policies(
            wire.list_rows("Get-HostedOutboundSpamFilterPolicy"),
            wire.list_rows("Get-HostedOutboundSpamFilterRule"),
        ),
        mail_flow_rules=[parse_transport_rule(row) for row in wire.list_rows("Get-TransportRule")],
        organization=OrganizationAudit(
            read_organization_switch(wire, "Get-OrganizationConfig", "AuditDisabled"),
            read_organization_switch(
                wire, "Get-AdminAuditLogConfig", "UnifiedAuditLogIngestionEnabled"
            ),
        ),
        configurations=list(read_configurations(wire)),
        mfa_registrations=[parse_registration(row) for row in list_report_rows(wire)],
        federated_domains=[
            name for row in wire.graph["domains"] if (name := parse_federated_domain(row))
        ],
        deletion_events=[
            one for row in wire.graph.get("directoryAudits", ()) if (one := parse_deletion(row))
        ],
        activity_records=list(read_activity(wire)),
        mail_parts={
            str(row.get("Id")): part
            for row in get_records(wire.scene)
            if (part := parse_mail_part(row))
        },
        recycle_bin=[
            parse_deleted_object(row["@odata.type"].rpartition(".")[2], row)
            for row in wire.graph.get("deletedItems", ())
        ],
        bypasses=[
            parse_audit_bypass(row) for row in wire.list_rows("Get-MailboxAuditBypassAssociation")
        ],
    )
    fake.delegations += read_delegations(wire)
    fake.holders = [RoleHolder(one, "") for one in find_role_holders(wire.graph, wire.exchange)]
    fake.sign_in_events = list(read_sign_in_events(wire))
    fake.powershell_users = [parse_module_user(row) for row in wire.list_rows("Get-User")]
    add_protocols(fake, wire)
    add_shared(fake, wire)
    add_domains(fake, wire)
    add_apps(fake, wire)
    add_mailboxes(fake, wire.list_rows("Get-Mailbox"))
    return fake


def read_sign_in_events(wire: Wire) -> Iterator[SignInEvent]:
    """The single sign-ins of the scene's log that are worth a look."""
    for row in wire.graph.get("signIns") or ():
        yield from parse_each_row([row], parse_sign_in_event)[0]


def read_configurations(wire: Wire) -> Iterator[Configuration]:
    """Every object of the configuration that is read by source."""
    for name, source in CONFIGURATION_SOURCES.items():
        read = list_exchange_source if source.service is Service.EXCHANGE else list_graph_source
        rows = filter(source.keeps or is_kept, read(wire, source))
        yield from parse_each_row(rows, partial(parse_configuration, name, source))[0]
    yield from map(partial(build_group, wire), wire.graph["groups"])


def build_group(wire: Wire, row: ResponseRow) -> Configuration:
    """A group with everybody in it, as the configuration reader shows it."""
    members = [*iter_group_members(index_groups(wire), fold_key(row["id"]))]
    listed = row.get("owners")
    owners = [fold_key(one) for one in (listed if isinstance(listed, list) else ())]
    names = read_member_names(wire, [*members, *owners])
    return Configuration(
        EXCLUDED_GROUP,
        str(row["id"]).lower(),
        str(row.get("displayName") or row["id"]),
        {
            "membershipRule": row.get("membershipRule") or "",
            "members": [parse_member({"id": one, **names.get(one, {})}) for one in members],
            "owners": [parse_member({"id": one, **names.get(one, {})}) for one in owners],
        },
    )


# What Exchange lists of its recipients, by their kinds.
STAND_INS = frozenset({"Get-MailContact", "Get-MailUser"})


def list_exchange_source(wire: Wire, source: ConfigurationSource) -> Sequence[ResponseRow]:
    """The rows of a source that a cmdlet reads, with what is read of each besides."""
    if source.read == ADD_INS:
        return list_add_ins(wire)
    if "Filter" in source.read_parameters or source.read in STAND_INS:
        return CMDLETS[source.read].run(wire, Command(source.read, source.read_parameters)).rows
    rows = wire.list_rows(source.read)
    if kind := source.read_parameters.get("ListType"):
        return [
            {name: value for name, value in row.items() if name != "ListType"}
            for row in rows
            if row.get("ListType") == kind
        ]
    if not source.relation:
        return rows
    related = wire.exchange[source.relation]
    return [{**row, source.relation: list(related.get(str(row.get("Name")), ()))} for row in rows]


def list_graph_source(wire: Wire, source: ConfigurationSource) -> Sequence[ResponseRow]:
    """The rows of a source of Graph, with what is read of each besides."""
    return [keep_types(source, row) for row in list_graph_rows(wire, source)]


def list_graph_rows(wire: Wire, source: ConfigurationSource) -> Sequence[ResponseRow]:
    """The rows of a source of Graph, with the properties that are asked for."""
    path, _, options = source.read.partition("?")
    last = path.rpartition("/")[2]
    if source.name_list:
        tools = [row for row in collect_principals(wire) if row.get("appId") in ADMIN_TOOLS]
        return [gather_names(source.name_list, tools)]
    asked = dict(parse_qsl(options)).get("$select", "")
    names = tuple(asked.split(",")) if asked else ()
    if collection := COLLECTIONS_BY_PATH.get(path.lstrip("/").casefold()):
        relation = collection.relation if source.relation else ""
        shown = frozenset({"policy", collection.expanded, relation})
        names = (*names, *shown) if names else ()
        relates = source.relates or is_kept
        rows = [join_row(collection, wire, row, shown) for row in find_rows(wire, collection)]
        rows = [project_row(row, names) if names else row for row in rows]
        if source.related_properties:
            shown_names = ("id", *source.related_properties)
            rows = [
                {
                    **row,
                    relation: [
                        {name: one[name] for name in shown_names if name in one}
                        for one in list_related_rows(wire, row.get(relation) or ())
                    ],
                }
                for row in rows
            ]
        return [
            row
            if relation and relates(row)
            else {key: row[key] for key in row.keys() - {collection.relation}}
            for row in rows
            if "isBuiltIn eq false" not in source.read or row.get("isBuiltIn") is False
        ]
    if source.relation == CERTIFICATES:
        found = wire.graph.get(CERTIFICATES, [])
        return [{**row, CERTIFICATES: found} for row in wire.graph["organization"]]
    if last == "servicePrincipals":
        expanded = (expand_owners(wire, row, is_asked=True) for row in collect_principals(wire))
        return [project_row(row, (*names, "owners")) for row in expanded]
    if last == "applications":
        return [project_row(row, names) for row in wire.graph.get(last, ())]
    if last == "users":
        return [project_user(row, names) for row in wire.graph["users"]]
    plain: Sequence[ResponseRow] = (
        [get_policy_row(wire, last)] if last in DEFAULT_GRAPH_POLICIES else wire.graph[last]
    )
    return plain


def resolve_mailbox_id(wire: Wire, key: str) -> str:
    """The id of the mailbox that a scene files something under."""
    (owner,) = wire.find_owners(key)
    return parse_mailbox(owner.mailbox).id if owner.mailbox else str((owner.user or {})["id"])


def read_organization_switch(wire: Wire, cmdlet: str, name: str) -> bool | None:
    """One switch of the organization; None when the scene does not tell it."""
    (row,) = wire.list_rows(cmdlet)
    value: bool | None = row.get(name)
    return value


def read_activity(wire: Wire) -> Iterator[ActivityRecord]:
    """The records of every log of the scene."""
    rows = [*wire.graph.get("directoryAudits", ()), *get_records(wire.scene)]
    own_ids = frozenset({CLIENT_ID, APP_PRINCIPAL_ID})
    for row in rows:
        if "activityDateTime" in row:
            found, _ = parse_each_row([row], lambda one: parse_directory_audit(one, own_ids))
        else:
            log = LOGS_BY_TYPE.get(get_content_type(row))
            parse = PARSERS[log] if log else None
            found = [parse(row, own_ids)] if parse else []
        yield from (one for one in found if one)


def read_exchange_rules(wire: Wire, visible: list[InboxRule]) -> Iterator[InboxRule]:
    """The rules that Graph does not show, or not in full."""
    shown = {(one.mailbox_id, normalize_rule_name(one)) for one in visible if one.readable}
    for key, rows in wire.exchange["Get-InboxRule"].items():
        for row in rows:
            found = parse_exchange_rule(resolve_mailbox_id(wire, key), row)
            hidden = is_true(row.get("@sandbox.hidden"))
            if hidden or (found.mailbox_id, normalize_rule_name(found)) not in shown:
                yield found


def read_recipients(wire: Wire) -> Iterator[Recipient]:
    """Everyone Exchange knows, by every name they answer to."""
    listed_rows = wire.list_rows("Get-Recipient")
    known = {row.get("PrimarySmtpAddress") for row in listed_rows}
    boxes = wire.list_rows("Get-Mailbox")
    by_name: dict[str, list[ResponseRow]] = {}
    for row in (*listed_rows, *(row for row in boxes if row["PrimarySmtpAddress"] not in known)):
        for name in {
            str(name)
            for key in IDENTITY_PROPERTIES
            for name in parse_value_list(row.get(key))
            if name and matches_recipient(row, str(name))
        }:
            by_name.setdefault(name, []).append(row)
    return (parse_recipient(name, rows) for name, rows in by_name.items())


def read_displayed(wire: Wire) -> Iterator[Recipient]:
    """Everyone Exchange knows, by the name they are displayed by."""
    listed_rows = wire.list_rows("Get-Recipient")
    known = {row.get("PrimarySmtpAddress") for row in listed_rows}
    boxes = wire.list_rows("Get-Mailbox")
    for row in (*listed_rows, *(row for row in boxes if row["PrimarySmtpAddress"] not in known)):
        if row.get("DisplayName"):
            yield replace(parse_recipient_row(row), name=str(row["DisplayName"]))


def list_wire_mailboxes(wire: Wire) -> Sequence[Mailbox]:
    """The mailboxes of the scene that have an id to be asked for by."""
    return parse_each_row(wire.list_rows("Get-Mailbox"), parse_mailbox)[0]


def read_wire_folder_rights(wire: Wire) -> Iterator[FolderRight]:
    """Every right over the root and the Inbox of a mailbox of the scene."""
    for mailbox in list_wire_mailboxes(wire):
        (owner,) = wire.find_owners(mailbox.guid)
        inbox = parse_inbox(list_folders(wire, owner))
        for folder, path in ((MailboxFolder.ROOT, ROOT), (MailboxFolder.INBOX, inbox.path)):
            found, _ = collect_folder_rights(list_folder_rows(wire, owner, path))
            yield from (FolderRight(mailbox, folder, path, *one) for one in found)


def read_wire_add_ins(wire: Wire) -> Iterator[OwnAddIn]:
    """The add-ins from files that single mailboxes of the scene have."""
    for mailbox in list_wire_mailboxes(wire):
        rows = CMDLETS[ADD_INS].run(wire, Command(ADD_INS, {"Mailbox": mailbox.guid})).rows
        yield from (one for one in (parse_add_in(mailbox, part) for part in rows) if one)


def read_wire_surroundings(wire: Wire) -> Iterator[MailboxSurroundings]:
    """What stands in each mailbox of the scene beside its rules."""
    for mailbox in list_wire_mailboxes(wire):
        rows = {
            name: CMDLETS[name].run(wire, Command(name, {parameter: mailbox.guid})).rows
            for name, parameter in {**NAMED_BY, CALENDARS: "Identity"}.items()
        }
        yield parse_surroundings(mailbox, Found(rows, ()))


def read_delegations(wire: Wire) -> Iterator[Delegation]:
    """Every right over a mailbox or recipient of the scene."""
    for name, row in iter_rows_by_name(wire, "Get-MailboxPermission"):
        (owner,) = wire.find_owners(name)
        yield from parse_mailbox_rights(parse_mailbox(owner.mailbox or {}), row)
    for _, row in iter_rows_by_name(wire, "Get-RecipientPermission"):
        yield from parse_send_as_rights(row)
    for row in wire.list_rows("Get-Mailbox"):
        yield from parse_send_on_behalf_rights(row) if row.get("GrantSendOnBehalfTo") else ()


def add_protocols(fake: FakeTenant, wire: Wire) -> None:
    """What each mailbox allows, and who signed in by what."""
    fake.protocol_settings, _ = parse_each_row(
        CMDLETS[GET_CAS_MAILBOX].run(wire, Command(GET_CAS_MAILBOX, ALL_RESULTS)).rows,
        parse_mailbox_protocols,
    )
    for protocol, client in CLIENT_NAMES.items():
        rows = [one for one in wire.graph.get("signIns", []) if one["clientAppUsed"] == client]
        uses = [parse_protocol_use(protocol, row) for row in rows if not is_failed_sign_in(row)]
        people: dict[str, ProtocolUse] = {}
        for use in uses:
            known = people.get(use.account_id)
            people[use.account_id] = merge_protocol_use(known, use) if known else use
        fake.observed_uses += people.values()


def add_shared(fake: FakeTenant, wire: Wire) -> None:
    """What shared mailboxes are set to, and how large mailboxes are."""
    rows = [{**DEFAULT_MAILBOX_PROPERTIES, **row} for row in wire.list_rows("Get-Mailbox")]
    kind = "SharedMailbox"
    fake.shared_settings, _ = parse_each_row(
        [one for one in rows if one["RecipientTypeDetails"] == kind], parse_shared_mailbox
    )
    for row in wire.exchange.get(GET_MAILBOX_STATISTICS, ()):
        found = resolve_mailbox_id(wire, row["Identity"])
        unused = is_true(row.get("@sandbox.unused"))
        fake.sizes[found] = None if unused else parse_mailbox_size(found, row).size_bytes


def read_group_members(wire: Wire) -> Iterator[GroupMembers]:
    """The members of the groups whose members Exchange lists."""
    for row in wire.exchange["Get-Recipient"]:
        group = parse_recipient_row(row)
        is_team = group.kind == "GroupMailbox"
        cmdlet = "Get-UnifiedGroupLinks" if is_team else "Get-DistributionGroupMember"
        if is_team or group.kind.casefold() in DISTRIBUTION_GROUPS:
            (owner,) = wire.find_owners(row["PrimarySmtpAddress"])
            members = map(parse_recipient_row, iter_members(wire, cmdlet, owner))
            yield GroupMembers(group.key, tuple(members))


def add_domains(fake: FakeTenant, wire: Wire) -> None:
    """The domains of Entra and of Exchange, each once."""
    verified = [parse_verified_domain(row) for row in wire.graph["domains"]]
    accepted = [parse_accepted_domain(row) for row in wire.list_rows("Get-AcceptedDomain")]
    by_name = {one.name: one for one in (*verified, *accepted) if one}
    fake.domains += by_name.values()


def add_mailboxes(fake: FakeTenant, rows: Sequence[dict[str, Any]]) -> None:
    """Mailboxes and their audit settings. All of them have the same licence, if any."""
    fake.boxes, nameless = parse_each_row(rows, parse_mailbox)
    fake.audits, unclear = parse_each_row(rows, parse_mailbox_audit)
    for source, broken in ((MAILBOXES, nameless), (MAILBOX_AUDIT, unclear)):
        for number, (row, reason) in enumerate(broken, 1):
            fake.fail_read(
                source, parse_identifier(row.get("Guid")) or f"unidentified-{number}", reason
            )
    sets = {
        kind: {frozenset(list_default_actions(row, kind, False)) for row in rows}
        for kind in LOGON_TYPES
    }
    fake.default_audit_sets = {kind: one for kind, (one,) in sets.items()}
