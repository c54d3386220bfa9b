"""Domains are remembered, so that one that appears is news and not yet the organization's own."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.tenant.domain_memory import (
    DomainChange,
    DomainNews,
    list_domain_news,
    list_missing_domains,
    list_names,
    note_domains,
    remember_domains,
    select_known_domains,
    to_trait,
)
from core.tenant.known_traits import MAX_TRAIT_LENGTH, NEWS_PERIOD, KnownTraits
from core.tenant.listing_memory import GONE
from core.tenant.mail_flow import AcceptedDomain

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWN = AcceptedDomain("contoso.com")
DROP = AcceptedDomain("drop.example")
LONG = AcceptedDomain(f"{'a' * 60}.{'b' * 60}.example")


def look(
    known: dict[str, KnownTraits], at: datetime, *domains: AcceptedDomain
) -> dict[str, KnownTraits]:
    return known | {row.key: row for row in note_domains(domains, known, at)}


def news(known: dict[str, KnownTraits], at: datetime) -> list[DomainNews]:
    return list(list_domain_news(known.values(), at))


def own(
    known: dict[str, KnownTraits], at: datetime, *domains: AcceptedDomain, asked: str = ""
) -> list[AcceptedDomain]:
    return select_known_domains(domains, known, at, lambda name: bool(asked) and name == asked)


def test_the_domains_of_the_first_look_are_the_organizations_own() -> None:
    known = look({}, START, OWN, DROP, LONG)
    assert news(known, START) == []
    assert own({}, START, OWN, DROP) == [OWN, DROP]
    for at in (START, START + HOUR):
        assert own(known, at, OWN, DROP, LONG) == [OWN, DROP, LONG]
    later = look(known, START + HOUR, OWN, DROP, LONG)
    assert news(later, START + HOUR) == []


@pytest.mark.parametrize("domain", [DROP, AcceptedDomain("Drop.Example."), LONG])
def test_a_domain_that_appears_is_news_and_not_inside_until_it_is_answered(
    domain: AcceptedDomain,
) -> None:
    first = look({}, START, OWN)
    assert own(first, START + HOUR, OWN, domain) == [OWN]
    second = look(first, START + HOUR, OWN, domain)
    (found,) = news(second, START + HOUR)
    assert found.change is DomainChange.NEW
    assert own(second, START + HOUR, OWN, domain) == [OWN]
    third, at = look(second, START + 2 * HOUR, OWN, domain), START + 2 * HOUR
    assert news(third, at) == [found]
    assert own(third, at, OWN, domain, asked=found.name) == [OWN]
    assert own(third, at, OWN, domain) == [OWN, domain]
    much_later = START + HOUR + NEWS_PERIOD
    assert news(third, much_later) == []
    assert own(third, much_later, OWN, domain, asked=found.name) == [OWN, domain]


def test_everything_below_a_domain_is_a_domain_of_its_own() -> None:
    first, wide = look({}, START, OWN), replace(OWN, includes_subdomains=True)
    assert own(first, START + HOUR, wide) == [OWN]
    second = look(first, START + HOUR, wide)
    assert [one.name for one in news(second, START + HOUR)] == ["*.contoso.com"]
    at = START + 2 * HOUR
    assert own(second, at, wide, asked="*.contoso.com") == [OWN]
    assert own(second, at, wide) == [wide]
    assert own(look({}, START, wide), at, wide) == [wide]


def test_a_domain_that_goes_is_news_until_it_comes_back() -> None:
    first = look({}, START, OWN, DROP)
    second = look(first, START + HOUR, OWN)
    gone = DomainNews("drop.example", START + HOUR, DomainChange.GONE)
    assert news(second, START + HOUR) == [gone]
    third = look(second, START + 2 * HOUR, OWN)
    assert news(third, START + 2 * HOUR) == [gone]
    fourth = look(third, START + 3 * HOUR, OWN)
    assert news(fourth, START + 3 * HOUR) == [gone]
    forgotten = look(fourth, START + HOUR + NEWS_PERIOD, OWN)
    assert {name for row in forgotten.values() for name in row.traits} == {"contoso.com"}
    assert news(forgotten, START + HOUR + NEWS_PERIOD) == []
    back = look(third, START + 3 * HOUR, OWN, DROP)
    assert news(back, START + 3 * HOUR) == [DomainNews("drop.example", START + 3 * HOUR)]


def test_many_domains_are_remembered_one_by_one() -> None:
    domains = [AcceptedDomain(f"d{number}.example") for number in range(2_000)]
    known = look({}, START, *domains)
    assert all(len(row.traits) < 300 for row in known.values())
    later = look(known, START + HOUR, *domains[1:], DROP)
    assert {(one.name, one.change) for one in news(later, START + HOUR)} == {
        ("drop.example", DomainChange.NEW),
        ("d0.example", DomainChange.GONE),
    }


def missing(
    known: dict[str, KnownTraits], at: datetime, *domains: AcceptedDomain
) -> set[tuple[str, bool]]:
    found = list_missing_domains(domains, known, at)
    return {(one.name, one.authoritative) for one in found}


def test_a_settled_domain_that_is_missing_is_in_doubt_for_an_hour() -> None:
    wide = replace(OWN, includes_subdomains=True)
    known = look({}, START, wide, DROP)
    later = START + 24 * HOUR
    both = {("contoso.com", False), ("*.contoso.com", False)}
    assert missing(known, later, DROP) == both
    assert missing(known, later, wide, DROP) == set()
    known = look(known, later, DROP)
    assert missing(known, later + 0.9 * HOUR, DROP) == both
    assert missing(known, later + HOUR, DROP) == set()


def test_a_new_domain_that_is_missing_again_was_never_the_organizations() -> None:
    known = look(look({}, START, OWN), START + 24 * HOUR, OWN, DROP)
    assert missing(known, START + 30 * HOUR, OWN) == set()


def test_names_below_a_domain_stay_its_own_when_exchange_stops_to_say_so() -> None:
    wide = replace(OWN, includes_subdomains=True)
    silent = replace(OWN, are_subdomains_told=False)
    known, at = look({}, START, wide), START + 3 * HOUR
    assert own(known, at, silent) == [replace(silent, includes_subdomains=True)]
    assert list(list_missing_domains([silent], known, at)) == []
    later = look(known, at, silent)
    assert news(later, at) == []
    assert own(later, at + HOUR, wide) == [wide]
    # Who says that they are not is believed, and what was never said is not made up.
    assert own(known, at, OWN) == [OWN]
    assert own(look({}, START, silent), at, silent) == [silent]
    assert news(look(look({}, START, silent), at, silent), at) == []


def test_a_domain_with_a_star_is_the_domain_and_all_below_it() -> None:
    below = ["contoso.com", "*.contoso.com"]
    assert list(list_names([AcceptedDomain("*.Contoso.com.")])) == below
    assert list(list_names([replace(OWN, includes_subdomains=True)])) == below
    assert list(list_names([OWN])) == ["contoso.com"]
    known = look({}, START, AcceptedDomain("*.contoso.com"))
    silent = AcceptedDomain("*.contoso.com", are_subdomains_told=False)
    assert news(look(known, START + HOUR, silent), START + HOUR) == []


def test_what_is_no_domain_is_not_the_organization_s() -> None:
    nameless = replace(OWN, name="*.", includes_subdomains=True)
    assert list(list_names([nameless, AcceptedDomain(" ")])) == []
    assert own({}, START, OWN, nameless, AcceptedDomain(" ")) == [OWN]


@pytest.mark.parametrize(
    ("length", "is_whole"), [(62, True), (63, True), (64, False), (200, False)]
)
def test_a_long_name_fits_into_a_row_with_its_mark(length: int, is_whole: bool) -> None:
    name = "a" * length
    trait = to_trait(name)
    assert (trait == name) is is_whole
    assert len(f"{GONE}{trait}") == min(length + 1, MAX_TRAIT_LENGTH)
    assert to_trait(f"{name}a") != trait


def test_after_a_long_pause_only_domains_are_missing() -> None:
    known = look(look({}, START, OWN, DROP), START + HOUR, OWN)
    assert missing(known, START + 2 * NEWS_PERIOD, OWN) == set()


def test_another_guard_remembers_what_was_listed_until_it_is_gone_for_good() -> None:
    missed, rows = remember_domains(["contoso.com"], {}, START)
    assert (missed, len(rows)) == (frozenset(), 1)
    known = {row.key: row for row in rows}
    missed, rows = remember_domains([], known, START + HOUR)
    assert missed == {"contoso.com"}
    assert {row.key for row in rows} == known.keys()
    known = {row.key: row for row in rows}
    known = {row.key: row for row in remember_domains([], known, START + 3 * HOUR)[1]}
    missed, rows = remember_domains([], known, START + HOUR + NEWS_PERIOD)
    assert missed == frozenset()
    # The row is emptied, and not left as it was.
    assert [(row.key in known, dict(row.traits)) for row in rows] == [(True, {})]


def test_another_guard_knows_a_domain_as_new_also_where_its_bucket_was_empty() -> None:
    names = [f"d{number}.example" for number in range(40)]
    known = {row.key: row for row in remember_domains(names[:1], {}, START)[1]}
    at = START + HOUR
    rows = remember_domains(names, known, at)[1]
    assert {one.name for one in list_domain_news(rows, at)} == {*names[1:]}
    assert {row.first_looked_at for row in rows} == {START}
