"""Tables in documents and scripts that are written from the code: `python -m
tools.docs_gen.documents`.

One fact has one place. `tests/docs/test_generated.py` fails when a table is not what the code says.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from core.api.routes import described
from core.config.catalog import CATALOG
from core.config.settings import SETTINGS, SUFFIXES, all_settings
from core.evidence.file_format import COLUMNS
from core.evidence.records import FIELDS
from core.guards.tenant_baseline.rule_file import SHIPPED, is_writable
from core.microsoft365.cis_benchmark import BENCHMARK, CONTROLS, SOURCE, WITHOUT
from core.microsoft365.permissions import risk
from core.model.guards import Duty, Mode, Permission, Service
from tools.docs_gen import cli_samples, infra

ROOT = Path(__file__).resolve().parent.parent.parent
INFRA = ROOT / "infra"

# What the adapters send with each cmdlet that reads. `tests/infra` records them at it.
READS: Mapping[str, tuple[str, ...]] = {
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


def row(*cells: str) -> str:
    """A line of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(head: tuple[str, ...], rows: list[str]) -> str:
    """A whole table."""
    return "\n".join([row(*head), "|" + "---|" * len(head), *rows])


def overview() -> str:
    """Every guard in a line."""
    rows = [
        row(
            f"`{duty.guard.name}`",
            duty.guard.why,
            str(duty.mode),
            f"`{duty.schedule}`",
            f"{duty.limit.count} or {duty.limit.percent:g} %",
        )
        for duty in CATALOG
    ]
    return table(("guard", "why", "mode", "schedule (UTC)", "brake"), rows)


def permission(entry: Permission) -> str:
    """A permission of a guard in a line."""
    name = f"`{entry.name}`"
    if entry.parameters:
        name += f" ({', '.join(entry.parameters)})"
    when = "to enforce" if entry.writes else "to look"
    return row(str(entry.service), name, when + (", optional" if entry.optional else ""), entry.why)


def permissions(duty: Duty) -> str:
    """What a guard needs."""
    rows = [permission(entry) for entry in duty.guard.permissions]
    return table(("in", "permission or cmdlet", "needed", "why"), rows)


def every_permission() -> str:
    """Guard by permission, with its worth to a thief."""
    rows = [
        row(
            f"`{duty.guard.name}`",
            f"`{entry.name}`" + (f" ({', '.join(entry.parameters)})" if entry.parameters else ""),
            ("to enforce" if entry.writes else "to look")
            + (", optional" if entry.optional else ""),
            entry.why,
            risk(entry),
        )
        for duty in CATALOG
        for entry in duty.guard.permissions
    ]
    return table(("guard", "permission", "needed", "why", "what a thief could do"), rows)


def controls(duty: Duty) -> str:
    """The recommendations of the benchmark a guard speaks of, or why there is none.

    Raises LookupError for a guard that says neither.
    """
    found = CONTROLS.get(duty.guard.name, ())
    if not found and duty.guard.name not in WITHOUT:
        raise LookupError(f"core/microsoft365/cis_benchmark.py does not name {duty.guard.name}")
    if not found:
        return f"[{BENCHMARK}]({SOURCE}): none; {WITHOUT[duty.guard.name]}."
    told = "; ".join(f'{one.id} "{one.title}"' for one in found)
    return f"[{BENCHMARK}]({SOURCE}): {told}."


def baseline() -> str:
    """The rows of the baseline that come with the app."""
    rows = [
        row(
            f"`{entry.id}`",
            f"`{entry.source}`",
            f"`{entry.property}`",
            str(entry.wanted),
            entry.severity,
            "yes" if is_writable(entry) else "",
            entry.reference,
        )
        for entry in SHIPPED
    ]
    head = ("row", "source", "property", "wanted", "severity", "can be written", "reference")
    return table(head, rows)


def records() -> str:
    """Every record of the evidence with its fields."""
    return "\n\n".join(
        f"### `{record}`\n\n"
        + table(("field", "what it is"), [row(f"`{name}`", told) for name, told in names.items()])
        for record, names in FIELDS.items()
    )


