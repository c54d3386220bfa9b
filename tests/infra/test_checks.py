"""Every infra check finds its mistakes: each is made in a copy of infra/ and must be reported."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.infra.bicep_values import INFRA, ROOT
from tools.bicep_lint import documents, kusto, linter, security, shapes, symbols, syntax
from tools.bicep_lint.parser import parse_bicep_text
from tools.bicep_lint.tree import BicepError

type Check = Callable[[Path], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Mistake:
    """A text of a file, its wrong replacement, and what the check then reports."""

    check: Check
    file: str
    old: str
    new: str
    said: str


MISTAKES = {
    "a missing brace": Mistake(
        syntax.check_syntax, "identity.bicep", "  tags: tags\n}", "  tags: tags\n", "identity.bicep"
    ),
    "a misspelt keyword": Mistake(
        syntax.check_syntax, "storage.bicep", "param sku", "parma sku", "storage.bicep"
    ),
    "a symbol nobody declared": Mistake(
        symbols.check_symbols, "app.bicep", "serverFarmId: plan.id", "serverFarmId: plna.id",
        "plna is not",
    ),
    "a symbol in a text": Mistake(
        symbols.check_symbols, "keyvault.bicep", "${vault.properties", "${valt.properties",
        "valt is not",
    ),
    "a parameter nobody uses": Mistake(
        symbols.check_symbols, "identity.bicep", "param tags", "param spare string\nparam tags",
        "spare",
    ),
    "a variable nobody uses": Mistake(
        symbols.check_symbols, "identity.bicep", "param tags", "var spare = 1\nparam tags",
        "spare is not",
    ),
    "a parameter a module is not given": Mistake(
        symbols.check_symbols, "main.bicep", "    sku: storageSku\n", "",
        "storage.bicep is not given sku",
    ),
    "a parameter a module does not have": Mistake(
        symbols.check_symbols, "main.bicep", "    sku: storageSku", "    skew: storageSku",
        "parameter skew",
    ),
    "an output a module does not have": Mistake(
        symbols.check_symbols, "main.bicep", "outputs.webhookSecretUri", "outputs.secretUri",
        "no output",
    ),
    "a module file that is not there": Mistake(
        symbols.check_symbols, "main.bicep", "'roles.bicep'", "'rolls.bicep'",
        "no module file rolls.bicep",
    ),
    "a key a variable does not have": Mistake(
        symbols.check_symbols, "roles.bicep", "roles.keyVaultSecretsUser", "roles.keyVaultUser",
        "has no",
    ),
    "a nested resource that is not there": Mistake(
        symbols.check_symbols, "roles.bicep", "scope: vault::webhook", "scope: vault::hook",
        "no nested resource",
    ),
    "a function that does not exist": Mistake(
        symbols.check_symbols, "alerts.bicep", "trim(address)", "strip(address)",
        "there is no function",
    ),
    "a loop variable outside its loop": Mistake(
        symbols.check_symbols, "network.bicep",
        "token}'\n  location: location\n  tags: tags\n  sku",
        "token}${endpoint.name}'\n  location: location\n  tags: tags\n  sku", "endpoint is not",
    ),
    "a loop in a condition": Mistake(
        symbols.check_symbols, "alerts.bicep", "webhookReceivers: empty(alertWebhookUrl) ? []",
        "webhookReceivers: empty(alertWebhookUrl) ? [for x in [1]: { name: string(x) }]",
        "a declaration or a property only",
    ),
    "a loop over properties in another": Mistake(
        symbols.check_symbols, "alerts.bicep", "        emailAddress: trim(address)",
        "        emailAddress: [for x in [1]: x]", "cannot stand in another",
    ),
    "a query that is not there": Mistake(
        symbols.check_symbols, "alerts.bicep", "app-silent.kql", "app-dead.kql", "there is no file"
    ),
    "a name declared twice": Mistake(
        symbols.check_symbols, "roles.bicep", "param identityName string",
        "param identityName string\n"
        "param identityName string", "declared twice",
    ),
    "a secret in an output": Mistake(
        symbols.check_symbols, "keyvault.bicep", "output webhookSecretUri string = '",
        "output gone string = teamsWebhookUrl\noutput webhookSecretUri string = '",
        "gives a secret away",
    ),
    "a secret handed to a parameter in the clear": Mistake(
        symbols.check_symbols, "keyvault.bicep", "@secure()\n", "", "takes a secret"
    ),
    "a secret with a default": Mistake(
        symbols.check_symbols, "main.bicep", "param teamsWebhookUrl string = ''",
        "param teamsWebhookUrl string = 'https://x'", "secret with a default",
    ),
    "a data type nobody declared": Mistake(
        symbols.check_symbols, "app.bicep", "param guards guardsType", "param guards guardType",
        "no data type guardType",
    ),
    "an import that is not used": Mistake(
        symbols.check_symbols, "auth.bicep", "param appName string",
        "import { tagsType } from 'types.bicep'\nparam appName string", "imported and not used",
    ),
    "an import of what is not there": Mistake(
        symbols.check_symbols, "identity.bicep", "{ tagsType }", "{ tagsType, tagType }",
        "exports no tagType",
    ),
    "an import from a file that is not there": Mistake(
        symbols.check_symbols, "identity.bicep", "'types.bicep'", "'type.bicep'",
        "no file type.bicep",
    ),
    "a type that others import and is not exported": Mistake(
        symbols.check_symbols, "types.bicep", "@export()\n@description('Tags", "@description('Tags",
        "exports no tagsType",
    ),
    "a module with a name": Mistake(
        linter.check_linter, "main.bicep", "module roles 'roles.bicep' = {",
        "module roles 'roles.bicep' = {\n  name: 'roles'", "no-module-name",
    ),
    "an object of anything": Mistake(
        linter.check_linter, "network.bicep", "param tags tagsType", "param tags object",
        "use-user-defined-types",
    ),
    "a list of anything": Mistake(
        linter.check_linter, "app.bicep", "param allowedCidrs rangesType",
        "param allowedCidrs array", "use-user-defined-types",
    ),
    "the name of a resource from another module": Mistake(
        linter.check_linter, "main.bicep", "identityName: names.identity\n    hostAccountName",
        "identityName: identity.outputs.name\n    hostAccountName", "what-if-short-circuiting",
    ),
    "what a loop goes over from another module": Mistake(
        linter.check_linter, "main.bicep", "alertEmails: alertEmails",
        "alertEmails: monitoring.outputs.workspaceId", "what-if-short-circuiting",
    ),
    "a resource id that is any text": Mistake(
        linter.check_linter, "network.bicep", "resourceId(endpoint.type, endpoint.owner)",
        "endpoint.owner", "use-resource-id-functions",
    ),
    "a loop within a line": Mistake(
        linter.check_linter, "entra.bicep",
        "= [\n  for name in (grantPermissions ? graphRoles : []): {",
        "= [for name in (grantPermissions ? graphRoles : []): {", "begins on a line of its own",
    ),
    "a call that is too wide": Mistake(
        linter.check_linter, "roles.bicep",
        "(\n      'Microsoft.Authorization/roleDefinitions',\n      roles.storageQueue",
        "('Microsoft.Authorization/roleDefinitions', roles.storageQueue", "can be broken",
    ),
    "a tab": Mistake(
        linter.check_linter, "identity.bicep", "  tags: tags", "\ttags: tags", "or a tab",
    ),
    "a misspelt property": Mistake(
        shapes.check_shapes, "storage.bicep", "allowSharedKeyAccess", "allowSharedKeyAcces",
        "no such",
    ),
    "a misspelt property deep inside": Mistake(
        shapes.check_shapes, "app.bicep", "instanceMemoryMB", "instanceMemoryMb", "no such property"
    ),
    "a read-only property": Mistake(
        shapes.check_shapes, "app.bicep", "    httpsOnly: true",
        "    httpsOnly: true\n    defaultHostName: 'x'", "read-only",
    ),
    "a required property that is missing": Mistake(
        shapes.check_shapes, "storage.bicep", "  kind: 'StorageV2'\n", "", ".kind: is required"
    ),
    "a value that is none of the known": Mistake(
        shapes.check_shapes, "storage.bicep", "'StorageV2'", "'StorageV9'", "is none of"
    ),
    "a number in quotes": Mistake(
        shapes.check_shapes, "app.bicep", "instanceMemoryMB: 2048", "instanceMemoryMB: '2048'",
        "is int",
    ),
    "a flag in quotes": Mistake(
        shapes.check_shapes, "keyvault.bicep", "PurgeProtection: true", "PurgeProtection: '1'",
        "is bool",
    ),
    "an object where a list is expected": Mistake(
        shapes.check_shapes, "network.bicep", "groupIds: [endpoint.service]",
        "groupIds: { service: 'blob' }", "not an object",
    ),
    "a misspelt property of an alert": Mistake(
        shapes.check_shapes, "alerts.bicep", "evaluationFrequency", "evaluationFrequence", "no such"
    ),
    "an alert of the activity log that tells nobody": Mistake(
        shapes.check_shapes, "alerts.bicep", "actionGroupId: people.id", "groupId: people.id",
        ".actionGroupId: is required",
    ),
    "a misspelt property of the app registration": Mistake(
        shapes.check_shapes, "entra.bicep", "signInAudience", "signinAudience", "no such property"
    ),
    "a misspelt property of the sign-in": Mistake(
        shapes.check_shapes, "signin.bicep", "redirectUris", "redirectUrls", "no such property"
    ),
    "a misspelt property of the authentication in front": Mistake(
        shapes.check_shapes, "auth.bicep", "requireAuthentication", "requiresAuthentication",
        "no such",
    ),
    "an app registration without a name": Mistake(
        shapes.check_shapes, "entra.bicep", "  uniqueName: uniqueName\n", "",
        ".uniqueName: is required",
    ),
    "a version whose types are not known": Mistake(
        shapes.check_shapes, "storage.bicep", "storageAccounts@2025-06-01",
        "storageAccounts@2019-01-01",
        "is not 2025-06-01",
    ),
    "a resource type that does not exist": Mistake(
        shapes.check_shapes, "identity.bicep", "userAssignedIdentities@", "userIdentities@",
        "neither azmcp",
    ),
    "a secret written into the parameters": Mistake(
        documents.check_documents, "main.parameters.json", "${TEAMS_WEBHOOK_URL}", "https://x",
        "is a secret",
    ),
    "a parameter main.bicep does not have": Mistake(
        documents.check_documents, "main.parameters.json", '"alertEmails"', '"alertMails"',
        "alertMails",
    ),
    "an output azd would take for a wish": Mistake(
        documents.check_documents, "main.bicep", "output KEY_VAULT_NAME",
        "output EXISTING_CLIENT_ID",
        "EXISTING_CLIENT_ID is an output too",
    ),
    "JSON with a comma too many": Mistake(
        documents.check_documents, "workbook.json", '"version": "Notebook/1.0",',
        '"version": "N",,',
        "workbook.json",
    ),
    "a workbook query without a time range": Mistake(
        documents.check_documents, "workbook.json", '"timeContextFromParameter": "TimeRange"',
        '"timeContext": "x"', "does not ask",
    ),
    "an extension nobody configured": Mistake(
        documents.check_documents, "bicepconfig.json", "microsoftGraphV1", "microsoftGraph",
        "no extension",
    ),
    "an app azd cannot find": Mistake(
        documents.check_documents, "app.bicep", "'azd-service-name': 'exoguard'",
        "'azd-service-name': 'x'",
        "has no service",
    ),
}  # fmt: skip

# What the rules of this project forbid; those of checkov have a test below.
INSECURE = {
    "shared keys": ("storage.bicep", "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"),
    "shared keys by default": ("storage.bicep", "  allowSharedKeyAccess: false\n", ""),
    "a public container": ("storage.bicep", "publicAccess: 'None'", "publicAccess: 'Blob'"),
    "plain HTTP": ("app.bicep", "httpsOnly: true", "httpsOnly: false"),
    "open routes": (
        "app.bicep",
        "ipSecurityRestrictionsDefaultAction: 'Deny'\n      ipSec",
        "ipSecurityRestrictionsDefaultAction: 'Allow'\n      ipSec",
    ),
    "passwords for deployment": ("app.bicep", "allow: false", "allow: true"),
    "a vault that can be purged": ("keyvault.bicep", "Protection: true", "Protection: false"),
    "access policies": ("keyvault.bicep", "RbacAuthorization: true", "RbacAuthorization: false"),
    "forgeable telemetry": (
        "monitoring.bicep",
        "DisableLocalAuth: true",
        "DisableLocalAuth: false",
    ),
    "an app for every tenant": ("entra.bicep", "AzureADMyOrg", "AzureADMultipleOrgs"),
}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of infra/ with azure.yaml above it."""
    shutil.copytree(INFRA, tmp_path / "infra")
    shutil.copy(ROOT / "azure.yaml", tmp_path)
    return tmp_path / "infra"


