"""Reads the registration report, and what the guard remembers of administrators' methods."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from core.guards.mfa_registration.factors import (
    WITHOUT_SECOND_FACTOR,
    get_factor_deficiency,
    is_federated,
)
from core.guards.mfa_registration.items import (
    GROUPS,
    MAX_TEXT_LENGTH,
    AddedMethods,
    Administrator,
    RegistrationItem,
    RegistrationTotals,
)
from core.model.guards import ObserveContext
from core.tenant.directory import Account, MfaRegistration
from core.tenant.domain_memory import remember_domains
from core.tenant.domain_names import to_a_label
from core.tenant.known_traits import KnownTraits, note_traits
from core.tenant.left_out import look_up_missing
from core.tenant.merging import PresenceTracker, collect_failures
from core.tenant.port import HasAccounts
from core.tenant.quoting import quote_text
from core.tenant.readings import ReadFailure, Reading
from core.tenant.sources import (
    ACCOUNTS,
    REGISTERED_ADMINISTRATORS,
    SIGN_IN_METHODS,
)

UNKNOWN_ROLES = "the report does not say of some accounts whether they are administrators"
LEFT_OUT = ReadFailure(
    SIGN_IN_METHODS, "the report leaves the account out, which exists and may sign in"
)
EMPTY_REPORT = "the report names not a single account"
METHOD_TRAIT = "sign-in-method"


async def observe(
    tenant: HasAccounts, context: ObserveContext
) -> AsyncIterator[Reading[RegistrationItem]]:
    """Administrators as they come, page by page; everybody else as a digest in the end."""
    listed, named = PresenceTracker(context.open_case_ids), 0
    domains = await tenant.accounts.read_federated_domains()
    missing, noted = remember_domains(domains.items, context.known_traits, context.policy.now)
    census = RegistrationTotals(
        federated_domains=frozenset(map(to_a_label, (*domains.items, *missing))),
        are_domains_known=not domains.failures,
    )
    yield Reading(
        failures=tuple(replace(failure, optional=True) for failure in collect_failures((domains,))),
        sources=domains.sources,
        scope=frozenset[str](),
        known_traits=() if domains.failures else noted,
    )
    async for page in tenant.accounts.list_mfa_registrations():
        listed.add_page(page)
        named += page.population
        census.is_complete = census.is_complete and page.complete
        yield await process_registrations(tenant, page, census, context)
    if not census.is_complete:
        return
    names = frozenset({SIGN_IN_METHODS, REGISTERED_ADMINISTRATORS})
    if not named:
        yield Reading(
            failures=(ReadFailure(SIGN_IN_METHODS, EMPTY_REPORT),), sources=names, complete=False
        )
        return
    if named < context.least_trusted_count:
        # The engine tells that the report got shorter; until it is believed, nobody is counted, and
        # no reading covers the groups.
        return
    yield Reading(
        items=census.build_summaries(),
        failures=build_unknown_roles_failure(census.has_unknown_roles),
        sources=names,
        scope=frozenset(GROUPS),
    )
    # The report names every account that is not disabled.
    yield await look_up_missing(
        listed,
        listed.open_case_ids - frozenset(GROUPS),
        tenant.accounts.read_users,
        lambda account: "" if account.enabled is False else account.id,
        LEFT_OUT,
    )
    for rest in listed.build_absence_readings(names):
        yield replace(rest, failures=build_unknown_roles_failure(census.has_unknown_roles))


def build_unknown_roles_failure(has_unknown_roles: bool) -> tuple[ReadFailure, ...]:
    """That the report keeps silent about who is an administrator."""
    return (ReadFailure(REGISTERED_ADMINISTRATORS, UNKNOWN_ROLES),) if has_unknown_roles else ()


async def process_registrations(
    tenant: HasAccounts,
    page: Reading[MfaRegistration],
    totals: RegistrationTotals,
    context: ObserveContext,
) -> Reading[RegistrationItem]:
    """A page: its administrators who lack something, and the others counted."""
    lacking = [entry for entry in page.items if get_factor_deficiency(entry)]
    asked = list_accounts_to_check(lacking, totals)
    accounts = await tenant.accounts.read_users(asked) if asked else Reading[Account]()
    if accounts.find_source_failure(ACCOUNTS):
        totals.accounts_unavailable = True
    missing = {failure.object_id for failure in accounts.failures}
    enabled = {one.id for one in accounts.items if one.enabled is not False}
    checked = set(asked) - missing if "" not in missing else set[str]()
    for entry in page.items:
        totals.totals[totals.get_group(entry)] += not entry.is_admin
    items: list[RegistrationItem] = []
    for entry in lacking:
        if entry.id in checked and entry.id not in enabled:
            # Nobody can sign in: it was disabled or deleted since the report was made.
            totals.totals[totals.get_group(entry)] -= not entry.is_admin
        elif entry.is_admin:
            items.append(
                Administrator(
                    entry,
                    is_federated(entry, totals.federated_domains),
                    totals.are_domains_known,
                )
            )
        else:
            totals.count_account(entry, get_factor_deficiency(entry), entry.id in checked)
    known = [
        note_traits(context.known_traits, entry.id, METHOD_TRAIT, entry.methods, context.policy.now)
        for entry in page.items
        if entry.is_admin
    ]
    entries = {entry.id: entry for entry in page.items}
    for one in known:
        items += find_added_methods(entries[one.object_id], one, context.policy.now)
    silent = any(entry.is_admin is None for entry in page.items)
    totals.has_unknown_roles = totals.has_unknown_roles or silent
    names = {entry.id: entry.upn for entry in lacking}
    read = page.with_items(
        tuple(items),
        (
            *page.failures,
            *build_unknown_roles_failure(silent),
            *(
                replace(
                    failure,
                    subject=quote_text(names.get(failure.object_id, ""), MAX_TEXT_LENGTH),
                    optional=True,
                )
                for failure in collect_failures((accounts,))
            ),
        ),
        page.sources | {REGISTERED_ADMINISTRATORS, ACCOUNTS},
        page.population,
    )
    return replace(read, known_traits=tuple(known))


def find_added_methods(
    entry: MfaRegistration, known: KnownTraits, now: datetime
) -> Iterator[AddedMethods]:
    """The methods an administrator got between two looks, those of one look together."""
    by_time: defaultdict[datetime, list[str]] = defaultdict(list)
    for name, seen_at in known.list_new_traits(now):
        by_time[seen_at].append(name)
    for seen_at, names in sorted(by_time.items()):
        earlier = sorted(name for name, at in known.traits.items() if at < seen_at)
        yield AddedMethods(entry, tuple(names), seen_at, tuple(earlier))


def list_accounts_to_check(
    lacking: Sequence[MfaRegistration], totals: RegistrationTotals
) -> list[str]:
    """The accounts to look up: every administrator, and others while the budget lasts."""
    if totals.accounts_unavailable:
        return []
    administrators = [entry.id for entry in lacking if entry.is_admin]
    others = [
        entry.id
        for entry in lacking
        if not entry.is_admin and get_factor_deficiency(entry) == WITHOUT_SECOND_FACTOR
    ]
    others = others[: totals.lookup_budget]
    totals.lookup_budget -= len(others)
    return administrators + others
