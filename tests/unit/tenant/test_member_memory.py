"""A group that lacks a member for the first time was not answered."""

from datetime import UTC, datetime, timedelta

from core.tenant.known_traits import KnownTraits
from core.tenant.mail_flow import GroupMembers, Recipient
from core.tenant.member_memory import MemberMemory

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def build_group(*ids: str, key: str = "g", complete: bool = True) -> GroupMembers:
    members = tuple(Recipient(one, found=True, id=one) for one in ids)
    return GroupMembers(key, members, complete)


def look(
    known: dict[str, KnownTraits], at: datetime, *groups: GroupMembers
) -> tuple[list[bool], dict[str, KnownTraits]]:
    memory = MemberMemory(known, at)
    return [memory.is_whole(one) for one in groups], known | memory.noted


def test_a_member_that_is_missing_is_believed_to_have_left_at_the_next_look() -> None:
    whole, known = look({}, START, build_group("a", "b"))
    assert whole == [True]
    whole, known = look(known, START + MINUTE, build_group("a"))
    assert whole == [False]
    assert look(known, START + MINUTE, build_group("a"))[0] == [False], "the same look"
    whole, known = look(known, START + 2 * MINUTE, build_group("a"))
    assert whole == [True]
    # Who has left is forgotten.
    assert [len(row.traits) for row in known.values()] == [1]
    assert look(known, START + 3 * MINUTE, build_group())[0] == [False]


def test_a_member_that_is_back_and_new_ones_are_no_loss() -> None:
    _, known = look({}, START, build_group("a", "b"))
    _, known = look(known, START + MINUTE, build_group("a"))
    whole, known = look(known, START + 2 * MINUTE, build_group("a", "b", "c"))
    assert whole == [True]
    assert look(known, START + 3 * MINUTE, build_group("a", "b"))[0] == [False]


def test_groups_are_remembered_apart_and_large_ones_not() -> None:
    _, known = look({}, START, build_group("a", "b"), build_group("a", key="h"))
    groups = build_group("a", "b"), build_group("a", key="h"), build_group("z", key="i")
    assert look(known, START + MINUTE, *groups)[0] == [True, True, True]
    large = build_group("a", complete=False)
    whole, after = look(known, START + MINUTE, large)
    assert (whole, after) == ([True], known)