def columns() -> str:
    """The columns of the evidence as a table."""
    return "`" + ",".join(COLUMNS) + "`"


def settings() -> str:
    """Every setting in a line."""
    rows = [
        row(
            f"`{entry.name}`",
            "required" if entry.default is None else f"`{entry.default}`" if entry.default else "",
            entry.help + (" (secret)" if entry.secret else ""),
        )
        for entry in all_settings()
    ]
    return table(("setting", "default", "what it is"), rows)


def sample() -> str:
    """`local.settings.sample.json`."""
    hosts = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    hosts["FUNCTIONS_WORKER_RUNTIME"] = "python"
    values = hosts | {entry.name: entry.sample for entry in all_settings()}
    return json.dumps({"IsEncrypted": False, "Values": values}, indent=2) + "\n"


def openapi() -> str:
    """`docs/openapi.json`."""
    return json.dumps(described(), indent=1, ensure_ascii=False) + "\n"


def cmdlets() -> str:
    """What `infra/exchange-role.ps1` may grant, as JSON that PowerShell reads."""
    entries = [
        {
            "guard": duty.guard.name,
            "cmdlet": entry.name,
            "writes": entry.writes,
            "optional": entry.optional,
            "parameters": entry.parameters if entry.writes else READS[entry.name],
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


def tables() -> dict[Path, dict[str, str]]:
    """The tables of each document by name."""
    guards = {f"permissions {duty.guard.name}": permissions(duty) for duty in CATALOG}
    guards |= {f"controls {duty.guard.name}": controls(duty) for duty in CATALOG}
    return {
        ROOT / "docs" / "guards.md": {"overview": overview(), "baseline": baseline(), **guards},
        ROOT / "docs" / "evidence.md": {"records": records(), "columns": columns()},
        ROOT / "docs" / "cli.md": cli_samples.examples(),
        ROOT / "docs" / "settings.md": {"settings": settings()},
        ROOT / "docs" / "permissions.md": {"permissions": every_permission()},
        INFRA / "exchange-role.ps1": {"cmdlets": cmdlets()},
        INFRA / "main.bicep": {"guards": infra.guards()},
        INFRA / "app.bicep": {"guard settings": infra.guard_settings()},
        INFRA / "entra.bicep": {"permissions": infra.permissions()},
    }


def deployment(text: str) -> str:
    """`main.parameters.json` with the settings of the guards there are."""
    document = json.loads(text)
    given: dict[str, str] = document["parameters"]["settings"]["value"]
    guards = tuple(f"_{suffix}" for suffix in (*SUFFIXES, "MAX_AGE_MINUTES"))
    everybodys = {entry.name for entry in SETTINGS}
    own = {
        name: value
        for name, value in given.items()
        if name in everybodys or not name.endswith(guards)
    }
    named = {name: f"${{{name}}}" for name in infra.parameters()}
    document["parameters"]["settings"]["value"] = own | named
    return json.dumps(document, indent=2) + "\n"


def with_tables(text: str, named: dict[str, str]) -> str:
    """A document with its tables as they should be. Raises LookupError for a missing place."""
    for name, content in named.items():
        mark = re.escape(name)
        inner = rf"(?<=<!-- {mark} -->\n).*?(?=^[^\n]*<!-- end -->)"
        place = re.search(inner, text, re.DOTALL | re.MULTILINE)
        if not place:
            raise LookupError(f"no place for <!-- {name} --> ... <!-- end -->")
        text = f"{text[: place.start()]}{content}\n{text[place.end() :]}"
    return text


def main() -> None:
    """Write all of them."""
    (ROOT / "local.settings.sample.json").write_text(sample(), encoding="utf-8")
    (ROOT / "docs" / "openapi.json").write_text(openapi(), encoding="utf-8")
    path = INFRA / "main.parameters.json"
    path.write_text(deployment(path.read_text(encoding="utf-8")), encoding="utf-8")
    for path, named in tables().items():
        path.write_text(with_tables(path.read_text(encoding="utf-8"), named), encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except LookupError as missing:
        sys.exit(f"written: {missing.args[0]}")
