"""How guests come in: accounts they make themselves, and servers that say who they are."""

from typing import Any

import pytest

from core.guards.external_trust.token_policies import (
    SIGNER_TEXT,
    describe_federation,
    describe_sign_up,
    list_policy_traits,
)
from core.keys import hash_parts
from core.model.findings import Severity, Shell, Step, format_facts
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows, Trait, WatchedItem, build_value_token
from tests.support.watched_looks import COLLECTIONS, NOW, Looks

FLOWS, FEDERATION = "authentication-flows", "outside-federation"
LONG = "n" * 300
CUT = f"{LONG[:120]}… (300 characters)"


def build_federation(name: str = "harbour.example", **values: object) -> Configuration:
    given = {"issuerUri": "https://sts.harbour.example", "signingCertificate": "MII", **values}
    return Configuration(FEDERATION, "f1", name, given)


def federate(name: str = "harbour.example", **values: object) -> WatchedItem:
    """What is known of a federation with an outside domain."""
    rows = SourceRows({FEDERATION: (build_federation(name, **values),)}, NOW)
    (item,) = describe_federation(rows)
    return item


@pytest.mark.parametrize(
    ("values", "is_on"),
    [
        ({"selfServiceSignUp": {"isEnabled": True}}, True),
        ({"selfServiceSignUp": {"isEnabled": False}}, False),
        ({"selfServiceSignUp": None}, False),
        ({}, False),
    ],
)
def test_sign_up_is_open_where_it_is_known_to_be(values: dict[str, Any], is_on: bool) -> None:
    rows = SourceRows({FLOWS: (Configuration(FLOWS, "x", "x", values),)}, NOW)
    (item,) = describe_sign_up(rows)
    text = "lets anybody make an account of a guest by themselves"
    assert (item.id, item.name) == ("self-service", "of guests")
    assert item.opens == ((Trait("enabled", text, Severity.MEDIUM),) if is_on else ())
    assert item.stop == (
        Step(
            "Unless somebody answers for it: switch it off.",
            "Invoke-MgGraphRequest -Method PATCH -Uri 'v1.0/policies/authenticationFlowsPolicy' "
            "-Body (@{ selfServiceSignUp = @{ isEnabled = $false } } | ConvertTo-Json -Depth 5)",
            Shell.GRAPH,
        ),
    )


def test_what_was_not_read_lets_nobody_in() -> None:
    assert list(describe_sign_up(SourceRows({FLOWS: None}, NOW))) == []
    assert list(describe_federation(SourceRows({FEDERATION: None}, NOW))) == []


def test_a_federation_is_known_by_its_domain_and_its_signer_and_removed_by_its_id() -> None:
    item = federate()
    assert (item.id, item.name) == ("f1", "harbour.example")
    assert format_facts(item.facts) == ("issuer: https://sts.harbour.example",)
    signer = hash_parts("https://sts.harbour.example", "MII")[:16]
    assert item.opens == (
        Trait("federates", "says who people of an outside domain are", Severity.MEDIUM),
        Trait(build_value_token("signer", signer), SIGNER_TEXT, Severity.HIGH),
    )
    assert item.stop == (
        Step(
            "Unless somebody answers for it: remove the federation. People of the domain sign in "
            "as other guests do then.",
            "Invoke-MgGraphRequest -Method DELETE -Uri "
            "'v1.0/directory/federationConfigurations/f1'",
            Shell.GRAPH,
        ),
    )


def test_a_federation_that_tells_little_has_a_name_all_the_same() -> None:
    assert federate("").name == "f1"
    assert federate(LONG).name == CUT
    assert format_facts(federate(issuerUri=None).facts) == ("issuer: not told",)
    assert format_facts(federate(issuerUri=LONG).facts) == (f"issuer: {CUT}",)


@pytest.mark.parametrize(
    "values", [{"issuerUri": "https://sts.evil.example"}, {"signingCertificate": "MIIX"}]
)
async def test_another_issuer_or_another_certificate_is_told(values: dict[str, Any]) -> None:
    looks = Looks(COLLECTIONS[FEDERATION])
    await looks.look([build_federation()])
    assert await looks.look([build_federation(passiveSignInUri="https://new.example")]) == []
    (found,) = await looks.look([build_federation(**values)])
    assert found.severity is Severity.HIGH
    assert SIGNER_TEXT in found.summary


def test_the_name_of_an_app_that_a_policy_applies_to_is_cut() -> None:
    policy = Configuration("claims-mapping-policy", "p1", "Claims", {"appliesTo": [LONG]})
    applies, *_ = list_policy_traits(policy, has_default=False)
    assert applies.text == f"applies to the service principal {CUT}"
