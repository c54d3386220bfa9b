"""What a person expects to hear about trust in other organizations, and what stays quiet."""

from collections.abc import Mapping
from typing import Any

import pytest

from core.guards.external_trust import GUARD
from core.model.findings import Severity
from core.tenant.configuration import Configuration
from tests.support.remedy_checks import tell_remedy
from tests.support.watched_looks import COLLECTIONS, Looks

DOMAINS = (Configuration("accepted-domain", "contoso.com", "contoso.com", {}),)
WIZARD = "O365 to On-premises - 6fc3a33e"
HYBRID = (
    Configuration("on-premises-organization", "h", "onprem", {"OrganizationRelationship": WIZARD}),
)


def relate(name: str = "Harbour", **values: object) -> Configuration:
    """An organization relationship that is on."""
    given = {"Enabled": True, "DomainNames": ["harbour.example"], **values}
    return Configuration("organization-relationship", "r1", name, given)


def partner(**values: object) -> Configuration:
    return Configuration("cross-tenant-partner", "t1", "t1", values)


def allow(*targets: str) -> Mapping[str, Any]:
    """An access setting that lets these in."""
    return {
        "usersAndGroups": {
            "accessType": "allowed",
            "targets": [{"target": one, "targetType": "user"} for one in targets],
        }
    }


async def tell(name: str, *later: Configuration, first: tuple[Configuration, ...] = ()) -> str:
    """What is said after these objects came, as severity and summary; empty if nothing is."""
    looks = Looks(COLLECTIONS[name])
    common = (*DOMAINS, *HYBRID)
    await looks.look((*common, *first))
    found = await looks.look((*common, *later))
    return "; ".join(f"{one.severity.label}: {one.summary}" for one in found)


MOVES: Mapping[str, Any] = {"MailboxMoveEnabled": True, "MailboxMoveCapability": "RemoteOutbound"}


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (partner(inboundTrust={"isMfaAccepted": True}), "high"),
        (partner(inboundTrust={"isMfaAccepted": None}), ""),
        (partner(isServiceProvider=True), "high"),
        (partner(automaticUserConsentSettings={"inboundAllowed": True}), "medium"),
        (partner(identitySynchronization={"userSyncInbound": {"isSyncAllowed": True}}), "high"),
        (partner(b2bDirectConnectInbound=allow("AllUsers")), "high"),
        (partner(b2bCollaborationInbound=allow("AllUsers")), ""),
        (partner(), ""),
    ],
)
async def test_a_new_partner_is_as_grave_as_what_it_opens(
    item: Configuration, expected: str
) -> None:
    assert (await tell("partner-organization", item)).partition(":")[0] == expected


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        ("Allowed", "high: The partner organization t1 may enter shared channels"),
        ("BLOCKED", "high: The partner organization t1 may enter shared channels"),
        ("ofTomorrow", "low: The partner organization t1 may enter shared channels"),
        ("", ""),
    ],
)
async def test_access_is_told_in_whatever_case_it_is_printed_and_of_a_kind_nobody_knows_too(
    access: str, expected: str
) -> None:
    people = {"accessType": access, "targets": [{"target": "u1"}]}
    let_in = partner(b2bDirectConnectInbound={"usersAndGroups": people})
    said = await tell("partner-organization", let_in, first=(partner(),))
    assert said.startswith(expected)
    assert bool(said) is bool(expected)


@pytest.mark.parametrize(
    "address",
    [
        "https://contoso.com:x@harbour.example/EWS/Exchange.asmx",
        "https://harbour.example?.contoso.com/",
        "https://harbour.example#.contoso.com",
        "https://harbour.example\\.contoso.com/",
        "https://mail.contoso.com@harbour.example",
    ],
)
async def test_a_server_is_no_own_one_by_how_the_rest_of_its_address_looks(address: str) -> None:
    values = {"TargetAddressDomains": ["contoso.com"], "TargetSharingEpr": address}
    item = Configuration("intra-organization-connector", "i1", "Wide", values)
    said = await tell("intra-organization-connector", item)
    assert said.startswith("high: ")
    assert "asks the server harbour.example" in said
    endpoint = Configuration("migration-endpoint", "m1", "Wide", {"RemoteServer": address})
    assert (await tell("migration-endpoint", endpoint)).startswith("high: ")


