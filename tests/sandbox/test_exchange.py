"""Exchange's InvokeCommand: parameters, output and errors."""

import json
from typing import Any

import pytest

from sandbox.exchange.auditing import list_default_actions
from tests.sandbox.conftest import StartTenant
from tests.sandbox.tenant_client import (
    LEGACY_DN,
    MIA,
    MIA_GUID,
    ROOM,
    ROOM_GUID,
    TENANT,
    ClientReply,
    TenantClient,
    build_command_body,
)

ADMIN_DEFAULTS = [
    "Update",
    "MoveToDeletedItems",
    "SoftDelete",
    "HardDelete",
    "SendAs",
    "SendOnBehalf",
    "Create",
    "UpdateFolderPermissions",
    "UpdateInboxRules",
    "UpdateCalendarDelegation",
    "ApplyRecord",
    "MailItemsAccessed",
    "Send",
]
HASHTABLE = "#Exchange.GenericHashTable"


async def mailbox(client: TenantClient, guid: str = MIA_GUID) -> dict[str, Any]:
    rows = await client.read_rows("Get-Mailbox", Identity=guid)
    assert len(rows) == 1
    return rows[0]


def message(body: Any) -> str:
    """The text of an error, wherever its form hides it."""
    error = body["error"]
    if "innererror" in error:
        return str(error["innererror"]["internalexception"]["message"])
    detail = str(error["details"][0]["message"])
    return str(json.loads(detail)["Message"]) if detail.startswith("{") else detail.split("|", 2)[2]


# Who may ----------------------------------------------------------------------------------------


async def test_an_app_without_the_app_role_is_not_authorized(start: StartTenant) -> None:
    async with start(grants={"exchange": []}) as client:
        reply = await client.run_cmdlet("Get-Mailbox")
    assert (reply.status, reply.content) == (401, b"")


async def test_an_app_without_any_exchange_role_gets_nul_bytes(start: StartTenant) -> None:
    async with start(grants={"exchange": ["Exchange.ManageAsApp"]}) as client:
        assert_nul_bytes(await client.run_cmdlet("Get-Mailbox"))


def assert_nul_bytes(reply: ClientReply) -> None:
    assert reply.status == 403
    assert reply.content.strip(b"\0") == b""
    assert len(reply.content) > 0


async def test_a_parameter_outside_of_the_role_is_denied_by_type(start: StartTenant) -> None:
    grants = {"exchange": ["Get-Mailbox", "Set-Mailbox -Identity -AuditEnabled"]}
    async with start(grants=grants) as client:
        allowed = await client.run_cmdlet("Set-Mailbox", Identity=MIA_GUID, AuditEnabled=False)
        refused = await client.run_cmdlet("Set-Mailbox", Identity=MIA_GUID, AuditOwner=["None"])
        assert len(client.sandbox.writes) == 1
    assert (allowed.status, refused.status) == (200, 403)
    assert "CmdletAccessDeniedException" in refused.body["error"]["details"][0]["message"]
    assert "aren't present in the role definition" in message(refused.body)


async def test_a_write_runs_on_the_server_of_its_mailbox_only(client: TenantClient) -> None:
    url, body = client.build_admin_url(), build_command_body("Set-Mailbox", Identity=MIA_GUID)
    statuses = {
        anchor: (await client.request("POST", url, body, **{"X-AnchorMailbox": anchor})).status
        for anchor in (
            "",
            f"APP:SystemMailbox{{bb558c35-97f1-4cb9-8ff7-d53741dc928c}}@{TENANT}",
            "SMTP:room-4@contoso.example",
            "SMTP:mia@contoso.example",
            "UPN:mia@contoso.example",
            "UPN:m@contoso.example",
            f"MBX:{MIA_GUID}@{TENANT}",
        )
    }
    assert [*statuses.values()] == [400, 400, 400, 200, 200, 400, 200]


async def test_the_audit_log_is_enabled_on_the_server_of_one_mailbox_only(
    client: TenantClient,
) -> None:
    url = client.build_admin_url()
    anchor = f"APP:SystemMailbox{{8cc370d3-822a-4ab8-a926-bb94bd0641a9}}@{TENANT}"
    for value, given, status in ((True, "", 400), (False, "", 200), (True, anchor, 200)):
        body = build_command_body("Set-AdminAuditLogConfig", UnifiedAuditLogIngestionEnabled=value)
        reply = await client.request("POST", url, body, **{"X-AnchorMailbox": given})
        assert reply.status == status
        assert status == 200 or "Cmdlet needs proxy" in message(reply.body)


