"""What can stand for each account, and each device, domain and authority, word for word."""

from collections.abc import Mapping

from core.guards.privileged_change import COLLECTIONS
from core.guards.privileged_change.device_registration import explain_policy_loss
from core.microsoft365.source_shapes import TYPE_NAME
from core.tenant.configuration import Configuration
from tests.support.certificates import build_certificate
from tests.support.privileged_tenants import ADMIN, LONG
from tests.support.sentences import check_text
from tests.support.watched_sentences import Cases, Describer, render_collection

describe = Describer(COLLECTIONS).describe


def authority(**values: object) -> Mapping[str, object]:
    """A certificate authority of each kind of listing."""
    certificate = build_certificate(str(sorted(values.items())))
    return {"issuer": "CN=Contoso", "certificate": certificate, **values}


AUTHORITIES = (
    authority(issuerSki="ab", isRootAuthority=True),
    authority(issuerSubjectKeyIdentifier="cd", isRootAuthority="False"),
    authority(isRootAuthority=False, certificate="MIIB"),
    {"thumbprint": "t1", "issuerSki": ""},
    authority(issuer=LONG, issuerSki="ef"),
)
CERTIFICATES: Cases = {
    "authorities": [
        {"certificateBasedAuthConfiguration": [{"certificateAuthorities": AUTHORITIES}]},
        {"certificateBasedAuthConfiguration": None},
        {"certificateBasedAuthConfiguration": [{"certificateAuthorities": None}]},
    ]
}
STORES: Cases = {
    "authorities": [
        {
            "certificateAuthorities": [
                authority(issuerSki="ab", certificateAuthorityType="Root"),
                authority(issuerSki="cd", certificateAuthorityType="INTERMEDIATE"),
                authority(issuerSki="ef"),
            ]
        },
        {},
    ]
}
SEARCHES: Cases = {
    "by whom": [
        {"lastModifiedBy": {"user": {"displayName": name}}} for name in ("Ann", LONG, "", 5)
    ]
    + [{"Called": LONG, "lastModifiedBy": None}, {"Called": ""}]
}
DAY = "2026-10-20T08:00:00Z"
NAMED = {"userPrincipalName": "ann@contoso.com", "userType": "Member", "createdDateTime": DAY}
GUEST = {**NAMED, "userPrincipalName": "ann_x.example#EXT#@contoso.com"}
FEDERATED = {"signInType": "federated", "issuer": "facebook.com", "issuerAssignedId": "5"}
CERTIFIED = {"authorizationInfo": {"certificateUserIds": ["X509:<PN>ann@contoso.com", LONG]}}
ACCOUNTS: Cases = {
    "certificates*": [
        {**NAMED, **CERTIFIED, "Id": "admin"},
        {**NAMED, **CERTIFIED},
        {**NAMED, "authorizationInfo": "none", "Id": "admin"},
    ],
    "an ImmutableId*": [
        {**NAMED, "onPremisesImmutableId": "Um9iaW4="},
        {**NAMED, "onPremisesImmutableId": "Um9iaW4=", "onPremisesSyncEnabled": True},
        {"onPremisesImmutableId": LONG, "userPrincipalName": LONG},
        {"onPremisesImmutableId": "x"},
    ],
    "other providers": [
        {**NAMED, "identities": [FEDERATED, {"signInType": "userPrincipalName"}]},
        {**NAMED, "identities": [{**FEDERATED, "issuer": LONG}]},
        {**GUEST, "identities": [FEDERATED]},
        {**NAMED, "userType": "GUEST", "identities": [FEDERATED]},
        {**NAMED, "identities": None},
    ],
    "in their order": [
        {**NAMED, "onPremisesImmutableId": "x", "onPremisesSyncEnabled": False, "Id": "copied"},
        {**NAMED, "onPremisesImmutableId": "x", "Id": "never"},
        {**NAMED, "onPremisesImmutableId": "x", "onPremisesSyncEnabled": False, "Id": "admin"},
    ],
}
OUTSIDERS: Cases = {
    "of which kind*": [
        {**GUEST, **more}
        for more in (
            {},
            {"userType": "Guest"},
            {"onPremisesSyncEnabled": True},
            {"createdDateTime": None},
            {"userPrincipalName": "ann@contoso.com"},
            {"userPrincipalName": f"{LONG}#EXT#@contoso.com"},
        )
    ]
}
SYNCHRONISING = {"identitySynchronization": {"userSyncInbound": {"isSyncAllowed": True}}}


def device(
    owner: str = "u1", at: str | None = "2026-10-28T08:00:00Z", **more: object
) -> Mapping[str, object]:
    """A device of somebody."""
    owners = [{"id": owner.upper(), "userPrincipalName": f"{owner}@contoso.com"}] if owner else []
    return {
        "Called": "PC",
        "registrationDateTime": at,
        "operatingSystem": "Windows",
        "operatingSystemVersion": "10.0.26100.1",
        "trustType": "AzureAd",
        "registeredOwners": owners,
        **more,
    }


