"""A tenant in the form real exports have: noise, gaps, odd spellings, hostile names.

A case is one mailbox with its account and its rules, and what is to be said about it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from tests.support.run_scene import declared

type Row = dict[str, Any]
type Said = set[tuple[str, str]]

LEGACY = "/o=ExchangeLabs/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn="
FOREST = "EURPR01A001.PROD.OUTLOOK.COM/Microsoft Exchange Hosted Organizations"
TREE = "OU=contoso.onmicrosoft.com,OU=Microsoft Exchange Hosted Organizations,DC=EURPR01A001"
EVIL = "x@evil.example"


def guid(*words: str) -> str:
    """A GUID that is always the same for the same words."""
    return str(uuid5(NAMESPACE_DNS, "/".join(words)))


def without(row: Row) -> Row:
    """The row without the properties whose value is ABSENT."""
    return {name: value for name, value in row.items() if value is not ABSENT}


ABSENT = object()


@dataclass(frozen=True)
class Case:
    """One mailbox with its account and its rules, and what is to be said about it."""

    alias: str
    said: Said = field(default_factory=lambda: set[tuple[str, str]]())
    mailbox: Row = field(default_factory=dict)
    user: Row = field(default_factory=dict)
    rules: tuple[Row, ...] = ()
    exchange_rules: tuple[Row, ...] = ()
    missing: bool = False

    def mailbox_row(self) -> Row:
        """As InvokeCommand answers: type annotations among the properties."""
        row = {
            "Identity": f"{FOREST}/contoso.onmicrosoft.com/{self.alias}",
            "Name": self.alias,
            "DisplayName": f"{self.alias} **[x](https://evil.example)**",
            "Alias": self.alias,
            "Guid@data.type": "System.Guid",
            "Guid@odata.type": "#Guid",
            "Guid": guid("mailbox", self.alias),
            "ExternalDirectoryObjectId": guid("user", self.alias),
            "UserPrincipalName": f"{self.alias}@contoso.com",
            "PrimarySmtpAddress": f"{self.alias}@contoso.com",
            "EmailAddresses@odata.type": "#Collection(String)",
            "EmailAddresses": [
                f"SMTP:{self.alias}@contoso.com",
                f"smtp:{self.alias}@contoso.onmicrosoft.com",
                f"X500:/o=OldOrg/ou=First/cn=Recipients/cn={self.alias}",
                f"SPO:SPO_{guid('spo', self.alias)}@SPO_{guid('tenant')}",
            ],
            "LegacyExchangeDN": f"{LEGACY}0a1b-{self.alias}",
            "DistinguishedName": f"CN={self.alias},{TREE}",
            "RecipientTypeDetails": "UserMailbox",
            "ForwardingAddress": None,
            "ForwardingSmtpAddress": None,
            "DeliverToMailboxAndForward": "False",
            "IsDirSynced": False,
            "AccountDisabled": True,
            "WhenCreated@data.type": "System.DateTime",
            "WhenCreated": "2024-05-01T10:00:00.0000000+00:00",
        }
        return without(row | self.mailbox)

    def user_row(self) -> Row:
        row = {
            "id": guid("user", self.alias),
            "userPrincipalName": f"{self.alias}@contoso.com",
            "displayName": f"{self.alias} <at>all</at>",
            "mail": f"{self.alias}@contoso.com",
            "accountEnabled": True,
            "userType": "Member",
            "onPremisesSyncEnabled": None,
            "assignedLicenses": [],
            "assignedPlans": [],
        }
        return without(row | self.user)


def domain(name: str, verified: bool = True) -> Row:
    return {"id": name, "isVerified": verified, "isDefault": name == "contoso.com"}


def accepted(name: str, subdomains: object = False, kind: str = "Authoritative") -> Row:
    return {
        "Identity": name,
        "Name": name,
        "DomainName": name,
        "DomainType": kind,
        "MatchSubDomains": subdomains,
    }


def recipient(alias: str, kind: str, external: object = ABSENT, **more: object) -> Row:
    """A contact, a guest or a group, as Get-Recipient prints it."""
    row = {
        "Identity": alias,
        "Name": alias,
        "Alias": alias.replace(" ", "").lower(),
        "DisplayName": alias,
        "Guid": guid("recipient", alias),
        "RecipientType": "MailContact",
        "RecipientTypeDetails": kind,
        "PrimarySmtpAddress": f"{alias.replace(' ', '').lower()}@contoso.com",
        "ExternalEmailAddress": external,
        "LegacyExchangeDN": f"{LEGACY}77-{alias.replace(' ', '')}",
        "DistinguishedName": f"CN={alias},{TREE}",
        "EmailAddresses": [f"X500:/o=OldOrg/ou=First/cn=Recipients/cn={alias}"],
    }
    return without(row | more)


RECIPIENTS = (
    recipient("Ext Contact", "MailContact", "smtp:ext@evil.example"),
    recipient("Ext Mail User", "MailUser", "SMTP:Mu@Evil.Example"),
    recipient(
        "guest_mail.example#EXT#",
        "GuestMailUser",
        "SMTP:guest@mail.example",
        PrimarySmtpAddress="guest@mail.example",
        EmailAddresses=["SMTP:guest@mail.example"],
        UserPrincipalName="guest_mail.example#EXT#@contoso.onmicrosoft.com",
    ),
    recipient("Inner Contact", "MailContact", "SMTP:Anna@Contoso.com"),
    recipient("Empty Contact", "MailContact", None),
    recipient("All Staff", "DynamicDistributionGroup"),
    recipient("Sales", "MailUniversalDistributionGroup"),
    recipient("Chain", "MailContact", "SMTP:extcontact@contoso.com"),
    recipient("Loop", "MailContact", "SMTP:loop@contoso.com"),
    recipient("No DN", "MailContact", "SMTP:nodn@evil.example", DistinguishedName=ABSENT),
    recipient("Pat One", "MailContact", "SMTP:pat1@evil.example", Alias="pat"),
    recipient("Pat Two", "MailContact", "SMTP:pat2@evil.example", Alias="pat"),
)


def scene(cases: Iterable[Case], transport: Iterable[Row] = ()) -> Row:
    """The tenant of some cases, with the permissions the guards name and no other."""
    cases = list(cases)
    boxes = [case.mailbox_row() for case in cases]
    return {
        "grants": declared(),
        "graph": {
            "users": [case.user_row() for case in cases if not case.missing],
            "domains": [
                domain("contoso.com"),
                domain("contoso.onmicrosoft.com"),
                domain("fabrikam.com"),
                domain("entra-only.example"),
                domain("unproven.example", verified=False),
            ],
            "messageRules": {guid("user", case.alias): list(case.rules) for case in cases},
            "mailFolders": {guid("user", case.alias): folders() for case in cases},
        },
        "exchange": {
            "Get-Mailbox": boxes,
            "Get-Recipient": list(RECIPIENTS),
            "Get-InboxRule": {
                guid("mailbox", case.alias): list(case.exchange_rules) for case in cases
            },
            "Get-AcceptedDomain": [
                accepted("Contoso.com"),
                accepted("contoso.onmicrosoft.com"),
                accepted("fabrikam.com", "True"),
                accepted("xn--bcher-kva.example", "False"),
                accepted("köln.example"),
                accepted("relay.example", kind="InternalRelay"),
            ],
            "Get-TransportRule": list(transport),
            "Get-HostedOutboundSpamFilterPolicy": [
                {"Identity": "Default", "IsDefault": "True", "AutoForwardingMode": "On"}
            ],
        },
    }


def folders() -> list[Row]:
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
