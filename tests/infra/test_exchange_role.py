"""The Exchange role script grants what the catalog says: nothing less, nothing more."""

import asyncio
import contextlib
import json
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from core.adapters.exchange.client import ExchangeClient
from core.adapters.exchange.command import Command
from core.adapters.exchange.listings import Listing
from core.adapters.exchange.responses import WayFailed
from core.adapters.graph.client import GraphClient
from core.adapters.m365.changes import apply_change
from core.adapters.m365.folder_rights import ROOT_PATH, build_rights_command
from core.adapters.m365.mail_flow.groups import fetch_group_members
from core.adapters.m365.mail_flow.parse import CONFIRMING_CMDLETS, build_confirming_command
from core.adapters.m365.mail_flow.read import (
    build_address_command,
    build_display_name_command,
    fetch_accepted_domains,
)
from core.adapters.m365.mailbox_surroundings import CALENDARS
from core.adapters.m365.roles.holders import RoleHolders
from core.adapters.m365.roles.parse import RoleGroup
from core.adapters.m365.roles.role_groups import build_member_commands, collect_role_groups
from core.adapters.m365.tenant import connect_tenant
from core.adapters.parsing import ResponseRow
from core.config.catalog import CATALOG
from core.errors import TenantError
from core.microsoft365.configuration_sources import EXCHANGE_SOURCES
from core.microsoft365.containment_permissions import CONTAINMENT, CONTAINMENT_PERMISSIONS
from core.microsoft365.exchange_listings import (
    CMDLETS_WITH_MORE_WAYS,
    DEFAULT_PAGE_FORM,
    ListingWay,
)
from core.microsoft365.permission_risks import CMDLETS
from core.model.guards import Mode, Permission, Service
from core.tenant.changes import ClearAuditBypass, DisableExchangeModule, EnableMailboxAudit
from core.tenant.containing import MAILBOX_DETAILS, TargetAccount
from core.tenant.mail_flow import Recipient
from core.tenant.mailboxes import Mailbox
from tests.infra.powershell import (
    AUTOMATIC_VARIABLES,
    find_bound_variables,
    find_calls,
    find_functions,
    find_nodes,
    find_syntax_errors,
    find_used_variables,
    parse_script,
    read_script,
    read_text,
)
from tests.support.fakes.exchange import ScriptedExchange
from tests.support.observe import collect_pages
from tools.docs_gen.documents import ROOT

SCRIPT = ROOT / "infra" / "exchange-role.ps1"
SOURCE = SCRIPT.read_text(encoding="utf-8")
REFERENCE = json.loads(
    (Path(__file__).parent / "data" / "exchange_cmdlets.json").read_text(encoding="utf-8")
)
EXCHANGE: Mapping[str, list[str]] = REFERENCE["cmdlets"]

# What the script calls of PowerShell itself and of its modules, with the parameters it uses.
POWERSHELL: Mapping[str, tuple[str, ...]] = {
    "az": ("id", "query", "output"),
    "Connect-ExchangeOnline": ("ShowBanner", "ExchangeEnvironmentName"),
    "ConvertFrom-Json": (),
    "ForEach-Object": (),
    "Get-Command": ("Name", "CommandType", "ErrorAction"),
    "Get-ConnectionInformation": (),
    "Get-Module": ("ListAvailable", "Name"),
    "Import-Module": ("Name", "RequiredVersion"),
    "Select-Object": ("First",),
    "Set-StrictMode": ("Version",),
    "Sort-Object": ("Property", "Descending"),
    "Start-Sleep": ("Seconds",),
    "Where-Object": (),
    "Write-Host": (),
    "Write-Warning": (),
}
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
LONGEST_NAME = 64
LONGEST_PREFIX = "x" * 12
MAILBOX = Mailbox(
    id="5b1c9fd4-0a55-4a1e-8a54-7f8a1f3c2b11",
    guid="6c2d0fe5-1b66-4b2f-9b65-8f9b2f4d3c22",
    kind="UserMailbox",
    name="Ada",
    address="ada@contoso.example",
)


