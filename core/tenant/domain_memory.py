"""Which domains the organization accepted when a guard looked before, so that a new one is known.

Whoever may add a domain to the tenant makes an address of theirs look like a colleague's. So a
domain that appeared lately is not yet believed to be the organization's own. Pure.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from core.keys import hash_parts
from core.tenant.domain_names import to_a_label
from core.tenant.known_traits import (
    MAX_TRAIT_LENGTH,
    NEWS_PERIOD,
    KnownTraits,
    build_traits_key,
    note_traits,
)
from core.tenant.listing_memory import GONE, is_in_doubt
from core.tenant.mail_flow import AcceptedDomain

KIND = "accepted-domain"
ASKED_KIND = "accepted-domain-asked"
"""Of new domains about which nobody has answered yet."""
BUCKETS = "0123456789abcdef"
"""A tenant may have thousands of domains, and a row remembers a few hundred."""
SUBDOMAINS = "*."


class DomainChange(StrEnum):
    """What happened to a domain."""

    NEW = "new"
    GONE = "gone"
    RELAYED = "relayed"
    """Mail for addresses that Exchange does not know goes to a mail system elsewhere now."""


@dataclass(frozen=True, slots=True)
class DomainNews:
    """What happened to a domain, and when that was first seen."""

    name: str
    """The domain; `*.example.org` for everything below one."""
    seen_at: datetime
    change: DomainChange = DomainChange.NEW


def build_bucket_id(mark: str) -> str:
    """The object under which the domains of one bucket are remembered."""
    return f"accepted-domains-{mark}"


def get_bucket_id(name: str) -> str:
    """The object under which a domain is remembered."""
    return build_bucket_id(hash_parts(name)[0])


def to_trait(name: str) -> str:
    """A domain's name as it is remembered; a long one is cut and told apart by its hash."""
    longest = MAX_TRAIT_LENGTH - len(GONE)
    return name if len(name) <= longest else f"{name[: longest - 13]}~{hash_parts(name)[:12]}"


def list_names(domains: Iterable[AcceptedDomain]) -> Iterator[str]:
    """The names to remember: each domain, and what accepts everything below it."""
    for domain in domains:
        name = to_a_label(domain.name.removeprefix(SUBDOMAINS))
        if name:
            yield name
        if name and (domain.includes_subdomains or domain.name.startswith(SUBDOMAINS)):
            yield f"{SUBDOMAINS}{name}"


def keep_subdomains(
    domains: Iterable[AcceptedDomain], known: Mapping[str, KnownTraits]
) -> Iterator[AcceptedDomain]:
    """The domains, with what was known of the names below those of which Exchange does not say it:
    a property that is not printed any more is no domain that went.
    """
    for domain in domains:
        trait = to_trait(f"{SUBDOMAINS}{to_a_label(domain.name.removeprefix(SUBDOMAINS))}")
        row = known.get(build_traits_key(get_bucket_id(trait), KIND))
        is_kept = row is not None and trait in row.traits and not domain.are_subdomains_told
        yield replace(domain, includes_subdomains=True) if is_kept else domain


def note_domains(
    domains: Iterable[AcceptedDomain], known: Mapping[str, KnownTraits], now: datetime
) -> tuple[KnownTraits, ...]:
    """What is to be remembered of the domains after a look that read all of them."""
    names = [to_trait(name) for name in list_names(keep_subdomains(domains, known))]
    noted = []
    for mark in BUCKETS:
        bucket_id = build_bucket_id(mark)
        here = {name for name in names if get_bucket_id(name) == bucket_id}
        before = known.get(build_traits_key(bucket_id, KIND))
        gone = (
            {*list_gone(before, here, now), *list_in_doubt(before, here, now)} if before else set()
        )
        noted.append(note_traits(known, bucket_id, KIND, here | gone, now))
    return tuple(noted)


def list_gone(before: KnownTraits, present: Collection[str], now: datetime) -> Iterator[str]:
    """The marks of domains that were known and are not there, as long as that is news."""
    for trait, seen_at in before.traits.items():
        if trait.startswith(GONE):
            if trait.removeprefix(GONE) not in present and now - seen_at < NEWS_PERIOD:
                yield trait
        elif trait not in present:
            yield f"{GONE}{trait}"


