"""What each object of trust in others opens, and what is said of it, word for word."""

from collections.abc import Mapping

from core.guards.external_trust import COLLECTIONS
from core.guards.external_trust.organizations import OwnOrganization, find_host
from core.tenant.configuration import Configuration
from tests.support.sentences import check_text
from tests.support.watched_sentences import Cases, Describer, render_collection

LONG = "n" * 300
ELSEWHERE = "harbour.example"
CONTEXT = {
    "accepted-domain": (
        Configuration("accepted-domain", "Contoso.com", "Main", {}),
        Configuration("accepted-domain", "d2", "Other", {"DomainName": "Fabrikam.example"}),
    ),
    "on-premises-organization": (
        Configuration(
            "on-premises-organization",
            "h",
            "onprem",
            {"OrganizationRelationship": "O365 To OnPrem"},
        ),
    ),
}
describe = Describer(COLLECTIONS, CONTEXT).describe


def access(way: object, *targets: object) -> Mapping[str, object]:
    """An access setting for people and one for applications."""
    return {
        part: {"accessType": way, "targets": [{"target": one} for one in targets]}
        for part in ("usersAndGroups", "applications")
    }


TENANTS: Cases = {
    "nothing": [{}],
    "null": [{"inboundTrust": None, "isServiceProvider": None}],
    "all trust": [
        {
            "inboundTrust": {
                "isMfaAccepted": True,
                "isCompliantDeviceAccepted": True,
                "isHybridAzureADJoinedDeviceAccepted": True,
            },
            "isServiceProvider": True,
        }
    ],
    "some trust, as text": [{"inboundTrust": {"isMfaAccepted": "true"}}],
    "all come in": [{"b2bDirectConnectInbound": access("allowed", "AllUsers")}],
    "all go out": [{"b2bDirectConnectOutbound": access("allowed", "AllApplications", "x")}],
    "some come in": [{"b2bDirectConnectInbound": access("allowed", "u1")}],
    "nobody comes in": [{"b2bDirectConnectInbound": access("blocked", "AllUsers")}],
    "all but some come in": [{"b2bDirectConnectInbound": access("blocked", "u2", "u1")}],
    "an unknown way": [{"b2bDirectConnectInbound": access("maybe", "u1")}],
    "a target that is none": [
        {"b2bDirectConnectInbound": {"usersAndGroups": {"accessType": "allowed", "targets": [{}]}}},
    ],
    "users are put in": [{"identitySynchronization": {"userSyncInbound": {"isSyncAllowed": True}}}],
    "nobody is asked": [{"automaticUserConsentSettings": {"inboundAllowed": True}}],
    "users are put in unasked, and it is called something": [
        {
            "identitySynchronization": {
                "displayName": LONG,
                "userSyncInbound": {"isSyncAllowed": True},
            },
            "automaticUserConsentSettings": {"inboundAllowed": True},
            "isInMultiTenantOrganization": True,
        }
    ],
    "it is called nothing": [{"identitySynchronization": {"displayName": " "}}],
    "it is called by a number": [{"identitySynchronization": {"displayName": 5}}],
}
MOVING: Mapping[str, object] = {"MailboxMoveEnabled": True}
RELATIONSHIPS: Cases = {
    "on by itself*": [{"DomainNames": [ELSEWHERE, "sub.contoso.com"]}],
    "off": [{"Enabled": False, "DomainNames": [ELSEWHERE], "ArchiveAccessEnabled": True}],
    "a long name": [{"Called": LONG, "DomainNames": [LONG]}, {"Called": ""}],
    "tied": [
        {
            **MOVING,
            "Called": "O365 to OnPrem",
            "DomainNames": ["contoso.com", "fabrikam.example"],
            "ArchiveAccessEnabled": True,
        }
    ],
    "tied by name only": [{**MOVING, "Called": "O365 to OnPrem", "DomainNames": [ELSEWHERE]}],
    "tied by name, without domains": [{**MOVING, "Called": "O365 to OnPrem"}],
    "tied by domains only": [{**MOVING, "DomainNames": ["contoso.com"]}],
    **{
        f"moves {way or 'somehow'}": [
            {
                **MOVING,
                "MailboxMoveCapability": way,
                "MailboxMovePublishedScopes": ["a" * 90, "b", "c", "d"],
                "OAuthApplicationId": "app" * 40,
                "IdentityMoveEnabled": True,
            }
        ]
        for way in ("Outbound", "RemoteOutbound", "Inbound", "RemoteInbound", "Sideways", "")
    },
    "moves out, of everybody": [{**MOVING, "MailboxMoveCapability": "Outbound"}],
    "moves are off": [{"MailboxMoveCapability": "Outbound", "IdentityMoveEnabled": True}],
    **{
        f"busy times: {level or 'not told'}": [
            {"FreeBusyAccessEnabled": True, "FreeBusyAccessLevel": level}
        ]
        for level in ("", "None", "AvailabilityOnly", "LimitedDetails")
    },
    "busy times are off": [{"FreeBusyAccessLevel": "LimitedDetails"}],
    "archives": [{"ArchiveAccessEnabled": True}],
}
INTRA: Cases = {
    "inside*": [
        {
            "TargetAddressDomains": ["contoso.com"],
            "DiscoveryEndpoint": "https://mail.contoso.com:443/autodiscover",
            "TargetSharingEpr": "mail.fabrikam.example/ews",
        }
    ],
    "a server outside": [
        {"TargetAddressDomains": ["contoso.com"], "DiscoveryEndpoint": f"https://{ELSEWHERE}/x"}
    ],
    "domains outside": [
        {
            "TargetAddressDomains": [ELSEWHERE, "contoso.com", LONG],
            "TargetSharingEpr": f"https://{LONG}/x",
        }
    ],
    "nothing said": [{}],
    "off": [{"Enabled": False, "TargetAddressDomains": [ELSEWHERE]}],
}
TRUSTS: Cases = {
    "Microsoft's": [{"TokenIssuerUri": "urn:federation:MicrosoftOnline"}],
    "another's": [{"TokenIssuerUri": LONG}],
    "nobody's": [{}],
}
FEDERATED: Cases = {
    "on*": [{"Enabled": True, "Domains": ["contoso.com", ELSEWHERE, LONG]}],
    "off": [{"Enabled": False, "Domains": [ELSEWHERE]}],
    "not told": [{"Domains": [ELSEWHERE]}],
}
ENDPOINTS: Cases = {
    "own*": [{"RemoteServer": "mail.contoso.com"}],
    "own, to a tenant": [{"RemoteServer": "mail.contoso.com", "RemoteTenant": LONG}],
    "elsewhere": [{"RemoteServer": LONG, "ApplicationId": LONG}],
    "nowhere": [{}],
}
BATCHES: Cases = {
    "leaves": [{"BatchDirection": "Offboarding", "TargetEndpoint": "away"}],
    "leaves for what is own": [{"BatchDirection": "Offboarding", "TargetEndpoint": "OWN"}],
    "leaves for nobody knows where": [{"BatchDirection": "Offboarding"}],
    "goes elsewhere by its target": [{"TargetEndpoint": "away", "SourceEndpoint": "own"}],
    "comes": [{"SourceEndpoint": "own", "BatchDirection": "Onboarding", "Identity": "Batch"}],
    "comes from elsewhere": [{"SourceEndpoint": "away"}],
    "delivers elsewhere": [{"SourceEndpoint": "own", "TargetDeliveryDomain": ELSEWHERE}],
    "delivers at home": [{"SourceEndpoint": "own", "TargetDeliveryDomain": "contoso.com"}],
    "delivers to Microsoft": [
        {"SourceEndpoint": "own", "TargetDeliveryDomain": "a.mail.OnMicrosoft.com"}
    ],
    "reports": [
        {"NotificationEmails": ["a@contoso.com", f"b@{ELSEWHERE}", LONG], "Identity": LONG}
    ],
    "has no name": [{"Called": ""}],
}
RESTORES: Cases = {
    "another's": [{"TargetAlias": "help", "SourceAlias": "boss", "Identity": "Restore"}],
    "one's own": [{"TargetAlias": "Boss", "SourceAlias": "boss"}],
    "nobody's": [{"TargetMailbox": LONG, "Identity": LONG}],
    "nothing said": [{"Called": ""}],
    "long": [{"TargetAlias": LONG, "SourceAlias": "s" * 300}],
}
WEAK = '{"HomeRealmDiscoveryPolicy": {"AllowCloudPasswordValidation": true, "PreferredDomain": ""}}'
POLICIES: Cases = {
    "applies to nothing": [{"definition": [WEAK]}],
    "applies to two": [{"appliesTo": ["a1", "a2"], "definition": [WEAK]}],
    "applies to all": [{"isOrganizationDefault": True, "definition": WEAK}],
    "says no JSON": [{"appliesTo": ["a1"], "definition": ["{"]}],
    "says nothing": [{"appliesTo": ["a1"], "definition": []}],
    "says what is off": [
        {"appliesTo": ["a1"], "definition": ['{"a": {"AlternateIdLogin": "false"}, "b": null}']}
    ],
    "says what is on": [{"appliesTo": ["a1"], "definition": ['{"a": {"AlternateIdLogin": 1}}']}],
    "applies to one, without its list": [{"appliesTo": "a1", "Called": LONG}],
    "has no name": [{"Called": ""}],
}
PROVIDERS: Cases = {
    "a client": [{"identityProviderType": "Google", "clientId": "c1"}],
    "no client": [{"identityProviderType": LONG, "clientId": ""}],
    "a kind in numbers": [{"identityProviderType": 5, "clientId": "", "Called": ""}],
    "a long name": [{"Called": LONG}],
}
BUILT_IN_PROVIDERS: Cases = {
    "Microsoft's, and what only looks like it": [
        {"Id": "AADSignup-OAUTH", "identityProviderType": "AADSignup"},
        {"Id": "msaSignup-OAUTH"},
        {"Id": "EmailOtpSignup-OAUTH", "clientId": None},
        {"Id": "x-AADSignup"},
        {"Id": "AADSignup-2", "clientId": "c1"},
    ],
}


