"""The Tenant port: what every implementation promises, on the real adapters over the sandbox."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from core.errors import Forbidden, Gone, Moot, Refused, TenantError, Unavailable
from core.tenant import (
    ACCOUNTS,
    DOMAINS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_AUDIT,
    MAILBOXES,
    ORGANIZATION_AUDIT,
    OUTBOUND,
    RECIPIENTS,
    RULE_FOLDERS,
    SIGN_INS,
    UNIFIED_AUDIT_LOG,
    AcceptedDomain,
    BlockSignIn,
    Change,
    ClearAuditBypass,
    ClearMailboxForward,
    DisableInboxRule,
    EnableMailboxAudit,
    EnableOrganizationAudit,
    EnableUnifiedAuditLog,
    Folder,
    Mailbox,
    RaiseAuditAge,
    Reading,
    Recipient,
    ResetAuditSet,
)
from tests.adapters.connection import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    Connection,
    connected,
    mailbox,
    rule,
    scene,
    user,
)

type Open = Callable[..., AbstractAsyncContextManager[Connection]]

OWNERS = (
    Mailbox(PERSON, PERSON_GUID, "ann@contoso.example"),
    Mailbox(ROOM, ROOM_GUID, "room@contoso.example", kind="RoomMailbox"),
)
BLOCK = BlockSignIn(ROOM, ROOM_GUID, ("RoomMailbox",))
GRAPH_READS = ["User.Read.All", "MailboxSettings.Read", "Mail.ReadBasic.All", "Domain.Read.All"]


@pytest.fixture(params=["m365"])
def open_tenant(request: pytest.FixtureRequest) -> Open:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return {"m365": connected}[request.param]


def inner(kind: str, match: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "match": match, "inner": True, **more}


# Reading ----------------------------------------------------------------------------------------


async def test_every_mailbox_is_listed_or_those_of_some_kinds(open_tenant: Open) -> None:
    async with open_tenant(scene()) as to:
        found = await to.tenant.mailboxes()
        assert [one.id for one in found.items] == [PERSON, ROOM]
        assert (found.population, found.complete, found.unread) == (2, True, ())
        rooms = await to.tenant.mailboxes(("RoomMailbox", "EquipmentMailbox"))
        assert [one.id for one in rooms.items] == [ROOM]


async def test_a_listing_that_is_refused_is_incomplete_and_names_the_permission(
    open_tenant: Open,
) -> None:
    async with open_tenant(scene(grants={"exchange": []})) as to:
        for found, surface in (
            (await to.tenant.mailboxes(), MAILBOXES),
            (await to.tenant.mailbox_audits(), MAILBOX_AUDIT),
        ):
            assert not found.complete
            miss = found.blind_to(surface)
            assert miss is not None
            assert "Exchange.ManageAsApp" in miss.permission


async def test_a_mailbox_without_an_id_is_one_unread_object(open_tenant: Open) -> None:
    boxes = [mailbox(PERSON, PERSON_GUID, "ann"), mailbox("", "", "ghost")]
    async with open_tenant(scene(exchange={"Get-Mailbox": boxes})) as to:
        found = await to.tenant.mailboxes()
        assert (len(found.items), found.population, found.unread_objects) == (1, 2, 1)
        assert found.blind_to(MAILBOXES) is None


async def test_an_account_that_entra_does_not_know_is_absent_and_not_unread(
    open_tenant: Open,
) -> None:
    people = {"users": [user(PERSON, "ann", accountEnabled=False)]}
    async with open_tenant(scene(graph=people)) as to:
        found = await to.tenant.accounts(OWNERS)
        assert [(one.id, one.enabled) for one in found.items] == [(PERSON, False)]
        assert (found.unread, found.population) == ((), 2)


@pytest.mark.parametrize("surface", [ACCOUNTS, INBOX_RULES, HIDDEN_RULES, RECIPIENTS])
async def test_refused_for_everyone_is_a_missing_permission(
    open_tenant: Open, surface: str
) -> None:
    grants = {"graph": ["Domain.Read.All"], "exchange": ["Get-Mailbox"]}
    async with open_tenant(scene(grants=grants)) as to:
        reads: dict[str, Callable[[], Awaitable[Reading[Any]]]] = {
            ACCOUNTS: lambda: to.tenant.accounts(OWNERS),
            INBOX_RULES: lambda: to.tenant.inbox_rules(OWNERS),
            HIDDEN_RULES: lambda: to.tenant.hidden_rules(OWNERS),
            RECIPIENTS: lambda: to.tenant.recipients(["ann", "room"]),
        }
        miss = (await reads[surface]()).blind_to(surface)
        assert miss is not None
        assert miss.permission in {
            "User.Read.All",
            "MailboxSettings.Read",
            "Exchange role with Get-InboxRule",
            "Exchange role with Get-Recipient",
        }


async def test_refused_for_one_is_that_one_unread(open_tenant: Open) -> None:
    faults = [inner("error", f"{PERSON}.*messageRules", status=403, code="ErrorAccessDenied")]
    async with open_tenant(scene(faults=faults, graph={"messageRules": {ROOM: []}})) as to:
        found = await to.tenant.inbox_rules(OWNERS)
        (miss,) = found.unread
        assert (miss.object_id, miss.permission) == (PERSON, "")
        assert not found.covers((INBOX_RULES,), PERSON)
        assert found.covers((INBOX_RULES,), ROOM)


async def test_a_mailbox_that_cannot_be_opened_is_never_one_without_rules(
    open_tenant: Open,
) -> None:
    boxes: dict[str, Any] = {"Get-Mailbox": [mailbox(ROOM, ROOM_GUID, "room")]}
    lonely = Mailbox("guid-9", "guid-9", "lost@contoso.example", has_account=False)
    async with open_tenant(scene(exchange=boxes)) as to:
        found = await to.tenant.inbox_rules((*OWNERS, lonely))
        assert {miss.object_id for miss in found.unread} == {PERSON, "guid-9"}
        assert found.covers((INBOX_RULES,), ROOM)


async def test_hidden_rules_are_seen_by_exchange_alone(open_tenant: Open) -> None:
    hidden = {
        "RuleIdentity": 7,
        "Name": "",
        "Enabled": True,
        "ForwardTo": ['"x" [SMTP:x@evil.example]'],
        "@sandbox.hidden": True,
    }
    exchange = {"Get-InboxRule": {PERSON_GUID: [hidden]}}
    async with open_tenant(scene(exchange=exchange)) as to:
        found = await to.tenant.hidden_rules(OWNERS)
        assert [(one.mailbox_id, one.id) for one in found.items] == [(PERSON, "7")]
        assert (await to.tenant.inbox_rules(OWNERS)).items == ()


async def test_folders_are_known_by_id_whatever_they_are_called(open_tenant: Open) -> None:
    folders = [
        {"id": "F-trash", "displayName": "Gelöschte Elemente", "wellKnownName": "deleteditems"},
        {"id": "F-rss", "displayName": "RSS-Feeds"},
        {"id": "F-own", "displayName": "Projects"},
    ]
    targets = ("F-trash", "F-rss", "F-own", "Archive", "F-none")
    rules = [
        rule(f"R{number}", actions={"moveToFolder": one}) for number, one in enumerate(targets)
    ]
    graph = {"messageRules": {PERSON: rules}, "mailFolders": {PERSON: folders}}
    async with open_tenant(scene(graph=graph)) as to:
        found = await to.tenant.rule_folders((await to.tenant.inbox_rules(OWNERS)).items)
        assert {one.id: one.well_known for one in found.items} == {
            "F-trash": "deleteditems",
            "F-rss": "rssfeeds",
            "F-own": "",
            "Archive": "archive",
            "F-none": "",
        }
        assert found.unread == ()


async def test_folders_need_a_permission_of_their_own_and_well_known_names_need_none(
    open_tenant: Open,
) -> None:
    rules = [rule("R1", actions={"moveToFolder": "F1"})]
    named = [rule("R2", actions={"moveToFolder": "deleteditems"})]
    graph = {"messageRules": {PERSON: rules, ROOM: named}}
    grants = {"graph": ["MailboxSettings.Read"]}
    async with open_tenant(scene(graph=graph, grants=grants)) as to:
        found = await to.tenant.rule_folders((await to.tenant.inbox_rules(OWNERS)).items)
        assert found.items == (Folder(ROOM, "deleteditems", "deleteditems", "deleteditems"),)
        miss = found.blind_to(RULE_FOLDERS)
        assert miss is not None
        assert miss.permission == "Mail.ReadBasic.All"


async def test_recipients_are_found_or_known_to_be_unknown(open_tenant: Open) -> None:
    contact = {
        "Name": "Partner",
        "RecipientTypeDetails": "MailContact",
        "PrimarySmtpAddress": "p@partner.example",
        "ExternalEmailAddress": "SMTP:p@partner.example",
    }
    names = ["Partner", "ann@contoso.example", "nobody", "*", "", "x" * 5000, "a\x00b"]
    faults = [inner("error", "Get-Recipient broken", status=500)]
    async with open_tenant(scene(exchange={"Get-Recipient": [contact]}, faults=faults)) as to:
        found = await to.tenant.recipients([*names, "broken"])
        by_name = {one.name: one for one in found.items}
        assert by_name["Partner"].external_address == "SMTP:p@partner.example"
        assert by_name["ann@contoso.example"].kind == "UserMailbox"
        for name in names[2:]:
            assert by_name[name] == Recipient(name, found=False)
        assert [miss.object_id for miss in found.unread] == ["broken"]


async def test_the_tenants_domains_are_those_of_exchange_and_entra_together(
    open_tenant: Open,
) -> None:
    accepted = [{"DomainName": "Mail.Contoso.example", "MatchSubDomains": True}]
    domains = [{"id": "x.example", "isVerified": False}, {"id": "y.example", "isVerified": True}]
    graph = {"domains": domains}
    async with open_tenant(scene(graph=graph, exchange={"Get-AcceptedDomain": accepted})) as to:
        found = await to.tenant.accepted_domains()
        assert set(found.items) == {
            AcceptedDomain("mail.contoso.example", True),
            AcceptedDomain("y.example"),
        }


@pytest.mark.parametrize("half", ["graph", "exchange"])
async def test_one_source_of_domains_is_enough_and_the_other_is_mentioned(
    open_tenant: Open, half: str
) -> None:
    async with open_tenant(scene(grants={half: ["Get-Mailbox", "User.Read.All"]})) as to:
        found = await to.tenant.accepted_domains()
        assert found.items == (AcceptedDomain("contoso.example"),)
        assert found.blind_to(DOMAINS) is None
        (miss,) = found.unread
        assert miss.optional
        assert miss.permission


async def test_without_any_source_the_domains_are_unread(open_tenant: Open) -> None:
    async with open_tenant(scene(grants={"graph": ["x"], "exchange": ["x"]})) as to:
        found = await to.tenant.accepted_domains()
        assert found.items == ()
        assert found.blind_to(DOMAINS) is not None


async def test_what_only_adds_detail_is_optional(open_tenant: Open) -> None:
    grants = {"graph": ["User.Read.All"], "exchange": ["Get-Mailbox"]}
    async with open_tenant(scene(grants=grants)) as to:
        for reading, surface in (
            (await to.tenant.last_sign_ins([PERSON, ROOM]), SIGN_INS),
            (await to.tenant.remote_domains(), OUTBOUND),
            (await to.tenant.outbound_policies(), OUTBOUND),
        ):
            miss = reading.blind_to(surface)
            assert miss is not None
            assert miss.optional
            assert reading.complete


async def test_each_switch_of_the_organisation_may_be_unreadable_by_itself(
    open_tenant: Open,
) -> None:
    async with open_tenant(scene(grants={"exchange": ["Get-OrganizationConfig"]})) as to:
        found = await to.tenant.organization_audit()
        assert found.items[0].audit_disabled is False
        assert found.items[0].unified_log is None
        assert found.blind_to(ORGANIZATION_AUDIT) is None
        assert found.blind_to(UNIFIED_AUDIT_LOG) is not None


async def test_all_audit_bypasses_are_listed(open_tenant: Open) -> None:
    rows = [
        {"Guid": f"g{number}", "Name": f"n{number}", "AuditBypassEnabled": number == 1200}
        for number in range(1300)
    ]
    exchange = {"Get-MailboxAuditBypassAssociation": rows}
    async with open_tenant(scene(exchange=exchange)) as to:
        found = await to.tenant.audit_bypasses()
        assert found.population == 1300
        assert [one.id for one in found.items if one.bypassed] == ["g1200"]


# Changing ---------------------------------------------------------------------------------------

FORWARDED = mailbox(
    PERSON, PERSON_GUID, "ann", ForwardingSmtpAddress="smtp:x@evil.example", AuditEnabled=False
)
WRONG: dict[str, Any] = {
    "graph": {"messageRules": {PERSON: [rule("R1")]}},
    "exchange": {
        "Get-Mailbox": [
            FORWARDED,
            mailbox(ROOM, ROOM_GUID, "room", RecipientTypeDetails="RoomMailbox"),
        ],
        "Get-OrganizationConfig": [{"AuditDisabled": True}],
        "Get-AdminAuditLogConfig": [{"UnifiedAuditLogIngestionEnabled": False}],
        "Get-MailboxAuditBypassAssociation": [
            {"Guid": "g1", "Name": "n", "AuditBypassEnabled": True}
        ],
    },
}
CHANGES: list[Change] = [
    BLOCK,
    EnableOrganizationAudit(),
    EnableUnifiedAuditLog(),
    EnableMailboxAudit(PERSON_GUID),
    ClearAuditBypass("g1"),
    DisableInboxRule(PERSON, "R1"),
    ClearMailboxForward(PERSON_GUID),
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: type(one).__name__)
async def test_a_change_is_in_effect_once_and_safe_to_repeat(
    open_tenant: Open, change: Change
) -> None:
    async with open_tenant(scene(**WRONG)) as to:
        first = await to.tenant.apply(change)
        assert not first.already
        assert first.before
        written = [one for one in to.sandbox.writes if "revoke" not in one["target"]]
        assert len(written) == 1
        assert (await to.tenant.apply(change)).already
        assert [one for one in to.sandbox.writes if "revoke" not in one["target"]] == written


@pytest.mark.parametrize("change", CHANGES, ids=lambda one: type(one).__name__)
async def test_a_change_without_its_permission_is_refused_and_named(
    open_tenant: Open, change: Change
) -> None:
    reads = {"Get-Mailbox", "Get-OrganizationConfig", "Get-AdminAuditLogConfig"}
    grants = {
        "graph": ["User.Read.All", "MailboxSettings.Read"],
        "exchange": [*reads, "Get-MailboxAuditBypassAssociation"],
    }
    async with open_tenant(scene(**WRONG, grants=grants)) as to:
        with pytest.raises(Forbidden) as caught:
            await to.tenant.apply(change)
        assert caught.value.permission
        assert to.sandbox.writes == []


async def test_reads_that_lag_behind_are_waited_for(open_tenant: Open) -> None:
    async with open_tenant(scene(faults=[{"kind": "staleReads", "times": 3}])) as to:
        assert (await to.tenant.apply(BLOCK)).before == {"accountEnabled": True}
    async with open_tenant(scene(faults=[{"kind": "staleReads", "times": 99}])) as to:
        with pytest.raises(Unavailable, match="does not show yet"):
            await to.tenant.apply(BLOCK)


async def test_the_unified_log_may_take_its_time_to_show(open_tenant: Open) -> None:
    faults = [{"kind": "staleReads", "times": 99}]
    async with open_tenant(scene(**WRONG, faults=faults)) as to:
        assert "hour" in (await to.tenant.apply(EnableUnifiedAuditLog())).note


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (BlockSignIn(ROOM, ROOM_GUID, ("SharedMailbox",)), Moot),
        (BlockSignIn(PERSON, ROOM_GUID, ("RoomMailbox",)), Moot),
        (BlockSignIn(ROOM, "33333333-0000-4000-8000-00000000dead", ("RoomMailbox",)), Gone),
        (EnableMailboxAudit("33333333-0000-4000-8000-00000000dead"), Gone),
        (EnableMailboxAudit(""), Refused),
        (DisableInboxRule(PERSON, "R9"), Gone),
        (RaiseAuditAge(PERSON_GUID, 0), Moot),
    ],
    ids=str,
)
async def test_what_is_no_longer_as_judged_is_left_alone(
    open_tenant: Open, change: Change, kind: type[TenantError]
) -> None:
    async with open_tenant(scene(graph={"messageRules": {PERSON: [rule("R1")]}})) as to:
        with pytest.raises(kind):
            await to.tenant.apply(change)
        assert to.sandbox.writes == []


@pytest.mark.parametrize(
    ("more", "verdict"),
    [({"@sandbox.protected": True}, "protected"), ({"onPremisesSyncEnabled": True}, "on-premises")],
)
async def test_an_account_that_cannot_be_blocked_from_here_says_why(
    open_tenant: Open, more: dict[str, object], verdict: str
) -> None:
    async with open_tenant(scene(graph={"users": [user(ROOM, "room", **more)]})) as to:
        with pytest.raises(Refused) as caught:
            await to.tenant.apply(BLOCK)
        assert caught.value.verdict == verdict
        assert to.sandbox.writes == []


async def test_sessions_that_stay_are_a_note_and_no_failure(open_tenant: Open) -> None:
    grants = {"graph": ["User.Read.All", "User.EnableDisableAccount.All"]}
    async with open_tenant(scene(grants=grants)) as to:
        done = await to.tenant.apply(BLOCK)
        assert "sessions were not revoked" in done.note
        assert [one["body"] for one in to.sandbox.writes] == [{"accountEnabled": False}]


async def test_sessions_are_revoked_even_if_the_account_was_blocked_already(
    open_tenant: Open,
) -> None:
    people = {"users": [user(ROOM, "room", accountEnabled=False)]}
    async with open_tenant(scene(graph=people)) as to:
        assert (await to.tenant.apply(BLOCK)).already
        assert [one["target"] for one in to.sandbox.writes] == [
            f"/users/{ROOM}/revokeSignInSessions"
        ]


async def test_a_rule_that_only_outlook_may_change_is_left_to_it(open_tenant: Open) -> None:
    rules = {"messageRules": {PERSON: [rule("R1", isReadOnly=True)]}}
    async with open_tenant(scene(graph=rules)) as to:
        with pytest.raises(Refused, match="Outlook"):
            await to.tenant.apply(DisableInboxRule(PERSON, "R1"))


async def test_records_are_kept_longer_and_never_shorter(open_tenant: Open) -> None:
    async with open_tenant(scene()) as to:
        done = await to.tenant.apply(RaiseAuditAge(PERSON_GUID, 180))
        assert done.before == {"AuditLogAgeLimit": "90.00:00:00"}
        (audit, _) = (await to.tenant.mailbox_audits()).items
        assert audit.age_days == 180


CUSTOM = mailbox(PERSON, PERSON_GUID, "ann", DefaultAuditSet=["Admin"], AuditOwner=["MailboxLogin"])
RESET = ResetAuditSet(PERSON_GUID, ("Delegate", "Owner"), (("Owner", ("MailboxLogin",)),))


async def test_logon_types_go_back_to_microsoft_and_extras_stay(open_tenant: Open) -> None:
    async with open_tenant(scene(exchange={"Get-Mailbox": [CUSTOM]})) as to:
        done = await to.tenant.apply(RESET)
        assert done.before["AuditOwner"] == ["MailboxLogin"]
        (audit,) = (await to.tenant.mailbox_audits()).items
        assert audit.default_set == {"Admin", "Delegate"}
        assert audit.actions["Owner"] >= {"MailboxLogin", "Update", "MailItemsAccessed"}


async def test_a_reset_that_was_cut_off_half_way_is_finished_by_the_next(
    open_tenant: Open,
) -> None:
    faults = [{"service": "exchange", "kind": "error", "match": "Set-Mailbox", "skip": 1}]
    async with open_tenant(
        scene(exchange={"Get-Mailbox": [CUSTOM]}, faults=faults), attempts=1
    ) as to:
        with pytest.raises(Unavailable):
            await to.tenant.apply(RESET)
        to.sandbox.tenant.faults.load(None)
        assert not (await to.tenant.apply(RESET)).already
        (audit,) = (await to.tenant.mailbox_audits()).items
        assert audit.actions["Owner"] >= {"MailboxLogin", "Update"}