def spoil(folder: Path, file: str, old: str, new: str) -> None:
    """Replace a text of a file, which must be there."""
    text = (folder / file).read_text(encoding="utf-8")
    assert old in text
    (folder / file).write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_caught(name: str, copy: Path) -> None:
    mistake = MISTAKES[name]
    spoil(copy, mistake.file, mistake.old, mistake.new)
    said = list(mistake.check(copy))
    assert any(mistake.said in line for line in said), said


@pytest.mark.parametrize("name", INSECURE)
def test_what_the_project_insists_on_is_kept(name: str, copy: Path) -> None:
    file, old, new = INSECURE[name]
    spoil(copy, file, old, new)
    said = list(security.check_rules(copy))
    assert said
    assert all(line.startswith(f"security: {file}:") for line in said)


@pytest.mark.parametrize(
    "check",
    [
        syntax.check_syntax,
        symbols.check_symbols,
        linter.check_linter,
        shapes.check_shapes,
        documents.check_documents,
        security.check_rules,
    ],
    ids=["syntax", "symbols", "linter", "shapes", "documents", "security"],
)
def test_nothing_is_wrong_as_it_stands(check: Check, copy: Path) -> None:
    assert list(check(copy)) == []


def test_mistakes_in_queries_are_caught(copy: Path) -> None:
    spoil(copy, "queries/guard-late.kql", "timestamp", "timestmp")
    spoil(copy, "queries/app-silent.kql", "| where lines == 0", "| were lines == 0")
    spoil(copy, "queries/functions-failing.kql", "success == false", "succeeded == false")
    spoil(copy, "workbook.json", "outerMessage", "outerMesage")
    # Nothing is wrong with the others, nor with these as they stand: `make infra-check` asks that.
    assert {line.rpartition(": line ")[0] for line in kusto.check_kusto(copy)} == {
        "kusto: queries/guard-late.kql",
        "kusto: queries/app-silent.kql",
        "kusto: queries/functions-failing.kql",
        "kusto: workbook.json: failures",
    }


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("union requests, traces | count", ["union"]),
        ("let a = traces;\na | union (requests)", ["union"]),
        ("search in (traces) 'x'", ["search"]),
        ("traces | evaluate bag_unpack(customDimensions)", ["bag_unpack"]),
        ('traces // a union of\n| where message has "search" and reunion == 1', []),
    ],
)
def test_what_an_alert_rule_may_refuse_is_told(query: str, refused: list[str]) -> None:
    said = list(kusto.find_refused_operators(query))
    assert said == [f"a log alert rule may refuse {word}" for word in refused]