def exchange_permissions() -> list[tuple[str, Permission]]:
    """Guard and cmdlet of everything the catalog and containment need in Exchange."""
    needs = [(duty.guard.name, duty.guard.permissions) for duty in CATALOG]
    return [
        (name, entry)
        for name, permissions in (*needs, (CONTAINMENT, CONTAINMENT_PERMISSIONS))
        for entry in permissions
        if entry.service is Service.EXCHANGE
    ]


def table_of_the_script() -> dict[str, Any]:
    """The table as PowerShell reads it: the JSON between @' and '@."""
    document: dict[str, Any] = json.loads(SOURCE.partition("@'\n")[2].partition("\n'@")[0])
    return document


@pytest.mark.parametrize("path", sorted(SCRIPT.parent.glob("*.ps1")), ids=lambda path: path.name)
def test_every_script_is_powershell(path: Path) -> None:
    assert find_syntax_errors(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("function Sync-Principal {", "function Sync-Principal"),
        ("if ($principal) { return }", "if $principal { return }"),
        ("[switch] $Remove\n)", "[switch] $Remove\n"),
        ("'@ | ConvertFrom-Json", "| ConvertFrom-Json"),
        ("$Known = @{}", "$Known = @{"),
        ("$left = @(Get-OwnRole) + ", "$left = @(Get-OwnRole + "),
        ("foreach ($part in $Text)", "foreach ($part on $Text)"),
        ('throw "$What does not show" }', 'throw "$What does not show }'),
    ],
)
def test_a_mistake_in_the_script_is_seen(right: str, wrong: str) -> None:
    assert right in SOURCE
    assert find_syntax_errors(SOURCE.replace(right, wrong, 1))


def test_every_command_exists_and_takes_the_parameters_it_is_given() -> None:
    tree = read_script(SCRIPT)
    own = find_functions(tree)
    for call in find_calls(tree):
        known = {name.lower() for name in {**EXCHANGE, **POWERSHELL, **own}.get(call.name, ())}
        assert call.name in EXCHANGE or call.name in POWERSHELL or call.name in own, call
        assert {name.lower() for name in call.parameters} <= known, call


def test_whoever_runs_it_need_not_be_a_manager_of_the_group() -> None:
    calls = find_calls(read_script(SCRIPT))
    changing = [call for call in calls if call.name in ("Add-RoleGroupMember", "Remove-RoleGroup")]
    assert len(changing) == 2
    assert all("BypassSecurityGroupManagerCheck" in call.parameters for call in changing)


def test_every_function_is_called() -> None:
    tree = read_script(SCRIPT)
    assert set(find_functions(tree)) <= {call.name for call in find_calls(tree)}


def test_every_variable_is_given_a_value_and_used() -> None:
    tree = read_script(SCRIPT)
    assert find_used_variables(tree) - find_bound_variables(tree) <= AUTOMATIC_VARIABLES
    misspelt = parse_script(SOURCE.replace("$principal.Identity", "$pricipal.Identity"))
    assert find_used_variables(misspelt) - find_bound_variables(misspelt) - AUTOMATIC_VARIABLES == {
        "pricipal"
    }


def test_the_table_is_the_catalog() -> None:
    table = table_of_the_script()
    assert table["guards"] == [duty.guard.name for duty in CATALOG]
    assert table["enforcing"] == [duty.guard.name for duty in CATALOG if duty.mode is Mode.ENFORCE]
    in_script = {
        (row["guard"], row["cmdlet"], row["writes"], row["optional"]) for row in table["entries"]
    }
    in_catalog = {
        (guard, entry.name, entry.writes, entry.optional) for guard, entry in exchange_permissions()
    }
    assert in_script == in_catalog
    assert len(table["entries"]) == len(in_catalog)


