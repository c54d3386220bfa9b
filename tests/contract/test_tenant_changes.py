"""The Tenant port: what every implementation promises of changes, however often they are made."""

from typing import Any

import pytest

from core.errors import Forbidden, NotFound, Rejected, Superseded, TenantError, Unavailable
from core.tenant.changes import (
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableInboxRule,
    EnableMailboxAudit,
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
)
from tests.support.fakes.changes import SESSIONS_TARGET
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_mailbox_row,
    build_rule_row,
    build_scene,
    build_user_row,
)
from tests.support.observe import collect_pages
from tests.support.tenants import (
    BLOCK_CHANGE,
    EVERY_CHANGE,
    MISCONFIGURED_SCENE,
    OPENERS,
    RESET_CHANGE,
    OpenTenant,
    open_fake,
    open_sandbox,
)
from tests.support.undo_checks import UNKNOWN_ACCOUNT_ID, name_change, read_changeable_state


def steps(change: Change) -> int:
    """How many single writes a change takes: what is added to a default set is one of its own."""
    return 1 + len(change.extras) if isinstance(change, ResetAuditSet) else 1


EVERY = pytest.mark.parametrize("change", EVERY_CHANGE, ids=name_change)


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


# Made once, made again --------------------------------------------------------------------------


@EVERY
async def test_a_change_is_in_effect_once_and_safe_to_repeat(
    open_tenant: OpenTenant, change: Change
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        wrong = await read_changeable_state(to.tenant)
        first = await to.tenant.writer.apply(change)
        assert not first.unchanged
        assert first.before
        written, right = to.write_count, await read_changeable_state(to.tenant)
        assert written == steps(change)
        assert right != wrong
        second = await to.tenant.writer.apply(change)
        assert await read_changeable_state(to.tenant) == right
        if change is not RESET_CHANGE:
            assert second.unchanged
            assert to.write_count == written


@EVERY
async def test_both_tenants_do_the_same(change: Change) -> None:
    """The fake is worth what it has in common with the real one."""
    async with (
        open_fake(build_scene(**MISCONFIGURED_SCENE)) as fake,
        open_sandbox(build_scene(**MISCONFIGURED_SCENE)) as real,
    ):
        assert await read_changeable_state(fake.tenant) == await read_changeable_state(real.tenant)
        for _ in range(2):
            assert await fake.tenant.writer.apply(change) == await real.tenant.writer.apply(change)
            assert await read_changeable_state(fake.tenant) == await read_changeable_state(
                real.tenant
            )
            assert (fake.write_count, fake.signed_out) == (real.write_count, real.signed_out)


@pytest.mark.parametrize(
    ("change", "writes"),
    [(change, writes) for change in EVERY_CHANGE for writes in range(steps(change) + 1)],
    ids=name_change,
)
async def test_a_change_that_was_cut_off_anywhere_is_completed_by_a_repeat(
    open_tenant: OpenTenant, change: Change, writes: int
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as undisturbed:
        whole = await undisturbed.tenant.writer.apply(change)
        right = await read_changeable_state(undisturbed.tenant)
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        to.limit_writes(writes)
        with pytest.raises(Unavailable) as caught:
            await to.tenant.writer.apply(change)
        to.clear_faults()
        assert caught.value.before == whole.before
        assert to.write_count == writes
        assert (await read_changeable_state(to.tenant) == right) is (writes == steps(change))
        repeated = await to.tenant.writer.apply(change)
        assert repeated.unchanged is (writes == 1 and change is not RESET_CHANGE)
        assert await read_changeable_state(to.tenant) == right


# Not made ---------------------------------------------------------------------------------------


@EVERY
async def test_a_change_without_its_permission_is_refused_and_named(
    open_tenant: OpenTenant, change: Change
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        to.withhold_permission(type(change).__name__)
        with pytest.raises(Forbidden) as caught:
            await to.tenant.writer.apply(change)
        assert caught.value.permission
        assert to.write_count == 0


@pytest.mark.parametrize(
    "change",
    [
        BlockSignIn("", ROOM_GUID, ("RoomMailbox",)),
        BlockSignIn(ROOM, "", ("RoomMailbox",)),
        EnableMailboxAudit(""),
        ResetAuditSet("", ("Owner",)),
        RaiseAuditAge("", 180),
        ClearAuditBypass(""),
        DisableInboxRule("", "R1"),
        DisableInboxRule(PERSON, ""),
        ClearMailboxForward(""),
        SetConfiguration("remote-domain", "", "AutoForwardEnabled", False),
    ],
    ids=str,
)
async def test_a_change_that_names_no_object_never_means_all_of_them(
    open_tenant: OpenTenant, change: Change
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        with pytest.raises(TenantError):
            await to.tenant.writer.apply(change)
        assert (to.write_count, to.signed_out) == (0, [])


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (BlockSignIn(ROOM, ROOM_GUID, ("SharedMailbox",)), Superseded),
        (BlockSignIn(PERSON, ROOM_GUID, ("RoomMailbox",)), Superseded),
        (BlockSignIn(ROOM, UNKNOWN_ACCOUNT_ID, ("RoomMailbox",)), NotFound),
        (EnableMailboxAudit(UNKNOWN_ACCOUNT_ID), NotFound),
        (ResetAuditSet(UNKNOWN_ACCOUNT_ID, ("Owner",)), NotFound),
        (ClearMailboxForward(UNKNOWN_ACCOUNT_ID), NotFound),
        (ClearAuditBypass(UNKNOWN_ACCOUNT_ID), NotFound),
        (DisableInboxRule(PERSON, "R9"), NotFound),
        (DisableInboxRule(ROOM, "R1"), NotFound),
        (
            SetConfiguration("remote-domain", UNKNOWN_ACCOUNT_ID, "AutoForwardEnabled", False),
            NotFound,
        ),
        (RaiseAuditAge(PERSON_GUID, 0), Superseded),
        (RaiseAuditAge(PERSON_GUID, -1), Superseded),
    ],
    ids=str,
)
async def test_what_is_no_longer_as_judged_is_left_alone(
    open_tenant: OpenTenant, change: Change, kind: type[TenantError]
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        with pytest.raises(kind):
            await to.tenant.writer.apply(change)
        assert (to.write_count, to.signed_out) == (0, [])


# Sign-in ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "verdict"),
    [({"@sandbox.protected": True}, "protected"), ({"onPremisesSyncEnabled": True}, "on-premises")],
)
async def test_an_account_that_cannot_be_blocked_from_here_says_why(
    open_tenant: OpenTenant, more: dict[str, object], verdict: str
) -> None:
    async with open_tenant(
        build_scene(graph={"users": [build_user_row(ROOM, "room", **more)]})
    ) as to:
        with pytest.raises(Rejected) as caught:
            await to.tenant.writer.apply(BLOCK_CHANGE)
        assert caught.value.verdict == verdict
        assert (to.write_count, to.signed_out) == (0, [])


async def test_an_account_of_unknown_state_is_neither_blocked_nor_called_blocked(
    open_tenant: OpenTenant,
) -> None:
    people = {"users": [build_user_row(ROOM, "room", accountEnabled=None)]}
    async with open_tenant(build_scene(graph=people)) as to:
        with pytest.raises(Unavailable):
            await to.tenant.writer.apply(BLOCK_CHANGE)
        assert to.write_count == 0


async def test_sessions_that_stay_are_a_note_and_no_failure(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        to.withhold_permission(SESSIONS_TARGET)
        done = await to.tenant.writer.apply(BLOCK_CHANGE)
        assert "sessions were not revoked" in done.note
        assert (to.write_count, to.signed_out) == (1, [])


async def test_sessions_are_revoked_even_if_the_account_was_blocked_already(
    open_tenant: OpenTenant,
) -> None:
    people = {"users": [build_user_row(ROOM, "room", accountEnabled=False)]}
    async with open_tenant(build_scene(graph=people)) as to:
        assert (await to.tenant.writer.apply(BLOCK_CHANGE)).unchanged
        assert (to.write_count, to.signed_out) == (0, [ROOM])


# Rules and forwards -----------------------------------------------------------------------------


async def test_a_rule_that_only_outlook_may_change_is_left_to_it(open_tenant: OpenTenant) -> None:
    rules = {"messageRules": {PERSON: [build_rule_row("R1", isReadOnly=True)]}}
    async with open_tenant(build_scene(graph=rules)) as to:
        with pytest.raises(Rejected, match="Outlook"):
            await to.tenant.writer.apply(DisableInboxRule(PERSON, "R1"))
        assert to.write_count == 0


async def test_a_rule_that_is_off_is_as_wanted_whoever_may_change_it(
    open_tenant: OpenTenant,
) -> None:
    rules = {"messageRules": {PERSON: [build_rule_row("R1", isReadOnly=True, isEnabled=False)]}}
    async with open_tenant(build_scene(graph=rules)) as to:
        assert (await to.tenant.writer.apply(DisableInboxRule(PERSON, "R1"))).unchanged


async def test_a_forward_that_was_removed_is_no_longer_found(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        done = await to.tenant.writer.apply(ClearMailboxForward(PERSON_GUID))
        assert done.before == {
            "ForwardingAddress": None,
            "ForwardingSmtpAddress": "smtp:x@evil.example",
            "DeliverToMailboxAndForward": True,
        }
        assert (await to.tenant.mailboxes.read_forwarding_mailboxes()).items == ()


# Auditing ---------------------------------------------------------------------------------------


def one_mailbox(**more: object) -> dict[str, Any]:
    """A scene with the person's mailbox alone."""
    return build_scene(
        exchange={"Get-Mailbox": [build_mailbox_row(PERSON, PERSON_GUID, "ann", **more)]}
    )


async def test_records_are_kept_longer_and_never_shorter(open_tenant: OpenTenant) -> None:
    async with open_tenant(one_mailbox()) as to:
        done = await to.tenant.writer.apply(RaiseAuditAge(PERSON_GUID, 180))
        assert done.before == {"AuditLogAgeLimit": "90.00:00:00"}
        for days in (180, 90, 1):
            again = await to.tenant.writer.apply(RaiseAuditAge(PERSON_GUID, days))
            assert again.unchanged
            assert again.before == {"AuditLogAgeLimit": "180.00:00:00"}
        assert to.write_count == 1
        (audit,) = (await collect_pages(to.tenant.auditing.list_mailbox_audits())).items
        assert audit.age_days == 180


async def test_an_age_limit_that_is_not_understood_is_not_raised(open_tenant: OpenTenant) -> None:
    async with open_tenant(one_mailbox(AuditLogAgeLimit="for ever")) as to:
        with pytest.raises(Superseded):
            await to.tenant.writer.apply(RaiseAuditAge(PERSON_GUID, 180))
        assert to.write_count == 0


async def test_logon_types_go_back_to_microsoft_and_extras_stay(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        done = await to.tenant.writer.apply(RESET_CHANGE)
        assert done.before == {
            "DefaultAuditSet": ["Admin"],
            "AuditAdmin": ["Update"],
            "AuditDelegate": ["Update"],
            "AuditOwner": ["MailboxLogin"],
        }
        audit = (await collect_pages(to.tenant.auditing.list_mailbox_audits())).items[0]
        assert audit.default_set == {"Admin", "Delegate"}
        assert audit.actions["Owner"] >= {"MailboxLogin", "Update", "MailItemsAccessed"}


@pytest.mark.parametrize("extras", [(), (("Owner", ("MailboxLogin",)),)], ids=["plain", "extras"])
async def test_a_default_set_that_does_not_bring_what_is_expected_is_a_refusal(
    open_tenant: OpenTenant, extras: tuple[tuple[str, tuple[str, ...]], ...]
) -> None:
    change = ResetAuditSet(
        PERSON_GUID, ("Owner",), extras, expects=(("Owner", ("MailItemsAccessed",)),)
    )
    unlicensed = one_mailbox(PersistedCapabilities=[], DefaultAuditSet=["Admin"])
    async with open_tenant(unlicensed) as to:
        for _ in range(2):
            with pytest.raises(Rejected, match="MailItemsAccessed"):
                await to.tenant.writer.apply(change)
