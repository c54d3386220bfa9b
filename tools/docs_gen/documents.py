"""Tables in documents and scripts that are written from the code: `python -m
tools.docs_gen.documents`.

One fact has one place. `tests/docs/test_generated.py` fails when a table is not what the code says.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from core.api.routes import build_api_document
from core.config.catalog import CATALOG
from core.config.settings import GUARD_SETTING_SUFFIXES, SETTINGS, list_settings
from core.evidence.file_format import COLUMNS
from core.evidence.records import RECORD_FIELDS
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS, is_writable_row
from core.microsoft365.cis_benchmark import BENCHMARK, BENCHMARK_URL, CONTROLS, NO_CONTROL_REASONS
from core.microsoft365.permissions import describe_risk
from core.model.guards import GuardConfig, Mode, Permission, Service
from tools.docs_gen import cli_samples, infra

ROOT = Path(__file__).resolve().parent.parent.parent
INFRA = ROOT / "infra"

# What the adapters send with each cmdlet that reads. `tests/infra` records them at it.
READ_PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "Get-AcceptedDomain": (),
    "Get-AdminAuditLogConfig": (),
    "Get-AuthenticationPolicy": (),
    "Get-CASMailbox": ("Identity", "ResultSize"),
    "Get-CASMailboxPlan": (),
    "Get-HostedOutboundSpamFilterPolicy": (),
    "Get-HostedOutboundSpamFilterRule": (),
    "Get-InboxRule": ("Mailbox", "IncludeHidden", "ResultSize"),
    "Get-Mailbox": ("Filter", "Identity", "RecipientTypeDetails", "ResultSize"),
    "Get-MailboxAuditBypassAssociation": ("Identity", "ResultSize"),
    "Get-MailboxPermission": ("Identity", "IncludeUnresolvedPermissions", "ResultSize"),
    "Get-MailboxStatistics": ("Identity",),
    "Get-MobileDeviceMailboxPolicy": (),
    "Get-OrganizationConfig": (),
    "Get-OwaMailboxPolicy": (),
    "Get-Recipient": ("Identity", "ResultSize"),
    "Get-RecipientPermission": ("ResultSize",),
    "Get-RemoteDomain": (),
    "Get-SharingPolicy": (),
    "Get-RoleGroup": ("ResultSize",),
    "Get-RoleGroupMember": ("Identity", "ResultSize"),
    "Get-TransportConfig": (),
    "Get-TransportRule": ("ResultSize",),
    "Get-User": ("Filter", "Identity", "ResultSize"),
}


def format_row(*cells: str) -> str:
    """A line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def format_table(head: tuple[str, ...], rows: list[str]) -> str:
    """A whole table."""
    return "\n".join([format_row(*head), "|" + "---|" * len(head), *rows])


def build_guard_table() -> str:
    """Every guard in a line."""
    rows = [
        format_row(
            f"`{duty.guard.name}`",
            duty.guard.rationale,
            str(duty.mode),
            f"`{duty.schedule}`",
            f"{duty.limit.count} or {duty.limit.percent:g} %",
        )
        for duty in CATALOG
    ]
    return format_table(("guard", "why", "mode", "schedule (UTC)", "brake"), rows)


def format_permission(entry: Permission) -> str:
    """A permission of a guard in a line."""
    name = f"`{entry.name}`"
    if entry.parameters:
        name += f" ({', '.join(entry.parameters)})"
    when = "to enforce" if entry.writes else "to look"
    return format_row(
        str(entry.service), name, when + (", optional" if entry.optional else ""), entry.reason
    )


def build_permission_table(config: GuardConfig) -> str:
    """What a guard needs."""
    rows = [format_permission(entry) for entry in config.guard.permissions]
    return format_table(("in", "permission or cmdlet", "needed", "why"), rows)


def build_all_permissions_table() -> str:
    """Guard by permission, with its worth to a thief."""
    rows = [
        format_row(
            f"`{duty.guard.name}`",
            f"`{entry.name}`" + (f" ({', '.join(entry.parameters)})" if entry.parameters else ""),
            ("to enforce" if entry.writes else "to look")
            + (", optional" if entry.optional else ""),
            entry.reason,
            describe_risk(entry),
        )
        for duty in CATALOG
        for entry in duty.guard.permissions
    ]
    return format_table(("guard", "permission", "needed", "why", "what a thief could do"), rows)


def format_controls(config: GuardConfig) -> str:
    """The recommendations of the benchmark a guard speaks of, or why there is none.

    Raises LookupError for a guard that says neither.
    """
    found = CONTROLS.get(config.guard.name, ())
    if not found and config.guard.name not in NO_CONTROL_REASONS:
        raise LookupError(f"core/microsoft365/cis_benchmark.py does not name {config.guard.name}")
    if not found:
        return f"[{BENCHMARK}]({BENCHMARK_URL}): none; {NO_CONTROL_REASONS[config.guard.name]}."
    told = "; ".join(f'{one.id} "{one.title}"' for one in found)
    return f"[{BENCHMARK}]({BENCHMARK_URL}): {told}."


def build_baseline_table() -> str:
    """The rows of the baseline that come with the app."""
    rows = [
        format_row(
            f"`{entry.id}`",
            f"`{entry.source}`",
            f"`{entry.property_name}`",
            str(entry.expected),
            entry.severity,
            "yes" if is_writable_row(entry) else "",
            entry.reference,
        )
        for entry in SHIPPED_ROWS
    ]
    head = ("row", "source", "property", "wanted", "severity", "can be written", "reference")
    return format_table(head, rows)


