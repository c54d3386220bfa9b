"""Where a recipient string sends mail, however it is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.microsoft365.addresses import (
    OwnDomains,
    get_lookup_name,
    normalize_address,
    parse_recipient_string,
)
from core.microsoft365.recipients import (
    ForwardTarget,
    KnownRecipients,
    RecipientLocation,
    list_further_lookups,
    locate_forwarding_object,
    locate_recipient,
)
from core.tenant.domain_names import to_a_label
from core.tenant.mail_flow import AcceptedDomain, Recipient

OWN = OwnDomains.from_accepted_domains(
    [
        AcceptedDomain("Contoso.com"),
        AcceptedDomain("contoso.onmicrosoft.com"),
        AcceptedDomain("fabrikam.example", includes_subdomains=True),
        AcceptedDomain("bücher.example"),
    ]
)
BOB = "/o=ExchangeLabs/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn=1-bob"
GUID = "6f1b2f0e-4c5e-4d3c-9a51-0d6c1f0a7b11"


NOBODY = KnownRecipients()


def known(*recipients: Recipient) -> KnownRecipients:
    return KnownRecipients({recipient.name: recipient for recipient in recipients})


def locate(raw: str, answers: KnownRecipients = NOBODY) -> ForwardTarget | None:
    targets = locate_recipient(raw, OWN, answers)
    assert targets is None or len(targets) == 1
    return targets[0] if targets else None


def locate_object(raw: str, answers: KnownRecipients = NOBODY) -> ForwardTarget | None:
    targets = locate_forwarding_object(raw, OWN, answers)
    assert targets is None or len(targets) == 1
    return targets[0] if targets else None


def place(raw: str, *recipients: Recipient) -> RecipientLocation | None:
    target = locate(raw, known(*recipients))
    return target.location if target else None


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
    target = locate(raw)
    assert target == ForwardTarget(raw, RecipientLocation.OUTSIDE, "x@evil.example")
    assert get_lookup_name(raw, OWN) == ""


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
    assert place(address) is RecipientLocation.OUTSIDE


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
        '"x@evil.example" [SMTP:bob@contoso.com]',
    ],
)
def test_every_accepted_domain_is_inside(address: str) -> None:
    asked = get_lookup_name(address, OWN)
    assert place(address, Recipient(asked, found=False)) is RecipientLocation.INSIDE
    assert place(address, person(asked)) is RecipientLocation.INSIDE


def test_an_own_address_may_be_a_contact_whose_mail_goes_outside() -> None:
    contact = person("bob@contoso.com", "MailContact", "SMTP:x@evil.example")
    assert locate('"Bob" [SMTP:Bob@contoso.com]', known(contact)) == ForwardTarget(
        '"Bob" [SMTP:Bob@contoso.com]',
        RecipientLocation.OUTSIDE,
        "x@evil.example",
        "MailContact bob@contoso.com",
    )


def test_an_exchange_name_is_not_internal_by_being_one() -> None:
    raw = f'"Bob" [EX:{BOB}]'
    assert get_lookup_name(raw, OWN) == BOB
    assert place(raw, person(BOB)) is RecipientLocation.INSIDE
    assert place(raw, person(BOB, "MailUser", "x@evil.example")) is RecipientLocation.OUTSIDE


@pytest.mark.parametrize("raw", [f'"Bob" [EX:{BOB}]', BOB, f"x500:{BOB}", GUID, "Bob Smith"])
def test_a_name_nobody_knows_is_its_own_answer(raw: str) -> None:
    asked = get_lookup_name(raw, OWN)
    assert place(raw, Recipient(asked, found=False)) is RecipientLocation.UNRESOLVED


@pytest.mark.parametrize("raw", [f'"Bob" [EX:{BOB}]', BOB, GUID, "Bob Smith", "bob@contoso.com"])
def test_a_look_up_that_failed_is_neither_external_nor_internal(raw: str) -> None:
    assert place(raw) is None


def test_a_display_name_that_imitates_a_bracket_is_only_a_name() -> None:
    assert parse_recipient_string('"Bob [SMTP:bob@contoso.com]"') == (
        "",
        "Bob [SMTP:bob@contoso.com]",
    )
    assert parse_recipient_string('"x" [SMTP:"y [SMTP:bob@contoso.com"@evil.example]')[1].endswith(
        "evil.example"
    )
    assert place('"x" [SMTP:"y [SMTP:bob@contoso.com"@evil.example]') is RecipientLocation.OUTSIDE


def test_what_is_no_address_is_not_judged_by_its_looks() -> None:
    assert place("[SMTP:]") is RecipientLocation.UNRESOLVED
    assert place('"Bob" [SMTP:nobody]') is RecipientLocation.UNRESOLVED
    assert normalize_address("@contoso.com") == ""
    assert normalize_address("x@") == ""
    assert normalize_address("x@a..b") == ""
    assert normalize_address("x@evil.example> contoso.com") == ""


def test_a_guest_is_the_address_it_came_from() -> None:
    raw = "first_last_gmail.com#EXT#@contoso.onmicrosoft.com"
    assert locate(raw) == ForwardTarget(
        raw, RecipientLocation.OUTSIDE, "first_last@gmail.com", "guest"
    )
    assert get_lookup_name(raw, OWN) == ""
    path = f"forest.example/Hosted Organizations/contoso.com/{raw}"
    assert locate(path) == ForwardTarget(
        path, RecipientLocation.OUTSIDE, "first_last@gmail.com", "guest"
    )


def test_a_guest_name_that_claims_to_come_from_inside_is_looked_up() -> None:
    raw = "bob_contoso.com#EXT#@contoso.onmicrosoft.com"
    guest = person(get_lookup_name(raw, OWN), "GuestMailUser", "x@evil.example")
    assert place(raw) is None
    assert place(raw, guest) is RecipientLocation.OUTSIDE
    assert place("bob_contoso.com#EXT#@evil.example") is RecipientLocation.OUTSIDE


@pytest.mark.parametrize("kind", ["MailContact", "MailUser", "GuestMailUser"])
def test_a_stand_in_without_an_address_elsewhere_is_unresolved(kind: str) -> None:
    assert place("bob@contoso.com", person("bob@contoso.com", kind)) is RecipientLocation.UNRESOLVED
    assert place("bob@contoso.com", person("bob@contoso.com", kind, "x400:c=US")) is None


@pytest.mark.parametrize(
    "kind",
    ["UserMailbox", "SharedMailbox", "RemoteUserMailbox", "PublicFolder", "EquipmentMailbox"],
)
def test_a_recipient_that_keeps_its_mail_is_inside(kind: str) -> None:
    assert place("bob@contoso.com", person("bob@contoso.com", kind)) is RecipientLocation.INSIDE


@pytest.mark.parametrize("kind", ["", "SharedWithMailUser", "SomethingNew"])
def test_a_recipient_of_a_kind_that_is_not_known_is_unresolved(kind: str) -> None:
    target = locate("bob@contoso.com", known(person("bob@contoso.com", kind)))
    assert target
    assert target.location is RecipientLocation.UNRESOLVED
    assert "no kind of recipient that is known" in target.reason


@pytest.mark.parametrize("kind", ["MailContact", "MailUser", "GuestMailUser", "MailForestContact"])
def test_a_stand_in_with_an_address_of_others_leads_there(kind: str) -> None:
    stand_in = person("guest", kind, address="x@evil.example")
    assert locate_object("guest", known(stand_in)) == ForwardTarget(
        "guest", RecipientLocation.OUTSIDE, "x@evil.example", f"{kind} x@evil.example"
    )


def test_a_mail_user_of_a_hybrid_tenant_is_inside() -> None:
    far = person("bob@contoso.com", "MailUser", "SMTP:bob@fabrikam.example")
    near = person("bob@fabrikam.example", "MailUser", "SMTP:bob@fabrikam.example")
    assert list(list_further_lookups(known(far), OWN)) == ["bob@fabrikam.example"]
    assert place("bob@contoso.com", far) is None
    assert place("bob@contoso.com", far, near) is RecipientLocation.INSIDE
    assert (
        place("bob@contoso.com", far, Recipient("bob@fabrikam.example", False))
        is RecipientLocation.INSIDE
    )


def test_a_contact_for_a_contact_is_followed_to_the_end() -> None:
    first = person("one@contoso.com", "MailContact", "SMTP:two@contoso.com", "one@contoso.com")
    second = person("two@contoso.com", "MailContact", "SMTP:x@evil.example", "two@contoso.com")
    assert place("one@contoso.com", first, second) is RecipientLocation.OUTSIDE


def test_contacts_in_a_circle_come_to_an_end() -> None:
    first = person("one@contoso.com", "MailContact", "two@contoso.com", "one@contoso.com")
    second = person("two@contoso.com", "MailContact", "one@contoso.com", "two@contoso.com")
    assert place("one@contoso.com", first, second) is RecipientLocation.INSIDE


def test_contacts_nested_too_deeply_are_unresolved() -> None:
    chain = [
        person(f"{n}@contoso.com", "MailContact", f"{n + 1}@contoso.com", f"{n}@contoso.com")
        for n in range(9)
    ]
    assert place("0@contoso.com", *chain) is RecipientLocation.UNRESOLVED
    assert place("0@contoso.com", *chain[:4]) is RecipientLocation.UNRESOLVED
    assert place("0@contoso.com", *chain[:3]) is None


def test_a_forwarding_object_is_known_by_its_entry_and_not_by_its_name() -> None:
    contact = person("ceo@contoso.com", "MailContact", "x@evil.example")
    for name in ("ceo@contoso.com", "Bob Private"):
        entry = Recipient(name, True, "MailContact", "p@contoso.com", "SMTP:x@evil.example")
        target = locate_object(f" {name} ", known(contact, entry))
        assert target is not None
        assert (target.location, target.address) == (RecipientLocation.OUTSIDE, "x@evil.example")
    assert locate_object("Bob Private") is None


def test_a_forwarding_object_nobody_knows_is_unresolved_unless_it_reads_as_outside() -> None:
    for name, expected in (
        ("Bob Private", RecipientLocation.UNRESOLVED),
        ("bob@contoso.com", RecipientLocation.UNRESOLVED),
        ("x@evil.example", RecipientLocation.OUTSIDE),
        ("x_gmail.com#EXT#", RecipientLocation.OUTSIDE),
    ):
        target = locate_object(name, known(Recipient(name, found=False)))
        assert target is not None
        assert target.location is expected, name


def test_a_target_has_one_essence_however_it_was_written() -> None:
    forms = [f'"Bob" [EX:{BOB}]', BOB.upper(), f"EX:{BOB}", f' "B" [ex:{BOB}] ']
    assert len({ForwardTarget(raw, RecipientLocation.UNRESOLVED).identity for raw in forms}) == 1
    assert (
        ForwardTarget('"a" [SMTP:A@b.example]', RecipientLocation.UNRESOLVED).identity
        == "a@b.example"
    )
    resolved = ForwardTarget("Bob", RecipientLocation.OUTSIDE, "x@evil.example")
    assert resolved.identity == "x@evil.example"
    assert (
        ForwardTarget("SMTP:A@b.example.", RecipientLocation.UNRESOLVED).identity == "a@b.example"
    )
    assert ForwardTarget(" Bob\t Smith ", RecipientLocation.UNRESOLVED).identity == "bob smith"


@pytest.mark.parametrize(
    ("domain", "label"),
    [
        ("EXAMPLE.org.", "example.org"),
        ("straße.example", "xn--strae-oqa.example"),
        ("xn--STRAE-oqa.example", "xn--strae-oqa.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("☃☃.ex\u200bample", to_a_label("☃☃.ex\u200bample")),
    ],
)
def test_domains_compare_in_one_form(domain: str, label: str) -> None:
    assert to_a_label(domain) == label
    assert to_a_label(label) == label


@given(st.text(max_size=80))
def test_any_string_gets_an_answer_and_the_same_one_twice(raw: str) -> None:
    name = get_lookup_name(raw, OWN)
    answers = known(Recipient(name, found=False)) if name else NOBODY
    target = locate(raw, answers)
    assert target is not None
    assert target == locate(raw, answers)
    assert (
        target.location is not RecipientLocation.OUTSIDE
        or target.address.rpartition("@")[2] not in OWN.exact
    )


@given(st.text(max_size=40), st.sampled_from(["evil.example", "evilcontoso.com"]))
def test_no_display_name_makes_an_outside_address_look_inside(name: str, domain: str) -> None:
    assert place(f'"{name}" [SMTP:x@{domain}]') is RecipientLocation.OUTSIDE


# ----------------------------------------------------------------------------------------------
# Addresses that hold another one, and domains that others answer for
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "outside"),
    [
        ("IMCEASMTP-x+40evil+2Eexample@contoso.com", "x@evil.example"),
        ("imceasmtp-X+40EVIL+2eexample@contoso.com", "x@evil.example"),
        ('"Bob" [SMTP:IMCEASMTP-x+40evil+2Eexample@contoso.com]', "x@evil.example"),
        ("IMCEASMTP-IMCEASMTP-x+2540evil+252Eexample+40contoso+2Ecom@contoso.com", ""),
        ("IMCEASMTP-x_y+40evil+2Eexample@contoso.com", "x/y@evil.example"),
    ],
)
def test_an_encapsulated_address_is_the_address_it_holds(raw: str, outside: str) -> None:
    if outside:
        assert get_lookup_name(raw, OWN) == ""
        assert locate(raw) == ForwardTarget(
            raw, RecipientLocation.OUTSIDE, outside, "encapsulated address"
        )
    else:
        assert place(raw, Recipient(get_lookup_name(raw, OWN), False)) is not (
            RecipientLocation.INSIDE
        )


def test_an_encapsulated_own_address_is_looked_up_as_itself() -> None:
    raw = "IMCEASMTP-bob+40contoso+2Ecom@contoso.com"
    assert get_lookup_name(raw, OWN) == "bob@contoso.com"
    assert place(raw, person("bob@contoso.com")) is RecipientLocation.INSIDE
    contact = person("bob@contoso.com", "MailContact", "SMTP:x@evil.example")
    assert place(raw, contact) is RecipientLocation.OUTSIDE


def test_an_encapsulated_legacy_name_is_looked_up_as_that_name() -> None:
    raw = "IMCEAEX-_O=EXCHANGELABS_CN=RECIPIENTS_CN=1-bob@contoso.com"
    name = "/O=EXCHANGELABS/CN=RECIPIENTS/CN=1-bob"
    assert get_lookup_name(raw, OWN) == name
    assert place(raw, person(name)) is RecipientLocation.INSIDE
    assert place(raw, person(name, "MailUser", "x@evil.example")) is RecipientLocation.OUTSIDE
    assert place(raw, Recipient(name, False)) is RecipientLocation.UNRESOLVED


@pytest.mark.parametrize(
    "address",
    [
        "x%evil.example@contoso.com",
        "evil.example!x@contoso.com",
        '"x@evil.example"@contoso.com',
        "x@evil.example@contoso.com",
        "@contoso.com:x@contoso.com",
        "imceafax-x+40y@contoso.com",
        "imceainvalid-x@contoso.com",
        "x\\@evil.example@contoso.com",
    ],
)
def test_an_own_address_that_may_carry_another_one_is_not_inside_unless_somebody_has_it(
    address: str,
) -> None:
    name = get_lookup_name(address, OWN)
    assert place(address, Recipient(name, False)) is RecipientLocation.UNRESOLVED
    assert place(address, person(name)) is RecipientLocation.INSIDE


@pytest.mark.parametrize(
    "address",
    ["bob.smith@contoso.com", "o'neill@contoso.com", "b_s-2@contoso.com", "x=y@contoso.com"],
)
def test_a_plain_address_nobody_has_leads_nowhere(address: str) -> None:
    assert place(address, Recipient(address, False)) is RecipientLocation.INSIDE


RELAYED = OwnDomains.from_accepted_domains(
    [
        AcceptedDomain("contoso.com"),
        AcceptedDomain("old.example", authoritative=False),
        AcceptedDomain("*.branch.example", authoritative=False),
    ]
)


@pytest.mark.parametrize("address", ["x@old.example", "x@a.branch.example", "x@branch.example"])
def test_an_unknown_address_in_a_relayed_domain_goes_to_another_mail_system(address: str) -> None:
    unknown = locate_recipient(address, RELAYED, known(Recipient(address, False)))
    assert unknown
    assert unknown[0].location is RecipientLocation.UNRESOLVED
    assert "passes mail of this domain on" in unknown[0].reason
    mailbox = locate_recipient(address, RELAYED, known(person(address)))
    assert mailbox
    assert mailbox[0].location is RecipientLocation.INSIDE
    plain = locate_recipient("x@contoso.com", RELAYED, known(Recipient("x@contoso.com", False)))
    assert plain
    assert plain[0].location is RecipientLocation.INSIDE


def test_a_subaddress_belongs_to_whoever_has_the_address() -> None:
    tagged = Recipient("bob+parcel@contoso.com", False)
    contact = person("bob@contoso.com", "MailContact", "x@evil.example")
    assert list(list_further_lookups(known(tagged), OWN)) == ["bob@contoso.com"]
    assert place(tagged.name, tagged, contact) is RecipientLocation.OUTSIDE
    assert place(tagged.name, tagged, person("bob@contoso.com")) is RecipientLocation.INSIDE
    assert place(tagged.name, tagged, Recipient("bob@contoso.com", False)) is (
        RecipientLocation.INSIDE
    )
    assert place(tagged.name, tagged) is None
