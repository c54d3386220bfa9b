"""The Exchange role script grants what the catalog says: nothing less, nothing more."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest

from core.adapters.exchange.client import Command, Exchange
from core.adapters.graph.client import Graph
from core.adapters.m365 import changes, exchange_queries
from core.adapters.m365.configuration import read_configuration
from core.adapters.m365.delegation import read as delegation_reads
from core.adapters.m365.protocols import read as protocol_reads
from core.adapters.m365.roles import read as role_reads
from core.adapters.m365.roles.parse import RoleGroup
from core.adapters.m365.shared_mailboxes import read as shared_mailbox_reads
from core.config.catalog import CATALOG
from core.errors import TenantError
from core.microsoft365.configuration_sources import SOURCES
from core.model.guards import Mode, Permission, Service
from core.tenant.changes import ClearAuditBypass, DisableExchangeModule, EnableMailboxAudit
from core.tenant.mailboxes import Mailbox
from tests.infra.powershell import (
    PROVIDED,
    bound,
    calls,
    functions,
    mistakes,
    parse,
    script,
    text,
    used,
    within,
)
from tests.support.observe import whole
from tools.docs_gen.documents import READS, ROOT

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
    "Format-Table": ("AutoSize", "Wrap"),
    "Get-Command": ("Name", "CommandType", "ErrorAction"),
    "Get-ConnectionInformation": (),
    "Get-Module": ("ListAvailable", "Name"),
    "Import-Module": ("Name",),
    "Out-Host": (),
    "Select-Object": ("First",),
    "Set-StrictMode": ("Version",),
    "Sort-Object": ("Property",),
    "Start-Sleep": ("Seconds",),
    "Where-Object": (),
    "Write-Host": (),
    "Write-Warning": (),
}
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
    """Guard and cmdlet of everything the catalog needs in Exchange."""
    return [
        (duty.guard.name, entry)
        for duty in CATALOG
        for entry in duty.guard.permissions
        if entry.service is Service.EXCHANGE
    ]


def table_of_the_script() -> dict[str, Any]:
    """The table as PowerShell reads it: the JSON between @' and '@."""
    document: dict[str, Any] = json.loads(SOURCE.partition("@'\n")[2].partition("\n'@")[0])
    return document


@pytest.mark.parametrize("path", sorted(SCRIPT.parent.glob("*.ps1")), ids=lambda path: path.name)
def test_every_script_is_powershell(path: Path) -> None:
    assert mistakes(path.read_text(encoding="utf-8")) == []


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
    assert mistakes(SOURCE.replace(right, wrong, 1))


def test_every_command_exists_and_takes_the_parameters_it_is_given() -> None:
    tree = script(SCRIPT)
    own = functions(tree)
    for call in calls(tree):
        known = {name.lower() for name in {**EXCHANGE, **POWERSHELL, **own}.get(call.name, ())}
        assert call.name in EXCHANGE or call.name in POWERSHELL or call.name in own, call
        assert {name.lower() for name in call.parameters} <= known, call


def test_every_function_is_called() -> None:
    tree = script(SCRIPT)
    assert set(functions(tree)) <= {call.name for call in calls(tree)}


def test_every_variable_is_given_a_value_and_used() -> None:
    tree = script(SCRIPT)
    assert used(tree) - bound(tree) <= PROVIDED
    misspelt = parse(SOURCE.replace("$principal.Identity", "$pricipal.Identity"))
    assert used(misspelt) - bound(misspelt) - PROVIDED == {"pricipal"}


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


@pytest.mark.parametrize("row", table_of_the_script()["entries"], ids=lambda row: row["cmdlet"])
def test_exchange_online_has_the_cmdlet_with_these_parameters(row: Mapping[str, Any]) -> None:
    assert set(row["parameters"]) <= set(EXCHANGE[row["cmdlet"]])
    assert row["writes"] is not row["cmdlet"].startswith("Get-")


def test_names_of_roles_fit_into_what_exchange_takes() -> None:
    for row in table_of_the_script()["entries"]:
        name = f"{LONGEST_PREFIX} {row['cmdlet']}" + f" {row['guard']}" * row["writes"]
        assert len(name) <= LONGEST_NAME


def test_nothing_but_the_trimmed_roles_is_ever_given_to_the_app() -> None:
    tree = script(SCRIPT)
    given = [call for call in calls(tree) if call.name == "New-ManagementRoleAssignment"]
    made = [call for call in calls(tree) if call.name == "New-ManagementRole"]
    groups = [call for call in calls(tree) if call.name == "New-RoleGroup"]
    assert [call.parameters for call in given] == [("Name", "Role", "SecurityGroup")]
    assert [call.parameters for call in made] == [("Name", "Parent", "EnabledCmdlets")]
    assert [call.parameters for call in groups] == [("Name", "Description")]
    assert "-EnabledCmdlets $Wanted.Cmdlet" in SOURCE
    # No cmdlet that a guard could use stands anywhere but in the table.
    names = {entry.name for _, entry in exchange_permissions()}
    names -= {"Get-OrganizationConfig", "Get-RoleGroup", "Get-RoleGroupMember"}
    assert not names & {call.name for call in calls(tree)}
    outside = SOURCE.partition("$Catalog = ")[2].partition("\n'@")[2]
    assert not [name for name in names if name in outside]


def test_no_setting_of_another_role_or_member_hides_in_a_literal() -> None:
    literals = {text(node) for node in within(script(SCRIPT), "verbatim_string_characters")}
    built_in = ("Mail Recipients", "View-Only", "Audit Logs", "Organization Configuration")
    assert not [one for one in literals for role in built_in if role in one]


class Recorder:
    """An Exchange that notes which parameters come with each cmdlet and knows of nothing."""

    def __init__(self) -> None:
        self.sent: dict[str, set[str]] = defaultdict(set)

    def note(self, command: Command) -> None:
        self.sent[command.cmdlet] |= set(command.parameters)

    async def invoke(
        self,
        cmdlet: str,
        parameters: Mapping[str, object],
        *,
        select: Sequence[str] = (),
        anchor: str = "",
    ) -> list[object]:
        self.note(Command(cmdlet, parameters, tuple(select), anchor))
        return []

    async def pages(
        self, command: Command, after: str = ""
    ) -> AsyncIterator[tuple[list[object], str]]:
        self.note(command)
        yield [], ""

    async def batch(self, commands: Sequence[Command]) -> list[list[object]]:
        for command in commands:
            self.note(command)
        return [[] for _ in commands]


async def everything_read(exchange: Exchange) -> None:
    """Every reading of Exchange, and the reading before a change."""
    await whole(exchange_queries.mailboxes(exchange, ["SharedMailbox"]))
    await exchange_queries.forwarding_mailboxes(exchange)
    await exchange_queries.hidden_rules(exchange, [MAILBOX])
    await exchange_queries.recipients(exchange, ["Ada"])
    await exchange_queries.accepted_domains(exchange)
    await exchange_queries.remote_domains(exchange)
    await exchange_queries.outbound_policies(exchange)
    await exchange_queries.transport_rules(exchange)
    await whole(exchange_queries.mailbox_audits(exchange))
    await exchange_queries.audit_bypasses(exchange)
    await exchange_queries.organization_audit(exchange)
    await delegation_reads.full_access(exchange, [MAILBOX])
    await whole(delegation_reads.send_as(exchange))
    await whole(delegation_reads.send_on_behalf(exchange))
    await whole(protocol_reads.read_protocols(exchange))
    await protocol_reads.protocols_of(exchange, [MAILBOX.id])
    await whole(shared_mailbox_reads.shared_mailboxes(exchange))
    await shared_mailbox_reads.shared_mailboxes_of(exchange, [MAILBOX])
    await shared_mailbox_reads.mailbox_sizes(exchange, [MAILBOX])
    graph = cast(Graph, None)
    for name, source in SOURCES.items():
        if source.service is Service.EXCHANGE:
            await read_configuration(graph, exchange, name)
    await whole(role_reads.module_users(exchange))
    await role_reads.take_role_groups(exchange, role_reads.Roster())
    group = RoleGroup(MAILBOX.guid, "Organization Management")
    await exchange.batch(role_reads.asked([group]))
    for change in (
        ClearAuditBypass(MAILBOX.id),
        EnableMailboxAudit(MAILBOX.guid),
        DisableExchangeModule(MAILBOX.id, MAILBOX.guid),
    ):
        with suppress(TenantError):
            await changes.apply(graph, exchange, change, asyncio.sleep)


async def test_the_reading_parameters_are_those_that_are_sent() -> None:
    recorder = Recorder()
    await everything_read(cast(Exchange, recorder))
    assert recorder.sent == {cmdlet: set(parameters) for cmdlet, parameters in READS.items()}
