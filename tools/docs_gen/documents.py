"""Writes the tables of documents and scripts from the code: `python -m tools.docs_gen.documents`.

Each fact has one source. What only a person can write is asked for by file and name, everything
missing at once. `tests/docs/test_generated.py` fails when a table differs from the code.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from core.api.routes import build_api_document
from core.config.catalog import CATALOG, WATCHED_COLLECTIONS
from core.config.settings import GUARD_SETTING_SUFFIXES, SETTINGS, list_settings
from core.evidence.data_dictionary import RECORD_FIELDS
from core.evidence.file_format import COLUMNS
from core.guards.tenant_baseline.rule_file import SHIPPED_ROWS, is_writable_row
from core.microsoft365.cis_benchmark import BENCHMARK, BENCHMARK_URL, CONTROLS, NO_CONTROL_REASONS
from core.microsoft365.configuration_sources import CONFIGURATION_SOURCES
from core.microsoft365.containment_permissions import CONTAINMENT, CONTAINMENT_PERMISSIONS
from core.microsoft365.permissions import (
    ACTIVITY_JOB,
    ACTIVITY_PERMISSIONS,
    AUDIT_QUERY_PERMISSIONS,
    describe_risk,
    find_cmdlet,
)
from core.model.guards import GuardConfig, Mode, Permission, Service
from core.model.options import REQUIRED, Purpose
from core.ncrontab import CronSchedule
from core.watched.derived import DERIVED_READS
from core.watched.items import WatchedCollection
from tools.docs_gen import assumptions, cli_samples, coverage, infra
from tools.docs_gen.markdown import format_row, format_table

ROOT = Path(__file__).resolve().parent.parent.parent
INFRA = ROOT / "infra"

type TableBuilder = Callable[[], str]


def build_guard_table() -> str:
    """The guards, one per row."""
    rows = [
        format_row(
            f"`{config.guard.name}`",
            config.guard.rationale,
            str(config.mode),
            f"`{config.schedule}`",
            f"{config.limit.count} or {config.limit.percent:g} %",
        )
        for config in CATALOG
    ]
    return format_table(("guard", "why", "mode", "schedule (UTC)", "brake"), rows)


def build_readme_table() -> str:
    """The guards with what each looks for, and what it does by default."""
    rows = [
        format_row(
            f"`{config.guard.name}`",
            config.guard.looks_for,
            f"{config.mode}, {describe_interval(config.schedule)}",
        )
        for config in CATALOG
    ]
    return format_table(("guard", "looks for", "by default"), rows)


def build_price_sentence() -> str:
    """What the app costs a month, by size of tenant: the measured table of the bench, in a line.

    Raises LookupError where docs/deploy.md has no such table.
    """
    text = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([0-9,]+) \| ([0-9.]+) \|", text, re.MULTILINE)
    if not rows:
        raise LookupError("docs/deploy.md has no table of costs: run python -m bench --write")
    prices = ", ".join(f"{price} at {mailboxes} mailboxes" for mailboxes, price in rows)
    return (
        f"Price of the function app with all guards, in US dollars a month: {prices}; storage and "
        "monitoring come on top ([how it was measured](docs/deploy.md#cost))."
    )


def describe_interval(schedule: str) -> str:
    """How often a schedule comes due, without the minute at which it begins."""
    return CronSchedule.parse(schedule).describe_schedule().partition(", ")[0]


def format_permission(entry: Permission) -> str:
    """A row about one permission of a guard."""
    name = f"`{entry.name}`"
    if entry.parameters:
        name += f" ({', '.join(entry.parameters)})"
    when = "to enforce" if entry.writes else "to read"
    return format_row(
        str(entry.service), name, when + (", optional" if entry.optional else ""), entry.reason
    )


def build_permission_table(config: GuardConfig) -> str:
    """What a guard needs."""
    rows = [format_permission(entry) for entry in config.guard.permissions]
    return format_table(("in", "permission or cmdlet", "needed", "why"), rows)


def build_all_permissions_table() -> str:
    """Every permission of every guard, with what an attacker could do with it."""
    rows = [
        format_row(
            f"`{config.guard.name}`",
            f"`{entry.name}`" + (f" ({', '.join(entry.parameters)})" if entry.parameters else ""),
            ("to enforce" if entry.writes else "to read")
            + (", optional" if entry.optional else ""),
            entry.reason,
            describe_risk(entry),
        )
        for config in CATALOG
        for entry in config.guard.permissions
    ]
    rows += [
        format_row(
            f"the job `{ACTIVITY_JOB}`",
            f"`{entry.name}`",
            "to read, optional",
            entry.reason,
            describe_risk(entry),
        )
        for entry in ACTIVITY_PERMISSIONS
    ]
    rows += [
        format_row(
            f"the job `{ACTIVITY_JOB}`, with `AUDIT_QUERIES` (off by default)",
            f"`{entry.name}`",
            "to read, optional",
            entry.reason,
            describe_risk(entry),
        )
        for entry in AUDIT_QUERY_PERMISSIONS
    ]
    rows += [
        format_row(
            f"{CONTAINMENT} (off by default)",
            f"`{entry.name}`" + (f" ({', '.join(entry.parameters)})" if entry.parameters else ""),
            ("to enforce" if entry.writes else "to read")
            + (", optional" if entry.optional else ""),
            entry.reason,
            describe_risk(entry),
        )
        for entry in CONTAINMENT_PERMISSIONS
    ]
    return format_table(("guard", "permission", "needed", "why", "what an attacker could do"), rows)


def format_controls(config: GuardConfig) -> str:
    """The recommendations of the benchmark that a guard covers, or why there is none.

    Raises LookupError that says where to add them.
    """
    found = CONTROLS.get(config.guard.name, ())
    if not found and config.guard.name not in NO_CONTROL_REASONS:
        raise LookupError(
            f"core/microsoft365/cis_benchmark.py does not name {config.guard.name}: add the "
            "recommendations it covers to CONTROLS, or to NO_CONTROL_REASONS why there is none"
        )
    if not found:
        return f"[{BENCHMARK}]({BENCHMARK_URL}): none; {NO_CONTROL_REASONS[config.guard.name]}."
    shown = "; ".join(
        f'{one.id} "{one.title}"' + (f" (in part: {one.uncovered})" if one.uncovered else "")
        for one in found
    )
    return f"[{BENCHMARK}]({BENCHMARK_URL}): {shown}."


def build_baseline_table() -> str:
    """The rows of the baseline that the app ships with."""
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
    """Each kind of evidence record with its fields."""
    return "\n\n".join(
        f"### `{record}`\n\n"
        + format_table(
            ("field", "what it is"),
            [format_row(f"`{name}`", shown) for name, shown in names.items()],
        )
        for record, names in RECORD_FIELDS.items()
    )


def format_columns() -> str:
    """The columns of the evidence as a table."""
    return "`" + ",".join(COLUMNS) + "`"


def build_settings_tables() -> str:
    """The settings, a table for each purpose."""
    groups: dict[Purpose, list[str]] = {purpose: [] for purpose in Purpose}
    for setting in list_settings():
        default = f"`{setting.default}`" if setting.default else ""
        groups[setting.purpose].append(
            format_row(
                f"`{setting.name}`",
                "required" if setting.default is REQUIRED else default,
                setting.help + (" (secret)" if setting.is_secret else ""),
            )
        )
    return "\n\n".join(
        f"## {purpose}\n\n" + format_table(("setting", "default", "what it is"), rows)
        for purpose, rows in groups.items()
    )


def build_sample_settings() -> str:
    """`local.settings.sample.json`."""
    hosts = {"AzureWebJobsStorage": "UseDevelopmentStorage=true"}
    hosts["FUNCTIONS_WORKER_RUNTIME"] = "python"
    by_purpose = sorted(list_settings(), key=lambda one: list(Purpose).index(one.purpose))
    values = hosts | {setting.name: setting.sample_text for setting in by_purpose}
    return json.dumps({"IsEncrypted": False, "Values": values}, indent=2) + "\n"


def build_openapi_json() -> str:
    """`docs/openapi.json`."""
    return json.dumps(build_api_document(), indent=1, ensure_ascii=False) + "\n"


def build_cmdlet_catalog() -> str:
    """What `infra/exchange-role.ps1` may grant, as JSON that PowerShell reads."""
    entries = [
        {
            "guard": name,
            "cmdlet": entry.name,
            "writes": entry.writes,
            "optional": entry.optional,
            "parameters": entry.parameters
            if entry.writes
            else find_cmdlet(entry.name).read_parameters,
        }
        for name, permissions in (
            *((config.guard.name, config.guard.permissions) for config in CATALOG),
            (CONTAINMENT, CONTAINMENT_PERMISSIONS),
        )
        for entry in permissions
        if entry.service is Service.EXCHANGE
    ]
    guards = json.dumps([config.guard.name for config in CATALOG])
    enforcing = json.dumps([config.guard.name for config in CATALOG if config.mode is Mode.ENFORCE])
    lines = ",\n".join(f"  {json.dumps(entry)}" for entry in entries)
    lines = lines.replace(', "parameters"', ',\n   "parameters"')
    others = json.dumps([CONTAINMENT])
    document = (
        f'{{"guards": {guards},\n "others": {others},\n "enforcing": {enforcing},\n '
        f'"entries": [\n{lines}\n ]}}'
    )
    return f"#>\n$Catalog = @'\n{document}\n'@ | ConvertFrom-Json\n<#"


def build_exchange_roles_text() -> str:
    """How many roles `infra/exchange-role.ps1` makes with the defaults."""
    entries = [
        (config, entry)
        for config in CATALOG
        for entry in config.guard.permissions
        if entry.service is Service.EXCHANGE
    ]
    reads = len({entry.name for _, entry in entries if not entry.writes})
    writes = sum(entry.writes and config.mode is Mode.ENFORCE for config, entry in entries)
    most = sum(entry.writes for _, entry in entries)
    return (
        f"With the default guards and modes there are {reads + writes} roles: {reads} that read and"
        f" {writes} that write; with every guard enforcing, {most} that write."
    )


def list_guard_tables() -> dict[str, TableBuilder]:
    """The tables of docs/guards.md by name."""
    tables: dict[str, TableBuilder] = {"overview": build_guard_table}
    tables["baseline"] = build_baseline_table
    for config in CATALOG:
        tables[f"permissions {config.guard.name}"] = partial(build_permission_table, config)
        tables[f"controls {config.guard.name}"] = partial(format_controls, config)
    for name, collections in WATCHED_COLLECTIONS.items():
        tables[f"collections {name}"] = partial(build_collection_table, collections)
    return tables


def build_collection_table(collections: Sequence[WatchedCollection]) -> str:
    """What a guard watches, with its techniques and what it holds harmless."""
    rows = [
        format_row(
            one.plural,
            ", ".join(f"`{name_read(source)}`" for source in one.sources),
            ", ".join(one.techniques),
            one.harmless,
        )
        for one in collections
    ]
    return format_table(("collection", "read", "ATT&CK", "harmless"), rows)


def name_read(source: str) -> str:
    """What is read of a source: a cmdlet, or a path of Graph without its options."""
    if source in DERIVED_READS:
        return DERIVED_READS[source]
    return CONFIGURATION_SOURCES[source].read.partition("?$select")[0]


def list_tables() -> dict[Path, dict[str, TableBuilder]]:
    """What builds the tables of each file, by the table's name."""
    return {
        ROOT / "README.md": {
            "guards": build_readme_table,
            "price": build_price_sentence,
            "assumptions": assumptions.build_summary,
        },
        ROOT / "docs" / "guards.md": list_guard_tables(),
        ROOT / "docs" / "evidence.md": {"records": build_record_tables, "columns": format_columns},
        ROOT / "docs" / "cli.md": {
            name: partial(str, example) for name, example in cli_samples.build_examples().items()
        },
        ROOT / "docs" / "assumptions.md": {
            "summary": assumptions.build_summary,
            "register": assumptions.build_register,
        },
        ROOT / "docs" / "coverage.md": {
            "summary": coverage.build_summary,
            "behaviours": coverage.build_behaviour_table,
            "techniques": coverage.build_technique_table,
        },
        ROOT / "docs" / "deploy.md": {"exchange roles": build_exchange_roles_text},
        ROOT / "docs" / "settings.md": {"settings": build_settings_tables},
        ROOT / "docs" / "permissions.md": {"permissions": build_all_permissions_table},
        INFRA / "exchange-role.ps1": {"cmdlets": build_cmdlet_catalog},
        ROOT / "azure.yaml": {"pipeline variables": infra.build_pipeline_list},
        ROOT / ".github" / "workflows" / "azure-dev.yml": {
            "pipeline variables": infra.build_pipeline_environment
        },
        INFRA / "main.bicep": {"guards": infra.build_guards_object},
        INFRA / "app.bicep": {"guard settings": infra.build_guard_settings},
        INFRA / "entra.bicep": {
            "permissions": infra.build_permissions_object,
            "containment": infra.build_containment_object,
        },
    }


