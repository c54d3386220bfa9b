"""Every Bicep file parses by pycep's grammar, which is not ours."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".tools/infra/venv/bin/python"
SCRIPT = Path(__file__).with_name("parse_bicep.py")
SECONDS = 20


def check(folder: Path) -> Iterator[str]:
    """What does not parse, and what takes too long."""
    if not PYTHON.is_file():
        yield "syntax: pycep is missing: make setup"
        return
    paths = sorted(folder.glob("*.bicep"))
    if not paths:
        yield f"syntax: there are no Bicep files in {folder}"
        return
    wrong = parsed(paths)
    if wrong is None:
        # One of them hangs the parser: which?
        for path in paths:
            alone = parsed([path])
            if alone is None:
                yield f"syntax: {path.name}: not parsed within {SECONDS} s; is a quote missing?"
            else:
                yield from named(alone)
    else:
        yield from named(wrong)


def named(wrong: dict[str, str]) -> Iterator[str]:
    """The mistakes with the names of their files."""
    yield from (f"syntax: {Path(name).name}: {text}" for name, text in wrong.items())


def parsed(paths: list[Path]) -> dict[str, str] | None:
    """What is wrong by file; None where it took too long."""
    try:
        run = subprocess.run(
            [PYTHON, "-P", SCRIPT, *paths],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    if run.returncode:
        return {str(paths[0]): f"pycep failed: {run.stderr.strip()[-300:]}"}
    wrong: dict[str, str] = json.loads(run.stdout)
    return wrong
