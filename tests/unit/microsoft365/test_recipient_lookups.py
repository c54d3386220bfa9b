"""Whom recipients stand for is asked round by round, and what was not answered stays unknown."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipient_lookups import (
    MAX_GROUPS,
    look_into_groups,
    look_up_group_members,
    look_up_recipients,
)
from core.microsoft365.recipients import MAX_HOPS, KnownRecipients
from core.tenant.mail_flow import GroupMembers, Recipient
from core.tenant.member_memory import MemberMemory
from core.tenant.port import HasMailFlow
from core.tenant.readings import ReadFailure, Reading
from tests.support.fakes.clock import START

OWN = OwnDomains(frozenset({"contoso.com"}))
GROUP_KIND = "MailUniversalDistributionGroup"


def contact(name: str, target: str) -> Recipient:
    return Recipient(name, True, "MailContact", external_address=target, id=f"id-{name}")


def group(name: str) -> Recipient:
    return Recipient(name, True, GROUP_KIND, address=name, id=f"id-{name}")


def user(name: str) -> Recipient:
    return Recipient(name, True, "UserMailbox", address=name, id=f"id-{name}")


@dataclass
class Directory:
    """Recipients by name and members by group, of which some cannot be read; all asks are kept."""

    recipients: dict[str, Recipient] = field(default_factory=dict)
    members: dict[str, tuple[Recipient, ...]] = field(default_factory=dict)
    failures: dict[str, ReadFailure] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)

    @property
    def tenant(self) -> HasMailFlow:
        """A tenant of which nothing else is read here."""
        return cast(HasMailFlow, self)

    @property
    def mail_flow(self) -> "Directory":
        return self

    async def read_recipients(self, names: Sequence[str]) -> Reading[Recipient]:
        """Those of some names that are known."""
        self.asked.append(list(names))
        return Reading(
            tuple(self.recipients[name] for name in names if name in self.recipients),
            tuple(self.failures[name] for name in names if name in self.failures),
            frozenset({"recipients"}),
        )

    async def read_group_members(self, groups: Sequence[Recipient]) -> Reading[GroupMembers]:
        """The members of some groups."""
        self.asked.append([one.key for one in groups])
        return Reading(
            tuple(
                GroupMembers(one.key, self.members[one.key])
                for one in groups
                if one.key in self.members
            ),
            tuple(self.failures[one.key] for one in groups if one.key in self.failures),
            frozenset({"group-members"}),
        )


async def look_up(directory: Directory, *names: str) -> tuple[KnownRecipients, Reading[Recipient]]:
    return await look_up_recipients(directory.tenant, set(names), OWN)


async def test_a_contact_that_leads_to_an_own_address_is_followed() -> None:
    directory = Directory(
        {
            "c": contact("c", "smtp:d@contoso.com"),
            "d@contoso.com": user("d@contoso.com"),
            "x": contact("x", "smtp:thief@drop.example"),
        }
    )
    known, reading = await look_up(directory, "x", "c")
    assert directory.asked == [["c", "x"], ["d@contoso.com"]]
    assert known.by_name == directory.recipients
    assert (reading.failures, reading.sources) == ((), frozenset({"recipients"}))


async def test_a_chain_without_an_end_is_followed_so_far() -> None:
    directory = Directory(
        {
            f"a{number}@contoso.com": contact(
                f"a{number}@contoso.com", f"smtp:a{number + 1}@contoso.com"
            )
            for number in range(99)
        }
    )
    await look_up(directory, "a0@contoso.com")
    assert len(directory.asked) == 2 * MAX_HOPS


async def test_without_the_own_domains_nobody_is_asked() -> None:
    directory = Directory()
    known, reading = await look_up_recipients(directory.tenant, {"c"}, None)
    assert (known, reading, directory.asked) == (KnownRecipients(), Reading(), [])


async def test_what_was_not_answered_is_not_asked_again() -> None:
    failure = ReadFailure("recipients", "HTTP 503", "c")
    directory = Directory(failures={"c": failure})
    known, reading = await look_up(directory, "c")
    assert directory.asked == [["c"]]
    assert (known.by_name, reading.failures) == ({}, (failure,))


async def test_the_members_of_a_group_and_of_groups_in_it_are_asked_for_once() -> None:
    inner = group("inner@contoso.com")
    directory = Directory(
        {"g": group("g"), "c": contact("c", "smtp:e@contoso.com")},
        {
            "id-g": (inner, contact("f", "smtp:e@contoso.com")),
            inner.key: (group("g"), user("u@contoso.com")),
        },
    )
    known, reading = await look_up(directory, "g")
    assert directory.asked == [["g"], ["id-g"], ["e@contoso.com"], [inner.key]]
    assert known.groups.keys() == {"id-g", inner.key}
    assert reading.sources == {"recipients", "group-members"}


async def test_a_group_whose_members_are_refused_is_named_and_one_that_fails_is_not_answered() -> (
    None
):
    for permission, said in (("Group.Read", "its members cannot be read: no right"), ("", None)):
        failure = ReadFailure("group-members", "no right", "id-g", permission=permission)
        directory = Directory({"g": group("g")}, failures={"id-g": failure})
        known, reading = await look_up(directory, "g")
        assert known.unread_groups.get("id-g") == said
        assert known.groups == {}
        assert reading.failures == (failure,)


async def test_a_refusal_of_all_groups_concerns_each_and_one_of_another_group_none() -> None:
    groups = [group("g"), group("h")]
    for object_id, refused in (("", {"id-g", "id-h"}), ("id-h", {"id-h"})):
        failure = ReadFailure("group-members", "no right", object_id, permission="Group.Read")
        directory = Directory(failures={"id-g": failure})
        known, _ = await look_into_groups(directory.tenant, KnownRecipients(), groups)
        assert known.unread_groups.keys() == refused


@pytest.mark.parametrize("before", [0, 3])
async def test_of_too_many_groups_the_rest_is_named(before: int) -> None:
    have = {f"k{number}": GroupMembers(f"k{number}") for number in range(before)}
    groups = [group(f"g{number:03}") for number in range(MAX_GROUPS - before + 2)]
    directory = Directory(members={one.key: () for one in groups})
    known, _ = await look_into_groups(directory.tenant, KnownRecipients(groups=have), groups)
    assert len(known.groups) == MAX_GROUPS
    assert known.unread_groups == dict.fromkeys(
        (one.key for one in groups[-2:]), "too many groups to look into at once"
    )
    # No room is left at all: nobody is asked, and what was known stays.
    directory.asked.clear()
    again, reading = await look_into_groups(directory.tenant, known, [group("more")])
    assert (directory.asked, reading) == ([], Reading())
    assert again.groups == known.groups
    assert again.unread_groups.keys() == {*known.unread_groups, "id-more"}


async def test_a_group_that_lacks_a_member_for_the_first_time_is_not_answered() -> None:
    directory = Directory({"g": group("g")}, {"id-g": (user("u@contoso.com"), user("v@x"))})
    first = MemberMemory({}, START)
    known, _ = await look_up_recipients(directory.tenant, {"g"}, OWN, first)
    assert known.groups.keys() == {"id-g"}
    directory.members["id-g"] = directory.members["id-g"][:1]
    later = MemberMemory(first.noted, START.replace(hour=7))
    known, _ = await look_up_recipients(directory.tenant, {"g"}, OWN, later)
    assert known.groups == {}


async def test_all_members_of_known_groups_are_found_however_deep() -> None:
    inner = group("inner")
    directory = Directory(members={"id-g": (inner,), inner.key: (group("g"), user("u"))})
    start = KnownRecipients({"g": group("g"), "u": user("u")})
    known, reading = await look_up_group_members(directory.tenant, start)
    assert directory.asked == [["id-g"], [inner.key]]
    assert known.groups.keys() == {"id-g", inner.key}
    assert reading.sources == {"group-members"}


async def test_a_group_that_does_not_answer_is_asked_once() -> None:
    failure = ReadFailure("group-members", "HTTP 503", "id-g")
    directory = Directory(failures={"id-g": failure})
    start = KnownRecipients({"g": group("g")})
    _, reading = await look_up_group_members(directory.tenant, start)
    assert directory.asked == [["id-g"]]
    assert reading.failures == (failure,)
