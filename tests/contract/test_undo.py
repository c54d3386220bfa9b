"""The Tenant port: what every implementation promises of undoing changes."""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from typing import Any, cast

import pytest

from core.config.catalog import CATALOG
from core.errors import Forbidden, Gone, Moot, Refused, Unavailable
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
    change_from_wire,
)
from core.tenant.reversibility import SWITCHED, irreversible
from sandbox.exchange.auditing import DEFAULT_ACTIONS
from tests.contract.test_tenant_changes import NOBODY, named, state
from tests.support.http_recorder import PERSON, PERSON_GUID, ROOM, ROOM_GUID, scene
from tests.support.tenants import (
    DOMAIN_GUID,
    EVERY_CHANGE,
    OPENERS,
    RESET,
    WRONG,
    OnSandbox,
    Open,
    open_fake,
    open_sandbox,
)
from tests.support.undo_checks import AGE, EACH, REVERSIBLE, box, left_by, person_in


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> Open:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


def is_switch(change: Change) -> bool:
    """True for a change that sets one switch."""
    return type(change).__name__ in SWITCHED


# There and back ---------------------------------------------------------------------------------


@EACH
async def test_what_was_changed_is_put_back_exactly_and_once(
    open_tenant: Open, change: Change
) -> None:
    async with open_tenant(scene(**WRONG)) as to:
        wrong = await state(to.tenant)
        made = await to.tenant.apply(change)
        right, written = await state(to.tenant), to.written
        assert right != wrong
        undone = await to.tenant.restore(change, made.before)
        assert not undone.already
        assert await state(to.tenant) == wrong
        assert to.written == written + 1
        again = await to.tenant.restore(change, made.before)
        assert again.already
        assert to.written == written + 1
        assert await state(to.tenant) == wrong


@EACH
async def test_what_was_there_until_now_is_told_as_a_change_tells_it(
    open_tenant: Open, change: Change
) -> None:
    async with open_tenant(scene(**WRONG)) as to:
        made = await to.tenant.apply(change)
        undone = await to.tenant.restore(change, made.before)
        later = await to.tenant.restore(change, made.before)
        assert undone.before.keys() <= made.before.keys()
        assert later.before.keys() == undone.before.keys()
        assert later.before != undone.before
        assert {name: made.before[name] for name in later.before} == later.before


@EACH
async def test_both_tenants_undo_alike(change: Change) -> None:
    async with open_fake(scene(**WRONG)) as fake, open_sandbox(scene(**WRONG)) as real:
        made = await fake.tenant.apply(change)
        assert await real.tenant.apply(change) == made
        for _ in range(2):
            undone = await fake.tenant.restore(change, made.before)
            assert await real.tenant.restore(change, made.before) == undone
            assert await state(fake.tenant) == await state(real.tenant)
            assert fake.written == real.written


@EACH
async def test_nothing_else_in_the_tenant_is_touched(change: Change) -> None:
    """Not one property of any row, but the order of a list and since when sessions are valid."""

    def everything(to: OnSandbox) -> object:
        tenant = to.to.sandbox.tenant
        return plain({"graph": tenant.graph, "exchange": tenant.exchange})

    def plain(value: Any) -> Any:
        if isinstance(value, Mapping):
            kept = {name: part for name, part in value.items() if not name.startswith("signInSess")}
            return {name: plain(part) for name, part in kept.items()}
        if isinstance(value, list):
            return sorted((plain(part) for part in value), key=repr)
        return value

    async with open_sandbox(scene(**deepcopy(dict(WRONG)))) as to:
        assert isinstance(to, OnSandbox)
        wrong = everything(to)
        made = await to.tenant.apply(change)
        assert everything(to) != wrong
        await to.tenant.restore(change, made.before)
        assert everything(to) == wrong


@EACH
async def test_a_record_that_went_through_the_table_is_as_good(
    open_tenant: Open, change: Change
) -> None:
    arguments = {entry.name: getattr(change, entry.name) for entry in fields(change)}
    async with open_tenant(scene(**WRONG)) as to:
        wrong = await state(to.tenant)
        made = await to.tenant.apply(change)
        before, stored = json.loads(json.dumps([dict(made.before), arguments]))
        again = change_from_wire(type(change).__name__, stored)
        assert irreversible(type(change).__name__, before) == ""
        assert not (await to.tenant.restore(again, before)).already
        assert await state(to.tenant) == wrong


