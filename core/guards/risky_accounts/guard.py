"""The threat: an account is in other hands, and Microsoft says so where nobody looks.

Identity Protection sees what no setting shows: a leaked password, a token that is used elsewhere, a
sign-in through an anonymous network. Its list fills by itself, and a user on it whose risk rises
again stands there as before. So each change of a user's risk is told anew.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from core.guards.risky_accounts.items import (
    NoProtection,
    RiskyAccount,
    build_accounts,
    group_detections,
)
from core.guards.risky_accounts.judge import PROTECTION, RISK, RiskItem, judge
from core.guards.risky_accounts.sign_ins import read_sign_ins
from core.guards.risky_accounts.verdicts import VERDICT_TEXTS
from core.microsoft365.assumptions.graph_logs import RISK_FILTER
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.model.guards import Guard, ObserveContext, Permission, Service, SingleLook
from core.tenant.configuration import Configuration
from core.tenant.directory import Account
from core.tenant.known_traits import NEWS_PERIOD, KnownTraits, build_traits_key, note_traits
from core.tenant.merging import collect_sources
from core.tenant.port import HasAccounts, HasConfiguration
from core.tenant.readings import ListedCount, ReadFailure, Reading
from core.tenant.sources import ACCOUNTS
from core.watched.guard import say_it_was_read

RELIES_ON = (RISK_FILTER,)

USERS, DETECTIONS = "risky-user", "risk-detection"
MAX_LOOKUPS = 500
LIST_TRAIT = "risk-list"
"""The kind of the row that says that a list could be read."""


class RiskPorts(HasAccounts, HasConfiguration, Protocol):
    """The ports this guard reads."""


async def observe(tenant: RiskPorts, context: ObserveContext) -> AsyncIterator[Reading[RiskItem]]:
    """Single sign-ins of the log; accounts at risk with their detections, but for deleted ones."""
    yield await read_sign_ins(tenant, context)
    users = await tenant.configuration.read_configuration(USERS)
    detections = await tenant.configuration.read_configuration(DETECTIONS)
    lists = {USERS: users, DETECTIONS: detections}
    withdrawn = list(list_withdrawn(lists, context))
    if is_absent(users) and is_absent(detections) and not withdrawn:
        yield Reading(
            items=(NoProtection(),),
            failures=(*users.failures, *detections.failures),
            sources=frozenset({RISK}),
            population=1,
        )
        return
    found, known = await read_risky_accounts(tenant, users, detections)
    broken = [replace(failure, source=RISK) for failure in list_gaps((users, detections))]
    broken += withdrawn
    yield Reading(
        items=found,
        failures=(
            *broken,
            *(replace(failure, optional=True) for failure in known.failures),
            *(one for part in (users, detections) for one in part.failures if one.optional),
        ),
        sources=collect_sources((users, detections, known)) | {RISK},
        population=1,
        complete=not broken,
        listed_counts={RISK: ListedCount(len(found), frozenset({RISK}))},
        known_traits=tuple(note_lists(lists, context)),
    )


async def read_risky_accounts(
    tenant: HasAccounts, users: Reading[Configuration], detections: Reading[Configuration]
) -> tuple[tuple[RiskyAccount, ...], Reading[Account]]:
    """The accounts at risk, with what Entra says of them: deleted users stay at risk for ever, and
    Graph does not mark them (graph2otel, 2026-07).
    """
    found = build_accounts(users.items, group_detections(detections.items))
    asked = [one.id for one in found[:MAX_LOOKUPS]]
    known: Reading[Account] = Reading(sources=frozenset({ACCOUNTS}))
    if asked:
        known = await tenant.accounts.read_users(asked)
    there = {one.id.casefold() for one in known.items}
    unread = {failure.object_id.casefold() for failure in known.failures}
    unread.update(one.id for one in found[MAX_LOOKUPS:])
    told = (
        replace(one, is_known=None if unread & {"", one.id} else one.id in there) for one in found
    )
    return tuple(told), known


async def look_up_accounts(
    tenant: RiskPorts, context: ObserveContext, ids: Sequence[str]
) -> Reading[RiskItem]:
    """A few accounts that were at risk, each asked for alone, in the lists that the tenant has."""
    asked = [one for one in ids if one != PROTECTION]
    lists = {USERS: Reading[Configuration](), DETECTIONS: Reading[Configuration]()}
    for name in lists:
        if was_read(name, context):
            lists[name] = await tenant.configuration.read_objects(name, asked)
    found, _ = await read_risky_accounts(tenant, lists[USERS], lists[DETECTIONS])
    return Reading(
        items=found,
        failures=tuple(
            replace(one, source=RISK) for part in lists.values() for one in part.failures
        ),
        sources=frozenset({RISK}),
        scope=frozenset(ids),
    )


def note_lists(
    lists: Mapping[str, Reading[Configuration]], context: ObserveContext
) -> Iterator[KnownTraits]:
    """Which of the lists could be read, for the next look to know that they are there."""
    for name, reading in lists.items():
        if not reading.failures:
            yield note_traits(context.known_traits, name, LIST_TRAIT, (), context.policy.now)


def was_read(name: str, context: ObserveContext) -> bool:
    """Whether a list could be read within a month."""
    known = context.known_traits.get(build_traits_key(name, LIST_TRAIT))
    return known is not None and context.policy.now - known.last_seen_at < NEWS_PERIOD


def list_withdrawn(
    lists: Mapping[str, Reading[Configuration]], context: ObserveContext
) -> Iterator[ReadFailure]:
    """The lists that are refused as if there were none, although they were read within a month.

    Tenants with the licence are refused for want of it now and then, and a permission can be taken
    away: nobody is safe because of it.
    """
    for name, reading in lists.items():
        if not was_read(name, context):
            continue
        for failure in reading.failures:
            if failure.optional and not failure.object_id:
                reason = say_it_was_read(failure)
                yield replace(failure, source=RISK, reason=reason, optional=False)


def is_absent(reading: Reading[Configuration]) -> bool:
    """Whether a source was refused as a whole: for want of a licence, or of the permission."""
    return any(one.optional and not one.object_id for one in reading.failures)


def list_gaps(readings: tuple[Reading[Configuration], ...]) -> list[ReadFailure]:
    """What of them was not read although it is there."""
    return [one for part in readings for one in part.failures if not one.optional]


GUARD = Guard(
    name="risky-accounts",
    title="Accounts at risk",
    looks_for="accounts that Identity Protection rates as at risk or compromised, each time their "
    "risk changes; first sign-ins by device code or bare password, floods of prompts",
    rationale="Microsoft knows of leaked passwords and stolen tokens; somebody has to hear of it.",
    verdicts=VERDICT_TEXTS,
    permissions=(
        Permission(
            Service.GRAPH,
            CONFIGURATION_SOURCES[USERS].permission,
            "which accounts are at risk (Entra ID P2)",
            optional=True,
        ),
        Permission(
            Service.GRAPH,
            CONFIGURATION_SOURCES[DETECTIONS].permission,
            "what was detected, and from where (Entra ID P1)",
            optional=True,
        ),
        Permission(Service.GRAPH, "User.Read.All", "whether such an account still exists"),
        Permission(
            Service.GRAPH,
            "AuditLog.Read.All",
            "who signs in by device code or bare password, and whom prompts flood (Entra ID P1)",
            optional=True,
        ),
    ),
    observe=observe,
    judge=judge,
    single_looks=(SingleLook(RISK, frozenset({RISK}), look_up_accounts),),
    noun="lists",
)
