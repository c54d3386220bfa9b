"""The Tenant port: the audit changes of one mailbox are one command."""

import pytest

from core.errors import Forbidden, NotFound
from core.tenant.changes import (
    AppliedChange,
    Change,
    EnableMailboxAudit,
    RaiseAuditAge,
    ResetAuditSet,
)
from tests.support.http_recorder import PERSON, PERSON_GUID, build_mailbox_row, build_scene
from tests.support.observe import collect_pages
from tests.support.tenants import OPENERS, OpenTenant, open_sandbox
from tests.support.undo_checks import UNKNOWN_ACCOUNT_ID

SCENE = build_scene(
    exchange={
        "Get-Mailbox": [
            build_mailbox_row(
                PERSON,
                PERSON_GUID,
                "ann",
                AuditEnabled=False,
                AuditLogAgeLimit="30.00:00:00",
                DefaultAuditSet=["Admin", "Delegate"],
                AuditOwner=["Update"],
            )
        ]
    }
)
RESET = ResetAuditSet(PERSON_GUID, ("Owner",), expects=(("Owner", ("MailItemsAccessed",)),))
CHANGES: tuple[Change, ...] = (
    EnableMailboxAudit(PERSON_GUID),
    RESET,
    RaiseAuditAge(PERSON_GUID, 90),
)


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


async def test_each_change_is_in_effect_and_records_what_was_there_before_all_of_them(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(SCENE) as to:
        enabled, reset, age = await to.tenant.writer.apply_jointly(CHANGES)
        assert isinstance(enabled, AppliedChange)
        assert isinstance(reset, AppliedChange)
        assert isinstance(age, AppliedChange)
        assert enabled.before == {"AuditEnabled": False}
        assert age.before == {"AuditLogAgeLimit": "30.00:00:00"}
        assert reset.before["AuditOwner"] == ["Update"]
        assert reset.before["DefaultAuditSet"] == ["Admin", "Delegate"]
        assert not any(one.unchanged for one in (enabled, reset, age))
        (audit,) = (await collect_pages(to.tenant.auditing.list_mailbox_audits())).items
        assert (audit.enabled, audit.age_days) == (True, 90.0)
        assert "Owner" in audit.default_set
        again = await to.tenant.writer.apply_jointly((CHANGES[0], CHANGES[2]))
        assert all(isinstance(one, AppliedChange) and one.unchanged for one in again)


async def test_each_change_can_be_undone_by_itself(open_tenant: OpenTenant) -> None:
    async with open_tenant(SCENE) as to:
        _, reset, _ = await to.tenant.writer.apply_jointly(CHANGES)
        assert isinstance(reset, AppliedChange)
        await to.tenant.writer.undo(RESET, reset.before)
        (audit,) = (await collect_pages(to.tenant.auditing.list_mailbox_audits())).items
        assert audit.actions["Owner"] == {"Update"}
        assert (audit.enabled, audit.age_days) == (True, 90.0)


async def test_a_mailbox_that_is_gone_is_said_of_each_change(open_tenant: OpenTenant) -> None:
    gone = (EnableMailboxAudit(UNKNOWN_ACCOUNT_ID), RaiseAuditAge(UNKNOWN_ACCOUNT_ID, 90))
    async with open_tenant(SCENE) as to:
        answers = await to.tenant.writer.apply_jointly(gone)
        assert [type(answer) for answer in answers] == [NotFound, NotFound]


async def test_three_changes_of_a_mailbox_are_one_command() -> None:
    async with open_sandbox(SCENE) as to:
        await to.tenant.writer.apply_jointly(CHANGES)
        assert to.write_count == 1


async def test_a_refused_command_is_sent_again_change_by_change() -> None:
    refused = {"service": "exchange", "match": "^Set-Mailbox ", "times": 1, "status": 400}
    async with open_sandbox({**SCENE, "faults": [refused]}) as to:
        answers = await to.tenant.writer.apply_jointly(CHANGES)
        assert [type(answer) for answer in answers] == [AppliedChange] * 3
        assert to.write_count == 3


async def test_a_missing_permission_is_said_of_each_change(open_tenant: OpenTenant) -> None:
    async with open_tenant(SCENE) as to:
        to.withhold_permission("EnableMailboxAudit")
        to.withhold_permission("RaiseAuditAge")
        answers = await to.tenant.writer.apply_jointly((CHANGES[0], CHANGES[2]))
        assert [type(answer) for answer in answers] == [Forbidden, Forbidden]
