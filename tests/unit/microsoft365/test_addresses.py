"""Addresses: in which form they compare, what they hide, and which are the tenant's own."""

import pytest

from core.microsoft365.addresses import (
    OwnDomains,
    extract_guest_address,
    find_base_address,
    find_outside_address,
    get_lookup_name,
    load_mail_providers,
    may_carry_route,
    normalize_address,
    parse_recipient_string,
    strip_subaddress,
    unwrap_address,
)
from core.tenant.mail_flow import AcceptedDomain

OWN = OwnDomains.from_accepted_domains(
    [
        AcceptedDomain("Contoso.com"),
        AcceptedDomain("*.wide.example"),
        AcceptedDomain("below.example", includes_subdomains=True),
        AcceptedDomain("relay.example", authoritative=False),
        AcceptedDomain(" "),
    ]
)


def test_own_domains_are_those_that_are_accepted_and_below_which_all_are() -> None:
    assert OWN.exact == {"contoso.com", "wide.example", "below.example", "relay.example"}
    assert OWN.parents == {"wide.example", "below.example"}
    assert OWN.relayed == {"relay.example"}


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("contoso.com", "contoso.com"),
        ("sub.contoso.com", ""),
        ("evilcontoso.com", ""),
        ("wide.example", "wide.example"),
        ("a.wide.example", "wide.example"),
        ("a.b.below.example", "below.example"),
        ("notbelow.example", ""),
        ("example", ""),
        ("", ""),
    ],
)
def test_a_domain_is_own_by_whole_labels(domain: str, found: str) -> None:
    assert OWN.find_domain(domain) == found
    assert OWN.contains_domain(domain) is bool(found)
    assert OWN.contains_address(f"x@{domain}") is bool(found)


def test_an_own_address_stays_one_with_a_foreign_one_in_quotes() -> None:
    assert OWN.contains_address('"x@evil.example"@contoso.com')
    assert not OWN.contains_address('"x@contoso.com"@evil.example')


def test_only_mail_to_a_domain_that_is_relayed_may_go_on() -> None:
    assert OWN.relays_unknown("x@relay.example")
    assert not OWN.relays_unknown("x@contoso.com")
    assert not OWN.relays_unknown("x@elsewhere.example")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Ann@Contoso.COM. ", "ann@contoso.com"),
        ('"a@b"@Contoso.com', '"a@b"@contoso.com'),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann", ""),
        ("@contoso.com", ""),
        ("ann@", ""),
        ("ann@contoso..com", ""),
        ("ann@con toso.com", ""),
        ("ann@contoso.com>", ""),
    ],
)
def test_an_address_compares_in_one_form_and_what_is_none_is_empty(text: str, address: str) -> None:
    assert normalize_address(text) == address


@pytest.mark.parametrize(
    ("raw", "kind", "value"),
    [
        ("ann@contoso.com", "smtp", "ann@contoso.com"),
        ('"Ann" [SMTP:ann@contoso.com]', "smtp", "ann@contoso.com"),
        ('"Ann" [smtp: ann@contoso.com ]', "smtp", "ann@contoso.com"),
        ('"[SMTP:own@contoso.com]" [SMTP:x@evil.example]', "smtp", "x@evil.example"),
        ('"Ann" [EX:/o=org/cn=ann]', "ex", "/o=org/cn=ann"),
        ('"Ann" [X500:/o=org/cn=ann]', "ex", "/o=org/cn=ann"),
        ("Ann [Board]", "", "Ann [Board]"),
        ("Ann <ann@contoso.com>", "smtp", "ann@contoso.com"),
        ("Ann <b@x> <SMTP:ann@contoso.com>", "smtp", "ann@contoso.com"),
        ("Ann > Ben", "", "Ann > Ben"),
        ("Ann>", "", "Ann>"),
        ("Ann < Ben", "", "Ann < Ben"),
        ("SMTP:ann@contoso.com", "smtp", "ann@contoso.com"),
        ("x500: /o=org", "ex", "/o=org"),
        ("/O=org/cn=ann", "ex", "/O=org/cn=ann"),
        ('"ann@contoso.com"', "", "ann@contoso.com"),
        ('"Ann', "", '"Ann'),
        ('Ann"', "", 'Ann"'),
        ('""', "", ""),
        ('"', "", '"'),
        (" Ann ", "", "Ann"),
    ],
)
def test_a_recipient_is_what_stands_where_its_kind_says(raw: str, kind: str, value: str) -> None:
    assert parse_recipient_string(raw) == (kind, value)


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("ann_smith_evil.example#EXT#@contoso.onmicrosoft.com", "ann_smith@evil.example"),
        ("contoso.com/users/ann_evil.example#ext#", "ann@evil.example"),
        ("a_b.example#EXT#_evil.example#EXT#@contoso.com", "a_b.example#ext#@evil.example"),
        ("ann_evil.example@contoso.com", ""),
        ("annevil.example#EXT#@contoso.com", ""),
        ("_evil.example#EXT#@contoso.com", ""),
    ],
)
def test_a_guest_came_from_the_address_in_its_name(name: str, origin: str) -> None:
    assert extract_guest_address(name) == origin


