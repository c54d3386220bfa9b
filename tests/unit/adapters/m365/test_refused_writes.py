"""Writes that are refused: looked at once before the prior state is forgotten."""

from typing import Any

import pytest

from core.adapters.m365.configuration_write import compare_siblings
from core.errors import Rejected, Unavailable
from core.tenant.changes import (
    AppliedChange,
    BlockSignIn,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
)
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_mailbox_row,
    build_scene,
    connect_directly,
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
    async with connect_directly(scene) as to:
        made = await to.tenant.writer.apply(EnableMailboxAudit(PERSON_GUID))
        assert (made.before, made.unchanged) == ({"AuditEnabled": False}, False)
        assert len(to.sandbox.writes) == 1


async def test_a_write_that_was_refused_and_not_carried_out_is_refused() -> None:
    scene = build_scene(exchange={"Get-Mailbox": [NOT_AUDITED]}, faults=[refuse("Set-Mailbox")])
    async with connect_directly(scene) as to:
        with pytest.raises(Rejected):
            await to.tenant.writer.apply(EnableMailboxAudit(PERSON_GUID))


async def test_a_refused_write_that_cannot_be_looked_at_keeps_the_prior_state() -> None:
    faults = [refuse("Set-Mailbox", late=True), refuse("Get-Mailbox", skip=1)]
    scene = build_scene(exchange={"Get-Mailbox": [NOT_AUDITED]}, faults=faults)
    async with connect_directly(scene) as to:
        with pytest.raises(Unavailable) as caught:
            await to.tenant.writer.apply(EnableMailboxAudit(PERSON_GUID))
        assert caught.value.before == {"AuditEnabled": False}


async def test_the_organization_is_written_with_little_selected() -> None:
    scene = build_scene(
        exchange={"Get-OrganizationConfig": [{"AuditDisabled": True}]},
        reality={"exchange-write-answer": "fails"},
    )
    async with connect_directly(scene) as to:
        with pytest.raises(Rejected, match="compression"):
            await to.exchange.invoke("Set-OrganizationConfig", {"AuditDisabled": True})
        await to.tenant.writer.apply(EnableOrganizationAudit())
        assert len(to.sandbox.writes) == 2


async def test_an_action_of_the_default_list_is_not_added_again() -> None:
    row = build_mailbox_row(
        PERSON, PERSON_GUID, "ann", DefaultAuditSet=["Admin", "Delegate"], AuditOwner=["Create"]
    )
    change = ResetAuditSet(
        PERSON_GUID,
        ("Owner",),
        (("Owner", ("HardDelete", "MailboxLogin")),),
        (("Owner", ("HardDelete",)),),
    )
    async with connect_directly(build_scene(exchange={"Get-Mailbox": [row]})) as to:
        made = await to.tenant.writer.apply(change)
        assert made.note == ""
        added = to.sandbox.writes[-1]["body"]["CmdletInput"]["Parameters"]["AuditOwner"]["Add"]
        assert added == ["MailboxLogin"]


async def test_a_list_is_emptied_by_removing_its_entries() -> None:
    policy = {"Guid": POLICY, "Name": "Default", "Domains": ["*:X", "a.example:Y"]}
    async with connect_directly(build_scene(exchange={"Get-SharingPolicy": [policy]})) as to:
        change = SetConfiguration("sharing-policy", POLICY, "Domains", ())
        made = await to.tenant.writer.apply(change)
        assert made.before == {"Domains": ["*:X", "a.example:Y"]}
        (shown,) = await to.exchange.invoke("Get-SharingPolicy", {})
        assert shown["Domains"] == []


BLOCK = BlockSignIn(ROOM, ROOM_GUID, ("RoomMailbox",))


async def test_a_block_that_was_made_although_it_was_refused_is_recorded() -> None:
    fault = {"kind": "error", "status": 400, "match": "PATCH /v1.0/users/", "late": True}
    async with connect_directly(build_scene(faults=[fault])) as to:
        made = await to.tenant.writer.apply(BLOCK)
        assert (made.before, made.unchanged) == ({"accountEnabled": True}, False)


