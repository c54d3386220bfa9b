"""Mail protocols and the sign-in log: accepted input and printed output."""

from typing import Any
from urllib.parse import quote

import pytest

from tests.sandbox.conftest import StartTenant
from tests.sandbox.tenant_client import MIA, MIA_GUID, ROOM_GUID

LOG = "/auditLogs/signIns"
BETA_LOG = "/beta/auditLogs/signIns"


def at(day: int, client: str = "POP3", code: int = 0, **more: object) -> dict[str, object]:
    """A sign-in of November."""
    return {
        "id": f"s{day}",
        "userId": MIA,
        "createdDateTime": f"2026-11-{day:02}T10:00:00Z",
        "clientAppUsed": client,
        "status": {"errorCode": code},
        **more,
    }


async def test_a_mailbox_nobody_speaks_of_has_its_protocols_off(start: StartTenant) -> None:
    async with start() as client:
        (row,) = await client.read_rows("Get-CASMailbox", Identity=MIA_GUID)
    assert (row["ImapEnabled"], row["PopEnabled"]) == (False, False)
    assert row["SmtpClientAuthenticationDisabled"] is None
    assert "RecipientTypeDetails" not in row


async def test_what_is_set_stays_set_and_null_gives_it_back(start: StartTenant) -> None:
    async with start() as client:
        given: dict[str, Any] = {"Identity": MIA_GUID, "SmtpClientAuthenticationDisabled": True}
        assert (await client.run_cmdlet("Set-CASMailbox", **given)).status == 200
        (row,) = await client.read_rows("Get-CASMailbox", Identity=MIA_GUID)
        assert row["SmtpClientAuthenticationDisabled"] is True
        given["SmtpClientAuthenticationDisabled"] = None
        assert (await client.run_cmdlet("Set-CASMailbox", **given)).status == 200
        (row,) = await client.read_rows("Get-CASMailbox", Identity=MIA_GUID)
        assert row["SmtpClientAuthenticationDisabled"] is None
        (room,) = await client.read_rows("Get-CASMailbox", Identity=ROOM_GUID)
        assert room["SmtpClientAuthenticationDisabled"] is None


async def test_mailboxes_can_be_listed_by_the_kinds_there_are(start: StartTenant) -> None:
    async with start() as client:
        rooms = await client.read_rows("Get-CASMailbox", RecipientTypeDetails=["RoomMailbox"])
        assert [row["Guid"] for row in rooms] == [ROOM_GUID]
        refused = await client.run_cmdlet(
            "Get-CASMailbox", RecipientTypeDetails=["SchedulingMailbox"]
        )
        assert refused.status == 400


@pytest.mark.parametrize("name", ["ImapEnabled", "PopEnabled"])
async def test_a_switch_takes_a_boolean_and_nothing_else(start: StartTenant, name: str) -> None:
    async with start() as client:
        given: dict[str, Any] = {"Identity": MIA_GUID, name: None}
        reply = await client.run_cmdlet("Set-CASMailbox", **given)
        assert reply.status == 400


async def test_the_log_is_filtered_newest_first_and_paged(start: StartTenant) -> None:
    rows = [at(1), at(3), at(2), at(4, "IMAP4"), at(5, code=50126)]
    async with start(graph={"signIns": rows}) as client:
        wanted = "createdDateTime ge 2026-11-02T00:00:00Z and clientAppUsed eq 'POP3'"
        wanted += " and status/errorCode eq 0"
        wanted += " and signInEventTypes/any(t: t eq 'nonInteractiveUser')"
        reply = await client.request("GET", f"{BETA_LOG}?$filter={quote(wanted)}&$top=1")
        assert [row["id"] for row in reply.body["value"]] == ["s3"]
        further = await client.get(reply.body["@odata.nextLink"])
        assert [row["id"] for row in further.body["value"]] == ["s2"]
        assert "@odata.nextLink" not in further.body


async def test_v1_lists_interactive_sign_ins_and_knows_no_other_kind(start: StartTenant) -> None:
    rows = [at(1), at(2, "Browser"), at(3, signInEventTypes=["interactiveUser"])]
    async with start(graph={"signIns": rows}) as client:
        assert [row["id"] for row in (await client.get(LOG)).body["value"]] == ["s3", "s2"]
        kind = quote("signInEventTypes/any(t: t eq 'nonInteractiveUser')")
        assert (await client.get(f"{LOG}?$filter={kind}")).status == 400
        beta = (await client.request("GET", f"{BETA_LOG}?$filter={kind}")).body["value"]
        assert [row["id"] for row in beta] == ["s1"]
        assert len((await client.request("GET", BETA_LOG)).body["value"]) == 2
    turned = {"graph-sign-in-log": "interactive"}
    async with start(graph={"signIns": rows}, reality=turned) as client:
        assert len((await client.get(LOG)).body["value"]) == 3


@pytest.mark.parametrize(
    "query", ["$filter=clientAppUsed%20in%20('POP3','IMAP4')", "$select=id", "$top=1001"]
)
async def test_the_log_refuses_what_it_does_not_know(start: StartTenant, query: str) -> None:
    async with start(graph={"signIns": [at(1)]}) as client:
        assert (await client.get(f"{LOG}?{query}")).status == 400


async def test_the_log_needs_a_role_and_a_licence(start: StartTenant) -> None:
    async with start(grants={"graph": ["User.Read.All"]}) as client:
        assert (await client.get(LOG)).code == "Authorization_RequestDenied"
    async with start(graph={"@sandbox.premium": False}) as client:
        reply = await client.get(LOG)
        assert reply.status == 403
        assert reply.code == "Authentication_RequestFromNonPremiumTenantOrB2CTenant"
