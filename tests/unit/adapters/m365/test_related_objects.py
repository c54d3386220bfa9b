"""What objects of the directory are related to, where Graph finds no such relation."""

import pytest

from tests.support.http_recorder import build_scene, connect_directly

FEDERATED = {"id": "fed.example", "isVerified": True, "authenticationType": "Federated"}
MANAGED = {"id": "own.example", "isVerified": True, "authenticationType": "Managed"}


async def test_a_federated_domain_without_a_configuration_is_read_as_it_is() -> None:
    """It is not found then, and whoever made the domain federated must not blind the guard."""
    async with connect_directly(build_scene(graph={"domains": [FEDERATED, MANAGED]})) as to:
        reading = await to.tenant.configuration.read_configuration("domain")
        alone = await to.tenant.configuration.read_objects("domain", ["fed.example"])
    assert (reading.failures, alone.failures) == ((), ())
    assert {one.id: one.values.get("federationConfiguration") for one in reading.items} == {
        "fed.example": [],
        "own.example": None,
    }
    assert [one.values["federationConfiguration"] for one in alone.items] == [[]]


@pytest.mark.parametrize("status", [403, 503])
async def test_a_configuration_that_is_refused_or_does_not_come_is_unread(status: int) -> None:
    faults = [{"match": "federationConfiguration", "kind": "error", "status": status}]
    scene = build_scene(graph={"domains": [FEDERATED, MANAGED]}, faults=faults)
    async with connect_directly(scene, attempts=1) as to:
        reading = await to.tenant.configuration.read_configuration("domain")
    assert reading.failures


async def test_another_relation_that_is_not_found_is_unread() -> None:
    store = {"id": "aaaaaaaa-0000-4000-8000-000000000001", "displayName": "Store"}
    faults = [{"match": "certificateAuthorities", "kind": "error", "status": 404}]
    scene = build_scene(graph={"publicKeyInfrastructures": [store]}, faults=faults)
    async with connect_directly(scene, attempts=1) as to:
        reading = await to.tenant.configuration.read_configuration("trust-store")
    assert reading.failures