def test_sentences_about_trust_in_others() -> None:
    partners = [
        Configuration("cross-tenant-partner", name, name, {"inboundTrust": trust})
        for name, trust in (("t1", None), ("t2", {}), ("t3", None))
    ]
    endpoints = [
        Configuration("migration-endpoint", "e1", "Own", {"RemoteServer": "mail.contoso.com"}),
        Configuration("migration-endpoint", "e2", "Away", {"RemoteServer": ELSEWHERE}),
        Configuration("migration-endpoint", "e3", "", {"RemoteServer": "mail.contoso.com"}),
    ]
    check_text(
        "external_trust",
        [
            *describe("cross-tenant-default", TENANTS),
            *describe("cross-tenant-default", {"partners": [{}]}, cross_tenant_partner=partners),
            *describe("cross-tenant-default", {"no partner": [{}]}, cross_tenant_partner=()),
            *describe("partner-organization", TENANTS),
            *describe("organization-relationship", RELATIONSHIPS),
            *describe("intra-organization-connector", INTRA),
            *describe("federation-trust", TRUSTS),
            *describe("federated-organization", FEDERATED),
            *describe("migration-endpoint", ENDPOINTS),
            *describe("migration-batch", BATCHES, migration_endpoint=endpoints),
            *describe("mailbox-restore", RESTORES),
            *describe("claims-mapping-policy", POLICIES),
            *describe("home-realm-policy", POLICIES),
            *describe("identity-provider", PROVIDERS),
            *describe("identity-provider", BUILT_IN_PROVIDERS),
            *(line for one in COLLECTIONS for line in render_collection(one)),
        ],
    )


def test_a_host_is_found_in_an_address_of_any_kind() -> None:
    assert find_host("https://a.example:443/x:y/z") == "a.example"
    assert find_host("a.example:25") == "a.example"
    assert find_host("a.example/x") == "a.example"
    assert find_host("") == ""


def test_own_is_a_domain_and_all_below_it() -> None:
    own = OwnOrganization(frozenset({"contoso.com"}))
    assert own.owns(" .Contoso.com. ")
    assert own.owns("a.contoso.com")
    assert not own.owns("notcontoso.com")
    assert own.owns_all(["contoso.com", "a.contoso.com"])
    assert not own.owns_all(["contoso.com", "x.example"])
    assert not own.owns_all([])
