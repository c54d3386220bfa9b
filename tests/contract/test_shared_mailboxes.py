"""Shared mailboxes: what every implementation of the port promises about them."""

from typing import Any

import pytest

from core.tenant.mailboxes import Mailbox, MailboxSize, SharedMailbox
from core.tenant.sources import MAILBOX_SIZES, SHARED_MAILBOXES
from tests.support.http_recorder import (
    PERSON,
    PERSON_GUID,
    ROOM,
    ROOM_GUID,
    build_mailbox_row,
    build_scene,
    connect_sandbox,
)
from tests.support.observe import collect_pages
from tests.support.tenants import OPENERS, OpenTenant

INFO = "11111111-0000-4000-8000-000000000003"
INFO_GUID = "33333333-0000-4000-8000-000000000003"
SALES = "11111111-0000-4000-8000-000000000004"
SALES_GUID = "33333333-0000-4000-8000-000000000004"
GONE = "11111111-0000-4000-8000-000000000009"
SHARED = "SharedMailbox"
GB = 2**30


@pytest.fixture(params=["fake", "m365"])
def open_tenant(request: pytest.FixtureRequest) -> OpenTenant:
    """Opens a tenant from a scene, on one implementation of the port after the other."""
    return OPENERS[request.param]


def info(**more: object) -> dict[str, object]:
    return build_mailbox_row(INFO, INFO_GUID, "info", RecipientTypeDetails=SHARED, **more)


def sales(**more: object) -> dict[str, object]:
    return build_mailbox_row(SALES, SALES_GUID, "sales", **{"RecipientTypeDetails": SHARED} | more)


def tenant(*rows: dict[str, object], figures: list[dict[str, object]] | None = None) -> Any:
    boxes = [
        build_mailbox_row(PERSON, PERSON_GUID, "ann"),
        build_mailbox_row(ROOM, ROOM_GUID, "room", RecipientTypeDetails="RoomMailbox"),
        *rows,
    ]
    return build_scene(exchange={"Get-Mailbox": boxes, "Get-MailboxStatistics": figures or []})


OWNERS = (
    Mailbox(INFO, INFO_GUID, "info@contoso.example", kind=SHARED),
    Mailbox(SALES, SALES_GUID, "sales@contoso.example", kind=SHARED),
)
NEGLECTED = info(
    IsDirSynced=True,
    UserPrincipalName="info@contoso.onmicrosoft.com",
    LitigationHoldEnabled=True,
    ArchiveStatus="Active",
    ArchiveGuid=INFO,
    InPlaceHolds=["UniH7d895d48"],
    RemoteRecipientType="ProvisionMailbox",
)


def shown(one: SharedMailbox) -> tuple[object, ...]:
    return (
        one.mailbox.id,
        one.litigation_hold,
        one.has_archive,
        one.on_hold,
        one.remote_recipient_type,
        one.cloud_managed,
    )


async def test_shared_mailboxes_are_listed_and_nobody_else(open_tenant: OpenTenant) -> None:
    async with open_tenant(tenant(NEGLECTED, sales(IsExchangeCloudManaged=True))) as to:
        found = await collect_pages(to.tenant.shared_mailboxes.list_shared_mailboxes())
        assert [shown(one) for one in found.items] == [
            (INFO, True, True, True, 1, False),
            (SALES, False, False, False, 0, True),
        ]
        first = found.items[0]
        assert (first.upn, first.mailbox.synced) == ("info@contoso.onmicrosoft.com", True)
        assert (found.failures, found.population) == ((), 2)
        assert found.sources == {SHARED_MAILBOXES}


async def test_a_tenant_without_shared_mailboxes_is_read_in_full(open_tenant: OpenTenant) -> None:
    async with open_tenant(tenant()) as to:
        found = await collect_pages(to.tenant.shared_mailboxes.list_shared_mailboxes())
        assert (found.items, found.failures, found.complete) == ((), (), True)


async def test_a_few_are_asked_for_by_themselves(open_tenant: OpenTenant) -> None:
    absent = Mailbox(GONE, GONE, "gone@contoso.example", kind=SHARED)
    async with open_tenant(tenant(NEGLECTED, sales(RecipientTypeDetails="UserMailbox"))) as to:
        found = await to.tenant.shared_mailboxes.read_shared_mailboxes((*OWNERS, absent))
        # Of the others one was converted meanwhile, and one is gone.
        assert [shown(one) for one in found.items] == [(INFO, True, True, True, 1, False)]
        assert found.failures == ()
        assert found.sources == {SHARED_MAILBOXES}


async def test_one_that_cannot_be_read_is_missed_by_its_id(open_tenant: OpenTenant) -> None:
    async with open_tenant(tenant(info(), sales())) as to:
        to.fail_read(SHARED_MAILBOXES, SALES)
        found = await to.tenant.shared_mailboxes.read_shared_mailboxes(OWNERS)
        assert [one.mailbox.id for one in found.items] == [INFO]
        assert [miss.object_id for miss in found.failures] == [SALES]