@pytest.mark.parametrize(
    ("text", "kind", "inner"),
    [
        ("IMCEAsmtp-ann+40evil+2Eexample@contoso.com", "smtp", "ann@evil.example"),
        ("imceaEX-_o=org_cn=ann@contoso.com", "ex", "/o=org/cn=ann"),
        ("IMCEASMTP-ann+4+40x@contoso.com", "smtp", "ann+4@x"),
        ("IMCEASMTP-a@b+40evil+2Eexample@contoso.com", "smtp", "a@b@evil.example"),
        ("IMCEASMTP-@contoso.com", "", ""),
        ("IMCEASMTP-ann+40evil+2Eexample", "", ""),
        ("ann@contoso.com", "", ""),
    ],
)
def test_an_encapsulated_address_is_the_one_inside(text: str, kind: str, inner: str) -> None:
    assert unwrap_address(text) == (kind, inner)


@pytest.mark.parametrize(
    ("address", "may_carry"),
    [
        ("ann.smith+x@contoso.com", False),
        ("x%evil.example@contoso.com", True),
        ("evil.example!x@contoso.com", True),
        ('"x@evil.example"@contoso.com', True),
        ("x@evil.example@contoso.com", True),
        ("@contoso.com", True),
    ],
)
def test_an_address_with_another_in_it_may_carry_a_route(address: str, may_carry: bool) -> None:
    assert may_carry_route(address) is may_carry


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("anna+parcel+x@contoso.com", "anna@contoso.com"),
        ("anna@contoso.com", ""),
        ("+parcel@contoso.com", ""),
        ("anna+parcel@", ""),
        ("anna+@contoso.com", "anna@contoso.com"),
        ('"a@b"+parcel@contoso.com', '"a@b"@contoso.com'),
        ("IMCEASMTP-ann+40x@contoso.com", ""),
    ],
)
def test_a_plus_address_is_that_of_its_base(address: str, base: str) -> None:
    assert strip_subaddress(address) == base


def wrap(address: str, times: int) -> str:
    """An address that is encapsulated so often."""
    for _ in range(times):
        inner = "".join(sign if sign.isalnum() else f"+{ord(sign):02X}" for sign in address)
        address = f"IMCEASMTP-{inner}@contoso.com"
    return address


@pytest.mark.parametrize(
    ("text", "outside"),
    [
        ("x@evil.example", "x@evil.example"),
        ("x@contoso.com", ""),
        ("nobody", ""),
        *((wrap("x@evil.example", times), "x@evil.example") for times in (1, 2, 3)),
        (wrap("x@evil.example", 4), ""),
        (wrap("x@contoso.com", 1), ""),
        ("ann_evil.example#EXT#@contoso.com", "ann@evil.example"),
        ("ann_evil.example#EXT#", "ann@evil.example"),
        ("ann_contoso.com#EXT#@contoso.com", ""),
    ],
)
def test_an_outside_address_is_found_however_it_is_hidden(text: str, outside: str) -> None:
    assert find_outside_address(text, OWN) == outside


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Ann", "Ann"),
        ('"Ann" [EX:/o=org]', "/o=org"),
        ("x@evil.example", ""),
        ("Ann@Contoso.com", "ann@contoso.com"),
        ("IMCEAEX-_o=org_cn=ann@contoso.com", "/o=org/cn=ann"),
        ("IMCEAFAX-5@contoso.com", "imceafax-5@contoso.com"),
        ("IMCEAFAX-ann+40contoso+2Ecom@contoso.com", "imceafax-ann+40contoso+2ecom@contoso.com"),
        (wrap("ann@contoso.com", 1), "ann@contoso.com"),
        (wrap("ann@contoso.com", 3), "ann@contoso.com"),
        (wrap("x@evil.example", 2), ""),
        ("IMCEASMTP-nobody@contoso.com", "imceasmtp-nobody@contoso.com"),
    ],
)
def test_exchange_is_asked_about_whom_a_recipient_stands_for(raw: str, name: str) -> None:
    assert get_lookup_name(raw, OWN) == name


def test_own_domains_are_those_that_are_accepted_with_what_is_below_and_what_is_relayed() -> None:
    accepted = [
        AcceptedDomain(" *.Parent.example "),
        AcceptedDomain("wide.example", includes_subdomains=True),
        AcceptedDomain("plain.example"),
        AcceptedDomain("relay.example", authoritative=False),
        AcceptedDomain(" "),
    ]
    assert OwnDomains.from_accepted_domains(accepted) == OwnDomains(
        frozenset({"parent.example", "wide.example", "plain.example", "relay.example"}),
        frozenset({"parent.example", "wide.example"}),
        frozenset({"relay.example"}),
    )


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("ann@x.example", "ann@x.example"),
        ("ann+thief+2@x.example", "ann@x.example"),
        ("a.nn@x.example", "a.nn@x.example"),
        ("a.n.n+x@gmail.com", "ann@gmail.com"),
        ("ann@googlemail.com", "ann@gmail.com"),
        # Nothing is left of these: they stay what they are.
        ("+ann@x.example", "+ann@x.example"),
        (".@gmail.com", ".@gmail.com"),
        ("ann", "ann"),
        ("", ""),
    ],
)
def test_where_mail_arrives_that_is_sent_to_a_part_of_an_address(address: str, base: str) -> None:
    assert find_base_address(address) == base


def test_the_file_of_providers_holds_domains() -> None:
    providers = load_mail_providers()
    assert {"gmail.com", "outlook.com", "web.de"} <= providers
    assert all(name == name.casefold().strip(". ") and "." in name for name in providers)
