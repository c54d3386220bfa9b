"""What a block of sign-in asks first over the wire, and what became of earlier blocks."""

from datetime import UTC, datetime
from typing import Any

import pytest

from core.errors import Forbidden, Rejected
from core.tenant.changes import BlockSignIn
from core.tenant.directory import Actor
from core.tenant.sources import ENABLINGS
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_scene,
    build_user_row,
    connect_sandbox,
)

SINCE = datetime(2026, 11, 1, tzinfo=UTC)
CHANGE = BlockSignIn(ROOM, ROOM_GUID, ("RoomMailbox",))
OTHER_GUID = "99999999-0000-4000-8000-000000000001"


def build_room(**user: Any) -> dict[str, Any]:
    users = [build_user_row(PERSON, "ann"), build_user_row(ROOM, "room") | user]
    return build_scene(graph={"users": users})


async def test_a_member_of_a_restricted_unit_is_not_written_to() -> None:
    async with connect_sandbox(build_room(isManagementRestricted=True)) as to:
        (account,) = (await to.tenant.accounts.read_users([ROOM])).items
        assert account.enabled
        with pytest.raises(Rejected, match="restricted management") as caught:
            await to.tenant.writer.apply(CHANGE)
        assert caught.value.verdict == "protected"
        assert to.sandbox.writes == []


async def test_whoever_may_activate_a_role_is_not_blocked() -> None:
    scene = build_room()
    async with connect_sandbox(scene) as to:
        eligible = to.sandbox.tenant.graph["roleEligibilityScheduleInstances"]
        eligible.append(
            {
                "id": "e1",
                "principalId": ROOM,
                "roleDefinitionId": "29232cdf-9323-42fd-ade2-1d097af3e4de",
                "directoryScopeId": "/",
                "principal": {"@odata.type": "#microsoft.graph.user", "id": ROOM},
            }
        )
        with pytest.raises(Rejected, match="may activate one"):
            await to.tenant.writer.apply(CHANGE)
        assert to.sandbox.writes == []


async def test_a_list_of_role_holders_that_ends_too_soon_lets_nobody_be_blocked() -> None:
    fault = {
        "service": "graph",
        "kind": "wrongBody",
        "match": r"roleEligibilityScheduleInstances\?\$expand",
        "body": {"value": []},
    }
    async with connect_sandbox(build_room() | {"faults": [fault]}) as to:
        eligible = to.sandbox.tenant.graph["roleEligibilityScheduleInstances"]
        eligible.append(
            {
                "id": "e1",
                "principalId": ROOM,
                "roleDefinitionId": "29232cdf-9323-42fd-ade2-1d097af3e4de",
                "directoryScopeId": "/",
            }
        )
        assert ROOM not in {one.id for one in (await to.tenant.roles.read_role_holders()).items}
        with pytest.raises(Rejected, match="may activate one") as caught:
            await to.tenant.writer.apply(CHANGE)
        assert caught.value.verdict == "protected"
        assert to.sandbox.writes == []


async def test_where_role_holders_cannot_be_read_nothing_is_blocked() -> None:
    scene = build_room() | {
        "grants": {
            "graph": ["User.Read.All", "User.EnableDisableAccount.All"],
            "exchange": ["Get-Mailbox"],
        }
    }
    async with connect_sandbox(scene) as to:
        with pytest.raises(Forbidden) as caught:
            await to.tenant.writer.apply(CHANGE)
        assert caught.value.permission
        assert to.sandbox.writes == []


def build_audit(target: str, by: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "activityDateTime": "2026-11-10T08:00:00Z",
        "activityDisplayName": "Enable account",
        "result": "success",
        "initiatedBy": by,
        "targetResources": [{"id": target, "type": "User"}],
    } | more


async def test_who_enabled_an_account_comes_from_the_audit_log() -> None:
    dana = {"user": {"id": PERSON, "userPrincipalName": "dana@contoso.example"}, "app": None}
    sync = {"user": None, "app": {"appId": None, "displayName": "Sync", "servicePrincipalId": None}}
    rows = [
        build_audit(ROOM, dana),
        build_audit(ROOM, sync, activityDateTime="2026-11-12T08:00:00Z"),
        build_audit(ROOM, dana, result="failure"),
        build_audit(ROOM, dana, activityDisplayName="Disable account"),
        build_audit(ROOM, dana, activityDateTime="2026-10-10T08:00:00Z"),
        build_audit(PERSON, dana),
    ]
    async with connect_sandbox(build_scene(graph={"directoryAudits": rows})) as to:
        found = await to.tenant.accounts.read_enablings([ROOM], SINCE)
        assert [(one.at.day, one.actor.name) for one in found.items] == [
            (12, "Sync"),
            (10, "dana@contoso.example"),
        ]
        assert found.items[1].actor == Actor(PERSON, "dana@contoso.example")
        assert found.failures == ()


async def test_an_audit_log_that_may_not_be_read_is_an_optional_failure() -> None:
    scene = build_scene(grants={"graph": ["User.Read.All"]})
    async with connect_sandbox(scene) as to:
        found = await to.tenant.accounts.read_enablings([ROOM], SINCE)
        (miss,) = found.failures
        assert (miss.source, miss.permission, miss.optional) == (
            ENABLINGS,
            "AuditLog.Read.All",
            True,
        )


async def test_single_mailboxes_are_read_by_guid_and_those_that_are_gone_are_absent() -> None:
    async with connect_sandbox(build_scene()) as to:
        found = await to.tenant.mailboxes.read_mailboxes([ROOM_GUID, PERSON_GUID, OTHER_GUID])
        assert {(box.guid, box.kind) for box in found.items} == {
            (ROOM_GUID, "RoomMailbox"),
            (PERSON_GUID, "UserMailbox"),
        }
        assert found.failures == ()
