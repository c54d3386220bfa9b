"""Graph as it answers: roles, paging, filters, writes and `$batch`."""

import asyncio
from urllib.parse import quote

import pytest

from tests.sandbox.conftest import StartTenant
from tests.sandbox.tenant_client import (
    ADMIN,
    GUEST,
    MIA,
    ROOM,
    SYNCED,
    TenantClient,
    build_directory_user,
)

RULES = f"/users/{MIA}/mailFolders/inbox/messageRules"
RULE = f"{RULES}/{quote('AQAAAJ5d/+==', safe='')}"
EVENTUAL = {"ConsistencyLevel": "eventual"}


def where(condition: str, more: str = "") -> str:
    return f"/users?$select=id&$filter={quote(condition)}{more}"


async def ids(client: TenantClient, path: str, **headers: str) -> list[str]:
    reply = await client.get(path, **headers)
    assert reply.status == 200, reply.content
    return [row["id"] for row in reply.body["value"]]


# Who may ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "role", "code"),
    [
        ("GET", "/users", "User.Read.All", "Authorization_RequestDenied"),
        ("GET", f"/users/{MIA}", "User.Read.All", "Authorization_RequestDenied"),
        ("PATCH", f"/users/{MIA}", "User.EnableDisableAccount.All", "Authorization_RequestDenied"),
        (
            "POST",
            f"/users/{MIA}/revokeSignInSessions",
            "User.RevokeSessions.All",
            "Authorization_RequestDenied",
        ),
        ("GET", "/domains", "Domain.Read.All", "Authorization_RequestDenied"),
        ("GET", "/organization", "Organization.Read.All", "Authorization_RequestDenied"),
        ("GET", "/subscribedSkus", "Organization.Read.All", "Authorization_RequestDenied"),
        ("GET", f"/users/{MIA}/licenseDetails", "User.Read.All", "Authorization_RequestDenied"),
        ("GET", RULES, "MailboxSettings.Read", "ErrorAccessDenied"),
        ("PATCH", RULE, "MailboxSettings.ReadWrite", "ErrorAccessDenied"),
        ("DELETE", RULE, "MailboxSettings.ReadWrite", "ErrorAccessDenied"),
        ("GET", f"/users/{MIA}/mailFolders/rss-folder", "Mail.ReadBasic.All", "ErrorAccessDenied"),
        ("GET", f"/users/{MIA}/mailboxSettings", "MailboxSettings.Read", "ErrorAccessDenied"),
    ],
)
async def test_a_route_opens_with_its_role_and_with_no_other(
    start: StartTenant, method: str, path: str, role: str, code: str
) -> None:
    body = {"isEnabled": False} if "messageRules" in path else {"accountEnabled": False}
    sent = body if method == "PATCH" else None
    async with start(grants={"graph": [role]}) as client:
        assert (await client.request_graph(method, path, sent)).status < 300
    async with start(grants={"graph": ["Group.Read.All"]}) as client:
        refused = await client.request_graph(method, path, sent)
        assert (refused.status, refused.code) == (403, code)
        assert client.sandbox.writes == []


async def test_reading_settings_is_not_enough_to_change_a_rule(start: StartTenant) -> None:
    async with start(grants={"graph": ["MailboxSettings.Read"]}) as client:
        assert (await client.request_graph("PATCH", RULE, {"isEnabled": False})).status == 403


async def test_enabling_accounts_does_not_allow_to_change_anything_else(start: StartTenant) -> None:
    async with start(grants={"graph": ["User.EnableDisableAccount.All"]}) as client:
        refused = await client.request_graph("PATCH", f"/users/{MIA}", {"displayName": "x"})
        assert (refused.status, refused.code) == (403, "Authorization_RequestDenied")


