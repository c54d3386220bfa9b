"""The Tenant port: what every implementation promises of undoing changes."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from typing import Any, cast

import pytest

from core.config.catalog import CATALOG
from core.errors import Forbidden, NotFound, Rejected, Superseded, Unavailable
from core.tenant.changes import (
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableExchangeModule,
    DisableInboxRule,
    DisableMailboxProtocols,
    EnableMailboxAudit,
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
    build_change,
)
from core.tenant.reversibility import SWITCH_CHANGES, explain_irreversible
from sandbox.exchange.auditing import DEFAULT_ACTIONS
from tests.support.http_recorder import PERSON, PERSON_GUID, ROOM, ROOM_GUID, build_scene
from tests.support.tenants import (
    DOMAIN_GUID,
    EVERY_CHANGE,
    MISCONFIGURED_SCENE,
    OPENERS,
    RESET_CHANGE,
    OpenTenant,
    SandboxTenant,
    open_fake,
    open_sandbox,
)
from tests.support.undo_checks import (
    EACH_REVERSIBLE,
    RAISE_AGE_CHANGE,
    REVERSIBLE,
    UNKNOWN_ACCOUNT_ID,
    apply_and_capture,
    build_mailbox_scene,
    get_person_row,
    name_change,
    read_changeable_state,
)


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


def is_switch(change: Change) -> bool:
    """True for a change that sets one switch."""
    return type(change).__name__ in SWITCH_CHANGES


# There and back ---------------------------------------------------------------------------------


@EACH_REVERSIBLE
async def test_what_was_changed_is_put_back_exactly_and_once(
    open_tenant: OpenTenant, change: Change
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        wrong = await read_changeable_state(to.tenant)
        made = await to.tenant.writer.apply(change)
        right, written = await read_changeable_state(to.tenant), to.write_count
        assert right != wrong
        undone = await to.tenant.writer.undo(change, made.before)
        assert not undone.unchanged
        assert await read_changeable_state(to.tenant) == wrong
        assert to.write_count == written + 1
        again = await to.tenant.writer.undo(change, made.before)
        assert again.unchanged
        assert to.write_count == written + 1
        assert await read_changeable_state(to.tenant) == wrong


@EACH_REVERSIBLE
async def test_what_was_there_until_now_is_told_as_a_change_tells_it(
    open_tenant: OpenTenant, change: Change
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        made = await to.tenant.writer.apply(change)
        undone = await to.tenant.writer.undo(change, made.before)
        later = await to.tenant.writer.undo(change, made.before)
        assert undone.before.keys() <= made.before.keys()
        assert later.before.keys() == undone.before.keys()
        assert later.before != undone.before
        assert {name: made.before[name] for name in later.before} == later.before


@EACH_REVERSIBLE
async def test_both_tenants_undo_alike(change: Change) -> None:
    async with (
        open_fake(build_scene(**MISCONFIGURED_SCENE)) as fake,
        open_sandbox(build_scene(**MISCONFIGURED_SCENE)) as real,
    ):
        made = await fake.tenant.writer.apply(change)
        assert await real.tenant.writer.apply(change) == made
        for _ in range(2):
            undone = await fake.tenant.writer.undo(change, made.before)
            assert await real.tenant.writer.undo(change, made.before) == undone
            assert await read_changeable_state(fake.tenant) == await read_changeable_state(
                real.tenant
            )
            assert fake.write_count == real.write_count


@EACH_REVERSIBLE
async def test_nothing_else_in_the_tenant_is_touched(change: Change) -> None:
    """Not one property of any row, but the order of a list and since when sessions are valid."""

    def everything(to: SandboxTenant) -> object:
        tenant = to.connection.sandbox.tenant
        return plain({"graph": tenant.graph, "exchange": tenant.exchange})

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            kept = {name: part for name, part in value.items() if not name.startswith("signInSess")}
            return {name: plain(part) for name, part in kept.items()}
        if isinstance(value, list):
            return sorted((plain(part) for part in value), key=repr)
        return value

    async with open_sandbox(build_scene(**deepcopy(dict(MISCONFIGURED_SCENE)))) as to:
        assert isinstance(to, SandboxTenant)
        wrong = everything(to)
        made = await to.tenant.writer.apply(change)
        assert everything(to) != wrong
        await to.tenant.writer.undo(change, made.before)
        assert everything(to) == wrong


@EACH_REVERSIBLE
async def test_a_record_that_went_through_the_table_is_as_good(
    open_tenant: OpenTenant, change: Change
) -> None:
    arguments = {entry.name: getattr(change, entry.name) for entry in fields(change)}
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        wrong = await read_changeable_state(to.tenant)
        made = await to.tenant.writer.apply(change)
        before, stored = json.loads(json.dumps([dict(made.before), arguments]))
        again = build_change(type(change).__name__, stored)
        assert explain_irreversible(type(change).__name__, before) == ""
        assert not (await to.tenant.writer.undo(again, before)).unchanged
        assert await read_changeable_state(to.tenant) == wrong


# Cut off ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("writes", [0, 1])
@EACH_REVERSIBLE
async def test_an_undo_that_was_cut_off_is_completed_by_a_repeat(
    open_tenant: OpenTenant, change: Change, writes: int
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        wrong = await read_changeable_state(to.tenant)
        made = await to.tenant.writer.apply(change)
        written = to.write_count
        to.limit_writes(writes)
        with pytest.raises(Unavailable) as caught:
            await to.tenant.writer.undo(change, made.before)
        to.clear_faults()
        assert caught.value.before
        assert to.write_count == written + writes
        assert (await to.tenant.writer.undo(change, made.before)).unchanged is (writes == 1)
        assert await read_changeable_state(to.tenant) == wrong


MIXED = ResetAuditSet(PERSON_GUID, ("Delegate", "Owner"), (("Delegate", ("FolderBind",)),))


@pytest.mark.parametrize("writes", [0, 1, 2])
async def test_audited_actions_are_put_back_from_anywhere_between(
    open_tenant: OpenTenant, writes: int
) -> None:
    half = build_mailbox_scene(
        DefaultAuditSet=["Admin", "Delegate"], AuditDelegate=[*DEFAULT_ACTIONS["Delegate"]]
    )
    async with open_tenant(build_scene(**half)) as to:
        wrong = await read_changeable_state(to.tenant)
        made = await to.tenant.writer.apply(MIXED)
        to.limit_writes(writes)
        with pytest.raises(Unavailable):
            await to.tenant.writer.undo(MIXED, made.before)
        to.clear_faults()
        assert (await read_changeable_state(to.tenant) == wrong) is (writes == 2)
        assert (await to.tenant.writer.undo(MIXED, made.before)).unchanged is (writes == 2)
        assert await read_changeable_state(to.tenant) == wrong


@pytest.mark.parametrize("writes", [0, 1, 2])
async def test_a_change_that_was_cut_off_can_be_undone_as_well(
    open_tenant: OpenTenant, writes: int
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        wrong = await read_changeable_state(to.tenant)
        to.limit_writes(writes)
        with pytest.raises(Unavailable) as caught:
            await to.tenant.writer.apply(RESET_CHANGE)
        to.clear_faults()
        assert caught.value.before
        undone = await to.tenant.writer.undo(RESET_CHANGE, caught.value.before)
        assert undone.unchanged is (writes == 0)
        assert await read_changeable_state(to.tenant) == wrong


# Not undone -------------------------------------------------------------------------------------


@EACH_REVERSIBLE
async def test_an_undo_without_its_permission_is_refused_and_named(
    open_tenant: OpenTenant, change: Change
) -> None:
    left, before = await apply_and_capture(change)
    async with open_tenant(build_scene(**left)) as to:
        to.withhold_permission(type(change).__name__)
        with pytest.raises(Forbidden) as caught:
            await to.tenant.writer.undo(change, before)
        assert caught.value.permission
        assert to.write_count == 0


def edited(left: dict[str, Any], change: Change) -> str:
    """What somebody makes of an object after a change of it; returns how Moot tells of it."""
    exchange = left["exchange"]
    match change:
        case ClearMailboxForward():
            get_person_row(left)["ForwardingSmtpAddress"] = "smtp:new@evil.example"
            return "new@evil.example"
        case ResetAuditSet():
            get_person_row(left).update(DefaultAuditSet=["Admin"], AuditDelegate=["SendAs"])
            return "AuditDelegate is SendAs"
        case RaiseAuditAge():
            get_person_row(left)["AuditLogAgeLimit"] = "365.00:00:00"
            return "365"
        case SetConfiguration():
            row = {"Guid": DOMAIN_GUID, "Name": "p", "AutoForwardingMode": "Automatic"}
            exchange["Get-HostedOutboundSpamFilterPolicy"] = [row]
            return "Automatic"
        case DisableMailboxProtocols():
            exchange["Get-CASMailbox"][0]["SmtpClientAuthenticationDisabled"] = None
            return "SmtpClientAuthenticationDisabled is empty"
        case DisableInboxRule():
            redirect = {"redirectTo": [{"emailAddress": {"address": "y@evil.example"}}]}
            left["graph"]["messageRules"][PERSON][0]["actions"] = redirect
            return "y@evil.example"
        case DisableExchangeModule():
            exchange["Get-User"][-1]["ExternalDirectoryObjectId"] = ROOM
            return "another account"
        case _:
            raise AssertionError(change)


MODE = SetConfiguration("outbound-spam-policy", DOMAIN_GUID, "AutoForwardingMode", "Off")


@pytest.mark.parametrize(
    "change",
    [
        ClearMailboxForward(PERSON_GUID),
        ResetAuditSet(PERSON_GUID, ("Delegate",)),
        RESET_CHANGE,
        RAISE_AGE_CHANGE,
        MODE,
        DisableMailboxProtocols(PERSON_GUID, ("imap", "pop", "smtp")),
        DisableExchangeModule(PERSON, PERSON_GUID),
        DisableInboxRule(PERSON, "R1"),
    ],
    ids=name_change,
)
async def test_what_somebody_changed_since_is_told_and_not_overwritten(
    open_tenant: OpenTenant, change: Change
) -> None:
    row = {"Guid": DOMAIN_GUID, "Name": "p", "AutoForwardingMode": "On"}
    exchange = {**MISCONFIGURED_SCENE["exchange"], "Get-HostedOutboundSpamFilterPolicy": [row]}
    left, before = await apply_and_capture(change, {**MISCONFIGURED_SCENE, "exchange": exchange})
    told = edited(left, change)
    async with open_tenant(build_scene(**left)) as to:
        now = await read_changeable_state(to.tenant)
        with pytest.raises(Superseded) as caught:
            await to.tenant.writer.undo(change, before)
        assert told in str(caught.value)
        assert to.write_count == 0
        assert await read_changeable_state(to.tenant) == now


@pytest.mark.parametrize("change", [one for one in REVERSIBLE if is_switch(one)], ids=name_change)
async def test_what_was_so_by_itself_is_not_switched_by_undoing(
    open_tenant: OpenTenant, change: Change
) -> None:
    """The change wrote nothing. What it is now, somebody made of it since."""
    name, wanted = SWITCH_CHANGES[type(change).__name__]
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        with pytest.raises(Superseded):
            await to.tenant.writer.undo(change, {name: wanted})
        assert to.write_count == 0
        await to.tenant.writer.apply(change)
        written = to.write_count
        assert (await to.tenant.writer.undo(change, {name: wanted})).unchanged
        assert to.write_count == written


@pytest.mark.parametrize(
    ("change", "before"),
    [
        (BlockSignIn(UNKNOWN_ACCOUNT_ID, ROOM_GUID, ("RoomMailbox",)), {"accountEnabled": True}),
        (EnableMailboxAudit(UNKNOWN_ACCOUNT_ID), {"AuditEnabled": False}),
        (ResetAuditSet(UNKNOWN_ACCOUNT_ID, ("Owner",)), {"DefaultAuditSet": [], "AuditOwner": []}),
        (RaiseAuditAge(UNKNOWN_ACCOUNT_ID, 180), {"AuditLogAgeLimit": "90.00:00:00"}),
        (ClearAuditBypass(UNKNOWN_ACCOUNT_ID), {"AuditBypassEnabled": True}),
        (DisableInboxRule(PERSON, "R9"), {"isEnabled": True}),
        (
            ClearMailboxForward(UNKNOWN_ACCOUNT_ID),
            {
                "ForwardingAddress": None,
                "ForwardingSmtpAddress": "smtp:a@b.example",
                "DeliverToMailboxAndForward": False,
            },
        ),
        (
            SetConfiguration("remote-domain", UNKNOWN_ACCOUNT_ID, "AutoForwardEnabled", False),
            {"AutoForwardEnabled": True},
        ),
        (DisableExchangeModule(UNKNOWN_ACCOUNT_ID, UNKNOWN_ACCOUNT_ID), {"EXOModuleEnabled": True}),
        (DisableMailboxProtocols(UNKNOWN_ACCOUNT_ID, ("imap",)), {"ImapEnabled": True}),
    ],
    ids=name_change,
)
async def test_what_is_gone_cannot_be_put_back(
    open_tenant: OpenTenant, change: Change, before: Mapping[str, object]
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        with pytest.raises(NotFound):
            await to.tenant.writer.undo(change, before)
        assert to.write_count == 0


@pytest.mark.parametrize("before", [{}, {"was": "x@evil.example"}], ids=["nothing", "other"])
@pytest.mark.parametrize("change", EVERY_CHANGE, ids=name_change)
async def test_what_is_not_known_is_not_guessed(
    open_tenant: OpenTenant, change: Change, before: Mapping[str, object]
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        wrong = await read_changeable_state(to.tenant)
        with pytest.raises(Rejected, match="nothing is known"):
            await to.tenant.writer.undo(change, before)
        assert await read_changeable_state(to.tenant) == wrong


async def test_a_setting_that_no_source_lets_be_changed_is_not_restored(
    open_tenant: OpenTenant,
) -> None:
    change = SetConfiguration("remote-domain", DOMAIN_GUID, "DomainName", "a.example")
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        with pytest.raises(Rejected, match="not among"):
            await to.tenant.writer.undo(change, {"DomainName": "b.example"})
        assert to.write_count == 0


@EACH_REVERSIBLE
async def test_undoing_needs_no_more_than_the_guard_may_do(change: Change) -> None:
    """Every writing cmdlet with parameters that the role of one guard holds, all of them."""
    allowed = [
        (entry.name, {*entry.parameters})
        for duty in CATALOG
        for entry in duty.guard.permissions
        if entry.writes
    ]
    left, before = await apply_and_capture(change)
    async with open_sandbox(build_scene(**left)) as to:
        assert isinstance(to, SandboxTenant)
        await to.tenant.writer.undo(change, before)
        (write,) = to.connection.sandbox.writes
        if write["api"] == "exchange":
            command = cast(Any, write["body"])["CmdletInput"]
            cmdlet, sent = command["CmdletName"], {*command["Parameters"]}
            assert any(name == cmdlet and sent <= known for name, known in allowed)
        else:
            assert str(write["target"]).startswith("/users/")