async def test_sizes_are_told_of_the_mailboxes_that_were_asked_for(open_tenant: OpenTenant) -> None:
    figures: list[dict[str, object]] = [
        {"Identity": "info", "TotalItemSize": "51 GB (54,760,833,024 bytes)"}
    ]
    async with open_tenant(tenant(info(), sales(), figures=figures)) as to:
        found = await to.tenant.shared_mailboxes.read_mailbox_sizes(OWNERS)
        assert found.items[0] == MailboxSize(INFO, 51 * GB)
        assert [one.id for one in found.items] == [INFO, SALES]
        assert found.items[1].size_bytes < 2 * GB
        assert (found.failures, found.population) == ((), 2)
        assert found.sources == {MAILBOX_SIZES}


async def test_a_mailbox_nobody_used_has_no_figures(open_tenant: OpenTenant) -> None:
    unused: list[dict[str, object]] = [{"Identity": "sales", "@sandbox.unused": True}]
    async with open_tenant(tenant(info(), sales(), figures=unused)) as to:
        found = await to.tenant.shared_mailboxes.read_mailbox_sizes(OWNERS)
        assert [one.id for one in found.items] == [INFO]
        (miss,) = found.failures
        assert (miss.object_id, miss.optional, miss.permission) == (SALES, True, "")


async def test_a_size_that_cannot_be_read_is_missed_by_its_mailbox(open_tenant: OpenTenant) -> None:
    async with open_tenant(tenant(info(), sales())) as to:
        to.fail_read(MAILBOX_SIZES, SALES)
        found = await to.tenant.shared_mailboxes.read_mailbox_sizes(OWNERS)
        assert [one.id for one in found.items] == [INFO]
        (miss,) = found.failures
        assert (miss.object_id, miss.optional) == (SALES, False)
        to.clear_faults()
        assert (await to.tenant.shared_mailboxes.read_mailbox_sizes(OWNERS)).failures == ()


async def test_a_mailbox_that_is_gone_has_no_size(open_tenant: OpenTenant) -> None:
    async with open_tenant(tenant(info())) as to:
        found = await to.tenant.shared_mailboxes.read_mailbox_sizes(OWNERS)
        assert [one.id for one in found.items] == [INFO]
        assert [(miss.object_id, miss.optional) for miss in found.failures] == [(SALES, False)]


@pytest.mark.parametrize("surface", [SHARED_MAILBOXES, MAILBOX_SIZES])
async def test_without_the_cmdlet_it_is_named(open_tenant: OpenTenant, surface: str) -> None:
    async with open_tenant(tenant(info(), sales())) as to:
        to.withhold_permission(surface)
        if surface == MAILBOX_SIZES:
            found: Any = await to.tenant.shared_mailboxes.read_mailbox_sizes(OWNERS)
        else:
            found = await collect_pages(to.tenant.shared_mailboxes.list_shared_mailboxes())
        (miss,) = found.failures
        assert (miss.source, miss.object_id) == (surface, "")
        assert "Get-Mailbox" in miss.permission
        assert found.items == ()


async def test_a_listing_that_fails_is_not_a_tenant_without_shared_mailboxes(
    open_tenant: OpenTenant,
) -> None:
    async with open_tenant(tenant(info())) as to:
        to.fail_read(SHARED_MAILBOXES)
        found = await collect_pages(to.tenant.shared_mailboxes.list_shared_mailboxes())
        assert (found.items, found.complete) == ((), False)
        assert found.find_source_failure(SHARED_MAILBOXES)


# The wire alone ---------------------------------------------------------------------------------


async def test_that_none_of_many_mailboxes_was_ever_used_is_not_believed() -> None:
    rows = [
        build_mailbox_row(
            f"11111111-0000-4000-8000-{n:012}", f"33333333-0000-4000-8000-{n:012}", f"s{n}"
        )
        | {"RecipientTypeDetails": SHARED}
        for n in range(100, 121)
    ]
    figures = [{"Identity": row["Name"], "@sandbox.unused": True} for row in rows]
    async with connect_sandbox(tenant(*rows, figures=figures)) as to:
        owners = [
            one.mailbox
            for one in (
                await collect_pages(to.tenant.shared_mailboxes.list_shared_mailboxes())
            ).items
        ]
        found = await to.tenant.shared_mailboxes.read_mailbox_sizes(owners)
        assert found.find_source_failure(MAILBOX_SIZES)
        fewer = await to.tenant.shared_mailboxes.read_mailbox_sizes(owners[1:])
        assert all(miss.optional for miss in fewer.failures)
        assert len(fewer.failures) == 20


@pytest.mark.parametrize("size", [None, "plenty", {"Value": None}, "50 GB"])
async def test_a_size_in_words_nobody_knows_is_unread(size: object) -> None:
    figures: list[dict[str, object]] = [{"Identity": "info", "TotalItemSize": size}]
    async with connect_sandbox(tenant(info(), figures=figures)) as to:
        found = await to.tenant.shared_mailboxes.read_mailbox_sizes(OWNERS[:1])
        assert found.items == ()
        assert [miss.object_id for miss in found.failures] == [INFO]


async def test_passing_trouble_with_one_mailbox_is_asked_about_again() -> None:
    async with connect_sandbox(tenant(info(), sales())) as to:
        fault = {"match": f"^Get-MailboxStatistics {INFO_GUID}$", "inner": True, "kind": "error"}
        to.sandbox.tenant.set_faults([fault | {"status": 503, "times": 1}])
        found = await to.tenant.shared_mailboxes.read_mailbox_sizes(OWNERS)
        assert [one.id for one in found.items] == [INFO, SALES]
        assert found.failures == ()
