"""What changed about the organization's domains since a guard looked before. Pure.

Beside domains that appear or go it is known which of them relay mail. In an authoritative domain an
address that Exchange does not know does not exist. Whoever makes the domain a relay has mail for
such addresses delivered elsewhere: for those that never existed, and for people who left (Microsoft
Learn: Manage accepted domains in Exchange Online).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice

from core.tenant.domain_memory import (
    BUCKETS,
    KIND,
    DomainChange,
    DomainNews,
    build_bucket_id,
    get_bucket_id,
    list_domain_news,
    list_names,
    note_domains,
    to_trait,
)
from core.tenant.known_traits import KnownTraits, build_traits_key, note_traits
from core.tenant.mail_flow import AcceptedDomain

RELAYED_KIND = "relayed-domain"


def compare_domains(
    domains: Sequence[AcceptedDomain], known: Mapping[str, KnownTraits], now: datetime
) -> tuple[tuple[KnownTraits, ...], tuple[DomainNews, ...]]:
    """What is to be remembered after a look that read all domains, and what is news."""
    noted = note_domains(domains, known, now)
    relays = note_relayed_domains(domains, known, now)
    news = (*list_domain_news(noted, now), *list_relay_news(relays, noted, now))
    return (*noted, *relays), news


def note_relayed_domains(
    domains: Iterable[AcceptedDomain], known: Mapping[str, KnownTraits], now: datetime
) -> tuple[KnownTraits, ...]:
    """What is to be remembered of the relays after a look that read all domains.

    A domain of which this look does not say it stays what it was: only one that was authoritative
    in between begins to relay again.
    """
    told = {
        to_trait(name): one
        for one in domains
        if one.is_type_told
        for name in islice(list_names([one]), 1)
    }
    noted = []
    for mark in BUCKETS:
        bucket_id = build_bucket_id(mark)
        before = known.get(build_traits_key(bucket_id, RELAYED_KIND))
        relayed = {
            name
            for name, one in told.items()
            if not one.authoritative and get_bucket_id(name) == bucket_id
        }
        relayed |= {name for name in before.traits if name not in told} if before else set()
        if before or relayed:
            row = note_traits(known, bucket_id, RELAYED_KIND, relayed, now)
            noted.append(row if before else date_first_look(row, known))
    return tuple(noted)


def date_first_look(row: KnownTraits, known: Mapping[str, KnownTraits]) -> KnownTraits:
    """A row that begins now, with when the domains themselves were first looked at: if no domain
    relayed mail then, the first one that does is news.
    """
    domains = known.get(build_traits_key(row.object_id, KIND))
    return replace(row, first_looked_at=domains.first_looked_at) if domains else row


def list_relay_news(
    relays: Iterable[KnownTraits], domains: Iterable[KnownTraits], now: datetime
) -> Iterator[DomainNews]:
    """The domains that began to relay lately. A domain that is new as a whole is told as such."""
    new = {found for row in domains for found in row.list_new_traits(now)}
    for row in relays:
        for name, seen_at in row.list_new_traits(now):
            if (name, seen_at) not in new:
                yield DomainNews(name, seen_at, DomainChange.RELAYED)
