"""Apps and consent: what a look reads, how it is put together, and what it leaves unread."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from core.guards.app_consent.grants import (
    ACCESS_POLICIES,
    ASSIGNMENTS,
    EXCHANGE_PRINCIPALS,
    POLICY,
    AccessPolicy,
    AppGrant,
    AppGrants,
    AppRegistrations,
    AppSurroundings,
    ConsentedApp,
    ConsentItem,
    DelegatedGrantView,
    ExchangeAppRole,
    GroupRole,
    HeldRole,
    HeldRoles,
    RoleGroupMembership,
    build_unlisted_batch,
    join_app_grants,
    list_grant_holders,
)
from core.guards.app_consent.guard import GUARD
from core.guards.app_consent.observe import (
    MAX_TEXT_LENGTH,
    is_assigned_to_app,
    list_group_roles,
    observe_exchange_roles,
    place_memberships,
    read_access_policies,
    read_held_roles,
    read_resource_apis,
    remember_owners,
)
from core.guards.app_consent.openings import DOMAIN, POWERFUL, PRINCIPAL
from core.guards.app_consent.owners import OWNER_TRAIT
from core.microsoft365.configuration_sources import get_configuration_source_name
from core.microsoft365.directory_roles import GLOBAL_ADMINISTRATOR
from core.microsoft365.permission_rules import PermissionRisk
from core.model.guards import GuardPolicy, ObserveContext
from core.tenant.apps import App, AppOwner, AppPermission, AppRegistration
from core.tenant.configuration import Configuration
from core.tenant.directory import RoleHolder
from core.tenant.known_traits import KnownTraits, build_traits_key
from core.tenant.readings import ListedCount, ReadFailure, Reading
from core.tenant.sources import (
    APP_PERMISSIONS,
    APP_REGISTRATIONS,
    APPS,
    DELEGATED_GRANTS,
    FEDERATED_CREDENTIALS,
    ROLE_HOLDERS,
)
from tests.support.fakes.tenant import FakeTenant
from tests.support.guard_tenants import (
    GRAPH,
    HOME_APP,
    UNVERIFIED_APP,
    build_app_consent_tenant,
    build_consent_policy,
    build_delegated_grant,
)

NOW = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)
CONTEXT = ObserveContext(GuardPolicy(NOW))
LONG = "n" * 300
READ = AppPermission("x1", "c1", "graph", "r1", "Mail.Read")
SEND = AppPermission("x2", "c1", "graph", "r0", "Mail.Send")
GRANTED = (DELEGATED_GRANTS, APP_PERMISSIONS)
REGISTERED = (APP_REGISTRATIONS, FEDERATED_CREDENTIALS)
ROLES, PRINCIPALS = map(get_configuration_source_name, (ASSIGNMENTS, EXCHANGE_PRINCIPALS))
ALONE = AppSurroundings(AppRegistrations(), None, False, HeldRoles())


def row(source: str, name: str, **values: object) -> Configuration:
    return Configuration(source, name, name, {"Name": name, **values})


async def look(tenant: FakeTenant, context: ObserveContext = CONTEXT) -> list[Reading[ConsentItem]]:
    parts = [part async for part in GUARD.observe(tenant, context)]
    assert all(isinstance(part, Reading) for part in parts)
    return [part for part in parts if isinstance(part, Reading)]


def hold(*permissions: AppPermission) -> AppGrants:
    """What apps hold: the app c1 reads mail in the name of people, and what is given besides."""
    holdings = AppGrants()
    holdings.add_delegated_grant(build_delegated_grant("c1", "Mail.Read"))
    for one in permissions:
        holdings.add_app_permission(one)
    return holdings


# What apps hold -----------------------------------------------------------------------------------


def test_an_app_comes_with_all_that_is_known_of_it() -> None:
    registration = AppRegistration("r1", "a-c1")
    registrations = AppRegistrations({"a-c1": registration})
    role = HeldRole(PermissionRisk.SENSITIVE, ROLE_HOLDERS)
    groups = (RoleGroupMembership("Bots", ()),)
    policies = (AccessPolicy("RestrictAccess", "Invoices"),)
    around = AppSurroundings(
        registrations,
        {"a-c1": policies},
        True,
        HeldRoles({"c1": role}, {"c1": groups}, frozenset({ROLE_HOLDERS})),
    )
    page = Reading((UNVERIFIED_APP,), sources=frozenset({APPS}), population=3, scope=frozenset())
    holdings = hold(READ, SEND, replace(READ, id="x3", resource_id="gone"))
    holdings.add_delegated_grant(build_delegated_grant("c1", "x", api="gone"))
    holdings.add_delegated_grant(build_delegated_grant("c1", "x", everyone=True, api="api"))
    api = App("api")
    joined = join_app_grants(page, holdings, {"graph": GRAPH, "api": api}, around)
    assert joined == Reading(
        items=(
            ConsentedApp(
                UNVERIFIED_APP,
                (
                    DelegatedGrantView(api, True, {"x": 1}),
                    DelegatedGrantView(GRAPH, False, {"Mail.Read": 1}),
                ),
                (AppGrant(GRAPH, SEND), AppGrant(GRAPH, READ)),
                registration=registration,
                access_policies=policies,
                users_may_register=True,
                held_role=role,
                role_groups=groups,
            ),
        ),
        sources=frozenset({APPS, ROLE_HOLDERS, *GRANTED, *REGISTERED}),
        population=3,
        scope=frozenset(),
    )


def test_an_app_without_a_client_id_has_no_registration_and_without_policies_none_limits_it() -> (
    None
):
    around = replace(
        ALONE,
        registrations=AppRegistrations({"": AppRegistration("r1", "")}),
        access_policies={"a-other": (AccessPolicy("x", "y"),)},
    )
    page = Reading((App("c1"),))
    (item,) = join_app_grants(page, AppGrants(), {}, around).items
    assert item.registration is None
    assert item.access_policies == ()
    (item,) = join_app_grants(page, AppGrants(), {}, ALONE).items
    assert item.access_policies is None


def test_what_was_not_read_of_an_app_is_told_with_its_name_and_once() -> None:
    holdings = AppGrants()
    failure = ReadFailure(DELEGATED_GRANTS, "HTTP 503", "c1")
    nobodys = ReadFailure(APP_PERMISSIONS, "HTTP 503", "unidentified-1")
    holdings.failures = [failure, failure, replace(failure, object_id="c9"), nobodys]
    registrations = AppRegistrations({"a-c1": AppRegistration("r1", "a-c1")})
    registrations.failures = [
        ReadFailure(FEDERATED_CREDENTIALS, "HTTP 404", "r1"),
        ReadFailure(APP_REGISTRATIONS, "HTTP 500", "r9"),
    ]
    around = replace(ALONE, registrations=registrations)
    broken = ReadFailure(APPS, "HTTP 500", "c2")
    page = Reading((replace(UNVERIFIED_APP, name=LONG),), (broken,), frozenset({APPS}))
    name = f"{LONG[:120]}… (300 characters)"
    joined = join_app_grants(page, holdings, {}, around)
    assert joined.failures == (
        broken,
        replace(failure, subject=name),
        ReadFailure(FEDERATED_CREDENTIALS, "HTTP 404", "c1", name),
    )
    assert joined.sources == {APPS, DELEGATED_GRANTS, FEDERATED_CREDENTIALS}
    rest = build_unlisted_batch(frozenset({"c9"}), holdings, {}, around)
    assert rest == Reading(
        items=(ConsentedApp(App("c9"), is_listed=False),),
        failures=(
            nobodys,
            ReadFailure(APP_REGISTRATIONS, "HTTP 500", "r9"),
            replace(failure, object_id="c9"),
        ),
        sources=frozenset({*GRANTED, *REGISTERED}),
        scope=frozenset({"c9"}),
    )


def test_who_holds_what_at_which_api_is_listed_once() -> None:
    holdings = hold(READ, SEND, AppPermission("x4", "c2", "api", "r1"))
    holdings.add_delegated_grant(build_delegated_grant("c1", "x", everyone=True))
    assert sorted(list_grant_holders(holdings)) == [
        (APP_PERMISSIONS, "c1", "graph"),
        (APP_PERMISSIONS, "c2", "api"),
        (DELEGATED_GRANTS, "c1", "graph"),
    ]
    assert holdings.list_api_ids() == {"graph", "api"}
    holdings.failures = [
        ReadFailure(DELEGATED_GRANTS, "HTTP 503", one) for one in ("c3", "", "unidentified-1")
    ]
    assert holdings.list_owner_ids() == {"c1", "c2", "c3"}
    assert holdings.list_complete_sources() == {APP_PERMISSIONS}


async def test_an_api_that_is_gone_is_known_by_its_id_and_one_that_failed_by_nothing() -> None:
    tenant = build_app_consent_tenant()
    holdings = hold(replace(READ, resource_id="lost"), replace(SEND, resource_id="gone"))
    tenant.fail_read(APPS, "lost")
    apis = await read_resource_apis(tenant, holdings)
    assert apis == {"graph": GRAPH, "gone": App("gone")}
    assert holdings.failures == [
        ReadFailure(APP_PERMISSIONS, "its API could not be read: HTTP 503", "c1")
    ]
    nothing = AppGrants()
    tenant.read_log.clear()
    assert await read_resource_apis(tenant, nothing) == {}
    assert tenant.read_log == []
    tenant.fail_read(APPS)
    unread = hold(READ)
    assert await read_resource_apis(tenant, unread) == {}
    assert unread.failures == [ReadFailure(name, "HTTP 503") for name in GRANTED]


# A look as a whole --------------------------------------------------------------------------------


def build_full_tenant() -> FakeTenant:
    """Three apps that hold grants and roles, one that holds some and is not listed."""
    tenant = build_app_consent_tenant(
        *(build_delegated_grant(one, "Mail.Read") for one in ("c1", "c2", "ghost")),
        roles=(READ, SEND, replace(READ, id="x3", client_id="c2")),
    )
    tenant.app_registrations = [AppRegistration("r1", HOME_APP.app_id)]
    return tenant


async def test_a_look_says_how_long_its_lists_are_where_they_were_read_to_their_end() -> None:
    tenant = build_full_tenant()
    tenant.page_size = 1
    (counted,) = [part for part in await look(tenant) if part.listed_counts]
    assert counted == Reading(
        sources=frozenset({*GRANTED, APP_REGISTRATIONS}),
        scope=frozenset(),
        listed_counts={
            name: ListedCount(count, frozenset({name}), min_missing=2)
            for name, count in (
                (DELEGATED_GRANTS, 3),
                (APP_PERMISSIONS, 3),
                (APP_REGISTRATIONS, 1),
            )
        },
    )
    tenant.fail_read(APP_PERMISSIONS)
    (counted,) = [part for part in await look(tenant) if part.listed_counts]
    assert counted.sources == {DELEGATED_GRANTS, APP_REGISTRATIONS}


async def test_only_apps_are_counted_and_each_in_its_page() -> None:
    parts = await look(build_full_tenant())
    assert [part.population for part in parts if part.population] == [2, 1]
    items = [one for part in parts for one in part.items if isinstance(one, ConsentedApp)]
    assert [one.app.id for one in items] == ["graph", "c1", "c2", "ghost"]
    assert [one.is_listed for one in items] == [True, True, True, False]


async def test_the_policy_about_consent_is_an_item_or_a_gap() -> None:
    tenant = build_full_tenant()
    name = get_configuration_source_name(POLICY)
    assert (await look(tenant))[0] == Reading((build_consent_policy(),), sources=frozenset({name}))
    tenant.fail_read(name)
    assert (await look(tenant))[0] == Reading(
        failures=(ReadFailure(name, "HTTP 503"),), sources=frozenset({name})
    )


async def test_a_listing_that_broke_off_makes_no_app_unlisted_or_gone() -> None:
    tenant = build_full_tenant()
    tenant.interrupted_sources.add(APPS)
    parts = await look(tenant, replace(CONTEXT, open_case_ids=frozenset({"old", "ghost"})))
    assert not [
        one
        for part in parts
        for one in part.items
        if isinstance(one, ConsentedApp) and not one.is_listed
    ]
    assert not any(part.covers((APPS,), "old") for part in parts)


GONE, THERE, UNASKED = (f"0000000{number}-0000-4000-8000-000000000001" for number in range(3))


async def test_an_app_that_the_list_lacks_is_asked_alone_unless_it_holds_something() -> None:
    tenant = build_full_tenant()
    tenant.oauth_grants.append(build_delegated_grant(UNASKED, "Mail.Read"))
    tenant.fail_read(APPS, THERE)
    cases = frozenset({GONE, THERE, UNASKED, "c1", "authorization-policy"})
    parts = await look(tenant, replace(CONTEXT, open_case_ids=cases))
    assert (APPS, (GONE,)) in tenant.read_log
    absent = parts[-1]
    assert absent.sources == {APPS, ROLE_HOLDERS, ROLES, *GRANTED, *REGISTERED}
    assert absent.scope is not None
    assert GONE in absent.scope
    for one in (UNASKED, "c1"):
        assert one not in absent.scope


async def test_what_an_app_lets_in_is_not_counted_and_without_administrators_is_a_detail() -> None:
    tenant = build_full_tenant()
    (compared,) = [part for part in await look(tenant) if "watched-powerful-app" in part.sources]
    assert compared.population == 0
    tenant.fail_read(get_configuration_source_name(PRINCIPAL))
    parts = await look(tenant)
    assert not [part for part in parts if "watched-powerful-app" in part.sources]
    gaps = [gap for part in parts for gap in part.failures if POWERFUL in gap.source]
    assert gaps
    assert all(gap.optional for gap in gaps)


async def test_hosts_below_the_tenants_domains_are_known_whatever_their_letters() -> None:
    tenant = build_full_tenant()
    urls = ("https://app.contoso.com/x", "https://app.contoso.example")
    tenant.service_principals[1] = replace(tenant.service_principals[1], reply_urls=urls)
    tenant.configurations.append(Configuration(DOMAIN, "Contoso.com", "Contoso.com", {}))
    parts = await look(tenant)
    (app,) = [
        one.app
        for part in parts
        for one in part.items
        if isinstance(one, ConsentedApp) and one.app.id == "c1"
    ]
    assert app.home_hosts == {"app.contoso.com"}
    remembered = [one for part in parts for one in part.known_traits]
    assert "contoso.com" in {name for one in remembered for name in one.traits}


# Owners -------------------------------------------------------------------------------------------

OWNED = ConsentedApp(
    HOME_APP,
    app_grants=(AppGrant(GRAPH, READ),),
    registration=AppRegistration("r1", "a-c1", owners=(AppOwner("o1", "Ann"),)),
)
ADDED = KnownTraits(
    build_traits_key("c1", OWNER_TRAIT),
    "c1",
    OWNER_TRAIT,
    NOW - timedelta(days=2),
    NOW,
    {"o1": NOW - timedelta(days=1)},
)


def test_owners_are_remembered_where_all_of_their_app_was_read() -> None:
    page = Reading((OWNED,), sources=frozenset({APP_REGISTRATIONS}))
    (noted,) = remember_owners(page, CONTEXT).known_traits
    assert (noted.object_id, noted.traits) == ("c1", {"o1": NOW})
    known = replace(CONTEXT, known_traits={ADDED.key: ADDED})
    new = {"o1": NOW - timedelta(days=1)}
    assert remember_owners(page, known).items == (replace(OWNED, new_owners=new),)
    partly = replace(page, failures=(ReadFailure(APP_PERMISSIONS, "HTTP 503", "c1"),))
    read = remember_owners(partly, known)
    assert (read.items, read.known_traits) == ((replace(OWNED, new_owners=new),), ())
    assert remember_owners(partly, CONTEXT).items == (OWNED,)
    unread = replace(page, sources=frozenset({APPS}))
    assert remember_owners(unread, known) == unread


# Exchange -----------------------------------------------------------------------------------------


async def test_policies_of_exchange_limit_an_app_one_beside_another() -> None:
    tenant = FakeTenant()
    tenant.configurations = [
        row(ACCESS_POLICIES, "1", AppId=" A-C1 ", AccessRight="RestrictAccess", ScopeName="A"),
        row(ACCESS_POLICIES, "2", AppId="a-c1", AccessRight="DenyAccess", ScopeIdentity="B"),
        row(ACCESS_POLICIES, "3", AppId=7, AccessRight=LONG, ScopeName="C", ScopeIdentity="D"),
    ]
    assert await read_access_policies(tenant) == {
        "a-c1": (AccessPolicy("RestrictAccess", "A"), AccessPolicy("DenyAccess", "B")),
        "": (AccessPolicy(LONG[:MAX_TEXT_LENGTH], "C"),),
    }
    tenant.fail_read(get_configuration_source_name(ACCESS_POLICIES))
    assert await read_access_policies(tenant) is None


@pytest.mark.parametrize(
    ("values", "is_apps"),
    [
        ({"RoleAssigneeType": "ServicePrincipal"}, True),
        ({"RoleAssigneeType": "ROLEGROUP", "App": "c1"}, False),
        ({"RoleAssigneeType": "User", "Role": "Application Mail.Read"}, False),
        ({"Role": "APPLICATION Mail.Read"}, True),
        ({"Role": "Mail Application "}, False),
        ({"Role": "Mail Recipients"}, False),
        ({"Role": "Mail Recipients", "App": "c1"}, True),
    ],
)
def test_a_role_of_nobody_knows_whom_may_be_an_apps(
    values: dict[str, object], is_apps: bool
) -> None:
    assert is_assigned_to_app(row(ASSIGNMENTS, "A-1", **values)) is is_apps


async def test_roles_of_exchange_come_with_the_app_or_with_the_name_that_exchange_has() -> None:
    tenant = build_app_consent_tenant()
    tenant.configurations = [
        row(ASSIGNMENTS, "A-1", Role="Application Mail.Read", App="c1", Enabled=False),
        row(ASSIGNMENTS, "A-2", Role="Application x", RoleAssigneeName="Bot", RoleAssignee="b"),
        row(ASSIGNMENTS, "A-3", Role="Application x", RoleAssignee="b", Enabled="True"),
        row(ASSIGNMENTS, "A-4", Role="Application x"),
        Configuration(ASSIGNMENTS, "id5", "shown", {"Role": "Application x", "App": GONE}),
        row(ASSIGNMENTS, "A-6", RoleAssigneeType="User"),
        row(EXCHANGE_PRINCIPALS, "p1", ObjectId="C1", AppId="c1"),
    ]
    assigned = await tenant.configuration.read_configuration(ASSIGNMENTS)
    read = await observe_exchange_roles(tenant, assigned)
    assert read == Reading(
        items=(
            ExchangeAppRole(UNVERIFIED_APP, "Application Mail.Read", "A-1", is_enabled=False),
            ExchangeAppRole(App("A-2", name="Bot"), "Application x", "A-2"),
            ExchangeAppRole(App("A-3", name="b"), "Application x", "A-3"),
            ExchangeAppRole(App("A-4", name="A-4"), "Application x", "A-4"),
            ExchangeAppRole(App(GONE, name="shown"), "Application x", "id5"),
        ),
        sources=frozenset({ROLES, PRINCIPALS}),
        population=5,
    )
    tenant.fail_read(PRINCIPALS)
    gap = ReadFailure(PRINCIPALS, "HTTP 503", optional=True)
    assert (await observe_exchange_roles(tenant, assigned)).failures == (gap,)


async def test_where_no_app_has_a_role_nobody_is_asked_whose_it_is() -> None:
    tenant = build_app_consent_tenant()
    tenant.configurations = [row(ASSIGNMENTS, "A-6", RoleAssigneeType="User")]
    assigned = await tenant.configuration.read_configuration(ASSIGNMENTS)
    tenant.read_log.clear()
    assert await observe_exchange_roles(tenant, assigned) == Reading(sources=frozenset({ROLES}))
    assert tenant.read_log == []
    tenant.configurations = [row(ASSIGNMENTS, "A-1", Role="Application x", RoleAssignee="b")]
    assigned = await tenant.configuration.read_configuration(ASSIGNMENTS)
    tenant.read_log.clear()
    await observe_exchange_roles(tenant, assigned)
    assert [source for source, _ in tenant.read_log] == [PRINCIPALS]


def test_a_role_group_gives_what_is_on_and_may_be_used() -> None:
    usual = {"RoleAssigneeType": "RoleGroup", "RoleAssigneeName": "Bots"}
    rows = [
        row(ASSIGNMENTS, "1", Role="Reset Password", **usual),
        row(ASSIGNMENTS, "2", Role="View", RecipientGroupScope="Sales", **usual),
        row(ASSIGNMENTS, "3", Role="x", Enabled=False, **usual),
        row(ASSIGNMENTS, "4", Role="x", RoleAssignmentDelegationType="DelegatingOrgWide", **usual),
        row(ASSIGNMENTS, "5", Role="x", RoleAssigneeType="User", RoleAssigneeName="Bots"),
        row(
            ASSIGNMENTS, "6", Role="y", RoleAssigneeType="LinkedRoleGroup", RoleAssignee="Partners"
        ),
        row(
            ASSIGNMENTS,
            "7",
            Role="z",
            RoleAssigneeType="PartnerLinkedRoleGroup",
            RoleAssignee="other",
            RoleAssigneeName="BOTS",
            RoleAssignmentDelegationType="Regular",
        ),
    ]
    assert list_group_roles(rows) == {
        "bots": (GroupRole("Reset Password"), GroupRole("View", "Sales"), GroupRole("z")),
        "partners": (GroupRole("y"),),
    }


def test_members_of_role_groups_go_by_the_id_of_the_app() -> None:
    assigned = [
        row(ASSIGNMENTS, "1", Role="x", RoleAssigneeType="RoleGroup", RoleAssigneeName="bots")
    ]
    principals = [row(EXCHANGE_PRINCIPALS, "p", ObjectId="C1", Guid="G1", Sid="S1")]
    holders = [
        RoleHolder("g1", "exchange", role_groups=frozenset({"Bots", "Admins"})),
        RoleHolder("s1", "exchange", role_groups=frozenset({"More"})),
        RoleHolder("c2", "exchange", role_groups=frozenset({"Bots"})),
        RoleHolder("c3", "entra"),
    ]
    bots = RoleGroupMembership("Bots", (GroupRole("x"),))
    assert place_memberships(holders, assigned, principals) == {
        "c1": (RoleGroupMembership("Admins", ()), bots, RoleGroupMembership("More", ())),
        "c2": (bots,),
    }


READER = "5d6b6bb7-de71-4623-b4af-96380a352509"


async def test_the_gravest_role_of_an_app_counts_whatever_gives_it() -> None:
    tenant = FakeTenant(holders=[])
    tenant.holders = [
        RoleHolder("c1", "entra", frozenset({READER}), owned_roles=frozenset()),
        RoleHolder("c2", "entra", owned_roles=frozenset({GLOBAL_ADMINISTRATOR})),
        RoleHolder("c3", "exchange", role_groups=frozenset({"Bots"})),
        RoleHolder("c1", "exchange", role_groups=frozenset({"Bots"})),
        RoleHolder("c6", "exchange", role_groups=frozenset({"Bots", "Viewers"})),
    ]
    assigned = Reading(
        tuple(
            row(
                ASSIGNMENTS,
                group,
                Role=role,
                RoleAssigneeType="RoleGroup",
                RoleAssigneeName=group,
            )
            for group, role in (("Bots", "Role Management"), ("Viewers", "View-Only Recipients"))
        )
    )
    exchange: Reading[ConsentItem] = Reading(
        (
            ExchangeAppRole(App("c2"), "Application Mail.Read", "A"),
            ExchangeAppRole(App("c4"), "Application Mail.Read", "B"),
            ExchangeAppRole(App("c5"), "Application Mail.Read", "C", is_enabled=False),
        )
    )
    groups = (RoleGroupMembership("Bots", (GroupRole("Role Management"),)),)
    viewers = RoleGroupMembership("Viewers", (GroupRole("View-Only Recipients"),))
    wide, mail = PermissionRisk.TENANT_WIDE, PermissionRisk.SENSITIVE
    read = await read_held_roles(tenant, assigned, exchange)
    assert read == HeldRoles(
        {
            "c1": HeldRole(wide, ROLE_HOLDERS),
            "c2": HeldRole(wide, ROLE_HOLDERS),
            "c3": HeldRole(wide, ROLE_HOLDERS),
            "c4": HeldRole(mail, ROLES),
            "c6": HeldRole(wide, ROLE_HOLDERS),
        },
        {"c1": groups, "c3": groups, "c6": (*groups, viewers)},
        frozenset({ROLE_HOLDERS, ROLES}),
    )
    assert (PRINCIPALS, ()) in tenant.read_log
    tenant.fail_read(ROLE_HOLDERS, "c9")
    broken = replace(exchange, complete=False)
    read = await read_held_roles(tenant, assigned, broken)
    assert (read.sources, read.groups_by_app) == (frozenset(), {})
    gap = ReadFailure(ROLES, "HTTP 503", optional=True)
    read = await read_held_roles(tenant, assigned, replace(exchange, failures=(gap,)))
    assert read.groups_by_app == {}
