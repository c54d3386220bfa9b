"""A page of mailboxes that Exchange leaves out without a word ends nothing, however short it is.

The tenant shows a few mailboxes less than before, as after a clean-up: too few for its length to
tell. Each object that is missing is looked at alone.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from core.adapters.exchange.way_memory import WayMemory
from core.engine.population import MIN_SHRUNK
from core.guards.privileged_change.roles import POWERFUL_ROLES
from sandbox.scenes.default_roles import DEFAULT_ASSIGNMENTS, GLOBAL_ADMINISTRATOR
from tests.resilience.generators.large_tenants import build_large_tenant
from tests.resilience.generators.small_pages import (
    SmallPageSandbox,
    attack,
    describe_cases,
    list_told,
    open_small_pages,
)
from tests.resilience.generators.staged import open_harness
from tests.support.builders import CONFIGS_BY_NAME
from tests.support.http_recorder import build_user_row

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
    "add-ins of the organization": (
        "app-consent",
        "Get-App",
        lambda number: {
            "AppId": f"{number:08x}-8888-4000-8000-000000000001",
            "DisplayName": f"Add-in {number}",
            "Type": "Private",
            "Requirements": "ReadWriteMailbox",
            "Enabled": True,
            "ProvidedTo": "Everyone",
        },
    ),
    "migration batches": (
        "external-trust",
        "Get-MigrationBatch",
        lambda number: {
            "BatchGuid": f"{number:08x}-9999-4000-8000-000000000001",
            "BatchDirection": "Offboarding",
            "TargetEndpoint": f"away {number}",
        },
    ),
    "blocked senders": (
        "privileged-change",
        "Get-BlockedSenderAddress",
        lambda number: {"SenderAddress": f"m{number}@contoso.example", "Reason": "spam"},
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


# Lists of Graph that nobody counts ----------------------------------------------------------------

LISTED, SHOWN = 12, 10
"""So many objects, and so many that are left of a listing without its last pages."""


def name_person(number: int) -> str:
    """The id of an account."""
    return f"{number:08d}-6666-4000-8000-000000000001"


def give_role(number: int) -> dict[str, Any]:
    """A role that somebody has."""
    return {
        "id": f"assignment {number}",
        "principalId": name_person(number),
        "roleDefinitionId": GLOBAL_ADMINISTRATOR,
        "directoryScopeId": "/",
        "principal": {"@odata.type": "#microsoft.graph.user", "id": name_person(number)},
    }


def build_activation(number: int, *asked: str) -> dict[str, Any]:
    """What is asked before a role is held."""
    rule = {"id": "Enablement_EndUser_Assignment", "enabledRules": [*asked]}
    return {"id": f"policy {number}", "rules": [rule]}


PEOPLE = range(LISTED)
ROLES = [*POWERFUL_ROLES][:LISTED]
DIRECTORY: Mapping[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "administrators": (
        "privileged-change",
        "/roleManagement/directory/roleAssignments",
        {"roleAssignments": DEFAULT_ASSIGNMENTS},
        {"roleAssignments": [*DEFAULT_ASSIGNMENTS, *map(give_role, PEOPLE)][:LISTED]},
    ),
    "those who may become administrators": (
        "privileged-change",
        "/roleManagement/directory/roleEligibilityScheduleInstances",
        {},
        {"roleEligibilityScheduleInstances": [*map(give_role, PEOPLE)]},
    ),
    "roles that are held for good": (
        "privileged-change",
        "/roleManagement/directory/roleAssignmentScheduleInstances",
        {"roleEligibilityScheduleInstances": [*map(give_role, PEOPLE)]},
        {
            "roleAssignmentScheduleInstances": [
                give_role(number) | {"id": f"held {number}", "assignmentType": "Assigned"}
                for number in PEOPLE
            ]
        },
    ),
    "what is asked before a role is held": (
        "privileged-change",
        "/policies/roleManagementPolicyAssignments",
        {
            "roleManagementPolicyAssignments": [
                {
                    "id": f"DirectoryRole_{number}",
                    "policyId": f"policy {number}",
                    "scopeId": "/",
                    "scopeType": "DirectoryRole",
                    "roleDefinitionId": role,
                }
                for number, role in enumerate(ROLES)
            ],
            "roleManagementPolicies": [
                build_activation(number, "MultiFactorAuthentication")
                for number in range(len(ROLES))
            ],
        },
        {"roleManagementPolicies": [build_activation(number) for number in range(len(ROLES))]},
    ),
    "accounts at risk": (
        "risky-accounts",
        "/identityProtection/riskyUsers",
        {},
        {
            "riskyUsers": [
                {
                    "id": name_person(number),
                    "userPrincipalName": f"p{number}@contoso.example",
                    "riskState": "atRisk",
                    "riskLevel": "high",
                    "riskLastUpdatedDateTime": "2026-11-01T08:00:00Z",
                }
                for number in PEOPLE
            ]
        },
    ),
    "detections of accounts at risk": (
        "risky-accounts",
        "/identityProtection/riskDetections",
        {},
        {
            "riskDetections": [
                {
                    "id": f"detection {number}",
                    "userId": name_person(number),
                    "userPrincipalName": f"p{number}@contoso.example",
                    "riskEventType": "leakedCredentials",
                    "riskState": "atRisk",
                    "riskLevel": "high",
                    "lastUpdatedDateTime": "2026-11-01T08:00:00Z",
                }
                for number in PEOPLE
            ]
        },
    ),
}


@pytest.mark.parametrize("kind", DIRECTORY)
async def test_nothing_of_the_directory_ends_because_a_page_is_left_out(kind: str) -> None:
    guard, path, before, after = DIRECTORY[kind]
    scene = build_large_tenant(5)
    users = [build_user_row(name_person(number), f"p{number}") for number in PEOPLE]
    scene["graph"] |= {"users": users, **before}
    lost = {
        "service": "graph",
        "kind": "wrongBody",
        "match": f"^GET /v1.0{path}.*skiptoken",
        "skip": SHOWN - 1,
        "body": {"value": []},
    }
    async with open_harness(scene, CONFIGS_BY_NAME[guard], sandbox_type=SmallPageSandbox) as stage:
        assert isinstance(stage.sandbox, SmallPageSandbox)
        stage.sandbox.is_cut_everywhere = True
        await stage.run_guard()
        stage.sandbox.tenant.apply_patch({"graph": after})
        for _ in range(2):
            await stage.run_guard()
        known = await describe_cases(stage)
        assert len(known) >= LISTED - 1
        for _ in range(3):
            report = await stage.run_guard(lost)
            assert list_told(report) == []
            assert await describe_cases(stage) == known
        # The first time its length may say enough.
        assert report.unavailable_sources
        assert list_told(await stage.run_guard()) == []
        assert await describe_cases(stage) == known
        # What is really gone is over, and what is there stays.
        name, rows = next(iter(after.items()))
        if name == "roleManagementPolicies":
            return
        stage.sandbox.tenant.apply_patch({"graph": {name: rows[:-1]}})
        for _ in range(3):
            await stage.run_guard()
        left = await describe_cases(stage)
        assert left.items() <= known.items()
        assert len(left) == len(known) - 1