async def test_a_block_of_some_people_lets_in_all_others() -> None:
    before, after = (
        partner(
            b2bDirectConnectInbound={
                "usersAndGroups": {"accessType": "blocked", "targets": [{"target": one}]}
            }
        )
        for one in ("AllUsers", "one-person")
    )
    said = await tell("partner-organization", after, first=(before,))
    assert "all people but some" in said
    assert await tell("partner-organization", before, first=(after,)) == ""


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (relate(**MOVES), "high"),
        (relate(MailboxMoveEnabled=True, MailboxMoveCapability="Inbound"), "medium"),
        (relate(MailboxMoveEnabled=True, MailboxMoveCapability="Sideways"), "high"),
        (relate(FreeBusyAccessEnabled=True, FreeBusyAccessLevel="LimitedDetails"), "medium"),
        (relate(ArchiveAccessEnabled=True), "high"),
        (relate(DomainNames=["contoso.com"]), "low"),
        (relate(WIZARD, DomainNames=["contoso.com"], **MOVES), ""),
        (relate(WIZARD, DomainNames=["harbour.example"], **MOVES), "high"),
        (relate("HybridIOC - 1", DomainNames=["contoso.com"], **MOVES), "high"),
        (relate(Enabled=False, **MOVES), ""),
    ],
)
async def test_a_relationship_is_harmless_by_what_ties_it_and_never_by_its_name(
    item: Configuration, expected: str
) -> None:
    assert (await tell("organization-relationship", item)).partition(":")[0] == expected


async def test_moves_out_are_told_at_the_first_look_too() -> None:
    looks = Looks(COLLECTIONS["organization-relationship"])
    (found,) = await looks.look([*DOMAINS, relate(**MOVES)])
    assert (found.severity, found.verdict) == (Severity.HIGH, "grave")
    assert "Set-OrganizationRelationship -Identity 'r1' -Enabled $false" in tell_remedy(found)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"BatchDirection": "Offboarding", "TargetEndpoint": "away"}, "high"),
        ({"BatchDirection": "Onboarding", "SourceEndpoint": "unknown"}, "medium"),
        ({"BatchDirection": "Onboarding", "SourceEndpoint": "own"}, ""),
        ({"SourceEndpoint": "own", "NotificationEmails": ["x@harbour.example"]}, "high"),
        ({"SourceEndpoint": "own", "TargetDeliveryDomain": "harbour.example"}, "high"),
        ({"SourceEndpoint": "own", "TargetDeliveryDomain": "contoso.mail.onmicrosoft.com"}, ""),
        ({"SourceEndpoint": "own", "TargetDeliveryDomain": "evil.mail.onmicrosoft.com"}, "high"),
    ],
)
async def test_a_batch_is_judged_by_where_mailboxes_go(
    values: Mapping[str, Any], expected: str
) -> None:
    endpoint = Configuration(
        "migration-endpoint", "e1", "own", {"RemoteServer": "mail.contoso.com"}
    )
    batch = Configuration("migration-batch", "b1", "Sales", values)
    said = await tell("migration-batch", endpoint, batch, first=(endpoint,))
    assert said.partition(":")[0] == expected


@pytest.mark.parametrize(
    ("delivery", "expected"),
    [
        ("contoso123.mail.onmicrosoft.com", ""),
        # Somebody named a tenant of their own like a domain of this one.
        ("contoso.mail.onmicrosoft.com", "high"),
        ("contoso123.onmicrosoft.com", ""),
    ],
)
async def test_a_tenant_that_is_named_like_a_domain_is_not_ones_own(
    delivery: str, expected: str
) -> None:
    first = "contoso123.onmicrosoft.com"
    values = {"RemoteServer": "mail.contoso.com"}
    own = (
        Configuration("accepted-domain", first, first, {"DomainName": first}),
        Configuration("migration-endpoint", "e1", "own", values),
    )
    wanted = {"SourceEndpoint": "own", "TargetDeliveryDomain": delivery}
    batch = Configuration("migration-batch", "b1", "Sales", wanted)
    said = await tell("migration-batch", *own, batch, first=own)
    assert said.partition(":")[0] == expected


