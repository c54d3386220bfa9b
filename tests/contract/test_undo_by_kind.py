"""The Tenant port: what there is to undoing one kind of change and another."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from core.adapters.m365.configuration_write import is_equal_as_printed
from core.errors import Forbidden, Rejected, Superseded, Unavailable
from core.tenant.changes import (
    AppliedChange,
    ClearMailboxForward,
    DisableExchangeModule,
    DisableInboxRule,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    EndSessions,
    ResetAuditSet,
    SetConfiguration,
)
from core.tenant.configuration import Configuration
from core.tenant.reversibility import (
    MAY_BE_DELAYED,
    SESSIONS_STAY_ENDED,
    VISIBLE_LATE,
    explain_irreversible,
)
from core.tenant.sources import ROLE_HOLDERS
from sandbox.graph.policies import DEFAULT_GRAPH_POLICIES
from tests.support.fakes.changes import SESSIONS_TARGET
from tests.support.fakes.tenant import FakeTenant
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    build_mailbox_row,
    build_scene,
    build_user_row,
    connect_sandbox,
)
from tests.support.observe import collect_pages
from tests.support.tenants import (
    BLOCK_CHANGE,
    DOMAIN_GUID,
    MISCONFIGURED_SCENE,
    OPENERS,
    RESET_CHANGE,
    OpenTenant,
    SandboxTenant,
    open_sandbox,
)
from tests.support.undo_checks import (
    RAISE_AGE_CHANGE,
    UNKNOWN_ACCOUNT_ID,
    apply_and_capture,
    build_mailbox_scene,
    get_person_row,
    read_changeable_state,
)

PARTNER = "55555555-0000-4000-8000-000000000001"


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


async def test_sessions_that_were_ended_do_not_come_back(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        made = await to.tenant.writer.apply(BLOCK_CHANGE)
        undone = await to.tenant.writer.undo(BLOCK_CHANGE, made.before)
        assert undone == AppliedChange({"accountEnabled": False}, note=SESSIONS_STAY_ENDED)
        assert to.signed_out == [ROOM]


async def test_a_block_without_the_end_of_sessions_is_undone_without_a_trace(
    open_tenant: OpenTenant,
) -> None:
    block = replace(BLOCK_CHANGE, ends_sessions=False)
    async with open_tenant(build_scene()) as to:
        made = await to.tenant.writer.apply(block)
        assert to.signed_out == []
        undone = await to.tenant.writer.undo(block, made.before)
        assert undone == AppliedChange({"accountEnabled": False})


async def test_sessions_are_ended_of_a_blocked_account_alone_and_for_good(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(build_scene()) as to:
        with pytest.raises(Superseded, match="not blocked any more"):
            await to.tenant.writer.apply(EndSessions(ROOM))
        assert to.signed_out == []
        await to.tenant.writer.apply(replace(BLOCK_CHANGE, ends_sessions=False))
        made = await to.tenant.writer.apply(EndSessions(ROOM))
        assert made == AppliedChange({"accountEnabled": False})
        assert to.signed_out == [ROOM]
        with pytest.raises(Rejected, match="stay ended"):
            await to.tenant.writer.undo(EndSessions(ROOM), made.before)


async def test_sessions_that_may_not_be_ended_name_the_permission(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        to.withhold_permission(SESSIONS_TARGET)
        await to.tenant.writer.apply(replace(BLOCK_CHANGE, ends_sessions=False))
        with pytest.raises(Forbidden) as caught:
            await to.tenant.writer.apply(EndSessions(ROOM))
        assert caught.value.permission == "User.RevokeSessions.All"


async def test_an_account_is_let_in_again_whatever_became_of_its_mailbox(
    open_tenant: OpenTenant,
) -> None:
    left, before = await apply_and_capture(BLOCK_CHANGE)
    left["exchange"]["Get-Mailbox"].pop()
    async with open_tenant(build_scene(**left)) as to:
        assert not (await to.tenant.writer.undo(BLOCK_CHANGE, before)).unchanged


@pytest.mark.parametrize(
    ("more", "verdict"),
    [({"@sandbox.protected": True}, "protected"), ({"onPremisesSyncEnabled": True}, "on-premises")],
)
async def test_an_account_that_cannot_be_let_in_from_here_says_why(
    open_tenant: OpenTenant, more: dict[str, object], verdict: str
) -> None:
    people = {"users": [build_user_row(ROOM, "room", accountEnabled=False, **more)]}
    async with open_tenant(build_scene(graph=people)) as to:
        with pytest.raises(Rejected) as caught:
            await to.tenant.writer.undo(BLOCK_CHANGE, {"accountEnabled": True})
        assert caught.value.verdict == verdict
        assert to.write_count == 0


async def test_a_lower_age_limit_is_left_to_a_person_with_the_command(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        wrong = await read_changeable_state(to.tenant)
        made = await to.tenant.writer.apply(RAISE_AGE_CHANGE)
        right = await read_changeable_state(to.tenant)
        command = f"Set-Mailbox -Identity '{PERSON_GUID}' -AuditLogAgeLimit '90.00:00:00'"
        with pytest.raises(Rejected, match=command):
            await to.tenant.writer.undo(RAISE_AGE_CHANGE, made.before)
        assert await read_changeable_state(to.tenant) == right != wrong
        assert explain_irreversible("RaiseAuditAge", made.before)


async def test_an_age_limit_that_was_lowered_by_hand_is_as_before(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        assert (
            await to.tenant.writer.undo(RAISE_AGE_CHANGE, {"AuditLogAgeLimit": "90.00:00:00"})
        ).unchanged


async def test_exchange_powershell_comes_back_without_a_look_at_the_roles(
    open_tenant: OpenTenant,
) -> None:
    change = DisableExchangeModule(PERSON, PERSON_GUID)
    left, before = await apply_and_capture(change)
    async with open_tenant(build_scene(**left)) as to:
        to.fail_read(ROLE_HOLDERS)
        assert not (await to.tenant.writer.undo(change, before)).unchanged


async def test_a_rule_that_only_outlook_may_change_by_now_is_left_to_it(
    open_tenant: OpenTenant,
) -> None:
    change = DisableInboxRule(PERSON, "R1")
    left, before = await apply_and_capture(change)
    left["graph"]["messageRules"][PERSON][0]["isReadOnly"] = True
    async with open_tenant(build_scene(**left)) as to:
        with pytest.raises(Rejected, match="Outlook"):
            await to.tenant.writer.undo(change, before)
        assert to.write_count == 0


async def test_a_rule_that_cannot_be_read_any_more_is_not_switched_on() -> None:
    change = DisableInboxRule(PERSON, "R1")
    left, before = await apply_and_capture(change)
    left["graph"]["messageRules"][PERSON][0]["actions"] = {"redirectTo": [{"emailAddress": 7}]}
    async with open_sandbox(build_scene(**left)) as to:
        with pytest.raises(Superseded, match="not readable"):
            await to.tenant.writer.undo(change, before)
        assert to.write_count == 0


async def test_an_old_record_of_a_rule_tells_enough(open_tenant: OpenTenant) -> None:
    change = DisableInboxRule(PERSON, "R1")
    left, _ = await apply_and_capture(change)
    async with open_tenant(build_scene(**left)) as to:
        assert not (await to.tenant.writer.undo(change, {"isEnabled": True})).unchanged


async def test_a_rule_may_be_renamed_and_moved_in_line_meanwhile(open_tenant: OpenTenant) -> None:
    change = DisableInboxRule(PERSON, "R1")
    left, before = await apply_and_capture(change)
    left["graph"]["messageRules"][PERSON][0] |= {"displayName": "other", "sequence": 9}
    async with open_tenant(build_scene(**left)) as to:
        assert not (await to.tenant.writer.undo(change, before)).unchanged


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
    boxes = [build_mailbox_row(PERSON, PERSON_GUID, "ann", ForwardingAddress="Partner")]
    return {"exchange": {"Get-Mailbox": boxes, "Get-Recipient": [*people]}}


CLEAR = ClearMailboxForward(PERSON_GUID)


async def test_a_forward_goes_to_the_same_recipient_again(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene(**forwarded(partner()))) as to:
        wrong = await to.tenant.mailboxes.read_forwarding_mailboxes()
        made = await to.tenant.writer.apply(CLEAR)
        assert made.before["ForwardingAddressId"] == PARTNER
        assert (await to.tenant.mailboxes.read_forwarding_mailboxes()).items == ()
        undone = await to.tenant.writer.undo(CLEAR, made.before)
        assert not undone.unchanged
        assert await to.tenant.mailboxes.read_forwarding_mailboxes() == wrong
        assert (await to.tenant.writer.undo(CLEAR, made.before)).unchanged


@pytest.mark.parametrize(
    ("people", "keep"),
    [
        ([], True),
        ([partner(guid=UNKNOWN_ACCOUNT_ID)], True),
        ([partner(guid=UNKNOWN_ACCOUNT_ID), partner()], False),
        ([], False),
    ],
    ids=["gone", "a stranger of that name", "two of that name, and an old record", "old and gone"],
)
async def test_mail_is_never_forwarded_to_a_stranger(
    open_tenant: OpenTenant, people: list[dict[str, object]], keep: bool
) -> None:
    left, before = await apply_and_capture(CLEAR, forwarded(partner()))
    if not keep:
        before = {name: value for name, value in before.items() if name != "ForwardingAddressId"}
    left["exchange"]["Get-Recipient"] = people
    async with open_tenant(build_scene(**left)) as to:
        with pytest.raises(Rejected, match="recipient"):
            await to.tenant.writer.undo(CLEAR, before)
        assert to.write_count == 0


async def test_of_two_of_one_name_the_forward_goes_to_the_one_it_meant() -> None:
    left, before = await apply_and_capture(CLEAR, forwarded(partner()))
    left["exchange"]["Get-Recipient"] = [partner(guid=UNKNOWN_ACCOUNT_ID), partner()]
    async with open_sandbox(build_scene(**left)) as to:
        assert isinstance(to, SandboxTenant)
        assert not (await to.tenant.writer.undo(CLEAR, before)).unchanged
        (write,) = to.connection.sandbox.writes
        assert PARTNER in str(write["body"])


async def test_a_recipient_that_was_renamed_meanwhile_is_the_same() -> None:
    left, before = await apply_and_capture(CLEAR, forwarded(partner()))
    left["exchange"]["Get-Recipient"] = [partner("Renamed")]
    async with open_sandbox(build_scene(**left)) as to:
        assert not (await to.tenant.writer.undo(CLEAR, before)).unchanged
        (now,) = (await to.tenant.mailboxes.read_forwarding_mailboxes()).items
        assert now.forwarding_address == "Renamed"
        assert (await to.tenant.writer.undo(CLEAR, before)).unchanged


async def test_an_old_record_goes_by_the_name_of_the_recipient(open_tenant: OpenTenant) -> None:
    left, before = await apply_and_capture(CLEAR, forwarded(partner()))
    old = {name: value for name, value in before.items() if name != "ForwardingAddressId"}
    async with open_tenant(build_scene(**left)) as to:
        assert not (await to.tenant.writer.undo(CLEAR, old)).unchanged
        (box,) = (await to.tenant.mailboxes.read_forwarding_mailboxes()).items
        assert box.forwarding_address == "Partner"


async def test_logon_types_that_were_microsofts_are_again_and_so_are_their_lists(
    open_tenant: OpenTenant,
) -> None:
    """A list of Microsoft's that lacked something cannot be asked for."""
    change = ResetAuditSet(
        PERSON_GUID,
        ("Delegate", "Owner"),
        expects=(
            ("Delegate", ("MailItemsAccessed",)),
            ("Owner", ("MailItemsAccessed",)),
        ),
    )
    lacking = build_mailbox_scene(DefaultAuditSet=["Admin", "Delegate"], AuditDelegate=["Update"])
    async with open_tenant(build_scene(**lacking)) as to:
        made = await to.tenant.writer.apply(change)
        undone = await to.tenant.writer.undo(change, made.before)
        assert undone.note == "Microsoft keeps what is audited for Delegate: it is not as it was."
        (audit, _) = (await collect_pages(to.tenant.auditing.list_mailbox_audits())).items
        assert audit.default_set == {"Admin", "Delegate"}
        assert audit.actions["Owner"] == {"MailboxLogin"}