async def test_shared_configuration_refuses_to_enable_the_audit_log(start: StartTenant) -> None:
    organization = {"Get-OrganizationConfig": [{"IsDehydrated": True}]}
    async with start(exchange=organization) as client:
        reply = await client.run_cmdlet(
            "Set-AdminAuditLogConfig", UnifiedAuditLogIngestionEnabled=True
        )
    assert reply.status == 400
    assert "DehydratedContext" in reply.body["error"]["details"][0]["message"]


async def test_a_mailbox_of_another_forest_is_read_by_its_own_anchor_only(
    start: StartTenant,
) -> None:
    row = {"Guid": MIA_GUID, "Identity": "mia", "@sandbox.forest": "other"}
    async with start(exchange={"Get-Mailbox": [row]}) as client:
        assert (await client.run_cmdlet("Get-Mailbox", Identity="mia")).status == 200
        url, body = client.build_admin_url(), build_command_body("Get-Mailbox", Identity="mia")
        reply = await client.request("POST", url, body)
        assert reply.status == 500
        assert "not found in the local forest" in message(reply.body)


async def test_recipients_do_not_print_their_legacy_name(start: StartTenant) -> None:
    contact = {
        "Guid": ROOM_GUID,
        "Name": "Partner",
        "LegacyExchangeDN": "/o=Old/cn=partner",
        "RecipientTypeDetails": "MailContact",
    }
    person = {"Guid": MIA_GUID, "LegacyExchangeDN": LEGACY_DN, "Identity": "mia"}
    box = {"Guid": MIA_GUID, "Identity": "mia"}
    exchange = {"Get-Recipient": [contact, person], "Get-Mailbox": [box]}
    async with start(exchange=exchange) as client:
        for name in ("/o=Old/cn=partner", LEGACY_DN):
            (row,) = await client.read_rows("Get-Recipient", Identity=name)
            assert "LegacyExchangeDN" not in row
        for cmdlet, name, known in (
            ("Get-MailContact", ROOM_GUID, "/o=Old/cn=partner"),
            ("Get-Mailbox", MIA_GUID, LEGACY_DN),
        ):
            (row,) = await client.read_rows(cmdlet, Identity=name)
            assert row["LegacyExchangeDN"] == known
        assert (await client.run_cmdlet("Get-MailUser", Identity=ROOM_GUID)).status in (400, 404)


async def test_an_action_that_is_audited_already_is_not_added_again(client: TenantClient) -> None:
    added = {"@odata.type": "#Exchange.GenericHashTable", "Add": ["HardDelete", "Create"]}
    reply = await client.run_cmdlet("Set-Mailbox", Identity=MIA_GUID, AuditOwner=added)
    assert reply.status == 400
    assert "already being audited" in message(reply.body)


async def test_a_cmdlet_outside_the_grant_is_not_recognized(start: StartTenant) -> None:
    async with start(grants={"exchange": ["Get-Mailbox"]}) as client:
        assert (await client.run_cmdlet("Get-Mailbox")).status == 200
        refused = await client.run_cmdlet("Set-Mailbox", Identity=MIA_GUID, AuditEnabled=False)
        assert client.sandbox.writes == []
    assert_nul_bytes(refused)


async def test_a_cmdlet_nobody_has_is_not_recognized_either(client: TenantClient) -> None:
    assert_nul_bytes(await client.run_cmdlet("Get-Nothing"))


async def test_the_module_file_lists_what_may_be_run(start: StartTenant) -> None:
    cmdlets = ["Get-Mailbox", "get-inboxrule"]
    async with start(grants={"exchange": cmdlets}) as client:
        url = f"/adminapi/v1.0/{TENANT}/EXOModuleFile?Version=3.9.2"
        reply = await client.request("GET", url, CommandName="*")
    assert reply.body["value"][0]["exportedCmdlets"] == "Get-InboxRule,Get-Mailbox"


async def test_a_scene_without_grants_allows_every_cmdlet_it_knows(client: TenantClient) -> None:
    reply = await client.request("GET", client.build_admin_url("EXOModuleFile"), CommandName="*")
    exported = reply.body["value"][0]["exportedCmdlets"].split(",")
    assert {"Set-Mailbox", "Get-InboxRule", "Get-MigrationEndpoint"} <= set(exported)


async def test_another_tenant_in_the_address_is_refused(client: TenantClient) -> None:
    url = f"/adminapi/beta/{MIA}/InvokeCommand"
    assert (await client.request("POST", url, build_command_body("Get-Mailbox"))).status == 403


# What it prints ---------------------------------------------------------------------------------