async def test_a_restore_names_whose_mail_it_puts_where() -> None:
    values = {"TargetAlias": "temphelp", "SourceAlias": "former-director"}
    item = Configuration("mailbox-restore-request", "q1", "MailboxRestore", values)
    said = await tell("mailbox-restore", item)
    assert said.startswith("high")
    assert "restores the deleted mailbox of former-director into temphelp" in said
    same = Configuration(
        "mailbox-restore-request", "q1", "x", values | {"TargetAlias": "former-director"}
    )
    assert (await tell("mailbox-restore", same)).startswith("low")


async def test_a_policy_counts_once_it_applies_to_something() -> None:
    idle = Configuration("claims-mapping-policy", "p1", "Claims", {"appliesTo": []})
    used = Configuration("claims-mapping-policy", "p1", "Claims", {"appliesTo": ["app-1"]})
    assert await tell("claims-mapping-policy", idle) == ""
    assert "applies to the service principal app-1" in await tell(
        "claims-mapping-policy", used, first=(idle,)
    )


async def test_the_default_of_a_claims_mapping_policy_means_nothing() -> None:
    values = {"appliesTo": [], "isOrganizationDefault": True}
    claims = Configuration("claims-mapping-policy", "p1", "x", values)
    realm = Configuration("home-realm-policy", "p1", "x", values)
    assert await tell("claims-mapping-policy", claims) == ""
    assert (await tell("home-realm-policy", realm)).startswith("high")


async def test_a_definition_that_is_no_json_is_compared_as_text() -> None:
    first, then = (
        Configuration("token-issuance-policy", "p1", "x", {"definition": one, "appliesTo": ["a"]})
        for one in (["{"], ["{{"])
    )
    assert "definition" in await tell("token-issuance-policy", then, first=(first,))


async def test_a_provider_with_a_client_of_its_own_is_never_microsofts() -> None:
    values = {"clientId": "x", "identityProviderType": "AADSignup"}
    item = Configuration("identity-provider", "AADSignup-OAUTH2", "Directory Sign up", values)
    assert (await tell("identity-provider", item)).startswith("medium")


def test_the_guard_only_reads() -> None:
    assert not any(one.writes for one in GUARD.permissions)
    assert {one.name for one in GUARD.permissions if one.optional} == {"IdentityProvider.Read.All"}


async def test_one_more_that_is_let_in_is_told_and_fewer_are_not() -> None:
    def partner(*targets: str) -> Configuration:
        people = {"accessType": "allowed", "targets": [{"target": one} for one in targets]}
        values = {"b2bDirectConnectInbound": {"usersAndGroups": people}}
        return Configuration("cross-tenant-partner", "t1", "t1", values)

    for before, after, count in (
        (("g1",), ("g1", "g2"), 1),
        (("g1", "g2"), ("g1",), 0),
        (("AllUsers",), ("g1",), 0),
        (("g1",), ("AllUsers",), 1),
    ):
        looks = Looks(COLLECTIONS["partner-organization"])
        await looks.look([partner(*before)])
        assert len(await looks.look([partner(*after)])) == count


EVIL = Configuration("accepted-domain", "evil.example", "evil.example", {})


@pytest.mark.parametrize(
    ("name", "source", "values"),
    [
        ("migration-endpoint", "migration-endpoint", {"RemoteServer": "mail.evil.example"}),
        (
            "intra-organization-connector",
            "intra-organization-connector",
            {
                "TargetAddressDomains": ["evil.example"],
                "DiscoveryEndpoint": "https://mail.evil.example/a.svc",
            },
        ),
        (
            "federated-organization",
            "federated-organization",
            {"Enabled": True, "Domains": ["evil.example"]},
        ),
    ],
)
async def test_a_domain_that_was_added_a_moment_ago_vouches_for_nobody(
    name: str, source: str, values: Mapping[str, Any]
) -> None:
    item = Configuration(source, "i1", "Item", values)
    off = Configuration(source, "i1", "Item", {"Enabled": False})
    first = (off,) if name == "federated-organization" else ()
    assert (await tell(name, EVIL, item, first=first)).startswith("high")
    assert not (await tell(name, EVIL, item, first=(EVIL, *first))).startswith("high")