@pytest.mark.parametrize("capabilities", [[], ["M365Auditing"]], ids=str)
async def test_what_was_audited_besides_is_known_under_every_licence(
    open_tenant: OpenTenant, capabilities: list[str]
) -> None:
    async with open_tenant(build_scene(exchange={"Get-Mailbox": [licensed(capabilities)]})) as to:
        wrong = await collect_pages(to.tenant.auditing.list_mailbox_audits())
        made = await to.tenant.writer.apply(RESET_CHANGE)
        assert not (await to.tenant.writer.undo(RESET_CHANGE, made.before)).unchanged
        assert await collect_pages(to.tenant.auditing.list_mailbox_audits()) == wrong


@pytest.mark.parametrize("other", ["SearchQueryInitiated", "-Update"])
async def test_an_action_that_somebody_added_or_took_since_is_not_overwritten(
    open_tenant: OpenTenant, other: str
) -> None:
    left, before = await apply_and_capture(RESET_CHANGE)
    actions = get_person_row(left)["AuditOwner"]
    if other.startswith("-"):
        actions.remove(other[1:])
    else:
        actions.append(other)
    async with open_tenant(build_scene(**left)) as to:
        with pytest.raises(Superseded):
            await to.tenant.writer.undo(RESET_CHANGE, before)
        assert to.write_count == 0