def test_what_may_be_written_is_what_the_catalog_names_parameter_by_parameter() -> None:
    writes = {
        (row["guard"], row["cmdlet"]): row["parameters"]
        for row in table_of_the_script()["entries"]
        if row["writes"]
    }
    assert writes == {
        (guard, entry.name): list(entry.parameters)
        for guard, entry in exchange_permissions()
        if entry.writes
    }
    assert all(writes.values())


def test_exchange_online_has_the_cmdlets_with_these_parameters() -> None:
    for row in table_of_the_script()["entries"]:
        assert set(row["parameters"]) <= set(EXCHANGE[row["cmdlet"]]), row["cmdlet"]
        assert row["writes"] is not row["cmdlet"].startswith("Get-"), row["cmdlet"]


def test_names_of_roles_fit_into_what_exchange_takes() -> None:
    for row in table_of_the_script()["entries"]:
        name = f"{LONGEST_PREFIX} {row['cmdlet']}" + f" {row['guard']}" * row["writes"]
        assert len(name) <= LONGEST_NAME


def test_nothing_but_the_trimmed_roles_is_ever_given_to_the_app() -> None:
    tree = read_script(SCRIPT)
    given = [call for call in find_calls(tree) if call.name == "New-ManagementRoleAssignment"]
    made = [call for call in find_calls(tree) if call.name == "New-ManagementRole"]
    groups = [call for call in find_calls(tree) if call.name == "New-RoleGroup"]
    assert [call.parameters for call in given] == [("Name", "Role", "SecurityGroup")]
    assert [call.parameters for call in made] == [("Name", "Parent", "EnabledCmdlets")]
    assert [call.parameters for call in groups] == [("Name", "Description")]
    assert "-EnabledCmdlets $Wanted.Cmdlet" in SOURCE
    # No cmdlet that a guard could use stands anywhere but in the table.
    names = {entry.name for _, entry in exchange_permissions()}
    names -= {"Get-OrganizationConfig", "Get-RoleGroup", "Get-RoleGroupMember"}
    names -= {"Get-ManagementRoleAssignment", "Get-ServicePrincipal"}
    names -= {"Get-ManagementRole", "Get-ManagementScope"}
    assert not names & {call.name for call in find_calls(tree)}
    outside = SOURCE.partition("$Catalog = ")[2].partition("\n'@")[2]
    assert not [name for name in names if name in outside]


def test_no_setting_of_another_role_or_member_hides_in_a_literal() -> None:
    literals = {
        read_text(node) for node in find_nodes(read_script(SCRIPT), "verbatim_string_characters")
    }
    built_in = ("Mail Recipients", "View-Only", "Audit Logs", "Organization Configuration")
    assert not [one for one in literals for role in built_in if role in one]


