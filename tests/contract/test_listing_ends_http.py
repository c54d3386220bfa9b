"""What an adapter makes of a listing that ends too soon, and of an id that nobody is found by."""

import pytest

from core.errors import Unavailable
from core.microsoft365.assumptions.exchange_objects import SINGLE_OBJECTS
from core.tenant.sources import MAILBOXES
from tests.support.http_recorder import build_mailbox_row, build_scene, connect_sandbox

USERS = [
    {
        "id": f"0000000{number}-0000-4000-8000-000000000001",
        "userPrincipalName": f"u{number}@x.example",
    }
    for number in range(6)
]
LISTED = "/users?$select=id&$top=3"
BOX_ID, BOX_GUID = USERS[0]["id"], "00000000-1111-4000-8000-000000000001"


async def list_users(reality: dict[str, str], path: str = LISTED, count: int = 6) -> int:
    """How many of so many users a tenant lists that plays a side of the count."""
    async with connect_sandbox(build_scene(graph={"users": USERS[:count]}, reality=reality)) as to:
        return sum([len(rows) async for rows in to.graph.read_pages(path)])


@pytest.mark.parametrize(
    ("reality", "reason"),
    [
        ({"graph-collection-count": "counted"}, ""),
        ({"graph-collection-count": "ended"}, "it ended with 3 of 6 objects"),
        # A number that is too high makes nothing smaller.
        ({"graph-collection-count": "high"}, "it ended with 6 of 7 objects"),
        # Where nothing is counted, a full last page is believed.
        ({"graph-collection-count": "refused"}, ""),
    ],
)
async def test_a_collection_that_ends_with_a_full_page_is_counted(
    reality: dict[str, str], reason: str
) -> None:
    if reason:
        with pytest.raises(Unavailable, match=reason):
            await list_users(reality)
    else:
        assert await list_users(reality) == len(USERS)
    if reality["graph-collection-count"] != "ended":
        # One that ends with another page shows by itself that there is no more.
        assert await list_users(reality, "/users?$select=id&$top=4") == len(USERS)


@pytest.mark.parametrize(
    ("side", "reason"),
    [
        # Only the number tells that a page before the last is missing.
        ("skipped", "it ended with 3 of 5 objects"),
        # Fewer than a page came meanwhile.
        ("high", ""),
        ("refused", ""),
    ],
)
async def test_a_collection_of_several_pages_is_counted_although_its_last_is_not_full(
    side: str, reason: str
) -> None:
    reality, path = {"graph-collection-count": side}, "/users?$select=id&$top=2"
    if reason:
        with pytest.raises(Unavailable, match=reason):
            await list_users(reality, path, 5)
    else:
        assert await list_users(reality, path, 5) == 5


@pytest.mark.parametrize("side", ["both", "guid"])
async def test_nobody_is_gone_where_the_probe_found_ids_that_exchange_does_not_know(
    side: str,
) -> None:
    scene = build_scene(
        exchange={"Get-Mailbox": [build_mailbox_row(BOX_ID, BOX_GUID, "anna")]},
        reality={"exchange-single-objects": side},
    )
    async with connect_sandbox(scene) as to:
        outcome = await to.tenant.prober.probe_assumptions(100, 120.0)
        ways = {one.assumption: one.way for one in outcome.answers if one.way}
        assert (ways[SINGLE_OBJECTS.id] == SINGLE_OBJECTS.default_way) is (side == "both")
        to.tenant.prober.adopt_ways(ways)
        found = await to.tenant.mailboxes.read_mailboxes([BOX_ID])
        unread = [(one.source, one.object_id) for one in found.failures]
        assert unread == ([] if side == "both" else [(MAILBOXES, BOX_ID)])
