"""The Tenant port: what every implementation promises of undoing changes."""

import asyncio
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import fields
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.adapters.configuration import alike
from core.catalog import CATALOG
from core.errors import Forbidden, Gone, Moot, Refused, Unavailable
from core.reversal import MAY_YET_SHOW, SHOWS_LATE, SIGNED_OUT, SWITCHED, irreversible
from core.tenant import (
    ROLE_HOLDERS,
    Applied,
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableExchangeModule,
    DisableInboxRule,
    DisableMailboxProtocols,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    RaiseAuditAge,
    ResetAuditSet,
    SetConfiguration,
    change_from_wire,
)
from sandbox.audit import ALLOWED, DEFAULT_ACTIONS, LOGON_TYPES
from sandbox.policies import KEPT
from sandbox.roles_scene import USERS
from tests.adapters.connection import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    connected,
    mailbox,
    module_row,
    rule,
    scene,
    user,
)
from tests.contract.tenants import (
    BLOCK,
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
from tests.contract.test_tenant_changes import NOBODY, named, state
from tests.looked import whole

AGE = RaiseAuditAge(PERSON_GUID, 180)
REVERSIBLE = [change for change in EVERY_CHANGE if change != AGE]
EACH = pytest.mark.parametrize("change", REVERSIBLE, ids=named)
PARTNER = "55555555-0000-4000-8000-000000000001"


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> Open:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


def is_switch(change: Change) -> bool:
    """True for a change that sets one switch."""
    return type(change).__name__ in SWITCHED


def box(**more: object) -> dict[str, Any]:
    """The scene of WRONG, but for properties of the person's mailbox."""
    person, room = WRONG["exchange"]["Get-Mailbox"]
    exchange = {**WRONG["exchange"], "Get-Mailbox": [{**person, **more}, room]}
    return {**WRONG, "exchange": exchange}


async def left_by(
    change: Change, what: Mapping[str, Any] = WRONG
) -> tuple[dict[str, Any], Mapping[str, object]]:
    """The scene that a change leaves behind, and what the change recorded."""
    async with open_sandbox(scene(**deepcopy(dict(what)))) as to:
        assert isinstance(to, OnSandbox)
        made = await to.tenant.apply(change)
        tenant = to.to.sandbox.tenant
        return deepcopy({"graph": tenant.graph, "exchange": tenant.exchange}), made.before


def person_in(left: Mapping[str, Any]) -> dict[str, Any]:
    """The person's row of Get-Mailbox in a scene."""
    row: dict[str, Any] = left["exchange"]["Get-Mailbox"][0]
    return row


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
async def test_undoing_an_undo_by_its_own_record_makes_the_change_again(
    open_tenant: Open, change: Change
) -> None:
    """What was there right before is told as a change tells it."""
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


# One kind and another ---------------------------------------------------------------------------


async def test_sessions_that_were_ended_do_not_come_back(open_tenant: Open) -> None:
    async with open_tenant(scene()) as to:
        made = await to.tenant.apply(BLOCK)
        undone = await to.tenant.restore(BLOCK, made.before)
        assert undone == Applied({"accountEnabled": False}, note=SIGNED_OUT)
        assert to.signed_out == [ROOM]


async def test_an_account_is_let_in_again_whatever_became_of_its_mailbox(
    open_tenant: Open,
) -> None:
    left, before = await left_by(BLOCK)
    left["exchange"]["Get-Mailbox"].pop()
    async with open_tenant(scene(**left)) as to:
        assert not (await to.tenant.restore(BLOCK, before)).already


@pytest.mark.parametrize(
    ("more", "verdict"),
    [({"@sandbox.protected": True}, "protected"), ({"onPremisesSyncEnabled": True}, "on-premises")],
)
async def test_an_account_that_cannot_be_let_in_from_here_says_why(
    open_tenant: Open, more: dict[str, object], verdict: str
) -> None:
    people = {"users": [user(ROOM, "room", accountEnabled=False, **more)]}
    async with open_tenant(scene(graph=people)) as to:
        with pytest.raises(Refused) as caught:
            await to.tenant.restore(BLOCK, {"accountEnabled": True})
        assert caught.value.verdict == verdict
        assert to.written == 0


async def test_a_lower_age_limit_is_left_to_a_person_with_the_command(open_tenant: Open) -> None:
    async with open_tenant(scene(**WRONG)) as to:
        wrong = await state(to.tenant)
        made = await to.tenant.apply(AGE)
        right = await state(to.tenant)
        command = f"Set-Mailbox -Identity '{PERSON_GUID}' -AuditLogAgeLimit '90.00:00:00'"
        with pytest.raises(Refused, match=command):
            await to.tenant.restore(AGE, made.before)
        assert await state(to.tenant) == right != wrong
        assert irreversible("RaiseAuditAge", made.before)


async def test_an_age_limit_that_was_lowered_by_hand_is_as_before(open_tenant: Open) -> None:
    async with open_tenant(scene(**WRONG)) as to:
        assert (await to.tenant.restore(AGE, {"AuditLogAgeLimit": "90.00:00:00"})).already


async def test_exchange_powershell_comes_back_without_a_look_at_the_roles(
    open_tenant: Open,
) -> None:
    change = DisableExchangeModule(PERSON, PERSON_GUID)
    left, before = await left_by(change)
    async with open_tenant(scene(**left)) as to:
        to.fail(ROLE_HOLDERS)
        assert not (await to.tenant.restore(change, before)).already


async def test_a_rule_that_only_outlook_may_change_by_now_is_left_to_it(open_tenant: Open) -> None:
    change = DisableInboxRule(PERSON, "R1")
    left, before = await left_by(change)
    left["graph"]["messageRules"][PERSON][0]["isReadOnly"] = True
    async with open_tenant(scene(**left)) as to:
        with pytest.raises(Refused, match="Outlook"):
            await to.tenant.restore(change, before)
        assert to.written == 0


async def test_an_old_record_of_a_rule_tells_enough(open_tenant: Open) -> None:
    change = DisableInboxRule(PERSON, "R1")
    left, _ = await left_by(change)
    async with open_tenant(scene(**left)) as to:
        assert not (await to.tenant.restore(change, {"isEnabled": True})).already


async def test_a_rule_may_be_renamed_and_moved_in_line_meanwhile(open_tenant: Open) -> None:
    change = DisableInboxRule(PERSON, "R1")
    left, before = await left_by(change)
    left["graph"]["messageRules"][PERSON][0] |= {"displayName": "other", "sequence": 9}
    async with open_tenant(scene(**left)) as to:
        assert not (await to.tenant.restore(change, before)).already


def partner(name: str = "Partner", guid: str = PARTNER) -> dict[str, object]:
    """A mail contact, whose mail goes elsewhere."""
    return {
        "Guid": guid,
        "Name": name,
        "Identity": name,
        "PrimarySmtpAddress": f"{guid[-4:]}@contoso.example",
        "ExternalEmailAddress": "SMTP:x@evil.example",
        "RecipientTypeDetails": "MailContact",
    }


def forwarded(*people: dict[str, object]) -> dict[str, Any]:
    """A tenant in which a person's mail goes to a recipient called Partner."""
    boxes = [mailbox(PERSON, PERSON_GUID, "ann", ForwardingAddress="Partner")]
    return {"exchange": {"Get-Mailbox": boxes, "Get-Recipient": [*people]}}


CLEAR = ClearMailboxForward(PERSON_GUID)


async def test_a_forward_goes_to_the_same_recipient_again(open_tenant: Open) -> None:
    async with open_tenant(scene(**forwarded(partner()))) as to:
        wrong = await to.tenant.forwarding_mailboxes()
        made = await to.tenant.apply(CLEAR)
        assert made.before["ForwardingAddressId"] == PARTNER
        assert (await to.tenant.forwarding_mailboxes()).items == ()
        undone = await to.tenant.restore(CLEAR, made.before)
        assert not undone.already
        assert await to.tenant.forwarding_mailboxes() == wrong
        assert (await to.tenant.restore(CLEAR, made.before)).already


@pytest.mark.parametrize(
    ("people", "keep"),
    [
        ([], True),
        ([partner(guid=NOBODY)], True),
        ([partner(guid=NOBODY), partner()], False),
        ([], False),
    ],
    ids=["gone", "a stranger of that name", "two of that name, and an old record", "old and gone"],
)
async def test_mail_is_never_forwarded_to_a_stranger(
    open_tenant: Open, people: list[dict[str, object]], keep: bool
) -> None:
    left, before = await left_by(CLEAR, forwarded(partner()))
    if not keep:
        before = {name: value for name, value in before.items() if name != "ForwardingAddressId"}
    left["exchange"]["Get-Recipient"] = people
    async with open_tenant(scene(**left)) as to:
        with pytest.raises(Refused, match="recipient"):
            await to.tenant.restore(CLEAR, before)
        assert to.written == 0


async def test_an_old_record_goes_by_the_name_of_the_recipient(open_tenant: Open) -> None:
    left, before = await left_by(CLEAR, forwarded(partner()))
    old = {name: value for name, value in before.items() if name != "ForwardingAddressId"}
    async with open_tenant(scene(**left)) as to:
        assert not (await to.tenant.restore(CLEAR, old)).already
        (box,) = (await to.tenant.forwarding_mailboxes()).items
        assert box.forwarding_address == "Partner"


async def test_logon_types_that_were_microsofts_are_again_and_so_are_their_lists(
    open_tenant: Open,
) -> None:
    """A list of Microsoft's that lacked something cannot be asked for."""
    change = ResetAuditSet(PERSON_GUID, ("Delegate", "Owner"), expects=("MailItemsAccessed",))
    lacking = box(DefaultAuditSet=["Admin", "Delegate"], AuditDelegate=["Update"])
    async with open_tenant(scene(**lacking)) as to:
        made = await to.tenant.apply(change)
        undone = await to.tenant.restore(change, made.before)
        assert undone.note == "Microsoft keeps what is audited for Delegate: it is not as it was."
        (audit, _) = (await whole(to.tenant.mailbox_audits())).items
        assert audit.default_set == {"Admin", "Delegate"}
        assert audit.actions["Owner"] == {"MailboxLogin"}


async def test_a_list_that_held_nothing_holds_nothing_again(open_tenant: Open) -> None:
    change = ResetAuditSet(PERSON_GUID, ("Owner",))
    async with open_tenant(scene(**box(AuditOwner=[]))) as to:
        wrong = await state(to.tenant)
        made = await to.tenant.apply(change)
        assert await state(to.tenant) != wrong
        await to.tenant.restore(change, made.before)
        assert await state(to.tenant) == wrong


async def test_an_action_that_exchange_takes_no_more_is_a_refusal_and_no_half_list() -> None:
    """MessageBind, on a mailbox with advanced auditing."""
    change = ResetAuditSet(PERSON_GUID, ("Admin", "Owner"))
    old = box(
        DefaultAuditSet=[],
        AuditAdmin=["Update", "MessageBind"],
        PersistedCapabilities=["M365Auditing"],
    )
    left, before = await left_by(change, old)
    async with open_sandbox(scene(**left)) as to:
        with pytest.raises(Refused):
            await to.tenant.restore(change, before)
        assert to.written == 0


async def test_the_unified_log_may_look_undone_and_come_on_later(open_tenant: Open) -> None:
    change = EnableUnifiedAuditLog()
    async with open_tenant(scene(**WRONG)) as to:
        looked = await to.tenant.restore(change, {"UnifiedAuditLogIngestionEnabled": False})
        assert looked.already
        assert looked.note == MAY_YET_SHOW


async def test_nobody_waits_for_the_unified_log_to_show() -> None:
    change = EnableUnifiedAuditLog()
    left, before = await left_by(change)
    async with open_sandbox(scene(**left)) as to:
        assert isinstance(to, OnSandbox)
        to.add({"match": "^Set-AdminAuditLogConfig", "kind": "staleReads", "times": 9})
        undone = await to.tenant.restore(change, before)
        assert undone.note == SHOWS_LATE
        assert to.to.clock.waits == []


async def test_an_undo_that_shows_late_is_waited_for() -> None:
    change = EnableOrganizationAudit()
    left, before = await left_by(change)
    async with open_sandbox(scene(**left)) as to:
        assert isinstance(to, OnSandbox)
        to.add({"match": "^Set-OrganizationConfig", "kind": "staleReads", "times": 3})
        assert not (await to.tenant.restore(change, before)).already
        assert to.to.clock.waits


# Settings of every type -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "cmdlet", "name", "value", "was"),
    [
        ("sharing-policy", "Get-SharingPolicy", "Domains", ("a.example:X",), ["*:Y", "b:Z"]),
        ("sharing-policy", "Get-SharingPolicy", "Domains", ("a.example:X",), "*:Y"),
        ("sharing-policy", "Get-SharingPolicy", "Domains", (), ["*:Y"]),
        ("sharing-policy", "Get-SharingPolicy", "Domains", ("a.example:X",), []),
        (
            *("mobile-device-policy", "Get-MobileDeviceMailboxPolicy"),
            *("MaxPasswordFailedAttempts", 10, "Unlimited"),
        ),
        (
            *("mobile-device-policy", "Get-MobileDeviceMailboxPolicy"),
            *("MaxPasswordFailedAttempts", 10, "16"),
        ),
        ("mobile-device-policy", "Get-MobileDeviceMailboxPolicy", "MinPasswordLength", 8, None),
        ("mobile-device-policy", "Get-MobileDeviceMailboxPolicy", "PasswordEnabled", True, "False"),
        (
            "owa-mailbox-policy",
            "Get-OwaMailboxPolicy",
            "AllowOfflineOn",
            "NoComputers",
            "AllComputers",
        ),
    ],
    ids=str,
)
async def test_a_setting_of_any_type_is_put_back(
    open_tenant: Open, source: str, cmdlet: str, name: str, value: Any, was: object
) -> None:
    change = SetConfiguration(source, DOMAIN_GUID, name, value)
    rows = {cmdlet: [{"Guid": DOMAIN_GUID, "Name": "Default", name: was}]}
    async with open_tenant(scene(exchange=rows)) as to:
        made = await to.tenant.apply(change)
        assert made.before == {name: was}
        assert not (await to.tenant.restore(change, made.before)).already
        ((one),) = (await to.tenant.configuration(source)).items
        assert alike(one.values[name], was)
        assert (await to.tenant.restore(change, made.before)).already