DEVICES: Cases = {
    "of an administrator*": [device("admin"), device("admin", Called=LONG), device()],
    "made up": [
        device(Called="DESKTOP-7QK4M2XB", operatingSystemVersion="10.0.19041.928"),
        device("", Called="DESKTOP-7QK4M2XB", operatingSystemVersion="10.0.19041.928"),
    ],
    "two within a day": [device(), device(at="2026-10-29T07:59:59Z")],
    "three within a day of the second": [
        device(at=f"2026-10-{day}T{hour}:00:00Z") for day, hour in ((28, "01"), (28, 23), (29, 20))
    ],
    "three a day apart": [device(at=f"2026-10-{day}T08:00:00Z") for day in (26, 27, 28)],
    "three without a time": [device(at=None) for _ in range(3)],
    "three of several people": [device("u1"), device("u2"), device("u3")],
    "old": [device("admin", at="2026-10-02T08:00:00Z"), device("admin", "2026-10-02T08:00:01Z")],
    "dated otherwise": [
        device("admin", at=None, createdDateTime="2026-10-20T08:00:00Z"),
        device("admin", at="no time", createdDateTime=None),
    ],
    "with little known": [
        device(
            "admin",
            operatingSystem=None,
            operatingSystemVersion=None,
            trustType=None,
            registeredOwners=[{"id": "ADMIN"}],
        ),
        device("admin", registeredOwners=None),
        device("admin", trustType="Workplace", operatingSystem=LONG, Called=""),
    ],
}
EVERYBODY = {TYPE_NAME: "#microsoft.graph.allDeviceRegistrationMembership"}
SOME = {
    TYPE_NAME: "#microsoft.graph.enumeratedDeviceRegistrationMembership",
    "users": ["u1", LONG],
    "groups": ["g1"],
}


def allow(who: object) -> Mapping[str, object]:
    """A policy by which somebody may do everything."""
    return {
        "azureADRegistration": {"allowedToRegister": who},
        "azureADJoin": {"allowedToJoin": who, "localAdmins": {"registeringUsers": who}},
    }


REGISTRATION: Cases = {
    "who may": [
        allow(who)
        for who in (
            EVERYBODY,
            SOME,
            {TYPE_NAME: "#microsoft.graph.noDeviceRegistrationMembership"},
            {TYPE_NAME: "#microsoft.graph.somethingElse", "groups": ["g1"]},
            {"users": ["u1"], "groups": "g1"},
            "nobody",
        )
    ],
    "what is asked": [
        {
            "multiFactorAuthConfiguration": factor,
            "localAdminPassword": {"isEnabled": passwords},
            "userDeviceQuota": quota,
        }
        for factor, passwords, quota in (
            ("Required", True, 50),
            ("notRequired", "False", 2**31 - 1),
            ("", None, 2**31 - 2),
            ("required", True, "many"),
        )
    ],
}
PROVIDER = {
    "issuerUri": "http://any.example/adfs",
    "signingCertificate": "MIIB",
    "nextSigningCertificate": "MIIC",
    "passiveSignInUri": "https://any.example/passive",
    "activeSignInUri": "https://any.example/active",
    "metadataExchangeUri": LONG,
}
DOMAINS: Cases = {
    "in use": [
        {"Id": "contoso.com", "isVerified": verified} for verified in (True, "True", False, None)
    ],
    "federated": [
        {
            "isVerified": True,
            "authenticationType": kind,
            "federationConfiguration": [{**PROVIDER, "federatedIdpMfaBehavior": how}],
        }
        for kind, how in (
            ("Federated", "acceptIfMfaDoneByFederatedIdp"),
            ("FEDERATED", "enforceMfaByFederatedIdp"),
            ("Federated", "rejectMfaByFederatedIdp"),
            ("Managed", "acceptIfMfaDoneByFederatedIdp"),
        )
    ],
    "federated with nothing known": [
        {"authenticationType": "Federated", "federationConfiguration": None},
        {"authenticationType": "Federated", "federationConfiguration": [{}]},
    ],
    "a long one": [{"Id": LONG}],
}


def test_sentences_about_accounts_and_devices() -> None:
    federated = Configuration("domain", "d1", "d1", {"authenticationType": "FEDERATED"})
    managed = Configuration("domain", "d2", "d2", {"authenticationType": "Managed"})
    partners = (
        Configuration("cross-tenant-partner", "t1", "t1", {}),
        Configuration("cross-tenant-partner", "t2", "t2", SYNCHRONISING),
    )
    check_text(
        "privileged_change_accounts",
        [
            *describe("sign-in-name", ACCOUNTS, domain=(managed,), role_holder=(ADMIN,)),
            *describe(
                "sign-in-name",
                {"an ImmutableId, with a federation": ACCOUNTS["an ImmutableId*"]},
                domain=(managed, federated),
            ),
            *describe("sign-in-name", {"domains unread": ACCOUNTS["an ImmutableId*"][:1]}),
            *describe("outside-member", OUTSIDERS),
            *describe(
                "outside-member",
                {"brought by another tenant": OUTSIDERS["of which kind*"]},
                cross_tenant_partner=partners,
            ),
            *describe(
                "outside-member",
                {"beside a partner of which nothing is known": OUTSIDERS["of which kind*"][:1]},
                cross_tenant_partner=partners[:1],
            ),
            *describe("device", DEVICES, role_holder=(ADMIN,)),
            *describe("device-registration", REGISTRATION),
            str(explain_policy_loss("of tomorrow")),
        ],
    )


def test_sentences_about_trust_and_searches() -> None:
    check_text(
        "privileged_change_trust",
        [
            *describe("certificate-authority", CERTIFICATES),
            *describe("trust-store-authority", STORES),
            *describe("ediscovery-case", SEARCHES),
            *describe("domain", DOMAINS),
            *(line for one in COLLECTIONS for line in render_collection(one)),
        ],
    )
