"""Rights over mailboxes: what every implementation of the port promises about them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from core.tenant.mailboxes import Delegation, MailboxSurroundings, SweepRule
from core.tenant.readings import Reading
from core.tenant.sources import (
    FOLDER_RIGHTS,
    FULL_ACCESS,
    MAILBOX_SURROUNDINGS,
    OWN_ADD_INS,
    SEND_AS,
    SEND_ON_BEHALF,
)
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_mailbox_row,
    build_scene,
)
from tests.support.observe import collect_pages
from tests.support.tenants import OPENERS, OWNERS, OpenTenant

BOB_SID = "S-1-5-21-1111111111-2222222222-3333333333-1001"
GHOST = "S-1-5-21-1111111111-2222222222-3333333333-4004"


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


def opens(user: str, of: str = "ann", **more: object) -> dict[str, object]:
    row = {"Identity": of, "User": user, "AccessRights": ["FullAccess"], "IsInherited": False}
    return row | {"Deny": False} | more


def sends(trustee: str, of: str = "ann", **more: object) -> dict[str, object]:
    row = {"Identity": of, "Trustee": trustee, "AccessRights": ["SendAs"], "IsInherited": False}
    return row | {"AccessControlType": "Allow"} | more


DELEGATED: dict[str, Any] = {
    "Get-Mailbox": [
        build_mailbox_row(PERSON, PERSON_GUID, "ann", GrantSendOnBehalfTo=["bob", "eve"]),
        build_mailbox_row(ROOM, ROOM_GUID, "room", RecipientTypeDetails="RoomMailbox"),
    ],
    "Get-MailboxPermission": [
        opens("bob@contoso.example", UserSid=BOB_SID),
        opens(GHOST, of="room", UserSid=GHOST),
        opens("denied@contoso.example", Deny=True),
        opens("above@contoso.example", IsInherited="True"),
    ],
    "Get-RecipientPermission": [
        sends("bob@contoso.example", TrusteeSidString=BOB_SID),
        sends("denied@contoso.example", AccessControlType="Deny"),
    ],
}


def told(found: Reading[Delegation]) -> list[tuple[str, str, str, str]]:
    return [
        (one.right, one.trustee, one.sid, one.mailbox.id if one.mailbox else one.mailbox_name)
        for one in found.items
    ]


async def test_full_access_is_told_of_the_mailboxes_that_were_asked_for(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(build_scene(exchange=DELEGATED)) as to:
        found = await to.tenant.delegation.read_full_access(OWNERS)
        assert told(found) == [
            ("FullAccess", "bob@contoso.example", BOB_SID, PERSON),
            ("FullAccess", GHOST, GHOST, ROOM),
        ]
        assert not found.failures
        assert found.sources == {FULL_ACCESS}
        room = await to.tenant.delegation.read_full_access(OWNERS[1:])
        assert [one.trustee for one in room.items] == [GHOST]


async def test_send_as_and_send_on_behalf_are_listed_for_everybody(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene(exchange=DELEGATED)) as to:
        found = await collect_pages(to.tenant.delegation.list_send_as())
        assert told(found) == [("SendAs", "bob@contoso.example", BOB_SID, "ann")]
        assert not found.failures
        assert found.sources == {SEND_AS}
        behalf = await collect_pages(to.tenant.delegation.list_send_on_behalf())
        assert told(behalf) == [
            ("SendOnBehalf", "bob", "", PERSON),
            ("SendOnBehalf", "eve", "", PERSON),
        ]
        assert not behalf.failures
        assert behalf.sources == {SEND_ON_BEHALF}


async def test_a_tenant_in_which_nobody_delegated_tells_of_nobody(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene()) as to:
        readings = [
            await to.tenant.delegation.read_full_access(OWNERS),
            await collect_pages(to.tenant.delegation.list_send_as()),
            await collect_pages(to.tenant.delegation.list_send_on_behalf()),
        ]
        assert [(found.items, found.failures) for found in readings] == [((), ())] * 3


async def test_only_the_last_part_of_a_listing_speaks_of_objects(open_tenant: OpenTenant) -> None:
    async with open_tenant(build_scene(exchange=DELEGATED)) as to:
        for listing in (
            to.tenant.delegation.list_send_as(),
            to.tenant.delegation.list_send_on_behalf(),
        ):
            *pages, last = await parts(listing)
            assert [page.scope for page in pages] == [frozenset()]
            assert (last.scope, last.items) == (None, ())


async def parts(listing: AsyncIterator[Reading[Delegation]]) -> list[Reading[Delegation]]:
    return [part async for part in listing]


FOLDERS: dict[str, Any] = {
    "Get-MailboxFolderStatistics": {
        "ann@contoso.example": [
            {
                "Name": "Posteingang",
                "FolderPath": "/Posteingang",
                "FolderType": "Inbox",
                "FolderId": "LgAAAAann=",
            },
            {"Name": "Inbox", "FolderPath": "/Posteingang/Inbox", "FolderType": "User Created"},
        ]
    },
    "Get-MailboxFolderPermission": {
        "ann@contoso.example:\\": [{"User": "Default", "AccessRights": ["FolderVisible"]}],
        "ann@contoso.example:\\Posteingang": [
            {"User": "Default", "AccessRights": ["Reviewer"]},
            {"User": "Bob", "AccessRights": ["FolderVisible", "ReadItems"]},
            {"User": "Eve", "AccessRights": ["Contributor"]},
        ],
        # A folder of the user's own that is only called Inbox.
        "ann@contoso.example:\\Inbox": [{"User": "Anonymous", "AccessRights": ["Owner"]}],
        "room@contoso.example:\\Inbox": [{"User": "Bob", "AccessRights": ["Editor"]}],
    },
}


@pytest.mark.parametrize("side", ["by-id", "by-path"])
async def test_rights_over_the_inbox_are_those_of_the_inbox_in_any_language(
    open_tenant: OpenTenant, side: str
) -> None:
    scene = {**build_scene(exchange={**DELEGATED, **FOLDERS})}
    scene["reality"] = {"exchange-folder-identity": side}
    async with open_tenant(scene) as to:
        found = await to.tenant.delegation.read_folder_rights(OWNERS)
        assert [(one.mailbox.id, one.path, one.holder, one.rights) for one in found.items] == [
            (PERSON, "\\Posteingang", "Default", ("Reviewer",)),
            (PERSON, "\\Posteingang", "Bob", ("FolderVisible", "ReadItems")),
            (ROOM, "\\Inbox", "Bob", ("Editor",)),
        ]
        assert found.failures == ()
        assert found.sources == {FOLDER_RIGHTS}


async def test_a_displayed_name_is_that_of_who_bears_it_and_of_no_alias(
    open_tenant: OpenTenant,
) -> None:
    boxes = [
        build_mailbox_row(PERSON, PERSON_GUID, "ann", DisplayName="Ann O'Hara"),
        build_mailbox_row(ROOM, ROOM_GUID, "room", DisplayName="ann"),
    ]
    async with open_tenant(build_scene(exchange={"Get-Mailbox": boxes})) as to:
        asked = ["Ann O'Hara", "ann", "room", "*"]
        found = await to.tenant.mail_flow.read_displayed(asked)
        assert {one.name: (one.found, one.id) for one in found.items} == {
            "Ann O'Hara": (True, PERSON),
            "ann": (True, ROOM),
            "room": (False, ""),
            "*": (False, ""),
        }
        assert not found.failures


@pytest.mark.parametrize("surface", [FULL_ACCESS, SEND_AS, SEND_ON_BEHALF])
async def test_what_is_not_permitted_names_the_cmdlet(
    open_tenant: OpenTenant, surface: str
) -> None:
    async with open_tenant(build_scene(exchange=DELEGATED)) as to:
        to.withhold_permission(surface)
        found = await {
            FULL_ACCESS: lambda: to.tenant.delegation.read_full_access(OWNERS),
            SEND_AS: lambda: collect_pages(to.tenant.delegation.list_send_as()),
            SEND_ON_BEHALF: lambda: collect_pages(to.tenant.delegation.list_send_on_behalf()),
        }[surface]()
        miss = found.find_source_failure(surface)
        assert miss is not None
        assert "Get-" in miss.permission
        assert (found.items, found.covers((surface,), PERSON)) == ((), False)


async def test_one_mailbox_that_is_refused_is_unread_and_the_other_is_read(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(build_scene(exchange=DELEGATED)) as to:
        to.fail_read(FULL_ACCESS, PERSON)
        found = await to.tenant.delegation.read_full_access(OWNERS)
        assert [one.trustee for one in found.items] == [GHOST]
        assert [miss.object_id for miss in found.failures] == [PERSON]
        assert found.covers((FULL_ACCESS,), ROOM)


@pytest.mark.parametrize("surface", [SEND_AS, SEND_ON_BEHALF])
async def test_a_listing_that_breaks_covers_nobody(open_tenant: OpenTenant, surface: str) -> None:
    async with open_tenant(build_scene(exchange=DELEGATED)) as to:
        to.fail_read(surface)
        listing = (
            to.tenant.delegation.list_send_as()
            if surface == SEND_AS
            else to.tenant.delegation.list_send_on_behalf()
        )
        found = await collect_pages(listing)
        assert found.find_source_failure(surface) is not None
        assert found.items == ()


async def test_what_stands_beside_the_rules_of_a_mailbox_is_told(open_tenant: OpenTenant) -> None:
    extras: dict[str, Any] = {
        **DELEGATED,
        "Get-SweepRule": {
            "ann@contoso.example": [
                {
                    "Name": "tidy",
                    "Enabled": True,
                    "Sender": '"it" [SMTP:it@contoso.example]',
                    "DestinationFolder": "Deleted Items",
                    "KeepForDays": 0,
                },
                {"Name": "off", "Enabled": "False", "Sender": "x", "DestinationFolder": "y"},
            ]
        },
        "Get-MailboxJunkEmailConfiguration": {
            "ann@contoso.example": [
                {"TrustedListsOnly": "True", "BlockedSendersAndDomains": ["bank.example"]}
            ]
        },
        "Get-MailboxAutoReplyConfiguration": {
            "ann@contoso.example": [
                {"AutoReplyState": "Enabled", "ExternalAudience": "All", "ExternalMessage": "Hi"}
            ]
        },
        "Get-MailboxFolderStatistics": {
            "ann@contoso.example": [
                {"Name": "Kalender", "FolderPath": "/Kalender", "FolderType": "Calendar"}
            ]
        },
        "Get-MailboxCalendarFolder": {
            "ann@contoso.example": [{"PublishEnabled": True, "DetailLevel": "FullDetails"}]
        },
        "Get-App": {
            "": [{"DisplayName": "All", "Scope": "Organization", "Type": "Private"}],
            "ann@contoso.example": [
                {
                    "AppId": "a1",
                    "DisplayName": "Helper",
                    "Scope": "User",
                    "Type": "Private",
                    "Requirements": "ReadWriteMailbox",
                }
            ],
        },
    }
    async with open_tenant(build_scene(exchange=extras)) as to:
        found = await to.tenant.inbox_rules.read_surroundings(OWNERS)
        assert found.items == (
            MailboxSurroundings(
                PERSON,
                sweep_rules=(
                    SweepRule("tidy", '"it" [SMTP:it@contoso.example]', "Deleted Items", 0),
                ),
                blocked_senders=("bank.example",),
                trusts_only_lists=True,
                automatic_reply="Hi",
                published_calendar="FullDetails",
                own_add_ins=("Helper (from a file, ReadWriteMailbox)",),
            ),
            MailboxSurroundings(ROOM),
        )
        assert not found.failures
        assert found.sources == {MAILBOX_SURROUNDINGS}


async def test_what_may_not_be_read_beside_the_rules_is_named_and_the_rest_is_read() -> None:
    async with OPENERS["m365"](build_scene(exchange=DELEGATED)) as to:
        to.withhold_permission(MAILBOX_SURROUNDINGS)
        found = await to.tenant.inbox_rules.read_surroundings(OWNERS)
        assert [one.unread for one in found.items] == [("Get-SweepRule",)] * 2
        assert [(one.optional, one.permission) for one in found.failures] == [
            (True, "Exchange role with Get-SweepRule")
        ]


async def test_add_ins_of_ones_own_are_those_from_files(open_tenant: OpenTenant) -> None:
    file = {"AppId": "a1", "DisplayName": "Helper", "ProviderName": "x", "Type": "Private"}
    own = {**file, "Scope": "User", "Requirements": "ReadItem"}
    scene = build_scene(
        exchange={
            **DELEGATED,
            "Get-App": {
                "": [{**own, "Scope": "Organization", "AppId": "a0"}],
                "ann@contoso.example": [
                    own,
                    {**own, "AppId": "a2", "Type": "MarketPlace"},
                    {**own, "AppId": "a3", "Enabled": "False"},
                ],
            },
        }
    )
    async with open_tenant(scene) as to:
        found = await to.tenant.delegation.read_own_add_ins(OWNERS)
        assert [(one.mailbox.id, one.app_id, one.requirements) for one in found.items] == [
            (PERSON, "a1", "ReadItem")
        ]
        assert (found.failures, found.population) == ((), 2)
        to.withhold_permission(OWN_ADD_INS)
        refused = await to.tenant.delegation.read_own_add_ins(OWNERS)
        (failure,) = refused.failures
        assert (failure.optional, failure.object_id) == (True, "")