async def test_sign_in_activity_needs_a_role_of_its_own_and_to_be_asked_for(
    start: StartTenant,
) -> None:
    async with start(grants={"graph": ["User.Read.All"]}) as client:
        assert (await client.get(f"/users/{MIA}?$select=id,signInActivity")).status == 403
    async with start(grants={"graph": ["User.Read.All", "AuditLog.Read.All"]}) as client:
        asked = await client.get(f"/users/{MIA}?$select=id,signInActivity")
        plain = await client.get(f"/users/{MIA}")
    assert asked.body["signInActivity"]["lastSuccessfulSignInDateTime"]
    assert "signInActivity" not in plain.body


# Listing users ----------------------------------------------------------------------------------


async def test_without_select_an_account_does_not_say_whether_it_is_enabled(
    client: TenantClient,
) -> None:
    rows = (await client.get("/users")).body["value"]
    assert {"id", "displayName", "userPrincipalName", "mail"} <= rows[0].keys()
    assert rows[0].keys() & {"accountEnabled", "assignedPlans", "signInActivity"} == set()


async def test_a_value_that_is_not_set_is_null_where_it_is_asked_for(client: TenantClient) -> None:
    names = "id,isManagementRestricted,lastPasswordChangeDateTime,signInActivity"
    listed = (await client.get(f"/users?$select={names}")).body["value"]
    unset = {"isManagementRestricted": None, "lastPasswordChangeDateTime": None}
    assert [row.items() & unset.items() for row in listed] == [unset.items()] * len(listed)
    one = await client.get(f"/users/{listed[-1]['id']}?$select=id,isManagementRestricted")
    assert one.body["isManagementRestricted"] is None
    assert any("signInActivity" not in row for row in listed)


async def test_select_brings_exactly_what_was_asked_for(client: TenantClient) -> None:
    reply = await client.get("/users?$select=id,accountEnabled,assignedPlans")
    assert set(reply.body["value"][0]) == {"id", "accountEnabled", "assignedPlans"}
    assert reply.body["@odata.context"].endswith("#users(id,accountEnabled,assignedPlans)")


async def test_a_property_that_does_not_exist_is_refused(client: TenantClient) -> None:
    assert (await client.get("/users?$select=id,acountEnabled")).status == 400


async def test_what_only_the_sandbox_knows_is_never_served(client: TenantClient) -> None:
    reply = await client.get(f"/users/{MIA}?$select=id,displayName")
    folders = await client.get(f"/users/{MIA}/mailFolders")
    assert b"@sandbox" not in reply.content
    assert b"wellKnownName" not in folders.content


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("accountEnabled eq false", [GUEST]),
        ("userType eq 'Guest'", [GUEST]),
        ("createdDateTime ge 2026-01-01T00:00:00Z", [ROOM]),
        (f"id eq '{ROOM}'", [ROOM]),
        (f"id in ('{MIA}','{ROOM}')", [MIA, ROOM]),
        ("startswith(userPrincipalName,'ROOM')", [ROOM]),
        ("startswith(displayName,'a') or startswith(displayName,'g')", [ADMIN, GUEST]),
        (
            "accountEnabled eq true and (userType eq 'Guest' or displayName eq 'mia')",
            [MIA],
        ),
        (
            "assignedPlans/any(p:p/servicePlanId eq efb87545-963c-4e0d-99df-69c6916d9eb0)",
            [MIA],
        ),
    ],
)
async def test_filters_choose_the_users_they_name(
    client: TenantClient, condition: str, expected: list[str]
) -> None:
    assert await ids(client, where(condition)) == expected


@pytest.mark.parametrize(
    "condition",
    [
        "accountEnabled ne true",
        "not(accountEnabled eq true)",
        "endsWith(mail,'guest@contoso.example')",
    ],
)
async def test_advanced_filters_need_both_the_header_and_the_count(
    client: TenantClient, condition: str
) -> None:
    for path, headers in (
        (where(condition), {}),
        (where(condition), EVENTUAL),
        (where(condition, "&$count=true"), {}),
    ):
        refused = await client.get(path, **headers)
        assert (refused.status, refused.code) == (400, "Request_UnsupportedQuery")
    assert await ids(client, where(condition, "&$count=true"), **EVENTUAL) == [GUEST]


