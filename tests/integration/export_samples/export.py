"""A tenant in the form real exports have: noise, gaps, odd spellings, hostile names.

A case is one mailbox with its account and its rules, and what is to be said about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from tests.support.run_scene import list_declared_permissions

type Row = dict[str, Any]
type ExpectedFindings = set[tuple[str, str]]

LEGACY_DN_PREFIX = (
    "/o=ExchangeLabs/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn="
)
CANONICAL_ROOT = "EURPR01A001.PROD.OUTLOOK.COM/Microsoft Exchange Hosted Organizations"
DN_SUFFIX = "OU=contoso.onmicrosoft.com,OU=Microsoft Exchange Hosted Organizations,DC=EURPR01A001"
EVIL = "x@evil.example"


def build_guid(*words: str) -> str:
    """A GUID that is always the same for the same words."""
    return str(uuid5(NAMESPACE_DNS, "/".join(words)))


def drop_absent(row: Row) -> Row:
    """The row without the properties whose value is ABSENT."""
    return {name: value for name, value in row.items() if value is not ABSENT}


ABSENT = object()


@dataclass(frozen=True)
class ExportedMailbox:
    """One mailbox with its account and its rules, and what is to be said about it."""

    alias: str
    expected: ExpectedFindings = field(default_factory=lambda: set[tuple[str, str]]())
    mailbox: Row = field(default_factory=dict)
    user: Row = field(default_factory=dict)
    rules: tuple[Row, ...] = ()
    exchange_rules: tuple[Row, ...] = ()
    account_missing: bool = False

    def build_mailbox_row(self) -> Row:
        """As InvokeCommand answers: type annotations among the properties."""
        row = {
            "Identity": f"{CANONICAL_ROOT}/contoso.onmicrosoft.com/{self.alias}",
            "Name": self.alias,
            "DisplayName": f"{self.alias} **[x](https://evil.example)**",
            "Alias": self.alias,
            "Guid@data.type": "System.Guid",
            "Guid@odata.type": "#Guid",
            "Guid": build_guid("mailbox", self.alias),
            "ExternalDirectoryObjectId": build_guid("user", self.alias),
            "UserPrincipalName": f"{self.alias}@contoso.com",
            "PrimarySmtpAddress": f"{self.alias}@contoso.com",
            "EmailAddresses@odata.type": "#Collection(String)",
            "EmailAddresses": [
                f"SMTP:{self.alias}@contoso.com",
                f"smtp:{self.alias}@contoso.onmicrosoft.com",
                f"X500:/o=OldOrg/ou=First/cn=Recipients/cn={self.alias}",
                f"SPO:SPO_{build_guid('spo', self.alias)}@SPO_{build_guid('tenant')}",
            ],
            "LegacyExchangeDN": f"{LEGACY_DN_PREFIX}0a1b-{self.alias}",
            "DistinguishedName": f"CN={self.alias},{DN_SUFFIX}",
            "RecipientTypeDetails": "UserMailbox",
            "ForwardingAddress": None,
            "ForwardingSmtpAddress": None,
            "DeliverToMailboxAndForward": "False",
            "IsDirSynced": False,
            "AccountDisabled": True,
            "WhenCreated@data.type": "System.DateTime",
            "WhenCreated": "2024-05-01T10:00:00.0000000+00:00",
        }
        return drop_absent(row | self.mailbox)

    def build_user_row(self) -> Row:
        row = {
            "id": build_guid("user", self.alias),
            "userPrincipalName": f"{self.alias}@contoso.com",
            "displayName": f"{self.alias} <at>all</at>",
            "mail": f"{self.alias}@contoso.com",
            "accountEnabled": True,
            "userType": "Member",
            "onPremisesSyncEnabled": None,
            "assignedLicenses": [],
            "assignedPlans": [],
        }
        return drop_absent(row | self.user)


def build_domain_row(name: str, verified: bool = True) -> Row:
    return {"id": name, "isVerified": verified, "isDefault": name == "contoso.com"}


def build_accepted_domain_row(
    name: str, subdomains: object = False, kind: str = "Authoritative"
) -> Row:
    return {
        "Identity": name,
        "Name": name,
        "DomainName": name,
        "DomainType": kind,
        "MatchSubDomains": subdomains,
    }


def build_recipient_row(alias: str, kind: str, external: object = ABSENT, **more: object) -> Row:
    """A contact, a guest or a group, as Get-Recipient prints it."""
    address = f"{alias.replace(' ', '').lower()}@contoso.com"
    row = {
        "Identity": alias,
        "Name": alias,
        "Alias": alias.replace(" ", "").lower(),
        "DisplayName": alias,
        "Guid": build_guid("recipient", alias),
        "RecipientType": "MailContact",
        "RecipientTypeDetails": kind,
        "PrimarySmtpAddress": address,
        "ExternalEmailAddress": external,
        "LegacyExchangeDN": f"{LEGACY_DN_PREFIX}77-{alias.replace(' ', '')}",
        "DistinguishedName": f"CN={alias},{DN_SUFFIX}",
        "EmailAddresses": [
            f"SMTP:{address}",
            f"X500:/o=OldOrg/ou=First/cn=Recipients/cn={alias}",
        ],
    }
    return drop_absent(row | more)


INNER_MEMBER = {
    "Name": "Anna",
    "RecipientTypeDetails": "UserMailbox",
    "PrimarySmtpAddress": "anna@contoso.com",
}
RECIPIENT_ROWS = (
    build_recipient_row("Ext Contact", "MailContact", "smtp:ext@evil.example"),
    build_recipient_row("Ext Mail User", "MailUser", "SMTP:Mu@Evil.Example"),
    build_recipient_row(
        "guest_mail.example#EXT#",
        "GuestMailUser",
        "SMTP:guest@mail.example",
        PrimarySmtpAddress="guest@mail.example",
        EmailAddresses=["SMTP:guest@mail.example"],
        UserPrincipalName="guest_mail.example#EXT#@contoso.onmicrosoft.com",
    ),
    build_recipient_row("Inner Contact", "MailContact", "SMTP:Anna@Contoso.com"),
    build_recipient_row("Empty Contact", "MailContact", None),
    build_recipient_row("All Staff", "DynamicDistributionGroup"),
    build_recipient_row("Sales", "MailUniversalDistributionGroup"),
    build_recipient_row("Chain", "MailContact", "SMTP:extcontact@contoso.com"),
    build_recipient_row("Loop", "MailContact", "SMTP:loop@contoso.com"),
    build_recipient_row("No DN", "MailContact", "SMTP:nodn@evil.example", DistinguishedName=ABSENT),
    build_recipient_row("Pat One", "MailContact", "SMTP:pat1@evil.example", Alias="pat"),
    build_recipient_row("Pat Two", "MailContact", "SMTP:pat2@evil.example", Alias="pat"),
)


def build_export_scene(cases: Iterable[ExportedMailbox], transport: Iterable[Row] = ()) -> Row:
    """The tenant of some cases, with the permissions the guards name and no other."""
    cases = list(cases)
    boxes = [case.build_mailbox_row() for case in cases]
    return {
        "grants": list_declared_permissions(),
        "graph": {
            "users": [case.build_user_row() for case in cases if not case.account_missing],
            "domains": [
                build_domain_row("contoso.com"),
                build_domain_row("contoso.onmicrosoft.com"),
                build_domain_row("fabrikam.com"),
                build_domain_row("entra-only.example"),
                build_domain_row("unproven.example", verified=False),
            ],
            "messageRules": {build_guid("user", case.alias): list(case.rules) for case in cases},
            "mailFolders": {build_guid("user", case.alias): build_folder_rows() for case in cases},
        },
        "exchange": {
            "Get-Mailbox": boxes,
            "Get-Recipient": list(RECIPIENT_ROWS),
            "Get-InboxRule": {
                build_guid("mailbox", case.alias): list(case.exchange_rules) for case in cases
            },
            "Get-AcceptedDomain": [
                build_accepted_domain_row("Contoso.com"),
                build_accepted_domain_row("contoso.onmicrosoft.com"),
                build_accepted_domain_row("fabrikam.com", "True"),
                build_accepted_domain_row("xn--bcher-kva.example", "False"),
                build_accepted_domain_row("köln.example"),
                build_accepted_domain_row("relay.example", kind="InternalRelay"),
            ],
            "Get-DistributionGroupMember": {"Sales": [INNER_MEMBER]},
            "Get-TransportRule": list(transport),
            "Get-HostedOutboundSpamFilterPolicy": [
                {"Identity": "Default", "IsDefault": "True", "AutoForwardingMode": "On"}
            ],
        },
    }


def build_folder_rows() -> list[Row]:
    """A mailbox's folders in three languages."""
    names = {
        "deleted": ("Gelöschte Elemente", "deleteditems"),
        "archive": ("Archiv", "archive"),
        "junk": ("Junk-E-Mail", "junkemail"),
        "history": ("Aufgezeichnete Unterhaltungen", "conversationhistory"),
        "sync": ("Problèmes de synchronisation", "syncissues"),
        "rss": ("Flux RSS", None),
        "own-archive": ("Archive", None),
        "projects": ("Projects", None),
        "inbox": ("Posteingang", "inbox"),
    }
    return [
        {"id": f"AAMk-{key}=", "displayName": shown} | ({"wellKnownName": known} if known else {})
        for key, (shown, known) in names.items()
    ]
