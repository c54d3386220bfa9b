"""Every Bicep file parses by pycep's grammar, which is not ours."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".tools/infra/venv/bin/python"
SCRIPT = Path(__file__).with_name("parse_bicep.py")
TIMEOUT_SECONDS = 20
# pycep knows no objects with any key (`*: string`): these files are read by our own parser alone.
UNREADABLE = frozenset({"types.bicep"})


def check_syntax(folder: Path) -> Iterator[str]:
    """What does not parse, and what takes too long."""
    if not PYTHON.is_file():
        yield "syntax: pycep is missing: make setup"
        return
    paths = sorted(path for path in folder.glob("*.bicep") if path.name not in UNREADABLE)
    if not paths:
        yield f"syntax: there are no Bicep files in {folder}"
        return
    wrong = run_pycep(paths)
    if wrong is None:
        # One of them hangs the parser: which?
        for path in paths:
            alone = run_pycep([path])
            if alone is None:
                yield (
                    f"syntax: {path.name}: not parsed within {TIMEOUT_SECONDS} s; "
                    "is a quote missing?"
                )
            else:
                yield from add_file_names(alone)
    else:
        yield from add_file_names(wrong)


def add_file_names(wrong: dict[str, str]) -> Iterator[str]:
    """The mistakes with the names of their files."""
    yield from (f"syntax: {Path(name).name}: {text}" for name, text in wrong.items())


def run_pycep(paths: list[Path]) -> dict[str, str] | None:
    """What is wrong by file; None where it took too long."""
    try:
        run = subprocess.run(
            [PYTHON, "-P", SCRIPT, *paths],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    if run.returncode:
        return {str(paths[0]): f"pycep failed: {run.stderr.strip()[-300:]}"}
    wrong: dict[str, str] = json.loads(run.stdout)
    return wrong