def list_in_doubt(before: KnownTraits, present: Collection[str], now: datetime) -> Iterator[str]:
    """The settled domains that are not there, or not since the last hour: they went, or a listing
    left them out. One that is back at the next look is no new one.
    """
    new = dict(before.list_new_traits(now))
    for trait in before.traits:
        is_missing = not trait.startswith(GONE) and trait not in present and trait not in new
        if is_missing and is_in_doubt(before, trait, now):
            yield trait


def list_domain_news(noted: Iterable[KnownTraits], now: datetime) -> Iterator[DomainNews]:
    """The domains that appeared or went lately."""
    for row in noted:
        for trait, seen_at in row.list_new_traits(now):
            change = DomainChange.GONE if trait.startswith(GONE) else DomainChange.NEW
            yield DomainNews(trait.removeprefix(GONE), seen_at, change)


def note_questions(
    noted: Iterable[KnownTraits],
    known: Mapping[str, KnownTraits],
    now: datetime,
    is_asked: Callable[[str], bool],
) -> Iterator[KnownTraits]:
    """Which new domains are in question, for those who do not know every case. `noted` is what is
    remembered of the domains now.
    """
    for row in noted:
        if row.kind != KIND:
            continue
        asked = {
            trait
            for trait, seen_at in row.list_new_traits(now)
            if not trait.startswith(GONE) and (seen_at == now or is_asked(trait))
        }
        if asked or build_traits_key(row.object_id, ASKED_KIND) in known:
            yield note_traits(known, row.object_id, ASKED_KIND, asked, now)


def is_in_question(trait: str, known: Mapping[str, KnownTraits]) -> bool:
    """Whether nobody had answered about a new domain at the last look at all domains."""
    row = known.get(build_traits_key(get_bucket_id(trait), ASKED_KIND))
    return row is not None and trait in row.traits


def select_known_domains(
    domains: Iterable[AcceptedDomain],
    known: Mapping[str, KnownTraits],
    now: datetime,
    is_asked: Callable[[str], bool],
) -> list[AcceptedDomain]:
    """The domains that count as the organization's own: all but new ones that are in question.

    `is_asked` says of a new domain, by the name it is remembered by, whether it still is.
    """

    def is_answered(name: str) -> bool:
        trait = to_trait(name)
        row = known.get(build_traits_key(get_bucket_id(trait), KIND))
        if row is None:
            return True
        if trait not in row.traits:
            return False
        news = dict(row.list_new_traits(now))
        return trait not in news or not (is_asked(trait) or news[trait] == now)

    found = []
    for domain in keep_subdomains(domains, known):
        name, *below = list(list_names([domain])) or [""]
        if name and is_answered(name):
            wide = domain.includes_subdomains and all(map(is_answered, below))
            found.append(replace(domain, includes_subdomains=wide))
    return found


def list_missing_domains(
    domains: Iterable[AcceptedDomain], known: Mapping[str, KnownTraits], now: datetime
) -> Iterator[AcceptedDomain]:
    """The domains of the organization that this look, or one of the last hour, lacks.

    They count as relayed. So an address of theirs that Exchange does not know is neither inside
    nor outside until it is known whether they went.
    """
    present = {to_trait(name) for name in list_names(keep_subdomains(domains, known))}
    for mark in BUCKETS:
        if row := known.get(build_traits_key(build_bucket_id(mark), KIND)):
            for name in list_in_doubt(row, present, now):
                yield AcceptedDomain(name, authoritative=False)


def remember_domains(
    names: Iterable[str], known: Mapping[str, KnownTraits], now: datetime
) -> tuple[frozenset[str], tuple[KnownTraits, ...]]:
    """The domains that a whole listing lacks for the first time, or since the last hour, and what
    is to be remembered: for a guard that is told of new ones elsewhere.

    A bucket that was empty so far has no row. So what comes into it is dated by those that have.
    """
    domains = [AcceptedDomain(name) for name in names]
    missing = frozenset(one.name for one in list_missing_domains(domains, known, now))
    rows = note_domains(domains, known, now)
    begun = min((row.first_looked_at for row in rows if row.key in known), default=now)
    return missing, tuple(
        row if row.key in known else replace(row, first_looked_at=begun)
        for row in rows
        if row.traits or row.key in known
    )