def licensed(capabilities: list[str]) -> dict[str, object]:
    """The person's mailbox under a licence, with lists set by hand."""
    lists = {"DefaultAuditSet": ["Admin"], "AuditOwner": ["MailboxLogin"]}
    return build_mailbox_row(
        PERSON, PERSON_GUID, "ann", PersistedCapabilities=capabilities, **lists
    )


async def test_a_list_that_held_nothing_holds_nothing_again(open_tenant: OpenTenant) -> None:
    change = ResetAuditSet(PERSON_GUID, ("Owner",))
    async with open_tenant(build_scene(**build_mailbox_scene(AuditOwner=[]))) as to:
        wrong = await read_changeable_state(to.tenant)
        made = await to.tenant.writer.apply(change)
        assert await read_changeable_state(to.tenant) != wrong
        await to.tenant.writer.undo(change, made.before)
        assert await read_changeable_state(to.tenant) == wrong


async def test_an_action_that_exchange_takes_no_more_is_a_refusal_and_no_half_list() -> None:
    """MessageBind, on a mailbox with advanced auditing."""
    change = ResetAuditSet(PERSON_GUID, ("Admin", "Owner"))
    old = build_mailbox_scene(
        DefaultAuditSet=[],
        AuditAdmin=["Update", "MessageBind"],
        PersistedCapabilities=["M365Auditing"],
    )
    left, before = await apply_and_capture(change, old)
    async with open_sandbox(build_scene(**left)) as to:
        with pytest.raises(Rejected):
            await to.tenant.writer.undo(change, before)
        assert to.write_count == 0


