"""Security of the resources: the rules of this project, and checkov's.

checkov's rules are general; security.json lists the checks that do not fit, with reasons. A reason
that is no longer needed is a mistake too.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.bicep_lint.parser import parse_bicep_file
from tools.bicep_lint.shapes import TypedResource, iter_resources
from tools.bicep_lint.tree import BicepError, Declaration, File, Name, Node, Object, Text, Value

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".tools/infra/venv/bin/python"
SCRIPT = Path(__file__).with_name("ask_checkov.py")
ACCEPTED_FINDINGS = Path(__file__).with_name("security.json")
TIMEOUT_SECONDS = 120
CRASHED_CHECK = re.compile(r"Failed to run check (\w+) on \S*?([^/\s:]+\.bicep):(\S+)")

STORAGE = "Microsoft.Storage/storageAccounts"
VAULT = "Microsoft.KeyVault/vaults"
SITE = "Microsoft.Web/sites"


@dataclass(frozen=True, slots=True)
class Rule:
    """A property that every resource of a type must have with this very value."""

    type: str
    path: str
    value: str | bool
    why: str


RULES = (
    Rule(STORAGE, "properties.allowSharedKeyAccess", False, "a key opens everything to its finder"),
    Rule(STORAGE, "properties.allowBlobPublicAccess", False, "nothing here is for everybody"),
    Rule(STORAGE, "properties.supportsHttpsTrafficOnly", True, "tokens travel encrypted"),
    Rule(STORAGE, "properties.minimumTlsVersion", "TLS1_2", "older ones are broken"),
    Rule(STORAGE, "properties.allowCrossTenantReplication", False, "no copy leaves the tenant"),
    Rule(f"{STORAGE}/blobServices/containers", "properties.publicAccess", "None", "the package"),
    Rule(VAULT, "properties.enableRbacAuthorization", True, "one secret, not the vault"),
    Rule(VAULT, "properties.enablePurgeProtection", True, "a deleted secret can be had back"),
    Rule(SITE, "properties.httpsOnly", True, "keys travel in requests"),
    Rule(SITE, "properties.siteConfig.minTlsVersion", "1.2", "older ones are broken"),
    Rule(SITE, "properties.siteConfig.scmMinTlsVersion", "1.2", "older ones are broken"),
    Rule(
        SITE,
        "properties.siteConfig.ipSecurityRestrictionsDefaultAction",
        "Deny",
        "who may call the routes is named",
    ),
    Rule(SITE, "identity.type", "UserAssigned", "the identity the app registration trusts"),
    Rule(
        f"{SITE}/basicPublishingCredentialsPolicies",
        "properties.allow",
        False,
        "no passwords for deployment",
    ),
    Rule(
        "Microsoft.Insights/components",
        "properties.DisableLocalAuth",
        True,
        "whoever knows the key could forge what the alerts read",
    ),
    Rule(
        "Microsoft.OperationalInsights/workspaces",
        "properties.features.disableLocalAuth",
        True,
        "the same, from behind",
    ),
    Rule("Microsoft.Graph/applications", "signInAudience", "AzureADMyOrg", "one tenant"),
)


def check_security(folder: Path) -> Iterator[str]:
    """Everything the rules and checkov find in a folder."""
    yield from check_rules(folder)
    yield from run_checkov(folder)


def check_rules(folder: Path) -> Iterator[str]:
    """Where a rule of this project is not kept."""
    seen: set[str] = set()
    for path in sorted(folder.glob("*.bicep")):
        try:
            file = parse_bicep_file(path)
        except BicepError:
            continue  # `symbols` and `syntax` say so.
        for typed in iter_resources(file):
            seen.add(typed.type)
            yield from find_broken_rules(file, typed)
    for type_name in sorted({rule.type for rule in RULES} - seen):
        yield f"security: there is no {type_name}, which rules are about"


def find_broken_rules(file: File, resource: TypedResource) -> Iterator[str]:
    """The rules one resource breaks."""
    if resource.entry.existing:
        return
    for rule in RULES:
        if rule.type == resource.type:
            node = resolve_path(rule.path, resource.entry, file)
            if get_literal_value(node) != rule.value or type(get_literal_value(node)) is not type(
                rule.value
            ):
                yield (
                    f"security: {file.path.name}:{resource.entry.line}: {resource.entry.name}."
                    f"{rule.path} must be {rule.value}: {rule.why}"
                )


def resolve_path(path: str, entry: Declaration, file: File) -> Node | None:
    """What stands at a path of a resource, through variables."""
    names = file.get_declarations("var")
    node: Node | None = entry.body
    for key in path.split("."):
        if not isinstance(node, Object):
            return None
        node = node.values.get(key)
        while isinstance(node, Name) and node.name in names:
            node = names[node.name].value
    return node


def get_literal_value(node: Node | None) -> str | bool | int | None:
    """A value that is written out."""
    if isinstance(node, Text):
        return node.plain
    return node.value if isinstance(node, Value) else None


@dataclass(frozen=True, slots=True)
class CheckovFinding:
    """A check of checkov that a resource does not pass, or that broke over it."""

    check: str
    name: str
    file: str
    resource: str


def run_checkov(folder: Path) -> Iterator[str]:
    """What checkov says beyond what there is a reason for."""
    if not PYTHON.is_file():
        yield "security: checkov is missing: make setup"
        return
    run = subprocess.run(
        [PYTHON, SCRIPT, folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    try:
        said = json.loads(run.stdout)
        count, errors = said["summary"]["resource_count"], said["summary"]["parsing_errors"]
    except (ValueError, KeyError):
        yield f"security: checkov failed: {(run.stderr or run.stdout).strip()[-400:]}"
        return
    if errors or not count:
        yield f"security: checkov could not read {errors} files and saw {count} resources"
    yield from match_reasons(list(parse_findings(said, run.stderr)))


def parse_findings(
    report: dict[str, dict[str, list[dict[str, str]]]], log: str
) -> Iterator[CheckovFinding]:
    """Failed checks, and checks that raised an exception instead of an answer."""
    for row in report["results"]["failed_checks"]:
        file = row["file_path"].lstrip("/")
        yield CheckovFinding(row["check_id"], row["check_name"], file, row["resource"])
    for check_id, file, name in CRASHED_CHECK.findall(log):
        yield CheckovFinding(check_id, "the check itself broke", file, name)


def match_reasons(findings: list[CheckovFinding]) -> Iterator[str]:
    """Verdicts without a reason, and reasons without a verdict."""
    reasons = json.loads(ACCEPTED_FINDINGS.read_text(encoding="utf-8"))
    for entry in findings:
        if entry.check not in reasons:
            yield f"security: {entry.file}: {entry.resource}: {entry.name} ({entry.check})"
    for check_id in sorted(reasons.keys() - {entry.check for entry in findings}):
        yield f"security: {ACCEPTED_FINDINGS.name}: the reason for {check_id} is no longer needed"
