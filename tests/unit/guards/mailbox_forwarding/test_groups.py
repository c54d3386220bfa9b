"""Mail to a group of the tenant goes to its members, and some of those may be outside."""

from itertools import pairwise

import pytest

from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import (
    MAX_NESTED_GROUPS,
    ForwardTarget,
    KnownRecipients,
    RecipientLocation,
    list_further_groups,
    list_further_lookups,
    locate_forwarding_object,
    locate_recipient,
)
from core.tenant.mail_flow import AcceptedDomain, GroupMembers, Recipient

OWN = OwnDomains.from_accepted_domains([AcceptedDomain("contoso.com")])
DESK = "desk@contoso.com"


def group(
    address: str = DESK, kind: str = "MailUniversalDistributionGroup", name: str = ""
) -> Recipient:
    return Recipient(name or address, True, kind, address, id=f"id-{address}")


def member(address: str, kind: str = "UserMailbox", outside: str = "") -> Recipient:
    return Recipient(address, True, kind, address, outside, id=f"id-{address}")


def answers(
    *groups: tuple[Recipient, tuple[Recipient, ...]],
    complete: bool = True,
    others: tuple[Recipient, ...] = (),
) -> KnownRecipients:
    return KnownRecipients(
        {one.name: one for one in (*(owner for owner, _ in groups), *others)},
        {owner.key: GroupMembers(owner.key, members, complete) for owner, members in groups},
    )


def locate(known: KnownRecipients, raw: str = DESK) -> tuple[ForwardTarget, ...] | None:
    return locate_recipient(raw, OWN, known)


def locations(known: KnownRecipients) -> list[tuple[str, str]]:
    return [(one.location, one.address) for one in locate(known) or ()]


KINDS = (
    *("MailUniversalDistributionGroup", "MailUniversalSecurityGroup"),
    *("GroupMailbox", "RoomList", "MailNonUniversalGroup"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_of_colleagues_is_inside(kind: str) -> None:
    colleagues = (
        member("a@contoso.com"),
        member("s@contoso.com", "SharedMailbox"),
        member("on-premises@contoso.com", "MailUser", "SMTP:on-premises@contoso.com"),
    )
    assert locations(answers((group(kind=kind), colleagues))) == [("inside", DESK)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "outsider",
    [
        member("c@contoso.com", "MailContact", "SMTP:x@evil.example"),
        member("x@evil.example", "MailContact"),
        member("x@evil.example", "GuestMailUser", "SMTP:x@evil.example"),
        member("x@evil.example", "MailUser", "SMTP:x@evil.example"),
        member("g@contoso.com", "GuestMailUser", "SMTP:x@evil.example"),
    ],
)
def test_a_member_outside_is_where_the_mail_goes(kind: str, outsider: Recipient) -> None:
    known = answers((group(kind=kind), (member("a@contoso.com"), outsider)))
    assert locate(known) == (
        ForwardTarget(DESK, RecipientLocation.OUTSIDE, "x@evil.example", f"{kind} {DESK}"),
    )


def test_each_member_outside_counts_once() -> None:
    outsiders = tuple(
        member(f"{name}@contoso.com", "MailContact", f"SMTP:{to}@evil.example")
        for name, to in (("c1", "x"), ("c2", "y"), ("c3", "x"))
    )
    assert locations(answers((group(), outsiders))) == [
        ("outside", "x@evil.example"),
        ("outside", "y@evil.example"),
    ]


def test_groups_in_groups_are_looked_into_and_a_circle_ends() -> None:
    inner, deep = group("inner@contoso.com"), group("deep@contoso.com", "GroupMailbox")
    known = answers(
        (group(), (inner, member("a@contoso.com"))),
        (inner, (deep, group())),
        (deep, (inner, member("x@evil.example", "GuestMailUser"))),
    )
    assert locations(known) == [("outside", "x@evil.example")]
    harmless = answers((group(), (inner,)), (inner, (group(), member("a@contoso.com"))))
    assert locations(harmless) == [("inside", DESK)]


def test_a_nested_group_that_was_not_asked_for_yet_is_asked_for() -> None:
    inner = group("inner@contoso.com")
    known = answers((group(), (inner,)))
    assert locate(known) is None
    assert list(list_further_groups(known)) == [inner]
    assert list(list_further_groups(KnownRecipients({DESK: group()}))) == [group()]


def test_a_member_that_stands_for_an_own_address_is_followed() -> None:
    contact = member("c@contoso.com", "MailContact", "SMTP:hop@contoso.com")
    known = answers((group(), (contact,)))
    assert list(list_further_lookups(known, OWN)) == ["hop@contoso.com"]
    assert locate(known) is None
    hop = member("hop@contoso.com", "MailContact", "SMTP:x@evil.example")
    assert locations(answers((group(), (contact,)), others=(hop,))) == [
        ("outside", "x@evil.example")
    ]


def test_a_contact_whose_listing_leaves_out_where_it_leads_is_looked_up() -> None:
    listed = member("c@contoso.com", "MailContact")
    known = answers((group(), (listed,)))
    assert list(list_further_lookups(known, OWN)) == ["c@contoso.com"]
    full = member("c@contoso.com", "MailContact", "SMTP:x@evil.example")
    assert locations(answers((group(), (listed,)), others=(full,))) == [
        ("outside", "x@evil.example")
    ]
    assert locations(known) == [("unresolved", "c@contoso.com")]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("DynamicDistributionGroup", "its members are whoever meets a filter when mail arrives"),
        ("RemoteGroupMailbox", "its members are kept on premises"),
        ("UniversalSecurityGroup", "its members are not looked into"),
    ],
)
def test_a_group_without_a_list_of_members_is_unseen_by_name(kind: str, reason: str) -> None:
    known = KnownRecipients({DESK: group(kind=kind)})
    assert list(list_further_groups(known)) == []
    assert locate(known) == (
        ForwardTarget(
            DESK, RecipientLocation.UNSEEN, DESK, f"{kind} {DESK}", f"{kind} {DESK}: {reason}"
        ),
    )