def build_parameters_file(text: str) -> str:
    """`main.parameters.json` with the settings of the guards in the catalog."""
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


def replace_table(text: str, name: str, content: str) -> str:
    """A document with one table replaced. Raises LookupError if it has no place for the table."""
    inner = rf"(?<=<!-- {re.escape(name)} -->\n).*?(?=^[^\n]*<!-- end -->)"
    place = re.search(inner, text, re.DOTALL | re.MULTILINE)
    if not place:
        raise LookupError(f"add a place for it: <!-- {name} --> and below it <!-- end -->")
    return f"{text[: place.start()]}{content}\n{text[place.end() :]}"


def replace_tables(text: str, tables: Mapping[str, TableBuilder]) -> str:
    """A document with its tables as the code has them. Raises LookupError at the first mistake."""
    for name, build in tables.items():
        text = replace_table(text, name, build())
    return text


def write_tables(path: Path, tables: Mapping[str, TableBuilder]) -> Iterator[str]:
    """Write the tables of one file as far as possible, and yield what is missing."""
    text = path.read_text(encoding="utf-8")
    for name, build in tables.items():
        try:
            content = build()
        except LookupError as missing:
            yield missing.args[0]
            continue
        try:
            text = replace_table(text, name, content)
        except LookupError as missing:
            yield f"{path.relative_to(ROOT)} has no table {name!r}: {missing.args[0]}"
    path.write_text(text, encoding="utf-8")