async def test_rows_carry_notes_on_types_and_answers_carry_the_budget(client: TenantClient) -> None:
    reply = await client.run_cmdlet("Get-Mailbox", Identity="mia")
    row = reply.body["value"][0]
    assert row["Guid@data.type"] == "System.Guid"
    assert row["AuditOwner@odata.type"] == "#Collection(String)"
    assert row["WhenCreatedUTC@data.type"] == "System.DateTime"
    assert reply.body["@adminapi.warnings"] == []
    assert int(reply.headers["Rate-Limit-Remaining"]) < int(reply.headers["Rate-Limit-Limit"])
    assert "Rate-Limit-Reset" in reply.headers


async def test_select_leaves_the_other_properties_out(client: TenantClient) -> None:
    reply = await client.run_cmdlet("Get-Mailbox", query="?$select=Guid,Name", Identity="mia")
    names = {name for name in reply.body["value"][0] if "@" not in name}
    assert names == {"Guid", "Name"}


async def test_values_come_as_the_scene_has_them(client: TenantClient) -> None:
    assert (await mailbox(client, ROOM_GUID))["AuditEnabled"] == "True"
    assert (await client.read_rows("Get-MigrationEndpoint"))[0]["Name"] == "kept as it came"


async def test_phones_are_listed_by_mailbox_or_all_together(start: StartTenant) -> None:
    phones = {MIA_GUID: [{"Guid": "p1", "Name": "one"}], "room-4": {"Guid": "p2", "Name": "two"}}
    async with start(exchange={"Get-MobileDevice": phones}) as client:
        every = await client.read_rows("Get-MobileDevice", ResultSize="Unlimited")
        hers = await client.read_rows("Get-MobileDevice", Mailbox=MIA_GUID)
        (named,) = await client.read_rows("Get-MobileDevice", Identity="p2")
    assert ([one["Guid"] for one in every], [one["Guid"] for one in hers]) == (["p1", "p2"], ["p1"])
    assert named["Name"] == "two"


# Finding ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "identity",
    [
        MIA_GUID.upper(),
        MIA,
        "mia",
        "MIA@contoso.example",
        "m@contoso.example",
        LEGACY_DN,
        "X500:/o=Old/cn=mia",
        "/o=Old/cn=mia",
    ],
)
async def test_a_mailbox_answers_to_each_of_its_names(client: TenantClient, identity: str) -> None:
    assert (await mailbox(client, identity))["Guid"] == MIA_GUID


@pytest.mark.parametrize("identity", [None, ""])
async def test_an_empty_identity_returns_every_mailbox(
    client: TenantClient, identity: object
) -> None:
    assert len(await client.read_rows("Get-Mailbox", Identity=identity)) == 2


async def test_a_name_two_mailboxes_share_is_ambiguous(start: StartTenant) -> None:
    rows = [{"Guid": f"g{n}", "Name": "Twin", "PrimarySmtpAddress": f"t{n}@x.y"} for n in (1, 2)]
    async with start(exchange={"Get-Mailbox": rows, "Get-InboxRule": {}}) as client:
        refused = await client.run_cmdlet("Get-Mailbox", Identity="twin")
        assert "matches multiple entries" in message(refused.body)
        assert (await mailbox(client, "g2"))["PrimarySmtpAddress"] == "t2@x.y"


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("ForwardingSmtpAddress -ne $null", ["Mia"]),
        ("ForwardingSmtpAddress -eq $null -and ForwardingAddress -eq $null", ["Room 4"]),
        ("ForwardingSmtpAddress -ne $null -or Alias -like 'room*'", ["Mia", "Room 4"]),
        ("-not (Alias -like 'room*')", ["Mia"]),
        ("AuditEnabled -eq $true", ["Mia", "Room 4"]),
        ("ForwardingSmtpAddress -eq 'X@evil.example'", ["Mia"]),
        ("{RecipientTypeDetails -eq 'RoomMailbox'}", ["Room 4"]),
        ("WhenCreatedUTC -gt '2024-01-01'", ["Mia"]),
    ],
)
async def test_filters_choose_the_mailboxes_they_name(
    client: TenantClient, condition: str, expected: list[str]
) -> None:
    rows = await client.read_rows("Get-Mailbox", Filter=condition)
    assert [row["Name"] for row in rows] == expected


async def test_a_filter_that_makes_no_sense_is_refused(client: TenantClient) -> None:
    refused = await client.run_cmdlet("Get-Mailbox", Filter="Alias -is 'x'")
    assert refused.status == 400
    assert "Invalid filter" in message(refused.body)


async def test_types_of_recipient_narrow_a_listing(client: TenantClient) -> None:
    kinds = ["SharedMailbox", "roommailbox"]
    rows = await client.read_rows("Get-Mailbox", RecipientTypeDetails=kinds, ResultSize="Unlimited")
    assert [row["Guid"] for row in rows] == [ROOM_GUID]


