"""A scene in wire form, as a tenant in memory."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from core.adapters.m365.configuration import entry
from core.adapters.m365.delegation.parse import (
    mailbox_rights,
    send_as_rights,
    send_on_behalf_rights,
)
from core.adapters.m365.directory.parse import deleted_object, deletion, registration
from core.adapters.m365.exchange_queries import ALL
from core.adapters.m365.inbox_rules_parse import exchange_rule, graph_rule
from core.adapters.m365.mail_flow_parse import (
    IDENTITIES,
    accepted_domain,
    audit_bypass,
    outbound_policies,
    recipient,
    remote_domain,
    transport_rule,
    verified_domain,
)
from core.adapters.m365.parsing import (
    LOGON_TYPES,
    Row,
    account,
    each,
    identifier,
    listed,
    mailbox,
    mailbox_audit,
    sign_in,
)
from core.adapters.m365.protocols.parse import failed, mailbox_protocols, protocol_use
from core.adapters.m365.protocols.read import CLIENTS, joined
from core.adapters.m365.roles.parse import module_user
from core.adapters.m365.shared_mailboxes.parse import mailbox_size, shared_mailbox
from core.guards.mailbox_forwarding.hidden_rules import plain_name
from core.microsoft365.configuration_sources import SOURCES
from core.model.guards import Service
from core.tenant.auditing import OrganizationAudit
from core.tenant.configuration import Configuration
from core.tenant.directory import RoleHolder
from core.tenant.mail_flow import Folder, InboxRule, Recipient
from core.tenant.mailboxes import Delegation, ProtocolUse
from core.tenant.port import Grants
from core.tenant.surfaces import MAILBOX_AUDIT, MAILBOXES
from sandbox.exchange.api import CMDLETS
from sandbox.exchange.auditing import default_actions
from sandbox.exchange.mailbox_statistics import STATISTICS, USUAL
from sandbox.exchange.permissions import rows_by_name
from sandbox.exchange.protocols import CAS
from sandbox.exchange.read_cmdlets import Command
from sandbox.graph.api import ALL_ROLES
from sandbox.graph.policies import KEPT, policy
from sandbox.graph.registrations import report
from sandbox.http_types import truth
from sandbox.state.tenant import Tenant as Wire
from tests.support.fakes.apps import add_apps
from tests.support.fakes.roles import holders_in
from tests.support.fakes.tenant import FakeTenant


def fake_of(scene: Mapping[str, object]) -> FakeTenant:
    """The tenant of a scene. Raises ValueError for rows only the real adapters can cope with."""
    wire = Wire(scene)
    rules = [
        graph_rule(owner_id(wire, key), row)
        for key, rows in wire.graph["messageRules"].items()
        for row in rows
        if not truth(row.get("@sandbox.hidden"))
    ]
    fake = FakeTenant(
        granted=Grants(wire.granted("graph", ALL_ROLES), wire.granted("exchange", CMDLETS)),
        users=[account(row) for row in wire.graph["users"]],
        signed_in=[sign_in(row) for row in wire.graph["users"]],
        protected={
            str(row["id"]) for row in wire.graph["users"] if truth(row.get("@sandbox.protected"))
        },
        rules=rules,
        exchange_rules=list(rules_of_exchange(wire, rules)),
        folders=[
            Folder(owner_id(wire, key), row["id"], row["displayName"], row.get("wellKnownName", ""))
            for key, rows in wire.graph["mailFolders"].items()
            for row in rows
        ],
        people=list(people_of(wire)),
        remotes=[remote_domain(row) for row in wire.configuration("Get-RemoteDomain")],
        policies=outbound_policies(
            wire.configuration("Get-HostedOutboundSpamFilterPolicy"),
            wire.configuration("Get-HostedOutboundSpamFilterRule"),
        ),
        flow=[transport_rule(row) for row in wire.configuration("Get-TransportRule")],
        organization=OrganizationAudit(
            switch(wire, "Get-OrganizationConfig", "AuditDisabled"),
            switch(wire, "Get-AdminAuditLogConfig", "UnifiedAuditLogIngestionEnabled"),
        ),
        configurations=list(configurations_of(wire)),
        registered=[registration(row) for row in report(wire)],
        deleted=[one for row in wire.graph.get("directoryAudits", ()) if (one := deletion(row))],
        bin=[
            deleted_object(row["@odata.type"].rpartition(".")[2], row)
            for row in wire.graph.get("deletedItems", ())
        ],
        bypasses=[
            audit_bypass(row) for row in wire.configuration("Get-MailboxAuditBypassAssociation")
        ],
    )
    fake.delegations += delegations_of(wire)
    fake.holders = [RoleHolder(one, "") for one in holders_in(wire.graph, wire.exchange)]
    fake.module = [module_user(row) for row in wire.configuration("Get-User")]
    add_protocols(fake, wire)
    add_shared(fake, wire)
    add_domains(fake, wire)
    add_apps(fake, wire)
    add_mailboxes(fake, wire.configuration("Get-Mailbox"))
    return fake


def configurations_of(wire: Wire) -> Iterator[Configuration]:
    """Every object of the configuration that is read by source."""
    for name, source in SOURCES.items():
        last = source.read.rpartition("/")[2]
        if source.service is Service.EXCHANGE:
            rows: Sequence[Row] = wire.configuration(source.read)
        elif last in KEPT:
            rows = [policy(wire, last)]
        else:
            rows = wire.graph[last]
        yield from each(rows, partial(entry, name, source))[0]


def owner_id(wire: Wire, key: str) -> str:
    """The id of the mailbox that a scene files something under."""
    (owner,) = wire.find(key)
    return mailbox(owner.mailbox).id if owner.mailbox else str((owner.user or {})["id"])


def switch(wire: Wire, cmdlet: str, name: str) -> bool | None:
    """One switch of the organization; None when the scene does not tell it."""
    (row,) = wire.configuration(cmdlet)
    value: bool | None = row.get(name)
    return value


def rules_of_exchange(wire: Wire, visible: list[InboxRule]) -> Iterator[InboxRule]:
    """The rules that Graph does not show, or not in full."""
    shown = {(one.mailbox_id, plain_name(one)) for one in visible if one.readable}
    for key, rows in wire.exchange["Get-InboxRule"].items():
        for row in rows:
            found = exchange_rule(owner_id(wire, key), row)
            hidden = truth(row.get("@sandbox.hidden"))
            if hidden or (found.mailbox_id, plain_name(found)) not in shown:
                yield found


def people_of(wire: Wire) -> Iterator[Recipient]:
    """Everyone Exchange knows, by every name they answer to."""
    listed_rows = wire.configuration("Get-Recipient")
    known = {row.get("PrimarySmtpAddress") for row in listed_rows}
    boxes = wire.configuration("Get-Mailbox")
    by_name: dict[str, list[Row]] = {}
    for row in (*listed_rows, *(row for row in boxes if row["PrimarySmtpAddress"] not in known)):
        for name in {str(name) for key in IDENTITIES for name in listed(row.get(key)) if name}:
            by_name.setdefault(name, []).append(row)
    return (recipient(name, rows) for name, rows in by_name.items())


def delegations_of(wire: Wire) -> Iterator[Delegation]:
    """Every right over a mailbox or recipient of the scene."""
    for name, row in rows_by_name(wire, "Get-MailboxPermission"):
        (owner,) = wire.find(name)
        yield from mailbox_rights(mailbox(owner.mailbox or {}), row)
    for _, row in rows_by_name(wire, "Get-RecipientPermission"):
        yield from send_as_rights(row)
    for row in wire.configuration("Get-Mailbox"):
        yield from send_on_behalf_rights(row) if row.get("GrantSendOnBehalfTo") else ()


def add_protocols(fake: FakeTenant, wire: Wire) -> None:
    """What each mailbox allows, and who signed in by what."""
    fake.protocols, _ = each(CMDLETS[CAS].run(wire, Command(CAS, ALL)).rows, mailbox_protocols)
    for protocol, client in CLIENTS.items():
        rows = [one for one in wire.graph.get("signIns", []) if one["clientAppUsed"] == client]
        uses = [protocol_use(protocol, row) for row in rows if not failed(row)]
        people: dict[str, ProtocolUse] = {}
        for use in uses:
            known = people.get(use.account_id)
            people[use.account_id] = joined(known, use) if known else use
        fake.used += people.values()


def add_shared(fake: FakeTenant, wire: Wire) -> None:
    """What shared mailboxes are set to, and how large mailboxes are."""
    rows = [{**USUAL, **row} for row in wire.configuration("Get-Mailbox")]
    kind = "SharedMailbox"
    fake.shared, _ = each(
        [one for one in rows if one["RecipientTypeDetails"] == kind], shared_mailbox
    )
    for row in wire.exchange.get(STATISTICS, ()):
        found = owner_id(wire, row["Identity"])
        unused = truth(row.get("@sandbox.unused"))
        fake.sizes[found] = None if unused else mailbox_size(found, row).size


def add_domains(fake: FakeTenant, wire: Wire) -> None:
    """The domains of Entra and of Exchange, each once."""
    verified = [verified_domain(row) for row in wire.graph["domains"]]
    accepted = [accepted_domain(row) for row in wire.configuration("Get-AcceptedDomain")]
    by_name = {one.name: one for one in (*verified, *accepted) if one}
    fake.domains += by_name.values()


def add_mailboxes(fake: FakeTenant, rows: Sequence[dict[str, Any]]) -> None:
    """Mailboxes and their audit settings. All of them have the same licence, if any."""
    fake.boxes, nameless = each(rows, mailbox)
    fake.audits, unclear = each(rows, mailbox_audit)
    for surface, broken in ((MAILBOXES, nameless), (MAILBOX_AUDIT, unclear)):
        for number, (row, reason) in enumerate(broken, 1):
            fake.fail(surface, identifier(row.get("Guid")) or f"unidentified-{number}", reason)
    sets = {
        kind: {frozenset(default_actions(row, kind, False)) for row in rows} for kind in LOGON_TYPES
    }
    fake.defaults = {kind: one for kind, (one,) in sets.items()}
