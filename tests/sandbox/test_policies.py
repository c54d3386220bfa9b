"""Policies of Graph and Exchange: permissions, refusals, and what a write keeps."""

from typing import Any

import pytest

from tests.sandbox.conftest import StartTenant
from tests.sandbox.tenant_client import TENANT, TenantClient

AUTHORIZATION = "/policies/authorizationPolicy"
DEFAULTS = "/policies/identitySecurityDefaultsEnforcementPolicy"
ORGANIZATION = f"/organization/{TENANT}"


@pytest.mark.parametrize(
    ("method", "path", "role"),
    [
        ("GET", AUTHORIZATION, "Policy.Read.All"),
        ("PATCH", AUTHORIZATION, "Policy.ReadWrite.Authorization"),
        ("GET", DEFAULTS, "Policy.Read.All"),
        ("GET", "/policies/adminConsentRequestPolicy", "Policy.Read.All"),
        ("GET", "/policies/authenticationMethodsPolicy", "Policy.Read.All"),
        ("GET", ORGANIZATION, "Organization.Read.All"),
        ("PATCH", ORGANIZATION, "Organization.ReadWrite.All"),
    ],
)
async def test_each_route_needs_its_role(
    start: StartTenant, method: str, path: str, role: str
) -> None:
    body = {
        AUTHORIZATION: {"allowInvitesFrom": "none"},
        ORGANIZATION: {"privacyProfile": {"statementUrl": "https://contoso.example/p"}},
    }
    sent = body[path] if method == "PATCH" else None
    for roles, fine in (([role], True), (["Domain.Read.All"], False)):
        async with start(grants={"graph": roles, "exchange": []}) as client:
            reply = await client.request_graph(method, path, sent)
            assert (reply.status in (200, 204)) is fine
            assert fine or reply.code == "Authorization_RequestDenied"


async def test_reading_policies_does_not_let_anybody_write_them(start: StartTenant) -> None:
    async with start(grants={"graph": ["Policy.Read.All"], "exchange": []}) as client:
        reply = await client.request_graph("PATCH", AUTHORIZATION, {"allowInvitesFrom": "none"})
        assert reply.status == 403
        assert client.sandbox.writes == []


@pytest.mark.parametrize("path", [AUTHORIZATION, DEFAULTS, AUTHORIZATION.upper()])
async def test_a_policy_is_one_object_and_no_list(client: TenantClient, path: str) -> None:
    reply = await client.get(path)
    assert reply.status == 200
    assert "value" not in reply.body
    assert reply.body["id"]


async def test_a_property_that_was_changed_reads_back_and_its_neighbours_stay(
    client: TenantClient,
) -> None:
    before = (await client.get(AUTHORIZATION)).body
    inner = {"permissionGrantPoliciesAssigned": ["ManagePermissionGrantsForSelf.x"]}
    body = {"allowInvitesFrom": "everyone", "defaultUserRolePermissions": inner}
    assert (await client.request_graph("PATCH", AUTHORIZATION, body)).status == 204
    after = (await client.get(AUTHORIZATION)).body
    assert after["allowInvitesFrom"] == "everyone"
    known = before["defaultUserRolePermissions"]
    assert after["defaultUserRolePermissions"] == {**known, **inner}
    assert after["guestUserRoleId"] == before["guestUserRoleId"]
    assert client.sandbox.writes == [
        {"api": "graph", "method": "PATCH", "target": AUTHORIZATION, "body": body}
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (AUTHORIZATION, {}),
        (AUTHORIZATION, {"id": "x"}),
        (AUTHORIZATION, {"allowInvitesFrom": "friends"}),
        (AUTHORIZATION, {"allowInvitesFrom": None}),
        (AUTHORIZATION, {"allowEmailVerifiedUsersToJoinOrganization": "true"}),
        (AUTHORIZATION, {"noSuchProperty": True}),
        (AUTHORIZATION, {"defaultUserRolePermissions": True}),
        (AUTHORIZATION, {"defaultUserRolePermissions": {"noSuchProperty": True}}),
        (AUTHORIZATION, {"defaultUserRolePermissions": {"allowedToCreateApps": "no"}}),
        (AUTHORIZATION, {"defaultUserRolePermissions": {"permissionGrantPoliciesAssigned": "x"}}),
        (ORGANIZATION, {}),
        (ORGANIZATION, {"displayName": "x"}),
        (ORGANIZATION, {"privacyProfile": "https://contoso.example"}),
        (ORGANIZATION, {"privacyProfile": {"url": "x"}}),
        (ORGANIZATION, {"technicalNotificationMails": "x"}),
    ],
    ids=str,
)
async def test_what_graph_would_refuse_is_refused(
    client: TenantClient, path: str, body: dict[str, Any]
) -> None:
    reply = await client.request_graph("PATCH", path, body)
    assert (reply.status, reply.code) == (400, "Request_BadRequest")
    assert client.sandbox.writes == []