@pytest.mark.parametrize(
    ("name", "value", "was"),
    [
        ("allowInvitesFrom", "none", "everyone"),
        ("defaultUserRolePermissions.allowedToCreateApps", False, True),
        ("defaultUserRolePermissions.permissionGrantPoliciesAssigned", (), ["a", "b"]),
        ("defaultUserRolePermissions.permissionGrantPoliciesAssigned", ("c",), []),
    ],
    ids=str,
)
async def test_a_policy_of_graph_is_put_back(
    open_tenant: Open, name: str, value: Any, was: object
) -> None:
    known = deepcopy(KEPT["authorizationPolicy"])
    *above, last = name.split(".")
    holder = known[above[0]] if above else known
    holder[last] = was
    change = SetConfiguration("authorization-policy", "", name, value)
    async with open_tenant(scene(graph={"authorizationPolicy": known})) as to:
        wrong = await to.tenant.configuration("authorization-policy")
        made = await to.tenant.apply(change)
        assert await to.tenant.configuration("authorization-policy") != wrong
        await to.tenant.restore(change, made.before)
        assert await to.tenant.configuration("authorization-policy") == wrong


async def test_a_setting_that_is_not_shown_is_not_changed_since_nobody_could_undo_it(
    open_tenant: Open,
) -> None:
    change = SetConfiguration("remote-domain", DOMAIN_GUID, "AutoForwardEnabled", False)
    rows = {"Get-RemoteDomain": [{"Guid": DOMAIN_GUID, "Name": "p", "DomainName": "p.example"}]}
    async with connected(scene(exchange=rows), attempts=1) as to:
        with pytest.raises(Unavailable, match="AutoForwardEnabled"):
            await to.tenant.apply(change)
        assert to.sandbox.writes == []