async def test_a_count_without_the_header_is_ignored_without_a_word(client: TenantClient) -> None:
    silent = await client.get("/users?$count=true")
    counted = await client.get("/users?$count=true", **EVENTUAL)
    assert "@odata.count" not in silent.body
    assert counted.body["@odata.count"] == 5


async def test_the_count_segment_and_search_need_the_header(client: TenantClient) -> None:
    assert (await client.get("/users/$count")).code == "Request_BadRequest"
    assert (await client.get("/users/$count", **EVENTUAL)).content == b"5"
    search = await client.get('/users?$search="displayName:mia"')
    assert search.code == "Request_UnsupportedQuery"


@pytest.mark.parametrize("condition", ["accountEnabled eq", "id is 'x'", "contains(mail,'x')", "("])
async def test_a_filter_that_makes_no_sense_is_refused(
    client: TenantClient, condition: str
) -> None:
    assert (await client.get(where(condition))).status == 400


async def test_too_many_ids_in_one_filter_are_refused(client: TenantClient) -> None:
    names = ",".join(f"'{number}'" for number in range(16))
    assert (await client.get(where(f"id in ({names})"))).status == 400


async def test_pages_hold_a_hundred_users_unless_told_otherwise(start: StartTenant) -> None:
    many = [build_directory_user(f"id-{number:04}", f"u{number}") for number in range(250)]
    async with start(graph={"users": many}) as client:
        first = (await client.get("/users?$select=id")).body
        second = (await client.get(first["@odata.nextLink"])).body
        third = (await client.get(second["@odata.nextLink"])).body
        whole = await ids(client, "/users?$select=id&$top=999")
    pages = [first["value"], second["value"], third["value"]]
    assert [len(page) for page in pages] == [100, 100, 50]
    assert [row["id"] for page in pages for row in page] == whole
    assert first["@odata.nextLink"].startswith(client.sandbox.base + "/v1.0/users?")
    assert "@odata.nextLink" not in third


async def test_a_page_too_large_or_too_small_is_refused(client: TenantClient) -> None:
    for size in ("1000", "0", "-1", "ten"):
        assert (await client.get(f"/users?$top={size}")).status == 400


async def test_a_next_link_keeps_its_filter_and_needs_the_header_again(start: StartTenant) -> None:
    many = [
        build_directory_user(f"id-{number}", f"u{number}", accountEnabled=number % 2 == 0)
        for number in range(9)
    ]
    async with start(graph={"users": many}) as client:
        path = where("accountEnabled ne true", "&$count=true&$top=2")
        link = (await client.get(path, **EVENTUAL)).body["@odata.nextLink"]
        bare = await client.get(link)
        followed = await client.get(link, **EVENTUAL)
    assert bare.status == 400
    assert [row["id"] for row in followed.body["value"]] == ["id-5", "id-7"]


async def test_an_unknown_page_token_is_refused(client: TenantClient) -> None:
    assert (await client.get("/users?$skiptoken=bm9wZQ")).code == "Directory_ExpiredPageToken"


# One user ---------------------------------------------------------------------------------------


async def test_an_account_is_found_by_id_and_by_principal_name(client: TenantClient) -> None:
    for key in (MIA, MIA.upper(), "mia@contoso.example", "MIA@CONTOSO.EXAMPLE"):
        assert (await client.get(f"/users/{key}")).body["id"] == MIA


async def test_an_unknown_account_is_not_found(client: TenantClient) -> None:
    reply = await client.get("/users/nobody@contoso.example")
    assert (reply.status, reply.code) == (404, "Request_ResourceNotFound")


