"""The Management Activity API and the audit log as they answer: windows, pages, blobs, habits."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.sandbox.conftest import StartTenant
from tests.sandbox.tenant_client import MIA, MIA_GUID, TENANT, ClientReply, TenantClient

FEED = f"/api/v1.0/{TENANT}/activity/feed"
EXCHANGE = "contentType=Audit.Exchange"


def build_record(number: int, minutes_ago: float = 60, **more: Any) -> dict[str, Any]:
    """A record of Exchange, so many minutes old."""
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return {
        "Id": f"r{number}",
        "CreationTime": f"{at:%Y-%m-%dT%H:%M:%S}",
        "Operation": "Set-Mailbox",
        "RecordType": 1,
        "UserType": 2,
        **more,
    }


def build_window(hours_ago: float = 2, hours: float = 3) -> str:
    """A window that began so many hours ago."""
    begin = datetime.now(UTC) - timedelta(hours=hours_ago)
    end = begin + timedelta(hours=hours)
    return f"&startTime={begin:%Y-%m-%dT%H:%M:%S}&endTime={end:%Y-%m-%dT%H:%M:%S}"


async def call(client: TenantClient, method: str, what: str) -> ClientReply:
    return await client.request(method, f"{FEED}/{what}")


async def list_content(client: TenantClient, window: str = "") -> list[dict[str, Any]]:
    """All content of a window, page by page."""
    reply = await call(client, "GET", f"subscriptions/content?{EXCHANGE}{window or build_window()}")
    rows: list[dict[str, Any]] = []
    while True:
        assert reply.status == 200, reply.content
        rows += reply.body
        link = reply.headers.get("NextPageUri")
        if not link:
            return rows
        reply = await client.request("GET", link.replace("/api/v1/", "/api/v1.0/"))


async def read_records(client: TenantClient) -> list[dict[str, Any]]:
    """The records of every blob of the last hours."""
    found = []
    for row in await list_content(client):
        reply = await call(client, "GET", f"audit/{row['contentId']}")
        assert reply.status == 200, reply.content
        found += reply.body
    return found


async def test_records_come_in_blobs_once_a_type_is_subscribed_to(start: StartTenant) -> None:
    records = [build_record(1, 90), build_record(2, 60), build_record(3, 1)]
    async with start(activity=records) as client:
        refused = await call(client, "GET", f"subscriptions/content?{EXCHANGE}{build_window()}")
        assert (refused.status, refused.code) == (400, "AF20022")
        assert (await call(client, "POST", f"subscriptions/start?{EXCHANGE}")).status == 200
        again = await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        assert (again.status, again.code) == (400, "AF20024")
        # The third record is a minute old, and what is three minutes old is served.
        assert [one["Id"] for one in await read_records(client)] == ["r1", "r2"]
        other = f"subscriptions/start?{EXCHANGE.replace('Exchange', 'General')}"
        assert (await call(client, "POST", other)).status == 200


async def test_a_listing_is_paged_by_a_header_and_limited_to_a_day_within_a_week(
    start: StartTenant,
) -> None:
    records = [build_record(number, 100 - number / 10) for number in range(250)]
    async with start(activity={"records": records, "perBlob": 1}) as client:
        await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        assert len(await list_content(client)) == 250
        for window in (build_window(25, 25), build_window(24 * 8, 2), "&startTime=2026-01-01"):
            reply = await call(client, "GET", f"subscriptions/content?{EXCHANGE}{window}")
            assert reply.status == 400
            assert reply.code in ("AF20055", "AF20030")
        odd = f"subscriptions/content?{EXCHANGE}{build_window()}&nextPage=x"
        assert (await call(client, "GET", odd)).code == "AF20031"


async def test_records_are_late_and_doubled_as_the_scene_says(start: StartTenant) -> None:
    late = build_record(1, 60, **{"@sandbox.delayMinutes": 2_880})
    double = build_record(2, 60, **{"@sandbox.times": 2})
    async with start(activity=[late, double]) as client:
        await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        found = await read_records(client)
        assert [one["Id"] for one in found] == ["r2", "r2"]
        assert not [name for name in found[0] if name.startswith("@")]
        now = datetime.now(UTC)
        client.sandbox.tenant.clock = lambda: now + timedelta(days=2)
        # It was made an hour ago, so it is served two days after that.
        (blob,) = await list_content(client, build_window(-46, 2))
        reply = await call(client, "GET", f"audit/{blob['contentId']}")
        assert [one["Id"] for one in reply.body] == ["r1"]


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"grants": {"graph": [], "exchange": [], "management": []}}, 401, "AF10001"),
        ({"activity": {"enabled": False}}, 400, "AF20011"),
        (
            {"exchange": {"Get-AdminAuditLogConfig": [{"UnifiedAuditLogIngestionEnabled": False}]}},
            400,
            "AF20011",
        ),
    ],
)
async def test_without_the_grant_or_the_log_nothing_is_served(
    start: StartTenant, changes: dict[str, Any], status: int, code: str
) -> None:
    async with start(**changes) as client:
        reply = await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        assert (reply.status, reply.code) == (status, code)


async def test_a_subscription_may_take_hours_to_warm_up(start: StartTenant) -> None:
    async with start(activity={"records": [build_record(1)], "warmUpHours": 12}) as client:
        await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        assert await list_content(client) == []
        now = datetime.now(UTC)
        client.sandbox.tenant.clock = lambda: now + timedelta(hours=13)
        assert len(await list_content(client)) == 1


async def test_a_tenant_may_name_addresses_elsewhere_and_print_numbers_as_text(
    start: StartTenant,
) -> None:
    odd = {
        "activity-content-uri": "elsewhere",
        "activity-next-page": "elsewhere",
        "activity-record-form": "text",
    }
    records = [build_record(number, 100 - number / 10) for number in range(120)]
    async with start(activity={"records": records, "perBlob": 1}, reality=odd) as client:
        await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        window = f"subscriptions/content?{EXCHANGE}{build_window()}"
        reply = await call(client, "GET", window)
        assert "/api/v1/" in reply.headers["Nextpageuri"]
        assert reply.body[0]["contentUri"].startswith("http://localhost/")
        found = await read_records(client)
        assert {one["RecordType"] for one in found} == {"1"}


async def test_an_edit_leaves_the_record_that_the_service_would_make(start: StartTenant) -> None:
    async with start(activity={"delayMinutes": 0}) as client:
        box, user = f"/exchange/Get-Mailbox/{MIA_GUID}", f"/graph/users/{MIA}"
        rule = {"Identity": "mia\\9", "Name": ".", "Guid": "h9", "@sandbox.hidden": True}
        patch = {
            "actor": {"userPrincipalName": "eve@contoso.example", "ipAddress": "198.51.100.9"},
            "edit": [
                {
                    "op": "set",
                    "path": f"{box}/ForwardingSmtpAddress",
                    "value": "smtp:y@evil.example",
                },
                {"op": "add", "path": f"/exchange/Get-InboxRule/{MIA_GUID}/-", "value": rule},
                {"op": "set", "path": f"{user}/accountEnabled", "value": False},
            ],
        }
        client.sandbox.tenant.apply_patch(patch)
        await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        found = {one["Operation"]: one for one in await read_records(client)}
        assert found.keys() == {"Set-Mailbox", "UpdateInboxRules"}
        assert found["Set-Mailbox"]["Parameters"][1] == {
            "Name": "ForwardingSmtpAddress",
            "Value": "smtp:y@evil.example",
        }
        assert found["Set-Mailbox"]["ClientIP"] == "198.51.100.9:16902"
        assert found["UpdateInboxRules"]["MailboxOwnerUPN"] == MIA_GUID
        (row,) = (await client.get("/auditLogs/directoryAudits")).body["value"]
        assert row["activityDisplayName"] == "Disable account"
        assert row["initiatedBy"]["user"]["userPrincipalName"] == "eve@contoso.example"
        assert row["targetResources"][0]["id"] == MIA


async def test_a_write_of_the_app_is_recorded_with_its_ids(start: StartTenant) -> None:
    async with start(activity=[]) as client:
        await client.run_cmdlet("Set-Mailbox", Identity=MIA_GUID, ForwardingSmtpAddress=None)
        await client.request_graph("PATCH", f"/users/{MIA}", {"accountEnabled": False})
        await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        (record,) = await read_records(client)
        settings = client.sandbox.build_settings()
        assert (record["UserType"], record["ClientAppId"]) == (5, settings["CLIENT_ID"])
        (row,) = (await client.get("/auditLogs/directoryAudits")).body["value"]
        assert row["initiatedBy"]["user"] is None
        assert row["initiatedBy"]["app"]["displayName"] == "Exoguard"


async def test_the_directory_audit_takes_five_requests_in_ten_seconds(client: TenantClient) -> None:
    path = "/auditLogs/directoryAudits?$top=1"
    assert [(await client.get(path)).status for _ in range(6)] == [200] * 5 + [429]
    # As hours that no clock here has to see.
    assert (await client.request("POST", "/sandbox/windows", {})).status == 200
    assert [(await client.get(path)).status for _ in range(6)] == [200] * 5 + [429]


async def test_users_delta_names_who_changed_until_its_token_dies(start: StartTenant) -> None:
    path = "/users/delta?$select=accountEnabled&$deltatoken=latest"
    async with start(reality={"graph-delta-token": {"side": "lasts"}}) as client:
        first = (await client.get(path)).body
        assert first["value"] == []
        client.sandbox.tenant.apply_patch(
            {"edit": [{"op": "set", "path": f"/graph/users/{MIA}/accountEnabled", "value": False}]}
        )
        then = (await client.get(first["@odata.deltaLink"])).body
        assert then["value"] == [{"id": MIA, "accountEnabled": False}]
        assert (await client.get(then["@odata.deltaLink"])).body["value"] == []
        client.sandbox.tenant.apply_patch({"reality": {"graph-delta-token": "dies"}})
        dead = await client.get(then["@odata.deltaLink"])
        assert (dead.status, dead.code) == (410, "syncStateNotFound")


@pytest.mark.parametrize(
    ("by", "act"), [("someone", "Reset user password"), (MIA, "Change user password")]
)
async def test_a_new_password_is_recorded_by_who_set_it(
    start: StartTenant, by: str, act: str
) -> None:
    async with start(activity={"delayMinutes": 0}) as client:
        edit = {
            "op": "set",
            "path": f"/graph/users/{MIA}/lastPasswordChangeDateTime",
            "value": "2026-11-29T10:00:00Z",
        }
        patch = {"actor": {"id": by}, "edit": [edit]}
        assert (await client.request("POST", "/sandbox/scene", patch)).status == 200
        (row,) = (await client.get("/auditLogs/directoryAudits")).body["value"]
        assert (row["activityDisplayName"], row["targetResources"][0]["id"]) == (act, MIA)


async def test_a_window_that_is_too_long_may_be_answered_in_part_without_a_word(
    start: StartTenant,
) -> None:
    records = [build_record(1, minutes_ago=40 * 60), build_record(2)]
    activity = {"records": records, "wideWindows": "partial"}
    async with start(activity=activity) as client:
        await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        both = await list_content(client, build_window(48, 24)), await list_content(client)
        assert [len(part) for part in both] == [1, 1]
        assert await list_content(client, build_window(48, 50)) == both[0]


async def test_an_app_leaves_its_id_and_the_name_of_whose_mailbox_it_worked_in(
    start: StartTenant,
) -> None:
    app = {"isApp": True, "appId": "a11", "id": "principal", "userPrincipalName": "nobody"}
    edits = [
        {
            "op": "set",
            "path": f"/exchange/Get-Mailbox/{MIA_GUID}/ForwardingSmtpAddress",
            "value": "smtp:z@evil.example",
        },
        {"op": "set", "path": f"/graph/users/{MIA}/accountEnabled", "value": False},
    ]
    async with start(activity={"delayMinutes": 0}) as client:
        await call(client, "POST", f"subscriptions/start?{EXCHANGE}")
        await client.request("POST", "/sandbox/scene", {"actor": app, "edit": edits})
        (record,) = await read_records(client)
        assert (record["UserType"], record["ClientAppId"]) == (5, "a11")
        assert record["UserId"] == record["ObjectId"]
        assert "AADSessionId" not in record.get("AppAccessContext", {})
        (row,) = (await client.get("/auditLogs/directoryAudits")).body["value"]
        by = row["initiatedBy"]
        assert (by["user"], by["app"]["servicePrincipalId"]) == (None, "principal")
