"""What the Bicep CLI says of infra/."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 300
# One line a finding: FILE(LINE,COLUMN) : Warning rule: text
FINDING = re.compile(r"^(?P<file>.+?)\((?P<line>\d+),\d+\) : (?P<level>\w+) (?P<text>.*)$")
# Names that Azure limits more than others, by resource type (Microsoft Learn: "Naming rules and
# restrictions for Azure resources").
NAME_RULES = {
    "Microsoft.Storage/storageAccounts": re.compile(r"[a-z0-9]{3,24}"),
    "Microsoft.KeyVault/vaults": re.compile(r"[A-Za-z](?:-?[A-Za-z0-9]){2,23}"),
    "Microsoft.Web/sites": re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,58}[A-Za-z0-9])?"),
    "Microsoft.Insights/actionGroups": re.compile(r"[^:<>+/&%\\?|]{1,260}"),
    "Microsoft.Insights/scheduledQueryRules": re.compile(r"[^#<>%&:?/{}*]{1,260}"),
}
# What a snapshot cannot work out stands in brackets, as in a template.
UNKNOWN = re.compile(r"^\[")
SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
TENANT = "00000000-0000-0000-0000-000000000002"


def run_bicep(bicep: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """One call of the compiler."""
    return subprocess.run(
        [bicep, *arguments], capture_output=True, text=True, check=False, timeout=TIMEOUT_SECONDS
    )


def check_bicep(bicep: str, folder: Path, work: Path) -> Iterator[str]:
    """Everything the compiler says of a folder; `work` is an empty folder it may write to."""
    yield from compile_main(bicep, folder)
    for path in sorted(folder.glob("*.bicep")):
        yield from compare_layout(bicep, path)
    copy = work / "infra"
    shutil.copytree(folder, copy)
    plans = sorted((copy / "tests" / "plans").glob("*.bicepparam"))
    if not plans:
        yield "bicep: there are no plans in tests/plans"
    for plan in plans:
        yield from check_plan(bicep, plan)


def compile_main(bicep: str, folder: Path) -> Iterator[str]:
    """Errors and warnings of main.bicep and all it uses."""
    run = run_bicep(bicep, "build", folder / "main.bicep", "--stdout")
    found = [
        f"bicep: {Path(match['file']).name}:{match['line']}: {match['level']} {match['text']}"
        for line in run.stderr.splitlines()
        if (match := FINDING.match(line)) and match["level"] in ("Error", "Warning")
    ]
    yield from found
    if run.returncode and not found:
        yield f"bicep: main.bicep does not compile: {run.stderr.strip()[-400:]}"


def compare_layout(bicep: str, path: Path) -> Iterator[str]:
    """Whether the formatter would write a file as it is."""
    run = run_bicep(bicep, "format", path, "--stdout")
    if run.returncode:
        yield f"bicep: {path.name} cannot be formatted: {run.stderr.strip()[-200:]}"
        return
    pairs = zip(run.stdout.splitlines(), path.read_text("utf-8").splitlines(), strict=False)
    for number, (wanted, found) in enumerate(pairs, 1):
        if wanted != found:
            yield f"bicep: {path.name}:{number}: bicep format writes {wanted.strip()[:80]!r}"
            return
    if run.stdout.rstrip("\n") != path.read_text("utf-8").rstrip("\n"):
        yield f"bicep: {path.name}: bicep format writes more or fewer lines"


def check_plan(bicep: str, plan: Path) -> Iterator[str]:
    """A deployment worked out without Azure: that it has resources, with names Azure takes."""
    given = ("--subscription-id", SUBSCRIPTION, "--tenant-id", TENANT, "--location", "westeurope")
    run = run_bicep(bicep, "snapshot", plan, "--mode", "overwrite", *given)
    target = plan.with_suffix(".snapshot.json")
    if run.returncode or not target.is_file():
        yield f"bicep: {plan.name} has no snapshot: {run.stderr.strip()[-400:]}"
        return
    resources = json.loads(target.read_text(encoding="utf-8")).get("predictedResources", [])
    if not resources:
        yield f"bicep: {plan.name} deploys nothing"
    for resource in resources:
        yield from check_name(plan.name, resource)


def check_name(plan: str, resource: dict[str, Any]) -> Iterator[str]:
    """The name of one planned resource."""
    name, rule = str(resource.get("name", "")), NAME_RULES.get(str(resource.get("type")))
    if rule and not UNKNOWN.match(name) and not rule.fullmatch(name):
        yield f"bicep: {plan}: Azure takes no {resource['type']} named {name!r}"