def test_no_alert_asks_what_its_rule_may_refuse() -> None:
    queries = {name: text for name, text in kusto.collect_queries(INFRA).items() if "/" in name}
    assert queries
    assert [word for text in queries.values() for word in kusto.find_refused_operators(text)] == []


def test_checkov_says_what_is_insecure_and_only_with_a_reason_not(tmp_path: Path) -> None:
    shutil.copy(INFRA / "storage.bicep", tmp_path)
    spoil(tmp_path, "storage.bicep", "'TLS1_2'", "'TLS1_0'")
    said = list(security.run_checkov(tmp_path))
    assert any("storage.bicep" in line and "TLS" in line for line in said), said
    # Neither as what is insecure nor as a reason that nothing needs: it is found, with its reason.
    assert not any("CKV_AZURE_35" in line for line in said)


def test_a_reason_that_nothing_needs_is_a_mistake() -> None:
    said = list(security.match_reasons([]))
    assert any("CKV_AZURE_35" in line for line in said)


def test_an_unread_file_is_never_a_clean_one(copy: Path) -> None:
    (copy / "extra.bicep").write_text("param a string =\n", encoding="utf-8")
    assert any("extra.bicep" in line for line in symbols.check_symbols(copy))
    assert any("extra.bicep" in line for line in syntax.check_syntax(copy))


def test_a_folder_without_bicep_is_not_clean(tmp_path: Path) -> None:
    assert list(syntax.check_syntax(tmp_path))
    assert list(kusto.check_kusto(tmp_path))
    assert list(documents.check_documents(tmp_path))
    assert list(security.check_rules(tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "param x string = 'a\n'",
        "var x = {\n  a: 1 b: 2\n}\n",
        "var x = [1 2]\n",
        "var x = 1 +\n",
        "var x = 'a${b'\n",
        "resource x 'T@1' = {\n",
        "output x string\n",
        "var x = 'a\\q'\n",
        "var x = #\n",
        "type x = 'a' | 'b'\n",
        "import * as x from 'y.bicep'\n",
    ],
)
def test_what_is_not_bicep_is_refused(text: str) -> None:
    with pytest.raises(BicepError, match=r"line 1|line 2"):
        parse_bicep_text(text)