async def test_group_and_inactive_mailboxes_are_listed_only_when_asked_for(
    start: StartTenant,
) -> None:
    rows = [
        {"Guid": "a", "RecipientTypeDetails": "UserMailbox"},
        {"Guid": "b", "RecipientTypeDetails": "GroupMailbox"},
        {"Guid": "c", "RecipientTypeDetails": "UserMailbox", "IsInactiveMailbox": True},
    ]
    async with start(exchange={"Get-Mailbox": rows}) as client:
        usual = await client.read_rows("Get-Mailbox")
        groups = await client.read_rows("Get-Mailbox", GroupMailbox=True)
        inactive = await client.read_rows("Get-Mailbox", InactiveMailboxOnly=True)
    assert [[row["Guid"] for row in rows] for rows in (usual, groups, inactive)] == [
        ["a"],
        ["b"],
        ["c"],
    ]


async def test_recipients_are_contacts_and_mailboxes_alike(client: TenantClient) -> None:
    contact = await client.read_rows("Get-Recipient", Identity="partner@outside.example")
    assert contact[0]["ExternalEmailAddress"] == "SMTP:partner@outside.example"
    assert (await client.read_rows("Get-Recipient", Identity=LEGACY_DN))[0]["Guid"] == MIA_GUID
    for path in ("forest.example/Hosted Organizations/contoso.example/mia", "CN=mia,OU=contoso"):
        assert (await client.read_rows("Get-Recipient", Identity=path))[0]["Guid"] == MIA_GUID
    assert len(await client.read_rows("Get-Recipient", ResultSize="Unlimited")) == 3


# Pages and limits -------------------------------------------------------------------------------


def many(count: int) -> list[dict[str, str]]:
    return [{"Guid": f"g{number}", "Name": f"n{number}"} for number in range(count)]


async def test_without_a_result_size_a_thousand_rows_come_without_a_word(
    start: StartTenant,
) -> None:
    async with start(exchange={"Get-Mailbox": many(1200)}) as client:
        silent = await client.run_cmdlet("Get-Mailbox")
        few = await client.read_rows("Get-Mailbox", ResultSize=7)
    assert len(silent.body["value"]) == 1000
    assert "@odata.nextLink" not in silent.body
    assert silent.body["@adminapi.warnings"] == []
    assert len(few) == 7


async def test_pages_are_followed_by_posting_the_same_body_again(start: StartTenant) -> None:
    async with start(exchange={"Get-Mailbox": many(2500)}) as client:
        body = build_command_body("Get-Mailbox", ResultSize="Unlimited")
        url, seen = client.build_admin_url() + "?$select=Guid", []
        prefer = "odata.maxpagesize=5000"
        while url:
            reply = await client.request("POST", url, body, Prefer=prefer)
            seen.append([row["Guid"] for row in reply.body["value"]])
            url = reply.body.get("@odata.nextLink", "")
    assert [len(page) for page in seen] == [1000, 1000, 500]
    assert [guid for page in seen for guid in page] == [f"g{n}" for n in range(2500)]


async def test_a_next_page_asked_with_another_body_is_refused(start: StartTenant) -> None:
    async with start(exchange={"Get-Mailbox": many(30)}) as client:
        first = await client.run_cmdlet("Get-Mailbox", prefer="odata.maxpagesize=10", ResultSize=30)
        other = build_command_body("Get-Mailbox", ResultSize="Unlimited")
        refused = await client.request("POST", first.body["@odata.nextLink"], other)
    assert len(first.body["value"]) == 10
    assert first.headers["preference-applied"] == "odata.maxpagesize=10"
    assert refused.status == 400


async def test_a_result_size_that_is_no_number_is_refused(client: TenantClient) -> None:
    assert (await client.run_cmdlet("Get-Mailbox", ResultSize="many")).status == 400


# Errors -----------------------------------------------------------------------------------------


async def test_what_is_not_found_is_told_in_two_forms_each_object_in_its_own(
    client: TenantClient,
) -> None:
    forms: dict[str, str] = {}
    for identity in (*(f"ghost-{number}" for number in range(8)), "ghost-0"):
        reply = await client.run_cmdlet("Get-Mailbox", Identity=identity)
        assert (reply.status, reply.code) == (400, "NotFound")
        assert f"object '{identity}' couldn't be found" in message(reply.body)
        detail = reply.body["error"]["details"][0]["message"]
        form = "json" if detail.startswith("{") else "bars"
        assert forms.setdefault(identity, form) == form
    assert set(forms.values()) == {"json", "bars"}


