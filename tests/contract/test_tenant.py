"""The Tenant port: what every implementation promises, in memory and on the real adapters."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from core.errors import Unavailable
from core.tenant.changes import EnableOrganizationAudit
from core.tenant.mail_flow import AcceptedDomain, Folder, Recipient
from core.tenant.mailboxes import Mailbox
from core.tenant.port import Tenant
from core.tenant.readers import GrantedPermissions
from core.tenant.readings import Reading
from core.tenant.sources import (
    ACCOUNTS,
    AUDIT_BYPASS,
    CREDENTIAL,
    DOMAINS,
    GRANTS,
    HIDDEN_RULES,
    INBOX_RULES,
    MAILBOX_AUDIT,
    MAILBOX_FORWARDS,
    MAILBOXES,
    ORGANIZATION_AUDIT,
    OUTBOUND_POLICIES,
    RECIPIENTS,
    RULE_FOLDERS,
    SIGN_INS,
    TRANSPORT_RULES,
    UNIFIED_AUDIT_LOG,
)
from sandbox.state.defaults import SYSTEM_ASSOCIATIONS
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_mailbox_row,
    build_rule_row,
    build_scene,
    connect_sandbox,
)
from tests.support.http_recorder import build_user_row as person
from tests.support.observe import collect_pages
from tests.support.tenants import (
    EXCHANGE_SOURCE,
    GRAPH_SOURCE,
    MISCONFIGURED_SCENE,
    OPENERS_OVER_HTTP,
    OWNERS,
    OpenTenant,
)


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS_OVER_HTTP[request.param]


def reads(tenant: Tenant) -> dict[str, Callable[[], Awaitable[Reading[Any]]]]:
    """A look at each surface that is asked for object by object, for the person and the room."""

    async def folders() -> Reading[Folder]:
        return await tenant.inbox_rules.read_rule_folders(
            (await tenant.inbox_rules.read_inbox_rules(OWNERS)).items
        )

    return {
        ACCOUNTS: lambda: tenant.accounts.read_accounts(OWNERS),
        SIGN_INS: lambda: tenant.accounts.read_last_sign_ins([PERSON, ROOM]),
        INBOX_RULES: lambda: tenant.inbox_rules.read_inbox_rules(OWNERS),
        HIDDEN_RULES: lambda: tenant.inbox_rules.read_hidden_rules(OWNERS),
        RULE_FOLDERS: folders,
        RECIPIENTS: lambda: tenant.mail_flow.read_recipients(["ann", "room"]),
    }


def listings(tenant: Tenant) -> dict[str, Callable[[], Awaitable[Reading[Any]]]]:
    """A look at each surface that lists by itself all there is."""
    return {
        MAILBOXES: lambda: collect_pages(tenant.mailboxes.list_mailboxes()),
        MAILBOX_AUDIT: lambda: collect_pages(tenant.auditing.list_mailbox_audits()),
        TRANSPORT_RULES: tenant.mail_flow.read_transport_rules,
        AUDIT_BYPASS: tenant.auditing.read_audit_bypasses,
    }


def moving(*targets: str) -> list[dict[str, object]]:
    """A rule for each folder, that moves mail to it."""
    return [
        build_rule_row(f"R{number}", actions={"moveToFolder": target})
        for number, target in enumerate(targets)
    ]


BY_OBJECT = [ACCOUNTS, SIGN_INS, INBOX_RULES, HIDDEN_RULES, RULE_FOLDERS, RECIPIENTS]
LISTED_SOURCES = [MAILBOXES, MAILBOX_AUDIT, TRANSPORT_RULES, AUDIT_BYPASS]
TWO_RULES = {
    "messageRules": {PERSON: moving("F1"), ROOM: moving("F2")},
    "mailFolders": {
        PERSON: [{"id": "F1", "displayName": "Projects"}],
        ROOM: [{"id": "F2", "displayName": "Projects"}],
    },
}

# Reading ----------------------------------------------------------------------------------------


async def test_what_the_app_may_do_is_told_as_it_was_granted(open_tenant: OpenTenant) -> None:
    granted = {"graph": ["User.Read.All"], "exchange": ["Get-Mailbox", "Get-Recipient"]}
    async with open_tenant(build_scene(grants=granted)) as to:
        to.withhold_permission(RECIPIENTS)
        found = await to.tenant.permissions.read_granted_permissions()
        assert found.items == (
            GrantedPermissions(frozenset({"User.Read.All"}), frozenset({"Get-Mailbox"})),
        )
        assert found.sources == {GRANTS, CREDENTIAL}
        assert found.failures == ()


async def test_every_mailbox_is_listed_or_those_of_some_kinds(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        found = await collect_pages(to.tenant.mailboxes.list_mailboxes())
        assert [one.id for one in found.items] == [PERSON, ROOM]
        assert (found.population, found.complete, found.failures) == (2, True, ())
        rooms = await collect_pages(
            to.tenant.mailboxes.list_mailboxes(("RoomMailbox", "EquipmentMailbox"))
        )
        assert [one.id for one in rooms.items] == [ROOM]


async def paged(tenant: Tenant, surface: str, after: str = "") -> list[Reading[Any]]:
    """The pages of one of the listings that come in pages."""
    listing: AsyncIterator[Reading[Any]]
    listing = (
        tenant.mailboxes.list_mailboxes(after=after)
        if surface == MAILBOXES
        else tenant.auditing.list_mailbox_audits(after)
    )
    return [page async for page in listing]


def many(number: int, **more: object) -> dict[str, Any]:
    """A scene with so many mailboxes."""
    rows = [build_mailbox_row(f"m{n}", f"g{n}", f"n{n}", **more) for n in range(number)]
    return build_scene(exchange={"Get-Mailbox": rows})


@pytest.mark.parametrize("surface", [MAILBOXES, MAILBOX_AUDIT])
async def test_a_long_listing_comes_in_pages_that_say_whom_they_speak_of(
    open_tenant: OpenTenant, surface: str
) -> None:
    async with open_tenant(many(2_300)) as to:
        pages = await paged(to.tenant, surface)
        assert [page.population for page in pages] == [1_000, 1_000, 300]
        assert [bool(page.continuation) for page in pages] == [True, True, False]
        assert pages[1].covers((surface,), "m1500")
        assert not pages[1].covers((surface,), "m500")
        rest = await paged(to.tenant, surface, pages[0].continuation)
        assert [page.items for page in rest] == [page.items for page in pages[1:]]


@pytest.mark.parametrize("surface", [MAILBOXES, MAILBOX_AUDIT])
async def test_a_listing_that_breaks_off_ends_with_why_and_can_go_on_later(
    open_tenant: OpenTenant, surface: str
) -> None:
    async with open_tenant(many(1_100)) as to:
        to.interrupt_listing(surface)
        *read, last = await paged(to.tenant, surface)
        assert read
        assert all(page.complete and page.continuation for page in read)
        assert read[0].covers((surface,), "m7")
        assert (last.complete, last.items, last.population, last.continuation) == (False, (), 0, "")
        assert last.find_source_failure(surface)
        assert not last.covers((surface,), "m7")
        to.clear_faults()
        rest = await paged(to.tenant, surface, read[-1].continuation)
        assert all(page.complete for page in rest)
        everyone = [one for page in (*read, *rest) for one in page.items]
        assert len(everyone) == sum(page.population for page in (*read, *rest)) == 1_100


@pytest.mark.parametrize("surface", [MAILBOXES, MAILBOX_AUDIT])
async def test_a_place_that_is_none_any_more_is_the_beginning(
    open_tenant: OpenTenant, surface: str
) -> None:
    async with open_tenant(many(3)) as to:
        stale = "/adminapi/beta/no-such-tenant/InvokeCommand?$skiptoken=x"
        (page,) = await paged(to.tenant, surface, stale)
        assert (page.population, page.complete, page.failures) == (3, True, ())


async def test_mailboxes_with_a_forward_are_found_among_all(open_tenant: OpenTenant) -> None:
    rows = [
        build_mailbox_row("m1", "g1", "one", ForwardingSmtpAddress="smtp:x@evil.example"),
        build_mailbox_row("m2", "g2", "two"),
        build_mailbox_row(
            "m3", "g3", "three", ForwardingAddress="Bob", DeliverToMailboxAndForward=True
        ),
    ]
    async with open_tenant(build_scene(exchange={"Get-Mailbox": rows})) as to:
        found = await to.tenant.mailboxes.read_forwarding_mailboxes()
        assert [one.id for one in found.items] == ["m1", "m3"]
        assert found.items[0].forwarding_smtp_address == "smtp:x@evil.example"
        assert (found.items[1].forwarding_address, found.items[1].keeps_copy) == ("Bob", True)
        assert found.covers((MAILBOX_FORWARDS,), "m2")
        listed = await collect_pages(to.tenant.mailboxes.list_mailboxes())
        assert not any(one.forwarding_address or one.keeps_copy for one in listed.items)
        to.withhold_permission(MAILBOX_FORWARDS)
        refused = await to.tenant.mailboxes.read_forwarding_mailboxes()
        assert refused.find_source_failure(MAILBOX_FORWARDS)
        assert not refused.covers((MAILBOX_FORWARDS,), "m1")


async def test_rules_that_can_do_no_harm_are_left_out(open_tenant: OpenTenant) -> None:
    rules = [
        build_rule_row("R1", actions={"copyToFolder": "F1", "stopProcessingRules": True}),
        build_rule_row("R2", actions={"assignCategories": ["Red"], "markImportance": "low"}),
        build_rule_row("R3", actions={"moveToFolder": "F1", "markAsRead": True}),
        build_rule_row(
            "R4", actions={"redirectTo": [{"emailAddress": {"address": "x@evil.example"}}]}
        ),
        build_rule_row("R5", actions={}),
        build_rule_row("R6", actions={"delete": True}, isEnabled=False),
        build_rule_row("R7", actions={"markAsRead": True}),
    ]
    async with open_tenant(build_scene(graph={"messageRules": {PERSON: rules}})) as to:
        found = await to.tenant.inbox_rules.read_inbox_rules(OWNERS)
        assert [one.id for one in found.items] == ["R3", "R4", "R5", "R6", "R7"]
        assert found.failures == ()
        whole_list = await to.tenant.inbox_rules.read_inbox_rules(OWNERS, harmless_of={PERSON})
        assert [one.id for one in whole_list.items] == ["R1", "R2", "R3", "R4", "R5", "R6", "R7"]


@pytest.mark.parametrize("surface", LISTED_SOURCES)
async def test_a_listing_that_is_refused_names_the_permission(
    open_tenant: OpenTenant, surface: str
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        to.withhold_permission(surface)
        found = await listings(to.tenant)[surface]()
        miss = found.find_source_failure(surface)
        assert miss is not None
        assert miss.permission
        assert found.items == ()
        assert not found.covers((surface,), PERSON)


@pytest.mark.parametrize("surface", LISTED_SOURCES)
async def test_a_listing_in_passing_trouble_names_no_permission(
    open_tenant: OpenTenant, surface: str
) -> None:
    async with open_tenant(build_scene(**MISCONFIGURED_SCENE)) as to:
        to.fail_read(surface)
        found = await listings(to.tenant)[surface]()
        miss = found.find_source_failure(surface)
        assert miss is not None
        assert (miss.permission, found.items) == ("", ())


@pytest.mark.parametrize("surface", [MAILBOXES, MAILBOX_AUDIT])
async def test_without_the_list_of_mailboxes_nothing_absent_is_gone(
    open_tenant: OpenTenant, surface: str
) -> None:
    async with open_tenant(build_scene()) as to:
        to.fail_read(surface)
        assert not (await listings(to.tenant)[surface]()).complete


async def test_a_mailbox_without_an_id_is_one_unread_object(open_tenant: OpenTenant) -> None:
    boxes = [build_mailbox_row(PERSON, PERSON_GUID, "ann"), build_mailbox_row("", "", "ghost")]
    async with open_tenant(build_scene(exchange={"Get-Mailbox": boxes})) as to:
        for surface in (MAILBOXES, MAILBOX_AUDIT):
            found = await listings(to.tenant)[surface]()
            assert (len(found.items), found.population, len(found.unread_object_ids)) == (1, 2, 1)
            assert found.find_source_failure(surface) is None


async def test_an_account_that_entra_does_not_know_is_absent_and_not_unread(
    open_tenant: OpenTenant,
) -> None:
    people = {"users": [person(PERSON, "ann", accountEnabled=False)]}
    async with open_tenant(build_scene(graph=people)) as to:
        found = await to.tenant.accounts.read_accounts(OWNERS)
        assert [(one.id, one.enabled) for one in found.items] == [(PERSON, False)]
        assert (found.failures, found.population) == ((), 2)


async def test_a_mailbox_without_an_account_counts_but_is_not_asked_for(
    open_tenant: OpenTenant,
) -> None:
    lonely = Mailbox("guid-9", "guid-9", "lost@contoso.example", has_account=False)
    async with open_tenant(build_scene()) as to:
        found = await to.tenant.accounts.read_accounts((*OWNERS, lonely))
        assert (len(found.items), found.failures, found.population) == (2, (), 3)


@pytest.mark.parametrize("surface", BY_OBJECT)
async def test_refused_for_everyone_is_a_missing_permission(
    open_tenant: OpenTenant, surface: str
) -> None:
    async with open_tenant(build_scene(graph=TWO_RULES)) as to:
        to.withhold_permission(surface)
        found = await reads(to.tenant)[surface]()
        miss = found.find_source_failure(surface)
        assert miss is not None
        assert miss.permission
        assert found.items == ()


@pytest.mark.parametrize("surface", [one for one in BY_OBJECT if one != SIGN_INS])
async def test_refused_for_one_is_that_one_unread(open_tenant: OpenTenant, surface: str) -> None:
    one, other = ("ann", "room") if surface == RECIPIENTS else (PERSON, ROOM)
    async with open_tenant(build_scene(graph=TWO_RULES)) as to:
        to.fail_read(surface, one)
        found = await reads(to.tenant)[surface]()
        (miss,) = found.failures
        assert (miss.source, miss.object_id, miss.permission) == (surface, one, "")
        assert not miss.optional
        assert not found.covers((surface,), one)
        assert found.covers((surface,), other)
        assert found.population == 2


async def test_a_mailbox_that_cannot_be_opened_is_never_one_without_rules(
    open_tenant: OpenTenant,
) -> None:
    boxes: dict[str, Any] = {"Get-Mailbox": [build_mailbox_row(ROOM, ROOM_GUID, "room")]}
    lonely = Mailbox("guid-9", "guid-9", "lost@contoso.example", has_account=False)
    async with open_tenant(build_scene(exchange=boxes)) as to:
        owners = (*OWNERS, lonely)
        shown, listed = await to.tenant.inbox_rules.read_both_views(owners)
        for found, surface in (
            (await to.tenant.inbox_rules.read_inbox_rules(owners), INBOX_RULES),
            (await to.tenant.inbox_rules.read_hidden_rules(owners), HIDDEN_RULES),
            (shown, INBOX_RULES),
            (listed, HIDDEN_RULES),
        ):
            assert {miss.object_id for miss in found.failures} == {PERSON, "guid-9"}
            assert found.covers((surface,), ROOM)
            assert found.population == 3


async def test_hidden_rules_are_seen_by_exchange_alone(open_tenant: OpenTenant) -> None:
    forward = {"Enabled": True, "ForwardTo": ['"x" [SMTP:x@evil.example]']}
    rows = [
        {"RuleIdentity": 6, "Name": "seen", **forward},
        {"RuleIdentity": 7, "Name": "", **forward, "@sandbox.hidden": True},
    ]
    graph = {"messageRules": {PERSON: [build_rule_row("R1", "seen")]}}
    exchange = {"Get-InboxRule": {PERSON_GUID: rows}}
    async with open_tenant(build_scene(graph=graph, exchange=exchange)) as to:
        visible = await to.tenant.inbox_rules.read_inbox_rules(OWNERS)
        assert [(one.api, one.name) for one in visible.items] == [("graph", "seen")]
        found = await to.tenant.inbox_rules.read_hidden_rules(OWNERS)
        assert [(one.api, one.mailbox_id, one.name) for one in found.items] == [
            ("exchange", PERSON, "seen"),
            ("exchange", PERSON, ""),
        ]
        assert found.items[1].id == "7"


async def test_plain_rules_that_both_services_show_need_no_comparison(
    open_tenant: OpenTenant,
) -> None:
    sorting, moving_too = build_rule_row("R1", "sorts"), build_rule_row("R2", "moves")
    sorting["actions"] = {"assignCategories": ["Red"]}
    moving_too["actions"] = {"moveToFolder": "F1"}
    sorts = {"RuleIdentity": 6, "Name": "sorts", "Enabled": True, "ApplyCategory": ["Red"]}
    moves = {"RuleIdentity": 7, "Name": "moves", "Enabled": True, "MoveToFolder": "F1"}
    forward = {"ForwardTo": ['"x" [SMTP:x@evil.example]'], "@sandbox.hidden": True}
    hidden = {"RuleIdentity": 8, "Name": "hidden", "Enabled": True, **forward}
    scene = build_scene(
        graph={"messageRules": {PERSON: [sorting], ROOM: [sorting, moving_too]}},
        exchange={"Get-InboxRule": {PERSON_GUID: [sorts, hidden], ROOM_GUID: [moves, sorts]}},
    )
    async with open_tenant(scene) as to:
        shown, listed = await to.tenant.inbox_rules.read_both_views(OWNERS)
        assert sorted((one.mailbox_id, one.name) for one in shown.items) == [
            (ROOM, "moves"),
            (ROOM, "sorts"),
        ]
        assert sorted((one.mailbox_id, one.name) for one in listed.items) == [
            (PERSON, "hidden"),
            (ROOM, "moves"),
            (ROOM, "sorts"),
        ]
        assert (shown.failures, listed.failures) == ((), ())
        assert (shown.population, listed.population) == (2, 2)


async def test_folders_are_known_by_id_whatever_they_are_called(open_tenant: OpenTenant) -> None:
    folders = [
        {"id": "F-trash", "displayName": "Gelöschte Elemente", "wellKnownName": "deleteditems"},
        {"id": "F-rss", "displayName": "RSS-Feeds"},
        {"id": "F-own", "displayName": "Projects"},
    ]
    rules = moving("F-trash", "F-rss", "F-own", "Archive", "F-none")
    graph = {"messageRules": {PERSON: rules}, "mailFolders": {PERSON: folders}}
    async with open_tenant(build_scene(graph=graph)) as to:
        found = await to.tenant.inbox_rules.read_rule_folders(
            (await to.tenant.inbox_rules.read_inbox_rules(OWNERS)).items
        )
        assert {one.id: one.well_known for one in found.items} == {
            "F-trash": "deleteditems",
            "F-rss": "",
            "F-own": "",
            "Archive": "archive",
            "F-none": "",
        }
        assert (found.failures, found.population) == ((), 1)


async def test_folders_need_a_permission_of_their_own_and_well_known_names_need_none(
    open_tenant: OpenTenant,
) -> None:
    graph = {"messageRules": {PERSON: moving("F1"), ROOM: moving("deleteditems")}}
    async with open_tenant(build_scene(graph=graph)) as to:
        to.withhold_permission(RULE_FOLDERS)
        rules = (await to.tenant.inbox_rules.read_inbox_rules(OWNERS)).items
        found = await to.tenant.inbox_rules.read_rule_folders(rules)
        assert found.items == (Folder(ROOM, "deleteditems", "deleteditems", "deleteditems"),)
        assert found.find_source_failure(RULE_FOLDERS) is not None
        named = await to.tenant.inbox_rules.read_rule_folders(
            [one for one in rules if one.mailbox_id == ROOM]
        )
        assert named.failures == ()


async def test_recipients_are_found_or_known_to_be_unknown(open_tenant: OpenTenant) -> None:
    contact = {
        "Name": "Partner",
        "RecipientTypeDetails": "MailContact",
        "PrimarySmtpAddress": "p@partner.example",
        "ExternalEmailAddress": "SMTP:p@partner.example",
    }
    names = ["Partner", "ann@contoso.example", "nobody", "*", "", "x" * 5000, "a\x00b"]
    async with open_tenant(build_scene(exchange={"Get-Recipient": [contact]})) as to:
        found = await to.tenant.mail_flow.read_recipients([*names, "Partner"])
        by_name = {one.name: one for one in found.items}
        assert len(found.items) == found.population == len(names)
        assert by_name["Partner"].external_address == "SMTP:p@partner.example"
        assert by_name["ann@contoso.example"].kind == "UserMailbox"
        for name in names[2:]:
            assert by_name[name] == Recipient(name, found=False)


async def test_the_members_of_a_group_are_read_with_where_their_mail_goes(
    open_tenant: OpenTenant,
) -> None:
    guest = {
        "Name": "Guest",
        "RecipientTypeDetails": "GuestMailUser",
        "PrimarySmtpAddress": "g@partner.example",
        "ExternalEmailAddress": "SMTP:g@partner.example",
    }
    kinds = {
        "desk@contoso.example": "MailUniversalDistributionGroup",
        "team@contoso.example": "GroupMailbox",
    }
    rows = [
        {"Name": address, "RecipientTypeDetails": kind, "PrimarySmtpAddress": address}
        for address, kind in kinds.items()
    ]
    exchange = {
        "Get-Recipient": rows,
        "Get-DistributionGroupMember": {"desk@contoso.example": [guest, "team@contoso.example"]},
        "Get-UnifiedGroupLinks": {"team@contoso.example": [guest]},
    }
    async with open_tenant(build_scene(exchange=exchange)) as to:
        groups = (await to.tenant.mail_flow.read_recipients(list(kinds))).items
        found = await to.tenant.mail_flow.read_group_members(groups)
        members = {
            one.group_key: [(member.kind, member.external_address) for member in one.members]
            for one in found.items
        }
        assert members == {
            "desk@contoso.example": [
                ("GuestMailUser", "SMTP:g@partner.example"),
                ("GroupMailbox", ""),
            ],
            "team@contoso.example": [("GuestMailUser", "SMTP:g@partner.example")],
        }
        assert all(one.complete for one in found.items)


async def test_the_tenants_domains_are_those_of_exchange_and_entra_together(
    open_tenant: OpenTenant,
) -> None:
    accepted = [
        {
            "DomainName": "Mail.Contoso.example",
            "DomainType": "Authoritative",
            "MatchSubDomains": True,
        },
        {"DomainName": "old.example", "DomainType": "InternalRelay"},
    ]
    domains = [{"id": "x.example", "isVerified": False}, {"id": "y.example", "isVerified": True}]
    graph = {"domains": domains}
    async with open_tenant(
        build_scene(graph=graph, exchange={"Get-AcceptedDomain": accepted})
    ) as to:
        found = await to.tenant.mail_flow.read_accepted_domains()
        assert set(found.items) == {
            AcceptedDomain("mail.contoso.example", True),
            AcceptedDomain("old.example", authoritative=False, are_subdomains_told=False),
            AcceptedDomain("y.example", authoritative=False, is_type_told=False),
        }


async def test_the_domains_of_exchange_are_enough_and_the_others_are_mentioned(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(build_scene()) as to:
        to.withhold_permission(DOMAINS, GRAPH_SOURCE)
        found = await to.tenant.mail_flow.read_accepted_domains()
        assert found.items == (AcceptedDomain("contoso.example"),)
        assert found.find_source_failure(DOMAINS) is None
        (miss,) = found.failures
        assert miss.optional
        assert miss.permission


@pytest.mark.parametrize("source", ["", EXCHANGE_SOURCE])
async def test_without_those_of_exchange_the_domains_are_unread(
    open_tenant: OpenTenant, source: str
) -> None:
    async with open_tenant(build_scene()) as to:
        to.withhold_permission(DOMAINS, source)
        found = await to.tenant.mail_flow.read_accepted_domains()
        assert found.items == ()
        assert found.find_source_failure(DOMAINS) is not None


@pytest.mark.parametrize("match", ["^Get-AcceptedDomain", "/domains"])
@pytest.mark.parametrize(
    "fault",
    [{"kind": "error", "status": 503}, {"kind": "numbers", "number": -1}, {"kind": "nulls"}],
    ids=lambda fault: fault["kind"],
)
async def test_domains_that_are_missing_for_a_moment_make_nobody_an_outsider(
    match: str, fault: dict[str, object]
) -> None:
    async with connect_sandbox(build_scene(), attempts=1) as to:
        to.sandbox.tenant.set_faults([{"match": match, **fault}])
        found = await to.tenant.mail_flow.read_accepted_domains()
        assert found.find_source_failure(DOMAINS)
        assert found.items == ()


async def test_what_only_adds_detail_is_optional(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        to.withhold_permission(SIGN_INS)
        to.withhold_permission(OUTBOUND_POLICIES)
        for reading, surface in (
            (await to.tenant.accounts.read_last_sign_ins([PERSON, ROOM]), SIGN_INS),
            (await to.tenant.mail_flow.read_remote_domains(), OUTBOUND_POLICIES),
            (await to.tenant.mail_flow.read_outbound_policies(), OUTBOUND_POLICIES),
        ):
            miss = reading.find_source_failure(surface)
            assert miss is not None
            assert miss.optional
            assert reading.complete


async def test_each_switch_of_the_organization_may_be_unreadable_by_itself(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(build_scene()) as to:
        to.withhold_permission(UNIFIED_AUDIT_LOG)
        found = await to.tenant.auditing.read_organization_audit()
        assert found.items[0].audit_disabled is False
        assert found.items[0].unified_log is None
        assert found.find_source_failure(ORGANIZATION_AUDIT) is None
        assert found.find_source_failure(UNIFIED_AUDIT_LOG) is not None


async def test_a_switch_that_is_not_told_is_unread_and_left_alone(open_tenant: OpenTenant) -> None:
    untold: dict[str, Any] = {"Get-OrganizationConfig": [{"Identity": "Organization"}]}
    async with open_tenant(build_scene(exchange=untold)) as to:
        found = await to.tenant.auditing.read_organization_audit()
        assert found.items[0].audit_disabled is None
        assert found.find_source_failure(ORGANIZATION_AUDIT) is not None
        with pytest.raises(Unavailable):
            await to.tenant.writer.apply(EnableOrganizationAudit())
        assert to.write_count == 0


async def test_all_audit_bypasses_are_listed(open_tenant: OpenTenant) -> None:
    rows = [
        {"Guid": f"g{number}", "Name": f"n{number}", "AuditBypassEnabled": number == 1200}
        for number in range(1300)
    ]
    async with open_tenant(build_scene(exchange={"Get-MailboxAuditBypassAssociation": rows})) as to:
        found = await to.tenant.auditing.read_audit_bypasses()
        assert found.population == 1300 + len(SYSTEM_ASSOCIATIONS)
        assert [one.id for one in found.items if one.bypassed] == ["g1200"]
