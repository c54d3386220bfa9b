"""Domains that begin to relay mail are news, and those that always did are not."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from core.tenant.domain_changes import compare_domains, note_relayed_domains
from core.tenant.domain_memory import DomainChange, DomainNews
from core.tenant.known_traits import NEWS_PERIOD, KnownTraits
from core.tenant.mail_flow import AcceptedDomain

START = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OWN = AcceptedDomain("contoso.com")
RELAY = AcceptedDomain("contoso.com", authoritative=False)
UNTOLD = AcceptedDomain("contoso.com", authoritative=False, is_type_told=False)
LONG = AcceptedDomain(f"{'a' * 60}.{'b' * 60}.example")


class Looks:
    """What is remembered from look to look, and the news of the last one."""

    def __init__(self) -> None:
        self.known = dict[str, KnownTraits]()

    def look(self, at: datetime, *domains: AcceptedDomain) -> list[DomainNews]:
        rows, news = compare_domains(domains, self.known, at)
        self.known |= {row.key: row for row in rows}
        return [one for one in news if one.change is DomainChange.RELAYED]


def test_a_domain_that_always_relayed_is_no_news_and_one_that_begins_to_is() -> None:
    looks = Looks()
    assert looks.look(START, RELAY) == []
    assert looks.look(START + HOUR, RELAY) == []
    looks = Looks()
    assert looks.look(START, OWN) == []
    began = DomainNews("contoso.com", START + HOUR, DomainChange.RELAYED)
    assert looks.look(START + HOUR, RELAY) == [began]
    assert looks.look(START + 2 * HOUR, RELAY) == [began]
    assert looks.look(START + HOUR + NEWS_PERIOD, RELAY) == []


def test_a_domain_that_stops_to_relay_is_no_news_and_is_when_it_begins_again() -> None:
    looks = Looks()
    looks.look(START, RELAY)
    assert looks.look(START + HOUR, OWN) == []
    (again,) = looks.look(START + 2 * HOUR, RELAY)
    assert again.seen_at == START + 2 * HOUR


def test_a_type_that_is_not_said_and_a_domain_that_is_left_out_once_change_nothing() -> None:
    looks = Looks()
    looks.look(START, RELAY, LONG)
    assert looks.look(START + HOUR, UNTOLD, LONG) == []
    assert looks.look(START + 2 * HOUR, LONG) == []
    assert looks.look(START + 3 * HOUR, RELAY, LONG) == []
    looks = Looks()
    looks.look(START, OWN)
    assert looks.look(START + HOUR, UNTOLD) == []


def test_a_domain_that_is_new_as_a_whole_is_told_as_that_and_relaying_later_apart() -> None:
    looks = Looks()
    looks.look(START, LONG)
    assert looks.look(START + HOUR, LONG, RELAY) == []
    assert looks.look(START + 2 * HOUR, LONG, RELAY) == []
    looks = Looks()
    looks.look(START, LONG)
    looks.look(START + HOUR, LONG, OWN)
    (began,) = looks.look(START + 2 * HOUR, LONG, RELAY)
    assert began.change is DomainChange.RELAYED


def test_nothing_is_remembered_of_a_tenant_without_relays() -> None:
    nameless = AcceptedDomain(".", authoritative=False)
    assert note_relayed_domains([OWN, LONG, nameless], {}, START) == ()


def test_what_lies_below_a_relay_is_no_relay_of_its_own() -> None:
    looks = Looks()
    wide = AcceptedDomain("contoso.com", includes_subdomains=True)
    looks.look(START, wide)
    began = looks.look(START + HOUR, replace(wide, authoritative=False))
    assert [one.name for one in began] == ["contoso.com"]