async def test_an_unknown_parameter_is_told_in_the_long_form(client: TenantClient) -> None:
    reply = await client.run_cmdlet("Get-Mailbox", Bogus=True)
    inner = reply.body["error"]["innererror"]["internalexception"]
    assert reply.status == 400
    assert inner["type"].endswith("AmbiguousParameterSetException")
    assert "Bogus" in inner["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"CmdletInput": {}},
        [],
        {"CmdletInput": {"CmdletName": "Get-Mailbox", "Parameters": [1]}},
    ],
)
async def test_a_body_without_a_command_is_refused(client: TenantClient, body: object) -> None:
    assert (await client.request("POST", client.build_admin_url(), body)).status == 400


# Inbox rules ------------------------------------------------------------------------------------


async def test_hidden_rules_are_shown_only_when_asked_for(client: TenantClient) -> None:
    usual = await client.read_rows("Get-InboxRule", Mailbox=MIA)
    whole = await client.read_rows(
        "Get-InboxRule", Mailbox="mia@contoso.example", IncludeHidden=True
    )
    assert [row["Name"] for row in usual] == ["."]
    assert [row["Name"] for row in whole] == [".", ""]
    assert not [name for row in whole for name in row if name.startswith("@sandbox")]


@pytest.mark.parametrize(
    "filed",
    [
        {"MIA": [{"Name": "a"}], MIA: {"Name": "b"}},
        [{"Name": "a", "MailboxOwnerId": "mia"}, {"Name": "b", "Identity": "mia\\1"}],
        {"m@contoso.example": {"value": [{"Name": "a"}, {"Name": "b"}]}},
    ],
)
async def test_rules_in_the_scene_may_be_filed_in_several_ways(
    start: StartTenant, filed: Any
) -> None:
    async with start(exchange={"Get-InboxRule": filed}) as client:
        rows = await client.read_rows("Get-InboxRule", Mailbox=MIA_GUID)
    assert [row["Name"] for row in rows] == ["a", "b"]


async def test_rules_of_a_mailbox_without_any_are_an_empty_list(client: TenantClient) -> None:
    assert await client.read_rows("Get-InboxRule", Mailbox=ROOM) == []


@pytest.mark.parametrize("given", [{}, {"Mailbox": None}, {"Mailbox": ""}, {"Mailbox": "nobody"}])
async def test_rules_of_no_mailbox_are_an_error(
    client: TenantClient, given: dict[str, Any]
) -> None:
    assert (await client.run_cmdlet("Get-InboxRule", **given)).status == 400


@pytest.mark.parametrize(
    "given", [{"Mailbox": "mia", "Identity": "1675"}, {"Identity": "mia\\1675"}]
)
async def test_a_disabled_rule_is_disabled_in_graph_too(
    client: TenantClient, given: dict[str, Any]
) -> None:
    assert (await client.run_cmdlet("Disable-InboxRule", Confirm=False, **given)).status == 200
    assert (await client.read_rows("Get-InboxRule", Mailbox="mia"))[0]["Enabled"] is False
    rules = await client.get(f"/users/{MIA}/mailFolders/inbox/messageRules")
    assert rules.body["value"][0]["isEnabled"] is False
    assert client.sandbox.writes[0]["target"] == f"Disable-InboxRule {given['Identity']}"


def build_same_named(*ids: str) -> list[dict[str, Any]]:
    """Rules of Graph that bear one name."""
    return [{"id": one, "displayName": "same", "isEnabled": True, "actions": {}} for one in ids]


def number_rules(*numbers: int) -> list[dict[str, Any]]:
    """Exchange's rows of rules that bear one name."""
    return [{"RuleIdentity": one, "Name": "same", "Enabled": True} for one in numbers]


# The eight bytes of a rule's number, in base64.
FIRST_ID, SECOND_ID = "AQAAAAAAAAE=", "AQAAAAAAAAI="
FIRST_NUMBER, SECOND_NUMBER = 0x0100000000000001, 0x0200000000000001


@pytest.mark.parametrize(
    ("ids", "numbers", "identity", "switched"),
    [
        ((FIRST_ID, SECOND_ID), (SECOND_NUMBER, FIRST_NUMBER), FIRST_NUMBER, [FIRST_ID]),
        ((FIRST_ID, SECOND_ID), (SECOND_NUMBER, FIRST_NUMBER), SECOND_NUMBER, [SECOND_ID]),
        (("a", "b"), (7, 8), 8, ["b"]),
        (("a", "b", "c"), (7, 8), 8, []),
    ],
)
async def test_of_several_rules_of_one_name_the_same_one_is_switched_in_graph(
    start: StartTenant,
    ids: tuple[str, ...],
    numbers: tuple[int, ...],
    identity: int,
    switched: list[str],
) -> None:
    graph = {"messageRules": {MIA: build_same_named(*ids)}}
    exchange = {"Get-InboxRule": {MIA_GUID: number_rules(*numbers)}}
    async with start(graph=graph, exchange=exchange) as client:
        given = {"Mailbox": "mia", "Identity": str(identity)}
        assert (await client.run_cmdlet("Disable-InboxRule", **given)).status == 200
        rules = await client.get(f"/users/{MIA}/mailFolders/inbox/messageRules")
        assert [one["id"] for one in rules.body["value"] if not one["isEnabled"]] == switched


