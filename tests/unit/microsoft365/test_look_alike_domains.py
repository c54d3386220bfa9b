"""Domains that are made to be taken for an own one."""

import pytest

from core.microsoft365.look_alike_domains import find_look_alike, is_one_slip_away

OWN = ("contoso.com", "fabrikam.example")


@pytest.mark.parametrize(
    ("domain", "like"),
    [
        ("c0ntoso.com", "contoso.com"),
        ("CONTOS0.COM", "contoso.com"),
        ("contosso.com", "contoso.com"),
        ("contso.com", "contoso.com"),
        ("contsoo.com", "contoso.com"),
        ("cont\u043eso.com", "contoso.com"),
        ("xn--contso-9ze.com", ""),
        ("fabrikarn.example", "fabrikam.example"),
        ("mail.c0ntoso.com", "contoso.com"),
        ("a.b.contosso.com", "contoso.com"),
        ("contoso.com.evil.example", "contoso.com"),
        ("login.contoso.com.evil.example", "contoso.com"),
        ("c0ntoso.com.evil.example", "contoso.com"),
        ("contoso.com.evil", "contoso.com"),
        ("contoso.com.au", ""),
        ("contoso.com.evil.au", "contoso.com"),
        ("mycontoso.com", ""),
        ("evil.example.com", ""),
        ("contoso.com", ""),
        ("mail.contoso.com", ""),
        ("harbour.example", ""),
        ("contoso.net", ""),
        ("", ""),
    ],
)
def test_a_reader_takes_it_for_an_own_domain_or_does_not(domain: str, like: str) -> None:
    assert find_look_alike(domain, OWN) == like


def test_a_name_in_another_alphabet_is_read_as_it_is_shown() -> None:
    encoded = "c\u043entoso.com".encode("idna").decode("ascii")
    assert encoded.startswith("xn--")
    assert find_look_alike(encoded, OWN) == "contoso.com"


@pytest.mark.parametrize(("domain", "like"), [("abd.com", ""), ("xn--\u2603", "")])
def test_short_names_and_broken_ones_are_like_nothing(domain: str, like: str) -> None:
    assert find_look_alike(domain, ("abc.com",)) == like


@pytest.mark.parametrize(
    ("domain", "like"),
    [
        ("corp.c0ntoso.com", "corp.contoso.com"),
        ("corp.contosso.com", "corp.contoso.com"),
        ("contosso.com", ""),
        ("mail.corp.contoso.org", ""),
        ("shop.contoso.com", ""),
    ],
)
def test_an_own_domain_of_several_labels_is_compared_label_by_label(domain: str, like: str) -> None:
    assert find_look_alike(domain, ("corp.contoso.com",)) == like


@pytest.mark.parametrize(
    ("one", "other", "is_near"),
    [
        ("contoso", "contozo", True),
        ("contoso", "cnotoso", True),
        ("contoso", "contosoo", True),
        ("contoso", "contos", True),
        ("contoso", "contoso", False),
        # Two letters that differ are no slip unless they changed places side by side.
        ("contoso", "cxntxso", False),
        ("contoso", "cnotxso", False),
        ("abcd", "abxy", False),
        ("abcd", "abdx", False),
        ("abcd", "abxc", False),
        ("abca", "cbaa", False),
    ],
)
def test_one_letter_more_less_other_or_two_swapped_are_a_slip(
    one: str, other: str, is_near: bool
) -> None:
    assert is_one_slip_away(one, other) is is_near
    assert is_one_slip_away(other, one) is is_near