async def test_blocking_an_account_shows_in_graph_and_in_exchange(client: TenantClient) -> None:
    body = {"@odata.type": "#microsoft.graph.user", "accountEnabled": False}
    assert (await client.request_graph("PATCH", f"/users/{MIA}", body)).status == 204
    account = await client.get(f"/users/{MIA}?$select=accountEnabled")
    assert account.body["accountEnabled"] is False
    assert (await client.read_rows("Get-Mailbox", Identity=MIA))[0]["AccountDisabled"] is True
    assert client.sandbox.writes == [
        {"api": "graph", "method": "PATCH", "target": f"/users/{MIA}", "body": body}
    ]


@pytest.mark.parametrize(
    ("who", "body", "status", "code"),
    [
        (SYNCED, {"displayName": "x"}, 400, "Request_BadRequest"),
        (ADMIN, {"accountEnabled": False}, 403, "Authorization_RequestDenied"),
        (MIA, {"accountEnabled": "no"}, 400, "Request_BadRequest"),
        (MIA, {"acountEnabled": False}, 400, "Request_BadRequest"),
        (MIA, {}, 400, "Request_BadRequest"),
        ("nobody", {"accountEnabled": False}, 404, "Request_ResourceNotFound"),
    ],
)
async def test_an_account_that_may_not_be_changed_stays_as_it_is(
    client: TenantClient, who: str, body: dict[str, object], status: int, code: str
) -> None:
    reply = await client.request_graph("PATCH", f"/users/{who}", body)
    assert (reply.status, reply.code) == (status, code)
    assert client.sandbox.writes == []


async def test_a_synchronised_account_can_be_blocked_in_the_cloud(client: TenantClient) -> None:
    body = {"accountEnabled": False}
    assert (await client.request_graph("PATCH", f"/users/{SYNCED}", body)).status == 204


async def test_sign_in_methods_are_told_and_a_password_is_reset_by_people_only(
    client: TenantClient,
) -> None:
    reply = await client.get(f"/users/{MIA}/authentication/methods")
    kinds = [row["@odata.type"].rpartition(".")[2] for row in reply.body["value"]]
    assert kinds == [
        "passwordAuthenticationMethod",
        "microsoftAuthenticatorAuthenticationMethod",
    ]
    password = reply.body["value"][0]["id"]
    path = f"/users/{MIA}/authentication/methods/{password}/resetPassword"
    refused = await client.request_graph("POST", path, {"newPassword": "x"})
    assert refused.status == 403
    assert client.sandbox.writes == []


async def test_what_an_account_has_none_of_is_an_empty_list(client: TenantClient) -> None:
    for path in ("registeredDevices/microsoft.graph.device", "oauth2PermissionGrants"):
        assert (await client.get(f"/users/{MIA}/{path}")).body["value"] == []
    assert (await client.get(f"/directory/deletedItems/{MIA}")).status == 404


async def test_revoking_sessions_says_true_and_dates_the_account(client: TenantClient) -> None:
    reply = await client.request_graph("POST", f"/users/{MIA}/revokeSignInSessions")
    assert (reply.status, reply.body["value"]) == (200, True)
    seen = await client.get(f"/users/{MIA}?$select=signInSessionsValidFromDateTime")
    assert seen.body["signInSessionsValidFromDateTime"].endswith("Z")
    assert client.sandbox.writes[0]["target"] == f"/users/{MIA}/revokeSignInSessions"


# Inbox rules and folders ------------------------------------------------------------------------


async def test_rules_come_without_nulls_and_without_the_hidden_ones(client: TenantClient) -> None:
    rows = (await client.get(RULES)).body["value"]
    assert [row["id"] for row in rows] == ["AQAAAJ5d/+==", "client-only"]
    assert "exceptions" not in rows[0]
    assert rows[0]["conditions"] == {"subjectContains": ["invoice"]}
    assert "actions" not in rows[1]