# Any tenant -------------------------------------------------------------------------------------

MORE = {"Admin": "FolderBind", "Delegate": "FolderBind", "Owner": "MailboxLogin"}
BOOLEANS = st.booleans()


@st.composite
def tenants(draw: st.DrawFn) -> dict[str, Any]:
    """A tenant in whatever condition."""
    managed = draw(st.sets(st.sampled_from(LOGON_TYPES)))
    lists: dict[str, object] = {
        f"Audit{kind}": [*DEFAULT_ACTIONS[kind]]
        if kind in managed
        else sorted(draw(st.sets(st.sampled_from(sorted(ALLOWED[kind] - {"MessageBind"})))))
        for kind in LOGON_TYPES
    }
    person = mailbox(
        PERSON,
        PERSON_GUID,
        "ann",
        ForwardingAddress=draw(st.sampled_from([None, "room"])),
        ForwardingSmtpAddress=draw(st.sampled_from([None, "smtp:X@evil.example"])),
        DeliverToMailboxAndForward=draw(BOOLEANS),
        AuditEnabled=draw(BOOLEANS),
        DefaultAuditSet=[kind for kind in LOGON_TYPES if kind in managed],
        **lists,
    )
    protocols = {
        "ImapEnabled": draw(BOOLEANS),
        "PopEnabled": draw(BOOLEANS),
        "SmtpClientAuthenticationDisabled": draw(st.none() | BOOLEANS),
    }
    domain = {"Guid": DOMAIN_GUID, "Name": "b", "DomainName": "b.example"}
    guest = {"ExternalDirectoryObjectId": PERSON, "Guid": PERSON_GUID}
    return scene(
        graph={
            "users": [user(PERSON, "ann"), user(ROOM, "room", accountEnabled=draw(BOOLEANS))],
            "messageRules": {PERSON: [rule("R1", isEnabled=draw(BOOLEANS))]},
        },
        exchange={
            "Get-Mailbox": [
                person,
                mailbox(ROOM, ROOM_GUID, "room", RecipientTypeDetails="RoomMailbox"),
            ],
            "Get-CASMailbox": [{**guest, "PrimarySmtpAddress": "ann@contoso.example", **protocols}],
            "Get-OrganizationConfig": [{"AuditDisabled": draw(BOOLEANS)}],
            "Get-AdminAuditLogConfig": [{"UnifiedAuditLogIngestionEnabled": draw(BOOLEANS)}],
            "Get-RemoteDomain": [{**domain, "AutoForwardEnabled": draw(BOOLEANS)}],
            "Get-MailboxAuditBypassAssociation": [
                {"Guid": "g1", "Name": "n", "AuditBypassEnabled": draw(BOOLEANS)}
            ],
            "Get-User": [*USERS, module_row(PERSON, PERSON_GUID, "ann", enabled=draw(BOOLEANS))],
        },
    )


@st.composite
def resets(draw: st.DrawFn) -> ResetAuditSet:
    """Some logon types to be given back, and what some of them are to audit besides."""
    kinds = draw(st.lists(st.sampled_from(LOGON_TYPES), min_size=1, unique=True))
    extra = draw(st.sets(st.sampled_from(kinds)))
    extras = tuple((kind, (MORE[kind],)) for kind in kinds if kind in extra)
    return ResetAuditSet(PERSON_GUID, tuple(kinds), extras)


CHANGES = st.sampled_from([one for one in REVERSIBLE if not isinstance(one, ResetAuditSet)])


@given(st.sampled_from(sorted(OPENERS)), tenants(), CHANGES | resets())
@settings(max_examples=150, deadline=None)
def test_a_change_and_its_undoing_are_nothing_at_all(
    where: str, what: dict[str, Any], change: Change
) -> None:
    async def there_and_back() -> None:
        async with OPENERS[where](what) as to:
            start = await state(to.tenant)
            made = await to.tenant.apply(change)
            undone = await to.tenant.restore(change, made.before)
            assert undone.already or not made.already
            assert await state(to.tenant) == start
            assert (await to.tenant.restore(change, made.before)).already

    asyncio.run(there_and_back())