async def test_a_block_that_was_refused_and_not_made_says_what_may_be_the_reason() -> None:
    async with connect_directly(build_scene(reality={"write-narrow-roles": "refused"})) as to:
        with pytest.raises(Rejected, match=r"protected by a role or .* User\.ReadWrite\.All"):
            await to.tenant.writer.apply(BLOCK)


async def test_a_reset_that_was_made_although_it_was_refused_is_recorded() -> None:
    row = build_mailbox_row(PERSON, PERSON_GUID, "ann", DefaultAuditSet=["Admin", "Delegate"])
    faults = [refuse("Set-Mailbox", late=True)]
    async with connect_directly(build_scene(exchange={"Get-Mailbox": [row]}, faults=faults)) as to:
        made = await to.tenant.writer.apply(ResetAuditSet(PERSON_GUID, ("Owner",), (), ()))
        assert made.before["DefaultAuditSet"] == ["Admin", "Delegate"]
        assert not made.unchanged
        assert len(to.sandbox.writes) == 1
        assert 400 in {one.status for one in to.sandbox.requests}


async def test_a_reset_whose_second_step_is_forbidden_keeps_the_prior_state() -> None:
    row = build_mailbox_row(PERSON, PERSON_GUID, "ann", DefaultAuditSet=["Admin", "Delegate"])
    change = ResetAuditSet(PERSON_GUID, ("Owner",), (("Owner", ("MailboxLogin",)),), ())
    fault = {"kind": "error", "status": 403, "match": "Set-Mailbox", "skip": 1}
    async with connect_directly(build_scene(exchange={"Get-Mailbox": [row]}, faults=[fault])) as to:
        with pytest.raises(Unavailable, match="nothing was added again") as caught:
            await to.tenant.writer.apply(change)
        assert caught.value.before
        assert caught.value.before["DefaultAuditSet"] == ["Admin", "Delegate"]


async def test_changes_of_a_mailbox_that_were_made_although_they_were_refused_are_recorded() -> (
    None
):
    row = {**NOT_AUDITED, "AuditLogAgeLimit": "30.00:00:00"}
    changes = (EnableMailboxAudit(PERSON_GUID), RaiseAuditAge(PERSON_GUID, 90))
    scene = build_scene(exchange={"Get-Mailbox": [row]}, faults=[refuse("Set-Mailbox", late=True)])
    async with connect_directly(scene) as to:
        first, second = await to.tenant.writer.apply_jointly(changes)
        assert isinstance(first, AppliedChange)
        assert isinstance(second, AppliedChange)
        assert first.before == {"AuditEnabled": False}
        assert second.before == {"AuditLogAgeLimit": "30.00:00:00"}
        assert not first.unchanged
        assert len(to.sandbox.writes) == 1


@pytest.mark.parametrize("side", ["merged", "replaced"])
async def test_an_update_inside_of_a_policy_leaves_everything_beside_it(side: str) -> None:
    change = SetConfiguration(
        "authorization-policy", "", "defaultUserRolePermissions.allowedToCreateApps", False
    )
    inner = {
        "allowedToCreateApps": True,
        "allowedToCreateSecurityGroups": True,
        "allowedToCreateTenants": True,
        "allowedToReadBitlockerKeysForOwnedDevice": True,
        "allowedToReadOtherUsers": True,
        "permissionGrantPoliciesAssigned": ["ManagePermissionGrantsForSelf.x"],
    }
    policy = {"id": "authorizationPolicy", "defaultUserRolePermissions": inner}
    scene = build_scene(graph={"authorizationPolicy": policy}, reality={"write-policy-merge": side})
    async with connect_directly(scene) as to:
        made = await to.tenant.writer.apply(change)
        assert made.note == ""
        shown = await to.graph.get("/policies/authorizationPolicy")
        assert shown["defaultUserRolePermissions"] == {**inner, "allowedToCreateApps": False}


def test_what_an_update_changed_besides_is_named() -> None:
    before = {"a": {"x": 1, "y": [1], "z": None}, "b": 1}
    after = {"a": {"x": 2, "y": [], "w": 3}, "b": 1}
    assert compare_siblings(before, after, "a.x") == "Changed besides, so look at them: a.w, a.y."
    assert compare_siblings(before, before, "a.x") == ""