def list_unknown_permissions() -> Iterator[str]:
    """What core/microsoft365/permission_risks.py does not know of what the guards need."""
    for config in CATALOG:
        for permission in config.guard.permissions:
            try:
                describe_risk(permission)
            except LookupError as missing:
                yield missing.args[0]


MENTIONS: Mapping[str, tuple[str, str]] = {
    "docs/guards.md": (
        "\n## {name}\n",
        "a section in the catalog's order, with the threat, the verdicts and "
        "**Articles and controls.**",
    ),
    "sandbox/scenes/attack_steps.py": (
        '"{name}"',
        "a step in which the attacker does it, and what the guard finds then",
    ),
    "tests/resilience/generators/scenes.py": ('"{name}":', "a tenant in which it finds something"),
}
"""Where every guard has to be named, how, and what a person adds there."""


def list_missing_mentions() -> Iterator[str]:
    """The places that do not name a guard of the catalog."""
    for file, (mark, what) in MENTIONS.items():
        text = (ROOT / file).read_text(encoding="utf-8")
        for config in CATALOG:
            if mark.format(name=config.guard.name) not in text:
                yield f"{file} does not name {config.guard.name}: add {what}"


def list_placeholders() -> Iterator[str]:
    """The texts that `tools.new_guard` leaves to a person."""
    for path in (
        *sorted((ROOT / "core" / "guards").rglob("*.py")),
        ROOT / "core" / "microsoft365" / "cis_benchmark.py",
        ROOT / "core" / "microsoft365" / "configuration_sources.py",
        ROOT / "docs" / "guards.md",
        ROOT / "sandbox" / "scenes" / "attack_steps.py",
    ):
        is_generated = False
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("<!-- "):
                is_generated = line != "<!-- end -->"
            found = None if is_generated else re.search(r"DESCRIBE [^.|\"]*", line)
            if found:
                yield f"{path.relative_to(ROOT)}:{number} is a placeholder: {found[0].strip()}"


def write_documents() -> tuple[str, ...]:
    """Write every generated document and table. Returns what a person has to add, by file."""
    missing = [*list_unknown_permissions(), *list_missing_mentions()]
    # First, because workflows hand on what is in it.
    parameters = INFRA / "main.parameters.json"
    text = build_parameters_file(parameters.read_text(encoding="utf-8"))
    parameters.write_text(text, encoding="utf-8")
    for path, tables in list_tables().items():
        missing += write_tables(path, tables)
    (ROOT / "local.settings.sample.json").write_text(build_sample_settings(), encoding="utf-8")
    (ROOT / "docs" / "openapi.json").write_text(build_openapi_json(), encoding="utf-8")
    return tuple(dict.fromkeys((*missing, *list_placeholders())))


if __name__ == "__main__":
    if gaps := write_documents():
        sys.exit("\n".join(("Still missing:", *(f"  {gap}" for gap in gaps))))