async def test_a_rule_is_read_changed_and_deleted_by_its_id(client: TenantClient) -> None:
    changed = await client.request_graph("PATCH", RULE, {"isEnabled": False})
    assert (changed.status, changed.body["isEnabled"]) == (200, False)
    assert changed.body["actions"]["redirectTo"]
    assert (await client.get(RULE)).body["isEnabled"] is False
    assert (await client.request_graph("DELETE", RULE)).status == 204
    assert (await client.get(RULE)).code == "ErrorItemNotFound"
    assert [write["method"] for write in client.sandbox.writes] == ["PATCH", "DELETE"]


async def test_a_rule_disabled_in_graph_is_disabled_in_exchange(client: TenantClient) -> None:
    await client.request_graph("PATCH", RULE, {"isEnabled": False})
    assert (await client.read_rows("Get-InboxRule", Mailbox="mia"))[0]["Enabled"] is False


async def test_a_read_only_rule_cannot_be_changed(client: TenantClient) -> None:
    for method, body in (("PATCH", {"isEnabled": False}), ("DELETE", None)):
        assert (await client.request_graph(method, f"{RULES}/client-only", body)).status == 400
    assert client.sandbox.writes == []


async def test_no_mailbox_and_no_account_are_told_apart(client: TenantClient) -> None:
    no_mailbox = await client.get(f"/users/{GUEST}/mailFolders/inbox/messageRules")
    nobody = await client.get("/users/nobody/mailFolders/inbox/messageRules")
    assert (no_mailbox.status, no_mailbox.code) == (404, "MailboxNotEnabledForRESTAPI")
    assert (nobody.status, nobody.code) == (404, "Request_ResourceNotFound")


async def test_a_mailbox_without_rules_answers_with_none(client: TenantClient) -> None:
    assert (await client.get(f"/users/{ROOM}/mailFolders/inbox/messageRules")).body["value"] == []


@pytest.mark.parametrize("key", [MIA, "mia@contoso.example", "mia", "Mia", "M@CONTOSO.EXAMPLE"])
async def test_rules_in_the_scene_may_be_filed_under_any_name(start: StartTenant, key: str) -> None:
    async with start() as client:
        rules = client.sandbox.tenant.graph["messageRules"].pop("MIA@contoso.example")
        patch = {"graph": {"messageRules": {key: rules}}}
        await client.request("POST", "/sandbox/scene", patch)
        assert len((await client.get(RULES)).body["value"]) == 2


async def test_folders_are_found_by_id_and_by_well_known_name(client: TenantClient) -> None:
    for name in ("bin-folder", "DeletedItems"):
        folder = (await client.get(f"/users/{MIA}/mailFolders/{name}")).body
        assert (folder["id"], folder["displayName"]) == ("bin-folder", "Bin")
    for name in ("archive", "unknown-id"):
        missing = await client.get(f"/users/{MIA}/mailFolders/{name}")
        assert (missing.status, missing.code) == (404, "ErrorItemNotFound")


async def test_the_purpose_of_a_mailbox_follows_its_type(client: TenantClient) -> None:
    assert (await client.get(f"/users/{ROOM}/mailboxSettings")).body["userPurpose"] == "room"
    only = await client.get(f"/users/{ROOM}/mailboxSettings/userPurpose")
    assert only.body["value"] == "room"


async def test_the_fifth_request_at_once_to_a_mailbox_is_throttled(start: StartTenant) -> None:
    async with start(latency=0.05) as client:
        replies = await asyncio.gather(*(client.get(RULES) for _ in range(5)))
    assert sorted(reply.status for reply in replies) == [200, 200, 200, 200, 429]
    refused = next(reply for reply in replies if reply.status == 429)
    assert (refused.code, refused.headers["Retry-After"]) == ("ApplicationThrottled", "1")


