"""Reads every app with the permissions it holds, and whether users may consent."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from core.guards.app_consent.add_ins import ADD_INS
from core.guards.app_consent.exchange_roles import weigh_role_group
from core.guards.app_consent.grants import (
    ACCESS_POLICIES,
    ASSIGNMENTS,
    EXCHANGE_PRINCIPALS,
    GRANT_SOURCES,
    MAX_AGREED,
    POLICY,
    AccessPolicy,
    AppGrants,
    AppRegistrations,
    AppSurroundings,
    ConsentedApp,
    ConsentItem,
    ExchangeAppRole,
    GroupRole,
    HeldRole,
    HeldRoles,
    RoleGroupMembership,
    build_unlisted_batch,
    has_known_owner,
    join_app_grants,
    list_grant_holders,
)
from core.guards.app_consent.openings import (
    DOMAIN,
    OPENINGS,
    POWERFUL,
    PRINCIPAL,
    is_powerful,
    mark_home_hosts,
    read_powerful_apps,
)
from core.guards.app_consent.owners import OWNER_TRAIT, mark_new_owners, note_owners
from core.guards.app_consent.requests import REQUESTS
from core.guards.app_consent.user_consent import may_users_register_apps
from core.microsoft365.assumptions.exchange_objects import APP_ASSIGNMENTS
from core.microsoft365.configuration_sources import ROLE_HOLDER, get_configuration_source_name
from core.microsoft365.directory_roles import weigh_directory_role
from core.microsoft365.exchange_roles import is_whole_scope, weigh_exchange_role
from core.microsoft365.permission_rules import PermissionKind, PermissionRisk
from core.microsoft365.permission_weights import weigh_permission
from core.model.guards import ObserveContext
from core.tenant.apps import App
from core.tenant.configuration import Configuration
from core.tenant.directory import RoleHolder
from core.tenant.known_traits import build_traits_key
from core.tenant.left_out import look_up_missing
from core.tenant.merging import PresenceTracker, collect_failures
from core.tenant.port import HasApps, HasConfiguration, HasRoles
from core.tenant.readings import ListedCount, ReadFailure, Reading
from core.tenant.sources import (
    APP_PERMISSIONS,
    APP_REGISTRATIONS,
    APPS,
    DELEGATED_GRANTS,
    ROLE_HOLDERS,
)
from core.watched.derived import read_derived
from core.watched.guard import compare_collection, make_observer
from core.watched.items import WatchedResult
from core.watched.own_domains import add_missing_domains

# Where Exchange prints what a role assignment is limited to.
SCOPE_PROPERTIES = (
    "CustomResourceScope",
    "CustomRecipientWriteScope",
    "RecipientAdministrativeUnitScope",
    "RecipientGroupScope",
    "RecipientOrganizationUnitScope",
)
# What else holds roles: people, groups, policies (Microsoft Learn: Get-ManagementRoleAssignment).
PEOPLE_KINDS = frozenset(
    {
        "user",
        "linkeduser",
        "securitygroup",
        "roleassignmentpolicy",
        "foreignsecurityprincipal",
        "rolegroup",
        "linkedrolegroup",
        "partnerlinkedrolegroup",
        "mailboxplan",
        "computer",
    }
)
GROUP_KINDS = frozenset({"rolegroup", "linkedrolegroup", "partnerlinkedrolegroup"})
# What an assignment calls the app it is for: by ids, by what is unique in Exchange, by what is not.
PRINCIPAL_NAMES = (("ObjectId", "AppId", "Guid", "Sid"), ("Identity", "Name"), ("DisplayName",))
MAX_TEXT_LENGTH = 256
# One that is gone is a clean-up.
MIN_MISSING = 2
LEFT_OUT = ReadFailure(APPS, "the list of apps leaves it out, and it is there")
RELIES_ON = (APP_ASSIGNMENTS,)


COLLECTIONS = (ADD_INS, REQUESTS)
observe_collections = make_observer("app-consent", COLLECTIONS)


class ConsentPorts(HasApps, HasConfiguration, HasRoles, Protocol):
    """The ports this guard reads."""


async def observe(
    tenant: ConsentPorts, context: ObserveContext
) -> AsyncIterator[Reading[ConsentItem]]:
    """Whether users may consent; what Exchange allows apps; then every app, page by page."""
    policy = await tenant.configuration.read_configuration(POLICY)
    yield Reading(policy.items, policy.failures, policy.sources)
    assigned = await tenant.configuration.read_configuration(ASSIGNMENTS)
    exchange_roles = await observe_exchange_roles(tenant, assigned)
    yield exchange_roles
    async for part in observe_collections(tenant, context):
        # This guard counts apps.
        yield replace(part, population=0)
    holdings, counts = AppGrants(), Counter[str]()
    async for grants in tenant.apps.list_delegated_grants():
        holdings.failures += collect_failures((grants,))
        counts[DELEGATED_GRANTS] += grants.population
        for grant in grants.items:
            holdings.add_delegated_grant(grant)
    async for given in tenant.apps.list_app_permissions():
        holdings.failures += collect_failures((given,))
        counts[APP_PERMISSIONS] += given.population
        for permission in given.items:
            holdings.add_app_permission(permission)
    around = AppSurroundings(
        await read_registrations(tenant),
        await read_access_policies(tenant),
        may_users_register_apps(next(iter(policy.items), None)),
        await read_held_roles(tenant, assigned, exchange_roles),
    )
    counts[APP_REGISTRATIONS] = len(around.registrations.by_app_id)
    complete = (*holdings.list_complete_sources(), *around.registrations.list_complete_sources())
    yield count_lists(counts, complete)
    apis = await read_resource_apis(tenant, holdings)
    holdings.names = await name_agreed(tenant, holdings, apis, context.open_case_ids)
    listed_domains = await tenant.configuration.read_configuration(DOMAIN)
    domains, noted = add_missing_domains(
        DOMAIN, listed_domains, context.known_traits, context.policy.now
    )
    yield Reading(known_traits=noted, scope=frozenset[str]())
    own = frozenset(one.id.casefold() for one in domains.items)
    listed = PresenceTracker(context.open_case_ids)
    # An app whose grants were not all read may be powerful without showing it, and one that shows
    # it is powerful whatever else was not read.
    powerful, doubtful = list[ConsentedApp](), set[str]()
    gaps = [one for one in holdings.failures if not has_known_owner(one)]
    unseen = holdings.list_owner_ids()
    async for page in tenant.apps.list_apps():
        listed.add_page(page)
        unseen -= {one for one in unseen if page.scope is not None and one in page.scope}
        page = replace(page, items=tuple(mark_home_hosts(one, own) for one in page.items))
        joined = join_app_grants(page, holdings, apis, around)
        powerful += [one for one in joined.items if is_powerful(one)]
        doubtful |= {one.object_id for one in joined.failures}
        gaps += [one for one in joined.failures if not one.object_id]
        yield remember_owners(joined, context)
    found = read_powerful_apps(powerful, tuple(gaps), complete=listed.complete)
    doubtful -= {one.id for one in found.items}
    yield await compare_openings(tenant, found, domains, doubtful, context)
    rest = frozenset(unseen) if listed.complete else frozenset[str]()
    yield build_unlisted_batch(rest, holdings, apis, around)
    listed.present_ids |= rest
    missing = filter(is_object_id, listed.open_case_ids)
    yield await look_up_missing(
        listed, missing, tenant.apps.read_apps, lambda app: app.id, LEFT_OUT
    )
    complete = (
        *holdings.list_complete_sources(),
        *around.registrations.list_complete_sources(),
        *around.roles.sources,
    )
    for absent in listed.build_absence_readings((APPS, *complete)):
        yield absent


def count_lists(counts: Mapping[str, int], complete: Collection[str]) -> Reading[ConsentItem]:
    """How long the lists are that were read to their end: what a shorter one lacks of an app may
    have been left out.
    """
    whole = [name for name in counts if name in complete]
    return Reading(
        sources=frozenset(whole),
        scope=frozenset[str](),
        listed_counts={
            name: ListedCount(counts[name], frozenset({name}), MIN_MISSING) for name in whole
        },
    )


async def name_agreed(
    tenant: ConsentPorts, holdings: AppGrants, apis: Mapping[str, App], told: Collection[str]
) -> Mapping[str, str]:
    """What the people are called who granted more than signing in needs, where they are few; first
    those of apps that have no case yet.
    """
    wanted = dict[str, None]()
    for holder in sorted(holdings.agreed, key=lambda one: (one[0] in told, one)):
        if not (api := apis.get(holder[1])):
            continue
        for scope, people in sorted(holdings.agreed[holder].items()):
            weight = weigh_permission(scope, PermissionKind.SCOPE, api)
            if weight.risk is not PermissionRisk.SIGN_IN and len(people) <= MAX_AGREED:
                wanted |= dict.fromkeys(sorted(people))
    return await tenant.configuration.read_account_names([*wanted])


async def compare_openings(
    tenant: ConsentPorts,
    powerful: Reading[Configuration],
    domains: Reading[Configuration],
    doubtful: Collection[str],
    context: ObserveContext,
) -> Reading[WatchedResult]:
    """What newly opens the powerful apps to others. A tenant may let the guard read Graph alone:
    then who administers is not known, and that nothing is compared is a detail.

    Of the `doubtful` apps it is not known whether they are powerful.
    """
    principals = await tenant.configuration.read_configuration(PRINCIPAL)
    read = {POWERFUL: powerful, PRINCIPAL: principals, DOMAIN: domains}
    read |= await read_derived(tenant, (ROLE_HOLDER,), read)
    compared = compare_collection(OPENINGS, read, context, doubtful)[0]
    if compared.complete and compared.sources:
        return replace(compared, population=0)
    return Reading(failures=tuple(replace(one, optional=True) for one in compared.failures))


def remember_owners(page: Reading[ConsentedApp], context: ObserveContext) -> Reading[ConsentedApp]:
    """A page of apps with the owners that are new."""
    now, failed = context.policy.now, {one.object_id for one in page.failures}
    if APP_REGISTRATIONS not in page.sources:
        return page
    noted = note_owners(
        [one for one in page.items if one.app.id not in failed], context.known_traits, now
    )
    # Of an app that was read in part nothing is noted, but what is known of its owners holds.
    keys = [build_traits_key(one, OWNER_TRAIT) for one in sorted(failed)]
    known = [row for key in keys if (row := context.known_traits.get(key))]
    return replace(
        page, items=mark_new_owners(page.items, (*noted, *known), now), known_traits=noted
    )


async def read_registrations(tenant: HasApps) -> AppRegistrations:
    """The apps that are registered here, with what they can be signed in to with."""
    found = AppRegistrations()
    async for page in tenant.apps.list_app_registrations():
        found.add_page(page)
    return found


async def read_access_policies(
    tenant: HasConfiguration,
) -> Mapping[str, tuple[AccessPolicy, ...]] | None:
    """Which mailboxes apps may open, by application id; None where that was not read."""
    read = await tenant.configuration.read_configuration(ACCESS_POLICIES)
    if read.failures:
        return None
    found: dict[str, tuple[AccessPolicy, ...]] = {}
    for row in read.items:
        app_id = read_text(row, "AppId").casefold()
        group = read_text(row, "ScopeName") or read_text(row, "ScopeIdentity")
        one = AccessPolicy(read_text(row, "AccessRight"), group)
        found[app_id] = (*found.get(app_id, ()), one)
    return found


async def observe_exchange_roles(
    tenant: ConsentPorts, assigned: Reading[Configuration]
) -> Reading[ConsentItem]:
    """The roles of Exchange that apps hold. A tenant may let the guard read Graph alone."""
    rows = [row for row in assigned.items if is_assigned_to_app(row)]
    principals: Reading[Configuration] = Reading()
    apps: Reading[App] = Reading()
    if rows:
        principals = await tenant.configuration.read_configuration(EXCHANGE_PRINCIPALS)
        ids = {find_principal_id(row, principals.items) for row in rows} - {""}
        apps = await tenant.apps.read_apps(ids) if ids else apps
    by_id = {app.id: app for app in apps.items}
    unread = (*collect_failures((assigned, principals)),)
    return Reading(
        tuple(build_exchange_role(row, principals.items, by_id) for row in rows),
        tuple(replace(one, optional=True) for one in unread),
        assigned.sources | principals.sources,
        population=len(rows),
    )


def is_assigned_to_app(row: Configuration) -> bool:
    """True for an assignment to a service principal, and for one to nobody knows what."""
    kind = read_text(row, "RoleAssigneeType").casefold()
    if kind:
        return kind not in PEOPLE_KINDS
    is_for_apps = read_text(row, "Role").casefold().startswith("application ")
    return is_for_apps or bool(read_text(row, "App"))


def find_principal_id(row: Configuration, principals: tuple[Configuration, ...]) -> str:
    """The object id of the app that holds a role; empty where Exchange does not tell.

    Anybody may call an app what another one is called, so a name tells only where one app has it.
    """
    names = {
        read_text(row, name).casefold() for name in ("App", "RoleAssignee", "RoleAssigneeName")
    } - {""}
    for properties in PRINCIPAL_NAMES:
        found = {
            read_text(one, "ObjectId").casefold()
            for one in principals
            if not names.isdisjoint(read_text(one, name).casefold() for name in properties)
        }
        if len(found) == 1:
            return found.pop()
        if found:
            break
    return next((name for name in sorted(names) if is_object_id(name)), "")


def is_object_id(text: str) -> bool:
    """True for the printed form of an id in Entra."""
    return [len(part) for part in text.split("-")] == [8, 4, 4, 4, 12]


def build_exchange_role(
    row: Configuration, principals: tuple[Configuration, ...], apps: Mapping[str, App]
) -> ExchangeAppRole:
    """A role assignment with the app that it is for, as far as that is known."""
    found = find_principal_id(row, principals)
    shown = read_text(row, "RoleAssigneeName") or read_text(row, "RoleAssignee")
    app = apps.get(found) or App(found or row.id, name=shown or row.name)
    return ExchangeAppRole(
        app,
        role=read_text(row, "Role"),
        assignment=read_text(row, "Name") or row.id,
        scope=find_scope(row),
        is_enabled=row.values.get("Enabled") is not False,
    )


def read_text(row: Configuration, name: str) -> str:
    """A property of a row as bounded text; empty for whatever is none."""
    value = row.values.get(name)
    return value.strip()[:MAX_TEXT_LENGTH] if isinstance(value, str) else ""


async def read_held_roles(
    tenant: ConsentPorts, assigned: Reading[Configuration], exchange: Reading[ConsentItem]
) -> HeldRoles:
    """What apps hold by roles. Where roles cannot be read, nothing is known of them; who compares
    administrators says so.
    """
    holders = await tenant.roles.read_role_holders()
    assignments = get_configuration_source_name(ASSIGNMENTS)
    held = {
        one.id: HeldRole(max(map(weigh_directory_role, roles)), ROLE_HOLDERS)
        for one in holders.items
        if (roles := one.roles | one.owned_roles)
    }
    for one in exchange.items:
        if isinstance(one, ExchangeAppRole) and one.is_enabled:
            found = HeldRole(weigh_exchange_role(one.role), assignments)
            held[one.app.id] = max(held.get(one.app.id, found), found, key=get_risk)
    read = {ROLE_HOLDERS: holders, assignments: exchange}
    whole = frozenset(name for name, one in read.items() if one.complete and not one.failures)
    memberships: dict[str, tuple[RoleGroupMembership, ...]] = {}
    if assignments in whole and any(one.role_groups for one in holders.items):
        principals = await tenant.configuration.read_configuration(EXCHANGE_PRINCIPALS)
        memberships = place_memberships(holders.items, assigned.items, principals.items)
    for app_id, groups in memberships.items():
        risk = max(map(weigh_role_group, groups))
        found = HeldRole(risk, ROLE_HOLDERS)
        held[app_id] = max(held.get(app_id, found), found, key=get_risk)
    return HeldRoles(held, memberships, whole)


def place_memberships(
    holders: Iterable[RoleHolder],
    assigned: Iterable[Configuration],
    principals: Iterable[Configuration],
) -> dict[str, tuple[RoleGroupMembership, ...]]:
    """The role groups of Exchange by the object id of each member, with what they give.

    A service principal may be printed by the id that Exchange has for it.
    """
    roles = list_group_roles(assigned)
    app_ids = {
        read_text(one, name).casefold(): read_text(one, "ObjectId").casefold()
        for one in principals
        for name in PRINCIPAL_NAMES[0]
    }
    found: dict[str, dict[str, RoleGroupMembership]] = {}
    for one in holders:
        own = found.setdefault(app_ids.get(one.id) or one.id, {})
        for group in sorted(one.role_groups):
            own[group] = RoleGroupMembership(group, roles.get(group.casefold(), ()))
    return {one: tuple(groups.values()) for one, groups in found.items() if groups}


def list_group_roles(assigned: Iterable[Configuration]) -> dict[str, tuple[GroupRole, ...]]:
    """The roles that each role group gives its members; what they may only give away is left out,
    as what is disabled.
    """
    found: dict[str, tuple[GroupRole, ...]] = {}
    for row in assigned:
        kind = read_text(row, "RoleAssigneeType").casefold()
        delegates = "delegating" in read_text(row, "RoleAssignmentDelegationType").casefold()
        if kind in GROUP_KINDS and not delegates and row.values.get("Enabled") is not False:
            name = read_text(row, "RoleAssigneeName") or read_text(row, "RoleAssignee")
            role = GroupRole(read_text(row, "Role"), find_scope(row))
            found[name.casefold()] = (*found.get(name.casefold(), ()), role)
    return found


def find_scope(row: Configuration) -> str:
    """What a role assignment is limited to; empty for every mailbox."""
    scopes = (read_text(row, name) for name in SCOPE_PROPERTIES)
    return next((one for one in scopes if not is_whole_scope(one)), "")


def get_risk(role: HeldRole) -> PermissionRisk:
    """What a role is worth."""
    return role.risk


async def read_resource_apis(tenant: HasApps, grants: AppGrants) -> Mapping[str, App]:
    """The APIs by id; what is for one that could not be read counts as unread, app by app."""
    wanted = grants.list_api_ids()
    found = await tenant.apps.read_apps(wanted) if wanted else Reading[App]()
    apis = {api.id: api for api in found.items}
    if whole := found.find_source_failure(APPS):
        grants.failures += [replace(whole, source=name) for name in GRANT_SOURCES]
        return apis
    reasons = {failure.object_id: failure.reason for failure in found.failures}
    for name, client, resource in list_grant_holders(grants):
        if resource in reasons:
            reason = f"its API could not be read: {reasons[resource]}"
            grants.failures.append(ReadFailure(name, reason, client))
    # What an API gave that is not there any more opens nothing that is known.
    return {one: App(one) for one in wanted - reasons.keys()} | apis
