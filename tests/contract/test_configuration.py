"""The Tenant port: objects of the organization's configuration, read by source, set by property."""

from typing import Any

import pytest

from core.errors import Forbidden, NotFound, Rejected, Unavailable
from core.microsoft365.configuration_sources import (
    ADMIN_TOOLS,
    CONFIGURATION_SOURCES,
    get_configuration_source_name,
)
from core.microsoft365.known_apps import PUBLIC_CLIENTS
from core.property_values import find_property
from core.tenant.changes import SetConfiguration
from core.tenant.configuration import Configuration
from core.tenant.port import Tenant
from core.tenant.readings import Reading
from sandbox.graph.apps import MICROSOFT_TENANT_ID, build_principal
from sandbox.graph.policies import DEFAULT_GRAPH_POLICIES
from tests.resilience.generators.staged import build_neglected_scene
from tests.support.http_recorder import (
    PERSON,
    build_mailbox_row,
    build_scene,
    connect_sandbox,
)
from tests.support.tenants import OPENERS, OpenTenant, open_fake, open_sandbox

FIRST, SECOND = (f"44444444-0000-4000-8000-00000000000{number}" for number in (1, 2))
NOBODY = "55555555-0000-4000-8000-000000000001"
AUTHORIZATION = "authorization-policy"
CONSENT = "defaultUserRolePermissions.permissionGrantPoliciesAssigned"


def domains(*forwards: object) -> dict[str, Any]:
    """A scene with a remote domain for each of these values."""
    rows = [
        {"Guid": guid, "Name": name, "DomainName": name, "AutoForwardEnabled": forward}
        for guid, name, forward in zip((FIRST, SECOND), ("Default", "b"), forwards, strict=False)
    ]
    return build_scene(exchange={"Get-RemoteDomain": rows})


def forwarding(guid: str = FIRST, value: bool = False) -> SetConfiguration:
    return SetConfiguration("remote-domain", guid, "AutoForwardEnabled", value)


def consenting(*policies: str) -> dict[str, Any]:
    """A scene in which users may consent to what these policies allow."""
    known = DEFAULT_GRAPH_POLICIES["authorizationPolicy"]
    inner = {**known["defaultUserRolePermissions"], "permissionGrantPoliciesAssigned": [*policies]}
    return build_scene(
        graph={"authorizationPolicy": {**known, "defaultUserRolePermissions": inner}}
    )


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


async def shown(tenant: Tenant, source: str, name: str) -> dict[str, object]:
    """A property of each object by its id."""
    found = await tenant.configuration.read_configuration(source)
    return {one.id: find_property(one.values, name)[1] for one in found.items}


# Reading ----------------------------------------------------------------------------------------


async def test_both_tenants_show_the_same_of_every_source() -> None:
    async with open_fake(build_scene()) as fake, open_sandbox(build_scene()) as real:
        for source in CONFIGURATION_SOURCES:
            found = await real.tenant.configuration.read_configuration(source)
            assert await fake.tenant.configuration.read_configuration(source) == found
            assert found.sources == {get_configuration_source_name(source)}
            assert found.failures == (), source
            assert found.population == len(found.items), source
            keys = {key for one in found.items for key in one.values}
            assert not [key for key in keys if key.startswith("@")], source