async def test_the_organization_its_domains_and_licences_are_listed(client: TenantClient) -> None:
    domains = (await client.get("/domains")).body["value"]
    assert [domain["id"] for domain in domains] == ["contoso.example"]
    assert (await client.get("/organization")).body["value"][0]["displayName"] == "Contoso"
    skus = (await client.get("/subscribedSkus?$select=skuPartNumber")).body["value"]
    assert skus == [{"skuPartNumber": "SPE_E5"}]


async def test_an_unknown_route_is_no_empty_answer(client: TenantClient) -> None:
    assert (await client.get("/groups")).status == 400


# Batches ----------------------------------------------------------------------------------------


def ask(name: str, url: str, **more: object) -> dict[str, object]:
    return {"id": name, "method": "GET", "url": url, **more}


async def test_every_request_of_a_batch_is_answered_in_another_order(client: TenantClient) -> None:
    asked = [ask(str(number), f"/users/{MIA}?$select=id") for number in range(20)]
    reply = await client.request_graph("POST", "/$batch", {"requests": asked})
    names = [each["id"] for each in reply.body["responses"]]
    assert sorted(names, key=int) == [str(number) for number in range(20)]
    assert names != sorted(names, key=int)
    assert all(each["body"]["id"] == MIA for each in reply.body["responses"])


async def test_each_request_of_a_batch_has_its_own_status(client: TenantClient) -> None:
    json_type = {"Content-Type": "application/json"}
    answers = await client.send_batch(
        ask("a", f"users/{MIA}"),
        ask("b", "/users/nobody"),
        ask("c", "/users?$count=true&$top=1", headers=EVENTUAL),
        {
            "id": "d",
            "method": "PATCH",
            "url": f"/users/{ROOM}",
            "headers": json_type,
            "body": {"accountEnabled": False},
        },
        {"id": "e", "method": "PATCH", "url": f"/users/{ROOM}", "body": {"accountEnabled": True}},
        ask("f", f"{client.sandbox.base}/v1.0/users"),
    )
    statuses = {name: answer["status"] for name, answer in answers.items()}
    assert statuses == {"a": 200, "b": 404, "c": 200, "d": 204, "e": 400, "f": 400}
    assert answers["b"]["body"]["error"]["code"] == "Request_ResourceNotFound"
    assert answers["c"]["body"]["@odata.count"] == 5
    assert "body" not in answers["d"]


@pytest.mark.parametrize(
    "requests",
    [
        [ask(str(number), "/users") for number in range(21)],
        [ask("a", "/users"), ask("A", "/domains")],
        [ask("", "/users")],
        [{"id": "a", "url": "/users"}],
        [ask("a", "/users", dependsOn=["b"])],
        [],
    ],
)
async def test_a_batch_that_is_no_batch_is_refused_whole(
    client: TenantClient, requests: list[object]
) -> None:
    assert (await client.request_graph("POST", "/$batch", {"requests": requests})).status == 400


async def test_what_depends_on_a_failure_fails_with_it(client: TenantClient) -> None:
    answers = await client.send_batch(
        ask("a", "/users/nobody"),
        ask("b", f"/users/{MIA}", dependsOn=["a"]),
        ask("c", f"/users/{MIA}", dependsOn=["b"]),
    )
    assert [answers[name]["status"] for name in "abc"] == [404, 424, 424]


async def test_twenty_mailboxes_in_a_batch_are_read_without_throttling(start: StartTenant) -> None:
    async with start(latency=0.01) as client:
        answers = await client.send_batch(*(ask(str(number), RULES) for number in range(20)))
    assert {answer["status"] for answer in answers.values()} == {200}


async def test_roles_are_checked_inside_a_batch_too(start: StartTenant) -> None:
    async with start(grants={"graph": ["User.Read.All"]}) as client:
        answers = await client.send_batch(ask("a", f"/users/{MIA}"), ask("b", RULES))
    assert (answers["a"]["status"], answers["b"]["status"]) == (200, 403)
    assert answers["b"]["body"]["error"]["code"] == "ErrorAccessDenied"