async def everything_read(exchange: ExchangeClient) -> None:
    """Every read of Exchange, and the reads before a change."""
    graph = cast(GraphClient, None)
    tenant = connect_tenant(graph, exchange)
    await collect_pages(tenant.mailboxes.list_mailboxes(["SharedMailbox"]))
    await tenant.mailboxes.read_forwarding_mailboxes()
    await tenant.inbox_rules.read_hidden_rules([MAILBOX])
    await tenant.inbox_rules.read_surroundings([MAILBOX])
    await tenant.mail_flow.read_recipients(["Ada"])
    await fetch_group_members(
        exchange, [Recipient("d", True), Recipient("g", True, "GroupMailbox")]
    )
    await fetch_accepted_domains(exchange)
    await tenant.mail_flow.read_remote_domains()
    await tenant.mail_flow.read_outbound_policies()
    await tenant.mail_flow.read_transport_rules()
    await collect_pages(tenant.auditing.list_mailbox_audits())
    await tenant.auditing.read_audit_bypasses()
    await tenant.auditing.read_organization_audit()
    await tenant.delegation.read_full_access([MAILBOX])
    await tenant.delegation.read_own_add_ins([MAILBOX])
    # Nothing more is asked where it tells no Inbox.
    await tenant.delegation.read_folder_rights([MAILBOX])
    await collect_pages(tenant.delegation.list_send_as())
    await collect_pages(tenant.delegation.list_send_on_behalf())
    await collect_pages(tenant.protocols.list_mailbox_protocols())
    await tenant.protocols.read_mailbox_protocols([MAILBOX.id])
    await collect_pages(tenant.shared_mailboxes.list_shared_mailboxes())
    await tenant.shared_mailboxes.read_shared_mailboxes([MAILBOX])
    await tenant.shared_mailboxes.read_mailbox_sizes([MAILBOX])
    account = TargetAccount(MAILBOX.id, MAILBOX.address)
    for kind in sorted(MAILBOX_DETAILS):
        await tenant.containment.read_details(kind, account, MAILBOX.guid, SINCE)
    await tenant.containment.trace(MAILBOX.address, SINCE, SINCE, "ann@contoso.example")
    for name in EXCHANGE_SOURCES:
        await tenant.configuration.read_configuration(name)
    await collect_pages(tenant.roles.list_module_users())
    await collect_role_groups(exchange, RoleHolders())
    group = RoleGroup(MAILBOX.guid, "Organization Management")
    await exchange.invoke_batch(build_member_commands([group]))
    for change in (
        ClearAuditBypass(MAILBOX.id),
        EnableMailboxAudit(MAILBOX.guid),
        DisableExchangeModule(MAILBOX.id, MAILBOX.guid),
    ):
        with suppress(TenantError):
            await apply_change(graph, exchange, change, asyncio.sleep)


def everything_asked_of_a_found_recipient() -> list[Command]:
    """The commands by which a recipient of each kind confirms its legacy name, or its address."""
    rows = ({"RecipientTypeDetails": kind, "Guid": MAILBOX.guid} for kind in CONFIRMING_CMDLETS)
    confirming = [command for row in rows if (command := build_confirming_command(row))]
    return [
        *confirming,
        build_address_command("ann@contoso.example"),
        build_display_name_command("Ann"),
        build_rights_command(MAILBOX, ROOT_PATH),
        # Asked once the calendar's name is known.
        Command(CALENDARS, {"Identity": MAILBOX.guid}),
    ]


async def everything_listed_in_other_ways() -> list[Command]:
    """The commands of the listings that cannot go page by page."""
    rows: list[ResponseRow] = [{"Guid": str(number), "Name": f"n{number}"} for number in range(50)]
    sent: list[Command] = []
    for cmdlet, listing in CMDLETS_WITH_MORE_WAYS.items():
        for way in {ListingWay.SLICES, ListingWay.EACH}.intersection(listing.ways):
            # The first slice is cut, so that it is asked for in parts. They lack the object, which
            # ends the way; what matters here is what was asked.
            exchange = ScriptedExchange([rows] * (2 if way is ListingWay.SLICES else 1))
            command = Command(cmdlet, {"ResultSize": "Unlimited"})
            blocks = Listing(exchange, command).read_way(way, DEFAULT_PAGE_FORM)
            with contextlib.suppress(WayFailed):
                assert [block async for block, _ in blocks]
            sent += exchange.sent
    return sent


# What an optional read sends and may do without: a role that lacks it must stop no deployment.
OPTIONAL_PARAMETERS = {"Get-RoleGroup": {"ShowPartnerLinked"}}


async def test_the_reading_parameters_are_those_that_are_sent() -> None:
    exchange = ScriptedExchange()
    await everything_read(exchange)
    sent: dict[str, set[str]] = defaultdict(set)
    listed = await everything_listed_in_other_ways()
    for command in (*exchange.sent, *listed, *everything_asked_of_a_found_recipient()):
        sent[command.cmdlet] |= set(command.parameters)
    assert sent == {
        name: {*cmdlet.read_parameters, *OPTIONAL_PARAMETERS.get(name, ())}
        for name, cmdlet in CMDLETS.items()
        if name.startswith("Get-")
    }
