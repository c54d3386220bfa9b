"""The workflows of .github do what they say, with pinned actions and few rights."""

import re
import shutil
from pathlib import Path

import pytest

from tests.infra.bicep_values import INFRA, ROOT
from tools.docs_gen.infra import list_pipeline_variables
from tools.workflow_lint.__main__ import check_workflows, find_unpinned_actions, run_zizmor

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))


def read(name: str) -> str:
    """A file of .github."""
    return (GITHUB / name).read_text(encoding="utf-8")


def test_mistakes_in_workflows_are_found(tmp_path: Path) -> None:
    folder = tmp_path / ".github"
    shutil.copytree(GITHUB, folder)
    for name, old, new in (
        ("release.yml", '"$TAG"', "${{ github.ref_name }}"),
        ("test.yml", "timeout-minutes: 60", "timeout-minute: 60"),
        ("azure-dev.yml", "# v7.0.1", "# latest"),
    ):
        path = folder / "workflows" / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
    said = list(check_workflows(folder))
    assert any("template-injection" in line and "release.yml" in line for line in said), said
    assert any("test.yml" in line and '"timeout-minute"' in line for line in said), said
    assert any("azure-dev.yml" in line and "not pinned" in line for line in said), said


def test_a_folder_without_workflows_and_a_file_that_is_none_are_not_clean(tmp_path: Path) -> None:
    assert list(check_workflows(tmp_path))
    (tmp_path / "workflows").mkdir()
    (tmp_path / "workflows" / "broken.yml").write_text("on: [push\njobs: {}\n", encoding="utf-8")
    assert list(run_zizmor(tmp_path))


@pytest.mark.parametrize(
    ("used", "pinned"),
    [
        ("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", True),
        ("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", False),
        ("actions/checkout@v7", False),
        ("actions/checkout@3d3c42e # v7.0.1", False),
        ("docker://alpine:3", False),
        ("./.github/actions/own", True),
    ],
)
def test_an_action_is_pinned_by_commit_with_its_version(
    tmp_path: Path, used: str, pinned: bool
) -> None:
    path = tmp_path / "one.yml"
    path.write_text(f"    - uses: {used}\n", encoding="utf-8")
    assert (list(find_unpinned_actions(path)) == []) is pinned


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_right_but_those_of_its_jobs(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "\npermissions: {}\n" in text
    assert len(re.findall(r"^    permissions:$", text, re.MULTILINE)) == len(
        re.findall(r"^    runs-on: ", text, re.MULTILINE)
    )
    checkouts = text.count("actions/checkout@")
    assert text.count("persist-credentials: false") == checkouts


def test_a_pull_request_gets_no_secret_and_no_right_to_write() -> None:
    text = read("workflows/test.yml")
    assert "pull_request:" in text
    assert "pull_request_target" not in "".join(p.read_text(encoding="utf-8") for p in WORKFLOWS)
    assert "secrets." not in text
    assert "write" not in text


def test_the_deployment_signs_in_without_a_secret() -> None:
    text = read("workflows/azure-dev.yml")
    assert "--federated-credential-provider github" in text
    assert "id-token: write" in text
    assert set(re.findall(r"secrets\.(\w+)", text)) == {"ALERT_WEBHOOK_URL"}


def test_every_parameter_a_deployer_set_reaches_the_workflow() -> None:
    """One that does not would go back to its default with the next push."""
    asked = set(
        re.findall(r"\$\{([A-Z0-9_]+)", (INFRA / "main.parameters.json").read_text("utf-8"))
    )
    handed = set(re.findall(r"(?:vars|secrets)\.(\w+)", read("workflows/azure-dev.yml")))
    # The address is in Key Vault after the first deployment, and a vault is taken back by hand.
    assert asked - handed == {"TEAMS_WEBHOOK_URL", "RECOVER_KEY_VAULT"}
    plan = (ROOT / "azure.yaml").read_text(encoding="utf-8")
    listed = set(re.findall(r"^    - ([A-Z0-9_]+)$", plan, re.MULTILINE))
    assert listed == {*list_pipeline_variables(), "ALERT_WEBHOOK_URL", "KEY_VAULT_NAME"}


def test_a_release_attaches_what_it_built_twice_and_attested() -> None:
    text = read("workflows/release.yml")
    assert "diff first/SHA256SUMS dist/SHA256SUMS" in text
    assert "subject-checksums: dist/SHA256SUMS" in text
    assert "sbom-path: dist/exoguard.cdx.json" in text


@pytest.mark.parametrize("name", ["bug.yml", "idea.yml"])
def test_forms_warn_against_data_of_a_tenant(name: str) -> None:
    assert "Paste nothing of your tenant" in read(f"ISSUE_TEMPLATE/{name}")
    assert "blank_issues_enabled: false" in read("ISSUE_TEMPLATE/config.yml")
    assert "Paste nothing of a tenant" in read("pull_request_template.md")
