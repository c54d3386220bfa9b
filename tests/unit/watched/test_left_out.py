"""Items that several objects make up: what a listing leaves out of one is found by its account."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from core.guards.privileged_change.standing_roles import STANDING_ROLES
from core.tenant.configuration import Configuration
from core.watched.items import SourceRows, WatchedItem
from tests.support.watched_examples import HELD_ROLE
from tests.support.watched_looks import Looks

ITEM = f"{HELD_ROLE['roleDefinitionId']} {HELD_ROLE['principalId']}"
ELIGIBLE = Configuration("role-eligibility-instance", "e1", "", HELD_ROLE)
HELD = Configuration(
    "role-assignment-instance",
    "a1",
    "",
    {**HELD_ROLE, "assignmentType": "Assigned", "endDateTime": None},
)


def list_gaps(looks: Looks) -> list[tuple[str, str]]:
    """What the last look could not read, by object, with the reason."""
    return [(one.object_id, one.reason) for one in looks.failures if not one.optional]


async def begin() -> Looks:
    """Somebody who could activate a role holds it for good."""
    looks = Looks(STANDING_ROLES)
    await looks.look([ELIGIBLE])
    assert await looks.look([ELIGIBLE, HELD])
    return looks


async def test_what_one_of_two_listings_leaves_out_is_told_for_as_long_as_it_is_there() -> None:
    looks = await begin()
    told = await looks.look([ELIGIBLE, HELD])
    for _ in range(3):
        assert await looks.look([ELIGIBLE, HELD], unlisted={"a1"}) == told
        assert list_gaps(looks) == [("", "it leaves out objects that are there: 1")]
    for _ in range(3):
        assert await looks.look([ELIGIBLE, HELD], unlisted={"a1", "e1"}) == told
        assert list_gaps(looks) == [("", "it leaves out objects that are there: 2")]
    assert await looks.look([ELIGIBLE, HELD]) == told
    assert list_gaps(looks) == []


async def test_what_is_taken_away_is_over_at_the_second_look() -> None:
    looks = await begin()
    for is_over in (False, True):
        assert await looks.look([ELIGIBLE]) == []
        assert list_gaps(looks) == []
        assert looks.covers(ITEM) is is_over


async def test_an_account_that_cannot_be_looked_at_leaves_its_items_unread_by_name() -> None:
    looks = await begin()
    for _ in range(3):
        await looks.look([ELIGIBLE], refused="u1")
        assert (ITEM, "not this one") in list_gaps(looks)
        assert not looks.covers(ITEM)


@pytest.mark.parametrize("mistake", [ValueError("odd"), KeyError("odd"), TypeError("odd")])
async def test_of_what_nobody_understands_nothing_is_missing_and_all_is_unread_by_name(
    mistake: Exception,
) -> None:
    looks = await begin()

    def refuse(rows: SourceRows) -> Iterable[WatchedItem]:
        raise mistake

    looks.play(replace(STANDING_ROLES, describe=refuse))
    for _ in range(3):
        assert await looks.look([ELIGIBLE]) == []
        assert {object_id for object_id, _ in list_gaps(looks)} == {"", ITEM}
        assert not looks.covers(ITEM)
    looks.play(STANDING_ROLES)
    for is_over in (False, True):
        await looks.look([ELIGIBLE])
        assert looks.covers(ITEM) is is_over


async def test_a_listing_that_shows_all_is_not_asked_about() -> None:
    looks = await begin()
    await looks.look([ELIGIBLE, HELD], refused="u1")
    assert list_gaps(looks) == []


async def test_beside_a_row_that_nobody_understands_others_are_looked_at_as_ever() -> None:
    looks = await begin()
    told = await looks.look([ELIGIBLE, HELD])
    odd = replace(HELD, id="a2", values={**HELD.values, "principalId": "u2", "assignmentType": 7})
    for _ in range(3):
        assert await looks.look([ELIGIBLE, HELD, odd]) == told
        other = ITEM.replace("u1", "u2")
        assert list_gaps(looks) == [(other, "assignmentType is no text")]
        assert looks.covers(ITEM)
    # Which listing leaves out a part of an item is not known then.
    for _ in range(3):
        assert await looks.look([ELIGIBLE, HELD, odd], unlisted={"a1"}) == []
        assert ITEM in dict(list_gaps(looks))
        assert not looks.covers(ITEM)
    assert await looks.look([ELIGIBLE, HELD]) == told
