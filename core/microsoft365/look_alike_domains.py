"""Domains that are made to be taken for one of the tenant's own. Pure.

A guest of `c0ntoso.com`, `mail.contosso.com` or `contoso.com.evil.example` is read as a colleague.
A domain is compared as a reader takes it: without accents, with letters of other alphabets and
digits as the letters they look like, and wherever in a longer name it stands.
"""

from collections.abc import Iterable, Iterator

from core.look_alikes import list_readings

MIN_LENGTH = 6
"""A shorter label is a letter away from too many others."""
COUNTRY_LENGTH = 2
"""The top-level domains of countries have two letters, and no others do."""


def find_look_alike(domain: str, own: Iterable[str]) -> str:
    """The own domain that a domain looks like; empty for none, and for the own ones and those
    below them.
    """
    shown = decode_domain(domain)
    known = sorted({one.casefold() for one in own})
    if any(domain.casefold() == one or domain.casefold().endswith(f".{one}") for one in known):
        return ""
    return next((one for one in known if holds_look_alike(shown, decode_domain(one))), "")


def decode_domain(domain: str) -> str:
    """A domain as it is shown to people."""
    folded = domain.casefold().strip(".")
    try:
        return folded.encode("ascii").decode("idna") if "xn--" in folded else folded
    except UnicodeError:
        return folded


def holds_look_alike(domain: str, own: str) -> bool:
    """Whether a reader finds an own domain in another one: in its end, or before a name of others.

    Behind an own domain the letters of a country make it the same name elsewhere, which is as much
    or as little the organization's as `contoso.net`: `contoso.com.au`.
    """
    return any(is_alike(part, own) for part in list_parts(domain, own.count(".") + 1))


def list_parts(domain: str, count: int) -> Iterator[str]:
    """So many labels of a domain that follow one another, in every place."""
    labels = domain.split(".")
    for start in range(len(labels) - count + 1):
        behind = labels[start + count :]
        if not (len(behind) == 1 and len(behind[0]) == COUNTRY_LENGTH):
            yield ".".join(labels[start : start + count])


def is_alike(domain: str, own: str) -> bool:
    """Whether a reader takes one domain for another of as many labels: it reads the same, or one
    label is a slip away.
    """
    if not set(list_readings(domain)).isdisjoint(list_readings(own)):
        return True
    differing = [
        pair for pair in zip(domain.split("."), own.split("."), strict=True) if pair[0] != pair[1]
    ]
    return (
        len(differing) == 1
        and min(map(len, differing[0])) >= MIN_LENGTH
        and is_one_slip_away(*differing[0])
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
