"""Domains that are made to be taken for one of the tenant's own. Pure.

A guest of `c0ntoso.com` or `contosso.com` is read as a colleague. A domain is compared as a reader
takes it: without accents, with letters of other alphabets and digits as the letters they look like.
"""

from collections.abc import Iterable

from core.look_alikes import list_readings

MIN_LENGTH = 6
"""A shorter name is a letter away from too many others."""


def find_look_alike(domain: str, own: Iterable[str]) -> str:
    """The own domain that a domain looks like; empty for none, and for the own ones and those
    below them.
    """
    shown = decode_domain(domain)
    known = sorted({one.casefold() for one in own})
    if any(domain.casefold() == one or domain.casefold().endswith(f".{one}") for one in known):
        return ""
    return next((one for one in known if is_alike(shown, decode_domain(one))), "")


def decode_domain(domain: str) -> str:
    """A domain as it is shown to people."""
    folded = domain.casefold().strip(".")
    try:
        return folded.encode("ascii").decode("idna") if "xn--" in folded else folded
    except UnicodeError:
        return folded


def is_alike(domain: str, own: str) -> bool:
    """Whether a reader takes one domain for the other."""
    if not set(list_readings(domain)).isdisjoint(list_readings(own)):
        return True
    name, _, rest = domain.partition(".")
    own_name, _, own_rest = own.partition(".")
    return (
        rest == own_rest
        and min(len(name), len(own_name)) >= MIN_LENGTH
        and is_one_slip_away(name, own_name)
    )


def is_one_slip_away(one: str, other: str) -> bool:
    """Whether two names differ by one letter: another, one more, one less, or two swapped."""
    if len(one) == len(other):
        differing = [place for place in range(len(one)) if one[place] != other[place]]
        if len(differing) == 2:
            first, second = differing
            return (
                second == first + 1 and one[first] == other[second] and one[second] == other[first]
            )
        return len(differing) == 1
    short, long = sorted((one, other), key=len)
    if len(long) - len(short) != 1:
        return False
    return any(long[:place] + long[place + 1 :] == short for place in range(len(long)))
