"""For each watched collection: a known item, and what makes it wider, narrower, or no news."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.tenant.configuration import Configuration

DOMAINS = Configuration("accepted-domain", "contoso.com", "contoso.com", {"DomainType": "x"})
PARTNER_ID = "a5a695a9-fd81-5794-886f-ac7cda1f892f"
SYNCHRONISES = {
    "automaticUserConsentSettings": {"inboundAllowed": True},
    "identitySynchronization": {"userSyncInbound": {"isSyncAllowed": True}},
}
APP = "22be4012-9ebe-5a18-9f4f-973caf2c948c"


@dataclass(frozen=True, slots=True)
class WatchedExample:
    """One item of a collection as it is known, and how it may change."""

    source: str
    known: Mapping[str, Any]
    """The properties of an item that is there at the first look."""
    wider: Mapping[str, Any]
    """Properties that open more or keep less; empty: an item of this collection never changes."""
    narrower: Mapping[str, Any]
    harmless: Mapping[str, Any]
    others: tuple[Configuration, ...] = ()
    """Objects of the other sources that the collection reads."""
    fresh: Mapping[str, Any] = field(default_factory=dict)
    """What an item has besides that is new and told; as `wider` where it says nothing else."""
    is_single: bool = False
    """Whether the tenant has exactly one such object."""

    def build(self, identity: str, *changes: Mapping[str, Any]) -> Configuration:
        """An item with the properties of the known one and these."""
        values: dict[str, Any] = dict(self.known)
        for one in changes:
            values |= one
        return Configuration(self.source, identity, f"name of {identity}", values)


def describe_policy(source: str) -> WatchedExample:
    """The example of a policy that may apply to apps."""
    text = '{"Policy":{"Version":1,"AllowCloudPasswordValidation":false}}'
    other = '{"Policy":{"Version":1,"AllowCloudPasswordValidation":true}}'
    return WatchedExample(
        source,
        known={"definition": [text], "appliesTo": [APP], "isOrganizationDefault": False},
        wider={"definition": [other]},
        narrower={"appliesTo": []},
        harmless={"description": "another text"},
    )


EXAMPLES: Mapping[str, WatchedExample] = {
    "cross-tenant-default": WatchedExample(
        "cross-tenant-default",
        known={"inboundTrust": {"isMfaAccepted": False, "isCompliantDeviceAccepted": True}},
        wider={"inboundTrust": {"isMfaAccepted": True, "isCompliantDeviceAccepted": True}},
        narrower={"inboundTrust": {"isMfaAccepted": False, "isCompliantDeviceAccepted": False}},
        harmless={"isServiceDefault": False},
        is_single=True,
    ),
    "partner-organization": WatchedExample(
        "cross-tenant-partner",
        known={"inboundTrust": None, "isServiceProvider": True},
        wider=SYNCHRONISES,
        narrower={"isServiceProvider": None},
        harmless={"tenantRestrictions": {"devices": None}},
    ),
    "identity-provider": WatchedExample(
        "identity-provider",
        known={"identityProviderType": "Google", "clientId": "71422.apps.example"},
        wider={"clientId": "999.apps.example"},
        narrower={"state": "off"},
        harmless={"clientSecret": "another"},
    ),
    "claims-mapping-policy": describe_policy("claims-mapping-policy"),
    "token-lifetime-policy": describe_policy("token-lifetime-policy"),
    "token-issuance-policy": describe_policy("token-issuance-policy"),
    "home-realm-policy": describe_policy("home-realm-policy"),
    "organization-relationship": WatchedExample(
        "organization-relationship",
        known={
            "DomainNames": ["sister.example", "cousin.example"],
            "Enabled": True,
            "FreeBusyAccessEnabled": True,
            "FreeBusyAccessLevel": "AvailabilityOnly",
        },
        wider={"MailboxMoveEnabled": True, "MailboxMoveCapability": "RemoteOutbound"},
        narrower={"DomainNames": ["sister.example"]},
        harmless={"PhotosEnabled": True},
        others=(DOMAINS,),
    ),
    "intra-organization-connector": WatchedExample(
        "intra-organization-connector",
        known={"TargetAddressDomains": ["sister.example"], "Enabled": True},
        wider={"DiscoveryEndpoint": "https://mail.harbour.example/autodiscover"},
        narrower={"Enabled": False},
        harmless={"WhenChangedUTC": "2026-01-01T00:00:00Z"},
        others=(DOMAINS,),
    ),
    "federation-trust": WatchedExample(
        "federation-trust",
        known={"TokenIssuerUri": "urn:federation:MicrosoftOnline"},
        wider={"TokenIssuerUri": "urn:federation:harbour"},
        narrower={"Comment": "x"},
        harmless={"WhenChangedUTC": "2026-01-01T00:00:00Z"},
    ),
    "federated-organization": WatchedExample(
        "federated-organization",
        known={"Domains": ["contoso.com"], "Enabled": True},
        wider={"Domains": ["contoso.com", "harbour.example"]},
        narrower={"Domains": []},
        harmless={"OrganizationContact": "x"},
        others=(DOMAINS,),
    ),
    "migration-endpoint": WatchedExample(
        "migration-endpoint",
        known={"RemoteServer": "mail.harbour.example", "EndpointType": "IMAP"},
        wider={"RemoteTenant": "harbour.example"},
        narrower={"MaxConcurrentMigrations": 1},
        harmless={"MaxConcurrentMigrations": 20},
        others=(DOMAINS,),
    ),
    "migration-batch": WatchedExample(
        "migration-batch",
        known={"Identity": "Sales", "BatchDirection": "Onboarding", "SourceEndpoint": "x"},
        wider={"TargetEndpoint": "away"},
        narrower={"Status": "Completed"},
        harmless={"Status": "Syncing"},
        others=(DOMAINS,),
    ),
    "mailbox-restore": WatchedExample(
        "mailbox-restore-request",
        known={"TargetMailbox": "temphelp", "SourceAlias": "director"},
        wider={"TargetMailbox": "other"},
        narrower={"Status": "Completed"},
        harmless={"Status": "InProgress"},
    ),
}
