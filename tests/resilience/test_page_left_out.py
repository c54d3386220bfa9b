"""A page of mailboxes that Exchange leaves out without a word ends nothing, however short it is.

The tenant shows a few mailboxes less than before, as after a clean-up: too few for its length to
tell. Each object that is missing is looked at alone.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from core.adapters.exchange.way_memory import WayMemory
from core.engine.population import MIN_SHRUNK
from tests.resilience.generators.large_tenants import build_large_tenant
from tests.resilience.generators.small_pages import (
    attack,
    describe_cases,
    list_told,
    open_small_pages,
)
from tests.resilience.generators.staged import open_harness
from tests.support.builders import CONFIGS_BY_NAME

GUARDS = {
    "mailbox-forwarding": 4,
    "mailbox-delegation": 4,
    "mailbox-audit": 4,
    "legacy-protocols": 4,
    "exchange-module-access": 4,
    "shared-mailbox-sign-in": 3,
    "shared-mailbox-health": 2,
}
"""The guards over mailboxes, each with the rows of a page: so few that nothing else tells, and so
many that the last page of what it lists is not full.
"""
PAGES = (1, 2, 3, 5, 9, 13, 15)


@pytest.mark.parametrize("guard", GUARDS)
async def test_nothing_ends_because_a_short_page_is_left_out(guard: str) -> None:
    assert GUARDS[guard] < MIN_SHRUNK
    async with open_small_pages(CONFIGS_BY_NAME[guard]) as (stage, box):
        stage.page_size = GUARDS[guard]
        await stage.run_guard()
        attack(stage, guard, stage.clock())
        await stage.run_guard()
        known = await describe_cases(stage)
        assert known
        lost = 0
        for page in PAGES:
            box.tenant.apply_patch(
                {"reality": {"exchange-paging": {"side": "skipped", "after": page}}}
            )
            stage.way_memory = WayMemory(now=stage.clock)
            report = await stage.run_guard()
            assert list_told(report) == [], page
            assert (await describe_cases(stage)).keys() >= known.keys(), page
            lost += bool(report.unavailable_sources or report.unread_count)
        assert lost
        box.tenant.apply_patch({"reality": {}})
        assert list_told(await stage.run_guard()) == []
        assert await describe_cases(stage) == known


# Objects of the organization ---------------------------------------------------------------------

COUNT, ROWS = 25, 2
"""So many objects that a page of them is less than a tenth: their number says nothing."""


def name_object(number: int) -> dict[str, Any]:
    """What every object of the organization has."""
    guid = f"{number:08x}-7777-4000-8000-000000000001"
    return {"Guid": guid, "Identity": f"Object {number}", "Name": f"Object {number}"}


ORGANIZATION: Mapping[str, tuple[str, str, Callable[[int], dict[str, Any]]]] = {
    "mail-flow rules": (
        "mailbox-forwarding",
        "Get-TransportRule",
        lambda number: {"State": "Enabled", "BlindCopyTo": [f"c{number}@evil.example"]},
    ),
    "mail-flow rules to colleagues": (
        "mailbox-forwarding",
        "Get-TransportRule",
        lambda number: {"State": "Enabled", "BlindCopyTo": [f"m{number % 5}@contoso.example"]},
    ),
    "outbound connectors": (
        "mailbox-forwarding",
        "Get-OutboundConnector",
        lambda number: {"Enabled": True, "SmartHosts": [f"h{number}.evil.example"]},
    ),
    "inbound connectors": (
        "mailbox-forwarding",
        "Get-InboundConnector",
        lambda number: {"Enabled": True, "TreatMessagesAsInternal": True, "SenderDomains": ["*"]},
    ),
    "journal rules": (
        "mailbox-forwarding",
        "Get-JournalRule",
        lambda number: {"Enabled": True, "JournalEmailAddress": f"j{number}@evil.example"},
    ),
    "copies of outbound policies": (
        "mailbox-forwarding",
        "Get-HostedOutboundSpamFilterPolicy",
        lambda number: {
            "BccSuspiciousOutboundMail": True,
            "BccSuspiciousOutboundAdditionalRecipients": [f"b{number}@evil.example"],
        },
    ),
    "remote domains": (
        "tenant-baseline",
        "Get-RemoteDomain",
        lambda number: {"DomainName": f"p{number}.example", "AutoForwardEnabled": True},
    ),
    "sharing policies": (
        "tenant-baseline",
        "Get-SharingPolicy",
        lambda number: {"Domains": ["*:CalendarSharingFreeBusyReviewer"], "Enabled": True},
    ),
    "authentication policies": (
        "legacy-protocols",
        "Get-AuthenticationPolicy",
        lambda number: {"AllowBasicAuthSmtp": True},
    ),
    "plans": (
        "legacy-protocols",
        "Get-CASMailboxPlan",
        lambda number: {"ImapEnabled": True, "PopEnabled": False},
    ),
    "rules past the filter": (
        "mail-protection",
        "Get-TransportRule",
        lambda number: {"State": "Enabled", "SetSCL": -1},
    ),
    "roles of Exchange": (
        "exchange-roles",
        "Get-RoleGroup",
        lambda number: {"Roles": ["Role Management"]},
    ),
    "relationships": (
        "external-trust",
        "Get-OrganizationRelationship",
        lambda number: {
            "DomainNames": [f"p{number}.example"],
            "Enabled": True,
            "MailboxMoveEnabled": True,
            "MailboxMoveCapability": "RemoteOutbound",
        },
    ),
}


@pytest.mark.parametrize("kind", ORGANIZATION)
async def test_no_object_of_the_organization_ends_because_a_page_is_left_out(kind: str) -> None:
    guard, cmdlet, describe = ORGANIZATION[kind]
    objects = [name_object(number) | describe(number) for number in range(COUNT)]
    scene = build_large_tenant(5)
    scene["exchange"][cmdlet] = objects[:1]
    async with open_harness(scene, CONFIGS_BY_NAME[guard]) as stage:
        stage.page_size, tenant = ROWS, stage.sandbox.tenant
        await stage.run_guard()
        tenant.scene["exchange"][cmdlet] = objects
        for _ in range(2):
            await stage.run_guard()
        known = await describe_cases(stage)
        assert len(known) >= COUNT - 1
        for page in (1, 6, 11):
            side = {"side": "skipped", "after": page, "cmdlet": cmdlet}
            tenant.apply_patch({"reality": {"exchange-paging": side}})
            stage.way_memory = WayMemory(now=stage.clock)
            for _ in range(2):
                report = await stage.run_guard()
                assert list_told(report) == [], page
                assert await describe_cases(stage) == known, page
                assert report.unavailable_sources, page
        tenant.apply_patch({"reality": {}})
        assert list_told(await stage.run_guard()) == []
        assert await describe_cases(stage) == known
        # What is deleted is over, and what is there stays.
        tenant.scene["exchange"][cmdlet] = objects[:-ROWS]
        for _ in range(2):
            await stage.run_guard()
        left = await describe_cases(stage)
        assert left.items() <= known.items()
        assert len(left) == len(known) - ROWS
