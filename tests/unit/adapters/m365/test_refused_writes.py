"""Writes that are refused: looked at once before the prior state is forgotten."""

from typing import Any

import pytest

from core.errors import Rejected, Unavailable
from core.tenant.changes import (
    EnableMailboxAudit,
    EnableOrganizationAudit,
    ResetAuditSet,
    SetConfiguration,
)
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    build_mailbox_row,
    build_scene,
    connect_sandbox,
)

NOT_AUDITED = build_mailbox_row(PERSON, PERSON_GUID, "ann", AuditEnabled=False)
POLICY = "44444444-0000-4000-8000-000000000001"


def refuse(match: str, **more: Any) -> dict[str, Any]:
    """A fault that refuses a command."""
    body = {"error": {"details": [{"message": "|x.BadException|An unsupported method."}]}}
    return {"kind": "wrongBody", "status": 400, "body": body, "match": match, **more}


async def test_a_write_that_was_carried_out_although_it_was_refused_is_recorded() -> None:
    scene = build_scene(
        exchange={"Get-Mailbox": [NOT_AUDITED]}, faults=[refuse("Set-Mailbox", late=True)]
    )
    async with connect_sandbox(scene) as to:
        made = await to.tenant.writer.apply(EnableMailboxAudit(PERSON_GUID))
        assert (made.before, made.unchanged) == ({"AuditEnabled": False}, False)
        assert len(to.sandbox.writes) == 1


async def test_a_write_that_was_refused_and_not_carried_out_is_refused() -> None:
    scene = build_scene(exchange={"Get-Mailbox": [NOT_AUDITED]}, faults=[refuse("Set-Mailbox")])
    async with connect_sandbox(scene) as to:
        with pytest.raises(Rejected):
            await to.tenant.writer.apply(EnableMailboxAudit(PERSON_GUID))


async def test_a_refused_write_that_cannot_be_looked_at_keeps_the_prior_state() -> None:
    faults = [refuse("Set-Mailbox", late=True), refuse("Get-Mailbox", skip=1)]
    scene = build_scene(exchange={"Get-Mailbox": [NOT_AUDITED]}, faults=faults)
    async with connect_sandbox(scene) as to:
        with pytest.raises(Unavailable) as caught:
            await to.tenant.writer.apply(EnableMailboxAudit(PERSON_GUID))
        assert caught.value.before == {"AuditEnabled": False}


async def test_the_organization_is_written_with_little_selected() -> None:
    scene = build_scene(
        exchange={"Get-OrganizationConfig": [{"AuditDisabled": True}]},
        reality={"exchange-write-answer": "fails"},
    )
    async with connect_sandbox(scene) as to:
        with pytest.raises(Rejected, match="compression"):
            await to.exchange.invoke("Set-OrganizationConfig", {"AuditDisabled": True})
        await to.tenant.writer.apply(EnableOrganizationAudit())
        assert len(to.sandbox.writes) == 2


async def test_an_action_of_the_default_list_is_not_added_again() -> None:
    row = build_mailbox_row(
        PERSON, PERSON_GUID, "ann", DefaultAuditSet=["Admin", "Delegate"], AuditOwner=["Create"]
    )
    change = ResetAuditSet(
        PERSON_GUID, ("Owner",), (("Owner", ("HardDelete", "MailboxLogin")),), ("HardDelete",)
    )
    async with connect_sandbox(build_scene(exchange={"Get-Mailbox": [row]})) as to:
        made = await to.tenant.writer.apply(change)
        assert made.note == ""
        added = to.sandbox.writes[-1]["body"]["CmdletInput"]["Parameters"]["AuditOwner"]["Add"]
        assert added == ["MailboxLogin"]


async def test_a_list_is_emptied_by_removing_its_entries() -> None:
    policy = {"Guid": POLICY, "Name": "Default", "Domains": ["*:X", "a.example:Y"]}
    async with connect_sandbox(build_scene(exchange={"Get-SharingPolicy": [policy]})) as to:
        change = SetConfiguration("sharing-policy", POLICY, "Domains", ())
        made = await to.tenant.writer.apply(change)
        assert made.before == {"Domains": ["*:X", "a.example:Y"]}
        (shown,) = await to.exchange.invoke("Get-SharingPolicy", {})
        assert shown["Domains"] == []