def test_a_dynamic_group_in_a_group_is_unseen_by_its_own_name() -> None:
    dynamic = group("all@contoso.com", "DynamicDistributionGroup")
    (target,) = locate(answers((group(), (dynamic, member("a@contoso.com"))))) or ()
    assert (target.location, target.address) == (RecipientLocation.UNSEEN, "all@contoso.com")
    assert "DynamicDistributionGroup all@contoso.com" in target.reason


def test_a_large_group_is_unseen_and_its_known_outsiders_still_count() -> None:
    known = answers((group(), (member("x@evil.example", "GuestMailUser"),)), complete=False)
    assert locations(known) == [("unseen", DESK), ("outside", "x@evil.example")]


def test_a_group_of_which_no_member_is_shown_is_unseen() -> None:
    (target,) = locate(answers((group(), ()))) or ()
    assert target.location is RecipientLocation.UNSEEN
    assert target.reason.endswith("Exchange shows no member of it")


def test_a_group_that_may_not_be_looked_into_is_unseen_with_the_reason() -> None:
    known = KnownRecipients({DESK: group()}, unread_groups={group().key: "no permission"})
    (target,) = locate(known) or ()
    assert target.location is RecipientLocation.UNSEEN
    assert target.reason.endswith("no permission")


def test_too_many_groups_in_one_another_are_unseen() -> None:
    chain = [group(f"g{n}@contoso.com") for n in range(MAX_NESTED_GROUPS + 2)]
    pairs = [(one, (other,)) for one, other in pairwise(chain)]
    known = answers((group(), (chain[0],)), *pairs, (chain[-1], (member("a@contoso.com"),)))
    (target,) = locate(known) or ()
    assert target.location is RecipientLocation.UNSEEN
    assert "too many groups in one another" in target.reason


def test_a_member_of_an_unknown_kind_is_unresolved() -> None:
    known = answers((group(), (member("odd@contoso.com", "SomethingNew"),)))
    assert locations(known) == [("unresolved", "odd@contoso.com")]


def test_a_forwarding_object_that_is_a_group_is_looked_into() -> None:
    desk = group(name="Service Desk")
    known = answers((desk, (member("x@evil.example", "GuestMailUser"),)))
    targets = locate_forwarding_object("Service Desk", OWN, known)
    assert targets
    assert [(one.location, one.address) for one in targets] == [("outside", "x@evil.example")]


def test_a_contact_that_leads_to_a_group_is_followed_into_it() -> None:
    contact = member("c@contoso.com", "MailContact", f"SMTP:{DESK}")
    known = answers((group(), (member("x@evil.example", "GuestMailUser"),)), others=(contact,))
    targets = locate(known, "c@contoso.com")
    assert targets
    assert [(one.location, one.via) for one in targets] == [
        ("outside", "MailContact c@contoso.com")
    ]
