"""The people, rooms and contacts of a generated tenant, in Graph's view and in Exchange's."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sandbox.http_types import Row
from sandbox.scenes.row_templates import (
    CONTOSO,
    E3,
    FABRIKAM,
    INITIAL_DOMAIN,
    PRODUCTS,
    Product,
    build_accepted_domain,
    build_address,
    build_audit_log_config,
    build_bypass_row,
    build_domain_row,
    build_legacy_dn,
    build_mailbox_row,
    build_organization_config,
    build_organization_row,
    build_outbound_policy,
    build_remote_domain,
    build_sku_row,
    build_untouched_password,
    build_user_row,
    derive_id,
    derive_opaque_id,
    format_exchange_recipients,
)


@dataclass(frozen=True, slots=True)
class MailboxFixture:
    """A generated mailbox: its rows, and the names by which other rows refer to it."""

    id: str
    guid: str
    alias: str
    address: str
    mailbox: Row
    user: Row

    @property
    def legacy_dn(self) -> str:
        """The mailbox's legacyExchangeDN."""
        return str(self.mailbox["LegacyExchangeDN"])


class TenantBuilder:
    """Builds a tenant. Methods add rows; `build_graph` and `build_exchange` return its two
    halves.
    """

    def __init__(self) -> None:
        self.users: list[Row] = []
        self.mailboxes: list[Row] = []
        self.recipients: list[Row] = []
        self.rules: dict[str, list[Row]] = {}
        self.folders: dict[str, list[Row]] = {}
        self.exchange_rules: dict[str, list[Row]] = {}
        self.bypassed_names: set[str] = set()

    # Mailboxes -------------------------------------------------------------------------------

    def add_mailbox(
        self,
        alias: str,
        name: str,
        kind: str = "UserMailbox",
        *,
        product: Product | None = None,
        enabled: bool | None = None,
        account: Mapping[str, Any] | None = None,
        mailbox: Mapping[str, Any] | None = None,
        has_account: bool = True,
    ) -> MailboxFixture:
        """Adds a mailbox and its account: licensed and enabled for a person, neither for any other
        type.

        `account` overrides properties of the Graph user, `mailbox` those of the mailbox. Without
        `has_account`, Entra has no account with the mailbox's object id.
        """
        is_person = kind == "UserMailbox"
        product = E3 if product is None and is_person else product
        enabled = is_person if enabled is None else enabled
        untouched = {} if is_person else build_untouched_password()
        user = build_user_row(alias, name, enabled, product) | untouched | dict(account or {})
        joined = {
            "AccountDisabled": not enabled,
            "IsDirSynced": user["onPremisesSyncEnabled"] is True,
        }
        row = build_mailbox_row(alias, name, kind, product) | joined | dict(mailbox or {})
        if has_account:
            self.users.append(user)
        self.mailboxes.append(row)
        self.rules[user["id"]] = []
        return MailboxFixture(user["id"], row["Guid"], alias, build_address(alias), row, user)

    def add_contact(self, alias: str, name: str, target: str) -> Row:
        """Adds a mail contact: a name in the tenant for an external address."""
        return self.add_recipient(alias, name, "MailContact", target, target)

    def add_guest(self, target: str) -> str:
        """Adds a guest. Returns the principal name, which contains the home address."""
        upn = f"{target.replace('@', '_')}#EXT#@{INITIAL_DOMAIN}"
        alias = upn.partition("@")[0]
        row = self.add_recipient(alias, alias, "GuestMailUser", target, target)
        row["UserPrincipalName"] = upn
        user = build_user_row(alias, target, True, None)
        names = {"userPrincipalName": upn, "mail": target, "userType": "Guest"}
        self.users.append(user | names | {"id": row["ExternalDirectoryObjectId"]})
        return upn

    def add_recipient(self, alias: str, name: str, kind: str, address: str, target: str) -> Row:
        """Adds a row of Get-Recipient for a recipient without a mailbox here."""
        row = {
            "Identity": name,
            "Name": name,
            "DisplayName": name,
            "Alias": alias,
            "Guid": derive_id("recipient", alias),
            "ExternalDirectoryObjectId": derive_id("user", alias),
            "LegacyExchangeDN": build_legacy_dn(alias),
            "PrimarySmtpAddress": address,
            "EmailAddresses": [f"SMTP:{address}"],
            "ExternalEmailAddress": f"SMTP:{target}",
            "RecipientTypeDetails": kind,
        }
        self.recipients.append(row)
        return row

    # Rules -----------------------------------------------------------------------------------

    def add_folder(self, mailbox: MailboxFixture, name: str, well_known: str = "") -> str:
        """Adds a mail folder and returns its id."""
        row: Row = {
            "id": derive_opaque_id("AAMkAG", "folder", mailbox.alias, name),
            "displayName": name,
        }
        if well_known:
            row["wellKnownName"] = well_known
        self.folders.setdefault(mailbox.id, []).append(row)
        return str(row["id"])

    def add_rule(
        self,
        mailbox: MailboxFixture,
        name: str,
        actions: Row,
        conditions: Row | None = None,
        *,
        id_suffix: str = "",
        hidden: bool = False,
        hide_content: bool = False,
        exchange: bool = True,
        **properties: Any,
    ) -> Row:
        """Adds an inbox rule in Graph's view and in Exchange's; a hidden one in Exchange's only.

        `id_suffix` distinguishes rules of one name. With `hide_content`, Graph shows neither
        conditions nor actions. Without `exchange`, Get-InboxRule does not list the rule.
        """
        place = len(self.rules[mailbox.id]) + 1
        row: Row = {
            "id": derive_opaque_id("AQAAAJ", "rule", mailbox.alias, name, id_suffix),
            "displayName": name,
            "sequence": place,
            "isEnabled": True,
            "hasError": False,
            "isReadOnly": False,
        } | properties
        if conditions and not hide_content:
            row["conditions"] = conditions
        if not hide_content:
            row["actions"] = actions
        if exchange:
            twin = self.build_exchange_rule(mailbox, row, conditions or {}, actions, id_suffix)
            if hidden:
                twin["@sandbox.hidden"] = True
            self.exchange_rules.setdefault(mailbox.address, []).append(twin)
        if not hidden:
            self.rules[mailbox.id].append(row)
        return row

    def build_exchange_rule(
        self, mailbox: MailboxFixture, row: Row, conditions: Row, actions: Row, id_suffix: str
    ) -> Row:
        """The same rule as Get-InboxRule prints it."""
        number = UUID(derive_id("rule", mailbox.alias, row["displayName"], id_suffix)).int % 2**63
        names = {folder["id"]: folder["displayName"] for folder in self.folders.get(mailbox.id, ())}
        moved = actions.get("moveToFolder")
        return {
            "Identity": f"{mailbox.alias}\\{number}",
            "RuleIdentity": number,
            "Name": row["displayName"],
            "Enabled": row["isEnabled"],
            "Priority": row["sequence"],
            "InError": row["hasError"],
            "MailboxOwnerId": mailbox.alias,
            "SubjectOrBodyContainsWords": conditions.get("bodyOrSubjectContains"),
            "FromAddressContainsWords": conditions.get("senderContains"),
            "ForwardTo": format_exchange_recipients(actions.get("forwardTo")),
            "ForwardAsAttachmentTo": format_exchange_recipients(
                actions.get("forwardAsAttachmentTo")
            ),
            "RedirectTo": format_exchange_recipients(actions.get("redirectTo")),
            "MoveToFolder": names.get(moved, moved),
            "DeleteMessage": actions.get("delete", False),
            "SoftDeleteMessage": actions.get("permanentDelete", False),
            "MarkAsRead": actions.get("markAsRead", False),
            "StopProcessingRules": actions.get("stopProcessingRules", False),
        }

    # The two halves --------------------------------------------------------------------------

    def build_graph(self) -> Row:
        """The tenant as Graph shows it."""
        return {
            "organization": [build_organization_row()],
            "domains": [build_domain_row(name) for name in (CONTOSO, INITIAL_DOMAIN, FABRIKAM)],
            "subscribedSkus": [build_sku_row(product) for product in PRODUCTS],
            "users": self.users,
            "messageRules": self.rules,
            "mailFolders": self.folders,
        }

    def build_exchange(self, **settings: list[Row]) -> Row:
        """The tenant as Exchange shows it; `settings` are rows by cmdlet, without the `Get-`."""
        return {
            "Get-OrganizationConfig": [build_organization_config(audit_disabled=False)],
            "Get-AdminAuditLogConfig": [build_audit_log_config(enabled=True)],
            "Get-AcceptedDomain": [
                build_accepted_domain(CONTOSO, default=True),
                build_accepted_domain(INITIAL_DOMAIN),
                build_accepted_domain(FABRIKAM, subdomains=True),
            ],
            "Get-RemoteDomain": [build_remote_domain(forwards=False)],
            "Get-HostedOutboundSpamFilterPolicy": [build_outbound_policy("Off")],
            "Get-HostedOutboundSpamFilterRule": [],
            "Get-TransportRule": [],
            **{f"Get-{name}": rows for name, rows in settings.items()},
            "Get-MailboxAuditBypassAssociation": [
                build_bypass_row(row["Guid"], row["Name"], row["Name"] in self.bypassed_names)
                for row in self.mailboxes
            ],
            "Get-Mailbox": self.mailboxes,
            "Get-Recipient": self.recipients,
            "Get-InboxRule": self.exchange_rules,
        }
