"""What is asked of the real tools, with small programs in their place, and what is made of it."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.bicep_values import INFRA, ROOT, read_bicep
from tools.bicep_lint.documents import check_plan

BICEP = """#!/bin/sh
case "$1" in
  build) cat "$HERE/build.txt" >&2; grep -q ' : Error ' "$HERE/build.txt" && exit 1; exit 0 ;;
  format) sed "$(cat "$HERE/format.txt")" "$2" ;;
  snapshot) cp "$HERE/snapshot.json" "${2%.bicepparam}.snapshot.json" ;;
esac
"""
PWSH = """#!/bin/sh
case "$4" in
  *Invoke-Pester*) cat "$HERE/pester.txt" ;;
  *Invoke-ScriptAnalyzer*) cat "$HERE/analyzer.txt" ;;
  *ListAvailable*) cat "$HERE/modules.txt" ;;
  *) cat "$HERE/parse.txt" ;;
esac
"""
PLANNED = {"type": "Microsoft.Storage/storageAccounts", "name": "sthostabc"}
ANSWERS = {
    "build.txt": "",
    "format.txt": "",
    "snapshot.json": json.dumps({"predictedResources": [PLANNED]}),
    "pester.txt": "[]",
    "analyzer.txt": "[]",
    "modules.txt": json.dumps(["Pester", "PSScriptAnalyzer"]),
    "parse.txt": "[]",
}


def run_checks(
    folder: Path, programs: dict[str, str], answers: dict[str, str], *arguments: str
) -> tuple[int, str]:
    """Run the command with these programs on PATH; its end and what it printed."""
    for name, text in (ANSWERS | answers).items():
        (folder / name).write_text(text, encoding="utf-8")
    tools = folder / "bin"
    tools.mkdir()
    for name, text in programs.items():
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-m", "tools.infra_compile", *arguments],
        cwd=ROOT,
        env={"PATH": f"{tools}:/usr/bin:/bin", "HERE": str(folder), "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        check=False,
    )
    return run.returncode, run.stdout + run.stderr


ALL = {"bicep": BICEP, "pwsh": PWSH}


def test_what_is_absent_is_said_in_one_line_and_fails_only_where_it_is_required(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    line = "infra-compile: absent, and not asked: bicep, pwsh, Pester, PSScriptAnalyzer\n"
    assert run_checks(tmp_path / "a", {}, {}) == (0, line)
    assert run_checks(tmp_path / "b", {}, {}, "--require") == (1, line)


def test_what_all_tools_take_is_right(tmp_path: Path) -> None:
    line = "infra-compile: bicep, pwsh, Pester, PSScriptAnalyzer: nothing wrong\n"
    assert run_checks(tmp_path, ALL, {}, "--require") == (0, line)


def test_everything_that_a_tool_says_fails_and_is_shown(tmp_path: Path) -> None:
    code, said = run_checks(
        tmp_path,
        ALL,
        {
            "build.txt": "/x/network.bicep(179,11) : Warning use-resource-id-functions: a text\n"
            "/x/main.bicep(3,1) : Info no matter\n",
            "format.txt": "s/^param location string$/param  location string/",
            "snapshot.json": json.dumps(
                {"predictedResources": [PLANNED | {"name": "st-host"}, PLANNED | {"name": "[x]"}]}
            ),
            "pester.txt": json.dumps(["exchange-role.ps1.a case: it failed"]),
            "analyzer.txt": json.dumps(["exchange-role.ps1:7: a warning (PSRule)"]),
            "parse.txt": json.dumps(["next-steps.ps1:3: Missing '}'"]),
        },
    )
    assert code == 1
    for line in (
        "bicep: network.bicep:179: Warning use-resource-id-functions: a text",
        "bicep format writes 'param  location string'",
        "bicep: smallest.bicepparam: Azure takes no Microsoft.Storage/storageAccounts named "
        "'st-host'",
        "Pester: exchange-role.ps1.a case: it failed",
        "PSScriptAnalyzer: exchange-role.ps1:7: a warning (PSRule)",
        "pwsh: next-steps.ps1:3: Missing '}'",
    ):
        assert line in said
    assert "Info" not in said
    assert "'[x]'" not in said


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"build.txt": "/x/main.bicep(1,1) : Error BCP001: no"}, "main.bicep:1: Error BCP001"),
        ({"snapshot.json": "{}"}, "smallest.bicepparam deploys nothing"),
        ({"pester.txt": "no JSON"}, "Pester: pwsh failed"),
        ({"modules.txt": "[]"}, "absent, and not asked: PSScriptAnalyzer, Pester"),
    ],
)
def test_no_answer_is_never_a_good_one(tmp_path: Path, answers: dict[str, str], words: str) -> None:
    code, said = run_checks(tmp_path, ALL, answers, "--require")
    assert code == 1
    assert words in said


def test_the_compiler_is_asked_in_place_of_the_checks_of_its_language(tmp_path: Path) -> None:
    (tmp_path / "bicep").write_text(BICEP, encoding="utf-8")
    (tmp_path / "bicep").chmod(0o755)
    script = "from tools.bicep_lint.__main__ import list_checks; print(list_checks())"
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.splitlines()[1:] == ["['kusto', 'documents', 'security']"]


PLANS = sorted((INFRA / "tests" / "plans").glob("*.bicepparam"))


def test_there_are_plans_for_the_least_for_everything_and_for_a_national_cloud() -> None:
    assert [plan.stem for plan in PLANS] == ["gcc-high", "private-entra-granted", "smallest"]
    # azd takes main.bicepparam in the folder of main.bicep for its own.
    assert not list(INFRA.glob("*.bicepparam"))


@pytest.mark.parametrize("plan", PLANS, ids=lambda plan: plan.stem)
def test_a_plan_gives_what_main_bicep_takes(plan: Path) -> None:
    text = plan.read_text(encoding="utf-8")
    assert list(check_plan(text, read_bicep("main"))) == []
    assert "using '../../main.bicep'" in text


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("param alertEmails", "param alertMails", "main.bicep has no parameter alertMails"),
        ("param location = 'westeurope'\n", "", "location is not given"),
        ("'../../main.bicep'", "'../main.bicep'", "uses no ../../main.bicep"),
    ],
)
def test_a_mistake_in_a_plan_is_found(old: str, new: str, said: str) -> None:
    text = (INFRA / "tests" / "plans" / "smallest.bicepparam").read_text(encoding="utf-8")
    assert old in text
    assert said in "\n".join(check_plan(text.replace(old, new), read_bicep("main")))


def test_the_pester_cases_are_those_of_the_script() -> None:
    cases = (INFRA / "tests" / "exchange-role.Tests.ps1").read_text(encoding="utf-8")
    assert len(re.findall(r"^ +It '", cases, re.MULTILINE)) == 22
    settings = (INFRA / "tests" / "PSScriptAnalyzerSettings.psd1").read_text(encoding="utf-8")
    rules = re.findall(r"^ +'(PS\w+)'$", settings, re.MULTILINE)
    assert rules == ["PSAvoidUsingWriteHost", "PSReviewUnusedParameter"]
    # Each with its reason in the line above.
    assert len(re.findall(r"^ +# .+\n +'PS", settings, re.MULTILINE)) == len(rules)