async def test_a_removed_rule_is_gone_from_both_with_what_only_outlook_understands(
    client: TenantClient,
) -> None:
    assert (
        await client.run_cmdlet("Remove-InboxRule", Mailbox="mia", Identity="1675")
    ).status == 200
    assert await client.read_rows("Get-InboxRule", Mailbox="mia") == []
    rules = await client.get(f"/users/{MIA}/mailFolders/inbox/messageRules")
    assert rules.body["value"] == []


# Audit settings ---------------------------------------------------------------------------------


async def set_mailbox(client: TenantClient, guid: str = MIA_GUID, **given: Any) -> list[str]:
    """Run Set-Mailbox, which must succeed; its warnings."""
    reply = await client.run_cmdlet("Set-Mailbox", Identity=guid, **given)
    assert (reply.status, reply.body["value"]) == (200, [])
    warnings: list[str] = reply.body["@adminapi.warnings"]
    return warnings


async def test_setting_the_actions_of_a_logon_type_takes_it_from_microsoft(
    client: TenantClient,
) -> None:
    await set_mailbox(client, AuditAdmin=ADMIN_DEFAULTS)
    row = await mailbox(client)
    assert row["AuditAdmin"] == ADMIN_DEFAULTS
    assert row["DefaultAuditSet"] == ["Delegate"]


@pytest.mark.parametrize("value", [["Owner"], "Owner"])
async def test_naming_a_logon_type_gives_it_back_with_its_defaults(
    client: TenantClient, value: object
) -> None:
    await set_mailbox(client, DefaultAuditSet=value)
    row = await mailbox(client)
    assert row["DefaultAuditSet"] == ["Admin", "Delegate", "Owner"]
    assert row["AuditOwner"][:2] == ["Update", "MoveToDeletedItems"]
    assert "MailItemsAccessed" in row["AuditOwner"]


@pytest.mark.parametrize(
    ("row", "has_both"),
    [
        ({}, True),
        ({"PersistedCapabilities": []}, False),
        ({"PersistedCapabilities": ["Partner_Managed"]}, False),
        ({"PersistedCapabilities": ["BPOS_S_Standard"]}, True),
        ({"PersistedCapabilities": ["BPOS_S_Deskless"]}, True),
        ({"PersistedCapabilities": ["BPOS_S_Enterprise", "M365Auditing"]}, True),
        (
            {
                "PersistedCapabilities": ["BPOS_S_Enterprise"],
                "DefaultAuditSet": ["Admin"],
                "AuditAdmin": ["Update"],
            },
            False,
        ),
        (
            {
                "PersistedCapabilities": ["BPOS_S_Enterprise"],
                "DefaultAuditSet": ["Admin"],
                "AuditAdmin": ["Update", "MailItemsAccessed"],
            },
            True,
        ),
    ],
)
def test_two_actions_are_defaults_under_a_licence_of_exchange_online(
    row: dict[str, object], has_both: bool
) -> None:
    for logon_type in ("Admin", "Owner"):
        found = set(list_default_actions(row, logon_type, all_defaults=False))
        assert ({"MailItemsAccessed", "Send"} <= found) is has_both
        assert {"MailItemsAccessed", "Send"} <= set(list_default_actions(row, logon_type, True))


async def test_a_scene_can_give_everyone_all_the_defaults(start: StartTenant) -> None:
    async with start(**{"@sandbox.auditDefaults": "full"}) as client:
        await set_mailbox(client, ROOM_GUID, DefaultAuditSet=["Admin"])
        assert (await mailbox(client, ROOM_GUID))["AuditAdmin"] == ADMIN_DEFAULTS


async def test_a_tagged_hashtable_adds_and_removes(client: TenantClient) -> None:
    change = {"@odata.type": HASHTABLE, "Add": ["Copy", "update"], "Remove": ["HardDelete"]}
    await set_mailbox(client, AuditOwner=change)
    assert (await mailbox(client))["AuditOwner"] == ["Copy", "Update"]
    assert (await mailbox(client))["DefaultAuditSet"] == ["Admin", "Delegate"]


