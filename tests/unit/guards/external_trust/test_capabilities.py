"""What a partner tenant may do beyond signing in, capability by capability."""

from typing import Any

import pytest

from core.guards.external_trust.capabilities import CAPABILITIES, PARTNER, describe_capability
from core.guards.external_trust.tenants import build_partner_removal
from core.microsoft365.source_shapes import TYPE_NAME
from core.model.findings import Severity
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows, Trait, WatchedItem
from tests.support.watched_looks import COLLECTIONS, NOW, Looks

LONG = "n" * 300
CUT = f"{LONG[:120]}… (300 characters)"
MIGRATION = "#microsoft.graph.crossTenantMigration"
BOTH_WAYS: dict[str, Any] = {
    "inboundAccess": {"isAllowed": True},
    "outboundAccess": {"isAllowed": True},
}


def build_partner(*capabilities: object, tenant: str = "t1") -> Configuration:
    return Configuration(PARTNER, tenant, tenant, {CAPABILITIES: [*capabilities]})


def describe(*capabilities: object, tenant: str = "t1") -> WatchedItem:
    """What is known of a partner with these capabilities."""
    rows = {PARTNER: (build_partner(*capabilities, tenant=tenant),)}
    (item,) = describe_capability(SourceRows(rows, NOW))
    return item


def test_a_partner_without_capabilities_opens_nothing_and_is_removed_by_its_id() -> None:
    item = describe({TYPE_NAME: MIGRATION})
    assert (item.id, item.name, item.opens) == ("t1", "t1", ())
    assert item.stop == (build_partner_removal("t1"),)
    assert describe(tenant=LONG).name == CUT
    rows = {PARTNER: (Configuration(PARTNER, "t1", "t1", {}),)}
    (other,) = describe_capability(SourceRows(rows, NOW))
    assert other.opens == ()
    assert list(describe_capability(SourceRows({PARTNER: None}, NOW))) == []


def test_a_migration_takes_mailboxes_away_or_brings_them() -> None:
    assert describe({TYPE_NAME: MIGRATION, **BOTH_WAYS}).opens == (
        Trait("inbound crosstenantmigration", "may take mailboxes away", Severity.HIGH),
        Trait("outbound crosstenantmigration", "may give mailboxes here", Severity.MEDIUM),
    )


def test_another_capability_is_told_by_its_name() -> None:
    named = {TYPE_NAME: "#microsoft.graph.newThing", "name": "Other", **BOTH_WAYS}
    assert describe(named).opens == (
        Trait("inbound newthing", "is given the capability newThing", Severity.MEDIUM),
        Trait("outbound newthing", "gives the capability newThing", Severity.MEDIUM),
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [({"name": "Other"}, "Other"), ({}, "without a name"), ({"name": LONG}, CUT)],
)
def test_a_capability_without_a_type_is_told_by_its_name_or_as_one_without(
    values: dict[str, Any], told: str
) -> None:
    inbound, _ = describe({**values, **BOTH_WAYS}).opens
    assert inbound.text == f"is given the capability {told}"


@pytest.mark.parametrize("way", ["inboundAccess", "outboundAccess"])
@pytest.mark.parametrize("is_allowed", [True, False, None])
def test_a_way_is_open_only_where_it_is_allowed(way: str, is_allowed: bool | None) -> None:
    item = describe({TYPE_NAME: MIGRATION, way: {"isAllowed": is_allowed}})
    assert [one.token.partition(" ")[0] for one in item.opens] == (
        [way.removesuffix("Access")] if is_allowed else []
    )


def test_whose_mailboxes_may_be_taken_is_told_where_it_is_said() -> None:
    scopes = [{"id": "G1", "scope": "x"}, {"scope": "Sales"}, "all", {}, 7, LONG]
    access = {"isAllowed": True, "resourceScopes": scopes}
    _, *told = describe({TYPE_NAME: MIGRATION, "inboundAccess": access}).opens
    assert told[:3] == [
        Trait(f"scope {name.casefold()}", f"may take mailboxes away (of {name})", Severity.HIGH)
        for name in ("G1", "Sales", "all")
    ]
    (long,) = told[3:]
    assert long.text == f"may take mailboxes away (of {CUT})"
    closed = {"isAllowed": False, "resourceScopes": scopes}
    assert describe({TYPE_NAME: MIGRATION, "inboundAccess": closed}).opens == ()
    odd = {"isAllowed": True, "resourceScopes": "all"}
    assert len(describe({TYPE_NAME: MIGRATION, "inboundAccess": odd}).opens) == 1


async def test_a_capability_that_appears_is_told_and_one_that_is_taken_back_is_not() -> None:
    looks = Looks(COLLECTIONS["partner-capability"])
    await looks.look([build_partner()])
    (found,) = await looks.look([build_partner({TYPE_NAME: MIGRATION, **BOTH_WAYS})])
    assert found.severity is Severity.HIGH
    assert "may take mailboxes away" in found.summary
    assert await looks.look([build_partner()]) == []
