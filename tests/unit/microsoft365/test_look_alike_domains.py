"""Domains that are made to be taken for an own one."""

import pytest

from core.microsoft365.look_alike_domains import find_look_alike

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