async def test_an_untagged_hashtable_is_no_value_at_all(client: TenantClient) -> None:
    before = await mailbox(client)
    reply = await client.run_cmdlet("Set-Mailbox", Identity=MIA_GUID, AuditOwner={"Add": ["Copy"]})
    inner = reply.body["error"]["innererror"]["internalexception"]
    assert reply.status == 400
    assert inner["type"].endswith("ParameterTransformationException")
    assert await mailbox(client) == before


@pytest.mark.parametrize(
    "given",
    [
        {"AuditEnabled": "True"},
        {"AuditOwner": ["FolderBind"]},
        {"AuditDelegate": ["Send"]},
        {"AuditAdmin": ["Nonsense"]},
        {"DefaultAuditSet": ["Everyone"]},
        {"DefaultAuditSet": []},
        {"AuditLogAgeLimit": "180"},
        {"AuditLogAgeLimit": 180},
        {"AuditLogAgeLimit": "1.25:00:00"},
        {"ForwardingSmtpAddress": "nonsense"},
        {"ForwardingAddress": "nobody"},
        {"Identity": None, "AuditEnabled": True},
        {"Identity": "nobody", "AuditEnabled": True},
        {"AuditAdmin": {"@odata.type": HASHTABLE, "Add": ["MessageBind"]}},
    ],
)
async def test_a_wrong_value_changes_nothing(client: TenantClient, given: dict[str, Any]) -> None:
    before = await client.read_rows("Get-Mailbox")
    reply = await client.run_cmdlet("Set-Mailbox", **{"Identity": MIA_GUID, **given})
    assert reply.status == 400
    assert await client.read_rows("Get-Mailbox") == before
    assert client.sandbox.writes == []


async def test_message_bind_is_refused_without_the_licence_too(client: TenantClient) -> None:
    change = {"@odata.type": HASHTABLE, "Add": ["MessageBind"]}
    reply = await client.run_cmdlet("Set-Mailbox", Identity=ROOM_GUID, AuditAdmin=change)
    assert reply.status == 400
    assert client.sandbox.writes == []


@pytest.mark.parametrize(
    ("given", "printed"), [("180.00:00:00", "180.00:00:00"), ("0180.0:00:00", "180.00:00:00")]
)
async def test_the_age_limit_is_a_time_span(client: TenantClient, given: str, printed: str) -> None:
    assert await set_mailbox(client, AuditLogAgeLimit=given) == []
    assert (await mailbox(client))["AuditLogAgeLimit"] == printed


async def test_an_age_limit_of_zero_purges_and_says_so(client: TenantClient) -> None:
    warnings = await set_mailbox(client, AuditLogAgeLimit="00:00:00")
    assert "deletes every audit entry" in warnings[0]
    row = client.sandbox.tenant.find_owners(MIA_GUID)[0].mailbox
    assert row is not None
    assert row["@sandbox.auditPurged"] is True


async def test_a_change_that_changes_nothing_warns(client: TenantClient) -> None:
    warnings = await set_mailbox(client, AuditEnabled=True)
    assert "no settings of" in warnings[0]


async def test_what_if_leaves_everything_as_it_is(client: TenantClient) -> None:
    await set_mailbox(client, AuditEnabled=False, WhatIf=True)
    assert (await mailbox(client))["AuditEnabled"] is True
    assert client.sandbox.writes == []


# Forwarding and sign-in -------------------------------------------------------------------------


async def test_a_forward_is_cleared_with_nulls_and_set_again(client: TenantClient) -> None:
    await set_mailbox(
        client,
        ForwardingSmtpAddress=None,
        ForwardingAddress=None,
        DeliverToMailboxAndForward=False,
    )
    row = await mailbox(client)
    assert (row["ForwardingSmtpAddress"], row["ForwardingAddress"]) == (None, None)
    assert row["DeliverToMailboxAndForward"] is False
    await set_mailbox(client, ForwardingAddress="partner@outside.example")
    await set_mailbox(client, ForwardingSmtpAddress="y@evil.example")
    row = await mailbox(client)
    assert row["ForwardingAddress"] == "Partner"
    assert row["ForwardingSmtpAddress"] == "smtp:y@evil.example"


async def test_an_account_disabled_in_exchange_is_disabled_in_graph(client: TenantClient) -> None:
    await set_mailbox(client, AccountDisabled=True)
    account = await client.get(f"/users/{MIA}?$select=accountEnabled")
    assert account.body["accountEnabled"] is False


async def test_a_write_is_noted_with_its_identity_and_body(client: TenantClient) -> None:
    await set_mailbox(client, AuditEnabled=False)
    assert client.sandbox.writes == [
        {
            "api": "exchange",
            "method": "InvokeCommand",
            "target": f"Set-Mailbox {MIA_GUID}",
            "body": build_command_body("Set-Mailbox", Identity=MIA_GUID, AuditEnabled=False),
        }
    ]


