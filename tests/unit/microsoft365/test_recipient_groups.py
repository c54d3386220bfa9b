"""Mail to a group of the tenant goes to its members, and some of those may be outside."""

from dataclasses import replace
from itertools import pairwise

import pytest

from core.microsoft365.addresses import OwnDomains
from core.microsoft365.recipients import (
    MAX_NESTED_GROUPS,
    ForwardTarget,
    KnownRecipients,
    Membership,
    RecipientLocation,
    collect_members,
    find_membership,
    list_further_groups,
    list_further_lookups,
    list_outside_addresses,
    list_recipient_keys,
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


def test_a_circle_of_contacts_that_ends_inside_is_no_member_outside() -> None:
    first = member("one@contoso.com", "MailContact", "two@contoso.com")
    second = member("two@contoso.com", "MailContact", "one@contoso.com")
    known = answers((group(), (first,)), others=(first, second))
    assert locate(known) == (
        ForwardTarget(DESK, RecipientLocation.INSIDE, DESK, f"{KINDS[0]} {DESK}"),
    )


def test_a_member_that_is_not_answered_leaves_the_whole_group_unanswered() -> None:
    hop = member("c@contoso.com", "MailContact", "SMTP:hop@contoso.com")
    outsider = member("x@evil.example", "GuestMailUser")
    assert locate(answers((group(), (outsider, hop)))) is None
    assert locate(answers((group(), (hop, outsider)))) is None


def test_a_group_is_looked_into_as_deep_as_the_limit_and_no_deeper() -> None:
    chain = [group(f"g{n}@contoso.com") for n in range(MAX_NESTED_GROUPS)]
    pairs = [(one, (other,)) for one, other in pairwise(chain)]
    outsider = (chain[-1], (member("x@evil.example", "GuestMailUser"),))
    known = answers(*pairs, outsider)
    assert [one.address for one in locate(known, "g0@contoso.com") or ()] == ["x@evil.example"]
    (target,) = locate(answers((group(), (chain[0],)), *pairs, outsider)) or ()
    assert target.reason == (
        f"{chain[-1].kind} {chain[-1].address}: too many groups in one another to look into"
    )


def test_a_recipient_without_an_address_is_called_by_its_name() -> None:
    nameless = Recipient("Service Desk", True, "GroupMailbox", id="g1")
    unknown = Recipient("Somebody", True, "SomethingNew", id="s1")
    (target,) = locate_forwarding_object("Service Desk", OWN, answers((nameless, (unknown,)))) or ()
    assert (target.via, target.address) == ("GroupMailbox Service Desk", "Somebody")
    assert "SomethingNew" in target.reason
    addressed = Recipient("Somebody", True, "SomethingNew", "s@contoso.com", id="s1")
    (target,) = locate(answers((group(), (addressed,)))) or ()
    assert target.address == "s@contoso.com"


def test_a_contact_looked_up_in_vain_keeps_what_its_listing_said() -> None:
    listed = member("c@contoso.com", "MailContact")
    gone = Recipient("c@contoso.com", found=False)
    (target,) = locate(answers((group(), (listed,)), others=(gone,))) or ()
    assert (target.location, target.reason) == (RecipientLocation.UNRESOLVED, "")


def test_what_a_listing_says_of_a_member_is_not_taken_from_whoever_has_its_address() -> None:
    namesake = member("a@contoso.com", "MailContact", "SMTP:x@evil.example")
    mailbox = member("a@contoso.com")
    assert locations(answers((group(), (mailbox,)), others=(namesake,))) == [("inside", DESK)]
    contact = member("a@contoso.com", "MailContact", "SMTP:y@evil.example")
    assert locations(answers((group(), (contact,)), others=(namesake,))) == [
        ("outside", "y@evil.example")
    ]


def test_a_group_that_holds_itself_is_looked_into_to_its_end() -> None:
    known = answers((group(), (group(), INNER)), (INNER, (ANN, BEN)))
    assert collect_members(group(), known).people == (ANN, BEN)
    outsider = member("x@evil.example", "GuestMailUser")
    known = answers((group(), (group(), INNER)), (INNER, (outsider,)))
    assert locations(known) == [("outside", "x@evil.example")]


def test_a_group_that_was_not_found_has_no_members_to_ask_for() -> None:
    assert list(list_further_groups(KnownRecipients({DESK: replace(group(), found=False)}))) == []


# ----------------------------------------------------------------------------------------------
# Who is in a group
# ----------------------------------------------------------------------------------------------

ANN, BEN = member("ann@contoso.com"), member("ben@contoso.com")
INNER = group("inner@contoso.com")


def test_everybody_in_a_group_and_in_those_it_holds_is_found_once() -> None:
    known = answers((group(), (ANN, INNER)), (INNER, (BEN, ANN, group())))
    assert collect_members(group(), known) == Membership((ANN, BEN))


def test_where_members_may_be_missing_the_first_reason_is_kept() -> None:
    dynamic = group("all@contoso.com", "DynamicDistributionGroup")
    known = answers((group(), (dynamic, INNER, ANN)), (INNER, (BEN,)), complete=False)
    assert collect_members(group(), known) == Membership(
        (ANN, BEN), f"{group().kind} {DESK}: it has too many members to look into"
    )


def test_a_group_that_was_not_answered_is_no_answer_whatever_the_others_say() -> None:
    unasked = group("late@contoso.com")
    doubt = f"{unasked.kind} late@contoso.com: its members were not read"
    for inside in ((unasked, INNER), (INNER, unasked)):
        known = answers((group(), inside), (INNER, (BEN,)))
        assert collect_members(group(), known) == Membership((BEN,), doubt, is_answered=False)


@pytest.mark.parametrize(
    ("asked", "keys", "answer"),
    [
        (" Desk@Contoso.com ", {"id-ann@contoso.com"}, (True, "")),
        (DESK, {"ann@contoso.com", "another"}, (True, "")),
        (DESK, {"id-ben@contoso.com"}, (False, "")),
        ("nobody", {"id-ann@contoso.com"}, (None, "no such group was found")),
        ("gone", {"id-ann@contoso.com"}, (None, "no such group was found")),
        ("twins", {"id-ann@contoso.com"}, (None, "several recipients of this name")),
        ("ann@contoso.com", {"x"}, (None, "UserMailbox ann@contoso.com is no group")),
    ],
)
def test_somebody_is_a_member_by_any_of_their_keys(
    asked: str, keys: set[str], answer: tuple[bool | None, str]
) -> None:
    missing = (Recipient("gone", False), Recipient("twins", False, several=True))
    known = answers((group(), (member("zoe@contoso.com"), ANN)), others=(ANN, *missing))
    assert find_membership(asked, frozenset(keys), known) == answer


def test_a_member_counts_though_others_may_be_missing_and_nobody_else_is_ruled_out() -> None:
    known = answers((group(), (ANN,)), complete=False)
    assert find_membership(DESK, frozenset({"ann@contoso.com"}), known) == (True, "")
    answer, why = find_membership(DESK, frozenset({"ben@contoso.com"}), known)
    assert answer is None
    assert why.endswith("it has too many members to look into")


def test_a_recipient_is_known_by_its_id_and_both_addresses() -> None:
    contact = replace(member("c@contoso.com", "MailContact", "SMTP:X@Evil.example"), id="ID-C")
    assert list_recipient_keys(contact) == {"id-c", "c@contoso.com", "x@evil.example"}
    assert list_recipient_keys(Recipient("Ann", True)) == frozenset()


def test_outside_addresses_are_those_of_targets_outside() -> None:
    assert list_outside_addresses(
        ForwardTarget(where, where, f"{where}@x") for where in RecipientLocation
    ) == ["outside@x"]
