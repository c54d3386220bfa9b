"""`python -m tools.bicep_lint [FOLDER] [--only NAME ...]`: prints mistakes and fails if there are
any.
"""

import argparse
import sys
import time
from pathlib import Path

from tools.bicep_lint import documents, kusto, linter, security, shapes, symbols, syntax
from tools.infra_compile.__main__ import find_program

CHECKS = {
    "syntax": syntax.check_syntax,
    "symbols": symbols.check_symbols,
    "linter": linter.check_linter,
    "shapes": shapes.check_shapes,
    "kusto": kusto.check_kusto,
    "documents": documents.check_documents,
    "security": security.check_security,
}
# What the compiler itself says better.
BY_THE_COMPILER = ("syntax", "symbols", "linter", "shapes")
INFRA_FOLDER = Path(__file__).resolve().parent.parent.parent / "infra"


def list_checks() -> list[str]:
    """What is asked here: where there is a compiler, `tools.infra_compile` asks that."""
    if find_program("bicep") is None:
        return list(CHECKS)
    print("bicep is here: infra-compile asks it in place of the checks of its language")
    return [name for name in CHECKS if name not in BY_THE_COMPILER]


def main() -> int:
    """Runs the checks and prints one line per mistake."""
    parser = argparse.ArgumentParser(prog="python -m tools.bicep_lint", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=INFRA_FOLDER)
    parser.add_argument("--only", nargs="+", choices=CHECKS, default=list_checks())
    asked = parser.parse_args()
    wrong = 0
    for name in asked.only:
        start = time.perf_counter()
        found = sorted(CHECKS[name](asked.folder))
        for line in found:
            print(line)
        wrong += len(found)
        outcome = "ok" if not found else f"{len(found)} wrong"
        print(f"{name:<10} {outcome:<9} {time.perf_counter() - start:4.1f} s", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