async def test_security_defaults_cannot_be_changed_here(client: TenantClient) -> None:
    assert (await client.request_graph("PATCH", DEFAULTS, {"isEnabled": False})).status == 400


async def test_a_scene_brings_its_own_policies(start: StartTenant) -> None:
    own = {"id": "authorizationPolicy", "allowInvitesFrom": "everyone", "@sandbox.note": "x"}
    async with start() as client:
        await client.request("POST", "/sandbox/scene", {"graph": {"authorizationPolicy": own}})
        reply = await client.get(f"{AUTHORIZATION}?$select=allowInvitesFrom,id")
        assert {name: reply.body[name] for name in ("id", "allowInvitesFrom")} == {
            "id": "authorizationPolicy",
            "allowInvitesFrom": "everyone",
        }
        assert "@sandbox.note" not in (await client.get(AUTHORIZATION)).body


async def test_the_organization_is_changed_by_its_id_alone(client: TenantClient) -> None:
    profile = {"contactEmail": "p@contoso.example", "statementUrl": None}
    assert (
        await client.request_graph("PATCH", ORGANIZATION, {"privacyProfile": profile})
    ).status == 204
    assert (await client.get(ORGANIZATION)).body["privacyProfile"] == profile
    (row,) = (await client.get("/organization")).body["value"]
    assert row["privacyProfile"] == profile
    other = "/organization/00000000-0000-4000-8000-00000000dead"
    assert (await client.get(other)).status == 404
    assert (await client.request_graph("PATCH", other, {"privacyProfile": profile})).status == 404


# Exchange ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cmdlet", "given", "shown"),
    [
        ("OwaMailboxPolicy", {"AllowOfflineOn": "allcomputers"}, "AllComputers"),
        ("OwaMailboxPolicy", {"RulesEnabled": True}, True),
        ("MobileDeviceMailboxPolicy", {"MinPasswordLength": 8}, 8),
        ("MobileDeviceMailboxPolicy", {"MaxPasswordFailedAttempts": 8}, "8"),
        ("MobileDeviceMailboxPolicy", {"MaxPasswordFailedAttempts": "Unlimited"}, "Unlimited"),
        ("MobileDeviceMailboxPolicy", {"PasswordEnabled": False}, False),
        (
            "SharingPolicy",
            {"Domains": ["a.example: ContactsSharing"]},
            ["a.example:ContactsSharing"],
        ),
        ("SharingPolicy", {"Enabled": False}, False),
    ],
    ids=str,
)
async def test_a_policy_that_was_set_reads_back_set(
    client: TenantClient, cmdlet: str, given: dict[str, Any], shown: object
) -> None:
    (row,) = await client.read_rows(f"Get-{cmdlet}")
    for identity in (row["Identity"], row["Guid"]):
        assert (await client.run_cmdlet(f"Set-{cmdlet}", Identity=identity, **given)).status == 200
    (name,) = given
    assert (await client.read_rows(f"Get-{cmdlet}", Identity=row["Guid"]))[0][name] == shown


@pytest.mark.parametrize(
    ("cmdlet", "given"),
    [
        ("Set-OwaMailboxPolicy", {"AllowOfflineOn": "Sometimes"}),
        ("Set-OwaMailboxPolicy", {"RulesEnabled": "no"}),
        ("Set-OwaMailboxPolicy", {"NoSuchParameter": True}),
        ("Set-MobileDeviceMailboxPolicy", {"MinPasswordLength": 17}),
        ("Set-MobileDeviceMailboxPolicy", {"MinPasswordLength": True}),
        ("Set-MobileDeviceMailboxPolicy", {"MaxPasswordFailedAttempts": 3}),
        ("Set-SharingPolicy", {"Domains": ["ContactsSharing"]}),
        ("Set-SharingPolicy", {"Domains": [1]}),
    ],
    ids=str,
)
async def test_what_exchange_would_refuse_is_refused(
    client: TenantClient, cmdlet: str, given: dict[str, Any]
) -> None:
    (row,) = await client.read_rows(cmdlet.replace("Set-", "Get-"))
    assert (await client.run_cmdlet(cmdlet, Identity=row["Identity"], **given)).status == 400
    assert client.sandbox.writes == []


async def test_a_policy_nobody_has_is_not_set(client: TenantClient) -> None:
    reply = await client.run_cmdlet("Set-OwaMailboxPolicy", Identity="none", RulesEnabled=False)
    assert (reply.status, "couldn't be found" in str(reply.body)) == (400, True)
    assert (await client.run_cmdlet("Set-OwaMailboxPolicy", RulesEnabled=False)).status == 400
    assert client.sandbox.writes == []


