"""Whom Conditional Access leaves out: groups with those in them and those who fill them, and what
accounts are called.
"""

from typing import Any

import pytest

from core.tenant.configuration import Configuration
from tests.support.http_recorder import build_scene, build_user_row, connect_directly


def person(number: int) -> str:
    return f"aaaaaaaa-0000-4000-8000-{number:012}"


OUTER, INNER = (f"cccccccc-0000-4000-8000-{number:012}" for number in (1, 2))
GRAPH: dict[str, Any] = {
    "users": [build_user_row(person(number), f"p{number}") for number in (1, 2, 3)],
    "groups": [
        {"id": OUTER, "displayName": "Exempt", "members": [INNER], "owners": [person(3)]},
        {"id": INNER, "displayName": "Inner", "members": [person(1)], "owners": [person(2)]},
    ],
}


def list_ids(group: Configuration, relation: str) -> list[str]:
    found = group.values[relation]
    assert isinstance(found, list)
    return [one["id"] for one in found]


async def test_a_group_has_everybody_in_it_however_deep_and_its_own_owners() -> None:
    async with connect_directly(build_scene(graph=GRAPH)) as to:
        reading = await to.tenant.configuration.read_groups([OUTER])
    (group,) = reading.items
    assert reading.failures == ()
    assert list_ids(group, "members") == [INNER, person(1)]
    assert group.values["owners"] == [{"id": person(3), "name": "p3@contoso.example"}]


@pytest.mark.parametrize(("status", "is_read"), [(404, True), (400, True), (503, False)])
async def test_a_group_of_which_graph_knows_no_owners_is_read_without_them(
    status: int, is_read: bool
) -> None:
    faults = [{"match": "/owners", "kind": "error", "status": status}]
    async with connect_directly(build_scene(graph=GRAPH, faults=faults), attempts=1) as to:
        reading = await to.tenant.configuration.read_groups([OUTER])
    assert bool(reading.items) is is_read
    assert bool(reading.failures) is not is_read
    if is_read:
        (group,) = reading.items
        assert (list_ids(group, "members"), list_ids(group, "owners")) == ([INNER, person(1)], [])


async def test_accounts_are_named_as_far_as_they_can_be_read() -> None:
    gone = person(9)
    async with connect_directly(build_scene(graph=GRAPH)) as to:
        read = to.tenant.configuration.read_account_names
        assert await read([person(1), gone, "guestsorexternalusers"]) == {
            person(1): "p1@contoso.example"
        }
        assert await read([]) == {}
    faults = [{"match": "/users/", "kind": "error", "status": 403, "inner": True}]
    async with connect_directly(build_scene(graph=GRAPH, faults=faults), attempts=1) as to:
        assert await to.tenant.configuration.read_account_names([person(1)]) == {}
    faults = [{"match": "batch", "kind": "error", "status": 503}]
    async with connect_directly(build_scene(graph=GRAPH, faults=faults), attempts=1) as to:
        assert await to.tenant.configuration.read_account_names([person(1)]) == {}
