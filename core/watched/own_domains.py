"""The tenant's own domains, where others are judged by them: one that is left out once stays, and
one that is new does not yet speak for anybody.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from core.property_values import show_text
from core.tenant.configuration import Configuration
from core.tenant.domain_memory import (
    SUBDOMAINS,
    DomainChange,
    list_domain_news,
    remember_domains,
    to_trait,
)
from core.tenant.domain_names import to_a_label
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import Reading

DOMAIN_SOURCES = frozenset({"accepted-domain", "domain"})
NEW_MARK = "(new)"
"""Stands among the properties of a domain that came lately; no property has such a name."""


def add_missing_domains(
    source: str,
    read: Reading[Configuration],
    known: Mapping[str, KnownTraits],
    now: datetime,
) -> tuple[Reading[Configuration], tuple[KnownTraits, ...]]:
    """The domains with those that the listing may only have left out, and what is to be remembered
    of them. Of one that is missing only the name is known, and one that is new is marked.
    """
    if read.failures or not read.complete or not read.items:
        return read, ()
    missing, noted = remember_domains((one.id for one in read.items), known, now)
    new = {one.name for one in list_domain_news(noted, now) if one.change is DomainChange.NEW}
    items = (
        replace(one, values={**one.values, NEW_MARK: True}) if get_trait(one) in new else one
        for one in read.items
    )
    rows = (Configuration(source, name, name, {}) for name in sorted(missing))
    return replace(read, items=(*items, *rows)), noted


def get_trait(domain: Configuration) -> str:
    """The name that a domain is remembered by."""
    return to_trait(to_a_label(domain.id.removeprefix(SUBDOMAINS)))


def list_own_names(domains: Iterable[Configuration] | None) -> Iterator[str]:
    """The names of all domains of the tenant: whoever passes for one of theirs is a colleague."""
    for one in domains or ():
        yield to_a_label(show_text(one.values, "DomainName") or one.id)


def list_settled_names(domains: Iterable[Configuration] | None) -> Iterator[str]:
    """The names of the domains that what leads there may be judged harmless by.

    Whoever may add a domain makes a server or an address of theirs look like the tenant's own.
    """
    return list_own_names(one for one in domains or () if NEW_MARK not in one.values)
