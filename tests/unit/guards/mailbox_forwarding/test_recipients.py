"""Where a recipient string sends mail, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.guards.mailbox_forwarding.recipients import (
    OwnDomains,
    Place,
    Target,
    a_label,
    further_questions,
    locate,
    locate_object,
    normal_address,
    question,
    value_of,
)
from core.tenant.mail_flow import AcceptedDomain, Recipient

OWN = OwnDomains.of(
    [
        AcceptedDomain("Contoso.com"),
        AcceptedDomain("contoso.onmicrosoft.com"),
        AcceptedDomain("fabrikam.example", subdomains=True),
        AcceptedDomain("bücher.example"),
    ]
)
BOB = "/o=ExchangeLabs/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=1-bob"
GUID = "6f1b2f0e-4c5e-4d3c-9a51-0d6c1f0a7b11"


def known(*recipients: Recipient) -> dict[str, Recipient]:
    return {recipient.name: recipient for recipient in recipients}


def place(raw: str, *recipients: Recipient) -> Place | None:
    target = locate(raw, OWN, known(*recipients))
    return target.place if target else None


def person(name: str, kind: str = "UserMailbox", outside: str = "", address: str = "") -> Recipient:
    return Recipient(name, True, kind, address or "bob@contoso.com", outside)


@pytest.mark.parametrize(
    "raw",
    [
        "x@evil.example",
        "X@EVIL.example",
        "  x@evil.example. ",
        "smtp:x@evil.example",
        "SMTP:x@evil.example",
        '"Bob" [SMTP:x@evil.example]',
        "Bob [smtp:x@evil.example]",
        "Bob <x@evil.example>",
        '"ceo@contoso.com" [SMTP:x@evil.example]',
        '"Bob [SMTP:bob@contoso.com]" [SMTP:x@evil.example]',
        '"Bob [EX:/o=ExchangeLabs/cn=bob]" [SMTP:x@evil.example]',
        '"Bob [x]" [SMTP:x@evil.example]',
    ],
)
def test_every_way_to_write_an_outside_address_is_the_same_address(raw: str) -> None:
    target = locate(raw, OWN, {})
    assert target == Target(raw, Place.OUTSIDE, "x@evil.example")
    assert question(raw, OWN) == ""


@pytest.mark.parametrize(
    "address",
    [
        "x@evilcontoso.com",
        "x@contoso.com.evil.example",
        "x@sub.contoso.com",
        "x@contoso.co",
        "x@fabrikam.example.evil",
        "x@notfabrikam.example",
        "contoso.com@evil.example",
        '"bob@contoso.com"@evil.example',
        "bob@contoso.com@evil.example",
        "x@[192.0.2.1]",
        "x@localhost",
        "x@xn--contso-xxa.com",
        "x@cont\u043eso.com",
    ],
)
def test_whole_labels_of_the_last_domain_decide_and_nothing_that_looks_like_them(
    address: str,
) -> None:
    assert place(address) is Place.OUTSIDE


@pytest.mark.parametrize(
    "address",
    [
        "bob@contoso.com",
        "BOB@CONTOSO.COM.",
        "bob@contoso.onmicrosoft.com",
        "bob@fabrikam.example",
        "bob@mail.fabrikam.example",
        "bob@a.b.fabrikam.example",
        "bob@bücher.example",
        "bob@BÜCHER.example",
        "bob@xn--bcher-kva.example",
        '"x@evil.example"@contoso.com',
        '"x@evil.example" [SMTP:bob@contoso.com]',
    ],
)
def test_every_accepted_domain_is_inside(address: str) -> None:
    asked = question(address, OWN)
    assert place(address, Recipient(asked, found=False)) is Place.INSIDE
    assert place(address, person(asked)) is Place.INSIDE


def test_an_own_address_may_be_a_contact_whose_mail_goes_outside() -> None:
    contact = person("bob@contoso.com", "MailContact", "SMTP:x@evil.example")
    assert locate('"Bob" [SMTP:Bob@contoso.com]', OWN, known(contact)) == Target(
        '"Bob" [SMTP:Bob@contoso.com]',
        Place.OUTSIDE,
        "x@evil.example",
        "MailContact bob@contoso.com",
    )


def test_an_exchange_name_is_not_internal_by_being_one() -> None:
    raw = f'"Bob" [EX:{BOB}]'
    assert question(raw, OWN) == BOB
    assert place(raw, person(BOB)) is Place.INSIDE
    assert place(raw, person(BOB, "MailUser", "x@evil.example")) is Place.OUTSIDE


@pytest.mark.parametrize("raw", [f'"Bob" [EX:{BOB}]', BOB, f"x500:{BOB}", GUID, "Bob Smith"])
def test_a_name_nobody_knows_is_its_own_answer(raw: str) -> None:
    asked = question(raw, OWN)
    assert place(raw, Recipient(asked, found=False)) is Place.UNRESOLVED


@pytest.mark.parametrize("raw", [f'"Bob" [EX:{BOB}]', BOB, GUID, "Bob Smith", "bob@contoso.com"])
def test_a_look_up_that_failed_is_neither_external_nor_internal(raw: str) -> None:
    assert place(raw) is None


def test_a_display_name_that_imitates_a_bracket_is_only_a_name() -> None:
    assert value_of('"Bob [SMTP:bob@contoso.com]"') == ("", "Bob [SMTP:bob@contoso.com]")
    assert value_of('"x" [SMTP:"y [SMTP:bob@contoso.com"@evil.example]')[1].endswith("evil.example")
    assert place('"x" [SMTP:"y [SMTP:bob@contoso.com"@evil.example]') is Place.OUTSIDE


def test_what_is_no_address_is_not_judged_by_its_looks() -> None:
    assert place("[SMTP:]") is Place.UNRESOLVED
    assert place('"Bob" [SMTP:nobody]') is Place.UNRESOLVED
    assert normal_address("@contoso.com") == ""
    assert normal_address("x@") == ""
    assert normal_address("x@a..b") == ""
    assert normal_address("x@evil.example> contoso.com") == ""


def test_a_guest_is_the_address_it_came_from() -> None:
    raw = "first_last_gmail.com#EXT#@contoso.onmicrosoft.com"
    assert locate(raw, OWN, {}) == Target(raw, Place.OUTSIDE, "first_last@gmail.com", "guest")
    assert question(raw, OWN) == ""
    path = f"forest.example/Hosted Organizations/contoso.com/{raw}"
    assert locate(path, OWN, {}) == Target(path, Place.OUTSIDE, "first_last@gmail.com", "guest")


def test_a_guest_name_that_claims_to_come_from_inside_is_looked_up() -> None:
    raw = "bob_contoso.com#EXT#@contoso.onmicrosoft.com"
    guest = person(question(raw, OWN), "GuestMailUser", "x@evil.example")
    assert place(raw) is None
    assert place(raw, guest) is Place.OUTSIDE
    assert place("bob_contoso.com#EXT#@evil.example") is Place.OUTSIDE


@pytest.mark.parametrize("kind", ["MailContact", "MailUser", "GuestMailUser"])
def test_a_stand_in_without_an_address_elsewhere_is_unresolved(kind: str) -> None:
    assert place("bob@contoso.com", person("bob@contoso.com", kind)) is Place.UNRESOLVED
    assert place("bob@contoso.com", person("bob@contoso.com", kind, "x400:c=US")) is None


@pytest.mark.parametrize("kind", ["UserMailbox", "SharedMailbox", "MailUniversalDistributionGroup"])
def test_a_mailbox_or_a_group_of_ours_is_inside(kind: str) -> None:
    assert place("bob@contoso.com", person("bob@contoso.com", kind)) is Place.INSIDE


def test_a_mail_user_of_a_hybrid_tenant_is_inside() -> None:
    far = person("bob@contoso.com", "MailUser", "SMTP:bob@fabrikam.example")
    near = person("bob@fabrikam.example", "MailUser", "SMTP:bob@fabrikam.example")
    assert list(further_questions(known(far), OWN)) == ["bob@fabrikam.example"]
    assert place("bob@contoso.com", far) is None
    assert place("bob@contoso.com", far, near) is Place.INSIDE
    assert place("bob@contoso.com", far, Recipient("bob@fabrikam.example", False)) is Place.INSIDE


def test_a_contact_for_a_contact_is_followed_to_the_end() -> None:
    first = person("one@contoso.com", "MailContact", "SMTP:two@contoso.com", "one@contoso.com")
    second = person("two@contoso.com", "MailContact", "SMTP:x@evil.example", "two@contoso.com")
    assert place("one@contoso.com", first, second) is Place.OUTSIDE


def test_contacts_in_a_circle_come_to_an_end() -> None:
    first = person("one@contoso.com", "MailContact", "two@contoso.com", "one@contoso.com")
    second = person("two@contoso.com", "MailContact", "one@contoso.com", "two@contoso.com")
    assert place("one@contoso.com", first, second) is Place.INSIDE


def test_contacts_nested_too_deeply_are_unresolved() -> None:
    chain = [
        person(f"{n}@contoso.com", "MailContact", f"{n + 1}@contoso.com", f"{n}@contoso.com")
        for n in range(9)
    ]
    assert place("0@contoso.com", *chain) is Place.UNRESOLVED
    assert place("0@contoso.com", *chain[:4]) is Place.UNRESOLVED
    assert place("0@contoso.com", *chain[:3]) is None


def test_a_forwarding_object_is_known_by_its_entry_and_not_by_its_name() -> None:
    contact = person("ceo@contoso.com", "MailContact", "x@evil.example")
    for name in ("ceo@contoso.com", "Bob Private"):
        entry = Recipient(name, True, "MailContact", "p@contoso.com", "SMTP:x@evil.example")
        target = locate_object(f" {name} ", OWN, known(contact, entry))
        assert target is not None
        assert (target.place, target.address) == (Place.OUTSIDE, "x@evil.example")
    assert locate_object("Bob Private", OWN, {}) is None


def test_a_forwarding_object_nobody_knows_is_unresolved_unless_it_reads_as_outside() -> None:
    for name, expected in (
        ("Bob Private", Place.UNRESOLVED),
        ("bob@contoso.com", Place.UNRESOLVED),
        ("x@evil.example", Place.OUTSIDE),
        ("x_gmail.com#EXT#", Place.OUTSIDE),
    ):
        target = locate_object(name, OWN, known(Recipient(name, found=False)))
        assert target is not None
        assert target.place is expected, name


def test_a_target_has_one_essence_however_it_was_written() -> None:
    forms = [f'"Bob" [EX:{BOB}]', BOB.upper(), f"EX:{BOB}", f' "B" [ex:{BOB}] ']
    assert len({Target(raw, Place.UNRESOLVED).essence for raw in forms}) == 1
    assert Target('"a" [SMTP:A@b.example]', Place.UNRESOLVED).essence == "a@b.example"


@pytest.mark.parametrize(
    ("domain", "label"),
    [
        ("EXAMPLE.org.", "example.org"),
        ("straße.example", "xn--strae-oqa.example"),
        ("xn--STRAE-oqa.example", "xn--strae-oqa.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("☃☃.ex\u200bample", a_label("☃☃.ex\u200bample")),
    ],
)
def test_domains_compare_in_one_form(domain: str, label: str) -> None:
    assert a_label(domain) == label
    assert a_label(label) == label


@given(st.text(max_size=80))
def test_any_string_gets_an_answer_and_the_same_one_twice(raw: str) -> None:
    name = question(raw, OWN)
    answers = known(Recipient(name, found=False)) if name else {}
    target = locate(raw, OWN, answers)
    assert target is not None
    assert target == locate(raw, OWN, answers)
    assert target.place is not Place.OUTSIDE or target.address.rpartition("@")[2] not in OWN.exact


@given(st.text(max_size=40), st.sampled_from(["evil.example", "evilcontoso.com"]))
def test_no_display_name_makes_an_outside_address_look_inside(name: str, domain: str) -> None:
    assert place(f'"{name}" [SMTP:x@{domain}]') is Place.OUTSIDE
