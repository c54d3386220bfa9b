"""The people, rooms and contacts of a made-up tenant, in Graph's view and in Exchange's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sandbox.http_types import Row
from sandbox.scenes.row_templates import (
    CONTOSO,
    E3,
    FABRIKAM,
    INITIAL,
    PRODUCTS,
    Product,
    accepted_domain,
    address_of,
    audit_log_config,
    bypass_row,
    domain_row,
    exchange_people,
    legacy_name,
    made_id,
    mailbox_row,
    opaque,
    organization_config,
    organization_row,
    outbound_policy,
    remote_domain,
    sku_row,
    user_row,
)


@dataclass(frozen=True, slots=True)
class Seat:
    """A mailbox of the cast: its rows, and the names other rows call it by."""

    id: str
    guid: str
    alias: str
    address: str
    mailbox: Row
    user: Row

    @property
    def legacy(self) -> str:
        """Its legacyExchangeDN."""
        return str(self.mailbox["LegacyExchangeDN"])


class Cast:
    """Everybody in one tenant. The methods add rows; `graph` and `exchange` are the two halves."""

    def __init__(self) -> None:
        self.users: list[Row] = []
        self.mailboxes: list[Row] = []
        self.recipients: list[Row] = []
        self.rules: dict[str, list[Row]] = {}
        self.folders: dict[str, list[Row]] = {}
        self.exchange_rules: dict[str, list[Row]] = {}
        self.bypassed: set[str] = set()

    # Mailboxes -------------------------------------------------------------------------------

    def seat(
        self,
        alias: str,
        name: str,
        kind: str = "UserMailbox",
        *,
        product: Product | None = None,
        enabled: bool | None = None,
        account: Mapping[str, Any] | None = None,
        mailbox: Mapping[str, Any] | None = None,
        known: bool = True,
    ) -> Seat:
        """A mailbox and its account. A person's is licensed and enabled, any other is neither.

        `account` changes properties of the Graph user, `mailbox` those of the mailbox. With `known`
        False, Entra has no account by the mailbox's object id.
        """
        is_person = kind == "UserMailbox"
        product = E3 if product is None and is_person else product
        enabled = is_person if enabled is None else enabled
        user = user_row(alias, name, enabled, product) | dict(account or {})
        joined = {
            "AccountDisabled": not enabled,
            "IsDirSynced": user["onPremisesSyncEnabled"] is True,
        }
        row = mailbox_row(alias, name, kind, product) | joined | dict(mailbox or {})
        if known:
            self.users.append(user)
        self.mailboxes.append(row)
        self.rules[user["id"]] = []
        return Seat(user["id"], row["Guid"], alias, address_of(alias), row, user)

    def contact(self, alias: str, name: str, target: str) -> Row:
        """A mail contact: a name in the tenant that stands for an address elsewhere."""
        return self.stand_in(alias, name, "MailContact", target, target)

    def guest(self, target: str) -> str:
        """A guest of the tenant; returns the principal name that holds where it comes from."""
        upn = f"{target.replace('@', '_')}#EXT#@{INITIAL}"
        alias = upn.partition("@")[0]
        row = self.stand_in(alias, alias, "GuestMailUser", target, target)
        row["UserPrincipalName"] = upn
        user = user_row(alias, target, True, None)
        names = {"userPrincipalName": upn, "mail": target, "userType": "Guest"}
        self.users.append(user | names | {"id": row["ExternalDirectoryObjectId"]})
        return upn

    def stand_in(self, alias: str, name: str, kind: str, address: str, target: str) -> Row:
        """A row of Get-Recipient for who has no mailbox here."""
        row = {
            "Identity": name,
            "Name": name,
            "DisplayName": name,
            "Alias": alias,
            "Guid": made_id("recipient", alias),
            "ExternalDirectoryObjectId": made_id("user", alias),
            "LegacyExchangeDN": legacy_name(alias),
            "PrimarySmtpAddress": address,
            "EmailAddresses": [f"SMTP:{address}"],
            "ExternalEmailAddress": f"SMTP:{target}",
            "RecipientTypeDetails": kind,
        }
        self.recipients.append(row)
        return row

    # Rules -----------------------------------------------------------------------------------

    def folder(self, seat: Seat, name: str, well_known: str = "") -> str:
        """A mail folder; returns its id."""
        row: Row = {"id": opaque("AAMkAG", "folder", seat.alias, name), "displayName": name}
        if well_known:
            row["wellKnownName"] = well_known
        self.folders.setdefault(seat.id, []).append(row)
        return str(row["id"])

    def rule(
        self,
        seat: Seat,
        name: str,
        actions: Row,
        conditions: Row | None = None,
        *,
        mark: str = "",
        hidden: bool = False,
        bare: bool = False,
        exchange: bool = True,
        **properties: Any,
    ) -> Row:
        """An inbox rule, in Graph's view and in Exchange's; a hidden one in Exchange's alone.

        `mark` tells rules of one name apart. Of a `bare` rule Graph shows neither conditions nor
        actions. `exchange` False: Get-InboxRule does not list it.
        """
        place = len(self.rules[seat.id]) + 1
        row: Row = {
            "id": opaque("AQAAAJ", "rule", seat.alias, name, mark),
            "displayName": name,
            "sequence": place,
            "isEnabled": True,
            "hasError": False,
            "isReadOnly": False,
        } | properties
        if conditions and not bare:
            row["conditions"] = conditions
        if not bare:
            row["actions"] = actions
        if exchange:
            twin = self.exchange_rule(seat, row, conditions or {}, actions, mark)
            if hidden:
                twin["@sandbox.hidden"] = True
            self.exchange_rules.setdefault(seat.address, []).append(twin)
        if not hidden:
            self.rules[seat.id].append(row)
        return row

    def exchange_rule(self, seat: Seat, row: Row, conditions: Row, actions: Row, mark: str) -> Row:
        """The same rule as Get-InboxRule prints it."""
        number = UUID(made_id("rule", seat.alias, row["displayName"], mark)).int % 2**63
        names = {folder["id"]: folder["displayName"] for folder in self.folders.get(seat.id, ())}
        moved = actions.get("moveToFolder")
        return {
            "Identity": f"{seat.alias}\\{number}",
            "RuleIdentity": number,
            "Name": row["displayName"],
            "Enabled": row["isEnabled"],
            "Priority": row["sequence"],
            "InError": row["hasError"],
            "MailboxOwnerId": seat.alias,
            "SubjectOrBodyContainsWords": conditions.get("bodyOrSubjectContains"),
            "FromAddressContainsWords": conditions.get("senderContains"),
            "ForwardTo": exchange_people(actions.get("forwardTo")),
            "ForwardAsAttachmentTo": exchange_people(actions.get("forwardAsAttachmentTo")),
            "RedirectTo": exchange_people(actions.get("redirectTo")),
            "MoveToFolder": names.get(moved, moved),
            "DeleteMessage": actions.get("delete", False),
            "SoftDeleteMessage": actions.get("permanentDelete", False),
            "MarkAsRead": actions.get("markAsRead", False),
            "StopProcessingRules": actions.get("stopProcessingRules", False),
        }

    # The two halves --------------------------------------------------------------------------

    def graph(self) -> Row:
        """The tenant as Graph shows it."""
        return {
            "organization": [organization_row()],
            "domains": [domain_row(name) for name in (CONTOSO, INITIAL, FABRIKAM)],
            "subscribedSkus": [sku_row(product) for product in PRODUCTS],
            "users": self.users,
            "messageRules": self.rules,
            "mailFolders": self.folders,
        }

    def exchange(self, **settings: list[Row]) -> Row:
        """The tenant as Exchange shows it; `settings` are rows by cmdlet, without the `Get-`."""
        return {
            "Get-OrganizationConfig": [organization_config(audit_disabled=False)],
            "Get-AdminAuditLogConfig": [audit_log_config(enabled=True)],
            "Get-AcceptedDomain": [
                accepted_domain(CONTOSO, default=True),
                accepted_domain(INITIAL),
                accepted_domain(FABRIKAM, subdomains=True),
            ],
            "Get-RemoteDomain": [remote_domain(forwards=False)],
            "Get-HostedOutboundSpamFilterPolicy": [outbound_policy("Off")],
            "Get-HostedOutboundSpamFilterRule": [],
            "Get-TransportRule": [],
            **{f"Get-{name}": rows for name, rows in settings.items()},
            "Get-MailboxAuditBypassAssociation": [
                bypass_row(row["Guid"], row["Name"], row["Name"] in self.bypassed)
                for row in self.mailboxes
            ],
            "Get-Mailbox": self.mailboxes,
            "Get-Recipient": self.recipients,
            "Get-InboxRule": self.exchange_rules,
        }