# Cut off ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("writes", [0, 1])
@EACH
async def test_an_undo_that_was_cut_off_is_completed_by_a_repeat(
    open_tenant: Open, change: Change, writes: int
) -> None:
    async with open_tenant(scene(**WRONG)) as to:
        wrong = await state(to.tenant)
        made = await to.tenant.apply(change)
        written = to.written
        to.cut_off(writes)
        with pytest.raises(Unavailable) as caught:
            await to.tenant.restore(change, made.before)
        to.mend()
        assert caught.value.before
        assert to.written == written + writes
        assert (await to.tenant.restore(change, made.before)).already is (writes == 1)
        assert await state(to.tenant) == wrong


MIXED = ResetAuditSet(PERSON_GUID, ("Delegate", "Owner"), (("Delegate", ("FolderBind",)),))


@pytest.mark.parametrize("writes", [0, 1, 2])
async def test_audited_actions_are_put_back_from_anywhere_between(
    open_tenant: Open, writes: int
) -> None:
    half = box(DefaultAuditSet=["Admin", "Delegate"], AuditDelegate=[*DEFAULT_ACTIONS["Delegate"]])
    async with open_tenant(scene(**half)) as to:
        wrong = await state(to.tenant)
        made = await to.tenant.apply(MIXED)
        to.cut_off(writes)
        with pytest.raises(Unavailable):
            await to.tenant.restore(MIXED, made.before)
        to.mend()
        assert (await state(to.tenant) == wrong) is (writes == 2)
        assert (await to.tenant.restore(MIXED, made.before)).already is (writes == 2)
        assert await state(to.tenant) == wrong


@pytest.mark.parametrize("writes", [0, 1, 2])
async def test_a_change_that_was_cut_off_can_be_undone_as_well(
    open_tenant: Open, writes: int
) -> None:
    async with open_tenant(scene(**WRONG)) as to:
        wrong = await state(to.tenant)
        to.cut_off(writes)
        with pytest.raises(Unavailable) as caught:
            await to.tenant.apply(RESET)
        to.mend()
        assert caught.value.before
        undone = await to.tenant.restore(RESET, caught.value.before)
        assert undone.already is (writes == 0)
        assert await state(to.tenant) == wrong


# Not undone -------------------------------------------------------------------------------------


@EACH
async def test_an_undo_without_its_permission_is_refused_and_named(
    open_tenant: Open, change: Change
) -> None:
    left, before = await left_by(change)
    async with open_tenant(scene(**left)) as to:
        to.withhold(type(change).__name__)
        with pytest.raises(Forbidden) as caught:
            await to.tenant.restore(change, before)
        assert caught.value.permission
        assert to.written == 0


def edited(left: dict[str, Any], change: Change) -> str:
    """What somebody makes of an object after a change of it; returns how Moot tells of it."""
    exchange = left["exchange"]
    match change:
        case ClearMailboxForward():
            person_in(left)["ForwardingSmtpAddress"] = "smtp:new@evil.example"
            return "new@evil.example"
        case ResetAuditSet():
            person_in(left).update(DefaultAuditSet=["Admin"], AuditDelegate=["SendAs"])
            return "AuditDelegate is SendAs"
        case RaiseAuditAge():
            person_in(left)["AuditLogAgeLimit"] = "365.00:00:00"
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
        RESET,
        AGE,
        MODE,
        DisableMailboxProtocols(PERSON_GUID, ("imap", "pop", "smtp")),
        DisableExchangeModule(PERSON, PERSON_GUID),
        DisableInboxRule(PERSON, "R1"),
    ],
    ids=named,
)
async def test_what_somebody_changed_since_is_told_and_not_overwritten(
    open_tenant: Open, change: Change
) -> None:
    row = {"Guid": DOMAIN_GUID, "Name": "p", "AutoForwardingMode": "On"}
    exchange = {**WRONG["exchange"], "Get-HostedOutboundSpamFilterPolicy": [row]}
    left, before = await left_by(change, {**WRONG, "exchange": exchange})
    told = edited(left, change)
    async with open_tenant(scene(**left)) as to:
        now = await state(to.tenant)
        with pytest.raises(Moot) as caught:
            await to.tenant.restore(change, before)
        assert told in str(caught.value)
        assert to.written == 0
        assert await state(to.tenant) == now


