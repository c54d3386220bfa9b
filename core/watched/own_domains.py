"""The tenant's own domains, where others are judged by them: one that is left out once stays."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from core.tenant.configuration import Configuration
from core.tenant.domain_memory import remember_domains
from core.tenant.known_traits import KnownTraits
from core.tenant.readings import Reading

DOMAIN_SOURCES = frozenset({"accepted-domain", "domain"})


def add_missing_domains(
    source: str,
    read: Reading[Configuration],
    known: Mapping[str, KnownTraits],
    now: datetime,
) -> tuple[Reading[Configuration], tuple[KnownTraits, ...]]:
    """The domains with those that the listing may only have left out, and what is to be remembered
    of them. Of one that is missing only the name is known.
    """
    if read.failures or not read.complete or not read.items:
        return read, ()
    missing, noted = remember_domains((one.id for one in read.items), known, now)
    rows = tuple(Configuration(source, name, name, {}) for name in sorted(missing))
    return replace(read, items=(*read.items, *rows)), noted