async def test_the_unified_log_may_look_undone_and_come_on_later(open_tenant: OpenTenant) -> None:
    change = EnableUnifiedAuditLog()
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        looked = await to.tenant.writer.undo(change, {"UnifiedAuditLogIngestionEnabled": False})
        assert looked.unchanged
        assert looked.note == MAY_BE_DELAYED


async def test_nobody_waits_for_the_unified_log_to_show() -> None:
    change = EnableUnifiedAuditLog()
    left, before = await apply_and_capture(change)
    async with open_sandbox(build_scene(**left)) as to:
        assert isinstance(to, SandboxTenant)
        to.add_fault({"match": "^Set-AdminAuditLogConfig", "kind": "staleReads", "times": 9})
        undone = await to.tenant.writer.undo(change, before)
        assert undone.note == VISIBLE_LATE
        assert to.connection.clock.waits == []


async def test_an_undo_that_shows_late_is_waited_for() -> None:
    change = EnableOrganizationAudit()
    left, before = await apply_and_capture(change)
    async with open_sandbox(build_scene(**left)) as to:
        assert isinstance(to, SandboxTenant)
        to.add_fault({"match": "^Set-OrganizationConfig", "kind": "staleReads", "times": 3})
        assert not (await to.tenant.writer.undo(change, before)).unchanged
        assert to.connection.clock.waits


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
    open_tenant: OpenTenant, source: str, cmdlet: str, name: str, value: Any, was: object
) -> None:
    change = SetConfiguration(source, DOMAIN_GUID, name, value)
    rows = {cmdlet: [{"Guid": DOMAIN_GUID, "Name": "Default", name: was}]}
    async with open_tenant(build_scene(exchange=rows)) as to:
        made = await to.tenant.writer.apply(change)
        assert made.before == {name: was}
        assert not (await to.tenant.writer.undo(change, made.before)).unchanged
        ((one),) = (await to.tenant.configuration.read_configuration(source)).items
        assert is_equal_as_printed(one.values[name], was)
        assert (await to.tenant.writer.undo(change, made.before)).unchanged


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
    open_tenant: OpenTenant, name: str, value: Any, was: object
) -> None:
    known = deepcopy(DEFAULT_GRAPH_POLICIES["authorizationPolicy"])
    *above, last = name.split(".")
    holder = known[above[0]] if above else known
    holder[last] = was
    change = SetConfiguration("authorization-policy", "", name, value)
    async with open_tenant(build_scene(graph={"authorizationPolicy": known})) as to:
        wrong = await to.tenant.configuration.read_configuration("authorization-policy")
        made = await to.tenant.writer.apply(change)
        assert await to.tenant.configuration.read_configuration("authorization-policy") != wrong
        await to.tenant.writer.undo(change, made.before)
        assert await to.tenant.configuration.read_configuration("authorization-policy") == wrong


async def test_a_setting_that_is_not_shown_is_not_changed_since_nobody_could_undo_it() -> None:
    change = SetConfiguration("remote-domain", DOMAIN_GUID, "AutoForwardEnabled", False)
    rows = {"Get-RemoteDomain": [{"Guid": DOMAIN_GUID, "Name": "p", "DomainName": "p.example"}]}
    fake = FakeTenant(configurations=[Configuration("remote-domain", DOMAIN_GUID, "p", {})])
    async with connect_sandbox(build_scene(exchange=rows), attempts=1) as to:
        for tenant in (fake, to.tenant):
            with pytest.raises(Unavailable, match="AutoForwardEnabled"):
                await tenant.writer.apply(change)
        assert to.sandbox.writes == []
        assert fake.applied_changes == []
