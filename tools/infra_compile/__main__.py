"""`python -m tools.infra_compile [FOLDER] [--require]`: prints mistakes, and fails if there are
any.

With --require what is absent is a mistake too.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from tools.infra_compile.bicep import check_bicep
from tools.infra_compile.powershell import MODULE_CHECKS, check_powershell, list_modules

INFRA_FOLDER = Path(__file__).resolve().parent.parent.parent / "infra"


def find_program(name: str) -> str | None:
    """A program by its setting (BICEP, PWSH) or on PATH."""
    return shutil.which(os.environ.get(name.upper()) or name)


def main() -> int:
    """Runs what there is."""
    parser = argparse.ArgumentParser(prog="python -m tools.infra_compile", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=INFRA_FOLDER)
    parser.add_argument("--require", action="store_true", help="what is absent is a mistake too")
    asked = parser.parse_args()
    found: list[str] = []
    absent: list[str] = []
    asked_tools: list[str] = []
    if bicep := find_program("bicep"):
        asked_tools.append("bicep")
        with tempfile.TemporaryDirectory() as work:
            found += check_bicep(bicep, asked.folder, Path(work))
    else:
        absent.append("bicep")
    if pwsh := find_program("pwsh"):
        modules = list_modules(pwsh, asked.folder)
        asked_tools += ["pwsh", *modules]
        absent += sorted(MODULE_CHECKS.keys() - set(modules))
        found += check_powershell(pwsh, asked.folder, modules)
    else:
        absent += ["pwsh", *MODULE_CHECKS]
    for line in found:
        print(line)
    if asked_tools:
        print(f"infra-compile: {', '.join(asked_tools)}: {len(found) or 'nothing'} wrong")
    if absent:
        print(f"infra-compile: absent, and not asked: {', '.join(absent)}")
    return 1 if found or (asked.require and absent) else 0


if __name__ == "__main__":
    sys.exit(main())