# The organization -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setter", "given", "getter", "name"),
    [
        ("Set-OrganizationConfig", {"AuditDisabled": True}, "Get-OrganizationConfig", ""),
        (
            "Set-AdminAuditLogConfig",
            {"UnifiedAuditLogIngestionEnabled": False},
            "Get-AdminAuditLogConfig",
            "",
        ),
        (
            "Set-MailboxAuditBypassAssociation",
            {"Identity": MIA_GUID, "AuditBypassEnabled": False},
            "Get-MailboxAuditBypassAssociation",
            "",
        ),
        (
            "Set-RemoteDomain",
            {"Identity": "Default", "AutoForwardEnabled": False},
            "Get-RemoteDomain",
            "",
        ),
        (
            "Set-HostedOutboundSpamFilterPolicy",
            {"Identity": "Default", "AutoForwardingMode": "Off"},
            "Get-HostedOutboundSpamFilterPolicy",
            "",
        ),
        ("Disable-TransportRule", {"Identity": "t1"}, "Get-TransportRule", "Disabled"),
        ("Enable-TransportRule", {"Identity": "Copy"}, "Get-TransportRule", "Enabled"),
    ],
)
async def test_a_setting_that_was_changed_reads_back_changed(
    client: TenantClient, setter: str, given: dict[str, Any], getter: str, name: str
) -> None:
    assert (await client.run_cmdlet(setter, **given)).status == 200
    row = (await client.read_rows(getter))[0]
    wanted = {key: value for key, value in given.items() if key != "Identity"}
    assert {key: row[key] for key in wanted} == wanted
    assert not name or row["State"] == name
    assert len(client.sandbox.writes) == 1


async def test_a_tenant_that_says_nothing_has_the_usual_settings(start: StartTenant) -> None:
    async with start() as client:
        await client.request("POST", "/sandbox/scene", {"exchange": {"Get-TransportRule": []}})
        assert (await client.read_rows("Get-OrganizationConfig"))[0]["AuditDisabled"] is False
        remote = (await client.read_rows("Get-RemoteDomain"))[0]
        policy = (await client.read_rows("Get-HostedOutboundSpamFilterPolicy"))[0]
        domains = await client.read_rows("Get-AcceptedDomain")
        assert (remote["DomainName"], remote["AutoForwardEnabled"]) == ("*", True)
        assert policy["AutoForwardingMode"] == "Automatic"
        assert [domain["DomainName"] for domain in domains] == ["contoso.example"]
        assert await client.read_rows("Get-TransportRule") == []


async def test_transport_rules_are_narrowed_by_state(client: TenantClient) -> None:
    rows = await client.read_rows("Get-TransportRule", State="Enabled", ResultSize="Unlimited")
    assert [row["Name"] for row in rows] == ["Copy"]


# Batches ----------------------------------------------------------------------------------------


def part(name: str, url: str, cmdlet: str, **given: object) -> dict[str, object]:
    return {"id": name, "method": "POST", "url": url, "body": build_command_body(cmdlet, **given)}


async def test_a_batch_of_commands_answers_each_by_its_id(client: TenantClient) -> None:
    absolute = client.sandbox.base + client.build_admin_url() + "?$select=Guid"
    asked = [
        part("a", absolute, "Get-Mailbox", Identity=MIA),
        part("b", "InvokeCommand", "Get-Mailbox", Identity="nobody"),
        part("c", client.build_admin_url(), "Set-Mailbox", Identity=MIA, AuditEnabled=False),
        part("d", "https://elsewhere.example/adminapi/x", "Get-Mailbox"),
    ]
    reply = await client.request("POST", client.build_admin_url("$batch"), {"requests": asked})
    answers = {each["id"]: each for each in reply.body["responses"]}
    assert {name: answer["status"] for name, answer in answers.items()} == {
        "a": 200,
        "b": 400,
        "c": 400,
        "d": 400,
    }
    assert "Cmdlet needs proxy" in message(answers["c"]["body"])
    row = answers["a"]["body"]["value"][0]
    assert {name for name in row if "@" not in name} == {"Guid"}


async def test_a_batch_of_eleven_commands_is_refused(client: TenantClient) -> None:
    asked = [part(str(number), "InvokeCommand", "Get-Mailbox") for number in range(11)]
    reply = await client.request("POST", client.build_admin_url("$batch"), {"requests": asked})
    assert reply.status == 400


async def test_commands_are_remembered_by_name_and_identity(client: TenantClient) -> None:
    await client.read_rows("Get-InboxRule", Mailbox="mia", IncludeHidden=True)
    assert client.sandbox.requests[-1] == ("exchange", "InvokeCommand", "Get-InboxRule mia", 200)