@pytest.mark.parametrize("change", [one for one in REVERSIBLE if is_switch(one)], ids=named)
async def test_what_was_so_by_itself_is_not_switched_by_undoing(
    open_tenant: Open, change: Change
) -> None:
    """The change wrote nothing. What it is now, somebody made of it since."""
    name, wanted = SWITCHED[type(change).__name__]
    async with open_tenant(scene(**WRONG)) as to:
        with pytest.raises(Moot):
            await to.tenant.restore(change, {name: wanted})
        assert to.written == 0
        await to.tenant.apply(change)
        written = to.written
        assert (await to.tenant.restore(change, {name: wanted})).already
        assert to.written == written


@pytest.mark.parametrize(
    ("change", "before"),
    [
        (BlockSignIn(NOBODY, ROOM_GUID, ("RoomMailbox",)), {"accountEnabled": True}),
        (EnableMailboxAudit(NOBODY), {"AuditEnabled": False}),
        (ResetAuditSet(NOBODY, ("Owner",)), {"DefaultAuditSet": [], "AuditOwner": []}),
        (RaiseAuditAge(NOBODY, 180), {"AuditLogAgeLimit": "90.00:00:00"}),
        (ClearAuditBypass(NOBODY), {"AuditBypassEnabled": True}),
        (DisableInboxRule(PERSON, "R9"), {"isEnabled": True}),
        (
            ClearMailboxForward(NOBODY),
            {
                "ForwardingAddress": None,
                "ForwardingSmtpAddress": "smtp:a@b.example",
                "DeliverToMailboxAndForward": False,
            },
        ),
        (
            SetConfiguration("remote-domain", NOBODY, "AutoForwardEnabled", False),
            {"AutoForwardEnabled": True},
        ),
        (DisableExchangeModule(NOBODY, NOBODY), {"EXOModuleEnabled": True}),
        (DisableMailboxProtocols(NOBODY, ("imap",)), {"ImapEnabled": True}),
    ],
    ids=named,
)
async def test_what_is_gone_cannot_be_put_back(
    open_tenant: Open, change: Change, before: Mapping[str, object]
) -> None:
    async with open_tenant(scene(**WRONG)) as to:
        with pytest.raises(Gone):
            await to.tenant.restore(change, before)
        assert to.written == 0


@pytest.mark.parametrize("before", [{}, {"was": "x@evil.example"}], ids=["nothing", "other"])
@pytest.mark.parametrize("change", EVERY_CHANGE, ids=named)
async def test_what_is_not_known_is_not_guessed(
    open_tenant: Open, change: Change, before: Mapping[str, object]
) -> None:
    async with open_tenant(scene(**WRONG)) as to:
        wrong = await state(to.tenant)
        with pytest.raises(Refused, match="nothing is known"):
            await to.tenant.restore(change, before)
        assert await state(to.tenant) == wrong


async def test_a_setting_that_no_source_lets_be_changed_is_not_restored(open_tenant: Open) -> None:
    change = SetConfiguration("remote-domain", DOMAIN_GUID, "DomainName", "a.example")
    async with open_tenant(scene(**WRONG)) as to:
        with pytest.raises(Refused, match="not among"):
            await to.tenant.restore(change, {"DomainName": "b.example"})
        assert to.written == 0


@EACH
async def test_undoing_needs_no_more_than_the_guard_may_do(change: Change) -> None:
    """Every writing cmdlet with parameters that the role of one guard holds, all of them."""
    allowed = [
        (entry.name, {*entry.parameters})
        for duty in CATALOG
        for entry in duty.guard.permissions
        if entry.writes
    ]
    left, before = await left_by(change)
    async with open_sandbox(scene(**left)) as to:
        assert isinstance(to, OnSandbox)
        await to.tenant.restore(change, before)
        (write,) = to.to.sandbox.writes
        if write["api"] == "exchange":
            command = cast(Any, write["body"])["CmdletInput"]
            cmdlet, sent = command["CmdletName"], {*command["Parameters"]}
            assert any(name == cmdlet and sent <= known for name, known in allowed)
        else:
            assert str(write["target"]).startswith("/users/")
