"""An object with a case that a listing lacks is looked up before anybody calls it gone."""

from collections.abc import Sequence

from core.tenant.left_out import MAX_MISSING, look_up_missing
from core.tenant.merging import PresenceTracker
from core.tenant.readings import ReadFailure, Reading

FAILURE = ReadFailure("mailboxes", "the listing leaves it out")


class Directory:
    """Objects that can be looked up by their ids, of which some cannot be read."""

    def __init__(self, *there: str, unread: Sequence[str] = ()) -> None:
        self.there = there
        self.unread = unread
        self.asked: list[list[str]] = []

    async def read(self, ids: Sequence[str]) -> Reading[str]:
        """Those of some objects that are there."""
        self.asked.append([*ids])
        found = tuple(one for one in ids if one in self.there)
        failures = tuple(ReadFailure("lookup", "HTTP 503", one) for one in self.unread)
        return Reading(found, failures)


async def look_up(
    directory: Directory, *missing: str, present: Sequence[str] = (), complete: bool = True
) -> tuple[set[str], PresenceTracker]:
    """Those of the missing objects that stay as they were, and what is known of the listing."""
    listed = PresenceTracker(frozenset(missing), present_ids=set(present), complete=complete)
    reading = await look_up_missing(
        listed, missing, directory.read, lambda one: one.removeprefix("unlisted-"), FAILURE
    )
    assert {one.source for one in reading.failures} <= {"mailboxes"}
    assert {one.reason for one in reading.failures} <= {FAILURE.reason}
    named = {one.object_id for one in reading.failures}
    assert reading.sources == {"mailboxes"}
    assert not any(reading.covers(["mailboxes"], one) for one in (*named, "anything else"))
    return named, listed


async def test_what_is_there_is_named_and_what_is_not_is_gone() -> None:
    directory = Directory("a")
    named, listed = await look_up(directory, "b", "a", "a", "c", present=["c"])
    assert named == {"a"}
    assert listed.present_ids == {"a", "c"}
    assert directory.asked == [["a", "b"]], "what was listed needs no look"


async def test_what_should_not_be_listed_is_not_left_out() -> None:
    directory = Directory("unlisted-")
    assert (await look_up(directory, "unlisted-"))[0] == set()


async def test_what_cannot_be_read_stays_and_without_an_answer_all_of_it() -> None:
    assert (await look_up(Directory(unread=["a", "other"]), "a", "b"))[0] == {"a"}
    assert (await look_up(Directory(unread=[""]), "a", "b"))[0] == {"a", "b"}


async def test_a_listing_that_broke_off_says_nothing_so_nothing_is_looked_up() -> None:
    directory = Directory("a")
    assert (await look_up(directory, "a", complete=False))[0] == set()
    assert directory.asked == []


async def test_where_nothing_is_missing_nobody_is_asked() -> None:
    directory = Directory("a", unread=[""])
    assert (await look_up(directory, "a", present=["a"]))[0] == set()
    assert directory.asked == []


async def test_of_many_that_are_missing_the_rest_stays_as_it_was() -> None:
    ids = [f"m{number:04}" for number in range(MAX_MISSING + 3)]
    directory = Directory()
    named, listed = await look_up(directory, *ids)
    assert directory.asked == [ids[:MAX_MISSING]]
    assert named == listed.present_ids == set(ids[MAX_MISSING:])


async def test_no_more_are_named_than_are_looked_up_and_all_of_them_stay() -> None:
    ids = [f"m{number:04}" for number in range(MAX_MISSING + 3)]
    named, listed = await look_up(Directory(*ids), *ids)
    assert named == set(ids[:MAX_MISSING])
    assert listed.present_ids == set(ids)