async def test_objects_of_a_source_can_be_named_again(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        for source, asked in CONFIGURATION_SOURCES.items():
            if asked.identity_property:
                found = (await to.tenant.configuration.read_configuration(source)).items
                assert all(one.id for one in found), source
                assert len({one.id for one in found}) == len(found), source


async def test_an_object_is_shown_alone_as_it_is_listed() -> None:
    async with open_sandbox(build_neglected_scene()) as to:
        reader = to.tenant.configuration
        for source, asked in CONFIGURATION_SOURCES.items():
            if not asked.has_single_objects:
                continue
            listed = (await reader.read_configuration(source)).items
            keys = {str(one.values[asked.found_by]) if asked.found_by else one.id for one in listed}
            found = await reader.read_objects(source, [*keys, NOBODY])
            assert found.failures == (), source
            assert {one.id: one for one in found.items} == {one.id: one for one in listed}, source
            assert len(found.items) == len(listed), source
            assert found.covers({get_configuration_source_name(source)}, NOBODY), source


async def test_a_guid_finds_what_is_known_by_another_name(open_tenant: OpenTenant) -> None:
    row = {"Guid": FIRST, "Identity": "Out", "Name": "Out", "SmartHosts": ["x.example"]}
    async with open_tenant(build_scene(exchange={"Get-OutboundConnector": [row]})) as to:
        found = await to.tenant.configuration.read_objects("outbound-connector", [FIRST])
        assert [one.id for one in found.items] == ["Out"]
        assert found.failures == ()


async def test_what_a_filter_would_not_list_is_not_shown_alone() -> None:
    boxes = [
        build_mailbox_row(FIRST, FIRST, "ann", LitigationHoldEnabled=True),
        build_mailbox_row(SECOND, SECOND, "ben", LitigationHoldEnabled=False),
    ]
    async with open_sandbox(build_scene(exchange={"Get-Mailbox": boxes})) as to:
        found = await to.tenant.configuration.read_objects("held-mailbox", [FIRST, SECOND])
        assert [one.id for one in found.items] == [FIRST]
        assert found.failures == ()


def test_what_a_filter_finds_is_known_by_its_row_too() -> None:
    for name, source in CONFIGURATION_SOURCES.items():
        is_filtered = "$filter" in source.read or "Filter" in source.read_parameters
        # The filter that finds one object is joined to that of the listing.
        is_told = source.keeps or source.filtered or source.found_by
        assert is_told or not (is_filtered and source.has_single_objects), name


async def test_what_is_refused_alone_is_unread_by_name() -> None:
    scene = build_scene(
        exchange={"Get-RemoteDomain": [{"Guid": FIRST, "Name": "Default", "DomainName": "*"}]},
        reality={"exchange-errors-in-success": {"side": "some", "cmdlets": ["Get-RemoteDomain"]}},
    )
    async with open_sandbox(scene) as to:
        found = await to.tenant.configuration.read_objects("remote-domain", [FIRST])
        assert found.items == ()
        assert [one.object_id for one in found.failures] == [FIRST]


async def test_every_object_is_read_with_all_its_properties(open_tenant: OpenTenant) -> None:
    async with open_tenant(domains(True, "False")) as to:
        found = await to.tenant.configuration.read_configuration("remote-domain")
        assert found.population == 2
        assert [(one.id, one.name) for one in found.items] == [(FIRST, "Default"), (SECOND, "b")]
        values = await shown(to.tenant, "remote-domain", "AutoForwardEnabled")
        assert values == {FIRST: True, SECOND: "False"}


async def test_a_source_of_more_than_a_page_is_read_to_its_end(open_tenant: OpenTenant) -> None:
    rows = [
        {
            "Guid": f"44444444-0000-4000-8000-{number:012}",
            "Name": f"d{number}",
            "DomainName": f"d{number}.example",
            "AutoForwardEnabled": True,
        }
        for number in range(2_100)
    ]
    async with open_tenant(build_scene(exchange={"Get-RemoteDomain": rows})) as to:
        found = await to.tenant.configuration.read_configuration("remote-domain")
        assert (found.population, len(found.items), found.failures) == (2_100, 2_100, ())


async def test_of_a_long_listing_only_what_counts_is_kept(open_tenant: OpenTenant) -> None:
    spans = (("14.00:00:00", "True"), ("6.23:00:00", "True"), ("30.00:00:00", "False"))
    boxes = [
        build_mailbox_row(PERSON, f"33333333-0000-4000-8000-{at:012}", f"m{at}")
        | {"RetainDeletedItemsFor": kept, "SingleItemRecoveryEnabled": recovered}
        for at, (kept, recovered) in enumerate(spans)
    ]
    async with open_tenant(build_scene(exchange={"Get-Mailbox": boxes})) as to:
        found = await to.tenant.configuration.read_configuration("unrecoverable-mailbox")
    assert [one.name for one in found.items] == ["m1", "m2"]
    assert found.failures == ()


async def test_a_listing_of_no_mailbox_at_all_is_unread() -> None:
    async with OPENERS["m365"](build_scene(exchange={"Get-Mailbox": []})) as to:
        found = await to.tenant.configuration.read_configuration("unrecoverable-mailbox")
    assert found.items == ()
    (failure,) = found.failures
    assert failure.reason == "Get-Mailbox listed nothing"


async def test_a_policy_of_graph_is_one_object_without_a_name(open_tenant: OpenTenant) -> None:
    async with open_tenant(consenting("x")) as to:
        assert await shown(to.tenant, AUTHORIZATION, CONSENT) == {"": ["x"]}


TOOLS = "public-client-tools"


def build_tools(*assigned: bool | None) -> dict[str, Any]:
    """A scene with a tool of Microsoft's for each of these answers."""
    rows = [
        build_principal(tool, tool, PUBLIC_CLIENTS[tool], MICROSOFT_TENANT_ID)
        | {"appRoleAssignmentRequired": needed}
        for tool, needed in zip(ADMIN_TOOLS, assigned, strict=False)
    ]
    return build_scene(graph={"servicePrincipals": rows})


async def test_tools_that_need_no_assignment_are_one_list(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_tools(False, True, False)) as to:
        names = sorted(PUBLIC_CLIENTS[ADMIN_TOOLS[number]] for number in (0, 2))
        assert await shown(to.tenant, TOOLS, "openToEverybody") == {"": names}
    async with open_tenant(build_tools(True)) as to:
        assert await shown(to.tenant, TOOLS, "openToEverybody") == {"": []}


async def test_a_tool_that_does_not_say_leaves_the_list_unread() -> None:
    async with open_sandbox(build_tools(True, None)) as to:
        found = await to.tenant.configuration.read_configuration(TOOLS)
        miss = found.find_source_failure(get_configuration_source_name(TOOLS))
        assert miss is not None
        assert "appRoleAssignmentRequired" in miss.reason


async def test_a_source_the_app_may_not_read_names_its_permission() -> None:
    other = {"graph": ["MailboxSettings.Read"], "exchange": ["Get-InboxRule"]}
    async with open_sandbox(build_scene(grants=other)) as to:
        for source, asked in CONFIGURATION_SOURCES.items():
            found = await to.tenant.configuration.read_configuration(source)
            miss = found.find_source_failure(get_configuration_source_name(source))
            assert miss, source
            assert asked.permission in miss.permission, source
            assert found.items == (), source


# Sources are read alike if these are the same of them.
ONE_OF_EACH_SHAPE = tuple(
    {
        (
            one.service,
            bool(one.identity_property),
            bool(one.relation),
            bool(one.name_list),
            bool(one.optional_because),
        ): name
        for name, one in CONFIGURATION_SOURCES.items()
    }.values()
)


async def test_a_source_that_does_not_answer_is_unread_without_a_permission() -> None:
    async with connect_sandbox(build_scene(), attempts=1) as to:
        # A token there is: only the sources do not answer.
        fault = {"match": ".", "kind": "error", "status": 503}
        to.sandbox.tenant.set_faults([fault | {"service": one} for one in ("graph", "exchange")])
        for source in ONE_OF_EACH_SHAPE:
            miss = (await to.tenant.configuration.read_configuration(source)).find_source_failure(
                get_configuration_source_name(source)
            )
            assert miss
            assert miss.permission == ""


async def test_a_single_object_that_is_not_there_was_not_read() -> None:
    async with connect_sandbox(
        build_scene(exchange={"Get-OrganizationConfig": []}), attempts=1
    ) as to:
        found = await to.tenant.configuration.read_configuration("organization-config")
        assert found.find_source_failure(get_configuration_source_name("organization-config"))


async def test_an_object_that_could_not_be_named_again_is_unread_by_its_place() -> None:
    rows = [
        {"Guid": FIRST, "Name": "a", "AutoForwardEnabled": True},
        {"Name": "nameless", "AutoForwardEnabled": True, "@sandbox.bare": True},
    ]
    async with connect_sandbox(build_scene(exchange={"Get-RemoteDomain": rows}), attempts=1) as to:
        found = await to.tenant.configuration.read_configuration("remote-domain")
        assert [one.id for one in found.items] == [FIRST]
        assert [(miss.object_id, miss.subject) for miss in found.failures] == [
            ("unidentified-1", "nameless")
        ]
        assert found.population == 2
        assert not found.covers({get_configuration_source_name("remote-domain")}, SECOND)


async def test_what_is_read_is_bounded() -> None:
    deep: object = "end"
    for _ in range(40):
        deep = {"in": deep}
    rows = [
        {
            "Guid": FIRST,
            "Name": "n" * 5_000,
            "Long": "x" * 100_000,
            "Many": ["y"] * 5_000,
            "Deep": deep,
        }
    ]
    async with connect_sandbox(build_scene(exchange={"Get-RemoteDomain": rows}), attempts=1) as to:
        (one,) = (await to.tenant.configuration.read_configuration("remote-domain")).items
        assert len(one.name) == 200
        assert len(str(one.values["Long"])) < 2_060
        assert isinstance(one.values["Many"], list)
        assert len(one.values["Many"]) == 2_001
        assert len(str(one.values["Deep"])) < 200


# Writing ----------------------------------------------------------------------------------------


async def test_one_property_of_one_object_is_set_and_no_other(open_tenant: OpenTenant) -> None:
    async with open_tenant(domains(True, True)) as to:
        done = await to.tenant.writer.apply(forwarding(SECOND))
        assert done.before == {"AutoForwardEnabled": True}
        values = await shown(to.tenant, "remote-domain", "AutoForwardEnabled")
        assert values == {FIRST: True, SECOND: False}
        assert to.write_count == 1


async def test_a_value_that_is_only_printed_differently_is_not_written(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(domains("False")) as to:
        assert (await to.tenant.writer.apply(forwarding())).unchanged
        assert to.write_count == 0


async def test_a_property_inside_of_an_object_leaves_its_neighbours_alone(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(consenting("one", "two")) as to:
        done = await to.tenant.writer.apply(SetConfiguration(AUTHORIZATION, "", CONSENT, ("two",)))
        assert done.before == {CONSENT: ["one", "two"]}
        (policy,) = (await to.tenant.configuration.read_configuration(AUTHORIZATION)).items
        inner = policy.values["defaultUserRolePermissions"]
        assert isinstance(inner, dict)
        assert inner["permissionGrantPoliciesAssigned"] == ["two"]
        assert inner["allowedToReadOtherUsers"] is True
        again = await to.tenant.writer.apply(SetConfiguration(AUTHORIZATION, "", CONSENT, ("TWO",)))
        assert again.unchanged
        assert to.write_count == 1


async def test_a_list_may_be_emptied(open_tenant: OpenTenant) -> None:
    async with open_tenant(consenting("one")) as to:
        await to.tenant.writer.apply(SetConfiguration(AUTHORIZATION, "", CONSENT, ()))
        assert await shown(to.tenant, AUTHORIZATION, CONSENT) == {"": []}


async def test_what_was_set_can_be_set_back(open_tenant: OpenTenant) -> None:
    async with open_tenant(domains(True)) as to:
        before: list[Reading[Configuration]] = [
            await to.tenant.configuration.read_configuration("remote-domain")
        ]
        done = await to.tenant.writer.apply(forwarding())
        await to.tenant.writer.apply(forwarding(value=bool(done.before["AutoForwardEnabled"])))
        assert [await to.tenant.configuration.read_configuration("remote-domain")] == before


@pytest.mark.parametrize(
    "change",
    [
        SetConfiguration("remote-domain", FIRST, "DomainName", "evil.example"),
        SetConfiguration("organization-config", "", "AuditDisabled", True),
        SetConfiguration("outbound-spam-rule", FIRST, "State", "Disabled"),
        SetConfiguration("security-defaults", "", "isEnabled", False),
        SetConfiguration("no-such-source", "", "AuditDisabled", True),
        SetConfiguration(AUTHORIZATION, "", "defaultUserRolePermissions", "x"),
    ],
    ids=lambda change: f"{change.source} {change.name}",
)
async def test_what_is_not_writable_is_refused_whoever_asks(
    open_tenant: OpenTenant, change: SetConfiguration
) -> None:
    async with open_tenant(domains(True)) as to:
        with pytest.raises(Rejected, match="not among"):
            await to.tenant.writer.apply(change)
        assert to.write_count == 0


@pytest.mark.parametrize(
    "source", [name for name, one in CONFIGURATION_SOURCES.items() if one.writable_properties]
)
async def test_every_writable_source_names_the_permission_to_write(source: str) -> None:
    asked = CONFIGURATION_SOURCES[source]
    name = sorted(asked.writable_properties)[0]
    # A tenant has none of these unless somebody made one.
    policy = {"Identity": "Printers", "Name": "Printers", "AllowBasicAuthSmtp": True}
    there = build_scene(exchange={"Get-AuthenticationPolicy": [policy]})
    async with connect_sandbox(there, attempts=1) as to:
        identity = (await to.tenant.configuration.read_configuration(source)).items[0].id
    reading = {"graph": ["Policy.Read.All"], "exchange": [asked.read]}
    there["grants"] = reading
    async with connect_sandbox(there, attempts=1) as to:
        with pytest.raises(Forbidden) as caught:
            await to.tenant.writer.apply(SetConfiguration(source, identity, name, "other"))
        assert asked.write_permission in caught.value.permission
        assert list(to.sandbox.writes) == []


async def test_two_objects_of_one_name_are_both_left_alone() -> None:
    rows = [{"Guid": FIRST, "Name": name, "AutoForwardEnabled": True} for name in ("a", "b")]
    async with connect_sandbox(build_scene(exchange={"Get-RemoteDomain": rows}), attempts=1) as to:
        with pytest.raises(NotFound, match="2 objects"):
            await to.tenant.writer.apply(forwarding())
        assert list(to.sandbox.writes) == []


async def test_a_write_is_believed_when_it_shows_and_not_before() -> None:
    async with connect_sandbox(domains(True), attempts=1) as to:
        stale = {"match": "^Set-RemoteDomain", "kind": "staleReads", "times": 3}
        to.sandbox.tenant.set_faults([stale])
        assert not (await to.tenant.writer.apply(forwarding())).unchanged
        assert len(to.clock.waits) == 3


async def test_a_write_that_does_not_show_says_what_was_there_before() -> None:
    async with connect_sandbox(domains(True), attempts=1) as to:
        stale = {"match": "^Set-RemoteDomain", "kind": "staleReads", "times": 50}
        to.sandbox.tenant.set_faults([stale])
        with pytest.raises(Unavailable) as caught:
            await to.tenant.writer.apply(forwarding())
        assert caught.value.before == {"AutoForwardEnabled": True}


@pytest.mark.parametrize(
    ("source", "name", "value"),
    [
        ("organization-config", "OAuth2ClientProfileEnabled", False),
        ("outbound-spam-policy", "AutoForwardingMode", "On"),
        ("owa-mailbox-policy", "AdditionalStorageProvidersAvailable", True),
        ("owa-mailbox-policy", "AllowOfflineOn", "AllComputers"),
        ("owa-mailbox-policy", "RulesEnabled", True),
        ("mobile-device-policy", "AllowNonProvisionableDevices", True),
        ("mobile-device-policy", "AllowSimplePassword", True),
        ("mobile-device-policy", "MaxPasswordFailedAttempts", 8),
        ("mobile-device-policy", "MinPasswordLength", 8),
        ("mobile-device-policy", "PasswordEnabled", False),
        ("mobile-device-policy", "RequireDeviceEncryption", False),
        ("sharing-policy", "Domains", ("*:CalendarSharingFreeBusyDetail",)),
        (AUTHORIZATION, "allowEmailVerifiedUsersToJoinOrganization", True),
        (AUTHORIZATION, "allowInvitesFrom", "none"),
        (AUTHORIZATION, "allowedToSignUpEmailBasedSubscriptions", True),
        (AUTHORIZATION, "defaultUserRolePermissions.allowedToCreateApps", True),
        (AUTHORIZATION, "defaultUserRolePermissions.allowedToCreateTenants", True),
        (AUTHORIZATION, "guestUserRoleId", "10dae51f-b6af-4016-8d66-8c2a99b929b3"),
    ],
)
async def test_each_writable_property_can_be_written_on_both(
    source: str, name: str, value: bool | int | str | tuple[str, ...]
) -> None:
    async with open_fake(build_scene()) as fake, open_sandbox(build_scene()) as real:
        identity = (await real.tenant.configuration.read_configuration(source)).items[0].id
        change = SetConfiguration(source, identity, name, value)
        first = await real.tenant.writer.apply(change)
        assert await fake.tenant.writer.apply(change) == first
        assert not first.unchanged
        for to in (fake, real):
            assert (await to.tenant.writer.apply(change)).unchanged
        assert (fake.write_count, real.write_count) == (1, 1)


async def test_members_of_a_unit_come_with_their_names(open_tenant: OpenTenant) -> None:
    person = "11111111-0000-4000-8000-000000000009"
    unit = {
        "id": "22222222-0000-4000-8000-000000000009",
        "displayName": "Board",
        "isMemberManagementRestricted": True,
        "members": [person, "33333333-0000-4000-8000-000000000009"],
    }
    users = [{"id": person, "userPrincipalName": "ann@contoso.example", "displayName": "Ann"}]
    scene = build_scene(graph={"administrativeUnits": [unit], "users": users})
    async with open_tenant(scene) as to:
        found = await to.tenant.configuration.read_configuration("administrative-unit")
        (one,) = found.items
        assert one.values["members"] == [
            {"id": person, "displayName": "Ann", "userPrincipalName": "ann@contoso.example"},
            # A device, say: what it is called is not told here.
            {"id": "33333333-0000-4000-8000-000000000009"},
        ]


async def test_of_what_kind_an_object_is_stays_known_where_it_counts(
    open_tenant: OpenTenant,
) -> None:
    partner = {
        "tenantId": "22222222-0000-4000-8000-000000000001",
        "m365Capabilities": [
            {
                "@odata.type": "#microsoft.graph.crossTenantMigration",
                "inboundAccess": {"isAllowed": True},
            }
        ],
    }
    async with open_tenant(build_scene(graph={"crossTenantAccessPolicyPartners": [partner]})) as to:
        joins = await shown(
            to.tenant, "device-registration-policy", "azureADJoin.allowedToJoin.odataType"
        )
        assert joins == {"": "#microsoft.graph.allDeviceRegistrationMembership"}
        (found,) = (await to.tenant.configuration.read_configuration("partner-capability")).items
        assert found.values["m365Capabilities"] == [
            {
                "inboundAccess": {"isAllowed": True},
                "odataType": "#microsoft.graph.crossTenantMigration",
            }
        ]
        # Elsewhere it is noise.
        (plain,) = (await to.tenant.configuration.read_configuration("security-defaults")).items
        assert "odataType" not in plain.values