async def test_modern_authentication_can_be_switched(client: TenantClient) -> None:
    reader, writer = "Get-OrganizationConfig", "Set-OrganizationConfig"
    assert (await client.read_rows(reader))[0]["OAuth2ClientProfileEnabled"] is True
    assert (await client.run_cmdlet(writer, OAuth2ClientProfileEnabled=False)).status == 200
    assert (await client.read_rows(reader))[0]["OAuth2ClientProfileEnabled"] is False


async def test_a_row_that_is_to_stay_bare_stays_bare(start: StartTenant) -> None:
    rows = [
        {"Name": "a", "AutoForwardEnabled": True},
        {"Name": "b", "AutoForwardEnabled": True, "@sandbox.bare": True},
    ]
    async with start() as client:
        await client.request("POST", "/sandbox/scene", {"exchange": {"Get-RemoteDomain": rows}})
        first, second = await client.read_rows("Get-RemoteDomain")
        assert first["Guid"]
        assert "Guid" not in second


async def test_the_organization_is_printed_as_exchange_prints_it(client: TenantClient) -> None:
    (row,) = (await client.run_cmdlet("Get-OrganizationConfig")).body["value"]
    assert len([name for name in row if "@" not in name]) > 25
    assert (row["RejectDirectSend"], row["MailTipsLargeAudienceThreshold"]) == (True, 25)
    assert row["MailTipsLargeAudienceThreshold@data.type"] == "System.Int32"
    assert "RejectDirectSend@data.type" not in row


async def test_a_scene_says_what_differs_and_the_rest_is_printed_all_the_same(
    start: StartTenant,
) -> None:
    told = {"Identity": "x", "Name": "x", "RejectDirectSend": False}
    async with start(exchange={"Get-OrganizationConfig": [told]}) as client:
        (row,) = (await client.run_cmdlet("Get-OrganizationConfig")).body["value"]
        assert (row["RejectDirectSend"], row["OAuth2ClientProfileEnabled"]) == (False, True)
    async with start(
        exchange={"Get-OrganizationConfig": [told | {"@sandbox.bare": True}]}
    ) as client:
        (row,) = (await client.run_cmdlet("Get-OrganizationConfig")).body["value"]
        assert "OAuth2ClientProfileEnabled" not in row


async def test_an_object_has_its_exchange_id_with_the_note_of_its_type(
    client: TenantClient,
) -> None:
    (row,) = (await client.run_cmdlet("Get-RemoteDomain")).body["value"]
    (box, *_) = (await client.run_cmdlet("Get-Mailbox")).body["value"]
    assert box["ExchangeObjectId"] == box["Guid"]
    assert box["ExchangeObjectId@odata.type"] == "#Guid"
    for name in ("Guid", "ExchangeObjectId"):
        assert row[f"{name}@data.type"] == "System.Guid"
        assert row[f"{name}@odata.type"] == "#Guid"
    assert row["Guid"] == row["ExchangeObjectId"]


async def test_a_policy_prints_what_a_scene_leaves_out(start: StartTenant) -> None:
    scene = {"authorizationPolicy": {"defaultUserRolePermissions": {"allowedToCreateApps": True}}}
    async with start(graph=scene) as client:
        body = (await client.get(AUTHORIZATION)).body
        inner = body["defaultUserRolePermissions"]
        assert (inner["allowedToCreateApps"], inner["allowedToCreateTenants"]) == (True, False)
        assert body["allowInvitesFrom"] == "adminsAndGuestInviters"


async def test_an_address_that_is_somebody_elses_display_name_is_refused(
    start: StartTenant,
) -> None:
    rows = [
        {"Guid": "1" * 8, "Name": "ann", "PrimarySmtpAddress": "ann@contoso.example"},
        {"Guid": "2" * 8, "Name": "x", "DisplayName": "Ann@contoso.example"},
    ]
    async with start(exchange={"Get-Recipient": rows}) as client:
        reply = await client.run_cmdlet("Get-Recipient", Identity="ann@contoso.example")
        assert reply.status == 400
        assert "ManagementObjectAmbiguousException" in str(reply.body)
        reply = await client.run_cmdlet("Get-Recipient", Identity="1" * 8)
        assert [row["Name"] for row in reply.body["value"]] == ["ann"]
        by_address = "EmailAddresses -eq 'smtp:ann@contoso.example'"
        reply = await client.run_cmdlet("Get-Recipient", Filter=by_address)
        assert reply.body["value"] == []