def build_record_tables() -> str:
    """Every record of the evidence with its fields."""
    return "\n\n".join(
        f"### `{record}`\n\n"
        + format_table(
            ("field", "what it is"), [format_row(f"`{name}`", told) for name, told in names.items()]
        )
        for record, names in RECORD_FIELDS.items()
    )


def format_columns() -> str:
    """The columns of the evidence as a table."""
    return "`" + ",".join(COLUMNS) + "`"


def build_settings_table() -> str:
    """Every setting in a line."""
    rows = [
        format_row(
            f"`{entry.name}`",
            "required" if entry.default is None else f"`{entry.default}`" if entry.default else "",
            entry.help + (" (secret)" if entry.is_secret else ""),
        )
        for entry in list_settings()
    ]
    return format_table(("setting", "default", "what it is"), rows)


def build_sample_settings() -> str:
    """`local.settings.sample.json`."""
    hosts = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    hosts["FUNCTIONS_WORKER_RUNTIME"] = "python"
    values = hosts | {entry.name: entry.sample_text for entry in list_settings()}
    return json.dumps({"IsEncrypted": False, "Values": values}, indent=2) + "\n"


def build_openapi_json() -> str:
    """`docs/openapi.json`."""
    return json.dumps(build_api_document(), indent=1, ensure_ascii=False) + "\n"


def build_cmdlet_catalog() -> str:
    """What `infra/exchange-role.ps1` may grant, as JSON that PowerShell reads."""
    entries = [
        {
            "guard": duty.guard.name,
            "cmdlet": entry.name,
            "writes": entry.writes,
            "optional": entry.optional,
            "parameters": entry.parameters if entry.writes else READ_PARAMETERS[entry.name],
        }
        for duty in CATALOG
        for entry in duty.guard.permissions
        if entry.service is Service.EXCHANGE
    ]
    guards = json.dumps([duty.guard.name for duty in CATALOG])
    enforcing = json.dumps([duty.guard.name for duty in CATALOG if duty.mode is Mode.ENFORCE])
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
    lines = lines.replace(', "parameters"', ',\n   "parameters"')
    document = f'{{"guards": {guards},\n "enforcing": {enforcing},\n "entries": [\n{lines}\n ]}}'
    return f"#>\n$Catalog = @'\n{document}\n'@ | ConvertFrom-Json\n<#"


def build_tables() -> dict[Path, dict[str, str]]:
    """The tables of each document by name."""
    guards = {f"permissions {duty.guard.name}": build_permission_table(duty) for duty in CATALOG}
    guards |= {f"controls {duty.guard.name}": format_controls(duty) for duty in CATALOG}
    return {
        ROOT / "docs" / "guards.md": {
            "overview": build_guard_table(),
            "baseline": build_baseline_table(),
            **guards,
        },
        ROOT / "docs" / "evidence.md": {
            "records": build_record_tables(),
            "columns": format_columns(),
        },
        ROOT / "docs" / "cli.md": cli_samples.build_examples(),
        ROOT / "docs" / "settings.md": {"settings": build_settings_table()},
        ROOT / "docs" / "permissions.md": {"permissions": build_all_permissions_table()},
        INFRA / "exchange-role.ps1": {"cmdlets": build_cmdlet_catalog()},
        INFRA / "main.bicep": {"guards": infra.build_guards_object()},
        INFRA / "app.bicep": {"guard settings": infra.build_guard_settings()},
        INFRA / "entra.bicep": {"permissions": infra.build_permissions_object()},
    }


def build_parameters_file(text: str) -> str:
    """`main.parameters.json` with the settings of the guards there are."""
    document = json.loads(text)
    given: dict[str, str] = document["parameters"]["settings"]["value"]
    guards = tuple(f"_{suffix}" for suffix in (*GUARD_SETTING_SUFFIXES, "MAX_AGE_MINUTES"))
    everybodys = {entry.name for entry in SETTINGS}
    own = {
        name: value
        for name, value in given.items()
        if name in everybodys or not name.endswith(guards)
    }
    named = {name: f"${{{name}}}" for name in infra.list_parameters()}
    document["parameters"]["settings"]["value"] = own | named
    return json.dumps(document, indent=2) + "\n"


def replace_tables(text: str, tables: dict[str, str]) -> str:
    """A document with its tables as they should be. Raises LookupError for a missing place."""
    for name, content in tables.items():
        mark = re.escape(name)
        inner = rf"(?<=<!-- {mark} -->\n).*?(?=^[^\n]*<!-- end -->)"
        place = re.search(inner, text, re.DOTALL | re.MULTILINE)
        if not place:
            raise LookupError(f"no place for <!-- {name} --> ... <!-- end -->")
        text = f"{text[: place.start()]}{content}\n{text[place.end() :]}"
    return text


def main() -> None:
    """Write all of them."""
    (ROOT / "local.settings.sample.json").write_text(build_sample_settings(), encoding="utf-8")
    (ROOT / "docs" / "openapi.json").write_text(build_openapi_json(), encoding="utf-8")
    path = INFRA / "main.parameters.json"
    path.write_text(build_parameters_file(path.read_text(encoding="utf-8")), encoding="utf-8")
    for path, named in build_tables().items():
        path.write_text(replace_tables(path.read_text(encoding="utf-8"), named), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except LookupError as missing:
        sys.exit(f"written: {missing.args[0]}")
